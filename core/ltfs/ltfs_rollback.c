/* Going back: the old tree is written as a new index, behind everything there is (20). The present
 * one stays a point of history, and so does every other, so a rollback can be rolled back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/ltfs/ltfs_history.h"
#include "core/ltfs/ltfs_private.h"

static int check_writable(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	if (ltfs->read_only)
		return rsm_err_set(err, EROFS, "%s", ltfs->reason);
	if (ltfs->doubtful)
		return rsm_ltfs_refuse_doubtful(err);
	if (rsm_ltfs_is_dirty(&ltfs->volume))
		return rsm_err_set(err, EBUSY, "the volume has changes that are in no index yet");
	return 0;
}

/* Whatever becomes of it, the closing indexes must fit behind it. */
static int check_room(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	if (ltfs->volume.ops->has_room(&ltfs->volume, 2 * ltfs->index_bytes))
		return 0;
	return rsm_err_set(err, ENOSPC, "there is no room for two more indexes");
}

/* What a full index on the data partition may point at: the point itself, if it is such a one. */
static uint64_t back_pointer(const struct rsm_ltfs_volume *ltfs, const struct rsm_ltfs_point *point)
{
	if (point->partition == ltfs->part[DATA].letter && !point->incremental)
		return point->block;
	return point->back_partition == ltfs->part[DATA].letter ? point->back_block
								: ltfs->part[DATA].index_block;
}

/* Locked or not is a matter of the volume as it is. */
static int keep_lock(struct rsm_ltfs_volume *ltfs, struct rsm_volume_index *tree,
		     struct rsm_err *err)
{
	RSM_FREE char *lock = NULL;
	int r = rsm_volume_index_get_fact(rsm_content_index(ltfs->content), "lock", &lock, err);

	return r < 0 ? r : rsm_volume_index_set_fact(tree, "lock", lock, err);
}

static int write_both(struct rsm_ltfs_volume *ltfs, struct rsm_volume_index *tree,
		      struct rsm_index_snapshot *snapshot,
		      const struct rsm_volume_identity *identity, uint64_t back,
		      struct rsm_err *err)
{
	uint64_t generation = ltfs->generation + 1;
	struct rsm_err why;
	struct timespec now;
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	r = rsm_ltfs_write_index(ltfs, DATA, tree, snapshot, identity, generation, back, &now,
				 "Rollback", err);
	if (r < 0)
		return r;
	ltfs->generation = generation;
	ltfs->update_time = now;
	ltfs->back_block = back;
	ltfs->self_partition = ltfs->part[DATA].letter;
	/* from here on the volume is the old tree; the index partition may follow with any commit
	 */
	r = rsm_ltfs_write_index(ltfs, INDEX, tree, snapshot, identity, generation,
				 ltfs->part[DATA].index_block, &now, "Rollback", &why);
	if (r < 0)
		rsm_log_warning("the index partition keeps the tree from before the rollback until "
				"the next index is written: %s",
				why.msg);
	else
		ltfs->self_partition = ltfs->part[INDEX].letter;
	rsm_ltfs_write_coherency(ltfs);
	return 0;
}

int rsm_ltfs_rollback(struct rsm_volume *volume, const struct rsm_ltfs_point *point,
		      struct rsm_volume_index *tree, const struct rsm_volume_identity *identity,
		      uint64_t *ret_generation, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_snapshot_close) struct rsm_index_snapshot *snapshot = NULL;
	struct rsm_ltfs_volume *ltfs = rsm_ltfs_volume_of(volume);
	uint64_t back;
	int r;

	if (!ltfs)
		return rsm_err_set(err, EMEDIUMTYPE, "it holds no LTFS volume");
	r = check_writable(ltfs, err);
	if (r == 0)
		r = check_room(ltfs, err);
	/* as other systems may have left it: the present tree on the index partition only */
	if (r == 0 && ltfs->part[DATA].index_generation != ltfs->generation)
		r = volume->ops->commit(volume, RSM_COMMIT_FULL, identity, true, err);
	back = back_pointer(ltfs, point);
	if (r == 0)
		r = keep_lock(ltfs, tree, err);
	if (r == 0)
		r = rsm_volume_index_snapshot(tree, &snapshot, err);
	if (r < 0)
		return r;
	r = write_both(ltfs, tree, snapshot, identity, back, err);
	ltfs->doubtful = true; /* what is cached is not what is on the tape */
	if (r == 0)
		*ret_generation = ltfs->generation;
	return r;
}
