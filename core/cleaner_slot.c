/* The cleaner's slot of a library (declared in cleaner.h): a row of `setting`. */
#include <stdio.h>
#include <string.h>

#include "changer/media_type.h"
#include "core/catalog_private.h"
#include "core/cleaner.h"

enum { KEY_SIZE = 40 };

static void slot_key(int64_t library, char ret_key[KEY_SIZE])
{
	snprintf(ret_key, KEY_SIZE, "cleaner-slot:%lld", (long long)library);
}

int rsm_cleaner_slot_locked(struct rsm_catalog *catalog, int64_t library, uint32_t *ret_slot,
			    struct rsm_err *err)
{
	char key[KEY_SIZE];
	int64_t slot = 0;
	int r;

	slot_key(library, key);
	r = rsm_catalog_number(catalog, &slot, err,
			       "SELECT CAST(value AS INTEGER) FROM setting WHERE key = ?1", "s",
			       key);
	if (r < 0)
		return r;
	*ret_slot = slot > 0 && slot <= UINT16_MAX ? (uint32_t)slot : 0;
	return 0;
}

int rsm_cleaner_slot(struct rsm_catalog *catalog, int64_t library, uint32_t *ret_slot,
		     struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_cleaner_slot_locked(catalog, library, ret_slot, err);
}

static int note_slot(struct rsm_catalog *catalog, int64_t library, uint32_t slot,
		     struct rsm_err *err)
{
	char key[KEY_SIZE];

	slot_key(library, key);
	if (!slot)
		return rsm_catalog_run(catalog, err, "DELETE FROM setting WHERE key = ?1", "s",
				       key);
	return rsm_catalog_run(catalog, err,
			       "INSERT OR REPLACE INTO setting (key, value) VALUES (?1, CAST(?2 AS "
			       "TEXT))",
			       "su", key, slot);
}

/* ABSENT: the slot is empty. */
static int lying_in(struct rsm_catalog *catalog, int64_t library, uint32_t slot,
		    struct rsm_medium *ret_medium, struct rsm_err *err)
{
	int64_t side = 0;
	int r = rsm_catalog_number(
		catalog, &side, err,
		"SELECT s.id FROM medium m CROSS JOIN side s ON s.medium = m.id WHERE m.library = "
		"?1 AND m.location = ?2 AND m.element = ?3 AND s.side_number = 0",
		"idu", library, (int)RSM_AT_SLOT, slot);

	if (r == RSM_SQLITE_DONE)
		return RSM_MEDIUM_ABSENT;
	return r < 0 ? r : rsm_medium_need_locked(catalog, side, ret_medium, err);
}

/* A label that could be read tells that it is for data. */
static int check_unlabelled(const struct rsm_medium *medium, struct rsm_err *err)
{
	bool unknown = medium->state == RSM_MEDIUM_UNKNOWN || medium->state == RSM_MEDIUM_FOREIGN ||
		       medium->state == RSM_MEDIUM_INCOMPATIBLE;

	if (medium->lmid[0])
		return rsm_err_set(err, EBUSY, "%s is allocated", rsm_medium_words(medium));
	if (!unknown || medium->volume_uuid[0] || medium->label_type[0])
		return rsm_err_set(err, EMEDIUMTYPE,
				   "%s is no cleaning cartridge: a drive has read it (%s)",
				   rsm_medium_words(medium),
				   medium->label_type[0] ? medium->label_type
							 : rsm_medium_state_name(medium->state));
	return 0;
}

static int reserve(struct rsm_catalog *catalog, int64_t library, uint32_t slot,
		   struct rsm_medium *lying, bool *ret_changed, struct rsm_err *err)
{
	uint32_t now = 0;
	int r = rsm_cleaner_slot_locked(catalog, library, &now, err);

	if (r == 0 && now && now != slot)
		return rsm_err_set(err, EEXIST, "slot %u is the cleaner's already", now);
	if (r == 0 && lying->id && !lying->cleaner) {
		r = check_unlabelled(lying, err);
		if (r == 0)
			r = rsm_medium_set_cleaner_locked(catalog, lying->id, lying, err);
		*ret_changed = r == 0;
	}
	return r < 0 ? r : note_slot(catalog, library, slot, err);
}

static int release(struct rsm_catalog *catalog, int64_t library, uint32_t slot,
		   struct rsm_medium *lying, bool *ret_changed, struct rsm_err *err)
{
	bool said = lying->id && lying->cleaner && !rsm_barcode_is_cleaner(lying->barcode);
	struct rsm_pool pool;
	uint32_t now = 0;
	int r = rsm_cleaner_slot_locked(catalog, library, &now, err);

	if (r == 0 && now != slot && !said)
		return rsm_err_set(err, ENOENT, "slot %u is not the cleaner's", slot);
	if (r == 0 && now == slot)
		r = note_slot(catalog, library, 0, err);
	if (r < 0 || !said)
		return r;
	r = rsm_pool_system_locked(catalog, RSM_POOL_FOREIGN, lying->media_type, &pool, err);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE medium SET cleaner = 0 WHERE id = (SELECT medium FROM "
				    "side WHERE id = ?1)",
				    "i", lying->id);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, pool.id, err);
	*ret_changed = r == 0;
	return r < 0 ? r : rsm_medium_need_locked(catalog, lying->id, lying, err);
}

int rsm_cleaner_set_slot(struct rsm_catalog *catalog, int64_t library, uint32_t slot, bool is,
			 struct rsm_medium *ret_medium, bool *ret_changed, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_medium lying = { 0 };
	bool changed = false;
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = lying_in(catalog, library, slot, &lying, err);
	if (r >= 0)
		r = (is ? reserve : release)(catalog, library, slot, &lying, &changed, err);
	r = rsm_catalog_end_locked(catalog, r, err);
	if (r < 0)
		return r;
	*ret_medium = lying;
	*ret_changed = changed;
	return 0;
}
