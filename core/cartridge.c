#include "core/cartridge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "core/copy_private.h"
#include "core/drive_fit.h"
#include "core/drive_private.h"
#include "core/hand.h"
#include "core/manager_private.h"

#define KEEP_IDLE_NS (60 * RSM_SECOND_NS)
enum { KEEP_IDLE_MOST = 24, ROOM_FOR_A_WRITE = 1 << 20 };
/* However long a program goes on closing files, writing to the medium begins by then: so many quiet
 * times. Until then it has the machine to itself; what it wrote is on the disk.
 */
#define MIGRATE_LATEST 45
#define INDEX_LATEST_S 300
#define STREAM_SIZE    ((uint64_t)4 << 30)
#define FUTILE_NS      (15 * RSM_SECOND_NS)
#define ASKED_AGAIN_NS (RSM_SECOND_NS / 20)

void rsm_cartridge_folder(const struct rsm_manager *manager, const char *uuid, char *ret_path,
			  size_t size)
{
	snprintf(ret_path, size, "%s/%s", manager->staging_folder, uuid);
}

static struct rsm_cartridge *new_cartridge(struct rsm_manager *manager,
					   const struct rsm_medium *medium)
{
	struct rsm_cartridge *cartridge = calloc(1, sizeof *cartridge);

	if (!cartridge)
		return NULL;
	cartridge->manager = manager;
	cartridge->id = medium->id;
	cartridge->physical = medium->physical;
	cartridge->side = medium->side;
	snprintf(cartridge->barcode, sizeof cartridge->barcode, "%.64s", medium->shown);
	cartridge->priority = medium->priority;
	rsm_drive_fit_note_locked(cartridge, medium);
	cartridge->ejected = medium->location == RSM_AT_PORT &&
			     rsm_medium_is_ejected(manager->catalog, medium->id);
	if (medium->location != RSM_AT_OFFLINE && !cartridge->ejected)
		cartridge->library = medium->library;
	cartridge->disabled = !medium->enabled;
	rsm_list_init(&cartridge->reads);
	rsm_list_init(&cartridge->mounts);
	rsm_list_init(&cartridge->works);
	return cartridge;
}

int rsm_cartridge_get_locked(struct rsm_manager *manager, int64_t medium,
			     struct rsm_cartridge **ret_cartridge, struct rsm_err *err)
{
	struct rsm_cartridge *cartridge = rsm_cartridge_find_locked(manager, medium);
	struct rsm_medium m;
	int r;

	if (!cartridge) {
		r = rsm_medium_get(manager->catalog, medium, &m, err);
		if (r != 0)
			return r < 0 ? r : RSM_MANAGER_ABSENT;
		cartridge = new_cartridge(manager, &m);
		if (!cartridge)
			return rsm_err_oom(err);
		rsm_cartridge_add_locked(cartridge);
	}
	*ret_cartridge = cartridge;
	return 0;
}

int rsm_cartridge_ref(struct rsm_manager *manager, int64_t medium,
		      struct rsm_cartridge **ret_cartridge, struct rsm_err *err)
{
	int r;

	RSM_LOCK_SCOPE(&manager->lock);
	r = rsm_cartridge_get_locked(manager, medium, ret_cartridge, err);
	if (r == 0)
		(*ret_cartridge)->references++;
	return r;
}

struct rsm_cartridge *rsm_cartridge_ref_other_side(const struct rsm_cartridge *cartridge)
{
	struct rsm_cartridge *found = NULL;
	int64_t other;

	if (rsm_medium_other_side(cartridge->manager->catalog, cartridge->id, &other, NULL) != 0 ||
	    rsm_cartridge_ref(cartridge->manager, other, &found, NULL) != 0)
		return NULL;
	return found;
}

/* Nobody wants anything of it, and the catalogue knows all that the entry does: a library that is
 * looked through does not fill the table.
 */
static bool is_nothing_known_locked(const struct rsm_cartridge *cartridge)
{
	return cartridge->state == RSM_CARTRIDGE_AWAY && !cartridge->content &&
	       !cartridge->failure.code && !cartridge->ejected && !cartridge->hand_library &&
	       rsm_list_is_empty(&cartridge->works) &&
	       rsm_mount_queue_due_ns(cartridge, 0) == RSM_NEVER_NS;
}

void rsm_cartridge_unref(struct rsm_cartridge *cartridge)
{
	RSM_LOCK_SCOPE(&cartridge->manager->lock);
	cartridge->idle_since_ns = rsm_manager_now(cartridge->manager);
	cartridge->references--;
	/* deallocated while somebody still had it: now nobody has, and nobody gets it before the
	 * lock is given back */
	if (cartridge->discard && cartridge->references == 0)
		rsm_cartridge_close_content_locked(cartridge, true);
	if (cartridge->references == 0 &&
	    (cartridge->detached || is_nothing_known_locked(cartridge))) {
		rsm_item_ends_locked(cartridge, RSM_WORK_CANCELLED, "nobody waits any more");
		rsm_cartridge_remove_locked(cartridge);
	}
}

/* Whoever has the entry, its drive above all, goes on with it; who asks for the medium from now on
 * gets a new one, with contents of its own.
 */
void rsm_cartridge_detach_locked(struct rsm_cartridge *cartridge)
{
	cartridge->detached = cartridge->discard = true;
	cartridge->library = 0;
}

bool rsm_cartridge_is_disabled_locked(const struct rsm_cartridge *cartridge)
{
	const struct rsm_library *library =
		cartridge->library ? rsm_library_find(cartridge->manager, cartridge->library)
				   : NULL;

	return cartridge->disabled || (library && !library->enabled);
}

/* ---- contents and what they ask for ---- */

/* A kernel whose read-ahead has failed asks for the page that was wanted once more: that is the
 * same wait, which is over.
 */
static bool has_just_expired_locked(const struct rsm_cartridge *cartridge, uint64_t node)
{
	return cartridge->expired_ns && cartridge->expired_node == node &&
	       rsm_manager_now(cartridge->manager) - cartridge->expired_ns < ASKED_AGAIN_NS;
}

void rsm_cartridge_queue_read(struct rsm_manager *manager, struct rsm_medium_read *read)
{
	struct rsm_cartridge *cartridge = rsm_content_owner(read->content);
	struct rsm_err err;
	struct rsm_drive_worker *worker;
	bool cached, offline;
	int r = 0;

	rsm_mutex_lock(&manager->lock);
	worker = cartridge->state == RSM_CARTRIDGE_LOADED ? cartridge->worker : NULL;
	rsm_mutex_unlock(&manager->lock);
	/* a worker lives as long as the manager, and its cache knows whose blocks it has */
	cached = worker && rsm_drive_worker_read_cached(worker, read);

	rsm_mutex_lock(&manager->lock);
	offline = !cached && cartridge->library == 0;
	if (offline && !rsm_hand_waits_locked(cartridge))
		r = rsm_err_set(&err, ENOMEDIUM, "%s is not in the library", cartridge->barcode);
	else if (offline && cartridge->refused_until_ns > rsm_manager_now(manager))
		r = rsm_err_set(&err, ECANCELED, "%s: the operator refused to bring it",
				cartridge->barcode);
	else if (!cached && manager->stopping && cartridge->state == RSM_CARTRIDGE_AWAY)
		r = rsm_err_set(&err, EIO, "%s: rsmfs is shutting down", cartridge->barcode);
	else if (!cached && cartridge->state == RSM_CARTRIDGE_AWAY &&
		 rsm_cartridge_is_disabled_locked(cartridge))
		r = rsm_err_set(&err, ENODEV, "%s is disabled", cartridge->barcode);
	else if (!cached && cartridge->state != RSM_CARTRIDGE_LOADED &&
		 has_just_expired_locked(cartridge, read->node))
		r = rsm_err_set(&err, ETIMEDOUT, "%s: no drive was ready in time",
				cartridge->barcode);
	else if (!cached && !offline)
		r = rsm_manager_check_drives_locked(manager, cartridge, &err);
	if (!cached && r == 0) {
		read->since_ns = rsm_manager_now(manager);
		read->deadline_ns = rsm_manager_deadline(manager, 0);
		rsm_list_append(&cartridge->reads, &read->link);
		rsm_manager_note_deadline_locked(manager, read->deadline_ns);
	}
	if (cartridge->state == RSM_CARTRIDGE_LOADED)
		rsm_drive_worker_wake_locked(cartridge->worker); /* to read, or to read ahead */
	else if (!cached && r == 0)
		rsm_cartridge_wanted_locked(cartridge);
	rsm_mutex_unlock(&manager->lock);
	if (offline && r != -ECANCELED)
		rsm_manager_request_medium(manager, cartridge);
	if (cached)
		rsm_drive_worker_answer_cached(worker, read);
	else if (r < 0)
		read->done(read, r, &err);
}

static void content_read(void *context, struct rsm_medium_read *read)
{
	if (!rsm_copy_take_read(context, read))
		rsm_cartridge_queue_read(context, read);
}

void rsm_cartridge_cancel_read(struct rsm_manager *manager, struct rsm_medium_read *read)
{
	struct rsm_cartridge *cartridge = rsm_content_owner(read->content);
	struct rsm_err err;
	bool found = false;
	int64_t medium;

	rsm_mutex_lock(&manager->lock);
	medium = cartridge->id;
	RSM_LIST_FOR_EACH (item, &cartridge->reads)
		found = found || item == &read->link;
	if (found) {
		rsm_list_remove(&read->link);
		rsm_cartridge_unwanted_locked(cartridge);
	}
	rsm_mutex_unlock(&manager->lock);
	if (!found)
		return;
	rsm_manager_withdraw_request(manager, medium);
	read->done(read, rsm_err_set(&err, EINTR, "interrupted"), &err);
}

static void content_cancel(void *context, struct rsm_medium_read *read)
{
	if (!rsm_copy_cancel_read(context, read))
		rsm_cartridge_cancel_read(context, read);
}

void rsm_cartridge_want_read(struct rsm_cartridge *cartridge, bool soon)
{
	RSM_LOCK_SCOPE(&cartridge->manager->lock);
	if (!soon) {
		cartridge->read_soon_ns = 0;
		rsm_cartridge_unwanted_locked(cartridge);
	} else if (cartridge->state == RSM_CARTRIDGE_AWAY && !cartridge->read_soon_ns &&
		   (cartridge->library || rsm_hand_drive_locked(cartridge))) {
		cartridge->read_soon_ns = rsm_manager_now(cartridge->manager);
		rsm_cartridge_wanted_locked(cartridge);
	}
}

/* Of a nameless file nothing can be written: the robot does not bring a cartridge for it again and
 * again.
 */
static bool may_free_locked(const struct rsm_cartridge *cartridge,
			    const struct rsm_content_use *use, int64_t now)
{
	if (!use->waiting_bytes)
		return false;
	return cartridge->state == RSM_CARTRIDGE_LOADED ||
	       use->waiting_bytes != cartridge->futile_bytes ||
	       now - cartridge->futile_at_ns > FUTILE_NS;
}

/* The staging area is nearly full: whoever has something of it is to write it now. */
static void all_migrate_locked(struct rsm_manager *manager, int64_t now)
{
	RSM_LIST_FOR_EACH (item, &manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);
		struct rsm_content_use use;

		if (!cartridge->content ||
		    (cartridge->migrate_at_ns && cartridge->migrate_at_ns <= now))
			continue;
		rsm_content_use(cartridge->content, &use);
		if (!may_free_locked(cartridge, &use, now))
			continue;
		cartridge->migrate_at_ns = now;
		rsm_cartridge_wanted_locked(cartridge);
	}
	/* a loaded one may just have to write its index */
	rsm_manager_wake_locked(manager);
}

static void content_want(void *context, struct rsm_content *content, enum rsm_content_want want)
{
	struct rsm_manager *manager = context;
	struct rsm_cartridge *cartridge = rsm_content_owner(content);
	int64_t now = rsm_manager_now(manager);
	int64_t delay = (int64_t)manager->options.migrate_delay_ms * 1000000;
	bool wake = false;

	if (want == RSM_WANT_MEDIUM) {
		rsm_manager_request_medium(manager, cartridge);
		return;
	}
	RSM_LOCK_SCOPE(&manager->lock);
	switch (want) {
	case RSM_WANT_READ_SOON:
		cartridge->refused_until_ns = 0; /* somebody else asks */
		if (cartridge->state == RSM_CARTRIDGE_AWAY && !cartridge->read_soon_ns &&
		    (cartridge->library || rsm_hand_drive_locked(cartridge))) {
			cartridge->read_soon_ns = now;
			wake = true;
		}
		break;
	case RSM_WANT_MIGRATION:
		wake = !cartridge->migrate_at_ns;
		if (!cartridge->migrate_at_ns)
			cartridge->migrate_latest_ns = now + delay * MIGRATE_LATEST;
		cartridge->migrate_at_ns = now + delay;
		if (cartridge->migrate_at_ns > cartridge->migrate_latest_ns)
			cartridge->migrate_at_ns = cartridge->migrate_latest_ns;
		if (!cartridge->index_at_ns)
			cartridge->index_at_ns = rsm_cartridge_index_time(cartridge, now);
		break;
	case RSM_WANT_STREAM:
		cartridge->stream = true;
		cartridge->migrate_at_ns = now;
		wake = true;
		break;
	case RSM_WANT_ROOM: all_migrate_locked(manager, now); break;
	case RSM_WANT_NOTHING:
		cartridge->read_soon_ns = 0;
		rsm_cartridge_unwanted_locked(cartridge);
		pthread_cond_broadcast(&manager->changed);
		if (cartridge->state != RSM_CARTRIDGE_AWAY && cartridge->worker)
			rsm_drive_worker_note_closed_locked(cartridge->worker);
		break;
	case RSM_WANT_MEDIUM: break;
	}
	if (wake)
		rsm_cartridge_wanted_locked(cartridge);
}

static bool content_measure(void *context, struct rsm_content *content)
{
	return rsm_manager_measure_again(context, rsm_content_owner(content));
}

static void content_changed(void *context, struct rsm_content *content, uint64_t node)
{
	struct rsm_manager *manager = context;
	struct rsm_cartridge *cartridge = rsm_content_owner(content);
	int64_t medium;

	rsm_mutex_lock(&manager->lock);
	medium = cartridge->id;
	rsm_mutex_unlock(&manager->lock);
	if (manager->options.callbacks.contents_changed)
		manager->options.callbacks.contents_changed(manager->options.callbacks.context,
							    medium, node);
}

static int open_content(struct rsm_cartridge *cartridge, const char *folder,
			struct rsm_content **ret_content, struct rsm_err *err)
{
	struct rsm_manager *manager = cartridge->manager;
	const struct rsm_content_callbacks callbacks = {
		.read = content_read,
		.cancel = content_cancel,
		.want = content_want,
		.measure = content_measure,
		.changed = content_changed,
		.context = manager,
	};
	int r = rsm_file_make_folders(folder, 0700, err);

	if (r == 0)
		r = rsm_content_open_volume(folder, manager->space, &callbacks, ret_content, err);
	if (r == -EBADMSG) { /* EIO: that its cause is a database is nothing to a program */
		char why[sizeof err->msg] = "it is damaged";

		if (err)
			snprintf(why, sizeof why, "%s", err->msg);
		return rsm_err_set(
			err, EIO,
			"contents of %s (move the damaged %s/index.db away to have it read "
			"from the medium again): %.300s",
			cartridge->barcode, folder, why);
	}
	if (r < 0)
		return rsm_err_wrap(err, r, "contents of %s", cartridge->barcode);
	rsm_content_set_owner(*ret_content, cartridge);
	rsm_content_set_hash(*ret_content, manager->options.hash);
	rsm_content_set_stream_size(*ret_content, manager->options.stream_size
							  ? manager->options.stream_size
							  : STREAM_SIZE);
	return 0;
}

bool rsm_cartridge_is_unread(struct rsm_cartridge *cartridge)
{
	struct rsm_volume_index *index = rsm_content_index(cartridge->content);
	RSM_FREE char *uuid = NULL, *block_size = NULL;
	struct rsm_volume_totals totals;

	if (atomic_load(&cartridge->tree_read))
		return false;
	/* one of these is noted with what is read of an LTFS volume, or of another tape's files; if
	 * nobody can tell, the medium is asked */
	if (rsm_volume_index_get_fact(index, "uuid", &uuid, NULL) < 0 ||
	    rsm_volume_index_get_fact(index, "block_size", &block_size, NULL) < 0 ||
	    rsm_volume_index_totals(index, &totals, NULL) < 0)
		return true;
	if (!uuid && !block_size &&
	    totals.folders + totals.files + totals.links + totals.staged_files == 0)
		return true;
	atomic_store(&cartridge->tree_read, true);
	return false;
}

int rsm_cartridge_open_content(struct rsm_cartridge *cartridge, const char *uuid, bool make,
			       struct rsm_err *err)
{
	struct rsm_manager *manager = cartridge->manager;
	struct rsm_content *content = NULL;
	struct rsm_medium m;
	char folder[4300], database[4400];
	struct stat st;
	int r;

	rsm_mutex_lock(&manager->lock);
	r = cartridge->content && strcmp(cartridge->uuid, uuid) == 0;
	rsm_mutex_unlock(&manager->lock);
	if (r)
		return !make && rsm_cartridge_is_unread(cartridge) ? RSM_MANAGER_MUST_MOUNT : 0;
	rsm_cartridge_folder(manager, uuid, folder, sizeof folder);
	snprintf(database, sizeof database, "%s/index.db", folder);
	if (!make && stat(database, &st) < 0)
		return RSM_MANAGER_MUST_MOUNT;
	/* the manager's lock makes this the only opener; opening takes milliseconds */
	rsm_mutex_lock(&manager->lock);
	r = 0;
	if (cartridge->detached)
		r = rsm_err_set(err, ECANCELED, "%s was deallocated", cartridge->barcode);
	else if (cartridge->content && strcmp(cartridge->uuid, uuid) != 0) {
		/* the caller's reference is one */
		if (cartridge->references > 1) {
			r = rsm_err_set(err, EBUSY, "the contents that %s had before are in use",
					cartridge->barcode);
		} else {
			rsm_cartridge_close_content_locked(cartridge, cartridge->discard);
		}
	}
	if (r == 0 && !cartridge->content) {
		r = open_content(cartridge, folder, &content, err);
		if (r == 0) {
			snprintf(cartridge->uuid, sizeof cartridge->uuid, "%s", uuid);
			cartridge->content = content;
			/* before anybody sees it: a complete one takes no write */
			if (rsm_medium_get(manager->catalog, cartridge->id, &m, err) == 0)
				rsm_manager_refuse_by_state_locked(cartridge, &m);
			rsm_cartridge_note_work_locked(cartridge);
		}
	}
	rsm_mutex_unlock(&manager->lock);
	if (r == 0)
		rsm_manager_apply_state(manager, cartridge);
	if (r == 0 && !make && rsm_cartridge_is_unread(cartridge))
		r = RSM_MANAGER_MUST_MOUNT;
	return r;
}

void rsm_cartridge_close_content_locked(struct rsm_cartridge *cartridge, bool remove)
{
	char folder[4300];
	struct rsm_err err;

	if (cartridge->content)
		rsm_content_close_volume(cartridge->content);
	cartridge->content = NULL;
	atomic_store(&cartridge->tree_read, false);
	rsm_cartridge_folder(cartridge->manager, cartridge->uuid, folder, sizeof folder);
	if (remove && cartridge->uuid[0] && rsm_file_remove_tree(folder, &err) < 0)
		rsm_log_warning("%s: %s", cartridge->barcode, err.msg);
	cartridge->uuid[0] = '\0';
	cartridge->migrate_at_ns = cartridge->index_at_ns = 0;
	cartridge->unindexed_bytes = cartridge->futile_bytes = cartridge->safe_order = 0;
	cartridge->full = cartridge->read_only = cartridge->no_room = cartridge->discard = false;
	cartridge->stream = false;
}

static bool comes_earlier(int64_t at_ns, int64_t before_ns)
{
	return at_ns && (!before_ns || at_ns < before_ns);
}

void rsm_cartridge_note_work_locked(struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = cartridge->manager;
	int64_t now = rsm_manager_now(manager);
	int64_t migrate_at = cartridge->migrate_at_ns, index_at = cartridge->index_at_ns;
	struct rsm_content_use use = { 0 };

	if (!cartridge->content) {
		cartridge->migrate_at_ns = cartridge->index_at_ns = 0;
		return;
	}
	rsm_content_use(cartridge->content, &use);
	if (may_free_locked(cartridge, &use, now) &&
	    (cartridge->stream || rsm_staging_space_is_tight(manager->space))) {
		/* files that are still open, too */
		if (!cartridge->migrate_at_ns)
			cartridge->migrate_at_ns = now;
	} else if (use.staged_files == 0) {
		cartridge->migrate_at_ns = 0;
		cartridge->full = false; /* what did not fit has gone, or has found its place */
	} else if (!cartridge->migrate_at_ns) {
		cartridge->migrate_at_ns =
			now + (int64_t)manager->options.migrate_delay_ms * 1000000;
	}
	if (!use.dirty)
		cartridge->index_at_ns = 0;
	else if (!cartridge->index_at_ns)
		cartridge->index_at_ns = rsm_cartridge_index_time(cartridge, now);
	/* writers wait for room, which only what an index covers can give */
	if (rsm_staging_space_is_full(manager->space, ROOM_FOR_A_WRITE)) {
		if (use.staged_files && !cartridge->full)
			cartridge->migrate_at_ns = now;
		if (use.dirty)
			cartridge->index_at_ns = now;
	}
	/* a drive that has nothing to do sleeps until the times that it knows of */
	if (comes_earlier(cartridge->migrate_at_ns, migrate_at) ||
	    comes_earlier(cartridge->index_at_ns, index_at))
		rsm_manager_wake_locked(manager);
}

/* While it is loaded, index_interval 0 leaves the index to the dismount; but one that went home
 * without (the write failed, the process died) is fetched for it after a while.
 */
int64_t rsm_cartridge_index_time(const struct rsm_cartridge *cartridge, int64_t now)
{
	unsigned interval = cartridge->manager->options.index_interval_s;

	if (!interval && cartridge->state == RSM_CARTRIDGE_AWAY)
		interval = INDEX_LATEST_S;
	return interval ? now + (int64_t)interval * RSM_SECOND_NS : 0;
}

void rsm_cartridge_wanted_locked(struct rsm_cartridge *cartridge)
{
	int64_t now = rsm_manager_now(cartridge->manager);

	if (cartridge->state == RSM_CARTRIDGE_AWAY && !cartridge->since_ns)
		cartridge->since_ns = now;
	rsm_item_waits_locked(cartridge);
	rsm_manager_wake_locked(cartridge->manager);
}

void rsm_cartridge_unwanted_locked(struct rsm_cartridge *cartridge)
{
	int64_t now = rsm_manager_now(cartridge->manager);

	if (cartridge->state != RSM_CARTRIDGE_AWAY)
		return;
	rsm_item_unwanted_locked(cartridge);
	if (rsm_mount_queue_due_ns(cartridge, now) <= now)
		return;
	cartridge->since_ns = 0;
	cartridge->bias_ns = 0;
}

void rsm_cartridge_tidy(struct rsm_manager *manager)
{
	int64_t now = rsm_manager_now(manager);
	unsigned open = 0;

	RSM_LOCK_SCOPE(&manager->lock);
	RSM_LIST_FOR_EACH (item, &manager->cartridges)
		open += RSM_CONTAINER_OF(item, struct rsm_cartridge, link)->content != NULL;
	if (rsm_staging_space_is_full(manager->space, ROOM_FOR_A_WRITE)) {
		RSM_LIST_FOR_EACH (item, &manager->cartridges)
			rsm_cartridge_note_work_locked(
				RSM_CONTAINER_OF(item, struct rsm_cartridge, link));
		rsm_manager_wake_locked(manager);
	}
	RSM_LIST_FOR_EACH_SAFE (item, &manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (cartridge->references || cartridge->state != RSM_CARTRIDGE_AWAY ||
		    cartridge->hand_library ||
		    rsm_mount_queue_due_ns(cartridge, now) != RSM_NEVER_NS)
			continue;
		if (now - cartridge->idle_since_ns < KEEP_IDLE_NS && open <= KEEP_IDLE_MOST)
			continue;
		if (cartridge->content) {
			struct rsm_content_use use;

			rsm_content_use(cartridge->content, &use);
			if (use.open_files || use.reading)
				continue;
			rsm_content_close_volume(cartridge->content);
			open--;
		}
		rsm_item_ends_locked(cartridge, RSM_WORK_CANCELLED, "nobody waits any more");
		rsm_cartridge_remove_locked(cartridge);
	}
}

/* ---- answering those who wait ---- */

static void answer_mounts(struct rsm_list *mounts, int r, const struct rsm_err *err)
{
	RSM_LIST_FOR_EACH_SAFE (item, mounts) {
		struct rsm_mount_request *request =
			RSM_CONTAINER_OF(item, struct rsm_mount_request, link);

		rsm_list_remove(item);
		request->done(request, r, err);
	}
}

static void steal_list(struct rsm_list *from, struct rsm_list *to)
{
	rsm_list_init(to);
	RSM_LIST_FOR_EACH_SAFE (item, from) {
		rsm_list_remove(item);
		rsm_list_append(to, item);
	}
}

void rsm_cartridge_fail_requests(struct rsm_cartridge *cartridge, int r, const struct rsm_err *err)
{
	struct rsm_list reads, mounts;

	rsm_mutex_lock(&cartridge->manager->lock);
	steal_list(&cartridge->reads, &reads);
	steal_list(&cartridge->mounts, &mounts);
	cartridge->read_soon_ns = cartridge->asked_ns = 0;
	cartridge->since_ns = 0;
	cartridge->bias_ns = 0;
	if (cartridge->state == RSM_CARTRIDGE_AWAY)
		rsm_item_ends_locked(cartridge,
				     r == -ECANCELED ? RSM_WORK_CANCELLED : RSM_WORK_FAILED,
				     err->msg);
	rsm_mutex_unlock(&cartridge->manager->lock);
	answer_mounts(&mounts, r, err);
	RSM_LIST_FOR_EACH_SAFE (item, &reads) {
		struct rsm_medium_read *read = RSM_CONTAINER_OF(item, struct rsm_medium_read, link);

		rsm_list_remove(item);
		read->done(read, r, err);
	}
}

void rsm_cartridge_complete_mounts(struct rsm_cartridge *cartridge)
{
	struct rsm_list mounts;

	rsm_list_init(&mounts);
	rsm_mutex_lock(&cartridge->manager->lock);
	RSM_LIST_FOR_EACH_SAFE (item, &cartridge->mounts) {
		struct rsm_mount_request *request =
			RSM_CONTAINER_OF(item, struct rsm_mount_request, link);

		if (!rsm_mount_queue_fulfils(request, cartridge->worker->element))
			continue; /* it goes on to another one, or waits for others' drives */
		if (request->flags & RSM_MOUNT_HOLD) {
			request->took_hold = !cartridge->held;
			cartridge->held = true;
		}
		rsm_list_remove(item);
		rsm_list_append(&mounts, item);
	}
	rsm_mutex_unlock(&cartridge->manager->lock);
	answer_mounts(&mounts, 0, NULL);
}
