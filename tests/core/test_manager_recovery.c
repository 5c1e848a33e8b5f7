/* Auto recovery: a robot that fails, once or for good, on the way to a drive and home (rsm-model.md
 * 2, 8): all is looked at again, it is tried once more, and whoever it is the fault of is named.
 */
#include <errno.h>

#include "changer/emulator/emulator.h"
#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

enum { MOVE_MEDIUM = 0xA5, ALWAYS = 100000 };

static void robot_fails(struct world *world, unsigned times, bool but_does_it)
{
	const struct rsm_emulator_fault fault = { .opcode = MOVE_MEDIUM,
						  .times = times,
						  .key = 0x04,
						  .asc = 0x15,
						  .ascq = 0x01,
						  .deferred = but_does_it };

	assert_done(rsm_emulator_inject(world->manager->libraries[0].hardware->emulator, &fault,
					&world->err),
		    &world->err);
}

static void await_home(struct world *world, int64_t id)
{
	for (int i = 0; i < 1000 && medium_of(world, id).location != RSM_AT_SLOT; i++)
		usleep(5000);
	assert_int_equal(medium_of(world, id).location, RSM_AT_SLOT);
}

static struct rsm_medium given_written(struct world *world)
{
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");

	write_file(world, medium, "file", 5000, 1);
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
	await_home(world, medium);
	return medium_of(world, medium);
}

static int mount(struct world *world, int64_t medium)
{
	return rsm_manager_mount_wait(world->manager, &medium, 1, RSM_MOUNT_HOLD, 0, 0, 10000, 0,
				      NULL, &world->err);
}

static bool take_service(void *context, const struct rsm_operator_request *request)
{
	if (request->kind == RSM_REQUEST_DEVICE_SERVICE)
		*(int64_t *)context = request->id;
	return true;
}

static int64_t service_request(struct world *world)
{
	int64_t id = 0;

	assert_done(rsm_operator_request_list(rsm_manager_catalog(world->manager), true,
					      take_service, &id, &world->err),
		    &world->err);
	return id;
}

/* It is raised when all else has been done. */
static int64_t await_service_request(struct world *world)
{
	for (int i = 0; i < 500 && !service_request(world); i++)
		usleep(5000);
	assert_true(service_request(world) != 0);
	return service_request(world);
}

static const char *drive_state(struct world *world)
{
	RSM_FREE struct rsm_drive_status *drives = NULL;
	size_t count;

	assert_done(rsm_manager_drives(world->manager, &drives, &count, &world->err), &world->err);
	return drives[0].state;
}

static void a_robot_that_fails_once_is_asked_again(void **state)
{
	struct world *world = *state;
	struct rsm_medium m = given_written(world);

	robot_fails(world, 1, false);
	assert_done(mount(world, m.id), &world->err);
	expect_file(world, m.id, "file", 5000, 1);
	robot_fails(world, 1, false);
	assert_done(rsm_manager_dismount_wait(world->manager, m.id, false, NULL, &world->err),
		    &world->err);
	await_home(world, m.id);
	assert_int_equal(medium_of(world, m.id).element, m.home_slot);
	assert_int_equal(service_request(world), 0);
	assert_string_equal(drive_state(world), "empty");
}

static void what_it_did_counts_and_not_what_it_says(void **state)
{
	struct world *world = *state;
	struct rsm_medium m = given_written(world);

	robot_fails(world, 1, true);
	assert_done(mount(world, m.id), &world->err);
	expect_file(world, m.id, "file", 5000, 1);
	robot_fails(world, 1, true);
	assert_done(rsm_manager_dismount_wait(world->manager, m.id, false, NULL, &world->err),
		    &world->err);
	await_home(world, m.id);
	assert_int_equal(service_request(world), 0);
	assert_string_equal(drive_state(world), "empty");
}

static void one_that_fails_for_good_leaves_it_at_home_and_asks_for_a_person(void **state)
{
	struct world *world = *state;
	struct rsm_medium m = given_written(world);

	robot_fails(world, 2, false);
	assert_int_equal(mount(world, m.id), -EIO);
	assert_non_null(strstr(world->err.msg, "04/15/01"));
	assert_int_equal(medium_of(world, m.id).location, RSM_AT_SLOT);
	/* the drive has not been given up, and the person has looked at it */
	assert_done(rsm_manager_satisfy_request(world->manager, await_service_request(world), NULL,
						&world->err),
		    &world->err);
	assert_int_equal(service_request(world), 0);

	/* it works again: so does all else */
	assert_done(mount(world, m.id), &world->err);
	expect_file(world, m.id, "file", 5000, 1);
}

static void one_that_fails_on_the_way_home_is_tried_again_when_somebody_has_looked(void **state)
{
	struct world *world = *state;
	struct rsm_medium m = given_written(world);

	assert_done(mount(world, m.id), &world->err);
	robot_fails(world, 2, false);
	(void)!rsm_manager_dismount_wait(world->manager, m.id, false, NULL, &world->err);
	for (int i = 0; i < 500 && strcmp(drive_state(world), "failed") != 0; i++)
		usleep(5000);
	assert_string_equal(drive_state(world), "failed");
	assert_int_equal(medium_of(world, m.id).location, RSM_AT_DRIVE);
	assert_int_equal(mount(world, m.id), -EIO);

	/* the operator says that it is done: the drive is used again, with what lies in it */
	assert_done(rsm_manager_satisfy_request(world->manager, await_service_request(world), NULL,
						&world->err),
		    &world->err);
	assert_done(mount(world, m.id), &world->err);
	expect_file(world, m.id, "file", 5000, 1);
	assert_done(rsm_manager_dismount_wait(world->manager, m.id, false, NULL, &world->err),
		    &world->err);
	await_home(world, m.id);
}

static int world_of_one_drive(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 1,
		.slots = 4,
		.ports = 1,
		.cartridges = 1,
		.capacity_bytes = (uint64_t)1 << 30,
		.no_cleaner = true,
	};

	return world_make(state, &shape);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_of_one_drive, world_free)
static const struct CMUnitTest tests[] = {
	T(a_robot_that_fails_once_is_asked_again),
	T(what_it_did_counts_and_not_what_it_says),
	T(one_that_fails_for_good_leaves_it_at_home_and_asks_for_a_person),
	T(one_that_fails_on_the_way_home_is_tried_again_when_somebody_has_looked),
};
RSM_TEST_MAIN(tests)
