#include "core/work_item.h"

#include <string.h>

#include "core/catalog_private.h"

/* rsm-model.md 21: how long what has ended stays */
static const int64_t KEPT_S = 30 * 86400, FAILED_KEPT_S = 90 * 86400;

const char *rsm_work_kind_name(enum rsm_work_kind kind)
{
	switch (kind) {
	case RSM_WORK_INVENTORY: return "inventory";
	case RSM_WORK_EJECT: return "eject";
	case RSM_WORK_INJECT: return "inject";
	case RSM_WORK_CLEAN: return "clean";
	case RSM_WORK_DISMOUNT: return "dismount";
	case RSM_WORK_MOUNT: return "mount";
	case RSM_WORK_WRITE_LABEL: return "write-label";
	case RSM_WORK_IDENTIFY: return "identify";
	}
	return "unknown";
}

const char *rsm_work_state_name(enum rsm_work_state state)
{
	switch (state) {
	case RSM_WORK_QUEUED: return "queued";
	case RSM_WORK_IN_PROCESS: return "in-process";
	case RSM_WORK_PASSED: return "passed";
	case RSM_WORK_FAILED: return "failed";
	case RSM_WORK_WAITING: return "waiting";
	case RSM_WORK_DEFERRED: return "deferred";
	case RSM_WORK_CANCELLED: return "cancelled";
	}
	return "unknown";
}

static bool has_ended(enum rsm_work_state state)
{
	return state == RSM_WORK_PASSED || state == RSM_WORK_FAILED || state == RSM_WORK_CANCELLED;
}

int rsm_work_item_add(struct rsm_catalog *catalog, struct rsm_work_item *item, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	const struct timespec never = { 0 };
	int r;

	rsm_catalog_now(catalog, &item->queued);
	item->ended = has_ended(item->state) ? item->queued : never;
	r = rsm_catalog_run(catalog, err,
			    "INSERT INTO work_item (kind, state, medium, library, drive, priority, "
			    "user, text, queued, ended) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
			    "?9, ?10)",
			    "ddiiudustt", (int)item->kind, (int)item->state, item->medium,
			    item->library, item->drive, (int)item->priority, item->user, item->text,
			    &item->queued, &item->ended);
	if (r == 0)
		item->id = sqlite3_last_insert_rowid(catalog->db);
	return r;
}

int rsm_work_item_set(struct rsm_catalog *catalog, int64_t id, enum rsm_work_state state,
		      uint32_t drive, const char *text, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct timespec ended = { 0 };
	int64_t there;
	int r;

	r = rsm_catalog_number(catalog, &there, err, "SELECT 1 FROM work_item WHERE id = ?1", "i",
			       id);
	if (r == RSM_SQLITE_DONE)
		return rsm_err_set(err, ENOENT, "there is no work item %lld", (long long)id);
	if (r < 0)
		return r;
	if (has_ended(state))
		rsm_catalog_now(catalog, &ended);
	/* who ends it first, says how: a cancelled item is not passed afterwards */
	return rsm_catalog_run(catalog, err,
			       "UPDATE work_item SET state = ?2, drive = ?3, text = ?4, ended = ?5 "
			       "WHERE id = ?1 AND ended = 0",
			       "idust", id, (int)state, drive, text, &ended);
}

int rsm_work_item_cancel_all(struct rsm_catalog *catalog, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct timespec now, old, old_failed;
	int r;

	rsm_catalog_now(catalog, &now);
	old = old_failed = now;
	old.tv_sec -= KEPT_S;
	old_failed.tv_sec -= FAILED_KEPT_S;
	r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);
	if (r < 0)
		return r;
	r = rsm_catalog_run(catalog, err,
			    "UPDATE work_item SET state = 7, ended = ?1 WHERE ended = 0", "t",
			    &now);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "DELETE FROM work_item WHERE ended <> 0 AND ended < "
				    "CASE state WHEN 3 THEN ?2 ELSE ?1 END",
				    "tt", &old, &old_failed);
	return rsm_catalog_end_locked(catalog, r, err);
}

static void read_item(sqlite3_stmt *row, struct rsm_work_item *item)
{
	item->id = sqlite3_column_int64(row, 0);
	item->kind = (enum rsm_work_kind)sqlite3_column_int(row, 1);
	item->state = (enum rsm_work_state)sqlite3_column_int(row, 2);
	item->medium = sqlite3_column_int64(row, 3);
	item->library = sqlite3_column_int64(row, 4);
	item->drive = (uint32_t)sqlite3_column_int64(row, 5);
	item->priority = sqlite3_column_int(row, 6);
	item->user = (uint32_t)sqlite3_column_int64(row, 7);
	rsm_catalog_column_text(row, 8, item->text, sizeof item->text);
	item->queued = rsm_catalog_column_time(row, 9);
	item->ended = rsm_catalog_column_time(row, 10);
}

#define ITEM_COLUMNS "id, kind, state, medium, library, drive, priority, user, text, queued, ended"

int rsm_work_item_list(struct rsm_catalog *catalog, bool open_only, rsm_work_item_each *each,
		       void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_work_item item;
	sqlite3_stmt *statement;
	int r;

	r = rsm_catalog_query(catalog, &statement, err,
			      open_only ? "SELECT " ITEM_COLUMNS
					  " FROM work_item WHERE ended = 0 ORDER BY id"
					: "SELECT " ITEM_COLUMNS " FROM work_item ORDER BY id",
			      "");
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	while ((r = rsm_sqlite_step(row, err)) == 0) {
		read_item(row, &item);
		if (!each(context, &item))
			return 0;
	}
	return r < 0 ? r : 0;
}
