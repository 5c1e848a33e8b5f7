/* What is found on a cartridge, noted; and what is done with one that is not who it was taken for
 * (rsm-model.md 5: wrong label): it goes home as what it is, the right one is looked for.
 */
#include "core/drive_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "changer/medium_memory.h"
#include "core/catalog_import.h"
#include "core/drive_fit.h"
#include "core/ltfs/ltfs_volume.h"

/* Who have changed places are found by going where the other one was; a circle of many takes so
 * many turns, copies that lead in circles are given up.
 */
enum { STRAYS_MOST = 8 };

static struct rsm_catalog *catalog_of(struct rsm_drive_worker *worker)
{
	return worker->manager->catalog;
}

/* ---- what is on it ---- */

/* The newest that is known of the root's key; NULL: it has none. The caller frees. */
char *rsm_drive_root_key(struct rsm_volume_index *index, const char *name)
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
	KEY_RESERVES,
	KEYS
};

static void fill_vendor_keys(struct rsm_content *content, struct rsm_identification *found,
			     char *keys[KEYS])
{
	static const char *const names[KEYS] = { "pool",  "name", "lmid", "side", "state",
						 "owner", "mode", "acl",  "copy", "reserves" };

	for (int i = 0; i < KEYS; i++)
		keys[i] = rsm_drive_root_key(rsm_content_index(content), names[i]);
	found->pool = keys[KEY_POOL];
	found->name = keys[KEY_NAME];
	found->lmid = keys[KEY_LMID];
	found->side = keys[KEY_SIDE];
	found->state = keys[KEY_STATE];
	found->acl = keys[KEY_ACL];
	found->copy_of = keys[KEY_COPY];
	found->reserves_other = keys[KEY_RESERVES] && !strcmp(keys[KEY_RESERVES], "other");
	found->has_owner = keys[KEY_OWNER] && keys[KEY_MODE] &&
			   sscanf(keys[KEY_OWNER], "%u:%u", &found->owner, &found->group) == 2 &&
			   sscanf(keys[KEY_MODE], "%o", &found->mode) == 1;
}

/* The table follows the catalogue. */
static void follow_side(struct rsm_manager *manager, int64_t medium)
{
	struct rsm_cartridge *cartridge;
	struct rsm_medium m;

	if (rsm_medium_get(manager->catalog, medium, &m, NULL) != 0)
		return;
	rsm_manager_names_changed(manager, m.pool);
	if (m.location != RSM_AT_OFFLINE &&
	    rsm_operator_request_seen(manager->catalog, medium, NULL) < 0)
		rsm_log_warning("%s: operator requests are not closed, ignoring", m.shown);
	rsm_mutex_lock(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, medium);
	if (cartridge) {
		cartridge->library = m.location == RSM_AT_OFFLINE ? 0 : m.library;
		cartridge->references++;
		rsm_manager_wake_locked(manager);
	}
	rsm_mutex_unlock(&manager->lock);
	if (!cartridge)
		return;
	rsm_manager_apply_state(manager, cartridge);
	rsm_cartridge_unref(cartridge);
}

static void follow_place(struct rsm_manager *manager, int64_t medium)
{
	int64_t other;

	follow_side(manager, medium);
	if (rsm_medium_other_side(manager->catalog, medium, &other, NULL) == 0)
		follow_side(manager, other);
}

/* Somebody who lies here is on his way home: nobody fetches him out of this drive before. */
static void note_lying(struct rsm_drive_worker *worker, int64_t medium)
{
	RSM_LOCK_SCOPE(&worker->manager->lock);
	worker->lying = medium;
}

/* By its volume it was another one, whom nobody expected here; that became known only when it had
 * been opened as somebody new. He has contents of his own, maybe with files that wait for the
 * medium: it goes home, and is fetched as who it is.
 */
static int came_back(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		     struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;
	const struct rsm_medium *m = &worker->medium;

	note_lying(worker, m->id);
	rsm_volume_free(worker->volume);
	worker->volume = NULL;
	rsm_mutex_lock(&manager->lock);
	if (cartridge->references == 1)
		rsm_cartridge_close_content_locked(cartridge, true);
	else
		cartridge->discard = true;
	rsm_mutex_unlock(&manager->lock);
	follow_place(manager, cartridge->id);
	follow_place(manager, m->id);
	worker->another = RSM_ANOTHER_KNOWN;
	return rsm_err_set(err, ENOENT, "it is %s, which has come back",
			   m->name[0] ? m->name : m->shown);
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

/* Another drive has read that label just before, and has the cartridge yet. */
static bool is_in_another_drive(struct rsm_drive_worker *worker, int64_t medium)
{
	const struct rsm_cartridge *cartridge;

	RSM_LOCK_SCOPE(&worker->manager->lock);
	cartridge = rsm_cartridge_find_locked(worker->manager, medium);
	return cartridge && cartridge->worker && cartridge->worker != worker &&
	       cartridge->state == RSM_CARTRIDGE_LOADED;
}

/* By its volume it may be another one: neither of the two is in the robot's hand meanwhile. */
static int note(struct rsm_drive_worker *worker, int64_t medium,
		const struct rsm_identification *read, struct rsm_medium *ret_medium,
		struct rsm_err *err)
{
	struct rsm_identification found = *read;
	struct rsm_medium owner;

	if (found.identity != RSM_IS_LTFS)
		return rsm_medium_identified(catalog_of(worker), medium, &found, ret_medium, err);
	RSM_LOCK_SCOPE(&worker->library->inventory);
	found.owner_is_sure =
		rsm_medium_find_uuid(catalog_of(worker), found.volume_uuid, &owner, NULL) == 0 &&
		is_in_another_drive(worker, owner.id);
	return rsm_medium_identified(catalog_of(worker), medium, &found, ret_medium, err);
}

int rsm_drive_note_identification(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
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
	r = note(worker, cartridge->id, &found, &worker->medium, err);
	worker->medium.write_protected = write_protected; /* the drive's word, noted later */
	for (int i = 0; i < KEYS; i++)
		free(keys[i]);
	if (r < 0)
		return r;
	rsm_manager_names_changed(worker->manager, pool);
	rsm_manager_names_changed(worker->manager, worker->medium.pool);
	rsm_manager_names_changed(worker->manager, RSM_POOL_TOP);
	if (worker->medium.id != cartridge->id)
		return came_back(worker, cartridge, err);
	rsm_mutex_lock(&worker->manager->lock);
	rsm_drive_fit_note_locked(cartridge, &worker->medium);
	rsm_mutex_unlock(&worker->manager->lock);
	/* whose it is is known, and its name is seen: who writes to it now may do so */
	rsm_manager_apply_state(worker->manager, cartridge);
	rsm_event_add(catalog_of(worker), "identify", "medium", cartridge->barcode, "label",
		      found.label_type, "state", rsm_medium_state_name(worker->medium.state), NULL);
	if (worker->medium.duplicate)
		note_copy(worker, cartridge);
	return 0;
}

/* Is that the label cannot be read the medium's fault? A drive's own is not, unless it is so again
 * and again. What somebody owns stays his, and says what is wrong when that is certain.
 */
static bool tells_of_medium(struct rsm_cartridge *cartridge, const struct rsm_medium *medium,
			    const struct rsm_err *failure)
{
	unsigned failures;

	if (failure->key == RSM_KEY_MEDIUM_ERROR)
		return true;
	rsm_mutex_lock(&cartridge->manager->lock);
	failures = cartridge->failures + 1;
	rsm_mutex_unlock(&cartridge->manager->lock);
	return medium->state == RSM_MEDIUM_UNKNOWN && failures >= RSM_IDENTIFY_TRIES;
}

void rsm_drive_note_unreadable(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			       const struct rsm_err *failure)
{
	struct rsm_err err;

	if (!failure || !tells_of_medium(cartridge, &worker->medium, failure))
		return;
	if (rsm_drive_note_identification(worker, cartridge, NULL, failure->msg, &err) < 0)
		rsm_log_warning("%s: that it cannot be read is not noted: %s", cartridge->barcode,
				err.msg);
}

/* ---- another one than it was taken for ---- */

static bool is_owned(const struct rsm_medium *medium)
{
	return medium->state == RSM_MEDIUM_ALLOCATED || medium->state == RSM_MEDIUM_COMPLETE;
}

static const char being_identified[] = "the cartridge is being identified";

/* What was written and is on local disk only must keep its place in the tree; if nobody can tell,
 * there may be such. If there is none, none comes until it is known whose the medium is: between
 * the look and the end of the allocation it would be lost. -EBUSY: somebody else has it to himself,
 * to deallocate it perhaps: who it is is asked again when he is done.
 */
static int has_staged(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		      const struct rsm_medium *medium, struct rsm_err *err)
{
	struct rsm_content *content = NULL;
	struct rsm_content_use use;
	int r = rsm_cartridge_open_content(cartridge, medium->volume_uuid, false, NULL);

	if (r != 0)
		return r < 0;
	rsm_mutex_lock(&cartridge->manager->lock);
	if (cartridge->content && !cartridge->detached)
		content = cartridge->content;
	rsm_mutex_unlock(&cartridge->manager->lock);
	if (!content) /* deallocated just now */
		return 0;
	r = rsm_content_hold_changes(content, being_identified, err);
	if (r < 0)
		return r;
	rsm_content_use(content, &use);
	if (use.staged_files || use.writers) {
		rsm_content_let_changes(content, being_identified);
		return 1;
	}
	worker->held = content;
	return 0;
}

void rsm_drive_let_write(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	RSM_LOCK_SCOPE(&cartridge->manager->lock);
	if (worker->held && cartridge->content == worker->held)
		rsm_content_let_changes(worker->held, being_identified);
	worker->held = NULL;
}

/* Whose volume it is, if that is another one's than the cartridge that was fetched. */
static bool find_owner(struct rsm_drive_worker *worker, const struct rsm_ltfs_probe *probe,
		       struct rsm_medium *ret_owner)
{
	return probe->kind == RSM_PROBE_LTFS &&
	       rsm_medium_find_uuid(catalog_of(worker), probe->label.uuid, ret_owner, NULL) == 0 &&
	       ret_owner->id != worker->medium.id;
}

static bool is_displaced(const struct rsm_medium *medium)
{
	return strncmp(medium->health, RSM_HEALTH_DISPLACED, strlen(RSM_HEALTH_DISPLACED)) == 0;
}

/* By its volume it is just that one, whom the catalogue has somewhere else. A copy stays one while
 * its owner is on a shelf.
 */
static bool is_really(struct rsm_drive_worker *worker, const struct rsm_medium *taken_for,
		      const struct rsm_medium *owner)
{
	bool may_trade = is_owned(taken_for) || taken_for->state == RSM_MEDIUM_AVAILABLE ||
			 taken_for->state == RSM_MEDIUM_UNPREPARED;

	if (owner->location == RSM_AT_OFFLINE)
		return !taken_for->duplicate || is_displaced(owner);
	return may_trade && !taken_for->barcode[0] && !owner->barcode[0] &&
	       !is_in_another_drive(worker, owner->id);
}

int rsm_drive_is_stranger(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			  const struct rsm_ltfs_probe *probe, struct rsm_err *err)
{
	const struct rsm_medium *m = &worker->medium;
	struct rsm_medium owner;

	if (find_owner(worker, probe, &owner) && is_really(worker, m, &owner))
		return 1;
	/* what a backup of the catalogue told is not expected, only thought */
	if (!is_owned(m) || rsm_medium_is_doubtful(catalog_of(worker), m->id))
		return 0;
	switch (probe->kind) {
	case RSM_PROBE_LTFS:
		return strcasecmp(probe->label.uuid, m->volume_uuid) != 0 &&
		       strcasecmp(probe->label.uuid, m->old_uuid) != 0;
	case RSM_PROBE_FOREIGN:
		/* its own label may be what is damaged */
		return strcmp(probe->label_type, "damaged LTFS") != 0;
	case RSM_PROBE_FREE: /* given back on another system, or in a newer catalogue */
		return m->barcode[0] ? has_staged(worker, cartridge, m, err) : 1;
	case RSM_PROBE_BLANK: return !m->barcode[0];
	}
	return 0;
}

static void label_words(const struct rsm_ltfs_probe *probe, char *ret_words, size_t size)
{
	const char *which = probe->kind == RSM_PROBE_LTFS ? probe->label.uuid : probe->label_info;

	snprintf(ret_words, size, "%s%s%s", probe->label_type, *which ? " " : "", which);
}

/* By its volume it is one that the catalogue knows: its place is here, that of who was taken for it
 * is where it was thought to be, or unknown.
 */
static int put_right(struct rsm_drive_worker *worker, const struct rsm_ltfs_probe *probe,
		     struct rsm_medium *ret_here, struct rsm_err *err)
{
	const struct rsm_identification found = { .identity = RSM_IS_LTFS,
						  .label_type = probe->label_type,
						  .label_info = "",
						  .volume_uuid = probe->label.uuid,
						  .library = worker->library->id,
						  .drive = worker->element };
	int64_t medium = worker->medium.id;
	int r;

	r = note(worker, medium, &found, ret_here, err);
	if (r < 0)
		return r;
	note_lying(worker, ret_here->id);
	rsm_event_add(catalog_of(worker), "identify", "medium", ret_here->shown, "label",
		      found.label_type, "state", rsm_medium_state_name(ret_here->state), NULL);
	rsm_manager_names_changed(worker->manager, worker->medium.pool);
	rsm_manager_names_changed(worker->manager, RSM_POOL_TOP);
	follow_place(worker->manager, medium);
	follow_place(worker->manager, ret_here->id);
	return 0;
}

/* Who was expected is not here any more, and nobody knows where he is. */
static void look_for(struct rsm_drive_worker *worker, const struct rsm_medium *medium,
		     const struct rsm_medium *owner)
{
	struct rsm_manager *manager = worker->manager;
	int64_t copy;

	/* the barcodes of two may have been exchanged: then he is where that one was */
	if (owner && owner->location != RSM_AT_OFFLINE)
		rsm_identify_want(manager, owner->id);
	if (rsm_identification_find_copy(catalog_of(worker), medium->volume_uuid, &copy, NULL) == 0)
		rsm_identify_want(manager, copy);
	rsm_identify_recover(worker->library);
}

static int displace(struct rsm_drive_worker *worker, const struct rsm_medium *medium,
		    const char *found, struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_medium other;
	int r;

	rsm_mutex_lock(&worker->library->inventory);
	r = rsm_identification_displace(catalog_of(worker), medium->id, worker->element, found,
					&other, err);
	rsm_mutex_unlock(&worker->library->inventory);
	if (r != 0)
		return r;
	note_lying(worker, other.id);
	follow_place(manager, medium->id);
	rsm_manager_names_changed(manager, other.pool);
	rsm_manager_names_changed(manager, RSM_POOL_TOP);
	return 0;
}

/* Nobody was expected here: it is one that has come back, and goes home as such. */
static int welcome_back(struct rsm_drive_worker *worker, const struct rsm_ltfs_probe *probe,
			struct rsm_err *err)
{
	struct rsm_medium here;
	int r = put_right(worker, probe, &here, err);

	if (r < 0)
		return r;
	worker->another = RSM_ANOTHER_KNOWN;
	return rsm_err_set(err, ENOENT, "it is %s, which has come back",
			   here.name[0] ? here.name : here.shown);
}

int rsm_drive_turn_away(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			const struct rsm_ltfs_probe *probe, struct rsm_err *err)
{
	struct rsm_medium m = worker->medium, owner, here, now;
	bool has_owner = find_owner(worker, probe, &owner), really;
	char found[256], health[RSM_NAME_SIZE];
	int r;

	if (!is_owned(&m))
		return welcome_back(worker, probe, err);
	label_words(probe, found, sizeof found);
	rsm_event_add(catalog_of(worker), "wrong_label", "medium", cartridge->barcode, "drive",
		      worker->name, "expected", m.volume_uuid, "found", found, NULL);
	rsm_log_warning("%s in %s: it holds %s where volume %s was expected", cartridge->barcode,
			worker->name, found, m.volume_uuid);
	really = has_owner && is_really(worker, &m, &owner);
	if (really && owner.location != RSM_AT_OFFLINE) {
		RSM_LOCK_SCOPE(&worker->manager->lock);
		really = cartridge->strays++ < STRAYS_MOST;
	}
	r = really ? put_right(worker, probe, &here, err) : displace(worker, &m, found, err);
	if (r >= 0)
		r = rsm_medium_get(catalog_of(worker), m.id, &now, err);
	if (r < 0)
		return r;
	if (r == 0 && now.location != RSM_AT_OFFLINE) {
		worker->another = RSM_ANOTHER_TRADED;
	} else {
		snprintf(health, sizeof health, RSM_HEALTH_DISPLACED ": %.180s", found);
		r = rsm_medium_set_health(catalog_of(worker), m.id, health, err);
		if (r < 0)
			return r;
		look_for(worker, &m, has_owner ? &owner : NULL);
	}
	return rsm_err_set(err, EMEDIUMTYPE, "it holds %s where volume %s was expected", found,
			   m.volume_uuid);
}
