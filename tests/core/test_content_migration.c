/* Files that change under their migration: it is waste, but no error, and nothing is mixed up. */
#include "tests/core/content_fixture.h"

#include <string.h>
#include <unistd.h>

enum { BLOCK = 4096, SIZE = 200000 };

static char data[SIZE], back[SIZE];

static struct rsm_migration *take(void)
{
	struct rsm_migration *migration;

	assert_done(rsm_content_next_migration(content, 0, &migration, &err), &err);
	return migration;
}

static struct rsm_migration *take_part(void)
{
	struct rsm_migration *part;

	assert_done(rsm_content_next_part(content, 0, UINT64_MAX, BLOCK, true, &part, &err), &err);
	return part;
}

/* The error stays as it was: whoever gathers errors of many files would take it for one. */
static int read_back(struct rsm_migration *migration, size_t offset, size_t length)
{
	struct rsm_err untouched = { 0 };
	int r;

	memset(back, 'x', length);
	r = rsm_content_migration_read(content, migration, 0, offset, back, length, &untouched);
	assert_int_equal(untouched.code, r < 0 ? -r : 0);
	return r;
}

static void assert_not_recorded(struct rsm_migration *migration)
{
	struct rsm_extent extent = { .byte_count = SIZE, .partition = 'b' };

	assert_int_equal(rsm_content_migrated(content, migration, &extent, 1, &err),
			 RSM_NODE_ABSENT);
	rsm_migration_free(migration);
}

static void damage_own_file(uint64_t id)
{
	char path[128];

	snprintf(path, sizeof path, "%s/file.%llu", folder, (unsigned long long)id);
	assert_int_equal(truncate(path, 0), 0);
}

static void bytes_that_a_change_gave_up_are_no_error(void **state)
{
	struct rsm_migration *migration;

	(void)state;
	pattern(data, SIZE, 1);
	make_file("a", data, SIZE);
	migration = take();
	assert_int_equal(migration->range_count, 1);
	assert_int_equal(read_back(migration, 0, BLOCK), 0);
	assert_memory_equal(back, data, BLOCK);

	set_size("a", 0);

	assert_int_equal(staging_files("file."), 0);
	assert_int_equal(read_back(migration, 2 * BLOCK, BLOCK), 0);
	assert_not_recorded(migration);
	assert_holds("a", "", 0);
}

static void bytes_that_a_removal_gave_up_are_no_error(void **state)
{
	struct rsm_migration *migration;
	uint64_t id;

	(void)state;
	pattern(data, SIZE, 2);
	make_file("a", data, SIZE);
	id = id_of("a");
	migration = take();

	assert_done(rsm_content_remove(content, RSM_NODE_ROOT, "a", false, &err), &err);
	assert_int_equal(read_back(migration, 0, BLOCK), 0);
	rsm_content_forget(content, id);

	assert_int_equal(staging_files("file."), 0);
	assert_int_equal(read_back(migration, BLOCK, BLOCK), 0);
	assert_not_recorded(migration);
}

static void a_part_that_was_cut_off_is_no_error(void **state)
{
	struct rsm_open_file *file = create("a");
	struct rsm_migration *part;

	(void)state;
	pattern(data, SIZE, 3);
	write_at(file, data, SIZE, 0);
	part = take_part();

	set_size("a", 0);
	assert_int_equal(read_back(part, 0, BLOCK), 0); /* the staging file is gone */
	write_at(file, data, 70000, 0);
	assert_int_equal(read_back(part, 30 * BLOCK, BLOCK), 0); /* a new one, shorter */

	assert_not_recorded(part);
	assert_reads(file, data, 70000);
	close_file(file);
	assert_holds("a", data, 70000);
}

static void staged_bytes_that_are_lost_are_an_error(void **state)
{
	struct rsm_migration *migration;

	(void)state;
	pattern(data, SIZE, 4);
	make_file("a", data, SIZE);
	migration = take();

	damage_own_file(id_of("a"));

	assert_int_equal(read_back(migration, 0, BLOCK), -EIO);
	rsm_migration_free(migration);
}

/* Zeros for what was touched may stand there; for what was not, they would go to the medium. */
static void a_touch_hides_no_lost_bytes_beside_it(void **state)
{
	struct rsm_open_file *file = create("a");
	struct rsm_migration *part;

	(void)state;
	pattern(data, SIZE, 5);
	write_at(file, data, SIZE, 0);
	part = take_part();

	write_at(file, data, 10, BLOCK + 5);
	write_at(file, data, BLOCK, 8 * BLOCK);
	damage_own_file(id_of("a"));

	assert_int_equal(read_back(part, 0, BLOCK), -EIO);
	assert_int_equal(read_back(part, BLOCK, BLOCK), -EIO);
	assert_int_equal(read_back(part, 8 * BLOCK, BLOCK), 0);
	rsm_migration_free(part);
	rsm_content_release(file);
}

static const struct CMUnitTest tests[] = {
	TEST(bytes_that_a_change_gave_up_are_no_error),
	TEST(bytes_that_a_removal_gave_up_are_no_error),
	TEST(a_part_that_was_cut_off_is_no_error),
	TEST(staged_bytes_that_are_lost_are_an_error),
	TEST(a_touch_hides_no_lost_bytes_beside_it),
};
RSM_TEST_MAIN(tests)
