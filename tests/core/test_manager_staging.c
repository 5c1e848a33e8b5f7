/* A staging area that is nearly full: the workers empty it at once. */
#include "tests/core/manager_fixture.h"

#include <pthread.h>

#include "core/media.h"
#include "core/volume_index.h"

enum { MIB = 1 << 20, PIECE = 128 * 1024 };

/* Restarts the world with a small staging area. */
static void given_staging(struct world *world, uint64_t limit, uint64_t stream_size)
{
	world_stop(world);
	world->staging_limit = limit;
	world->stream_size = stream_size;
	world_start(world);
}

static uint64_t used(struct world *world)
{
	return rsm_staging_space_used(rsm_manager_staging(world->manager));
}

static void assert_soon(struct world *world, bool (*holds)(struct world *world))
{
	for (int i = 0; i < 1500 && !holds(world); i++)
		usleep(10000);
	assert_true(holds(world));
}

static bool is_empty(struct world *world)
{
	return used(world) == 0;
}

struct writer {
	struct world *world;
	pthread_t thread;
	int64_t medium;
	size_t size;
	unsigned seed, waits;
	struct rsm_err err;
	int result;
};

/* As the front end does: what has to wait is tried again. */
static void *write_large(void *argument)
{
	struct writer *writer = argument;
	struct rsm_node node = { .kind = RSM_NODE_FILE, .mode = 0644, .flags = RSM_NODE_HAS_UNIX };
	struct rsm_content *content;
	struct rsm_open_file *file;
	char *data = malloc(writer->size + 1);
	int r;

	fill_pattern(data, writer->size, writer->seed);
	r = rsm_manager_content(writer->world->manager, writer->medium, &content, &writer->err);
	if (r == 0)
		r = rsm_content_create(content, RSM_NODE_ROOT, "large", &node, O_RDWR, &file,
				       &writer->err);
	for (size_t at = 0; r == 0 && at < writer->size;) {
		size_t n = writer->size - at < PIECE ? writer->size - at : PIECE;

		r = rsm_content_write_file(file, data + at, n, at, &writer->err);
		if (r == RSM_CONTENT_WAIT) {
			writer->waits++;
			usleep(2000);
			r = 0;
		} else {
			at += n;
		}
	}
	free(data);
	writer->result = r;
	if (r == 0)
		writer->result = rsm_content_flush_file(file, &writer->err);
	rsm_content_release(file);
	rsm_manager_content_unref(writer->world->manager, content);
	return NULL;
}

static void begin(struct world *world, struct writer *writer, int64_t medium, size_t size)
{
	*writer = (struct writer){
		.world = world, .medium = medium, .size = size, .seed = (unsigned)medium
	};
	assert_int_equal(pthread_create(&writer->thread, NULL, write_large, writer), 0);
}

static void a_file_larger_than_the_staging_area_is_taken(void **state)
{
	struct world *world = *state;
	struct writer writer;
	int64_t medium;

	given_staging(world, 8 * MIB, 0);
	medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	begin(world, &writer, medium, 40 * MIB);
	pthread_join(writer.thread, NULL);
	assert_done(writer.result, &writer.err);
	assert_true(writer.waits > 0);
	assert_true(atomic_load(&world->rooms) > 0);
	expect_file(world, medium, "large", 40 * MIB, writer.seed);
	world_stop(world);
	world_start(world);
	expect_file(world, medium, "large", 40 * MIB, writer.seed);
}

static void more_cartridges_than_drives_share_a_small_staging_area(void **state)
{
	struct world *world = *state;
	struct writer writers[4];
	int64_t pool;

	given_staging(world, 8 * MIB, 0);
	pool = given_pool(world, "Backup");
	for (int i = 0; i < 4; i++) {
		char name[8];

		snprintf(name, sizeof name, "c%d", i);
		begin(world, &writers[i], given_cartridge(world, pool, name), 12 * MIB);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(writers[i].thread, NULL);
	for (int i = 0; i < 4; i++) {
		assert_done(writers[i].result, &writers[i].err);
		expect_file(world, writers[i].medium, "large", 12 * MIB, writers[i].seed);
	}
}

static void a_nearly_full_area_is_given_back_without_a_sync(void **state)
{
	struct world *world = *state;
	int64_t medium;

	given_staging(world, 8 * MIB, 0);
	medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	write_file(world, medium, "file", 7 * MIB, 1);
	assert_soon(world, is_empty);
	expect_file(world, medium, "file", 7 * MIB, 1);
}

static void a_large_open_file_is_streamed_without_pressure(void **state)
{
	struct world *world = *state;
	struct rsm_node node = { .kind = RSM_NODE_FILE, .mode = 0644, .flags = RSM_NODE_HAS_UNIX };
	struct rsm_content *content;
	struct rsm_open_file *file;
	char *data = calloc(1, 9 * MIB);
	struct rsm_content_use use;
	int64_t medium;

	given_staging(world, 0, 8 * MIB);
	medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	assert_done(rsm_manager_content(world->manager, medium, &content, &world->err),
		    &world->err);
	assert_done(rsm_content_create(content, RSM_NODE_ROOT, "open", &node, O_RDWR, &file,
				       &world->err),
		    &world->err);
	for (size_t at = 0; at < 9 * MIB; at += MIB)
		assert_done(rsm_content_write_file(file, data, MIB, at, &world->err), &world->err);
	for (int i = 0; i < 1500; i++) {
		rsm_content_use(content, &use);
		if (use.waiting_bytes <= MIB)
			break;
		usleep(10000);
	}
	assert_true(use.waiting_bytes <= MIB);
	assert_int_equal(used(world), 9 * MIB); /* until an index covers it */
	rsm_content_release(file);
	rsm_manager_content_unref(world->manager, content);
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
	assert_soon(world, is_empty);
	free(data);
}

static void what_is_deleted_makes_room(void **state)
{
	struct world *world = *state;
	struct rsm_staging_space *space;
	struct rsm_content *content;
	int64_t medium;

	given_staging(world, 64 * MIB, 0);
	medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	write_file(world, medium, "file", MIB, 1);
	space = rsm_manager_staging(world->manager);
	rsm_staging_space_refused(space);
	assert_true(rsm_staging_space_is_tight(space));
	assert_done(rsm_manager_content(world->manager, medium, &content, &world->err),
		    &world->err);
	assert_done(rsm_content_remove(content, RSM_NODE_ROOT, "file", false, &world->err),
		    &world->err);
	rsm_manager_content_unref(world->manager, content);
	world_stop(world);
	assert_true(atomic_load(&world->rooms) > 0);
	world_start(world);
	assert_soon(world, is_empty);
}

/* staging/ was lost, and the process died while the medium's index was read for the first time. */
static void a_tree_that_was_never_read_is_not_an_empty_one(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "P"), "c");
	struct rsm_volume_index *blank;
	struct rsm_content *content;
	struct rsm_medium m;
	char folder[300], path[320];

	write_file(world, medium, "file", 100000, 1);
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
	assert_done(rsm_medium_get(rsm_manager_catalog(world->manager), medium, &m, &world->err),
		    &world->err);
	world_stop(world);
	snprintf(folder, sizeof folder, "%s/staging/%s", world->folder, m.volume_uuid);
	snprintf(path, sizeof path, "%s/index.db", folder);
	assert_done(rsm_file_remove_tree(folder, &world->err), &world->err);
	assert_done(rsm_file_make_folders(folder, 0700, &world->err), &world->err);
	assert_done(rsm_volume_index_open(path, &blank, &world->err), &world->err);
	rsm_volume_index_close(blank);

	world_start(world);
	assert_int_equal(rsm_manager_content(world->manager, medium, &content, &world->err),
			 RSM_MANAGER_MUST_MOUNT);
	assert_int_not_equal(rsm_manager_deallocate(world->manager, medium, false, &world->err), 0);
	assert_done(rsm_manager_mount_wait(world->manager, &medium, 1, 0, 0, 0, 0, 0, NULL,
					   &world->err),
		    &world->err);
	expect_file(world, medium, "file", 100000, 1);
}

#define WORLD(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)

static const struct CMUnitTest tests[] = {
	WORLD(a_file_larger_than_the_staging_area_is_taken),
	WORLD(more_cartridges_than_drives_share_a_small_staging_area),
	WORLD(a_nearly_full_area_is_given_back_without_a_sync),
	WORLD(a_large_open_file_is_streamed_without_pressure),
	WORLD(what_is_deleted_makes_room),
	WORLD(a_tree_that_was_never_read_is_not_an_empty_one),
};
RSM_TEST_MAIN(tests)
