/* Writes that a drive has accepted and loses: what later flushes tell is charged to whom it hit. */
#include "changer/emulator/emulator.h"
#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

enum { WRITE_6 = 0x0A, WRITE_FILEMARKS = 0x10, FILES = 4 };

/* Another size in blocks each: 1, 2, 3 and 4. */
static size_t size_of(unsigned file)
{
	return 300000 + (size_t)file * 524288;
}

static int begin(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 1,
		.slots = 2,
		.ports = 1,
		.cartridges = 2,
		.capacity_bytes = (uint64_t)1 << 30,
		.no_cleaner = true,
	};
	struct world *world;

	if (world_make(state, &shape))
		return -1;
	world = *state;
	world_stop(world);
	world->dismount_delay_s = 60;
	world->migrate_delay_ms = 600000; /* nothing goes to the medium but by a sync */
	world->hash = RSM_DIGEST_SHA256;
	world_start(world);
	return 0;
}

static void lose(struct world *world, unsigned skip, unsigned times)
{
	const struct rsm_emulator_fault fault = { .opcode = WRITE_6,
						  .skip = skip,
						  .times = times,
						  .key = 0x03,
						  .asc = 0x0C,
						  .deferred = true };

	assert_done(rsm_emulator_inject(world->manager->libraries[0].hardware->emulator, &fault,
					&world->err),
		    &world->err);
}

static int sync_medium(struct world *world, int64_t medium)
{
	return rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err);
}

static void write_files(struct world *world, int64_t medium)
{
	for (unsigned i = 0; i < FILES; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%u", i);
		write_file(world, medium, name, size_of(i), i);
	}
}

static void digest_of(unsigned file, char ret_text[RSM_DIGEST_TEXT])
{
	struct rsm_digest *digest;
	char *data = malloc(size_of(file));
	struct rsm_err err;

	fill_pattern(data, size_of(file), file);
	assert_done(rsm_digest_new(RSM_DIGEST_SHA256, &digest, &err), &err);
	rsm_digest_begin(digest);
	rsm_digest_add(digest, data, size_of(file));
	assert_done(rsm_digest_finish(digest, ret_text, &err), &err);
	rsm_digest_free(digest);
	free(data);
}

/* The drive goes on by itself behind a failure: what failed may be on the medium a moment later. */
#define EITHER ((enum rsm_residency) - 1)

/* Where it is, what it holds, and the checksum that goes with what is on the medium. */
static void expect_files(struct world *world, int64_t medium, enum rsm_residency expected)
{
	struct rsm_content *content;

	assert_done(rsm_manager_content(world->manager, medium, &content, &world->err),
		    &world->err);
	for (unsigned i = 0; i < FILES; i++) {
		RSM_TEXT struct rsm_text value = { 0 };
		char name[16], text[RSM_DIGEST_TEXT];
		enum rsm_residency residency;
		struct rsm_extent first;
		struct rsm_node node;

		snprintf(name, sizeof name, "f%u", i);
		assert_int_equal(
			rsm_content_lookup(content, RSM_NODE_ROOT, name, &node, &world->err), 0);
		assert_done(
			rsm_content_residency(content, node.id, &residency, &first, &world->err),
			&world->err);
		if (expected != EITHER)
			assert_int_equal(residency, expected);
		expect_file(world, medium, name, size_of(i), i);
		if (residency != RSM_RESIDENT_MEDIUM)
			continue;
		digest_of(i, text);
		assert_int_equal(rsm_volume_index_get_xattr(rsm_content_index(content), node.id,
							    rsm_digest_key(RSM_DIGEST_SHA256),
							    &value, &world->err),
				 0);
		assert_true(rsm_digest_equals(text, value.data, value.length));
	}
	rsm_manager_content_unref(world->manager, content);
}

/* Only what is on the medium counts. */
static void forget_all(struct world *world, int64_t *medium)
{
	struct rsm_medium found;
	struct rsm_pool pool;

	lose_all(world);
	assert_int_equal(rsm_pool_find_path(rsm_manager_catalog(world->manager), "Backup", &pool,
					    &world->err),
			 0);
	assert_int_equal(rsm_medium_find(rsm_manager_catalog(world->manager), pool.id, "monday",
					 &found, &world->err),
			 0);
	*medium = found.id;
}

/* Each of the ten blocks of the files in turn, and what follows in the drive's buffer or not. */
static void lose_block(struct world *world, int64_t pool, unsigned block, unsigned times)
{
	int64_t medium = given_cartridge(world, pool, "monday");

	assert_done(sync_medium(world, medium), &world->err);
	lose(world, block, times);
	write_files(world, medium);
	if (sync_medium(world, medium) == 0)
		fail_msg("block %u: nobody was told", block);
	assert_int_equal(world->err.key, 3);
	assert_non_null(strstr(world->err.msg, "an earlier write was lost"));
	expect_files(world, medium, EITHER);

	assert_done(sync_medium(world, medium), &world->err);
	expect_files(world, medium, RSM_RESIDENT_MEDIUM);
	forget_all(world, &medium);
	expect_files(world, medium, RSM_RESIDENT_MEDIUM);
	assert_done(rsm_manager_deallocate(world->manager, medium, true, &world->err), &world->err);
}

static void a_write_that_is_lost_later_is_charged_to_all_that_it_hit(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");

	lose_block(world, pool, 0, 1);
	lose_block(world, pool, 4, 3);
	lose_block(world, pool, 9, 1); /* the last: the flush tells */
	if (!getenv("RSM_LONG"))
		return;
	for (unsigned block = 1; block < 9; block++)
		lose_block(world, pool, block, 1 + block % 4);
}

/* Which of the writes of an index it is: on the data partition, or on the index partition. */
static void lose_index(struct world *world, int64_t pool, bool dismount)
{
	int64_t medium = given_cartridge(world, pool, "monday");
	struct rsm_medium_use use;

	assert_done(sync_medium(world, medium), &world->err);
	lose(world, 10 + dismount, 1);
	write_files(world, medium);
	if (!dismount) {
		/* told, unless the second try (the cartridge leaves the drive) was quicker */
		if (sync_medium(world, medium) < 0)
			assert_int_equal(world->err.key, 3);
		expect_files(world, medium, EITHER);
	} else {
		/* the data partition has all of it by then */
		assert_done(sync_medium(world, medium), &world->err);
		assert_done(
			rsm_manager_dismount_wait(world->manager, medium, false, NULL, &world->err),
			&world->err);
		expect_files(world, medium, RSM_RESIDENT_MEDIUM);
	}
	assert_done(sync_medium(world, medium), &world->err);
	expect_files(world, medium, RSM_RESIDENT_MEDIUM);
	assert_done(rsm_manager_medium_use(world->manager, medium, &use, &world->err), &world->err);
	if (use.mounted)
		assert_done(
			rsm_manager_dismount_wait(world->manager, medium, false, NULL, &world->err),
			&world->err);
	forget_all(world, &medium);
	expect_files(world, medium, RSM_RESIDENT_MEDIUM);
	assert_done(rsm_manager_deallocate(world->manager, medium, true, &world->err), &world->err);
}

static void an_index_that_is_lost_later_gives_nothing_up(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");

	lose_index(world, pool, false);
	lose_index(world, pool, true);
}

static void a_label_that_is_lost_later_is_written_again(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");

	lose(world, 3, 1); /* of the labels and indexes of a format */
	write_files(world, medium);
	assert_true(sync_medium(world, medium) < 0);
	expect_files(world, medium, EITHER);
	assert_done(sync_medium(world, medium), &world->err);
	expect_files(world, medium, RSM_RESIDENT_MEDIUM);
	forget_all(world, &medium);
	expect_files(world, medium, RSM_RESIDENT_MEDIUM);
}

/* Five minutes before it would be due by time, with the cartridge in its drive all the while. */
static void an_index_follows_so_much_data(void **state)
{
	struct world *world = *state;
	enum rsm_residency residency = EITHER;
	struct rsm_content *content;
	struct rsm_medium_use use;
	struct rsm_extent first;
	struct rsm_node node;
	int64_t medium;

	world_stop(world);
	world->migrate_delay_ms = 20;
	world->index_bytes = 1 << 20;
	world_start(world);
	medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	assert_done(sync_medium(world, medium), &world->err);
	write_file(world, medium, "first", 900000, 1);
	write_file(world, medium, "second", 900000, 2);
	assert_done(rsm_manager_content(world->manager, medium, &content, &world->err),
		    &world->err);
	assert_int_equal(rsm_content_lookup(content, RSM_NODE_ROOT, "first", &node, &world->err),
			 0);
	for (int i = 0; i < 2000 && residency != RSM_RESIDENT_MEDIUM; i++) {
		assert_done(
			rsm_content_residency(content, node.id, &residency, &first, &world->err),
			&world->err);
		usleep(5000);
	}
	assert_int_equal(residency, RSM_RESIDENT_MEDIUM);
	rsm_manager_content_unref(world->manager, content);
	assert_done(rsm_manager_medium_use(world->manager, medium, &use, &world->err), &world->err);
	assert_true(use.mounted);
}

static bool find_request(void *context, const struct rsm_operator_request *request)
{
	*(bool *)context |= request->kind == RSM_REQUEST_NEW_MEDIA &&
			    strstr(request->text, RSM_HEALTH_UNWRITABLE);
	return true;
}

static void a_medium_that_takes_no_writes_is_given_up_and_its_files_stay(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	struct rsm_medium m;
	struct rsm_err err;
	bool asked = false;

	assert_done(sync_medium(world, medium), &world->err);
	lose(world, 0, 100000);
	write_files(world, medium);
	for (int i = 0; i < 6; i++)
		assert_true(sync_medium(world, medium) < 0);
	assert_int_equal(
		rsm_medium_get(rsm_manager_catalog(world->manager), medium, &m, &world->err), 0);
	assert_true(rsm_medium_is_unwritable(&m));
	assert_done(rsm_operator_request_list(rsm_manager_catalog(world->manager), true,
					      find_request, &asked, &world->err),
		    &world->err);
	assert_true(asked);
	expect_files(world, medium, RSM_RESIDENT_STAGED);
	assert_int_equal(try_write(world->manager, medium, "another", 10, 1, &err), -EROFS);
	if (!strstr(err.msg, RSM_HEALTH_UNWRITABLE))
		fail_msg("%s", err.msg);

	/* also for the next process, until somebody says that it is well; this drive writes */
	world_stop(world);
	world_start(world);
	assert_true(sync_medium(world, medium) < 0);
	expect_files(world, medium, RSM_RESIDENT_STAGED);
	assert_done(rsm_manager_enable_medium(world->manager, medium, true, &world->err),
		    &world->err);
	assert_done(sync_medium(world, medium), &world->err);
	expect_files(world, medium, RSM_RESIDENT_MEDIUM);
	write_file(world, medium, "another", 10, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, world_free)

static const struct CMUnitTest tests[] = {
	TEST(a_write_that_is_lost_later_is_charged_to_all_that_it_hit),
	TEST(an_index_that_is_lost_later_gives_nothing_up),
	TEST(a_label_that_is_lost_later_is_written_again),
	TEST(an_index_follows_so_much_data),
	TEST(a_medium_that_takes_no_writes_is_given_up_and_its_files_stay),
};
RSM_TEST_MAIN(tests)
