/* Work items of the mount queue: what waits for a drive and for whom, and what became of it. One a
 * cartridge, however many wait for it: all of them share the mount. Rows are for people; nothing is
 * decided by them, and a failure to write one is no failure of a mount.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "core/copy.h"
#include "core/drive_private.h"

/* What nobody waits for comes again after so long when it was cancelled. */
#define PUT_OFF_NS (600 * RSM_SECOND_NS)

static bool is_waited_for(const struct rsm_cartridge *cartridge)
{
	return !rsm_list_is_empty(&cartridge->mounts) || !rsm_list_is_empty(&cartridge->reads) ||
	       cartridge->syncs || cartridge->read_soon_ns;
}

static enum rsm_work_kind kind_of(const struct rsm_cartridge *cartridge, int64_t now)
{
	if (is_waited_for(cartridge) ||
	    (cartridge->migrate_at_ns && cartridge->migrate_at_ns <= now))
		return RSM_WORK_MOUNT;
	if (cartridge->label_at_ns && cartridge->label_at_ns <= now)
		return RSM_WORK_WRITE_LABEL;
	return cartridge->identify ? RSM_WORK_IDENTIFY : RSM_WORK_MOUNT;
}

static void describe(const struct rsm_cartridge *cartridge, struct rsm_work_item *item)
{
	if (!rsm_list_is_empty(&cartridge->mounts)) {
		const struct rsm_mount_request *request =
			RSM_CONTAINER_OF(cartridge->mounts.next, struct rsm_mount_request, link);

		item->user = request->user;
		item->priority = cartridge->priority + request->priority;
		item->drive = request->drive;
		snprintf(item->text, sizeof item->text, "%s",
			 request->set ? "together with others" : "");
	} else if (!rsm_list_is_empty(&cartridge->reads)) {
		const struct rsm_medium_read *read =
			RSM_CONTAINER_OF(cartridge->reads.next, struct rsm_medium_read, link);

		item->user = read->user;
		item->priority = cartridge->priority + read->priority;
		snprintf(item->text, sizeof item->text, "to be read");
	} else {
		item->priority = cartridge->priority;
		snprintf(item->text, sizeof item->text, "%s",
			 cartridge->read_soon_ns	? "a file of it is open"
			 : item->kind == RSM_WORK_MOUNT ? "to be written"
							: "");
	}
}

static void add_locked(struct rsm_cartridge *cartridge, enum rsm_work_state state)
{
	struct rsm_manager *manager = cartridge->manager;
	struct rsm_work_item item = {
		.kind = kind_of(cartridge, rsm_manager_now(manager)),
		.state = state,
		.medium = cartridge->id,
		.library = cartridge->library,
	};
	struct rsm_err err;

	describe(cartridge, &item);
	if (cartridge->worker)
		item.drive = cartridge->worker->element;
	if (!cartridge->library)
		snprintf(item.text, sizeof item.text, "waits until somebody brings it");
	if (rsm_work_item_add(manager->catalog, &item, &err) < 0)
		rsm_log_debug(RSM_ROOM_QUEUE, "%s: no work item: %s", cartridge->barcode, err.msg);
	else
		cartridge->work_item = item.id;
}

static void set_locked(struct rsm_cartridge *cartridge, enum rsm_work_state state, const char *text)
{
	struct rsm_err err;

	if (rsm_work_item_set(cartridge->manager->catalog, cartridge->work_item, state,
			      cartridge->worker ? cartridge->worker->element : 0, text, &err) < 0)
		rsm_log_debug(RSM_ROOM_QUEUE, "%s: %s", cartridge->barcode, err.msg);
}

void rsm_item_waits_locked(struct rsm_cartridge *cartridge)
{
	if (cartridge->work_item || cartridge->state != RSM_CARTRIDGE_AWAY ||
	    !is_waited_for(cartridge))
		return;
	add_locked(cartridge, cartridge->library ? RSM_WORK_QUEUED : RSM_WORK_WAITING);
}

void rsm_item_begins_locked(struct rsm_cartridge *cartridge)
{
	if (cartridge->work_item)
		set_locked(cartridge, RSM_WORK_IN_PROCESS, "");
	else
		add_locked(cartridge, RSM_WORK_IN_PROCESS);
}

void rsm_item_goes_back_locked(struct rsm_cartridge *cartridge, const char *why)
{
	if (cartridge->work_item)
		set_locked(cartridge, RSM_WORK_QUEUED, why);
}

void rsm_item_ends_locked(struct rsm_cartridge *cartridge, enum rsm_work_state state,
			  const char *text)
{
	if (!cartridge->work_item)
		return;
	set_locked(cartridge, state, text);
	cartridge->work_item = 0;
}

int64_t rsm_item_begin_dismount(struct rsm_cartridge *cartridge)
{
	struct rsm_work_item item = { .kind = RSM_WORK_DISMOUNT,
				      .state = RSM_WORK_IN_PROCESS,
				      .medium = cartridge->id,
				      .library = cartridge->worker->library->id,
				      .drive = cartridge->worker->element };

	return rsm_work_item_add(cartridge->manager->catalog, &item, NULL) < 0 ? 0 : item.id;
}

void rsm_item_end_dismount(struct rsm_drive_worker *worker, int64_t id, int r,
			   const struct rsm_err *err)
{
	struct rsm_err own;

	if (id && rsm_work_item_set(worker->manager->catalog, id,
				    r < 0 ? RSM_WORK_FAILED : RSM_WORK_PASSED, worker->element,
				    r < 0 ? err->msg : "", &own) < 0)
		rsm_log_debug(RSM_ROOM_QUEUE, "%s: %s", worker->name, own.msg);
}

/* ---- another order, or none ---- */

static struct rsm_cartridge *find_locked(struct rsm_manager *manager, int64_t id)
{
	RSM_LIST_FOR_EACH (item, &manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (cartridge->work_item == id)
			return cartridge;
	}
	return NULL;
}

static bool others_wait_locked(const struct rsm_cartridge *cartridge, uid_t user)
{
	RSM_LIST_FOR_EACH (item, &cartridge->mounts)
		if (RSM_CONTAINER_OF(item, struct rsm_mount_request, link)->user != user)
			return true;
	RSM_LIST_FOR_EACH (item, &cartridge->reads)
		if (RSM_CONTAINER_OF(item, struct rsm_medium_read, link)->user != user)
			return true;
	return cartridge->syncs > 0;
}

static int check_cancel_locked(const struct rsm_cartridge *cartridge, int64_t id, const uid_t *user,
			       struct rsm_err *err)
{
	if (!cartridge || cartridge->state != RSM_CARTRIDGE_AWAY)
		return rsm_err_set(err, EACCES, "work item %" PRId64 " is being processed", id);
	if (user && others_wait_locked(cartridge, *user))
		return rsm_err_set(err, EACCES, "work item %" PRId64 ": others wait for %s as well",
				   id, cartridge->barcode);
	return 0;
}

/* Those who wait are told; what nobody waits for comes again later. */
static int cancel_mount(struct rsm_manager *manager, int64_t id, const uid_t *user,
			struct rsm_err *err)
{
	struct rsm_cartridge *cartridge;
	struct rsm_err why;
	int r;

	rsm_mutex_lock(&manager->lock);
	cartridge = find_locked(manager, id);
	r = check_cancel_locked(cartridge, id, user, err);
	if (r < 0) {
		rsm_mutex_unlock(&manager->lock);
		return r;
	}
	cartridge->references++;
	rsm_err_set(&why, ECANCELED, "%s: work item %" PRId64 " was cancelled", cartridge->barcode,
		    id);
	rsm_item_ends_locked(cartridge, RSM_WORK_CANCELLED, "");
	if (rsm_list_is_empty(&cartridge->mounts) && rsm_list_is_empty(&cartridge->reads))
		cartridge->retry_at_ns = rsm_manager_now(manager) + PUT_OFF_NS;
	cartridge->failure = why; /* for who waits for a sync */
	cartridge->outcome_number++;
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	rsm_cartridge_fail_requests(cartridge, -ECANCELED, &why);
	rsm_cartridge_unref(cartridge);
	return 0;
}

int rsm_manager_cancel_item(struct rsm_manager *manager, const struct rsm_work_item *item,
			    const uid_t *user, struct rsm_err *err)
{
	int r = 0;

	if (item->ended.tv_sec || item->ended.tv_nsec)
		return rsm_err_set(err, ENOENT, "work item %" PRId64 " has ended", item->id);
	if (item->kind == RSM_WORK_COPY) /* also while it runs: what is copied stays */
		return rsm_copy_cancel_item(manager, item->id, err);
	if (item->state == RSM_WORK_IN_PROCESS)
		return rsm_err_set(err, EACCES, "work item %" PRId64 " is being processed",
				   item->id);
	switch (item->kind) {
	case RSM_WORK_MOUNT:
	case RSM_WORK_WRITE_LABEL:
	case RSM_WORK_IDENTIFY: return cancel_mount(manager, item->id, user, err);
	case RSM_WORK_CLEAN: r = rsm_item_cancel_clean(manager, item->id, err); break;
	default: break; /* whoever has queued it looks there before it begins */
	}
	return r < 0 ? r
		     : rsm_work_item_set(manager->catalog, item->id, RSM_WORK_CANCELLED, 0,
					 "taken back", err);
}

unsigned rsm_manager_item_position(struct rsm_manager *manager, int64_t id)
{
	const struct rsm_cartridge *cartridge;

	RSM_LOCK_SCOPE(&manager->lock);
	cartridge = find_locked(manager, id);
	return cartridge ? rsm_mount_queue_position(&manager->cartridges, cartridge,
						    rsm_manager_now(manager))
			 : 0;
}

int rsm_manager_reorder_item(struct rsm_manager *manager, int64_t id, bool first,
			     struct rsm_err *err)
{
	struct rsm_cartridge *cartridge;
	int r;

	RSM_LOCK_SCOPE(&manager->lock);
	cartridge = find_locked(manager, id);
	if (!cartridge)
		return rsm_err_set(err, EINVAL, "work item %" PRId64 " does not wait for a drive",
				   id);
	r = rsm_mount_queue_reorder(&manager->cartridges, cartridge, first,
				    rsm_manager_now(manager), err);
	if (r < 0)
		return rsm_err_wrap(err, -EINVAL, "work item %" PRId64, id);
	rsm_manager_wake_locked(manager);
	return 0;
}
