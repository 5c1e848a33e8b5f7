/* Operator requests: what only a person can do, asked by the daemon or by a script, and answered.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fs/control_request.h"

/* Messages that one user may have open: nobody reads more, and each is a row that stays. */
enum { OPEN_MESSAGES = 64 };

struct operator_requests {
	struct rsm_operator_request *requests;
	size_t count, room;
	bool failed;
};

static bool take_request(void *context, const struct rsm_operator_request *request)
{
	struct operator_requests *list = context;

	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		struct rsm_operator_request *grown =
			reallocarray(list->requests, room, sizeof(*grown));

		list->failed = !grown;
		if (!grown)
			return false;
		list->requests = grown;
		list->room = room;
	}
	list->requests[list->count++] = *request;
	return true;
}

static int view_request(struct rsmfs_request *request, const struct rsm_operator_request *asked,
			struct rsm_err *err)
{
	RSM_FREE char *pool = NULL;
	char medium[RSM_NAME_SIZE];
	int r = rsmfs_medium_shown(request, asked->medium, medium, err);

	if (r == 0 && asked->pool)
		r = rsm_pool_path(request->catalog, asked->pool, &pool, err);
	if (r == -ENOENT)
		r = 0; /* one that ended may be for a pool that is gone */
	if (r < 0)
		return r;
	rsmfs_row_begin(request);
	rsmfs_row_signed(request, asked->id);
	rsmfs_row_text(request, rsm_request_kind_name(asked->kind));
	rsmfs_row_text(request, rsm_request_state_name(asked->state));
	rsmfs_row_text(request, medium);
	rsmfs_row_text(request, pool);
	rsmfs_row_text(request, asked->text);
	rsmfs_row_time(request, &asked->submitted);
	rsmfs_row_time(request, &asked->ended);
	rsmfs_row_number(request, asked->user);
	rsmfs_row_signed(request, asked->library);
	rsmfs_row_number(request, asked->element);
	rsmfs_row_end(request);
	return 0;
}

/* Who can answer it has seen it now. */
static void note_seen(struct rsmfs_request *request, const struct rsm_operator_request *asked)
{
	struct rsm_err ignored; /* it may have ended meanwhile */

	if (asked->state == RSM_REQUEST_SUBMITTED &&
	    rsmfs_access_is_admin(request->caller, request->admin) &&
	    rsm_operator_request_advance(request->catalog, asked->id, RSM_REQUEST_ACTIVE,
					 &ignored) < 0)
		return;
}

int rsmfs_view_requests(struct rsmfs_request *request, struct rsm_err *err)
{
	bool all = rsmfs_verb_flag(&request->call, "all");
	struct operator_requests list = { 0 };
	int r = rsm_operator_request_list(request->catalog, !all, take_request, &list, err);

	if (r >= 0 && list.failed)
		r = rsm_err_oom(err);
	if (r >= 0) {
		rsmfs_request_table(request, "table", "requests",
				    "id:n\tkind:s\tstate:s\tmedium:s\tpool:s\ttext:s\tsubmitted:t\t"
				    "ended:T\tuser:N\tlibrary:N\telement:N");
		for (size_t i = 0; i < list.count && r >= 0; i++) {
			r = view_request(request, &list.requests[i], err);
			note_seen(request, &list.requests[i]);
		}
	}
	free(list.requests);
	return r < 0 ? r : 0;
}

static int number_of(struct rsmfs_request *request, int64_t *ret_id, struct rsm_err *err)
{
	const char *number;
	char *end;

	number = request->call.operands[1];
	errno = 0;
	long long id = strtoll(number, &end, 10);

	if (errno || *end || id <= 0)
		return rsm_err_set(err, EINVAL, "requests: '%s' is not the number of a request",
				   number);
	*ret_id = id;
	return 0;
}

static int report(struct rsmfs_request *request, int64_t id, struct rsm_err *err)
{
	struct rsm_operator_request asked;
	int r = rsm_operator_request_get(request->catalog, id, &asked, err);

	if (r)
		return r < 0 ? r : 0;
	rsmfs_request_table(request, "done", "requests", "id:n\tstate:s");
	rsmfs_row_begin(request);
	rsmfs_row_signed(request, id);
	rsmfs_row_text(request, rsm_request_state_name(asked.state));
	rsmfs_row_end(request);
	return 0;
}

/* ---- answers ---- */

static int need(struct rsmfs_request *request, int64_t id, struct rsm_operator_request *ret_asked,
		struct rsm_err *err)
{
	int r = rsm_operator_request_get(request->catalog, id, ret_asked, err);

	if (r == RSM_REQUEST_ABSENT)
		return rsm_err_set(err, ENOENT, "there is no operator request %lld", (long long)id);
	return r;
}

static int satisfy(struct rsmfs_request *request, struct rsm_err *err)
{
	int64_t id = 0;
	int r = number_of(request, &id, err);

	if (r == 0)
		r = rsmfs_request_need_admin(request, err);
	rsmfs_request_progress(request, 0, 0, "looking whether it is so");
	if (r == 0)
		r = rsm_manager_satisfy_request(request->manager, id, &request->cancel, err);
	return r < 0 ? r : report(request, id, err);
}

/* Administrators, and who asked: it is their question. */
static int refuse(struct rsmfs_request *request, struct rsm_err *err)
{
	struct rsm_operator_request asked;
	int64_t id = 0;
	int r = number_of(request, &id, err);

	if (r == 0 && !rsmfs_access_is_admin(request->caller, request->admin)) {
		r = need(request, id, &asked, err);
		if (r == 0 && (!asked.user || asked.user != request->caller->uid))
			r = rsmfs_request_need_admin(request, err);
	}
	if (r == 0)
		r = rsm_manager_refuse_request(request->manager, id, err);
	return r < 0 ? r : report(request, id, err);
}

static int accept(struct rsmfs_request *request, struct rsm_err *err)
{
	int64_t id = 0;
	int r = number_of(request, &id, err);

	if (r == 0)
		r = rsmfs_request_need_admin(request, err);
	if (r == 0)
		r = rsm_operator_request_advance(request->catalog, id, RSM_REQUEST_IN_PROGRESS,
						 err);
	return r < 0 ? r : report(request, id, err);
}

/* ---- for scripts ---- */

struct own_messages {
	uid_t user;
	unsigned count;
};

static bool count_own(void *context, const struct rsm_operator_request *request)
{
	struct own_messages *own = context;

	own->count += request->kind == RSM_REQUEST_MESSAGE && request->user == own->user;
	return true;
}

static int ask(struct rsmfs_request *request, struct rsm_err *err)
{
	struct rsm_operator_request asked = { .kind = RSM_REQUEST_MESSAGE,
					      .user = request->caller->uid };
	struct own_messages own = { .user = request->caller->uid };
	const char *text;
	int64_t id = 0;
	int r;

	text = request->call.operands[1];
	/* the size that NTMS gives a message */
	if (strlen(text) > 255)
		return rsm_err_set(err, EMSGSIZE, "requests: a message has at most 255 bytes");
	r = rsm_operator_request_list(request->catalog, true, count_own, &own, err);
	if (r == 0 && own.count >= OPEN_MESSAGES)
		r = rsm_err_set(err, EDQUOT, "requests: %u messages of yours wait for an answer",
				own.count);
	if (r < 0)
		return r;
	memcpy(asked.text, text, strlen(text) + 1);
	r = rsm_operator_request_raise(request->catalog, &asked, &id, err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "list", "requests", "id:n");
	rsmfs_row_begin(request);
	rsmfs_row_signed(request, id);
	rsmfs_row_end(request);
	return 0;
}

static int wait_for_answer(struct rsmfs_request *request, struct rsm_err *err)
{
	int64_t seconds = rsmfs_verb_number(&request->call, "timeout", 0), id = 0;
	struct rsm_clock *clock = rsm_clock_real();
	int64_t until = rsm_clock_now_ns(clock) + seconds * RSM_SECOND_NS;
	struct rsm_operator_request asked;
	int r = number_of(request, &id, err);

	while (r == 0) {
		r = need(request, id, &asked, err);
		if (r < 0 || asked.state == RSM_REQUEST_COMPLETE)
			break;
		if (asked.state == RSM_REQUEST_REFUSED)
			return rsm_err_set(err, ECANCELED, "operator request %lld was refused: %s",
					   (long long)id, asked.text);
		if (rsmfs_request_is_cancelled(request))
			return rsm_err_set(err, EINTR, "requests: interrupted");
		if (seconds && rsm_clock_now_ns(clock) >= until)
			return rsm_err_set(err, ETIMEDOUT,
					   "operator request %lld: no answer in %lld seconds",
					   (long long)id, (long long)seconds);
		rsmfs_request_progress(request, 0, 0, asked.text);
		rsm_clock_sleep_ns(clock, RSM_SECOND_NS / 10);
	}
	return r < 0 ? r : report(request, id, err);
}

/* ---- purging ---- */

static int report_purged(struct rsmfs_request *request, unsigned count)
{
	rsmfs_request_text(request, "%u purged", count);
	rsmfs_request_table(request, "done", "purge", "count:n");
	rsmfs_row_begin(request);
	rsmfs_row_number(request, count);
	rsmfs_row_end(request);
	return 0;
}

static struct timespec now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return time;
}

static int purge_requests(struct rsmfs_request *request, struct rsm_err *err)
{
	struct timespec until = now();
	unsigned count = 0;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0)
		r = rsm_operator_request_purge(request->catalog, &until, &count, err);
	return r < 0 ? r : report_purged(request, count);
}

int rsmfs_purge_queue(struct rsmfs_request *request, struct rsm_err *err)
{
	struct timespec until = now();
	unsigned count = 0;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0)
		r = rsm_work_item_purge(request->catalog, &until, &until, &count, err);
	return r < 0 ? r : report_purged(request, count);
}

int rsmfs_run_requests(struct rsmfs_request *request, struct rsm_err *err)
{
	static const struct {
		const char *word;
		int (*run)(struct rsmfs_request *request, struct rsm_err *err);
	} words[] = {
		{ "satisfy", satisfy }, { "refuse", refuse },	     { "accept", accept },
		{ "ask", ask },		{ "wait", wait_for_answer }, { "purge", purge_requests },
	};
	const char *what;

	if (!request->call.operand_count)
		return rsmfs_view_requests(request, err);
	what = request->call.operands[0];
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i].word, what))
			return words[i].run(request, err);
	return rsm_err_set(err, EINVAL,
			   "requests: '%s' is not satisfy, refuse, accept, ask, wait or purge",
			   what);
}
