#include "fs/parking.h"

#include "fs/asker.h"
#include "fs/priority.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"

/* An interrupt function of libfuse runs with libfuse's locks held and must not answer the request
 * itself; so it only marks and wakes (an eventfd: no lock of ours below libfuse's).
 */

enum { ROOM_RETRY_MS = 100, DRAIN_MS = 5000 };
#define LOOK_NS (RSM_SECOND_NS / 2)

struct rsmfs_parking {
	struct rsmfs *fs;
	pthread_t thread;
	bool running;
	int wake; /* eventfd */
	struct rsm_mutex lock;
	pthread_cond_t empty;	     /* [lock] live became 0 */
	struct rsm_list pending;     /* [lock] watched ones */
	struct rsm_list calls;	     /* [lock] struct rsmfs_parked */
	struct rsmfs_parked *active; /* [lock] the one that the doorman runs, or NULL */
	unsigned live;		     /* [lock] pending structs that exist */
	bool looking;		     /* [lock] the doorman looks after askers, every LOOK_NS */
	int64_t looked_ns;	     /* the doorman's: when he did last */
	struct {
		pid_t thread, process;
		int64_t until_ns;
	} last; /* [lock] asker */
	atomic_bool room, stop, draining;
};

enum why { WHY_MOUNT, WHY_ROOM, WHY_TIME };

struct rsmfs_parked {
	struct rsmfs_pending pending;
	struct rsm_list link; /* [parking's lock] calls */
	struct rsmfs_call call;
	enum why why;
	int64_t due_ns; /* ROOM, TIME */
	bool ready;	/* [parking's lock] */
	bool again;	/* parked anew by the run */
	int result;	/* [parking's lock] */
	struct rsm_err err;
	struct rsm_mount_request mount;
	void *copies[3];
};

static int64_t now_ns(void)
{
	return rsm_clock_now_ns(rsm_clock_real());
}

static void wake(struct rsmfs_parking *parking)
{
	uint64_t one = 1;
	ssize_t n = write(parking->wake, &one, sizeof(one));

	(void)n; /* a full counter wakes as well */
}

/* ---- pending ---- */

void rsmfs_pending_init(struct rsmfs_pending *pending, struct rsmfs *fs, fuse_req_t req,
			void (*interrupt)(struct rsmfs_pending *pending),
			void (*destroy)(struct rsmfs_pending *pending))
{
	*pending = (struct rsmfs_pending){
		.fs = fs,
		.req = req,
		.interrupt = interrupt,
		.destroy = destroy,
		.asker = RSMFS_ASKER_UNKNOWN,
	};
	atomic_init(&pending->refs, 2);
	rsm_list_init(&pending->link);
	rsm_mutex_init(&pending->lock);
	RSM_LOCK_SCOPE(&fs->parking->lock);
	fs->parking->live++;
}

void rsmfs_pending_unref(struct rsmfs_pending *pending)
{
	struct rsmfs_parking *parking = pending->fs->parking;

	if (atomic_fetch_sub(&pending->refs, 1) != 1)
		return;
	rsm_mutex_lock(&parking->lock);
	rsm_list_remove(&pending->link);
	rsm_mutex_unlock(&parking->lock);
	pthread_mutex_destroy(&pending->lock.m);
	pending->destroy(pending);
	RSM_LOCK_SCOPE(&parking->lock);
	if (--parking->live == 0)
		pthread_cond_broadcast(&parking->empty);
}

static void interrupted(fuse_req_t req, void *data)
{
	struct rsmfs_pending *pending = data;

	(void)req;
	atomic_store(&pending->interrupted, true);
	wake(pending->fs->parking);
}

/* Who reads on and on is looked up once in a while. */
static pid_t process_of_locked(struct rsmfs_parking *parking, pid_t thread)
{
	int64_t now = now_ns();

	if (parking->last.thread != thread || parking->last.until_ns < now) {
		parking->last.thread = thread;
		parking->last.process = rsmfs_asker_process(thread);
		parking->last.until_ns = now + LOOK_NS;
	}
	return parking->last.process;
}

void rsmfs_pending_watch_asker(struct rsmfs_pending *pending, pid_t asker)
{
	struct rsmfs_parking *parking = pending->fs->parking;
	bool begins = false;
	RSM_LOCK_SCOPE(&pending->lock);

	if (pending->answered)
		return;
	pending->watched = true;
	rsm_mutex_lock(&parking->lock);
	if (asker > 0) {
		pending->asker = process_of_locked(parking, asker);
		begins = !parking->looking;
		parking->looking = true;
	}
	rsm_list_append(&parking->pending, &pending->link);
	rsm_mutex_unlock(&parking->lock);
	fuse_req_interrupt_func(pending->req, interrupted, pending);
	if (atomic_load(&parking->draining))
		interrupted(pending->req, pending);
	else if (begins)
		wake(parking);
}

void rsmfs_pending_watch(struct rsmfs_pending *pending)
{
	rsmfs_pending_watch_asker(pending, 0);
}

/* Marks those whose asker has gone. */
static void look_after_askers(struct rsmfs_parking *parking, int64_t now)
{
	if (now - parking->looked_ns < LOOK_NS)
		return;
	parking->looked_ns = now;
	RSM_LOCK_SCOPE(&parking->lock);
	parking->looking = false;
	RSM_LIST_FOR_EACH (item, &parking->pending) {
		struct rsmfs_pending *pending = RSM_CONTAINER_OF(item, struct rsmfs_pending, link);

		if (pending->asker == RSMFS_ASKER_UNKNOWN)
			continue;
		parking->looking = true;
		if (!rsmfs_asker_lives(pending->asker))
			atomic_store(&pending->interrupted, true);
	}
}

void rsmfs_pending_answer(struct rsmfs_pending *pending)
{
	struct rsmfs_parking *parking = pending->fs->parking;
	bool watched;

	rsm_mutex_lock(&pending->lock);
	pending->answered = true;
	watched = pending->watched;
	pending->watched = false;
	rsm_mutex_unlock(&pending->lock);
	if (!watched)
		return;
	/* waits for an interrupted() that is under way */
	fuse_req_interrupt_func(pending->req, NULL, NULL);
	RSM_LOCK_SCOPE(&parking->lock);
	rsm_list_remove(&pending->link);
}

/* ---- parked calls ---- */

static void make_ready(struct rsmfs_parked *parked, int r, const struct rsm_err *err)
{
	struct rsmfs_parking *parking = parked->pending.fs->parking;
	RSM_LOCK_SCOPE(&parking->lock);

	parked->result = r < 0 ? r : 0;
	if (r < 0 && err)
		parked->err = *err;
	parked->ready = true;
	wake(parking);
}

static void interrupt_parked(struct rsmfs_pending *pending)
{
	struct rsmfs_parked *parked = RSM_CONTAINER_OF(pending, struct rsmfs_parked, pending);
	struct rsm_err err;
	int r;

	if (parked->why == WHY_MOUNT) {
		bool waits;

		rsm_mutex_lock(&pending->fs->parking->lock);
		waits = !parked->ready;
		rsm_mutex_unlock(&pending->fs->parking->lock);
		if (waits)
			rsm_manager_cancel_mount(pending->fs->manager, &parked->mount);
		return;
	}
	r = rsm_err_set(&err, EINTR, "interrupted");
	make_ready(parked, r, &err);
}

static void destroy_parked(struct rsmfs_pending *pending)
{
	struct rsmfs_parked *parked = RSM_CONTAINER_OF(pending, struct rsmfs_parked, pending);

	for (size_t i = 0; i < sizeof(parked->copies) / sizeof(parked->copies[0]); i++)
		free(parked->copies[i]);
	free(parked);
}

static bool copy_bytes(void **slot, const void *bytes, size_t length)
{
	if (!bytes)
		return true;
	*slot = malloc(length ? length : 1);
	if (*slot)
		memcpy(*slot, bytes, length);
	return *slot != NULL;
}

/* The call on the heap with all it points at; an earlier copy is used again. */
static struct rsmfs_parked *keep(struct rsmfs *fs, struct rsmfs_call *call, enum why why)
{
	struct rsmfs_parked *parked = call->parked;

	if (parked) {
		/* run by the doorman: the references of the last time are gone but for his own */
		parked->again = true;
		parked->ready = false;
		parked->pending.answered = parked->pending.told = false;
		atomic_store(&parked->pending.interrupted, false);
		atomic_fetch_add(&parked->pending.refs, 1);
		parked->why = why;
		return parked;
	}
	parked = calloc(1, sizeof(*parked));
	if (!parked)
		return NULL;
	parked->call = *call;
	parked->why = why;
	if (!copy_bytes(&parked->copies[0], call->name, call->name ? strlen(call->name) + 1 : 0) ||
	    !copy_bytes(&parked->copies[1], call->other_name,
			call->other_name ? strlen(call->other_name) + 1 : 0) ||
	    !copy_bytes(&parked->copies[2], call->data, call->size)) {
		for (size_t i = 0; i < 3; i++)
			free(parked->copies[i]);
		free(parked);
		return NULL;
	}
	parked->call.name = parked->copies[0];
	parked->call.other_name = parked->copies[1];
	parked->call.data = parked->copies[2];
	parked->call.parked = parked;
	rsm_list_init(&parked->link);
	rsmfs_pending_init(&parked->pending, fs, call->req, interrupt_parked, destroy_parked);
	return parked;
}

static struct rsmfs_parked *park(struct rsmfs *fs, struct rsmfs_call *call, enum why why)
{
	struct rsmfs_parked *parked = keep(fs, call, why);
	struct rsm_err err;
	int r;

	if (!parked) {
		r = rsm_err_oom(&err);
		rsmfs_reply_error(call->req, r, &err);
		return NULL;
	}
	return parked;
}

/* From here on the doorman may take it. Drops the asker's reference. */
static void hand_over(struct rsmfs_parked *parked)
{
	struct rsmfs_parking *parking = parked->pending.fs->parking;

	rsmfs_pending_watch(&parked->pending);
	rsm_mutex_lock(&parking->lock);
	rsm_list_append(&parking->calls, &parked->link);
	rsm_mutex_unlock(&parking->lock);
	wake(parking);
	rsmfs_pending_unref(&parked->pending);
}

static void mounted(struct rsm_mount_request *request, int r, const struct rsm_err *err)
{
	make_ready(request->context, r, err);
}

void rsmfs_park_for_mount(struct rsmfs *fs, struct rsmfs_call *call, int64_t medium,
			  unsigned mount_flags)
{
	struct rsmfs_parked *parked = park(fs, call, WHY_MOUNT);

	if (!parked)
		return;
	parked->call.mounts++;
	parked->mount = (struct rsm_mount_request){
		.medium = medium,
		.flags = mount_flags,
		.priority = rsmfs_priority_of(fuse_req_ctx(call->req)->pid),
		.user = fuse_req_ctx(call->req)->uid,
		.done = mounted,
		.context = parked,
	};
	rsm_list_init(&parked->mount.link);
	/* queued before it can be interrupted, so that a cancel always finds it */
	rsm_manager_mount(fs->manager, &parked->mount);
	hand_over(parked);
}

void rsmfs_park_for_room(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsmfs_parked *parked = park(fs, call, WHY_ROOM);

	if (!parked)
		return;
	/* room may have come between the refusal and now: look again soon anyway */
	parked->due_ns = now_ns() + ROOM_RETRY_MS * (RSM_SECOND_NS / 1000);
	hand_over(parked);
}

void rsmfs_park_for_time(struct rsmfs *fs, struct rsmfs_call *call, unsigned delay_ms)
{
	struct rsmfs_parked *parked = park(fs, call, WHY_TIME);

	if (!parked)
		return;
	parked->due_ns = now_ns() + delay_ms * (RSM_SECOND_NS / 1000);
	hand_over(parked);
}

void rsmfs_parking_room(struct rsmfs_parking *parking)
{
	atomic_store(&parking->room, true);
	wake(parking);
}

static bool is_in(const struct rsmfs_call *call, const struct rsmfs_place *folder)
{
	const struct rsmfs_place *other = call->other_name ? &call->other : &call->place;

	return (call->place.kind == folder->kind && call->place.id == folder->id &&
		call->place.node == folder->node) ||
	       (other->kind == folder->kind && other->id == folder->id &&
		other->node == folder->node);
}

bool rsmfs_parking_holds(struct rsmfs_parking *parking, uint64_t folder)
{
	struct rsmfs_place place = rsmfs_place_of(folder);
	RSM_LOCK_SCOPE(&parking->lock);

	if (parking->active && is_in(&parking->active->call, &place))
		return true;
	RSM_LIST_FOR_EACH (item, &parking->calls) {
		if (is_in(&RSM_CONTAINER_OF(item, struct rsmfs_parked, link)->call, &place))
			return true;
	}
	return false;
}

/* ---- the doorman ---- */

static void run_parked(struct rsmfs_parked *parked)
{
	struct rsmfs *fs = parked->pending.fs;

	rsmfs_pending_answer(&parked->pending);
	parked->again = false;
	if (parked->result < 0)
		rsmfs_reply_error(parked->call.req, parked->result, &parked->err);
	else
		parked->call.run(fs, &parked->call);
	rsm_mutex_lock(&fs->parking->lock);
	fs->parking->active = NULL;
	rsm_mutex_unlock(&fs->parking->lock);
	/* Parked anew: hand_over() dropped the reference that keep() took; ours stays with it. It
	 * cannot have been run meanwhile: that is this thread's to do. */
	if (!parked->again)
		rsmfs_pending_unref(&parked->pending);
}

/* Takes a pending request that is marked; with a reference. */
static struct rsmfs_pending *next_interrupted(struct rsmfs_parking *parking)
{
	RSM_LOCK_SCOPE(&parking->lock);

	RSM_LIST_FOR_EACH (item, &parking->pending) {
		struct rsmfs_pending *pending = RSM_CONTAINER_OF(item, struct rsmfs_pending, link);

		if (!pending->told && atomic_load(&pending->interrupted)) {
			pending->told = true;
			atomic_fetch_add(&pending->refs, 1);
			return pending;
		}
	}
	return NULL;
}

static struct rsmfs_parked *next_ready(struct rsmfs_parking *parking, bool room, int64_t before)
{
	RSM_LOCK_SCOPE(&parking->lock);

	RSM_LIST_FOR_EACH (item, &parking->calls) {
		struct rsmfs_parked *parked = RSM_CONTAINER_OF(item, struct rsmfs_parked, link);

		/* `before`: what this round parked again waits for the next one */
		if (!parked->ready && parked->why != WHY_MOUNT &&
		    (parked->due_ns <= before || (room && parked->why == WHY_ROOM))) {
			parked->ready = true;
			parked->result = 0;
		}
		if (parked->ready) {
			rsm_list_remove(&parked->link);
			parking->active = parked;
			return parked;
		}
	}
	return NULL;
}

static int next_timeout_ms(struct rsmfs_parking *parking)
{
	int64_t due = INT64_MAX, left;
	RSM_LOCK_SCOPE(&parking->lock);

	RSM_LIST_FOR_EACH (item, &parking->calls) {
		struct rsmfs_parked *parked = RSM_CONTAINER_OF(item, struct rsmfs_parked, link);

		if (parked->ready)
			return 0;
		if (parked->why != WHY_MOUNT && parked->due_ns < due)
			due = parked->due_ns;
	}
	if (parking->looking && parking->looked_ns + LOOK_NS < due)
		due = parking->looked_ns + LOOK_NS;
	if (due == INT64_MAX)
		return -1;
	left = due - now_ns();
	return left <= 0 ? 0 : (int)(left / (RSM_SECOND_NS / 1000)) + 1;
}

static void *doorman(void *argument)
{
	struct rsmfs_parking *parking = argument;

	while (!atomic_load(&parking->stop)) {
		struct pollfd fd = { .fd = parking->wake, .events = POLLIN };
		struct rsmfs_pending *pending;
		struct rsmfs_parked *parked;
		uint64_t count;
		bool room;
		int64_t now;

		if (poll(&fd, 1, next_timeout_ms(parking)) > 0) {
			ssize_t n = read(parking->wake, &count, sizeof(count));

			(void)n;
		}
		look_after_askers(parking, now_ns());
		while ((pending = next_interrupted(parking))) {
			pending->interrupt(pending);
			rsmfs_pending_unref(pending);
		}
		room = atomic_exchange(&parking->room, false);
		now = now_ns();
		while ((parked = next_ready(parking, room, now))) {
			run_parked(parked);
			/* one round of those who wait for room, not round and round */
			if (room && now_ns() - now > RSM_SECOND_NS)
				break;
		}
	}
	return NULL;
}

int rsmfs_parking_new(struct rsmfs *fs, struct rsmfs_parking **ret_parking, struct rsm_err *err)
{
	RSM_CLEANUP(rsmfs_parking_free) struct rsmfs_parking *parking = calloc(1, sizeof(*parking));
	int r;

	if (!parking)
		return rsm_err_oom(err);
	parking->fs = fs;
	rsm_mutex_init(&parking->lock);
	rsm_cond_init(&parking->empty);
	rsm_list_init(&parking->pending);
	rsm_list_init(&parking->calls);
	parking->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (parking->wake < 0)
		return rsm_err_errno(err, "eventfd");
	r = pthread_create(&parking->thread, NULL, doorman, parking);
	if (r)
		return rsm_err_set(err, r, "cannot start a thread");
	parking->running = true;
	*ret_parking = RSM_STEAL(parking);
	return 0;
}

bool rsmfs_parking_drain(struct rsmfs_parking *parking)
{
	int64_t deadline = now_ns() + DRAIN_MS * (RSM_SECOND_NS / 1000);

	atomic_store(&parking->draining, true);
	rsm_mutex_lock(&parking->lock);
	RSM_LIST_FOR_EACH (item, &parking->pending) {
		atomic_store(&RSM_CONTAINER_OF(item, struct rsmfs_pending, link)->interrupted,
			     true);
	}
	rsm_mutex_unlock(&parking->lock);
	wake(parking);
	RSM_LOCK_SCOPE(&parking->lock);
	while (parking->live && rsm_cond_wait_until(&parking->empty, &parking->lock, deadline))
		;
	return parking->live == 0;
}

void rsmfs_parking_free(struct rsmfs_parking *parking)
{
	if (!parking)
		return;
	if (parking->running) {
		atomic_store(&parking->stop, true);
		wake(parking);
		pthread_join(parking->thread, NULL);
	}
	if (parking->wake >= 0)
		close(parking->wake);
	pthread_cond_destroy(&parking->empty);
	pthread_mutex_destroy(&parking->lock.m);
	free(parking);
}
