/* How a partition is written on when a crash left its end untidy, on the emulated drive. What is
 * expected here was seen with the reference: its check and its listing of generations go through
 * such tapes when they have been written on so, and stop when they have not.
 */
#include <unistd.h>

#include "base/file.h"
#include "core/ltfs/ltfs_volume.h"
#include "tests/base/test.h"
#include "tests/changer/library_rig.h"
#include "tests/core/fake_medium.h"

enum { INDEX_PARTITION, DATA_PARTITION };

static struct bench {
	struct rig *rig;
	char folder[64];
	struct fake_medium medium;
	struct rsm_staging_space *space;
	struct rsm_content *content;
	struct rsm_volume *volume;
	struct rsm_err err;
} bench;

static struct rsm_tape_drive *drive(void)
{
	return bench.rig->drive;
}

static void done(int r)
{
	assert_done(r, &bench.err);
}

static uint64_t end_of(uint32_t partition)
{
	uint64_t block;

	done(rsm_tape_drive_locate_end(drive(), partition, &block, &bench.err));
	return block;
}

/* 'F' a filemark, 'R' a record, 'E' the end of data. */
static char kind_of(uint32_t partition, uint64_t block)
{
	static char record[RSM_LTFS_BLOCK_SIZE];
	size_t length;
	int r = rsm_tape_drive_locate(drive(), partition, block, &bench.err);

	if (r == 0)
		r = rsm_tape_drive_read(drive(), record, sizeof record, &length, &bench.err);
	if (r < 0)
		fail_msg("%s", bench.err.msg);
	return r == RSM_TAPE_FILEMARK ? 'F' : r == RSM_TAPE_END_OF_DATA ? 'E' : 'R';
}

/* The kinds of the blocks from `block` to the end of data. */
static void assert_blocks(uint32_t partition, uint64_t block, const char *expected)
{
	char seen[32] = "";

	for (size_t i = 0; i + 1 < sizeof seen; i++, block++) {
		seen[i] = kind_of(partition, block);
		if (seen[i] == 'E')
			break;
	}
	assert_string_equal(seen, expected);
}

static void put_record(uint32_t partition, const char *text)
{
	end_of(partition);
	done(rsm_tape_drive_write(drive(), text, strlen(text), &bench.err));
}

static void put_filemark(uint32_t partition)
{
	end_of(partition);
	done(rsm_tape_drive_write_filemarks(drive(), 1, false, &bench.err));
}

static void lose_blocks(uint32_t partition, uint64_t count)
{
	uint64_t end = end_of(partition);

	done(rsm_tape_drive_locate(drive(), partition, end - count, &bench.err));
	done(rsm_tape_drive_erase(drive(), false, &bench.err));
	assert_int_equal(end_of(partition), end - count);
}

static void mount(void)
{
	RSM_TEXT struct rsm_text conflicts = { 0 };
	struct rsm_ltfs_probe probe;
	int r;

	rsm_volume_free(bench.volume);
	bench.volume = NULL;
	done(rsm_ltfs_probe(drive(), &probe, &bench.err));
	assert_int_equal(probe.kind, RSM_PROBE_LTFS);
	r = rsm_ltfs_mount(drive(), bench.content, &probe.label, &conflicts, &bench.volume,
			   &bench.err);
	if (r < 0)
		fail_msg("%s", bench.err.msg);
}

static uint64_t append(const char *text)
{
	uint64_t block;

	done(bench.volume->ops->append(bench.volume, text, strlen(text), &block, &bench.err));
	return block;
}

static void commit(bool force)
{
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_FULL, NULL, force, &bench.err));
	assert_false(bench.volume->ops->is_dirty(bench.volume));
}

/* A volume of two generations: blocks 0 to 6 of the format, 7 data, 8 to 10 an index. */
static int begin(void **state)
{
	static const char uuid[] = "0a1b2c3d-4e5f-4789-8abc-def012345678";
	struct rsm_content_callbacks callbacks = fake_callbacks(&bench.medium);
	void *rig = NULL;

	(void)state;
	memset(&bench, 0, sizeof bench);
	if (rig_set_up(&rig))
		return -1;
	bench.rig = rig;
	strcpy(bench.folder, "/tmp/rsm-test-end-XXXXXX");
	if (!mkdtemp(bench.folder))
		return -1;
	fake_start(&bench.medium);
	done(rsm_staging_space_new(bench.folder, 0, &bench.space, &bench.err));
	done(rsm_content_open_volume(bench.folder, bench.space, &callbacks, &bench.content,
				     &bench.err));
	rig_load(bench.rig, 1001);
	done(rsm_ltfs_format(drive(), bench.content, uuid, NULL, &bench.volume, &bench.err));
	assert_int_equal(append("data"), 7);
	commit(true);
	assert_blocks(DATA_PARTITION, 4, "FRFRFRFE");
	assert_blocks(INDEX_PARTITION, 4, "FRFE");
	return 0;
}

static int end(void **state)
{
	void *rig = bench.rig;

	(void)state;
	rsm_volume_free(bench.volume);
	rsm_content_close_volume(bench.content);
	fake_stop(&bench.medium);
	rsm_staging_space_free(bench.space);
	return rig_tear_down(&rig) | rsm_file_remove_tree(bench.folder, NULL);
}

static void data_never_follow_an_index_without_its_filemark(void **state)
{
	(void)state;
	lose_blocks(DATA_PARTITION, 1);
	mount();
	assert_int_equal(append("more"), 11);
	commit(true);
	assert_blocks(DATA_PARTITION, 8, "FRFRFRFE");
}

static void a_missing_filemark_is_reason_enough_to_write(void **state)
{
	(void)state;
	lose_blocks(DATA_PARTITION, 1);
	lose_blocks(INDEX_PARTITION, 1);
	mount();
	assert_true(bench.volume->ops->is_dirty(bench.volume));
	commit(false);
	assert_blocks(DATA_PARTITION, 8, "FRFE");
	assert_blocks(INDEX_PARTITION, 4, "FRFE");
}

static void data_take_the_place_of_a_filemark_left_over(void **state)
{
	(void)state;
	put_record(DATA_PARTITION, "of no file");
	put_filemark(DATA_PARTITION);
	mount();
	assert_int_equal(append("more"), 12);
	assert_int_equal(append("and more"), 13);
	commit(true);
	assert_blocks(DATA_PARTITION, 8, "FRFRRRFRFE");
}

static void an_index_goes_onto_a_filemark_left_over(void **state)
{
	(void)state;
	put_record(DATA_PARTITION, "of no file");
	put_filemark(DATA_PARTITION);
	mount();
	commit(false);
	assert_blocks(DATA_PARTITION, 8, "FRFRFRFE");

	put_filemark(DATA_PARTITION); /* nothing but the filemark of an index that never was */
	mount();
	commit(false);
	assert_blocks(DATA_PARTITION, 12, "FRFFRFE");
}

static void so_does_one_on_the_index_partition(void **state)
{
	(void)state;
	lose_blocks(INDEX_PARTITION, 2);
	assert_blocks(INDEX_PARTITION, 3, "FFE");
	mount();
	commit(false);
	assert_blocks(INDEX_PARTITION, 3, "FFRFE");
}

static void a_torn_index_stays_and_is_closed_by_the_next(void **state)
{
	(void)state;
	put_filemark(DATA_PARTITION);
	put_record(DATA_PARTITION, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ltfsindex ");
	mount();
	commit(false);
	assert_blocks(DATA_PARTITION, 8, "FRFFRFRFE");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static const struct CMUnitTest tests[] = {
	TEST(data_never_follow_an_index_without_its_filemark),
	TEST(a_missing_filemark_is_reason_enough_to_write),
	TEST(data_take_the_place_of_a_filemark_left_over),
	TEST(an_index_goes_onto_a_filemark_left_over),
	TEST(so_does_one_on_the_index_partition),
	TEST(a_torn_index_stays_and_is_closed_by_the_next),
};

RSM_TEST_MAIN(tests)
