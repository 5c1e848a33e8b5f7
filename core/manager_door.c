/* Doors: people open them, asked or not; nothing is moved until they are closed and an inventory
 * has told what became of it. Cartridges in drives stay usable meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/drive_private.h"

#define LOOK_NS (RSM_SECOND_NS / 10)
/* So long a door may stay open before a person is asked to close it. */
#define PATIENCE_NS (60 * RSM_SECOND_NS)

static void tell(struct rsm_library *library, const char *state)
{
	rsm_event_add(library->manager->catalog, "door", "state", state, "library", library->label,
		      NULL);
}

static void ask_to_close(struct rsm_library *library)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_MESSAGE,
						.library = library->id };
	struct rsm_err err;
	int64_t id = 0;

	snprintf(request.text, sizeof request.text,
		 "close the door of %.400s: nothing can be moved", library->hardware->source);
	if (rsm_operator_request_raise(library->manager->catalog, &request, &id, &err) < 0) {
		rsm_log_warning("%s", request.text);
		return;
	}
	RSM_LOCK_SCOPE(&library->manager->lock);
	library->door_request = id;
}

static void note_open(struct rsm_library *library)
{
	struct rsm_manager *manager = library->manager;
	int64_t now = rsm_manager_now(manager);
	bool opened, late;

	rsm_mutex_lock(&manager->lock);
	opened = !library->not_ready;
	library->not_ready = true;
	if (opened)
		library->not_ready_since_ns = now;
	late = !library->door_request && now - library->not_ready_since_ns >= PATIENCE_NS;
	rsm_mutex_unlock(&manager->lock);
	if (opened)
		tell(library, "open");
	if (late)
		ask_to_close(library);
}

/* What is to follow; false: nothing. */
static bool note_closed(struct rsm_library *library, bool *ret_identify)
{
	struct rsm_manager *manager = library->manager;
	enum rsm_door_inventory inventory;
	struct rsm_err err;
	int64_t request;

	rsm_mutex_lock(&manager->lock);
	request = library->door_request;
	inventory = library->door_inventory;
	library->door_request = 0;
	library->not_ready = false;
	library->door_inventory = RSM_DOOR_FAST;
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	if (request &&
	    rsm_operator_request_end(manager->catalog, request, RSM_REQUEST_COMPLETE, &err) < 0)
		rsm_log_debug(RSM_ROOM_DRIVE, "%s", err.msg);
	tell(library, "closed");
	*ret_identify = inventory == RSM_DOOR_FULL;
	return inventory != RSM_DOOR_NONE;
}

static bool was_open(struct rsm_library *library)
{
	RSM_LOCK_SCOPE(&library->manager->lock);
	return library->not_ready;
}

int rsm_library_look_at_door(struct rsm_library *library, struct rsm_err *err)
{
	bool identify = false;
	unsigned number;
	int r = rsm_medium_changer_poll(library->hardware->changer, err);

	if (r == RSM_CHANGER_NOT_READY)
		note_open(library);
	if (r < 0 || r == RSM_CHANGER_NOT_READY || !was_open(library))
		return r;
	if (!note_closed(library, &identify))
		return 0;
	if (!identify)
		return RSM_CHANGER_CHANGED;
	r = rsm_library_inventory(library, err);
	return r ? r : rsm_identify_begin(library, &number, err);
}

int rsm_library_await_ready(struct rsm_library *library, struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	int r;

	while ((r = rsm_library_look_at_door(library, err)) == RSM_CHANGER_NOT_READY) {
		RSM_LOCK_SCOPE(&manager->lock);
		if (manager->stopping)
			return rsm_err_set(err, EAGAIN, "the door of %s is open",
					   library->hardware->source);
		rsm_cond_wait_until(&manager->changed, &manager->lock,
				    rsm_manager_now(manager) + 5 * LOOK_NS);
	}
	return r == RSM_CHANGER_CHANGED ? rsm_library_inventory(library, err) : r;
}

/* ---- rsm door ---- */

static int find_door(struct rsm_manager *manager, int64_t id, struct rsm_library **ret_library,
		     struct rsm_err *err)
{
	struct rsm_library *library = rsm_library_find(manager, id);

	if (!library)
		return rsm_err_set(err, ENODEV, "there is no such library");
	if (!library->hardware->changer)
		return rsm_err_set(err, ENXIO, "%s has no door", library->hardware->source);
	*ret_library = library;
	return 0;
}

static int prevent(struct rsm_library *library, bool locked, struct rsm_err *err)
{
	int r = rsm_medium_changer_prevent(library->hardware->changer, locked, err);

	if (r == -EOPNOTSUPP)
		return rsm_err_wrap(err, -ENXIO, "%s", library->hardware->source);
	if (r < 0)
		return r;
	rsm_mutex_lock(&library->manager->lock);
	library->door_locked = locked;
	rsm_mutex_unlock(&library->manager->lock);
	tell(library, locked ? "locked" : "unlocked");
	return 0;
}

/* Those that nobody uses are told to leave; how many still are on their way home. */
static unsigned empty_drives_locked(struct rsm_library *library)
{
	struct rsm_manager *manager = library->manager;
	unsigned count = 0;

	for (size_t i = 0; i < manager->worker_count; i++) {
		struct rsm_drive_worker *worker = manager->workers[i];
		struct rsm_cartridge *cartridge = worker->cartridge;
		struct rsm_content_use use = { 0 };

		if (worker->library != library || !cartridge)
			continue;
		if (cartridge->content)
			rsm_content_use(cartridge->content, &use);
		if (use.open_files || cartridge->held || !rsm_list_is_empty(&cartridge->mounts) ||
		    !rsm_list_is_empty(&cartridge->works) || cartridge->syncs)
			continue;
		count++;
		if (cartridge->state == RSM_CARTRIDGE_LOADED && !cartridge->leave) {
			cartridge->leave = true;
			rsm_drive_worker_wake_locked(worker);
		}
	}
	return count;
}

static int empty_drives(struct rsm_library *library, const atomic_bool *cancel, struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;

	RSM_LOCK_SCOPE(&manager->lock);
	while (empty_drives_locked(library) > 0) {
		if (cancel && atomic_load(cancel))
			return rsm_err_set(err, EINTR, "interrupted");
		if (manager->stopping)
			return rsm_err_set(err, ECANCELED, "rsmfs is shutting down");
		rsm_cond_wait_until(&manager->changed, &manager->lock,
				    rsm_manager_now(manager) + LOOK_NS);
	}
	return 0;
}

int rsm_manager_unlock_door_wait(struct rsm_manager *manager, int64_t id,
				 enum rsm_door_inventory inventory, const atomic_bool *cancel,
				 struct rsm_err *err)
{
	struct rsm_library *library;
	bool enabled;
	int r = find_door(manager, id, &library, err);

	if (r < 0)
		return r;
	rsm_mutex_lock(&manager->lock);
	enabled = library->enabled;
	if (enabled)
		library->door_inventory = inventory;
	rsm_mutex_unlock(&manager->lock);
	if (!enabled)
		return rsm_err_set(err, ENODEV, "%s is disabled", library->hardware->source);
	r = empty_drives(library, cancel, err);
	return r < 0 ? r : prevent(library, false, err);
}

int rsm_manager_lock_door(struct rsm_manager *manager, int64_t id, struct rsm_err *err)
{
	struct rsm_library *library;
	int r = find_door(manager, id, &library, err);

	if (r == 0)
		r = rsm_library_look_at_door(library, err);
	if (r == RSM_CHANGER_CHANGED)
		r = rsm_library_inventory(library, err);
	if (r == RSM_CHANGER_NOT_READY)
		return rsm_err_set(err, EBUSY, "the door of %s is open: close it first",
				   library->hardware->source);
	return r < 0 ? r : prevent(library, true, err);
}
