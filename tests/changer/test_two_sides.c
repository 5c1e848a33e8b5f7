/* Cartridges with two sides in a virtual library, and the drivers over them. */
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "tests/base/test.h"
#include "tests/changer/library_rig.h"

static const struct rsm_library_shape two_sided = {
	.media_type = "LTO-8",
	.drives = 2,
	.slots = 8,
	.ports = 2,
	.cartridges = 4,
	.capacity_bytes = (uint64_t)1 << 30,
	.sides = 2,
};

static int set_up(void **state)
{
	struct rig *rig;

	if (rig_set_up(state) != 0)
		return -1;
	rig = *state;
	rig_make(rig, &two_sided, "");
	return rsm_medium_changer_learn_rotation(rig->changer, &rig->err);
}

static void turn(struct rig *rig, uint16_t source, uint16_t destination)
{
	assert_done(rsm_medium_changer_move_inverted(rig->changer, source, destination, &rig->err),
		    &rig->err);
}

static struct rsm_element element_at(struct rig *rig, uint16_t address)
{
	struct rsm_element found = { 0 }, *elements;
	size_t count;

	assert_done(rsm_medium_changer_inventory(rig->changer, &elements, &count, &rig->err),
		    &rig->err);
	for (size_t i = 0; i < count; i++)
		if (elements[i].address == address)
			found = elements[i];
	free(elements);
	return found;
}

static void load(struct rig *rig)
{
	assert_done(rsm_tape_drive_load(rig->drive, 60000, &rig->err), &rig->err);
}

static void write_block(struct rig *rig, const char *text)
{
	load(rig);
	assert_done(rsm_tape_drive_write(rig->drive, text, strlen(text), &rig->err), &rig->err);
	assert_done(rsm_tape_drive_write_filemarks(rig->drive, 1, false, &rig->err), &rig->err);
	assert_done(rsm_tape_drive_unload(rig->drive, &rig->err), &rig->err);
}

static void expect_block(struct rig *rig, const char *text)
{
	char data[256];
	size_t length = 0;

	load(rig);
	assert_done(rsm_tape_drive_read(rig->drive, data, sizeof data, &length, &rig->err),
		    &rig->err);
	assert_int_equal(length, strlen(text));
	assert_memory_equal(data, text, length);
	assert_done(rsm_tape_drive_unload(rig->drive, &rig->err), &rig->err);
}

static void each_side_holds_what_was_written_to_it(void **state)
{
	struct rig *rig = *state;

	rig_move(rig, 1001, 256);
	write_block(rig, "first side");
	rig_move(rig, 256, 1001);
	turn(rig, 1001, 256);
	assert_true(rig_is_there(rig, "drives/256/A00001L8/inverted"));
	write_block(rig, "second side");
	turn(rig, 256, 1001);
	assert_false(rig_is_there(rig, "slots/1001/A00001L8/inverted"));
	assert_true(rig_is_there(rig, "slots/1001/A00001L8/side1/partition0.tap"));

	rig_move(rig, 1001, 256);
	expect_block(rig, "first side");
	turn(rig, 256, 1001);
	rig_move(rig, 1001, 256); /* it came to lie the other way round, and stays so */
	expect_block(rig, "second side");
}

static void each_side_has_a_memory_of_its_own(void **state)
{
	struct rig *rig = *state;
	char serials[2][33] = { "" };
	size_t length;

	for (int i = 0; i < 2; i++) {
		if (i == 0)
			rig_move(rig, 1002, 256);
		else
			turn(rig, 1002, 256);
		load(rig);
		assert_done(rsm_medium_memory_read(rig->drive, 0, RSM_MAM_SERIAL_NUMBER, serials[i],
						   32, &length, &rig->err),
			    &rig->err);
		assert_done(rsm_tape_drive_unload(rig->drive, &rig->err), &rig->err);
		if (i == 0)
			rig_move(rig, 256, 1002);
	}

	assert_memory_equal(serials[0], "A00002L8  ", 10);
	assert_memory_equal(serials[1], "A00002L8.B  ", 12);
}

static void how_it_lies_survives_the_robots_memory(void **state)
{
	struct rig *rig = *state;

	turn(rig, 1001, 256);
	write_block(rig, "second side");

	rig_close(rig);
	rig_open(rig);

	expect_block(rig, "second side");
}

static void the_element_says_whether_it_was_turned_since_it_left_its_slot(void **state)
{
	struct rig *rig = *state;

	assert_true(element_at(rig, 1001).two_sided);
	assert_false(element_at(rig, 1008).two_sided);
	assert_false(element_at(rig, 1001).inverted);

	turn(rig, 1001, 256);
	assert_true(element_at(rig, 256).inverted);
	rig_move(rig, 256, 257);
	assert_true(element_at(rig, 257).inverted);
	turn(rig, 257, 1001);
	assert_false(element_at(rig, 1001).inverted);
	rig_move(rig, 1001, 256);
	assert_false(element_at(rig, 256).inverted);
}

static void a_second_side_that_has_no_files_is_blank(void **state)
{
	struct rig *rig = *state;
	char data[80];
	size_t length;

	rig_run(rig, "rm -r slots/1001/A00001L8/side1");
	turn(rig, 1001, 256);
	load(rig);

	assert_int_equal(rsm_tape_drive_read(rig->drive, data, sizeof data, &length, &rig->err),
			 RSM_TAPE_END_OF_DATA);
	assert_done(rsm_tape_drive_locate(rig->drive, 0, 0, &rig->err), &rig->err);
	assert_done(rsm_tape_drive_write(rig->drive, "x", 1, &rig->err), &rig->err);
	assert_done(rsm_tape_drive_unload(rig->drive, &rig->err), &rig->err);
	assert_true(rig_is_there(rig, "drives/256/A00001L8/side1/partition0.tap"));
}

static void the_switch_protects_both_sides(void **state)
{
	struct rig *rig = *state;

	rig_run(rig, "touch slots/1001/A00001L8/write-protect");
	turn(rig, 1001, 256);
	load(rig);
	assert_int_equal(rsm_tape_drive_write(rig->drive, "x", 1, &rig->err), -EROFS);
}

static void a_move_that_fails_leaves_it_as_it_lay(void **state)
{
	struct rig *rig = *state;

	rig_move(rig, 1002, 256);
	assert_int_equal(rsm_medium_changer_move_inverted(rig->changer, 1001, 256, &rig->err),
			 RSM_CHANGER_DESTINATION_FULL);
	assert_false(rig_is_there(rig, "slots/1001/A00001L8/inverted"));
}

static void a_robot_that_cannot_turn_says_so_and_does_not(void **state)
{
	struct rig *rig = *state;
	struct rsm_sense sense;

	rig_make(rig, &rsm_library_default_shape, "");
	assert_done(rsm_medium_changer_learn_rotation(rig->changer, &rig->err), &rig->err);

	assert_false(rsm_medium_changer_rotates(rig->changer));
	assert_false(element_at(rig, 1001).two_sided);
	sense = rig_send(rig->raw_changer, "a5 00 0000 03e9 0100 0000 01 00", RSM_SCSI_NO_DATA,
			 NULL, 0, NULL);
	rig_assert_sense(&sense, 5, 0x24, 0);
	/* nor does anybody look at what a cartridge of another library holds besides */
	rig_run(rig, "touch slots/1001/A00001L8/inverted");
	rig_move(rig, 1001, 256);
	load(rig);
	assert_false(rig_is_there(rig, "drives/256/A00001L8/side1"));
}

static void a_library_of_two_sided_cartridges_needs_a_robot(void **state)
{
	struct rig *rig = *state;
	struct rsm_library_shape shape = two_sided;
	struct rsm_emulator *emulator;

	shape.standalone = true;
	shape.drives = 1;
	shape.slots = shape.ports = 0;
	assert_int_equal(rsm_library_folder_create(rig_path(rig, "alone"), &shape, &rig->err),
			 -EINVAL);

	rig_close(rig);
	rig_run(rig, "echo 'changer = none' >>library.conf");
	assert_int_equal(rsm_emulator_open(rig->folder, &rig->clock.clock, &emulator, &rig->err),
			 -EBADMSG);
	assert_non_null(strstr(rig->err.msg, "sides = 2: expected a robot"));
	rig_run(rig, "sed -i '/^changer/d; s/^sides.*/sides = 3/' library.conf");
	assert_int_equal(rsm_emulator_open(rig->folder, &rig->clock.clock, &emulator, &rig->err),
			 -EBADMSG);
	assert_non_null(strstr(rig->err.msg, "sides = 3: expected 1 or 2"));
	rig_run(rig, "sed -i 's/^sides.*/sides = 2/' library.conf");
	rig_open(rig);
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, rig_tear_down)

static const struct CMUnitTest tests[] = {
	EACH(each_side_holds_what_was_written_to_it),
	EACH(each_side_has_a_memory_of_its_own),
	EACH(how_it_lies_survives_the_robots_memory),
	EACH(the_element_says_whether_it_was_turned_since_it_left_its_slot),
	EACH(a_second_side_that_has_no_files_is_blank),
	EACH(the_switch_protects_both_sides),
	EACH(a_move_that_fails_leaves_it_as_it_lay),
	EACH(a_robot_that_cannot_turn_says_so_and_does_not),
	EACH(a_library_of_two_sided_cartridges_needs_a_robot),
};

RSM_TEST_MAIN(tests)
