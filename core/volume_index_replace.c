/* A loaded tree takes the place of the open one:
 *
 *   1. overlay     rows of the old database into <path>.load, one transaction, fsync
 *   2. checkpoint  the old database's log is emptied into it
 *   3. rename      <path>.load to <path>, fsync of the folder
 *   4. open        what is at <path> now
 *
 * Dying before 3 leaves the old database whole and a file that the next loader removes; after 3
 * the new one is whole. An old log is never there with a new database: 2 leaves it empty.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "core/volume_index_private.h"

static int empty_log(struct rsm_volume_index *index, struct rsm_err *err)
{
	sqlite3_int64 busy;
	int r;

	r = rsm_sqlite_number(index->db, "PRAGMA wal_checkpoint(TRUNCATE)", &busy, err);
	if (r == 0 && busy)
		return rsm_err_set(err, EBUSY, "%s: somebody else has it open", index->path);
	return r;
}

static int sync_folder_of(const char *path, struct rsm_err *err)
{
	RSM_FREE char *folder = strdup(path);

	if (!folder)
		return rsm_err_oom(err);
	if (!strrchr(folder, '/'))
		return rsm_file_sync_folder(".", err);
	strrchr(folder, '/')[1] = '\0';
	return rsm_file_sync_folder(folder, err);
}

static int swap(struct rsm_volume_index *index, struct rsm_index_loader *loader,
		struct rsm_err *err)
{
	int r, opened;

	rsm_vi_close_database(index);
	r = rsm_vi_drop_logs(index->path, err);
	if (r == 0 && rename(loader->load_path, index->path) < 0)
		r = rsm_err_errno(err, "%s", loader->load_path);
	if (r == 0)
		r = sync_folder_of(index->path, err);
	index->touched_count = index->tail_count = 0;
	opened = rsm_vi_open_database(index, false, r == 0 ? err : NULL);
	return r < 0 ? r : opened;
}

static int replace(struct rsm_volume_index *index, struct rsm_index_loader *loader,
		   struct rsm_text *conflicts, struct rsm_err *err)
{
	int r;

	if (!loader->finished || strcmp(loader->path, index->path) != 0)
		return rsm_err_set(err, EINVAL, "%s: what was loaded is not finished, or another's",
				   index->path);
	if (!index->db)
		return rsm_sqlite_run(NULL, err);
	if (index->snapshots)
		return rsm_err_set(err, EBUSY, "%s: an index is being written from it",
				   index->path);
	r = rsm_vi_commit_clean(index, err);
	if (r == 0)
		r = rsm_vi_lay_on_top(index, loader, conflicts, err);
	if (r == 0)
		r = empty_log(index, err);
	if (r < 0)
		return r;
	rsm_vi_loader_close(loader);
	return swap(index, loader, err);
}

int rsm_volume_index_replace(struct rsm_volume_index *index, struct rsm_index_loader *loader,
			     struct rsm_text *ret_conflicts, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text conflicts = { 0 };
	int r;

	{
		RSM_LOCK_SCOPE(&index->lock);

		r = replace(index, loader, &conflicts, err);
	}
	if (r < 0)
		loader->finished = false; /* what may be half laid over is of no use */
	rsm_index_loader_free(loader);
	if (r == 0 && ret_conflicts) {
		rsm_text_append(ret_conflicts, conflicts.data ? conflicts.data : "",
				conflicts.length);
		if (ret_conflicts->failed)
			return rsm_err_oom(err);
	}
	return r;
}
