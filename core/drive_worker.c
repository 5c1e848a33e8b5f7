#include "core/drive_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

const char *rsm_drive_state_name(enum rsm_drive_state state)
{
	static const char *const names[] = {
		[RSM_DRIVE_EMPTY] = "empty",	 [RSM_DRIVE_LOADING] = "loading",
		[RSM_DRIVE_IDLE] = "idle",	 [RSM_DRIVE_READING] = "reading",
		[RSM_DRIVE_WRITING] = "writing", [RSM_DRIVE_UNLOADING] = "unloading",
		[RSM_DRIVE_FAILED] = "failed",	 [RSM_DRIVE_CLEANING] = "cleaning",
	};

	return names[state];
}

int rsm_drive_worker_new(struct rsm_manager *manager, struct rsm_library *library,
			 struct rsm_hardware_drive *hardware_drive, int64_t row, bool enabled,
			 struct rsm_drive_worker **ret_worker, struct rsm_err *err)
{
	struct rsm_drive_worker *worker = calloc(1, sizeof *worker);

	if (!worker)
		return rsm_err_oom(err);
	worker->manager = manager;
	worker->library = library;
	worker->hardware = hardware_drive;
	worker->drive = hardware_drive->drive;
	worker->element = hardware_drive->element;
	worker->row = row;
	worker->enabled = enabled;
	snprintf(worker->name, sizeof worker->name, "drive %u%s%s", worker->element,
		 library->label[0] ? " of library " : "", library->label);
	rsm_block_cache_init(&worker->cache);
	rsm_courier_init(&worker->courier);
	rsm_cond_init(&worker->wake);
	*ret_worker = worker;
	return 0;
}

void rsm_drive_worker_free(struct rsm_drive_worker *worker)
{
	if (!worker)
		return;
	rsm_volume_free(worker->volume);
	rsm_courier_fini(&worker->courier);
	rsm_block_cache_fini(&worker->cache);
	pthread_cond_destroy(&worker->wake);
	rsm_hasher_free(worker->hasher);
	free(worker->buffer);
	free(worker);
}

void rsm_drive_worker_view_locked(const struct rsm_drive_worker *worker,
				  struct rsm_drive_view *ret_view)
{
	*ret_view = (struct rsm_drive_view){
		.library = worker->library->id,
		.row = worker->row,
		.element = worker->element,
		.state = worker->state,
		.medium = worker->cartridge ? worker->cartridge->id : 0,
		.enabled = worker->enabled,
		.unclean = worker->unclean,
		.hardware = worker->hardware,
	};
}

void rsm_drive_worker_set_enabled_locked(struct rsm_drive_worker *worker, bool enabled)
{
	worker->enabled = enabled;
	if (enabled)
		worker->failures = 0;
	if (enabled && worker->state == RSM_DRIVE_FAILED)
		worker->state = RSM_DRIVE_EMPTY;
	rsm_manager_wake_locked(worker->manager);
}

bool rsm_drive_worker_is_empty_locked(const struct rsm_drive_worker *worker)
{
	return !worker->cartridge && worker->enabled && worker->state == RSM_DRIVE_EMPTY &&
	       !worker->clean;
}

bool rsm_drive_worker_has_failed_locked(const struct rsm_drive_worker *worker)
{
	return worker->state == RSM_DRIVE_FAILED;
}

void rsm_drive_set_state(struct rsm_drive_worker *worker, enum rsm_drive_state state)
{
	RSM_LOCK_SCOPE(&worker->manager->lock);
	worker->state = state;
}

<<<<<<< HEAD
/* ---- after a failure ---- */

static void back_off_locked(struct rsm_cartridge *cartridge, const struct rsm_err *err)
{
	int64_t pause = RETRY_FIRST_NS;

	for (unsigned i = 0; i < cartridge->failures && pause < RETRY_MOST_NS; i++)
		pause *= 2;
	cartridge->failures++;
	cartridge->retry_at_ns = rsm_manager_now(cartridge->manager) + pause;
	cartridge->failure = *err;
}

static void report(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		   const struct rsm_err *err)
{
	rsm_log_error("%s", err->msg);
	rsm_event_add(worker->manager->catalog, "error", "medium", cartridge->barcode, "drive",
		      worker->name, "text", err->msg, NULL);
}

/* The databases lie on the disk of the staging area. When somebody else has filled it to the last
 * byte, neither medium nor drive is to blame, and another drive would do no better.
 */
static bool disk_is_full(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			 const struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;

	if (err->key || (err->code != ENOSPC && err->code != EDQUOT) ||
	    !rsm_staging_space_is_exhausted(manager->space, 1))
		return false;
	rsm_log_warning("%s in %s waits for room on the disk of the staging area: %s",
			cartridge->barcode, worker->name, err->msg);
	RSM_LOCK_SCOPE(&manager->lock);
	cartridge->retry_at_ns = rsm_manager_now(manager) + RSM_SECOND_NS;
	cartridge->failure = *err;
	cartridge->outcome_number++;
	rsm_manager_wake_locked(manager);
	return true;
}

static void write_failed(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			 struct rsm_err *err)
{
	bool known, give_up = false;

	if (disk_is_full(worker, cartridge, err))
		return;
	rsm_err_wrap(err, -err->code, "%s in %s (home slot %u)", cartridge->barcode, worker->name,
		     worker->medium.home_slot);
	report(worker, cartridge, err);
	rsm_drive_note_error(worker, cartridge, true, err);
	rsm_mutex_lock(&worker->manager->lock);
	/* the index that a failed write keeps from being written is no second failure */
	known = cartridge->retry_at_ns > rsm_manager_now(worker->manager);
	if (!known) {
		back_off_locked(cartridge, err);
		if (err->key == 0x03) /* medium error; a drive that is broken is another matter */
			give_up = ++cartridge->write_failures == WRITES_FAILED_MOST;
	}
	cartridge->leave = true; /* another drive may do better */
	if (!known)
		cartridge->outcome_number++;
	rsm_manager_wake_locked(worker->manager);
	rsm_mutex_unlock(&worker->manager->lock);
	if (give_up)
		rsm_manager_note_unwritable(worker->manager, cartridge, err);
}

/* What the catalogue says of label work is asked again whenever a cartridge has come or gone: it
 * may have been allocated, renamed or deallocated meanwhile. A label that is not what was expected
 * stays as it is until somebody asks for the cartridge.
 */
static void note_label_work_locked(struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = cartridge->manager;
	struct rsm_medium m;

	if (rsm_medium_get(manager->catalog, cartridge->id, &m, NULL) != 0 ||
	    m.label_work == RSM_LABEL_NONE || cartridge->failure.code == EMEDIUMTYPE)
		cartridge->label_at_ns = 0;
	else if (!cartridge->label_at_ns)
		cartridge->label_at_ns = rsm_manager_now(manager) +
					 (int64_t)manager->options.label_delay_ms * 1000000 + 1;
}

/* ---- fetching and taking home ---- */

/* Nobody asked for it but us: it does not linger. But who waits for a free medium (mkdir, while the
 * library is looked through) may take this one, and then its label is written while it is here.
 */
static void leave_soon_locked(struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = cartridge->manager;
	int64_t now = rsm_manager_now(manager);

	if (manager->free_wanted_ns && now - manager->free_wanted_ns < FREE_WANTED_NS)
		cartridge->stay_until_ns = now + FREE_STAYS_NS;
	else
		cartridge->leave = true;
}

static void fetched(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge, bool identify)
{
	struct rsm_manager *manager = worker->manager;

	rsm_mutex_lock(&manager->lock);
	cartridge->state = RSM_CARTRIDGE_LOADED;
	cartridge->loaded_at_ns = rsm_manager_now(manager);
	cartridge->failures = 0;
	cartridge->retry_at_ns = 0;
	cartridge->since_ns = 0;
	cartridge->failure = (struct rsm_err){ 0 };
	worker->state = RSM_DRIVE_IDLE;
	worker->failures = 0;
	cartridge->stay_until_ns = 0;
	if (identify && rsm_list_is_empty(&cartridge->mounts) &&
	    rsm_list_is_empty(&cartridge->reads))
		leave_soon_locked(cartridge);
	note_label_work_locked(cartridge);
	rsm_cartridge_note_work_locked(cartridge);
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	rsm_cartridge_complete_mounts(cartridge);
}

/* A drive that did not give its cartridge back can take no other. */
static bool keeps_cartridge(struct rsm_drive_worker *worker)
{
	struct rsm_medium m;

	return worker->library->hardware->changer &&
	       rsm_medium_at(worker->manager->catalog, worker->library->id, RSM_AT_DRIVE,
			     worker->element, &m, NULL) == 0;
}

static void fetch(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_err err = { 0 };
	bool identify, keeps;
	int r = rsm_drive_fetch(worker, cartridge, &err);

	keeps = r < 0 && keeps_cartridge(worker);
	rsm_mutex_lock(&manager->lock);
	identify = cartridge->identify;
	cartridge->identify = false;
	cartridge->renew = false;
	cartridge->read_soon_ns = 0;
	cartridge->outcome_number++;
	if (r == 0) {
		rsm_mutex_unlock(&manager->lock);
		fetched(worker, cartridge, identify);
		return;
	}
	cartridge->state = RSM_CARTRIDGE_AWAY;
	cartridge->worker = NULL;
	cartridge->abandoned = false;
	worker->cartridge = NULL;
	back_off_locked(cartridge, &err);
	if (r == -EMEDIUMTYPE)
		cartridge->label_at_ns = 0; /* it will not be another one next time */
	worker->state = keeps ? RSM_DRIVE_FAILED : RSM_DRIVE_EMPTY;
	if (err.key == 0x04 && ++worker->failures >= LOADS_FAILED_MOST)
		worker->state = RSM_DRIVE_FAILED; /* hardware error again and again */
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	report(worker, cartridge, &err);
	rsm_manager_request_service(manager, worker->library, worker->element, cartridge, r, &err);
	rsm_cartridge_fail_requests(cartridge, r, &err);
	rsm_manager_note_failed_drive(manager);
	rsm_cartridge_unref(cartridge);
}

/* Deallocated while it was here: nothing more is written, and the next user of the medium need not
 * wait until it is home.
 */
static bool let_go_of_abandoned(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	RSM_LOCK_SCOPE(&worker->manager->lock);
	if (!cartridge->abandoned)
		return false;
	rsm_volume_free(worker->volume);
	worker->volume = NULL;
	if (cartridge->discard && cartridge->references == 1)
		rsm_cartridge_close_content_locked(cartridge, true);
	return true;
}

static bool is_given_up(struct rsm_cartridge *cartridge)
{
	RSM_LOCK_SCOPE(&cartridge->manager->lock);
	return cartridge->unwritable;
}

/* Whoever gets it next finds a closed volume, also when a write failed: the drive is asked where
 * the data really end, and the index follows there.
 */
static int close_volume(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			struct rsm_err *err)
{
	struct rsm_volume_status status = { 0 };
	int r = 0;

	if (worker->volume)
		worker->volume->ops->status(worker->volume, &status);
	if (status.doubtful)
		r = rsm_drive_renew(worker, cartridge, err);
	return r ? r : rsm_drive_commit(worker, cartridge, RSM_COMMIT_FULL, err);
}

static void leave(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_err err = { 0 };
	int r;

	if (!let_go_of_abandoned(worker, cartridge) && !is_given_up(cartridge)) {
		r = close_volume(worker, cartridge, &err);
		if (r < 0)
			write_failed(worker, cartridge, &err);
	}
	set_state(worker, RSM_DRIVE_UNLOADING);
	r = rsm_drive_take_home(worker, cartridge, &err);
	rsm_drive_look_at_alerts(worker);
	if (r < 0) {
		rsm_err_wrap(&err, r, "%s in %s", cartridge->barcode, worker->name);
		report(worker, cartridge, &err);
	}
	rsm_mutex_lock(&manager->lock);
	cartridge->state = RSM_CARTRIDGE_AWAY;
	cartridge->worker = NULL;
	cartridge->leave = false;
	cartridge->abandoned = false;
	cartridge->held = false;
	cartridge->idle_since_ns = rsm_manager_now(manager);
	if (r < 0) {
		cartridge->failure = err;
		cartridge->outcome_number++;
	}
	note_label_work_locked(cartridge);
	rsm_cartridge_note_work_locked(cartridge);
	if (rsm_mount_queue_due_ns(cartridge, cartridge->idle_since_ns) <= cartridge->idle_since_ns)
		cartridge->since_ns = cartridge->idle_since_ns; /* its place is behind the others */
	worker->cartridge = NULL;
	worker->state = r < 0 ? RSM_DRIVE_FAILED : RSM_DRIVE_EMPTY;
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	if (r < 0) {
		rsm_manager_request_service(manager, worker->library, worker->element, cartridge, r,
					    &err);
		rsm_manager_note_failed_drive(manager);
	}
	rsm_cartridge_unref(cartridge);
}

/* ---- one step with a loaded cartridge ---- */

enum step {
	STEP_WAIT,
	STEP_READ,
	STEP_MOUNTS,
	STEP_LABEL,
	STEP_MIGRATE,
	STEP_INDEX,
	STEP_WORK,
	STEP_LEAVE
};

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* So much has been written since the last index that another one is due, whatever the time is. */
static bool has_much_unindexed_locked(struct rsm_drive_worker *worker,
				      const struct rsm_cartridge *cartridge, int64_t now)
{
	uint64_t most = worker->manager->options.index_bytes;

	return most && cartridge->unindexed_bytes >= most && !cartridge->read_only &&
	       cartridge->retry_at_ns <= now;
}

static bool wants_index_locked(const struct rsm_cartridge *cartridge, int64_t now)
{
	return cartridge->index_at_ns && !cartridge->read_only && cartridge->retry_at_ns <= now &&
	       (cartridge->syncs || cartridge->index_at_ns <= now);
}

static bool wants_label_locked(const struct rsm_cartridge *cartridge, int64_t now)
{
	return cartridge->renew || (cartridge->label_at_ns && cartridge->retry_at_ns <= now &&
				    cartridge->label_at_ns <= now);
}

static bool may_migrate_locked(const struct rsm_cartridge *cartridge)
{
	return cartridge->migrate_at_ns && !cartridge->full && !cartridge->read_only;
}

static bool wants_migration_locked(struct rsm_drive_worker *worker,
				   const struct rsm_cartridge *cartridge, int64_t now)
{
	if (!may_migrate_locked(cartridge) || cartridge->retry_at_ns > now)
		return false;
	return cartridge->syncs || cartridge->leave || worker->manager->stopping ||
	       cartridge->migrate_at_ns <= now;
}

/* Writers wait, or soon will, for what an index would give back: a quarter of the area is worth
 * one, or all there is when nothing else is left to be written.
 */
static bool frees_by_index_locked(struct rsm_drive_worker *worker,
				  const struct rsm_cartridge *cartridge, int64_t now)
{
	struct rsm_staging_space *space = worker->manager->space;

	if (!cartridge->unindexed_bytes || cartridge->read_only || cartridge->retry_at_ns > now ||
	    !rsm_staging_space_is_tight(space))
		return false;
	return cartridge->unindexed_bytes >= rsm_staging_space_size(space) / 4 ||
	       !wants_migration_locked(worker, cartridge, now);
}

/* It takes turns with those who have something to write. */
static bool wants_work_locked(struct rsm_drive_worker *worker,
			      const struct rsm_cartridge *cartridge, int64_t now)
{
	if (rsm_list_is_empty(&cartridge->works) || cartridge->leave || worker->manager->stopping)
		return false;
	return !worker->worked || !(frees_by_index_locked(worker, cartridge, now) ||
				    wants_migration_locked(worker, cartridge, now) ||
				    wants_index_locked(cartridge, now));
}

/* What to do next, or when to look again. */
static enum step choose_locked(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			       int64_t *ret_until)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_content_use use = { 0 };
	int64_t now = rsm_manager_now(manager), at, work;
	struct rsm_mount_queue_view view = {
		.now_ns = now,
		.dismount_delay_s = manager->options.dismount_delay_s,
		.drives_waiting = rsm_mount_queue_waiting(&manager->cartridges, worker->library->id,
							  worker->element, now),
	};

	*ret_until = RSM_NEVER_NS;
	if (rsm_manager_hurries_locked(manager) || cartridge->abandoned)
		return STEP_LEAVE;
	for (size_t i = 0; i < manager->worker_count; i++)
		if (manager->workers[i]->library == worker->library &&
		    rsm_drive_worker_is_empty_locked(manager->workers[i]))
			view.another_drive_free = true;
	if (worker->clean) { /* no other drive will do for that */
		view.drives_waiting++;
		view.another_drive_free = false;
	}
	if (worker->enabled && rsm_list_is_empty(&cartridge->works) &&
	    rsm_mount_queue_turn_is_over(cartridge, &view))
		return STEP_LEAVE;
	/* somebody who reads on and on does not keep it from leaving; it will come again */
	if (!cartridge->leave && !rsm_list_is_empty(&cartridge->reads))
		return STEP_READ;
	if (!rsm_list_is_empty(&cartridge->mounts)) {
		uint32_t wanted = rsm_mount_queue_wanted_drive(cartridge);

		return wanted && wanted != worker->element ? STEP_LEAVE : STEP_MOUNTS;
	}
	if (wants_label_locked(cartridge, now))
		return STEP_LABEL;
	if (wants_work_locked(worker, cartridge, now))
		return STEP_WORK;
	if (frees_by_index_locked(worker, cartridge, now) ||
	    has_much_unindexed_locked(worker, cartridge, now))
		return STEP_INDEX;
	if (wants_migration_locked(worker, cartridge, now))
		return STEP_MIGRATE;
	if (wants_index_locked(cartridge, now))
		return STEP_INDEX;
	if (manager->stopping)
		return STEP_LEAVE;
	if (cartridge->content)
		rsm_content_use(cartridge->content, &use);
	view.open_files = use.open_files > 0;
	view.idle_since_ns = use.last_used_ns > cartridge->loaded_at_ns ? use.last_used_ns
									: cartridge->loaded_at_ns;
	at = rsm_mount_queue_leave_ns(cartridge, &view);
	/* out of use: who has it finishes with it, and it is not taken from him for another */
	if (!cartridge->leave && (!worker->enabled || rsm_cartridge_is_disabled_locked(cartridge)))
		at = use.open_files || cartridge->held ? RSM_NEVER_NS : now;
	if (at <= now) {
		/* nothing that could be written goes home unwritten: it would come back for it */
		if (cartridge->label_at_ns && cartridge->retry_at_ns <= now)
			return STEP_LABEL;
		if (may_migrate_locked(cartridge) && cartridge->retry_at_ns <= now)
			return STEP_MIGRATE;
		return STEP_LEAVE;
	}
	work = RSM_NEVER_NS;
	if (may_migrate_locked(cartridge))
		work = earlier(work, cartridge->migrate_at_ns);
	if (cartridge->index_at_ns && !cartridge->read_only)
		work = earlier(work, cartridge->index_at_ns);
	if (cartridge->label_at_ns)
		work = earlier(work, cartridge->label_at_ns);
	if (work < cartridge->retry_at_ns)
		work = cartridge->retry_at_ns;
	*ret_until = earlier(at, work);
	return STEP_WAIT;
}

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

static void migrate(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_err err;
	struct rsm_content_use use = { 0 };
	bool wrote, full, asked_again;
	int64_t asked;
	int r;

	prevent_removal(worker);
	rsm_mutex_lock(&manager->lock);
	asked = cartridge->migrate_at_ns;
	rsm_mutex_unlock(&manager->lock);
	if (cartridge->content) /* as of now: what is added meanwhile has not been tried */
		rsm_content_use(cartridge->content, &use);
	r = rsm_drive_migrate(worker, cartridge, &wrote, &err);
	if (r < 0) {
		write_failed(worker, cartridge, &err);
		return;
	}
	rsm_mutex_lock(&manager->lock);
	if (wrote)
		cartridge->write_failures = 0;
	full = cartridge->full;
	asked_again = cartridge->migrate_at_ns != asked;
	rsm_cartridge_note_work_locked(cartridge);
	if (!wrote && !full) {
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
		write_failed(worker, cartridge, &err);
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
		write_failed(worker, cartridge, &err);
		rsm_cartridge_fail_requests(cartridge, r, &err);
		return;
	}
	rsm_mutex_lock(&manager->lock);
	cartridge->label_at_ns = 0;
	if (worker->volume)
		note_label_work_locked(cartridge);
	rsm_cartridge_note_work_locked(cartridge);
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
}

static void do_step(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		    enum step step)
{
	worker->worked = step == STEP_WORK;
	switch (step) {
	case STEP_WAIT: return;
	case STEP_READ:
		set_state(worker, RSM_DRIVE_READING);
		rsm_drive_serve_reads(worker, cartridge);
		break;
	case STEP_MOUNTS: rsm_cartridge_complete_mounts(cartridge); break;
	case STEP_LABEL:
		set_state(worker, RSM_DRIVE_WRITING);
		label(worker, cartridge);
		break;
	case STEP_MIGRATE:
		set_state(worker, RSM_DRIVE_WRITING);
		migrate(worker, cartridge);
		break;
	case STEP_INDEX:
		set_state(worker, RSM_DRIVE_WRITING);
		write_index(worker, cartridge);
		break;
	case STEP_WORK:
		set_state(worker, RSM_DRIVE_READING);
		prevent_removal(worker);
		rsm_drive_do_work(worker, cartridge);
		break;
	case STEP_LEAVE: leave(worker, cartridge); return;
	}
	set_state(worker, RSM_DRIVE_IDLE);
}

=======
>>>>>>> main
/* ---- the loop ---- */

void rsm_drive_worker_wake_locked(struct rsm_drive_worker *worker)
{
	pthread_cond_signal(&worker->wake);
}

static void wait_locked(struct rsm_drive_worker *worker, int64_t until)
{
	if (until == RSM_NEVER_NS)
		rsm_cond_wait(&worker->wake, &worker->manager->lock);
	else
		rsm_cond_wait_until(&worker->wake, &worker->manager->lock, until);
}

static void with_cartridge(struct rsm_drive_worker *worker)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_cartridge *cartridge;
	int64_t until;
	enum rsm_drive_step step;

	rsm_mutex_lock(&manager->lock);
	cartridge = worker->cartridge;
	step = rsm_drive_choose_locked(worker, cartridge, &until);
	if (step == RSM_STEP_LEAVE) {
		cartridge->state = RSM_CARTRIDGE_LEAVING;
		rsm_drive_fail_works_locked(cartridge);
		worker->state = RSM_DRIVE_WRITING;
	}
	rsm_mutex_unlock(&manager->lock);
	if (step != RSM_STEP_WAIT) {
		rsm_drive_do_step(worker, cartridge, step);
		return;
	}
	if (rsm_drive_read_ahead(worker))
		return;
	rsm_mutex_lock(&manager->lock);
	/* nothing may have come in between the look and the wait */
	if (rsm_drive_choose_locked(worker, cartridge, &until) == RSM_STEP_WAIT)
		wait_locked(worker, until);
	rsm_mutex_unlock(&manager->lock);
}

/* False when the thread is to end. */
static bool without_cartridge(struct rsm_drive_worker *worker)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_cartridge *cartridge = NULL;
	int64_t next = RSM_NEVER_NS;

	rsm_mutex_lock(&manager->lock);
	if (manager->stopping) {
		rsm_mutex_unlock(&manager->lock);
		return false;
	}
	if (rsm_drive_is_to_be_cleaned_locked(worker)) {
		worker->state = RSM_DRIVE_CLEANING;
		worker->library->cleaning = true;
		rsm_mutex_unlock(&manager->lock);
		rsm_drive_do_clean(worker);
		return true;
	}
	if (rsm_drive_worker_is_empty_locked(worker))
		cartridge = rsm_mount_queue_pick(&manager->cartridges, worker->library->id,
						 worker->element, rsm_manager_now(manager), &next);
	if (!cartridge && rsm_drive_worker_is_empty_locked(worker))
		cartridge = rsm_identify_next_locked(worker->library);
	if (cartridge) {
		cartridge->references++; /* the drive's own; fetch or leave give it back */
		cartridge->state = RSM_CARTRIDGE_FETCHING;
		cartridge->worker = worker;
		cartridge->leave = cartridge->abandoned = false;
		worker->cartridge = cartridge;
		worker->state = RSM_DRIVE_LOADING;
	} else {
		if (worker->unclean && manager->options.autoclean)
			next = earlier(next, rsm_manager_now(manager) + RSM_SECOND_NS);
		wait_locked(worker, next);
	}
	rsm_mutex_unlock(&manager->lock);
	if (cartridge)
		rsm_drive_bring_in(worker, cartridge);
	return true;
}

/* That a cleaning was cut short; the drive has done with it long since. */
static void take_cleaner_home(struct rsm_drive_worker *worker)
{
	struct rsm_medium lying;
	struct rsm_err err;

	if (worker->library->hardware->changer &&
	    rsm_medium_at(worker->manager->catalog, worker->library->id, RSM_AT_DRIVE,
			  worker->element, &lying, NULL) == 0 &&
	    lying.cleaner && rsm_drive_clear(worker, 0, &err) < 0)
		rsm_log_warning("%s: %s", worker->name, err.msg);
}

static void *run(void *argument)
{
	struct rsm_drive_worker *worker = argument;

	if (worker->cartridge)
<<<<<<< HEAD
		fetch(worker, worker->cartridge);
	else
		take_cleaner_home(worker);
=======
		rsm_drive_bring_in(worker, worker->cartridge);
>>>>>>> main
	for (;;) {
		/* only this thread sets or clears worker->cartridge */
		if (worker->cartridge)
			with_cartridge(worker);
		else if (!without_cartridge(worker))
			return NULL;
	}
}

int rsm_drive_worker_start(struct rsm_drive_worker *worker, struct rsm_err *err)
{
	int r = rsm_courier_start(worker, err);

	if (r < 0)
		return r;
	rsm_drive_adopt(worker);
	r = pthread_create(&worker->thread, NULL, run, worker);
	if (r != 0)
		return rsm_err_set(err, r, "thread of %s: %s", worker->name, strerror(r));
	worker->runs = true;
	return 0;
}

void rsm_drive_worker_join(struct rsm_drive_worker *worker)
{
	if (worker->runs)
		pthread_join(worker->thread, NULL);
	worker->runs = false;
	rsm_courier_stop(&worker->courier);
}
