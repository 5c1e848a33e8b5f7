/* pool.h - pools: system pools (one sub-pool a media type) and the application pools of users
 * (rsm-model.md 4; ntmsapi CreateNtmsMediaPool, DeleteNtmsMediaPool).
 */
#ifndef RSM_CORE_POOL_H
#define RSM_CORE_POOL_H

#include "core/catalog.h"

/* The root of the tree has id 0 and is no row. */
#define RSM_POOL_TOP ((int64_t)0)

enum rsm_pool_kind {			   /* numbers of NTMS_MEDIAPOOL... */
		     RSM_POOL_SCRATCH = 1, /* Free */
		     RSM_POOL_FOREIGN = 2, /* Unrecognized */
		     RSM_POOL_IMPORT = 3,  /* Import */
		     RSM_POOL_APPLICATION = 1000,
};
enum rsm_pool_holds { RSM_POOL_HOLDS_MEDIA = 1, RSM_POOL_HOLDS_POOLS = 2 };

struct rsm_pool {
	int64_t id, parent;
	char guid[RSM_GUID_SIZE];
	char name[RSM_NAME_SIZE];
	enum rsm_pool_kind kind;
	enum rsm_pool_holds holds;
	char media_type[RSM_TYPE_SIZE]; /* "" while not decided, or for a pool of pools */
	bool draw_from_free, return_to_free;
	uint32_t allocation_limit; /* media allocated at one time; 0: none */
	uint32_t max_allocations;  /* of one side in its life; 0: none */
	uint32_t mode, owner, group;
	struct timespec created, modified, changed;
	/* counts, filled in by _get, _find and _list */
	uint32_t sub_pools, media, allocated;
};

enum rsm_pool_outcome { RSM_POOL_ABSENT = 1 };

RSM_MUST_CHECK int rsm_pool_get(struct rsm_catalog *catalog, int64_t id, struct rsm_pool *ret_pool,
				struct rsm_err *err); /* ABSENT */
RSM_MUST_CHECK int rsm_pool_find(struct rsm_catalog *catalog, int64_t parent, const char *name,
				 struct rsm_pool *ret_pool, struct rsm_err *err); /* ABSENT */
/* "Backup", "Archive/Film", "Free/LTO-8". */
RSM_MUST_CHECK int rsm_pool_find_path(struct rsm_catalog *catalog, const char *path,
				      struct rsm_pool *ret_pool, struct rsm_err *err); /* ABSENT */
/* "Archive/Film"; "" for the top. The caller's. */
RSM_MUST_CHECK int rsm_pool_path(struct rsm_catalog *catalog, int64_t id, char **ret_path,
				 struct rsm_err *err);

/* Children in order of name behind `after` (NULL: all). `each` returns false to stop; it is called
 * under the lock and must not call back.
 */
typedef bool rsm_pool_each(void *context, const struct rsm_pool *pool);
RSM_MUST_CHECK int rsm_pool_list(struct rsm_catalog *catalog, int64_t parent, const char *after,
				 rsm_pool_each *each, void *context, struct rsm_err *err);

/* The sub-pool of a system pool for a media type; made if missing (kinds 1 to 3). */
RSM_MUST_CHECK int rsm_pool_system(struct rsm_catalog *catalog, enum rsm_pool_kind kind,
				   const char *media_type, struct rsm_pool *ret_pool,
				   struct rsm_err *err);

/* An application pool; the caller fills name, parent, holds, media_type, policies, limits, mode,
 * owner, group; id, guid and times are filled in. media_type "": the only type in the library if
 * there is one, else decided by the first medium. -EEXIST, -EPERM (in a system pool, leading dot),
 * -EINVAL (parent holds media: it would be a cartridge; bad name), -ENAMETOOLONG.
 */
RSM_MUST_CHECK int rsm_pool_create(struct rsm_catalog *catalog, struct rsm_pool *pool,
				   struct rsm_err *err);

/* The same, with ACLs as system.posix_acl_* has them (empty: none) from the first moment on. */
struct rsm_text;
RSM_MUST_CHECK int rsm_pool_create_with_acls(struct rsm_catalog *catalog, struct rsm_pool *pool,
					     const struct rsm_text *access,
					     const struct rsm_text *inherited, struct rsm_err *err);

/* -ENOTEMPTY: an allocated medium or a pool in it; available media go to Free. -EPERM: system pool.
 */
RSM_MUST_CHECK int rsm_pool_remove(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err);

/* Renames and moves. -EEXIST, -EPERM, -EINVAL (into itself; into a pool that holds media). */
RSM_MUST_CHECK int rsm_pool_rename(struct rsm_catalog *catalog, int64_t id, int64_t new_parent,
				   const char *new_name, struct rsm_err *err);

/* Writes holds, media_type (both only while empty: -ENOTEMPTY), policies, limits, mode, owner,
 * group, times of the row. -EPERM for system pools.
 */
RSM_MUST_CHECK int rsm_pool_update(struct rsm_catalog *catalog, const struct rsm_pool *pool,
				   struct rsm_err *err);

/* Which of them are written; `changed` goes with each. */
enum {
	RSM_POOL_SET_HOLDS = 1 << 0,
	RSM_POOL_SET_TYPE = 1 << 1,
	RSM_POOL_SET_DRAW = 1 << 2,
	RSM_POOL_SET_RETURN = 1 << 3,
	RSM_POOL_SET_LIMIT = 1 << 4,
	RSM_POOL_SET_MAX = 1 << 5,
	RSM_POOL_SET_MODE = 1 << 6,
	RSM_POOL_SET_OWNER = 1 << 7,
	RSM_POOL_SET_GROUP = 1 << 8,
	RSM_POOL_SET_MODIFIED = 1 << 9,
};
/* As _update, but only what `what` names: somebody else may have changed another one since the row
 * was read. *pool is the row then.
 */
RSM_MUST_CHECK int rsm_pool_change(struct rsm_catalog *catalog, struct rsm_pool *pool,
				   unsigned what, struct rsm_err *err);

/* Stored xattrs of a pool (kind 'p') or a cartridge (kind 'm'): system.posix_acl_*, user.*. The key
 * is whole ("user.note"). As rsm_volume_index_*_xattr; outcome RSM_POOL_ABSENT.
 */
RSM_MUST_CHECK int rsm_catalog_get_xattr(struct rsm_catalog *catalog, char kind, int64_t id,
					 const char *key, struct rsm_text *ret_value,
					 struct rsm_err *err);
RSM_MUST_CHECK int rsm_catalog_set_xattr(struct rsm_catalog *catalog, char kind, int64_t id,
					 const char *key, const void *value, size_t length,
					 int flags, struct rsm_err *err);
RSM_MUST_CHECK int rsm_catalog_list_xattrs(struct rsm_catalog *catalog, char kind, int64_t id,
					   struct rsm_text *ret_keys, struct rsm_err *err);

#endif
