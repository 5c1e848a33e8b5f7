#include "core/digest.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CRC_SLICES = 8, ZEROS = 64 * 1024 };

struct rsm_digest {
	enum rsm_digest_kind kind;
	bool failed;
	uint32_t crc;
	EVP_MD *algorithm; /* NULL: crc32 */
	EVP_MD_CTX *context;
	uint32_t table[CRC_SLICES][256]; /* crc32 only */
};

static const struct {
	const char *key;
	const char *algorithm;
} kinds[RSM_DIGEST_KINDS] = {
	[RSM_DIGEST_CRC32] = { RSM_DIGEST_PREFIX "crc32sum", NULL },
	[RSM_DIGEST_MD5] = { RSM_DIGEST_PREFIX "md5sum", "MD5" },
	[RSM_DIGEST_SHA1] = { RSM_DIGEST_PREFIX "sha1sum", "SHA1" },
	[RSM_DIGEST_SHA256] = { RSM_DIGEST_PREFIX "sha256sum", "SHA256" },
	[RSM_DIGEST_SHA512] = { RSM_DIGEST_PREFIX "sha512sum", "SHA512" },
};

const char *rsm_digest_key(enum rsm_digest_kind kind)
{
	return kinds[kind].key;
}

enum rsm_digest_kind rsm_digest_of_key(const char *key)
{
	for (int kind = RSM_DIGEST_CRC32; kind < RSM_DIGEST_KINDS; kind++)
		if (strcmp(kinds[kind].key, key) == 0)
			return (enum rsm_digest_kind)kind;
	return RSM_DIGEST_NONE;
}

/* ---- CRC-32 as of ISO-HDLC (zip, zlib, cksum -a crc32b): eight bytes at a time by eight tables */

static void crc_fill(uint32_t table[CRC_SLICES][256])
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
		table[0][i] = crc;
	}
	for (int slice = 1; slice < CRC_SLICES; slice++)
		for (uint32_t i = 0; i < 256; i++)
			table[slice][i] =
				table[slice - 1][i] >> 8 ^ table[0][table[slice - 1][i] & 0xFF];
}

static uint32_t crc_add(const uint32_t table[CRC_SLICES][256], uint32_t crc, const uint8_t *bytes,
			size_t length)
{
	for (; length >= 8; bytes += 8, length -= 8) {
		uint32_t low = crc ^ ((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
				      (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);

		crc = table[7][low & 0xFF] ^ table[6][low >> 8 & 0xFF] ^
		      table[5][low >> 16 & 0xFF] ^ table[4][low >> 24] ^ table[3][bytes[4]] ^
		      table[2][bytes[5]] ^ table[1][bytes[6]] ^ table[0][bytes[7]];
	}
	for (; length; bytes++, length--)
		crc = crc >> 8 ^ table[0][(crc ^ *bytes) & 0xFF];
	return crc;
}

/* ---- the digest ---- */

int rsm_digest_new(enum rsm_digest_kind kind, struct rsm_digest **ret_digest, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_digest_free) struct rsm_digest *digest = calloc(1, sizeof *digest);

	if (!digest)
		return rsm_err_oom(err);
	digest->kind = kind;
	if (kind <= RSM_DIGEST_NONE || kind >= RSM_DIGEST_KINDS)
		return rsm_err_set(err, EINVAL, "there is no such checksum");
	if (!kinds[kind].algorithm) {
		crc_fill(digest->table);
	} else {
		/* fetched once: looking it up for each file costs more than a small file does */
		digest->algorithm = EVP_MD_fetch(NULL, kinds[kind].algorithm, NULL);
		digest->context = EVP_MD_CTX_new();
		if (!digest->algorithm || !digest->context)
			return rsm_err_set(err, EOPNOTSUPP, "libcrypto has no %s",
					   kinds[kind].algorithm);
	}
	rsm_digest_begin(digest);
	*ret_digest = RSM_STEAL(digest);
	return 0;
}

void rsm_digest_free(struct rsm_digest *digest)
{
	if (!digest)
		return;
	EVP_MD_CTX_free(digest->context);
	EVP_MD_free(digest->algorithm);
	free(digest);
}

enum rsm_digest_kind rsm_digest_kind(const struct rsm_digest *digest)
{
	return digest->kind;
}

void rsm_digest_begin(struct rsm_digest *digest)
{
	digest->crc = UINT32_MAX;
	digest->failed = digest->algorithm &&
			 EVP_DigestInit_ex(digest->context, digest->algorithm, NULL) != 1;
}

void rsm_digest_add(struct rsm_digest *digest, const void *bytes, size_t length)
{
	if (!digest->algorithm)
		digest->crc = crc_add(digest->table, digest->crc, bytes, length);
	else if (!digest->failed)
		digest->failed = EVP_DigestUpdate(digest->context, bytes, length) != 1;
}

void rsm_digest_add_zeros(struct rsm_digest *digest, uint64_t count)
{
	static const uint8_t zeros[ZEROS];

	while (count) {
		size_t n = count < ZEROS ? (size_t)count : ZEROS;

		rsm_digest_add(digest, zeros, n);
		count -= n;
	}
}

int rsm_digest_finish(struct rsm_digest *digest, char ret_text[RSM_DIGEST_TEXT],
		      struct rsm_err *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char value[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	if (!digest->algorithm) {
		snprintf(ret_text, RSM_DIGEST_TEXT, "%08x", ~digest->crc);
		return 0;
	}
	if (digest->failed || EVP_DigestFinal_ex(digest->context, value, &length) != 1 ||
	    2 * length >= RSM_DIGEST_TEXT)
		return rsm_err_set(err, EIO, "libcrypto could not compute %s",
				   kinds[digest->kind].algorithm);
	for (unsigned i = 0; i < length; i++) {
		ret_text[2 * i] = digits[value[i] >> 4];
		ret_text[2 * i + 1] = digits[value[i] & 15];
	}
	ret_text[2 * length] = '\0';
	return 0;
}

bool rsm_digest_equals(const char *text, const char *stored, size_t stored_length)
{
	size_t length = strlen(text);

	while (stored_length && isspace((unsigned char)*stored)) {
		stored++;
		stored_length--;
	}
	while (stored_length && isspace((unsigned char)stored[stored_length - 1]))
		stored_length--;
	return stored_length == length && strncasecmp(text, stored, length) == 0;
}
