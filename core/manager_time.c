/* Waiting no longer: whose time is over, and whose drive has gone out of service. The housekeeper
 * looks as well, but may have to wait for the robot; so a thread of its own keeps the time.
 */
#include <string.h>

#include "core/drive_private.h"

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
			cartridge->expired_node = read->node;
			cartridge->expired_ns = now;
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

/* ---- the thread ---- */

static int64_t sooner(int64_t deadline_ns, int64_t next)
{
	return deadline_ns && deadline_ns < next ? deadline_ns : next;
}

static int64_t next_deadline_locked(const struct rsm_manager *manager)
{
	int64_t next = RSM_NEVER_NS;

	RSM_LIST_FOR_EACH (item, &manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		RSM_LIST_FOR_EACH (asked, &cartridge->mounts)
			next = sooner(RSM_CONTAINER_OF(asked, struct rsm_mount_request, link)
					      ->deadline_ns,
				      next);
		RSM_LIST_FOR_EACH (asked, &cartridge->reads)
			next = sooner(
				RSM_CONTAINER_OF(asked, struct rsm_medium_read, link)->deadline_ns,
				next);
	}
	return next;
}

static void *keep_time(void *argument)
{
	struct rsm_manager *manager = argument;

	for (;;) {
		int64_t next;

		rsm_mutex_lock(&manager->lock);
		next = next_deadline_locked(manager);
		if (!manager->timekeeper_stop && next == RSM_NEVER_NS)
			rsm_cond_wait(&manager->deadline_came, &manager->lock);
		else if (!manager->timekeeper_stop)
			rsm_cond_wait_until(&manager->deadline_came, &manager->lock, next);
		if (manager->timekeeper_stop) {
			rsm_mutex_unlock(&manager->lock);
			return NULL;
		}
		rsm_mutex_unlock(&manager->lock);
		rsm_manager_expire(manager);
	}
}

void rsm_manager_note_deadline_locked(struct rsm_manager *manager, int64_t deadline_ns)
{
	if (deadline_ns)
		pthread_cond_signal(&manager->deadline_came);
}

int rsm_manager_start_time(struct rsm_manager *manager, struct rsm_err *err)
{
	int r = pthread_create(&manager->timekeeper, NULL, keep_time, manager);

	if (r != 0)
		return rsm_err_set(err, r, "timekeeper thread: %s", strerror(r));
	manager->timekeeper_runs = true;
	return 0;
}

void rsm_manager_stop_time(struct rsm_manager *manager)
{
	if (!manager->timekeeper_runs)
		return;
	rsm_mutex_lock(&manager->lock);
	manager->timekeeper_stop = true;
	pthread_cond_broadcast(&manager->deadline_came);
	rsm_mutex_unlock(&manager->lock);
	pthread_join(manager->timekeeper, NULL);
	manager->timekeeper_runs = false;
}
