/* rsm refresh: one look at what may have changed behind the daemon's back (ntmsapi's device change
 * detection with a null handle). Barcodes and drives are asked; nothing is mounted.
 */
#include <string.h>

#include "fs/control_request.h"

/* The libraries that can hold media of a type; all of one are looked at, for a type is nowhere in
 * particular. Outcome 1: none does.
 */
static int refresh_type(struct rsmfs_request *request, const char *type, struct rsm_err *err)
{
	RSM_FREE struct rsm_drive_status *drives = NULL;
	int64_t looked_at = 0;
	size_t count = 0;
	int r = rsm_manager_drives(request->manager, &drives, &count, err), found = 1;

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (strcmp(drives[i].type, type) != 0 || drives[i].library == looked_at)
			continue;
		found = 0;
		looked_at = drives[i].library;
		r = rsm_manager_inventory_wait(request->manager, looked_at, false, &request->cancel,
					       rsmfs_request_progress, request, err);
	}
	return r < 0 ? r : found;
}

static int refresh_library(struct rsmfs_request *request, int64_t library, struct rsm_err *err)
{
	return rsm_manager_inventory_wait(request->manager, library, false, &request->cancel,
					  rsmfs_request_progress, request, err);
}

/* Where it is now. */
static int report_medium(struct rsmfs_request *request, int64_t id, struct rsm_err *err)
{
	struct rsm_medium medium;
	char location[32];
	int r = rsm_medium_get(request->catalog, id, &medium, err);

	if (r)
		return r < 0 ? r : 0; /* forgotten: it went away, and was nobody's */
	rsmfs_medium_location(&medium, location, sizeof(location));
	rsmfs_request_table(request, "list", "refresh", "name:s\tlocation:s\tstate:S");
	rsmfs_row_begin(request);
	rsmfs_row_text(request, rsmfs_medium_word(&medium));
	rsmfs_row_text(request, location);
	rsmfs_row_text(request, rsm_medium_state_name(medium.state));
	rsmfs_row_end(request);
	return 0;
}

static int refresh_object(struct rsmfs_request *request, const char *operand, struct rsm_err *err)
{
	struct rsmfs_object object;
	int r = rsmfs_object_find(request, operand, &object, err);

	if (r == 0 && object.is_pool && object.pool.id != RSM_POOL_TOP)
		return rsm_err_set(err, EINVAL,
				   "%s: is a pool, which is in no library in particular", operand);
	if (r == 0)
		/* one that is off-line may be anywhere */
		r = refresh_library(request, object.is_pool ? 0 : object.medium.library, err);
	return r < 0 || object.is_pool ? r : report_medium(request, object.medium.id, err);
}

int rsmfs_run_refresh(struct rsmfs_request *request, struct rsm_err *err)
{
	const char *operand = request->call.operand_count ? request->call.operands[0] : NULL;
	int64_t library = 0;
	int r = rsmfs_request_need_admin(request, err);

	if (r < 0)
		return r;
	if (!operand) {
		r = refresh_library(request, 0, err);
	} else if (!strncmp(operand, "library:", 8)) {
		r = rsmfs_object_library(request, operand + 8, &library, err);
		if (r == 0)
			r = refresh_library(request, library, err);
	} else {
		r = refresh_type(request, operand, err);
		if (r > 0)
			r = refresh_object(request, operand, err);
	}
	if (r == 0)
		rsmfs_request_names_changed(request, RSM_POOL_TOP, NULL);
	return r;
}
