/* A barcode, or a place, has been believed, and the label says otherwise (rsm-model.md 5 and 15:
 * the old record goes off-line, what was found is identified afresh).
 *
 * All of it is one transaction: a crash leaves either the old belief, which the next load will find
 * wrong again, or a medium that nobody has looked at, which is looked at.
 */
#include <stdio.h>

#include "core/catalog_private.h"
#include "core/identification.h"

static int insert_medium(struct rsm_catalog *catalog, const struct rsm_medium *at,
			 int64_t *ret_medium, struct rsm_err *err)
{
	char guid[RSM_GUID_SIZE];
	struct timespec now;
	int r;

	rsm_catalog_new_guid(guid);
	rsm_catalog_now(catalog, &now);
	r = rsm_catalog_run(catalog, err,
			    "INSERT INTO medium (guid, barcode, media_type, library, location, "
			    "element, home_slot, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			    "sssiduut", guid, at->barcode, at->media_type, at->library,
			    (int)at->location, at->element, at->home_slot, &now);
	*ret_medium = sqlite3_last_insert_rowid(catalog->db);
	return r;
}

static int insert_side(struct rsm_catalog *catalog, int64_t medium, const char *barcode,
		       int64_t pool, int64_t *ret_side, struct rsm_err *err)
{
	char guid[RSM_GUID_SIZE], number[24], shown[RSM_NAME_SIZE];
	int r;

	rsm_catalog_new_guid(guid);
	r = rsm_catalog_run(catalog, err,
			    "INSERT INTO side (guid, medium, shown, pool, state) VALUES (?1, ?2, "
			    "?1, ?3, 0)",
			    "sii", guid, medium, pool);
	if (r < 0)
		return r;
	*ret_side = sqlite3_last_insert_rowid(catalog->db);
	snprintf(number, sizeof number, "%lld", (long long)*ret_side);
	r = rsm_medium_free_shown_locked(catalog, barcode[0] ? barcode : number, shown, err);
	return r < 0 ? r
		     : rsm_catalog_run(catalog, err, "UPDATE side SET shown = ?2 WHERE id = ?1",
				       "is", *ret_side, shown);
}

static int displace_locked(struct rsm_catalog *catalog, int64_t id, uint32_t drive,
			   const char *found, struct rsm_medium *ret_medium, struct rsm_err *err)
{
	char health[RSM_NAME_SIZE];
	struct rsm_medium was;
	struct rsm_pool pool;
	int64_t medium = 0, side = 0, other = 0, has_other = 0;
	int r = rsm_medium_need_locked(catalog, id, &was, err);

	if (r == 0 && (was.location != RSM_AT_DRIVE || was.element != drive))
		return RSM_MEDIUM_ABSENT;
	if (r == 0)
		r = rsm_pool_system_locked(catalog, RSM_POOL_FOREIGN, was.media_type, &pool, err);
	if (r == 0)
		r = rsm_catalog_number(catalog, &has_other, err,
				       "SELECT count(*) FROM side WHERE medium = ?1 AND id <> ?2",
				       "ii", was.physical, id);
	if (r == 0)
		r = rsm_medium_set_place_locked(catalog, id, 0, RSM_AT_OFFLINE, 0, err);
	if (r < 0)
		return r;
	snprintf(health, sizeof health, RSM_HEALTH_DISPLACED ": %.180s", found);
	r = rsm_catalog_run(catalog, err, "UPDATE side SET health = ?2 WHERE id = ?1", "is", id,
			    health);
	if (r == 0)
		r = insert_medium(catalog, &was, &medium, err);
	if (r == 0)
		r = insert_side(catalog, medium, was.barcode, pool.id, &side, err);
	if (r == 0 && has_other)
		r = rsm_side_make_second_locked(catalog, side, &other, err);
	if (r == 0 && other && was.side == 1) { /* it lies as that one was put in */
		side = other;
		r = rsm_side_note_place_locked(catalog, side, was.location, err);
	}
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, pool.id, err);
	return r < 0 ? r : rsm_medium_need_locked(catalog, side, ret_medium, err);
}

int rsm_identification_displace(struct rsm_catalog *catalog, int64_t id, uint32_t drive,
				const char *found, struct rsm_medium *ret_medium,
				struct rsm_err *err)
{
	int r;

	RSM_LOCK_SCOPE(&catalog->lock);
	r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);
	if (r < 0)
		return r;
	r = displace_locked(catalog, id, drive, found, ret_medium, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_identification_find_copy(struct rsm_catalog *catalog, const char *volume_uuid,
				 int64_t *ret_id, struct rsm_err *err)
{
	int r;

	RSM_LOCK_SCOPE(&catalog->lock);
	r = rsm_catalog_number(catalog, ret_id, err,
			       "SELECT s.id FROM side s INDEXED BY side_copy JOIN medium m ON m.id "
			       "= s.medium WHERE s.volume_uuid = ?1 AND s.duplicate = 1 AND "
			       "m.location <> 0 ORDER BY s.id LIMIT 1",
			       "s", volume_uuid);
	return r == RSM_SQLITE_DONE ? RSM_MEDIUM_ABSENT : r;
}
