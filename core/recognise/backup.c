/* What backup programs write first: MTF's TAPE block (Microsoft Tape Format 1.00a, 5.2.2), Bacula's
 * and Bareos' volume label in a block BB01, BB02 or BB03, Amanda's header.
 */
#include "core/recognise/recognise_private.h"

#include <string.h>
#include <utf8proc.h>

#include "base/bytes.h"

/* ---- MTF ---- */

/* Little-endian. A string's address is its size and its offset from the block's beginning. */
enum {
	MTF_HEADER_SIZE = 52, /* of every block */
	MTF_TAPE_SIZE = 94,
	MTF_DATA_AT = 8, /* u16: where what follows the block begins */
	MTF_STRING_TYPE = 48,
	MTF_CHECKSUM = 50,
	MTF_MEDIA_NAME = 68,
	MTF_SOFTWARE = 80,
	MTF_STRINGS_ANSI = 1,
	MTF_STRINGS_UTF16 = 2,
};

static uint16_t get_le16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

/* The words before it, exclusive-ored. */
static bool mtf_checksum_is_good(const uint8_t *block)
{
	uint16_t sum = 0;

	for (int i = 0; i < MTF_CHECKSUM; i += 2)
		sum ^= get_le16(block + i);
	return sum == get_le16(block + MTF_CHECKSUM);
}

static void add_utf16(struct rsm_text *info, const uint8_t *at, size_t size)
{
	for (size_t i = 0; i + 2 <= size; i += 2) {
		utf8proc_int32_t c = get_le16(at + i);
		utf8proc_uint8_t bytes[4];
		utf8proc_ssize_t length;

		if (c >= 0xd800 && c < 0xdc00 && i + 4 <= size &&
		    (get_le16(at + i + 2) & 0xfc00) == 0xdc00) {
			c = 0x10000 + ((c & 0x3ff) << 10) + (get_le16(at + i + 2) & 0x3ff);
			i += 2;
		} else if (c >= 0xd800 && c < 0xe000) {
			c = '?';
		}
		if (!c)
			return;
		length = utf8proc_encode_char(c, bytes);
		rsm_recognise_add_text(info, bytes, length > 0 ? (size_t)length : 0);
	}
}

/* False: there is none. */
static bool add_mtf_string(struct rsm_text *info, const uint8_t *block, size_t length,
			   size_t address_at)
{
	size_t size = get_le16(block + address_at), offset = get_le16(block + address_at + 2);
	size_t before = info->length;

	if (offset < MTF_HEADER_SIZE || offset > length || size > length - offset)
		return false;
	if (block[MTF_STRING_TYPE] == MTF_STRINGS_UTF16)
		add_utf16(info, block + offset, size);
	else if (block[MTF_STRING_TYPE] == MTF_STRINGS_ANSI)
		rsm_recognise_add_text(info, block + offset, size);
	return info->length > before;
}

bool rsm_recognise_mtf(const struct first_records *first, struct rsm_recognised *ret,
		       struct rsm_text *info)
{
	const uint8_t *block = first->records[0].data;
	size_t length = first->records[0].length;
	RSM_TEXT struct rsm_text software = { 0 };

	(void)ret;
	if (length < MTF_TAPE_SIZE || memcmp(block, "TAPE", 4) != 0)
		return false;
	/* there are writers that leave the checksum out */
	if (!mtf_checksum_is_good(block) && (block[MTF_STRING_TYPE] > MTF_STRINGS_UTF16 ||
					     get_le16(block + MTF_DATA_AT) < MTF_TAPE_SIZE ||
					     get_le16(block + MTF_DATA_AT) > length))
		return false;
	add_mtf_string(info, block, length, MTF_MEDIA_NAME);
	if (add_mtf_string(&software, block, length, MTF_SOFTWARE) && !software.failed) {
		rsm_text_add(info, info->length ? " (" : "(");
		rsm_text_append(info, software.data, software.length);
		rsm_text_add(info, ")");
	}
	return true;
}

/* ---- Bacula, Bareos ---- */

/* Big-endian. Block header: checksum (BB03: options), length, number, id; from BB02 on the
 * session's id and time; BB03 with option 1 a checksum of 64 bits. Record header: (BB01: the
 * session's id and time,) file index, stream, length of what follows. A volume label has a negative
 * file index.
 */
enum {
	BLOCK_LENGTH = 4,
	BLOCK_ID = 12,
	BLOCK_ID_END = 16,
	BB02_SIZE = 24,
	BB03_OPTION_CHECKSUM = 1,
	BLOCK_MOST = 20000000,
	RECORD_SIZE = 12,
	SESSION_SIZE = 8,
	LABEL_UNUSED = -1, /* pre-labelled */
	LABEL_VOLUME = -2,
	LABEL_TIMES = 4 + 32, /* the label's version, times of labelling and writing */
};

/* The NUL-terminated string at *at, and *at behind it; NULL: it does not end. */
static const char *take_string(const uint8_t **at, size_t *left)
{
	const char *string = (const char *)*at;
	const uint8_t *end = *left ? memchr(*at, '\0', *left) : NULL;

	if (!end)
		return NULL;
	*left -= (size_t)(end + 1 - *at);
	*at = end + 1;
	return string;
}

/* Its header's length, with a record's; 0: no block of theirs. */
static size_t bacula_header(const uint8_t *block, size_t length, size_t *ret_index_at)
{
	uint32_t whole;
	size_t size;

	if (length < BB02_SIZE || memcmp(block + BLOCK_ID, "BB0", 3) != 0)
		return 0;
	whole = rsm_get_be32(block + BLOCK_LENGTH);
	if (whole < BLOCK_ID_END || whole > BLOCK_MOST)
		return 0;
	switch (block[BLOCK_ID + 3]) {
	case '1': size = BLOCK_ID_END + SESSION_SIZE; break; /* the session is the record's */
	case '2': size = BB02_SIZE; break;
	case '3': size = BB02_SIZE + (rsm_get_be32(block) & BB03_OPTION_CHECKSUM ? 8 : 0); break;
	default: return 0;
	}
	*ret_index_at = size;
	return size + RECORD_SIZE;
}

bool rsm_recognise_bacula(const struct first_records *first, struct rsm_recognised *ret,
			  struct rsm_text *info)
{
	const uint8_t *block = first->records[0].data, *at;
	size_t length = first->records[0].length, index_at = 0, left;
	size_t header = bacula_header(block, length, &index_at);
	const char *id, *name;
	int32_t index;

	if (!header)
		return false;
	if (header >= length)
		return true;
	index = (int32_t)rsm_get_be32(block + index_at);
	left = rsm_get_be32(block + index_at + 8);
	at = block + header;
	if (left > length - header)
		left = length - header;
	id = take_string(&at, &left);
	if (!id)
		return true;
	if (!strncmp(id, "Bareos ", 7))
		memcpy(ret->type, "Bareos", sizeof "Bareos");
	if ((index != LABEL_UNUSED && index != LABEL_VOLUME) || left < LABEL_TIMES)
		return true;
	at += LABEL_TIMES;
	left -= LABEL_TIMES;
	name = take_string(&at, &left);
	if (name)
		rsm_recognise_add_text(info, name, strlen(name));
	return true;
}

/* ---- Amanda ---- */

enum { AMANDA_LINE = 1024 };

struct words { /* what is left of a line */
	const char *at;
	size_t left;
};

/* The next word; one in quotation marks may hold spaces. */
static bool next_word(struct words *words, const char **ret_word, size_t *ret_length)
{
	size_t n = 0;
	char end = ' ';

	while (words->left && *words->at == ' ') {
		words->at++;
		words->left--;
	}
	if (words->left && *words->at == '"') {
		end = '"';
		words->at++;
		words->left--;
	}
	while (n < words->left && words->at[n] != end)
		n += end == '"' && words->at[n] == '\\' && n + 1 < words->left ? 2 : 1;
	*ret_word = words->at;
	*ret_length = n;
	words->at += n;
	words->left -= n;
	if (words->left) {
		words->at++;
		words->left--;
	}
	return n > 0;
}

static bool skip_words(struct words *words, unsigned count)
{
	const char *word;
	size_t length;

	while (count--)
		if (!next_word(words, &word, &length))
			return false;
	return true;
}

/* "AMANDA: TAPESTART DATE 20260102030405 TAPE daily-1", "AMANDA: FILE 20260102030405 host /home
 * ..."
 */
bool rsm_recognise_amanda(const struct first_records *first, struct rsm_recognised *ret,
			  struct rsm_text *info)
{
	const char *line = first->records[0].data, *end, *word;
	size_t length = first->records[0].length, n;
	struct words words;

	(void)ret;
	if (!rsm_recognise_begins(first, "AMANDA: ", 8) &&
	    !rsm_recognise_begins(first, "NETDUMP: ", 9))
		return false;
	if (length > AMANDA_LINE)
		length = AMANDA_LINE;
	length = strnlen(line, length);
	end = memchr(line, '\n', length);
	words = (struct words){ .at = line, .left = end ? (size_t)(end - line) : length };
	if (!skip_words(&words, 1) || !next_word(&words, &word, &n))
		return true;
	if (n == 9 && !memcmp(word, "TAPESTART", n)) {
		if (skip_words(&words, 3) && next_word(&words, &word, &n))
			rsm_recognise_add_text(info, word, n);
	} else if (skip_words(&words, 1) && next_word(&words, &word, &n)) {
		rsm_recognise_add_text(info, word, n);
		rsm_text_add(info, " ");
		if (next_word(&words, &word, &n))
			rsm_recognise_add_text(info, word, n);
	}
	return true;
}
