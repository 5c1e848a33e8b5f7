/* Libraries, drives and elements for those who look; inventories, ports. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/drive_private.h"

#define LOOK_NS (RSM_SECOND_NS / 10)

void rsm_manager_counts(struct rsm_manager *manager, unsigned *ret_drives, unsigned *ret_cartridges)
{
	*ret_drives = (unsigned)manager->worker_count;
	*ret_cartridges = 0;
	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < manager->library_count; i++)
		for (size_t k = 0; k < manager->libraries[i].element_count; k++)
			if (manager->libraries[i].elements[k].full &&
			    !rsm_barcode_is_cleaner(manager->libraries[i].elements[k].volume_tag))
				++*ret_cartridges;
}

/* Nobody has asked the medium yet: what its type holds (LTO generations 5 to 9, native). */
uint64_t rsm_manager_nominal_capacity(struct rsm_manager *manager, const struct rsm_medium *medium)
{
	static const struct {
		const char *type;
		uint64_t bytes;
	} types[] = {
		{ "LTO-5", 1500000000000 },  { "LTO-6", 2500000000000 },
		{ "LTO-7", 6000000000000 },  { "LTO-8", 12000000000000 },
		{ "LTO-9", 18000000000000 },
	};

	(void)manager;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strncmp(medium->media_type, types[i].type, strlen(types[i].type)) == 0)
			return types[i].bytes;
	return 0;
}

int rsm_manager_drives(struct rsm_manager *manager, struct rsm_drive_status **ret_drives,
		       size_t *ret_count, struct rsm_err *err)
{
	struct rsm_drive_status *drives = calloc(manager->worker_count + 1, sizeof *drives);

	if (!drives)
		return rsm_err_oom(err);
	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < manager->worker_count; i++) {
		const struct rsm_device_identity *identity;
		struct rsm_drive_view view;
		struct rsm_drive_row row;
		struct rsm_drive_status *drive = &drives[i];

		rsm_drive_worker_view_locked(manager->workers[i], &view);
		if (rsm_drive_get(manager->catalog, view.row, &row, NULL) == 0)
			drive->mounts = row.mounts;
		identity = rsm_tape_drive_identity(view.hardware->drive);
		drive->library = view.library;
		drive->element = view.element;
		drive->medium = view.medium;
		drive->enabled = view.enabled;
		drive->state = view.enabled ? rsm_drive_state_name(view.state) : "disabled";
		snprintf(drive->node, sizeof drive->node, "%s", view.hardware->node);
		snprintf(drive->type, sizeof drive->type, "%s", view.hardware->type);
		snprintf(drive->vendor, sizeof drive->vendor, "%s", identity->vendor);
		snprintf(drive->product, sizeof drive->product, "%s", identity->product);
		snprintf(drive->serial, sizeof drive->serial, "%s", identity->serial);
	}
	*ret_drives = drives;
	*ret_count = manager->worker_count;
	return 0;
}

int rsm_manager_enable_drive(struct rsm_manager *manager, int64_t library, uint32_t element,
			     bool enabled, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < manager->worker_count; i++) {
		struct rsm_drive_view view;
		bool library_enabled = true;
		int r;

		rsm_drive_worker_view_locked(manager->workers[i], &view);
		if (view.library != library || view.element != element)
			continue;
		r = rsm_drive_set_enabled(manager->catalog, view.row, enabled, err);
		if (r == 0)
			r = rsm_library_is_enabled(manager->catalog, library, &library_enabled,
						   err);
		if (r == 0)
			rsm_drive_worker_set_enabled_locked(manager->workers[i],
							    enabled && library_enabled);
		return r;
	}
	return rsm_err_set(err, ENXIO, "there is no drive %u", element);
}

int rsm_manager_enable_library(struct rsm_manager *manager, int64_t library, bool enabled,
			       struct rsm_err *err)
{
	bool found = false;
	int r;

	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < manager->library_count; i++) {
		if (manager->libraries[i].id != library)
			continue;
		r = rsm_library_set_enabled(manager->catalog, library, enabled, err);
		if (r < 0)
			return r;
		manager->libraries[i].enabled = enabled;
		found = true;
	}
	if (!found)
		return rsm_err_set(err, ENODEV, "there is no library %lld", (long long)library);
	for (size_t i = 0; i < manager->worker_count; i++) {
		struct rsm_drive_row row;
		struct rsm_drive_view view;

		rsm_drive_worker_view_locked(manager->workers[i], &view);
		if (view.library != library)
			continue;
		r = rsm_drive_get(manager->catalog, view.row, &row, err);
		if (r < 0)
			return r;
		rsm_drive_worker_set_enabled_locked(manager->workers[i],
						    enabled && r == 0 && row.enabled);
	}
	return 0;
}

int rsm_manager_libraries(struct rsm_manager *manager, struct rsm_library_status **ret_libraries,
			  size_t *ret_count, struct rsm_err *err)
{
	struct rsm_library_status *libraries =
		calloc(manager->library_count + 1, sizeof *libraries);

	if (!libraries)
		return rsm_err_oom(err);
	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < manager->library_count; i++) {
		const struct rsm_library *library = &manager->libraries[i];
		struct rsm_library_status *status = &libraries[i];

		status->id = library->id;
		status->kind = library->kind;
		status->enabled = library->enabled;
		status->drives = (unsigned)library->hardware->drive_count;
		snprintf(status->source, sizeof status->source, "%s", library->hardware->source);
		if (library->hardware->changer) {
			const struct rsm_device_identity *identity =
				rsm_medium_changer_identity(library->hardware->changer);

			snprintf(status->vendor, sizeof status->vendor, "%s", identity->vendor);
			snprintf(status->product, sizeof status->product, "%s", identity->product);
		}
		for (size_t k = 0; k < library->element_count; k++) {
			const struct rsm_element *element = &library->elements[k];

			status->slots += element->type == RSM_ELEMENT_STORAGE;
			status->ports += element->type == RSM_ELEMENT_IMPORT_EXPORT;
			status->cartridges += element->full;
		}
	}
	*ret_libraries = libraries;
	*ret_count = manager->library_count;
	return 0;
}

int rsm_manager_elements(struct rsm_manager *manager, int64_t library_id,
			 struct rsm_element **ret_elements, size_t *ret_count, struct rsm_err *err)
{
	struct rsm_library *library = rsm_library_find(manager, library_id);
	struct rsm_element *elements;

	if (!library)
		return rsm_err_set(err, ENODEV, "there is no such library");
	RSM_LOCK_SCOPE(&manager->lock);
	elements = calloc(library->element_count + 1, sizeof *elements);
	if (!elements)
		return rsm_err_oom(err);
	memcpy(elements, library->elements, library->element_count * sizeof *elements);
	*ret_elements = elements;
	*ret_count = library->element_count;
	return 0;
}

/* ---- ports ---- */

int rsm_manager_inject_wait(struct rsm_manager *manager, unsigned timeout_ms,
			    const atomic_bool *cancel, unsigned *ret_count, struct rsm_err *err)
{
	int64_t deadline = rsm_manager_now(manager) + (int64_t)timeout_ms * 1000000;
	int64_t before = rsm_event_last(manager->catalog);

	*ret_count = 0;
	for (;;) {
		for (size_t i = 0; i < manager->library_count; i++) {
			int r = manager->libraries[i].hardware->changer
					? rsm_library_inject(&manager->libraries[i], ret_count, err)
					: 0;

			if (r < 0)
				return r;
		}
		/* the housekeeper may have been quicker */
		if (!*ret_count)
			*ret_count = rsm_manager_count_injected(manager, before);
		if (*ret_count || rsm_manager_now(manager) >= deadline)
			return 0;
		if (cancel && atomic_load(cancel))
			return rsm_err_set(err, EINTR, "interrupted");
		rsm_clock_sleep_ns(manager->clock, LOOK_NS);
	}
}

static bool count_injection(void *context, int64_t number, const char *line)
{
	(void)number;
	*(unsigned *)context += strstr(line, " event=inject ") != NULL;
	return true;
}

unsigned rsm_manager_count_injected(struct rsm_manager *manager, int64_t after)
{
	unsigned count = 0;
	bool lost;

	if (rsm_event_list(manager->catalog, after, NULL, count_injection, &count, &lost, NULL) < 0)
		return 0;
	return count;
}

static int free_port(struct rsm_library *library, uint32_t *ret_port, struct rsm_err *err)
{
	unsigned ports = 0;

	RSM_LOCK_SCOPE(&library->manager->lock);
	for (size_t i = 0; i < library->element_count; i++) {
		const struct rsm_element *element = &library->elements[i];

		if (element->type != RSM_ELEMENT_IMPORT_EXPORT)
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

static int eject(struct rsm_manager *manager, struct rsm_cartridge *cartridge, bool force,
		 const atomic_bool *cancel, struct rsm_err *err)
{
	struct rsm_content_use use = { 0 };
	struct rsm_library *library;
	struct rsm_medium m;
	uint32_t port = 0;
	bool mounted, kept;
	int r;

	rsm_mutex_lock(&manager->lock);
	if (cartridge->content)
		rsm_content_use(cartridge->content, &use);
	mounted = cartridge->state != RSM_CARTRIDGE_AWAY;
	kept = lies_in_drive_locked(manager, cartridge);
	rsm_mutex_unlock(&manager->lock);
	if ((use.open_files && !force) || kept)
		return rsm_err_set(err, EBUSY, "%s is in use", cartridge->barcode);
	r = mounted ? rsm_manager_send_home(manager, cartridge->id, false, true, cancel, err) : 0;
	if (r == -EINVAL)
		r = 0; /* it went home by itself meanwhile */
	if (r == 0)
		r = rsm_medium_get(manager->catalog, cartridge->id, &m, err);
	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "there is no such cartridge");
	library = m.location == RSM_AT_OFFLINE ? NULL : rsm_library_find(manager, m.library);
	if (!library)
		return rsm_err_set(err, ENOMEDIUM, "%s is not in the library", m.shown);
	if (m.location == RSM_AT_PORT)
		return 0;
	r = free_port(library, &port, err);
	if (r < 0)
		return r;
	/* before it moves: else it would be taken in again at once, or at the next start */
	r = rsm_medium_set_ejected(manager->catalog, m.id, true, err);
	if (r < 0)
		return r;
	rsm_mutex_lock(&manager->lock);
	cartridge->ejected = true;
	cartridge->library = 0; /* nothing is mounted from a port */
	rsm_mutex_unlock(&manager->lock);
	r = rsm_library_move(library, &m, m.location, m.element, RSM_AT_PORT, port, err);
	if (r == -EEXIST)
		r = rsm_err_wrap(err, -ENOSPC, "port %u", port);
	if (r < 0) {
		rsm_mutex_lock(&manager->lock);
		cartridge->ejected = false;
		cartridge->library = library->id;
		rsm_mutex_unlock(&manager->lock);
		if (rsm_medium_set_ejected(manager->catalog, m.id, false, NULL) < 0)
			rsm_log_debug(RSM_ROOM_DRIVE, "%s: still noted as ejected", m.shown);
		return r;
	}
	rsm_manager_note_presence(manager, cartridge);
	rsm_event_add(manager->catalog, "eject", "medium", m.shown, "library", library->label,
		      NULL);
	return 0;
}

int rsm_manager_eject_wait(struct rsm_manager *manager, int64_t medium, bool force,
			   const atomic_bool *cancel, struct rsm_err *err)
{
	struct rsm_cartridge *cartridge;
	int r = rsm_cartridge_ref(manager, medium, &cartridge, err);

	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "there is no such cartridge");
	r = eject(manager, cartridge, force, cancel, err);
	rsm_cartridge_unref(cartridge);
	return r;
}
