/* Pools made again by the paths that media bear. */
#include <stdio.h>
#include <string.h>

#include "core/catalog_private.h"

/* Can this pool be a step of a path whose last step holds media of the type? */
static bool can_serve(const struct rsm_pool *pool, bool last, const char *media_type)
{
	if (pool->kind != RSM_POOL_APPLICATION)
		return false;
	if (!last)
		return pool->holds == RSM_POOL_HOLDS_POOLS;
	return pool->holds == RSM_POOL_HOLDS_MEDIA &&
	       (pool->media_type[0] == '\0' || strcmp(pool->media_type, media_type) == 0);
}

/* Finds or makes one step: `name`, or "name~2" ... where another kind of pool is in the way. */
static int restore_step(struct rsm_catalog *catalog, const char *name, bool last,
			const char *media_type, struct rsm_pool *pool, struct rsm_err *err)
{
	struct rsm_pool next;
	int r;

	for (int attempt = 1; attempt < 100; attempt++) {
		char tried[RSM_NAME_SIZE];

		if (attempt == 1) {
			rsm_catalog_copy(tried, sizeof tried, name);
		} else {
			rsm_catalog_copy(tried, sizeof tried - 3, name);
			sprintf(tried + strlen(tried), "~%d", attempt);
		}
		r = rsm_pool_find_locked(catalog, pool->id, tried, &next, err);
		if (r < 0)
			return r;
		if (r == 0 && !can_serve(&next, last, media_type))
			continue;
		if (r == RSM_POOL_ABSENT) {
			next = (struct rsm_pool){ .parent = pool->id,
						  .holds = last ? RSM_POOL_HOLDS_MEDIA
								: RSM_POOL_HOLDS_POOLS,
						  .draw_from_free = last,
						  .return_to_free = last,
						  .mode = 0755,
						  .owner = pool->owner,
						  .group = pool->group };
			rsm_catalog_copy(next.name, sizeof next.name, tried);
			if (last)
				rsm_catalog_copy(next.media_type, sizeof next.media_type,
						 media_type);
			r = rsm_pool_create_locked(catalog, &next, err);
			if (r == -EEXIST) /* another spelling of the name */
				continue;
			if (r < 0)
				return r;
		}
		*pool = next;
		return last ? rsm_pool_take_type_locked(catalog, pool, media_type, err) : 0;
	}
	return rsm_err_set(err, EINVAL, "%s: other pools are in the way", name);
}

int rsm_pool_restore_locked(struct rsm_catalog *catalog, const char *path, const char *media_type,
			    uint32_t owner, uint32_t group, struct rsm_pool *ret_pool,
			    struct rsm_err *err)
{
	enum { DEPTH_MAX = 64 };
	struct rsm_pool pool = { .id = RSM_POOL_TOP };
	char name[RSM_NAME_SIZE], next[RSM_NAME_SIZE];
	const char *rest = path;
	int r, following;

	/* the names come from a medium: all of them must be good before anything is made */
	for (int depth = 0; (r = rsm_pool_next_component(&rest, name, err)) == 0; depth++) {
		RSM_FREE char *nfc = NULL;

		r = rsm_pool_check_name(name, &nfc, err);
		if (r < 0 || depth >= DEPTH_MAX)
			return rsm_err_set(err, EINVAL, "no path of a pool");
	}
	if (r < 0)
		return rsm_err_set(err, EINVAL, "no path of a pool");
	following = rsm_pool_next_component(&path, name, err);
	if (following != 0)
		return rsm_err_set(err, EINVAL, "no path of a pool");
	do {
		following = rsm_pool_next_component(&path, next, err);
		pool.owner = owner;
		pool.group = group;
		r = restore_step(catalog, name, following != 0, media_type, &pool, err);
		rsm_catalog_copy(name, sizeof name, next);
	} while (r == 0 && following == 0);
	if (r == 0)
		*ret_pool = pool;
	return r;
}
