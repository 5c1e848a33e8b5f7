/* ending.h - how a signal ends the serving of a mount: synced while it still answers, and for sure.
 */
#ifndef RSMFS_ENDING_H
#define RSMFS_ENDING_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include <stdatomic.h>
#include <stdbool.h>

/* Asks the mount that this process serves for something (sync: to write everything), from another
 * process. false: it did not answer in that time.
 */
bool rsmfs_own_mount_answers(const char *mountpoint, bool sync, int seconds);

/* Syncs the mount, then makes the session's loop end; a mount that does not answer for a minute is
 * detached. `serving` tells whether the session is still there. Waits.
 */
void rsmfs_end_serving(const char *mountpoint, struct fuse_session *session, atomic_bool *serving);

/* Failures go to the log. */
void rsmfs_detach_anyhow(const char *mountpoint);

#endif
