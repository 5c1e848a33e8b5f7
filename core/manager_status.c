/* Libraries, drives and elements for those who look; inventories, ports. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/copy.h"
#include "core/cleaner.h"
#include "core/drive_private.h"
#include "core/hand.h"

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
		struct rsm_medium resting;
		struct rsm_drive_status *drive = &drives[i];

		rsm_drive_worker_view_locked(manager->workers[i], &view);
		if (rsm_drive_get(manager->catalog, view.row, &row, NULL) == 0)
			drive->mounts = row.mounts;
		if (rsm_cleaner_last(manager->catalog, view.row, &drive->cleaned, NULL) < 0)
			drive->cleaned = 0;
		drive->unclean = view.unclean;
		identity = rsm_tape_drive_identity(view.hardware->drive);
		drive->library = view.library;
		drive->element = view.element;
		drive->medium = view.medium;
		if (!drive->medium && rsm_hand_is(manager->workers[i]->library) &&
		    rsm_medium_at(manager->catalog, view.library, RSM_AT_DRIVE, view.element,
				  &resting, NULL) == 0)
			drive->medium = resting.id;
		drive->enabled = view.enabled;
		drive->state = !view.enabled ? "disabled"
			       : drive->medium && view.state == RSM_DRIVE_EMPTY
				       ? rsm_drive_state_name(RSM_DRIVE_IDLE)
				       : rsm_drive_state_name(view.state);
		snprintf(drive->node, sizeof drive->node, "%s", view.hardware->node);
		drive->reach = view.hardware->reach;
		snprintf(drive->type, sizeof drive->type, "%s", view.hardware->type);
		snprintf(drive->vendor, sizeof drive->vendor, "%s", identity->vendor);
		snprintf(drive->product, sizeof drive->product, "%s", identity->product);
		snprintf(drive->serial, sizeof drive->serial, "%s", identity->serial);
	}
	*ret_drives = drives;
	*ret_count = manager->worker_count;
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
		status->door = !library->hardware->changer ? ""
			       : library->not_ready	   ? "open"
			       : library->door_locked	   ? "locked"
							   : "unlocked";
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
