/* Drives and libraries go out of use and come back (rsm-model.md 12): who uses them finishes,
 * nobody else begins, and what was enabled before is so again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/drive_private.h"

static void tell(struct rsm_manager *manager, const char *key, const char *what, bool enabled)
{
	rsm_event_add(manager->catalog, enabled ? "enable" : "disable", key, what, NULL);
}

static int already(const char *what, bool enabled, struct rsm_err *err)
{
	return rsm_err_set(err, EINVAL, "%s is %s already", what, enabled ? "enabled" : "disabled");
}

static struct rsm_drive_worker *find_worker(struct rsm_manager *manager, int64_t library,
					    uint32_t element)
{
	for (size_t i = 0; i < manager->worker_count; i++)
		if (manager->workers[i]->library->id == library &&
		    manager->workers[i]->element == element)
			return manager->workers[i];
	return NULL;
}

static int set_drive(struct rsm_drive_worker *worker, bool enabled, struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_drive_row row = { 0 };
	int r;

	RSM_LOCK_SCOPE(&manager->lock);
	r = rsm_drive_get(manager->catalog, worker->row, &row, err);
	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENXIO, "%s is not known", worker->name);
	/* one that has failed is tried again */
	if (row.enabled == enabled && !(enabled && rsm_drive_worker_has_failed_locked(worker)))
		return already(worker->name, enabled, err);
	r = rsm_drive_set_enabled(manager->catalog, worker->row, enabled, err);
	if (r == 0)
		rsm_drive_worker_set_enabled_locked(worker, enabled && worker->library->enabled);
	return r;
}

int rsm_manager_enable_drive(struct rsm_manager *manager, int64_t library, uint32_t element,
			     bool enabled, struct rsm_err *err)
{
	struct rsm_drive_worker *worker = find_worker(manager, library, element);
	int r;

	if (!worker)
		return rsm_err_set(err, ENXIO, "there is no drive %u", element);
	r = set_drive(worker, enabled, err);
	if (r < 0)
		return r;
	tell(manager, "drive", worker->name, enabled);
	rsm_manager_note_failed_drive(manager); /* if it was the last one, nobody waits for it */
	return 0;
}

static bool is_here(struct rsm_manager *manager, int64_t row)
{
	for (size_t i = 0; i < manager->worker_count; i++)
		if (manager->workers[i]->row == row)
			return true;
	return false;
}

int rsm_manager_forget_drive(struct rsm_manager *manager, const char *word,
			     struct rsm_drive_row *ret_drive, struct rsm_err *err)
{
	struct rsm_drive_row row = { 0 };
	unsigned found = 0;
	bool here = false;
	char name[48];
	int r;

	while ((r = rsm_drive_find(manager->catalog, word, row.id, &row, err)) == 0) {
		if (is_here(manager, row.id)) {
			here = true;
			continue;
		}
		*ret_drive = row;
		found++;
	}
	if (r < 0)
		return r;
	/* what stands there now is meant, unless the serial number tells another one */
	if (here)
		return rsm_err_set(err, EBUSY,
				   "drive %s is in the library; one that it has replaced goes by "
				   "its serial number",
				   word);
	if (found == 0)
		return rsm_err_set(err, ENXIO, "there is no drive %s", word);
	if (found > 1)
		return rsm_err_set(err, EINVAL,
				   "there were several drives %s: say the serial number, as %s",
				   word, ret_drive->serial);
	r = rsm_drive_delete(manager->catalog, ret_drive->id, err);
	if (r < 0)
		return r;
	snprintf(name, sizeof name, "drive %u", ret_drive->element);
	rsm_event_add(manager->catalog, "forget", "drive", name, "text", ret_drive->serial, NULL);
	return 0;
}

static int set_library(struct rsm_library *library, bool enabled, struct rsm_err *err)
{
	struct rsm_manager *manager = library->manager;
	bool failed = false;
	int r = 0;

	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < manager->worker_count; i++)
		failed = failed || (manager->workers[i]->library == library &&
				    rsm_drive_worker_has_failed_locked(manager->workers[i]));
	if (library->enabled == enabled && !(enabled && failed))
		return already(library->hardware->source, enabled, err);
	r = rsm_library_set_enabled(manager->catalog, library->id, enabled, err);
	if (r < 0)
		return r;
	library->enabled = enabled;
	for (size_t i = 0; i < manager->worker_count; i++) {
		struct rsm_drive_worker *worker = manager->workers[i];
		struct rsm_drive_row row = { 0 };

		if (worker->library != library)
			continue;
		r = rsm_drive_get(manager->catalog, worker->row, &row, err);
		if (r < 0)
			return r;
		rsm_drive_worker_set_enabled_locked(worker, enabled && r == 0 && row.enabled);
	}
	return 0;
}

/* Contents that are open learn whether they may be used. */
static void apply_states(struct rsm_library *library)
{
	struct rsm_manager *manager = library->manager;
	struct rsm_list *at;

	rsm_mutex_lock(&manager->lock);
	for (at = manager->cartridges.next; at != &manager->cartridges; at = at->next) {
		struct rsm_cartridge *cartridge = RSM_CONTAINER_OF(at, struct rsm_cartridge, link);

		if (cartridge->library != library->id || !cartridge->content)
			continue;
		cartridge->references++; /* keeps it in the table */
		rsm_mutex_unlock(&manager->lock);
		rsm_manager_apply_state(manager, cartridge);
		rsm_mutex_lock(&manager->lock);
		cartridge->references--;
	}
	rsm_mutex_unlock(&manager->lock);
}

int rsm_manager_enable_library(struct rsm_manager *manager, int64_t id, bool enabled,
			       struct rsm_err *err)
{
	struct rsm_library *library = rsm_library_find(manager, id);
	char number[24];
	int r;

	if (!library)
		return rsm_err_set(err, ENODEV, "there is no library %lld", (long long)id);
	r = set_library(library, enabled, err);
	if (r < 0)
		return r;
	snprintf(number, sizeof number, "%" PRId64, id);
	tell(manager, "library", number, enabled);
	apply_states(library);
	rsm_manager_note_failed_drive(manager);
	return 0;
}
