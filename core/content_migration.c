#include "core/content_private.h"

#include <inttypes.h>
#include <string.h>

enum { BUSY_NS = 2 * 1000 * 1000 * 1000ll }; /* a file written to since may be written to again */
enum { HASHED_HOLES = 256 << 20 };	     /* a file with more zeros gets no checksum */

/* ---- what is to be written ---- */

bool rsm_content_is_busy(struct rsm_content *content, struct rsm_open_node *node)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return node->dirty_data || node->gone || rsm_content_is_orphan(content, node->id) ||
	       (node->writers &&
		now.tv_sec * (int64_t)1000000000 + now.tv_nsec - node->written_ns < BUSY_NS);
}

/* Files that are changing just now would be written in vain; they come when they are released, or
 * in parts.
 */
static bool is_busy(struct rsm_content *content, uint64_t id)
{
	struct rsm_open_node *node = rsm_content_hold_live(content, id);
	bool busy;

	if (!node)
		return rsm_content_is_orphan(content, id);
	busy = rsm_content_is_busy(content, node);
	rsm_content_let_go(content, node);
	return busy;
}

/* What went in parts need not go again, but may have to be digested. */
static void leave_out_written(struct rsm_migration *migration)
{
	size_t kept = 0;

	for (size_t i = 0; i < migration->range_count; i++)
		if (!migration->ranges[i].written)
			migration->ranges[kept++] = migration->ranges[i];
	migration->range_count = kept;
}

/* Bytes that no staged range has are zeros only if the medium has none either. */
static int find_whole(struct rsm_content *content, struct rsm_migration *migration,
		      struct rsm_err *err)
{
	RSM_FREE struct rsm_extent *extents = NULL;
	uint64_t covered = 0;
	size_t count = 0;
	int r;

	for (size_t i = 0; i < migration->range_count; i++)
		covered += migration->ranges[i].byte_count;
	migration->whole = covered == migration->size;
	if (migration->whole || migration->size - covered > HASHED_HOLES)
		return 0;
	r = rsm_volume_index_extents(content->index, migration->id, &extents, &count, err);
	migration->whole = !r && !count;
	return r;
}

/* The running digest, if it has all that went in parts. */
static bool continue_digest(struct rsm_content *content, struct rsm_migration *migration,
			    uint64_t waiting)
{
	uint64_t from = migration->size;

	for (size_t i = 0; i < migration->range_count && from == migration->size; i++)
		if (!migration->ranges[i].written)
			from = migration->ranges[i].file_offset;
	/* a gap might be a hole, or a part that was given up already */
	if (from == 0 || migration->size - from != waiting)
		return false;
	if (!rsm_content_running_lend(content, migration->id, from, waiting, &migration->digest))
		return false;
	migration->digest_of = content;
	migration->digest_from = from;
	return migration->digest != NULL;
}

static int find_digest(struct rsm_content *content, struct rsm_migration *migration,
		       struct rsm_err *err)
{
	uint64_t covered = 0, waiting = 0;

	for (size_t i = 0; i < migration->range_count; i++) {
		covered += migration->ranges[i].byte_count;
		if (!migration->ranges[i].written)
			waiting += migration->ranges[i].byte_count;
	}
	if (continue_digest(content, migration, waiting)) {
		leave_out_written(migration);
		return 0;
	}
	if (covered != waiting) { /* went in parts: it is whole if none has been given up */
		migration->whole = covered == migration->size;
		if (!migration->whole)
			leave_out_written(migration);
		return 0;
	}
	return find_whole(content, migration, err);
}

/* What is staged of the file. Outcome RSM_NODE_ABSENT: it was removed, and forgotten, just now. */
static int fill(struct rsm_content *content, struct rsm_migration *migration, struct rsm_err *err)
{
	struct rsm_err why;
	int r;

	/* changed since the row was read: then these ranges do not belong to data_version, and
	 * _migrated will say so */
	r = rsm_volume_index_staged(content->index, migration->id, &migration->ranges,
				    &migration->range_count, &why);
	if (!r)
		r = find_digest(content, migration, &why);
	if (r == -ENOENT)
		return RSM_NODE_ABSENT;
	if (r && err)
		*err = why;
	return r ? rsm_err_fold(err, r, "staged ranges of file %" PRIu64, migration->id) : 0;
}

int rsm_content_next_migration(struct rsm_content *content, uint64_t after,
			       struct rsm_migration **ret_migration, struct rsm_err *err)
{
	for (;;) {
		RSM_CLEANUP(rsm_migration_free) struct rsm_migration *migration = NULL;
		struct rsm_node node;
		int r = rsm_volume_index_next_staged(content->index, after, &node, &after, err);

		if (r)
			return r;
		if (is_busy(content, node.id))
			continue;
		migration = calloc(1, sizeof *migration);
		if (!migration)
			return rsm_err_oom(err);
		migration->id = node.id;
		migration->data_version = node.data_version;
		migration->close_order = after;
		migration->size = node.size;
		r = fill(content, migration, err);
		if (r == RSM_NODE_ABSENT)
			continue;
		if (r == 0)
			*ret_migration = RSM_STEAL(migration);
		return r;
	}
}

void rsm_migration_free(struct rsm_migration *migration)
{
	if (!migration)
		return;
	if (migration->digest_of)
		rsm_content_running_return(migration->digest_of, migration->id,
					   migration->digest_good, !migration->part_of);
	if (migration->part_of)
		rsm_content_end_part(migration);
	free(migration->ranges);
	free(migration);
}

/* True if what is written of these bytes will not be recorded, whatever happens until then. When in
 * doubt it is not: zeros in the place of bytes that could not be read must never be.
 *
 * A file: it is changed, or was, since it was taken. _migrated finds it so as well, because a
 * version is never given twice. A part: all of them were touched; the guard only shrinks, and
 * _record_part leaves out what is not in it. Of what the guard still has, the bytes are there: they
 * are in the node's ranges.
 */
static bool is_void(struct rsm_content *content, const struct rsm_migration *migration,
		    uint64_t start, uint64_t end)
{
	struct rsm_open_node *live = rsm_content_hold_live(content, migration->id);
	struct rsm_node row;
	bool changed = false;
	int r;

	if (live) {
		changed = live->gone ||
			  (migration->part_of
				   ? rsm_ranges_uncovered(&live->guard, start, end) == end - start
				   : live->dirty_data);
		rsm_content_let_go(content, live);
	}
	if (changed || rsm_content_is_orphan(content, migration->id))
		return true;
	if (migration->part_of)
		return false;
	r = rsm_volume_index_get(content->index, migration->id, &row, NULL);
	return r == RSM_NODE_ABSENT || (r == 0 && row.data_version != migration->data_version);
}

int rsm_content_migration_read(struct rsm_content *content, const struct rsm_migration *migration,
			       size_t range, uint64_t offset_in_range, void *data, size_t length,
			       struct rsm_err *err)
{
	const struct rsm_staged_range *from;
	struct rsm_err unread;
	uint64_t start;
	int r;

	if (range >= migration->range_count ||
	    offset_in_range > migration->ranges[range].byte_count ||
	    length > migration->ranges[range].byte_count - offset_in_range)
		return rsm_err_set(err, EINVAL, "no such bytes in the migration of file %" PRIu64,
				   migration->id);
	from = &migration->ranges[range];
	start = from->file_offset + offset_in_range;
	r = rsm_staging_read(content->staging, migration->id, from->store,
			     from->store_offset + offset_in_range, data, length, &unread);
	if (r < 0 && is_void(content, migration, start, start + length)) {
		/* given up because the file changed: what is written is waste */
		memset(data, 0, length);
		return 0;
	}
	if (r < 0 && err)
		*err = unread;
	return r;
}

/* ---- what has been written ---- */

int rsm_content_migrated(struct rsm_content *content, struct rsm_migration *migration,
			 const struct rsm_extent *extents, size_t count, struct rsm_err *err)
{
	struct rsm_open_node *node;
	int r;

	if (migration->part_of)
		return rsm_content_record_part(content, migration, extents, count, err);
	r = rsm_content_hold(content, migration->id, &node, err);
	if (r)
		return r;
	if (node->dirty_data || node->gone) {
		r = RSM_NODE_ABSENT;
	} else {
		RSM_LOCK_SCOPE(&content->commit_lock);
		r = rsm_volume_index_migrated_hashed(content->index, migration->id,
						     migration->data_version, extents, count,
						     migration->hash_key, migration->hash, err);
		if (!r) {
			rsm_content_forget_extents(node);
			if (node->loaded)
				rsm_content_all_streamed(node);
		}
	}
	rsm_content_let_go(content, node);
	return r;
}

int rsm_content_snapshot(struct rsm_content *content, struct rsm_index_snapshot **ret_snapshot,
			 struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&content->commit_lock);
	return rsm_volume_index_snapshot(content->index, ret_snapshot, err);
}

enum { COVER_FILES = 8192 };

struct released {
	uint64_t id; /* 0: it has been seen to */
	struct rsm_staged_range range;
};

struct released_list {
	struct released_list *next; /* of others that go on; they hardly ever do */
	struct rsm_content *content;
	struct released *at; /* [content.lock] */
	size_t count, room;
	bool failed;
};

static void begin_releasing(struct rsm_content *content, struct released_list *list)
{
	RSM_LOCK_SCOPE(&content->lock);
	list->content = content;
	list->next = content->releasing;
	content->releasing = list;
}

static void end_releasing(struct rsm_content *content, struct released_list *list)
{
	struct released_list **at;

	rsm_mutex_lock(&content->lock);
	for (at = &content->releasing; *at != list; at = &(*at)->next)
		;
	*at = list->next;
	rsm_mutex_unlock(&content->lock);
	free(list->at);
}

int rsm_content_know_released(struct rsm_content *content, struct rsm_open_node *node,
			      struct rsm_err *err)
{
	if (!content->indexing)
		return 0;
	RSM_LOCK_SCOPE(&content->lock);
	for (const struct released_list *list = content->releasing; list; list = list->next)
		for (size_t i = 0; i < list->count; i++) {
			int r;

			if (list->at[i].id != node->id)
				continue;
			r = rsm_ranges_reserve(&node->saved, 2, err);
			if (r)
				return r;
			rsm_ranges_put(&node->saved, list->at[i].range);
		}
	return 0;
}

/* Under the index's lock: only noted down, for whoever loads the row from now on, too. */
static void note_released(void *context, uint64_t id, const struct rsm_staged_range *range)
{
	struct released_list *list = context;

	RSM_LOCK_SCOPE(&list->content->lock);
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 256;
		struct released *grown = realloc(list->at, room * sizeof *grown);

		if (!grown) {
			list->failed = true; /* their room comes back at the next open */
			return;
		}
		list->at = grown;
		list->room = room;
	}
	list->at[list->count++] = (struct released){ id, *range };
}

struct release {
	struct rsm_content *content;
	struct rsm_open_node *node;
};

static void release_part(void *context, const struct rsm_staged_range *part)
{
	struct release *release = context;

	rsm_staging_release(release->content->staging, release->node->id, part->store,
			    part->store_offset, part->byte_count);
}

static void release_unless_in_use(void *context, const struct rsm_staged_range *part)
{
	struct release *release = context;

	rsm_ranges_subtract(part, &release->node->ranges, release_part, release);
}

static void forget_part(void *context, const struct rsm_staged_range *part)
{
	struct release *release = context;
	struct rsm_open_node *node = release->node;

	rsm_ranges_remove(&node->ranges, part);
	rsm_ranges_remove(&node->saved, part);
}

/* What was not touched since it went to the medium is not newer than it: it goes, although the file
 * has changed elsewhere. What is left of the range goes the way of a changed file's bytes.
 */
static void release_streamed(struct release *release, const struct rsm_staged_range *range)
{
	struct rsm_open_node *node = release->node;
	struct rsm_ranges streamed = { 0 };
	size_t count = node->streamed.count + 1;

	if (range->store != RSM_STORE_OWN || !node->streamed.count)
		return;
	if (rsm_ranges_reserve(&streamed, node->streamed.count, NULL) ||
	    rsm_ranges_reserve(&node->ranges, count, NULL) ||
	    rsm_ranges_reserve(&node->saved, count, NULL)) {
		rsm_ranges_fini(&streamed);
		return; /* it is named anew, and written again */
	}
	memcpy(streamed.at, node->streamed.at, node->streamed.count * sizeof *streamed.at);
	streamed.count = node->streamed.count;
	rsm_ranges_intersect(range, &streamed, forget_part, release);
	rsm_content_close_own_if_idle(node);
	rsm_ranges_intersect(range, &streamed, release_part, release);
	rsm_ranges_fini(&streamed);
	rsm_content_forget_extents(node);
}

/* A row has gone; its bytes go too, exactly once. A node that was flushed since the rows went has
 * named them anew or released them itself. One that is changed and not flushed keeps what it has:
 * its bytes may be newer than the medium's, its next flush names or releases them. All others just
 * forget them. A node that is not in the table now was not flushed since, because none leaves the
 * table before the end of this; and one that was loaded since knows of them as `saved`.
 */
static void release_one(struct rsm_content *content, struct released *released, uint64_t phase)
{
	const struct rsm_staged_range copy = released->range, *range = &copy;
	uint64_t id = released->id, end = range->file_offset + range->byte_count;
	struct release release = { .content = content };
	struct rsm_open_node *node;

	if (rsm_content_hold(content, id, &node, NULL))
		return; /* out of memory: the next open collects it */
	release.node = node;
	rsm_mutex_lock(&content->lock);
	released->id = 0; /* whoever loads it from now on has nothing to do with them */
	rsm_mutex_unlock(&content->lock);
	if (node->staged_phase >= phase || rsm_ranges_reserve(&node->ranges, 1, NULL) ||
	    rsm_ranges_reserve(&node->saved, 1, NULL)) {
		rsm_content_drop_streamed(node, range->file_offset, end); /* it waits again */
	} else if (node->dirty_data) {
		rsm_ranges_subtract(range, &node->saved, release_unless_in_use, &release);
		release_streamed(&release, range);
		rsm_content_drop_streamed(node, range->file_offset, end);
	} else {
		rsm_ranges_remove(&node->ranges, range);
		rsm_ranges_remove(&node->saved, range);
		rsm_content_drop_streamed(node, range->file_offset, end);
		rsm_content_forget_extents(node);
		rsm_content_close_own_if_idle(node);
		release_part(&release, range);
	}
	rsm_content_let_go(content, node);
}

/* Nodes that nobody has any more were kept for release_one. */
static void sweep(struct rsm_content *content)
{
	RSM_FREE uint64_t *ids = NULL;

	if (rsm_content_live_ids(content, &ids, NULL))
		return; /* they go with their next use */
	for (size_t i = 0; ids[i]; i++) {
		struct rsm_open_node *node = rsm_content_hold_live(content, ids[i]);

		if (node)
			rsm_content_let_go(content, node);
	}
}

/* The rows of some files go, durably, before a byte goes. Outcome RSM_INDEX_MORE. */
static int cover_some(struct rsm_content *content, uint64_t version, struct rsm_err *err)
{
	struct released_list list = { 0 };
	uint64_t phase;
	int r, committed;

	begin_releasing(content, &list);
	/* a flush comes before all of this, and its rows are covered, or after all of it */
	rsm_mutex_lock(&content->commit_lock);
	rsm_mutex_lock(&content->lock);
	phase = ++content->phase;
	content->indexing++;
	rsm_mutex_unlock(&content->lock);
	r = rsm_volume_index_cover(content->index, version, COVER_FILES, note_released, &list, err);
	committed = r < 0 ? r : rsm_volume_index_commit(content->index, true, err);
	rsm_mutex_unlock(&content->commit_lock);
	for (size_t i = 0; committed == 0 && i < list.count; i++)
		release_one(content, &list.at[i], phase);
	rsm_mutex_lock(&content->lock);
	content->indexing--;
	rsm_mutex_unlock(&content->lock);
	sweep(content);
	end_releasing(content, &list);
	return committed < 0 ? committed : r;
}

/* In steps: a million files would hold up everybody else, and fill the memory with their names. */
int rsm_content_indexed_to(struct rsm_content *content, uint64_t version, struct rsm_err *err)
{
	int r;

	do
		r = cover_some(content, version, err);
	while (r == RSM_INDEX_MORE);
	return r;
}

int rsm_content_indexed(struct rsm_content *content, const struct rsm_index_snapshot *snapshot,
			struct rsm_err *err)
{
	return rsm_content_indexed_to(content, rsm_index_snapshot_tree_version(snapshot), err);
}

int rsm_content_forget_unindexed(struct rsm_content *content, struct rsm_err *err)
{
	RSM_FREE uint64_t *ids = NULL;
	int r;

	rsm_mutex_lock(&content->commit_lock);
	r = rsm_volume_index_forget_unindexed(content->index, err);
	if (!r)
		r = rsm_volume_index_commit(content->index, true, err);
	rsm_mutex_unlock(&content->commit_lock);
	rsm_content_running_end(content, 0);
	if (!r)
		r = rsm_content_live_ids(content, &ids, err);
	for (size_t i = 0; ids && ids[i]; i++) {
		struct rsm_open_node *node = rsm_content_hold_live(content, ids[i]);

		if (!node)
			continue;
		rsm_content_forget_extents(node);
		node->streamed.count = 0; /* the guard is of what is being written now */
		rsm_content_let_go(content, node);
	}
	if (!r)
		rsm_content_want(content, RSM_WANT_MIGRATION);
	return r > 0 ? rsm_err_fold(err, r, "index of the volume") : r;
}

/* ---- another system's tree ---- */

static bool has_other_bytes(const struct rsm_node *before, const struct rsm_node *now)
{
	return before->size != now->size ||
	       before->times.modified.tv_sec != now->times.modified.tv_sec ||
	       before->times.modified.tv_nsec != now->times.modified.tv_nsec;
}

/* What an open file had cached is read anew; unsaved changes are kept, and laid over the new
 * contents by the next flush. Who has read some of the old bytes gets none of the new ones.
 */
static void renew(struct rsm_content *content, uint64_t id)
{
	struct rsm_open_node *node = rsm_content_hold_live(content, id);

	if (!node)
		return;
	node->no_cache = true;
	if (node->dirty_data || node->dirty_row) {
		struct rsm_node row;

		rsm_content_forget_extents(node);
		rsm_content_forget_streamed(node);
		node->gone =
			rsm_volume_index_get(content->index, id, &row, NULL) == RSM_NODE_ABSENT;
	} else {
		struct rsm_node before = node->row;
		bool known = node->loaded;

		rsm_content_unload(content, node);
		node->gone = rsm_content_load(content, node, NULL) == RSM_NODE_ABSENT;
		if (known && node->loaded && has_other_bytes(&before, &node->row))
			node->era++;
	}
	rsm_content_let_go(content, node);
}

int rsm_content_replace(struct rsm_content *content, struct rsm_index_loader *loader,
			struct rsm_text *ret_conflicts, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_loader_free) struct rsm_index_loader *owned = loader;
	RSM_FREE uint64_t *ids = NULL;
	struct rsm_volume_totals totals;
	bool queued = false;
	uint64_t order;
	int r = rsm_content_flush_all(content, &queued, err);

	if (!r) {
		RSM_LOCK_SCOPE(&content->commit_lock);
		r = rsm_volume_index_replace(content->index, RSM_STEAL(owned), ret_conflicts, err);
		if (!r)
			r = rsm_volume_index_commit(content->index, true, err);
	}
	if (!r)
		r = rsm_volume_index_totals(content->index, &totals, err);
	if (!r)
		r = rsm_content_live_ids(content, &ids, err);
	if (r)
		return rsm_err_fold(err, r, "take over the index of the medium");
	rsm_mutex_lock(&content->lock);
	memset(content->seen, 0, sizeof content->seen);
	rsm_mutex_unlock(&content->lock);
	order = rsm_volume_index_last_close_order(content->index);
	if (content->close_order < order)
		content->close_order = order;
	rsm_content_running_end(content, 0);
	for (size_t i = 0; ids[i]; i++)
		renew(content, ids[i]);
	content->callbacks.changed(content->callbacks.context, content, 0);
	if (totals.staged_files)
		rsm_content_want(content, RSM_WANT_MIGRATION);
	return 0;
}
