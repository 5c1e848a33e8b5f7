#include "changer/emulator/tap_image.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "tests/base/test.h"

static char folder[64];
static int fd = -1;
static struct rsm_err err;

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/rsm-test-tap-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	fd = open(folder, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? -1 : 0;
}

static int drop_folder(void **state)
{
	(void)state;
	close(fd);
	return rsm_file_remove_tree(folder, NULL);
}

static struct rsm_tap_image *open_image(void)
{
	struct rsm_tap_image *image;

	assert_done(rsm_tap_image_open(fd, 0, true, &image, &err), &err);
	return image;
}

static void write_record(struct rsm_tap_image *image, const char *text)
{
	assert_done(rsm_tap_image_write(image, text, strlen(text), &err), &err);
}

static void write_marks(struct rsm_tap_image *image, unsigned count)
{
	assert_done(rsm_tap_image_write_filemarks(image, count, &err), &err);
}

static void assert_reads(struct rsm_tap_image *image, const char *text)
{
	char buf[256];
	size_t length;

	assert_done(rsm_tap_image_read(image, buf, sizeof buf, &length, &err), &err);
	assert_int_equal(length, strlen(text));
	assert_memory_equal(buf, text, length);
}

static void assert_outcome(struct rsm_tap_image *image, int outcome)
{
	char buf[16];
	size_t length;

	assert_int_equal(rsm_tap_image_read(image, buf, sizeof buf, &length, &err), outcome);
}

static void locate(struct rsm_tap_image *image, uint64_t block)
{
	assert_done(rsm_tap_image_locate(image, block, &err), &err);
	assert_int_equal(rsm_tap_image_block(image), block);
}

static long file_size(const char *name)
{
	struct stat st;

	return fstatat(fd, name, &st, 0) == 0 ? (long)st.st_size : -1;
}

static const char *image_path(void)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/partition0.tap", folder);
	return path;
}

static void overwrite(const char *name, off_t at, const void *bytes, size_t length)
{
	int file = openat(fd, name, O_WRONLY);

	assert_int_equal(pwrite(file, bytes, length, at), length);
	close(file);
}

static void save_raw(const void *bytes, size_t length)
{
	assert_done(rsm_file_save(image_path(), bytes, length, 0600, 0, &err), &err);
}

/* one, two, filemark, three, filemark, filemark */
static struct rsm_tap_image *given_three_records(void)
{
	struct rsm_tap_image *image = open_image();

	write_record(image, "one");
	write_record(image, "twos");
	write_marks(image, 1);
	write_record(image, "three");
	write_marks(image, 2);
	return image;
}

static void an_image_is_what_simh_says(void **state)
{
	static const uint8_t expected[] = { 3, 0, 0, 0,	  'o', 'n', 'e', 0,   3,   0,	0,   0, 4,
					    0, 0, 0, 't', 'w', 'o', 's', 4,   0,   0,	0,   0, 0,
					    0, 0, 5, 0,	  0,   0,   't', 'h', 'r', 'e', 'e', 0, 5,
					    0, 0, 0, 0,	  0,   0,   0,	 0,   0,   0,	0 };
	struct rsm_tap_image *image = given_three_records();
	size_t length;
	char *data;

	(void)state;
	rsm_tap_image_close(image);
	assert_done(rsm_file_load(image_path(), 1000, &data, &length, &err), &err);
	assert_int_equal(length, sizeof expected);
	assert_memory_equal(data, expected, sizeof expected);
	free(data);
}

static void what_was_written_is_read_after_a_reopen(void **state)
{
	struct rsm_tap_image *image = given_three_records();

	(void)state;
	assert_int_equal(rsm_tap_image_block(image), 6);
	rsm_tap_image_close(image);
	image = open_image();
	assert_int_equal(rsm_tap_image_end_block(image), 6);
	assert_reads(image, "one");
	assert_reads(image, "twos");
	assert_outcome(image, RSM_TAP_FILEMARK);
	assert_int_equal(rsm_tap_image_file_number(image), 1);
	assert_reads(image, "three");
	assert_outcome(image, RSM_TAP_FILEMARK);
	assert_outcome(image, RSM_TAP_FILEMARK);
	assert_int_equal(rsm_tap_image_file_number(image), 3);
	assert_outcome(image, RSM_TAP_END);
	assert_outcome(image, RSM_TAP_END);
	rsm_tap_image_close(image);
}

static void a_missing_file_is_blank_and_made_by_the_first_write(void **state)
{
	struct rsm_tap_image *image = open_image();

	(void)state;
	assert_false(rsm_tap_image_exists(image));
	assert_outcome(image, RSM_TAP_END);
	assert_int_equal(file_size("partition0.tap"), -1);
	write_record(image, "x");
	assert_int_equal(file_size("partition0.tap"), 10);
	rsm_tap_image_close(image);
}

static void writing_in_the_middle_drops_what_is_behind(void **state)
{
	struct rsm_tap_image *image = given_three_records();

	(void)state;
	locate(image, 1);
	write_record(image, "new");
	assert_int_equal(rsm_tap_image_end_block(image), 2);
	assert_outcome(image, RSM_TAP_END);
	assert_int_equal(file_size("partition0.tap"), 24);
	locate(image, 0);
	assert_reads(image, "one");
	assert_reads(image, "new");
	assert_outcome(image, RSM_TAP_END);
	locate(image, 0);
	assert_done(rsm_tap_image_erase(image, &err), &err);
	assert_int_equal(file_size("partition0.tap"), 0);
	rsm_tap_image_close(image);
}

static void records_longer_than_the_buffer_are_passed_whole(void **state)
{
	struct rsm_tap_image *image = given_three_records();
	char buf[3] = "--";
	size_t length;

	(void)state;
	locate(image, 0);
	assert_done(rsm_tap_image_read(image, buf, 2, &length, &err), &err);
	assert_int_equal(length, 3);
	assert_string_equal(buf, "on");
	assert_reads(image, "twos");
	rsm_tap_image_close(image);
}

static void spacing_stops_at_filemarks_and_ends(void **state)
{
	struct rsm_tap_image *image = given_three_records();
	uint64_t moved;

	(void)state;
	locate(image, 0);
	assert_int_equal(rsm_tap_image_space_blocks(image, 5, &moved, &err), RSM_TAP_FILEMARK);
	assert_int_equal(moved, 2);
	assert_int_equal(rsm_tap_image_block(image), 3);
	assert_int_equal(rsm_tap_image_space_blocks(image, 1, &moved, &err), 0);
	assert_int_equal(rsm_tap_image_space_blocks(image, -2, &moved, &err), RSM_TAP_FILEMARK);
	assert_int_equal(moved, 1);
	assert_int_equal(rsm_tap_image_block(image), 2);
	assert_int_equal(rsm_tap_image_space_blocks(image, -9, &moved, &err), RSM_TAP_BEGINNING);
	assert_int_equal(moved, 2);
	assert_int_equal(rsm_tap_image_space_filemarks(image, 2, &moved, &err), 0);
	assert_int_equal(rsm_tap_image_block(image), 5);
	assert_int_equal(rsm_tap_image_space_filemarks(image, -2, &moved, &err), 0);
	assert_int_equal(rsm_tap_image_block(image), 2);
	assert_int_equal(rsm_tap_image_space_filemarks(image, 9, &moved, &err), RSM_TAP_END);
	assert_int_equal(moved, 3);
	assert_int_equal(rsm_tap_image_block(image), 6);
	assert_int_equal(rsm_tap_image_space_filemarks(image, -9, &moved, &err), RSM_TAP_BEGINNING);
	assert_int_equal(moved, 3);
	assert_int_equal(rsm_tap_image_block(image), 0);
	assert_int_equal(rsm_tap_image_locate(image, 99, &err), RSM_TAP_END);
	assert_int_equal(rsm_tap_image_block(image), 6);
	assert_int_equal(rsm_tap_image_space_blocks(image, INT64_MIN, &moved, &err),
			 RSM_TAP_FILEMARK);
	rsm_tap_image_close(image);
}

static void a_torn_record_is_the_end_and_cut_at_the_next_write(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < 14; cut++) {
		struct rsm_tap_image *image = open_image();

		locate(image, 0);
		write_record(image, "one");
		write_record(image, "second");
		rsm_tap_image_close(image);
		assert_int_equal(truncate(image_path(), (off_t)(12 + cut)), 0);

		image = open_image();
		assert_int_equal(rsm_tap_image_end_block(image), 1);
		assert_false(rsm_tap_image_is_damaged(image));
		assert_reads(image, "one");
		assert_outcome(image, RSM_TAP_END);
		assert_int_equal(file_size("partition0.tap"), 12 + cut);
		write_marks(image, 1);
		assert_int_equal(file_size("partition0.tap"), 16);
		rsm_tap_image_close(image);
	}
}

static void wrong_lengths_before_the_end_are_damage(void **state)
{
	static const uint32_t lengths[] = { 2, 7, 5000, 0x00800001, 0x7FFFFFFF, 0x10000006 };

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct rsm_tap_image *image = open_image();
		uint8_t word[4];

		if (rsm_tap_image_end_block(image))
			locate(image, 0);
		write_record(image, "one");
		write_record(image, "second");
		write_record(image, "third");
		write_marks(image, 1);
		rsm_tap_image_close(image);
		rsm_put_le32(word, lengths[i]);
		overwrite("partition0.tap", 12, word, 4);

		image = open_image();
		assert_true(rsm_tap_image_is_damaged(image));
		assert_false(rsm_tap_image_is_writable(image));
		assert_reads(image, "one");
		assert_outcome(image, RSM_TAP_DAMAGED);
		assert_int_equal(rsm_tap_image_locate(image, 3, &err), RSM_TAP_DAMAGED);
		assert_int_equal(rsm_tap_image_write(image, "x", 1, &err), -EROFS);
		rsm_tap_image_close(image);
		assert_int_equal(unlinkat(fd, "partition0.tap", 0), 0);
	}
}

static void an_end_of_medium_ends_the_data(void **state)
{
	static const uint8_t bytes[] = { 1,    0,    0,	   0,	 'a',  0, 1, 0, 0,
					 0,    0xFE, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0,
					 0xFF, 0xFF, 0xFF, 0xFF, 1,    2, 3 };
	struct rsm_tap_image *image;

	(void)state;
	save_raw(bytes, sizeof bytes);
	image = open_image();
	assert_reads(image, "a");
	assert_outcome(image, RSM_TAP_FILEMARK); /* behind a gap */
	assert_outcome(image, RSM_TAP_END);
	write_record(image, "b");
	locate(image, 2);
	assert_reads(image, "b");
	assert_outcome(image, RSM_TAP_END);
	rsm_tap_image_close(image);
}

static void a_gap_with_nothing_behind_it_is_no_end(void **state)
{
	static const uint8_t bytes[] = { 1, 0, 0, 0,	'a',  0,    1,	  0,	0,    0,    0,
					 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0xFF, 0xFF };
	struct rsm_tap_image *image;

	(void)state;
	save_raw(bytes, sizeof bytes - 1); /* the last gap is torn, and so counts as none */
	image = open_image();
	assert_reads(image, "a");
	assert_done(rsm_tap_image_locate_end(image, &err), &err);
	rsm_tap_image_close(image);
	save_raw(bytes, sizeof bytes);
	image = open_image();
	assert_reads(image, "a");
	assert_outcome(image, RSM_TAP_FILEMARK);
	assert_outcome(image, RSM_TAP_NO_END);
	assert_int_equal(rsm_tap_image_locate_end(image, &err), RSM_TAP_NO_END);
	assert_int_equal(rsm_tap_image_locate(image, 9, &err), RSM_TAP_NO_END);
	locate(image, 2);
	assert_done(rsm_tap_image_erase(image, &err), &err);
	assert_done(rsm_tap_image_locate_end(image, &err), &err);
	assert_outcome(image, RSM_TAP_END);
	rsm_tap_image_close(image);
}

static void a_record_marked_bad_is_reported_and_passed(void **state)
{
	static const uint8_t bytes[] = { 2, 0, 0, 0x80, 'a', 'a', 2, 0, 0, 0x80,
					 1, 0, 0, 0,	'b', 0,	  1, 0, 0, 0 };
	struct rsm_tap_image *image;

	(void)state;
	save_raw(bytes, sizeof bytes);
	image = open_image();
	assert_outcome(image, RSM_TAP_BAD_RECORD);
	assert_reads(image, "b");
	rsm_tap_image_close(image);
}

/* Fuzz in small: no bytes make it crash, loop or read beyond the file. */
static void any_bytes_can_be_opened_and_walked(void **state)
{
	uint32_t seed = 12345;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		uint8_t bytes[200];
		struct rsm_tap_image *image;
		char buf[64];
		size_t length;
		uint64_t moved;
		int r = 0;

		for (size_t i = 0; i < sizeof bytes; i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = seed >> 29 ? 0 : (uint8_t)(seed >> 16);
		}
		save_raw(bytes, seed % sizeof bytes);
		image = open_image();
		for (unsigned i = 0; i < 100 && r != RSM_TAP_END && r != RSM_TAP_DAMAGED; i++)
			r = rsm_tap_image_read(image, buf, sizeof buf, &length, &err);
		assert_true(r >= 0);
		assert_true(rsm_tap_image_space_filemarks(image, -3, &moved, &err) >= 0);
		assert_true(rsm_tap_image_space_blocks(image, 7, &moved, &err) >= 0);
		rsm_tap_image_close(image);
	}
}

enum { MANY = 1000000 };

/* A record of ten bytes each, but a filemark at every thousandth place. */
static void make_large_image(void)
{
	FILE *file = fopen(image_path(), "w");

	for (unsigned i = 0; i < MANY; i++) {
		uint8_t record[18] = { 10 };
		uint8_t mark[4] = { 0 };

		rsm_put_le32(record + 14, 10);
		rsm_put_be32(record + 4, i);
		if (i % 1000 == 999)
			fwrite(mark, 1, 4, file);
		else
			fwrite(record, 1, 18, file);
	}
	fclose(file);
}

static void assert_record(struct rsm_tap_image *image, uint32_t number)
{
	uint8_t buf[16];
	size_t length;

	assert_done(rsm_tap_image_read(image, buf, sizeof buf, &length, &err), &err);
	assert_int_equal(length, 10);
	assert_int_equal(rsm_get_be32(buf), number);
}

static size_t memory(void)
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static void a_million_records_take_little_memory_and_are_found_at_once(void **state)
{
	static const uint32_t places[] = { 999998, 0, 500000, 255, 256, 257, 123456, 998999 - 1 };
	struct rsm_tap_image *image;
	uint64_t moved;
	size_t before;

	(void)state;
	make_large_image();
	before = memory();
	image = open_image();
	assert_true(memory() - before < 2 * 1024 * 1024);
	assert_int_equal(rsm_tap_image_end_block(image), MANY);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		locate(image, places[i]);
		assert_record(image, places[i]);
		assert_int_equal(rsm_tap_image_file_number(image), (places[i] + 1) / 1000);
	}
	locate(image, 0);
	assert_done(rsm_tap_image_space_filemarks(image, 700, &moved, &err), &err);
	assert_int_equal(rsm_tap_image_block(image), 700000);
	assert_record(image, 700000);
	rsm_tap_image_close(image);
}

static void a_position_index_saves_the_scan_and_is_dropped_when_stale(void **state)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 12345 } };
	struct rsm_tap_image *image;

	(void)state;
	make_large_image();
	image = open_image();
	assert_done(rsm_tap_image_save_index(image, &err), &err);
	rsm_tap_image_close(image);
	assert_true(file_size("partition0.idx") > 0);
	assert_true(file_size("partition0.idx") < 256 * 1024);

	image = open_image(); /* from the index */
	locate(image, 654321);
	assert_record(image, 654321);
	assert_int_equal(rsm_tap_image_file_number(image), 654);
	write_record(image, "cut");
	assert_int_equal(file_size("partition0.idx"), -1);
	assert_done(rsm_tap_image_save_index(image, &err), &err);
	assert_true(file_size("partition0.idx") > 0);
	rsm_tap_image_close(image);

	/* an image that somebody else has written since */
	assert_int_equal(truncate(image_path(), 18), 0);
	image = open_image();
	assert_int_equal(rsm_tap_image_end_block(image), 1);
	rsm_tap_image_close(image);
	assert_int_equal(utimensat(fd, "partition0.tap", times, 0), 0);
	image = open_image();
	assert_int_equal(rsm_tap_image_end_block(image), 1);
	rsm_tap_image_close(image);
}

static void damage_under_a_position_index_is_found_by_reading(void **state)
{
	struct rsm_tap_image *image;
	struct timespec times[2];
	struct stat st;

	(void)state;
	make_large_image();
	image = open_image();
	assert_done(rsm_tap_image_save_index(image, &err), &err);
	rsm_tap_image_close(image);
	assert_int_equal(stat(image_path(), &st), 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	overwrite("partition0.tap", 300 * 18, "\x0B", 1);
	overwrite("partition0.tap", 600 * 18 + 14, "\x0B", 1);
	assert_int_equal(utimensat(fd, "partition0.tap", times, 0), 0);

	image = open_image();
	assert_int_equal(rsm_tap_image_end_block(image), MANY);
	locate(image, 600);
	assert_outcome(image, RSM_TAP_DAMAGED);
	assert_int_equal(rsm_tap_image_end_block(image), 600);
	locate(image, 299);
	assert_record(image, 299);
	assert_outcome(image, RSM_TAP_DAMAGED);
	assert_outcome(image, RSM_TAP_DAMAGED);
	assert_false(rsm_tap_image_is_writable(image));
	rsm_tap_image_close(image);
}

static void a_garbage_index_is_ignored(void **state)
{
	struct rsm_tap_image *image;

	(void)state;
	make_large_image();
	image = open_image();
	assert_done(rsm_tap_image_save_index(image, &err), &err);
	rsm_tap_image_close(image);
	for (off_t at = 0; at < 100; at += 7) {
		overwrite("partition0.idx", at, "\xA5\x5A", 2);
		if (at % 49)
			continue;
		image = open_image();
		assert_int_equal(rsm_tap_image_end_block(image), MANY);
		rsm_tap_image_close(image);
	}
}

static void random_work_agrees_with_a_plain_list(void **state)
{
	enum { ROOM = 4000 };
	static int list[ROOM]; /* length of a record, 0: filemark */
	static uint8_t data[70000], got[70000];
	struct rsm_tap_image *image = open_image();
	unsigned count = 0, at = 0;
	uint32_t seed = 99;

	(void)state;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 7);
	for (unsigned step = 0; step < 6000; step++) {
		size_t length;
		int r;

		seed = seed * 1664525 + 1013904223;
		switch (seed >> 28) {
		case 0:
			at = (seed >> 8) % (count + 1);
			locate(image, at);
			break;
		case 1:
			rsm_tap_image_close(image);
			image = open_image();
			at = 0;
			break;
		case 2:
		case 3:
		case 4:
		case 5:
		case 6: /* a read */
			r = rsm_tap_image_read(image, got, sizeof got, &length, &err);
			assert_int_equal(r, at == count	    ? RSM_TAP_END
					    : list[at] == 0 ? RSM_TAP_FILEMARK
							    : 0);
			if (r == 0) {
				assert_int_equal(length, list[at]);
				assert_memory_equal(got, data, length);
			}
			at += at < count;
			break;
		default: /* a write, mostly at the end */
			if (at < count && (seed >> 8) % 4) {
				at = count;
				locate(image, at);
			}
			if (at == ROOM)
				break;
			list[at] = (seed >> 12) % 5 == 0 ? 0 : (int)((seed >> 10) % 300 + 1);
			if ((seed >> 20) % 50 == 0)
				list[at] = 65537;
			if (list[at])
				assert_done(
					rsm_tap_image_write(image, data, (size_t)list[at], &err),
					&err);
			else
				write_marks(image, 1);
			count = ++at;
		}
		assert_int_equal(rsm_tap_image_block(image), at);
		assert_int_equal(rsm_tap_image_end_block(image), count);
	}
	rsm_tap_image_close(image);
}

#define T(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)
static const struct CMUnitTest tests[] = {
	T(an_image_is_what_simh_says),
	T(what_was_written_is_read_after_a_reopen),
	T(a_missing_file_is_blank_and_made_by_the_first_write),
	T(writing_in_the_middle_drops_what_is_behind),
	T(records_longer_than_the_buffer_are_passed_whole),
	T(spacing_stops_at_filemarks_and_ends),
	T(a_torn_record_is_the_end_and_cut_at_the_next_write),
	T(wrong_lengths_before_the_end_are_damage),
	T(an_end_of_medium_ends_the_data),
	T(a_gap_with_nothing_behind_it_is_no_end),
	T(a_record_marked_bad_is_reported_and_passed),
	T(any_bytes_can_be_opened_and_walked),
	T(a_million_records_take_little_memory_and_are_found_at_once),
	T(a_position_index_saves_the_scan_and_is_dropped_when_stale),
	T(damage_under_a_position_index_is_found_by_reading),
	T(a_garbage_index_is_ignored),
	T(random_work_agrees_with_a_plain_list),
};
RSM_TEST_MAIN(tests)
