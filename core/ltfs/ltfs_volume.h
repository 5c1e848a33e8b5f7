/* ltfs_volume.h - an LTFS volume in a drive: format, mount, read, append, write indexes
 * (ltfs-format.md 2, 5, 6, 11 to 19).
 *
 * Threads: the drive's worker. Blocks, positions and generations are LTFS's own terms.
 * At every instant at least one whole newest index is on the tape, on the other partition than the
 * one that is being written; the order of each write is told in ltfs_commit.c.
 */
#ifndef RSM_CORE_LTFS_LTFS_VOLUME_H
#define RSM_CORE_LTFS_LTFS_VOLUME_H

#include "core/ltfs/label.h"
#include "core/volume.h"

enum { RSM_LTFS_BLOCK_SIZE = 524288 };

/* A fact of the volume index: the root's vendor keys are facts of their own names, newer than those
 * in the tree.
 */
#define RSM_LTFS_ROOT_KEYS "root_keys"

/* Facts that a user sets; the next commit makes them true (ltfs_lock.c). */
#define RSM_LTFS_LOCK_DUE    "lock_due" /* unlocked, locked, permlocked */
#define RSM_LTFS_BARCODE_DUE "mam_barcode_due"

/* Why a locked volume takes no changes. */
#define RSM_LTFS_LOCKED "the volume is locked"

enum rsm_ltfs_outcome {
	RSM_LTFS_RELOADED = 1, /* the medium's index was read, and is the cached tree now */
};

/* Makes an LTFS volume of the loaded medium: two partitions, labels, first indexes from what
 * `content` holds (files without extents are listed as empty and open for writing), MAM. Destroys
 * what is on it. A crash in the middle leaves a medium without valid label pair; format it again.
 */
RSM_MUST_CHECK int rsm_ltfs_format(struct rsm_tape_drive *drive, struct rsm_content *content,
				   const char *uuid, const struct rsm_volume_identity *identity,
				   struct rsm_volume **ret_volume, struct rsm_err *err);

/* Mounts the volume whose label is `label`: finds the current index, and when the tree cached in
 * `content` is not that one, reads it (outcome RELOADED; files that the medium changed as well are
 * appended to *ret_conflicts). Never writes. -EBADMSG: no index can be read.
 */
RSM_MUST_CHECK int rsm_ltfs_mount(struct rsm_tape_drive *drive, struct rsm_content *content,
				  const struct rsm_ltfs_label *label,
				  struct rsm_text *ret_conflicts, struct rsm_volume **ret_volume,
				  struct rsm_err *err);

/* What is on the loaded medium, by its first records (both partitions' labels if it is LTFS). */
struct rsm_ltfs_probe {
	enum { RSM_PROBE_BLANK, RSM_PROBE_FREE, RSM_PROBE_LTFS, RSM_PROBE_FOREIGN } kind;
	char serial[7];
	char label_type[64]; /* "LTFS", "RSMFS FREE", "ANSI VOL1", "tar", "blank" ... */
	char label_info[128];
	struct rsm_ltfs_label label; /* kind LTFS, or half */
	/* kind FOREIGN: one partition has a valid label, the other has none; the volume can be
	 * mounted for reading
	 */
	bool half;
};
/* -EIO: it cannot be read. An LTFS label in one partition only, or two that differ: FOREIGN with
 * label_type "damaged LTFS" and the reason in label_info.
 */
RSM_MUST_CHECK int rsm_ltfs_probe(struct rsm_tape_drive *drive, struct rsm_ltfs_probe *ret_probe,
				  struct rsm_err *err);

/* One partition, the free label at its beginning (contract 8). Destroys what is on the medium. */
RSM_MUST_CHECK int rsm_ltfs_write_free_label(struct rsm_tape_drive *drive, const char *barcode,
					     struct rsm_err *err);

#endif
