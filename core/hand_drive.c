/* What is in a stand-alone drive: its thread looks, and gives out what is in the way. */
#include "core/hand.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "changer/medium_memory.h"
#include "core/ltfs/ltfs_volume.h"

#define LOOK_NS	    (RSM_SECOND_NS / 10)
#define ASKED_NS    (RSM_SECOND_NS / 10) /* between looks into a folder that somebody is to fill */
#define VIRTUAL_NS  (RSM_SECOND_NS / 4)
#define REAL_NS	    (RSM_SECOND_NS)
#define PATIENCE_NS (5 * RSM_SECOND_NS)
/* So long it is left to be taken, even if it is wanted again: the person is on his way. */
#define HOLD_NS (60 * RSM_SECOND_NS)
/* Who waits for any free medium has had a look at what came. */
#define ALLOCATION_NS (2 * RSM_SECOND_NS)
enum { LOAD_TIMEOUT_MS = 15 * 60 * 1000 };

static struct rsm_catalog *catalog_of(struct rsm_drive_worker *worker)
{
	return worker->manager->catalog;
}

/* ---- who is it? ---- */

static void read_print(struct rsm_drive_worker *worker, char *ret_print, size_t size)
{
	char serial[64], barcode[RSM_VOLUME_TAG_SIZE];

	rsm_drive_read_serial(worker, serial, sizeof serial);
	rsm_drive_read_text(worker, RSM_MAM_BARCODE, barcode, sizeof barcode);
	snprintf(ret_print, size, "%s %s", serial, barcode);
}

static bool is_cleaner(struct rsm_drive_worker *worker, const char *barcode)
{
	uint8_t kind = 0;
	size_t length;

	return rsm_barcode_is_cleaner(barcode) ||
	       (rsm_medium_memory_read(worker->drive, 0, RSM_MAM_MEDIUM_TYPE, &kind, 1, &length,
				       NULL) == 0 &&
		kind == 1);
}

/* Is it here, as far as is known, or nowhere? What another library holds is another cartridge. */
static bool may_be_here(const struct rsm_drive_worker *worker, const struct rsm_medium *medium)
{
	return medium->location == RSM_AT_OFFLINE || medium->library == worker->library->id;
}

/* Some makers write the same number into many, or none that is one. A volume that is not the one
 * which that medium bears, or bore last, tells that it is another.
 */
static bool bears_another(const struct rsm_ltfs_probe *probe, const struct rsm_medium *medium)
{
	if (probe->kind != RSM_PROBE_LTFS || !(medium->volume_uuid[0] || medium->old_uuid[0]))
		return false;
	return strcasecmp(probe->label.uuid, medium->volume_uuid) != 0 &&
	       strcasecmp(probe->label.uuid, medium->old_uuid) != 0;
}

/* By its label, else by what the maker wrote into it; 0: neither is known. *ret_stranger: it is
 * certainly not the one that was here before.
 */
static int64_t recognise(struct rsm_drive_worker *worker, bool *ret_stranger)
{
	struct rsm_ltfs_probe probe = { 0 };
	struct rsm_medium medium;
	char serial[64];
	struct rsm_err err;
	int64_t found = 0;
	int r;

	*ret_stranger = false;
	r = rsm_tape_drive_load(worker->drive, LOAD_TIMEOUT_MS, &err);
	if (r == 0) {
		worker->hand.state = RSM_HAND_LOADED;
		r = rsm_ltfs_probe(worker->drive, &probe, &err);
	}
	if (r < 0)
		rsm_log_info("%s: what was put into it is not recognised yet: %s", worker->name,
			     err.msg);
	rsm_drive_read_serial(worker, serial, sizeof serial);
	if (r == 0 && probe.kind == RSM_PROBE_LTFS) {
		if (rsm_medium_find_uuid(catalog_of(worker), probe.label.uuid, &medium, NULL) ==
			    0 &&
		    may_be_here(worker, &medium))
			found = medium.id;
		else if (rsm_medium_at(catalog_of(worker), worker->library->id, RSM_AT_DRIVE,
				       worker->element, &medium, NULL) == 0)
			*ret_stranger = medium.volume_uuid[0] &&
					medium.label_work == RSM_LABEL_NONE &&
					strcasecmp(medium.volume_uuid, probe.label.uuid) != 0;
	}
	if (!found && rsm_medium_find_serial(catalog_of(worker), serial, &medium, NULL) == 0 &&
	    may_be_here(worker, &medium) && !(r == 0 && bears_another(&probe, &medium)))
		found = medium.id;
	return found;
}

/* ---- coming and going ---- */

static int take_inventory(struct rsm_drive_worker *worker)
{
	struct rsm_err err;
	int r = rsm_library_inventory(worker->library, &err);

	if (r < 0)
		rsm_log_warning("%s: %s", worker->name, err.msg);
	return r;
}

static int depart(struct rsm_drive_worker *worker)
{
	struct rsm_library *library = worker->library;

	rsm_mutex_lock(&worker->manager->lock);
	library->seat.full = false;
	library->seat.volume_tag[0] = '\0';
	library->seat_medium = 0;
	worker->hand.given = false;
	worker->hand.hold_until_ns = 0;
	rsm_mutex_unlock(&worker->manager->lock);
	return take_inventory(worker);
}

/* Not with a drive that is out of use: what its cartridge's memory tells has to do. */
static bool begin_loading(struct rsm_drive_worker *worker)
{
	RSM_LOCK_SCOPE(&worker->manager->lock);
	if (!worker->enabled || worker->state != RSM_DRIVE_EMPTY)
		return false;
	worker->state = RSM_DRIVE_LOADING;
	return true;
}

static int arrive(struct rsm_drive_worker *worker)
{
	struct rsm_library *library = worker->library;
	char barcode[RSM_VOLUME_TAG_SIZE];
	bool stranger = false;
	struct rsm_medium m;
	int64_t known = 0;
	int r = 0;

	rsm_drive_read_text(worker, RSM_MAM_BARCODE, barcode, sizeof barcode);
	if (begin_loading(worker)) {
		if (!is_cleaner(worker, barcode))
			known = recognise(worker, &stranger);
		rsm_drive_set_state(worker, RSM_DRIVE_EMPTY);
	}
	/* from now on it is found by what the catalogue calls it */
	if (known && rsm_medium_get(catalog_of(worker), known, &m, NULL) == 0)
		snprintf(barcode, sizeof barcode, "%.32s", m.barcode);
	if (!known && stranger)
		r = depart(worker);
	rsm_mutex_lock(&worker->manager->lock);
	library->seat.full = true;
	memcpy(library->seat.volume_tag, barcode, sizeof library->seat.volume_tag);
	library->seat_medium = known;
	worker->hand.given = false;
	worker->hand.hold_until_ns = 0;
	worker->hand.arrived_ns = worker->hand.idle_since_ns = rsm_manager_now(worker->manager);
	rsm_mutex_unlock(&worker->manager->lock);
	if (r == 0)
		r = take_inventory(worker);
	rsm_mutex_lock(&worker->manager->lock);
	library->seat_medium = 0; /* it has its place now, and may become another one there */
	rsm_mutex_unlock(&worker->manager->lock);
	return r;
}

/* ---- looking ---- */

/* Outcome 1: nothing can be told at the moment. */
static int ask_drive(struct rsm_drive_worker *worker, int *ret_state, bool *ret_anew)
{
	struct rsm_err err;
	int r = rsm_tape_drive_poll(worker->drive, &err);

	*ret_anew = r == RSM_TAPE_MEDIUM_CHANGED;
	if (r < 0 && r != -EMEDIUMTYPE) {
		if (!worker->hand.troubled)
			rsm_log_warning("%s: %s", worker->name, err.msg);
		worker->hand.troubled = true;
		return 1;
	}
	worker->hand.troubled = false;
	if (r == RSM_TAPE_BECOMING_READY)
		return 1;
	*ret_state = r == -EMEDIUMTYPE ? RSM_HAND_SEATED : RSM_HAND_LOADED;
	if (r == RSM_TAPE_NO_MEDIUM)
		*ret_state = rsm_tape_drive_is_seated(worker->drive, ret_anew) ? RSM_HAND_SEATED
									       : RSM_HAND_EMPTY;
	return 0;
}

static void look(struct rsm_drive_worker *worker)
{
	struct rsm_hand *hand = &worker->hand;
	int before = hand->state, now = RSM_HAND_EMPTY, r = 0;
	char print[sizeof hand->print] = "";
	bool anew;

	if (ask_drive(worker, &now, &anew) != 0)
		return;
	if (now != RSM_HAND_EMPTY)
		read_print(worker, print, sizeof print);
	anew = anew || (before != RSM_HAND_EMPTY && strcmp(print, hand->print) != 0);
	if (now != RSM_HAND_SEATED || anew)
		hand->out = false;
	if (hand->out)
		now = RSM_HAND_EMPTY;
	memcpy(hand->print, print, sizeof print);
	hand->state = now;
	if (before != RSM_HAND_EMPTY && (now == RSM_HAND_EMPTY || anew))
		r = depart(worker);
	if (r == 0 && now != RSM_HAND_EMPTY && (before == RSM_HAND_EMPTY || anew))
		r = arrive(worker);
	if (r < 0) /* once more, with the next look */
		hand->state = hand->state == RSM_HAND_EMPTY ? RSM_HAND_SEATED : RSM_HAND_EMPTY;
}

void rsm_hand_begin(struct rsm_library *library)
{
	struct rsm_manager *manager = library->manager;

	for (size_t i = 0; i < manager->worker_count; i++) {
		struct rsm_drive_worker *worker = manager->workers[i];

		if (worker->library != library)
			continue;
		rsm_mutex_lock(&manager->lock);
		library->seat = (struct rsm_element){ .type = RSM_ELEMENT_DATA_TRANSFER,
						      .address = (uint16_t)worker->element };
		rsm_mutex_unlock(&manager->lock);
		look(worker);
	}
}

/* ---- giving out ---- */

/* Somebody who waits for another one than what came, and has not been told of it; with a reference.
 */
static struct rsm_cartridge *next_untold_locked(struct rsm_drive_worker *worker)
{
	RSM_LIST_FOR_EACH (item, &worker->manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (cartridge->hand_library != worker->library->id || !cartridge->hand_request ||
		    cartridge->library || worker->hand.arrived_ns <= cartridge->hand_asked_ns ||
		    worker->hand.arrived_ns == cartridge->hand_told_ns)
			continue;
		cartridge->references++;
		return cartridge;
	}
	return NULL;
}

static void tell_instead(struct rsm_drive_worker *worker, const char *shown)
{
	struct rsm_manager *manager = worker->manager;
	char found[RSM_REQUEST_FOUND_SIZE];
	struct rsm_err err;

	snprintf(found, sizeof found, "%s came instead", shown);
	for (;;) {
		struct rsm_cartridge *cartridge;
		int64_t request = 0;
		int r;

		rsm_mutex_lock(&manager->lock);
		cartridge = next_untold_locked(worker);
		if (cartridge)
			request = cartridge->hand_request;
		rsm_mutex_unlock(&manager->lock);
		if (!cartridge)
			return;
		r = rsm_operator_request_repeat(manager->catalog, request, found, &err);
		if (r < 0)
			rsm_log_debug(RSM_ROOM_DRIVE, "%s", err.msg);
		rsm_mutex_lock(&manager->lock);
		if (r == 0)
			cartridge->hand_told_ns = worker->hand.arrived_ns;
		else if (cartridge->hand_request == request) /* it has ended: another is raised */
			cartridge->hand_request = 0;
		rsm_mutex_unlock(&manager->lock);
		rsm_cartridge_unref(cartridge);
	}
}

static int unload(struct rsm_drive_worker *worker, const char *shown, struct rsm_err *err)
{
	int r;

	if (worker->hand.state != RSM_HAND_LOADED)
		return 0;
	r = rsm_tape_drive_unload(worker->drive, err);
	if (r < 0)
		return r;
	worker->hand.state = RSM_HAND_SEATED;
	rsm_event_add(catalog_of(worker), "unload", "medium", shown, "drive", worker->name, NULL);
	return 0;
}

static void note_given(struct rsm_drive_worker *worker, const char *shown)
{
	rsm_mutex_lock(&worker->manager->lock);
	worker->hand.given = true;
	worker->hand.hold_until_ns = rsm_manager_now(worker->manager) + HOLD_NS;
	rsm_mutex_unlock(&worker->manager->lock);
	tell_instead(worker, shown);
}

/* What nobody uses is in the way of another one, or of any free one. */
static bool is_in_the_way_locked(const struct rsm_drive_worker *worker)
{
	const struct rsm_hand *hand = &worker->hand;

	if (hand->state == RSM_HAND_EMPTY || hand->given || worker->manager->stopping)
		return false;
	if (rsm_hand_is_wanted_locked(worker))
		return true;
	return !rsm_list_is_empty(&worker->manager->allocations) &&
	       rsm_manager_now(worker->manager) - hand->idle_since_ns > ALLOCATION_NS;
}

/* Is it wanted itself? Then the queue says when it leaves. */
static bool is_used_locked(const struct rsm_drive_worker *worker, int64_t medium)
{
	const struct rsm_cartridge *cartridge = rsm_cartridge_find_locked(worker->manager, medium);
	int64_t now = rsm_manager_now(worker->manager);

	return cartridge && cartridge->library && rsm_mount_queue_due_ns(cartridge, now) <= now;
}

static void give_out(struct rsm_drive_worker *worker)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_hand *hand = &worker->hand;
	struct rsm_medium m = { 0 };
	struct rsm_err err;
	bool gives, given, away;
	int wish, r = 0;

	if (rsm_medium_at(catalog_of(worker), worker->library->id, RSM_AT_DRIVE, worker->element,
			  &m, NULL) != 0)
		snprintf(m.shown, sizeof m.shown, "it");
	rsm_mutex_lock(&manager->lock);
	wish = hand->wish;
	away = wish == RSM_HAND_AWAY;
	given = hand->given;
	/* who has just come and is unknown is looked at first */
	gives = is_in_the_way_locked(worker) && !is_used_locked(worker, m.id) &&
		(m.state != RSM_MEDIUM_UNKNOWN || m.cleaner);
	rsm_mutex_unlock(&manager->lock);
	if (wish == RSM_HAND_NO_WISH && !gives) {
		if (given)
			tell_instead(worker, m.shown);
		return;
	}
	r = unload(worker, m.shown, &err);
	if (r < 0)
		rsm_log_warning("%s in %s: %s", m.shown, worker->name, err.msg);
	if (gives)
		note_given(worker, m.shown);
	if (r == 0 && away && hand->state != RSM_HAND_EMPTY) {
		hand->out = true;
		look(worker);
	}
	RSM_LOCK_SCOPE(&manager->lock);
	hand->wish = RSM_HAND_NO_WISH;
	rsm_manager_wake_locked(manager);
}

int64_t rsm_hand_look(struct rsm_drive_worker *worker)
{
	struct rsm_manager *manager = worker->manager;
	unsigned wanted;

	rsm_mutex_lock(&manager->lock);
	wanted = worker->hand.looks_wanted;
	rsm_mutex_unlock(&manager->lock);
	look(worker);
	give_out(worker);
	RSM_LOCK_SCOPE(&manager->lock);
	if (worker->hand.looks_done != wanted) {
		worker->hand.looks_done = wanted;
		pthread_cond_broadcast(&manager->changed);
	}
	return rsm_manager_now(manager) + (!worker->library->hardware->is_virtual ? REAL_NS
					   : rsm_hand_is_wanted_locked(worker)	  ? ASKED_NS
										  : VIRTUAL_NS);
}

bool rsm_hand_holds_back_locked(struct rsm_drive_worker *worker)
{
	struct rsm_hand *hand = &worker->hand;

	if (!hand->given || hand->hold_until_ns <= rsm_manager_now(worker->manager))
		return false;
	return rsm_hand_is_wanted_locked(worker) ||
	       !rsm_list_is_empty(&worker->manager->allocations);
}

/* ---- at work ---- */

void rsm_hand_note_load(struct rsm_drive_worker *worker, int r)
{
	bool anew;

	worker->hand.state = r == 0 ? RSM_HAND_LOADED : RSM_HAND_SEATED;
	if (r == -ENOMEDIUM) /* it can be seen, but does not go in: a person has to push it */
		worker->hand.out = rsm_tape_drive_poll(worker->drive, NULL) == RSM_TAPE_NO_MEDIUM &&
				   rsm_tape_drive_is_seated(worker->drive, &anew);
	worker->hand.waited = false;
	RSM_LOCK_SCOPE(&worker->manager->lock);
	worker->hand.given = false;
}

int rsm_hand_lay_down(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		      struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;
	bool wanted, out;
	int r = 0;

	rsm_mutex_lock(&manager->lock);
	wanted = rsm_hand_is_wanted_locked(worker) && !manager->stopping;
	out = wanted || cartridge->give_out;
	cartridge->give_out = false;
	worker->hand.idle_since_ns = rsm_manager_now(manager);
	rsm_mutex_unlock(&manager->lock);
	if (!out && worker->hand.state == RSM_HAND_LOADED) {
		r = rsm_tape_drive_prevent_removal(worker->drive, false, err);
		if (r == 0)
			r = rsm_tape_drive_locate(worker->drive, 0, 0, err);
		if (r >= 0)
			return 0;
		rsm_log_warning("%s in %s is not rewound, and unloaded: %s", cartridge->barcode,
				worker->name, err->msg);
	}
	r = unload(worker, cartridge->barcode, err);
	if (r == 0 && wanted)
		note_given(worker, cartridge->barcode);
	return r;
}

/* Nothing of it can be written any more. What was written is on it or staged: as long as an index
 * was due, the drive did not let go of it.
 */
static void let_go(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = worker->manager;

	rsm_log_warning("%s was taken out of %s by hand", cartridge->barcode, worker->name);
	rsm_drive_note_traffic(worker, cartridge);
	rsm_volume_free(worker->volume);
	worker->volume = NULL;
	worker->head_partition = 0;
	worker->prevented = false;
	if (rsm_drive_cache_reset(worker, 0, NULL) < 0)
		rsm_log_debug(RSM_ROOM_DRIVE, "%s: cache not reset, ignoring", worker->name);
	rsm_event_add(manager->catalog, "unload", "medium", cartridge->barcode, "drive",
		      worker->name, "text", "taken out by hand", NULL);
	rsm_mutex_lock(&manager->lock);
	rsm_drive_fail_works_locked(cartridge);
	cartridge->state = RSM_CARTRIDGE_AWAY;
	cartridge->departures++;
	cartridge->worker = NULL;
	cartridge->leave = cartridge->give_out = cartridge->abandoned = cartridge->held = false;
	rsm_cartridge_unbound_locked(cartridge);
	cartridge->idle_since_ns = rsm_manager_now(manager);
	rsm_drive_note_label_work_locked(cartridge);
	rsm_cartridge_note_work_locked(cartridge);
	worker->cartridge = NULL;
	worker->state = RSM_DRIVE_EMPTY;
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
}

bool rsm_hand_has_lost(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_hand *hand = &worker->hand;
	char print[sizeof hand->print];
	int r = rsm_tape_drive_poll(worker->drive, NULL);
	bool anew = true;

	if (r != RSM_TAPE_NO_MEDIUM && r != RSM_TAPE_MEDIUM_CHANGED)
		return false;
	let_go(worker, cartridge);
	if (r == RSM_TAPE_NO_MEDIUM && rsm_tape_drive_is_seated(worker->drive, &anew)) {
		read_print(worker, print, sizeof print);
		/* by the drive's own button */
		hand->out = !anew && strcmp(print, hand->print) == 0;
	}
	if (!hand->out) /* whatever is there now has come since */
		snprintf(hand->print, sizeof hand->print, "taken out");
	look(worker);
	rsm_cartridge_unref(cartridge);
	return true;
}

/* ---- by others ---- */

static struct rsm_drive_worker *drive_of(struct rsm_library *library)
{
	struct rsm_manager *manager = library->manager;

	for (size_t i = 0; i < manager->worker_count; i++)
		if (manager->workers[i]->library == library)
			return manager->workers[i];
	return NULL;
}

int rsm_hand_look_now(struct rsm_library *library, const atomic_bool *cancel, struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	struct rsm_drive_worker *worker = drive_of(library);
	int64_t until = rsm_manager_now(manager) + PATIENCE_NS;
	unsigned number;

	if (!worker)
		return 0;
	RSM_LOCK_SCOPE(&manager->lock);
	number = ++worker->hand.looks_wanted;
	rsm_drive_worker_wake_locked(worker);
	while ((int)(worker->hand.looks_done - number) < 0 && !worker->cartridge &&
	       !manager->stopping && rsm_manager_now(manager) < until) {
		if (cancel && atomic_load(cancel))
			return rsm_err_set(err, EINTR, "interrupted");
		rsm_cond_wait_until(&manager->changed, &manager->lock,
				    rsm_manager_now(manager) + LOOK_NS);
	}
	return 0;
}

int rsm_hand_give_out(struct rsm_library *library, bool away, const atomic_bool *cancel,
		      struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	struct rsm_drive_worker *worker = drive_of(library);

	if (!worker)
		return rsm_err_set(err, ENODEV, "%s has no drive", library->hardware->source);
	RSM_LOCK_SCOPE(&manager->lock);
	worker->hand.wish = away ? RSM_HAND_AWAY : RSM_HAND_UNLOAD;
	rsm_drive_worker_wake_locked(worker);
	while (worker->hand.wish != RSM_HAND_NO_WISH) {
		int r = 0;

		if (cancel && atomic_load(cancel))
			r = rsm_err_set(err, EINTR, "interrupted");
		else if (manager->stopping)
			r = rsm_err_set(err, ECANCELED, "rsmfs is shutting down");
		else if (worker->cartridge)
			r = rsm_err_set(err, EBUSY, "%s is in use", worker->name);
		if (r < 0) {
			worker->hand.wish = RSM_HAND_NO_WISH;
			return r;
		}
		rsm_cond_wait_until(&manager->changed, &manager->lock,
				    rsm_manager_now(manager) + LOOK_NS);
	}
	return 0;
}
