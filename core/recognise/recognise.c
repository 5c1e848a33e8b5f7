#include "core/recognise/recognise_private.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "core/ltfs/label.h"

enum { LABEL_SIZE = 80, FILE_ID_AT = 4, FILE_ID_SIZE = 17 };

/* ---- text ---- */

static void add_code_point(struct rsm_text *info, utf8proc_int32_t c)
{
	utf8proc_uint8_t bytes[4];
	utf8proc_ssize_t length;

	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		c = '?';
	length = utf8proc_encode_char(c, bytes);
	rsm_text_append(info, bytes, length > 0 ? (size_t)length : 0);
}

void rsm_recognise_add_text(struct rsm_text *info, const void *bytes, size_t length)
{
	const utf8proc_uint8_t *at = bytes;
	size_t left = strnlen(bytes, length);

	while (left) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = utf8proc_iterate(at, (utf8proc_ssize_t)left, &c);

		if (n <= 0) {
			c = *at;
			n = 1;
		}
		add_code_point(info, c);
		at += n;
		left -= (size_t)n;
	}
}

void rsm_recognise_add_field(struct rsm_text *info, const char *field, size_t length)
{
	length = strnlen(field, length);
	while (length && field[length - 1] == ' ')
		length--;
	rsm_recognise_add_text(info, field, length);
}

/* ---- labels of 80 characters ---- */

static enum rsm_vol1_kind vol1_kind(const struct first_records *first)
{
	return rsm_vol1_parse(first->records[0].data, first->records[0].length, NULL, NULL);
}

/* Other formats have larger records: their bytes 24 to 27 are no implementation identifier. */
static bool recognise_ltfs(const struct first_records *first, struct rsm_recognised *ret,
			   struct rsm_text *info)
{
	(void)info;
	ret->kind = RSM_RECOGNISED_LTFS;
	return vol1_kind(first) == RSM_VOL1_LTFS &&
	       (first->records[0].length == LABEL_SIZE || rsm_recognise_begins(first, "VOL1", 4));
}

static bool recognise_free(const struct first_records *first, struct rsm_recognised *ret,
			   struct rsm_text *info)
{
	(void)info;
	ret->kind = RSM_RECOGNISED_FREE;
	return vol1_kind(first) == RSM_VOL1_FREE;
}

/* The digits, letters and spaces of EBCDIC: all that a standard label's names have, but for a few
 * national characters.
 */
static char from_ebcdic(uint8_t c)
{
	if (c >= 0xf0 && c <= 0xf9)
		return (char)('0' + (c - 0xf0));
	if (c >= 0xc1 && c <= 0xc9)
		return (char)('A' + (c - 0xc1));
	if (c >= 0xd1 && c <= 0xd9)
		return (char)('J' + (c - 0xd1));
	if (c >= 0xe2 && c <= 0xe9)
		return (char)('S' + (c - 0xe2));
	switch (c) {
	case 0x00:
	case 0x40: return ' ';
	case 0x4b: return '.';
	case 0x60: return '-';
	case 0x6d: return '_';
	case 0x5b: return '$';
	case 0x7b: return '#';
	case 0x7c: return '@';
	default: return '?';
	}
}

static void take_label(const struct rsm_first_record *record, bool ebcdic, char ret[LABEL_SIZE])
{
	memcpy(ret, record->data, LABEL_SIZE);
	for (int i = 0; ebcdic && i < LABEL_SIZE; i++)
		ret[i] = from_ebcdic((uint8_t)ret[i]);
}

/* VOL1's serial, and the first file's name, from HDR1 (ANSI X3.27 and IBM's standard labels). */
static bool recognise_labels(const struct first_records *first, bool ebcdic, struct rsm_text *info)
{
	char label[LABEL_SIZE];

	if (first->records[0].length < LABEL_SIZE)
		return false;
	take_label(&first->records[0], ebcdic, label);
	if (memcmp(label, "VOL1", 4) != 0)
		return false;
	rsm_recognise_add_field(info, label + 4, 6);
	for (size_t i = 1; i < first->count; i++) {
		if (first->records[i].length < LABEL_SIZE)
			continue;
		take_label(&first->records[i], ebcdic, label);
		if (memcmp(label, "HDR1", 4) != 0 || label[FILE_ID_AT] == ' ')
			continue;
		if (info->length)
			rsm_text_add(info, " ");
		rsm_recognise_add_field(info, label + FILE_ID_AT, FILE_ID_SIZE);
		break;
	}
	return true;
}

static bool recognise_ansi(const struct first_records *first, struct rsm_recognised *ret,
			   struct rsm_text *info)
{
	(void)ret;
	return recognise_labels(first, false, info);
}

static bool recognise_ibm(const struct first_records *first, struct rsm_recognised *ret,
			  struct rsm_text *info)
{
	(void)ret;
	return recognise_labels(first, true, info);
}

int rsm_recognise_wants_more(const void *data, size_t length)
{
	return length >= LABEL_SIZE &&
	       (!memcmp(data, "VOL1", 4) || !memcmp(data, "\xe5\xd6\xd3\xf1", 4));
}

/* ---- all of them ---- */

static const struct {
	const char *type;
	recogniser *claims;
} recognisers[] = {
	{ "LTFS", recognise_ltfs },	    { "RSMFS FREE", recognise_free },
	{ "ANSI VOL1", recognise_ansi },    { "IBM VOL1", recognise_ibm },
	{ "MTF", rsm_recognise_mtf },	    { "Bacula", rsm_recognise_bacula },
	{ "Amanda", rsm_recognise_amanda }, { "tar", rsm_recognise_tar },
	{ "cpio", rsm_recognise_cpio },
};

/* Cut at the end of a character. */
static void take_info(const struct rsm_text *info, struct rsm_recognised *ret)
{
	size_t length = info->failed ? 0 : info->length;

	if (length >= sizeof ret->info) {
		length = sizeof ret->info - 1;
		while (length && ((uint8_t)info->data[length] & 0xc0) == 0x80)
			length--;
	}
	if (length)
		memcpy(ret->info, info->data, length);
	ret->info[length] = '\0';
}

void rsm_recognise(const struct rsm_first_record *records, size_t count,
		   struct rsm_recognised *ret_recognised)
{
	struct first_records first = { .records = records, .count = count };

	for (size_t i = 0; count && i < sizeof recognisers / sizeof *recognisers; i++) {
		RSM_TEXT struct rsm_text info = { 0 };
		struct rsm_recognised found = { .kind = RSM_RECOGNISED_FOREIGN };

		snprintf(found.type, sizeof found.type, "%s", recognisers[i].type);
		if (!recognisers[i].claims(&first, &found, &info))
			continue;
		take_info(&info, &found);
		*ret_recognised = found;
		return;
	}
	*ret_recognised =
		(struct rsm_recognised){ .kind = RSM_RECOGNISED_FOREIGN, .type = "unknown" };
}
