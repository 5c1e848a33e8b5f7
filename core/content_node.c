#include "core/content_private.h"

#include <string.h>

#include "base/log.h"

/* ---- the table ---- */

static size_t bucket_of(uint64_t id, size_t buckets)
{
	return (size_t)(id * 0x9E3779B97F4A7C15u >> 32) & (buckets - 1);
}

static struct rsm_open_node *find_locked(struct rsm_content *content, uint64_t id)
{
	struct rsm_open_node *node;

	if (!content->node_count)
		return NULL;
	node = content->nodes[bucket_of(id, content->node_buckets)];
	while (node && node->id != id)
		node = node->next;
	return node;
}

static void grow_locked(struct rsm_content *content)
{
	size_t buckets = content->node_buckets * 2;
	struct rsm_open_node **grown = calloc(buckets, sizeof *grown);

	if (!grown)
		return; /* slower, not wrong */
	for (size_t i = 0; i < content->node_buckets; i++)
		while (content->nodes[i]) {
			struct rsm_open_node *node = content->nodes[i];
			struct rsm_open_node **to = &grown[bucket_of(node->id, buckets)];

			content->nodes[i] = node->next;
			node->next = *to;
			*to = node;
		}
	free(content->nodes);
	content->nodes = grown;
	content->node_buckets = buckets;
}

static void remove_locked(struct rsm_content *content, struct rsm_open_node *node)
{
	struct rsm_open_node **at = &content->nodes[bucket_of(node->id, content->node_buckets)];

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	content->node_count--;
}

static void free_node(struct rsm_content *content, struct rsm_open_node *node)
{
	rsm_content_unload(content, node);
	rsm_ranges_fini(&node->ranges);
	rsm_ranges_fini(&node->saved);
	rsm_ranges_fini(&node->garbage);
	rsm_ranges_fini(&node->streamed);
	rsm_ranges_fini(&node->guard);
	rsm_mutex_fini(&node->lock);
	rsm_mutex_fini(&node->attr);
	free(node->born_name);
	free(node);
}

int rsm_content_hold(struct rsm_content *content, uint64_t id, struct rsm_open_node **ret_node,
		     struct rsm_err *err)
{
	struct rsm_open_node *node = rsm_content_hold_live(content, id), *fresh, **at;

	if (!node) {
		fresh = calloc(1, sizeof *fresh);
		if (!fresh)
			return rsm_err_oom(err);
		fresh->id = id;
		fresh->own_fd = -1;
		fresh->cut = UINT64_MAX;
		rsm_mutex_init(&fresh->attr);
		rsm_mutex_init(&fresh->lock);
		rsm_mutex_lock(&content->lock);
		node = find_locked(content, id);
		if (!node) {
			node = fresh;
			if (content->node_count >= content->node_buckets)
				grow_locked(content);
			at = &content->nodes[bucket_of(id, content->node_buckets)];
			node->next = *at;
			*at = node;
			content->node_count++;
		}
		node->refs++;
		rsm_mutex_unlock(&content->lock);
		if (node != fresh)
			free_node(content, fresh);
		rsm_mutex_lock(&node->lock);
	}
	*ret_node = node;
	return 0;
}

struct rsm_open_node *rsm_content_hold_live(struct rsm_content *content, uint64_t id)
{
	struct rsm_open_node *node;

	rsm_mutex_lock(&content->lock);
	node = find_locked(content, id);
	if (node)
		node->refs++;
	rsm_mutex_unlock(&content->lock);
	if (node)
		rsm_mutex_lock(&node->lock);
	return node;
}

void rsm_content_let_go(struct rsm_content *content, struct rsm_open_node *node)
{
	rsm_mutex_unlock(&node->lock);
	rsm_content_unpin(content, node);
}

void rsm_content_pin(struct rsm_content *content, struct rsm_open_node *node)
{
	RSM_LOCK_SCOPE(&content->lock);
	node->refs++;
}

int rsm_content_live_ids(struct rsm_content *content, uint64_t **ret_ids, struct rsm_err *err)
{
	size_t count = 0;
	uint64_t *ids;

	RSM_LOCK_SCOPE(&content->lock);
	ids = calloc(content->node_count + 1, sizeof *ids);
	if (!ids)
		return rsm_err_oom(err);
	for (size_t i = 0; i < content->node_buckets; i++)
		for (struct rsm_open_node *node = content->nodes[i]; node; node = node->next)
			ids[count++] = node->id;
	*ret_ids = ids;
	return 0;
}

/* ---- what a node has in memory ---- */

void rsm_content_set_row(struct rsm_open_node *node, const struct rsm_node *row)
{
	RSM_LOCK_SCOPE(&node->attr);
	node->row = *row;
	node->loaded = true;
}

int rsm_content_load(struct rsm_content *content, struct rsm_open_node *node, struct rsm_err *err)
{
	RSM_FREE struct rsm_staged_range *ranges = NULL;
	struct rsm_node row;
	size_t count = 0;
	int r;

	if (node->gone)
		return RSM_NODE_ABSENT;
	/* what is made and removed in a folder changes its times without this entry */
	if (node->loaded && node->row.kind == RSM_NODE_FILE)
		return 0;
	r = rsm_volume_index_get(content->index, node->id, &row, err);
	if (r)
		return r;
	if (row.kind == RSM_NODE_FILE && row.size) {
		r = rsm_volume_index_staged(content->index, node->id, &ranges, &count, err);
		if (r)
			return rsm_err_fold(err, r, "staged ranges of a file");
	}
	node->ranges.count = node->saved.count = 0;
	r = rsm_ranges_reserve(&node->ranges, count, err);
	if (!r)
		r = rsm_ranges_reserve(&node->saved, count, err);
	if (r)
		return r;
	rsm_content_forget_streamed(node);
	for (size_t i = 0; i < count; i++) {
		bool written = ranges[i].written;

		ranges[i].written = false;
		node->ranges.at[node->ranges.count++] = ranges[i];
		node->saved.at[node->saved.count++] = ranges[i];
		if (written && !rsm_ranges_reserve(&node->streamed, 2, NULL))
			rsm_ranges_put(&node->streamed, ranges[i]); /* else it is written again */
	}
	r = rsm_content_know_released(content, node, err);
	if (r)
		return r;
	node->persisted_size = row.size;
	node->cut = UINT64_MAX;
	rsm_content_set_row(node, &row);
	return 0;
}

int rsm_content_load_extents(struct rsm_content *content, struct rsm_open_node *node,
			     struct rsm_err *err)
{
	int r;

	if (node->extents_loaded)
		return 0;
	r = rsm_volume_index_extents(content->index, node->id, &node->extents, &node->extent_count,
				     err);
	if (r)
		return rsm_err_fold(err, r, "extents of a file");
	node->extents_loaded = true;
	return 0;
}

void rsm_content_forget_extents(struct rsm_open_node *node)
{
	free(node->extents);
	node->extents = NULL;
	node->extent_count = 0;
	node->extents_loaded = false;
}

void rsm_content_free_buffer(struct rsm_content *content, struct rsm_open_node *node)
{
	atomic_fetch_sub(&content->buffer_bytes, node->buffer_room);
	free(node->buffer);
	node->buffer = NULL;
	node->buffer_room = node->buffer_length = 0;
	node->has_buffer = false;
}

void rsm_content_close_own_if_idle(struct rsm_open_node *node)
{
	if (node->own_fd < 0 || rsm_ranges_have_own(&node->ranges) ||
	    rsm_ranges_have_own(&node->saved))
		return;
	close(node->own_fd);
	node->own_fd = -1;
}

void rsm_content_unload(struct rsm_content *content, struct rsm_open_node *node)
{
	if (node->dirty_data) /* what it was is not what it will be */
		rsm_content_running_end(content, node->id);
	rsm_content_free_buffer(content, node);
	rsm_content_forget_extents(node);
	node->ranges.count = node->saved.count = 0;
	rsm_content_close_own_if_idle(node);
	rsm_content_forget_streamed(node);
	atomic_fetch_sub(&content->unsaved_bytes, node->unsaved);
	atomic_fetch_sub(&content->unsaved_own_bytes, node->unsaved_own);
	node->unsaved = node->unsaved_own = 0;
	node->dirty_data = node->dirty_row = node->uncommitted = false;
	node->cut = UINT64_MAX;
	rsm_mutex_lock(&node->attr);
	node->loaded = false;
	rsm_mutex_unlock(&node->attr);
}

void rsm_content_overlay(struct rsm_content *content, struct rsm_node *row)
{
	struct rsm_open_node *node;
	struct rsm_node live;
	bool found = false;

	if (row->kind != RSM_NODE_FILE)
		return;
	rsm_mutex_lock(&content->lock);
	node = find_locked(content, row->id);
	if (node) {
		rsm_mutex_lock(&node->attr);
		found = node->loaded;
		live = node->row;
		rsm_mutex_unlock(&node->attr);
	}
	rsm_mutex_unlock(&content->lock);
	if (!found)
		return;
	live.parent = row->parent; /* a rename does not go through the open node */
	live.flags &= ~(uint32_t)RSM_NODE_TABLE_FLAGS;
	live.flags |= row->flags & RSM_NODE_TABLE_FLAGS;
	*row = live;
}

/* ---- orphans ---- */

static struct rsm_orphan **find_orphan_locked(struct rsm_content *content, uint64_t id)
{
	struct rsm_orphan **at = &content->orphans[bucket_of(id, RSM_CONTENT_ORPHAN_BUCKETS)];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void remove_orphan_locked(struct rsm_content *content, struct rsm_orphan **at)
{
	struct rsm_orphan *orphan = *at;

	*at = orphan->next;
	free(orphan);
	content->orphan_count--;
}

/* Out of memory leaves the orphan to the next open of the volume. */
void rsm_content_add_orphan(struct rsm_content *content, uint64_t id)
{
	struct rsm_orphan *orphan = calloc(1, sizeof *orphan), **at;

	if (!orphan)
		return;
	orphan->id = id;
	RSM_LOCK_SCOPE(&content->lock);
	at = find_orphan_locked(content, id);
	if (*at) {
		free(orphan);
		return;
	}
	*at = orphan;
	content->orphan_count++;
}

bool rsm_content_is_orphan(struct rsm_content *content, uint64_t id)
{
	if (!content->orphan_count)
		return false;
	RSM_LOCK_SCOPE(&content->lock);
	return *find_orphan_locked(content, id) != NULL;
}

/* False: what is not durable must stay; the next open finds what nobody names. */
static bool may_release(struct rsm_content *content, uint64_t id,
			const struct rsm_staged_range *range)
{
	struct rsm_err err;

	if (!rsm_staging_gives_up_synced(content->staging, id, range->store, range->byte_count) ||
	    rsm_volume_index_sync(content->index, &err) == 0)
		return true;
	rsm_log_warning("%s: staged bytes are kept: %s", content->folder, err.msg);
	return false;
}

void rsm_content_release_staged(struct rsm_content *content, uint64_t id,
				const struct rsm_staged_range *range)
{
	if (may_release(content, id, range))
		rsm_staging_release(content->staging, id, range->store, range->store_offset,
				    range->byte_count);
}

static void release_range(void *context, uint64_t id, const struct rsm_staged_range *range)
{
	struct rsm_content *content = context;

	rsm_staging_release(content->staging, id, range->store, range->store_offset,
			    range->byte_count);
}

/* A crash before the next commit leaves an orphan that names released bytes; it is not read any
 * more, the next open removes it.
 */
static void drop_orphan(struct rsm_content *content, uint64_t id, bool own)
{
	RSM_FREE struct rsm_staged_range *ranges = NULL;
	size_t count = 0;
	bool may = true;

	/* that it has no name any more comes first */
	if (rsm_volume_index_staged(content->index, id, &ranges, &count, NULL) < 0)
		return;
	for (size_t i = 0; may && i < count; i++)
		may = may_release(content, id, &ranges[i]);
	if (!may)
		return;
	RSM_LOCK_SCOPE(&content->commit_lock);
	if (rsm_volume_index_drop(content->index, id, release_range, content, NULL) < 0)
		return; /* the next open tries again */
	if (own)
		rsm_staging_drop_own(content->staging, id);
}

/* The last pin is gone: a clean node leaves the table. One whose flush was refused (disk full)
 * stays: the next open finds it, and rsm_content_sync tries again.
 */
void rsm_content_unpin(struct rsm_content *content, struct rsm_open_node *node)
{
	bool drop = false, own;
	struct rsm_orphan **at;
	size_t seen;

	rsm_mutex_lock(&content->lock);
	if (--node->refs ||
	    (content->indexing && node->loaded && node->row.kind == RSM_NODE_FILE)) {
		rsm_mutex_unlock(&content->lock);
		return;
	}
	at = find_orphan_locked(content, node->id);
	if (*at && (*at)->forgotten) {
		remove_orphan_locked(content, at);
		drop = true;
	} else if (node->vanished) {
		drop = true;
	} else if (!node->gone && (node->dirty_data || node->dirty_row || node->uncommitted)) {
		rsm_mutex_unlock(&content->lock);
		return;
	}
	if (node->opened && !node->gone && !node->no_cache) {
		seen = node->id % RSM_CONTENT_SEEN;
		content->seen[seen].id = node->id;
		content->seen[seen].data_version = node->row.data_version;
	}
	remove_locked(content, node);
	rsm_mutex_unlock(&content->lock);

	own = node->own_fd >= 0 || rsm_ranges_have_own(&node->ranges);
	if (node->own_fd >= 0)
		close(node->own_fd);
	node->own_fd = -1;
	if (drop)
		drop_orphan(content, node->id, own);
	free_node(content, node);
}

void rsm_content_forget(struct rsm_content *content, uint64_t id)
{
	struct rsm_orphan **at;
	bool drop = false;

	if (!content->orphan_count)
		return;
	rsm_mutex_lock(&content->lock);
	at = find_orphan_locked(content, id);
	if (*at && find_locked(content, id)) {
		(*at)->forgotten = true;
	} else if (*at) {
		remove_orphan_locked(content, at);
		drop = true;
	}
	rsm_mutex_unlock(&content->lock);
	if (drop)
		drop_orphan(content, id, false);
}
