#include "base/file.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

int rsm_file_write_at(int fd, const void *data, size_t length, uint64_t offset)
{
	const char *p = data;

	while (length) {
		ssize_t n = pwrite(fd, p, length, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENOSPC;
		p += n;
		length -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int rsm_file_read_at(int fd, void *data, size_t length, uint64_t offset, size_t *ret_length)
{
	char *p = data;
	size_t done = 0;

	while (done < length) {
		ssize_t n = pread(fd, p + done, length - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*ret_length = done;
	return 0;
}

int rsm_file_load(const char *path, size_t limit, char **ret_data, size_t *ret_length,
		  struct rsm_err *err)
{
	RSM_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	RSM_FREE char *data = NULL;
	size_t length;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return rsm_err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return rsm_err_set(err, EINVAL, "%s is not a regular file", path);
	if (st.st_size < 0 || (uint64_t)st.st_size > limit)
		return rsm_err_set(err, EFBIG, "%s has more than %zu bytes", path, limit);
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return rsm_err_oom(err);
	r = rsm_file_read_at(fd, data, (size_t)st.st_size, 0, &length);
	if (r < 0) {
		errno = -r;
		return rsm_err_errno(err, "%s", path);
	}
	data[length] = '\0';
	*ret_length = length;
	*ret_data = RSM_STEAL(data);
	return 0;
}

static int parent_of(const char *path, char *ret_parent, size_t size)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (!slash)
		return snprintf(ret_parent, size, ".") < (int)size ? 0 : -ENAMETOOLONG;
	if (length == 0)
		length = 1;
	if (length >= size)
		return -ENAMETOOLONG;
	memcpy(ret_parent, path, length);
	ret_parent[length] = '\0';
	return 0;
}

int rsm_file_save(const char *path, const void *data, size_t length, mode_t mode, int durable,
		  struct rsm_err *err)
{
	char temporary[PATH_MAX], parent[PATH_MAX];
	RSM_CLOSE int fd = -1;
	int r;

	if (parent_of(path, parent, sizeof parent) < 0 ||
	    snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary)
		return rsm_err_set(err, ENAMETOOLONG, "%s", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return rsm_err_errno(err, "%s", temporary);
	r = rsm_file_write_at(fd, data, length, 0);
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temporary);
		errno = -r;
		return rsm_err_errno(err, "%s", path);
	}
	return durable ? rsm_file_sync_folder(parent, err) : 0;
}

int rsm_file_sync_folder(const char *path, struct rsm_err *err)
{
	RSM_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return rsm_err_errno(err, "%s", path);
	return 0;
}

int rsm_file_make_folders(const char *path, mode_t mode, struct rsm_err *err)
{
	char partial[PATH_MAX], parent[PATH_MAX];
	struct rsm_err ignored;
	size_t length = strlen(path);

	if (length >= sizeof partial)
		return rsm_err_set(err, ENAMETOOLONG, "%s", path);
	for (size_t i = 1; i <= length; i++) {
		struct stat st;

		if (i < length && path[i] != '/')
			continue;
		memcpy(partial, path, i);
		partial[i] = '\0';
		if (mkdir(partial, mode) == 0) {
			/* what is made durable in it needs its name; a folder that cannot be read
			 * cannot be synchronised either */
			if (parent_of(partial, parent, sizeof parent) == 0 &&
			    rsm_file_sync_folder(parent, &ignored) < 0 && ignored.code == EIO)
				return rsm_err_set(err, EIO, "%s", ignored.msg);
			continue;
		}
		if (errno != EEXIST && errno != EROFS && errno != EACCES)
			return rsm_err_errno(err, "%s", partial);
		if (stat(partial, &st) < 0)
			return rsm_err_errno(err, "%s", partial);
		if (!S_ISDIR(st.st_mode))
			return rsm_err_set(err, ENOTDIR, "%s is not a folder", partial);
	}
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

int rsm_file_remove_tree(const char *path, struct rsm_err *err)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
		return rsm_err_errno(err, "%s", path);
	return 0;
}
