/* cleaner.h - what the catalogue remembers of cleaning: uses that a cleaning cartridge has left,
 * when a drive was cleaned (rsm-model.md 11).
 */
#ifndef RSM_CORE_CLEANER_H
#define RSM_CORE_CLEANER_H

#include "core/media.h"

#define RSM_CLEANER_UNCOUNTED UINT32_MAX /* nobody has said how many it has */

/* RSM_CLEANER_UNCOUNTED or how many cleanings are left. */
RSM_MUST_CHECK int rsm_cleaner_uses(struct rsm_catalog *catalog, const struct rsm_medium *cleaner,
				    uint32_t *ret_uses, struct rsm_err *err);
/* What an operator says, or 0: it is spent. -EMEDIUMTYPE: it is no cleaning cartridge. */
RSM_MUST_CHECK int rsm_cleaner_set_uses(struct rsm_catalog *catalog,
					const struct rsm_medium *cleaner, uint32_t uses,
					struct rsm_err *err);

/* One that can clean: in a slot of the library, enabled, not spent. Outcome RSM_MEDIUM_ABSENT. */
RSM_MUST_CHECK int rsm_cleaner_find(struct rsm_catalog *catalog, int64_t library,
				    struct rsm_medium *ret_cleaner, struct rsm_err *err);

/* The drive has been cleaned with it (NULL: by hand): counts, and notes the time. */
RSM_MUST_CHECK int rsm_cleaner_note_use(struct rsm_catalog *catalog, int64_t drive,
					const struct rsm_medium *cleaner, struct rsm_err *err);
/* Seconds since 1970, 0: never that we know of. */
RSM_MUST_CHECK int rsm_cleaner_last(struct rsm_catalog *catalog, int64_t drive, int64_t *ret_time,
				    struct rsm_err *err);

/* ---- the cleaner's slot of a library (ntmsapi ReserveNtmsCleanerSlot) ----
 *
 * For cleaning cartridges whose barcode does not tell: what lies there, and what comes there and is
 * known to nobody, is one. Others are not put there.
 */

/* 0: there is none. */
RSM_MUST_CHECK int rsm_cleaner_slot(struct rsm_catalog *catalog, int64_t library,
				    uint32_t *ret_slot, struct rsm_err *err);
/* -EEXIST: another slot is it. -EBUSY: what lies there is allocated. -EMEDIUMTYPE: it bears a
 * label. Not `is`: what lies there is to be looked at, unless its barcode tells. -ENOENT: it was
 * not it. *ret_medium: what lies there, id 0 if nothing does; *ret_changed: it is one now, or none
 * any more.
 */
RSM_MUST_CHECK int rsm_cleaner_set_slot(struct rsm_catalog *catalog, int64_t library, uint32_t slot,
					bool is, struct rsm_medium *ret_medium, bool *ret_changed,
					struct rsm_err *err);

#endif
