/* Verbs by which cartridges change hands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/setting.h"
#include "fs/control_request.h"

static int may_change_medium(struct rsmfs_request *request, const struct rsm_medium *medium,
			     struct rsm_err *err)
{
	return rsmfs_access_remove_medium(request->catalog, request->caller, request->admin, medium,
					  err);
}

/* For --json: which cartridge it was, where it is now. */
static int report(struct rsmfs_request *request, int64_t id, struct rsm_err *err)
{
	RSM_FREE char *path = NULL;
	struct rsm_medium medium;
	int r = rsm_medium_get(request->catalog, id, &medium, err);

	if (r > 0)
		return 0;
	if (r == 0)
		r = rsmfs_medium_path(request, &medium, &path, err);
	if (r < 0)
		return r;
	rsmfs_row_begin(request);
	rsmfs_row_text(request, path);
	rsmfs_row_text(request, medium.shown);
	rsmfs_row_text(request, rsm_medium_state_name(medium.state));
	rsmfs_row_end(request);
	return 0;
}

static void report_table(struct rsmfs_request *request)
{
	rsmfs_request_table(request, "done", request->call.verb->name,
			    "path:s\tbarcode:s\tstate:s");
}

/* ---- allocate ---- */

/* Who is given the next side must be able to give the first one away. */
static int fill_sides(struct rsmfs_request *request, struct rsm_allocation *allocation,
		      struct rsm_err *err)
{
	const char *next = rsmfs_verb_text(&request->call, "next");
	struct rsm_medium medium;
	int r;

	if (rsmfs_verb_flag(&request->call, "new"))
		allocation->sides = RSM_SIDES_NEW;
	if (!next)
		return 0;
	r = rsmfs_object_medium(request, next, false, &medium, err);
	if (r == 0)
		r = may_change_medium(request, &medium, err);
	allocation->sides = RSM_SIDES_NEXT;
	allocation->next_of = medium.id;
	return r;
}

static int fill_allocation(struct rsmfs_request *request, const struct rsm_pool *pool,
			   const char *name, const struct rsmfs_newborn *newborn,
			   struct rsm_allocation *ret_allocation, struct rsm_err *err)
{
	const char *barcode = rsmfs_verb_text(&request->call, "medium");
	struct rsm_allocation allocation = {
		.pool = pool->id,
		.name = name,
		.mode = newborn->mode,
		.owner = newborn->owner,
		.group = newborn->group,
		.access_acl = &newborn->access_acl,
		.default_acl = &newborn->default_acl,
	};
	struct rsm_medium medium;
	struct rsm_pool from;
	int r;

	if (barcode) {
		r = rsmfs_object_medium(request, barcode, false, &medium, err);
		if (r < 0)
			return r;
		r = rsm_pool_get(request->catalog, medium.pool, &from, err);
		if (r < 0)
			return r;
		if (r > 0)
			return rsm_err_set(err, EINVAL, "%s: is a cleaning cartridge",
					   medium.shown);
		/* Free is everybody's, what is elsewhere is taken out of its pool. */
		if (medium.pool != pool->id && from.kind != RSM_POOL_SCRATCH) {
			r = may_change_medium(request, &medium, err);
			if (r < 0)
				return r;
		}
		allocation.medium = medium.id;
	}
	r = fill_sides(request, &allocation, err);
	if (r == 0)
		*ret_allocation = allocation;
	return r;
}

/* Waits until there is one, the time is over, an operator says no, or nobody waits any more. */
static int wait_for_one(struct rsmfs_request *request, const struct rsm_allocation *allocation,
			const char *operand, struct rsm_medium *ret_medium, struct rsm_err *err)
{
	int64_t seconds = rsmfs_verb_number(&request->call, "wait", 0);

	rsmfs_request_progress(request, 0, 0, "waiting for a cartridge");
	return rsm_manager_allocate_wait(request->manager, allocation, operand,
					 (unsigned)seconds * 1000, &request->cancel, ret_medium,
					 err);
}

int rsmfs_run_allocate(struct rsmfs_request *request, struct rsm_err *err)
{
	RSMFS_NEWBORN struct rsmfs_newborn newborn = { 0 };
	const char *operand = request->call.operands[0];
	const char *description = rsmfs_verb_text(&request->call, "description");
	struct rsm_allocation allocation;
	struct rsmfs_object object;
	struct rsm_medium medium;
	RSM_FREE char *path = NULL;
	const char *name = NULL;
	int64_t pool;
	int r = description ? rsm_description_check(description, err) : 0;

	if (r < 0)
		return r;
	r = rsmfs_object_find(request, operand, &object, NULL);
	if (r < 0 && r != -ENOENT)
		return rsmfs_object_find(request, operand, &object, err);
	if (r < 0 || !object.is_pool) {
		r = rsmfs_object_parent(request, operand, &pool, &name, err);
		if (r < 0)
			return r;
		if (pool == RSM_POOL_TOP)
			return rsm_err_set(err, ENOENT, "%s: there is no such pool", operand);
		r = rsm_pool_get(request->catalog, pool, &object.pool, err);
		if (r)
			return rsm_err_fold(err, r, "%s: the pool is gone", operand);
	} else if (object.pool.id == RSM_POOL_TOP) {
		return rsm_err_set(err, EPERM, "a cartridge is allocated in a pool");
	}
	r = rsmfs_access_pool(request->catalog, request->caller, request->admin, object.pool.id,
			      RSMFS_WRITE | RSMFS_EXECUTE, err);
	if (r == 0)
		r = rsmfs_newborn_init(&newborn, request, &object.pool,
				       (uint32_t)rsmfs_verb_number(&request->call, "umask", 022),
				       err);
	if (r == 0)
		r = fill_allocation(request, &object.pool, name, &newborn, &allocation, err);
	if (r == 0)
		r = rsm_manager_allocate(request->manager, &allocation, &medium, err);
	/* no operator brings a side that is reserved for nobody */
	if (r == -ENOSPC && allocation.sides != RSM_SIDES_NEXT &&
	    rsmfs_verb_flag(&request->call, "wait"))
		r = wait_for_one(request, &allocation, operand, &medium, err);
	if (r == 0 && description)
		r = rsm_description_set(request->catalog, "logical", medium.lmid, description, err);
	if (r == -EEXIST)
		return rsm_err_set(err, EEXIST, "%s: the name is taken", operand);
	if (r < 0)
		return r;
	rsmfs_request_names_changed(request, medium.pool, medium.name);
	r = rsmfs_medium_path(request, &medium, &path, err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "list", "allocate", "path:s\tlmid:s\tbarcode:S");
	rsmfs_row_begin(request);
	rsmfs_row_text(request, path);
	rsmfs_row_text(request, medium.lmid);
	rsmfs_row_text(request, medium.barcode);
	rsmfs_row_end(request);
	return 0;
}

/* ---- the others ---- */

int rsmfs_run_deallocate(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct rsm_medium *media = NULL;
	bool force = rsmfs_verb_flag(&request->call, "force");
	size_t count = 0;
	int r = rsmfs_object_media(request, false, &media, &count, err);

	for (size_t i = 0; i < count && r == 0; i++)
		r = may_change_medium(request, &media[i], err);
	if (r < 0)
		return r;
	report_table(request);
	for (size_t i = 0; i < count && r == 0; i++) {
		r = rsm_manager_deallocate(request->manager, media[i].id, force, err);
		if (r == -ENOTEMPTY && !force)
			return rsm_err_set(err, ENOTEMPTY,
					   "%s holds files: remove them, or say --force (rsm "
					   "undelete brings them back)",
					   request->call.operands[i]);
		if (r < 0)
			return r;
		rsmfs_request_names_changed(request, media[i].pool, media[i].name);
		rsmfs_request_names_changed(request, RSM_POOL_TOP, NULL);
		r = report(request, media[i].id, err);
	}
	return r;
}

int rsmfs_run_swap(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct rsm_medium *media = NULL;
	size_t count = 0;
	int r = rsmfs_object_media(request, false, &media, &count, err);

	for (size_t i = 0; i < count && r == 0; i++)
		r = may_change_medium(request, &media[i], err);
	if (r == 0)
		r = rsm_manager_swap(request->manager, media[0].id, media[1].id, err);
	if (r < 0)
		return r;
	report_table(request);
	for (size_t i = 0; i < count && r == 0; i++) {
		rsmfs_request_names_changed(request, media[i].pool, media[i].name);
		r = report(request, media[i].id, err);
	}
	return r;
}

/* It is for ever, whatever becomes of the catalogue: the medium is to know it. One that is away
 * learns it when it comes.
 */
static int await_label(struct rsmfs_request *request, const struct rsm_medium *medium,
		       struct rsm_err *err)
{
	int r;

	if (medium->location == RSM_AT_OFFLINE)
		return 0;
	r = rsm_manager_sync_wait(request->manager, medium->id, rsmfs_request_progress, request,
				  &request->cancel, err);
	return r < 0 ? rsm_err_wrap(err, r, "%s is complete, and its medium is not told yet",
				    medium->shown)
		     : r;
}

int rsmfs_run_complete(struct rsmfs_request *request, struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = rsmfs_object_medium(request, request->call.operands[0], false, &medium, err);

	if (r == 0)
		r = may_change_medium(request, &medium, err);
	if (r == 0)
		r = rsm_manager_complete(request->manager, medium.id, err);
	if (r == 0)
		r = await_label(request, &medium, err);
	if (r < 0)
		return r;
	report_table(request);
	return report(request, medium.id, err);
}

int rsmfs_run_decommission(struct rsmfs_request *request, struct rsm_err *err)
{
	struct rsm_medium medium;
	struct rsm_pool pool = { 0 };
	int r = rsmfs_object_medium(request, request->call.operands[0], false, &medium, err);

	if (r == 0)
		r = rsm_pool_get(request->catalog, medium.pool, &pool, err);
	if (r < 0)
		return r;
	/* System pools are open to everybody; wearing out what is in them is not. */
	r = pool.kind == RSM_POOL_APPLICATION ? may_change_medium(request, &medium, err)
					      : rsmfs_request_need_admin(request, err);
	if (r == 0)
		r = rsm_manager_decommission(request->manager, medium.id, err);
	if (r < 0)
		return r;
	rsmfs_request_names_changed(request, medium.pool, medium.shown);
	report_table(request);
	return report(request, medium.id, err);
}

static int free_one(struct rsmfs_request *request, const struct rsm_medium *medium, unsigned flags,
		    struct rsm_err *err)
{
	int r = rsm_manager_free_medium_with(request->manager, medium->id, flags, err);

	if (r < 0)
		return r;
	rsmfs_request_names_changed(request, medium->pool, medium->shown);
	rsmfs_request_names_changed(request, RSM_POOL_TOP, NULL);
	return report(request, medium->id, err);
}

static const struct rsm_medium *find_medium(const struct rsm_medium *media, size_t count,
					    int64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (media[i].id == id)
			return &media[i];
	return NULL;
}

/* The other side goes along: what somebody may want yet is not destroyed without being named. */
static int check_other_side(struct rsmfs_request *request, const struct rsm_medium *media,
			    size_t count, const struct rsm_medium *medium, struct rsm_err *err)
{
	struct rsm_medium other;
	int64_t id;
	int r = rsm_medium_other_side(request->catalog, medium->id, &id, err);

	if (r == 0)
		r = rsm_medium_get(request->catalog, id, &other, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (other.state != RSM_MEDIUM_IMPORT || find_medium(media, count, id))
		return 0;
	return rsm_err_set(err, EBUSY, "%s: its other side %s bears a volume: name both",
			   medium->shown, other.shown);
}

/* One before it was of the same cartridge, which may be at work already. */
static bool went_along(const struct rsm_medium *media, size_t number)
{
	for (size_t i = 0; i < number; i++)
		if (media[i].physical == media[number].physical && media[i].id != media[number].id)
			return media[number].state != RSM_MEDIUM_DECOMMISSIONED;
	return false;
}

/* Hours, on a tape. Who does not wait for it finds the cartridge in Free when it is done. */
static int await_erasure(struct rsmfs_request *request, const struct rsm_medium *medium,
			 struct rsm_err *err)
{
	rsmfs_request_progress(request, 0, 0, "erasing");
	return rsm_manager_sync_wait(request->manager, medium->id, rsmfs_request_progress, request,
				     &request->cancel, err);
}

int rsmfs_run_free(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct rsm_medium *media = NULL;
	bool erase = rsmfs_verb_flag(&request->call, "erase");
	unsigned flags = erase ? RSM_FREEING_ERASES : 0;
	size_t count = 0;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0 && !rsmfs_verb_flag(&request->call, "yes"))
		r = rsm_err_set(err, EINVAL, "free destroys what is on the cartridges; say --yes");
	if (r == 0)
		r = rsmfs_object_media(request, false, &media, &count, err);
	if (r < 0)
		return r;
	if (rsmfs_verb_flag(&request->call, "force"))
		flags |= RSM_FREEING_REVIVES;
	for (size_t i = 0; i < count && r == 0; i++)
		r = check_other_side(request, media, count, &media[i], err);
	if (r < 0)
		return r;
	report_table(request);
	for (size_t i = 0; i < count && r == 0; i++)
		r = went_along(media, i) ? report(request, media[i].id, err)
					 : free_one(request, &media[i], flags, err);
	for (size_t i = 0; i < count && r == 0 && erase; i++)
		r = await_erasure(request, &media[i], err);
	return r;
}

static bool is_drive(const char *operand)
{
	return strncmp(operand, "drive:", 6) == 0;
}

static int forget_drives(struct rsmfs_request *request, struct rsm_err *err)
{
	int r = 0;

	for (size_t i = 0; i < request->call.operand_count; i++)
		if (!is_drive(request->call.operands[i]))
			return rsm_err_set(err, EINVAL,
					   "forget: %s is no drive:N; cartridges are forgotten by "
					   "themselves",
					   request->call.operands[i]);
	rsmfs_request_table(request, "done", "forget", "element:n\tserial:s");
	for (size_t i = 0; r == 0 && i < request->call.operand_count; i++) {
		struct rsm_drive_row drive;

		r = rsm_manager_forget_drive(request->manager, request->call.operands[i] + 6,
					     &drive, err);
		if (r < 0)
			return r;
		rsmfs_row_begin(request);
		rsmfs_row_number(request, drive.element);
		rsmfs_row_text(request, drive.serial);
		rsmfs_row_end(request);
	}
	return r;
}

int rsmfs_run_forget(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct rsm_medium *media = NULL;
	size_t count = 0;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0 && is_drive(request->call.operands[0]))
		return forget_drives(request, err);
	if (r == 0)
		r = rsmfs_object_media(request, false, &media, &count, err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "done", "forget", "barcode:s");
	for (size_t i = 0; i < count; i++) {
		r = rsm_manager_forget(request->manager, media[i].id, err);
		if (r < 0)
			return r;
		rsmfs_request_names_changed(request, media[i].pool, media[i].shown);
		rsmfs_row_begin(request);
		rsmfs_row_text(request, media[i].shown);
		rsmfs_row_end(request);
	}
	return 0;
}
