/* Fetching a cartridge: the robot, the drive, and the label, which is read and compared before
 * anything is ever written (rsm-model.md 5, 8; promises 3 and 4 of its section 20).
 */
#include "core/drive_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/acl_text.h"
#include "core/catalog_import.h"
#include "core/copy.h"
#include "core/drive_fit.h"
#include "core/ltfs/ltfs_volume.h"
#include "core/tapefile/tapefile.h"

static struct rsm_catalog *catalog_of(struct rsm_drive_worker *worker)
{
	return worker->manager->catalog;
}

/* ---- identity ---- */

static int get_acl(struct rsm_drive_worker *worker, int64_t medium, char **ret_acl,
		   struct rsm_err *err)
{
	RSM_TEXT struct rsm_text access = { 0 }, inherited = { 0 }, text = { 0 };
	int r = rsm_catalog_get_xattr(catalog_of(worker), 'm', medium, RSM_ACL_ACCESS, &access,
				      err);

	if (r >= 0)
		r = rsm_catalog_get_xattr(catalog_of(worker), 'm', medium, RSM_ACL_DEFAULT,
					  &inherited, err);
	if (r < 0)
		return r;
	rsm_acl_text_format(&access, &inherited, &text);
	return rsm_text_take(&text, ret_acl, err);
}

/* A copy bears whose copy it is. One whose first is not known bears what it bore: nothing is
 * written to it.
 */
static int be_like_first(struct rsm_drive_worker *worker, struct drive_identity *identity,
			 int64_t *ret_whose, struct rsm_err *err)
{
	struct rsm_medium *m = &identity->medium, first;
	struct rsm_copy copy;
	int r = rsm_copy_get(catalog_of(worker), m->id, &copy, err);

	identity->copy_of[0] = '\0';
	if (r != 0)
		return r < 0 ? r : 0;
	r = copy.first ? rsm_medium_get(catalog_of(worker), copy.first, &first, err) : 1;
	if (r < 0)
		return r;
	if (r > 0) {
		m->lmid[0] = '\0';
		return 0;
	}
	memcpy(identity->copy_of, copy.volume, sizeof identity->copy_of);
	memcpy(m->lmid, first.lmid, sizeof m->lmid);
	memcpy(m->name, first.name, sizeof m->name);
	m->pool = first.pool;
	m->state = first.state;
	m->mode = first.mode;
	m->owner = first.owner;
	m->group = first.group;
	*ret_whose = first.id;
	return 0;
}

static int reserves_other(struct rsm_drive_worker *worker, int64_t medium, bool *ret_does,
			  struct rsm_err *err)
{
	struct rsm_medium other = { 0 };
	int64_t id;
	int r = rsm_medium_other_side(catalog_of(worker), medium, &id, err);

	if (r == 0)
		r = rsm_medium_get(catalog_of(worker), id, &other, err);
	*ret_does = r == 0 && other.state == RSM_MEDIUM_RESERVED;
	return r < 0 ? r : 0;
}

int rsm_drive_identity(struct rsm_drive_worker *worker, int64_t medium,
		       struct drive_identity *ret_identity, struct rsm_err *err)
{
	struct rsm_medium *m = &ret_identity->medium;
	int64_t whose = medium;
	bool reserves = false;
	int r = rsm_medium_get(catalog_of(worker), medium, m, err);

	if (r > 0)
		return rsm_err_set(err, ENOENT, "the cartridge is not in the catalogue any more");
	if (r == 0)
		r = be_like_first(worker, ret_identity, &whose, err);
	if (r == 0)
		r = rsm_pool_path(catalog_of(worker), m->pool, &ret_identity->pool, err);
	if (r == 0)
		r = get_acl(worker, whose, &ret_identity->acl, err);
	if (r == 0)
		r = reserves_other(worker, medium, &reserves, err);
	if (r < 0)
		return r;
	ret_identity->identity = (struct rsm_volume_identity){
		.pool = m->lmid[0] ? ret_identity->pool : NULL,
		.name = m->lmid[0] ? m->name : NULL,
		.lmid = m->lmid[0] ? m->lmid : NULL,
		.side = m->guid,
		.state = m->state == RSM_MEDIUM_COMPLETE ? "complete" : "allocated",
		.barcode = m->barcode,
		.acl = ret_identity->acl,
		.copy_of = ret_identity->copy_of[0] ? ret_identity->copy_of : NULL,
		.mode = m->mode,
		.owner = m->owner,
		.group = m->group,
		.reserves_other = reserves,
	};
	return 0;
}

void rsm_drive_identity_fini(struct drive_identity *identity)
{
	free(identity->pool);
	free(identity->acl);
	identity->pool = identity->acl = NULL;
}

/* ---- status ---- */

/* That a place of the medium could not be read or written outlasts what goes well elsewhere on it:
 * until it is formatted.
 */
static const char *const lasting[] = { "read error ", "write error ", "another cartridge bears ",
				       "it bears the same volume " };

static bool is_lasting(const char *health)
{
	for (size_t i = 0; i < sizeof lasting / sizeof *lasting; i++)
		if (strncmp(health, lasting[i], strlen(lasting[i])) == 0)
			return true;
	return false;
}

void rsm_drive_note_error(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			  bool writing, const struct rsm_err *failure)
{
	struct rsm_medium *m = &worker->medium;
	struct rsm_err err;

	if (failure->key != RSM_KEY_MEDIUM_ERROR)
		return; /* the drive's own, or the way to it */
	if (writing)
		worker->told.write_errors++;
	else
		worker->told.read_errors++;
	if (rsm_medium_is_unwritable(m))
		return;
	snprintf(m->health, sizeof m->health, "%s%02X/%02X/%02X in %s", lasting[writing],
		 failure->key, failure->asc, failure->ascq, worker->name);
	if (rsm_medium_set_health(catalog_of(worker), cartridge->id, m->health, &err) < 0)
		rsm_log_warning("%s in %s: %s", cartridge->barcode, worker->name, err.msg);
}

void rsm_drive_note_traffic(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_medium_traffic *told = &worker->told, traffic = *told;
	struct rsm_err err;
	uint64_t read, written;

	rsm_tape_drive_traffic(worker->drive, &read, &written);
	traffic.bytes_read = read - told->bytes_read;
	traffic.bytes_written = written - told->bytes_written;
	*told = (struct rsm_medium_traffic){ .bytes_read = read, .bytes_written = written };
	if (!traffic.bytes_read && !traffic.bytes_written && !traffic.read_errors &&
	    !traffic.write_errors)
		return;
	if (rsm_medium_record_add(catalog_of(worker), cartridge->id, &traffic, &err) < 0)
		rsm_log_warning("%s in %s: its record is not kept: %s", cartridge->barcode,
				worker->name, err.msg);
}

/* That this drive only reads it is no quality of the cartridge, unless there is no other. */
static void note_drive_locked(struct rsm_drive_worker *worker,
			      const struct rsm_cartridge *cartridge,
			      struct rsm_volume_status *status)
{
	if (!status->read_only || rsm_drive_fit_locked(worker, cartridge) != RSM_MEDIA_READS ||
	    worker->medium.write_protected)
		return;
	status->read_only = rsm_drive_fit_best_locked(cartridge) == RSM_MEDIA_READS;
	status->reason[0] = '\0';
	if (status->read_only)
		snprintf(status->reason, sizeof status->reason, "no drive here writes %s",
			 cartridge->media_type);
}

void rsm_drive_note_status(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			   bool loaded)
{
	struct rsm_volume_status status = { .read_only = true };
	struct rsm_medium m = worker->medium;
	struct rsm_err err;
	int r;

	if (worker->volume)
		worker->volume->ops->status(worker->volume, &status);
	rsm_mutex_lock(&worker->manager->lock);
	note_drive_locked(worker, cartridge, &status);
	if (loaded)
		cartridge->unwritable = rsm_medium_is_unwritable(&m);
	if (cartridge->unwritable && !status.read_only) {
		status.read_only = true;
		snprintf(status.reason, sizeof status.reason, "%s",
			 rsm_medium_is_unwritable(&m) ? m.health : cartridge->reason);
	}
	cartridge->read_only = status.read_only;
	cartridge->no_room = status.full;
	snprintf(cartridge->reason, sizeof cartridge->reason, "%s", status.reason);
	rsm_mutex_unlock(&worker->manager->lock);
	if (worker->volume) {
		m.capacity = status.capacity;
		m.remaining = status.remaining;
		m.index_generation = status.index_generation;
		if (status.reason[0] || !is_lasting(m.health))
			snprintf(m.health, sizeof m.health, "%s",
				 status.reason[0] ? status.reason : "good");
	}
	r = loaded ? rsm_medium_set_loaded(catalog_of(worker), &m, &err)
		   : rsm_medium_set_written(catalog_of(worker), &m, &err);
	if (r < 0)
		rsm_log_warning("%s in %s: %s", cartridge->barcode, worker->name, err.msg);
	worker->medium = m;
	rsm_drive_note_traffic(worker, cartridge);
	rsm_manager_apply_state(worker->manager, cartridge);
}

/* ---- what is on it, and what the catalogue thinks is on it ---- */

/* Under which name the contents are kept: the volume's; a copy of somebody's gets its own. */
static int choose_contents(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			   const struct rsm_ltfs_label *label, const char **ret_key,
			   bool *ret_known, struct rsm_err *err)
{
	struct rsm_medium known;
	int r = rsm_medium_find_uuid(catalog_of(worker), label->uuid, &known, err);

	if (r < 0)
		return r;
	*ret_known = r == 0;
	*ret_key = *ret_known && known.id != cartridge->id ? worker->medium.guid : label->uuid;
	return 0;
}

static bool knows_owner(struct rsm_content *content)
{
	RSM_FREE char *lmid = rsm_drive_root_key(rsm_content_index(content), "lmid");

	return lmid != NULL;
}

int rsm_drive_mount_ltfs(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			 const struct rsm_ltfs_label *label, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text conflicts = { 0 };
	const char *key;
	bool known = false;
	int r;

	r = choose_contents(worker, cartridge, label, &key, &known, err);
	/* of a volume that was deallocated the medium alone knows: what was deleted on the way
	 * there is on it still */
	if (r == 0 && !worker->medium.lmid[0] &&
	    strcasecmp(label->uuid, worker->medium.old_uuid) == 0 &&
	    !rsm_medium_is_doubtful(catalog_of(worker), worker->medium.id))
		r = rsm_manager_drop_leftover(worker->manager, label->uuid, err);
	if (r == 0)
		r = rsm_cartridge_open_content(cartridge, key, true, err);
	/* A tree that outlived the catalogue knows what was changed since the last index, and whose
	 * volume it is as a rule; if it does not, the medium's index is asked. */
	if (r == 0 && !known && !knows_owner(cartridge->content))
		r = rsm_volume_index_set_number(rsm_content_index(cartridge->content), "read_again",
						1, err);
	if (r == 0)
		r = rsm_ltfs_mount(worker->drive, cartridge->content, label, &conflicts,
				   &worker->volume, err);
	if (r < 0)
		return r;
	for (size_t at = 0; at < conflicts.length; at += strlen(conflicts.data + at) + 1) {
		rsm_log_warning("%s: %s was changed on the medium and here; both are kept",
				cartridge->barcode, conflicts.data + at);
		rsm_event_add(catalog_of(worker), "conflict", "medium", cartridge->barcode, "file",
			      conflicts.data + at, NULL);
	}
	rsm_drive_tell_findings(worker, cartridge);
	if (r == RSM_LTFS_RELOADED)
		rsm_log_info("%s in %s: its index was read", cartridge->barcode, worker->name);
	return rsm_drive_cache_reset(worker, (uint32_t)label->block_size, err);
}

/* No LTFS volume: its tape files can be read one by one. */
static int mount_tapefile(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			  struct rsm_err *err)
{
	struct rsm_volume_status status;
	int r = rsm_cartridge_open_content(cartridge, worker->medium.guid, true, err);

	if (r == 0)
		r = rsm_tapefile_mount(worker->drive, cartridge->content, &worker->volume, err);
	if (r < 0)
		return r;
	worker->volume->ops->status(worker->volume, &status);
	return rsm_drive_cache_reset(worker, status.block_size, err);
}

/* One partition has its label, the other has none: it is read by that one, if there is something to
 * be read; a format that was cut short left nothing.
 */
static int mount_half(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		      struct rsm_ltfs_probe *probe, struct rsm_err *err)
{
	struct rsm_volume_status status;
	bool expected = strcasecmp(probe->label.uuid, worker->medium.volume_uuid) == 0;
	int r = rsm_drive_mount_ltfs(worker, cartridge, &probe->label, err);

	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	worker->volume->ops->status(worker->volume, &status);
	if (expected || status.index_generation > 1) {
		probe->kind = RSM_PROBE_LTFS;
		snprintf(probe->label_type, sizeof probe->label_type, "LTFS");
		return 0;
	}
	rsm_volume_free(worker->volume);
	worker->volume = NULL;
	return 0;
}

static bool has_label_work(struct rsm_drive_worker *worker)
{
	struct rsm_medium now;

	return rsm_medium_get(catalog_of(worker), worker->medium.id, &now, NULL) == 0 &&
	       now.label_work != RSM_LABEL_NONE;
}

/* While the label was read the medium may have been allocated, freed or given back. */
static int look_again(struct rsm_drive_worker *worker, const struct rsm_cartridge *cartridge,
		      struct rsm_err *err)
{
	bool write_protected = worker->medium.write_protected;
	int r = rsm_medium_get(catalog_of(worker), cartridge->id, &worker->medium, err);

	worker->medium.write_protected = write_protected; /* as the drive says */
	return r > 0 ? rsm_err_set(err, ENOENT, "it is not in the catalogue any more") : r;
}

/* Outcome RSM_OTHER_SIDE. */
static int look_into(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		     struct rsm_err *err)
{
	struct rsm_medium *m = &worker->medium;
	struct rsm_ltfs_probe probe;
	bool expected;
	int r;

	rsm_volume_free(worker->volume);
	worker->volume = NULL;
	worker->head_partition = 0;
	r = rsm_medium_get(catalog_of(worker), cartridge->id, m, err);
	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "it is not in the catalogue any more");
	r = rsm_drive_cache_reset(worker, 0, err);
	if (r == 0)
		r = rsm_drive_note_facts(worker, cartridge, err);
	if (r == 0)
		r = rsm_ltfs_probe(worker->drive, &probe, err);
	if (r < 0) {
		rsm_drive_note_unreadable(worker, cartridge, err);
		return r;
	}
	r = look_again(worker, cartridge, err);
	if (r < 0)
		return r;
	r = rsm_drive_check_side(worker, &probe, err);
	if (r != 0)
		return r;
	if (m->label_work == RSM_LABEL_FORMAT || m->label_work == RSM_LABEL_FREE)
		return rsm_drive_do_label_work(worker, cartridge, &probe, err);
	if (!m->lmid[0] && !m->write_protected && !cartridge->worm &&
	    rsm_drive_is_own_remains(worker, &probe)) {
		r = rsm_drive_clean_up_label(worker, &probe, err);
		if (r < 0)
			return r;
	}

	r = rsm_drive_is_stranger(worker, cartridge, &probe, err);
	if (r < 0)
		return r;
	if (r > 0)
		return rsm_drive_turn_away(worker, cartridge, &probe, err);
	if (probe.half) {
		r = mount_half(worker, cartridge, &probe, err);
		if (r < 0)
			return r;
	}
	/* of a copy, it is asked each time whether it still is one */
	expected = m->volume_uuid[0] && !m->duplicate && probe.kind == RSM_PROBE_LTFS &&
		   strcasecmp(probe.label.uuid, m->volume_uuid) == 0;
	if (probe.kind == RSM_PROBE_LTFS && !worker->volume) {
		r = rsm_drive_mount_ltfs(worker, cartridge, &probe.label, err);
		if (r == -EBADMSG && !expected && err)
			snprintf(probe.label_info, sizeof probe.label_info, "%.127s", err->msg);
		else if (r < 0)
			return r;
	}
	if (expected && !rsm_medium_is_doubtful(catalog_of(worker), m->id))
		return 0;
	if (expected)
		return rsm_drive_note_identification(worker, cartridge, &probe, NULL, err);
	if (m->state == RSM_MEDIUM_ALLOCATED || m->state == RSM_MEDIUM_COMPLETE) {
		char wanted[RSM_GUID_SIZE]; /* it may be nobody's any more behind this */

		memcpy(wanted, m->volume_uuid, sizeof wanted);
		r = rsm_drive_note_identification(worker, cartridge, &probe, NULL, err);
		return r ? r
			 : rsm_err_set(err, EMEDIUMTYPE,
				       "it holds \"%s\" %s where volume %s was expected",
				       probe.label_type,
				       probe.kind == RSM_PROBE_LTFS ? probe.label.uuid : "",
				       wanted);
	}
	r = rsm_drive_note_identification(worker, cartridge, &probe, NULL, err);
	if (r == 0 && !worker->volume && m->state == RSM_MEDIUM_FOREIGN)
		r = mount_tapefile(worker, cartridge, err);
	/* whoever waits for its new label holds on to what it was before */
	if (r == -EBUSY && has_label_work(worker))
		r = 0;
	return r;
}

static int open_volume(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		       struct rsm_err *err)
{
	int r = look_into(worker, cartridge, err);

	if (r == 0 && worker->volume)
		atomic_store(&cartridge->tree_read, true);
	rsm_drive_let_write(worker, cartridge);
	return r;
}

/* ---- the whole of it ---- */

int rsm_drive_fetch(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		    struct rsm_err *err)
{
	struct rsm_err home_err;
	int r;

	worker->turns = 0;
	r = rsm_drive_bring(worker, cartridge, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s for %s", cartridge->barcode, worker->name);
	r = rsm_drive_load(worker, cartridge, err);
	if (r == 0)
		r = open_volume(worker, cartridge, err);
	/* what its memory told may be wrong: then its label tells, and turns it back */
	while (r == RSM_OTHER_SIDE && worker->turns < 2) {
		r = rsm_drive_turn_over(worker, cartridge, err);
		if (r == 0)
			r = open_volume(worker, cartridge, err);
	}
	if (r == RSM_OTHER_SIDE)
		r = rsm_err_set(err, EIO, "it was turned over, and lies the other way round still");
	if (r == 0) {
		rsm_event_add(catalog_of(worker), "load", "medium", cartridge->barcode, "drive",
			      worker->name, NULL);
		if (rsm_drive_count_mount(catalog_of(worker), worker->row, &home_err) < 0)
			rsm_log_warning("%s: mount is not counted: %s", worker->name, home_err.msg);
		rsm_drive_note_status(worker, cartridge, true);
		return 0;
	}
	rsm_err_wrap(err, r, "%s in %s (home slot %u)", cartridge->barcode, worker->name,
		     worker->medium.home_slot);
	if (rsm_drive_take_home(worker, cartridge, &home_err) < 0) {
		rsm_err_wrap(&home_err, r, "%s stays in %s", cartridge->barcode, worker->name);
		rsm_log_error("%s", home_err.msg);
		rsm_manager_tell_error(worker->manager, cartridge->id, worker->name, NULL,
				       home_err.msg);
	}
	return r;
}

int rsm_drive_renew(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		    struct rsm_err *err)
{
	int r = 0;

	if (rsm_tape_drive_is_lost(worker->drive)) { /* its modes are lost, too */
		worker->prevented = false;
		r = rsm_drive_load(worker, cartridge, err);
	}
	if (r == 0)
		r = open_volume(worker, cartridge, err);
	if (r == RSM_OTHER_SIDE)
		r = rsm_err_set(err, EIO, "its other side is under the head");
	if (r < 0)
		return rsm_err_wrap(err, r, "%s in %s", cartridge->barcode, worker->name);
	rsm_drive_note_status(worker, cartridge, false);
	return 0;
}
