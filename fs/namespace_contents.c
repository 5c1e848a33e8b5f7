/* The tree of a cartridge: names and attributes. Its root folder takes owner, group and mode from
 * the medium's record.
 */
#include <stdlib.h>
#include <string.h>

#include "fs/acl.h"
#include "fs/birth.h"
#include "fs/contents.h"
#include "fs/folder.h"
#include "fs/notify.h"

static int refuse_without_contents(struct rsm_err *err)
{
	return rsm_err_set(err, EROFS, "not an allocated cartridge");
}

/* ---- lookup ---- */

static int reply_root(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_err *err)
{
	struct fuse_entry_param entry = { .ino = rsmfs_node_ino(call->place.id, RSM_NODE_ROOT),
					  .attr_timeout = rsmfs_pools_timeout_s,
					  .entry_timeout = rsmfs_pools_timeout_s };
	struct rsm_medium medium;
	int r = rsmfs_get_medium(fs, call->place.id, &medium, err);

	if (r == 0)
		r = rsmfs_medium_attr(fs, &medium, &entry.attr, err);
	if (r < 0)
		return r;
	entry.generation = medium.format_generation + 1u;
	fuse_reply_entry(call->req, &entry);
	return 0;
}

static int reply_pool_of(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_err *err)
{
	struct rsmfs_call folder = *call;
	struct rsm_medium medium;
	int r = rsmfs_get_medium(fs, call->place.id, &medium, err);

	if (r < 0)
		return r;
	folder.place = (struct rsmfs_place){ .kind = RSMFS_PLACE_POOL, .id = medium.pool };
	folder.name = ".";
	rsmfs_pool_lookup(fs, &folder);
	return 0;
}

/* "." and ".." come from an NFS server only. 0 when it has replied; outcome ABSENT. */
static int look_up(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_content *content,
		   struct rsm_err *err)
{
	struct fuse_entry_param entry;
	uint64_t id = call->place.node;
	struct rsm_node node;
	int r;

	if (strcmp(call->name, ".") != 0 && strcmp(call->name, "..") != 0) {
		r = rsm_content_lookup(content, id, call->name, &node, err);
	} else {
		if (call->name[1] == '.' && id == RSM_NODE_ROOT)
			return reply_pool_of(fs, call, err);
		r = rsm_content_get(content, id, &node, err);
		if (r == 0 && call->name[1] == '.') {
			id = node.parent;
			r = rsm_content_get(content, id, &node, err);
		}
		if (r == 0 && node.id == RSM_NODE_ROOT)
			return reply_root(fs, call, err);
	}
	if (r)
		return r;
	rsmfs_node_entry(fs, call->place.id, &node, &entry);
	fuse_reply_entry(call->req, &entry);
	return 0;
}

static void lookup(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct fuse_entry_param nothing = { .entry_timeout = rsmfs_contents_timeout_s };
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	struct rsm_err err;
	int r = rsmfs_contents_init(&at, fs, call, RSMFS_BROWSE, &err);

	if (r == RSMFS_CONTENTS_PARKED)
		return;
	if (r == RSMFS_CONTENTS_NONE) {
		nothing.entry_timeout = rsmfs_pools_timeout_s;
		fuse_reply_entry(call->req, &nothing);
		return;
	}
	if (r == 0)
		r = look_up(fs, call, at.content, &err);
	/* a name that cannot be made is not there either */
	if (r == -EILSEQ || r == -EINVAL)
		r = RSM_NODE_ABSENT;
	if (r == RSM_NODE_ABSENT)
		fuse_reply_entry(call->req, &nothing);
	else if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
}

/* ---- attributes ---- */

static int root_attr(struct rsmfs *fs, struct rsmfs_call *call, struct stat *ret_attr,
		     struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = rsmfs_get_medium(fs, call->place.id, &medium, err);

	return r < 0 ? r : rsmfs_medium_attr(fs, &medium, ret_attr, err);
}

static void getattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	bool is_root = call->place.node == RSM_NODE_ROOT;
	struct rsm_node node;
	struct rsm_err err;
	struct stat attr;
	int r;

	if (is_root) {
		r = root_attr(fs, call, &attr, &err);
	} else {
		r = rsmfs_contents_init(&at, fs, call, 0, &err);
		if (r == RSMFS_CONTENTS_PARKED)
			return;
		if (r == RSMFS_CONTENTS_NONE)
			r = rsm_err_set(&err, ESTALE, "the file is gone");
		if (r == 0)
			r = rsmfs_contents_get(&at, call->place.node, &node, &err);
		if (r == 0)
			rsmfs_node_attr(fs, at.medium, &node, &attr);
	}
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		fuse_reply_attr(call->req, &attr,
				is_root ? rsmfs_pools_timeout_s : rsmfs_contents_timeout_s);
}

/* The times that FUSE's bits set, as content wants them. */
static unsigned take_times(const struct rsmfs_call *call, struct rsm_node *values)
{
	unsigned what = 0;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (call->flags & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW)) {
		values->times.accessed =
			call->flags & FUSE_SET_ATTR_ATIME_NOW ? now : call->attr.st_atim;
		what |= RSM_SET_ACCESSED;
	}
	if (call->flags & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) {
		values->times.modified =
			call->flags & FUSE_SET_ATTR_MTIME_NOW ? now : call->attr.st_mtim;
		what |= RSM_SET_MODIFIED;
	}
	if (call->flags & FUSE_SET_ATTR_CTIME) {
		values->times.changed = call->attr.st_ctim;
		what |= RSM_SET_CHANGED;
	}
	return what;
}

static int setattr_root(struct rsmfs *fs, struct rsmfs_call *call, struct stat *ret_attr,
			struct rsm_err *err)
{
	enum { RECORD = FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID };
	struct rsm_content *content;
	struct rsm_medium medium;
	struct rsm_node node = { 0 };
	unsigned times = take_times(call, &node);
	int r = rsmfs_get_medium(fs, call->place.id, &medium, err);

	if (r < 0)
		return r;
	if ((call->flags & RECORD) || !rsmfs_is_allocated(&medium)) {
		r = rsmfs_medium_setattr(fs, call, &medium, err);
		if (r < 0)
			return r;
	}
	if (times) {
		r = rsm_manager_content(fs->manager, medium.id, &content, err);
		if (r == 0) {
			r = rsm_content_set_attributes(content, RSM_NODE_ROOT, times, &node, &node,
						       err);
			rsm_manager_content_unref(fs->manager, content);
		}
		if (r < 0)
			return r;
	}
	return rsmfs_medium_attr(fs, &medium, ret_attr, err);
}

/* A node that had no owner and mode of its own gets what it showed, then the change. */
static int own_permissions(const struct rsmfs_contents *at, const struct rsmfs_call *call,
			   struct rsm_node *values, unsigned *what, struct rsm_err *err)
{
	struct rsm_node old;
	int r = rsmfs_contents_get(at, call->place.node, &old, err);

	if (r < 0)
		return r;
	if (!(old.flags & RSM_NODE_HAS_UNIX))
		*what |= RSM_SET_MODE | RSM_SET_OWNER | RSM_SET_GROUP;
	rsmfs_node_defaults(at->fs, &old);
	values->flags = old.flags | RSM_NODE_HAS_UNIX;
	values->mode = old.mode;
	values->owner = old.owner;
	values->group = old.group;
	if (call->flags & FUSE_SET_ATTR_MODE) {
		values->mode = call->attr.st_mode & 07777;
		*what |= RSM_SET_MODE;
	}
	if (call->flags & FUSE_SET_ATTR_UID) {
		values->owner = call->attr.st_uid;
		*what |= RSM_SET_OWNER;
	}
	if (call->flags & FUSE_SET_ATTR_GID) {
		values->group = call->attr.st_gid;
		*what |= RSM_SET_GROUP;
	}
	return 0;
}

static int chmod_acl(const struct rsmfs_contents *at, const struct rsm_node *node,
		     struct rsm_err *err)
{
	RSM_TEXT struct rsm_text old = { 0 };
	RSM_TEXT struct rsm_text new = { 0 };
	int r;

	if (!(node->flags & RSM_NODE_HAS_XATTRS))
		return 0;
	r = rsm_content_get_xattr(at->content, node->id, RSMFS_KEY_ACL_ACCESS, &old, err);
	if (r)
		return r < 0 ? r : 0;
	r = rsmfs_acl_chmod(old.data, old.length, node->mode, &new, err);
	if (r < 0)
		return r;
	return rsm_content_set_xattr(at->content, node->id, RSMFS_KEY_ACL_ACCESS, new.data,
				     new.length, 0, err);
}

static int setattr_node(const struct rsmfs_contents *at, const struct rsmfs_call *call,
			struct rsm_node *ret_node, struct rsm_err *err)
{
	enum { PERMISSIONS = FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID };
	struct rsm_node values = { .id = call->place.node };
	unsigned what = take_times(call, &values);
	int r = 0;

	if (call->flags & PERMISSIONS)
		r = own_permissions(at, call, &values, &what, err);
	if (call->flags & FUSE_SET_ATTR_SIZE) {
		values.size = (uint64_t)call->attr.st_size;
		what |= RSM_SET_SIZE;
	}
	if (r == 0)
		r = rsm_content_set_attributes(at->content, call->place.node, what, &values,
					       ret_node, err);
	if (r == RSM_NODE_ABSENT)
		return rsm_err_set(err, ESTALE, "the file is gone");
	if (r == 0 && (call->flags & FUSE_SET_ATTR_MODE))
		r = chmod_acl(at, ret_node, err);
	return r;
}

static void setattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	bool is_root = call->place.node == RSM_NODE_ROOT;
	struct rsm_node node;
	struct rsm_err err;
	struct stat attr;
	int r;

	if (is_root) {
		r = setattr_root(fs, call, &attr, &err);
	} else {
		r = rsmfs_contents_init(&at, fs, call, 0, &err);
		if (r == RSMFS_CONTENTS_PARKED)
			return;
		if (r == RSMFS_CONTENTS_NONE)
			r = refuse_without_contents(&err);
		if (r == 0)
			r = setattr_node(&at, call, &node, &err);
		if (r == 0)
			rsmfs_node_attr(fs, at.medium, &node, &attr);
	}
	rsmfs_changed(fs, call->place.id);
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		fuse_reply_attr(call->req, &attr,
				is_root ? rsmfs_pools_timeout_s : rsmfs_contents_timeout_s);
}

static void read_link(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	RSM_FREE char *target = NULL;
	struct rsm_err err;
	int r = rsmfs_contents_init(&at, fs, call, 0, &err);

	if (r == RSMFS_CONTENTS_PARKED)
		return;
	if (r == RSMFS_CONTENTS_NONE)
		r = rsm_err_set(&err, ESTALE, "the link is gone");
	if (r == 0)
		r = rsm_content_link_target(at.content, call->place.node, &target, &err);
	if (r == RSM_NODE_ABSENT)
		r = rsm_err_set(&err, ESTALE, "the link is gone");
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		fuse_reply_readlink(call->req, target);
}

/* ---- making and removing ---- */

static int make(const struct rsmfs_contents *at, const struct rsmfs_call *call,
		enum rsm_node_kind kind, struct rsm_node *ret_node, struct rsm_err *err)
{
	RSMFS_BIRTH struct rsmfs_birth birth = { 0 };
	int r = rsmfs_contents_birth(at, call, kind == RSM_NODE_FOLDER, &birth, err);

	if (r < 0)
		return r;
	rsmfs_node_from_birth(&birth, kind, ret_node);
	r = rsm_content_make(at->content, call->place.node, call->name, ret_node,
			     kind == RSM_NODE_LINK ? call->data : NULL, err);
	if (r == 0 && kind != RSM_NODE_LINK)
		r = rsmfs_contents_give_acls(at, ret_node->id, &birth, err);
	return r;
}

static void make_kind(struct rsmfs *fs, struct rsmfs_call *call, enum rsm_node_kind kind)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	struct fuse_entry_param entry;
	struct rsm_node node;
	struct rsm_err err;
	int r = rsmfs_contents_init(&at, fs, call, 0, &err);

	if (r == RSMFS_CONTENTS_PARKED)
		return;
	if (r == RSMFS_CONTENTS_NONE)
		r = refuse_without_contents(&err);
	if (r == 0)
		r = make(&at, call, kind, &node, &err);
	rsmfs_changed(fs, call->place.id);
	if (r < 0) {
		rsmfs_reply_error(call->req, r, &err);
		return;
	}
	rsmfs_node_entry(fs, at.medium, &node, &entry);
	fuse_reply_entry(call->req, &entry);
}

static void mknod_in_folder(struct rsmfs *fs, struct rsmfs_call *call)
{
	if (!S_ISREG(call->mode))
		fuse_reply_err(call->req, EPERM);
	else
		make_kind(fs, call, RSM_NODE_FILE);
}

static void mkdir_in_folder(struct rsmfs *fs, struct rsmfs_call *call)
{
	make_kind(fs, call, RSM_NODE_FOLDER);
}

static void symlink_in_folder(struct rsmfs *fs, struct rsmfs_call *call)
{
	make_kind(fs, call, RSM_NODE_LINK);
}

static void remove_kind(struct rsmfs *fs, struct rsmfs_call *call, bool folder)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	struct rsm_err err;
	int r = rsmfs_contents_init(&at, fs, call, 0, &err);

	if (r == RSMFS_CONTENTS_PARKED)
		return;
	if (r == RSMFS_CONTENTS_NONE)
		r = refuse_without_contents(&err);
	if (r == 0)
		r = rsm_content_remove(at.content, call->place.node, call->name, folder, &err);
	rsmfs_changed(fs, call->place.id);
	rsmfs_reply_result(call->req, r, &err);
}

static void unlink_in_folder(struct rsmfs *fs, struct rsmfs_call *call)
{
	remove_kind(fs, call, false);
}

static void rmdir_in_folder(struct rsmfs *fs, struct rsmfs_call *call)
{
	remove_kind(fs, call, true);
}

void rsmfs_contents_rename(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	struct rsm_err err;
	int r = rsmfs_contents_init(&at, fs, call, 0, &err);

	if (r == RSMFS_CONTENTS_PARKED)
		return;
	if (r == RSMFS_CONTENTS_NONE)
		r = refuse_without_contents(&err);
	if (r == 0)
		r = rsm_content_rename(at.content, call->place.node, call->name, call->other.node,
				       call->other_name, (unsigned)call->flags, &err);
	rsmfs_changed(fs, call->place.id);
	rsmfs_reply_result(call->req, r, &err);
}

static void fsyncdir(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	struct rsm_err err;
	int r = rsmfs_contents_init(&at, fs, call, 0, &err);

	if (r == RSMFS_CONTENTS_PARKED)
		return;
	if (r == 0)
		r = rsm_content_sync(at.content, &err);
	rsmfs_reply_result(call->req, r, &err);
}

const struct rsmfs_namespace rsmfs_namespace_contents = {
	.lookup = lookup,
	.getattr = getattr,
	.setattr = setattr,
	.readlink = read_link,
	.mknod = mknod_in_folder,
	.mkdir = mkdir_in_folder,
	.unlink = unlink_in_folder,
	.rmdir = rmdir_in_folder,
	.symlink = symlink_in_folder,
	.open = rsmfs_file_open,
	.create = rsmfs_file_create,
	.read = rsmfs_file_read,
	.write = rsmfs_file_write,
	.flush = rsmfs_file_flush,
	.release = rsmfs_file_release,
	.fsync = rsmfs_file_fsync,
	.fallocate = rsmfs_file_fallocate,
	.opendir = rsmfs_contents_opendir,
	.readdir = rsmfs_contents_readdir,
	.releasedir = rsmfs_folder_release,
	.fsyncdir = fsyncdir,
	.statfs = rsmfs_statfs,
	.setxattr = rsmfs_node_setxattr,
	.getxattr = rsmfs_node_getxattr,
	.listxattr = rsmfs_node_listxattr,
	.removexattr = rsmfs_node_removexattr,
};
