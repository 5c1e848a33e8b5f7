#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "fs/event_line.h"
#include "fs/librsm/private.h"
#include "fs/rsm_transport.h"

enum { READ_SIZE = 65536, PAIRS_MAX = 32 };

struct rsm_event {
	char *line; /* without its end; in the notification's text */
	size_t count;
	char keys[PAIRS_MAX][RSMFS_EVENT_KEY_SIZE];
	char *values[PAIRS_MAX];
};

struct rsm_notification {
	int fd;
	struct rsm_text text; /* lines that were read */
	size_t taken;	      /* of text: given to the caller */
	struct rsm_event event;
};

static void clear_event(struct rsm_event *event)
{
	for (size_t i = 0; i < event->count; i++)
		free(event->values[i]);
	*event = (struct rsm_event){ 0 };
}

RSM_API int rsm_notification_open(struct rsm_session *session,
				  struct rsm_notification **ret_notification,
				  struct rsm_error *error)
{
	struct rsm_notification *notification = calloc(1, sizeof(*notification));
	struct rsm_err err;
	int r;

	if (!notification)
		return librsm_fail(error, rsm_err_oom(&err), &err);
	notification->fd = -1;
	r = rsmfs_transport_open(session->mountpoint, "events", O_RDONLY | O_NONBLOCK,
				 &notification->fd, &err);
	if (r < 0) {
		rsm_notification_close(notification);
		return librsm_fail(error, r, &err);
	}
	*ret_notification = notification;
	return 0;
}

RSM_API void rsm_notification_close(struct rsm_notification *notification)
{
	if (!notification)
		return;
	if (notification->fd >= 0)
		close(notification->fd);
	clear_event(&notification->event);
	rsm_text_fini(&notification->text);
	free(notification);
}

RSM_API int rsm_notification_fd(const struct rsm_notification *notification)
{
	return notification->fd;
}

static int add_pair(struct rsm_event *event, const char *key, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	snprintf(event->keys[event->count], RSMFS_EVENT_KEY_SIZE, "%s", key);
	event->values[event->count++] = copy;
	return 0;
}

static int parse(struct rsm_event *event, char *line, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text value = { 0 }, time = { 0 };
	char key[RSMFS_EVENT_KEY_SIZE];
	const char *at = line;
	int r;

	clear_event(event);
	event->line = line;
	rsm_text_append(&time, line, rsmfs_event_line_time(line));
	r = time.failed ? -ENOMEM : add_pair(event, "time", time.data ? time.data : "");
	while (r == 0 && event->count < PAIRS_MAX && rsmfs_event_line_next(&at, key, &value))
		r = value.failed ? -ENOMEM : add_pair(event, key, value.data);
	return r < 0 ? rsm_err_oom(err) : 0;
}

/* The next whole line that was read already; NULL: there is none. */
static char *next_line(struct rsm_notification *notification)
{
	struct rsm_text *text = &notification->text;
	char *line, *end;

	if (notification->taken >= text->length) {
		rsm_text_reset(text);
		notification->taken = 0;
		return NULL;
	}
	line = text->data + notification->taken;
	end = strchr(line, '\n');
	if (!end)
		return NULL;
	*end = '\0';
	notification->taken = (size_t)(end + 1 - text->data);
	return line;
}

/* Outcome TIMEOUT. */
static int fill(struct rsm_notification *notification, int timeout_ms, struct rsm_err *err)
{
	struct pollfd fd = { .fd = notification->fd, .events = POLLIN };
	RSM_FREE char *block = malloc(READ_SIZE);
	ssize_t n;
	int ready;

	if (!block)
		return rsm_err_oom(err);
	ready = poll(&fd, 1, timeout_ms);
	if (ready == 0)
		return RSM_NOTIFICATION_TIMEOUT;
	n = ready < 0 ? -1 : read(notification->fd, block, READ_SIZE);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return rsm_err_errno(err, ".rsm/events");
	if (n == 0)
		return rsm_err_set(err, ENOTCONN, "the rsmfs has ended");
	rsm_text_append(&notification->text, block, (size_t)n);
	return notification->text.failed ? rsm_err_oom(err) : 0;
}

static int wait_for_line(struct rsm_notification *notification, int timeout_ms, char **ret_line,
			 struct rsm_err *err)
{
	struct rsm_clock *clock = rsm_clock_real();
	int64_t until = rsm_clock_now_ns(clock) + (int64_t)timeout_ms * 1000000;

	while (!(*ret_line = next_line(notification))) {
		int64_t left = (until - rsm_clock_now_ns(clock) + 999999) / 1000000;
		int r = fill(notification, timeout_ms < 0 ? -1 : left > 0 ? (int)left : 0, err);

		if (r)
			return r;
	}
	return 0;
}

RSM_API int rsm_notification_wait(struct rsm_notification *notification, int timeout_ms,
				  const struct rsm_event **ret_event, struct rsm_error *error)
{
	struct rsm_err err;
	char *line = NULL;
	int r = wait_for_line(notification, timeout_ms, &line, &err);

	if (r == 0 && !strcmp(line, "lost"))
		return RSM_NOTIFICATION_LOST;
	if (r == 0)
		r = parse(&notification->event, line, &err);
	if (r < 0)
		return librsm_fail(error, r, &err);
	if (r == 0)
		*ret_event = &notification->event;
	return r;
}

RSM_API const char *rsm_event_line(const struct rsm_event *event)
{
	return event->line;
}

RSM_API const char *rsm_event_get(const struct rsm_event *event, const char *key)
{
	for (size_t i = 0; i < event->count; i++)
		if (!strcmp(event->keys[i], key))
			return event->values[i];
	return NULL;
}
