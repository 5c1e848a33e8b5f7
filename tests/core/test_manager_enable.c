/* Promise 10 of rsm-model.md 20: disable during use: the user finishes; the next one fails. */
#include <errno.h>
#include <pthread.h>

#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

enum { SIZE = 5000 };

static int64_t given_written(struct world *world, const char *name)
{
	int64_t medium = given_cartridge(world, given_pool(world, name), name);

	write_file(world, medium, "file", SIZE, 7);
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
	return medium;
}

static void await_away(struct world *world, int64_t id)
{
	struct rsm_medium medium;

	for (int i = 0; i < 500; i++) {
		assert_done(rsm_medium_get(rsm_manager_catalog(world->manager), id, &medium,
					   &world->err),
			    &world->err);
		if (medium.location == RSM_AT_SLOT)
			return;
		usleep(10000);
	}
	fail_msg("%s is not home", medium.shown);
}

struct user {
	struct rsm_content *content;
	struct rsm_open_file *file;
};

static struct user given_user(struct world *world, int64_t medium)
{
	struct rsm_node node;
	struct user user;
	bool keep;

	assert_done(rsm_manager_content(world->manager, medium, &user.content, &world->err),
		    &world->err);
	assert_done(rsm_content_lookup(user.content, RSM_NODE_ROOT, "file", &node, &world->err),
		    &world->err);
	assert_done(rsm_content_open(user.content, node.id, O_RDWR, &user.file, &keep, &world->err),
		    &world->err);
	assert_done(rsm_manager_mount_wait(world->manager, &medium, 1, 0, 0, 0, 5000, 0, NULL,
					   &world->err),
		    &world->err);
	return user;
}

/* Reads all of it, and writes it anew. */
static void go_on(struct world *world, struct user *user)
{
	struct read_wait wait = { .data = malloc(SIZE + 1) };
	char *expected = malloc(SIZE);

	wait.request = (struct rsm_content_read){
		.offset = 0, .size = SIZE, .done = read_done, .context = &wait
	};
	rsm_content_read_file(user->file, &wait.request);
	while (!atomic_load(&wait.ended))
		usleep(500);
	if (wait.result < 0)
		fail_msg("%s", wait.msg);
	fill_pattern(expected, SIZE, 7);
	assert_memory_equal(wait.data, expected, SIZE);
	assert_done(rsm_content_write_file(user->file, expected, SIZE, 0, &world->err),
		    &world->err);
	assert_done(rsm_content_flush_file(user->file, &world->err), &world->err);
	free(wait.data);
	free(expected);
}

static void finish(struct world *world, struct user *user)
{
	rsm_content_release(user->file);
	rsm_manager_content_unref(world->manager, user->content);
}

static void expect_out_of_use(struct world *world, int64_t id)
{
	assert_int_equal(try_read(world->manager, id, "file", SIZE, 7, &world->err), -ENODEV);
	assert_int_equal(try_write(world->manager, id, "new", 10, 1, &world->err), -ENODEV);
	assert_int_equal(
		rsm_manager_mount_wait(world->manager, &id, 1, 0, 0, 0, 5000, 0, NULL, &world->err),
		-ENODEV);
}

static int64_t library_of(struct world *world)
{
	return world->manager->libraries[0].id;
}

static void disable_a_medium_during_use_the_user_finishes_the_next_one_fails(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday");
	struct user user = given_user(world, id);

	assert_done(rsm_manager_enable_medium(world->manager, id, false, &world->err), &world->err);
	assert_int_equal(rsm_manager_enable_medium(world->manager, id, false, &world->err),
			 -EINVAL);
	assert_int_equal(try_read(world->manager, id, "file", SIZE, 7, &world->err), -ENODEV);
	assert_int_equal(try_write(world->manager, id, "new", 10, 1, &world->err), -ENODEV);
	usleep(100000);
	go_on(world, &user);
	finish(world, &user);
	await_away(world, id);
	expect_out_of_use(world, id);

	assert_done(rsm_manager_enable_medium(world->manager, id, true, &world->err), &world->err);
	expect_file(world, id, "file", SIZE, 7);
	write_file(world, id, "new", 10, 1);
}

static void disable_a_drive_during_use_the_user_finishes_the_next_one_fails(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday");
	struct user user = given_user(world, id);

	for (uint32_t drive = 256; drive < 258; drive++)
		assert_done(rsm_manager_enable_drive(world->manager, library_of(world), drive,
						     false, &world->err),
			    &world->err);
	assert_int_equal(rsm_manager_enable_drive(world->manager, library_of(world), 256, false,
						  &world->err),
			 -EINVAL);
	usleep(100000);
	go_on(world, &user);
	finish(world, &user);
	await_away(world, id);
	assert_int_equal(try_read(world->manager, id, "file", SIZE, 7, &world->err), -ENODEV);
	assert_int_equal(
		rsm_manager_mount_wait(world->manager, &id, 1, 0, 0, 0, 5000, 0, NULL, &world->err),
		-ENODEV);

	assert_done(
		rsm_manager_enable_drive(world->manager, library_of(world), 257, true, &world->err),
		&world->err);
	assert_done(rsm_manager_mount_wait(world->manager, &id, 1, RSM_MOUNT_HOLD, 0, 0, 5000, 0,
					   NULL, &world->err),
		    &world->err);
	expect_file(world, id, "file", SIZE, 7);
}

static void disable_a_library_during_use_the_user_finishes_the_next_one_fails(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday"), other = given_written(world, "tuesday");
	struct user user = given_user(world, id);

	assert_done(rsm_manager_enable_drive(world->manager, library_of(world), 257, false,
					     &world->err),
		    &world->err);
	assert_done(
		rsm_manager_enable_library(world->manager, library_of(world), false, &world->err),
		&world->err);
	expect_out_of_use(world, other);
	go_on(world, &user);
	finish(world, &user);
	await_away(world, id);
	expect_out_of_use(world, id);

	/* what was enabled before is so again, nothing else */
	assert_done(
		rsm_manager_enable_library(world->manager, library_of(world), true, &world->err),
		&world->err);
	expect_file(world, id, "file", SIZE, 7);
	expect_file(world, other, "file", SIZE, 7);
	assert_int_equal(rsm_manager_enable_drive(world->manager, library_of(world), 257, false,
						  &world->err),
			 -EINVAL);
}

struct mounting {
	struct world *world;
	int64_t medium;
	int r;
	struct rsm_err err;
};

static void *mount_it(void *argument)
{
	struct mounting *mounting = argument;

	mounting->r = rsm_manager_mount_wait(mounting->world->manager, &mounting->medium, 1, 0, 256,
					     0, 20000, 0, NULL, &mounting->err);
	return NULL;
}

static void who_waits_for_what_is_disabled_waits_no_longer(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday"), other = given_written(world, "tuesday");
	struct mounting mounting = { .world = world, .medium = other };
	pthread_t thread;

	assert_done(rsm_manager_mount_wait(world->manager, &id, 1, RSM_MOUNT_HOLD, 256, 0, 5000, 0,
					   NULL, &world->err),
		    &world->err);
	await_away(world, other);
	assert_int_equal(pthread_create(&thread, NULL, mount_it, &mounting), 0);
	usleep(100000);
	assert_done(rsm_manager_enable_medium(world->manager, other, false, &world->err),
		    &world->err);
	pthread_join(thread, NULL);
	assert_int_equal(mounting.r, -ENODEV);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
static const struct CMUnitTest tests[] = {
	T(disable_a_medium_during_use_the_user_finishes_the_next_one_fails),
	T(disable_a_drive_during_use_the_user_finishes_the_next_one_fails),
	T(disable_a_library_during_use_the_user_finishes_the_next_one_fails),
	T(who_waits_for_what_is_disabled_waits_no_longer),
};
RSM_TEST_MAIN(tests)
