/* What becomes of a cartridge after its allocation; the choice itself is allocation_choice.c. */
#include "core/allocation.h"

#include <string.h>

#include "changer/media_type.h"
#include "core/catalog_private.h"
#include "core/copy_private.h"

/* ---- logical media ---- */

int rsm_logical_begin_locked(struct rsm_catalog *catalog, const struct rsm_medium *medium,
			     int64_t pool, int64_t *ret_logical, struct rsm_err *err)
{
	RSM_FREE char *nfc = NULL;
	int r;

	r = rsm_pool_check_name(medium->name, &nfc, err);
	if (r < 0)
		return r;
	r = rsm_catalog_run(catalog, err,
			    "INSERT INTO logical_medium (lmid, pool, name, nfc, mode, owner, "
			    "\"group\", created, modified, changed, priority) VALUES (?1, ?2, ?3, "
			    "?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
			    "sissuuutttd", medium->lmid, pool, medium->name, nfc,
			    medium->mode & 07777, medium->owner, medium->group, &medium->created,
			    &medium->modified, &medium->changed, (int)medium->priority);
	if (r == 0)
		*ret_logical = sqlite3_last_insert_rowid(catalog->db);
	return r;
}

int rsm_logical_end_locked(struct rsm_catalog *catalog, int64_t side, struct rsm_err *err)
{
	int r = rsm_catalog_run(catalog, err,
				"DELETE FROM logical_medium WHERE id = (SELECT logical FROM side "
				"WHERE id = ?1)",
				"i", side);

	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "DELETE FROM xattr WHERE kind = 'm' AND object = ?1", "i",
				    side);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "DELETE FROM setting WHERE key = 'undelete ' || ?1", "i", side);
	return r;
}

static bool has_logical(const struct rsm_medium *medium)
{
	return medium->state == RSM_MEDIUM_ALLOCATED || medium->state == RSM_MEDIUM_COMPLETE;
}

bool rsm_medium_is_taken(const struct rsm_medium *medium)
{
	return has_logical(medium) || medium->state == RSM_MEDIUM_RESERVED;
}

static int need_allocated(struct rsm_catalog *catalog, int64_t id, struct rsm_medium *ret_medium,
			  struct rsm_err *err)
{
	int r = rsm_medium_need_locked(catalog, id, ret_medium, err);

	if (r == 0 && !has_logical(ret_medium))
		r = rsm_err_set(err, EINVAL, "%s is not allocated", rsm_medium_words(ret_medium));
	return r;
}

/* ---- deallocation ---- */

static int deallocate_locked(struct rsm_catalog *catalog, int64_t id, bool keep_old,
			     uint64_t generation, struct rsm_medium *ret_medium,
			     struct rsm_err *err)
{
	enum rsm_medium_state state = RSM_MEDIUM_AVAILABLE;
	struct rsm_medium medium;
	struct rsm_pool pool, target;
	const char *old;
	bool labelled, begun = false, stays = false;
	struct timespec now;
	int r;

	rsm_catalog_now(catalog, &now);
	r = need_allocated(catalog, id, &medium, err);
	if (r == 0)
		r = rsm_pool_need_locked(catalog, medium.pool, &pool, err);
	if (r < 0)
		return r;
	target = pool;
	/* what has been begun has ended if its label was found since */
	if (medium.label_work == RSM_LABEL_FORMAT)
		r = rsm_medium_was_labelling_locked(catalog, id, NULL, &begun, err);
	else
		r = rsm_medium_forget_labelling_locked(catalog, id, err);
	if (r == 0)
		r = rsm_side_release_locked(catalog, id, &stays, err);
	if (r < 0)
		return r;
	/* what is written once stays what it is, and is nothing to be written again */
	if (rsm_media_type_is_worm(medium.media_type) &&
	    (medium.label_work != RSM_LABEL_FORMAT || begun)) {
		state = RSM_MEDIUM_DECOMMISSIONED;
	} else if (pool.max_allocations && medium.allocations >= pool.max_allocations) {
		state = RSM_MEDIUM_DECOMMISSIONED;
	} else if (pool.return_to_free && !stays) {
		if (!rsm_media_type_is_worm(medium.media_type)) /* that is blank still */
			state = RSM_MEDIUM_UNPREPARED;
		r = rsm_pool_system_locked(catalog, RSM_POOL_SCRATCH, medium.media_type, &target,
					   err);
	}
	/* never formatted: what was on it before is on it still, and the next format must know it
	 */
	labelled =
		medium.label_work != RSM_LABEL_FORMAT || (keep_old && medium.old_uuid[0] == '\0');
	old = labelled ? medium.volume_uuid : medium.old_uuid;
	if (r == 0 && labelled && keep_old)
		r = rsm_former_note_locked(catalog, &medium, generation, err);
	if (r == 0) /* begun: then there is nothing left of it to be restored */
		r = rsm_logical_end_locked(catalog, id, err);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE side SET pool = ?2, state = ?3, logical = NULL, "
				    "label_work = 0, volume_uuid = '', old_uuid = ?4, restorable = "
				    "CASE WHEN ?5 THEN ?6 WHEN ?7 THEN 0 ELSE restorable END, "
				    "index_generation = 0, released = ?8 WHERE id = ?1",
				    "iidsdddt", id, target.id, (int)state, old, (int)labelled,
				    (int)keep_old, (int)begun, &now);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, pool.id, err);
	if (r == 0 && target.id != pool.id)
		r = rsm_pool_touch_locked(catalog, target.id, err);
	return r < 0 ? r : rsm_medium_need_locked(catalog, id, ret_medium, err);
}

/* It may have what the first one has lost: it can be had back as long as nothing else needs it, and
 * is complete then if its first was.
 */
static int release_copy_locked(struct rsm_catalog *catalog, int64_t copy, bool complete,
			       struct rsm_err *err)
{
	struct rsm_medium second, released;
	int r = rsm_medium_need_locked(catalog, copy, &second, err);

	if (r == 0)
		r = deallocate_locked(catalog, copy, second.label_work != RSM_LABEL_FORMAT, 0,
				      &released, err);
	if (r == 0 && complete)
		r = rsm_catalog_run(catalog, err, "UPDATE former SET complete = 1 WHERE side = ?1",
				    "i", copy);
	return r;
}

int rsm_deallocate_emptied(struct rsm_catalog *catalog, int64_t medium, bool keep_old,
			   uint64_t generation, struct rsm_medium *ret_medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	struct rsm_medium found;
	bool complete = false;
	int64_t copy;
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = rsm_copy_of_first_locked(catalog, medium, &copy, err);
	if (r == 0)
		r = need_allocated(catalog, medium, &found, err);
	if (r == 0)
		complete = found.state == RSM_MEDIUM_COMPLETE;
	if (r == 0)
		r = deallocate_locked(catalog, medium, keep_old, generation, &found, err);
	if (r == 0 && copy) /* nobody wants it any more, either */
		r = release_copy_locked(catalog, copy, complete, err);
	r = rsm_catalog_end_locked(catalog, r, err);
	if (r == 0 && ret_medium)
		*ret_medium = found;
	return r;
}

int rsm_deallocate(struct rsm_catalog *catalog, int64_t medium, bool keep_old,
		   struct rsm_medium *ret_medium, struct rsm_err *err)
{
	return rsm_deallocate_emptied(catalog, medium, keep_old, 0, ret_medium, err);
}

/* ---- moves between pools ---- */

static int check_target(struct rsm_catalog *catalog, const struct rsm_medium *medium,
			const char *name, struct rsm_pool *pool, char **ret_nfc,
			struct rsm_err *err)
{
	int64_t other;
	int r;

	if (pool->kind != RSM_POOL_APPLICATION)
		return rsm_err_set(err, EPERM, "%s is a system pool: use rsm free", pool->name);
	r = rsm_pool_check_name(name, ret_nfc, err);
	if (r < 0)
		return r;
	r = rsm_catalog_number(catalog, &other, err,
			       "SELECT 1 FROM logical_medium WHERE pool = ?1 AND nfc = ?2 AND id "
			       "<> (SELECT logical FROM side WHERE id = ?3) UNION ALL SELECT 1 "
			       "FROM pool WHERE ifnull(parent, 0) = ?1 AND nfc = ?2",
			       "isi", pool->id, *ret_nfc, medium->id);
	if (r < 0)
		return r;
	if (r == 0)
		return rsm_err_set(err, EEXIST, "%s: the name is taken", name);
	if (pool->holds != RSM_POOL_HOLDS_MEDIA)
		return rsm_err_set(err, EPERM, "%s holds pools, not media", pool->name);
	r = rsm_pool_take_type_locked(catalog, pool, medium->media_type, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s", rsm_medium_words(medium));
	if (pool->id != medium->pool && pool->allocation_limit &&
	    pool->allocated >= pool->allocation_limit)
		return rsm_err_set(err, EDQUOT, "%s: its limit of %u allocated media is reached",
				   pool->name, pool->allocation_limit);
	return 0;
}

static int move_locked(struct rsm_catalog *catalog, int64_t id, int64_t target, const char *name,
		       struct rsm_err *err)
{
	RSM_FREE char *nfc = NULL;
	struct rsm_medium medium;
	struct rsm_pool pool;
	struct timespec now;
	int r;

	r = need_allocated(catalog, id, &medium, err);
	if (r == 0)
		r = rsm_pool_need_locked(catalog, target, &pool, err);
	if (r < 0 || (target == medium.pool && strcmp(name, medium.name) == 0))
		return r;
	r = check_target(catalog, &medium, name, &pool, &nfc, err);
	if (r == 0 && target != medium.pool)
		r = rsm_side_move_other_locked(catalog, id, target, err);
	rsm_catalog_now(catalog, &now);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE logical_medium SET pool = ?2, name = ?3, nfc = ?4, "
				    "changed = ?5 WHERE id = (SELECT logical FROM side WHERE id = "
				    "?1)",
				    "iisst", id, target, name, nfc, &now);
	if (r == 0)
		r = rsm_catalog_run(catalog, err,
				    "UPDATE side SET pool = ?2, label_work = CASE label_work WHEN "
				    "0 THEN 2 ELSE label_work END WHERE id = ?1",
				    "ii", id, target);
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, medium.pool, err);
	return r < 0 ? r : rsm_pool_touch_locked(catalog, target, err);
}

int rsm_allocation_move(struct rsm_catalog *catalog, int64_t medium, int64_t pool, const char *name,
			struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = move_locked(catalog, medium, pool, name, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

static int move_available_locked(struct rsm_catalog *catalog, int64_t id, int64_t target,
				 struct rsm_err *err)
{
	struct rsm_medium medium;
	struct rsm_pool pool;
	int r;

	r = rsm_medium_need_locked(catalog, id, &medium, err);
	if (r == 0)
		r = rsm_pool_need_locked(catalog, target, &pool, err);
	if (r < 0 || target == medium.pool)
		return r;
	if (rsm_medium_is_taken(&medium))
		return rsm_err_set(err, EBUSY, "%s is allocated", rsm_medium_words(&medium));
	r = rsm_side_check_other_locked(catalog, &medium, err);
	if (r < 0)
		return r;
	if (medium.state != RSM_MEDIUM_AVAILABLE && medium.state != RSM_MEDIUM_UNPREPARED)
		return rsm_err_set(err, EPERM, "%s is %s: it cannot be moved to another pool",
				   rsm_medium_words(&medium), rsm_medium_state_name(medium.state));
	if (pool.kind != RSM_POOL_APPLICATION && pool.kind != RSM_POOL_SCRATCH)
		return rsm_err_set(err, EPERM, "nothing is moved into %s", pool.name);
	if (pool.kind == RSM_POOL_SCRATCH)
		r = rsm_pool_system_locked(catalog, RSM_POOL_SCRATCH, medium.media_type, &pool,
					   err);
	else if (pool.holds != RSM_POOL_HOLDS_MEDIA)
		r = rsm_err_set(err, EPERM, "%s holds pools, not media", pool.name);
	else
		r = rsm_pool_take_type_locked(catalog, &pool, medium.media_type, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s", rsm_medium_words(&medium));
	/* what bears another label than the free one is not prepared, though it can be allocated;
	 * what is written once needs none */
	r = rsm_catalog_run(
		catalog, err,
		"UPDATE side SET pool = ?2, state = CASE WHEN ?3 AND label_type <> "
		"'RSMFS FREE' THEN 1 ELSE state END WHERE id = ?1",
		"iid", id, pool.id,
		(int)(pool.kind == RSM_POOL_SCRATCH && !rsm_media_type_is_worm(medium.media_type)));
	if (r == 0)
		r = rsm_pool_touch_locked(catalog, medium.pool, err);
	return r < 0 ? r : rsm_pool_touch_locked(catalog, pool.id, err);
}

int rsm_medium_move_pool(struct rsm_catalog *catalog, int64_t medium, int64_t pool,
			 struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = move_available_locked(catalog, medium, pool, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

/* ---- swap ---- */

static int set_logical(struct rsm_catalog *catalog, int64_t side, int64_t logical,
		       struct rsm_err *err)
{
	return rsm_catalog_run(catalog, err,
			       "UPDATE side SET logical = ?2, label_work = CASE label_work WHEN 0 "
			       "THEN 2 ELSE label_work END WHERE id = ?1",
			       "ii", side, logical);
}

/* ACLs stay with the name, as mode and owner do; other attributes belong to the contents. */
static int swap_acls(struct rsm_catalog *catalog, int64_t one, int64_t other, struct rsm_err *err)
{
	static const char sql[] = "UPDATE xattr SET object = ?2 WHERE kind = 'm' AND object = ?1 "
				  "AND key LIKE 'system.%'";
	int r = rsm_catalog_run(catalog, err, sql, "ii", one, (int64_t)-1);

	if (r == 0)
		r = rsm_catalog_run(catalog, err, sql, "ii", other, one);
	return r < 0 ? r : rsm_catalog_run(catalog, err, sql, "ii", (int64_t)-1, other);
}

static int swap_locked(struct rsm_catalog *catalog, int64_t one, int64_t other, struct rsm_err *err)
{
	struct rsm_medium first, second;
	int64_t first_logical = 0, second_logical = 0;
	int r;

	r = need_allocated(catalog, one, &first, err);
	if (r == 0)
		r = need_allocated(catalog, other, &second, err);
	if (r < 0 || one == other)
		return r;
	if (first.pool != second.pool)
		return rsm_err_set(err, EINVAL, "%s and %s are not in one pool",
				   rsm_medium_words(&first), rsm_medium_words(&second));
	r = rsm_catalog_number(catalog, &first_logical, err,
			       "SELECT logical FROM side WHERE id = ?1", "i", one);
	if (r == 0)
		r = rsm_catalog_number(catalog, &second_logical, err,
				       "SELECT logical FROM side WHERE id = ?1", "i", other);
	/* one step through a number that is none: a logical medium has one side at any time */
	if (r == 0)
		r = set_logical(catalog, one, -1, err);
	if (r == 0)
		r = set_logical(catalog, other, first_logical, err);
	if (r == 0)
		r = set_logical(catalog, one, second_logical, err);
	if (r == 0)
		r = swap_acls(catalog, one, other, err);
	return r < 0 ? r : rsm_pool_touch_locked(catalog, first.pool, err);
}

int rsm_allocation_swap(struct rsm_catalog *catalog, int64_t one, int64_t other,
			struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = swap_locked(catalog, one, other, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

/* ---- one-way doors ---- */

static int complete_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = rsm_medium_need_locked(catalog, id, &medium, err);

	if (r < 0)
		return r;
	if (medium.state != RSM_MEDIUM_ALLOCATED)
		return rsm_err_set(err, EINVAL, "%s is %s, not allocated",
				   rsm_medium_words(&medium), rsm_medium_state_name(medium.state));
	return rsm_catalog_run(
		catalog, err,
		"UPDATE side SET state = 6, label_work = CASE label_work WHEN 0 THEN "
		"2 ELSE label_work END WHERE id = ?1",
		"i", id);
}

int rsm_allocation_complete(struct rsm_catalog *catalog, int64_t medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = complete_locked(catalog, medium, err);
	return rsm_catalog_end_locked(catalog, r, err);
}

static int decommission_locked(struct rsm_catalog *catalog, int64_t id, struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = rsm_medium_need_locked(catalog, id, &medium, err);

	if (r < 0)
		return r;
	/* a deallocated one that waits for its label is available to people as well */
	if (medium.state != RSM_MEDIUM_AVAILABLE && medium.state != RSM_MEDIUM_UNPREPARED)
		return rsm_err_set(err, EINVAL, "%s is %s, not available",
				   rsm_medium_words(&medium), rsm_medium_state_name(medium.state));
	return rsm_catalog_run(catalog, err,
			       "UPDATE side SET state = 3, label_work = 0 WHERE id = ?1", "i", id);
}

int rsm_medium_decommission(struct rsm_catalog *catalog, int64_t medium, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);
	int r = rsm_catalog_begin_locked(catalog, RSM_COMMIT_FULL, err);

	if (r < 0)
		return r;
	r = decommission_locked(catalog, medium, err);
	return rsm_catalog_end_locked(catalog, r, err);
}
