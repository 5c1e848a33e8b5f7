/* What a pool or cartridge that a verb makes gets from the pool above and from its maker: as mkdir
 * through the mount would give it (birth.h), for a caller who is no FUSE request.
 */
#include <sys/stat.h>

#include "fs/acl.h"
#include "fs/control_request.h"

int rsmfs_newborn_init(struct rsmfs_newborn *newborn, struct rsmfs_request *request,
		       const struct rsm_pool *parent, uint32_t umask, struct rsm_err *err)
{
	bool setgid = parent->mode & S_ISGID;
	mode_t mode = 0777;
	int r = RSM_POOL_ABSENT;

	*newborn = (struct rsmfs_newborn){
		.owner = request->caller->uid,
		.group = setgid ? parent->group : request->caller->gid,
	};
	if (parent->id != RSM_POOL_TOP)
		r = rsm_catalog_get_xattr(request->catalog, 'p', parent->id,
					  "system.posix_acl_default", &newborn->default_acl, err);
	if (r < 0)
		return r;
	if (r == 0 && newborn->default_acl.length)
		r = rsmfs_acl_inherit(newborn->default_acl.data, newborn->default_acl.length, &mode,
				      &newborn->access_acl, err);
	else
		mode &= ~umask; /* a default ACL takes the place of the umask */
	if (newborn->default_acl.failed || newborn->access_acl.failed)
		return rsm_err_oom(err);
	newborn->mode = mode | (setgid ? S_ISGID : 0);
	return r < 0 ? r : 0;
}

void rsmfs_newborn_fini(struct rsmfs_newborn *newborn)
{
	rsm_text_fini(&newborn->access_acl);
	rsm_text_fini(&newborn->default_acl);
}
