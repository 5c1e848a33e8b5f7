/* rsm check before it changes something: shows what it is about, and asks.
 *
 * A repair is asked for after its report: what is wrong and what would be done stand on the screen
 * then. The report looks at the ends of the partitions only, also before a deep repair.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/rsm_session.h"

static void set_flag(struct rsmfs_verb_call *call, const char *name, const char *value)
{
	for (size_t i = 0; i < RSMFS_VERB_OPTIONS && call->verb->options[i].name; i++)
		if (!strcmp(call->verb->options[i].name, name))
			call->values[i] = value;
}

static int ask(struct rsmfs_verb_call *call, const char *question, struct rsm_err *err)
{
	char answer[16];

	fflush(stdout);
	fprintf(stderr, "%s\nGo on? [y/N] ", question);
	if (!fgets(answer, sizeof answer, stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
		return rsm_err_set(err, ECANCELED, "nothing was done");
	set_flag(call, "yes", "");
	return 0;
}

static int confirm_repair(const struct rsmfs_tool *tool, const char *mountpoint,
			  struct rsmfs_verb_call *call, char *const *names, struct rsm_err *err)
{
	struct rsmfs_verb_call report = *call;
	bool deep = rsmfs_verb_flag(call, "deep");
	int r;

	set_flag(&report, "repair", NULL);
	set_flag(&report, "deep", NULL);
	r = rsmfs_session_send(tool, mountpoint, &report, names, err);
	if (r < 0 && r != -EUCLEAN)
		return r;
	if (r == 0 && !deep)
		return 1;
	if (r == 0)
		return ask(call,
			   "The whole data partition is going to be read; blocks that no file "
			   "has become files in _ltfs_lostandfound.",
			   err);
	fprintf(stderr, "rsm: %s\n", err->msg);
	return ask(call,
		   "It is going to be repaired as told above. No block of a file and no whole "
		   "index is overwritten.",
		   err);
}

int rsmfs_check_confirm(const struct rsmfs_tool *tool, const char *mountpoint,
			struct rsmfs_verb_call *call, char *const *names, struct rsm_err *err)
{
	const char *generation = rsmfs_verb_text(call, "rollback");
	bool repair = rsmfs_verb_flag(call, "repair");
	char question[256];

	if ((!repair && !generation) || rsmfs_verb_flag(call, "yes"))
		return 0;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return rsm_err_set(err, EPERM, "check: %s changes the cartridge; say --yes",
				   repair ? "--repair" : "--rollback");
	if (repair)
		return confirm_repair(tool, mountpoint, call, names, err);
	snprintf(question, sizeof question,
		 "Generation %.20s is going to be the newest one of %.120s; what came after it "
		 "stays on the medium.",
		 generation, names[0]);
	return ask(call, question, err);
}
