/* Fetching a cartridge: the robot, the drive, and the label, which is read and compared before
 * anything is ever written (rsm-model.md 5, 8; promises 3 and 4 of its section 20).
 *
 * What may be overwritten by a format or a free label: the free label, a blank tape, the volume
 * that a deallocation left behind (old_uuid), and what our own labelling left that was cut short
 * (rsm_medium_begin_labelling, before the first byte). Anything else is identified as what it is,
 * and those who waited are told.
 */
#include "core/drive_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "changer/medium_memory.h"
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

int rsm_drive_identity(struct rsm_drive_worker *worker, int64_t medium,
		       struct drive_identity *ret_identity, struct rsm_err *err)
{
	struct rsm_medium *m = &ret_identity->medium;
	int64_t whose = medium;
	int r = rsm_medium_get(catalog_of(worker), medium, m, err);

	if (r > 0)
		return rsm_err_set(err, ENOENT, "the cartridge is not in the catalogue any more");
	if (r == 0)
		r = be_like_first(worker, ret_identity, &whose, err);
	if (r == 0)
		r = rsm_pool_path(catalog_of(worker), m->pool, &ret_identity->pool, err);
	if (r == 0)
		r = get_acl(worker, whose, &ret_identity->acl, err);
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
enum { MEDIUM_ERROR = 0x03 }; /* a sense key */
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

	if (failure->key != MEDIUM_ERROR)
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

/* The newest that is known of the root's key; NULL: it has none. The caller frees. */
static char *root_key(struct rsm_volume_index *index, const char *name)
{
	RSM_TEXT struct rsm_text value = { 0 };
	RSM_FREE char *newer = NULL;
	char key[64], *text = NULL;

	snprintf(key, sizeof key, "ltfs.vendor.rsmfs.%s", name);
	if (rsm_volume_index_get_fact(index, RSM_LTFS_ROOT_KEYS, &newer, NULL) == 0 && newer)
		return rsm_volume_index_get_fact(index, key, &text, NULL) == 0 ? text : NULL;
	if (rsm_volume_index_get_xattr(index, RSM_NODE_ROOT, key, &value, NULL) != 0 ||
	    rsm_text_take(&value, &text, NULL) != 0)
		return NULL;
	return text;
}

enum {
	KEY_POOL,
	KEY_NAME,
	KEY_LMID,
	KEY_SIDE,
	KEY_STATE,
	KEY_OWNER,
	KEY_MODE,
	KEY_ACL,
	KEY_COPY,
	KEYS
};

static void fill_vendor_keys(struct rsm_content *content, struct rsm_identification *found,
			     char *keys[KEYS])
{
	static const char *const names[KEYS] = { "pool",  "name", "lmid", "side", "state",
						 "owner", "mode", "acl",  "copy" };

	for (int i = 0; i < KEYS; i++)
		keys[i] = root_key(rsm_content_index(content), names[i]);
	found->pool = keys[KEY_POOL];
	found->name = keys[KEY_NAME];
	found->lmid = keys[KEY_LMID];
	found->side = keys[KEY_SIDE];
	found->state = keys[KEY_STATE];
	found->acl = keys[KEY_ACL];
	found->copy_of = keys[KEY_COPY];
	found->has_owner = keys[KEY_OWNER] && keys[KEY_MODE] &&
			   sscanf(keys[KEY_OWNER], "%u:%u", &found->owner, &found->group) == 2 &&
			   sscanf(keys[KEY_MODE], "%o", &found->mode) == 1;
}

/* The cartridge is `id`, as identification says: another one than it was taken for, when a known
 * volume has a new barcode. An entry that the table has of that one goes, with what waits for it;
 * one that somebody holds on to is left to him, and tells him that it is off-line.
 */
static void take_entry(struct rsm_manager *manager, struct rsm_cartridge *cartridge, int64_t id)
{
	struct rsm_cartridge *other;

	RSM_LOCK_SCOPE(&manager->lock);
	if (cartridge->id == id)
		return;
	other = rsm_cartridge_find_locked(manager, id);
	rsm_cartridge_become_locked(cartridge, id); /* found before the other */
	if (!other)
		return;
	RSM_LIST_FOR_EACH_SAFE (item, &other->mounts) {
		rsm_list_remove(item);
		rsm_list_append(&cartridge->mounts, item);
	}
	RSM_LIST_FOR_EACH_SAFE (item, &other->works) {
		rsm_list_remove(item);
		rsm_list_append(&cartridge->works, item);
	}
	if (other->references)
		return;
	if (other->content)
		rsm_content_close_volume(other->content);
	rsm_cartridge_remove_locked(other);
}

/* Whose volume it bears, too. */
static void note_copy(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	struct rsm_medium *m = &worker->medium, known;

	if (rsm_medium_find_uuid(catalog_of(worker), m->volume_uuid, &known, NULL) != 0)
		return;
	snprintf(m->health, sizeof m->health, "it bears the same volume as %.100s", known.shown);
	if (rsm_medium_set_health(catalog_of(worker), m->id, m->health, NULL) < 0)
		rsm_log_warning("%s: that it is a copy is not noted", cartridge->barcode);
	rsm_event_add(catalog_of(worker), "duplicate", "medium", cartridge->barcode, "of",
		      known.shown, "volume", m->volume_uuid, "text",
		      "two cartridges bear one volume; this one is read-only", NULL);
}

static int note_identification(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			       const struct rsm_ltfs_probe *probe, const char *unreadable,
			       struct rsm_err *err)
{
	static const enum rsm_identity identities[] = {
		[RSM_PROBE_BLANK] = RSM_IS_BLANK,
		[RSM_PROBE_FREE] = RSM_IS_FREE,
		[RSM_PROBE_LTFS] = RSM_IS_LTFS,
		[RSM_PROBE_FOREIGN] = RSM_IS_FOREIGN,
	};
	struct rsm_identification found = { .label_type = "", .label_info = "", .volume_uuid = "" };
	char *keys[KEYS] = { 0 };
	int64_t pool = worker->medium.pool;
	bool write_protected = worker->medium.write_protected;
	int r;

	if (unreadable) {
		found.identity = RSM_IS_UNREADABLE;
		found.label_info = unreadable;
	} else {
		found.identity = identities[probe->kind];
		found.label_type = probe->label_type;
		found.label_info = probe->label_info;
	}
	if (found.identity == RSM_IS_LTFS) {
		struct rsm_volume_status status;

		found.volume_uuid = probe->label.uuid;
		if (worker->volume) {
			fill_vendor_keys(cartridge->content, &found, keys);
			worker->volume->ops->status(worker->volume, &status);
			found.index_generation = status.index_generation;
			found.capacity = status.capacity;
			found.remaining = status.remaining;
		}
	} else if (!unreadable && rsm_medium_memory_capacity(worker->drive, 0, &found.remaining,
							     &found.capacity, NULL) != 0) {
		found.remaining = found.capacity = 0; /* df goes by the type then */
	}
	r = rsm_medium_identified(catalog_of(worker), cartridge->id, &found, &worker->medium, err);
	worker->medium.write_protected = write_protected; /* the drive's word, noted later */
	for (int i = 0; i < KEYS; i++)
		free(keys[i]);
	if (r < 0)
		return r;
	take_entry(worker->manager, cartridge, worker->medium.id);
	rsm_mutex_lock(&worker->manager->lock);
	rsm_drive_fit_note_locked(cartridge, &worker->medium);
	rsm_mutex_unlock(&worker->manager->lock);
	/* whose it is is known, and its name is seen: who writes to it now may do so */
	rsm_manager_apply_state(worker->manager, cartridge);
	rsm_event_add(catalog_of(worker), "identify", "medium", cartridge->barcode, "label",
		      found.label_type, "state", rsm_medium_state_name(worker->medium.state), NULL);
	if (worker->medium.duplicate)
		note_copy(worker, cartridge);
	rsm_manager_names_changed(worker->manager, pool);
	rsm_manager_names_changed(worker->manager, worker->medium.pool);
	rsm_manager_names_changed(worker->manager, RSM_POOL_TOP);
	return 0;
}

/* Under which name the contents are kept: the volume's; a copy of a volume that is here already
 * gets its own. A known volume that comes back under another barcode takes its entry over, which
 * must not be in use.
 */
static int choose_contents(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			   const struct rsm_ltfs_label *label, const char **ret_key,
			   bool *ret_known, struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_cartridge *other;
	struct rsm_medium known;
	int r = rsm_medium_find_uuid(catalog_of(worker), label->uuid, &known, err);

	*ret_key = label->uuid;
	*ret_known = r == 0;
	if (r < 0 || r == RSM_MEDIUM_ABSENT || known.id == cartridge->id)
		return r < 0 ? r : 0;
	if (known.location != RSM_AT_OFFLINE) {
		*ret_key = worker->medium.guid;
		return 0;
	}
	RSM_LOCK_SCOPE(&manager->lock);
	other = rsm_cartridge_find_locked(manager, known.id);
	if (!other)
		return 0;
	if (other->references)
		return rsm_err_set(err, EBUSY,
				   "%s has come back as %s while its contents are in use",
				   known.shown, cartridge->barcode);
	rsm_cartridge_close_content_locked(other, false); /* its entry goes when it is certain */
	return 0;
}

static bool knows_owner(struct rsm_content *content)
{
	RSM_FREE char *lmid = root_key(rsm_content_index(content), "lmid");

	return lmid != NULL;
}

static int mount_ltfs(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
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
	    strcasecmp(label->uuid, worker->medium.old_uuid) == 0)
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

/* Is it what a labelling of ours was writing when it was cut short? */
static bool is_own_remains(struct rsm_drive_worker *worker, const struct rsm_ltfs_probe *probe)
{
	const char *uuid = NULL;
	bool was = false;

	if (probe->kind == RSM_PROBE_LTFS)
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
		    strcasecmp(probe->label.uuid, worker->medium.old_uuid) == 0)
			return true;
		break;
	case RSM_PROBE_FOREIGN: break;
	}
	return is_own_remains(worker, probe);
}

/* rsm free was asked for and confirmed: what the catalogue knew to be on it goes, nothing else. */
static bool may_free(struct rsm_drive_worker *worker, const struct rsm_ltfs_probe *probe)
{
	const struct rsm_medium *medium = &worker->medium;

	if (is_own_remains(worker, probe))
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
		r = rsm_medium_set_label_work(catalog_of(worker), cartridge->id, RSM_LABEL_FORMAT,
					      next, err);
	if (r == 0)
		r = rsm_drive_cache_reset(worker, RSM_LTFS_BLOCK_SIZE, err);
	if (r == 0) /* whatever was wrong with it is not any more */
		worker->medium.health[0] = '\0';
	if (r == 0)
		rsm_event_add(catalog_of(worker), "format", "medium", cartridge->barcode, "drive",
			      worker->name, "volume", worker->medium.volume_uuid, NULL);
	return r;
}

static int do_label_work(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
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
			r = mount_ltfs(worker, cartridge, &probe->label, err);
			return r ? r
				 : rsm_medium_set_label_work(catalog_of(worker), cartridge->id,
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
			 : rsm_medium_set_label_work(catalog_of(worker), cartridge->id,
						     RSM_LABEL_FREE, RSM_LABEL_NONE, err);
	}
	r = note_identification(worker, cartridge, probe, NULL, err);
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
static int clean_up(struct rsm_drive_worker *worker, struct rsm_ltfs_probe *probe,
		    struct rsm_err *err)
{
	int r = write_free_label(worker, err);

	if (r == 0)
		r = rsm_medium_forget_labelling(catalog_of(worker), worker->medium.id, err);
	if (r == 0)
		r = rsm_ltfs_probe(worker->drive, probe, err);
	return r < 0 ? rsm_err_wrap(err, r, "free label in the place of a half volume") : 0;
}

static void note_unreadable(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			    const char *why)
{
	struct rsm_err err;

	if (note_identification(worker, cartridge, NULL, why, &err) < 0)
		rsm_log_warning("%s: that it cannot be read is not noted: %s", cartridge->barcode,
				err.msg);
}

/* Is that the label cannot be read the medium's fault? A drive's own is not, unless it is so again
 * and again. What somebody owns stays his, and says what is wrong when that is certain.
 */
static bool tells_of_medium(struct rsm_cartridge *cartridge, const struct rsm_medium *medium,
			    const struct rsm_err *failure)
{
	unsigned failures;

	if (failure->key == MEDIUM_ERROR)
		return true;
	rsm_mutex_lock(&cartridge->manager->lock);
	failures = cartridge->failures + 1;
	rsm_mutex_unlock(&cartridge->manager->lock);
	return medium->state == RSM_MEDIUM_UNKNOWN && failures >= RSM_IDENTIFY_TRIES;
}

/* One partition has its label, the other has none: it is read by that one, if there is something to
 * be read; a format that was cut short left nothing.
 */
static int mount_half(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		      struct rsm_ltfs_probe *probe, struct rsm_err *err)
{
	struct rsm_volume_status status;
	bool expected = strcasecmp(probe->label.uuid, worker->medium.volume_uuid) == 0;
	int r = mount_ltfs(worker, cartridge, &probe->label, err);

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

static int open_volume(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
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
		if (err && tells_of_medium(cartridge, m, err))
			note_unreadable(worker, cartridge, err->msg);
		return r;
	}
	r = look_again(worker, cartridge, err);
	if (r < 0)
		return r;
	if (m->label_work == RSM_LABEL_FORMAT || m->label_work == RSM_LABEL_FREE)
		return do_label_work(worker, cartridge, &probe, err);
	if (!m->lmid[0] && !m->write_protected && !cartridge->worm &&
	    is_own_remains(worker, &probe)) {
		r = clean_up(worker, &probe, err);
		if (r < 0)
			return r;
	}

	if (probe.half) {
		r = mount_half(worker, cartridge, &probe, err);
		if (r < 0)
			return r;
	}
	expected = m->volume_uuid[0] && probe.kind == RSM_PROBE_LTFS &&
		   strcasecmp(probe.label.uuid, m->volume_uuid) == 0;
	if (probe.kind == RSM_PROBE_LTFS && !worker->volume) {
		r = mount_ltfs(worker, cartridge, &probe.label, err);
		if (r == -EBADMSG && !expected && err)
			snprintf(probe.label_info, sizeof probe.label_info, "%.127s", err->msg);
		else if (r < 0)
			return r;
	}
	if (expected && !rsm_medium_is_doubtful(catalog_of(worker), m->id))
		return 0;
	if (expected)
		return note_identification(worker, cartridge, &probe, NULL, err);
	if (m->state == RSM_MEDIUM_ALLOCATED || m->state == RSM_MEDIUM_COMPLETE) {
		r = note_identification(worker, cartridge, &probe, NULL, err);
		return r ? r
			 : rsm_err_set(err, EMEDIUMTYPE,
				       "it holds \"%s\" %s where volume %s was expected",
				       probe.label_type,
				       probe.kind == RSM_PROBE_LTFS ? probe.label.uuid : "",
				       m->volume_uuid);
	}
	r = note_identification(worker, cartridge, &probe, NULL, err);
	if (r == 0 && !worker->volume && m->state == RSM_MEDIUM_FOREIGN)
		r = mount_tapefile(worker, cartridge, err);
	/* whoever waits for its new label holds on to what it was before */
	if (r == -EBUSY && has_label_work(worker))
		r = 0;
	return r;
}

/* ---- the whole of it ---- */

int rsm_drive_fetch(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		    struct rsm_err *err)
{
	struct rsm_err home_err;
	int r;

	r = rsm_drive_bring(worker, cartridge, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s for %s", cartridge->barcode, worker->name);
	r = rsm_drive_load(worker, cartridge, err);
	if (r == 0)
		r = open_volume(worker, cartridge, err);
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
	int r = open_volume(worker, cartridge, err);

	if (r < 0)
		return rsm_err_wrap(err, r, "%s in %s", cartridge->barcode, worker->name);
	rsm_drive_note_status(worker, cartridge, false);
	return 0;
}
