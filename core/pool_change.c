/* Attributes of a pool (declared in pool.h). */
#include <string.h>

#include "core/catalog_private.h"

static int update_locked(struct rsm_catalog *catalog, const struct rsm_pool *pool,
			 struct rsm_err *err)
{
	const char *media_type = pool->holds == RSM_POOL_HOLDS_POOLS ? "" : pool->media_type;
	struct rsm_pool old;
	int r;

	r = rsm_pool_need_application_locked(catalog, pool->id, &old, err);
	if (r < 0)
		return r;
	if (pool->holds != RSM_POOL_HOLDS_MEDIA && pool->holds != RSM_POOL_HOLDS_POOLS)
		return rsm_err_set(err, EINVAL, "%s: a pool holds media or pools", old.name);
	if ((pool->holds != old.holds || strcmp(media_type, old.media_type) != 0) &&
	    (old.media || old.sub_pools))
		return rsm_err_set(err, ENOTEMPTY,
				   "%s is not empty: what it holds cannot be changed", old.name);
	r = strcmp(media_type, old.media_type) ? rsm_pool_check_type(media_type, err) : 0;
	if (r < 0)
		return r;
	return rsm_catalog_run(
		catalog, err,
		"UPDATE pool SET holds = ?2, media_type = ?3, draw_from_free = ?4, return_to_free "
		"= ?5, allocation_limit = ?6, max_allocations = ?7, mode = ?8, owner = ?9, "
		"\"group\" = ?10, created = ?11, modified = ?12, changed = ?13 WHERE id = ?1",
		"idsdduuuuuttt", pool->id, (int)pool->holds, media_type, (int)pool->draw_from_free,
		(int)pool->return_to_free, pool->allocation_limit, pool->max_allocations,
		pool->mode & 07777, pool->owner, pool->group, &pool->created, &pool->modified,
		&pool->changed);
}

int rsm_pool_update(struct rsm_catalog *catalog, const struct rsm_pool *pool, struct rsm_err *err)
{
	int r;

	{
		RSM_LOCK_SCOPE(&catalog->lock);
		r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);
		if (r < 0)
			return r;
		r = update_locked(catalog, pool, err);
		r = rsm_catalog_end_locked(catalog, r, err);
	}
	if (r == 0)
		rsm_pool_tell(catalog, "setpool", pool->id, NULL);
	return r;
}

/* ---- one of them ---- */

static void take(struct rsm_pool *row, const struct rsm_pool *wanted, unsigned what)
{
	if (what & RSM_POOL_SET_HOLDS)
		row->holds = wanted->holds;
	if (what & RSM_POOL_SET_TYPE)
		rsm_catalog_copy(row->media_type, sizeof row->media_type, wanted->media_type);
	if (what & RSM_POOL_SET_DRAW)
		row->draw_from_free = wanted->draw_from_free;
	if (what & RSM_POOL_SET_RETURN)
		row->return_to_free = wanted->return_to_free;
	if (what & RSM_POOL_SET_LIMIT)
		row->allocation_limit = wanted->allocation_limit;
	if (what & RSM_POOL_SET_MAX)
		row->max_allocations = wanted->max_allocations;
	if (what & RSM_POOL_SET_MODE)
		row->mode = wanted->mode;
	if (what & RSM_POOL_SET_OWNER)
		row->owner = wanted->owner;
	if (what & RSM_POOL_SET_GROUP)
		row->group = wanted->group;
	if (what & RSM_POOL_SET_MODIFIED)
		row->modified = wanted->modified;
}

int rsm_pool_change(struct rsm_catalog *catalog, struct rsm_pool *pool, unsigned what,
		    struct rsm_err *err)
{
	struct rsm_pool row;
	int r;

	{
		RSM_LOCK_SCOPE(&catalog->lock);
		r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);
		if (r < 0)
			return r;
		r = rsm_pool_need_locked(catalog, pool->id, &row, err);
		if (r == 0) {
			take(&row, pool, what);
			rsm_catalog_now(catalog, &row.changed);
			r = update_locked(catalog, &row, err);
		}
		r = rsm_catalog_end_locked(catalog, r, err);
	}
	if (r < 0)
		return r;
	*pool = row;
	rsm_pool_tell(catalog, "setpool", pool->id, NULL);
	return 0;
}
