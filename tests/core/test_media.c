/* Sides, types and limits, as the catalogue has them. */
#include <stdio.h>

#include "core/catalog_private.h"
#include "tests/core/catalog_fixture.h"

static int take(struct fixture *f, int64_t pool, const char *name, enum rsm_allocation_sides sides,
		int64_t next_of, struct rsm_medium *ret_medium)
{
	struct rsm_allocation allocation = {
		.pool = pool, .name = name, .sides = sides, .next_of = next_of, .mode = 0755
	};

	return rsm_allocate(f->catalog, &allocation, ret_medium, &f->err);
}

static struct rsm_medium side(struct fixture *f, int64_t id)
{
	struct rsm_medium medium = { 0 };

	assert_done(rsm_medium_get(f->catalog, id, &medium, &f->err), &f->err);
	return medium;
}

static void expect_state(struct fixture *f, int64_t id, enum rsm_medium_state state)
{
	assert_string_equal(rsm_medium_state_name(side(f, id).state), rsm_medium_state_name(state));
}

static const char *kind_of_pool(struct fixture *f, int64_t id)
{
	struct rsm_pool pool;

	assert_done(rsm_pool_get(f->catalog, side(f, id).pool, &pool, &f->err), &f->err);
	switch (pool.kind) {
	case RSM_POOL_SCRATCH: return "Free";
	case RSM_POOL_FOREIGN: return "Unrecognized";
	case RSM_POOL_IMPORT: return "Import";
	default: return "application";
	}
}

/* The ids of both sides of A00001L8, in Free. */
static void given_two_sided(struct fixture *f, int64_t sides[2])
{
	given_free_cartridges(f, 1);
	sides[0] = medium_of(f, "A00001L8").id;
	assert_done(rsm_medium_add_side(f->catalog, sides[0], &sides[1], &f->err), &f->err);
}

/* ---- two sides ---- */

static void each_side_has_a_name_and_an_id_of_its_own(void **state)
{
	struct fixture *f = *state;
	int64_t sides[2], other;

	given_two_sided(f, sides);

	assert_string_equal(side(f, sides[0]).shown, "A00001L8.A");
	assert_string_equal(side(f, sides[1]).shown, "A00001L8.B");
	assert_string_not_equal(side(f, sides[0]).guid, side(f, sides[1]).guid);
	assert_done(rsm_medium_other_side(f->catalog, sides[1], &other, &f->err), &f->err);
	assert_int_equal(other, sides[0]);
	assert_int_equal(rsm_medium_add_side(f->catalog, sides[0], &other, &f->err), -EINVAL);
}

static void without_being_asked_the_other_side_stays_open_to_others(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium one, two;
	int64_t sides[2], pool;

	given_two_sided(f, sides);
	pool = given_pool(f, "Backup").id;
	assert_done(take(f, pool, "one", RSM_SIDES_ANY, 0, &one), &f->err);
	expect_state(f, sides[1], RSM_MEDIUM_UNPREPARED);
	assert_int_equal(side(f, sides[1]).pool, pool);
	assert_done(take(f, pool, "two", RSM_SIDES_ANY, 0, &two), &f->err);
	assert_int_not_equal(one.id, two.id);
	assert_string_not_equal(one.lmid, two.lmid);
}

static void a_new_one_reserves_its_other_side_for_the_next(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium one, two, none;
	int64_t sides[2], pool, elsewhere;

	given_two_sided(f, sides);
	pool = given_pool(f, "Backup").id;
	elsewhere = given_pool(f, "Other").id;
	assert_done(take(f, pool, "one", RSM_SIDES_NEW, 0, &one), &f->err);
	assert_int_equal(one.id, sides[0]);
	expect_state(f, sides[1], RSM_MEDIUM_RESERVED);
	assert_int_equal(take(f, pool, "x", RSM_SIDES_ANY, 0, &none), -ENOSPC);
	assert_int_equal(take(f, elsewhere, "x", RSM_SIDES_NEXT, one.id, &none), -EINVAL);
	reopen(f);
	assert_done(take(f, pool, "two", RSM_SIDES_NEXT, one.id, &two), &f->err);
	assert_int_equal(two.id, sides[1]);
	assert_string_not_equal(one.lmid, two.lmid);
	assert_int_equal(take(f, pool, "three", RSM_SIDES_NEXT, one.id, &none), -ENOSPC);
	assert_string_equal(f->err.msg, "one: no side of it is reserved");
}

static void a_new_one_is_never_half_used(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium one, none;
	int64_t sides[2], pool;

	given_two_sided(f, sides);
	pool = given_pool(f, "Backup").id;
	assert_done(take(f, pool, "one", RSM_SIDES_ANY, 0, &one), &f->err);
	assert_int_equal(take(f, pool, "two", RSM_SIDES_NEW, 0, &none), -ENOSPC);
}

static void what_was_reserved_is_free_when_the_owner_gives_back(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium one;
	int64_t sides[2];

	given_two_sided(f, sides);
	assert_done(take(f, given_pool(f, "Backup").id, "one", RSM_SIDES_NEW, 0, &one), &f->err);
	assert_done(rsm_deallocate(f->catalog, one.id, false, NULL, &f->err), &f->err);
	for (int i = 0; i < 2; i++) {
		expect_state(f, sides[i], RSM_MEDIUM_UNPREPARED);
		assert_string_equal(kind_of_pool(f, sides[i]), "Free");
	}
}

static void both_sides_stay_in_one_pool_while_one_is_owned(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium one, two;
	int64_t sides[2], pool, elsewhere;

	given_two_sided(f, sides);
	pool = given_pool(f, "Backup").id;
	elsewhere = given_pool(f, "Other").id;
	assert_done(take(f, pool, "one", RSM_SIDES_NEW, 0, &one), &f->err);
	assert_done(take(f, pool, "two", RSM_SIDES_NEXT, one.id, &two), &f->err);
	assert_int_equal(rsm_medium_free(f->catalog, one.id, &f->err), -EBUSY);

	/* it returns to Free when nobody has any of it */
	assert_done(rsm_deallocate(f->catalog, one.id, false, NULL, &f->err), &f->err);
	assert_int_equal(side(f, one.id).pool, pool);
	assert_int_equal(rsm_medium_move_pool(f->catalog, one.id, elsewhere, &f->err), -EBUSY);
	assert_int_equal(rsm_medium_free(f->catalog, one.id, &f->err), -EBUSY);

	/* an allocation takes its other side along, and that one's allocation */
	assert_done(take(f, pool, "one", RSM_SIDES_ANY, 0, &one), &f->err);
	assert_done(rsm_allocation_move(f->catalog, two.id, elsewhere, "two", &f->err), &f->err);
	assert_int_equal(side(f, one.id).pool, elsewhere);
	assert_string_equal(side(f, one.id).name, "one");
	assert_done(rsm_deallocate(f->catalog, one.id, false, NULL, &f->err), &f->err);
	assert_done(rsm_deallocate(f->catalog, two.id, false, NULL, &f->err), &f->err);
	assert_string_equal(kind_of_pool(f, one.id), "Free");
	assert_string_equal(kind_of_pool(f, two.id), "Free");
}

static void the_other_side_of_an_import_stays_an_import(void **state)
{
	struct fixture *f = *state;
	const struct rsm_identification volumes[2] = {
		{ .identity = RSM_IS_LTFS,
		  .label_type = "LTFS",
		  .volume_uuid = "11111111-2222-3333-4444-555555555501" },
		{ .identity = RSM_IS_LTFS,
		  .label_type = "LTFS",
		  .volume_uuid = "11111111-2222-3333-4444-555555555502" },
	};
	struct rsm_allocation allocation = { .name = "mine", .mode = 0755 };
	struct rsm_medium mine;
	int64_t sides[2];

	given_slot(f, 1001, "A00001L8");
	reconcile(f);
	sides[0] = medium_of(f, "A00001L8").id;
	assert_done(rsm_medium_add_side(f->catalog, sides[0], &sides[1], &f->err), &f->err);
	for (int i = 0; i < 2; i++)
		identify(f, sides[i], &volumes[i], NULL);
	for (int i = 0; i < 2; i++)
		assert_string_equal(kind_of_pool(f, sides[i]), "Import");

	allocation.pool = given_pool(f, "Backup").id;
	allocation.medium = sides[0];
	assert_done(rsm_allocate(f->catalog, &allocation, &mine, &f->err), &f->err);
	expect_state(f, sides[1], RSM_MEDIUM_IMPORT);
	assert_int_equal(side(f, sides[1]).pool, allocation.pool);

	/* an inventory that misses it does not forget what is allocated on its other side */
	f->element_count = 0;
	reconcile(f);
	assert_string_equal(side(f, sides[0]).lmid, mine.lmid);
	expect_state(f, sides[1], RSM_MEDIUM_IMPORT);
}

static void a_side_of_another_pool_comes_to_that_of_its_other_side(void **state)
{
	struct fixture *f = *state;
	struct rsm_identification found = { .identity = RSM_IS_LTFS,
					    .label_type = "LTFS",
					    .volume_uuid = UUID_A,
					    .pool = "Backup",
					    .name = "one" };
	struct rsm_medium medium;
	int64_t sides[2];

	given_slot(f, 1001, "A00001L8");
	reconcile(f);
	sides[0] = medium_of(f, "A00001L8").id;
	assert_done(rsm_medium_add_side(f->catalog, sides[0], &sides[1], &f->err), &f->err);
	identify(f, sides[0], &found, &medium);
	assert_int_equal(medium.label_work, RSM_LABEL_NONE);
	found.volume_uuid = UUID_B;
	found.pool = "Archive";

	identify(f, sides[1], &found, &medium);

	expect_state(f, sides[1], RSM_MEDIUM_ALLOCATED);
	assert_in_pool(f, &medium, "Backup");
	assert_int_equal(medium.label_work, RSM_LABEL_UPDATE); /* its label learns that */
	assert_string_not_equal(medium.name, "one");
	medium = side(f, sides[0]);
	assert_in_pool(f, &medium, "Backup");
	assert_string_equal(medium.name, "one");
}

static void a_copy_of_its_other_side_trades_no_places_with_it(void **state)
{
	struct fixture *f = *state;
	const struct rsm_identification found = { .identity = RSM_IS_LTFS,
						  .label_type = "LTFS",
						  .volume_uuid = UUID_A };
	int64_t sides[2];

	given_slot(f, 1001, "");
	reconcile(f);
	sides[0] = f->inventory.unknown[0];
	found_free_label(f, sides[0]);
	assert_done(rsm_medium_add_side(f->catalog, sides[0], &sides[1], &f->err), &f->err);
	found_free_label(f, sides[1]);
	assert_done(rsm_catalog_run(f->catalog, &f->err,
				    "UPDATE side SET old_uuid = ?2 WHERE id = ?1", "is", sides[0],
				    UUID_A),
		    &f->err);

	identify(f, sides[1], &found, NULL);

	expect_state(f, sides[1], RSM_MEDIUM_IMPORT);
	assert_true(side(f, sides[1]).duplicate);
	assert_int_equal(side(f, sides[1]).location, RSM_AT_SLOT);
}

static void a_copy_stays_where_its_other_side_has_an_owner(void **state)
{
	struct fixture *f = *state;
	struct rsm_identification found = { .identity = RSM_IS_LTFS,
					    .label_type = "LTFS",
					    .volume_uuid = UUID_A,
					    .pool = "Backup",
					    .name = "one" };
	struct rsm_medium medium;
	int64_t sides[2];

	given_slot(f, 1001, "A00001L8");
	reconcile(f);
	sides[0] = medium_of(f, "A00001L8").id;
	assert_done(rsm_medium_add_side(f->catalog, sides[0], &sides[1], &f->err), &f->err);
	identify(f, sides[0], &found, NULL);
	found.volume_uuid = UUID_B;
	found.copy_of = LMID_A;
	identify(f, sides[1], &found, &medium);
	expect_state(f, sides[1], RSM_MEDIUM_IMPORT);
	assert_in_pool(f, &medium, "Backup");
}

/* ---- types and limits ---- */

static void note(struct fixture *f, int64_t id, const char *type, const char *serial)
{
	const struct rsm_medium_facts facts = { .media_type = type, .serial = serial };
	struct rsm_medium medium;

	assert_done(rsm_medium_note_facts(f->catalog, id, &facts, &medium, &f->err), &f->err);
}

static void a_medium_goes_to_the_pool_of_its_type(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium;
	struct rsm_pool pool;

	given_free_cartridges(f, 2);
	note(f, medium_of(f, "A00001L8").id, "LTO-7", "");
	medium = medium_of(f, "A00001L8");
	assert_string_equal(medium.media_type, "LTO-7");
	assert_done(rsm_pool_get(f->catalog, medium.pool, &pool, &f->err), &f->err);
	assert_string_equal(pool.name, "LTO-7");
	assert_int_equal(pool.kind, RSM_POOL_SCRATCH);
	assert_int_equal(pool.media, 1);

	/* what is somebody's stays where it is, and what nobody knows changes nothing */
	assert_done(take(f, given_pool(f, "Backup").id, "x", RSM_SIDES_ANY, 0, &medium), &f->err);
	note(f, medium.id, "LTO-9", "");
	note(f, medium.id, "", "");
	note(f, medium.id, "DAT-72", "");
	assert_string_equal(side(f, medium.id).media_type, medium.media_type);
}

/* ntmsapi ChangeNtmsMediaType. */
static void a_person_says_the_type_that_nothing_else_tells(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium;
	struct rsm_pool pool;

	given_free_cartridges(f, 2);
	assert_int_equal(rsm_medium_set_type(f->catalog, medium_of(f, "A00001L8").id, "LTO-7",
					     &medium, &f->err),
			 -EMEDIUMTYPE);
	assert_done(rsm_catalog_run(f->catalog, &f->err,
				    "UPDATE medium SET barcode = 'PLAIN' || id", ""),
		    &f->err);
	medium = medium_of(f, "PLAIN1");
	assert_int_equal(rsm_medium_set_type(f->catalog, medium.id, "LTO-99", &medium, &f->err),
			 -EINVAL);
	assert_done(rsm_medium_set_type(f->catalog, medium.id, "LTO-7", &medium, &f->err), &f->err);
	assert_string_equal(medium.media_type, "LTO-7");
	assert_done(rsm_pool_get(f->catalog, medium.pool, &pool, &f->err), &f->err);
	assert_string_equal(pool.name, "LTO-7");
	assert_int_equal(pool.kind, RSM_POOL_SCRATCH);

	/* a drive has the last word */
	note(f, medium.id, "LTO-8", "");
	assert_string_equal(medium_of(f, "PLAIN1").media_type, "LTO-8");
	assert_int_equal(rsm_medium_set_type(f->catalog, medium.id, "LTO-7", &medium, &f->err),
			 -EMEDIUMTYPE);
	/* what is somebody's stays where it is */
	assert_done(take(f, given_pool(f, "Backup").id, "x", RSM_SIDES_ANY, 0, &medium), &f->err);
	assert_int_equal(rsm_medium_set_type(f->catalog, medium.id, "LTO-7", &medium, &f->err),
			 -EBUSY);
}

static void a_cartridge_for_the_dense_format_is_what_its_barcode_says(void **state)
{
	struct fixture *f = *state;

	given_free_cartridges(f, 1);
	note(f, medium_of(f, "A00001L8").id, "LTO-M8", "");
	note(f, medium_of(f, "A00001L8").id, "LTO-7", "");
	assert_string_equal(medium_of(f, "A00001L8").media_type, "LTO-M8");
}

static void the_id_of_a_side_follows_from_the_serial_number(void **state)
{
	struct fixture *f = *state;
	char first[RSM_GUID_SIZE], second[RSM_GUID_SIZE];

	given_slot(f, 1001, "A00001L8");
	given_slot(f, 1002, "A00002L8");
	reconcile(f);
	strcpy(second, medium_of(f, "A00002L8").guid);
	note(f, medium_of(f, "A00001L8").id, "", "MAKER|4711");
	note(f, medium_of(f, "A00002L8").id, "", "MAKER|4711"); /* a copy of it, memory and all */
	strcpy(first, medium_of(f, "A00001L8").guid);
	assert_string_equal(medium_of(f, "A00002L8").guid, second);

	/* one that is known keeps its id, whatever the memory says now */
	found_free_label(f, medium_of(f, "A00001L8").id);
	note(f, medium_of(f, "A00001L8").id, "", "MAKER|0815");
	assert_string_equal(medium_of(f, "A00001L8").guid, first);

	f->element_count = 0;
	reconcile(f);
	rsm_catalog_close(f->catalog);
	f->catalog = NULL;
	assert_done(rsm_file_remove_tree(f->folder, &f->err), &f->err);
	reopen(f);
	given_slot(f, 1005, "B00001L8");
	reconcile(f);
	note(f, medium_of(f, "B00001L8").id, "", "MAKER|4711");
	assert_string_equal(medium_of(f, "B00001L8").guid, first);
}

static void what_no_drive_writes_is_not_allocated(void **state)
{
	struct fixture *f = *state;
	const struct rsm_library_limit limit = { "LTO-8", true };
	struct rsm_medium medium;
	int64_t pool;

	given_free_cartridges(f, 1);
	pool = given_pool(f, "Backup").id;
	assert_done(rsm_library_set_limits(f->catalog, f->library, &limit, 1, &f->err), &f->err);
	assert_int_equal(take(f, pool, "x", RSM_SIDES_ANY, 0, &medium), -EMEDIUMTYPE);
	assert_string_equal(f->err.msg, "Backup: no drive here writes LTO-8");
	assert_int_equal(take(f, pool, "A00001L8", RSM_SIDES_ANY, 0, &medium), -EMEDIUMTYPE);
	assert_done(rsm_library_set_limits(f->catalog, f->library, NULL, 0, &f->err), &f->err);
	assert_done(take(f, pool, "x", RSM_SIDES_ANY, 0, &medium), &f->err);
}

static void a_cleaner_leaves_its_pool(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium;

	given_slot(f, 1001, "A00001L8");
	reconcile(f);
	assert_done(
		rsm_medium_set_cleaner(f->catalog, medium_of(f, "A00001L8").id, &medium, &f->err),
		&f->err);
	assert_true(medium.cleaner && medium.pool == 0);
	given_free_cartridges(f, 2);
	assert_done(take(f, given_pool(f, "Backup").id, "x", RSM_SIDES_ANY, 0, &medium), &f->err);
	assert_int_equal(rsm_medium_set_cleaner(f->catalog, medium.id, &medium, &f->err), -EBUSY);
}

static void a_cleaner_that_was_known_by_its_second_side_has_one(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium;
	bool inverted = true;
	int64_t sides[2];

	given_slot(f, 1001, "A00001L8");
	reconcile(f);
	sides[0] = medium_of(f, "A00001L8").id;
	assert_done(rsm_medium_add_side(f->catalog, sides[0], &sides[1], &f->err), &f->err);
	assert_done(rsm_medium_set_location(f->catalog, sides[1], f->library, RSM_AT_DRIVE, 256,
					    &f->err),
		    &f->err);
	assert_done(rsm_medium_is_inverted(f->catalog, sides[1], &inverted, &f->err), &f->err);
	assert_true(inverted);

	assert_done(rsm_medium_set_cleaner(f->catalog, sides[1], &medium, &f->err), &f->err);
	assert_true(medium.cleaner && medium.side == 0);
	assert_string_equal(medium.shown, "A00001L8");
	assert_done(rsm_medium_is_inverted(f->catalog, sides[1], &inverted, &f->err), &f->err);
	assert_false(inverted);
	reconcile(f);
	reconcile(f);
	assert_int_equal(medium_of(f, "A00001L8").id, sides[1]);
}

/* ---- what is written once ---- */

static void what_is_written_once_is_free_while_it_is_blank(void **state)
{
	struct fixture *f = *state;
	const struct rsm_identification blank = { .identity = RSM_IS_BLANK, .label_type = "blank" };
	struct rsm_medium medium;
	int64_t id, pool;

	given_slot(f, 1001, "A00001L8");
	given_slot(f, 1002, "A00002L8");
	reconcile(f);
	for (int i = 0; i < 2; i++)
		note(f, medium_of(f, i ? "A00002L8" : "A00001L8").id, "LTO-8-WORM", "");
	id = medium_of(f, "A00001L8").id;
	identify(f, id, &blank, NULL);
	expect_state(f, id, RSM_MEDIUM_AVAILABLE);
	found_free_label(f, medium_of(f, "A00002L8").id); /* which it cannot get rid of */
	expect_state(f, medium_of(f, "A00002L8").id, RSM_MEDIUM_FOREIGN);

	pool = given_pool(f, "Law").id;
	for (int begun = 0; begun < 2; begun++) {
		assert_done(take(f, pool, "case", RSM_SIDES_ANY, 0, &medium), &f->err);
		assert_int_equal(medium.id, id);
		if (begun)
			assert_done(rsm_medium_begin_labelling(f->catalog, id, medium.volume_uuid,
							       &f->err),
				    &f->err);
		assert_done(rsm_deallocate(f->catalog, id, true, NULL, &f->err), &f->err);
		expect_state(f, id, begun ? RSM_MEDIUM_DECOMMISSIONED : RSM_MEDIUM_AVAILABLE);
		/* a drive that was about to format it is told in time that nobody wants that */
		assert_int_equal(
			rsm_medium_begin_labelling(f->catalog, id, medium.volume_uuid, &f->err), 1);
	}
	assert_int_equal(rsm_medium_free(f->catalog, id, &f->err), -EPERM);
	assert_int_equal(rsm_medium_free_with(f->catalog, id, RSM_FREEING_REVIVES, &f->err),
			 -EROFS);
}

/* ---- labels ---- */

static void a_label_that_comes_too_late_is_not_its_next_owners(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium first, next;

	given_free_cartridges(f, 1);
	first = given_allocated(f, pool.id, "first");
	assert_done(rsm_medium_begin_labelling(f->catalog, first.id, first.volume_uuid, &f->err),
		    &f->err);
	/* while the drive is at the last step of its format */
	assert_done(rsm_deallocate(f->catalog, first.id, false, NULL, &f->err), &f->err);
	next = given_allocated(f, pool.id, "next");
	assert_int_equal(next.id, first.id);
	assert_done(rsm_medium_set_label_work(f->catalog, first.id, first.volume_uuid,
					      RSM_LABEL_FORMAT, RSM_LABEL_NONE, &f->err),
		    &f->err);

	assert_done(rsm_medium_get(f->catalog, next.id, &next, &f->err), &f->err);
	assert_int_equal(next.label_work, RSM_LABEL_FORMAT);
	assert_done(rsm_medium_set_label_work(f->catalog, next.id, next.volume_uuid,
					      RSM_LABEL_FORMAT, RSM_LABEL_NONE, &f->err),
		    &f->err);
	assert_done(rsm_medium_get(f->catalog, next.id, &next, &f->err), &f->err);
	assert_int_equal(next.label_work, RSM_LABEL_NONE);
}

/* ---- older catalogues ---- */

static void a_catalogue_of_before_learns_all_of_it(void **state)
{
	struct fixture *f = *state;
	int64_t other;

	given_free_cartridges(f, 1);
	{
		RSM_LOCK_SCOPE(&f->catalog->lock);
		assert_done(
			rsm_sqlite_exec(
				f->catalog->db,
				"DROP TABLE library_limit; DROP TRIGGER medium_retyped; DROP "
				"TRIGGER medium_cleans_or_not; DROP TRIGGER sides_stay_together; "
				"CREATE TRIGGER medium_fits_update AFTER UPDATE OF media_type, "
				"cleaner ON medium WHEN EXISTS (SELECT 1 FROM side_misplaced x "
				"JOIN side s ON s.id = x.id WHERE s.medium = NEW.id) BEGIN "
				"SELECT RAISE(ABORT, 'a medium in a pool that cannot hold "
				"it'); END",
				&f->err),
			&f->err);
	}
	reopen(f);
	note(f, medium_of(f, "A00001L8").id, "LTO-7", "");
	assert_string_equal(medium_of(f, "A00001L8").media_type, "LTO-7");
	assert_done(rsm_medium_add_side(f->catalog, medium_of(f, "A00001L8").id, &other, &f->err),
		    &f->err);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
static const struct CMUnitTest tests[] = {
	T(each_side_has_a_name_and_an_id_of_its_own),
	T(without_being_asked_the_other_side_stays_open_to_others),
	T(a_new_one_reserves_its_other_side_for_the_next),
	T(a_new_one_is_never_half_used),
	T(what_was_reserved_is_free_when_the_owner_gives_back),
	T(both_sides_stay_in_one_pool_while_one_is_owned),
	T(the_other_side_of_an_import_stays_an_import),
	T(a_side_of_another_pool_comes_to_that_of_its_other_side),
	T(a_copy_of_its_other_side_trades_no_places_with_it),
	T(a_copy_stays_where_its_other_side_has_an_owner),
	T(a_medium_goes_to_the_pool_of_its_type),
	T(a_person_says_the_type_that_nothing_else_tells),
	T(a_cartridge_for_the_dense_format_is_what_its_barcode_says),
	T(the_id_of_a_side_follows_from_the_serial_number),
	T(what_no_drive_writes_is_not_allocated),
	T(a_cleaner_leaves_its_pool),
	T(a_cleaner_that_was_known_by_its_second_side_has_one),
	T(what_is_written_once_is_free_while_it_is_blank),
	T(a_label_that_comes_too_late_is_not_its_next_owners),
	T(a_catalogue_of_before_learns_all_of_it),
};
RSM_TEST_MAIN(tests)
