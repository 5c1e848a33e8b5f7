/* acl.h - POSIX ACLs as the system.posix_acl_* attributes hold them (version 2, little-endian).
 *
 * The kernel checks them; what a file system with FUSE_POSIX_ACL has to do itself is to keep mode
 * and ACL in step, and to hand default ACLs down (acl(5)).
 */
#ifndef RSMFS_ACL_H
#define RSMFS_ACL_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/text.h"

/* Checks a value and lays its permissions over *mode (07777). *ret_minimal: it says no more than a
 * mode can, so it need not be stored. -EINVAL.
 */
RSM_MUST_CHECK int rsmfs_acl_to_mode(const void *acl, size_t length, mode_t *mode,
				     bool *ret_minimal, struct rsm_err *err);

/* A new object below a folder with a default ACL: *mode as asked becomes what it gets; *ret_access
 * is its access ACL, left empty when the mode says it all. */
RSM_MUST_CHECK int rsmfs_acl_inherit(const void *default_acl, size_t length, mode_t *mode,
				     struct rsm_text *ret_access, struct rsm_err *err);

/* The ACL after a chmod. */
RSM_MUST_CHECK int rsmfs_acl_chmod(const void *acl, size_t length, mode_t mode,
				   struct rsm_text *ret_acl, struct rsm_err *err);

#endif
