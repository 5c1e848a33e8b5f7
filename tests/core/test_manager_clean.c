/* Cleaning: by hand, by itself, with a cartridge that wears out. */
#include <errno.h>
#include <pthread.h>

#include "core/cleaner.h"
#include "core/drive_private.h"
#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

static void restart_with(struct world *world, const char *conf, bool autoclean)
{
	char path[128];
	FILE *file;

	world_stop(world);
	snprintf(path, sizeof path, "%s/library.conf", world->folder);
	file = fopen(path, "a");
	assert_non_null(file);
	fputs(conf, file);
	fclose(file);
	world->autoclean = autoclean;
	world_start(world);
}

static struct rsm_drive_status drive_of(struct world *world, uint32_t element)
{
	struct rsm_drive_status *drives, found = { 0 };
	size_t count;

	assert_done(rsm_manager_drives(world->manager, &drives, &count, &world->err), &world->err);
	for (size_t i = 0; i < count; i++)
		if (drives[i].element == element)
			found = drives[i];
	free(drives);
	return found;
}

static int clean(struct world *world, uint32_t element)
{
	return rsm_manager_clean_wait(world->manager, world->manager->libraries[0].id, element, 0,
				      NULL, &world->err);
}

static void mount_in(struct world *world, int64_t medium, uint32_t element)
{
	assert_done(rsm_manager_mount_wait(world->manager, &medium, 1, RSM_MOUNT_HOLD, element, 0,
					   5000, 0, NULL, &world->err),
		    &world->err);
}

static bool find_cleaner_request(void *context, const struct rsm_operator_request *request)
{
	*(unsigned *)context += request->kind == RSM_REQUEST_CLEANER;
	return true;
}

static unsigned cleaners_asked_for(struct world *world)
{
	unsigned count = 0;

	assert_done(rsm_operator_request_list(rsm_manager_catalog(world->manager), true,
					      find_cleaner_request, &count, &world->err),
		    &world->err);
	return count;
}

static void a_drive_is_cleaned_and_the_uses_are_counted(void **state)
{
	struct world *world = *state;
	struct rsm_medium cleaner = barcode_of(world, "CLN001L1");
	uint32_t uses;

	assert_done(
		rsm_cleaner_set_uses(rsm_manager_catalog(world->manager), &cleaner, 2, &world->err),
		&world->err);
	assert_int_equal(drive_of(world, 256).cleaned, 0);
	assert_done(clean(world, 256), &world->err);
	assert_true(drive_of(world, 256).cleaned > 0);
	assert_int_equal(drive_of(world, 257).cleaned, 0);
	assert_int_equal(barcode_of(world, "CLN001L1").location, RSM_AT_SLOT);
	assert_done(
		rsm_cleaner_uses(rsm_manager_catalog(world->manager), &cleaner, &uses, &world->err),
		&world->err);
	assert_int_equal(uses, 1);
	assert_int_equal(cleaners_asked_for(world), 0);

	/* the last use: another one is asked for, and none is left to clean with */
	assert_done(clean(world, 257), &world->err);
	assert_int_equal(cleaners_asked_for(world), 1);
	assert_int_equal(clean(world, 256), -ENOMEDIUM);
	assert_int_equal(cleaners_asked_for(world), 1);
	assert_int_equal(clean(world, 999), -ENXIO);
}

static void a_cleaner_that_the_drive_rejects_is_spent(void **state)
{
	struct world *world = *state;
	struct rsm_medium cleaner;
	uint32_t uses;

	restart_with(world, "cleanings = 1\n", false);
	assert_done(clean(world, 256), &world->err);
	assert_int_equal(clean(world, 256), -ENOMEDIUM);
	cleaner = barcode_of(world, "CLN001L1");
	assert_int_equal(cleaner.location, RSM_AT_SLOT);
	assert_done(
		rsm_cleaner_uses(rsm_manager_catalog(world->manager), &cleaner, &uses, &world->err),
		&world->err);
	assert_int_equal(uses, 0);
	assert_int_equal(cleaners_asked_for(world), 1);
	/* the drive goes on */
	mount_in(world, barcode_of(world, "A00001L8").id, 256);
}

/* Never under a mounted medium: who has it keeps it, an idle one leaves. */
static void a_mounted_cartridge_is_waited_for(void **state)
{
	struct world *world = *state;
	atomic_bool cancel = true;
	int64_t id;

	world_stop(world);
	world->dismount_delay_s = 60;
	world_start(world);
	id = given_cartridge(world, given_pool(world, "Backup"), "monday");
	write_file(world, id, "file", 5000, 7);
	mount_in(world, id, 256);
	assert_int_equal(rsm_manager_clean_wait(world->manager, world->manager->libraries[0].id,
						256, 0, &cancel, &world->err),
			 -EINTR);
	assert_int_equal(drive_of(world, 256).medium, id);
	assert_done(rsm_manager_dismount_wait(world->manager, id, true, NULL, &world->err),
		    &world->err);
	assert_done(clean(world, 256), &world->err);
	assert_int_equal(drive_of(world, 256).medium, 0);
	expect_file(world, id, "file", 5000, 7);
}

struct cleaning {
	struct world *world;
	int r;
	struct rsm_err err;
};

static void *clean_it(void *argument)
{
	struct cleaning *cleaning = argument;

	cleaning->r = rsm_manager_clean_wait(cleaning->world->manager,
					     cleaning->world->manager->libraries[0].id, 256, 0,
					     NULL, &cleaning->err);
	return NULL;
}

static bool take_clean(void *context, const struct rsm_work_item *item)
{
	if (item->kind == RSM_WORK_CLEAN)
		*(struct rsm_work_item *)context = *item;
	return true;
}

static bool waits_to_be_cleaned(struct world *world)
{
	RSM_LOCK_SCOPE(&world->manager->lock);
	return world->manager->workers[0]->clean != NULL;
}

static void a_cleaning_that_waits_can_be_cancelled(void **state)
{
	struct world *world = *state;
	int64_t id = given_cartridge(world, given_pool(world, "Backup"), "monday");
	struct cleaning cleaning = { .world = world };
	struct rsm_work_item item = { 0 };
	pthread_t thread;

	mount_in(world, id, 256);
	assert_int_equal(pthread_create(&thread, NULL, clean_it, &cleaning), 0);
	for (int i = 0; i < 500 && !waits_to_be_cleaned(world); i++)
		usleep(5000);
	assert_done(rsm_work_item_list(rsm_manager_catalog(world->manager), true, take_clean, &item,
				       &world->err),
		    &world->err);
	assert_true(item.id > 0);
	assert_done(rsm_manager_cancel_item(world->manager, &item, NULL, &world->err), &world->err);
	assert_false(waits_to_be_cleaned(world));
	dismount(world, id);
	pthread_join(thread, NULL);
	assert_int_equal(cleaning.r, -ECANCELED);
	assert_int_equal(drive_of(world, 256).cleaned, 0);
}

static void use_twice(struct world *world)
{
	int64_t id = barcode_of(world, "A00001L8").id;

	for (int i = 0; i < 2; i++) {
		mount_in(world, id, 256);
		dismount(world, id);
	}
}

static void a_drive_that_asks_for_it_is_cleaned_by_itself(void **state)
{
	struct world *world = *state;

	restart_with(world, "clean_after = 2\n", true);
	use_twice(world);
	for (int i = 0; i < 500 && !drive_of(world, 256).cleaned; i++)
		usleep(10000);
	assert_true(drive_of(world, 256).cleaned > 0);
	for (int i = 0; i < 500 && drive_of(world, 256).unclean; i++)
		usleep(10000);
	assert_false(drive_of(world, 256).unclean);
}

static void without_autoclean_a_drive_only_says_so(void **state)
{
	struct world *world = *state;

	restart_with(world, "clean_after = 2\n", false);
	use_twice(world);
	assert_true(drive_of(world, 256).unclean);
	usleep(300000);
	assert_int_equal(drive_of(world, 256).cleaned, 0);
	assert_done(clean(world, 256), &world->err);
	assert_false(drive_of(world, 256).unclean);
}

static void a_cleaner_left_in_a_drive_goes_home_at_the_next_start(void **state)
{
	struct world *world = *state;
	struct rsm_medium cleaner = barcode_of(world, "CLN001L1");
	char from[128], to[128];

	world_stop(world);
	snprintf(from, sizeof from, "%s/slots/%u/CLN001L1", world->folder, cleaner.element);
	snprintf(to, sizeof to, "%s/drives/256/CLN001L1", world->folder);
	assert_int_equal(rename(from, to), 0);
	world_start(world);
	for (int i = 0; i < 500; i++) {
		cleaner = barcode_of(world, "CLN001L1");
		if (cleaner.location == RSM_AT_SLOT)
			break;
		usleep(10000);
	}
	assert_int_equal(cleaner.location, RSM_AT_SLOT);
	assert_int_equal(drive_of(world, 256).cleaned, 0);
}

/* Nobody else is put there, not even whose home it was. */
static void the_cleaners_slot_is_left_to_it(void **state)
{
	struct world *world = *state;
	struct rsm_library *library = &world->manager->libraries[0];
	struct rsm_medium one, now;
	uint32_t slot;

	assert_done(rsm_medium_find_barcode(rsm_manager_catalog(world->manager), "A00001L8", &one,
					    &world->err),
		    &world->err);
	/* it has been read: it is for data */
	assert_int_equal(rsm_manager_set_cleaner_slot(world->manager, library->id, one.element,
						      true, &world->err),
			 -EMEDIUMTYPE);
	mount_in(world, one.id, 256);
	assert_done(rsm_manager_set_cleaner_slot(world->manager, library->id, one.home_slot, true,
						 &world->err),
		    &world->err);
	assert_int_equal(
		rsm_manager_set_cleaner_slot(world->manager, library->id, 1, true, &world->err),
		-ENXIO);
	dismount(world, one.id);
	now = barcode_of(world, "A00001L8");
	assert_int_equal(now.location, RSM_AT_SLOT);
	assert_int_not_equal(now.element, one.home_slot);

	/* over a restart as well, and until it is given up */
	world_stop(world);
	world_start(world);
	library = &world->manager->libraries[0];
	assert_done(rsm_cleaner_slot(rsm_manager_catalog(world->manager), library->id, &slot,
				     &world->err),
		    &world->err);
	assert_int_equal(slot, one.home_slot);
	assert_done(
		rsm_manager_set_cleaner_slot(world->manager, library->id, slot, false, &world->err),
		&world->err);
	assert_int_equal(
		rsm_manager_set_cleaner_slot(world->manager, library->id, slot, false, &world->err),
		-ENOENT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
static const struct CMUnitTest tests[] = {
	T(a_drive_is_cleaned_and_the_uses_are_counted),
	T(a_cleaner_that_the_drive_rejects_is_spent),
	T(a_mounted_cartridge_is_waited_for),
	T(a_cleaning_that_waits_can_be_cancelled),
	T(a_drive_that_asks_for_it_is_cleaned_by_itself),
	T(without_autoclean_a_drive_only_says_so),
	T(the_cleaners_slot_is_left_to_it),
	T(a_cleaner_left_in_a_drive_goes_home_at_the_next_start),
};
RSM_TEST_MAIN(tests)
