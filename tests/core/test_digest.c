#include "core/digest.h"

#include <string.h>

#include "core/hasher.h"
#include "tests/base/test.h"

static struct rsm_err err;

static const struct {
	enum rsm_digest_kind kind;
	const char *key, *of_nothing, *of_check; /* of "123456789" */
} known[] = {
	{ RSM_DIGEST_CRC32, "ltfs.hash.crc32sum", "00000000", "cbf43926" },
	{ RSM_DIGEST_MD5, "ltfs.hash.md5sum", "d41d8cd98f00b204e9800998ecf8427e",
	  "25f9e794323b453885f5181f1b624d0b" },
	{ RSM_DIGEST_SHA1, "ltfs.hash.sha1sum", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
	  "f7c3bc1d808e04732adf679965ccc34ca7ae3441" },
	{ RSM_DIGEST_SHA256, "ltfs.hash.sha256sum",
	  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	  "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225" },
};

static void known_texts_have_known_digests(void **state)
{
	char text[RSM_DIGEST_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		RSM_CLEANUP(rsm_digest_free) struct rsm_digest *digest = NULL;

		assert_string_equal(rsm_digest_key(known[i].kind), known[i].key);
		assert_int_equal(rsm_digest_of_key(known[i].key), known[i].kind);
		assert_done(rsm_digest_new(known[i].kind, &digest, &err), &err);
		assert_done(rsm_digest_finish(digest, text, &err), &err);
		assert_string_equal(text, known[i].of_nothing);
		for (size_t cut = 0; cut <= 9; cut++) {
			rsm_digest_begin(digest);
			rsm_digest_add(digest, "123456789", cut);
			rsm_digest_add(digest, &"123456789"[cut], 9 - cut);
			assert_done(rsm_digest_finish(digest, text, &err), &err);
			assert_string_equal(text, known[i].of_check);
		}
	}
	assert_int_equal(rsm_digest_of_key("ltfs.hash.crc32"), RSM_DIGEST_NONE);
	assert_null(rsm_digest_key(RSM_DIGEST_NONE));
}

static void zeros_count_as_zeros(void **state)
{
	static char zeros[200001];
	char one[RSM_DIGEST_TEXT], other[RSM_DIGEST_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		RSM_CLEANUP(rsm_digest_free) struct rsm_digest *digest = NULL;

		assert_done(rsm_digest_new(known[i].kind, &digest, &err), &err);
		rsm_digest_add(digest, zeros, sizeof zeros);
		assert_done(rsm_digest_finish(digest, one, &err), &err);
		rsm_digest_begin(digest);
		rsm_digest_add_zeros(digest, sizeof zeros);
		assert_done(rsm_digest_finish(digest, other, &err), &err);
		assert_string_equal(one, other);
	}
}

static void a_hasher_sums_up_as_a_digest_does(void **state)
{
	static char bytes[1 << 20];
	RSM_CLEANUP(rsm_digest_free) struct rsm_digest *digest = NULL;
	RSM_CLEANUP(rsm_hasher_free) struct rsm_hasher *hasher = NULL;
	static const size_t pieces[] = { 300000, 5, 1, 200000, 65536, 65535, 100000 };
	char one[RSM_DIGEST_TEXT], other[RSM_DIGEST_TEXT];
	const char *key;

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 31 >> 3);
	assert_done(rsm_digest_new(RSM_DIGEST_SHA256, &digest, &err), &err);
	assert_done(rsm_hasher_new(RSM_DIGEST_SHA256, &hasher, &err), &err);
	for (int round = 0; round < 20; round++) {
		size_t at = 0;

		/* one that was begun in vain */
		rsm_hasher_begin(hasher);
		rsm_hasher_add(hasher, bytes, 100000);
		rsm_hasher_begin(hasher);
		rsm_digest_begin(digest);
		for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
			rsm_digest_add(digest, bytes + at, pieces[i]);
			rsm_hasher_add(hasher, bytes + at, pieces[i]);
			at += pieces[i];
		}
		rsm_digest_add_zeros(digest, 1000);
		rsm_hasher_add_zeros(hasher, 1000);
		assert_done(rsm_digest_finish(digest, one, &err), &err);
		assert_done(rsm_hasher_finish(hasher, &key, other, &err), &err);
		assert_string_equal(one, other);
		assert_string_equal(key, "ltfs.hash.sha256sum");
	}
}

static void stored_values_are_compared_with_tolerance(void **state)
{
	(void)state;
	assert_true(rsm_digest_equals("cbf43926", "cbf43926", 8));
	assert_true(rsm_digest_equals("cbf43926", "CBF43926\n", 9));
	assert_true(rsm_digest_equals("cbf43926", " cbf43926 ", 10));
	assert_false(rsm_digest_equals("cbf43926", "cbf43927", 8));
	assert_false(rsm_digest_equals("cbf43926", "cbf4392", 7));
	assert_false(rsm_digest_equals("cbf43926", "cbf43926\0x", 10));
	assert_false(rsm_digest_equals("cbf43926", "", 0));
	assert_false(rsm_digest_equals("cbf43926", "  ", 2));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(known_texts_have_known_digests),
	cmocka_unit_test(zeros_count_as_zeros),
	cmocka_unit_test(a_hasher_sums_up_as_a_digest_does),
	cmocka_unit_test(stored_values_are_compared_with_tolerance),
};

RSM_TEST_MAIN(tests)
