/* A read transaction of its own connection sees what was committed when it began, however long it
 * lasts; the log grows meanwhile. The walk has one statement for all folders: going down and
 * coming back up it is bound anew and starts at the key behind the last one, which costs one
 * descent in a b-tree for each folder and nothing for each file.
 */
#include <inttypes.h>
#include <string.h>

#include "core/volume_index_private.h"

enum { DEPTH_MAX = 1 << 16 };

struct level {
	uint64_t folder;
	char *key; /* of this folder in the one above: where to go on there */
};

struct rsm_index_snapshot {
	struct rsm_volume_index *index;
	sqlite3 *db;
	sqlite3_stmt *root, *children, *xattrs, *unknown;
	uint64_t tree_version, indexed_version, highest_uid;
	struct level *levels;
	size_t depth, room;
	bool started, stepping; /* `children` is under way in the innermost folder */
	char *resume;		/* if not: the key to go on behind */

	struct rsm_vi_extents packed;
	struct rsm_extent *extents;
	size_t extent_room;
	struct rsm_snapshot_xattr *xattr_items;
	size_t xattr_count, xattr_room;
	char *xml;
};

#define COLUMNS                                                                                    \
	RSM_VI_NODE_COLUMNS ",ifnull(name,key),key,target,staged IS NOT NULL,written,extents"
enum { NAME = RSM_VI_NODE_COLUMN_COUNT, KEY, TARGET, HAS_STAGED, WRITTEN, EXTENTS };

static int open_connection(struct rsm_index_snapshot *snapshot, const char *path,
			   struct rsm_err *err)
{
	sqlite3_int64 any;
	int r;

	r = rsm_sqlite_open(path, SQLITE_OPEN_READWRITE, &snapshot->db, err);
	if (r < 0)
		return r;
	/* a checkpoint is the writer's affair, also at close */
	sqlite3_db_config(snapshot->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	r = rsm_sqlite_exec(snapshot->db, "PRAGMA query_only=1;PRAGMA cache_size=-2048;BEGIN", err);
	if (r == 0) /* the first read is what makes the view */
		r = rsm_sqlite_number(snapshot->db, "SELECT id FROM state", &any, err);
	return r;
}

static int prepare(struct rsm_index_snapshot *snapshot, struct rsm_err *err)
{
	const struct {
		sqlite3_stmt **statement;
		const char *sql;
	} all[] = {
		{ &snapshot->root, "SELECT " COLUMNS " FROM node WHERE id=1" },
		{ &snapshot->children, "SELECT " COLUMNS " FROM node INDEXED BY node_name"
				       " WHERE parent=?1 AND key>?2 ORDER BY key" },
		{ &snapshot->xattrs, "SELECT key,value FROM xattr WHERE id=?1 ORDER BY key" },
		{ &snapshot->unknown, "SELECT xml FROM unknown WHERE id=?1" },
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		int r = rsm_sqlite_prepare(snapshot->db, all[i].sql, all[i].statement, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int rsm_volume_index_snapshot(struct rsm_volume_index *index,
			      struct rsm_index_snapshot **ret_snapshot, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_snapshot_close) struct rsm_index_snapshot *snapshot = NULL;
	int r;

	snapshot = calloc(1, sizeof *snapshot);
	if (!snapshot)
		return rsm_err_oom(err);
	{
		RSM_LOCK_SCOPE(&index->lock);

		r = rsm_vi_flush_touched(index, err);
		if (r == 0)
			r = rsm_vi_commit(index, err);
		if (r == 0)
			r = rsm_vi_let_others(index, err);
		if (r == 0)
			r = open_connection(snapshot, index->path, err);
		if (r < 0) {
			if (index->db && !index->snapshots)
				(void)!rsm_vi_keep_alone(index, NULL);
			return r;
		}
		snapshot->index = index;
		index->snapshots++;
		snapshot->tree_version = index->state.tree_version;
		snapshot->indexed_version = index->state.indexed_version;
		snapshot->highest_uid = index->state.highest_uid;
	}
	r = prepare(snapshot, err);
	if (r < 0)
		return r;
	*ret_snapshot = RSM_STEAL(snapshot);
	return 0;
}

int rsm_index_snapshot_rewind(struct rsm_index_snapshot *snapshot, struct rsm_err *err)
{
	(void)err;
	sqlite3_reset(snapshot->root);
	sqlite3_reset(snapshot->children);
	for (size_t i = 0; i < snapshot->depth; i++)
		free(snapshot->levels[i].key);
	snapshot->depth = 0;
	free(snapshot->resume);
	snapshot->resume = NULL;
	snapshot->started = snapshot->stepping = false;
	return 0;
}

static void forget_xattrs(struct rsm_index_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->xattr_count; i++) {
		free((void *)(uintptr_t)snapshot->xattr_items[i].key);
		free((void *)(uintptr_t)snapshot->xattr_items[i].value);
	}
	snapshot->xattr_count = 0;
}

void rsm_index_snapshot_close(struct rsm_index_snapshot *snapshot)
{
	if (!snapshot)
		return;
	forget_xattrs(snapshot);
	free(snapshot->xattr_items);
	free(snapshot->extents);
	rsm_vi_extents_fini(&snapshot->packed);
	free(snapshot->xml);
	for (size_t i = 0; i < snapshot->depth; i++)
		free(snapshot->levels[i].key);
	free(snapshot->levels);
	free(snapshot->resume);
	sqlite3_finalize(snapshot->root);
	sqlite3_finalize(snapshot->children);
	sqlite3_finalize(snapshot->xattrs);
	sqlite3_finalize(snapshot->unknown);
	rsm_sqlite_close(snapshot->db);
	if (snapshot->index) {
		RSM_LOCK_SCOPE(&snapshot->index->lock);

		if (--snapshot->index->snapshots == 0 && snapshot->index->db)
			(void)!rsm_vi_keep_alone(snapshot->index, NULL);
	}
	free(snapshot);
}

uint64_t rsm_index_snapshot_tree_version(const struct rsm_index_snapshot *snapshot)
{
	return snapshot->tree_version;
}

uint64_t rsm_index_snapshot_highest_uid(const struct rsm_index_snapshot *snapshot)
{
	return snapshot->highest_uid;
}

/* ---- what a node carries ---- */

static int load_extents(struct rsm_index_snapshot *snapshot, sqlite3_stmt *row,
			struct rsm_snapshot_node *node, struct rsm_err *err)
{
	int r;

	snapshot->packed.count = 0;
	if (sqlite3_column_type(row, EXTENTS) == SQLITE_NULL)
		return 0;
	r = rsm_vi_unpack_extents(sqlite3_column_blob(row, EXTENTS),
				  (size_t)sqlite3_column_bytes(row, EXTENTS), &snapshot->packed,
				  err);
	if (r < 0)
		return r;
	if (snapshot->packed.count > snapshot->extent_room) {
		void *items = reallocarray(snapshot->extents, snapshot->packed.room,
					   sizeof *snapshot->extents);

		if (!items)
			return rsm_err_oom(err);
		snapshot->extents = items;
		snapshot->extent_room = snapshot->packed.room;
	}
	for (size_t i = 0; i < snapshot->packed.count; i++) {
		snapshot->extents[i] = snapshot->packed.items[i].e;
		snapshot->extents[i].indexed =
			snapshot->packed.items[i].version <= snapshot->indexed_version;
	}
	node->extents = snapshot->extents;
	node->extent_count = snapshot->packed.count;
	return 0;
}

static int add_xattr(struct rsm_index_snapshot *snapshot, struct rsm_err *err)
{
	const void *value = sqlite3_column_blob(snapshot->xattrs, 1);
	size_t length = (size_t)sqlite3_column_bytes(snapshot->xattrs, 1);
	struct rsm_snapshot_xattr *item;
	char *copy;

	if (snapshot->xattr_count == snapshot->xattr_room) {
		size_t room = snapshot->xattr_room ? snapshot->xattr_room * 2 : 8;
		void *items = reallocarray(snapshot->xattr_items, room, sizeof *item);

		if (!items)
			return rsm_err_oom(err);
		snapshot->xattr_items = items;
		snapshot->xattr_room = room;
	}
	item = &snapshot->xattr_items[snapshot->xattr_count];
	copy = malloc(length + 1);
	item->key = strdup((const char *)sqlite3_column_text(snapshot->xattrs, 0));
	if (!copy || !item->key) {
		free(copy);
		free((void *)(uintptr_t)item->key);
		return rsm_err_oom(err);
	}
	if (length)
		memcpy(copy, value, length);
	copy[length] = '\0';
	item->value = copy;
	item->length = length;
	snapshot->xattr_count++;
	return 0;
}

static int load_extras(struct rsm_index_snapshot *snapshot, struct rsm_snapshot_node *node,
		       struct rsm_err *err)
{
	int r = 0;

	if (node->node.flags & RSM_NODE_HAS_XATTRS) {
		rsm_vi_bind_id(snapshot->xattrs, 1, node->node.id);
		while ((r = rsm_sqlite_step(snapshot->xattrs, err)) == 0) {
			r = add_xattr(snapshot, err);
			if (r < 0)
				break;
		}
		sqlite3_reset(snapshot->xattrs);
		if (r < 0)
			return r;
		node->xattrs = snapshot->xattr_items;
		node->xattr_count = snapshot->xattr_count;
	}
	if (node->node.flags & RSM_NODE_HAS_UNKNOWN) {
		rsm_vi_bind_id(snapshot->unknown, 1, node->node.id);
		r = rsm_sqlite_step(snapshot->unknown, err);
		if (r < 0)
			return r;
		if (r == 0)
			snapshot->xml =
				strdup((const char *)sqlite3_column_text(snapshot->unknown, 0));
		sqlite3_reset(snapshot->unknown);
		if (r == 0 && !snapshot->xml)
			return rsm_err_oom(err);
		node->unknown = snapshot->xml;
	}
	return 0;
}

static int load_node(struct rsm_index_snapshot *snapshot, sqlite3_stmt *row,
		     struct rsm_snapshot_node *ret_node, struct rsm_err *err)
{
	const char *key;
	int r;

	*ret_node = (struct rsm_snapshot_node){ 0 };
	r = rsm_vi_node_of(row, &ret_node->node, err);
	if (r < 0)
		return r;
	key = (const char *)sqlite3_column_text(row, KEY);
	ret_node->name = (const char *)sqlite3_column_text(row, NAME);
	if (!key)
		key = "";
	if (!ret_node->name)
		ret_node->name = key;
	ret_node->nfc = strcmp(key, ret_node->name) == 0 ? ret_node->name : key;
	ret_node->link_target = (const char *)sqlite3_column_text(row, TARGET);
	ret_node->pending = sqlite3_column_int(row, HAS_STAGED) && !rsm_vi_column(row, WRITTEN);
	r = load_extents(snapshot, row, ret_node, err);
	return r < 0 ? r : load_extras(snapshot, ret_node, err);
}

/* ---- the walk ---- */

static int enter(struct rsm_index_snapshot *snapshot, uint64_t folder, const char *key,
		 struct rsm_err *err)
{
	char *copy;

	if (snapshot->depth == DEPTH_MAX)
		return rsm_err_set(err, EBADMSG, "folders are nested more than %d deep", DEPTH_MAX);
	if (snapshot->depth == snapshot->room) {
		size_t room = snapshot->room ? snapshot->room * 2 : 16;
		void *levels = reallocarray(snapshot->levels, room, sizeof *snapshot->levels);

		if (!levels)
			return rsm_err_oom(err);
		snapshot->levels = levels;
		snapshot->room = room;
	}
	copy = strdup(key);
	if (!copy)
		return rsm_err_oom(err);
	snapshot->levels[snapshot->depth++] = (struct level){ .folder = folder, .key = copy };
	return 0;
}

/* Binds `children` to the innermost folder, behind `resume`. */
static void start_listing(struct rsm_index_snapshot *snapshot)
{
	sqlite3_reset(snapshot->children);
	rsm_vi_bind_id(snapshot->children, 1, snapshot->levels[snapshot->depth - 1].folder);
	sqlite3_bind_text(snapshot->children, 2, snapshot->resume ? snapshot->resume : "", -1,
			  SQLITE_TRANSIENT);
	snapshot->stepping = true;
}

static int leave(struct rsm_index_snapshot *snapshot, struct rsm_snapshot_node *ret_node)
{
	struct level *level = &snapshot->levels[--snapshot->depth];

	*ret_node = (struct rsm_snapshot_node){ .node = { .id = level->folder,
							  .kind = RSM_NODE_FOLDER } };
	free(snapshot->resume);
	snapshot->resume = RSM_STEAL(level->key);
	snapshot->stepping = false;
	return RSM_WALK_LEAVE;
}

static int enter_root(struct rsm_index_snapshot *snapshot, struct rsm_snapshot_node *ret_node,
		      struct rsm_err *err)
{
	int r = rsm_sqlite_step(snapshot->root, err);

	if (r == RSM_SQLITE_DONE)
		return rsm_err_set(err, EBADMSG, "the volume index has no root");
	if (r == 0)
		r = load_node(snapshot, snapshot->root, ret_node, err);
	if (r == 0)
		r = enter(snapshot, RSM_NODE_ROOT, "", err);
	snapshot->started = true;
	return r < 0 ? r : RSM_WALK_ENTER;
}

int rsm_index_snapshot_walk(struct rsm_index_snapshot *snapshot, struct rsm_snapshot_node *ret_node,
			    struct rsm_err *err)
{
	int r;

	forget_xattrs(snapshot);
	free(RSM_STEAL(snapshot->xml));
	if (!snapshot->started)
		return enter_root(snapshot, ret_node, err);
	if (!snapshot->depth)
		return RSM_WALK_END;
	if (!snapshot->stepping)
		start_listing(snapshot);
	r = rsm_sqlite_step(snapshot->children, err);
	if (r < 0)
		return r;
	if (r == RSM_SQLITE_DONE)
		return leave(snapshot, ret_node);
	r = load_node(snapshot, snapshot->children, ret_node, err);
	if (r < 0)
		return r;
	if (ret_node->node.kind != RSM_NODE_FOLDER)
		return RSM_WALK_LEAF;
	r = enter(snapshot, ret_node->node.id, ret_node->nfc, err);
	if (r < 0)
		return r;
	free(RSM_STEAL(snapshot->resume));
	/* the row stays readable until the next call binds the statement anew */
	snapshot->stepping = false;
	return RSM_WALK_ENTER;
}
