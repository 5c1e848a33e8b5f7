/* Copies in the catalogue.
 *
 * An allocation has two steps, the cartridge and its row here; the cartridge's name is all that the
 * row needs, so a death in between is mended at the next start. A deallocation of a first one
 * releases its copy in the same transaction.
 */
#include "core/copy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "core/allocation.h"
#include "core/catalog_private.h"
#include "core/copy_private.h"

#define SELECT_COPY                                                                                \
	"SELECT ifnull(s.id, 0), c.side, c.of, c.seen, c.done FROM medium_copy c LEFT JOIN side "  \
	"s "                                                                                       \
	"ON s.volume_uuid = c.of AND s.volume_uuid <> '' AND s.duplicate = 0 AND s.logical IS "    \
	"NOT "                                                                                     \
	"NULL "

int rsm_pool_get_copies(struct rsm_catalog *catalog, int64_t pool, uint32_t *ret_copies,
			struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int64_t copies = 1;
	int r = rsm_catalog_number(catalog, &copies, err,
				   "SELECT copies FROM pool_copies WHERE pool = ?1", "i", pool);

	if (r >= 0)
		*ret_copies = (uint32_t)copies;
	return r < 0 ? r : 0;
}

int rsm_pool_set_copies(struct rsm_catalog *catalog, int64_t pool, uint32_t copies,
			struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_pool found;
	int r = rsm_pool_need_locked(catalog, pool, &found, err);

	if (r < 0)
		return r;
	if (found.kind != RSM_POOL_APPLICATION)
		return rsm_err_set(err, EPERM, "%s is a system pool", found.name);
	if (found.holds != RSM_POOL_HOLDS_MEDIA)
		return rsm_err_set(err, EINVAL, "%s holds pools, not media", found.name);
	if (copies < 1 || copies > RSM_COPIES_MOST)
		return rsm_err_set(err, EINVAL, "%s: 1 or %d cartridges can hold the same",
				   found.name, RSM_COPIES_MOST);
	return rsm_catalog_run(catalog, err,
			       "INSERT INTO pool_copies (pool, copies) VALUES (?1, ?2) ON CONFLICT "
			       "(pool) DO UPDATE SET copies = ?2",
			       "iu", pool, copies);
}

/* ---- looking ---- */

static int step_copy(sqlite3_stmt *statement, struct rsm_copy *ret_copy, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	int r = rsm_sqlite_step(row, err);

	if (r == RSM_SQLITE_DONE)
		return RSM_COPY_ABSENT;
	if (r < 0)
		return r;
	ret_copy->first = sqlite3_column_int64(row, 0);
	ret_copy->copy = sqlite3_column_int64(row, 1);
	rsm_catalog_column_text(row, 2, ret_copy->volume, sizeof ret_copy->volume);
	ret_copy->seen = sqlite3_column_int64(row, 3);
	ret_copy->done = sqlite3_column_int64(row, 4);
	return 0;
}

int rsm_copy_find(struct rsm_catalog *catalog, int64_t first, struct rsm_copy *ret_copy,
		  struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *row;
	int r = rsm_catalog_query(catalog, &row, err,
				  SELECT_COPY
				  "WHERE c.of = (SELECT volume_uuid FROM side WHERE id = ?1 AND "
				  "logical IS NOT NULL)",
				  "i", first);

	return r < 0 ? r : step_copy(row, ret_copy, err);
}

int rsm_copy_get(struct rsm_catalog *catalog, int64_t copy, struct rsm_copy *ret_copy,
		 struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *row;
	int r = rsm_catalog_query(catalog, &row, err, SELECT_COPY "WHERE c.side = ?1", "i", copy);

	return r < 0 ? r : step_copy(row, ret_copy, err);
}

int rsm_copy_next(struct rsm_catalog *catalog, int64_t after, bool behind,
		  struct rsm_copy *ret_copy, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *row;
	int r;

	if (behind)
		r = rsm_catalog_query(catalog, &row, err,
				      SELECT_COPY "WHERE c.side > ?1 AND c.seen <> c.done ORDER BY "
						  "c.side LIMIT 1",
				      "i", after);
	else
		r = rsm_catalog_query(catalog, &row, err,
				      SELECT_COPY "WHERE c.side > ?1 ORDER BY c.side LIMIT 1", "i",
				      after);
	return r < 0 ? r : step_copy(row, ret_copy, err);
}

int rsm_copy_next_missing(struct rsm_catalog *catalog, int64_t after, int64_t *ret_first,
			  struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_number(
		catalog, ret_first, err,
		"SELECT min(s.id) FROM pool_copies p CROSS JOIN side s ON s.pool = p.pool WHERE "
		"p.copies > 1 AND s.id > ?1 AND s.logical IS NOT NULL AND NOT EXISTS (SELECT 1 "
		"FROM medium_copy c WHERE c.of = s.volume_uuid) HAVING min(s.id) IS NOT NULL",
		"i", after);

	return r == RSM_SQLITE_DONE ? RSM_COPY_ABSENT : r;
}

/* ---- the pool that nobody sees ---- */

int rsm_copy_top_locked(struct rsm_catalog *catalog, uint32_t owner, int64_t *ret_top,
			struct rsm_err *err)
{
	struct timespec now;
	int r = rsm_catalog_number(catalog, ret_top, err, "SELECT id FROM pool WHERE guid = ?1",
				   "s", RSM_COPY_POOL_GUID);

	if (r != RSM_SQLITE_DONE)
		return r;
	rsm_catalog_now(catalog, &now);
	r = rsm_catalog_run(catalog, err,
			    "INSERT INTO pool (guid, name, nfc, kind, holds, media_type, "
			    "draw_from_free, return_to_free, allocation_limit, max_allocations, "
			    "mode, owner, \"group\", created, modified, changed) VALUES (?1, ?1, "
			    "?1, 1000, 2, '', 0, 0, 0, 0, 448, ?2, 0, ?3, ?3, ?3)",
			    "sut", RSM_COPY_POOL_GUID, owner, &now);
	*ret_top = sqlite3_last_insert_rowid(catalog->db);
	return r;
}

int rsm_copy_pool_locked(struct rsm_catalog *catalog, const char *media_type, uint32_t owner,
			 struct rsm_pool *ret_pool, struct rsm_err *err)
{
	struct rsm_pool pool = { .holds = RSM_POOL_HOLDS_MEDIA,
				 .draw_from_free = true,
				 .return_to_free = true,
				 .mode = 0700,
				 .owner = owner };
	int r = rsm_copy_top_locked(catalog, owner, &pool.parent, err);

	if (r == 0)
		r = rsm_pool_find_locked(catalog, pool.parent, media_type, ret_pool, err);
	if (r != RSM_POOL_ABSENT)
		return r;
	rsm_catalog_copy(pool.name, sizeof pool.name, media_type);
	rsm_catalog_copy(pool.media_type, sizeof pool.media_type, media_type);
	r = rsm_pool_create_locked(catalog, &pool, err);
	if (r == 0)
		*ret_pool = pool;
	return r;
}

/* ---- allocation ---- */

/* The pool's own first, as for any allocation. */
static int choose_locked(struct rsm_catalog *catalog, const struct rsm_medium *first,
			 const struct rsm_pool *pool, int64_t *ret_side, struct rsm_err *err)
{
	static const char sql[] =
		"SELECT s.id FROM side s CROSS JOIN medium m ON m.id = s.medium JOIN library b ON "
		"b.id = m.library WHERE s.pool = ?1 AND s.ready = 1 AND s.state IN (1, 4) AND "
		"s.duplicate = 0 AND s.health = 'good' AND b.present = 1 AND b.enabled = 1 "
		/* a copy on the other side would be no copy, and its pool is another one */
		"AND NOT EXISTS (SELECT 1 FROM side o WHERE o.medium = s.medium AND o.id <> s.id "
		"AND o.state NOT IN (1, 4)) ORDER BY "
		"s.rank, m.library <> ?2, s.mounts, s.shown LIMIT 1";
	struct rsm_pool scratch;
	int r = rsm_catalog_number(catalog, ret_side, err, sql, "ii", pool->id, first->library);

	if (r != RSM_SQLITE_DONE || !pool->draw_from_free)
		return r;
	r = rsm_pool_system_locked(catalog, RSM_POOL_SCRATCH, first->media_type, &scratch, err);
	return r < 0 ? r
		     : rsm_catalog_number(catalog, ret_side, err, sql, "ii", scratch.id,
					  first->library);
}

static int plan_locked(struct rsm_catalog *catalog, int64_t id, uint32_t owner,
		       struct rsm_medium *first, struct rsm_allocation *wanted, struct rsm_err *err)
{
	struct rsm_pool pool, copies;
	int r = rsm_medium_need_locked(catalog, id, first, err);

	if (r == 0 && !first->lmid[0])
		r = rsm_err_set(err, EINVAL, "%s is not allocated", rsm_medium_words(first));
	if (r == 0)
		r = rsm_pool_need_locked(catalog, first->pool, &pool, err);
	if (r == 0)
		r = rsm_copy_pool_locked(catalog, first->media_type, owner, &copies, err);
	if (r == 0)
		r = choose_locked(catalog, first, &pool, &wanted->medium, err);
	if (r == RSM_SQLITE_DONE)
		return rsm_err_set(err, ENOSPC, "no cartridge is available for a copy of %s",
				   first->name);
	wanted->pool = copies.id;
	wanted->mode = 0700;
	wanted->owner = owner;
	return r;
}

int rsm_copy_allocate(struct rsm_catalog *catalog, int64_t first_id, uint32_t owner,
		      struct rsm_medium *ret_copy, struct rsm_err *err)
{
	struct rsm_allocation wanted = { 0 };
	struct rsm_medium first;
	int r;

	rsm_mutex_lock(&catalog->lock);
	r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);
	if (r == 0) {
		r = plan_locked(catalog, first_id, owner, &first, &wanted, err);
		r = rsm_catalog_end_locked(catalog, r, err);
	}
	rsm_mutex_unlock(&catalog->lock);
	if (r < 0)
		return r;
	wanted.name = first.volume_uuid;
	r = rsm_allocate(catalog, &wanted, ret_copy, err);
	if (r < 0)
		return r;
	RSM_LOCK_SCOPE(&catalog->lock);
	return rsm_catalog_run(catalog, err,
			       "INSERT OR IGNORE INTO medium_copy (side, of) VALUES (?1, ?2)", "is",
			       ret_copy->id, first.volume_uuid);
}

int rsm_copy_of_first_locked(struct rsm_catalog *catalog, int64_t first, int64_t *ret_copy,
			     struct rsm_err *err)
{
	int r;

	*ret_copy = 0;
	r = rsm_catalog_number(
		catalog, ret_copy, err,
		"SELECT c.side FROM side s JOIN medium_copy c ON c.of = s.volume_uuid "
		"WHERE s.id = ?1 AND s.logical IS NOT NULL",
		"i", first);
	return r < 0 ? r : 0;
}

/* ---- versions ---- */

int rsm_copy_note_seen(struct rsm_catalog *catalog, const char *volume, int64_t version,
		       const char *followed_by, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_run(catalog, err,
				"UPDATE medium_copy SET seen = ?2 WHERE of = ?1 AND seen <> ?2",
				"si", volume, version);

	/* versions of a tree that began anew say nothing beside those of the one before */
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE medium_copy SET done = 0 WHERE of = ?1 AND done <> 0 "
				    "AND side NOT IN (SELECT id FROM side WHERE volume_uuid = ?2)",
				    "ss", volume, followed_by);
	return r;
}

int rsm_copy_note_done(struct rsm_catalog *catalog, int64_t copy, int64_t version,
		       struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_catalog_run(
		catalog, err,
		"UPDATE medium_copy SET done = ?2, seen = max(seen, ?2) WHERE side = "
		"?1",
		"ii", copy, version);
}

/* ---- what a copy keeps ---- */

int rsm_copy_note_kept(struct rsm_catalog *catalog, int64_t copy, uint64_t kept,
		       struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = rsm_catalog_run(catalog, err, "DELETE FROM copy_kept WHERE side = ?1", "i", copy);
	if (r == 0 && kept) /* it may be none any more */
		r = rsm_catalog_run(catalog, err,
				    "INSERT INTO copy_kept (side, kept) SELECT side, ?2 FROM "
				    "medium_copy WHERE side = ?1",
				    "iU", copy, kept);
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_copy_check_kept(struct rsm_catalog *catalog, const struct rsm_medium *first,
			struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_medium copy;
	int64_t id, kept = 0;
	int r = rsm_copy_of_first_locked(catalog, first->id, &id, err);

	if (r == 0 && id)
		r = rsm_catalog_number(catalog, &kept, err,
				       "SELECT kept FROM copy_kept WHERE side = ?1", "i", id);
	if (r < 0 || !kept)
		return r < 0 ? r : 0;
	r = rsm_medium_need_locked(catalog, id, &copy, err);
	return r < 0 ? r
		     : rsm_err_set(err, EBUSY,
				   "its copy %s keeps %" PRId64
				   " files and folders that %s has lost: look into it after \"rsm "
				   "move %s POOL\", or say --force",
				   copy.shown, kept, first->shown, copy.shown);
}

/* ---- what is left behind ---- */

static int next_leftover(struct rsm_catalog *catalog, int64_t *ret_side, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	/* never formatted, and nobody has the volume that it was to follow */
	return rsm_catalog_number(
		catalog, ret_side, err,
		"SELECT c.side FROM medium_copy c JOIN side s ON s.id = c.side "
		"WHERE s.label_work = 1 AND NOT EXISTS (SELECT 1 FROM side f WHERE "
		"f.volume_uuid = c.of AND f.volume_uuid <> '') LIMIT 1",
		"");
}

int rsm_copy_mend(struct rsm_catalog *catalog, struct rsm_err *err)
{
	int64_t side;
	int r;

	rsm_mutex_lock(&catalog->lock);
	r = rsm_catalog_run(catalog, err,
			    "INSERT OR IGNORE INTO medium_copy (side, of) SELECT s.id, l.name FROM "
			    "pool t CROSS JOIN pool p ON p.parent = t.id CROSS JOIN logical_medium "
			    "l ON l.pool = p.id CROSS JOIN side s ON s.logical = l.id WHERE t.guid "
			    "= ?1 AND length(l.name) = 36",
			    "s", RSM_COPY_POOL_GUID);
	rsm_mutex_unlock(&catalog->lock);
	if (r < 0)
		return r;
	while ((r = next_leftover(catalog, &side, err)) == 0) {
		r = rsm_deallocate(catalog, side, false, NULL, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

/* ---- found on a medium ---- */

int rsm_copy_restore_locked(struct rsm_catalog *catalog, int64_t side,
			    const struct rsm_identification *found, const char *uuid,
			    struct rsm_err *err)
{
	struct rsm_medium medium;
	char of[RSM_GUID_SIZE];
	struct rsm_pool pool;
	int64_t logical, other;
	bool keeps = false;
	uuid_t volume;
	int r;

	if (!found->copy_of || uuid_parse(found->copy_of, volume) != 0)
		return 1;
	uuid_unparse_lower(volume, of);
	r = rsm_catalog_number(catalog, &other, err, "SELECT 1 FROM medium_copy WHERE of = ?1", "s",
			       of);
	if (r == 0) /* there is one already */
		return 1;
	if (r == RSM_SQLITE_DONE)
		r = rsm_medium_need_locked(catalog, side, &medium, err);
	if (r == 0)
		r = rsm_copy_pool_locked(catalog, medium.media_type, 0, &pool, err);
	if (r == 0)
		r = rsm_side_keeps_pool_locked(catalog, side, false, &keeps, err);
	if (r == 0 && keeps && medium.pool != pool.id) /* both sides are in one pool */
		return 1;
	if (r == 0)
		r = rsm_medium_free_name_locked(catalog, pool.id, of, medium.name, err);
	if (r < 0)
		return r;
	rsm_catalog_new_guid(medium.lmid);
	medium.mode = 0700;
	medium.owner = medium.group = 0;
	rsm_catalog_now(catalog, &medium.created);
	medium.modified = medium.changed = medium.created;
	medium.priority = 0;
	r = rsm_logical_begin_locked(catalog, &medium, pool.id, &logical, err);
	if (r == 0)
		r = rsm_catalog_run(
			catalog, err,
			"UPDATE side SET pool = ?2, state = 5, logical = ?3, volume_uuid = ?4, "
			"old_uuid = '', restorable = 0, duplicate = 0, label_work = 0, "
			"index_generation = ?5, format_generation = format_generation + 1, "
			"allocations = max(allocations, 1) WHERE id = ?1",
			"iiisU", side, pool.id, logical, uuid, found->index_generation);
	if (r == 0)
		r = rsm_catalog_run(
			catalog, err,
			"INSERT INTO medium_copy (side, of, pool, name, lmid, mode, owner, "
			"\"group\", complete) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
			"issssuuud", side, of, found->pool, found->name, found->lmid,
			found->has_owner ? found->mode & 03777 : 0755,
			found->has_owner ? found->owner : 0, found->has_owner ? found->group : 0,
			(int)(found->state && strcmp(found->state, "complete") == 0));
	if (r == 0 && medium.pool)
		r = rsm_pool_touch_locked(catalog, medium.pool, err);
	return r;
}

struct orphan {
	int64_t side;
	char pool[4096], media_type[RSM_TYPE_SIZE];
	struct rsm_medium as; /* name, lmid, mode, owner, group */
	bool complete;
};

static int next_orphan_locked(struct rsm_catalog *catalog, int64_t after, struct orphan *orphan,
			      struct rsm_err *err)
{
	sqlite3_stmt *statement;
	int r = rsm_catalog_query(
		catalog, &statement, err,
		"SELECT c.side, c.pool, c.name, c.lmid, c.mode, c.owner, c.\"group\", c.complete, "
		"m.media_type FROM medium_copy c JOIN side s ON s.id = c.side JOIN medium m ON "
		"m.id "
		"= s.medium WHERE c.side > ?1 AND c.pool <> '' AND c.name <> '' AND NOT EXISTS "
		"(SELECT 1 FROM side f WHERE f.volume_uuid = c.of AND f.volume_uuid <> '') ORDER "
		"BY "
		"c.side LIMIT 1",
		"i", after);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r != 0)
		return r < 0 ? r : RSM_COPY_ABSENT;
	orphan->side = sqlite3_column_int64(row, 0);
	rsm_catalog_column_text(row, 1, orphan->pool, sizeof orphan->pool);
	rsm_catalog_column_text(row, 2, orphan->as.name, sizeof orphan->as.name);
	rsm_catalog_column_text(row, 3, orphan->as.lmid, sizeof orphan->as.lmid);
	orphan->as.mode = (uint32_t)sqlite3_column_int64(row, 4);
	orphan->as.owner = (uint32_t)sqlite3_column_int64(row, 5);
	orphan->as.group = (uint32_t)sqlite3_column_int64(row, 6);
	orphan->complete = sqlite3_column_int(row, 7) != 0;
	rsm_catalog_column_text(row, 8, orphan->media_type, sizeof orphan->media_type);
	return 0;
}

/* Outcome 1: what it says of itself is no good; it stays what it is. */
static int promote_locked(struct rsm_catalog *catalog, struct orphan *orphan, struct rsm_err *err)
{
	RSM_FREE char *nfc = NULL;
	struct rsm_pool pool;
	char name[RSM_NAME_SIZE];
	uuid_t lmid;
	int64_t other;
	int r = rsm_pool_check_name(orphan->as.name, &nfc, NULL);

	if (r == 0)
		r = rsm_pool_restore_locked(catalog, orphan->pool, orphan->media_type,
					    orphan->as.owner, orphan->as.group, &pool, err);
	if (r == -EINVAL || r == -EPERM || r == -EILSEQ || r == -ENAMETOOLONG)
		return 1;
	if (r == 0)
		r = rsm_medium_free_name_locked(catalog, pool.id, orphan->as.name, name, err);
	if (r < 0)
		return r;
	free(nfc);
	nfc = NULL;
	r = rsm_pool_check_name(name, &nfc, err);
	if (r == 0 && uuid_parse(orphan->as.lmid, lmid) != 0)
		rsm_catalog_new_guid(orphan->as.lmid);
	if (r == 0)
		r = rsm_catalog_number(catalog, &other, err,
				       "SELECT 1 FROM logical_medium WHERE lmid = lower(?1)", "s",
				       orphan->as.lmid);
	if (r == 0)
		rsm_catalog_new_guid(orphan->as.lmid);
	if (r >= 0)
		r = rsm_catalog_run(
			catalog, err,
			"UPDATE logical_medium SET pool = ?2, name = ?3, nfc = ?4, lmid "
			"= lower(?5), mode = ?6, owner = ?7, \"group\" = ?8 WHERE id = "
			"(SELECT logical FROM side WHERE id = ?1)",
			"iisssuuu", orphan->side, pool.id, name, nfc, orphan->as.lmid,
			orphan->as.mode & 07777, orphan->as.owner, orphan->as.group);
	if (r == 0) /* it ends being a copy by that, and its medium is to know */
		r = rsm_catalog_run(
			catalog, err,
			"UPDATE side SET pool = ?2, state = ?3, label_work = CASE "
			"label_work WHEN 0 THEN 2 ELSE label_work END WHERE id = ?1",
			"iid", orphan->side, pool.id,
			(int)(orphan->complete ? RSM_MEDIUM_COMPLETE : RSM_MEDIUM_ALLOCATED));
	return r < 0 ? r : rsm_pool_touch_locked(catalog, pool.id, err);
}

int rsm_copy_promote_orphans(struct rsm_catalog *catalog, unsigned *ret_count, struct rsm_err *err)
{
	struct orphan orphan = { 0 };
	int r;

	*ret_count = 0;
	RSM_LOCK_SCOPE(&catalog->lock);
	for (;;) {
		r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);
		if (r < 0)
			return r;
		r = next_orphan_locked(catalog, orphan.side, &orphan, err);
		if (r == 0) {
			r = promote_locked(catalog, &orphan, err);
			*ret_count += r == 0;
			r = r > 0 ? 0 : r;
		}
		r = rsm_catalog_end_locked(catalog, r, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}
