/* ltfs_scan_private.h - what ltfs_scan.c (reading) and ltfs_lost.c (lost blocks) share. */
#ifndef RSM_CORE_LTFS_LTFS_SCAN_PRIVATE_H
#define RSM_CORE_LTFS_LTFS_SCAN_PRIVATE_H

#include <stdatomic.h>

#include "core/ltfs/ltfs_private.h"
#include "core/ltfs/ltfs_scan.h"

/* Records that follow each other; all but the last are of the block size. */
struct lost_run {
	uint64_t first, count;
	size_t last_length;
};

struct scanned_extent {
	uint64_t node, first, last; /* blocks */
	uint64_t end;		    /* bytes from the beginning of `first` */
};

struct scanned_partition {
	char letter;
	uint64_t at, end;
	bool after_mark;
	bool in_torn; /* within what begins like an index and is none */
	struct scanned_extent *extents;
	size_t extent_count, extent_room;
	size_t next;   /* extents before it have begun */
	size_t oldest; /* extents before it are over */
	struct lost_run *runs;
	size_t run_count, run_room;
};

struct damaged_file {
	uint64_t node;
	char text[96];
};
enum { DAMAGED_FILES = 1000 };

struct rsm_ltfs_scan {
	char uuid[RSM_UUID_SIZE];
	uint64_t block_size;
	char *record; /* of block_size bytes */
	int which;    /* the partition that is being read; PARTITIONS: done */
	struct scanned_partition part[PARTITIONS];
	struct damaged_file *damaged;
	size_t damaged_count;
	unsigned failures; /* in a row */
	struct rsm_ltfs_scan_result result;
	_Atomic uint64_t done, total; /* [atomic] */
};

RSM_MUST_CHECK int rsm_ltfs_lost_add(struct scanned_partition *part, uint64_t block, size_t length,
				     uint64_t block_size, struct rsm_err *err);
/* A whole index stands at `block`, behind all runs: what it names of them is not lost. */
RSM_MUST_CHECK int rsm_ltfs_lost_settle(struct rsm_ltfs_scan *scan, struct rsm_ltfs_volume *ltfs,
					int which, uint64_t block, struct rsm_err *err);
/* Sums the runs up. */
void rsm_ltfs_lost_count(struct rsm_ltfs_scan *scan);

#endif
