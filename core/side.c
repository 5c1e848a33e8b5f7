/* The two sides of a cartridge that has two (rsm-model.md 3.1 and 6; declared in media.h and
 * catalog_private.h). Each has a state, a label and a logical medium of its own; both are always in
 * one pool, which a trigger sees to. A side that is allocated as new reserves the other one for
 * whoever has it.
 */
#include <stdio.h>
#include <string.h>

#include "core/allocation.h"
#include "core/catalog_private.h"

/* unseen: nobody has looked at it, whatever is known of the first one. */
static int add_locked(struct rsm_catalog *catalog, int64_t id, bool unseen, int64_t *ret_side,
		      struct rsm_err *err)
{
	char guid[RSM_GUID_SIZE];
	struct rsm_medium medium;
	struct rsm_pool pool;
	int64_t count;
	bool labelled;
	int r = rsm_medium_need_locked(catalog, id, &medium, err);

	if (r == 0)
		r = rsm_catalog_number(catalog, &count, err,
				       "SELECT count(*) FROM side WHERE medium = (SELECT medium "
				       "FROM side WHERE id = ?1)",
				       "i", id);
	if (r != 0)
		return rsm_err_fold(err, r, "sides");
	if (medium.cleaner || count != 1 || (!unseen && rsm_medium_is_taken(&medium)))
		return rsm_err_set(err, EINVAL, "%s cannot get a second side",
				   rsm_medium_words(&medium));
	r = rsm_pool_need_locked(catalog, medium.pool, &pool, err);
	if (r < 0)
		return r;
	/* what is to be free is; elsewhere nobody has looked at it yet */
	labelled = pool.kind == RSM_POOL_SCRATCH || (!unseen && pool.kind == RSM_POOL_APPLICATION);
	rsm_catalog_new_guid(guid);
	r = rsm_catalog_run(catalog, err,
			    "INSERT INTO side (guid, medium, side_number, shown, pool, state, "
			    "label_type) SELECT ?2, medium, 1 - side_number, ?2, pool, ?3, '' FROM "
			    "side WHERE id = ?1",
			    "isd", id, guid,
			    (int)(labelled ? RSM_MEDIUM_UNPREPARED : RSM_MEDIUM_UNKNOWN));
	if (r == 0) {
		*ret_side = sqlite3_last_insert_rowid(catalog->db);
		r = rsm_side_name_locked(catalog, id, medium.shown, err);
	}
	return r < 0 ? r : rsm_pool_touch_locked(catalog, medium.pool, err);
}

int rsm_side_make_second_locked(struct rsm_catalog *catalog, int64_t id, int64_t *ret_side,
				struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = rsm_catalog_number(catalog, ret_side, err,
				   "SELECT o.id FROM side s JOIN side o ON o.medium = s.medium AND "
				   "o.id <> s.id WHERE s.id = ?1",
				   "i", id);

	if (r != RSM_SQLITE_DONE)
		return r;
	*ret_side = 0;
	r = rsm_medium_need_locked(catalog, id, &medium, err);
	return r < 0 || medium.cleaner ? r : add_locked(catalog, id, true, ret_side, err);
}

int rsm_side_name_locked(struct rsm_catalog *catalog, int64_t id, const char *barcode,
			 struct rsm_err *err)
{
	static const char *const ends[] = { ".A", ".B" };
	char number[24], wanted[RSM_NAME_SIZE], shown[RSM_NAME_SIZE];
	struct rsm_medium medium;
	int64_t other = 0;
	int r = rsm_medium_need_locked(catalog, id, &medium, err);

	if (r == 0)
		r = rsm_catalog_number(catalog, &other, err,
				       "SELECT id FROM side WHERE medium = ?1 AND id <> ?2", "ii",
				       medium.physical, id);
	if (r < 0)
		return r;
	/* what they are called now is not in their way */
	r = rsm_catalog_run(catalog, err, "UPDATE side SET shown = guid WHERE medium = ?1", "i",
			    medium.physical);
	if (r < 0)
		return r;
	snprintf(number, sizeof number, "%lld", (long long)(other && other < id ? other : id));
	for (unsigned i = 0; i < (other ? 2u : 1u); i++) {
		snprintf(wanted, sizeof wanted, "%.200s%s", barcode[0] ? barcode : number,
			 other ? ends[i ? 1 - medium.side : medium.side] : "");
		r = rsm_medium_free_shown_locked(catalog, wanted, shown, err);
		if (r == 0)
			r = rsm_catalog_run(catalog, err,
					    "UPDATE side SET shown = ?2 WHERE id = ?1", "is",
					    i ? other : id, shown);
		if (r < 0)
			return r;
	}
	return 0;
}

int rsm_medium_add_side(struct rsm_catalog *catalog, int64_t id, int64_t *ret_side,
			struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int64_t side = 0;
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = add_locked(catalog, id, false, &side, err);
	r = rsm_catalog_end_locked(catalog, r, err);
	if (r == 0)
		*ret_side = side;
	return r;
}

int rsm_medium_other_side(struct rsm_catalog *catalog, int64_t id, int64_t *ret_side,
			  struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_number(catalog, ret_side, err,
				   "SELECT o.id FROM side s JOIN side o ON o.medium = s.medium AND "
				   "o.id <> s.id WHERE s.id = ?1",
				   "i", id);

	return r == RSM_SQLITE_DONE ? RSM_MEDIUM_ABSENT : r;
}

/* ---- which one is under the head ---- */

int rsm_side_note_place_locked(struct rsm_catalog *catalog, int64_t id,
			       enum rsm_location_kind location, struct rsm_err *err)
{
	int r = rsm_catalog_run(catalog, err,
				"DELETE FROM setting WHERE key = 'inverted ' || (SELECT medium "
				"FROM side WHERE id = ?1)",
				"i", id);

	if (r < 0 || location != RSM_AT_DRIVE)
		return r;
	return rsm_catalog_run(catalog, err,
			       "INSERT OR REPLACE INTO setting (key, value) SELECT 'inverted ' || "
			       "medium, '1' FROM side WHERE id = ?1 AND side_number = 1",
			       "i", id);
}

int rsm_medium_is_inverted(struct rsm_catalog *catalog, int64_t id, bool *ret_is,
			   struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int64_t inverted = 0;
	int r = rsm_catalog_number(catalog, &inverted, err,
				   "SELECT " RSM_IS_INVERTED "FROM side s JOIN medium m ON m.id = "
				   "s.medium WHERE s.id = ?1",
				   "i", id);

	if (r >= 0)
		*ret_is = inverted;
	return r < 0 ? r : 0;
}

/* ---- allocation ---- */

int rsm_side_reserve_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	return rsm_catalog_run(catalog, err,
			       "UPDATE side SET state = 9 WHERE medium = (SELECT medium FROM side "
			       "WHERE id = ?1) AND id <> ?1 AND state IN (1, 4)",
			       "i", id);
}

int rsm_side_note_reserved_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	return rsm_catalog_run(catalog, err,
			       "INSERT OR REPLACE INTO setting (key, value) VALUES ('reserves ' || "
			       "?1, 'other')",
			       "i", id);
}

int rsm_side_settle_reserved_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	int64_t by;
	int r = rsm_catalog_number(catalog, &by, err,
				   "SELECT b.id FROM side s JOIN side b ON b.medium = s.medium "
				   "JOIN side o ON o.medium = s.medium AND o.id <> b.id JOIN "
				   "setting t ON t.key = 'reserves ' || b.id WHERE s.id = ?1 AND "
				   "o.state <> 0",
				   "i", id);

	if (r != 0)
		return r < 0 ? r : 0;
	r = rsm_side_reserve_locked(catalog, by, err);
	return r < 0 ? r
		     : rsm_catalog_run(catalog, err,
				       "DELETE FROM setting WHERE key = 'reserves ' "
				       "|| ?1",
				       "i", by);
}

int rsm_side_next_locked(struct rsm_catalog *catalog, int64_t of, int64_t pool, int64_t *ret_side,
			 struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = rsm_medium_need_locked(catalog, of, &medium, err);

	if (r < 0)
		return r;
	if (!medium.lmid[0])
		return rsm_err_set(err, EINVAL, "%s is not allocated", rsm_medium_words(&medium));
	if (medium.pool != pool)
		return rsm_err_set(err, EINVAL, "%s is in another pool", rsm_medium_words(&medium));
	r = rsm_catalog_number(catalog, ret_side, err,
			       "SELECT o.id FROM side s JOIN side o ON o.medium = s.medium AND "
			       "o.id <> s.id WHERE s.id = ?1 AND o.state = 9",
			       "i", of);
	if (r == RSM_SQLITE_DONE)
		r = rsm_err_set(err, ENOSPC, "%s: no side of it is reserved", medium.name);
	return r;
}

int rsm_side_taken_locked(struct rsm_catalog *catalog, int64_t of, struct rsm_err *err)
{
	return rsm_catalog_run(catalog, err,
			       "UPDATE side SET label_work = 2 WHERE id = ?1 AND label_work = 0",
			       "i", of);
}

int rsm_side_release_locked(struct rsm_catalog *catalog, int64_t id, bool *ret_stays,
			    struct rsm_err *err)
{
	int64_t others = 0;
	int r = rsm_catalog_run(catalog, err, "DELETE FROM setting WHERE key = 'reserves ' || ?1",
				"i", id);

	if (r == 0)
		r = rsm_catalog_run(
			catalog, err,
			"UPDATE side SET state = CASE label_type WHEN 'RSMFS FREE' THEN 4 "
			"ELSE 1 END WHERE medium = (SELECT medium FROM side WHERE id = ?1) "
			"AND id <> ?1 AND state = 9",
			"i", id);

	if (r == 0)
		r = rsm_catalog_number(catalog, &others, err,
				       "SELECT count(*) FROM side WHERE medium = (SELECT medium "
				       "FROM side WHERE id = ?1) AND id <> ?1 AND state NOT IN (1, "
				       "3, 4)",
				       "i", id);
	if (r == 0)
		*ret_stays = others > 0;
	return r;
}

int rsm_side_keeps_pool_locked(struct rsm_catalog *catalog, int64_t id, bool to_free,
			       bool *ret_keeps, struct rsm_err *err)
{
	int64_t count = 0;
	int r = rsm_catalog_number(catalog, &count, err,
				   "SELECT count(*) FROM side s JOIN side o ON o.medium = s.medium "
				   "AND o.id <> s.id WHERE s.id = ?1 AND (o.state IN (5, 6, 9) OR "
				   "(?2 AND o.state NOT IN (1, 3, 4)))",
				   "id", id, (int)to_free);

	if (r == 0)
		*ret_keeps = count > 0;
	return r;
}

int rsm_side_check_other_locked(struct rsm_catalog *catalog, const struct rsm_medium *medium,
				struct rsm_err *err)
{
	int64_t taken;
	int r = rsm_catalog_number(catalog, &taken, err,
				   "SELECT 1 FROM side s JOIN side o ON o.medium = s.medium AND "
				   "o.id <> s.id WHERE s.id = ?1 AND o.state IN (5, 6, 9)",
				   "i", medium->id);

	if (r == RSM_SQLITE_DONE)
		return 0;
	return r < 0 ? r
		     : rsm_err_set(err, EBUSY, "the other side of %s is allocated",
				   rsm_medium_words(medium));
}

int rsm_side_move_other_locked(struct rsm_catalog *catalog, int64_t id, int64_t pool,
			       struct rsm_err *err)
{
	int64_t taken;
	int r = rsm_catalog_number(
		catalog, &taken, err,
		"SELECT 1 FROM side s JOIN side o ON o.medium = s.medium AND o.id <> s.id JOIN "
		"logical_medium l ON l.id = o.logical JOIN logical_medium t ON t.pool = ?2 AND "
		"(t.name = l.name OR t.nfc = l.nfc) AND t.id <> l.id WHERE s.id = ?1",
		"ii", id, pool);

	if (r == 0)
		return rsm_err_set(err, EEXIST, "the name of its other side is taken there");
	if (r < 0)
		return r;
	r = rsm_catalog_run(catalog, err,
			    "UPDATE logical_medium SET pool = ?2 WHERE id IN (SELECT o.logical "
			    "FROM side s JOIN side o ON o.medium = s.medium AND o.id <> s.id WHERE "
			    "s.id = ?1 AND o.logical IS NOT NULL)",
			    "ii", id, pool);
	return r < 0 ? r
		     : rsm_catalog_run(
			       catalog, err,
			       "UPDATE side SET label_work = 2 WHERE medium = (SELECT "
			       "medium FROM side WHERE id = ?1) AND id <> ?1 AND logical IS "
			       "NOT NULL AND label_work = 0",
			       "i", id);
}
