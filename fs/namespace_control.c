/* .rsm/: the control file, the event stream, the folder of views (namespace_view.c) and what else a
 * program may want to read there; and .xdg-volume-info beside it. Reached by name, not listed in
 * the root.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "fs/control.h"
#include "fs/folder.h"
#include "fs/namespace.h"
#include "fs/parking.h"

enum { NUMBER_FOLDER = 0, NUMBER_CTL = 1, NUMBER_EVENTS = 2, NUMBER_VERSION = 3 };

static const struct control_file {
	int64_t number;
	const char *name;
	mode_t mode;
	const char *text; /* NULL: a stream */
} files[] = {
	{ NUMBER_FOLDER, NULL, S_IFDIR | 0555, NULL },
	{ NUMBER_CTL, "ctl", S_IFREG | 0666, NULL },
	{ NUMBER_EVENTS, "events", S_IFREG | 0444, NULL },
	{ NUMBER_VERSION, "version", S_IFREG | 0444, "rsmfs " RSM_VERSION "\n" },
	{ RSMFS_INFO_FILE, NULL, S_IFREG | 0444,
	  "[Volume Info]\nName=Media library\nIconName=media-tape\n" },
};
enum { FILE_COUNT = sizeof(files) / sizeof(files[0]) };

static const struct control_file *find_number(int64_t number)
{
	for (size_t i = 0; i < FILE_COUNT; i++)
		if (files[i].number == number)
			return &files[i];
	return NULL;
}

static void fill_attr(const struct rsmfs *fs, const struct control_file *file, struct stat *attr)
{
	*attr = (struct stat){
		.st_ino = rsmfs_control_ino(file->number),
		.st_mode = file->mode,
		.st_nlink = S_ISDIR(file->mode) ? 2 : 1,
		.st_uid = fs->admin,
		.st_gid = fs->admin_gid,
		.st_size = file->text ? (off_t)strlen(file->text) : 0,
		.st_blksize = 65536,
		.st_atim = fs->mounted_at,
		.st_mtim = fs->mounted_at,
		.st_ctim = fs->mounted_at,
	};
}

static void lookup(struct rsmfs *fs, struct rsmfs_call *call)
{
	const struct control_file *file = NULL;
	struct fuse_entry_param entry = { .generation = 1,
					  .attr_timeout = rsmfs_contents_timeout_s,
					  .entry_timeout = rsmfs_contents_timeout_s };

	if (strcmp(call->name, ".") == 0) {
		file = find_number(call->place.id);
	} else if (strcmp(call->name, "..") == 0) {
		call->place = (struct rsmfs_place){ .kind = RSMFS_PLACE_POOL };
		call->name = ".";
		rsmfs_pool_lookup(fs, call);
		return;
	} else if (call->place.id == NUMBER_FOLDER && strcmp(call->name, RSMFS_VIEWS_NAME) == 0) {
		rsmfs_views_entry(fs, &entry);
		fuse_reply_entry(call->req, &entry);
		return;
	} else if (call->place.id == NUMBER_FOLDER) {
		for (size_t i = 0; i < FILE_COUNT; i++)
			if (files[i].name && strcmp(files[i].name, call->name) == 0)
				file = &files[i];
	}
	if (!file) {
		fuse_reply_err(call->req, ENOENT);
		return;
	}
	entry.ino = rsmfs_control_ino(file->number);
	fill_attr(fs, file, &entry.attr);
	fuse_reply_entry(call->req, &entry);
}

static void getattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	const struct control_file *file = find_number(call->place.id);
	struct stat attr;

	if (!file) {
		fuse_reply_err(call->req, ESTALE);
		return;
	}
	fill_attr(fs, file, &attr);
	fuse_reply_attr(call->req, &attr, rsmfs_contents_timeout_s);
}

/* A shell's `>` truncates: that is nothing here. */
static void setattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	if (call->place.id == NUMBER_CTL && !(call->flags & ~FUSE_SET_ATTR_SIZE))
		getattr(fs, call);
	else
		fuse_reply_err(call->req, EPERM);
}

/* ---- open files ---- */

struct control_handle {
	struct rsmfs_handle handle;
	const struct control_file *file;
	bool nonblock;
	struct rsmfs_control_handle *ctl; /* the one that it is, or neither */
	struct rsmfs_events *events;
	struct rsm_mutex lock;
	struct fuse_pollhandle *poll; /* [lock] to be notified */
};

static void take_poll(struct control_handle *control, struct fuse_pollhandle *poll)
{
	struct fuse_pollhandle *old;

	rsm_mutex_lock(&control->lock);
	old = control->poll;
	control->poll = poll;
	rsm_mutex_unlock(&control->lock);
	if (old)
		fuse_pollhandle_destroy(old);
}

static void close_control(struct rsmfs *fs, struct rsmfs_handle *handle)
{
	struct control_handle *control = RSM_CONTAINER_OF(handle, struct control_handle, handle);

	(void)fs;
	if (control->ctl)
		rsmfs_control_release(control->ctl);
	if (control->events)
		rsmfs_events_release(control->events);
	take_poll(control, NULL);
	pthread_mutex_destroy(&control->lock.m);
	free(control);
}

static int open_stream(struct rsmfs *fs, struct rsmfs_call *call, struct control_handle *control,
		       struct rsm_err *err)
{
	RSM_FREE struct rsmfs_caller *caller = NULL;
	int r;

	if (control->file->number == NUMBER_EVENTS)
		return rsmfs_events_open(fs->control, &control->events, err);
	r = rsmfs_caller_of(call->req, &caller, err);
	if (r < 0)
		return r;
	return rsmfs_control_open(fs->control, caller, &control->ctl, err);
}

static void open_file(struct rsmfs *fs, struct rsmfs_call *call)
{
	const struct control_file *file = find_number(call->place.id);
	struct control_handle *control;
	struct rsm_err err;
	int r = 0;

	if (!file || S_ISDIR(file->mode)) {
		fuse_reply_err(call->req, file ? EISDIR : ESTALE);
		return;
	}
	control = calloc(1, sizeof(*control));
	if (!control) {
		fuse_reply_err(call->req, ENOMEM);
		return;
	}
	rsm_mutex_init(&control->lock);
	control->file = file;
	control->nonblock = call->file.flags & O_NONBLOCK;
	if (!file->text) {
		r = open_stream(fs, call, control, &err);
		call->file.direct_io = call->file.nonseekable = 1;
	} else {
		call->file.keep_cache = 1;
	}
	if (r < 0) {
		pthread_mutex_destroy(&control->lock.m);
		free(control);
		rsmfs_reply_error(call->req, r, &err);
		return;
	}
	rsmfs_handle_init(fs, &control->handle, close_control);
	call->file.noflush = 1;
	call->file.fh = (uintptr_t)control;
	if (fuse_reply_open(call->req, &call->file) != 0)
		rsmfs_handle_unref(fs, &control->handle);
}

static void release(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct control_handle *control = rsmfs_handle_of(call);

	rsmfs_handle_unref(fs, &control->handle);
	rsmfs_reply_done(call->req);
}

/* ---- reading and writing ---- */

struct pending_read {
	struct rsmfs_pending pending;
	struct rsmfs_control_read read;
	struct control_handle *control; /* a reference */
	const struct fuse_pollhandle *handle;
};

static void interrupt_read(struct rsmfs_pending *pending)
{
	struct pending_read *read = RSM_CONTAINER_OF(pending, struct pending_read, pending);

	if (read->control->ctl)
		rsmfs_control_interrupt(read->control->ctl, &read->read);
	else
		rsmfs_events_interrupt(read->control->events, &read->read);
}

static void destroy_read(struct rsmfs_pending *pending)
{
	struct pending_read *read = RSM_CONTAINER_OF(pending, struct pending_read, pending);

	rsmfs_handle_unref(pending->fs, &read->control->handle);
	free(read);
}

static void read_done(struct rsmfs_control_read *request, int r, const void *data, size_t length)
{
	struct pending_read *read = request->context;
	fuse_req_t req = read->pending.req;

	rsmfs_pending_answer(&read->pending);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_buf(req, data, length);
	rsmfs_pending_unref(&read->pending);
}

static void read_text(struct rsmfs_call *call, const char *text)
{
	size_t length = strlen(text), offset = (size_t)call->offset, left;

	left = offset < length ? length - offset : 0;
	fuse_reply_buf(call->req, left ? text + offset : NULL,
		       left < call->size ? left : call->size);
}

static void read_file(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct control_handle *control = rsmfs_handle_of(call);
	struct pending_read *read;

	if (control->file->text) {
		read_text(call, control->file->text);
		return;
	}
	if (control->events && (call->file.flags & O_NONBLOCK || control->nonblock) &&
	    !rsmfs_events_ready(control->events)) {
		fuse_reply_err(call->req, EAGAIN);
		return;
	}
	read = calloc(1, sizeof(*read));
	if (!read) {
		fuse_reply_err(call->req, ENOMEM);
		return;
	}
	rsmfs_pending_init(&read->pending, fs, call->req, interrupt_read, destroy_read);
	read->control = control;
	rsmfs_handle_ref(&control->handle);
	read->read = (struct rsmfs_control_read){ .size = call->size,
						  .done = read_done,
						  .context = read };
	if (control->ctl)
		rsmfs_control_read(control->ctl, &read->read);
	else
		rsmfs_events_read(control->events, &read->read);
	rsmfs_pending_watch(&read->pending);
	rsmfs_pending_unref(&read->pending);
}

static void write_file(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct control_handle *control = rsmfs_handle_of(call);
	ssize_t n;

	(void)fs;
	if (!control->ctl) {
		fuse_reply_err(call->req, EBADF);
		return;
	}
	n = rsmfs_control_write(control->ctl, call->data, call->size);
	if (n < 0)
		fuse_reply_err(call->req, (int)-n);
	else
		fuse_reply_write(call->req, (size_t)n);
}

/* ---- poll ---- */

struct poll_context {
	struct rsmfs *fs;
	struct control_handle *control; /* a reference */
	const struct fuse_pollhandle *handle;
};

static void ready_to_read(void *context)
{
	struct poll_context *poll = context;

	struct control_handle *control = poll->control;
	struct fuse_pollhandle *own = NULL;

	/* Another poll of the same file may have taken the place: that one is still to come, and
	 * to wake it now would have it ask again and again. */
	rsm_mutex_lock(&control->lock);
	if (control->poll == poll->handle) {
		own = control->poll;
		control->poll = NULL;
	}
	rsm_mutex_unlock(&control->lock);
	if (own) {
		fuse_lowlevel_notify_poll(own);
		fuse_pollhandle_destroy(own);
	}
	rsmfs_handle_unref(poll->fs, &control->handle);
	free(poll);
}

static void poll_file(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct control_handle *control = rsmfs_handle_of(call);
	struct fuse_pollhandle *handle = (struct fuse_pollhandle *)(uintptr_t)call->data;
	struct poll_context *context;
	bool ready;

	if (!control->events) {
		if (handle)
			fuse_pollhandle_destroy(handle);
		fuse_reply_poll(call->req, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
		return;
	}
	if (!handle) {
		ready = rsmfs_events_poll(control->events, NULL, NULL);
		fuse_reply_poll(call->req, ready ? POLLIN | POLLRDNORM : 0);
		return;
	}
	context = malloc(sizeof(*context));
	if (!context) {
		fuse_pollhandle_destroy(handle);
		fuse_reply_err(call->req, ENOMEM);
		return;
	}
	context->fs = fs;
	context->control = control;
	context->handle = handle;
	rsmfs_handle_ref(&control->handle);
	take_poll(control, handle);
	ready = rsmfs_events_poll(control->events, ready_to_read, context);
	fuse_reply_poll(call->req, ready ? POLLIN | POLLRDNORM : 0);
	if (ready) { /* it will not be called */
		take_poll(control, NULL);
		rsmfs_handle_unref(fs, &control->handle);
		free(context);
	}
}

/* ---- the folder ---- */

static void readdir(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsmfs_folder *folder = rsmfs_folder_enter(call);
	struct rsm_err err;
	int r = 0;

	if (call->offset == 0 || !folder->ended) {
		rsmfs_folder_clear(folder);
		for (size_t i = 0; r == 0 && i < FILE_COUNT; i++)
			if (files[i].name)
				r = rsmfs_folder_add(folder, rsmfs_control_ino(files[i].number),
						     files[i].mode & S_IFMT, files[i].name, NULL,
						     NULL, &err);
		if (r == 0)
			r = rsmfs_folder_add(folder, rsmfs_views_ino(0), S_IFDIR, RSMFS_VIEWS_NAME,
					     NULL, NULL, &err);
		folder->ended = r == 0;
	}
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		rsmfs_folder_reply_whole(folder, call, RSMFS_INO_ROOT);
	rsmfs_folder_leave(fs, folder);
}

static void open_folder(struct rsmfs *fs, struct rsmfs_call *call)
{
	if (call->place.id != NUMBER_FOLDER)
		fuse_reply_err(call->req, ENOTDIR);
	else
		rsmfs_folder_open(fs, call);
}

const struct rsmfs_namespace rsmfs_namespace_control = {
	.lookup = lookup,
	.getattr = getattr,
	.setattr = setattr,
	.open = open_file,
	.read = read_file,
	.write = write_file,
	.release = release,
	.poll = poll_file,
	.opendir = open_folder,
	.readdir = readdir,
	.releasedir = rsmfs_folder_release,
	.statfs = rsmfs_statfs,
};
