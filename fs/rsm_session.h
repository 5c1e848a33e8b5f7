/* rsm_session.h - `rsm` in conversation: sends a call to the mount's daemon and shows the reply. */
#ifndef RSMFS_RSM_SESSION_H
#define RSMFS_RSM_SESSION_H

#include "fs/rsm_print.h"
#include "fs/verb.h"

struct rsmfs_tool {
	enum rsmfs_print_mode mode;
	bool terse, guids;	/* rsm_print.h */
	const char *mountpoint; /* -m, else RSM_MOUNT; NULL */
};

/* Carries the call out at its mount. 0, -EINVAL for wrong usage found late, else -errno. */
RSM_MUST_CHECK int rsmfs_session_run(const struct rsmfs_tool *tool, struct rsmfs_verb_call *call,
				     struct rsm_err *err);

/* One request and its reply, which is shown; `names` stand for the call's operands. */
RSM_MUST_CHECK int rsmfs_session_send(const struct rsmfs_tool *tool, const char *mountpoint,
				      const struct rsmfs_verb_call *call, char *const *names,
				      struct rsm_err *err);

/* rsm_check.c: asks before `rsm check` changes something, and adds the answer (--yes) to the call.
 * Outcome 1: there is nothing left to ask the daemon for. -EPERM, -ECANCELED.
 */
RSM_MUST_CHECK int rsmfs_check_confirm(const struct rsmfs_tool *tool, const char *mountpoint,
				       struct rsmfs_verb_call *call, char *const *names,
				       struct rsm_err *err);

/* rsm_follow.c: events --follow, those to come; with --json an object a line. */
RSM_MUST_CHECK int rsmfs_follow_events(const struct rsmfs_tool *tool, const char *mountpoint,
				       const struct rsmfs_verb_call *call, struct rsm_err *err);

/* wait, library, help: without a mount. */
RSM_MUST_CHECK int rsmfs_local_run(const struct rsmfs_tool *tool,
				   const struct rsmfs_verb_call *call, struct rsm_err *err);
void rsmfs_local_help(const char *verb, FILE *out);

#endif
