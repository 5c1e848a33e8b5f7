#include "core/media.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/media_private.h"

const char *rsm_medium_state_name(enum rsm_medium_state state)
{
	static const char *const names[] = {
		[RSM_MEDIUM_UNKNOWN] = "unknown",
		[RSM_MEDIUM_UNPREPARED] = "unprepared",
		[RSM_MEDIUM_INCOMPATIBLE] = "incompatible",
		[RSM_MEDIUM_DECOMMISSIONED] = "decommissioned",
		[RSM_MEDIUM_AVAILABLE] = "available",
		[RSM_MEDIUM_ALLOCATED] = "allocated",
		[RSM_MEDIUM_COMPLETE] = "complete",
		[RSM_MEDIUM_FOREIGN] = "unrecognized",
		[RSM_MEDIUM_IMPORT] = "import",
		[RSM_MEDIUM_RESERVED] = "reserved",
	};

	return (size_t)state < sizeof names / sizeof names[0] ? names[state] : "unknown";
}

static uint32_t column_u32(sqlite3_stmt *row, int column)
{
	return (uint32_t)sqlite3_column_int64(row, column);
}

static uint64_t column_u64(sqlite3_stmt *row, int column)
{
	return (uint64_t)sqlite3_column_int64(row, column);
}

static void read_physical(sqlite3_stmt *row, struct rsm_medium *medium)
{
	medium->id = sqlite3_column_int64(row, 0);
	rsm_catalog_column_text(row, 1, medium->guid, sizeof medium->guid);
	rsm_catalog_column_text(row, 2, medium->barcode, sizeof medium->barcode);
	rsm_catalog_column_text(row, 3, medium->shown, sizeof medium->shown);
	rsm_catalog_column_text(row, 4, medium->media_type, sizeof medium->media_type);
	medium->pool = sqlite3_column_int64(row, 5);
	medium->state = (enum rsm_medium_state)sqlite3_column_int(row, 6);
	medium->enabled = sqlite3_column_int(row, 7);
	medium->cleaner = sqlite3_column_int(row, 8);
	medium->library = sqlite3_column_int64(row, 9);
	medium->location = (enum rsm_location_kind)sqlite3_column_int(row, 10);
	medium->element = column_u32(row, 11);
	medium->home_slot = column_u32(row, 12);
}

void rsm_medium_read_row(sqlite3_stmt *row, struct rsm_medium *medium)
{
	read_physical(row, medium);
	rsm_catalog_column_text(row, 13, medium->label_type, sizeof medium->label_type);
	rsm_catalog_column_text(row, 14, medium->label_info, sizeof medium->label_info);
	rsm_catalog_column_text(row, 15, medium->volume_uuid, sizeof medium->volume_uuid);
	rsm_catalog_column_text(row, 16, medium->old_uuid, sizeof medium->old_uuid);
	medium->label_work = (enum rsm_label_work)sqlite3_column_int(row, 17);
	medium->format_generation = column_u32(row, 18);
	medium->index_generation = column_u64(row, 19);
	medium->capacity = column_u64(row, 20);
	medium->remaining = column_u64(row, 21);
	medium->mounts = column_u32(row, 22);
	medium->allocations = column_u32(row, 23);
	medium->write_protected = sqlite3_column_int(row, 24);
	rsm_catalog_column_text(row, 25, medium->health, sizeof medium->health);
	medium->duplicate = sqlite3_column_int(row, 26);
	rsm_catalog_column_text(row, 27, medium->lmid, sizeof medium->lmid);
	rsm_catalog_column_text(row, 28, medium->name, sizeof medium->name);
	medium->mode = column_u32(row, 29);
	medium->owner = column_u32(row, 30);
	medium->group = column_u32(row, 31);
	medium->created = rsm_catalog_column_time(row, 32);
	medium->modified = rsm_catalog_column_time(row, 33);
	medium->changed = rsm_catalog_column_time(row, 34);
	medium->priority = sqlite3_column_int(row, 35);
	medium->physical = sqlite3_column_int64(row, 36);
	medium->side = column_u32(row, 37);
}

static int step_medium(sqlite3_stmt *statement, struct rsm_medium *ret_medium, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	int r = rsm_sqlite_step(row, err);

	if (r == RSM_SQLITE_DONE)
		return RSM_MEDIUM_ABSENT;
	if (r == 0)
		rsm_medium_read_row(row, ret_medium);
	return r;
}

/* ---- looking ---- */

int rsm_medium_get_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_medium *ret_medium,
			  struct rsm_err *err)
{
	sqlite3_stmt *row;
	int r = rsm_catalog_query(catalog, &row, err,
				  "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_SIDE "WHERE s.id = ?1",
				  "i", id);

	return r < 0 ? r : step_medium(row, ret_medium, err);
}

int rsm_medium_need_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_medium *ret_medium,
			   struct rsm_err *err)
{
	int r = rsm_medium_get_locked(catalog, id, ret_medium, err);

	return r == RSM_MEDIUM_ABSENT ? rsm_err_set(err, ENOENT, "the cartridge is unknown") : r;
}

const char *rsm_medium_words(const struct rsm_medium *medium)
{
	return medium->shown;
}

/* Every call into a cartridge asks for its row, and hardly ever has any row of the catalogue
 * changed since the last one. What is written goes through one connection, which counts the
 * changes.
 */
enum { MEMO_ROWS = 16 };
struct rsm_media_memo {
	struct {
		int64_t id; /* 0: none */
		sqlite3_int64 changes;
		struct rsm_medium medium;
	} rows[MEMO_ROWS];
};

int rsm_medium_get(struct rsm_catalog *catalog, int64_t id, struct rsm_medium *ret_medium,
		   struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_int64 changes = sqlite3_total_changes64(catalog->db);
	size_t at = (uint64_t)id % MEMO_ROWS;
	int r;

	if (!catalog->media)
		catalog->media = calloc(1, sizeof *catalog->media);
	if (catalog->media && id && catalog->media->rows[at].id == id &&
	    catalog->media->rows[at].changes == changes) {
		*ret_medium = catalog->media->rows[at].medium;
		return 0;
	}
	r = rsm_medium_get_locked(catalog, id, ret_medium, err);
	if (r == 0 && catalog->media) {
		catalog->media->rows[at].id = id;
		catalog->media->rows[at].changes = changes;
		catalog->media->rows[at].medium = *ret_medium;
	}
	return r;
}

int rsm_medium_find(struct rsm_catalog *catalog, int64_t pool, const char *name,
		    struct rsm_medium *ret_medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *row;
	int r;

	r = rsm_catalog_query(catalog, &row, err,
			      "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_LOGICAL
			      "WHERE l.pool = ?1 AND l.name = ?2",
			      "is", pool, name);
	if (r == 0)
		r = step_medium(row, ret_medium, err);
	if (r != RSM_MEDIUM_ABSENT)
		return r;
	r = rsm_catalog_query(catalog, &row, err,
			      "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_SIDE
			      "WHERE s.pool = ?1 AND s.shown = ?2 AND EXISTS ("
			      "SELECT 1 FROM pool p WHERE p.id = ?1 AND p.kind <> 1000)",
			      "is", pool, name);
	return r < 0 ? r : step_medium(row, ret_medium, err);
}

int rsm_medium_find_barcode(struct rsm_catalog *catalog, const char *barcode,
			    struct rsm_medium *ret_medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *row;
	int r;

	/* "BC~2" names the second of two that bear BC; of those, one that is here comes first */
	r = rsm_catalog_query(catalog, &row, err,
			      "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_SIDE "WHERE s.shown = ?1",
			      "s", barcode);
	if (r == 0)
		r = step_medium(row, ret_medium, err);
	if (r != RSM_MEDIUM_ABSENT || barcode[0] == '\0')
		return r;
	r = rsm_catalog_query(catalog, &row, err,
			      "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_MEDIUM
			      "WHERE m.barcode = ?1 AND m.barcode <> '' "
			      "ORDER BY m.location = 0, s.id LIMIT 1",
			      "s", barcode);
	return r < 0 ? r : step_medium(row, ret_medium, err);
}

int rsm_medium_check_twins(struct rsm_catalog *catalog, const char *barcode, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int64_t count = 0;
	int r = rsm_catalog_number(
		catalog, &count, err,
		"SELECT count(*) FROM medium WHERE barcode = ?1 AND barcode <> ''", "s", barcode);

	if (r == 0 && count > 1)
		r = rsm_err_set(err, EINVAL,
				"%lld cartridges bear the barcode %s: name one by its path",
				(long long)count, barcode);
	return r < 0 ? r : 0;
}

int rsm_medium_find_uuid(struct rsm_catalog *catalog, const char *volume_uuid,
			 struct rsm_medium *ret_medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *row;
	int r;

	r = rsm_catalog_query(catalog, &row, err,
			      "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_SIDE
			      "WHERE s.volume_uuid = lower(?1) AND s.volume_uuid <> '' AND "
			      "s.duplicate = 0",
			      "s", volume_uuid);
	return r < 0 ? r : step_medium(row, ret_medium, err);
}

int rsm_medium_at(struct rsm_catalog *catalog, int64_t library, enum rsm_location_kind location,
		  uint32_t element, struct rsm_medium *ret_medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	sqlite3_stmt *row;
	int r;

	r = rsm_catalog_query(catalog, &row, err,
			      "SELECT " RSM_MEDIUM_COLUMNS RSM_MEDIUM_BY_MEDIUM
			      "WHERE m.library = ?1 AND m.location = ?2 AND m.element = ?3 AND "
			      "m.location <> 0 ORDER BY s.side_number <> " RSM_IS_INVERTED
			      "LIMIT 1",
			      "idu", library, (int)location, element);
	return r < 0 ? r : step_medium(row, ret_medium, err);
}

/* ---- changing ---- */

static int free_variant(struct rsm_catalog *catalog, const char *sql, int64_t pool,
			const char *wanted, char ret_name[RSM_NAME_SIZE], struct rsm_err *err)
{
	int64_t other;

	for (unsigned attempt = 1; attempt < 100000; attempt++) {
		int r;

		if (attempt == 1) {
			rsm_catalog_copy(ret_name, RSM_NAME_SIZE, wanted);
		} else {
			rsm_catalog_copy(ret_name, RSM_NAME_SIZE - 6, wanted);
			sprintf(ret_name + strlen(ret_name), "~%u", attempt);
		}
		r = rsm_catalog_number(catalog, &other, err, sql, "is", pool, ret_name);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return rsm_err_set(err, EEXIST, "%s: the name and its variants are taken", wanted);
}

int rsm_medium_free_name_locked(struct rsm_catalog *catalog, int64_t pool, const char *wanted,
				char ret_name[RSM_NAME_SIZE], struct rsm_err *err)
{
	RSM_FREE char *nfc = NULL;
	int r;

	/* taken is what has the same NFC form; a variant of an NFC name is in that form as well */
	r = rsm_pool_check_name(wanted, &nfc, err);
	if (r < 0)
		return r;
	r = free_variant(catalog, "SELECT 1 FROM logical_medium WHERE pool = ?1 AND nfc = ?2", pool,
			 nfc, ret_name, err);
	if (r == 0 && strcmp(ret_name, nfc) == 0 && strlen(wanted) < RSM_NAME_SIZE)
		rsm_catalog_copy(ret_name, RSM_NAME_SIZE, wanted);
	return r;
}

int rsm_medium_free_shown_locked(struct rsm_catalog *catalog, const char *wanted,
				 char ret_shown[RSM_NAME_SIZE], struct rsm_err *err)
{
	return free_variant(catalog, "SELECT ?1 FROM side WHERE shown = ?2", 0, wanted, ret_shown,
			    err);
}

int rsm_medium_delete_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	int r = rsm_side_note_place_locked(catalog, id, RSM_AT_OFFLINE, err);

	/* its sides go along */
	return r < 0 ? r
		     : rsm_catalog_run(
			       catalog, err,
			       "DELETE FROM medium WHERE id = (SELECT medium FROM side WHERE id = "
			       "?1)",
			       "i", id);
}

/* Both sides of a cartridge stand in one port. */
#define FIRST_SIDE                                                                                 \
	"ifnull((SELECT min(o.id) FROM side s JOIN side o ON o.medium = s.medium WHERE s.id = "    \
	"?1), ?1)"

static int set_ejected_locked(struct rsm_catalog *catalog, int64_t id, bool ejected,
			      struct rsm_err *err)
{
	if (ejected)
		return rsm_catalog_run(catalog, err,
				       "INSERT OR REPLACE INTO setting (key, value) "
				       "VALUES ('ejected ' || " FIRST_SIDE ", '1')",
				       "i", id);
	return rsm_catalog_run(
		catalog, err, "DELETE FROM setting WHERE key = 'ejected ' || " FIRST_SIDE, "i", id);
}

int rsm_medium_set_ejected(struct rsm_catalog *catalog, int64_t id, bool ejected,
			   struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return set_ejected_locked(catalog, id, ejected, err);
}

bool rsm_medium_is_ejected(struct rsm_catalog *catalog, int64_t id)
{
	int64_t any = 0;

	RSM_LOCK_SCOPE(&catalog->lock);
	return rsm_catalog_number(catalog, &any, NULL,
				  "SELECT 1 FROM setting WHERE key = 'ejected ' || " FIRST_SIDE,
				  "i", id) == 0;
}

int rsm_medium_lift_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	return rsm_catalog_run(catalog, err,
			       "UPDATE medium SET location = 0, library = NULL, element = 0 "
			       "WHERE id = (SELECT medium FROM side WHERE id = ?1)",
			       "i", id);
}

int rsm_medium_set_place_locked(struct rsm_catalog *catalog, int64_t id, int64_t library,
				enum rsm_location_kind location, uint32_t element,
				struct rsm_err *err)
{
	int r = 0;

	if (location == RSM_AT_OFFLINE)
		library = 0;
	else /* whatever was believed to be there is not */
		r = rsm_catalog_run(catalog, err,
				    "UPDATE medium SET location = 0, library = NULL, element = 0 "
				    "WHERE library = ?1 AND location = ?2 AND element = ?3 AND "
				    "location <> 0 AND id <> (SELECT medium FROM side WHERE id = "
				    "?4)",
				    "idui", library, (int)location, element, id);
	if (r == 0 && location != RSM_AT_PORT)
		r = set_ejected_locked(catalog, id, false, err);
	if (r == 0)
		r = rsm_side_note_place_locked(catalog, id, location, err);
	if (r < 0)
		return r;
	return rsm_catalog_run(catalog, err,
			       "UPDATE medium SET library = ?2, location = ?3, element = ?4, "
			       "home_slot = CASE ?3 WHEN 2 THEN ?4 ELSE home_slot END "
			       "WHERE id = (SELECT medium FROM side WHERE id = ?1)",
			       "indu", id, library, (int)location, element);
}

int rsm_medium_set_location(struct rsm_catalog *catalog, int64_t id, int64_t library,
			    enum rsm_location_kind location, uint32_t element, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);

	if (r < 0)
		return r;
	r = rsm_medium_set_place_locked(catalog, id, library, location, element, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

static void take(struct rsm_medium *row, const struct rsm_medium *wanted, unsigned what)
{
	if (what & RSM_MEDIUM_SET_MODE)
		row->mode = wanted->mode;
	if (what & RSM_MEDIUM_SET_OWNER)
		row->owner = wanted->owner;
	if (what & RSM_MEDIUM_SET_GROUP)
		row->group = wanted->group;
	if (what & RSM_MEDIUM_SET_PRIORITY)
		row->priority = wanted->priority;
	if (what & RSM_MEDIUM_SET_MODIFIED)
		row->modified = wanted->modified;
}

static int change_logical_locked(struct rsm_catalog *catalog, struct rsm_medium *medium,
				 unsigned what, struct rsm_err *err)
{
	struct rsm_medium row;
	int r = rsm_medium_need_locked(catalog, medium->id, &row, err);

	if (r < 0)
		return r;
	if (!row.lmid[0] || strcmp(row.lmid, medium->lmid) != 0)
		return rsm_err_set(err, EINVAL, "%s is not allocated%s", rsm_medium_words(medium),
				   row.lmid[0] ? " to that owner any more" : "");
	rsm_catalog_now(catalog, &row.changed);
	take(&row, medium, what);
	if (row.priority < -15 || row.priority > 15)
		return rsm_err_set(err, EINVAL, "a priority is between -15 and 15");
	r = rsm_catalog_run(catalog, err,
			    "UPDATE logical_medium SET mode = ?2, owner = ?3, \"group\" = ?4, "
			    "priority = ?5, modified = ?6, changed = ?7 WHERE id = (SELECT logical "
			    "FROM side WHERE id = ?1)",
			    "iuuudtt", row.id, row.mode & 07777, row.owner, row.group,
			    (int)row.priority, &row.modified, &row.changed);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE side SET label_work = 2 WHERE id = ?1 AND label_work = "
				    "0",
				    "i", row.id);
	return r < 0 ? r : rsm_medium_need_locked(catalog, row.id, medium, err);
}

int rsm_medium_change_logical(struct rsm_catalog *catalog, struct rsm_medium *medium, unsigned what,
			      struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_medium changed = *medium;
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);

	if (r < 0)
		return r;
	r = change_logical_locked(catalog, &changed, what, err);
	r = rsm_catalog_end_locked(catalog, r, err);
	if (r == 0)
		*medium = changed;
	return r;
}

static int set_contents_locked(struct rsm_catalog *catalog, const struct rsm_medium *medium,
			       int mounts, struct rsm_err *err)
{
	int r = rsm_catalog_run(catalog, err,
				"UPDATE side SET capacity = ?2, remaining = ?3, index_generation = "
				"?4, health = ?5, mounts = mounts + ?6 WHERE id = ?1",
				"iUUUsd", medium->id, medium->capacity, medium->remaining,
				medium->index_generation,
				medium->health[0] ? medium->health : "good", mounts);

	if (r < 0)
		return r;
	return rsm_catalog_run(catalog, err,
			       "UPDATE medium SET write_protected = ?2 WHERE id = "
			       "(SELECT medium FROM side WHERE id = ?1)",
			       "id", medium->id, (int)medium->write_protected);
}

static int set_contents(struct rsm_catalog *catalog, const struct rsm_medium *medium, int mounts,
			struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);

	if (r < 0)
		return r;
	r = set_contents_locked(catalog, medium, mounts, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_medium_set_loaded(struct rsm_catalog *catalog, const struct rsm_medium *medium,
			  struct rsm_err *err)
{
	return set_contents(catalog, medium, 1, err);
}

int rsm_medium_set_written(struct rsm_catalog *catalog, const struct rsm_medium *medium,
			   struct rsm_err *err)
{
	return set_contents(catalog, medium, 0, err);
}

/* Labels that were begun are settings "labelling ID UUID". */

int rsm_medium_forget_labelling_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	return rsm_catalog_run(catalog, err,
			       "DELETE FROM setting WHERE key GLOB 'labelling ' || ?1 || ' *'", "i",
			       id);
}

/* Outcome 1: it is not to bear that volume any more. */
static int begin_labelling_locked(struct rsm_catalog *catalog, int64_t id, const char *uuid,
				  struct rsm_err *err)
{
	int64_t wanted = 1;
	int r = uuid ? rsm_catalog_number(
			       catalog, &wanted, err,
			       "SELECT lower(volume_uuid) = lower(?2) FROM side WHERE id "
			       "= ?1",
			       "is", id, uuid)
		     : 0;

	if (r != 0 || !wanted)
		return r < 0 ? r : 1;
	return rsm_catalog_run(catalog, err,
			       "INSERT OR REPLACE INTO setting (key, value) VALUES ('labelling ' "
			       "|| ?1 || ' ' || lower(?2), '')",
			       "is", id, uuid ? uuid : "free");
}

int rsm_medium_begin_labelling(struct rsm_catalog *catalog, int64_t id, const char *uuid,
			       struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = begin_labelling_locked(catalog, id, uuid, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_medium_forget_labelling(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_medium_forget_labelling_locked(catalog, id, err);
}

int rsm_medium_was_labelling_locked(struct rsm_catalog *catalog, int64_t id, const char *uuid,
				    bool *ret_was, struct rsm_err *err)
{
	int64_t count = 0;
	int r = rsm_catalog_number(catalog, &count, err,
				   "SELECT count(*) FROM setting WHERE key GLOB 'labelling ' || ?1 "
				   "|| ' *' AND (?2 = '' OR key = 'labelling ' || ?1 || ' ' || "
				   "lower(?2))",
				   "is", id, uuid ? uuid : "");

	if (r == 0)
		*ret_was = count > 0;
	return r < 0 ? r : 0;
}

int rsm_medium_was_labelling(struct rsm_catalog *catalog, int64_t id, const char *uuid,
			     bool *ret_was, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_medium_was_labelling_locked(catalog, id, uuid, ret_was, err);
}

static int set_label_work_locked(struct rsm_catalog *catalog, int64_t id, const char *uuid,
				 enum rsm_label_work expected, enum rsm_label_work work,
				 struct rsm_err *err)
{
	if (expected == RSM_LABEL_FORMAT)
		return rsm_catalog_run(
			catalog, err,
			"UPDATE side SET label_work = ?2, label_type = 'LTFS', label_info = '', "
			"old_uuid = '', restorable = 0, health = 'good' WHERE id = ?1 AND "
			"label_work = 1 AND (?3 = '' OR volume_uuid = lower(?3))",
			"ids", id, (int)work, uuid ? uuid : "");
	if (work == RSM_LABEL_NONE && expected == RSM_LABEL_FREE)
		return rsm_catalog_run(
			catalog, err,
			"UPDATE side SET label_work = 0, label_type = 'RSMFS FREE', label_info = "
			"'', volume_uuid = '', old_uuid = '', restorable = 0, index_generation = "
			"0, state = CASE state WHEN 1 THEN 4 ELSE state END "
			"WHERE id = ?1 AND label_work = 3 AND NOT EXISTS (SELECT 1 FROM setting "
			"WHERE key = 'erase ' || ?1)",
			"i", id);
	return rsm_catalog_run(catalog, err,
			       "UPDATE side SET label_work = ?3 WHERE id = ?1 AND label_work = ?2",
			       "idd", id, (int)expected, (int)work);
}

int rsm_medium_set_label_work(struct rsm_catalog *catalog, int64_t id, const char *uuid,
			      enum rsm_label_work expected, enum rsm_label_work work,
			      struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	/* that a label is on the medium must be known after a power loss as well */
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = set_label_work_locked(catalog, id, uuid, expected, work, err);
	if (r == 0 &&
	    (expected == RSM_LABEL_FORMAT ||
	     (expected == RSM_LABEL_FREE && work == RSM_LABEL_NONE)) &&
	    sqlite3_changes(catalog->db))
		r = rsm_medium_forget_labelling_locked(catalog, id, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

int rsm_medium_set_enabled(struct rsm_catalog *catalog, int64_t id, bool enabled,
			   struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = 0;

	if (enabled) /* somebody trusts it again */
		r = rsm_catalog_run(catalog, err,
				    "UPDATE side SET health = 'good' WHERE id = ?1 AND health GLOB "
				    "'" RSM_HEALTH_UNWRITABLE "*'",
				    "i", id);
	return r < 0 ? r
		     : rsm_catalog_run(catalog, err,
				       "UPDATE medium SET enabled = ?2 WHERE id = "
				       "(SELECT medium FROM side WHERE id = ?1)",
				       "id", id, (int)enabled);
}

bool rsm_medium_is_unwritable(const struct rsm_medium *medium)
{
	return strncmp(medium->health, RSM_HEALTH_UNWRITABLE, strlen(RSM_HEALTH_UNWRITABLE)) == 0;
}

int rsm_medium_set_health(struct rsm_catalog *catalog, int64_t id, const char *health,
			  struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_catalog_run(catalog, err, "UPDATE side SET health = ?2 WHERE id = ?1", "is", id,
			       health[0] ? health : "good");
}
