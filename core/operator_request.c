#include "core/operator_request.h"

#include <stdio.h>
#include <string.h>

#include "core/catalog_private.h"

static const int64_t KEPT_S = 30 * 86400;

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
	return r;
}

int rsm_operator_request_raise(struct rsm_catalog *catalog,
			       const struct rsm_operator_request *request, int64_t *ret_id,
			       struct rsm_err *err)
{
	char number[24], element[12] = "", shown[RSM_NAME_SIZE] = "";
	int64_t id = 0;
	int r;

	{
		RSM_LOCK_SCOPE(&catalog->lock);
		struct rsm_medium medium;

		r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);
		if (r < 0)
			return r;
		r = raise_locked(catalog, request, &id, err);
		r = rsm_catalog_end_locked(catalog, r, err);
		if (r >= 0 && request->medium &&
		    rsm_medium_get_locked(catalog, request->medium, &medium, NULL) == 0)
			rsm_catalog_copy(shown, sizeof shown, medium.shown);
	}
	if (r < 0)
		return r;
	*ret_id = id;
	if (r == 1)
		return 0;
	snprintf(number, sizeof number, "%lld", (long long)id);
	if (request->element)
		snprintf(element, sizeof element, "%u", request->element);
	rsm_event_add(catalog, "request", "request", number, "kind",
		      rsm_request_kind_name(request->kind), "medium", shown, "element", element,
		      "text", request->text, NULL);
	return 0;
}

int rsm_operator_request_end(struct rsm_catalog *catalog, int64_t id, enum rsm_request_state state,
			     struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct timespec now;
	int64_t ended;
	int r;

	if (state != RSM_REQUEST_COMPLETE && state != RSM_REQUEST_REFUSED)
		return rsm_err_set(err, EINVAL, "a request ends satisfied or refused");
	r = rsm_catalog_number(catalog, &ended, err,
			       "SELECT ended <> 0 FROM operator_request WHERE id = ?1", "i", id);
	if (r < 0)
		return r;
	if (r == RSM_SQLITE_DONE)
		return rsm_err_set(err, ENOENT, "there is no operator request %lld", (long long)id);
	if (ended)
		return rsm_err_set(err, EINVAL, "operator request %lld has ended already",
				   (long long)id);
	rsm_catalog_now(catalog, &now);
	return rsm_catalog_run(catalog, err,
			       "UPDATE operator_request SET state = ?2, ended = ?3 WHERE id = ?1",
			       "idt", id, (int)state, &now);
}

int rsm_operator_request_seen(struct rsm_catalog *catalog, int64_t medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct timespec now;

	rsm_catalog_now(catalog, &now);
	return rsm_catalog_run(catalog, err,
			       "UPDATE operator_request SET state = 5, ended = ?2 WHERE kind = 4 "
			       "AND medium = ?1 AND ended = 0",
			       "it", medium, &now);
}

int rsm_operator_request_withdraw_all(struct rsm_catalog *catalog, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct timespec now, old;
	int r;

	rsm_catalog_now(catalog, &now);
	old = now;
	old.tv_sec -= KEPT_S;
	r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);
	if (r < 0)
		return r;
	r = rsm_catalog_run(catalog, err,
			    "UPDATE operator_request SET state = 4, ended = ?1 WHERE ended = 0",
			    "t", &now);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "DELETE FROM operator_request WHERE ended <> 0 AND ended < ?1",
				    "t", &old);
	return rsm_catalog_end_locked(catalog, r, err);
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
}

#define REQUEST_COLUMNS "id, kind, state, medium, pool, library, element, text, submitted, ended"

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
