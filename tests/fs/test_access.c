#include "fs/access.h"
#include "tests/base/test.h"

static struct rsmfs_caller *given_caller(uid_t uid, gid_t gid, gid_t group)
{
	struct rsmfs_caller *caller;
	struct rsm_err err;

	assert_done(rsmfs_caller_new(uid, gid, 1, &group, 1, &caller, &err), &err);
	return caller;
}

static bool may(uid_t uid, gid_t gid, gid_t group, uint32_t mode, const void *acl, size_t length,
		unsigned want)
{
	struct rsmfs_caller *caller = given_caller(uid, gid, group);
	bool allowed = rsmfs_access_mode(caller, mode, 500, 600, acl, length, want);

	free(caller);
	return allowed;
}

static void mode_bits_are_those_of_the_class_one_belongs_to(void **state)
{
	(void)state;
	assert_true(may(500, 1, 1, 0700, NULL, 0, 7));
	assert_false(may(500, 600, 600, 0077, NULL, 0, 4));
	assert_true(may(501, 600, 1, 0070, NULL, 0, 7));
	assert_true(may(501, 1, 600, 0070, NULL, 0, 7));
	assert_false(may(501, 1, 1, 0770, NULL, 0, 1));
	assert_true(may(501, 1, 1, 0005, NULL, 0, 5));
	assert_false(may(501, 1, 1, 0005, NULL, 0, 7));
	assert_true(may(0, 0, 0, 0, NULL, 0, 7));
}

static void an_acl_names_others(void **state)
{
	static const uint8_t acl[] = {
		2,    0, 0, 0,			    /* version */
		1,    0, 7, 0, 255,  255, 255, 255, /* owner */
		2,    0, 7, 0, 0xF6, 1,	  0,   0,   /* user 502 */
		4,    0, 0, 0, 255,  255, 255, 255, /* owning group */
		8,    0, 5, 0, 0xBC, 2,	  0,   0,   /* group 700 */
		0x10, 0, 5, 0, 255,  255, 255, 255, /* mask */
		0x20, 0, 1, 0, 255,  255, 255, 255, /* others */
	};

	(void)state;
	assert_true(may(502, 1, 1, 0751, acl, sizeof acl, 5));
	assert_false(may(502, 1, 1, 0751, acl, sizeof acl, 7)); /* the mask */
	assert_true(may(503, 700, 1, 0751, acl, sizeof acl, 5));
	assert_false(may(503, 600, 1, 0751, acl, sizeof acl, 1));
	assert_true(may(503, 1, 1, 0751, acl, sizeof acl, 1));
	assert_false(may(503, 1, 1, 0751, acl, sizeof acl, 4));
	/* what is no ACL does not count */
	assert_true(may(503, 1, 1, 0007, acl, sizeof acl - 1, 7));
	assert_true(may(503, 1, 1, 0007, "", 1, 7));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(mode_bits_are_those_of_the_class_one_belongs_to),
	cmocka_unit_test(an_acl_names_others),
};

RSM_TEST_MAIN(tests)
