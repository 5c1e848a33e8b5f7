/* rsm_slash.h - the command line of Windows' rsm.exe, for old scripts (rsm-model.md 18).
 *
 * "RSM allocate /mBackup /lnmonday /oerrunavail /b" becomes a call as rsm(8) has it. Switches in
 * any case, values glued to them; GUIDs with or without braces, pools with backslashes or slashes.
 */
#ifndef RSMFS_RSM_SLASH_H
#define RSMFS_RSM_SLASH_H

#include <stdbool.h>

#include "base/err.h"

enum { RSMFS_SLASH_WORDS = 24 };

struct rsmfs_slash {
	char *words[RSMFS_SLASH_WORDS + 1]; /* verb, options, operands; NULL at the end */
	int count;
	bool terse; /* /b: only what a script wants to know */
	bool guids; /* /guiddisplay */
};

enum rsmfs_slash_outcome { RSMFS_SLASH_NO = 1 };

/* argv[0] is the verb. Outcome NO: that is no call of rsm.exe's kind. -EINVAL: one, but wrong;
 * -EOPNOTSUPP: not applicable here, and why. The caller frees (_fini).
 */
RSM_MUST_CHECK int rsmfs_slash_parse(int argc, char *const *argv, struct rsmfs_slash *ret_slash,
				     struct rsm_err *err);
void rsmfs_slash_fini(struct rsmfs_slash *slash);

/* A verb that only rsm.exe has: what stands for it, or why there is none; NULL: it is none. */
const char *rsmfs_slash_help(const char *verb);
/* The same, one after the other; NULL behind the last. */
const char *rsmfs_slash_verb(unsigned at);

#endif
