/* Libraries: opening them, looking what is where, moving cartridges, ports. */
#include "core/cleaner.h"
#include "core/manager_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/medium_record.h"
#include "core/drive_fit.h"
#include "core/hand.h"

enum { HARDWARE_ERROR = 0x04, ABORTED_COMMAND = 0x0B }; /* sense keys */

void rsm_location_text(enum rsm_location_kind kind, uint32_t element, char ret_text[32])
{
	switch (kind) {
	case RSM_AT_SLOT: snprintf(ret_text, 32, "slot %u", element); break;
	case RSM_AT_DRIVE: snprintf(ret_text, 32, "drive %u", element); break;
	case RSM_AT_PORT: snprintf(ret_text, 32, "port %u", element); break;
	case RSM_AT_OFFLINE: snprintf(ret_text, 32, "offline"); break;
	}
}

struct rsm_library *rsm_library_find(struct rsm_manager *manager, int64_t id)
{
	for (size_t i = 0; i < manager->library_count; i++)
		if (manager->libraries[i].id == id)
			return &manager->libraries[i];
	return NULL;
}

/* ---- opening ---- */

static int register_library(struct rsm_library *library, struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	struct rsm_hardware *hardware = library->hardware;
	const char *types[64];
	size_t count = 0;
	int r;

	for (size_t i = 0; i < hardware->drive_count && count < 63; i++)
		types[count++] = hardware->drives[i].type;
	types[count] = NULL;
	library->kind = hardware->is_virtual ? "virtual" : hardware->changer ? "changer" : "drive";
	r = rsm_library_register(manager->catalog, hardware->source, library->kind, types,
				 &library->id, err);
	if (manager->options.library_count > 1)
		snprintf(library->label, sizeof library->label, "%lld", (long long)library->id);
	if (r == 0)
		r = rsm_drive_fit_register(library, err);
	return r < 0 ? r
		     : rsm_library_is_enabled(manager->catalog, library->id, &library->enabled,
					      err);
}

static int make_workers(struct rsm_library *library, struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	struct rsm_hardware *hardware = library->hardware;

	for (size_t i = 0; i < hardware->drive_count; i++) {
		struct rsm_hardware_drive *drive = &hardware->drives[i];
		const struct rsm_device_identity *identity = rsm_tape_drive_identity(drive->drive);
		struct rsm_drive_row row = { .library = library->id, .element = drive->element };
		int r;

		snprintf(row.vendor, sizeof row.vendor, "%s", identity->vendor);
		snprintf(row.product, sizeof row.product, "%s", identity->product);
		snprintf(row.serial, sizeof row.serial, "%s", identity->serial);
		r = rsm_drive_register(manager->catalog, &row, err);
		if (r == 0)
			r = rsm_drive_worker_new(manager, library, drive, row.id,
						 row.enabled && library->enabled,
						 &manager->workers[manager->worker_count], err);
		if (r < 0)
			return r;
		manager->worker_count++;
	}
	return 0;
}

static int open_one(struct rsm_library *library, const char *source, const char *drives,
		    struct rsm_err *err)
{
	const struct rsm_hardware_options options = {
		.drives = drives,
		.trace = library->manager->options.trace_scsi,
	};
	int r = rsm_hardware_open(source, &options, &library->hardware, err);

	if (r == 0)
		r = register_library(library, err);
	return r;
}

int rsm_library_open_all(struct rsm_manager *manager, struct rsm_err *err)
{
	size_t drives = 0;
	int r = 0;

	manager->libraries = calloc(manager->options.library_count, sizeof *manager->libraries);
	if (!manager->libraries)
		return rsm_err_oom(err);
	for (size_t i = 0; r == 0 && i < manager->options.library_count; i++) {
		struct rsm_library *library = &manager->libraries[i];

		library->manager = manager;
		rsm_mutex_init(&library->inventory);
		manager->library_count++;
		r = open_one(library, manager->options.libraries[i],
			     i ? NULL : manager->options.drives, err);
		if (r == 0)
			drives += library->hardware->drive_count;
	}
	if (r == 0) {
		manager->workers = calloc(drives + 1, sizeof(struct rsm_drive_worker *));
		manager->queue_drives = calloc(drives + 1, sizeof *manager->queue_drives);
		if (!manager->workers || !manager->queue_drives)
			return rsm_err_oom(err);
	}
	for (size_t i = 0; r == 0 && i < manager->library_count; i++)
		r = make_workers(&manager->libraries[i], err);
	return r < 0 ? r : rsm_library_settle(manager->catalog, err);
}

void rsm_library_close_all(struct rsm_manager *manager)
{
	for (size_t i = 0; i < manager->library_count; i++) {
		rsm_hardware_close(manager->libraries[i].hardware);
		free(manager->libraries[i].elements);
		rsm_mutex_fini(&manager->libraries[i].inventory);
	}
	free(manager->libraries);
}

/* ---- inventory ---- */

/* A stand-alone drive has no changer to ask: what is in it its thread has seen (hand.h). */
static int ask_elements(struct rsm_library *library, struct rsm_element **ret_elements,
			size_t *ret_count, struct rsm_err *err)
{
	struct rsm_element *element;

	if (library->hardware->changer)
		return rsm_medium_changer_inventory(library->hardware->changer, ret_elements,
						    ret_count, err);
	element = calloc(1, sizeof *element);
	if (!element)
		return rsm_err_oom(err);
	RSM_LOCK_SCOPE(&library->manager->lock);
	*element = library->seat;
	*ret_elements = element;
	*ret_count = 1;
	return 0;
}

static int64_t certain_medium(struct rsm_library *library)
{
	RSM_LOCK_SCOPE(&library->manager->lock);
	return library->hardware->changer || !library->seat.full ? 0 : library->seat_medium;
}

static void apply_change(struct rsm_manager *manager, const struct rsm_inventory_change *change)
{
	static const char *const names[] = { "arrive", "relocate", "depart" };
	struct rsm_cartridge *cartridge;
	struct rsm_medium m = { .location = RSM_AT_OFFLINE };
	struct rsm_library *library;
	char where[32];

	/* a forgotten one has no row any more; the change itself says what it was */
	if (rsm_medium_get(manager->catalog, change->medium, &m, NULL) != 0)
		m = (struct rsm_medium){ .location = RSM_AT_OFFLINE };
	rsm_location_text(m.location, m.element, where);
	library = rsm_library_find(manager, m.library);
	rsm_event_add(manager->catalog, names[change->what], "medium", change->shown, "at", where,
		      "library", library ? library->label : "", NULL);
	rsm_mutex_lock(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, change->medium);
	if (cartridge) {
		cartridge->references++;
		cartridge->library = m.location == RSM_AT_OFFLINE ? 0 : m.library;
		if (cartridge->library)
			cartridge->hand_request = 0; /* ended below */
		if (m.location != RSM_AT_PORT)
			cartridge->ejected = false;
		else if (cartridge->ejected)
			cartridge->library = 0;
		rsm_manager_wake_locked(manager);
	}
	rsm_mutex_unlock(&manager->lock);
	if (cartridge) {
		rsm_manager_note_presence(manager, cartridge);
		rsm_cartridge_unref(cartridge);
	}
	if (change->what != RSM_MEDIUM_LEFT &&
	    rsm_operator_request_seen(manager->catalog, change->medium, NULL) < 0)
		rsm_log_warning("%s: operator requests are not closed, ignoring", change->shown);
	if (change->what == RSM_MEDIUM_LEFT) /* what is on the shelf nobody else tells */
		rsm_manager_pools_changed(manager);
	if (change->what == RSM_MEDIUM_ARRIVED &&
	    rsm_medium_record_returned(manager->catalog, change->medium, NULL) < 0)
		rsm_log_warning("%s: it is not noted that it is back, ignoring", change->shown);
	rsm_manager_names_changed(manager, change->pool);
}

void rsm_manager_note_presence(struct rsm_manager *manager, struct rsm_cartridge *cartridge)
{
	struct rsm_err err;
	bool gone;

	rsm_manager_apply_state(manager, cartridge);
	rsm_mutex_lock(&manager->lock);
	gone = cartridge->library == 0 && cartridge->state == RSM_CARTRIDGE_AWAY &&
	       !rsm_hand_waits_locked(cartridge);
	rsm_mutex_unlock(&manager->lock);
	if (!gone)
		return;
	rsm_err_set(&err, ENOMEDIUM, "%s is not in the library any more", cartridge->barcode);
	rsm_cartridge_fail_requests(cartridge, -ENOMEDIUM, &err);
}

static void apply_changes(struct rsm_library *library, struct rsm_inventory *inventory)
{
	for (size_t i = 0; i < inventory->change_count; i++)
		apply_change(library->manager, &inventory->changes[i]);
	rsm_identify_unknown(library, inventory->unknown_count);
	rsm_inventory_fini(inventory);
}

/* Who was carried to another library has to be known as gone before he is seen there. */
static int see_off(struct rsm_library *library, struct rsm_err *err)
{
	RSM_FREE struct rsm_element *elements = NULL;
	struct rsm_inventory inventory = { 0 };
	size_t count;
	int r;

	RSM_LOCK_SCOPE(&library->inventory);
	r = ask_elements(library, &elements, &count, err);
	if (r == 0)
		r = rsm_inventory_see_off(library->manager->catalog, library->id, elements, count,
					  &inventory, err);
	if (r == 0)
		apply_changes(library, &inventory);
	return r;
}

/* Outcome ELSEWHERE: another library has to be asked first, if `try`. */
static int look(struct rsm_library *library, bool try, int64_t *ret_elsewhere, struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	RSM_FREE struct rsm_element *elements = NULL;
	struct rsm_inventory inventory = { 0 };
	int64_t certain;
	size_t count;
	int r;

	RSM_LOCK_SCOPE(&library->inventory);
	r = ask_elements(library, &elements, &count, err);
	certain = certain_medium(library);
	if (r == 0 && certain)
		r = rsm_inventory_seat(manager->catalog, library->id, elements, certain, &inventory,
				       err);
	else if (r == 0 && try)
		r = rsm_inventory_try(manager->catalog, library->id, elements, count, &inventory,
				      ret_elsewhere, err);
	else if (r == 0)
		r = rsm_inventory_reconcile(manager->catalog, library->id, elements, count,
					    &inventory, err);
	if (r != 0)
		return r;
	rsm_mutex_lock(&manager->lock);
	free(library->elements);
	library->elements = RSM_STEAL(elements);
	library->element_count = count;
	rsm_mutex_unlock(&manager->lock);
	apply_changes(library, &inventory);
	return 0;
}

int rsm_library_inventory(struct rsm_library *library, struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	int64_t elsewhere = 0;
	int r = RSM_INVENTORY_ELSEWHERE;

	for (size_t i = 0; r == RSM_INVENTORY_ELSEWHERE && i < manager->library_count; i++) {
		struct rsm_library *other;
		struct rsm_err own;

		r = look(library, i + 1 < manager->library_count, &elsewhere, err);
		if (r != RSM_INVENTORY_ELSEWHERE)
			break;
		other = rsm_library_find(manager, elsewhere);
		if (other && see_off(other, &own) < 0)
			rsm_log_warning("%s: %s", other->hardware->source, own.msg);
	}
	if (r < 0)
		return rsm_err_wrap(err, r, "inventory of %s", library->hardware->source);
	return 0;
}

/* ---- moves ---- */

/* Keeps our picture of the elements in step with a move. */
static void note_element_locked(struct rsm_library *library, uint32_t address,
				const char *volume_tag)
{
	for (size_t i = 0; i < library->element_count; i++) {
		struct rsm_element *element = &library->elements[i];

		if (element->address != address)
			continue;
		element->full = volume_tag != NULL;
		snprintf(element->volume_tag, sizeof element->volume_tag, "%.32s",
			 volume_tag ? volume_tag : "");
	}
}

/* Somebody may have been at it since: then what is known of it is set right first. */
static int make_sure(struct rsm_library *library, struct rsm_err *err)
{
	int r = rsm_library_look_at_door(library, err);

	if (r == 0)
		return 0;
	if (r == RSM_CHANGER_NOT_READY)
		return rsm_err_set(err, EAGAIN, "the door of %s is open",
				   library->hardware->source);
	if (r > 0)
		r = rsm_library_inventory(library, err);
	return r < 0 ? r : 0;
}

enum recovered { AT_DESTINATION, AT_SOURCE, ELSEWHERE, NOBODY_KNOWS };

/* Rsm-model.md 2, auto recovery: the robot has failed, or was nowhere; all is looked at again, and
 * the cartridge may be where it should be after all.
 */
static enum recovered recover(struct rsm_library *library, const struct rsm_medium *medium,
			      uint32_t source, uint32_t destination)
{
	struct rsm_medium now;
	struct rsm_err err;

	if (rsm_library_inventory(library, &err) < 0) {
		rsm_log_warning("%s: %s", library->hardware->source, err.msg);
		return NOBODY_KNOWS;
	}
	if (rsm_medium_get(library->manager->catalog, medium->id, &now, NULL) != 0)
		return NOBODY_KNOWS;
	if (now.library != library->id || now.location == RSM_AT_OFFLINE)
		return ELSEWHERE;
	return now.element == destination ? AT_DESTINATION
	       : now.element == source	  ? AT_SOURCE
					  : ELSEWHERE;
}

static bool is_at(struct rsm_library *library, uint32_t address)
{
	RSM_LOCK_SCOPE(&library->manager->lock);
	for (size_t i = 0; i < library->element_count; i++)
		if (library->elements[i].address == address)
			return library->elements[i].full;
	return false;
}

/* The catalogue and the robot disagree: look again, and say who is right. */
static int disagree(struct rsm_library *library, const struct rsm_medium *medium, int outcome,
		    uint32_t source, const char *from, const char *to, struct rsm_err *err)
{
	bool empty = outcome == RSM_CHANGER_SOURCE_EMPTY;

	if (rsm_library_inventory(library, err) < 0)
		return -EIO;
	if (outcome == RSM_CHANGER_NO_MAGAZINE) {
		empty = !is_at(library, source);
		return rsm_err_set(err, empty ? ENOMEDIUM : EEXIST, "%s: the magazine of %s is out",
				   medium->shown, empty ? from : to);
	}
	return rsm_err_set(err, empty ? ENOMEDIUM : EEXIST, "%s: %s is %s", medium->shown,
			   empty ? from : to, empty ? "empty" : "full");
}

/* Somebody may have carried it, or a label that was just read may tell that another one lies there.
 */
static int is_still_there(struct rsm_library *library, const struct rsm_medium *medium,
			  enum rsm_location_kind from, uint32_t source, struct rsm_err *err)
{
	struct rsm_medium now;
	int r = rsm_medium_get(library->manager->catalog, medium->id, &now, err);

	if (r < 0)
		return r;
	if (r > 0 || now.library != library->id || now.location != from || now.element != source)
		return rsm_err_set(err, ENOMEDIUM, "%s was moved by hand", medium->shown);
	return 0;
}

/* In slots and ports a cartridge lies the right way round, so whoever finds it there without a
 * catalogue has its first side under the head; in a drive it lies as it was put there.
 */
static int is_to_be_turned(struct rsm_library *library, const struct rsm_medium *medium,
			   enum rsm_location_kind from, enum rsm_location_kind to, bool *ret_turn,
			   struct rsm_err *err)
{
	bool wanted = to == RSM_AT_DRIVE && medium->side == 1, is = false;
	int r = 0;

	*ret_turn = false;
	if (!rsm_medium_changer_rotates(library->hardware->changer))
		return wanted ? rsm_err_set(err, EMEDIUMTYPE, "the robot cannot turn %s over",
					    medium->shown)
			      : 0;
	if (from == RSM_AT_DRIVE)
		r = rsm_medium_is_inverted(library->manager->catalog, medium->id, &is, err);
	*ret_turn = is != wanted;
	return r;
}

/* Outcomes of rsm_medium_changer_move. */
static int move_once(struct rsm_library *library, const struct rsm_medium *medium,
		     enum rsm_location_kind from, uint32_t source, enum rsm_location_kind to,
		     uint32_t destination, struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	bool turn = false;
	int r;

	/* an inventory that is under way must not report what was before the move */
	RSM_LOCK_SCOPE(&library->inventory);
	r = is_still_there(library, medium, from, source, err);
	if (r == 0)
		r = is_to_be_turned(library, medium, from, to, &turn, err);
	if (r < 0)
		return r;
	r = (turn ? rsm_medium_changer_move_inverted : rsm_medium_changer_move)(
		library->hardware->changer, (uint16_t)source, (uint16_t)destination, err);
	if (r != 0)
		return r;
	rsm_mutex_lock(&manager->lock);
	note_element_locked(library, source, NULL);
	note_element_locked(library, destination, medium->barcode);
	rsm_mutex_unlock(&manager->lock);
	return rsm_medium_set_location(manager->catalog, medium->id, library->id, to, destination,
				       err);
}

/* A robot that has lost its way may find it the second time. */
static int move_and_recover(struct rsm_library *library, const struct rsm_medium *medium,
			    enum rsm_location_kind from, uint32_t source, enum rsm_location_kind to,
			    uint32_t destination, const char *words, struct rsm_err *err)
{
	for (int i = 0;; i++) {
		int r = move_once(library, medium, from, source, to, destination, err);
		bool robot = r < 0 && (err->key == HARDWARE_ERROR || err->key == ABORTED_COMMAND);
		enum recovered recovered;

		if (r >= 0 || r == -ENOMEDIUM)
			return r;
		rsm_err_wrap(err, r, "moving %s %s", medium->shown, words);
		recovered = recover(library, medium, source, destination);
		if (recovered == AT_DESTINATION) {
			rsm_log_warning("%s, but it is there", err->msg);
			return 0;
		}
		if (recovered == ELSEWHERE) /* who wants it looks where it is now */
			return rsm_err_wrap(err, -ENOMEDIUM, "it is elsewhere now");
		if (recovered == NOBODY_KNOWS || !robot || i > 0)
			return r;
		rsm_log_warning("%s, retrying", err->msg);
	}
}

int rsm_library_move(struct rsm_library *library, const struct rsm_medium *medium,
		     enum rsm_location_kind from, uint32_t source, enum rsm_location_kind to,
		     uint32_t destination, struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	char from_text[32], to_text[32], words[80];
	int r;

	rsm_location_text(from, source, from_text);
	rsm_location_text(to, destination, to_text);
	snprintf(words, sizeof words, "from %s to %s", from_text, to_text);
	if (!library->hardware->changer)
		return rsm_err_set(err, ENOMEDIUM, "%s has to be put into the drive by hand",
				   medium->shown);
	r = make_sure(library, err);
	if (r < 0)
		return r;
	r = move_and_recover(library, medium, from, source, to, destination, words, err);
	if (r == RSM_CHANGER_NOT_READY)
		return rsm_err_set(err, EAGAIN, "the door of %s is open",
				   library->hardware->source);
	if (r > 0)
		return disagree(library, medium, r, source, from_text, to_text, err);
	/* who moves it to or from a drive tells of a failure himself */
	if (r < 0 && r != -ENOMEDIUM && from != RSM_AT_DRIVE && to != RSM_AT_DRIVE)
		rsm_manager_tell_error(manager, medium->id, NULL, NULL, err->msg);
	if (r < 0)
		return r;
	rsm_event_add(manager->catalog, "move", "medium", medium->shown, "from", from_text, "to",
		      to_text, "library", library->label, NULL);
	return 0;
}

struct homes {
	struct rsm_library *library;
	const struct rsm_medium *medium;
	uint32_t *slots;
	size_t count, room;
};

static bool gather_home(void *context, const struct rsm_medium *medium)
{
	struct homes *homes = context;

	if (medium->id == homes->medium->id || !medium->home_slot)
		return true;
	if (homes->count < homes->room)
		homes->slots[homes->count++] = medium->home_slot;
	return true;
}

int rsm_library_choose_slot(struct rsm_library *library, const struct rsm_medium *medium,
			    uint32_t *ret_slot, struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	uint32_t reserved[256];
	struct homes homes = { library, medium, reserved, 0, 256 };
	uint32_t found = 0, cleaners = 0;
	int r = rsm_medium_list_in_drives(manager->catalog, library->id, gather_home, &homes, err);

	if (r == 0)
		r = rsm_cleaner_slot(manager->catalog, library->id, &cleaners, err);
	if (r < 0)
		return r;
	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < library->element_count; i++) {
		const struct rsm_element *element = &library->elements[i];
		bool taken = false;

		if (element->type != RSM_ELEMENT_STORAGE || element->full ||
		    !rsm_element_is_present(element))
			continue;
		if (cleaners && element->address == cleaners && !medium->cleaner)
			continue;
		if (element->address == medium->home_slot) {
			*ret_slot = element->address;
			return 0;
		}
		for (size_t k = 0; k < homes.count; k++)
			taken = taken || reserved[k] == element->address;
		if (!taken && !found)
			found = element->address;
	}
	if (!found)
		return rsm_err_set(err, ENOSPC, "%s: no slot of the library is empty",
				   medium->shown);
	*ret_slot = found;
	return 0;
}
