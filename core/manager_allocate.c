/* An allocation that waits for a cartridge (rsm-model.md 6, 14; AllocateNtmsMedia without
 * ERROR_IF_UNAVAILABLE): a person is asked, and it is tried again and again, for what comes need
 * not come by that person: another one may be freed, deallocated or identified. What was inserted
 * is nobody's until an allocation has it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/manager_private.h"

#define LOOK_NS	 (RSM_SECOND_NS / 10) /* for a cancel */
#define RETRY_NS (RSM_SECOND_NS / 4)

static int ask(struct rsm_manager *manager, const struct rsm_allocation *allocation,
	       const char *words, int64_t *ret_id, struct rsm_err *err)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_NEW_MEDIA,
						.pool = allocation->pool };

	snprintf(request.text, sizeof request.text, "a cartridge is wanted for %.400s", words);
	return rsm_operator_request_raise(manager->catalog, &request, ret_id, err);
}

/* ---- waiting ---- */

static bool somebody_ends_locked(struct rsm_manager *manager, int64_t pool)
{
	RSM_LIST_FOR_EACH (item, &manager->allocations) {
		const struct rsm_media_waiter *other =
			RSM_CONTAINER_OF(item, struct rsm_media_waiter, link);

		if (other->pool == pool && other->ends)
			return true;
	}
	return false;
}

void rsm_media_waiter_join(struct rsm_manager *manager, struct rsm_media_waiter *waiter)
{
	RSM_LOCK_SCOPE(&manager->lock);
	while (somebody_ends_locked(manager, waiter->pool))
		rsm_cond_wait(&manager->changed, &manager->lock);
	rsm_list_append(&manager->allocations, &waiter->link);
}

/* Does nobody else wait for the pool? */
static bool is_last(struct rsm_manager *manager, struct rsm_media_waiter *waiter)
{
	RSM_LOCK_SCOPE(&manager->lock);
	RSM_LIST_FOR_EACH (item, &manager->allocations) {
		const struct rsm_media_waiter *other =
			RSM_CONTAINER_OF(item, struct rsm_media_waiter, link);

		if (other != waiter && other->pool == waiter->pool) {
			rsm_list_remove(&waiter->link);
			return false;
		}
	}
	waiter->ends = true;
	return true;
}

void rsm_media_waiter_part(struct rsm_manager *manager, struct rsm_media_waiter *waiter,
			   bool satisfied)
{
	struct rsm_err err;

	if (!is_last(manager, waiter))
		return;
	if (rsm_operator_request_end_pool(manager->catalog, waiter->pool,
					  satisfied ? RSM_REQUEST_COMPLETE : RSM_REQUEST_REFUSED,
					  &err) < 0)
		rsm_log_warning("a request that nobody waits for stays open: %s", err.msg);
	RSM_LOCK_SCOPE(&manager->lock);
	rsm_list_remove(&waiter->link);
	pthread_cond_broadcast(&manager->changed);
}

static bool is_cancelled(const atomic_bool *cancel)
{
	return cancel && atomic_load(cancel);
}

/* Until it is worth another try. */
static int pause_a_while(struct rsm_manager *manager, int64_t until, const char *words,
			 const atomic_bool *cancel, struct rsm_err *err)
{
	int64_t now = rsm_manager_now(manager), again = now + RETRY_NS;

	for (; now < again; now = rsm_manager_now(manager)) {
		if (is_cancelled(cancel))
			return rsm_err_set(err, EINTR, "%s: interrupted", words);
		if (until && now >= until)
			return rsm_err_set(err, ETIMEDOUT, "%s: no cartridge came in time", words);
		rsm_clock_sleep_ns(manager->clock, LOOK_NS);
	}
	return 0;
}

static int wait_for_one(struct rsm_manager *manager, const struct rsm_allocation *allocation,
			const char *words, int64_t until, const atomic_bool *cancel,
			struct rsm_medium *ret_medium, struct rsm_err *err)
{
	struct rsm_operator_request request;
	int64_t asked = 0;
	int r = ask(manager, allocation, words, &asked, err);

	while (r >= 0) {
		r = pause_a_while(manager, until, words, cancel, err);
		if (r == 0) /* before the try: one that is satisfied is to be followed by one */
			r = rsm_operator_request_get(manager->catalog, asked, &request, err);
		if (r == RSM_REQUEST_ABSENT) /* purged */
			request.state = RSM_REQUEST_COMPLETE;
		if (r >= 0)
			r = rsm_manager_allocate(manager, allocation, ret_medium, err);
		if (r != -ENOSPC)
			return r;
		if (request.state == RSM_REQUEST_REFUSED)
			return rsm_err_set(err, ECANCELED, "%s: the operator refused a cartridge",
					   words);
		r = 0;
		if (request.state == RSM_REQUEST_COMPLETE) /* somebody else has won what came */
			r = ask(manager, allocation, words, &asked, err);
	}
	return r;
}

int rsm_manager_allocate_wait(struct rsm_manager *manager, const struct rsm_allocation *allocation,
			      const char *words, unsigned timeout_ms, const atomic_bool *cancel,
			      struct rsm_medium *ret_medium, struct rsm_err *err)
{
	struct rsm_media_waiter waiter = { .pool = allocation->pool };
	int64_t until = 0;
	int r = rsm_manager_allocate(manager, allocation, ret_medium, err);

	if (r != -ENOSPC)
		return r;
	if (timeout_ms)
		until = rsm_manager_now(manager) + (int64_t)timeout_ms * (RSM_SECOND_NS / 1000);
	rsm_media_waiter_join(manager, &waiter);
	r = wait_for_one(manager, allocation, words, until, cancel, ret_medium, err);
	rsm_media_waiter_part(manager, &waiter, r == 0);
	return r;
}
