/* What a drive tells of the cartridge in it (declared in media.h). */
#include "core/media.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <uuid/uuid.h>

#include "changer/media_type.h"
#include "core/catalog_private.h"

/* An LTO-7 cartridge that a barcode (M8) reserves for the denser format of LTO-8 drives says what
 * it is only once it has been written that way.
 */
static bool is_same_type(const char *known, const char *told)
{
	return strcmp(known, told) == 0 ||
	       (strcmp(known, "LTO-M8") == 0 && strcmp(told, "LTO-7") == 0);
}

/* By its barcode; "" if that does not tell. */
static const char *marked_type(const struct rsm_medium *medium)
{
	const char *type = medium->barcode[0] ? rsm_media_type_of_barcode(medium->barcode) : NULL;

	return type ? type : "";
}

/* A person need not, and cannot, say it then. */
static int note_told(struct rsm_catalog *catalog, const struct rsm_medium *medium,
		     struct rsm_err *err)
{
	if (*marked_type(medium))
		return 0;
	return rsm_catalog_run(catalog, err,
			       "INSERT OR IGNORE INTO setting (key, value) SELECT 'type-told:' || "
			       "m.guid, '1' FROM medium m JOIN side s ON s.medium = m.id WHERE "
			       "s.id = ?1",
			       "i", medium->id);
}

static int retype(struct rsm_catalog *catalog, const struct rsm_medium *medium, const char *told,
		  struct rsm_err *err)
{
	struct rsm_pool from, to;
	int r;

	if (!rsm_media_type_is_known(told) || medium->cleaner)
		return 0;
	r = note_told(catalog, medium, err);
	if (r < 0 || is_same_type(medium->media_type, told))
		return r;
	r = rsm_pool_need_locked(catalog, medium->pool, &from, err);
	if (r < 0 || from.kind == RSM_POOL_APPLICATION)
		return r;
	r = rsm_pool_system_locked(catalog, from.kind, told, &to, err);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE medium SET media_type = ?2 WHERE id = (SELECT medium "
				    "FROM side WHERE id = ?1)",
				    "is", medium->id, told);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, from.id, err);
	return r < 0 ? r : rsm_pool_touch_locked(catalog, to.id, err);
}

/* The id of a side follows from what the maker has written into the cartridge, so it is the same
 * when the catalogue has to be made again.
 */
static void guid_of_serial(const char *serial, int number, char ret_guid[RSM_GUID_SIZE])
{
	static const uuid_t space = { 0x6e, 0x74, 0x6d, 0x73, 0x72, 0x73, 0x4d, 0x66,
				      0xa0, 0x01, 0x73, 0x69, 0x64, 0x65, 0x00, 0x01 };
	char text[256];
	uuid_t uuid;

	snprintf(text, sizeof text, "%.200s|%d", serial, number);
	uuid_generate_sha1(uuid, space, text, strlen(text));
	uuid_unparse_lower(uuid, ret_guid);
}

/* What is known by an id already keeps it. */
static int name_side(struct rsm_catalog *catalog, const struct rsm_medium *medium,
		     const char *serial, struct rsm_err *err)
{
	char guid[RSM_GUID_SIZE];
	int64_t number = 0;
	int r;

	if (!*serial || medium->state != RSM_MEDIUM_UNKNOWN)
		return 0;
	r = rsm_catalog_number(catalog, &number, err, "SELECT side_number FROM side WHERE id = ?1",
			       "i", medium->id);
	if (r != 0)
		return r < 0 ? r : 0;
	guid_of_serial(serial, (int)number, guid);
	return rsm_catalog_run(catalog, err,
			       "UPDATE side SET guid = ?2 WHERE id = ?1 AND NOT EXISTS "
			       "(SELECT 1 FROM side WHERE guid = ?2)",
			       "is", medium->id, guid);
}

int rsm_medium_find_serial(struct rsm_catalog *catalog, const char *serial,
			   struct rsm_medium *ret_medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	char guid[RSM_GUID_SIZE];
	int64_t id = 0;
	int r;

	if (!*serial)
		return RSM_MEDIUM_ABSENT;
	guid_of_serial(serial, 0, guid);
	r = rsm_catalog_number(catalog, &id, err, "SELECT id FROM side WHERE guid = ?1", "s", guid);
	if (r != 0)
		return r < 0 ? r : RSM_MEDIUM_ABSENT;
	return rsm_medium_need_locked(catalog, id, ret_medium, err);
}

/* What a volume tells goes before what a memory does. */
static bool is_other_side(const struct rsm_medium *side, const struct rsm_medium *other,
			  const char *uuid, const char *serial)
{
	char guid[RSM_GUID_SIZE];

	if (uuid &&
	    (strcasecmp(uuid, side->volume_uuid) == 0 || strcasecmp(uuid, side->old_uuid) == 0))
		return false;
	if (uuid &&
	    (strcasecmp(uuid, other->volume_uuid) == 0 || strcasecmp(uuid, other->old_uuid) == 0))
		return true;
	if (!*serial)
		return false;
	guid_of_serial(serial, (int)other->side, guid);
	return strcmp(guid, other->guid) == 0;
}

int rsm_medium_find_turned(struct rsm_catalog *catalog, int64_t id, const char *volume_uuid,
			   const char *serial, int64_t *ret_side, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_medium side, other;
	int64_t other_id;
	int r = rsm_medium_need_locked(catalog, id, &side, err);

	if (r == 0)
		r = rsm_catalog_number(catalog, &other_id, err,
				       "SELECT id FROM side WHERE medium = ?1 AND id <> ?2", "ii",
				       side.physical, id);
	if (r == 0)
		r = rsm_medium_need_locked(catalog, other_id, &other, err);
	if (r != 0)
		return r < 0 ? r : RSM_MEDIUM_ABSENT;
	*ret_side = other_id;
	return is_other_side(&side, &other, volume_uuid, serial) ? 0 : RSM_MEDIUM_ABSENT;
}

static int note_locked(struct rsm_catalog *catalog, int64_t id,
		       const struct rsm_medium_facts *facts, struct rsm_medium *medium,
		       struct rsm_err *err)
{
	int r = rsm_medium_need_locked(catalog, id, medium, err);

	if (r == 0)
		r = name_side(catalog, medium, facts->serial, err);
	if (r == 0)
		r = retype(catalog, medium, facts->media_type, err);
	return r < 0 ? r : rsm_medium_need_locked(catalog, id, medium, err);
}

int rsm_medium_note_facts(struct rsm_catalog *catalog, int64_t id,
			  const struct rsm_medium_facts *facts, struct rsm_medium *ret_medium,
			  struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_medium medium;
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);

	if (r < 0)
		return r;
	r = note_locked(catalog, id, facts, &medium, err);
	r = rsm_catalog_end_locked(catalog, r, err);
	if (r == 0)
		*ret_medium = medium;
	return r;
}

int rsm_medium_check_writers_locked(struct rsm_catalog *catalog, const struct rsm_medium *medium,
				    struct rsm_err *err)
{
	int64_t reads;
	int r = rsm_catalog_number(catalog, &reads, err,
				   "SELECT reads FROM library_limit WHERE library = ?1 AND "
				   "media_type = ?2",
				   "is", medium->library, medium->media_type);

	if (r == RSM_SQLITE_DONE)
		return 0;
	return r < 0 ? r
		     : rsm_err_set(err, EMEDIUMTYPE, "no drive here %s %s (%s)",
				   reads ? "writes" : "can use", rsm_medium_words(medium),
				   medium->media_type);
}

/* A cleaner has one. It is the first, however it lies in a drive now: that is how it comes home,
 * and how it is fetched.
 */
static int leave_one_side(struct rsm_catalog *catalog, const struct rsm_medium *medium,
			  struct rsm_err *err)
{
	int r = rsm_catalog_run(catalog, err, "DELETE FROM side WHERE medium = ?1 AND id <> ?2",
				"ii", medium->physical, medium->id);

	if (r < 0 || sqlite3_changes(catalog->db) == 0)
		return r;
	r = rsm_catalog_run(catalog, err, "UPDATE side SET side_number = 0 WHERE id = ?1", "i",
			    medium->id);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "DELETE FROM setting WHERE key = 'inverted ' || ?1", "i",
				    medium->physical);
	return r < 0 ? r : rsm_side_name_locked(catalog, medium->id, medium->barcode, err);
}

int rsm_medium_set_cleaner_locked(struct rsm_catalog *catalog, int64_t id,
				  struct rsm_medium *medium, struct rsm_err *err)
{
	int64_t pool;
	int r = rsm_medium_need_locked(catalog, id, medium, err);

	if (r < 0 || medium->cleaner)
		return r;
	if (medium->lmid[0])
		return rsm_err_set(err, EBUSY, "%s is allocated", rsm_medium_words(medium));
	r = rsm_side_check_other_locked(catalog, medium, err);
	if (r < 0)
		return r;
	pool = medium->pool;
	r = rsm_catalog_run(catalog, err,
			    "UPDATE side SET label_work = 0 WHERE id = ?1 AND label_work <> 0", "i",
			    id);
	if (r == 0)
		r = leave_one_side(catalog, medium, err);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE medium SET cleaner = 1 WHERE id = (SELECT medium FROM "
				    "side WHERE id = ?1)",
				    "i", id);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, pool, err);
	return r < 0 ? r : rsm_medium_need_locked(catalog, id, medium, err);
}

int rsm_medium_set_cleaner(struct rsm_catalog *catalog, int64_t id, struct rsm_medium *ret_medium,
			   struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_medium medium;
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_NORMAL, err);

	if (r < 0)
		return r;
	r = rsm_medium_set_cleaner_locked(catalog, id, &medium, err);
	r = rsm_catalog_end_locked(catalog, r, err);
	if (r == 0)
		*ret_medium = medium;
	return r;
}

/* ---- what a person says ---- */

static int check_said(struct rsm_catalog *catalog, const struct rsm_medium *medium,
		      const char *type, struct rsm_err *err)
{
	int64_t told;
	int r;

	if (!rsm_media_type_is_known(type))
		return rsm_err_set(err, EINVAL, "%s is no media type", type);
	if (medium->cleaner)
		return rsm_err_set(err, EMEDIUMTYPE, "%s is a cleaning cartridge",
				   rsm_medium_words(medium));
	if (rsm_medium_is_taken(medium))
		return rsm_err_set(err, EBUSY, "%s is allocated", rsm_medium_words(medium));
	if (*marked_type(medium))
		return rsm_err_set(err, EMEDIUMTYPE, "%s: its barcode says that it is %s",
				   rsm_medium_words(medium), marked_type(medium));
	r = rsm_catalog_number(catalog, &told, err,
			       "SELECT 1 FROM setting t JOIN medium m ON t.key = 'type-told:' || "
			       "m.guid JOIN side s ON s.medium = m.id WHERE s.id = ?1",
			       "i", medium->id);
	if (r == 0)
		return rsm_err_set(err, EMEDIUMTYPE, "%s: a drive says that it is %s",
				   rsm_medium_words(medium), medium->media_type);
	return r < 0 ? r : 0;
}

/* The constraint on sides moves it to the system pool of that type. */
static int set_type_locked(struct rsm_catalog *catalog, int64_t id, const char *type,
			   struct rsm_medium *medium, struct rsm_err *err)
{
	struct rsm_pool from, to;
	int r = rsm_medium_need_locked(catalog, id, medium, err);

	if (r == 0)
		r = check_said(catalog, medium, type, err);
	if (r < 0 || strcmp(medium->media_type, type) == 0)
		return r;
	r = rsm_pool_need_locked(catalog, medium->pool, &from, err);
	if (r == 0 && from.kind == RSM_POOL_APPLICATION)
		return rsm_err_set(err, EMEDIUMTYPE, "%s is in %s, which holds %s: free it first",
				   rsm_medium_words(medium), from.name, from.media_type);
	if (r == 0)
		r = rsm_pool_system_locked(catalog, from.kind, type, &to, err);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE medium SET media_type = ?2 WHERE id = (SELECT medium "
				    "FROM side WHERE id = ?1)",
				    "is", id, type);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, from.id, err);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, to.id, err);
	return r < 0 ? r : rsm_medium_need_locked(catalog, id, medium, err);
}

int rsm_medium_set_type(struct rsm_catalog *catalog, int64_t id, const char *type,
			struct rsm_medium *ret_medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_medium medium;
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = set_type_locked(catalog, id, type, &medium, err);
	r = rsm_catalog_end_locked(catalog, r, err);
	if (r == 0)
		*ret_medium = medium;
	return r;
}
