#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/copy.h"
#include "core/undelete.h"
#include "tests/core/manager_fixture.h"

static struct rsm_catalog *catalog_of(struct world *world)
{
	return rsm_manager_catalog(world->manager);
}

static int64_t given_doubled_pool(struct world *world, const char *name)
{
	int64_t pool = given_pool(world, name);

	assert_done(rsm_pool_set_copies(catalog_of(world), pool, 2, &world->err), &world->err);
	return pool;
}

static struct rsm_medium medium_of(struct world *world, int64_t id)
{
	struct rsm_medium medium = { 0 };

	assert_done(rsm_medium_get(catalog_of(world), id, &medium, &world->err), &world->err);
	return medium;
}

static const char *state_of(struct world *world, int64_t id, struct rsm_copy *ret_pair)
{
	struct rsm_medium medium = medium_of(world, id);
	struct rsm_copy pair;
	const char *state = "";

	assert_done(rsm_copy_state(world->manager, &medium, &state, &pair, &world->err),
		    &world->err);
	if (ret_pair)
		*ret_pair = pair;
	return state;
}

/* Both media have it all. Returns the copy. */
static int64_t await_step(struct world *world, int64_t first)
{
	struct rsm_copy pair = { 0 };

	for (int i = 0; i < 1000; i++) {
		const char *state = state_of(world, first, &pair);

		if (strcmp(state, "in step") == 0)
			return pair.copy;
		if (pair.copy && pair.seen == pair.done)
			assert_done(rsm_manager_sync_wait(world->manager, pair.copy, NULL, NULL,
							  NULL, &world->err),
				    &world->err);
		usleep(10000);
	}
	fail_msg("it is %s", state_of(world, first, NULL));
	return 0;
}

static struct rsm_content *content_of(struct world *world, int64_t medium)
{
	struct rsm_content *content = NULL;

	assert_done(rsm_manager_content(world->manager, medium, &content, &world->err),
		    &world->err);
	return content;
}

/* In a folder of the medium's root ("" none). */
static struct rsm_node node_of(struct world *world, int64_t medium, const char *folder,
			       const char *name)
{
	struct rsm_content *content = content_of(world, medium);
	struct rsm_node node = { .id = RSM_NODE_ROOT };
	int r = 0;

	if (*folder)
		r = rsm_content_lookup(content, node.id, folder, &node, &world->err);
	if (r == 0)
		r = rsm_content_lookup(content, node.id, name, &node, &world->err);
	rsm_manager_content_unref(world->manager, content);
	if (r != 0)
		node.id = node.size = 0;
	return node;
}

static void sync_all(struct world *world)
{
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
}

static void go_home(struct world *world, int64_t medium)
{
	int r = rsm_manager_dismount_wait(world->manager, medium, false, NULL, &world->err);

	if (r != -EINVAL) /* it is there */
		assert_done(r, &world->err);
}

static void carry_away(struct world *world, int64_t id)
{
	struct rsm_medium medium = medium_of(world, id);
	char from[256], to[256];

	snprintf(from, sizeof from, "%s/slots/%u/%s", world->folder, medium.element,
		 medium.barcode);
	snprintf(to, sizeof to, "%s/shelf", world->folder);
	mkdir(to, 0700);
	snprintf(to, sizeof to, "%s/shelf/%s", world->folder, medium.barcode);
	assert_int_equal(rename(from, to), 0);
	for (int i = 0; i < 500 && medium_of(world, id).location != RSM_AT_OFFLINE; i++)
		usleep(10000);
	assert_int_equal(medium_of(world, id).location, RSM_AT_OFFLINE);
}

static void bring_back(struct world *world, const struct rsm_medium *medium)
{
	char from[256], to[256];

	snprintf(from, sizeof from, "%s/shelf/%s", world->folder, medium->barcode);
	snprintf(to, sizeof to, "%s/slots/%u/%s", world->folder, medium->element, medium->barcode);
	assert_int_equal(rename(from, to), 0);
}

/* ---- */

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

static void lose_catalogue(struct world *world)
{
	char path[128];

	world_stop(world);
	snprintf(path, sizeof path, "%s/catalog", world->folder);
	assert_done(rsm_file_remove_tree(path, &world->err), &world->err);
	snprintf(path, sizeof path, "%s/staging", world->folder);
	assert_done(rsm_file_remove_tree(path, &world->err), &world->err);
	world_start(world);
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
		EACH(a_copy_is_one_again_when_the_catalogue_was_lost),
		EACH(a_first_that_lost_its_newest_index_takes_nothing_from_its_copy),
		EACH(a_lost_staging_area_takes_nothing_from_the_copy),
		EACH(an_old_file_that_was_touched_replaces_no_newer_one),
		EACH(a_copy_that_keeps_something_is_released_by_force_only),
		EACH(the_copy_of_an_empty_first_can_be_had_back),
		EACH(a_copy_stands_for_a_first_that_is_nowhere),
		EACH(a_death_between_the_two_is_caught_up_with),
		EACH(a_first_that_is_ejected_in_the_midst_keeps_no_other_from_its_copy),
		EACH(a_catch_up_that_takes_long_is_a_work_item_and_can_be_cancelled),
		cmocka_unit_test_setup_teardown(one_drive_is_enough, one_drive, world_free),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
