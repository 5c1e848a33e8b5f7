/* undelete.h - what a deallocation left on a medium, and giving it back to its owner (contract 2,
 * `rsm undelete`).
 *
 * A deallocation writes nothing on the medium: until the next allocation has formatted it, or `rsm
 * free` has written its label, its old volume is there, and the catalogue remembers whose it was.
 */
#ifndef RSM_CORE_UNDELETE_H
#define RSM_CORE_UNDELETE_H

#include "core/manager.h"

/* The logical medium that was. */
struct rsm_former {
	char volume_uuid[RSM_GUID_SIZE];
	char pool[4096]; /* its path */
	char name[RSM_NAME_SIZE];
	uint32_t mode, owner, group;
	bool has_owner; /* else an older version deallocated it, which noted nothing but the volume
			 */
	/* The index on the medium before its files began to be deleted; 0: the newest one. What is
	 * complete is as its owner closed it.
	 */
	uint64_t generation;
	struct timespec ended;
	bool complete; /* it took no more changes, and takes none when it is back */
};
enum rsm_former_outcome { RSM_FORMER_ABSENT = 1 }; /* nothing of it can be restored */

/* Also of a medium that has been allocated again, and not formatted yet. */
RSM_MUST_CHECK int rsm_former_get(struct rsm_catalog *catalog, int64_t medium,
				  struct rsm_former *ret_former, struct rsm_err *err); /* ABSENT */

/* By the volume that was deallocated. */
RSM_MUST_CHECK int rsm_former_find(struct rsm_catalog *catalog, const char *volume_uuid,
				   struct rsm_former *ret_former, struct rsm_err *err); /* ABSENT */

/* Allocates the medium again, with the volume that it had: a new LMID; owner, mode, ACLs and
 * completeness as they were (`allocation` has what is taken where nothing is known of them;
 * its name NULL: the old one). -ENODATA: nothing can be restored; -EBUSY: it is allocated; -EPERM:
 * decommissioned, unless by the wear limit of the very pool; -EEXIST, -EMEDIUMTYPE, -EDQUOT as
 * rsm_allocate.
 */
RSM_MUST_CHECK int rsm_undelete(struct rsm_catalog *catalog,
				const struct rsm_allocation *allocation,
				struct rsm_medium *ret_medium, struct rsm_err *err);

/* The generation behind which an allocated medium has still to go back; 0: it has not. Until it is
 * closed, or deallocated.
 */
RSM_MUST_CHECK int rsm_undelete_is_open(struct rsm_catalog *catalog, int64_t medium,
					uint64_t *ret_generation, struct rsm_err *err);
RSM_MUST_CHECK int rsm_undelete_close(struct rsm_catalog *catalog, int64_t medium,
				      struct rsm_err *err);

/* The whole of it, for threads that may wait. What is on a medium that is here is looked at first,
 * by mounting it; of one that is off-line the catalogue is believed, and its label is compared when
 * it is mounted. If files were deleted one by one, indexes may have been written meanwhile: the
 * volume goes back to the one that has the most files of those since the deletions began. A failure
 * of that leaves it allocated with its newest index (*ret_medium is set, the message tells), and
 * the same call goes on with it. -ENOMEDIUM: it is off-line, and has to go back so; -EINTR.
 */
RSM_MUST_CHECK int rsm_manager_undelete_wait(struct rsm_manager *manager,
					     const struct rsm_allocation *allocation, uid_t user,
					     void (*progress)(void *context, uint64_t done,
							      uint64_t total, const char *what),
					     void *context, const atomic_bool *cancel,
					     struct rsm_medium *ret_medium, struct rsm_err *err);

#endif
