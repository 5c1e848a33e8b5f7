/* emulated_drive.h - a tape drive of a virtual library as a device server (SSC-4). */
#ifndef RSM_CHANGER_EMULATOR_EMULATED_DRIVE_H
#define RSM_CHANGER_EMULATOR_EMULATED_DRIVE_H

#include "changer/emulator/device.h"

struct rsm_emulated_drive;

/* `address` names the folder drives/ADDRESS. A BUSY file that a crash left there is removed. */
RSM_MUST_CHECK int rsm_emulated_drive_new(struct rsm_emulator *emulator, uint16_t address,
					  struct rsm_emulated_drive **ret_drive,
					  struct rsm_err *err);
/* Writes down what is known of a loaded cartridge, if there is power. */
void rsm_emulated_drive_free(struct rsm_emulated_drive *drive);

/* A power cut: what it had taken and not synchronised is lost. Called with its device's lock held.
 */
void rsm_emulated_drive_lose(struct rsm_emulated_drive *drive);

struct rsm_device *rsm_emulated_drive_device(struct rsm_emulated_drive *drive);

/* For the changer, which holds its own lock. */

/* A cartridge stands in the drive, by the robot or by hand; NULL: none does any more. */
RSM_MUST_CHECK int rsm_emulated_drive_insert(struct rsm_emulated_drive *drive, const char *name);

/* Makes the drive let go of its cartridge: unloads it. False: removal is prevented. The drive holds
 * still until _gone or _kept is called.
 */
bool rsm_emulated_drive_release(struct rsm_emulated_drive *drive);
void rsm_emulated_drive_gone(struct rsm_emulated_drive *drive);
void rsm_emulated_drive_kept(struct rsm_emulated_drive *drive);

/* True while a cartridge is loaded: the robot cannot grip it at once. Any thread. */
bool rsm_emulated_drive_is_loaded(const struct rsm_emulated_drive *drive);

#endif
