/* Promise 18 of rsm-model.md 20: every failure names the cartridge, the drive and the slot in the
 * event, and the file in the log (the text of an event is the line of the log; test_promises.py
 * looks at the log itself).
 */
#include <errno.h>

#include "changer/emulator/emulator.h"
#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

enum { READ_6 = 0x08, WRITE_6 = 0x0A, LOAD_UNLOAD = 0x1B, MOVE_MEDIUM = 0xA5, ALWAYS = 100000 };

static void inject(struct world *world, uint16_t opcode, unsigned times, uint8_t key, uint8_t asc,
		   uint8_t ascq)
{
	const struct rsm_emulator_fault fault = {
		.opcode = opcode, .times = times, .key = key, .asc = asc, .ascq = ascq
	};

	assert_done(rsm_emulator_inject(world->manager->libraries[0].hardware->emulator, &fault,
					&world->err),
		    &world->err);
}

struct wanted {
	const char *const *parts;
	size_t count;
	unsigned found, errors;
	char last[1024];
};

static bool take_error(void *context, int64_t number, const char *line)
{
	struct wanted *wanted = context;
	bool all = true;

	(void)number;
	if (!strstr(line, " event=error "))
		return true;
	wanted->errors++;
	snprintf(wanted->last, sizeof wanted->last, "%s", line);
	for (size_t i = 0; i < wanted->count; i++)
		all = all && (!wanted->parts[i] || strstr(line, wanted->parts[i]));
	wanted->found += all;
	return true;
}

/* Of the medium as it is called now, and with its home slot. NULL: not looked at. */
static void expect_error(struct world *world, const struct rsm_medium *m, const char *drive,
			 const char *file, const char *text)
{
	char medium[RSM_NAME_SIZE + 16], slot[32];
	const char *const parts[] = { medium, slot, drive, file, text };
	struct wanted wanted = { .parts = parts, .count = 5 };
	bool lost;

	snprintf(medium, sizeof medium, " medium=%s ", m->shown);
	snprintf(slot, sizeof slot, " slot=%u ", m->home_slot);
	/* an answer may be quicker than its event */
	for (int i = 0; i < 500 && !wanted.found; i++) {
		wanted.errors = 0;
		assert_done(rsm_event_list(rsm_manager_catalog(world->manager), 0, NULL, take_error,
					   &wanted, &lost, &world->err),
			    &world->err);
		if (!wanted.found)
			usleep(2000);
	}
	if (!wanted.found)
		fail_msg("%u errors, none with%s%s %s %s %s; the last: %s", wanted.errors, medium,
			 slot, drive ? drive : "", file ? file : "", text ? text : "", wanted.last);
}

/* On its medium, at home. */
static struct rsm_medium given_written(struct world *world, int64_t pool, const char *name)
{
	int64_t medium = given_cartridge(world, pool, name);

	write_file(world, medium, "file", 300000, 1);
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
	for (int i = 0; i < 500 && medium_of(world, medium).location != RSM_AT_SLOT; i++)
		usleep(5000);
	assert_int_equal(medium_of(world, medium).location, RSM_AT_SLOT);
	return medium_of(world, medium);
}

static int mount(struct world *world, int64_t medium)
{
	return rsm_manager_mount_wait(world->manager, &medium, 1, RSM_MOUNT_HOLD, 0, 0, 10000, 0,
				      NULL, &world->err);
}

static void a_read_error_names_cartridge_drive_slot_and_file(void **state)
{
	struct world *world = *state;
	struct rsm_medium m = given_written(world, given_pool(world, "Backup"), "monday");

	assert_done(mount(world, m.id), &world->err);
	inject(world, READ_6, 1, 0x03, 0x11, 0);
	assert_int_equal(try_read(world->manager, m.id, "file", 300000, 1, &world->err), -EIO);
	expect_error(world, &m, " drive=\"drive 25", " file=file ", "reading file");
	expect_error(world, &m, NULL, NULL, "03/11/00");
}

static void a_write_error_names_cartridge_drive_slot_and_file(void **state)
{
	struct world *world = *state;
	struct rsm_medium m = given_written(world, given_pool(world, "Backup"), "monday");

	inject(world, WRITE_6, ALWAYS, 0x03, 0x0C, 0);
	write_file(world, m.id, "other", 300000, 2);
	assert_true(rsm_manager_sync_wait(world->manager, m.id, NULL, NULL, NULL, &world->err) < 0);
	expect_error(world, &m, " drive=\"drive 25", " file=other ", "writing other");
	expect_error(world, &m, NULL, NULL, "03/0C/00");
}

static void a_failure_to_load_names_cartridge_drive_and_slot(void **state)
{
	struct world *world = *state;
	struct rsm_medium m = given_written(world, given_pool(world, "Backup"), "monday");

	inject(world, LOAD_UNLOAD, 2, 0x03, 0x30, 0x03);
	assert_true(mount(world, m.id) < 0);
	expect_error(world, &m, " drive=\"drive 25", NULL, "03/30/03");
}

static void a_robot_that_fails_names_cartridge_drive_and_slot(void **state)
{
	struct world *world = *state;
	struct rsm_medium m = given_written(world, given_pool(world, "Backup"), "monday");
	char from[32];

	inject(world, MOVE_MEDIUM, ALWAYS, 0x04, 0x15, 0x01);
	assert_true(mount(world, m.id) < 0);
	snprintf(from, sizeof from, "from slot %u to drive 25", m.home_slot);
	expect_error(world, &m, " drive=\"drive 25", NULL, from);
	expect_error(world, &m, NULL, NULL, "04/15/01");
	assert_int_equal(medium_of(world, m.id).location, RSM_AT_SLOT);
}

static void so_does_one_that_fails_on_the_way_home(void **state)
{
	struct world *world = *state;
	struct rsm_medium m = given_written(world, given_pool(world, "Backup"), "monday");

	assert_done(mount(world, m.id), &world->err);
	inject(world, MOVE_MEDIUM, ALWAYS, 0x04, 0x15, 0x01);
	(void)!rsm_manager_dismount_wait(world->manager, m.id, false, NULL, &world->err);
	expect_error(world, &m, " drive=\"drive 25", NULL, "to slot");

	/* it lies in the drive; the next start takes it up there */
	world_stop(world);
	world_start(world);
	expect_file(world, m.id, "file", 300000, 1);
}

static void an_ejection_that_fails_names_cartridge_and_slot(void **state)
{
	struct world *world = *state;
	struct rsm_medium m = given_written(world, given_pool(world, "Backup"), "monday");

	inject(world, MOVE_MEDIUM, ALWAYS, 0x04, 0x15, 0x01);
	assert_true(rsm_manager_eject_wait(world->manager, m.id, false, NULL, &world->err) < 0);
	assert_non_null(strstr(world->err.msg, m.shown));
	expect_error(world, &m, NULL, NULL, "to port 1");
}

static void a_cleaning_that_fails_names_cleaner_drive_and_slot(void **state)
{
	struct world *world = *state;
	struct rsm_medium cleaner;

	for (int i = 0; i < 500 && rsm_manager_is_identifying(world->manager); i++)
		usleep(5000);
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	for (int64_t id = 1; id <= 4; id++) /* nothing is in a drive any more */
		for (int i = 0; i < 500 && medium_of(world, id).location == RSM_AT_DRIVE; i++)
			usleep(5000);
	assert_done(rsm_medium_find_barcode(rsm_manager_catalog(world->manager), "CLN001L1",
					    &cleaner, &world->err),
		    &world->err);
	inject(world, MOVE_MEDIUM, ALWAYS, 0x04, 0x15, 0x01);
	assert_true(rsm_manager_clean_wait(world->manager, world->manager->libraries[0].id, 256, 0,
					   NULL, &world->err) < 0);
	expect_error(world, &cleaner, " drive=\"drive 256\" ", NULL, "CLN001L1");
}

/* What bears its barcode has a free label where its volume should be. */
static void a_label_that_is_not_the_expected_one_names_cartridge_drive_and_slot(void **state)
{
	struct world *world = *state;
	struct rsm_medium m = given_written(world, given_pool(world, "Backup"), "monday"), other;
	char command[512];

	assert_done(rsm_medium_find_barcode(rsm_manager_catalog(world->manager),
					    strcmp(m.barcode, "A00001L8") ? "A00001L8" : "A00002L8",
					    &other, &world->err),
		    &world->err);
	world_stop(world);
	snprintf(command, sizeof command, "cd %s/slots && rm %u/%s/* && cp %u/%s/* %u/%s/",
		 world->folder, m.home_slot, m.barcode, other.home_slot, other.barcode, m.home_slot,
		 m.barcode);
	assert_int_equal(system(command), 0);
	world_start(world);
	(void)!mount(world, m.id); /* the first one fails; then it is free, as its label says */
	expect_error(world, &m, " drive=\"drive 25", NULL, m.volume_uuid);
	expect_error(world, &m, NULL, NULL, "was expected");
}

static void a_full_cartridge_names_itself_drive_slot_and_file(void **state)
{
	struct world *world = *state;
	struct rsm_medium m = given_written(world, given_pool(world, "Backup"), "monday");

	assert_done(mount(world, m.id), &world->err);
	inject(world, WRITE_6, 1, 0x0D, 0x00, 0x02); /* it holds less than it has told */
	write_file(world, m.id, "other", 300000, 2);
	(void)!rsm_manager_sync_wait(world->manager, m.id, NULL, NULL, NULL, &world->err);
	expect_error(world, &m, " drive=\"drive 25", " file=other ", "is full: other stays staged");
	expect_file(world, m.id, "other", 300000, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
static const struct CMUnitTest tests[] = {
	T(a_read_error_names_cartridge_drive_slot_and_file),
	T(a_write_error_names_cartridge_drive_slot_and_file),
	T(a_failure_to_load_names_cartridge_drive_and_slot),
	T(a_robot_that_fails_names_cartridge_drive_and_slot),
	T(so_does_one_that_fails_on_the_way_home),
	T(an_ejection_that_fails_names_cartridge_and_slot),
	T(a_cleaning_that_fails_names_cleaner_drive_and_slot),
	T(a_label_that_is_not_the_expected_one_names_cartridge_drive_and_slot),
	T(a_full_cartridge_names_itself_drive_slot_and_file),
};
RSM_TEST_MAIN(tests)
