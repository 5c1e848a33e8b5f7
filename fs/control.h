/* control.h - what stands behind .rsm/ctl and .rsm/events: requests of `rsm`, and the event stream.
 *
 * A handle of .rsm/ctl takes one request (wire.h) and gives one reply. Each request runs in a
 * thread of its own and streams its reply into the handle; nothing here waits, so that the front
 * end may call everything from its FUSE threads. The rights are those of whoever opened the handle.
 * Offsets of reads and writes play no part: open the files with direct_io and as not seekable.
 * Names that a request changes are told to the callbacks of the manager's options (names_changed).
 * Threads: any. Callbacks are made without locks, from any thread, also before the call returns.
 */
#ifndef RSMFS_CONTROL_H
#define RSMFS_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/list.h"

struct rsm_manager;

enum {
	RSMFS_CONTROL_REQUEST_MAX = 64 * 1024, /* bytes of a request */
	RSMFS_CONTROL_RUNNING_USER = 64,       /* requests of one user that run at one time */
	RSMFS_CONTROL_RUNNING = 256,	       /* of all users */
};

/* Who opened the handle. */
struct rsmfs_caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	size_t group_count; /* supplementary groups */
	gid_t groups[];
};
/* groups may be NULL when group_count is 0. free() it. */
RSM_MUST_CHECK int rsmfs_caller_new(uid_t uid, gid_t gid, pid_t pid, const gid_t *groups,
				    size_t group_count, struct rsmfs_caller **ret_caller,
				    struct rsm_err *err);

struct rsmfs_control; /* one a mount */

/* Subscribes to the catalogue's events. `manager` outlives it. */
RSM_MUST_CHECK int rsmfs_control_new(struct rsm_manager *manager,
				     struct rsmfs_control **ret_control, struct rsm_err *err);
/* -o admin_group: its members are administrators, too. Before the first open. */
void rsmfs_control_set_admin_group(struct rsmfs_control *control, gid_t group);
/* What a request changed is to be seen by who asked. */
struct rsmfs_control_settle {
	uint64_t (*begin)(void *context); /* before each request; how much has changed so far */
	/* Behind it, before its last line. May wait, but not when `cancel` is set. */
	void (*end)(void *context, uint64_t begun, const atomic_bool *cancel);
	void *context;
};
/* Before the first open. It is copied. */
void rsmfs_control_set_settle(struct rsmfs_control *control,
			      const struct rsmfs_control_settle *settle);
/* Cancels what runs and refuses what comes (-ESHUTDOWN); parked reads end soon. Any time, also
 * twice; call it before rsm_manager_stop so that nobody waits for a drive any more.
 */
void rsmfs_control_stop(struct rsmfs_control *control);
/* Stops, and waits until the threads have ended. All handles must be released before. */
void rsmfs_control_free(struct rsmfs_control *control);
RSM_DEFINE_CLEANUP(rsmfs_control_free, struct rsmfs_control)

/* ---- .rsm/ctl ---- */

struct rsmfs_control_handle;

/* A read of either file. The memory is the caller's until done() was called. */
struct rsmfs_control_read {
	size_t size; /* at most so many bytes are given */
	/* Exactly once. r 0: `length` bytes, valid during the call; length 0: the end. -EINTR,
	 * -ENOMEM. */
	void (*done)(struct rsmfs_control_read *read, int r, const void *data, size_t length);
	void *context;	      /* the caller's */
	struct rsm_list link; /* control's own */
};

/* OPEN. The caller is copied. */
RSM_MUST_CHECK int rsmfs_control_open(struct rsmfs_control *control,
				      const struct rsmfs_caller *caller,
				      struct rsmfs_control_handle **ret_handle,
				      struct rsm_err *err);
/* WRITE: adds to the request, which starts when it is complete (two NULs) or with the first read.
 * Returns `size` or -EMSGSIZE (too long), -EBUSY (the request runs already), -EAGAIN (too many
 * run), -ESHUTDOWN, -ENOMEM.
 */
ssize_t rsmfs_control_write(struct rsmfs_control_handle *handle, const void *data, size_t size);
/* READ: the next bytes of the reply, at once or when there are some; parked meanwhile. */
void rsmfs_control_read(struct rsmfs_control_handle *handle, struct rsmfs_control_read *read);
/* INTERRUPT: a read that still waits is done with -EINTR. A read that is done already, or was
 * never there, is not touched (only its address is looked at). The request runs on.
 */
void rsmfs_control_interrupt(struct rsmfs_control_handle *handle, struct rsmfs_control_read *read);
/* RELEASE: cancels the request if it still runs; does not wait for it. */
void rsmfs_control_release(struct rsmfs_control_handle *handle);

/* ---- .rsm/events: a line for each event from the moment of the open on (event.h) ---- */

struct rsmfs_events;

RSM_MUST_CHECK int rsmfs_events_open(struct rsmfs_control *control,
				     struct rsmfs_events **ret_events, struct rsm_err *err);
/* Whole lines where they fit into the read. "lost" is a line of its own where some were purged
 * before they were read.
 */
void rsmfs_events_read(struct rsmfs_events *events, struct rsmfs_control_read *read);
void rsmfs_events_interrupt(struct rsmfs_events *events, struct rsmfs_control_read *read);
/* True when a read would not wait (O_NONBLOCK: ask it before the read). */
bool rsmfs_events_ready(struct rsmfs_events *events);
/* POLL: true if a read would not wait; otherwise notify(context) is called exactly once: when
 * something has come, when another poll takes its place, or with the release. With true it is
 * never called. notify NULL: only asks.
 */
bool rsmfs_events_poll(struct rsmfs_events *events, void (*notify)(void *context), void *context);
/* The number of the last event that was read. */
int64_t rsmfs_events_position(struct rsmfs_events *events);
void rsmfs_events_release(struct rsmfs_events *events);

#endif
