/* elements_warm.h - brings the folders of a big library's slots to memory, many at a time.
 *
 * What a slot holds is found by a look into its folder, one after the other; where that is not in
 * memory each look waits for the disk, and tens of thousands take many seconds. A disk answers
 * dozens of such questions at once as fast as one. So some threads only look, keep nothing of it,
 * and the look that counts, which comes after them, does not wait. Threads: the caller's, and its
 * own, which have ended when it returns.
 */
#ifndef RSM_CHANGER_EMULATOR_ELEMENTS_WARM_H
#define RSM_CHANGER_EMULATOR_ELEMENTS_WARM_H

#include "changer/emulator/element_memo.h"
#include "changer/emulator/elements_private.h"

/* Slots that `memo` (may be NULL) knows are only looked at, not into. */
void rsm_elements_warm(const struct rsm_elements *elements, const struct rsm_element_memo *memo);

#endif
