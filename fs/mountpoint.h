/* mountpoint.h - may this folder become the mount point? Dead mounts are cleared away, all else
 * that is in the way is told.
 */
#ifndef RSMFS_MOUNTPOINT_H
#define RSMFS_MOUNTPOINT_H

#include <stdbool.h>

#include "base/err.h"

/* Checks `path`, detaches a dead rsmfs mount on it; *ret_path is its real path, the caller's.
 * -ENOTDIR, -ENOENT, -EBUSY (something is mounted there), -ENOTEMPTY (unless nonempty).
 */
RSM_MUST_CHECK int rsmfs_mountpoint_prepare(const char *path, bool nonempty, char **ret_path,
					    struct rsm_err *err);

/* Detaches what is mounted there: umount2 as root, fusermount3 otherwise. */
RSM_MUST_CHECK int rsmfs_mountpoint_detach(const char *path, struct rsm_err *err);

/* -EINVAL when `path` (which need not exist) lies in the mount point: it would wait for itself.
 * `what` it is, for the words. */
RSM_MUST_CHECK int rsmfs_mountpoint_check_outside(const char *mountpoint, const char *path,
						  const char *what, struct rsm_err *err);

/* What is mounted on exactly `path` by /proc/self/mountinfo, the topmost; "" nothing. Device
 * numbers as "MAJOR:MINOR". Buffers may be NULL. */
RSM_MUST_CHECK int rsmfs_mountpoint_look(const char *path, char type[64], char device[32],
					 struct rsm_err *err);

/* Tells umount(8) that this mount has a helper: where it knows a mount by statfs() alone, every
 * FUSE file system is "fuse" to it. Best effort, root only, where the helper is installed.
 */
void rsmfs_mountpoint_announce(const char *source, const char *path);

/* Lets the kernel read far ahead in the files of a mount: best effort, root only. */
void rsmfs_mountpoint_read_ahead(const char *path, unsigned kib);

#endif
