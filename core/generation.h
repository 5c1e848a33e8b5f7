/* generation.h - the generations of a cartridge's volume, for threads that may wait: listing them,
 * reading one, going back to one. What is done with the medium is ltfs_history.h's.
 */
#ifndef RSM_CORE_GENERATION_H
#define RSM_CORE_GENERATION_H

#include "core/ltfs/ltfs_history.h"
#include "core/manager.h"

/* Who asks, and for what. */
struct rsm_generation_asker {
	struct rsm_manager *manager;
	int64_t medium;
	uid_t user;
	const atomic_bool *cancel; /* may be NULL */
};

/* The next points, in the order of rsm_ltfs_history_next; the cartridge is mounted for it. At most
 * `room`, as many as a second brings. Outcome RSM_LTFS_HISTORY_END: these were the last.
 */
RSM_MUST_CHECK int rsm_generation_next_wait(const struct rsm_generation_asker *asker,
					    struct rsm_ltfs_history *history,
					    struct rsm_ltfs_point *points, size_t room,
					    size_t *ret_count, struct rsm_err *err);

/* Reads a generation's tree for a volume index at `path` (rsm_ltfs_load_point). -ENOENT. */
RSM_MUST_CHECK int rsm_generation_load_wait(const struct rsm_generation_asker *asker,
					    uint64_t generation, const char *path,
					    struct rsm_ltfs_point *ret_point,
					    struct rsm_index_loader **ret_loader,
					    struct rsm_err *err);

/* Makes the generation the newest one (rsm_ltfs_rollback); what there is now is committed first, so
 * that it stays a generation. Changes are refused meanwhile. -EBUSY: files are open, or staged and
 * not on the medium. -EROFS: not allocated here, or read-only. *ret_before, *ret_made: the newest
 * generation before, and what it is now.
 */
RSM_MUST_CHECK int rsm_generation_rollback_wait(const struct rsm_generation_asker *asker,
						uint64_t generation, uint64_t *ret_before,
						uint64_t *ret_made, struct rsm_err *err);

/* A folder below the staging area for a generation's tree, with nothing in it; whoever asks for it
 * removes it. What a crash leaves there goes with the next start (_tidy). Numbers are given once in
 * a manager's life; -EDQUOT when there are no more.
 */
enum { RSM_GENERATION_FOLDERS = 0xFFFFF };
RSM_MUST_CHECK int rsm_generation_make_folder(struct rsm_manager *manager, uint64_t *ret_number,
					      char **ret_folder, struct rsm_err *err);
RSM_MUST_CHECK int rsm_generation_tidy(struct rsm_manager *manager, struct rsm_err *err);

#endif
