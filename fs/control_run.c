#include <string.h>

#include "fs/control_request.h"

static const struct {
	const char *verb;
	int (*run)(struct rsmfs_request *request, struct rsm_err *err);
} runs[] = {
	{ "view", rsmfs_run_view },
	{ "allocate", rsmfs_run_allocate },
	{ "deallocate", rsmfs_run_deallocate },
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
	{ "inventory", rsmfs_run_inventory },
	{ "inject", rsmfs_run_inject },
	{ "eject", rsmfs_run_eject },
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
};

int rsmfs_request_run(struct rsmfs_request *request, struct rsm_err *err)
{
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		if (!strcmp(runs[i].verb, request->call.verb->name)) {
			int r = runs[i].run(request, err);

			return r ? rsm_err_fold(err, r, "rsm %s", request->call.verb->name) : 0;
		}
	return rsm_err_set(err, EINVAL, "%s is not for the daemon", request->call.verb->name);
}
