#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fs/mountpoint.h"
#include "tests/base/test.h"

static int given_a_folder(void **state)
{
	char folder[] = "/tmp/rsmfs-mountpoint-XXXXXX";

	assert_non_null(mkdtemp(folder));
	*state = strdup(folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)!rsm_file_remove_tree(*state, NULL);
	free(*state);
	return 0;
}

static char *in(const char *folder, const char *name)
{
	char *path;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	return path;
}

static void an_empty_folder_will_do(void **state)
{
	struct rsm_err err;
	char *path;

	assert_done(rsmfs_mountpoint_prepare(*state, false, &path, &err), &err);
	assert_string_equal(path, *state);
	free(path);
}

static void one_with_files_needs_nonempty(void **state)
{
	struct rsm_err err;
	char *file = in(*state, "file"), *path;

	assert_done(rsm_file_save(file, "", 0, 0600, 0, &err), &err);
	assert_int_equal(rsmfs_mountpoint_prepare(*state, false, &path, &err), -ENOTEMPTY);
	assert_done(rsmfs_mountpoint_prepare(*state, true, &path, &err), &err);
	free(path);
	assert_int_equal(rsmfs_mountpoint_prepare(file, false, &path, &err), -ENOTDIR);
	free(file);
}

static void what_is_missing_or_mounted_is_refused(void **state)
{
	struct rsm_err err;
	char *path, *missing = in(*state, "missing");

	assert_int_equal(rsmfs_mountpoint_prepare(missing, false, &path, &err), -ENOENT);
	assert_int_equal(rsmfs_mountpoint_prepare("/proc", false, &path, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "proc"));
	free(missing);
}

static void nothing_of_ours_may_lie_in_the_mount(void **state)
{
	const char *folder = *state;
	struct rsm_err err;
	char *inside = in(folder, "not/there/yet"), *beside;

	assert_true(asprintf(&beside, "%s-beside/library", folder) > 0);
	assert_int_equal(rsmfs_mountpoint_check_outside(folder, folder, "library", &err), -EINVAL);
	assert_int_equal(rsmfs_mountpoint_check_outside(folder, inside, "library", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "wait for itself"));
	assert_done(rsmfs_mountpoint_check_outside(folder, beside, "library", &err), &err);
	assert_done(rsmfs_mountpoint_check_outside(folder, "/tmp", "library", &err), &err);
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(rsmfs_mountpoint_check_outside(folder, "new/lib", "library", &err),
			 -EINVAL);
	assert_int_equal(rsmfs_mountpoint_check_outside(folder, "lib", "library", &err), -EINVAL);
	assert_int_equal(chdir("/"), 0);
	free(inside);
	free(beside);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(an_empty_folder_will_do, given_a_folder, remove_folder),
	cmocka_unit_test_setup_teardown(one_with_files_needs_nonempty, given_a_folder,
					remove_folder),
	cmocka_unit_test_setup_teardown(what_is_missing_or_mounted_is_refused, given_a_folder,
					remove_folder),
	cmocka_unit_test_setup_teardown(nothing_of_ours_may_lie_in_the_mount, given_a_folder,
					remove_folder),
};
RSM_TEST_MAIN(tests)
