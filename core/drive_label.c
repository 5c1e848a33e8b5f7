/* Writing a label: a format, or the free label (rsm-model.md 3.1, 7; promise 3 of its section 20).
 *
 * What may be overwritten by a format or a free label: the free label, a blank tape, the volume
 * that a deallocation left behind (old_uuid; not by what a backup of the catalogue says alone), and
 * what our own labelling left that was cut short (rsm_medium_begin_labelling, before the first
 * byte). Anything else is identified as what it is,
 * and those who waited are told.
 */
#include "core/drive_private.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/catalog_import.h"
#include "core/ltfs/ltfs_volume.h"

static struct rsm_catalog *catalog_of(struct rsm_drive_worker *worker)
{
	return worker->manager->catalog;
}

/* Is it what a labelling of ours was writing when it was cut short? */
bool rsm_drive_is_own_remains(struct rsm_drive_worker *worker, const struct rsm_ltfs_probe *probe)
{
	const char *uuid = NULL;
	bool was = false;

	if (probe->kind == RSM_PROBE_LTFS || probe->half)
		uuid = probe->label.uuid;
	else if (probe->kind == RSM_PROBE_FOREIGN && strcmp(probe->label_type, "damaged LTFS") != 0)
		return false;
	return rsm_medium_was_labelling(catalog_of(worker), worker->medium.id, uuid, &was, NULL) ==
		       0 &&
	       was;
}

/* May what is on the medium be destroyed, as the label work demands? */
static bool may_overwrite(struct rsm_drive_worker *worker, const struct rsm_cartridge *cartridge,
			  const struct rsm_ltfs_probe *probe)
{
	if (cartridge->worm)
		return probe->kind == RSM_PROBE_BLANK;
	switch (probe->kind) {
	case RSM_PROBE_BLANK:
	case RSM_PROBE_FREE: return true;
	case RSM_PROBE_LTFS:
		if (worker->medium.old_uuid[0] &&
		    strcasecmp(probe->label.uuid, worker->medium.old_uuid) == 0 &&
		    !rsm_medium_is_doubtful(catalog_of(worker), worker->medium.id))
			return true;
		break;
	case RSM_PROBE_FOREIGN: break;
	}
	return rsm_drive_is_own_remains(worker, probe);
}

/* rsm free was asked for and confirmed: what the catalogue knew to be on it goes, nothing else. */
static bool may_free(struct rsm_drive_worker *worker, const struct rsm_ltfs_probe *probe)
{
	const struct rsm_medium *medium = &worker->medium;

	if (rsm_drive_is_own_remains(worker, probe))
		return true;
	switch (probe->kind) {
	case RSM_PROBE_BLANK:
	case RSM_PROBE_FREE: return true;
	case RSM_PROBE_LTFS:
		return strcasecmp(probe->label.uuid, medium->old_uuid) == 0 ||
		       strcasecmp(probe->label.uuid, medium->volume_uuid) == 0;
	case RSM_PROBE_FOREIGN:
		return strcmp(probe->label_type, medium->label_type) == 0 &&
		       strcmp(probe->label_info, medium->label_info) == 0;
	}
	return false;
}

static bool is_still_wanted(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_medium now;

	return rsm_medium_get(catalog_of(worker), cartridge->id, &now, NULL) != 0 ||
	       strcmp(now.volume_uuid, worker->medium.volume_uuid) == 0;
}

static int write_free_label(struct rsm_drive_worker *worker, struct rsm_err *err)
{
	int r = rsm_medium_begin_labelling(catalog_of(worker), worker->medium.id, NULL, err);

	return r ? r : rsm_ltfs_write_free_label(worker->drive, worker->medium.barcode, err);
}

static bool is_not_stopping(void *context)
{
	struct rsm_drive_worker *worker = context;

	RSM_LOCK_SCOPE(&worker->manager->lock);
	return !worker->manager->stopping;
}

/* rsm free --erase: in one partition, so that nothing is left between two. A death leaves it to be
 * begun again.
 */
static int erase_if_wanted(struct rsm_drive_worker *worker, struct rsm_err *err)
{
	bool wanted;
	int r = rsm_medium_is_to_be_erased(catalog_of(worker), worker->medium.id, &wanted, err);

	if (r < 0 || !wanted)
		return r;
	rsm_log_info("%s in %s: is being erased", worker->medium.shown, worker->name);
	r = rsm_medium_begin_labelling(catalog_of(worker), worker->medium.id, NULL, err);
	if (r == 0)
		r = rsm_tape_drive_format(worker->drive, 1, err);
	if (r == 0)
		r = rsm_tape_drive_locate(worker->drive, 0, 0, err);
	if (r == 0)
		r = rsm_tape_drive_erase_all(worker->drive, is_not_stopping, worker, err);
	if (r == 0)
		r = rsm_medium_note_erased(catalog_of(worker), worker->medium.id, err);
	if (r != 0)
		return rsm_err_fold(err, r, "erasing");
	rsm_event_add(catalog_of(worker), "erase", "medium", worker->medium.shown, "drive",
		      worker->name, NULL);
	return 0;
}

/* That it had no volume is over before anybody sees that its label work is done. */
static void note_writable(struct rsm_cartridge *cartridge)
{
	RSM_LOCK_SCOPE(&cartridge->manager->lock);
	cartridge->read_only = false;
	cartridge->reason[0] = '\0';
}

static int format(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		  struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(cartridge->content);
	struct drive_identity identity = { 0 };
	enum rsm_label_work next = RSM_LABEL_NONE;
	int r;

	r = rsm_drive_identity(worker, cartridge->id, &identity, err);
	if (r == 0)
		r = rsm_medium_begin_labelling(catalog_of(worker), cartridge->id,
					       worker->medium.volume_uuid, err);
	if (r > 0) { /* deallocated meanwhile: it stays what it was */
		rsm_drive_identity_fini(&identity);
		return 0;
	}
	if (r == 0)
		r = rsm_tape_drive_prevent_removal(worker->drive, true, err);
	worker->prevented = true;
	if (r == 0)
		r = rsm_ltfs_format(worker->drive, cartridge->content, worker->medium.volume_uuid,
				    &identity.identity, &worker->volume, err);
	if (!rsm_drive_identity_is_current(worker, cartridge->id, &identity))
		next = RSM_LABEL_UPDATE;
	rsm_drive_identity_fini(&identity);
	if (!is_still_wanted(worker, cartridge)) {
		/* deallocated meanwhile: nobody would know the volume, or its half */
		rsm_volume_free(worker->volume);
		worker->volume = NULL;
		if (cartridge->worm) /* used up; the catalogue has it decommissioned */
			return 0;
		r = write_free_label(worker, err);
		return r ? r : rsm_medium_forget_labelling(catalog_of(worker), cartridge->id, err);
	}
	if (r == 0)
		r = rsm_volume_index_commit(index, false, err);
	if (r == 0)
		note_writable(cartridge);
	if (r == 0)
		r = rsm_medium_set_label_work(catalog_of(worker), cartridge->id,
					      worker->medium.volume_uuid, RSM_LABEL_FORMAT, next,
					      err);
	if (r == 0)
		r = rsm_drive_cache_reset(worker, RSM_LTFS_BLOCK_SIZE, err);
	if (r == 0) /* whatever was wrong with it is not any more */
		worker->medium.health[0] = '\0';
	if (r == 0)
		rsm_event_add(catalog_of(worker), "format", "medium", cartridge->barcode, "drive",
			      worker->name, "volume", worker->medium.volume_uuid, NULL);
	return r;
}

int rsm_drive_do_label_work(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			    const struct rsm_ltfs_probe *probe, struct rsm_err *err)
{
	struct rsm_medium *m = &worker->medium;
	int r;

	if (m->label_work == RSM_LABEL_FORMAT) {
		r = rsm_cartridge_open_content(cartridge, m->volume_uuid, true, err);
		if (r < 0)
			return r;
		if (probe->kind == RSM_PROBE_LTFS &&
		    strcasecmp(probe->label.uuid, m->volume_uuid) == 0) {
			/* it was formatted; only the note of it was not made, and it may have
			 * another name by now */
			r = rsm_drive_mount_ltfs(worker, cartridge, &probe->label, err);
			return r ? r
				 : rsm_medium_set_label_work(catalog_of(worker), cartridge->id,
							     worker->medium.volume_uuid,
							     RSM_LABEL_FORMAT, RSM_LABEL_UPDATE,
							     err);
		}
		if (may_overwrite(worker, cartridge, probe))
			return format(worker, cartridge, err);
	} else if (!cartridge->worm && may_free(worker, probe)) {
		r = erase_if_wanted(worker, err);
		if (r == 0)
			r = write_free_label(worker, err);
		if (r == 0)
			m->health[0] = '\0';
		return r ? r
			 : rsm_medium_set_label_work(catalog_of(worker), cartridge->id, NULL,
						     RSM_LABEL_FREE, RSM_LABEL_NONE, err);
	}
	r = rsm_drive_note_identification(worker, cartridge, probe, NULL, err);
	return r ? r
		 : rsm_err_set(err, EMEDIUMTYPE,
			       "it holds \"%s\" %s where %s was expected, and is left as it is",
			       probe->label_type,
			       probe->kind == RSM_PROBE_LTFS ? probe->label.uuid
							     : probe->label_info,
			       cartridge->worm ? "a blank cartridge that is written once"
					       : "a free label");
}

/* A format that was under way when the medium was deallocated, and when the process or the power
 * died: what it left is nobody's, and must not be taken for a volume of somebody's.
 */
int rsm_drive_clean_up_label(struct rsm_drive_worker *worker, struct rsm_ltfs_probe *probe,
			     struct rsm_err *err)
{
	int r = write_free_label(worker, err);

	if (r == 0)
		r = rsm_medium_forget_labelling(catalog_of(worker), worker->medium.id, err);
	if (r == 0)
		r = rsm_ltfs_probe(worker->drive, probe, err);
	return r < 0 ? rsm_err_wrap(err, r, "free label in the place of a half volume") : 0;
}
