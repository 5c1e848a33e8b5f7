/* A volume whose label says whose it was, found by a catalogue that does not know it: pool, name,
 * owner, mode, ACLs, LMID and state come back, as far as they are good and free.
 *
 * All of it comes from a medium, so it may be anything.
 */
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "core/acl_text.h"
#include "core/catalog_private.h"
#include "core/copy_private.h"
#include "core/identification.h"

struct restoring {
	struct rsm_catalog *catalog;
	const struct rsm_identification *found;
	const struct rsm_medium *medium;
	const char *uuid, *before;
};

static const char *text_of(const char *text)
{
	return text ? text : "";
}

static int restore_acl(struct restoring *it, const char *key, const struct rsm_text *acl,
		       struct rsm_err *err)
{
	if (!acl->length)
		return 0;
	return rsm_catalog_run(it->catalog, err,
			       "INSERT INTO xattr (kind, object, key, value) VALUES ('m', ?1, ?2, "
			       "?3) ON CONFLICT DO UPDATE SET value = excluded.value",
			       "isb", it->medium->id, key, acl->data, acl->length);
}

/* What is no ACL is none: the mode says enough then. */
static int restore_acls(struct restoring *it, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text access = { 0 }, inherited = { 0 };
	int r;

	if (!it->found->has_owner ||
	    !rsm_acl_text_parse(text_of(it->found->acl), &access, &inherited))
		return 0;
	if (access.failed || inherited.failed)
		return rsm_err_oom(err);
	r = restore_acl(it, RSM_ACL_ACCESS, &access, err);
	return r < 0 ? r : restore_acl(it, RSM_ACL_DEFAULT, &inherited, err);
}

/* The side is known by the id that it had, unless another one has that now. */
static int restore_side(struct restoring *it, struct rsm_err *err)
{
	char text[RSM_GUID_SIZE];
	uuid_t side;

	if (!it->found->side || uuid_parse(it->found->side, side) != 0)
		return 0;
	uuid_unparse_lower(side, text);
	return rsm_catalog_run(it->catalog, err,
			       "UPDATE side SET guid = ?2 WHERE id = ?1 AND NOT EXISTS (SELECT 1 "
			       "FROM side WHERE guid = ?2)",
			       "is", it->medium->id, text);
}

/* That of its other side, if that one has an owner there: its label is to learn of it then. */
static int restore_pool(struct restoring *it, struct rsm_pool *ret_pool, bool *ret_other,
			struct rsm_err *err)
{
	const struct rsm_identification *found = it->found;
	RSM_FREE char *path = NULL;
	bool keeps = false;
	int r = rsm_side_keeps_pool_locked(it->catalog, it->medium->id, false, &keeps, err);

	if (r == 0 && !keeps)
		return rsm_pool_restore_locked(it->catalog, found->pool, it->medium->media_type,
					       found->has_owner ? found->owner : 0,
					       found->has_owner ? found->group : 0, ret_pool, err);
	if (r == 0)
		r = rsm_pool_need_locked(it->catalog, it->medium->pool, ret_pool, err);
	if (r == 0)
		r = rsm_pool_path_locked(it->catalog, ret_pool->id, &path, err);
	if (r == 0)
		*ret_other = strcmp(path, found->pool) != 0;
	return r;
}

int rsm_identification_restore_locked(struct rsm_catalog *catalog, const struct rsm_medium *side,
				      const struct rsm_identification *found, const char *uuid,
				      const char *before, struct rsm_err *err)
{
	struct restoring restoring = { catalog, found, side, uuid, before }, *it = &restoring;
	struct rsm_medium medium = *side;
	RSM_FREE char *nfc = NULL;
	struct rsm_pool pool;
	int64_t other, logical;
	uuid_t lmid;
	bool renamed = false;
	int r;

	if (!found->pool || !found->name || !found->pool[0] || !found->name[0])
		return 1;
	if (found->copy_of)
		return rsm_copy_restore_locked(it->catalog, medium.id, found, it->uuid, err);
	r = rsm_pool_check_name(found->name, &nfc, err);
	if (r == 0)
		r = restore_pool(it, &pool, &renamed, err);
	if (r < 0)
		return r == -EINVAL || r == -EPERM || r == -EILSEQ || r == -ENAMETOOLONG ? 1 : r;
	r = rsm_medium_free_name_locked(it->catalog, pool.id, found->name, medium.name, err);
	if (r < 0)
		return r;
	renamed = renamed || strcmp(medium.name, found->name) != 0;
	rsm_catalog_new_guid(medium.lmid);
	if (found->lmid && uuid_parse(found->lmid, lmid) == 0) {
		char text[RSM_GUID_SIZE];

		uuid_unparse_lower(lmid, text);
		r = rsm_catalog_number(it->catalog, &other, err,
				       "SELECT id FROM logical_medium WHERE lmid = ?1", "s", text);
		if (r < 0)
			return r;
		if (r == RSM_SQLITE_DONE)
			memcpy(medium.lmid, text, sizeof text);
		else
			renamed = true; /* the medium is to learn its new one */
	}
	medium.mode = found->has_owner ? found->mode & 03777 : 0755;
	medium.owner = found->has_owner ? found->owner : pool.owner;
	medium.group = found->has_owner ? found->group : pool.group;
	rsm_catalog_now(it->catalog, &medium.created);
	medium.modified = medium.changed = medium.created;
	medium.priority = 0;
	r = rsm_logical_begin_locked(it->catalog, &medium, pool.id, &logical, err);
	if (r == 0)
		r = rsm_catalog_run(
			it->catalog, err,
			"UPDATE side SET pool = ?2, state = ?3, logical = ?4, volume_uuid = ?5, "
			"old_uuid = '', restorable = 0, duplicate = 0, label_work = ?6, "
			"index_generation = ?7, format_generation = format_generation + ?8, "
			"allocations = max(allocations, 1) WHERE id = ?1",
			"iidisdUd", medium.id, pool.id,
			(int)(strcmp(text_of(found->state), "complete") == 0
				      ? RSM_MEDIUM_COMPLETE
				      : RSM_MEDIUM_ALLOCATED),
			logical, it->uuid, (int)(renamed ? RSM_LABEL_UPDATE : RSM_LABEL_NONE),
			found->index_generation,
			/* of the same volume the files are the same under their numbers */
			(int)(strcmp(it->before, it->uuid) != 0));
	if (r == 0)
		r = restore_side(it, err);
	if (r == 0)
		r = restore_acls(it, err);
	if (r == 0 && found->reserves_other)
		r = rsm_side_note_reserved_locked(it->catalog, it->medium->id, err);
	if (r == 0)
		r = rsm_pool_touch_locked(it->catalog, pool.id, err);
	return r < 0 ? r : rsm_pool_touch_locked(it->catalog, it->medium->pool, err);
}
