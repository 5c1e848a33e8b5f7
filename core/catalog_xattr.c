/* Extended attributes of pools and cartridges that the catalogue keeps (declared in pool.h). */
#include <string.h>
#include <sys/xattr.h>

#include "base/text.h"
#include "core/acl_text.h"
#include "core/catalog_private.h"

int rsm_catalog_get_xattr_locked(struct rsm_catalog *catalog, char kind, int64_t id,
				 const char *key, struct rsm_text *ret_value, struct rsm_err *err)
{
	char kinds[2] = { kind };
	sqlite3_stmt *statement;
	int r;

	r = rsm_catalog_query(
		catalog, &statement, err,
		"SELECT value FROM xattr WHERE kind = ?1 AND object = ?2 AND key = ?3", "sis",
		kinds, id, key);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r == RSM_SQLITE_DONE)
		return RSM_POOL_ABSENT;
	if (r < 0)
		return r;
	const void *bytes = sqlite3_column_blob(row, 0);
	rsm_text_append(ret_value, bytes ? bytes : "", (size_t)sqlite3_column_bytes(row, 0));
	return ret_value->failed ? rsm_err_oom(err) : 0;
}

int rsm_catalog_get_xattr(struct rsm_catalog *catalog, char kind, int64_t id, const char *key,
			  struct rsm_text *ret_value, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_catalog_get_xattr_locked(catalog, kind, id, key, ret_value, err);
}

static int set_locked(struct rsm_catalog *catalog, const char *kind, int64_t id, const char *key,
		      const void *value, size_t length, int flags, struct rsm_err *err)
{
	int64_t there;
	int r;

	r = rsm_catalog_number(catalog, &there, err,
			       "SELECT 1 FROM xattr WHERE kind = ?1 AND object = ?2 AND key = ?3",
			       "sis", kind, id, key);
	if (r < 0)
		return r;
	if (r == 0 && value && (flags & XATTR_CREATE))
		return rsm_err_set(err, EEXIST, "%s: is there already", key);
	if (r == RSM_SQLITE_DONE && (!value || (flags & XATTR_REPLACE)))
		return rsm_err_set(err, ENODATA, "%s: is not there", key);
	if (value)
		r = rsm_catalog_run(
			catalog, err,
			"INSERT INTO xattr (kind, object, key, value) VALUES (?1, ?2, ?3, ?4) "
			"ON CONFLICT DO UPDATE SET value = excluded.value",
			"sisb", kind, id, key, value, length);
	else
		r = rsm_catalog_run(
			catalog, err,
			"DELETE FROM xattr WHERE kind = ?1 AND object = ?2 AND key = ?3", "sis",
			kind, id, key);
	/* the cartridge's ACL is on the medium, too */
	if (r == 0 && kind[0] == 'm')
		r = rsm_catalog_run(
			catalog, err,
			"UPDATE side SET label_work = 2 WHERE id = ?1 AND logical IS NOT "
			"NULL AND label_work = 0",
			"i", id);
	return r;
}

static int give_acl(struct rsm_catalog *catalog, const char *kind, int64_t id, const char *key,
		    const struct rsm_text *acl, struct rsm_err *err)
{
	if (!acl || !acl->length)
		return 0;
	return rsm_catalog_run(catalog, err,
			       "INSERT OR REPLACE INTO xattr (kind, object, key, value) VALUES "
			       "(?1, ?2, ?3, ?4)",
			       "sisb", kind, id, key, acl->data, acl->length);
}

int rsm_catalog_give_acls_locked(struct rsm_catalog *catalog, char kind, int64_t id,
				 const struct rsm_text *access, const struct rsm_text *inherited,
				 struct rsm_err *err)
{
	const char kinds[2] = { kind };
	int r = give_acl(catalog, kinds, id, RSM_ACL_ACCESS, access, err);

	return r < 0 ? r : give_acl(catalog, kinds, id, RSM_ACL_DEFAULT, inherited, err);
}

int rsm_catalog_set_xattr(struct rsm_catalog *catalog, char kind, int64_t id, const char *key,
			  const void *value, size_t length, int flags, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	char kinds[2] = { kind };
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);

	if (r < 0)
		return r;
	r = set_locked(catalog, kinds, id, key, value, length, flags, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_catalog_list_xattrs(struct rsm_catalog *catalog, char kind, int64_t id,
			    struct rsm_text *ret_keys, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	char kinds[2] = { kind };
	sqlite3_stmt *statement;
	int r;

	r = rsm_catalog_query(catalog, &statement, err,
			      "SELECT key FROM xattr WHERE kind = ?1 AND object = ?2 ORDER BY key",
			      "si", kinds, id);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	while ((r = rsm_sqlite_step(row, err)) == 0)
		rsm_text_append(ret_keys, sqlite3_column_text(row, 0),
				(size_t)sqlite3_column_bytes(row, 0) + 1);
	if (r < 0)
		return r;
	return ret_keys->failed ? rsm_err_oom(err) : 0;
}
