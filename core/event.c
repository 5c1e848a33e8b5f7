/* The ring is trimmed once in PURGE_EVERY events, so that adding stays one insert; it holds up to
 * that many more than promised.
 */
#include "core/event.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "core/catalog_private.h"

enum { KEPT = 10000, PURGE_EVERY = 256 };

static bool is_control(unsigned char byte)
{
	return byte < 0x20 || byte == 0x7f;
}

static bool needs_quotes(const char *value)
{
	for (; *value; value++)
		if (*value == ' ' || *value == '"' || *value == '\\' ||
		    is_control((unsigned char)*value))
			return true;
	return false;
}

static void add_value(struct rsm_text *line, const char *value)
{
	if (!needs_quotes(value)) {
		rsm_text_add(line, value);
		return;
	}
	rsm_text_add(line, "\"");
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			rsm_text_printf(line, "\\%c", *value);
		else if (*value == '\n')
			rsm_text_add(line, "\\n");
		else if (*value == '\t')
			rsm_text_add(line, "\\t");
		else if (is_control((unsigned char)*value))
			rsm_text_printf(line, "\\x%02x", (unsigned char)*value);
		else
			rsm_text_append(line, value, 1);
	}
	rsm_text_add(line, "\"");
}

static void add_start(struct rsm_text *line, struct rsm_catalog *catalog, const char *name)
{
	struct timespec now;
	struct tm tm;

	rsm_catalog_now(catalog, &now);
	if (!gmtime_r(&now.tv_sec, &tm))
		memset(&tm, 0, sizeof tm);
	rsm_text_printf(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ event=%s", tm.tm_year + 1900,
			tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
			now.tv_nsec / 1000000, name);
}

static int store_locked(struct rsm_catalog *catalog, const char *medium, const char *line,
			int64_t *ret_number, struct rsm_err *err)
{
	int r = rsm_catalog_run(catalog, err, "INSERT INTO event (medium, line) VALUES (?1, ?2)",
				"ss", medium, line);

	if (r < 0)
		return r;
	*ret_number = sqlite3_last_insert_rowid(catalog->db);
	if (*ret_number % PURGE_EVERY == 0)
		r = rsm_catalog_run(catalog, err, "DELETE FROM event WHERE id <= ?1", "i",
				    *ret_number - KEPT);
	return r;
}

void rsm_event_add(struct rsm_catalog *catalog, const char *name, ...)
{
	RSM_TEXT struct rsm_text line = { 0 };
	rsm_event_subscriber *subscriber;
	const char *key, *value, *medium = "";
	void *context;
	struct rsm_err err;
	int64_t number = 0;
	va_list args;
	int r;

	add_start(&line, catalog, name);
	va_start(args, name);
	while ((key = va_arg(args, const char *))) {
		value = va_arg(args, const char *);
		if (!value || !*value)
			continue;
		rsm_text_printf(&line, " %s=", key);
		add_value(&line, value);
		if (strcmp(key, "medium") == 0)
			medium = value;
	}
	va_end(args);
	if (line.failed) {
		rsm_log_error("event %s: out of memory", name);
		return;
	}
	{
		RSM_LOCK_SCOPE(&catalog->lock);
		r = store_locked(catalog, medium, line.data, &number, &err);
		subscriber = catalog->subscriber;
		context = catalog->subscriber_context;
		if (number && subscriber)
			catalog->subscriber_calls++;
	}
	if (r < 0)
		rsm_log_error("event not stored (%s): %s", err.msg, line.data);
	if (!number || !subscriber)
		return;
	subscriber(context, number, line.data);
	RSM_LOCK_SCOPE(&catalog->lock);
	if (--catalog->subscriber_calls == 0)
		pthread_cond_broadcast(&catalog->subscriber_idle);
}

int rsm_event_list(struct rsm_catalog *catalog, int64_t after, const char *medium,
		   rsm_event_each *each, void *context, bool *ret_lost, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *statement;
	int64_t first = 0;
	int r;

	/* numbers are never used again: the next after the last one if there is no event left */
	r = rsm_catalog_number(catalog, &first, err,
			       "SELECT coalesce((SELECT min(id) FROM event), (SELECT seq + 1 FROM "
			       "sqlite_sequence WHERE name = 'event'), 1)",
			       "");
	if (r < 0)
		return r;
	if (medium && *medium)
		r = rsm_catalog_query(catalog, &statement, err,
				      "SELECT id, line FROM event WHERE medium = ?2 AND medium <> "
				      "'' AND id > ?1 ORDER BY id",
				      "is", after, medium);
	else
		r = rsm_catalog_query(catalog, &statement, err,
				      "SELECT id, line FROM event WHERE id > ?1 ORDER BY id", "i",
				      after);
	if (r < 0)
		return r;
	if (ret_lost)
		*ret_lost = after + 1 < first;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	while ((r = rsm_sqlite_step(row, err)) == 0)
		if (!each(context, sqlite3_column_int64(row, 0),
			  (const char *)sqlite3_column_text(row, 1)))
			return 0;
	return r < 0 ? r : 0;
}

int64_t rsm_event_last(struct rsm_catalog *catalog)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int64_t last = 0;
	int r;

	r = rsm_catalog_number(catalog, &last, NULL,
			       "SELECT seq FROM sqlite_sequence WHERE name = 'event'", "");
	return r == 0 ? last : 0;
}

void rsm_event_subscribe(struct rsm_catalog *catalog, rsm_event_subscriber *subscriber,
			 void *context)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	catalog->subscriber = subscriber;
	catalog->subscriber_context = context;
	/* what a call works on may be freed after this */
	while (catalog->subscriber_calls)
		rsm_cond_wait(&catalog->subscriber_idle, &catalog->lock);
}
