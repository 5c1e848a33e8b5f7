/* elements_first.h - the first look at what all elements hold: what is there is complete.
 *
 * The folders of many slots are looked into many at a time: where they are not in memory each look
 * waits for the disk, which answers dozens of such questions at once as fast as one.
 * Threads: the changer's, before anybody else knows the elements, and its own, which have ended
 * when it returns.
 */
#ifndef RSM_CHANGER_EMULATOR_ELEMENTS_FIRST_H
#define RSM_CHANGER_EMULATOR_ELEMENTS_FIRST_H

#include "changer/emulator/element_memo.h"
#include "changer/emulator/elements_private.h"

/* Slots that `memo` (NULL: none) knows as they are now are not looked into. */
RSM_MUST_CHECK int rsm_elements_look_first(struct rsm_elements *elements,
					   const struct rsm_element_memo *memo,
					   struct rsm_err *err);

#endif
