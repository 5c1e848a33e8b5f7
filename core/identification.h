/* identification.h - what a label means for the medium that bears it (rsm-model.md 5).
 *
 * Where media go by their label is rsm_medium_identified (media.h); here is what those need who
 * look at labels or show them.
 */
#ifndef RSM_CORE_IDENTIFICATION_H
#define RSM_CORE_IDENTIFICATION_H

#include "base/text.h"
#include "core/media.h"

/* For people: kind and name, "tar etc/passwd", "ANSI VOL1 PAY01 PAYROLL", "LTFS"; "" if nobody has
 * looked at it yet.
 */
void rsm_identification_label_text(const struct rsm_medium *medium, struct rsm_text *ret_text);

/* ---- a cartridge that is not who it was taken for ---- */

/* What lies in the drive where `id` was thought to be bears the label `found` (for people), and is
 * somebody else: `id` goes off-line with all that it has, a medium that nobody has looked at yet
 * takes its place, its barcode and its home. *ret_medium is the new one. ABSENT: it is known by now
 * that `id` is elsewhere; nothing is changed.
 */
RSM_MUST_CHECK int rsm_identification_displace(struct rsm_catalog *catalog, int64_t id,
					       uint32_t drive, const char *found,
					       struct rsm_medium *ret_medium, struct rsm_err *err);
#define RSM_HEALTH_DISPLACED "its place holds another cartridge"
/* A copy of the volume that is marked as such; with the owner gone it may be no copy. ABSENT. */
RSM_MUST_CHECK int rsm_identification_find_copy(struct rsm_catalog *catalog,
						const char *volume_uuid, int64_t *ret_id,
						struct rsm_err *err);

/* ---- who is to be looked at next: each call is one step in an index ---- */

/* The next medium of the library, by id behind `after`, that nobody has looked at yet and that a
 * drive can have. Outcome RSM_MEDIUM_ABSENT.
 */
RSM_MUST_CHECK int rsm_identification_next_unknown(struct rsm_catalog *catalog, int64_t library,
						   int64_t after, int64_t *ret_id,
						   struct rsm_err *err);

struct rsm_identification_place {
	enum rsm_location_kind location;
	uint32_t element;
	int64_t side; /* that was found there; 0: none yet */
};
/* The next medium of the library behind *place, slots first, then drives, whatever is known of it;
 * *place becomes its own. Its second side follows it, wherever that one is by then. Cleaners and
 * what lies in a port are passed over. Outcome ABSENT.
 */
RSM_MUST_CHECK int rsm_identification_next_place(struct rsm_catalog *catalog, int64_t library,
						 struct rsm_identification_place *place,
						 int64_t *ret_id, struct rsm_err *err);
/* How many _next_place finds from the beginning. */
RSM_MUST_CHECK int rsm_identification_count(struct rsm_catalog *catalog, int64_t library,
					    uint64_t *ret_count, struct rsm_err *err);

#endif
