/* rsm - administers a mounted media library (rsm(8)). Options that are for every verb, and exit
 * codes; the rest is in rsm_*.c.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/rsm_session.h"
#include "fs/rsm_slash.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct global {
	struct rsmfs_tool tool;
	bool help, version;
};

/* Takes the options of all verbs out of argv (up to "--"). Returns how many arguments are left. */
static int take_globals(int argc, char **argv, struct global *global, struct rsm_err *err)
{
	bool only_operands = false;
	int left = 0;

	for (int i = 0; i < argc; i++) {
		const char *argument = argv[i];

		only_operands |= !strcmp(argument, "--");
		if (only_operands) {
			argv[left++] = argv[i];
		} else if (!strcmp(argument, "--json")) {
			global->tool.mode = RSMFS_PRINT_JSON;
		} else if (!strcmp(argument, "--plain")) {
			global->tool.mode = RSMFS_PRINT_PLAIN;
		} else if (!strcmp(argument, "-h") || !strcmp(argument, "--help")) {
			global->help = true;
		} else if (!strcmp(argument, "-V") || !strcmp(argument, "--version")) {
			global->version = true;
		} else if (!strncmp(argument, "--mount=", 8)) {
			global->tool.mountpoint = argument + 8;
		} else if (!strcmp(argument, "-m") || !strcmp(argument, "--mount")) {
			if (++i == argc)
				return rsm_err_set(err, EINVAL, "%s needs a mount point", argument);
			global->tool.mountpoint = argv[i];
		} else if (!strncmp(argument, "-m", 2)) {
			global->tool.mountpoint = argument + 2;
		} else {
			argv[left++] = argv[i];
		}
	}
	return left;
}

static int usage_error(const struct rsm_err *err, const char *verb)
{
	const struct rsmfs_verb *known = verb ? rsmfs_verb_find(verb) : NULL;
	RSM_TEXT struct rsm_text usage = { 0 };

	fprintf(stderr, "rsm: %s\n", err->msg);
	if (known)
		rsmfs_verb_usage(known, &usage);
	fprintf(stderr, "%s\n",
		usage.data && !usage.failed ? usage.data : "rsm help lists the verbs");
	return EXIT_USAGE;
}

static int failed(const struct rsm_err *err)
{
	fflush(stdout);
	fprintf(stderr, "rsm: %s\n", err->msg);
	return EXIT_FAILED;
}

/* A call as rsm.exe takes it becomes one of ours, in `slash`; *argc, *argv are it then. */
static int take_old_call(struct global *global, struct rsmfs_slash *slash, int *argc, char ***argv,
			 struct rsm_err *err)
{
	int r = rsmfs_slash_parse(*argc, *argv, slash, err);

	if (r)
		return r < 0 ? r : 0;
	global->tool.terse = slash->terse;
	global->tool.guids = slash->guids;
	*argc = slash->count;
	*argv = slash->words;
	return 0;
}

static int run(struct global *global, int argc, char **argv, struct rsm_err *err)
{
	struct rsmfs_verb_call call = { 0 };
	int r = rsmfs_verb_parse(argc, argv, &call, err);
	bool help;

	if (r == -EINVAL || r == -ENOSYS)
		return usage_error(err, argv[0]);
	if (r < 0)
		return failed(err);
	r = call.verb->local ? rsmfs_local_run(&global->tool, &call, err)
			     : rsmfs_session_run(&global->tool, &call, err);
	help = !strcmp(call.verb->name, "help");
	rsmfs_verb_call_fini(&call);
	if (r == -EINVAL && help) /* there is no such verb */
		return usage_error(err, NULL);
	return r < 0 ? failed(err) : 0;
}

int main(int argc, char **argv)
{
	struct rsmfs_slash slash = { 0 };
	struct global global = { .tool = { .mountpoint = getenv("RSM_MOUNT") } };
	struct rsm_err err = { 0 };
	int r;

	setlocale(LC_ALL, "");
	argc = take_globals(argc - 1, argv + 1, &global, &err);
	if (argc < 0)
		return usage_error(&err, NULL);
	argv++;
	if (global.version) {
		puts("rsm (rsmfs) " RSM_VERSION);
		return 0;
	}
	if (global.help) {
		rsmfs_local_help(argc ? argv[0] : NULL, stdout);
		return 0;
	}
	if (!argc) {
		rsmfs_local_help(NULL, stderr);
		return EXIT_USAGE;
	}
	r = take_old_call(&global, &slash, &argc, &argv, &err);
	if (r < 0)
		r = r == -EINVAL ? usage_error(&err, argv[0]) : failed(&err);
	else
		r = run(&global, argc, argv, &err);
	rsmfs_slash_fini(&slash);
	return r;
}
