/* ltfs_history.h - the generations of a volume that are on its medium: which there are, reading one
 * of them, and going back to one (ltfs-format.md 11, 19.6, 20).
 *
 * Every index of the data partition that is whole is a point of history, also one that a rollback
 * has left behind; so are those of the index partition. Nothing here overwrites a point of the data
 * partition.
 * Threads: the drive's worker, which has the volume. Whatever is on the medium is hostile: pointers
 * are followed towards the beginning of the tape only, and all that is kept in memory of a point is
 * where it points.
 */
#ifndef RSM_CORE_LTFS_LTFS_HISTORY_H
#define RSM_CORE_LTFS_LTFS_HISTORY_H

#include "core/ltfs/index_reader.h"
#include "core/ltfs/ltfs_volume.h"

struct rsm_ltfs_point {
	char partition; /* where it stands: letter and first block */
	uint64_t block;
	char back_partition; /* 0: no back pointer; of an incremental one: the last full one */
	uint64_t back_block;
	uint64_t incremental_block; /* the last incremental one before, 0: none is named */
	uint64_t generation;
	struct timespec update_time;
	char version[16];
	char creator[1025];
	bool incremental; /* describes changes only */
	bool current;	  /* the volume as it is mounted */
	/* Back pointers lead here from the current one. Otherwise a rollback has left it behind. */
	bool linked;
	bool counted; /* it was read as a whole: */
	uint64_t files, bytes;
	/* An index begins there, but it is not whole, or not what it says, or what a file holds;
	 * only place and `why` are set then, and nobody can go back to it.
	 */
	bool torn;
	char why[256];
};

struct rsm_ltfs_history;

/* Longer indexes than `most_records` are not read as a whole, but their first and last record: they
 * have no counts. UINT64_MAX: all are.
 */
enum { RSM_LTFS_HISTORY_RECORDS = 64 };
RSM_MUST_CHECK int rsm_ltfs_history_new(uint64_t most_records,
					struct rsm_ltfs_history **ret_history, struct rsm_err *err);
void rsm_ltfs_history_free(struct rsm_ltfs_history *history);
RSM_DEFINE_CLEANUP(rsm_ltfs_history_free, struct rsm_ltfs_history)

enum rsm_ltfs_history_outcome { RSM_LTFS_HISTORY_END = 1 };

/* The next point: the index partition's first, on each partition from the end of data on. What
 * cannot be read is gone around by back pointers. Between two calls the volume may be written to,
 * also opened anew (then it is another `volume`): what is added meanwhile is not shown.
 * -EMEDIUMTYPE: not an LTFS volume.
 */
RSM_MUST_CHECK int rsm_ltfs_history_next(struct rsm_ltfs_history *history,
					 struct rsm_volume *volume,
					 struct rsm_ltfs_point *ret_point, struct rsm_err *err);

/* Which of two points of one generation is meant by its number: one that is linked rather than one
 * that is not, the data partition's rather than the index partition's. `best` may be all zero.
 */
bool rsm_ltfs_point_is_better(const struct rsm_volume *volume, const struct rsm_ltfs_point *point,
			      const struct rsm_ltfs_point *best);

/* Reads the tree of the point for a volume index at `path` (rsm_index_loader_new), with the facts
 * that a mount would set. File numbers that were given since are not given again.
 */
RSM_MUST_CHECK int rsm_ltfs_load_point(struct rsm_volume *volume,
				       const struct rsm_ltfs_point *point, const char *path,
				       struct rsm_index_loader **ret_loader, struct rsm_err *err);

/* Makes `tree`, loaded from `point`, the newest generation. The volume must be committed in full,
 * with nothing staged. What remains if the process or the power dies behind each step:
 *   1. the present tree goes to the data partition, unless it is there      the present tree
 *   2. data partition: an index of the old tree, generation + 1             until its last filemark
 *      is written: the present tree, a torn index behind it; then: the old one
 *   3. index partition: the same index over the last one there              the old tree
 *   4. coherency information                                                the same
 * The tree that is cached is not touched: the volume must be mounted anew, whatever this returned,
 * and takes no writes before. That mount finds an index that is not the cached one and reads it, as
 * the next one does if the process dies. -EROFS, -ENOSPC, -EBUSY (there is something to commit).
 */
RSM_MUST_CHECK int rsm_ltfs_rollback(struct rsm_volume *volume, const struct rsm_ltfs_point *point,
				     struct rsm_volume_index *tree,
				     const struct rsm_volume_identity *identity,
				     uint64_t *ret_generation, struct rsm_err *err);

#endif
