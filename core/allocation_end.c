/* The ends of a medium's way: it is freed for others, or forgotten (declared in allocation.h). */
#include "core/allocation.h"

#include "changer/media_type.h"
#include "core/catalog_private.h"

/* ---- rsm free ---- */

/* The cartridge is freed, so its other side is as well; but one that was given up for good. */
#define ITS_SIDES "medium = (SELECT medium FROM side WHERE id = ?1) AND (id = ?1 OR state <> 3)"

/* Until that is done. */
static int note_erase(struct rsm_catalog *catalog, int64_t id, bool erase, struct rsm_err *err)
{
	if (erase)
		return rsm_catalog_run(catalog, err,
				       "INSERT OR REPLACE INTO setting (key, value) SELECT 'erase "
				       "' || id, '1' FROM side WHERE " ITS_SIDES,
				       "i", id);
	return rsm_catalog_run(catalog, err,
			       "DELETE FROM setting WHERE key IN (SELECT 'erase ' || id FROM side "
			       "WHERE " ITS_SIDES ")",
			       "i", id);
}

#define IS_TO_BE_FREE                                                                              \
	"state = 1, label_work = 3, old_uuid = CASE volume_uuid WHEN '' THEN old_uuid ELSE "       \
	"volume_uuid END, volume_uuid = '', restorable = 0, duplicate = 0 "

static int free_locked(struct rsm_catalog *catalog, int64_t id, unsigned flags, struct rsm_err *err)
{
	struct rsm_medium medium;
	struct rsm_pool pool;
	int r = rsm_medium_need_locked(catalog, id, &medium, err);

	if (r < 0)
		return r;
	if (medium.cleaner)
		return rsm_err_set(err, EPERM, "%s is a cleaning cartridge",
				   rsm_medium_words(&medium));
	if (rsm_medium_is_taken(&medium))
		return rsm_err_set(err, EBUSY, "%s is allocated: deallocate it first",
				   rsm_medium_words(&medium));
	r = rsm_side_check_other_locked(catalog, &medium, err);
	if (r < 0)
		return r;
	if (medium.state == RSM_MEDIUM_DECOMMISSIONED && !(flags & RSM_FREEING_REVIVES))
		return rsm_err_set(err, EPERM, "%s is decommissioned", rsm_medium_words(&medium));
	if (medium.state == RSM_MEDIUM_INCOMPATIBLE)
		return rsm_err_set(err, EMEDIUMTYPE, "%s cannot be written by any drive here",
				   rsm_medium_words(&medium));
	if (rsm_media_type_is_worm(medium.media_type))
		return rsm_err_set(err, EROFS,
				   "%s is written once (%s): no free label can be written to it",
				   rsm_medium_words(&medium), medium.media_type);
	if ((flags & RSM_FREEING_ERASES) && medium.location == RSM_AT_OFFLINE)
		return rsm_err_set(err, ENOMEDIUM, "%s is not in the library",
				   rsm_medium_words(&medium));
	r = note_erase(catalog, id, flags & RSM_FREEING_ERASES, err);
	if (r == 0)
		r = rsm_pool_system_locked(catalog, RSM_POOL_SCRATCH, medium.media_type, &pool,
					   err);
	/* its volume stays known until the label is written: it may be seen once more before. The
	 * other side first: a pool of free ones takes both at one time, and as such. */
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE side SET " IS_TO_BE_FREE
				    "WHERE medium = (SELECT medium FROM side WHERE id = ?1) AND id "
				    "<> ?1 AND state <> 3",
				    "i", id);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE side SET pool = ?2, " IS_TO_BE_FREE "WHERE id = ?1",
				    "ii", id, pool.id);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, medium.pool, err);
	return r < 0 ? r : rsm_pool_touch_locked(catalog, pool.id, err);
}

int rsm_medium_free_with(struct rsm_catalog *catalog, int64_t medium, unsigned flags,
			 struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = free_locked(catalog, medium, flags, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_medium_free(struct rsm_catalog *catalog, int64_t medium, struct rsm_err *err)
{
	return rsm_medium_free_with(catalog, medium, 0, err);
}

int rsm_medium_is_to_be_erased(struct rsm_catalog *catalog, int64_t medium, bool *ret_is,
			       struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int64_t any;
	int r = rsm_catalog_number(catalog, &any, err,
				   "SELECT 1 FROM setting WHERE key = 'erase ' || ?1", "i", medium);

	if (r >= 0)
		*ret_is = r == 0;
	return r < 0 ? r : 0;
}

int rsm_medium_note_erased(struct rsm_catalog *catalog, int64_t medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	/* this side */
	return rsm_catalog_run(catalog, err, "DELETE FROM setting WHERE key = 'erase ' || ?1", "i",
			       medium);
}

/* ---- rsm forget ---- */

static int forget_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_medium *medium,
			 struct rsm_err *err)
{
	int64_t taken;
	int r = rsm_medium_need_locked(catalog, id, medium, err);

	if (r < 0)
		return r;
	if (medium->location != RSM_AT_OFFLINE)
		return rsm_err_set(err, EBUSY, "%s is in the library", rsm_medium_words(medium));
	/* also of another side of it */
	r = rsm_catalog_number(catalog, &taken, err,
			       "SELECT 1 FROM side s JOIN side o ON o.medium = s.medium WHERE s.id "
			       "= ?1 AND o.state IN (5, 6, 9)",
			       "i", id);
	if (r < 0)
		return r;
	if (r == 0)
		return rsm_err_set(err, EBUSY, "%s is allocated", rsm_medium_words(medium));
	r = rsm_catalog_run(catalog, err,
			    "DELETE FROM setting WHERE EXISTS (SELECT 1 FROM side WHERE medium = "
			    "?1 AND (key IN ('ejected ' || id, 'erase ' || id) OR key GLOB "
			    "'labelling ' || id || ' *'))",
			    "i", medium->physical);
	/* nothing was written when it was deallocated: what its volume says of an owner is over,
	 * and nobody but this row knows that */
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "INSERT OR REPLACE INTO setting (key, value) SELECT "
				    "'forgotten ' || uuid, '1' FROM (SELECT volume_uuid AS uuid "
				    "FROM side WHERE medium = ?1 UNION SELECT old_uuid FROM side "
				    "WHERE medium = ?1) WHERE uuid <> ''",
				    "i", medium->physical);
	if (r == 0)
		r = rsm_medium_delete_locked(catalog, id, err);
	return r < 0 || !medium->pool ? r : rsm_pool_touch_locked(catalog, medium->pool, err);
}

int rsm_medium_forget(struct rsm_catalog *catalog, int64_t id, struct rsm_medium *ret_medium,
		      struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_medium medium;
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = forget_locked(catalog, id, &medium, err);
	r = rsm_catalog_end_locked(catalog, r, err);
	if (r == 0)
		*ret_medium = medium;
	return r;
}
