/* Opening: nothing is written before the database is known to be ours and whole. The schema is
 * made in one transaction, so a death in between leaves an empty database that is made anew.
 */
#include "core/catalog.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <uuid/uuid.h>

#include "base/file.h"
#include "base/log.h"
#include "core/catalog_check.h"
#include "core/catalog_private.h"

enum { APPLICATION_ID = 1381190979, SCHEMA_VERSION = 1 };

static const char schema[] =
#include "core/schema.sql.h"
	;
static const char records[] =
#include "core/schema_records.sql.h"
	;
static const char allocation_schema[] =
#include "core/schema_allocation.sql.h"
	;
static const char media_schema[] =
#include "core/schema_media.sql.h"
	;

/* ---- statements ---- */

static int prepare(struct rsm_catalog *catalog, const char *sql, sqlite3_stmt **ret_statement,
		   struct rsm_err *err)
{
	size_t slot = ((uintptr_t)sql >> 2) * 2654435761u % RSM_CATALOG_STATEMENTS;
	struct rsm_catalog_statement *entry;
	int r;

	for (size_t i = 0; i < RSM_CATALOG_STATEMENTS; i++) {
		entry = &catalog->statements[(slot + i) % RSM_CATALOG_STATEMENTS];
		if (entry->sql == sql) {
			*ret_statement = entry->statement;
			return 0;
		}
		if (entry->sql)
			continue;
		r = rsm_sqlite_prepare(catalog->db, sql, ret_statement, err);
		if (r == 0) {
			entry->sql = sql;
			entry->statement = *ret_statement;
		}
		return r;
	}
	return rsm_err_set(err, ENOMEM, "the catalogue has too many kinds of statements");
}

static int64_t nanoseconds(const struct timespec *time)
{
	const int64_t limit = INT64_MAX / RSM_SECOND_NS - 1;
	int64_t seconds = time->tv_sec;

	if (seconds > limit)
		seconds = limit;
	if (seconds < -limit)
		seconds = -limit;
	return seconds * RSM_SECOND_NS + time->tv_nsec;
}

static int bind_one(sqlite3_stmt *statement, int place, char type, va_list *args)
{
	const char *text;
	const void *bytes;
	uint64_t number;
	int64_t id;

	switch (type) {
	case 'i': return sqlite3_bind_int64(statement, place, va_arg(*args, int64_t));
	case 'u': return sqlite3_bind_int64(statement, place, va_arg(*args, uint32_t));
	case 'd': return sqlite3_bind_int64(statement, place, va_arg(*args, int));
	case 't':
		return sqlite3_bind_int64(statement, place,
					  nanoseconds(va_arg(*args, const struct timespec *)));
	case 'U':
		number = va_arg(*args, uint64_t);
		return sqlite3_bind_int64(statement, place,
					  number > INT64_MAX ? INT64_MAX : (int64_t)number);
	case 'n':
		id = va_arg(*args, int64_t);
		return id ? sqlite3_bind_int64(statement, place, id)
			  : sqlite3_bind_null(statement, place);
	case 's':
		text = va_arg(*args, const char *);
		return sqlite3_bind_text(statement, place, text ? text : "", -1, SQLITE_TRANSIENT);
	default:
		bytes = va_arg(*args, const void *);
		return sqlite3_bind_blob64(statement, place, bytes ? bytes : "",
					   va_arg(*args, size_t), SQLITE_TRANSIENT);
	}
}

static int query(struct rsm_catalog *catalog, sqlite3_stmt **ret_statement, struct rsm_err *err,
		 const char *sql, const char *types, va_list *args)
{
	int r = prepare(catalog, sql, ret_statement, err);

	for (int i = 0; r == 0 && types[i]; i++) {
		r = bind_one(*ret_statement, i + 1, types[i], args);
		if (r != SQLITE_OK)
			r = rsm_sqlite_error(err, catalog->db, r, NULL);
	}
	return r;
}

int rsm_catalog_query(struct rsm_catalog *catalog, sqlite3_stmt **ret_statement,
		      struct rsm_err *err, const char *sql, const char *types, ...)
{
	va_list args;
	int r;

	va_start(args, types);
	r = query(catalog, ret_statement, err, sql, types, &args);
	va_end(args);
	return r;
}

int rsm_catalog_run(struct rsm_catalog *catalog, struct rsm_err *err, const char *sql,
		    const char *types, ...)
{
	sqlite3_stmt *statement;
	va_list args;
	int r;

	va_start(args, types);
	r = query(catalog, &statement, err, sql, types, &args);
	va_end(args);
	return r < 0 ? r : rsm_sqlite_run(statement, err);
}

int rsm_catalog_number(struct rsm_catalog *catalog, int64_t *ret_number, struct rsm_err *err,
		       const char *sql, const char *types, ...)
{
	sqlite3_stmt *statement;
	va_list args;
	int r;

	va_start(args, types);
	r = query(catalog, &statement, err, sql, types, &args);
	va_end(args);
	if (r == 0)
		r = rsm_sqlite_step(statement, err);
	if (r == 0) {
		*ret_number = sqlite3_column_int64(statement, 0);
		sqlite3_reset(statement);
	}
	return r;
}

void rsm_catalog_copy(char *ret_text, size_t size, const char *text)
{
	size_t length = strlen(text);

	if (length >= size) {
		length = size - 1;
		while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
	}
	memmove(ret_text, text, length);
	ret_text[length] = '\0';
}

void rsm_catalog_column_text(sqlite3_stmt *statement, int column, char *ret_text, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	rsm_catalog_copy(ret_text, size, text ? text : "");
}

struct timespec rsm_catalog_column_time(sqlite3_stmt *statement, int column)
{
	int64_t ns = sqlite3_column_int64(statement, column);
	struct timespec time = { .tv_sec = ns / RSM_SECOND_NS, .tv_nsec = ns % RSM_SECOND_NS };

	if (time.tv_nsec < 0) {
		time.tv_sec--;
		time.tv_nsec += RSM_SECOND_NS;
	}
	return time;
}

void rsm_catalog_now(struct rsm_catalog *catalog, struct timespec *ret_now)
{
	rsm_clock_wall(catalog->clock, ret_now);
	if (ret_now->tv_sec == 0 && ret_now->tv_nsec == 0)
		ret_now->tv_nsec = 1; /* 0 means never */
}

void rsm_catalog_new_guid(char ret_guid[RSM_GUID_SIZE])
{
	uuid_t uuid;

	uuid_generate_random(uuid);
	uuid_unparse_lower(uuid, ret_guid);
}

/* ---- transactions ---- */

int rsm_catalog_begin_locked(struct rsm_catalog *catalog, enum rsm_catalog_sync sync,
			     struct rsm_err *err)
{
	int r = 0;

	/* it cannot be changed within a transaction; and earlier commits are synchronised along */
	if (sync == RSM_COMMIT_FULL)
		r = rsm_sqlite_exec(catalog->db, "PRAGMA synchronous = FULL", err);
	catalog->full = sync == RSM_COMMIT_FULL;
	if (r == 0)
		r = rsm_catalog_run(catalog, err, "BEGIN IMMEDIATE", "");
	return r < 0 ? rsm_catalog_end_locked(catalog, r, err) : 0;
}

int rsm_catalog_end_locked(struct rsm_catalog *catalog, int r, struct rsm_err *err)
{
	int failed = 0;

	if (r >= 0)
		failed = rsm_catalog_run(catalog, err, "COMMIT", "");
	if (failed < 0)
		r = failed;
	/* some errors have rolled back already */
	if (r < 0 && !sqlite3_get_autocommit(catalog->db) &&
	    rsm_catalog_run(catalog, NULL, "ROLLBACK", "") < 0)
		rsm_log_error("%s: a change could not be taken back", catalog->path);
	if (catalog->full)
		failed = rsm_sqlite_exec(catalog->db, "PRAGMA synchronous = NORMAL", NULL);
	catalog->full = false;
	return r;
}

/* ---- opening ---- */

static int refuse_network(const char *folder, struct rsm_err *err)
{
	static const struct {
		uint32_t magic;
		const char *name;
	} networks[] = {
		{ 0x6969, "NFS" },	{ 0x517b, "SMB" },	{ 0xff534d42, "CIFS" },
		{ 0xfe534d42, "SMB2" }, { 0x5346414f, "AFS" },	{ 0x73757245, "Coda" },
		{ 0x00c36400, "Ceph" }, { 0x01161970, "GFS2" }, { 0x0bd00bd0, "Lustre" },
	};
	struct statfs info;

	if (statfs(folder, &info) < 0)
		return rsm_err_errno(err, "%s", folder);
	for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
		if ((uint32_t)info.f_type == networks[i].magic)
			return rsm_err_set(err, EOPNOTSUPP,
					   "%s: the catalogue cannot be kept on a network file "
					   "system (%s); name a local folder with -o state=",
					   folder, networks[i].name);
	return 0;
}

/* Yields whether the database is still empty. */
static int check_database(sqlite3 *db, const char *path, bool *ret_new, bool *ret_check_later,
			  struct rsm_err *err)
{
	sqlite3_int64 application, version, tables;
	int r;

	r = rsm_sqlite_number(db, "PRAGMA application_id", &application, err);
	if (r == 0)
		r = rsm_sqlite_number(db, "PRAGMA user_version", &version, err);
	if (r == 0)
		r = rsm_sqlite_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
	if (r < 0)
		return r;
	*ret_new = tables == 0 && application == 0 && version == 0;
	if (*ret_new)
		return 0;
	if (application != APPLICATION_ID || version < 1)
		return rsm_err_set(err, EBADMSG, "%s: is no catalogue of rsmfs", path);
	if (version > SCHEMA_VERSION)
		return rsm_err_set(err, EBADMSG,
				   "%s: is a catalogue by a newer rsmfs (format %lld, this one "
				   "knows %d): use that one",
				   path, version, SCHEMA_VERSION);
	r = rsm_catalog_check_is_long(db, ret_check_later, err);
	return r < 0 || *ret_check_later ? r : rsm_catalog_check_now(db, path, err);
}

/* The words of SQLite do not tell what to do. */
static int advise(int r, struct rsm_err *err)
{
	char words[RSM_ERR_MSG_SIZE];

	if (r != -EBADMSG || !err || strstr(err->msg, "newer rsmfs"))
		return r;
	snprintf(words, sizeof words, "%s", err->msg);
	return rsm_err_set(err, EBADMSG,
			   "%.300s; move it away to have the catalogue made again from the media",
			   words);
}

static int make_system_pools(struct rsm_catalog *catalog, struct rsm_err *err)
{
	static const struct {
		enum rsm_pool_kind kind;
		const char *name;
	} pools[] = {
		{ RSM_POOL_SCRATCH, "Free" },
		{ RSM_POOL_FOREIGN, "Unrecognized" },
		{ RSM_POOL_IMPORT, "Import" },
	};
	struct timespec now;
	int r = 0;

	rsm_catalog_now(catalog, &now);
	for (size_t i = 0; r == 0 && i < sizeof pools / sizeof pools[0]; i++) {
		char guid[RSM_GUID_SIZE];

		rsm_catalog_new_guid(guid);
		r = rsm_catalog_run(
			catalog, err,
			"INSERT INTO pool (guid, name, nfc, kind, holds, media_type, "
			"draw_from_free, return_to_free, allocation_limit, max_allocations, mode, "
			"owner, \"group\", created, modified, changed) "
			"SELECT ?1, ?2, ?2, ?3, 2, '', 0, 0, 0, 0, 493, 0, 0, ?4, ?4, ?4 "
			"WHERE NOT EXISTS (SELECT 1 FROM pool WHERE kind = ?3 AND parent IS NULL)",
			"ssdt", guid, pools[i].name, (int)pools[i].kind, &now);
	}
	return r;
}

/* Catalogues of older versions do not know when a medium was last given back. */
static int add_released(sqlite3 *db, struct rsm_err *err)
{
	sqlite3_int64 known;
	int r = rsm_sqlite_number(db,
				  "SELECT count(*) FROM pragma_table_info('side') WHERE name = "
				  "'released'",
				  &known, err);

	if (r < 0 || known)
		return r;
	return rsm_sqlite_exec(db,
			       "ALTER TABLE side ADD COLUMN released INTEGER NOT NULL DEFAULT 0; "
			       "DROP INDEX IF EXISTS side_choice; "
			       "CREATE INDEX side_choice ON side (pool, rank, mounts, released, "
			       "shown) WHERE ready = 1 AND state IN (1, 4) AND duplicate = 0",
			       err);
}

/* Nor that what was deallocated was complete. */
static int add_former_complete(sqlite3 *db, struct rsm_err *err)
{
	sqlite3_int64 known;
	int r = rsm_sqlite_number(db,
				  "SELECT count(*) FROM pragma_table_info('former') WHERE name = "
				  "'complete'",
				  &known, err);

	if (r < 0 || known)
		return r;
	return rsm_sqlite_exec(db,
			       "ALTER TABLE former ADD COLUMN complete INTEGER NOT NULL DEFAULT 0 "
			       "CHECK (complete IN (0, 1))",
			       err);
}

/* Nor do they take work items of kinds that ntmsapi.h has not: rebuilt, and numbers go on. */
static int widen_work_items(sqlite3 *db, struct rsm_err *err)
{
	sqlite3_int64 narrow;
	int r = rsm_sqlite_number(db,
				  "SELECT count(*) FROM sqlite_schema WHERE name = 'work_item' AND "
				  "sql LIKE '%BETWEEN 0 AND 21%'",
				  &narrow, err);

	if (r < 0 || !narrow)
		return r;
	return rsm_sqlite_exec(
		db,
		"CREATE TABLE work_item_wide (id INTEGER PRIMARY KEY AUTOINCREMENT, "
		"kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 99), "
		"state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 8), "
		"medium INTEGER NOT NULL, library INTEGER NOT NULL, drive INTEGER NOT NULL, "
		"priority INTEGER NOT NULL, user INTEGER NOT NULL, text TEXT NOT NULL, "
		"queued INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0, "
		"CHECK ((state IN (2, 3, 4, 7, 8)) = (ended <> 0))) STRICT; "
		"INSERT INTO work_item_wide SELECT id, kind, state, medium, library, drive, "
		"priority, user, text, queued, ended FROM work_item; "
		"DELETE FROM sqlite_sequence WHERE name = 'work_item_wide'; "
		"INSERT INTO sqlite_sequence (name, seq) SELECT 'work_item_wide', seq FROM "
		"sqlite_sequence WHERE name = 'work_item'; "
		"DROP TABLE work_item; "
		"ALTER TABLE work_item_wide RENAME TO work_item; "
		"CREATE INDEX work_item_open ON work_item (id) WHERE ended = 0; "
		"CREATE INDEX work_item_ended ON work_item (ended) WHERE ended <> 0",
		err);
}

static int set_up(struct rsm_catalog *catalog, bool is_new, struct rsm_err *err)
{
	int r;

	r = rsm_sqlite_exec(catalog->db,
			    "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; "
			    "PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; "
			    "PRAGMA cache_size = -8192",
			    err);
	if (r == 0)
		r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);
	if (r < 0)
		return r;
	if (is_new)
		r = rsm_sqlite_exec(catalog->db, schema, err);
	if (r == 0)
		r = add_released(catalog->db, err);
	if (r == 0)
		r = widen_work_items(catalog->db, err);
	if (r == 0)
		r = rsm_sqlite_exec(catalog->db, records, err);
	if (r == 0)
		r = rsm_sqlite_exec(catalog->db, allocation_schema, err);
	if (r == 0)
		r = add_former_complete(catalog->db, err);
	if (r == 0)
		r = rsm_sqlite_exec(catalog->db, media_schema, err);
	if (r == 0)
		r = make_system_pools(catalog, err);
	/* whoever is served registers again */
	if (r == 0)
		r = rsm_catalog_run(catalog, err, "UPDATE library SET present = 0", "");
	return rsm_catalog_end_locked(catalog, r, err);
}

/* Names of other people's pools stand in it. SQLite gives the files beside it the same mode. */
static int make_private(const char *path, struct rsm_err *err)
{
	RSM_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? rsm_err_errno(err, "%s", path) : 0;
}

int rsm_catalog_open(const char *folder, struct rsm_clock *clock, struct rsm_catalog **ret_catalog,
		     struct rsm_err *err)
{
	RSM_CLEANUP(rsm_catalog_close) struct rsm_catalog *catalog = NULL;
	bool is_new = false, check_later = false;
	int r;

	r = rsm_file_make_folders(folder, 0755, err);
	if (r == 0)
		r = refuse_network(folder, err);
	if (r < 0)
		return r;
	catalog = calloc(1, sizeof *catalog);
	if (!catalog)
		return rsm_err_oom(err);
	rsm_mutex_init(&catalog->exporting);
	rsm_mutex_init(&catalog->lock);
	rsm_cond_init(&catalog->subscriber_idle);
	catalog->clock = clock;
	if (asprintf(&catalog->path, "%s/catalog.db", folder) < 0) {
		catalog->path = NULL;
		return rsm_err_oom(err);
	}
	r = make_private(catalog->path, err);
	if (r == 0)
		r = rsm_sqlite_open(catalog->path, SQLITE_OPEN_READWRITE, &catalog->db, err);
	if (r == 0)
		r = check_database(catalog->db, catalog->path, &is_new, &check_later, err);
	if (r == 0)
		r = set_up(catalog, is_new, err);
	if (r == 0 && check_later)
		r = rsm_catalog_check_start(catalog, &catalog->check, err);
	r = advise(r, err);
	if (r < 0)
		return r;
	catalog->is_new = is_new;
	*ret_catalog = RSM_STEAL(catalog);
	return 0;
}

void rsm_catalog_close(struct rsm_catalog *catalog)
{
	if (!catalog)
		return;
	rsm_catalog_check_stop(catalog->check);
	for (size_t i = 0; i < RSM_CATALOG_STATEMENTS; i++)
		sqlite3_finalize(catalog->statements[i].statement);
	rsm_sqlite_close(catalog->db);
	free(catalog->media);
	pthread_cond_destroy(&catalog->subscriber_idle);
	rsm_mutex_fini(&catalog->lock);
	rsm_mutex_fini(&catalog->exporting);
	free(catalog->path);
	free(catalog);
}
