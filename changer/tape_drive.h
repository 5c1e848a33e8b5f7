/* tape_drive.h - one tape drive: load, position, blocks, filemarks, partitions (SSC-4).
 *
 * Turns calls into CDBs on a scsi_transport, and sense data into outcomes and errors. Does not know
 * what the blocks mean. A block number counts records and filemarks from 0 at the beginning of a
 * partition (the logical object identifier of READ POSITION, long form).
 * Unit attentions that only tell what is known already are consumed; a medium change or reset in
 * the middle of use is -EIO with that cause ("medium may have changed"). From then on nothing is
 * written before a _load, and nothing read before a _locate, whoever has heard of it: -EIO.
 * Threads: one at a time, the drive's worker.
 */
#ifndef RSM_CHANGER_TAPE_DRIVE_H
#define RSM_CHANGER_TAPE_DRIVE_H

#include <stdbool.h>

#include "changer/medium_changer.h"
#include "changer/scsi_transport.h"

struct rsm_tape_drive;

/* INQUIRY and VPD 80h; no medium needed. Takes the transport, also on failure. */
RSM_MUST_CHECK int rsm_tape_drive_new(struct rsm_scsi_transport *transport,
				      struct rsm_tape_drive **ret_drive, struct rsm_err *err);
void rsm_tape_drive_free(struct rsm_tape_drive *drive);
RSM_DEFINE_CLEANUP(rsm_tape_drive_free, struct rsm_tape_drive)

const struct rsm_device_identity *rsm_tape_drive_identity(const struct rsm_tape_drive *drive);

/* The device below, for its name. Borrowed, valid as long as the drive. */
struct rsm_scsi_transport *rsm_tape_drive_transport(struct rsm_tape_drive *drive);

struct rsm_sense;

/* Any command, with this drive's handling of unit attentions and deferred errors: for
 * medium_memory.c and hardware.c, which speak to the same device. *ret_sense is what the device
 * answered; *ret_transferred (may be NULL) counts bytes of data.
 */
RSM_MUST_CHECK int rsm_tape_drive_execute(struct rsm_tape_drive *drive,
					  const struct rsm_scsi_command *command,
					  struct rsm_sense *ret_sense, size_t *ret_transferred,
					  struct rsm_err *err);

enum rsm_tape_outcome {
	RSM_TAPE_NO_MEDIUM = 1,	 /* _poll: the drive is empty, or its cartridge is unloaded */
	RSM_TAPE_BECOMING_READY, /* _poll */
	RSM_TAPE_MEDIUM_CHANGED, /* _poll: somebody put in another cartridge, or the drive was
				    reset in the middle of use: position and modes are lost */
	RSM_TAPE_FILEMARK,	 /* _read, _space_blocks: position is behind the mark */
	RSM_TAPE_END_OF_DATA,	 /* _read, _locate, _space_*: position is at end of data */
	RSM_TAPE_BEGINNING,	 /* _space_filemarks backwards: at block 0 */
	RSM_TAPE_NO_END,	 /* _locate_end: it cannot be found; the position is unknown */
	RSM_TAPE_EARLY_WARNING,	 /* _write, _write_filemarks: it WAS written; the end is near */
	RSM_TAPE_CLEANER_SPENT,	 /* _clean: the cartridge is used up (TapeAlert 22) */
};

/* TEST UNIT READY. 0: loaded and ready. Outcomes: NO_MEDIUM, BECOMING_READY, MEDIUM_CHANGED. */
RSM_MUST_CHECK int rsm_tape_drive_poll(struct rsm_tape_drive *drive, struct rsm_err *err);

/* After _poll has found no medium: a cartridge stands in it, unloaded, and could be loaded.
 * *ret_anew: somebody has put it there since the _poll before, as far as the drive tells.
 */
bool rsm_tape_drive_is_seated(const struct rsm_tape_drive *drive, bool *ret_anew);

/* After such a surprise, until it is loaded again. */
bool rsm_tape_drive_is_lost(const struct rsm_tape_drive *drive);

/* LOAD UNLOAD (load), then waits until ready, at most timeout_ms. Sets variable block mode (block
 * length 0) and buffered mode 1. -ENOMEDIUM: empty. -EMEDIUMTYPE: this drive cannot use it.
 */
RSM_MUST_CHECK int rsm_tape_drive_load(struct rsm_tape_drive *drive, unsigned timeout_ms,
				       struct rsm_err *err);

/* Rewinds, allows removal, LOAD UNLOAD (unload): the robot can take it. An empty drive is fine. */
RSM_MUST_CHECK int rsm_tape_drive_unload(struct rsm_tape_drive *drive, struct rsm_err *err);

RSM_MUST_CHECK int rsm_tape_drive_prevent_removal(struct rsm_tape_drive *drive, bool prevent,
						  struct rsm_err *err);

struct rsm_tape_medium {
	uint8_t density;     /* LTO-5 58h, LTO-6 5Ah, LTO-7 5Ch, LTO-8 5Eh, LTO-9 60h */
	uint8_t medium_type; /* MODE SENSE header, medium type */
	bool write_protected;
	bool worm;
	unsigned partitions;			   /* 1 or more (mode page 11h) */
	uint32_t max_block_bytes, min_block_bytes; /* READ BLOCK LIMITS */
};
/* MODE SENSE(10), READ BLOCK LIMITS. */
RSM_MUST_CHECK int rsm_tape_drive_medium(struct rsm_tape_drive *drive,
					 struct rsm_tape_medium *ret_medium, struct rsm_err *err);

struct rsm_tape_position {
	uint32_t partition;
	uint64_t block;
	bool beginning; /* BOP */
	bool near_end;	/* EOP: between early warning and the end */
};
/* READ POSITION, long form. */
RSM_MUST_CHECK int rsm_tape_drive_position(struct rsm_tape_drive *drive,
					   struct rsm_tape_position *ret_position,
					   struct rsm_err *err);

/* LOCATE(16), changing partition if needed. Outcome END_OF_DATA when `block` lies behind it. */
RSM_MUST_CHECK int rsm_tape_drive_locate(struct rsm_tape_drive *drive, uint32_t partition,
					 uint64_t block, struct rsm_err *err);

/* To end of data of a partition (LOCATE with partition, SPACE(16) end of data). Outcome NO_END. */
RSM_MUST_CHECK int rsm_tape_drive_locate_end(struct rsm_tape_drive *drive, uint32_t partition,
					     uint64_t *ret_block, struct rsm_err *err);

/* SPACE(16) over filemarks, negative: backwards (position is then on the near side of the mark:
 * before it). Outcomes: END_OF_DATA, BEGINNING; *ret_moved is how many were passed (may be NULL).
 */
RSM_MUST_CHECK int rsm_tape_drive_space_filemarks(struct rsm_tape_drive *drive, int64_t count,
						  int64_t *ret_moved, struct rsm_err *err);

/* Reads the next record, at most `size` bytes (READ(6), variable, without SILI: with it a record
 * that is too long would be cut in silence).
 * 0: *ret_length bytes are in buf. FILEMARK, END_OF_DATA: buf and *ret_length untouched.
 * -ENOBUFS: the record is longer than size; position is behind it. -EIO: medium error.
 */
RSM_MUST_CHECK int rsm_tape_drive_read(struct rsm_tape_drive *drive, void *buf, size_t size,
				       size_t *ret_length, struct rsm_err *err);

/* Writes one record (WRITE(6), variable). Everything behind it on the partition is gone.
 * Outcome EARLY_WARNING: written. -ENOSPC: not written, physical end. -EROFS: write protected.
 */
RSM_MUST_CHECK int rsm_tape_drive_write(struct rsm_tape_drive *drive, const void *buf, size_t size,
					struct rsm_err *err);

/* WRITE FILEMARKS(6). Count 0 with immediate false flushes the buffer ("synchronise"): all that was
 * written before is on the medium when it returns. Outcome EARLY_WARNING: written.
 */
RSM_MUST_CHECK int rsm_tape_drive_write_filemarks(struct rsm_tape_drive *drive, unsigned count,
						  bool immediate, struct rsm_err *err);

/* MODE SELECT page 11h with one additional partition (physical 0 of 1 GB, 1 the rest; IDP), then
 * FORMAT MEDIUM(1). Destroys everything; position is the beginning of partition 0. Minutes on real
 * drives. `partitions` 1 or 2. ltfs-format.md 2.
 */
RSM_MUST_CHECK int rsm_tape_drive_format(struct rsm_tape_drive *drive, unsigned partitions,
					 struct rsm_err *err);

/* Data compression page 0Fh, DCE. -EOPNOTSUPP if the drive has none. */
RSM_MUST_CHECK int rsm_tape_drive_set_compression(struct rsm_tape_drive *drive, bool on,
						  struct rsm_err *err);

/* Bytes of records that were read and written since _new, of whichever media. */
void rsm_tape_drive_traffic(const struct rsm_tape_drive *drive, uint64_t *ret_read,
			    uint64_t *ret_written);

/* ERASE with LONG and IMMED from the current position to the end of the partition: what was there
 * is overwritten, which takes hours. goes_on (may be NULL) is asked each second; -ECANCELED when it
 * says no: the drive, which cannot be stopped, erases on and is not ready meanwhile.
 */
RSM_MUST_CHECK int rsm_tape_drive_erase_all(struct rsm_tape_drive *drive,
					    bool (*goes_on)(void *context), void *context,
					    struct rsm_err *err);
/* ERASE (short unless `whole`) from the current position: makes an end of data there. */
RSM_MUST_CHECK int rsm_tape_drive_erase(struct rsm_tape_drive *drive, bool whole,
					struct rsm_err *err);

/* With a cleaning cartridge in it: has the drive clean itself, and waits until it is done, at most
 * timeout_ms. Outcome CLEANER_SPENT. -EMEDIUMTYPE: it is no cleaning cartridge.
 */
RSM_MUST_CHECK int rsm_tape_drive_clean(struct rsm_tape_drive *drive, unsigned timeout_ms,
					struct rsm_err *err);

#define RSM_ALERT_BIT(flag) ((uint64_t)1 << ((flag)-1))
enum {
	RSM_ALERT_NUMBER_CLEAN_NOW = 20,
	RSM_ALERT_NUMBER_CLEAN_PERIODIC = 21,
	RSM_ALERT_NUMBER_CLEANER_EXPIRED = 22
};
/* TapeAlert flags, log page 2Eh: bit N-1 is flag N. 0 when the drive has no such page. */
RSM_MUST_CHECK int rsm_tape_drive_alerts(struct rsm_tape_drive *drive, uint64_t *ret_flags,
					 struct rsm_err *err);

#endif
