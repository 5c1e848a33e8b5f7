/* One row a node holds nearly all that is known of it, its staged ranges and extents packed
 * (volume_index_record.c): creating, writing and closing a file dirties the leaf of its row, the
 * leaf of its name and the end of the queue, and a commit costs what it dirties.
 *
 * The table `queue` and the partial index `node_unindexed` hold only files that still have
 * something to happen to them, so that what has to be done after a migration or an index is
 * proportional to what changed and never to the size of the tree.
 *
 * Numbers that grow with every change (versions, ids) and totals are kept in memory. The first
 * change after a clean state reserves the numbers ahead in the file; an open that finds the state
 * not clean goes on from the reserved ones and counts the totals again by one scan.
 */
#include "core/volume_index_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { LOG_RESERVE = 2 << 20 };

static const char tables[] =
	"CREATE TABLE node("
	" id INTEGER PRIMARY KEY,"
	" parent INTEGER NOT NULL," /* 0: the root, an orphan */
	" key TEXT,"		    /* NFC name; NULL: the root, an orphan */
	" name TEXT,"		    /* exact name, NULL if equal to key */
	" kind INTEGER NOT NULL,"
	" flags INTEGER NOT NULL,"
	" uid INTEGER," /* NULL if equal to id */
	" size INTEGER NOT NULL,"
	" mode INTEGER NOT NULL,"
	" owner INTEGER NOT NULL,"
	" grp INTEGER NOT NULL,"
	" times BLOB NOT NULL,"
	" data_version INTEGER NOT NULL,"
	" born INTEGER NOT NULL," /* tree version of its making; 0: it came from a medium */
	" stamp INTEGER,"	  /* of the medium's copy (rsm_vi_stamp), NULL: none known */
	" close_order INTEGER NOT NULL,"
	" written INTEGER NOT NULL,"   /* tree version when all that is staged was written; or 0 */
	" unindexed INTEGER NOT NULL," /* greatest version of its extents; 0: an index has all */
	" staged BLOB, extents BLOB,"
	" target TEXT) STRICT;"
	"CREATE TABLE xattr(id INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,"
	" PRIMARY KEY(id, key)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE unknown(id INTEGER PRIMARY KEY, xml TEXT NOT NULL) STRICT;"
	/* what waits for its migration, by volume_index_queue.c */
	"CREATE TABLE queue(close_order INTEGER NOT NULL, id INTEGER NOT NULL,"
	" PRIMARY KEY(close_order, id)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE fact(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE state(id INTEGER PRIMARY KEY, clean INTEGER NOT NULL,"
	" tree_version INTEGER NOT NULL, indexed_version INTEGER NOT NULL,"
	" next_id INTEGER NOT NULL, highest_uid INTEGER NOT NULL,"
	" last_close_order INTEGER NOT NULL,"
	" folders INTEGER NOT NULL, files INTEGER NOT NULL, links INTEGER NOT NULL,"
	" file_bytes INTEGER NOT NULL, staged_bytes INTEGER NOT NULL,"
	" staged_files INTEGER NOT NULL) STRICT;";

const char rsm_vi_write_state_sql[] =
	"INSERT OR REPLACE INTO state VALUES(1,?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)";

const char rsm_vi_insert_sql[] =
	"INSERT INTO node(id,parent,key,name,kind,flags,uid,size,mode,owner,grp,times,data_version,"
	"born,stamp,close_order,written,unindexed,staged,extents,target)"
	" VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21)";

#define SET_NODE RSM_VI_SET_FLAGS ",size=?3,mode=?4,owner=?5,grp=?6,times=?7,data_version=?8"

static const char *const texts[RSM_VI_STATEMENTS] = {
	[RSM_VI_BEGIN] = "BEGIN IMMEDIATE",
	[RSM_VI_COMMIT] = "COMMIT",
	[RSM_VI_SAVEPOINT] = "SAVEPOINT call",
	[RSM_VI_RELEASE] = "RELEASE call",
	[RSM_VI_ROLLBACK_TO] = "ROLLBACK TO call",
	[RSM_VI_WRITE_STATE] = rsm_vi_write_state_sql,
	[RSM_VI_GET_FACT] = "SELECT value FROM fact WHERE key=?1",
	[RSM_VI_SET_FACT] = "INSERT OR REPLACE INTO fact VALUES(?1,?2)",
	[RSM_VI_DELETE_FACT] = "DELETE FROM fact WHERE key=?1",
	[RSM_VI_GET] = "SELECT " RSM_VI_NODE_COLUMNS " FROM node WHERE id=?1",
	[RSM_VI_LOOKUP] = "SELECT " RSM_VI_NODE_COLUMNS ",ifnull(name,key) FROM node"
			  " WHERE parent=?1 AND key=?2",
	[RSM_VI_LIST] = "SELECT " RSM_VI_NODE_COLUMNS ",key,name FROM node INDEXED BY node_name"
			" WHERE parent=?1 AND key>?2 ORDER BY key",
	[RSM_VI_NAME] = "SELECT parent,ifnull(name,key) FROM node WHERE id=?1",
	[RSM_VI_FIND] = "SELECT " RSM_VI_NODE_COLUMNS ",ifnull(name,key) FROM node WHERE id>?1"
			" ORDER BY id",
	[RSM_VI_HAS_CHILD] = "SELECT 1 FROM node INDEXED BY node_name WHERE parent=?1 LIMIT 1",
	[RSM_VI_CREATE] = rsm_vi_insert_sql,
	[RSM_VI_DELETE] = "DELETE FROM node WHERE id=?1",
	[RSM_VI_DELETE_XATTRS] = "DELETE FROM xattr WHERE id=?1",
	[RSM_VI_DELETE_UNKNOWN] = "DELETE FROM unknown WHERE id=?1",
	[RSM_VI_MOVE] = "UPDATE node SET parent=?2,key=?3,name=?4 WHERE id=?1",
	[RSM_VI_UPDATE] = "UPDATE node SET " SET_NODE " WHERE id=?1",
	[RSM_VI_TARGET] = "SELECT target FROM node WHERE id=?1",
	[RSM_VI_GET_XATTR] = "SELECT value FROM xattr WHERE id=?1 AND key=?2",
	[RSM_VI_SET_XATTR] = "INSERT OR REPLACE INTO xattr VALUES(?1,?2,?3)",
	[RSM_VI_DELETE_XATTR] = "DELETE FROM xattr WHERE id=?1 AND key=?2",
	[RSM_VI_DELETE_HASHES] = "DELETE FROM xattr WHERE id=?1 AND key>='ltfs.hash.'"
				 " AND key<'ltfs.hash/' OR id=?1 AND key='" RSM_DIGEST_PLACE "'",
	[RSM_VI_LIST_XATTRS] = "SELECT key FROM xattr WHERE id=?1 ORDER BY key",
	[RSM_VI_HAS_XATTR] = "SELECT 1 FROM xattr WHERE id=?1 LIMIT 1",
	[RSM_VI_SET_FLAG] = "UPDATE node SET flags=(flags & ~?2)|?3 WHERE id=?1",
	[RSM_VI_GET_DATA] = "SELECT " RSM_VI_DATA_COLUMNS " FROM node WHERE id=?1",
	[RSM_VI_SET_DATA] = "UPDATE node SET size=?2,close_order=?3,written=?4,unindexed=?5,"
			    "stamp=?6,staged=?7,extents=?8 WHERE id=?1",
	[RSM_VI_STAGE] = "UPDATE node SET " SET_NODE ",staged=?9,close_order=?10,written=?11"
			 " WHERE id=?1",
	[RSM_VI_QUEUE_PUT] = "INSERT OR IGNORE INTO queue VALUES(?1,?2)",
	[RSM_VI_QUEUE_TAKE] = "DELETE FROM queue WHERE close_order=?1 AND id=?2",
	[RSM_VI_QUEUE_NEXT] = "SELECT close_order,id FROM queue WHERE close_order>?1"
			      " ORDER BY close_order,id LIMIT 1",
	[RSM_VI_QUEUE_SEARCH] = "SELECT close_order,id FROM node WHERE close_order>?1"
				" AND parent<>0 AND staged IS NOT NULL AND written=0"
				" ORDER BY close_order,id LIMIT 1",
	[RSM_VI_FIRST_UNINDEXED] = "SELECT id FROM node INDEXED BY node_unindexed"
				   " WHERE unindexed>0 ORDER BY unindexed,id LIMIT 1",
};

int rsm_vi_create_tables(sqlite3 *db, struct rsm_err *err)
{
	char pragmas[96];
	int r;

	snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d;PRAGMA user_version=%d",
		 RSM_VI_APPLICATION, RSM_VI_SCHEMA);
	r = rsm_sqlite_exec(db, tables, err);
	if (r == 0)
		r = rsm_sqlite_exec(db, pragmas, err);
	return r;
}

int rsm_vi_create_name_index(sqlite3 *db, struct rsm_err *err)
{
	return rsm_sqlite_exec(db, "CREATE UNIQUE INDEX node_name ON node(parent, key)", err);
}

int rsm_vi_create_data_indexes(sqlite3 *db, struct rsm_err *err)
{
	return rsm_sqlite_exec(
		db, "CREATE INDEX node_unindexed ON node(unindexed) WHERE unindexed>0", err);
}

int rsm_vi_write_state_of(sqlite3_stmt *statement, const struct rsm_vi_state *state, bool clean,
			  struct rsm_err *err)
{
	const uint64_t numbers[] = {
		clean,
		state->tree_version,
		state->indexed_version,
		state->next_id,
		state->highest_uid,
		state->last_close_order,
		state->totals.folders,
		state->totals.files,
		state->totals.links,
		state->totals.file_bytes,
		state->totals.staged_bytes,
		state->totals.staged_files,
	};

	for (int i = 0; i < (int)(sizeof numbers / sizeof *numbers); i++)
		rsm_vi_bind_id(statement, i + 1, numbers[i]);
	return rsm_sqlite_run(statement, err);
}

int rsm_vi_write_state(struct rsm_volume_index *index, bool clean, struct rsm_err *err)
{
	struct rsm_vi_state state = index->state;
	int r;

	if (clean) {
		r = rsm_vi_queue_flush(index, err);
		if (r < 0)
			return r;
	} else {
		state.tree_version += RSM_VI_VERSION_STEP;
		state.next_id += RSM_VI_ID_STEP;
		if (state.highest_uid <= UINT64_MAX - RSM_VI_ID_STEP)
			state.highest_uid += RSM_VI_ID_STEP;
	}
	r = rsm_vi_write_state_of(rsm_vi_statement(index, RSM_VI_WRITE_STATE), &state, clean, err);
	if (r < 0)
		return r;
	index->clean = clean;
	index->version_limit = state.tree_version;
	index->id_limit = state.next_id;
	return 0;
}

int rsm_vi_insert(sqlite3_stmt *statement, const struct rsm_vi_row *row, struct rsm_err *err)
{
	const struct rsm_node *node = row->node;
	uint8_t times[RSM_VI_TIMES_MAX];
	size_t length = rsm_vi_pack_times(&node->times, times);

	rsm_vi_bind_id(statement, 1, node->id);
	rsm_vi_bind_id(statement, 2, node->parent);
	sqlite3_bind_text(statement, 3, row->key, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 4, row->name, -1, SQLITE_STATIC);
	sqlite3_bind_int(statement, 5, (int)node->kind);
	rsm_vi_bind_id(statement, 6, node->flags);
	if (node->uid == node->id)
		sqlite3_bind_null(statement, 7);
	else
		rsm_vi_bind_id(statement, 7, node->uid);
	rsm_vi_bind_id(statement, 8, node->size);
	rsm_vi_bind_id(statement, 9, node->mode);
	rsm_vi_bind_id(statement, 10, node->owner);
	rsm_vi_bind_id(statement, 11, node->group);
	sqlite3_bind_blob(statement, 12, times, (int)length, SQLITE_STATIC);
	rsm_vi_bind_id(statement, 13, node->data_version);
	rsm_vi_bind_id(statement, 14, row->born);
	if (row->has_stamp)
		sqlite3_bind_int64(statement, 15, row->stamp);
	else
		sqlite3_bind_null(statement, 15);
	rsm_vi_bind_id(statement, 16, row->close_order);
	rsm_vi_bind_id(statement, 17, row->written);
	rsm_vi_bind_id(statement, 18, row->unindexed);
	if (row->staged)
		rsm_vi_bind_packed(statement, 19, row->staged);
	else
		sqlite3_bind_null(statement, 19);
	if (row->extents)
		rsm_vi_bind_packed(statement, 20, row->extents);
	else
		sqlite3_bind_null(statement, 20);
	sqlite3_bind_text(statement, 21, row->target, -1, SQLITE_STATIC);
	return rsm_sqlite_run(statement, err);
}

void rsm_vi_bind_node(sqlite3_stmt *update, const struct rsm_node *node,
		      uint8_t times[RSM_VI_TIMES_MAX])
{
	size_t length = rsm_vi_pack_times(&node->times, times);

	rsm_vi_bind_id(update, 1, node->id);
	rsm_vi_bind_id(update, 2, node->flags);
	rsm_vi_bind_id(update, 3, node->size);
	rsm_vi_bind_id(update, 4, node->mode);
	rsm_vi_bind_id(update, 5, node->owner);
	rsm_vi_bind_id(update, 6, node->group);
	sqlite3_bind_blob(update, 7, times, (int)length, SQLITE_STATIC);
	rsm_vi_bind_id(update, 8, node->data_version);
}

/* ---- opening ---- */

static int check_file(sqlite3 *db, const char *path, bool *ret_empty, struct rsm_err *err)
{
	sqlite3_int64 application, version, objects;
	int r;

	r = rsm_sqlite_number(db, "SELECT count(*) FROM sqlite_schema", &objects, err);
	if (r == 0)
		r = rsm_sqlite_number(db, "PRAGMA application_id", &application, err);
	if (r == 0)
		r = rsm_sqlite_number(db, "PRAGMA user_version", &version, err);
	if (r < 0)
		return r;
	*ret_empty = objects == 0 && application == 0 && version == 0;
	if (*ret_empty)
		return 0;
	if (application != RSM_VI_APPLICATION)
		return rsm_err_set(err, EBADMSG, "%s is not a volume index", path);
	if (version > RSM_VI_SCHEMA)
		return rsm_err_set(err, EBADMSG,
				   "%s was made by a newer rsmfs (schema %lld, known are 1 to %d)",
				   path, version, RSM_VI_SCHEMA);
	if (version < 1)
		return rsm_err_set(err, EBADMSG, "%s has no valid schema version", path);
	return 0;
}

static int use_wal(sqlite3 *db, const char *path, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *statement = NULL;
	const unsigned char *mode;
	int r;

	r = rsm_sqlite_prepare(db, "PRAGMA journal_mode=WAL", &statement, err);
	if (r == 0)
		r = rsm_sqlite_step(statement, err);
	if (r < 0)
		return r;
	mode = r == 0 ? sqlite3_column_text(statement, 0) : NULL;
	if (!mode || strcmp((const char *)mode, "wal") != 0)
		return rsm_err_set(err, EOPNOTSUPP,
				   "%s: the file system cannot hold a database with a log", path);
	return 0;
}

static int create(sqlite3 *db, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *insert = NULL;
	struct rsm_node root = { .id = RSM_NODE_ROOT, .kind = RSM_NODE_FOLDER, .uid = 1 };
	struct rsm_vi_row row = { .node = &root };
	struct timespec now;
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	root.times = (struct rsm_node_times){ now, now, now, now, now };
	r = rsm_sqlite_exec(db, "BEGIN IMMEDIATE", err);
	if (r == 0)
		r = rsm_vi_create_tables(db, err);
	if (r == 0)
		r = rsm_vi_create_name_index(db, err);
	if (r == 0)
		r = rsm_vi_create_data_indexes(db, err);
	if (r == 0)
		r = rsm_sqlite_prepare(db, rsm_vi_insert_sql, &insert, err);
	if (r == 0)
		r = rsm_vi_insert(insert, &row, err);
	if (r == 0)
		r = rsm_sqlite_exec(db, "INSERT INTO state VALUES(1,1,1,0,2,1,0,0,0,0,0,0,0)", err);
	if (r == 0)
		r = rsm_sqlite_exec(db, "COMMIT", err);
	return r;
}

int rsm_vi_drop_logs(const char *path, struct rsm_err *err)
{
	static const char *const ends[] = { "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		RSM_FREE char *name = NULL;

		if (asprintf(&name, "%s%s", path, ends[i]) < 0) {
			name = NULL;
			return rsm_err_oom(err);
		}
		if (unlink(name) < 0 && errno != ENOENT)
			return rsm_err_errno(err, "%s", name);
	}
	return 0;
}

static int make_database(const char *path, struct rsm_err *err)
{
	RSM_SQLITE_CLOSE sqlite3 *db = NULL;
	int r = rsm_sqlite_open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db, err);

	if (r == 0)
		r = rsm_sqlite_exec(db,
				    "PRAGMA page_size=4096;PRAGMA journal_mode=OFF;"
				    "PRAGMA synchronous=OFF;PRAGMA locking_mode=EXCLUSIVE",
				    err);
	return r < 0 ? r : create(db, err);
}

/* Whole, on the disk, and then under its name, which is durable with the first commit that has to
 * be. SQLite itself syncs five times before an empty file is a database with a log.
 */
static int make_file(const char *path, struct rsm_err *err)
{
	enum {
		VERSIONS = 18
	}; /* of who may write and read it; 2: with a log (fileformat2 1.3.3) */
	RSM_FREE char *fresh = NULL;
	RSM_CLOSE int fd = -1;
	int r;

	if (asprintf(&fresh, "%s.new", path) < 0) {
		fresh = NULL;
		return rsm_err_oom(err);
	}
	if (unlink(fresh) < 0 && errno != ENOENT)
		return rsm_err_errno(err, "%s", fresh);
	r = make_database(fresh, err);
	if (r == 0)
		r = rsm_vi_drop_logs(path, err); /* of one that somebody took away */
	if (r < 0)
		return r;
	fd = open(fresh, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return rsm_err_errno(err, "%s", fresh);
	r = rsm_file_write_at(fd, "\2\2", 2, VERSIONS);
	if (r < 0 || fsync(fd) < 0 || rename(fresh, path) < 0)
		return rsm_err_errno(err, "%s", fresh);
	return 0;
}

static int read_state(struct rsm_volume_index *index, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *row = NULL;
	struct rsm_vi_state *state = &index->state;
	sqlite3_int64 block_size;
	int r;

	r = rsm_sqlite_prepare(index->db, "SELECT * FROM state WHERE id=1", &row, err);
	if (r == 0)
		r = rsm_sqlite_step(row, err);
	if (r < 0)
		return r;
	if (r == RSM_SQLITE_DONE)
		return rsm_err_set(err, EBADMSG, "%s has no state", index->path);
	index->clean = rsm_vi_column(row, 1);
	*state = (struct rsm_vi_state){
		.tree_version = rsm_vi_column(row, 2),
		.indexed_version = rsm_vi_column(row, 3),
		.next_id = rsm_vi_column(row, 4),
		.highest_uid = rsm_vi_column(row, 5),
		.last_close_order = rsm_vi_column(row, 6),
		.totals = { .folders = rsm_vi_column(row, 7),
			    .files = rsm_vi_column(row, 8),
			    .links = rsm_vi_column(row, 9),
			    .file_bytes = rsm_vi_column(row, 10),
			    .staged_bytes = rsm_vi_column(row, 11),
			    .staged_files = rsm_vi_column(row, 12) },
	};
	index->version_limit = state->tree_version;
	index->id_limit = state->next_id;
	r = rsm_sqlite_number(index->db,
			      "SELECT ifnull((SELECT CAST(value AS INTEGER) FROM fact"
			      " WHERE key='block_size'),0)",
			      &block_size, err);
	state->block_size = r == 0 && block_size > 0 ? (uint64_t)block_size : RSM_VI_BLOCK_SIZE;
	return r;
}

/* The process died with changes behind the last clean state: counts everything again. */
static int count_again(struct rsm_volume_index *index, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *row = NULL;
	struct rsm_vi_state *state = &index->state;
	int r;

	state->totals = (struct rsm_volume_totals){ 0 };
	r = rsm_sqlite_prepare(index->db,
			       "SELECT kind,size,close_order,written,staged FROM node"
			       " WHERE parent<>0",
			       &row, err);
	while (r == 0 && (r = rsm_sqlite_step(row, err)) == 0) {
		struct rsm_vi_data data = {
			.parent = 1,
			.kind = (enum rsm_node_kind)sqlite3_column_int(row, 0),
			.size = rsm_vi_column(row, 1),
			.written = rsm_vi_column(row, 3),
		};
		uint64_t order = rsm_vi_column(row, 2);

		if (sqlite3_column_type(row, 4) == SQLITE_BLOB)
			data.staged_bytes = rsm_vi_sum_ranges(sqlite3_column_blob(row, 4),
							      (size_t)sqlite3_column_bytes(row, 4));
		rsm_vi_count(state, &data, 1);
		if (order > state->last_close_order)
			state->last_close_order = order;
	}
	return r < 0 ? r : 0;
}

/* Orphans go: whoever had them is dead. */
static int drop_orphans(struct rsm_volume_index *index, struct rsm_err *err)
{
	static const char orphans[] = "(SELECT id FROM node WHERE parent=0 AND id<>1)";
	char sql[512];
	sqlite3_int64 any;
	int r;

	r = rsm_sqlite_number(
		index->db, "SELECT EXISTS(SELECT 1 FROM node WHERE parent=0 AND id<>1)", &any, err);
	if (r < 0 || !any)
		return r;
	snprintf(sql, sizeof sql,
		 "BEGIN IMMEDIATE;DELETE FROM xattr WHERE id IN %s;DELETE FROM unknown WHERE id IN "
		 "%s;DELETE FROM node WHERE parent=0 AND id<>1;COMMIT",
		 orphans, orphans);
	return rsm_sqlite_exec(index->db, sql, err);
}

/* What was staged of files that were open when the process died is queued: nobody writes now. */
static int queue_open_files(struct rsm_volume_index *index, struct rsm_err *err)
{
	uint64_t order = index->state.last_close_order;
	sqlite3_int64 count;
	char sql[512];
	int r;

	r = rsm_sqlite_number(index->db, "SELECT count(*) FROM queue WHERE close_order=0", &count,
			      err);
	if (r < 0 || !count)
		return r;
	snprintf(sql, sizeof sql,
		 "BEGIN IMMEDIATE;"
		 "INSERT INTO queue SELECT %" PRIu64
		 "+row_number() OVER (ORDER BY id),id FROM queue"
		 " WHERE close_order=0;"
		 "DELETE FROM queue WHERE close_order=0;"
		 "UPDATE node SET close_order=q.close_order FROM queue q"
		 " WHERE q.close_order>%" PRIu64 " AND node.id=q.id;"
		 "COMMIT",
		 order, order);
	r = rsm_sqlite_exec(index->db, sql, err);
	if (r == 0)
		index->state.last_close_order += (uint64_t)count;
	return r;
}

static int check_tables(struct rsm_volume_index *index, struct rsm_err *err)
{
	for (int i = 0; i < RSM_VI_STATEMENTS; i++) {
		int r = rsm_sqlite_prepare(index->db, texts[i], &index->statements[i], err);

		if (r == -ENOMEM || r == -EBADMSG || r == -EBUSY)
			return r;
		if (r < 0) /* "no such table": somebody else's, or damaged */
			return rsm_err_set(err, EBADMSG, "%s: %s", index->path,
					   sqlite3_errmsg(index->db));
	}
	return 0;
}

/* Room for the commits that close what is open when somebody else fills the disk to the last byte.
 * It is behind the end of the file, so SQLite does not see it before it writes there. No more than
 * a help: where it cannot be had, a commit that fails is repeated later. (No lock of SQLite's is on
 * this file, so that closing it lets go of none.)
 */
static void reserve_log(const struct rsm_volume_index *index)
{
	RSM_CLOSE int fd = -1;
	char path[4200];

	if (snprintf(path, sizeof path, "%s-wal", index->path) >= (int)sizeof path)
		return;
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOG_RESERVE) < 0)
		return;
}

int rsm_vi_open_database(struct rsm_volume_index *index, bool first, struct rsm_err *err)
{
	bool empty;
	int r;

	r = access(index->path, F_OK) < 0 && errno == ENOENT ? make_file(index->path, err) : 0;
	if (r == 0)
		r = rsm_sqlite_open(index->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
				    &index->db, err);
	if (r == 0)
		r = check_file(index->db, index->path, &empty, err);
	if (r == 0)
		r = rsm_sqlite_exec(index->db,
				    "PRAGMA page_size=4096;PRAGMA cache_size=-4096;"
				    "PRAGMA temp_store=MEMORY;PRAGMA mmap_size=0",
				    err);
	if (r == 0)
		r = use_wal(index->db, index->path, err);
	if (r == 0)
		r = rsm_sqlite_exec(index->db,
				    "PRAGMA synchronous=NORMAL;PRAGMA wal_autocheckpoint=4000;"
				    "PRAGMA journal_size_limit=33554432",
				    err);
	if (r == 0 && empty)
		r = create(index->db, err);
	if (r == 0)
		r = check_tables(index, err);
	if (r == 0)
		r = read_state(index, err);
	if (r == 0 && !index->clean)
		r = count_again(index, err);
	if (r == 0 && !index->clean)
		r = rsm_vi_queue_rebuild(index, err);
	if (r == 0 && first)
		r = drop_orphans(index, err);
	if (r == 0 && first)
		r = queue_open_files(index, err);
	if (r == 0)
		r = rsm_vi_keep_alone(index, err);
	if (r == 0)
		reserve_log(index);
	else
		rsm_vi_close_database(index);
	return r;
}

/* Six calls of fcntl() less a commit, a quarter of its time: while nobody else looks, the locks
 * are kept from one transaction to the next. They are taken with the next change, which is refused
 * (EBUSY) while others have the database open; then rsm_vi_let_others.
 */
int rsm_vi_keep_alone(struct rsm_volume_index *index, struct rsm_err *err)
{
	return rsm_sqlite_exec(index->db, "PRAGMA locking_mode=EXCLUSIVE", err);
}

/* Outside a transaction. The locks are let go at the end of one. */
int rsm_vi_let_others(struct rsm_volume_index *index, struct rsm_err *err)
{
	return rsm_sqlite_exec(index->db, "PRAGMA locking_mode=NORMAL;BEGIN IMMEDIATE;COMMIT", err);
}

void rsm_vi_close_database(struct rsm_volume_index *index)
{
	for (int i = 0; i < RSM_VI_STATEMENTS; i++) {
		sqlite3_finalize(index->statements[i]);
		index->statements[i] = NULL;
	}
	rsm_sqlite_close(index->db);
	index->db = NULL;
	index->in_transaction = false;
}
