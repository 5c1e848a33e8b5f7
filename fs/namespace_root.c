/* What the root and the pools show: lookups, attributes, listings, df. Nothing here changes
 * anything or waits for a drive.
 */
#include "fs/namespace.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "fs/folder.h"

bool rsmfs_has_contents(const struct rsm_medium *medium)
{
	switch (medium->state) {
	case RSM_MEDIUM_ALLOCATED:
	case RSM_MEDIUM_COMPLETE:
	case RSM_MEDIUM_IMPORT:
	case RSM_MEDIUM_FOREIGN:
	case RSM_MEDIUM_UNKNOWN: return true;
	default: return false;
	}
}

void rsmfs_top_pool(const struct rsmfs *fs, struct rsm_pool *ret_pool)
{
	*ret_pool = (struct rsm_pool){
		.id = RSM_POOL_TOP,
		.kind = RSM_POOL_APPLICATION,
		.holds = RSM_POOL_HOLDS_POOLS,
		.mode = 0755,
		.owner = fs->admin,
		.group = fs->admin_gid,
		.created = fs->mounted_at,
		.modified = fs->mounted_at,
		.changed = fs->mounted_at,
	};
}

int rsmfs_get_pool(struct rsmfs *fs, int64_t id, struct rsm_pool *ret_pool, struct rsm_err *err)
{
	int r;

	if (id == RSM_POOL_TOP) {
		rsmfs_top_pool(fs, ret_pool);
		return 0;
	}
	r = rsm_pool_get(rsm_manager_catalog(fs->manager), id, ret_pool, err);
	return r == RSM_POOL_ABSENT ? rsm_err_set(err, ESTALE, "the pool is gone") : r;
}

int rsmfs_get_medium(struct rsmfs *fs, int64_t id, struct rsm_medium *ret_medium,
		     struct rsm_err *err)
{
	int r = rsm_medium_get(rsm_manager_catalog(fs->manager), id, ret_medium, err);

	return r == RSM_MEDIUM_ABSENT ? rsm_err_set(err, ESTALE, "the cartridge is gone") : r;
}

void rsmfs_pool_attr(const struct rsmfs *fs, const struct rsm_pool *pool, struct stat *ret_attr)
{
	bool system_type = pool->kind != RSM_POOL_APPLICATION && pool->parent != RSM_POOL_TOP;

	(void)fs;
	*ret_attr = (struct stat){
		.st_ino = rsmfs_pool_ino(pool->id),
		/* who may do what there is decided by the moves of the contract alone */
		.st_mode = S_IFDIR | (system_type ? 0777 : pool->mode & 07777),
		.st_nlink = 2,
		.st_uid = pool->owner,
		.st_gid = pool->group,
		.st_blksize = 4096,
		.st_atim = pool->modified,
		.st_mtim = pool->modified,
		.st_ctim = pool->changed,
	};
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

int rsmfs_medium_attr(struct rsmfs *fs, const struct rsm_medium *medium, struct stat *ret_attr,
		      struct rsm_err *err)
{
	bool allocated = rsmfs_is_allocated(medium);
	struct rsm_content *content;
	struct rsm_node node;
	int r;

	*ret_attr = (struct stat){
		.st_ino = rsmfs_node_ino(medium->id, RSM_NODE_ROOT),
		.st_mode = S_IFDIR | (allocated ? medium->mode & 07777 : 0777),
		.st_nlink = 2,
		.st_uid = allocated ? medium->owner : fs->options->uid,
		.st_gid = allocated ? medium->group : fs->options->gid,
		.st_blksize = 4096,
		.st_atim = medium->modified,
		.st_mtim = medium->modified,
		.st_ctim = medium->changed,
	};
	if (!rsmfs_has_contents(medium))
		return 0;
	r = rsm_manager_content(fs->manager, medium->id, &content, err);
	if (r) /* not seen yet, or it cannot be opened: its name is shown all the same */
		return 0;
	r = rsm_content_get(content, RSM_NODE_ROOT, &node, err);
	if (r == 0) {
		ret_attr->st_atim = node.times.accessed;
		ret_attr->st_mtim = node.times.modified;
		if (!allocated || is_later(&node.times.changed, &ret_attr->st_ctim))
			ret_attr->st_ctim = node.times.changed;
	}
	rsm_manager_content_unref(fs->manager, content);
	return r < 0 ? r : 0;
}

/* ---- lookup ---- */

static void reply_pool(struct rsmfs *fs, struct rsmfs_call *call, const struct rsm_pool *pool)
{
	struct fuse_entry_param entry = { .ino = rsmfs_pool_ino(pool->id),
					  .generation = 1,
					  .attr_timeout = rsmfs_pools_timeout_s,
					  .entry_timeout = rsmfs_pools_timeout_s };

	rsmfs_pool_attr(fs, pool, &entry.attr);
	fuse_reply_entry(call->req, &entry);
}

static int reply_medium(struct rsmfs *fs, struct rsmfs_call *call, const struct rsm_medium *medium,
			struct rsm_err *err)
{
	struct fuse_entry_param entry = { .ino = rsmfs_node_ino(medium->id, RSM_NODE_ROOT),
					  .generation = medium->format_generation + 1u,
					  .attr_timeout = rsmfs_pools_timeout_s,
					  .entry_timeout = rsmfs_pools_timeout_s };
	int r = rsmfs_medium_attr(fs, medium, &entry.attr, err);

	if (r < 0)
		return r;
	fuse_reply_entry(call->req, &entry);
	return 0;
}

static void reply_control(struct rsmfs_call *call, int64_t number)
{
	struct rsmfs_call folder = *call;

	folder.place = (struct rsmfs_place){ .kind = RSMFS_PLACE_CONTROL, .id = number };
	folder.name = ".";
	rsmfs_namespace_control.lookup(fuse_req_userdata(call->req), &folder);
}

/* 0 when it has replied. */
static int look_up(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_err *err)
{
	struct rsm_catalog *catalog = rsm_manager_catalog(fs->manager);
	struct rsm_medium medium;
	struct rsm_pool pool;
	int r = rsmfs_get_pool(fs, call->place.id, &pool, err);

	if (r < 0)
		return r;
	if (strcmp(call->name, ".") == 0) {
		reply_pool(fs, call, &pool);
		return 0;
	}
	if (strcmp(call->name, "..") == 0) {
		r = rsmfs_get_pool(fs, pool.parent, &pool, err);
		if (r == 0)
			reply_pool(fs, call, &pool);
		return r;
	}
	if (call->place.id == RSM_POOL_TOP && strcmp(call->name, ".rsm") == 0) {
		reply_control(call, 0);
		return 0;
	}
	if (strcmp(call->name, ".xdg-volume-info") == 0 && call->place.id == RSM_POOL_TOP) {
		reply_control(call, RSMFS_INFO_FILE);
		return 0;
	}
	if (call->name[0] == '.' || strlen(call->name) >= RSM_NAME_SIZE)
		return rsm_err_set(err, ENOENT, "%s: no such name", call->name);
	r = rsm_pool_find(catalog, call->place.id, call->name, &pool, err);
	if (r == 0)
		reply_pool(fs, call, &pool);
	if (r <= 0)
		return r;
	if (call->place.id != RSM_POOL_TOP) {
		r = rsm_medium_find(catalog, call->place.id, call->name, &medium, err);
		if (r == 0)
			return reply_medium(fs, call, &medium, err);
		if (r < 0)
			return r;
	}
	return rsm_err_set(err, ENOENT, "%s: no such pool or cartridge", call->name);
}

void rsmfs_pool_lookup(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsm_err err;
	int r = look_up(fs, call, &err);

	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
}

void rsmfs_pool_getattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsm_pool pool;
	struct rsm_err err;
	struct stat attr;
	int r = rsmfs_get_pool(fs, call->place.id, &pool, &err);

	if (r < 0) {
		rsmfs_reply_error(call->req, r, &err);
		return;
	}
	rsmfs_pool_attr(fs, &pool, &attr);
	fuse_reply_attr(call->req, &attr, rsmfs_pools_timeout_s);
}

/* ---- listings ---- */

struct filling {
	struct rsmfs_folder *folder;
	struct rsm_err *err;
	int r;
};

static bool add_pool(void *context, const struct rsm_pool *pool)
{
	struct filling *filling = context;

	filling->r = rsmfs_folder_add(filling->folder, rsmfs_pool_ino(pool->id), S_IFDIR,
				      pool->name, NULL, NULL, filling->err);
	return filling->r == 0;
}

static bool add_medium(void *context, const struct rsm_medium *medium)
{
	struct filling *filling = context;
	const char *name = rsmfs_is_allocated(medium) ? medium->name : medium->shown;

	filling->r = rsmfs_folder_add(filling->folder, rsmfs_node_ino(medium->id, RSM_NODE_ROOT),
				      S_IFDIR, name, NULL, NULL, filling->err);
	return filling->r == 0;
}

static int fill(struct rsmfs *fs, struct rsmfs_folder *folder, struct rsm_err *err)
{
	struct rsm_catalog *catalog = rsm_manager_catalog(fs->manager);
	struct filling filling = { .folder = folder, .err = err };
	int64_t id = folder->place.id;
	int r;

	rsmfs_folder_clear(folder);
	r = rsm_pool_list(catalog, id, NULL, add_pool, &filling, err);
	if (r == 0 && filling.r == 0 && id != RSM_POOL_TOP)
		r = rsm_medium_list(catalog, id, NULL, add_medium, &filling, err);
	if (r == 0)
		r = filling.r;
	folder->ended = r == 0;
	return r;
}

void rsmfs_pool_readdir(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsmfs_folder *folder = rsmfs_folder_enter(call);
	struct rsm_pool pool;
	struct rsm_err err;
	int r;

	r = rsmfs_get_pool(fs, call->place.id, &pool, &err);
	if (r == 0 && (call->offset == 0 || !folder->ended))
		r = fill(fs, folder, &err);
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		rsmfs_folder_reply_whole(folder, call, rsmfs_pool_ino(pool.parent));
	rsmfs_folder_leave(fs, folder);
}

/* ---- df ---- */

struct ids {
	int64_t *ids;
	size_t count, room;
	bool failed;
};

static void add_id(struct ids *ids, int64_t id)
{
	if (ids->count == ids->room) {
		size_t room = ids->room ? 2 * ids->room : 64;
		int64_t *grown = realloc(ids->ids, room * sizeof(*grown));

		if (!grown) {
			ids->failed = true;
			return;
		}
		ids->ids = grown;
		ids->room = room;
	}
	ids->ids[ids->count++] = id;
}

static bool add_medium_id(void *context, const struct rsm_medium *medium)
{
	if (!medium->cleaner)
		add_id(context, medium->id);
	return true;
}

static bool add_pool_id(void *context, const struct rsm_pool *pool)
{
	add_id(context, pool->id);
	return true;
}

/* All media of a pool and of those in it. */
static int collect_media(struct rsm_catalog *catalog, int64_t pool, struct ids *media,
			 struct rsm_err *err)
{
	struct ids pools = { 0 };
	int r = 0;

	if (pool == RSM_POOL_TOP)
		return rsm_medium_list_all(catalog, 0, add_medium_id, media, err);
	add_id(&pools, pool);
	for (size_t i = 0; r == 0 && i < pools.count; i++) {
		r = rsm_medium_list_pool(catalog, pools.ids[i], "", add_medium_id, media, err);
		if (r == 0)
			r = rsm_pool_list(catalog, pools.ids[i], NULL, add_pool_id, &pools, err);
	}
	media->failed |= pools.failed;
	free(pools.ids);
	return r;
}

void rsmfs_statfs(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct statvfs answer = { .f_bsize = 4096,
				  .f_frsize = 4096,
				  .f_files = (fsfilcnt_t)1 << 40,
				  .f_ffree = (fsfilcnt_t)1 << 40,
				  .f_favail = (fsfilcnt_t)1 << 40,
				  .f_namemax = RSM_NODE_NAME_MAX };
	struct ids media = { 0 };
	struct rsm_err err;
	int r = 0;

	if (call->place.kind == RSMFS_PLACE_NODE)
		add_id(&media, call->place.id);
	else
		r = collect_media(rsm_manager_catalog(fs->manager),
				  call->place.kind == RSMFS_PLACE_POOL ? call->place.id
								       : RSM_POOL_TOP,
				  &media, &err);
	if (r == 0 && media.failed)
		r = rsm_err_oom(&err);
	for (size_t i = 0; r == 0 && i < media.count; i++) {
		uint64_t total, left;

		r = rsm_manager_space(fs->manager, media.ids[i], &total, &left, &err);
		/* of many, one may have gone meanwhile */
		if (r < 0 && media.count > 1) {
			r = 0;
			continue;
		}
		answer.f_blocks += total / answer.f_frsize;
		answer.f_bfree += left / answer.f_frsize;
	}
	free(media.ids);
	answer.f_bavail = answer.f_bfree;
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		fuse_reply_statfs(call->req, &answer);
}
