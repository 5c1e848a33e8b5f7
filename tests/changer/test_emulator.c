#include "changer/emulator/emulator.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "tests/base/test.h"
#include "tests/changer/library_rig.h"

static void poll_is(struct rig *rig, int outcome)
{
	assert_int_equal(rsm_medium_changer_poll(rig->changer, &rig->err), outcome);
}

static void an_inventory_shows_what_the_folders_hold(void **state)
{
	struct rig *rig = *state;
	struct rsm_element *elements;
	size_t count;

	assert_done(rsm_medium_changer_inventory(rig->changer, &elements, &count, &rig->err),
		    &rig->err);
	assert_int_equal(count, 8 + 2 + 2 + 1);
	assert_int_equal(elements[0].address, 1001);
	assert_string_equal(elements[0].volume_tag, "A00001L8");
	assert_true(elements[0].full && elements[0].accessible && !elements[0].exception);
	assert_string_equal(elements[4].volume_tag, "CLN001L1");
	assert_false(elements[5].full);
	assert_int_equal(elements[8].type, RSM_ELEMENT_IMPORT_EXPORT);
	assert_int_equal(elements[10].type, RSM_ELEMENT_DATA_TRANSFER);
	assert_string_equal(elements[10].serial, rsm_tape_drive_identity(rig->drive)->serial);
	assert_string_not_equal(elements[10].serial, elements[11].serial);
	assert_int_equal(elements[12].type, RSM_ELEMENT_TRANSPORT);
	free(elements);
}

static void element_status_counts_are_right_however_little_is_taken(void **state)
{
	struct rig *rig = *state;
	uint8_t all[4096], few[100];
	struct rsm_sense sense;
	size_t moved;

	sense = rig_send(rig->raw_changer, "b8 10 0000 ffff 01 001000 00 00", RSM_SCSI_FROM_DEVICE,
			 all, sizeof all, &moved);
	rig_assert_sense(&sense, 0, 0, 0);
	assert_int_equal(moved, 8 + rsm_get_be24(all + 5));
	assert_int_equal(rsm_get_be16(all), 1);
	assert_int_equal(rsm_get_be16(all + 2), 13);
	sense = rig_send(rig->raw_changer, "b8 10 0000 ffff 01 000064 00 00", RSM_SCSI_FROM_DEVICE,
			 few, sizeof few, &moved);
	rig_assert_sense(&sense, 0, 0, 0);
	assert_int_equal(moved, 100);
	assert_memory_equal(all, few, 100);
	/* from an address on, so many */
	sense = rig_send(rig->raw_changer, "b8 12 03eb 0002 00 001000 00 00", RSM_SCSI_FROM_DEVICE,
			 all, sizeof all, &moved);
	assert_int_equal(rsm_get_be16(all), 1003);
	assert_int_equal(rsm_get_be16(all + 2), 2);
	assert_memory_equal(all + 16 + 12, "A00003L8 ", 9);
	assert_int_equal(moved, 16 + 2 * rsm_get_be16(all + 10));
	sense = rig_send(rig->raw_changer, "b8 15 0000 ffff 00 001000 00 00", RSM_SCSI_FROM_DEVICE,
			 all, sizeof all, &moved);
	rig_assert_sense(&sense, 5, 0x24, 0);
}

static void a_move_is_a_rename(void **state)
{
	struct rig *rig = *state;
	struct rsm_element *elements;
	size_t count;

	rig_move(rig, 1001, 1008);
	assert_true(rig_is_there(rig, "slots/1008/A00001L8/partition0.tap"));
	assert_false(rig_is_there(rig, "slots/1001/A00001L8"));
	rig_move(rig, 1002, 257);
	assert_true(rig_is_there(rig, "drives/257/A00002L8/partition0.tap"));
	assert_done(rsm_medium_changer_inventory(rig->changer, &elements, &count, &rig->err),
		    &rig->err);
	assert_true(elements[11].source_valid);
	assert_int_equal(elements[11].source, 1002);
	free(elements);
	poll_is(rig, 0); /* what the robot does is no news */
	rig_move(rig, 257, 10);
	assert_string_equal(rig_tag(rig, 10), "A00002L8");
}

static void impossible_moves_change_nothing(void **state)
{
	struct rig *rig = *state;
	struct rsm_sense sense;

	assert_int_equal(rsm_medium_changer_move(rig->changer, 1008, 1007, &rig->err),
			 RSM_CHANGER_SOURCE_EMPTY);
	assert_int_equal(rsm_medium_changer_move(rig->changer, 1001, 1002, &rig->err),
			 RSM_CHANGER_DESTINATION_FULL);
	assert_int_equal(rsm_medium_changer_move(rig->changer, 1001, 4000, &rig->err), -ENXIO);
	sense = rig_send(rig->raw_changer, "a5 00 0000 03e9 0fa0 0000 00 00", RSM_SCSI_NO_DATA,
			 NULL, 0, NULL);
	rig_assert_sense(&sense, 5, 0x21, 1);
	sense = rig_send(rig->raw_changer, "a5 00 0009 03e9 03f0 0000 00 00", RSM_SCSI_NO_DATA,
			 NULL, 0, NULL);
	rig_assert_sense(&sense, 5, 0x21, 1);
	assert_string_equal(rig_tag(rig, 1001), "A00001L8");
}

static void a_cartridge_put_into_a_port_is_noticed_at_once(void **state)
{
	struct rig *rig = *state;
	struct rsm_element *elements;
	size_t count;

	poll_is(rig, 0);
	rig_run(rig, "mv slots/1001/A00001L8 shelf/");
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_string_equal(rig_tag(rig, 1001), "");
	rig_run(rig, "mv shelf/A00001L8 ports/11/");
	poll_is(rig, RSM_CHANGER_CHANGED);
	poll_is(rig, 0);
	assert_done(rsm_medium_changer_inventory(rig->changer, &elements, &count, &rig->err),
		    &rig->err);
	assert_string_equal(elements[9].volume_tag, "A00001L8");
	assert_true(elements[9].by_operator);
	free(elements);
	rig_move(rig, 11, 1001);
	rig_run(rig, "mv slots/1001/A00001L8 ports/10/ && mv ports/10/A00001L8 shelf/");
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_string_equal(rig_tag(rig, 10), "");
}

static const struct rsm_element *element_at(struct rig *rig, uint16_t address)
{
	static struct rsm_element found;
	struct rsm_element *elements;
	size_t count;

	assert_done(rsm_medium_changer_inventory(rig->changer, &elements, &count, &rig->err),
		    &rig->err);
	memset(&found, 0, sizeof found);
	for (size_t i = 0; i < count; i++)
		if (elements[i].address == address)
			found = elements[i];
	free(elements);
	return &found;
}

static void a_magazine_that_is_out_cannot_be_reached(void **state)
{
	struct rig *rig = *state;

	poll_is(rig, 0);
	rig_run(rig, "mv slots/1001 shelf/");
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_false(rsm_element_is_present(element_at(rig, 1001)));
	assert_false(element_at(rig, 1001)->full);
	assert_true(rsm_element_is_present(element_at(rig, 1002)));
	assert_int_equal(rsm_medium_changer_move(rig->changer, 1002, 1001, &rig->err),
			 RSM_CHANGER_NO_MAGAZINE);
	assert_int_equal(rsm_medium_changer_move(rig->changer, 1001, 256, &rig->err),
			 RSM_CHANGER_NO_MAGAZINE);
	rig_run(rig, "mv shelf/1001 slots/");
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_true(rsm_element_is_present(element_at(rig, 1001)));
	assert_string_equal(rig_tag(rig, 1001), "A00001L8");
	/* another magazine in its place */
	rig_run(rig, "mv slots/1001 shelf/ && mkdir -p shelf/m && mv shelf/1001/A00001L8 shelf/m/ "
		     "&& mv shelf/m slots/1001");
	assert_string_equal(rig_tag(rig, 1001), "A00001L8");
	rig_move(rig, 1001, 256);
	rig_move(rig, 256, 1001);
	poll_is(rig, 0);
	rig_run(rig, "mv slots/1001/A00001L8 shelf/");
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_string_equal(rig_tag(rig, 1001), "");
}

static void nothing_moves_while_the_door_is_open(void **state)
{
	struct rig *rig = *state;

	poll_is(rig, 0);
	rig_run(rig, "touch OPEN");
	poll_is(rig, RSM_CHANGER_NOT_READY);
	assert_int_equal(rsm_medium_changer_move(rig->changer, 1001, 256, &rig->err),
			 RSM_CHANGER_NOT_READY);
	rig_run(rig, "mv slots/1001/A00001L8 slots/1008/ && rm OPEN");
	poll_is(rig, 0); /* the attention goes before the next command */
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_string_equal(rig_tag(rig, 1008), "A00001L8");
	poll_is(rig, 0);
}

static void a_locked_door_does_not_open(void **state)
{
	struct rig *rig = *state;

	assert_done(rsm_medium_changer_prevent(rig->changer, true, &rig->err), &rig->err);
	assert_true(rig_is_there(rig, "LOCKED"));
	rig_run(rig, "touch OPEN");
	poll_is(rig, 0);
	rig_move(rig, 1001, 256);
	assert_done(rsm_medium_changer_prevent(rig->changer, false, &rig->err), &rig->err);
	assert_false(rig_is_there(rig, "LOCKED"));
	poll_is(rig, RSM_CHANGER_NOT_READY);
}

static void an_inventory_is_never_older_than_the_folders(void **state)
{
	struct rig *rig = *state;

	rig_run(rig, "mv slots/1001/A00001L8 slots/1008/");
	assert_string_equal(rig_tag(rig, 1008), "A00001L8");
	poll_is(rig, RSM_CHANGER_CHANGED);
	poll_is(rig, 0);
}

static void a_folder_that_grows_is_taken_when_it_is_still(void **state)
{
	struct rig *rig = *state;

	rig_run(rig, "mkdir ports/10/B00001L8");
	poll_is(rig, 0);
	rig->clock.at_ns += 9 * RSM_SECOND_NS;
	rig_run(rig, "cp slots/1001/A00001L8/* ports/10/B00001L8/");
	poll_is(rig, 0);
	rig->clock.at_ns += 9 * RSM_SECOND_NS;
	poll_is(rig, 0);
	assert_string_equal(rig_tag(rig, 10), "");
	rig->clock.at_ns += 2 * RSM_SECOND_NS;
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_string_equal(rig_tag(rig, 10), "B00001L8");
	/* hidden ones never are */
	rig_run(rig, "mkdir ports/11/.part");
	rig->clock.at_ns += 20 * RSM_SECOND_NS;
	poll_is(rig, 0);
	rig_run(rig, "mv ports/11/.part ports/11/B00002L8");
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_string_equal(rig_tag(rig, 11), "B00002L8");
}

static void a_growing_folder_keeps_the_robot_away(void **state)
{
	struct rig *rig = *state;

	rig_run(rig, "mkdir slots/1008/B00001L8");
	assert_int_equal(rsm_medium_changer_move(rig->changer, 1001, 1008, &rig->err),
			 RSM_CHANGER_DESTINATION_FULL);
	rig_run(rig, "rmdir slots/1008/B00001L8");
	rig_move(rig, 1001, 1008);
}

static void two_cartridges_in_one_slot_are_an_exception(void **state)
{
	struct rig *rig = *state;
	struct rsm_element *elements;
	size_t count;

	rig_run(rig, "mv slots/1001/A00001L8 slots/1002/");
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_done(rsm_medium_changer_inventory(rig->changer, &elements, &count, &rig->err),
		    &rig->err);
	assert_true(elements[1].exception && elements[1].full && !elements[1].accessible);
	assert_int_equal(elements[1].asc, 0x3B);
	assert_string_equal(elements[1].volume_tag, "");
	free(elements);
	assert_true(rsm_medium_changer_move(rig->changer, 1002, 256, &rig->err) < 0);
	rig_run(rig, "mv slots/1002/A00002L8 slots/1001/");
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_string_equal(rig_tag(rig, 1002), "A00001L8");
	assert_string_equal(rig_tag(rig, 1001), "A00002L8");
}

static void one_barcode_in_two_places_is_shown_twice(void **state)
{
	struct rig *rig = *state;

	rig_close(rig);
	rig_run(rig, "cp -r slots/1001/A00001L8 slots/1007/");
	rig_open(rig);
	assert_string_equal(rig_tag(rig, 1001), "A00001L8");
	assert_string_equal(rig_tag(rig, 1007), "A00001L8");
	rig_move(rig, 1001, 256);
	assert_int_equal(rsm_medium_changer_move(rig->changer, 1007, 256, &rig->err),
			 RSM_CHANGER_DESTINATION_FULL);
	rig_move(rig, 1007, 257);
}

static void an_operator_who_is_faster_than_the_robot_wins(void **state)
{
	struct rig *rig = *state;

	rig_run(rig, "mv slots/1001/A00001L8 shelf/");
	assert_int_equal(rsm_medium_changer_move(rig->changer, 1001, 256, &rig->err),
			 RSM_CHANGER_SOURCE_EMPTY);
	rig_run(rig, "mv shelf/A00001L8 slots/1008/");
	assert_int_equal(rsm_medium_changer_move(rig->changer, 1002, 1008, &rig->err),
			 RSM_CHANGER_DESTINATION_FULL);
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_string_equal(rig_tag(rig, 1008), "A00001L8");
}

static void names_that_are_no_barcode_have_no_tag(void **state)
{
	struct rig *rig = *state;

	rig_run(rig, "mkdir 'slots/1008/a name with spaces'");
	rig_run(rig, "mkdir slots/1007/"
		     "MUCH-TOO-LONG-FOR-A-BARCODE-OF-THIRTY-TWO-CHARACTERS");
	rig_close(rig);
	rig_open(rig);
	assert_string_equal(rig_tag(rig, 1008), "");
	assert_string_equal(rig_tag(rig, 1007), "");
	rig_move(rig, 1008, 1006);
	assert_true(rig_is_there(rig, "slots/1006/a name with spaces"));
}

static void removal_is_prevented_by_a_loaded_drive_that_says_so(void **state)
{
	struct rig *rig = *state;

	rig_load(rig, 1001);
	assert_done(rsm_tape_drive_prevent_removal(rig->drive, true, &rig->err), &rig->err);
	assert_true(rig_is_there(rig, "drives/256/BUSY"));
	assert_int_equal(rsm_medium_changer_move(rig->changer, 256, 1001, &rig->err), -EBUSY);
	assert_done(rsm_tape_drive_prevent_removal(rig->drive, false, &rig->err), &rig->err);
	assert_false(rig_is_there(rig, "drives/256/BUSY"));
	rig_move(rig, 256, 1001); /* the library unloads by itself */
	assert_int_equal(rsm_tape_drive_poll(rig->drive, &rig->err), RSM_TAPE_NO_MEDIUM);
}

static void a_stale_busy_is_removed_and_a_cartridge_left_in_a_drive_loads(void **state)
{
	struct rig *rig = *state;
	struct rsm_emulator_fault cut = { .opcode = 0, .times = 1, .key = 0x0F };

	rig_load(rig, 1001);
	assert_done(rsm_tape_drive_prevent_removal(rig->drive, true, &rig->err), &rig->err);
	assert_done(rsm_emulator_inject(rig->emulator, &cut, &rig->err), &rig->err);
	assert_int_equal(rsm_tape_drive_poll(rig->drive, &rig->err), -ENODEV);
	rig_close(rig);
	assert_true(rig_is_there(rig, "drives/256/BUSY"));
	rig_open(rig);
	assert_false(rig_is_there(rig, "drives/256/BUSY"));
	assert_string_equal(rig_tag(rig, 256), "A00001L8");
	assert_int_equal(rsm_tape_drive_poll(rig->drive, &rig->err), RSM_TAPE_NO_MEDIUM);
	assert_done(rsm_tape_drive_load(rig->drive, 1000, &rig->err), &rig->err);
	rig_unload(rig, 1001);
}

static void a_cartridge_pulled_out_by_hand_is_gone(void **state)
{
	struct rig *rig = *state;

	rig_load(rig, 1001);
	assert_done(rsm_tape_drive_write(rig->drive, "x", 1, &rig->err), &rig->err);
	rig_run(rig, "mv drives/256/A00001L8 shelf/");
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_int_equal(rsm_tape_drive_poll(rig->drive, &rig->err), RSM_TAPE_NO_MEDIUM);
	rig_run(rig, "mv shelf/A00001L8 slots/1001/");
	poll_is(rig, RSM_CHANGER_CHANGED);
	rig_load(rig, 1001);
}

static void after_a_power_cut_nothing_answers_and_nothing_changes(void **state)
{
	struct rig *rig = *state;
	struct rsm_emulator_fault cut = { .opcode = 0xA5, .skip = 1, .times = 1, .key = 0x0F };

	assert_done(rsm_emulator_inject(rig->emulator, &cut, &rig->err), &rig->err);
	rig_move(rig, 1001, 1008);
	assert_int_equal(rsm_medium_changer_move(rig->changer, 1008, 1001, &rig->err), -ENODEV);
	assert_int_equal(rsm_medium_changer_poll(rig->changer, &rig->err), -ENODEV);
	assert_int_equal(rsm_tape_drive_poll(rig->drive, &rig->err), -ENODEV);
	assert_non_null(strstr(rig->err.msg, "drive 256 does not answer"));
	rig_close(rig);
	rig_open(rig);
	assert_string_equal(rig_tag(rig, 1008), "A00001L8");
}

static void scripted_faults_strike_when_and_where_they_should(void **state)
{
	struct rig *rig = *state;
	struct rsm_library_shape shape = rsm_library_default_shape;
	struct rsm_emulator_fault drive_only = {
		.opcode = 0x00, .element = 256, .times = 2, .key = 4, .asc = 0x44
	};
	struct rsm_sense sense;

	rig_make(rig, &shape, "fail = move_medium 2 x2 04/15/01");
	rig_move(rig, 1001, 1020);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rsm_medium_changer_move(rig->changer, 1020, 1001, &rig->err),
				 -EIO);
		assert_int_equal(rig->err.asc, 0x15);
	}
	rig_move(rig, 1020, 1001);

	sense = rig_send(rig->raw_drive, "12 00 00 00 00 00", RSM_SCSI_NO_DATA, NULL, 0, NULL);
	sense = rig_send(rig->raw_drive, "00 00 00 00 00 00", RSM_SCSI_NO_DATA, NULL, 0, NULL);
	assert_done(rsm_emulator_inject(rig->emulator, &drive_only, &rig->err), &rig->err);
	poll_is(rig, 0);
	for (int i = 0; i < 2; i++) {
		sense = rig_send(rig->raw_drive, "00 00 00 00 00 00", RSM_SCSI_NO_DATA, NULL, 0,
				 NULL);
		rig_assert_sense(&sense, 4, 0x44, 0);
	}
	sense = rig_send(rig->raw_drive, "00 00 00 00 00 00", RSM_SCSI_NO_DATA, NULL, 0, NULL);
	rig_assert_sense(&sense, 2, 0x3A, 0);
}

static void unknown_commands_and_fields_are_refused(void **state)
{
	struct rig *rig = *state;
	struct rsm_scsi_transport *both[] = { rig->raw_changer, rig->raw_drive };
	uint8_t buffer[256];

	for (unsigned opcode = 0; opcode < 256; opcode++) {
		for (int fill = 0; fill < 2; fill++) {
			for (size_t i = 0; i < 2; i++) {
				char cdb[64];
				int at = snprintf(cdb, sizeof cdb, "%02x", opcode);

				while (at < 32)
					at += snprintf(cdb + at, sizeof cdb - (size_t)at,
						       fill ? "ff" : "00");
				(void)rig_send(both[i], cdb, RSM_SCSI_NO_DATA, NULL, 0, NULL);
				(void)rig_send(both[i], cdb, RSM_SCSI_FROM_DEVICE, buffer,
					       sizeof buffer, NULL);
				(void)rig_send(both[i], cdb, RSM_SCSI_TO_DEVICE, buffer,
					       sizeof buffer, NULL);
			}
		}
	}
	assert_true(rsm_emulator_command_count(rig->emulator) > 256 * 2 * 2 * 3);
	assert_string_equal(rig_tag(rig, 1001), "A00001L8");
}

static void real_timing_passes_on_the_clock(void **state)
{
	struct rig *rig = *state;
	struct rsm_library_shape shape = rsm_library_default_shape;
	int64_t before;

	rig_make(rig, &shape, "fail = any 1000 04/44/00");
	rig_run(rig, "sed -i 's/timing = none/timing = real/' library.conf");
	rig_close(rig);
	rig_open(rig);
	before = rig->clock.at_ns;
	rig_load(rig, 1001);
	assert_true(rig->clock.at_ns - before >= 20 * RSM_SECOND_NS);
	assert_true(rig->clock.at_ns - before <= 40 * RSM_SECOND_NS);
}

static void a_library_of_many_slots_is_looked_at_in_turn(void **state)
{
	struct rig *rig = *state;
	struct rsm_library_shape shape = {
		.media_type = "LTO-8", .drives = 1, .slots = 2100, .ports = 1, .cartridges = 3
	};
	int r = 0;

	rig_make(rig, &shape, "");
	poll_is(rig, 0);
	rig_run(rig, "mv slots/1001/A00001L8 slots/3000/");
	for (int i = 0; i < 40; i++) /* both ends of it, however late */
		r |= rsm_medium_changer_poll(rig->changer, &rig->err);
	assert_int_equal(r, RSM_CHANGER_CHANGED);
	assert_string_equal(rig_tag(rig, 1001), "");
	rig->clock.at_ns += 11 * RSM_SECOND_NS;
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_string_equal(rig_tag(rig, 3000), "A00001L8");
	rig_run(rig, "mv slots/3000/A00001L8 ports/10/"); /* ports are watched all the same */
	poll_is(rig, RSM_CHANGER_CHANGED);
	assert_string_equal(rig_tag(rig, 10), "A00001L8");
}

static void a_folder_that_cannot_be_written_is_one_clear_line(void **state)
{
	struct rig *rig = *state;
	pid_t child;
	int status;

	if (geteuid() != 0)
		skip();
	rig_close(rig);
	assert_int_equal(chmod(rig->folder, 0755), 0);
	child = fork();
	if (child == 0) {
		struct rsm_emulator *emulator;
		struct rsm_err err;

		if (setuid(65534) < 0)
			_exit(2);
		if (rsm_emulator_open(rig->folder, rsm_clock_real(), &emulator, &err) != -EACCES)
			_exit(3);
		_exit(strstr(err.msg, rig->folder) && !strchr(err.msg, '\n') ? 0 : 4);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	rig_open(rig);
}

static void *write_and_read(void *argument)
{
	struct rsm_tape_drive *drive = argument;
	struct rsm_err err;
	char data[100] = "data";
	size_t length;
	int r = 0;

	for (int i = 0; i < 300 && r == 0; i++)
		r = rsm_tape_drive_write(drive, data, sizeof data, &err);
	if (r == 0)
		r = rsm_tape_drive_locate(drive, 0, 0, &err);
	for (int i = 0; i < 300 && r == 0; i++)
		r = rsm_tape_drive_read(drive, data, sizeof data, &length, &err);
	if (r == 0)
		r = rsm_tape_drive_unload(drive, &err);
	return r ? drive : NULL;
}

static void drives_work_beside_each_other_and_the_robot(void **state)
{
	struct rig *rig = *state;
	struct rsm_scsi_transport *transport;
	struct rsm_tape_drive *second;
	pthread_t threads[2];
	void *failed[2];

	assert_done(rsm_emulator_drive(rig->emulator, 257, &transport, &rig->err), &rig->err);
	assert_done(rsm_tape_drive_new(transport, &second, &rig->err), &rig->err);
	rig_load(rig, 1001);
	rig_move(rig, 1002, 257);
	assert_done(rsm_tape_drive_load(second, 1000, &rig->err), &rig->err);
	assert_int_equal(pthread_create(&threads[0], NULL, write_and_read, rig->drive), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, write_and_read, second), 0);
	for (int i = 0; i < 20; i++) {
		rig_move(rig, 1003, 1008);
		assert_string_equal(rig_tag(rig, 256), "A00001L8");
		poll_is(rig, 0);
		rig_move(rig, 1008, 1003);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &failed[i]);
		assert_null(failed[i]);
	}
	rig_move(rig, 256, 1001);
	rig_move(rig, 257, 1002);
	rsm_tape_drive_free(second);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
static const struct CMUnitTest tests[] = {
	T(an_inventory_shows_what_the_folders_hold),
	T(element_status_counts_are_right_however_little_is_taken),
	T(a_move_is_a_rename),
	T(impossible_moves_change_nothing),
	T(a_cartridge_put_into_a_port_is_noticed_at_once),
	T(a_magazine_that_is_out_cannot_be_reached),
	T(nothing_moves_while_the_door_is_open),
	T(a_locked_door_does_not_open),
	T(an_inventory_is_never_older_than_the_folders),
	T(a_folder_that_grows_is_taken_when_it_is_still),
	T(a_growing_folder_keeps_the_robot_away),
	T(two_cartridges_in_one_slot_are_an_exception),
	T(one_barcode_in_two_places_is_shown_twice),
	T(an_operator_who_is_faster_than_the_robot_wins),
	T(names_that_are_no_barcode_have_no_tag),
	T(removal_is_prevented_by_a_loaded_drive_that_says_so),
	T(a_stale_busy_is_removed_and_a_cartridge_left_in_a_drive_loads),
	T(a_cartridge_pulled_out_by_hand_is_gone),
	T(after_a_power_cut_nothing_answers_and_nothing_changes),
	T(scripted_faults_strike_when_and_where_they_should),
	T(unknown_commands_and_fields_are_refused),
	T(real_timing_passes_on_the_clock),
	T(a_library_of_many_slots_is_looked_at_in_turn),
	T(drives_work_beside_each_other_and_the_robot),
	T(a_folder_that_cannot_be_written_is_one_clear_line),
};
RSM_TEST_MAIN(tests)
