/* access.h - may this caller do that (rsm-model.md 16): mode bits and POSIX ACLs of pools and
 * cartridges, from the catalogue.
 */
#ifndef RSMFS_ACCESS_H
#define RSMFS_ACCESS_H

#include "core/media.h"
#include "fs/control.h"

enum { RSMFS_EXECUTE = 1, RSMFS_WRITE = 2, RSMFS_READ = 4 };

/* One set of mode bits; `acl` is a system.posix_acl_access value or NULL. Root may everything. */
bool rsmfs_access_mode(const struct rsmfs_caller *caller, uint32_t mode, uid_t owner, gid_t group,
		       const void *acl, size_t acl_length, unsigned want);

/* 0, or -EACCES with the object's path in the message. Also asks for x on all pools above.
 * RSM_POOL_TOP is 0755 and `admin`'s. */
RSM_MUST_CHECK int rsmfs_access_pool(struct rsm_catalog *catalog, const struct rsmfs_caller *caller,
				     uid_t admin, int64_t pool, unsigned want, struct rsm_err *err);
RSM_MUST_CHECK int rsmfs_access_medium(struct rsm_catalog *catalog,
				       const struct rsmfs_caller *caller, uid_t admin,
				       const struct rsm_medium *medium, unsigned want,
				       struct rsm_err *err);
/* May the caller take `medium` out of its pool (w+x there, and by the sticky bit only one's own)?
 */
RSM_MUST_CHECK int rsmfs_access_remove_medium(struct rsm_catalog *catalog,
					      const struct rsmfs_caller *caller, uid_t admin,
					      const struct rsm_medium *medium, struct rsm_err *err);
RSM_MUST_CHECK int rsmfs_access_remove_pool(struct rsm_catalog *catalog,
					    const struct rsmfs_caller *caller, uid_t admin,
					    const struct rsm_pool *pool, struct rsm_err *err);
bool rsmfs_access_in_group(const struct rsmfs_caller *caller, gid_t group);
/* Root and `admin`. */
bool rsmfs_access_is_admin(const struct rsmfs_caller *caller, uid_t admin);

#endif
