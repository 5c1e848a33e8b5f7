#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/undelete.h"
#include "tests/core/copy_fixture.h"

static void a_second_cartridge_gets_what_the_first_has(void **state)
{
	struct world *world = *state;
	int64_t first = given_cartridge(world, given_doubled_pool(world, "Backup"), "monday");
	struct rsm_content *content = content_of(world, first);
	struct rsm_node folder = { .kind = RSM_NODE_FOLDER,
				   .mode = 0750,
				   .flags = RSM_NODE_HAS_UNIX },
			link = { .kind = RSM_NODE_LINK }, one, other;
	int64_t copy;

	write_file(world, first, "file", 3000000, 7);
	write_file(world, first, "empty", 0, 7);
	assert_done(rsm_content_make(content, RSM_NODE_ROOT, "folder", &folder, NULL, &world->err),
		    &world->err);
	assert_done(rsm_content_make(content, folder.id, "link", &link, "../file", &world->err),
		    &world->err);
	one = node_of(world, first, "", "file");
	assert_done(rsm_content_set_xattr(content, one.id, "note", "hello", 5, 0, &world->err),
		    &world->err);
	rsm_manager_content_unref(world->manager, content);

	copy = await_step(world, first);

	expect_file(world, copy, "file", 3000000, 7);
	expect_file(world, copy, "empty", 0, 7);
	one = node_of(world, first, "folder", "link");
	other = node_of(world, copy, "folder", "link");
	assert_memory_equal(&one.times, &other.times, sizeof one.times);
	one = node_of(world, first, "", "folder");
	other = node_of(world, copy, "", "folder");
	assert_int_equal(other.mode, 0750);
	assert_memory_equal(&one.times, &other.times, sizeof one.times);
	one = node_of(world, first, "", "file");
	other = node_of(world, copy, "", "file");
	assert_int_equal(one.size, other.size);
	assert_memory_equal(&one.times, &other.times, sizeof one.times);
	content = content_of(world, copy);
	{
		RSM_TEXT struct rsm_text note = { 0 };

		assert_done(rsm_content_get_xattr(content, other.id, "note", &note, &world->err),
			    &world->err);
		assert_memory_equal(note.data, "hello", 5);
	}
	rsm_manager_content_unref(world->manager, content);
}

static bool count_pool(void *context, const struct rsm_pool *pool)
{
	(void)pool;
	++*(int *)context;
	return true;
}

static void a_copy_is_no_name_in_the_tree(void **state)
{
	struct world *world = *state;
	int64_t pool = given_doubled_pool(world, "Backup");
	int64_t first = given_cartridge(world, pool, "monday");
	struct rsm_pool found;
	int pools = 0;

	await_step(world, first);

	assert_done(rsm_pool_get(catalog_of(world), pool, &found, &world->err), &world->err);
	assert_int_equal(found.allocated, 1);
	assert_int_equal(found.media, 1);
	assert_done(
		rsm_pool_list(catalog_of(world), RSM_POOL_TOP, "", count_pool, &pools, &world->err),
		&world->err);
	assert_int_equal(pools, 4); /* Backup, Free, Import, Unrecognized */
	assert_int_equal(rsm_pool_find(catalog_of(world), RSM_POOL_TOP, RSM_COPY_POOL_GUID, &found,
				       &world->err),
			 RSM_POOL_ABSENT);
}

static void changes_moves_and_removals_follow(void **state)
{
	struct world *world = *state;
	int64_t first = given_cartridge(world, given_doubled_pool(world, "Backup"), "monday");
	struct rsm_node folder = { .kind = RSM_NODE_FOLDER }, before, after;
	struct rsm_content *content;
	int64_t copy;

	write_file(world, first, "moved", 200000, 1);
	write_file(world, first, "gone", 1000, 2);
	write_file(world, first, "rewritten", 1000, 3);
	copy = await_step(world, first);
	before = node_of(world, copy, "", "moved");

	content = content_of(world, first);
	assert_done(rsm_content_make(content, RSM_NODE_ROOT, "folder", &folder, NULL, &world->err),
		    &world->err);
	assert_done(rsm_content_rename(content, RSM_NODE_ROOT, "moved", folder.id, "here", 0,
				       &world->err),
		    &world->err);
	assert_done(rsm_content_remove(content, RSM_NODE_ROOT, "gone", false, &world->err),
		    &world->err);
	assert_done(rsm_content_remove(content, RSM_NODE_ROOT, "rewritten", false, &world->err),
		    &world->err);
	rsm_manager_content_unref(world->manager, content);
	write_file(world, first, "rewritten", 500000, 4);
	for (int i = 0; i < 200 && strcmp(state_of(world, first, NULL), "behind") != 0; i++)
		usleep(5000);
	await_step(world, first);

	assert_int_equal(node_of(world, copy, "", "gone").id, 0);
	assert_int_equal(node_of(world, copy, "", "moved").id, 0);
	expect_file(world, copy, "rewritten", 500000, 4);
	after = node_of(world, copy, "folder", "here");
	assert_int_equal(after.size, 200000);
	assert_int_equal(after.id, before.id); /* moved, not written again */
}

static void what_the_first_cannot_give_the_copy_gives(void **state)
{
	struct world *world = *state;
	int64_t first = given_cartridge(world, given_doubled_pool(world, "Backup"), "monday");

	write_file(world, first, "file", 1500000, 7);
	await_step(world, first);
	sync_all(world);
	go_home(world, first);
	carry_away(world, first);

	expect_file(world, first, "file", 1500000, 7);
}

static void a_damaged_file_is_read_from_the_copy(void **state)
{
	struct world *world = *state;
	int64_t first = given_cartridge(world, given_doubled_pool(world, "Backup"), "monday");
	struct rsm_medium medium;
	char path[256];
	struct stat st;
	int64_t copy;

	write_file(world, first, "file", 1500000, 7);
	copy = await_step(world, first);
	sync_all(world);
	go_home(world, first);
	go_home(world, copy);
	medium = medium_of(world, first);
	snprintf(path, sizeof path, "%s/slots/%u/%s/partition1.tap", world->folder, medium.element,
		 medium.barcode);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size / 2), 0);

	expect_file(world, first, "file", 1500000, 7);
}

static void a_deallocation_releases_both(void **state)
{
	struct world *world = *state;
	int64_t pool = given_doubled_pool(world, "Backup");
	int64_t first = given_cartridge(world, pool, "monday"), copy;
	struct rsm_copy none;

	write_file(world, first, "file", 1000, 7);
	copy = await_step(world, first);
	assert_done(rsm_manager_deallocate(world->manager, first, true, &world->err), &world->err);

	assert_int_equal(medium_of(world, copy).state, RSM_MEDIUM_UNPREPARED);
	assert_int_equal(medium_of(world, copy).pool, medium_of(world, first).pool);
	assert_int_equal(rsm_copy_get(catalog_of(world), copy, &none, &world->err),
			 RSM_COPY_ABSENT);
}

/* What is given back of a complete one takes no changes, whichever of the two it is. */
static void the_copy_of_a_complete_one_comes_back_complete(void **state)
{
	struct world *world = *state;
	int64_t pool = given_doubled_pool(world, "Backup");
	int64_t first = given_cartridge(world, pool, "monday"), copy;
	struct rsm_former former;

	write_file(world, first, "file", 1000, 7);
	copy = await_step(world, first);
	assert_done(rsm_manager_complete(world->manager, first, &world->err), &world->err);
	assert_done(rsm_manager_deallocate(world->manager, first, true, &world->err), &world->err);

	assert_done(rsm_former_get(catalog_of(world), copy, &former, &world->err), &world->err);
	assert_true(former.complete);
}

static void a_death_between_the_two_is_caught_up_with(void **state)
{
	struct world *world = *state;
	int64_t first = given_cartridge(world, given_doubled_pool(world, "Backup"), "monday");

	write_file(world, first, "early", 1000, 1);
	await_step(world, first);
	for (unsigned i = 0; i < 6; i++) {
		char name[16];

		snprintf(name, sizeof name, "file%u", i);
		write_file(world, first, name, 300000, i);
		usleep(i * 120000);
		world_crash(world);
		world_start(world);
	}
	/* nobody may believe that it is in step before it is */
	for (int i = 0; i < 300; i++) {
		struct rsm_copy pair;

		(void)state_of(world, first, &pair);
		if (pair.copy && pair.seen == pair.done &&
		    node_of(world, pair.copy, "", "file5").id)
			break;
		usleep(10000);
	}
	{
		int64_t copy = await_step(world, first);

		for (unsigned i = 0; i < 6; i++) {
			char name[16];

			snprintf(name, sizeof name, "file%u", i);
			expect_file(world, copy, name, 300000, i);
		}
	}
}

static void one_drive_is_enough(void **state)
{
	struct world *world = *state;
	int64_t first = given_cartridge(world, given_pool(world, "Backup"), "monday"), copy;
	struct rsm_pool pool;

	write_file(world, first, "file", 3000000, 7);
	sync_all(world);
	go_home(world, first);
	assert_done(rsm_pool_find_path(catalog_of(world), "Backup", &pool, &world->err),
		    &world->err);

	/* it is asked for when all is on the medium already */
	assert_done(rsm_pool_set_copies(catalog_of(world), pool.id, 2, &world->err), &world->err);
	copy = await_step(world, first);

	expect_file(world, copy, "file", 3000000, 7);
}

static int one_drive(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 1,
		.slots = 8,
		.ports = 2,
		.cartridges = 4,
		.capacity_bytes = (uint64_t)1 << 30,
	};

	return world_make(state, &shape);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, world_new, world_free)

static bool take_copy_item(void *context, const struct rsm_work_item *item)
{
	if (item->kind == RSM_WORK_COPY)
		*(struct rsm_work_item *)context = *item;
	return true;
}

static struct rsm_work_item copy_item(struct world *world, bool open_only)
{
	struct rsm_work_item item = { 0 };

	rsm_copy_note_item(world->manager);
	assert_done(rsm_work_item_list(catalog_of(world), open_only, take_copy_item, &item,
				       &world->err),
		    &world->err);
	return item;
}

/* It has to read what is on the first, and others hold both drives. */
static void a_catch_up_that_takes_long_is_a_work_item_and_can_be_cancelled(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup"), other = given_pool(world, "Other"),
		first = given_cartridge(world, pool, "monday"),
		held[2] = { given_cartridge(world, other, "b"),
			    given_cartridge(world, other, "c") };
	struct rsm_work_item item = { 0 };
	struct rsm_copy pair;

	write_file(world, first, "file", 300000, 7);
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	assert_done(rsm_manager_mount_wait(world->manager, held, 2, RSM_MOUNT_HOLD, 0, 0, 10000, 0,
					   NULL, &world->err),
		    &world->err);
	assert_done(rsm_pool_set_copies(catalog_of(world), pool, 2, &world->err), &world->err);
	rsm_manager_pools_changed(world->manager);
	for (int i = 0; i < 1000 && !item.id; i++) {
		usleep(5000);
		item = copy_item(world, true);
	}
	if (!item.id)
		fail_msg("monday is %s, and that is no work item", state_of(world, first, NULL));
	assert_int_equal(item.state, RSM_WORK_IN_PROCESS);
	assert_non_null(strstr(item.text, medium_of(world, first).shown));

	assert_done(rsm_manager_cancel_item(world->manager, &item, NULL, &world->err), &world->err);
	for (int i = 0; i < 1000 && copy_item(world, true).id; i++)
		usleep(5000);
	assert_int_equal(copy_item(world, false).state, RSM_WORK_CANCELLED);
	assert_int_equal(rsm_manager_cancel_item(world->manager, &item, NULL, &world->err),
			 -ENOENT);
	assert_string_equal(state_of(world, first, &pair), "behind");
	assert_int_equal(item.medium, pair.copy);
}

/* Whoever interrupted the keeper, it goes on with the others. */
static void a_first_that_is_ejected_in_the_midst_keeps_no_other_from_its_copy(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup"), other = given_pool(world, "Other"),
		first = given_cartridge(world, pool, "monday"),
		held[2] = { given_cartridge(world, other, "b"),
			    given_cartridge(world, other, "c") };
	struct rsm_copy pair = { 0 };

	write_file(world, first, "file", 300000, 7);
	sync_all(world);
	assert_done(rsm_manager_mount_wait(world->manager, held, 2, RSM_MOUNT_HOLD, 0, 0, 10000, 0,
					   NULL, &world->err),
		    &world->err);
	assert_done(rsm_pool_set_copies(catalog_of(world), pool, 2, &world->err), &world->err);
	rsm_manager_pools_changed(world->manager);
	for (int i = 0; i < 1000 && !copy_item(world, true).id; i++)
		usleep(5000);
	assert_int_not_equal(copy_item(world, true).id, 0);
	assert_done(rsm_manager_eject_wait(world->manager, first, false, NULL, &world->err),
		    &world->err);

	go_home(world, held[0]);
	assert_done(rsm_manager_deallocate(world->manager, held[0], true, &world->err),
		    &world->err);
	assert_done(rsm_pool_set_copies(catalog_of(world), other, 2, &world->err), &world->err);
	rsm_manager_pools_changed(world->manager);
	for (int i = 0; i < 500 && !pair.copy; i++) {
		usleep(10000);
		state_of(world, held[1], &pair);
	}
	assert_int_not_equal(pair.copy, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		EACH(a_second_cartridge_gets_what_the_first_has),
		EACH(a_copy_is_no_name_in_the_tree),
		EACH(changes_moves_and_removals_follow),
		EACH(what_the_first_cannot_give_the_copy_gives),
		EACH(a_damaged_file_is_read_from_the_copy),
		EACH(a_deallocation_releases_both),
		EACH(the_copy_of_a_complete_one_comes_back_complete),
		EACH(a_death_between_the_two_is_caught_up_with),
		EACH(a_first_that_is_ejected_in_the_midst_keeps_no_other_from_its_copy),
		EACH(a_catch_up_that_takes_long_is_a_work_item_and_can_be_cancelled),
		cmocka_unit_test_setup_teardown(one_drive_is_enough, one_drive, world_free),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
