#include "core/content_private.h"

#include <string.h>

#include "core/ltfs/label.h"
#include "core/ltfs/name.h"

/* ---- looking ---- */

int rsm_content_lookup(struct rsm_content *content, uint64_t parent, const char *name,
		       struct rsm_node *ret_node, struct rsm_err *err)
{
	int r = rsm_volume_index_lookup(content->index, parent, name, ret_node, err);

	if (!r)
		rsm_content_overlay(content, ret_node);
	return r;
}

int rsm_content_get(struct rsm_content *content, uint64_t id, struct rsm_node *ret_node,
		    struct rsm_err *err)
{
	int r = rsm_volume_index_get(content->index, id, ret_node, err);

	if (!r)
		rsm_content_overlay(content, ret_node);
	return r;
}

struct listing {
	struct rsm_content *content;
	rsm_volume_index_each *each;
	void *context;
};

static bool each_live(void *context, const struct rsm_node *node, const char *name, const char *key)
{
	struct listing *listing = context;
	struct rsm_node live = *node;

	rsm_content_overlay(listing->content, &live);
	return listing->each(listing->context, &live, name, key);
}

int rsm_content_list(struct rsm_content *content, uint64_t parent, const char *after,
		     rsm_volume_index_each *each, void *context, struct rsm_err *err)
{
	struct listing listing = { content, each, context };

	return rsm_volume_index_list(content->index, parent, after, each_live, &listing, err);
}

int rsm_content_link_target(struct rsm_content *content, uint64_t id, char **ret_target,
			    struct rsm_err *err)
{
	return rsm_volume_index_link_target(content->index, id, ret_target, err);
}

int rsm_content_residency(struct rsm_content *content, uint64_t id,
			  enum rsm_residency *ret_residency, struct rsm_extent *ret_first,
			  struct rsm_err *err)
{
	RSM_FREE struct rsm_staged_range *ranges = NULL;
	RSM_FREE struct rsm_extent *extents = NULL;
	struct rsm_open_node *live = rsm_content_hold_live(content, id);
	size_t range_count, extent_count;
	bool staged = false;
	int r;

	if (live) {
		staged = live->dirty_data || live->dirty_row || live->uncommitted;
		rsm_content_let_go(content, live);
	}
	r = rsm_volume_index_staged(content->index, id, &ranges, &range_count, err);
	if (!r)
		r = rsm_volume_index_extents(content->index, id, &extents, &extent_count, err);
	if (r)
		return rsm_err_fold(err, r, "where a file's bytes are");
	staged |= range_count > 0;
	for (size_t i = 0; i < extent_count; i++)
		staged |= !extents[i].indexed;
	/* a file without bytes is on the medium as soon as the tree is */
	if (!extent_count && rsm_content_is_dirty(content))
		staged = true;
	*ret_residency = staged ? RSM_RESIDENT_STAGED : RSM_RESIDENT_MEDIUM;
	memset(ret_first, 0, sizeof *ret_first);
	if (extent_count)
		*ret_first = extents[0];
	return 0;
}

/* ---- names ---- */

int rsm_content_make(struct rsm_content *content, uint64_t parent, const char *name,
		     struct rsm_node *node, const char *link_target, struct rsm_err *err)
{
	int r = rsm_content_check_changes(content, err);

	if (!r && link_target)
		r = rsm_name_check_text("link's target", link_target, err);
	if (r)
		return r;
	r = rsm_content_take_index_room(content, rsm_content_index_cost(name, link_target), err);
	if (r)
		return r;
	rsm_content_date(&node->times);
	RSM_LOCK_SCOPE(&content->commit_lock);
	r = rsm_content_check_held(content, err);
	if (!r)
		r = rsm_content_end_removal(content, err);
	if (!r)
		r = rsm_volume_index_create(content->index, parent, name, node, link_target, err);
	if (!r)
		r = rsm_volume_index_commit(content->index, false, err);
	if (r)
		rsm_content_give_index_room(content, rsm_content_index_cost(name, link_target));
	return r > 0 ? rsm_err_fold(err, r, "make %s", name) : r;
}

static void ignore_released(void *context, uint64_t id, const struct rsm_staged_range *range)
{
	(void)context;
	(void)id;
	(void)range;
}

/* Deletions in a row may be those of an `rm -r` that ends with a deallocation: the index that was
 * the newest on the medium when they began shows what there was (rsm undelete). The number is part
 * of the first deletion's transaction.
 */
static const char removing_since[] = "removing_since";

static int begin_removal(struct rsm_content *content, struct rsm_err *err)
{
	uint64_t generation = 0;
	int r;

	if (content->removing)
		return 0;
	r = rsm_volume_index_get_number(content->index, "generation", &generation, 0, err);
	if (r == 0 && generation)
		r = rsm_volume_index_set_number(content->index, removing_since, generation, err);
	content->removing = r == 0 && generation;
	return r;
}

int rsm_content_end_removal(struct rsm_content *content, struct rsm_err *err)
{
	int r;

	if (!content->removing)
		return 0;
	r = rsm_volume_index_set_number(content->index, removing_since, 0, err);
	if (r == 0)
		content->removing = false;
	return r;
}

uint64_t rsm_content_removing_since(struct rsm_content *content)
{
	uint64_t generation = 0;

	RSM_LOCK_SCOPE(&content->commit_lock);
	if (rsm_volume_index_get_number(content->index, removing_since, &generation, 0, NULL) < 0)
		return 0;
	return generation;
}

static int remove_name(struct rsm_content *content, uint64_t parent, const char *name, bool folder,
		       struct rsm_err *err)
{
	struct timespec now;
	uint64_t id = 0;
	int r;

	rsm_content_now(&now);
	RSM_LOCK_SCOPE(&content->commit_lock);
	r = begin_removal(content, err);
	if (!r)
		r = rsm_volume_index_remove(content->index, parent, name, folder, !folder, &now,
					    &id, ignore_released, NULL, err);
	if (!r)
		r = rsm_volume_index_commit(content->index, false, err);
	if (r)
		return rsm_err_fold(err, r, "remove %s", name);
	rsm_content_give_index_room(content, rsm_content_index_cost(name, NULL));
	if (!folder)
		rsm_content_add_orphan(content, id);
	return 0;
}

/* A file that has lost its name stays until the kernel forgets it. */
int rsm_content_remove(struct rsm_content *content, uint64_t parent, const char *name, bool folder,
		       struct rsm_err *err)
{
	int r = rsm_content_check_changes(content, err);

	if (r == 0)
		r = remove_name(content, parent, name, folder, err);
	if (r == 0 && !folder)
		rsm_content_note_slimmed(content);
	return r;
}

static int rename_it(struct rsm_content *content, uint64_t parent, const char *name,
		     uint64_t new_parent, const char *new_name, unsigned flags, bool *ret_replaced,
		     struct rsm_err *err)
{
	struct timespec now;
	uint64_t replaced = 0;
	int r;

	rsm_content_now(&now);
	RSM_LOCK_SCOPE(&content->commit_lock);
	r = rsm_content_end_removal(content, err);
	if (!r)
		r = rsm_volume_index_rename(content->index, parent, name, new_parent, new_name,
					    flags, &now, &replaced, err);
	if (!r)
		r = rsm_volume_index_commit(content->index, false, err);
	if (r)
		return rsm_err_fold(err, r, "rename %s", name);
	if (replaced)
		rsm_content_add_orphan(content, replaced);
	*ret_replaced = replaced != 0;
	return 0;
}

int rsm_content_rename(struct rsm_content *content, uint64_t parent, const char *name,
		       uint64_t new_parent, const char *new_name, unsigned flags,
		       struct rsm_err *err)
{
	bool replaced = false;
	int r = rsm_content_check_changes(content, err);

	if (r == 0)
		r = rename_it(content, parent, name, new_parent, new_name, flags, &replaced, err);
	if (r == 0 && replaced)
		rsm_content_note_slimmed(content);
	return r;
}

/* ---- attributes ---- */

/* What an index cannot hold is not shown until then either. */
static void set_time(struct timespec *at, const struct timespec *value)
{
	*at = *value;
	rsm_ltfs_time_clamp(at);
}

static void apply(struct rsm_node *row, unsigned what, const struct rsm_node *values)
{
	struct rsm_node_times *times = &row->times;

	if (what & RSM_SET_MODE)
		row->mode = values->mode;
	if (what & RSM_SET_OWNER)
		row->owner = values->owner;
	if (what & RSM_SET_GROUP)
		row->group = values->group;
	if (what & (RSM_SET_MODE | RSM_SET_OWNER | RSM_SET_GROUP))
		row->flags |= RSM_NODE_HAS_UNIX;
	if (what & RSM_SET_ACCESSED)
		set_time(&times->accessed, &values->times.accessed);
	if (what & RSM_SET_MODIFIED)
		set_time(&times->modified, &values->times.modified);
	if (what & RSM_SET_CREATED)
		set_time(&times->created, &values->times.created);
	if (what & RSM_SET_BACKED_UP)
		set_time(&times->backed_up, &values->times.backed_up);
	if (what & RSM_SET_CHANGED)
		set_time(&times->changed, &values->times.changed);
	else
		rsm_content_now(&times->changed);
}

static int set_size(struct rsm_content *content, struct rsm_open_node *node, struct rsm_node *row,
		    uint64_t size, struct rsm_err *err)
{
	if (row->kind != RSM_NODE_FILE)
		return rsm_err_set(err, row->kind == RSM_NODE_FOLDER ? EISDIR : EINVAL,
				   "only files have a size to set");
	rsm_content_now(&row->times.modified);
	return rsm_content_truncate(content, node, row, size, err);
}

static int load_existing(struct rsm_content *content, struct rsm_open_node *node,
			 struct rsm_err *err)
{
	int r = rsm_content_load(content, node, err);

	return r == RSM_NODE_ABSENT ? rsm_err_set(err, ENOENT, "no such node") : r;
}

/* Committed at once, but for files that are being written. A folder whose change was refused has
 * not changed; a file's is tried again with what else it has.
 */
static int finish_change(struct rsm_content *content, struct rsm_open_node *node, bool *ret_queued,
			 struct rsm_err *err)
{
	int r;

	if (node->writers)
		return 0;
	r = rsm_content_flush(content, node, ret_queued, err);
	if (r < 0 && node->row.kind != RSM_NODE_FILE)
		rsm_content_unload(content, node);
	return r;
}

static int change_held(struct rsm_content *content, struct rsm_open_node *node, unsigned what,
		       const struct rsm_node *values, bool *ret_queued, struct rsm_err *err)
{
	int r = load_existing(content, node, err);
	struct rsm_node row;

	if (r)
		return r;
	row = node->row;
	if (what & RSM_SET_SIZE) {
		r = set_size(content, node, &row, values->size, err);
		if (r)
			return r;
	}
	apply(&row, what, values);
	rsm_content_set_row(node, &row);
	node->dirty_row = true;
	return finish_change(content, node, ret_queued, err);
}

int rsm_content_set_attributes(struct rsm_content *content, uint64_t id, unsigned what,
			       const struct rsm_node *values, struct rsm_node *ret_node,
			       struct rsm_err *err)
{
	struct rsm_open_node *node;
	bool queued = false;
	int r = rsm_content_check_changes(content, err);

	if (!r)
		r = rsm_content_hold(content, id, &node, err);
	if (r)
		return r;
	r = change_held(content, node, what, values, &queued, err);
	if (!r) {
		*ret_node = node->row;
		if (rsm_content_is_orphan(content, id)) /* since it was loaded */
			ret_node->parent = 0;
	}
	rsm_content_let_go(content, node);
	if (queued)
		rsm_content_want(content, RSM_WANT_MIGRATION);
	return r;
}

/* ---- extended attributes ---- */

int rsm_content_get_xattr(struct rsm_content *content, uint64_t id, const char *key,
			  struct rsm_text *ret_value, struct rsm_err *err)
{
	return rsm_volume_index_get_xattr(content->index, id, key, ret_value, err);
}

int rsm_content_list_xattrs(struct rsm_content *content, uint64_t id, struct rsm_text *ret_keys,
			    struct rsm_err *err)
{
	return rsm_volume_index_list_xattrs(content->index, id, ret_keys, err);
}

/* The index sets and takes the flag that says that there are any: the live row follows. */
static int set_xattr_held(struct rsm_content *content, struct rsm_open_node *node, const char *key,
			  const void *value, size_t length, int flags, bool *ret_queued,
			  struct rsm_err *err)
{
	struct rsm_node row, fresh;
	int r = load_existing(content, node, err);

	/* what was written before it must not take it away when it is flushed */
	if (!r && strncmp(key, RSM_DIGEST_PREFIX, strlen(RSM_DIGEST_PREFIX)) == 0)
		r = rsm_content_flush(content, node, ret_queued, err);
	if (r)
		return r;
	rsm_mutex_lock(&content->commit_lock);
	r = rsm_volume_index_set_xattr(content->index, node->id, key, value, length, flags, err);
	if (!r && !node->writers)
		r = rsm_volume_index_commit(content->index, false, err);
	rsm_mutex_unlock(&content->commit_lock);
	if (!r)
		r = rsm_volume_index_get(content->index, node->id, &fresh, err);
	if (r)
		return r;
	row = node->row;
	row.flags &= ~(uint32_t)RSM_NODE_HAS_XATTRS;
	row.flags |= fresh.flags & RSM_NODE_HAS_XATTRS;
	rsm_content_now(&row.times.changed);
	rsm_content_set_row(node, &row);
	node->dirty_row = true;
	return finish_change(content, node, ret_queued, err);
}

int rsm_content_set_xattr(struct rsm_content *content, uint64_t id, const char *key,
			  const void *value, size_t length, int flags, struct rsm_err *err)
{
	struct rsm_open_node *node;
	bool queued = false;
	int r = rsm_content_check_changes(content, err);

	if (!r && value)
		r = rsm_name_check_text("attribute's name", key, err);
	if (!r && value) /* base64 */
		r = rsm_content_take_index_room(content, 100 + strlen(key) + length / 3 * 4, err);
	if (!r)
		r = rsm_content_hold(content, id, &node, err);
	if (r)
		return r;
	r = set_xattr_held(content, node, key, value, length, flags, &queued, err);
	rsm_content_let_go(content, node);
	if (queued)
		rsm_content_want(content, RSM_WANT_MIGRATION);
	return r > 0 ? rsm_err_fold(err, r, "extended attribute %s", key) : r;
}

int rsm_content_set_checksum(struct rsm_content *content, uint64_t id, uint64_t data_version,
			     enum rsm_digest_kind kind, const char *hash, bool alone,
			     struct rsm_err *err)
{
	struct rsm_open_node *node;
	int r = rsm_content_check_changes(content, err);

	if (!r)
		r = rsm_content_hold(content, id, &node, err);
	if (r)
		return r;
	if (node->dirty_data || node->gone) {
		r = RSM_NODE_ABSENT;
	} else {
		RSM_LOCK_SCOPE(&content->commit_lock);
		r = rsm_volume_index_set_checksum(content->index, id, data_version, kind, hash,
						  alone, err);
		if (!r)
			r = rsm_volume_index_commit(content->index, false, err);
	}
	rsm_content_let_go(content, node);
	return r;
}

int rsm_content_set_fact(struct rsm_content *content, const char *key, const char *value,
			 struct rsm_err *err)
{
	int r = rsm_content_check_changes(content, err);

	if (r)
		return r;
	rsm_mutex_lock(&content->commit_lock);
	r = rsm_volume_index_set_fact(content->index, key, value, err);
	if (!r) {
		rsm_volume_index_touch(content->index);
		r = rsm_volume_index_commit(content->index, false, err);
	}
	rsm_mutex_unlock(&content->commit_lock);
	return r > 0 ? rsm_err_fold(err, r, "%s of the volume", key) : r;
}
