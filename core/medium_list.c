/* Lists of media, and looks for one by what is rarely asked for (declared in media.h). */
#include "core/media_private.h"

static int step_media(sqlite3_stmt *statement, rsm_medium_each *each, void *context,
		      struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	struct rsm_medium medium;
	int r;

	while ((r = rsm_sqlite_step(row, err)) == 0) {
		rsm_medium_read_row(row, &medium);
		if (!each(context, &medium))
			return 0;
	}
	return r < 0 ? r : 0;
}

int rsm_medium_list(struct rsm_catalog *catalog, int64_t pool, const char *after,
		    rsm_medium_each *each, void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_pool found;
	sqlite3_stmt *rows;
	int r;

	r = rsm_pool_get_locked(catalog, pool, &found, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (found.kind == RSM_POOL_APPLICATION)
		r = rsm_catalog_query(catalog, &rows, err,
				      "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_LOGICAL
				      "WHERE l.pool = ?1 AND l.name > ?2 ORDER BY l.name",
				      "is", pool, after);
	else
		r = rsm_catalog_query(catalog, &rows, err,
				      "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_SIDE
				      "WHERE s.pool = ?1 AND s.shown > ?2 ORDER BY s.shown",
				      "is", pool, after);
	return r < 0 ? r : step_media(rows, each, context, err);
}

int rsm_medium_list_all(struct rsm_catalog *catalog, int64_t after_id, rsm_medium_each *each,
			void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *rows;
	int r = rsm_catalog_query(catalog, &rows, err,
				  "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_SIDE
				  "WHERE s.id > ?1 ORDER BY s.id",
				  "i", after_id);

	return r < 0 ? r : step_media(rows, each, context, err);
}

int rsm_medium_list_pool(struct rsm_catalog *catalog, int64_t pool, const char *after,
			 rsm_medium_each *each, void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *rows;
	int r = rsm_catalog_query(catalog, &rows, err,
				  "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_SIDE
				  "WHERE s.pool = ?1 AND s.shown > ?2 ORDER BY s.shown",
				  "is", pool, after);

	return r < 0 ? r : step_media(rows, each, context, err);
}

int rsm_medium_list_label_work(struct rsm_catalog *catalog, int64_t after, rsm_medium_each *each,
			       void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *rows;
	int r = rsm_catalog_query(catalog, &rows, err,
				  "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_SIDE
				  "WHERE s.label_work <> 0 AND s.id > ?1 AND m.location <> 0 AND "
				  "b.present = 1 ORDER BY s.id",
				  "i", after);

	return r < 0 ? r : step_media(rows, each, context, err);
}

int rsm_medium_list_in_drives(struct rsm_catalog *catalog, int64_t library, rsm_medium_each *each,
			      void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *rows;
	int r = rsm_catalog_query(catalog, &rows, err,
				  "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_MEDIUM
				  "WHERE m.library = ?1 AND m.location = 4 AND m.location <> 0",
				  "i", library);

	return r < 0 ? r : step_media(rows, each, context, err);
}

int rsm_medium_list_named(struct rsm_catalog *catalog, const char *name, rsm_medium_each *each,
			  void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *rows;
	int r = rsm_catalog_query(catalog, &rows, err,
				  "SELECT " RSM_MEDIUM_COLUMNS
				  " FROM pool p CROSS JOIN logical_medium l ON l.pool = p.id AND "
				  "l.name = ?1 CROSS JOIN side s ON s.logical = l.id CROSS JOIN "
				  "medium m ON m.id = s.medium LEFT JOIN library b ON b.id = "
				  "m.library",
				  "s", name);

	return r < 0 ? r : step_media(rows, each, context, err);
}

/* Either is unique in the tables: one look into each index. */
int rsm_medium_find_id(struct rsm_catalog *catalog, const char *id, struct rsm_medium *ret_medium,
		       struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *statement;
	int r = rsm_catalog_query(catalog, &statement, err,
				  "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_SIDE
				  "WHERE s.id = coalesce((SELECT s.id FROM logical_medium l JOIN "
				  "side s ON s.logical = l.id WHERE l.lmid = ?1), (SELECT id FROM "
				  "side WHERE guid = ?1))",
				  "s", id);

	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r == RSM_SQLITE_DONE)
		return RSM_MEDIUM_ABSENT;
	if (r == 0)
		rsm_medium_read_row(row, ret_medium);
	return r;
}
