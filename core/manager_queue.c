/* What the mount queue is shown of the drives, and what is done with what it says. */
#include <string.h>

#include "base/log.h"
#include "core/drive_private.h"

/* How much a new exchange changes the average: one in four. */
enum { EXCHANGE_SHARE = 4 };

static void look_at(const struct rsm_drive_worker *worker, int64_t now,
		    struct rsm_queue_drive *ret_drive)
{
	struct rsm_cartridge *cartridge = worker->cartridge;
	struct rsm_content_use use = { 0 };

	*ret_drive = (struct rsm_queue_drive){
		.library = worker->library->id,
		.element = worker->element,
		.usable = worker->enabled && worker->state != RSM_DRIVE_FAILED,
		.cartridge = cartridge,
		.lying = worker->lying,
	};
	if (!cartridge)
		return;
	if (cartridge->content)
		rsm_content_use(cartridge->content, &use);
	ret_drive->idle = cartridge->state == RSM_CARTRIDGE_LOADED &&
			  worker->state == RSM_DRIVE_IDLE && !cartridge->renew &&
			  rsm_mount_queue_due_ns(cartridge, now) > now;
	ret_drive->open_files = use.open_files > 0;
	ret_drive->used_at_ns = use.last_used_ns;
	ret_drive->idle_since_ns = use.last_used_ns > cartridge->loaded_at_ns
					   ? use.last_used_ns
					   : cartridge->loaded_at_ns;
}

void rsm_manager_look_locked(struct rsm_manager *manager, const struct rsm_library *library,
			     struct rsm_mount_queue *ret_queue)
{
	*ret_queue = (struct rsm_mount_queue){
		.cartridges = &manager->cartridges,
		.drives = manager->queue_drives,
		.drive_count = manager->worker_count,
		.now_ns = rsm_manager_now(manager),
		.exchange_ns = library ? library->exchange_ns : 0,
		.dismount_delay_s = manager->options.dismount_delay_s,
		.unknown = library && rsm_identify_waits_locked(library),
		.tight = rsm_staging_space_is_tight(manager->space),
	};
	for (size_t i = 0; i < manager->worker_count; i++)
		look_at(manager->workers[i], ret_queue->now_ns, &manager->queue_drives[i]);
}

size_t rsm_drive_number(const struct rsm_drive_worker *worker)
{
	size_t i = 0;

	while (worker->manager->workers[i] != worker)
		i++;
	return i;
}

/* Files that are closed from now on do not keep it: they are staged, and it will come back. */
void rsm_cartridge_bound_locked(struct rsm_cartridge *cartridge)
{
	if (cartridge->leave_before)
		return;
	cartridge->leave_done = false;
	cartridge->leave_before = 1;
	if (cartridge->content)
		cartridge->leave_before +=
			rsm_volume_index_last_close_order(rsm_content_index(cartridge->content));
}

void rsm_cartridge_unbound_locked(struct rsm_cartridge *cartridge)
{
	cartridge->leave_before = 0;
	cartridge->leave_done = false;
}

void rsm_cartridge_leave_locked(struct rsm_cartridge *cartridge)
{
	if (cartridge->state == RSM_CARTRIDGE_AWAY || cartridge->leave)
		return;
	cartridge->leave = true;
	rsm_cartridge_unbound_locked(cartridge);
	rsm_cartridge_bound_locked(cartridge);
}

void rsm_manager_grant_locked(struct rsm_manager *manager)
{
	struct rsm_mount_queue queue;
	bool granted = false;

	for (;;) {
		rsm_manager_look_locked(manager, NULL, &queue);
		if (!rsm_mount_queue_grant(&queue))
			break;
		granted = true;
		for (size_t i = 0; i < queue.drive_count; i++)
			if (queue.drives[i].yields)
				rsm_cartridge_leave_locked(queue.drives[i].cartridge);
	}
	if (granted)
		rsm_manager_wake_locked(manager);
}

void rsm_library_note_exchange_locked(struct rsm_library *library, int64_t took_ns)
{
	if (!library->exchange_ns)
		library->exchange_ns = took_ns;
	else
		library->exchange_ns += (took_ns - library->exchange_ns) / EXCHANGE_SHARE;
}

/* ---- waiting no longer ---- */

int64_t rsm_manager_deadline(const struct rsm_manager *manager, unsigned timeout_ms)
{
	int64_t most = timeout_ms ? (int64_t)timeout_ms * 1000000
				  : (int64_t)manager->options.mount_timeout_s * RSM_SECOND_NS;

	return most ? rsm_manager_now(manager) + most : 0;
}

static bool is_over(int64_t deadline_ns, int64_t now)
{
	return deadline_ns && deadline_ns <= now;
}

/* Somebody waits in vain: his time is over, or the drive that he asked for has gone out of service.
 */
static int check_request_locked(struct rsm_manager *manager, const struct rsm_cartridge *cartridge,
				const struct rsm_mount_request *request, int64_t now,
				struct rsm_err *err)
{
	if (is_over(request->deadline_ns, now))
		return rsm_err_set(err, ETIMEDOUT, "%s: no drive was ready in time",
				   cartridge->barcode);
	return rsm_manager_check_drive_locked(manager, cartridge->library, request->drive, err);
}

/* The first who does, out of his list. Outcome 1: there is none. */
static int take_one_in_vain(struct rsm_manager *manager, struct rsm_mount_request **ret_request,
			    struct rsm_medium_read **ret_read, struct rsm_err *err)
{
	int64_t now = rsm_manager_now(manager);

	*ret_request = NULL;
	*ret_read = NULL;
	RSM_LOCK_SCOPE(&manager->lock);
	RSM_LIST_FOR_EACH (item, &manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		RSM_LIST_FOR_EACH (asked, &cartridge->mounts) {
			struct rsm_mount_request *request =
				RSM_CONTAINER_OF(asked, struct rsm_mount_request, link);
			int r = check_request_locked(manager, cartridge, request, now, err);

			if (r == 0)
				continue;
			rsm_list_remove(&request->link);
			rsm_cartridge_unwanted_locked(cartridge);
			*ret_request = request;
			return r;
		}
		RSM_LIST_FOR_EACH (asked, &cartridge->reads) {
			struct rsm_medium_read *read =
				RSM_CONTAINER_OF(asked, struct rsm_medium_read, link);

			if (!is_over(read->deadline_ns, now))
				continue;
			rsm_list_remove(&read->link);
			rsm_cartridge_unwanted_locked(cartridge);
			*ret_read = read;
			return rsm_err_set(err, ETIMEDOUT, "%s: no drive was ready in time",
					   cartridge->barcode);
		}
	}
	return 1;
}

void rsm_manager_expire(struct rsm_manager *manager)
{
	struct rsm_mount_request *request;
	struct rsm_medium_read *read;
	struct rsm_err err;
	int r;

	while ((r = take_one_in_vain(manager, &request, &read, &err)) < 0) {
		if (request)
			request->done(request, r, &err);
		if (read)
			read->done(read, r, &err);
	}
}
