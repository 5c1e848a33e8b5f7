/* Mounts, dismounts, and waiting for media: the queue's public side. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/drive_fit.h"
#include "core/drive_private.h"
#include "core/hand.h"

/* ---- drives ---- */

int rsm_manager_check_drives_locked(struct rsm_manager *manager,
				    const struct rsm_cartridge *cartridge, struct rsm_err *err)
{
	bool failed = false, disabled = false;
	int r;

	if (cartridge->state != RSM_CARTRIDGE_AWAY)
		return 0;
	r = rsm_drive_fit_check_locked(cartridge, 0, false, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < manager->worker_count; i++) {
		const struct rsm_drive_worker *worker = manager->workers[i];

		if (worker->library->id != cartridge->library ||
		    rsm_drive_fit_locked(worker, cartridge) == RSM_MEDIA_NONE)
			continue;
		if (!rsm_drive_worker_has_failed_locked(worker) && worker->enabled)
			return 0;
		failed = failed || worker->enabled;
		disabled = disabled || !worker->enabled;
	}
	if (failed)
		return rsm_err_set(err, EIO, "%s: every drive of the library has failed",
				   cartridge->barcode);
	return disabled ? rsm_err_set(err, ENODEV, "%s: every drive of the library is disabled",
				      cartridge->barcode)
			: 0;
}

void rsm_manager_note_failed_drive(struct rsm_manager *manager)
{
	for (;;) {
		struct rsm_cartridge *found = NULL;
		struct rsm_err err, own;

		rsm_mutex_lock(&manager->lock);
		RSM_LIST_FOR_EACH (item, &manager->cartridges) {
			struct rsm_cartridge *c =
				RSM_CONTAINER_OF(item, struct rsm_cartridge, link);
			int r = rsm_manager_check_drives_locked(manager, c, &own);

			if (r == 0 && c->state == RSM_CARTRIDGE_AWAY &&
			    rsm_cartridge_is_disabled_locked(c))
				r = rsm_err_set(&own, ENODEV, "%s is disabled", c->barcode);
			if (r < 0)
				c->identify = false;
			if (r < 0 &&
			    (!rsm_list_is_empty(&c->reads) || !rsm_list_is_empty(&c->mounts))) {
				found = c;
				err = own;
			}
		}
		if (found)
			found->references++;
		rsm_mutex_unlock(&manager->lock);
		if (!found)
			return;
		rsm_cartridge_fail_requests(found, -err.code, &err);
		rsm_cartridge_unref(found);
	}
}

/* ---- requests ---- */

static bool drive_is_free_locked(struct rsm_manager *manager, int64_t library)
{
	for (size_t i = 0; i < manager->worker_count; i++)
		if (manager->workers[i]->library->id == library &&
		    rsm_drive_worker_is_empty_locked(manager->workers[i]))
			return true;
	return false;
}

/* A drive has the other side of it. */
static bool other_side_is_out_locked(struct rsm_manager *manager,
				     const struct rsm_cartridge *cartridge)
{
	for (size_t i = 0; i < manager->worker_count; i++)
		if (manager->workers[i]->cartridge &&
		    rsm_mount_queue_is_other_side(cartridge, manager->workers[i]->cartridge))
			return true;
	return false;
}

/* library 0: in any. */
static int check_request(struct rsm_manager *manager, const struct rsm_mount_request *request,
			 struct rsm_medium *medium, struct rsm_err *err)
{
	int r = rsm_medium_get(manager->catalog, request->medium, medium, err);

	if (r > 0)
		return rsm_err_set(err, ENOENT, "there is no such cartridge");
	if (r < 0)
		return r;
	if (medium->cleaner)
		return rsm_err_set(err, EMEDIUMTYPE, "%s is a cleaning cartridge", medium->shown);
	if (!medium->enabled)
		return rsm_err_set(err, ENODEV, "%s is disabled", medium->shown);
	if ((request->flags & RSM_MOUNT_WRITE) &&
	    (medium->state == RSM_MEDIUM_COMPLETE || medium->write_protected))
		return rsm_err_set(err, EROFS, "%s takes no changes", medium->shown);
	return 0;
}

int rsm_manager_check_drive_locked(struct rsm_manager *manager, int64_t library, uint32_t element,
				   struct rsm_err *err)
{
	bool elsewhere = false;

	for (size_t i = 0; element && i < manager->worker_count; i++) {
		const struct rsm_drive_worker *worker = manager->workers[i];

		if (worker->element != element)
			continue;
		elsewhere = library && worker->library->id != library;
		if (elsewhere)
			continue;
		if (rsm_drive_worker_has_failed_locked(worker))
			return rsm_err_set(err, ENODEV, "%s is out of service", worker->name);
		if (!worker->enabled)
			return rsm_err_set(err, ENODEV, "%s is disabled", worker->name);
		return 0;
	}
	if (elsewhere)
		return rsm_err_set(err, EMEDIUMTYPE, "drive %u is in another library", element);
	return element ? rsm_err_set(err, ENODEV, "there is no drive %u", element) : 0;
}

/* Why it cannot even be waited for; 0: it can. */
static int check_cartridge_locked(struct rsm_manager *manager,
				  const struct rsm_mount_request *request, struct rsm_err *err)
{
	const struct rsm_cartridge *cartridge = request->cartridge;
	int r;

	if (manager->stopping)
		return rsm_err_set(err, ECANCELED, "rsmfs is shutting down");
	if (cartridge->detached)
		return rsm_err_set(err, ENOENT, "%s was deallocated", cartridge->barcode);
	r = rsm_manager_check_drive_locked(manager, cartridge->library, request->drive, err);
	if (r < 0)
		return r;
	if (rsm_cartridge_is_disabled_locked(cartridge))
		return rsm_err_set(err, ENODEV, "%s is in a library that is disabled",
				   cartridge->barcode);
	if (request->flags & RSM_MOUNT_IF_AVAILABLE && cartridge->state != RSM_CARTRIDGE_LOADED &&
	    cartridge->library) {
		const struct rsm_library *library = rsm_library_find(manager, cartridge->library);

		if (library && library->not_ready)
			return rsm_err_set(err, EAGAIN, "%s: the door of %s is open",
					   cartridge->barcode, library->hardware->source);
	}
	if (cartridge->library) {
		r = rsm_drive_fit_check_locked(cartridge, request->drive,
					       request->flags & RSM_MOUNT_WRITE, err);
		return r < 0 ? r : rsm_manager_check_drives_locked(manager, cartridge, err);
	}
	if (!rsm_hand_waits_locked(cartridge) || request->flags & RSM_MOUNT_IF_ONLINE)
		return rsm_err_set(err, ENOMEDIUM, "%s is not in the library", cartridge->barcode);
	return 0;
}

static void append_locked(struct rsm_manager *manager, struct rsm_mount_request *request)
{
	request->since_ns = rsm_manager_now(manager);
	if (!request->deadline_ns)
		request->deadline_ns = rsm_manager_deadline(manager, 0);
	rsm_list_append(&request->cartridge->mounts, &request->link);
	rsm_manager_note_deadline_locked(manager, request->deadline_ns);
	rsm_cartridge_wanted_locked(request->cartridge);
}

/* Outcome 1: it is queued. */
static int queue_locked(struct rsm_manager *manager, struct rsm_mount_request *request,
			struct rsm_err *err)
{
	struct rsm_cartridge *cartridge = request->cartridge;
	int r = check_cartridge_locked(manager, request, err);

	if (r < 0)
		return r;
	if (!(request->flags & RSM_MOUNT_IF_AVAILABLE) ||
	    cartridge->state == RSM_CARTRIDGE_LOADED ||
	    (drive_is_free_locked(manager, cartridge->library) &&
	     !other_side_is_out_locked(manager, cartridge))) {
		append_locked(manager, request);
		return 1;
	}
	/* it stays wanted, so that a second try finds it */
	cartridge->asked_ns = rsm_manager_now(manager);
	cartridge->asked_by = request->user;
	rsm_cartridge_wanted_locked(cartridge);
	return rsm_err_set(err, EAGAIN, "%s: no drive is free", cartridge->barcode);
}

static int find_cartridge(struct rsm_manager *manager, struct rsm_mount_request *request,
			  struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = check_request(manager, request, &medium, err);

	rsm_list_init(&request->link);
	if (r == 0)
		r = rsm_cartridge_ref(manager, request->medium, &request->cartridge, err);
	return r > 0 ? rsm_err_set(err, ENOENT, "there is no such cartridge") : r;
}

void rsm_manager_mount(struct rsm_manager *manager, struct rsm_mount_request *request)
{
	struct rsm_cartridge *cartridge;
	struct rsm_err err;
	bool offline;
	int r = find_cartridge(manager, request, &err);

	if (r < 0) {
		request->done(request, r, &err);
		return;
	}
	cartridge = request->cartridge; /* once it is queued, the request may end and go */
	rsm_mutex_lock(&manager->lock);
	offline = cartridge->library == 0;
	r = queue_locked(manager, request, &err);
	rsm_mutex_unlock(&manager->lock);
	if (offline)
		rsm_manager_request_medium(manager, cartridge);
	rsm_cartridge_unref(cartridge);
	if (r < 0)
		request->done(request, r, &err);
}

void rsm_manager_cancel_mount(struct rsm_manager *manager, struct rsm_mount_request *request)
{
	struct rsm_err err;
	bool found = false;

	rsm_mutex_lock(&manager->lock);
	RSM_LIST_FOR_EACH (item, &manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (cartridge->id != request->medium)
			continue;
		RSM_LIST_FOR_EACH (asked, &cartridge->mounts)
			found = found || asked == &request->link;
		if (!found)
			continue;
		rsm_list_remove(&request->link);
		rsm_cartridge_unwanted_locked(cartridge);
		break;
	}
	rsm_mutex_unlock(&manager->lock);
	if (found)
		request->done(request, rsm_err_set(&err, EINTR, "interrupted"), &err);
}

/* ---- waiting ---- */

struct waiter {
	struct rsm_mutex lock;
	pthread_cond_t ended;
	unsigned open; /* [lock] requests that have not ended */
	int result;    /* [lock] the first failure */
	struct rsm_err err;
};

enum { ENDED_WELL = 1, ENDED_BADLY };

static void waiter_done(struct rsm_mount_request *request, int r, const struct rsm_err *err)
{
	struct waiter *waiter = request->context;

	RSM_LOCK_SCOPE(&waiter->lock);
	if (r < 0 && waiter->result == 0) {
		waiter->result = r;
		waiter->err = *err;
	}
	request->state = r < 0 ? ENDED_BADLY : ENDED_WELL;
	waiter->open--;
	pthread_cond_broadcast(&waiter->ended);
}

static void cancel_open(struct rsm_manager *manager, struct waiter *waiter,
			struct rsm_mount_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		bool ended;

		rsm_mutex_lock(&waiter->lock);
		ended = set->requests[i].state != 0;
		rsm_mutex_unlock(&waiter->lock);
		if (!ended)
			rsm_manager_cancel_mount(manager, &set->requests[i]);
	}
}

static int await(struct rsm_manager *manager, struct waiter *waiter, struct rsm_mount_set *set,
		 unsigned timeout_ms, const atomic_bool *cancel, struct rsm_err *err)
{
	int64_t deadline = rsm_manager_deadline(manager, timeout_ms);
	int ended = 0;

	rsm_mutex_lock(&waiter->lock);
	while (waiter->open && waiter->result == 0 && !ended) {
		int64_t now = rsm_manager_now(manager);

		rsm_cond_wait_until(&waiter->ended, &waiter->lock, now + RSM_LOOK_NS);
		if (cancel && atomic_load(cancel))
			ended = EINTR;
		else if (deadline && now >= deadline)
			ended = ETIMEDOUT;
	}
	rsm_mutex_unlock(&waiter->lock);
	cancel_open(manager, waiter, set);
	rsm_mutex_lock(&waiter->lock);
	while (waiter->open)
		rsm_cond_wait(&waiter->ended, &waiter->lock);
	rsm_mutex_unlock(&waiter->lock);
	if (ended && waiter->result == -EINTR)
		return rsm_err_set(err, ended, "%s",
				   ended == EINTR ? "interrupted" : "no drive was ready in time");
	if (waiter->result < 0 && err)
		*err = waiter->err;
	return waiter->result;
}

/* All or none: what it has got so far is given back, and what is on its way goes home again, unless
 * somebody else wants it.
 */
static void give_back(struct rsm_manager *manager, struct rsm_mount_set *set)
{
	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < set->count; i++) {
		struct rsm_mount_request *request = &set->requests[i];
		struct rsm_cartridge *cartridge = request->cartridge;

		if (!cartridge)
			continue;
		if (request->state == ENDED_WELL && request->took_hold)
			cartridge->held = false;
		if (set->granted && !cartridge->held && rsm_list_is_empty(&cartridge->mounts) &&
		    rsm_list_is_empty(&cartridge->reads) && !cartridge->syncs &&
		    (cartridge->state == RSM_CARTRIDGE_FETCHING ||
		     (cartridge->state == RSM_CARTRIDGE_LOADED &&
		      cartridge->loaded_at_ns >= request->since_ns)))
			rsm_cartridge_leave_locked(cartridge);
	}
	rsm_manager_wake_locked(manager);
}

void rsm_manager_withdraw_request(struct rsm_manager *manager, int64_t medium)
{
	struct rsm_cartridge *cartridge;
	struct rsm_err err;
	bool unwanted;

	if (!manager->options.offline_wait || rsm_cartridge_ref(manager, medium, &cartridge, NULL))
		return;
	rsm_mutex_lock(&manager->lock);
	unwanted = !cartridge->library && !cartridge->hand_request && !cartridge->syncs &&
		   rsm_list_is_empty(&cartridge->reads) && rsm_list_is_empty(&cartridge->mounts);
	rsm_mutex_unlock(&manager->lock);
	rsm_cartridge_unref(cartridge);
	if (unwanted && rsm_operator_request_end_medium(manager->catalog, medium, &err) < 0)
		rsm_log_warning("a request that nobody waits for stays open: %s", err.msg);
}

/* One that is for several asks for all of them at the same instant. */
static int queue_set(struct rsm_manager *manager, struct waiter *waiter, struct rsm_mount_set *set,
		     struct rsm_err *err)
{
	int r = 0;

	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < set->count && r == 0; i++) {
		const struct rsm_cartridge *cartridge = set->requests[i].cartridge;

		r = check_cartridge_locked(manager, &set->requests[i], err);
		if (r == 0 && cartridge->library && set->requests[0].cartridge->library &&
		    cartridge->library != set->requests[0].cartridge->library)
			r = rsm_err_set(err, EMEDIUMTYPE, "%s and %s are not in one library",
					set->requests[0].cartridge->barcode, cartridge->barcode);
		for (size_t k = 0; r == 0 && k < i; k++)
			if (rsm_mount_queue_is_other_side(cartridge, set->requests[k].cartridge))
				r = rsm_err_set(err, EINVAL, "%s and %s are sides of one cartridge",
						set->requests[k].cartridge->barcode,
						cartridge->barcode);
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < set->count; i++) {
		set->requests[i].set = set;
		append_locked(manager, &set->requests[i]);
	}
	rsm_mutex_lock(&waiter->lock);
	waiter->open = (unsigned)set->count;
	rsm_mutex_unlock(&waiter->lock);
	rsm_manager_grant_locked(manager);
	if (set->granted || !(set->requests[0].flags & RSM_MOUNT_IF_AVAILABLE))
		return 0;
	for (size_t i = 0; i < set->count; i++) {
		rsm_list_remove(&set->requests[i].link);
		rsm_cartridge_unwanted_locked(set->requests[i].cartridge);
	}
	return rsm_err_set(err, EAGAIN, "not enough drives are free for %zu cartridges",
			   set->count);
}

static void ask_for_absent(struct rsm_manager *manager, struct rsm_mount_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct rsm_cartridge *cartridge = set->requests[i].cartridge;
		bool offline;

		rsm_mutex_lock(&manager->lock);
		offline = cartridge && cartridge->library == 0;
		rsm_mutex_unlock(&manager->lock);
		if (offline)
			rsm_manager_request_medium(manager, cartridge);
	}
}

static int mount_set(struct rsm_manager *manager, struct waiter *waiter, struct rsm_mount_set *set,
		     unsigned timeout_ms, const atomic_bool *cancel, struct rsm_err *err)
{
	int r = 0;

	for (size_t i = 0; i < set->count && r == 0; i++)
		r = find_cartridge(manager, &set->requests[i], err);
	if (r == 0) {
		ask_for_absent(manager, set);
		r = queue_set(manager, waiter, set, err);
	}
	if (r == 0) {
		r = await(manager, waiter, set, timeout_ms, cancel, err);
		if (r < 0)
			give_back(manager, set);
	}
	for (size_t i = 0; i < set->count; i++)
		if (set->requests[i].cartridge)
			rsm_cartridge_unref(set->requests[i].cartridge);
	return r;
}

static int check_set(struct rsm_manager *manager, const int64_t *media, size_t count,
		     uint32_t drive, struct rsm_err *err)
{
	if (count > manager->worker_count)
		return rsm_err_set(err, EINVAL,
				   "%zu cartridges do not fit into %zu drives at one time", count,
				   manager->worker_count);
	if (count > 1 && drive)
		return rsm_err_set(err, EINVAL, "%zu cartridges do not fit into drive %u", count,
				   drive);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < i; k++)
			if (media[i] == media[k])
				return rsm_err_set(err, EINVAL,
						   "the same cartridge is named twice");
	return 0;
}

int rsm_manager_mount_wait(struct rsm_manager *manager, const int64_t *media, size_t count,
			   unsigned flags, uint32_t drive, int priority, unsigned timeout_ms,
			   uid_t user, const atomic_bool *cancel, struct rsm_err *err)
{
	RSM_FREE struct rsm_mount_request *requests = calloc(count + 1, sizeof *requests);
	struct rsm_mount_set set = { .requests = requests, .count = count };
	struct waiter waiter = { 0 };
	int r;

	if (!requests)
		return rsm_err_oom(err);
	r = check_set(manager, media, count, drive, err);
	if (r < 0)
		return r;
	rsm_mutex_init(&waiter.lock);
	rsm_cond_init(&waiter.ended);
	for (size_t i = 0; i < count; i++)
		requests[i] = (struct rsm_mount_request){
			.medium = media[i],
			.flags = flags,
			.drive = drive,
			.priority = priority,
			.user = user,
			.done = waiter_done,
			.context = &waiter,
		};
	if (count == 1) {
		waiter.open = 1;
		rsm_manager_mount(manager, &requests[0]);
		r = await(manager, &waiter, &set, timeout_ms, cancel, err);
	} else {
		r = mount_set(manager, &waiter, &set, timeout_ms, cancel, err);
	}
	for (size_t i = 0; i < count && r < 0; i++)
		rsm_manager_withdraw_request(manager, media[i]);
	pthread_cond_destroy(&waiter.ended);
	rsm_mutex_fini(&waiter.lock);
	return r;
}

static int check_dismount(struct rsm_cartridge *cartridge, struct rsm_err *err)
{
	struct rsm_content_use use = { 0 };

	if (cartridge->content)
		rsm_content_use(cartridge->content, &use);
	if (use.writers || use.reading)
		return rsm_err_set(err, EBUSY, "%s is in use: %s", cartridge->barcode,
				   use.writers ? "a file is open for writing" : "it is being read");
	return 0;
}

static void let_leave_locked(struct rsm_cartridge *cartridge)
{
	cartridge->held = false;
	cartridge->give_out = true;
	rsm_cartridge_leave_locked(cartridge);
	rsm_manager_wake_locked(cartridge->manager);
}

int rsm_manager_send_home(struct rsm_manager *manager, int64_t medium, bool deferred, bool force,
			  const atomic_bool *cancel, struct rsm_err *err)
{
	struct rsm_cartridge *cartridge;
	unsigned departures;
	int r = rsm_cartridge_ref(manager, medium, &cartridge, err);

	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "there is no such cartridge");
	rsm_mutex_lock(&manager->lock);
	departures = cartridge->departures;
	if (cartridge->state == RSM_CARTRIDGE_AWAY)
		r = rsm_err_set(err, EINVAL, "%s is not mounted", cartridge->barcode);
	else if (!force)
		r = check_dismount(cartridge, err);
	if (r == 0 && deferred) {
		cartridge->held = false;
		rsm_manager_wake_locked(manager);
	} else if (r == 0) {
		let_leave_locked(cartridge);
	}
	/* it may be fetched again at once, for what was written meanwhile */
	while (r == 0 && !deferred && cartridge->departures == departures) {
		if (cancel && atomic_load(cancel))
			r = rsm_err_set(err, EINTR, "interrupted");
		else
			rsm_cond_wait_until(&manager->changed, &manager->lock,
					    rsm_manager_now(manager) + RSM_LOOK_NS);
		/* whom it was being fetched for has got it first */
		if (r == 0 && cartridge->departures == departures &&
		    cartridge->state == RSM_CARTRIDGE_LOADED && !cartridge->leave)
			let_leave_locked(cartridge);
	}
	rsm_mutex_unlock(&manager->lock);
	rsm_cartridge_unref(cartridge);
	return r;
}

/* In a stand-alone drive it may lie at rest: then it is unloaded for a person to take. */
static int dismount_at_rest(struct rsm_manager *manager, int64_t medium, const atomic_bool *cancel,
			    struct rsm_err *err)
{
	struct rsm_library *library;
	struct rsm_medium m;

	if (rsm_medium_get(manager->catalog, medium, &m, NULL) != 0 || m.location != RSM_AT_DRIVE ||
	    !(library = rsm_library_find(manager, m.library)) || !rsm_hand_is(library))
		return -EINVAL; /* as err says */
	return rsm_hand_give_out(library, false, cancel, err);
}

int rsm_manager_dismount_wait(struct rsm_manager *manager, int64_t medium, bool deferred,
			      const atomic_bool *cancel, struct rsm_err *err)
{
	int r = rsm_manager_send_home(manager, medium, deferred, false, cancel, err);

	return r == -EINVAL && !deferred ? dismount_at_rest(manager, medium, cancel, err) : r;
}
