#include "core/ltfs/name.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { NAME_POINTS_MAX = 255 };

bool rsm_name_is_ascii(const char *name)
{
	unsigned char seen = 0;

	for (const char *p = name; *p; p++)
		seen |= (unsigned char)*p;
	return seen < 0x80;
}

static bool is_forbidden(utf8proc_int32_t point)
{
	return point == 0x1f || point == 0xfffe || point == 0xffff;
}

/* Counts the code points of a text that is valid UTF-8, looking for those that no name may have. */
static int count_points(const char *what, const char *text, size_t *ret_count, struct rsm_err *err)
{
	const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
	size_t count = 0;

	for (utf8proc_int32_t point; *p; count++) {
		utf8proc_ssize_t length = utf8proc_iterate(p, -1, &point);

		if (length <= 0) /* surrogates and overlong forms too */
			return rsm_err_set(err, EILSEQ, "the %s is not valid UTF-8", what);
		if (is_forbidden(point))
			return rsm_err_set(err, EILSEQ, "the %s contains U+%04X", what,
					   (unsigned)point);
		p += length;
	}
	*ret_count = count;
	return 0;
}

int rsm_name_check(const char *name, struct rsm_err *err)
{
	RSM_FREE char *nfc = NULL;
	size_t count;
	int r;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return rsm_err_set(err, EINVAL, "\"%s\" is not a name", name);
	if (strchr(name, '/'))
		return rsm_err_set(err, EILSEQ, "the name contains U+002F");
	r = count_points("name", name, &count, err);
	if (r < 0)
		return r;
	/* composing may make it short enough; the few characters that NFC always takes apart grow
	 */
	if (count * 3 > NAME_POINTS_MAX && !rsm_name_is_ascii(name)) {
		r = rsm_name_nfc(name, &nfc, err);
		if (r == 0)
			r = count_points("name", nfc, &count, err);
		if (r < 0)
			return r;
	}
	if (count > NAME_POINTS_MAX)
		return rsm_err_set(err, ENAMETOOLONG, "the name has more than %d characters",
				   NAME_POINTS_MAX);
	return 0;
}

int rsm_name_add(const char *name, const char *suffix, char **ret_name, struct rsm_err *err)
{
	size_t length = strlen(name), more = strlen(suffix);
	RSM_FREE char *longer = malloc(length + more + 1);

	if (!longer)
		return rsm_err_oom(err);
	memcpy(longer, name, length);
	for (;;) {
		int r;

		memcpy(longer + length, suffix, more + 1);
		r = rsm_name_check(longer, err);
		if (r == 0)
			*ret_name = RSM_STEAL(longer);
		if (r != -ENAMETOOLONG || length == 0)
			return r;
		while (--length && (longer[length] & 0xc0) == 0x80) /* inside of a character */
			continue;
	}
}

int rsm_name_check_text(const char *what, const char *text, struct rsm_err *err)
{
	size_t count;

	return count_points(what, text, &count, err);
}

int rsm_name_nfc(const char *name, char **ret_nfc, struct rsm_err *err)
{
	utf8proc_uint8_t *mapped = NULL;
	utf8proc_ssize_t length;

	if (rsm_name_is_ascii(name)) {
		char *copy = strdup(name);

		if (!copy)
			return rsm_err_oom(err);
		*ret_nfc = copy;
		return 0;
	}
	length = utf8proc_map((const utf8proc_uint8_t *)name, 0, &mapped,
			      UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	if (length == UTF8PROC_ERROR_NOMEM)
		return rsm_err_oom(err);
	if (length < 0)
		return rsm_err_set(err, EILSEQ, "the name is not valid UTF-8");
	*ret_nfc = (char *)mapped;
	return 0;
}

/* U+FFFE, U+FFFF: the two that UTF-8 can hold and XML cannot. */
static bool is_noncharacter(const unsigned char *p)
{
	return p[0] == 0xef && p[1] == 0xbf && (p[2] == 0xbe || p[2] == 0xbf);
}

bool rsm_name_needs_encoding(const char *text, bool link)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == ':' && !link)
			return true;
		if (*p < 0x20 && *p != '\t' && *p != '\n' && *p != '\r')
			return true;
		if (is_noncharacter(p))
			return true;
	}
	return false;
}

void rsm_name_encode(const char *text, struct rsm_text *ret_encoded)
{
	static const char digits[] = "0123456789ABCDEF";

	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p > ' ' && *p < 0x7f && *p != '%' && *p != ':') {
			rsm_text_append(ret_encoded, p, 1);
		} else {
			char code[3] = { '%', digits[*p >> 4], digits[*p & 15] };

			rsm_text_append(ret_encoded, code, 3);
		}
	}
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

size_t rsm_name_decode(char *text, size_t length)
{
	size_t out = 0;

	for (size_t in = 0; in < length; in++) {
		int value = -1;

		if (text[in] == '%' && length - in > 2 && hex_value(text[in + 1]) >= 0 &&
		    hex_value(text[in + 2]) >= 0)
			value = hex_value(text[in + 1]) * 16 + hex_value(text[in + 2]);
		if (value > 0 && value != '/') {
			text[out++] = (char)value;
			in += 2;
		} else {
			text[out++] = text[in];
		}
	}
	if (out < length)
		text[out] = '\0';
	return out;
}
