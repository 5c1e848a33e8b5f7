#include "core/drive_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/hand.h"

const char *rsm_drive_state_name(enum rsm_drive_state state)
{
	static const char *const names[] = {
		[RSM_DRIVE_EMPTY] = "empty",	 [RSM_DRIVE_LOADING] = "loading",
		[RSM_DRIVE_IDLE] = "idle",	 [RSM_DRIVE_READING] = "reading",
		[RSM_DRIVE_WRITING] = "writing", [RSM_DRIVE_UNLOADING] = "unloading",
		[RSM_DRIVE_FAILED] = "failed",	 [RSM_DRIVE_CLEANING] = "cleaning",
	};

	return names[state];
}

int rsm_drive_worker_new(struct rsm_manager *manager, struct rsm_library *library,
			 struct rsm_hardware_drive *hardware_drive, int64_t row, bool enabled,
			 struct rsm_drive_worker **ret_worker, struct rsm_err *err)
{
	struct rsm_drive_worker *worker = calloc(1, sizeof *worker);

	if (!worker)
		return rsm_err_oom(err);
	worker->manager = manager;
	worker->library = library;
	worker->hardware = hardware_drive;
	worker->drive = hardware_drive->drive;
	worker->element = hardware_drive->element;
	worker->row = row;
	worker->enabled = enabled;
	snprintf(worker->name, sizeof worker->name, "drive %u%s%s", worker->element,
		 library->label[0] ? " of library " : "", library->label);
	rsm_block_cache_init(&worker->cache);
	rsm_courier_init(&worker->courier);
	rsm_cond_init(&worker->wake);
	*ret_worker = worker;
	return 0;
}

void rsm_drive_worker_free(struct rsm_drive_worker *worker)
{
	if (!worker)
		return;
	rsm_volume_free(worker->volume);
	rsm_courier_fini(&worker->courier);
	rsm_block_cache_fini(&worker->cache);
	pthread_cond_destroy(&worker->wake);
	rsm_hasher_free(worker->hasher);
	free(worker->failed_file);
	free(worker->buffer);
	free(worker);
}

void rsm_drive_worker_view_locked(const struct rsm_drive_worker *worker,
				  struct rsm_drive_view *ret_view)
{
	*ret_view = (struct rsm_drive_view){
		.library = worker->library->id,
		.row = worker->row,
		.element = worker->element,
		.state = worker->state,
		.medium = worker->cartridge ? worker->cartridge->id : 0,
		.enabled = worker->enabled,
		.unclean = worker->unclean,
		.hardware = worker->hardware,
	};
}

void rsm_drive_worker_set_enabled_locked(struct rsm_drive_worker *worker, bool enabled)
{
	worker->enabled = enabled;
	if (enabled)
		worker->failures = worker->errors = 0;
	if (enabled && worker->state == RSM_DRIVE_FAILED)
		worker->state = RSM_DRIVE_EMPTY;
	rsm_manager_wake_locked(worker->manager);
}

bool rsm_drive_worker_is_empty_locked(const struct rsm_drive_worker *worker)
{
	return !worker->cartridge && worker->enabled && worker->state == RSM_DRIVE_EMPTY &&
	       !worker->clean;
}

bool rsm_drive_worker_has_failed_locked(const struct rsm_drive_worker *worker)
{
	return worker->state == RSM_DRIVE_FAILED;
}

void rsm_drive_set_state(struct rsm_drive_worker *worker, enum rsm_drive_state state)
{
	RSM_LOCK_SCOPE(&worker->manager->lock);
	worker->state = state;
}

/* ---- the loop ---- */

void rsm_drive_worker_wake_locked(struct rsm_drive_worker *worker)
{
	pthread_cond_signal(&worker->wake);
}

void rsm_drive_worker_note_closed_locked(struct rsm_drive_worker *worker)
{
	int64_t delay = (int64_t)worker->manager->options.dismount_delay_s * RSM_SECOND_NS;
	int64_t stays = worker->stays_closed_ns;

	if (!worker->sleeps_until_ns)
		return;
	if (stays < delay) /* somebody waits for a drive */
		rsm_manager_wake_locked(worker->manager);
	else if (stays != RSM_NEVER_NS &&
		 worker->sleeps_until_ns > rsm_manager_now(worker->manager) + stays)
		rsm_drive_worker_wake_locked(worker);
}

static void wait_locked(struct rsm_drive_worker *worker, int64_t until)
{
	worker->sleeps_until_ns = until;
	if (until == RSM_NEVER_NS)
		rsm_cond_wait(&worker->wake, &worker->manager->lock);
	else
		rsm_cond_wait_until(&worker->wake, &worker->manager->lock, until);
	worker->sleeps_until_ns = 0;
}

static int64_t no_later(int64_t until, const struct rsm_manager *manager)
{
	int64_t look_at = rsm_manager_now(manager) + RSM_SECOND_NS;

	return look_at < until ? look_at : until;
}

static void with_cartridge(struct rsm_drive_worker *worker)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_cartridge *cartridge;
	int64_t until;
	enum rsm_drive_step step;
	bool by_hand = rsm_hand_is(worker->library);

	/* a person may have taken it out since */
	if (by_hand && worker->hand.waited && rsm_hand_has_lost(worker, worker->cartridge))
		return;
	worker->hand.waited = false;
	rsm_mutex_lock(&manager->lock);
	cartridge = worker->cartridge;
	step = rsm_drive_choose_locked(worker, cartridge, &until);
	if (step == RSM_STEP_LEAVE) {
		cartridge->state = RSM_CARTRIDGE_LEAVING;
		rsm_drive_fail_works_locked(cartridge);
		worker->state = RSM_DRIVE_WRITING;
		cartridge->write_steps++;
	}
	rsm_mutex_unlock(&manager->lock);
	if (step != RSM_STEP_WAIT) {
		rsm_drive_do_step(worker, cartridge, step);
		return;
	}
	if (rsm_drive_read_ahead(worker))
		return;
	rsm_mutex_lock(&manager->lock);
	/* nothing may have come in between the look and the wait */
	if (rsm_drive_choose_locked(worker, cartridge, &until) == RSM_STEP_WAIT)
		wait_locked(worker, by_hand ? no_later(until, manager) : until);
	worker->hand.waited = by_hand;
	rsm_mutex_unlock(&manager->lock);
}

/* False when the thread is to end. */
static bool without_cartridge(struct rsm_drive_worker *worker)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_cartridge *cartridge = NULL;
	int64_t next = RSM_NEVER_NS, look_at = RSM_NEVER_NS;
	bool by_hand = rsm_hand_is(worker->library);

	rsm_mutex_lock(&manager->lock);
	if (manager->stopping) {
		rsm_mutex_unlock(&manager->lock);
		return false;
	}
	if (by_hand) {
		rsm_mutex_unlock(&manager->lock);
		look_at = rsm_hand_look(worker);
		rsm_mutex_lock(&manager->lock);
	}
	if (rsm_drive_is_to_be_cleaned_locked(worker)) {
		worker->state = RSM_DRIVE_CLEANING;
		worker->library->cleaning = true;
		rsm_mutex_unlock(&manager->lock);
		rsm_drive_do_clean(worker);
		return true;
	}
	if (rsm_drive_worker_is_empty_locked(worker) && !manager->stopping &&
	    !(by_hand && rsm_hand_holds_back_locked(worker))) {
		struct rsm_mount_queue queue;

		rsm_manager_grant_locked(manager);
		rsm_manager_look_locked(manager, worker->library, &queue);
		cartridge = rsm_mount_queue_pick(&queue, rsm_drive_number(worker), &next);
		if (!cartridge && !rsm_mount_queue_keeps(&queue, worker->library->id))
			cartridge = rsm_identify_next_locked(worker->library);
	}
	if (cartridge) {
		cartridge->references++; /* the drive's own; fetch or leave give it back */
		cartridge->state = RSM_CARTRIDGE_FETCHING;
		cartridge->worker = worker;
		cartridge->leave = cartridge->abandoned = false;
		rsm_cartridge_unbound_locked(cartridge);
		worker->fetching_since_ns = rsm_manager_now(manager);
		worker->cartridge = cartridge;
		worker->state = RSM_DRIVE_LOADING;
		rsm_item_begins_locked(cartridge);
	} else {
		int64_t soon = rsm_manager_now(manager) + RSM_SECOND_NS;

		if (worker->unclean && manager->options.autoclean && next > soon)
			next = soon; /* its cleaning may have had to wait */
		if (!manager->stopping)
			wait_locked(worker, next < look_at ? next : look_at);
	}
	rsm_mutex_unlock(&manager->lock);
	if (cartridge)
		rsm_drive_bring_in(worker, cartridge);
	return true;
}

/* That a cleaning was cut short; the drive has done with it long since. */
static void take_cleaner_home(struct rsm_drive_worker *worker)
{
	struct rsm_medium lying;
	struct rsm_err err;

	if (worker->library->hardware->changer &&
	    rsm_medium_at(worker->manager->catalog, worker->library->id, RSM_AT_DRIVE,
			  worker->element, &lying, NULL) == 0 &&
	    lying.cleaner && rsm_drive_clear(worker, 0, &err) < 0)
		rsm_log_warning("%s: %s", worker->name, err.msg);
}

static void *run(void *argument)
{
	struct rsm_drive_worker *worker = argument;

	if (worker->cartridge)
		rsm_drive_bring_in(worker, worker->cartridge);
	else
		take_cleaner_home(worker);
	for (;;) {
		/* only this thread sets or clears worker->cartridge */
		if (worker->cartridge)
			with_cartridge(worker);
		else if (!without_cartridge(worker))
			return NULL;
	}
}

int rsm_drive_worker_start(struct rsm_drive_worker *worker, struct rsm_err *err)
{
	int r = rsm_courier_start(worker, err);

	if (r < 0)
		return r;
	r = pthread_create(&worker->thread, NULL, run, worker);
	if (r != 0)
		return rsm_err_set(err, r, "thread of %s: %s", worker->name, strerror(r));
	worker->runs = true;
	return 0;
}

void rsm_drive_worker_join(struct rsm_drive_worker *worker)
{
	if (worker->runs)
		pthread_join(worker->thread, NULL);
	worker->runs = false;
	rsm_courier_stop(&worker->courier);
}
