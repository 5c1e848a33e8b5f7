/* What becomes of a copy when the catalogue, the first cartridge or its newest index is lost. */
#include <errno.h>
#include <stdlib.h>

#include "core/undelete.h"
#include "tests/core/copy_fixture.h"

static void bring_back(struct world *world, const struct rsm_medium *medium)
{
	char from[256], to[256];

	snprintf(from, sizeof from, "%s/shelf/%s", world->folder, medium->barcode);
	snprintf(to, sizeof to, "%s/slots/%u/%s", world->folder, medium->element, medium->barcode);
	assert_int_equal(rename(from, to), 0);
}

static void lose_catalogue(struct world *world)
{
	lose_all(world);
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, true, NULL, NULL, NULL, &world->err),
		&world->err);
}

static int64_t found(struct world *world, const char *name)
{
	struct rsm_pool pool;
	struct rsm_medium medium;

	assert_int_equal(rsm_pool_find_path(catalog_of(world), "Backup", &pool, &world->err), 0);
	assert_int_equal(rsm_medium_find(catalog_of(world), pool.id, name, &medium, &world->err),
			 0);
	assert_int_equal(pool.allocated, 1);
	return medium.id;
}

static void a_copy_is_one_again_when_the_catalogue_was_lost(void **state)
{
	struct world *world = *state;
	int64_t first = given_cartridge(world, given_doubled_pool(world, "Backup"), "monday");
	struct rsm_medium before, copy_before;
	struct rsm_copy pair;
	int64_t copy;

	write_file(world, first, "file", 1500000, 7);
	copy = await_step(world, first);
	sync_all(world);
	before = medium_of(world, first);
	copy_before = medium_of(world, copy);
	lose_catalogue(world);

	first = found(world, "monday");
	assert_string_equal(medium_of(world, first).barcode, before.barcode);
	assert_string_equal(medium_of(world, first).lmid, before.lmid);
	assert_done(rsm_copy_find(catalog_of(world), first, &pair, &world->err), &world->err);
	assert_string_equal(medium_of(world, pair.copy).barcode, copy_before.barcode);
	await_step(world, first);
	expect_file(world, first, "file", 1500000, 7);
}

/* The medium as it is now, beside the library; and back. Nothing has it open. */
static void lay_by(struct world *world, const char *barcode, unsigned slot, bool back)
{
	char here[160], there[160], command[512];

	snprintf(here, sizeof here, "%s/slots/%u/%s", world->folder, slot, barcode);
	snprintf(there, sizeof there, "%s/laid-by", world->folder);
	snprintf(command, sizeof command, "rm -rf %s && cp -a %s %s", back ? here : there,
		 back ? there : here, back ? here : there);
	assert_int_equal(system(command), 0);
}

/* As soon as the copy has that; before, nobody may have noticed that the first one has it. */
static int64_t await_on_copy(struct world *world, int64_t first, const char *name, uint64_t size)
{
	struct rsm_copy pair = { 0 };

	for (int i = 0; i < 500; i++) {
		(void)state_of(world, first, &pair);
		if (node_of(world, pair.copy, "", name).size == size)
			return await_step(world, first);
		usleep(10000);
	}
	fail_msg("the copy has no %s", name);
	return 0;
}

static void remove_file(struct world *world, int64_t medium, const char *name)
{
	struct rsm_content *content = content_of(world, medium);

	assert_done(rsm_content_remove(content, RSM_NODE_ROOT, name, false, &world->err),
		    &world->err);
	rsm_manager_content_unref(world->manager, content);
}

/* None is longer. */
static const char *long_name(char name[256], const char *suffix)
{
	memset(name, 'n', 255);
	memcpy(name + 255 - strlen(suffix), suffix, strlen(suffix) + 1);
	return name;
}

/* Its newest indexes cannot be read any more, as far as anybody can tell. */
static void first_falls_back(struct world *world, bool staging_only)
{
	int64_t first = given_cartridge(world, given_doubled_pool(world, "Backup"), "monday");
	struct rsm_medium medium;
	struct rsm_content *content;
	struct rsm_node folder = { .kind = RSM_NODE_FOLDER, .mode = 0755 };
	char path[128], name[256];

	write_file(world, first, "stays", 300000, 1);
	write_file(world, first, long_name(name, ""), 1000, 8);
	write_file(world, first, "rewritten", 300000, 2);
	await_step(world, first);
	sync_all(world);
	go_home(world, first);
	medium = medium_of(world, first);
	world_stop(world);
	lay_by(world, medium.barcode, medium.element, false);
	world_start(world);
	content = content_of(world, first);
	assert_done(rsm_content_make(content, RSM_NODE_ROOT, "folder", &folder, NULL, &world->err),
		    &world->err);
	rsm_manager_content_unref(world->manager, content);
	write_file(world, first, "newer", 300000, 3);
	remove_file(world, first, name);
	write_file(world, first, name, 2000, 9);
	remove_file(world, first, "rewritten");
	write_file(world, first, "rewritten", 200000, 4);
	await_on_copy(world, first, "rewritten", 200000);
	sync_all(world);
	go_home(world, first);
	world_stop(world);
	lay_by(world, medium.barcode, medium.element, true);
	if (staging_only) {
		snprintf(path, sizeof path, "%s/staging", world->folder);
		assert_done(rsm_file_remove_tree(path, &world->err), &world->err);
	}
	world_start(world);
}

static void expect_nothing_lost(struct world *world, int64_t first, int64_t copy)
{
	char name[256];

	expect_file(world, first, "stays", 300000, 1);
	expect_file(world, first, "rewritten", 300000, 2);
	assert_int_equal(node_of(world, first, "", "newer").id, 0);
	expect_file(world, copy, "stays", 300000, 1);
	expect_file(world, copy, "newer", 300000, 3);
	expect_file(world, copy, "rewritten~kept", 200000, 4);
	expect_file(world, copy, "rewritten", 300000, 2);
	expect_file(world, copy, long_name(name, "~kept"), 2000, 9);
	expect_file(world, copy, long_name(name, ""), 1000, 8);
	assert_int_not_equal(node_of(world, copy, "", "folder").id, 0);
}

/* What the first one has lost is on the copy; what is done to the first one from now on follows. */
static void a_first_that_lost_its_newest_index_takes_nothing_from_its_copy(void **state)
{
	struct world *world = *state;
	int64_t first, copy;

	first_falls_back(world, false);
	lose_catalogue(world);
	first = found(world, "monday");
	copy = await_step(world, first);
	expect_nothing_lost(world, first, copy);

	/* its number is that of one that is on the copy only */
	write_file(world, first, "later", 100000, 5);
	remove_file(world, first, "stays");
	write_file(world, first, "newer", 100000, 6);
	copy = await_on_copy(world, first, "newer", 100000);
	expect_file(world, copy, "later", 100000, 5);
	expect_file(world, copy, "newer", 100000, 6);
	expect_file(world, copy, "newer~kept", 300000, 3);
	assert_int_equal(node_of(world, copy, "", "stays").id, 0);
	assert_int_not_equal(node_of(world, copy, "", "folder").id, 0);

	/* and once more */
	sync_all(world);
	lose_catalogue(world);
	copy = await_step(world, found(world, "monday"));
	expect_file(world, copy, "newer~kept", 300000, 3);
	expect_file(world, copy, "rewritten~kept", 200000, 4);
}

static void a_lost_staging_area_takes_nothing_from_the_copy(void **state)
{
	struct world *world = *state;
	struct rsm_copy pair;
	int64_t first, both[2];

	first_falls_back(world, true);
	first = found(world, "monday");
	assert_done(rsm_copy_find(catalog_of(world), first, &pair, &world->err), &world->err);
	both[0] = first;
	both[1] = pair.copy;
	assert_done(rsm_manager_mount_wait(world->manager, both, 2, 0, 0, 0, 10000, 0, NULL,
					   &world->err),
		    &world->err);
	await_on_copy(world, first, "rewritten", 300000);
	expect_nothing_lost(world, first, pair.copy);
}

/* What the first one has of it is no newer than its index, though it was touched since. */
static void an_old_file_that_was_touched_replaces_no_newer_one(void **state)
{
	struct world *world = *state;
	struct rsm_node node, touched = { .mode = 0600 };
	struct rsm_content *content;
	struct rsm_medium copy;
	struct rsm_copy pair;
	int64_t first;

	first_falls_back(world, true);
	first = found(world, "monday");
	assert_done(rsm_copy_find(catalog_of(world), first, &pair, &world->err), &world->err);
	copy = medium_of(world, pair.copy);
	carry_away(world, pair.copy);
	assert_done(rsm_manager_mount_wait(world->manager, &first, 1, 0, 0, 0, 10000, 0, NULL,
					   &world->err),
		    &world->err);
	node = node_of(world, first, "", "rewritten");
	assert_int_equal(node.size, 300000);
	content = content_of(world, first);
	assert_done(rsm_content_set_attributes(content, node.id, RSM_SET_MODE, &touched, &node,
					       &world->err),
		    &world->err);
	rsm_manager_content_unref(world->manager, content);
	bring_back(world, &copy);
	for (int i = 0; i < 500 && medium_of(world, pair.copy).location == RSM_AT_OFFLINE; i++)
		usleep(10000);
	assert_done(rsm_manager_mount_wait(world->manager, &pair.copy, 1, 0, 0, 0, 10000, 0, NULL,
					   &world->err),
		    &world->err);

	await_on_copy(world, first, "rewritten", 300000);
	expect_nothing_lost(world, first, pair.copy);
	assert_int_equal(node_of(world, pair.copy, "", "stays~kept").id, 0);
}

static bool can_be_had_back(struct world *world, int64_t medium)
{
	struct rsm_former former;
	int r = rsm_former_get(catalog_of(world), medium, &former, &world->err);

	assert_true(r == 0 || r == RSM_FORMER_ABSENT);
	return r == 0;
}

/* All that the first one has is removed: no removal of what it has lost. */
static void a_copy_that_keeps_something_is_released_by_force_only(void **state)
{
	struct world *world = *state;
	char name[256], words[128];
	struct rsm_medium back = { 0 };
	struct rsm_pool pool;
	int64_t first, copy;

	first_falls_back(world, false);
	lose_catalogue(world);
	first = found(world, "monday");
	copy = await_step(world, first);
	snprintf(words, sizeof words, "rsm move %s POOL", medium_of(world, copy).barcode);
	remove_file(world, first, "stays");
	remove_file(world, first, "rewritten");
	remove_file(world, first, long_name(name, ""));

	assert_int_equal(rsm_manager_deallocate(world->manager, first, false, &world->err), -EBUSY);
	assert_non_null(strstr(world->err.msg, "has lost"));
	assert_non_null(strstr(world->err.msg, words));
	assert_non_null(strstr(world->err.msg, "--force"));
	world_stop(world);
	world_start(world);
	assert_int_equal(rsm_manager_deallocate(world->manager, first, false, &world->err), -EBUSY);
	expect_file(world, copy, "newer", 300000, 3);

	assert_done(rsm_manager_deallocate(world->manager, first, true, &world->err), &world->err);
	assert_true(can_be_had_back(world, copy));
	assert_int_equal(rsm_pool_find_path(catalog_of(world), "Backup", &pool, &world->err), 0);
	assert_done(rsm_manager_undelete_wait(world->manager,
					      &(struct rsm_allocation){ .pool = pool.id,
									.name = "saved",
									.medium = copy,
									.mode = 0700 },
					      0, NULL, NULL, NULL, &back, &world->err),
		    &world->err);
	expect_file(world, copy, "newer", 300000, 3);
	expect_file(world, copy, "rewritten~kept", 200000, 4);
}

static void the_copy_of_an_empty_first_can_be_had_back(void **state)
{
	struct world *world = *state;
	int64_t first = given_cartridge(world, given_doubled_pool(world, "Backup"), "monday"), copy;

	copy = await_step(world, first);
	sync_all(world);
	assert_done(rsm_manager_deallocate(world->manager, first, false, &world->err), &world->err);

	assert_false(can_be_had_back(world, first));
	assert_true(can_be_had_back(world, copy));
}

static void a_copy_stands_for_a_first_that_is_nowhere(void **state)
{
	struct world *world = *state;
	int64_t first = given_cartridge(world, given_doubled_pool(world, "Backup"), "monday");
	struct rsm_medium before, copy;

	write_file(world, first, "file", 1500000, 7);
	copy = medium_of(world, await_step(world, first));
	sync_all(world);
	before = medium_of(world, first);
	go_home(world, first);
	carry_away(world, first);
	lose_catalogue(world);

	first = found(world, "monday");
	assert_string_equal(medium_of(world, first).barcode, copy.barcode);
	assert_string_equal(medium_of(world, first).lmid, before.lmid);
	expect_file(world, first, "file", 1500000, 7);
	write_file(world, first, "new", 10, 1);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, world_new, world_free)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		EACH(a_copy_is_one_again_when_the_catalogue_was_lost),
		EACH(a_first_that_lost_its_newest_index_takes_nothing_from_its_copy),
		EACH(a_lost_staging_area_takes_nothing_from_the_copy),
		EACH(an_old_file_that_was_touched_replaces_no_newer_one),
		EACH(a_copy_that_keeps_something_is_released_by_force_only),
		EACH(the_copy_of_an_empty_first_can_be_had_back),
		EACH(a_copy_stands_for_a_first_that_is_nowhere),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
