/* catalog_import_private.h - one import of a backup of the catalogue, between its files.
 *
 * All of it belongs to the caller of rsm_catalog_import, in his thread; what is taken is taken
 * below the catalogue's lock, which the functions of a single row want held.
 */
#ifndef RSM_CORE_CATALOG_IMPORT_PRIVATE_H
#define RSM_CORE_CATALOG_IMPORT_PRIVATE_H

#include "core/catalog_import.h"
#include "core/catalog_private.h"

struct rsm_import_pair {
	int64_t theirs, ours; /* 0: it could not be made */
};

struct rsm_importing {
	struct rsm_catalog *catalog;
	struct rsm_catalog_import *import;
	sqlite3 *db;
	sqlite3_stmt *pools, *media, *xattrs; /* of the backup */
	sqlite3_stmt *records, *copies;	      /* the same, or NULL */
	struct rsm_import_pair *pairs;	      /* pools that were met */
	size_t pair_count, pair_room;
	uint64_t total, done; /* cartridges */
};

/* ---- catalog_import.c ---- */

bool rsm_import_is_cancelled(const struct rsm_importing *it);
/* EBADMSG: the file is no backup that could be believed; `what` is wrong. */
int rsm_import_damaged(const char *what, struct rsm_err *err);

/* ---- catalog_import_pool.c ---- */

/* Looks at each pool of the backup, with `take` makes it here or changes it to what it was; then
 * the catalogue's lock is held and a transaction open.
 */
RSM_MUST_CHECK int rsm_import_each_pool(struct rsm_importing *it, bool take, struct rsm_err *err);
/* The pool here that stands for the backup's; 0: there is none. */
int64_t rsm_import_ours(const struct rsm_importing *it, int64_t theirs);
bool rsm_import_is_guid(const char *text);
/* Extended attributes of a pool or cartridge, where there is none of that name. Lock and
 * transaction as above.
 */
RSM_MUST_CHECK int rsm_import_xattrs(struct rsm_importing *it, const char *kind, int64_t theirs,
				     int64_t our, struct rsm_err *err);

/* ---- catalog_import_medium.c ---- */

/* Looks at each cartridge of the backup, with `take` brings it in, in transactions of its own. */
RSM_MUST_CHECK int rsm_import_each_medium(struct rsm_importing *it, bool take, struct rsm_err *err);

static inline bool rsm_import_is_allocated(const struct rsm_medium *medium)
{
	return medium->state == RSM_MEDIUM_ALLOCATED || medium->state == RSM_MEDIUM_COMPLETE;
}

#endif
