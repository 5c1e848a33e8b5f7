#include "fs/rsm_reply.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "fs/wire.h"

enum { LINE_LIMIT = 16 * 1024 * 1024 };

static int garbled(struct rsm_err *err)
{
	return rsm_err_set(err, EBADMSG, "the daemon's reply is garbled");
}

static int take_table(struct rsmfs_reply *reply, char **fields, size_t count, struct rsm_err *err)
{
	struct rsmfs_reply_table *table = &reply->table;

	if (count < 3)
		return garbled(err);
	*table = (struct rsmfs_reply_table){ 0 };
	snprintf(table->style, sizeof(table->style), "%s", fields[0]);
	snprintf(table->name, sizeof(table->name), "%s", fields[1]);
	for (size_t i = 2; i < count; i++) {
		struct rsmfs_column *column = &table->columns[table->column_count++];
		const char *colon = strchr(fields[i], ':');

		if (!colon || !strchr("snbzt", tolower((unsigned char)colon[1])) || !colon[1])
			return garbled(err);
		snprintf(column->name, sizeof(column->name), "%.*s", (int)(colon - fields[i]),
			 fields[i]);
		column->type = (char)tolower((unsigned char)colon[1]);
		column->json_only = isupper((unsigned char)colon[1]);
	}
	return reply->sink->table(reply->sink->context, table, err);
}

static int take_end(struct rsmfs_reply *reply, char **fields, size_t count, struct rsm_err *err)
{
	if (count < 2)
		return garbled(err);
	reply->ended = true;
	reply->end.code = (int)strtol(fields[1], NULL, 10);
	snprintf(reply->end.msg, sizeof(reply->end.msg), "%s",
		 count > 2 && *fields[2] ? fields[2] : strerror(reply->end.code));
	return 0;
}

static int take_line(struct rsmfs_reply *reply, char *line, struct rsm_err *err)
{
	const struct rsmfs_reply_sink *sink = reply->sink;
	char *fields[RSMFS_REPLY_COLUMNS + 2];
	size_t length = 0;
	int count = rsmfs_wire_split(line, fields, RSMFS_REPLY_COLUMNS + 2);

	if (reply->ended || count < 0)
		return garbled(err);
	for (int i = 0; i < count; i++)
		if (rsmfs_wire_unescape(fields[i], &length) < 0)
			return garbled(err);
	if (!strcmp(fields[0], "row")) {
		if ((size_t)count != reply->table.column_count + 1)
			return garbled(err);
		return sink->row(sink->context, fields + 1, err);
	}
	if (!strcmp(fields[0], "table") || !strcmp(fields[0], "list") || !strcmp(fields[0], "done"))
		return take_table(reply, fields, (size_t)count, err);
	if (!strcmp(fields[0], "end"))
		return take_end(reply, fields, (size_t)count, err);
	if (!strcmp(fields[0], "text") && count == 2)
		sink->text(sink->context, fields[1]);
	else if (!strcmp(fields[0], "note") && count == 2)
		sink->note(sink->context, fields[1]);
	else if (!strcmp(fields[0], "data") && count == 2)
		return sink->data(sink->context, fields[1], length, err);
	else if (!strcmp(fields[0], "progress") && count == 4)
		sink->progress(sink->context, strtoull(fields[1], NULL, 10),
			       strtoull(fields[2], NULL, 10), fields[3]);
	else
		return garbled(err);
	return 0;
}

int rsmfs_reply_feed(struct rsmfs_reply *reply, const char *data, size_t length,
		     struct rsm_err *err)
{
	while (length) {
		const char *end = memchr(data, '\n', length);
		size_t piece = end ? (size_t)(end - data) : length;
		int r;

		rsm_text_append(&reply->line, data, piece);
		if (reply->line.failed)
			return rsm_err_oom(err);
		if (reply->line.length > LINE_LIMIT)
			return garbled(err);
		if (!end)
			return 0;
		if (!reply->line.length)
			return garbled(err);
		r = take_line(reply, reply->line.data, err);
		if (r < 0)
			return r;
		rsm_text_reset(&reply->line);
		data += piece + 1;
		length -= piece + 1;
	}
	return 0;
}

void rsmfs_reply_fini(struct rsmfs_reply *reply)
{
	rsm_text_fini(&reply->line);
}
