/* view.h - older generations of cartridges, each to be looked at as a tree of its own, read-only.
 *
 * A view is made from an index of the medium, which is read once; from then on names and attributes
 * are answered from a database of its own in the staging area (in constant memory), and files are
 * read from the medium where that generation has them. Views end with _close, with the manager, or
 * when the cartridge comes to hold another volume; what a crash leaves of them goes at the start.
 * Numbers are given once in a manager's life, 1 to RSM_GENERATION_FOLDERS.
 * Threads: any.
 */
#ifndef RSM_CORE_VIEW_H
#define RSM_CORE_VIEW_H

#include "core/generation.h"

enum { RSM_VIEWS_MAX = 64 };

struct rsm_view_info {
	uint64_t number;
	int64_t medium;
	uint64_t generation;
	uid_t user; /* who asked for it */
	char barcode[RSM_BARCODE_SIZE];
	struct timespec update_time; /* of the generation */
};

enum rsm_view_outcome { RSM_VIEW_ABSENT = 1 };

/* Makes a view, or finds the one that there is. -ENOENT: the medium has no such generation.
 * -EDQUOT: there are RSM_VIEWS_MAX.
 */
RSM_MUST_CHECK int rsm_view_open_wait(const struct rsm_generation_asker *asker, uint64_t generation,
				      struct rsm_view_info *ret_info, struct rsm_err *err);
/* Outcome ABSENT. -EBUSY: files of it are open. */
RSM_MUST_CHECK int rsm_view_close(struct rsm_manager *manager, int64_t medium, uint64_t generation,
				  struct rsm_err *err);
void rsm_view_close_all(struct rsm_manager *manager);

/* Outcome ABSENT. */
RSM_MUST_CHECK int rsm_view_find(struct rsm_manager *manager, int64_t medium, uint64_t generation,
				 struct rsm_view_info *ret_info);
/* All views of a medium (0: of all), by medium and generation. At most RSM_VIEWS_MAX. */
size_t rsm_view_list(struct rsm_manager *manager, int64_t medium,
		     struct rsm_view_info ret_infos[RSM_VIEWS_MAX]);

/* The tree; valid until _content_unref. Outcome ABSENT: it has ended. */
RSM_MUST_CHECK int rsm_view_content(struct rsm_manager *manager, uint64_t number,
				    struct rsm_content **ret_content,
				    struct rsm_view_info *ret_info);
void rsm_view_content_unref(struct rsm_content *content);

#endif
