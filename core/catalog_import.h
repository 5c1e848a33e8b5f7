/* catalog_import.h - what a backup of the catalogue knows is added to the one in use.
 *
 * A merge: nothing that is known here is changed by what an older copy says of it, and what is on a
 * medium wins over both. Pools that are missing are made; those that were made again (from media,
 * or by hand) get their rights, policies and limits back. Cartridges that are not known here are
 * added as off-line ones, with name, owner and LMID; the label decides when they come. An imported
 * volume of which the backup knows the owner becomes his again. Work items, requests, events and
 * places are not taken.
 */
#ifndef RSM_CORE_CATALOG_IMPORT_H
#define RSM_CORE_CATALOG_IMPORT_H

#include <stdatomic.h>

#include "core/catalog.h"

struct rsm_catalog_import {
	const char *file;	   /* a copy that nobody else writes to */
	const atomic_bool *cancel; /* or NULL */
	void (*progress)(void *context, uint64_t done, uint64_t total, const char *what);
	void *context;
	/* filled in */
	uint64_t pools_made, pools_changed;
	uint64_t media_added;  /* off-line now */
	uint64_t media_taken;  /* out of Import */
	uint64_t media_known;  /* already, or the label will tell */
	uint64_t media_passed; /* not taken: superseded, or their pool cannot be made */
};

/* -EBADMSG: no catalogue, a damaged one, or one that says what cannot be; nothing is changed then.
 * -EINTR. Can be repeated.
 */
RSM_MUST_CHECK int rsm_catalog_import(struct rsm_catalog *catalog,
				      struct rsm_catalog_import *import, struct rsm_err *err);

/* An import has added it, and no drive has seen it since: its label is to be looked at as that of
 * an unknown one.
 */
bool rsm_medium_is_doubtful(struct rsm_catalog *catalog, int64_t medium);

/* Was this catalogue made when it was opened? */
bool rsm_catalog_is_new(const struct rsm_catalog *catalog);

#endif
