#include "core/manager_identify.h"

#include <stdio.h>

#include "base/log.h"
#include "core/copy.h"
#include "core/drive_fit.h"
#include "core/drive_private.h"
#include "core/hand.h"

#define LOOK_NS (RSM_SECOND_NS / 10)
/* Cartridges that wait to be tried again; when there are so many, something is wrong with the
 * library, and it is not for want of trying.
 */
enum { WAITING_MOST = 16 };

/* ---- drives ---- */

static bool has_drive_locked(const struct rsm_library *library)
{
	const struct rsm_manager *manager = library->manager;

	for (size_t i = 0; i < manager->worker_count; i++) {
		struct rsm_drive_view view;

		rsm_drive_worker_view_locked(manager->workers[i], &view);
		if (view.library == library->id && view.enabled &&
		    !rsm_drive_worker_has_failed_locked(manager->workers[i]))
			return true;
	}
	return false;
}

/* Entries of the library that are to be looked at; `counted`: for its full inventory. */
static unsigned waiting_locked(const struct rsm_library *library, bool counted)
{
	unsigned count = 0;

	RSM_LIST_FOR_EACH (item, &library->manager->cartridges) {
		const struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		count += cartridge->library == library->id &&
			 (counted ? cartridge->counted : cartridge->identify);
	}
	return count;
}

/* ---- what is to be looked at ---- */

void rsm_identify_unknown(struct rsm_library *library, size_t count)
{
	struct rsm_identify_run *run = &library->identify;

	RSM_LOCK_SCOPE(&library->manager->lock);
	run->unknown_count = count;
	if (!count || run->unknown) /* newcomers have the greatest ids */
		return;
	run->unknown = true;
	run->unknown_after = 0;
	rsm_manager_wake_locked(library->manager);
}

void rsm_identify_unknown_again(struct rsm_library *library)
{
	RSM_LOCK_SCOPE(&library->manager->lock);
	library->identify.unknown = true;
	library->identify.unknown_after = 0;
	rsm_manager_wake_locked(library->manager);
}

void rsm_identify_want(struct rsm_manager *manager, int64_t medium)
{
	struct rsm_cartridge *cartridge;
	struct rsm_err err;

	if (rsm_cartridge_ref(manager, medium, &cartridge, &err) != 0)
		return;
	rsm_mutex_lock(&manager->lock);
	/* what no drive here can use was looked at before */
	if (cartridge->state == RSM_CARTRIDGE_AWAY &&
	    rsm_drive_fit_best_locked(cartridge) != RSM_MEDIA_NONE) {
		cartridge->identify = true;
		cartridge->failures = 0;
		cartridge->retry_at_ns = 0;
		rsm_cartridge_wanted_locked(cartridge);
	}
	rsm_mutex_unlock(&manager->lock);
	rsm_cartridge_unref(cartridge);
}

/* Its other side is in a drive: it waits in the mount queue until that one has left. */
static const struct rsm_cartridge *other_side_locked(const struct rsm_cartridge *cartridge)
{
	const struct rsm_manager *manager = cartridge->manager;

	for (size_t i = 0; i < manager->worker_count; i++) {
		const struct rsm_cartridge *other = manager->workers[i]->cartridge;

		if (other && rsm_mount_queue_is_other_side(cartridge, other))
			return other;
	}
	return NULL;
}

/* It is on its way home, or its drive does not give it back. */
static bool lies_in_busy_drive_locked(const struct rsm_library *library, int64_t medium)
{
	const struct rsm_manager *manager = library->manager;
	struct rsm_medium m;

	if (rsm_medium_get(manager->catalog, medium, &m, NULL) != 0 || m.location != RSM_AT_DRIVE)
		return false;
	for (size_t i = 0; i < manager->worker_count; i++) {
		struct rsm_drive_view view;

		rsm_drive_worker_view_locked(manager->workers[i], &view);
		if (view.library == library->id && view.element == m.element)
			return !rsm_drive_worker_is_empty_locked(manager->workers[i]);
	}
	return false;
}

/* NULL: a drive has it, or it has to wait, or cannot be had. Who waits for his other side is found
 * by the mount queue.
 */
static struct rsm_cartridge *want_locked(struct rsm_library *library, int64_t medium)
{
	struct rsm_cartridge *cartridge;
	struct rsm_err err;

	if (rsm_cartridge_get_locked(library->manager, medium, &cartridge, &err) != 0 ||
	    cartridge->state != RSM_CARTRIDGE_AWAY || cartridge->identify ||
	    cartridge->library != library->id ||
	    (!other_side_locked(cartridge) && lies_in_busy_drive_locked(library, medium)) ||
	    rsm_drive_fit_best_locked(cartridge) == RSM_MEDIA_NONE)
		return NULL;
	cartridge->identify = true;
	cartridge->since_ns = rsm_manager_now(library->manager);
	return cartridge;
}

/* Its other side stays in a drive for as long as somebody likes. */
static bool is_kept_out_locked(const struct rsm_cartridge *cartridge)
{
	const struct rsm_cartridge *other = other_side_locked(cartridge);

	return other && (other->held || !rsm_list_is_empty(&other->works));
}

/* An inventory of all waits for no such one; an unknown one is still to be looked at. */
static void pass_over_kept_locked(struct rsm_library *library)
{
	struct rsm_identify_run *run = &library->identify;

	RSM_LIST_FOR_EACH (item, &library->manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (cartridge->library != library->id || !cartridge->counted ||
		    cartridge->state != RSM_CARTRIDGE_AWAY || !is_kept_out_locked(cartridge))
			continue;
		cartridge->counted = false;
		cartridge->identify = cartridge->unknown;
		run->done++;
	}
}

static void end_full_locked(struct rsm_library *library, bool stopped)
{
	struct rsm_identify_run *run = &library->identify;

	run->full = false;
	run->stopped = stopped;
	RSM_LIST_FOR_EACH (item, &library->manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (cartridge->library != library->id || !cartridge->counted)
			continue;
		cartridge->counted = false;
		cartridge->identify = false;
	}
	rsm_manager_wake_locked(library->manager);
}

/* It is met once more because its other side has been fetched from its slot meanwhile. */
static bool is_done_locked(const struct rsm_library *library, int64_t medium)
{
	const struct rsm_identify_run *run = &library->identify;
	const struct rsm_manager *manager = library->manager;
	struct rsm_medium m;

	if (run->after.location != RSM_AT_DRIVE ||
	    rsm_medium_get(manager->catalog, medium, &m, NULL) != 0)
		return false;
	for (size_t i = 0; i < manager->worker_count; i++) {
		const struct rsm_cartridge *in = manager->workers[i]->cartridge;

		if (in && in->physical == m.physical && in->id != medium)
			return in->counted_number == run->number;
	}
	return false;
}

static struct rsm_cartridge *next_of_full_locked(struct rsm_library *library)
{
	struct rsm_identify_run *run = &library->identify;
	struct rsm_err err;
	int64_t medium;
	int r = 0;

	while (!run->exhausted) {
		struct rsm_cartridge *cartridge;

		r = rsm_identification_next_place(library->manager->catalog, library->id,
						  &run->after, &medium, &err);
		if (r != 0) {
			run->exhausted = true;
			break;
		}
		cartridge = is_done_locked(library, medium) ? NULL : want_locked(library, medium);
		if (cartridge) {
			cartridge->counted = true;
			cartridge->counted_number = run->number;
			if (!other_side_locked(cartridge))
				return cartridge;
			rsm_manager_wake_locked(library->manager);
			continue;
		}
		run->done++; /* what is in a drive had its label read when it was loaded */
	}
	if (r < 0)
		rsm_log_warning("%s: its inventory ends early: %s", library->hardware->source,
				err.msg);
	pass_over_kept_locked(library);
	if (waiting_locked(library, true) == 0)
		end_full_locked(library, r < 0);
	return NULL;
}

static struct rsm_cartridge *next_unknown_locked(struct rsm_library *library)
{
	struct rsm_identify_run *run = &library->identify;
	struct rsm_err err;
	int r;

	do {
		struct rsm_cartridge *cartridge;

		r = rsm_identification_next_unknown(library->manager->catalog, library->id,
						    run->unknown_after, &run->unknown_after, &err);
		cartridge = r == 0 ? want_locked(library, run->unknown_after) : NULL;
		if (cartridge && !other_side_locked(cartridge))
			return cartridge;
		if (cartridge)
			rsm_manager_wake_locked(library->manager);
	} while (r == 0);
	if (r < 0)
		rsm_log_warning("%s: unknown cartridges are not looked at: %s",
				library->hardware->source, err.msg);
	run->unknown = false;
	rsm_manager_wake_locked(library->manager);
	return NULL;
}

struct rsm_cartridge *rsm_identify_next_locked(struct rsm_library *library)
{
	struct rsm_identify_run *run = &library->identify;
	struct rsm_cartridge *cartridge = NULL;

	if (!library->enabled || waiting_locked(library, false) >= WAITING_MOST)
		return NULL;
	if (run->full)
		cartridge = next_of_full_locked(library);
	if (!cartridge && run->unknown)
		cartridge = next_unknown_locked(library);
	return cartridge;
}

bool rsm_identify_waits_locked(const struct rsm_library *library)
{
	return library->identify.full && !library->identify.exhausted;
}

bool rsm_identify_ended_locked(struct rsm_cartridge *cartridge, int r)
{
	struct rsm_library *library = rsm_library_find(cartridge->manager, cartridge->library);

	if (!cartridge->identify)
		return false;
	/* another label, or what is no cartridge any more, is an answer */
	if (r < 0 && r != -EMEDIUMTYPE && r != -ENOENT && r != -ENOMEDIUM &&
	    cartridge->failures < RSM_IDENTIFY_TRIES)
		return true;
	cartridge->identify = false;
	if (cartridge->counted && library)
		library->identify.done++;
	cartridge->counted = false;
	if (library && library->identify.full && library->identify.exhausted &&
	    waiting_locked(library, true) == 0)
		end_full_locked(library, false);
	return false;
}

/* Drives that are busy with something else do not notice that nothing is left. */
static bool has_unknown_locked(struct rsm_library *library)
{
	struct rsm_identify_run *run = &library->identify;
	int64_t medium;

	if (run->unknown &&
	    rsm_identification_next_unknown(library->manager->catalog, library->id,
					    run->unknown_after, &medium, NULL) == RSM_MEDIUM_ABSENT)
		run->unknown = false;
	return run->unknown;
}

/* What lay in a drive at the start is looked at there, without having been asked for. */
static bool is_looking_locked(const struct rsm_library *library)
{
	RSM_LIST_FOR_EACH (item, &library->manager->cartridges) {
		const struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (cartridge->library == library->id && cartridge->unknown &&
		    cartridge->state == RSM_CARTRIDGE_FETCHING)
			return true;
	}
	return false;
}

bool rsm_identify_goes_on_locked(struct rsm_manager *manager, bool instant)
{
	for (size_t i = 0; i < manager->library_count; i++) {
		struct rsm_library *library = &manager->libraries[i];

		if ((!instant || library->hardware->is_instant) && library->enabled &&
		    has_drive_locked(library) &&
		    (waiting_locked(library, false) || has_unknown_locked(library) ||
		     is_looking_locked(library)))
			return true;
	}
	return false;
}

/* ---- inventories that somebody asks for ---- */

static void begin_full_locked(struct rsm_library *library, uint64_t total)
{
	struct rsm_identify_run *run = &library->identify;

	if (run->full) { /* two who ask share one */
		run->askers++;
		return;
	}
	run->full = true;
	run->askers = 1;
	run->exhausted = run->stopped = false;
	run->after = (struct rsm_identification_place){ .location = RSM_AT_SLOT };
	run->done = 0;
	run->total = total;
	run->number++;
	rsm_manager_wake_locked(library->manager);
}

void rsm_identify_recover(struct rsm_library *library)
{
	struct rsm_manager *manager = library->manager;
	struct rsm_err err;
	uint64_t total;

	if (manager->options.no_recovery || !library->hardware->changer)
		return;
	if (rsm_identification_count(manager->catalog, library->id, &total, &err) < 0) {
		rsm_log_warning("%s: nobody is looked for: %s", library->hardware->source, err.msg);
		return;
	}
	RSM_LOCK_SCOPE(&manager->lock);
	begin_full_locked(library, total);
}

int rsm_identify_begin(struct rsm_library *library, unsigned *ret_number, struct rsm_err *err)
{
	struct rsm_identify_run *run = &library->identify;
	struct rsm_manager *manager = library->manager;
	uint64_t total;
	int r = rsm_identification_count(manager->catalog, library->id, &total, err);

	if (r < 0)
		return r;
	RSM_LOCK_SCOPE(&manager->lock);
	if (!library->enabled || !has_drive_locked(library))
		return rsm_err_set(err, ENODEV, "%s has no drive that could be used",
				   library->hardware->source);
	begin_full_locked(library, total);
	*ret_number = run->number;
	return 0;
}

struct wait {
	struct rsm_manager *manager;
	const atomic_bool *cancel;
	void (*progress)(void *context, uint64_t done, uint64_t total, const char *what);
	void *context;
};

/* Whoever interrupts it: others may wait for it. */
static void give_up_full(struct rsm_library *library, unsigned number)
{
	struct rsm_identify_run *run = &library->identify;

	RSM_LOCK_SCOPE(&library->manager->lock);
	if (run->full && run->number == number && --run->askers == 0)
		end_full_locked(library, true);
}

static int await_full(const struct wait *wait, struct rsm_library *library, unsigned number,
		      struct rsm_err *err)
{
	struct rsm_manager *manager = wait->manager;
	struct rsm_identify_run *run = &library->identify;

	for (;;) {
		uint64_t done, total;

		if (wait->cancel && atomic_load(wait->cancel))
			return rsm_err_set(err, EINTR, "interrupted");
		rsm_mutex_lock(&manager->lock);
		if (manager->stopping || !run->full || run->number != number) {
			bool stopped = run->stopped && run->number == number;

			rsm_mutex_unlock(&manager->lock);
			if (stopped || manager->stopping)
				return rsm_err_set(err, ECANCELED,
						   "inventory of %s: it was stopped",
						   library->hardware->source);
			return 0;
		}
		if (!has_drive_locked(library)) {
			end_full_locked(library, true);
			rsm_mutex_unlock(&manager->lock);
			return rsm_err_set(err, EIO, "inventory of %s: no drive is left",
					   library->hardware->source);
		}
		done = run->done;
		total = run->total > done ? run->total : done;
		rsm_mutex_unlock(&manager->lock);
		if (wait->progress)
			wait->progress(wait->context, done, total, "identified");
		rsm_clock_sleep_ns(manager->clock, LOOK_NS);
	}
}

/* All has been looked at: who should be a copy of something that is nowhere stands for it. */
static int promote_orphans(struct rsm_manager *manager, struct rsm_err *err)
{
	unsigned count;
	int r = rsm_copy_promote_orphans(manager->catalog, &count, err);

	if (r == 0 && count) {
		rsm_log_warning("%u copies took the place of cartridges that are nowhere", count);
		rsm_manager_names_changed(manager, RSM_POOL_TOP);
	}
	return r;
}

int rsm_manager_inventory_wait(struct rsm_manager *manager, int64_t library, bool full,
			       const atomic_bool *cancel,
			       void (*progress)(void *context, uint64_t done, uint64_t total,
						const char *what),
			       void *context, struct rsm_err *err)
{
	RSM_FREE unsigned *numbers = calloc(manager->library_count + 1, sizeof *numbers);
	struct wait wait = { manager, cancel, progress, context };
	int r = 0;

	if (!numbers)
		return rsm_err_oom(err);
	for (size_t i = 0; r == 0 && i < manager->library_count; i++) {
		if (library && manager->libraries[i].id != library)
			continue;
		if (rsm_hand_is(&manager->libraries[i]))
			r = rsm_hand_look_now(&manager->libraries[i], cancel, err);
		if (r == 0)
			r = rsm_library_inventory(&manager->libraries[i], err);
		if (r == 0 && full)
			r = rsm_identify_begin(&manager->libraries[i], &numbers[i], err);
	}
	for (size_t i = 0; r == 0 && i < manager->library_count; i++)
		if (numbers[i])
			r = await_full(&wait, &manager->libraries[i], numbers[i], err);
	for (size_t i = 0; r == -EINTR && i < manager->library_count; i++)
		if (numbers[i])
			give_up_full(&manager->libraries[i], numbers[i]);
	return r == 0 && full && !library ? promote_orphans(manager, err) : r;
}

unsigned rsm_manager_inventory_stop(struct rsm_manager *manager, int64_t library)
{
	unsigned count = 0;

	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < manager->library_count; i++) {
		if ((library && manager->libraries[i].id != library) ||
		    !manager->libraries[i].identify.full)
			continue;
		end_full_locked(&manager->libraries[i], true);
		count++;
	}
	return count;
}

/* ---- one slot ---- */

static int find_slot(struct rsm_library *library, uint32_t slot, bool *ret_full,
		     struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&library->manager->lock);
	for (size_t i = 0; i < library->element_count; i++) {
		if (library->elements[i].type != RSM_ELEMENT_STORAGE ||
		    library->elements[i].address != slot)
			continue;
		*ret_full = library->elements[i].full;
		return 0;
	}
	return rsm_err_set(err, ENXIO, "%s has no slot %u", library->hardware->source, slot);
}

static int await_one(const struct wait *wait, struct rsm_library *library, int64_t medium,
		     struct rsm_err *err)
{
	struct rsm_manager *manager = wait->manager;
	struct rsm_cartridge *cartridge;
	bool waits = true;
	int r;

	rsm_identify_want(manager, medium);
	r = rsm_cartridge_ref(manager, medium, &cartridge, err);
	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "the cartridge is gone");
	while (waits && r == 0) {
		rsm_mutex_lock(&manager->lock);
		if (wait->cancel && atomic_load(wait->cancel))
			r = rsm_err_set(err, EINTR, "interrupted");
		else if (manager->stopping)
			r = rsm_err_set(err, ECANCELED, "rsmfs is shutting down");
		else if (!has_drive_locked(library))
			r = rsm_err_set(err, ENODEV, "%s has no drive that could be used",
					library->hardware->source);
		waits = cartridge->identify;
		if (r < 0)
			cartridge->identify = false;
		else if (!waits && cartridge->failure.code) {
			r = -cartridge->failure.code;
			*err = cartridge->failure;
		}
		rsm_mutex_unlock(&manager->lock);
		if (waits && r == 0)
			rsm_clock_sleep_ns(manager->clock, LOOK_NS);
	}
	rsm_cartridge_unref(cartridge);
	return r;
}

int rsm_manager_identify_slot(struct rsm_manager *manager, int64_t library, uint32_t slot,
			      const atomic_bool *cancel, struct rsm_medium *ret_medium,
			      struct rsm_err *err)
{
	struct wait wait = { .manager = manager, .cancel = cancel };
	struct rsm_library *found =
		library ? rsm_library_find(manager, library) : &manager->libraries[0];
	bool full = false;
	int r;

	if (!found)
		return rsm_err_set(err, ENODEV, "there is no such library");
	if (!library && manager->library_count > 1)
		return rsm_err_set(err, EINVAL, "there are %zu libraries, say which",
				   manager->library_count);
	r = rsm_library_inventory(found, err);
	if (r == 0)
		r = find_slot(found, slot, &full, err);
	if (r == 0)
		r = rsm_medium_at(manager->catalog, found->id, RSM_AT_SLOT, slot, ret_medium, err);
	if (r != 0)
		return r; /* RSM_MEDIUM_ABSENT: it is empty, which is an answer */
	if (ret_medium->cleaner)
		return rsm_err_set(err, EMEDIUMTYPE, "slot %u: %s is a cleaning cartridge", slot,
				   ret_medium->shown);
	r = await_one(&wait, found, ret_medium->id, err);
	if (r < 0)
		return r;
	/* it may be another one than it was taken for */
	r = rsm_medium_get(manager->catalog, ret_medium->id, ret_medium, err);
	return r == RSM_MEDIUM_ABSENT
		       ? rsm_err_set(err, ENOENT, "slot %u: it is another cartridge's", slot)
		       : r;
}
