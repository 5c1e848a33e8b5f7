#include "core/medium_record.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/catalog_private.h"
#include "core/operator_request.h"

int rsm_medium_record_get(struct rsm_catalog *catalog, int64_t medium,
			  struct rsm_medium_record *ret_record, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *statement;
	int r;

	memset(ret_record, 0, sizeof *ret_record);
	r = rsm_catalog_query(catalog, &statement, err,
			      "SELECT bytes_written, bytes_read, write_errors, read_errors, "
			      "verified, verify_errors, vault, due FROM medium_record WHERE side = "
			      "?1",
			      "i", medium);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r != 0)
		return r < 0 ? r : 0;
	ret_record->bytes_written = (uint64_t)sqlite3_column_int64(row, 0);
	ret_record->bytes_read = (uint64_t)sqlite3_column_int64(row, 1);
	ret_record->write_errors = (uint32_t)sqlite3_column_int64(row, 2);
	ret_record->read_errors = (uint32_t)sqlite3_column_int64(row, 3);
	ret_record->verified = rsm_catalog_column_time(row, 4);
	ret_record->verify_errors = (uint32_t)sqlite3_column_int64(row, 5);
	rsm_catalog_column_text(row, 6, ret_record->vault, sizeof ret_record->vault);
	ret_record->due = rsm_catalog_column_time(row, 7);
	return 0;
}

int rsm_medium_record_add(struct rsm_catalog *catalog, int64_t medium,
			  const struct rsm_medium_traffic *traffic, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_catalog_run(catalog, err,
			       "INSERT INTO medium_record (side, bytes_written, bytes_read, "
			       "write_errors, read_errors) SELECT id, ?2, ?3, ?4, ?5 FROM side "
			       "WHERE id = ?1 ON CONFLICT (side) DO UPDATE SET "
			       "bytes_written = bytes_written + ?2, bytes_read = bytes_read + ?3, "
			       "write_errors = write_errors + ?4, read_errors = read_errors + ?5",
			       "iUUuu", medium, traffic->bytes_written, traffic->bytes_read,
			       traffic->write_errors, traffic->read_errors);
}

int rsm_medium_record_verified(struct rsm_catalog *catalog, int64_t medium, uint32_t errors,
			       struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct timespec now;

	rsm_catalog_now(catalog, &now);
	return rsm_catalog_run(catalog, err,
			       "INSERT INTO medium_record (side, verified, verify_errors) SELECT "
			       "id, ?2, ?3 FROM side WHERE id = ?1 ON CONFLICT (side) DO UPDATE "
			       "SET verified = ?2, verify_errors = ?3",
			       "itu", medium, &now, errors);
}

/* ---- vault and return ---- */

static int check_vault(const char *vault, struct rsm_err *err)
{
	if (strlen(vault) >= RSM_NAME_SIZE)
		return rsm_err_set(err, ENAMETOOLONG, "a vault has at most %d characters",
				   RSM_NAME_SIZE - 1);
	for (const char *c = vault; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return rsm_err_set(err, EINVAL, "a vault is one line of text");
	return 0;
}

int rsm_medium_record_set_vault(struct rsm_catalog *catalog, int64_t medium, const char *vault,
				const struct timespec *due, struct rsm_err *err)
{
	static const struct timespec never;
	int r = vault ? check_vault(vault, err) : 0;

	if (r < 0)
		return r;
	RSM_LOCK_SCOPE(&catalog->lock);
	r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);
	if (r < 0)
		return r;
	r = rsm_catalog_run(catalog, err,
			    "INSERT INTO medium_record (side, vault, due) SELECT id, ?3, ?5 FROM "
			    "side WHERE id = ?1 ON CONFLICT (side) DO UPDATE SET "
			    "vault = CASE WHEN ?2 THEN ?3 ELSE vault END, "
			    "due = CASE WHEN ?4 THEN ?5 ELSE due END, "
			    "asked = CASE WHEN ?4 THEN 0 ELSE asked END",
			    "idsdt", medium, (int)(vault != NULL), vault, (int)(due != NULL),
			    due ? due : &never);
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_medium_record_parse_due(const char *text, struct timespec *ret_due, struct rsm_err *err)
{
	static const char *const formats[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S",
					       "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S" };

	*ret_due = (struct timespec){ 0 };
	if (text[0] == '\0' || strcmp(text, "never") == 0)
		return 0;
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
		struct tm day = { .tm_isdst = -1 }, kept;
		const char *end = strptime(text, formats[i], &day);
		time_t time;

		if (!end || *end)
			continue;
		kept = day;
		time = mktime(&day);
		/* a day that is none (the 31st of February) becomes another one */
		if (time <= 0 || day.tm_mday != kept.tm_mday || day.tm_mon != kept.tm_mon)
			break;
		ret_due->tv_sec = time;
		return 0;
	}
	return rsm_err_set(err, EINVAL,
			   "%.40s: is no day; write it as 2026-12-31, or 2026-12-31T18:30", text);
}

void rsm_medium_record_due_text(const struct timespec *due, char ret_text[32])
{
	struct tm day;

	ret_text[0] = '\0';
	if (due->tv_sec == 0 || !localtime_r(&due->tv_sec, &day))
		return;
	strftime(ret_text, 32,
		 day.tm_hour || day.tm_min || day.tm_sec ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d", &day);
}

int rsm_medium_record_returned(struct rsm_catalog *catalog, int64_t medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_catalog_run(
		catalog, err,
		"UPDATE medium_record SET due = 0, asked = 0 WHERE side = ?1 AND due "
		"<> 0",
		"i", medium);
}

/* ---- when the day has come ---- */

enum { DUE_MOST = 64 };

struct due_medium {
	int64_t id;
	char shown[RSM_NAME_SIZE], vault[RSM_NAME_SIZE];
	struct timespec due;
};

/* Marks them as asked for. */
static int take_due_locked(struct rsm_catalog *catalog, bool again, struct due_medium *media,
			   size_t *ret_count, struct rsm_err *err)
{
	sqlite3_stmt *statement;
	struct timespec now;
	int r;

	*ret_count = 0;
	rsm_catalog_now(catalog, &now);
	r = rsm_catalog_query(
		catalog, &statement, err,
		"SELECT s.id, s.shown, e.vault, e.due FROM medium_record e CROSS JOIN "
		"side s ON s.id = e.side CROSS JOIN medium m ON m.id = s.medium WHERE "
		"e.due <> 0 AND e.due <= ?1 AND m.location = 0 AND "
		"(e.asked <> e.due OR (?2 AND NOT EXISTS (SELECT 1 FROM "
		"operator_request q WHERE q.medium = s.id AND q.kind = 4 AND q.ended "
		"= 0))) ORDER BY e.due LIMIT ?3",
		"tdd", &now, (int)again, (int)DUE_MOST);
	if (r < 0)
		return r;
	{
		RSM_SQLITE_RESET sqlite3_stmt *row = statement;

		while ((r = rsm_sqlite_step(row, err)) == 0) {
			struct due_medium *medium = &media[(*ret_count)++];

			medium->id = sqlite3_column_int64(row, 0);
			rsm_catalog_column_text(row, 1, medium->shown, sizeof medium->shown);
			rsm_catalog_column_text(row, 2, medium->vault, sizeof medium->vault);
			medium->due = rsm_catalog_column_time(row, 3);
		}
	}
	for (size_t i = 0; r >= 0 && i < *ret_count; i++)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE medium_record SET asked = due WHERE side = ?1", "i",
				    media[i].id);
	return r < 0 ? r : 0;
}

/* 0, or outcome RSM_SQLITE_DONE: none is. */
static int is_any_due_locked(struct rsm_catalog *catalog, struct rsm_err *err)
{
	struct timespec now;
	int64_t any;

	rsm_catalog_now(catalog, &now);
	return rsm_catalog_number(
		catalog, &any, err,
		"SELECT 1 FROM medium_record WHERE due <> 0 AND due <= ?1 LIMIT 1", "t", &now);
}

static int ask_for(struct rsm_catalog *catalog, const struct due_medium *medium,
		   struct rsm_err *err)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_MOVE_MEDIA,
						.medium = medium->id };
	char day[32];
	int64_t id;

	rsm_medium_record_due_text(&medium->due, day);
	snprintf(request.text, sizeof request.text,
		 "cartridge %.120s is due back since %s%s%.250s: put it into the library",
		 medium->shown, day, medium->vault[0] ? " from " : "", medium->vault);
	rsm_event_add(catalog, "due", "medium", medium->shown, "vault", medium->vault, "return",
		      day, NULL);
	return rsm_operator_request_raise(catalog, &request, &id, err);
}

int rsm_medium_record_ask_due(struct rsm_catalog *catalog, bool again, struct rsm_err *err)
{
	struct due_medium *media = calloc(DUE_MOST, sizeof *media);
	size_t count = 0;
	int r;

	if (!media)
		return rsm_err_oom(err);
	rsm_mutex_lock(&catalog->lock);
	r = is_any_due_locked(catalog, err);
	if (r == 0)
		r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);
	if (r == 0) {
		r = take_due_locked(catalog, again, media, &count, err);
		r = rsm_catalog_end_locked(catalog, r, err);
	}
	rsm_mutex_unlock(&catalog->lock);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = ask_for(catalog, &media[i], err);
	free(media);
	return r < 0 ? r : 0;
}
