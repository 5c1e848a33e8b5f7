/* file.h - whole reads and writes, and changes of folders that survive a crash. */
#ifndef RSM_BASE_FILE_H
#define RSM_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Writes all of it at `offset`; retries short writes and EINTR. Returns 0 or -errno. */
RSM_MUST_CHECK int rsm_file_write_at(int fd, const void *data, size_t length, uint64_t offset);

/* Reads up to `length` at `offset`, short only at the end of the file; *ret_length tells. */
RSM_MUST_CHECK int rsm_file_read_at(int fd, void *data, size_t length, uint64_t offset,
				    size_t *ret_length);

/* Reads a whole file of at most `limit` bytes; *ret_data is NUL-terminated and the caller's. */
RSM_MUST_CHECK int rsm_file_load(const char *path, size_t limit, char **ret_data,
				 size_t *ret_length, struct rsm_err *err);

/* Replaces or makes a file: after a crash the old or the new contents are there, never a mix.
 * `durable`: also after power loss when this has returned.
 */
RSM_MUST_CHECK int rsm_file_save(const char *path, const void *data, size_t length, mode_t mode,
				 int durable, struct rsm_err *err);

/* fsync of the folder itself, so that renames in it are durable. */
RSM_MUST_CHECK int rsm_file_sync_folder(const char *path, struct rsm_err *err);

/* mkdir -p; folders that exist are fine, those that are made have durable names. */
RSM_MUST_CHECK int rsm_file_make_folders(const char *path, mode_t mode, struct rsm_err *err);

/* Removes a file or a whole folder tree, which may be missing. Does not follow links. */
RSM_MUST_CHECK int rsm_file_remove_tree(const char *path, struct rsm_err *err);

#endif
