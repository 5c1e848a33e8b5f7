#include "fs/control_events.h"

#include <stdlib.h>
#include <string.h>

#include "base/mutex.h"
#include "base/text.h"

enum { LINES_AT_ONCE = 256 };

/* Lock order: hub > catalog. Not held while a callback runs. A reader keeps only the number of the
 * last event that it was given, so that one who sleeps costs nothing; the catalogue has the lines.
 */
struct rsmfs_event_hub {
	struct rsm_catalog *catalog; /* [const] */
	struct rsm_mutex lock;
	struct rsm_list readers; /* [lock] */
	bool stopping;		 /* [lock] */
};

struct rsmfs_events {
	struct rsmfs_event_hub *hub;   /* [const] */
	struct rsm_list link;	       /* [lock] */
	int64_t last;		       /* [lock] number of the last event in `lines` or before */
	struct rsm_text lines;	       /* [lock] not yet read */
	size_t taken;		       /* [lock] of lines */
	struct rsm_list reads;	       /* [lock] that wait */
	void (*notify)(void *context); /* [lock] */
	void *notify_context;
};

/* A callback to be made once the lock is released. */
struct answer {
	struct rsmfs_control_read *read;
	int r;
	char *data;
	size_t length;
};

static void on_event(void *context, int64_t number, const char *line);

int rsmfs_event_hub_new(struct rsm_catalog *catalog, struct rsmfs_event_hub **ret_hub,
			struct rsm_err *err)
{
	struct rsmfs_event_hub *hub = calloc(1, sizeof(*hub));

	if (!hub)
		return rsm_err_oom(err);
	hub->catalog = catalog;
	rsm_mutex_init(&hub->lock);
	rsm_list_init(&hub->readers);
	rsm_event_subscribe(catalog, on_event, hub);
	*ret_hub = hub;
	return 0;
}

void rsmfs_event_hub_free(struct rsmfs_event_hub *hub)
{
	if (!hub)
		return;
	rsm_event_subscribe(hub->catalog, NULL, NULL);
	rsm_mutex_fini(&hub->lock);
	free(hub);
}

int rsmfs_event_hub_open(struct rsmfs_event_hub *hub, struct rsmfs_events **ret_events,
			 struct rsm_err *err)
{
	struct rsmfs_events *events = calloc(1, sizeof(*events));

	if (!events)
		return rsm_err_oom(err);
	events->hub = hub;
	rsm_list_init(&events->reads);
	rsm_list_init(&events->link);
	RSM_LOCK_SCOPE(&hub->lock);
	events->last = rsm_event_last(hub->catalog);
	rsm_list_append(&hub->readers, &events->link);
	*ret_events = events;
	return 0;
}

struct filling {
	struct rsmfs_events *events;
	unsigned count;
	struct rsm_text text;
};

static bool add_line(void *context, int64_t number, const char *line)
{
	struct filling *filling = context;

	if (filling->count == LINES_AT_ONCE)
		return false;
	filling->count++;
	filling->events->last = number;
	rsm_text_printf(&filling->text, "%s\n", line);
	return true;
}

/* True when there is something to read. */
static bool fill_locked(struct rsmfs_events *events) RSM_REQUIRES(events->hub->lock)
{
	struct filling filling = { .events = events };
	bool lost = false;
	struct rsm_err err;

	if (events->taken < events->lines.length)
		return true;
	rsm_text_reset(&events->lines);
	events->taken = 0;
	/* An error was logged where it happened; what could not be read now is read next time. */
	if (rsm_event_list(events->hub->catalog, events->last, NULL, add_line, &filling, &lost,
			   &err) < 0)
		lost = false;
	if (lost || filling.text.failed)
		rsm_text_add(&events->lines, "lost\n");
	if (!filling.text.failed && filling.text.length)
		rsm_text_append(&events->lines, filling.text.data, filling.text.length);
	rsm_text_fini(&filling.text);
	return events->lines.length > 0;
}

/* As many bytes as fit, cut behind the last line that does so as a whole. */
static size_t whole_lines(const char *data, size_t length, size_t size)
{
	const char *end;

	if (length <= size)
		return length;
	end = memrchr(data, '\n', size);
	return end ? (size_t)(end - data) + 1 : size;
}

static bool next_answer_locked(struct rsmfs_events *events, struct answer *ret_answer)
	RSM_REQUIRES(events->hub->lock)
{
	struct answer answer = { 0 };

	if (rsm_list_is_empty(&events->reads))
		return false;
	if (!fill_locked(events) && !events->hub->stopping)
		return false;
	answer.read = RSM_CONTAINER_OF(events->reads.next, struct rsmfs_control_read, link);
	rsm_list_remove(&answer.read->link);
	if (events->lines.length > events->taken) {
		const char *data = events->lines.data + events->taken;

		answer.length =
			whole_lines(data, events->lines.length - events->taken, answer.read->size);
		answer.data = malloc(answer.length + 1);
		if (answer.data) {
			memcpy(answer.data, data, answer.length);
			events->taken += answer.length;
		} else {
			answer.r = -ENOMEM;
			answer.length = 0;
		}
	}
	*ret_answer = answer;
	return true;
}

/* Only while the caller's right to `events` lasts: in its own calls. */
static void answer_own(struct rsmfs_events *events)
{
	for (;;) {
		struct answer answer;
		{
			RSM_LOCK_SCOPE(&events->hub->lock);
			if (!next_answer_locked(events, &answer))
				return;
		}
		answer.read->done(answer.read, answer.r, answer.data, answer.length);
		free(answer.data);
	}
}

/* Every reader, from the start again after each callback: lists change while none is held. */
static void answer_all(struct rsmfs_event_hub *hub)
{
	for (;;) {
		struct answer answer = { 0 };
		void (*notify)(void *context) = NULL;
		void *context = NULL;
		{
			RSM_LOCK_SCOPE(&hub->lock);
			RSM_LIST_FOR_EACH (item, &hub->readers) {
				struct rsmfs_events *events =
					RSM_CONTAINER_OF(item, struct rsmfs_events, link);

				if (next_answer_locked(events, &answer))
					break;
				if (!events->notify || (!fill_locked(events) && !hub->stopping))
					continue;
				notify = events->notify;
				context = events->notify_context;
				events->notify = NULL;
				break;
			}
		}
		if (answer.read)
			answer.read->done(answer.read, answer.r, answer.data, answer.length);
		else if (notify)
			notify(context);
		else
			return;
		free(answer.data);
	}
}

static void on_event(void *context, int64_t number, const char *line)
{
	(void)number;
	(void)line;
	answer_all(context);
}

void rsmfs_event_hub_stop(struct rsmfs_event_hub *hub)
{
	{
		RSM_LOCK_SCOPE(&hub->lock);
		hub->stopping = true;
	}
	answer_all(hub);
}

void rsmfs_events_read(struct rsmfs_events *events, struct rsmfs_control_read *read)
{
	{
		RSM_LOCK_SCOPE(&events->hub->lock);
		rsm_list_append(&events->reads, &read->link);
	}
	answer_own(events);
}

void rsmfs_events_interrupt(struct rsmfs_events *events, struct rsmfs_control_read *read)
{
	bool found = false;
	{
		RSM_LOCK_SCOPE(&events->hub->lock);
		RSM_LIST_FOR_EACH_SAFE (item, &events->reads) {
			if (item != &read->link)
				continue;
			rsm_list_remove(item);
			found = true;
		}
	}
	if (found)
		read->done(read, -EINTR, NULL, 0);
}

bool rsmfs_events_ready(struct rsmfs_events *events)
{
	return rsmfs_events_poll(events, NULL, NULL);
}

bool rsmfs_events_poll(struct rsmfs_events *events, void (*notify)(void *context), void *context)
{
	void (*former)(void *context) = NULL;
	void *former_context = NULL;
	bool ready;
	{
		RSM_LOCK_SCOPE(&events->hub->lock);
		ready = fill_locked(events) || events->hub->stopping;
		if (notify) {
			former = events->notify;
			former_context = events->notify_context;
			events->notify = ready ? NULL : notify;
			events->notify_context = context;
		}
	}
	if (former)
		former(former_context);
	return ready;
}

int64_t rsmfs_events_position(struct rsmfs_events *events)
{
	RSM_LOCK_SCOPE(&events->hub->lock);
	return events->last;
}

void rsmfs_events_release(struct rsmfs_events *events)
{
	void (*notify)(void *context);

	if (!events)
		return;
	for (;;) {
		struct rsmfs_control_read *read;
		{
			RSM_LOCK_SCOPE(&events->hub->lock);
			rsm_list_remove(&events->link);
			if (rsm_list_is_empty(&events->reads))
				break;
			read = RSM_CONTAINER_OF(events->reads.next, struct rsmfs_control_read,
						link);
			rsm_list_remove(&read->link);
		}
		read->done(read, -EINTR, NULL, 0);
	}
	notify = events->notify;
	if (notify)
		notify(events->notify_context);
	rsm_text_fini(&events->lines);
	free(events);
}
