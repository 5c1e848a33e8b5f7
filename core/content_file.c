#include "core/content_private.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"

/* The rule for staged bytes: whoever reads, writes or gives up staged bytes of a node holds the
 * node's lock, and there is an entry in the table while that goes on, made for the purpose if need
 * be. So nobody finds a range and then reads a hole, or writes to a file that has just been
 * unlinked. Bytes on the medium need no such care: they are never overwritten, and a read that was
 * sent there answers with what the file was when it was asked.
 * Only the migration reads without the lock; what it read of a file that changed meanwhile is
 * refused by the data_version in _migrated.
 */

/* ---- open ---- */

static int new_file(struct rsm_content *content, struct rsm_open_node *node, int flags,
		    struct rsm_open_file **ret_file, struct rsm_err *err)
{
	struct rsm_open_file *file = calloc(1, sizeof *file);

	if (!file)
		return rsm_err_oom(err);
	file->content = content;
	file->node = node;
	file->era = node->era;
	file->readable = (flags & O_ACCMODE) != O_WRONLY;
	file->writable = (flags & O_ACCMODE) != O_RDONLY;
	rsm_content_pin(content, node);
	node->opened = true;
	if (file->writable) {
		node->writers++;
		content->writers++;
	}
	content->open_files++;
	rsm_content_used(content);
	*ret_file = file;
	return 0;
}

static bool kernel_cache_is_right(struct rsm_content *content, struct rsm_open_node *node)
{
	size_t seen = node->id % RSM_CONTENT_SEEN;

	if (node->no_cache) {
		node->no_cache = false;
		return false;
	}
	if (node->opened)
		return true;
	RSM_LOCK_SCOPE(&content->lock);
	return content->seen[seen].id == node->id &&
	       content->seen[seen].data_version == node->row.data_version;
}

/* True if reading the file may take the medium. */
static bool has_bytes_on_medium(struct rsm_content *content, struct rsm_open_node *node)
{
	if (!node->row.size || node->has_buffer ||
	    !rsm_ranges_uncovered(&node->ranges, 0, node->row.size))
		return false;
	if (rsm_content_load_extents(content, node, NULL) < 0)
		return false; /* the read will tell */
	for (size_t i = 0; i < node->extent_count; i++) {
		uint64_t start = node->extents[i].file_offset;
		uint64_t end = start + node->extents[i].byte_count;
		uint64_t limit = node->cut < node->row.size ? node->cut : node->row.size;

		if (end > limit)
			end = limit;
		if (start < end && rsm_ranges_uncovered(&node->ranges, start, end))
			return true;
	}
	return false;
}

static int open_held(struct rsm_content *content, struct rsm_open_node *node, int flags,
		     struct rsm_open_file **ret_file, bool *ret_keep_cache, bool *ret_on_medium,
		     struct rsm_err *err)
{
	int r = rsm_content_load(content, node, err);
	bool keep, queued = false;

	if (r == RSM_NODE_ABSENT)
		return rsm_err_set(err, ENOENT, "no such file");
	if (r)
		return r;
	if (node->row.kind != RSM_NODE_FILE)
		return rsm_err_set(err, node->row.kind == RSM_NODE_FOLDER ? EISDIR : ELOOP,
				   "not a file");
	keep = kernel_cache_is_right(content, node);
	if (flags & O_TRUNC) {
		struct rsm_node row = node->row;

		r = rsm_content_truncate(content, node, &row, 0, err);
		if (r)
			return r;
		rsm_content_now(&row.times.modified);
		row.times.changed = row.times.modified;
		rsm_content_set_row(node, &row);
		node->dirty_row = true;
		keep = false;
		if ((flags & O_ACCMODE) == O_RDONLY && !node->writers)
			r = rsm_content_flush(content, node, &queued, err);
		if (r)
			return r;
	}
	r = new_file(content, node, flags, ret_file, err);
	if (r)
		return r;
	*ret_keep_cache = keep;
	*ret_on_medium = (*ret_file)->readable && has_bytes_on_medium(content, node);
	return 0;
}

int rsm_content_open(struct rsm_content *content, uint64_t id, int flags,
		     struct rsm_open_file **ret_file, bool *ret_keep_cache, struct rsm_err *err)
{
	bool changes = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
	struct rsm_open_node *node;
	bool on_medium = false;
	int r = changes ? rsm_content_check_changes(content, err)
			: rsm_content_check_enabled(content, err);

	if (!r)
		r = rsm_content_hold(content, id, &node, err);
	if (r)
		return r;
	r = open_held(content, node, flags, ret_file, ret_keep_cache, &on_medium, err);
	rsm_content_let_go(content, node);
	if (!r && on_medium)
		rsm_content_want(content, RSM_WANT_READ_SOON);
	return r;
}

int rsm_content_create(struct rsm_content *content, uint64_t parent, const char *name,
		       struct rsm_node *row, int flags, struct rsm_open_file **ret_file,
		       struct rsm_err *err)
{
	struct rsm_open_node *node;
	int r = rsm_content_check_changes(content, err);

	if (r)
		return r;
	if (!content->full && rsm_staging_space_is_exhausted(content->space, 1)) {
		/* a row that does not fit would take others' uncommitted rows with it */
		rsm_staging_space_refused(content->space);
		rsm_content_want(content, RSM_WANT_ROOM);
		return RSM_CONTENT_WAIT;
	}
	r = rsm_content_take_index_room(content, rsm_content_index_cost(name, NULL), err);
	if (r)
		return r;
	row->kind = RSM_NODE_FILE;
	row->size = 0;
	rsm_content_date(&row->times);
	rsm_mutex_lock(&content->commit_lock);
	r = rsm_content_check_held(content, err);
	if (r == 0)
		r = rsm_volume_index_create(content->index, parent, name, row, NULL, err);
	if (r == 0)
		rsm_content_running_end(content, row->id); /* of an earlier file, perhaps */
	rsm_mutex_unlock(&content->commit_lock);
	if (r)
		rsm_content_give_index_room(content, rsm_content_index_cost(name, NULL));
	if (!r)
		r = rsm_content_hold(content, row->id, &node, err);
	if (r)
		return rsm_err_fold(err, r, "create %s", name);
	free(node->born_name);
	if (!node->loaded) { /* else somebody was quick to open it by name */
		rsm_content_set_row(node, row);
		node->persisted_size = 0;
		node->extents_loaded = true; /* it has none */
	}
	/* the row may be taken back before it is committed: the flush tells it again */
	node->uncommitted = node->dirty_row = true;
	node->born_parent = parent;
	node->born_name = strdup(name); /* none: then it cannot */
	r = new_file(content, node, flags, ret_file, err);
	rsm_content_let_go(content, node);
	return r;
}

uint64_t rsm_content_file_id(const struct rsm_open_file *file)
{
	return file->node->id;
}

/* ---- flush and release ---- */

/* A small file's bytes go to the disk now: not to the last of it. */
static int may_flush(const struct rsm_open_file *file)
{
	const struct rsm_open_node *node = file->node;

	return node->has_buffer && node->dirty_data && node->buffer_length &&
			       !file->content->full &&
			       rsm_staging_space_is_exhausted(file->content->space,
							      node->buffer_length)
		       ? RSM_CONTENT_WAIT
		       : 0;
}

/* Nothing is lost by a disk that is full: what could not be flushed is tried again. */
static int wait_if_full(const struct rsm_open_file *file, int r)
{
	bool full = r == -ENOSPC || r == -EDQUOT;

	return full && !file->node->gone && !file->content->full ? RSM_CONTENT_WAIT : r;
}

static int flushed(struct rsm_open_file *file, int r, bool queued)
{
	if (queued)
		rsm_content_want(file->content, RSM_WANT_MIGRATION);
	if (r == RSM_CONTENT_WAIT) {
		rsm_staging_space_refused(file->content->space);
		rsm_content_want(file->content, RSM_WANT_ROOM);
	}
	return r;
}

int rsm_content_flush_file(struct rsm_open_file *file, struct rsm_err *err)
{
	bool queued = false;
	int r;

	if (!file->writable)
		return 0;
	rsm_mutex_lock(&file->node->lock);
	r = may_flush(file);
	if (!r)
		r = wait_if_full(file, rsm_content_flush(file->content, file->node, &queued, err));
	rsm_mutex_unlock(&file->node->lock);
	return flushed(file, r, queued);
}

int rsm_content_sync_file(struct rsm_open_file *file, struct rsm_err *err)
{
	bool queued = false;
	int r;

	rsm_mutex_lock(&file->node->lock);
	r = may_flush(file);
	if (!r)
		r = wait_if_full(
			file, rsm_content_flush_durably(file->content, file->node, &queued, err));
	rsm_mutex_unlock(&file->node->lock);
	return flushed(file, r, queued);
}

void rsm_content_release(struct rsm_open_file *file)
{
	struct rsm_content *content = file->content;
	struct rsm_open_node *node = file->node;
	bool writable = file->writable, queued = false;
	struct rsm_err err;
	int r = 0;

	if (writable) {
		rsm_mutex_lock(&node->lock);
		r = rsm_content_flush(content, node, &queued, &err);
		node->writers--;
		/* the migration passes by files that are being written: now it may */
		queued |= !node->writers && node->saved.count;
		rsm_mutex_unlock(&node->lock);
		content->writers--;
	}
	if (r < 0)
		rsm_log_error("file %" PRIu64 " was released, its last changes are not on disk: %s",
			      node->id, err.msg);
	free(file);
	rsm_content_used(content);
	rsm_content_unpin(content, node);
	if (queued)
		rsm_content_want(content, RSM_WANT_MIGRATION);
	if (atomic_fetch_sub(&content->open_files, 1) == 1)
		rsm_content_want(content, RSM_WANT_NOTHING);
}
