/* ltfs_bench.h - for tests: an LTFS volume of two generations in an emulated drive, whose ends can
 * be damaged block by block.
 */
#ifndef RSM_TESTS_LTFS_BENCH_H
#define RSM_TESTS_LTFS_BENCH_H

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

static inline struct rsm_tape_drive *drive(void)
{
	return bench.rig->drive;
}

static inline void done(int r)
{
	assert_done(r, &bench.err);
}

static inline uint64_t end_of(uint32_t partition)
{
	uint64_t block;

	done(rsm_tape_drive_locate_end(drive(), partition, &block, &bench.err));
	return block;
}

/* 'F' a filemark, 'R' a record, 'E' the end of data. */
static inline char kind_of(uint32_t partition, uint64_t block)
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
static inline void assert_blocks(uint32_t partition, uint64_t block, const char *expected)
{
	char seen[32] = "";

	for (size_t i = 0; i + 1 < sizeof seen; i++, block++) {
		seen[i] = kind_of(partition, block);
		if (seen[i] == 'E')
			break;
	}
	assert_string_equal(seen, expected);
}

static inline void put_record(uint32_t partition, const char *text)
{
	end_of(partition);
	done(rsm_tape_drive_write(drive(), text, strlen(text), &bench.err));
}

static inline void put_filemark(uint32_t partition)
{
	end_of(partition);
	done(rsm_tape_drive_write_filemarks(drive(), 1, false, &bench.err));
}

static inline void lose_blocks(uint32_t partition, uint64_t count)
{
	uint64_t end = end_of(partition);

	done(rsm_tape_drive_locate(drive(), partition, end - count, &bench.err));
	done(rsm_tape_drive_erase(drive(), false, &bench.err));
	assert_int_equal(end_of(partition), end - count);
}

static inline void mount(void)
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

static inline uint64_t append(const char *text)
{
	uint64_t block;

	done(bench.volume->ops->append(bench.volume, text, strlen(text), &block, &bench.err));
	return block;
}

static inline void commit(bool force)
{
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_FULL, NULL, force, &bench.err));
	assert_false(bench.volume->ops->is_dirty(bench.volume));
}

/* A volume of two generations: blocks 0 to 6 of the format, 7 data, 8 to 10 an index. */
static inline int begin(void **state)
{
	static const char uuid[] = "0a1b2c3d-4e5f-4789-8abc-def012345678";
	struct rsm_content_callbacks callbacks = fake_callbacks(&bench.medium);
	void *rig = NULL;

	(void)state;
	memset(&bench, 0, sizeof bench);
	if (rig_set_up(&rig))
		return -1;
	bench.rig = rig;
	/* in memory, where that is: syncing is what takes the time here */
	strcpy(bench.folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/rsm-test-ltfs-XXXXXX"
							   : "/tmp/rsm-test-ltfs-XXXXXX");
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

static inline int end(void **state)
{
	void *rig = bench.rig;

	(void)state;
	rsm_volume_free(bench.volume);
	rsm_content_close_volume(bench.content);
	fake_stop(&bench.medium);
	rsm_staging_space_free(bench.space);
	return rig_tear_down(&rig) | rsm_file_remove_tree(bench.folder, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
