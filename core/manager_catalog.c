/* The catalogue's own safety: the automatic export, what comes back from it, and imports. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/log.h"
#include "core/catalog_import.h"
#include "core/manager_private.h"
#include "core/medium_record.h"

/* ---- the automatic export ----
 *
 * It is kept twice: in the catalogue's folder, and in the staging folder, which outlives that.
 */

static void export_paths(const struct rsm_manager *manager, char beside[PATH_MAX],
			 char staged[PATH_MAX])
{
	snprintf(beside, PATH_MAX, "%s/export.db", manager->state_folder);
	snprintf(staged, PATH_MAX, "%s/catalog-export.db", manager->staging_folder);
}

/* One file under two names, where that is possible: it is replaced, never written to. */
static int keep_second(struct rsm_manager *manager, const char *beside, const char *staged,
		       struct rsm_err *err)
{
	char part[PATH_MAX + 8];

	snprintf(part, sizeof part, "%s.part", staged);
	if (unlink(part) < 0 && errno != ENOENT)
		return rsm_err_errno(err, "%s", part);
	if (link(beside, part) < 0)
		return rsm_catalog_export(manager->catalog, staged, err);
	if (rename(part, staged) < 0)
		return rsm_err_errno(err, "%s", staged);
	unlink(part); /* it stays when both names were one file already */
	return rsm_file_sync_folder(manager->staging_folder, err);
}

static void export_now(struct rsm_manager *manager)
{
	char beside[PATH_MAX], staged[PATH_MAX];
	struct rsm_err err;
	int r;

	export_paths(manager, beside, staged);
	r = rsm_catalog_export(manager->catalog, beside, &err);
	if (r == 0)
		r = keep_second(manager, beside, staged, &err);
	if (r < 0)
		rsm_log_warning("automatic export of the catalogue: %s", err.msg);
}

void rsm_manager_pools_changed(struct rsm_manager *manager)
{
	RSM_LOCK_SCOPE(&manager->lock);
	manager->export_wanted = true;
}

void rsm_manager_keep_catalog(struct rsm_manager *manager)
{
	struct rsm_err err;
	bool wanted;

	rsm_mutex_lock(&manager->lock);
	wanted = manager->export_wanted;
	manager->export_wanted = false;
	rsm_mutex_unlock(&manager->lock);
	if (wanted)
		export_now(manager);
	if (rsm_medium_record_ask_due(manager->catalog, !manager->due_asked, &err) < 0)
		rsm_log_warning("cartridges that are due: %s", err.msg);
	manager->due_asked = true;
}

int rsm_manager_set_vault(struct rsm_manager *manager, int64_t medium, const char *vault,
			  const struct timespec *due, struct rsm_err *err)
{
	int r = rsm_medium_record_set_vault(manager->catalog, medium, vault, due, err);

	if (r == 0)
		rsm_manager_pools_changed(manager);
	return r;
}

/* ---- imports ---- */

static void tell(struct rsm_manager *manager, const struct rsm_catalog_import *import)
{
	char numbers[3][24];

	snprintf(numbers[0], sizeof numbers[0], "%llu",
		 (unsigned long long)(import->pools_made + import->pools_changed));
	snprintf(numbers[1], sizeof numbers[1], "%llu", (unsigned long long)import->media_added);
	snprintf(numbers[2], sizeof numbers[2], "%llu", (unsigned long long)import->media_taken);
	rsm_event_add(manager->catalog, "import", "pools", numbers[0], "added", numbers[1], "taken",
		      numbers[2], NULL);
}

/* What the caller's file says now is what is looked at: he may go on writing to it. */
static int copy_file(int fd, const char *file, struct rsm_err *err)
{
	static const char magic[16] = "SQLite format 3";
	RSM_CLOSE int out = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	RSM_FREE char *block = malloc(1 << 16);
	uint64_t offset = 0;
	size_t length = 0;
	int r;

	if (!block)
		return rsm_err_oom(err);
	if (out < 0)
		return rsm_err_errno(err, "%s", file);
	for (;;) {
		r = rsm_file_read_at(fd, block, 1 << 16, offset, &length);
		if (r < 0)
			return rsm_err_set(err, -r, "the backup: %s", strerror(-r));
		if (offset == 0 && (length < 100 || memcmp(block, magic, sizeof magic) != 0 ||
				    rsm_get_be32((const uint8_t *)block + 68) != 1381190979))
			return rsm_err_set(err, EBADMSG,
					   "the backup is not taken: it is no catalogue of rsmfs");
		if (length == 0)
			return 0;
		r = rsm_file_write_at(out, block, length, offset);
		if (r < 0)
			return rsm_err_set(err, -r, "%s: %s", file, strerror(-r));
		offset += length;
	}
}

int rsm_manager_import(struct rsm_manager *manager, int fd, struct rsm_catalog_import *import,
		       struct rsm_err *err)
{
	char folder[PATH_MAX], file[PATH_MAX + 16];
	struct rsm_err ignored;
	int r;

	snprintf(folder, sizeof folder, "%s/import-XXXXXX", manager->state_folder);
	if (!mkdtemp(folder))
		return rsm_err_errno(err, "%s", folder);
	snprintf(file, sizeof file, "%s/catalog.db", folder);
	import->file = file;
	r = copy_file(fd, file, err);
	if (r == 0)
		r = rsm_catalog_import(manager->catalog, import, err);
	import->file = NULL;
	if (rsm_file_remove_tree(folder, &ignored) < 0)
		rsm_log_warning("%s", ignored.msg);
	/* also when it was cut short: what was taken is here */
	rsm_manager_apply_labels(manager);
	rsm_manager_pools_changed(manager);
	rsm_manager_names_changed(manager, RSM_POOL_TOP);
	if (r == 0)
		tell(manager, import);
	return r;
}

/* ---- a new catalogue ---- */

static const char *newer(const char *one, const char *other)
{
	struct stat a, b;
	bool has_one = stat(one, &a) == 0, has_other = stat(other, &b) == 0;

	if (has_one && has_other)
		return a.st_mtime >= b.st_mtime ? one : other;
	return has_one ? one : has_other ? other : NULL;
}

void rsm_manager_restore_catalog(struct rsm_manager *manager)
{
	struct rsm_catalog_import import = { 0 };
	char beside[PATH_MAX], staged[PATH_MAX];
	const char *file;
	struct rsm_err err;
	RSM_CLOSE int fd = -1;

	if (!rsm_catalog_is_new(manager->catalog))
		return;
	export_paths(manager, beside, staged);
	file = newer(beside, staged);
	if (!file)
		return;
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || rsm_manager_import(manager, fd, &import, &err) < 0)
		rsm_log_warning("%s: pools and off-line cartridges do not come back from it: %s",
				file, fd < 0 ? strerror(errno) : err.msg);
	else
		rsm_log_info("%s: %llu pools and %llu off-line cartridges came back from it", file,
			     (unsigned long long)import.pools_made,
			     (unsigned long long)import.media_added);
}
