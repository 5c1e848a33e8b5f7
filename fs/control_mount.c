/* Verbs that move cartridges or wait for what is written to them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/control_request.h"

static void report_media(struct rsmfs_request *request, const struct rsm_medium *media,
			 size_t count)
{
	rsmfs_request_table(request, "done", request->call.verb->name, "name:s\tbarcode:s");
	for (size_t i = 0; i < count; i++) {
		rsmfs_row_begin(request);
		rsmfs_row_text(request, rsmfs_medium_word(&media[i]));
		rsmfs_row_text(request, media[i].barcode);
		rsmfs_row_end(request);
	}
}

static void say(struct rsmfs_request *request, const char *what, const struct rsm_medium *medium)
{
	char text[RSM_NAME_SIZE + 32];

	snprintf(text, sizeof(text), "%s %s", what, rsmfs_medium_word(medium));
	rsmfs_request_progress(request, 0, 0, text);
}

/* Nobody would ever serve a mount in a drive that is not there. */
static int need_drive(struct rsmfs_request *request, int64_t element, struct rsm_err *err)
{
	RSM_FREE struct rsm_drive_status *drives = NULL;
	bool found = false;
	size_t count = 0;
	int r = rsm_manager_drives(request->manager, &drives, &count, err);

	for (size_t i = 0; i < count && r == 0; i++) {
		if (drives[i].element != element)
			continue;
		if (drives[i].enabled)
			return 0;
		found = true;
	}
	if (r < 0)
		return r;
	return found ? rsm_err_set(err, ENODEV, "drive %lld is disabled", (long long)element)
		     : rsm_err_set(err, ENXIO, "there is no drive %lld", (long long)element);
}

int rsmfs_run_mount(struct rsmfs_request *request, struct rsm_err *err)
{
	const struct rsmfs_verb_call *call = &request->call;
	bool write = rsmfs_verb_flag(call, "write");
	int64_t priority = rsmfs_verb_number(call, "priority", 0);
	int64_t drive = rsmfs_verb_number(call, "drive", 0);
	unsigned flags = RSM_MOUNT_HOLD | (write ? RSM_MOUNT_WRITE : 0) |
			 (rsmfs_verb_flag(call, "nowait") ? RSM_MOUNT_IF_AVAILABLE : 0) |
			 (rsmfs_verb_flag(call, "online") ? RSM_MOUNT_IF_ONLINE : 0);
	RSM_FREE struct rsm_medium *media = NULL;
	RSM_FREE int64_t *ids = NULL;
	size_t count = 0;
	int r;

	if (priority > 0 && !rsmfs_access_is_admin(request->caller, request->admin))
		return rsm_err_set(err, EACCES, "mount: only an administrator raises a priority");
	r = rsmfs_verb_flag(call, "drive") ? need_drive(request, drive, err) : 0;
	if (r == 0)
		r = rsmfs_object_media(request, true, &media, &count, err);
	if (r < 0)
		return r;
	ids = calloc(count, sizeof(*ids));
	if (!ids)
		return rsm_err_oom(err);
	for (size_t i = 0; i < count; i++) {
		ids[i] = media[i].id;
		r = rsmfs_access_medium(
			request->catalog, request->caller, request->admin, &media[i],
			RSMFS_READ | RSMFS_EXECUTE | (write ? RSMFS_WRITE : 0), err);
		if (r < 0)
			return r;
	}
	say(request, "mounting", &media[0]);
	r = rsm_manager_mount_wait(request->manager, ids, count, flags, (uint32_t)drive,
				   (int)priority,
				   (unsigned)rsmfs_verb_number(call, "timeout", 0) * 1000,
				   request->caller->uid, &request->cancel, err);
	if (r == 0)
		report_media(request, media, count);
	return r;
}

int rsmfs_run_dismount(struct rsmfs_request *request, struct rsm_err *err)
{
	bool deferred = rsmfs_verb_flag(&request->call, "deferred");
	RSM_FREE struct rsm_medium *media = NULL;
	size_t count = 0;
	int r = rsmfs_object_media(request, true, &media, &count, err);

	for (size_t i = 0; i < count && r == 0; i++)
		/* whatever a drive holds: who empties drives need not know whose it is */
		if (!strncmp(request->call.operands[i], "drive:", 6))
			r = rsmfs_request_need_admin(request, err);
		else
			r = rsmfs_access_medium(request->catalog, request->caller, request->admin,
						&media[i], RSMFS_READ | RSMFS_EXECUTE, err);
	for (size_t i = 0; i < count && r == 0; i++) {
		say(request, "dismounting", &media[i]);
		r = rsm_manager_dismount_wait(request->manager, media[i].id, deferred,
					      &request->cancel, err);
	}
	if (r == 0)
		report_media(request, media, count);
	return r;
}

/* ---- sync ---- */

struct members {
	int64_t *ids, *pools;
	size_t count, room;
	bool failed;
};

static bool take_member(void *context, const struct rsm_medium *medium)
{
	struct members *members = context;

	if (!medium->lmid[0])
		return true;
	if (members->count == members->room) {
		size_t room = members->room ? 2 * members->room : 64;
		int64_t *ids = reallocarray(members->ids, room, sizeof(*ids));

		if (ids)
			members->ids = ids;
		int64_t *pools = reallocarray(members->pools, room, sizeof(*pools));

		if (pools)
			members->pools = pools;
		members->failed = !ids || !pools;
		if (members->failed)
			return false;
		members->room = room;
	}
	members->ids[members->count] = medium->id;
	members->pools[members->count++] = medium->pool;
	return true;
}

static int sync_pool(struct rsmfs_request *request, int64_t pool, struct rsm_err *err)
{
	struct members members = { 0 };
	int r = rsm_medium_list_all(request->catalog, 0, take_member, &members, err);

	if (r >= 0 && members.failed)
		r = rsm_err_oom(err);
	for (size_t i = 0; i < members.count && r >= 0; i++) {
		bool is = false;

		r = rsmfs_pool_is_below(request, members.pools[i], pool, &is, err);
		if (r == 0 && is)
			r = rsm_manager_sync_wait(request->manager, members.ids[i],
						  rsmfs_request_progress, request, &request->cancel,
						  err);
	}
	free(members.ids);
	free(members.pools);
	return r < 0 ? r : 0;
}

int rsmfs_run_sync(struct rsmfs_request *request, struct rsm_err *err)
{
	struct rsmfs_object object = { .is_pool = true };
	int r;

	if (request->call.operand_count) {
		r = rsmfs_object_find(request, request->call.operands[0], &object, err);
		if (r < 0)
			return r;
	}
	/* As sync(2) and syncfs(2): nobody needs a right to have what is there made safe. */
	if (object.is_pool && object.pool.id != RSM_POOL_TOP)
		r = sync_pool(request, object.pool.id, err);
	else
		r = rsm_manager_sync_wait(request->manager, object.is_pool ? 0 : object.medium.id,
					  rsmfs_request_progress, request, &request->cancel, err);
	return r;
}
