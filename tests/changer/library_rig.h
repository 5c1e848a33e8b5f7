/* library_rig.h - for tests: a virtual library in a folder of its own, with its drivers. */
#ifndef RSM_TESTS_LIBRARY_RIG_H
#define RSM_TESTS_LIBRARY_RIG_H

#include <stdbool.h>

#include "base/clock.h"
#include "changer/emulator/emulator.h"
#include "changer/emulator/library_folder.h"
#include "changer/medium_changer.h"
#include "changer/medium_memory.h"
#include "changer/sense.h"
#include "changer/tape_drive.h"

struct rig {
	char folder[64];
	struct rsm_clock_virtual clock;
	struct rsm_emulator *emulator;
	struct rsm_medium_changer *changer;
	struct rsm_tape_drive *drive;		/* 256 */
	struct rsm_scsi_transport *raw_changer; /* the same devices, for CDBs by hand */
	struct rsm_scsi_transport *raw_drive;
	struct rsm_err err;
};

/* As cmocka fixtures: *state is the rig. The library has 2 drives, 8 slots, 2 ports, 4 cartridges.
 */
int rig_set_up(void **state);
int rig_tear_down(void **state);

/* Makes the library anew with this shape, and these lines added to its library.conf. */
void rig_make(struct rig *rig, const struct rsm_library_shape *shape, const char *conf);

void rig_open(struct rig *rig);
void rig_close(struct rig *rig);

/* "FOLDER/name"; one of a few static buffers. */
const char *rig_path(const struct rig *rig, const char *format, ...) RSM_PRINTF(2, 3);
bool rig_is_there(const struct rig *rig, const char *name);
void rig_run(const struct rig *rig, const char *format, ...) RSM_PRINTF(2, 3); /* a shell command */

void rig_move(struct rig *rig, uint16_t source, uint16_t destination);
/* The tag of an element by an inventory; "" if it is empty. */
const char *rig_tag(struct rig *rig, uint16_t address);

/* Moves a cartridge from a slot to drive 256 and loads it; and back. */
void rig_load(struct rig *rig, uint16_t slot);
void rig_unload(struct rig *rig, uint16_t slot);

/* Sends a CDB given in hex; swallows unit attentions first. */
struct rsm_sense rig_send(struct rsm_scsi_transport *transport, const char *cdb,
			  enum rsm_scsi_direction direction, void *data, size_t size,
			  size_t *ret_moved);
void rig_assert_sense(const struct rsm_sense *sense, uint8_t key, uint8_t asc, uint8_t ascq);

#endif
