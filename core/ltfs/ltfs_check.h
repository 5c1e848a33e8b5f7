/* ltfs_check.h - what state an LTFS volume is in, what is wrong with it, and its repair
 * (ltfs-format.md 11, 12, 19).
 *
 * A mount looks at both partitions before anything is written. What it finds is judged once: it
 * mends by itself (the next commit appends what is missing and overwrites nothing that counts), it
 * takes a repair that somebody asks for, or it is lost; in the last two cases the volume is
 * read-only, and its status says why.
 * Threads: the drive's worker.
 */
#ifndef RSM_CORE_LTFS_LTFS_CHECK_H
#define RSM_CORE_LTFS_LTFS_CHECK_H

#include "core/ltfs/ltfs_volume.h"

struct rsm_ltfs_report {
	struct rsm_ltfs_partition_report {
		char letter;
		unsigned number;			/* physical */
		const char *role;			/* "index", "data" */
		const char *state;			/* "complete", "torn index" ... */
		uint64_t index_block, index_generation; /* of its last whole index; 0: none */
		uint64_t end; /* block number of end of data; 0: it is not known */
	} partitions[2];
	uint64_t generation; /* of the tree; 0: there is no index */
	bool read_only;
	char reason[256];
	struct rsm_volume_finding findings[RSM_VOLUME_FINDINGS];
	size_t finding_count;
};
/* Looks at both partitions again, at all that a mount looks at when nothing is as it should be.
 * What was appended since the last index counts as such. Outcome 1: it is no LTFS volume.
 */
RSM_MUST_CHECK int rsm_ltfs_examine(struct rsm_volume *volume, struct rsm_ltfs_report *ret_report,
				    struct rsm_err *err);

/* Does what a mount does not do without being asked, and then all that a commit does: makes an end
 * of data behind the last block that can be read, and takes the newest index that is whole where a
 * newer one is damaged. Overwrites no whole index and no block of a file. Outcome
 * RSM_LTFS_REOPEN: call it again when the volume was mounted anew. -EROFS: there is nothing that it
 * could do, `err` says why.
 */
enum { RSM_LTFS_REOPEN = 1 };
RSM_MUST_CHECK int rsm_ltfs_repair(struct rsm_volume *volume,
				   const struct rsm_volume_identity *identity, bool even_nothing,
				   struct rsm_text *ret_done, struct rsm_err *err);

#endif
