/* What `rsm` does by itself: wait, library create, help. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "changer/emulator/library_folder.h"
#include "fs/lock.h"
#include "fs/options.h"
#include "fs/rsm_progress.h"
#include "fs/rsm_session.h"
#include "fs/rsm_slash.h"

/* ---- wait ---- */

static bool on_wait(void *context, const struct rsmfs_lock_owner *owner)
{
	char what[512];

	if (owner->state == RSMFS_LOCK_ENDING)
		snprintf(what, sizeof(what), "%s",
			 owner->progress[0] ? owner->progress : "rsmfs is ending");
	else
		snprintf(what, sizeof(what), "it is mounted at %.400s", owner->mountpoint);
	rsmfs_progress_set(context, 0, 0, what);
	return true;
}

/* A name that was mistyped, or a mount point, must not look as if all were done. */
static int check_library(const char *library, struct rsm_err *err)
{
	RSM_FREE char *lock = NULL;
	char conf[PATH_MAX];
	int r = rsmfs_lock_path(library, NULL, &lock, err);

	if (r < 0 || rsmfs_is_device(library) || access(lock, F_OK) == 0)
		return r;
	if (access(library, F_OK) < 0)
		return rsm_err_errno(err, "library %s", library);
	if (snprintf(conf, sizeof(conf), "%s/library.conf", library) >= (int)sizeof(conf) ||
	    access(conf, F_OK) < 0)
		return rsm_err_set(err, ENOENT, "%s is no library", library);
	return 0;
}

static int wait_for(const char *library, struct rsm_err *err)
{
	RSM_CLEANUP(rsmfs_progress_stop) struct rsmfs_progress *progress = NULL;
	int r = check_library(library, err);

	if (r == 0)
		r = rsmfs_progress_start("waiting for rsmfs", &progress, err);
	return r < 0 ? r : rsmfs_lock_wait(library, on_wait, progress, err);
}

static int run_wait(const struct rsmfs_tool *tool, const struct rsmfs_verb_call *call,
		    struct rsm_err *err)
{
	static const struct rsmfs_reply_table table = { .style = "done",
							.name = "wait",
							.columns = { { "library", 's', false } },
							.column_count = 1 };
	RSM_CLEANUP(rsmfs_printer_free) struct rsmfs_printer *printer = NULL;
	char *fields[] = { (char *)call->operands[0] };
	int r = wait_for(call->operands[0], err);

	if (r == 0)
		r = rsmfs_printer_new(tool->mode, stdout, &printer, err);
	if (r == 0)
		r = rsmfs_printer_table(printer, &table, err);
	if (r == 0)
		r = rsmfs_printer_row(printer, fields, err);
	return r < 0 ? r : rsmfs_printer_end(printer, err);
}

/* ---- library create ---- */

/* As many slots as cartridges need, if nobody said how many. */
static void fit_slots(const struct rsmfs_verb_call *call, struct rsm_library_shape *shape)
{
	unsigned needed = shape->cartridges + !shape->no_cleaner;

	if (shape->standalone) {
		if (!rsmfs_verb_flag(call, "drives"))
			shape->drives = 1;
		if (!rsmfs_verb_flag(call, "slots"))
			shape->slots = 0;
		if (!rsmfs_verb_flag(call, "ports"))
			shape->ports = 0;
		return;
	}
	if (!rsmfs_verb_flag(call, "slots") && shape->slots < needed)
		shape->slots = needed;
}

static int report_library(const struct rsmfs_tool *tool, const char *folder,
			  const struct rsm_library_shape *shape, struct rsm_err *err)
{
	static const struct rsmfs_reply_table table = {
		.style = "done",
		.name = "library",
		.columns = { { "source", 's', false },
			     { "type", 's', false },
			     { "drives", 'n', false },
			     { "slots", 'n', false },
			     { "ports", 'n', false },
			     { "cartridges", 'n', false } },
		.column_count = 6,
	};
	RSM_CLEANUP(rsmfs_printer_free) struct rsmfs_printer *printer = NULL;
	char path[PATH_MAX], type[32], numbers[4][16];
	char *fields[] = { path, type, numbers[0], numbers[1], numbers[2], numbers[3] };
	const unsigned values[] = { shape->drives, shape->slots, shape->ports, shape->cartridges };
	int r = rsmfs_printer_new(tool->mode, stdout, &printer, err);

	if (r < 0)
		return r;
	if (!realpath(folder, path))
		return rsm_err_errno(err, "%s", folder);
	snprintf(type, sizeof(type), "%s", shape->media_type);
	for (size_t i = 0; i < 4; i++)
		snprintf(numbers[i], sizeof(numbers[i]), "%u", values[i]);
	r = rsmfs_printer_table(printer, &table, err);
	if (r == 0)
		r = rsmfs_printer_row(printer, fields, err);
	return r < 0 ? r : rsmfs_printer_end(printer, err);
}

static int run_library(const struct rsmfs_tool *tool, const struct rsmfs_verb_call *call,
		       struct rsm_err *err)
{
	struct rsm_library_shape shape = rsm_library_default_shape;
	const char *folder = call->operands[1];
	const char *type = rsmfs_verb_text(call, "type");
	int r;

	if (type && !strcmp(type, "disk"))
		return rsm_err_set(err, EOPNOTSUPP,
				   "library create --type disk is not available in this version");
	if (type)
		shape.media_type = type;
	shape.drive_types = rsmfs_verb_text(call, "drive-type");
	shape.drives = (unsigned)rsmfs_verb_number(call, "drives", shape.drives);
	shape.slots = (unsigned)rsmfs_verb_number(call, "slots", shape.slots);
	shape.ports = (unsigned)rsmfs_verb_number(call, "ports", shape.ports);
	shape.cartridges = (unsigned)rsmfs_verb_number(call, "cartridges", shape.cartridges);
	shape.sides = (unsigned)rsmfs_verb_number(call, "sides", 1);
	shape.capacity_bytes = rsmfs_verb_size(call, "capacity", shape.capacity_bytes);
	shape.blank = rsmfs_verb_flag(call, "blank");
	shape.standalone = rsmfs_verb_flag(call, "standalone");
	fit_slots(call, &shape);
	r = rsm_library_folder_create(folder, &shape, err);
	return r < 0 ? r : report_library(tool, folder, &shape, err);
}

/* ---- help ---- */

/* "--wait[=S]", "--drive N" */
static int option_left(const struct rsmfs_option *option, char left[64])
{
	if (!option->value)
		return snprintf(left, 64, "--%s", option->name);
	if (option->kind == RSMFS_OPTION_SECONDS_OR_FLAG)
		return snprintf(left, 64, "--%s[=S]", option->name);
	return snprintf(left, 64, "--%s %s", option->name, option->value);
}

static void help_verb(const struct rsmfs_verb *verb, FILE *out)
{
	RSM_TEXT struct rsm_text usage = { 0 };
	char left[64];
	int width = 22;

	rsmfs_verb_usage(verb, &usage);
	fprintf(out, "%s\n\n  %s\n", usage.data ? usage.data : verb->name, verb->help);
	for (size_t i = 0; i < RSMFS_VERB_OPTIONS && verb->options[i].name; i++)
		if (verb->options[i].help && option_left(&verb->options[i], left) > width)
			width = (int)strlen(left);
	for (size_t i = 0; i < RSMFS_VERB_OPTIONS && verb->options[i].name; i++) {
		if (!verb->options[i].help)
			continue;
		option_left(&verb->options[i], left);
		fprintf(out, "%s  %-*s %s\n", i ? "" : "\n", width, left, verb->options[i].help);
	}
}

void rsmfs_local_help(const char *name, FILE *out)
{
	const struct rsmfs_verb *verb = name ? rsmfs_verb_find(name) : NULL;

	if (verb) {
		help_verb(verb, out);
		return;
	}
	if (name && rsmfs_slash_help(name)) {
		fprintf(out, "rsm %s (of rsm.exe)\n\n  %s\n", name, rsmfs_slash_help(name));
		return;
	}
	fprintf(out, "usage: rsm [-m MOUNTPOINT] [--json|--plain] VERB ...\n"
		     "       rsm --help | --version\n\n");
	for (verb = rsmfs_verbs; verb->name; verb++)
		fprintf(out, "  %-13s %s\n", verb->name, verb->help);
	fprintf(out, "\nA path is one in the mount, POOL/NAME, or a barcode. rsm help VERB and\n"
		     "rsm(8) tell more.\n");
}

static int run_help(const struct rsmfs_verb_call *call, struct rsm_err *err)
{
	const char *name = call->operand_count ? call->operands[0] : NULL;

	if (name && !rsmfs_verb_find(name) && !rsmfs_slash_help(name))
		return rsm_err_set(err, EINVAL, "help: there is no verb '%s'", name);
	rsmfs_local_help(name, stdout);
	return 0;
}

int rsmfs_local_run(const struct rsmfs_tool *tool, const struct rsmfs_verb_call *call,
		    struct rsm_err *err)
{
	if (!strcmp(call->verb->name, "wait"))
		return run_wait(tool, call, err);
	if (!strcmp(call->verb->name, "library"))
		return run_library(tool, call, err);
	return run_help(call, err);
}
