/* Several libraries in one mount: pools span them, each robot moves what is its own. */
#include <errno.h>
#include <sys/stat.h>

#include "changer/emulator/emulator.h"
#include "core/manager_private.h"
#include "core/operator_request.h"
#include "tests/core/manager_fixture.h"

static const char *other_of(struct world *world)
{
	return world->libraries[1];
}

/* Both have slots from 1001, drives from 256, ports from 10: addresses coincide. */
static int two_libraries(void **state)
{
	static const struct rsm_library_shape first = {
		.media_type = "LTO-8",
		.drives = 1,
		.slots = 4,
		.ports = 2,
		.cartridges = 1,
		.capacity_bytes = (uint64_t)1 << 30,
	};
	static const char *const barcodes[] = { "A00001L8", "A00002L8" };
	struct rsm_library_shape second = first;
	char path[256], renamed[256];
	struct world *world;
	char *other;

	second.cartridges = 2;
	second.no_cleaner = true;
	if (world_make(state, &first) < 0)
		return -1;
	world = *state;
	world_stop(world);
	if (asprintf(&other, "%s/other", world->folder) < 0)
		return -1;
	world->libraries[1] = other;
	world->library_count = 2;
	if (rsm_library_folder_create(other, &second, &world->err) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/slots/%d/%s", other, 1001 + i, barcodes[i]);
		snprintf(renamed, sizeof renamed, "%s/slots/%d/B0000%dL8", other, 1001 + i, i + 1);
		if (rename(path, renamed) < 0)
			return -1;
	}
	world_start(world);
	return 0;
}

static int free_libraries(void **state)
{
	struct world *world = *state;
	char *other = (char *)(uintptr_t)world->libraries[1];
	int r = world_free(state);

	free(other);
	return r;
}

static int64_t library_at(struct world *world, size_t index)
{
	return world->manager->libraries[index].id;
}

static void await_library(struct world *world, int64_t id, int64_t library,
			  enum rsm_location_kind location)
{
	struct rsm_medium medium;

	for (int i = 0; i < 500; i++) {
		medium = medium_of(world, id);
		if (medium.location == location && medium.library == library)
			return;
		usleep(10000);
	}
	fail_msg("%s is at %d of library %lld", medium.shown, (int)medium.location,
		 (long long)medium.library);
}

static void sync_and_put_away(struct world *world, int64_t medium)
{
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
	if (rsm_manager_dismount_wait(world->manager, medium, false, NULL, &world->err) < 0)
		assert_int_equal(world->err.code, EINVAL); /* it has gone home by itself */
	await_library(world, medium, medium_of(world, medium).library, RSM_AT_SLOT);
}

static void a_pool_draws_from_every_library(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	unsigned in_first = 0, in_other = 0;
	int64_t media[3];

	for (int i = 0; i < 3; i++) {
		char name[8];

		snprintf(name, sizeof name, "m%d", i);
		media[i] = given_cartridge(world, pool, name);
		write_file(world, media[i], "file", 3000, (unsigned)i);
	}
	for (int i = 0; i < 3; i++) {
		struct rsm_medium medium;

		sync_and_put_away(world, media[i]);
		medium = medium_of(world, media[i]);
		assert_int_equal(medium.location, RSM_AT_SLOT);
		in_first += medium.library == library_at(world, 0);
		in_other += medium.library == library_at(world, 1);
		expect_file(world, media[i], "file", 3000, (unsigned)i);
	}
	assert_int_equal(in_first, 1);
	assert_int_equal(in_other, 2);
}

/* Drive 256 of one library is not drive 256 of the other. */
static void a_cartridge_is_mounted_in_the_library_where_it_is(void **state)
{
	struct world *world = *state;
	struct rsm_medium one, other;
	int64_t ids[2];
	char path[300];

	assert_done(rsm_medium_find_barcode(rsm_manager_catalog(world->manager), "A00001L8", &one,
					    &world->err),
		    &world->err);
	assert_done(rsm_medium_find_barcode(rsm_manager_catalog(world->manager), "B00001L8", &other,
					    &world->err),
		    &world->err);
	assert_int_equal(one.element, other.element);
	ids[0] = one.id;
	ids[1] = other.id;
	for (int i = 0; i < 2; i++)
		assert_done(rsm_manager_mount_wait(world->manager, &ids[i], 1, RSM_MOUNT_HOLD, 256,
						   0, 5000, 0, NULL, &world->err),
			    &world->err);
	snprintf(path, sizeof path, "%s/drives/256/A00001L8", world->folder);
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof path, "%s/drives/256/B00001L8", other_of(world));
	assert_int_equal(access(path, F_OK), 0);
}

static unsigned count_media(struct world *world)
{
	struct rsm_medium medium;
	unsigned count = 0;

	for (int64_t id = 1; id < 100; id++)
		count +=
			rsm_medium_get(rsm_manager_catalog(world->manager), id, &medium, NULL) == 0;
	return count;
}

static void a_cartridge_that_is_carried_over_is_who_it_was(void **state)
{
	struct world *world = *state;
	int64_t id = given_cartridge(world, given_pool(world, "Backup"), "monday");
	struct rsm_medium before, after;
	unsigned count;
	char from[300], to[300];
	bool first;

	write_file(world, id, "file", 5000, 7);
	sync_and_put_away(world, id);
	count = count_media(world);
	/* to and fro, so that each library is once the one that is looked at first */
	for (int i = 0; i < 6; i++) {
		before = medium_of(world, id);
		first = before.library == library_at(world, 0);
		snprintf(to, sizeof to, "%s/ports/10/%s", world->libraries[first], before.barcode);
		/* it may be on its way from a drive that has looked at it */
		for (int k = 0; k < 500; k++) {
			before = medium_of(world, id);
			snprintf(from, sizeof from, "%s/slots/%u/%s", world->libraries[!first],
				 before.element, before.barcode);
			if (before.location == RSM_AT_SLOT && rename(from, to) == 0)
				break;
			usleep(10000);
		}
		await_library(world, id, library_at(world, first), RSM_AT_SLOT);
		after = medium_of(world, id);
		assert_string_equal(after.lmid, before.lmid);
		assert_string_equal(after.shown, before.barcode);
		assert_int_equal(count_media(world), count);
	}
	expect_file(world, id, "file", 5000, 7);
}

/* The other library has not said yet that it is gone: whoever comes asks it first. */
static void an_arrival_is_no_twin_of_what_has_left_elsewhere(void **state)
{
	struct world *world = *state;
	struct rsm_medium medium;
	unsigned count = count_media(world);
	char from[300], to[300];

	assert_done(rsm_medium_find_barcode(rsm_manager_catalog(world->manager), "A00001L8",
					    &medium, &world->err),
		    &world->err);
	snprintf(from, sizeof from, "%s/slots/%u/A00001L8", world->folder, medium.element);
	snprintf(to, sizeof to, "%s/slots/1003/A00001L8", other_of(world));
	assert_int_equal(rename(from, to), 0);
	assert_done(rsm_library_inventory(&world->manager->libraries[1], &world->err), &world->err);
	medium = medium_of(world, medium.id);
	assert_int_equal(medium.library, library_at(world, 1));
	assert_int_equal(medium.element, 1003);
	assert_int_equal(count_media(world), count);
}

static void what_was_ejected_here_is_injected_there(void **state)
{
	struct world *world = *state;
	int64_t id = given_cartridge(world, given_pool(world, "Backup"), "monday");
	struct rsm_medium medium;
	char from[300], to[300];
	bool first;

	write_file(world, id, "file", 5000, 7);
	sync_and_put_away(world, id);
	first = medium_of(world, id).library == library_at(world, 0);
	assert_done(rsm_manager_eject_wait(world->manager, id, false, NULL, &world->err),
		    &world->err);
	medium = medium_of(world, id);
	assert_int_equal(medium.location, RSM_AT_PORT);
	snprintf(from, sizeof from, "%s/ports/%u/%s", world->libraries[!first], medium.element,
		 medium.barcode);
	snprintf(to, sizeof to, "%s/ports/11/%s", world->libraries[first], medium.barcode);
	assert_int_equal(rename(from, to), 0);
	await_library(world, id, library_at(world, first), RSM_AT_SLOT);
	expect_file(world, id, "file", 5000, 7);
}

static void a_library_that_is_not_in_the_mount_is_off_line(void **state)
{
	struct world *world = *state;
	struct rsm_medium medium;

	world_stop(world);
	world->library_count = 1;
	world_start(world);
	assert_done(rsm_medium_find_barcode(rsm_manager_catalog(world->manager), "B00001L8",
					    &medium, &world->err),
		    &world->err);
	assert_int_equal(medium.location, RSM_AT_OFFLINE);
	world_stop(world);
	world->library_count = 2;
	world_start(world);
	medium = medium_of(world, medium.id);
	assert_int_equal(medium.location, RSM_AT_SLOT);
	assert_int_equal(medium.state, RSM_MEDIUM_AVAILABLE);
}

static bool find_line(void *context, int64_t number, const char *line)
{
	(void)number;
	if (strstr(line, "event=move") && strstr(line, *(const char **)context))
		*(const char **)context = "";
	return true;
}

static void events_tell_which_library(void **state)
{
	struct world *world = *state;
	struct rsm_medium medium;
	char wanted[32];
	const char *found = wanted;
	bool lost;

	assert_done(rsm_medium_find_barcode(rsm_manager_catalog(world->manager), "B00001L8",
					    &medium, &world->err),
		    &world->err);
	snprintf(wanted, sizeof wanted, " library=%lld", (long long)library_at(world, 1));
	assert_done(rsm_manager_eject_wait(world->manager, medium.id, false, NULL, &world->err),
		    &world->err);
	assert_done(rsm_event_list(rsm_manager_catalog(world->manager), 0, "B00001L8", find_line,
				   &found, &lost, &world->err),
		    &world->err);
	assert_string_equal(found, "");
}

static int64_t raised(struct world *world, const struct rsm_operator_request *request)
{
	int64_t id;

	assert_done(rsm_operator_request_raise(rsm_manager_catalog(world->manager), request, &id,
					       &world->err),
		    &world->err);
	return id;
}

static void a_library_that_does_not_answer_is_no_answer_for_another(void **state)
{
	struct world *world = *state;
	const struct rsm_emulator_fault fault = {
		.opcode = 0xB8, .times = 100, .key = 0x04, .asc = 0x44
	};
	struct rsm_operator_request wanted = { .kind = RSM_REQUEST_MOVE_MEDIA, .text = "bring it" };
	struct rsm_medium medium;
	int64_t there, not_there;

	assert_done(rsm_medium_find_barcode(rsm_manager_catalog(world->manager), "B00001L8",
					    &medium, &world->err),
		    &world->err);
	wanted.medium = medium.id;
	there = raised(world, &wanted);
	wanted = (struct rsm_operator_request){ .kind = RSM_REQUEST_CLEANER,
						.library = library_at(world, 1) };
	not_there = raised(world, &wanted);
	assert_done(rsm_emulator_inject(world->manager->libraries[0].hardware->emulator, &fault,
					&world->err),
		    &world->err);

	assert_done(rsm_manager_satisfy_request(world->manager, there, NULL, &world->err),
		    &world->err);
	assert_int_equal(rsm_manager_satisfy_request(world->manager, not_there, NULL, &world->err),
			 -EAGAIN);
	/* and it is not concealed that not all of it was seen */
	assert_non_null(strstr(world->err.msg, world->libraries[0]));
}

#define T(name) cmocka_unit_test_setup_teardown(name, two_libraries, free_libraries)
static const struct CMUnitTest tests[] = {
	T(a_pool_draws_from_every_library),
	T(a_cartridge_is_mounted_in_the_library_where_it_is),
	T(a_cartridge_that_is_carried_over_is_who_it_was),
	T(an_arrival_is_no_twin_of_what_has_left_elsewhere),
	T(what_was_ejected_here_is_injected_there),
	T(a_library_that_is_not_in_the_mount_is_off_line),
	T(events_tell_which_library),
	T(a_library_that_does_not_answer_is_no_answer_for_another),
};
RSM_TEST_MAIN(tests)
