/* The rows of libraries and drives (declared in inventory.h). */
#include <stdio.h>
#include <string.h>

#include "core/catalog_private.h"
#include "core/inventory.h"

static int register_types(struct rsm_catalog *catalog, int64_t library,
			  const char *const *media_types, struct rsm_err *err)
{
	static const enum rsm_pool_kind kinds[] = { RSM_POOL_SCRATCH, RSM_POOL_FOREIGN,
						    RSM_POOL_IMPORT };
	struct rsm_pool pool;
	int r = 0;

	for (int i = 0; r == 0 && media_types && media_types[i]; i++) {
		r = rsm_catalog_run(catalog, err,
				    "INSERT INTO library_media_type (library, place, media_type) "
				    "VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET place = "
				    "excluded.place",
				    "ids", library, i, media_types[i]);
		for (size_t k = 0; r == 0 && k < sizeof kinds / sizeof kinds[0]; k++)
			r = rsm_pool_system_locked(catalog, kinds[k], media_types[i], &pool, err);
	}
	return r;
}

static int register_locked(struct rsm_catalog *catalog, const char *source, const char *kind,
			   const char *const *media_types, int64_t *ret_library,
			   struct rsm_err *err)
{
	char guid[RSM_GUID_SIZE];
	struct timespec now;
	int r;

	rsm_catalog_new_guid(guid);
	rsm_catalog_now(catalog, &now);
	r = rsm_catalog_run(catalog, err,
			    "INSERT INTO library (guid, source, kind, created) VALUES (?1, ?2, ?3, "
			    "?4) ON CONFLICT (source) DO UPDATE SET kind = excluded.kind, present "
			    "= 1",
			    "ssst", guid, source, kind, &now);
	if (r == 0)
		r = rsm_catalog_number(catalog, ret_library, err,
				       "SELECT id FROM library WHERE source = ?1", "s", source);
	if (r != 0)
		return rsm_err_fold(err, r, "%s: not registered", source);
	return register_types(catalog, *ret_library, media_types, err);
}

int rsm_library_register(struct rsm_catalog *catalog, const char *source, const char *kind,
			 const char *const *media_types, int64_t *ret_library, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int64_t library = 0;
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = register_locked(catalog, source, kind, media_types, &library, err);
	r = rsm_catalog_end_locked(catalog, r, err);
	if (r == 0)
		*ret_library = library;
	return r;
}

static int set_limits_locked(struct rsm_catalog *catalog, int64_t library,
			     const struct rsm_library_limit *limits, size_t count,
			     struct rsm_err *err)
{
	int r = rsm_catalog_run(catalog, err, "DELETE FROM library_limit WHERE library = ?1", "i",
				library);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = rsm_catalog_run(catalog, err,
				    "INSERT OR REPLACE INTO library_limit (library, media_type, "
				    "reads) VALUES (?1, ?2, ?3)",
				    "isd", library, limits[i].media_type, (int)limits[i].reads);
	if (r < 0)
		return r;
	return rsm_catalog_run(
		catalog, err,
		"UPDATE side SET state = 0 WHERE state = 2 AND medium IN (SELECT m.id FROM medium "
		"m WHERE m.library = ?1 AND m.location <> 0 AND NOT EXISTS (SELECT 1 FROM "
		"library_limit l WHERE l.library = ?1 AND l.media_type = m.media_type AND l.reads "
		"= 0))",
		"i", library);
}

int rsm_library_set_limits(struct rsm_catalog *catalog, int64_t library,
			   const struct rsm_library_limit *limits, size_t count,
			   struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);

	if (r < 0)
		return r;
	r = set_limits_locked(catalog, library, limits, count, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

/* side.ready of media in libraries whose media can be allocated, or cannot: the choice of one looks
 * at no others, however many they are. Done when those libraries are others than the last time;
 * media that come or go meanwhile are seen to by triggers.
 */
static int settle_locked(struct rsm_catalog *catalog, struct rsm_err *err)
{
	int64_t same = 0;
	int r = rsm_catalog_number(
		catalog, &same, err,
		"SELECT count(*) FROM setting WHERE key = 'allocating libraries' "
		"AND value = (SELECT ifnull(group_concat(id), '') FROM (SELECT id "
		"FROM library WHERE present = 1 AND enabled = 1 ORDER BY id))",
		"");

	if (r != 0 || same)
		return r < 0 ? r : 0;
	r = rsm_catalog_run(catalog, err,
			    "UPDATE side SET ready = 0 WHERE ready = 1 AND medium IN (SELECT m.id "
			    "FROM library b CROSS JOIN medium m ON m.library = b.id AND m.location "
			    "<> 0 WHERE b.present = 0 OR b.enabled = 0)",
			    "");
	if (r == 0)
		r = rsm_catalog_run(
			catalog, err,
			"UPDATE side SET ready = 1 WHERE ready = 0 AND medium IN "
			"(SELECT m.id FROM library b CROSS JOIN medium m ON m.library = "
			"b.id AND m.location IN (2, 4) AND m.location <> 0 WHERE "
			"b.present = 1 AND b.enabled = 1 AND m.enabled = 1)",
			"");
	return r < 0 ? r
		     : rsm_catalog_run(catalog, err,
				       "INSERT OR REPLACE INTO setting (key, value) SELECT "
				       "'allocating libraries', ifnull(group_concat(id), '') FROM "
				       "(SELECT id FROM library WHERE present = 1 AND enabled = 1 "
				       "ORDER BY id)",
				       "");
}

int rsm_library_settle(struct rsm_catalog *catalog, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);

	if (r < 0)
		return r;
	r = settle_locked(catalog, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_library_set_enabled(struct rsm_catalog *catalog, int64_t library, bool enabled,
			    struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);

	if (r < 0)
		return r;
	r = rsm_catalog_run(catalog, err, "UPDATE library SET enabled = ?2 WHERE id = ?1", "id",
			    library, (int)enabled);
	if (r == 0)
		r = settle_locked(catalog, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_library_is_enabled(struct rsm_catalog *catalog, int64_t library, bool *ret_enabled,
			   struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *statement;
	int r = rsm_catalog_query(catalog, &statement, err,
				  "SELECT enabled FROM library WHERE id = ?1", "i", library);

	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r != 0)
		return rsm_err_fold(err, r, "library %lld: not registered", (long long)library);
	*ret_enabled = sqlite3_column_int(row, 0);
	return 0;
}

static int register_drive_locked(struct rsm_catalog *catalog, struct rsm_drive_row *drive,
				 struct rsm_err *err)
{
	sqlite3_stmt *statement;
	int r;

	if (drive->serial[0])
		r = rsm_catalog_run(
			catalog, err,
			"INSERT INTO drive (library, element, vendor, product, serial) VALUES (?1, "
			"?2, ?3, ?4, ?5) ON CONFLICT (serial) WHERE serial <> '' DO UPDATE SET "
			"library = excluded.library, element = excluded.element, vendor = "
			"excluded.vendor, product = excluded.product",
			"iusss", drive->library, drive->element, drive->vendor, drive->product,
			drive->serial);
	else
		r = rsm_catalog_run(
			catalog, err,
			"INSERT INTO drive (library, element, vendor, product, serial) VALUES (?1, "
			"?2, ?3, ?4, '') ON CONFLICT (library, element) WHERE serial = '' DO "
			"UPDATE SET vendor = excluded.vendor, product = excluded.product",
			"iuss", drive->library, drive->element, drive->vendor, drive->product);
	if (r == 0)
		r = rsm_catalog_query(catalog, &statement, err,
				      "SELECT id, enabled, mounts FROM drive WHERE serial = ?3 AND "
				      "(?3 <> '' OR (library = ?1 AND element = ?2))",
				      "ius", drive->library, drive->element, drive->serial);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r != 0)
		return rsm_err_fold(err, r, "drive %u: not registered", drive->element);
	drive->id = sqlite3_column_int64(row, 0);
	drive->enabled = sqlite3_column_int(row, 1);
	drive->mounts = (uint32_t)sqlite3_column_int64(row, 2);
	return 0;
}

int rsm_drive_get(struct rsm_catalog *catalog, int64_t id, struct rsm_drive_row *ret_drive,
		  struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *statement;
	int r = rsm_catalog_query(catalog, &statement, err,
				  "SELECT library, element, vendor, product, serial, enabled, "
				  "mounts FROM drive WHERE id = ?1",
				  "i", id);

	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r != 0)
		return r < 0 ? r : 1;
	*ret_drive = (struct rsm_drive_row){
		.id = id,
		.library = sqlite3_column_int64(row, 0),
		.element = (uint32_t)sqlite3_column_int64(row, 1),
		.enabled = sqlite3_column_int(row, 5),
		.mounts = (uint32_t)sqlite3_column_int64(row, 6),
	};
	snprintf(ret_drive->vendor, sizeof ret_drive->vendor, "%s", sqlite3_column_text(row, 2));
	snprintf(ret_drive->product, sizeof ret_drive->product, "%s", sqlite3_column_text(row, 3));
	snprintf(ret_drive->serial, sizeof ret_drive->serial, "%s", sqlite3_column_text(row, 4));
	return 0;
}

int rsm_drive_register(struct rsm_catalog *catalog, struct rsm_drive_row *drive,
		       struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);

	if (r < 0)
		return r;
	r = register_drive_locked(catalog, drive, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_drive_set_enabled(struct rsm_catalog *catalog, int64_t drive, bool enabled,
			  struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_catalog_run(catalog, err, "UPDATE drive SET enabled = ?2 WHERE id = ?1", "id",
			       drive, (int)enabled);
}

int rsm_drive_count_mount(struct rsm_catalog *catalog, int64_t drive, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_catalog_run(catalog, err, "UPDATE drive SET mounts = mounts + 1 WHERE id = ?1",
			       "i", drive);
}

int rsm_drive_find(struct rsm_catalog *catalog, const char *word, int64_t after,
		   struct rsm_drive_row *ret_drive, struct rsm_err *err)
{
	int64_t id = 0;
	int r;

	{
		RSM_LOCK_SCOPE(&catalog->lock);
		r = rsm_catalog_number(catalog, &id, err,
				       "SELECT id FROM drive WHERE id > ?2 AND (CAST(element AS "
				       "TEXT) = ?1 OR (serial = ?1 AND serial <> '')) ORDER BY id "
				       "LIMIT 1",
				       "si", word, after);
	}
	if (r != 0)
		return r < 0 ? r : 1;
	return rsm_drive_get(catalog, id, ret_drive, err);
}

static int delete_drive_locked(struct rsm_catalog *catalog, int64_t drive, struct rsm_err *err)
{
	char key[40];
	int r = rsm_catalog_run(catalog, err, "DELETE FROM drive WHERE id = ?1", "i", drive);

	snprintf(key, sizeof key, "cleaned:%lld", (long long)drive);
	return r < 0 ? r
		     : rsm_catalog_run(catalog, err, "DELETE FROM setting WHERE key = ?1", "s",
				       key);
}

int rsm_drive_delete(struct rsm_catalog *catalog, int64_t drive, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);

	if (r < 0)
		return r;
	r = delete_drive_locked(catalog, drive, err);
	return rsm_catalog_end_locked(catalog, r, err);
}
