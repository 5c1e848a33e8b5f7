#include "changer/emulator/folder_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"

int rsm_folder_file_save(int folder, const char *name, const void *data, size_t length,
			 bool durable, struct rsm_err *err)
{
	char temporary[64];
	RSM_CLOSE int fd = -1;
	int r;

	if (snprintf(temporary, sizeof temporary, ".%s.new", name) >= (int)sizeof temporary)
		return rsm_err_set(err, ENAMETOOLONG, "%s", name);
	fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0)
		return rsm_err_errno(err, "%s", temporary);
	r = rsm_file_write_at(fd, data, length, 0);
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(folder, temporary, folder, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(folder, temporary, 0);
		errno = -r;
		return rsm_err_errno(err, "%s", name);
	}
	if (durable && fsync(folder) < 0)
		return rsm_err_errno(err, "%s", name);
	return 0;
}

int rsm_folder_file_load(int folder, const char *name, size_t limit, void **ret_data,
			 size_t *ret_length, struct rsm_err *err)
{
	/* O_NONBLOCK: what stands there may be a FIFO */
	RSM_CLOSE int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	RSM_FREE void *data = NULL;
	struct stat st;
	size_t length;
	int r;

	if (fd < 0 && errno == ENOENT)
		return RSM_FOLDER_FILE_ABSENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		return rsm_err_errno(err, "%s", name);
	if (!S_ISREG(st.st_mode))
		return rsm_err_set(err, EINVAL, "%s is not a regular file", name);
	if ((uint64_t)st.st_size > limit)
		return RSM_FOLDER_FILE_TOO_LONG;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return rsm_err_oom(err);
	r = rsm_file_read_at(fd, data, (size_t)st.st_size, 0, &length);
	if (r < 0) {
		errno = -r;
		return rsm_err_errno(err, "%s", name);
	}
	*ret_length = length;
	*ret_data = RSM_STEAL(data);
	return 0;
}
