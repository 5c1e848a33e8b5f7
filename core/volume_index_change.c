/* Changes to a tree that is being loaded: what an incremental index says of the tree of the index
 * before it. Everything happens in the loader's one transaction; whatever fails, the file is thrown
 * away.
 *
 * `placed` holds the nodes that the index under way has made or changed. They are never removed by
 * it: an index that does both contradicts itself.
 */
#include <inttypes.h>
#include <string.h>

#include "core/volume_index_private.h"

enum {
	FIND,
	BY_ID,
	BY_UID,
	PLACE,
	DOOM,
	DOOMED,
	PLACED_DOOMED,
	FORGET_XATTRS,
	FORGET_UNKNOWN,
	FORGET_NODES,
	CHANGE,
	RENAME,
	GET_EXTENTS,
	SET_EXTENTS,
	SET_TARGET,
	CLEAR_XATTRS,
	CLEAR_FLAG,
	STATEMENTS
};
_Static_assert((int)STATEMENTS == (int)RSM_VI_LOADER_CHANGES,
	       "a loader has room for these statements");

#define FOUND "SELECT " RSM_VI_NODE_COLUMNS ",EXISTS(SELECT 1 FROM placed WHERE id=node.id)"

static const char *const texts[STATEMENTS] = {
	[FIND] = FOUND " FROM node WHERE parent=?1 AND key=?2",
	[BY_ID] = FOUND " FROM node WHERE id=?1",
	[BY_UID] = FOUND " FROM node WHERE uid=?1 ORDER BY id",
	[PLACE] = "INSERT OR IGNORE INTO placed VALUES(?1)",
	[DOOM] = ("WITH RECURSIVE below(id) AS (VALUES(?1) UNION SELECT node.id FROM below"
		  " JOIN node INDEXED BY node_name ON node.parent=below.id)"
		  " INSERT INTO doomed SELECT id FROM below"),
	[DOOMED] = "SELECT kind,size FROM doomed JOIN node USING(id)",
	[PLACED_DOOMED] = "SELECT 1 FROM doomed JOIN placed USING(id) LIMIT 1",
	[FORGET_XATTRS] = "DELETE FROM xattr WHERE id IN doomed",
	[FORGET_UNKNOWN] = "DELETE FROM unknown WHERE id IN doomed",
	[FORGET_NODES] = "DELETE FROM node WHERE id IN doomed",
	[CHANGE] = ("UPDATE node SET flags=(?2 & ~12)|(flags & 12),size=?3,mode=?4,owner=?5,grp=?6,"
		    "times=?7,data_version=?8,stamp=?9 WHERE id=?1"),
	[RENAME] = "UPDATE node SET name=?2 WHERE id=?1",
	[GET_EXTENTS] = "SELECT extents FROM node WHERE id=?1",
	[SET_EXTENTS] = "UPDATE node SET extents=?2 WHERE id=?1",
	[SET_TARGET] = "UPDATE node SET target=?2 WHERE id=?1",
	[CLEAR_XATTRS] = "DELETE FROM xattr WHERE id=?1",
	[CLEAR_FLAG] = "UPDATE node SET flags=flags&~?2 WHERE id=?1",
};

int rsm_index_loader_settle(struct rsm_index_loader *loader, struct rsm_err *err)
{
	int r = rsm_vi_loader_settle(loader, err);

	if (r == 0 && !loader->changes[0])
		r = rsm_sqlite_exec(loader->db, rsm_vi_uid_index_sql, err);
	if (r == 0 && !loader->changes[0])
		r = rsm_sqlite_exec(loader->db,
				    "CREATE TEMP TABLE placed(id INTEGER PRIMARY KEY);"
				    "CREATE TEMP TABLE doomed(id INTEGER PRIMARY KEY)",
				    err);
	for (size_t i = 0; r == 0 && i < STATEMENTS; i++)
		if (!loader->changes[i])
			r = rsm_sqlite_prepare(loader->db, texts[i], &loader->changes[i], err);
	if (r == 0)
		r = rsm_sqlite_exec(loader->db, "DELETE FROM placed", err);
	return r;
}

/* ---- looking ---- */

static int found(sqlite3_stmt *statement, struct rsm_node *ret_node, bool *ret_placed,
		 struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	int r = rsm_sqlite_step(row, err);

	if (r < 0)
		return r;
	if (r == RSM_SQLITE_DONE)
		return RSM_NODE_ABSENT;
	*ret_placed = sqlite3_column_int(row, RSM_VI_NODE_COLUMN_COUNT);
	return rsm_vi_node_of(row, ret_node, err);
}

int rsm_index_loader_find(struct rsm_index_loader *loader, uint64_t parent, const char *name,
			  struct rsm_node *ret_node, bool *ret_placed, struct rsm_err *err)
{
	RSM_VI_KEY struct rsm_vi_key key = { 0 };
	RSM_FREE char *exact = NULL;
	int r;

	if (!parent) {
		rsm_vi_bind_id(loader->changes[BY_ID], 1, RSM_NODE_ROOT);
		return found(loader->changes[BY_ID], ret_node, ret_placed, err);
	}
	r = rsm_vi_loader_key(name, &key, &exact, err);
	if (r < 0)
		return r;
	rsm_vi_bind_id(loader->changes[FIND], 1, parent);
	sqlite3_bind_text(loader->changes[FIND], 2, key.text, -1, SQLITE_STATIC);
	return found(loader->changes[FIND], ret_node, ret_placed, err);
}

int rsm_index_loader_find_uid(struct rsm_index_loader *loader, uint64_t uid,
			      struct rsm_node *ret_node, bool *ret_placed, struct rsm_err *err)
{
	int r = RSM_NODE_ABSENT;

	if (uid <= RSM_NODE_ID_MAX) {
		rsm_vi_bind_id(loader->changes[BY_ID], 1, uid);
		r = found(loader->changes[BY_ID], ret_node, ret_placed, err);
	}
	if (r < 0 || (r == 0 && ret_node->uid == uid))
		return r;
	rsm_vi_bind_id(loader->changes[BY_UID], 1, uid);
	return found(loader->changes[BY_UID], ret_node, ret_placed, err);
}

/* ---- changing ---- */

int rsm_index_loader_place(struct rsm_index_loader *loader, uint64_t id, struct rsm_err *err)
{
	rsm_vi_bind_id(loader->changes[PLACE], 1, id);
	return rsm_sqlite_run(loader->changes[PLACE], err);
}

static int uncount_doomed(struct rsm_index_loader *loader, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *row = loader->changes[DOOMED];
	int r;

	while ((r = rsm_sqlite_step(row, err)) == 0) {
		const struct rsm_vi_data data = {
			.parent = 1,
			.kind = (enum rsm_node_kind)sqlite3_column_int(row, 0),
			.size = rsm_vi_column(row, 1),
		};

		rsm_vi_count(&loader->state, &data, -1);
	}
	return r < 0 ? r : 0;
}

int rsm_index_loader_remove(struct rsm_index_loader *loader, uint64_t id, struct rsm_err *err)
{
	int r;

	r = rsm_sqlite_exec(loader->db, "DELETE FROM doomed", err);
	rsm_vi_bind_id(loader->changes[DOOM], 1, id);
	if (r == 0)
		r = rsm_sqlite_run(loader->changes[DOOM], err);
	if (r < 0)
		return r;
	r = rsm_sqlite_step(loader->changes[PLACED_DOOMED], err);
	sqlite3_reset(loader->changes[PLACED_DOOMED]);
	if (r == 0)
		return rsm_err_set(err, EBADMSG,
				   "what the index removes holds what the same index changes");
	if (r == RSM_SQLITE_DONE)
		r = uncount_doomed(loader, err);
	for (int s = FORGET_XATTRS; r == 0 && s <= FORGET_NODES; s++)
		r = rsm_sqlite_run(loader->changes[s], err);
	return r;
}

/* A file that became shorter has nothing behind its end. */
static int cut_extents(struct rsm_index_loader *loader, const struct rsm_node *node,
		       struct rsm_err *err)
{
	RSM_VI_PACKED struct rsm_vi_packed packed = { 0 };
	RSM_VI_EXTENTS struct rsm_vi_extents list = { 0 };
	int r;

	{
		RSM_SQLITE_RESET sqlite3_stmt *row = loader->changes[GET_EXTENTS];

		rsm_vi_bind_id(row, 1, node->id);
		r = rsm_sqlite_step(row, err);
		if (r)
			return rsm_err_fold(err, r, "node %" PRIu64, node->id);
		r = rsm_vi_unpack_extents(sqlite3_column_blob(row, 0),
					  (size_t)sqlite3_column_bytes(row, 0), &list, err);
	}
	if (r < 0)
		return r;
	rsm_vi_cut_extents(&list, node->size);
	r = rsm_vi_pack_extents(&list, &packed, err);
	if (r < 0)
		return r;
	rsm_vi_bind_id(loader->changes[SET_EXTENTS], 1, node->id);
	rsm_vi_bind_packed(loader->changes[SET_EXTENTS], 2, &packed);
	return rsm_sqlite_run(loader->changes[SET_EXTENTS], err);
}

static int change_row(struct rsm_index_loader *loader, const struct rsm_node *node,
		      struct rsm_err *err)
{
	sqlite3_stmt *change = loader->changes[CHANGE];
	uint8_t times[RSM_VI_TIMES_MAX];

	rsm_vi_bind_node(change, node, times);
	if (node->kind == RSM_NODE_FILE)
		sqlite3_bind_int64(change, 9, rsm_vi_stamp(node->size, &node->times.modified));
	else
		sqlite3_bind_null(change, 9);
	return rsm_sqlite_run(change, err);
}

static int change_name(struct rsm_index_loader *loader, uint64_t id, const char *name,
		       struct rsm_err *err)
{
	RSM_VI_KEY struct rsm_vi_key key = { 0 };
	RSM_FREE char *exact = NULL;
	int r = rsm_vi_loader_key(name, &key, &exact, err);

	if (r < 0)
		return r;
	rsm_vi_bind_id(loader->changes[RENAME], 1, id);
	sqlite3_bind_text(loader->changes[RENAME], 2, strcmp(exact, key.text) ? exact : NULL, -1,
			  SQLITE_STATIC);
	return rsm_sqlite_run(loader->changes[RENAME], err);
}

int rsm_index_loader_change(struct rsm_index_loader *loader, const struct rsm_node *node,
			    const char *name, struct rsm_err *err)
{
	int r = rsm_vi_loader_count_size(loader, node, err);

	if (r == 0)
		r = change_row(loader, node, err);
	if (r == 0 && name && node->id != RSM_NODE_ROOT)
		r = change_name(loader, node->id, name, err);
	if (r == 0 && node->kind == RSM_NODE_FILE)
		r = cut_extents(loader, node, err);
	return r ? r : rsm_index_loader_place(loader, node->id, err);
}

int rsm_index_loader_set_extents(struct rsm_index_loader *loader, uint64_t id,
				 const struct rsm_extent *extents, size_t count,
				 struct rsm_err *err)
{
	RSM_VI_PACKED struct rsm_vi_packed packed = { 0 };
	int r = rsm_vi_loader_pack(extents, count, &packed, err);

	if (r < 0)
		return r;
	rsm_vi_bind_id(loader->changes[SET_EXTENTS], 1, id);
	rsm_vi_bind_packed(loader->changes[SET_EXTENTS], 2, &packed);
	return rsm_sqlite_run(loader->changes[SET_EXTENTS], err);
}

int rsm_index_loader_set_target(struct rsm_index_loader *loader, uint64_t id, const char *target,
				struct rsm_err *err)
{
	rsm_vi_bind_id(loader->changes[SET_TARGET], 1, id);
	sqlite3_bind_text(loader->changes[SET_TARGET], 2, target, -1, SQLITE_STATIC);
	return rsm_sqlite_run(loader->changes[SET_TARGET], err);
}

int rsm_index_loader_clear_xattrs(struct rsm_index_loader *loader, uint64_t id, struct rsm_err *err)
{
	int r;

	rsm_vi_bind_id(loader->changes[CLEAR_XATTRS], 1, id);
	r = rsm_sqlite_run(loader->changes[CLEAR_XATTRS], err);
	if (r < 0)
		return r;
	rsm_vi_bind_id(loader->changes[CLEAR_FLAG], 1, id);
	rsm_vi_bind_id(loader->changes[CLEAR_FLAG], 2, RSM_NODE_HAS_XATTRS);
	return rsm_sqlite_run(loader->changes[CLEAR_FLAG], err);
}
