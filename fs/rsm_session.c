#include "fs/rsm_session.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "fs/control.h"
#include "fs/rsm_mounts.h"
#include "fs/rsm_progress.h"
#include "fs/rsm_reply.h"
#include "fs/rsm_transport.h"

struct session {
	struct rsmfs_printer *printer;
	struct rsmfs_progress *progress;
	bool summed_up;	  /* the verb came to its end, whatever it found */
	const char *file; /* export: where data go; NULL: nowhere */
	char *part;	  /* what it is called until it is complete */
	int fd;
	uint64_t offset;
};

/* ---- the reply ---- */

static int on_table(void *context, const struct rsmfs_reply_table *table, struct rsm_err *err)
{
	struct session *session = context;

	rsmfs_progress_hide(session->progress);
	session->summed_up |= strcmp(table->style, "done") == 0;
	return rsmfs_printer_table(session->printer, table, err);
}

static int on_row(void *context, char *const *fields, struct rsm_err *err)
{
	struct session *session = context;

	rsmfs_progress_hide(session->progress);
	return rsmfs_printer_row(session->printer, fields, err);
}

static void on_text(void *context, const char *text)
{
	struct session *session = context;

	rsmfs_progress_hide(session->progress);
	rsmfs_printer_text(session->printer, text);
}

static void on_note(void *context, const char *text)
{
	struct session *session = context;

	rsmfs_progress_hide(session->progress);
	fprintf(stderr, "rsm: %s\n", text);
}

static int on_data(void *context, const void *data, size_t length, struct rsm_err *err)
{
	struct session *session = context;
	int r;

	if (!session->file)
		return rsm_err_set(err, EBADMSG, "the daemon's reply is garbled");
	if (session->fd < 0) {
		if (asprintf(&session->part, "%s.XXXXXX", session->file) < 0) {
			session->part = NULL;
			return rsm_err_oom(err);
		}
		session->fd = mkostemp(session->part, O_CLOEXEC);
		if (session->fd < 0)
			return rsm_err_errno(err, "%s", session->file);
	}
	r = rsm_file_write_at(session->fd, data, length, session->offset);
	if (r < 0)
		return rsm_err_set(err, -r, "%s: %s", session->file, strerror(-r));
	session->offset += length;
	return 0;
}

static void on_progress(void *context, uint64_t done, uint64_t total, const char *what)
{
	struct session *session = context;

	rsmfs_progress_set(session->progress, done, total, what);
}

/* ---- export ---- */

static int finish_file(struct session *session, struct rsm_err *err)
{
	if (session->fd < 0)
		return rsm_err_set(err, EIO, "%s: nothing came", session->file);
	if (fsync(session->fd) || rename(session->part, session->file))
		return rsm_err_errno(err, "%s", session->file);
	free(session->part);
	session->part = NULL;
	return 0;
}

static void drop_file(struct session *session)
{
	if (session->fd >= 0)
		close(session->fd);
	if (session->part)
		unlink(session->part);
	free(session->part);
}

/* ---- the request ---- */

static int converse(const struct rsmfs_tool *tool, const char *mountpoint,
		    const struct rsmfs_verb_call *call, const struct rsm_text *request,
		    struct rsm_err *err)
{
	struct session session = { .fd = -1 };
	struct rsmfs_reply_sink sink = { .table = on_table,
					 .row = on_row,
					 .text = on_text,
					 .note = on_note,
					 .data = on_data,
					 .progress = on_progress,
					 .context = &session };
	struct rsmfs_reply reply = { .sink = &sink };
	RSM_CLOSE int fd = -1;
	int r = rsmfs_transport_send(mountpoint, request, &fd, err);

	if (r < 0)
		return r;
	if (!strcmp(call->verb->name, "export"))
		session.file = call->operands[0];
	r = rsmfs_printer_new(tool->mode, stdout, &session.printer, err);
	if (r == 0)
		rsmfs_printer_set_terse(session.printer, tool->terse, tool->guids);
	if (r == 0)
		r = rsmfs_progress_start(call->verb->name, &session.progress, err);
	if (r == 0)
		r = rsmfs_transport_read(fd, &reply, false, err);
	rsmfs_progress_stop(session.progress);
	if (r == 0 && session.file)
		r = finish_file(&session, err);
	drop_file(&session);
	if (session.printer && (r == 0 || session.summed_up || tool->mode != RSMFS_PRINT_JSON)) {
		struct rsm_err other;
		int end = rsmfs_printer_end(session.printer, r == 0 ? err : &other);

		r = r < 0 ? r : end;
	}
	rsmfs_printer_free(session.printer);
	rsmfs_reply_fini(&reply);
	return r;
}

int rsmfs_session_send(const struct rsmfs_tool *tool, const char *mountpoint,
		       const struct rsmfs_verb_call *call, char *const *names, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text request = { 0 };

	rsmfs_verb_write(call, (const char *const *)names, &request);
	if (request.failed)
		return rsm_err_oom(err);
	if (request.length > RSMFS_CONTROL_REQUEST_MAX)
		return rsm_err_set(err, EMSGSIZE, "too many operands for one call");
	return converse(tool, mountpoint, call, &request, err);
}

/* ---- before the request ---- */

static int resolve_operands(const char *mountpoint, const char *cwd,
			    const struct rsmfs_verb_call *call, char **names, struct rsm_err *err)
{
	bool device =
		(!strcmp(call->verb->name, "enable") || !strcmp(call->verb->name, "disable")) &&
		(!strcmp(call->operands[0], "drive") || !strcmp(call->operands[0], "library"));

	for (size_t i = 0; i < call->operand_count; i++) {
		int r;

		if (rsmfs_verb_kind(call, i) == 'f') {
			names[i] = realpath(call->operands[i], NULL);
			if (!names[i])
				return rsm_err_errno(err, "%s", call->operands[i]);
			continue;
		}
		r = rsmfs_mounts_operand(mountpoint, cwd, device ? 'n' : rsmfs_verb_kind(call, i),
					 call->operands[i], &names[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The value of an option that is a path (allocate --next). */
static int resolve_option(const char *mountpoint, const char *cwd, struct rsmfs_verb_call *call,
			  char **ret_name, struct rsm_err *err)
{
	const struct rsmfs_option *options = call->verb->options;
	int r = 0;

	for (size_t i = 0; r == 0 && i < RSMFS_VERB_OPTIONS && options[i].name; i++) {
		if (!call->values[i] || !options[i].value || strcmp(options[i].value, "PATH") != 0)
			continue;
		r = rsmfs_mounts_operand(mountpoint, cwd, 'o', call->values[i], ret_name, err);
		if (r == 0)
			call->values[i] = *ret_name;
	}
	return r;
}

/* Nobody is asked about what cannot be done anyhow. */
static int need_mount(const char *mountpoint, struct rsm_err *err)
{
	RSM_CLOSE int fd = -1;

	return rsmfs_transport_open(mountpoint, "ctl", O_RDWR, &fd, err);
}

/* Asks before something is destroyed. The answer of a pipe is no answer. */
static int confirm(const struct rsmfs_tool *tool, const char *mountpoint,
		   struct rsmfs_verb_call *call, char *const *names, struct rsm_err *err)
{
	bool check = !strcmp(call->verb->name, "check");
	char answer[16];
	int r;

	if ((!check && strcmp(call->verb->name, "free") != 0) || rsmfs_verb_flag(call, "yes"))
		return 0;
	r = need_mount(mountpoint, err);
	if (r < 0)
		return r;
	if (check)
		return rsmfs_check_confirm(tool, mountpoint, call, names, err);
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return rsm_err_set(err, EPERM,
				   "free destroys what is on the cartridges; say --yes");
	fprintf(stderr, "A free label is going to be written on");
	for (size_t i = 0; i < call->operand_count; i++)
		fprintf(stderr, "%s %s", i ? "," : "", names[i]);
	fprintf(stderr, "; what is on %s is lost.\nGo on? [y/N] ",
		call->operand_count == 1 ? "it" : "them");
	if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
		return rsm_err_set(err, ECANCELED, "nothing was done");
	call->values[0] = ""; /* --yes is its first option */
	return 0;
}

static int run_at(const struct rsmfs_tool *tool, const char *mountpoint, const char *cwd,
		  struct rsmfs_verb_call *call, char **names, struct rsm_err *err)
{
	RSM_FREE char *option = NULL;
	char mask[16];
	int r;

	if (!strcmp(call->verb->name, "events") && rsmfs_verb_flag(call, "follow"))
		return rsmfs_follow_events(tool, mountpoint, call, err);
	r = resolve_operands(mountpoint, cwd, call, names, err);
	if (r == 0)
		r = resolve_option(mountpoint, cwd, call, &option, err);
	if (r == 0)
		r = confirm(tool, mountpoint, call, names, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = rsmfs_verb_set_umask(call, mask, err);
	if (r < 0)
		return r;
	return rsmfs_session_send(tool, mountpoint, call, names, err);
}

int rsmfs_session_run(const struct rsmfs_tool *tool, struct rsmfs_verb_call *call,
		      struct rsm_err *err)
{
	RSM_FREE char *cwd = getcwd(NULL, 0); /* may be gone: then nothing is relative to it */
	RSM_FREE char **names = calloc(call->operand_count + 1, sizeof(*names));
	struct rsmfs_mounts mounts = { 0 };
	const char *mountpoint = NULL;
	int r;

	if (!names)
		return rsm_err_oom(err);
	r = rsmfs_mounts_load(&mounts, err);
	if (r == 0)
		r = rsmfs_mounts_choose(&mounts, tool->mountpoint, cwd, call->operands,
					call->operand_count, &mountpoint, err);
	if (r == 0)
		r = run_at(tool, mountpoint, cwd, call, names, err);
	for (size_t i = 0; i < call->operand_count; i++)
		free(names[i]);
	rsmfs_mounts_fini(&mounts);
	return r;
}
