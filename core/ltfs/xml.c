#include "core/ltfs/xml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A tag, attribute or comment longer than this is refused: expat has to keep it in one piece, and
 * looks at it again from its beginning with each feed.
 */
enum { CHUNK = 256 * 1024, STALLED_MAX = 4 * 1024 * 1024 };

static void refuse_entity(void *data, const XML_Char *name, int is_parameter, const XML_Char *value,
			  int value_length, const XML_Char *base, const XML_Char *system_id,
			  const XML_Char *public_id, const XML_Char *notation)
{
	(void)name, (void)is_parameter, (void)value, (void)value_length, (void)base;
	(void)system_id, (void)public_id, (void)notation;
	rsm_xml_fail(data, EBADMSG, "declares an entity");
}

/* With an external DTD, expat passes over entities that it does not know. */
static void refuse_skipped(void *data, const XML_Char *name, int is_parameter)
{
	(void)name, (void)is_parameter;
	rsm_xml_fail(data, EBADMSG, "uses an entity that is not declared");
}

int rsm_xml_init(struct rsm_xml *xml, struct rsm_err *err)
{
	*xml = (struct rsm_xml){ .parser = XML_ParserCreate(NULL) };
	if (!xml->parser)
		return rsm_err_oom(err);
	XML_SetUserData(xml->parser, xml);
	XML_SetEntityDeclHandler(xml->parser, refuse_entity);
	XML_SetSkippedEntityHandler(xml->parser, refuse_skipped);
	return 0;
}

void rsm_xml_fini(struct rsm_xml *xml)
{
	if (xml->parser)
		XML_ParserFree(xml->parser);
	xml->parser = NULL;
}

int rsm_xml_fail_with(struct rsm_xml *xml, int result, const struct rsm_err *why)
{
	if (!xml->result) {
		xml->result = result;
		xml->err = *why;
		if (result == -EBADMSG)
			rsm_err_wrap(&xml->err, result, "line %lu",
				     (unsigned long)XML_GetCurrentLineNumber(xml->parser));
		XML_StopParser(xml->parser, XML_FALSE);
	}
	return xml->result;
}

int rsm_xml_fail(struct rsm_xml *xml, int code, const char *format, ...)
{
	char message[RSM_ERR_MSG_SIZE];
	struct rsm_err why;
	va_list args;
	int r;

	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	r = rsm_err_set(&why, code, "%s", message);
	return rsm_xml_fail_with(xml, r, &why);
}

static int parse_chunk(struct rsm_xml *xml, const char *bytes, size_t length, bool last)
{
	uint64_t events = xml->events;
	enum XML_Error code;

	if (XML_Parse(xml->parser, bytes, (int)length, last) == XML_STATUS_ERROR && !xml->result) {
		code = XML_GetErrorCode(xml->parser);
		rsm_xml_fail(xml, code == XML_ERROR_NO_MEMORY ? ENOMEM : EBADMSG, "%s",
			     XML_ErrorString(code));
	}
	xml->stalled = events == xml->events ? xml->stalled + length : 0;
	if (xml->stalled > STALLED_MAX)
		rsm_xml_fail(xml, EBADMSG, "something does not end for %d bytes", STALLED_MAX);
	return xml->result;
}

int rsm_xml_parse(struct rsm_xml *xml, const void *bytes, size_t length, bool last,
		  struct rsm_err *err)
{
	const char *at = bytes;

	while (!xml->result && length > CHUNK) {
		parse_chunk(xml, at, CHUNK, false);
		at += CHUNK;
		length -= CHUNK;
	}
	if (!xml->result && (length || last))
		parse_chunk(xml, length ? at : "", length, last);
	if (xml->result && err)
		*err = xml->err;
	return xml->result;
}

bool rsm_xml_number(const char *text, uint64_t *ret_number)
{
	uint64_t number = 0;

	text += strspn(text, " \t\r\n");
	if (*text == '+')
		text++;
	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned)*text - '0';

		if (digit > 9 || number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*ret_number = number;
	return true;
}

bool rsm_xml_bool(const char *text, bool *ret_value)
{
	if (!strcmp(text, "true") || !strcmp(text, "1"))
		*ret_value = true;
	else if (!strcmp(text, "false") || !strcmp(text, "0"))
		*ret_value = false;
	else
		return false;
	return true;
}

bool rsm_xml_version(const char *text, unsigned *ret_version)
{
	unsigned part[3] = { 0, 0, 0 };
	size_t i = 0, digits = 0;

	if (!strcmp(text, "1.0")) {
		*ret_version = 10000;
		return true;
	}
	for (; *text; text++) {
		if (*text >= '0' && *text <= '9' && ++digits <= 2)
			part[i] = part[i] * 10 + (unsigned)(*text - '0');
		else if (*text == '.' && digits && digits <= 2 && i < 2)
			i++, digits = 0;
		else
			return false;
	}
	if (i != 2 || !digits || part[0] < 1 || part[0] > 2)
		return false;
	*ret_version = part[0] * 10000 + part[1] * 100 + part[2];
	return true;
}

bool rsm_xml_uuid(const char *text, char *ret_uuid)
{
	char uuid[37];
	size_t i;

	for (i = 0; i < 36; i++) {
		char c = text[i];

		if (c >= 'A' && c <= 'F')
			c = (char)(c - 'A' + 'a');
		if (i == 8 || i == 13 || i == 18 || i == 23
			    ? c != '-'
			    : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		uuid[i] = c;
	}
	if (text[36])
		return false;
	uuid[36] = '\0';
	memcpy(ret_uuid, uuid, sizeof uuid);
	return true;
}

bool rsm_xml_letter(const char *text, char *ret_letter)
{
	if (text[0] < 'a' || text[0] > 'z' || text[1])
		return false;
	*ret_letter = text[0];
	return true;
}

size_t rsm_xml_character(const char *text, size_t length)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t more, i;
	uint32_t code;

	if (!length)
		return 0;
	if (p[0] < 0x80)
		return p[0] >= 0x20 || p[0] == '\t' || p[0] == '\n' || p[0] == '\r';
	more = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : p[0] < 0xf5 ? 3 : 0;
	if (!more || more >= length)
		return 0;
	code = p[0] & (0x3fU >> more);
	for (i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000) || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000) || code == 0xfffe || code == 0xffff)
		return 0;
	return more + 1;
}

static const char *escape_of(char c, bool attribute)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '\r': return "&#13;";
	case '"': return attribute ? "&quot;" : NULL;
	case '\t': return attribute ? "&#9;" : NULL;
	case '\n': return attribute ? "&#10;" : NULL;
	default: return NULL;
	}
}

void rsm_xml_escape(struct rsm_text *out, const char *text, size_t length, bool attribute)
{
	size_t start = 0, i = 0;

	while (i < length) {
		size_t size = rsm_xml_character(text + i, length - i);
		const char *instead = size ? escape_of(text[i], attribute) : "\xef\xbf\xbd";

		if (instead) {
			rsm_text_append(out, text + start, i - start);
			rsm_text_add(out, instead);
			start = i + (size ? size : 1);
		}
		i += size ? size : 1;
	}
	rsm_text_append(out, text + start, length - start);
}
