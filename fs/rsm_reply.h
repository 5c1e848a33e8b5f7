/* rsm_reply.h - takes a reply of the daemon apart (wire.h) as it comes in. */
#ifndef RSMFS_RSM_REPLY_H
#define RSMFS_RSM_REPLY_H

#include <stdbool.h>

#include "base/text.h"

enum { RSMFS_REPLY_COLUMNS = 32 };

struct rsmfs_column {
	char name[32];
	char type;	/* s, n, b, z, t */
	bool json_only; /* a capital letter on the wire */
};
struct rsmfs_reply_table {
	char style[8]; /* "table", "list", "done" */
	char name[32];
	struct rsmfs_column columns[RSMFS_REPLY_COLUMNS];
	size_t column_count;
};

/* What to do with each line; 0 or -errno, which ends the reading. */
struct rsmfs_reply_sink {
	int (*table)(void *context, const struct rsmfs_reply_table *table, struct rsm_err *err);
	/* As many fields as the table has columns. */
	int (*row)(void *context, char *const *fields, struct rsm_err *err);
	void (*text)(void *context, const char *text);
	void (*note)(void *context, const char *text);
	int (*data)(void *context, const void *data, size_t length, struct rsm_err *err);
	void (*progress)(void *context, uint64_t done, uint64_t total, const char *what);
	void *context;
};

struct rsmfs_reply {
	const struct rsmfs_reply_sink *sink;
	struct rsm_text line; /* an unfinished one */
	struct rsmfs_reply_table table;
	bool ended;
	struct rsm_err end; /* code 0: done */
};

/* -EBADMSG: not the words of a daemon. */
RSM_MUST_CHECK int rsmfs_reply_feed(struct rsmfs_reply *reply, const char *data, size_t length,
				    struct rsm_err *err);
void rsmfs_reply_fini(struct rsmfs_reply *reply);

#endif
