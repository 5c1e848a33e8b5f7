#include <string.h>

#include "fs/control_request.h"

static const struct {
	const char *verb;
	int (*run)(struct rsmfs_request *request, struct rsm_err *err);
} runs[] = {
	{ "view", rsmfs_run_view },
	{ "allocate", rsmfs_run_allocate },
	{ "deallocate", rsmfs_run_deallocate },
	{ "undelete", rsmfs_run_undelete },
	{ "mount", rsmfs_run_mount },
	{ "dismount", rsmfs_run_dismount },
	{ "createpool", rsmfs_run_createpool },
	{ "deletepool", rsmfs_run_deletepool },
	{ "move", rsmfs_run_move },
	{ "rename", rsmfs_run_rename },
	{ "swap", rsmfs_run_swap },
	{ "complete", rsmfs_run_complete },
	{ "decommission", rsmfs_run_decommission },
	{ "free", rsmfs_run_free },
	{ "forget", rsmfs_run_forget },
	{ "inventory", rsmfs_run_inventory },
	{ "inject", rsmfs_run_inject },
	{ "eject", rsmfs_run_eject },
	{ "door", rsmfs_run_door },
	{ "clean", rsmfs_run_clean },
	{ "enable", rsmfs_run_enable },
	{ "disable", rsmfs_run_disable },
	{ "find", rsmfs_run_find },
	{ "sync", rsmfs_run_sync },
	{ "verify", rsmfs_run_verify },
	{ "check", rsmfs_run_check },
	{ "log", rsmfs_run_log },
	{ "events", rsmfs_run_events },
	{ "requests", rsmfs_run_requests },
	{ "queue", rsmfs_run_queue },
	{ "export", rsmfs_run_export },
	{ "import", rsmfs_run_import },
	{ "set", rsmfs_run_set },
	{ "refresh", rsmfs_run_refresh },
};

/* The kernel believes a name in a pool for a moment (rsmfs_pools_timeout_s): whoever looks after
 * one of these verbs sees what it did.
 */
static void let_names_be_forgotten(const struct rsmfs_request *request, const char *verb)
{
	static const char *const verbs[] = { "deallocate", "deletepool", "move",     "rename",
					     "swap",	   "free",	 "undelete", "forget" };

	if (!rsm_manager_options(request->manager)->callbacks.names_changed)
		return;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verbs[i], verb))
			rsm_clock_sleep_ns(rsm_clock_real(), RSM_SECOND_NS / 10);
}

int rsmfs_request_run(struct rsmfs_request *request, struct rsm_err *err)
{
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		if (!strcmp(runs[i].verb, request->call.verb->name)) {
			struct rsmfs_work work;
			int r = rsmfs_work_begin(request, &work, err);

			if (r == 0)
				r = runs[i].run(request, err);
			rsmfs_work_end(request, &work, r, err);
			let_names_be_forgotten(request, runs[i].verb);
			return r ? rsm_err_fold(err, r, "rsm %s", request->call.verb->name) : 0;
		}
	return rsm_err_set(err, EINVAL, "%s is not for the daemon", request->call.verb->name);
}
