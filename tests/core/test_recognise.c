/* Headers made by hand, as the formats' documentation has them. */
#include "core/recognise/recognise.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/base/test.h"

static struct rsm_recognised recognise(const void *record, size_t length)
{
	const struct rsm_first_record first = { record, length };
	struct rsm_recognised found;

	rsm_recognise(&first, 1, &found);
	return found;
}

static void assert_recognised(const void *record, size_t length, const char *type, const char *info)
{
	struct rsm_recognised found = recognise(record, length);

	assert_string_equal(found.type, type);
	assert_string_equal(found.info, info);
}

/* Cut short anywhere it may be another thing or nothing, but it is read within its bounds (the
 * copy's end is where a sanitizer looks).
 */
static void assert_bounded(const void *record, size_t length)
{
	for (size_t n = 0; n < length; n++) {
		char *copy = malloc(n ? n : 1);

		memcpy(copy, record, n);
		recognise(copy, n);
		free(copy);
	}
}

static void put_le16(void *at, unsigned value)
{
	uint8_t *p = at;

	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

/* ---- labels ---- */

static void label(char record[80], const char *text, const char *implementation)
{
	memset(record, ' ', 80);
	memcpy(record, text, strlen(text));
	memcpy(record + 24, implementation, strlen(implementation));
}

static void our_free_label_and_an_ltfs_volume_are_known_by_vol1(void **state)
{
	char record[80];

	(void)state;
	label(record, "VOL1A00001L", "RSMFS FREE");
	assert_int_equal(recognise(record, 80).kind, RSM_RECOGNISED_FREE);
	assert_recognised(record, 80, "RSMFS FREE", "");
	label(record, "VOL1A00001L", "LTFS");
	assert_int_equal(recognise(record, 80).kind, RSM_RECOGNISED_LTFS);
	assert_recognised(record, 80, "LTFS", "");
	assert_int_equal(recognise(record, 79).kind, RSM_RECOGNISED_FOREIGN);
	assert_recognised(record, 79, "unknown", "");
	assert_recognised("", 0, "unknown", "");
}

static void a_medium_that_begins_with_a_filemark_is_unknown(void **state)
{
	struct rsm_recognised found;

	(void)state;
	rsm_recognise(NULL, 0, &found);
	assert_int_equal(found.kind, RSM_RECOGNISED_FOREIGN);
	assert_string_equal(found.type, "unknown");
}

static void an_ansi_label_shows_its_serial_and_the_first_files_name(void **state)
{
	char vol1[80], hdr1[80], hdr2[80];
	struct rsm_first_record records[] = { { vol1, 80 }, { hdr2, 80 }, { hdr1, 80 } };
	struct rsm_recognised found;

	(void)state;
	label(vol1, "VOL1PAY01 ", "ACME TAPES");
	label(hdr2, "HDR2F0204800080", "");
	label(hdr1, "HDR1PAYROLL.DATA     PAY01 00010001", "");
	rsm_recognise(records, 3, &found);
	assert_int_equal(found.kind, RSM_RECOGNISED_FOREIGN);
	assert_string_equal(found.type, "ANSI VOL1");
	assert_string_equal(found.info, "PAY01 PAYROLL.DATA");
	assert_recognised(vol1, 80, "ANSI VOL1", "PAY01");
	assert_int_equal(rsm_recognise_wants_more(vol1, 80), 1);
	records[2].length = 20; /* cut: it has no name */
	rsm_recognise(records, 3, &found);
	assert_string_equal(found.info, "PAY01");
}

static void an_ibm_label_is_read_in_its_own_alphabet(void **state)
{
	char vol1[80];

	(void)state;
	memset(vol1, 0x40, sizeof vol1);
	memcpy(vol1, "\xe5\xd6\xd3\xf1\xe3\xc1\xd7\xc5\xf0\xf7", 10);
	assert_recognised(vol1, 80, "IBM VOL1", "TAPE07");
	assert_int_equal(rsm_recognise_wants_more(vol1, 80), 1);
}

/* ---- MTF ---- */

static size_t mtf(uint8_t *block, bool utf16)
{
	static const char name[] = "Media created 1/2/2003", software[] = "Backup Exec";
	size_t at = 94;

	memset(block, 0, 1024);
	memcpy(block, "TAPE", 4);
	put_le16(block + 8, 1024);
	block[10] = 14; /* Windows NT */
	block[48] = utf16 ? 2 : 1;
	for (int i = 0; i < 2; i++) {
		const char *string = i ? software : name;
		size_t length = strlen(string);

		put_le16(block + (i ? 80 : 68), (unsigned)(utf16 ? length * 2 : length));
		put_le16(block + (i ? 82 : 70), (unsigned)at);
		for (size_t k = 0; k < length; k++)
			block[at + (utf16 ? 2 * k : k)] = (uint8_t)string[k];
		at += utf16 ? 2 * length : length;
	}
	for (int i = 0; i < 50; i += 2) {
		block[50] ^= block[i];
		block[51] ^= block[i + 1];
	}
	return 1024;
}

static void an_mtf_tape_shows_its_media_name_and_the_software(void **state)
{
	uint8_t block[1024];
	size_t length = mtf(block, true);

	(void)state;
	assert_recognised(block, length, "MTF", "Media created 1/2/2003 (Backup Exec)");
	length = mtf(block, false);
	assert_recognised(block, length, "MTF", "Media created 1/2/2003 (Backup Exec)");
	assert_bounded(block, length);
	put_le16(block + 70, 65000); /* the name lies beyond the block */
	assert_recognised(block, length, "MTF", "(Backup Exec)");
	memset(block + 4, 'x', 200); /* a text that begins with TAPE */
	assert_recognised(block, length, "unknown", "");
}

/* ---- Bacula ---- */

static size_t bacula(uint8_t *block, int version, const char *id, const char *volume, int32_t index)
{
	size_t at = version == 1 ? 16 : 24, start, length_at;

	memset(block, 0, 2048);
	memcpy(block + 12, "BB0", 3);
	block[15] = (uint8_t)('0' + version);
	if (version == 3) { /* with a checksum of 64 bits */
		rsm_put_be32(block, 1);
		at += 8;
	}
	if (version == 1)
		at += 8;
	rsm_put_be32(block + at, (uint32_t)index);
	length_at = at + 8;
	at += 12;
	start = at;
	memcpy(block + at, id, strlen(id));
	at += strlen(id) + 1;
	rsm_put_be32(block + at, 11);
	at += 36;
	memcpy(block + at, volume, strlen(volume));
	at += strlen(volume) + 1;
	at++; /* no volume before it */
	memcpy(block + at, "Full", 5);
	at += 5;
	rsm_put_be32(block + length_at, (uint32_t)(at - start));
	rsm_put_be32(block + 4, (uint32_t)at);
	return at;
}

static void a_bacula_volume_label_is_read_in_each_block_format(void **state)
{
	uint8_t block[2048];

	(void)state;
	for (int version = 1; version <= 3; version++) {
		size_t length = bacula(block, version, "Bacula 1.0 immortal\n", "Full-0001", -2);

		assert_recognised(block, length, "Bacula", "Full-0001");
		assert_bounded(block, length);
	}
	assert_recognised(block, bacula(block, 1, "Bacula 0.9 mortal\n", "Old", -1), "Bacula",
			  "Old");
	/* a tape that begins in the midst of something has no name */
	assert_recognised(block, bacula(block, 2, "Bacula 1.0 immortal\n", "x", 7), "Bacula", "");
	block[15] = '9';
	assert_recognised(block, 512, "unknown", "");
}

static void a_bareos_volume_is_told_from_bacula(void **state)
{
	uint8_t block[2048];
	size_t length = bacula(block, 2, "Bareos 2.0 immortal\n", "Incr-0042", -2);

	(void)state;
	assert_recognised(block, length, "Bareos", "Incr-0042");
}

/* ---- Amanda ---- */

static void an_amanda_tape_shows_its_label(void **state)
{
	char block[32768] = "AMANDA: TAPESTART DATE 20260102030405 TAPE daily-07\n\f\n";

	(void)state;
	assert_recognised(block, sizeof block, "Amanda", "daily-07");
	assert_bounded(block, 60);
	strcpy(block, "AMANDA: TAPESTART DATE X TAPE \"my tape\"\n");
	assert_recognised(block, sizeof block, "Amanda", "my tape");
	strcpy(block, "AMANDA: FILE 20260102 host.example /home  lev 0 comp N program /bin/tar\n");
	assert_recognised(block, sizeof block, "Amanda", "host.example /home");
	strcpy(block, "NETDUMP: TAPESTART DATE 940102 TAPE old3\n");
	assert_recognised(block, sizeof block, "Amanda", "old3");
	strcpy(block, "AMANDA: \n");
	assert_recognised(block, sizeof block, "Amanda", "");
}

/* ---- tar ---- */

enum { BLOCK = 512 };

static void tar_sum(char *header)
{
	unsigned sum = 0;

	memset(header + 148, ' ', 8);
	for (int i = 0; i < BLOCK; i++)
		sum += (uint8_t)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	header[155] = ' ';
}

static void tar_header(char *header, const char *name, char type, unsigned size, const char *magic)
{
	memset(header, 0, BLOCK);
	snprintf(header, 100, "%s", name);
	memcpy(header + 100, "0000644", 8);
	memcpy(header + 108, "0001750", 8);
	memcpy(header + 116, "0001750", 8);
	snprintf(header + 124, 12, "%011o", size);
	snprintf(header + 136, 12, "%011o", 1767323045u);
	header[156] = type;
	memcpy(header + 257, magic, strlen(magic));
	tar_sum(header);
}

static void tar_is_known_by_its_checksum_in_all_its_dialects(void **state)
{
	char record[10240] = "";

	(void)state;
	tar_header(record, "etc/passwd", '\0', 1200, "");
	assert_recognised(record, sizeof record, "tar", "etc/passwd");
	tar_header(record, "etc/passwd", '0', 1200, "ustar");
	assert_recognised(record, sizeof record, "tar", "etc/passwd");
	tar_header(record, "etc/passwd", '0', 1200, "ustar  ");
	assert_recognised(record, BLOCK, "tar", "etc/passwd");
	assert_recognised(record, BLOCK - 1, "unknown", "");
	record[3] ^= 1; /* the magic alone makes no archive */
	assert_recognised(record, sizeof record, "unknown", "");
	memset(record, 0, sizeof record);
	assert_recognised(record, sizeof record, "unknown", "");
}

static void tar_is_called_after_its_volume_label_where_it_has_one(void **state)
{
	char record[10240] = "";

	(void)state;
	tar_header(record, "nightly 7", 'V', 0, "ustar  ");
	tar_header(record + BLOCK, "a", '0', 0, "ustar  ");
	assert_recognised(record, sizeof record, "tar", "nightly 7");
	tar_header(record, "././@PaxHeader", 'g', 29, "ustar");
	strcpy(record + BLOCK, "29 GNU.volume.label=monday 3\n");
	tar_header(record + 2 * BLOCK, "a", '0', 0, "ustar");
	assert_recognised(record, sizeof record, "tar", "monday 3");
}

static void long_names_of_tar_are_found_behind_its_first_header(void **state)
{
	char record[10240] = "", name[200];

	(void)state;
	memset(name, 'n', 120);
	name[120] = '\0';
	tar_header(record, "././@LongLink", 'L', 121, "ustar  ");
	strcpy(record + BLOCK, name);
	assert_recognised(record, sizeof record, "tar", name);
	tar_header(record, "x", 'x', 30 + 9, "ustar");
	strcpy(record + BLOCK, "30 mtime=1767323045.123456789\n9 path=b\n");
	tar_header(record + 2 * BLOCK, "short", '0', 0, "ustar");
	assert_recognised(record, sizeof record, "tar", "b");
	strcpy(record + BLOCK, "99999 mtime=1767323045.123456\n9 path=b\n");
	assert_recognised(record, sizeof record, "tar", "short");
	tar_header(record, "file", '0', 0, "ustar");
	strcpy(record + 345, "a/folder");
	tar_sum(record);
	assert_recognised(record, sizeof record, "tar", "a/folder/file");
	assert_bounded(record, 3 * BLOCK);
}

/* ---- cpio ---- */

static void cpio_is_known_in_its_four_formats(void **state)
{
	static const char newc[] = "070701" /* or 070702: the same with a checksum */
				   "00000001"
				   "000081A4"
				   "000003E8"
				   "000003E8"
				   "00000001"
				   "6956F9E5"
				   "00000004"
				   "00000000"
				   "00000000"
				   "00000000"
				   "00000000"
				   "00000006"
				   "00000000"
				   "hello";
	static const char odc[] = "070707"
				  "000001"
				  "000001"
				  "100644"
				  "001750"
				  "001750"
				  "000001"
				  "000000"
				  "15125374745"
				  "000006"
				  "00000000004"
				  "hello";
	uint8_t binary[64] = { 0xc7, 0x71 };
	char record[512] = "";

	(void)state;
	memcpy(record, newc, sizeof newc);
	assert_recognised(record, sizeof record, "cpio", "hello");
	record[5] = '2';
	assert_recognised(record, sizeof record, "cpio", "hello");
	assert_bounded(record, sizeof newc);
	memset(record, 0, sizeof record);
	memcpy(record, odc, sizeof odc);
	assert_recognised(record, sizeof record, "cpio", "hello");
	assert_bounded(record, sizeof odc);
	put_le16(binary + 6, 0100644);
	put_le16(binary + 20, 6);
	strcpy((char *)binary + 26, "hello");
	assert_recognised(binary, sizeof binary, "cpio", "hello");
	for (int i = 0; i < 26; i += 2) { /* by a machine of the other byte order */
		uint8_t first = binary[i];

		binary[i] = binary[i + 1];
		binary[i + 1] = first;
	}
	assert_recognised(binary, sizeof binary, "cpio", "hello");
	binary[31] = 'x'; /* no NUL where the name should end */
	assert_recognised(binary, sizeof binary, "unknown", "");
}

/* ---- what people see ---- */

static void names_reach_people_as_clean_text(void **state)
{
	char record[10240] = "", expected[130];

	(void)state;
	tar_header(record,
		   "gr\xc3\xb6\xc3\x9f"
		   "e\n\x1b[2J\xe4\x7f",
		   '0', 0, "ustar");
	assert_recognised(record, sizeof record, "tar",
			  "gr\xc3\xb6\xc3\x9f"
			  "e??[2J\xc3\xa4?");
	/* cut between two characters */
	tar_header(record, "././@LongLink", 'L', 200, "ustar  ");
	for (int i = 0; i < 100; i++)
		memcpy(record + BLOCK + 2 * i, "\xc3\xb6", 2);
	for (int i = 0; i < 63; i++)
		memcpy(expected + 2 * i, "\xc3\xb6", 2);
	expected[126] = '\0';
	assert_recognised(record, sizeof record, "tar", expected);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(our_free_label_and_an_ltfs_volume_are_known_by_vol1),
	cmocka_unit_test(a_medium_that_begins_with_a_filemark_is_unknown),
	cmocka_unit_test(an_ansi_label_shows_its_serial_and_the_first_files_name),
	cmocka_unit_test(an_ibm_label_is_read_in_its_own_alphabet),
	cmocka_unit_test(an_mtf_tape_shows_its_media_name_and_the_software),
	cmocka_unit_test(a_bacula_volume_label_is_read_in_each_block_format),
	cmocka_unit_test(a_bareos_volume_is_told_from_bacula),
	cmocka_unit_test(an_amanda_tape_shows_its_label),
	cmocka_unit_test(tar_is_known_by_its_checksum_in_all_its_dialects),
	cmocka_unit_test(tar_is_called_after_its_volume_label_where_it_has_one),
	cmocka_unit_test(long_names_of_tar_are_found_behind_its_first_header),
	cmocka_unit_test(cpio_is_known_in_its_four_formats),
	cmocka_unit_test(names_reach_people_as_clean_text),
};

RSM_TEST_MAIN(tests)
