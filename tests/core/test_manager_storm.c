#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

#include <pthread.h>

enum { CARTRIDGES = 24, THREADS = 8, FILES = 3 };

static int world_large(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 2,
		.slots = 28,
		.ports = 1,
		.cartridges = CARTRIDGES,
		.capacity_bytes = (uint64_t)1 << 30,
		.no_cleaner = true,
	};

	return world_make(state, &shape);
}

struct storm {
	struct rsm_manager *manager;
	int64_t media[CARTRIDGES];
	unsigned thread;
	bool read;
	int result;
	struct rsm_err err;
};

static void *blow(void *argument)
{
	struct storm *storm = argument;

	for (unsigned file = 0; file < FILES; file++)
		for (unsigned i = 0; i < CARTRIDGES && storm->result >= 0; i++) {
			/* each thread its own files, the cartridges in another order each */
			unsigned at = (i * 7 + storm->thread * 5 + file) % CARTRIDGES;
			unsigned seed = storm->thread * 1000 + at * 10 + file;
			size_t size = 100 + seed * 37 % 900000;
			char name[32];

			if ((at + storm->thread) % 4)
				continue;
			snprintf(name, sizeof name, "t%u-f%u", storm->thread, file);
			storm->result = storm->read ? try_read(storm->manager, storm->media[at],
							       name, size, seed, &storm->err)
						    : try_write(storm->manager, storm->media[at],
								name, size, seed, &storm->err);
		}
	return NULL;
}

static void run_storm(struct world *world, const int64_t *media, bool read)
{
	static struct storm storms[THREADS];
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		storms[i] = (struct storm){ .manager = world->manager, .thread = i, .read = read };
		memcpy(storms[i].media, media, sizeof storms[i].media);
		assert_int_equal(pthread_create(&threads[i], NULL, blow, &storms[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < THREADS; i++)
		assert_done(storms[i].result, &storms[i].err);
}

static void given_cartridges(struct world *world, int64_t *media)
{
	int64_t pool = given_pool(world, "Backup");

	for (int i = 0; i < CARTRIDGES; i++) {
		char name[16];

		snprintf(name, sizeof name, "c%02d", i);
		media[i] = given_cartridge(world, pool, name);
	}
}

static void many_cartridges_are_written_and_read_over_two_drives(void **state)
{
	struct world *world = *state;
	int64_t media[CARTRIDGES];

	given_cartridges(world, media);
	run_storm(world, media, false);
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	for (int i = 0; i < CARTRIDGES; i++) {
		struct rsm_medium_use use;

		assert_done(rsm_manager_medium_use(world->manager, media[i], &use, &world->err),
			    &world->err);
		assert_int_equal(use.staged_files, 0);
	}
	run_storm(world, media, true);
	world_stop(world);
	world_start(world);
	run_storm(world, media, true);
}

/* One file on each, all open at the same time, each waiting for a drive. */
static void more_readers_than_drives_do_not_lock_each_other_out(void **state)
{
	struct world *world = *state;
	struct rsm_open_file *files[CARTRIDGES];
	struct rsm_content *contents[CARTRIDGES];
	static struct read_wait waits[CARTRIDGES];
	int64_t media[CARTRIDGES];
	static char data[CARTRIDGES][5001];

	given_cartridges(world, media);
	for (int i = 0; i < CARTRIDGES; i++)
		write_file(world, media[i], "file", 5000, (unsigned)i);
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	for (int i = 0; i < CARTRIDGES; i++) {
		struct rsm_node node;
		bool keep;

		assert_done(
			rsm_manager_content(world->manager, media[i], &contents[i], &world->err),
			&world->err);
		assert_done(
			rsm_content_lookup(contents[i], RSM_NODE_ROOT, "file", &node, &world->err),
			&world->err);
		assert_done(rsm_content_open(contents[i], node.id, O_RDONLY, &files[i], &keep,
					     &world->err),
			    &world->err);
	}
	for (int i = 0; i < CARTRIDGES; i++) {
		waits[i] = (struct read_wait){ .data = data[i] };
		waits[i].request = (struct rsm_content_read){ .size = 5000,
							      .done = read_done,
							      .context = &waits[i] };
		rsm_content_read_file(files[i], &waits[i].request);
	}
	for (int i = 0; i < CARTRIDGES; i++) {
		while (!atomic_load(&waits[i].ended))
			usleep(1000);
		assert_int_equal(waits[i].result, 0);
		assert_int_equal(waits[i].got, 5000);
		rsm_content_release(files[i]);
		rsm_manager_content_unref(world->manager, contents[i]);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(many_cartridges_are_written_and_read_over_two_drives,
					world_large, world_free),
	cmocka_unit_test_setup_teardown(more_readers_than_drives_do_not_lock_each_other_out,
					world_large, world_free),
};
RSM_TEST_MAIN(tests)
