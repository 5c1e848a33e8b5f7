/* Listing, viewing and going back to generations through a manager. */
#include <sys/stat.h>

#include "core/view.h"
#include "tests/core/manager_fixture.h"

enum { SIZE = 700000, POINTS = 16 };

struct scene {
	struct world *world;
	int64_t medium;
	struct rsm_generation_asker asker;
	struct rsm_ltfs_point points[POINTS];
	size_t count;
};

static struct scene scene;

static void done(int r)
{
	assert_done(r, &scene.world->err);
}

static void sync_all(void)
{
	done(rsm_manager_sync_wait(scene.world->manager, scene.medium, NULL, NULL, NULL,
				   &scene.world->err));
}

static void remove_file(const char *name)
{
	struct rsm_content *content;

	done(rsm_manager_content(scene.world->manager, scene.medium, &content, &scene.world->err));
	done(rsm_content_remove(content, RSM_NODE_ROOT, name, false, &scene.world->err));
	rsm_manager_content_unref(scene.world->manager, content);
}

static bool is_there(const char *name)
{
	struct rsm_content *content;
	struct rsm_node node;
	int r;

	done(rsm_manager_content(scene.world->manager, scene.medium, &content, &scene.world->err));
	r = rsm_content_lookup(content, RSM_NODE_ROOT, name, &node, &scene.world->err);
	rsm_manager_content_unref(scene.world->manager, content);
	return r == 0;
}

static void ask_for(struct world *world)
{
	scene.world = world;
	scene.asker =
		(struct rsm_generation_asker){ .manager = world->manager, .medium = scene.medium };
}

/* Generation 1 is the format's, a later one has "a" and "b", the last has not "b", but "c". */
static int begin(void **state)
{
	void *world = NULL;

	(void)state;
	memset(&scene, 0, sizeof scene);
	if (world_new(&world))
		return -1;
	scene.world = world;
	world_stop(world);
	scene.world->dismount_delay_s = 600; /* it is taken home when a test says so */
	world_start(world);
	scene.medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	ask_for(world);
	write_file(world, scene.medium, "a", SIZE, 1);
	write_file(world, scene.medium, "b", SIZE, 2);
	sync_all();
	remove_file("b");
	write_file(world, scene.medium, "c", SIZE, 3);
	sync_all();
	return 0;
}

static int end(void **state)
{
	void *world = scene.world;

	(void)state;
	return world_free(&world);
}

static void list(void)
{
	RSM_CLEANUP(rsm_ltfs_history_free) struct rsm_ltfs_history *history = NULL;
	int r;

	scene.count = 0;
	done(rsm_ltfs_history_new(RSM_LTFS_HISTORY_RECORDS, &history, &scene.world->err));
	do {
		size_t more;

		/* few at a time: it goes on where it stopped */
		assert_true(scene.count + 2 <= POINTS);
		r = rsm_generation_next_wait(&scene.asker, history, &scene.points[scene.count], 2,
					     &more, &scene.world->err);
		if (r < 0)
			fail_msg("%s", scene.world->err.msg);
		scene.count += more;
	} while (r == 0);
}

static uint64_t newest(void)
{
	uint64_t best = 0;

	list();
	for (size_t i = 0; i < scene.count; i++)
		if (scene.points[i].generation > best)
			best = scene.points[i].generation;
	return best;
}

/* A generation, the newest or the oldest one, that holds so many files. */
static uint64_t generation_of(uint64_t files, bool newest_first)
{
	uint64_t found = 0;

	list();
	for (size_t i = 0; i < scene.count; i++)
		if (scene.points[i].counted && scene.points[i].bytes == files * SIZE &&
		    (!found || !newest_first))
			found = scene.points[i].generation;
	assert_true(found > 0);
	return found;
}

static uint64_t first_with_both(void)
{
	return generation_of(2, false);
}

static uint64_t roll_back(uint64_t generation)
{
	uint64_t before, made;

	done(rsm_generation_rollback_wait(&scene.asker, generation, &before, &made,
					  &scene.world->err));
	assert_true(made > before);
	return before;
}

static void generations_are_listed_while_others_read(void **state)
{
	(void)state;
	list();
	assert_true(scene.count >= 3);
	assert_int_equal(scene.points[scene.count - 1].generation, 1);
	assert_int_equal(scene.points[scene.count - 1].bytes, 0);
	assert_int_equal(scene.points[1].files, 2);
	assert_int_equal(scene.points[1].bytes, 2 * SIZE);
	expect_file(scene.world, scene.medium, "a", SIZE, 1);
}

static int read_view(uint64_t number, const char *name, unsigned seed)
{
	struct read_wait wait = { .data = malloc(SIZE + 1) };
	RSM_FREE char *expected = malloc(SIZE), *data = wait.data;
	struct rsm_open_file *file;
	struct rsm_content *content;
	struct rsm_view_info info;
	struct rsm_node node;
	bool keep;
	int r;

	fill_pattern(expected, SIZE, seed);
	assert_int_equal(rsm_view_content(scene.world->manager, number, &content, &info), 0);
	r = rsm_content_lookup(content, RSM_NODE_ROOT, name, &node, &scene.world->err);
	if (r == 0) {
		done(rsm_content_open(content, node.id, O_RDONLY, &file, &keep, &scene.world->err));
		wait.request = (struct rsm_content_read){ .size = SIZE + 1,
							  .done = read_done,
							  .context = &wait };
		rsm_content_read_file(file, &wait.request);
		while (!atomic_load(&wait.ended))
			usleep(500);
		rsm_content_release(file);
		r = wait.result;
		if (r == 0) {
			assert_int_equal(wait.got, SIZE);
			assert_memory_equal(data, expected, SIZE);
		}
	}
	rsm_view_content_unref(content);
	return r;
}

static void an_old_generation_is_read_from_the_medium(void **state)
{
	struct rsm_view_info info, again;

	(void)state;
	done(rsm_view_open_wait(&scene.asker, first_with_both(), &info, &scene.world->err));
	done(rsm_view_open_wait(&scene.asker, info.generation, &again, &scene.world->err));
	assert_int_equal(again.number, info.number);

	assert_int_equal(read_view(info.number, "a", 1), 0);
	assert_int_equal(read_view(info.number, "b", 2), 0);
	assert_int_equal(read_view(info.number, "c", 3), RSM_NODE_ABSENT);
	done(rsm_manager_dismount_wait(scene.world->manager, scene.medium, false, NULL,
				       &scene.world->err));
	assert_int_equal(read_view(info.number, "b", 2), 0);

	done(rsm_view_close(scene.world->manager, scene.medium, info.generation,
			    &scene.world->err));
	assert_int_equal(rsm_view_find(scene.world->manager, scene.medium, info.generation, &again),
			 RSM_VIEW_ABSENT);
}

static void a_view_takes_no_changes(void **state)
{
	struct rsm_node node = { .kind = RSM_NODE_FOLDER };
	struct rsm_view_info info;
	struct rsm_content *content;

	(void)state;
	done(rsm_view_open_wait(&scene.asker, first_with_both(), &info, &scene.world->err));
	assert_int_equal(rsm_view_content(scene.world->manager, info.number, &content, &info), 0);
	assert_int_equal(
		rsm_content_make(content, RSM_NODE_ROOT, "d", &node, NULL, &scene.world->err),
		-EROFS);
	assert_int_equal(rsm_content_remove(content, RSM_NODE_ROOT, "a", false, &scene.world->err),
			 -EROFS);
	rsm_view_content_unref(content);
}

static void a_view_with_an_open_file_does_not_end(void **state)
{
	struct rsm_open_file *file;
	struct rsm_view_info info;
	struct rsm_content *content;
	struct rsm_node node;
	bool keep;

	(void)state;
	done(rsm_view_open_wait(&scene.asker, first_with_both(), &info, &scene.world->err));
	assert_int_equal(rsm_view_content(scene.world->manager, info.number, &content, &info), 0);
	done(rsm_content_lookup(content, RSM_NODE_ROOT, "a", &node, &scene.world->err));
	done(rsm_content_open(content, node.id, O_RDONLY, &file, &keep, &scene.world->err));

	assert_int_equal(rsm_view_close(scene.world->manager, scene.medium, info.generation,
					&scene.world->err),
			 -EBUSY);
	rsm_content_release(file);
	done(rsm_view_close(scene.world->manager, scene.medium, info.generation,
			    &scene.world->err));
	rsm_view_content_unref(content);
}

static void a_view_of_a_volume_that_is_gone_reads_nothing_else(void **state)
{
	struct rsm_view_info info, others[RSM_VIEWS_MAX];

	(void)state;
	done(rsm_view_open_wait(&scene.asker, first_with_both(), &info, &scene.world->err));
	done(rsm_manager_deallocate(scene.world->manager, scene.medium, true, &scene.world->err));

	assert_int_equal(read_view(info.number, "a", 1), -ESTALE);
	assert_true(rsm_view_open_wait(&scene.asker, 99, others, &scene.world->err) < 0);
	assert_int_equal(rsm_view_list(scene.world->manager, 0, others), 0);
}

static void a_generation_that_is_not_there_is_an_error(void **state)
{
	uint64_t before, made;
	struct rsm_view_info info;

	(void)state;
	assert_int_equal(rsm_view_open_wait(&scene.asker, 77, &info, &scene.world->err), -ENOENT);
	assert_non_null(strstr(scene.world->err.msg, ": generation 77 is not on the medium"));
	assert_int_equal(
		rsm_generation_rollback_wait(&scene.asker, 77, &before, &made, &scene.world->err),
		-ENOENT);
}

static void a_rollback_brings_the_old_files_back(void **state)
{
	uint64_t before;

	(void)state;
	before = roll_back(first_with_both());
	expect_file(scene.world, scene.medium, "a", SIZE, 1);
	expect_file(scene.world, scene.medium, "b", SIZE, 2);
	assert_false(is_there("c"));

	roll_back(before);
	expect_file(scene.world, scene.medium, "a", SIZE, 1);
	expect_file(scene.world, scene.medium, "c", SIZE, 3);
	assert_false(is_there("b"));
}

static void what_is_only_in_the_cache_becomes_a_generation_first(void **state)
{
	uint64_t before;

	(void)state;
	remove_file("a"); /* in no index yet */
	before = roll_back(first_with_both());
	assert_true(is_there("a") && is_there("b"));

	roll_back(before);
	assert_false(is_there("a"));
	expect_file(scene.world, scene.medium, "c", SIZE, 3);
}

static void a_rollback_survives_the_process(void **state)
{
	(void)state;
	roll_back(first_with_both());
	world_crash(scene.world);
	world_start(scene.world);
	ask_for(scene.world);
	expect_file(scene.world, scene.medium, "b", SIZE, 2);
	write_file(scene.world, scene.medium, "d", SIZE, 4);
	sync_all();
	assert_int_equal(generation_of(3, true), newest());
}

static void staged_files_keep_a_rollback_away(void **state)
{
	uint64_t before, made, generation = first_with_both();

	(void)state;
	world_stop(scene.world);
	scene.world->migrate_delay_ms = 600000; /* "d" stays staged */
	world_start(scene.world);
	ask_for(scene.world);
	write_file(scene.world, scene.medium, "d", SIZE, 4);
	assert_int_equal(rsm_generation_rollback_wait(&scene.asker, generation, &before, &made,
						      &scene.world->err),
			 -EBUSY);
	assert_non_null(strstr(scene.world->err.msg, "rsm sync"));
	expect_file(scene.world, scene.medium, "d", SIZE, 4);
	sync_all();
	roll_back(generation);
	assert_false(is_there("d"));
}

static void open_files_keep_a_rollback_away(void **state)
{
	uint64_t before, made, generation = first_with_both();
	struct rsm_open_file *file;
	struct rsm_content *content;
	struct rsm_node node;
	bool keep;

	(void)state;
	done(rsm_manager_content(scene.world->manager, scene.medium, &content, &scene.world->err));
	done(rsm_content_lookup(content, RSM_NODE_ROOT, "a", &node, &scene.world->err));
	done(rsm_content_open(content, node.id, O_RDONLY, &file, &keep, &scene.world->err));
	assert_int_equal(rsm_generation_rollback_wait(&scene.asker, generation, &before, &made,
						      &scene.world->err),
			 -EBUSY);
	rsm_content_release(file);
	/* changes are taken again */
	done(rsm_content_remove(content, RSM_NODE_ROOT, "a", false, &scene.world->err));
	rsm_manager_content_unref(scene.world->manager, content);
}

static void a_complete_cartridge_is_not_rolled_back(void **state)
{
	uint64_t before, made, generation = first_with_both();

	(void)state;
	done(rsm_manager_complete(scene.world->manager, scene.medium, &scene.world->err));
	assert_int_equal(rsm_generation_rollback_wait(&scene.asker, generation, &before, &made,
						      &scene.world->err),
			 -EROFS);
	assert_true(is_there("c"));
}

static void what_a_crash_leaves_of_views_goes_at_the_start(void **state)
{
	char path[128];
	struct stat st;

	(void)state;
	world_stop(scene.world);
	snprintf(path, sizeof path, "%s/staging/.views/7", scene.world->folder);
	done(rsm_file_make_folders(path, 0700, &scene.world->err));
	world_start(scene.world);
	assert_int_equal(stat(path, &st), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static const struct CMUnitTest tests[] = {
	TEST(generations_are_listed_while_others_read),
	TEST(an_old_generation_is_read_from_the_medium),
	TEST(a_view_takes_no_changes),
	TEST(a_view_with_an_open_file_does_not_end),
	TEST(a_view_of_a_volume_that_is_gone_reads_nothing_else),
	TEST(a_generation_that_is_not_there_is_an_error),
	TEST(a_rollback_brings_the_old_files_back),
	TEST(what_is_only_in_the_cache_becomes_a_generation_first),
	TEST(a_rollback_survives_the_process),
	TEST(staged_files_keep_a_rollback_away),
	TEST(open_files_keep_a_rollback_away),
	TEST(a_complete_cartridge_is_not_rolled_back),
	TEST(what_a_crash_leaves_of_views_goes_at_the_start),
};

RSM_TEST_MAIN(tests)
