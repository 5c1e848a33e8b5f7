/* .rsm/views/BARCODE/GENERATION/: older generations of cartridges (core/view.h). What is in one is
 * shown by the same handlers as what is in a cartridge; its root has owner and mode of the
 * cartridge, and whoever may not reach that may not enter it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/view.h"
#include "fs/access.h"
#include "fs/contents.h"
#include "fs/folder.h"

static void fill_folder(const struct rsmfs *fs, int64_t medium, struct stat *attr)
{
	*attr = (struct stat){
		.st_ino = rsmfs_views_ino(medium),
		.st_mode = S_IFDIR | 0555,
		.st_nlink = 2,
		.st_uid = fs->admin,
		.st_gid = fs->admin_gid,
		.st_blksize = 4096,
		.st_atim = fs->mounted_at,
		.st_mtim = fs->mounted_at,
		.st_ctim = fs->mounted_at,
	};
}

static void fill_folder_entry(const struct rsmfs *fs, int64_t medium,
			      struct fuse_entry_param *entry)
{
	*entry = (struct fuse_entry_param){ .ino = rsmfs_views_ino(medium),
					    .generation = 1,
					    .attr_timeout = rsmfs_pools_timeout_s,
					    .entry_timeout = rsmfs_pools_timeout_s };
	fill_folder(fs, medium, &entry->attr);
}

void rsmfs_views_entry(struct rsmfs *fs, struct fuse_entry_param *ret_entry)
{
	fill_folder_entry(fs, 0, ret_entry);
}

/* ---- the root of a view ---- */

static int get_view(struct rsmfs *fs, int64_t id, struct rsm_view_info *ret_info,
		    struct rsm_content **ret_content, struct rsm_err *err)
{
	if (rsm_view_content(fs->manager, rsmfs_view_number(id), ret_content, ret_info) != 0)
		return rsm_err_set(err, ESTALE, "the view has ended");
	return 0;
}

/* Owner and mode are the cartridge's as it is now, times those of that generation. */
static int root_attr(struct rsmfs *fs, int64_t id, struct stat *ret_attr,
		     struct rsm_medium *ret_medium, struct rsm_err *err)
{
	struct rsm_content *content;
	struct rsm_view_info info;
	struct rsm_node node;
	int r = get_view(fs, id, &info, &content, err);

	if (r < 0)
		return r;
	r = rsmfs_get_medium(fs, info.medium, ret_medium, err);
	if (r == 0)
		r = rsmfs_medium_attr(fs, ret_medium, ret_attr, err);
	if (r == 0 && rsm_content_get(content, RSM_NODE_ROOT, &node, err) == 0) {
		ret_attr->st_atim = node.times.accessed;
		ret_attr->st_mtim = node.times.modified;
		ret_attr->st_ctim = node.times.changed;
	}
	ret_attr->st_ino = rsmfs_node_ino(id, RSM_NODE_ROOT);
	rsm_view_content_unref(content);
	return r;
}

/* Pools above it do not stand in its path: they are asked here, each time, so nothing is cached. */
static int reply_root(struct rsmfs *fs, struct rsmfs_call *call, int64_t id, struct rsm_err *err)
{
	struct fuse_entry_param entry = { .ino = rsmfs_node_ino(id, RSM_NODE_ROOT),
					  .generation = 1,
					  .attr_timeout = rsmfs_pools_timeout_s };
	RSM_FREE struct rsmfs_caller *caller = NULL;
	struct rsm_medium medium;
	int r = root_attr(fs, id, &entry.attr, &medium, err);

	if (r == 0)
		r = rsmfs_caller_of(call->req, &caller, err);
	if (r == 0)
		r = rsmfs_access_medium(rsm_manager_catalog(fs->manager), caller, fs->admin,
					&medium, RSMFS_EXECUTE, err);
	if (r < 0)
		return r;
	fuse_reply_entry(call->req, &entry);
	return 0;
}

/* ---- .rsm/views and the cartridges in it ---- */

static void reply_folder(struct rsmfs *fs, struct rsmfs_call *call, int64_t medium)
{
	struct fuse_entry_param entry;

	fill_folder_entry(fs, medium, &entry);
	fuse_reply_entry(call->req, &entry);
}

static void reply_control_folder(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsmfs_call folder = *call;

	folder.place = (struct rsmfs_place){ .kind = RSMFS_PLACE_CONTROL };
	folder.name = ".";
	rsmfs_namespace_control.lookup(fs, &folder);
}

static bool parse_generation(const char *name, uint64_t *ret_generation)
{
	char *end;

	if (*name < '1' || *name > '9' || name[strspn(name, "0123456789")])
		return false;
	errno = 0;
	*ret_generation = strtoull(name, &end, 10);
	return errno == 0;
}

/* 0 when it has replied. */
static int look_up_folder(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_err *err)
{
	struct rsm_view_info infos[RSM_VIEWS_MAX];
	uint64_t generation;
	size_t count;

	if (strcmp(call->name, ".") == 0) {
		reply_folder(fs, call, call->place.id);
		return 0;
	}
	if (strcmp(call->name, "..") == 0) {
		if (call->place.id)
			reply_folder(fs, call, 0);
		else
			reply_control_folder(fs, call);
		return 0;
	}
	if (call->place.id) {
		if (parse_generation(call->name, &generation) &&
		    rsm_view_find(fs->manager, call->place.id, generation, infos) == 0)
			return reply_root(fs, call, rsmfs_view_id(infos[0].number), err);
		return rsm_err_set(err, ENOENT, "%s: no such view", call->name);
	}
	count = rsm_view_list(fs->manager, 0, infos);
	for (size_t i = 0; i < count; i++)
		if (strcmp(infos[i].barcode, call->name) == 0) {
			reply_folder(fs, call, infos[i].medium);
			return 0;
		}
	return rsm_err_set(err, ENOENT, "%s: no views of such a cartridge", call->name);
}

static void lookup_folder(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsm_err err;
	int r = look_up_folder(fs, call, &err);

	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
}

static void getattr_folder(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct stat attr;

	fill_folder(fs, call->place.id, &attr);
	fuse_reply_attr(call->req, &attr, rsmfs_pools_timeout_s);
}

static int fill_listing(struct rsmfs *fs, struct rsmfs_folder *folder, struct rsm_err *err)
{
	struct rsm_view_info infos[RSM_VIEWS_MAX];
	size_t count = rsm_view_list(fs->manager, folder->place.id, infos);
	int r = 0;

	rsmfs_folder_clear(folder);
	for (size_t i = 0; r == 0 && i < count; i++) {
		char name[24];

		snprintf(name, sizeof(name), "%" PRIu64, infos[i].generation);
		if (folder->place.id)
			r = rsmfs_folder_add(
				folder,
				rsmfs_node_ino(rsmfs_view_id(infos[i].number), RSM_NODE_ROOT),
				S_IFDIR, name, NULL, NULL, err);
		else if (i == 0 || infos[i].medium != infos[i - 1].medium)
			r = rsmfs_folder_add(folder, rsmfs_views_ino(infos[i].medium), S_IFDIR,
					     infos[i].barcode, NULL, NULL, err);
	}
	folder->ended = r == 0;
	return r;
}

static void readdir_folder(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsmfs_folder *folder = rsmfs_folder_enter(call);
	struct rsm_err err;
	int r = 0;

	if (call->offset == 0 || !folder->ended)
		r = fill_listing(fs, folder, &err);
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		rsmfs_folder_reply_whole(
			folder, call, call->place.id ? rsmfs_views_ino(0) : rsmfs_control_ino(0));
	rsmfs_folder_leave(fs, folder);
}

const struct rsmfs_namespace rsmfs_namespace_views = {
	.lookup = lookup_folder,
	.getattr = getattr_folder,
	.opendir = rsmfs_folder_open,
	.readdir = readdir_folder,
	.releasedir = rsmfs_folder_release,
	.statfs = rsmfs_statfs,
};

/* ---- what is in a view ---- */

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* "." and "..", where they lead to the root or out of it. Outcome 1: they do not. */
static int look_up_dots(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_err *err)
{
	uint64_t at = call->place.node;
	struct rsm_content *content;
	struct rsm_view_info info;
	struct rsm_node node;
	bool up = call->name[1] == '.';
	int r = get_view(fs, call->place.id, &info, &content, err);

	if (r < 0)
		return r;
	if (up && at != RSM_NODE_ROOT) {
		r = rsm_content_get(content, at, &node, err);
		if (r == 0)
			at = node.parent;
		up = false;
	}
	rsm_view_content_unref(content);
	if (r < 0)
		return r;
	if (up) {
		reply_folder(fs, call, info.medium);
		return 0;
	}
	return at == RSM_NODE_ROOT ? reply_root(fs, call, call->place.id, err) : 1;
}

static void lookup(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsm_err err;
	int r = is_dots(call->name) ? look_up_dots(fs, call, &err) : 1;

	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else if (r > 0)
		rsmfs_namespace_contents.lookup(fs, call);
}

static void getattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsm_medium medium;
	struct rsm_err err;
	struct stat attr;
	int r;

	if (call->place.node != RSM_NODE_ROOT) {
		rsmfs_namespace_contents.getattr(fs, call);
		return;
	}
	r = root_attr(fs, call->place.id, &attr, &medium, &err);
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		fuse_reply_attr(call->req, &attr, rsmfs_pools_timeout_s);
}

static void read_link(struct rsmfs *fs, struct rsmfs_call *call)
{
	rsmfs_namespace_contents.readlink(fs, call);
}

/* ---- extended attributes of the root ---- */

/* Outcome 1: there is no such one. */
static int get_of_root(struct rsmfs *fs, const struct rsmfs_call *call, struct rsm_text *value,
		       struct rsm_err *err)
{
	struct rsm_content *content;
	struct rsm_view_info info;
	bool is_default;
	int r = get_view(fs, call->place.id, &info, &content, err);

	if (r < 0)
		return r;
	rsm_view_content_unref(content);
	if (rsmfs_xattr_is_acl(call->name, &is_default))
		return rsm_catalog_get_xattr(rsm_manager_catalog(fs->manager), 'm', info.medium,
					     call->name, value, err);
	if (strcmp(call->name, "user.rsm.generation") == 0)
		rsm_text_printf(value, "%" PRIu64, info.generation);
	else if (strcmp(call->name, "user.rsm.barcode") == 0)
		rsm_text_add(value, info.barcode);
	else
		return 1;
	return value->failed ? rsm_err_oom(err) : 0;
}

static void getxattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSM_TEXT struct rsm_text value = { 0 };
	struct rsm_err err;
	bool is_default;
	int r;

	if (call->place.node != RSM_NODE_ROOT || (strncmp(call->name, "user.rsm.", 9) != 0 &&
						  !rsmfs_xattr_is_acl(call->name, &is_default))) {
		rsmfs_node_getxattr(fs, call);
		return;
	}
	r = get_of_root(fs, call, &value, &err);
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else if (r > 0)
		fuse_reply_err(call->req, ENODATA);
	else
		rsmfs_reply_xattr(call->req, value.data, value.length, call->size);
}

/* ---- changes, and the rest ---- */

static void refuse(struct rsmfs *fs, struct rsmfs_call *call)
{
	(void)fs;
	fuse_reply_err(call->req, EROFS);
}

static void statfs(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsm_content *content;
	struct rsm_view_info info;
	struct rsm_err err;
	int r = get_view(fs, call->place.id, &info, &content, &err);

	if (r < 0) {
		rsmfs_reply_error(call->req, r, &err);
		return;
	}
	rsm_view_content_unref(content);
	call->place = (struct rsmfs_place){ .kind = RSMFS_PLACE_NODE,
					    .id = info.medium,
					    .node = RSM_NODE_ROOT };
	rsmfs_statfs(fs, call);
}

const struct rsmfs_namespace rsmfs_namespace_view = {
	.lookup = lookup,
	.getattr = getattr,
	.setattr = refuse,
	.readlink = read_link,
	.mknod = refuse,
	.mkdir = refuse,
	.unlink = refuse,
	.rmdir = refuse,
	.symlink = refuse,
	.open = rsmfs_file_open,
	.create = refuse,
	.read = rsmfs_file_read,
	.write = refuse,
	.flush = rsmfs_file_flush,
	.release = rsmfs_file_release,
	.fsync = rsmfs_file_fsync,
	.fallocate = refuse,
	.opendir = rsmfs_contents_opendir,
	.readdir = rsmfs_contents_readdir,
	.releasedir = rsmfs_folder_release,
	.statfs = statfs,
	.setxattr = refuse,
	.getxattr = getxattr,
	.listxattr = rsmfs_node_listxattr,
	.removexattr = refuse,
};
