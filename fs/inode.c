#include "fs/inode.h"

enum { TAG_POOL = 1, TAG_CONTROL = 2, TAG_VIEWS = 3, TAG_SHIFT = 36, VOLUME_SHIFT = 40 };
enum { FIRST_VIEW = 0xF00000, VIEW_MASK = 0xFFFFF };

static const uint64_t tagged_mask = ((uint64_t)1 << TAG_SHIFT) - 1;
static const uint64_t node_mask = ((uint64_t)1 << VOLUME_SHIFT) - 1;

struct rsmfs_place rsmfs_place_of(uint64_t ino)
{
	struct rsmfs_place place = { .kind = RSMFS_PLACE_NONE };
	uint64_t volume = ino >> VOLUME_SHIFT, low = ino & node_mask;

	if (volume) {
		if (low)
			place.kind = volume < FIRST_VIEW ? RSMFS_PLACE_NODE : RSMFS_PLACE_VIEW;
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
	} else if (low >> TAG_SHIFT == TAG_VIEWS) {
		place.kind = RSMFS_PLACE_VIEWS;
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

uint64_t rsmfs_views_ino(int64_t medium)
{
	return (uint64_t)TAG_VIEWS << TAG_SHIFT | ((uint64_t)medium & tagged_mask);
}

int64_t rsmfs_view_id(uint64_t number)
{
	return FIRST_VIEW | (int64_t)(number & VIEW_MASK);
}

uint64_t rsmfs_view_number(int64_t id)
{
	return (uint64_t)id & VIEW_MASK;
}
