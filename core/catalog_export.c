/* A copy is made by a connection of its own: readers stop nobody, and what is committed while it
 * runs is not in it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "core/catalog_import.h"
#include "core/catalog_private.h"

bool rsm_catalog_is_new(const struct rsm_catalog *catalog)
{
	return catalog->is_new;
}

static int copy_into(const struct rsm_catalog *catalog, const char *file, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *vacuum = NULL;
	sqlite3 *db = NULL;
	int r = rsm_sqlite_open(catalog->path, SQLITE_OPEN_READWRITE, &db, err);

	if (r == 0)
		r = rsm_sqlite_prepare(db, "VACUUM INTO ?1", &vacuum, err);
	if (r == 0) {
		sqlite3_bind_text(vacuum, 1, file, -1, SQLITE_STATIC);
		r = rsm_sqlite_run(vacuum, err);
	}
	sqlite3_finalize(vacuum);
	vacuum = NULL;
	rsm_sqlite_close(db);
	return r;
}

static int sync_folder_of(const char *file, struct rsm_err *err)
{
	RSM_FREE char *folder = strdup(file);
	char *slash;

	if (!folder)
		return rsm_err_oom(err);
	slash = strrchr(folder, '/');
	if (!slash)
		return rsm_file_sync_folder(".", err);
	slash[slash == folder] = '\0';
	return rsm_file_sync_folder(folder, err);
}

int rsm_catalog_export(struct rsm_catalog *catalog, const char *file, struct rsm_err *err)
{
	RSM_FREE char *part = NULL;
	RSM_CLOSE int fd = -1;
	int r;

	if (asprintf(&part, "%s.part", file) < 0) {
		part = NULL;
		return rsm_err_oom(err);
	}
	RSM_LOCK_SCOPE(&catalog->exporting);
	/* made by us, empty and private, so that nobody reads along; SQLite fills it */
	if (unlink(part) < 0 && errno != ENOENT)
		return rsm_err_errno(err, "%s", part);
	fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return rsm_err_errno(err, "%s", part);
	r = copy_into(catalog, part, err);
	if (r == 0 && fsync(fd) < 0)
		r = rsm_err_errno(err, "%s", part);
	if (r == 0 && rename(part, file) < 0)
		r = rsm_err_errno(err, "%s", file);
	if (r == 0)
		r = sync_folder_of(file, err);
	if (r < 0)
		unlink(part);
	return r;
}
