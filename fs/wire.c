#include "fs/wire.h"

#include <stdint.h>
#include <string.h>

void rsmfs_wire_escape(struct rsm_text *text, const void *bytes, size_t length)
{
	static const char hex[] = "0123456789ABCDEF";
	const uint8_t *p = bytes;
	size_t plain = 0;

	for (size_t i = 0; i < length; i++) {
		if (p[i] >= 0x20 && p[i] != '%' && p[i] != 0x7F)
			continue;
		char code[3] = { '%', hex[p[i] >> 4], hex[p[i] & 15] };

		rsm_text_append(text, p + plain, i - plain);
		rsm_text_append(text, code, sizeof(code));
		plain = i + 1;
	}
	rsm_text_append(text, p + plain, length - plain);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int rsmfs_wire_unescape(char *field, size_t *ret_length)
{
	char *to = field;

	for (const char *from = field; *from; from++) {
		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		int high = hex_digit(from[1]);
		int low = high < 0 ? -1 : hex_digit(from[2]);

		if (low < 0)
			return -EINVAL;
		*to++ = (char)(high << 4 | low);
		from += 2;
	}
	*to = '\0';
	if (ret_length)
		*ret_length = (size_t)(to - field);
	return 0;
}

int rsmfs_wire_split(char *line, char **fields, size_t room)
{
	size_t count = 0;

	for (;;) {
		if (count == room)
			return -E2BIG;
		fields[count++] = line;
		line = strchr(line, '\t');
		if (!line)
			return (int)count;
		*line++ = '\0';
	}
}
