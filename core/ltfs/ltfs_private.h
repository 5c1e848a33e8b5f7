/* ltfs_private.h - what the files that make up an LTFS volume share. */
#ifndef RSM_CORE_LTFS_LTFS_PRIVATE_H
#define RSM_CORE_LTFS_LTFS_PRIVATE_H

#include "changer/medium_memory.h"
#include "core/ltfs/index_reader.h"
#include "core/ltfs/index_writer.h"
#include "core/ltfs/ltfs_volume.h"

enum { INDEX, DATA, PARTITIONS, UNKNOWN };

/* One of the two partitions. */
struct ltfs_partition {
	uint32_t number; /* physical */
	char letter;
	uint64_t index_block; /* first block of its newest index; 0: none */
	uint64_t index_generation;
	uint64_t end;	      /* block number of end of data */
	bool ends_with_index; /* nothing behind that index but its filemark */
	bool lacks_filemark;  /* ends with an index, and not even its filemark is behind it */
	bool stray_filemark;  /* ends with a filemark that belongs to no whole index */
};

struct rsm_ltfs_volume {
	struct rsm_volume volume;
	struct rsm_tape_drive *drive;
	struct rsm_content *content;
	struct rsm_ltfs_label label;
	struct ltfs_partition part[PARTITIONS];

	uint64_t generation;	     /* of the current index */
	char self_partition;	     /* where the current index stands */
	uint64_t back_block;	     /* the current index's back pointer, on DP; 0: none */
	struct timespec update_time; /* of the current index */
	uint64_t index_bytes;	     /* how long the last index was */
	char index_creator[1025];    /* of the current index */
	char index_version[16];

	int head;	     /* where a read left the drive: a partition, or UNKNOWN */
	uint64_t head_block; /* the block behind the one that was read */
	bool doubtful;	     /* a write failed: what stands there is only known at a mount */
	bool at_end;	     /* the drive stands at the data partition's append position */
	bool unsynchronized; /* records since the last synchronising filemark */
	bool memory_missing; /* the drive has no MAM */
	bool read_only, full;
	bool locked; /* by the advisory lock, which can be taken away */
	char lock_due[12]; /* what the commit that is being made sets; "": it stays */
	char reason[256];
	uint64_t capacity, remaining; /* bytes; of the data partition, as last asked */
	uint64_t appended_since;      /* bytes since then */
	void *block;		      /* label.block_size bytes, for indexes */
};

/* Positions the drive at `block` of the partition; -EIO when the tape does not have it. */
RSM_MUST_CHECK int rsm_ltfs_seek(struct rsm_ltfs_volume *ltfs, int which, uint64_t block,
				 struct rsm_err *err);

/* Positions the drive where the partition is to be written on: at its end. A filemark that a crash
 * left out there is written, one that it left over is to be overwritten (19.1, 19.6).
 */
RSM_MUST_CHECK int rsm_ltfs_seek_end(struct rsm_ltfs_volume *ltfs, int which, uint64_t *ret_block,
				     struct rsm_err *err);

/* Reads and parses the index whose first record is at `block`; loader NULL: header only. Outcome 1:
 * there is no whole, valid index of this volume there (err tells why).
 */
RSM_MUST_CHECK int rsm_ltfs_read_index(struct rsm_ltfs_volume *ltfs, int which, uint64_t block,
				       struct rsm_index_loader *loader,
				       struct rsm_ltfs_index_header *ret_header, uint64_t *ret_end,
				       uint64_t *ret_bytes, struct rsm_err *err);

/* Finds the newest index of each partition and which of them is current (12.1, 12.2, 11). */
RSM_MUST_CHECK int rsm_ltfs_find_current(struct rsm_ltfs_volume *ltfs, int *ret_which,
					 struct rsm_ltfs_index_header *ret_header,
					 struct rsm_err *err);

/* Writes an index construct of `snapshot` to a partition at its append position. */
RSM_MUST_CHECK int rsm_ltfs_write_index(struct rsm_ltfs_volume *ltfs, int which,
					struct rsm_index_snapshot *snapshot,
					const struct rsm_volume_identity *identity,
					uint64_t generation, uint64_t back_block,
					const struct timespec *update_time, const char *why,
					struct rsm_err *err);

int rsm_ltfs_refuse_doubtful(struct rsm_err *err);

/* volume_ops.commit and .is_dirty. */
RSM_MUST_CHECK int rsm_ltfs_commit(struct rsm_volume *volume, enum rsm_volume_commit what,
				   const struct rsm_volume_identity *identity, bool force,
				   struct rsm_err *err);
bool rsm_ltfs_is_dirty(struct rsm_volume *volume);
/* Writes the coherency information of both partitions (6.3). MAM is a courtesy: failures are
 * logged. */
void rsm_ltfs_write_coherency(struct rsm_ltfs_volume *ltfs);
RSM_MUST_CHECK int rsm_ltfs_change_reference(struct rsm_ltfs_volume *ltfs, uint64_t *ret_reference,
					     struct rsm_err *err); /* outcome 1: none */

/* Remembers in the volume index which keys the root was given. */
RSM_MUST_CHECK int rsm_ltfs_save_root_keys(struct rsm_ltfs_volume *ltfs,
					   const struct rsm_volume_identity *identity,
					   struct rsm_err *err);
/* Remembers in the volume index which index it is a copy of (facts). */
RSM_MUST_CHECK int rsm_ltfs_save_facts(struct rsm_ltfs_volume *ltfs, struct rsm_err *err);
/* ---- ltfs_facts.c ---- */

/* Part of _save_facts: what changes with each index. */
RSM_MUST_CHECK int rsm_ltfs_save_shown_facts(struct rsm_ltfs_volume *ltfs, struct rsm_err *err);
/* What the medium's memory tells, once a mount. lock: of the index. */
RSM_MUST_CHECK int rsm_ltfs_save_medium_facts(struct rsm_ltfs_volume *ltfs, const char *lock,
					      struct rsm_err *err);
/* ---- ltfs_lock.c ---- */

/* A commit begins: is there something that it, a full one then, is to tell the medium besides the
 * tree? Fills in lock_due.
 */
bool rsm_ltfs_take_due(struct rsm_ltfs_volume *ltfs);
bool rsm_ltfs_is_being_unlocked(struct rsm_ltfs_volume *ltfs);
/* A volume that is only locked, and is to be unlocked, can be written. */
void rsm_ltfs_settle_lock(struct rsm_ltfs_volume *ltfs);
/* Behind the indexes: what is due goes to the medium's memory; a lock holds from now on. */
RSM_MUST_CHECK int rsm_ltfs_write_due(struct rsm_ltfs_volume *ltfs, struct rsm_err *err);

void rsm_ltfs_ask_capacity(struct rsm_ltfs_volume *ltfs);

RSM_MUST_CHECK int rsm_ltfs_volume_new(struct rsm_tape_drive *drive, struct rsm_content *content,
				       const struct rsm_ltfs_label *label,
				       struct rsm_ltfs_volume **ret_ltfs, struct rsm_err *err);
void rsm_ltfs_volume_free(struct rsm_ltfs_volume *ltfs);
RSM_DEFINE_CLEANUP(rsm_ltfs_volume_free, struct rsm_ltfs_volume)

/* "rsmfs 0.1.0 - Linux - rsmfs" */
extern const char rsm_ltfs_creator[];

#endif
