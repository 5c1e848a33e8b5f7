/* Who is to be looked at next. The catalogue is the list: 100,000 media that wait cost no memory,
 * and none is forgotten or asked for twice when some come, go or move meanwhile.
 */
#include "core/catalog_private.h"
#include "core/identification.h"

int rsm_identification_next_unknown(struct rsm_catalog *catalog, int64_t library, int64_t after,
				    int64_t *ret_id, struct rsm_err *err)
{
	int r;

	RSM_LOCK_SCOPE(&catalog->lock);
	r = rsm_catalog_number(catalog, ret_id, err,
			       "SELECT s.id FROM side s INDEXED BY side_unknown CROSS JOIN medium "
			       "m ON m.id = s.medium WHERE s.state = 0 AND s.id > ?1 AND m.library "
			       "= ?2 AND m.location IN (2, 4) AND m.cleaner = 0 AND m.enabled = 1 "
			       "ORDER BY s.id LIMIT 1",
			       "ii", after, library);
	return r == RSM_SQLITE_DONE ? RSM_MEDIUM_ABSENT : r;
}

/* In one kind of place. */
static int next_at_locked(struct rsm_catalog *catalog, int64_t library,
			  const struct rsm_identification_place *behind, int64_t *ret_id,
			  uint32_t *ret_element, struct rsm_err *err)
{
	sqlite3_stmt *statement;
	int r = rsm_catalog_query(
		catalog, &statement, err,
		"SELECT s.id, m.element FROM medium m INDEXED BY medium_place CROSS JOIN side s "
		"ON s.medium = m.id AND s.side_number = 0 WHERE m.library = ?1 AND m.location = ?2 "
		"AND m.location <> 0 AND m.element > ?3 AND m.cleaner = 0 AND m.enabled = 1 ORDER "
		"BY m.element LIMIT 1",
		"idi", library, (int)behind->location, (int64_t)behind->element);

	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r != 0)
		return r < 0 ? r : RSM_MEDIUM_ABSENT;
	*ret_id = sqlite3_column_int64(row, 0);
	*ret_element = (uint32_t)sqlite3_column_int64(row, 1);
	return 0;
}

/* The first one may be in a drive by now, just because it is being looked at. */
static int second_side_locked(struct rsm_catalog *catalog, int64_t library, int64_t first,
			      int64_t *ret_id, struct rsm_err *err)
{
	int r = RSM_SQLITE_DONE;

	if (first)
		r = rsm_catalog_number(catalog, ret_id, err,
				       "SELECT o.id FROM side s JOIN side o ON o.medium = s.medium "
				       "AND o.side_number = 1 JOIN medium m ON m.id = s.medium "
				       "WHERE s.id = ?1 AND s.side_number = 0 AND m.library = ?2 "
				       "AND m.enabled = 1",
				       "ii", first, library);
	return r == RSM_SQLITE_DONE ? RSM_MEDIUM_ABSENT : r;
}

int rsm_identification_next_place(struct rsm_catalog *catalog, int64_t library,
				  struct rsm_identification_place *place, int64_t *ret_id,
				  struct rsm_err *err)
{
	struct rsm_identification_place at = *place;
	int r;

	RSM_LOCK_SCOPE(&catalog->lock);
	r = second_side_locked(catalog, library, at.side, ret_id, err);
	if (r == 0)
		place->side = *ret_id;
	if (r != RSM_MEDIUM_ABSENT)
		return r;
	if (at.location != RSM_AT_DRIVE)
		at.location = RSM_AT_SLOT;
	r = next_at_locked(catalog, library, &at, ret_id, &at.element, err);
	if (r == RSM_MEDIUM_ABSENT && at.location == RSM_AT_SLOT) {
		at = (struct rsm_identification_place){ .location = RSM_AT_DRIVE };
		r = next_at_locked(catalog, library, &at, ret_id, &at.element, err);
	}
	if (r == 0) {
		at.side = *ret_id;
		*place = at;
	}
	return r;
}

int rsm_identification_count(struct rsm_catalog *catalog, int64_t library, uint64_t *ret_count,
			     struct rsm_err *err)
{
	int64_t count = 0;
	int r;

	RSM_LOCK_SCOPE(&catalog->lock);
	r = rsm_catalog_number(catalog, &count, err,
			       "SELECT count(*) FROM medium m INDEXED BY medium_place CROSS JOIN "
			       "side s ON s.medium = m.id WHERE m.library = ?1 AND m.location IN "
			       "(2, 4) AND m.location <> 0 AND m.cleaner = 0 AND m.enabled = 1",
			       "i", library);
	*ret_count = (uint64_t)count;
	return r < 0 ? r : 0;
}
