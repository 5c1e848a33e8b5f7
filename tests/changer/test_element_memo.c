#include "changer/emulator/element_memo.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/base/test.h"
#include "tests/changer/library_rig.h"

static char folder[64];
static int library;
static struct rsm_err err;
static const struct stat slot = { .st_ino = 77, .st_ctim = { .tv_sec = 1000, .tv_nsec = 5 } };

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/rsm-test-memo-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	library = open(folder, O_RDONLY | O_DIRECTORY);
	return library < 0 ? -1 : 0;
}

static int drop_folder(void **state)
{
	(void)state;
	close(library);
	return rsm_file_remove_tree(folder, NULL);
}

static void given_memo(void)
{
	RSM_TEXT struct rsm_text text = { 0 };

	rsm_element_memo_begin(library, &text);
	rsm_element_memo_add(&text, 1001, 77, 1000000000005, "A00001L8");
	rsm_element_memo_add(&text, 1002, 78, 1000000000005, "");
	assert_done(rsm_element_memo_save(library, &text, 2, &err), &err);
}

static char *path_of_memo(void)
{
	static char path[80];

	snprintf(path, sizeof path, "%s/.elements", folder);
	return path;
}

static void a_slot_that_did_not_change_holds_what_it_held(void **state)
{
	struct rsm_element_memo *memo;
	struct stat empty = slot;

	(void)state;
	given_memo();
	memo = rsm_element_memo_load(library);
	assert_non_null(memo);
	empty.st_ino = 78;

	assert_string_equal(rsm_element_memo_find(memo, 1001, &slot), "A00001L8");
	assert_string_equal(rsm_element_memo_find(memo, 1002, &empty), "");
	assert_null(rsm_element_memo_find(memo, 1003, &slot));
	rsm_element_memo_free(memo);
}

static void a_slot_that_was_touched_or_replaced_is_looked_into(void **state)
{
	struct rsm_element_memo *memo;
	struct stat touched = slot, replaced = slot;

	(void)state;
	given_memo();
	memo = rsm_element_memo_load(library);
	assert_non_null(memo);
	touched.st_ctim.tv_nsec++;
	replaced.st_ino++;

	assert_null(rsm_element_memo_find(memo, 1001, &touched));
	assert_null(rsm_element_memo_find(memo, 1001, &replaced));
	rsm_element_memo_free(memo);
}

static void a_slot_that_is_changed_while_it_is_looked_into_is_not_remembered(void **state)
{
	struct timespec soon = { .tv_sec = 1001 }, later = { .tv_sec = 1004 };

	(void)state;
	assert_false(rsm_element_memo_is_settled(&slot, &soon));
	assert_true(rsm_element_memo_is_settled(&slot, &later));
}

/* Each prefix, each line missing, names that are none: nothing of it is believed. */
static void a_memo_that_is_not_whole_is_not_believed(void **state)
{
	static const char *const bad_lines[] = {
		"1001 77 5 ../../etc", "1001 77 5 .hidden", "0 77 5 A",
		"65536 77 5 A",	       "1001 77 5",	    "x"
	};
	size_t length;
	char *whole;

	(void)state;
	given_memo();
	assert_done(rsm_file_load(path_of_memo(), 1 << 20, &whole, &length, &err), &err);
	for (size_t cut = 0; cut < length; cut++) {
		assert_done(rsm_file_save(path_of_memo(), whole, cut, 0600, 0, &err), &err);
		assert_null(rsm_element_memo_load(library));
	}
	for (size_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++) {
		RSM_TEXT struct rsm_text text = { 0 };

		rsm_element_memo_begin(library, &text);
		rsm_text_printf(&text, "%s\n", bad_lines[i]);
		assert_done(rsm_element_memo_save(library, &text, 1, &err), &err);
		assert_null(rsm_element_memo_load(library));
	}
	free(whole);
}

static void a_start_sees_what_was_carried_while_nobody_looked(void **state)
{
	struct rig *rig = *state;
	struct rsm_library_shape shape = rsm_library_default_shape;

	shape.slots = 2100;
	shape.cartridges = 3;
	rig_make(rig, &shape, "");
	rig_move(rig, 1002, 3100);
	rig_close(rig);
	assert_true(rig_is_there(rig, ".elements"));

	rig_run(rig, "mv slots/1001/A00001L8 slots/2500/");
	rig_open(rig);

	assert_string_equal(rig_tag(rig, 1001), "");
	assert_string_equal(rig_tag(rig, 2500), "A00001L8");
	assert_string_equal(rig_tag(rig, 1002), "");
	assert_string_equal(rig_tag(rig, 3100), "A00002L8");
	assert_string_equal(rig_tag(rig, 1003), "A00003L8");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(a_slot_that_did_not_change_holds_what_it_held, make_folder,
					drop_folder),
	cmocka_unit_test_setup_teardown(a_slot_that_was_touched_or_replaced_is_looked_into,
					make_folder, drop_folder),
	cmocka_unit_test(a_slot_that_is_changed_while_it_is_looked_into_is_not_remembered),
	cmocka_unit_test_setup_teardown(a_memo_that_is_not_whole_is_not_believed, make_folder,
					drop_folder),
	cmocka_unit_test_setup_teardown(a_start_sees_what_was_carried_while_nobody_looked,
					rig_set_up, rig_tear_down),
};

RSM_TEST_MAIN(tests)
