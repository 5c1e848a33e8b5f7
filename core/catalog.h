/* catalog.h - what rsmfs knows of libraries, media and pools: one SQLite database, one connection.
 *
 * Opens, migrates and locks the database; the nouns (pool.h, media.h, allocation.h, inventory.h,
 * operator_request.h, work_item.h, event.h) are its tables' only users and hold one transaction a
 * call. Commits survive the death of the process (WAL, synchronous NORMAL); changes that the medium
 * cannot give back (allocation, deallocation, pools) are committed with FULL.
 * Threads: any; one lock inside. Lock order: everything else comes before it.
 */
#ifndef RSM_CORE_CATALOG_H
#define RSM_CORE_CATALOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

struct rsm_catalog;

/* Opens <folder>/catalog.db, made if missing; `folder` is made too. Refuses a network file system
 * and a database by a newer rsmfs or a damaged one (-EBADMSG, nothing changed; a big one is checked
 * while it serves: catalog_check.h).
 */
RSM_MUST_CHECK int rsm_catalog_open(const char *folder, struct rsm_clock *clock,
				    struct rsm_catalog **ret_catalog, struct rsm_err *err);
void rsm_catalog_close(struct rsm_catalog *catalog);
RSM_DEFINE_CLEANUP(rsm_catalog_close, struct rsm_catalog)

/* A consistent copy of the database in a file (rsm export): written beside it, synchronised, and
 * put in its place. Others use the catalogue meanwhile.
 */
RSM_MUST_CHECK int rsm_catalog_export(struct rsm_catalog *catalog, const char *file,
				      struct rsm_err *err);

enum { RSM_NAME_SIZE = 256, RSM_GUID_SIZE = 37, RSM_BARCODE_SIZE = 65, RSM_TYPE_SIZE = 32 };

#endif
