/* What would be lost with the old tree is laid on top of the new one: files with staged ranges,
 * what was made here since the last index, and orphans (somebody has them open). They keep their
 * ids, which the kernel knows; a loaded node that has one of these ids moves to another.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/volume_index_private.h"

enum statement {
	INSERT,
	LOOKUP,
	BY_ID,
	DELETE,
	DELETE_XATTRS,
	DELETE_UNKNOWN,
	MOVE_NODE,
	MOVE_CHILDREN,
	MOVE_XATTRS,
	MOVE_UNKNOWN,
	QUEUE,
	XATTR,
	UNKNOWN,
	VERSION,
	FACT,
	STATEMENTS
};

#define FOUND_COLUMNS "SELECT id,parent,kind,ifnull(uid,id),size,stamp,extents,born,target,key,name"

static const char *const texts[STATEMENTS] = {
	[INSERT] = rsm_vi_insert_sql,
	[LOOKUP] = FOUND_COLUMNS " FROM node WHERE parent=?1 AND key=?2",
	[BY_ID] = FOUND_COLUMNS " FROM node WHERE id=?1",
	[DELETE] = "DELETE FROM node WHERE id=?1",
	[DELETE_XATTRS] = "DELETE FROM xattr WHERE id=?1",
	[DELETE_UNKNOWN] = "DELETE FROM unknown WHERE id=?1",
	[MOVE_NODE] = "UPDATE node SET id=?2,uid=ifnull(uid,id) WHERE id=?1",
	[MOVE_CHILDREN] = "UPDATE node SET parent=?2 WHERE parent=?1",
	[MOVE_XATTRS] = "UPDATE xattr SET id=?2 WHERE id=?1",
	[MOVE_UNKNOWN] = "UPDATE unknown SET id=?2 WHERE id=?1",
	[QUEUE] = "INSERT OR IGNORE INTO queue VALUES(?1,?2)",
	[XATTR] = "INSERT OR REPLACE INTO xattr VALUES(?1,?2,?3)",
	[UNKNOWN] = "INSERT OR REPLACE INTO unknown VALUES(?1,?2)",
	[VERSION] = "UPDATE node SET data_version=?2 WHERE id=?1",
	[FACT] = "INSERT OR IGNORE INTO fact VALUES(?1,?2)",
};

struct overlay {
	struct rsm_volume_index *old; /* locked */
	struct rsm_index_loader *loader;
	sqlite3_stmt *statements[STATEMENTS]; /* of the new database */
	sqlite3_stmt *old_xattrs, *old_unknown;
	uint64_t version; /* of what is laid on top */
	uint64_t placed;
	struct rsm_text *conflicts;
	uint64_t last_old, last_new; /* the folder that was mapped last */
};

/* A node of the new tree. */
struct found {
	uint64_t id, parent, uid, size, born;
	enum rsm_node_kind kind;
	bool has_stamp;
	int64_t stamp;
	struct rsm_vi_extents extents;
	char *target, *key, *name;
};

static void found_fini(struct found *found)
{
	rsm_vi_extents_fini(&found->extents);
	free(found->target);
	free(found->key);
	free(found->name);
}
#define FOUND __attribute__((cleanup(found_fini)))

/* A node of the old tree. */
struct old_node {
	struct rsm_node node;
	uint64_t born;
	char *key, *name, *target;
	struct rsm_vi_data data;
};

static void old_fini(struct old_node *old)
{
	free(old->key);
	free(old->name);
	free(old->target);
	rsm_vi_data_fini(&old->data);
}
#define OLD __attribute__((cleanup(old_fini)))

static int copy_text(sqlite3_stmt *row, int column, char **ret_text, struct rsm_err *err)
{
	*ret_text = NULL;
	if (sqlite3_column_type(row, column) == SQLITE_NULL)
		return 0;
	*ret_text = strdup((const char *)sqlite3_column_text(row, column));
	return *ret_text ? 0 : rsm_err_oom(err);
}

static int run(struct overlay *o, enum statement which, uint64_t first, uint64_t second,
	       struct rsm_err *err)
{
	sqlite3_stmt *statement = o->statements[which];

	rsm_vi_bind_id(statement, 1, first);
	if (sqlite3_bind_parameter_count(statement) > 1)
		rsm_vi_bind_id(statement, 2, second);
	return rsm_sqlite_run(statement, err);
}

/* ---- looking at the two trees ---- */

static int read_found(sqlite3_stmt *row, struct found *ret_found, struct rsm_err *err)
{
	int r;

	*ret_found = (struct found){ .id = rsm_vi_column(row, 0),
				     .parent = rsm_vi_column(row, 1),
				     .kind = (enum rsm_node_kind)sqlite3_column_int(row, 2),
				     .uid = rsm_vi_column(row, 3),
				     .size = rsm_vi_column(row, 4),
				     .has_stamp = sqlite3_column_type(row, 5) != SQLITE_NULL,
				     .stamp = sqlite3_column_int64(row, 5),
				     .born = rsm_vi_column(row, 7) };
	r = rsm_vi_unpack_extents(sqlite3_column_blob(row, 6), (size_t)sqlite3_column_bytes(row, 6),
				  &ret_found->extents, err);
	if (r == 0)
		r = copy_text(row, 8, &ret_found->target, err);
	if (r == 0)
		r = copy_text(row, 9, &ret_found->key, err);
	if (r == 0)
		r = copy_text(row, 10, &ret_found->name, err);
	return r;
}

static int find_row(sqlite3_stmt *statement, struct found *ret_found, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	int r;

	found_fini(ret_found);
	*ret_found = (struct found){ 0 };
	r = rsm_sqlite_step(row, err);
	if (r < 0)
		return r;
	return r == RSM_SQLITE_DONE ? RSM_NODE_ABSENT : read_found(row, ret_found, err);
}

static int find_name(struct overlay *o, uint64_t parent, const char *key, struct found *ret_found,
		     struct rsm_err *err)
{
	rsm_vi_bind_id(o->statements[LOOKUP], 1, parent);
	sqlite3_bind_text(o->statements[LOOKUP], 2, key, -1, SQLITE_STATIC);
	return find_row(o->statements[LOOKUP], ret_found, err);
}

static int find_id(struct overlay *o, uint64_t id, struct found *ret_found, struct rsm_err *err)
{
	rsm_vi_bind_id(o->statements[BY_ID], 1, id);
	return find_row(o->statements[BY_ID], ret_found, err);
}

/* A loaded node has its uid as its id if it is one at all. */
static int find_uid(struct overlay *o, uint64_t uid, struct found *ret_found, struct rsm_err *err)
{
	int r = find_id(o, uid, ret_found, err);

	return r == 0 && ret_found->uid != uid ? RSM_NODE_ABSENT : r;
}

static int read_old(struct overlay *o, uint64_t id, struct old_node *ret_old, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *row = NULL;
	int r;

	r = rsm_sqlite_prepare(o->old->db,
			       "SELECT " RSM_VI_NODE_COLUMNS ",born,key,name,target FROM node"
			       " WHERE id=?1",
			       &row, err);
	if (r < 0)
		return r;
	rsm_vi_bind_id(row, 1, id);
	r = rsm_sqlite_step(row, err);
	if (r)
		return rsm_err_fold(err, r, "node %" PRIu64, id);
	r = rsm_vi_node_of(row, &ret_old->node, err);
	ret_old->born = rsm_vi_column(row, RSM_VI_NODE_COLUMN_COUNT);
	if (r == 0)
		r = copy_text(row, RSM_VI_NODE_COLUMN_COUNT + 1, &ret_old->key, err);
	if (r == 0)
		r = copy_text(row, RSM_VI_NODE_COLUMN_COUNT + 2, &ret_old->name, err);
	if (r == 0)
		r = copy_text(row, RSM_VI_NODE_COLUMN_COUNT + 3, &ret_old->target, err);
	if (r < 0)
		return r;
	r = rsm_vi_get_data(o->old, id, true, &ret_old->data, err);
	if (r)
		return rsm_err_fold(err, r, "node %" PRIu64, id);
	/* what was written and is in no index is in no index of the other system's either */
	rsm_vi_wait_again(&ret_old->data);
	return 0;
}

static bool was_on_medium(const struct overlay *o, const struct old_node *old)
{
	return old->born <= o->old->state.indexed_version || old->data.has_stamp;
}

static bool same_extents(const struct rsm_vi_extents *a, const struct rsm_vi_extents *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct rsm_extent *x = &a->items[i].e, *y = &b->items[i].e;

		if (x->file_offset != y->file_offset || x->byte_count != y->byte_count ||
		    x->start_block != y->start_block || x->byte_offset != y->byte_offset ||
		    x->partition != y->partition)
			return false;
	}
	return true;
}

/* Nobody else changed the file: its bytes are where we know them (a medium's blocks are never
 * written twice), or its size and time are what the medium had.
 */
static bool is_unchanged(const struct old_node *old, const struct found *found)
{
	if (found->kind != RSM_NODE_FILE || found->uid != old->node.uid)
		return false;
	if (same_extents(&old->data.extents, &found->extents) &&
	    (found->extents.count || !found->size))
		return true;
	return old->data.has_stamp && found->has_stamp && old->data.stamp == found->stamp;
}

/* ---- writing to the new tree ---- */

static void count_found(struct overlay *o, const struct found *found, int sign)
{
	const struct rsm_vi_data data = { .parent = 1, .kind = found->kind, .size = found->size };

	rsm_vi_count(&o->loader->state, &data, sign);
}

static int delete_found(struct overlay *o, const struct found *found, struct rsm_err *err)
{
	int r;

	r = run(o, DELETE_XATTRS, found->id, 0, err);
	if (r == 0)
		r = run(o, DELETE_UNKNOWN, found->id, 0, err);
	if (r == 0)
		r = run(o, DELETE, found->id, 0, err);
	if (r == 0)
		count_found(o, found, -1);
	return r;
}

/* Makes the id free; *ret_moved: where the node that had it is now, or 0. */
static int claim_id(struct overlay *o, uint64_t id, uint64_t *ret_moved, struct rsm_err *err)
{
	FOUND struct found holder = { 0 };
	uint64_t fresh;
	int r;

	*ret_moved = 0;
	r = find_id(o, id, &holder, err);
	if (r)
		return r < 0 ? r : 0;
	fresh = o->loader->state.next_id++;
	if (fresh > RSM_NODE_ID_MAX)
		return rsm_err_set(err, ENOSPC, "the volume has no file numbers left");
	for (enum statement s = MOVE_NODE; s <= MOVE_UNKNOWN && r == 0; s++)
		r = run(o, s, id, fresh, err);
	o->last_old = 0;
	*ret_moved = fresh;
	return r;
}

static int choose_uid(struct overlay *o, const struct old_node *old, uint64_t *ret_uid,
		      struct rsm_err *err)
{
	FOUND struct found holder = { 0 };
	int r = find_uid(o, old->node.uid, &holder, err);

	if (r < 0)
		return r;
	if (r == RSM_NODE_ABSENT && old->node.uid <= RSM_VI_UID_AS_ID_MAX) {
		*ret_uid = old->node.uid;
		return 0;
	}
	if (o->loader->state.highest_uid == UINT64_MAX)
		return rsm_err_set(err, ENOSPC, "the volume has no file numbers left");
	*ret_uid = ++o->loader->state.highest_uid;
	return 0;
}

static int copy_extras(struct overlay *o, const struct old_node *old, struct rsm_err *err)
{
	sqlite3_stmt *xattr = o->statements[XATTR], *unknown = o->statements[UNKNOWN];
	int r = 0;

	if (old->node.flags & RSM_NODE_HAS_XATTRS) {
		RSM_SQLITE_RESET sqlite3_stmt *row = o->old_xattrs;

		rsm_vi_bind_id(row, 1, old->node.id);
		while (r == 0 && (r = rsm_sqlite_step(row, err)) == 0) {
			rsm_vi_bind_id(xattr, 1, old->node.id);
			sqlite3_bind_value(xattr, 2, sqlite3_column_value(row, 0));
			sqlite3_bind_value(xattr, 3, sqlite3_column_value(row, 1));
			r = rsm_sqlite_run(xattr, err);
		}
		if (r < 0)
			return r;
	}
	if (old->node.flags & RSM_NODE_HAS_UNKNOWN) {
		RSM_SQLITE_RESET sqlite3_stmt *row = o->old_unknown;

		rsm_vi_bind_id(row, 1, old->node.id);
		r = rsm_sqlite_step(row, err);
		if (r == 0) {
			rsm_vi_bind_id(unknown, 1, old->node.id);
			sqlite3_bind_value(unknown, 2, sqlite3_column_value(row, 0));
			r = rsm_sqlite_run(unknown, err);
		}
	}
	return r < 0 ? r : 0;
}

/* Writes the old node's row below `parent`; `base`: the extents below what is staged. */
static int insert_old(struct overlay *o, const struct old_node *old, uint64_t parent,
		      const char *key, const char *name, const struct found *base, uint64_t uid,
		      struct rsm_err *err)
{
	RSM_VI_PACKED struct rsm_vi_packed staged = { 0 }, extents = { 0 };
	RSM_VI_EXTENTS struct rsm_vi_extents kept = { 0 };
	const struct rsm_vi_extents *from = base ? &base->extents : &old->data.extents;
	struct rsm_node node = old->node;
	struct rsm_vi_row row = { .node = &node,
				  .key = key,
				  .name = name,
				  .target = old->target,
				  .born = o->version,
				  .close_order = parent ? old->data.close_order : 0,
				  .staged = &staged,
				  .extents = &extents };
	struct rsm_vi_data data = old->data;
	int r = 0;

	node.parent = data.parent = parent;
	node.uid = uid;
	data.written = 0;
	for (size_t i = 0; r == 0 && i < from->count; i++)
		if (from->items[i].version <= o->old->state.indexed_version)
			r = rsm_vi_extents_add(&kept, &from->items[i].e, 0, err);
	if (r == 0)
		r = rsm_vi_pack_extents(&kept, &extents, err);
	if (r == 0)
		r = rsm_vi_pack_ranges(data.staged.items, data.staged.count, &staged, err);
	if (r < 0)
		return r;
	if (base) {
		row.has_stamp = base->has_stamp;
		row.stamp = base->stamp;
	}
	r = rsm_vi_insert(o->statements[INSERT], &row, err);
	if (r == 0)
		r = copy_extras(o, old, err);
	if (r == 0 && parent && data.staged_bytes)
		r = run(o, QUEUE, row.close_order, node.id, err);
	if (r < 0)
		return r;
	rsm_vi_count(&o->loader->state, &data, 1);
	if (uid > o->loader->state.highest_uid)
		o->loader->state.highest_uid = uid;
	if (node.id >= o->loader->state.next_id)
		o->loader->state.next_id = node.id + 1;
	o->placed++;
	return 0;
}

/* Inserts with a uid and id of its own. */
static int insert_new(struct overlay *o, const struct old_node *old, uint64_t parent,
		      const char *key, const char *name, struct rsm_err *err)
{
	uint64_t uid = 0, moved = 0;
	int r;

	r = choose_uid(o, old, &uid, err);
	if (r == 0)
		r = claim_id(o, old->node.id, &moved, err);
	if (r < 0)
		return r;
	if (moved && parent == old->node.id)
		parent = moved;
	return insert_old(o, old, parent, key, name, NULL, uid, err);
}

/* "NAME~staged", "NAME~staged2" ...; a very long name is cut for it. */
static int insert_conflict(struct overlay *o, const struct old_node *old, uint64_t parent,
			   const char *key, struct rsm_err *err)
{
	FOUND struct found taken = { 0 };
	unsigned points = 0;
	size_t length = 0;

	for (; key[length] && points < 240; points++)
		do
			length++;
		while (((unsigned char)key[length] & 0xc0) == 0x80);
	for (unsigned n = 1;; n++) {
		RSM_FREE char *name = NULL;
		char number[16] = "";
		int r;

		if (n > 1)
			snprintf(number, sizeof number, "%u", n);
		if (asprintf(&name, "%.*s~staged%s", (int)length, key, number) < 0)
			return rsm_err_oom(err);
		r = find_name(o, parent, name, &taken, err);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (old->node.kind != RSM_NODE_FOLDER)
			rsm_text_append(o->conflicts, name, strlen(name) + 1);
		if (o->conflicts->failed)
			return rsm_err_oom(err);
		return insert_new(o, old, parent, name, NULL, err);
	}
}

/* ---- placing ---- */

/* The old node's folder in the new tree, by name, else by uid; made if it is not there. */
static int map_one(struct overlay *o, uint64_t id, uint64_t *parent, struct rsm_err *err)
{
	OLD struct old_node old = { 0 };
	FOUND struct found found = { 0 };
	int r;

	r = find_id(o, id, &found, err);
	if (r < 0)
		return r;
	if (r == 0 && found.born == o->version && found.kind == RSM_NODE_FOLDER) {
		*parent = id; /* it has been made already */
		return 0;
	}
	r = read_old(o, id, &old, err);
	if (r == 0 && !old.key)
		return rsm_err_set(err, EBADMSG, "node %" PRIu64 " is in no folder", id);
	if (r == 0)
		r = find_name(o, *parent, old.key, &found, err);
	if (r < 0)
		return r;
	if (r == RSM_NODE_ABSENT && was_on_medium(o, &old)) {
		r = find_uid(o, old.node.uid, &found, err);
		if (r < 0)
			return r;
		if (r == 0 && found.kind != RSM_NODE_FOLDER)
			r = RSM_NODE_ABSENT;
	}
	if (r == 0 && found.kind == RSM_NODE_FOLDER) {
		*parent = found.id;
		return 0;
	}
	r = r == 0 ? insert_conflict(o, &old, *parent, old.key, err)
		   : insert_new(o, &old, *parent, old.key, old.name, err);
	*parent = id;
	return r;
}

static int map_folder(struct overlay *o, uint64_t old_id, uint64_t *ret_new, struct rsm_err *err)
{
	RSM_FREE uint64_t *path = NULL;
	uint64_t parent = RSM_NODE_ROOT, id = old_id;
	size_t depth = 0, room = 0;

	if (o->last_old && o->last_old == old_id) {
		*ret_new = o->last_new;
		return 0;
	}
	for (; id != RSM_NODE_ROOT; depth++) {
		struct rsm_node node;
		int r = rsm_vi_get(o->old, id, &node, err);

		if (r)
			return rsm_err_fold(err, r, "folder %" PRIu64, id);
		if (!node.parent || depth > (1 << 16))
			return rsm_err_set(err, EBADMSG, "folder %" PRIu64 " is in no tree", id);
		if (depth == room) {
			uint64_t *more = reallocarray(path, room + 64, sizeof *path);

			if (!more)
				return rsm_err_oom(err);
			path = more;
			room += 64;
		}
		path[depth] = id;
		id = node.parent;
	}
	while (depth--) {
		int r = map_one(o, path[depth], &parent, err);

		if (r < 0)
			return r;
	}
	o->last_old = old_id;
	o->last_new = *ret_new = parent;
	return 0;
}

/* Takes the place of the loaded row, unless the medium has all of it already. */
static int place_over(struct overlay *o, const struct old_node *old, struct found *found,
		      struct rsm_err *err)
{
	uint64_t moved = 0;
	int r;

	if ((!old->data.staged_bytes || old->data.written) &&
	    same_extents(&old->data.extents, &found->extents))
		return run(o, VERSION, found->id, old->node.data_version, err);
	r = delete_found(o, found, err);
	if (r == 0)
		r = claim_id(o, old->node.id, &moved, err);
	if (r < 0)
		return r;
	if (moved && found->parent == old->node.id)
		found->parent = moved;
	return insert_old(o, old, found->parent, found->key, found->name, found, found->uid, err);
}

static int place(struct overlay *o, const struct old_node *old, struct rsm_err *err)
{
	FOUND struct found found = { 0 };
	uint64_t parent = 0;
	int r;

	if (!old->node.parent)
		return insert_new(o, old, 0, NULL, NULL, err);
	if (old->node.kind == RSM_NODE_FOLDER) {
		uint64_t mapped;

		return map_folder(o, old->node.id, &mapped, err);
	}
	r = map_folder(o, old->node.parent, &parent, err);
	if (r == 0)
		r = find_name(o, parent, old->key, &found, err);
	if (r < 0)
		return r;
	if (r == RSM_NODE_ABSENT && was_on_medium(o, old)) {
		r = find_uid(o, old->node.uid, &found, err);
		if (r < 0)
			return r;
		if (r == 0 && found.kind != old->node.kind)
			r = RSM_NODE_ABSENT;
	}
	if (r == RSM_NODE_ABSENT)
		return insert_new(o, old, parent, old->key, old->name, err);
	if (old->node.kind == RSM_NODE_LINK && found.target && old->target &&
	    strcmp(found.target, old->target) == 0)
		return 0;
	if (old->node.kind == RSM_NODE_FILE && is_unchanged(old, &found))
		return place_over(o, old, &found, err);
	if (old->node.kind == RSM_NODE_FILE && !old->data.staged_bytes)
		return 0; /* empty: nothing is lost with it */
	return insert_conflict(o, old, found.parent, found.key, err);
}

static int place_all(struct overlay *o, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *rows = NULL;
	int r;

	r = rsm_sqlite_prepare(o->old->db,
			       "SELECT id FROM node WHERE id<>1 AND (staged IS NOT NULL OR born>?1"
			       " OR parent=0) ORDER BY id",
			       &rows, err);
	if (r < 0)
		return r;
	rsm_vi_bind_id(rows, 1, o->old->state.indexed_version);
	while (r == 0 && (r = rsm_sqlite_step(rows, err)) == 0) {
		OLD struct old_node old = { 0 };

		r = read_old(o, rsm_vi_column(rows, 0), &old, err);
		if (r == 0)
			r = place(o, &old, err);
	}
	return r < 0 ? r : 0;
}

static int copy_facts(struct overlay *o, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *rows = NULL;
	sqlite3_stmt *fact = o->statements[FACT];
	int r;

	r = rsm_sqlite_prepare(o->old->db, "SELECT key,value FROM fact", &rows, err);
	while (r == 0 && (r = rsm_sqlite_step(rows, err)) == 0) {
		sqlite3_bind_value(fact, 1, sqlite3_column_value(rows, 0));
		sqlite3_bind_value(fact, 2, sqlite3_column_value(rows, 1));
		r = rsm_sqlite_run(fact, err);
	}
	return r < 0 ? r : 0;
}

static int write_state(struct overlay *o, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *statement = NULL;
	struct rsm_vi_state *state = &o->loader->state;
	int r;

	state->indexed_version = o->version - 1;
	state->tree_version = o->placed ? o->version : o->version - 1;
	state->last_close_order = o->old->state.last_close_order;
	r = rsm_sqlite_prepare(o->loader->db, rsm_vi_write_state_sql, &statement, err);
	return r < 0 ? r : rsm_vi_write_state_of(statement, state, true, err);
}

static int prepare(struct overlay *o, struct rsm_err *err)
{
	struct rsm_vi_state *new = &o->loader->state;
	const struct rsm_vi_state *old = &o->old->state;
	int r = 0;

	for (int i = 0; i < STATEMENTS && r == 0; i++)
		r = rsm_sqlite_prepare(o->loader->db, texts[i], &o->statements[i], err);
	if (r == 0)
		r = rsm_sqlite_prepare(o->old->db, "SELECT key,value FROM xattr WHERE id=?1",
				       &o->old_xattrs, err);
	if (r == 0)
		r = rsm_sqlite_prepare(o->old->db, "SELECT xml FROM unknown WHERE id=?1",
				       &o->old_unknown, err);
	o->version = old->tree_version + 2; /* the loaded tree itself is one less */
	if (old->next_id > new->next_id)
		new->next_id = old->next_id;
	if (old->highest_uid > new->highest_uid)
		new->highest_uid = old->highest_uid;
	return r;
}

int rsm_vi_lay_on_top(struct rsm_volume_index *index, struct rsm_index_loader *loader,
		      struct rsm_text *conflicts, struct rsm_err *err)
{
	struct overlay o = { .old = index, .loader = loader, .conflicts = conflicts };
	int r;

	/* a file that is thrown away after any error needs no journal, which would be in memory */
	r = rsm_sqlite_exec(loader->db, "PRAGMA journal_mode=OFF;BEGIN IMMEDIATE", err);
	if (r == 0)
		r = prepare(&o, err);
	if (r == 0)
		r = place_all(&o, err);
	if (r == 0)
		r = copy_facts(&o, err);
	if (r == 0)
		r = write_state(&o, err);
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(o.statements[i]);
	sqlite3_finalize(o.old_xattrs);
	sqlite3_finalize(o.old_unknown);
	if (r == 0)
		r = rsm_sqlite_exec(loader->db, "COMMIT", err);
	return r == 0 ? rsm_vi_sync_file(loader->load_path, err) : r;
}
