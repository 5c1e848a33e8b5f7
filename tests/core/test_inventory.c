#include "core/inventory.h"

#include "core/event.h"
#include "tests/core/catalog_fixture.h"

static void a_new_barcode_is_unknown_until_looked_at(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium;

	given_slot(f, 1001, "A00001L8");
	given_slot(f, 1002, "ODD");
	given_slot(f, 1003, "CLN001L1");
	given_slot(f, 1004, "");
	given_slot(f, 1005, "../x y");
	reconcile(f);

	assert_int_equal(f->inventory.unknown_count, 4);
	assert_int_equal(f->inventory.change_count, 5);
	assert_int_equal(f->inventory.changes[0].what, RSM_MEDIUM_ARRIVED);
	medium = medium_of(f, "A00001L8");
	assert_in_pool(f, &medium, "Unrecognized/LTO-8");
	assert_int_equal(medium.state, RSM_MEDIUM_UNKNOWN);
	assert_int_equal(medium.home_slot, 1001);
	medium = medium_of(f, "ODD");
	assert_string_equal(medium.media_type, "LTO-8");
	medium = medium_of(f, "CLN001L1");
	assert_true(medium.cleaner);
	assert_int_equal(medium.pool, 0);
	medium = medium_of(f, "_._x_y");
	assert_int_equal(medium.element, 1005);
	assert_done(rsm_medium_at(f->catalog, f->library, RSM_AT_SLOT, 1004, &medium, &f->err),
		    &f->err);
	assert_string_equal(medium.barcode, "");
	assert_int_equal(atoi(medium.shown), medium.id);
}

static void nothing_changed_is_no_change(void **state)
{
	struct fixture *f = *state;

	given_slot(f, 1001, "A00001L8");
	given_slot(f, 1002, "");
	reconcile(f);
	reconcile(f);
	assert_int_equal(f->inventory.change_count, 0);
	assert_int_equal(f->inventory.unknown_count, 2);
	reopen(f);
	reconcile(f);
	assert_int_equal(f->inventory.change_count, 0);
}

/* Promise 11. */
static void cartridges_that_changed_places_are_found_by_barcode(void **state)
{
	struct fixture *f = *state;

	given_free_cartridges(f, 3);
	strcpy(f->elements[0].volume_tag, "A00002L8");
	strcpy(f->elements[1].volume_tag, "A00003L8");
	strcpy(f->elements[2].volume_tag, "A00001L8");
	reconcile(f);

	assert_int_equal(f->inventory.change_count, 3);
	assert_int_equal(f->inventory.unknown_count, 0);
	assert_int_equal(f->inventory.changes[0].what, RSM_MEDIUM_MOVED);
	assert_int_equal(medium_of(f, "A00001L8").element, 1003);
	assert_int_equal(medium_of(f, "A00001L8").home_slot, 1003);
	assert_int_equal(medium_of(f, "A00002L8").element, 1001);
}

static void a_cartridge_in_a_drive_keeps_its_home(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium;

	given_free_cartridges(f, 1);
	f->element_count = 0;
	given_element(f, RSM_ELEMENT_DATA_TRANSFER, 256, "A00001L8");
	reconcile(f);
	medium = medium_of(f, "A00001L8");
	assert_int_equal(medium.location, RSM_AT_DRIVE);
	assert_int_equal(medium.element, 256);
	assert_int_equal(medium.home_slot, 1001);
	/* a drive that does not tell the barcode, but whence it came */
	strcpy(f->elements[0].volume_tag, "");
	reconcile(f);
	assert_int_equal(f->inventory.change_count, 0);
	f->element_count = 0;
	given_slot(f, 1001, "A00001L8");
	reconcile(f);
	f->element_count = 0;
	given_element(f, RSM_ELEMENT_DATA_TRANSFER, 257, "");
	f->elements[0].source_valid = true;
	f->elements[0].source = 1001;
	reconcile(f);
	assert_int_equal(medium_of(f, "A00001L8").element, 257);
}

/* Promise 5. */
static void who_leaves_and_returns_is_who_it_was(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium gone, back;
	int64_t spare;

	given_free_cartridges(f, 2);
	gone = given_allocated(f, given_pool(f, "Backup").id, "monday");
	spare = medium_of(f, "A00002L8").id;
	f->element_count = 0;
	reconcile(f);
	assert_int_equal(f->inventory.change_count, 2);
	assert_int_equal(f->inventory.changes[0].what, RSM_MEDIUM_LEFT);
	assert_done(rsm_medium_find(f->catalog, gone.pool, "monday", &back, &f->err), &f->err);
	assert_int_equal(back.location, RSM_AT_OFFLINE);
	assert_int_equal(back.library, 0);

	given_slot(f, 1020, "A00001L8");
	given_element(f, RSM_ELEMENT_IMPORT_EXPORT, 10, "A00002L8");
	reconcile(f);
	assert_int_equal(f->inventory.unknown_count, 0);
	assert_int_equal(f->inventory.changes[0].what, RSM_MEDIUM_ARRIVED);
	assert_done(rsm_medium_find(f->catalog, gone.pool, "monday", &back, &f->err), &f->err);
	assert_string_equal(back.lmid, gone.lmid);
	assert_int_equal(back.element, 1020);
	assert_int_equal(medium_of(f, "A00002L8").id, spare);
	assert_int_equal(medium_of(f, "A00002L8").location, RSM_AT_PORT);
}

/* Promise 5: they come back as new. */
static void import_and_unrecognized_ones_that_leave_are_forgotten(void **state)
{
	struct fixture *f = *state;
	const struct rsm_identification volume = { .identity = RSM_IS_LTFS, .volume_uuid = UUID_A };
	struct rsm_medium medium;
	int64_t first;

	given_slot(f, 1001, "X00001L8");
	given_slot(f, 1002, "Q00001L8");
	reconcile(f);
	first = medium_of(f, "X00001L8").id;
	identify(f, first, &volume, NULL);
	f->element_count = 0;
	reconcile(f);
	assert_int_equal(rsm_medium_find_barcode(f->catalog, "X00001L8", &medium, &f->err),
			 RSM_MEDIUM_ABSENT);
	assert_int_equal(rsm_medium_find_barcode(f->catalog, "Q00001L8", &medium, &f->err),
			 RSM_MEDIUM_ABSENT);
	assert_int_equal(pool_at(f, "Import/LTO-8").media, 0);
	assert_int_equal(f->inventory.change_count, 2);
	assert_int_equal(f->inventory.changes[0].pool, pool_at(f, "Import/LTO-8").id);
	assert_string_equal(f->inventory.changes[0].shown, "X00001L8");

	given_slot(f, 1001, "X00001L8");
	reconcile(f);
	assert_int_equal(f->inventory.unknown_count, 1);
	assert_true(f->inventory.unknown[0] > first);
}

static void nobody_is_forgotten_while_the_robot_holds_a_cartridge(void **state)
{
	struct fixture *f = *state;
	int64_t first;

	given_slot(f, 1001, "Q00001L8");
	reconcile(f);
	first = medium_of(f, "Q00001L8").id;
	f->element_count = 0;
	given_element(f, RSM_ELEMENT_TRANSPORT, 1, "Q00001L8");
	reconcile(f);
	f->element_count = 0;
	given_slot(f, 1001, "Q00001L8");
	reconcile(f);
	assert_int_equal(medium_of(f, "Q00001L8").id, first);
}

static bool note_event(void *context, int64_t number, const char *line)
{
	(void)number;
	if (strstr(line, "event=duplicate"))
		++*(int *)context;
	return true;
}

static void two_cartridges_of_one_barcode_are_both_kept(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium one, two, medium;
	struct rsm_allocation wanted = { .barcode = "A00001L8" };
	int events = 0;

	given_free_cartridges(f, 1);
	given_slot(f, 1009, "A00001L8");
	reconcile(f);
	one = medium_of(f, "A00001L8");
	two = medium_of(f, "A00001L8~2");

	assert_int_equal(one.element, 1001);
	assert_int_equal(two.element, 1009);
	assert_string_not_equal(one.health, "good");
	assert_string_not_equal(two.health, "good");
	assert_done(rsm_event_list(f->catalog, 0, NULL, note_event, &events, NULL, &f->err),
		    &f->err);
	assert_int_equal(events, 1);
	reconcile(f);
	assert_int_equal(f->inventory.change_count, 0);
	wanted.pool = given_pool(f, "Backup").id;
	assert_int_equal(rsm_allocate(f->catalog, &wanted, &medium, &f->err), -EINVAL);
}

static void a_library_that_is_not_served_is_off_line(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium;
	struct rsm_pool pool = given_pool(f, "Backup");

	given_free_cartridges(f, 1);
	rsm_catalog_close(f->catalog);
	assert_done(rsm_catalog_open(f->folder, rsm_clock_real(), &f->catalog, &f->err), &f->err);

	assert_int_equal(medium_of(f, "A00001L8").location, RSM_AT_OFFLINE);
	assert_int_equal(allocate(f, pool.id, "monday", &medium), -ENOSPC);
	reopen(f);
	assert_int_equal(medium_of(f, "A00001L8").element, 1001);
	assert_done(allocate(f, pool.id, "monday", &medium), &f->err);
}

static void a_drive_is_known_by_its_serial_number(void **state)
{
	struct fixture *f = *state;
	struct rsm_drive_row drive = { .library = f->library, .element = 256, .serial = "S1" };
	struct rsm_drive_row moved = { .library = f->library, .element = 257, .serial = "S1" };
	struct rsm_drive_row nameless = { .library = f->library, .element = 256 };

	assert_done(rsm_drive_register(f->catalog, &drive, &f->err), &f->err);
	assert_true(drive.enabled);
	assert_done(rsm_drive_count_mount(f->catalog, drive.id, &f->err), &f->err);
	assert_done(rsm_drive_set_enabled(f->catalog, drive.id, false, &f->err), &f->err);
	assert_done(rsm_drive_register(f->catalog, &moved, &f->err), &f->err);
	assert_int_equal(moved.id, drive.id);
	assert_int_equal(moved.mounts, 1);
	assert_false(moved.enabled);
	assert_done(rsm_drive_register(f->catalog, &nameless, &f->err), &f->err);
	assert_int_not_equal(nameless.id, drive.id);
}

int main(int argc, char **argv)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		EACH(a_new_barcode_is_unknown_until_looked_at),
		EACH(nothing_changed_is_no_change),
		EACH(cartridges_that_changed_places_are_found_by_barcode),
		EACH(a_cartridge_in_a_drive_keeps_its_home),
		EACH(who_leaves_and_returns_is_who_it_was),
		EACH(import_and_unrecognized_ones_that_leave_are_forgotten),
		EACH(nobody_is_forgotten_while_the_robot_holds_a_cartridge),
		EACH(two_cartridges_of_one_barcode_are_both_kept),
		EACH(a_library_that_is_not_served_is_off_line),
		EACH(a_drive_is_known_by_its_serial_number),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
