/* Cartridges of a backup. They come in small transactions, so that others get at the catalogue in
 * between; one that was cut short is completed by the next import. What a medium says of itself
 * wins over an old backup: what came from one is doubtful until a drive has seen it.
 */
#include "core/catalog_import_private.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 64 };

/* A cartridge as the backup has it. */
struct line {
	struct rsm_medium medium;
	char medium_guid[RSM_GUID_SIZE];
	int64_t side;
	bool scratch; /* it was in Free */
	bool restorable;
	int64_t pool; /* theirs */
};

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f || *text == '/')
			return false;
	return true;
}

static bool is_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static bool is_good(const struct line *line)
{
	const struct rsm_medium *m = &line->medium;
	RSM_FREE char *nfc = NULL;

	if (m->side > 1 || !rsm_import_is_guid(m->guid) || !rsm_import_is_guid(line->medium_guid) ||
	    !is_plain(m->barcode) || m->barcode[0] == '.' || !m->media_type[0] ||
	    !is_plain(m->media_type) || !is_text(m->label_type) || !is_text(m->label_info) ||
	    !is_text(m->health) || (m->volume_uuid[0] && !rsm_import_is_guid(m->volume_uuid)) ||
	    (m->old_uuid[0] && !rsm_import_is_guid(m->old_uuid)))
		return false;
	if (!rsm_import_is_allocated(m))
		return true;
	return rsm_import_is_guid(m->lmid) && m->volume_uuid[0] && m->mode <= 07777 &&
	       m->priority >= -15 && m->priority <= 15 &&
	       rsm_pool_check_name(m->name, &nfc, NULL) == 0;
}

static uint32_t column_count(sqlite3_stmt *row, int column)
{
	int64_t number = sqlite3_column_int64(row, column);

	return number < 0 ? 0 : number > INT32_MAX ? INT32_MAX : (uint32_t)number;
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

static int read_line(const struct rsm_importing *it, struct line *line, struct rsm_err *err)
{
	struct rsm_medium *m = &line->medium;
	sqlite3_stmt *row = it->media;

	memset(line, 0, sizeof *line);
	line->side = sqlite3_column_int64(row, 0);
	rsm_catalog_column_text(row, 1, m->guid, sizeof m->guid);
	rsm_catalog_column_text(row, 2, line->medium_guid, sizeof line->medium_guid);
	rsm_catalog_column_text(row, 3, m->barcode, sizeof m->barcode);
	rsm_catalog_column_text(row, 4, m->media_type, sizeof m->media_type);
	line->pool = sqlite3_column_int64(row, 5);
	line->scratch = sqlite3_column_int(row, 6) == RSM_POOL_SCRATCH;
	m->state = (enum rsm_medium_state)sqlite3_column_int(row, 7);
	rsm_catalog_column_text(row, 8, m->label_type, sizeof m->label_type);
	rsm_catalog_column_text(row, 9, m->label_info, sizeof m->label_info);
	rsm_catalog_column_text(row, 10, m->volume_uuid, sizeof m->volume_uuid);
	rsm_catalog_column_text(row, 11, m->old_uuid, sizeof m->old_uuid);
	line->restorable = sqlite3_column_int(row, 12) != 0;
	m->label_work = (enum rsm_label_work)sqlite3_column_int(row, 13);
	m->format_generation = column_count(row, 14);
	m->index_generation = (uint64_t)sqlite3_column_int64(row, 15);
	m->capacity = (uint64_t)sqlite3_column_int64(row, 16);
	m->remaining = (uint64_t)sqlite3_column_int64(row, 17);
	m->mounts = column_count(row, 18);
	m->allocations = column_count(row, 19);
	m->write_protected = sqlite3_column_int(row, 20) != 0;
	rsm_catalog_column_text(row, 21, m->health, sizeof m->health);
	rsm_catalog_column_text(row, 22, m->lmid, sizeof m->lmid);
	rsm_catalog_column_text(row, 23, m->name, sizeof m->name);
	m->mode = (uint32_t)sqlite3_column_int64(row, 24);
	m->owner = (uint32_t)sqlite3_column_int64(row, 25);
	m->group = (uint32_t)sqlite3_column_int64(row, 26);
	m->created = rsm_catalog_column_time(row, 27);
	m->modified = rsm_catalog_column_time(row, 28);
	m->changed = rsm_catalog_column_time(row, 29);
	m->priority = sqlite3_column_int(row, 30);
	m->side = column_count(row, 31);
	lower(m->volume_uuid);
	lower(m->old_uuid);
	lower(m->lmid);
	return is_good(line) ? 0 : rsm_import_damaged("it has a cartridge that cannot be", err);
}

/* Figures of its life: the greater ones are the later ones. */
static int take_record(struct rsm_importing *it, const struct line *line, int64_t our,
		       bool doubtful, struct rsm_err *err)
{
	struct timespec verified = { 0 }, due = { 0 };
	uint64_t numbers[2] = { 0 };
	uint32_t counts[3] = { 0 };
	char vault[RSM_NAME_SIZE] = "";
	int r = RSM_SQLITE_DONE;

	if (it->records) {
		RSM_SQLITE_RESET sqlite3_stmt *row = it->records;

		sqlite3_bind_int64(row, 1, line->side);
		r = rsm_sqlite_step(row, err);
		for (int i = 0; r == 0 && i < 2; i++)
			numbers[i] = (uint64_t)sqlite3_column_int64(row, i) & INT64_MAX;
		for (int i = 0; r == 0 && i < 2; i++)
			counts[i] = column_count(row, 2 + i);
		if (r == 0) {
			verified = rsm_catalog_column_time(row, 4);
			counts[2] = column_count(row, 5);
			rsm_catalog_column_text(row, 6, vault, sizeof vault);
			due = rsm_catalog_column_time(row, 7);
		}
	}
	if (r < 0 || (r == RSM_SQLITE_DONE && !doubtful))
		return r < 0 ? r : 0;
	if (!is_text(vault))
		vault[0] = '\0';
	return rsm_catalog_run(
		it->catalog, err,
		"INSERT INTO medium_record (side, bytes_written, bytes_read, write_errors, "
		"read_errors, verify_errors, verified, vault, due, doubtful) VALUES (?1, ?2, ?3, "
		"?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (side) DO UPDATE SET "
		"bytes_written = max(bytes_written, ?2), bytes_read = max(bytes_read, ?3), "
		"write_errors = max(write_errors, ?4), read_errors = max(read_errors, ?5), "
		"verify_errors = CASE WHEN ?7 > verified THEN ?6 ELSE verify_errors END, "
		"verified = max(verified, ?7), vault = CASE vault WHEN '' THEN ?8 ELSE vault END",
		"iUUuuutstd", our, numbers[0], numbers[1], counts[0], counts[1], counts[2],
		&verified, vault, &due, (int)doubtful);
}

static int merge_counts(struct rsm_importing *it, const struct line *line, int64_t our,
			struct rsm_err *err)
{
	int r = rsm_catalog_run(it->catalog, err,
				"UPDATE side SET mounts = max(mounts, ?2), allocations = "
				"max(allocations, ?3) WHERE id = ?1",
				"iuu", our, line->medium.mounts, line->medium.allocations);

	return r < 0 ? r : take_record(it, line, our, false, err);
}

/* The pool here for media of the line's type; 0: there is none. */
static int choose_pool(struct rsm_importing *it, const struct line *line, int64_t *ret_pool,
		       struct rsm_err *err)
{
	struct rsm_pool pool = { 0 };
	int r;

	*ret_pool = 0;
	if (line->scratch) {
		r = rsm_pool_system_locked(it->catalog, RSM_POOL_SCRATCH, line->medium.media_type,
					   &pool, err);
	} else {
		int64_t our = rsm_import_ours(it, line->pool);

		if (!our)
			return 0;
		r = rsm_pool_need_locked(it->catalog, our, &pool, err);
		if (r == 0 && pool.holds != RSM_POOL_HOLDS_MEDIA)
			return 0;
		if (r == 0)
			r = rsm_pool_take_type_locked(it->catalog, &pool, line->medium.media_type,
						      err);
		if (r == -EMEDIUMTYPE)
			return 0;
	}
	*ret_pool = pool.id;
	return r;
}

/* Its logical medium begins here. Outcome 1: the LMID is somebody's. */
static int begin_logical(struct rsm_importing *it, const struct line *line, int64_t pool,
			 int64_t *ret_logical, bool *ret_renamed, struct rsm_err *err)
{
	struct rsm_medium medium = line->medium;
	int64_t other;
	int r = rsm_catalog_number(it->catalog, &other, err,
				   "SELECT id FROM logical_medium WHERE lmid = ?1", "s",
				   medium.lmid);

	if (r < 0)
		return r;
	if (r == 0)
		return 1;
	r = rsm_medium_free_name_locked(it->catalog, pool, line->medium.name, medium.name, err);
	if (r < 0)
		return r;
	*ret_renamed = strcmp(medium.name, line->medium.name) != 0;
	return rsm_logical_begin_locked(it->catalog, &medium, pool, ret_logical, err);
}

/* A volume in Import that was allocated: it is its owner's again. Nothing on it says otherwise. Its
 * files are the same under their numbers, so their generation stays.
 */
static int take_import(struct rsm_importing *it, const struct line *line,
		       const struct rsm_medium *here, struct rsm_err *err)
{
	int64_t pool, logical;
	bool renamed;
	int r = choose_pool(it, line, &pool, err);

	if (r == 0 && !pool)
		r = 1;
	/* its other side would have to come along */
	if (r == 0 && pool != here->pool &&
	    rsm_side_check_other_locked(it->catalog, here, NULL) < 0)
		r = 1;
	if (r == 0)
		r = begin_logical(it, line, pool, &logical, &renamed, err);
	if (r != 0) {
		it->import->media_passed += r > 0;
		return r < 0 ? r : 0;
	}
	r = rsm_catalog_run(it->catalog, err,
			    "UPDATE side SET pool = ?2, state = ?3, logical = ?4, label_work = 2, "
			    "allocations = max(allocations, ?5, 1) WHERE id = ?1",
			    "iidiu", here->id, pool, (int)line->medium.state, logical,
			    line->medium.allocations);
	if (r == 0)
		r = rsm_import_xattrs(it, "m", line->side, here->id, err);
	if (r == 0)
		r = merge_counts(it, line, here->id, err);
	if (r == 0)
		r = rsm_pool_touch_locked(it->catalog, pool, err);
	it->import->media_taken += r == 0;
	return r;
}

static int insert_medium(struct rsm_importing *it, const struct line *line, int64_t *ret_medium,
			 struct rsm_err *err)
{
	char guid[RSM_GUID_SIZE];
	struct timespec now;
	int r;

	rsm_catalog_new_guid(guid);
	rsm_catalog_now(it->catalog, &now);
	r = rsm_catalog_run(it->catalog, err,
			    "INSERT INTO medium (guid, barcode, media_type, library, location, "
			    "write_protected, created) VALUES (CASE WHEN EXISTS (SELECT 1 FROM "
			    "medium WHERE guid = ?1) THEN ?2 ELSE ?1 END, ?3, ?4, NULL, 0, ?5, ?6)",
			    "ssssdt", line->medium_guid, guid, line->medium.barcode,
			    line->medium.media_type, (int)line->medium.write_protected, &now);
	*ret_medium = sqlite3_last_insert_rowid(it->catalog->db);
	return r;
}

static int insert_side(struct rsm_importing *it, const struct line *line, int64_t medium,
		       int64_t pool, int64_t logical, bool renamed, struct rsm_err *err)
{
	const struct rsm_medium *m = &line->medium;
	int work = m->label_work == RSM_LABEL_FORMAT ? RSM_LABEL_FORMAT
		   : logical			     ? (renamed ? RSM_LABEL_UPDATE : RSM_LABEL_NONE)
		   : m->label_work == RSM_LABEL_FREE ? RSM_LABEL_FREE
						     : RSM_LABEL_NONE;
	char shown[RSM_NAME_SIZE];
	int64_t side, other;
	int r = rsm_medium_free_shown_locked(it->catalog, m->barcode[0] ? m->barcode : m->guid,
					     shown, err);

	if (r == 0)
		r = rsm_catalog_run(
			it->catalog, err,
			"INSERT INTO side (guid, medium, shown, pool, state, logical, label_type, "
			"label_info, volume_uuid, old_uuid, restorable, label_work, "
			"format_generation, index_generation, capacity, remaining, mounts, "
			"allocations, health, side_number) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
			"?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
			"sisidnssssdduUUUuusu", m->guid, medium, shown, pool, (int)m->state,
			logical, m->label_type, m->label_info, logical ? m->volume_uuid : "",
			m->old_uuid, (int)line->restorable, logical || work == 3 ? work : 0,
			m->format_generation, m->index_generation, m->capacity, m->remaining,
			m->mounts, m->allocations, m->health[0] ? m->health : "good", m->side);
	if (r < 0)
		return r;
	side = sqlite3_last_insert_rowid(it->catalog->db);
	if (!m->barcode[0]) { /* a sequence number, as for any other without a barcode */
		char number[24];

		snprintf(number, sizeof number, "%lld", (long long)side);
		r = rsm_medium_free_shown_locked(it->catalog, number, shown, err);
		if (r == 0)
			r = rsm_catalog_run(it->catalog, err,
					    "UPDATE side SET shown = ?2 WHERE id = ?1", "is", side,
					    shown);
	}
	/* both are called by the barcode then; of a second side that comes alone, nobody knows what
	 * the first one is */
	if (r == 0 && m->side == 1)
		r = rsm_side_make_second_locked(it->catalog, side, &other, err);
	if (r == 0 && m->side == 1)
		r = rsm_side_name_locked(it->catalog, side, m->barcode, err);
	if (r == 0)
		r = rsm_import_xattrs(it, "m", line->side, side, err);
	return r < 0 ? r : take_record(it, line, side, true, err);
}

/* The cartridge whose second side it is. Outcome 1: there is none. -EEXIST: it cannot take it, as
 * it is in another pool, or has another one.
 */
static int find_first_side(struct rsm_importing *it, const struct line *line, int64_t pool,
			   int64_t *ret_medium, struct rsm_err *err)
{
	struct rsm_catalog *catalog = it->catalog;
	int64_t fits = 0;
	int r = rsm_catalog_number(catalog, ret_medium, err,
				   "SELECT id FROM medium WHERE guid = ?1", "s", line->medium_guid);

	if (r == RSM_SQLITE_DONE && line->medium.barcode[0])
		r = rsm_catalog_number(catalog, ret_medium, err,
				       "SELECT min(id) FROM medium WHERE barcode = ?1 AND barcode "
				       "<> '' GROUP BY barcode HAVING count(*) = 1",
				       "s", line->medium.barcode);
	if (r != 0)
		return r < 0 ? r : 1;
	r = rsm_catalog_number(catalog, &fits, err,
			       "SELECT count(*) = 1 AND max(side_number) = 0 AND max(pool) = ?2 "
			       "FROM side WHERE medium = ?1",
			       "ii", *ret_medium, pool);
	return r < 0 ? r : fits ? 0 : -EEXIST;
}

/* Nobody here knows it: it is off-line until it is seen. */
static int add_line(struct rsm_importing *it, const struct line *line, struct rsm_err *err)
{
	int64_t pool, medium = 0, logical = 0;
	bool renamed = false;
	int r = choose_pool(it, line, &pool, err);

	if (r == 0 && !pool)
		r = 1;
	if (r == 0 && line->medium.side == 1) {
		r = find_first_side(it, line, pool, &medium, err);
		if (r == 1)
			medium = r = 0;
		else if (r == -EEXIST)
			r = 1;
	}
	if (r == 0 && rsm_import_is_allocated(&line->medium))
		r = begin_logical(it, line, pool, &logical, &renamed, err);
	if (r != 0) {
		it->import->media_passed += r > 0;
		return r < 0 ? r : 0;
	}
	if (!medium)
		r = insert_medium(it, line, &medium, err);
	if (r == 0)
		r = insert_side(it, line, medium, pool, logical, renamed, err);
	if (r == 0)
		r = rsm_pool_touch_locked(it->catalog, pool, err);
	it->import->media_added += r == 0;
	return r;
}

/* Outcome 1: nothing here is that one. */
static int find_here(struct rsm_importing *it, const struct line *line,
		     struct rsm_medium *ret_medium, bool *ret_same, struct rsm_err *err)
{
	struct rsm_catalog *catalog = it->catalog;
	int64_t id;
	int r = rsm_catalog_number(catalog, &id, err, "SELECT id FROM side WHERE guid = ?1", "s",
				   line->medium.guid);

	if (r == RSM_SQLITE_DONE && line->medium.volume_uuid[0])
		r = rsm_catalog_number(catalog, &id, err,
				       "SELECT id FROM side WHERE volume_uuid = ?1 AND volume_uuid "
				       "<> '' AND duplicate = 0",
				       "s", line->medium.volume_uuid);
	*ret_same = r == 0;
	if (r == RSM_SQLITE_DONE && line->medium.barcode[0])
		r = rsm_catalog_number(catalog, &id, err,
				       "SELECT s.id FROM medium m CROSS JOIN side s ON s.medium = "
				       "m.id WHERE m.barcode = ?1 AND m.barcode <> '' AND "
				       "s.side_number = ?2 ORDER BY m.location = 0, s.id LIMIT 1",
				       "su", line->medium.barcode, line->medium.side);
	if (r != 0)
		return r < 0 ? r : 1;
	return rsm_medium_need_locked(catalog, id, ret_medium, err);
}

static int take_line(struct rsm_importing *it, const struct line *line, struct rsm_err *err)
{
	struct rsm_medium here;
	bool same;
	int r = find_here(it, line, &here, &same, err);

	if (r != 0)
		return r < 0 ? r : add_line(it, line, err);
	if (same && here.state == RSM_MEDIUM_IMPORT && rsm_import_is_allocated(&line->medium) &&
	    strcmp(here.volume_uuid, line->medium.volume_uuid) == 0)
		return take_import(it, line, &here, err);
	if (!same && here.state != RSM_MEDIUM_UNKNOWN &&
	    strcmp(here.volume_uuid, line->medium.volume_uuid) != 0)
		it->import->media_passed++; /* it bears something else by now */
	else
		it->import->media_known++;
	return merge_counts(it, line, here.id, err);
}

static int take_batch(struct rsm_importing *it, const struct line *lines, size_t count,
		      struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&it->catalog->lock);
	int r = rsm_catalog_begin_locked(it->catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = take_line(it, &lines[i], err);
		if (r < 0)
			rsm_err_wrap(err, r, "cartridge %s", lines[i].medium.barcode);
	}
	return rsm_catalog_end_locked(it->catalog, r, err);
}

int rsm_import_each_medium(struct rsm_importing *it, bool take, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *row = it->media;
	RSM_FREE struct line *lines = calloc(BATCH, sizeof *lines);
	size_t count = 0;
	int r;

	if (!lines)
		return rsm_err_oom(err);
	do {
		r = rsm_sqlite_step(row, err);
		if (r < 0)
			return r;
		if (r == 0 && read_line(it, &lines[count], err) < 0)
			return -EBADMSG;
		count += r == 0;
		if (take && count && (count == BATCH || r == RSM_SQLITE_DONE)) {
			int taken = take_batch(it, lines, count, err);

			if (taken < 0)
				return taken;
			it->done += count;
			if (it->import->progress)
				it->import->progress(it->import->context, it->done, it->total,
						     "cartridges");
		}
		if (count == BATCH)
			count = 0;
		if (rsm_import_is_cancelled(it))
			return rsm_err_set(err, EINTR, "import: interrupted");
	} while (r == 0);
	return 0;
}
