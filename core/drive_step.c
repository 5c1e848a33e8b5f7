/* The steps that drive_choose.c chooses from, done without any lock. */
#include "core/drive_private.h"

#include "base/log.h"

static void prevent_removal(struct rsm_drive_worker *worker)
{
	struct rsm_err err;

	if (worker->prevented)
		return;
	worker->prevented = true;
	if (rsm_tape_drive_prevent_removal(worker->drive, true, &err) < 0)
		rsm_log_warning("%s: removal is not prevented, ignoring: %s", worker->name,
				err.msg);
}

/* Nobody has lost anything: a warning, and which file it was. */
static void tell_full(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_err text;

	rsm_err_set(&text, ENOSPC, "%s in %s (home slot %u) is full: %s stays staged on disk",
		    cartridge->barcode, worker->name, worker->medium.home_slot,
		    worker->failed_file ? worker->failed_file : "what does not fit");
	rsm_log_warning("%s", text.msg);
	rsm_manager_tell_error(worker->manager, cartridge->id, worker->name, worker->failed_file,
			       text.msg);
}

static void migrate(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_err err;
	struct rsm_content_use use = { 0 };
	bool wrote, full, was_full, asked_again;
	int64_t asked;
	int r;

	prevent_removal(worker);
	rsm_mutex_lock(&manager->lock);
	asked = cartridge->migrate_at_ns;
	was_full = cartridge->full;
	rsm_mutex_unlock(&manager->lock);
	rsm_drive_note_file(worker, NULL);
	if (cartridge->content) /* as of now: what is added meanwhile has not been tried */
		rsm_content_use(cartridge->content, &use);
	r = rsm_drive_migrate(worker, cartridge, &wrote, &err);
	if (r < 0) {
		rsm_drive_write_failed(worker, cartridge, &err);
		return;
	}
	if (wrote)
		rsm_drive_note_success(worker);
	rsm_mutex_lock(&manager->lock);
	if (wrote)
		cartridge->write_failures = 0;
	full = cartridge->full;
	asked_again = cartridge->migrate_at_ns != asked;
	rsm_cartridge_note_work_locked(cartridge);
	if (!wrote && cartridge->leave_before) {
		/* else it may not have looked at all */
		cartridge->leave_done = cartridge->leave || rsm_list_is_empty(&cartridge->reads);
	} else if (!wrote && !full) {
		if (rsm_list_is_empty(&cartridge->reads)) { /* else it may not have looked at all */
			cartridge->futile_bytes = use.waiting_bytes;
			cartridge->futile_at_ns = rsm_manager_now(manager);
		}
		cartridge->stream = false;
		/* nothing is ready; the next close says so again, unless it has just done so */
		if (!asked_again)
			cartridge->migrate_at_ns = 0;
	}
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	if (full)
		rsm_manager_note_full(manager, cartridge);
	if (full && !was_full)
		tell_full(worker, cartridge);
	rsm_drive_note_status(worker, cartridge, false);
}

static void write_index(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_err err;
	int r;

	prevent_removal(worker);
	r = rsm_drive_commit(worker, cartridge, RSM_COMMIT_DATA_PARTITION, &err);
	if (r < 0) {
		rsm_drive_write_failed(worker, cartridge, &err);
		return;
	}
	rsm_mutex_lock(&manager->lock);
	cartridge->index_at_ns = 0;
	cartridge->write_failures = 0;
	rsm_cartridge_note_work_locked(cartridge);
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
}

/* A new label is written by opening the volume again, which looks at what is there before it
 * destroys anything; a changed name or owner goes with an index.
 */
static void label(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_medium m;
	struct rsm_err err;
	int r = rsm_medium_get(manager->catalog, cartridge->id, &m, &err);

	rsm_mutex_lock(&manager->lock);
	cartridge->renew = false;
	cartridge->stay_until_ns = 0; /* it has an owner, who may go on with it */
	rsm_mutex_unlock(&manager->lock);
	if (r == 0 && (m.label_work == RSM_LABEL_FORMAT || m.label_work == RSM_LABEL_FREE))
		r = rsm_drive_renew(worker, cartridge, &err);
	else if (r == 0 && m.label_work == RSM_LABEL_UPDATE)
		r = rsm_drive_commit(worker, cartridge, RSM_COMMIT_DATA_PARTITION, &err);
	if (r < 0) {
		rsm_drive_write_failed(worker, cartridge, &err);
		rsm_cartridge_fail_requests(cartridge, r, &err);
		return;
	}
	rsm_mutex_lock(&manager->lock);
	cartridge->label_at_ns = 0;
	if (worker->volume)
		rsm_drive_note_label_work_locked(cartridge);
	rsm_cartridge_note_work_locked(cartridge);
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
}

static void begin_writing(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	RSM_LOCK_SCOPE(&worker->manager->lock);
	worker->state = RSM_DRIVE_WRITING;
	cartridge->write_steps++;
}

void rsm_drive_do_step(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		       enum rsm_drive_step step)
{
	worker->worked = step == RSM_STEP_WORK;
	switch (step) {
	case RSM_STEP_WAIT: return;
	case RSM_STEP_READ:
		rsm_drive_set_state(worker, RSM_DRIVE_READING);
		rsm_drive_serve_reads(worker, cartridge);
		break;
	case RSM_STEP_MOUNTS: rsm_cartridge_complete_mounts(cartridge); break;
	case RSM_STEP_LABEL:
		begin_writing(worker, cartridge);
		label(worker, cartridge);
		break;
	case RSM_STEP_MIGRATE:
		begin_writing(worker, cartridge);
		migrate(worker, cartridge);
		break;
	case RSM_STEP_INDEX:
		begin_writing(worker, cartridge);
		write_index(worker, cartridge);
		break;
	case RSM_STEP_WORK:
		rsm_drive_set_state(worker, RSM_DRIVE_READING);
		prevent_removal(worker);
		rsm_drive_do_work(worker, cartridge);
		break;
	case RSM_STEP_LEAVE: rsm_drive_send_out(worker, cartridge); return;
	}
	rsm_drive_set_state(worker, RSM_DRIVE_IDLE);
	if (step == RSM_STEP_MIGRATE && cartridge->content)
		rsm_content_retry_room(cartridge->content);
}
