/* Verbs for what goes in and out of a library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/control_request.h"

int rsmfs_run_inject(struct rsmfs_request *request, struct rsm_err *err)
{
	unsigned timeout_s = (unsigned)rsmfs_verb_number(&request->call, "timeout", 0);
	unsigned count = 0;
	int r = rsmfs_request_need_admin(request, err);

	if (r < 0)
		return r;
	rsmfs_request_progress(request, 0, 0, "looking into the ports");
	r = rsm_manager_inject_wait(request->manager, timeout_s * 1000, &request->cancel, &count,
				    err);
	if (r < 0)
		return r;
	rsmfs_request_names_changed(request, RSM_POOL_TOP, NULL);
	rsmfs_request_text(request, "%u cartridge%s came in", count, count == 1 ? "" : "s");
	rsmfs_request_table(request, "done", "inject", "count:n");
	rsmfs_row_begin(request);
	rsmfs_row_number(request, count);
	rsmfs_row_end(request);
	return 0;
}

/* ---- eject ---- */

static void report(struct rsmfs_request *request, const struct rsm_medium *media, size_t count)
{
	rsmfs_request_table(request, "done", "eject", "name:s\tbarcode:s");
	for (size_t i = 0; i < count; i++) {
		rsmfs_row_begin(request);
		rsmfs_row_text(request, rsmfs_medium_word(&media[i]));
		rsmfs_row_text(request, media[i].barcode);
		rsmfs_row_end(request);
	}
}

static int cancel_eject(struct rsmfs_request *request, const struct rsm_medium *media, size_t count,
			struct rsm_err *err)
{
	unsigned cancelled = 0, one;
	int r = 0;

	if (!count)
		r = rsm_manager_cancel_eject(request->manager, 0, &cancelled, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = rsm_manager_cancel_eject(request->manager, media[i].id, &one, err);
		cancelled += one;
	}
	if (r < 0)
		return r;
	rsmfs_request_text(request, "%u cartridge%s stay%s in the library", cancelled,
			   cancelled == 1 ? "" : "s", cancelled == 1 ? "s" : "");
	report(request, media, count);
	return 0;
}

int rsmfs_run_eject(struct rsmfs_request *request, struct rsm_err *err)
{
	bool cancel = rsmfs_verb_flag(&request->call, "cancel");
	bool force = rsmfs_verb_flag(&request->call, "force");
	RSM_FREE struct rsm_medium *media = NULL;
	RSM_FREE int64_t *ids = NULL;
	size_t count = 0, ejected = 0;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0)
		r = rsmfs_object_media(request, false, &media, &count, err);
	if (r == 0 && cancel)
		return cancel_eject(request, media, count, err);
	if (r < 0)
		return r;
	ids = calloc(count, sizeof(*ids));
	if (!ids)
		return rsm_err_oom(err);
	for (size_t i = 0; i < count; i++)
		ids[i] = media[i].id;
	r = rsm_manager_eject_all_wait(request->manager, ids, count, force, request->caller->uid,
				       rsmfs_request_progress, request, &request->cancel, &ejected,
				       err);
	if (r < 0)
		return r;
	if (ejected < count)
		rsmfs_request_note(request, "%zu of %zu were cancelled", count - ejected, count);
	report(request, media, count);
	return 0;
}

/* ---- doors ---- */

static enum rsm_door_inventory door_inventory(const struct rsmfs_request *request)
{
	static const char *const words[] = {
		[RSM_DOOR_FAST] = "fast", [RSM_DOOR_FULL] = "full", [RSM_DOOR_NONE] = "none"
	};
	const char *word = rsmfs_verb_text(&request->call, "inventory");

	for (int i = 0; word && i < 3; i++)
		if (strcmp(word, words[i]) == 0)
			return (enum rsm_door_inventory)i;
	return RSM_DOOR_FAST;
}

int rsmfs_run_door(struct rsmfs_request *request, struct rsm_err *err)
{
	const char *what = request->call.operands[0];
	const char *which = request->call.operand_count > 1 ? request->call.operands[1] : NULL;
	bool lock = !strcmp(what, "lock");
	RSM_FREE struct rsm_library_status *libraries = NULL;
	enum rsm_door_inventory inventory = door_inventory(request);
	int64_t library = 0;
	size_t count = 0;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0 && lock && rsmfs_verb_flag(&request->call, "inventory"))
		r = rsm_err_set(err, EINVAL, "door: --inventory goes with unlock");
	if (r == 0)
		r = rsmfs_object_library(request, which, &library, err);
	if (r == 0)
		r = rsm_manager_libraries(request->manager, &libraries, &count, err);
	if (r == 0 && !library && count != 1)
		r = rsm_err_set(err, EINVAL, "there are %zu libraries, say which", count);
	if (r < 0)
		return r;
	if (!library)
		library = libraries[0].id;
	rsmfs_request_progress(request, 0, 0, lock ? "locking the door" : "emptying the drives");
	return lock ? rsm_manager_lock_door(request->manager, library, err)
		    : rsm_manager_unlock_door_wait(request->manager, library, inventory,
						   &request->cancel, err);
}
