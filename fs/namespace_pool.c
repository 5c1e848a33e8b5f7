/* Changes in pools: making, allocating, moving, swapping, deallocating, chmod and chown.
 *
 * The kernel has checked the mode bits and ACLs (default_permissions); here is what nobody may.
 */
#include "fs/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "fs/acl.h"
#include "fs/birth.h"
#include "fs/contents.h"
#include "fs/folder.h"
#include "fs/notify.h"
#include "fs/parking.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#define RENAME_EXCHANGE	 (1 << 1)
#endif

enum { BUSY_RETRY_MS = 50, BUSY_PATIENCE_MS = 1000, FREE_RETRY_MS = 100, FREE_PATIENCE_S = 5 };

/* What a name in a pool is. */
struct object {
	enum { OBJECT_NONE, OBJECT_POOL, OBJECT_MEDIUM } kind;
	struct rsm_pool pool;
	struct rsm_medium medium;
};

static int find_object(struct rsmfs *fs, int64_t pool, const char *name, struct object *ret_object,
		       struct rsm_err *err)
{
	struct rsm_catalog *catalog = rsm_manager_catalog(fs->manager);
	int r;

	ret_object->kind = OBJECT_NONE;
	if (name[0] == '.' || strlen(name) >= RSM_NAME_SIZE)
		return 0;
	r = rsm_pool_find(catalog, pool, name, &ret_object->pool, err);
	if (r == 0)
		ret_object->kind = OBJECT_POOL;
	if (r <= 0 || pool == RSM_POOL_TOP)
		return r < 0 ? r : 0;
	r = rsm_medium_find(catalog, pool, name, &ret_object->medium, err);
	if (r == 0)
		ret_object->kind = OBJECT_MEDIUM;
	return r < 0 ? r : 0;
}

static int check_new_name(const char *name, struct rsm_err *err)
{
	if (name[0] == '.')
		return rsm_err_set(err, EPERM,
				   "%s: names of pools and cartridges begin with no dot", name);
	if (strlen(name) >= RSM_NAME_SIZE)
		return rsm_err_set(err, ENAMETOOLONG, "name too long");
	return 0;
}

static int check_target_pool(const struct rsm_pool *pool, struct rsm_err *err)
{
	if (pool->kind != RSM_POOL_APPLICATION)
		return rsm_err_set(err, EPERM, "%s is a system pool: `rsm free` puts media there",
				   pool->name);
	return 0;
}

/* ---- mkdir ---- */

static int get_default_acl(struct rsmfs *fs, int64_t pool, struct rsm_text *ret_acl,
			   struct rsm_err *err)
{
	int r;

	if (pool == RSM_POOL_TOP)
		return 0;
	r = rsm_catalog_get_xattr(rsm_manager_catalog(fs->manager), 'p', pool,
				  "system.posix_acl_default", ret_acl, err);
	return r < 0 ? r : 0;
}

static int make_pool(struct rsmfs *fs, struct rsmfs_call *call, const struct rsmfs_birth *birth,
		     struct fuse_entry_param *entry, struct rsm_err *err)
{
	struct rsm_pool pool = {
		.parent = call->place.id,
		.kind = RSM_POOL_APPLICATION,
		.holds = RSM_POOL_HOLDS_MEDIA,
		.draw_from_free = true,
		.return_to_free = true,
		.mode = birth->mode,
		.owner = birth->owner,
		.group = birth->group,
	};
	int r;

	snprintf(pool.name, sizeof(pool.name), "%s", call->name);
	r = rsm_pool_create_with_acls(rsm_manager_catalog(fs->manager), &pool, &birth->access_acl,
				      &birth->default_acl, err);
	if (r < 0)
		return r;
	rsm_manager_pools_changed(fs->manager);
	*entry = (struct fuse_entry_param){ .ino = rsmfs_pool_ino(pool.id), .generation = 1 };
	rsmfs_pool_attr(fs, &pool, &entry->attr);
	return 0;
}

static int allocate(struct rsmfs *fs, struct rsmfs_call *call, const struct rsmfs_birth *birth,
		    struct fuse_entry_param *entry, struct rsm_err *err)
{
	struct rsm_allocation allocation = {
		.pool = call->place.id,
		.name = call->name,
		.mode = birth->mode,
		.owner = birth->owner,
		.group = birth->group,
		.access_acl = &birth->access_acl,
		.default_acl = &birth->default_acl,
	};
	struct rsm_medium medium;
	int r = rsm_manager_allocate(fs->manager, &allocation, &medium, err);

	if (r < 0)
		return r;
	rsmfs_changed(fs, medium.id);
	rsmfs_forget_generation(fs, medium.id);
	*entry = (struct fuse_entry_param){ .ino = rsmfs_node_ino(medium.id, RSM_NODE_ROOT),
					    .generation = medium.format_generation + 1u };
	return rsmfs_medium_attr(fs, &medium, &entry->attr, err);
}

static int make(struct rsmfs *fs, struct rsmfs_call *call, struct fuse_entry_param *entry,
		struct rsm_err *err)
{
	RSMFS_BIRTH struct rsmfs_birth birth = { 0 };
	RSM_TEXT struct rsm_text default_acl = { 0 };
	struct object object;
	struct rsm_pool parent;
	int r = rsmfs_get_pool(fs, call->place.id, &parent, err);

	if (r == 0)
		r = check_new_name(call->name, err);
	if (r == 0)
		r = find_object(fs, parent.id, call->name, &object, err);
	if (r < 0)
		return r;
	if (object.kind != OBJECT_NONE)
		return rsm_err_set(err, EEXIST, "%s exists", call->name);
	r = check_target_pool(&parent, err);
	if (r == 0)
		r = get_default_acl(fs, parent.id, &default_acl, err);
	if (r == 0)
		r = rsmfs_birth_init(&birth, call, true, parent.mode, parent.group, &default_acl,
				     err);
	if (r < 0)
		return r;
	return parent.holds == RSM_POOL_HOLDS_POOLS ? make_pool(fs, call, &birth, entry, err)
						    : allocate(fs, call, &birth, entry, err);
}

static void mkdir_in_pool(struct rsmfs *fs, struct rsmfs_call *call)
{
	int64_t now = rsm_clock_now_ns(rsm_clock_real());
	struct fuse_entry_param entry;
	struct rsm_err err;
	int r = make(fs, call, &entry, &err);

	/* While a new library is looked through, free cartridges turn up one by one: in moments,
	 * or by a robot, and a shell does not hang for that, nor the whole pool, which the kernel
	 * keeps locked meanwhile. `rsm allocate --wait` waits.
	 */
	if (r == -ENOSPC && rsm_manager_identifies_in_moments(fs->manager)) {
		if (!call->give_up_ns)
			call->give_up_ns = now + FREE_PATIENCE_S * RSM_SECOND_NS;
		if (now < call->give_up_ns) {
			rsmfs_park_for_time(fs, call, FREE_RETRY_MS);
			return;
		}
	}
	if (r < 0) {
		rsmfs_reply_error(call->req, r, &err);
		return;
	}
	entry.attr_timeout = entry.entry_timeout = rsmfs_pools_timeout_s;
	fuse_reply_entry(call->req, &entry);
}

/* ---- rmdir ---- */

static int remove_object(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_err *err)
{
	struct object object;
	int r = find_object(fs, call->place.id, call->name, &object, err);

	if (r < 0)
		return r;
	switch (object.kind) {
	case OBJECT_POOL:
		if (object.pool.kind != RSM_POOL_APPLICATION)
			return rsm_err_set(err, EPERM, "%s is a system pool", call->name);
		r = rsm_pool_remove(rsm_manager_catalog(fs->manager), object.pool.id, err);
		if (r == 0)
			rsm_manager_pools_changed(fs->manager);
		return r;
	case OBJECT_MEDIUM:
		if (!rsmfs_is_allocated(&object.medium))
			return rsm_err_set(err, EPERM, "%s: not an allocated cartridge",
					   call->name);
		r = rsm_manager_deallocate(fs->manager, object.medium.id, false, err);
		if (r == 0)
			rsmfs_changed(fs, object.medium.id);
		return r;
	case OBJECT_NONE: break;
	}
	return rsm_err_set(err, call->name[0] == '.' ? EPERM : ENOENT, "%s: no such name",
			   call->name);
}

static void rmdir_in_pool(struct rsmfs *fs, struct rsmfs_call *call)
{
	int64_t now = rsm_clock_now_ns(rsm_clock_real());
	struct rsm_err err;
	int r = remove_object(fs, call, &err);

	/* The kernel tells of releases late: `rm -r` must not stumble over its own. */
	if (r == -EBUSY) {
		if (!call->give_up_ns)
			call->give_up_ns = now + BUSY_PATIENCE_MS * (RSM_SECOND_NS / 1000);
		if (now < call->give_up_ns) {
			rsmfs_park_for_time(fs, call, BUSY_RETRY_MS);
			return;
		}
	}
	rsmfs_reply_result(call->req, r, &err);
}

static void unlink_in_pool(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct object object;
	struct rsm_err err;
	int r = find_object(fs, call->place.id, call->name, &object, &err);

	if (r == 0 && object.kind == OBJECT_NONE && call->name[0] != '.')
		r = rsm_err_set(&err, ENOENT, "%s: no such name", call->name);
	else if (r == 0)
		r = rsm_err_set(&err, object.kind == OBJECT_NONE ? EPERM : EISDIR,
				"%s is not a file", call->name);
	rsmfs_reply_error(call->req, r, &err);
}

/* ---- rename ---- */

static int exchange(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_err *err)
{
	struct object one, other;
	int r = find_object(fs, call->place.id, call->name, &one, err);

	if (r == 0)
		r = find_object(fs, call->other.id, call->other_name, &other, err);
	if (r < 0)
		return r;
	if (one.kind == OBJECT_NONE || other.kind == OBJECT_NONE)
		return rsm_err_set(err, ENOENT, "%s: no such name",
				   one.kind == OBJECT_NONE ? call->name : call->other_name);
	if (one.kind != OBJECT_MEDIUM || other.kind != OBJECT_MEDIUM)
		return rsm_err_set(err, EINVAL, "only cartridges can be swapped");
	if (!rsmfs_is_allocated(&one.medium) || !rsmfs_is_allocated(&other.medium))
		return rsm_err_set(err, EPERM, "only allocated cartridges can be swapped");
	if (call->place.id != call->other.id)
		return rsm_err_set(err, EINVAL, "only cartridges of one pool can be swapped");
	r = rsm_manager_swap(fs->manager, one.medium.id, other.medium.id, err);
	if (r == 0) {
		rsmfs_notify_inode(fs->pool_notifier, rsmfs_node_ino(one.medium.id, 1), false);
		rsmfs_notify_inode(fs->pool_notifier, rsmfs_node_ino(other.medium.id, 1), false);
	}
	return r;
}

/* `mv Free/LTO-8/X Backup/monday`, `mv Import/LTO-8/X Backup/old` */
static int take(struct rsmfs *fs, struct rsmfs_call *call, const struct rsm_medium *medium,
		const struct rsm_pool *source, const struct rsm_pool *target, struct rsm_err *err)
{
	RSMFS_BIRTH struct rsmfs_birth birth = { 0 };
	RSM_TEXT struct rsm_text default_acl = { 0 };
	struct rsmfs_call as_mkdir = *call;
	struct rsm_medium taken;
	int r;

	if (source->kind == RSM_POOL_FOREIGN)
		return rsm_err_set(err, EPERM,
				   "%s: nobody knows what is on it; `rsm free` makes it usable",
				   medium->shown);
	as_mkdir.mode = 0777;
	r = get_default_acl(fs, target->id, &default_acl, err);
	/* a rename tells no umask, but what it makes is a new folder of the caller's */
	if (r == 0 && !default_acl.length)
		as_mkdir.mode &= ~rsmfs_birth_umask(fs, fuse_req_ctx(call->req)->pid);
	if (r == 0)
		r = rsmfs_birth_init(&birth, &as_mkdir, true, target->mode, target->group,
				     &default_acl, err);
	if (r == 0)
		r = rsm_manager_allocate(
			fs->manager,
			&(struct rsm_allocation){ .pool = target->id,
						  .name = call->other_name,
						  .medium = medium->id,
						  .mode = birth.mode,
						  .owner = birth.owner,
						  .group = birth.group,
						  .access_acl = &birth.access_acl,
						  .default_acl = &birth.default_acl },
			&taken, err);
	if (r < 0)
		return r;
	rsmfs_changed(fs, medium->id);
	rsmfs_forget_generation(fs, medium->id);
	return 0;
}

static int move_object(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_err *err)
{
	struct object object, target;
	struct rsm_pool from, to;
	int r = rsmfs_get_pool(fs, call->place.id, &from, err);

	if (r == 0)
		r = rsmfs_get_pool(fs, call->other.id, &to, err);
	if (r == 0)
		r = find_object(fs, from.id, call->name, &object, err);
	if (r == 0)
		r = find_object(fs, to.id, call->other_name, &target, err);
	if (r < 0)
		return r;
	if (object.kind == OBJECT_NONE)
		return rsm_err_set(err, call->name[0] == '.' ? EPERM : ENOENT, "%s: no such name",
				   call->name);
	if (object.kind == OBJECT_POOL && object.pool.kind != RSM_POOL_APPLICATION)
		return rsm_err_set(err, EPERM, "%s is a system pool", call->name);
	r = check_target_pool(&to, err);
	if (r == 0)
		r = check_new_name(call->other_name, err);
	if (r < 0)
		return r;
	if (target.kind != OBJECT_NONE)
		return rsm_err_set(err, EEXIST, "%s exists", call->other_name);
	if (object.kind == OBJECT_POOL) {
		r = rsm_pool_rename(rsm_manager_catalog(fs->manager), object.pool.id, to.id,
				    call->other_name, err);
		if (r == 0)
			rsm_manager_pools_changed(fs->manager);
		return r;
	}
	if (to.holds != RSM_POOL_HOLDS_MEDIA)
		return rsm_err_set(err, EPERM, "%s holds pools, not cartridges",
				   to.id == RSM_POOL_TOP ? "the root" : to.name);
	if (from.kind != RSM_POOL_APPLICATION)
		r = take(fs, call, &object.medium, &from, &to, err);
	else
		r = rsm_manager_move(fs->manager, object.medium.id, to.id, call->other_name, err);
	if (r == 0)
		rsmfs_notify_inode(fs->pool_notifier, rsmfs_node_ino(object.medium.id, 1), false);
	return r;
}

/* A source in a pool and a target in a cartridge: it is a cartridge or a pool that would go in. */
static int refuse_move_in(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_err *err)
{
	struct object object;
	int r = find_object(fs, call->place.id, call->name, &object, err);

	if (r < 0)
		return r;
	if (object.kind == OBJECT_NONE)
		return rsm_err_set(err, ENOENT, "%s: no such name", call->name);
	return rsm_err_set(err, EINVAL, "%s cannot be moved into a cartridge", call->name);
}

void rsmfs_rename(struct rsmfs *fs, struct rsmfs_call *call)
{
	enum rsmfs_place_kind from = call->place.kind, to = call->other.kind;
	struct rsm_err err;
	int r;

	if (from == RSMFS_PLACE_NODE && to == RSMFS_PLACE_NODE &&
	    call->place.id == call->other.id) {
		rsmfs_contents_rename(fs, call);
		return;
	}
	if (to == RSMFS_PLACE_VIEW || (from == RSMFS_PLACE_VIEW && to != RSMFS_PLACE_NODE))
		r = rsm_err_set(&err, EROFS, "%s: an older generation takes no changes",
				call->name);
	else if ((from == RSMFS_PLACE_NODE || from == RSMFS_PLACE_VIEW) && to == RSMFS_PLACE_NODE)
		r = rsm_err_set(&err, EXDEV, "%s: to another cartridge it is a copy", call->name);
	else if (from == RSMFS_PLACE_POOL && to == RSMFS_PLACE_NODE)
		r = refuse_move_in(fs, call, &err);
	else if (from == RSMFS_PLACE_POOL && to == RSMFS_PLACE_POOL &&
		 call->flags == RENAME_EXCHANGE)
		r = exchange(fs, call, &err);
	else if (from == RSMFS_PLACE_POOL && to == RSMFS_PLACE_POOL &&
		 !(call->flags & ~RENAME_NOREPLACE))
		r = move_object(fs, call, &err);
	else if (from == RSMFS_PLACE_POOL && to == RSMFS_PLACE_POOL)
		r = rsm_err_set(&err, EINVAL, "%s: unknown kind of rename", call->name);
	else
		r = rsm_err_set(&err, EPERM, "%s: cannot be moved there", call->name);
	rsmfs_reply_result(call->req, r, &err);
}

/* ---- chmod, chown, times ---- */

/* The stored access ACL, if there is one, follows the mode. */
static int chmod_acl(struct rsmfs *fs, char kind, int64_t id, mode_t mode, struct rsm_err *err)
{
	struct rsm_catalog *catalog = rsm_manager_catalog(fs->manager);
	RSM_TEXT struct rsm_text old = { 0 };
	RSM_TEXT struct rsm_text new = { 0 };
	int r = rsm_catalog_get_xattr(catalog, kind, id, "system.posix_acl_access", &old, err);

	if (r)
		return r < 0 ? r : 0;
	r = rsmfs_acl_chmod(old.data, old.length, mode, &new, err);
	if (r < 0)
		return r;
	return rsm_catalog_set_xattr(catalog, kind, id, "system.posix_acl_access", new.data,
				     new.length, 0, err);
}

static void set_times(const struct rsmfs_call *call, struct timespec *modified,
		      struct timespec *changed)
{
	clock_gettime(CLOCK_REALTIME, changed);
	if (call->flags & FUSE_SET_ATTR_MTIME_NOW)
		*modified = *changed;
	else if (call->flags & FUSE_SET_ATTR_MTIME)
		*modified = call->attr.st_mtim;
}

static bool sets_modified(const struct rsmfs_call *call)
{
	return call->flags & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW);
}

static int setattr_pool(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_pool *pool,
			struct rsm_err *err)
{
	unsigned what = (call->flags & FUSE_SET_ATTR_MODE ? RSM_POOL_SET_MODE : 0) |
			(call->flags & FUSE_SET_ATTR_UID ? RSM_POOL_SET_OWNER : 0) |
			(call->flags & FUSE_SET_ATTR_GID ? RSM_POOL_SET_GROUP : 0) |
			(sets_modified(call) ? RSM_POOL_SET_MODIFIED : 0);
	int r = rsmfs_get_pool(fs, call->place.id, pool, err);

	if (r < 0)
		return r;
	if (pool->id == RSM_POOL_TOP || pool->kind != RSM_POOL_APPLICATION)
		return rsm_err_set(err, EPERM, "%s: a system pool stays as it is",
				   pool->id ? pool->name : "the root");
	if (call->flags & FUSE_SET_ATTR_MODE)
		pool->mode = call->attr.st_mode & 07777;
	if (call->flags & FUSE_SET_ATTR_UID)
		pool->owner = call->attr.st_uid;
	if (call->flags & FUSE_SET_ATTR_GID)
		pool->group = call->attr.st_gid;
	set_times(call, &pool->modified, &pool->changed);
	r = rsm_pool_change(rsm_manager_catalog(fs->manager), pool, what, err);
	if (r == 0 && (call->flags & FUSE_SET_ATTR_MODE))
		r = chmod_acl(fs, 'p', pool->id, pool->mode, err);
	if (r == 0)
		rsm_manager_pools_changed(fs->manager);
	return r;
}

int rsmfs_medium_setattr(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_medium *medium,
			 struct rsm_err *err)
{
	unsigned what = (call->flags & FUSE_SET_ATTR_MODE ? RSM_MEDIUM_SET_MODE : 0) |
			(call->flags & FUSE_SET_ATTR_UID ? RSM_MEDIUM_SET_OWNER : 0) |
			(call->flags & FUSE_SET_ATTR_GID ? RSM_MEDIUM_SET_GROUP : 0) |
			(sets_modified(call) ? RSM_MEDIUM_SET_MODIFIED : 0);
	int r;

	if (!rsmfs_is_allocated(medium))
		return rsm_err_set(err, rsmfs_has_contents(medium) ? EROFS : EPERM,
				   "%s: not an allocated cartridge", medium->shown);
	if (call->flags & FUSE_SET_ATTR_MODE)
		medium->mode = call->attr.st_mode & 07777;
	if (call->flags & FUSE_SET_ATTR_UID)
		medium->owner = call->attr.st_uid;
	if (call->flags & FUSE_SET_ATTR_GID)
		medium->group = call->attr.st_gid;
	set_times(call, &medium->modified, &medium->changed);
	r = rsm_manager_update_medium(fs->manager, medium, what, err);
	if (r == 0 && (call->flags & FUSE_SET_ATTR_MODE))
		r = chmod_acl(fs, 'm', medium->id, medium->mode, err);
	return r;
}

static void setattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsm_pool pool;
	struct rsm_err err;
	struct stat attr;
	int r = setattr_pool(fs, call, &pool, &err);

	if (r < 0) {
		rsmfs_reply_error(call->req, r, &err);
		return;
	}
	rsmfs_pool_attr(fs, &pool, &attr);
	fuse_reply_attr(call->req, &attr, rsmfs_pools_timeout_s);
}

const struct rsmfs_namespace rsmfs_namespace_pool = {
	.lookup = rsmfs_pool_lookup,
	.getattr = rsmfs_pool_getattr,
	.setattr = setattr,
	.mkdir = mkdir_in_pool,
	.unlink = unlink_in_pool,
	.rmdir = rmdir_in_pool,
	.opendir = rsmfs_folder_open,
	.readdir = rsmfs_pool_readdir,
	.releasedir = rsmfs_folder_release,
	.statfs = rsmfs_statfs,
	.setxattr = rsmfs_pool_setxattr,
	.getxattr = rsmfs_pool_getxattr,
	.listxattr = rsmfs_pool_listxattr,
	.removexattr = rsmfs_pool_removexattr,
};
