#include "core/cleaner.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/catalog_private.h"

/* Rows of `setting`: "uses:GUID" of a cartridge, "cleaned:ID" of a drive. */
enum { KEY_SIZE = 8 + RSM_GUID_SIZE + 24 };

static void uses_key(const struct rsm_medium *cleaner, char ret_key[KEY_SIZE])
{
	snprintf(ret_key, KEY_SIZE, "uses:%s", cleaner->guid);
}

static int get_locked(struct rsm_catalog *catalog, const char *key, int64_t *ret_value,
		      struct rsm_err *err)
{
	return rsm_catalog_number(catalog, ret_value, err,
				  "SELECT CAST(value AS INTEGER) FROM setting WHERE key = ?1", "s",
				  key);
}

static int set_locked(struct rsm_catalog *catalog, const char *key, int64_t value,
		      struct rsm_err *err)
{
	return rsm_catalog_run(catalog, err,
			       "INSERT INTO setting (key, value) VALUES (?1, CAST(?2 AS TEXT)) ON "
			       "CONFLICT DO UPDATE SET value = excluded.value",
			       "si", key, value);
}

static int uses_locked(struct rsm_catalog *catalog, const struct rsm_medium *cleaner,
		       uint32_t *ret_uses, struct rsm_err *err)
{
	int64_t uses = RSM_CLEANER_UNCOUNTED;
	char key[KEY_SIZE];
	int r;

	uses_key(cleaner, key);
	r = get_locked(catalog, key, &uses, err);
	if (r < 0)
		return r;
	*ret_uses =
		uses < 0 || uses > RSM_CLEANER_UNCOUNTED ? RSM_CLEANER_UNCOUNTED : (uint32_t)uses;
	return 0;
}

int rsm_cleaner_uses(struct rsm_catalog *catalog, const struct rsm_medium *cleaner,
		     uint32_t *ret_uses, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return uses_locked(catalog, cleaner, ret_uses, err);
}

int rsm_cleaner_set_uses(struct rsm_catalog *catalog, const struct rsm_medium *cleaner,
			 uint32_t uses, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	char key[KEY_SIZE];

	if (!cleaner->cleaner)
		return rsm_err_set(err, EMEDIUMTYPE, "%s is no cleaning cartridge", cleaner->shown);
	uses_key(cleaner, key);
	return set_locked(catalog, key, uses, err);
}

int rsm_cleaner_find(struct rsm_catalog *catalog, int64_t library, struct rsm_medium *ret_cleaner,
		     struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int64_t side = 0;
	int r;

	/* one that is counted first: it is there to be used up */
	r = rsm_catalog_number(
		catalog, &side, err,
		"SELECT s.id FROM medium m JOIN side s ON s.medium = m.id LEFT JOIN "
		"setting u ON u.key = 'uses:' || s.guid WHERE m.cleaner = 1 AND "
		"m.enabled = 1 AND m.library = ?1 AND m.location = 2 AND "
		"CAST(ifnull(u.value, '1') AS INTEGER) > 0 ORDER BY u.value IS NULL, "
		"CAST(u.value AS INTEGER), m.barcode LIMIT 1",
		"i", library);
	if (r == RSM_SQLITE_DONE)
		return RSM_MEDIUM_ABSENT;
	return r < 0 ? r : rsm_medium_need_locked(catalog, side, ret_cleaner, err);
}

int rsm_cleaner_note_use(struct rsm_catalog *catalog, int64_t drive,
			 const struct rsm_medium *cleaner, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct timespec now;
	char key[KEY_SIZE];
	uint32_t uses = 0;
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	rsm_catalog_now(catalog, &now);
	snprintf(key, sizeof key, "cleaned:%lld", (long long)drive);
	r = set_locked(catalog, key, now.tv_sec, err);
	if (r == 0 && cleaner)
		r = uses_locked(catalog, cleaner, &uses, err);
	if (r == 0 && cleaner && uses && uses != RSM_CLEANER_UNCOUNTED) {
		uses_key(cleaner, key);
		r = set_locked(catalog, key, uses - 1, err);
	}
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_cleaner_last(struct rsm_catalog *catalog, int64_t drive, int64_t *ret_time,
		     struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	char key[KEY_SIZE];
	int r;

	*ret_time = 0;
	snprintf(key, sizeof key, "cleaned:%lld", (long long)drive);
	r = get_locked(catalog, key, ret_time, err);
	return r < 0 ? r : 0;
}
