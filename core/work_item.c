#include "core/work_item.h"

#include <string.h>

#include "core/catalog_private.h"

const char *rsm_work_kind_name(enum rsm_work_kind kind)
{
	switch (kind) {
	case RSM_WORK_REMOVE: return "remove";
	case RSM_WORK_DISABLE_LIBRARY: return "disable-library";
	case RSM_WORK_ENABLE_LIBRARY: return "enable-library";
	case RSM_WORK_DISABLE_DRIVE: return "disable-drive";
	case RSM_WORK_ENABLE_DRIVE: return "enable-drive";
	case RSM_WORK_DISABLE_MEDIUM: return "disable-medium";
	case RSM_WORK_ENABLE_MEDIUM: return "enable-medium";
	case RSM_WORK_UPDATE_LABEL: return "update-label";
	case RSM_WORK_INVENTORY: return "inventory";
	case RSM_WORK_DOOR: return "door";
	case RSM_WORK_EJECT: return "eject";
	case RSM_WORK_EJECT_CLEANER: return "eject-cleaner";
	case RSM_WORK_INJECT: return "inject";
	case RSM_WORK_INJECT_CLEANER: return "inject-cleaner";
	case RSM_WORK_PROCESS_LABEL: return "process-label";
	case RSM_WORK_CLEAN: return "clean";
	case RSM_WORK_DISMOUNT: return "dismount";
	case RSM_WORK_MOUNT: return "mount";
	case RSM_WORK_WRITE_LABEL: return "write-label";
	case RSM_WORK_IDENTIFY: return "identify";
	case RSM_WORK_RESERVE_CLEANER: return "reserve-cleaner";
	case RSM_WORK_RELEASE_CLEANER: return "release-cleaner";
	case RSM_WORK_COPY: return "copy";
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
	case RSM_WORK_INVALID: return "invalid";
	case RSM_WORK_WAITING: return "waiting";
	case RSM_WORK_DEFERRED: return "deferred";
	case RSM_WORK_CANCELLED: return "cancelled";
	case RSM_WORK_STOPPED: return "stopped";
	}
	return "unknown";
}

static bool has_ended(enum rsm_work_state state)
{
	return state == RSM_WORK_PASSED || state == RSM_WORK_FAILED || state == RSM_WORK_INVALID ||
	       state == RSM_WORK_CANCELLED || state == RSM_WORK_STOPPED;
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

int rsm_work_item_describe(struct rsm_catalog *catalog, const struct rsm_work_item *item,
			   struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_catalog_run(catalog, err,
			       "UPDATE work_item SET user = ?2, priority = ?3, drive = ?4, text = "
			       "?5 WHERE id = ?1 AND ended = 0",
			       "iudus", item->id, item->user, (int)item->priority, item->drive,
			       item->text);
}

int rsm_work_item_cancel_all(struct rsm_catalog *catalog, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct timespec now;

	rsm_catalog_now(catalog, &now);
	return rsm_catalog_run(catalog, err,
			       "UPDATE work_item SET state = 7, ended = ?1 WHERE ended = 0", "t",
			       &now);
}

int rsm_work_item_purge(struct rsm_catalog *catalog, const struct timespec *before,
			const struct timespec *failed_before, unsigned *ret_count,
			struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_run(catalog, err,
				"DELETE FROM work_item WHERE ended <> 0 AND ended < "
				"CASE state WHEN 3 THEN ?2 ELSE ?1 END",
				"tt", before, failed_before);

	if (r == 0)
		*ret_count = (unsigned)sqlite3_changes(catalog->db);
	return r;
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
