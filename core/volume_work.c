/* A piece of work waits in its cartridge's list from before the mount, so that the cartridge does
 * not leave in between; it is the waiter's memory and leaves the list with the waiter.
 */
#include "core/volume_work.h"

#include "base/log.h"
#include "core/drive_private.h"

#define LOOK_NS (RSM_SECOND_NS / 10)

struct work {
	struct rsm_list link; /* [lock] in the cartridge's list; alone when it is done */
	rsm_volume_work_step *step;
	void *context;
	bool runs, cancelled, done; /* [lock] */
	int r;			    /* [lock] */
	struct rsm_err err;	    /* [lock] */
};

static void finish_locked(struct rsm_manager *manager, struct work *work, int r,
			  const struct rsm_err *err)
{
	rsm_list_remove(&work->link);
	work->done = true;
	work->r = r;
	if (r < 0)
		work->err = *err;
	pthread_cond_broadcast(&manager->changed);
}

/* ---- the worker's side ---- */

static void tell(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		 const char *event, const struct rsm_volume_finding *finding)
{
	char partition[2] = { finding->partition, '\0' };

	rsm_event_add(worker->manager->catalog, event, "medium", cartridge->barcode, "drive",
		      worker->name, "partition", partition, "text", finding->text, NULL);
}

void rsm_drive_tell_findings(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_volume_finding *findings;
	size_t count;

	if (!worker->volume || !worker->volume->ops->findings)
		return;
	findings = worker->volume->ops->findings(worker->volume, &count);
	for (size_t i = 0; i < count; i++) {
		struct rsm_volume_finding *finding = &findings[i];

		if (finding->kind == RSM_FINDING_NOTE)
			continue;
		if (!finding->told) {
			rsm_log_warning("%s in %s: %s", cartridge->barcode, worker->name,
					finding->text);
			tell(worker, cartridge, "damage", finding);
		}
		if (finding->mended && !finding->told_mended) {
			rsm_log_info("%s in %s: repaired: %s", cartridge->barcode, worker->name,
				     finding->text);
			tell(worker, cartridge, "repair", finding);
		}
		finding->told = true;
		finding->told_mended = finding->mended;
	}
}

static int do_step(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		   struct work *work, struct rsm_err *err)
{
	struct drive_identity identity = { 0 };
	struct rsm_volume_session session = {
		.volume = worker->volume,
		.content = cartridge->content,
		.catalog = worker->manager->catalog,
		.barcode = cartridge->barcode,
	};
	struct rsm_err other;
	int r = rsm_drive_identity(worker, cartridge->id, &identity, err), opened = 0;

	if (r < 0)
		return r;
	if (identity.medium.lmid[0])
		session.identity = &identity.identity;
	r = work->step(work->context, &session, err);
	rsm_drive_identity_fini(&identity);
	worker->head_partition = 0;
	if (session.reopen)
		opened = rsm_drive_renew(worker, cartridge, r < 0 ? &other : err);
	else
		rsm_drive_note_status(worker, cartridge, false);
	rsm_drive_tell_findings(worker, cartridge);
	return r < 0 || opened == 0 ? r : opened;
}

void rsm_drive_do_work(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_err err = { 0 };
	struct work *work;
	int r;

	rsm_mutex_lock(&manager->lock);
	if (rsm_list_is_empty(&cartridge->works)) {
		rsm_mutex_unlock(&manager->lock);
		return;
	}
	work = RSM_CONTAINER_OF(cartridge->works.next, struct work, link);
	work->runs = true;
	rsm_mutex_unlock(&manager->lock);

	r = do_step(worker, cartridge, work, &err);

	rsm_mutex_lock(&manager->lock);
	work->runs = false;
	if (r == RSM_VOLUME_WORK_MORE && work->cancelled)
		r = rsm_err_set(&err, EINTR, "interrupted");
	if (r != RSM_VOLUME_WORK_MORE)
		finish_locked(manager, work, r, &err);
	cartridge->idle_since_ns = rsm_manager_now(manager);
	rsm_cartridge_note_work_locked(cartridge);
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
}

void rsm_drive_fail_works_locked(struct rsm_cartridge *cartridge)
{
	struct rsm_err err;

	RSM_LIST_FOR_EACH_SAFE (item, &cartridge->works)
		finish_locked(cartridge->manager, RSM_CONTAINER_OF(item, struct work, link),
			      rsm_err_set(&err, ECANCELED,
					  "%s left its drive before it was done, try again",
					  cartridge->barcode),
			      &err);
}

/* ---- the waiter's side ---- */

/* Waits for the end a moment. False: it was given up before it began. */
static bool wait_locked(struct rsm_manager *manager, struct work *work, const atomic_bool *cancel)
{
	if (!work->done && cancel && atomic_load(cancel)) {
		work->cancelled = true;
		if (!work->runs) {
			rsm_list_remove(&work->link);
			return false;
		}
	}
	if (!work->done)
		rsm_cond_wait_until(&manager->changed, &manager->lock,
				    rsm_manager_now(manager) + LOOK_NS);
	return true;
}

static int await(struct rsm_manager *manager, struct work *work, void (*tick)(void *context),
		 const atomic_bool *cancel, struct rsm_err *err)
{
	bool done = false, goes_on = true;

	while (!done) {
		rsm_mutex_lock(&manager->lock);
		goes_on = wait_locked(manager, work, cancel);
		done = work->done || !goes_on;
		rsm_mutex_unlock(&manager->lock);
		if (tick)
			tick(work->context);
	}
	if (!goes_on)
		return rsm_err_set(err, EINTR, "interrupted");
	if (work->r < 0 && err)
		*err = work->err;
	return work->r;
}

int rsm_volume_work_wait(struct rsm_manager *manager, int64_t medium, uid_t user,
			 rsm_volume_work_step *step, void *context, const atomic_bool *cancel,
			 struct rsm_err *err)
{
	return rsm_volume_work_watch(manager, medium, user, step, NULL, context, cancel, err);
}

int rsm_volume_work_watch(struct rsm_manager *manager, int64_t medium, uid_t user,
			  rsm_volume_work_step *step, void (*tick)(void *context), void *context,
			  const atomic_bool *cancel, struct rsm_err *err)
{
	struct work work = { .step = step, .context = context };
	struct rsm_cartridge *cartridge;
	int r = rsm_cartridge_ref(manager, medium, &cartridge, err);

	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "there is no such cartridge");
	rsm_mutex_lock(&manager->lock);
	rsm_list_append(&cartridge->works, &work.link);
	rsm_mutex_unlock(&manager->lock);
	r = rsm_manager_mount_wait(manager, &medium, 1, RSM_MOUNT_TO_CHECK, 0, 0, 0, user, cancel,
				   err);
	if (r == 0) {
		rsm_mutex_lock(&manager->lock);
		rsm_manager_wake_locked(manager);
		rsm_mutex_unlock(&manager->lock);
		r = await(manager, &work, tick, cancel, err);
	} else {
		rsm_mutex_lock(&manager->lock);
		while (work.runs)
			rsm_cond_wait_until(&manager->changed, &manager->lock,
					    rsm_manager_now(manager) + LOOK_NS);
		rsm_list_remove(&work.link);
		rsm_mutex_unlock(&manager->lock);
	}
	rsm_cartridge_unref(cartridge);
	return r;
}
