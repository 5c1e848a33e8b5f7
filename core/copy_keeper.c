/* The thread that keeps copies in step. What it has to do is in the catalogue, so it remembers
 * nothing: pools that ask for copies, and pairs whose versions differ. Versions of trees that are
 * open are noted twice a second; those of all are looked at once after the start, for a death in
 * between would leave a change that nobody noted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "base/log.h"
#include "core/copy_private.h"
#include "core/manager_private.h"

#define RETRY_NS   (30 * RSM_SECOND_NS)
#define FULL_NS	   (600 * RSM_SECOND_NS)
#define PAUSE_NS   (RSM_SECOND_NS)
#define LET_GO_NS  (5 * RSM_SECOND_NS)
#define QUIET_MOST (60 * RSM_SECOND_NS)
enum { LATER_MOST = 256, TICK_MS = 500, TICK_LEAST_MS = 10, MISSING_TICKS = 4 };

struct later { /* a pair that is not to be tried before */
	int64_t copy, not_before_ns;
};

struct rsm_copy_keeper {
	struct rsm_manager *manager;
	pthread_t thread;
	pthread_cond_t wake; /* [manager's lock] */
	bool stop;	     /* [manager's lock] */
	int64_t first, copy; /* [manager's lock] the pair that is worked on; 0: none */
	int64_t since_ns;    /* [manager's lock] when that began */
	int64_t item;	     /* [manager's lock] its work item, or 0 */
	bool cancelled;	     /* [manager's lock] by a person */
	atomic_bool cancel;  /* what is being done */
	char run[RSM_GUID_SIZE];
	/* the thread's own */
	struct later later[LATER_MOST];
	size_t later_count;
	int64_t tick_ns, missing_at_ns;
	int64_t looked_at; /* the copy whose first was looked at last, since the start */
	bool all_seen;
	/* cartridges for copies are missing, and a person was told when */
	struct rsm_media_waiter waiter;
	int64_t asked_ns; /* 0: none are */
};

static struct rsm_catalog *catalog_of(const struct rsm_copy_keeper *keeper)
{
	return keeper->manager->catalog;
}

/* ---- not now ---- */

static void put_off(struct rsm_copy_keeper *keeper, int64_t copy, int64_t delay_ns)
{
	int64_t now = rsm_manager_now(keeper->manager);
	struct later *place = NULL;

	for (size_t i = 0; i < keeper->later_count; i++)
		if (keeper->later[i].copy == copy || keeper->later[i].not_before_ns <= now)
			place = &keeper->later[i];
	if (!place && keeper->later_count < LATER_MOST)
		place = &keeper->later[keeper->later_count++];
	if (place)
		*place = (struct later){ copy, now + delay_ns };
}

static bool is_put_off(const struct rsm_copy_keeper *keeper, int64_t copy)
{
	int64_t now = rsm_manager_now(keeper->manager);

	for (size_t i = 0; i < keeper->later_count; i++)
		if (keeper->later[i].copy == copy && keeper->later[i].not_before_ns > now)
			return true;
	return false;
}

/* ---- noting versions ---- */

struct open_tree {
	char uuid[RSM_GUID_SIZE];
	int64_t version;
	char followed_by[RSM_GUID_SIZE]; /* "" when it began anew */
};

static void look_at_tree(struct rsm_content *content, struct open_tree *tree)
{
	struct rsm_volume_index *index = rsm_content_index(content);
	RSM_FREE char *by = NULL;

	tree->version = (int64_t)rsm_volume_index_tree_version(index);
	if (rsm_volume_index_get_fact(index, RSM_INDEX_FACT_FOLLOWED, &by, NULL) < 0)
		by = NULL;
	snprintf(tree->followed_by, sizeof tree->followed_by, "%s", by ? by : "");
}

static int note_version(struct rsm_copy_keeper *keeper, struct rsm_content *content,
			const char *volume)
{
	struct open_tree tree;

	look_at_tree(content, &tree);
	return rsm_copy_note_seen(catalog_of(keeper), volume, tree.version, tree.followed_by, NULL);
}

/* Trees that are open and have another version than was noted. The manager's lock permits looking
 * at contents.
 */
static size_t changed_trees(struct rsm_copy_keeper *keeper, struct open_tree *trees, size_t room)
{
	struct rsm_manager *manager = keeper->manager;
	size_t count = 0;

	RSM_LOCK_SCOPE(&manager->lock);
	RSM_LIST_FOR_EACH (item, &manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);
		int64_t version;

		if (!cartridge->content || cartridge->detached || count == room)
			continue;
		version = (int64_t)rsm_volume_index_tree_version(
			rsm_content_index(cartridge->content));
		if (version == cartridge->copy_version)
			continue;
		cartridge->copy_version = version;
		look_at_tree(cartridge->content, &trees[count]);
		memcpy(trees[count].uuid, cartridge->uuid, sizeof trees[count].uuid);
		trees[count++].version = version;
	}
	return count;
}

static void note_versions(struct rsm_copy_keeper *keeper)
{
	struct open_tree trees[64];
	size_t count = changed_trees(keeper, trees, sizeof trees / sizeof trees[0]);
	struct rsm_err err;

	for (size_t i = 0; i < count; i++)
		if (rsm_copy_note_seen(catalog_of(keeper), trees[i].uuid, trees[i].version,
				       trees[i].followed_by, &err) < 0)
			rsm_log_warning("copies: %s", err.msg);
}

/* After the start: one pair a call. */
static void look_at_next(struct rsm_copy_keeper *keeper)
{
	struct rsm_content *content;
	struct rsm_copy pair;

	if (keeper->all_seen)
		return;
	if (rsm_copy_next(catalog_of(keeper), keeper->looked_at, false, &pair, NULL) != 0) {
		keeper->all_seen = true;
		return;
	}
	keeper->looked_at = pair.copy;
	if (!pair.first || rsm_manager_content(keeper->manager, pair.first, &content, NULL) != 0)
		return;
	if (note_version(keeper, content, pair.volume) < 0)
		keeper->looked_at = pair.copy - 1;
	rsm_manager_content_unref(keeper->manager, content);
}

/* ---- making copies ---- */

static void forget_known(struct rsm_copy_keeper *keeper, int64_t first, int64_t copy)
{
	struct rsm_cartridge *cartridge;

	RSM_LOCK_SCOPE(&keeper->manager->lock);
	cartridge = rsm_cartridge_find_locked(keeper->manager, first);
	if (cartridge) {
		cartridge->copy_known = true;
		cartridge->copy = copy;
		cartridge->copy_version = -1; /* it is noted again, for the new row */
	}
}

static void has_media(struct rsm_copy_keeper *keeper)
{
	if (keeper->asked_ns)
		rsm_media_waiter_part(keeper->manager, &keeper->waiter, true);
	keeper->asked_ns = 0;
}

/* Others who wait for the same pool do not end the request before it has its copies. */
static void ask_for_media(struct rsm_copy_keeper *keeper, int64_t first, const struct rsm_err *why)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_NEW_MEDIA };
	int64_t now = rsm_manager_now(keeper->manager), id;
	struct rsm_medium medium;
	struct rsm_err err;

	if (rsm_medium_get(catalog_of(keeper), first, &medium, NULL) != 0)
		return;
	if (keeper->asked_ns && keeper->waiter.pool == medium.pool &&
	    now - keeper->asked_ns < FULL_NS)
		return;
	if (keeper->asked_ns && keeper->waiter.pool != medium.pool)
		has_media(keeper);
	if (!keeper->asked_ns) {
		keeper->waiter = (struct rsm_media_waiter){ .pool = medium.pool };
		rsm_media_waiter_join(keeper->manager, &keeper->waiter);
	}
	keeper->asked_ns = now;
	request.pool = medium.pool;
	snprintf(request.text, sizeof request.text, "%.400s", why->msg);
	if (rsm_operator_request_raise(catalog_of(keeper), &request, &id, &err) < 0)
		rsm_log_warning("%s", why->msg);
}

static int make_copy(struct rsm_copy_keeper *keeper, int64_t first, struct rsm_err *err)
{
	struct rsm_manager *manager = keeper->manager;
	struct rsm_medium medium, copy;
	int r = rsm_medium_get(catalog_of(keeper), first, &medium, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = rsm_copy_allocate(catalog_of(keeper), first, (uint32_t)geteuid(), &copy, err);
	if (r < 0)
		return r;
	rsm_event_add(catalog_of(keeper), "copy", "medium", medium.shown, "copy", copy.shown, NULL);
	rsm_manager_want_label(manager, copy.id, manager->options.label_delay_ms);
	rsm_manager_names_changed(manager, RSM_POOL_TOP);
	forget_known(keeper, first, copy.id);
	return 0;
}

static void make_missing(struct rsm_copy_keeper *keeper)
{
	int64_t now = rsm_manager_now(keeper->manager), first = 0;
	struct rsm_err err;

	if (now < keeper->missing_at_ns)
		return;
	keeper->missing_at_ns = now + MISSING_TICKS * keeper->tick_ns;
	while (!atomic_load(&keeper->cancel) &&
	       rsm_copy_next_missing(catalog_of(keeper), first, &first, &err) == 0) {
		int r = make_copy(keeper, first, &err);

		if (r == -ENOSPC)
			ask_for_media(keeper, first, &err);
		else if (r < 0)
			rsm_log_warning("copies: %s", err.msg);
		if (r < 0)
			return;
	}
	if (!atomic_load(&keeper->cancel))
		has_media(keeper);
}

/* ---- keeping one in step ---- */

/* A tree that is being read from its medium just now has nothing in it yet, or not all. One that is
 * to be made on the medium is whole.
 */
static bool is_read(struct rsm_copy_keeper *keeper, int64_t id, struct rsm_content *content)
{
	RSM_FREE char *uuid = NULL;
	struct rsm_medium medium;

	if (rsm_medium_get(catalog_of(keeper), id, &medium, NULL) != 0 ||
	    rsm_volume_index_get_fact(rsm_content_index(content), "uuid", &uuid, NULL) < 0)
		return false;
	return medium.label_work == RSM_LABEL_FORMAT ||
	       (uuid && strcasecmp(uuid, medium.volume_uuid) == 0);
}

/* Outcome MUST_MOUNT: they have to be read from the medium once. */
static int get_contents(struct rsm_copy_keeper *keeper, int64_t medium,
			struct rsm_content **ret_content, struct rsm_err *err)
{
	struct rsm_manager *manager = keeper->manager;
	int r = rsm_manager_content(manager, medium, ret_content, err);

	if (r != 0 || is_read(keeper, medium, *ret_content))
		return r;
	rsm_manager_content_unref(manager, *ret_content);
	return RSM_MANAGER_MUST_MOUNT;
}

static int open_contents(struct rsm_copy_keeper *keeper, int64_t medium,
			 struct rsm_content **ret_content, struct rsm_err *err)
{
	int r = get_contents(keeper, medium, ret_content, err);

	if (r == RSM_MANAGER_MUST_MOUNT) {
		r = rsm_manager_mount_wait(keeper->manager, &medium, 1,
					   RSM_MOUNT_IF_ONLINE | RSM_MOUNT_TO_COPY, 0, -10, 0, 0,
					   &keeper->cancel, err);
		if (r == 0)
			r = get_contents(keeper, medium, ret_content, err);
	}
	return r > 0 ? rsm_err_set(err, ENOENT, "the cartridge has no contents") : r;
}

/* A tree of the first one that began anew may be older than what the copy has. */
static int follow_anew(struct rsm_copy_keeper *keeper, const struct rsm_copy *pair,
		       struct rsm_mirror *mirror, struct rsm_err *err)
{
	struct rsm_medium first, copy;
	char kept[24];
	int r = rsm_medium_get(catalog_of(keeper), pair->copy, &copy, err);

	if (r == 0)
		r = rsm_medium_get(catalog_of(keeper), pair->first, &first, err);
	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "the pair is gone");
	r = rsm_mirror_is_followed(mirror->from, copy.volume_uuid, err);
	if (r > 0)
		r = rsm_mirror_survey(mirror, copy.volume_uuid, err);
	if (r < 0 || !mirror->kept)
		return r;
	rsm_log_warning("copy %s has %" PRIu64 " files and folders that %s has not, or older; it "
			"keeps them: \"rsm move %s POOL\" makes it a cartridge of its own",
			copy.shown, mirror->kept, first.shown, copy.shown);
	snprintf(kept, sizeof kept, "%" PRIu64, mirror->kept);
	rsm_event_add(catalog_of(keeper), "copy-ahead", "medium", first.shown, "copy", copy.shown,
		      "kept", kept, NULL);
	return 0;
}

static int bring_into_step(struct rsm_copy_keeper *keeper, const struct rsm_copy *pair,
			   bool *ret_whole, struct rsm_err *err)
{
	struct rsm_manager *manager = keeper->manager;
	struct rsm_mirror mirror = { .manager = manager,
				     .tick = rsm_copy_note_item,
				     .first = pair->first,
				     .copy = pair->copy,
				     .cancel = &keeper->cancel,
				     .run = keeper->run };
	uint64_t version;
	int r = open_contents(keeper, pair->first, &mirror.from, err);

	if (r < 0)
		return r;
	r = open_contents(keeper, pair->copy, &mirror.to, err);
	if (r == 0) {
		version = rsm_volume_index_tree_version(rsm_content_index(mirror.from));
		r = follow_anew(keeper, pair, &mirror, err);
		if (r == 0)
			r = rsm_mirror_run(&mirror, err);
		*ret_whole = r == 0 && mirror.waiting == 0;
		if (*ret_whole)
			r = rsm_copy_note_done(catalog_of(keeper), pair->copy, (int64_t)version,
					       err);
		rsm_manager_content_unref(manager, mirror.to);
	}
	rsm_manager_content_unref(manager, mirror.from);
	return r;
}

/* Both can be asked for what they have, and the first one is not just being written to. */
static bool is_ready(struct rsm_copy_keeper *keeper, const struct rsm_copy *pair)
{
	struct rsm_manager *manager = keeper->manager;
	struct rsm_medium first, copy;
	struct rsm_cartridge *cartridge;
	struct rsm_content_use use = { 0 };

	if (!pair->first || is_put_off(keeper, pair->copy) ||
	    rsm_medium_get(manager->catalog, pair->first, &first, NULL) != 0 ||
	    rsm_medium_get(manager->catalog, pair->copy, &copy, NULL) != 0 ||
	    first.location == RSM_AT_OFFLINE || copy.location == RSM_AT_OFFLINE || !copy.enabled ||
	    rsm_medium_is_unwritable(&copy) || copy.write_protected ||
	    rsm_medium_is_ejected(manager->catalog, pair->first) ||
	    rsm_medium_is_ejected(manager->catalog, pair->copy))
		return false;
	RSM_LOCK_SCOPE(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, pair->first);
	if (cartridge && cartridge->content)
		rsm_content_use(cartridge->content, &use);
	if (!use.writers) {
		if (cartridge)
			cartridge->copy_waits_ns = 0;
		return true;
	}
	if (!cartridge->copy_waits_ns)
		cartridge->copy_waits_ns = rsm_manager_now(manager);
	return rsm_manager_now(manager) - cartridge->copy_waits_ns > QUIET_MOST;
}

/* False when the keeper is to stop. */
static bool begin(struct rsm_copy_keeper *keeper, const struct rsm_copy *pair)
{
	RSM_LOCK_SCOPE(&keeper->manager->lock);
	if (keeper->stop)
		return false;
	keeper->first = pair->first;
	keeper->copy = pair->copy;
	keeper->since_ns = rsm_manager_now(keeper->manager);
	keeper->cancelled = false;
	atomic_store(&keeper->cancel, false);
	return true;
}

static void end_item_locked(struct rsm_copy_keeper *keeper, int r, const struct rsm_err *err)
{
	enum rsm_work_state state = keeper->cancelled		     ? RSM_WORK_CANCELLED
				    : r == -EINTR || r == -ECANCELED ? RSM_WORK_STOPPED
				    : r < 0			     ? RSM_WORK_FAILED
								     : RSM_WORK_PASSED;
	struct rsm_err own;

	if (keeper->item && rsm_work_item_set(catalog_of(keeper), keeper->item, state, 0,
					      r < 0 ? err->msg : "", &own) < 0)
		rsm_log_debug(RSM_ROOM_QUEUE, "copies: %s", own.msg);
	keeper->item = 0;
}

static void end(struct rsm_copy_keeper *keeper, int r, const struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&keeper->manager->lock);
	end_item_locked(keeper, r, err);
	keeper->first = keeper->copy = 0;
	if (!keeper->stop) /* that was meant for this pair */
		atomic_store(&keeper->cancel, false);
	pthread_cond_broadcast(&keeper->manager->changed);
}

static void report(struct rsm_copy_keeper *keeper, const struct rsm_copy *pair, int r,
		   const struct rsm_err *err)
{
	struct rsm_medium first = { .shown = "?" }, copy = { .shown = "?" };

	(void)!rsm_medium_get(catalog_of(keeper), pair->first, &first, NULL);
	(void)!rsm_medium_get(catalog_of(keeper), pair->copy, &copy, NULL);
	rsm_log_warning("copy %s of %s is behind, it is tried again: %s", copy.shown, first.shown,
			err->msg);
	rsm_event_add(catalog_of(keeper), "copy-behind", "medium", first.shown, "copy", copy.shown,
		      "text", err->msg, NULL);
	put_off(keeper, pair->copy, r == -ENOSPC ? FULL_NS : RETRY_NS);
}

static bool was_cancelled(struct rsm_copy_keeper *keeper)
{
	RSM_LOCK_SCOPE(&keeper->manager->lock);
	return keeper->cancelled;
}

static void keep_pair(struct rsm_copy_keeper *keeper, const struct rsm_copy *pair)
{
	bool whole = true;
	struct rsm_err err;
	int r;

	if (!begin(keeper, pair))
		return;
	r = bring_into_step(keeper, pair, &whole, &err);
	if (r == -EINTR || r == -ECANCELED)
		put_off(keeper, pair->copy, was_cancelled(keeper) ? FULL_NS : PAUSE_NS);
	else if (r < 0)
		report(keeper, pair, r, &err);
	else if (!whole)
		put_off(keeper, pair->copy, PAUSE_NS);
	end(keeper, r, &err);
}

static bool is_stopped(struct rsm_copy_keeper *keeper)
{
	RSM_LOCK_SCOPE(&keeper->manager->lock);
	return keeper->stop;
}

static void keep_all(struct rsm_copy_keeper *keeper)
{
	struct rsm_copy pair = { 0 };

	while (!is_stopped(keeper) &&
	       rsm_copy_next(catalog_of(keeper), pair.copy, true, &pair, NULL) == 0) {
		if (is_ready(keeper, &pair))
			keep_pair(keeper, &pair);
		rsm_copy_release_reads(keeper->manager);
	}
}

/* ---- the thread ---- */

static void *run(void *argument)
{
	struct rsm_copy_keeper *keeper = argument;
	struct rsm_manager *manager = keeper->manager;

	for (;;) {
		rsm_mutex_lock(&manager->lock);
		if (!keeper->stop)
			rsm_cond_wait_until(&keeper->wake, &manager->lock,
					    rsm_manager_now(manager) + keeper->tick_ns);
		if (keeper->stop) {
			rsm_mutex_unlock(&manager->lock);
			return NULL;
		}
		rsm_mutex_unlock(&manager->lock);
		rsm_copy_release_reads(manager);
		make_missing(keeper);
		note_versions(keeper);
		look_at_next(keeper);
		keep_all(keeper);
	}
}

int rsm_copy_keeper_start(struct rsm_manager *manager, struct rsm_err *err)
{
	struct rsm_copy_keeper *keeper = calloc(1, sizeof *keeper);
	unsigned delay = manager->options.migrate_delay_ms;
	uuid_t id;
	int r;

	if (!keeper)
		return rsm_err_oom(err);
	keeper->manager = manager;
	uuid_generate_random(id);
	uuid_unparse_lower(id, keeper->run);
	/* who wants things written at once wants copies soon */
	keeper->tick_ns = (int64_t)1000000 * (delay > TICK_MS	      ? TICK_MS
					      : delay < TICK_LEAST_MS ? TICK_LEAST_MS
								      : delay);
	rsm_cond_init(&keeper->wake);
	r = rsm_copy_mend(manager->catalog, err);
	if (r == 0) {
		r = pthread_create(&keeper->thread, NULL, run, keeper);
		if (r != 0)
			r = rsm_err_set(err, r, "thread of the copies: %s", strerror(r));
	}
	if (r < 0) {
		pthread_cond_destroy(&keeper->wake);
		free(keeper);
		return r;
	}
	manager->copies = keeper;
	return 0;
}

void rsm_copy_keeper_stop(struct rsm_manager *manager)
{
	struct rsm_copy_keeper *keeper = manager->copies;

	if (!keeper)
		return;
	rsm_mutex_lock(&manager->lock);
	keeper->stop = true;
	atomic_store(&keeper->cancel, true);
	pthread_cond_broadcast(&keeper->wake);
	rsm_mutex_unlock(&manager->lock);
	pthread_join(keeper->thread, NULL);
	rsm_mutex_lock(&manager->lock);
	manager->copies = NULL;
	if (keeper->asked_ns) /* the next run asks again */
		rsm_list_remove(&keeper->waiter.link);
	rsm_mutex_unlock(&manager->lock);
	pthread_cond_destroy(&keeper->wake);
	free(keeper);
}

void rsm_copy_let_go(struct rsm_manager *manager, int64_t medium)
{
	int64_t until = rsm_manager_now(manager) + LET_GO_NS;

	rsm_copy_release_reads(manager);
	RSM_LOCK_SCOPE(&manager->lock);
	while (manager->copies && medium &&
	       (manager->copies->first == medium || manager->copies->copy == medium) &&
	       rsm_manager_now(manager) < until) {
		atomic_store(&manager->copies->cancel, true);
		rsm_cond_wait_until(&manager->changed, &manager->lock, until);
	}
}

/* ---- as a work item ---- */

void rsm_copy_note_item(struct rsm_manager *manager)
{
	struct rsm_work_item item = { .kind = RSM_WORK_COPY, .state = RSM_WORK_IN_PROCESS };
	struct rsm_copy_keeper *keeper;
	struct rsm_medium first, copy;
	struct rsm_err err;

	RSM_LOCK_SCOPE(&manager->lock);
	keeper = manager->copies;
	if (!keeper || !keeper->copy || keeper->item ||
	    rsm_manager_now(manager) - keeper->since_ns < PAUSE_NS ||
	    rsm_medium_get(manager->catalog, keeper->first, &first, NULL) != 0 ||
	    rsm_medium_get(manager->catalog, keeper->copy, &copy, NULL) != 0)
		return;
	item.medium = copy.id;
	item.library = copy.library;
	snprintf(item.text, sizeof item.text, "is brought into step with %.200s", first.shown);
	if (rsm_work_item_add(manager->catalog, &item, &err) < 0)
		rsm_log_debug(RSM_ROOM_QUEUE, "copies: %s", err.msg);
	else
		keeper->item = item.id;
}

int rsm_copy_cancel_item(struct rsm_manager *manager, int64_t item, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&manager->lock);
	if (!manager->copies || manager->copies->item != item)
		return rsm_err_set(err, ENOENT, "work item %" PRId64 " has ended", item);
	manager->copies->cancelled = true;
	atomic_store(&manager->copies->cancel, true);
	return 0;
}

/* ---- what people are told ---- */

static bool is_on_medium(struct rsm_manager *manager, int64_t copy)
{
	const struct rsm_cartridge *cartridge;
	struct rsm_content_use use = { 0 };

	RSM_LOCK_SCOPE(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, copy);
	if (cartridge && cartridge->content)
		rsm_content_use(cartridge->content, &use);
	return !use.staged_files && !use.dirty;
}

int rsm_copy_state(struct rsm_manager *manager, const struct rsm_medium *medium,
		   const char **ret_state, struct rsm_copy *ret_copy, struct rsm_err *err)
{
	struct rsm_medium copy;
	uint32_t copies = 1;
	int r;

	*ret_state = "";
	*ret_copy = (struct rsm_copy){ 0 };
	if (!medium->lmid[0])
		return 0;
	r = rsm_copy_find(manager->catalog, medium->id, ret_copy, err);
	if (r == RSM_COPY_ABSENT) {
		*ret_copy = (struct rsm_copy){ 0 };
		r = rsm_copy_get(manager->catalog, medium->id, ret_copy, err);
		if (r == 0)
			*ret_state = "copy";
		if (r != RSM_COPY_ABSENT)
			return r;
		*ret_copy = (struct rsm_copy){ 0 };
		r = rsm_pool_get_copies(manager->catalog, medium->pool, &copies, err);
		*ret_state = copies > 1 ? "one only" : "";
		return r;
	}
	if (r < 0)
		return r;
	r = rsm_medium_get(manager->catalog, ret_copy->copy, &copy, err);
	if (r < 0)
		return r;
	*ret_state = r == 0 && ret_copy->seen == ret_copy->done &&
				     copy.label_work != RSM_LABEL_FORMAT &&
				     is_on_medium(manager, ret_copy->copy)
			     ? "in step"
			     : "behind";
	return 0;
}
