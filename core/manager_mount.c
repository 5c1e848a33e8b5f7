/* Mounts, dismounts, and waiting for media: the queue's public side. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/drive_fit.h"
#include "core/drive_private.h"

/* ---- drives ---- */

int rsm_manager_check_drives_locked(struct rsm_manager *manager,
				    const struct rsm_cartridge *cartridge, struct rsm_err *err)
{
	bool failed = false;
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
		if (!rsm_drive_worker_has_failed_locked(worker))
			return 0;
		failed = true;
	}
	return failed ? rsm_err_set(err, EIO, "%s: every drive of the library has failed",
				    cartridge->barcode)
		      : 0;
}

void rsm_manager_note_failed_drive(struct rsm_manager *manager)
{
	struct rsm_err err;

	for (;;) {
		struct rsm_cartridge *found = NULL;
		int r = 0;

		rsm_mutex_lock(&manager->lock);
		RSM_LIST_FOR_EACH (item, &manager->cartridges) {
			struct rsm_cartridge *c =
				RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

			if ((!rsm_list_is_empty(&c->reads) || !rsm_list_is_empty(&c->mounts)) &&
			    rsm_manager_check_drives_locked(manager, c, &err) < 0)
				found = c;
			c->identify = c->identify &&
				      rsm_manager_check_drives_locked(manager, c, &err) == 0;
		}
		if (found) {
			found->references++;
			r = rsm_manager_check_drives_locked(manager, found, &err);
		}
		rsm_mutex_unlock(&manager->lock);
		if (!found)
			return;
		rsm_cartridge_fail_requests(found, r, &err);
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

/* library 0: in any. */
static bool has_drive(struct rsm_manager *manager, int64_t library, uint32_t element)
{
	for (size_t i = 0; i < manager->worker_count; i++)
		if (manager->workers[i]->element == element &&
		    (!library || manager->workers[i]->library->id == library))
			return true;
	return element == 0;
}

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
	if (!has_drive(manager, 0, request->drive))
		return rsm_err_set(err, ENODEV, "there is no drive %u", request->drive);
	if (!has_drive(manager, medium->library, request->drive))
		return rsm_err_set(err, EMEDIUMTYPE, "drive %u is not in the library of %s",
				   request->drive, medium->shown);
	if ((request->flags & RSM_MOUNT_WRITE) &&
	    (medium->state == RSM_MEDIUM_COMPLETE || medium->write_protected))
		return rsm_err_set(err, EROFS, "%s takes no changes", medium->shown);
	return 0;
}

void rsm_manager_mount(struct rsm_manager *manager, struct rsm_mount_request *request)
{
	struct rsm_cartridge *cartridge = NULL;
	struct rsm_medium medium;
	struct rsm_err err;
	bool offline = false, queued = false;
	int r = check_request(manager, request, &medium, &err);

	rsm_list_init(&request->link);
	if (r == 0)
		r = rsm_cartridge_ref(manager, request->medium, &cartridge, &err);
	if (r != 0) {
		if (r > 0)
			r = rsm_err_set(&err, ENOENT, "there is no such cartridge");
		request->done(request, r, &err);
		return;
	}
	rsm_mutex_lock(&manager->lock);
	request->since_ns = rsm_manager_now(manager);
	offline = cartridge->library == 0;
	if (manager->stopping) {
		r = rsm_err_set(&err, ECANCELED, "rsmfs is shutting down");
	} else if (cartridge->detached) {
		r = rsm_err_set(&err, ENOENT, "%s was deallocated", cartridge->barcode);
	} else if (offline &&
		   (!manager->options.offline_wait || request->flags & RSM_MOUNT_IF_ONLINE)) {
		r = rsm_err_set(&err, ENOMEDIUM, "%s is not in the library", cartridge->barcode);
	} else if (!offline &&
		   ((r = rsm_drive_fit_check_locked(cartridge, request->drive,
						    request->flags & RSM_MOUNT_WRITE, &err)) < 0 ||
		    (r = rsm_manager_check_drives_locked(manager, cartridge, &err)) < 0)) {
		/* said so */
	} else if ((request->flags & RSM_MOUNT_IF_AVAILABLE) &&
		   cartridge->state != RSM_CARTRIDGE_LOADED &&
		   !drive_is_free_locked(manager, cartridge->library)) {
		/* it stays wanted, so that a second try finds it */
		cartridge->read_soon_ns = rsm_manager_now(manager);
		rsm_cartridge_wanted_locked(cartridge);
		r = rsm_err_set(&err, EAGAIN, "%s: no drive is free", cartridge->barcode);
	} else {
		if (request->priority > cartridge->priority ||
		    rsm_list_is_empty(&cartridge->mounts))
			cartridge->priority = request->priority;
		rsm_list_append(&cartridge->mounts, &request->link);
		queued = true;
		rsm_cartridge_wanted_locked(cartridge);
	}
	rsm_mutex_unlock(&manager->lock);
	if (offline)
		rsm_manager_request_medium(manager, cartridge);
	rsm_cartridge_unref(cartridge);
	if (!queued)
		request->done(request, r, &err);
}

void rsm_manager_cancel_mount(struct rsm_manager *manager, struct rsm_mount_request *request)
{
	struct rsm_cartridge *cartridge;
	struct rsm_err err;
	bool found = false;

	rsm_mutex_lock(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, request->medium);
	if (cartridge)
		RSM_LIST_FOR_EACH (item, &cartridge->mounts)
			found = found || item == &request->link;
	if (found)
		rsm_list_remove(&request->link);
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

static void waiter_done(struct rsm_mount_request *request, int r, const struct rsm_err *err)
{
	struct waiter *waiter = request->context;

	RSM_LOCK_SCOPE(&waiter->lock);
	if (r < 0 && waiter->result == 0) {
		waiter->result = r;
		waiter->err = *err;
	}
	request->state = 1;
	waiter->open--;
	pthread_cond_broadcast(&waiter->ended);
}

static void cancel_open(struct rsm_manager *manager, struct waiter *waiter,
			struct rsm_mount_request *requests, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool ended;

		rsm_mutex_lock(&waiter->lock);
		ended = requests[i].state == 1;
		rsm_mutex_unlock(&waiter->lock);
		if (!ended)
			rsm_manager_cancel_mount(manager, &requests[i]);
	}
}

static int await(struct rsm_manager *manager, struct waiter *waiter,
		 struct rsm_mount_request *requests, size_t count, unsigned timeout_ms,
		 const atomic_bool *cancel, struct rsm_err *err)
{
	int64_t deadline =
		timeout_ms ? rsm_manager_now(manager) + (int64_t)timeout_ms * 1000000 : 0;
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
	cancel_open(manager, waiter, requests, count);
	rsm_mutex_lock(&waiter->lock);
	while (waiter->open)
		rsm_cond_wait(&waiter->ended, &waiter->lock);
	rsm_mutex_unlock(&waiter->lock);
	if (ended)
		return rsm_err_set(err, ended, "%s",
				   ended == EINTR ? "interrupted" : "no drive was ready in time");
	if (waiter->result < 0 && err)
		*err = waiter->err;
	return waiter->result;
}

int rsm_manager_mount_wait(struct rsm_manager *manager, const int64_t *media, size_t count,
			   unsigned flags, uint32_t drive, int priority, unsigned timeout_ms,
			   uid_t user, const atomic_bool *cancel, struct rsm_err *err)
{
	RSM_FREE struct rsm_mount_request *requests = calloc(count + 1, sizeof *requests);
	struct waiter waiter = { .open = (unsigned)count };
	int r;

	if (!requests)
		return rsm_err_oom(err);
	if (count > manager->worker_count)
		return rsm_err_set(err, EINVAL,
				   "%zu cartridges do not fit into %zu drives at one time", count,
				   manager->worker_count);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < i; k++)
			if (media[i] == media[k])
				return rsm_err_set(err, EINVAL,
						   "the same cartridge is named twice");
	rsm_mutex_init(&waiter.lock);
	rsm_cond_init(&waiter.ended);
	for (size_t i = 0; i < count; i++) {
		requests[i] = (struct rsm_mount_request){
			.medium = media[i],
			.flags = flags,
			.drive = drive,
			.priority = priority,
			.user = user,
			.done = waiter_done,
			.context = &waiter,
		};
		rsm_manager_mount(manager, &requests[i]);
	}
	r = await(manager, &waiter, requests, count, timeout_ms, cancel, err);
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

int rsm_manager_send_home(struct rsm_manager *manager, int64_t medium, bool deferred, bool force,
			  const atomic_bool *cancel, struct rsm_err *err)
{
	struct rsm_cartridge *cartridge;
	int r = rsm_cartridge_ref(manager, medium, &cartridge, err);

	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "there is no such cartridge");
	rsm_mutex_lock(&manager->lock);
	if (cartridge->state == RSM_CARTRIDGE_AWAY)
		r = rsm_err_set(err, EINVAL, "%s is not mounted", cartridge->barcode);
	else if (!force)
		r = check_dismount(cartridge, err);
	if (r == 0) {
		cartridge->held = false;
		cartridge->leave = !deferred;
		rsm_manager_wake_locked(manager);
	}
	while (r == 0 && !deferred && cartridge->state != RSM_CARTRIDGE_AWAY) {
		if (cancel && atomic_load(cancel))
			r = rsm_err_set(err, EINTR, "interrupted");
		else
			rsm_cond_wait_until(&manager->changed, &manager->lock,
					    rsm_manager_now(manager) + RSM_LOOK_NS);
	}
	rsm_mutex_unlock(&manager->lock);
	rsm_cartridge_unref(cartridge);
	return r;
}

int rsm_manager_dismount_wait(struct rsm_manager *manager, int64_t medium, bool deferred,
			      const atomic_bool *cancel, struct rsm_err *err)
{
	return rsm_manager_send_home(manager, medium, deferred, false, cancel, err);
}
