/* Changes of the tree: each is one statement where it can be, and the folder's own times wait in
 * memory (rsm_vi_touch), so that creating a file writes the file's row and name and nothing else.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/ltfs/name.h"
#include "core/volume_index_private.h"

static const uint32_t table_flags = RSM_NODE_HAS_XATTRS | RSM_NODE_HAS_UNKNOWN;

/* The folder a new name goes to. One that was just touched needs no look. */
static int check_folder(struct rsm_volume_index *index, uint64_t id, struct rsm_err *err)
{
	struct rsm_node node;
	int r;

	if (rsm_vi_is_touched(index, id))
		return 0;
	r = rsm_vi_get(index, id, &node, err);
	if (r < 0)
		return r;
	if (r == RSM_NODE_ABSENT || (node.parent == 0 && id != RSM_NODE_ROOT))
		return rsm_err_set(err, ENOENT, "the folder does not exist any more");
	if (node.kind != RSM_NODE_FOLDER)
		return rsm_err_set(err, ENOTDIR, "node %" PRIu64 " is not a folder", id);
	return 0;
}

/* A name for something new: allowed, and its key. */
static int new_key(const char *name, struct rsm_vi_key *ret_key, struct rsm_err *err)
{
	int r = rsm_name_check(name, err);

	return r < 0 ? r : rsm_vi_key_of(name, ret_key, err);
}

static const char *exact_or_null(const char *name, const struct rsm_vi_key *key)
{
	return key->text == name || strcmp(key->text, name) == 0 ? NULL : name;
}

static void count_node(struct rsm_vi_state *state, const struct rsm_node *node)
{
	const struct rsm_vi_data data = { .parent = 1, .kind = node->kind, .size = node->size };

	rsm_vi_count(state, &data, 1);
}

static int give_id(struct rsm_volume_index *index, struct rsm_node *node, struct rsm_err *err)
{
	struct rsm_vi_state *state = &index->state;

	/* the uid of something new is greater than all before it; the id is the uid if that fits */
	if (state->highest_uid < RSM_VI_UID_AS_ID_MAX && state->next_id <= state->highest_uid)
		state->next_id = state->highest_uid + 1;
	if (state->next_id > RSM_NODE_ID_MAX || state->highest_uid == UINT64_MAX)
		return rsm_err_set(err, ENOSPC, "the volume has no file numbers left");
	node->id = state->next_id++;
	node->uid = node->id > state->highest_uid ? node->id : state->highest_uid + 1;
	state->highest_uid = node->uid;
	if (state->next_id < index->id_limit)
		return 0;
	return rsm_vi_write_state(index, false, err);
}

static int create(struct rsm_volume_index *index, const char *name, const struct rsm_vi_key *key,
		  struct rsm_node *node, const char *target, bool again, struct rsm_err *err)
{
	struct rsm_vi_row row = {
		.node = node, .key = key->text, .name = exact_or_null(name, key), .target = target
	};
	int r;

	r = again ? 0 : give_id(index, node, err);
	if (r == 0)
		r = rsm_vi_bump(index, err);
	if (r < 0)
		return r;
	row.born = index->state.tree_version;
	r = rsm_vi_insert(rsm_vi_statement(index, RSM_VI_CREATE), &row, err);
	if (r == -EEXIST)
		return rsm_err_set(err, EEXIST, "%s exists already", name);
	if (r == 0)
		r = rsm_vi_touch(index, node->parent, &node->times.changed, err);
	if (r == 0)
		count_node(&index->state, node);
	return r;
}

static int make(struct rsm_volume_index *index, uint64_t parent, const char *name,
		struct rsm_node *node, const char *link_target, bool again, struct rsm_err *err)
{
	RSM_VI_KEY struct rsm_vi_key key = { 0 };
	struct rsm_node made = *node;
	struct rsm_vi_call call;
	int r;

	r = new_key(name, &key, err);
	if (r < 0)
		return r;
	if ((made.kind == RSM_NODE_LINK) != (link_target != NULL))
		return rsm_err_set(err, EINVAL, "%s: a link has a target and nothing else has",
				   name);
	made.parent = parent;
	made.flags &= ~(uint32_t)RSM_NODE_TABLE_FLAGS;
	if (link_target)
		made.size = strlen(link_target);
	else if (made.kind == RSM_NODE_FOLDER)
		made.size = 0;

	RSM_LOCK_SCOPE(&index->lock);
	r = check_folder(index, parent, err);
	if (r == 0)
		r = rsm_vi_begin(index, &call, index->touched_count == RSM_VI_TOUCHED, err);
	if (r < 0)
		return r;
	r = rsm_vi_end(index, &call, create(index, name, &key, &made, link_target, again, err),
		       err);
	if (r == 0)
		*node = made;
	return r;
}

int rsm_volume_index_create(struct rsm_volume_index *index, uint64_t parent, const char *name,
			    struct rsm_node *node, const char *link_target, struct rsm_err *err)
{
	return make(index, parent, name, node, link_target, false, err);
}

int rsm_volume_index_create_again(struct rsm_volume_index *index, uint64_t parent, const char *name,
				  const struct rsm_node *node, struct rsm_err *err)
{
	struct rsm_node made = *node;

	return make(index, parent, name, &made, NULL, true, err);
}

/* ---- removing ---- */

int rsm_vi_delete(struct rsm_volume_index *index, uint64_t id, uint32_t flags, struct rsm_err *err)
{
	static const struct {
		enum rsm_vi_statement statement;
		uint32_t flag;
	} rows[] = { { RSM_VI_DELETE_XATTRS, RSM_NODE_HAS_XATTRS },
		     { RSM_VI_DELETE_UNKNOWN, RSM_NODE_HAS_UNKNOWN },
		     { RSM_VI_DELETE, 0 } };

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		sqlite3_stmt *statement = rsm_vi_statement(index, rows[i].statement);
		int r;

		if (rows[i].flag && !(flags & rows[i].flag))
			continue;
		rsm_vi_bind_id(statement, 1, id);
		r = rsm_sqlite_run(statement, err);
		if (r < 0)
			return r;
	}
	rsm_vi_untouch(index, id);
	return 0;
}

static int has_children(struct rsm_volume_index *index, uint64_t folder, struct rsm_err *err)
{
	sqlite3_stmt *child = rsm_vi_statement(index, RSM_VI_HAS_CHILD);
	int r;

	rsm_vi_bind_id(child, 1, folder);
	r = rsm_sqlite_step(child, err);
	if (r < 0)
		return r;
	sqlite3_reset(child);
	return r == 0;
}

static int move(struct rsm_volume_index *index, uint64_t id, uint64_t parent, const char *key,
		const char *name, struct rsm_err *err)
{
	sqlite3_stmt *move = rsm_vi_statement(index, RSM_VI_MOVE);

	rsm_vi_bind_id(move, 1, id);
	rsm_vi_bind_id(move, 2, parent);
	sqlite3_bind_text(move, 3, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(move, 4, name, -1, SQLITE_STATIC);
	return rsm_sqlite_run(move, err);
}

/* Takes the name; the node is nobody's then: not counted, not migrated. */
static int make_orphan(struct rsm_volume_index *index, uint64_t id, struct rsm_err *err)
{
	RSM_VI_DATA struct rsm_vi_data data = { 0 };
	struct rsm_vi_data before;
	int r;

	r = rsm_vi_get_data(index, id, true, &data, err);
	if (r == RSM_NODE_ABSENT)
		return rsm_err_set(err, ENOENT, "node %" PRIu64 " does not exist", id);
	if (r < 0)
		return r;
	before = data;
	data.parent = 0;
	if (data.staged.count) {
		data.close_order = 0;
		r = rsm_vi_set_data(index, id, &data, err);
		if (r < 0)
			return r;
	}
	rsm_vi_untouch(index, id);
	r = move(index, id, 0, NULL, NULL, err);
	return r < 0 ? r : rsm_vi_account(index, id, &before, &data, err);
}

struct removal {
	const struct timespec *now;
	struct rsm_node node;
	struct rsm_vi_data data;
	bool keep;
};

static int remove_node(struct rsm_volume_index *index, struct removal *removal, struct rsm_err *err)
{
	const struct rsm_node *node = &removal->node;
	int r;

	r = rsm_vi_bump(index, err);
	if (r == 0)
		r = rsm_vi_touch(index, node->parent, removal->now, err);
	if (r < 0)
		return r;
	if (removal->keep)
		return make_orphan(index, node->id, err);
	r = rsm_vi_get_data(index, node->id, true, &removal->data, err);
	if (r)
		return rsm_err_fold(err, r, "node %" PRIu64, node->id);
	r = rsm_vi_delete(index, node->id, node->flags, err);
	return r < 0 ? r : rsm_vi_account(index, node->id, &removal->data, NULL, err);
}

static int find_to_remove(struct rsm_volume_index *index, uint64_t parent, const char *key,
			  const char *name, bool want_folder, struct rsm_node *ret_node,
			  struct rsm_err *err)
{
	int r;

	r = rsm_vi_lookup(index, parent, key, name, ret_node, err);
	if (r < 0)
		return r;
	if (r > 0)
		return rsm_err_set(err, ENOENT, "%s does not exist", name);
	if (want_folder && ret_node->kind != RSM_NODE_FOLDER)
		return rsm_err_set(err, ENOTDIR, "%s is not a folder", key);
	if (!want_folder && ret_node->kind == RSM_NODE_FOLDER)
		return rsm_err_set(err, EISDIR, "%s is a folder", key);
	r = want_folder ? has_children(index, ret_node->id, err) : 0;
	if (r > 0)
		return rsm_err_set(err, ENOTEMPTY, "%s is not empty", key);
	return r;
}

/* The key of a name that must exist. */
static int old_key(const char *name, struct rsm_vi_key *ret_key, struct rsm_err *err)
{
	int r = rsm_vi_key_of(name, ret_key, err);

	return r == -EILSEQ ? rsm_err_set(err, ENOENT, "no such name") : r;
}

int rsm_volume_index_remove(struct rsm_volume_index *index, uint64_t parent, const char *name,
			    bool want_folder, bool keep, const struct timespec *now,
			    uint64_t *ret_id, rsm_volume_index_released *released, void *context,
			    struct rsm_err *err)
{
	RSM_VI_KEY struct rsm_vi_key key = { 0 };
	struct removal removal = { .now = now, .keep = keep };
	struct rsm_vi_call call;
	int r;

	r = old_key(name, &key, err);
	if (r < 0)
		return r;
	RSM_LOCK_SCOPE(&index->lock);
	r = find_to_remove(index, parent, key.text, name, want_folder, &removal.node, err);
	if (r == 0)
		r = rsm_vi_begin(index, &call, true, err);
	if (r < 0)
		return r;
	r = rsm_vi_end(index, &call, remove_node(index, &removal, err), err);
	if (r == 0) {
		if (ret_id)
			*ret_id = removal.node.id;
		rsm_vi_release(&removal.data, removal.node.id, released, context);
	}
	rsm_vi_data_fini(&removal.data);
	return r;
}

int rsm_volume_index_drop(struct rsm_volume_index *index, uint64_t id,
			  rsm_volume_index_released *released, void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_VI_DATA struct rsm_vi_data data = { 0 };
	struct rsm_vi_call call;
	int r;

	r = rsm_vi_get_data(index, id, true, &data, err);
	if (r < 0)
		return r;
	if (r == RSM_NODE_ABSENT || data.parent != 0 || id == RSM_NODE_ROOT)
		return 0;
	r = rsm_vi_begin(index, &call, (data.flags & table_flags) != 0, err);
	if (r < 0)
		return r;
	r = rsm_vi_end(index, &call, rsm_vi_delete(index, id, data.flags, err), err);
	if (r == 0)
		rsm_vi_release(&data, id, released, context);
	return r;
}

/* ---- renaming ---- */

struct renaming {
	uint64_t parent, new_parent;
	const char *key, *new_key;
	const char *name, *new_name;
	const char *exact; /* new name where it is not the key */
	const struct timespec *now;
	unsigned flags;
	struct rsm_node from, to;
	bool has_to;
	uint64_t replaced;
};

/* Is `folder` the node or somewhere below it? 1: yes. */
static int is_below(struct rsm_volume_index *index, uint64_t folder, uint64_t node,
		    struct rsm_err *err)
{
	struct rsm_node up;

	for (unsigned depth = 0; folder && depth < (1 << 16); depth++) {
		int r;

		if (folder == node)
			return 1;
		r = rsm_vi_get(index, folder, &up, err);
		if (r)
			return r < 0 ? r : 0;
		folder = up.parent;
	}
	return 0;
}

static int check_renaming(struct rsm_volume_index *index, struct renaming *it, struct rsm_err *err)
{
	bool exchange = it->flags & RENAME_EXCHANGE;
	int r = 0;

	if (it->has_to && (it->flags & RENAME_NOREPLACE))
		return rsm_err_set(err, EEXIST, "%s exists already", it->new_key);
	if (!it->has_to && exchange)
		return rsm_err_set(err, ENOENT, "%s does not exist", it->new_key);
	if (it->from.kind == RSM_NODE_FOLDER && it->parent != it->new_parent)
		r = is_below(index, it->new_parent, it->from.id, err);
	if (r == 0 && exchange && it->to.kind == RSM_NODE_FOLDER && it->parent != it->new_parent)
		r = is_below(index, it->parent, it->to.id, err);
	if (r > 0)
		return rsm_err_set(err, EINVAL, "a folder cannot be moved into itself");
	if (r < 0 || !it->has_to || exchange || it->to.id == it->from.id)
		return r;
	if (it->from.kind == RSM_NODE_FOLDER && it->to.kind != RSM_NODE_FOLDER)
		return rsm_err_set(err, ENOTDIR, "%s is not a folder", it->new_key);
	if (it->from.kind != RSM_NODE_FOLDER && it->to.kind == RSM_NODE_FOLDER)
		return rsm_err_set(err, EISDIR, "%s is a folder", it->new_key);
	r = it->to.kind == RSM_NODE_FOLDER ? has_children(index, it->to.id, err) : 0;
	return r > 0 ? rsm_err_set(err, ENOTEMPTY, "%s is not empty", it->new_key) : r;
}

/* The other one gets the old name, byte for byte: it is where the mover's was. */
static int exchange(struct rsm_volume_index *index, const struct renaming *it, struct rsm_err *err)
{
	RSM_FREE char *from_name = NULL, *to_name = NULL;
	sqlite3_stmt *get = rsm_vi_statement(index, RSM_VI_NAME);
	int r;

	for (int i = 0; i < 2; i++) {
		rsm_vi_bind_id(get, 1, i ? it->to.id : it->from.id);
		r = rsm_sqlite_step(get, err);
		if (r < 0)
			return r;
		if (r == 0)
			*(i ? &to_name : &from_name) =
				strdup((const char *)sqlite3_column_text(get, 1));
		sqlite3_reset(get);
	}
	if (!from_name || !to_name)
		return rsm_err_oom(err);
	r = move(index, it->from.id, 0, NULL, NULL, err);
	if (r == 0)
		r = move(index, it->to.id, it->parent, it->key,
			 strcmp(from_name, it->key) ? from_name : NULL, err);
	if (r == 0)
		r = move(index, it->from.id, it->new_parent, it->new_key,
			 strcmp(to_name, it->new_key) ? to_name : NULL, err);
	return r;
}

static int do_rename(struct rsm_volume_index *index, struct renaming *it, struct rsm_err *err)
{
	int r;

	r = rsm_vi_bump(index, err);
	if (r == 0)
		r = rsm_vi_touch(index, it->parent, it->now, err);
	if (r == 0)
		r = rsm_vi_touch(index, it->new_parent, it->now, err);
	if (r < 0)
		return r;
	if (it->flags & RENAME_EXCHANGE)
		return exchange(index, it, err);
	if (it->has_to && it->to.id != it->from.id) {
		r = make_orphan(index, it->to.id, err);
		if (r < 0)
			return r;
		it->replaced = it->to.id;
	}
	return move(index, it->from.id, it->new_parent, it->new_key, it->exact, err);
}

static int rename_locked(struct rsm_volume_index *index, struct renaming *it, struct rsm_err *err)
{
	struct rsm_vi_call call;
	int r;

	r = rsm_vi_lookup(index, it->parent, it->key, it->name, &it->from, err);
	if (r > 0)
		return rsm_err_set(err, ENOENT, "%s does not exist", it->name);
	if (r == 0)
		r = check_folder(index, it->new_parent, err);
	if (r < 0)
		return r;
	r = rsm_vi_lookup(index, it->new_parent, it->new_key, it->new_name, &it->to, err);
	if (r < 0)
		return r;
	/* another spelling of its own name is a new name for it; of somebody else's, it is taken */
	if (r == RSM_NODE_SPELLED_OTHERWISE && it->to.id != it->from.id &&
	    !(it->flags & RENAME_EXCHANGE))
		return rsm_err_set(err, EEXIST, "%s exists in another spelling", it->new_name);
	it->has_to = r == 0;
	r = check_renaming(index, it, err);
	if (r < 0)
		return r;
	if ((it->flags & RENAME_EXCHANGE) && it->to.id == it->from.id)
		return 0;
	r = rsm_vi_begin(index, &call, true, err);
	return r < 0 ? r : rsm_vi_end(index, &call, do_rename(index, it, err), err);
}

int rsm_volume_index_rename(struct rsm_volume_index *index, uint64_t parent, const char *name,
			    uint64_t new_parent, const char *new_name, unsigned flags,
			    const struct timespec *now, uint64_t *ret_replaced, struct rsm_err *err)
{
	RSM_VI_KEY struct rsm_vi_key from = { 0 }, to = { 0 };
	struct renaming it = {
		.parent = parent, .new_parent = new_parent, .now = now, .flags = flags
	};
	int r;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return rsm_err_set(err, EINVAL, "rename: flags 0x%x are not known", flags);
	r = old_key(name, &from, err);
	if (r == 0)
		r = new_key(new_name, &to, err);
	if (r < 0)
		return r;
	it.name = name;
	it.new_name = new_name;
	it.key = from.text;
	it.new_key = to.text;
	it.exact = exact_or_null(new_name, &to);

	RSM_LOCK_SCOPE(&index->lock);
	r = rename_locked(index, &it, err);
	if (r == 0 && ret_replaced)
		*ret_replaced = it.replaced;
	return r;
}

/* ---- attributes ---- */

static int update(struct rsm_volume_index *index, const struct rsm_node *node, struct rsm_err *err)
{
	sqlite3_stmt *update = rsm_vi_statement(index, RSM_VI_UPDATE);
	uint8_t times[RSM_VI_TIMES_MAX];
	struct rsm_node old;
	int r;

	r = rsm_vi_get(index, node->id, &old, err);
	if (r == RSM_NODE_ABSENT)
		return rsm_err_set(err, ENOENT, "node %" PRIu64 " does not exist", node->id);
	if (r == 0)
		r = rsm_vi_bump(index, err);
	if (r < 0)
		return r;
	rsm_vi_bind_node(update, node, times);
	r = rsm_sqlite_run(update, err);
	if (r < 0)
		return r;
	rsm_vi_untouch(index, node->id);
	if (old.kind == RSM_NODE_FILE && old.parent)
		index->state.totals.file_bytes += node->size - old.size;
	return 0;
}

int rsm_volume_index_update(struct rsm_volume_index *index, const struct rsm_node *node,
			    struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	struct rsm_vi_call call;
	int r = rsm_vi_begin(index, &call, false, err);

	return r < 0 ? r : rsm_vi_end(index, &call, update(index, node, err), err);
}

int rsm_volume_index_link_target(struct rsm_volume_index *index, uint64_t id, char **ret_target,
				 struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_SQLITE_RESET sqlite3_stmt *get = rsm_vi_statement(index, RSM_VI_TARGET);
	char *copy;
	int r;

	rsm_vi_bind_id(get, 1, id);
	r = rsm_sqlite_step(get, err);
	if (r < 0)
		return r;
	if (r == RSM_SQLITE_DONE)
		return rsm_err_set(err, ENOENT, "node %" PRIu64 " does not exist", id);
	if (sqlite3_column_type(get, 0) == SQLITE_NULL)
		return rsm_err_set(err, EINVAL, "node %" PRIu64 " is not a link", id);
	copy = strdup((const char *)sqlite3_column_text(get, 0));
	if (!copy)
		return rsm_err_oom(err);
	*ret_target = copy;
	return 0;
}
