#include "tests/core/manager_fixture.h"

#include <fcntl.h>
#include <pthread.h>

static void a_new_library_has_its_cartridges_in_free(void **state)
{
	struct world *world = *state;
	struct rsm_pool pool;

	assert_done(rsm_pool_find_path(rsm_manager_catalog(world->manager), "Free/LTO-8", &pool,
				       &world->err),
		    &world->err);
	assert_int_equal(pool.media, 4);
}

static void what_was_written_is_read_back_from_the_medium(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	struct rsm_content_use use;
	struct rsm_content *content;

	write_file(world, medium, "small", 1000, 1);
	write_file(world, medium, "large", 3 << 20, 2);
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);

	assert_done(rsm_manager_content(world->manager, medium, &content, &world->err),
		    &world->err);
	rsm_content_use(content, &use);
	assert_int_equal(use.staged_files, 0);
	assert_false(use.dirty);
	rsm_manager_content_unref(world->manager, content);
	expect_file(world, medium, "small", 1000, 1);
	expect_file(world, medium, "large", 3 << 20, 2);
}

static void contents_survive_a_restart_and_the_loss_of_catalogue_and_staging(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	struct rsm_pool pool;
	struct rsm_medium found;

	write_file(world, medium, "file", 700000, 3);
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	world_stop(world);
	world_start(world);
	expect_file(world, medium, "file", 700000, 3);
	lose_all(world);

	assert_done(rsm_pool_find_path(rsm_manager_catalog(world->manager), "Backup", &pool,
				       &world->err),
		    &world->err);
	assert_done(rsm_medium_find(rsm_manager_catalog(world->manager), pool.id, "monday", &found,
				    &world->err),
		    &world->err);
	expect_file(world, found.id, "file", 700000, 3);
}

static void an_empty_cartridge_is_deallocated_and_another_use_relabels_it(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	int64_t medium = given_cartridge(world, pool, "monday");

	write_file(world, medium, "file", 10, 3);
	assert_int_equal(rsm_manager_deallocate(world->manager, medium, false, &world->err),
			 -ENOTEMPTY);
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	assert_done(rsm_manager_deallocate(world->manager, medium, true, &world->err), &world->err);
	for (int i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof name, "c%d", i);
		medium = given_cartridge(world, pool, name);
		write_file(world, medium, "new", 5000, 10 + (unsigned)i);
	}
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	expect_file(world, medium, "new", 5000, 13);
}

/* ---- deallocation while somebody writes ---- */

struct ending {
	struct world *world;
	int64_t medium;
	int r;
};

static void *end_it(void *argument)
{
	struct ending *ending = argument;
	struct rsm_err err;

	ending->r = rsm_manager_deallocate(ending->world->manager, ending->medium, false, &err);
	return NULL;
}

static void what_comes_while_a_cartridge_is_deallocated_is_refused_or_keeps_it(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	unsigned kept = 0, refused = 0;

	for (unsigned i = 0; i < 20; i++) {
		struct rsm_node node = { .kind = RSM_NODE_FOLDER, .mode = 0755 };
		struct ending ending = { .world = world };
		struct rsm_content *content;
		pthread_t thread;
		int r;

		ending.medium = given_cartridge(world, pool, "monday");
		assert_done(
			rsm_manager_content(world->manager, ending.medium, &content, &world->err),
			&world->err);
		assert_int_equal(pthread_create(&thread, NULL, end_it, &ending), 0);
		usleep(i * 97 % 1500);
		r = rsm_content_make(content, RSM_NODE_ROOT, "new", &node, NULL, &world->err);
		assert_int_equal(pthread_join(thread, NULL), 0);
		rsm_manager_content_unref(world->manager, content);
		assert_false(r == 0 && ending.r == 0);
		kept += r == 0;
		refused += r < 0;
		if (ending.r < 0)
			assert_done(rsm_manager_deallocate(world->manager, ending.medium, true,
							   &world->err),
				    &world->err);
	}
	assert_int_equal(kept + refused, 20);
}

/* The worker is about to write a last index when the medium gets its next owner. */
static void what_one_owner_had_never_bears_the_name_of_the_next(void **state)
{
	struct world *world = *state;
	struct rsm_allocation next = { .pool = given_pool(world, "Other"),
				       .name = "next",
				       .mode = 0755 };
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	struct rsm_catalog *catalog = rsm_manager_catalog(world->manager);
	struct rsm_medium_use use = { .staged_files = 1 };
	struct rsm_medium now;
	struct rsm_pool pool;
	char path[128];

	assert_done(rsm_manager_mount_wait(world->manager, &medium, 1, RSM_MOUNT_HOLD, 0, 0, 10000,
					   0, NULL, &world->err),
		    &world->err);
	write_file(world, medium, "secret", 3000, 1);
	for (int i = 0; i < 500 && use.staged_files; i++) {
		usleep(10000);
		assert_done(rsm_manager_medium_use(world->manager, medium, &use, &world->err),
			    &world->err);
	}
	assert_int_equal(use.staged_files, 0);
	/* as it is in the catalogue before the worker hears of it */
	assert_done(rsm_deallocate(catalog, medium, true, NULL, &world->err), &world->err);
	next.medium = medium;
	assert_done(rsm_allocate(catalog, &next, &now, &world->err), &world->err);
	world_stop(world);

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", world->folder, i ? "catalog" : "staging");
		assert_done(rsm_file_remove_tree(path, &world->err), &world->err);
	}
	world_start(world);
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, true, NULL, NULL, NULL, &world->err),
		&world->err);
	catalog = rsm_manager_catalog(world->manager);
	assert_int_equal(rsm_pool_find(catalog, RSM_POOL_TOP, "Other", &pool, &world->err),
			 RSM_POOL_ABSENT);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(a_new_library_has_its_cartridges_in_free, world_new,
					world_free),
	cmocka_unit_test_setup_teardown(what_was_written_is_read_back_from_the_medium, world_new,
					world_free),
	cmocka_unit_test_setup_teardown(
		contents_survive_a_restart_and_the_loss_of_catalogue_and_staging, world_new,
		world_free),
	cmocka_unit_test_setup_teardown(
		an_empty_cartridge_is_deallocated_and_another_use_relabels_it, world_new,
		world_free),
	cmocka_unit_test_setup_teardown(
		what_comes_while_a_cartridge_is_deallocated_is_refused_or_keeps_it, world_new,
		world_free),
	cmocka_unit_test_setup_teardown(what_one_owner_had_never_bears_the_name_of_the_next,
					world_new, world_free),
};
RSM_TEST_MAIN(tests)
