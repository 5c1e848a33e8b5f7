/* inode.h - inode numbers: what they name, computed both ways without a table.
 *
 *   bits 63..40  medium (its side's id, 24 bits), 0: the mount's own; from F00000h on: a view of an
 *                older generation, by its number
 *   bits 39..0   node in the medium's contents; 1 is the cartridge itself (its root folder)
 *
 * In volume 0: 1 is the root of the mount; else bits 39..36 are a tag (1: pool, 2: .rsm and what is
 * in it, 3: .rsm/views and the cartridges in it) and bits 35..0 the pool's id, the control file's
 * number or the medium's id. Numbers are never reused: ids
 * of media, pools and nodes are not. A cartridge that is formatted anew keeps its number and gets
 * another generation.
 */
#ifndef RSMFS_INODE_H
#define RSMFS_INODE_H

#include <stdbool.h>
#include <stdint.h>

enum rsmfs_place_kind {
	RSMFS_PLACE_NONE,    /* a number that we never gave */
	RSMFS_PLACE_POOL,    /* id: the pool; 0 (RSM_POOL_TOP) is the root of the mount */
	RSMFS_PLACE_CONTROL, /* id: 0 the folder .rsm, else the file's number */
	RSMFS_PLACE_NODE,    /* id: the medium; node: in its contents */
	RSMFS_PLACE_VIEWS,   /* id: 0 the folder .rsm/views, else the medium */
	/* id: takes the place of a medium's in inode numbers (rsmfs_view_id); node: in the view */
	RSMFS_PLACE_VIEW,
};

struct rsmfs_place {
	enum rsmfs_place_kind kind;
	int64_t id;
	uint64_t node;
};

enum { RSMFS_INO_ROOT = 1 };

struct rsmfs_place rsmfs_place_of(uint64_t ino);

uint64_t rsmfs_pool_ino(int64_t pool);
uint64_t rsmfs_control_ino(int64_t number);
uint64_t rsmfs_node_ino(int64_t medium, uint64_t node);
uint64_t rsmfs_views_ino(int64_t medium);

/* The id of a view's place by its number (core/view.h), and back. */
int64_t rsmfs_view_id(uint64_t number);
uint64_t rsmfs_view_number(int64_t id);

#endif
