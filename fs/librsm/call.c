/* A call of rsm(8) without rsm(8): words to request, reply to rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/control.h"
#include "fs/librsm/private.h"
#include "fs/rsm_mounts.h"
#include "fs/rsm_transport.h"
#include "fs/verb.h"

struct rows {
	rsm_row *row;
	void *context;
	struct rsmfs_reply_table table;
	int stopped; /* what the caller's function returned */
};

static int on_table(void *context, const struct rsmfs_reply_table *table, struct rsm_err *err)
{
	struct rows *rows = context;

	(void)err;
	rows->table = *table;
	return 0;
}

static int on_row(void *context, char *const *fields, struct rsm_err *err)
{
	const char *keys[RSMFS_REPLY_COLUMNS], *values[RSMFS_REPLY_COLUMNS];
	struct rows *rows = context;

	if (!rows->row)
		return 0;
	for (size_t i = 0; i < rows->table.column_count; i++) {
		keys[i] = rows->table.columns[i].name;
		values[i] = fields[i];
	}
	rows->stopped =
		rows->row(rows->context, rows->table.name, rows->table.column_count, keys, values);
	return rows->stopped < 0 ? rsm_err_set(err, -rows->stopped, "the caller had enough") : 0;
}

static void on_text(void *context, const char *text)
{
	(void)context;
	(void)text;
}

/* The catalogue's copy goes to a file, which is the tool's business. */
static int on_data(void *context, const void *data, size_t length, struct rsm_err *err)
{
	(void)context;
	(void)data;
	(void)length;
	return rsm_err_set(err, EOPNOTSUPP, "rsm export is for rsm(8)");
}

static void on_progress(void *context, uint64_t done, uint64_t total, const char *what)
{
	(void)context;
	(void)done;
	(void)total;
	(void)what;
}

static int converse(struct rsm_session *session, const struct rsm_text *request, struct rows *rows,
		    struct rsm_err *err)
{
	const struct rsmfs_reply_sink sink = { .table = on_table,
					       .row = on_row,
					       .text = on_text,
					       .note = on_text,
					       .data = on_data,
					       .progress = on_progress,
					       .context = rows };
	struct rsmfs_reply reply = { .sink = &sink };
	RSM_CLOSE int fd = -1;
	int r = rsmfs_transport_send(session->mountpoint, request, &fd, err);

	if (r == 0)
		r = rsmfs_transport_read(fd, &reply, true, err);
	rsmfs_reply_fini(&reply);
	return r;
}

static int send_call(struct rsm_session *session, struct rsmfs_verb_call *call, struct rows *rows,
		     struct rsm_err *err)
{
	RSM_FREE char **names = calloc(call->operand_count + 1, sizeof(*names));
	RSM_TEXT struct rsm_text request = { 0 };
	char mask[16];
	int r = 0;

	if (!names)
		return rsm_err_oom(err);
	for (size_t i = 0; i < call->operand_count && r == 0; i++)
		r = rsmfs_mounts_operand(session->mountpoint, NULL, rsmfs_verb_kind(call, i),
					 call->operands[i], &names[i], err);
	if (r == 0)
		r = rsmfs_verb_set_umask(call, mask, err);
	if (r == 0) {
		rsmfs_verb_write(call, (const char *const *)names, &request);
		if (request.failed)
			r = rsm_err_oom(err);
		else if (request.length > RSMFS_CONTROL_REQUEST_MAX)
			r = rsm_err_set(err, EMSGSIZE, "too many operands for one call");
	}
	if (r == 0)
		r = converse(session, &request, rows, err);
	for (size_t i = 0; i < call->operand_count; i++)
		free(names[i]);
	return r;
}

RSM_API int rsm_call(struct rsm_session *session, const char *const *words, rsm_row *row,
		     void *context, struct rsm_error *error)
{
	struct rows rows = { .row = row, .context = context };
	struct rsmfs_verb_call call = { 0 };
	struct rsm_err err;
	int count = 0, r;

	while (words[count])
		count++;
	/* the parser does not change them */
	r = rsmfs_verb_parse(count, (char *const *)(uintptr_t)words, &call, &err);
	if (r < 0)
		return librsm_fail(error, r, &err);
	if (call.verb->local)
		r = rsm_err_set(&err, EOPNOTSUPP, "rsm %s is for rsm(8)", call.verb->name);
	else
		r = send_call(session, &call, &rows, &err);
	rsmfs_verb_call_fini(&call);
	return r < 0 ? librsm_fail(error, r, &err) : 0;
}
