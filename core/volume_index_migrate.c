/* The way of staged bytes to the medium, as volume_index_data.c draws it: which file is next, what
 * has been written, which of it an index there covers.
 */
#include <inttypes.h>
#include <string.h>

#include "core/staging.h"
#include "core/volume_index_private.h"

int rsm_volume_index_next_staged(struct rsm_volume_index *index, uint64_t after,
				 struct rsm_node *ret_node, uint64_t *ret_close_order,
				 struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	uint64_t id, order;
	int r;

	r = rsm_vi_queue_next(index, after, &order, &id, err);
	if (r)
		return r;
	r = rsm_vi_get(index, id, ret_node, err);
	if (r)
		return rsm_err_fold(err, r, "node %" PRIu64 " of the queue", id);
	*ret_close_order = order;
	return 0;
}

uint64_t rsm_volume_index_last_close_order(struct rsm_volume_index *index)
{
	RSM_LOCK_SCOPE(&index->lock);

	return index->state.last_close_order;
}

static int record_migrated(struct rsm_volume_index *index, uint64_t id, struct rsm_vi_data *data,
			   const struct rsm_extent *extents, size_t count, struct rsm_err *err)
{
	struct rsm_vi_data before = *data;
	uint64_t version;
	int r;

	r = rsm_vi_bump(index, err);
	if (r < 0)
		return r;
	version = index->state.tree_version;
	r = rsm_vi_overlay(&data->extents, extents, count, version, index->state.block_size, err);
	if (r < 0)
		return r;
	data->unindexed = version;
	data->written = data->staged.count ? version : 0;
	data->has_stamp = true;
	data->stamp = rsm_vi_stamp(data->size, &data->modified);
	r = rsm_vi_set_data(index, id, data, err);
	return r < 0 ? r : rsm_vi_account(index, id, &before, data, err);
}

int rsm_volume_index_migrated(struct rsm_volume_index *index, uint64_t id, uint64_t data_version,
			      const struct rsm_extent *extents, size_t count, struct rsm_err *err)
{
	return rsm_volume_index_migrated_hashed(index, id, data_version, extents, count, NULL, NULL,
						err);
}

int rsm_volume_index_migrated_hashed(struct rsm_volume_index *index, uint64_t id,
				     uint64_t data_version, const struct rsm_extent *extents,
				     size_t count, const char *key, const char *hash,
				     struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_VI_DATA struct rsm_vi_data data = { 0 };
	struct rsm_vi_call call;
	int r;

	r = rsm_vi_get_data(index, id, true, &data, err);
	if (r)
		return r;
	if (!data.parent || data.kind != RSM_NODE_FILE || data.data_version != data_version)
		return RSM_NODE_ABSENT;
	r = rsm_vi_begin(index, &call, true, err);
	if (r < 0)
		return r;
	r = record_migrated(index, id, &data, extents, count, err);
	if (r == 0 && key)
		r = rsm_vi_put_hash(index, id, key, hash, err);
	return rsm_vi_end(index, &call, r, err);
}

static bool next_extent(const struct rsm_extent *extents, size_t count, uint64_t after,
			struct rsm_extent *ret_extent)
{
	bool found = false;

	for (size_t i = 0; i < count; i++)
		if (extents[i].file_offset + extents[i].byte_count > after &&
		    (!found || extents[i].file_offset < ret_extent->file_offset)) {
			*ret_extent = extents[i];
			found = true;
		}
	return found;
}

/* Splits what is staged where the extents begin and end; what they have is `written`. */
static int mark_written(struct rsm_vi_ranges *staged, const struct rsm_extent *extents,
			size_t count, struct rsm_err *err)
{
	RSM_VI_RANGES struct rsm_vi_ranges marked = { 0 };
	struct rsm_extent extent = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < staged->count; i++) {
		struct rsm_staged_range rest = staged->items[i], piece;
		uint64_t end = rest.file_offset + rest.byte_count;

		while (r == 0 && rest.byte_count) {
			uint64_t from = end, to = end;

			if (rest.store == RSM_STORE_OWN && !rest.written &&
			    next_extent(extents, count, rest.file_offset, &extent)) {
				from = extent.file_offset;
				to = from + extent.byte_count;
			}
			piece = rest;
			piece.written |= from <= rest.file_offset;
			if (from > rest.file_offset)
				to = from;
			if (to < end)
				piece.byte_count = to - rest.file_offset;
			r = rsm_vi_ranges_add(&marked, &piece, err);
			rest.file_offset += piece.byte_count;
			rest.store_offset += piece.byte_count;
			rest.byte_count -= piece.byte_count;
		}
	}
	if (r < 0)
		return r;
	free(staged->items);
	*staged = marked;
	marked.items = NULL;
	return 0;
}

static int record_streamed(struct rsm_volume_index *index, uint64_t id, struct rsm_vi_data *data,
			   const struct rsm_extent *extents, size_t count, struct rsm_err *err)
{
	RSM_VI_DATA struct rsm_vi_data after = *data;
	uint64_t version;
	int r;

	data->staged = (struct rsm_vi_ranges){ 0 };
	data->extents = (struct rsm_vi_extents){ 0 };
	r = rsm_vi_bump(index, err);
	if (r < 0)
		return r;
	version = index->state.tree_version;
	r = mark_written(&after.staged, extents, count, err);
	if (r == 0)
		r = rsm_vi_overlay(&after.extents, extents, count, version, index->state.block_size,
				   err);
	if (r < 0)
		return r;
	rsm_vi_join_extents(&after.extents, index->state.indexed_version, index->state.block_size);
	after.unindexed = version;
	rsm_vi_settle(&after);
	after.has_stamp = true;
	after.stamp = rsm_vi_stamp(after.size, &after.modified);
	r = rsm_vi_set_data(index, id, &after, err);
	return r < 0 ? r : rsm_vi_account(index, id, data, &after, err);
}

int rsm_volume_index_streamed(struct rsm_volume_index *index, uint64_t id,
			      const struct rsm_extent *extents, size_t count, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_VI_DATA struct rsm_vi_data data = { 0 };
	struct rsm_vi_call call;
	int r;

	for (size_t i = 0; i < count; i++)
		if (!extents[i].byte_count ||
		    extents[i].byte_count > UINT64_MAX - extents[i].file_offset)
			return rsm_err_set(err, EINVAL,
					   "an extent of no bytes, or beyond all files");
	r = rsm_vi_get_data(index, id, true, &data, err);
	if (r)
		return r;
	if (!data.parent || data.kind != RSM_NODE_FILE)
		return RSM_NODE_ABSENT;
	r = rsm_vi_begin(index, &call, true, err);
	if (r < 0)
		return r;
	return rsm_vi_end(index, &call, record_streamed(index, id, &data, extents, count, err),
			  err);
}

/* ---- what an index covers, and what no index covers ----
 *
 * A savepoint for each row: one for all rows would hold every page of the database in memory.
 */

static int first_unindexed(struct rsm_volume_index *index, uint64_t *ret_id, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *first = rsm_vi_statement(index, RSM_VI_FIRST_UNINDEXED);
	int r = rsm_sqlite_step(first, err);

	if (r == 0)
		*ret_id = rsm_vi_column(first, 0);
	return r;
}

enum { NO_MORE = 1 };

typedef int row_change(struct rsm_volume_index *index, uint64_t id, struct rsm_vi_data *data,
		       struct rsm_err *err);

/* Applies the change to the file whose extents have the least version, if that is not greater than
 * `version`. The data are as they were before. Outcome NO_MORE.
 */
static int change_first(struct rsm_volume_index *index, uint64_t version, row_change *change,
			uint64_t *ret_id, struct rsm_vi_data *ret_data, struct rsm_err *err)
{
	struct rsm_vi_call call;
	int r;

	r = first_unindexed(index, ret_id, err);
	if (r)
		return r < 0 ? r : NO_MORE;
	r = rsm_vi_get_data(index, *ret_id, true, ret_data, err);
	if (r)
		return rsm_err_fold(err, r, "node %" PRIu64, *ret_id);
	if (ret_data->unindexed > version)
		return NO_MORE;
	r = rsm_vi_begin(index, &call, true, err);
	return r < 0 ? r : rsm_vi_end(index, &call, change(index, *ret_id, ret_data, err), err);
}

static int forget_one(struct rsm_volume_index *index, uint64_t id, struct rsm_vi_data *data,
		      struct rsm_err *err)
{
	struct rsm_vi_data before = *data;
	size_t kept = 0;
	int r;

	for (size_t i = 0; i < data->extents.count; i++)
		if (data->extents.items[i].version <= index->state.indexed_version)
			data->extents.items[kept++] = data->extents.items[i];
	data->extents.count = kept;
	data->written = data->unindexed = 0;
	rsm_vi_wait_again(data);
	data->has_stamp = false;
	if (data->parent && data->staged.count && !data->close_order)
		data->close_order = index->state.last_close_order + 1;
	r = rsm_vi_bump(index, err);
	if (r == 0)
		r = rsm_vi_set_data(index, id, data, err);
	return r < 0 ? r : rsm_vi_account(index, id, &before, data, err);
}

int rsm_volume_index_forget_unindexed(struct rsm_volume_index *index, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	int r = 0;

	while (r == 0) {
		RSM_VI_DATA struct rsm_vi_data data = { 0 };
		uint64_t id;

		r = change_first(index, UINT64_MAX, forget_one, &id, &data, err);
	}
	return r < 0 ? r : 0;
}

/* What is written does not count as staged any more, so the totals stay. */
static int cover_one(struct rsm_volume_index *index, uint64_t id, struct rsm_vi_data *data,
		     struct rsm_err *err)
{
	RSM_VI_RANGES struct rsm_vi_ranges waiting = { 0 };
	struct rsm_vi_data after = *data;
	int r = 0;

	for (size_t i = 0; r == 0 && !data->written && i < data->staged.count; i++)
		if (!data->staged.items[i].written)
			r = rsm_vi_ranges_add(&waiting, &data->staged.items[i], err);
	if (r < 0)
		return r;
	after.unindexed = 0;
	after.staged = waiting;
	if (!waiting.count)
		after.written = after.close_order = 0;
	return rsm_vi_set_data(index, id, &after, err);
}

static void release_covered(const struct rsm_vi_data *data, uint64_t id,
			    rsm_volume_index_released *released, void *context)
{
	for (size_t i = 0; released && i < data->staged.count; i++) {
		struct rsm_staged_range range = data->staged.items[i];

		if (!data->written && !range.written)
			continue;
		range.written = false;
		released(context, id, &range);
	}
}

static int note_indexed(struct rsm_volume_index *index, uint64_t version, struct rsm_err *err)
{
	struct rsm_vi_call call;
	int r;

	r = rsm_vi_begin(index, &call, true, err);
	if (r < 0)
		return r;
	if (version > index->state.indexed_version)
		index->state.indexed_version = version;
	/* a volume whose index is up to date needs no counting and no new index after a crash */
	r = rsm_vi_write_state(index, index->state.tree_version == version, err);
	return rsm_vi_end(index, &call, r, err);
}

int rsm_volume_index_cover(struct rsm_volume_index *index, uint64_t version, size_t limit,
			   rsm_volume_index_released *released, void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	int r = 0;

	if (version > index->state.tree_version)
		return rsm_err_set(err, EINVAL, "the tree has not got to version %" PRIu64 " yet",
				   version);
	while (r == 0 && limit--) {
		RSM_VI_DATA struct rsm_vi_data data = { 0 };
		uint64_t id;

		r = change_first(index, version, cover_one, &id, &data, err);
		if (r == 0)
			release_covered(&data, id, released, context);
	}
	if (r == 0)
		return RSM_INDEX_MORE;
	return r < 0 ? r : note_indexed(index, version, err);
}

int rsm_volume_index_indexed_to(struct rsm_volume_index *index, uint64_t version,
				rsm_volume_index_released *released, void *context,
				struct rsm_err *err)
{
	int r;

	do
		r = rsm_volume_index_cover(index, version, SIZE_MAX, released, context, err);
	while (r == RSM_INDEX_MORE);
	return r;
}

int rsm_volume_index_indexed(struct rsm_volume_index *index,
			     const struct rsm_index_snapshot *snapshot,
			     rsm_volume_index_released *released, void *context,
			     struct rsm_err *err)
{
	return rsm_volume_index_indexed_to(index, rsm_index_snapshot_tree_version(snapshot),
					   released, context, err);
}
