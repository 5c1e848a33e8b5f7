/* A rollback, and what disk and medium hold if the process dies behind each step:
 *   1. changes are refused, nothing is open or staged    as before
 *   2. what there is now is committed in full            an index of it more
 *   3. the old tree is read into a database of its own   the same; the file goes at the next start
 *   4. it is written to the medium (ltfs_history.h)      the one tree or the other
 *   5. the volume is opened anew: it finds an index that it has not cached, and reads it, as it
 *      does when another system wrote the cartridge
 */
#include "core/generation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "core/drive_private.h"
#include "core/volume_work.h"

/* ---- a folder for trees ---- */

int rsm_generation_make_folder(struct rsm_manager *manager, uint64_t *ret_number, char **ret_folder,
			       struct rsm_err *err)
{
	RSM_FREE char *folder = NULL;
	uint64_t number;
	int r;

	rsm_mutex_lock(&manager->lock);
	number = ++manager->last_view;
	rsm_mutex_unlock(&manager->lock);
	if (number > RSM_GENERATION_FOLDERS)
		return rsm_err_set(err, EDQUOT, "too many generations were looked at");
	if (asprintf(&folder, "%s/.views/%" PRIu64, manager->staging_folder, number) < 0)
		return rsm_err_oom(err);
	r = rsm_file_remove_tree(folder, err);
	if (r == 0)
		r = rsm_file_make_folders(folder, 0700, err);
	if (r < 0)
		return r;
	*ret_number = number;
	*ret_folder = RSM_STEAL(folder);
	return 0;
}

int rsm_generation_tidy(struct rsm_manager *manager, struct rsm_err *err)
{
	RSM_FREE char *folder = NULL;

	if (asprintf(&folder, "%s/.views", manager->staging_folder) < 0)
		return rsm_err_oom(err);
	return rsm_file_remove_tree(folder, err);
}

/* ---- looking ---- */

struct look {
	struct rsm_manager *manager;
	struct rsm_ltfs_history *history;
	struct rsm_ltfs_point *points;
	size_t room, count;
};

static int look_step(void *context, struct rsm_volume_session *session, struct rsm_err *err)
{
	struct look *look = context;
	int64_t until = rsm_manager_now(look->manager) + RSM_SECOND_NS;
	int r = 0;

	while (r == 0 && look->count < look->room) {
		r = rsm_ltfs_history_next(look->history, session->volume,
					  &look->points[look->count], err);
		look->count += r == 0;
		if (rsm_manager_now(look->manager) >= until)
			break;
	}
	if (r < 0)
		rsm_err_wrap(err, r, "%s", session->barcode);
	return r == RSM_LTFS_HISTORY_END ? 0 : r < 0 ? r : RSM_VOLUME_WORK_MORE;
}

/* One step is enough for a call, so that what it found can be shown. */
struct single_step {
	struct look look;
	bool end;
};

static int single_step(void *context, struct rsm_volume_session *session, struct rsm_err *err)
{
	struct single_step *single = context;
	int r = look_step(&single->look, session, err);

	single->end = r == 0;
	return r < 0 ? r : 0;
}

int rsm_generation_next_wait(const struct rsm_generation_asker *asker,
			     struct rsm_ltfs_history *history, struct rsm_ltfs_point *points,
			     size_t room, size_t *ret_count, struct rsm_err *err)
{
	struct single_step single = { .look = { .manager = asker->manager,
						.history = history,
						.points = points,
						.room = room } };
	int r = rsm_volume_work_wait(asker->manager, asker->medium, asker->user, single_step,
				     &single, asker->cancel, err);

	if (r < 0)
		return r;
	*ret_count = single.look.count;
	return single.end ? RSM_LTFS_HISTORY_END : 0;
}

/* ---- finding one ---- */

enum { POINTS_AT_ONCE = 16 };

struct search {
	struct look look;
	struct rsm_ltfs_point points[POINTS_AT_ONCE];
	uint64_t generation;
	struct rsm_ltfs_point best; /* partition 0: none yet */
};

static void search_free(struct search *search)
{
	if (search)
		rsm_ltfs_history_free(search->look.history);
	free(search);
}
RSM_DEFINE_CLEANUP(search_free, struct search)

static int search_new(struct rsm_manager *manager, uint64_t generation, struct search **ret_search,
		      struct rsm_err *err)
{
	RSM_CLEANUP(search_free) struct search *search = calloc(1, sizeof *search);
	int r;

	if (!search)
		return rsm_err_oom(err);
	search->generation = generation;
	search->look = (struct look){ .manager = manager,
				      .points = search->points,
				      .room = POINTS_AT_ONCE };
	/* only what they say of themselves is of interest */
	r = rsm_ltfs_history_new(1, &search->look.history, err);
	if (r == 0)
		*ret_search = RSM_STEAL(search);
	return r;
}

/* MORE while it may still be found, or something better. */
static int search_step(struct search *search, struct rsm_volume_session *session,
		       struct rsm_err *err)
{
	int r;

	search->look.count = 0;
	r = look_step(&search->look, session, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < search->look.count; i++) {
		struct rsm_ltfs_point *point = &search->points[i];

		if (point->torn || point->generation != search->generation)
			continue;
		if (rsm_ltfs_point_is_better(session->volume, point, &search->best))
			search->best = *point;
	}
	if (r == 0 && !search->best.partition)
		return rsm_err_set(err, ENOENT, "%s: generation %" PRIu64 " is not on the medium",
				   session->barcode, search->generation);
	if (search->best.linked && search->best.partition == session->volume->data_partition)
		return 0;
	return r;
}

/* ---- reading one ---- */

struct load {
	struct search *search;
	const char *path;
	struct rsm_index_loader *loader;
};

static int load_step(void *context, struct rsm_volume_session *session, struct rsm_err *err)
{
	struct load *load = context;
	int r = search_step(load->search, session, err);

	if (r != 0)
		return r;
	r = rsm_ltfs_load_point(session->volume, &load->search->best, load->path, &load->loader,
				err);
	return r < 0 ? rsm_err_wrap(err, r, "%s", session->barcode) : 0;
}

int rsm_generation_load_wait(const struct rsm_generation_asker *asker, uint64_t generation,
			     const char *path, struct rsm_ltfs_point *ret_point,
			     struct rsm_index_loader **ret_loader, struct rsm_err *err)
{
	RSM_CLEANUP(search_free) struct search *search = NULL;
	struct load load = { .path = path };
	int r = search_new(asker->manager, generation, &search, err);

	load.search = search;
	if (r == 0)
		r = rsm_volume_work_wait(asker->manager, asker->medium, asker->user, load_step,
					 &load, asker->cancel, err);
	if (r < 0) {
		rsm_index_loader_free(load.loader);
		return r;
	}
	*ret_point = search->best;
	*ret_loader = load.loader;
	return 0;
}

/* ---- going back ---- */

struct rollback {
	struct search *search;
	const char *folder; /* for the old tree */
	uint64_t before, made;
};

/* Whoever had a file open before changes were held has it open still. */
static int check_idle(struct rsm_volume_session *session, struct rsm_err *err)
{
	struct rsm_content_use use;

	rsm_content_use(session->content, &use);
	if (use.open_files)
		return rsm_err_set(err, EBUSY, "%u files are open", use.open_files);
	if (use.staged_files || use.staged_bytes)
		return rsm_err_set(err, EBUSY,
				   "%" PRIu64 " files are staged and not on the medium yet; "
				   "\"rsm sync\" writes them",
				   use.staged_files);
	return 0;
}

static uint64_t newest(struct rsm_volume *volume)
{
	struct rsm_volume_status status;

	volume->ops->status(volume, &status);
	return status.index_generation;
}

static int open_tree(const struct rollback *rollback, struct rsm_volume *volume,
		     struct rsm_volume_index **ret_tree, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_volume_index_close) struct rsm_volume_index *tree = NULL;
	struct rsm_index_loader *loader;
	char path[4400];
	int r;

	snprintf(path, sizeof path, "%s/index.db", rollback->folder);
	r = rsm_volume_index_open(path, &tree, err);
	if (r == 0)
		r = rsm_ltfs_load_point(volume, &rollback->search->best, path, &loader, err);
	if (r == 0)
		r = rsm_volume_index_replace(tree, loader, NULL, err);
	if (r == 0)
		*ret_tree = RSM_STEAL(tree);
	return r;
}

/* Nobody changes anything, and nothing is waiting. */
static int go_back(struct rollback *rollback, struct rsm_volume_session *session,
		   struct rsm_err *err)
{
	RSM_CLEANUP(rsm_volume_index_close) struct rsm_volume_index *tree = NULL;
	struct rsm_volume *volume = session->volume;
	int r = check_idle(session, err);

	if (r == 0)
		r = volume->ops->commit(volume, RSM_COMMIT_FULL, session->identity, false, err);
	if (r == 0)
		rollback->before = newest(volume);
	if (r == 0)
		r = open_tree(rollback, volume, &tree, err);
	if (r < 0)
		return r;
	session->reopen = true; /* also if it fails half way: the tape tells what is on it */
	return rsm_ltfs_rollback(volume, &rollback->search->best, tree, session->identity,
				 &rollback->made, err);
}

static const char being_rolled_back[] = "the cartridge is being rolled back";

static int rollback_step(void *context, struct rsm_volume_session *session, struct rsm_err *err)
{
	struct rollback *rollback = context;
	char from[24], to[24], made[24];
	int r = search_step(rollback->search, session, err);

	if (r != 0)
		return r;
	r = rsm_content_check_changes(session->content, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s", session->barcode);
	if (!session->identity)
		return rsm_err_set(err, EROFS, "%s is not allocated", session->barcode);
	r = rsm_content_hold_changes(session->content, being_rolled_back, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s", session->barcode);
	r = go_back(rollback, session, err);
	rsm_content_let_changes(session->content, being_rolled_back);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s", session->barcode);
	snprintf(from, sizeof from, "%" PRIu64, rollback->before);
	snprintf(to, sizeof to, "%" PRIu64, rollback->search->generation);
	snprintf(made, sizeof made, "%" PRIu64, rollback->made);
	rsm_log_info("%s: generation %s is on the medium again, as generation %s", session->barcode,
		     to, made);
	rsm_event_add(session->catalog, "rollback", "medium", session->barcode, "from", from, "to",
		      to, "generation", made, NULL);
	return 0;
}

int rsm_generation_rollback_wait(const struct rsm_generation_asker *asker, uint64_t generation,
				 uint64_t *ret_before, uint64_t *ret_made, struct rsm_err *err)
{
	RSM_CLEANUP(search_free) struct search *search = NULL;
	struct rollback rollback = { 0 };
	RSM_FREE char *folder = NULL;
	uint64_t number;
	int r;

	r = rsm_generation_make_folder(asker->manager, &number, &folder, err);
	if (r == 0)
		r = search_new(asker->manager, generation, &search, err);
	rollback.search = search;
	rollback.folder = folder;
	if (r == 0)
		r = rsm_volume_work_wait(asker->manager, asker->medium, asker->user, rollback_step,
					 &rollback, asker->cancel, err);
	if (folder)
		(void)!rsm_file_remove_tree(folder, NULL);
	if (r < 0)
		return r;
	*ret_before = rollback.before;
	*ret_made = rollback.made;
	return 0;
}
