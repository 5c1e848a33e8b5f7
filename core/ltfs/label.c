#include "core/ltfs/label.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "core/ltfs/xml.h"

/* ---- VOL1 ---- */

static bool is_serial_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

/* All six or none: the reference refuses shorter serials and other characters. */
static void take_serial(const char *field, char ret_serial[7])
{
	size_t length = 0;

	while (length < 6 && is_serial_character(field[length]))
		length++;
	if (length < 6)
		length = 0;
	memcpy(ret_serial, field, length);
	ret_serial[length] = '\0';
}

static void take_implementation(const char *field, char ret_implementation[14])
{
	size_t length = 13;

	while (length && (field[length - 1] == ' ' || field[length - 1] == '\0'))
		length--;
	for (size_t i = 0; i < length; i++)
		ret_implementation[i] = field[i] >= 0x20 && field[i] < 0x7f ? field[i] : '?';
	ret_implementation[length] = '\0';
}

enum rsm_vol1_kind rsm_vol1_parse(const void *record, size_t length, char *ret_serial,
				  char ret_implementation[14])
{
	const char *text = record;
	char serial[7] = "", implementation[14] = "";
	enum rsm_vol1_kind kind;

	if (length < RSM_VOL1_SIZE)
		kind = RSM_VOL1_NONE;
	else if (!memcmp(text + 24, "LTFS", 4))
		kind = RSM_VOL1_LTFS;
	else if (memcmp(text, "VOL1", 4))
		kind = RSM_VOL1_NONE;
	else if (!memcmp(text + 24, "RSMFS FREE", 10))
		kind = RSM_VOL1_FREE;
	else
		kind = RSM_VOL1_FOREIGN;
	if (kind != RSM_VOL1_NONE) {
		take_serial(text + 4, serial);
		take_implementation(text + 24, implementation);
	}
	if (ret_serial)
		memcpy(ret_serial, serial, sizeof serial);
	if (ret_implementation)
		memcpy(ret_implementation, implementation, sizeof implementation);
	return kind;
}

void rsm_vol1_build(char record[RSM_VOL1_SIZE], bool free_label, const char *serial)
{
	const char *implementation = free_label ? "RSMFS FREE" : "LTFS";
	char valid[7];

	memset(record, ' ', RSM_VOL1_SIZE);
	memcpy(record, "VOL1", 4);
	rsm_vol1_serial_of_barcode(serial ? serial : "", valid);
	memcpy(record + 4, valid, strlen(valid));
	record[10] = 'L';
	memcpy(record + 24, implementation, strlen(implementation));
	record[79] = '4';
}

void rsm_vol1_serial_of_barcode(const char *barcode, char ret_serial[7])
{
	take_serial(barcode, ret_serial);
}

/* ---- the XML label ---- */

enum element {
	CREATOR,
	FORMAT_TIME,
	UUID,
	LOCATION,
	INDEX,
	DATA,
	BLOCK_SIZE,
	COMPRESSION,
	LOCATION_GROUP, /* from here on: no text of their own */
	PARTITIONS_GROUP,
	ROOT,
	DOCUMENT,
};

static const struct {
	enum element parent, self;
	const char *name;
} elements[] = {
	{ DOCUMENT, ROOT, "ltfslabel" },	  { ROOT, CREATOR, "creator" },
	{ ROOT, FORMAT_TIME, "formattime" },	  { ROOT, UUID, "volumeuuid" },
	{ ROOT, LOCATION_GROUP, "location" },	  { LOCATION_GROUP, LOCATION, "partition" },
	{ ROOT, PARTITIONS_GROUP, "partitions" }, { PARTITIONS_GROUP, INDEX, "index" },
	{ PARTITIONS_GROUP, DATA, "data" },	  { ROOT, BLOCK_SIZE, "blocksize" },
	{ ROOT, COMPRESSION, "compression" },
};

struct label_parser {
	struct rsm_xml xml; /* first: the handlers' user data */
	enum element path[4];
	size_t depth;
	unsigned skipped; /* depth within an unknown element */
	unsigned seen;	  /* a bit an element */
	size_t length;
	char text[RSM_LTFS_LABEL_MAX + 1]; /* no label is longer */
	struct rsm_ltfs_label label;
};

static void start_root(struct label_parser *parser, const XML_Char **attributes)
{
	const char *version = NULL;
	unsigned number;

	for (; attributes[0]; attributes += 2) {
		if (!strcmp(attributes[0], "version"))
			version = attributes[1];
	}
	if (!version || !rsm_xml_version(version, &number))
		rsm_xml_fail(&parser->xml, EBADMSG, "label version %.16s cannot be read",
			     version ? version : "(none)");
	else
		snprintf(parser->label.version, sizeof parser->label.version, "%s", version);
}

static void XMLCALL start_element(void *data, const XML_Char *name, const XML_Char **attributes)
{
	struct label_parser *parser = data;
	enum element parent = parser->depth ? parser->path[parser->depth - 1] : DOCUMENT;

	parser->xml.events++;
	if (parser->skipped) {
		parser->skipped++;
		return;
	}
	for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
		if (elements[i].parent != parent || strcmp(elements[i].name, name))
			continue;
		if (parser->seen & 1U << elements[i].self) {
			rsm_xml_fail(&parser->xml, EBADMSG, "<%s> is there twice", name);
			return;
		}
		parser->seen |= 1U << elements[i].self;
		parser->path[parser->depth++] = elements[i].self;
		parser->length = 0;
		if (elements[i].self == ROOT)
			start_root(parser, attributes);
		return;
	}
	if (parent == DOCUMENT)
		rsm_xml_fail(&parser->xml, EBADMSG, "<%.64s> is not an LTFS label", name);
	parser->skipped = 1;
}

static void XMLCALL add_text(void *data, const XML_Char *text, int length)
{
	struct label_parser *parser = data;

	parser->xml.events++;
	if (parser->skipped || !parser->depth || parser->path[parser->depth - 1] > COMPRESSION)
		return;
	if ((size_t)length > RSM_LTFS_LABEL_MAX - parser->length) {
		rsm_xml_fail(&parser->xml, EBADMSG, "the text is too long");
		return;
	}
	memcpy(parser->text + parser->length, text, (size_t)length);
	parser->length += (size_t)length;
}

static bool take_creator(struct rsm_ltfs_label *label, const char *text, size_t length)
{
	if (length >= sizeof label->creator) {
		for (length = sizeof label->creator - 1;
		     length && ((uint8_t)text[length] & 0xc0) == 0x80;)
			length--;
	}
	memcpy(label->creator, text, length);
	label->creator[length] = '\0';
	return length;
}

static void XMLCALL end_element(void *data, const XML_Char *name)
{
	struct label_parser *parser = data;
	struct rsm_ltfs_label *label = &parser->label;
	const char *text = parser->text;
	bool valid = true;

	parser->xml.events++;
	if (parser->skipped) {
		parser->skipped--;
		return;
	}
	parser->text[parser->length] = '\0';
	switch (parser->path[--parser->depth]) {
	case CREATOR: valid = take_creator(label, text, parser->length); break;
	case FORMAT_TIME: valid = !rsm_ltfs_time_parse(text, &label->format_time); break;
	case UUID: valid = rsm_xml_uuid(text, label->uuid); break;
	case LOCATION: valid = rsm_xml_letter(text, &label->location); break;
	case INDEX: valid = rsm_xml_letter(text, &label->index_partition); break;
	case DATA: valid = rsm_xml_letter(text, &label->data_partition); break;
	case BLOCK_SIZE:
		valid = rsm_xml_number(text, &label->block_size) && label->block_size;
		break;
	case COMPRESSION: valid = rsm_xml_bool(text, &label->compression); break;
	default: return;
	}
	if (!valid)
		rsm_xml_fail(&parser->xml, EBADMSG, "<%s> cannot be %s", name,
			     parser->length ? "read" : "empty");
}

static int check_label(const struct label_parser *parser, struct rsm_err *err)
{
	const struct rsm_ltfs_label *label = &parser->label;

	for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
		if (!(parser->seen & 1U << elements[i].self))
			return rsm_err_set(err, EBADMSG, "<%s> is missing", elements[i].name);
	}
	if (label->index_partition == label->data_partition)
		return rsm_err_set(err, EBADMSG, "both partitions are called %c",
				   label->data_partition);
	if (label->location != label->index_partition && label->location != label->data_partition)
		return rsm_err_set(err, EBADMSG, "location %c is not a partition of the volume",
				   label->location);
	return 0;
}

int rsm_ltfs_label_parse(const char *xml, size_t length, struct rsm_ltfs_label *ret_label,
			 struct rsm_err *err)
{
	RSM_FREE struct label_parser *parser = NULL;
	int r;

	if (length > RSM_LTFS_LABEL_MAX)
		return rsm_err_set(err, EBADMSG, "LTFS label of %zu bytes is too long", length);
	parser = calloc(1, sizeof *parser);
	if (!parser)
		return rsm_err_oom(err);
	r = rsm_xml_init(&parser->xml, err);
	if (r < 0)
		return r;
	XML_SetElementHandler(parser->xml.parser, start_element, end_element);
	XML_SetCharacterDataHandler(parser->xml.parser, add_text);
	r = rsm_xml_parse(&parser->xml, xml, length, true, err);
	rsm_xml_fini(&parser->xml);
	if (!r)
		r = check_label(parser, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "LTFS label");
	*ret_label = parser->label;
	return 0;
}

int rsm_ltfs_label_build(const struct rsm_ltfs_label *label, struct rsm_text *ret_xml,
			 struct rsm_err *err)
{
	char time[RSM_LTFS_TIME_SIZE];
	size_t start = ret_xml->length;

	rsm_ltfs_time_format(&label->format_time, time);
	rsm_text_printf(ret_xml,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			"<ltfslabel version=\"%s\">\n"
			"    <creator>",
			label->version[0] ? label->version : "2.4.0");
	rsm_xml_escape(ret_xml, label->creator, strlen(label->creator), false);
	rsm_text_printf(ret_xml,
			"</creator>\n"
			"    <formattime>%s</formattime>\n"
			"    <volumeuuid>%s</volumeuuid>\n"
			"    <location>\n"
			"        <partition>%c</partition>\n"
			"    </location>\n"
			"    <partitions>\n"
			"        <index>%c</index>\n"
			"        <data>%c</data>\n"
			"    </partitions>\n"
			"    <blocksize>%llu</blocksize>\n"
			"    <compression>%s</compression>\n"
			"</ltfslabel>\n",
			time, label->uuid, label->location, label->index_partition,
			label->data_partition, (unsigned long long)label->block_size,
			label->compression ? "true" : "false");
	if (ret_xml->failed)
		return rsm_err_oom(err);
	if (ret_xml->length - start > RSM_LTFS_LABEL_MAX)
		return rsm_err_set(err, EINVAL, "LTFS label of %zu bytes is too long",
				   ret_xml->length - start);
	return 0;
}

int rsm_ltfs_label_compare(const struct rsm_ltfs_label *one, const struct rsm_ltfs_label *other,
			   struct rsm_err *err)
{
	const char *what = NULL;

	if (strcmp(one->uuid, other->uuid))
		what = "volume UUID";
	else if (one->format_time.tv_sec != other->format_time.tv_sec ||
		 one->format_time.tv_nsec != other->format_time.tv_nsec)
		what = "format time";
	else if (one->block_size != other->block_size)
		what = "block size";
	else if (one->compression != other->compression)
		what = "compression";
	else if (one->index_partition != other->index_partition ||
		 one->data_partition != other->data_partition)
		what = "letters of the partitions";
	else if (strcmp(one->version, other->version))
		what = "version";
	if (what)
		return rsm_err_set(err, EBADMSG, "the two LTFS labels differ in the %s", what);
	if (one->location == other->location)
		return rsm_err_set(err, EBADMSG, "both LTFS labels say that they are on %c",
				   one->location);
	return 0;
}

/* ---- times ---- */

enum { DAY = 86400 };
static const int64_t first_second = -62167219200; /* 0000-01-01 */
static const int64_t last_second = 253402300799;  /* 9999-12-31T23:59:59 */

/* Days since 1970 of a Gregorian date, and back; years begin in March, so that the leap day is
 * their last. A cycle of 400 years has 146097 days.
 */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
	int64_t shifted = year - (month <= 2) + 400;
	int64_t era = shifted / 400, of_era = shifted % 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return (era - 1) * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of_days(int64_t days, unsigned *ret_year, unsigned *ret_month, unsigned *ret_day)
{
	int64_t shifted = days + 719468 + 146097;
	int64_t era = shifted / 146097, of_era = shifted % 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153;

	*ret_day = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
	*ret_month = (unsigned)(month < 10 ? month + 3 : month - 9);
	*ret_year = (unsigned)(year + (era - 1) * 400 + (*ret_month <= 2));
}

static char *put_digits(char *at, unsigned long value, size_t digits)
{
	for (size_t i = digits; i-- > 0; value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + digits;
}

void rsm_ltfs_time_clamp(struct timespec *time)
{
	if (time->tv_sec < first_second)
		*time = (struct timespec){ .tv_sec = first_second };
	else if (time->tv_sec > last_second)
		*time = (struct timespec){ .tv_sec = last_second, .tv_nsec = 999999999 };
	else if (time->tv_nsec < 0 || time->tv_nsec > 999999999)
		time->tv_nsec = 999999999;
}

/* Written out by hand: an index has five of them for each file. */
void rsm_ltfs_time_format(const struct timespec *time, char ret_text[RSM_LTFS_TIME_SIZE])
{
	struct timespec clamped = *time;
	int64_t seconds;
	unsigned long of_day;
	unsigned year, month, day;
	char *at = ret_text;

	rsm_ltfs_time_clamp(&clamped);
	seconds = clamped.tv_sec;
	of_day = (unsigned long)(((seconds % DAY) + DAY) % DAY);
	date_of_days((seconds - (int64_t)of_day) / DAY, &year, &month, &day);
	at = put_digits(at, year, 4);
	*at++ = '-';
	at = put_digits(at, month, 2);
	*at++ = '-';
	at = put_digits(at, day, 2);
	*at++ = 'T';
	at = put_digits(at, of_day / 3600, 2);
	*at++ = ':';
	at = put_digits(at, of_day / 60 % 60, 2);
	*at++ = ':';
	at = put_digits(at, of_day % 60, 2);
	*at++ = '.';
	at = put_digits(at, (unsigned long)clamped.tv_nsec, 9);
	*at++ = 'Z';
	*at = '\0';
}

/* Takes exactly `digits` digits and then `next` (0: nothing is checked). */
static bool take_digits(const char **text, size_t digits, char next, int64_t *ret_value)
{
	int64_t value = 0;

	for (size_t i = 0; i < digits; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		value = value * 10 + (**text - '0');
	}
	*ret_value = value;
	return !next || *(*text)++ == next;
}

/* The digits behind the point count as the fraction that they are, however many. */
static bool take_fraction(const char **text, long *ret_nanoseconds)
{
	long nanoseconds = 0;
	size_t digits = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++, digits++) {
		if (digits < 9)
			nanoseconds = nanoseconds * 10 + (**text - '0');
	}
	for (size_t i = digits; i < 9; i++)
		nanoseconds *= 10;
	*ret_nanoseconds = nanoseconds;
	return digits;
}

int rsm_ltfs_time_parse(const char *text, struct timespec *ret_time)
{
	static const uint8_t days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t year, month, day, hour, minute, second;
	long nanoseconds = 0;

	if (!take_digits(&text, 4, '-', &year) || !take_digits(&text, 2, '-', &month) ||
	    !take_digits(&text, 2, 'T', &day) || !take_digits(&text, 2, ':', &hour) ||
	    !take_digits(&text, 2, ':', &minute) || !take_digits(&text, 2, 0, &second))
		return -EBADMSG;
	if (month < 1 || month > 12 || day < 1 || day > days[month - 1] || hour > 23 ||
	    minute > 59 || second > 60)
		return -EBADMSG;
	if (*text == '.' && (text++, !take_fraction(&text, &nanoseconds)))
		return -EBADMSG;
	/* the reference does not look at the letter; nothing but it may follow */
	if (*text == 'Z' || *text == 'z')
		text++;
	if (*text)
		return -EBADMSG;
	ret_time->tv_sec =
		days_of_date(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
	ret_time->tv_nsec = nanoseconds;
	return 0;
}

/* ---- volume coherency information ---- */

void rsm_coherency_build(const struct rsm_coherency *info, uint8_t value[RSM_COHERENCY_SIZE])
{
	memset(value, 0, RSM_COHERENCY_SIZE);
	value[0] = 8;
	rsm_put_be64(value + 1, info->change_reference);
	rsm_put_be64(value + 9, info->generation);
	rsm_put_be64(value + 17, info->block);
	rsm_put_be16(value + 25, 43);
	memcpy(value + 27, "LTFS", 4);
	memcpy(value + 32, info->uuid, strnlen(info->uuid, 36));
	value[69] = 1;
}

/* Only the four letters are compared: some writers leave the byte behind them undefined. */
int rsm_coherency_parse(const void *value, size_t length, struct rsm_coherency *ret_info)
{
	const uint8_t *bytes = value;
	struct rsm_coherency info;
	uint16_t rest;
	char uuid[RSM_UUID_SIZE];

	if (length < RSM_COHERENCY_SIZE - 1 || bytes[0] != 8)
		return 1;
	rest = rsm_get_be16(bytes + 25);
	if ((rest != 42 && rest != 43) || length < 27U + rest || memcmp(bytes + 27, "LTFS", 4))
		return 1;
	if (rest == 43 && bytes[69] == 0)
		return 1;
	memcpy(uuid, bytes + 32, RSM_UUID_SIZE - 1);
	uuid[RSM_UUID_SIZE - 1] = '\0';
	info.change_reference = rsm_get_be64(bytes + 1);
	info.generation = rsm_get_be64(bytes + 9);
	info.block = rsm_get_be64(bytes + 17);
	if (!rsm_xml_uuid(uuid, info.uuid) || !info.change_reference ||
	    info.change_reference == UINT32_MAX || info.change_reference == UINT64_MAX)
		return 1;
	*ret_info = info;
	return 0;
}
