/* ltfs_xattr.h - user.ltfs.*: the virtual attributes of the LTFS reference implementation, under
 * their own names, so that tools made for it work (ltfs-format.md 9.3, 22).
 */
#ifndef RSMFS_LTFS_XATTR_H
#define RSMFS_LTFS_XATTR_H

#include "fs/contents.h"

/* `key` without "user.". Outcome 1: not a virtual one, or not known here. */
RSM_MUST_CHECK int rsmfs_ltfs_get(const struct rsmfs_contents *at, uint64_t node, const char *key,
				  struct rsm_text *ret_value, struct rsm_err *err);

/* Sets (or without call->data removes) one of them. Outcome 1: it is to be stored as any other;
 * -EACCES: reserved. */
RSM_MUST_CHECK int rsmfs_ltfs_set(const struct rsmfs_contents *at, struct rsmfs_call *call,
				  const char *key, struct rsm_err *err);

/* Stored keys that users do not see. */
bool rsmfs_ltfs_is_hidden(const char *key);

/* user.ltfs.sync of a cartridge's folder, written or (as the reference has it) read: answered when
 * all is on the medium and in an index there.
 */
bool rsmfs_ltfs_is_sync(const struct rsmfs_call *call);
void rsmfs_ltfs_sync(struct rsmfs *fs, struct rsmfs_call *call, bool reads);

/* A write of user.ltfs.volumeLockState: the owner's and the administrator's; answered when the
 * medium has it.
 */
bool rsmfs_ltfs_is_lock(const struct rsmfs_call *call);
void rsmfs_ltfs_lock(struct rsmfs *fs, struct rsmfs_call *call);

#endif
