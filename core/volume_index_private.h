/* volume_index_private.h - what the files of the volume index share. Nobody else includes it.
 *
 * volume_index.c          transactions, facts
 * volume_index_look.c     finding and listing nodes
 * volume_index_schema.c   the tables, the statements, counters that outlive the process
 * volume_index_record.c   times, ranges and extents as they stand in a row; cutting and laying over
 * volume_index_tree.c     creating, removing, renaming, attributes; _xattr.c
 * volume_index_data.c     staged ranges, extents, migration
 * volume_index_queue.c    what waits to be migrated
 * volume_index_snapshot.c, _loader.c, _change.c, _overlay.c, _replace.c
 */
#ifndef RSM_CORE_VOLUME_INDEX_PRIVATE_H
#define RSM_CORE_VOLUME_INDEX_PRIVATE_H

#include "base/mutex.h"
#include "core/sqlite.h"
#include "core/volume_index.h"

/* ---- records ---- */

/* An extent and the tree version at which it was recorded: an index on the medium covers it if
 * that is not greater than the version of the last index. 0: came from the medium.
 */
struct rsm_vi_extent {
	struct rsm_extent e;
	uint64_t version;
};

struct rsm_vi_extents {
	struct rsm_vi_extent *items;
	size_t count, room;
};

struct rsm_vi_ranges {
	struct rsm_staged_range *items;
	size_t count, room;
};

static inline void rsm_vi_extents_fini(struct rsm_vi_extents *extents)
{
	free(extents->items);
}
static inline void rsm_vi_ranges_fini(struct rsm_vi_ranges *ranges)
{
	free(ranges->items);
}
#define RSM_VI_EXTENTS __attribute__((cleanup(rsm_vi_extents_fini)))
#define RSM_VI_RANGES  __attribute__((cleanup(rsm_vi_ranges_fini)))

RSM_MUST_CHECK int rsm_vi_extents_add(struct rsm_vi_extents *extents, const struct rsm_extent *e,
				      uint64_t version, struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_ranges_add(struct rsm_vi_ranges *ranges,
				     const struct rsm_staged_range *range, struct rsm_err *err);

enum { RSM_VI_TIMES_MAX = 5 * 16 + 1 };
size_t rsm_vi_pack_times(const struct rsm_node_times *times, uint8_t packed[RSM_VI_TIMES_MAX]);
RSM_MUST_CHECK int rsm_vi_unpack_times(const void *packed, size_t length,
				       struct rsm_node_times *ret_times);

/* A packed list: `data` is `room` or of the heap. */
struct rsm_vi_packed {
	uint8_t *data;
	size_t length;
	uint8_t room[256];
};
static inline void rsm_vi_packed_fini(struct rsm_vi_packed *packed)
{
	if (packed->data != packed->room)
		free(packed->data);
}
#define RSM_VI_PACKED __attribute__((cleanup(rsm_vi_packed_fini)))

RSM_MUST_CHECK int rsm_vi_pack_ranges(const struct rsm_staged_range *ranges, size_t count,
				      struct rsm_vi_packed *ret_packed, struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_pack_extents(const struct rsm_vi_extents *extents,
				       struct rsm_vi_packed *ret_packed, struct rsm_err *err);
/* Append to the list. -EBADMSG. */
RSM_MUST_CHECK int rsm_vi_unpack_ranges(const void *packed, size_t length,
					struct rsm_vi_ranges *ranges, struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_unpack_extents(const void *packed, size_t length,
					 struct rsm_vi_extents *extents, struct rsm_err *err);
/* Bytes of the ranges that wait (not `written`); 0 for damage. */
uint64_t rsm_vi_sum_ranges(const void *packed, size_t length);

/* Cuts `cut` bytes off the front; a position on the medium stays within its block. */
void rsm_vi_advance(struct rsm_extent *e, uint64_t cut, uint64_t block_size);
/* Lays `count` new extents, recorded at `version`, over the older ones. */
RSM_MUST_CHECK int rsm_vi_overlay(struct rsm_vi_extents *extents, const struct rsm_extent *above,
				  size_t count, uint64_t version, uint64_t block_size,
				  struct rsm_err *err);
/* Joins neighbours that go on where the other ends, in the file and on the medium: the first one
 * must end at the end of a block, so that reading on from there comes to the second one's bytes.
 * Not where only one of them is in an index (of `indexed_version`): that one must not be forgotten.
 */
void rsm_vi_join_extents(struct rsm_vi_extents *extents, uint64_t indexed_version,
			 uint64_t block_size);
void rsm_vi_cut_extents(struct rsm_vi_extents *extents, uint64_t size);

/* What a medium's copy of a file looked like; to see whether another system changed it. */
int64_t rsm_vi_stamp(uint64_t size, const struct timespec *modified);

/* ---- the database ---- */

enum {
	RSM_VI_APPLICATION = 0x52534d56, /* "RSMV" */
	RSM_VI_SCHEMA = 1,
	RSM_VI_TOUCHED = 8,
	RSM_VI_TAIL = 1024,
	RSM_VI_BLOCK_SIZE = 524288,    /* if there is no fact "block_size" */
	RSM_VI_VERSION_STEP = 1 << 16, /* how far counters are reserved ahead */
	RSM_VI_ID_STEP = 1 << 12,
};
/* Greater uids are not ids, so that there are always ids left to give. */
#define RSM_VI_UID_AS_ID_MAX ((uint64_t)1 << 39)

/* The `state` row. While it is not clean the numbers in the file are upper bounds (versions, ids)
 * or out of date (totals), and the next open counts again.
 */
struct rsm_vi_state {
	uint64_t tree_version, indexed_version;
	uint64_t next_id, highest_uid;
	uint64_t last_close_order;
	uint64_t block_size; /* the fact of that name */
	struct rsm_volume_totals totals;
};

enum rsm_vi_statement {
	RSM_VI_BEGIN,
	RSM_VI_COMMIT,
	RSM_VI_SAVEPOINT,
	RSM_VI_RELEASE,
	RSM_VI_ROLLBACK_TO,
	RSM_VI_WRITE_STATE,
	RSM_VI_GET_FACT,
	RSM_VI_SET_FACT,
	RSM_VI_DELETE_FACT,
	RSM_VI_GET,
	RSM_VI_LOOKUP,
	RSM_VI_LIST,
	RSM_VI_NAME,
	RSM_VI_FIND,
	RSM_VI_HAS_CHILD,
	RSM_VI_CREATE,
	RSM_VI_DELETE,
	RSM_VI_DELETE_XATTRS,
	RSM_VI_DELETE_UNKNOWN,
	RSM_VI_MOVE,
	RSM_VI_UPDATE,
	RSM_VI_TARGET,
	RSM_VI_GET_XATTR,
	RSM_VI_SET_XATTR,
	RSM_VI_DELETE_XATTR,
	RSM_VI_DELETE_HASHES,
	RSM_VI_LIST_XATTRS,
	RSM_VI_HAS_XATTR,
	RSM_VI_SET_FLAG,
	RSM_VI_GET_DATA,
	RSM_VI_SET_DATA,
	RSM_VI_STAGE,
	RSM_VI_QUEUE_PUT,
	RSM_VI_QUEUE_TAKE,
	RSM_VI_QUEUE_NEXT,
	RSM_VI_QUEUE_SEARCH,
	RSM_VI_FIRST_UNINDEXED,
	RSM_VI_STATEMENTS
};

struct rsm_vi_touched {
	uint64_t id;
	struct timespec now;
};

struct rsm_vi_queued {
	uint64_t close_order, id;
};

struct rsm_volume_index {
	struct rsm_mutex lock;
	char *path;				     /* [const] */
	sqlite3 *db;				     /* [lock] NULL: lost in a swap */
	sqlite3_stmt *statements[RSM_VI_STATEMENTS]; /* [lock] */
	bool in_transaction;			     /* [lock] */
	bool clean, clean_saved;		     /* [lock] what the state row says */
	bool unsynced;			  /* [lock] there was a commit that is not durable */
	bool folder_synced;		  /* [lock] names of db and -wal */
	unsigned snapshots;		  /* [lock] open ones */
	struct rsm_vi_state state;	  /* [lock] */
	struct rsm_vi_state saved;	  /* [lock] as of the last commit */
	uint64_t version_limit, id_limit; /* [lock] reserved in the file */
	struct rsm_vi_touched touched[RSM_VI_TOUCHED]; /* [lock] folders, oldest first */
	unsigned touched_count;			       /* [lock] */
	int64_t touched_since_ns;		       /* [lock] of the oldest one */
	struct rsm_vi_queued tail[RSM_VI_TAIL];	       /* [lock] in order, not yet in the table */
	unsigned tail_count;			       /* [lock] */
	uint64_t queue_changes; /* [lock] how often queue or tail was changed */
	bool queue_stale;	/* [lock] make it again */
};

/* Columns of a struct rsm_node, in the order that rsm_vi_node_of reads from column 0. */
#define RSM_VI_NODE_COLUMNS "id,parent,kind,flags,uid,size,mode,owner,grp,times,data_version"
enum { RSM_VI_NODE_COLUMN_COUNT = 11 };

/* Whoever changes a row leaves RSM_NODE_TABLE_FLAGS as they are: his copy of it may be older. */
#define RSM_VI_SET_FLAGS "flags=(?2 & ~236)|(flags & 236)"
_Static_assert(RSM_NODE_TABLE_FLAGS == 236, "the statement names them");

RSM_MUST_CHECK int rsm_vi_node_of(sqlite3_stmt *row, struct rsm_node *ret_node,
				  struct rsm_err *err);

/* Opens or makes the database and prepares all; fills in db, statements, state. `first`: nobody has
 * any file open, orphans go.
 */
RSM_MUST_CHECK int rsm_vi_open_database(struct rsm_volume_index *index, bool first,
					struct rsm_err *err);
void rsm_vi_close_database(struct rsm_volume_index *index);
/* What stands beside a database that is not there any more, or not for long: it must not come into
 * the one that takes its place.
 */
RSM_MUST_CHECK int rsm_vi_drop_logs(const char *path, struct rsm_err *err);
/* Other connections are shut out until the latter. */
RSM_MUST_CHECK int rsm_vi_keep_alone(struct rsm_volume_index *index, struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_let_others(struct rsm_volume_index *index, struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_create_tables(sqlite3 *db, struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_create_name_index(sqlite3 *db, struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_create_data_indexes(sqlite3 *db, struct rsm_err *err);

/* The state row, with numbers reserved ahead or as they are. */
RSM_MUST_CHECK int rsm_vi_write_state(struct rsm_volume_index *index, bool clean,
				      struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_write_state_of(sqlite3_stmt *statement, const struct rsm_vi_state *state,
					 bool clean, struct rsm_err *err);
extern const char rsm_vi_write_state_sql[];
extern const char rsm_vi_insert_sql[];

static inline sqlite3_stmt *rsm_vi_statement(struct rsm_volume_index *index,
					     enum rsm_vi_statement which)
{
	return index->statements[which];
}

static inline void rsm_vi_bind_id(sqlite3_stmt *statement, int column, uint64_t value)
{
	sqlite3_bind_int64(statement, column, (sqlite3_int64)value);
}

static inline void rsm_vi_bind_packed(sqlite3_stmt *statement, int column,
				      const struct rsm_vi_packed *packed)
{
	if (packed->length)
		sqlite3_bind_blob64(statement, column, packed->data, packed->length, SQLITE_STATIC);
	else
		sqlite3_bind_null(statement, column);
}

static inline uint64_t rsm_vi_column(sqlite3_stmt *row, int column)
{
	return (uint64_t)sqlite3_column_int64(row, column);
}

/* Everything of a new row; rsm_vi_insert_sql. */
struct rsm_vi_row {
	const struct rsm_node *node;
	const char *key, *name; /* key NULL: the root, an orphan; name NULL: equal to key */
	const char *target;
	uint64_t born;
	bool has_stamp;
	int64_t stamp;
	uint64_t close_order, written, unindexed;
	const struct rsm_vi_packed *staged, *extents; /* or NULL */
};
RSM_MUST_CHECK int rsm_vi_insert(sqlite3_stmt *statement, const struct rsm_vi_row *row,
				 struct rsm_err *err);

/* Parameters 1 to 8 of the statements that write a node's attributes; `times` must live until it
 * is run.
 */
void rsm_vi_bind_node(sqlite3_stmt *update, const struct rsm_node *node,
		      uint8_t times[RSM_VI_TIMES_MAX]);

/* ---- calls that change: all with the lock held ---- */

/* What is in memory, to be put back if a call fails. */
struct rsm_vi_call {
	struct rsm_vi_state before;
	uint64_t queue_changes;
	bool savepoint;
};
/* Begins a transaction if there is none. `many`: the call has more than one statement. */
RSM_MUST_CHECK int rsm_vi_begin(struct rsm_volume_index *index, struct rsm_vi_call *call, bool many,
				struct rsm_err *err);
/* Ends the call that came to `r`; returns r, or what went wrong in ending. */
RSM_MUST_CHECK int rsm_vi_end(struct rsm_volume_index *index, struct rsm_vi_call *call, int r,
			      struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_commit(struct rsm_volume_index *index, struct rsm_err *err);
/* Folder times and exact numbers into the file, then the transaction's end. */
RSM_MUST_CHECK int rsm_vi_commit_clean(struct rsm_volume_index *index, struct rsm_err *err);

/* A change that an index would show: the new tree version. Writes reservations when needed. */
RSM_MUST_CHECK int rsm_vi_bump(struct rsm_volume_index *index, struct rsm_err *err);

/* A folder's modified and changed times are `now`. Kept in memory for up to a second or so. */
RSM_MUST_CHECK int rsm_vi_touch(struct rsm_volume_index *index, uint64_t folder,
				const struct timespec *now, struct rsm_err *err);
bool rsm_vi_is_touched(const struct rsm_volume_index *index, uint64_t folder);
void rsm_vi_untouch(struct rsm_volume_index *index, uint64_t folder);
void rsm_vi_merge_touched(const struct rsm_volume_index *index, struct rsm_node *node);
RSM_MUST_CHECK int rsm_vi_flush_touched(struct rsm_volume_index *index, struct rsm_err *err);

/* Node by id or (parent, key); outcome RSM_NODE_ABSENT, or RSM_NODE_SPELLED_OTHERWISE where the
 * node that has the key is not called `name` byte for byte.
 */
enum { RSM_NODE_SPELLED_OTHERWISE = RSM_NODE_ABSENT + 1 };
RSM_MUST_CHECK int rsm_vi_get(struct rsm_volume_index *index, uint64_t id,
			      struct rsm_node *ret_node, struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_lookup(struct rsm_volume_index *index, uint64_t parent, const char *key,
				 const char *name, struct rsm_node *ret_node, struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_path(struct rsm_volume_index *index, uint64_t id,
			       struct rsm_text *ret_path, struct rsm_err *err);

/* The NFC form: the name itself where that is enough. */
struct rsm_vi_key {
	const char *text;
	char *owned;
};
static inline void rsm_vi_key_fini(struct rsm_vi_key *key)
{
	free(key->owned);
}
#define RSM_VI_KEY __attribute__((cleanup(rsm_vi_key_fini)))
RSM_MUST_CHECK int rsm_vi_key_of(const char *name, struct rsm_vi_key *ret_key, struct rsm_err *err);

/* The part of a row that is about data. */
struct rsm_vi_data {
	uint64_t parent, size, data_version, close_order, written, unindexed;
	enum rsm_node_kind kind;
	uint32_t flags;
	bool has_stamp;
	int64_t stamp;
	uint64_t staged_bytes; /* that wait */
	struct timespec modified;
	struct rsm_vi_ranges staged;
	struct rsm_vi_extents extents;
};
void rsm_vi_data_fini(struct rsm_vi_data *data);
/* No range is `written` any more; data->written stays. */
void rsm_vi_wait_again(struct rsm_vi_data *data);
/* After a change of the ranges: written, if none waits; off the queue, if there are none. */
void rsm_vi_settle(struct rsm_vi_data *data);
#define RSM_VI_DATA __attribute__((cleanup(rsm_vi_data_fini)))
/* `whole`: with the lists; otherwise only staged_bytes. Outcome RSM_NODE_ABSENT. */
RSM_MUST_CHECK int rsm_vi_get_data(struct rsm_volume_index *index, uint64_t id, bool whole,
				   struct rsm_vi_data *ret_data, struct rsm_err *err);
/* From a row of parent,kind,flags,size,data_version,close_order,written,unindexed,stamp,staged,
 * times,extents.
 */
#define RSM_VI_DATA_COLUMNS                                                                        \
	"parent,kind,flags,size,data_version,close_order,written,unindexed,stamp,staged,times,"    \
	"extents"
RSM_MUST_CHECK int rsm_vi_data_of(sqlite3_stmt *row, bool whole, struct rsm_vi_data *ret_data,
				  struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_set_data(struct rsm_volume_index *index, uint64_t id,
				   const struct rsm_vi_data *data, struct rsm_err *err);
/* A row changed (NULL: is new, is gone): totals and queue follow. To be called after the row was
 * written; the call has to be of `many` statements unless _is_easy.
 */
RSM_MUST_CHECK int rsm_vi_account(struct rsm_volume_index *index, uint64_t id,
				  const struct rsm_vi_data *before, const struct rsm_vi_data *after,
				  struct rsm_err *err);
bool rsm_vi_queue_is_easy(const struct rsm_volume_index *index, const struct rsm_vi_data *before);
RSM_MUST_CHECK int rsm_vi_queue_flush(struct rsm_volume_index *index, struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_queue_rebuild(struct rsm_volume_index *index, struct rsm_err *err);
/* Outcome RSM_NODE_ABSENT. */
RSM_MUST_CHECK int rsm_vi_queue_next(struct rsm_volume_index *index, uint64_t after,
				     uint64_t *ret_order, uint64_t *ret_id, struct rsm_err *err);
/* Totals less (or with) what the row counts for. */
void rsm_vi_count(struct rsm_vi_state *state, const struct rsm_vi_data *data, int sign);

/* ---- digests of contents (volume_index_xattr.c); flags: of the node, before the change ---- */

/* The contents change: what was stored of their digests goes. */
RSM_MUST_CHECK int rsm_vi_drop_hashes(struct rsm_volume_index *index, uint64_t id, uint32_t flags,
				      struct rsm_err *err);
/* It was computed over the contents as they are. */
RSM_MUST_CHECK int rsm_vi_put_hash(struct rsm_volume_index *index, uint64_t id, const char *key,
				   const char *hash, struct rsm_err *err);

void rsm_vi_release(const struct rsm_vi_data *data, uint64_t id,
		    rsm_volume_index_released *released, void *context);
/* All rows of the node. */
RSM_MUST_CHECK int rsm_vi_delete(struct rsm_volume_index *index, uint64_t id, uint32_t flags,
				 struct rsm_err *err);

/* ---- between snapshots, loaders and the index ---- */

enum { RSM_VI_LOADER_CHANGES = 17 };

struct rsm_index_loader {
	char *path; /* where it is to be: of the index */
	char *load_path;
	sqlite3 *db;
	sqlite3_stmt *insert, *update, *xattr, *unknown, *flag, *fact, *size;
	sqlite3_stmt *changes[RSM_VI_LOADER_CHANGES]; /* _change.c's */
	sqlite3_stmt *by_uid;			      /* made when it is needed */
	struct rsm_vi_state state;		      /* totals and numbers so far */
	uint64_t free_id;      /* next id to try for nodes whose uid is none */
	uint64_t unknown_uids; /* nodes that get a uid at the end */
	bool settled;	       /* every name is there once, and there is an index of them */
	bool finished;
};
extern const char rsm_vi_uid_index_sql[];
void rsm_vi_loader_close(struct rsm_index_loader *loader);
/* Names that are taken become others, uids that are none are given. */
RSM_MUST_CHECK int rsm_vi_loader_settle(struct rsm_index_loader *loader, struct rsm_err *err);
/* Names that a folder cannot have are made ones that it can, and stay recognisable. */
RSM_MUST_CHECK int rsm_vi_loader_key(const char *name, struct rsm_vi_key *ret_key, char **ret_exact,
				     struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_loader_pack(const struct rsm_extent *extents, size_t count,
				      struct rsm_vi_packed *ret_packed, struct rsm_err *err);
/* The totals follow a file's new size, before its row is written. */
RSM_MUST_CHECK int rsm_vi_loader_count_size(struct rsm_index_loader *loader,
					    const struct rsm_node *node, struct rsm_err *err);
/* What the new database must not lose of the old one, written to it and synchronised. */
RSM_MUST_CHECK int rsm_vi_lay_on_top(struct rsm_volume_index *index,
				     struct rsm_index_loader *loader, struct rsm_text *conflicts,
				     struct rsm_err *err);
RSM_MUST_CHECK int rsm_vi_sync_file(const char *path, struct rsm_err *err);

#endif
