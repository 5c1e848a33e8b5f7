#include "base/bytes.h"
#include "changer/tape_drive.h"
#include "tests/base/test.h"
#include "tests/changer/fake_transport.h"

#define COMPRESSION_LIST                                                                           \
	"00 1e 88 10 00 00 00 08 5e 00 00 00 00 00 02 00 "                                         \
	"0f 0e 40 80 00 00 00 01 00 00 00 01 00 00 00 00"
#define SENSE_COMPRESSION "5a 00 0f 00 00 00 00 00 ff"
/* the density as it came, block length 0, buffered mode 1 */
#define SELECT_VARIABLE "55 10 00 00 00 00 00 00 10"
#define VARIABLE_LIST	"00 00 00 10 00 00 00 08 5e 00 00 00 00 00 00 00"

static struct fake_script script;
static struct rsm_tape_drive *drive;

static int setup(void **state)
{
	struct rsm_err err;

	(void)state;
	memset(&script, 0, sizeof script);
	fake_expect_identity(&script, 0x01);
	if (rsm_tape_drive_new(fake_transport_new(&script), &drive, &err) < 0)
		return -1;
	fake_check(&script);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rsm_tape_drive_free(drive);
	drive = NULL;
	return script.freed == 1 ? 0 : -1;
}

static void expect_variable_mode(void)
{
	fake_expect(&script, SENSE_COMPRESSION);
	fake_data_hex(&script, COMPRESSION_LIST);
	fake_expect(&script, SELECT_VARIABLE);
	fake_takes(&script, VARIABLE_LIST);
}

static void given_a_loaded_tape(void)
{
	struct rsm_err err;

	fake_expect(&script, "1b 00 00 00 01");
	fake_expect(&script, "00");
	expect_variable_mode();
	assert_done(rsm_tape_drive_load(drive, 1000, &err), &err);
	fake_check(&script);
}

/* ---- loading ---- */

static void a_load_consumes_attentions_waits_and_sets_variable_blocks(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "1b 00 00 00 01 00");
	fake_sense(&script, 0x6, 0x29, 0x00);
	fake_expect(&script, "1b 00 00 00 01 00");
	fake_sense(&script, 0x6, 0x28, 0x00);
	fake_expect(&script, "1b 00 00 00 01 00");
	fake_expect(&script, "00");
	fake_sense(&script, 0x2, 0x04, 0x01);
	fake_expect(&script, "00");
	expect_variable_mode();
	fake_expect(&script, "00");
	assert_done(rsm_tape_drive_load(drive, 5000, &err), &err);
	assert_done(rsm_tape_drive_poll(drive, &err), &err); /* the change was the load's own */
	fake_check(&script);
}

static void a_load_says_what_is_wrong_with_the_cartridge(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "1b");
	fake_sense(&script, 0x2, 0x3A, 0x00);
	assert_int_equal(rsm_tape_drive_load(drive, 0, &err), -ENOMEDIUM);
	assert_string_equal(err.msg, "fake: no medium");
	fake_expect(&script, "1b");
	fake_sense(&script, 0x3, 0x30, 0x02);
	assert_int_equal(rsm_tape_drive_load(drive, 0, &err), -EMEDIUMTYPE);
	fake_expect(&script, "1b");
	fake_expect(&script, "00");
	fake_sense(&script, 0x2, 0x04, 0x01);
	assert_int_equal(rsm_tape_drive_load(drive, 0, &err), -ETIMEDOUT);
	fake_expect(&script, "1b");
	fake_sense(&script, 0x4, 0x53, 0x00);
	assert_int_equal(rsm_tape_drive_load(drive, 0, &err), -EIO);
	fake_check(&script);
}

static void a_drive_with_short_mode_commands_only_loads_too(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "1b");
	fake_expect(&script, "00");
	fake_expect(&script, "5a");
	fake_sense(&script, 0x5, 0x20, 0x00);
	fake_expect(&script, "1a 00 0f 00 ff");
	fake_data_hex(&script, "0b 00 10 08 46 00 00 00 00 00 02 00");
	fake_expect(&script, "15 10 00 00 0c");
	fake_takes(&script, "00 00 10 08 46 00 00 00 00 00 00 00");
	assert_done(rsm_tape_drive_load(drive, 0, &err), &err);
	fake_check(&script);
}

static void an_unload_rewinds_unlocks_and_gives_the_cartridge_out(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "01");
	fake_expect(&script, "1e 00 00 00 00");
	fake_expect(&script, "1b 00 00 00 00");
	assert_done(rsm_tape_drive_unload(drive, &err), &err);
	/* empty: everything is refused, and nothing is wrong */
	for (int i = 0; i < 3; i++) {
		fake_expect(&script, i == 0 ? "01" : i == 1 ? "1e" : "1b");
		fake_sense(&script, 0x2, 0x3A, 0x00);
	}
	assert_done(rsm_tape_drive_unload(drive, &err), &err);
	fake_check(&script);
}

static void an_unload_does_not_hide_a_lost_write(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "01");
	fake_sense(&script, 0x3, 0x0C, 0x00);
	fake_deferred(&script);
	fake_expect(&script, "1e");
	fake_expect(&script, "1b");
	assert_int_equal(rsm_tape_drive_unload(drive, &err), -EIO);
	assert_string_equal(err.msg, "fake: an earlier write was lost: medium error (03/0C/00)");
	fake_check(&script);
}

static void a_poll_tells_what_the_drive_holds(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "00");
	fake_sense(&script, 0x6, 0x29, 0x00);
	fake_expect(&script, "00");
	fake_sense(&script, 0x2, 0x3A, 0x00);
	assert_int_equal(rsm_tape_drive_poll(drive, &err), RSM_TAPE_NO_MEDIUM);
	fake_expect(&script, "00");
	fake_sense(&script, 0x2, 0x04, 0x02); /* there, but not threaded */
	assert_int_equal(rsm_tape_drive_poll(drive, &err), RSM_TAPE_NO_MEDIUM);
	fake_expect(&script, "00");
	fake_sense(&script, 0x6, 0x28, 0x00);
	fake_expect(&script, "00");
	fake_sense(&script, 0x2, 0x04, 0x01);
	assert_int_equal(rsm_tape_drive_poll(drive, &err), RSM_TAPE_BECOMING_READY);
	fake_expect(&script, "00");
	assert_int_equal(rsm_tape_drive_poll(drive, &err), RSM_TAPE_MEDIUM_CHANGED);
	fake_expect(&script, "00");
	assert_done(rsm_tape_drive_poll(drive, &err), &err);
	fake_check(&script);
}

/* ---- surprises ---- */

static void a_changed_medium_in_the_middle_of_use_stops_the_write(void **state)
{
	struct rsm_err err;

	(void)state;
	given_a_loaded_tape();
	fake_expect(&script, "0a");
	fake_sense(&script, 0x6, 0x28, 0x00);
	assert_int_equal(rsm_tape_drive_write(drive, "x", 1, &err), -EIO);
	assert_string_equal(err.msg, "fake: WRITE: the medium may have been changed (06/28/00)");
	fake_expect(&script, "00");
	assert_int_equal(rsm_tape_drive_poll(drive, &err), RSM_TAPE_MEDIUM_CHANGED);
	fake_check(&script);
}

static void a_reset_in_the_middle_of_use_is_never_consumed_in_silence(void **state)
{
	struct rsm_err err;

	(void)state;
	given_a_loaded_tape();
	fake_expect(&script, "00");
	fake_sense(&script, 0x6, 0x29, 0x00);
	fake_expect(&script, "00");
	assert_int_equal(rsm_tape_drive_poll(drive, &err), RSM_TAPE_MEDIUM_CHANGED);
	given_a_loaded_tape();
	fake_expect(&script, "0a");
	fake_sense(&script, 0x6, 0x29, 0x00);
	assert_int_equal(rsm_tape_drive_write(drive, "x", 1, &err), -EIO);
	assert_string_equal(
		err.msg,
		"fake: WRITE: the drive was reset, the medium may have been changed (06/29/00)");
	fake_check(&script);
}

/* A failed look into the cartridge's memory or log is nothing to its caller; what he writes next
 * would go to wherever the drive stands now, the beginning of the tape as a rule.
 */
static void nothing_is_written_after_a_surprise_that_somebody_overheard(void **state)
{
	struct rsm_tape_position position;
	struct rsm_err err;
	char data[8];
	size_t length;

	(void)state;
	given_a_loaded_tape();
	fake_expect(&script, "34");
	fake_sense(&script, 0x6, 0x29, 0x00);
	assert_int_equal(rsm_tape_drive_position(drive, &position, &err), -EIO);
	assert_int_equal(rsm_tape_drive_write(drive, "x", 1, &err), -EIO);
	assert_int_equal(rsm_tape_drive_write_filemarks(drive, 1, false, &err), -EIO);
	assert_int_equal(rsm_tape_drive_erase(drive, false, &err), -EIO);
	assert_int_equal(rsm_tape_drive_read(drive, data, sizeof data, &length, &err), -EIO);
	fake_check(&script); /* nothing was sent */

	fake_expect(&script, "92");
	assert_done(rsm_tape_drive_locate(drive, 1, 7, &err), &err);
	fake_expect(&script, "08");
	fake_data_hex(&script, "31 32 33 34 35 36 37 38");
	assert_done(rsm_tape_drive_read(drive, data, sizeof data, &length, &err), &err);
	assert_int_equal(rsm_tape_drive_write(drive, "x", 1, &err), -EIO);
	fake_check(&script);

	given_a_loaded_tape();
	fake_expect(&script, "0a");
	assert_done(rsm_tape_drive_write(drive, "x", 1, &err), &err);
	fake_check(&script);
}

static void other_attentions_are_noise(void **state)
{
	struct rsm_err err;

	(void)state;
	given_a_loaded_tape();
	fake_expect(&script, "0a");
	fake_sense(&script, 0x6, 0x2A, 0x01);
	fake_expect(&script, "0a");
	assert_done(rsm_tape_drive_write(drive, "x", 1, &err), &err);
	fake_check(&script);
}

static void a_deferred_error_is_a_lost_write(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "0a");
	fake_sense(&script, 0x3, 0x0C, 0x00);
	fake_deferred(&script);
	assert_int_equal(rsm_tape_drive_write(drive, "x", 1, &err), -EIO);
	assert_string_equal(err.msg, "fake: an earlier write was lost: medium error (03/0C/00)");
	assert_int_equal(err.key, 0x03);
	fake_check(&script);
}

/* ---- blocks ---- */

static void a_read_gives_the_record_and_its_length(void **state)
{
	char buf[16] = "................";
	struct rsm_err err;
	size_t length = 99;

	(void)state;
	fake_expect(&script, "08 00 00 00 10 00");
	fake_data(&script, "0123456789abcdef", 16);
	assert_done(rsm_tape_drive_read(drive, buf, sizeof buf, &length, &err), &err);
	assert_int_equal(length, 16);
	assert_memory_equal(buf, "0123456789abcdef", 16);
	fake_expect(&script, "08");
	fake_data(&script, "abc", 3);
	fake_sense(&script, 0x0, 0x00, 0x00);
	fake_stream(&script, 0x20, 13);
	assert_done(rsm_tape_drive_read(drive, buf, sizeof buf, &length, &err), &err);
	assert_int_equal(length, 3);
	fake_check(&script);
}

static void a_wrong_residual_is_not_believed(void **state)
{
	struct rsm_err err;
	char buf[16];
	size_t length;

	(void)state;
	fake_expect(&script, "08");
	fake_data(&script, "abcdefghij", 10);
	fake_sense(&script, 0x0, 0x00, 0x00);
	fake_stream(&script, 0x20, 6);
	script.steps[0].residual_lie = 4;
	assert_done(rsm_tape_drive_read(drive, buf, sizeof buf, &length, &err), &err);
	assert_int_equal(length, 10);
	fake_check(&script);
}

static void a_record_that_is_too_long_is_told_with_its_length(void **state)
{
	struct rsm_err err;
	char buf[16];
	size_t length;

	(void)state;
	fake_expect(&script, "08");
	fake_data(&script, "0123456789abcdef", 16);
	fake_sense(&script, 0x0, 0x00, 0x00);
	fake_stream(&script, 0x20, -84);
	assert_int_equal(rsm_tape_drive_read(drive, buf, sizeof buf, &length, &err), -ENOBUFS);
	assert_string_equal(err.msg, "fake: a record of 100 bytes, where at most 16 fit");
	fake_check(&script);
}

static void marks_and_ends_are_outcomes_of_a_read(void **state)
{
	struct rsm_err err;
	size_t length = 77;
	char buf[16];

	(void)state;
	fake_expect(&script, "08");
	fake_sense(&script, 0x0, 0x00, 0x01);
	fake_stream(&script, 0x80, 16);
	assert_int_equal(rsm_tape_drive_read(drive, buf, sizeof buf, &length, &err),
			 RSM_TAPE_FILEMARK);
	fake_expect(&script, "08");
	fake_sense(&script, 0x8, 0x00, 0x05);
	assert_int_equal(rsm_tape_drive_read(drive, buf, sizeof buf, &length, &err),
			 RSM_TAPE_END_OF_DATA);
	fake_expect(&script, "08");
	fake_sense(&script, 0x8, 0x00, 0x00);
	assert_int_equal(rsm_tape_drive_read(drive, buf, sizeof buf, &length, &err),
			 RSM_TAPE_END_OF_DATA);
	assert_int_equal(length, 77);
	fake_expect(&script, "08");
	fake_sense(&script, 0x3, 0x11, 0x00);
	assert_int_equal(rsm_tape_drive_read(drive, buf, sizeof buf, &length, &err), -EIO);
	assert_string_equal(err.msg, "fake: READ: medium error (03/11/00)");
	fake_check(&script);
}

static void a_recovered_error_is_a_success(void **state)
{
	struct rsm_err err;
	char buf[4];
	size_t length;

	(void)state;
	fake_expect(&script, "08");
	fake_data(&script, "data", 4);
	fake_sense(&script, 0x1, 0x17, 0x00);
	assert_done(rsm_tape_drive_read(drive, buf, 4, &length, &err), &err);
	assert_int_equal(length, 4);
	fake_expect(&script, "0a 00 00 00 04");
	fake_takes(&script, "64 61 74 61");
	fake_sense(&script, 0x1, 0x00, 0x17);
	assert_done(rsm_tape_drive_write(drive, buf, 4, &err), &err);
	fake_check(&script);
}

static void the_end_of_the_medium_comes_in_two_steps(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "0a");
	fake_sense(&script, 0x0, 0x00, 0x02);
	fake_stream(&script, 0x40, 0);
	assert_int_equal(rsm_tape_drive_write(drive, "x", 1, &err), RSM_TAPE_EARLY_WARNING);
	fake_expect(&script, "10 00 00 00 01");
	fake_sense(&script, 0x0, 0x00, 0x02);
	fake_stream(&script, 0x40, 0);
	assert_int_equal(rsm_tape_drive_write_filemarks(drive, 1, false, &err),
			 RSM_TAPE_EARLY_WARNING);
	fake_expect(&script, "0a");
	fake_sense(&script, 0xD, 0x00, 0x02);
	fake_stream(&script, 0x40, 1);
	assert_int_equal(rsm_tape_drive_write(drive, "x", 1, &err), -ENOSPC);
	fake_expect(&script, "0a");
	fake_sense(&script, 0x7, 0x27, 0x00);
	assert_int_equal(rsm_tape_drive_write(drive, "x", 1, &err), -EROFS);
	assert_int_equal(rsm_tape_drive_write(drive, "x", 0, &err), -EINVAL);
	fake_expect(&script, "10 01 00 00 02");
	assert_done(rsm_tape_drive_write_filemarks(drive, 2, true, &err), &err);
	fake_check(&script);
}

/* ---- position ---- */

static void a_position_is_the_long_form(void **state)
{
	struct rsm_tape_position position;
	uint8_t data[32] = { 0x40 };
	struct rsm_err err;

	(void)state;
	data[7] = 1;
	rsm_put_be64(data + 8, 0x123456789A);
	fake_expect(&script, "34 06 00 00 00 00 00 00 00 00");
	fake_data(&script, data, sizeof data);
	assert_done(rsm_tape_drive_position(drive, &position, &err), &err);
	assert_int_equal(position.partition, 1);
	assert_int_equal(position.block, 0x123456789A);
	assert_true(position.near_end && !position.beginning);
	data[0] = 0x04;
	fake_expect(&script, "34");
	fake_data(&script, data, sizeof data);
	assert_int_equal(rsm_tape_drive_position(drive, &position, &err), -EIO);
	assert_string_equal(err.msg, "fake: the drive does not know its position");
	fake_expect(&script, "34");
	fake_data(&script, (const uint8_t[32]){ 0x20 }, 32); /* at block 0 BOP would be set */
	assert_int_equal(rsm_tape_drive_position(drive, &position, &err), -EIO);
	fake_check(&script);
}

static void a_locate_changes_the_partition_and_tells_the_end(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "92 02 00 01 00 00 00 12 34 56 78 9a");
	assert_done(rsm_tape_drive_locate(drive, 1, 0x123456789A, &err), &err);
	fake_expect(&script, "92");
	fake_sense(&script, 0x8, 0x00, 0x05);
	assert_int_equal(rsm_tape_drive_locate(drive, 1, 7, &err), RSM_TAPE_END_OF_DATA);
	fake_expect(&script, "92 02");
	fake_sense(&script, 0x5, 0x24, 0x00);
	fake_expect(&script, "92 00");
	assert_done(rsm_tape_drive_locate(drive, 0, 7, &err), &err);
	fake_expect(&script, "92");
	fake_sense(&script, 0x5, 0x20, 0x00);
	assert_int_equal(rsm_tape_drive_locate(drive, 0, 7, &err), -EOPNOTSUPP);
	assert_string_equal(err.msg, "fake: the drive does not know LOCATE(16)");
	fake_expect(&script, "92");
	fake_sense(&script, 0x5, 0x20, 0x00);
	fake_expect(&script, "01"); /* but it can rewind */
	assert_done(rsm_tape_drive_locate(drive, 0, 0, &err), &err);
	fake_check(&script);
}

static void expect_position(uint8_t partition, uint8_t block)
{
	uint8_t data[32] = { [7] = partition, [15] = block };

	fake_expect(&script, "34 06");
	fake_data(&script, data, sizeof data);
}

static void the_end_of_a_partition_is_found_without_needless_motion(void **state)
{
	struct rsm_err err;
	uint64_t block;

	(void)state;
	expect_position(1, 3);
	fake_expect(&script, "91 03 00 00 00 00 00 00 00 00 00 00");
	expect_position(1, 42);
	assert_done(rsm_tape_drive_locate_end(drive, 1, &block, &err), &err);
	assert_int_equal(block, 42);
	expect_position(1, 42);
	fake_expect(&script, "92 02 00 00 00 00 00 00 00 00 00 00");
	fake_expect(&script, "91 03");
	expect_position(0, 7);
	assert_done(rsm_tape_drive_locate_end(drive, 0, &block, &err), &err);
	assert_int_equal(block, 7);
	fake_check(&script);
}

static void spacing_over_filemarks_counts_what_it_passed(void **state)
{
	struct rsm_err err;
	int64_t moved;

	(void)state;
	fake_expect(&script, "91 01 00 00 00 00 00 00 00 00 00 03");
	assert_done(rsm_tape_drive_space_filemarks(drive, 3, &moved, &err), &err);
	assert_int_equal(moved, 3);
	fake_expect(&script, "91 01");
	fake_sense(&script, 0x8, 0x00, 0x05);
	fake_stream(&script, 0x00, 2);
	assert_int_equal(rsm_tape_drive_space_filemarks(drive, 3, &moved, &err),
			 RSM_TAPE_END_OF_DATA);
	assert_int_equal(moved, 1);
	fake_expect(&script, "91 01 00 00 ff ff ff ff ff ff ff fb");
	fake_sense(&script, 0x0, 0x00, 0x04);
	fake_stream(&script, 0x40, -3);
	assert_int_equal(rsm_tape_drive_space_filemarks(drive, -5, &moved, &err),
			 RSM_TAPE_BEGINNING);
	assert_int_equal(moved, -2);
	fake_expect(&script, "91");
	fake_sense(&script, 0x5, 0x20, 0x00);
	fake_expect(&script, "11 01 ff ff ff");
	assert_done(rsm_tape_drive_space_filemarks(drive, -1, NULL, &err), &err);
	fake_check(&script);
}

/* ---- medium ---- */

#define PARTITIONS_LIST                                                                            \
	"00 1e 88 90 00 00 00 08 5e 00 00 00 00 00 00 00 91 0e 03 01 1c 03 09 00 00 26 ff ff "     \
	"00 00 00 00"

static void a_medium_is_described_by_mode_pages_and_block_limits(void **state)
{
	struct rsm_tape_medium medium;
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "5a 00 11");
	fake_data_hex(&script, PARTITIONS_LIST);
	fake_expect(&script, "5a 00 1d");
	fake_data_hex(&script, "00 0a 88 10 00 00 00 00 1d 02 01 00");
	fake_expect(&script, "05");
	fake_data_hex(&script, "00 80 00 00 00 01");
	assert_done(rsm_tape_drive_medium(drive, &medium, &err), &err);
	assert_int_equal(medium.density, 0x5E);
	assert_int_equal(medium.medium_type, 0x88);
	assert_int_equal(medium.partitions, 2);
	assert_true(medium.write_protected);
	assert_true(medium.worm);
	assert_int_equal(medium.max_block_bytes, 0x800000);
	assert_int_equal(medium.min_block_bytes, 1);
	fake_check(&script);
}

static void a_drive_without_the_pages_has_one_partition(void **state)
{
	struct rsm_tape_medium medium;
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "5a 00 11");
	fake_sense(&script, 0x5, 0x24, 0x00);
	fake_expect(&script, "5a 00 0f");
	fake_data_hex(&script, "00 0e 4c 10 00 00 00 08 46 00 00 00 00 00 00 00");
	fake_expect(&script, "5a 00 1d");
	fake_sense(&script, 0x5, 0x24, 0x00);
	fake_expect(&script, "05");
	fake_data_hex(&script, "00 00 00 00 00 00");
	assert_done(rsm_tape_drive_medium(drive, &medium, &err), &err);
	assert_int_equal(medium.partitions, 1);
	assert_true(medium.worm); /* medium type 4Ch */
	assert_false(medium.write_protected);
	assert_int_equal(medium.max_block_bytes, 0xFFFFFF);
	fake_check(&script);
}

static void a_format_makes_two_partitions_by_the_book(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "92 02 00 00 00 00 00 00 00 00 00 00");
	fake_expect(&script, "5a 00 11");
	fake_data_hex(&script, PARTITIONS_LIST);
	fake_expect(&script, "55 10 00 00 00 00 00 00 20");
	fake_takes(&script,
		   "00 00 00 10 00 00 00 08 5e 00 00 00 00 00 00 00 11 0e 03 01 3c 03 09 00 "
		   "00 01 ff ff 00 00 00 00");
	fake_expect(&script, "04 00 01 00 00 00");
	expect_variable_mode();
	assert_done(rsm_tape_drive_format(drive, 2, &err), &err);
	fake_check(&script);
}

static void a_format_back_to_one_partition_gives_it_all(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "92");
	fake_expect(&script, "5a 00 11");
	fake_data_hex(&script, PARTITIONS_LIST);
	fake_expect(&script, "55");
	fake_takes(&script,
		   "00 00 00 10 00 00 00 08 5e 00 00 00 00 00 00 00 11 0e 03 00 3c 03 08 00 "
		   "ff ff ff ff 00 00 00 00");
	fake_expect(&script, "04 00 01");
	expect_variable_mode();
	assert_done(rsm_tape_drive_format(drive, 1, &err), &err);
	assert_int_equal(rsm_tape_drive_format(drive, 3, &err), -EINVAL);
	fake_check(&script);
}

static void a_medium_that_takes_no_partitions_is_told_before_anything_is_lost(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "92");
	fake_expect(&script, "5a 00 11");
	fake_data_hex(&script, "00 12 48 10 00 00 00 00 11 0a 00 00 10 03 00 00 00 00 00 00");
	assert_int_equal(rsm_tape_drive_format(drive, 2, &err), -EOPNOTSUPP);
	assert_string_equal(err.msg, "fake: the medium cannot hold 2 partitions");
	fake_check(&script);
}

static void a_drive_without_partitions_formats_to_one_by_erasing(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "92");
	fake_expect(&script, "5a 00 11");
	fake_sense(&script, 0x5, 0x24, 0x00);
	fake_expect(&script, "19 00");
	assert_done(rsm_tape_drive_format(drive, 1, &err), &err);
	fake_check(&script);
}

static void compression_is_switched_once(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, SENSE_COMPRESSION);
	fake_data_hex(&script, COMPRESSION_LIST);
	fake_expect(&script, "55 10");
	fake_takes(&script, "00 00 00 10 00 00 00 08 5e 00 00 00 00 00 00 00 "
			    "0f 0e c0 80 00 00 00 01 00 00 00 01 00 00 00 00");
	assert_done(rsm_tape_drive_set_compression(drive, true, &err), &err);
	fake_expect(&script, SENSE_COMPRESSION);
	fake_data_hex(&script, COMPRESSION_LIST);
	assert_done(rsm_tape_drive_set_compression(drive, false, &err), &err);
	fake_expect(&script, SENSE_COMPRESSION);
	fake_sense(&script, 0x5, 0x24, 0x00);
	assert_int_equal(rsm_tape_drive_set_compression(drive, true, &err), -EOPNOTSUPP);
	fake_check(&script);
}

static void alerts_are_bits_by_their_number(void **state)
{
	struct rsm_err err;
	uint64_t flags = 1;

	(void)state;
	fake_expect(&script, "4d 00 6e 00 00 00 00 01 44");
	fake_data_hex(&script, "2e 00 00 14 00 03 40 01 01 00 04 40 01 00 00 14 40 01 01 00 40 40 "
			       "01 01");
	assert_done(rsm_tape_drive_alerts(drive, &flags, &err), &err);
	assert_true(flags == ((uint64_t)1 << 2 | (uint64_t)1 << 19 | (uint64_t)1 << 63));
	fake_expect(&script, "4d");
	fake_sense(&script, 0x5, 0x20, 0x00);
	assert_done(rsm_tape_drive_alerts(drive, &flags, &err), &err);
	assert_true(flags == 0);
	fake_expect(&script, "19 01");
	assert_done(rsm_tape_drive_erase(drive, true, &err), &err);
	fake_check(&script);
}

static void a_drive_that_vanishes_is_gone(void **state)
{
	struct rsm_err err;

	(void)state;
	given_a_loaded_tape();
	fake_expect(&script, "0a");
	fake_fails(&script, -ENODEV);
	assert_int_equal(rsm_tape_drive_write(drive, "x", 1, &err), -ENODEV);
	fake_expect(&script, "01");
	fake_fails(&script, -ENODEV);
	assert_int_equal(rsm_tape_drive_unload(drive, &err), -ENODEV);
	fake_check(&script);
}

#define DRIVE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
	DRIVE_TEST(a_load_consumes_attentions_waits_and_sets_variable_blocks),
	DRIVE_TEST(a_load_says_what_is_wrong_with_the_cartridge),
	DRIVE_TEST(a_drive_with_short_mode_commands_only_loads_too),
	DRIVE_TEST(an_unload_rewinds_unlocks_and_gives_the_cartridge_out),
	DRIVE_TEST(an_unload_does_not_hide_a_lost_write),
	DRIVE_TEST(a_poll_tells_what_the_drive_holds),
	DRIVE_TEST(a_changed_medium_in_the_middle_of_use_stops_the_write),
	DRIVE_TEST(a_reset_in_the_middle_of_use_is_never_consumed_in_silence),
	DRIVE_TEST(nothing_is_written_after_a_surprise_that_somebody_overheard),
	DRIVE_TEST(other_attentions_are_noise),
	DRIVE_TEST(a_deferred_error_is_a_lost_write),
	DRIVE_TEST(a_read_gives_the_record_and_its_length),
	DRIVE_TEST(a_wrong_residual_is_not_believed),
	DRIVE_TEST(a_record_that_is_too_long_is_told_with_its_length),
	DRIVE_TEST(marks_and_ends_are_outcomes_of_a_read),
	DRIVE_TEST(a_recovered_error_is_a_success),
	DRIVE_TEST(the_end_of_the_medium_comes_in_two_steps),
	DRIVE_TEST(a_position_is_the_long_form),
	DRIVE_TEST(a_locate_changes_the_partition_and_tells_the_end),
	DRIVE_TEST(the_end_of_a_partition_is_found_without_needless_motion),
	DRIVE_TEST(spacing_over_filemarks_counts_what_it_passed),
	DRIVE_TEST(a_medium_is_described_by_mode_pages_and_block_limits),
	DRIVE_TEST(a_drive_without_the_pages_has_one_partition),
	DRIVE_TEST(a_format_makes_two_partitions_by_the_book),
	DRIVE_TEST(a_format_back_to_one_partition_gives_it_all),
	DRIVE_TEST(a_medium_that_takes_no_partitions_is_told_before_anything_is_lost),
	DRIVE_TEST(a_drive_without_partitions_formats_to_one_by_erasing),
	DRIVE_TEST(compression_is_switched_once),
	DRIVE_TEST(alerts_are_bits_by_their_number),
	DRIVE_TEST(a_drive_that_vanishes_is_gone),
};
RSM_TEST_MAIN(tests)
