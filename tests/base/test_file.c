#include "base/file.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/base/test.h"

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/rsm-test-file-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
	(void)state;
	return rsm_file_remove_tree(folder, NULL);
}

static void a_saved_file_is_loaded_whole(void **state)
{
	char path[128], *data;
	struct rsm_err err;
	size_t length;

	(void)state;
	snprintf(path, sizeof path, "%s/x", folder);
	assert_done(rsm_file_save(path, "one", 3, 0600, 0, &err), &err);
	assert_done(rsm_file_save(path, "second", 6, 0600, 1, &err), &err);
	assert_done(rsm_file_load(path, 100, &data, &length, &err), &err);
	assert_int_equal(length, 6);
	assert_string_equal(data, "second");
	free(data);
	assert_int_equal(rsm_file_load(path, 5, &data, &length, &err), -EFBIG);
}

static void folders_are_made_and_removed_as_trees(void **state)
{
	char path[128];
	struct rsm_err err;
	struct stat st;

	(void)state;
	snprintf(path, sizeof path, "%s/a/b/c", folder);
	assert_done(rsm_file_make_folders(path, 0700, &err), &err);
	assert_done(rsm_file_make_folders(path, 0700, &err), &err);
	assert_int_equal(stat(path, &st), 0);
	snprintf(path, sizeof path, "%s/a", folder);
	assert_done(rsm_file_remove_tree(path, &err), &err);
	assert_int_equal(stat(path, &st), -1);
	assert_done(rsm_file_remove_tree(path, &err), &err);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(a_saved_file_is_loaded_whole, make_folder, drop_folder),
	cmocka_unit_test_setup_teardown(folders_are_made_and_removed_as_trees, make_folder,
					drop_folder),
};
RSM_TEST_MAIN(tests)
