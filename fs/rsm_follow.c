/* rsm events --follow. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/event_line.h"
#include "fs/rsm_session.h"
#include "fs/rsm_transport.h"

enum { READ_SIZE = 65536 };

static void put_string(const char *text)
{
	putchar('"');
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			printf("\\%c", *p);
		else if (*p < 0x20)
			printf("\\u%04x", *p);
		else
			putchar(*p);
	}
	putchar('"');
}

static int put_json(const char *line, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text value = { 0 };
	char key[RSMFS_EVENT_KEY_SIZE];
	const char *at = line;

	rsm_text_append(&value, line, rsmfs_event_line_time(line));
	if (value.failed)
		return rsm_err_oom(err);
	fputs(strcmp(line, "lost") ? "{\"time\": " : "{\"event\": ", stdout);
	put_string(value.data);
	while (rsmfs_event_line_next(&at, key, &value)) {
		if (value.failed)
			return rsm_err_oom(err);
		fputs(", ", stdout);
		put_string(key);
		fputs(": ", stdout);
		put_string(value.data);
	}
	fputs("}\n", stdout);
	return 0;
}

static int put_line(const struct rsmfs_tool *tool, const struct rsmfs_verb_call *call,
		    const char *line, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text name = { 0 };

	rsmfs_event_line_field(line, "event", &name);
	if (name.failed)
		return rsm_err_oom(err);
	/* that some were lost is for everybody */
	if (strcmp(line, "lost") != 0 && !rsmfs_verb_names(call, "events", name.data))
		return 0;
	if (tool->mode == RSMFS_PRINT_JSON)
		return put_json(line, err);
	puts(line);
	return 0;
}

int rsmfs_follow_events(const struct rsmfs_tool *tool, const char *mountpoint,
			const struct rsmfs_verb_call *call, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text text = { 0 };
	RSM_FREE char *block = malloc(READ_SIZE);
	RSM_CLOSE int fd = -1;
	int r = rsmfs_transport_open(mountpoint, "events", O_RDONLY, &fd, err);

	if (r < 0)
		return r;
	if (!block)
		return rsm_err_oom(err);
	for (;;) {
		ssize_t n = read(fd, block, READ_SIZE);
		char *line, *end;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return rsm_err_errno(err, "%s/.rsm/events", mountpoint);
		if (n == 0)
			return 0;
		rsm_text_append(&text, block, (size_t)n);
		if (text.failed)
			return rsm_err_oom(err);
		for (line = text.data; r == 0 && (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			r = put_line(tool, call, line, err);
		}
		if (r < 0)
			return r;
		/* what is left is the beginning of a line */
		text.length -= (size_t)(line - text.data);
		memmove(text.data, line, text.length + 1);
		if (fflush(stdout) || ferror(stdout))
			return rsm_err_errno(err, "standard output");
	}
}
