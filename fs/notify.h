/* notify.h - tells the kernel what changed behind its back, from a thread of its own.
 *
 * The kernel may make a notification wait for a lock that a request of the same folder holds until
 * it is answered; so nobody who answers requests may send one himself, and none is sent about the
 * names of pools (namespace.h). There are two queues, each with its thread: one for pools (nothing
 * there waits for a drive), one for what is in cartridges.
 * Threads: any; the lock is a leaf.
 */
#ifndef RSMFS_NOTIFY_H
#define RSMFS_NOTIFY_H

#include "fs/frontend.h"

RSM_MUST_CHECK int rsmfs_notifier_new(struct rsmfs *fs, struct rsmfs_notifier **ret_notifier,
				      struct rsm_err *err);
/* What is queued and not yet sent is dropped. The session must have ended or still be served. */
void rsmfs_notifier_free(struct rsmfs_notifier *notifier);
RSM_DEFINE_CLEANUP(rsmfs_notifier_free, struct rsmfs_notifier)

/* Attributes (and, if asked, cached data or listing) of an inode. */
void rsmfs_notify_inode(struct rsmfs_notifier *notifier, uint64_t ino, bool data);
/* All of a medium's nodes and names. */
void rsmfs_notify_medium(struct rsmfs_notifier *notifier, int64_t medium);
/* How many media were queued so far. */
uint64_t rsmfs_notifier_media(struct rsmfs_notifier *notifier);
/* Waits until the kernel knows of the media that are queued so far, so that whoever asked for such
 * a change sees it when he has his answer; at once if there are no more than `begun`. Ends early
 * when `cancel` is set and after RSMFS_NOTIFY_SETTLE_NS: what is queued may wait behind a reader
 * whose cartridge is being fetched. Not for a thread that answers requests.
 */
void rsmfs_notifier_settle(struct rsmfs_notifier *notifier, uint64_t begun,
			   const atomic_bool *cancel);
#define RSMFS_NOTIFY_SETTLE_NS (2 * RSM_SECOND_NS)

/* The manager's callbacks; context is the struct rsmfs. */
void rsmfs_contents_changed(void *context, int64_t medium, uint64_t node);
void rsmfs_names_changed(void *context, int64_t pool, const char *name);

#endif
