/* Verbs as work items: what an administrator has a library do is in the queue while it runs, and in
 * its history afterwards. What the queue itself does (mounts, ejects, cleaning) keeps its own
 * items.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/control_request.h"

static const struct {
	const char *verb;
	enum rsm_work_kind kind;
	bool media;	/* an item for each operand, which is a cartridge */
	bool everybody; /* not for administrators only */
} verbs[] = {
	{ "inventory", RSM_WORK_INVENTORY, false, false },
	{ "inject", RSM_WORK_INJECT, false, false },
	{ "door", RSM_WORK_DOOR, false, false },
	{ "dismount", RSM_WORK_DISMOUNT, true, true },
	{ "enable", RSM_WORK_ENABLE_MEDIUM, true, false },
	{ "disable", RSM_WORK_DISABLE_MEDIUM, true, false },
};

/* enable, disable: of what? The kinds follow each other as libraries, drives, media do. */
static enum rsm_work_kind kind_of_device(const struct rsmfs_request *request,
					 enum rsm_work_kind medium)
{
	bool enable = medium == RSM_WORK_ENABLE_MEDIUM;
	const char *what = request->call.operands[0];

	if (!strcmp(what, "library"))
		return enable ? RSM_WORK_ENABLE_LIBRARY : RSM_WORK_DISABLE_LIBRARY;
	if (!strcmp(what, "drive") || !strncmp(what, "drive:", 6))
		return enable ? RSM_WORK_ENABLE_DRIVE : RSM_WORK_DISABLE_DRIVE;
	return medium;
}

static int add(struct rsmfs_request *request, struct rsmfs_work *work, struct rsm_work_item item,
	       struct rsm_err *err)
{
	int64_t *grown = reallocarray(work->items, work->count + 1, sizeof(*grown));
	int r;

	if (!grown)
		return rsm_err_oom(err);
	work->items = grown;
	item.state = RSM_WORK_IN_PROCESS;
	item.user = request->caller->uid;
	r = rsm_work_item_add(request->catalog, &item, err);
	if (r == 0)
		work->items[work->count++] = item.id;
	return r;
}

int rsmfs_work_begin(struct rsmfs_request *request, struct rsmfs_work *ret_work,
		     struct rsm_err *err)
{
	struct rsm_work_item item = { 0 };
	size_t which = 0;
	int r = 0;

	*ret_work = (struct rsmfs_work){ 0 };
	while (which < sizeof(verbs) / sizeof(verbs[0]) &&
	       strcmp(verbs[which].verb, request->call.verb->name) != 0)
		which++;
	if (which == sizeof(verbs) / sizeof(verbs[0]))
		return 0;
	/* who may not do it makes no history */
	if (!verbs[which].everybody && !rsmfs_access_is_admin(request->caller, request->admin))
		return 0;
	item.kind = verbs[which].kind;
	if (item.kind == RSM_WORK_ENABLE_MEDIUM || item.kind == RSM_WORK_DISABLE_MEDIUM)
		item.kind = kind_of_device(request, item.kind);
	if (!verbs[which].media || item.kind != verbs[which].kind)
		return add(request, ret_work, item, err);
	for (size_t i = 0; i < request->call.operand_count && r == 0; i++) {
		struct rsm_medium medium;

		/* the verb itself says what is wrong with its operands */
		if (rsmfs_object_medium(request, request->call.operands[i], true, &medium, NULL) <
		    0)
			continue;
		item.medium = medium.id;
		item.library = medium.library;
		r = add(request, ret_work, item, err);
	}
	return r;
}

void rsmfs_work_end(struct rsmfs_request *request, struct rsmfs_work *work, int r,
		    const struct rsm_err *err)
{
	enum rsm_work_state state = r >= 0	      ? RSM_WORK_PASSED
				    : r == -EINTR     ? RSM_WORK_CANCELLED
				    : r == -ECANCELED ? RSM_WORK_STOPPED
				    : r == -EINVAL    ? RSM_WORK_INVALID
						      : RSM_WORK_FAILED;
	struct rsm_err ignored; /* the history of what is done is not worth its failure */

	for (size_t i = 0; i < work->count; i++)
		if (rsm_work_item_set(request->catalog, work->items[i], state, 0,
				      r < 0 ? err->msg : "", &ignored) < 0)
			break;
	free(work->items);
	*work = (struct rsmfs_work){ 0 };
}
