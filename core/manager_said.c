/* What a person says of a cartridge, where neither barcode nor drive tell: that it cleans, of which
 * type it is.
 */
#include <string.h>

#include "core/cleaner.h"
#include "core/drive_fit.h"
#include "core/manager_identify.h"
#include "core/manager_private.h"

static int check_slot(struct rsm_manager *manager, struct rsm_library *library, uint32_t slot,
		      struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < library->element_count; i++)
		if (library->elements[i].type == RSM_ELEMENT_STORAGE &&
		    library->elements[i].address == slot)
			return 0;
	return rsm_err_set(err, ENXIO, "%s has no slot %u", library->hardware->source, slot);
}

/* On its way to a drive it is nothing else than it was. */
static int check_at_rest(struct rsm_manager *manager, int64_t library, uint32_t slot,
			 struct rsm_err *err)
{
	const struct rsm_cartridge *cartridge;
	struct rsm_medium lying;
	int r = rsm_medium_at(manager->catalog, library, RSM_AT_SLOT, slot, &lying, err);

	if (r != 0)
		return r < 0 ? r : 0;
	RSM_LOCK_SCOPE(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, lying.id);
	return cartridge && cartridge->state != RSM_CARTRIDGE_AWAY
		       ? rsm_err_set(err, EBUSY, "%s is in use", lying.shown)
		       : 0;
}

/* Nobody looks into it any more, or again. */
static void apply(struct rsm_manager *manager, const struct rsm_medium *medium)
{
	struct rsm_cartridge *cartridge;

	rsm_mutex_lock(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, medium->id);
	if (cartridge) {
		cartridge->identify = false;
		rsm_drive_fit_note_locked(cartridge, medium);
	}
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	if (!medium->cleaner)
		rsm_identify_want(manager, medium->id);
}

int rsm_manager_set_cleaner_slot(struct rsm_manager *manager, int64_t library_id, uint32_t slot,
				 bool is, struct rsm_err *err)
{
	struct rsm_library *library = rsm_library_find(manager, library_id);
	struct rsm_medium before = { 0 }, lying;
	bool changed = false;
	int r;

	if (!library)
		return rsm_err_set(err, ENODEV, "there is no such library");
	r = check_slot(manager, library, slot, err);
	if (r < 0)
		return r;
	rsm_mutex_lock(&library->inventory);
	r = check_at_rest(manager, library_id, slot, err);
	if (r == 0 &&
	    rsm_medium_at(manager->catalog, library_id, RSM_AT_SLOT, slot, &before, NULL) != 0)
		before.pool = 0;
	if (r == 0)
		r = rsm_cleaner_set_slot(manager->catalog, library_id, slot, is, &lying, &changed,
					 err);
	rsm_mutex_unlock(&library->inventory);
	if (r < 0 || !changed)
		return r;
	apply(manager, &lying);
	rsm_event_add(manager->catalog, "identify", "medium", lying.shown, "label", "", "state",
		      lying.cleaner ? "cleaner" : rsm_medium_state_name(lying.state), NULL);
	if (before.pool)
		rsm_manager_names_changed(manager, before.pool);
	if (lying.pool)
		rsm_manager_names_changed(manager, lying.pool);
	rsm_manager_names_changed(manager, RSM_POOL_TOP);
	return 0;
}

int rsm_manager_set_media_type(struct rsm_manager *manager, int64_t medium, const char *type,
			       struct rsm_err *err)
{
	struct rsm_cartridge *cartridge;
	struct rsm_medium before, now;
	int r = rsm_medium_get(manager->catalog, medium, &before, err);

	if (r == 0)
		r = rsm_medium_set_type(manager->catalog, medium, type, &now, err);
	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "the cartridge is gone");
	if (strcmp(before.media_type, now.media_type) == 0)
		return 0;
	rsm_mutex_lock(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, medium);
	if (cartridge)
		rsm_drive_fit_note_locked(cartridge, &now);
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	rsm_event_add(manager->catalog, "type", "medium", now.shown, "type", now.media_type, NULL);
	rsm_manager_names_changed(manager, before.pool);
	rsm_manager_names_changed(manager, now.pool);
	rsm_manager_names_changed(manager, RSM_POOL_TOP);
	return 0;
}
