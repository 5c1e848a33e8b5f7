/* parking.h - requests that wait: for a mount, for staging room, for time, for bytes.
 *
 * A parked call is run again by the doorman's thread from its start, or answered with the error of
 * what it waited for. A pending request is one whose answer somebody has promised (a read of the
 * medium, of a control file). Ctrl-C reaches both at once: the kernel's INTERRUPT marks the request
 * and wakes the doorman, who asks whoever works on it to give up; EINTR is then its answer.
 * Threads: any. The lock is a leaf.
 */
#ifndef RSMFS_PARKING_H
#define RSMFS_PARKING_H

#include "fs/frontend.h"

RSM_MUST_CHECK int rsmfs_parking_new(struct rsmfs *fs, struct rsmfs_parking **ret_parking,
				     struct rsm_err *err);
/* Interrupts all that waits, waits (a few seconds at most) until it is answered; true: all is. What
 * comes later is answered EINTR at once. */
bool rsmfs_parking_drain(struct rsmfs_parking *parking);
void rsmfs_parking_free(struct rsmfs_parking *parking);
RSM_DEFINE_CLEANUP(rsmfs_parking_free, struct rsmfs_parking)

/* Each parks the call; the handler returns at once afterwards. */
void rsmfs_park_for_mount(struct rsmfs *fs, struct rsmfs_call *call, int64_t medium,
			  unsigned mount_flags);
void rsmfs_park_for_room(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_park_for_time(struct rsmfs *fs, struct rsmfs_call *call, unsigned delay_ms);

/* Staging has room again. */
void rsmfs_parking_room(struct rsmfs_parking *parking);

/* Is a call parked whose answer the kernel awaits with the folder locked? (Any call in it: which of
 * them lock is the kernel's affair.)
 */
bool rsmfs_parking_holds(struct rsmfs_parking *parking, uint64_t folder);

/* ---- pending requests: embedded in the caller's struct, counted references ---- */

struct rsmfs_pending {
	struct rsm_list link; /* [parking's lock] */
	struct rsmfs *fs;
	fuse_req_t req;
	atomic_uint refs;
	atomic_bool interrupted;
	bool told;		/* the doorman's: interrupt() was called */
	pid_t asker;		/* [parking's lock] process; UNKNOWN: it is not followed */
	struct rsm_mutex lock;	/* order: before libfuse's own */
	bool answered, watched; /* [lock] */
	/* From the doorman's thread: ask that it be given up. */
	void (*interrupt)(struct rsmfs_pending *pending);
	void (*destroy)(struct rsmfs_pending *pending);
};

/* With two references: that of whoever asked, and that of whoever will answer. */
void rsmfs_pending_init(struct rsmfs_pending *pending, struct rsmfs *fs, fuse_req_t req,
			void (*interrupt)(struct rsmfs_pending *pending),
			void (*destroy)(struct rsmfs_pending *pending));
/* The asker's last step: unless it is answered already, interrupts count from now on. */
void rsmfs_pending_watch(struct rsmfs_pending *pending);
/* The same for what the kernel may have asked for in advance, and does not interrupt when the
 * process is killed: that it has gone counts as an interrupt, too. `asker`: the thread; 0: nobody.
 */
void rsmfs_pending_watch_asker(struct rsmfs_pending *pending, pid_t asker);
/* The answerer's first step, before the reply: no interrupt comes any more. */
void rsmfs_pending_answer(struct rsmfs_pending *pending);
void rsmfs_pending_unref(struct rsmfs_pending *pending);

#endif
