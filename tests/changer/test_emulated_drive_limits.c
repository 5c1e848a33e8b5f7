/* Ends, protection, odd records, losses: where an emulated drive says no. */
#include "changer/hardware.h"
#include "tests/changer/emulated_drive_fixture.h"

static void the_end_is_told_early_and_then_enforced(void **state)
{
	struct rig *rig = *state;
	struct rsm_library_shape shape = { .media_type = "LTO-8",
					   .drives = 1,
					   .slots = 2,
					   .cartridges = 1,
					   .capacity_bytes = 40 << 20,
					   .blank = true };
	static uint8_t block[512 * 1024];
	uint64_t remaining, maximum;
	struct rsm_tape_position position;
	int good = 0, warned = 0, r;

	rig_make(rig, &shape, "early_warning = 4 MiB");
	rig_load(rig, 1001);
	for (;;) {
		r = rsm_tape_drive_write(rig->drive, block, sizeof block, &rig->err);
		if (r < 0)
			break;
		assert_true(r == 0 ? warned == 0 : r == RSM_TAPE_EARLY_WARNING);
		*(r == 0 ? &good : &warned) += 1;
	}
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(good, 71);
	assert_int_equal(good + warned, 79); /* lengths take room too */
	assert_done(rsm_tape_drive_position(rig->drive, &position, &rig->err), &rig->err);
	assert_true(position.near_end);
	assert_int_equal(position.block, 79);
	assert_int_equal(rsm_tape_drive_write_filemarks(rig->drive, 1, false, &rig->err),
			 RSM_TAPE_EARLY_WARNING);
	assert_done(rsm_medium_memory_capacity(rig->drive, 0, &remaining, &maximum, &rig->err),
		    &rig->err);
	assert_int_equal(maximum, 40 << 20);
	assert_int_equal(remaining, 0);
	rig_unload(rig, 1001);
	rig_load(rig, 1001);
	locate(rig, 0, 1);
	assert_done(rsm_tape_drive_write(rig->drive, block, 10, &rig->err), &rig->err);
}

static void the_programmable_warning_comes_once(void **state)
{
	struct rig *rig = *state;
	struct rsm_library_shape shape = { .media_type = "LTO-8",
					   .drives = 1,
					   .slots = 2,
					   .cartridges = 1,
					   .capacity_bytes = 40 << 20,
					   .blank = true };
	/* header, page 10h subpage 01h, PEWS 10 MB */
	uint8_t list[8 + 32] = { 0, 0, 0, 0x10, 0, 0, 0, 0, 0x50, 0x01, 0, 28, 0, 0, 0, 10 };
	static uint8_t block[1 << 20];
	struct rsm_sense sense;
	int warnings = 0;

	rig_make(rig, &shape, "early_warning = 4 MiB");
	rig_load(rig, 1001);
	sense = rig_send(rig->raw_drive, "55 10 000000 0000 0028 00", RSM_SCSI_TO_DEVICE, list,
			 sizeof list, NULL);
	rig_assert_sense(&sense, 0, 0, 0);
	for (int i = 0; i < 34; i++) {
		sense = rig_send(rig->raw_drive, "0a 00 100000 00", RSM_SCSI_TO_DEVICE, block,
				 sizeof block, NULL);
		if (sense.cause == RSM_CAUSE_PROGRAMMABLE_EARLY_WARNING) {
			assert_int_equal(i, 26);
			warnings++;
		} else {
			rig_assert_sense(&sense, 0, 0, 0);
		}
	}
	assert_int_equal(warnings, 1);
}

static void protected_cartridges_take_no_changes(void **state)
{
	struct rig *rig = *state;
	struct rsm_tape_medium medium;

	rig_run(rig, "touch slots/1001/A00001L8/write-protect");
	rig_load(rig, 1001);
	assert_done(rsm_tape_drive_medium(rig->drive, &medium, &rig->err), &rig->err);
	assert_true(medium.write_protected);
	assert_int_equal(rsm_tape_drive_write(rig->drive, "x", 1, &rig->err), -EROFS);
	assert_int_equal(rsm_tape_drive_write_filemarks(rig->drive, 1, false, &rig->err), -EROFS);
	assert_done(rsm_tape_drive_write_filemarks(rig->drive, 0, false, &rig->err), &rig->err);
	assert_int_equal(rsm_tape_drive_erase(rig->drive, false, &rig->err), -EROFS);
	assert_int_equal(rsm_tape_drive_format(rig->drive, 2, &rig->err), -EROFS);
	assert_int_equal(rsm_medium_memory_write(rig->drive, 0, RSM_MAM_BARCODE, RSM_MAM_ASCII, "x",
						 1, &rig->err),
			 -EROFS);
}

/* Sets an attribute of one byte in a MAM file that is made of it alone. */
static void save_memory(struct rig *rig, const char *file, uint16_t id, uint8_t value)
{
	uint8_t list[6] = { (uint8_t)(id >> 8), (uint8_t)id, 0x80, 0, 1, value };

	assert_done(rsm_file_save(rig_path(rig, "%s", file), list, sizeof list, 0600, 0, &rig->err),
		    &rig->err);
}

static void a_drive_takes_the_generations_that_its_type_takes(void **state)
{
	static const struct {
		uint8_t density;
		int loads;
	} media[] = { { 0x60, 0 }, { 0x5E, 1 }, { 0x5C, 1 }, { 0x5A, 0 }, { 0x77, 0 } };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof media / sizeof *media; i++) {
		save_memory(rig, "slots/1001/A00001L8/partition0.mam", 0x0405, media[i].density);
		rig_move(rig, 1001, 256);
		assert_int_equal(rsm_tape_drive_load(rig->drive, 1000, &rig->err),
				 media[i].loads ? 0 : -EMEDIUMTYPE);
		rig_move(rig, 256, 1001);
	}
}

static void an_older_generation_is_read_only_in_an_lto_7_drive(void **state)
{
	struct rig *rig = *state;
	struct rsm_library_shape shape = rsm_library_default_shape;
	struct rsm_tape_medium medium;

	shape.media_type = "LTO-7";
	rig_make(rig, &shape, "");
	save_memory(rig, "slots/1001/A00001L7/partition0.mam", 0x0405, 0x58);
	rig_load(rig, 1001);
	assert_done(rsm_tape_drive_medium(rig->drive, &medium, &rig->err), &rig->err);
	assert_int_equal(medium.density, 0x58);
	assert_true(medium.write_protected);
}

static void a_cleaning_cartridge_is_no_medium(void **state)
{
	struct rig *rig = *state;

	rig_move(rig, 1005, 256);
	assert_int_equal(rsm_tape_drive_load(rig->drive, 1000, &rig->err), -EMEDIUMTYPE);
	assert_int_equal(rsm_tape_drive_poll(rig->drive, &rig->err), RSM_TAPE_NO_MEDIUM);
	rig_move(rig, 256, 1005);
}

static void a_worm_cartridge_can_only_grow(void **state)
{
	struct rig *rig = *state;
	struct rsm_tape_medium medium;
	uint64_t end;

	save_memory(rig, "slots/1001/A00001L8/partition0.mam", 0x0408, 0x80);
	rig_load(rig, 1001);
	assert_done(rsm_tape_drive_medium(rig->drive, &medium, &rig->err), &rig->err);
	assert_true(medium.worm);
	assert_int_equal(rsm_tape_drive_write(rig->drive, "x", 1, &rig->err), -EROFS);
	assert_int_equal(rsm_tape_drive_format(rig->drive, 2, &rig->err), -EROFS);
	assert_done(rsm_tape_drive_locate_end(rig->drive, 0, &end, &rig->err), &rig->err);
	write_record(rig, "x");
}

static void a_worm_cartridge_is_partitioned_once(void **state)
{
	struct rig *rig = *state;
	struct rsm_library_shape shape = rsm_library_default_shape;
	struct rsm_tape_medium medium;

	shape.media_type = "LTO-8-WORM";
	rig_make(rig, &shape, "");
	rig_run(rig, "test -d slots/1001/A00001LY -a ! -e slots/1001/A00001LY/partition0.tap");
	rig_load(rig, 1001);
	format(rig, 2);
	assert_done(rsm_tape_drive_medium(rig->drive, &medium, &rig->err), &rig->err);
	assert_true(medium.worm && medium.partitions == 2 && medium.medium_type == 0x8C);
	assert_int_equal(rsm_tape_drive_format(rig->drive, 2, &rig->err), -EROFS);
	locate(rig, 1, 0);
	write_record(rig, "x");
	write_record(rig, "y");
	locate(rig, 1, 1);
	assert_int_equal(rsm_tape_drive_write(rig->drive, "z", 1, &rig->err), -EROFS);
	assert_reads(rig, "y");
	write_record(rig, "z");
}

static void drives_of_one_library_may_be_of_several_types(void **state)
{
	struct rig *rig = *state;
	struct rsm_library_shape shape = rsm_library_default_shape;
	struct rsm_hardware *hardware;

	shape.drive_types = "LTO-9,LTO-8";
	shape.drives = 3;
	rig_make(rig, &shape, "drive_type@258 = LTO-7");
	rig_close(rig);
	assert_done(rsm_hardware_open(rig->folder, NULL, &hardware, &rig->err), &rig->err);
	assert_string_equal(hardware->drives[0].type, "LTO-9");
	assert_string_equal(hardware->drives[1].type, "LTO-8");
	assert_string_equal(hardware->drives[2].type, "LTO-7");
	assert_int_equal(rsm_media_reach_access(&hardware->drives[0].reach, "LTO-8"),
			 RSM_MEDIA_WRITES);
	assert_int_equal(rsm_media_reach_access(&hardware->drives[0].reach, "LTO-7-WORM"),
			 RSM_MEDIA_NONE);
	assert_int_equal(rsm_media_reach_access(&hardware->drives[2].reach, "LTO-5"),
			 RSM_MEDIA_READS);
	rsm_hardware_close(hardware);
}

static void fixed_blocks_and_odd_records_are_told_as_ssc_says(void **state)
{
	struct rig *rig = *state;
	uint8_t list[4 + 8] = { 0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, 4 };
	char buf[64];
	struct rsm_sense sense;
	size_t moved;

	rig_load(rig, 1001);
	sense = rig_send(rig->raw_drive, "08 01 000002 00", RSM_SCSI_FROM_DEVICE, buf, 8, NULL);
	rig_assert_sense(&sense, 5, 0x24, 0);
	write_record(rig, "abcd");
	write_record(rig, "efgh");
	write_record(rig, "long one");
	write_marks(rig, 1);
	locate(rig, 0, 0);
	/* variable: short and long, with and without SILI */
	sense = rig_send(rig->raw_drive, "08 00 00000a 00", RSM_SCSI_FROM_DEVICE, buf, 10, &moved);
	assert_true(sense.ili && sense.information == 6 && moved == 4);
	sense = rig_send(rig->raw_drive, "08 02 00000a 00", RSM_SCSI_FROM_DEVICE, buf, 10, &moved);
	assert_true(sense.cause == RSM_CAUSE_NONE && moved == 4);
	sense = rig_send(rig->raw_drive, "08 00 000003 00", RSM_SCSI_FROM_DEVICE, buf, 3, &moved);
	assert_true(sense.ili && sense.information == 3 - 8 && moved == 3);
	sense = rig_send(rig->raw_drive, "08 00 000003 00", RSM_SCSI_FROM_DEVICE, buf, 3, &moved);
	assert_true(sense.filemark && moved == 0);
	assert_int_equal(sense.information, 3);
	/* fixed, of four bytes */
	sense = rig_send(rig->raw_drive, "15 10 0000 0c 00", RSM_SCSI_TO_DEVICE, list, sizeof list,
			 NULL);
	rig_assert_sense(&sense, 0, 0, 0);
	locate(rig, 0, 0);
	sense = rig_send(rig->raw_drive, "08 01 000002 00", RSM_SCSI_FROM_DEVICE, buf, 8, &moved);
	assert_true(sense.cause == RSM_CAUSE_NONE && moved == 8);
	assert_memory_equal(buf, "abcdefgh", 8);
	sense = rig_send(rig->raw_drive, "08 01 000002 00", RSM_SCSI_FROM_DEVICE, buf, 8, &moved);
	assert_true(sense.ili && sense.information == 2);
	sense = rig_send(rig->raw_drive, "0a 01 000002 00", RSM_SCSI_TO_DEVICE, buf, 8, NULL);
	rig_assert_sense(&sense, 0, 0, 0);
	assert_position(rig, 0, 5);
}

static void a_memory_is_read_also_before_the_load(void **state)
{
	struct rig *rig = *state;
	uint8_t list[64];
	struct rsm_sense sense;

	rig_move(rig, 1001, 256);
	sense = rig_send(rig->raw_drive, "00 00 00 00 00 00", RSM_SCSI_NO_DATA, NULL, 0, NULL);
	rig_assert_sense(&sense, 2, 0x3A, 4);
	sense = rig_send(rig->raw_drive, "8c 00 0000000000 00 0806 00000040 0000",
			 RSM_SCSI_FROM_DEVICE, list, sizeof list, NULL);
	rig_assert_sense(&sense, 0, 0, 0);
	assert_memory_equal(list + 9, "A00001L8 ", 9);
	sense = rig_send(rig->raw_drive, "8c 01 0000000000 00 0000 00000040 0000",
			 RSM_SCSI_FROM_DEVICE, list, sizeof list, NULL);
	rig_assert_sense(&sense, 0, 0, 0);
	assert_int_equal(rsm_get_be16(list + 4), 0x0000);
	assert_int_equal(rsm_get_be32(list) % 2, 0);
}

static void alerts_tell_of_damage_once(void **state)
{
	struct rig *rig = *state;
	uint64_t flags;

	rig_run(rig, "touch slots/1001/A00001L8/write-protect");
	rig_load(rig, 1001);
	assert_done(rsm_tape_drive_alerts(rig->drive, &flags, &rig->err), &rig->err);
	assert_int_equal(flags, 0);
	assert_int_equal(rsm_tape_drive_write(rig->drive, "x", 1, &rig->err), -EROFS);
	assert_done(rsm_tape_drive_alerts(rig->drive, &flags, &rig->err), &rig->err);
	assert_int_equal(flags, 1 << (9 - 1));
	assert_done(rsm_tape_drive_alerts(rig->drive, &flags, &rig->err), &rig->err);
	assert_int_equal(flags, 0);
}

static void a_warning_by_script_tells_of_a_write_that_was_done(void **state)
{
	struct rig *rig = *state;
	struct rsm_emulator_fault warning = { .opcode = 0x0A, .times = 1, .ascq = 0x02 };
	struct rsm_emulator_fault error = { .opcode = 0x0A, .times = 1, .key = 3, .asc = 0x0C };

	rig_load(rig, 1001);
	assert_done(rsm_emulator_inject(rig->emulator, &warning, &rig->err), &rig->err);
	assert_int_equal(rsm_tape_drive_write(rig->drive, "x", 1, &rig->err),
			 RSM_TAPE_EARLY_WARNING);
	assert_position(rig, 0, 1);
	assert_done(rsm_emulator_inject(rig->emulator, &error, &rig->err), &rig->err);
	assert_int_equal(rsm_tape_drive_write(rig->drive, "y", 1, &rig->err), -EIO);
	assert_position(rig, 0, 1);
}

/* Whatever is sent, a loaded drive answers and stays a drive. */
static void no_command_upsets_a_loaded_drive(void **state)
{
	struct rig *rig = *state;
	static uint8_t data[4096];
	uint32_t seed = 4711;

	rig_load(rig, 1001);
	for (unsigned round = 0; round < 20000; round++) {
		struct rsm_scsi_command command = { .cdb_length = 16,
						    .direction = round % 3,
						    .data = data,
						    .data_length = seed % sizeof data };
		struct rsm_scsi_answer answer;

		for (size_t i = 0; i < sizeof command.cdb; i++) {
			seed = seed * 1664525 + 1013904223;
			command.cdb[i] = seed >> 30 ? 0 : (uint8_t)(seed >> 16);
		}
		command.cdb[0] = (uint8_t)(seed >> 9);
		/* not a million filemarks */
		if (command.cdb[0] == 0x10)
			command.cdb[2] = command.cdb[3] = 0;
		assert_done(rsm_scsi_execute(rig->raw_drive, &command, &answer, &rig->err),
			    &rig->err);
	}
	(void)rig_send(rig->raw_drive, "1e 00 00 00 00 00", RSM_SCSI_NO_DATA, NULL, 0, NULL);
	assert_done(rsm_tape_drive_unload(rig->drive, &rig->err), &rig->err);
	rig_move(rig, 256, 1001);
}

static void a_hundred_thousand_commands_a_second_are_served(void **state)
{
	struct rig *rig = *state;
	struct timespec start, end;
	char record[1024] = "";
	size_t length;

	rig_load(rig, 1001);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < 20000; i++)
		assert_done(rsm_tape_drive_write(rig->drive, record, sizeof record, &rig->err),
			    &rig->err);
	locate(rig, 0, 0);
	for (int i = 0; i < 20000; i++)
		assert_done(
			rsm_tape_drive_read(rig->drive, record, sizeof record, &length, &rig->err),
			&rig->err);
	clock_gettime(CLOCK_MONOTONIC, &end);
	print_message("# 40000 records in %.3f s\n",
		      (double)(end.tv_sec - start.tv_sec) +
			      (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	rig_unload(rig, 1001);
	assert_true(rig_is_there(rig, "slots/1001/A00001L8/partition0.idx"));
}

/* Kills the library at every command of a small session: what was synced before is there. */
static void a_power_cut_at_any_command_keeps_what_was_synced(void **state)
{
	static const uint8_t kept[] = { 0, 1, 128, 255 };
	struct rig *rig = *state;
	unsigned cuts = 0;

	for (unsigned skip = 0; skip < 40; skip++) {
		struct rsm_emulator_fault cut = {
			.opcode = 0xFFFF, .skip = skip, .times = 1, .key = 0x0F
		};
		unsigned synced = 0, written = 0, found = 0;
		bool alive = true;
		char buf[16];
		size_t length;

		if (skip % 5) { /* else what the drive had in its buffer is on the tape */
			cut.asc = 1;
			cut.ascq = kept[skip % 4];
		}
		rig_load(rig, 1001);
		locate(rig, 0, 0);
		assert_done(rsm_tape_drive_erase(rig->drive, false, &rig->err), &rig->err);
		assert_done(rsm_emulator_inject(rig->emulator, &cut, &rig->err), &rig->err);
		for (unsigned i = 0; i < 10 && alive; i++) {
			alive = rsm_tape_drive_write(rig->drive, "data", 4, &rig->err) == 0;
			written += alive;
			if (alive && i % 2) {
				alive = rsm_tape_drive_write_filemarks(rig->drive, 1, false,
								       &rig->err) == 0;
				if (alive)
					synced = written;
			}
		}
		if (alive)
			alive = rsm_tape_drive_unload(rig->drive, &rig->err) == 0;
		if (alive)
			alive = rsm_medium_changer_move(rig->changer, 256, 1001, &rig->err) == 0;
		cuts += !alive;
		rig_close(rig);
		rig_open(rig);
		if (!alive)
			rig_move(rig, *rig_tag(rig, 256) ? 256 : 1001, 1001);
		rig_load(rig, 1001);
		for (;;) {
			int r = rsm_tape_drive_read(rig->drive, buf, sizeof buf, &length,
						    &rig->err);

			if (r == RSM_TAPE_END_OF_DATA)
				break;
			found += r == 0;
		}
		assert_in_range(found, synced, written);
		if (!cut.asc)
			assert_int_equal(found, written);
		else if (!cut.ascq && !alive)
			assert_int_equal(found, synced);
		rig_unload(rig, 1001);
	}
	assert_true(cuts > 15 && cuts < 40);
}

static void a_lost_write_is_told_by_what_comes_after_it(void **state)
{
	struct rsm_emulator_fault fault = {
		.opcode = 0x0A, .skip = 1, .times = 2, .key = 3, .asc = 0x0C, .deferred = true
	};
	struct rig *rig = *state;
	struct rsm_sense sense;
	char inquiry[36];

	rig_load(rig, 1001);
	assert_done(rsm_emulator_inject(rig->emulator, &fault, &rig->err), &rig->err);
	write_record(rig, "one");
	write_record(rig, "two, lost");
	write_record(rig, "three, lost");
	sense = rig_send(rig->raw_drive, "12 00 00 00 24 00", RSM_SCSI_FROM_DEVICE, inquiry,
			 sizeof inquiry, NULL);
	rig_assert_sense(&sense, 0, 0, 0); /* is no place for it */
	sense = rig_send(rig->raw_drive, "10 00 00 00 01 00", RSM_SCSI_NO_DATA, NULL, 0, NULL);
	rig_assert_sense(&sense, 3, 0x0C, 0);
	assert_true(sense.deferred && sense.information_valid);
	assert_int_equal(sense.information, 2);

	assert_position(rig, 0, 1);
	write_record(rig, "two again");
	assert_int_equal(rsm_tape_drive_write_filemarks(rig->drive, 1, false, &rig->err), 0);
	locate(rig, 0, 0);
	assert_reads(rig, "one");
	assert_reads(rig, "two again");
	assert_read_outcome(rig, RSM_TAPE_FILEMARK);
	assert_read_outcome(rig, RSM_TAPE_END_OF_DATA);
}

static void a_lost_write_is_an_error_of_whoever_flushes(void **state)
{
	struct rsm_emulator_fault fault = {
		.opcode = 0x0A, .times = 1, .key = 3, .asc = 0x0C, .deferred = true
	};
	struct rig *rig = *state;

	rig_load(rig, 1001);
	assert_done(rsm_emulator_inject(rig->emulator, &fault, &rig->err), &rig->err);
	write_record(rig, "lost");
	assert_int_equal(rsm_tape_drive_write_filemarks(rig->drive, 0, false, &rig->err), -EIO);
	assert_non_null(strstr(rig->err.msg, "an earlier write was lost"));
	assert_int_equal(rsm_tape_drive_write_filemarks(rig->drive, 0, false, &rig->err), 0);
	assert_position(rig, 0, 0);
}

static const struct CMUnitTest tests[] = {
	T(the_end_is_told_early_and_then_enforced),
	T(the_programmable_warning_comes_once),
	T(protected_cartridges_take_no_changes),
	T(a_drive_takes_the_generations_that_its_type_takes),
	T(an_older_generation_is_read_only_in_an_lto_7_drive),
	T(a_cleaning_cartridge_is_no_medium),
	T(a_worm_cartridge_can_only_grow),
	T(a_worm_cartridge_is_partitioned_once),
	T(drives_of_one_library_may_be_of_several_types),
	T(fixed_blocks_and_odd_records_are_told_as_ssc_says),
	T(a_memory_is_read_also_before_the_load),
	T(alerts_tell_of_damage_once),
	T(a_warning_by_script_tells_of_a_write_that_was_done),
	T(no_command_upsets_a_loaded_drive),
	T(a_hundred_thousand_commands_a_second_are_served),
	T(a_power_cut_at_any_command_keeps_what_was_synced),
	T(a_lost_write_is_told_by_what_comes_after_it),
	T(a_lost_write_is_an_error_of_whoever_flushes),
};
RSM_TEST_MAIN(tests)
