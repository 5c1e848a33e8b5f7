#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "changer/emulator/library_folder.h"
#include "changer/hardware.h"
#include "tests/base/test.h"

static int make_folder(void **state)
{
	char *root = strdup("/tmp/test-hardware-XXXXXX");

	*state = root;
	return root && mkdtemp(root) ? 0 : -1;
}

static int remove_folder(void **state)
{
	int r = rsm_file_remove_tree(*state, NULL);

	free(*state);
	return r;
}

static void what_is_no_library_is_refused_in_one_line(void **state)
{
	char path[256], expected[512];
	struct rsm_hardware *hardware;
	struct rsm_err err;

	snprintf(path, sizeof path, "%s/missing", (char *)*state);
	assert_int_equal(rsm_hardware_open(path, NULL, &hardware, &err), -ENOENT);
	snprintf(expected, sizeof expected, "%s: No such file or directory", path);
	assert_string_equal(err.msg, expected);

	snprintf(path, sizeof path, "%s/file", (char *)*state);
	assert_done(rsm_file_save(path, "x", 1, 0600, 0, &err), &err);
	assert_int_equal(rsm_hardware_open(path, NULL, &hardware, &err), -EINVAL);
	snprintf(expected, sizeof expected,
		 "%s: is neither a folder (a virtual library) nor a SCSI device", path);
	assert_string_equal(err.msg, expected);

	assert_int_equal(rsm_hardware_open("/dev/null", NULL, &hardware, &err), -ENODEV);
	assert_string_equal(err.msg, "/dev/null: is not a SCSI tape drive or medium changer");
}

static void an_empty_folder_is_no_library_yet(void **state)
{
	struct rsm_hardware *hardware;
	struct rsm_err err;

	assert_true(rsm_hardware_open(*state, NULL, &hardware, &err) < 0);
	assert_non_null(strstr(err.msg, *state));
	assert_null(strchr(err.msg, '\n'));
}

static void drives_are_not_named_for_a_virtual_library(void **state)
{
	const struct rsm_hardware_options options = { .drives = "/dev/sg1" };
	struct rsm_hardware *hardware;
	struct rsm_err err;

	assert_int_equal(rsm_hardware_open(*state, &options, &hardware, &err), -EINVAL);
}

static void a_virtual_library_has_its_changer_and_drives_in_order(void **state)
{
	const struct rsm_hardware_options options = { .trace = true };
	struct rsm_hardware *hardware;
	struct rsm_element *elements;
	size_t count, drives = 0;
	struct rsm_err err;

	assert_done(rsm_library_folder_create(*state, &rsm_library_default_shape, &err), &err);
	assert_done(rsm_hardware_open(*state, &options, &hardware, &err), &err);
	assert_true(hardware->is_virtual);
	assert_string_equal(hardware->source, *state);
	assert_non_null(hardware->changer);
	assert_int_equal(hardware->drive_count, rsm_library_default_shape.drives);
	assert_string_equal(hardware->drives[0].type, "LTO-8");
	assert_string_equal(hardware->drives[0].node, "");
	assert_true(hardware->drives[0].element < hardware->drives[1].element);
	assert_done(rsm_medium_changer_inventory(hardware->changer, &elements, &count, &err), &err);
	for (size_t i = 0; i < count; i++) {
		if (elements[i].type != RSM_ELEMENT_DATA_TRANSFER)
			continue;
		/* what the changer says of its drives is what they say themselves */
		assert_int_equal(elements[i].address, hardware->drives[drives].element);
		assert_string_equal(
			elements[i].serial,
			rsm_tape_drive_identity(hardware->drives[drives].drive)->serial);
		drives++;
	}
	assert_int_equal(drives, hardware->drive_count);
	free(elements);
	rsm_hardware_close(hardware);
}

static void densities_and_barcodes_have_their_media_type(void **state)
{
	(void)state;
	assert_string_equal(rsm_media_type_of_density(0x58, false), "LTO-5");
	assert_string_equal(rsm_media_type_of_density(0x5E, false), "LTO-8");
	assert_string_equal(rsm_media_type_of_density(0x60, true), "LTO-9-WORM");
	assert_string_equal(rsm_media_type_of_density(0x00, false), "");
	assert_string_equal(rsm_media_type_of_barcode("A00001L8"), "LTO-8");
	assert_string_equal(rsm_media_type_of_barcode("A00001M8"), "LTO-M8");
	assert_string_equal(rsm_media_type_of_barcode("A00001LY"), "LTO-8-WORM");
	assert_null(rsm_media_type_of_barcode("A00001"));
	assert_null(rsm_media_type_of_barcode("L8"));
	assert_null(rsm_media_type_of_barcode(""));
	assert_true(rsm_barcode_is_cleaner("CLN001L1"));
	assert_false(rsm_barcode_is_cleaner("A0CLN1L8"));
	assert_false(rsm_barcode_is_cleaner("CL"));
}

/* Whether a cartridge stands in it, and whether it was put there since. */
static bool seated(struct rsm_tape_drive *drive, bool *ret_anew)
{
	struct rsm_err err;

	assert_int_equal(rsm_tape_drive_poll(drive, &err), RSM_TAPE_NO_MEDIUM);
	return rsm_tape_drive_is_seated(drive, ret_anew);
}

static void run(const char *folder, const char *command)
{
	char line[512];

	snprintf(line, sizeof line, "cd %s && %s", folder, command);
	assert_int_equal(system(line), 0);
}

static void a_stand_alone_drive_senses_what_people_put_in_and_take_out(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8", .drives = 1, .cartridges = 1, .standalone = true
	};
	RSM_CLEANUP(rsm_hardware_close) struct rsm_hardware *hardware = NULL;
	struct rsm_tape_drive *drive;
	struct rsm_err err;
	bool anew;

	assert_done(rsm_library_folder_create(*state, &shape, &err), &err);
	assert_done(rsm_hardware_open(*state, NULL, &hardware, &err), &err);
	assert_null(hardware->changer);
	assert_int_equal(hardware->drive_count, 1);
	drive = hardware->drives[0].drive;
	assert_false(seated(drive, &anew));
	run(*state, "mv shelf/A00001L8 drives/256/");
	assert_true(seated(drive, &anew) && anew);
	assert_true(seated(drive, &anew) && !anew);
	run(*state, "mv drives/256/A00001L8 shelf/ && mv shelf/A00001L8 drives/256/");
	assert_true(seated(drive, &anew) && anew);
	assert_done(rsm_tape_drive_load(drive, 1000, &err), &err);
	assert_done(rsm_tape_drive_poll(drive, &err), &err);
	assert_done(rsm_tape_drive_prevent_removal(drive, true, &err), &err);
	run(*state, "test -e drives/256/BUSY");
	run(*state, "mv drives/256/A00001L8 shelf/");
	assert_false(seated(drive, &anew)); /* and it does not believe that it was written */
	run(*state, "test ! -e drives/256/BUSY");
}

static void a_stand_alone_drive_is_alone(void **state)
{
	struct rsm_library_shape shape = {
		.media_type = "LTO-8", .drives = 2, .cartridges = 1, .standalone = true
	};
	struct rsm_hardware *hardware;
	struct rsm_err err;

	assert_int_equal(rsm_library_folder_create(*state, &shape, &err), -EINVAL);
	shape.drives = 1;
	shape.slots = 1;
	assert_int_equal(rsm_library_folder_create(*state, &shape, &err), -EINVAL);
	shape.slots = 0;
	assert_done(rsm_library_folder_create(*state, &shape, &err), &err);
	run(*state, "mkdir drives/257");
	assert_int_equal(rsm_hardware_open(*state, NULL, &hardware, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "changer = none: expected one drive, not 2"));
	run(*state, "rmdir drives/257 && sed -i 's/= none *#.*/= arm/' library.conf");
	assert_int_equal(rsm_hardware_open(*state, NULL, &hardware, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "expected"));
}

#define FOLDER_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
static const struct CMUnitTest tests[] = {
	FOLDER_TEST(what_is_no_library_is_refused_in_one_line),
	FOLDER_TEST(an_empty_folder_is_no_library_yet),
	FOLDER_TEST(drives_are_not_named_for_a_virtual_library),
	FOLDER_TEST(a_virtual_library_has_its_changer_and_drives_in_order),
	FOLDER_TEST(a_stand_alone_drive_senses_what_people_put_in_and_take_out),
	FOLDER_TEST(a_stand_alone_drive_is_alone),
	cmocka_unit_test(densities_and_barcodes_have_their_media_type),
};
RSM_TEST_MAIN(tests)
