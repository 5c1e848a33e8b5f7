/* work_item.h - library requests: mounts, dismounts, inventories, label work (rsm-model.md 13). */
#ifndef RSM_CORE_WORK_ITEM_H
#define RSM_CORE_WORK_ITEM_H

#include "core/catalog.h"

enum rsm_work_kind {			  /* NTMS_LM_... (rsm-model.md 13) */
		     RSM_WORK_REMOVE = 0, /* cancels another item */
		     RSM_WORK_DISABLE_LIBRARY = 1,
		     RSM_WORK_ENABLE_LIBRARY = 2,
		     RSM_WORK_DISABLE_DRIVE = 3,
		     RSM_WORK_ENABLE_DRIVE = 4,
		     RSM_WORK_DISABLE_MEDIUM = 5,
		     RSM_WORK_ENABLE_MEDIUM = 6,
		     RSM_WORK_UPDATE_LABEL = 7, /* "update OMID" */
		     RSM_WORK_INVENTORY = 8,
		     RSM_WORK_DOOR = 9,
		     RSM_WORK_EJECT = 10,
		     RSM_WORK_EJECT_CLEANER = 11,
		     RSM_WORK_INJECT = 12,
		     RSM_WORK_INJECT_CLEANER = 13,
		     RSM_WORK_PROCESS_LABEL = 14, /* "process OMID" */
		     RSM_WORK_CLEAN = 15,
		     RSM_WORK_DISMOUNT = 16,
		     RSM_WORK_MOUNT = 17,
		     RSM_WORK_WRITE_LABEL = 18,
		     RSM_WORK_IDENTIFY = 19,
		     RSM_WORK_RESERVE_CLEANER = 20,
		     RSM_WORK_RELEASE_CLEANER = 21,
		     RSM_WORK_COPY = 22, /* ours: a second cartridge is brought into step */
};
enum rsm_work_state {
	RSM_WORK_QUEUED = 0,
	RSM_WORK_IN_PROCESS = 1,
	RSM_WORK_PASSED = 2,
	RSM_WORK_FAILED = 3,
	RSM_WORK_INVALID = 4,
	RSM_WORK_WAITING = 5,
	RSM_WORK_DEFERRED = 6,
	RSM_WORK_CANCELLED = 7,
	RSM_WORK_STOPPED = 8,
};
struct rsm_work_item {
	int64_t id;
	enum rsm_work_kind kind;
	enum rsm_work_state state;
	int64_t medium, library;
	uint32_t drive; /* element address */
	int32_t priority;
	uint32_t user;	/* uid of who asked */
	char text[512]; /* what it waits for, or the error */
	struct timespec queued, ended;
};
const char *rsm_work_kind_name(enum rsm_work_kind kind);
const char *rsm_work_state_name(enum rsm_work_state state);

RSM_MUST_CHECK int rsm_work_item_add(struct rsm_catalog *catalog, struct rsm_work_item *item,
				     struct rsm_err *err); /* fills id, queued */
RSM_MUST_CHECK int rsm_work_item_set(struct rsm_catalog *catalog, int64_t id,
				     enum rsm_work_state state, uint32_t drive, const char *text,
				     struct rsm_err *err);
/* User, priority, drive and text become the item's, unless it has ended. */
RSM_MUST_CHECK int rsm_work_item_describe(struct rsm_catalog *catalog,
					  const struct rsm_work_item *item, struct rsm_err *err);
/* At start: unfinished ones are cancelled. */
RSM_MUST_CHECK int rsm_work_item_cancel_all(struct rsm_catalog *catalog, struct rsm_err *err);
/* Those that ended before `before`, failed ones before `failed_before`, go; *ret_count: how many.
 */
RSM_MUST_CHECK int rsm_work_item_purge(struct rsm_catalog *catalog, const struct timespec *before,
				       const struct timespec *failed_before, unsigned *ret_count,
				       struct rsm_err *err);
typedef bool rsm_work_item_each(void *context, const struct rsm_work_item *item);
RSM_MUST_CHECK int rsm_work_item_list(struct rsm_catalog *catalog, bool open_only,
				      rsm_work_item_each *each, void *context, struct rsm_err *err);

#endif
