/* namespace.h - the name spaces behind the mount: pools, contents of cartridges, .rsm, and views of
 * older generations in it.
 *
 * Each is a table of handlers, chosen by the kind of the inode's place (inode.h); a missing one
 * answers EPERM. Threads: any.
 */
#ifndef RSMFS_NAMESPACE_H
#define RSMFS_NAMESPACE_H

#include <string.h>

#include "fs/frontend.h"

struct rsmfs_namespace {
	rsmfs_handler *lookup, *getattr, *setattr, *readlink;
	rsmfs_handler *mknod, *mkdir, *unlink, *rmdir, *symlink;
	rsmfs_handler *open, *create, *read, *write, *flush, *release, *fsync, *fallocate, *poll;
	rsmfs_handler *opendir, *readdir, *releasedir, *fsyncdir, *statfs;
	rsmfs_handler *setxattr, *getxattr, *listxattr, *removexattr;
};
extern const struct rsmfs_namespace rsmfs_namespace_pool, rsmfs_namespace_contents,
	rsmfs_namespace_control, rsmfs_namespace_views, rsmfs_namespace_view;

/* Of two names in one cartridge. */
void rsmfs_contents_rename(struct rsmfs *fs, struct rsmfs_call *call);
/* Of any two places. */
void rsmfs_rename(struct rsmfs *fs, struct rsmfs_call *call);

/* ---- how long the kernel may believe us ---- */

/* What is in cartridges changes through the mount only, or we tell. */
static const double rsmfs_contents_timeout_s = 86400;
/* Names of pools and cartridges change behind the kernel's back, and it is not told of them: to
 * forget a name it takes the folder's lock, which a call that waits for our answer may hold; then
 * neither that call nor the notice could ever end after a kill -9. So it asks again soon.
 */
static const double rsmfs_pools_timeout_s = 0.1;

/* ---- pools and cartridges (namespace_root.c) ---- */

enum { RSMFS_INFO_FILE = 1000 }; /* control number of .xdg-volume-info */

void rsmfs_pool_attr(const struct rsmfs *fs, const struct rsm_pool *pool, struct stat *ret_attr);
/* The root of the mount as a pool. */
void rsmfs_top_pool(const struct rsmfs *fs, struct rsm_pool *ret_pool);
/* -ESTALE when it is gone. */
RSM_MUST_CHECK int rsmfs_get_pool(struct rsmfs *fs, int64_t id, struct rsm_pool *ret_pool,
				  struct rsm_err *err);
RSM_MUST_CHECK int rsmfs_get_medium(struct rsmfs *fs, int64_t id, struct rsm_medium *ret_medium,
				    struct rsm_err *err);
/* Attributes of a cartridge's folder; asks its contents for the times where they are known. */
RSM_MUST_CHECK int rsmfs_medium_attr(struct rsmfs *fs, const struct rsm_medium *medium,
				     struct stat *ret_attr, struct rsm_err *err);
static inline bool rsmfs_is_allocated(const struct rsm_medium *medium)
{
	return medium->state == RSM_MEDIUM_ALLOCATED || medium->state == RSM_MEDIUM_COMPLETE;
}
/* Whether there is anything to be seen in it. */
bool rsmfs_has_contents(const struct rsm_medium *medium);

/* setattr of a cartridge's folder; all but its times. */
RSM_MUST_CHECK int rsmfs_medium_setattr(struct rsmfs *fs, struct rsmfs_call *call,
					struct rsm_medium *medium, struct rsm_err *err);

/* Handlers of pools that look only, for namespace_pool.c's table; statfs serves every place. */
void rsmfs_pool_lookup(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_pool_getattr(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_pool_readdir(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_statfs(struct rsmfs *fs, struct rsmfs_call *call);

/* The same of xattrs (namespace_pool_xattr.c). */
void rsmfs_pool_setxattr(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_pool_getxattr(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_pool_listxattr(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_pool_removexattr(struct rsmfs *fs, struct rsmfs_call *call);

/* ---- xattrs of pools and cartridges (namespace_pool_xattr.c) ---- */

/* user.rsm.* of a cartridge. Outcome 1: no such name. */
RSM_MUST_CHECK int rsmfs_medium_get_virtual(struct rsmfs *fs, const struct rsm_medium *medium,
					    const char *name, struct rsm_text *ret_value,
					    struct rsm_err *err);
RSM_MUST_CHECK int rsmfs_medium_set_virtual(struct rsmfs *fs, struct rsmfs_call *call,
					    struct rsm_medium *medium, struct rsm_err *err);
/* namespace_record_xattr.c: those of its life and its vault. Outcome 1: no such name. */
RSM_MUST_CHECK int rsmfs_medium_get_record(struct rsmfs *fs, const struct rsm_medium *medium,
					   const char *name, struct rsm_text *ret_value,
					   struct rsm_err *err);
RSM_MUST_CHECK int rsmfs_medium_set_record(struct rsmfs *fs, struct rsmfs_call *call,
					   const struct rsm_medium *medium, struct rsm_err *err);
/* system.posix_acl_*. */
RSM_MUST_CHECK int rsmfs_medium_set_acl(struct rsmfs *fs, struct rsmfs_call *call,
					struct rsm_medium *medium, struct rsm_err *err);

/* ---- .rsm/views (namespace_view.c) ---- */

#define RSMFS_VIEWS_NAME "views"

/* Of the folder of all views, for .rsm's listing and lookup. */
void rsmfs_views_entry(struct rsmfs *fs, struct fuse_entry_param *ret_entry);

/* What is asked for and refused alike everywhere, without a look at anything: security.*,
 * trusted.*, system.* but ACLs. 0: go on. */
int rsmfs_xattr_refused(const char *name, bool write);
static inline bool rsmfs_xattr_is_acl(const char *name, bool *ret_is_default)
{
	*ret_is_default = strcmp(name, "system.posix_acl_default") == 0;
	return *ret_is_default || strcmp(name, "system.posix_acl_access") == 0;
}

#endif
