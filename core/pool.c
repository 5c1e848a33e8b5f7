#include "core/pool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "changer/hardware.h"
#include "changer/hardware.h"
#include "core/catalog_private.h"
#include "core/copy.h"
#include "core/ltfs/name.h"

#define POOL_COLUMNS                                                                               \
	"id, ifnull(parent, 0), guid, name, kind, holds, media_type, draw_from_free, "             \
	"return_to_free, allocation_limit, max_allocations, mode, owner, \"group\", created, "     \
	"modified, changed, sub_pools, media, allocated"

static void read_pool(sqlite3_stmt *row, struct rsm_pool *ret_pool)
{
	memset(ret_pool, 0, sizeof *ret_pool);
	ret_pool->id = sqlite3_column_int64(row, 0);
	ret_pool->parent = sqlite3_column_int64(row, 1);
	rsm_catalog_column_text(row, 2, ret_pool->guid, sizeof ret_pool->guid);
	rsm_catalog_column_text(row, 3, ret_pool->name, sizeof ret_pool->name);
	ret_pool->kind = (enum rsm_pool_kind)sqlite3_column_int(row, 4);
	ret_pool->holds = (enum rsm_pool_holds)sqlite3_column_int(row, 5);
	rsm_catalog_column_text(row, 6, ret_pool->media_type, sizeof ret_pool->media_type);
	ret_pool->draw_from_free = sqlite3_column_int(row, 7);
	ret_pool->return_to_free = sqlite3_column_int(row, 8);
	ret_pool->allocation_limit = (uint32_t)sqlite3_column_int64(row, 9);
	ret_pool->max_allocations = (uint32_t)sqlite3_column_int64(row, 10);
	ret_pool->mode = (uint32_t)sqlite3_column_int64(row, 11);
	ret_pool->owner = (uint32_t)sqlite3_column_int64(row, 12);
	ret_pool->group = (uint32_t)sqlite3_column_int64(row, 13);
	ret_pool->created = rsm_catalog_column_time(row, 14);
	ret_pool->modified = rsm_catalog_column_time(row, 15);
	ret_pool->changed = rsm_catalog_column_time(row, 16);
	ret_pool->sub_pools = (uint32_t)sqlite3_column_int64(row, 17);
	ret_pool->media = (uint32_t)sqlite3_column_int64(row, 18);
	ret_pool->allocated = (uint32_t)sqlite3_column_int64(row, 19);
}

static int step_pool(sqlite3_stmt *statement, struct rsm_pool *ret_pool, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	int r = rsm_sqlite_step(row, err);

	if (r == RSM_SQLITE_DONE)
		return RSM_POOL_ABSENT;
	if (r == 0)
		read_pool(row, ret_pool);
	return r;
}

/* ---- looking ---- */

int rsm_pool_get_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_pool *ret_pool,
			struct rsm_err *err)
{
	sqlite3_stmt *row;
	int r = rsm_catalog_query(catalog, &row, err,
				  "SELECT " POOL_COLUMNS " FROM pool WHERE id = ?1", "i", id);

	return r < 0 ? r : step_pool(row, ret_pool, err);
}

int rsm_pool_need_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_pool *ret_pool,
			 struct rsm_err *err)
{
	int r = rsm_pool_get_locked(catalog, id, ret_pool, err);

	return r == RSM_POOL_ABSENT ? rsm_err_set(err, ENOENT, "the pool is gone") : r;
}

int rsm_pool_find_locked(struct rsm_catalog *catalog, int64_t parent, const char *name,
			 struct rsm_pool *ret_pool, struct rsm_err *err)
{
	sqlite3_stmt *row;
	int r = rsm_catalog_query(catalog, &row, err,
				  "SELECT " POOL_COLUMNS
				  " FROM pool WHERE ifnull(parent, 0) = ?1 AND name = ?2 AND guid "
				  "<> '" RSM_COPY_POOL_GUID "'",
				  "is", parent, name);

	return r < 0 ? r : step_pool(row, ret_pool, err);
}

int rsm_pool_get(struct rsm_catalog *catalog, int64_t id, struct rsm_pool *ret_pool,
		 struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_pool_get_locked(catalog, id, ret_pool, err);
}

int rsm_pool_find(struct rsm_catalog *catalog, int64_t parent, const char *name,
		  struct rsm_pool *ret_pool, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_pool_find_locked(catalog, parent, name, ret_pool, err);
}

int rsm_pool_next_component(const char **path, char ret_name[RSM_NAME_SIZE], struct rsm_err *err)
{
	size_t length;

	*path += strspn(*path, "/");
	length = strcspn(*path, "/");
	if (length == 0)
		return 1;
	if (length >= RSM_NAME_SIZE)
		return rsm_err_set(err, ENAMETOOLONG, "a name in it is too long");
	memcpy(ret_name, *path, length);
	ret_name[length] = '\0';
	*path += length;
	return 0;
}

int rsm_pool_find_path(struct rsm_catalog *catalog, const char *path, struct rsm_pool *ret_pool,
		       struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_pool pool = { .id = RSM_POOL_TOP };
	char name[RSM_NAME_SIZE];
	int r;

	while ((r = rsm_pool_next_component(&path, name, err)) == 0) {
		r = rsm_pool_find_locked(catalog, pool.id, name, &pool, err);
		if (r != 0)
			return r;
	}
	if (r == -ENAMETOOLONG || pool.id == RSM_POOL_TOP)
		return RSM_POOL_ABSENT; /* no pool has such a name */
	*ret_pool = pool;
	return 0;
}

int rsm_pool_path_locked(struct rsm_catalog *catalog, int64_t id, char **ret_path,
			 struct rsm_err *err)
{
	RSM_TEXT struct rsm_text text = { 0 };
	sqlite3_stmt *statement;
	int r;

	r = rsm_catalog_query(catalog, &statement, err,
			      "WITH RECURSIVE up (name, parent, level) AS ("
			      "SELECT name, parent, 0 FROM pool WHERE id = ?1 UNION ALL "
			      "SELECT p.name, p.parent, level + 1 FROM up JOIN pool p ON "
			      "p.id = up.parent) SELECT name FROM up ORDER BY level DESC",
			      "i", id);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	while ((r = rsm_sqlite_step(row, err)) == 0) {
		if (text.length)
			rsm_text_add(&text, "/");
		rsm_text_add(&text, (const char *)sqlite3_column_text(row, 0));
	}
	if (r < 0)
		return r;
	if (text.length == 0 && id != RSM_POOL_TOP)
		return RSM_POOL_ABSENT;
	rsm_text_add(&text, "");
	return rsm_text_take(&text, ret_path, err);
}

int rsm_pool_path(struct rsm_catalog *catalog, int64_t id, char **ret_path, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_pool_path_locked(catalog, id, ret_path, err);
}

int rsm_pool_list(struct rsm_catalog *catalog, int64_t parent, const char *after,
		  rsm_pool_each *each, void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *statement;
	struct rsm_pool pool;
	int r;

	r = rsm_catalog_query(catalog, &statement, err,
			      "SELECT " POOL_COLUMNS
			      " FROM pool WHERE ifnull(parent, 0) = ?1 AND name > ?2 AND guid <> "
			      "'" RSM_COPY_POOL_GUID "' ORDER BY name",
			      "is", parent, after);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	while ((r = rsm_sqlite_step(row, err)) == 0) {
		read_pool(row, &pool);
		if (!each(context, &pool))
			return 0;
	}
	return r < 0 ? r : 0;
}

/* ---- making ---- */

int rsm_pool_check_name(const char *name, char **ret_nfc, struct rsm_err *err)
{
	int r;

	if (name[0] == '\0')
		return rsm_err_set(err, EINVAL, "a name cannot be empty");
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/'))
		return rsm_err_set(err, EINVAL, "%s: is no name for a pool or cartridge", name);
	if (name[0] == '.')
		return rsm_err_set(err, EPERM,
				   "%s: names of pools and cartridges do not begin with a dot",
				   name);
	if (strlen(name) >= RSM_NAME_SIZE)
		return rsm_err_set(err, ENAMETOOLONG, "%.40s...: the name is too long", name);
	r = rsm_name_check(name, err);
	return r < 0 ? r : rsm_name_nfc(name, ret_nfc, err);
}

int rsm_pool_touch_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	struct timespec now;

	rsm_catalog_now(catalog, &now);
	return rsm_catalog_run(catalog, err,
			       "UPDATE pool SET modified = ?2, changed = ?2 WHERE id = ?1", "it",
			       id, &now);
}

/* Is the name (in its NFC form) free below parent, among pools but `except`? */
static int check_free_name(struct rsm_catalog *catalog, int64_t parent, const char *name,
			   const char *nfc, int64_t except, struct rsm_err *err)
{
	int64_t other;
	int r;

	r = rsm_catalog_number(
		catalog, &other, err,
		"SELECT id FROM pool WHERE ifnull(parent, 0) = ?1 AND nfc = ?2 AND id <> ?3", "isi",
		parent, nfc, except);
	if (r == RSM_SQLITE_DONE)
		r = rsm_catalog_number(catalog, &other, err,
				       "SELECT id FROM logical_medium WHERE pool = ?1 AND nfc = ?2",
				       "is", parent, nfc);
	if (r == 0)
		return rsm_err_set(err, EEXIST, "%s: the name is taken", name);
	return r < 0 ? r : 0;
}

/* May an application pool stand below `parent`? */
static int check_parent(struct rsm_catalog *catalog, int64_t parent, struct rsm_err *err)
{
	struct rsm_pool pool;
	int r;

	if (parent == RSM_POOL_TOP)
		return 0;
	r = rsm_pool_need_locked(catalog, parent, &pool, err);
	if (r < 0)
		return r;
	if (pool.kind != RSM_POOL_APPLICATION)
		return rsm_err_set(err, EPERM, "%s is a system pool: no pools are made in it",
				   pool.name);
	if (pool.holds != RSM_POOL_HOLDS_POOLS)
		return rsm_err_set(err, EINVAL, "%s holds media, not pools", pool.name);
	return 0;
}

static int insert_pool(struct rsm_catalog *catalog, struct rsm_pool *pool, const char *nfc,
		       struct rsm_err *err)
{
	int r;

	rsm_catalog_new_guid(pool->guid);
	rsm_catalog_now(catalog, &pool->created);
	pool->modified = pool->changed = pool->created;
	pool->sub_pools = pool->media = pool->allocated = 0;
	r = rsm_catalog_run(
		catalog, err,
		"INSERT INTO pool (guid, parent, name, nfc, kind, holds, media_type, "
		"draw_from_free, return_to_free, allocation_limit, max_allocations, mode, owner, "
		"\"group\", created, modified, changed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
		"?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15, ?15)",
		"snssddsdduuuuut", pool->guid, pool->parent, pool->name, nfc, (int)pool->kind,
		(int)pool->holds, pool->media_type, (int)pool->draw_from_free,
		(int)pool->return_to_free, pool->allocation_limit, pool->max_allocations,
		pool->mode & 07777, pool->owner, pool->group, &pool->created);
	if (r < 0)
		return r;
	pool->id = sqlite3_last_insert_rowid(catalog->db);
	return rsm_pool_touch_locked(catalog, pool->parent, err);
}

/* The one media type that all drives write and all cartridges have, else "". */
static int only_media_type(struct rsm_catalog *catalog, char ret_type[RSM_TYPE_SIZE],
			   struct rsm_err *err)
{
	sqlite3_stmt *statement;
	int r;

	r = rsm_catalog_query(catalog, &statement, err,
			      "SELECT min(type) FROM (SELECT media_type AS type "
			      "FROM library_media_type UNION SELECT media_type FROM medium "
			      "WHERE NOT cleaner) HAVING count(*) = 1",
			      "");
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r == 0)
		rsm_catalog_column_text(row, 0, ret_type, RSM_TYPE_SIZE);
	return r < 0 ? r : 0;
}

int rsm_pool_create_locked(struct rsm_catalog *catalog, struct rsm_pool *pool, struct rsm_err *err)
{
	RSM_FREE char *nfc = NULL;
	int r;

	r = rsm_pool_check_name(pool->name, &nfc, err);
	if (r == 0)
		r = check_free_name(catalog, pool->parent, pool->name, nfc, 0, err);
	if (r == 0)
		r = check_parent(catalog, pool->parent, err);
	if (r < 0)
		return r;
	pool->kind = RSM_POOL_APPLICATION;
	if (pool->holds != RSM_POOL_HOLDS_MEDIA && pool->holds != RSM_POOL_HOLDS_POOLS)
		return rsm_err_set(err, EINVAL, "%s: a pool holds media or pools", pool->name);
	if (pool->holds == RSM_POOL_HOLDS_POOLS)
		pool->media_type[0] = '\0';
	else if (pool->media_type[0] == '\0')
		r = only_media_type(catalog, pool->media_type, err);
	return r < 0 ? r : insert_pool(catalog, pool, nfc, err);
}

int rsm_pool_check_type(const char *media_type, struct rsm_err *err)
{
	if (media_type[0] && !rsm_media_type_is_known(media_type))
		return rsm_err_set(err, EINVAL, "%s is no media type", media_type);
	return 0;
}

int rsm_pool_create(struct rsm_catalog *catalog, struct rsm_pool *pool, struct rsm_err *err)
{
	return rsm_pool_create_with_acls(catalog, pool, NULL, NULL, err);
}

int rsm_pool_create_with_acls(struct rsm_catalog *catalog, struct rsm_pool *pool,
			      const struct rsm_text *access, const struct rsm_text *inherited,
			      struct rsm_err *err)
{
	int r = rsm_pool_check_type(pool->media_type, err);

	if (r < 0)
		return r;
	{
		RSM_LOCK_SCOPE(&catalog->lock);
		r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);
		if (r < 0)
			return r;
		r = rsm_pool_create_locked(catalog, pool, err);
		if (r == 0)
			r = rsm_catalog_give_acls_locked(catalog, 'p', pool->id, access, inherited,
							 err);
		r = rsm_catalog_end_locked(catalog, r, err);
	}
	if (r == 0)
		rsm_pool_tell(catalog, "createpool", pool->id, NULL);
	return r;
}

int rsm_pool_system_locked(struct rsm_catalog *catalog, enum rsm_pool_kind kind,
			   const char *media_type, struct rsm_pool *ret_pool, struct rsm_err *err)
{
	RSM_FREE char *nfc = NULL;
	struct rsm_pool pool = {
		.kind = kind,
		.holds = RSM_POOL_HOLDS_MEDIA,
		.mode = 0777,
	};
	int r;

	if (kind != RSM_POOL_SCRATCH && kind != RSM_POOL_FOREIGN && kind != RSM_POOL_IMPORT)
		return rsm_err_set(err, EINVAL, "no kind of system pool: %d", (int)kind);
	r = rsm_catalog_number(catalog, &pool.parent, err,
			       "SELECT id FROM pool WHERE parent IS NULL AND kind = ?1", "d",
			       (int)kind);
	if (r != 0)
		return rsm_err_fold(err, r, "a system pool is missing");
	r = rsm_pool_find_locked(catalog, pool.parent, media_type, ret_pool, err);
	if (r != RSM_POOL_ABSENT)
		return r;
	if (strlen(media_type) >= RSM_TYPE_SIZE)
		return rsm_err_set(err, ENAMETOOLONG, "%.40s...: is no media type", media_type);
	r = rsm_pool_check_name(media_type, &nfc, err);
	if (r < 0)
		return r;
	rsm_catalog_copy(pool.name, sizeof pool.name, media_type);
	rsm_catalog_copy(pool.media_type, sizeof pool.media_type, media_type);
	r = insert_pool(catalog, &pool, nfc, err);
	if (r == 0)
		*ret_pool = pool;
	return r;
}

int rsm_pool_system(struct rsm_catalog *catalog, enum rsm_pool_kind kind, const char *media_type,
		    struct rsm_pool *ret_pool, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = rsm_pool_system_locked(catalog, kind, media_type, ret_pool, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_pool_take_type_locked(struct rsm_catalog *catalog, struct rsm_pool *pool,
			      const char *media_type, struct rsm_err *err)
{
	if (strcmp(pool->media_type, media_type) == 0)
		return 0;
	if (pool->media_type[0])
		return rsm_err_set(err, EMEDIUMTYPE, "%s holds %s, not %s", pool->name,
				   pool->media_type, media_type);
	rsm_catalog_copy(pool->media_type, sizeof pool->media_type, media_type);
	return rsm_catalog_run(catalog, err, "UPDATE pool SET media_type = ?2 WHERE id = ?1", "is",
			       pool->id, media_type);
}

/* ---- changing ---- */

int rsm_pool_need_application_locked(struct rsm_catalog *catalog, int64_t id,
				     struct rsm_pool *ret_pool, struct rsm_err *err)
{
	int r = rsm_pool_need_locked(catalog, id, ret_pool, err);

	if (r == 0 && ret_pool->kind != RSM_POOL_APPLICATION)
		r = rsm_err_set(err, EPERM, "%s is a system pool", ret_pool->name);
	return r;
}

static int remove_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	struct rsm_pool pool, free_pool;
	int r;

	r = rsm_pool_need_application_locked(catalog, id, &pool, err);
	if (r < 0)
		return r;
	if (pool.sub_pools)
		return rsm_err_set(err, ENOTEMPTY, "%s holds pools", pool.name);
	if (pool.allocated)
		return rsm_err_set(err, ENOTEMPTY, "%s holds allocated media", pool.name);
	if (pool.media) {
		r = rsm_pool_system_locked(catalog, RSM_POOL_SCRATCH, pool.media_type, &free_pool,
					   err);
		/* what bears another label than the free one waits for it; it can be allocated */
		if (r == 0)
			r = rsm_catalog_run(
				catalog, err,
				"UPDATE side SET pool = ?2, state = CASE WHEN state = 4 "
				"AND label_type <> 'RSMFS FREE' AND NOT ?3 THEN 1 ELSE state END "
				"WHERE pool = ?1",
				"iid", id, free_pool.id,
				(int)rsm_media_type_is_worm(pool.media_type));
	}
	if (r == 0)
		r = rsm_catalog_run(catalog, err, "DELETE FROM pool WHERE id = ?1", "i", id);
	return r < 0 ? r : rsm_pool_touch_locked(catalog, pool.parent, err);
}

int rsm_pool_remove(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	RSM_FREE char *former = rsm_pool_words(catalog, id);
	int r;

	{
		RSM_LOCK_SCOPE(&catalog->lock);
		r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);
		if (r < 0)
			return r;
		r = remove_locked(catalog, id, err);
		r = rsm_catalog_end_locked(catalog, r, err);
	}
	if (r == 0)
		rsm_pool_tell(catalog, "deletepool", 0, former);
	return r;
}

/* The media below bear the pool's path: it is stale now. */
static int queue_label_work(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	return rsm_catalog_run(catalog, err,
			       "UPDATE side SET label_work = 2 WHERE logical IS NOT NULL AND "
			       "label_work = 0 AND pool IN (WITH RECURSIVE below (id) AS ("
			       "SELECT ?1 UNION ALL SELECT p.id FROM pool p JOIN below b "
			       "ON p.parent = b.id) SELECT id FROM below)",
			       "i", id);
}

static int rename_locked(struct rsm_catalog *catalog, int64_t id, int64_t new_parent,
			 const char *new_name, struct rsm_err *err)
{
	RSM_FREE char *nfc = NULL;
	struct rsm_pool pool;
	struct timespec now;
	int64_t inside;
	int r;

	r = rsm_pool_need_application_locked(catalog, id, &pool, err);
	if (r == 0)
		r = rsm_pool_check_name(new_name, &nfc, err);
	if (r < 0 || (new_parent == pool.parent && strcmp(new_name, pool.name) == 0))
		return r;
	r = rsm_catalog_number(catalog, &inside, err,
			       "WITH RECURSIVE up (id) AS (SELECT ?1 UNION ALL SELECT p.parent "
			       "FROM pool p JOIN up ON p.id = up.id WHERE p.parent IS NOT NULL) "
			       "SELECT id FROM up WHERE id = ?2",
			       "ii", new_parent, id);
	if (r < 0)
		return r;
	if (r == 0)
		return rsm_err_set(err, EINVAL, "%s cannot be moved into itself", pool.name);
	r = check_free_name(catalog, new_parent, new_name, nfc, id, err);
	if (r == 0)
		r = check_parent(catalog, new_parent, err);
	if (r < 0)
		return r;
	rsm_catalog_now(catalog, &now);
	r = rsm_catalog_run(
		catalog, err,
		"UPDATE pool SET parent = ?2, name = ?3, nfc = ?4, changed = ?5 WHERE id = ?1",
		"insst", id, new_parent, new_name, nfc, &now);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, pool.parent, err);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, new_parent, err);
	return r < 0 ? r : queue_label_work(catalog, id, err);
}

int rsm_pool_rename(struct rsm_catalog *catalog, int64_t id, int64_t new_parent,
		    const char *new_name, struct rsm_err *err)
{
	RSM_FREE char *former = rsm_pool_words(catalog, id);
	int r;

	{
		RSM_LOCK_SCOPE(&catalog->lock);
		r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);
		if (r < 0)
			return r;
		r = rename_locked(catalog, id, new_parent, new_name, err);
		r = rsm_catalog_end_locked(catalog, r, err);
	}
	if (r == 0)
		rsm_pool_tell(catalog, "renamepool", id, former);
	return r;
}
