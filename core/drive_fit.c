#include "core/drive_fit.h"

#include <stdio.h>
#include <string.h>

#include "core/drive_private.h"

static bool is_here(const struct rsm_drive_worker *worker, const struct rsm_cartridge *cartridge)
{
	return worker->library->id == cartridge->library;
}

/* Drives that read and write the same are of one kind; a bit each, by the first of them. */
static uint64_t kind_of(const struct rsm_drive_worker *worker)
{
	const struct rsm_manager *manager = worker->manager;
	const struct rsm_media_reach *reach = &worker->hardware->reach;
	size_t i;

	for (i = 0; i < manager->worker_count && i < 63; i++) {
		const struct rsm_media_reach *other = &manager->workers[i]->hardware->reach;

		if (other->reads == reach->reads && other->writes == reach->writes)
			break;
	}
	return (uint64_t)1 << i;
}

static enum rsm_media_access by_type(const struct rsm_drive_worker *worker,
				     const struct rsm_cartridge *cartridge)
{
	return rsm_media_reach_access(&worker->hardware->reach, cartridge->media_type);
}

/* One that nobody has looked at goes where its barcode says; if no such drive is left, anywhere
 * that has not given it back.
 */
static enum rsm_media_access try_unknown(const struct rsm_drive_worker *worker,
					 const struct rsm_cartridge *cartridge)
{
	const struct rsm_manager *manager = worker->manager;
	bool hinted = false;

	if (cartridge->refused & kind_of(worker))
		return RSM_MEDIA_NONE;
	for (size_t i = 0; i < manager->worker_count; i++) {
		const struct rsm_drive_worker *other = manager->workers[i];

		if (is_here(other, cartridge) && !(cartridge->refused & kind_of(other)) &&
		    by_type(other, cartridge) != RSM_MEDIA_NONE)
			hinted = true;
	}
	return hinted ? by_type(worker, cartridge) : RSM_MEDIA_WRITES;
}

/* Its robot brings either side under the head. */
static bool turns_over(const struct rsm_drive_worker *worker)
{
	const struct rsm_medium_changer *changer = worker->library->hardware->changer;

	return changer && rsm_medium_changer_rotates(changer);
}

enum rsm_media_access rsm_drive_fit_locked(const struct rsm_drive_worker *worker,
					   const struct rsm_cartridge *cartridge)
{
	if (cartridge->side && !turns_over(worker))
		return RSM_MEDIA_NONE;
	if (cartridge->unknown)
		return try_unknown(worker, cartridge);
	return cartridge->incompatible ? RSM_MEDIA_NONE : by_type(worker, cartridge);
}

static enum rsm_media_access best_of(const struct rsm_cartridge *cartridge, bool usable_only)
{
	const struct rsm_manager *manager = cartridge->manager;
	enum rsm_media_access best = RSM_MEDIA_NONE;

	for (size_t i = 0; i < manager->worker_count; i++) {
		const struct rsm_drive_worker *worker = manager->workers[i];
		enum rsm_media_access access;

		if (!is_here(worker, cartridge) ||
		    (usable_only &&
		     (!worker->enabled || rsm_drive_worker_has_failed_locked(worker))))
			continue;
		access = rsm_drive_fit_locked(worker, cartridge);
		if (access > best)
			best = access;
	}
	return best;
}

enum rsm_media_access rsm_drive_fit_best_locked(const struct rsm_cartridge *cartridge)
{
	return cartridge->library ? best_of(cartridge, false) : RSM_MEDIA_WRITES;
}

static bool has_come(int64_t at_ns, int64_t now)
{
	return at_ns && at_ns <= now;
}

static bool is_to_be_written(const struct rsm_cartridge *cartridge)
{
	int64_t now = rsm_manager_now(cartridge->manager);

	RSM_LIST_FOR_EACH (item, &cartridge->mounts)
		if (RSM_CONTAINER_OF(item, struct rsm_mount_request, link)->flags & RSM_MOUNT_WRITE)
			return true;
	if (cartridge->label_at_ns) /* nothing else can be done before */
		return true;
	if (cartridge->read_only || cartridge->retry_at_ns > now)
		return false;
	if (cartridge->syncs && (cartridge->migrate_at_ns || cartridge->index_at_ns))
		return true;
	return (has_come(cartridge->migrate_at_ns, now) && !cartridge->full) ||
	       has_come(cartridge->index_at_ns, now);
}

bool rsm_drive_fit_takes_locked(const struct rsm_cartridge *cartridge, uint32_t element)
{
	const struct rsm_manager *manager = cartridge->manager;

	for (size_t i = 0; manager && i < manager->worker_count; i++) {
		const struct rsm_drive_worker *worker = manager->workers[i];
		enum rsm_media_access access;

		if (worker->element != element || !is_here(worker, cartridge))
			continue;
		access = rsm_drive_fit_locked(worker, cartridge);
		if (access != RSM_MEDIA_READS || !is_to_be_written(cartridge))
			return access != RSM_MEDIA_NONE;
		return best_of(cartridge, true) != RSM_MEDIA_WRITES;
	}
	return true;
}

bool rsm_drive_fit_must_change_locked(const struct rsm_drive_worker *worker,
				      const struct rsm_cartridge *cartridge)
{
	return rsm_drive_fit_locked(worker, cartridge) == RSM_MEDIA_READS &&
	       is_to_be_written(cartridge) && best_of(cartridge, true) == RSM_MEDIA_WRITES;
}

bool rsm_drive_fit_is_fixed_locked(const struct rsm_cartridge *cartridge,
				   const struct rsm_medium *medium)
{
	return medium->write_protected || rsm_drive_fit_best_locked(cartridge) != RSM_MEDIA_WRITES;
}

bool rsm_drive_fit_has_label_work_locked(const struct rsm_cartridge *cartridge,
					 const struct rsm_medium *medium)
{
	return medium->label_work != RSM_LABEL_NONE &&
	       (medium->label_work != RSM_LABEL_UPDATE ||
		!rsm_drive_fit_is_fixed_locked(cartridge, medium));
}

/* ---- words ---- */

/* "LTO-9, LTO-8" */
static void list_drives(const struct rsm_cartridge *cartridge, char *ret_text, size_t size)
{
	const struct rsm_manager *manager = cartridge->manager;
	size_t length = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < manager->worker_count; i++) {
		const struct rsm_drive_worker *worker = manager->workers[i];

		if (!is_here(worker, cartridge) || strstr(ret_text, worker->hardware->type) ||
		    length + sizeof worker->hardware->type + 2 >= size)
			continue;
		length += (size_t)snprintf(ret_text + length, size - length, "%s%s",
					   length ? ", " : "", worker->hardware->type);
	}
}

static bool is_turned_here(const struct rsm_cartridge *cartridge)
{
	const struct rsm_manager *manager = cartridge->manager;

	for (size_t i = 0; i < manager->worker_count; i++)
		if (is_here(manager->workers[i], cartridge) && turns_over(manager->workers[i]))
			return true;
	return false;
}

int rsm_drive_fit_check_locked(const struct rsm_cartridge *cartridge, uint32_t drive, bool write,
			       struct rsm_err *err)
{
	const struct rsm_manager *manager = cartridge->manager;
	char drives[128];

	if (!cartridge->library)
		return 0;
	if (cartridge->side && !is_turned_here(cartridge))
		return rsm_err_set(err, EMEDIUMTYPE, "no robot here can turn %s over",
				   cartridge->barcode);
	if (rsm_drive_fit_best_locked(cartridge) == RSM_MEDIA_NONE) {
		list_drives(cartridge, drives, sizeof drives);
		return rsm_err_set(err, EMEDIUMTYPE, "no drive here can use %s (%s): they are %s",
				   cartridge->barcode, cartridge->media_type, drives);
	}
	for (size_t i = 0; drive && i < manager->worker_count; i++) {
		const struct rsm_drive_worker *worker = manager->workers[i];
		enum rsm_media_access access;

		if (worker->element != drive || !is_here(worker, cartridge))
			continue;
		access = rsm_drive_fit_locked(worker, cartridge);
		if (access == RSM_MEDIA_NONE || (write && access == RSM_MEDIA_READS))
			return rsm_err_set(err, EMEDIUMTYPE, "%s (%s) %s %s (%s)", worker->name,
					   worker->hardware->type,
					   access == RSM_MEDIA_NONE ? "cannot use" : "only reads",
					   cartridge->barcode, cartridge->media_type);
	}
	if (write && rsm_drive_fit_best_locked(cartridge) == RSM_MEDIA_READS)
		return rsm_err_set(err, EROFS, "no drive here writes %s (%s)", cartridge->barcode,
				   cartridge->media_type);
	return 0;
}

/* ---- what it is ---- */

void rsm_drive_fit_note_locked(struct rsm_cartridge *cartridge, const struct rsm_medium *medium)
{
	snprintf(cartridge->media_type, sizeof cartridge->media_type, "%s", medium->media_type);
	cartridge->unknown = medium->state == RSM_MEDIUM_UNKNOWN;
	cartridge->incompatible = medium->state == RSM_MEDIUM_INCOMPATIBLE;
	if (!cartridge->unknown)
		cartridge->refused = 0;
}

bool rsm_drive_fit_refused_locked(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	if (!cartridge->unknown)
		return false;
	cartridge->refused |= kind_of(worker);
	return best_of(cartridge, false) != RSM_MEDIA_NONE;
}

bool rsm_drive_fit_goes_on_locked(const struct rsm_drive_worker *worker,
				  const struct rsm_cartridge *cartridge)
{
	return cartridge->unknown && cartridge->refused & kind_of(worker) &&
	       best_of(cartridge, true) != RSM_MEDIA_NONE;
}

int rsm_drive_fit_register(struct rsm_library *library, struct rsm_err *err)
{
	struct rsm_library_limit limits[64];
	size_t count = 0;
	const char *type;

	for (size_t i = 0; (type = rsm_media_type_at(i)) && count < 64; i++) {
		enum rsm_media_access best = RSM_MEDIA_NONE;

		for (size_t k = 0; k < library->hardware->drive_count; k++) {
			enum rsm_media_access access =
				rsm_media_reach_access(&library->hardware->drives[k].reach, type);

			if (access > best)
				best = access;
		}
		if (best != RSM_MEDIA_WRITES)
			limits[count++] =
				(struct rsm_library_limit){ type, best == RSM_MEDIA_READS };
	}
	return rsm_library_set_limits(library->manager->catalog, library->id, limits, count, err);
}
