/* Ports: what people put into them comes in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/drive_private.h"
#include "core/hand.h"

#define LOOK_NS (RSM_SECOND_NS / 10)

/* ---- in ---- */

static void note_injected_side(struct rsm_library *library, int64_t medium)
{
	struct rsm_manager *manager = library->manager;
	struct rsm_cartridge *cartridge;

	rsm_mutex_lock(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, medium);
	if (cartridge && cartridge->ejected) {
		cartridge->ejected = false;
		cartridge->library = library->id;
		cartridge->references++;
		rsm_manager_wake_locked(manager);
	} else {
		cartridge = NULL;
	}
	rsm_mutex_unlock(&manager->lock);
	if (cartridge) {
		rsm_manager_note_presence(manager, cartridge);
		rsm_cartridge_unref(cartridge);
	}
}

/* From now on it can be mounted; whether it is who it should be is looked at. */
static void note_injected(struct rsm_library *library, int64_t medium)
{
	int64_t other;

	note_injected_side(library, medium);
	rsm_identify_want(library->manager, medium);
	if (rsm_medium_other_side(library->manager->catalog, medium, &other, NULL) != 0)
		return;
	note_injected_side(library, other);
	rsm_identify_want(library->manager, other);
}

int rsm_library_inject(struct rsm_library *library, struct rsm_medium *medium, struct rsm_err *err)
{
	uint32_t port = medium->element, slot;
	char where[32];
	int r;

	medium->home_slot = 0;
	r = rsm_library_choose_slot(library, medium, &slot, err);
	if (r == 0)
		r = rsm_library_move(library, medium, RSM_AT_PORT, port, RSM_AT_SLOT, slot, err);
	if (r < 0)
		return r;
	rsm_library_found_room(library);
	rsm_location_text(RSM_AT_SLOT, slot, where);
	rsm_event_add(library->manager->catalog, "inject", "medium", medium->shown, "to", where,
		      "library", library->label, NULL);
	note_injected(library, medium->id);
	return 0;
}

/* `all`: those that wait to be taken away, too. */
static int inject_ports(struct rsm_library *library, bool all, unsigned *ret_count,
			struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	RSM_FREE struct rsm_element *elements = NULL;
	size_t count;
	int r = rsm_manager_elements(manager, library->id, &elements, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct rsm_medium m;

		if (elements[i].type != RSM_ELEMENT_IMPORT_EXPORT || !elements[i].full)
			continue;
		if (rsm_medium_at(manager->catalog, library->id, RSM_AT_PORT, elements[i].address,
				  &m, err) != 0)
			continue;
		if (!all && rsm_medium_is_ejected(manager->catalog, m.id))
			continue;
		r = rsm_library_inject(library, &m, err);
		if (r == 0)
			(*ret_count)++;
		else if (r == -ENOMEDIUM || r == -EEXIST)
			r = 0; /* somebody was quicker; the next look tells */
	}
	return r;
}

void rsm_library_ask_for_room(struct rsm_library *library, const char *why)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_MOVE_MEDIA,
						.library = library->id };
	int64_t id;

	snprintf(request.text, sizeof request.text, "%s", why);
	if (rsm_operator_request_raise(library->manager->catalog, &request, &id, NULL) < 0) {
		rsm_log_warning("%s", why);
		return;
	}
	RSM_LOCK_SCOPE(&library->manager->lock);
	library->room_request = id;
}

void rsm_library_found_room(struct rsm_library *library)
{
	struct rsm_manager *manager = library->manager;
	struct rsm_err err; /* somebody may have answered it */
	int64_t request;

	rsm_mutex_lock(&manager->lock);
	request = library->room_request;
	library->room_request = 0;
	rsm_mutex_unlock(&manager->lock);
	if (request &&
	    rsm_operator_request_end(manager->catalog, request, RSM_REQUEST_COMPLETE, &err) < 0)
		rsm_log_debug(RSM_ROOM_DRIVE, "%s", err.msg);
}

void rsm_library_poll(struct rsm_library *library)
{
	struct rsm_manager *manager = library->manager;
	struct rsm_err err;
	unsigned count = 0;
	int r;

	if (rsm_hand_is(library)) {
		rsm_hand_tend(library);
		return;
	}
	r = rsm_library_look_at_door(library, &err);
	if (r == RSM_CHANGER_NOT_READY)
		return;
	if (r == RSM_CHANGER_CHANGED) {
		r = rsm_library_inventory(library, &err);
		library->port_retry_at_ns = 0;
	}
	if (r >= 0 && !manager->options.inject_manual &&
	    library->port_retry_at_ns <= rsm_manager_now(manager)) {
		r = inject_ports(library, false, &count, &err);
		if (r == -ENOSPC) {
			rsm_library_ask_for_room(library, err.msg);
			library->port_retry_at_ns = rsm_manager_now(manager) + 10 * RSM_SECOND_NS;
			r = 0;
		} else if (r == -EAGAIN) {
			r = 0; /* the door was opened just now */
		}
	}
	if (r < 0)
		rsm_log_warning("%s: %s", library->hardware->source, err.msg);
}

static int inject_all(struct rsm_library *library, unsigned *ret_count, struct rsm_err *err)
{
	int r = rsm_library_inventory(library, err);

	if (r == 0)
		r = inject_ports(library, true, ret_count, err);
	if (r == -ENOSPC)
		rsm_library_ask_for_room(library, err->msg);
	return r;
}

static bool count_injection(void *context, int64_t number, const char *line)
{
	(void)number;
	*(unsigned *)context += strstr(line, " event=inject ") != NULL;
	return true;
}

static unsigned count_injected(struct rsm_manager *manager, int64_t after)
{
	unsigned count = 0;
	bool lost;

	if (rsm_event_list(manager->catalog, after, NULL, count_injection, &count, &lost, NULL) < 0)
		return 0;
	return count;
}

int rsm_manager_inject_wait(struct rsm_manager *manager, unsigned timeout_ms,
			    const atomic_bool *cancel, unsigned *ret_count, struct rsm_err *err)
{
	int64_t deadline = rsm_manager_now(manager) + (int64_t)timeout_ms * 1000000;
	int64_t before = rsm_event_last(manager->catalog);

	*ret_count = 0;
	for (;;) {
		for (size_t i = 0; i < manager->library_count; i++) {
			int r = manager->libraries[i].hardware->changer
					? inject_all(&manager->libraries[i], ret_count, err)
					: 0;

			if (r < 0)
				return r;
		}
		/* the housekeeper may have been quicker */
		if (!*ret_count)
			*ret_count = count_injected(manager, before);
		if (*ret_count || rsm_manager_now(manager) >= deadline)
			return 0;
		if (cancel && atomic_load(cancel))
			return rsm_err_set(err, EINTR, "interrupted");
		rsm_clock_sleep_ns(manager->clock, LOOK_NS);
	}
}
