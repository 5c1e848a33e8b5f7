/* Mounts, dismounts, and waiting for media: the queue's public side. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/drive_private.h"

#define LOOK_NS (RSM_SECOND_NS / 10)
/* A file that is written on and on is never quite on the medium. */
#define WRITER_PATIENCE_NS (30 * RSM_SECOND_NS)

/* ---- drives ---- */

int rsm_manager_check_drives_locked(struct rsm_manager *manager,
				    const struct rsm_cartridge *cartridge, struct rsm_err *err)
{
	bool failed = false, disabled = false;

	if (cartridge->state != RSM_CARTRIDGE_AWAY)
		return 0;
	for (size_t i = 0; i < manager->worker_count; i++) {
		const struct rsm_drive_worker *worker = manager->workers[i];

		if (worker->library->id != cartridge->library)
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
	} else if (rsm_cartridge_is_disabled_locked(cartridge)) {
		r = rsm_err_set(&err, ENODEV, "%s is in a library that is disabled",
				cartridge->barcode);
	} else if (!offline &&
		   (r = rsm_manager_check_drives_locked(manager, cartridge, &err)) < 0) {
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

		rsm_cond_wait_until(&waiter->ended, &waiter->lock, now + LOOK_NS);
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
					    rsm_manager_now(manager) + LOOK_NS);
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

/* ---- sync ---- */

/* What is waited for: what a cartridge had when the sync began. Who writes on and on meanwhile does
 * not make it longer, nor the robot bring the cartridge again and again.
 */
struct target {
	int64_t medium;
	bool wanted;
	bool aimed;	  /* the contents were open; else the two are not known */
	uint64_t order;	  /* files closed up to this one */
	uint64_t version; /* of the tree */
	int result;
	struct rsm_err err;
};

struct sync {
	struct rsm_manager *manager;
	void (*progress)(void *context, uint64_t done, uint64_t total, const char *what);
	void *context;
	const atomic_bool *cancel;
};

static bool wants_sync(const struct rsm_content_use *use, const struct rsm_medium *medium)
{
	bool writable = !medium->write_protected && (medium->state == RSM_MEDIUM_ALLOCATED ||
						     medium->state == RSM_MEDIUM_COMPLETE);

	return use->staged_files || (use->dirty && writable) ||
	       medium->label_work != RSM_LABEL_NONE;
}

static int look_at(struct sync *sync, struct rsm_cartridge *cartridge,
		   struct rsm_medium *ret_medium, struct rsm_content_use *ret_use,
		   struct rsm_err *err)
{
	int r = rsm_medium_get(sync->manager->catalog, cartridge->id, ret_medium, err);

	*ret_use = (struct rsm_content_use){ 0 };
	if (r > 0)
		return rsm_err_set(err, ENOENT, "%s is gone", cartridge->barcode);
	rsm_mutex_lock(&sync->manager->lock);
	if (cartridge->content)
		rsm_content_use(cartridge->content, ret_use);
	rsm_mutex_unlock(&sync->manager->lock);
	return r;
}

/* Why it goes no further; 0: it may. */
static int sync_obstacle_locked(const struct rsm_cartridge *cartridge,
				const struct rsm_content_use *use, const struct rsm_medium *medium,
				unsigned outcome, struct rsm_err *err)
{
	if (cartridge->library == 0)
		return rsm_err_set(err, ENOMEDIUM, "%s is not in the library", cartridge->barcode);
	if (cartridge->full)
		return rsm_err_set(err, ENOSPC, "%s is full: %" PRIu64 " files stay staged",
				   cartridge->barcode, use->staged_files);
	if (cartridge->outcome_number != outcome && cartridge->failure.code) {
		*err = cartridge->failure;
		return -cartridge->failure.code;
	}
	if (cartridge->read_only && medium->label_work == RSM_LABEL_NONE &&
	    cartridge->state == RSM_CARTRIDGE_LOADED)
		return rsm_err_set(err, EROFS, "%s takes no changes: %s", cartridge->barcode,
				   cartridge->reason[0] ? cartridge->reason : "it has no volume");
	if (cartridge->manager->stopping)
		return rsm_err_set(err, ECANCELED, "rsmfs is shutting down");
	return rsm_manager_check_drives_locked(cartridge->manager, cartridge, err);
}

static void want_all_locked(struct rsm_cartridge *cartridge, const struct rsm_content_use *use,
			    const struct rsm_medium *medium)
{
	int64_t now = rsm_manager_now(cartridge->manager);

	if (use->dirty && !cartridge->index_at_ns)
		cartridge->index_at_ns = now;
	if (use->staged_files && !cartridge->migrate_at_ns)
		cartridge->migrate_at_ns = now;
	if (medium->label_work != RSM_LABEL_NONE)
		cartridge->label_at_ns = now;
	rsm_cartridge_wanted_locked(cartridge);
}

static bool is_reached(struct rsm_manager *manager, struct rsm_cartridge *cartridge,
		       const struct target *target, const struct rsm_medium *medium)
{
	struct rsm_volume_index *index;

	if (!target->aimed || medium->label_work != RSM_LABEL_NONE)
		return false;
	RSM_LOCK_SCOPE(&manager->lock);
	if (!cartridge->content || cartridge->safe_order < target->order)
		return false;
	index = rsm_content_index(cartridge->content);
	return rsm_volume_index_indexed_version(index) >= target->version;
}

/* Asked after the looks at its contents: those change in the midst of a commit. */
static bool is_committing(struct rsm_manager *manager, const struct rsm_cartridge *cartridge)
{
	RSM_LOCK_SCOPE(&manager->lock);
	return cartridge->committing;
}

static int sync_loop(struct sync *sync, struct rsm_cartridge *cartridge,
		     const struct target *target, unsigned outcome, struct rsm_err *err)
{
	struct rsm_manager *manager = sync->manager;
	struct rsm_content_use use;
	struct rsm_medium medium;
	uint64_t total = 0, least = UINT64_MAX;
	int64_t progress_at = rsm_manager_now(manager);
	int r;

	for (;;) {
		r = look_at(sync, cartridge, &medium, &use, err);
		if (r < 0)
			return r;
		if ((!wants_sync(&use, &medium) ||
		     is_reached(manager, cartridge, target, &medium)) &&
		    !is_committing(manager, cartridge))
			return 0;
		if (use.staged_bytes < least || use.writers == 0) {
			least = use.staged_bytes;
			progress_at = rsm_manager_now(manager);
		}
		if (rsm_manager_now(manager) - progress_at > WRITER_PATIENCE_NS)
			return rsm_err_set(err, EBUSY, "files on %s are still being written",
					   cartridge->barcode);
		if (use.staged_bytes > total)
			total = use.staged_bytes;
		if (sync->progress)
			sync->progress(sync->context, total - use.staged_bytes, total,
				       cartridge->barcode);
		if (sync->cancel && atomic_load(sync->cancel))
			return rsm_err_set(err, EINTR, "interrupted");

		RSM_LOCK_SCOPE(&manager->lock);
		r = sync_obstacle_locked(cartridge, &use, &medium, outcome, err);
		if (r < 0)
			return r;
		want_all_locked(cartridge, &use, &medium);
		rsm_cond_wait_until(&manager->changed, &manager->lock,
				    rsm_manager_now(manager) + LOOK_NS);
	}
}

/* What was written so far is flushed, and is what is waited for. */
static int aim(struct sync *sync, struct rsm_cartridge *cartridge, struct target *target,
	       struct rsm_err *err)
{
	struct rsm_volume_index *index;
	struct rsm_medium m;
	int r = rsm_medium_get(sync->manager->catalog, target->medium, &m, err);

	if (r != 0 || !m.volume_uuid[0])
		return r < 0 ? r : 0;
	r = rsm_cartridge_open_content(cartridge, m.volume_uuid, m.label_work == RSM_LABEL_FORMAT,
				       err);
	if (r == 0)
		r = rsm_content_flush_open(cartridge->content, err);
	if (r != 0)
		return r < 0 ? r : 0;
	index = rsm_content_index(cartridge->content);
	target->order = rsm_volume_index_last_close_order(index);
	target->version = rsm_volume_index_tree_version(index);
	target->aimed = true;
	return 0;
}

static int sync_one(struct sync *sync, struct target *target, struct rsm_err *err)
{
	struct rsm_manager *manager = sync->manager;
	struct rsm_cartridge *cartridge;
	struct rsm_content_use use;
	int r = rsm_cartridge_ref(manager, target->medium, &cartridge, err);
	struct rsm_err sync_err;
	struct rsm_medium m;
	unsigned outcome;

	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "there is no such cartridge");
	if (!target->aimed)
		r = aim(sync, cartridge, target, err);
	if (r == 0)
		r = look_at(sync, cartridge, &m, &use, err);
	/* a waiter is what brings it into a drive: a clean one stays where it is */
	if (r < 0 || ((!wants_sync(&use, &m) || is_reached(manager, cartridge, target, &m)) &&
		      !is_committing(manager, cartridge))) {
		rsm_cartridge_unref(cartridge);
		return r;
	}
	rsm_mutex_lock(&manager->lock);
	cartridge->syncs++;
	cartridge->retry_at_ns = 0;
	cartridge->failure = (struct rsm_err){ 0 };
	outcome = cartridge->outcome_number;
	rsm_mutex_unlock(&manager->lock);
	r = sync_loop(sync, cartridge, target, outcome, err);
	/* what stays staged is made safe where it is */
	if (r < 0 && r != -EINTR && cartridge->content &&
	    rsm_content_sync(cartridge->content, &sync_err) < 0)
		rsm_log_error("%s: %s", cartridge->barcode, sync_err.msg);
	rsm_mutex_lock(&manager->lock);
	cartridge->syncs--;
	rsm_mutex_unlock(&manager->lock);
	rsm_cartridge_unref(cartridge);
	return r;
}

struct media_list {
	int64_t *ids;
	size_t count, room;
	bool failed;
};

static bool gather_allocated(void *context, const struct rsm_medium *medium)
{
	struct media_list *list = context;

	if (!medium->volume_uuid[0] && medium->label_work == RSM_LABEL_NONE)
		return true;
	if (medium->location == RSM_AT_OFFLINE && medium->label_work != RSM_LABEL_NONE)
		return true; /* written when it returns */
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		int64_t *ids = realloc(list->ids, room * sizeof *ids);

		if (!ids) {
			list->failed = true;
			return false;
		}
		list->ids = ids;
		list->room = room;
	}
	list->ids[list->count++] = medium->id;
	return true;
}

/* Does this medium have anything to be synced? Media whose contents are not open and not staged do
 * not. */
static bool may_want_sync(struct rsm_manager *manager, int64_t medium)
{
	struct rsm_cartridge *cartridge;
	struct rsm_medium m;
	struct rsm_content_use use = { 0 };

	if (rsm_medium_get(manager->catalog, medium, &m, NULL) != 0)
		return false;
	if (m.label_work != RSM_LABEL_NONE)
		return true;
	RSM_LOCK_SCOPE(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, medium);
	if (cartridge && cartridge->content)
		rsm_content_use(cartridge->content, &use);
	return use.open_files || wants_sync(&use, &m);
}

/* All of them are wanted at once, so that the drives work side by side. */
static void begin_sync(struct sync *sync, struct target *target)
{
	struct rsm_cartridge *cartridge;

	target->wanted = may_want_sync(sync->manager, target->medium);
	if (!target->wanted || rsm_cartridge_ref(sync->manager, target->medium, &cartridge, NULL))
		return; /* _sync_one will tell */
	target->result = aim(sync, cartridge, target, &target->err);
	rsm_cartridge_unref(cartridge);
	rsm_manager_want_work_now(sync->manager, target->medium);
}

static int end_sync(struct sync *sync, struct target *target, struct rsm_err *err)
{
	if (!target->wanted)
		return 0;
	if (target->result < 0) {
		*err = target->err;
		return target->result;
	}
	return sync_one(sync, target, err);
}

int rsm_manager_sync_wait(struct rsm_manager *manager, int64_t medium,
			  void (*progress)(void *context, uint64_t done, uint64_t total,
					   const char *what),
			  void *context, const atomic_bool *cancel, struct rsm_err *err)
{
	struct sync sync = { manager, progress, context, cancel };
	struct target one = { .medium = medium };
	RSM_FREE struct target *targets = NULL;
	struct media_list list = { 0 };
	struct rsm_err one_err;
	int r, result = 0;

	if (medium)
		return sync_one(&sync, &one, err);
	r = rsm_medium_list_all(manager->catalog, 0, gather_allocated, &list, err);
	if (r == 0 && list.failed)
		r = rsm_err_oom(err);
	if (r == 0) {
		targets = calloc(list.count + 1, sizeof *targets);
		if (!targets)
			r = rsm_err_oom(err);
	}
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		targets[i].medium = list.ids[i];
		begin_sync(&sync, &targets[i]);
	}
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		int ended = end_sync(&sync, &targets[i], &one_err);

		if (ended < 0 && result == 0) {
			result = ended;
			*err = one_err;
		}
		if (ended == -EINTR)
			break;
	}
	free(list.ids);
	return r ? r : result;
}
