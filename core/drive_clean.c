/* Cleaning a drive, between mounts only: the robot brings a cleaning cartridge, the drive cleans
 * itself, and it goes home. One drive of a library at a time.
 *
 * A death in between leaves the cartridge in the drive; the next start takes it home. A use is
 * counted when the drive is done with it, so that one may be counted too few, never too many.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/cleaner.h"
#include "core/drive_private.h"

#define LOOK_NS	 (RSM_SECOND_NS / 10)
#define RETRY_NS (60 * RSM_SECOND_NS)
enum { CLEAN_TIMEOUT_MS = 15 * 60 * 1000 };

/* ---- what drives want ---- */

void rsm_drive_look_at_alerts(struct rsm_drive_worker *worker)
{
	struct rsm_manager *manager = worker->manager;
	uint64_t alerts = 0;
	struct rsm_err err;
	bool news;

	if (rsm_tape_drive_alerts(worker->drive, &alerts, &err) < 0) {
		rsm_log_debug(RSM_ROOM_DRIVE, "%s: %s", worker->name, err.msg);
		return;
	}
	if (!(alerts & (RSM_ALERT_BIT(RSM_ALERT_NUMBER_CLEAN_NOW) |
			RSM_ALERT_BIT(RSM_ALERT_NUMBER_CLEAN_PERIODIC))))
		return;
	rsm_mutex_lock(&manager->lock);
	news = !worker->unclean;
	worker->unclean = true;
	rsm_mutex_unlock(&manager->lock);
	if (news)
		rsm_event_add(manager->catalog, "cleaning-needed", "drive", worker->name, NULL);
}

bool rsm_drive_is_to_be_cleaned_locked(const struct rsm_drive_worker *worker)
{
	int64_t now = rsm_manager_now(worker->manager);

	if (!worker->library->hardware->changer || worker->library->cleaning)
		return false;
	return worker->clean ||
	       (worker->unclean && worker->manager->options.autoclean && worker->enabled &&
		worker->state == RSM_DRIVE_EMPTY && worker->clean_retry_ns <= now);
}

/* ---- doing it ---- */

static void ask_for_cleaner(struct rsm_drive_worker *worker, const char *spent)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_operator_request request = { .kind = RSM_REQUEST_CLEANER,
						.library = worker->library->id };
	struct rsm_err err;
	int64_t id;

	snprintf(request.text, sizeof request.text,
		 "put a cleaning cartridge into %.300s: %s is to be cleaned%s%s",
		 worker->library->hardware->source, worker->name,
		 spent[0] ? ", and is spent: " : "", spent);
	if (rsm_operator_request_raise(manager->catalog, &request, &id, &err) < 0)
		rsm_log_warning("%s", request.text);
}

static bool find_cleaner_request(void *context, const struct rsm_operator_request *request)
{
	struct rsm_operator_request *wanted = context;

	if (request->kind != RSM_REQUEST_CLEANER || request->library != wanted->library)
		return true;
	wanted->id = request->id;
	return false;
}

static void end_request(struct rsm_drive_worker *worker)
{
	struct rsm_operator_request wanted = { .library = worker->library->id };
	struct rsm_catalog *catalog = worker->manager->catalog;
	struct rsm_err err;

	if (rsm_operator_request_list(catalog, true, find_cleaner_request, &wanted, &err) == 0 &&
	    wanted.id &&
	    rsm_operator_request_end(catalog, wanted.id, RSM_REQUEST_COMPLETE, &err) < 0)
		rsm_log_debug(RSM_ROOM_DRIVE, "%s", err.msg);
}

static int note_spent(struct rsm_drive_worker *worker, const struct rsm_medium *cleaner,
		      struct rsm_err *err)
{
	struct rsm_catalog *catalog = worker->manager->catalog;
	struct rsm_err own;

	if (rsm_cleaner_set_uses(catalog, cleaner, 0, &own) < 0)
		rsm_log_warning("%s: that it is spent is not noted: %s", cleaner->shown, own.msg);
	rsm_event_add(catalog, "cleaner-spent", "medium", cleaner->shown, "drive", worker->name,
		      NULL);
	ask_for_cleaner(worker, cleaner->shown);
	return rsm_err_set(err, ENOMEDIUM, "%s: cleaning cartridge %s is spent", worker->name,
			   cleaner->shown);
}

static int note_cleaned(struct rsm_drive_worker *worker, const struct rsm_medium *cleaner,
			struct rsm_err *err)
{
	struct rsm_catalog *catalog = worker->manager->catalog;
	uint32_t uses = RSM_CLEANER_UNCOUNTED;
	char left[16] = "";
	int r = rsm_cleaner_note_use(catalog, worker->row, cleaner, err);

	if (r == 0)
		r = rsm_cleaner_uses(catalog, cleaner, &uses, err);
	if (r < 0)
		return r;
	if (uses != RSM_CLEANER_UNCOUNTED)
		snprintf(left, sizeof left, "%" PRIu32, uses);
	rsm_event_add(catalog, "clean", "drive", worker->name, "medium", cleaner->shown, "uses",
		      left, NULL);
	end_request(worker);
	if (uses == 0)
		ask_for_cleaner(worker, cleaner->shown);
	return 0;
}

static int clean_with(struct rsm_drive_worker *worker, const struct rsm_medium *cleaner,
		      struct rsm_err *err)
{
	struct rsm_err home_err;
	int home, r;

	r = rsm_library_move(worker->library, cleaner, cleaner->location, cleaner->element,
			     RSM_AT_DRIVE, worker->element, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s for %s", cleaner->shown, worker->name);
	r = rsm_tape_drive_clean(worker->drive, CLEAN_TIMEOUT_MS, err);
	if (r == RSM_TAPE_CLEANER_SPENT)
		r = note_spent(worker, cleaner, err);
	else if (r == 0)
		r = note_cleaned(worker, cleaner, err);
	else
		rsm_err_wrap(err, r, "%s in %s", cleaner->shown, worker->name);
	home = rsm_drive_clear(worker, 0, &home_err);
	if (home < 0 && r == 0) {
		*err = home_err;
		r = home;
	} else if (home < 0) {
		rsm_log_error("%s stays in %s: %s", cleaner->shown, worker->name, home_err.msg);
	}
	return r;
}

static int clean(struct rsm_drive_worker *worker, struct rsm_medium *ret_cleaner,
		 struct rsm_err *err)
{
	int r = rsm_drive_clear(worker, 0, err);

	if (r == 0)
		r = rsm_library_await_ready(worker->library, err);
	if (r == 0)
		r = rsm_cleaner_find(worker->manager->catalog, worker->library->id, ret_cleaner,
				     err);
	if (r == RSM_MEDIUM_ABSENT) {
		ask_for_cleaner(worker, "");
		return rsm_err_set(err, ENOMEDIUM,
				   "%s: there is no cleaning cartridge that is not spent",
				   worker->name);
	}
	return r < 0 ? r : clean_with(worker, ret_cleaner, err);
}

static bool keeps_cartridge(struct rsm_drive_worker *worker)
{
	struct rsm_medium m;

	return rsm_medium_at(worker->manager->catalog, worker->library->id, RSM_AT_DRIVE,
			     worker->element, &m, NULL) == 0;
}

void rsm_drive_do_clean(struct rsm_drive_worker *worker)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_operator_request request = { .kind = RSM_REQUEST_DEVICE_SERVICE,
						.library = worker->library->id,
						.element = worker->element };
	struct rsm_medium cleaner = { 0 };
	struct rsm_err err = { 0 };
	bool keeps;
	int64_t id;
	int r = clean(worker, &cleaner, &err);

	keeps = r < 0 && keeps_cartridge(worker);
	rsm_mutex_lock(&manager->lock);
	worker->library->cleaning = false;
	worker->state = keeps ? RSM_DRIVE_FAILED : RSM_DRIVE_EMPTY;
	if (r == 0)
		worker->unclean = false;
	else
		worker->clean_retry_ns = rsm_manager_now(manager) + RETRY_NS;
	if (worker->clean) {
		worker->clean->r = r;
		worker->clean->err = err;
		worker->clean->ended = true;
		worker->clean = NULL;
	}
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	if (r == 0)
		return;
	if (r == -ENOMEDIUM) { /* a cleaner was asked for */
		rsm_log_warning("%s", err.msg);
		return;
	}
	rsm_log_error("%s", err.msg);
	/* or it did not even come to that: something lies in the drive */
	if (!cleaner.id && rsm_medium_at(manager->catalog, worker->library->id, RSM_AT_DRIVE,
					 worker->element, &cleaner, NULL) != 0)
		cleaner.id = 0;
	rsm_manager_tell_error(manager, cleaner.id, worker->name, NULL, err.msg);
	snprintf(request.text, sizeof request.text, "%s needs attention: %.400s", worker->name,
		 err.msg);
	if (rsm_operator_request_raise(manager->catalog, &request, &id, &err) < 0)
		rsm_log_warning("%s", request.text);
}

/* ---- rsm clean ---- */

static struct rsm_drive_worker *find_worker(struct rsm_manager *manager, int64_t library,
					    uint32_t element)
{
	for (size_t i = 0; i < manager->worker_count; i++)
		if (manager->workers[i]->library->id == library &&
		    manager->workers[i]->element == element)
			return manager->workers[i];
	return NULL;
}

static int queue_clean(struct rsm_drive_worker *worker, struct rsm_clean_wait *wait,
		       struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&worker->manager->lock);
	if (!worker->enabled)
		return rsm_err_set(err, ENODEV, "%s is disabled", worker->name);
	if (worker->state == RSM_DRIVE_FAILED)
		return rsm_err_set(err, EIO, "%s has failed", worker->name);
	if (worker->clean || worker->state == RSM_DRIVE_CLEANING)
		return rsm_err_set(err, EBUSY, "%s is being cleaned already", worker->name);
	worker->clean = wait;
	rsm_manager_wake_locked(worker->manager);
	return 0;
}

static int await(struct rsm_drive_worker *worker, struct rsm_clean_wait *wait,
		 const atomic_bool *cancel, struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;
	const char *why = NULL;

	RSM_LOCK_SCOPE(&manager->lock);
	while (!wait->ended) {
		/* what the drive is at goes on to its end */
		if (worker->state != RSM_DRIVE_CLEANING) {
			if (cancel && atomic_load(cancel))
				why = "interrupted";
			else if (manager->stopping)
				why = "rsmfs is shutting down";
		}
		if (why) {
			worker->clean = NULL;
			return rsm_err_set(err, EINTR, "%s: %s", worker->name, why);
		}
		rsm_cond_wait_until(&manager->changed, &manager->lock,
				    rsm_manager_now(manager) + LOOK_NS);
	}
	if (wait->r < 0 && err)
		*err = wait->err;
	return wait->r;
}

int rsm_item_cancel_clean(struct rsm_manager *manager, int64_t item, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < manager->worker_count; i++) {
		struct rsm_drive_worker *worker = manager->workers[i];
		struct rsm_clean_wait *wait = worker->clean;

		if (!wait || wait->item != item || worker->state == RSM_DRIVE_CLEANING)
			continue;
		wait->r =
			rsm_err_set(&wait->err, ECANCELED,
				    "%s: work item %" PRId64 " was cancelled", worker->name, item);
		wait->ended = true;
		worker->clean = NULL;
		rsm_manager_wake_locked(manager);
		return 0;
	}
	return rsm_err_set(err, EACCES, "work item %" PRId64 " is being processed", item);
}

/* Nobody but a person can clean a drive without a robot; he tells that he did. */
static int note_by_hand(struct rsm_drive_worker *worker, struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;
	int r = rsm_cleaner_note_use(manager->catalog, worker->row, NULL, err);

	if (r < 0)
		return r;
	rsm_event_add(manager->catalog, "clean", "drive", worker->name, "text", "by hand", NULL);
	RSM_LOCK_SCOPE(&manager->lock);
	worker->unclean = false;
	return 0;
}

int rsm_manager_clean_wait(struct rsm_manager *manager, int64_t library, uint32_t element,
			   uid_t user, const atomic_bool *cancel, struct rsm_err *err)
{
	struct rsm_drive_worker *worker = find_worker(manager, library, element);
	struct rsm_work_item item = {
		.kind = RSM_WORK_CLEAN, .library = library, .drive = element, .user = user
	};
	struct rsm_clean_wait wait = { 0 };
	struct rsm_err own;
	int r;

	if (!worker)
		return rsm_err_set(err, ENXIO, "there is no drive %u", element);
	if (!worker->library->hardware->changer)
		return note_by_hand(worker, err);
	r = rsm_work_item_add(manager->catalog, &item, err);
	wait.item = item.id;
	if (r == 0)
		r = queue_clean(worker, &wait, err);
	if (r == 0)
		r = await(worker, &wait, cancel, err);
	if (item.id && rsm_work_item_set(manager->catalog, item.id,
					 r == 0				  ? RSM_WORK_PASSED
					 : r == -EINTR || r == -ECANCELED ? RSM_WORK_CANCELLED
									  : RSM_WORK_FAILED,
					 element, r < 0 && err ? err->msg : "", &own) < 0)
		rsm_log_warning("%s", own.msg);
	return r;
}
