/* Where a medium goes by what its label says (rsm_medium_identified is declared in media.h).
 *
 * Everything in `found` comes from a medium, so it may be anything: names and paths are checked
 * before they are used, and what cannot be right makes the volume an imported one at worst. A
 * medium that the catalogue holds as allocated is never taken away from its owner by a label that
 * is wrong, missing or unreadable; only the free label does that, which nothing but a deallocation
 * or `rsm free` ever wrote.
 */
#include "core/identification.h"

#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "changer/media_type.h"
#include "core/catalog_private.h"

struct identifying {
	struct rsm_catalog *catalog;
	const struct rsm_identification *found;
	char uuid[RSM_GUID_SIZE];   /* of the volume found, lower case; "" if none */
	char before[RSM_GUID_SIZE]; /* of the volume that it was thought to be; "" if none */
	struct rsm_medium medium;   /* as the catalogue has it */
};

static const char *text_of(const char *text)
{
	return text ? text : "";
}

static bool is_allocated(const struct rsm_medium *medium)
{
	return medium->state == RSM_MEDIUM_ALLOCATED || medium->state == RSM_MEDIUM_COMPLETE;
}

/* It is nobody's, and what is known of it came from its label only. */
static bool is_passing(const struct rsm_medium *medium)
{
	return medium->state == RSM_MEDIUM_UNKNOWN || medium->state == RSM_MEDIUM_FOREIGN ||
	       medium->state == RSM_MEDIUM_IMPORT || medium->state == RSM_MEDIUM_INCOMPATIBLE;
}

static int set_health(struct identifying *it, const char *health, struct rsm_err *err)
{
	return rsm_catalog_run(it->catalog, err, "UPDATE side SET health = ?2 WHERE id = ?1", "is",
			       it->medium.id, health);
}

/* What was found about label and contents, whoever owns it. */
static int note_contents(struct identifying *it, struct rsm_err *err)
{
	const struct rsm_identification *found = it->found;

	if (found->identity == RSM_IS_UNREADABLE)
		return 0;
	return rsm_catalog_run(it->catalog, err,
			       "UPDATE side SET label_type = ?2, label_info = ?3, capacity = CASE "
			       "?4 WHEN 0 THEN capacity ELSE ?4 END, remaining = CASE ?4 WHEN 0 "
			       "THEN remaining ELSE ?5 END, health = 'good' WHERE id = ?1",
			       "issUU", it->medium.id, text_of(found->label_type),
			       text_of(found->label_info), found->capacity, found->remaining);
}

/* Into a system pool, with nothing left to be done. */
static int settle(struct identifying *it, enum rsm_pool_kind kind, enum rsm_medium_state state,
		  const char *uuid, bool duplicate, struct rsm_err *err)
{
	struct rsm_pool pool;
	int64_t from = it->medium.pool;
	bool keeps = false;
	/* what a deallocation left is there yet, or may be: an error can pass (undelete.h) */
	bool kept = it->found->identity == RSM_IS_UNREADABLE ||
		    (it->uuid[0] && strcmp(it->uuid, it->medium.old_uuid) == 0);
	int r;

	r = rsm_pool_system_locked(it->catalog, kind, it->medium.media_type, &pool, err);
	if (r == 0)
		r = rsm_side_keeps_pool_locked(it->catalog, it->medium.id, kind == RSM_POOL_SCRATCH,
					       &keeps, err);
	if (r == 0 && keeps) /* its other side has an owner there, or is not free */
		pool.id = from;
	if (r == 0 && is_allocated(&it->medium))
		r = rsm_logical_end_locked(it->catalog, it->medium.id, err);
	if (r == 0)
		r = rsm_catalog_run(it->catalog, err,
				    "UPDATE side SET pool = ?2, state = ?3, logical = NULL, "
				    "label_work = 0, volume_uuid = ?4, duplicate = ?5, restorable "
				    "= restorable AND ?7, index_generation = ?6 WHERE id = ?1",
				    "iidsdUd", it->medium.id, pool.id, (int)state, uuid,
				    (int)duplicate, it->found->index_generation, (int)kept);
	if (r == 0 && from != pool.id)
		r = rsm_pool_touch_locked(it->catalog, from, err);
	if (r == 0 && from != pool.id)
		r = rsm_pool_touch_locked(it->catalog, pool.id, err);
	return r;
}

static int pool_kind(struct identifying *it, enum rsm_pool_kind *ret_kind, struct rsm_err *err)
{
	struct rsm_pool pool;
	int r = rsm_pool_need_locked(it->catalog, it->medium.pool, &pool, err);

	if (r == 0)
		*ret_kind = pool.kind;
	return r;
}

static int found_nothing(struct identifying *it, struct rsm_err *err);

/* ---- the free label ---- */

static int found_free(struct identifying *it, struct rsm_err *err)
{
	const struct rsm_medium *medium = &it->medium;
	enum rsm_pool_kind kind = RSM_POOL_FOREIGN;
	int r = pool_kind(it, &kind, err);

	if (r < 0)
		return r;
	if (rsm_media_type_is_worm(medium->media_type))
		return found_nothing(it, err); /* what is written once is free while it is blank */
	if (is_allocated(medium) && medium->label_work == RSM_LABEL_FORMAT)
		return 0; /* its turn to be formatted has not come yet */
	if (medium->state == RSM_MEDIUM_DECOMMISSIONED)
		return 0;
	/* what a deallocation left is gone */
	r = rsm_catalog_run(it->catalog, err, "UPDATE side SET old_uuid = '' WHERE id = ?1", "i",
			    medium->id);
	if (r < 0)
		return r;
	if (kind == RSM_POOL_APPLICATION && !is_allocated(medium))
		return rsm_catalog_run(it->catalog, err,
				       "UPDATE side SET state = CASE state WHEN 9 THEN 9 ELSE 4 "
				       "END, label_work = 0, volume_uuid = '', restorable = 0 "
				       "WHERE id = ?1",
				       "i", medium->id);
	return settle(it, RSM_POOL_SCRATCH, RSM_MEDIUM_AVAILABLE, "", false, err);
}

/* ---- no label that is known ---- */

/* What is expected on it instead, for an allocated one. */
static int complain(struct identifying *it, const char *what, struct rsm_err *err)
{
	char health[RSM_NAME_SIZE];

	snprintf(health, sizeof health, "%.150s where the volume %s is expected", what,
		 it->medium.volume_uuid);
	return set_health(it, health, err);
}

static int found_nothing(struct identifying *it, struct rsm_err *err)
{
	const struct rsm_medium *medium = &it->medium;
	bool blank = it->found->identity == RSM_IS_BLANK;
	enum rsm_pool_kind kind = RSM_POOL_FOREIGN;
	int r = pool_kind(it, &kind, err);

	if (r < 0)
		return r;
	if (is_allocated(medium)) {
		/* a format that was cut short leaves a blank; another owner's label is a warning */
		if (medium->label_work == RSM_LABEL_FORMAT && blank)
			return 0;
		return complain(it, blank ? "blank" : "another label", err);
	}
	if (medium->state == RSM_MEDIUM_DECOMMISSIONED)
		return 0;
	/* to be free, and nothing is on it; another label than the one that was given up is not
	 * asked for, and had better be asked for anew */
	if (medium->state == RSM_MEDIUM_UNPREPARED && blank)
		return 0;
	if (medium->state == RSM_MEDIUM_AVAILABLE && blank && kind == RSM_POOL_APPLICATION)
		return 0;
	/* a free label would use it up: that it is blank tells that it is free */
	if (blank && rsm_media_type_is_worm(medium->media_type))
		return settle(it, RSM_POOL_SCRATCH, RSM_MEDIUM_AVAILABLE, "", false, err);
	r = rsm_catalog_run(it->catalog, err, "UPDATE side SET old_uuid = '' WHERE id = ?1", "i",
			    medium->id);
	return r < 0 ? r : settle(it, RSM_POOL_FOREIGN, RSM_MEDIUM_FOREIGN, "", false, err);
}

static int found_incompatible(struct identifying *it, struct rsm_err *err)
{
	const char *why = text_of(it->found->label_info);
	int r;

	if (is_allocated(&it->medium))
		return set_health(it, "no drive here can use it", err);
	if (it->medium.state == RSM_MEDIUM_DECOMMISSIONED)
		return 0;
	r = settle(it, RSM_POOL_FOREIGN, RSM_MEDIUM_INCOMPATIBLE, "", false, err);
	return r < 0 ? r : set_health(it, *why ? why : "no drive here can use it", err);
}

static int found_unreadable(struct identifying *it, struct rsm_err *err)
{
	const char *info = text_of(it->found->label_info);
	const struct rsm_medium *medium = &it->medium;
	int r = 0;

	/* never Free; what was known before is worth more than an error that may pass */
	if (medium->state == RSM_MEDIUM_UNKNOWN || medium->state == RSM_MEDIUM_AVAILABLE ||
	    medium->state == RSM_MEDIUM_UNPREPARED)
		r = settle(it, RSM_POOL_FOREIGN, RSM_MEDIUM_FOREIGN, "", false, err);
	return r < 0 ? r : set_health(it, *info ? info : "the label cannot be read", err);
}

/* ---- an LTFS volume ---- */

static int come_home(struct identifying *it, struct rsm_medium *known, struct rsm_err *err);

/* Deallocated, perhaps by a version that did not note that it was complete: its label tells. */
static int note_completeness(struct identifying *it, struct rsm_err *err)
{
	if (strcmp(text_of(it->found->state), "complete") != 0 || it->found->copy_of)
		return 0;
	return rsm_catalog_run(it->catalog, err,
			       "UPDATE former SET complete = 1, generation = 0 WHERE side = ?1 AND "
			       "volume_uuid = ?2",
			       "is", it->medium.id, it->uuid);
}

/* The label is one that this very side is known to bear. */
static int found_same(struct identifying *it, struct rsm_err *err)
{
	const struct rsm_medium *medium = &it->medium;
	const struct rsm_identification *found = it->found;
	bool current = strcmp(medium->volume_uuid, it->uuid) == 0;
	int64_t other;
	int r;

	if (is_allocated(medium)) {
		if (!current) /* what was on it before the allocation */
			return medium->label_work == RSM_LABEL_FORMAT
				       ? 0
				       : complain(it, "the volume before", err);
		if (strcmp(text_of(found->state), "complete") == 0 && !found->copy_of)
			r = rsm_catalog_run(it->catalog, err,
					    "UPDATE side SET state = 6 WHERE id = ?1", "i",
					    medium->id);
		else
			r = 0;
		/* formatted, and died before that was noted: its vendor keys may be missing */
		if (r == 0)
			r = rsm_catalog_run(
				it->catalog, err,
				"UPDATE side SET index_generation = CASE ?2 WHEN 0 THEN "
				"index_generation ELSE ?2 END, label_work = "
				"CASE label_work WHEN 1 THEN 2 ELSE label_work END, "
				"old_uuid = '', restorable = 0 WHERE id = ?1",
				"iU", medium->id, found->index_generation);
		return r;
	}
	if (medium->duplicate) {
		struct rsm_medium owner;

		r = rsm_catalog_number(it->catalog, &other, err,
				       "SELECT id FROM side WHERE id <> ?1 AND ((volume_uuid = ?2 "
				       "AND duplicate = 0) OR old_uuid = ?2) ORDER BY duplicate",
				       "is", medium->id, it->uuid);
		if (r < 0)
			return r;
		if (r == 0) {
			int need = rsm_medium_need_locked(it->catalog, other, &owner, err);

			if (need < 0)
				return need;
			/* it was not where it should be: it is here. One that somebody took
			 * away is another matter */
			if (owner.location == RSM_AT_OFFLINE &&
			    !strncmp(owner.health, RSM_HEALTH_DISPLACED,
				     strlen(RSM_HEALTH_DISPLACED)))
				return come_home(it, &owner, err);
		}
		return settle(it, RSM_POOL_IMPORT, RSM_MEDIUM_IMPORT, it->uuid, r == 0, err);
	}
	if (current && medium->state == RSM_MEDIUM_IMPORT)
		return rsm_catalog_run(it->catalog, err,
				       "UPDATE side SET index_generation = ?2 WHERE id = ?1", "iU",
				       medium->id, found->index_generation);
	r = note_completeness(it, err);
	if (r < 0)
		return r;
	/* given up at a deallocation, and unreadable for a while */
	if (is_passing(medium))
		return settle(it, RSM_POOL_SCRATCH, RSM_MEDIUM_UNPREPARED, "", false, err);
	return 0;
}

/* Deallocated, and then forgotten (rsm forget): its vendor keys are of an allocation that ended. */
static int was_forgotten(struct identifying *it, bool *ret_was, struct rsm_err *err)
{
	int64_t any;
	int r = rsm_catalog_number(it->catalog, &any, err,
				   "SELECT 1 FROM setting WHERE key = 'forgotten ' || ?1", "s",
				   it->uuid);

	*ret_was = r == 0;
	return r < 0 ? r : 0;
}

/* A volume that nobody here knows. */
static int found_new(struct identifying *it, struct rsm_err *err)
{
	bool forgotten;
	int r;

	if (is_allocated(&it->medium)) {
		char what[96];

		snprintf(what, sizeof what, "the volume %s", it->uuid);
		return complain(it, what, err);
	}
	if (it->medium.state == RSM_MEDIUM_DECOMMISSIONED)
		return 0;
	r = was_forgotten(it, &forgotten, err);
	if (r == 0)
		r = forgotten
			    ? 1
			    : rsm_identification_restore_locked(it->catalog, &it->medium, it->found,
								it->uuid, it->before, err);
	if (r != 1)
		return r;
	r = rsm_catalog_run(it->catalog, err, "UPDATE side SET old_uuid = '' WHERE id = ?1", "i",
			    it->medium.id);
	return r < 0 ? r : settle(it, RSM_POOL_IMPORT, RSM_MEDIUM_IMPORT, it->uuid, false, err);
}

/* A free cartridge that was known by its place only. */
static bool is_worthless(const struct rsm_medium *medium)
{
	return !medium->barcode[0] && !medium->old_uuid[0] &&
	       (medium->state == RSM_MEDIUM_AVAILABLE || medium->state == RSM_MEDIUM_UNPREPARED);
}

/* Another record knows this volume and is not in the library: the cartridge here is that one, under
 * a new barcode (or none). It takes this one's place and barcode.
 */
static int come_home(struct identifying *it, struct rsm_medium *known, struct rsm_err *err)
{
	struct rsm_medium here = it->medium;
	char barcode[RSM_BARCODE_SIZE];
	/* what is allocated on its other side is worth remembering */
	bool owned = rsm_side_check_other_locked(it->catalog, &here, NULL) < 0;
	int r;

	memcpy(barcode, known->barcode, sizeof barcode);
	if (is_passing(&here) && !owned)
		r = rsm_medium_delete_locked(it->catalog, here.id, err);
	else if (is_worthless(&here) && !owned) /* nothing would tell that it is the one */
		r = rsm_medium_delete_locked(it->catalog, here.id, err);
	else /* it was thought to be here, but its label is not: it is somewhere else */
		r = rsm_medium_set_place_locked(it->catalog, here.id, 0, RSM_AT_OFFLINE, 0, err);
	if (r == 0 && here.location != RSM_AT_OFFLINE)
		r = rsm_medium_set_place_locked(it->catalog, known->id, here.library, here.location,
						here.element, err);
	if (r == 0)
		r = rsm_catalog_run(it->catalog, err,
				    "UPDATE medium SET home_slot = ?2 WHERE id = (SELECT medium "
				    "FROM side WHERE id = ?1)",
				    "iu", known->id, here.home_slot);
	if (r == 0 && here.barcode[0] && strcmp(here.barcode, barcode) != 0) {
		r = rsm_side_name_locked(it->catalog, known->id, here.barcode, err);
		if (r == 0)
			r = rsm_catalog_run(it->catalog, err,
					    "UPDATE medium SET barcode = ?2 WHERE id = (SELECT "
					    "medium FROM side WHERE id = ?1)",
					    "is", known->id, here.barcode);
	}
	if (r == 0)
		r = rsm_medium_need_locked(it->catalog, known->id, &it->medium, err);
	if (r == 0)
		r = note_contents(it, err);
	return r < 0 ? r : found_same(it, err);
}

static int set_home(struct identifying *it, int64_t id, uint32_t slot, struct rsm_err *err)
{
	return rsm_catalog_run(it->catalog, err,
			       "UPDATE medium SET home_slot = ?2 WHERE id = (SELECT medium FROM "
			       "side WHERE id = ?1)",
			       "iu", id, slot);
}

/* Two without barcodes have changed places behind our back: each is where the other was. */
static int trade_places(struct identifying *it, struct rsm_medium *known, struct rsm_err *err)
{
	struct rsm_medium here = it->medium;
	int r;

	r = rsm_medium_set_place_locked(it->catalog, here.id, 0, RSM_AT_OFFLINE, 0, err);
	if (r == 0)
		r = rsm_medium_set_place_locked(it->catalog, known->id, here.library, here.location,
						here.element, err);
	if (r == 0)
		r = rsm_medium_set_place_locked(it->catalog, here.id, known->library,
						known->location, known->element, err);
	if (r == 0)
		r = set_home(it, known->id, here.home_slot, err);
	if (r == 0)
		r = set_home(it, here.id, known->home_slot, err);
	if (r == 0)
		r = rsm_medium_need_locked(it->catalog, known->id, &it->medium, err);
	if (r == 0)
		r = note_contents(it, err);
	return r < 0 ? r : found_same(it, err);
}

static int found_copy(struct identifying *it, struct rsm_err *err)
{
	if (is_allocated(&it->medium)) {
		char what[96];

		snprintf(what, sizeof what, "the volume %s of another cartridge", it->uuid);
		return complain(it, what, err);
	}
	if (it->medium.state == RSM_MEDIUM_DECOMMISSIONED)
		return 0;
	return settle(it, RSM_POOL_IMPORT, RSM_MEDIUM_IMPORT, it->uuid, true, err);
}

/* Who lies in the drive is who the catalogue has there now. */
static int look_into_drive(struct identifying *it, struct rsm_err *err)
{
	const struct rsm_identification *found = it->found;
	int64_t lying;
	int r;

	if (!found->library)
		return 0;
	r = rsm_catalog_number(it->catalog, &lying, err,
			       "SELECT s.id FROM medium m CROSS JOIN side s ON s.medium = m.id "
			       "WHERE m.library = ?1 AND m.location = ?2 AND m.element = ?3 "
			       "ORDER BY s.side_number <> " RSM_IS_INVERTED "LIMIT 1",
			       "idu", found->library, (int)RSM_AT_DRIVE, found->drive);
	if (r < 0 || r == RSM_SQLITE_DONE)
		return r < 0 ? r : 0;
	return rsm_medium_need_locked(it->catalog, lying, &it->medium, err);
}

static int found_ltfs(struct identifying *it, struct rsm_err *err)
{
	struct rsm_medium known;
	int64_t id;
	int r;

	if (strcmp(it->medium.volume_uuid, it->uuid) == 0 ||
	    strcmp(it->medium.old_uuid, it->uuid) == 0) {
		r = note_contents(it, err);
		return r < 0 ? r : found_same(it, err);
	}
	r = rsm_catalog_number(it->catalog, &id, err,
			       "SELECT id FROM side WHERE volume_uuid = ?1 AND volume_uuid <> '' "
			       "AND duplicate = 0",
			       "s", it->uuid);
	if (r == RSM_SQLITE_DONE)
		r = rsm_catalog_number(it->catalog, &id, err,
				       "SELECT id FROM side WHERE old_uuid = ?1 AND old_uuid <> '' "
				       "ORDER BY id LIMIT 1",
				       "s", it->uuid);
	if (r < 0)
		return r;
	if (r == 0) {
		r = rsm_medium_need_locked(it->catalog, id, &known, err);
		if (r < 0)
			return r;
		if (known.location == RSM_AT_OFFLINE)
			return come_home(it, &known, err);
		if (known.physical != it->medium.physical && !is_passing(&it->medium) &&
		    it->medium.location != RSM_AT_OFFLINE && !it->medium.barcode[0] &&
		    !known.barcode[0] && !it->found->owner_is_sure)
			return trade_places(it, &known, err);
		r = note_contents(it, err);
		return r < 0 ? r : found_copy(it, err);
	}
	r = note_contents(it, err);
	return r < 0 ? r : found_new(it, err);
}

/* ---- what people see ---- */

void rsm_identification_label_text(const struct rsm_medium *medium, struct rsm_text *ret_text)
{
	rsm_text_add(ret_text, medium->label_type);
	if (medium->label_info[0])
		rsm_text_printf(ret_text, "%s%s", medium->label_type[0] ? " " : "",
				medium->label_info);
}

/* ---- all of it ---- */

static int identify_locked(struct identifying *it, int64_t id, struct rsm_err *err)
{
	const struct rsm_identification *found = it->found;
	uuid_t uuid;
	int r;

	r = rsm_medium_need_locked(it->catalog, id, &it->medium, err);
	if (r == 0)
		r = look_into_drive(it, err);
	if (r < 0)
		return r;
	memcpy(it->before, it->medium.volume_uuid, sizeof it->before);
	if (it->medium.cleaner)
		return rsm_err_set(err, EINVAL, "%s is a cleaning cartridge",
				   rsm_medium_words(&it->medium));
	if (found->identity == RSM_IS_LTFS && found->volume_uuid &&
	    uuid_parse(found->volume_uuid, uuid) == 0)
		uuid_unparse_lower(uuid, it->uuid);
	if (found->identity != RSM_IS_UNREADABLE)
		r = rsm_medium_settle_doubt_locked(it->catalog, &it->medium, it->uuid,
						   found->pool && found->name, err);
	if (r == 0 && it->uuid[0])
		return found_ltfs(it, err);
	if (r == 0)
		r = note_contents(it, err);
	if (r < 0)
		return r;
	switch (found->identity) {
	case RSM_IS_FREE: return found_free(it, err);
	case RSM_IS_INCOMPATIBLE: return found_incompatible(it, err);
	case RSM_IS_UNREADABLE: return found_unreadable(it, err);
	default: return found_nothing(it, err); /* also LTFS without a good uuid */
	}
}

int rsm_medium_identified(struct rsm_catalog *catalog, int64_t id,
			  const struct rsm_identification *found, struct rsm_medium *ret_medium,
			  struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct identifying it = { .catalog = catalog, .found = found };
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = identify_locked(&it, id, err);
	if (r == 0)
		r = rsm_side_settle_reserved_locked(catalog, it.medium.id, err);
	if (r == 0)
		r = rsm_medium_need_locked(catalog, it.medium.id, &it.medium, err);
	r = rsm_catalog_end_locked(catalog, r, err);
	if (r == 0 && ret_medium)
		*ret_medium = it.medium;
	return r;
}
