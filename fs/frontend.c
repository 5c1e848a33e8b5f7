#include "fs/frontend.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fs/namespace.h"
#include "fs/parking.h"

/* ---- answers ---- */

void rsmfs_reply_error(fuse_req_t req, int r, const struct rsm_err *err)
{
	int code = r < 0 && r > -512 ? -r : EIO;

	if (code == EIO)
		rsm_log_error("%s", err ? err->msg : "input/output error");
	else if (err && err->msg[0])
		rsm_log_debug(RSM_ROOM_FUSE, "%s: %s", strerrorname_np(code), err->msg);
	fuse_reply_err(req, code);
}

void rsmfs_reply_done(fuse_req_t req)
{
	fuse_reply_err(req, 0);
}

void rsmfs_reply_result(fuse_req_t req, int r, const struct rsm_err *err)
{
	if (r < 0)
		rsmfs_reply_error(req, r, err);
	else
		rsmfs_reply_done(req);
}

void rsmfs_reply_xattr(fuse_req_t req, const void *value, size_t length, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, length);
	else if (length > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, length ? value : "", length);
}

/* ---- who asks ---- */

int rsmfs_caller_of(fuse_req_t req, struct rsmfs_caller **ret_caller, struct rsm_err *err)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	RSM_FREE gid_t *groups = NULL;
	int count = fuse_req_getgroups(req, 0, NULL), had = 0;

	if (count > 0) {
		groups = calloc((size_t)count, sizeof(*groups));
		if (!groups)
			return rsm_err_oom(err);
		had = fuse_req_getgroups(req, count, groups);
		/* fewer rights is the safe way out of a list that changed meanwhile */
		if (had < 0 || had > count)
			had = 0;
	}
	return rsmfs_caller_new(ctx->uid, ctx->gid, ctx->pid, groups, (size_t)had, ret_caller, err);
}

bool rsmfs_is_admin(const struct rsmfs *fs, fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	RSM_FREE struct rsmfs_caller *caller = NULL;

	if (ctx->uid == 0 || ctx->uid == fs->admin)
		return true;
	if (!fs->options->has_admin_group)
		return false;
	if (ctx->gid == fs->options->admin_group)
		return true;
	if (rsmfs_caller_of(req, &caller, NULL) < 0)
		return false;
	for (size_t i = 0; i < caller->group_count; i++)
		if (caller->groups[i] == fs->options->admin_group)
			return true;
	return false;
}

bool rsmfs_owns(const struct rsmfs *fs, fuse_req_t req, uid_t owner)
{
	return fuse_req_ctx(req)->uid == owner || rsmfs_is_admin(fs, req);
}

/* ---- handles ---- */

void rsmfs_handle_init(struct rsmfs *fs, struct rsmfs_handle *handle,
		       void (*close)(struct rsmfs *fs, struct rsmfs_handle *handle))
{
	atomic_init(&handle->refs, 1);
	handle->close = close;
	RSM_LOCK_SCOPE(&fs->handles_lock);
	rsm_list_append(&fs->handles, &handle->link);
}

struct rsmfs_handle *rsmfs_handle_ref(struct rsmfs_handle *handle)
{
	atomic_fetch_add(&handle->refs, 1);
	return handle;
}

void rsmfs_handle_unref(struct rsmfs *fs, struct rsmfs_handle *handle)
{
	if (atomic_fetch_sub(&handle->refs, 1) != 1)
		return;
	rsm_mutex_lock(&fs->handles_lock);
	rsm_list_remove(&handle->link);
	rsm_mutex_unlock(&fs->handles_lock);
	handle->close(fs, handle);
}

int rsmfs_init(struct rsmfs *fs, struct rsm_err *err)
{
	rsm_mutex_init(&fs->handles_lock);
	rsm_list_init(&fs->handles);
	clock_gettime(CLOCK_REALTIME, &fs->mounted_at);
	return rsmfs_parking_new(fs, &fs->parking, err);
}

void rsmfs_fini(struct rsmfs *fs)
{
	for (;;) {
		struct rsmfs_handle *handle = NULL;

		rsm_mutex_lock(&fs->handles_lock);
		if (!rsm_list_is_empty(&fs->handles)) {
			handle = RSM_CONTAINER_OF(fs->handles.next, struct rsmfs_handle, link);
			rsm_list_remove(&handle->link);
		}
		rsm_mutex_unlock(&fs->handles_lock);
		if (!handle)
			return;
		rsmfs_handle_unref(fs, handle);
	}
}

/* ---- operations: each makes a call and runs it ---- */

static const struct rsmfs_namespace *namespace_of(struct rsmfs_place place)
{
	switch (place.kind) {
	case RSMFS_PLACE_POOL: return &rsmfs_namespace_pool;
	case RSMFS_PLACE_NODE: return &rsmfs_namespace_contents;
	case RSMFS_PLACE_CONTROL: return &rsmfs_namespace_control;
	case RSMFS_PLACE_VIEWS: return &rsmfs_namespace_views;
	case RSMFS_PLACE_VIEW: return &rsmfs_namespace_view;
	case RSMFS_PLACE_NONE: break;
	}
	return NULL;
}

static void run(struct rsmfs_call *call, rsmfs_handler *handler, int otherwise)
{
	if (!handler) {
		fuse_reply_err(call->req, otherwise);
		return;
	}
	call->run = handler;
	handler(fuse_req_userdata(call->req), call);
}

#define RUN_OR(call, operation, otherwise)                                                         \
	do {                                                                                       \
		const struct rsmfs_namespace *space_ = namespace_of((call)->place);                \
		run((call), space_ ? space_->operation : NULL, space_ ? (otherwise) : ESTALE);     \
	} while (0)
#define RUN(call, operation) RUN_OR(call, operation, EPERM)

#define CALL(req_, ino_, ...)                                                                      \
	{                                                                                          \
		.req = (req_), .place = rsmfs_place_of(ino_), __VA_ARGS__                          \
	}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct rsmfs_call call = CALL(req, parent, .name = name);

	RUN_OR(&call, lookup, ENOENT);
}

static void forget_one(struct rsmfs *fs, fuse_ino_t ino)
{
	struct rsmfs_place place = rsmfs_place_of(ino);
	struct rsm_content *content;

	/* only a node without a name cares */
	if (place.kind != RSMFS_PLACE_NODE || place.node == RSM_NODE_ROOT)
		return;
	if (rsm_manager_content(fs->manager, place.id, &content, NULL) != 0)
		return;
	rsm_content_forget(content, place.node);
	rsm_manager_content_unref(fs->manager, content);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	(void)count; /* the kernel always gives back all it has of an inode */
	forget_one(fuse_req_userdata(req), ino);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget_one(fuse_req_userdata(req), forgets[i].ino);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct rsmfs_call call = CALL(req, ino, .has_file = file != NULL);

	if (file)
		call.file = *file;
	RUN(&call, getattr);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		       struct fuse_file_info *file)
{
	struct rsmfs_call call =
		CALL(req, ino, .attr = *attr, .flags = to_set, .has_file = file != NULL);

	if (file)
		call.file = *file;
	RUN(&call, setattr);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct rsmfs_call call = CALL(req, ino, );

	RUN_OR(&call, readlink, EINVAL);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	struct rsmfs_call call = CALL(req, parent, .name = name, .mode = mode);

	(void)device;
	RUN(&call, mknod);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct rsmfs_call call = CALL(req, parent, .name = name, .mode = mode);

	RUN(&call, mkdir);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct rsmfs_call call = CALL(req, parent, .name = name);

	RUN(&call, unlink);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct rsmfs_call call = CALL(req, parent, .name = name);

	RUN(&call, rmdir);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct rsmfs_call call =
		CALL(req, parent, .name = name, .data = target, .size = strlen(target) + 1);

	RUN(&call, symlink);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		      const char *new_name, unsigned flags)
{
	struct rsmfs_call call = CALL(req, parent, .other = rsmfs_place_of(new_parent),
				      .name = name, .other_name = new_name, .flags = (int)flags);

	run(&call, rsmfs_rename, EPERM);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	(void)ino;
	(void)new_parent;
	(void)new_name;
	fuse_reply_err(req, EPERM); /* LTFS has no hard links */
}

#define FILE_OP(operation, otherwise)                                                              \
	static void op_##operation(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)    \
	{                                                                                          \
		struct rsmfs_call call = CALL(req, ino, .has_file = true, .file = *file);          \
                                                                                                   \
		RUN_OR(&call, operation, otherwise);                                               \
	}
FILE_OP(open, EPERM)
FILE_OP(flush, 0)
FILE_OP(release, 0)
FILE_OP(opendir, ENOTDIR)
FILE_OP(releasedir, 0)

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *file)
{
	struct rsmfs_call call =
		CALL(req, parent, .name = name, .mode = mode, .has_file = true, .file = *file);

	RUN(&call, create);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *file)
{
	struct rsmfs_call call =
		CALL(req, ino, .size = size, .offset = offset, .has_file = true, .file = *file);

	RUN_OR(&call, read, EISDIR);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
		     struct fuse_file_info *file)
{
	struct rsmfs_call call = CALL(req, ino, .data = data, .size = size, .offset = offset,
				      .has_file = true, .file = *file);

	RUN_OR(&call, write, EBADF);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *file)
{
	struct rsmfs_call call =
		CALL(req, ino, .flags = data_only, .has_file = true, .file = *file);

	RUN_OR(&call, fsync, 0);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *file)
{
	struct rsmfs_call call =
		CALL(req, ino, .flags = data_only, .has_file = true, .file = *file);

	RUN_OR(&call, fsyncdir, 0);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
			 struct fuse_file_info *file)
{
	struct rsmfs_call call = CALL(req, ino, .flags = mode, .offset = offset,
				      .attr.st_size = length, .has_file = true, .file = *file);

	RUN_OR(&call, fallocate, EOPNOTSUPP);
}

static void read_folder(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			struct fuse_file_info *file, bool plus)
{
	struct rsmfs_call call = CALL(req, ino, .size = size, .offset = offset, .plus = plus,
				      .has_file = true, .file = *file);

	RUN_OR(&call, readdir, ENOTDIR);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *file)
{
	read_folder(req, ino, size, offset, file, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			   struct fuse_file_info *file)
{
	read_folder(req, ino, size, offset, file, true);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct rsmfs_call call = CALL(req, ino ? ino : RSMFS_INO_ROOT, );

	RUN(&call, statfs);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			size_t size, int flags)
{
	struct rsmfs_call call =
		CALL(req, ino, .name = name, .data = value, .size = size, .flags = flags);
	int refused = rsmfs_xattr_refused(name, true);

	if (refused)
		fuse_reply_err(req, refused);
	else
		RUN_OR(&call, setxattr, EOPNOTSUPP);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct rsmfs_call call = CALL(req, ino, .name = name, .size = size);
	int refused = rsmfs_xattr_refused(name, false);

	if (refused)
		fuse_reply_err(req, refused);
	else
		RUN_OR(&call, getxattr, ENODATA);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct rsmfs_call call = CALL(req, ino, .size = size);

	RUN_OR(&call, listxattr, EOPNOTSUPP);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct rsmfs_call call = CALL(req, ino, .name = name);
	int refused = rsmfs_xattr_refused(name, true);

	if (refused)
		fuse_reply_err(req, refused);
	else
		RUN_OR(&call, removexattr, ENODATA);
}

static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file,
		    struct fuse_pollhandle *handle)
{
	struct rsmfs_call call = CALL(req, ino, .data = handle, .has_file = true, .file = *file);

	if (rsmfs_place_of(ino).kind == RSMFS_PLACE_CONTROL) {
		RUN(&call, poll);
		return;
	}
	if (handle)
		fuse_pollhandle_destroy(handle);
	fuse_reply_poll(req, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct rsmfs *fs = userdata;
	unsigned want = FUSE_CAP_ASYNC_READ | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_PARALLEL_DIROPS |
			FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_CACHE_SYMLINKS |
			FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK |
			FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_ASYNC_DIO;

#ifdef FUSE_CAP_EXPIRE_ONLY
	want |= FUSE_CAP_EXPIRE_ONLY;
#endif
	/* Not wanted: AUTO_INVAL_DATA (we tell what changes), WRITEBACK_CACHE (reads before partial
	 * writes, and keeps data that a dying mount drops), HANDLE_KILLPRIV (the kernel takes
	 * setuid bits away by a setattr, which is right and costs nothing), locks (the kernel's
	 * own), splice (our bytes go through memory anyway: into the staging area's buffers and out
	 * of blocks). */
	conn->want = want & conn->capable;
	conn->max_write = 1 << 20;
	conn->max_readahead = 8 << 20;
	/* Readers of a medium wait long; the default of 12 would let them stop everybody else's
	 * readahead. */
	conn->max_background = 64;
	conn->congestion_threshold = 48;
	if (fs->ready)
		fs->ready(fs->ready_context);
}

const struct fuse_lowlevel_ops rsmfs_operations = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.create = op_create,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.poll = op_poll,
};
