#include "fs/acl.h"
#include "tests/base/test.h"

#define ENTRY(tag, permissions, id) tag, 0, permissions, 0, (id)&255, (id) >> 8, 0, 0

/* user::rwx user:1000:rwx group::r-x mask::rwx other::r-- */
static const uint8_t extended[] = { 2,
				    0,
				    0,
				    0,
				    ENTRY(1, 7, 0),
				    ENTRY(2, 7, 1000),
				    ENTRY(4, 5, 0),
				    ENTRY(16, 7, 0),
				    ENTRY(32, 4, 0) };
static const uint8_t minimal[] = { 2, 0, 0, 0, ENTRY(1, 6, 0), ENTRY(4, 4, 0), ENTRY(32, 0, 0) };

static void the_mode_shows_owner_mask_and_others(void **state)
{
	struct rsm_err err;
	mode_t mode = 02000;
	bool is_minimal;

	(void)state;
	assert_done(rsmfs_acl_to_mode(extended, sizeof(extended), &mode, &is_minimal, &err), &err);
	assert_int_equal(mode, 02774);
	assert_false(is_minimal);
	assert_done(rsmfs_acl_to_mode(minimal, sizeof(minimal), &mode, &is_minimal, &err), &err);
	assert_int_equal(mode, 02640);
	assert_true(is_minimal);
}

static void a_new_file_gets_no_more_than_it_asked_for(void **state)
{
	RSM_TEXT struct rsm_text access = { 0 };
	struct rsm_err err;
	mode_t mode = 0640, again = 0;
	bool is_minimal;

	(void)state;
	assert_done(rsmfs_acl_inherit(extended, sizeof(extended), &mode, &access, &err), &err);
	assert_int_equal(mode, 0640);
	assert_int_equal(access.length, sizeof(extended));
	assert_done(rsmfs_acl_to_mode(access.data, access.length, &again, &is_minimal, &err), &err);
	assert_int_equal(again, 0640);
}

static void a_chmod_changes_the_mask(void **state)
{
	RSM_TEXT struct rsm_text after = { 0 };
	struct rsm_err err;
	mode_t mode = 0;
	bool is_minimal;

	(void)state;
	assert_done(rsmfs_acl_chmod(extended, sizeof(extended), 0710, &after, &err), &err);
	assert_done(rsmfs_acl_to_mode(after.data, after.length, &mode, &is_minimal, &err), &err);
	assert_int_equal(mode, 0710);
	/* the group's own entry stays */
	assert_int_equal(after.data[4 + 2 * 8 + 2], 5);
}

static void what_is_malformed_is_refused(void **state)
{
	uint8_t copy[sizeof(extended)];
	struct rsm_err err;
	mode_t mode = 0;
	bool is_minimal;

	(void)state;
	for (size_t length = 0; length < sizeof(extended); length++)
		assert_int_equal(rsmfs_acl_to_mode(extended, length, &mode, &is_minimal, &err),
				 -EINVAL);
	memcpy(copy, extended, sizeof(copy));
	copy[4] = 3;
	assert_int_equal(rsmfs_acl_to_mode(copy, sizeof(copy), &mode, &is_minimal, &err), -EINVAL);
	memcpy(copy, extended, sizeof(copy));
	copy[6] = 9;
	assert_int_equal(rsmfs_acl_to_mode(copy, sizeof(copy), &mode, &is_minimal, &err), -EINVAL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_mode_shows_owner_mask_and_others),
	cmocka_unit_test(a_new_file_gets_no_more_than_it_asked_for),
	cmocka_unit_test(a_chmod_changes_the_mask),
	cmocka_unit_test(what_is_malformed_is_refused),
};
RSM_TEST_MAIN(tests)
