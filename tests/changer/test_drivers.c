/* The drivers over the emulated library: that both sides read the standards alike. */
#include <stdio.h>

#include "base/file.h"
#include "changer/emulator/emulator.h"
#include "changer/emulator/library_folder.h"
#include "changer/hardware.h"
#include "changer/medium_memory.h"
#include "tests/base/test.h"

struct scene {
	char folder[64];
	struct rsm_hardware *hardware;
	struct rsm_medium_changer *changer;
	struct rsm_tape_drive *drive;
	uint16_t slot, bay; /* a cartridge's home, the drive's element */
};

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof *scene);
	struct rsm_element *elements;
	struct rsm_err err;
	size_t count;

	if (!scene)
		return -1;
	*state = scene;
	snprintf(scene->folder, sizeof scene->folder, "/tmp/test-drivers-XXXXXX");
	if (!mkdtemp(scene->folder))
		return -1;
	assert_done(rsm_library_folder_create(scene->folder, &rsm_library_default_shape, &err),
		    &err);
	assert_done(rsm_hardware_open(scene->folder, NULL, &scene->hardware, &err), &err);
	scene->changer = scene->hardware->changer;
	scene->drive = scene->hardware->drives[0].drive;
	scene->bay = scene->hardware->drives[0].element;
	assert_done(rsm_medium_changer_inventory(scene->changer, &elements, &count, &err), &err);
	scene->slot = elements[0].address;
	assert_true(elements[0].full);
	free(elements);
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;
	int r;

	rsm_hardware_close(scene->hardware);
	r = rsm_file_remove_tree(scene->folder, NULL);
	free(scene);
	return r;
}

static void given_a_loaded_tape(struct scene *scene)
{
	struct rsm_err err;

	assert_done(rsm_medium_changer_move(scene->changer, scene->slot, scene->bay, &err), &err);
	assert_done(rsm_tape_drive_load(scene->drive, 60000, &err), &err);
	assert_done(rsm_tape_drive_poll(scene->drive, &err), &err);
}

static void a_cartridge_goes_to_the_drive_and_home(void **state)
{
	struct scene *scene = *state;
	struct rsm_element *elements;
	struct rsm_err err;
	size_t count;

	assert_int_equal(rsm_tape_drive_poll(scene->drive, &err), RSM_TAPE_NO_MEDIUM);
	given_a_loaded_tape(scene);
	assert_done(rsm_medium_changer_inventory(scene->changer, &elements, &count, &err), &err);
	for (size_t i = 0; i < count; i++)
		if (elements[i].address == scene->bay) {
			assert_true(elements[i].full);
			assert_string_equal(elements[i].volume_tag, "A00001L8");
			assert_int_equal(elements[i].source, scene->slot);
		}
	free(elements);
	assert_int_equal(rsm_medium_changer_move(scene->changer, scene->slot, scene->bay, &err),
			 RSM_CHANGER_SOURCE_EMPTY);
	assert_done(rsm_tape_drive_prevent_removal(scene->drive, true, &err), &err);
	assert_int_equal(rsm_medium_changer_move(scene->changer, scene->bay, scene->slot, &err),
			 -EBUSY);
	assert_done(rsm_tape_drive_unload(scene->drive, &err), &err);
	assert_done(rsm_medium_changer_move(scene->changer, scene->bay, scene->slot, &err), &err);
	assert_int_equal(rsm_tape_drive_load(scene->drive, 1000, &err), -ENOMEDIUM);
}

static void a_formatted_medium_has_two_partitions_with_their_own_positions(void **state)
{
	struct rsm_tape_position position;
	struct scene *scene = *state;
	struct rsm_tape_medium medium;
	struct rsm_err err;
	uint64_t block;

	given_a_loaded_tape(scene);
	assert_done(rsm_tape_drive_format(scene->drive, 2, &err), &err);
	assert_done(rsm_tape_drive_medium(scene->drive, &medium, &err), &err);
	assert_int_equal(medium.partitions, 2);
	assert_int_equal(medium.density, 0x5E);
	assert_false(medium.write_protected || medium.worm);
	for (unsigned partition = 0; partition < 2; partition++) {
		assert_done(rsm_tape_drive_locate(scene->drive, partition, 0, &err), &err);
		for (unsigned i = 0; i <= partition; i++)
			assert_done(rsm_tape_drive_write(scene->drive, "record", 6, &err), &err);
		assert_done(rsm_tape_drive_write_filemarks(scene->drive, 1, false, &err), &err);
	}
	for (unsigned partition = 0; partition < 2; partition++) {
		assert_done(rsm_tape_drive_locate_end(scene->drive, partition, &block, &err), &err);
		assert_int_equal(block, partition + 2);
	}
	assert_int_equal(rsm_tape_drive_locate(scene->drive, 0, 99, &err), RSM_TAPE_END_OF_DATA);
	assert_done(rsm_tape_drive_position(scene->drive, &position, &err), &err);
	assert_int_equal(position.partition, 0);
	assert_int_equal(position.block, 2);
	assert_true(rsm_tape_drive_locate(scene->drive, 2, 0, &err) < 0);
	assert_done(rsm_tape_drive_format(scene->drive, 1, &err), &err);
	assert_done(rsm_tape_drive_medium(scene->drive, &medium, &err), &err);
	assert_int_equal(medium.partitions, 1);
}

static void what_is_written_is_read_back_with_its_marks(void **state)
{
	struct scene *scene = *state;
	struct rsm_err err;
	char buf[100];
	int64_t moved;
	size_t length;

	given_a_loaded_tape(scene);
	assert_done(rsm_tape_drive_locate(scene->drive, 0, 0, &err), &err);
	assert_done(rsm_tape_drive_write(scene->drive, "short", 5, &err), &err);
	assert_done(rsm_tape_drive_write_filemarks(scene->drive, 1, true, &err), &err);
	memset(buf, 'x', sizeof buf);
	assert_done(rsm_tape_drive_write(scene->drive, buf, sizeof buf, &err), &err);
	assert_done(rsm_tape_drive_write_filemarks(scene->drive, 0, false, &err), &err);

	assert_done(rsm_tape_drive_locate(scene->drive, 0, 0, &err), &err);
	assert_done(rsm_tape_drive_read(scene->drive, buf, sizeof buf, &length, &err), &err);
	assert_int_equal(length, 5);
	assert_memory_equal(buf, "short", 5);
	assert_int_equal(rsm_tape_drive_read(scene->drive, buf, sizeof buf, &length, &err),
			 RSM_TAPE_FILEMARK);
	assert_int_equal(rsm_tape_drive_read(scene->drive, buf, 10, &length, &err), -ENOBUFS);
	assert_int_equal(rsm_tape_drive_read(scene->drive, buf, 10, &length, &err),
			 RSM_TAPE_END_OF_DATA);
	assert_int_equal(rsm_tape_drive_space_filemarks(scene->drive, -4, &moved, &err),
			 RSM_TAPE_BEGINNING);
	assert_int_equal(moved, -1);
	assert_int_equal(rsm_tape_drive_space_filemarks(scene->drive, 4, &moved, &err),
			 RSM_TAPE_END_OF_DATA);
	assert_int_equal(moved, 1);
}

static void medium_memory_keeps_what_is_written(void **state)
{
	struct scene *scene = *state;
	uint64_t remaining, maximum;
	struct rsm_err err;
	char value[160];
	size_t length;

	given_a_loaded_tape(scene);
	assert_done(rsm_medium_memory_write(scene->drive, 0, RSM_MAM_MEDIUM_TEXT, RSM_MAM_TEXT,
					    "monday", 6, &err),
		    &err);
	assert_done(rsm_medium_memory_read(scene->drive, 0, RSM_MAM_MEDIUM_TEXT, value,
					   sizeof value, &length, &err),
		    &err);
	assert_int_equal(length, 6);
	assert_memory_equal(value, "monday", 6);
	assert_done(rsm_medium_memory_write(scene->drive, 0, RSM_MAM_MEDIUM_TEXT, RSM_MAM_TEXT,
					    NULL, 0, &err),
		    &err);
	assert_int_equal(rsm_medium_memory_read(scene->drive, 0, RSM_MAM_MEDIUM_TEXT, value,
						sizeof value, &length, &err),
			 RSM_MAM_ABSENT);
	assert_done(rsm_medium_memory_capacity(scene->drive, 0, &remaining, &maximum, &err), &err);
	assert_true(remaining <= maximum && maximum > 0);
}

static void a_fault_of_the_drive_is_an_error_with_its_cause(void **state)
{
	const struct rsm_emulator_fault fault = {
		.opcode = 0x0A, .times = 1, .key = 0x3, .asc = 0x0C
	};
	const struct rsm_emulator_fault cut = { .opcode = 0xFFFF, .times = 1, .key = 0xF };
	struct scene *scene = *state;
	struct rsm_err err;

	given_a_loaded_tape(scene);
	assert_done(rsm_emulator_inject(scene->hardware->emulator, &fault, &err), &err);
	assert_int_equal(rsm_tape_drive_write(scene->drive, "x", 1, &err), -EIO);
	assert_non_null(strstr(err.msg, ": WRITE: medium error (03/0C/00)"));
	assert_done(rsm_tape_drive_write(scene->drive, "x", 1, &err), &err);
	assert_done(rsm_emulator_inject(scene->hardware->emulator, &cut, &err), &err);
	assert_int_equal(rsm_tape_drive_write(scene->drive, "x", 1, &err), -ENODEV);
	assert_int_equal(rsm_medium_changer_poll(scene->changer, &err), -ENODEV);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
	SCENE_TEST(a_cartridge_goes_to_the_drive_and_home),
	SCENE_TEST(a_formatted_medium_has_two_partitions_with_their_own_positions),
	SCENE_TEST(what_is_written_is_read_back_with_its_marks),
	SCENE_TEST(medium_memory_keeps_what_is_written),
	SCENE_TEST(a_fault_of_the_drive_is_an_error_with_its_cause),
};
RSM_TEST_MAIN(tests)
