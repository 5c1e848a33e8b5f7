/* Archives that begin at block 0: tar in all its dialects (v7, ustar, GNU, pax), by its checksum;
 * cpio in the four formats there are. An archive is called after its volume label where it has one,
 * else after its first member.
 */
#include "core/recognise/recognise_private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- tar ---- */

enum {
	TAR_BLOCK = 512,
	TAR_NAME_SIZE = 100,
	TAR_SIZE = 124,
	TAR_SIZE_SIZE = 12,
	TAR_CHECKSUM = 148,
	TAR_CHECKSUM_SIZE = 8,
	TAR_TYPE = 156,
	TAR_MAGIC = 257,
	TAR_PREFIX = 345,
	TAR_PREFIX_SIZE = 155,
	TAR_HEADERS_MOST = 16, /* before the first member's own */
};

/* Octal digits between spaces, ended by a space, a NUL or the field. */
static bool get_octal(const char *field, size_t size, uint64_t *ret_value)
{
	uint64_t value = 0;
	bool any = false;

	while (size && *field == ' ') {
		field++;
		size--;
	}
	for (; size && *field >= '0' && *field <= '7'; field++, size--) {
		value = value << 3 | (uint64_t)(*field - '0');
		any = true;
	}
	*ret_value = value;
	return any && (!size || *field == ' ' || *field == '\0');
}

/* There were writers that took the bytes for signed. */
static bool tar_checksum_is_good(const char *header)
{
	uint64_t sum = 0, expected;
	int64_t signed_sum = 0;

	if (!get_octal(header + TAR_CHECKSUM, TAR_CHECKSUM_SIZE, &expected))
		return false;
	for (int i = 0; i < TAR_BLOCK; i++) {
		bool own = i >= TAR_CHECKSUM && i < TAR_CHECKSUM + TAR_CHECKSUM_SIZE;

		sum += own ? ' ' : (uint8_t)header[i];
		signed_sum += own ? ' ' : (int8_t)header[i];
	}
	return expected == sum || (signed_sum >= 0 && expected == (uint64_t)signed_sum);
}

/* pax: lines "LENGTH KEY=VALUE\n", the length counts the whole line. */
static bool find_pax(const char *at, size_t left, const char *key, const char **ret_value,
		     size_t *ret_length)
{
	size_t key_length = strlen(key);

	while (left) {
		size_t line = 0, n = 0;

		while (n < left && n < 10 && isdigit((unsigned char)at[n]))
			line = line * 10 + (size_t)(at[n++] - '0');
		if (n == 0 || line > left || line < n + 3 || at[n] != ' ')
			return false;
		n++;
		if (line - n > key_length + 1 && !memcmp(at + n, key, key_length) &&
		    at[n + key_length] == '=') {
			*ret_value = at + n + key_length + 1;
			*ret_length = line - n - key_length - 2;
			return true;
		}
		at += line;
		left -= line;
	}
	return false;
}

static void add_tar_name(struct rsm_text *info, const char *header)
{
	if (!memcmp(header + TAR_MAGIC, "ustar", 6) && header[TAR_PREFIX]) {
		rsm_recognise_add_text(info, header + TAR_PREFIX, TAR_PREFIX_SIZE);
		rsm_text_add(info, "/");
	}
	rsm_recognise_add_text(info, header, TAR_NAME_SIZE);
}

/* What the header at `at` tells of the archive's name; false: a header behind it will. */
static bool take_tar_name(struct rsm_text *info, const char *header, const char *data, size_t size)
{
	const char *value;
	size_t length;

	switch (header[TAR_TYPE]) {
	case 'L': /* GNU: the name of the next member */
		rsm_recognise_add_text(info, data, size);
		return true;
	case 'K': return false; /* GNU: where its link leads */
	case 'g':
	case 'x':
	case 'X':
		if (!find_pax(data, size, "GNU.volume.label", &value, &length) &&
		    !find_pax(data, size, "path", &value, &length))
			return false;
		rsm_recognise_add_text(info, value, length);
		return true;
	default: /* a member; 'V', GNU's volume label; 'M', one that goes on from another tape */
		add_tar_name(info, header);
		return true;
	}
}

bool rsm_recognise_tar(const struct first_records *first, struct rsm_recognised *ret,
		       struct rsm_text *info)
{
	const char *record = first->records[0].data;
	size_t length = first->records[0].length, at = 0;

	(void)ret;
	if (length < TAR_BLOCK || !tar_checksum_is_good(record))
		return false;
	for (int i = 0; i < TAR_HEADERS_MOST && length - at >= TAR_BLOCK; i++) {
		const char *header = record + at;
		size_t room = length - at - TAR_BLOCK;
		uint64_t size;

		if (!tar_checksum_is_good(header) ||
		    !get_octal(header + TAR_SIZE, TAR_SIZE_SIZE, &size))
			size = 0;
		if (take_tar_name(info, header, header + TAR_BLOCK, size < room ? size : room) ||
		    size >= room)
			break;
		at += TAR_BLOCK + (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
		if (at > length)
			break;
	}
	return true;
}

/* ---- cpio ---- */

enum { CPIO_NAME_MOST = 4096 };

static bool is_cpio_mode(uint64_t mode)
{
	switch (mode & 0170000) {
	case 0010000: /* FIFO */
	case 0020000: /* character device */
	case 0040000: /* folder */
	case 0060000: /* block device */
	case 0100000: /* file */
	case 0120000: /* symbolic link */
	case 0140000: /* socket */ return true;
	default: return false;
	}
}

static bool get_number(const char *field, size_t size, unsigned base, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)field[i];
		unsigned digit = isdigit(c)    ? (unsigned)(c - '0')
				 : isxdigit(c) ? (unsigned)(tolower(c) - 'a') + 10
					       : 16;

		if (digit >= base)
			return false;
		value = value * base + digit;
	}
	*ret_value = value;
	return true;
}

/* A name that the header puts at `at`, `size` bytes with its NUL. */
static bool take_cpio_name(const struct first_records *first, size_t at, uint64_t size,
			   struct rsm_text *info)
{
	const char *record = first->records[0].data;
	size_t length = first->records[0].length;

	if (size < 2 || size > CPIO_NAME_MOST || at + size > length ||
	    strnlen(record + at, size) != size - 1)
		return false;
	if (strcmp(record + at, "TRAILER!!!") != 0) /* an empty archive */
		rsm_recognise_add_text(info, record + at, size);
	return true;
}

/* Words of 16 bits in either byte order; numbers of 32 bits have the high word first. */
static bool recognise_binary(const struct first_records *first, struct rsm_text *info)
{
	const uint8_t *record = first->records[0].data;
	bool little;
	uint64_t mode, size;

	if (first->records[0].length < 26)
		return false;
	little = record[0] == 0xc7 && record[1] == 0x71;
	if (!little && !(record[0] == 0x71 && record[1] == 0xc7))
		return false;
	mode = (uint64_t)(little ? record[6] | record[7] << 8 : record[6] << 8 | record[7]);
	size = (uint64_t)(little ? record[20] | record[21] << 8 : record[20] << 8 | record[21]);
	return (is_cpio_mode(mode) || mode == 0) && take_cpio_name(first, 26, size, info);
}

/* "070707" and ten octal numbers: POSIX' format. */
static bool recognise_odc(const struct first_records *first, struct rsm_text *info)
{
	const char *record = first->records[0].data;
	uint64_t all, mode, size;

	return rsm_recognise_begins(first, "070707", 6) && first->records[0].length >= 76 &&
	       get_number(record + 6, 59 - 6, 8, &all) && get_number(record + 18, 6, 8, &mode) &&
	       get_number(record + 59, 6, 8, &size) && get_number(record + 65, 11, 8, &all) &&
	       (is_cpio_mode(mode) || mode == 0) && take_cpio_name(first, 76, size, info);
}

/* "070701" (newc) or "070702" (crc) and thirteen hexadecimal numbers. */
static bool recognise_newc(const struct first_records *first, struct rsm_text *info)
{
	const char *record = first->records[0].data;
	uint64_t all, mode, size;

	return (rsm_recognise_begins(first, "070701", 6) ||
		rsm_recognise_begins(first, "070702", 6)) &&
	       first->records[0].length >= 110 && get_number(record + 6, 104, 16, &all) &&
	       get_number(record + 14, 8, 16, &mode) && get_number(record + 94, 8, 16, &size) &&
	       (is_cpio_mode(mode) || mode == 0) && take_cpio_name(first, 110, size, info);
}

bool rsm_recognise_cpio(const struct first_records *first, struct rsm_recognised *ret,
			struct rsm_text *info)
{
	(void)ret;
	return recognise_binary(first, info) || recognise_odc(first, info) ||
	       recognise_newc(first, info);
}
