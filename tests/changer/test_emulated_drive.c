/* What an emulated drive reads, writes and remembers. */
#include "tests/changer/emulated_drive_fixture.h"

static void a_loaded_cartridge_is_described(void **state)
{
	struct rig *rig = *state;
	struct rsm_tape_medium medium;
	uint64_t remaining, maximum;
	char barcode[33] = "";
	size_t length;

	assert_int_equal(rsm_tape_drive_load(rig->drive, 1000, &rig->err), -ENOMEDIUM);
	rig_load(rig, 1001);
	assert_done(rsm_tape_drive_poll(rig->drive, &rig->err), &rig->err);
	assert_done(rsm_tape_drive_medium(rig->drive, &medium, &rig->err), &rig->err);
	assert_int_equal(medium.density, 0x5E);
	assert_int_equal(medium.partitions, 1);
	assert_int_equal(medium.max_block_bytes, 8 << 20);
	assert_false(medium.write_protected || medium.worm);
	assert_done(rsm_medium_memory_read(rig->drive, 0, RSM_MAM_BARCODE, barcode, 32, &length,
					   &rig->err),
		    &rig->err);
	assert_string_equal(barcode, "A00001L8                        ");
	assert_done(rsm_medium_memory_capacity(rig->drive, 0, &remaining, &maximum, &rig->err),
		    &rig->err);
	assert_int_equal(maximum, 11444091ULL << 20);
	assert_int_equal(remaining >> 20, 11444090);
	assert_position(rig, 0, 0);
	rig_unload(rig, 1001);
	assert_int_equal(rsm_tape_drive_poll(rig->drive, &rig->err), RSM_TAPE_NO_MEDIUM);
}

static void the_free_label_is_read(void **state)
{
	struct rig *rig = *state;
	char label[81] = "";
	size_t length;

	rig_load(rig, 1002);
	assert_done(rsm_tape_drive_read(rig->drive, label, 80, &length, &rig->err), &rig->err);
	assert_int_equal(length, 80);
	assert_memory_equal(label, "VOL1A00002 ", 11);
	assert_memory_equal(label + 24, "RSMFS FREE   ", 13);
	assert_int_equal(label[79], '4');
	assert_read_outcome(rig, RSM_TAPE_FILEMARK);
	assert_read_outcome(rig, RSM_TAPE_END_OF_DATA);
}

static void what_is_written_comes_back_after_a_reload(void **state)
{
	struct rig *rig = *state;
	static uint8_t block[512 * 1024], got[512 * 1024];
	size_t length;
	uint64_t end;

	for (size_t i = 0; i < sizeof block; i++)
		block[i] = (uint8_t)(i * 31 >> 3);
	rig_load(rig, 1001);
	format(rig, 2);
	write_record(rig, "label");
	write_marks(rig, 1);
	locate(rig, 1, 0);
	for (int i = 0; i < 5; i++)
		assert_done(rsm_tape_drive_write(rig->drive, block, sizeof block - (size_t)i,
						 &rig->err),
			    &rig->err);
	write_marks(rig, 2);
	rig_unload(rig, 1003 + 5);
	assert_true(rig_is_there(rig, "slots/1008/A00001L8/partition1.tap"));

	rig_load(rig, 1008);
	assert_done(rsm_tape_drive_locate_end(rig->drive, 1, &end, &rig->err), &rig->err);
	assert_int_equal(end, 7);
	locate(rig, 1, 3);
	assert_done(rsm_tape_drive_read(rig->drive, got, sizeof got, &length, &rig->err),
		    &rig->err);
	assert_int_equal(length, sizeof block - 3);
	assert_memory_equal(got, block, length);
	assert_int_equal(rsm_tape_drive_read(rig->drive, got, 1000, &length, &rig->err), -ENOBUFS);
	assert_read_outcome(rig, RSM_TAPE_FILEMARK);
	assert_position(rig, 1, 6);
	locate(rig, 0, 0);
	assert_reads(rig, "label");
	assert_int_equal(rsm_tape_drive_locate(rig->drive, 0, 99, &rig->err), RSM_TAPE_END_OF_DATA);
	assert_position(rig, 0, 2);
	assert_true(rsm_tape_drive_locate(rig->drive, 2, 0, &rig->err) < 0);
}

static void spacing_over_filemarks_goes_both_ways(void **state)
{
	struct rig *rig = *state;
	int64_t moved;

	rig_load(rig, 1001);
	locate(rig, 0, 0);
	for (int i = 0; i < 3; i++) {
		write_record(rig, "a");
		write_record(rig, "b");
		write_marks(rig, 1);
	}
	assert_int_equal(rsm_tape_drive_space_filemarks(rig->drive, -2, &moved, &rig->err), 0);
	assert_position(rig, 0, 5);
	assert_read_outcome(rig, RSM_TAPE_FILEMARK);
	assert_int_equal(rsm_tape_drive_space_filemarks(rig->drive, -9, &moved, &rig->err),
			 RSM_TAPE_BEGINNING);
	assert_int_equal(moved, -2);
	assert_int_equal(rsm_tape_drive_space_filemarks(rig->drive, 5, &moved, &rig->err),
			 RSM_TAPE_END_OF_DATA);
	assert_int_equal(moved, 3);
	assert_position(rig, 0, 9);
}

static void a_format_makes_two_partitions_and_one_again(void **state)
{
	struct rig *rig = *state;
	struct rsm_tape_medium medium;
	uint64_t remaining, first, second, whole;

	rig_load(rig, 1001);
	assert_done(rsm_medium_memory_capacity(rig->drive, 0, &remaining, &whole, &rig->err),
		    &rig->err);
	write_record(rig, "x");
	format(rig, 2);
	assert_position(rig, 0, 0);
	assert_done(rsm_tape_drive_medium(rig->drive, &medium, &rig->err), &rig->err);
	assert_int_equal(medium.partitions, 2);
	assert_done(rsm_medium_memory_capacity(rig->drive, 0, &remaining, &first, &rig->err),
		    &rig->err);
	assert_int_equal(remaining, first);
	assert_done(rsm_medium_memory_capacity(rig->drive, 1, &remaining, &second, &rig->err),
		    &rig->err);
	assert_int_equal(first + second, whole);
	assert_in_range(first, whole / 41, whole / 40);
	assert_read_outcome(rig, RSM_TAPE_END_OF_DATA);
	rig_unload(rig, 1001);
	rig_load(rig, 1001);
	assert_done(rsm_tape_drive_medium(rig->drive, &medium, &rig->err), &rig->err);
	assert_int_equal(medium.partitions, 2);
	format(rig, 1);
	assert_done(rsm_medium_memory_capacity(rig->drive, 0, &remaining, &first, &rig->err),
		    &rig->err);
	assert_int_equal(first, whole);
	assert_false(rig_is_there(rig, "drives/256/A00001L8/partition1.tap"));
	assert_false(rig_is_there(rig, "drives/256/A00001L8/partition1.mam"));
}

static void attributes_persist_and_some_are_the_drives_own(void **state)
{
	static const uint8_t text[160] = "Backup/monday";
	struct rig *rig = *state;
	uint8_t value[200];
	size_t length;

	rig_load(rig, 1001);
	format(rig, 2);
	assert_done(rsm_medium_memory_write(rig->drive, 0, RSM_MAM_MEDIA_POOL, RSM_MAM_TEXT, text,
					    sizeof text, &rig->err),
		    &rig->err);
	assert_done(rsm_medium_memory_write(rig->drive, 1, RSM_MAM_VOLUME_COHERENCY, RSM_MAM_BINARY,
					    text, 70, &rig->err),
		    &rig->err);
	assert_true(rsm_medium_memory_write(rig->drive, 0, RSM_MAM_MAXIMUM_CAPACITY, RSM_MAM_BINARY,
					    text, 8, &rig->err) < 0);
	rig_unload(rig, 1001);
	rig_load(rig, 1001);
	assert_done(rsm_medium_memory_read(rig->drive, 0, RSM_MAM_MEDIA_POOL, value, sizeof value,
					   &length, &rig->err),
		    &rig->err);
	assert_int_equal(length, sizeof text);
	assert_memory_equal(value, text, length);
	assert_int_equal(rsm_medium_memory_read(rig->drive, 0, RSM_MAM_VOLUME_COHERENCY, value,
						sizeof value, &length, &rig->err),
			 RSM_MAM_ABSENT);
	assert_done(rsm_medium_memory_read(rig->drive, 1, RSM_MAM_VOLUME_COHERENCY, value,
					   sizeof value, &length, &rig->err),
		    &rig->err);
	assert_int_equal(length, 70);
	/* of the medium, by whichever partition it is asked */
	assert_done(rsm_medium_memory_read(rig->drive, 1, RSM_MAM_SERIAL_NUMBER, value,
					   sizeof value, &length, &rig->err),
		    &rig->err);
	assert_done(rsm_medium_memory_write(rig->drive, 0, RSM_MAM_MEDIA_POOL, RSM_MAM_TEXT, NULL,
					    0, &rig->err),
		    &rig->err);
	assert_int_equal(rsm_medium_memory_read(rig->drive, 0, RSM_MAM_MEDIA_POOL, value,
						sizeof value, &length, &rig->err),
			 RSM_MAM_ABSENT);
}

static void the_change_reference_moves_before_the_first_write_that_counts(void **state)
{
	static const char file[] = "drives/256/A00001L8/partition0.mam";
	struct rig *rig = *state;
	uint32_t first, second, third;

	rig_load(rig, 1001);
	format(rig, 2);
	first = reference(rig, 0);
	assert_int_equal(reference(rig, 1), first);
	assert_int_equal(reference(rig, 0), first);
	locate(rig, 1, 0);
	write_record(rig, "a");
	assert_int_equal(reference_on_disk(rig, file), first + 1);
	write_record(rig, "b");
	write_marks(rig, 1);
	assert_int_equal(reference_on_disk(rig, file), first + 1);
	second = reference(rig, 0);
	assert_int_equal(second, first + 1);
	assert_int_equal(reference_on_disk(rig, "drives/256/A00001L8/partition1.mam"), second);
	write_marks(rig, 0); /* is no change */
	assert_int_equal(reference(rig, 0), second);
	write_marks(rig, 1);
	third = reference(rig, 0);
	assert_int_equal(third, second + 1);
	rig_unload(rig, 1001);
	rig_load(rig, 1001);
	assert_int_equal(reference(rig, 0), third);
	assert_read_outcome(rig, RSM_TAPE_END_OF_DATA);
	rig_unload(rig, 1001);
	rig_load(rig, 1001);
	assert_int_equal(rsm_tape_drive_erase(rig->drive, false, &rig->err), 0);
	assert_int_equal(reference(rig, 0), third + 1);
}

static void a_cartridge_that_is_only_read_is_not_touched(void **state)
{
	struct rig *rig = *state;
	struct stat before, after;

	assert_int_equal(stat(rig_path(rig, "slots/1001/A00001L8/partition0.mam"), &before), 0);
	rig_load(rig, 1001);
	(void)reference(rig, 0);
	write_marks(rig, 0);
	rig_unload(rig, 1001);
	assert_int_equal(stat(rig_path(rig, "slots/1001/A00001L8/partition0.mam"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
}

static void garbage_memory_is_as_none_and_is_put_aside_by_a_write(void **state)
{
	struct rig *rig = *state;
	uint8_t value[8];
	size_t length;

	rig_run(rig, "head -c 300 /dev/zero | tr '\\0' 'z' > slots/1001/A00001L8/partition0.mam");
	rig_load(rig, 1001);
	assert_true(reference(rig, 0) > 1000000); /* none that this medium ever had */
	assert_int_equal(rsm_medium_memory_read(rig->drive, 0, RSM_MAM_MEDIA_POOL, value,
						sizeof value, &length, &rig->err),
			 RSM_MAM_ABSENT);
	rig_unload(rig, 1001);
	assert_false(rig_is_there(rig, "slots/1001/A00001L8/partition0.mam.damaged"));
	rig_load(rig, 1001);
	write_record(rig, "x");
	rig_unload(rig, 1001);
	assert_true(rig_is_there(rig, "slots/1001/A00001L8/partition0.mam.damaged"));
	assert_true(reference_on_disk(rig, "slots/1001/A00001L8/partition0.mam") > 1000000);
}

static void a_damaged_image_is_read_only_up_to_there(void **state)
{
	struct rig *rig = *state;
	struct rsm_tape_medium medium;
	char buf[64];
	size_t length;

	rig_load(rig, 1001);
	write_record(rig, "one");
	write_record(rig, "two");
	write_record(rig, "three");
	rig_unload(rig, 1001);
	rig_run(rig, "printf '\\011' | dd of=slots/1001/A00001L8/partition0.tap bs=1 seek=12 "
		     "conv=notrunc 2>/dev/null");
	rig_load(rig, 1001);
	assert_done(rsm_tape_drive_medium(rig->drive, &medium, &rig->err), &rig->err);
	assert_true(medium.write_protected);
	assert_reads(rig, "one");
	assert_int_equal(rsm_tape_drive_read(rig->drive, buf, sizeof buf, &length, &rig->err),
			 -EIO);
	assert_int_equal(rig->err.asc, 0x11);
	assert_int_equal(rsm_tape_drive_write(rig->drive, "x", 1, &rig->err), -EROFS);
	rig_unload(rig, 1001);
	rig_load(rig, 1002); /* and the others are as they were */
	assert_done(rsm_tape_drive_write(rig->drive, "x", 1, &rig->err), &rig->err);
}

static void a_blank_cartridge_gets_its_files_by_the_first_write(void **state)
{
	struct rig *rig = *state;

	rig_run(rig, "rm slots/1001/A00001L8/*");
	rig_load(rig, 1001);
	assert_read_outcome(rig, RSM_TAPE_END_OF_DATA);
	assert_int_equal(reference(rig, 0), 1);
	assert_false(rig_is_there(rig, "drives/256/A00001L8/partition0.tap"));
	write_record(rig, "x");
	assert_true(rig_is_there(rig, "drives/256/A00001L8/partition0.tap"));
	assert_int_equal(reference_on_disk(rig, "drives/256/A00001L8/partition0.mam"), 2);
}

static uint64_t alerts_of(struct rig *rig)
{
	uint64_t alerts;

	assert_done(rsm_tape_drive_alerts(rig->drive, &alerts, &rig->err), &rig->err);
	return alerts;
}

static void a_drive_asks_to_be_cleaned_and_a_cleaner_wears_out(void **state)
{
	const uint64_t clean_now = RSM_ALERT_BIT(RSM_ALERT_NUMBER_CLEAN_NOW);
	struct rig *rig = *state;

	rig_make(rig,
		 &(struct rsm_library_shape){ .media_type = "LTO-8",
					      .drives = 1,
					      .slots = 8,
					      .ports = 2,
					      .cartridges = 4,
					      .capacity_bytes = 1 << 30 },
		 "clean_after = 2\ncleanings = 1\n");
	rig_load(rig, 1001);
	assert_false(alerts_of(rig) & clean_now);
	assert_int_not_equal(rsm_tape_drive_clean(rig->drive, 1000, &rig->err), 0);
	rig_unload(rig, 1001);
	rig_load(rig, 1001);
	rig_unload(rig, 1001);
	assert_true(alerts_of(rig) & clean_now);
	rig_move(rig, 1005, 256);
	assert_int_equal(rsm_tape_drive_load(rig->drive, 1000, &rig->err), -EMEDIUMTYPE);
	rig_move(rig, 256, 1005);
	rig_load(rig, 1001);
	rig_unload(rig, 1001);
	assert_false(alerts_of(rig) & clean_now);
	rig_load(rig, 1001);
	rig_unload(rig, 1001);
	assert_true(alerts_of(rig) & clean_now);
	rig_move(rig, 1005, 256);
	assert_int_equal(rsm_tape_drive_clean(rig->drive, 1000, &rig->err), RSM_TAPE_CLEANER_SPENT);
	rig_move(rig, 256, 1005);
}

static void what_a_hand_took_out_is_absent_and_no_damage(void **state)
{
	struct rig *rig = *state;
	char barcode[33];
	size_t length;

	rig_move(rig, 1001, 256);
	rig_run(rig, "mv drives/256/A00001L8 .");
	assert_int_equal(rsm_medium_memory_read(rig->drive, 0, RSM_MAM_BARCODE, barcode, 32,
						&length, &rig->err),
			 -ENOMEDIUM);
	assert_int_equal(rsm_tape_drive_load(rig->drive, 1000, &rig->err), -ENOMEDIUM);
	rig_run(rig, "mv A00001L8 drives/256/");
	assert_done(rsm_tape_drive_load(rig->drive, 1000, &rig->err), &rig->err);
	rig_unload(rig, 1001);
}

static const struct CMUnitTest tests[] = {
	T(a_drive_asks_to_be_cleaned_and_a_cleaner_wears_out),
	T(a_loaded_cartridge_is_described),
	T(the_free_label_is_read),
	T(what_is_written_comes_back_after_a_reload),
	T(spacing_over_filemarks_goes_both_ways),
	T(a_format_makes_two_partitions_and_one_again),
	T(attributes_persist_and_some_are_the_drives_own),
	T(the_change_reference_moves_before_the_first_write_that_counts),
	T(a_cartridge_that_is_only_read_is_not_touched),
	T(garbage_memory_is_as_none_and_is_put_aside_by_a_write),
	T(a_damaged_image_is_read_only_up_to_there),
	T(a_blank_cartridge_gets_its_files_by_the_first_write),
	T(what_a_hand_took_out_is_absent_and_no_damage),
};
RSM_TEST_MAIN(tests)
