/* Pools of a backup: those that are not here are made, those that are become what they were. */
#include "core/catalog_import_private.h"

#include <string.h>
#include <uuid/uuid.h>

#include "changer/hardware.h"
#include "core/copy_private.h"

int64_t rsm_import_ours(const struct rsm_importing *it, int64_t theirs)
{
	for (size_t i = 0; i < it->pair_count; i++)
		if (it->pairs[i].theirs == theirs)
			return it->pairs[i].ours;
	return 0;
}

static int add_pair(struct rsm_importing *it, int64_t theirs, int64_t our, struct rsm_err *err)
{
	if (it->pair_count == it->pair_room) {
		size_t room = it->pair_room ? it->pair_room * 2 : 64;
		struct rsm_import_pair *pairs = reallocarray(it->pairs, room, sizeof *pairs);

		if (!pairs)
			return rsm_err_oom(err);
		it->pairs = pairs;
		it->pair_room = room;
	}
	it->pairs[it->pair_count++] = (struct rsm_import_pair){ theirs, our };
	return 0;
}

bool rsm_import_is_guid(const char *text)
{
	uuid_t uuid;

	return uuid_parse(text, uuid) == 0;
}

static int read_pool(const struct rsm_importing *it, struct rsm_pool *pool, struct rsm_err *err)
{
	sqlite3_stmt *row = it->pools;
	RSM_FREE char *nfc = NULL;
	int64_t mode = sqlite3_column_int64(row, 10);

	memset(pool, 0, sizeof *pool);
	pool->id = sqlite3_column_int64(row, 0);
	pool->parent = sqlite3_column_int64(row, 1);
	rsm_catalog_column_text(row, 2, pool->guid, sizeof pool->guid);
	rsm_catalog_column_text(row, 3, pool->name, sizeof pool->name);
	pool->holds = sqlite3_column_int(row, 4) == RSM_POOL_HOLDS_POOLS ? RSM_POOL_HOLDS_POOLS
									 : RSM_POOL_HOLDS_MEDIA;
	if (pool->holds == RSM_POOL_HOLDS_MEDIA)
		rsm_catalog_column_text(row, 5, pool->media_type, sizeof pool->media_type);
	pool->draw_from_free = sqlite3_column_int(row, 6) != 0;
	pool->return_to_free = sqlite3_column_int(row, 7) != 0;
	pool->allocation_limit = (uint32_t)sqlite3_column_int64(row, 8);
	pool->max_allocations = (uint32_t)sqlite3_column_int64(row, 9);
	pool->mode = (uint32_t)mode;
	pool->owner = (uint32_t)sqlite3_column_int64(row, 11);
	pool->group = (uint32_t)sqlite3_column_int64(row, 12);
	pool->created = rsm_catalog_column_time(row, 13);
	pool->modified = rsm_catalog_column_time(row, 14);
	pool->changed = rsm_catalog_column_time(row, 15);
	if (pool->id <= 0 || mode < 0 || mode > 07777 || !rsm_import_is_guid(pool->guid) ||
	    rsm_pool_check_name(pool->name, &nfc, NULL) < 0 ||
	    (pool->media_type[0] && !rsm_media_type_is_known(pool->media_type)))
		return rsm_import_damaged("it has a pool that cannot be", err);
	return 0;
}

/* What was stored with an object, unless there is something of that name already. */
int rsm_import_xattrs(struct rsm_importing *it, const char *kind, int64_t theirs, int64_t our,
		      struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *row = it->xattrs;
	int r;

	sqlite3_bind_text(row, 1, kind, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 2, theirs);
	while ((r = rsm_sqlite_step(row, err)) == 0) {
		const void *value = sqlite3_column_blob(row, 1);
		const char *key = (const char *)sqlite3_column_text(row, 0);
		size_t length = (size_t)sqlite3_column_bytes(row, 1);

		if (!key || strlen(key) > 255 || length > 65536 ||
		    (strncmp(key, "user.", 5) != 0 && strncmp(key, "system.posix_acl_", 17) != 0))
			continue;
		r = rsm_catalog_run(it->catalog, err,
				    "INSERT INTO xattr (kind, object, key, value) VALUES (?1, ?2, "
				    "?3, ?4) ON CONFLICT DO NOTHING",
				    "sisb", kind, our, key, value, length);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int copy_copies(struct rsm_importing *it, int64_t theirs, int64_t our, struct rsm_err *err)
{
	int64_t copies = 0;

	if (!it->copies)
		return 0;
	{
		RSM_SQLITE_RESET sqlite3_stmt *row = it->copies;
		int r;

		sqlite3_bind_int64(row, 1, theirs);
		r = rsm_sqlite_step(row, err);
		if (r != 0)
			return r < 0 ? r : 0;
		copies = sqlite3_column_int64(row, 0);
	}
	if (copies < 1 || copies > RSM_COPIES_MOST)
		return 0;
	return rsm_catalog_run(it->catalog, err,
			       "INSERT INTO pool_copies (pool, copies) VALUES (?1, ?2) ON CONFLICT "
			       "DO NOTHING",
			       "ii", our, copies);
}

/* The pool was made again since the backup: it is to be what it was. */
static int change_pool(struct rsm_importing *it, const struct rsm_pool *pool,
		       struct rsm_pool *found, struct rsm_err *err)
{
	int r;

	if (strcmp(pool->guid, found->guid) == 0)
		return 0;
	r = rsm_catalog_run(it->catalog, err,
			    "UPDATE pool SET guid = CASE WHEN EXISTS (SELECT 1 FROM pool WHERE "
			    "guid = ?2) THEN guid ELSE ?2 END, draw_from_free = ?3, return_to_free "
			    "= ?4, allocation_limit = ?5, max_allocations = ?6, mode = ?7, owner = "
			    "?8, \"group\" = ?9, created = ?10 WHERE id = ?1",
			    "isdduuuuut", found->id, pool->guid, (int)pool->draw_from_free,
			    (int)pool->return_to_free, pool->allocation_limit,
			    pool->max_allocations, pool->mode, pool->owner, pool->group,
			    &pool->created);
	if (r == 0 && found->holds == RSM_POOL_HOLDS_MEDIA && !found->media_type[0] &&
	    pool->media_type[0])
		r = rsm_pool_take_type_locked(it->catalog, found, pool->media_type, err);
	if (r == 0)
		r = rsm_import_xattrs(it, "p", pool->id, found->id, err);
	if (r == 0)
		r = copy_copies(it, pool->id, found->id, err);
	it->import->pools_changed += r == 0;
	return r;
}

static int make_pool(struct rsm_importing *it, const struct rsm_pool *pool, int64_t parent,
		     int64_t *ret_id, struct rsm_err *err)
{
	struct rsm_pool made = *pool;
	int r;

	made.parent = parent;
	r = rsm_pool_create_locked(it->catalog, &made, err);
	if (r == -EEXIST || r == -EPERM || r == -EINVAL) {
		*ret_id = 0; /* another spelling of the name, or its parent holds media here */
		return 0;
	}
	if (r == 0)
		r = rsm_catalog_run(it->catalog, err,
				    "UPDATE pool SET guid = CASE WHEN EXISTS (SELECT 1 FROM pool "
				    "WHERE guid = ?2) THEN guid ELSE ?2 END, created = ?3, "
				    "modified = ?4, changed = ?5 WHERE id = ?1",
				    "isttt", made.id, pool->guid, &pool->created, &pool->modified,
				    &pool->changed);
	if (r == 0)
		r = rsm_import_xattrs(it, "p", pool->id, made.id, err);
	if (r == 0)
		r = copy_copies(it, pool->id, made.id, err);
	it->import->pools_made += r == 0;
	*ret_id = made.id;
	return r;
}

static int take_pool(struct rsm_importing *it, const struct rsm_pool *pool, struct rsm_err *err)
{
	int64_t parent = pool->parent ? rsm_import_ours(it, pool->parent) : RSM_POOL_TOP, id = 0;
	struct rsm_pool found;
	int r = 0;

	if (parent == 0 && pool->parent)
		return add_pair(it, pool->id, 0, err);
	if (strcmp(pool->guid, RSM_COPY_POOL_GUID) == 0) {
		r = rsm_copy_top_locked(it->catalog, pool->owner, &id, err);
		return r < 0 ? r : add_pair(it, pool->id, id, err);
	}
	r = rsm_pool_find_locked(it->catalog, parent, pool->name, &found, err);
	if (r == RSM_POOL_ABSENT) {
		r = make_pool(it, pool, parent, &id, err);
	} else if (r == 0 && found.kind == RSM_POOL_APPLICATION && found.holds == pool->holds) {
		id = found.id;
		r = change_pool(it, pool, &found, err);
	}
	return r < 0 ? r : add_pair(it, pool->id, id, err);
}

int rsm_import_each_pool(struct rsm_importing *it, bool take, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *row = it->pools;
	struct rsm_pool pool;
	int r;

	while ((r = rsm_sqlite_step(row, err)) == 0) {
		r = read_pool(it, &pool, err);
		if (r == 0 && take)
			r = take_pool(it, &pool, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}
