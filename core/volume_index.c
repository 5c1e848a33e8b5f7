#include "core/volume_index.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "core/ltfs/name.h"
#include "core/volume_index_private.h"

enum { DEPTH_MAX = 1 << 16, FIND_BATCH = 1024 };

/* ---- transactions ---- */

/* Some errors (disk full) take the whole transaction back: then memory goes back as well. */
static void notice_rollback(struct rsm_volume_index *index)
{
	if (!index->db || !index->in_transaction || !sqlite3_get_autocommit(index->db))
		return;
	index->in_transaction = false;
	index->state = index->saved;
	index->clean = index->clean_saved;
	index->version_limit = index->id_limit = 0;
	index->touched_count = 0; /* a folder among them may be gone */
	index->queue_stale = true;
}

int rsm_vi_begin(struct rsm_volume_index *index, struct rsm_vi_call *call, bool many,
		 struct rsm_err *err)
{
	int r;

	call->before = index->state;
	call->savepoint = false;
	call->queue_changes = index->queue_changes;
	if (!index->in_transaction) {
		r = rsm_sqlite_run(rsm_vi_statement(index, RSM_VI_BEGIN), err);
		if (r == -EBUSY) /* somebody has it open in a shell */
			r = rsm_vi_let_others(index, err);
		if (r == 0 && sqlite3_get_autocommit(index->db))
			r = rsm_sqlite_run(rsm_vi_statement(index, RSM_VI_BEGIN), err);
		if (r < 0)
			return r;
		index->in_transaction = true;
		index->saved = index->state;
		index->clean_saved = index->clean;
	}
	if (index->clean) {
		r = rsm_vi_write_state(index, false, err);
		if (r < 0) {
			notice_rollback(index);
			return r;
		}
	}
	if (index->queue_stale && rsm_vi_queue_rebuild(index, NULL) < 0)
		notice_rollback(index); /* stays stale; what follows will say what is wrong */
	if (many) {
		r = rsm_sqlite_run(rsm_vi_statement(index, RSM_VI_SAVEPOINT), err);
		if (r < 0)
			return r;
		call->savepoint = true;
	}
	return 0;
}

int rsm_vi_end(struct rsm_volume_index *index, struct rsm_vi_call *call, int r, struct rsm_err *err)
{
	int ended;

	if (r < 0) {
		if (call->savepoint && index->db && !sqlite3_get_autocommit(index->db)) {
			int back =
				rsm_sqlite_run(rsm_vi_statement(index, RSM_VI_ROLLBACK_TO), NULL);

			if (back == 0)
				back = rsm_sqlite_run(rsm_vi_statement(index, RSM_VI_RELEASE),
						      NULL);
			(void)back; /* the cause is told already */
		}
		index->state = call->before;
		index->version_limit = index->id_limit = 0; /* a reservation may be undone */
		if (index->queue_changes != call->queue_changes)
			index->queue_stale = true;
		notice_rollback(index);
		return r;
	}
	if (!call->savepoint)
		return r;
	ended = rsm_sqlite_run(rsm_vi_statement(index, RSM_VI_RELEASE), err);
	if (ended < 0) {
		index->state = call->before;
		notice_rollback(index);
		return ended;
	}
	return r;
}

int rsm_vi_commit(struct rsm_volume_index *index, struct rsm_err *err)
{
	int r;

	if (!index->in_transaction)
		return 0;
	r = rsm_sqlite_run(rsm_vi_statement(index, RSM_VI_COMMIT), err);
	if (r < 0) {
		notice_rollback(index);
		return r;
	}
	index->in_transaction = false;
	return 0;
}

int rsm_vi_bump(struct rsm_volume_index *index, struct rsm_err *err)
{
	index->state.tree_version++;
	if (index->state.tree_version < index->version_limit)
		return 0;
	return rsm_vi_write_state(index, false, err);
}

/* ---- folders whose times changed ---- */

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

bool rsm_vi_is_touched(const struct rsm_volume_index *index, uint64_t folder)
{
	for (unsigned i = 0; i < index->touched_count; i++)
		if (index->touched[i].id == folder)
			return true;
	return false;
}

void rsm_vi_untouch(struct rsm_volume_index *index, uint64_t folder)
{
	for (unsigned i = 0; i < index->touched_count; i++) {
		if (index->touched[i].id != folder)
			continue;
		index->touched_count--;
		memmove(&index->touched[i], &index->touched[i + 1],
			(index->touched_count - i) * sizeof *index->touched);
		return;
	}
}

void rsm_vi_merge_touched(const struct rsm_volume_index *index, struct rsm_node *node)
{
	if (node->kind != RSM_NODE_FOLDER)
		return;
	for (unsigned i = 0; i < index->touched_count; i++)
		if (index->touched[i].id == node->id)
			node->times.changed = node->times.modified = index->touched[i].now;
}

/* Writes the oldest `count` of them. */
static int flush_some(struct rsm_volume_index *index, unsigned count, struct rsm_err *err)
{
	sqlite3_stmt *update = rsm_vi_statement(index, RSM_VI_UPDATE);
	uint8_t times[RSM_VI_TIMES_MAX];

	while (count--) {
		struct rsm_node node;
		int r = rsm_vi_get(index, index->touched[0].id, &node, err); /* merges */

		if (r == 0) {
			rsm_vi_bind_node(update, &node, times);
			r = rsm_sqlite_run(update, err);
		}
		if (r < 0)
			return r;
		rsm_vi_untouch(index, index->touched[0].id);
	}
	return 0;
}

int rsm_vi_flush_touched(struct rsm_volume_index *index, struct rsm_err *err)
{
	struct rsm_vi_call call;
	int r;

	if (!index->touched_count)
		return 0;
	r = rsm_vi_begin(index, &call, false, err);
	if (r < 0)
		return r;
	return rsm_vi_end(index, &call, flush_some(index, index->touched_count, err), err);
}

int rsm_vi_touch(struct rsm_volume_index *index, uint64_t folder, const struct timespec *now,
		 struct rsm_err *err)
{
	unsigned i;

	for (i = 0; i < index->touched_count; i++)
		if (index->touched[i].id == folder)
			break;
	if (i == RSM_VI_TOUCHED) {
		int r = flush_some(index, 1, err);

		if (r < 0)
			return r;
		i = index->touched_count;
	}
	if (i == index->touched_count) {
		if (!i)
			index->touched_since_ns = now_ns();
		index->touched[i].id = folder;
		index->touched_count++;
	}
	index->touched[i].now = *now;
	return 0;
}

/* ---- open, commit, close ---- */

int rsm_volume_index_open(const char *path, struct rsm_volume_index **ret_index,
			  struct rsm_err *err)
{
	RSM_CLEANUP(rsm_volume_index_close) struct rsm_volume_index *index = NULL;
	int r;

	index = calloc(1, sizeof *index);
	if (!index)
		return rsm_err_oom(err);
	rsm_mutex_init(&index->lock);
	index->path = strdup(path);
	if (!index->path)
		return rsm_err_oom(err);
	r = rsm_vi_open_database(index, true, err);
	if (r < 0)
		return r;
	*ret_index = RSM_STEAL(index);
	return 0;
}

int rsm_vi_commit_clean(struct rsm_volume_index *index, struct rsm_err *err)
{
	int r;

	r = rsm_vi_flush_touched(index, err);
	if (r == 0 && !index->clean) {
		struct rsm_vi_call call;

		r = rsm_vi_begin(index, &call, false, err);
		if (r < 0)
			return r;
		r = rsm_vi_end(index, &call, rsm_vi_write_state(index, true, err), err);
	}
	return r == 0 ? rsm_vi_commit(index, err) : r;
}

void rsm_volume_index_close(struct rsm_volume_index *index)
{
	if (!index)
		return;
	/* nobody is left to tell; what cannot be written is as after a crash, the next open counts
	 */
	if (index->db && rsm_vi_commit_clean(index, NULL) < 0 && rsm_vi_commit(index, NULL) < 0)
		sqlite3_interrupt(index->db);
	rsm_vi_close_database(index);
	rsm_mutex_fini(&index->lock);
	free(index->path);
	free(index);
}

/* The -wal file has the commits since the last checkpoint; a checkpoint syncs by itself. The names
 * of both files have to be durable, too.
 */
static int sync_wal(struct rsm_volume_index *index, struct rsm_err *err)
{
	RSM_FREE char *folder = NULL;
	sqlite3_file *wal = NULL;
	int r;

	r = sqlite3_file_control(index->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
	if (r == SQLITE_OK && wal && wal->pMethods)
		r = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
	if (r != SQLITE_OK)
		return rsm_sqlite_error(err, index->db, r, NULL);
	if (index->folder_synced)
		return 0;
	folder = strdup(index->path);
	if (!folder)
		return rsm_err_oom(err);
	if (strrchr(folder, '/'))
		strrchr(folder, '/')[1] = '\0';
	r = rsm_file_sync_folder(strchr(folder, '/') ? folder : ".", err);
	index->folder_synced = r == 0;
	return r;
}

int rsm_volume_index_commit(struct rsm_volume_index *index, bool durable, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	int r = 0;

	if (!index->db)
		return rsm_sqlite_run(NULL, err);
	if (durable) {
		r = rsm_vi_commit_clean(index, err);
		return r == 0 ? sync_wal(index, err) : r;
	}
	if (index->touched_count && now_ns() - index->touched_since_ns > INT64_C(1000000000))
		r = rsm_vi_flush_touched(index, err);
	return r == 0 ? rsm_vi_commit(index, err) : r;
}

/* ---- facts ---- */

int rsm_volume_index_get_fact(struct rsm_volume_index *index, const char *key, char **ret_value,
			      struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_SQLITE_RESET sqlite3_stmt *get = rsm_vi_statement(index, RSM_VI_GET_FACT);
	char *value = NULL;
	int r;

	sqlite3_bind_text(get, 1, key, -1, SQLITE_STATIC);
	r = rsm_sqlite_step(get, err);
	if (r < 0)
		return r;
	if (r == 0) {
		value = strdup((const char *)sqlite3_column_text(get, 0));
		if (!value)
			return rsm_err_oom(err);
	}
	*ret_value = value;
	return 0;
}

int rsm_volume_index_set_fact(struct rsm_volume_index *index, const char *key, const char *value,
			      struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	sqlite3_stmt *set = rsm_vi_statement(index, value ? RSM_VI_SET_FACT : RSM_VI_DELETE_FACT);
	struct rsm_vi_call call;
	int r;

	r = rsm_vi_begin(index, &call, false, err);
	if (r < 0)
		return r;
	sqlite3_bind_text(set, 1, key, -1, SQLITE_STATIC);
	if (value)
		sqlite3_bind_text(set, 2, value, -1, SQLITE_STATIC);
	r = rsm_vi_end(index, &call, rsm_sqlite_run(set, err), err);
	if (r == 0 && strcmp(key, "block_size") == 0) {
		uint64_t size = value ? strtoull(value, NULL, 10) : 0;

		index->state.block_size = size ? size : RSM_VI_BLOCK_SIZE;
	}
	return r;
}

int rsm_volume_index_get_number(struct rsm_volume_index *index, const char *key,
				uint64_t *ret_value, uint64_t otherwise, struct rsm_err *err)
{
	RSM_FREE char *text = NULL;
	unsigned long long value;
	char *end;
	int r;

	r = rsm_volume_index_get_fact(index, key, &text, err);
	if (r < 0)
		return r;
	if (!text) {
		*ret_value = otherwise;
		return 0;
	}
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end)
		return rsm_err_set(err, EBADMSG, "%s: the fact %s is \"%s\" and not a number",
				   index->path, key, text);
	*ret_value = value;
	return 0;
}

int rsm_volume_index_set_number(struct rsm_volume_index *index, const char *key, uint64_t value,
				struct rsm_err *err)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, value);
	return rsm_volume_index_set_fact(index, key, text, err);
}

uint64_t rsm_volume_index_tree_version(struct rsm_volume_index *index)
{
	RSM_LOCK_SCOPE(&index->lock);

	return index->state.tree_version;
}

uint64_t rsm_volume_index_indexed_version(struct rsm_volume_index *index)
{
	RSM_LOCK_SCOPE(&index->lock);

	return index->state.indexed_version;
}

void rsm_volume_index_touch(struct rsm_volume_index *index)
{
	RSM_LOCK_SCOPE(&index->lock);
	struct rsm_vi_call call;
	int r;

	r = rsm_vi_begin(index, &call, false, NULL);
	if (r == 0)
		r = rsm_vi_end(index, &call, rsm_vi_bump(index, NULL), NULL);
	if (r < 0) /* in this life at least */
		index->state.tree_version++;
}

int rsm_volume_index_totals(struct rsm_volume_index *index, struct rsm_volume_totals *ret_totals,
			    struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);

	(void)err;
	*ret_totals = index->state.totals;
	return 0;
}

/* ---- looking ---- */

int rsm_vi_key_of(const char *name, struct rsm_vi_key *ret_key, struct rsm_err *err)
{
	*ret_key = (struct rsm_vi_key){ .text = name };
	if (!rsm_name_is_ascii(name)) {
		int r = rsm_name_nfc(name, &ret_key->owned, err);

		if (r < 0)
			return r;
		ret_key->text = ret_key->owned;
	}
	return 0;
}

int rsm_vi_node_of(sqlite3_stmt *row, struct rsm_node *ret_node, struct rsm_err *err)
{
	const void *times = sqlite3_column_blob(row, 9);
	struct rsm_node node = {
		.id = rsm_vi_column(row, 0),
		.parent = rsm_vi_column(row, 1),
		.kind = (enum rsm_node_kind)sqlite3_column_int(row, 2),
		.flags = (uint32_t)rsm_vi_column(row, 3),
		.size = rsm_vi_column(row, 5),
		.mode = (uint32_t)rsm_vi_column(row, 6),
		.owner = (uint32_t)rsm_vi_column(row, 7),
		.group = (uint32_t)rsm_vi_column(row, 8),
		.data_version = rsm_vi_column(row, 10),
	};

	node.uid = sqlite3_column_type(row, 4) == SQLITE_NULL ? node.id : rsm_vi_column(row, 4);
	if (node.kind < RSM_NODE_FOLDER || node.kind > RSM_NODE_LINK ||
	    rsm_vi_unpack_times(times, (size_t)sqlite3_column_bytes(row, 9), &node.times) < 0)
		return rsm_err_set(err, EBADMSG, "the row of node %" PRIu64 " is damaged", node.id);
	*ret_node = node;
	return 0;
}

/* Steps a statement that yields at most one node. */
static int one_node(struct rsm_volume_index *index, sqlite3_stmt *get, struct rsm_node *ret_node,
		    struct rsm_err *err)
{
	int r = rsm_sqlite_step(get, err);

	if (r == RSM_SQLITE_DONE)
		return RSM_NODE_ABSENT;
	if (r == 0)
		r = rsm_vi_node_of(get, ret_node, err);
	sqlite3_reset(get);
	if (r == 0)
		rsm_vi_merge_touched(index, ret_node);
	return r;
}

int rsm_vi_get(struct rsm_volume_index *index, uint64_t id, struct rsm_node *ret_node,
	       struct rsm_err *err)
{
	sqlite3_stmt *get = rsm_vi_statement(index, RSM_VI_GET);

	rsm_vi_bind_id(get, 1, id);
	return one_node(index, get, ret_node, err);
}

int rsm_vi_lookup(struct rsm_volume_index *index, uint64_t parent, const char *key,
		  struct rsm_node *ret_node, struct rsm_err *err)
{
	sqlite3_stmt *lookup = rsm_vi_statement(index, RSM_VI_LOOKUP);

	rsm_vi_bind_id(lookup, 1, parent);
	sqlite3_bind_text(lookup, 2, key, -1, SQLITE_STATIC);
	return one_node(index, lookup, ret_node, err);
}

int rsm_volume_index_lookup(struct rsm_volume_index *index, uint64_t parent, const char *name,
			    struct rsm_node *ret_node, struct rsm_err *err)
{
	RSM_VI_KEY struct rsm_vi_key key;
	int r;

	r = rsm_vi_key_of(name, &key, err);
	if (r == -EILSEQ)
		return RSM_NODE_ABSENT;
	if (r < 0)
		return r;
	RSM_LOCK_SCOPE(&index->lock);
	return rsm_vi_lookup(index, parent, key.text, ret_node, err);
}

int rsm_volume_index_get(struct rsm_volume_index *index, uint64_t id, struct rsm_node *ret_node,
			 struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);

	return rsm_vi_get(index, id, ret_node, err);
}

int rsm_volume_index_list(struct rsm_volume_index *index, uint64_t parent, const char *after,
			  rsm_volume_index_each *each, void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_SQLITE_RESET sqlite3_stmt *list = rsm_vi_statement(index, RSM_VI_LIST);
	int r;

	rsm_vi_bind_id(list, 1, parent);
	sqlite3_bind_text(list, 2, after ? after : "", -1, SQLITE_STATIC);
	while ((r = rsm_sqlite_step(list, err)) == 0) {
		const char *key, *name;
		struct rsm_node node;

		r = rsm_vi_node_of(list, &node, err);
		if (r < 0)
			return r;
		rsm_vi_merge_touched(index, &node);
		key = (const char *)sqlite3_column_text(list, RSM_VI_NODE_COLUMN_COUNT);
		name = (const char *)sqlite3_column_text(list, RSM_VI_NODE_COLUMN_COUNT + 1);
		if (!key)
			return rsm_err_oom(err);
		if (!each(context, &node, name ? name : key, key))
			return 0;
	}
	return r < 0 ? r : 0;
}

static int name_of(struct rsm_volume_index *index, uint64_t id, uint64_t *ret_parent,
		   char **ret_name, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *get = rsm_vi_statement(index, RSM_VI_NAME);
	const char *name;
	char *copy;
	int r;

	rsm_vi_bind_id(get, 1, id);
	r = rsm_sqlite_step(get, err);
	if (r < 0)
		return r;
	if (r == RSM_SQLITE_DONE)
		return RSM_NODE_ABSENT;
	name = (const char *)sqlite3_column_text(get, 1);
	if (!name && id != RSM_NODE_ROOT)
		return RSM_NODE_ABSENT;
	copy = strdup(name ? name : "");
	if (!copy)
		return rsm_err_oom(err);
	*ret_parent = rsm_vi_column(get, 0);
	*ret_name = copy;
	return 0;
}

int rsm_volume_index_name(struct rsm_volume_index *index, uint64_t id, uint64_t *ret_parent,
			  char **ret_name, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);

	return name_of(index, id, ret_parent, ret_name, err);
}

static void reverse(char *text, size_t length)
{
	for (size_t i = 0; i < length / 2; i++) {
		char c = text[i];

		text[i] = text[length - 1 - i];
		text[length - 1 - i] = c;
	}
}

/* Names from the node upwards, each backwards; at the end all is turned around at once. */
int rsm_vi_path(struct rsm_volume_index *index, uint64_t id, struct rsm_text *ret_path,
		struct rsm_err *err)
{
	rsm_text_reset(ret_path);
	for (unsigned depth = 0; id != RSM_NODE_ROOT; depth++) {
		RSM_FREE char *name = NULL;
		int r = name_of(index, id, &id, &name, err);

		if (r)
			return r;
		if (depth == DEPTH_MAX)
			return rsm_err_set(err, EBADMSG, "%s: folders are in a circle",
					   index->path);
		if (depth)
			rsm_text_append(ret_path, "/", 1);
		reverse(name, strlen(name));
		rsm_text_add(ret_path, name);
	}
	if (ret_path->failed)
		return rsm_err_oom(err);
	if (ret_path->data)
		reverse(ret_path->data, ret_path->length);
	return 0;
}

int rsm_volume_index_path(struct rsm_volume_index *index, uint64_t id, char **ret_path,
			  struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_TEXT struct rsm_text path = { 0 };
	int r = rsm_vi_path(index, id, &path, err);

	return r ? r : rsm_text_take(&path, ret_path, err);
}

struct find {
	const char *pattern;
	rsm_volume_index_found *found;
	void *context;
	struct rsm_text path;
	uint64_t after;
};

enum { FIND_ENDED = 1 };

/* Looks at the next rows under the lock, which others get in between. Outcome FIND_ENDED. */
static int find_some(struct rsm_volume_index *index, struct find *find, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_SQLITE_RESET sqlite3_stmt *rows = rsm_vi_statement(index, RSM_VI_FIND);

	rsm_vi_bind_id(rows, 1, find->after);
	for (int i = 0; i < FIND_BATCH; i++) {
		struct rsm_node node;
		const char *name;
		int r = rsm_sqlite_step(rows, err);

		if (r == RSM_SQLITE_DONE)
			return FIND_ENDED;
		if (r < 0)
			return r;
		find->after = rsm_vi_column(rows, 0);
		name = (const char *)sqlite3_column_text(rows, RSM_VI_NODE_COLUMN_COUNT);
		if (!name || fnmatch(find->pattern, name, 0) != 0)
			continue;
		r = rsm_vi_node_of(rows, &node, err);
		if (r == 0)
			r = rsm_vi_path(index, node.id, &find->path, err);
		if (r < 0)
			return r;
		rsm_vi_merge_touched(index, &node);
		if (r == 0 && !find->found(find->context, &node, find->path.data))
			return FIND_ENDED;
	}
	return 0;
}

int rsm_volume_index_find(struct rsm_volume_index *index, const char *pattern,
			  rsm_volume_index_found *found, void *context, struct rsm_err *err)
{
	struct find find = { .pattern = pattern, .found = found, .context = context };
	int r;

	do
		r = find_some(index, &find, err);
	while (r == 0);
	rsm_text_fini(&find.path);
	return r == FIND_ENDED ? 0 : r;
}
