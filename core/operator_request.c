#include "core/operator_request.h"

#include <stdio.h>
#include <string.h>

#include "core/catalog_private.h"

const char *rsm_request_kind_name(enum rsm_request_kind kind)
{
	switch (kind) {
	case RSM_REQUEST_NEW_MEDIA: return "new-media";
	case RSM_REQUEST_CLEANER: return "cleaner";
	case RSM_REQUEST_DEVICE_SERVICE: return "device-service";
	case RSM_REQUEST_MOVE_MEDIA: return "move-media";
	case RSM_REQUEST_MESSAGE: return "message";
	}
	return "unknown";
}

const char *rsm_request_state_name(enum rsm_request_state state)
{
	switch (state) {
	case RSM_REQUEST_SUBMITTED: return "submitted";
	case RSM_REQUEST_ACTIVE: return "active";
	case RSM_REQUEST_IN_PROGRESS: return "in-progress";
	case RSM_REQUEST_REFUSED: return "refused";
	case RSM_REQUEST_COMPLETE: return "complete";
	}
	return "unknown";
}

/* Outcome 1: it was open already. */
static int raise_locked(struct rsm_catalog *catalog, const struct rsm_operator_request *request,
			int64_t *ret_id, struct rsm_err *err)
{
	struct timespec now;
	int r;

	/* messages differ by their words */
	r = rsm_catalog_number(catalog, ret_id, err,
			       "SELECT id FROM operator_request WHERE kind = ?1 AND medium = ?2 "
			       "AND pool = ?3 AND library = ?4 AND element = ?5 AND CASE kind WHEN "
			       "5 THEN text ELSE '' END = CASE ?1 WHEN 5 THEN ?6 ELSE '' END AND "
			       "ended = 0",
			       "diiius", (int)request->kind, request->medium, request->pool,
			       request->library, request->element, request->text);
	if (r < 0)
		return r;
	if (r == 0) {
		r = rsm_catalog_run(catalog, err,
				    "UPDATE operator_request SET text = ?2 WHERE id = ?1 AND text "
				    "<> ?2",
				    "is", *ret_id, request->text);
		return r < 0 ? r : 1;
	}
	rsm_catalog_now(catalog, &now);
	r = rsm_catalog_run(catalog, err,
			    "INSERT INTO operator_request (kind, state, medium, pool, library, "
			    "element, text, submitted) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7)",
			    "diiiust", (int)request->kind, request->medium, request->pool,
			    request->library, request->element, request->text, &now);
	if (r == 0)
		*ret_id = sqlite3_last_insert_rowid(catalog->db);
	/* who asked is a setting: a column would be one that older catalogues lack */
	if (r == 0 && request->user)
		r = rsm_catalog_run(catalog, err,
				    "INSERT OR REPLACE INTO setting (key, value) VALUES "
				    "('request-user ' || ?1, ?2)",
				    "iu", *ret_id, request->user);
	return r;
}

/* Without the lock: subscribers are called. */
static void tell(struct rsm_catalog *catalog, const struct rsm_operator_request *request)
{
	char number[24], element[12] = "", shown[RSM_NAME_SIZE] = "";
	struct rsm_medium medium;

	if (request->medium && rsm_medium_get(catalog, request->medium, &medium, NULL) == 0)
		rsm_catalog_copy(shown, sizeof shown, medium.shown);
	snprintf(number, sizeof number, "%lld", (long long)request->id);
	if (request->element)
		snprintf(element, sizeof element, "%u", request->element);
	rsm_event_add(catalog, "request", "request", number, "kind",
		      rsm_request_kind_name(request->kind), "state",
		      rsm_request_state_name(request->state), "medium", shown, "element", element,
		      "text", request->text, NULL);
}

int rsm_operator_request_raise(struct rsm_catalog *catalog,
			       const struct rsm_operator_request *request, int64_t *ret_id,
			       struct rsm_err *err)
{
	struct rsm_operator_request raised = *request;
	int64_t id = 0;
	int r;

	{
		RSM_LOCK_SCOPE(&catalog->lock);
		r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);
		if (r < 0)
			return r;
		r = raise_locked(catalog, request, &id, err);
		r = rsm_catalog_end_locked(catalog, r, err);
	}
	if (r < 0)
		return r;
	*ret_id = raised.id = id;
	raised.state = RSM_REQUEST_SUBMITTED;
	if (r == 0)
		tell(catalog, &raised);
	return 0;
}

static void read_request(sqlite3_stmt *row, struct rsm_operator_request *request)
{
	request->id = sqlite3_column_int64(row, 0);
	request->kind = (enum rsm_request_kind)sqlite3_column_int(row, 1);
	request->state = (enum rsm_request_state)sqlite3_column_int(row, 2);
	request->medium = sqlite3_column_int64(row, 3);
	request->pool = sqlite3_column_int64(row, 4);
	request->library = sqlite3_column_int64(row, 5);
	request->element = (uint32_t)sqlite3_column_int64(row, 6);
	rsm_catalog_column_text(row, 7, request->text, sizeof request->text);
	request->submitted = rsm_catalog_column_time(row, 8);
	request->ended = rsm_catalog_column_time(row, 9);
	request->user = (uint32_t)sqlite3_column_int64(row, 10);
}

#define REQUEST_COLUMNS                                                                            \
	"id, kind, state, medium, pool, library, element, text, submitted, ended, coalesce("       \
	"(SELECT CAST(value AS INTEGER) FROM setting WHERE key = 'request-user ' || id), 0)"

static int get_locked(struct rsm_catalog *catalog, int64_t id,
		      struct rsm_operator_request *ret_request, struct rsm_err *err)
{
	sqlite3_stmt *statement;
	int r = rsm_catalog_query(catalog, &statement, err,
				  "SELECT " REQUEST_COLUMNS " FROM operator_request WHERE id = ?1",
				  "i", id);

	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r == 0)
		read_request(row, ret_request);
	return r < 0 ? r : r ? RSM_REQUEST_ABSENT : 0;
}

/* One that has not ended. */
static int need_open_locked(struct rsm_catalog *catalog, int64_t id,
			    struct rsm_operator_request *ret_request, struct rsm_err *err)
{
	int r = get_locked(catalog, id, ret_request, err);

	if (r == RSM_REQUEST_ABSENT)
		return rsm_err_set(err, ENOENT, "there is no operator request %lld", (long long)id);
	if (r == 0 && (ret_request->ended.tv_sec || ret_request->ended.tv_nsec))
		return rsm_err_set(err, EINVAL, "operator request %lld has ended already",
				   (long long)id);
	return r;
}

int rsm_operator_request_get(struct rsm_catalog *catalog, int64_t id,
			     struct rsm_operator_request *ret_request, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return get_locked(catalog, id, ret_request, err);
}

int rsm_operator_request_advance(struct rsm_catalog *catalog, int64_t id,
				 enum rsm_request_state state, struct rsm_err *err)
{
	struct rsm_operator_request request;
	int r;

	{
		RSM_LOCK_SCOPE(&catalog->lock);
		r = need_open_locked(catalog, id, &request, err);
		if (r < 0 || request.state >= state)
			return r;
		r = rsm_catalog_run(catalog, err,
				    "UPDATE operator_request SET state = ?2 WHERE id = ?1", "id",
				    id, (int)state);
	}
	request.state = state;
	/* that it was looked at is no news */
	if (r == 0 && state == RSM_REQUEST_IN_PROGRESS)
		tell(catalog, &request);
	return r;
}

int rsm_operator_request_repeat(struct rsm_catalog *catalog, int64_t id, const char *found,
				struct rsm_err *err)
{
	static const char said[] = " (said to be done: ";
	struct rsm_operator_request request;
	char text[sizeof request.text];
	int r;

	{
		RSM_LOCK_SCOPE(&catalog->lock);
		r = need_open_locked(catalog, id, &request, err);
		if (r < 0)
			return r;
		const char *former = strstr(request.text, said);
		size_t length = former ? (size_t)(former - request.text) : strlen(request.text);

		/* what is asked for comes first, and what was found is short */
		snprintf(text, sizeof text, "%.*s%s%.200s)", (int)(length < 280 ? length : 280),
			 request.text, said, found);
		rsm_catalog_copy(request.text, sizeof request.text, text);
		request.state = RSM_REQUEST_SUBMITTED;
		r = rsm_catalog_run(catalog, err,
				    "UPDATE operator_request SET state = 1, text = ?2 WHERE id = "
				    "?1",
				    "is", id, request.text);
	}
	if (r == 0)
		tell(catalog, &request);
	return r;
}

int rsm_operator_request_end(struct rsm_catalog *catalog, int64_t id, enum rsm_request_state state,
			     struct rsm_err *err)
{
	struct rsm_operator_request request;
	int r;

	if (state != RSM_REQUEST_COMPLETE && state != RSM_REQUEST_REFUSED)
		return rsm_err_set(err, EINVAL, "a request ends satisfied or refused");
	{
		RSM_LOCK_SCOPE(&catalog->lock);
		r = need_open_locked(catalog, id, &request, err);
		if (r < 0)
			return r;
		rsm_catalog_now(catalog, &request.ended);
		request.state = state;
		r = rsm_catalog_run(
			catalog, err,
			"UPDATE operator_request SET state = ?2, ended = ?3 WHERE id = ?1", "idt",
			id, (int)state, &request.ended);
	}
	if (r == 0)
		tell(catalog, &request);
	return r;
}

/* ---- is it so? ---- */

/* What to ask the catalogue, about which id. */
static const char *question_of(const struct rsm_operator_request *request, int64_t *ret_id)
{
	switch (request->kind) {
	case RSM_REQUEST_MOVE_MEDIA:
		/* for room, not for a cartridge */
		if (!request->medium)
			return NULL;
		*ret_id = request->medium;
		return "SELECT EXISTS (SELECT 1 FROM side s JOIN medium m ON m.id = s.medium WHERE "
		       "s.id = ?1 AND m.location <> 0 AND NOT EXISTS (SELECT 1 FROM setting WHERE "
		       "key = 'ejected ' || (SELECT min(o.id) FROM side o WHERE o.medium = "
		       "s.medium)))";
	case RSM_REQUEST_CLEANER:
		*ret_id = request->library;
		return "SELECT EXISTS (SELECT 1 FROM medium WHERE cleaner = 1 AND location IN (2, "
		       "4) AND (?1 = 0 OR library = ?1))";
	case RSM_REQUEST_NEW_MEDIA:
		/* about a full cartridge, not for a pool */
		if (!request->pool)
			return NULL;
		*ret_id = request->pool;
		return "SELECT EXISTS (SELECT 1 FROM side s JOIN pool p ON p.id = s.pool JOIN pool "
		       "t ON t.id = ?1 WHERE s.ready = 1 AND s.state IN (1, 4) AND s.duplicate = 0 "
		       "AND (p.id = t.id OR (t.draw_from_free = 1 AND p.kind = 1 AND (t.media_type "
		       "= '' OR t.media_type = p.media_type))))";
	case RSM_REQUEST_DEVICE_SERVICE:
	case RSM_REQUEST_MESSAGE: return NULL;
	}
	return NULL;
}

/* What came in since it was asked for. */
static int found_locked(struct rsm_catalog *catalog, const struct rsm_operator_request *request,
			char ret_found[RSM_REQUEST_FOUND_SIZE], struct rsm_err *err)
{
	char since[32] = "", medium[RSM_BARCODE_SIZE];
	sqlite3_stmt *statement;
	struct tm tm;
	int r;

	if (gmtime_r(&request->submitted.tv_sec, &tm))
		strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%S", &tm);
	/* as events have it */
	snprintf(since + strlen(since), sizeof since - strlen(since), ".%03ldZ",
		 request->submitted.tv_nsec / 1000000);
	r = rsm_catalog_query(
		catalog, &statement, err,
		"SELECT medium FROM event WHERE medium <> '' AND line >= ?1 AND (line "
		"LIKE '% event=arrive %' OR line LIKE '% event=inject %') ORDER BY "
		"id DESC LIMIT 1",
		"s", since);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r < 0)
		return r;
	if (r == 0) {
		rsm_catalog_column_text(row, 0, medium, sizeof medium);
		snprintf(ret_found, RSM_REQUEST_FOUND_SIZE, "%s came instead", medium);
	} else {
		snprintf(ret_found, RSM_REQUEST_FOUND_SIZE, "nothing came");
	}
	return 0;
}

int rsm_operator_request_is_fulfilled(struct rsm_catalog *catalog,
				      const struct rsm_operator_request *request, bool *ret_is,
				      char ret_found[RSM_REQUEST_FOUND_SIZE], struct rsm_err *err)
{
	int64_t id = 0, is = 0;
	const char *question = question_of(request, &id);
	int r;

	ret_found[0] = '\0';
	*ret_is = !question;
	if (!question)
		return 0;
	RSM_LOCK_SCOPE(&catalog->lock);
	r = rsm_catalog_number(catalog, &is, err, question, "i", id);
	if (r < 0)
		return r;
	*ret_is = is;
	return is ? 0 : found_locked(catalog, request, ret_found, err);
}

/* All that the statement names. */
static int end_each(struct rsm_catalog *catalog, const char *sql, int64_t of,
		    enum rsm_request_state state, struct rsm_err *err)
{
	for (;;) {
		int64_t id = 0;
		int r;

		{
			RSM_LOCK_SCOPE(&catalog->lock);
			r = rsm_catalog_number(catalog, &id, err, sql, "i", of);
		}
		if (r == RSM_SQLITE_DONE)
			return 0;
		if (r == 0)
			r = rsm_operator_request_end(catalog, id, state, err);
		/* somebody may have been quicker */
		if (r < 0 && r != -EINVAL && r != -ENOENT)
			return r;
	}
}

static const char of_medium[] =
	"SELECT id FROM operator_request WHERE kind = 4 AND medium = ?1 AND ended = 0";

int rsm_operator_request_seen(struct rsm_catalog *catalog, int64_t medium, struct rsm_err *err)
{
	return end_each(catalog, of_medium, medium, RSM_REQUEST_COMPLETE, err);
}

int rsm_operator_request_end_medium(struct rsm_catalog *catalog, int64_t medium,
				    struct rsm_err *err)
{
	return end_each(catalog, of_medium, medium, RSM_REQUEST_REFUSED, err);
}

int rsm_operator_request_end_pool(struct rsm_catalog *catalog, int64_t pool,
				  enum rsm_request_state state, struct rsm_err *err)
{
	return end_each(catalog,
			"SELECT id FROM operator_request WHERE kind = 1 AND pool = ?1 AND medium = "
			"0 AND ended = 0",
			pool, state, err);
}

int rsm_operator_request_withdraw_all(struct rsm_catalog *catalog, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct timespec now;

	rsm_catalog_now(catalog, &now);
	return rsm_catalog_run(catalog, err,
			       "UPDATE operator_request SET state = 4, ended = ?1 WHERE ended = 0",
			       "t", &now);
}

int rsm_operator_request_purge(struct rsm_catalog *catalog, const struct timespec *before,
			       unsigned *ret_count, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_run(catalog, err,
				"DELETE FROM operator_request WHERE ended <> 0 AND ended < ?1", "t",
				before);

	if (r == 0)
		*ret_count = (unsigned)sqlite3_changes(catalog->db);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "DELETE FROM setting WHERE key GLOB 'request-user *' AND "
				    "CAST(substr(key, 14) AS INTEGER) NOT IN (SELECT id FROM "
				    "operator_request)",
				    "");
	return r;
}

int rsm_operator_request_list(struct rsm_catalog *catalog, bool open_only,
			      rsm_operator_request_each *each, void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_operator_request request;
	sqlite3_stmt *statement;
	int r;

	r = rsm_catalog_query(catalog, &statement, err,
			      open_only ? "SELECT " REQUEST_COLUMNS
					  " FROM operator_request WHERE ended = 0 ORDER BY id"
					: "SELECT " REQUEST_COLUMNS
					  " FROM operator_request ORDER BY id",
			      "");
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	while ((r = rsm_sqlite_step(row, err)) == 0) {
		read_request(row, &request);
		if (!each(context, &request))
			return 0;
	}
	return r < 0 ? r : 0;
}
