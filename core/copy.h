/* copy.h - second cartridges that are kept in step with first ones (user.rsm.copies=2 on a pool).
 *
 * A copy is a cartridge of its own: an LTFS volume with its own UUID, contents and staged data,
 * allocated in a pool that is in no listing, under the UUID of the volume that it follows. One
 * thread, the keeper, finds what is missing on it by comparing the two trees, and writes it there
 * as any program would: what is still staged for the first is read from local disk, so both are
 * written at about the same time when there are drives for both; what is not is read from the first
 * one's medium. So a death at any moment leaves two volumes that are consistent each, and a
 * comparison that finds the rest. Objects are in step when kind, size and times are equal, the time
 * of the last change among them, which no program sets.
 *
 * Reads go to the copy when the first is not in the library, cannot be read, or is not in a drive
 * while the copy is.
 * Lock order: the manager's lock comes before the catalogue's; the keeper holds none while it
 * works.
 */
#ifndef RSM_CORE_COPY_H
#define RSM_CORE_COPY_H

#include "core/media.h"

/* The pool of copies, which holds one pool a media type. */
#define RSM_COPY_POOL_GUID "636f7069-6573-4000-8000-72736d667300"

enum { RSM_COPIES_MOST = 2 };

/* How many cartridges are to hold the same: 1 or 2. */
RSM_MUST_CHECK int rsm_pool_get_copies(struct rsm_catalog *catalog, int64_t pool,
				       uint32_t *ret_copies, struct rsm_err *err);
/* Copies that there are stay and are kept in step also when it becomes 1. -EINVAL, -EPERM. */
RSM_MUST_CHECK int rsm_pool_set_copies(struct rsm_catalog *catalog, int64_t pool, uint32_t copies,
				       struct rsm_err *err);

struct rsm_copy {
	int64_t first; /* medium; 0: it is not known here (lost with the catalogue, say) */
	int64_t copy;
	char volume[RSM_GUID_SIZE]; /* of the first */
	int64_t seen, done;	    /* versions of its tree; different: the copy is behind */
};
enum rsm_copy_outcome { RSM_COPY_ABSENT = 1 };

RSM_MUST_CHECK int rsm_copy_find(struct rsm_catalog *catalog, int64_t first,
				 struct rsm_copy *ret_copy, struct rsm_err *err); /* ABSENT */
/* By the copy. ABSENT: it is none. */
RSM_MUST_CHECK int rsm_copy_get(struct rsm_catalog *catalog, int64_t copy,
				struct rsm_copy *ret_copy, struct rsm_err *err);
/* The next by the copy's id behind `after`; behind: only such that are. ABSENT: no more. */
RSM_MUST_CHECK int rsm_copy_next(struct rsm_catalog *catalog, int64_t after, bool behind,
				 struct rsm_copy *ret_copy, struct rsm_err *err);
/* The next allocated medium behind `after` that should have a copy and has none. */
RSM_MUST_CHECK int rsm_copy_next_missing(struct rsm_catalog *catalog, int64_t after,
					 int64_t *ret_first, struct rsm_err *err); /* ABSENT */

/* Allocates a copy for a medium: from its pool, or from Free if that draws. -ENOSPC. */
RSM_MUST_CHECK int rsm_copy_allocate(struct rsm_catalog *catalog, int64_t first, uint32_t owner,
				     struct rsm_medium *ret_copy, struct rsm_err *err);
/* The tree of the volume has this version now, and is followed by that volume ("" by none). */
RSM_MUST_CHECK int rsm_copy_note_seen(struct rsm_catalog *catalog, const char *volume,
				      int64_t version, const char *followed_by,
				      struct rsm_err *err);
RSM_MUST_CHECK int rsm_copy_note_done(struct rsm_catalog *catalog, int64_t copy, int64_t version,
				      struct rsm_err *err);
/* What the copy keeps: files and folders that the first one has not, or older. */
RSM_MUST_CHECK int rsm_copy_note_kept(struct rsm_catalog *catalog, int64_t copy, uint64_t kept,
				      struct rsm_err *err);
/* May the copy of a medium, if any, go with it? -EBUSY: it keeps what the first one has lost. */
RSM_MUST_CHECK int rsm_copy_check_kept(struct rsm_catalog *catalog, const struct rsm_medium *first,
				       struct rsm_err *err);
/* At start: what a death between two steps of an allocation or deallocation left. */
RSM_MUST_CHECK int rsm_copy_mend(struct rsm_catalog *catalog, struct rsm_err *err);
/* After everything was looked at: a copy whose first is nowhere takes its place, name and LMID.
 * *ret_count: how many did.
 */
RSM_MUST_CHECK int rsm_copy_promote_orphans(struct rsm_catalog *catalog, unsigned *ret_count,
					    struct rsm_err *err);

/* What people are told of a medium's copies: "" (none are asked for), "one only", "behind",
 * "in step"; "copy" for a copy itself.
 */
struct rsm_manager;
RSM_MUST_CHECK int rsm_copy_state(struct rsm_manager *manager, const struct rsm_medium *medium,
				  const char **ret_state, struct rsm_copy *ret_copy,
				  struct rsm_err *err);

/* ---- the keeper ---- */

struct rsm_copy_keeper;
RSM_MUST_CHECK int rsm_copy_keeper_start(struct rsm_manager *manager, struct rsm_err *err);
void rsm_copy_keeper_stop(struct rsm_manager *manager);
/* A catch-up that has been running for a second is a work item from then on, or from when somebody
 * looks at the queue. Cancelled it is tried again in ten minutes. -ENOENT: it has ended.
 */
void rsm_copy_note_item(struct rsm_manager *manager);
RSM_MUST_CHECK int rsm_copy_cancel_item(struct rsm_manager *manager, int64_t item,
					struct rsm_err *err);
/* Somebody wants the medium for himself: the keeper lets go of it, for a moment. Waits for that. */
void rsm_copy_let_go(struct rsm_manager *manager, int64_t medium);

#endif
