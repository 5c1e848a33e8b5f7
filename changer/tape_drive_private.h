/* tape_drive_private.h - what tape_drive.c (motion, blocks) and tape_medium.c (modes, format)
 * share.
 */
#ifndef RSM_CHANGER_TAPE_DRIVE_PRIVATE_H
#define RSM_CHANGER_TAPE_DRIVE_PRIVATE_H

#include "changer/sense.h"
#include "changer/tape_drive.h"

enum {
	RSM_TAPE_QUICK_MS = 60 * 1000,
	RSM_TAPE_DATA_MS = 3 * 60 * 1000,
	RSM_TAPE_MOTION_MS = 20 * 60 * 1000,
	RSM_TAPE_FORMAT_MS = 4 * 60 * 60 * 1000,

	RSM_TAPE_MAX_TRANSFER = 0xFFFFFF, /* READ(6) and WRITE(6) have 24 bits */
};

struct rsm_tape_drive {
	struct rsm_scsi_transport *transport;
	struct rsm_device_identity identity;
	bool in_use;  /* ready was told to the caller: from now on an attention is a surprise */
	bool changed; /* a surprise that _poll has not told yet */
	bool lost;    /* since a surprise nothing was loaded: whose medium is this? */
	bool adrift;  /* nor was it positioned */
	bool seated;  /* when _poll found no medium: a cartridge stands in it all the same */
	bool anew;    /* and it was put there since the last _poll */
	uint64_t bytes_read, bytes_written;
	bool six; /* knows the mode commands of 6 bytes only */
};

static inline struct rsm_scsi_command rsm_tape_command(uint8_t opcode, uint8_t cdb_length,
						       unsigned timeout_ms)
{
	return (struct rsm_scsi_command){
		.cdb = { opcode },
		.cdb_length = cdb_length,
		.timeout_ms = timeout_ms,
	};
}

/* Done, whatever else the sense data tell (recovered error, cleaning wanted, early warning). */
static inline bool rsm_tape_is_good(const struct rsm_sense *sense)
{
	return sense->cause == RSM_CAUSE_NONE ||
	       (sense->key <= 0x1 && !sense->filemark && !sense->ili &&
		sense->cause != RSM_CAUSE_BEGINNING_OF_PARTITION && sense->cause != RSM_CAUSE_BUSY);
}

/* The error for an answer that is not good. -EOPNOTSUPP: the drive does not know the command. */
int rsm_tape_drive_refuse(const struct rsm_tape_drive *drive,
			  const struct rsm_scsi_command *command, const struct rsm_sense *sense,
			  struct rsm_err *err);

/* For commands that are done or not, without outcomes. */
RSM_MUST_CHECK int rsm_tape_drive_run_plainly(struct rsm_tape_drive *drive,
					      const struct rsm_scsi_command *command,
					      struct rsm_err *err);

/* Variable block mode and buffered mode 1, which a load or a reset may have undone. */
RSM_MUST_CHECK int rsm_tape_drive_set_block_mode(struct rsm_tape_drive *drive, struct rsm_err *err);

#endif
