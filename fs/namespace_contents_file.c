/* Open files of a cartridge: open, create, read, write, flush, fsync, release. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fs/birth.h"
#include "fs/contents.h"
#include "fs/parking.h"
#include "fs/priority.h"
#include "fs/recall.h"

enum { REPLY_PIECES_MAX = 256 };

struct open_handle {
	struct rsmfs_handle handle;
	struct rsmfs_contents at; /* a reference of its own */
	struct rsm_open_file *file;
};

static void close_file(struct rsmfs *fs, struct rsmfs_handle *handle)
{
	struct open_handle *file = RSM_CONTAINER_OF(handle, struct open_handle, handle);

	(void)fs;
	rsm_content_release(file->file);
	rsmfs_contents_fini(&file->at);
	free(file);
}

/* Takes the contents' reference. NULL: out of memory, nothing was taken. */
static struct open_handle *new_handle(struct rsmfs *fs, struct rsmfs_contents *at,
				      struct rsm_open_file *opened, struct rsmfs_call *call)
{
	struct open_handle *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->at = *at;
	at->content = NULL;
	file->file = opened;
	rsmfs_handle_init(fs, &file->handle, close_file);
	call->file.fh = (uintptr_t)file;
	/* nothing to flush, one request less */
	call->file.noflush = (call->file.flags & (O_ACCMODE | O_TRUNC)) == O_RDONLY;
	return file;
}

/* ---- open ---- */

static void queued_mount_done(struct rsm_mount_request *request, int r, const struct rsm_err *err)
{
	(void)r;
	(void)err;
	free(request);
}

/* -o nonblock=eagain: so that a second try finds it mounted. */
static void queue_mount(struct rsmfs *fs, struct rsmfs_call *call, int64_t cartridge)
{
	struct rsm_mount_request *request = calloc(1, sizeof(*request));

	if (!request)
		return;
	request->medium = cartridge;
	request->flags = RSM_MOUNT_TO_READ;
	request->user = fuse_req_ctx(call->req)->uid;
	request->priority = rsmfs_priority_of(fuse_req_ctx(call->req)->pid);
	request->done = queued_mount_done;
	rsm_list_init(&request->link);
	rsm_manager_mount(fs->manager, request);
}

/* Who must not or will not wait for a drive gets EAGAIN for a file whose bytes are on the medium.
 */
static int check_recall(struct rsmfs *fs, struct rsmfs_call *call, const struct rsmfs_contents *at,
			struct rsm_err *err)
{
	bool nonblock = fs->options->nonblock_eagain && (call->file.flags & O_NONBLOCK);
	bool denied = rsmfs_recall_denied(fs, fuse_req_ctx(call->req)->pid);
	struct rsm_medium_use use;
	enum rsm_residency residency;
	struct rsm_extent first;
	int r;

	if (!denied && !nonblock)
		return 0;
	r = rsm_content_residency(at->content, call->place.node, &residency, &first, err);
	if (r < 0)
		return r;
	if (r || residency != RSM_RESIDENT_MEDIUM || !first.partition)
		return 0;
	r = rsm_manager_medium_use(fs->manager, at->cartridge, &use, err);
	if (r < 0 || use.mounted)
		return r;
	if (!denied)
		queue_mount(fs, call, at->cartridge);
	return rsm_err_set(err, EAGAIN,
			   denied ? "this program makes no robot move (deny_recall)"
				  : "the cartridge is being mounted");
}

static int open_file(struct rsmfs *fs, struct rsmfs_call *call, struct rsmfs_contents *at,
		     struct rsm_err *err)
{
	int access = call->file.flags & O_ACCMODE, flags = call->file.flags & (O_ACCMODE | O_TRUNC);
	struct rsm_open_file *opened;
	struct open_handle *file;
	bool keep_cache = false;
	int r = 0;

	if (access != O_WRONLY && !(flags & O_TRUNC))
		r = check_recall(fs, call, at, err);
	if (r == 0)
		r = rsm_content_open(at->content, call->place.node, flags, &opened, &keep_cache,
				     err);
	if (r == RSM_NODE_ABSENT)
		return rsm_err_set(err, ESTALE, "the file is gone");
	if (r < 0)
		return r;
	if (flags & O_TRUNC)
		rsmfs_changed(fs, at->medium);
	file = new_handle(fs, at, opened, call);
	if (!file) {
		rsm_content_release(opened);
		return rsm_err_oom(err);
	}
	call->file.keep_cache = keep_cache;
	/* interrupted meanwhile: no release will come */
	if (fuse_reply_open(call->req, &call->file) != 0)
		rsmfs_handle_unref(fs, &file->handle);
	return 0;
}

void rsmfs_file_open(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	struct rsm_err err;
	int r = rsmfs_contents_init(&at, fs, call, 0, &err);

	if (r == RSMFS_CONTENTS_PARKED)
		return;
	if (r == RSMFS_CONTENTS_NONE)
		r = rsm_err_set(&err, ESTALE, "the file is gone");
	if (r == 0)
		r = open_file(fs, call, &at, &err);
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
}

static int create_file(struct rsmfs *fs, struct rsmfs_call *call, struct rsmfs_contents *at,
		       struct rsm_err *err)
{
	RSMFS_BIRTH struct rsmfs_birth birth = { 0 };
	struct fuse_entry_param entry;
	struct rsm_open_file *opened;
	struct open_handle *file;
	struct rsm_node node;
	int64_t medium = at->medium;
	int r = rsmfs_contents_birth(at, call, false, &birth, err);

	if (r < 0)
		return r;
	rsmfs_node_from_birth(&birth, RSM_NODE_FILE, &node);
	r = rsm_content_create(at->content, call->place.node, call->name, &node,
			       call->file.flags & (O_ACCMODE | O_TRUNC | O_EXCL), &opened, err);
	if (r)
		return r;
	r = rsmfs_contents_give_acls(at, node.id, &birth, err);
	file = r == 0 ? new_handle(fs, at, opened, call) : NULL;
	rsmfs_changed(fs, medium);
	if (!file) {
		rsm_content_release(opened);
		return r < 0 ? r : rsm_err_oom(err);
	}
	call->file.keep_cache = 1; /* what is in the cache by then are its own first bytes */
	call->file.noflush = 0;	   /* an empty file is committed by its flush, too */
	rsmfs_node_entry(fs, medium, &node, &entry);
	if (fuse_reply_create(call->req, &entry, &call->file) != 0)
		rsmfs_handle_unref(fs, &file->handle);
	return 0;
}

void rsmfs_file_create(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	struct rsm_err err;
	int r = rsmfs_contents_init(&at, fs, call, 0, &err);

	if (r == RSMFS_CONTENTS_PARKED)
		return;
	if (r == RSMFS_CONTENTS_NONE)
		r = rsm_err_set(&err, EROFS, "not an allocated cartridge");
	if (r == 0)
		r = create_file(fs, call, &at, &err);
	if (r == RSM_CONTENT_WAIT)
		rsmfs_park_for_room(fs, call);
	else if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
}

/* ---- read ---- */

struct pending_read {
	struct rsmfs_pending pending;
	struct rsm_content_read read;
	struct open_handle *file; /* a reference */
};

static void interrupt_read(struct rsmfs_pending *pending)
{
	struct pending_read *read = RSM_CONTAINER_OF(pending, struct pending_read, pending);

	rsm_content_interrupt(read->file->file, &read->read);
}

static void destroy_read(struct rsmfs_pending *pending)
{
	struct pending_read *read = RSM_CONTAINER_OF(pending, struct pending_read, pending);

	rsmfs_handle_unref(pending->fs, &read->file->handle);
	free(read);
}

/* More pieces than a writev takes are joined first. */
static void reply_joined(fuse_req_t req, const struct iovec *iov, int count)
{
	size_t length = 0, at = 0;
	char *joined;

	for (int i = 0; i < count; i++)
		length += iov[i].iov_len;
	joined = malloc(length ? length : 1);
	if (!joined) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	for (int i = 0; i < count; at += iov[i++].iov_len)
		memcpy(joined + at, iov[i].iov_base, iov[i].iov_len);
	fuse_reply_buf(req, joined, length);
	free(joined);
}

static void read_done(struct rsm_content_read *request, int r, const struct iovec *iov, int count,
		      const struct rsm_err *err)
{
	struct pending_read *read = request->context;
	fuse_req_t req = read->pending.req;

	rsmfs_pending_answer(&read->pending);
	if (r < 0)
		rsmfs_reply_error(req, r, err);
	else if (count == 0)
		fuse_reply_buf(req, NULL, 0);
	else if (count == 1)
		fuse_reply_buf(req, iov[0].iov_base, iov[0].iov_len);
	else if (count <= REPLY_PIECES_MAX)
		fuse_reply_iov(req, iov, count);
	else
		reply_joined(req, iov, count);
	rsmfs_pending_unref(&read->pending);
}

void rsmfs_file_read(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct open_handle *file = rsmfs_handle_of(call);
	struct pending_read *read = calloc(1, sizeof(*read));
	pid_t asker = fuse_req_ctx(call->req)->pid;

	if (!read) {
		fuse_reply_err(call->req, ENOMEM);
		return;
	}
	rsmfs_pending_init(&read->pending, fs, call->req, interrupt_read, destroy_read);
	read->file = file;
	rsmfs_handle_ref(&file->handle);
	read->read = (struct rsm_content_read){ .offset = (uint64_t)call->offset,
						.size = call->size,
						.priority = rsmfs_priority_of(asker),
						.user = fuse_req_ctx(call->req)->uid,
						.done = read_done,
						.context = read };
	rsm_content_read_file(file->file, &read->read);
	rsmfs_pending_watch_asker(&read->pending, asker);
	rsmfs_pending_unref(&read->pending);
}

/* ---- write and the rest ---- */

void rsmfs_file_write(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct open_handle *file = rsmfs_handle_of(call);
	struct rsm_err err;
	int r = rsm_content_write_file(file->file, call->data, call->size, (uint64_t)call->offset,
				       &err);

	if (r == RSM_CONTENT_WAIT) {
		rsmfs_park_for_room(fs, call);
		return;
	}
	rsmfs_changed(fs, file->at.medium);
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		fuse_reply_write(call->req, call->size);
}

void rsmfs_file_flush(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct open_handle *file = rsmfs_handle_of(call);
	struct rsm_err err;
	int r = rsm_content_flush_file(file->file, &err);

	if (r == RSM_CONTENT_WAIT) {
		rsmfs_park_for_room(fs, call);
		return;
	}
	rsmfs_changed(fs, file->at.medium);
	rsmfs_reply_result(call->req, r, &err);
}

void rsmfs_file_fsync(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct open_handle *file = rsmfs_handle_of(call);
	struct rsm_err err;
	int r = rsm_content_sync_file(file->file, &err);

	if (r == RSM_CONTENT_WAIT) {
		rsmfs_park_for_room(fs, call);
		return;
	}
	rsmfs_changed(fs, file->at.medium);
	rsmfs_reply_result(call->req, r, &err);
}

void rsmfs_file_fallocate(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct open_handle *file = rsmfs_handle_of(call);
	struct rsm_err err;
	int r = rsm_content_allocate(file->file, call->flags, (uint64_t)call->offset,
				     (uint64_t)call->attr.st_size, &err);

	if (r == RSM_CONTENT_WAIT) {
		rsmfs_park_for_room(fs, call);
		return;
	}
	rsmfs_changed(fs, file->at.medium);
	rsmfs_reply_result(call->req, r, &err);
}

void rsmfs_file_release(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct open_handle *file = rsmfs_handle_of(call);
	int64_t medium = file->at.medium;

	rsmfs_handle_unref(fs, &file->handle);
	rsmfs_changed(fs, medium);
	rsmfs_reply_done(call->req);
}
