/* What waits, what happened: work items and events. Lists are copied before they are sent, for the
 * catalogue calls back under its lock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/copy.h"
#include "fs/control_request.h"
#include "fs/event_line.h"

int rsmfs_medium_shown(struct rsmfs_request *request, int64_t id, char name[static RSM_NAME_SIZE],
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
	unsigned position = 0;
	int r = rsmfs_medium_shown(request, item->medium, medium, err);

	if (r < 0)
		return r;
	if (!item->ended.tv_sec)
		position = rsm_manager_item_position(request->manager, item->id);
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
	rsmfs_row_time(request, &item->ended);
	rsmfs_row_signed(request, item->library);
	if (position)
		rsmfs_row_number(request, position);
	else
		rsmfs_row_null(request);
	rsmfs_row_end(request);
	return 0;
}

/* Labels that are to be written. They have no number: they are not asked for but follow from what
 * the catalogue says, and outlive a restart; nobody cancels them.
 */
struct label {
	int64_t library;
	enum rsm_label_work work;
	char shown[RSM_NAME_SIZE];
};
struct labels {
	struct label *labels;
	size_t count, room;
	int64_t library; /* 0: all */
	bool failed;
};

static bool take_label(void *context, const struct rsm_medium *medium)
{
	struct labels *list = context;
	struct label *label;

	if (list->library && medium->library != list->library)
		return true;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		struct label *grown = reallocarray(list->labels, room, sizeof(*grown));

		list->failed = !grown;
		if (!grown)
			return false;
		list->labels = grown;
		list->room = room;
	}
	label = &list->labels[list->count++];
	label->library = medium->library;
	label->work = medium->label_work;
	snprintf(label->shown, sizeof(label->shown), "%s", medium->shown);
	return true;
}

static void view_label(struct rsmfs_request *request, const struct label *label)
{
	static const struct {
		enum rsm_work_kind kind;
		const char *text;
	} words[] = {
		[RSM_LABEL_FORMAT] = { RSM_WORK_WRITE_LABEL, "an LTFS volume is to be made" },
		[RSM_LABEL_UPDATE] = { RSM_WORK_UPDATE_LABEL,
				       "name, pool or owner are to be written" },
		[RSM_LABEL_FREE] = { RSM_WORK_WRITE_LABEL, "the free label is to be written" },
	};

	rsmfs_row_begin(request);
	rsmfs_row_null(request);
	rsmfs_row_text(request, rsm_work_kind_name(words[label->work].kind));
	rsmfs_row_text(request, rsm_work_state_name(RSM_WORK_DEFERRED));
	rsmfs_row_text(request, label->shown);
	rsmfs_row_null(request);
	rsmfs_row_null(request);
	rsmfs_row_null(request);
	rsmfs_row_text(request, words[label->work].text);
	rsmfs_row_null(request);
	rsmfs_row_null(request);
	rsmfs_row_signed(request, label->library);
	rsmfs_row_null(request);
	rsmfs_row_end(request);
}

static int view_labels(struct rsmfs_request *request, struct rsm_err *err)
{
	struct labels list = { .library = request->library };
	int r = rsm_medium_list_label_work(request->catalog, 0, take_label, &list, err);

	if (r >= 0 && list.failed)
		r = rsm_err_oom(err);
	for (size_t i = 0; i < list.count && r >= 0; i++)
		view_label(request, &list.labels[i]);
	free(list.labels);
	return r;
}

int rsmfs_view_queue(struct rsmfs_request *request, struct rsm_err *err)
{
	struct items list = { 0 };
	bool all = rsmfs_verb_flag(&request->call, "all");
	int r;

	rsm_copy_note_item(request->manager);
	r = rsm_work_item_list(request->catalog, !all, take_item, &list, err);

	if (r >= 0 && list.failed)
		r = rsm_err_oom(err);
	if (r >= 0) {
		rsmfs_request_table(request, "table", "queue",
				    "id:n\tkind:s\tstate:s\tmedium:s\tdrive:n\tpriority:n\t"
				    "queued:t\ttext:s\tuser:N\tended:T\tlibrary:N\tposition:N");
		for (size_t i = 0; i < list.count && r >= 0; i++)
			if (!request->library || list.items[i].library == request->library)
				r = view_item(request, &list.items[i], err);
		if (r >= 0)
			r = view_labels(request, err);
	}
	free(list.items);
	return r < 0 ? r : 0;
}

struct sought {
	int64_t id;
	struct rsm_work_item *item;
	bool found;
};

static bool seek_item(void *context, const struct rsm_work_item *item)
{
	struct sought *sought = context;

	sought->found = item->id == sought->id;
	if (sought->found)
		*sought->item = *item;
	return !sought->found;
}

static int find_item(struct rsmfs_request *request, const char *number, struct rsm_work_item *item,
		     struct rsm_err *err)
{
	struct sought sought = { .item = item };
	char *end;
	int r;

	errno = 0;
	sought.id = strtoll(number, &end, 10);
	if (errno || *end || sought.id <= 0)
		return rsm_err_set(err, EINVAL, "queue: '%s' is not the number of a work item",
				   number);
	r = rsm_work_item_list(request->catalog, false, seek_item, &sought, err);
	if (r < 0)
		return r;
	return sought.found ? 0
			    : rsm_err_set(err, ENOENT, "there is no work item %lld",
					  (long long)sought.id);
}

/* One's own are one's own to cancel. */
static int cancel_item(struct rsmfs_request *request, const struct rsm_work_item *item,
		       struct rsm_err *err)
{
	bool own = item->kind == RSM_WORK_MOUNT && item->user == request->caller->uid;
	bool admin = rsmfs_access_is_admin(request->caller, request->admin);
	int r = own ? 0 : rsmfs_request_need_admin(request, err);

	return r < 0 ? r
		     : rsm_manager_cancel_item(request->manager, item,
					       admin ? NULL : &request->caller->uid, err);
}

static void report_item(struct rsmfs_request *request, const struct rsm_work_item *item,
			enum rsm_work_state state)
{
	rsmfs_row_begin(request);
	rsmfs_row_signed(request, item->id);
	rsmfs_row_text(request, rsm_work_state_name(state));
	rsmfs_row_end(request);
}

/* All of them are looked for before the first is cancelled. */
static int cancel_items(struct rsmfs_request *request, struct rsm_err *err)
{
	const struct rsmfs_verb_call *call = &request->call;
	struct rsm_work_item item;
	int r = 0;

	for (size_t i = 1; i < call->operand_count && r == 0; i++)
		r = find_item(request, call->operands[i], &item, err);
	if (r == 0)
		rsmfs_request_table(request, "done", "queue", "id:n\tstate:s");
	for (size_t i = 1; i < call->operand_count && r == 0; i++) {
		r = find_item(request, call->operands[i], &item, err);
		if (r == 0)
			r = cancel_item(request, &item, err);
		if (r == 0)
			report_item(request, &item, RSM_WORK_CANCELLED);
	}
	return r;
}

static int reorder_item(struct rsmfs_request *request, bool first, struct rsm_err *err)
{
	struct rsm_work_item item;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0)
		r = find_item(request, request->call.operands[1], &item, err);
	if (r == 0)
		r = rsm_manager_reorder_item(request->manager, item.id, first, err);
	if (r == 0) {
		rsmfs_request_table(request, "done", "queue", "id:n\tstate:s");
		report_item(request, &item, item.state);
	}
	return r;
}

int rsmfs_run_queue(struct rsmfs_request *request, struct rsm_err *err)
{
	const struct rsmfs_verb_call *call = &request->call;
	const char *word = call->operand_count ? call->operands[0] : NULL;

	if (!word)
		return rsmfs_view_queue(request, err);
	if (!strcmp(word, "purge"))
		return rsmfs_purge_queue(request, err);
	if (!strcmp(word, "cancel"))
		return cancel_items(request, err);
	return reorder_item(request, !strcmp(word, "first"), err);
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

static int send_event(struct rsmfs_request *request, const char *line, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text time = { 0 }, event = { 0 }, medium = { 0 };

	rsm_text_append(&time, line, rsmfs_event_line_time(line));
	rsmfs_event_line_field(line, "event", &event);
	rsmfs_event_line_field(line, "medium", &medium);
	if (time.failed || event.failed || medium.failed)
		return rsm_err_oom(err);
	if (!rsmfs_verb_names(&request->call, "events", event.data))
		return 0;
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
