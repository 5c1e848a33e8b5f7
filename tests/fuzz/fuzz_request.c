/* What programs hand in: control requests of `rsm` (words with a NUL each), replies on their way to
 * it (wire.h), sizes, POSIX ACLs. A request that is understood is written as it was read.
 */
#include <string.h>

#include "fs/acl.h"
#include "fs/rsm_reply.h"
#include "fs/verb.h"
#include "fs/wire.h"
#include "tests/fuzz/fuzz.h"

/* As control.c cuts a request. */
static int cut(char *text, size_t size, char **words)
{
	int count = 0;

	for (char *p = text; p < text + size && *p; p += strlen(p) + 1)
		words[count++] = p;
	return count;
}

static int parse(char *text, size_t size, struct rsmfs_verb_call *call, struct rsm_err *err)
{
	char **words = calloc(size + 2, sizeof *words);
	int r;

	FUZZ_PROMISE(words, "out of memory");
	r = rsmfs_verb_parse(cut(text, size, words), words, call, err);
	free(words);
	return r;
}

static void check_request(char *text, size_t size)
{
	RSM_TEXT struct rsm_text once = { 0 }, twice = { 0 };
	struct rsmfs_verb_call call = { 0 }, again = { 0 };
	struct rsm_err err;
	int r = parse(text, size, &call, &err);

	if (r < 0) {
		FUZZ_PROMISE(err.msg[0], "an error without words");
		return;
	}
	rsmfs_verb_write(&call, call.operands, &once);
	FUZZ_PROMISE(once.length >= 2, "%zu", once.length);
	r = parse(once.data, once.length, &again, &err);
	FUZZ_PROMISE(r == 0, "%s", err.msg);
	rsmfs_verb_write(&again, again.operands, &twice);
	FUZZ_PROMISE(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0,
		     "%s", call.verb->name);
	rsmfs_verb_call_fini(&again);
	rsmfs_verb_call_fini(&call);
}

/* ---- replies ---- */

static int take_table(void *context, const struct rsmfs_reply_table *table, struct rsm_err *err)
{
	(void)context, (void)err;
	FUZZ_PROMISE(table->column_count <= RSMFS_REPLY_COLUMNS, "%zu", table->column_count);
	return 0;
}

static int take_row(void *context, char *const *fields, struct rsm_err *err)
{
	(void)context, (void)fields, (void)err;
	return 0;
}

static void take_text(void *context, const char *text)
{
	(void)context, (void)!strlen(text);
}

static int take_data(void *context, const void *data, size_t length, struct rsm_err *err)
{
	(void)context, (void)data, (void)length, (void)err;
	return 0;
}

static void take_progress(void *context, uint64_t done, uint64_t total, const char *what)
{
	(void)context, (void)done, (void)total, (void)!strlen(what);
}

static void check_reply(const char *text, size_t size)
{
	const struct rsmfs_reply_sink sink = {
		.table = take_table,
		.row = take_row,
		.text = take_text,
		.note = take_text,
		.data = take_data,
		.progress = take_progress,
	};
	struct rsmfs_reply whole = { .sink = &sink }, pieces = { .sink = &sink };
	struct rsm_err err;
	int r = rsmfs_reply_feed(&whole, text, size, &err), again = 0;

	for (size_t i = 0; i < size && again == 0; i++)
		again = rsmfs_reply_feed(&pieces, text + i, 1, &err);
	FUZZ_PROMISE(r == again && whole.ended == pieces.ended, "%d %d", r, again);
	rsmfs_reply_fini(&whole);
	rsmfs_reply_fini(&pieces);
}

static void check_field(const char *text, size_t size)
{
	RSM_TEXT struct rsm_text escaped = { 0 };
	char *field = strndup(text, size);
	size_t length = 0;
	uint64_t bytes;

	FUZZ_PROMISE(field, "out of memory");
	(void)!rsmfs_parse_size(field, &bytes);
	(void)!rsmfs_wire_unescape(field, &length);
	free(field);
	rsmfs_wire_escape(&escaped, text, size);
	if (!escaped.data)
		return;
	FUZZ_PROMISE(!strpbrk(escaped.data, "\t\n"), "%s", escaped.data);
	FUZZ_PROMISE(rsmfs_wire_unescape(escaped.data, &length) == 0, "%s", escaped.data);
	FUZZ_PROMISE(length == size && memcmp(escaped.data, text, size) == 0, "%s", escaped.data);
}

static void check_acl(const uint8_t *data, size_t size)
{
	RSM_TEXT struct rsm_text inherited = { 0 }, changed = { 0 };
	mode_t mode = 0640;
	struct rsm_err err;
	bool minimal;

	if (rsmfs_acl_to_mode(data, size, &mode, &minimal, &err) == 0) {
		FUZZ_PROMISE((mode & ~07777U) == 0, "%o", mode);
		FUZZ_PROMISE(rsmfs_acl_chmod(data, size, 0705, &changed, &err) == 0, "%s", err.msg);
		FUZZ_PROMISE(
			rsmfs_acl_to_mode(changed.data, changed.length, &mode, &minimal, &err) == 0,
			"%s", err.msg);
		FUZZ_PROMISE((mode & 0777) == 0705, "%o", mode);
	}
	mode = 0666;
	if (rsmfs_acl_inherit(data, size, &mode, &inherited, &err) == 0)
		FUZZ_PROMISE((mode & ~0666U) == 0, "%o", mode);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	RSM_TEXT struct rsm_text text = { 0 }; /* has a NUL behind it, as a request has */

	rsm_text_append(&text, data, size);
	check_field(text.data ? text.data : "", size);
	check_reply(text.data ? text.data : "", size);
	check_acl(data, size);
	if (text.data)
		check_request(text.data, size);
	return 0;
}
