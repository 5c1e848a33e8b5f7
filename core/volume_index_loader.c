/* Loads a tree into a file of its own, in one transaction whose journal is in memory (all pages are
 * new, so there is next to nothing in it), and sorts the names once at the end. Names that are
 * taken show when the unique index cannot be made; only then they are looked for.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "core/ltfs/name.h"
#include "core/volume_index_private.h"

/* uids that are not ids; made for the loader alone and not kept */
const char rsm_vi_uid_index_sql[] =
	"CREATE INDEX IF NOT EXISTS node_uid ON node(uid) WHERE uid IS NOT NULL";

void rsm_vi_loader_close(struct rsm_index_loader *loader)
{
	sqlite3_stmt **const all[] = { &loader->insert,	 &loader->update, &loader->xattr,
				       &loader->unknown, &loader->flag,	  &loader->fact,
				       &loader->size };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		sqlite3_finalize(*all[i]);
		*all[i] = NULL;
	}
	sqlite3_finalize(loader->by_uid);
	loader->by_uid = NULL;
	for (size_t i = 0; i < RSM_VI_LOADER_CHANGES; i++) {
		sqlite3_finalize(loader->changes[i]);
		loader->changes[i] = NULL;
	}
	rsm_sqlite_close(loader->db);
	loader->db = NULL;
}

static int remove_old(const char *path, struct rsm_err *err)
{
	static const char *const ends[] = { "", "-journal", "-wal", "-shm" };

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		RSM_FREE char *name = NULL;

		if (asprintf(&name, "%s%s", path, ends[i]) < 0)
			return rsm_err_oom(err);
		if (unlink(name) < 0 && errno != ENOENT)
			return rsm_err_errno(err, "%s", name);
	}
	return 0;
}

static int prepare(struct rsm_index_loader *loader, struct rsm_err *err)
{
	const struct {
		sqlite3_stmt **statement;
		const char *sql;
	} all[] = {
		{ &loader->insert, rsm_vi_insert_sql },
		{ &loader->update,
		  "UPDATE node SET " RSM_VI_SET_FLAGS ",size=?3,mode=?4,owner=?5,grp=?6,times=?7,"
		  "data_version=?8,key=?9,name=?10,stamp=?11,"
		  /* a uid that came late, unless another node has it */
		  "uid=CASE WHEN uid=0 AND ?12<>0 AND NOT EXISTS"
		  "(SELECT 1 FROM node AS n WHERE n.id=?12 AND n.id<>node.id)"
		  " THEN nullif(?12,id) ELSE uid END WHERE id=?1" },
		{ &loader->xattr, "INSERT OR IGNORE INTO xattr VALUES(?1,?2,?3)" },
		{ &loader->unknown, "INSERT OR REPLACE INTO unknown VALUES(?1,?2)" },
		{ &loader->flag, "UPDATE node SET flags=flags|?2 WHERE id=?1 AND flags&?2=0" },
		{ &loader->fact, "INSERT OR REPLACE INTO fact VALUES(?1,?2)" },
		{ &loader->size, "SELECT kind,size,ifnull(uid,id) FROM node WHERE id=?1" },
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		int r = rsm_sqlite_prepare(loader->db, all[i].sql, all[i].statement, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int rsm_index_loader_new(const char *path, struct rsm_index_loader **ret_loader,
			 struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_loader_free) struct rsm_index_loader *loader = NULL;
	int r;

	loader = calloc(1, sizeof *loader);
	if (!loader)
		return rsm_err_oom(err);
	loader->path = strdup(path);
	if (!loader->path || asprintf(&loader->load_path, "%s.load", path) < 0) {
		loader->load_path = NULL;
		return rsm_err_oom(err);
	}
	loader->state = (struct rsm_vi_state){ .tree_version = 1, .next_id = 2, .highest_uid = 1 };
	loader->free_id = 2;
	r = remove_old(loader->load_path, err);
	if (r == 0)
		r = rsm_sqlite_open(loader->load_path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
				    &loader->db, err);
	/* sorting a million names goes to a temporary file, not to memory */
	if (r == 0)
		r = rsm_sqlite_exec(loader->db,
				    "PRAGMA page_size=4096;PRAGMA journal_mode=MEMORY;"
				    "PRAGMA synchronous=OFF;PRAGMA locking_mode=EXCLUSIVE;"
				    "PRAGMA cache_size=-4096;PRAGMA temp_store=FILE",
				    err);
	if (r == 0)
		r = rsm_sqlite_exec(loader->db, "BEGIN IMMEDIATE", err);
	if (r == 0)
		r = rsm_vi_create_tables(loader->db, err);
	if (r == 0)
		r = prepare(loader, err);
	if (r < 0)
		return r;
	*ret_loader = RSM_STEAL(loader);
	return 0;
}

void rsm_index_loader_free(struct rsm_index_loader *loader)
{
	if (!loader)
		return;
	rsm_vi_loader_close(loader);
	if (loader->load_path && !loader->finished)
		(void)!remove_old(loader->load_path, NULL);
	free(loader->path);
	free(loader->load_path);
	free(loader);
}

/* ---- nodes ---- */

int rsm_vi_loader_key(const char *name, struct rsm_vi_key *ret_key, char **ret_exact,
		      struct rsm_err *err)
{
	RSM_FREE char *fixed = NULL;
	int r;

	if (!name)
		name = "";
	if (strlen(name) > RSM_NODE_NAME_MAX)
		return rsm_err_set(err, ENAMETOOLONG, "a name has more than %d bytes",
				   RSM_NODE_NAME_MAX);
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		if (asprintf(&fixed, "%s~2", name) < 0)
			return rsm_err_oom(err);
	} else {
		fixed = strdup(name);
		if (!fixed)
			return rsm_err_oom(err);
	}
	for (char *slash = fixed; (slash = strchr(slash, '/'));)
		*slash = '_';
	r = rsm_vi_key_of(fixed, ret_key, err);
	if (r < 0)
		return r;
	*ret_exact = RSM_STEAL(fixed);
	return 0;
}

/* An id for a node whose uid is none, too great, or given already. Behind the greatest that was
 * seen as long as there is room, else whatever is free from the beginning on.
 */
static int insert_anywhere(struct rsm_index_loader *loader, struct rsm_node *node,
			   const struct rsm_vi_row *row, struct rsm_err *err)
{
	int r;

	do {
		node->id = loader->state.next_id <= RSM_VI_UID_AS_ID_MAX ? loader->state.next_id++
									 : loader->free_id++;
		if (node->id > RSM_NODE_ID_MAX)
			return rsm_err_set(err, EFBIG, "the volume has too many files");
		r = rsm_vi_insert(loader->insert, row, err);
	} while (r == -EEXIST);
	return r;
}

/* A node has the uid's id: has it the uid, or has another one it? *ret_doubled */
static int is_doubled(struct rsm_index_loader *loader, uint64_t uid, bool *ret_doubled,
		      struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *holder = loader->size;
	int r;

	rsm_vi_bind_id(holder, 1, uid);
	r = rsm_sqlite_step(holder, err);
	*ret_doubled = r == 0 && rsm_vi_column(holder, 2) == uid;
	if (r < 0 || *ret_doubled)
		return r;
	/* such nodes are few */
	if (!loader->by_uid) {
		r = rsm_sqlite_exec(loader->db, rsm_vi_uid_index_sql, err);
		if (r == 0)
			r = rsm_sqlite_prepare(loader->db,
					       "SELECT 1 FROM node INDEXED BY node_uid"
					       " WHERE uid=?1",
					       &loader->by_uid, err);
		if (r < 0)
			return r;
	}
	rsm_vi_bind_id(loader->by_uid, 1, uid);
	r = rsm_sqlite_step(loader->by_uid, err);
	sqlite3_reset(loader->by_uid);
	*ret_doubled = r == 0;
	return r < 0 ? r : 0;
}

static int insert(struct rsm_index_loader *loader, struct rsm_node *node, struct rsm_vi_row *row,
		  struct rsm_err *err)
{
	bool doubled = false;
	uint64_t uid = node->uid;
	int r = -EEXIST;

	if (uid > 1 && uid <= RSM_VI_UID_AS_ID_MAX) {
		node->id = uid;
		r = rsm_vi_insert(loader->insert, row, err);
		if (r == 0 && uid >= loader->state.next_id)
			loader->state.next_id = uid + 1;
		if (r == -EEXIST) {
			int looked = is_doubled(loader, uid, &doubled, err);

			if (looked < 0)
				return looked;
		}
		if (doubled)
			uid = 0; /* only one can keep it */
	}
	if (uid > loader->state.highest_uid)
		loader->state.highest_uid = uid;
	if (r != -EEXIST)
		return r;
	if (uid <= 1) {
		node->uid = 0;
		loader->unknown_uids++;
	}
	return insert_anywhere(loader, node, row, err);
}

int rsm_vi_loader_pack(const struct rsm_extent *extents, size_t count,
		       struct rsm_vi_packed *ret_packed, struct rsm_err *err)
{
	RSM_VI_EXTENTS struct rsm_vi_extents list = { 0 };
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = rsm_vi_extents_add(&list, &extents[i], 0, err);
	return r < 0 ? r : rsm_vi_pack_extents(&list, ret_packed, err);
}

/* Once names are settled, a second node of a name can only be one too many. */
static int refuse_taken(struct rsm_index_loader *loader, uint64_t parent, const char *name,
			struct rsm_err *err)
{
	struct rsm_node taken;
	bool placed;
	int r = rsm_index_loader_find(loader, parent, name, &taken, &placed, err);

	if (r == RSM_NODE_ABSENT)
		return 0;
	return r < 0 ? r : rsm_err_set(err, EBADMSG, "a name is there twice");
}

static int insert_root(struct rsm_index_loader *loader, struct rsm_node *node, struct rsm_err *err)
{
	struct rsm_vi_row row = { .node = node };
	int r;

	node->id = node->uid = RSM_NODE_ROOT;
	node->parent = 0;
	node->kind = RSM_NODE_FOLDER;
	r = rsm_vi_insert(loader->insert, &row, err);
	return r == -EEXIST ? rsm_err_set(err, EBADMSG, "the index has two roots") : r;
}

int rsm_index_loader_node(struct rsm_index_loader *loader, uint64_t parent, const char *name,
			  struct rsm_node *node, const char *link_target,
			  const struct rsm_extent *extents, size_t extent_count,
			  struct rsm_err *err)
{
	RSM_VI_PACKED struct rsm_vi_packed packed = { 0 };
	RSM_VI_KEY struct rsm_vi_key key = { 0 };
	RSM_FREE char *exact = NULL;
	struct rsm_node made = *node;
	struct rsm_vi_row row = { .node = &made, .target = link_target };
	struct rsm_vi_data counted = { .parent = 1, .kind = node->kind };
	int r;

	made.flags &= ~(uint32_t)(RSM_NODE_HAS_XATTRS | RSM_NODE_HAS_UNKNOWN);
	if (!parent) {
		r = insert_root(loader, &made, err);
		if (r == 0)
			*node = made;
		return r;
	}
	made.parent = parent;
	r = rsm_vi_loader_key(name, &key, &exact, err);
	if (r == 0 && loader->settled)
		r = refuse_taken(loader, parent, name, err);
	if (r == 0)
		r = rsm_vi_loader_pack(extents, extent_count, &packed, err);
	if (r < 0)
		return r;
	if (link_target)
		made.size = strlen(link_target);
	row.key = key.text;
	row.name = strcmp(exact, key.text) ? exact : NULL;
	row.extents = &packed;
	row.has_stamp = made.kind == RSM_NODE_FILE;
	row.stamp = rsm_vi_stamp(made.size, &made.times.modified);
	r = insert(loader, &made, &row, err);
	if (r < 0)
		return r;
	counted.size = made.size;
	rsm_vi_count(&loader->state, &counted, 1);
	*node = made;
	return 0;
}

int rsm_vi_loader_count_size(struct rsm_index_loader *loader, const struct rsm_node *node,
			     struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *size = loader->size;
	int r;

	rsm_vi_bind_id(size, 1, node->id);
	r = rsm_sqlite_step(size, err);
	if (r == RSM_SQLITE_DONE)
		return rsm_err_set(err, ENOENT, "node %" PRIu64 " was not loaded", node->id);
	if (r == 0 && sqlite3_column_int(size, 0) == RSM_NODE_FILE)
		loader->state.totals.file_bytes += node->size - rsm_vi_column(size, 1);
	return r;
}

int rsm_index_loader_update(struct rsm_index_loader *loader, const struct rsm_node *node,
			    const char *name, struct rsm_err *err)
{
	RSM_VI_KEY struct rsm_vi_key key = { 0 };
	RSM_FREE char *exact = NULL;
	uint8_t times[RSM_VI_TIMES_MAX];
	bool root = node->id == RSM_NODE_ROOT;
	int r;

	r = root ? 0 : rsm_vi_loader_key(name, &key, &exact, err);
	if (r == 0)
		r = rsm_vi_loader_count_size(loader, node, err);
	if (r < 0)
		return r;
	rsm_vi_bind_node(loader->update, node, times);
	sqlite3_bind_text(loader->update, 9, root ? NULL : key.text, -1, SQLITE_STATIC);
	sqlite3_bind_text(loader->update, 10, root || strcmp(exact, key.text) == 0 ? NULL : exact,
			  -1, SQLITE_STATIC);
	if (node->kind == RSM_NODE_FILE)
		sqlite3_bind_int64(loader->update, 11,
				   rsm_vi_stamp(node->size, &node->times.modified));
	else
		sqlite3_bind_null(loader->update, 11);
	rsm_vi_bind_id(loader->update, 12, node->uid);
	if (node->uid > loader->state.highest_uid)
		loader->state.highest_uid = node->uid;
	return rsm_sqlite_run(loader->update, err);
}

static int set_flag(struct rsm_index_loader *loader, uint64_t id, uint32_t flag,
		    struct rsm_err *err)
{
	rsm_vi_bind_id(loader->flag, 1, id);
	rsm_vi_bind_id(loader->flag, 2, flag);
	return rsm_sqlite_run(loader->flag, err);
}

int rsm_index_loader_xattr(struct rsm_index_loader *loader, uint64_t id, const char *key,
			   const void *value, size_t length, struct rsm_err *err)
{
	int r;

	rsm_vi_bind_id(loader->xattr, 1, id);
	sqlite3_bind_text(loader->xattr, 2, key, -1, SQLITE_STATIC);
	sqlite3_bind_blob64(loader->xattr, 3, length ? value : "", length, SQLITE_STATIC);
	r = rsm_sqlite_run(loader->xattr, err);
	return r < 0 ? r : set_flag(loader, id, RSM_NODE_HAS_XATTRS, err);
}

int rsm_index_loader_unknown(struct rsm_index_loader *loader, uint64_t id, const char *xml,
			     struct rsm_err *err)
{
	int r;

	rsm_vi_bind_id(loader->unknown, 1, id);
	sqlite3_bind_text(loader->unknown, 2, xml, -1, SQLITE_STATIC);
	r = rsm_sqlite_run(loader->unknown, err);
	return r < 0 ? r : set_flag(loader, id, RSM_NODE_HAS_UNKNOWN, err);
}

int rsm_index_loader_set_fact(struct rsm_index_loader *loader, const char *key, const char *value,
			      struct rsm_err *err)
{
	sqlite3_bind_text(loader->fact, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(loader->fact, 2, value ? value : "", -1, SQLITE_STATIC);
	return rsm_sqlite_run(loader->fact, err);
}

/* ---- the end ---- */

/* The later ones of a name become "NAME~2" ... The list of them is taken from an index that allows
 * them; a row that is renamed leaves it, and each is looked for from the last number on.
 */
static int rename_one(sqlite3_stmt *taken, sqlite3_stmt *rename, uint64_t id, uint64_t parent,
		      const char *key, uint64_t *number, struct rsm_err *err)
{
	int r;

	for (;;) {
		RSM_FREE char *name = NULL;

		if (asprintf(&name, "%s~%" PRIu64, key, ++*number) < 0)
			return rsm_err_oom(err);
		rsm_vi_bind_id(taken, 1, parent);
		sqlite3_bind_text(taken, 2, name, -1, SQLITE_STATIC);
		r = rsm_sqlite_step(taken, err);
		sqlite3_reset(taken);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		rsm_vi_bind_id(rename, 1, id);
		sqlite3_bind_text(rename, 2, name, -1, SQLITE_STATIC);
		return rsm_sqlite_run(rename, err);
	}
}

struct statements {
	sqlite3_stmt *rows, *taken, *rename;
};

static void finalize_all(struct statements *s)
{
	sqlite3_finalize(s->rows);
	sqlite3_finalize(s->taken);
	sqlite3_finalize(s->rename);
}

static int rename_taken(sqlite3 *db, struct rsm_err *err)
{
	__attribute__((cleanup(finalize_all))) struct statements s = { 0 };
	RSM_FREE char *key = NULL;
	uint64_t parent = 0, number = 1;
	int r;

	r = rsm_sqlite_exec(db,
			    "CREATE INDEX taken ON node(parent, key);"
			    "CREATE TEMP TABLE later AS SELECT id,parent,key FROM"
			    " (SELECT id,parent,key,row_number() OVER"
			    "  (PARTITION BY parent,key ORDER BY id) AS n FROM node"
			    "  WHERE key IS NOT NULL) WHERE n>1",
			    err);
	if (r == 0)
		r = rsm_sqlite_prepare(db, "SELECT id,parent,key FROM later ORDER BY parent,key,id",
				       &s.rows, err);
	if (r == 0)
		r = rsm_sqlite_prepare(db, "SELECT 1 FROM node WHERE parent=?1 AND key=?2 LIMIT 1",
				       &s.taken, err);
	if (r == 0)
		r = rsm_sqlite_prepare(db, "UPDATE node SET key=?2,name=NULL WHERE id=?1",
				       &s.rename, err);
	while (r == 0 && (r = rsm_sqlite_step(s.rows, err)) == 0) {
		const char *now = (const char *)sqlite3_column_text(s.rows, 2);

		if (!now)
			return rsm_err_oom(err);
		if (!key || parent != rsm_vi_column(s.rows, 1) || strcmp(key, now) != 0) {
			free(key);
			key = strdup(now);
			if (!key)
				return rsm_err_oom(err);
			parent = rsm_vi_column(s.rows, 1);
			number = 1;
		}
		r = rename_one(s.taken, s.rename, rsm_vi_column(s.rows, 0), parent, key, &number,
			       err);
	}
	sqlite3_reset(s.rows);
	return r < 0 ? r : rsm_sqlite_exec(db, "DROP TABLE later;DROP INDEX taken", err);
}

static int give_uids(struct rsm_index_loader *loader, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *rows = NULL, *set = NULL;
	int r;

	if (!loader->unknown_uids)
		return 0;
	if (loader->state.highest_uid > UINT64_MAX - loader->unknown_uids - 1)
		return rsm_err_set(err, EBADMSG, "the index leaves no file numbers to give");
	r = rsm_sqlite_exec(loader->db,
			    "DROP TABLE IF EXISTS temp.numberless;"
			    "CREATE TEMP TABLE numberless AS SELECT id FROM node WHERE uid=0",
			    err);
	if (r == 0)
		r = rsm_sqlite_prepare(loader->db, "SELECT id FROM numberless", &rows, err);
	if (r == 0)
		r = rsm_sqlite_prepare(loader->db, "UPDATE node SET uid=?2 WHERE id=?1", &set, err);
	while (r == 0 && (r = rsm_sqlite_step(rows, err)) == 0) {
		rsm_vi_bind_id(set, 1, rsm_vi_column(rows, 0));
		rsm_vi_bind_id(set, 2, ++loader->state.highest_uid);
		r = rsm_sqlite_run(set, err);
	}
	loader->unknown_uids = 0;
	return r < 0 ? r : 0;
}

static int check_root(struct rsm_index_loader *loader, struct rsm_err *err)
{
	sqlite3_int64 roots;
	int r;

	r = rsm_sqlite_number(loader->db, "SELECT count(*) FROM node WHERE id=1", &roots, err);
	if (r == 0 && !roots)
		return rsm_err_set(err, EBADMSG, "the index has no root folder");
	return r;
}

static int write_state(struct rsm_index_loader *loader, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *statement = NULL;
	int r;

	loader->state.indexed_version = loader->state.tree_version;
	r = rsm_sqlite_prepare(loader->db, rsm_vi_write_state_sql, &statement, err);
	if (r < 0)
		return r;
	return rsm_vi_write_state_of(statement, &loader->state, true, err);
}

int rsm_vi_sync_file(const char *path, struct rsm_err *err)
{
	RSM_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return rsm_err_errno(err, "%s", path);
	return 0;
}

int rsm_vi_loader_settle(struct rsm_index_loader *loader, struct rsm_err *err)
{
	int r = check_root(loader, err);

	if (r == 0)
		r = give_uids(loader, err);
	if (r < 0 || loader->settled)
		return r;
	r = rsm_vi_create_name_index(loader->db, err);
	if (r == -EEXIST) {
		r = rename_taken(loader->db, err);
		if (r == 0)
			r = rsm_vi_create_name_index(loader->db, err);
	}
	loader->settled = r == 0;
	return r;
}

int rsm_index_loader_finish(struct rsm_index_loader *loader, uint64_t highest_uid,
			    struct rsm_err *err)
{
	int r;

	if (highest_uid > loader->state.highest_uid)
		loader->state.highest_uid = highest_uid;
	r = rsm_vi_loader_settle(loader, err);
	/* statements that use it would have to be made anew */
	sqlite3_finalize(loader->by_uid);
	loader->by_uid = NULL;
	if (r == 0)
		r = rsm_sqlite_exec(loader->db, "DROP INDEX IF EXISTS node_uid", err);
	if (r == 0)
		r = rsm_vi_create_data_indexes(loader->db, err);
	if (r == 0)
		r = write_state(loader, err);
	if (r == 0)
		r = rsm_sqlite_exec(loader->db, "COMMIT", err);
	if (r == 0)
		r = rsm_vi_sync_file(loader->load_path, err);
	loader->finished = r == 0;
	return r;
}
