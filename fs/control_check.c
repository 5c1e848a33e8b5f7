/* rsm check: what state a volume is in, and its repair. */
#include "fs/control_request.h"

/* What may be asked for together. */
static int check_switches(const struct rsmfs_verb_call *call, struct rsm_err *err)
{
	bool list = rsmfs_verb_flag(call, "list");
	bool rollback = rsmfs_verb_flag(call, "rollback");
	bool view = rsmfs_verb_flag(call, "view"), unview = rsmfs_verb_flag(call, "unview");
	bool check = rsmfs_verb_flag(call, "deep") || rsmfs_verb_flag(call, "repair");

	if (list + rollback + view + unview + check > 1)
		return rsm_err_set(err, EINVAL,
				   "check: --list, --rollback, --view, --unview, and --deep or "
				   "--repair are asked for one at a time");
	if ((rollback || rsmfs_verb_flag(call, "repair")) && !rsmfs_verb_flag(call, "yes"))
		return rsm_err_set(err, EINVAL, "check: %s changes the cartridge; say --yes",
				   rollback ? "--rollback" : "--repair");
	return 0;
}

int rsmfs_run_check(struct rsmfs_request *request, struct rsm_err *err)
{
	const struct rsmfs_verb_call *call = &request->call;
	struct rsm_medium medium;
	int r = check_switches(call, err);

	if (r == 0)
		r = rsmfs_object_medium(request, call->operands[0], true, &medium, err);
	if (r < 0)
		return r;
	if (rsmfs_verb_flag(call, "list") || rsmfs_verb_flag(call, "rollback") ||
	    rsmfs_verb_flag(call, "view") || rsmfs_verb_flag(call, "unview"))
		return rsmfs_run_generations(request, &medium, err);
	return rsm_err_set(err, EOPNOTSUPP, "%s: not available in this version",
			   rsmfs_medium_word(&medium));
}
