#include "core/sqlite.h"

static int is_full(int code)
{
	return code == ENOSPC || code == EDQUOT;
}

static int code_of(sqlite3 *db, int result)
{
	int system = db ? sqlite3_system_errno(db) : 0;

	if (result == SQLITE_IOERR_NOMEM)
		return ENOMEM;
	switch (result & 0xff) {
	case SQLITE_NOMEM: return ENOMEM;
	case SQLITE_FULL: return ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return EBADMSG;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return EBUSY;
	case SQLITE_READONLY: return EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH: return EACCES;
	case SQLITE_CONSTRAINT: return EEXIST;
	case SQLITE_TOOBIG: return EFBIG;
	case SQLITE_CANTOPEN: return system ? system : EIO;
	/* the files beside the database (-wal, -shm) report a full disk this way */
	case SQLITE_IOERR: return is_full(system) ? ENOSPC : EIO;
	default: return EIO;
	}
}

int rsm_sqlite_error_at(struct rsm_err *err, const char *file, int line, sqlite3 *db, int result,
			const char *what)
{
	const char *path = db ? sqlite3_db_filename(db, "main") : NULL;
	int code = code_of(db, result);
	const char *words;

	if (db && (sqlite3_extended_errcode(db) & 0xff) == (result & 0xff))
		words = sqlite3_errmsg(db);
	else
		words = sqlite3_errstr(result);
	if (!what)
		what = path && *path ? path : "database";
	return rsm_err_set_at(err, file, line, code, "%s: %s", what, words);
}

int rsm_sqlite_open(const char *path, int flags, sqlite3 **ret_db, struct rsm_err *err)
{
	sqlite3 *db = NULL;
	int r;

	flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	r = sqlite3_open_v2(path, &db, flags, NULL);
	if (r != SQLITE_OK) {
		r = rsm_sqlite_error(err, db, r, path);
		sqlite3_close(db);
		return r;
	}
	/* nobody else writes; but a person's sqlite3 shell may look for a moment */
	sqlite3_busy_timeout(db, 2000);
	*ret_db = db;
	return 0;
}

void rsm_sqlite_close(sqlite3 *db)
{
	sqlite3_close_v2(db);
}

int rsm_sqlite_exec(sqlite3 *db, const char *sql, struct rsm_err *err)
{
	int r = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return r == SQLITE_OK ? 0 : rsm_sqlite_error(err, db, r, NULL);
}

int rsm_sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement,
		       struct rsm_err *err)
{
	int r = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL);

	return r == SQLITE_OK ? 0 : rsm_sqlite_error(err, db, r, NULL);
}

int rsm_sqlite_step(sqlite3_stmt *statement, struct rsm_err *err)
{
	int r;

	if (!statement)
		return rsm_err_set(err, EIO, "the database is closed after an error");
	r = sqlite3_step(statement);
	if (r == SQLITE_ROW)
		return 0;
	if (r == SQLITE_DONE) {
		sqlite3_reset(statement);
		return RSM_SQLITE_DONE;
	}
	r = rsm_sqlite_error(err, sqlite3_db_handle(statement), r, NULL);
	sqlite3_reset(statement);
	return r;
}

int rsm_sqlite_run(sqlite3_stmt *statement, struct rsm_err *err)
{
	int r;

	do
		r = rsm_sqlite_step(statement, err);
	while (r == 0);
	return r == RSM_SQLITE_DONE ? 0 : r;
}

int rsm_sqlite_number(sqlite3 *db, const char *sql, sqlite3_int64 *ret_number, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *statement = NULL;
	int r = rsm_sqlite_prepare(db, sql, &statement, err);

	if (r == 0)
		r = rsm_sqlite_step(statement, err);
	if (r < 0)
		return r;
	if (r == RSM_SQLITE_DONE)
		return rsm_err_set(err, EIO, "%s: no row", sql);
	*ret_number = sqlite3_column_int64(statement, 0);
	return 0;
}
