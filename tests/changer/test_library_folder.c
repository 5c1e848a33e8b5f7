#include "changer/emulator/library_folder.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "changer/emulator/emulator.h"
#include "changer/emulator/library_conf.h"
#include "tests/base/test.h"

static char folder[64], library[80];
static struct rsm_err err;

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/rsm-test-library-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(library, sizeof library, "%s/lib", folder);
	return 0;
}

static int drop_folder(void **state)
{
	(void)state;
	return rsm_file_remove_tree(folder, NULL);
}

static const char *in_library(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", library, name);
	return path;
}

static bool is_there(const char *name)
{
	struct stat st;

	return stat(in_library(name), &st) == 0;
}

static unsigned count_in(const char *name)
{
	DIR *stream = opendir(in_library(name));
	unsigned count = 0;
	struct dirent *entry;

	assert_non_null(stream);
	while ((entry = readdir(stream)))
		count += entry->d_name[0] != '.';
	closedir(stream);
	return count;
}

static void create(const struct rsm_library_shape *shape)
{
	assert_done(rsm_library_folder_create(library, shape, &err), &err);
}

static void assert_file(const char *name, const void *bytes, size_t expected)
{
	size_t length;
	char *data;

	assert_done(rsm_file_load(in_library(name), 10000, &data, &length, &err), &err);
	assert_int_equal(length, expected);
	assert_memory_equal(data, bytes, expected);
	free(data);
}

static void the_default_library_is_as_the_contract_says(void **state)
{
	static const char label[] =
		"\x50\0\0\0"
		"VOL1A00016              RSMFS FREE                                              "
		"\x50\0\0\0\0\0\0";
	char expected[sizeof label];

	(void)state;
	create(&rsm_library_default_shape);
	assert_int_equal(count_in("drives"), 2);
	assert_int_equal(count_in("slots"), 24);
	assert_int_equal(count_in("ports"), 4);
	assert_true(is_there("drives/256") && is_there("drives/257"));
	assert_true(is_there("slots/1001/A00001L8/partition0.tap"));
	assert_true(is_there("slots/1016/A00016L8/partition0.mam"));
	assert_true(is_there("slots/1017/CLN001L1"));
	assert_false(is_there("slots/1017/CLN001L1/partition0.tap"));
	assert_true(is_there("ports/10") && is_there("ports/13") && is_there("shelf"));
	assert_int_equal(count_in("slots/1018"), 0);
	memcpy(expected, label, sizeof label);
	expected[4 + 79] = '4';
	assert_file("slots/1016/A00016L8/partition0.tap", expected, sizeof label);
	assert_int_equal(rsm_library_folder_probe(library, &err), 0);
	assert_false(is_there(".making"));
}

static void shapes_are_followed(void **state)
{
	struct rsm_library_shape shape = rsm_library_default_shape;

	(void)state;
	shape.media_type = "LTO-6";
	shape.cartridges = shape.slots = 3;
	shape.ports = 200;
	shape.drives = 1;
	shape.blank = true;
	create(&shape);
	assert_true(is_there("slots/1003/A00003L6/partition0.mam"));
	assert_false(is_there("slots/1003/A00003L6/partition0.tap"));
	assert_true(is_there("ports/209"));
	assert_int_equal(count_in("slots/1001"), 1);
}

static void shapes_that_cannot_be_are_refused(void **state)
{
	struct rsm_library_shape shape = rsm_library_default_shape;

	(void)state;
	shape.cartridges = 25;
	assert_int_equal(rsm_library_folder_create(library, &shape, &err), -EINVAL);
	assert_string_equal(err.msg, "25 cartridges do not fit into 24 slots");
	shape = rsm_library_default_shape;
	shape.media_type = "disk";
	assert_int_equal(rsm_library_folder_create(library, &shape, &err), -EOPNOTSUPP);
	shape.media_type = "DLT";
	assert_int_equal(rsm_library_folder_create(library, &shape, &err), -EINVAL);
	shape = rsm_library_default_shape;
	shape.drives = 0;
	assert_int_equal(rsm_library_folder_create(library, &shape, &err), -EINVAL);
	assert_int_equal(access(library, F_OK), -1);
}

static void a_library_is_never_made_over_something_else(void **state)
{
	(void)state;
	create(&rsm_library_default_shape);
	assert_int_equal(rsm_library_folder_create(library, &rsm_library_default_shape, &err),
			 -ENOTEMPTY);
	assert_non_null(strstr(err.msg, "is a library already"));
	/* one that lost its library.conf holds cartridges all the same */
	assert_int_equal(unlink(in_library("library.conf")), 0);
	assert_int_equal(rsm_library_folder_probe(library, &err), RSM_LIBRARY_FOLDER_FOREIGN);
	assert_int_equal(rsm_library_folder_create(library, &rsm_library_default_shape, &err),
			 -ENOTEMPTY);
	assert_true(is_there("slots/1001/A00001L8"));
}

static void a_making_that_was_cut_short_is_taken_up_again(void **state)
{
	(void)state;
	create(&rsm_library_default_shape);
	assert_int_equal(unlink(in_library("library.conf")), 0);
	assert_done(rsm_file_save(in_library(".making"), "", 0, 0600, 0, &err), &err);
	assert_int_equal(mkdir(in_library("slots/1020/HALF"), 0700), 0);
	assert_int_equal(rsm_library_folder_probe(library, &err), RSM_LIBRARY_FOLDER_EMPTY);
	create(&rsm_library_default_shape);
	assert_false(is_there("slots/1020/HALF"));
}

static void folders_of_ours_may_be_there_before(void **state)
{
	(void)state;
	assert_int_equal(rsm_library_folder_probe(library, &err), RSM_LIBRARY_FOLDER_EMPTY);
	assert_done(rsm_file_make_folders(in_library("staging"), 0700, &err), &err);
	assert_done(rsm_file_make_folders(in_library("catalog"), 0700, &err), &err);
	assert_int_equal(rsm_library_folder_probe(library, &err), RSM_LIBRARY_FOLDER_EMPTY);
	create(&rsm_library_default_shape);
	assert_true(is_there("staging"));
	assert_int_equal(rsm_library_folder_probe(in_library("library.conf"), &err), -ENOTDIR);
}

/* library.conf */

static int open_with_conf(const char *text)
{
	struct rsm_emulator *emulator = NULL;
	int r;

	assert_done(rsm_file_save(in_library("library.conf"), text, strlen(text), 0600, 0, &err),
		    &err);
	r = rsm_emulator_open(library, rsm_clock_real(), &emulator, &err);
	rsm_emulator_close(emulator);
	return r;
}

static void damage_in_the_configuration_names_file_line_and_cause(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "drive_type" },
		{ "drive_type = LTO-8\ncolour = red\n", "library.conf:2: unknown key colour" },
		{ "drive_type = LTO-4\n", "library.conf:1: drive_type = LTO-4: expected LTO-5" },
		{ "\n\ndrive_type\n", "library.conf:3: drive_type: expected 'key = value'" },
		{ "drive_type = LTO-8\ncapacity = lots\n", "library.conf:2: capacity = lots" },
		{ "drive_type = LTO-8\ncapacity = 1\n", "library.conf:2: capacity = 1" },
		{ "drive_type = LTO-8\ndrive_type = LTO-8\n", ":2: drive_type is given twice" },
		{ "drive_type = LTO-8\ndrive_type@257 = LTO-4\n", ":2: drive_type@257 = LTO-4" },
		{ "drive_type = LTO-8\ndrive_type@x = LTO-8\n", ":2: drive_type@x: expected" },
		{ "drive_type = LTO-8\ndrive_type@999 = LTO-8\n", "there is no drive 999" },
		{ "drive_type = LTO-8\ntiming = slow\n", "expected none or real" },
		{ "drive_type = LTO-8\nrobot_s = -1\n", "expected seconds" },
		{ "drive_type = LTO-8\nrobot_s = nan\n", "expected seconds" },
		{ "drive_type = LTO-8\nrate_mb_s = 0\n", "expected megabytes" },
		{ "drive_type = LTO-8\nfail = write 3 04/15\n", "library.conf:2: fail" },
		{ "drive_type = LTO-8\nfail = dance 3 04/15/01\n", "library.conf:2: fail" },
		{ "drive_type = LTO-8\nfail = write 0 04/15/01\n", "library.conf:2: fail" },
		{ "drive_type = LTO-8\nfail = write 1 x2 y 04/15/01\n", "library.conf:2: fail" },
		{ "drive_type = LTO-8\n\x7f\x45LF\n", "library.conf:2: byte 7Fh" },
		{ "drive_type = LTO-8\ntransport = 256\n", "address of the robot's arm" },
		{ "drive_type = LTO-8\nserial = a b\n", "library.conf:2: serial" },
	};

	(void)state;
	create(&rsm_library_default_shape);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_true(open_with_conf(bad[i].text) < 0);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("'%s' does not say '%s'", err.msg, bad[i].says);
		assert_non_null(strstr(err.msg, folder));
		assert_null(strchr(err.msg, '\n'));
	}
}

static void every_key_is_understood(void **state)
{
	(void)state;
	create(&rsm_library_default_shape);
	assert_done(open_with_conf("# a comment\n"
				   "  drive_type=LTO-9 # another\n"
				   "capacity = 1.5T\r\n"
				   "early_warning = 100 MiB\n"
				   "timing = real\nrobot_s = 0\nload_s = 0.5\nunload_s = 1\n"
				   "locate_mb_s = 1000\nrate_mb_s = 400\nsync = off\n"
				   "transport = 2\nserial = LIB-1\nchanger = robot\n"
				   "fail = move_medium 3 x2 04/15/01\n"
				   "fail = 0x0A 1 03/0C/00\n"
				   "fail = write@256 1 3/c/0"),
		    &err);
}

static void a_written_configuration_is_read_back(void **state)
{
	RSM_LIBRARY_CONF struct rsm_library_conf one, two;
	RSM_TEXT struct rsm_text text = { 0 };

	(void)state;
	create(&rsm_library_default_shape);
	rsm_library_conf_init(&one);
	rsm_library_conf_init(&two);
	one.drive_type = rsm_lto_by_name("LTO-7");
	one.capacity_bytes = 123456789;
	one.has_early_warning = true;
	one.early_warning_bytes = 1000;
	one.sync = false;
	one.transport = 3;
	one.load_s = 2.5;
	one.by_hand = true;
	strcpy(one.serial, "ABC");
	one.faults = calloc(2, sizeof *one.faults);
	one.faults[0] = (struct rsm_emulator_fault){ 0xA5, 7, 2, 9, 4, 0x15, 1, false };
	one.faults[1] = (struct rsm_emulator_fault){ 0x0A, 0, 0, 3, 3, 0x0C, 0, true };
	one.fault_count = 2;
	rsm_library_conf_write(&one, &text);
	assert_done(
		rsm_file_save(in_library("library.conf"), text.data, text.length, 0600, 0, &err),
		&err);
	assert_done(rsm_library_conf_load(&two, in_library("library.conf"), &err), &err);
	assert_ptr_equal(two.drive_type, one.drive_type);
	assert_int_equal(two.capacity_bytes, one.capacity_bytes);
	assert_int_equal(two.early_warning_bytes, 1000);
	assert_true(two.by_hand);
	assert_false(two.sync);
	assert_int_equal(two.transport, 3);
	assert_true(two.load_s > 2.4 && two.load_s < 2.6);
	assert_string_equal(two.serial, "ABC");
	assert_int_equal(two.fault_count, 2);
	assert_memory_equal(two.faults, one.faults, 2 * sizeof *one.faults);
}

static void a_library_that_is_open_is_not_opened_again(void **state)
{
	struct rsm_emulator *first, *second;

	(void)state;
	create(&rsm_library_default_shape);
	assert_done(rsm_emulator_open(library, rsm_clock_real(), &first, &err), &err);
	assert_int_equal(rsm_emulator_open(library, rsm_clock_real(), &second, &err), -EBUSY);
	assert_non_null(strstr(err.msg, library));
	rsm_emulator_close(first);
	assert_done(rsm_emulator_open(library, rsm_clock_real(), &first, &err), &err);
	rsm_emulator_close(first);
}

static void elements_that_share_an_address_are_refused(void **state)
{
	struct rsm_emulator *emulator;

	(void)state;
	create(&rsm_library_default_shape);
	assert_int_equal(mkdir(in_library("ports/1001"), 0700), 0);
	assert_int_equal(rsm_emulator_open(library, rsm_clock_real(), &emulator, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "ports/1001: slots/1001 has the same address"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)
static const struct CMUnitTest tests[] = {
	T(the_default_library_is_as_the_contract_says),
	T(shapes_are_followed),
	T(shapes_that_cannot_be_are_refused),
	T(a_library_is_never_made_over_something_else),
	T(a_making_that_was_cut_short_is_taken_up_again),
	T(folders_of_ours_may_be_there_before),
	T(damage_in_the_configuration_names_file_line_and_cause),
	T(every_key_is_understood),
	T(a_written_configuration_is_read_back),
	T(a_library_that_is_open_is_not_opened_again),
	T(elements_that_share_an_address_are_refused),
};
RSM_TEST_MAIN(tests)
