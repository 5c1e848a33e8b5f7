/* lock.h - one rsmfs a library: who has it, and waiting until it is given back.
 *
 * The lock is a flock(2) on a file, so it goes with its holder however that dies. The file's text
 * is for those who come second: "mounted PID MOUNTPOINT" or "ending PID MOUNTPOINT", and while it
 * ends a second line that tells what is being done.
 * A virtual library holds its file itself (LIBRARY/.rsmfs.lock); that of a device stands in the
 * state folder.
 */
#ifndef RSMFS_LOCK_H
#define RSMFS_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"

enum rsmfs_lock_state { RSMFS_LOCK_FREE, RSMFS_LOCK_MOUNTED, RSMFS_LOCK_ENDING };

struct rsmfs_lock_owner {
	enum rsmfs_lock_state state;
	pid_t pid;	       /* 0: unknown */
	char mountpoint[4096]; /* "" unknown */
	char progress[256];    /* what is being done while ending, "" unknown */
};

/* The lock file of a LIBRARY argument (NULL or "": the user's default library). `state` is -o
 * state= or NULL; it matters for devices only. The path is the caller's.
 */
RSM_MUST_CHECK int rsmfs_lock_path(const char *library, const char *state, char **ret_path,
				   struct rsm_err *err);

/* Who has the lock; FREE also when there is no such file. Takes nothing. */
RSM_MUST_CHECK int rsmfs_lock_look(const char *path, struct rsmfs_lock_owner *ret_owner,
				   struct rsm_err *err);

/* Called with each look while waiting, about five times a second; false stops (-EINTR). */
typedef bool rsmfs_lock_progress(void *context, const struct rsmfs_lock_owner *owner);

struct rsmfs_lock;

/* Takes the lock. Mounted elsewhere: -EBUSY at once, the mount point in the words. Ending: waits,
 * calling progress (may be NULL). The folder of `path` must exist.
 */
RSM_MUST_CHECK int rsmfs_lock_take(const char *path, const char *library, const char *mountpoint,
				   rsmfs_lock_progress *progress, void *context,
				   struct rsmfs_lock **ret_lock, struct rsm_err *err);
/* Rewrites the text; progress may be NULL. Failures are not worth telling. */
void rsmfs_lock_tell(struct rsmfs_lock *lock, enum rsmfs_lock_state state, const char *progress);
/* Gives the lock back and frees it. */
void rsmfs_lock_release(struct rsmfs_lock *lock);
RSM_DEFINE_CLEANUP(rsmfs_lock_release, struct rsmfs_lock)

/* Waits until the rsmfs that serves LIBRARY has ended (rsm wait): also while it is still mounted.
 * 0 at once when nobody has it. -EINTR: progress said stop.
 */
RSM_MUST_CHECK int rsmfs_lock_wait(const char *library, rsmfs_lock_progress *progress,
				   void *context, struct rsm_err *err);

#endif
