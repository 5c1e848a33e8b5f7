/* Who is asked for, and what becomes of the requests. The drive's side is hand_drive.c. */
#include "core/hand.h"

#include <stdio.h>

#include "base/log.h"
#include "core/drive_fit.h"

/* What nobody waits for is not asked for again so soon after a refusal. */
#define REFUSED_NS (3600 * RSM_SECOND_NS)

bool rsm_hand_is(const struct rsm_library *library)
{
	return !library->hardware->changer;
}

/* ---- who is wanted ---- */

static bool could_take_locked(const struct rsm_drive_worker *worker,
			      const struct rsm_cartridge *cartridge)
{
	return rsm_hand_is(worker->library) && worker->library->enabled && worker->enabled &&
	       !rsm_drive_worker_has_failed_locked(worker) &&
	       (cartridge->unknown ||
		rsm_media_reach_access(&worker->hardware->reach, cartridge->media_type) !=
			RSM_MEDIA_NONE);
}

/* The one that he was asked to use; else an empty one; else any. */
struct rsm_drive_worker *rsm_hand_drive_locked(const struct rsm_cartridge *cartridge)
{
	const struct rsm_manager *manager = cartridge->manager;
	uint32_t wanted = rsm_mount_queue_wanted_drive(cartridge);
	struct rsm_drive_worker *found = NULL;

	if (cartridge->library || cartridge->detached || cartridge->incompatible)
		return NULL;
	for (size_t i = 0; i < manager->worker_count; i++) {
		struct rsm_drive_worker *worker = manager->workers[i];

		if (!could_take_locked(worker, cartridge) || (wanted && worker->element != wanted))
			continue;
		if (worker->library->id == cartridge->hand_library)
			return worker;
		if (!found || (found->cartridge && !worker->cartridge))
			found = worker;
	}
	return found;
}

bool rsm_hand_waits_locked(const struct rsm_cartridge *cartridge)
{
	return cartridge->manager->options.offline_wait || rsm_hand_drive_locked(cartridge);
}

static bool has_come(int64_t at_ns, int64_t now)
{
	return at_ns && at_ns <= now;
}

/* A label that is to be written, and identification, wait until it comes by itself. */
static bool is_wanted_locked(const struct rsm_cartridge *cartridge)
{
	int64_t now = rsm_manager_now(cartridge->manager);

	if (cartridge->state != RSM_CARTRIDGE_AWAY || cartridge->library || cartridge->detached ||
	    cartridge->kept_home || cartridge->disabled || cartridge->manager->stopping)
		return false;
	if (!rsm_list_is_empty(&cartridge->reads) || !rsm_list_is_empty(&cartridge->mounts) ||
	    cartridge->syncs || cartridge->read_soon_ns || cartridge->asked_ns)
		return true;
	if (cartridge->retry_at_ns > now || cartridge->read_only)
		return false;
	return (has_come(cartridge->migrate_at_ns, now) && !cartridge->full) ||
	       has_come(cartridge->index_at_ns, now);
}

bool rsm_hand_is_wanted_locked(const struct rsm_drive_worker *worker)
{
	RSM_LIST_FOR_EACH (item, &worker->manager->cartridges) {
		const struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (cartridge->hand_library == worker->library->id && is_wanted_locked(cartridge))
			return true;
	}
	return false;
}

/* ---- asking ---- */

bool rsm_hand_ask(struct rsm_manager *manager, struct rsm_cartridge *cartridge)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_MOVE_MEDIA };
	struct rsm_drive_worker *worker;
	struct rsm_err err;
	bool asked;
	int64_t id = 0;

	rsm_mutex_lock(&manager->lock);
	worker = rsm_hand_drive_locked(cartridge);
	asked = cartridge->hand_request || !is_wanted_locked(cartridge);
	request.medium = cartridge->id;
	rsm_mutex_unlock(&manager->lock);
	if (!worker || asked)
		return worker != NULL;
	request.library = worker->library->id;
	request.element = worker->element;
	snprintf(request.text, sizeof request.text, "put cartridge %s into %s (%.300s)",
		 cartridge->barcode, worker->name, worker->library->hardware->source);
	if (rsm_operator_request_raise(manager->catalog, &request, &id, &err) < 0)
		rsm_log_warning("%s (and the request to the operator was not kept: %s)",
				request.text, err.msg);
	RSM_LOCK_SCOPE(&manager->lock);
	if (!cartridge->hand_asked_ns)
		cartridge->hand_asked_ns = rsm_manager_now(manager);
	cartridge->hand_request = id;
	cartridge->hand_library = worker->library->id;
	rsm_manager_wake_locked(manager);
	return true;
}

void rsm_hand_refused_locked(struct rsm_cartridge *cartridge, const struct rsm_err *refusal)
{
	cartridge->hand_request = cartridge->hand_library = cartridge->hand_asked_ns = 0;
	cartridge->retry_at_ns = rsm_manager_now(cartridge->manager) + REFUSED_NS;
	cartridge->failure = *refusal;
	cartridge->outcome_number++;
	rsm_manager_wake_locked(cartridge->manager);
}

/* ---- tending ---- */

enum task { NOTHING, ASK, WITHDRAW, FAIL };

static enum task task_for_locked(const struct rsm_library *library,
				 const struct rsm_cartridge *cartridge)
{
	const struct rsm_drive_worker *drive;
	bool mine = cartridge->hand_library == library->id;

	if (!is_wanted_locked(cartridge))
		return mine ? WITHDRAW : NOTHING;
	drive = rsm_hand_drive_locked(cartridge);
	if (mine && (!drive || drive->library != library)) /* disabled, or failed */
		return rsm_hand_waits_locked(cartridge) ? WITHDRAW : FAIL;
	return drive && drive->library == library && !cartridge->hand_request ? ASK : NOTHING;
}

/* The next cartridge behind `after` with something to be done, with a reference. */
static struct rsm_cartridge *next_task_locked(struct rsm_library *library, int64_t after,
					      enum task *ret_task)
{
	struct rsm_cartridge *found = NULL;

	RSM_LIST_FOR_EACH (item, &library->manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (cartridge->id <= after || (found && cartridge->id >= found->id))
			continue;
		if (cartridge->library && !cartridge->hand_library)
			continue;
		if (task_for_locked(library, cartridge) != NOTHING)
			found = cartridge;
	}
	if (found) {
		*ret_task = task_for_locked(library, found);
		found->references++;
	}
	return found;
}

static void withdraw(struct rsm_manager *manager, struct rsm_cartridge *cartridge)
{
	struct rsm_err err;
	int64_t id;
	bool came;

	rsm_mutex_lock(&manager->lock);
	id = cartridge->hand_request;
	came = cartridge->library != 0;
	cartridge->hand_request = cartridge->hand_library = 0;
	if (!came) /* else it may prove to be another one, and is asked for again */
		cartridge->hand_asked_ns = 0;
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	/* one that came has ended it by that */
	if (id &&
	    rsm_operator_request_end(manager->catalog, id,
				     came ? RSM_REQUEST_COMPLETE : RSM_REQUEST_REFUSED, &err) < 0)
		rsm_log_debug(RSM_ROOM_DRIVE, "%s", err.msg);
}

void rsm_hand_tend(struct rsm_library *library)
{
	struct rsm_manager *manager = library->manager;
	enum task task = NOTHING;
	int64_t after = 0;

	for (;;) {
		struct rsm_cartridge *cartridge;
		struct rsm_err err;

		rsm_mutex_lock(&manager->lock);
		cartridge = next_task_locked(library, after, &task);
		rsm_mutex_unlock(&manager->lock);
		if (!cartridge)
			return;
		after = cartridge->id;
		if (task == ASK)
			(void)rsm_hand_ask(manager, cartridge);
		else
			withdraw(manager, cartridge);
		if (task == FAIL) {
			rsm_err_set(&err, ENODEV,
				    "%s: the drive that it was wanted for is out of use",
				    cartridge->barcode);
			rsm_cartridge_fail_requests(cartridge, -ENODEV, &err);
		}
		rsm_cartridge_unref(cartridge);
	}
}
