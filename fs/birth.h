/* birth.h - what a new object gets from its folder and its maker: owner, group, mode, ACLs. */
#ifndef RSMFS_BIRTH_H
#define RSMFS_BIRTH_H

#include "fs/frontend.h"

struct rsmfs_birth {
	mode_t mode; /* 07777 */
	uid_t owner;
	gid_t group;
	struct rsm_text access_acl;  /* empty: none */
	struct rsm_text default_acl; /* empty: none; folders only */
};

/* The folder's mode and group (setgid), and its default ACL (empty: none, then the maker's umask
 * counts). The caller frees (_fini), also after a failure.
 */
RSM_MUST_CHECK int rsmfs_birth_init(struct rsmfs_birth *birth, const struct rsmfs_call *call,
				    bool folder, mode_t parent_mode, gid_t parent_group,
				    const struct rsm_text *parent_default_acl, struct rsm_err *err);
/* The umask of a process, for calls that do not tell it; the mount's where /proc does not, either.
 */
mode_t rsmfs_birth_umask(const struct rsmfs *fs, pid_t pid);
void rsmfs_birth_fini(struct rsmfs_birth *birth);
#define RSMFS_BIRTH __attribute__((cleanup(rsmfs_birth_fini)))

#endif
