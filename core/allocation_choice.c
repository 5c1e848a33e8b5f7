/* Which cartridge (declared in allocation.h): rsm-model.md 6.
 *
 * The order is that of the index side_choice, so the best one is found without a sort, however
 * many there are; those that lie in drives are looked at besides, as they are few.
 */
#include <string.h>

#include "core/allocation.h"
#include "core/catalog_private.h"

/* A format does without the free label that is to be written (rsm free) where it may take the place
 * of what is there: of an LTFS volume that was given up, or of nothing. Foreign labels go with the
 * free label only; and what is to be erased is erased before.
 */
#define WAITS_FOR_NO_LABEL                                                                         \
	"(s.label_work <> 3 OR ((s.old_uuid <> '' OR s.label_type IN ('RSMFS FREE', 'blank')) "    \
	"AND NOT EXISTS (SELECT 1 FROM setting WHERE key = 'erase ' || s.id))) "

/* Alone, or with its other side free as well, if it is to be a new cartridge. */
#define IS_AS_NEW                                                                                  \
	"AND (?3 <> 1 OR NOT EXISTS (SELECT 1 FROM side o WHERE o.medium = s.medium AND o.id <> "  \
	"s.id AND o.state NOT IN (1, 4))) "
#define IS_FREE_TO_TAKE                                                                            \
	"s.ready = 1 AND s.state IN (1, 4) AND s.duplicate = 0 AND " WAITS_FOR_NO_LABEL "AND "     \
	"b.present = 1 AND b.enabled = "                                                           \
	"1 AND (?2 = 0 OR s.allocations < ?2) AND NOT EXISTS (SELECT 1 FROM library_limit w "      \
	"WHERE w.library = m.library AND w.media_type = m.media_type) "

/* What is to be allocated, as far as it is known. */
struct choice {
	const struct rsm_allocation *wanted;
	struct rsm_pool pool;
	int64_t side;
	int rank;
	bool found;
	bool exact; /* this one was asked for: why it cannot be is to be told */
};

static int look(struct rsm_catalog *catalog, struct choice *choice, const char *sql, int64_t pool,
		bool in_drive, struct rsm_err *err)
{
	sqlite3_stmt *statement;
	int r;

	r = rsm_catalog_query(catalog, &statement, err, sql, "iud", pool,
			      choice->pool.max_allocations, (int)choice->wanted->sides);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r != 0)
		return r < 0 ? r : 0;
	int rank = sqlite3_column_int(row, 1);
	/* among equals, what lies in a drive is taken */
	if (!choice->found || rank < choice->rank || (rank == choice->rank && in_drive)) {
		choice->found = true;
		choice->rank = rank;
		choice->side = sqlite3_column_int64(row, 0);
	}
	return 0;
}

static int look_in_pool(struct rsm_catalog *catalog, struct choice *choice, int64_t pool,
			struct rsm_err *err)
{
	struct choice here = { .wanted = choice->wanted, .pool = choice->pool };
	int r;

	r = look(catalog, &here,
		 "SELECT s.id, s.rank FROM side s INDEXED BY side_choice CROSS JOIN medium m ON "
		 "m.id = s.medium CROSS JOIN library b ON b.id = m.library "
		 "WHERE s.pool = ?1 AND " IS_FREE_TO_TAKE IS_AS_NEW
		 "ORDER BY s.rank, s.mounts, s.released, s.shown LIMIT 1",
		 pool, false, err);
	if (r == 0 && here.found)
		r = look(catalog, &here,
			 "SELECT s.id, s.rank FROM library b CROSS JOIN medium m ON m.library = "
			 "b.id AND m.location = 4 AND m.location <> 0 CROSS JOIN side s ON "
			 "s.medium = m.id WHERE s.pool = ?1 AND " IS_FREE_TO_TAKE IS_AS_NEW
			 "ORDER BY s.rank, s.mounts, s.released, s.shown LIMIT 1",
			 pool, true, err);
	if (r == 0 && here.found && (!choice->found || here.rank < choice->rank)) {
		choice->found = true;
		choice->rank = here.rank;
		choice->side = here.side;
	}
	return r;
}

static int look_in_free(struct rsm_catalog *catalog, struct choice *choice, struct rsm_err *err)
{
	int64_t pools[64];
	size_t count = 0;
	int r;

	{
		sqlite3_stmt *statement;

		r = rsm_catalog_query(
			catalog, &statement, err,
			"SELECT id FROM pool WHERE kind = 1 AND holds = 1 AND media > "
			"0 AND (?1 = '' OR media_type = ?1) ORDER BY name",
			"s", choice->pool.media_type);
		if (r < 0)
			return r;
		RSM_SQLITE_RESET sqlite3_stmt *row = statement;
		while (count < sizeof pools / sizeof pools[0] &&
		       (r = rsm_sqlite_step(row, err)) == 0)
			pools[count++] = sqlite3_column_int64(row, 0);
		if (r < 0)
			return r;
	}
	r = 0;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = look_in_pool(catalog, choice, pools[i], err);
	return r;
}

/* A cartridge that bears the name as its barcode and could be chosen is what the caller means. */
static int look_by_barcode(struct rsm_catalog *catalog, struct choice *choice, struct rsm_err *err)
{
	int r;

	r = rsm_catalog_number(
		catalog, &choice->side, err,
		"SELECT s.id FROM medium m CROSS JOIN side s ON s.medium = m.id CROSS JOIN library "
		"b ON b.id = m.library CROSS JOIN pool p ON p.id = s.pool "
		"WHERE m.barcode = ?1 AND m.barcode <> '' AND " IS_FREE_TO_TAKE
		"AND (p.id = ?3 OR (p.kind = 1 AND ?4)) AND (?5 = '' OR ?5 = m.media_type) "
		"AND (SELECT count(*) FROM medium o WHERE o.barcode = ?1 AND o.barcode <> '') = 1 "
		"ORDER BY s.side_number LIMIT 1",
		"suids", choice->wanted->name, choice->pool.max_allocations, choice->pool.id,
		(int)choice->pool.draw_from_free, choice->pool.media_type);
	if (r == RSM_SQLITE_DONE) /* "BC.B" */
		r = rsm_catalog_number(
			catalog, &choice->side, err,
			"SELECT s.id FROM side s CROSS JOIN medium m ON m.id = s.medium CROSS JOIN "
			"library b ON b.id = m.library CROSS JOIN pool p ON p.id = s.pool WHERE "
			"s.shown = ?1 AND EXISTS (SELECT 1 FROM side o WHERE o.medium = s.medium "
			"AND o.id <> s.id) AND " IS_FREE_TO_TAKE
			"AND (p.id = ?3 OR (p.kind = 1 AND ?4)) AND (?5 = '' OR ?5 = m.media_type)",
			"suids", choice->wanted->name, choice->pool.max_allocations,
			choice->pool.id, (int)choice->pool.draw_from_free, choice->pool.media_type);
	choice->found = r == 0;
	return r < 0 ? r : 0;
}

/* Exactly the one with that barcode, in whatever state. */
static int find_barcode(struct rsm_catalog *catalog, const char *barcode, int64_t *ret_side,
			struct rsm_err *err)
{
	int64_t count = 0;
	int r;

	r = rsm_catalog_number(catalog, ret_side, err, "SELECT id FROM side WHERE shown = ?1", "s",
			       barcode);
	if (r < 0)
		return r;
	if (r == RSM_SQLITE_DONE)
		return rsm_err_set(err, ENOENT, "%s is unknown", barcode);
	r = rsm_catalog_number(catalog, &count, err,
			       "SELECT count(*) FROM medium WHERE barcode = ?1 AND barcode <> ''",
			       "s", barcode);
	if (r == 0 && count > 1)
		r = rsm_err_set(err, EINVAL, "%lld cartridges bear the barcode %s",
				(long long)count, barcode);
	return r < 0 ? r : 0;
}

/* That nothing is left, or that nothing here could write what is left. */
static int tell_none(struct rsm_catalog *catalog, const struct choice *choice, struct rsm_err *err)
{
	const char *type = choice->pool.media_type;
	int64_t unable = 0;
	int r = rsm_catalog_number(catalog, &unable, err,
				   "SELECT count(*) > 0 AND count(*) = count(w.media_type) FROM "
				   "library b LEFT JOIN library_limit w ON w.library = b.id AND "
				   "w.media_type = ?1 WHERE b.present",
				   "s", type);

	if (r < 0)
		return r;
	if (unable)
		return rsm_err_set(err, EMEDIUMTYPE, "%s: no drive here writes %s",
				   choice->pool.name, type);
	return rsm_err_set(err, ENOSPC, "no cartridge%s%s is available for %s",
			   type[0] ? " of type " : "", type, choice->pool.name);
}

static int choose(struct rsm_catalog *catalog, struct choice *choice, struct rsm_err *err)
{
	const struct rsm_allocation *wanted = choice->wanted;
	int r = 0;

	if (wanted->medium || wanted->barcode) {
		choice->exact = choice->found = true;
		choice->side = wanted->medium;
		return wanted->medium ? 0
				      : find_barcode(catalog, wanted->barcode, &choice->side, err);
	}
	if (wanted->sides == RSM_SIDES_NEXT) {
		choice->found = true;
		return rsm_side_next_locked(catalog, wanted->next_of, choice->pool.id,
					    &choice->side, err);
	}
	if (wanted->name && wanted->sides == RSM_SIDES_ANY)
		r = look_by_barcode(catalog, choice, err);
	if (r == 0 && !choice->found)
		r = look_in_pool(catalog, choice, choice->pool.id, err);
	if (r == 0 && !choice->found && choice->pool.draw_from_free)
		r = look_in_free(catalog, choice, err);
	if (r == 0 && !choice->found)
		r = tell_none(catalog, choice, err);
	return r;
}

/* Why a cartridge that was asked for cannot be allocated. */
static int check_exact(struct rsm_catalog *catalog, const struct choice *choice,
		       const struct rsm_medium *medium, struct rsm_err *err)
{
	const char *words = rsm_medium_words(medium);
	int64_t enabled = 0, waits = 0;
	int r;

	if (medium->cleaner)
		return rsm_err_set(err, EPERM, "%s is a cleaning cartridge", words);
	switch (medium->state) {
	case RSM_MEDIUM_AVAILABLE:
	case RSM_MEDIUM_UNPREPARED: break;
	case RSM_MEDIUM_IMPORT:
		if (medium->duplicate)
			return rsm_err_set(err, EPERM, "%s is a copy of another cartridge's volume",
					   words);
		if (medium->volume_uuid[0] == '\0')
			return rsm_err_set(err, EPERM, "%s bears no volume", words);
		break;
	case RSM_MEDIUM_ALLOCATED:
	case RSM_MEDIUM_COMPLETE:
	case RSM_MEDIUM_RESERVED: return rsm_err_set(err, EBUSY, "%s is allocated already", words);
	default:
		return rsm_err_set(err, EPERM, "%s is %s: it cannot be allocated", words,
				   rsm_medium_state_name(medium->state));
	}
	if (medium->location == RSM_AT_OFFLINE)
		return rsm_err_set(err, ENOMEDIUM, "%s is not in the library", words);
	r = rsm_catalog_number(catalog, &waits, err,
			       "SELECT NOT " WAITS_FOR_NO_LABEL "FROM side s WHERE s.id = ?1", "i",
			       medium->id);
	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "%s is gone", words);
	if (waits)
		return rsm_err_set(err, EBUSY, "%s waits for its free label", words);
	r = rsm_catalog_number(catalog, &enabled, err, "SELECT enabled FROM library WHERE id = ?1",
			       "i", medium->library);
	if (r < 0)
		return r;
	if (!medium->enabled || !enabled)
		return rsm_err_set(err, ENODEV, "%s is disabled", words);
	if (medium->state != RSM_MEDIUM_IMPORT) {
		r = rsm_medium_check_writers_locked(catalog, medium, err);
		if (r < 0)
			return r;
	}
	/* both go to another pool together */
	if (choice->wanted->sides == RSM_SIDES_NEW || medium->pool != choice->pool.id) {
		r = rsm_side_check_other_locked(catalog, medium, err);
		if (r < 0)
			return r;
	}
	if (choice->pool.max_allocations && medium->allocations >= choice->pool.max_allocations)
		return rsm_err_set(err, EDQUOT,
				   "%s has been allocated %u times, as often as %s "
				   "permits",
				   words, medium->allocations, choice->pool.name);
	return 0;
}

/* The name of the logical medium, or its absence, is good. */
static int check_name(struct rsm_catalog *catalog, const struct rsm_pool *pool, const char *name,
		      struct rsm_err *err)
{
	RSM_FREE char *nfc = NULL;
	int64_t other;
	int r;

	r = rsm_pool_check_name(name, &nfc, err);
	if (r < 0)
		return r;
	r = rsm_catalog_number(catalog, &other, err,
			       "SELECT id FROM logical_medium WHERE pool = ?1 AND nfc = ?2", "is",
			       pool->id, nfc);
	if (r == RSM_SQLITE_DONE)
		r = rsm_catalog_number(
			catalog, &other, err,
			"SELECT id FROM pool WHERE ifnull(parent, 0) = ?1 AND nfc = ?2", "is",
			pool->id, nfc);
	if (r == 0)
		return rsm_err_set(err, EEXIST, "%s: the name is taken", name);
	return r < 0 ? r : 0;
}

int rsm_allocation_check_pool_locked(struct rsm_catalog *catalog, const struct rsm_pool *pool,
				     const char *name, struct rsm_err *err)
{
	int r = 0;

	if (pool->kind != RSM_POOL_APPLICATION)
		return rsm_err_set(err, EPERM, "%s is a system pool: nothing is allocated in it",
				   pool->name);
	if (name)
		r = check_name(catalog, pool, name, err);
	if (r < 0)
		return r;
	if (pool->holds != RSM_POOL_HOLDS_MEDIA)
		return rsm_err_set(err, EPERM, "%s holds pools, not media", pool->name);
	if (pool->allocation_limit && pool->allocated >= pool->allocation_limit)
		return rsm_err_set(err, EDQUOT, "%s: its limit of %u allocated media is reached",
				   pool->name, pool->allocation_limit);
	return 0;
}

static int take(struct rsm_catalog *catalog, struct choice *choice, struct rsm_medium *medium,
		struct rsm_err *err)
{
	const struct rsm_allocation *wanted = choice->wanted;
	bool imported = medium->state == RSM_MEDIUM_IMPORT;
	int64_t logical, from = medium->pool;
	int r = 0;

	if (wanted->name)
		rsm_catalog_copy(medium->name, sizeof medium->name, wanted->name);
	else
		r = rsm_medium_free_name_locked(catalog, choice->pool.id, medium->shown,
						medium->name, err);
	if (r == 0)
		r = rsm_pool_take_type_locked(catalog, &choice->pool, medium->media_type, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s", rsm_medium_words(medium));
	rsm_catalog_new_guid(medium->lmid);
	if (!imported)
		rsm_catalog_new_guid(medium->volume_uuid);
	medium->mode = wanted->mode;
	medium->owner = wanted->owner;
	medium->group = wanted->group;
	rsm_catalog_now(catalog, &medium->created);
	medium->modified = medium->changed = medium->created;
	medium->priority = 0;
	r = rsm_logical_begin_locked(catalog, medium, choice->pool.id, &logical, err);
	if (r == 0)
		r = rsm_catalog_give_acls_locked(catalog, 'm', medium->id, wanted->access_acl,
						 wanted->default_acl, err);
	if (r == 0)
		r = rsm_catalog_run(
			catalog, err,
			"UPDATE side SET pool = ?2, state = 5, logical = ?3, volume_uuid = ?4, "
			"label_work = ?5, format_generation = format_generation + ?6, allocations "
			"= allocations + 1 WHERE id = ?1",
			"iiisdd", medium->id, choice->pool.id, logical, medium->volume_uuid,
			(int)(imported ? RSM_LABEL_UPDATE : RSM_LABEL_FORMAT),
			(int)!imported); /* whose files are the same under their numbers */
	if (r == 0 && wanted->sides == RSM_SIDES_NEW)
		r = rsm_side_reserve_locked(catalog, medium->id, err);
	if (r == 0 && wanted->sides == RSM_SIDES_NEXT)
		r = rsm_side_taken_locked(catalog, wanted->next_of, err);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, choice->pool.id, err);
	if (r == 0 && from != choice->pool.id)
		r = rsm_pool_touch_locked(catalog, from, err);
	return r;
}

static int allocate_locked(struct rsm_catalog *catalog, const struct rsm_allocation *wanted,
			   struct rsm_medium *ret_medium, struct rsm_err *err)
{
	struct choice choice = { .wanted = wanted };
	int r;

	r = rsm_pool_need_locked(catalog, wanted->pool, &choice.pool, err);
	if (r == 0)
		r = rsm_allocation_check_pool_locked(catalog, &choice.pool, wanted->name, err);
	if (r == 0)
		r = choose(catalog, &choice, err);
	if (r == 0)
		r = rsm_medium_need_locked(catalog, choice.side, ret_medium, err);
	if (r == 0 && choice.exact)
		r = check_exact(catalog, &choice, ret_medium, err);
	if (r == 0)
		r = take(catalog, &choice, ret_medium, err);
	return r < 0 ? r : rsm_medium_need_locked(catalog, choice.side, ret_medium, err);
}

int rsm_allocate(struct rsm_catalog *catalog, const struct rsm_allocation *allocation,
		 struct rsm_medium *ret_medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_medium medium;
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = allocate_locked(catalog, allocation, &medium, err);
	r = rsm_catalog_end_locked(catalog, r, err);
	if (r == 0)
		*ret_medium = medium;
	return r;
}
