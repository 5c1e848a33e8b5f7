/* The file may be anything. It is opened so that nothing in its schema runs, looked through as a
 * whole before the first row is taken, and each row goes the way that any other change goes, with
 * the constraints of the schema below it.
 */
#include "core/catalog_import_private.h"

#include <stdlib.h>
#include <string.h>

#include "core/copy_private.h"

enum { APPLICATION_ID = 1381190979, VALUE_MOST = 1 << 20 };

static void fini(struct rsm_importing *it)
{
	sqlite3_finalize(it->pools);
	sqlite3_finalize(it->media);
	sqlite3_finalize(it->xattrs);
	sqlite3_finalize(it->records);
	sqlite3_finalize(it->copies);
	rsm_sqlite_close(it->db);
	free(it->pairs);
}

bool rsm_import_is_cancelled(const struct rsm_importing *it)
{
	return it->import->cancel && atomic_load(it->import->cancel);
}

static int interrupt(void *context)
{
	return rsm_import_is_cancelled(context);
}

int rsm_import_damaged(const char *what, struct rsm_err *err)
{
	return rsm_err_set(err, EBADMSG, "the backup is not taken: %s", what);
}

/* ---- opening ---- */

static int check_file(struct rsm_importing *it, struct rsm_err *err)
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
		return rsm_import_damaged("it is no catalogue of rsmfs", err);
	r = rsm_sqlite_prepare(it->db, "PRAGMA quick_check(1)", &check, err);
	if (r == 0)
		r = rsm_sqlite_step(check, err);
	if (r < 0)
		return r;
	words = (const char *)sqlite3_column_text(check, 0);
	if (!words || strcmp(words, "ok") != 0)
		return rsm_import_damaged("it is damaged", err);
	r = rsm_sqlite_number(it->db,
			      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN "
			      "('pool', 'medium', 'side', 'logical_medium', 'xattr') AND sql NOT "
			      "LIKE 'CREATE VIRTUAL%'",
			      &tables, err);
	if (r == 0 && tables != 5)
		r = rsm_import_damaged("tables are missing in it", err);
	return r;
}

static int open_file(struct rsm_importing *it, struct rsm_err *err)
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
			"l.modified, l.changed, l.priority, s.side_number FROM side s CROSS JOIN "
			"medium m ON m.id "
			"= s.medium CROSS JOIN pool p ON p.id = s.pool LEFT JOIN logical_medium l "
			"ON l.id = s.logical WHERE NOT m.cleaner AND NOT s.duplicate AND s.state "
			"IN (1, 3, 4, 5, 6) ORDER BY s.medium, s.side_number",
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

/* What was given up when the backup was made may have been given back since, and written to. */
static int forget_old_locked(struct rsm_catalog *catalog, struct rsm_medium *medium,
			     const char *uuid, struct rsm_err *err)
{
	int r;

	if (!*uuid || strcmp(uuid, medium->old_uuid) != 0)
		return 0;
	r = rsm_catalog_run(catalog, err,
			    "UPDATE side SET old_uuid = '', restorable = 0 WHERE id = ?1", "i",
			    medium->id);
	return r < 0 ? r : rsm_medium_need_locked(catalog, medium->id, medium, err);
}

int rsm_medium_settle_doubt_locked(struct rsm_catalog *catalog, struct rsm_medium *medium,
				   const char *uuid, bool has_keys, struct rsm_err *err)
{
	struct rsm_pool pool;
	bool keeps = false;
	int r = is_doubtful_locked(catalog, medium->id, err);

	if (r <= 0)
		return r;
	r = rsm_catalog_run(catalog, err, "UPDATE medium_record SET doubtful = 0 WHERE side = ?1",
			    "i", medium->id);
	if (r == 0)
		r = forget_old_locked(catalog, medium, uuid, err);
	if (r < 0 || !rsm_import_is_allocated(medium) || medium->label_work == RSM_LABEL_FORMAT)
		return r;
	if (strcmp(uuid, medium->volume_uuid) == 0 && !has_keys)
		return 0; /* it tells nothing else */
	r = rsm_pool_system_locked(catalog, RSM_POOL_FOREIGN, medium->media_type, &pool, err);
	if (r == 0)
		r = rsm_side_keeps_pool_locked(catalog, medium->id, false, &keeps, err);
	if (r == 0 && keeps) /* its other side has an owner there */
		pool.id = medium->pool;
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

static int take_pools(struct rsm_importing *it, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&it->catalog->lock);
	int r = rsm_catalog_begin_locked(it->catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = rsm_import_each_pool(it, true, err);
	return rsm_catalog_end_locked(it->catalog, r, err);
}

int rsm_catalog_import(struct rsm_catalog *catalog, struct rsm_catalog_import *import,
		       struct rsm_err *err)
{
	__attribute__((cleanup(fini))) struct rsm_importing it = { .catalog = catalog,
								   .import = import };
	int r;

	import->pools_made = import->pools_changed = 0;
	import->media_added = import->media_taken = 0;
	import->media_known = import->media_passed = 0;
	r = open_file(&it, err);
	/* all of it, before anything is taken */
	if (r == 0)
		r = rsm_import_each_pool(&it, false, err);
	if (r == 0)
		r = rsm_import_each_medium(&it, false, err);
	if (r == 0)
		r = take_pools(&it, err);
	if (r == 0)
		r = rsm_import_each_medium(&it, true, err);
	if (r == 0) /* copies among them are known by their names */
		r = rsm_copy_mend(catalog, err);
	if (r < 0 && rsm_import_is_cancelled(&it))
		return rsm_err_set(err, EINTR, "import: interrupted");
	return r;
}
