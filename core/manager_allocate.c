/* An allocation that waits for a cartridge (rsm-model.md 6, 14; AllocateNtmsMedia without
 * ERROR_IF_UNAVAILABLE): a person is asked, and it is tried again and again, for what comes need
 * not come by that person: another one may be freed, deallocated or identified. What was inserted
 * is nobody's until an allocation has it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/manager_private.h"

#define LOOK_NS	 (RSM_SECOND_NS / 10) /* for a cancel */
#define RETRY_NS (RSM_SECOND_NS / 4)

/* One request a pool, however many wait: the last of them ends it. */
struct waiter {
	struct rsm_list link; /* [lock] in manager->allocations */
	int64_t pool;	      /* [const] */
};

/* ---- asking ---- */

struct came {
	struct timespec since;
	struct rsm_text *text;
	unsigned count;
};

static bool is_before(const struct timespec *one, const struct timespec *other)
{
	return one->tv_sec != other->tv_sec ? one->tv_sec < other->tv_sec
					    : one->tv_nsec < other->tv_nsec;
}

static bool add_new_medium(void *context, const struct rsm_medium *medium)
{
	enum { NAMED_MOST = 3 };
	struct came *came = context;

	/* what is known of a cartridge begins when it is first seen */
	if (medium->lmid[0] || medium->cleaner || medium->state == RSM_MEDIUM_AVAILABLE ||
	    is_before(&medium->created, &came->since))
		return true;
	if (came->count++ < NAMED_MOST)
		rsm_text_printf(came->text, "%s%s is %s", came->count > 1 ? ", " : "",
				medium->shown, rsm_medium_state_name(medium->state));
	return true;
}

/* Said to be satisfied, and it was not: what has come instead. */
static void add_what_came(struct rsm_manager *manager, const struct rsm_operator_request *before,
			  struct rsm_text *text)
{
	struct came came = { .since = before->submitted, .text = text };

	rsm_text_printf(text, "; request %" PRId64 " was called satisfied, but ", before->id);
	if (rsm_medium_list_all(manager->catalog, 0, add_new_medium, &came, NULL) < 0 ||
	    came.count == 0)
		rsm_text_add(text, "none came that can be allocated");
}

/* `before`: the one that was satisfied falsely, id 0 at first. */
static int ask(struct rsm_manager *manager, const struct rsm_allocation *allocation,
	       const struct rsm_operator_request *before, const char *words, int64_t *ret_id,
	       struct rsm_err *err)
{
	struct rsm_operator_request request = { .kind = RSM_REQUEST_NEW_MEDIA,
						.pool = allocation->pool };
	RSM_TEXT struct rsm_text text = { 0 };

	rsm_text_printf(&text, "a cartridge is wanted for %s", words);
	if (before->id)
		add_what_came(manager, before, &text);
	if (text.failed)
		return rsm_err_oom(err);
	snprintf(request.text, sizeof request.text, "%.500s", text.data);
	return rsm_operator_request_raise(manager->catalog, &request, ret_id, err);
}

struct asked {
	int64_t id;
	bool found;
	struct rsm_operator_request request;
};

static bool find_asked(void *context, const struct rsm_operator_request *request)
{
	struct asked *asked = context;

	if (request->id != asked->id)
		return true;
	asked->found = true;
	asked->request = *request;
	return false;
}

/* The state of the request. Those that are open are few; the others are looked through once. */
static int look(struct rsm_manager *manager, struct asked *asked, struct rsm_err *err)
{
	int r;

	asked->found = false;
	r = rsm_operator_request_list(manager->catalog, true, find_asked, asked, err);
	if (r >= 0 && !asked->found)
		r = rsm_operator_request_list(manager->catalog, false, find_asked, asked, err);
	if (r >= 0 && !asked->found) /* purged: nobody can have been meant */
		asked->request.state = RSM_REQUEST_COMPLETE;
	return r < 0 ? r : 0;
}

/* ---- waiting ---- */

static void join(struct rsm_manager *manager, struct waiter *waiter)
{
	RSM_LOCK_SCOPE(&manager->lock);
	rsm_list_append(&manager->allocations, &waiter->link);
}

/* Does nobody else wait for the pool? */
static bool part(struct rsm_manager *manager, struct waiter *waiter)
{
	bool last = true;

	RSM_LOCK_SCOPE(&manager->lock);
	rsm_list_remove(&waiter->link);
	RSM_LIST_FOR_EACH (item, &manager->allocations)
		if (RSM_CONTAINER_OF(item, struct waiter, link)->pool == waiter->pool)
			last = false;
	return last;
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
			struct asked *asked, struct rsm_medium *ret_medium, struct rsm_err *err)
{
	int r = ask(manager, allocation, &asked->request, words, &asked->id, err);

	while (r >= 0) {
		r = pause_a_while(manager, until, words, cancel, err);
		if (r == 0) /* before the try: a satisfied request is to be followed by one */
			r = look(manager, asked, err);
		if (r < 0)
			return r;
		r = rsm_manager_allocate(manager, allocation, ret_medium, err);
		if (r != -ENOSPC)
			return r;
		if (asked->request.state == RSM_REQUEST_REFUSED)
			return rsm_err_set(err, ECANCELED, "%s: the operator refused a cartridge",
					   words);
		r = 0;
		if (asked->request.state == RSM_REQUEST_COMPLETE)
			r = ask(manager, allocation, &asked->request, words, &asked->id, err);
	}
	return r;
}

int rsm_manager_allocate_wait(struct rsm_manager *manager, const struct rsm_allocation *allocation,
			      const char *words, unsigned timeout_ms, const atomic_bool *cancel,
			      struct rsm_medium *ret_medium, struct rsm_err *err)
{
	struct waiter waiter = { .pool = allocation->pool };
	struct asked asked = { 0 };
	int64_t until = 0;
	int r = rsm_manager_allocate(manager, allocation, ret_medium, err);

	if (r != -ENOSPC)
		return r;
	if (timeout_ms)
		until = rsm_manager_now(manager) + (int64_t)timeout_ms * (RSM_SECOND_NS / 1000);
	join(manager, &waiter);
	r = wait_for_one(manager, allocation, words, until, cancel, &asked, ret_medium, err);
	/* somebody may have ended it already */
	if (part(manager, &waiter) && asked.id)
		(void)!rsm_operator_request_end(manager->catalog, asked.id,
						r == 0 ? RSM_REQUEST_COMPLETE : RSM_REQUEST_REFUSED,
						NULL);
	return r;
}
