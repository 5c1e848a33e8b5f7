/* The blocks that a scan found to belong to no file: which of them were lost, and making files of
 * them. The results of a scan, too.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ltfs/ltfs_scan_private.h"

#define LOST_FOLDER "_ltfs_lostandfound"

/* ---- runs ---- */

static int push(struct lost_run **runs, size_t *count, size_t *room, const struct lost_run *run)
{
	if (*count == *room) {
		size_t more = *room ? 2 * *room : 64;
		struct lost_run *grown = reallocarray(*runs, more, sizeof *grown);

		if (!grown)
			return -ENOMEM;
		*runs = grown;
		*room = more;
	}
	(*runs)[(*count)++] = *run;
	return 0;
}

int rsm_ltfs_lost_add(struct scanned_partition *part, uint64_t block, size_t length,
		      uint64_t block_size, struct rsm_err *err)
{
	struct lost_run *last = part->run_count ? &part->runs[part->run_count - 1] : NULL;
	struct lost_run run = { .first = block, .count = 1, .last_length = length };

	if (last && last->first + last->count == block && last->last_length == block_size) {
		last->count++;
		last->last_length = length;
		return 0;
	}
	return push(&part->runs, &part->run_count, &part->run_room, &run) < 0 ? rsm_err_oom(err)
									      : 0;
}

/* ---- what an index names is not lost ---- */

struct span {
	uint64_t first, end;
};

struct spans {
	struct span *items;
	size_t count, room;
	char letter;
	uint64_t block_size, from, to; /* the region */
	bool failed;
};

static bool note_span(void *context, uint64_t id, const struct rsm_extent *e)
{
	struct spans *spans = context;
	uint64_t last = e->byte_offset + e->byte_count;

	(void)id;
	if (e->partition != spans->letter || !e->byte_count || last < e->byte_offset)
		return true;
	last = e->start_block + (last - 1) / spans->block_size;
	if (last < spans->from || e->start_block >= spans->to)
		return true;
	if (spans->count == spans->room) {
		size_t room = spans->room ? 2 * spans->room : 256;
		struct span *grown = reallocarray(spans->items, room, sizeof *grown);

		spans->failed = !grown;
		if (!grown)
			return false;
		spans->items = grown;
		spans->room = room;
	}
	spans->items[spans->count++] = (struct span){ e->start_block, last + 1 };
	return true;
}

static int by_first(const void *a, const void *b)
{
	const struct span *one = a, *other = b;

	return one->first < other->first ? -1 : one->first > other->first;
}

/* Cuts the spans out of a run; what is left goes to the list. */
static int cut(const struct lost_run *run, const struct spans *spans, uint64_t block_size,
	       struct lost_run **kept, size_t *count, size_t *room)
{
	uint64_t at = run->first, end = run->first + run->count;

	for (size_t i = 0; i <= spans->count && at < end; i++) {
		uint64_t first = i < spans->count ? spans->items[i].first : end;
		uint64_t behind = i < spans->count ? spans->items[i].end : end;

		if (first > end)
			first = end;
		if (first > at) {
			struct lost_run piece = { .first = at,
						  .count = first - at,
						  .last_length = first == end ? run->last_length
									      : block_size };

			if (push(kept, count, room, &piece) < 0)
				return -ENOMEM;
		}
		if (behind > at)
			at = behind;
	}
	return 0;
}

static int cut_all(struct scanned_partition *part, const struct spans *spans, struct rsm_err *err)
{
	RSM_FREE struct lost_run *kept = NULL;
	size_t count = 0, room = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < part->run_count; i++)
		r = cut(&part->runs[i], spans, spans->block_size, &kept, &count, &room);
	if (r < 0)
		return rsm_err_oom(err);
	free(part->runs);
	part->runs = RSM_STEAL(kept);
	part->run_count = count;
	part->run_room = room;
	return 0;
}

static void remove_database(const char *path)
{
	static const char *const ends[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		char name[4300];

		snprintf(name, sizeof name, "%s%s", path, ends[i]);
		unlink(name);
	}
}

/* The extents of the index at `block`, by a database of its own. Outcome 1: it cannot be had. */
static int read_spans(struct rsm_ltfs_volume *ltfs, int which, uint64_t block, struct spans *spans,
		      struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_loader_free) struct rsm_index_loader *loader = NULL;
	RSM_CLEANUP(rsm_volume_index_close) struct rsm_volume_index *index = NULL;
	struct rsm_ltfs_index_header header;
	char path[4200], loaded[4210];
	uint64_t end, bytes;
	int r;

	snprintf(path, sizeof path, "%s/scan.db", rsm_content_folder(ltfs->content));
	snprintf(loaded, sizeof loaded, "%s.load", path);
	r = rsm_index_loader_new(path, &loader, err);
	if (r == 0)
		r = rsm_ltfs_read_index(ltfs, which, block, loader, &header, &end, &bytes, err);
	if (r == 0)
		r = rsm_index_loader_finish(loader, header.highest_uid, err);
	rsm_index_loader_free(RSM_STEAL(loader));
	if (r == 0)
		r = rsm_volume_index_open(loaded, &index, err);
	if (r == 0)
		r = rsm_volume_index_each_extent(index, note_span, spans, err);
	rsm_volume_index_close(RSM_STEAL(index));
	remove_database(loaded);
	if (r == 0 && spans->failed)
		return rsm_err_oom(err);
	if (r == 0 && spans->count)
		qsort(spans->items, spans->count, sizeof *spans->items, by_first);
	return r == -EBADMSG ? 1 : r;
}

int rsm_ltfs_lost_settle(struct rsm_ltfs_scan *scan, struct rsm_ltfs_volume *ltfs, int which,
			 uint64_t block, struct rsm_err *err)
{
	struct scanned_partition *part = &scan->part[which];
	struct spans spans = { .letter = part->letter, .block_size = scan->block_size };
	int r;

	if (!part->run_count)
		return 0;
	spans.from = part->runs[0].first;
	spans.to = block;
	r = read_spans(ltfs, which, block, &spans, err);
	if (r == 0)
		r = cut_all(part, &spans, err);
	free(spans.items);
	return r < 0 ? r : 0;
}

/* ---- results ---- */

static uint64_t bytes_of(const struct lost_run *run, uint64_t block_size)
{
	return (run->count - 1) * block_size + run->last_length;
}

void rsm_ltfs_lost_count(struct rsm_ltfs_scan *scan)
{
	scan->result.lost_blocks = scan->result.lost_bytes = 0;
	for (int which = 0; which < PARTITIONS; which++)
		for (size_t i = 0; i < scan->part[which].run_count; i++) {
			scan->result.lost_blocks += scan->part[which].runs[i].count;
			scan->result.lost_bytes +=
				bytes_of(&scan->part[which].runs[i], scan->block_size);
		}
}

void rsm_ltfs_scan_result(const struct rsm_ltfs_scan *scan, struct rsm_ltfs_scan_result *ret_result)
{
	*ret_result = scan->result;
}

int rsm_ltfs_scan_files(const struct rsm_ltfs_scan *scan, struct rsm_content *content,
			void (*each)(void *context, const char *path, const char *text),
			void *context, struct rsm_err *err)
{
	for (size_t i = 0; i < scan->damaged_count; i++) {
		RSM_FREE char *path = NULL;
		int r = rsm_volume_index_path(rsm_content_index(content), scan->damaged[i].node,
					      &path, err);

		if (r < 0)
			return r;
		if (r == 0)
			each(context, path, scan->damaged[i].text);
	}
	return 0;
}

/* ---- files of lost blocks ---- */

static void set_owner(struct rsm_node *node, const struct rsm_volume_identity *identity,
		      uint32_t mode)
{
	node->flags = RSM_NODE_HAS_UNIX | RSM_NODE_READONLY;
	node->mode = mode;
	node->owner = identity ? identity->owner : 0;
	node->group = identity ? identity->group : 0;
}

static int find_folder(struct rsm_content *content, const struct rsm_volume_identity *identity,
		       uint64_t *ret_folder, struct rsm_err *err)
{
	struct rsm_node node = { 0 };
	int r = rsm_content_lookup(content, RSM_NODE_ROOT, LOST_FOLDER, &node, err);

	if (r > 0) {
		node = (struct rsm_node){ .kind = RSM_NODE_FOLDER };
		set_owner(&node, identity, 0500);
		r = rsm_content_make(content, RSM_NODE_ROOT, LOST_FOLDER, &node, NULL, err);
	}
	if (r == 0 && node.kind != RSM_NODE_FOLDER)
		return rsm_err_set(err, ENOTDIR, "%s is no folder", LOST_FOLDER);
	*ret_folder = node.id;
	return r;
}

static int make_file(struct rsm_ltfs_volume *ltfs, int which, uint64_t folder,
		     const struct lost_run *run, const struct rsm_volume_identity *identity,
		     struct rsm_err *err)
{
	const struct ltfs_partition *part = &ltfs->part[which];
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	struct rsm_node node = { .kind = RSM_NODE_FILE };
	struct rsm_extent extent = { .start_block = run->first,
				     .byte_count = bytes_of(run, ltfs->label.block_size),
				     .partition = part->letter };
	char name[96];
	int r;

	snprintf(name, sizeof name, "partition%u_block%" PRIu64 "_%" PRIu64 "bytes", part->number,
		 run->first, extent.byte_count);
	set_owner(&node, identity, 0400);
	r = rsm_content_make(ltfs->content, folder, name, &node, NULL, err);
	if (r == -EEXIST) {
		r = rsm_content_lookup(ltfs->content, folder, name, &node, err);
		if (r == 0 && node.size)
			return 0; /* it was offered before; an empty one was cut short */
	}
	if (r == 0)
		r = rsm_volume_index_migrated(index, node.id, node.data_version, &extent, 1, err);
	node.size = extent.byte_count;
	if (r == 0)
		r = rsm_volume_index_update(index, &node, err);
	return r < 0 ? rsm_err_wrap(err, r, "%s/%s", LOST_FOLDER, name) : 0;
}

int rsm_ltfs_scan_offer(struct rsm_ltfs_scan *scan, struct rsm_volume *volume,
			const struct rsm_volume_identity *identity, struct rsm_text *ret_done,
			struct rsm_err *err)
{
	struct rsm_ltfs_volume *ltfs = rsm_ltfs_of(volume);
	uint64_t folder = 0, files = 0;
	int r;

	if (!ltfs || ltfs->read_only)
		return rsm_err_set(err, EROFS, "%s",
				   ltfs ? ltfs->reason : "it is no LTFS volume any more");
	if (!scan->result.lost_blocks)
		return 0;
	r = find_folder(ltfs->content, identity, &folder, err);
	for (int which = 0; r == 0 && which < PARTITIONS; which++)
		for (size_t i = 0; r == 0 && i < scan->part[which].run_count; i++, files++)
			r = make_file(ltfs, which, folder, &scan->part[which].runs[i], identity,
				      err);
	/* files that are there already are whole; the rest can be offered again */
	if (rsm_volume_index_commit(rsm_content_index(ltfs->content), true, r ? NULL : err) < 0 &&
	    r == 0)
		r = -EIO;
	if (r == 0)
		r = rsm_ltfs_commit(volume, RSM_COMMIT_FULL, identity, false, err);
	if (r == 0)
		rsm_text_printf(ret_done,
				"%" PRIu64 " blocks of no file are in %s now, as %" PRIu64
				" files\n",
				scan->result.lost_blocks, LOST_FOLDER, files);
	return r;
}
