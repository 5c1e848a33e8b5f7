/* folder_file.h - small files of a folder that is known by a descriptor, not by a path.
 *
 * A loaded cartridge's folder may be renamed under us by an operator; a descriptor follows it.
 */
#ifndef RSM_CHANGER_EMULATOR_FOLDER_FILE_H
#define RSM_CHANGER_EMULATOR_FOLDER_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Replaces or makes a file by writing a new one and renaming it. `durable`: its bytes are on disk
 * before the rename, and the rename is when this has returned.
 */
RSM_MUST_CHECK int rsm_folder_file_save(int folder, const char *name, const void *data,
					size_t length, bool durable, struct rsm_err *err);

enum rsm_folder_file_outcome { RSM_FOLDER_FILE_ABSENT = 1, RSM_FOLDER_FILE_TOO_LONG };

/* Reads a whole regular file of at most `limit` bytes; *ret_data is the caller's. */
RSM_MUST_CHECK int rsm_folder_file_load(int folder, const char *name, size_t limit, void **ret_data,
					size_t *ret_length, struct rsm_err *err);

#endif
