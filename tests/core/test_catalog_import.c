#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "core/catalog_import.h"
#include "core/medium_record.h"
#include "base/text.h"
#include "core/operator_request.h"
#include "tests/core/catalog_fixture.h"

static char *path_of(struct fixture *f, const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	sprintf(path, "%s/%s", f->folder, name);
	return path;
}

static void export_to(struct fixture *f, const char *name)
{
	assert_done(rsm_catalog_export(f->catalog, path_of(f, name), &f->err), &f->err);
}

/* catalog/ is gone. */
static void lose_catalogue(struct fixture *f)
{
	static const char *const names[] = { "catalog.db", "catalog.db-wal", "catalog.db-shm" };

	rsm_catalog_close(f->catalog);
	f->catalog = NULL;
	for (int i = 0; i < 3; i++)
		unlink(path_of(f, names[i]));
	reopen(f);
}

static int import(struct fixture *f, const char *name, struct rsm_catalog_import *ret_import)
{
	struct rsm_catalog_import import = { .file = path_of(f, name) };
	int r = rsm_catalog_import(f->catalog, &import, &f->err);

	if (ret_import)
		*ret_import = import;
	return r;
}

static void change(struct fixture *f, const char *name, const char *sql)
{
	sqlite3 *db;
	char *words = NULL;

	assert_int_equal(sqlite3_open(path_of(f, name), &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &words) != SQLITE_OK)
		fail_msg("%s: %s", sql, words);
	sqlite3_close(db);
}

static void empty_pools_come_back_with_rights_and_policies(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool top, film;
	struct rsm_catalog_import result;

	assert_done(make_pool(f, RSM_POOL_TOP, "Archive", RSM_POOL_HOLDS_POOLS, &top), &f->err);
	assert_done(make_pool(f, top.id, "Film", RSM_POOL_HOLDS_MEDIA, &film), &f->err);
	film.mode = 01770;
	film.owner = 1234;
	film.allocation_limit = 7;
	film.draw_from_free = false;
	assert_done(rsm_pool_update(f->catalog, &film, &f->err), &f->err);
	assert_done(
		rsm_catalog_set_xattr(f->catalog, 'p', film.id, "user.note", "ours", 4, 0, &f->err),
		&f->err);
	export_to(f, "backup");
	lose_catalogue(f);

	assert_done(import(f, "backup", &result), &f->err);

	assert_int_equal(result.pools_made, 2);
	struct rsm_pool found = pool_at(f, "Archive/Film");
	RSM_TEXT struct rsm_text note = { 0 };
	assert_int_equal(found.mode, 01770);
	assert_int_equal(found.owner, 1234);
	assert_int_equal(found.allocation_limit, 7);
	assert_false(found.draw_from_free);
	assert_string_equal(found.guid, film.guid);
	assert_done(rsm_catalog_get_xattr(f->catalog, 'p', found.id, "user.note", &note, &f->err),
		    &f->err);
	assert_memory_equal(note.data, "ours", 4);

	assert_done(import(f, "backup", &result), &f->err); /* once more changes nothing */
	assert_int_equal(result.pools_made + result.pools_changed, 0);
}

static void a_shelved_cartridge_comes_back_off_line_with_name_and_lmid(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool;
	struct rsm_medium before, after;
	struct rsm_medium_record record;
	struct rsm_catalog_import result;
	struct timespec due;

	given_free_cartridges(f, 2);
	pool = given_pool(f, "Backup");
	before = given_allocated(f, pool.id, "monday");
	formatted(f, before.id);
	assert_done(rsm_medium_record_parse_due("2031-05-06", &due, &f->err), &f->err);
	assert_done(rsm_medium_record_set_vault(f->catalog, before.id, "cellar 3", &due, &f->err),
		    &f->err);
	export_to(f, "backup");
	lose_catalogue(f);

	assert_done(import(f, "backup", &result), &f->err);

	assert_int_equal(result.media_added, 2);
	after = medium_of(f, before.barcode);
	assert_string_equal(after.name, "monday");
	assert_string_equal(after.lmid, before.lmid);
	assert_string_equal(after.guid, before.guid);
	assert_string_equal(after.volume_uuid, before.volume_uuid);
	assert_int_equal(after.owner, 1000);
	assert_int_equal(after.location, RSM_AT_OFFLINE);
	assert_in_pool(f, &after, "Backup");
	assert_done(rsm_medium_record_get(f->catalog, after.id, &record, &f->err), &f->err);
	assert_string_equal(record.vault, "cellar 3");
	assert_int_equal(record.due.tv_sec, due.tv_sec);

	assert_done(import(f, "backup", &result), &f->err);
	assert_int_equal(result.media_added, 0);
	assert_int_equal(result.media_known, 2);
}

/* An old backup: the cartridge has been relabelled, or renamed, while it was out. */
static void a_medium_wins_over_an_old_backup(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium before, after;
	struct rsm_identification found = { .identity = RSM_IS_LTFS,
					    .label_type = "LTFS",
					    .pool = "Backup",
					    .name = "friday",
					    .state = "complete",
					    .lmid = LMID_A };
	uint32_t generation;

	given_free_cartridges(f, 2);
	before = given_allocated(f, given_pool(f, "Backup").id, "monday");
	formatted(f, before.id);
	export_to(f, "backup");
	lose_catalogue(f);
	assert_done(import(f, "backup", NULL), &f->err);
	reconcile(f);
	after = medium_of(f, before.barcode);
	assert_int_equal(after.location, RSM_AT_SLOT);
	assert_true(rsm_medium_is_doubtful(f->catalog, after.id));
	generation = after.format_generation;

	found.volume_uuid = before.volume_uuid;
	identify(f, after.id, &found, &after);

	assert_int_equal(after.format_generation, generation); /* its files are the same */
	assert_string_equal(after.name, "friday");
	assert_string_equal(after.lmid, LMID_A);
	assert_int_equal(after.state, RSM_MEDIUM_COMPLETE);
	assert_false(rsm_medium_is_doubtful(f->catalog, after.id));
}

static void what_was_deallocated_since_the_backup_is_free(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, given_pool(f, "Backup").id, "monday");
	formatted(f, medium.id);
	export_to(f, "backup");
	lose_catalogue(f);
	assert_done(import(f, "backup", NULL), &f->err);
	reconcile(f);

	found_free_label(f, medium_of(f, "A00001L8").id);

	medium = medium_of(f, "A00001L8");
	assert_in_pool(f, &medium, "Free/LTO-8");
	assert_int_equal(medium.state, RSM_MEDIUM_AVAILABLE);
}

/* It is in the library and not looked at: its own label will tell. */
/* It may have been given back to its owner since, and written to for months. */
static void a_backup_alone_gives_nothing_on_a_medium_away(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium before[2], after;

	given_free_cartridges(f, 2);
	for (int i = 0; i < 2; i++) {
		before[i] = given_allocated(f, pool.id, i ? "tuesday" : "monday");
		formatted(f, before[i].id);
		assert_done(rsm_deallocate(f->catalog, before[i].id, true, NULL, &f->err), &f->err);
	}
	assert_done(rsm_allocate(f->catalog,
				 &(struct rsm_allocation){
					 .pool = pool.id, .medium = before[1].id, .name = "again" },
				 &after, &f->err),
		    &f->err);
	export_to(f, "backup");
	lose_catalogue(f);
	assert_done(import(f, "backup", NULL), &f->err);
	reconcile(f);

	for (int i = 0; i < 2; i++) {
		const struct rsm_identification found = { .identity = RSM_IS_LTFS,
							  .label_type = "LTFS",
							  .volume_uuid = before[i].volume_uuid,
							  .pool = "Backup",
							  .name = i ? "tuesday" : "monday",
							  .lmid = before[i].lmid };

		after = medium_of(f, i ? "A00002L8" : "A00001L8");
		assert_true(rsm_medium_is_doubtful(f->catalog, after.id));
		identify(f, after.id, &found, &after);
		/* a format may take the place of this one */
		assert_string_equal(after.old_uuid, "");
	}
	after = medium_of(f, "A00001L8");
	assert_int_equal(after.state, RSM_MEDIUM_ALLOCATED);
	assert_string_equal(after.volume_uuid, before[0].volume_uuid);
	assert_string_equal(after.name, "monday");
	after = medium_of(f, "A00002L8");
	assert_string_equal(after.name, "again");
	assert_int_equal(after.label_work, RSM_LABEL_FORMAT);
}

static void what_is_here_is_left_to_its_label(void **state)
{
	struct fixture *f = *state;
	struct rsm_catalog_import result;
	struct rsm_medium medium;

	given_free_cartridges(f, 1);
	formatted(f, given_allocated(f, given_pool(f, "Backup").id, "monday").id);
	export_to(f, "backup");
	lose_catalogue(f);
	reconcile(f);

	assert_done(import(f, "backup", &result), &f->err);

	assert_int_equal(result.media_added, 0);
	medium = medium_of(f, "A00001L8");
	assert_int_equal(medium.state, RSM_MEDIUM_UNKNOWN);
	assert_int_equal(pool_at(f, "Backup").media, 0);
}

static void an_imported_volume_is_its_owners_again(void **state)
{
	struct fixture *f = *state;
	struct rsm_identification found = { .identity = RSM_IS_LTFS, .label_type = "LTFS" };
	struct rsm_medium before, after;
	struct rsm_catalog_import result;
	uint32_t generation;

	given_free_cartridges(f, 1);
	before = given_allocated(f, given_pool(f, "Backup").id, "monday");
	formatted(f, before.id);
	export_to(f, "backup");
	lose_catalogue(f);
	reconcile(f);
	found.volume_uuid = before.volume_uuid;
	identify(f, medium_of(f, "A00001L8").id, &found, &after);
	assert_int_equal(after.state, RSM_MEDIUM_IMPORT);
	generation = after.format_generation;

	assert_done(import(f, "backup", &result), &f->err);

	assert_int_equal(result.media_taken, 1);
	after = medium_of(f, "A00001L8");
	/* whoever walks through it just now goes on with the same files */
	assert_int_equal(after.format_generation, generation);
	assert_string_equal(after.lmid, before.lmid);
	assert_string_equal(after.name, "monday");
	assert_int_equal(after.label_work, RSM_LABEL_UPDATE);
}

static void a_live_catalogue_keeps_what_it_knows(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool;
	struct rsm_medium medium, now;

	given_free_cartridges(f, 2);
	pool = given_pool(f, "Backup");
	medium = given_allocated(f, pool.id, "monday");
	formatted(f, medium.id);
	export_to(f, "backup");
	assert_done(rsm_allocation_move(f->catalog, medium.id, pool.id, "tuesday", &f->err),
		    &f->err);
	pool = pool_at(f, "Backup");
	pool.mode = 0700;
	assert_done(rsm_pool_update(f->catalog, &pool, &f->err), &f->err);

	assert_done(import(f, "backup", NULL), &f->err);

	now = medium_of(f, medium.barcode);
	assert_string_equal(now.name, "tuesday");
	assert_int_equal(pool_at(f, "Backup").mode, 0700);
	assert_int_equal(pool_at(f, "Backup").allocated, 1);
}

/* What a hostile or rotten file may say; nothing is changed by any. */
static void a_hostile_backup_changes_nothing(void **state)
{
	static const char *const lies[] = {
		"PRAGMA application_id = 1",
		"PRAGMA user_version = 0",
		"DROP TABLE xattr",
		"DROP TRIGGER pool_counts_insert; PRAGMA ignore_check_constraints = ON; "
		"UPDATE pool SET name = '../../etc' WHERE kind = 1000",
		"PRAGMA ignore_check_constraints = ON; UPDATE pool SET name = '.rsm' WHERE kind = "
		"1000",
		"PRAGMA ignore_check_constraints = ON; UPDATE pool SET mode = 1048576 WHERE kind = "
		"1000",
		"UPDATE pool SET guid = 'x' WHERE kind = 1000",
		"DROP TRIGGER IF EXISTS pool_retyped; DROP TRIGGER IF EXISTS medium_fits_update; "
		"UPDATE pool SET "
		"media_type = 'LTO-99' WHERE kind = 1000",
		"PRAGMA ignore_check_constraints = ON; UPDATE logical_medium SET name = '..'",
		"UPDATE logical_medium SET lmid = 'zzzzzzzz-0000-4000-8000-000000000003'",
		"UPDATE side SET volume_uuid = 'zzzzzzzz-0000-4000-8000-000000000003' WHERE "
		"logical "
		"IS NOT NULL",
		"UPDATE medium SET barcode = '../x'",
		"ALTER TABLE medium RENAME TO other; CREATE VIEW medium AS SELECT * FROM other",
	};
	struct fixture *f = *state;
	struct rsm_pool none;

	given_free_cartridges(f, 2);
	formatted(f, given_allocated(f, given_pool(f, "Backup").id, "monday").id);
	for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		unlink(path_of(f, "backup"));
		export_to(f, "backup");
		change(f, "backup", lies[i]);
		rename(path_of(f, "backup"), path_of(f, "hostile"));
		{
			char folder[80];
			struct fixture empty = { .catalog = NULL };

			sprintf(folder, "%s/empty", f->folder);
			assert_done(
				rsm_catalog_open(folder, rsm_clock_real(), &empty.catalog, &f->err),
				&f->err);
			struct rsm_catalog_import import = { .file = path_of(f, "hostile") };
			int r = rsm_catalog_import(empty.catalog, &import, &f->err);

			if (r != -EBADMSG)
				fail_msg("%s: %d", lies[i], r);
			assert_int_equal(
				rsm_pool_find_path(empty.catalog, "Backup", &none, &f->err),
				RSM_POOL_ABSENT);
			rsm_catalog_close(empty.catalog);
			assert_done(rsm_file_remove_tree(folder, &f->err), &f->err);
		}
	}
}

static void a_torn_backup_is_told_from_a_whole_one(void **state)
{
	struct fixture *f = *state;

	given_free_cartridges(f, 2);
	given_pool(f, "Backup");
	export_to(f, "backup");
	assert_int_equal(truncate(path_of(f, "backup"), 20000), 0);

	assert_true(import(f, "backup", NULL) < 0);

	assert_int_equal(truncate(path_of(f, "backup"), 0), 0);
	assert_int_equal(import(f, "backup", NULL), -EBADMSG);
}

static void days_are_read_as_they_are_written(void **state)
{
	struct fixture *f = *state;
	static const char *const wrong[] = { "tomorrow", "2031-02-31", "2031-5", "31.12.2031",
					     "2031-05-06x" };
	struct timespec due;
	char text[32];

	assert_done(rsm_medium_record_parse_due("2031-05-06", &due, &f->err), &f->err);
	rsm_medium_record_due_text(&due, text);
	assert_string_equal(text, "2031-05-06");
	assert_done(rsm_medium_record_parse_due("2031-05-06T18:30", &due, &f->err), &f->err);
	rsm_medium_record_due_text(&due, text);
	assert_string_equal(text, "2031-05-06T18:30:00");
	assert_done(rsm_medium_record_parse_due("never", &due, &f->err), &f->err);
	assert_int_equal(due.tv_sec, 0);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(rsm_medium_record_parse_due(wrong[i], &due, &f->err), -EINVAL);
}

static bool count_request(void *context, const struct rsm_operator_request *request)
{
	assert_non_null(strstr(request->text, "cellar"));
	++*(int *)context;
	return true;
}

static void a_person_is_asked_once_for_a_cartridge_that_is_due(void **state)
{
	struct fixture *f = *state;
	const struct timespec past = { .tv_sec = 1000000000 };
	struct rsm_medium medium;
	int count = 0;

	given_free_cartridges(f, 2);
	medium = medium_of(f, "A00001L8");
	assert_done(rsm_medium_record_set_vault(f->catalog, medium.id, "cellar", &past, &f->err),
		    &f->err);
	assert_done(rsm_medium_record_ask_due(f->catalog, false, &f->err), &f->err);
	assert_done(rsm_operator_request_list(f->catalog, true, count_request, &count, &f->err),
		    &f->err);
	assert_int_equal(count, 0); /* it is here */
	assert_done(rsm_medium_set_location(f->catalog, medium.id, 0, RSM_AT_OFFLINE, 0, &f->err),
		    &f->err);

	for (int i = 0; i < 3; i++)
		assert_done(rsm_medium_record_ask_due(f->catalog, false, &f->err), &f->err);

	assert_done(rsm_operator_request_list(f->catalog, true, count_request, &count, &f->err),
		    &f->err);
	assert_int_equal(count, 1);
	assert_done(rsm_operator_request_withdraw_all(f->catalog, &f->err), &f->err);
	assert_done(rsm_medium_record_ask_due(f->catalog, true, &f->err), &f->err);
	count = 0;
	assert_done(rsm_operator_request_list(f->catalog, true, count_request, &count, &f->err),
		    &f->err);
	assert_int_equal(count, 1); /* and after a restart */
}

static void figures_of_a_life_add_up_and_outlive_its_owners(void **state)
{
	struct fixture *f = *state;
	const struct rsm_medium_traffic traffic = { .bytes_written = 1000,
						    .bytes_read = 10,
						    .read_errors = 1 };
	struct rsm_medium medium;
	struct rsm_medium_record record;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, given_pool(f, "Backup").id, "monday");
	assert_done(rsm_medium_record_add(f->catalog, medium.id, &traffic, &f->err), &f->err);
	assert_done(rsm_medium_record_verified(f->catalog, medium.id, 2, &f->err), &f->err);
	assert_done(rsm_deallocate(f->catalog, medium.id, true, NULL, &f->err), &f->err);
	assert_done(rsm_medium_record_add(f->catalog, medium.id, &traffic, &f->err), &f->err);
	reopen(f);

	assert_done(rsm_medium_record_get(f->catalog, medium.id, &record, &f->err), &f->err);

	assert_int_equal(record.bytes_written, 2000);
	assert_int_equal(record.bytes_read, 20);
	assert_int_equal(record.read_errors, 2);
	assert_int_equal(record.verify_errors, 2);
	assert_true(record.verified.tv_sec > 1600000000);
}

/* ---- two sides ---- */

static struct rsm_medium shown(struct fixture *f, const char *name)
{
	struct rsm_medium medium = { 0 };

	if (rsm_medium_find_barcode(f->catalog, name, &medium, &f->err) != 0 ||
	    strcmp(medium.shown, name) != 0)
		fail_msg("there is no %s", name);
	return medium;
}

/* In Backup, as monday and tuesday; both volumes are on it. */
static void given_two_sides(struct fixture *f, struct rsm_medium ret_sides[2])
{
	static const char *const names[] = { "monday", "tuesday" };
	struct rsm_pool pool;
	int64_t side;

	given_free_cartridges(f, 1);
	assert_done(rsm_medium_add_side(f->catalog, medium_of(f, "A00001L8").id, &side, &f->err),
		    &f->err);
	pool = given_pool(f, "Backup");
	for (int i = 0; i < 2; i++) {
		ret_sides[i] = given_allocated(f, pool.id, names[i]);
		formatted(f, ret_sides[i].id);
		assert_done(rsm_medium_get(f->catalog, ret_sides[i].id, &ret_sides[i], &f->err),
			    &f->err);
	}
}

static void expect_side(struct fixture *f, const struct rsm_medium *before)
{
	struct rsm_medium after = shown(f, before->shown);

	assert_string_equal(after.name, before->name);
	assert_string_equal(after.lmid, before->lmid);
	assert_string_equal(after.guid, before->guid);
	assert_string_equal(after.volume_uuid, before->volume_uuid);
	assert_int_equal(after.side, before->side);
	assert_int_equal(after.location, RSM_AT_OFFLINE);
	assert_in_pool(f, &after, "Backup");
}

static void both_sides_of_a_shelved_cartridge_come_back(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium sides[2];
	struct rsm_catalog_import result;

	given_two_sides(f, sides);
	export_to(f, "backup");
	lose_catalogue(f);

	assert_done(import(f, "backup", &result), &f->err);

	assert_int_equal(result.media_added, 2);
	for (int i = 0; i < 2; i++)
		expect_side(f, &sides[i]);
	assert_int_equal(shown(f, "A00001L8.A").physical, shown(f, "A00001L8.B").physical);
	assert_done(import(f, "backup", &result), &f->err);
	assert_int_equal(result.media_added, 0);
	assert_int_equal(result.media_known, 2);
}

static void a_second_side_comes_back_beside_the_first(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium sides[2];
	struct rsm_catalog_import result;

	given_two_sides(f, sides);
	export_to(f, "backup");
	export_to(f, "first");
	/* as versions before did, which knew the first only */
	change(f, "first",
	       "PRAGMA recursive_triggers = OFF; DROP TRIGGER side_counts_delete; "
	       "DELETE FROM side WHERE side_number = 1");
	lose_catalogue(f);

	assert_done(import(f, "first", &result), &f->err);
	assert_int_equal(result.media_added, 1);
	assert_done(import(f, "backup", &result), &f->err);
	assert_int_equal(result.media_added, 1);
	for (int i = 0; i < 2; i++)
		expect_side(f, &sides[i]);
}

static void a_second_side_that_comes_alone_has_a_first_nobody_knows(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium sides[2], first;

	given_two_sides(f, sides);
	export_to(f, "backup");
	change(f, "backup",
	       "DROP TRIGGER side_counts_delete; DELETE FROM side WHERE side_number = 0");
	lose_catalogue(f);

	assert_done(import(f, "backup", NULL), &f->err);
	expect_side(f, &sides[1]);
	first = shown(f, "A00001L8.A");
	assert_int_equal(first.state, RSM_MEDIUM_UNKNOWN);
	assert_int_equal(first.side, 0);
	assert_in_pool(f, &first, "Backup");
}

static void a_second_side_with_the_lower_number_comes_behind_the_first(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium sides[2];
	struct rsm_catalog_import result;

	given_two_sides(f, sides);
	export_to(f, "backup");
	change(f, "backup", "UPDATE side SET id = id + 1000 WHERE side_number = 0");
	lose_catalogue(f);

	assert_done(import(f, "backup", &result), &f->err);
	assert_int_equal(result.media_added, 2);
	for (int i = 0; i < 2; i++)
		expect_side(f, &sides[i]);
}

static void each_side_is_its_owners_again_when_its_label_was_read(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium sides[2], after;

	given_two_sides(f, sides);
	export_to(f, "backup");
	lose_catalogue(f);
	assert_done(import(f, "backup", NULL), &f->err);
	reconcile(f);
	for (int i = 0; i < 2; i++) {
		const struct rsm_identification found = { .identity = RSM_IS_LTFS,
							  .label_type = "LTFS",
							  .volume_uuid = sides[i].volume_uuid,
							  .pool = "Backup",
							  .name = i ? "later" : "sooner",
							  .lmid = sides[i].lmid };

		after = shown(f, sides[i].shown);
		assert_true(rsm_medium_is_doubtful(f->catalog, after.id));
		identify(f, after.id, &found, &after);
		assert_int_equal(after.state, RSM_MEDIUM_ALLOCATED);
		assert_string_equal(after.name, found.name);
		assert_string_equal(after.lmid, sides[i].lmid);
		assert_in_pool(f, &after, "Backup");
	}
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		EACH(empty_pools_come_back_with_rights_and_policies),
		EACH(a_shelved_cartridge_comes_back_off_line_with_name_and_lmid),
		EACH(a_medium_wins_over_an_old_backup),
		EACH(what_was_deallocated_since_the_backup_is_free),
		EACH(a_backup_alone_gives_nothing_on_a_medium_away),
		EACH(what_is_here_is_left_to_its_label),
		EACH(an_imported_volume_is_its_owners_again),
		EACH(a_live_catalogue_keeps_what_it_knows),
		EACH(a_hostile_backup_changes_nothing),
		EACH(a_torn_backup_is_told_from_a_whole_one),
		EACH(days_are_read_as_they_are_written),
		EACH(a_person_is_asked_once_for_a_cartridge_that_is_due),
		EACH(both_sides_of_a_shelved_cartridge_come_back),
		EACH(a_second_side_comes_back_beside_the_first),
		EACH(a_second_side_that_comes_alone_has_a_first_nobody_knows),
		EACH(a_second_side_with_the_lower_number_comes_behind_the_first),
		EACH(each_side_is_its_owners_again_when_its_label_was_read),
		EACH(figures_of_a_life_add_up_and_outlive_its_owners),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
