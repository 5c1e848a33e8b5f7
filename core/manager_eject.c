/* Ejecting: what people are to take is put into ports, in loads where there are more cartridges
 * than ports.
 *
 * A cartridge that is to go is noted as ejected before it moves: a death in between leaves one that
 * is in its slot and may be mounted (the note goes with the next look), or one that waits in the
 * port for a person.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "core/copy.h"
#include "core/drive_private.h"
#include "core/hand.h"

#define LOOK_NS	   (RSM_SECOND_NS / 10)
#define CLOSING_NS (RSM_SECOND_NS / 2) /* a close may come so much later */
enum { CLOSING_LOOKS = 20 };

static int free_port(struct rsm_library *library, uint32_t *ret_port, struct rsm_err *err)
{
	unsigned ports = 0;

	RSM_LOCK_SCOPE(&library->manager->lock);
	for (size_t i = 0; i < library->element_count; i++) {
		const struct rsm_element *element = &library->elements[i];

		if (element->type != RSM_ELEMENT_IMPORT_EXPORT || !rsm_element_is_present(element))
			continue;
		ports++;
		if (!element->full) {
			*ret_port = element->address;
			return 0;
		}
	}
	return ports ? rsm_err_set(err, ENOSPC, "every port of the library is full")
		     : rsm_err_set(err, ENXIO, "the library has no port");
}

/* Under its former entry, from before it was deallocated: it will be home in a moment. */
static bool lies_in_drive_locked(struct rsm_manager *manager, const struct rsm_cartridge *cartridge)
{
	for (size_t i = 0; i < manager->worker_count; i++) {
		struct rsm_drive_view view;

		rsm_drive_worker_view_locked(manager->workers[i], &view);
		if (view.medium == cartridge->id && cartridge->state == RSM_CARTRIDGE_AWAY)
			return true;
	}
	return false;
}

static int check_side(struct rsm_manager *manager, struct rsm_cartridge *cartridge, bool force,
		      struct rsm_err *err)
{
	struct rsm_content_use use = { 0 };

	rsm_copy_let_go(manager, cartridge->id);
	RSM_LOCK_SCOPE(&manager->lock);
	if (cartridge->content)
		rsm_content_use(cartridge->content, &use);
	if ((use.open_files && !force) || lies_in_drive_locked(manager, cartridge))
		return rsm_err_set(err, EBUSY, "%s is in use", cartridge->barcode);
	return 0;
}

/* Who has a file of its other side open keeps it here as well. That a file was closed is told a
 * moment after the program goes on, perhaps with this very ejection.
 */
static int check_eject(struct rsm_manager *manager, struct rsm_cartridge *cartridge, bool force,
		       struct rsm_err *err)
{
	struct rsm_cartridge *other = rsm_cartridge_ref_other_side(cartridge);
	struct timespec moment = { .tv_nsec = CLOSING_NS / CLOSING_LOOKS };
	int r;

	for (int i = 0;; i++) {
		r = check_side(manager, cartridge, force, err);
		if (r == 0 && other)
			r = check_side(manager, other, force, err);
		if (r != -EBUSY || i == CLOSING_LOOKS)
			break;
		nanosleep(&moment, NULL);
	}
	if (other)
		rsm_cartridge_unref(other);
	return r;
}

static int where_is(struct rsm_manager *manager, int64_t id, struct rsm_medium *ret_medium,
		    struct rsm_library **ret_library, struct rsm_err *err)
{
	int r = rsm_medium_get(manager->catalog, id, ret_medium, err);

	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "there is no such cartridge");
	*ret_library = ret_medium->location == RSM_AT_OFFLINE
			       ? NULL
			       : rsm_library_find(manager, ret_medium->library);
	return *ret_library
		       ? 0
		       : rsm_err_set(err, ENOMEDIUM, "%s is not in the library", ret_medium->shown);
}

/* What is to go, with its other side if it has one. */
struct leaving {
	struct rsm_cartridge *sides[2];
	size_t count;
};

static void set_ejected(const struct leaving *leaving, bool ejected, int64_t library)
{
	RSM_LOCK_SCOPE(&leaving->sides[0]->manager->lock);
	for (size_t i = 0; i < leaving->count; i++) {
		leaving->sides[i]->ejected = ejected;
		leaving->sides[i]->library = library; /* nothing is mounted from a port */
	}
}

static int move_out(struct rsm_library *library, const struct leaving *leaving,
		    const struct rsm_medium *m, struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	uint32_t port = 0;
	int r = free_port(library, &port, err);

	/* before it moves: else it would be taken in again at once, or at the next start */
	if (r == 0)
		r = rsm_medium_set_ejected(manager->catalog, m->id, true, err);
	if (r < 0)
		return r;
	set_ejected(leaving, true, 0);
	r = rsm_library_move(library, m, m->location, m->element, RSM_AT_PORT, port, err);
	if (r == -EEXIST)
		r = rsm_err_wrap(err, -ENOSPC, "port %u", port);
	if (r < 0) {
		set_ejected(leaving, false, library->id);
		if (rsm_medium_set_ejected(manager->catalog, m->id, false, NULL) < 0)
			rsm_log_debug(RSM_ROOM_DRIVE, "%s: still noted as ejected", m->shown);
		return r;
	}
	rsm_library_found_room(library);
	for (size_t i = 0; i < leaving->count; i++)
		rsm_manager_note_presence(manager, leaving->sides[i]);
	rsm_event_add(manager->catalog, "eject", "medium", m->shown, "library", library->label,
		      NULL);
	return 0;
}

/* The mouth of a stand-alone drive is its port. */
static int hand_out(struct rsm_library *library, const struct rsm_medium *m,
		    const atomic_bool *cancel, struct rsm_err *err)
{
	int r = rsm_hand_give_out(library, true, cancel, err);

	if (r == 0)
		rsm_event_add(library->manager->catalog, "eject", "medium", m->shown, "library",
			      library->label, NULL);
	return r;
}

/* Nothing fetches it meanwhile. The side that is in a drive, or NULL. */
static struct rsm_cartridge *keep_home(const struct leaving *leaving)
{
	struct rsm_cartridge *mounted = NULL;

	RSM_LOCK_SCOPE(&leaving->sides[0]->manager->lock);
	for (size_t i = 0; i < leaving->count; i++) {
		if (leaving->sides[i]->state != RSM_CARTRIDGE_AWAY)
			mounted = leaving->sides[i];
		leaving->sides[i]->kept_home++; /* nor does what was written meanwhile */
	}
	return mounted;
}

static void let_go(const struct leaving *leaving)
{
	RSM_LOCK_SCOPE(&leaving->sides[0]->manager->lock);
	for (size_t i = 0; i < leaving->count; i++)
		leaving->sides[i]->kept_home--;
	rsm_manager_wake_locked(leaving->sides[0]->manager);
}

static int eject(struct rsm_manager *manager, const struct leaving *leaving, bool force,
		 const atomic_bool *cancel, struct rsm_err *err)
{
	struct rsm_cartridge *cartridge = leaving->sides[0], *mounted;
	struct rsm_library *library;
	struct rsm_medium m;
	int r = check_eject(manager, cartridge, force, err);

	if (r == 0)
		r = where_is(manager, cartridge->id, &m, &library, err);
	if (r < 0)
		return r;
	if (m.location == RSM_AT_PORT) { /* it stays there */
		set_ejected(leaving, true, 0);
		return rsm_medium_set_ejected(manager->catalog, m.id, true, err);
	}
	mounted = keep_home(leaving);
	r = mounted ? rsm_manager_send_home(manager, mounted->id, false, true, cancel, err) : 0;
	if (r == -EINVAL)
		r = 0; /* it went home by itself meanwhile */
	if (r == 0)
		r = where_is(manager, cartridge->id, &m, &library, err);
	if (r == 0 && rsm_hand_is(library))
		r = hand_out(library, &m, cancel, err);
	else if (r == 0)
		r = move_out(library, leaving, &m, err);
	let_go(leaving);
	return r;
}

static int eject_one(struct rsm_manager *manager, int64_t medium, bool force,
		     const atomic_bool *cancel, struct rsm_err *err)
{
	struct leaving leaving = { .count = 1 };
	int r = rsm_cartridge_ref(manager, medium, &leaving.sides[0], err);

	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "there is no such cartridge");
	leaving.sides[1] = rsm_cartridge_ref_other_side(leaving.sides[0]);
	leaving.count += leaving.sides[1] != NULL;
	r = eject(manager, &leaving, force, cancel, err);
	for (size_t i = 0; i < leaving.count; i++)
		rsm_cartridge_unref(leaving.sides[i]);
	return r;
}

/* ---- in loads ---- */

struct load {
	struct rsm_manager *manager;
	const int64_t *media;
	int64_t *items; /* work items of the media; 0: it has ended */
	size_t count;
	size_t ejected;
	bool force;
	const atomic_bool *cancel;
	int64_t request; /* that asks a person to empty the ports, or 0 */
};

static void set_item(struct load *load, size_t i, enum rsm_work_state state, const char *text)
{
	struct rsm_err err;

	if (load->items[i] &&
	    rsm_work_item_set(load->manager->catalog, load->items[i], state, 0, text, &err) < 0)
		rsm_log_warning("%s", err.msg);
	if (state != RSM_WORK_IN_PROCESS && state != RSM_WORK_WAITING)
		load->items[i] = 0;
}

/* Somebody may have emptied them just now, and be quicker than who looks at them. */
static int find_port(struct rsm_library *library, bool look, uint32_t *ret_port,
		     struct rsm_err *err)
{
	int r = free_port(library, ret_port, err);

	if (r != -ENOSPC || !look)
		return r;
	r = rsm_library_inventory(library, err);
	return r < 0 ? r : free_port(library, ret_port, err);
}

/* All of them can go, as far as can be seen: else none does. */
static int check_load(struct load *load, struct rsm_err *err)
{
	for (size_t i = 0; i < load->count; i++) {
		struct rsm_cartridge *cartridge;
		struct rsm_library *library;
		struct rsm_medium m;
		uint32_t port;
		int r = where_is(load->manager, load->media[i], &m, &library, err);

		if (r == 0 && m.location != RSM_AT_PORT && !rsm_hand_is(library))
			r = find_port(library, i == 0, &port, err);
		if (r == -ENOSPC && i > 0)
			r = 0; /* in its turn */
		if (r == -ENOSPC)
			rsm_library_ask_for_room(library,
						 "every port of the library is full: empty them");
		if (r == 0)
			r = rsm_cartridge_ref(load->manager, m.id, &cartridge, err);
		if (r != 0)
			return r < 0 ? r : rsm_err_set(err, ENOENT, "%s is gone", m.shown);
		r = check_eject(load->manager, cartridge, load->force, err);
		rsm_cartridge_unref(cartridge);
		if (r < 0)
			return r;
	}
	return 0;
}

static int queue_load(struct load *load, uid_t user, struct rsm_err *err)
{
	for (size_t i = 0; i < load->count; i++) {
		struct rsm_work_item item = { .kind = RSM_WORK_EJECT,
					      .medium = load->media[i],
					      .user = user };
		int r = rsm_work_item_add(load->manager->catalog, &item, err);

		if (r < 0)
			return r;
		load->items[i] = item.id;
	}
	return 0;
}

struct seek {
	int64_t id;
	bool found;
};

static bool find_item(void *context, const struct rsm_work_item *item)
{
	struct seek *seek = context;

	seek->found = seek->found || item->id == seek->id;
	return !seek->found;
}

/* Somebody has cancelled it: it has ended without us. */
static bool is_cancelled(struct load *load, size_t i)
{
	struct seek seek = { .id = load->items[i] };

	return rsm_work_item_list(load->manager->catalog, true, find_item, &seek, NULL) == 0 &&
	       !seek.found;
}

static bool find_refused(void *context, const struct rsm_operator_request *request)
{
	struct seek *seek = context;

	if (request->id == seek->id)
		seek->found = request->state == RSM_REQUEST_REFUSED;
	return request->id != seek->id;
}

/* The ports are full: a person is asked, once, and again after he said that it is done. */
static int ask_to_empty(struct load *load, size_t i, struct rsm_err *err)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_MESSAGE };
	struct seek refused = { .id = load->request };
	struct rsm_medium m = { 0 };
	int r = 0;

	if (load->request)
		r = rsm_operator_request_list(load->manager->catalog, false, find_refused, &refused,
					      err);
	if (r == 0 && refused.found)
		return rsm_err_set(err, ECANCELED, "the operator does not empty the ports");
	if (r == 0)
		r = rsm_medium_get(load->manager->catalog, load->media[i], &m, err);
	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "there is no such cartridge");
	request.library = m.library;
	snprintf(request.text, sizeof request.text,
		 "take the cartridges out of the ports: %zu more are to be ejected, %s first",
		 load->count - i, m.shown);
	return rsm_operator_request_raise(load->manager->catalog, &request, &load->request, err);
}

static void end_request(struct load *load)
{
	struct rsm_err err; /* somebody may have ended it already */

	if (load->request && rsm_operator_request_end(load->manager->catalog, load->request,
						      RSM_REQUEST_COMPLETE, &err) < 0)
		rsm_log_debug(RSM_ROOM_DRIVE, "%s", err.msg);
	load->request = 0;
}

/* Outcome 1: cancelled, it stays where it is. */
static int eject_in_turn(struct load *load, size_t i, struct rsm_err *err)
{
	bool asked = false;
	int r;

	for (;;) {
		if (is_cancelled(load, i)) {
			end_request(load); /* it names who was to go first */
			return 1;
		}
		if (!asked)
			set_item(load, i, RSM_WORK_IN_PROCESS, "");
		r = eject_one(load->manager, load->media[i], load->force, load->cancel, err);
		if (r != -ENOSPC)
			break;
		/* who is asked may say at once that it is to stay */
		set_item(load, i, RSM_WORK_WAITING, "the ports are full");
		r = ask_to_empty(load, i, err);
		if (r < 0)
			break;
		asked = true;
		for (int k = 0; k < 5 && !(load->cancel && atomic_load(load->cancel)); k++)
			rsm_clock_sleep_ns(load->manager->clock, LOOK_NS);
		if (load->cancel && atomic_load(load->cancel))
			return rsm_err_set(err, EINTR, "interrupted");
	}
	end_request(load);
	return r;
}

static int eject_load(struct load *load,
		      void (*progress)(void *context, uint64_t done, uint64_t total,
				       const char *what),
		      void *context, struct rsm_err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < load->count; i++) {
		if (progress)
			progress(context, i, load->count, "ejected");
		r = eject_in_turn(load, i, err);
		if (r == 1)
			load->items[i] = 0;
		else
			set_item(load, i, r == 0 ? RSM_WORK_PASSED : RSM_WORK_FAILED,
				 r == 0 ? "" : err->msg);
		load->ejected += r == 0;
	}
	end_request(load);
	return r < 0 ? r : 0;
}

int rsm_manager_eject_all_wait(
	struct rsm_manager *manager, const int64_t *media, size_t count, bool force, uid_t user,
	void (*progress)(void *context, uint64_t done, uint64_t total, const char *what),
	void *context, const atomic_bool *cancel, size_t *ret_ejected, struct rsm_err *err)
{
	RSM_FREE int64_t *items = calloc(count + 1, sizeof *items);
	struct load load = { .manager = manager,
			     .media = media,
			     .items = items,
			     .count = count,
			     .force = force,
			     .cancel = cancel };
	int r;

	if (!items)
		return rsm_err_oom(err);
	r = check_load(&load, err);
	if (r == 0)
		r = queue_load(&load, user, err);
	if (r == 0)
		r = eject_load(&load, progress, context, err);
	for (size_t i = 0; i < count; i++)
		set_item(&load, i, RSM_WORK_CANCELLED, "");
	if (ret_ejected)
		*ret_ejected = load.ejected;
	return r;
}

int rsm_manager_eject_wait(struct rsm_manager *manager, int64_t medium, bool force,
			   const atomic_bool *cancel, struct rsm_err *err)
{
	return rsm_manager_eject_all_wait(manager, &medium, 1, force, manager->options.admin, NULL,
					  NULL, cancel, NULL, err);
}

/* ---- taken back ---- */

struct waiting {
	int64_t medium; /* 0: every one */
	int64_t items[256];
	size_t count;
};

static bool take_waiting(void *context, const struct rsm_work_item *item)
{
	struct waiting *waiting = context;

	/* one that the robot has in hand goes on */
	if (item->kind == RSM_WORK_EJECT && item->state != RSM_WORK_IN_PROCESS &&
	    (!waiting->medium || item->medium == waiting->medium))
		waiting->items[waiting->count++] = item->id;
	return waiting->count < sizeof waiting->items / sizeof *waiting->items;
}

static int cancel_waiting(struct rsm_manager *manager, int64_t medium, unsigned *ret_count,
			  struct rsm_err *err)
{
	struct waiting waiting;
	int r;

	do {
		waiting = (struct waiting){ .medium = medium };
		r = rsm_work_item_list(manager->catalog, true, take_waiting, &waiting, err);
		for (size_t i = 0; r == 0 && i < waiting.count; i++)
			r = rsm_work_item_set(manager->catalog, waiting.items[i],
					      RSM_WORK_CANCELLED, 0, "taken back", err);
		*ret_count += r == 0 ? (unsigned)waiting.count : 0;
	} while (r == 0 && waiting.count == sizeof waiting.items / sizeof *waiting.items);
	return r;
}

int rsm_manager_cancel_eject(struct rsm_manager *manager, int64_t medium, unsigned *ret_count,
			     struct rsm_err *err)
{
	struct rsm_library *library;
	struct rsm_medium m;
	int r;

	*ret_count = 0;
	r = cancel_waiting(manager, medium, ret_count, err);
	if (r < 0 || !medium || *ret_count)
		return r;
	r = where_is(manager, medium, &m, &library, err);
	if (r == 0 && m.location != RSM_AT_PORT)
		return rsm_err_set(err, EINVAL, "%s is not being ejected", m.shown);
	if (r == 0)
		r = rsm_library_inject(library, &m, err);
	*ret_count += r == 0;
	return r;
}
