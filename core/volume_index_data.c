/* Where a file's bytes are, and how they get from local disk to the medium:
 *
 *   stage      ranges on local disk, waiting             written = 0, in the queue
 *   migrated   extents recorded, ranges kept             written = unindexed = tree version V
 *   indexed    an index of version >= V is on the medium ranges go, written = unindexed = 0
 *   forgotten  the medium does not have it after all     extents younger than the last index go,
 *                                                        ranges wait again
 *
 * Staging again while written puts the ranges back to waiting; the extents below stay, as hidden
 * as any that a staged range overrides. Whether an extent is indexed is told by its version.
 *
 * Parts of a file that is still being written take the same way one by one: a range with `written`
 * has its bytes in extents whose version is not greater than `unindexed`, so an index of that
 * version covers all of them. Staging again keeps the mark of what was not touched since. The row's
 * own `written` is set when none of its ranges waits any more, and only then is it off the queue.
 */
#include <inttypes.h>
#include <string.h>

#include "core/staging.h"
#include "core/volume_index_private.h"

void rsm_vi_data_fini(struct rsm_vi_data *data)
{
	rsm_vi_ranges_fini(&data->staged);
	rsm_vi_extents_fini(&data->extents);
	data->staged = (struct rsm_vi_ranges){ 0 };
	data->extents = (struct rsm_vi_extents){ 0 };
}

static int get_lists(sqlite3_stmt *row, struct rsm_vi_data *data, struct rsm_err *err)
{
	struct rsm_node_times times;
	int r;

	if (rsm_vi_unpack_times(sqlite3_column_blob(row, 10), (size_t)sqlite3_column_bytes(row, 10),
				&times) < 0)
		return rsm_err_set(err, EBADMSG, "the times of a node are damaged");
	data->modified = times.modified;
	r = rsm_vi_unpack_ranges(sqlite3_column_blob(row, 9), (size_t)sqlite3_column_bytes(row, 9),
				 &data->staged, err);
	if (r == 0)
		r = rsm_vi_unpack_extents(sqlite3_column_blob(row, 11),
					  (size_t)sqlite3_column_bytes(row, 11), &data->extents,
					  err);
	return r;
}

int rsm_vi_data_of(sqlite3_stmt *row, bool whole, struct rsm_vi_data *ret_data, struct rsm_err *err)
{
	*ret_data = (struct rsm_vi_data){
		.parent = rsm_vi_column(row, 0),
		.kind = (enum rsm_node_kind)sqlite3_column_int(row, 1),
		.flags = (uint32_t)rsm_vi_column(row, 2),
		.size = rsm_vi_column(row, 3),
		.data_version = rsm_vi_column(row, 4),
		.close_order = rsm_vi_column(row, 5),
		.written = rsm_vi_column(row, 6),
		.unindexed = rsm_vi_column(row, 7),
		.has_stamp = sqlite3_column_type(row, 8) != SQLITE_NULL,
		.stamp = sqlite3_column_int64(row, 8),
	};
	if (sqlite3_column_type(row, 9) == SQLITE_BLOB)
		ret_data->staged_bytes = rsm_vi_sum_ranges(sqlite3_column_blob(row, 9),
							   (size_t)sqlite3_column_bytes(row, 9));
	return whole ? get_lists(row, ret_data, err) : 0;
}

int rsm_vi_get_data(struct rsm_volume_index *index, uint64_t id, bool whole,
		    struct rsm_vi_data *ret_data, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *get = rsm_vi_statement(index, RSM_VI_GET_DATA);
	int r;

	rsm_vi_bind_id(get, 1, id);
	r = rsm_sqlite_step(get, err);
	if (r < 0)
		return r;
	if (r == RSM_SQLITE_DONE)
		return RSM_NODE_ABSENT;
	return rsm_vi_data_of(get, whole, ret_data, err);
}

int rsm_vi_set_data(struct rsm_volume_index *index, uint64_t id, const struct rsm_vi_data *data,
		    struct rsm_err *err)
{
	RSM_VI_PACKED struct rsm_vi_packed staged = { 0 }, extents = { 0 };
	sqlite3_stmt *set = rsm_vi_statement(index, RSM_VI_SET_DATA);
	int r;

	r = rsm_vi_pack_ranges(data->staged.items, data->staged.count, &staged, err);
	if (r == 0)
		r = rsm_vi_pack_extents(&data->extents, &extents, err);
	if (r < 0)
		return r;
	rsm_vi_bind_id(set, 1, id);
	rsm_vi_bind_id(set, 2, data->size);
	rsm_vi_bind_id(set, 3, data->close_order);
	rsm_vi_bind_id(set, 4, data->written);
	rsm_vi_bind_id(set, 5, data->unindexed);
	if (data->has_stamp)
		sqlite3_bind_int64(set, 6, data->stamp);
	else
		sqlite3_bind_null(set, 6);
	rsm_vi_bind_packed(set, 7, &staged);
	rsm_vi_bind_packed(set, 8, &extents);
	return rsm_sqlite_run(set, err);
}

void rsm_vi_count(struct rsm_vi_state *state, const struct rsm_vi_data *data, int sign)
{
	struct rsm_volume_totals *totals = &state->totals;
	uint64_t one = sign < 0 ? UINT64_MAX : 1;

	if (!data->parent) /* orphans count for nothing */
		return;
	switch (data->kind) {
	case RSM_NODE_FOLDER: totals->folders += one; break;
	case RSM_NODE_LINK: totals->links += one; break;
	case RSM_NODE_FILE:
		totals->files += one;
		totals->file_bytes += one * data->size;
		if (data->staged_bytes && !data->written) {
			totals->staged_files += one;
			totals->staged_bytes += one * data->staged_bytes;
		}
		break;
	}
}

void rsm_vi_release(const struct rsm_vi_data *data, uint64_t id,
		    rsm_volume_index_released *released, void *context)
{
	for (size_t i = 0; released && i < data->staged.count; i++)
		released(context, id, &data->staged.items[i]);
}

static void sum_staged(struct rsm_vi_data *data)
{
	data->staged_bytes = 0;
	for (size_t i = 0; i < data->staged.count; i++)
		if (!data->staged.items[i].written)
			data->staged_bytes += data->staged.items[i].byte_count;
}

void rsm_vi_wait_again(struct rsm_vi_data *data)
{
	for (size_t i = 0; i < data->staged.count; i++)
		data->staged.items[i].written = false;
	sum_staged(data);
}

void rsm_vi_settle(struct rsm_vi_data *data)
{
	if (!data->unindexed)
		rsm_vi_wait_again(data); /* nothing would ever cover them */
	sum_staged(data);
	if (!data->staged.count)
		data->close_order = data->written = 0;
	else if (!data->staged_bytes && !data->written)
		data->written = data->unindexed;
}

static int no_node(uint64_t id, struct rsm_err *err)
{
	return rsm_err_set(err, ENOENT, "node %" PRIu64 " does not exist", id);
}

/* ---- reading ---- */

int rsm_volume_index_extents(struct rsm_volume_index *index, uint64_t id,
			     struct rsm_extent **ret_extents, size_t *ret_count,
			     struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_VI_DATA struct rsm_vi_data data = { 0 };
	struct rsm_extent *extents;
	int r;

	r = rsm_vi_get_data(index, id, true, &data, err);
	if (r)
		return r < 0 ? r : no_node(id, err);
	extents = calloc(data.extents.count + 1, sizeof *extents);
	if (!extents)
		return rsm_err_oom(err);
	for (size_t i = 0; i < data.extents.count; i++) {
		extents[i] = data.extents.items[i].e;
		extents[i].indexed = data.extents.items[i].version <= index->state.indexed_version;
	}
	*ret_extents = extents;
	*ret_count = data.extents.count;
	return 0;
}

int rsm_volume_index_staged(struct rsm_volume_index *index, uint64_t id,
			    struct rsm_staged_range **ret_ranges, size_t *ret_count,
			    struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_VI_DATA struct rsm_vi_data data = { 0 };
	int r;

	r = rsm_vi_get_data(index, id, true, &data, err);
	if (r)
		return r < 0 ? r : no_node(id, err);
	for (size_t i = 0; data.written && i < data.staged.count; i++)
		data.staged.items[i].written = data.staged.items[i].store == RSM_STORE_OWN;
	*ret_count = data.staged.count;
	*ret_ranges =
		data.staged.items ? RSM_STEAL(data.staged.items) : calloc(1, sizeof **ret_ranges);
	return *ret_ranges ? 0 : rsm_err_oom(err);
}

int rsm_volume_index_each_staged(struct rsm_volume_index *index, rsm_volume_index_released *each,
				 void *context, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *rows = NULL;
	struct rsm_vi_call call;
	int r;

	RSM_LOCK_SCOPE(&index->lock);
	r = rsm_vi_begin(index, &call, true, err);
	if (r < 0)
		return r;
	r = rsm_vi_end(index, &call, rsm_vi_queue_flush(index, err), err);
	if (r == 0)
		r = rsm_sqlite_prepare(index->db,
				       "SELECT n.id,n.staged FROM queue q CROSS JOIN node n"
				       " ON n.id=q.id UNION ALL"
				       " SELECT id,staged FROM node INDEXED BY node_unindexed"
				       " WHERE unindexed>0 AND written>0 AND staged IS NOT NULL",
				       &rows, err);
	while (r == 0 && (r = rsm_sqlite_step(rows, err)) == 0) {
		RSM_VI_RANGES struct rsm_vi_ranges ranges = { 0 };

		r = rsm_vi_unpack_ranges(sqlite3_column_blob(rows, 1),
					 (size_t)sqlite3_column_bytes(rows, 1), &ranges, err);
		for (size_t i = 0; r == 0 && i < ranges.count; i++)
			each(context, rsm_vi_column(rows, 0), &ranges.items[i]);
	}
	return r < 0 ? r : 0;
}

/* ---- staging ---- */

static bool any_written(const struct rsm_staged_range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ranges[i].written)
			return true;
	return false;
}

/* Appends `range` in pieces: `written` is what the row has as written as well. */
static int keep_written(struct rsm_vi_ranges *kept, const struct rsm_staged_range *range,
			const struct rsm_vi_data *before, struct rsm_err *err)
{
	uint64_t at = range->file_offset, end = at + range->byte_count;
	struct rsm_staged_range piece;
	int r = 0;

	for (size_t i = 0; r == 0 && range->written && i < before->staged.count; i++) {
		const struct rsm_staged_range *had = &before->staged.items[i];
		uint64_t from = had->file_offset, to = from + had->byte_count;

		if (had->store != range->store || to <= at || (!had->written && !before->written))
			continue;
		if (from >= end)
			break;
		if (from > at) {
			piece = *range;
			piece.written = false;
			piece.file_offset = piece.store_offset = at;
			piece.byte_count = from - at;
			r = rsm_vi_ranges_add(kept, &piece, err);
			at = from;
		}
		piece = *range;
		piece.file_offset = piece.store_offset = at;
		piece.byte_count = (to < end ? to : end) - at;
		if (r == 0)
			r = rsm_vi_ranges_add(kept, &piece, err);
		at += piece.byte_count;
	}
	if (r < 0 || at == end)
		return r;
	piece = *range;
	piece.written = false;
	piece.store_offset += at - range->file_offset;
	piece.file_offset = at;
	piece.byte_count = end - at;
	return rsm_vi_ranges_add(kept, &piece, err);
}

/* What the row knows as written of what the caller says was not touched since. */
static int check_written(struct rsm_volume_index *index, uint64_t id,
			 const struct rsm_staged_range *ranges, size_t count,
			 struct rsm_vi_ranges *ret_kept, struct rsm_err *err)
{
	RSM_VI_DATA struct rsm_vi_data before = { 0 };
	int r = rsm_vi_get_data(index, id, true, &before, err);

	if (r)
		return r < 0 ? r : no_node(id, err);
	if (!before.unindexed)
		before.staged.count = 0;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = keep_written(ret_kept, &ranges[i], &before, err);
	return r;
}

static int stage(struct rsm_volume_index *index, const struct rsm_node *node,
		 const struct rsm_vi_data *before, const struct rsm_vi_packed *staged,
		 uint64_t bytes, uint64_t close_order, struct rsm_err *err)
{
	sqlite3_stmt *stage = rsm_vi_statement(index, RSM_VI_STAGE);
	uint64_t written = !bytes && staged->length ? before->unindexed : 0;
	uint8_t times[RSM_VI_TIMES_MAX];
	struct rsm_vi_data after = *before;
	int r;

	r = rsm_vi_bump(index, err);
	if (r < 0)
		return r;
	/* an orphan goes nowhere, a file without new bytes neither; one that waits keeps its place,
	 * which is that of its oldest bytes */
	if (!before->parent || !bytes)
		close_order = 0;
	else if (close_order && before->close_order && before->staged_bytes && !before->written)
		close_order = before->close_order;
	rsm_vi_bind_node(stage, node, times);
	rsm_vi_bind_packed(stage, 9, staged);
	rsm_vi_bind_id(stage, 10, close_order);
	rsm_vi_bind_id(stage, 11, written);
	r = rsm_sqlite_run(stage, err);
	if (r < 0)
		return r;
	after.size = node->size;
	after.written = written;
	after.staged_bytes = bytes;
	after.close_order = close_order;
	r = rsm_vi_account(index, node->id, before, &after, err);
	return r < 0 ? r : rsm_vi_drop_hashes(index, node->id, before->flags, err);
}

int rsm_volume_index_stage(struct rsm_volume_index *index, const struct rsm_node *node,
			   const struct rsm_staged_range *ranges, size_t count,
			   uint64_t close_order, struct rsm_err *err)
{
	RSM_VI_PACKED struct rsm_vi_packed staged = { 0 };
	RSM_VI_RANGES struct rsm_vi_ranges kept = { 0 };
	struct rsm_vi_data before;
	struct rsm_vi_call call;
	uint64_t all = 0, bytes = 0;
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		all += ranges[i].byte_count;
		if (ranges[i].byte_count > UINT64_MAX - ranges[i].file_offset ||
		    (i &&
		     ranges[i].file_offset < ranges[i - 1].file_offset + ranges[i - 1].byte_count))
			return rsm_err_set(err, EINVAL, "staged ranges overlap each other");
	}
	RSM_LOCK_SCOPE(&index->lock);
	if (any_written(ranges, count)) {
		r = check_written(index, node->id, ranges, count, &kept, err);
		ranges = kept.items;
		count = kept.count;
	}
	for (size_t i = 0; i < count; i++)
		bytes += ranges[i].written ? 0 : ranges[i].byte_count;
	if (r == 0)
		r = rsm_vi_pack_ranges(ranges, count, &staged, err);
	if (r < 0)
		return r;
	if (!all)
		staged.length = 0;
	r = rsm_vi_get_data(index, node->id, false, &before, err);
	if (r)
		return r < 0 ? r : no_node(node->id, err);
	r = rsm_vi_begin(index, &call,
			 !rsm_vi_queue_is_easy(index, &before) || !close_order ||
				 (before.flags & RSM_NODE_HAS_XATTRS),
			 err);
	if (r < 0)
		return r;
	r = stage(index, node, &before, &staged, bytes, close_order, err);
	return rsm_vi_end(index, &call, r, err);
}

/* Moves what is behind `size` from the list to *ret_cut. */
static int cut_ranges(struct rsm_vi_ranges *ranges, uint64_t size, struct rsm_vi_ranges *ret_cut,
		      struct rsm_err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < ranges->count; i++) {
		struct rsm_staged_range *range = &ranges->items[i], cut = *range;
		uint64_t keep = 0;
		int r;

		if (range->file_offset < size)
			keep = size - range->file_offset;
		if (keep >= range->byte_count) {
			ranges->items[kept++] = *range;
			continue;
		}
		cut.file_offset += keep;
		cut.store_offset += keep;
		cut.byte_count -= keep;
		r = rsm_vi_ranges_add(ret_cut, &cut, err);
		if (r < 0)
			return r;
		if (keep) {
			ranges->items[kept] = *range;
			ranges->items[kept++].byte_count = keep;
		}
	}
	ranges->count = kept;
	return 0;
}

static int truncate_file(struct rsm_volume_index *index, uint64_t id, uint64_t size,
			 struct rsm_vi_ranges *ret_cut, struct rsm_err *err)
{
	RSM_VI_DATA struct rsm_vi_data data = { 0 };
	struct rsm_vi_data before;
	int r;

	r = rsm_vi_get_data(index, id, true, &data, err);
	if (r)
		return r < 0 ? r : no_node(id, err);
	before = data;
	r = rsm_vi_bump(index, err);
	if (r < 0)
		return r;
	r = cut_ranges(&data.staged, size, ret_cut, err);
	if (r < 0)
		return r;
	/* extents that make no sense are kept for the index as they are, unless all goes */
	if (!(data.flags & RSM_NODE_DAMAGED) || size == 0)
		rsm_vi_cut_extents(&data.extents, size);
	data.size = size;
	rsm_vi_settle(&data);
	r = rsm_vi_set_data(index, id, &data, err);
	if (r == 0)
		r = rsm_vi_account(index, id, &before, &data, err);
	return r < 0 ? r : rsm_vi_drop_hashes(index, id, before.flags, err);
}

int rsm_volume_index_truncate(struct rsm_volume_index *index, uint64_t id, uint64_t size,
			      rsm_volume_index_released *released, void *context,
			      struct rsm_err *err)
{
	RSM_VI_RANGES struct rsm_vi_ranges cut = { 0 };
	struct rsm_vi_call call;
	int r;

	RSM_LOCK_SCOPE(&index->lock);
	r = rsm_vi_begin(index, &call, true, err);
	if (r < 0)
		return r;
	r = rsm_vi_end(index, &call, truncate_file(index, id, size, &cut, err), err);
	for (size_t i = 0; r == 0 && released && i < cut.count; i++)
		released(context, id, &cut.items[i]);
	return r;
}

/* ---- all extents ---- */

enum { COUNT_BATCH = 4096 };

static int count_of_row(struct rsm_volume_index *index, sqlite3_stmt *row, char partition,
			uint64_t *blocks, struct rsm_err *err)
{
	RSM_VI_EXTENTS struct rsm_vi_extents extents = { 0 };
	uint64_t size = index->state.block_size;
	int r = rsm_vi_unpack_extents(sqlite3_column_blob(row, 1),
				      (size_t)sqlite3_column_bytes(row, 1), &extents, err);

	for (size_t i = 0; r == 0 && i < extents.count; i++) {
		const struct rsm_extent *e = &extents.items[i].e;

		if (e->partition == partition && e->byte_count)
			*blocks += (e->byte_offset % size + e->byte_count - 1) / size + 1;
	}
	return r;
}

/* Outcome RSM_NODE_ABSENT: that were the last ones. */
static int count_some(struct rsm_volume_index *index, uint64_t *after, char partition,
		      uint64_t *blocks, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_SQLITE_FINALIZE sqlite3_stmt *rows = NULL;
	int r = rsm_sqlite_prepare(index->db,
				   "SELECT id,extents FROM node WHERE id>?1 ORDER BY id LIMIT ?2",
				   &rows, err);

	if (r < 0)
		return r;
	rsm_vi_bind_id(rows, 1, *after);
	sqlite3_bind_int(rows, 2, COUNT_BATCH);
	for (int i = 0; r == 0 && i < COUNT_BATCH; i++) {
		r = rsm_sqlite_step(rows, err);
		if (r == RSM_SQLITE_DONE)
			return RSM_NODE_ABSENT;
		if (r == 0) {
			*after = rsm_vi_column(rows, 0);
			r = count_of_row(index, rows, partition, blocks, err);
		}
	}
	return r;
}

int rsm_volume_index_count_blocks(struct rsm_volume_index *index, char partition,
				  uint64_t *ret_blocks, struct rsm_err *err)
{
	uint64_t after = 0, blocks = 0;
	int r;

	do
		r = count_some(index, &after, partition, &blocks, err);
	while (r == 0);
	if (r < 0)
		return r;
	*ret_blocks = blocks;
	return 0;
}
