#include "tests/base/test.h"

static void a_raised_error_carries_code_and_words(void **state)
{
	struct rsm_err err;

	(void)state;
	assert_int_equal(rsm_err_set(&err, ENOENT, "cartridge %s is not here", "A00001L8"),
			 -ENOENT);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(err.msg, "cartridge A00001L8 is not here");
	assert_int_equal(rsm_err_set(NULL, EIO, "nobody listens"), -EIO);
}

static void a_wrap_puts_the_name_first_and_keeps_the_cause(void **state)
{
	struct rsm_err err;
	int r;

	(void)state;
	r = rsm_err_set(&err, EIO, "medium error (03/11/00)");
	assert_int_equal(rsm_err_wrap(&err, r, "drive %d", 256), -EIO);
	assert_string_equal(err.msg, "drive 256: medium error (03/11/00)");
}

static void a_long_prefix_is_cut_and_never_the_cause(void **state)
{
	struct rsm_err err;
	char prefix[600];

	(void)state;
	memset(prefix, 'x', sizeof prefix - 1);
	prefix[sizeof prefix - 1] = '\0';
	rsm_err_wrap(&err, rsm_err_set(&err, EIO, "the cause"), "%s", prefix);
	assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
	assert_string_equal(err.msg + strlen(err.msg) - strlen(": the cause"), ": the cause");
}

static void errno_is_told_in_words(void **state)
{
	struct rsm_err err;

	(void)state;
	errno = ENOSPC;
	assert_int_equal(rsm_err_errno(&err, "/some/file"), -ENOSPC);
	assert_string_equal(err.msg, "/some/file: No space left on device");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_raised_error_carries_code_and_words),
	cmocka_unit_test(a_wrap_puts_the_name_first_and_keeps_the_cause),
	cmocka_unit_test(a_long_prefix_is_cut_and_never_the_cause),
	cmocka_unit_test(errno_is_told_in_words),
};
RSM_TEST_MAIN(tests)
