/* A cartridge comes into a drive and goes home again; and what is done when that, or a write,
 * fails.
 */
#include "core/drive_fit.h"
#include "core/drive_private.h"
#include "core/hand.h"

#include <stdlib.h>

#include "base/log.h"

#define RETRY_FIRST_NS (5 * RSM_SECOND_NS)
#define RETRY_MOST_NS  (600 * RSM_SECOND_NS)
/* How long ago somebody looked for a free medium who will do so again, and how long what turns up
 * stays in its drive for him.
 */
#define FREE_WANTED_NS (RSM_SECOND_NS)
#define FREE_STAYS_NS  (RSM_SECOND_NS / 4)
enum { LOADS_FAILED_MOST = 5, WRITES_FAILED_MOST = 4, DRIVE_ERRORS_MOST = 3 };
enum { KEY_MEDIUM_ERROR = 0x03, KEY_HARDWARE_ERROR = 0x04 };

/* ---- after a failure ---- */

/* The databases lie on the disk of the staging area, which somebody else has filled to the last
 * byte. There may be room again by now: then it is tried once more before it is another matter.
 */
static bool is_disk_full(struct rsm_cartridge *cartridge, const struct rsm_err *err)
{
	struct rsm_manager *manager = cartridge->manager;
	bool full, again;

	if (err->key || (err->code != ENOSPC && err->code != EDQUOT))
		return false;
	full = rsm_staging_space_is_exhausted(manager->space, 1);
	RSM_LOCK_SCOPE(&manager->lock);
	again = !cartridge->disk_was_full;
	cartridge->disk_was_full = true;
	return full || again;
}

/* Neither medium nor drive is to blame: it was deallocated meanwhile, or who had it before has not
 * let go of it yet.
 */
static bool will_pass(const struct rsm_err *err)
{
	return !err->key && (err->code == ECANCELED || err->code == EBUSY);
}

/* full: the disk is. That may take longer, and each try is an exchange. */
static void back_off_locked(struct rsm_cartridge *cartridge, const struct rsm_err *err, bool full)
{
	int64_t pause = RETRY_FIRST_NS;

	if (will_pass(err) || full) {
		cartridge->retry_at_ns =
			rsm_manager_now(cartridge->manager) + (full ? pause : RSM_SECOND_NS);
		if (full)
			cartridge->paused_until_ns = cartridge->retry_at_ns;
		cartridge->failure = *err;
		return;
	}
	for (unsigned i = 0; i < cartridge->failures && pause < RETRY_MOST_NS; i++)
		pause *= 2;
	cartridge->failures++;
	cartridge->retry_at_ns = rsm_manager_now(cartridge->manager) + pause;
	cartridge->failure = *err;
}

bool rsm_drive_try_elsewhere_locked(struct rsm_drive_worker *worker,
				    struct rsm_cartridge *cartridge, const struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;

	if (err->key != KEY_HARDWARE_ERROR)
		return false;
	cartridge->avoid = worker->element;
	for (size_t i = 0; i < manager->worker_count; i++) {
		const struct rsm_drive_worker *other = manager->workers[i];

		if (other != worker && other->library == worker->library && other->enabled &&
		    other->state != RSM_DRIVE_FAILED)
			return true;
	}
	return false;
}

void rsm_drive_note_success(struct rsm_drive_worker *worker)
{
	RSM_LOCK_SCOPE(&worker->manager->lock);
	worker->errors = 0;
}

void rsm_drive_note_file(struct rsm_drive_worker *worker, char *path)
{
	free(worker->failed_file);
	worker->failed_file = path;
}

static void report(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		   const char *file, const struct rsm_err *err)
{
	if (will_pass(err)) {
		rsm_log_info("%s", err->msg);
		return;
	}
	rsm_log_error("%s", err->msg);
	rsm_manager_tell_error(worker->manager, cartridge->id, worker->name, file, err->msg);
}

/* Another drive would do no better. */
static bool waits_for_disk(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			   const struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;

	if (!is_disk_full(cartridge, err))
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

void rsm_drive_write_failed(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			    struct rsm_err *err)
{
	bool known, give_up = false;

	if (waits_for_disk(worker, cartridge, err))
		return;
	rsm_err_wrap(err, -err->code, "%s in %s (home slot %u)", cartridge->barcode, worker->name,
		     worker->medium.home_slot);
	report(worker, cartridge, worker->failed_file, err);
	rsm_drive_note_file(worker, NULL);
	rsm_drive_note_error(worker, cartridge, true, err);
	rsm_mutex_lock(&worker->manager->lock);
	/* the index that a failed write keeps from being written is no second failure */
	known = cartridge->retry_at_ns > rsm_manager_now(worker->manager);
	if (!known) {
		bool first = cartridge->failures == 0;

		back_off_locked(cartridge, err, false);
		worker->errors += err->key == KEY_HARDWARE_ERROR;
		/* the next drive begins at once; if it does no better, there is time */
		cartridge->elsewhere =
			rsm_drive_try_elsewhere_locked(worker, cartridge, err) && first;
		/* a drive that is broken is another matter */
		if (err->key == KEY_MEDIUM_ERROR)
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
void rsm_drive_note_label_work_locked(struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = cartridge->manager;
	struct rsm_medium m;

	if (rsm_medium_get(manager->catalog, cartridge->id, &m, NULL) != 0 ||
	    !rsm_drive_fit_has_label_work_locked(cartridge, &m) ||
	    cartridge->failure.code == EMEDIUMTYPE)
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
	cartridge->failures = cartridge->strays = 0;
	cartridge->retry_at_ns = cartridge->paused_until_ns = 0;
	cartridge->disk_was_full = false;
	cartridge->since_ns = 0;
	cartridge->bias_ns = 0;
	cartridge->failure = (struct rsm_err){ 0 };
	worker->fetch_ns =
		worker->fetching_since_ns ? cartridge->loaded_at_ns - worker->fetching_since_ns : 0;
	worker->state = RSM_DRIVE_IDLE;
	worker->failures = 0;
	rsm_item_ends_locked(cartridge, RSM_WORK_PASSED, "");
	cartridge->stay_until_ns = 0;
	cartridge->hand_asked_ns = 0;
	if (identify && rsm_list_is_empty(&cartridge->mounts) &&
	    rsm_list_is_empty(&cartridge->reads))
		leave_soon_locked(cartridge);
	else if (!rsm_list_is_empty(&cartridge->mounts) || !rsm_list_is_empty(&cartridge->reads))
		cartridge->leave = false; /* somebody gave it up, but somebody else wants it */
	rsm_drive_note_label_work_locked(cartridge);
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

/* It could not be had, and the catalogue knows by now that it is not here: nobody tries again. */
static bool has_left(const struct rsm_cartridge *cartridge, int r)
{
	struct rsm_medium m;

	return r == -ENOMEDIUM &&
	       rsm_medium_get(cartridge->manager->catalog, cartridge->id, &m, NULL) == 0 &&
	       m.location == RSM_AT_OFFLINE;
}

void rsm_drive_bring_in(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_err err = { 0 };
	bool identify, keeps, again, traded, known, goes_on, is_settled, gone, full;
	int r;

	worker->another = RSM_ANOTHER_NONE;
	r = rsm_drive_fetch(worker, cartridge, &err);
	traded = r < 0 && worker->another == RSM_ANOTHER_TRADED;
	known = r < 0 && worker->another == RSM_ANOTHER_KNOWN;
	keeps = r < 0 && keeps_cartridge(worker);
	full = r < 0 && is_disk_full(cartridge, &err);
	rsm_mutex_lock(&manager->lock);
	identify = cartridge->identify;
	/* by hand: it was taken out, or it was another one; a person is asked again */
	gone = rsm_hand_is(worker->library) &&
	       (r == -ENOMEDIUM || (r == -EMEDIUMTYPE && !cartridge->library));
	if (r == 0)
		(void)rsm_identify_ended_locked(cartridge, r);
	cartridge->renew = false;
	cartridge->read_soon_ns = cartridge->asked_ns = 0;
	cartridge->outcome_number++;
	if (r == 0) {
		rsm_mutex_unlock(&manager->lock);
		fetched(worker, cartridge, identify);
		return;
	}
	cartridge->state = RSM_CARTRIDGE_AWAY;
	cartridge->departures++;
	cartridge->abandoned = false;
	worker->cartridge = NULL;
	worker->lying = 0;
	goes_on = r == -EMEDIUMTYPE && !keeps && !traded && !known &&
		  rsm_drive_fit_goes_on_locked(worker, cartridge);
	is_settled = cartridge->incompatible;
	again = !traded && !known && rsm_drive_try_elsewhere_locked(worker, cartridge, &err) &&
		cartridge->failures == 0 && !keeps;
	if (gone) {
		(void)rsm_identify_ended_locked(cartridge, r);
	} else if (goes_on) {
		cartridge->identify = identify;
	} else {
		if (!traded && !known)
			back_off_locked(cartridge, &err, full);
		if (!again && !full)
			(void)rsm_identify_ended_locked(cartridge, r);
	}
	if (goes_on || again || traded || gone || full)
		rsm_item_goes_back_locked(cartridge, err.msg);
	else
		rsm_item_ends_locked(cartridge, known ? RSM_WORK_PASSED : RSM_WORK_FAILED, err.msg);
	cartridge->worker = NULL;
	if (again || full)
		cartridge->identify = identify;
	if (again)
		cartridge->retry_at_ns = 0;
	if (has_left(cartridge, r))
		cartridge->library = 0;
	if (r == -EMEDIUMTYPE && !traded)
		cartridge->label_at_ns = 0; /* it will not be another one next time */
	worker->state = keeps ? RSM_DRIVE_FAILED : RSM_DRIVE_EMPTY;
	if (err.key == KEY_HARDWARE_ERROR && ++worker->failures >= LOADS_FAILED_MOST)
		worker->state = RSM_DRIVE_FAILED; /* hardware error again and again */
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	if (goes_on || gone) { /* who waits goes on waiting: for another drive, or a person */
		rsm_log_info("%s", err.msg);
		if (gone && r == -EMEDIUMTYPE)
			rsm_identify_unknown_again(worker->library);
		rsm_cartridge_unref(cartridge);
		return;
	}
	if (traded || known)
		rsm_log_info("%s", err.msg);
	else if (r == -EMEDIUMTYPE && (is_settled || worker->medium.cleaner))
		rsm_log_warning("%s", err.msg); /* that is what it is, and is in the events */
	else if (full)
		rsm_log_warning("%s; it is tried again", err.msg);
	else
		report(worker, cartridge, NULL, &err);
	if (!traded && !known && !full)
		rsm_manager_request_service(manager, worker->library, worker->element, cartridge, r,
					    &err);
	/* else they go on waiting */
	if (!again && !traded && !full && (r != -EBUSY || !will_pass(&err)))
		rsm_cartridge_fail_requests(cartridge, r, &err);
	if (r == -EMEDIUMTYPE)
		rsm_identify_unknown_again(worker->library);
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
	if (status.doubtful || (worker->volume && rsm_tape_drive_is_lost(worker->drive)))
		r = rsm_drive_renew(worker, cartridge, err);
	return r ? r : rsm_drive_commit(worker, cartridge, RSM_COMMIT_FULL, err);
}

void rsm_drive_send_out(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_err err = { 0 };
	int64_t unload_at, item = rsm_item_begin_dismount(cartridge);
	bool in_vain;
	int r;

	if (!let_go_of_abandoned(worker, cartridge) && !is_given_up(cartridge)) {
		r = close_volume(worker, cartridge, &err);
		if (r < 0)
			rsm_drive_write_failed(worker, cartridge, &err);
	}
	rsm_drive_set_state(worker, RSM_DRIVE_UNLOADING);
	unload_at = rsm_manager_now(manager);
	r = rsm_drive_take_home(worker, cartridge, &err);
	rsm_drive_look_at_alerts(worker);
	if (r < 0) {
		rsm_err_wrap(&err, r, "%s in %s", cartridge->barcode, worker->name);
		report(worker, cartridge, NULL, &err);
	}
	rsm_item_end_dismount(worker, item, r, &err);
	rsm_mutex_lock(&manager->lock);
	cartridge->state = RSM_CARTRIDGE_AWAY;
	cartridge->departures++;
	cartridge->worker = NULL;
	cartridge->leave = false;
	rsm_cartridge_unbound_locked(cartridge);
	cartridge->abandoned = false;
	cartridge->held = false;
	cartridge->idle_since_ns = rsm_manager_now(manager);
	if (cartridge->elsewhere)
		cartridge->retry_at_ns = 0;
	cartridge->elsewhere = false;
	if (worker->fetch_ns)
		rsm_library_note_exchange_locked(
			worker->library, worker->fetch_ns + cartridge->idle_since_ns - unload_at);
	if (r < 0) {
		cartridge->failure = err;
		cartridge->outcome_number++;
	}
	rsm_drive_note_label_work_locked(cartridge);
	rsm_cartridge_note_work_locked(cartridge);
	if (rsm_mount_queue_due_ns(cartridge, cartridge->idle_since_ns) <= cartridge->idle_since_ns)
		cartridge->since_ns = cartridge->idle_since_ns; /* its place is behind the others */
	worker->cartridge = NULL;
	if (r == 0 && worker->errors >= DRIVE_ERRORS_MOST)
		r = rsm_err_set(&err, EIO,
				"%s is out of service: its last %u tries ended in %.300s",
				worker->name, worker->errors, cartridge->failure.msg);
	worker->state = r < 0 ? RSM_DRIVE_FAILED : RSM_DRIVE_EMPTY;
	/* what was asked for while it was leaving */
	in_vain = r < 0 || !worker->enabled || rsm_cartridge_is_disabled_locked(cartridge);
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	if (r < 0)
		rsm_manager_request_service(manager, worker->library, worker->element, cartridge, r,
					    &err);
	if (in_vain)
		rsm_manager_note_failed_drive(manager);
	rsm_cartridge_unref(cartridge);
}
