#include "core/content_private.h"

#include <inttypes.h>
#include <string.h>

/* Files that are migrated in parts while they are still being written.
 *
 * Two sets of a node, both within its ranges, say what need not wait: `guard` has what a drive
 * worker is writing just now, `streamed` what is on the medium and waits for an index. Whoever
 * changes bytes takes them out of both before the first of them changes (_touch_streamed). So a
 * part that was touched while it was written is waste on the medium and never recorded, and a part
 * that was touched afterwards waits anew, over extents that hold what it was.
 *
 * _record_part, behind the synchronising filemark, in one transaction: the row and the ranges as
 * they are now, the extents of what is still in the guard, the mark `written` on just these ranges.
 * The next index lists the file as open for writing with these extents, and only then release_one
 * (content_migration.c) gives up what is still in `streamed`.
 *
 * Memory that is not to be had makes parts wait again, never the other way round.
 */

void rsm_content_forget_streamed(struct rsm_open_node *node)
{
	node->streamed.count = node->guard.count = 0;
}

static void take_out(struct rsm_ranges *set, uint64_t start, uint64_t end)
{
	struct rsm_staged_range gone = { .file_offset = start,
					 .byte_count = end - start,
					 .store = RSM_STORE_OWN,
					 .store_offset = start };
	size_t at = rsm_ranges_find(set, start);

	if (at == set->count || set->at[at].file_offset >= end)
		return;
	if (rsm_ranges_reserve(set, 1, NULL))
		set->count = 0;
	else
		rsm_ranges_remove(set, &gone);
}

void rsm_content_drop_streamed(struct rsm_open_node *node, uint64_t start, uint64_t end)
{
	if (node->streamed.count)
		take_out(&node->streamed, start, end);
	if (node->guard.count)
		take_out(&node->guard, start, end);
}

static void count_part(void *context, const struct rsm_staged_range *part)
{
	*(uint64_t *)context += part->byte_count;
}

/* The row says that they are on the medium, so only we know that they wait. */
void rsm_content_touch_streamed(struct rsm_content *content, struct rsm_open_node *node,
				uint64_t start, uint64_t end)
{
	struct rsm_staged_range range = { .file_offset = start, .byte_count = end - start };
	uint64_t bytes = 0;

	if (node->streamed.count)
		rsm_ranges_intersect(&range, &node->streamed, count_part, &bytes);
	node->unsaved_own += bytes;
	content->unsaved_own_bytes += bytes;
	rsm_content_drop_streamed(node, start, end);
}

/* ---- lists of ranges ---- */

struct list {
	struct rsm_ranges ranges;
	struct rsm_err *err;
	int r;
	bool written;
};

static void add(void *context, const struct rsm_staged_range *part)
{
	struct list *list = context;

	if (!list->r)
		list->r = rsm_ranges_reserve(&list->ranges, 1, list->err);
	if (list->r)
		return;
	list->ranges.at[list->ranges.count] = *part;
	list->ranges.at[list->ranges.count++].written = list->written;
}

static int by_offset(const void *left, const void *right)
{
	uint64_t a = ((const struct rsm_staged_range *)left)->file_offset;
	uint64_t b = ((const struct rsm_staged_range *)right)->file_offset;

	return a < b ? -1 : a > b;
}

int rsm_content_mark_streamed(const struct rsm_open_node *node,
			      const struct rsm_staged_range **ret_ranges, size_t *ret_count,
			      struct rsm_staged_range **ret_owned, struct rsm_err *err)
{
	struct list list = { .err = err };

	*ret_ranges = node->ranges.at;
	*ret_count = node->ranges.count;
	if (!node->streamed.count)
		return 0;
	for (size_t i = 0; i < node->ranges.count; i++) {
		const struct rsm_staged_range *range = &node->ranges.at[i];

		list.written = false;
		if (range->store != RSM_STORE_OWN) {
			add(&list, range);
			continue;
		}
		rsm_ranges_subtract(range, &node->streamed, add, &list);
		list.written = true;
		rsm_ranges_intersect(range, &node->streamed, add, &list);
	}
	if (list.r) {
		rsm_ranges_fini(&list.ranges);
		return list.r;
	}
	qsort(list.ranges.at, list.ranges.count, sizeof *list.ranges.at, by_offset);
	*ret_ranges = *ret_owned = list.ranges.at;
	*ret_count = list.ranges.count;
	return 0;
}

void rsm_content_all_streamed(struct rsm_open_node *node)
{
	rsm_content_forget_streamed(node);
	for (size_t i = 0; i < node->ranges.count; i++)
		if (node->ranges.at[i].store == RSM_STORE_OWN &&
		    !rsm_ranges_reserve(&node->streamed, 2, NULL))
			rsm_ranges_put(&node->streamed, node->ranges.at[i]);
}

/* ---- which part is next ---- */

struct unguarded {
	const struct rsm_open_node *node;
	rsm_ranges_each *each;
	void *context;
};

static void subtract_guard(void *context, const struct rsm_staged_range *part)
{
	const struct unguarded *unguarded = context;

	rsm_ranges_subtract(part, &unguarded->node->guard, unguarded->each, unguarded->context);
}

static void each_waiting(const struct rsm_open_node *node, rsm_ranges_each *each, void *context)
{
	struct unguarded unguarded = { node, each, context };

	if (node->has_buffer)
		return;
	for (size_t i = 0; i < node->ranges.count; i++)
		if (node->ranges.at[i].store == RSM_STORE_OWN)
			rsm_ranges_subtract(&node->ranges.at[i], &node->streamed, subtract_guard,
					    &unguarded);
}

static uint64_t waiting_of(const struct rsm_open_node *node)
{
	uint64_t bytes = 0;

	each_waiting(node, count_part, &bytes);
	return bytes;
}

struct first {
	uint64_t offset;
	bool found;
};

static void note_first(void *context, const struct rsm_staged_range *part)
{
	struct first *first = context;

	if (!first->found)
		*first = (struct first){ part->file_offset, true };
}

/* It has been written in order from its beginning, as far as it is on the medium. */
static bool goes_in_order(struct rsm_content *content, const struct rsm_open_node *node)
{
	struct first first = { 0 };

	each_waiting(node, note_first, &first);
	return first.found && rsm_content_running_is_next(content, node->id, first.offset);
}

bool rsm_content_wants_stream(struct rsm_content *content, const struct rsm_open_node *node)
{
	uint64_t waiting = waiting_of(node);

	return waiting >= content->stream_size ||
	       (waiting >= RSM_CONTENT_IN_ORDER && content->stream_size != UINT64_MAX &&
		goes_in_order(content, node));
}

/* Nothing of it has gone out of order yet, but what would come next is not here: writes that were
 * sent side by side arrive in any order. To go on without it would cost the file its digest, and so
 * a second reading of all its bytes.
 */
static bool expects_earlier(struct rsm_content *content, const struct rsm_open_node *node)
{
	return rsm_content_running_is_whole(content, node->id, !node->streamed.count) &&
	       !goes_in_order(content, node);
}

struct blocks {
	uint64_t bytes;
	uint32_t block_size;
};

static void count_blocks(void *context, const struct rsm_staged_range *part)
{
	struct blocks *blocks = context;

	blocks->bytes += part->byte_count - part->byte_count % blocks->block_size;
}

/* What a part of the file could have now: whole blocks, or all of it. */
static uint64_t worth(struct rsm_content *content, struct rsm_open_node *node, uint64_t at_least,
		      uint32_t block_size, bool crumbs)
{
	struct blocks blocks = { .block_size = crumbs ? 1 : block_size };
	uint64_t waiting;

	if (!node->loaded || node->row.kind != RSM_NODE_FILE || node->gone ||
	    !rsm_content_is_busy(content, node) || rsm_content_is_orphan(content, node->id))
		return 0;
	waiting = waiting_of(node);
	if (at_least && waiting < at_least && !rsm_content_wants_stream(content, node))
		return 0;
	if (at_least && waiting < content->stream_size && expects_earlier(content, node))
		return 0;
	each_waiting(node, count_blocks, &blocks);
	return blocks.bytes;
}

struct choice {
	struct list list;
	uint64_t left, bytes;
	uint32_t block_size;
	bool in_order; /* no gap is left open, for the digest */
};

enum { RANGES_MOST = 1024 };

static void choose(void *context, const struct rsm_staged_range *part)
{
	struct choice *choice = context;
	struct rsm_staged_range range = *part;

	if (choice->in_order && choice->list.ranges.count) {
		const struct rsm_staged_range *last =
			&choice->list.ranges.at[choice->list.ranges.count - 1];

		if (last->file_offset + last->byte_count != range.file_offset)
			return;
	}
	if (range.byte_count > choice->left)
		range.byte_count = choice->left;
	range.byte_count -= range.byte_count % choice->block_size;
	if (!range.byte_count || choice->list.ranges.count == RANGES_MOST)
		return;
	add(&choice->list, &range);
	choice->left -= range.byte_count;
	choice->bytes += range.byte_count;
}

static int guard(struct rsm_open_node *node, const struct rsm_migration *part, struct rsm_err *err)
{
	int r = rsm_ranges_reserve(&node->guard, 2 * part->range_count, err);

	for (size_t i = 0; !r && i < part->range_count; i++)
		rsm_ranges_put(&node->guard, part->ranges[i]);
	return r;
}

static int take_part(struct rsm_content *content, struct rsm_open_node *node, uint64_t most,
		     uint32_t block_size, struct rsm_migration **ret_part, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_migration_free) struct rsm_migration *part = calloc(1, sizeof *part);
	struct choice choice = { .list = { .err = err }, .left = most, .block_size = block_size };
	int r;

	if (!part)
		return rsm_err_oom(err);
	choice.in_order = goes_in_order(content, node);
	each_waiting(node, choose, &choice);
	part->id = node->id;
	part->data_version = node->row.data_version;
	part->size = node->row.size;
	part->ranges = choice.list.ranges.at;
	part->range_count = choice.list.ranges.count;
	r = choice.list.r ? choice.list.r : guard(node, part, err);
	if (r || !part->range_count)
		return r ? r : RSM_NODE_ABSENT;
	rsm_content_pin(content, node);
	part->part_of = content;
	part->node = node;
	part->digest_from = part->ranges[0].file_offset;
	if (choice.in_order && rsm_content_running_lend(content, node->id, part->digest_from,
							choice.bytes, &part->digest))
		part->digest_of = content;
	else /* what follows cannot be digested without it */
		rsm_content_running_touch(content, node->id, 0);
	*ret_part = RSM_STEAL(part);
	return 0;
}

int rsm_content_next_part(struct rsm_content *content, uint64_t at_least, uint64_t most,
			  uint32_t block_size, bool crumbs, struct rsm_migration **ret_migration,
			  struct rsm_err *err)
{
	RSM_FREE uint64_t *ids = NULL;
	struct rsm_open_node *node;
	uint64_t best = 0, best_id = 0;
	int r = rsm_content_live_ids(content, &ids, err);

	for (size_t i = 0; ids && ids[i]; i++) {
		uint64_t bytes;

		node = rsm_content_hold_live(content, ids[i]);
		if (!node)
			continue;
		bytes = worth(content, node, at_least, block_size, crumbs);
		if (bytes > best) {
			best = bytes;
			best_id = node->id;
		}
		rsm_content_let_go(content, node);
	}
	if (r || !best)
		return r ? r : RSM_NODE_ABSENT;
	node = rsm_content_hold_live(content, best_id);
	if (!node)
		return RSM_NODE_ABSENT;
	r = worth(content, node, at_least, block_size, crumbs)
		    ? take_part(content, node, most < block_size ? block_size : most,
				crumbs ? 1 : block_size, ret_migration, err)
		    : RSM_NODE_ABSENT;
	rsm_content_let_go(content, node);
	return r;
}

/* ---- when it has been written ---- */

void rsm_content_end_part(struct rsm_migration *migration)
{
	struct rsm_content *content = migration->part_of;
	struct rsm_open_node *node = migration->node;

	migration->part_of = NULL;
	rsm_mutex_lock(&node->lock);
	for (size_t i = 0; i < migration->range_count; i++)
		take_out(&node->guard, migration->ranges[i].file_offset,
			 migration->ranges[i].file_offset + migration->ranges[i].byte_count);
	rsm_content_let_go(content, node);
}

/* The extents' parts that are in the guard. Their positions on the medium follow from the file's:
 * the records of a range are full but for its last one.
 */
static int cut_to_guard(const struct rsm_open_node *node, const struct rsm_extent *extents,
			size_t count, uint64_t block_size, struct rsm_extent **ret_extents,
			struct rsm_ranges *ret_ranges, struct rsm_err *err)
{
	RSM_FREE struct rsm_extent *cut = NULL;
	size_t room = 0, filled = 0;

	for (size_t i = 0; i < count; i++) {
		struct list list = { .err = err };
		struct rsm_staged_range range = { .file_offset = extents[i].file_offset,
						  .byte_count = extents[i].byte_count,
						  .store_offset = extents[i].file_offset };

		rsm_ranges_intersect(&range, &node->guard, add, &list);
		if (!list.r)
			list.r = rsm_ranges_reserve(ret_ranges, list.ranges.count, err);
		if (!list.r && filled + list.ranges.count > room) {
			struct rsm_extent *grown;

			room = 2 * (filled + list.ranges.count);
			grown = reallocarray(cut, room, sizeof *cut);
			if (grown)
				cut = grown;
			else
				list.r = rsm_err_oom(err);
		}
		for (size_t k = 0; !list.r && k < list.ranges.count; k++) {
			const struct rsm_staged_range *kept = &list.ranges.at[k];
			uint64_t at = extents[i].byte_offset +
				      (kept->file_offset - extents[i].file_offset);

			cut[filled] = extents[i];
			cut[filled].file_offset = kept->file_offset;
			cut[filled].byte_count = kept->byte_count;
			cut[filled].start_block += at / block_size;
			cut[filled++].byte_offset = at % block_size;
			ret_ranges->at[ret_ranges->count++] = *kept;
		}
		rsm_ranges_fini(&list.ranges);
		if (list.r)
			return list.r;
	}
	*ret_extents = RSM_STEAL(cut);
	return 0;
}

static int record_held(struct rsm_content *content, struct rsm_open_node *node,
		       const struct rsm_extent *extents, size_t count, struct rsm_ranges *kept,
		       bool *ret_queued, struct rsm_err *err)
{
	RSM_FREE struct rsm_extent *cut = NULL;
	uint64_t block_size;
	int r;

	if (node->gone || !node->loaded || rsm_content_is_orphan(content, node->id))
		return RSM_NODE_ABSENT;
	r = rsm_volume_index_get_number(content->index, "block_size", &block_size,
					RSM_CONTENT_BLOCK, err);
	if (!r && !block_size)
		block_size = RSM_CONTENT_BLOCK;
	if (!r)
		r = cut_to_guard(node, extents, count, block_size, &cut, kept, err);
	if (r || !kept->count)
		return r ? r : RSM_NODE_ABSENT;
	r = rsm_ranges_reserve(&node->streamed, 2 * kept->count, err);
	if (!r)
		r = rsm_content_flush_part(content, node, cut, kept->count, ret_queued, err);
	if (r)
		return r;
	for (size_t i = 0; i < kept->count; i++)
		rsm_ranges_put(&node->streamed, kept->at[i]);
	rsm_content_forget_extents(node);
	return 0;
}

static uint64_t bytes_of(const struct rsm_staged_range *ranges, size_t count)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += ranges[i].byte_count;
	return bytes;
}

int rsm_content_record_part(struct rsm_content *content, struct rsm_migration *migration,
			    const struct rsm_extent *extents, size_t count, struct rsm_err *err)
{
	struct rsm_open_node *node = migration->node;
	struct rsm_ranges kept = { 0 };
	bool queued = false;
	int r;

	rsm_mutex_lock(&node->lock);
	r = record_held(content, node, extents, count, &kept, &queued, err);
	migration->digest_good = r == 0 && (migration->digested || !migration->digest) &&
				 bytes_of(kept.at, kept.count) ==
					 bytes_of(migration->ranges, migration->range_count);
	rsm_mutex_unlock(&node->lock);
	rsm_ranges_fini(&kept);
	if (queued)
		rsm_content_want(content, RSM_WANT_MIGRATION);
	return r;
}
