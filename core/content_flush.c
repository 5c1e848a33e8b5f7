#include "core/content_private.h"

#include <inttypes.h>
#include <string.h>

/* From memory to the index. The order is what a crash is survived by: bytes are in the staging area
 * before a row names them, and bytes that the old rows named are given up only after the commit of
 * the rows that do not. `saved` is what committed or uncommitted rows name, `ranges` what the next
 * ones will, `garbage` what was in `saved` and waits for the commit.
 */

struct release {
	struct rsm_content *content;
	struct rsm_open_node *node;
};

static void to_garbage(void *context, const struct rsm_staged_range *part)
{
	struct rsm_open_node *node = context;

	node->garbage.at[node->garbage.count++] = *part; /* reserved by prepare() */
}

static void release_part(void *context, const struct rsm_staged_range *part)
{
	struct release *release = context;

	rsm_content_release_staged(release->content, release->node->id, part);
}

/* Bytes that came back into use while a commit was refused must not go. */
static void release_unless_saved(void *context, const struct rsm_staged_range *part)
{
	struct release *release = context;

	rsm_ranges_subtract(part, &release->node->saved, release_part, release);
}

static void ignore_released(void *context, uint64_t id, const struct rsm_staged_range *range)
{
	(void)context;
	(void)id;
	(void)range;
}

/* Nothing may fail for want of memory once the index has been told. */
static int prepare(struct rsm_open_node *node, struct rsm_err *err)
{
	size_t count = node->ranges.count + 1;
	int r = rsm_ranges_reserve(&node->garbage, node->saved.count + count, err);

	if (!r && node->saved.count < count)
		r = rsm_ranges_reserve(&node->saved, count - node->saved.count, err);
	return r ? r : rsm_ranges_reserve(&node->ranges, 1, err);
}

static int append_buffer(struct rsm_content *content, struct rsm_open_node *node,
			 struct rsm_err *err)
{
	struct rsm_staged_range range = { .byte_count = node->buffer_length };
	int r;

	node->ranges.count = 0;
	rsm_content_forget_streamed(node);
	if (!range.byte_count)
		return 0;
	r = rsm_staging_append(content->staging, node->buffer, node->buffer_length, &range.store,
			       &range.store_offset, err);
	if (r < 0)
		return r;
	node->ranges.at[0] = range;
	node->ranges.count = 1;
	node->appends++;
	return 0;
}

static void staged(struct rsm_content *content, struct rsm_open_node *node)
{
	for (size_t i = 0; i < node->saved.count; i++)
		rsm_ranges_subtract(&node->saved.at[i], &node->ranges, to_garbage, node);
	if (node->ranges.count)
		memcpy(node->saved.at, node->ranges.at,
		       node->ranges.count * sizeof *node->ranges.at);
	node->saved.count = node->ranges.count;
	node->staged_phase = content->phase;
	node->dirty_data = node->dirty_row = false;
	node->uncommitted = node->staged = true;
	atomic_fetch_sub(&content->unsaved_bytes, node->unsaved);
	atomic_fetch_sub(&content->unsaved_own_bytes, node->unsaved_own);
	node->unsaved = node->unsaved_own = 0;
}

static int stage_data(struct rsm_content *content, struct rsm_open_node *node, bool *ret_queued,
		      struct rsm_err *err)
{
	RSM_FREE struct rsm_staged_range *marked = NULL;
	const struct rsm_staged_range *ranges;
	bool appended = false;
	uint64_t order = 0;
	size_t count;
	int r = prepare(node, err);

	if (!r)
		r = rsm_content_end_removal(content, err);
	if (!r && node->has_buffer) {
		r = append_buffer(content, node, err);
		appended = !r && node->ranges.count;
	}
	if (r)
		return r;
	if (node->cut < node->persisted_size) {
		content->slimmed = true;
		r = rsm_volume_index_truncate(content->index, node->id, node->cut, ignore_released,
					      NULL, err);
	}
	if (!r) {
		if (node->ranges.count && !rsm_content_is_orphan(content, node->id))
			order = ++content->close_order;
		r = rsm_content_mark_streamed(node, &ranges, &count, &marked, err);
		if (!r)
			r = rsm_volume_index_stage(content->index, &node->row, ranges, count, order,
						   err);
	}
	if (r) {
		if (appended) {
			rsm_staging_release(content->staging, node->id, node->ranges.at[0].store,
					    node->ranges.at[0].store_offset,
					    node->ranges.at[0].byte_count);
			node->ranges.count = 0;
		}
		return rsm_err_fold(err, r, "stage a file");
	}
	staged(content, node);
	if (order)
		*ret_queued = true;
	return 0;
}

static int stage_row(struct rsm_content *content, struct rsm_open_node *node, bool *ret_queued,
		     struct rsm_err *err)
{
	int r;

	if (node->gone && (node->dirty_data || node->dirty_row))
		return rsm_err_set(err, ESTALE,
				   node->vanished ? "the new file was lost when the disk was full"
						  : "the file is not on the cartridge any more");
	if (node->dirty_data)
		return stage_data(content, node, ret_queued, err);
	if (!node->dirty_row)
		return 0;
	r = rsm_volume_index_update(content->index, &node->row, err);
	if (r)
		return rsm_err_fold(err, r, "update a node");
	node->dirty_row = false;
	node->uncommitted = true;
	return 0;
}

/* A new file whose row was taken back with somebody else's failure (disk full) gets another one. If
 * its name was given away meanwhile it is lost; its writer is told.
 */
static int stage(struct rsm_content *content, struct rsm_open_node *node, bool *ret_queued,
		 struct rsm_err *err)
{
	int r = stage_row(content, node, ret_queued, err);

	if (r != -ENOENT)
		return r;
	if (node->born_name) {
		r = rsm_volume_index_create_again(content->index, node->born_parent,
						  node->born_name, &node->row, err);
		if (r == 0)
			return stage_row(content, node, ret_queued, err);
		if (r != -ENOENT && r != -EEXIST && r != -ENOTDIR)
			return r;
	}
	node->gone = node->vanished = true;
	return rsm_err_set(err, ESTALE, "the new file was lost when the disk was full");
}

/* A commit that fails may have taken the changes back: all of it must be told again, and contents
 * under a new version, because the migration may have seen the row of the old one already.
 */
static void tell_again(struct rsm_open_node *node)
{
	struct rsm_node row = node->row;

	node->dirty_row |= node->uncommitted;
	node->streamed.count = 0; /* the row may not know it any more */
	if (!node->staged || node->dirty_data)
		return;
	node->dirty_data = true;
	row.data_version++;
	rsm_content_set_row(node, &row);
}

static int commit(struct rsm_content *content, struct rsm_open_node *node, bool durable,
		  struct rsm_err *err)
{
	struct release release = { content, node };
	int r = rsm_volume_index_commit(content->index, durable, err);

	if (r) {
		tell_again(node);
		return rsm_err_fold(err, r, "commit");
	}
	node->uncommitted = node->staged = false;
	free(RSM_STEAL(node->born_name));
	if (node->cut != UINT64_MAX)
		rsm_content_forget_extents(node);
	node->cut = UINT64_MAX;
	if (node->loaded)
		node->persisted_size = node->row.size;
	rsm_content_close_own_if_idle(node);
	for (size_t i = 0; i < node->garbage.count; i++)
		rsm_ranges_subtract(&node->garbage.at[i], &node->ranges, release_unless_saved,
				    &release);
	node->garbage.count = 0;
	return 0;
}

int rsm_content_flush(struct rsm_content *content, struct rsm_open_node *node, bool *ret_queued,
		      struct rsm_err *err)
{
	int r;

	if (!node->dirty_data && !node->dirty_row && !node->uncommitted)
		return 0;
	RSM_LOCK_SCOPE(&content->commit_lock);
	r = stage(content, node, ret_queued, err);
	return r ? r : commit(content, node, false, err);
}

int rsm_content_flush_part(struct rsm_content *content, struct rsm_open_node *node,
			   const struct rsm_extent *extents, size_t count, bool *ret_queued,
			   struct rsm_err *err)
{
	int r = 0, committed;

	RSM_LOCK_SCOPE(&content->commit_lock);
	if (node->dirty_data || node->dirty_row || node->uncommitted)
		r = stage(content, node, ret_queued, err);
	if (!r)
		r = rsm_volume_index_streamed(content->index, node->id, extents, count, err);
	if (r < 0)
		return r;
	node->uncommitted = true;
	committed = commit(content, node, false, err);
	return committed ? committed : r;
}

/* The bytes are durable before the rows that name them are. The first commit is a cheap one, and
 * spares others the wait for the disk.
 */
int rsm_content_flush_durably(struct rsm_content *content, struct rsm_open_node *node,
			      bool *ret_queued, struct rsm_err *err)
{
	int r = rsm_content_flush(content, node, ret_queued, err);

	if (!r)
		r = rsm_staging_sync(content->staging, node->id, err);
	if (r)
		return r;
	RSM_LOCK_SCOPE(&content->commit_lock);
	return commit(content, node, true, err);
}

int rsm_content_flush_all(struct rsm_content *content, bool *ret_queued, struct rsm_err *err)
{
	RSM_FREE uint64_t *ids = NULL;
	struct rsm_err *first = err;
	int r = rsm_content_live_ids(content, &ids, err);

	for (size_t i = 0; ids && ids[i]; i++) {
		struct rsm_open_node *node = rsm_content_hold_live(content, ids[i]);
		int one;

		if (!node)
			continue;
		one = rsm_content_flush(content, node, ret_queued, first);
		rsm_content_let_go(content, node);
		if (one < 0 && !r) {
			r = one;
			first = NULL; /* the first error is the one that is told */
		}
	}
	return r;
}

int rsm_content_commit(struct rsm_content *content, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&content->commit_lock);
	int r = rsm_volume_index_commit(content->index, false, err);

	return r ? rsm_err_fold(err, r, "commit") : 0;
}

int rsm_content_flush_open(struct rsm_content *content, struct rsm_err *err)
{
	bool queued = false;
	int r = rsm_content_flush_all(content, &queued, err);

	if (r == 0)
		r = rsm_content_commit(content, err);
	if (queued)
		rsm_content_want(content, RSM_WANT_MIGRATION);
	return r > 0 ? rsm_err_fold(err, r, "flush") : r;
}

int rsm_content_sync(struct rsm_content *content, struct rsm_err *err)
{
	bool queued = false;
	int r = rsm_content_flush_all(content, &queued, err);
	int synced = rsm_staging_sync(content->staging, 0, r ? NULL : err);

	if (!r)
		r = synced;
	if (!synced) {
		RSM_LOCK_SCOPE(&content->commit_lock);
		int done = rsm_volume_index_commit(content->index, true, r ? NULL : err);

		if (!r)
			r = done;
	}
	if (queued)
		rsm_content_want(content, RSM_WANT_MIGRATION);
	return r > 0 ? rsm_err_fold(err, r, "commit") : r;
}
