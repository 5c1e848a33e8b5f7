/* rsm check --list, --rollback, --view: the generations of a volume. */
#include "fs/control_request.h"

int rsmfs_run_generations(struct rsmfs_request *request, struct rsm_medium *medium,
			  struct rsm_err *err)
{
	(void)request;
	return rsm_err_set(err, EOPNOTSUPP,
			   "%s: its generations cannot be asked for in this version",
			   rsmfs_medium_word(medium));
}
