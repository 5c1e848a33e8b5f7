/* catalog_check.h - is the catalogue's database whole?
 *
 * A small one is read through before it is used: nothing is written into a damaged one. A big one
 * (100,000 cartridges) takes seconds: it is read by a thread with a connection of its own while it
 * serves, and damage is logged as an error and told by an event.
 */
#ifndef RSM_CORE_CATALOG_CHECK_H
#define RSM_CORE_CATALOG_CHECK_H

#include <stdbool.h>

#include "core/sqlite.h"

struct rsm_catalog;
struct rsm_catalog_check;

/* 0: it is whole; -EBADMSG, in SQLite's words. */
RSM_MUST_CHECK int rsm_catalog_check_now(sqlite3 *db, const char *path, struct rsm_err *err);
/* Is it so big that it is checked while it serves? */
RSM_MUST_CHECK int rsm_catalog_check_is_long(sqlite3 *db, bool *ret_is_long, struct rsm_err *err);
/* Starts the thread; without the catalogue's lock. */
RSM_MUST_CHECK int rsm_catalog_check_start(struct rsm_catalog *catalog,
					   struct rsm_catalog_check **ret_check,
					   struct rsm_err *err);
/* Ends it, done or not. NULL is fine. */
void rsm_catalog_check_stop(struct rsm_catalog_check *check);

#endif
