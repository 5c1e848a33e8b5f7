/* Locking and unlocking volumes (declared in manager.h): asked for here, written by the next commit
 * (ltfs/ltfs_lock.c), which this waits for.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/ltfs/ltfs_volume.h"
#include "core/manager_private.h"

enum { PATIENCE = 3000 }; /* looks, ten milliseconds apart */
#define LOOK_NS (RSM_SECOND_NS / 100)

static int open_content(struct rsm_manager *manager, int64_t medium,
			struct rsm_content **ret_content, const atomic_bool *cancel,
			struct rsm_err *err)
{
	int r = rsm_manager_content(manager, medium, ret_content, err);

	if (r != RSM_MANAGER_MUST_MOUNT)
		return r;
	r = rsm_manager_mount_wait(manager, &medium, 1, RSM_MOUNT_TO_LOOK, 0, 0, 0, 0, cancel, err);
	return r < 0 ? r : rsm_manager_content(manager, medium, ret_content, err);
}

/* Outcome 1: it is so already. */
static int check_lock(struct rsm_content *content, const char *lock, struct rsm_err *err)
{
	RSM_FREE char *now = NULL, *due = NULL;
	struct rsm_content_use use;
	int r = rsm_volume_index_get_fact(rsm_content_index(content), "lock", &now, err);

	if (r == 0)
		r = rsm_volume_index_get_fact(rsm_content_index(content), RSM_LTFS_LOCK_DUE, &due,
					      err);
	if (r < 0)
		return r;
	if (now && strcmp(now, "permlocked") == 0)
		return rsm_err_set(err, EROFS, "the volume is locked for good");
	if (!due && strcmp(now && *now ? now : "unlocked", lock) == 0)
		return 1;
	rsm_content_use(content, &use);
	if (use.writers)
		return rsm_err_set(err, EBUSY, "%u files are open for writing", use.writers);
	return 0;
}

/* What only the lock forbids is allowed, so that the index that says so can be written. */
static void let_change(struct rsm_manager *manager, struct rsm_cartridge *cartridge)
{
	rsm_mutex_lock(&manager->lock);
	if (cartridge->read_only && strcmp(cartridge->reason, RSM_LTFS_LOCKED) == 0) {
		cartridge->read_only = false;
		cartridge->reason[0] = '\0';
	}
	rsm_mutex_unlock(&manager->lock);
	rsm_manager_apply_state(manager, cartridge);
}

/* All is written first; what comes in between keeps the lock waiting. */
static int write_lock(struct rsm_manager *manager, int64_t medium, struct rsm_content *content,
		      const char *lock, const atomic_bool *cancel, struct rsm_err *err)
{
	int r = 0;

	if (strcmp(lock, "unlocked") == 0)
		let_change(manager, rsm_content_owner(content));
	else
		r = rsm_manager_sync_wait(manager, medium, NULL, NULL, cancel, err);
	if (r >= 0)
		r = rsm_content_set_fact(content, RSM_LTFS_LOCK_DUE, lock, err);
	for (int tries = 0; r >= 0 && tries < PATIENCE; tries++) {
		RSM_FREE char *due = NULL;

		r = rsm_manager_sync_wait(manager, medium, NULL, NULL, cancel, err);
		if (r >= 0)
			r = rsm_volume_index_get_fact(rsm_content_index(content), RSM_LTFS_LOCK_DUE,
						      &due, err);
		if (r < 0 || !due)
			return r;
		/* the tree is on the medium; the other partition and the memory follow at once */
		rsm_clock_sleep_ns(rsm_clock_real(), LOOK_NS);
	}
	return r < 0 ? r
		     : rsm_err_set(err, EBUSY,
				   "files are being written; the next index without any locks it");
}

/* As the drive's worker is about to note. */
static void note_locked(struct rsm_manager *manager, struct rsm_cartridge *cartridge)
{
	rsm_mutex_lock(&manager->lock);
	cartridge->read_only = true;
	snprintf(cartridge->reason, sizeof cartridge->reason, RSM_LTFS_LOCKED);
	rsm_mutex_unlock(&manager->lock);
	rsm_manager_apply_state(manager, cartridge);
}

int rsm_manager_set_lock(struct rsm_manager *manager, int64_t medium, const char *lock,
			 const atomic_bool *cancel, struct rsm_err *err)
{
	struct rsm_content *content;
	int r = open_content(manager, medium, &content, cancel, err);

	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, EROFS, "it holds no volume that can be locked");
	r = check_lock(content, lock, err);
	if (r == 0)
		r = write_lock(manager, medium, content, lock, cancel, err);
	if (r == 0 && strcmp(lock, "unlocked") != 0)
		note_locked(manager, rsm_content_owner(content));
	rsm_manager_content_unref(manager, content);
	return r > 0 ? 0 : r;
}
