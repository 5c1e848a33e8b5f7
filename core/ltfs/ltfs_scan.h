/* ltfs_scan.h - reads all of a volume: which indexes, which blocks of no file, which files are
 * damaged (ltfs-format.md 19.3, 19.9).
 *
 * Record by record from behind the label to where the data ended when it began, the data partition
 * first; a medium error costs its block. Memory: a few words an extent of the tree.
 *
 * A block is lost that neither the tree nor any index behind it names: it was being written when
 * somebody was cut short. One that an index named and the tree does not belongs to a file that was
 * deleted or overwritten.
 * Threads: the drive's worker; _progress any.
 */
#ifndef RSM_CORE_LTFS_LTFS_SCAN_H
#define RSM_CORE_LTFS_LTFS_SCAN_H

#include "core/ltfs/ltfs_volume.h"

struct rsm_ltfs_scan;

/* -ENOTSUP: no LTFS volume. */
RSM_MUST_CHECK int rsm_ltfs_scan_new(struct rsm_volume *volume, struct rsm_ltfs_scan **ret_scan,
				     struct rsm_err *err);
void rsm_ltfs_scan_free(struct rsm_ltfs_scan *scan);
RSM_DEFINE_CLEANUP(rsm_ltfs_scan_free, struct rsm_ltfs_scan)

/* Reads on for about a second. Outcome MORE: call it again. The volume may have been opened anew
 * since.
 */
enum { RSM_LTFS_SCAN_MORE = 1 };
RSM_MUST_CHECK int rsm_ltfs_scan_step(struct rsm_ltfs_scan *scan, struct rsm_volume *volume,
				      struct rsm_err *err);
/* scan NULL: nothing was done of nothing. */
void rsm_ltfs_scan_progress(struct rsm_ltfs_scan *scan, uint64_t *ret_done, uint64_t *ret_total);

/* When the scan is done: the lost blocks become read-only files in /_ltfs_lostandfound, one for
 * each run of blocks (a short block ends one), partition<N>_block<B>_<BYTES>bytes; then an index
 * goes to both partitions. *ret_done gets a line.
 */
RSM_MUST_CHECK int rsm_ltfs_scan_offer(struct rsm_ltfs_scan *scan, struct rsm_volume *volume,
				       const struct rsm_volume_identity *identity,
				       struct rsm_text *ret_done, struct rsm_err *err);

struct rsm_ltfs_scan_result {
	uint64_t blocks, unreadable;	   /* records */
	uint64_t indexes, damaged_indexes; /* of both partitions */
	uint64_t damaged_files;
	uint64_t lost_blocks, lost_bytes;
};
void rsm_ltfs_scan_result(const struct rsm_ltfs_scan *scan,
			  struct rsm_ltfs_scan_result *ret_result);
/* The damaged files, at most a thousand, with what is wrong with each. */
RSM_MUST_CHECK int
rsm_ltfs_scan_files(const struct rsm_ltfs_scan *scan, struct rsm_content *content,
		    void (*each)(void *context, const char *path, const char *text), void *context,
		    struct rsm_err *err);

#endif
