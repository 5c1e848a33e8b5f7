#include "fs/inode.h"

enum { TAG_POOL = 1, TAG_CONTROL = 2, TAG_SHIFT = 36, VOLUME_SHIFT = 40 };

static const uint64_t tagged_mask = ((uint64_t)1 << TAG_SHIFT) - 1;
static const uint64_t node_mask = ((uint64_t)1 << VOLUME_SHIFT) - 1;

struct rsmfs_place rsmfs_place_of(uint64_t ino)
{
	struct rsmfs_place place = { .kind = RSMFS_PLACE_NONE };
	uint64_t volume = ino >> VOLUME_SHIFT, low = ino & node_mask;

	if (volume) {
		place.kind = low ? RSMFS_PLACE_NODE : RSMFS_PLACE_NONE;
		place.id = (int64_t)volume;
		place.node = low;
		return place;
	}
	place.id = (int64_t)(low & tagged_mask);
	if (low == RSMFS_INO_ROOT) {
		place.kind = RSMFS_PLACE_POOL;
		place.id = 0;
	} else if (low >> TAG_SHIFT == TAG_POOL && place.id) {
		place.kind = RSMFS_PLACE_POOL;
	} else if (low >> TAG_SHIFT == TAG_CONTROL) {
		place.kind = RSMFS_PLACE_CONTROL;
	}
	return place;
}

uint64_t rsmfs_pool_ino(int64_t pool)
{
	return pool ? (uint64_t)TAG_POOL << TAG_SHIFT | ((uint64_t)pool & tagged_mask)
		    : RSMFS_INO_ROOT;
}

uint64_t rsmfs_control_ino(int64_t number)
{
	return (uint64_t)TAG_CONTROL << TAG_SHIFT | ((uint64_t)number & tagged_mask);
}

uint64_t rsmfs_node_ino(int64_t medium, uint64_t node)
{
	return (uint64_t)medium << VOLUME_SHIFT | (node & node_mask);
}
