/* Giving a deallocated volume back. What disk and medium hold if the process dies behind each step:
 *   1. what the allocation before left in the staging area is removed   deallocated, as before
 *   2. the medium is mounted, and its label read                        the same
 *   3. one transaction makes it allocated (undelete.c)                  allocated, newest index
 *   4. it goes back to the fullest index (generation.h)                 the one tree or the other,
 *                                                                      and the same request goes on
 */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "core/generation.h"
#include "core/manager_private.h"
#include "core/undelete.h"

#define LOOK_NS	    (RSM_SECOND_NS / 20)
#define PATIENCE_NS (2 * RSM_SECOND_NS)
#define CLOSING_S   60 /* contents are written to for so long behind their deallocation, at most */

enum { POINTS_AT_ONCE = 16 };

/* ---- what the allocation before left on the disk ---- */

/* Who has contents of the volume: those who had files open when it was deallocated, or the medium's
 * drive, which has read them from it.
 */
static struct rsm_cartridge *find_contents_locked(struct rsm_manager *manager, const char *uuid)
{
	RSM_LIST_FOR_EACH (item, &manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (cartridge->content && strcmp(cartridge->uuid, uuid) == 0)
			return cartridge;
	}
	return NULL;
}

/* A tree without files that a death left there would be taken for newer than the medium's. */
int rsm_manager_drop_leftover(struct rsm_manager *manager, const char *uuid, struct rsm_err *err)
{
	int64_t until = rsm_manager_now(manager) + PATIENCE_NS;
	struct rsm_cartridge *cartridge;
	char folder[PATH_MAX];

	RSM_LOCK_SCOPE(&manager->lock);
	while ((cartridge = find_contents_locked(manager, uuid)) && cartridge->detached) {
		if (rsm_manager_now(manager) >= until)
			return rsm_err_set(err, EBUSY, "what %s held before is in use still",
					   cartridge->barcode);
		rsm_cond_wait_until(&manager->changed, &manager->lock,
				    rsm_manager_now(manager) + LOOK_NS);
	}
	if (cartridge)
		return 0;
	rsm_cartridge_folder(manager, uuid, folder, sizeof folder);
	return rsm_file_remove_tree(folder, err);
}

/* Of a volume that was deallocated since anybody wrote to it. */
static bool is_leftover(struct rsm_manager *manager, const char *uuid)
{
	struct rsm_former former;
	char path[PATH_MAX];
	struct stat st;

	if (rsm_former_find(manager->catalog, uuid, &former, NULL) != 0 || !former.has_owner)
		return false;
	rsm_cartridge_folder(manager, uuid, path, sizeof path - 16);
	strcat(path, "/index.db");
	return stat(path, &st) == 0 && st.st_mtim.tv_sec <= former.ended.tv_sec + CLOSING_S;
}

void rsm_manager_tidy_leftovers(struct rsm_manager *manager)
{
	DIR *folder = opendir(manager->staging_folder);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		char path[PATH_MAX];
		struct rsm_err err;

		if (entry->d_name[0] == '.' || strlen(entry->d_name) != RSM_GUID_SIZE - 1 ||
		    !is_leftover(manager, entry->d_name))
			continue;
		rsm_cartridge_folder(manager, entry->d_name, path, sizeof path);
		if (rsm_file_remove_tree(path, &err) < 0)
			rsm_log_warning("staged data of a deallocated cartridge stay: %s", err.msg);
	}
	if (folder)
		closedir(folder);
}

/* ---- going back ---- */

struct fullest {
	uint64_t since; /* generations from this one on are looked at */
	bool begun, over;
	struct rsm_ltfs_point newest, best; /* generation 0: none yet */
};

static void look_at(struct fullest *fullest, const struct rsm_ltfs_point *point)
{
	if (point->torn || !point->linked)
		return;
	if (point->generation < fullest->since) {
		fullest->over = fullest->begun; /* the index partition's may be an old one */
		return;
	}
	fullest->begun = true;
	if (point->current)
		fullest->newest = *point;
	if (!point->counted || point->incremental)
		return;
	if (!fullest->best.generation || point->files > fullest->best.files ||
	    (point->files == fullest->best.files && point->generation > fullest->best.generation))
		fullest->best = *point;
}

static int find_fullest(const struct rsm_generation_asker *asker, struct fullest *fullest,
			struct rsm_err *err)
{
	RSM_FREE struct rsm_ltfs_point *points = calloc(POINTS_AT_ONCE, sizeof *points);
	RSM_CLEANUP(rsm_ltfs_history_free) struct rsm_ltfs_history *history = NULL;
	int r;

	if (!points)
		return rsm_err_oom(err);
	r = rsm_ltfs_history_new(UINT64_MAX, &history, err);
	while (r == 0 && !fullest->over) {
		size_t count;

		r = rsm_generation_next_wait(asker, history, points, POINTS_AT_ONCE, &count, err);
		for (size_t i = 0; r >= 0 && i < count; i++)
			look_at(fullest, &points[i]);
	}
	return r < 0 ? r : 0;
}

static int find_and_go_back(const struct rsm_generation_asker *asker, uint64_t since,
			    struct rsm_err *err)
{
	struct fullest fullest = { .since = since };
	uint64_t before, made;
	int r = find_fullest(asker, &fullest, err);

	if (r < 0 || !fullest.best.generation || fullest.best.current ||
	    fullest.best.generation == fullest.newest.generation)
		return r;
	return rsm_generation_rollback_wait(asker, fullest.best.generation, &before, &made, err);
}

/* If the process dies meanwhile, or something fails, the catalogue knows that it is to be done yet:
 * the same request goes on with it.
 */
static int go_back(const struct rsm_generation_asker *asker, const struct rsm_medium *medium,
		   uint64_t since, struct rsm_err *err)
{
	int r = find_and_go_back(asker, since, err);

	if (r < 0)
		return rsm_err_wrap(err, r,
				    "%s is allocated again, as of its newest index; the same "
				    "request tries to go back behind the deletions",
				    medium->shown);
	return rsm_undelete_close(asker->manager->catalog, medium->id, err);
}

/* ---- the whole of it ---- */

static int get_former(struct rsm_manager *manager, const struct rsm_medium *medium,
		      struct rsm_former *ret_former, struct rsm_err *err)
{
	int r = rsm_former_get(manager->catalog, medium->id, ret_former, err);

	return r == RSM_FORMER_ABSENT
		       ? rsm_err_set(err, ENODATA, "%s holds nothing that could be restored",
				     medium->shown)
		       : r;
}

/* The label of one that is here is read; if it is another one, identification says so to the
 * catalogue, and nothing is left to be restored.
 */
static int look_at_medium(struct rsm_manager *manager, const struct rsm_medium *medium,
			  const struct rsm_former *former, uid_t user, const atomic_bool *cancel,
			  struct rsm_err *err)
{
	int r;

	if (medium->location == RSM_AT_OFFLINE)
		return former->generation ? rsm_err_set(err, ENOMEDIUM,
							"%s is not in the library, and has to go "
							"back to an older index",
							medium->shown)
					  : 0;
	r = rsm_manager_drop_leftover(manager, former->volume_uuid, err);
	if (r == 0)
		r = rsm_manager_mount_wait(manager, &medium->id, 1, RSM_MOUNT_TO_UNDELETE, 0, 0, 0,
					   user, cancel, err);
	return r;
}

static void tell(struct rsm_manager *manager, const struct rsm_medium *medium)
{
	struct rsm_cartridge *cartridge;
	RSM_FREE char *pool = NULL;

	if (rsm_pool_path(manager->catalog, medium->pool, &pool, NULL) < 0)
		pool = NULL;
	rsm_event_add(manager->catalog, "undelete", "medium", medium->shown, "pool", pool, "name",
		      medium->name, "lmid", medium->lmid, NULL);
	if (rsm_cartridge_ref(manager, medium->id, &cartridge, NULL) == 0) {
		rsm_manager_apply_state(manager, cartridge);
		rsm_cartridge_unref(cartridge);
	}
	rsm_manager_want_label(manager, medium->id, manager->options.label_delay_ms);
}

/* What an earlier request has begun. */
static int go_on(const struct rsm_generation_asker *asker, const struct rsm_allocation *allocation,
		 const struct rsm_medium *medium, struct rsm_medium *ret_medium,
		 struct rsm_err *err)
{
	uint64_t since;
	int r = rsm_undelete_is_open(asker->manager->catalog, medium->id, &since, err);

	if (r < 0)
		return r;
	if (!since || medium->pool != allocation->pool ||
	    (allocation->name && strcmp(medium->name, allocation->name) != 0))
		return rsm_err_set(err, EBUSY, "%s is allocated", medium->shown);
	*ret_medium = *medium;
	return go_back(asker, medium, since, err);
}

int rsm_manager_undelete_wait(struct rsm_manager *manager, const struct rsm_allocation *allocation,
			      uid_t user,
			      void (*progress)(void *context, uint64_t done, uint64_t total,
					       const char *what),
			      void *context, const atomic_bool *cancel,
			      struct rsm_medium *ret_medium, struct rsm_err *err)
{
	const struct rsm_generation_asker asker = {
		.manager = manager, .medium = allocation->medium, .user = user, .cancel = cancel
	};
	struct rsm_former former;
	struct rsm_medium medium;
	uint64_t since;
	int r = rsm_medium_get(manager->catalog, allocation->medium, &medium, err);

	if (r > 0)
		return rsm_err_set(err, ENOENT, "there is no such cartridge");
	if (r == 0 && medium.lmid[0])
		return go_on(&asker, allocation, &medium, ret_medium, err);
	if (r == 0)
		r = get_former(manager, &medium, &former, err);
	if (r == 0 && progress)
		progress(context, 0, 0, "looking at what is on the cartridge");
	if (r == 0)
		r = look_at_medium(manager, &medium, &former, user, cancel, err);
	if (r == 0)
		r = rsm_undelete(manager->catalog, allocation, &medium, err);
	if (r < 0)
		return r;
	tell(manager, &medium);
	*ret_medium = medium;
	/* the medium may have told more than was known of it before */
	r = rsm_undelete_is_open(manager->catalog, medium.id, &since, err);
	if (r < 0 || !since)
		return r;
	if (progress)
		progress(context, 0, 0, "going back behind the deletions");
	return go_back(&asker, &medium, since, err);
}
