/* frontend.h - the FUSE edge: one struct rsmfs, the calls that the kernel makes, and their answers.
 *
 * Identifiers: inode.h. No handler waits: a call that needs a drive, staging room or time is parked
 * (parking.h) and run again from its start by the doorman's thread when what it waits for is there.
 * So a handler must not have changed anything before the point at which it parks.
 * Lock order: parking and notifier locks are leaves of fs/; nothing of core is called with them.
 */
#ifndef RSMFS_FRONTEND_H
#define RSMFS_FRONTEND_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "core/manager.h"
#include "fs/inode.h"
#include "fs/options.h"

struct rsmfs_parking;
struct rsmfs_notifier;

enum { RSMFS_CHANGE_SLOTS = 64 };

struct rsmfs {
	struct rsm_manager *manager;	      /* [const] */
	const struct rsmfs_options *options;  /* [const] */
	struct fuse_session *session;	      /* [const] */
	struct rsmfs_parking *parking;	      /* [const] */
	struct rsmfs_notifier *pool_notifier; /* [const] names and attributes in pools */
	struct rsmfs_notifier *node_notifier; /* [const] what is in cartridges */
	void *control;			      /* [const] control.c's own; NULL before its start */
	uid_t admin;			      /* [const] who mounted: administrator besides root */
	gid_t admin_gid;		      /* [const] his group: that of the root folder */
	struct timespec mounted_at;	      /* [const] */
	void (*ready)(void *context);	      /* [const] once, when the kernel has greeted us */
	void *ready_context;
	/* [atomic] grow with each change made through the mount, by medium: what a folder handle
	 * fetched in advance is thrown away when they differ. */
	atomic_uint_fast64_t changes[RSMFS_CHANGE_SLOTS];
};

/* Who is asking, as the kernel told with the request. */
struct rsmfs_caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	size_t group_count; /* supplementary groups */
	gid_t *groups;	    /* owned by whoever holds the struct */
};
/* Of the request; groups are the caller's to free (rsmfs_caller_fini). */
RSM_MUST_CHECK int rsmfs_caller_init(struct rsmfs_caller *caller, fuse_req_t req,
				     struct rsm_err *err);
void rsmfs_caller_fini(struct rsmfs_caller *caller);
bool rsmfs_caller_has_group(const struct rsmfs_caller *caller, gid_t group);
/* root, who mounted, and members of -o admin_group. */
bool rsmfs_caller_is_admin(const struct rsmfs *fs, const struct rsmfs_caller *caller);

#endif
