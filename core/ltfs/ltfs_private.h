/* ltfs_private.h - what the files that make up an LTFS volume share. */
#ifndef RSM_CORE_LTFS_LTFS_PRIVATE_H
#define RSM_CORE_LTFS_LTFS_PRIVATE_H

#include "changer/medium_memory.h"
#include "core/ltfs/index_reader.h"
#include "core/ltfs/index_writer.h"
#include "core/ltfs/ltfs_check.h"
#include "core/ltfs/ltfs_volume.h"
#include "core/ltfs/value.h"

enum { INDEX, DATA, PARTITIONS, UNKNOWN };

/* One of the two partitions. */
struct ltfs_partition {
	uint32_t number; /* physical */
	char letter;
	uint64_t index_block; /* first block of its newest full index; 0: none */
	uint64_t index_generation;
	uint64_t
		incremental_block; /* of the newest index, if it is one that builds on that; or 0 */
	uint64_t end;		   /* block number of end of data */
	bool ends_with_index;	   /* nothing behind that index but its filemark */
	bool lacks_filemark;	   /* ends with an index, and not even its filemark is behind it */
	bool stray_filemark;	   /* ends with a filemark that belongs to no whole index */

	/* what a look at all of it found (ltfs_check.c) */
	uint64_t index_end;  /* one behind that index and its filemark */
	uint64_t torn_block; /* behind that index something begins like one and is none; or 0 */
	bool torn_closed;    /* and a filemark is behind it */
	bool end_lost;	     /* it has no end of data: `end` is as far as filemarks lead */
	bool unreadable;     /* likewise, for a medium error is in the way */
	uint64_t used;	     /* one behind the last block that a file has there */
	struct rsm_coherency memory; /* generation 0: MAM says nothing of use */
};

/* A full index on the data partition and the incremental ones that build on it. */
struct ltfs_chain {
	uint64_t full;
	uint64_t *blocks; /* newest first */
	size_t count, room;
};
void rsm_ltfs_chain_fini(struct ltfs_chain *chain);

struct rsm_ltfs_volume {
	struct rsm_volume volume;
	struct rsm_tape_drive *drive;
	struct rsm_content *content;
	struct rsm_ltfs_label label;
	struct ltfs_partition part[PARTITIONS];
	struct ltfs_chain chain;    /* up to part[DATA].incremental_block */
	uint64_t incremental_limit; /* incremental indexes from this block on cannot be used */

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

	/* by the look at both partitions */
	bool memory_stale;    /* MAM does not tell how the partitions end */
	bool newest_lost;     /* a newer index must have been there than any that can be read */
	bool newest_kept;     /* and the cached tree is of that one */
	bool data_index_lost; /* the index partition has a tree that the data partition lacks */
	const char
		*refusal; /* it is read-only without damage, too: protected, locked ...; or NULL */
	bool label_missing;	/* of one partition, which has nothing else */
	bool begins_like_index; /* what was last found to be no index */
	struct rsm_volume_finding findings[RSM_VOLUME_FINDINGS];
	size_t finding_count;

	bool worm; /* nothing on it is ever overwritten: indexes stand one behind the other */
	bool read_only, full;
	bool locked;	   /* by the advisory lock, which can be taken away */
	char lock_due[12]; /* what the commit that is being made sets; "": it stays */
	char reason[256];
	uint64_t capacity, remaining; /* bytes; of the data partition, as last asked */
	uint64_t appended_since;      /* bytes since then */
	void *block;		      /* label.block_size bytes, for indexes */
};

/* NULL: it is none of LTFS. */
struct rsm_ltfs_volume *rsm_ltfs_of(struct rsm_volume *volume);

/* ltfs_worm.c: asks the drive whether it is written once. */
RSM_MUST_CHECK int rsm_ltfs_ask_worm(struct rsm_ltfs_volume *ltfs, struct rsm_err *err);
/* Two partitions on a medium that may hold anything, or, written once, nothing yet. */
RSM_MUST_CHECK int rsm_ltfs_partition(struct rsm_tape_drive *drive, struct rsm_err *err);
/* How long an index of it may become, on the index partition. ABSENT as rsm_medium_memory_capacity.
 */
RSM_MUST_CHECK int rsm_ltfs_index_room(struct rsm_ltfs_volume *ltfs, uint64_t *ret_remaining,
				       uint64_t *ret_room);
/* A volume that is written once, whole, and without room for one more index takes no changes. */
void rsm_ltfs_settle_room(struct rsm_ltfs_volume *ltfs);
void rsm_ltfs_refuse_full(struct rsm_ltfs_volume *ltfs);

/* Positions the drive at `block` of the partition; -EIO when the tape does not have it. */
RSM_MUST_CHECK int rsm_ltfs_seek(struct rsm_ltfs_volume *ltfs, int which, uint64_t block,
				 struct rsm_err *err);

/* Positions the drive where the partition is to be written on: at its end. A filemark that a crash
 * left out there is written, one that it left over is to be overwritten (19.1, 19.6).
 */
RSM_MUST_CHECK int rsm_ltfs_seek_end(struct rsm_ltfs_volume *ltfs, int which, uint64_t *ret_block,
				     struct rsm_err *err);

/* Is this the beginning of an index? Saves feeding data records to the parser. */
bool rsm_ltfs_looks_like_index(const void *record, size_t length);

/* Reads and parses the index whose first record is at `block`; loader NULL: header only. Outcome 1:
 * there is no whole, valid index of this volume there (err tells why, begins_like_index what it
 * looked like).
 */
RSM_MUST_CHECK int rsm_ltfs_read_index(struct rsm_ltfs_volume *ltfs, int which, uint64_t block,
				       struct rsm_index_loader *loader,
				       struct rsm_ltfs_index_header *ret_header, uint64_t *ret_end,
				       uint64_t *ret_bytes, struct rsm_err *err);

/* The same of the incremental index at `block` of the data partition, which changes the tree in the
 * loader (settled).
 */
RSM_MUST_CHECK int rsm_ltfs_apply_index(struct rsm_ltfs_volume *ltfs, uint64_t block,
					struct rsm_index_loader *loader,
					struct rsm_ltfs_index_header *ret_header, uint64_t *ret_end,
					uint64_t *ret_bytes, struct rsm_err *err);

/* Whether the whole index that follows the filemark at `mark` is what a file holds
 * (ltfs_believe.c). */
RSM_MUST_CHECK int rsm_ltfs_is_contents(struct rsm_ltfs_volume *ltfs, int which, uint64_t mark,
					bool *ret_is_contents, struct rsm_err *err);

/* ---- ltfs_incremental.c ---- */

/* Follows the pointers of an incremental index. Outcome 1: they do not lead to a full index, `err`
 * tells why.
 */
RSM_MUST_CHECK int rsm_ltfs_follow_chain(struct rsm_ltfs_volume *ltfs,
					 const struct rsm_ltfs_index_header *newest,
					 struct ltfs_chain *ret_chain, struct rsm_err *err);
/* Loads the tree; the header is the newest index's, with the highest uid of all. Outcome 1 or
 * -EBADMSG: what the index at *ret_bad says cannot be.
 */
RSM_MUST_CHECK int rsm_ltfs_load_chain(struct rsm_ltfs_volume *ltfs, const struct ltfs_chain *chain,
				       struct rsm_index_loader *loader,
				       struct rsm_ltfs_index_header *ret_header,
				       uint64_t *ret_bytes, uint64_t *ret_bad, struct rsm_err *err);

/* ---- ltfs_check.c and what it needs of ltfs_mount.c ---- */

/* ltfs_format.c: the label construct, at the beginning of the partition. */
RSM_MUST_CHECK int rsm_ltfs_write_label(struct rsm_ltfs_volume *ltfs, int which, const char *serial,
					struct rsm_err *err);
/* The medium is at fault, not the drive. */
bool rsm_ltfs_is_medium_error(int r, const struct rsm_err *err);
/* A read came to where nothing more is, and no end of data either. */
bool rsm_ltfs_is_end_not_found(int r, const struct rsm_err *err);
/* Notes a finding; of REPAIR and LOSS the volume is read-only, the first one being the reason. */
void rsm_ltfs_find(struct rsm_ltfs_volume *ltfs, enum rsm_finding_kind kind, int which,
		   uint64_t block, const char *format, ...) RSM_PRINTF(5, 6);
/* What both partitions' coherency information says goes to part[].memory. */
RSM_MUST_CHECK int rsm_ltfs_read_memory(struct rsm_ltfs_volume *ltfs, struct rsm_err *err);
/* 12.1. Outcome 1: MAM does not tell, or is not to be believed. */
RSM_MUST_CHECK int rsm_ltfs_fast_path(struct rsm_ltfs_volume *ltfs, int *ret_which,
				      struct rsm_ltfs_index_header *ret_header,
				      struct rsm_err *err);
/* Outcome 1: the partition has no whole index. */
RSM_MUST_CHECK int rsm_ltfs_find_last_index(struct rsm_ltfs_volume *ltfs, int which,
					    struct rsm_ltfs_index_header *ret_header,
					    struct rsm_err *err);
/* Is the cached tree that of this index (or of one that was being written when we died)? */
bool rsm_ltfs_is_cached(struct rsm_ltfs_volume *ltfs, const struct rsm_ltfs_index_header *header);
void rsm_ltfs_report_of(const struct rsm_ltfs_volume *ltfs, struct rsm_ltfs_report *ret_report);
/* With the tree in place (`known`: it was cached): notes all that is not as it should be. */
RSM_MUST_CHECK int rsm_ltfs_judge(struct rsm_ltfs_volume *ltfs, bool has_index, bool known,
				  struct rsm_err *err);

/* Finds the newest index of each partition and which of them is current (12.1, 12.2, 11). Outcome
 * 1: there is none.
 */
RSM_MUST_CHECK int rsm_ltfs_find_current(struct rsm_ltfs_volume *ltfs, int *ret_which,
					 struct rsm_ltfs_index_header *ret_header,
					 struct rsm_err *err);

/* Writes an index construct of `snapshot` to a partition at its append position; `tree`: the volume
 * index that it was taken from, whose facts go with it. */
RSM_MUST_CHECK int rsm_ltfs_write_index(struct rsm_ltfs_volume *ltfs, int which,
					struct rsm_volume_index *tree,
					struct rsm_index_snapshot *snapshot,
					const struct rsm_volume_identity *identity,
					uint64_t generation, uint64_t back_block,
					const struct timespec *update_time, const char *why,
					struct rsm_err *err);

/* NULL: the volume is not one of LTFS. */
struct rsm_ltfs_volume *rsm_ltfs_volume_of(struct rsm_volume *volume);

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
/* ---- ltfs_names.c ---- */

/* The cartridge's name, as it stands among the root's vendor keys. */
#define RSM_LTFS_NAME_KEY RSM_KEY_VENDOR "name"

/* The cartridge's name becomes the volume's, unless that has one of its own. Before
 * _save_root_keys, in the same transaction.
 */
RSM_MUST_CHECK int rsm_ltfs_save_volume_name(struct rsm_ltfs_volume *ltfs,
					     const struct rsm_volume_identity *identity,
					     struct rsm_err *err);
/* An attribute of the medium's memory, where it is not so already; cut to fit. */
void rsm_ltfs_put_text(struct rsm_tape_drive *drive, enum rsm_mam_id id, enum rsm_mam_format format,
		       const char *text, size_t length, char fill);
/* The volume's name and the pool, in the medium's memory. */
void rsm_ltfs_write_names(struct rsm_ltfs_volume *ltfs, const struct rsm_volume_identity *identity);

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
