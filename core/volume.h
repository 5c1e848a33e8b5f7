/* volume.h - one interface to what is on a medium while it is in a drive.
 *
 * ltfs/ (LTFS tapes) and tapefile/ (any other tape, as raw files) implement it. A volume belongs to
 * the drive worker that has the medium: one thread, which may be kept waiting for hours by the
 * tape. It talks to the medium through a tape_drive and to the cartridge's contents (content.h).
 */
#ifndef RSM_CORE_VOLUME_H
#define RSM_CORE_VOLUME_H

#include "changer/tape_drive.h"
#include "core/content.h"

struct rsm_volume;

enum rsm_volume_outcome {
	RSM_VOLUME_FULL = 1,	/* no more data; the closing indexes still fit */
	RSM_VOLUME_MUST_COMMIT, /* a full commit (forced) has to come first */
	RSM_VOLUME_END_OF_FILE, /* _read_block: a filemark or the end of data stands there */
};

/* What a commit writes. */
enum rsm_volume_commit {
	RSM_COMMIT_DATA_PARTITION, /* an index on the data partition: durable, tree recoverable */
	RSM_COMMIT_FULL,	   /* both partitions and MAM: consistent for any LTFS system */
};

/* Where the medium stands; what the catalogue and df want to know. */
struct rsm_volume_status {
	uint64_t capacity, remaining; /* bytes of the data partition, 0 unknown */
	uint64_t index_generation;
	uint32_t block_size;
	bool read_only; /* write protected, locked, damaged, foreign */
	bool full;
	bool doubtful;	  /* a write failed: where it ends is found by mounting it again */
	char reason[256]; /* why it is read-only; "" otherwise */
};

/* Something about the volume that is not as it should be. */
struct rsm_volume_finding {
	enum rsm_finding_kind {
		RSM_FINDING_NOTE,   /* nothing has to be done about it */
		RSM_FINDING_MENDS,  /* the next full commit puts it right, nothing is put at risk */
		RSM_FINDING_REPAIR, /* only a repair that somebody asks for does */
		RSM_FINDING_LOSS,   /* nothing does: what can be read should be copied */
	} kind;
	bool mended;		/* it was put right since */
	bool told, told_mended; /* the reader's own */
	char partition;		/* letter; 0: it is about both */
	uint64_t block;		/* 0: none in particular */
	char text[232];
};
enum { RSM_VOLUME_FINDINGS = 16 };

/* The vendor keys of the index root (contract 8), as the catalogue knows them at that moment. */
struct rsm_volume_identity {
	const char *pool, *name, *lmid, *side, *state, *barcode;
	const char *copy_of; /* the volume that this one follows; NULL: none */
	const char *acl;     /* acl_text.h; "" or NULL: none */
	uint32_t mode, owner, group;
	bool reserves_other; /* its other side waits for the same owner */
};

struct rsm_volume_ops {
	/* Reads one block into `buf` (status.block_size bytes); *ret_length may be less. Outcome
	 * END_OF_FILE. -EIO with block and cause.
	 */
	int (*read_block)(struct rsm_volume *volume, char partition, uint64_t block, void *buf,
			  size_t *ret_length, struct rsm_err *err);
	/* Appends one record of at most block_size bytes to the data partition; *ret_block is its
	 * number. Outcomes FULL (not accepted: no room, or the volume is full already),
	 * MUST_COMMIT.
	 */
	int (*append)(struct rsm_volume *volume, const void *data, size_t length,
		      uint64_t *ret_block, struct rsm_err *err);
	/* All that was appended is on the medium when it returns. */
	int (*synchronize)(struct rsm_volume *volume, struct rsm_err *err);
	/* Writes what the index says now, if that differs from what the medium says (or `force`).
	 */
	int (*commit)(struct rsm_volume *volume, enum rsm_volume_commit what,
		      const struct rsm_volume_identity *identity, bool force, struct rsm_err *err);
	/* Does the medium lack something that a full commit would write? */
	bool (*is_dirty)(struct rsm_volume *volume);
	/* Would `bytes` more fit, closing indexes deducted? */
	bool (*has_room)(struct rsm_volume *volume, uint64_t bytes);
	void (*status)(struct rsm_volume *volume, struct rsm_volume_status *ret_status);
	/* What was found when the volume was opened. Borrowed, as long as the volume. NULL: volumes
	 * of this kind have nothing to tell.
	 */
	struct rsm_volume_finding *(*findings)(struct rsm_volume *volume, size_t *ret_count);
	void (*free)(struct rsm_volume *volume);
};

/* Embedded first. Volumes without a writer leave append, synchronize and commit NULL. */
struct rsm_volume {
	const struct rsm_volume_ops *ops;
	char data_partition; /* the letter that extents written by append get */
};

static inline void rsm_volume_free(struct rsm_volume *volume)
{
	if (volume)
		volume->ops->free(volume);
}
RSM_DEFINE_CLEANUP(rsm_volume_free, struct rsm_volume)

#endif
