/* Verbs about the catalogue as such: export and import; what it remembers of a cartridge's life. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "core/catalog_import.h"
#include "core/cleaner.h"
#include "core/copy.h"
#include "core/medium_record.h"
#include "fs/control_request.h"

/* ---- export: the tool writes the file, with the rights of its user ---- */

static int send_file(struct rsmfs_request *request, const char *file, struct rsm_err *err)
{
	RSM_CLOSE int fd = open(file, O_RDONLY | O_CLOEXEC);
	char block[4096];
	uint64_t offset = 0;
	size_t length = 0;

	if (fd < 0)
		return rsm_err_errno(err, "%s", file);
	for (;;) {
		int r = rsm_file_read_at(fd, block, sizeof(block), offset, &length);

		if (r < 0)
			return rsm_err_set(err, -r, "%s: %s", file, strerror(-r));
		if (!length)
			return 0;
		if (rsmfs_request_is_cancelled(request))
			return rsm_err_set(err, EINTR, "export: interrupted");
		rsmfs_request_data(request, block, length);
		offset += length;
	}
}

int rsmfs_run_export(struct rsmfs_request *request, struct rsm_err *err)
{
	char folder[] = "/var/tmp/rsmfs-export-XXXXXX";
	char file[sizeof(folder) + 16];
	struct rsm_err ignored;
	int r = rsmfs_request_need_admin(request, err);

	if (r < 0)
		return r;
	if (!mkdtemp(folder))
		return rsm_err_errno(err, "%s", folder);
	snprintf(file, sizeof(file), "%s/catalog.db", folder);
	r = rsm_catalog_export(request->catalog, file, err);
	if (r == 0)
		r = send_file(request, file, err);
	if (rsm_file_remove_tree(folder, &ignored) < 0 && r == 0)
		rsmfs_request_note(request, "%s", ignored.msg);
	return r;
}

/* ---- import: the daemon reads it; the asker must be allowed to, too ---- */

static int open_backup(struct rsmfs_request *request, const char *file, int *ret_fd,
		       struct rsm_err *err)
{
	RSM_CLOSE int fd = -1;
	struct stat st;

	if (file[0] != '/')
		return rsm_err_set(err, EINVAL, "%s: a whole path is needed", file);
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return rsm_err_errno(err, "%s", file);
	if (!S_ISREG(st.st_mode))
		return rsm_err_set(err, EINVAL, "%s: is no file", file);
	if (!rsmfs_access_mode(request->caller, st.st_mode & 0777, st.st_uid, st.st_gid, NULL, 0,
			       RSMFS_READ))
		return rsm_err_set(err, EACCES, "%s: you may not read it", file);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int rsmfs_run_import(struct rsmfs_request *request, struct rsm_err *err)
{
	struct rsm_catalog_import import = {
		.cancel = &request->cancel,
		.progress = rsmfs_request_progress,
		.context = request,
	};
	RSM_CLOSE int fd = -1;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0)
		r = open_backup(request, request->call.operands[0], &fd, err);
	if (r == 0)
		r = rsm_manager_import(request->manager, fd, &import, err);
	if (r < 0)
		return r;
	rsmfs_request_names_changed(request, RSM_POOL_TOP, NULL);
	rsmfs_request_table(request, "done", "import",
			    "pools_made:n\tpools_changed:n\tmedia_added:n\tmedia_taken:n\t"
			    "media_known:n\tmedia_passed:n");
	rsmfs_row_begin(request);
	rsmfs_row_number(request, import.pools_made);
	rsmfs_row_number(request, import.pools_changed);
	rsmfs_row_number(request, import.media_added);
	rsmfs_row_number(request, import.media_taken);
	rsmfs_row_number(request, import.media_known);
	rsmfs_row_number(request, import.media_passed);
	rsmfs_row_end(request);
	rsmfs_request_text(request,
			   "%" PRIu64 " pools made, %" PRIu64 " changed; %" PRIu64
			   " off-line cartridges added, %" PRIu64 " taken out of Import, %" PRIu64
			   " known already, %" PRIu64 " passed over",
			   import.pools_made, import.pools_changed, import.media_added,
			   import.media_taken, import.media_known, import.media_passed);
	return 0;
}

/* ---- a cartridge's record ---- */

int rsmfs_shown_pool(struct rsmfs_request *request, const struct rsm_medium *medium,
		     int64_t *ret_pool, bool *ret_copy, struct rsm_err *err)
{
	struct rsm_medium first;
	struct rsm_copy pair;
	int r = rsm_copy_get(request->catalog, medium->id, &pair, err);

	*ret_copy = r == 0;
	*ret_pool = r == 0 ? 0 : medium->pool;
	if (r != 0 || !pair.first)
		return r < 0 ? r : 0;
	r = rsm_medium_get(request->catalog, pair.first, &first, err);
	if (r == 0)
		*ret_pool = first.pool;
	return r < 0 ? r : 0;
}

/* Of the other one of a pair; "" if it is not known. */
static int shown_of(struct rsmfs_request *request, int64_t id, char shown[RSM_NAME_SIZE],
		    struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = id ? rsm_medium_get(request->catalog, id, &medium, err) : 1;

	shown[0] = '\0';
	if (r == 0)
		memcpy(shown, medium.shown, RSM_NAME_SIZE);
	return r < 0 ? r : 0;
}

int rsmfs_record_row(struct rsmfs_request *request, const struct rsm_medium *medium,
		     struct rsm_err *err)
{
	char due[32], other[RSM_NAME_SIZE];
	struct rsm_medium_record record;
	struct rsm_copy pair;
	uint32_t uses = RSM_CLEANER_UNCOUNTED;
	const char *state;
	int r = rsm_medium_record_get(request->catalog, medium->id, &record, err);
	bool is_copy;

	if (r == 0)
		r = rsm_copy_state(request->manager, medium, &state, &pair, err);
	if (r == 0 && medium->cleaner)
		r = rsm_cleaner_uses(request->catalog, medium, &uses, err);
	if (r < 0)
		return r;
	is_copy = pair.copy == medium->id;
	r = shown_of(request, is_copy ? pair.first : pair.copy, other, err);
	if (r < 0)
		return r;
	rsm_medium_record_due_text(&record.due, due);
	rsmfs_row_text(request, record.vault);
	rsmfs_row_text(request, due);
	rsmfs_row_number(request, medium->mounts);
	rsmfs_row_number(request, medium->allocations);
	rsmfs_row_number(request, record.bytes_written);
	rsmfs_row_number(request, record.bytes_read);
	rsmfs_row_number(request, record.write_errors);
	rsmfs_row_number(request, record.read_errors);
	rsmfs_row_time(request, &record.verified);
	rsmfs_row_number(request, record.verify_errors);
	rsmfs_row_text(request, state);
	rsmfs_row_text(request, is_copy ? "" : other);
	rsmfs_row_text(request, is_copy ? other : "");
	if (uses != RSM_CLEANER_UNCOUNTED)
		rsmfs_row_number(request, uses);
	else
		rsmfs_row_null(request);
	return 0;
}
