/* sqlite.h - SQLite as the databases here use it: errors in our words, statements in few lines.
 *
 * The one place that translates SQLite's result codes. Knows no schema.
 * Threads: connections are opened without a mutex of their own; who has one has a lock around it.
 */
#ifndef RSM_CORE_SQLITE_H
#define RSM_CORE_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/err.h"

/* Raises what `result` (a code of SQLite's that is an error) says about `db` (may be NULL). `what`:
 * the object as people see it; NULL: the database's path.
 */
#define rsm_sqlite_error(err, db, result, what)                                                    \
	rsm_sqlite_error_at((err), __FILE__, __LINE__, (db), (result), (what))
int rsm_sqlite_error_at(struct rsm_err *err, const char *file, int line, sqlite3 *db, int result,
			const char *what);

/* flags: SQLITE_OPEN_*; NOMUTEX and extended codes are always set. */
RSM_MUST_CHECK int rsm_sqlite_open(const char *path, int flags, sqlite3 **ret_db,
				   struct rsm_err *err);
/* Closes; statements must be finalized. NULL is fine. */
void rsm_sqlite_close(sqlite3 *db);

RSM_MUST_CHECK int rsm_sqlite_exec(sqlite3 *db, const char *sql, struct rsm_err *err);
/* A statement that lives as long as the connection. */
RSM_MUST_CHECK int rsm_sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement,
				      struct rsm_err *err);

enum rsm_sqlite_outcome { RSM_SQLITE_DONE = 1 };

/* 0: a row. Outcome DONE: no more; the statement is reset then, and after an error. A statement
 * that is NULL (its connection was lost) is -EIO.
 */
RSM_MUST_CHECK int rsm_sqlite_step(sqlite3_stmt *statement, struct rsm_err *err);
/* Steps a statement that yields no rows to its end, and resets it. */
RSM_MUST_CHECK int rsm_sqlite_run(sqlite3_stmt *statement, struct rsm_err *err);
/* The one number that the text yields. */
RSM_MUST_CHECK int rsm_sqlite_number(sqlite3 *db, const char *sql, sqlite3_int64 *ret_number,
				     struct rsm_err *err);

/* Resets a statement at the end of the scope, on every way out. */
static inline void rsm_sqlite_reset_scope(sqlite3_stmt **statement)
{
	sqlite3_reset(*statement);
}
#define RSM_SQLITE_RESET __attribute__((cleanup(rsm_sqlite_reset_scope)))

static inline void rsm_sqlite_finalize_scope(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}
#define RSM_SQLITE_FINALIZE __attribute__((cleanup(rsm_sqlite_finalize_scope)))

static inline void rsm_sqlite_close_scope(sqlite3 **db)
{
	rsm_sqlite_close(*db);
}
#define RSM_SQLITE_CLOSE __attribute__((cleanup(rsm_sqlite_close_scope)))

#endif
