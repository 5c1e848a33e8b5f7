/* Listing folders of a cartridge: batches by key, so that memory does not grow with the folder. */
#include <string.h>

#include "fs/contents.h"
#include "fs/folder.h"

enum { POSITION_FIRST = 2, BATCH_MIN = 32, BATCH_MAX = 512 };

void rsmfs_contents_opendir(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	struct rsm_err err;
	int r = rsmfs_contents_init(&at, fs, call, RSMFS_BROWSE, &err);

	if (r == RSMFS_CONTENTS_PARKED)
		return;
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		rsmfs_folder_open(fs, call);
}

struct batch {
	struct rsmfs_folder *folder;
	int64_t medium;
	size_t limit;
	struct rsm_err *err;
	int r;
};

static bool take(void *context, const struct rsm_node *node, const char *name, const char *key)
{
	static const mode_t types[] = {
		[RSM_NODE_FOLDER] = S_IFDIR, [RSM_NODE_FILE] = S_IFREG, [RSM_NODE_LINK] = S_IFLNK
	};
	struct batch *batch = context;

	if (batch->folder->count >= batch->limit)
		return false;
	batch->r = rsmfs_folder_add(batch->folder, rsmfs_node_ino(batch->medium, node->id),
				    types[node->kind], name, key, node, batch->err);
	return batch->r == 0;
}

/* The key behind which the entry `index` of the batch begins (count: behind the last). */
static int keep_key(struct rsmfs_folder *folder, size_t index, struct rsm_err *err)
{
	const char *key;

	if (index == 0)
		return 0;
	key = folder->text.data + folder->entries[index - 1].key;
	rsm_text_reset(&folder->after);
	rsm_text_add(&folder->after, key);
	return folder->after.failed ? rsm_err_oom(err) : 0;
}

static int fetch(const struct rsmfs_contents *at, struct rsmfs_folder *folder, struct rsm_err *err)
{
	struct batch batch = {
		.folder = folder, .medium = at->medium, .limit = folder->batch, .err = err
	};
	int r;

	/* before the look: what changes during it counts as changed */
	folder->changes = atomic_load(rsmfs_changes(at->fs, at->medium));
	rsmfs_folder_clear(folder);
	r = rsm_content_list(at->content, folder->place.node,
			     folder->after.length ? folder->after.data : NULL, take, &batch, err);
	if (r >= 0 && batch.r < 0)
		r = batch.r;
	folder->ended = folder->count < batch.limit;
	return r < 0 ? r : 0;
}

/* Goes on behind the batch. */
static int advance(const struct rsmfs_contents *at, struct rsmfs_folder *folder,
		   struct rsm_err *err)
{
	int r = keep_key(folder, folder->count, err);

	if (r < 0)
		return r;
	folder->first += folder->count;
	return fetch(at, folder, err);
}

static int rewind_folder(const struct rsmfs_contents *at, struct rsmfs_folder *folder,
			 struct rsm_err *err)
{
	rsm_text_reset(&folder->after);
	folder->first = POSITION_FIRST;
	return fetch(at, folder, err);
}

/* Makes the batch begin at or before `position` and be fresh; *ret_index is where in it. An index
 * equal to the count, with ended set: the end. */
static int seek(const struct rsmfs_contents *at, struct rsmfs_folder *folder, uint64_t position,
		size_t *ret_index, struct rsm_err *err)
{
	bool fresh = folder->changes == atomic_load(rsmfs_changes(at->fs, at->medium));
	int r = 0;

	if (position == POSITION_FIRST || position < folder->first ||
	    position > folder->first + folder->count) {
		folder->batch = BATCH_MIN;
		r = rewind_folder(at, folder, err);
	} else if (!fresh) {
		size_t index = (size_t)(position - folder->first);

		folder->batch = BATCH_MIN;
		r = keep_key(folder, index, err);
		folder->first = position;
		if (r == 0)
			r = fetch(at, folder, err);
	}
	while (r == 0 && position >= folder->first + folder->count && !folder->ended) {
		if (folder->batch < BATCH_MAX)
			folder->batch *= 2;
		r = advance(at, folder, err);
	}
	if (r < 0)
		return r;
	*ret_index = position - folder->first < folder->count ? (size_t)(position - folder->first)
							      : folder->count;
	return 0;
}

static bool add_entry(const struct rsmfs_contents *at, const struct rsmfs_folder *folder,
		      size_t index, struct rsmfs_listing *listing)
{
	const struct rsmfs_folder_entry *entry = &folder->entries[index];
	struct fuse_entry_param attributes;

	if (listing->plus)
		rsmfs_node_entry(at->fs, at->medium, &entry->node, &attributes);
	return rsmfs_listing_add(listing, rsmfs_folder_name(folder, index), entry->ino, entry->type,
				 listing->plus ? &attributes : NULL, folder->first + index + 1);
}

static int fill(const struct rsmfs_contents *at, struct rsmfs_folder *folder,
		struct rsmfs_listing *listing, uint64_t position, struct rsm_err *err)
{
	size_t index;
	int r = seek(at, folder, position, &index, err);

	while (r == 0) {
		for (; index < folder->count; index++)
			if (!add_entry(at, folder, index, listing))
				return 0;
		if (folder->ended)
			return 0;
		if (folder->batch < BATCH_MAX)
			folder->batch *= 2;
		r = advance(at, folder, err);
		index = 0;
	}
	/* what is there already is told; the error comes with the next request */
	return listing->used ? 0 : r;
}

static uint64_t parent_ino(const struct rsmfs_contents *at, const struct rsmfs_call *call)
{
	struct rsm_medium medium;
	struct rsm_node node;

	if (call->place.node == RSM_NODE_ROOT && at->is_view)
		return rsmfs_views_ino(at->cartridge);
	if (call->place.node == RSM_NODE_ROOT)
		return rsmfs_get_medium(at->fs, call->place.id, &medium, NULL) == 0
			       ? rsmfs_pool_ino(medium.pool)
			       : RSMFS_INO_ROOT;
	if (!at->content || rsm_content_get(at->content, call->place.node, &node, NULL) != 0)
		return RSMFS_INO_ROOT;
	return rsmfs_node_ino(call->place.id, node.parent);
}

static void reply_listing(const struct rsmfs_contents *at, struct rsmfs_call *call,
			  struct rsmfs_folder *folder, bool empty)
{
	uint64_t offset = (uint64_t)call->offset, parent = 0;
	struct rsmfs_listing listing;
	struct rsm_err err;
	int r = rsmfs_listing_init(&listing, call, &err);

	if (r < 0) {
		rsmfs_reply_error(call->req, r, &err);
		return;
	}
	if (offset < POSITION_FIRST)
		parent = parent_ino(at, call);
	if (rsmfs_listing_dots(&listing, offset, rsmfs_node_ino(call->place.id, call->place.node),
			       parent) &&
	    !empty)
		r = fill(at, folder, &listing, offset < POSITION_FIRST ? POSITION_FIRST : offset,
			 &err);
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		rsmfs_listing_reply(&listing);
	rsmfs_listing_fini(&listing);
}

void rsmfs_contents_readdir(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	struct rsmfs_folder *folder;
	struct rsm_err err;
	int r = rsmfs_contents_init(&at, fs, call, 0, &err);

	if (r == RSMFS_CONTENTS_PARKED)
		return;
	if (r < 0) {
		rsmfs_reply_error(call->req, r, &err);
		return;
	}
	folder = rsmfs_folder_enter(call);
	reply_listing(&at, call, folder, r == RSMFS_CONTENTS_NONE);
	rsmfs_folder_leave(fs, folder);
}
