#include "core/undelete.h"

#include <sqlite3.h>

#include "core/acl_text.h"
#include "tests/core/catalog_fixture.h"

/* A cartridge that was allocated in the pool, formatted, and given back; as it is now. */
static struct rsm_medium given_deallocated(struct fixture *f, int64_t pool, const char *name)
{
	struct rsm_medium medium = given_allocated(f, pool, name);

	formatted(f, medium.id);
	assert_done(rsm_deallocate_emptied(f->catalog, medium.id, true, 7, &medium, &f->err),
		    &f->err);
	return medium;
}

static int undelete(struct fixture *f, int64_t medium, int64_t pool, const char *name,
		    struct rsm_medium *ret_medium)
{
	const struct rsm_allocation wanted = {
		.pool = pool, .name = name, .medium = medium, .mode = 0777, .owner = 1, .group = 1
	};

	return rsm_undelete(f->catalog, &wanted, ret_medium, &f->err);
}

static void the_volume_comes_back_under_a_new_logical_medium(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium before, after, back = { 0 };
	struct rsm_former former;

	given_free_cartridges(f, 2);
	before = given_allocated(f, pool.id, "monday");
	formatted(f, before.id);
	assert_done(rsm_deallocate_emptied(f->catalog, before.id, true, 7, &after, &f->err),
		    &f->err);
	reopen(f);
	assert_done(rsm_former_get(f->catalog, before.id, &former, &f->err), &f->err);
	assert_string_equal(former.pool, "Backup");
	assert_string_equal(former.name, "monday");
	assert_int_equal(former.generation, 7);
	assert_string_equal(former.volume_uuid, before.volume_uuid);

	assert_done(undelete(f, before.id, pool.id, NULL, &back), &f->err);

	assert_int_equal(back.id, before.id);
	assert_string_equal(back.guid, before.guid);
	assert_string_equal(back.volume_uuid, before.volume_uuid);
	assert_string_not_equal(back.lmid, before.lmid);
	assert_string_equal(back.name, "monday");
	assert_int_equal(back.mode, 0750);
	assert_int_equal(back.owner, 1000);
	assert_int_equal(back.label_work, RSM_LABEL_UPDATE);
	assert_int_equal(back.allocations, before.allocations);
	assert_true(back.format_generation > before.format_generation);
	assert_string_equal(back.old_uuid, "");
	assert_in_pool(f, &back, "Backup");
	assert_int_equal(rsm_former_get(f->catalog, before.id, &former, &f->err),
			 RSM_FORMER_ABSENT);
}

static void acls_come_back_too(void **state)
{
	static const char acl[] =
		"\2\0\0\0\1\0\7\0\xff\xff\xff\xff\4\0\5\0\xff\xff\xff\xff\x20\0\0\0"
		"\xff\xff\xff\xff";
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	RSM_TEXT struct rsm_text found = { 0 };
	struct rsm_medium medium, back = { 0 };

	given_free_cartridges(f, 1);
	medium = given_allocated(f, pool.id, "monday");
	formatted(f, medium.id);
	assert_done(rsm_catalog_set_xattr(f->catalog, 'm', medium.id, RSM_ACL_ACCESS, acl,
					  sizeof acl - 1, 0, &f->err),
		    &f->err);
	assert_done(rsm_deallocate(f->catalog, medium.id, true, NULL, &f->err), &f->err);
	assert_int_equal(
		rsm_catalog_get_xattr(f->catalog, 'm', medium.id, RSM_ACL_ACCESS, &found, &f->err),
		RSM_POOL_ABSENT);

	assert_done(undelete(f, medium.id, pool.id, "x", &back), &f->err);

	assert_done(
		rsm_catalog_get_xattr(f->catalog, 'm', medium.id, RSM_ACL_ACCESS, &found, &f->err),
		&f->err);
	assert_int_equal(found.length, sizeof acl - 1);
	assert_memory_equal(found.data, acl, found.length);
}

static void what_was_complete_is_so_again(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium, back = { 0 };
	struct rsm_former former;
	uint64_t since;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, pool.id, "monday");
	formatted(f, medium.id);
	assert_done(rsm_allocation_complete(f->catalog, medium.id, &f->err), &f->err);
	assert_done(rsm_deallocate_emptied(f->catalog, medium.id, true, 7, &medium, &f->err),
		    &f->err);
	reopen(f);

	assert_done(undelete(f, medium.id, pool.id, NULL, &back), &f->err);

	assert_int_equal(back.state, RSM_MEDIUM_COMPLETE);
	assert_int_equal(back.label_work, RSM_LABEL_UPDATE);
	/* and as it was when it was closed: it takes no other index, either */
	assert_done(rsm_undelete_is_open(f->catalog, medium.id, &since, &f->err), &f->err);
	assert_int_equal(since, 0);

	assert_done(rsm_deallocate(f->catalog, medium.id, true, NULL, &f->err), &f->err);
	assert_done(rsm_former_get(f->catalog, medium.id, &former, &f->err), &f->err);
	assert_true(former.complete);
}

static void what_was_formatted_or_freed_since_does_not_come_back(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium, again, back;
	struct rsm_former former;

	given_free_cartridges(f, 1);
	medium = given_deallocated(f, pool.id, "monday");
	again = given_allocated(f, pool.id, "tuesday");
	assert_int_equal(undelete(f, again.id, pool.id, "x", &back), -EBUSY);
	/* never formatted: what was on it is on it still */
	assert_done(rsm_deallocate(f->catalog, again.id, false, NULL, &f->err), &f->err);
	assert_done(rsm_former_get(f->catalog, again.id, &former, &f->err), &f->err);
	assert_string_equal(former.name, "monday");
	assert_string_equal(former.volume_uuid, medium.old_uuid);

	again = given_allocated(f, pool.id, "tuesday");
	formatted(f, again.id);
	assert_done(rsm_deallocate(f->catalog, again.id, false, NULL, &f->err), &f->err);
	assert_int_equal(undelete(f, again.id, pool.id, "x", &back), -ENODATA);
	assert_non_null(strstr(f->err.msg, "A00001L8"));

	medium = given_deallocated(f, pool.id, "monday");
	assert_done(rsm_medium_free(f->catalog, medium.id, &f->err), &f->err);
	assert_int_equal(undelete(f, medium.id, pool.id, "x", &back), -ENODATA);
}

static void a_begun_format_leaves_nothing_to_restore(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium, back;

	given_free_cartridges(f, 1);
	medium = given_deallocated(f, pool.id, "monday");
	medium = given_allocated(f, pool.id, "tuesday");
	assert_done(rsm_medium_begin_labelling(f->catalog, medium.id, medium.volume_uuid, &f->err),
		    &f->err);
	assert_done(rsm_deallocate(f->catalog, medium.id, false, NULL, &f->err), &f->err);

	assert_int_equal(undelete(f, medium.id, pool.id, "x", &back), -ENODATA);
}

/* A death between the last byte of a format and the note of it; what told of it was the label. */
static void a_format_that_was_found_whole_is_no_remains_of_one(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium, back = { 0 };
	bool remains = true;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, pool.id, "monday");
	assert_done(rsm_medium_begin_labelling(f->catalog, medium.id, medium.volume_uuid, &f->err),
		    &f->err);
	identify(f, medium.id,
		 &(struct rsm_identification){ .identity = RSM_IS_LTFS,
					       .label_type = "LTFS",
					       .volume_uuid = medium.volume_uuid },
		 &medium);
	assert_int_equal(medium.label_work, RSM_LABEL_UPDATE);
	assert_done(rsm_deallocate(f->catalog, medium.id, true, NULL, &f->err), &f->err);

	/* what is has the free label written over it */
	assert_done(rsm_medium_was_labelling(f->catalog, medium.id, medium.volume_uuid, &remains,
					     &f->err),
		    &f->err);
	assert_false(remains);
	assert_done(undelete(f, medium.id, pool.id, "x", &back), &f->err);
	assert_string_equal(back.volume_uuid, medium.volume_uuid);
}

static void an_unreadable_label_forgets_nothing(void **state)
{
	const struct rsm_identification unreadable = { .identity = RSM_IS_UNREADABLE,
						       .label_info = "medium error" };
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium, back = { 0 };

	given_free_cartridges(f, 1);
	medium = given_deallocated(f, pool.id, "monday");
	identify(f, medium.id, &unreadable, NULL);
	assert_int_equal(undelete(f, medium.id, pool.id, "x", &back), -ENODATA);
	identify(f, medium.id,
		 &(struct rsm_identification){ .identity = RSM_IS_LTFS,
					       .label_type = "LTFS",
					       .volume_uuid = medium.old_uuid },
		 NULL);

	assert_done(undelete(f, medium.id, pool.id, "x", &back), &f->err);
	assert_string_equal(back.volume_uuid, medium.old_uuid);
}

/* Closes the catalogue, has an SQL script change it, and opens it. */
static void made_older(struct fixture *f, const char *older)
{
	char path[128];
	sqlite3 *db;

	rsm_catalog_close(f->catalog);
	f->catalog = NULL;
	snprintf(path, sizeof path, "%s/catalog.db", f->folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, older, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	reopen(f);
}

static void a_label_tells_that_it_was_complete_when_the_catalogue_does_not(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium, back = { 0 };

	given_free_cartridges(f, 1);
	medium = given_deallocated(f, pool.id, "monday");
	made_older(f, "ALTER TABLE former DROP COLUMN complete");
	identify(f, medium.id,
		 &(struct rsm_identification){ .identity = RSM_IS_LTFS,
					       .label_type = "LTFS",
					       .volume_uuid = medium.old_uuid,
					       .state = "complete" },
		 &medium);

	assert_done(undelete(f, medium.id, pool.id, NULL, &back), &f->err);

	assert_int_equal(back.state, RSM_MEDIUM_COMPLETE);
}

static void a_catalogue_of_an_older_version_learns_it(void **state)
{
	static const char older[] = "DROP INDEX side_choice; ALTER TABLE side DROP COLUMN released;"
				    "CREATE INDEX side_choice ON side (pool, rank, mounts, shown) "
				    "WHERE ready = 1 AND state IN (1, 4) AND duplicate = 0; "
				    "DROP TRIGGER former_ends; DROP TABLE former; "
				    "DROP TRIGGER medium_carried";
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium, back = { 0 };

	given_free_cartridges(f, 1);
	medium = given_deallocated(f, pool.id, "monday");
	made_older(f, older);

	/* whose it was is not known, what it was is */
	assert_done(undelete(f, medium.id, pool.id, NULL, &back), &f->err);
	assert_string_equal(back.volume_uuid, medium.old_uuid);
	assert_string_equal(back.name, "A00001L8");
	assert_int_equal(back.owner, 1);
	assert_done(rsm_deallocate(f->catalog, medium.id, true, NULL, &f->err), &f->err);
	assert_done(undelete(f, medium.id, pool.id, NULL, &back), &f->err);
	assert_int_equal(allocate(f, pool.id, "x", &medium), -ENOSPC);
}

static void limits_and_names_hold(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup"), top = { 0 };
	struct rsm_medium medium, back = { 0 };

	given_free_cartridges(f, 3);
	assert_done(make_pool(f, RSM_POOL_TOP, "Archive", RSM_POOL_HOLDS_POOLS, &top), &f->err);
	medium = given_deallocated(f, pool.id, "monday");
	given_allocated(f, pool.id, "monday");
	assert_int_equal(undelete(f, medium.id, pool.id, "monday", &back), -EEXIST);
	assert_int_equal(undelete(f, medium.id, pool.id, NULL, &back), -EEXIST);
	assert_int_equal(undelete(f, medium.id, top.id, "x", &back), -EPERM);
	assert_int_equal(undelete(f, medium.id, pool_at(f, "Free/LTO-8").id, "x", &back), -EPERM);
	pool = pool_at(f, "Backup");
	pool.allocation_limit = 1;
	assert_done(rsm_pool_update(f->catalog, &pool, &f->err), &f->err);
	assert_int_equal(undelete(f, medium.id, pool.id, "x", &back), -EDQUOT);
	assert_int_equal(pool_at(f, "Backup").allocated, 1);
}

static void a_worn_out_one_comes_back_into_its_own_pool_only(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup"), other = given_pool(f, "Other");
	struct rsm_medium medium, back = { 0 };

	given_free_cartridges(f, 1);
	pool.max_allocations = 1;
	assert_done(rsm_pool_update(f->catalog, &pool, &f->err), &f->err);
	medium = given_deallocated(f, pool.id, "monday");
	assert_int_equal(medium.state, RSM_MEDIUM_DECOMMISSIONED);

	assert_int_equal(undelete(f, medium.id, other.id, "x", &back), -EPERM);
	assert_done(undelete(f, medium.id, pool.id, "x", &back), &f->err);
	assert_int_equal(back.state, RSM_MEDIUM_ALLOCATED);
	assert_done(rsm_deallocate(f->catalog, medium.id, true, &medium, &f->err), &f->err);
	assert_int_equal(medium.state, RSM_MEDIUM_DECOMMISSIONED);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	EACH(the_volume_comes_back_under_a_new_logical_medium),
	EACH(acls_come_back_too),
	EACH(what_was_complete_is_so_again),
	EACH(what_was_formatted_or_freed_since_does_not_come_back),
	EACH(a_begun_format_leaves_nothing_to_restore),
	EACH(a_format_that_was_found_whole_is_no_remains_of_one),
	EACH(an_unreadable_label_forgets_nothing),
	EACH(a_label_tells_that_it_was_complete_when_the_catalogue_does_not),
	EACH(a_catalogue_of_an_older_version_learns_it),
	EACH(limits_and_names_hold),
	EACH(a_worn_out_one_comes_back_into_its_own_pool_only),
};

RSM_TEST_MAIN(tests)
