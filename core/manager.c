#include "core/manager.h"

#include <inttypes.h>
#include <limits.h>
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
#include "core/retention.h"
#include "core/view.h"

#define HOUSEKEEPING_NS	       (RSM_SECOND_NS / 2)
#define ROOM_WAIT_NS	       (60 * RSM_SECOND_NS)
#define PURGE_NS	       (3600 * RSM_SECOND_NS)
#define STARTUP_WAIT_NS	       (3 * RSM_SECOND_NS / 2) /* since the last one was begun with */
#define STARTUP_WAIT_LATEST_NS (10 * RSM_SECOND_NS)
enum { STARTUP_WAIT_MOST = 64 }; /* cartridges that nobody has looked at */

int64_t rsm_manager_now(const struct rsm_manager *manager)
{
	return rsm_clock_now_ns(manager->clock);
}

void rsm_manager_wake_locked(struct rsm_manager *manager)
{
	pthread_cond_broadcast(&manager->changed);
	for (size_t i = 0; i < manager->worker_count; i++)
		rsm_drive_worker_wake_locked(manager->workers[i]);
}

bool rsm_manager_hurries_locked(const struct rsm_manager *manager)
{
	return manager->stopping && manager->hurry && atomic_load(manager->hurry);
}

struct rsm_catalog *rsm_manager_catalog(struct rsm_manager *manager)
{
	return manager->catalog;
}

struct rsm_staging_space *rsm_manager_staging(struct rsm_manager *manager)
{
	return manager->space;
}

const struct rsm_manager_options *rsm_manager_options(const struct rsm_manager *manager)
{
	return &manager->options;
}

void rsm_manager_names_changed(struct rsm_manager *manager, int64_t pool)
{
	if (manager->options.callbacks.names_changed)
		manager->options.callbacks.names_changed(manager->options.callbacks.context, pool,
							 NULL);
}

/* ---- requests to people ---- */

static void raise_request(struct rsm_manager *manager, const struct rsm_operator_request *request)
{
	struct rsm_err err;
	int64_t id;

	if (rsm_operator_request_raise(manager->catalog, request, &id, &err) < 0)
		rsm_log_warning("%s (and the request to the operator was not kept: %s)",
				request->text, err.msg);
}

void rsm_manager_request_medium(struct rsm_manager *manager, struct rsm_cartridge *cartridge)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_MOVE_MEDIA,
						.medium = cartridge->id };

	if (rsm_hand_ask(manager, cartridge))
		return;
	snprintf(request.text, sizeof request.text, "put cartridge %s into the library",
		 cartridge->barcode);
	raise_request(manager, &request);
}

void rsm_manager_request_service(struct rsm_manager *manager, struct rsm_library *library,
				 uint32_t drive, struct rsm_cartridge *cartridge, int r,
				 const struct rsm_err *err)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_DEVICE_SERVICE,
						.library = library->id,
						.element = drive };

	if (r == -ENOMEDIUM) {
		rsm_manager_request_medium(manager, cartridge);
		return;
	}
	if (r != -EIO && r != -ENODEV && r != -ENOSPC)
		return;
	snprintf(request.text, sizeof request.text, "drive %u needs attention: %.450s", drive,
		 err->msg);
	raise_request(manager, &request);
}

void rsm_manager_note_full(struct rsm_manager *manager, struct rsm_cartridge *cartridge)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_NEW_MEDIA,
						.medium = cartridge->id };

	rsm_content_set_room(cartridge->content, 0);
	snprintf(request.text, sizeof request.text,
		 "cartridge %s is full: what does not fit stays staged on disk",
		 cartridge->barcode);
	raise_request(manager, &request);
}

void rsm_manager_note_unwritable(struct rsm_manager *manager, struct rsm_cartridge *cartridge,
				 const struct rsm_err *err)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_NEW_MEDIA,
						.medium = cartridge->id };
	char health[sizeof cartridge->reason];
	struct rsm_err own;

	snprintf(health, sizeof health, RSM_HEALTH_UNWRITABLE ": %.200s", err->msg);
	rsm_mutex_lock(&manager->lock);
	cartridge->unwritable = cartridge->read_only = true;
	memcpy(cartridge->reason, health, sizeof health);
	rsm_mutex_unlock(&manager->lock);
	if (rsm_medium_set_health(manager->catalog, cartridge->id, health, &own) < 0)
		rsm_log_warning("%s: its health is not noted: %s", cartridge->barcode, own.msg);
	rsm_manager_apply_state(manager, cartridge);
	snprintf(request.text, sizeof request.text,
		 "cartridge %s %s; what is staged for it stays on disk (rsm enable %s: try again)",
		 cartridge->barcode, health, cartridge->barcode);
	raise_request(manager, &request);
}

/* Which cartridge has most of what fills the staging area, and why it is not written. */
static void say_what_fills(struct rsm_manager *manager, char *text, size_t size)
{
	uint64_t most = 0;

	RSM_LOCK_SCOPE(&manager->lock);
	RSM_LIST_FOR_EACH (item, &manager->cartridges) {
		const struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);
		struct rsm_content_use use = { 0 };

		if (cartridge->content)
			rsm_content_use(cartridge->content, &use);
		if (use.waiting_bytes <= most)
			continue;
		most = use.waiting_bytes;
		snprintf(text, size,
			 "the staging area is full and programs wait: most of it is for %s%s%.300s",
			 cartridge->barcode,
			 cartridge->library == 0   ? ", which is not in the library"
			 : cartridge->full	   ? ", which is full"
			 : cartridge->failure.code ? ": "
						   : ", which is not in a drive yet",
			 cartridge->library && !cartridge->full && cartridge->failure.code
				 ? cartridge->failure.msg
				 : "");
	}
}

/* Writers that wait for room wait silently; after a while a person is told what it depends on. */
static void watch_room(struct rsm_manager *manager)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_MESSAGE };
	int64_t waited = rsm_staging_space_waited_ns(manager->space);
	struct rsm_err err;

	if (manager->room_request && waited < ROOM_WAIT_NS) {
		if (rsm_operator_request_end(manager->catalog, manager->room_request,
					     RSM_REQUEST_COMPLETE, &err) < 0)
			rsm_log_debug(RSM_ROOM_DRIVE, "%s", err.msg);
		manager->room_request = 0;
	} else if (!manager->room_request && waited >= ROOM_WAIT_NS) {
		snprintf(request.text, sizeof request.text,
			 "the staging area is full and programs wait for room");
		say_what_fills(manager, request.text, sizeof request.text);
		rsm_log_warning("%s", request.text);
		if (rsm_operator_request_raise(manager->catalog, &request, &manager->room_request,
					       &err) < 0)
			rsm_log_warning("the request to the operator was not kept: %s", err.msg);
	}
}

static void room_came(void *context)
{
	struct rsm_manager *manager = context;

	if (manager->options.callbacks.staging_room)
		manager->options.callbacks.staging_room(manager->options.callbacks.context);
}

/* ---- contents ---- */

static const char not_allocated[] = "the cartridge is not allocated";

void rsm_manager_refuse_by_state_locked(struct rsm_cartridge *cartridge, const struct rsm_medium *m)
{
	/* gone, or in a port for a person to take */
	bool away = cartridge->library == 0 || m->location == RSM_AT_OFFLINE;
	char reason[sizeof cartridge->reason] = "";
	struct rsm_content *content = cartridge->content;

	if (cartridge->read_only)
		snprintf(reason, sizeof reason, "%s", cartridge->reason);
	rsm_content_set_disabled(content, rsm_cartridge_is_disabled_locked(cartridge));
	if (!reason[0] && rsm_drive_fit_best_locked(cartridge) != RSM_MEDIA_WRITES)
		snprintf(reason, sizeof reason, "no drive here writes %s", cartridge->media_type);
	if (m->state == RSM_MEDIUM_COMPLETE)
		rsm_content_refuse_changes(content, EROFS, "the cartridge is complete");
	else if (m->state != RSM_MEDIUM_ALLOCATED)
		rsm_content_refuse_changes(content, EROFS, not_allocated);
	else if (m->write_protected)
		rsm_content_refuse_changes(content, EROFS, "the cartridge is write-protected");
	else if (m->duplicate)
		rsm_content_refuse_changes(content, EROFS,
					   "another cartridge bears the same volume");
	else if (reason[0])
		rsm_content_refuse_changes(content, EROFS, reason);
	else if (away && !rsm_hand_waits_locked(cartridge))
		rsm_content_refuse_changes(content, ENOMEDIUM,
					   "the cartridge is not in the library");
	else
		rsm_content_refuse_changes(content, 0, "");
}

/* The catalogue knows since a moment ago whose it is, or that it is gone, and nobody has come to
 * say so.
 */
static void note_news(struct rsm_manager *manager, struct rsm_cartridge *cartridge,
		      const struct rsm_medium *medium)
{
	struct rsm_medium now;
	bool gone = false;

	if (medium->location == RSM_AT_OFFLINE) {
		RSM_LOCK_SCOPE(&manager->lock);
		if (rsm_medium_get(manager->catalog, cartridge->id, &now, NULL) == 0 &&
		    now.location == RSM_AT_OFFLINE) {
			cartridge->library = 0;
			gone = !rsm_hand_waits_locked(cartridge) &&
			       !rsm_content_refuses(cartridge->content);
		}
	}
	if (gone || (medium->state == RSM_MEDIUM_ALLOCATED &&
		     rsm_content_refuses_for(cartridge->content, not_allocated)))
		rsm_manager_apply_state(manager, cartridge);
}

/* Nothing of it is in use and no index of its is here: listing a pool of ten thousand such makes no
 * entry for any.
 */
static bool is_far(struct rsm_manager *manager, const struct rsm_medium *medium)
{
	char path[PATH_MAX];
	struct stat st;
	bool known;

	rsm_mutex_lock(&manager->lock);
	known = rsm_cartridge_find_locked(manager, medium->id) != NULL;
	rsm_mutex_unlock(&manager->lock);
	if (known || medium->label_work == RSM_LABEL_FORMAT)
		return false;
	if (!medium->volume_uuid[0])
		return true;
	rsm_cartridge_folder(manager, medium->volume_uuid, path, sizeof path - 16);
	strcat(path, "/index.db");
	return stat(path, &st) < 0 && errno == ENOENT;
}

int rsm_manager_content(struct rsm_manager *manager, int64_t medium,
			struct rsm_content **ret_content, struct rsm_err *err)
{
	struct rsm_cartridge *cartridge;
	struct rsm_medium m;
	int r = rsm_medium_get(manager->catalog, medium, &m, err);

	if (r != 0)
		return r < 0 ? r : RSM_MANAGER_ABSENT;
	if (is_far(manager, &m))
		return RSM_MANAGER_MUST_MOUNT;
	r = rsm_cartridge_ref(manager, medium, &cartridge, err);
	if (r != 0)
		return r;
	r = rsm_medium_get(manager->catalog, medium, &m, err); /* it may just have been allocated */
	rsm_mutex_lock(&manager->lock);
	/* a volume that is not allocated is what its drive found; any other is what the catalogue
	 * says: the contents may still be those of the allocation before */
	if (r == 0 && cartridge->content && !cartridge->discard &&
	    (m.lmid[0] ? strcmp(cartridge->uuid, m.volume_uuid) == 0
		       : cartridge->state != RSM_CARTRIDGE_FETCHING)) {
		*ret_content = cartridge->content;
		rsm_mutex_unlock(&manager->lock);
		if (m.label_work != RSM_LABEL_FORMAT && rsm_cartridge_is_unread(cartridge)) {
			rsm_cartridge_unref(cartridge);
			return RSM_MANAGER_MUST_MOUNT;
		}
		note_news(manager, cartridge, &m);
		return 0;
	}
	rsm_mutex_unlock(&manager->lock);
	if (r == 0 && !m.volume_uuid[0])
		r = RSM_MANAGER_MUST_MOUNT;
	if (r ==
	    0) /* a fresh volume is empty until it is written; any other one has to be read once */
		r = rsm_cartridge_open_content(cartridge, m.volume_uuid,
					       m.label_work == RSM_LABEL_FORMAT, err);
	if (r == 0)
		*ret_content = cartridge->content;
	else
		rsm_cartridge_unref(cartridge);
	return r;
}

void rsm_manager_content_unref(struct rsm_manager *manager, struct rsm_content *content)
{
	(void)manager;
	rsm_cartridge_unref(rsm_content_owner(content));
}

/* ---- start ---- */

bool rsm_manager_is_identifying(struct rsm_manager *manager)
{
	RSM_LOCK_SCOPE(&manager->lock);
	return rsm_identify_goes_on_locked(manager, false);
}

bool rsm_manager_identifies_in_moments(struct rsm_manager *manager)
{
	RSM_LOCK_SCOPE(&manager->lock);
	return rsm_identify_goes_on_locked(manager, true);
}

/* Changes with each cartridge that a drive is given to look at. */
static int64_t identified_locked(const struct rsm_manager *manager)
{
	int64_t sum = 0;

	for (size_t i = 0; i < manager->library_count; i++)
		sum += manager->libraries[i].identify.unknown_after;
	return sum;
}

/* A small virtual library is looked through in moments: then Free is complete when the mount is
 * usable, also on a slow machine. A robot would take minutes, a large library long; that goes on in
 * the background.
 */
static void wait_for_identification(struct rsm_manager *manager)
{
	int64_t now = rsm_manager_now(manager), latest = now + STARTUP_WAIT_LATEST_NS;
	int64_t until = now + STARTUP_WAIT_NS, seen;
	bool are_instant = true;

	RSM_LOCK_SCOPE(&manager->lock);
	for (size_t i = 0; i < manager->library_count; i++) {
		const struct rsm_library *library = &manager->libraries[i];

		if (!library->hardware->is_virtual ||
		    library->identify.unknown_count > STARTUP_WAIT_MOST)
			return;
		are_instant = are_instant && library->hardware->is_instant;
	}
	seen = identified_locked(manager);
	while (rsm_identify_goes_on_locked(manager, false) && now < until && now < latest) {
		rsm_cond_wait_until(&manager->changed, &manager->lock, until);
		now = rsm_manager_now(manager);
		if (are_instant && identified_locked(manager) != seen)
			until = now + STARTUP_WAIT_NS;
		seen = identified_locked(manager);
	}
}

/* A mount may last for years. */
static void purge_now_and_then(struct rsm_manager *manager, int64_t *purged_ns)
{
	int64_t now = rsm_manager_now(manager);
	struct rsm_err err;

	if (now - *purged_ns < PURGE_NS)
		return;
	*purged_ns = now;
	if (rsm_retention_purge(manager->catalog, &err) < 0)
		rsm_log_warning("what has ended long ago is not purged: %s", err.msg);
}

/* A start does not wait for thousands. */
static void take_up_more(struct rsm_manager *manager)
{
	struct rsm_err err;

	if (!manager->labels_taken_up && rsm_manager_take_up_labels(manager, &err) < 0)
		rsm_log_warning("labels that are to be written: %s", err.msg);
}

static void *keep_house(void *argument)
{
	struct rsm_manager *manager = argument;
	int64_t purged_ns = rsm_manager_now(manager);

	for (;;) {
		rsm_mutex_lock(&manager->lock);
		if (!manager->housekeeper_stop)
			rsm_cond_wait_until(&manager->changed_house, &manager->lock,
					    rsm_manager_now(manager) + HOUSEKEEPING_NS);
		if (manager->housekeeper_stop) {
			rsm_mutex_unlock(&manager->lock);
			return NULL;
		}
		rsm_mutex_unlock(&manager->lock);
		for (size_t i = 0; i < manager->library_count; i++)
			rsm_library_poll(&manager->libraries[i]);
		rsm_manager_adopt_staged(manager);
		take_up_more(manager);
		rsm_manager_expire(manager);
		rsm_cartridge_tidy(manager);
		watch_room(manager);
		rsm_manager_keep_catalog(manager);
		purge_now_and_then(manager, &purged_ns);
	}
}

static int open_folders(struct rsm_manager *manager, struct rsm_err *err)
{
	const struct rsm_manager_options *options = &manager->options;
	char path[PATH_MAX];
	struct stat st;
	int r;

	snprintf(path, sizeof path, "%s/catalog", options->libraries[0]);
	manager->state_folder = strdup(options->state ? options->state : path);
	if (!manager->state_folder)
		return rsm_err_oom(err);
	/* a device holds no folders; who opens one says where the state is */
	snprintf(path, sizeof path, "%s/staging",
		 stat(options->libraries[0], &st) == 0 && !S_ISDIR(st.st_mode)
			 ? manager->state_folder
			 : options->libraries[0]);
	manager->staging_folder = strdup(options->staging ? options->staging : path);
	if (!manager->staging_folder)
		return rsm_err_oom(err);
	r = rsm_file_make_folders(manager->staging_folder, 0700, err);
	if (r == 0)
		r = rsm_generation_tidy(manager, err);
	if (r == 0)
		r = rsm_catalog_open(manager->state_folder, manager->clock, &manager->catalog, err);
	if (r == 0)
		r = rsm_staging_space_new(manager->staging_folder, options->staging_limit,
					  &manager->space, err);
	if (r == 0)
		rsm_staging_space_set_callback(manager->space, room_came, manager);
	if (r == 0)
		r = rsm_work_item_cancel_all(manager->catalog, err);
	if (r == 0)
		r = rsm_operator_request_withdraw_all(manager->catalog, err);
	if (r == 0)
		r = rsm_retention_purge(manager->catalog, err);
	return r;
}

static int start(struct rsm_manager *manager, struct rsm_err *err)
{
	int r = open_folders(manager, err);

	if (r == 0)
		rsm_manager_tidy_leftovers(manager);
	if (r == 0)
		r = rsm_library_open_all(manager, err);
	for (size_t i = 0; r == 0 && i < manager->library_count; i++) {
		if (rsm_hand_is(&manager->libraries[i]))
			rsm_hand_begin(&manager->libraries[i]);
		r = rsm_library_inventory(&manager->libraries[i], err);
	}
	if (r == 0)
		rsm_manager_restore_catalog(manager);
	if (r == 0)
		r = rsm_manager_take_up_labels(manager, err);
	/* before the first of them looks for work: it would fetch what lies in another's drive */
	for (size_t i = 0; r == 0 && i < manager->worker_count; i++)
		rsm_drive_adopt(manager->workers[i]);
	for (size_t i = 0; r == 0 && i < manager->worker_count; i++)
		r = rsm_drive_worker_start(manager->workers[i], err);
	if (r < 0)
		return r;
	wait_for_identification(manager);
	rsm_manager_adopt_staged(manager);
	r = pthread_create(&manager->housekeeper, NULL, keep_house, manager);
	if (r != 0)
		return rsm_err_set(err, r, "housekeeper thread: %s", strerror(r));
	manager->housekeeper_runs = true;
	r = rsm_manager_start_time(manager, err);
	return r < 0 ? r : rsm_copy_keeper_start(manager, err);
}

int rsm_manager_new(const struct rsm_manager_options *options, struct rsm_manager **ret_manager,
		    struct rsm_err *err)
{
	struct rsm_manager *manager = calloc(1, sizeof *manager);
	static const atomic_bool at_once = true;
	int r;

	if (!manager)
		return rsm_err_oom(err);
	manager->options = *options;
	manager->clock = options->clock ? options->clock : rsm_clock_real();
	rsm_mutex_init(&manager->lock);
	rsm_cond_init(&manager->changed);
	rsm_cond_init(&manager->changed_house);
	rsm_cond_init(&manager->deadline_came);
	rsm_cartridge_table_init(manager);
	rsm_list_init(&manager->views);
	rsm_list_init(&manager->copy_reads);
	rsm_list_init(&manager->copy_reads_ended);
	rsm_list_init(&manager->allocations);
	r = start(manager, err);
	if (r < 0) {
		uint64_t files;
		unsigned media;

		rsm_manager_stop(manager, &at_once, NULL, NULL, &files, &media);
		rsm_manager_free(manager);
		return r;
	}
	*ret_manager = manager;
	return 0;
}

/* ---- stop ---- */

static void stop_housekeeper(struct rsm_manager *manager)
{
	if (!manager->housekeeper_runs)
		return;
	rsm_mutex_lock(&manager->lock);
	manager->housekeeper_stop = true;
	pthread_cond_broadcast(&manager->changed_house);
	rsm_mutex_unlock(&manager->lock);
	pthread_join(manager->housekeeper, NULL);
	manager->housekeeper_runs = false;
}

/* Flushing calls back for what it queues, so it is done without the lock, one cartridge at a time.
 */
static void flush_contents(struct rsm_manager *manager, bool durably)
{
	struct rsm_list *at;
	struct rsm_err err;

	rsm_mutex_lock(&manager->lock);
	for (at = manager->cartridges.next; at != &manager->cartridges; at = at->next) {
		struct rsm_cartridge *cartridge = RSM_CONTAINER_OF(at, struct rsm_cartridge, link);
		struct rsm_content *content = cartridge->content;

		if (!content)
			continue;
		cartridge->references++; /* keeps it in the table, and its contents open */
		rsm_mutex_unlock(&manager->lock);
		if ((durably ? rsm_content_sync(content, &err)
			     : rsm_content_flush_open(content, &err)) < 0)
			rsm_log_error("%s: %s", cartridge->barcode, err.msg);
		rsm_mutex_lock(&manager->lock);
		rsm_cartridge_note_work_locked(cartridge);
		cartridge->references--;
	}
	rsm_mutex_unlock(&manager->lock);
}

static void fail_all_waiting(struct rsm_manager *manager)
{
	struct rsm_err err;

	rsm_err_set(&err, ECANCELED, "rsmfs is shutting down");
	for (;;) {
		struct rsm_cartridge *found = NULL;

		rsm_mutex_lock(&manager->lock);
		RSM_LIST_FOR_EACH (item, &manager->cartridges) {
			struct rsm_cartridge *c =
				RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

			if (!rsm_list_is_empty(&c->reads) || !rsm_list_is_empty(&c->mounts))
				found = c;
		}
		if (found)
			found->references++;
		rsm_mutex_unlock(&manager->lock);
		if (!found)
			return;
		rsm_cartridge_fail_requests(found, -ECANCELED, &err);
		rsm_cartridge_unref(found);
	}
}

void rsm_manager_stop(struct rsm_manager *manager, const atomic_bool *hurry,
		      void (*progress)(void *context, const char *what), void *context,
		      uint64_t *ret_left_files, unsigned *ret_left_media)
{
	rsm_copy_keeper_stop(manager);
	stop_housekeeper(manager);
	rsm_manager_stop_time(manager);
	if (manager->catalog)
		rsm_manager_keep_catalog(manager);
	flush_contents(manager, false);
	rsm_mutex_lock(&manager->lock);
	manager->stopping = true;
	manager->hurry = hurry;
	rsm_manager_wake_locked(manager);
	rsm_mutex_unlock(&manager->lock);
	for (size_t i = 0; i < manager->worker_count; i++) {
		char what[128];

		snprintf(what, sizeof what, "waiting for drive %u", manager->workers[i]->element);
		if (progress && manager->workers[i]->runs)
			progress(context, what);
		rsm_drive_worker_join(manager->workers[i]);
	}
	fail_all_waiting(manager);
	rsm_copy_release_reads(manager);
	if (!hurry || !atomic_load(hurry))
		flush_contents(manager, true); /* of what stays staged */
	*ret_left_files = 0;
	*ret_left_media = 0;
	rsm_mutex_lock(&manager->lock);
	RSM_LIST_FOR_EACH (item, &manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);
		struct rsm_content_use use = { 0 };

		if (cartridge->content && !cartridge->detached)
			rsm_content_use(cartridge->content, &use);
		*ret_left_files += use.staged_files;
		*ret_left_media += use.staged_files > 0;
	}
	rsm_mutex_unlock(&manager->lock);
}

void rsm_manager_free(struct rsm_manager *manager)
{
	if (!manager)
		return;
	rsm_view_close_all(manager);
	rsm_copy_release_reads(manager);
	for (size_t i = 0; i < manager->worker_count; i++)
		rsm_drive_worker_free(manager->workers[i]);
	free(manager->workers);
	free(manager->queue_drives);
	RSM_LIST_FOR_EACH_SAFE (item, &manager->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (cartridge->content)
			rsm_content_close_volume(cartridge->content);
		free(cartridge);
	}
	rsm_library_close_all(manager);
	rsm_staging_space_free(manager->space);
	rsm_catalog_close(manager->catalog);
	free(manager->state_folder);
	free(manager->staging_folder);
	pthread_cond_destroy(&manager->changed);
	pthread_cond_destroy(&manager->changed_house);
	pthread_cond_destroy(&manager->deadline_came);
	rsm_mutex_fini(&manager->lock);
	free(manager);
}
