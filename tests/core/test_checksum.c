/* Checksums of a file's contents in the volume index: none outlives what it is of, and who made it
 * is known.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "core/volume_index.h"
#include "tests/base/test.h"

static const char SHA[] = "ltfs.hash.sha256sum", MD5[] = "ltfs.hash.md5sum";

static char folder[64], path[128];
static struct rsm_volume_index *ix;
static struct rsm_err err;
static uint64_t file;

/* A file of 1000 bytes, staged. */
static int set_up(void **state)
{
	struct timespec t = { .tv_sec = 1000, .tv_nsec = 5 };
	struct rsm_node node = { .kind = RSM_NODE_FILE, .times = { t, t, t, t, t } };
	struct rsm_staged_range range = { 0, 1000, 1, 0, false };

	(void)state;
	strcpy(folder, "/tmp/rsm-test-checksum-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/index.db", folder);
	if (rsm_volume_index_open(path, &ix, &err) ||
	    rsm_volume_index_create(ix, RSM_NODE_ROOT, "f", &node, NULL, &err))
		return -1;
	file = node.id;
	node.size = 1000;
	node.data_version = 1;
	return rsm_volume_index_stage(ix, &node, &range, 1, 1, &err);
}

static int tear_down(void **state)
{
	(void)state;
	rsm_volume_index_close(ix);
	return rsm_file_remove_tree(folder, NULL);
}

static void given_migrated(const char *key, const char *hash)
{
	struct rsm_extent e = { .start_block = 7, .byte_count = 1000, .partition = 'b' };

	assert_done(rsm_volume_index_migrated_hashed(ix, file, 1, &e, 1, key, hash, &err), &err);
}

static void set(const char *key, const char *value)
{
	assert_done(rsm_volume_index_set_xattr(ix, file, key, value, value ? strlen(value) : 0, 0,
					       &err),
		    &err);
}

static void assert_checksum(enum rsm_checksum_state state, enum rsm_digest_kind kind)
{
	enum rsm_checksum_state is_state;
	enum rsm_digest_kind is_kind;

	assert_done(rsm_volume_index_checksum(ix, file, &is_state, &is_kind, &err), &err);
	assert_int_equal(is_state, state);
	assert_int_equal(is_kind, kind);
}

/* NULL: there is none. */
static void assert_attribute(const char *key, const char *value)
{
	RSM_TEXT struct rsm_text text = { 0 };
	int r = rsm_volume_index_get_xattr(ix, file, key, &text, &err);

	assert_int_equal(r, value ? 0 : RSM_NODE_ABSENT);
	if (value)
		assert_string_equal(text.data, value);
}

static void what_was_measured_is_told_from_what_is_claimed(void **state)
{
	(void)state;
	assert_checksum(RSM_CHECKSUM_NONE, RSM_DIGEST_NONE);
	set(MD5, "m");
	assert_checksum(RSM_CHECKSUM_CLAIMED, RSM_DIGEST_MD5);
	given_migrated("ltfs.hash.crc32sum", "c");
	assert_checksum(RSM_CHECKSUM_MEASURED, RSM_DIGEST_CRC32);
	set(SHA, "s"); /* better, but nobody here has seen it */
	assert_checksum(RSM_CHECKSUM_MEASURED, RSM_DIGEST_CRC32);
	set("ltfs.hash.crc32sum", NULL);
	assert_checksum(RSM_CHECKSUM_CLAIMED, RSM_DIGEST_SHA256);
}

static void a_claim_in_its_place_is_not_measured_any_more(void **state)
{
	(void)state;
	given_migrated(SHA, "one");
	set(SHA, "two");
	assert_checksum(RSM_CHECKSUM_CLAIMED, RSM_DIGEST_SHA256);
	assert_attribute(SHA, "two");
}

static void a_row_that_is_written_back_does_not_forget_it(void **state)
{
	struct rsm_node old;

	(void)state;
	assert_done(rsm_volume_index_get(ix, file, &old, &err), &err);
	given_migrated(SHA, "one");
	old.mode = 0600;
	assert_done(rsm_volume_index_update(ix, &old, &err), &err);
	assert_checksum(RSM_CHECKSUM_MEASURED, RSM_DIGEST_SHA256);
	rsm_volume_index_close(ix);
	assert_done(rsm_volume_index_open(path, &ix, &err), &err);
	assert_checksum(RSM_CHECKSUM_MEASURED, RSM_DIGEST_SHA256);
}

static void it_goes_with_the_contents(void **state)
{
	(void)state;
	given_migrated(SHA, "one");
	set(MD5, "m");
	set("other", "o");
	assert_done(rsm_volume_index_truncate(ix, file, 10, NULL, NULL, &err), &err);
	assert_checksum(RSM_CHECKSUM_NONE, RSM_DIGEST_NONE);
	assert_attribute(SHA, NULL);
	assert_attribute(MD5, NULL);
	assert_attribute("other", "o");
}

static void a_stale_one_is_not_made_true_by_another(void **state)
{
	(void)state;
	given_migrated(NULL, NULL);
	set(SHA, "old");
	set(RSM_DIGEST_PLACE, "sha256sum 5 0000000000000000");
	assert_checksum(RSM_CHECKSUM_STALE, RSM_DIGEST_SHA256);
	set(MD5, "new");
	assert_checksum(RSM_CHECKSUM_CLAIMED, RSM_DIGEST_MD5);
	assert_attribute(SHA, NULL);
	assert_attribute(RSM_DIGEST_PLACE, NULL);
}

static void a_fresh_one_takes_the_place_of_the_stale(void **state)
{
	(void)state;
	given_migrated(NULL, NULL);
	set(SHA, "old");
	set(MD5, "old");
	set(RSM_DIGEST_PLACE, "sha256sum 5 0000000000000000");
	assert_done(
		rsm_volume_index_set_checksum(ix, file, 1, RSM_DIGEST_SHA256, "new", true, &err),
		&err);
	assert_checksum(RSM_CHECKSUM_MEASURED, RSM_DIGEST_SHA256);
	assert_attribute(SHA, "new");
	assert_attribute(MD5, NULL);
	assert_attribute(RSM_DIGEST_PLACE, NULL);
}

static void one_of_other_contents_is_not_stored(void **state)
{
	(void)state;
	/* not on the medium yet, and of an older version */
	assert_int_equal(
		rsm_volume_index_set_checksum(ix, file, 1, RSM_DIGEST_SHA256, "x", true, &err),
		RSM_NODE_ABSENT);
	given_migrated(NULL, NULL);
	assert_int_equal(
		rsm_volume_index_set_checksum(ix, file, 2, RSM_DIGEST_SHA256, "x", true, &err),
		RSM_NODE_ABSENT);
	assert_int_equal(
		rsm_volume_index_set_checksum(ix, 99, 1, RSM_DIGEST_SHA256, "x", true, &err),
		RSM_NODE_ABSENT);
	assert_checksum(RSM_CHECKSUM_NONE, RSM_DIGEST_NONE);
}

static void storing_one_is_a_change_that_the_medium_lacks(void **state)
{
	uint64_t before;

	(void)state;
	given_migrated(NULL, NULL);
	before = rsm_volume_index_tree_version(ix);
	assert_done(rsm_volume_index_set_checksum(ix, file, 1, RSM_DIGEST_CRC32, "1", false, &err),
		    &err);
	assert_true(rsm_volume_index_tree_version(ix) > before);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	TEST(what_was_measured_is_told_from_what_is_claimed),
	TEST(a_claim_in_its_place_is_not_measured_any_more),
	TEST(a_row_that_is_written_back_does_not_forget_it),
	TEST(it_goes_with_the_contents),
	TEST(a_stale_one_is_not_made_true_by_another),
	TEST(a_fresh_one_takes_the_place_of_the_stale),
	TEST(one_of_other_contents_is_not_stored),
	TEST(storing_one_is_a_change_that_the_medium_lacks),
};

RSM_TEST_MAIN(tests)
