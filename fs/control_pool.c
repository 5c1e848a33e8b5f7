/* Verbs that change the tree: pools, and which pool a cartridge is in. */
#include <string.h>

#include "core/copy.h"
#include "core/setting.h"
#include "fs/control_request.h"

/* For --json: what the object's path is now. */
static int report_pool(struct rsmfs_request *request, int64_t id, struct rsm_err *err)
{
	RSM_FREE char *path = NULL;
	int r = rsm_pool_path(request->catalog, id, &path, err);

	if (r < 0)
		return r;
	rsmfs_request_table(request, "done", request->call.verb->name, "path:s");
	rsmfs_row_begin(request);
	rsmfs_row_text(request, path);
	rsmfs_row_end(request);
	return 0;
}

static int report_medium(struct rsmfs_request *request, int64_t id, struct rsm_err *err)
{
	RSM_FREE char *path = NULL;
	struct rsm_medium medium;
	int r = rsm_medium_get(request->catalog, id, &medium, err);

	if (r == 0)
		r = rsmfs_medium_path(request, &medium, &path, err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "done", request->call.verb->name, "path:s");
	rsmfs_row_begin(request);
	rsmfs_row_text(request, path);
	rsmfs_row_end(request);
	return 0;
}

static int may_change(struct rsmfs_request *request, int64_t pool, struct rsm_err *err)
{
	return rsmfs_access_pool(request->catalog, request->caller, request->admin, pool,
				 RSMFS_WRITE | RSMFS_EXECUTE, err);
}

static int fill_pool(struct rsmfs_request *request, const char *name,
		     const struct rsmfs_newborn *newborn, struct rsm_pool *pool,
		     struct rsm_err *err)
{
	const struct rsmfs_verb_call *call = &request->call;
	const char *holds = rsmfs_verb_text(call, "holds");
	const char *type = rsmfs_verb_text(call, "type");
	int64_t copies = rsmfs_verb_number(call, "copies", 1);

	pool->kind = RSM_POOL_APPLICATION;
	pool->holds = RSM_POOL_HOLDS_MEDIA;
	pool->draw_from_free = !rsmfs_verb_flag(call, "no-draw");
	pool->return_to_free = !rsmfs_verb_flag(call, "no-return");
	pool->allocation_limit = (uint32_t)rsmfs_verb_number(call, "limit", 0);
	pool->max_allocations = (uint32_t)rsmfs_verb_number(call, "max-allocations", 0);
	pool->mode = newborn->mode;
	pool->owner = newborn->owner;
	pool->group = newborn->group;
	if (holds && !strcmp(holds, "pools"))
		pool->holds = RSM_POOL_HOLDS_POOLS;
	if (pool->holds == RSM_POOL_HOLDS_POOLS &&
	    (type || copies > 1 || pool->allocation_limit || pool->max_allocations))
		return rsm_err_set(err, EINVAL,
				   "createpool: %s: a pool that holds pools has no type, limits or "
				   "copies: they belong to those in it",
				   name);
	if (type && strlen(type) >= sizeof(pool->media_type))
		return rsm_err_set(err, EINVAL, "createpool: %s is no media type", type);
	if (strlen(name) >= sizeof(pool->name))
		return rsm_err_set(err, ENAMETOOLONG, "%s: the name is too long", name);
	if (type)
		strcpy(pool->media_type, type);
	strcpy(pool->name, name);
	return 0;
}

/* --existing, --always: it may be there. Outcome 1: it is not, and is to be made. */
static int find_existing(struct rsmfs_request *request, struct rsm_err *err)
{
	bool existing = rsmfs_verb_flag(&request->call, "existing");
	bool always = rsmfs_verb_flag(&request->call, "always");
	struct rsm_pool pool;
	int r;

	if (!existing && !always)
		return 1;
	r = rsmfs_object_pool(request, request->call.operands[0], &pool, err);
	if (r == -ENOENT && always)
		return 1;
	return r < 0 ? r : report_pool(request, pool.id, err);
}

int rsmfs_run_createpool(struct rsmfs_request *request, struct rsm_err *err)
{
	uint32_t mask = (uint32_t)rsmfs_verb_number(&request->call, "umask", 022);
	RSMFS_NEWBORN struct rsmfs_newborn newborn = { 0 };
	struct rsm_pool parent = { .id = RSM_POOL_TOP }, pool = { 0 };
	const char *name = NULL;
	int r = find_existing(request, err);

	if (r <= 0)
		return r;
	r = rsmfs_object_parent(request, request->call.operands[0], &pool.parent, &name, err);
	if (r == 0)
		r = may_change(request, pool.parent, err);
	if (r == 0 && pool.parent != RSM_POOL_TOP)
		r = rsm_pool_get(request->catalog, pool.parent, &parent, err);
	if (r > 0)
		return rsm_err_set(err, ENOENT, "%s: the pool above is gone", name);
	if (r == 0)
		r = rsmfs_newborn_init(&newborn, request, &parent, mask, err);
	if (r == 0)
		r = fill_pool(request, name, &newborn, &pool, err);
	if (r == 0)
		r = rsm_pool_create_with_acls(request->catalog, &pool, &newborn.access_acl,
					      &newborn.default_acl, err);
	if (r == 0 && rsmfs_verb_text(&request->call, "copies"))
		r = rsm_pool_set_copies(request->catalog, pool.id,
					(uint32_t)rsmfs_verb_number(&request->call, "copies", 1),
					err);
	if (r == -EEXIST)
		return rsm_err_set(err, EEXIST, "%s: the name is taken", request->call.operands[0]);
	if (r < 0)
		return r;
	rsm_manager_pools_changed(request->manager);
	rsmfs_request_names_changed(request, pool.parent, pool.name);
	return report_pool(request, pool.id, err);
}

int rsmfs_run_deletepool(struct rsmfs_request *request, struct rsm_err *err)
{
	struct rsm_pool pool;
	int r = rsmfs_object_pool(request, request->call.operands[0], &pool, err);

	if (r == 0 && pool.id == RSM_POOL_TOP)
		r = rsm_err_set(err, EPERM, "/: is no pool");
	if (r == 0 && pool.kind != RSM_POOL_APPLICATION)
		r = rsm_err_set(err, EPERM, "%s is a system pool", request->call.operands[0]);
	if (r == 0)
		r = rsmfs_access_remove_pool(request->catalog, request->caller, request->admin,
					     &pool, err);
	if (r == 0)
		r = rsm_pool_remove(request->catalog, pool.id, err);
	if (r < 0)
		return r;
	rsm_manager_pools_changed(request->manager);
	rsmfs_request_names_changed(request, pool.parent, pool.name);
	rsmfs_request_names_changed(request, RSM_POOL_TOP, NULL);
	rsmfs_request_table(request, "done", "deletepool", "path:s");
	rsmfs_row_begin(request);
	rsmfs_row_text(request, request->call.operands[0]);
	rsmfs_row_end(request);
	return 0;
}

/* ---- move ---- */

/* "Free" stands for the one of its sub-pools where the cartridge belongs. */
static int target_pool(struct rsmfs_request *request, const char *operand,
		       const struct rsm_medium *medium, struct rsm_pool *ret_pool,
		       struct rsm_err *err)
{
	int r = rsmfs_object_pool(request, operand, ret_pool, err);

	if (r < 0)
		return r;
	if (ret_pool->id != RSM_POOL_TOP && ret_pool->parent == RSM_POOL_TOP &&
	    ret_pool->kind == RSM_POOL_SCRATCH)
		return rsm_pool_system(request->catalog, RSM_POOL_SCRATCH, medium->media_type,
				       ret_pool, err);
	return 0;
}

/* Free is everybody's, as source and as target. */
static int may_move_available(struct rsmfs_request *request, const struct rsm_medium *medium,
			      const struct rsm_pool *target, struct rsm_err *err)
{
	struct rsm_pool from;
	int r = rsm_pool_get(request->catalog, medium->pool, &from, err);

	if (r)
		return rsm_err_fold(err, r, "%s: is in no pool", medium->shown);
	if (from.kind != RSM_POOL_SCRATCH)
		r = may_change(request, from.id, err);
	if (r == 0 && target->kind != RSM_POOL_SCRATCH)
		r = may_change(request, target->id, err);
	return r;
}

/* An imported volume becomes the caller's, under its barcode. */
static int take_over(struct rsmfs_request *request, const struct rsm_medium *medium,
		     const struct rsm_pool *target, struct rsm_err *err)
{
	RSMFS_NEWBORN struct rsmfs_newborn newborn = { 0 };
	struct rsm_allocation allocation = { .pool = target->id, .medium = medium->id };
	struct rsm_medium taken;
	int r = rsmfs_newborn_init(&newborn, request, target, 022, err);

	if (r < 0)
		return r;
	allocation.mode = newborn.mode;
	allocation.owner = newborn.owner;
	allocation.group = newborn.group;
	allocation.access_acl = &newborn.access_acl;
	allocation.default_acl = &newborn.default_acl;
	r = rsm_manager_allocate(request->manager, &allocation, &taken, err);
	if (r == 0)
		rsmfs_request_names_changed(request, taken.pool, taken.name);
	return r;
}

static int move_medium(struct rsmfs_request *request, const struct rsm_medium *medium,
		       struct rsm_err *err)
{
	struct rsm_pool target;
	int r = target_pool(request, request->call.operands[1], medium, &target, err);

	if (r < 0)
		return r;
	if (target.id == RSM_POOL_TOP)
		return rsm_err_set(err, EPERM, "%s: a cartridge is in a pool", medium->shown);
	if (medium->lmid[0]) {
		struct rsm_copy pair;
		int copy = rsm_copy_get(request->catalog, medium->id, &pair, err);

		if (copy < 0)
			return copy;
		r = rsmfs_access_remove_medium(request->catalog, request->caller, request->admin,
					       medium, err);
		if (r == 0)
			r = may_change(request, target.id, err);
		if (r == 0)
			r = rsm_manager_move(request->manager, medium->id, target.id,
					     /* a copy becomes a cartridge of its own */
					     copy == 0 ? medium->shown : medium->name, err);
	} else {
		r = may_move_available(request, medium, &target, err);
		if (r == 0 && medium->state == RSM_MEDIUM_IMPORT)
			r = take_over(request, medium, &target, err);
		else if (r == 0)
			r = rsm_manager_move_available(request->manager, medium->id, target.id,
						       err);
	}
	if (r < 0)
		return r;
	rsmfs_request_names_changed(request, medium->pool, rsmfs_medium_word(medium));
	rsmfs_request_names_changed(request, target.id, rsmfs_medium_word(medium));
	return report_medium(request, medium->id, err);
}

static int rename_pool(struct rsmfs_request *request, const struct rsm_pool *pool,
		       int64_t new_parent, const char *new_name, struct rsm_err *err)
{
	int r;

	if (pool->id == RSM_POOL_TOP)
		return rsm_err_set(err, EPERM, "/: is no pool");
	r = rsmfs_access_remove_pool(request->catalog, request->caller, request->admin, pool, err);
	if (r == 0 && new_parent != pool->parent)
		r = may_change(request, new_parent, err);
	if (r == 0)
		r = rsm_pool_rename(request->catalog, pool->id, new_parent, new_name, err);
	if (r < 0)
		return r;
	rsm_manager_pools_changed(request->manager);
	rsmfs_request_names_changed(request, pool->parent, pool->name);
	rsmfs_request_names_changed(request, new_parent, new_name);
	return report_pool(request, pool->id, err);
}

int rsmfs_run_move(struct rsmfs_request *request, struct rsm_err *err)
{
	const char *operand = request->call.operands[0];
	struct rsmfs_object object;
	struct rsm_pool target;
	int r = rsmfs_object_find(request, operand, &object, err);

	if (r < 0)
		return r;
	if (!object.is_pool && *object.rest)
		return rsm_err_set(err, EINVAL, "%s: is in a cartridge, not a cartridge", operand);
	if (!object.is_pool)
		return move_medium(request, &object.medium, err);
	r = rsmfs_object_pool(request, request->call.operands[1], &target, err);
	return r < 0 ? r : rename_pool(request, &object.pool, target.id, object.pool.name, err);
}

/* What it is called and what it is for, of a pool or a logical medium. */
static int describe(struct rsmfs_request *request, const struct rsmfs_object *object,
		    struct rsm_err *err)
{
	const char *text = rsmfs_verb_text(&request->call, "description");

	if (!text)
		return 0;
	return rsm_description_set(request->catalog, object->is_pool ? "pool" : "logical",
				   object->is_pool ? object->pool.guid : object->medium.lmid, text,
				   err);
}

int rsmfs_run_rename(struct rsmfs_request *request, struct rsm_err *err)
{
	const char *operand = request->call.operands[0], *name = request->call.operands[1];
	const char *text = rsmfs_verb_text(&request->call, "description");
	struct rsmfs_object object;
	int r = rsmfs_object_find(request, operand, &object, err);

	if (r < 0)
		return r;
	if (strchr(name, '/'))
		return rsm_err_set(err, EINVAL, "%s: a name has no slash; see rsm move", name);
	r = text ? rsm_description_check(text, err) : 0;
	if (r < 0)
		return r;
	if (object.is_pool) {
		r = rename_pool(request, &object.pool, object.pool.parent, name, err);
		return r < 0 ? r : describe(request, &object, err);
	}
	if (*object.rest)
		return rsm_err_set(err, EINVAL, "%s: is in a cartridge, not a cartridge", operand);
	if (!object.medium.lmid[0])
		return rsm_err_set(err, EPERM, "%s: only an allocated cartridge has a name",
				   operand);
	r = rsmfs_access_remove_medium(request->catalog, request->caller, request->admin,
				       &object.medium, err);
	if (r == 0)
		r = rsm_manager_move(request->manager, object.medium.id, object.medium.pool, name,
				     err);
	if (r < 0)
		return r;
	rsmfs_request_names_changed(request, object.medium.pool, object.medium.name);
	rsmfs_request_names_changed(request, object.medium.pool, name);
	r = describe(request, &object, err);
	return r < 0 ? r : report_medium(request, object.medium.id, err);
}
