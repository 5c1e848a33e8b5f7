/* A view's contents are contents like any others whose reads go to the cartridge's drive: each read
 * of a view becomes one of the cartridge, for the time of which it holds on to the cartridge's own
 * contents. So the volume cannot become another one under it.
 */
#include "core/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "core/manager_private.h"

struct rsm_view {
	struct rsm_list link; /* [manager's lock] in its table, or alone when it has ended */
	struct rsm_manager *manager;
	struct rsm_view_info info;
	char uuid[RSM_GUID_SIZE]; /* key of the cartridge's contents: which volume it is of */
	char *folder;
	struct rsm_content *content;
	unsigned references;   /* [manager's lock] one is the table's */
	struct rsm_list reads; /* [manager's lock] */
};

struct view_read {
	struct rsm_medium_read read; /* of the cartridge */
	struct rsm_medium_read *of;  /* of the view */
	struct rsm_view *view;
	struct rsm_list link; /* [manager's lock] */
	unsigned references;  /* [manager's lock] */
};

static void view_free(struct rsm_view *view)
{
	struct rsm_err err;

	if (!view)
		return;
	rsm_content_close_volume(view->content);
	if (view->folder && rsm_file_remove_tree(view->folder, &err) < 0)
		rsm_log_warning("a view of %s: %s", view->info.barcode, err.msg);
	free(view->folder);
	free(view);
}
RSM_DEFINE_CLEANUP(view_free, struct rsm_view)

static void view_unref(struct rsm_view *view)
{
	struct rsm_manager *manager = view->manager;
	bool last;

	rsm_mutex_lock(&manager->lock);
	last = --view->references == 0;
	rsm_mutex_unlock(&manager->lock);
	if (last)
		view_free(view);
}

static struct rsm_view *find_locked(struct rsm_manager *manager, int64_t medium,
				    uint64_t generation)
{
	RSM_LIST_FOR_EACH (item, &manager->views) {
		struct rsm_view *view = RSM_CONTAINER_OF(item, struct rsm_view, link);

		if (view->info.medium == medium && view->info.generation == generation)
			return view;
	}
	return NULL;
}

/* ---- reads ---- */

static void read_unref(struct view_read *read)
{
	struct rsm_view *view = read->view;
	bool last;

	rsm_mutex_lock(&view->manager->lock);
	last = --read->references == 0;
	rsm_mutex_unlock(&view->manager->lock);
	if (!last)
		return;
	free(read);
	view_unref(view);
}

static void read_done(struct rsm_medium_read *of_cartridge, int r, const struct rsm_err *err)
{
	struct view_read *read = RSM_CONTAINER_OF(of_cartridge, struct view_read, read);
	struct rsm_manager *manager = read->view->manager;
	struct rsm_err why = { 0 };

	rsm_mutex_lock(&manager->lock);
	rsm_list_remove(&read->link);
	rsm_mutex_unlock(&manager->lock);
	rsm_content_used(read->read.content);
	if (r < 0 && err) {
		why = *err;
		rsm_err_wrap(&why, r, "generation %" PRIu64, read->view->info.generation);
	}
	/* what is lent is so until this call returns */
	read->of->lent_count = read->read.lent_count;
	memcpy(read->of->lent, read->read.lent, sizeof read->of->lent);
	read->of->done(read->of, r, r < 0 && err ? &why : NULL);
	rsm_manager_content_unref(manager, read->read.content);
	read_unref(read);
}

/* The contents of the cartridge, if it is still the volume that the view is of. */
static int hold_cartridge(struct rsm_view *view, struct rsm_content **ret_content,
			  struct rsm_err *err)
{
	struct rsm_manager *manager = view->manager;
	struct rsm_cartridge *cartridge;
	bool same;
	int r = rsm_manager_content(manager, view->info.medium, ret_content, err);

	if (r < 0)
		return r;
	if (r == 0) {
		cartridge = rsm_content_owner(*ret_content);
		rsm_mutex_lock(&manager->lock);
		same = strcmp(cartridge->uuid, view->uuid) == 0;
		rsm_mutex_unlock(&manager->lock);
		if (same)
			return 0;
		rsm_manager_content_unref(manager, *ret_content);
	}
	return rsm_err_set(err, ESTALE, "%s holds another volume now", view->info.barcode);
}

static int begin_read(struct rsm_view *view, struct rsm_medium_read *of,
		      struct view_read **ret_read, struct rsm_err *err)
{
	struct view_read *read = calloc(1, sizeof *read);
	struct rsm_content *content = NULL;
	int r;

	if (!read)
		return rsm_err_oom(err);
	r = hold_cartridge(view, &content, err);
	if (r < 0) {
		free(read);
		return r;
	}
	read->read = *of;
	read->read.content = content;
	read->read.node = 0; /* it is a node of the view only */
	read->read.done = read_done;
	rsm_list_init(&read->read.link);
	read->of = of;
	read->view = view;
	read->references = 1;
	rsm_content_used(content);
	rsm_mutex_lock(&view->manager->lock);
	view->references++;
	rsm_list_append(&view->reads, &read->link);
	rsm_mutex_unlock(&view->manager->lock);
	*ret_read = read;
	return 0;
}

static void view_read(void *context, struct rsm_medium_read *of)
{
	struct rsm_view *view = context;
	struct view_read *read = NULL;
	struct rsm_err err;
	int r = begin_read(view, of, &read, &err);

	if (r < 0)
		of->done(of, r, &err);
	else
		rsm_cartridge_queue_read(view->manager, &read->read);
}

static void view_cancel(void *context, struct rsm_medium_read *of)
{
	struct rsm_view *view = context;
	struct view_read *found = NULL;

	rsm_mutex_lock(&view->manager->lock);
	RSM_LIST_FOR_EACH (item, &view->reads) {
		struct view_read *read = RSM_CONTAINER_OF(item, struct view_read, link);

		if (read->of == of) {
			found = read;
			found->references++;
		}
	}
	rsm_mutex_unlock(&view->manager->lock);
	if (!found)
		return;
	rsm_cartridge_cancel_read(view->manager, &found->read);
	read_unref(found);
}

static void view_want(void *context, struct rsm_content *content, enum rsm_content_want want)
{
	struct rsm_view *view = context;
	struct rsm_cartridge *cartridge;

	(void)content;
	if (want != RSM_WANT_READ_SOON && want != RSM_WANT_NOTHING)
		return;
	if (rsm_cartridge_ref(view->manager, view->info.medium, &cartridge, NULL) != 0)
		return;
	rsm_cartridge_want_read(cartridge, want == RSM_WANT_READ_SOON);
	rsm_cartridge_unref(cartridge);
}

static void view_changed(void *context, struct rsm_content *content, uint64_t node)
{
	(void)context;
	(void)content;
	(void)node;
}

/* ---- making one ---- */

static int view_new(struct rsm_manager *manager, struct rsm_view **ret_view, struct rsm_err *err)
{
	RSM_CLEANUP(view_free) struct rsm_view *view = calloc(1, sizeof *view);
	struct rsm_content_callbacks callbacks = {
		.read = view_read,
		.cancel = view_cancel,
		.want = view_want,
		.changed = view_changed,
		.context = view,
	};
	int r;

	if (!view)
		return rsm_err_oom(err);
	view->manager = manager;
	view->references = 1;
	rsm_list_init(&view->link);
	rsm_list_init(&view->reads);
	r = rsm_generation_make_folder(manager, &view->info.number, &view->folder, err);
	if (r == 0)
		r = rsm_content_open_volume(view->folder, manager->space, &callbacks,
					    &view->content, err);
	if (r < 0)
		return r;
	rsm_content_set_owner(view->content, view);
	*ret_view = RSM_STEAL(view);
	return 0;
}

/* Which volume it is of. */
static int note_volume(struct rsm_view *view, struct rsm_err *err)
{
	struct rsm_manager *manager = view->manager;
	struct rsm_cartridge *cartridge;
	struct rsm_content *content;
	int r = rsm_manager_content(manager, view->info.medium, &content, err);

	if (r != 0)
		return rsm_err_fold(err, r, "contents of %s", view->info.barcode);
	cartridge = rsm_content_owner(content);
	rsm_mutex_lock(&manager->lock);
	snprintf(view->uuid, sizeof view->uuid, "%s", cartridge->uuid);
	snprintf(view->info.barcode, sizeof view->info.barcode, "%s", cartridge->barcode);
	rsm_mutex_unlock(&manager->lock);
	rsm_manager_content_unref(manager, content);
	return 0;
}

static int load(struct rsm_view *view, const struct rsm_generation_asker *asker,
		uint64_t generation, struct rsm_err *err)
{
	struct rsm_index_loader *loader = NULL;
	struct rsm_ltfs_point point;
	char path[4400];
	int r;

	view->info.medium = asker->medium;
	view->info.user = asker->user;
	view->info.generation = generation;
	snprintf(path, sizeof path, "%s/index.db", view->folder);
	r = rsm_generation_load_wait(asker, generation, path, &point, &loader, err);
	if (r < 0)
		return r;
	r = rsm_content_replace(view->content, loader, NULL, err);
	if (r < 0)
		return r;
	view->info.update_time = point.update_time;
	rsm_content_refuse_changes(view->content, EROFS, "an older generation takes no changes");
	return note_volume(view, err);
}

/* Its volume has gone from the cartridge, and nobody has anything of it open. */
static bool is_stale(struct rsm_view *view)
{
	struct rsm_content *content;
	struct rsm_content_use use;
	int r;

	rsm_content_use(view->content, &use);
	if (use.open_files || use.reading)
		return false;
	r = hold_cartridge(view, &content, NULL);
	if (r == 0)
		rsm_manager_content_unref(view->manager, content);
	return r == -ESTALE;
}

/* Makes room in the table. */
static void close_stale(struct rsm_manager *manager)
{
	struct rsm_view_info infos[RSM_VIEWS_MAX];
	size_t count = rsm_view_list(manager, 0, infos);

	for (size_t i = 0; i < count; i++) {
		struct rsm_content *content;

		if (rsm_view_content(manager, infos[i].number, &content, &infos[i]) != 0)
			continue;
		if (is_stale(rsm_content_owner(content)))
			(void)!rsm_view_close(manager, infos[i].medium, infos[i].generation, NULL);
		rsm_view_content_unref(content);
	}
}

/* 0: there is room in the table, 1: there is that view. */
static int look_up(struct rsm_manager *manager, int64_t medium, uint64_t generation,
		   struct rsm_view_info *ret_info, struct rsm_err *err)
{
	struct rsm_view *view;
	unsigned count = 0;

	close_stale(manager);
	RSM_LOCK_SCOPE(&manager->lock);
	view = find_locked(manager, medium, generation);
	if (view) {
		*ret_info = view->info;
		return 1;
	}
	RSM_LIST_FOR_EACH (item, &manager->views)
		count += item != NULL;
	if (count >= RSM_VIEWS_MAX)
		return rsm_err_set(err, EDQUOT,
				   "there are %u views already; \"rsm check --unview\" ends one",
				   count);
	return 0;
}

int rsm_view_open_wait(const struct rsm_generation_asker *asker, uint64_t generation,
		       struct rsm_view_info *ret_info, struct rsm_err *err)
{
	RSM_CLEANUP(view_free) struct rsm_view *view = NULL;
	struct rsm_manager *manager = asker->manager;
	int r = look_up(manager, asker->medium, generation, ret_info, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = view_new(manager, &view, err);
	if (r == 0)
		r = load(view, asker, generation, err);
	if (r == 0) /* somebody else may have been as quick */
		r = look_up(manager, asker->medium, generation, ret_info, err);
	if (r != 0)
		return r < 0 ? r : 0;
	*ret_info = view->info;
	rsm_mutex_lock(&manager->lock);
	rsm_list_append(&manager->views, &RSM_STEAL(view)->link);
	rsm_mutex_unlock(&manager->lock);
	return 0;
}

/* ---- ending one ---- */

int rsm_view_close(struct rsm_manager *manager, int64_t medium, uint64_t generation,
		   struct rsm_err *err)
{
	struct rsm_content_use use;
	struct rsm_view *view;

	rsm_mutex_lock(&manager->lock);
	view = find_locked(manager, medium, generation);
	if (view) {
		rsm_content_use(view->content, &use);
		if (!use.open_files)
			rsm_list_remove(&view->link);
	}
	rsm_mutex_unlock(&manager->lock);
	if (!view)
		return RSM_VIEW_ABSENT;
	if (use.open_files)
		return rsm_err_set(err, EBUSY, "%u files of generation %" PRIu64 " are open",
				   use.open_files, generation);
	view_unref(view);
	return 0;
}

void rsm_view_close_all(struct rsm_manager *manager)
{
	RSM_LIST_FOR_EACH_SAFE (item, &manager->views) {
		rsm_list_remove(item);
		view_unref(RSM_CONTAINER_OF(item, struct rsm_view, link));
	}
}

/* ---- finding them ---- */

int rsm_view_find(struct rsm_manager *manager, int64_t medium, uint64_t generation,
		  struct rsm_view_info *ret_info)
{
	struct rsm_view *view;

	RSM_LOCK_SCOPE(&manager->lock);
	view = find_locked(manager, medium, generation);
	if (!view)
		return RSM_VIEW_ABSENT;
	*ret_info = view->info;
	return 0;
}

static int by_generation(const void *a, const void *b)
{
	const struct rsm_view_info *one = a, *other = b;

	if (one->medium != other->medium)
		return one->medium < other->medium ? -1 : 1;
	return one->generation < other->generation ? -1 : one->generation > other->generation;
}

size_t rsm_view_list(struct rsm_manager *manager, int64_t medium,
		     struct rsm_view_info ret_infos[RSM_VIEWS_MAX])
{
	size_t count = 0;

	rsm_mutex_lock(&manager->lock);
	RSM_LIST_FOR_EACH (item, &manager->views) {
		struct rsm_view *view = RSM_CONTAINER_OF(item, struct rsm_view, link);

		if (count < RSM_VIEWS_MAX && (!medium || view->info.medium == medium))
			ret_infos[count++] = view->info;
	}
	rsm_mutex_unlock(&manager->lock);
	qsort(ret_infos, count, sizeof ret_infos[0], by_generation);
	return count;
}

int rsm_view_content(struct rsm_manager *manager, uint64_t number, struct rsm_content **ret_content,
		     struct rsm_view_info *ret_info)
{
	RSM_LOCK_SCOPE(&manager->lock);
	RSM_LIST_FOR_EACH (item, &manager->views) {
		struct rsm_view *view = RSM_CONTAINER_OF(item, struct rsm_view, link);

		if (view->info.number != number)
			continue;
		view->references++;
		*ret_content = view->content;
		*ret_info = view->info;
		return 0;
	}
	return RSM_VIEW_ABSENT;
}

void rsm_view_content_unref(struct rsm_content *content)
{
	view_unref(rsm_content_owner(content));
}
