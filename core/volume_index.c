#include "core/volume_index.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "core/volume_index_private.h"

/* ---- transactions ---- */

static uint64_t greater(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Some errors (disk full) take the whole transaction back: then memory goes back as well, but for
 * the numbers. What has been given out is known by its id to whoever has it open, and a version to
 * whoever looked at the tree: neither is given a second time.
 */
static void notice_rollback(struct rsm_volume_index *index)
{
	struct rsm_vi_state given = index->state;

	if (!index->db || !index->in_transaction || !sqlite3_get_autocommit(index->db))
		return;
	index->in_transaction = false;
	index->state = index->saved;
	index->state.next_id = greater(index->state.next_id, given.next_id);
	index->state.highest_uid = greater(index->state.highest_uid, given.highest_uid);
	index->state.tree_version = greater(index->state.tree_version, given.tree_version);
	index->state.last_close_order =
		greater(index->state.last_close_order, given.last_close_order);
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
	index->unsynced = true;
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
	index->unsynced = false;
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

int rsm_volume_index_sync(struct rsm_volume_index *index, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);

	if (!index->db)
		return rsm_sqlite_run(NULL, err);
	return index->unsynced ? sync_wal(index, err) : 0;
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

/* A row is about a third of its element; what rows have beyond the usual is text, or an attribute
 * that grows by a third. Many extents make an element longer than that: what the last index took
 * (fact index_bytes) is the least.
 */
uint64_t rsm_volume_index_document_bytes(struct rsm_volume_index *index)
{
	enum { PAGE = 4096, EMPTY = 192 * 1024, USUAL_ROW = 256 };
	uint64_t nodes, bytes, usual, last = 0;
	sqlite3_int64 pages = 0, unused = 0;

	if (rsm_volume_index_get_number(index, "index_bytes", &last, 0, NULL) < 0)
		last = 0;
	RSM_LOCK_SCOPE(&index->lock);
	nodes = index->state.totals.folders + index->state.totals.files +
		index->state.totals.links + 1;
	bytes = nodes * RSM_INDEX_NODE_BYTES;
	usual = EMPTY + nodes * USUAL_ROW;
	if (index->db && rsm_sqlite_number(index->db, "PRAGMA page_count", &pages, NULL) == 0 &&
	    rsm_sqlite_number(index->db, "PRAGMA freelist_count", &unused, NULL) == 0 &&
	    (uint64_t)(pages - unused) * PAGE > usual)
		bytes += ((uint64_t)(pages - unused) * PAGE - usual) * 3 / 2;
	return bytes > last ? bytes : last;
}

int rsm_volume_index_totals(struct rsm_volume_index *index, struct rsm_volume_totals *ret_totals,
			    struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);

	(void)err;
	*ret_totals = index->state.totals;
	return 0;
}
