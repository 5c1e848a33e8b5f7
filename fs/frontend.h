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
#include "base/mutex.h"
#include "core/manager.h"
#include "fs/control.h"
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
	struct rsmfs_control *control;	      /* [const] */
	struct rsm_mutex handles_lock;
	struct rsm_list handles;      /* [handles_lock] open ones, for the end */
	uid_t admin;		      /* [const] who mounted: administrator besides root */
	gid_t admin_gid;	      /* [const] his group: that of the root folder */
	struct timespec mounted_at;   /* [const] */
	atomic_bool live;	      /* all of the above is set */
	void (*ready)(void *context); /* [const] once, when the kernel has greeted us */
	void *ready_context;
	/* [atomic] grow with each change made through the mount, by medium: what a folder handle
	 * fetched in advance is thrown away when they differ. */
	atomic_uint_fast64_t changes[RSMFS_CHANGE_SLOTS];
	atomic_uint_fast64_t generations[RSMFS_CHANGE_SLOTS]; /* contents.c's memory */
	atomic_uint_fast64_t recall[RSMFS_CHANGE_SLOTS];      /* recall.c's memory */
};

struct rsmfs_call;
/* Answers call->req exactly once, or parks the call and returns. */
typedef void rsmfs_handler(struct rsmfs *fs, struct rsmfs_call *call);

/* A request of the kernel's with its arguments, whole, so that it can be run again. What it points
 * at is borrowed from the request, and copied when the call is parked. */
struct rsmfs_call {
	fuse_req_t req;
	rsmfs_handler *run;
	struct rsmfs_place place, other; /* other: the new parent of a rename */
	const char *name, *other_name;
	const void *data; /* bytes of a write, value of an xattr, target of a link (with NUL) */
	size_t size;
	off_t offset;
	int flags; /* of rename, setxattr, fallocate; what setattr sets */
	mode_t mode;
	struct stat attr;
	struct fuse_file_info file;
	bool has_file;
	bool plus;		     /* readdirplus */
	unsigned mounts;	     /* times it waited for a mount */
	int64_t give_up_ns;	     /* 0: not yet decided */
	struct rsmfs_parked *parked; /* parking's: its copy */
};

/* The table of operations; userdata is the struct rsmfs. */
extern const struct fuse_lowlevel_ops rsmfs_operations;

/* ---- answers; each ends the request ---- */

/* The only place that answers a failed request: logs it and replies -r. */
void rsmfs_reply_error(fuse_req_t req, int r, const struct rsm_err *err);
void rsmfs_reply_done(fuse_req_t req); /* 0 */
/* r 0: done, negative: the error. */
void rsmfs_reply_result(fuse_req_t req, int r, const struct rsm_err *err);
/* An xattr's value or a list of names, by the rule of getxattr(2) about sizes. */
void rsmfs_reply_xattr(fuse_req_t req, const void *value, size_t length, size_t size);

/* ---- who asks ---- */

/* The caller's to free(). */
RSM_MUST_CHECK int rsmfs_caller_of(fuse_req_t req, struct rsmfs_caller **ret_caller,
				   struct rsm_err *err);
/* root, who mounted, and members of -o admin_group. */
bool rsmfs_is_admin(const struct rsmfs *fs, fuse_req_t req);
/* The same, or `owner` himself. */
bool rsmfs_owns(const struct rsmfs *fs, fuse_req_t req, uid_t owner);

/* ---- changes made through the mount ---- */

static inline atomic_uint_fast64_t *rsmfs_changes(struct rsmfs *fs, int64_t medium)
{
	return &fs->changes[(uint64_t)medium % RSMFS_CHANGE_SLOTS];
}
/* After the change, before the answer. */
static inline void rsmfs_changed(struct rsmfs *fs, int64_t medium)
{
	atomic_fetch_add(rsmfs_changes(fs, medium), 1);
}

/* ---- handles: what an open file or folder of the mount is behind fi->fh ---- */

struct rsmfs_handle {
	struct rsm_list link; /* [fs->handles_lock] */
	atomic_uint refs;
	void (*close)(struct rsmfs *fs, struct rsmfs_handle *handle); /* with the last reference */
};
void rsmfs_handle_init(struct rsmfs *fs, struct rsmfs_handle *handle,
		       void (*close)(struct rsmfs *fs, struct rsmfs_handle *handle));
struct rsmfs_handle *rsmfs_handle_ref(struct rsmfs_handle *handle);
void rsmfs_handle_unref(struct rsmfs *fs, struct rsmfs_handle *handle);
static inline void *rsmfs_handle_of(const struct rsmfs_call *call)
{
	return (void *)(uintptr_t)call->file.fh;
}

RSM_MUST_CHECK int rsmfs_init(struct rsmfs *fs, struct rsm_err *err);
/* Releases what the kernel did not (a mount that was cut off). */
void rsmfs_fini(struct rsmfs *fs);

#endif
