/* What is done to media and pools: the catalogue's calls, with contents and queue seen to. */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "core/copy.h"
#include "core/drive_fit.h"
#include "core/drive_private.h"
#include "core/undelete.h"

static int absent(struct rsm_err *err)
{
	return rsm_err_set(err, ENOENT, "there is no such cartridge");
}

static int get_medium(struct rsm_manager *manager, int64_t id, struct rsm_medium *medium,
		      struct rsm_err *err)
{
	int r = rsm_medium_get(manager->catalog, id, medium, err);

	return r > 0 ? absent(err) : r;
}

/* ---- allocation ---- */

/* Closes and removes contents that nobody uses; a user keeps them until he lets go. */
static void drop_contents(struct rsm_manager *manager, int64_t medium, const char *uuid)
{
	struct rsm_cartridge *cartridge;
	bool ours;

	if (rsm_cartridge_ref(manager, medium, &cartridge, NULL) != 0)
		return;
	rsm_mutex_lock(&manager->lock);
	ours = cartridge->references == 1 && cartridge->state == RSM_CARTRIDGE_AWAY;
	if (ours && !cartridge->uuid[0])
		snprintf(cartridge->uuid, sizeof cartridge->uuid, "%s", uuid);
	if (ours && strcmp(cartridge->uuid, uuid) == 0)
		rsm_cartridge_close_content_locked(cartridge, true);
	rsm_mutex_unlock(&manager->lock);
	rsm_cartridge_unref(cartridge);
}

/* It may lie in a drive yet, with the contents of what it was before (files of a tape that nobody
 * recognised): who has them open keeps them, and it goes home and comes again as what it is now.
 */
static void part_with_contents(struct rsm_manager *manager, const struct rsm_medium *medium)
{
	struct rsm_cartridge *cartridge;
	struct rsm_err gone;

	if (rsm_cartridge_ref(manager, medium->id, &cartridge, NULL) != 0)
		return;
	rsm_mutex_lock(&manager->lock);
	/* nobody has them: whoever comes next, to wait for the label perhaps, is not in the way */
	if (cartridge->content && strcmp(cartridge->uuid, medium->volume_uuid) != 0 &&
	    cartridge->references == 1 && cartridge->state == RSM_CARTRIDGE_AWAY)
		rsm_cartridge_close_content_locked(cartridge, false);
	if (!cartridge->content || strcmp(cartridge->uuid, medium->volume_uuid) == 0) {
		rsm_mutex_unlock(&manager->lock);
		rsm_cartridge_unref(cartridge);
		return;
	}
	cartridge->label_at_ns = cartridge->migrate_at_ns = cartridge->index_at_ns = 0;
	cartridge->abandoned = cartridge->leave = cartridge->state != RSM_CARTRIDGE_AWAY;
	rsm_cartridge_detach_locked(cartridge);
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	rsm_err_set(&gone, ENOENT, "%s was allocated", medium->shown);
	rsm_cartridge_fail_requests(cartridge, -ENOENT, &gone);
	rsm_cartridge_unref(cartridge);
}

/* One that is still to be looked at may be what is wanted. */
static int none_yet(struct rsm_manager *manager, const struct rsm_allocation *allocation,
		    const struct rsm_err *none, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&manager->lock);
	manager->free_wanted_ns = rsm_manager_now(manager);
	if (allocation->sides != RSM_SIDES_NEXT && rsm_identify_goes_on_locked(manager, false))
		return rsm_err_set(err, ENOSPC, "%s yet: some are still to be looked at",
				   none->msg);
	if (err)
		*err = *none;
	return -ENOSPC;
}

int rsm_manager_allocate(struct rsm_manager *manager, const struct rsm_allocation *allocation,
			 struct rsm_medium *ret_medium, struct rsm_err *err)
{
	struct rsm_cartridge *cartridge;
	RSM_FREE char *pool = NULL;
	struct rsm_err none;
	int r = rsm_allocate(manager->catalog, allocation, ret_medium, &none);

	if (r == -ENOSPC)
		return none_yet(manager, allocation, &none, err);
	if (r < 0 && err)
		*err = none;
	if (r < 0)
		return r;
	if (ret_medium->label_work == RSM_LABEL_FORMAT)
		part_with_contents(manager, ret_medium);
	if (rsm_pool_path(manager->catalog, ret_medium->pool, &pool, NULL) < 0)
		pool = NULL;
	rsm_event_add(manager->catalog, "allocate", "medium", ret_medium->shown, "pool", pool,
		      "name", ret_medium->name, "lmid", ret_medium->lmid, NULL);
	rsm_manager_want_label(manager, ret_medium->id, manager->options.label_delay_ms);
	if (allocation->sides == RSM_SIDES_NEXT)
		rsm_manager_label_changed(manager, allocation->next_of);
	if (ret_medium->label_work == RSM_LABEL_FORMAT) {
		/* an empty volume by the medium's own name, made when somebody looked into Free */
		char folder[PATH_MAX];

		rsm_cartridge_folder(manager, ret_medium->guid, folder, sizeof folder);
		if (access(folder, F_OK) == 0)
			drop_contents(manager, ret_medium->id, ret_medium->guid);
	}
	if (rsm_cartridge_ref(manager, ret_medium->id, &cartridge, NULL) == 0) {
		rsm_manager_apply_state(manager, cartridge);
		rsm_cartridge_unref(cartridge);
	}
	return 0;
}

bool rsm_manager_in_use_locked(const struct rsm_cartridge *cartridge)
{
	struct rsm_content_use use = { 0 };

	if (cartridge->content)
		rsm_content_use(cartridge->content, &use);
	return use.open_files || use.reading || !rsm_list_is_empty(&cartridge->reads) ||
	       !rsm_list_is_empty(&cartridge->mounts) || !rsm_list_is_empty(&cartridge->works) ||
	       cartridge->syncs;
}

static bool found_something(void *context, const struct rsm_node *node, const char *name,
			    const char *key)
{
	(void)node;
	(void)name;
	(void)key;
	*(bool *)context = true;
	return false;
}

static int check_empty(struct rsm_manager *manager, struct rsm_cartridge *cartridge,
		       const struct rsm_medium *medium, struct rsm_err *err)
{
	char folder[PATH_MAX];
	struct stat st;
	bool found = false;
	int r;

	rsm_cartridge_folder(manager, medium->volume_uuid, folder, sizeof folder);
	if (medium->label_work == RSM_LABEL_FORMAT && !cartridge->content && stat(folder, &st) < 0)
		return 0; /* never written, never looked into */
	r = rsm_cartridge_open_content(cartridge, medium->volume_uuid,
				       medium->label_work == RSM_LABEL_FORMAT, err);
	if (r != 0)
		return r;
	r = rsm_content_list(cartridge->content, RSM_NODE_ROOT, NULL, found_something, &found, err);
	if (r == 0 && found)
		return rsm_err_set(err, ENOTEMPTY, "%s holds files", medium->name);
	return r;
}

/* The index that shows what there was before the files were deleted, if a newer one may not. */
static uint64_t full_generation_locked(const struct rsm_cartridge *cartridge,
				       const struct rsm_medium *medium)
{
	uint64_t since, newest = 0;

	/* it came back, and has not gone back behind its deletions yet */
	if (rsm_undelete_is_open(cartridge->manager->catalog, medium->id, &since, NULL) == 0 &&
	    since)
		return since;
	if (!cartridge->content || strcmp(cartridge->uuid, medium->volume_uuid) != 0)
		return 0;
	since = rsm_content_removing_since(cartridge->content);
	if (rsm_volume_index_get_number(rsm_content_index(cartridge->content), "generation",
					&newest, 0, NULL) < 0)
		newest = 0;
	/* in its drive an index may be under way just now */
	return since != newest || cartridge->state != RSM_CARTRIDGE_AWAY ? since : 0;
}

/* Is there anything on it that could be wanted back? An empty volume has the index of its format,
 * and one more if its name changed.
 */
static bool has_held_something_locked(const struct rsm_cartridge *cartridge,
				      const struct rsm_medium *medium)
{
	enum { EMPTY_INDEXES = 2 };
	uint64_t newest = EMPTY_INDEXES + 1;
	bool found = false;

	if (medium->label_work == RSM_LABEL_FORMAT)
		return false;
	if (!cartridge->content || strcmp(cartridge->uuid, medium->volume_uuid) != 0 ||
	    rsm_content_removing_since(cartridge->content) ||
	    rsm_volume_index_get_number(rsm_content_index(cartridge->content), "generation",
					&newest, 0, NULL) < 0 ||
	    rsm_content_list(cartridge->content, RSM_NODE_ROOT, NULL, found_something, &found,
			     NULL) < 0)
		return true;
	return found || newest > EMPTY_INDEXES;
}

/* In one step with the catalogue, so that whoever is given the medium next meets nothing of what it
 * was before. The volume in the drive, if any, is no longer ours to write: its worker closes it
 * without an index.
 */
static void abandon_locked(struct rsm_cartridge *cartridge, const char *uuid)
{
	if (!cartridge->uuid[0])
		snprintf(cartridge->uuid, sizeof cartridge->uuid, "%s", uuid);
	cartridge->label_at_ns = cartridge->migrate_at_ns = cartridge->index_at_ns = 0;
	cartridge->abandoned = cartridge->leave = cartridge->state != RSM_CARTRIDGE_AWAY;
	rsm_cartridge_detach_locked(cartridge);
}

/* The contents that it has as what it is; NULL: nobody has looked into it. */
static struct rsm_content *current_locked(const struct rsm_cartridge *cartridge,
					  const struct rsm_medium *medium)
{
	return cartridge->content && strcmp(cartridge->uuid, medium->volume_uuid) == 0
		       ? cartridge->content
		       : NULL;
}

static const char being_deallocated[] = "the cartridge is being deallocated";

/* Between the look whether it is empty and its end nothing may come in: it would be lost. Held on
 * to until the end, and for ever then.
 */
static int hold_contents(struct rsm_manager *manager, struct rsm_cartridge *cartridge,
			 const struct rsm_medium *medium, bool force, struct rsm_content **ret_held,
			 struct rsm_err *err)
{
	struct rsm_content *content = NULL;
	int r = 0;

	rsm_mutex_lock(&manager->lock);
	if (rsm_manager_in_use_locked(cartridge))
		r = rsm_err_set(err, EBUSY, "%s is in use", cartridge->barcode);
	else
		content = current_locked(cartridge, medium);
	rsm_mutex_unlock(&manager->lock);
	if (r < 0 || !content)
		return r;
	r = rsm_content_hold_changes(content, being_deallocated, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s", cartridge->barcode);
	if (!force)
		r = check_empty(manager, cartridge, medium, err);
	if (r < 0)
		rsm_content_let_changes(content, being_deallocated);
	else
		*ret_held = content;
	return r;
}

/* `copy`: of the medium, which goes with it; NULL: it has none. */
static int end_allocation(struct rsm_manager *manager, struct rsm_cartridge *cartridge,
			  const struct rsm_medium *medium, const struct rsm_content *held,
			  struct rsm_cartridge *copy, const char *copy_uuid, bool force,
			  struct rsm_err *err)
{
	int r = 0;

	RSM_LOCK_SCOPE(&manager->lock);
	if (rsm_manager_in_use_locked(cartridge) || current_locked(cartridge, medium) != held)
		return rsm_err_set(err, EBUSY, "%s is in use", cartridge->barcode);
	if (!force) /* of an empty first one that may be all there is */
		r = rsm_copy_check_kept(manager->catalog, medium, err);
	if (r < 0)
		return r;
	r = rsm_deallocate_emptied(manager->catalog, medium->id,
				   has_held_something_locked(cartridge, medium),
				   full_generation_locked(cartridge, medium), NULL, err);
	if (r < 0)
		return r;
	abandon_locked(cartridge, medium->volume_uuid);
	if (copy)
		abandon_locked(copy, copy_uuid);
	rsm_manager_wake_locked(manager);
	return 0;
}

/* Waits for the worker to let go of an abandoned volume; a moment, unless the tape is being
 * formatted. */
static void await_abandoned(struct rsm_manager *manager, struct rsm_cartridge *cartridge)
{
	int64_t until = rsm_manager_now(manager) + RSM_SECOND_NS / 2;

	RSM_LOCK_SCOPE(&manager->lock);
	while (cartridge->abandoned && cartridge->state != RSM_CARTRIDGE_AWAY &&
	       rsm_manager_now(manager) < until)
		rsm_cond_wait_until(&manager->changed, &manager->lock, until);
}

/* NULL: it has none. */
static struct rsm_cartridge *ref_copy(struct rsm_manager *manager, int64_t medium,
				      struct rsm_medium *ret_copy)
{
	struct rsm_cartridge *cartridge = NULL;
	struct rsm_copy pair;

	if (rsm_copy_find(manager->catalog, medium, &pair, NULL) != 0 ||
	    rsm_medium_get(manager->catalog, pair.copy, ret_copy, NULL) != 0 ||
	    rsm_cartridge_ref(manager, pair.copy, &cartridge, NULL) != 0)
		return NULL;
	return cartridge;
}

static int deallocate_checked(struct rsm_manager *manager, struct rsm_cartridge *cartridge,
			      struct rsm_medium *medium, bool force, struct rsm_err *err)
{
	struct rsm_content *held = NULL;
	struct rsm_cartridge *copy;
	struct rsm_medium second = { 0 };
	struct rsm_err gone;
	int r = check_empty(manager, cartridge, medium, err);

	if (force) /* its contents need not even be readable */
		r = 0;
	if (r != 0)
		return r;
	rsm_copy_let_go(manager, medium->id);
	copy = ref_copy(manager, medium->id, &second);
	r = hold_contents(manager, cartridge, medium, force, &held, err);
	if (r == 0)
		r = end_allocation(manager, cartridge, medium, held, copy, second.volume_uuid,
				   force, err);
	if (r < 0 && held)
		rsm_content_let_changes(held, being_deallocated);
	if (r == 0) {
		rsm_err_set(&gone, ENOENT, "%s was deallocated", medium->name);
		rsm_cartridge_fail_requests(cartridge, -ENOENT, &gone);
		if (copy)
			rsm_cartridge_fail_requests(copy, -ENOENT, &gone);
	}
	if (copy)
		rsm_cartridge_unref(copy);
	if (r < 0)
		return r;
	rsm_event_add(manager->catalog, "deallocate", "medium", medium->shown, "name", medium->name,
		      "lmid", medium->lmid, NULL);
	await_abandoned(manager, cartridge);
	return 0;
}

int rsm_manager_deallocate(struct rsm_manager *manager, int64_t id, bool force, struct rsm_err *err)
{
	struct rsm_cartridge *cartridge;
	struct rsm_medium medium;
	int r = get_medium(manager, id, &medium, err);

	if (r < 0)
		return r;
	if (!medium.lmid[0])
		return rsm_err_set(err, EPERM, "%s is not allocated", medium.shown);
	r = rsm_cartridge_ref(manager, id, &cartridge, err);
	if (r != 0)
		return r < 0 ? r : absent(err);
	r = deallocate_checked(manager, cartridge, &medium, force, err);
	rsm_cartridge_unref(cartridge);
	return r;
}

int rsm_manager_update_medium(struct rsm_manager *manager, struct rsm_medium *medium, unsigned what,
			      struct rsm_err *err)
{
	int r = rsm_medium_change_logical(manager->catalog, medium, what, err);

	if (r == 0) {
		struct rsm_cartridge *cartridge;
		RSM_LOCK_SCOPE(&manager->lock);

		cartridge = rsm_cartridge_find_locked(manager, medium->id);
		if (cartridge)
			cartridge->priority = medium->priority;
		rsm_manager_wake_locked(manager);
	}
	if (r == 0)
		rsm_manager_label_changed(manager, medium->id);
	return r;
}

static void note_enabled(struct rsm_cartridge *cartridge, bool enabled)
{
	struct rsm_manager *manager = cartridge->manager;

	rsm_mutex_lock(&manager->lock);
	cartridge->disabled = !enabled;
	rsm_cartridge_wanted_locked(cartridge);
	if (enabled && cartridge->unwritable) {
		cartridge->unwritable = cartridge->read_only = false;
		cartridge->write_failures = cartridge->failures = 0;
		cartridge->retry_at_ns = 0;
		cartridge->reason[0] = '\0';
		/* its volume is opened anew: where it ends is not what we believed */
		rsm_cartridge_leave_locked(cartridge);
		rsm_cartridge_note_work_locked(cartridge);
		rsm_cartridge_wanted_locked(cartridge);
	}
	rsm_mutex_unlock(&manager->lock);
	rsm_manager_apply_state(manager, cartridge);
}

int rsm_manager_enable_medium(struct rsm_manager *manager, int64_t medium, bool enabled,
			      struct rsm_err *err)
{
	struct rsm_cartridge *cartridge, *other;
	struct rsm_medium m;
	int r = get_medium(manager, medium, &m, err);

	if (r == 0 && m.enabled == enabled && !(enabled && rsm_medium_is_unwritable(&m)))
		return rsm_err_set(err, EINVAL, "%s is %s already", m.shown,
				   enabled ? "enabled" : "disabled");
	if (r == 0)
		r = rsm_medium_set_enabled(manager->catalog, medium, enabled, err);
	if (r < 0)
		return r;
	rsm_event_add(manager->catalog, enabled ? "enable" : "disable", "medium", m.shown, NULL);
	if (rsm_cartridge_ref(manager, medium, &cartridge, NULL) != 0)
		return 0;
	note_enabled(cartridge, enabled);
	other = rsm_cartridge_ref_other_side(cartridge);
	if (other) {
		note_enabled(other, enabled);
		rsm_cartridge_unref(other);
	}
	rsm_manager_note_failed_drive(manager); /* who waits for it waits no longer */
	rsm_cartridge_unref(cartridge);
	return 0;
}

/* ---- work ---- */

void rsm_manager_want_work_now(struct rsm_manager *manager, int64_t medium)
{
	struct rsm_cartridge *cartridge;
	struct rsm_medium m;
	int64_t now = rsm_manager_now(manager);

	if (rsm_medium_get(manager->catalog, medium, &m, NULL) != 0 ||
	    rsm_cartridge_ref(manager, medium, &cartridge, NULL) != 0)
		return;
	rsm_mutex_lock(&manager->lock);
	if (cartridge->migrate_at_ns)
		cartridge->migrate_at_ns = now;
	if (rsm_drive_fit_has_label_work_locked(cartridge, &m))
		cartridge->label_at_ns = now;
	rsm_cartridge_wanted_locked(cartridge);
	rsm_mutex_unlock(&manager->lock);
	rsm_cartridge_unref(cartridge);
}

void rsm_manager_adopt_staged(struct rsm_manager *manager)
{
	DIR *folder;
	struct dirent *entry;

	if (manager->staged_adopted)
		return;
	manager->staged_adopted = true;
	folder = opendir(manager->staging_folder);
	while (folder && (entry = readdir(folder))) {
		struct rsm_cartridge *cartridge;
		struct rsm_medium medium;
		struct rsm_err err;

		if (entry->d_name[0] == '.' || strlen(entry->d_name) != RSM_GUID_SIZE - 1 ||
		    rsm_medium_find_uuid(manager->catalog, entry->d_name, &medium, NULL) != 0 ||
		    !medium.lmid[0] || rsm_cartridge_ref(manager, medium.id, &cartridge, NULL) != 0)
			continue;
		/* opening notes what is staged and has it written */
		if (rsm_cartridge_open_content(cartridge, entry->d_name, false, &err) < 0)
			rsm_log_error("%s: %s", cartridge->barcode, err.msg);
		rsm_cartridge_unref(cartridge);
	}
	if (folder)
		closedir(folder);
}

/* ---- what others want to know ---- */

int rsm_manager_medium_use(struct rsm_manager *manager, int64_t medium,
			   struct rsm_medium_use *ret_use, struct rsm_err *err)
{
	struct rsm_content_use use = { 0 };
	struct rsm_cartridge *cartridge;

	(void)err;
	*ret_use = (struct rsm_medium_use){ 0 };
	RSM_LOCK_SCOPE(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, medium);
	if (!cartridge)
		return 0;
	if (cartridge->content)
		rsm_content_use(cartridge->content, &use);
	ret_use->mounted = cartridge->state == RSM_CARTRIDGE_LOADED ||
			   cartridge->state == RSM_CARTRIDGE_LEAVING;
	ret_use->drive = cartridge->worker ? cartridge->worker->element : 0;
	ret_use->in_use = rsm_manager_in_use_locked(cartridge);
	ret_use->staged_bytes = use.staged_bytes;
	ret_use->staged_files = use.staged_files;
	return 0;
}
