/* emulated_drive_fixture.h - an emulated drive with a cartridge, and words for what tests do with
 * it. */
#ifndef RSM_TESTS_EMULATED_DRIVE_FIXTURE_H
#define RSM_TESTS_EMULATED_DRIVE_FIXTURE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "tests/base/test.h"
#include "tests/changer/library_rig.h"

static inline void write_record(struct rig *rig, const char *text)
{
	assert_done(rsm_tape_drive_write(rig->drive, text, strlen(text), &rig->err), &rig->err);
}

static inline void write_marks(struct rig *rig, unsigned count)
{
	assert_done(rsm_tape_drive_write_filemarks(rig->drive, count, false, &rig->err), &rig->err);
}

static inline void assert_reads(struct rig *rig, const char *text)
{
	char buf[256];
	size_t length;

	assert_done(rsm_tape_drive_read(rig->drive, buf, sizeof buf, &length, &rig->err),
		    &rig->err);
	assert_int_equal(length, strlen(text));
	assert_memory_equal(buf, text, length);
}

static inline void assert_read_outcome(struct rig *rig, int outcome)
{
	char buf[16] = "untouched";
	size_t length = 77;

	assert_int_equal(rsm_tape_drive_read(rig->drive, buf, sizeof buf, &length, &rig->err),
			 outcome);
	assert_string_equal(buf, "untouched");
	assert_int_equal(length, 77);
}

static inline void locate(struct rig *rig, uint32_t partition, uint64_t block)
{
	assert_done(rsm_tape_drive_locate(rig->drive, partition, block, &rig->err), &rig->err);
}

static inline void assert_position(struct rig *rig, uint32_t partition, uint64_t block)
{
	struct rsm_tape_position position;

	assert_done(rsm_tape_drive_position(rig->drive, &position, &rig->err), &rig->err);
	assert_int_equal(position.partition, partition);
	assert_int_equal(position.block, block);
	assert_int_equal(position.beginning, block == 0);
}

static inline void format(struct rig *rig, unsigned partitions)
{
	assert_done(rsm_tape_drive_format(rig->drive, partitions, &rig->err), &rig->err);
}

static inline uint32_t reference(struct rig *rig, unsigned partition)
{
	uint8_t value[4];
	size_t length;

	assert_done(rsm_medium_memory_read(rig->drive, partition, RSM_MAM_VOLUME_CHANGE_REFERENCE,
					   value, 4, &length, &rig->err),
		    &rig->err);
	return rsm_get_be32(value);
}

/* As it stands in the file; 0 if it is not there. */
static inline uint32_t reference_on_disk(struct rig *rig, const char *file)
{
	uint32_t value = 0;
	size_t length;
	char *data;

	if (rsm_file_load(rig_path(rig, "%s", file), 70000, &data, &length, &rig->err) < 0)
		return 0;
	for (size_t at = 0; at + 5 <= length; at += 5 + (size_t)rsm_get_be16(data + at + 3))
		if (rsm_get_be16(data + at) == 0x0009)
			value = rsm_get_be32(data + at + 5);
	free(data);
	return value;
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

#endif
