#include "core/setting.h"

#include <stdio.h>
#include <string.h>

#include "core/catalog_private.h"

int rsm_setting_get(struct rsm_catalog *catalog, const char *key, char *ret_value, size_t size,
		    struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *statement;
	int r = rsm_catalog_query(catalog, &statement, err,
				  "SELECT value FROM setting WHERE key = ?1", "s", key);

	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r == 0)
		rsm_catalog_column_text(row, 0, ret_value, size);
	return r < 0 ? r : r ? RSM_SETTING_ABSENT : 0;
}

int rsm_setting_set(struct rsm_catalog *catalog, const char *key, const char *value,
		    struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	if (!value || !*value)
		return rsm_catalog_run(catalog, err, "DELETE FROM setting WHERE key = ?1", "s",
				       key);
	return rsm_catalog_run(catalog, err,
			       "INSERT OR REPLACE INTO setting (key, value) VALUES (?1, ?2)", "ss",
			       key, value);
}

static void description_key(const char *kind, const char *key, char ret_key[128])
{
	snprintf(ret_key, 128, "description %.16s %.90s", kind, key);
}

int rsm_description_get(struct rsm_catalog *catalog, const char *kind, const char *key,
			char ret_text[RSM_DESCRIPTION_SIZE], struct rsm_err *err)
{
	char whole[128];
	int r;

	description_key(kind, key, whole);
	r = rsm_setting_get(catalog, whole, ret_text, RSM_DESCRIPTION_SIZE, err);
	if (r == RSM_SETTING_ABSENT)
		ret_text[0] = '\0';
	return r < 0 ? r : 0;
}

int rsm_description_check(const char *text, struct rsm_err *err)
{
	if (strlen(text) >= RSM_DESCRIPTION_SIZE)
		return rsm_err_set(err, ENAMETOOLONG, "a description has at most %d bytes",
				   RSM_DESCRIPTION_SIZE - 1);
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return rsm_err_set(err, EINVAL, "a description has no control characters");
	return 0;
}

int rsm_description_set(struct rsm_catalog *catalog, const char *kind, const char *key,
			const char *text, struct rsm_err *err)
{
	char whole[128];
	int r = rsm_description_check(text, err);

	if (r < 0)
		return r;
	description_key(kind, key, whole);
	return rsm_setting_set(catalog, whole, text, err);
}
