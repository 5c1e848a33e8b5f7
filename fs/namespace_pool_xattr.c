/* Extended attributes of pools and of cartridges as such: user.rsm.*, ACLs, and what users store.
 */
#include "core/identification.h"
#include "fs/namespace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/xattr.h>

#include "core/copy.h"
#include "fs/acl.h"

int rsmfs_xattr_refused(const char *name, bool write)
{
	bool is_default;

	if (strncmp(name, "user.", 5) == 0)
		return name[5] ? 0 : write ? EINVAL : ENODATA;
	if (rsmfs_xattr_is_acl(name, &is_default))
		return 0;
	/* the kernel asks for security.capability with each write: no look at anything */
	if (strncmp(name, "security.", 9) == 0)
		return write ? EOPNOTSUPP : ENODATA;
	return EOPNOTSUPP;
}

/* ---- user.rsm.* of cartridges ---- */

static int add_pool_path(struct rsmfs *fs, int64_t pool, struct rsm_text *value,
			 struct rsm_err *err)
{
	RSM_FREE char *path = NULL;
	int r = rsm_pool_path(rsm_manager_catalog(fs->manager), pool, &path, err);

	if (r == 0)
		rsm_text_add(value, path);
	return r;
}

static void add_location(const struct rsm_medium *medium, struct rsm_text *value)
{
	switch (medium->location) {
	case RSM_AT_SLOT: rsm_text_printf(value, "slot %" PRIu32, medium->element); break;
	case RSM_AT_PORT: rsm_text_printf(value, "port %" PRIu32, medium->element); break;
	case RSM_AT_DRIVE: rsm_text_printf(value, "drive %" PRIu32, medium->element); break;
	case RSM_AT_OFFLINE: rsm_text_add(value, "offline"); break;
	}
}

enum medium_name {
	M_LMID,
	M_BARCODE,
	M_MEDIA_TYPE,
	M_STATE,
	M_LOCATION,
	M_MOUNTED,
	M_POOL,
	M_CAPACITY,
	M_REMAINING,
	M_MOUNTS,
	M_PRIORITY,
	M_GENERATION,
	M_VOLUME_UUID,
	M_LABEL,
	M_HEALTH,
	M_COUNT
};
static const char *const medium_names[M_COUNT] = {
	"lmid",	    "barcode",	  "media_type",	 "state",     "location",
	"mounted",  "pool",	  "capacity",	 "remaining", "mounts",
	"priority", "generation", "volume_uuid", "label",     "health",
};

static int find_name(const char *const *names, int count, const char *name)
{
	int i = 0;

	while (i < count && strcmp(names[i], name) != 0)
		i++;
	return i;
}

int rsmfs_medium_get_virtual(struct rsmfs *fs, const struct rsm_medium *medium, const char *name,
			     struct rsm_text *ret_value, struct rsm_err *err)
{
	struct rsm_medium_use use;
	uint64_t total, left;
	int r = 0;

	switch (find_name(medium_names, M_COUNT, name + strlen("user.rsm."))) {
	case M_LMID:
		if (!medium->lmid[0])
			return 1;
		rsm_text_add(ret_value, medium->lmid);
		break;
	case M_BARCODE: rsm_text_add(ret_value, medium->barcode); break;
	case M_MEDIA_TYPE: rsm_text_add(ret_value, medium->media_type); break;
	case M_STATE: rsm_text_add(ret_value, rsm_medium_state_name(medium->state)); break;
	case M_LOCATION: add_location(medium, ret_value); break;
	case M_MOUNTED:
		r = rsm_manager_medium_use(fs->manager, medium->id, &use, err);
		if (r == 0)
			rsm_text_add(ret_value, use.mounted ? "1" : "0");
		break;
	case M_POOL: r = add_pool_path(fs, medium->pool, ret_value, err); break;
	case M_CAPACITY:
	case M_REMAINING:
		r = rsm_manager_space(fs->manager, medium->id, &total, &left, err);
		if (r == 0)
			rsm_text_printf(ret_value, "%" PRIu64,
					strcmp(name, "user.rsm.capacity") == 0 ? total : left);
		break;
	case M_MOUNTS: rsm_text_printf(ret_value, "%" PRIu32, medium->mounts); break;
	case M_PRIORITY: rsm_text_printf(ret_value, "%" PRId32, medium->priority); break;
	case M_GENERATION: rsm_text_printf(ret_value, "%" PRIu64, medium->index_generation); break;
	case M_VOLUME_UUID:
		if (!medium->volume_uuid[0])
			return 1;
		rsm_text_add(ret_value, medium->volume_uuid);
		break;
	case M_LABEL: rsm_identification_label_text(medium, ret_value); break;
	case M_HEALTH: rsm_text_add(ret_value, medium->health[0] ? medium->health : "good"); break;
	default: r = rsmfs_medium_get_record(fs, medium, name, ret_value, err);
	}
	if (r == 0 && ret_value->failed)
		return rsm_err_oom(err);
	return r;
}

/* A decimal number that is the whole value; a newline at the end is forgiven. */
static int parse_value(const struct rsmfs_call *call, int64_t least, int64_t most, int64_t *ret,
		       struct rsm_err *err)
{
	char text[32], *end;
	size_t length = call->size;
	long long number;

	if (length && ((const char *)call->data)[length - 1] == '\n')
		length--;
	if (length == 0 || length >= sizeof(text))
		return rsm_err_set(err, EINVAL, "%s: a number is expected", call->name);
	memcpy(text, call->data, length);
	text[length] = '\0';
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || *end || end == text || number < least || number > most)
		return rsm_err_set(err, EINVAL,
				   "%s: a number from %" PRId64 " to %" PRId64 " is expected",
				   call->name, least, most);
	*ret = number;
	return 0;
}

int rsmfs_medium_set_virtual(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_medium *medium,
			     struct rsm_err *err)
{
	int64_t priority;
	int r = rsmfs_medium_set_record(fs, call, medium, err);

	if (r <= 0)
		return r;
	if (strcmp(call->name, "user.rsm.priority") != 0 || !call->data)
		return rsm_err_set(err, EPERM, "%s cannot be set", call->name);
	if (!rsmfs_is_allocated(medium) || !rsmfs_owns(fs, call->req, medium->owner))
		return rsm_err_set(err, EPERM, "%s: the owner's and the administrator's to set",
				   call->name);
	r = parse_value(call, -15, 15, &priority, err);
	if (r < 0)
		return r;
	if (priority > medium->priority && !rsmfs_is_admin(fs, call->req))
		return rsm_err_set(err, EPERM, "only an administrator raises a priority");
	medium->priority = (int32_t)priority;
	return rsm_manager_update_medium(fs->manager, medium, RSM_MEDIUM_SET_PRIORITY, err);
}

/* ---- ACLs of pools and cartridges, in the catalogue ---- */

/* Stores or removes; *mode follows an access ACL, *ret_mode_changed tells. */
static int set_acl(struct rsmfs *fs, struct rsmfs_call *call, char kind, int64_t id, mode_t *mode,
		   bool *ret_mode_changed, struct rsm_err *err)
{
	const void *value = call->data;
	bool is_default, minimal = false;
	mode_t scratch = *mode;
	int r;

	*ret_mode_changed = false;
	(void)rsmfs_xattr_is_acl(call->name, &is_default);
	if (value) {
		r = rsmfs_acl_to_mode(value, call->size, &scratch, &minimal, err);
		if (r < 0)
			return r;
		if (!is_default) {
			*ret_mode_changed = scratch != *mode;
			*mode = scratch;
			if (minimal)
				value = NULL;
		}
	}
	r = rsm_catalog_set_xattr(rsm_manager_catalog(fs->manager), kind, id, call->name, value,
				  call->size, 0, err);
	return r == -ENODATA ? 0 : r;
}

int rsmfs_medium_set_acl(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_medium *medium,
			 struct rsm_err *err)
{
	mode_t mode = medium->mode;
	bool changed;
	int r;

	if (!rsmfs_is_allocated(medium))
		return rsm_err_set(err, EROFS, "%s: not an allocated cartridge", medium->shown);
	r = set_acl(fs, call, 'm', medium->id, &mode, &changed, err);
	if (r < 0)
		return r;
	medium->mode = mode;
	return rsm_manager_update_medium(fs->manager, medium, changed ? RSM_MEDIUM_SET_MODE : 0,
					 err);
}

/* ---- pools ---- */

enum pool_name { P_HOLDS, P_MEDIA_TYPE, P_DRAW, P_RETURN, P_LIMIT, P_MAX, P_COPIES, P_COUNT };
static const char *const pool_names[P_COUNT] = {
	"holds",	   "media_type", "draw_from_free", "return_to_free", "allocation_limit",
	"max_allocations", "copies"
};

/* Outcome 1: no such name. */
static int get_virtual(struct rsmfs *fs, const struct rsm_pool *pool, const char *name,
		       struct rsm_text *value, struct rsm_err *err)
{
	uint32_t copies = 1;
	int r;

	switch (find_name(pool_names, P_COUNT, name + strlen("user.rsm."))) {
	case P_HOLDS:
		rsm_text_add(value, pool->holds == RSM_POOL_HOLDS_POOLS ? "pools" : "media");
		break;
	case P_MEDIA_TYPE: rsm_text_add(value, pool->media_type); break;
	case P_DRAW: rsm_text_add(value, pool->draw_from_free ? "1" : "0"); break;
	case P_RETURN: rsm_text_add(value, pool->return_to_free ? "1" : "0"); break;
	case P_LIMIT: rsm_text_printf(value, "%" PRIu32, pool->allocation_limit); break;
	case P_MAX: rsm_text_printf(value, "%" PRIu32, pool->max_allocations); break;
	case P_COPIES:
		r = rsm_pool_get_copies(rsm_manager_catalog(fs->manager), pool->id, &copies, err);
		if (r < 0)
			return r;
		rsm_text_printf(value, "%" PRIu32, copies);
		break;
	default: return 1;
	}
	return 0;
}

static bool value_is(const struct rsmfs_call *call, const char *word)
{
	return call->size == strlen(word) && memcmp(call->data, word, call->size) == 0;
}

static int set_virtual(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_pool *pool,
		       struct rsm_err *err)
{
	unsigned what = 0;
	int64_t number;
	int r = 0, which = find_name(pool_names, P_COUNT, call->name + strlen("user.rsm."));

	if (which == P_COUNT || !call->data)
		return rsm_err_set(err, EPERM, "%s cannot be set", call->name);
	if (pool->id == RSM_POOL_TOP || pool->kind != RSM_POOL_APPLICATION ||
	    !rsmfs_owns(fs, call->req, pool->owner))
		return rsm_err_set(err, EPERM,
				   "%s: the pool's owner's and the administrator's to "
				   "set",
				   call->name);
	switch (which) {
	case P_HOLDS:
		if (!value_is(call, "pools") && !value_is(call, "media"))
			return rsm_err_set(err, EINVAL, "%s: media or pools is expected",
					   call->name);
		pool->holds = value_is(call, "pools") ? RSM_POOL_HOLDS_POOLS : RSM_POOL_HOLDS_MEDIA;
		what = RSM_POOL_SET_HOLDS;
		break;
	case P_MEDIA_TYPE:
		if (call->size >= sizeof(pool->media_type) || memchr(call->data, '\0', call->size))
			return rsm_err_set(err, EINVAL, "%s: no such media type", call->name);
		snprintf(pool->media_type, sizeof(pool->media_type), "%.*s", (int)call->size,
			 (const char *)call->data);
		what = RSM_POOL_SET_TYPE;
		break;
	case P_DRAW:
	case P_RETURN:
		r = parse_value(call, 0, 1, &number, err);
		if (r < 0)
			return r;
		*(which == P_DRAW ? &pool->draw_from_free : &pool->return_to_free) = number;
		what = which == P_DRAW ? RSM_POOL_SET_DRAW : RSM_POOL_SET_RETURN;
		break;
	case P_COPIES:
		r = parse_value(call, 1, RSM_COPIES_MOST, &number, err);
		if (r == 0)
			r = rsm_pool_set_copies(rsm_manager_catalog(fs->manager), pool->id,
						(uint32_t)number, err);
		if (r == 0)
			rsm_manager_pools_changed(fs->manager);
		return r;
	default:
		r = parse_value(call, 0, UINT32_MAX, &number, err);
		if (r < 0)
			return r;
		*(which == P_LIMIT ? &pool->allocation_limit : &pool->max_allocations) =
			(uint32_t)number;
		what = which == P_LIMIT ? RSM_POOL_SET_LIMIT : RSM_POOL_SET_MAX;
	}
	r = rsm_pool_change(rsm_manager_catalog(fs->manager), pool, what, err);
	if (r == 0)
		rsm_manager_pools_changed(fs->manager);
	return r;
}

static bool is_virtual(const char *name)
{
	return strncmp(name, "user.rsm.", 9) == 0;
}

static bool is_ltfs(const char *name)
{
	return strncasecmp(name, "user.ltfs", 9) == 0;
}

/* Sets or, without data, removes. */
static int change(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_err *err)
{
	struct rsm_pool pool;
	bool is_default, changed;
	mode_t mode;
	int r = rsmfs_get_pool(fs, call->place.id, &pool, err);

	if (r < 0)
		return r;
	if (is_virtual(call->name))
		return set_virtual(fs, call, &pool, err);
	if (is_ltfs(call->name))
		return rsm_err_set(err, EACCES, "%s: reserved", call->name);
	if (pool.id == RSM_POOL_TOP || pool.kind != RSM_POOL_APPLICATION)
		return rsm_err_set(err, EPERM, "%s: a system pool stays as it is", call->name);
	if (!rsmfs_xattr_is_acl(call->name, &is_default)) {
		r = rsm_catalog_set_xattr(rsm_manager_catalog(fs->manager), 'p', pool.id,
					  call->name, call->data, call->size, call->flags, err);
	} else {
		mode = pool.mode;
		r = set_acl(fs, call, 'p', pool.id, &mode, &changed, err);
		if (r == 0 && changed) {
			pool.mode = mode;
			r = rsm_pool_change(rsm_manager_catalog(fs->manager), &pool,
					    RSM_POOL_SET_MODE, err);
		}
	}
	if (r == 0)
		rsm_manager_pools_changed(fs->manager);
	return r;
}

void rsmfs_pool_setxattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsm_err err;
	int r;

	if (!call->data)
		call->data = "";
	r = change(fs, call, &err);
	rsmfs_reply_result(call->req, r, &err);
}

void rsmfs_pool_removexattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsm_err err;
	int r;

	call->data = NULL;
	r = change(fs, call, &err);
	rsmfs_reply_result(call->req, r, &err);
}

void rsmfs_pool_getxattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSM_TEXT struct rsm_text value = { 0 };
	struct rsm_pool pool;
	struct rsm_err err;
	int r;

	/* the system's own have none, and the root has no row */
	if (call->place.id == RSM_POOL_TOP && !is_virtual(call->name)) {
		fuse_reply_err(call->req, ENODATA);
		return;
	}
	r = rsmfs_get_pool(fs, call->place.id, &pool, &err);
	if (r == 0 && is_virtual(call->name))
		r = get_virtual(fs, &pool, call->name, &value, &err);
	else if (r == 0 && is_ltfs(call->name))
		r = 1;
	else if (r == 0)
		r = rsm_catalog_get_xattr(rsm_manager_catalog(fs->manager), 'p', pool.id,
					  call->name, &value, &err);
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else if (r > 0)
		fuse_reply_err(call->req, ENODATA);
	else
		rsmfs_reply_xattr(call->req, value.data, value.length, call->size);
}

void rsmfs_pool_listxattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSM_TEXT struct rsm_text keys = { 0 };
	struct rsm_err err;
	int r = 0;

	if (call->place.id != RSM_POOL_TOP)
		r = rsm_catalog_list_xattrs(rsm_manager_catalog(fs->manager), 'p', call->place.id,
					    &keys, &err);
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		rsmfs_reply_xattr(call->req, keys.data, keys.length, call->size);
}
