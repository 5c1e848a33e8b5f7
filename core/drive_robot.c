/* Between slot and drive: the robot, and the drive's loading and unloading. */
#include "core/drive_private.h"

#include <stdio.h>

#include "base/log.h"
#include "core/hand.h"

enum { LOAD_TIMEOUT_MS = 15 * 60 * 1000, MOVE_TRIES = 3 };

static struct rsm_catalog *catalog_of(struct rsm_drive_worker *worker)
{
	return worker->manager->catalog;
}

int rsm_drive_load(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		   struct rsm_err *err)
{
	int r = rsm_tape_drive_load(worker->drive, LOAD_TIMEOUT_MS, err);

	if (rsm_hand_is(worker->library))
		rsm_hand_note_load(worker, r);
	if (r == -EMEDIUMTYPE)
		r = rsm_drive_note_refusal(worker, cartridge, err);
	return r > 0 ? rsm_err_fold(err, r, "load") : r;
}

/* By what an inventory has found just now. */
static bool lies_here(struct rsm_drive_worker *worker, int64_t medium)
{
	struct rsm_medium now;

	return rsm_medium_get(catalog_of(worker), medium, &now, NULL) != 0 ||
	       (now.library == worker->library->id && now.location == RSM_AT_DRIVE &&
		now.element == worker->element);
}

/* As a label has told: it may be another one than was thought. */
static int64_t who_lies_in_it(struct rsm_drive_worker *worker, int64_t thought)
{
	struct rsm_medium lying;

	return rsm_medium_at(catalog_of(worker), worker->library->id, RSM_AT_DRIVE, worker->element,
			     &lying, NULL) == 0
		       ? lying.id
		       : thought;
}

static int go_home(struct rsm_drive_worker *worker, int64_t medium, struct rsm_err *err)
{
	uint32_t slot;
	int r = -ENOSPC;

	/* another drive or a port may have taken the slot that was chosen; a person the cartridge
	 */
	for (int i = 0; i < MOVE_TRIES; i++) {
		r = rsm_medium_get(catalog_of(worker), medium, &worker->medium, err);
		if (r == 0)
			r = rsm_library_choose_slot(worker->library, &worker->medium, &slot, err);
		if (r != 0)
			return r > 0 ? rsm_err_fold(err, r, "taking home") : r;
		r = rsm_library_move(worker->library, &worker->medium, RSM_AT_DRIVE,
				     worker->element, RSM_AT_SLOT, slot, err);
		if (r == -EAGAIN) { /* the door is open */
			r = rsm_library_await_ready(worker->library, err);
			if (r < 0)
				break;
			r = -EEXIST;
			i--;
		}
		if (r == -ENOMEDIUM && who_lies_in_it(worker, medium) != medium) {
			medium = who_lies_in_it(worker, medium); /* another drive has found out */
			r = -EEXIST;
		}
		if (r != -EEXIST)
			break;
	}
	if (r == -ENOMEDIUM && !lies_here(worker, medium)) {
		rsm_log_warning("%s, it is not in %s any more", err->msg, worker->name);
		return 0;
	}
	return r == -EEXIST ? rsm_err_wrap(err, -EIO, "no slot could be had") : r;
}

/* What an earlier failure left in the drive goes home first. */
int rsm_drive_clear(struct rsm_drive_worker *worker, int64_t wanted, struct rsm_err *err)
{
	struct rsm_medium lying;
	int r = rsm_medium_at(catalog_of(worker), worker->library->id, RSM_AT_DRIVE,
			      worker->element, &lying, err);

	if (r != 0 || lying.id == wanted)
		return r < 0 ? r : 0;
	r = rsm_tape_drive_unload(worker->drive, err);
	if (r == 0)
		r = go_home(worker, lying.id, err);
	return r < 0 ? rsm_err_wrap(err, r, "%s lies in it", lying.shown) : 0;
}

/* A drive that has given up on its cartridge, or has lost it, is not busy. */
static bool lies_in_busy_drive(struct rsm_drive_worker *worker, const struct rsm_medium *medium)
{
	const struct rsm_manager *manager = worker->manager;

	if (medium->location != RSM_AT_DRIVE)
		return false;
	RSM_LOCK_SCOPE(&worker->manager->lock);
	for (size_t i = 0; i < manager->worker_count; i++) {
		const struct rsm_drive_worker *other = manager->workers[i];

		if (other != worker && other->library == worker->library &&
		    other->element == medium->element)
			return other->cartridge != NULL;
	}
	return false;
}

/* Outcome 1: it was not where the catalogue thought; an inventory has found out where it is. */
static int bring_once(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		      struct rsm_err *err)
{
	struct rsm_medium *m = &worker->medium;
	struct rsm_medium now;
	uint32_t slot;
	int r = rsm_medium_get(catalog_of(worker), cartridge->id, m, err);

	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "it is not in the catalogue any more");
	if (m->location == RSM_AT_OFFLINE || m->library != worker->library->id)
		return rsm_err_set(err, ENOMEDIUM, "it is not in the library");
	if (!m->enabled)
		return rsm_err_set(err, ENODEV, "it is disabled");
	if (m->location == RSM_AT_DRIVE && m->element == worker->element)
		return 0;
	/* from a drive it could go nowhere */
	if (m->location == RSM_AT_PORT &&
	    rsm_library_choose_slot(worker->library, m, &slot, NULL) == -ENOSPC)
		return rsm_err_set(err, EBUSY, "it waits in a port until a slot is empty");
	if (lies_in_busy_drive(worker, m))
		return rsm_err_set(err, EBUSY, "another drive is taking it home");
	/* another drive that it lies in has given up on it: the robot is let try */
	r = rsm_library_move(worker->library, m, m->location, m->element, RSM_AT_DRIVE,
			     worker->element, err);
	if (r == -EEXIST)
		return rsm_err_wrap(err, -EIO, "%s is full", worker->name);
	if (r == -ENOMEDIUM && rsm_medium_get(catalog_of(worker), cartridge->id, &now, NULL) == 0 &&
	    now.location != RSM_AT_OFFLINE &&
	    (now.location != m->location || now.element != m->element))
		return 1;
	return r;
}

int rsm_drive_bring(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		    struct rsm_err *err)
{
	int r = rsm_hand_is(worker->library) ? 0 : rsm_drive_clear(worker, cartridge->id, err);

	if (r < 0)
		return r;
	/* it may be on its way from a port to a slot just now */
	for (int i = 0; i < MOVE_TRIES; i++) {
		r = bring_once(worker, cartridge, err);
		if (r == -EAGAIN) { /* the door is open */
			r = rsm_library_await_ready(worker->library, err);
			if (r < 0)
				return r;
			i--;
		} else if (r != 1) {
			return r;
		}
	}
	return rsm_err_wrap(err, -ENOMEDIUM, "it is moved about");
}

int rsm_drive_take_home(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			struct rsm_err *err)
{
	struct rsm_err unload_err;
	int r;

	rsm_drive_note_traffic(worker, cartridge);
	rsm_volume_free(worker->volume);
	worker->volume = NULL;
	worker->head_partition = 0;
	worker->prevented = false;
	if (rsm_drive_cache_reset(worker, 0, NULL) < 0)
		rsm_log_debug(RSM_ROOM_DRIVE, "%s: cache not reset, ignoring", worker->name);
	if (rsm_hand_is(worker->library))
		return rsm_hand_lay_down(worker, cartridge, err);
	r = rsm_tape_drive_unload(worker->drive, &unload_err);
	if (r < 0) /* if it is still in there, the robot will say so */
		rsm_log_warning("%s in %s: %s", cartridge->barcode, worker->name, unload_err.msg);
	else
		rsm_event_add(catalog_of(worker), "unload", "medium", cartridge->barcode, "drive",
			      worker->name, NULL);
	return go_home(worker, who_lies_in_it(worker, cartridge->id), err);
}

void rsm_drive_adopt(struct rsm_drive_worker *worker)
{
	struct rsm_cartridge *cartridge = NULL;
	struct rsm_medium medium;
	struct rsm_err err;
	int r;

	r = rsm_medium_at(catalog_of(worker), worker->library->id, RSM_AT_DRIVE, worker->element,
			  &medium, &err);
	if (r > 0 || (r == 0 && medium.cleaner))
		return;
	if (r == 0)
		r = rsm_cartridge_ref(worker->manager, medium.id, &cartridge, &err);
	if (r < 0) {
		rsm_log_warning("%s: what lies in it is not known: %s", worker->name, err.msg);
		return;
	}
	if (r > 0)
		return;
	cartridge->state = RSM_CARTRIDGE_FETCHING;
	cartridge->worker = worker;
	worker->cartridge = cartridge;
	worker->state = RSM_DRIVE_LOADING;
}
