/* Volumes on media that are written once (WORM): partitioned once, labelled once, and then only
 * ever added to. Each index on the index partition takes room of its own, so that room ends before
 * the data's may; then the volume stays as it is.
 */
#include "core/ltfs/ltfs_private.h"

#include <stdio.h>

enum { MARGIN = 64 * 1024 };

int rsm_ltfs_ask_worm(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	struct rsm_tape_medium medium;
	int r = rsm_tape_drive_medium(ltfs->drive, &medium, err);

	if (r == 0)
		ltfs->worm = medium.worm;
	return r;
}

int rsm_ltfs_partition(struct rsm_tape_drive *drive, struct rsm_err *err)
{
	struct rsm_tape_medium medium;
	int r = rsm_tape_drive_medium(drive, &medium, err);

	if (r < 0)
		return r;
	/* an earlier format died behind this step: there is no second time, and no need of one */
	if (medium.worm && medium.partitions == 2)
		return 0;
	return rsm_tape_drive_format(drive, 2, err);
}

int rsm_ltfs_index_room(struct rsm_ltfs_volume *ltfs, uint64_t *ret_remaining, uint64_t *ret_room)
{
	uint64_t remaining, maximum;
	int r = rsm_medium_memory_capacity(ltfs->drive, ltfs->part[INDEX].number, &remaining,
					   &maximum, NULL);

	if (r != 0)
		return r;
	*ret_remaining = remaining;
	*ret_room = ltfs->worm ? remaining : maximum;
	return 0;
}

void rsm_ltfs_refuse_full(struct rsm_ltfs_volume *ltfs)
{
	ltfs->read_only = true;
	snprintf(ltfs->reason, sizeof ltfs->reason,
		 "it is written once, and its index partition is full");
}

void rsm_ltfs_settle_room(struct rsm_ltfs_volume *ltfs)
{
	uint64_t remaining, room;

	if (!ltfs->worm || ltfs->read_only || !ltfs->part[INDEX].ends_with_index ||
	    ltfs->part[INDEX].index_generation != ltfs->generation ||
	    rsm_ltfs_index_room(ltfs, &remaining, &room) != 0 ||
	    room >= 2 * ltfs->index_bytes + MARGIN)
		return;
	rsm_ltfs_refuse_full(ltfs);
}
