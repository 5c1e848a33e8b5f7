/* The reading. Extents are sorted by where they begin; those that have begun and are not over lie
 * between part->oldest and part->next, so that each record is compared with few of them.
 */
#include "core/ltfs/ltfs_scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/ltfs/ltfs_scan_private.h"

enum { FIRST_BLOCK = 4, FAILURES_MOST = 64 };
#define STEP_NS RSM_SECOND_NS

/* ---- files that are not whole ---- */

static void note_damaged(struct rsm_ltfs_scan *scan, uint64_t node, char letter, uint64_t block,
			 const char *what)
{
	for (size_t i = 0; i < scan->damaged_count; i++)
		if (scan->damaged[i].node == node)
			return;
	scan->result.damaged_files++;
	if (scan->damaged_count == DAMAGED_FILES)
		return;
	scan->damaged[scan->damaged_count].node = node;
	snprintf(scan->damaged[scan->damaged_count].text, sizeof scan->damaged->text,
		 "block %c:%" PRIu64 " %s", letter, block, what);
	scan->damaged_count++;
}

/* ---- extents ---- */

static int add_extent(struct scanned_partition *part, const struct scanned_extent *extent)
{
	if (part->extent_count == part->extent_room) {
		size_t room = part->extent_room ? 2 * part->extent_room : 256;
		struct scanned_extent *grown = reallocarray(part->extents, room, sizeof *grown);

		if (!grown)
			return -ENOMEM;
		part->extents = grown;
		part->extent_room = room;
	}
	part->extents[part->extent_count++] = *extent;
	return 0;
}

struct collecting {
	struct rsm_ltfs_scan *scan;
	int r;
};

static bool collect(void *context, uint64_t id, const struct rsm_extent *e)
{
	struct collecting *collecting = context;
	struct rsm_ltfs_scan *scan = collecting->scan;
	struct scanned_extent extent = { .node = id, .first = e->start_block };
	struct scanned_partition *part = NULL;

	for (int i = 0; i < PARTITIONS; i++)
		if (scan->part[i].letter == e->partition)
			part = &scan->part[i];
	if (!e->byte_count)
		return true;
	if (!part || e->start_block < FIRST_BLOCK ||
	    __builtin_add_overflow(e->byte_offset, e->byte_count, &extent.end) ||
	    __builtin_add_overflow(extent.first, (extent.end - 1) / scan->block_size,
				   &extent.last)) {
		note_damaged(scan, id, e->partition, e->start_block, "cannot be a block of a file");
		return true;
	}
	extent.first += e->byte_offset / scan->block_size;
	extent.end -= e->byte_offset / scan->block_size * scan->block_size;
	collecting->r = add_extent(part, &extent);
	return collecting->r == 0;
}

static int by_place(const void *a, const void *b)
{
	const struct scanned_extent *one = a, *other = b;

	if (one->first != other->first)
		return one->first < other->first ? -1 : 1;
	return one->last < other->last ? -1 : one->last > other->last;
}

/* A record was read, `length` 0: it could not be. True if a file has it. */
static bool compare_record(struct rsm_ltfs_scan *scan, struct scanned_partition *part,
			   size_t length)
{
	bool covered = false;

	while (part->next < part->extent_count && part->extents[part->next].first <= part->at)
		part->next++;
	while (part->oldest < part->next && part->extents[part->oldest].last < part->at)
		part->oldest++;
	for (size_t i = part->oldest; i < part->next; i++) {
		const struct scanned_extent *extent = &part->extents[i];
		uint64_t need = scan->block_size;

		if (extent->last < part->at || extent->first > part->at)
			continue;
		covered = true;
		if (extent->last == part->at)
			need = extent->end - (part->at - extent->first) * scan->block_size;
		if (length < need)
			note_damaged(scan, extent->node, part->letter, part->at,
				     length ? "is shorter than it should be" : "cannot be read");
	}
	return covered;
}

/* ---- a scan ---- */

void rsm_ltfs_scan_free(struct rsm_ltfs_scan *scan)
{
	if (!scan)
		return;
	for (int i = 0; i < PARTITIONS; i++) {
		free(scan->part[i].extents);
		free(scan->part[i].runs);
	}
	free(scan->damaged);
	free(scan->record);
	free(scan);
}

int rsm_ltfs_scan_new(struct rsm_volume *volume, struct rsm_ltfs_scan **ret_scan,
		      struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_scan_free) struct rsm_ltfs_scan *scan = calloc(1, sizeof *scan);
	struct rsm_ltfs_volume *ltfs = rsm_ltfs_of(volume);
	struct collecting collecting = { .scan = scan };
	uint64_t total = 0;
	int r;

	if (!ltfs)
		return rsm_err_set(err, ENOTSUP, "it is no LTFS volume");
	if (!scan)
		return rsm_err_oom(err);
	scan->block_size = ltfs->label.block_size;
	snprintf(scan->uuid, sizeof scan->uuid, "%s", ltfs->label.uuid);
	scan->which = DATA;
	scan->record = malloc(scan->block_size);
	scan->damaged = calloc(DAMAGED_FILES, sizeof *scan->damaged);
	if (!scan->record || !scan->damaged)
		return rsm_err_oom(err);
	for (int i = 0; i < PARTITIONS; i++) {
		struct scanned_partition *part = &scan->part[i];

		part->letter = ltfs->part[i].letter;
		part->at = FIRST_BLOCK;
		/* where nobody knows where the data end, reading tells */
		part->end = ltfs->part[i].end_lost || ltfs->part[i].unreadable ? UINT64_MAX
									       : ltfs->part[i].end;
		total += ltfs->part[i].end > FIRST_BLOCK ? ltfs->part[i].end - FIRST_BLOCK : 0;
	}
	atomic_store(&scan->total, total);
	r = rsm_volume_index_each_extent(rsm_content_index(ltfs->content), collect, &collecting,
					 err);
	if (r < 0)
		return r;
	if (collecting.r < 0)
		return rsm_err_oom(err);
	for (int i = 0; i < PARTITIONS; i++)
		if (scan->part[i].extent_count)
			qsort(scan->part[i].extents, scan->part[i].extent_count,
			      sizeof *scan->part[i].extents, by_place);
	*ret_scan = RSM_STEAL(scan);
	return 0;
}

void rsm_ltfs_scan_progress(struct rsm_ltfs_scan *scan, uint64_t *ret_done, uint64_t *ret_total)
{
	*ret_done = scan ? atomic_load(&scan->done) : 0;
	*ret_total = scan ? atomic_load(&scan->total) : 0;
}

/* ---- reading ---- */

/* Perhaps an index begins with the record. Outcome 1: it is a record like any other. */
static int take_index(struct rsm_ltfs_scan *scan, struct rsm_ltfs_volume *ltfs,
		      struct scanned_partition *part, size_t length, struct rsm_err *err)
{
	struct rsm_ltfs_index_header header;
	uint64_t end, bytes;
	int r;

	if (!rsm_ltfs_looks_like_index(scan->record, length))
		return 1;
	r = rsm_ltfs_read_index(ltfs, scan->which, part->at, NULL, &header, &end, &bytes, err);
	if (r < 0)
		return r;
	if (r > 0) {
		scan->result.damaged_indexes++;
		part->in_torn = true;
		part->at++;
	} else {
		scan->result.indexes++;
		if (!header.incremental)
			r = rsm_ltfs_lost_settle(scan, ltfs, scan->which, part->at, err);
		if (r < 0)
			return r;
		part->at = end;
		part->after_mark = true;
	}
	return rsm_ltfs_seek(ltfs, scan->which, part->at, err);
}

static int take_record(struct rsm_ltfs_scan *scan, struct rsm_ltfs_volume *ltfs,
		       struct scanned_partition *part, size_t length, struct rsm_err *err)
{
	bool covered = compare_record(scan, part, length), after_mark = part->after_mark;
	int r;

	scan->result.blocks++;
	part->after_mark = false;
	if (!covered && after_mark) {
		r = take_index(scan, ltfs, part, length, err);
		if (r <= 0)
			return r;
	}
	if (!covered && !part->in_torn) {
		r = rsm_ltfs_lost_add(part, part->at, length, scan->block_size, err);
		if (r < 0)
			return r;
	}
	part->at++;
	return 0;
}

/* The block at the position cannot be read, or not as a whole. */
static int pass_bad(struct rsm_ltfs_scan *scan, struct rsm_ltfs_volume *ltfs,
		    struct scanned_partition *part, struct rsm_err *err)
{
	int r;

	compare_record(scan, part, 0);
	scan->result.unreadable++;
	part->after_mark = false;
	part->at++;
	if (++scan->failures == FAILURES_MOST) {
		part->end = part->at;
		return 0;
	}
	r = rsm_ltfs_seek(ltfs, scan->which, part->at, err);
	if (r < 0) /* behind the damage there is nothing that could be reached */
		part->end = part->at;
	return r == -ENODEV || r == -ENOMEM ? r : 0;
}

static int read_on(struct rsm_ltfs_scan *scan, struct rsm_ltfs_volume *ltfs,
		   struct scanned_partition *part, struct rsm_err *err)
{
	size_t length = 0;
	int r = rsm_tape_drive_read(ltfs->drive, scan->record, scan->block_size, &length, err);

	if (r == -ENOBUFS ||
	    (rsm_ltfs_is_medium_error(r, err) && !rsm_ltfs_is_end_not_found(r, err)))
		return pass_bad(scan, ltfs, part, err);
	scan->failures = 0;
	if (r == RSM_TAPE_END_OF_DATA || rsm_ltfs_is_end_not_found(r, err)) {
		part->end = part->at;
		return 0;
	}
	if (r == RSM_TAPE_FILEMARK) {
		part->after_mark = true;
		part->in_torn = false;
		part->at++;
		return 0;
	}
	return r < 0 ? r : take_record(scan, ltfs, part, length, err);
}

/* What files have behind the end of the partition is missing. */
static void finish_partition(struct rsm_ltfs_scan *scan, struct scanned_partition *part)
{
	for (size_t i = 0; i < part->extent_count; i++) {
		const struct scanned_extent *extent = &part->extents[i];

		if (extent->last >= part->at)
			note_damaged(scan, extent->node, part->letter,
				     extent->first > part->at ? extent->first : part->at,
				     "is not on the tape");
	}
}

int rsm_ltfs_scan_step(struct rsm_ltfs_scan *scan, struct rsm_volume *volume, struct rsm_err *err)
{
	struct rsm_ltfs_volume *ltfs = rsm_ltfs_of(volume);
	int64_t until = rsm_clock_now_ns(rsm_clock_real()) + STEP_NS;
	struct scanned_partition *part = &scan->part[scan->which];
	uint64_t before = part->at;
	int r;

	if (!ltfs || strcasecmp(ltfs->label.uuid, scan->uuid) != 0)
		return rsm_err_set(err, ESTALE, "it is another volume than it was");
	r = part->at < part->end ? rsm_ltfs_seek(ltfs, scan->which, part->at, err) : 0;
	while (r == 0 && part->at < part->end && rsm_clock_now_ns(rsm_clock_real()) < until)
		r = read_on(scan, ltfs, part, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "block %c:%" PRIu64, part->letter, part->at);
	atomic_fetch_add(&scan->done, part->at - before);
	if (part->at < part->end)
		return RSM_LTFS_SCAN_MORE;
	finish_partition(scan, part);
	if (scan->which == DATA) {
		scan->which = INDEX;
		return RSM_LTFS_SCAN_MORE;
	}
	scan->which = PARTITIONS;
	rsm_ltfs_lost_count(scan);
	return 0;
}
