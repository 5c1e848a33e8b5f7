/* Doors and magazines that people open, and cartridges that leave in loads. */
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

static void in_folder(struct world *world, const char *command)
{
	char line[512];

	snprintf(line, sizeof line, "cd %s && %s", world->folder, command);
	assert_int_equal(system(line), 0);
}

static int64_t given_written(struct world *world, const char *name)
{
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), name);

	write_file(world, medium, "file", 5000, 7);
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
	if (rsm_manager_dismount_wait(world->manager, medium, false, NULL, &world->err) < 0)
		assert_int_equal(world->err.code, EINVAL);
	await_location(world, medium, RSM_AT_SLOT);
	return medium;
}

/* ---- doors ---- */

struct reading {
	struct world *world;
	int64_t medium;
	int r;
	atomic_bool done;
	struct rsm_err err;
};

static void *read_it(void *argument)
{
	struct reading *reading = argument;

	reading->r =
		try_read(reading->world->manager, reading->medium, "file", 5000, 7, &reading->err);
	atomic_store(&reading->done, true);
	return NULL;
}

static const char *door_of(struct world *world)
{
	struct rsm_library_status *libraries;
	const char *door;
	size_t count;

	assert_done(rsm_manager_libraries(world->manager, &libraries, &count, &world->err),
		    &world->err);
	door = libraries[0].door;
	free(libraries);
	return door;
}

static void await_door(struct world *world, const char *state)
{
	for (int i = 0; i < 500 && strcmp(door_of(world), state) != 0; i++)
		usleep(10000);
	assert_string_equal(door_of(world), state);
}

static void a_door_opened_without_asking_stops_the_robot_until_an_inventory(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday");
	struct reading reading = { .world = world, .medium = id };
	pthread_t thread;
	char command[200];

	in_folder(world, "touch OPEN");
	await_door(world, "open");
	assert_int_equal(pthread_create(&thread, NULL, read_it, &reading), 0);
	usleep(300000);
	assert_false(atomic_load(&reading.done)); /* it waits, it does not fail */
	snprintf(command, sizeof command, "mv slots/%u/%s slots/1008/ && rm OPEN",
		 medium_of(world, id).element, medium_of(world, id).barcode);
	in_folder(world, command);
	pthread_join(thread, NULL);
	assert_done(reading.r, &reading.err);
	await_door(world, "unlocked");
	await_location(world, id, RSM_AT_SLOT);
	assert_int_equal(medium_of(world, id).home_slot, 1008);
}

static void files_of_a_cartridge_in_a_drive_stay_usable_while_the_door_is_open(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday");

	assert_done(rsm_manager_mount_wait(world->manager, &id, 1, RSM_MOUNT_HOLD, 0, 0, 5000, 0,
					   NULL, &world->err),
		    &world->err);
	in_folder(world, "touch OPEN");
	await_door(world, "open");
	expect_file(world, id, "file", 5000, 7);
	write_file(world, id, "more", 5000, 8);
	assert_done(rsm_manager_sync_wait(world->manager, id, NULL, NULL, NULL, &world->err),
		    &world->err);
	assert_int_equal(
		rsm_manager_lock_door(world->manager, world->manager->libraries[0].id, &world->err),
		-EBUSY);
	in_folder(world, "rm OPEN");
	await_door(world, "unlocked");
}

static void unlocking_empties_the_drives_and_a_locked_door_stays_shut(void **state)
{
	struct world *world = *state;
	int64_t library = world->manager->libraries[0].id, id;
	char locked[100];

	world_stop(world);
	world->dismount_delay_s = 60;
	world_start(world);
	id = given_cartridge(world, given_pool(world, "Backup"), "monday");
	write_file(world, id, "file", 5000, 7);
	assert_done(rsm_manager_sync_wait(world->manager, id, NULL, NULL, NULL, &world->err),
		    &world->err);
	assert_int_equal(medium_of(world, id).location, RSM_AT_DRIVE);
	snprintf(locked, sizeof locked, "%s/LOCKED", world->folder);
	assert_done(rsm_manager_lock_door(world->manager, library, &world->err), &world->err);
	assert_string_equal(door_of(world), "locked");
	assert_int_equal(access(locked, F_OK), 0);

	assert_done(rsm_manager_unlock_door_wait(world->manager, library, RSM_DOOR_FAST, NULL,
						 &world->err),
		    &world->err);
	assert_int_equal(access(locked, F_OK), -1);
	assert_int_equal(medium_of(world, id).location, RSM_AT_SLOT);
	in_folder(world, "touch OPEN && mv slots/1004/A00004L8 shelf/");
	await_door(world, "open");
	in_folder(world, "rm OPEN");
	await_door(world, "unlocked");
	await_location(world, barcode_of(world, "A00004L8").id, RSM_AT_OFFLINE);
}

struct mounting {
	struct world *world;
	int64_t medium;
	int r;
	struct rsm_err err;
	atomic_bool done;
};

static void *mount_it(void *argument)
{
	struct mounting *mounting = argument;

	mounting->r = rsm_manager_mount_wait(mounting->world->manager, &mounting->medium, 1,
					     RSM_MOUNT_HOLD, 0, 0, 20000, 0, NULL, &mounting->err);
	return NULL;
}

static void *dismount_it(void *argument)
{
	struct mounting *mounting = argument;

	mounting->r = rsm_manager_dismount_wait(mounting->world->manager, mounting->medium, false,
						NULL, &mounting->err);
	atomic_store(&mounting->done, true);
	return NULL;
}

static void await_fetching(struct world *world, int64_t id, bool leaving)
{
	for (int i = 0; i < 500; i++) {
		struct rsm_cartridge *cartridge;
		bool is;

		rsm_mutex_lock(&world->manager->lock);
		cartridge = rsm_cartridge_find_locked(world->manager, id);
		is = cartridge && cartridge->state == RSM_CARTRIDGE_FETCHING &&
		     cartridge->leave == leaving;
		rsm_mutex_unlock(&world->manager->lock);
		if (is)
			return;
		usleep(10000);
	}
	fail_msg("it is not being fetched");
}

static void who_dismounts_what_is_just_being_mounted_has_it_dismounted(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday");
	struct mounting mounting = { .world = world, .medium = id };
	struct mounting dismounting = { .world = world, .medium = id };
	pthread_t mounter, dismounter;

	in_folder(world, "touch OPEN");
	await_door(world, "open");
	assert_int_equal(pthread_create(&mounter, NULL, mount_it, &mounting), 0);
	await_fetching(world, id, false);
	assert_int_equal(pthread_create(&dismounter, NULL, dismount_it, &dismounting), 0);
	await_fetching(world, id, true);
	in_folder(world, "rm OPEN");
	pthread_join(mounter, NULL);
	assert_done(mounting.r, &mounting.err);
	for (int i = 0; i < 500 && !atomic_load(&dismounting.done); i++)
		usleep(10000);
	assert_true(atomic_load(&dismounting.done));
	pthread_join(dismounter, NULL);
	assert_done(dismounting.r, &dismounting.err);
	await_location(world, id, RSM_AT_SLOT);
}

/* ---- magazines ---- */

static bool is_present(struct world *world, int64_t library, uint32_t address)
{
	struct rsm_element *elements;
	bool present = false;
	size_t count;

	assert_done(rsm_manager_elements(world->manager, library, &elements, &count, &world->err),
		    &world->err);
	for (size_t i = 0; i < count; i++)
		if (elements[i].address == address)
			present = rsm_element_is_present(&elements[i]);
	free(elements);
	return present;
}

static void await_absence(struct world *world, int64_t library, uint32_t address)
{
	for (int i = 0; i < 500 && is_present(world, library, address); i++)
		usleep(10000);
	assert_false(is_present(world, library, address));
}

static void a_magazine_taken_out_takes_its_cartridges_off_line_until_it_returns(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday");
	struct rsm_medium before = medium_of(world, id), spare;
	uint32_t slot;
	char command[200];

	snprintf(command, sizeof command, "mv slots/%u slots/1008 shelf/", before.element);
	in_folder(world, command);
	await_location(world, id, RSM_AT_OFFLINE);
	assert_int_equal(try_read(world->manager, id, "file", 5000, 7, &world->err), -ENOMEDIUM);
	await_absence(world, before.library, before.element);
	await_absence(world, before.library, 1008);
	/* nobody is sent to a slot that is not there */
	spare = barcode_of(world, "A00003L8");
	spare.home_slot = 1008;
	assert_done(
		rsm_library_choose_slot(&world->manager->libraries[0], &spare, &slot, &world->err),
		&world->err);
	assert_int_not_equal(slot, 1008);

	snprintf(command, sizeof command, "mv shelf/%u shelf/1008 slots/", before.element);
	in_folder(world, command);
	await_location(world, id, RSM_AT_SLOT);
	assert_string_equal(medium_of(world, id).lmid, before.lmid);
	expect_file(world, id, "file", 5000, 7);
}

static void who_comes_home_to_a_missing_magazine_gets_another_slot(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday");
	uint32_t home = medium_of(world, id).home_slot;
	char command[200];

	assert_done(rsm_manager_mount_wait(world->manager, &id, 1, RSM_MOUNT_HOLD, 0, 0, 5000, 0,
					   NULL, &world->err),
		    &world->err);
	snprintf(command, sizeof command, "mv slots/%u shelf/", home);
	in_folder(world, command);
	assert_done(rsm_manager_dismount_wait(world->manager, id, false, NULL, &world->err),
		    &world->err);
	assert_int_equal(medium_of(world, id).location, RSM_AT_SLOT);
	assert_int_not_equal(medium_of(world, id).element, home);
	expect_file(world, id, "file", 5000, 7);
}

/* ---- loads ---- */

struct ejecting {
	struct world *world;
	int64_t media[4];
	size_t count;
	int r;
	size_t ejected;
	atomic_bool done, cancel;
	struct rsm_err err;
};

static void *eject_them(void *argument)
{
	struct ejecting *ejecting = argument;

	ejecting->r = rsm_manager_eject_all_wait(
		ejecting->world->manager, ejecting->media, ejecting->count, false, 0, NULL, NULL,
		&ejecting->cancel, &ejecting->ejected, &ejecting->err);
	atomic_store(&ejecting->done, true);
	return NULL;
}

static bool find_message(void *context, const struct rsm_operator_request *request)
{
	if (request->kind == RSM_REQUEST_MESSAGE)
		*(int64_t *)context = request->id;
	return true;
}

static int64_t await_message(struct world *world)
{
	int64_t id = 0;

	for (int i = 0; i < 500 && !id; i++) {
		assert_done(rsm_operator_request_list(rsm_manager_catalog(world->manager), true,
						      find_message, &id, &world->err),
			    &world->err);
		usleep(10000);
	}
	assert_true(id > 0);
	return id;
}

static void given_three(struct ejecting *ejecting, struct world *world)
{
	static const char *const barcodes[] = { "A00001L8", "A00002L8", "A00003L8", "A00004L8" };

	*ejecting = (struct ejecting){ .world = world, .count = 3 };
	for (int i = 0; i < 4; i++)
		ejecting->media[i] = barcode_of(world, barcodes[i]).id;
}

static void more_than_there_are_ports_leave_in_loads(void **state)
{
	struct world *world = *state;
	struct ejecting ejecting;
	pthread_t thread;

	given_three(&ejecting, world);
	assert_int_equal(pthread_create(&thread, NULL, eject_them, &ejecting), 0);
	await_message(world);
	assert_false(atomic_load(&ejecting.done));
	assert_int_equal(medium_of(world, ejecting.media[0]).location, RSM_AT_PORT);
	assert_int_equal(medium_of(world, ejecting.media[1]).location, RSM_AT_PORT);
	assert_int_equal(medium_of(world, ejecting.media[2]).location, RSM_AT_SLOT);
	in_folder(world, "mv ports/10/* shelf/");
	pthread_join(thread, NULL);
	assert_done(ejecting.r, &ejecting.err);
	assert_int_equal(ejecting.ejected, 3);
	assert_int_equal(medium_of(world, ejecting.media[2]).location, RSM_AT_PORT);
}

static void who_has_just_emptied_a_port_can_eject_at_once(void **state)
{
	struct world *world = *state;
	struct ejecting ejecting;

	given_three(&ejecting, world);
	for (int i = 0; i < 2; i++)
		assert_done(rsm_manager_eject_wait(world->manager, ejecting.media[i], false, NULL,
						   &world->err),
			    &world->err);
	for (int i = 0; i < 2; i++) {
		in_folder(world, "mv ports/10/* shelf/");
		assert_done(rsm_manager_eject_wait(world->manager, ejecting.media[2], false, NULL,
						   &world->err),
			    &world->err);
		assert_int_equal(medium_of(world, ejecting.media[2]).location, RSM_AT_PORT);
		ejecting.media[2] = ejecting.media[3];
	}
}

static void what_waits_to_be_ejected_can_be_taken_back(void **state)
{
	struct world *world = *state;
	struct ejecting ejecting;
	pthread_t thread;
	unsigned count;

	given_three(&ejecting, world);
	assert_int_equal(pthread_create(&thread, NULL, eject_them, &ejecting), 0);
	await_message(world);
	assert_done(rsm_manager_cancel_eject(world->manager, 0, &count, &world->err), &world->err);
	assert_int_equal(count, 1);
	pthread_join(thread, NULL);
	assert_done(ejecting.r, &ejecting.err);
	assert_int_equal(ejecting.ejected, 2);
	assert_int_equal(medium_of(world, ejecting.media[2]).location, RSM_AT_SLOT);
	/* one that lies in a port as well */
	assert_done(
		rsm_manager_cancel_eject(world->manager, ejecting.media[0], &count, &world->err),
		&world->err);
	assert_int_equal(medium_of(world, ejecting.media[0]).location, RSM_AT_SLOT);
	assert_int_equal(
		rsm_manager_cancel_eject(world->manager, ejecting.media[0], &count, &world->err),
		-EINVAL);
}

static bool find_move(void *context, const struct rsm_operator_request *request)
{
	if (request->kind == RSM_REQUEST_MOVE_MEDIA)
		*(int64_t *)context = request->id;
	return true;
}

static int64_t asked_for_room(struct world *world)
{
	int64_t id = 0;

	assert_done(rsm_operator_request_list(rsm_manager_catalog(world->manager), true, find_move,
					      &id, &world->err),
		    &world->err);
	return id;
}

static void who_is_asked_for_room_can_say_that_there_is_and_need_not(void **state)
{
	struct world *world = *state;
	struct ejecting ejecting;
	int64_t first;

	given_three(&ejecting, world);
	ejecting.count = 2;
	eject_them(&ejecting);
	assert_done(ejecting.r, &ejecting.err);
	assert_int_equal(
		rsm_manager_eject_wait(world->manager, ejecting.media[2], false, NULL, &world->err),
		-ENOSPC);
	first = asked_for_room(world);
	assert_true(first > 0);
	assert_done(rsm_manager_satisfy_request(world->manager, first, NULL, &world->err),
		    &world->err);
	assert_int_equal(asked_for_room(world), 0);

	assert_int_equal(
		rsm_manager_eject_wait(world->manager, ejecting.media[2], false, NULL, &world->err),
		-ENOSPC);
	assert_int_not_equal(asked_for_room(world), first);
	in_folder(world, "mv ports/10/* shelf/");
	assert_done(
		rsm_manager_eject_wait(world->manager, ejecting.media[2], false, NULL, &world->err),
		&world->err);
	assert_int_equal(asked_for_room(world), 0);
}

static bool count_messages(void *context, const struct rsm_operator_request *request)
{
	*(unsigned *)context += request->kind == RSM_REQUEST_MESSAGE;
	return true;
}

static unsigned messages_of(struct world *world)
{
	unsigned count = 0;

	assert_done(rsm_operator_request_list(rsm_manager_catalog(world->manager), true,
					      count_messages, &count, &world->err),
		    &world->err);
	return count;
}

static void nobody_is_asked_to_make_room_for_what_was_taken_back(void **state)
{
	struct world *world = *state;
	struct ejecting ejecting;
	pthread_t thread;
	unsigned count;
	int64_t first;

	given_three(&ejecting, world);
	ejecting.count = 4;
	assert_int_equal(pthread_create(&thread, NULL, eject_them, &ejecting), 0);
	first = await_message(world);
	assert_done(
		rsm_manager_cancel_eject(world->manager, ejecting.media[2], &count, &world->err),
		&world->err);
	assert_int_equal(count, 1);
	for (int i = 0; i < 500 && await_message(world) == first; i++)
		usleep(10000);
	assert_int_not_equal(await_message(world), first);
	assert_int_equal(messages_of(world), 1);
	atomic_store(&ejecting.cancel, true);
	pthread_join(thread, NULL);
	assert_int_equal(ejecting.r, -EINTR);
	assert_int_equal(messages_of(world), 0);
}

static void a_refused_request_or_ctrl_c_ends_the_wait_for_ports(void **state)
{
	struct world *world = *state;
	struct ejecting ejecting;
	pthread_t thread;

	given_three(&ejecting, world);
	assert_int_equal(pthread_create(&thread, NULL, eject_them, &ejecting), 0);
	assert_done(rsm_operator_request_end(rsm_manager_catalog(world->manager),
					     await_message(world), RSM_REQUEST_REFUSED,
					     &world->err),
		    &world->err);
	pthread_join(thread, NULL);
	assert_int_equal(ejecting.r, -ECANCELED);
	assert_int_equal(medium_of(world, ejecting.media[2]).location, RSM_AT_SLOT);

	in_folder(world, "mv ports/10/A00001L8 slots/1001/");
	await_location(world, ejecting.media[0], RSM_AT_SLOT);
	given_three(&ejecting, world);
	assert_int_equal(pthread_create(&thread, NULL, eject_them, &ejecting), 0);
	await_message(world);
	atomic_store(&ejecting.cancel, true);
	pthread_join(thread, NULL);
	assert_int_equal(ejecting.r, -EINTR);
	assert_int_equal(medium_of(world, ejecting.media[2]).location, RSM_AT_SLOT);
}

static void none_is_ejected_when_one_of_them_cannot(void **state)
{
	struct world *world = *state;
	struct ejecting ejecting;

	given_three(&ejecting, world);
	await_location(world, ejecting.media[2], RSM_AT_SLOT);
	in_folder(world, "mv slots/1003/A00003L8 shelf/");
	await_location(world, ejecting.media[2], RSM_AT_OFFLINE);
	eject_them(&ejecting);
	assert_int_equal(ejecting.r, -ENOMEDIUM);
	assert_int_equal(medium_of(world, ejecting.media[0]).location, RSM_AT_SLOT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
static const struct CMUnitTest tests[] = {
	T(a_door_opened_without_asking_stops_the_robot_until_an_inventory),
	T(files_of_a_cartridge_in_a_drive_stay_usable_while_the_door_is_open),
	T(unlocking_empties_the_drives_and_a_locked_door_stays_shut),
	T(who_dismounts_what_is_just_being_mounted_has_it_dismounted),
	T(a_magazine_taken_out_takes_its_cartridges_off_line_until_it_returns),
	T(who_comes_home_to_a_missing_magazine_gets_another_slot),
	T(more_than_there_are_ports_leave_in_loads),
	T(who_has_just_emptied_a_port_can_eject_at_once),
	T(what_waits_to_be_ejected_can_be_taken_back),
	T(who_is_asked_for_room_can_say_that_there_is_and_need_not),
	T(nobody_is_asked_to_make_room_for_what_was_taken_back),
	T(a_refused_request_or_ctrl_c_ends_the_wait_for_ports),
	T(none_is_ejected_when_one_of_them_cannot),
};
RSM_TEST_MAIN(tests)
