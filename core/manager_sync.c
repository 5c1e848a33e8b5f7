/* Waiting until what was written is on its medium. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/drive_fit.h"
#include "core/drive_private.h"
#include "core/hand.h"

/* A file that is written on and on is never quite on the medium. */
#define WRITER_PATIENCE_NS (30 * RSM_SECOND_NS)

/* What is waited for: what a cartridge had when the sync began. Who writes on and on meanwhile does
 * not make it longer, nor the robot bring the cartridge again and again.
 */
struct target {
	int64_t medium;
	bool wanted;
	bool aimed;	  /* the contents were open; else the two are not known */
	uint64_t order;	  /* files closed up to this one */
	uint64_t version; /* of the tree */
	int result;
	struct rsm_err err;
};

struct sync {
	struct rsm_manager *manager;
	void (*progress)(void *context, uint64_t done, uint64_t total, const char *what);
	void *context;
	const atomic_bool *cancel;
};

static bool wants_sync(const struct rsm_content_use *use, const struct rsm_medium *medium)
{
	bool writable = !medium->write_protected && (medium->state == RSM_MEDIUM_ALLOCATED ||
						     medium->state == RSM_MEDIUM_COMPLETE);

	return use->staged_files || (use->dirty && writable) ||
	       medium->label_work != RSM_LABEL_NONE;
}

static void look_locked(const struct rsm_cartridge *cartridge, struct rsm_medium *medium,
			struct rsm_content_use *ret_use)
{
	*ret_use = (struct rsm_content_use){ 0 };
	if (cartridge->content)
		rsm_content_use(cartridge->content, ret_use);
	if (!rsm_drive_fit_is_fixed_locked(cartridge, medium))
		return;
	ret_use->dirty = false;
	if (medium->label_work == RSM_LABEL_UPDATE)
		medium->label_work = RSM_LABEL_NONE;
}

static int look_at(struct rsm_cartridge *cartridge, struct rsm_medium *ret_medium,
		   struct rsm_content_use *ret_use, struct rsm_err *err)
{
	struct rsm_manager *manager = cartridge->manager;
	int r = rsm_medium_get(manager->catalog, cartridge->id, ret_medium, err);

	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "%s is gone", cartridge->barcode);
	RSM_LOCK_SCOPE(&manager->lock);
	look_locked(cartridge, ret_medium, ret_use);
	return 0;
}

/* Why it goes no further; 0: it may. */
static int sync_obstacle_locked(const struct rsm_cartridge *cartridge,
				const struct rsm_content_use *use, const struct rsm_medium *medium,
				unsigned outcome, struct rsm_err *err)
{
	if (cartridge->library == 0 && !rsm_hand_drive_locked(cartridge))
		return rsm_err_set(err, ENOMEDIUM, "%s is not in the library", cartridge->barcode);
	if (cartridge->full)
		return rsm_err_set(err, ENOSPC, "%s is full: %" PRIu64 " files stay staged",
				   cartridge->barcode, use->staged_files);
	if (cartridge->outcome_number != outcome && cartridge->failure.code) {
		*err = cartridge->failure;
		return -cartridge->failure.code;
	}
	if (cartridge->read_only && medium->label_work == RSM_LABEL_NONE &&
	    cartridge->state == RSM_CARTRIDGE_LOADED)
		return rsm_err_set(err, EROFS, "%s takes no changes: %s", cartridge->barcode,
				   cartridge->reason[0] ? cartridge->reason : "it has no volume");
	if (cartridge->manager->stopping)
		return rsm_err_set(err, ECANCELED, "rsmfs is shutting down");
	return rsm_manager_check_drives_locked(cartridge->manager, cartridge, err);
}

static void want_all_locked(struct rsm_cartridge *cartridge, const struct rsm_content_use *use,
			    const struct rsm_medium *medium)
{
	int64_t now = rsm_manager_now(cartridge->manager);

	if (use->dirty && !cartridge->index_at_ns)
		cartridge->index_at_ns = now;
	if (use->staged_files && !cartridge->migrate_at_ns)
		cartridge->migrate_at_ns = now;
	if (medium->label_work != RSM_LABEL_NONE)
		cartridge->label_at_ns = now;
	rsm_cartridge_wanted_locked(cartridge);
}

static bool is_reached(struct rsm_manager *manager, struct rsm_cartridge *cartridge,
		       const struct target *target, const struct rsm_medium *medium)
{
	struct rsm_volume_index *index;

	if (!target->aimed || medium->label_work != RSM_LABEL_NONE)
		return false;
	RSM_LOCK_SCOPE(&manager->lock);
	if (!cartridge->content || cartridge->safe_order < target->order)
		return false;
	index = rsm_content_index(cartridge->content);
	return rsm_volume_index_indexed_version(index) >= target->version;
}

/* Asked after the looks at its contents: those change in the midst of a commit. */
static bool is_committing(struct rsm_manager *manager, const struct rsm_cartridge *cartridge)
{
	RSM_LOCK_SCOPE(&manager->lock);
	return cartridge->committing;
}

/* Label work that was given up, for another label is there, is not done. */
static int check_label(struct rsm_manager *manager, const struct rsm_cartridge *cartridge,
		       unsigned outcome, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&manager->lock);
	if (cartridge->outcome_number == outcome || cartridge->failure.code != EMEDIUMTYPE)
		return 0;
	if (err)
		*err = cartridge->failure;
	return -EMEDIUMTYPE;
}

static int sync_loop(struct sync *sync, struct rsm_cartridge *cartridge,
		     const struct target *target, unsigned outcome, struct rsm_err *err)
{
	struct rsm_manager *manager = sync->manager;
	struct rsm_content_use use;
	struct rsm_medium medium;
	uint64_t total = 0, least = UINT64_MAX;
	int64_t progress_at = rsm_manager_now(manager);
	int r;

	for (;;) {
		r = look_at(cartridge, &medium, &use, err);
		if (r < 0)
			return r;
		if ((!wants_sync(&use, &medium) ||
		     is_reached(manager, cartridge, target, &medium)) &&
		    !is_committing(manager, cartridge))
			return check_label(manager, cartridge, outcome, err);
		if (use.staged_bytes < least || use.writers == 0) {
			least = use.staged_bytes;
			progress_at = rsm_manager_now(manager);
		}
		if (rsm_manager_now(manager) - progress_at > WRITER_PATIENCE_NS)
			return rsm_err_set(err, EBUSY, "files on %s are still being written",
					   cartridge->barcode);
		if (use.staged_bytes > total)
			total = use.staged_bytes;
		if (sync->progress)
			sync->progress(sync->context, total - use.staged_bytes, total,
				       cartridge->barcode);
		if (sync->cancel && atomic_load(sync->cancel))
			return rsm_err_set(err, EINTR, "interrupted");

		RSM_LOCK_SCOPE(&manager->lock);
		/* a label that is to be written is rare: the catalogue is asked under the lock */
		if (medium.label_work != RSM_LABEL_NONE &&
		    rsm_medium_get(manager->catalog, cartridge->id, &medium, NULL) != 0)
			continue;
		look_locked(cartridge, &medium, &use);
		r = sync_obstacle_locked(cartridge, &use, &medium, outcome, err);
		if (r < 0)
			return r;
		/* it was written since, and may be on its way home: nobody wants it any more */
		if (!wants_sync(&use, &medium) && !cartridge->committing)
			continue;
		want_all_locked(cartridge, &use, &medium);
		rsm_cond_wait_until(&manager->changed, &manager->lock,
				    rsm_manager_now(manager) + RSM_LOOK_NS);
	}
}

/* What was written so far is flushed, and is what is waited for. */
static int aim(struct sync *sync, struct rsm_cartridge *cartridge, struct target *target,
	       struct rsm_err *err)
{
	struct rsm_volume_index *index;
	struct rsm_medium m;
	int r = rsm_medium_get(sync->manager->catalog, target->medium, &m, err);

	if (r != 0 || !m.volume_uuid[0])
		return r < 0 ? r : 0;
	r = rsm_cartridge_open_content(cartridge, m.volume_uuid, m.label_work == RSM_LABEL_FORMAT,
				       err);
	if (r == 0)
		r = rsm_content_flush_open(cartridge->content, err);
	if (r != 0)
		return r < 0 ? r : 0;
	index = rsm_content_index(cartridge->content);
	target->order = rsm_volume_index_last_close_order(index);
	target->version = rsm_volume_index_tree_version(index);
	target->aimed = true;
	return 0;
}

static int sync_one(struct sync *sync, struct target *target, struct rsm_err *err)
{
	struct rsm_manager *manager = sync->manager;
	struct rsm_cartridge *cartridge;
	struct rsm_content_use use;
	int r = rsm_cartridge_ref(manager, target->medium, &cartridge, err);
	struct rsm_err sync_err;
	struct rsm_medium m;
	unsigned outcome;

	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "there is no such cartridge");
	if (!target->aimed)
		r = aim(sync, cartridge, target, err);
	if (r == 0)
		r = look_at(cartridge, &m, &use, err);
	/* a waiter is what brings it into a drive: a clean one stays where it is */
	if (r < 0 || ((!wants_sync(&use, &m) || is_reached(manager, cartridge, target, &m)) &&
		      !is_committing(manager, cartridge))) {
		rsm_cartridge_unref(cartridge);
		return r;
	}
	rsm_mutex_lock(&manager->lock);
	cartridge->syncs++;
	cartridge->retry_at_ns = 0;
	cartridge->failure = (struct rsm_err){ 0 };
	outcome = cartridge->outcome_number;
	rsm_mutex_unlock(&manager->lock);
	r = sync_loop(sync, cartridge, target, outcome, err);
	/* what stays staged is made safe where it is */
	if (r < 0 && r != -EINTR && cartridge->content &&
	    rsm_content_sync(cartridge->content, &sync_err) < 0)
		rsm_log_error("%s: %s", cartridge->barcode, sync_err.msg);
	rsm_mutex_lock(&manager->lock);
	cartridge->syncs--;
	rsm_cartridge_unwanted_locked(cartridge);
	rsm_mutex_unlock(&manager->lock);
	rsm_cartridge_unref(cartridge);
	return r;
}

struct media_list {
	int64_t *ids;
	size_t count, room;
	bool failed;
};

static void add_medium(struct media_list *list, int64_t medium)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		int64_t *ids = realloc(list->ids, room * sizeof *ids);

		if (!ids) {
			list->failed = true;
			return;
		}
		list->ids = ids;
		list->room = room;
	}
	list->ids[list->count++] = medium;
}

static bool gather_label_work(void *context, const struct rsm_medium *medium)
{
	add_medium(context, medium->id);
	return true;
}

/* Who may have something to be synced: whose contents are open (those with staged data are, since
 * the start), and who has label work. Not the 100,000 others.
 */
static int gather(struct rsm_manager *manager, struct media_list *list, struct rsm_err *err)
{
	int r = rsm_medium_list_label_work(manager->catalog, 0, gather_label_work, list, err);
	size_t labels = list->count;

	if (r < 0)
		return r;
	RSM_LOCK_SCOPE(&manager->lock);
	RSM_LIST_FOR_EACH (item, &manager->cartridges) {
		const struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);
		bool known = !cartridge->content || cartridge->detached;

		for (size_t i = 0; i < labels && !known; i++)
			known = list->ids[i] == cartridge->id;
		if (!known)
			add_medium(list, cartridge->id);
	}
	return list->failed ? rsm_err_oom(err) : 0;
}

/* Does this medium have anything to be synced? Media whose contents are not open and not staged do
 * not. */
static bool may_want_sync(struct rsm_manager *manager, int64_t medium)
{
	struct rsm_cartridge *cartridge;
	struct rsm_medium m;
	struct rsm_content_use use = { 0 };

	if (rsm_medium_get(manager->catalog, medium, &m, NULL) != 0)
		return false;
	if (m.label_work != RSM_LABEL_NONE)
		return true;
	RSM_LOCK_SCOPE(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, medium);
	if (cartridge && cartridge->content)
		rsm_content_use(cartridge->content, &use);
	return use.open_files || wants_sync(&use, &m);
}

/* All of them are wanted at once, so that the drives work side by side. */
static void begin_sync(struct sync *sync, struct target *target)
{
	struct rsm_cartridge *cartridge;

	target->wanted = may_want_sync(sync->manager, target->medium);
	if (!target->wanted || rsm_cartridge_ref(sync->manager, target->medium, &cartridge, NULL))
		return; /* _sync_one will tell */
	target->result = aim(sync, cartridge, target, &target->err);
	rsm_cartridge_unref(cartridge);
	rsm_manager_want_work_now(sync->manager, target->medium);
}

static int end_sync(struct sync *sync, struct target *target, struct rsm_err *err)
{
	if (!target->wanted)
		return 0;
	if (target->result < 0) {
		*err = target->err;
		return target->result;
	}
	return sync_one(sync, target, err);
}

int rsm_manager_sync_wait(struct rsm_manager *manager, int64_t medium,
			  void (*progress)(void *context, uint64_t done, uint64_t total,
					   const char *what),
			  void *context, const atomic_bool *cancel, struct rsm_err *err)
{
	struct sync sync = { manager, progress, context, cancel };
	struct target one = { .medium = medium };
	RSM_FREE struct target *targets = NULL;
	struct media_list list = { 0 };
	struct rsm_err one_err;
	int r, result = 0;

	if (medium)
		return sync_one(&sync, &one, err);
	r = gather(manager, &list, err);
	if (r == 0) {
		targets = calloc(list.count + 1, sizeof *targets);
		if (!targets)
			r = rsm_err_oom(err);
	}
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		targets[i].medium = list.ids[i];
		begin_sync(&sync, &targets[i]);
	}
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		int ended = end_sync(&sync, &targets[i], &one_err);

		if (ended < 0 && result == 0) {
			result = ended;
			*err = one_err;
		}
		if (ended == -EINTR)
			break;
	}
	free(list.ids);
	return r ? r : result;
}
