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

/* ---- why ---- */

static bool is_waited_for(const struct rsm_cartridge *cartridge)
{
	return !rsm_list_is_empty(&cartridge->mounts) || !rsm_list_is_empty(&cartridge->reads) ||
	       cartridge->syncs || cartridge->read_soon_ns || cartridge->asked_ns;
}

static bool has_come(int64_t at_ns, int64_t now_ns)
{
	return at_ns && at_ns <= now_ns;
}

static bool is_to_be_written(const struct rsm_cartridge *cartridge, int64_t now)
{
	return has_come(cartridge->migrate_at_ns, now) && !cartridge->full && !cartridge->read_only;
}

static bool wants_index(const struct rsm_cartridge *cartridge, int64_t now)
{
	return has_come(cartridge->index_at_ns, now) && !cartridge->read_only;
}

static enum rsm_work_kind kind_of(const struct rsm_cartridge *cartridge, int64_t now)
{
	if (is_waited_for(cartridge) || is_to_be_written(cartridge, now) ||
	    wants_index(cartridge, now))
		return RSM_WORK_MOUNT;
	if (has_come(cartridge->label_at_ns, now))
		return RSM_WORK_WRITE_LABEL;
	return cartridge->identify ? RSM_WORK_IDENTIFY : RSM_WORK_MOUNT;
}

static const char *reason_of_mount(const struct rsm_mount_request *request)
{
	static const struct {
		unsigned flag;
		const char *text;
	} purposes[] = {
		{ RSM_MOUNT_TO_LOOK, "its files are to be looked at" },
		{ RSM_MOUNT_TO_READ, "to be read" },
		{ RSM_MOUNT_TO_CHECK, "to be checked" },
		{ RSM_MOUNT_TO_VERIFY, "to be verified" },
		{ RSM_MOUNT_TO_COPY, "to be copied" },
		{ RSM_MOUNT_TO_UNDELETE, "to be undeleted" },
	};

	for (size_t i = 0; i < sizeof purposes / sizeof purposes[0]; i++)
		if (request->flags & purposes[i].flag)
			return purposes[i].text;
	return request->set ? "a mount was asked for, together with others"
			    : "a mount was asked for";
}

/* One answer, of who comes first: those who wait, then what is due by itself. */
static const char *reason_of(const struct rsm_cartridge *cartridge, int64_t now)
{
	if (!cartridge->library)
		return "waits until somebody brings it";
	if (!rsm_list_is_empty(&cartridge->mounts))
		return reason_of_mount(
			RSM_CONTAINER_OF(cartridge->mounts.next, struct rsm_mount_request, link));
	if (!rsm_list_is_empty(&cartridge->reads))
		return "to be read";
	if (cartridge->syncs)
		return "a sync waits for it";
	if (cartridge->read_soon_ns)
		return "a file of it is open";
	if (cartridge->asked_ns)
		return "a mount was asked for, by somebody who did not wait";
	if (is_to_be_written(cartridge, now))
		return "to be written";
	if (wants_index(cartridge, now))
		return "its index is to be written";
	if (has_come(cartridge->label_at_ns, now))
		return "its label is to be written";
	if (cartridge->identify)
		return cartridge->counted ? "an inventory looks at it"
					  : "nobody has looked at it yet";
	return "";
}

static void describe(const struct rsm_cartridge *cartridge, struct rsm_work_item *item)
{
	item->priority = cartridge->priority;
	if (!rsm_list_is_empty(&cartridge->mounts)) {
		const struct rsm_mount_request *request =
			RSM_CONTAINER_OF(cartridge->mounts.next, struct rsm_mount_request, link);

		item->user = request->user;
		item->priority += request->priority;
		item->drive = request->drive;
	} else if (!rsm_list_is_empty(&cartridge->reads)) {
		const struct rsm_medium_read *read =
			RSM_CONTAINER_OF(cartridge->reads.next, struct rsm_medium_read, link);

		item->user = read->user;
		item->priority += read->priority;
	} else if (cartridge->asked_ns && !cartridge->syncs && !cartridge->read_soon_ns) {
		item->user = cartridge->asked_by;
	}
	snprintf(item->text, sizeof item->text, "%s",
		 reason_of(cartridge, rsm_manager_now(cartridge->manager)));
}

/* ---- the row ---- */

static void add_locked(struct rsm_cartridge *cartridge, enum rsm_work_state state)
{
	struct rsm_manager *manager = cartridge->manager;
	int64_t now = rsm_manager_now(manager);
	struct rsm_work_item item = {
		.kind = kind_of(cartridge, now),
		.state = state,
		.medium = cartridge->id,
		.library = cartridge->library,
	};
	struct rsm_err err;

	describe(cartridge, &item);
	if (cartridge->worker)
		item.drive = cartridge->worker->element;
	if (rsm_work_item_add(manager->catalog, &item, &err) < 0) {
		rsm_log_debug(RSM_ROOM_QUEUE, "%s: no work item: %s", cartridge->barcode, err.msg);
		return;
	}
	cartridge->work_item = item.id;
	cartridge->work_reason = reason_of(cartridge, now);
	cartridge->work_user = item.user;
}

static void set_locked(struct rsm_cartridge *cartridge, enum rsm_work_state state, const char *text)
{
	struct rsm_err err;

	if (rsm_work_item_set(cartridge->manager->catalog, cartridge->work_item, state,
			      cartridge->worker ? cartridge->worker->element : 0, text, &err) < 0)
		rsm_log_debug(RSM_ROOM_QUEUE, "%s: %s", cartridge->barcode, err.msg);
}

/* Who waits may be another one by now, for another reason. */
static void describe_again_locked(struct rsm_cartridge *cartridge)
{
	const char *reason = reason_of(cartridge, rsm_manager_now(cartridge->manager));
	struct rsm_work_item item = { .id = cartridge->work_item };
	struct rsm_err err;

	describe(cartridge, &item);
	if (reason == cartridge->work_reason && item.user == cartridge->work_user)
		return;
	if (rsm_work_item_describe(cartridge->manager->catalog, &item, &err) < 0)
		rsm_log_debug(RSM_ROOM_QUEUE, "%s: %s", cartridge->barcode, err.msg);
	cartridge->work_reason = reason;
	cartridge->work_user = item.user;
}

void rsm_item_waits_locked(struct rsm_cartridge *cartridge)
{
	if (cartridge->state != RSM_CARTRIDGE_AWAY || !is_waited_for(cartridge))
		return;
	if (cartridge->work_item)
		describe_again_locked(cartridge);
	else
		add_locked(cartridge, cartridge->library ? RSM_WORK_QUEUED : RSM_WORK_WAITING);
}

void rsm_item_unwanted_locked(struct rsm_cartridge *cartridge)
{
	if (!cartridge->work_item)
		return;
	if (is_waited_for(cartridge))
		describe_again_locked(cartridge);
	else
		rsm_item_ends_locked(cartridge, RSM_WORK_CANCELLED, "nobody waits any more");
}

void rsm_item_begins_locked(struct rsm_cartridge *cartridge)
{
	if (!cartridge->work_item) {
		add_locked(cartridge, RSM_WORK_IN_PROCESS);
		return;
	}
	cartridge->work_reason = reason_of(cartridge, rsm_manager_now(cartridge->manager));
	set_locked(cartridge, RSM_WORK_IN_PROCESS, cartridge->work_reason);
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
