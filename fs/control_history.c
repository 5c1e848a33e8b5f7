/* What waits, what happened: work items, operator requests, events. Lists are copied before they
 * are sent, for the catalogue calls back under its lock.
 */
#include <stdlib.h>
#include <string.h>

#include "fs/control_request.h"

/* Media as tables show them; "" if there is none. */
static int shown_name(struct rsmfs_request *request, int64_t id, char name[static RSM_NAME_SIZE],
		      struct rsm_err *err)
{
	struct rsm_medium medium;
	int r;

	name[0] = '\0';
	r = id ? rsm_medium_get(request->catalog, id, &medium, err) : RSM_MEDIUM_ABSENT;
	if (r == 0)
		memcpy(name, medium.shown, RSM_NAME_SIZE);
	return r < 0 ? r : 0;
}

struct items {
	struct rsm_work_item *items;
	size_t count, room;
	bool failed;
};

static bool take_item(void *context, const struct rsm_work_item *item)
{
	struct items *list = context;

	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		struct rsm_work_item *grown = reallocarray(list->items, room, sizeof(*grown));

		list->failed = !grown;
		if (!grown)
			return false;
		list->items = grown;
		list->room = room;
	}
	list->items[list->count++] = *item;
	return true;
}

static int view_item(struct rsmfs_request *request, const struct rsm_work_item *item,
		     struct rsm_err *err)
{
	char medium[RSM_NAME_SIZE];
	int r = shown_name(request, item->medium, medium, err);

	if (r < 0)
		return r;
	rsmfs_row_begin(request);
	rsmfs_row_signed(request, item->id);
	rsmfs_row_text(request, rsm_work_kind_name(item->kind));
	rsmfs_row_text(request, rsm_work_state_name(item->state));
	rsmfs_row_text(request, medium);
	if (item->drive)
		rsmfs_row_number(request, item->drive);
	else
		rsmfs_row_null(request);
	rsmfs_row_signed(request, item->priority);
	rsmfs_row_time(request, &item->queued);
	rsmfs_row_text(request, item->text);
	rsmfs_row_number(request, item->user);
	rsmfs_row_end(request);
	return 0;
}

int rsmfs_view_queue(struct rsmfs_request *request, struct rsm_err *err)
{
	struct items list = { 0 };
	int r = rsm_work_item_list(request->catalog, true, take_item, &list, err);

	if (r >= 0 && list.failed)
		r = rsm_err_oom(err);
	if (r >= 0) {
		rsmfs_request_table(request, "table", "queue",
				    "id:n\tkind:s\tstate:s\tmedium:s\tdrive:n\tpriority:n\t"
				    "queued:t\ttext:s\tuser:N");
		for (size_t i = 0; i < list.count && r >= 0; i++)
			r = view_item(request, &list.items[i], err);
	}
	free(list.items);
	return r < 0 ? r : 0;
}

int rsmfs_run_queue(struct rsmfs_request *request, struct rsm_err *err)
{
	return rsmfs_view_queue(request, err);
}

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
	int r = shown_name(request, asked->medium, medium, err);

	if (r == 0 && asked->pool)
		r = rsm_pool_path(request->catalog, asked->pool, &pool, err);
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
	rsmfs_row_end(request);
	return 0;
}

int rsmfs_view_requests(struct rsmfs_request *request, struct rsm_err *err)
{
	struct operator_requests list = { 0 };
	int r = rsm_operator_request_list(request->catalog, true, take_request, &list, err);

	if (r >= 0 && list.failed)
		r = rsm_err_oom(err);
	if (r >= 0) {
		rsmfs_request_table(request, "table", "requests",
				    "id:n\tkind:s\tstate:s\tmedium:s\tpool:s\ttext:s\tsubmitted:t");
		for (size_t i = 0; i < list.count && r >= 0; i++)
			r = view_request(request, &list.requests[i], err);
	}
	free(list.requests);
	return r < 0 ? r : 0;
}

int rsmfs_run_requests(struct rsmfs_request *request, struct rsm_err *err)
{
	enum rsm_request_state state;
	const char *what, *number;
	char *end;
	int r;

	if (!request->call.operand_count)
		return rsmfs_view_requests(request, err);
	what = request->call.operands[0];
	if (!strcmp(what, "satisfy"))
		state = RSM_REQUEST_COMPLETE;
	else if (!strcmp(what, "refuse"))
		state = RSM_REQUEST_REFUSED;
	else
		return rsm_err_set(err, EINVAL, "requests: '%s' is neither satisfy nor refuse",
				   what);
	if (request->call.operand_count < 2)
		return rsm_err_set(err, EINVAL, "requests: the number of a request is missing");
	number = request->call.operands[1];
	errno = 0;
	long long id = strtoll(number, &end, 10);

	if (errno || *end || id <= 0)
		return rsm_err_set(err, EINVAL, "requests: '%s' is not the number of a request",
				   number);
	r = rsmfs_request_need_admin(request, err);
	if (r < 0)
		return r;
	r = rsm_operator_request_end(request->catalog, id, state, err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "done", "requests", "id:n\tstate:s");
	rsmfs_row_begin(request);
	rsmfs_row_signed(request, id);
	rsmfs_row_text(request, rsm_request_state_name(state));
	rsmfs_row_end(request);
	return 0;
}

enum { LINES_AT_ONCE = 256 };

struct lines {
	struct rsm_text text; /* lines, each with its NUL */
	unsigned count;
	int64_t last;
};

static bool take_line(void *context, int64_t number, const char *line)
{
	struct lines *lines = context;

	if (lines->count == LINES_AT_ONCE)
		return false;
	rsm_text_append(&lines->text, line, strlen(line) + 1);
	lines->count++;
	lines->last = number;
	return true;
}

/* The value behind " KEY=" in an event's line, without quotes (event.h). */
static void field_of(const char *line, const char *key, struct rsm_text *value)
{
	size_t length = strlen(key);
	bool quoted = false;

	rsm_text_reset(value);
	rsm_text_add(value, "");
	for (const char *p = line; *p; p++) {
		if (quoted && *p == '\\' && p[1]) {
			p++;
			continue;
		}
		if (*p == '"')
			quoted = !quoted;
		if (quoted || *p != ' ' || strncmp(p + 1, key, length) != 0 || p[1 + length] != '=')
			continue;
		p += 2 + length;
		bool open = *p == '"';

		for (p += open; *p && *p != (open ? '"' : ' '); p++) {
			if (open && *p == '\\' && p[1])
				p++;
			rsm_text_append(value, p, 1);
		}
		return;
	}
}

static int send_event(struct rsmfs_request *request, const char *line, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text time = { 0 }, event = { 0 }, medium = { 0 };

	rsm_text_append(&time, line, strcspn(line, " "));
	field_of(line, "event", &event);
	field_of(line, "medium", &medium);
	if (time.failed || event.failed || medium.failed)
		return rsm_err_oom(err);
	rsmfs_row_begin(request);
	rsmfs_row_text(request, line);
	rsmfs_row_text(request, time.data);
	rsmfs_row_text(request, event.data);
	rsmfs_row_text(request, medium.data);
	rsmfs_row_end(request);
	return 0;
}

static int send_events(struct rsmfs_request *request, const char *medium, struct rsm_err *err)
{
	int64_t after = 0;

	rsmfs_request_table(request, "list", "events", "line:s\ttime:S\tevent:S\tmedium:S");
	for (;;) {
		struct lines lines = { 0 };
		bool lost = false;
		int r = rsm_event_list(request->catalog, after, medium, take_line, &lines, &lost,
				       err);

		if (r >= 0 && lines.text.failed)
			r = rsm_err_oom(err);
		if (r >= 0 && lost && after) /* those before the first one kept are history */
			rsmfs_request_note(request, "some events were purged while they were read");
		const char *line = lines.text.data;

		for (unsigned i = 0; i < lines.count && r >= 0; i++, line += strlen(line) + 1)
			r = send_event(request, line, err);
		rsm_text_fini(&lines.text);
		if (r < 0)
			return r;
		if (lines.count < LINES_AT_ONCE || rsmfs_request_is_cancelled(request))
			return 0;
		after = lines.last;
	}
}

int rsmfs_run_events(struct rsmfs_request *request, struct rsm_err *err)
{
	return send_events(request, NULL, err);
}

int rsmfs_run_log(struct rsmfs_request *request, struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = rsmfs_object_medium(request, request->call.operands[0], true, &medium, err);

	if (r == 0)
		r = rsmfs_access_medium(request->catalog, request->caller, request->admin, &medium,
					RSMFS_READ | RSMFS_EXECUTE, err);
	return r < 0 ? r : send_events(request, medium.shown, err);
}
