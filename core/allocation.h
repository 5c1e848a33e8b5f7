/* allocation.h - who gets which cartridge, and what becomes of it afterwards (rsm-model.md 6, 7;
 * ntmsapi AllocateNtmsMedia, DeallocateNtmsMedia, MoveToNtmsMediaPool, SwapNtmsMedia).
 *
 * Each call is one transaction with FULL synchronisation. Nothing moves and nothing is written on a
 * medium.
 */
#ifndef RSM_CORE_ALLOCATION_H
#define RSM_CORE_ALLOCATION_H

#include "core/media.h"

/* Of media with two sides (NTMS_ALLOCATE_NEW, _NEXT). */
enum rsm_allocation_sides {
	RSM_SIDES_ANY,	/* a side; the other one is anybody's */
	RSM_SIDES_NEW,	/* of a cartridge nothing of which is allocated; its other side is reserved
			 */
	RSM_SIDES_NEXT, /* the side that was reserved when `next_of` was allocated */
};

struct rsm_allocation {
	enum rsm_allocation_sides sides;
	int64_t next_of; /* a medium of the pool; for NEXT */
	int64_t pool;
	const char *name; /* of the logical medium; NULL: the barcode (or a free variant of it) */
	const char *barcode; /* exactly this one, or NULL */
	int64_t medium;	     /* exactly this one, or 0; may be in Free or Import (taken over) */
	uint32_t mode, owner, group;
	/* as system.posix_acl_*; NULL or empty: none. They are there when it is. */
	const struct rsm_text *access_acl, *default_acl;
};

/* The choice of contract 2 and rsm-model.md 6: the pool's own available media, then Free (never
 * used before once used; whose old contents could be undeleted last; then idle in a drive, fewest
 * mounts, longest unused, lowest barcode). On-line and enabled media only. If `name` is the barcode
 * of an available one, that one. New LMID; a new volume_uuid and label work FORMAT, unless it is
 * taken over from Import (contents kept, label work UPDATE). -ENOSPC none; -EDQUOT limit; -EEXIST
 * name taken (also by a sub-pool); -EMEDIUMTYPE; -EPERM (pool is a system pool; name begins with a
 * dot; pool holds pools); -EBUSY.
 */
RSM_MUST_CHECK int rsm_allocate(struct rsm_catalog *catalog,
				const struct rsm_allocation *allocation,
				struct rsm_medium *ret_medium, struct rsm_err *err);

/* The logical medium ends; the medium goes to Free (UNPREPARED until relabelled: then it stays
 * allocatable, the next allocation relabels), or stays available in its pool, or is decommissioned
 * at the pool's max_allocations. `keep_old`: what it held stays restorable (old_uuid).
 * Emptiness and use are the caller's to check.
 */
RSM_MUST_CHECK int rsm_deallocate(struct rsm_catalog *catalog, int64_t medium, bool keep_old,
				  struct rsm_medium *ret_medium, struct rsm_err *err);

/* The same. `generation`: of the index on it that shows what it held before its files were deleted
 * one by one (undelete.h); 0: the newest.
 */
RSM_MUST_CHECK int rsm_deallocate_emptied(struct rsm_catalog *catalog, int64_t medium,
					  bool keep_old, uint64_t generation,
					  struct rsm_medium *ret_medium, struct rsm_err *err);

/* Renames and moves an allocated medium to a pool of its type (same pool: only the name).
 * -EEXIST, -EMEDIUMTYPE, -EPERM, -EDQUOT.
 */
RSM_MUST_CHECK int rsm_allocation_move(struct rsm_catalog *catalog, int64_t medium, int64_t pool,
				       const char *name, struct rsm_err *err);

/* Moves an available medium to another pool (Free to an application pool in advance, or back). */
RSM_MUST_CHECK int rsm_medium_move_pool(struct rsm_catalog *catalog, int64_t medium, int64_t pool,
					struct rsm_err *err);

/* Exchanges the media under two logical media of one pool (names, LMIDs, owners, modes stay). */
RSM_MUST_CHECK int rsm_allocation_swap(struct rsm_catalog *catalog, int64_t one, int64_t other,
				       struct rsm_err *err);

RSM_MUST_CHECK int rsm_allocation_complete(struct rsm_catalog *catalog, int64_t medium,
					   struct rsm_err *err); /* -EINVAL unless ALLOCATED */
RSM_MUST_CHECK int rsm_medium_decommission(struct rsm_catalog *catalog, int64_t medium,
					   struct rsm_err *err); /* -EINVAL unless AVAILABLE */
/* rsm free: to Free as UNPREPARED with label work FREE; what bears a foreign label, or is to be
 * erased, nobody gets before that is done. -EBUSY if allocated, complete, reserved; -EPERM if
 * decommissioned.
 */
RSM_MUST_CHECK int rsm_medium_free(struct rsm_catalog *catalog, int64_t medium,
				   struct rsm_err *err);
enum {
	RSM_FREEING_ERASES = 1 << 0,  /* all of it is overwritten before the label; -ENOMEDIUM if
					 it is off-line */
	RSM_FREEING_REVIVES = 1 << 1, /* decommissioned ones, too */
};
RSM_MUST_CHECK int rsm_medium_free_with(struct rsm_catalog *catalog, int64_t medium, unsigned flags,
					struct rsm_err *err);
/* Is it to be erased before its free label is written? */
RSM_MUST_CHECK int rsm_medium_is_to_be_erased(struct rsm_catalog *catalog, int64_t medium,
					      bool *ret_is, struct rsm_err *err);

/* It has been: what is left to be done is its free label. */
RSM_MUST_CHECK int rsm_medium_note_erased(struct rsm_catalog *catalog, int64_t medium,
					  struct rsm_err *err);

/* rsm forget: an off-line medium is unknown from now on. -EBUSY: it is here, or a side of it is
 * allocated, complete or reserved. *ret_medium: what was known of it.
 */
RSM_MUST_CHECK int rsm_medium_forget(struct rsm_catalog *catalog, int64_t medium,
				     struct rsm_medium *ret_medium, struct rsm_err *err);

#endif
