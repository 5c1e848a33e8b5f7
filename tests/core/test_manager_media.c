/* Which cartridge fits which drive, what is written once, and who is who. */
#include <errno.h>
#include <sys/stat.h>

#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

/* ---- libraries, and what lies in them ---- */

/* Made, and not served yet. */
static struct world *given_library(const char *media_type, const char *drive_types,
				   unsigned cartridges)
{
	struct rsm_library_shape shape = { .media_type = media_type,
					   .drive_types = drive_types,
					   .drives = 2,
					   .slots = 8,
					   .ports = 2,
					   .cartridges = cartridges,
					   .capacity_bytes = (uint64_t)1 << 30,
					   .no_cleaner = true };
	struct world *world = calloc(1, sizeof *world);

	assert_non_null(world);
	/* in memory, where that is: syncing is what takes the time here */
	strcpy(world->folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/rsm-test-media-XXXXXX"
							    : "/tmp/rsm-test-media-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	world->libraries[0] = world->folder;
	assert_done(rsm_library_folder_create(world->folder, &shape, &world->err), &world->err);
	return world;
}

static void forget_library(struct world *world)
{
	void *state = world;

	world_free(&state);
}

static void run(struct world *world, const char *command)
{
	char text[700];

	snprintf(text, sizeof text, "cd %s && %s", world->folder, command);
	assert_int_equal(system(text), 0);
}

enum { NO_DENSITY = 0 };

/* A cartridge with nothing but these two in its memory. */
static void given_blank(struct world *world, unsigned slot, const char *barcode, uint8_t density,
			uint8_t medium_type)
{
	uint8_t list[12] = { 0x04, 0x05, 0x80, 0, 1, density, 0x04, 0x08, 0x80, 0, 1, medium_type };
	char path[256];

	snprintf(path, sizeof path, "%s/slots/%u/%s", world->folder, slot, barcode);
	assert_int_equal(mkdir(path, 0777), 0);
	if (!density && !medium_type)
		return;
	strcat(path, "/partition0.mam");
	assert_done(rsm_file_save(path, density ? list : list + 6, density ? 12 : 6, 0600, 0,
				  &world->err),
		    &world->err);
}

static void await_identified(struct world *world)
{
	for (int i = 0; i < 1000 && rsm_manager_is_identifying(world->manager); i++)
		usleep(10000);
	assert_false(rsm_manager_is_identifying(world->manager));
}

static void start(struct world *world)
{
	world_start(world);
	await_identified(world);
}

static struct rsm_medium named(struct world *world, const char *barcode)
{
	struct rsm_medium medium;

	if (rsm_medium_find_barcode(catalog_of(world), barcode, &medium, &world->err) != 0)
		fail_msg("%s is unknown", barcode);
	return medium;
}

static const char *pool_path(struct world *world, const struct rsm_medium *medium)
{
	static char text[256];
	char *path = NULL;

	assert_done(rsm_pool_path(catalog_of(world), medium->pool, &path, &world->err),
		    &world->err);
	snprintf(text, sizeof text, "%s", path);
	free(path);
	return text;
}

static void expect_at(struct world *world, const char *barcode, const char *pool,
		      enum rsm_medium_state state)
{
	struct rsm_medium medium = named(world, barcode);

	assert_string_equal(pool_path(world, &medium), pool);
	assert_string_equal(rsm_medium_state_name(medium.state), rsm_medium_state_name(state));
}

static int allocate(struct world *world, int64_t pool, const char *name, const char *barcode,
		    struct rsm_medium *ret_medium)
{
	struct rsm_allocation allocation = {
		.pool = pool, .name = name, .barcode = barcode, .mode = 0755
	};

	return rsm_manager_allocate(world->manager, &allocation, ret_medium, &world->err);
}

static void sync_and_home(struct world *world, int64_t medium)
{
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
	if (rsm_manager_dismount_wait(world->manager, medium, false, NULL, &world->err) < 0)
		assert_non_null(strstr(world->err.msg, "not mounted"));
}

struct lines {
	const char *wanted[3];
	unsigned found;
};

static bool look_at_line(void *context, int64_t id, const char *line)
{
	struct lines *lines = context;
	bool all = true;

	(void)id;
	for (int i = 0; i < 3 && lines->wanted[i]; i++)
		all = all && strstr(line, lines->wanted[i]);
	lines->found += all;
	return true;
}

/* How many events hold these words. */
static unsigned events(struct world *world, const char *a, const char *b, const char *c)
{
	struct lines lines = { .wanted = { a, b, c } };
	bool lost;

	assert_done(rsm_event_list(catalog_of(world), 0, NULL, look_at_line, &lines, &lost,
				   &world->err),
		    &world->err);
	return lines.found;
}

/* ---- types ---- */

static void a_drive_tells_what_a_cartridge_is_and_not_its_barcode(void **state)
{
	struct world *world = given_library("LTO-8", NULL, 1);

	(void)state;
	given_blank(world, 1002, "B00001L8", 0x5C, 0);
	given_blank(world, 1003, "PLAIN", 0x5C, 0);
	given_blank(world, 1004, "OTHER", NO_DENSITY, 0);
	start(world);

	expect_at(world, "A00001L8", "Free/LTO-8", RSM_MEDIUM_AVAILABLE);
	expect_at(world, "B00001L8", "Unrecognized/LTO-7", RSM_MEDIUM_FOREIGN);
	expect_at(world, "PLAIN", "Unrecognized/LTO-7", RSM_MEDIUM_FOREIGN);
	expect_at(world, "OTHER", "Unrecognized/LTO-8", RSM_MEDIUM_FOREIGN);
	forget_library(world);
}

static void what_no_drive_can_use_is_incompatible_and_says_so(void **state)
{
	struct world *world = given_library("LTO-8", NULL, 1);
	int64_t media[1];
	struct rsm_medium medium;

	(void)state;
	given_blank(world, 1002, "B00001L6", NO_DENSITY, 0);
	given_blank(world, 1003, "C00001L8", 0x60, 0);
	start(world);

	expect_at(world, "B00001L6", "Unrecognized/LTO-6", RSM_MEDIUM_INCOMPATIBLE);
	expect_at(world, "C00001L8", "Unrecognized/LTO-9", RSM_MEDIUM_INCOMPATIBLE);
	medium = named(world, "C00001L8");
	assert_string_equal(medium.health, "no drive here can use C00001L8 (LTO-9): they are "
					   "LTO-8");
	media[0] = medium.id;
	assert_int_equal(
		rsm_manager_mount_wait(world->manager, media, 1, 0, 0, 0, 0, 0, NULL, &world->err),
		-EMEDIUMTYPE);
	assert_non_null(strstr(world->err.msg, "no drive here can use C00001L8"));
	world_stop(world);

	/* with another drive it is a cartridge like others */
	run(world, "echo drive_type@257 = LTO-9 >> library.conf");
	start(world);
	expect_at(world, "C00001L8", "Unrecognized/LTO-9", RSM_MEDIUM_FOREIGN);
	expect_at(world, "B00001L6", "Unrecognized/LTO-6", RSM_MEDIUM_INCOMPATIBLE);
	forget_library(world);
}

static void every_kind_of_drive_is_tried_before_one_is_incompatible(void **state)
{
	struct world *world = given_library("LTO-8", "LTO-7,LTO-9", 0);

	(void)state;
	given_blank(world, 1002, "NINE", 0x60, 0);
	given_blank(world, 1003, "FIVE", 0x58, 0);
	given_blank(world, 1004, "FOUR", 0x46, 0);
	given_blank(world, 1005, "LIEL7", 0x60, 0);
	start(world);

	expect_at(world, "NINE", "Unrecognized/LTO-9", RSM_MEDIUM_FOREIGN);
	expect_at(world, "FIVE", "Unrecognized/LTO-5", RSM_MEDIUM_FOREIGN);
	expect_at(world, "FOUR", "Unrecognized/LTO-4", RSM_MEDIUM_INCOMPATIBLE);
	expect_at(world, "LIEL7", "Unrecognized/LTO-9", RSM_MEDIUM_FOREIGN);
	forget_library(world);
}

/* ---- generations ---- */

/* Two LTO-5 cartridges, the first one written; then the drives are replaced. */
static struct world *given_old_cartridges(const char *drives)
{
	struct world *world = given_library("LTO-5", NULL, 2);
	struct rsm_medium medium;
	char command[200];

	start(world);
	assert_done(allocate(world, given_pool(world, "Old"), "one", "A00001L5", &medium),
		    &world->err);
	write_file(world, medium.id, "file", 5000, 7);
	sync_and_home(world, medium.id);
	world_stop(world);
	snprintf(command, sizeof command, "sed -i s/^drive_type.*// library.conf && %s", drives);
	run(world, command);
	return world;
}

static void what_the_drives_only_read_takes_no_changes(void **state)
{
	struct world *world = given_old_cartridges("echo drive_type=LTO-7 >> library.conf");
	int64_t media[1];
	struct rsm_medium medium;
	struct rsm_pool pool;

	(void)state;
	start(world);
	medium = named(world, "A00001L5");
	expect_file(world, medium.id, "file", 5000, 7);
	assert_int_equal(try_write(world->manager, medium.id, "more", 10, 1, &world->err), -EROFS);
	assert_non_null(strstr(world->err.msg, "no drive here writes LTO-5"));
	media[0] = medium.id;
	assert_int_equal(rsm_manager_mount_wait(world->manager, media, 1, RSM_MOUNT_WRITE, 0, 0, 0,
						0, NULL, &world->err),
			 -EROFS);
	medium = named(world, "A00001L5");
	assert_false(medium.write_protected);

	/* and none of them is allocated */
	assert_done(rsm_pool_find_path(catalog_of(world), "Old", &pool, &world->err), &world->err);
	assert_int_equal(allocate(world, pool.id, "two", NULL, &medium), -EMEDIUMTYPE);
	assert_string_equal(world->err.msg, "Old: no drive here writes LTO-5");
	assert_int_equal(allocate(world, pool.id, "two", "A00002L5", &medium), -EMEDIUMTYPE);
	forget_library(world);
}

static void what_is_to_be_written_goes_to_a_drive_that_writes_it(void **state)
{
	struct world *world = given_old_cartridges(
		"printf 'drive_type=LTO-7\\ndrive_type@257=LTO-6\\n' >> library.conf");
	int64_t media[1];
	struct rsm_medium medium;
	struct rsm_pool pool;
	unsigned before;

	(void)state;
	start(world);
	medium = named(world, "A00001L5");
	media[0] = medium.id;
	before = events(world, "event=load", "A00001L5", "drive=\"drive 257\"");
	/* in the one that reads it, where it is held */
	assert_done(rsm_manager_mount_wait(world->manager, media, 1, RSM_MOUNT_HOLD, 256, 0, 10000,
					   0, NULL, &world->err),
		    &world->err);
	expect_file(world, medium.id, "file", 5000, 7);
	write_file(world, medium.id, "more", 70000, 3);
	sync_and_home(world, medium.id);
	assert_int_equal(events(world, "event=load", "A00001L5", "drive=\"drive 257\""),
			 before + 1);
	expect_file(world, medium.id, "more", 70000, 3);

	assert_int_equal(rsm_manager_mount_wait(world->manager, media, 1, RSM_MOUNT_WRITE, 256, 0,
						10000, 0, NULL, &world->err),
			 -EMEDIUMTYPE);
	assert_non_null(strstr(world->err.msg, "drive 256 (LTO-7) only reads A00001L5"));

	/* a new one is formatted there as well */
	assert_done(rsm_pool_find_path(catalog_of(world), "Old", &pool, &world->err), &world->err);
	assert_done(allocate(world, pool.id, "two", NULL, &medium), &world->err);
	write_file(world, medium.id, "new", 5000, 9);
	sync_and_home(world, medium.id);
	assert_int_equal(events(world, "event=format", "A00002L5", "drive=\"drive 257\""), 1);
	forget_library(world);
}

/* ---- written once ---- */

static void a_worm_cartridge_is_free_while_it_is_blank_and_formatted_once(void **state)
{
	struct world *world = given_library("LTO-8-WORM", NULL, 2);
	struct rsm_medium medium;
	int64_t pool;

	(void)state;
	start(world);
	expect_at(world, "A00001LY", "Free/LTO-8-WORM", RSM_MEDIUM_AVAILABLE);
	pool = given_pool(world, "Law");
	/* never written: it goes back as it was */
	assert_done(allocate(world, pool, "case", "A00001LY", &medium), &world->err);
	assert_done(rsm_manager_deallocate(world->manager, medium.id, false, &world->err),
		    &world->err);
	expect_at(world, "A00001LY", "Free/LTO-8-WORM", RSM_MEDIUM_AVAILABLE);

	assert_done(allocate(world, pool, "case", "A00001LY", &medium), &world->err);
	for (unsigned i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof name, "file%u", i);
		write_file(world, medium.id, name, 5000 + i, i);
		sync_and_home(world, medium.id);
	}
	world_stop(world);
	run(world, "rm -r catalog staging");
	start(world);
	medium = named(world, "A00001LY");
	assert_string_equal(pool_path(world, &medium), "Law");
	for (unsigned i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof name, "file%u", i);
		expect_file(world, medium.id, name, 5000 + i, i);
	}
	assert_int_equal(rsm_manager_free_medium(world->manager, medium.id, &world->err), -EBUSY);

	/* what stands on it stays on it */
	assert_done(rsm_manager_deallocate(world->manager, medium.id, true, &world->err),
		    &world->err);
	expect_at(world, "A00001LY", "Law", RSM_MEDIUM_DECOMMISSIONED);
	assert_int_equal(rsm_manager_free_medium(world->manager, medium.id, &world->err), -EPERM);
	medium = named(world, "A00002LY");
	assert_int_equal(rsm_manager_free_medium(world->manager, medium.id, &world->err), -EROFS);
	assert_non_null(strstr(world->err.msg, "A00002LY is written once (LTO-8-WORM)"));
	run(world, "python3 " RSM_SOURCE_ROOT "/tests/system/ltfs_check.py slots/1001/A00001LY "
		   "--history > check.log 2>&1 || { cat check.log >&2; false; }");
	forget_library(world);
}

static void a_worm_cartridge_that_bears_anything_is_not_free(void **state)
{
	struct world *world = given_library("LTO-8", NULL, 1);

	(void)state;
	/* a free label on one that cannot be written over is the end of it */
	run(world, "mkdir slots/1002/B00001LY && cp slots/1001/A00001L8/partition0.tap "
		   "slots/1002/B00001LY");
	start(world);
	expect_at(world, "B00001LY", "Unrecognized/LTO-8-WORM", RSM_MEDIUM_FOREIGN);
	forget_library(world);
}

static void a_worm_cartridge_that_was_partitioned_and_no_more_is_formatted(void **state)
{
	struct world *world = given_library("LTO-8-WORM", NULL, 1);
	struct rsm_medium medium;

	(void)state;
	run(world, "touch slots/1001/A00001LY/partition0.tap slots/1001/A00001LY/partition1.tap");
	start(world);
	expect_at(world, "A00001LY", "Free/LTO-8-WORM", RSM_MEDIUM_AVAILABLE);
	assert_done(allocate(world, given_pool(world, "Law"), "case", NULL, &medium), &world->err);
	write_file(world, medium.id, "file", 5000, 7);
	sync_and_home(world, medium.id);
	expect_file(world, medium.id, "file", 5000, 7);
	forget_library(world);
}

static void a_worm_cartridge_without_room_for_an_index_takes_no_changes(void **state)
{
	struct world *world = given_library("LTO-8-WORM", NULL, 1);
	struct rsm_medium medium;
	int r = 0;

	(void)state;
	run(world, "sed -i 's/^capacity.*/capacity = 50 MiB/' library.conf && "
		   "rm slots/1001/A00001LY/partition0.mam");
	start(world);
	assert_done(allocate(world, given_pool(world, "Law"), "case", NULL, &medium), &world->err);
	for (unsigned i = 0; r == 0 && i < 1000; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%u", i);
		r = try_write(world->manager, medium.id, name, 10, i, &world->err);
		if (r == 0 && i > 200 && i % 10 == 0)
			sync_and_home(world, medium.id);
	}
	assert_int_equal(r, -EROFS);
	assert_non_null(strstr(world->err.msg, "its index partition is full"));
	expect_file(world, medium.id, "f0", 10, 0);
	run(world, "python3 " RSM_SOURCE_ROOT "/tests/system/ltfs_check.py slots/1001/A00001LY "
		   "> check.log 2>&1 || { cat check.log >&2; false; }");
	forget_library(world);
}

/* ---- cleaners ---- */

static void a_cleaner_is_in_no_pool_whatever_its_barcode_says(void **state)
{
	struct world *world = given_library("LTO-8", NULL, 1);
	int64_t media[1];
	struct rsm_medium medium;

	(void)state;
	given_blank(world, 1002, "CLN001L1", NO_DENSITY, 1);
	given_blank(world, 1003, "X00001L8", NO_DENSITY, 1);
	start(world);

	for (int i = 0; i < 2; i++) {
		medium = named(world, i ? "X00001L8" : "CLN001L1");
		assert_true(medium.cleaner && medium.pool == 0);
		media[0] = medium.id;
		assert_int_equal(rsm_manager_mount_wait(world->manager, media, 1, 0, 0, 0, 0, 0,
							NULL, &world->err),
				 -EMEDIUMTYPE);
		assert_non_null(strstr(world->err.msg, "is a cleaning cartridge"));
		assert_int_equal(rsm_manager_free_medium(world->manager, medium.id, &world->err),
				 -EPERM);
	}
	assert_int_equal(events(world, "event=move", "CLN001L1", NULL), 0);
	forget_library(world);
}

/* ---- who is who ---- */

static void the_id_of_a_side_outlives_allocations_pools_and_the_catalogue(void **state)
{
	struct world *world = given_library("LTO-8", NULL, 2);
	char used[RSM_GUID_SIZE], unused[RSM_GUID_SIZE], lmid[RSM_GUID_SIZE];
	struct rsm_medium medium;
	int64_t pool;

	(void)state;
	start(world);
	strcpy(used, named(world, "A00001L8").guid);
	strcpy(unused, named(world, "A00002L8").guid);
	pool = given_pool(world, "Backup");
	assert_done(allocate(world, pool, "monday", "A00001L8", &medium), &world->err);
	assert_string_equal(medium.guid, used);
	strcpy(lmid, medium.lmid);
	assert_done(rsm_manager_deallocate(world->manager, medium.id, false, &world->err),
		    &world->err);
	assert_done(allocate(world, pool, "monday", "A00001L8", &medium), &world->err);
	assert_string_equal(medium.guid, used);
	assert_string_not_equal(medium.lmid, lmid); /* an id seen once names no other allocation */
	write_file(world, medium.id, "file", 5000, 7);
	sync_and_home(world, medium.id);
	world_stop(world);

	run(world, "mv slots/1001/A00001L8 shelf");
	start(world);
	assert_string_equal(named(world, "A00001L8").guid, used);
	world_stop(world);
	run(world, "mv shelf/A00001L8 slots/1005; rm -r catalog staging");
	start(world);
	medium = named(world, "A00001L8");
	assert_string_equal(medium.name, "monday");
	assert_string_equal(medium.guid, used);
	assert_string_equal(named(world, "A00002L8").guid, unused);
	forget_library(world);
}

static void two_cartridges_of_one_barcode_are_both_kept(void **state)
{
	struct world *world = given_library("LTO-8", NULL, 2);
	struct rsm_medium medium;
	int64_t pool;

	(void)state;
	run(world, "mv slots/1002/A00002L8 slots/1002/A00001L8");
	start(world);
	expect_at(world, "A00001L8", "Free/LTO-8", RSM_MEDIUM_AVAILABLE);
	expect_at(world, "A00001L8~2", "Free/LTO-8", RSM_MEDIUM_AVAILABLE);
	assert_string_not_equal(named(world, "A00001L8").guid, named(world, "A00001L8~2").guid);
	assert_int_equal(events(world, "event=duplicate", "A00001L8~2", NULL), 1);

	pool = given_pool(world, "Backup");
	assert_int_equal(allocate(world, pool, "x", "A00001L8", &medium), -EINVAL);
	assert_non_null(strstr(world->err.msg, "2 cartridges bear the barcode A00001L8"));
	assert_done(allocate(world, pool, "A00001L8", NULL, &medium), &world->err);
	assert_done(allocate(world, pool, "other", NULL, &medium), &world->err);
	forget_library(world);
}

static void the_second_of_two_that_bear_one_volume_is_read_only(void **state)
{
	struct world *world = given_library("LTO-8", NULL, 1);
	struct rsm_medium medium, copy;
	int64_t pool;

	(void)state;
	start(world);
	pool = given_pool(world, "Backup");
	assert_done(allocate(world, pool, "monday", NULL, &medium), &world->err);
	write_file(world, medium.id, "file", 5000, 7);
	sync_and_home(world, medium.id);
	world_stop(world);

	run(world, "cp -r slots/1001/A00001L8 slots/1004/B00009L8");
	start(world);
	copy = named(world, "B00009L8");
	expect_at(world, "B00009L8", "Import/LTO-8", RSM_MEDIUM_IMPORT);
	assert_true(copy.duplicate);
	assert_int_equal(events(world, "event=duplicate", "B00009L8", "A00001L8"), 1);
	expect_file(world, copy.id, "file", 5000, 7);
	assert_int_equal(try_write(world->manager, copy.id, "more", 10, 1, &world->err), -EROFS);
	assert_int_equal(allocate(world, pool, "copy", "B00009L8", &medium), -EPERM);
	write_file(world, named(world, "A00001L8").id, "more", 10, 1);
	forget_library(world);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_drive_tells_what_a_cartridge_is_and_not_its_barcode),
	cmocka_unit_test(what_no_drive_can_use_is_incompatible_and_says_so),
	cmocka_unit_test(every_kind_of_drive_is_tried_before_one_is_incompatible),
	cmocka_unit_test(what_the_drives_only_read_takes_no_changes),
	cmocka_unit_test(what_is_to_be_written_goes_to_a_drive_that_writes_it),
	cmocka_unit_test(a_worm_cartridge_is_free_while_it_is_blank_and_formatted_once),
	cmocka_unit_test(a_worm_cartridge_that_bears_anything_is_not_free),
	cmocka_unit_test(a_worm_cartridge_that_was_partitioned_and_no_more_is_formatted),
	cmocka_unit_test(a_worm_cartridge_without_room_for_an_index_takes_no_changes),
	cmocka_unit_test(a_cleaner_is_in_no_pool_whatever_its_barcode_says),
	cmocka_unit_test(the_id_of_a_side_outlives_allocations_pools_and_the_catalogue),
	cmocka_unit_test(two_cartridges_of_one_barcode_are_both_kept),
	cmocka_unit_test(the_second_of_two_that_bear_one_volume_is_read_only),
};
RSM_TEST_MAIN(tests)
