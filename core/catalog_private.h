/* catalog_private.h - the inside of the catalogue, for the files that are its tables' users.
 *
 * A public function takes the lock, begins, works by `_locked` functions, and ends. Statements are
 * prepared once, kept by the address of their text (a literal), and reset by RSM_SQLITE_RESET at
 * the end of the scope that steps them.
 */
#ifndef RSM_CORE_CATALOG_PRIVATE_H
#define RSM_CORE_CATALOG_PRIVATE_H

#include "base/mutex.h"
#include "core/catalog.h"
#include "core/event.h"
#include "core/media.h"
#include "core/sqlite.h"

enum { RSM_CATALOG_STATEMENTS = 512 };

struct rsm_catalog {
	struct rsm_mutex exporting; /* one at a time, the last one wins; before lock */
	struct rsm_mutex lock;
	struct rsm_clock *clock;	 /* [const] */
	char *path;			 /* [const] */
	bool is_new;			 /* [const] it was made at the open */
	sqlite3 *db;			 /* [lock] */
	struct rsm_catalog_check *check; /* [const] NULL: none runs */
	struct rsm_catalog_statement {
		const char *sql;
		sqlite3_stmt *statement;
	} statements[RSM_CATALOG_STATEMENTS]; /* [lock] hashed by address */
	struct rsm_media_memo *media;	      /* [lock] rows read lately (media.c) */
	bool full;			      /* [lock] the transaction is to be synchronised */
	rsm_event_subscriber *subscriber;     /* [lock] */
	void *subscriber_context;	      /* [lock] */
	unsigned subscriber_calls;	      /* [lock] of it that run just now */
	pthread_cond_t subscriber_idle;	      /* [lock] there are none any more */
};

enum rsm_catalog_sync {
	RSM_COMMIT_NORMAL, /* survives the process */
	RSM_COMMIT_FULL,   /* survives a power loss */
};

/* A transaction. _end commits if r is 0 or an outcome, rolls back if it is negative; returns r. */
RSM_MUST_CHECK int rsm_catalog_begin_locked(struct rsm_catalog *catalog, enum rsm_catalog_sync sync,
					    struct rsm_err *err);
RSM_MUST_CHECK int rsm_catalog_end_locked(struct rsm_catalog *catalog, int r, struct rsm_err *err);

/* A statement with its parameters bound; the letters of `types` tell what follows:
 * i int64_t, u uint32_t, U uint64_t, d int or bool, s const char * (NULL: ''), n int64_t with 0 for
 * NULL, t const struct timespec *, b const void * and size_t.
 */
RSM_MUST_CHECK int rsm_catalog_query(struct rsm_catalog *catalog, sqlite3_stmt **ret_statement,
				     struct rsm_err *err, const char *sql, const char *types, ...);
/* The same, run to its end. */
RSM_MUST_CHECK int rsm_catalog_run(struct rsm_catalog *catalog, struct rsm_err *err,
				   const char *sql, const char *types, ...);
/* The same, for one number. Outcome RSM_SQLITE_DONE: no row. */
RSM_MUST_CHECK int rsm_catalog_number(struct rsm_catalog *catalog, int64_t *ret_number,
				      struct rsm_err *err, const char *sql, const char *types, ...);

void rsm_catalog_column_text(sqlite3_stmt *statement, int column, char *ret_text, size_t size);
struct timespec rsm_catalog_column_time(sqlite3_stmt *statement, int column);
void rsm_catalog_now(struct rsm_catalog *catalog, struct timespec *ret_now);
void rsm_catalog_new_guid(char ret_guid[RSM_GUID_SIZE]);
/* Copies, cut at a character boundary if it must be. */
void rsm_catalog_copy(char *ret_text, size_t size, const char *text);

/* catalog_xattr.c: as rsm_catalog_get_xattr (pool.h). */
int rsm_catalog_get_xattr_locked(struct rsm_catalog *catalog, char kind, int64_t id,
				 const char *key, struct rsm_text *ret_value, struct rsm_err *err);

/* The ACLs of a new pool or cartridge; NULL or empty: none. */
int rsm_catalog_give_acls_locked(struct rsm_catalog *catalog, char kind, int64_t id,
				 const struct rsm_text *access, const struct rsm_text *inherited,
				 struct rsm_err *err);

/* ---- pool.c ---- */

int rsm_pool_get_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_pool *ret_pool,
			struct rsm_err *err);
/* -ENOENT instead of an outcome. */
int rsm_pool_need_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_pool *ret_pool,
			 struct rsm_err *err);
/* -ENOENT, -EPERM for a system pool. */
RSM_MUST_CHECK
int rsm_pool_need_application_locked(struct rsm_catalog *catalog, int64_t id,
				     struct rsm_pool *ret_pool, struct rsm_err *err);
/* Of a type that no library here has, too: it may come. */
RSM_MUST_CHECK
int rsm_pool_check_type(const char *media_type, struct rsm_err *err);
RSM_MUST_CHECK
int rsm_pool_find_locked(struct rsm_catalog *catalog, int64_t parent, const char *name,
			 struct rsm_pool *ret_pool, struct rsm_err *err);
int rsm_pool_path_locked(struct rsm_catalog *catalog, int64_t id, char **ret_path,
			 struct rsm_err *err);
int rsm_pool_system_locked(struct rsm_catalog *catalog, enum rsm_pool_kind kind,
			   const char *media_type, struct rsm_pool *ret_pool, struct rsm_err *err);
int rsm_pool_create_locked(struct rsm_catalog *catalog, struct rsm_pool *pool, struct rsm_err *err);
/* The next component of *path, skipping slashes; *path goes on behind it. Outcome 1: none left. */
int rsm_pool_next_component(const char **path, char ret_name[RSM_NAME_SIZE], struct rsm_err *err);
/* pool_restore.c: the application pool of that path for media of the type, made with all above it
 * if need be; "NAME~2" where a pool in the way cannot hold it. -EINVAL: no path for a pool.
 */
int rsm_pool_restore_locked(struct rsm_catalog *catalog, const char *path, const char *media_type,
			    uint32_t owner, uint32_t group, struct rsm_pool *ret_pool,
			    struct rsm_err *err);
/* Its list of names changed now. */
int rsm_pool_touch_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err);
/* A pool without a type gets this one; -EMEDIUMTYPE if it has another. */
int rsm_pool_take_type_locked(struct rsm_catalog *catalog, struct rsm_pool *pool,
			      const char *media_type, struct rsm_err *err);
/* May this be a name of a pool or cartridge? -EINVAL, -EPERM, -EILSEQ, -ENAMETOOLONG. *ret_nfc is
 * the caller's.
 */
int rsm_pool_check_name(const char *name, char **ret_nfc, struct rsm_err *err);

/* pool_event.c, without the lock. The path of a pool for an event (NULL if there is none; free()
 * it); an event of a pool; id 0: it is gone, and was `from`.
 */
char *rsm_pool_words(struct rsm_catalog *catalog, int64_t id);
void rsm_pool_tell(struct rsm_catalog *catalog, const char *event, int64_t id, const char *from);

/* ---- media.c ---- */

int rsm_medium_get_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_medium *ret_medium,
			  struct rsm_err *err);
/* -ENOENT instead of an outcome. */
int rsm_medium_need_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_medium *ret_medium,
			   struct rsm_err *err);
/* rsm_medium_was_labelling, under the lock. */
int rsm_medium_forget_labelling_locked(struct rsm_catalog *catalog, int64_t id,
				       struct rsm_err *err);
int rsm_medium_was_labelling_locked(struct rsm_catalog *catalog, int64_t id, const char *uuid,
				    bool *ret_was, struct rsm_err *err);
/* Barcode as people see it, or shown name: for messages. */
const char *rsm_medium_words(const struct rsm_medium *medium);
/* Out of its element, for it is about to be set into another: a note of its ejection stays. */
int rsm_medium_lift_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err);
int rsm_medium_set_place_locked(struct rsm_catalog *catalog, int64_t id, int64_t library,
				enum rsm_location_kind location, uint32_t element,
				struct rsm_err *err);
/* A name like `wanted` ("wanted~2" ...) that no logical medium of the pool has. */
int rsm_medium_free_name_locked(struct rsm_catalog *catalog, int64_t pool, const char *wanted,
				char ret_name[RSM_NAME_SIZE], struct rsm_err *err);
/* A shown name that no medium has. */
int rsm_medium_free_shown_locked(struct rsm_catalog *catalog, const char *wanted,
				 char ret_shown[RSM_NAME_SIZE], struct rsm_err *err);
/* medium_facts.c: -EMEDIUMTYPE when no drive of the library that it is in writes such media. */
int rsm_medium_check_writers_locked(struct rsm_catalog *catalog, const struct rsm_medium *medium,
				    struct rsm_err *err);
/* Forgets it altogether. */
int rsm_medium_delete_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err);

/* ---- catalog_import.c ---- */

int rsm_medium_set_cleaner_locked(struct rsm_catalog *catalog, int64_t id,
				  struct rsm_medium *medium, struct rsm_err *err);
/* 0: the library has none. */
RSM_MUST_CHECK
int rsm_cleaner_slot_locked(struct rsm_catalog *catalog, int64_t library, uint32_t *ret_slot,
			    struct rsm_err *err);
/* A drive sees a medium that an import has added: what it was believed to be is forgotten where it
 * tells something itself (a volume of its own, or the vendor keys of the one that is expected).
 */
RSM_MUST_CHECK
int rsm_medium_settle_doubt_locked(struct rsm_catalog *catalog, struct rsm_medium *medium,
				   const char *uuid, bool has_keys, struct rsm_err *err);
/* identification_restore.c: the medium, which is nobody's, becomes what its label says that it was.
 * `before`: the volume that it was thought to bear. Outcome 1: its keys are not ours, or not good.
 */
int rsm_identification_restore_locked(struct rsm_catalog *catalog, const struct rsm_medium *side,
				      const struct rsm_identification *found, const char *uuid,
				      const char *before, struct rsm_err *err);

/* ---- side.c: the other side of a cartridge, if it has one ---- */

/* Of a medium m: its second side is under the head of the drive that it lies in. */
#define RSM_IS_INVERTED "EXISTS (SELECT 1 FROM setting WHERE key = 'inverted ' || m.id) "

/* The side was brought there: in a drive it is the one under the head. */
int rsm_side_note_place_locked(struct rsm_catalog *catalog, int64_t id,
			       enum rsm_location_kind location, struct rsm_err *err);

/* Of a cartridge that the robot can turn over: it has two sides from now on, if it had one (of a
 * library that turns nothing over, or of a copy of the catalogue). *ret_side: the second one, 0: it
 * is a cleaner.
 */
int rsm_side_make_second_locked(struct rsm_catalog *catalog, int64_t id, int64_t *ret_side,
				struct rsm_err *err);
/* Both sides (or the only one) are called by the barcode; "": by a number. */
int rsm_side_name_locked(struct rsm_catalog *catalog, int64_t id, const char *barcode,
			 struct rsm_err *err);
/* It waits for whoever was given this one. */
int rsm_side_reserve_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err);
/* That it does is what the label of this one says, which has its owner again; nobody may have
 * looked at the other one yet. It waits as soon as somebody has, unless it is somebody's by then.
 */
int rsm_side_note_reserved_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err);
/* This one, or its other side, was identified. */
int rsm_side_settle_reserved_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err);
/* The one that waits. -ENOSPC: there is none. */
int rsm_side_next_locked(struct rsm_catalog *catalog, int64_t of, int64_t pool, int64_t *ret_side,
			 struct rsm_err *err);
/* The one that waited has its owner: the label of this one is to learn of it. */
int rsm_side_taken_locked(struct rsm_catalog *catalog, int64_t of, struct rsm_err *err);
/* It waits no more. *ret_stays: it is not free, so the cartridge stays where it is. */
int rsm_side_release_locked(struct rsm_catalog *catalog, int64_t id, bool *ret_stays,
			    struct rsm_err *err);
/* What it is keeps the cartridge in its pool, whatever was found on this side. */
int rsm_side_keeps_pool_locked(struct rsm_catalog *catalog, int64_t id, bool to_free,
			       bool *ret_keeps, struct rsm_err *err);
/* -EBUSY: it is allocated, complete or reserved. */
int rsm_side_check_other_locked(struct rsm_catalog *catalog, const struct rsm_medium *medium,
				struct rsm_err *err);
/* Its allocation goes along to another pool. -EEXIST: its name is taken there. */
int rsm_side_move_other_locked(struct rsm_catalog *catalog, int64_t id, int64_t pool,
			       struct rsm_err *err);

/* ---- allocation.c ---- */

/* The logical medium of a side begins (its row in `medium`: lmid, name, mode, owner, group) or ends
 * (its row goes; the caller gives the side a state in the same transaction).
 */
int rsm_logical_begin_locked(struct rsm_catalog *catalog, const struct rsm_medium *medium,
			     int64_t pool, int64_t *ret_logical, struct rsm_err *err);
int rsm_logical_end_locked(struct rsm_catalog *catalog, int64_t side, struct rsm_err *err);
/* Allocated, complete, or reserved. */
bool rsm_medium_is_taken(const struct rsm_medium *medium);
/* May a medium be allocated in the pool under that name (NULL: any)? -EPERM, -EEXIST, -EDQUOT. */
int rsm_allocation_check_pool_locked(struct rsm_catalog *catalog, const struct rsm_pool *pool,
				     const char *name, struct rsm_err *err);

/* ---- undelete.c ---- */

/* Remembers whose volume is on a medium that is being deallocated: see rsm_former. */
int rsm_former_note_locked(struct rsm_catalog *catalog, const struct rsm_medium *medium,
			   uint64_t generation, struct rsm_err *err);

#endif
