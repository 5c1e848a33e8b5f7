#include "core/staging_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

/* What is counted: a log with its whole length from the first append until it is unlinked, an own
 * file with the bytes that were announced by _wrote_own or _claim and not released since. The
 * counts decide when a file is unlinked, so they must balance; what the disk says is only asked to
 * park writers in time.
 *
 * An append takes its place in the log under the lock and writes outside it, so appends of several
 * threads go on side by side. A log with a pin (somebody reads or writes it) is not closed.
 */

/* ---- open and close ---- */

/* Calls `found` for each log (id 0) and own file (number 0) in the folder. */
static int scan(struct rsm_staging *staging,
		int (*found)(struct rsm_staging *staging, const char *name, uint64_t number,
			     uint64_t id),
		struct rsm_err *err)
{
	DIR *dir = opendir(staging->folder);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return rsm_err_errno(err, "staging area %s", staging->folder);
	while (!r && (errno = 0, entry = readdir(dir))) {
		uint64_t value;
		char rest;

		if (sscanf(entry->d_name, "log.%" SCNu64 "%c", &value, &rest) == 1 && value)
			r = found(staging, entry->d_name, value, 0);
		else if (sscanf(entry->d_name, "file.%" SCNu64 "%c", &value, &rest) == 1 && value)
			r = found(staging, entry->d_name, 0, value);
	}
	if (!r && errno)
		r = -errno;
	closedir(dir);
	return r ? rsm_err_set(err, -r, "staging area %s: %s", staging->folder, strerror(-r)) : 0;
}

static int find_log_file(struct rsm_staging *staging, const char *name, uint64_t number,
			 uint64_t id)
{
	struct staged_log *log;
	struct stat st;

	if (id)
		return 0;
	if (fstatat(staging->folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	log = rsm_staging_add_log(staging, number);
	if (!log)
		return -ENOMEM;
	log->end = (uint64_t)st.st_size;
	log->synced = true; /* who knows */
	rsm_staging_space_take(staging->space, log->end);
	if (number > staging->last_number)
		staging->last_number = number;
	return 0;
}

int rsm_staging_open(const char *folder, struct rsm_staging_space *space,
		     struct rsm_staging **ret_staging, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_staging_close) struct rsm_staging *staging = calloc(1, sizeof *staging);
	int r;

	if (!staging)
		return rsm_err_oom(err);
	staging->folder_fd = -1;
	staging->space = space;
	rsm_mutex_init(&staging->sync_lock);
	rsm_mutex_init(&staging->lock);
	staging->folder = strdup(folder);
	staging->own_buckets = 64;
	staging->own = calloc(staging->own_buckets, sizeof *staging->own);
	if (!staging->folder || !staging->own)
		return rsm_err_oom(err);
	r = rsm_file_make_folders(folder, 0700, err);
	if (r)
		return r;
	staging->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (staging->folder_fd < 0)
		return rsm_err_errno(err, "staging area %s", folder);
	r = scan(staging, find_log_file, err);
	if (r)
		return r;
	*ret_staging = RSM_STEAL(staging);
	return 0;
}

void rsm_staging_close(struct rsm_staging *staging)
{
	if (!staging)
		return;
	for (size_t i = 0; i < staging->log_count; i++) {
		rsm_staging_space_give(staging->space, staging->logs[i]->end);
		rsm_staging_close_log(staging, staging->logs[i]);
		free(staging->logs[i]);
	}
	free(staging->logs);
	for (size_t i = 0; staging->own && i < staging->own_buckets; i++)
		while (staging->own[i]) {
			struct own_file *file = staging->own[i];

			staging->own[i] = file->next;
			rsm_staging_space_give(staging->space, file->bytes);
			free(file);
		}
	free(staging->own);
	if (staging->folder_fd >= 0)
		close(staging->folder_fd);
	free(staging->folder);
	rsm_mutex_fini(&staging->lock);
	rsm_mutex_fini(&staging->sync_lock);
	rsm_staging_space_freed(staging->space);
	free(staging);
}

void rsm_staging_claim(struct rsm_staging *staging, uint64_t id, uint64_t store, uint64_t offset,
		       uint64_t length)
{
	RSM_LOCK_SCOPE(&staging->lock);
	(void)offset;
	if (store != RSM_STORE_OWN) {
		struct staged_log *log = rsm_staging_find_log(staging, store);

		if (log)
			log->live += length;
		else
			rsm_log_error("staging area %s: log.%" PRIu64
				      " is missing, bytes of file %" PRIu64 " were in it",
				      staging->folder, store, id);
	} else {
		struct own_file *file = rsm_staging_get_own(staging, id);

		if (!file)
			return; /* _collect would take the file for garbage */
		file->bytes += length;
		file->synced = true; /* who knows */
		rsm_staging_space_take(staging->space, length);
	}
}

static int collect_file(struct rsm_staging *staging, const char *name, uint64_t number, uint64_t id)
{
	(void)name;
	if (number) {
		struct staged_log *log = rsm_staging_find_log(staging, number);

		if (log)
			rsm_staging_reap_log(staging, log);
	} else if (!*rsm_staging_find_own(staging, id)) {
		rsm_staging_unlink_own(staging, id);
	}
	return 0;
}

int rsm_staging_collect(struct rsm_staging *staging, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&staging->lock);
	return scan(staging, collect_file, err);
}

/* ---- bytes ---- */

/* The log for the next append, with room for it, pinned. */
static int current_log_locked(struct rsm_staging *staging, size_t length,
			      struct staged_log **ret_log)
{
	struct staged_log *log = staging->current;
	int r;

	if (log && log->end && log->end + length > RSM_STAGING_LOG) {
		staging->current = NULL;
		rsm_staging_reap_log(staging, log);
		log = NULL;
	}
	if (!log) {
		log = rsm_staging_add_log(staging, staging->last_number + 1);
		if (!log)
			return -ENOMEM;
		staging->last_number++;
		staging->folder_dirty = true;
		r = rsm_staging_pin_log(staging, log, O_CREAT | O_EXCL);
		if (r < 0) {
			rsm_staging_reap_log(staging, log);
			return r;
		}
		staging->current = log;
	} else {
		r = rsm_staging_pin_log(staging, log, 0);
		if (r < 0)
			return r;
	}
	*ret_log = log;
	return 0;
}

int rsm_staging_append(struct rsm_staging *staging, const void *data, size_t length,
		       uint64_t *ret_store, uint64_t *ret_offset, struct rsm_err *err)
{
	struct staged_log *log;
	uint64_t offset;
	int r;

	rsm_mutex_lock(&staging->lock);
	r = current_log_locked(staging, length, &log);
	if (r < 0) {
		rsm_mutex_unlock(&staging->lock);
		return rsm_err_set(err, -r, "staging area %s: %s", staging->folder, strerror(-r));
	}
	offset = log->end;
	log->end += length;
	log->live += length;
	rsm_staging_space_take(staging->space, length);
	rsm_mutex_unlock(&staging->lock);

	r = rsm_file_write_at(log->fd, data, length, offset);

	rsm_mutex_lock(&staging->lock);
	if (r < 0)
		log->live -= length;
	else
		log->dirty = true;
	*ret_store = log->number;
	*ret_offset = offset;
	rsm_staging_unpin_log(staging, log);
	rsm_mutex_unlock(&staging->lock);
	if (r < 0)
		return rsm_err_set(err, -r, "staging area %s: %s", staging->folder, strerror(-r));
	return 0;
}

int rsm_staging_open_own(struct rsm_staging *staging, uint64_t id, int *ret_fd, struct rsm_err *err)
{
	char name[32];
	int fd;

	rsm_staging_own_name(name, id);
	RSM_LOCK_SCOPE(&staging->lock);
	if (!rsm_staging_get_own(staging, id))
		return rsm_err_oom(err);
	fd = openat(staging->folder_fd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		fd = openat(staging->folder_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		staging->folder_dirty = true;
	}
	if (fd < 0)
		return rsm_err_errno(err, "staging area %s: %s", staging->folder, name);
	*ret_fd = fd;
	return 0;
}

void rsm_staging_wrote_own(struct rsm_staging *staging, uint64_t id, uint64_t new_bytes)
{
	struct own_file *file;

	RSM_LOCK_SCOPE(&staging->lock);
	file = *rsm_staging_find_own(staging, id); /* made by _open_own */
	assert(file);
	file->dirty = true;
	file->bytes += new_bytes;
	rsm_staging_space_take(staging->space, new_bytes);
}

static int read_log(struct rsm_staging *staging, uint64_t store, uint64_t offset, void *data,
		    size_t length, size_t *ret_length)
{
	struct staged_log *log;
	int r;

	rsm_mutex_lock(&staging->lock);
	log = rsm_staging_find_log(staging, store);
	r = log ? rsm_staging_pin_log(staging, log, 0) : -ENOENT;
	rsm_mutex_unlock(&staging->lock);
	if (r < 0)
		return r;
	r = rsm_file_read_at(log->fd, data, length, offset, ret_length);
	rsm_mutex_lock(&staging->lock);
	rsm_staging_unpin_log(staging, log);
	rsm_mutex_unlock(&staging->lock);
	return r;
}

static int read_own(struct rsm_staging *staging, uint64_t id, uint64_t offset, void *data,
		    size_t length, size_t *ret_length)
{
	RSM_CLOSE int fd = -1;
	char name[32];

	rsm_staging_own_name(name, id);
	fd = openat(staging->folder_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return rsm_file_read_at(fd, data, length, offset, ret_length);
}

int rsm_staging_read(struct rsm_staging *staging, uint64_t id, uint64_t store, uint64_t offset,
		     void *data, size_t length, struct rsm_err *err)
{
	size_t got = 0;
	char name[32];
	int r;

	if (store == RSM_STORE_OWN) {
		rsm_staging_own_name(name, id);
		r = read_own(staging, id, offset, data, length, &got);
	} else {
		rsm_staging_log_name(name, store);
		r = read_log(staging, store, offset, data, length, &got);
	}
	if (r < 0)
		return rsm_err_set(err, EIO, "staging area %s: %s: %s", staging->folder, name,
				   strerror(-r));
	if (got < length)
		return rsm_err_set(err, EIO, "staging area %s: %s ends before byte %" PRIu64,
				   staging->folder, name, offset + length);
	return 0;
}

static void release(struct rsm_staging *staging, uint64_t id, uint64_t store, uint64_t offset,
		    uint64_t length)
{
	RSM_CLOSE int fd = -1;
	struct own_file *file;
	char name[32];

	RSM_LOCK_SCOPE(&staging->lock);
	if (store != RSM_STORE_OWN) {
		struct staged_log *log = rsm_staging_find_log(staging, store);

		if (!log)
			return;
		log->live -= length < log->live ? length : log->live;
		rsm_staging_reap_log(staging, log);
		return;
	}
	file = *rsm_staging_find_own(staging, id);
	if (!file || length >= file->bytes) {
		rsm_staging_unlink_own(staging, id);
		return;
	}
	file->bytes -= length;
	rsm_staging_space_give(staging->space, length);
	rsm_staging_own_name(name, id);
	fd = openat(staging->folder_fd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0 || offset > INT64_MAX || length > INT64_MAX)
		return;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		      (off_t)length) < 0 &&
	    errno != EOPNOTSUPP)
		rsm_log_warning("staging %s/%s: no hole punched: %s", staging->folder, name,
				strerror(errno));
}

bool rsm_staging_gives_up_synced(struct rsm_staging *staging, uint64_t id, uint64_t store,
				 uint64_t length)
{
	struct staged_log *log;
	struct own_file *file;

	RSM_LOCK_SCOPE(&staging->lock);
	if (store == RSM_STORE_OWN) {
		file = *rsm_staging_find_own(staging, id);
		return file && file->synced;
	}
	log = rsm_staging_find_log(staging, store);
	return log && log->synced && log != staging->current && log->live <= length;
}

void rsm_staging_release(struct rsm_staging *staging, uint64_t id, uint64_t store, uint64_t offset,
			 uint64_t length)
{
	release(staging, id, store, offset, length);
	rsm_staging_space_freed(staging->space);
}

void rsm_staging_drop_own(struct rsm_staging *staging, uint64_t id)
{
	rsm_mutex_lock(&staging->lock);
	rsm_staging_unlink_own(staging, id);
	rsm_mutex_unlock(&staging->lock);
	rsm_staging_space_freed(staging->space);
}

/* ---- durability ---- */

/* Ids of dirty own files (all, or only `id`), whose marks are taken off. */
static int take_dirty_own_locked(struct rsm_staging *staging, uint64_t id, uint64_t **ret_ids,
				 size_t *ret_count)
{
	uint64_t *ids = calloc(id ? 1 : staging->own_count + 1, sizeof *ids);
	size_t count = 0;

	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; !id && i < staging->own_buckets; i++)
		for (struct own_file *file = staging->own[i]; file; file = file->next)
			if (file->dirty) {
				file->dirty = false;
				file->synced = true;
				ids[count++] = file->id;
			}
	if (id) {
		struct own_file *file = *rsm_staging_find_own(staging, id);

		if (file && file->dirty) {
			file->dirty = false;
			file->synced = true;
			ids[count++] = id;
		}
	}
	*ret_ids = ids;
	*ret_count = count;
	return 0;
}

static int sync_own(struct rsm_staging *staging, uint64_t id)
{
	RSM_CLOSE int fd = -1;
	struct own_file *file;
	char name[32];
	int r = 0;

	rsm_staging_own_name(name, id);
	fd = openat(staging->folder_fd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno; /* released meanwhile */
	if (fdatasync(fd) < 0)
		r = -errno;
	if (r < 0) {
		rsm_mutex_lock(&staging->lock);
		file = *rsm_staging_find_own(staging, id);
		if (file)
			file->dirty = true;
		rsm_mutex_unlock(&staging->lock);
	}
	return r;
}

static int sync_logs(struct rsm_staging *staging)
{
	uint64_t number = 0;
	int r = 0;

	while (!r) {
		struct staged_log *log = NULL;

		RSM_LOCK_SCOPE(&staging->lock);
		for (size_t i = rsm_staging_log_place(staging, number + 1);
		     i < staging->log_count && !log; i++)
			if (staging->logs[i]->dirty)
				log = staging->logs[i];
		if (!log)
			break;
		number = log->number;
		r = rsm_staging_pin_log(staging, log, 0);
		if (r < 0)
			break;
		log->dirty = false;
		log->synced = true;
		rsm_mutex_unlock(&staging->lock);
		if (fdatasync(log->fd) < 0)
			r = -errno;
		rsm_mutex_lock(&staging->lock);
		if (r < 0)
			log->dirty = true;
		rsm_staging_unpin_log(staging, log);
	}
	return r;
}

int rsm_staging_sync(struct rsm_staging *staging, uint64_t id, struct rsm_err *err)
{
	RSM_FREE uint64_t *ids = NULL;
	bool folder_dirty;
	size_t count = 0;
	int r;

	RSM_LOCK_SCOPE(&staging->sync_lock);
	rsm_mutex_lock(&staging->lock);
	r = take_dirty_own_locked(staging, id, &ids, &count);
	folder_dirty = staging->folder_dirty;
	if (!r)
		staging->folder_dirty = false;
	rsm_mutex_unlock(&staging->lock);
	if (!r && folder_dirty && fsync(staging->folder_fd) < 0)
		r = -errno;
	if (!r)
		r = sync_logs(staging);
	for (size_t i = 0; i < count; i++) {
		int own = sync_own(staging, ids[i]);

		if (!r)
			r = own;
	}
	if (r < 0) {
		rsm_mutex_lock(&staging->lock);
		staging->folder_dirty |= folder_dirty;
		rsm_mutex_unlock(&staging->lock);
		return rsm_err_set(err, -r, "staging area %s: %s", staging->folder, strerror(-r));
	}
	return 0;
}
