/* The file may be anything. It is opened so that nothing in its schema runs, looked through as a
 * whole before the first row is taken, and each row goes the way that any other change goes, with
 * the constraints of the schema below it. Cartridges come in small transactions, so that others get
 * at the catalogue in between; one that was cut short is completed by the next import.
 */
#include "core/catalog_import.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "base/text.h"
#include "changer/hardware.h"
#include "core/catalog_private.h"
#include "core/copy_private.h"

enum { APPLICATION_ID = 1381190979, BATCH = 64, VALUE_MOST = 1 << 20 };

struct pair {
	int64_t theirs, ours; /* 0: it could not be made */
};

struct importing {
	struct rsm_catalog *catalog;
	struct rsm_catalog_import *import;
	sqlite3 *db;
	sqlite3_stmt *pools, *media, *xattrs; /* of the backup */
	sqlite3_stmt *records, *copies;	      /* the same, or NULL */
	struct pair *pairs;
	size_t pair_count, pair_room;
	uint64_t total, done;
};

/* A cartridge as the backup has it. */
struct line {
	struct rsm_medium medium;
	char medium_guid[RSM_GUID_SIZE];
	int64_t side;
	bool scratch; /* it was in Free */
	bool restorable;
	int64_t pool; /* theirs */
};

static void fini(struct importing *it)
{
	sqlite3_finalize(it->pools);
	sqlite3_finalize(it->media);
	sqlite3_finalize(it->xattrs);
	sqlite3_finalize(it->records);
	sqlite3_finalize(it->copies);
	rsm_sqlite_close(it->db);
	free(it->pairs);
}

static bool is_cancelled(const struct importing *it)
{
	return it->import->cancel && atomic_load(it->import->cancel);
}

static int interrupt(void *context)
{
	return is_cancelled(context);
}

static int damaged(const char *what, struct rsm_err *err)
{
	return rsm_err_set(err, EBADMSG, "the backup is not taken: %s", what);
}

/* ---- opening ---- */

static int check_file(struct importing *it, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *check = NULL;
	sqlite3_int64 application = 0, version = 0, tables = 0;
	const char *words;
	int r;

	r = rsm_sqlite_number(it->db, "PRAGMA application_id", &application, err);
	if (r == 0)
		r = rsm_sqlite_number(it->db, "PRAGMA user_version", &version, err);
	if (r < 0)
		return r;
	if (application != APPLICATION_ID || version < 1)
		return damaged("it is no catalogue of rsmfs", err);
	r = rsm_sqlite_prepare(it->db, "PRAGMA quick_check(1)", &check, err);
	if (r == 0)
		r = rsm_sqlite_step(check, err);
	if (r < 0)
		return r;
	words = (const char *)sqlite3_column_text(check, 0);
	if (!words || strcmp(words, "ok") != 0)
		return damaged("it is damaged", err);
	r = rsm_sqlite_number(it->db,
			      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN "
			      "('pool', 'medium', 'side', 'logical_medium', 'xattr') AND sql NOT "
			      "LIKE 'CREATE VIRTUAL%'",
			      &tables, err);
	if (r == 0 && tables != 5)
		r = damaged("tables are missing in it", err);
	return r;
}

static int open_file(struct importing *it, struct rsm_err *err)
{
	sqlite3_int64 records = 0, copies = 0;
	int r = rsm_sqlite_open(it->import->file, SQLITE_OPEN_READONLY, &it->db, err);

	if (r < 0)
		return r;
	sqlite3_db_config(it->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(it->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(it->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(it->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_limit(it->db, SQLITE_LIMIT_LENGTH, VALUE_MOST);
	sqlite3_progress_handler(it->db, 10000, interrupt, it);
	r = rsm_sqlite_exec(it->db, "PRAGMA cell_size_check = ON", err);
	if (r == 0)
		r = check_file(it, err);
	if (r == 0)
		r = rsm_sqlite_prepare(
			it->db,
			"WITH RECURSIVE down (id, level) AS (SELECT id, 0 FROM pool WHERE parent "
			"IS NULL AND kind = 1000 UNION ALL SELECT p.id, level + 1 FROM pool p JOIN "
			"down ON p.parent = down.id WHERE level < 64) SELECT p.id, "
			"ifnull(p.parent, "
			"0), p.guid, p.name, p.holds, p.media_type, p.draw_from_free, "
			"p.return_to_free, p.allocation_limit, p.max_allocations, p.mode, p.owner, "
			"p.\"group\", p.created, p.modified, p.changed, level FROM down JOIN pool "
			"p ON p.id = down.id ORDER BY level, p.name",
			&it->pools, err);
	if (r == 0)
		r = rsm_sqlite_prepare(
			it->db,
			"SELECT s.id, s.guid, m.guid, m.barcode, m.media_type, s.pool, p.kind, "
			"s.state, s.label_type, s.label_info, s.volume_uuid, s.old_uuid, "
			"s.restorable, s.label_work, s.format_generation, s.index_generation, "
			"s.capacity, s.remaining, s.mounts, s.allocations, m.write_protected, "
			"s.health, l.lmid, l.name, l.mode, l.owner, l.\"group\", l.created, "
			"l.modified, l.changed, l.priority FROM side s CROSS JOIN medium m ON m.id "
			"= s.medium CROSS JOIN pool p ON p.id = s.pool LEFT JOIN logical_medium l "
			"ON l.id = s.logical WHERE s.side_number = 0 AND NOT m.cleaner AND "
			"NOT s.duplicate AND s.state IN (1, 3, 4, 5, 6) ORDER BY s.id",
			&it->media, err);
	if (r == 0)
		r = rsm_sqlite_prepare(
			it->db, "SELECT key, value FROM xattr WHERE kind = ?1 AND object = ?2",
			&it->xattrs, err);
	if (r == 0)
		r = rsm_sqlite_number(it->db,
				      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND "
				      "name = 'medium_record'",
				      &records, err);
	if (r == 0 && records)
		r = rsm_sqlite_prepare(it->db,
				       "SELECT bytes_written, bytes_read, write_errors, "
				       "read_errors, verified, verify_errors, vault, due FROM "
				       "medium_record WHERE side = ?1",
				       &it->records, err);
	if (r == 0)
		r = rsm_sqlite_number(it->db,
				      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND "
				      "name = 'pool_copies'",
				      &copies, err);
	if (r == 0 && copies)
		r = rsm_sqlite_prepare(it->db, "SELECT copies FROM pool_copies WHERE pool = ?1",
				       &it->copies, err);
	if (r == 0)
		r = rsm_sqlite_number(it->db, "SELECT count(*) FROM side",
				      (sqlite3_int64 *)&it->total, err);
	return r;
}

/* ---- pools ---- */

static int64_t ours(const struct importing *it, int64_t theirs)
{
	for (size_t i = 0; i < it->pair_count; i++)
		if (it->pairs[i].theirs == theirs)
			return it->pairs[i].ours;
	return 0;
}

static int add_pair(struct importing *it, int64_t theirs, int64_t our, struct rsm_err *err)
{
	if (it->pair_count == it->pair_room) {
		size_t room = it->pair_room ? it->pair_room * 2 : 64;
		struct pair *pairs = reallocarray(it->pairs, room, sizeof *pairs);

		if (!pairs)
			return rsm_err_oom(err);
		it->pairs = pairs;
		it->pair_room = room;
	}
	it->pairs[it->pair_count++] = (struct pair){ theirs, our };
	return 0;
}

static bool is_guid(const char *text)
{
	uuid_t uuid;

	return uuid_parse(text, uuid) == 0;
}

static int read_pool(const struct importing *it, struct rsm_pool *pool, struct rsm_err *err)
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
	if (pool->id <= 0 || mode < 0 || mode > 07777 || !is_guid(pool->guid) ||
	    rsm_pool_check_name(pool->name, &nfc, NULL) < 0 ||
	    (pool->media_type[0] && !rsm_media_type_is_known(pool->media_type)))
		return damaged("it has a pool that cannot be", err);
	return 0;
}

/* What was stored with an object, unless there is something of that name already. */
static int copy_xattrs(struct importing *it, const char *kind, int64_t theirs, int64_t our,
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

static int copy_copies(struct importing *it, int64_t theirs, int64_t our, struct rsm_err *err)
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
static int change_pool(struct importing *it, const struct rsm_pool *pool, struct rsm_pool *found,
		       struct rsm_err *err)
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
		r = copy_xattrs(it, "p", pool->id, found->id, err);
	if (r == 0)
		r = copy_copies(it, pool->id, found->id, err);
	it->import->pools_changed += r == 0;
	return r;
}

static int make_pool(struct importing *it, const struct rsm_pool *pool, int64_t parent,
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
		r = copy_xattrs(it, "p", pool->id, made.id, err);
	if (r == 0)
		r = copy_copies(it, pool->id, made.id, err);
	it->import->pools_made += r == 0;
	*ret_id = made.id;
	return r;
}

static int take_pool(struct importing *it, const struct rsm_pool *pool, struct rsm_err *err)
{
	int64_t parent = pool->parent ? ours(it, pool->parent) : RSM_POOL_TOP, id = 0;
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

static int each_pool(struct importing *it, bool take, struct rsm_err *err)
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

/* ---- cartridges ---- */

static bool is_allocated(const struct rsm_medium *medium)
{
	return medium->state == RSM_MEDIUM_ALLOCATED || medium->state == RSM_MEDIUM_COMPLETE;
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f || *text == '/')
			return false;
	return true;
}

static bool is_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static bool is_good(const struct line *line)
{
	const struct rsm_medium *m = &line->medium;
	RSM_FREE char *nfc = NULL;

	if (!is_guid(m->guid) || !is_guid(line->medium_guid) || !is_plain(m->barcode) ||
	    m->barcode[0] == '.' || !m->media_type[0] || !is_plain(m->media_type) ||
	    !is_text(m->label_type) || !is_text(m->label_info) || !is_text(m->health) ||
	    (m->volume_uuid[0] && !is_guid(m->volume_uuid)) ||
	    (m->old_uuid[0] && !is_guid(m->old_uuid)))
		return false;
	if (!is_allocated(m))
		return true;
	return is_guid(m->lmid) && m->volume_uuid[0] && m->mode <= 07777 && m->priority >= -15 &&
	       m->priority <= 15 && rsm_pool_check_name(m->name, &nfc, NULL) == 0;
}

static uint32_t column_count(sqlite3_stmt *row, int column)
{
	int64_t number = sqlite3_column_int64(row, column);

	return number < 0 ? 0 : number > INT32_MAX ? INT32_MAX : (uint32_t)number;
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

static int read_line(const struct importing *it, struct line *line, struct rsm_err *err)
{
	struct rsm_medium *m = &line->medium;
	sqlite3_stmt *row = it->media;

	memset(line, 0, sizeof *line);
	line->side = sqlite3_column_int64(row, 0);
	rsm_catalog_column_text(row, 1, m->guid, sizeof m->guid);
	rsm_catalog_column_text(row, 2, line->medium_guid, sizeof line->medium_guid);
	rsm_catalog_column_text(row, 3, m->barcode, sizeof m->barcode);
	rsm_catalog_column_text(row, 4, m->media_type, sizeof m->media_type);
	line->pool = sqlite3_column_int64(row, 5);
	line->scratch = sqlite3_column_int(row, 6) == RSM_POOL_SCRATCH;
	m->state = (enum rsm_medium_state)sqlite3_column_int(row, 7);
	rsm_catalog_column_text(row, 8, m->label_type, sizeof m->label_type);
	rsm_catalog_column_text(row, 9, m->label_info, sizeof m->label_info);
	rsm_catalog_column_text(row, 10, m->volume_uuid, sizeof m->volume_uuid);
	rsm_catalog_column_text(row, 11, m->old_uuid, sizeof m->old_uuid);
	line->restorable = sqlite3_column_int(row, 12) != 0;
	m->label_work = (enum rsm_label_work)sqlite3_column_int(row, 13);
	m->format_generation = column_count(row, 14);
	m->index_generation = (uint64_t)sqlite3_column_int64(row, 15);
	m->capacity = (uint64_t)sqlite3_column_int64(row, 16);
	m->remaining = (uint64_t)sqlite3_column_int64(row, 17);
	m->mounts = column_count(row, 18);
	m->allocations = column_count(row, 19);
	m->write_protected = sqlite3_column_int(row, 20) != 0;
	rsm_catalog_column_text(row, 21, m->health, sizeof m->health);
	rsm_catalog_column_text(row, 22, m->lmid, sizeof m->lmid);
	rsm_catalog_column_text(row, 23, m->name, sizeof m->name);
	m->mode = (uint32_t)sqlite3_column_int64(row, 24);
	m->owner = (uint32_t)sqlite3_column_int64(row, 25);
	m->group = (uint32_t)sqlite3_column_int64(row, 26);
	m->created = rsm_catalog_column_time(row, 27);
	m->modified = rsm_catalog_column_time(row, 28);
	m->changed = rsm_catalog_column_time(row, 29);
	m->priority = sqlite3_column_int(row, 30);
	lower(m->volume_uuid);
	lower(m->old_uuid);
	lower(m->lmid);
	return is_good(line) ? 0 : damaged("it has a cartridge that cannot be", err);
}

/* Figures of its life: the greater ones are the later ones. */
static int take_record(struct importing *it, const struct line *line, int64_t our, bool doubtful,
		       struct rsm_err *err)
{
	struct timespec verified = { 0 }, due = { 0 };
	uint64_t numbers[2] = { 0 };
	uint32_t counts[3] = { 0 };
	char vault[RSM_NAME_SIZE] = "";
	int r = RSM_SQLITE_DONE;

	if (it->records) {
		RSM_SQLITE_RESET sqlite3_stmt *row = it->records;

		sqlite3_bind_int64(row, 1, line->side);
		r = rsm_sqlite_step(row, err);
		for (int i = 0; r == 0 && i < 2; i++)
			numbers[i] = (uint64_t)sqlite3_column_int64(row, i) & INT64_MAX;
		for (int i = 0; r == 0 && i < 2; i++)
			counts[i] = column_count(row, 2 + i);
		if (r == 0) {
			verified = rsm_catalog_column_time(row, 4);
			counts[2] = column_count(row, 5);
			rsm_catalog_column_text(row, 6, vault, sizeof vault);
			due = rsm_catalog_column_time(row, 7);
		}
	}
	if (r < 0 || (r == RSM_SQLITE_DONE && !doubtful))
		return r < 0 ? r : 0;
	if (!is_text(vault))
		vault[0] = '\0';
	return rsm_catalog_run(
		it->catalog, err,
		"INSERT INTO medium_record (side, bytes_written, bytes_read, write_errors, "
		"read_errors, verify_errors, verified, vault, due, doubtful) VALUES (?1, ?2, ?3, "
		"?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (side) DO UPDATE SET "
		"bytes_written = max(bytes_written, ?2), bytes_read = max(bytes_read, ?3), "
		"write_errors = max(write_errors, ?4), read_errors = max(read_errors, ?5), "
		"verify_errors = CASE WHEN ?7 > verified THEN ?6 ELSE verify_errors END, "
		"verified = max(verified, ?7), vault = CASE vault WHEN '' THEN ?8 ELSE vault END",
		"iUUuuutstd", our, numbers[0], numbers[1], counts[0], counts[1], counts[2],
		&verified, vault, &due, (int)doubtful);
}

static int merge_counts(struct importing *it, const struct line *line, int64_t our,
			struct rsm_err *err)
{
	int r = rsm_catalog_run(it->catalog, err,
				"UPDATE side SET mounts = max(mounts, ?2), allocations = "
				"max(allocations, ?3) WHERE id = ?1",
				"iuu", our, line->medium.mounts, line->medium.allocations);

	return r < 0 ? r : take_record(it, line, our, false, err);
}

/* The pool here for media of the line's type; 0: there is none. */
static int choose_pool(struct importing *it, const struct line *line, int64_t *ret_pool,
		       struct rsm_err *err)
{
	struct rsm_pool pool = { 0 };
	int r;

	*ret_pool = 0;
	if (line->scratch) {
		r = rsm_pool_system_locked(it->catalog, RSM_POOL_SCRATCH, line->medium.media_type,
					   &pool, err);
	} else {
		int64_t our = ours(it, line->pool);

		if (!our)
			return 0;
		r = rsm_pool_need_locked(it->catalog, our, &pool, err);
		if (r == 0 && pool.holds != RSM_POOL_HOLDS_MEDIA)
			return 0;
		if (r == 0)
			r = rsm_pool_take_type_locked(it->catalog, &pool, line->medium.media_type,
						      err);
		if (r == -EMEDIUMTYPE)
			return 0;
	}
	*ret_pool = pool.id;
	return r;
}

/* Its logical medium begins here. Outcome 1: the LMID is somebody's. */
static int begin_logical(struct importing *it, const struct line *line, int64_t pool,
			 int64_t *ret_logical, bool *ret_renamed, struct rsm_err *err)
{
	struct rsm_medium medium = line->medium;
	int64_t other;
	int r = rsm_catalog_number(it->catalog, &other, err,
				   "SELECT id FROM logical_medium WHERE lmid = ?1", "s",
				   medium.lmid);

	if (r < 0)
		return r;
	if (r == 0)
		return 1;
	r = rsm_medium_free_name_locked(it->catalog, pool, line->medium.name, medium.name, err);
	if (r < 0)
		return r;
	*ret_renamed = strcmp(medium.name, line->medium.name) != 0;
	return rsm_logical_begin_locked(it->catalog, &medium, pool, ret_logical, err);
}

/* A volume in Import that was allocated: it is its owner's again. Nothing on it says otherwise. */
static int take_import(struct importing *it, const struct line *line, const struct rsm_medium *here,
		       struct rsm_err *err)
{
	int64_t pool, logical;
	bool renamed;
	int r = choose_pool(it, line, &pool, err);

	if (r == 0 && !pool)
		r = 1;
	if (r == 0)
		r = begin_logical(it, line, pool, &logical, &renamed, err);
	if (r != 0) {
		it->import->media_passed += r > 0;
		return r < 0 ? r : 0;
	}
	r = rsm_catalog_run(it->catalog, err,
			    "UPDATE side SET pool = ?2, state = ?3, logical = ?4, label_work = 2, "
			    "format_generation = format_generation + 1, allocations = "
			    "max(allocations, ?5, 1) WHERE id = ?1",
			    "iidiu", here->id, pool, (int)line->medium.state, logical,
			    line->medium.allocations);
	if (r == 0)
		r = copy_xattrs(it, "m", line->side, here->id, err);
	if (r == 0)
		r = merge_counts(it, line, here->id, err);
	if (r == 0)
		r = rsm_pool_touch_locked(it->catalog, pool, err);
	it->import->media_taken += r == 0;
	return r;
}

static int insert_medium(struct importing *it, const struct line *line, int64_t *ret_medium,
			 struct rsm_err *err)
{
	char guid[RSM_GUID_SIZE];
	struct timespec now;
	int r;

	rsm_catalog_new_guid(guid);
	rsm_catalog_now(it->catalog, &now);
	r = rsm_catalog_run(it->catalog, err,
			    "INSERT INTO medium (guid, barcode, media_type, library, location, "
			    "write_protected, created) VALUES (CASE WHEN EXISTS (SELECT 1 FROM "
			    "medium WHERE guid = ?1) THEN ?2 ELSE ?1 END, ?3, ?4, NULL, 0, ?5, ?6)",
			    "ssssdt", line->medium_guid, guid, line->medium.barcode,
			    line->medium.media_type, (int)line->medium.write_protected, &now);
	*ret_medium = sqlite3_last_insert_rowid(it->catalog->db);
	return r;
}

static int insert_side(struct importing *it, const struct line *line, int64_t medium, int64_t pool,
		       int64_t logical, bool renamed, struct rsm_err *err)
{
	const struct rsm_medium *m = &line->medium;
	int work = m->label_work == RSM_LABEL_FORMAT ? RSM_LABEL_FORMAT
		   : logical			     ? (renamed ? RSM_LABEL_UPDATE : RSM_LABEL_NONE)
		   : m->label_work == RSM_LABEL_FREE ? RSM_LABEL_FREE
						     : RSM_LABEL_NONE;
	char shown[RSM_NAME_SIZE];
	int64_t side;
	int r = rsm_medium_free_shown_locked(it->catalog, m->barcode[0] ? m->barcode : m->guid,
					     shown, err);

	if (r == 0)
		r = rsm_catalog_run(
			it->catalog, err,
			"INSERT INTO side (guid, medium, shown, pool, state, logical, label_type, "
			"label_info, volume_uuid, old_uuid, restorable, label_work, "
			"format_generation, index_generation, capacity, remaining, mounts, "
			"allocations, health) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
			"?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
			"sisidnssssdduUUUuus", m->guid, medium, shown, pool, (int)m->state, logical,
			m->label_type, m->label_info, logical ? m->volume_uuid : "", m->old_uuid,
			(int)line->restorable, logical || work == 3 ? work : 0,
			m->format_generation, m->index_generation, m->capacity, m->remaining,
			m->mounts, m->allocations, m->health[0] ? m->health : "good");
	if (r < 0)
		return r;
	side = sqlite3_last_insert_rowid(it->catalog->db);
	if (!m->barcode[0]) { /* a sequence number, as for any other without a barcode */
		char number[24];

		snprintf(number, sizeof number, "%lld", (long long)side);
		r = rsm_medium_free_shown_locked(it->catalog, number, shown, err);
		if (r == 0)
			r = rsm_catalog_run(it->catalog, err,
					    "UPDATE side SET shown = ?2 WHERE id = ?1", "is", side,
					    shown);
	}
	if (r == 0)
		r = copy_xattrs(it, "m", line->side, side, err);
	return r < 0 ? r : take_record(it, line, side, true, err);
}

/* Nobody here knows it: it is off-line until it is seen. */
static int add_line(struct importing *it, const struct line *line, struct rsm_err *err)
{
	int64_t pool, medium, logical = 0;
	bool renamed = false;
	int r = choose_pool(it, line, &pool, err);

	if (r == 0 && !pool)
		r = 1;
	if (r == 0 && is_allocated(&line->medium))
		r = begin_logical(it, line, pool, &logical, &renamed, err);
	if (r != 0) {
		it->import->media_passed += r > 0;
		return r < 0 ? r : 0;
	}
	r = insert_medium(it, line, &medium, err);
	if (r == 0)
		r = insert_side(it, line, medium, pool, logical, renamed, err);
	if (r == 0)
		r = rsm_pool_touch_locked(it->catalog, pool, err);
	it->import->media_added += r == 0;
	return r;
}

/* Outcome 1: nothing here is that one. */
static int find_here(struct importing *it, const struct line *line, struct rsm_medium *ret_medium,
		     bool *ret_same, struct rsm_err *err)
{
	struct rsm_catalog *catalog = it->catalog;
	int64_t id;
	int r = rsm_catalog_number(catalog, &id, err, "SELECT id FROM side WHERE guid = ?1", "s",
				   line->medium.guid);

	if (r == RSM_SQLITE_DONE && line->medium.volume_uuid[0])
		r = rsm_catalog_number(catalog, &id, err,
				       "SELECT id FROM side WHERE volume_uuid = ?1 AND volume_uuid "
				       "<> '' AND duplicate = 0",
				       "s", line->medium.volume_uuid);
	*ret_same = r == 0;
	if (r == RSM_SQLITE_DONE && line->medium.barcode[0])
		r = rsm_catalog_number(catalog, &id, err,
				       "SELECT s.id FROM medium m CROSS JOIN side s ON s.medium = "
				       "m.id WHERE m.barcode = ?1 AND m.barcode <> '' ORDER BY "
				       "m.location = 0, s.id LIMIT 1",
				       "s", line->medium.barcode);
	if (r != 0)
		return r < 0 ? r : 1;
	return rsm_medium_need_locked(catalog, id, ret_medium, err);
}

static int take_line(struct importing *it, const struct line *line, struct rsm_err *err)
{
	struct rsm_medium here;
	bool same;
	int r = find_here(it, line, &here, &same, err);

	if (r != 0)
		return r < 0 ? r : add_line(it, line, err);
	if (same && here.state == RSM_MEDIUM_IMPORT && is_allocated(&line->medium) &&
	    strcmp(here.volume_uuid, line->medium.volume_uuid) == 0)
		return take_import(it, line, &here, err);
	if (!same && here.state != RSM_MEDIUM_UNKNOWN &&
	    strcmp(here.volume_uuid, line->medium.volume_uuid) != 0)
		it->import->media_passed++; /* it bears something else by now */
	else
		it->import->media_known++;
	return merge_counts(it, line, here.id, err);
}

static int take_batch(struct importing *it, const struct line *lines, size_t count,
		      struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&it->catalog->lock);
	int r = rsm_catalog_begin_locked(it->catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = take_line(it, &lines[i], err);
		if (r < 0)
			rsm_err_wrap(err, r, "cartridge %s", lines[i].medium.barcode);
	}
	return rsm_catalog_end_locked(it->catalog, r, err);
}

static int each_line(struct importing *it, bool take, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *row = it->media;
	RSM_FREE struct line *lines = calloc(BATCH, sizeof *lines);
	size_t count = 0;
	int r;

	if (!lines)
		return rsm_err_oom(err);
	do {
		r = rsm_sqlite_step(row, err);
		if (r < 0)
			return r;
		if (r == 0 && read_line(it, &lines[count], err) < 0)
			return -EBADMSG;
		count += r == 0;
		if (take && count && (count == BATCH || r == RSM_SQLITE_DONE)) {
			int taken = take_batch(it, lines, count, err);

			if (taken < 0)
				return taken;
			it->done += count;
			if (it->import->progress)
				it->import->progress(it->import->context, it->done, it->total,
						     "cartridges");
		}
		if (count == BATCH)
			count = 0;
		if (is_cancelled(it))
			return rsm_err_set(err, EINTR, "import: interrupted");
	} while (r == 0);
	return 0;
}

/* ---- when a drive sees one that was added ---- */

static int is_doubtful_locked(struct rsm_catalog *catalog, int64_t medium, struct rsm_err *err)
{
	int64_t doubtful = 0;
	int r = rsm_catalog_number(catalog, &doubtful, err,
				   "SELECT doubtful FROM medium_record WHERE side = ?1", "i",
				   medium);

	return r < 0 ? r : doubtful != 0;
}

bool rsm_medium_is_doubtful(struct rsm_catalog *catalog, int64_t medium)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return is_doubtful_locked(catalog, medium, NULL) > 0;
}

int rsm_medium_settle_doubt_locked(struct rsm_catalog *catalog, struct rsm_medium *medium,
				   const char *uuid, bool has_keys, struct rsm_err *err)
{
	struct rsm_pool pool;
	int r = is_doubtful_locked(catalog, medium->id, err);

	if (r <= 0)
		return r;
	r = rsm_catalog_run(catalog, err, "UPDATE medium_record SET doubtful = 0 WHERE side = ?1",
			    "i", medium->id);
	if (r < 0 || !is_allocated(medium) || medium->label_work == RSM_LABEL_FORMAT)
		return r;
	if (strcmp(uuid, medium->volume_uuid) == 0 && !has_keys)
		return 0; /* it tells nothing else */
	r = rsm_pool_system_locked(catalog, RSM_POOL_FOREIGN, medium->media_type, &pool, err);
	if (r == 0)
		r = rsm_logical_end_locked(catalog, medium->id, err);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE side SET pool = ?2, state = 0, logical = NULL, "
				    "label_work = 0, volume_uuid = '', old_uuid = '', restorable = "
				    "0 WHERE id = ?1",
				    "ii", medium->id, pool.id);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, medium->pool, err);
	return r < 0 ? r : rsm_medium_need_locked(catalog, medium->id, medium, err);
}

/* ---- all of it ---- */

static int take_pools(struct importing *it, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&it->catalog->lock);
	int r = rsm_catalog_begin_locked(it->catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = each_pool(it, true, err);
	return rsm_catalog_end_locked(it->catalog, r, err);
}

int rsm_catalog_import(struct rsm_catalog *catalog, struct rsm_catalog_import *import,
		       struct rsm_err *err)
{
	__attribute__((cleanup(fini))) struct importing it = { .catalog = catalog,
							       .import = import };
	int r;

	import->pools_made = import->pools_changed = 0;
	import->media_added = import->media_taken = 0;
	import->media_known = import->media_passed = 0;
	r = open_file(&it, err);
	/* all of it, before anything is taken */
	if (r == 0)
		r = each_pool(&it, false, err);
	if (r == 0)
		r = each_line(&it, false, err);
	if (r == 0)
		r = take_pools(&it, err);
	if (r == 0)
		r = each_line(&it, true, err);
	if (r == 0) /* copies among them are known by their names */
		r = rsm_copy_mend(catalog, err);
	if (r < 0 && is_cancelled(&it))
		return rsm_err_set(err, EINTR, "import: interrupted");
	return r;
}
