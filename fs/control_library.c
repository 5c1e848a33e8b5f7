/* Verbs for who runs the library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/identification.h"
#include "fs/control_request.h"

/* ---- inventory ---- */

static int identify_slot(struct rsmfs_request *request, int64_t library, uint32_t slot,
			 struct rsm_err *err)
{
	RSM_TEXT struct rsm_text label = { 0 };
	RSM_FREE char *path = NULL;
	struct rsm_medium medium = { 0 };
	int r = rsm_manager_identify_slot(request->manager, library, slot, &request->cancel,
					  &medium, err);
	bool empty = r == RSM_MEDIUM_ABSENT;

	if (r == 0)
		r = rsmfs_medium_path(request, &medium, &path, err);
	if (r < 0)
		return r;
	rsmfs_request_names_changed(request, RSM_POOL_TOP, NULL);
	rsm_identification_label_text(&medium, &label);
	if (label.failed)
		return rsm_err_oom(err);
	if (empty)
		rsmfs_request_text(request, "slot %u is empty", slot);
	else
		rsmfs_request_text(request, "slot %u: %s is %s%s%s", slot, medium.shown,
				   rsm_medium_state_name(medium.state), label.length ? ": " : "",
				   label.length ? label.data : "");
	rsmfs_request_table(request, "done", "inventory",
			    "slot:n\tbarcode:s\tstate:s\tlabel:s\tpath:S");
	rsmfs_row_begin(request);
	rsmfs_row_number(request, slot);
	rsmfs_row_text(request, empty ? "" : medium.shown);
	rsmfs_row_text(request, empty ? "" : rsm_medium_state_name(medium.state));
	rsmfs_row_text(request, label.length ? label.data : "");
	rsmfs_row_text(request, path ? path : "");
	rsmfs_row_end(request);
	return 0;
}

int rsmfs_run_inventory(struct rsmfs_request *request, struct rsm_err *err)
{
	bool full = rsmfs_verb_flag(&request->call, "full");
	bool stop = rsmfs_verb_flag(&request->call, "stop");
	int64_t slot = rsmfs_verb_number(&request->call, "slot", -1);
	int64_t library = 0;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0)
		r = rsmfs_object_library(
			request, request->call.operand_count ? request->call.operands[0] : NULL,
			&library, err);
	if (r < 0)
		return r;
	if (stop) {
		if (!rsm_manager_inventory_stop(request->manager, library))
			rsmfs_request_text(request, "no full inventory is under way");
		return 0;
	}
	if (slot >= 0)
		return slot > UINT32_MAX ? rsm_err_set(err, ENXIO, "there is no such slot")
					 : identify_slot(request, library, (uint32_t)slot, err);
	r = rsm_manager_inventory_wait(request->manager, library, full, &request->cancel,
				       rsmfs_request_progress, request, err);
	if (r == 0)
		rsmfs_request_names_changed(request, RSM_POOL_TOP, NULL);
	return r;
}

/* ---- enable, disable ---- */

static int set_drive(struct rsmfs_request *request, const char *operand, bool enabled,
		     struct rsm_err *err)
{
	struct rsm_drive_status drive;
	int r = rsmfs_object_drive(request, operand, &drive, err);

	return r < 0 ? r
		     : rsm_manager_enable_drive(request->manager, drive.library, drive.element,
						enabled, err);
}

static int set_library(struct rsmfs_request *request, const char *operand, bool enabled,
		       struct rsm_err *err)
{
	RSM_FREE struct rsm_library_status *libraries = NULL;
	int64_t library = 0;
	size_t count = 0;
	int r = rsmfs_object_library(request, operand, &library, err);

	if (r == 0 && !library)
		r = rsm_manager_libraries(request->manager, &libraries, &count, err);
	if (r == 0 && !library && count != 1)
		r = rsm_err_set(err, EINVAL, "there are %zu libraries, say which", count);
	if (r < 0)
		return r;
	return rsm_manager_enable_library(request->manager, library ? library : libraries[0].id,
					  enabled, err);
}

static int set_enabled(struct rsmfs_request *request, bool enabled, struct rsm_err *err)
{
	const char *what = request->call.operands[0];
	const char *which = request->call.operand_count > 1 ? request->call.operands[1] : NULL;
	struct rsm_medium medium;
	int r = rsmfs_request_need_admin(request, err);

	if (r < 0)
		return r;
	if (!strcmp(what, "drive") && which)
		return set_drive(request, which, enabled, err);
	if (!strncmp(what, "drive:", 6) && !which)
		return set_drive(request, what, enabled, err);
	if (!strcmp(what, "library"))
		return set_library(request, which, enabled, err);
	if (which)
		return rsm_err_set(err, EINVAL, "%s: is neither drive nor library", what);
	r = rsmfs_object_medium(request, what, false, &medium, err);
	return r < 0 ? r : rsm_manager_enable_medium(request->manager, medium.id, enabled, err);
}

int rsmfs_run_enable(struct rsmfs_request *request, struct rsm_err *err)
{
	return set_enabled(request, true, err);
}

int rsmfs_run_disable(struct rsmfs_request *request, struct rsm_err *err)
{
	return set_enabled(request, false, err);
}

int rsmfs_run_clean(struct rsmfs_request *request, struct rsm_err *err)
{
	struct rsm_drive_status drive;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0)
		r = rsmfs_object_drive(request, request->call.operands[0], &drive, err);
	if (r < 0)
		return r;
	rsmfs_request_progress(request, 0, 0, "cleaning");
	r = rsm_manager_clean_wait(request->manager, drive.library, drive.element,
				   request->caller->uid, &request->cancel, err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "done", "clean", "element:n\tlibrary:n");
	rsmfs_row_begin(request);
	rsmfs_row_number(request, drive.element);
	rsmfs_row_signed(request, drive.library);
	rsmfs_row_end(request);
	return 0;
}
