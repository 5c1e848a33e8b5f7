/* retention.h - how long work items and operator requests are kept once they have ended
 * (rsm-model.md 2, computer; 13; ntmsapi's purge times of NTMS_COMPUTERINFORMATION).
 */
#ifndef RSM_CORE_RETENTION_H
#define RSM_CORE_RETENTION_H

#include "core/catalog.h"

enum rsm_retention_what {
	RSM_KEEP_ITEMS,	       /* work items: 30 days */
	RSM_KEEP_FAILED_ITEMS, /* those that failed: 90 days */
	RSM_KEEP_REQUESTS,     /* operator requests: 30 days */
	RSM_KEEP_KINDS
};
enum { RSM_KEEP_FOR_EVER = -1, RSM_KEEP_DAYS_MAX = 36500 };

const char *rsm_retention_name(enum rsm_retention_what what); /* "keep_items" ... */

RSM_MUST_CHECK int rsm_retention_get(struct rsm_catalog *catalog, enum rsm_retention_what what,
				     int64_t *ret_days, struct rsm_err *err);
/* days RSM_KEEP_FOR_EVER, or 0 to RSM_KEEP_DAYS_MAX (else -ERANGE). */
RSM_MUST_CHECK int rsm_retention_set(struct rsm_catalog *catalog, enum rsm_retention_what what,
				     int64_t days, struct rsm_err *err);
/* What has ended longer ago than that goes, and the descriptions of what is gone. */
RSM_MUST_CHECK int rsm_retention_purge(struct rsm_catalog *catalog, struct rsm_err *err);

#endif
