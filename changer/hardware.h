/* hardware.h - a library as the upper floor gets it: one changer (or none) and its drives.
 *
 * Knows what LIBRARY on the command line may be: a folder (virtual library, emulator/), a SCSI
 * medium changer (its drives found by the serial numbers it reports), or a single tape drive.
 */
#ifndef RSM_CHANGER_HARDWARE_H
#define RSM_CHANGER_HARDWARE_H

#include "changer/media_type.h"
#include "changer/medium_changer.h"
#include "changer/tape_drive.h"

struct rsm_hardware_drive {
	struct rsm_tape_drive *drive; /* owned by the hardware */
	uint16_t element;	      /* data transfer element; 1 for a stand-alone drive */
	char node[64];		      /* "/dev/sg3"; "" for an emulated one */
	char type[16];		      /* the newest that it writes: "LTO-8" */
	struct rsm_media_reach reach; /* all that it reads and writes */
};

struct rsm_hardware {
	char source[4096]; /* LIBRARY as given; a folder as absolute path */
	bool is_virtual;
	bool is_instant;		    /* virtual, and robot and drives take no time */
	struct rsm_medium_changer *changer; /* NULL: stand-alone drive, the operator is the robot */
	struct rsm_hardware_drive *drives;  /* ordered by element */
	size_t drive_count;
	struct rsm_emulator *emulator; /* of a virtual library, else NULL */
};

struct rsm_hardware_options {
	const char *drives; /* "/dev/sg1:/dev/sg2" instead of discovery, or NULL */
	bool trace;	    /* wrap each transport by scsi_trace */
};

/* Opens LIBRARY. A virtual library must exist (rsm_library_folder_create makes one).
 * Errors name the path or node and what is wrong with it.
 */
RSM_MUST_CHECK int rsm_hardware_open(const char *library,
				     const struct rsm_hardware_options *options,
				     struct rsm_hardware **ret_hardware, struct rsm_err *err);
void rsm_hardware_close(struct rsm_hardware *hardware);
RSM_DEFINE_CLEANUP(rsm_hardware_close, struct rsm_hardware)

#endif
