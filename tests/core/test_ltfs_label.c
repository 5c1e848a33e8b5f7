#include "core/ltfs/label.h"

#include <stdio.h>

#include "tests/base/test.h"

#define LABEL(version, body)                                                                       \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ltfslabel version=\"" version "\">" body     \
	"</ltfslabel>"
#define CREATOR	 "<creator>Example Corp rsmfs 1.0 - Linux - rsm</creator>\n"
#define TIME	 "<formattime>2026-01-02T03:04:05.000000006Z</formattime>"
#define UUID	 "<volumeuuid>0A1b2c3d-4e5f-4789-8abc-def012345678</volumeuuid>"
#define LOCATION "<location> <partition>a</partition> </location>"
#define MAP	 "<partitions><index>a</index><data>b</data></partitions>"
#define SIZE	 "<blocksize>524288</blocksize>"
#define PACK	 "<compression>true</compression>"
#define ALL	 CREATOR TIME UUID LOCATION MAP SIZE PACK

static int parse(const char *xml, struct rsm_ltfs_label *label, struct rsm_err *err)
{
	return rsm_ltfs_label_parse(xml, strlen(xml), label, err);
}

static void a_label_is_read_in_any_order_and_shape(void **state)
{
	static const char *const texts[] = {
		LABEL("2.4.0", ALL),
		LABEL("2.4.0", PACK SIZE MAP LOCATION UUID TIME CREATOR),
		LABEL("2.4.0", "<new a=\"b\">x<index>q</index></new>" ALL "<!-- c --> <other/>"),
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><!DOCTYPE ltfslabel>"
		"<ltfslabel xmlns=\"http://www.example.org\" version=\"2.4.0\">" ALL
		"</ltfslabel>\n\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct rsm_ltfs_label label;
		struct rsm_err err;

		assert_done(parse(texts[i], &label, &err), &err);
		assert_string_equal(label.version, "2.4.0");
		assert_string_equal(label.creator, "Example Corp rsmfs 1.0 - Linux - rsm");
		assert_string_equal(label.uuid, "0a1b2c3d-4e5f-4789-8abc-def012345678");
		assert_int_equal(label.format_time.tv_sec, 1767323045);
		assert_int_equal(label.format_time.tv_nsec, 6);
		assert_int_equal(label.location, 'a');
		assert_int_equal(label.index_partition, 'a');
		assert_int_equal(label.data_partition, 'b');
		assert_int_equal(label.block_size, 524288);
		assert_true(label.compression);
	}
}

static void a_wrong_label_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *xml, *reason;
	} cases[] = {
		{ LABEL("2.4.0", TIME UUID LOCATION MAP SIZE PACK), "<creator> is missing" },
		{ LABEL("2.4.0", CREATOR UUID LOCATION MAP SIZE PACK), "<formattime> is missing" },
		{ LABEL("2.4.0", CREATOR TIME LOCATION MAP SIZE PACK), "<volumeuuid> is missing" },
		{ LABEL("2.4.0", CREATOR TIME UUID MAP SIZE PACK), "<location> is missing" },
		{ LABEL("2.4.0", CREATOR TIME UUID LOCATION SIZE PACK), "<partitions> is missing" },
		{ LABEL("2.4.0", CREATOR TIME UUID LOCATION MAP PACK), "<blocksize> is missing" },
		{ LABEL("2.4.0", CREATOR TIME UUID LOCATION MAP SIZE), "<compression> is missing" },
		{ LABEL("2.4.0", ALL PACK), "<compression> is there twice" },
		{ LABEL("2.4.0", CREATOR TIME UUID LOCATION MAP PACK "<blocksize>0</blocksize>"),
		  "<blocksize>" },
		{ LABEL("2.4.0", CREATOR TIME UUID LOCATION MAP PACK "<blocksize>8 </blocksize>"),
		  "<blocksize>" },
		{ LABEL("2.4.0", CREATOR TIME UUID LOCATION MAP PACK
			"<blocksize>18446744073709551616</blocksize>"),
		  "<blocksize>" },
		{ LABEL("2.4.0",
			CREATOR TIME UUID LOCATION MAP SIZE "<compression>True</compression>"),
		  "<compression>" },
		{ LABEL("2.4.0", "<creator/>" TIME UUID LOCATION MAP SIZE PACK),
		  "<creator> cannot be empty" },
		{ LABEL("2.4.0", CREATOR TIME UUID LOCATION SIZE PACK
			"<partitions><index>a</index><data>a</data></partitions>"),
		  "both partitions" },
		{ LABEL("2.4.0", CREATOR TIME UUID MAP SIZE PACK
			"<location><partition>c</partition></location>"),
		  "location c" },
		{ LABEL("2.4.0", CREATOR TIME UUID MAP SIZE PACK
			"<location><partition>A</partition></location>"),
		  "<partition>" },
		{ LABEL("3.0.0", ALL), "version 3.0.0" },
		{ LABEL("2.4", ALL), "version 2.4" },
		{ LABEL("2.100.0", ALL), "version" },
		{ LABEL("0.9.0", ALL), "version" },
		{ LABEL("2.4.0", ALL) "x", "line" },
		{ "<ltfsindex version=\"2.4.0\"/>", "not an LTFS label" },
		{ "", "no element" },
		{ "<!DOCTYPE l [<!ENTITY a \"b\">]>" LABEL("2.4.0", ALL), "line 1" },
		{ "<!DOCTYPE l [<!ENTITY a \"b\">]><ltfslabel/>", "entity" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rsm_ltfs_label label;
		struct rsm_err err;

		assert_int_equal(parse(cases[i].xml, &label, &err), -EBADMSG);
		if (!strstr(err.msg, cases[i].reason))
			fail_msg("case %zu: \"%s\" lacks \"%s\"", i, err.msg, cases[i].reason);
	}
}

static void old_and_newer_versions_are_read(void **state)
{
	static const char *const texts[] = { LABEL("1.0", ALL), LABEL("1.0.0", ALL),
					     LABEL("2.5.1", ALL), LABEL("2.99.99", ALL) };
	struct rsm_ltfs_label label;
	struct rsm_err err;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_done(parse(texts[i], &label, &err), &err);
}

static void a_built_label_reads_back(void **state)
{
	struct rsm_ltfs_label label = { .version = "2.4.0",
					.creator = "A & <B> \"C\" - Linux",
					.format_time = { 1767323045, 6 },
					.uuid = "0a1b2c3d-4e5f-4789-8abc-def012345678",
					.location = 'b',
					.index_partition = 'b',
					.data_partition = 'a',
					.block_size = 1048576 },
			      read, other;
	RSM_TEXT struct rsm_text xml = { 0 };
	struct rsm_err err;

	(void)state;
	assert_done(rsm_ltfs_label_build(&label, &xml, &err), &err);
	assert_done(rsm_ltfs_label_parse(xml.data, xml.length, &read, &err), &err);
	assert_string_equal(read.creator, label.creator);
	assert_int_equal(read.location, 'b');
	assert_int_equal(read.block_size, 1048576);
	assert_false(read.compression);

	other = read;
	other.location = 'a';
	assert_done(rsm_ltfs_label_compare(&read, &other, &err), &err);
	other.format_time.tv_nsec++;
	assert_int_equal(rsm_ltfs_label_compare(&read, &other, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "format time"));
	other = read;
	assert_int_equal(rsm_ltfs_label_compare(&read, &other, &err), -EBADMSG);
	other.location = 'a';
	other.uuid[0] = '1';
	assert_int_equal(rsm_ltfs_label_compare(&read, &other, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "UUID"));
}

static void volume_labels_are_told_apart(void **state)
{
	char record[RSM_VOL1_SIZE], serial[7], implementation[14];

	(void)state;
	rsm_vol1_build(record, false, "ABC123");
	assert_memory_equal(record,
			    "VOL1ABC123L             LTFS                            "
			    "                       4",
			    RSM_VOL1_SIZE);
	assert_int_equal(rsm_vol1_parse(record, 80, serial, implementation), RSM_VOL1_LTFS);
	assert_string_equal(serial, "ABC123");
	assert_string_equal(implementation, "LTFS");
	assert_int_equal(rsm_vol1_parse(record, 79, serial, implementation), RSM_VOL1_NONE);
	memcpy(record, "xxxx", 4);
	assert_int_equal(rsm_vol1_parse(record, 80, NULL, implementation), RSM_VOL1_LTFS);

	rsm_vol1_build(record, true, "abc123");
	assert_int_equal(rsm_vol1_parse(record, 80, serial, implementation), RSM_VOL1_FREE);
	assert_string_equal(serial, "");
	assert_string_equal(implementation, "RSMFS FREE");
	memcpy(record + 4, "ABC   ", 6);
	memcpy(record + 24, "BACKUP 1.0", 10);
	assert_int_equal(rsm_vol1_parse(record, 80, serial, implementation), RSM_VOL1_FOREIGN);
	assert_string_equal(serial, "");
	memset(record, 0, sizeof record);
	assert_int_equal(rsm_vol1_parse(record, 80, serial, implementation), RSM_VOL1_NONE);

	rsm_vol1_serial_of_barcode("A00001L8", serial);
	assert_string_equal(serial, "A00001");
	rsm_vol1_serial_of_barcode("A01", serial);
	assert_string_equal(serial, "");
}

static void times_keep_their_nine_digits(void **state)
{
	static const struct {
		const char *text, *again;
		int64_t seconds;
		long nanoseconds;
	} cases[] = {
		{ "1970-01-01T00:00:00.000000000Z", NULL, 0, 0 },
		{ "0000-01-01T00:00:00.000000000Z", NULL, -62167219200, 0 },
		{ "0001-01-01T00:00:00.123456789Z", NULL, -62135596800, 123456789 },
		{ "0000-02-29T12:00:00.000000001Z", NULL, -62162078400, 1 },
		{ "1969-12-31T23:59:59.750000000Z", NULL, -1, 750000000 },
		{ "2000-02-29T23:59:59.999999999Z", NULL, 951868799, 999999999 },
		{ "2038-01-19T03:14:08.000000000Z", NULL, 2147483648, 0 },
		{ "2200-03-01T00:00:00.000000000Z", NULL, 7263216000, 0 },
		{ "9999-12-31T23:59:59.999999999Z", NULL, 253402300799, 999999999 },
		{ "2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.500000000Z", 1767323045,
		  500000000 },
		{ "2026-01-02T03:04:05.0000000069Z", "2026-01-02T03:04:05.000000006Z", 1767323045,
		  6 },
		{ "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000000Z", 1767323045, 0 },
	};
	static const char *const wrong[] = { "",
					     "2026-01-02",
					     "2026-13-02T03:04:05.0Z",
					     "2026-01-02T03:04:05.Z",
					     "2026-01-02T24:04:05.0Z",
					     "2026-01-02T03:04:05.0Zx",
					     "-026-01-02T03:04:05.0Z",
					     " 2026-01-02T03:04:05.0Z" };
	struct timespec time;
	char text[RSM_LTFS_TIME_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(rsm_ltfs_time_parse(cases[i].text, &time), 0);
		assert_int_equal(time.tv_sec, cases[i].seconds);
		assert_int_equal(time.tv_nsec, cases[i].nanoseconds);
		rsm_ltfs_time_format(&time, text);
		assert_string_equal(text, cases[i].again ? cases[i].again : cases[i].text);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(rsm_ltfs_time_parse(wrong[i], &time), -EBADMSG);
	rsm_ltfs_time_format(&(struct timespec){ INT64_MAX, 0 }, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999999999Z");
	rsm_ltfs_time_format(&(struct timespec){ INT64_MIN, 0 }, text);
	assert_string_equal(text, "0000-01-01T00:00:00.000000000Z");
}

static void every_day_goes_there_and_back(void **state)
{
	char text[RSM_LTFS_TIME_SIZE];
	struct timespec time;

	(void)state;
	for (int64_t day = -719528; day < 2932897; day += 31) {
		rsm_ltfs_time_format(&(struct timespec){ day * 86400 + 1, 5 }, text);
		assert_int_equal(rsm_ltfs_time_parse(text, &time), 0);
		assert_int_equal(time.tv_sec, day * 86400 + 1);
	}
}

static void coherency_is_read_as_others_write_it(void **state)
{
	struct rsm_coherency info = { 3, 7, 5, "0a1b2c3d-4e5f-4789-8abc-def012345678" }, read;
	uint8_t value[RSM_COHERENCY_SIZE];

	(void)state;
	rsm_coherency_build(&info, value);
	assert_int_equal(value[31], 0);
	assert_int_equal(rsm_coherency_parse(value, sizeof value, &read), 0);
	assert_int_equal(read.change_reference, 3);
	assert_int_equal(read.generation, 7);
	assert_int_equal(read.block, 5);
	assert_string_equal(read.uuid, info.uuid);

	value[31] = 0x20; /* garbage behind the letters, as seen */
	assert_int_equal(rsm_coherency_parse(value, sizeof value, &read), 0);
	value[26] = 42;
	assert_int_equal(rsm_coherency_parse(value, sizeof value - 1, &read), 0);
	value[26] = 43;
	assert_int_equal(rsm_coherency_parse(value, sizeof value - 1, &read), 1);
	value[69] = 0;
	assert_int_equal(rsm_coherency_parse(value, sizeof value, &read), 1);
	rsm_coherency_build(&info, value);
	value[27] = 'X';
	assert_int_equal(rsm_coherency_parse(value, sizeof value, &read), 1);
	assert_int_equal(rsm_coherency_parse(value, 0, &read), 1);

	info.change_reference = UINT32_MAX;
	rsm_coherency_build(&info, value);
	assert_int_equal(rsm_coherency_parse(value, sizeof value, &read), 1);
	info.change_reference = 0;
	rsm_coherency_build(&info, value);
	assert_int_equal(rsm_coherency_parse(value, sizeof value, &read), 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_label_is_read_in_any_order_and_shape),
	cmocka_unit_test(a_wrong_label_is_refused_with_the_reason),
	cmocka_unit_test(old_and_newer_versions_are_read),
	cmocka_unit_test(a_built_label_reads_back),
	cmocka_unit_test(volume_labels_are_told_apart),
	cmocka_unit_test(times_keep_their_nine_digits),
	cmocka_unit_test(every_day_goes_there_and_back),
	cmocka_unit_test(coherency_is_read_as_others_write_it),
};
RSM_TEST_MAIN(tests)
