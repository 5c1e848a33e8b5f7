/* rsm undelete: a deallocated cartridge comes back with what it held. */
#include <string.h>

#include "core/undelete.h"
#include "fs/control_request.h"

/* POOL/NAME; a pool alone: under the name that it had. */
static int find_target(struct rsmfs_request *request, const char *operand,
		       struct rsm_pool *ret_pool, const char **ret_name, struct rsm_err *err)
{
	struct rsmfs_object object;
	int64_t pool;
	int r = rsmfs_object_find(request, operand, &object, NULL);

	*ret_name = NULL;
	if (r == 0 && object.is_pool && object.pool.id != RSM_POOL_TOP &&
	    object.pool.holds == RSM_POOL_HOLDS_MEDIA) {
		*ret_pool = object.pool;
		return 0;
	}
	r = rsmfs_object_parent(request, operand, &pool, ret_name, err);
	if (r < 0)
		return r;
	r = pool == RSM_POOL_TOP ? RSM_POOL_ABSENT
				 : rsm_pool_get(request->catalog, pool, ret_pool, err);
	return r > 0 ? rsm_err_set(err, ENOENT, "%s: there is no such pool", operand) : r;
}

/* What somebody deleted is not everybody's to read. */
static int may_undelete(struct rsmfs_request *request, const struct rsm_medium *medium,
			struct rsm_err *err)
{
	struct rsm_former former;
	int r = rsm_former_get(request->catalog, medium->id, &former, err);

	if (r >= 0 && medium->lmid[0] && medium->owner == request->caller->uid)
		return 0; /* one that was interrupted goes on, others are refused */
	if (r < 0 || rsmfs_access_is_admin(request->caller, request->admin))
		return r < 0 ? r : 0;
	if (r == 0 && former.has_owner && former.owner == request->caller->uid)
		return 0;
	return rsm_err_set(err, EACCES,
			   "%s: only who owned it and administrators may restore what it held",
			   medium->shown);
}

static int report(struct rsmfs_request *request, const struct rsm_medium *medium,
		  struct rsm_err *err)
{
	RSM_FREE char *path = NULL;
	int r = rsmfs_medium_path(request, medium, &path, err);

	if (r < 0)
		return r;
	rsmfs_request_table(request, "list", "undelete", "path:s\tlmid:s\tbarcode:S");
	rsmfs_row_begin(request);
	rsmfs_row_text(request, path);
	rsmfs_row_text(request, medium->lmid);
	rsmfs_row_text(request, medium->barcode);
	rsmfs_row_end(request);
	return 0;
}

int rsmfs_run_undelete(struct rsmfs_request *request, struct rsm_err *err)
{
	RSMFS_NEWBORN struct rsmfs_newborn newborn = { 0 };
	struct rsm_medium medium, back = { 0 };
	const char *name;
	struct rsm_pool pool;
	int r = rsmfs_object_medium(request, request->call.operands[0], false, &medium, err);

	if (r == 0)
		r = find_target(request, request->call.operands[1], &pool, &name, err);
	if (r == 0)
		r = may_undelete(request, &medium, err);
	if (r == 0)
		r = rsmfs_access_pool(request->catalog, request->caller, request->admin, pool.id,
				      RSMFS_WRITE | RSMFS_EXECUTE, err);
	if (r == 0)
		r = rsmfs_newborn_init(&newborn, request, &pool, 022, err);
	if (r < 0)
		return r;
	r = rsm_manager_undelete_wait(request->manager,
				      &(struct rsm_allocation){ .pool = pool.id,
								.name = name,
								.medium = medium.id,
								.mode = newborn.mode,
								.owner = newborn.owner,
								.group = newborn.group },
				      request->caller->uid, rsmfs_request_progress, request,
				      &request->cancel, &back, err);
	if (back.id) { /* also if what followed failed */
		rsmfs_request_names_changed(request, medium.pool, medium.shown);
		rsmfs_request_names_changed(request, back.pool, back.name);
	}
	return r < 0 ? r : report(request, &back, err);
}
