/* rsm_mounts.h - which mount a call of `rsm` is for, and what its operands are called in there. */
#ifndef RSMFS_RSM_MOUNTS_H
#define RSMFS_RSM_MOUNTS_H

#include "base/cleanup.h"
#include "base/err.h"

struct rsmfs_mount {
	char *path;   /* of the mount point */
	char *source; /* LIBRARY */
	char device[24];
};
struct rsmfs_mounts {
	struct rsmfs_mount *mounts;
	size_t count;
};

/* The entries of type fuse.rsmfs of a /proc/self/mountinfo. */
RSM_MUST_CHECK int rsmfs_mounts_parse(const char *mountinfo, struct rsmfs_mounts *ret_mounts,
				      struct rsm_err *err);
RSM_MUST_CHECK int rsmfs_mounts_load(struct rsmfs_mounts *ret_mounts, struct rsm_err *err);
void rsmfs_mounts_fini(struct rsmfs_mounts *mounts);

/* The mount point that is meant: `asked` (-m or RSM_MOUNT, may be NULL), else the one that an
 * operand or `cwd` (NULL: unknown) is in, else the only one. The string belongs to `mounts` or
 * `asked`.
 */
RSM_MUST_CHECK int rsmfs_mounts_choose(const struct rsmfs_mounts *mounts, const char *asked,
				       const char *cwd, const char *const *operands,
				       size_t operand_count, const char **ret_mountpoint,
				       struct rsm_err *err);

/* What the daemon calls an operand of kind `kind` (verb.h). In the mount: the path below the mount
 * point ("/" for itself), which may itself be relative to cwd. Paths are taken as relative to cwd
 * if that is in the mount and the file is there (kind c: its folder is), or if they lead from cwd
 * into the mount. All else (POOL/NAME, barcodes) is passed on. -EXDEV: an absolute path outside.
 * The string is the caller's.
 */
RSM_MUST_CHECK int rsmfs_mounts_operand(const char *mountpoint, const char *cwd, char kind,
					const char *operand, char **ret_name, struct rsm_err *err);

#endif
