/* The rows of `former` are the deallocations whose volumes are still on their media:
 * side.restorable tells, and a trigger takes a row away with it. One transaction makes the medium
 * allocated again, so a death before or after it leaves it deallocated, or allocated with all that
 * it held.
 */
#include "core/undelete.h"

#include <string.h>

#include "changer/media_type.h"
#include "core/acl_text.h"
#include "core/catalog_private.h"

static int get_locked(struct rsm_catalog *catalog, int64_t medium, struct rsm_former *ret_former,
		      struct rsm_err *err)
{
	struct rsm_former *former = ret_former;
	sqlite3_stmt *statement;
	int r;

	r = rsm_catalog_query(
		catalog, &statement, err,
		"SELECT s.old_uuid, ifnull(f.pool, ''), ifnull(f.name, ''), "
		"ifnull(f.mode, 0), ifnull(f.owner, 0), ifnull(f.\"group\", 0), "
		"f.side IS NOT NULL, ifnull(f.generation, 0), ifnull(f.ended, 0), "
		"ifnull(f.complete, 0) "
		"FROM side s LEFT JOIN former f ON f.side = s.id AND f.volume_uuid = "
		"s.old_uuid WHERE s.id = ?1 AND s.restorable = 1 AND s.old_uuid <> ''",
		"i", medium);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r != 0)
		return r < 0 ? r : RSM_FORMER_ABSENT;
	memset(former, 0, sizeof *former);
	rsm_catalog_column_text(row, 0, former->volume_uuid, sizeof former->volume_uuid);
	rsm_catalog_column_text(row, 1, former->pool, sizeof former->pool);
	rsm_catalog_column_text(row, 2, former->name, sizeof former->name);
	former->mode = (uint32_t)sqlite3_column_int64(row, 3);
	former->owner = (uint32_t)sqlite3_column_int64(row, 4);
	former->group = (uint32_t)sqlite3_column_int64(row, 5);
	former->has_owner = sqlite3_column_int(row, 6);
	former->generation = (uint64_t)sqlite3_column_int64(row, 7);
	former->ended = rsm_catalog_column_time(row, 8);
	former->complete = sqlite3_column_int(row, 9);
	return 0;
}

int rsm_former_get(struct rsm_catalog *catalog, int64_t medium, struct rsm_former *ret_former,
		   struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return get_locked(catalog, medium, ret_former, err);
}

int rsm_former_find(struct rsm_catalog *catalog, const char *volume_uuid,
		    struct rsm_former *ret_former, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int64_t side;
	int r = rsm_catalog_number(
		catalog, &side, err,
		"SELECT s.id FROM side s WHERE s.old_uuid = ?1 AND s.old_uuid <> "
		"'' AND NOT EXISTS (SELECT 1 FROM side o WHERE o.volume_uuid = ?1)",
		"s", volume_uuid);

	if (r == RSM_SQLITE_DONE)
		return RSM_FORMER_ABSENT;
	return r < 0 ? r : get_locked(catalog, side, ret_former, err);
}

/* ---- remembering ---- */

static int acl_text_locked(struct rsm_catalog *catalog, int64_t medium, char **ret_text,
			   struct rsm_err *err)
{
	RSM_TEXT struct rsm_text access = { 0 }, inherited = { 0 }, text = { 0 };
	int r = rsm_catalog_get_xattr_locked(catalog, 'm', medium, RSM_ACL_ACCESS, &access, err);

	if (r >= 0)
		r = rsm_catalog_get_xattr_locked(catalog, 'm', medium, RSM_ACL_DEFAULT, &inherited,
						 err);
	if (r < 0)
		return r;
	rsm_acl_text_format(&access, &inherited, &text);
	return rsm_text_take(&text, ret_text, err);
}

int rsm_former_note_locked(struct rsm_catalog *catalog, const struct rsm_medium *medium,
			   uint64_t generation, struct rsm_err *err)
{
	bool complete = medium->state == RSM_MEDIUM_COMPLETE;
	RSM_FREE char *path = NULL, *acl = NULL;
	struct timespec now;
	int r = rsm_pool_path_locked(catalog, medium->pool, &path, err);

	if (r == 0)
		r = acl_text_locked(catalog, medium->id, &acl, err);
	if (r != 0)
		return rsm_err_fold(err, r, "%s: its pool is gone", rsm_medium_words(medium));
	rsm_catalog_now(catalog, &now);
	return rsm_catalog_run(
		catalog, err,
		"INSERT OR REPLACE INTO former (side, volume_uuid, pool, name, mode, owner, "
		"\"group\", acl, generation, ended, complete) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
		"?8, ?9, ?10, ?11)",
		"isssuuusUtd", medium->id, medium->volume_uuid, path, medium->name, medium->mode,
		medium->owner, medium->group, acl, complete ? (uint64_t)0 : generation, &now,
		(int)complete);
}

/* ---- giving back ---- */

static int check_state(const struct rsm_medium *medium, const struct rsm_pool *pool,
		       struct rsm_err *err)
{
	const char *words = rsm_medium_words(medium);

	switch (medium->state) {
	case RSM_MEDIUM_AVAILABLE:
	case RSM_MEDIUM_UNPREPARED: return 0;
	case RSM_MEDIUM_ALLOCATED:
	case RSM_MEDIUM_COMPLETE:
	case RSM_MEDIUM_RESERVED: return rsm_err_set(err, EBUSY, "%s is allocated", words);
	case RSM_MEDIUM_DECOMMISSIONED:
		/* what is written once, or worn out: nobody gets it after him */
		if (medium->pool == pool->id &&
		    (rsm_media_type_is_worm(medium->media_type) ||
		     (pool->max_allocations && medium->allocations >= pool->max_allocations)))
			return 0;
		return rsm_err_set(err, EPERM, "%s is decommissioned", words);
	default:
		return rsm_err_set(err, ENODATA, "%s is %s: nothing on it was deallocated here",
				   words, rsm_medium_state_name(medium->state));
	}
}

static int restore_acls(struct rsm_catalog *catalog, int64_t medium, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text access = { 0 }, inherited = { 0 };
	sqlite3_stmt *statement;
	bool good;
	int r = rsm_catalog_query(catalog, &statement, err,
				  "SELECT acl FROM former WHERE side = ?1", "i", medium);

	if (r < 0)
		return r;
	{
		RSM_SQLITE_RESET sqlite3_stmt *row = statement;
		const char *text;

		r = rsm_sqlite_step(row, err);
		if (r != 0)
			return r < 0 ? r : 0;
		text = (const char *)sqlite3_column_text(row, 0);
		good = rsm_acl_text_parse(text ? text : "", &access, &inherited);
	}
	if (access.failed || inherited.failed)
		return rsm_err_oom(err);
	if (!good)
		return 0;
	return rsm_catalog_give_acls_locked(catalog, 'm', medium, &access, &inherited, err);
}

/* Label work: pool, name and LMID on the medium are those of before. */
static int give_back(struct rsm_catalog *catalog, struct rsm_medium *medium,
		     const struct rsm_former *former, struct rsm_pool *pool, struct rsm_err *err)
{
	int64_t logical, from = medium->pool;
	int r;

	rsm_catalog_new_guid(medium->lmid);
	rsm_catalog_now(catalog, &medium->created);
	medium->modified = medium->changed = medium->created;
	medium->priority = 0;
	r = rsm_logical_begin_locked(catalog, medium, pool->id, &logical, err);
	if (r == 0)
		r = restore_acls(catalog, medium->id, err);
	if (r == 0) /* it is no new allocation: their count stays; the row of `former` goes */
		r = rsm_catalog_run(
			catalog, err,
			"UPDATE side SET pool = ?2, state = ?5, logical = ?3, "
			"volume_uuid = ?4, old_uuid = '', restorable = 0, label_work = "
			"2, index_generation = 0, format_generation = "
			"format_generation + 1 WHERE id = ?1",
			"iiisd", medium->id, pool->id, logical, former->volume_uuid,
			(int)(former->complete ? RSM_MEDIUM_COMPLETE : RSM_MEDIUM_ALLOCATED));
	if (r == 0 && former->generation)
		r = rsm_catalog_run(catalog, err,
				    "INSERT OR REPLACE INTO setting (key, value) VALUES "
				    "('undelete ' || ?1, ?2)",
				    "iU", medium->id, former->generation);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, pool->id, err);
	if (r == 0 && from != pool->id)
		r = rsm_pool_touch_locked(catalog, from, err);
	return r;
}

static int undelete_locked(struct rsm_catalog *catalog, const struct rsm_allocation *wanted,
			   struct rsm_medium *medium, struct rsm_err *err)
{
	struct rsm_former former;
	struct rsm_pool pool;
	const char *name = wanted->name;
	int r;

	r = rsm_medium_need_locked(catalog, wanted->medium, medium, err);
	if (r == 0)
		r = rsm_pool_need_locked(catalog, wanted->pool, &pool, err);
	if (r == 0)
		r = check_state(medium, &pool, err);
	if (r < 0)
		return r;
	r = get_locked(catalog, medium->id, &former, err);
	if (r == RSM_FORMER_ABSENT)
		r = rsm_err_set(err, ENODATA, "%s holds nothing that could be restored",
				rsm_medium_words(medium));
	if (r < 0)
		return r;
	if (!name)
		name = former.name[0] ? former.name : medium->shown;
	r = rsm_allocation_check_pool_locked(catalog, &pool, name, err);
	if (r == 0)
		r = rsm_pool_take_type_locked(catalog, &pool, medium->media_type, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s", rsm_medium_words(medium));
	rsm_catalog_copy(medium->name, sizeof medium->name, name);
	medium->mode = former.has_owner ? former.mode : wanted->mode;
	medium->owner = former.has_owner ? former.owner : wanted->owner;
	medium->group = former.has_owner ? former.group : wanted->group;
	r = give_back(catalog, medium, &former, &pool, err);
	return r < 0 ? r : rsm_medium_need_locked(catalog, wanted->medium, medium, err);
}

int rsm_undelete_is_open(struct rsm_catalog *catalog, int64_t medium, uint64_t *ret_generation,
			 struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int64_t generation = 0;
	int r = rsm_catalog_number(catalog, &generation, err,
				   "SELECT CAST(value AS INTEGER) FROM setting WHERE key = "
				   "'undelete ' || ?1",
				   "i", medium);

	if (r >= 0)
		*ret_generation = (uint64_t)generation;
	return r < 0 ? r : 0;
}

int rsm_undelete_close(struct rsm_catalog *catalog, int64_t medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_catalog_run(catalog, err, "DELETE FROM setting WHERE key = 'undelete ' || ?1",
			       "i", medium);
}

int rsm_undelete(struct rsm_catalog *catalog, const struct rsm_allocation *allocation,
		 struct rsm_medium *ret_medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_medium medium;
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = undelete_locked(catalog, allocation, &medium, err);
	r = rsm_catalog_end_locked(catalog, r, err);
	if (r == 0)
		*ret_medium = medium;
	return r;
}
