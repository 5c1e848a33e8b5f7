/* What a drive does next with the cartridge in it. */
#include "core/drive_fit.h"
#include "core/drive_private.h"

/* A drive that is to be cleaned finishes so much with a busy cartridge before. */
#define CLEAN_TURN_NS (60 * RSM_SECOND_NS)

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
	if (cartridge->leave_before && cartridge->leave_done)
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

static bool is_mount_fulfilled_locked(const struct rsm_drive_worker *worker,
				      const struct rsm_cartridge *cartridge)
{
	RSM_LIST_FOR_EACH (item, &cartridge->mounts)
		if (rsm_mount_queue_fulfils(RSM_CONTAINER_OF(item, struct rsm_mount_request, link),
					    worker->element))
			return true;
	return false;
}

static bool wants_another_drive_locked(const struct rsm_drive_worker *worker,
				       const struct rsm_cartridge *cartridge)
{
	uint32_t wanted = rsm_mount_queue_wanted_drive(cartridge);

	return wanted && wanted != worker->element && !cartridge->held;
}

/* When it goes, as long as there is nothing to do for it. */
static int64_t leave_ns_locked(struct rsm_drive_worker *worker,
			       const struct rsm_cartridge *cartridge, struct rsm_mount_queue *queue,
			       size_t number)
{
	int64_t at = rsm_mount_queue_leave_ns(queue, number);

	if (worker->clean && !cartridge->held)
		at = queue->now_ns; /* who has it open gets it in another drive, or in this one when
				       it is clean */
	/* out of use: who has it finishes with it, and it is not taken from him for another */
	if (!cartridge->leave && (!worker->enabled || rsm_cartridge_is_disabled_locked(cartridge)))
		at = queue->drives[number].open_files || cartridge->held ? RSM_NEVER_NS
									 : queue->now_ns;
	return at;
}

/* So long it stays from the time when nobody has a file of it open. */
static int64_t stays_closed_ns_locked(struct rsm_drive_worker *worker,
				      const struct rsm_cartridge *cartridge,
				      struct rsm_mount_queue *queue, size_t number)
{
	struct rsm_queue_drive *drive = &queue->drives[number];
	int64_t at;

	drive->open_files = false;
	drive->idle_since_ns = drive->used_at_ns = queue->now_ns;
	at = leave_ns_locked(worker, cartridge, queue, number);
	return at == RSM_NEVER_NS ? RSM_NEVER_NS : at - queue->now_ns;
}

/* What to do next, or when to look again. */
enum rsm_drive_step rsm_drive_choose_locked(struct rsm_drive_worker *worker,
					    struct rsm_cartridge *cartridge, int64_t *ret_until)
{
	struct rsm_manager *manager = worker->manager;
	size_t number = rsm_drive_number(worker);
	struct rsm_mount_queue queue;
	int64_t now, at, work;

	*ret_until = RSM_NEVER_NS;
	if (rsm_manager_hurries_locked(manager) || cartridge->abandoned)
		return RSM_STEP_LEAVE;
	if (rsm_list_is_empty(&cartridge->works) &&
	    rsm_drive_fit_must_change_locked(worker, cartridge))
		return RSM_STEP_LEAVE;
	rsm_manager_grant_locked(manager);
	rsm_manager_look_locked(manager, worker->library, &queue);
	now = queue.now_ns;
	if (worker->enabled && rsm_list_is_empty(&cartridge->works) &&
	    (rsm_mount_queue_turn_is_over(&queue, number) ||
	     (worker->clean && !cartridge->held && now - cartridge->loaded_at_ns > CLEAN_TURN_NS)))
		return RSM_STEP_LEAVE;
	/* somebody who reads on and on does not keep it from leaving; it will come again */
	if (!cartridge->leave && !rsm_list_is_empty(&cartridge->reads)) {
		rsm_cartridge_unbound_locked(cartridge);
		return RSM_STEP_READ;
	}
	if (!cartridge->leave && is_mount_fulfilled_locked(worker, cartridge))
		return RSM_STEP_MOUNTS;
	if (wants_another_drive_locked(worker, cartridge))
		return RSM_STEP_LEAVE;
	if (wants_label_locked(cartridge, now))
		return RSM_STEP_LABEL;
	if (wants_work_locked(worker, cartridge, now))
		return RSM_STEP_WORK;
	if (frees_by_index_locked(worker, cartridge, now) ||
	    has_much_unindexed_locked(worker, cartridge, now))
		return RSM_STEP_INDEX;
	if (wants_migration_locked(worker, cartridge, now))
		return RSM_STEP_MIGRATE;
	if (wants_index_locked(cartridge, now))
		return RSM_STEP_INDEX;
	if (manager->stopping)
		return RSM_STEP_LEAVE;

	queue.drives[number].idle = true;
	at = leave_ns_locked(worker, cartridge, &queue, number);
	if (at <= now) {
		/* nothing that could be written goes home unwritten: it would come back for it */
		if (cartridge->label_at_ns && cartridge->retry_at_ns <= now)
			return RSM_STEP_LABEL;
		rsm_cartridge_bound_locked(cartridge);
		if (may_migrate_locked(cartridge) && !cartridge->leave_done &&
		    cartridge->retry_at_ns <= now)
			return RSM_STEP_MIGRATE;
		return RSM_STEP_LEAVE;
	}
	if (cartridge->leave_before) {
		/* it was about to leave, and is wanted again: so is what was closed since */
		rsm_cartridge_unbound_locked(cartridge);
		if (wants_migration_locked(worker, cartridge, now))
			return RSM_STEP_MIGRATE;
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
	worker->stays_closed_ns = stays_closed_ns_locked(worker, cartridge, &queue, number);
	return RSM_STEP_WAIT;
}
