/* hand.h - stand-alone drives: a library of one drive, whose robot is a person (rsm-model.md 8.6).
 *
 * What is in the drive is in the library, everything else is off-line. A cartridge that is wanted
 * and is not in the drive is asked for (operator request MOVE_MEDIA), what lies idle in the drive
 * is unloaded for it, and whoever wants it goes on when it is put in: the drive's thread looks
 * what is there and by its label who it is. Another one that comes instead is identified, told,
 * and given back.
 *
 * At rest a cartridge stays in the drive, rewound and free to be taken out. A death leaves nothing
 * behind but that: the next start looks what is in the drive, by its label.
 */
#ifndef RSM_CORE_HAND_H
#define RSM_CORE_HAND_H

#include "core/drive_private.h"

bool rsm_hand_is(const struct rsm_library *library);

/* ---- who is wanted ---- */

/* Into which a person could put the off-line cartridge; NULL: there is none. */
struct rsm_drive_worker *rsm_hand_drive_locked(const struct rsm_cartridge *cartridge);
/* Is an off-line cartridge waited for, or is that an error at once? */
bool rsm_hand_waits_locked(const struct rsm_cartridge *cartridge);
/* Has a person been asked to bring one to this drive? */
bool rsm_hand_is_wanted_locked(const struct rsm_drive_worker *worker);
/* Asks for an off-line cartridge that somebody waits for, once. False: there is no drive for it.
 * Without the lock.
 */
bool rsm_hand_ask(struct rsm_manager *manager, struct rsm_cartridge *cartridge);
/* The operator does not bring it: what nobody waits for does not ask again for a while. */
void rsm_hand_refused_locked(struct rsm_cartridge *cartridge, const struct rsm_err *refusal);
/* The housekeeper's: asks for what has come due, withdraws what nobody wants any more. */
void rsm_hand_tend(struct rsm_library *library);

/* ---- by the drive's thread ---- */

/* Before the threads run: what is in the drive. */
void rsm_hand_begin(struct rsm_library *library);
/* Its drive has no cartridge at work: looks what is in it, gives it back if it is in the way.
 * Returns when to look again.
 */
int64_t rsm_hand_look(struct rsm_drive_worker *worker);
/* What is in the drive is to be left for a person to take. */
bool rsm_hand_holds_back_locked(struct rsm_drive_worker *worker);
/* The cartridge at work in it was taken out, or is another one; then it is let go of. */
bool rsm_hand_has_lost(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge);
/* Instead of going home: out of the drive if somebody wants it out or another one in, else it
 * stays there.
 */
RSM_MUST_CHECK int rsm_hand_lay_down(struct rsm_drive_worker *worker,
				     struct rsm_cartridge *cartridge, struct rsm_err *err);
/* It is loaded (0), or LOAD has ended so. */
void rsm_hand_note_load(struct rsm_drive_worker *worker, int r);

/* ---- by others ---- */

/* Has the thread look now, and waits for it, but not for a drive at work. */
RSM_MUST_CHECK int rsm_hand_look_now(struct rsm_library *library, const atomic_bool *cancel,
				     struct rsm_err *err);
/* Unloads what lies idle in the drive; `away`: from then on it is off-line, for a person is to take
 * it. -EBUSY: it is at work.
 */
RSM_MUST_CHECK int rsm_hand_give_out(struct rsm_library *library, bool away,
				     const atomic_bool *cancel, struct rsm_err *err);

#endif
