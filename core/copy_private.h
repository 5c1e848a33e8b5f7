/* copy_private.h - what copy_catalog.c (tables), copy_keeper.c (the thread), copy_mirror.c (one
 * pair's trees), copy_bytes.c, copy_survey.c (what must not be removed) and copy_read.c (reads)
 * share, and what they give to the rooms around them.
 */
#ifndef RSM_CORE_COPY_PRIVATE_H
#define RSM_CORE_COPY_PRIVATE_H

#include <stdatomic.h>

#include "core/content.h"
#include "core/copy.h"

/* ---- copy_catalog.c ---- */

/* The pool of all copies, made if missing. */
int rsm_copy_top_locked(struct rsm_catalog *catalog, uint32_t owner, int64_t *ret_top,
			struct rsm_err *err);
/* The pool of copies of a media type, made if missing. */
int rsm_copy_pool_locked(struct rsm_catalog *catalog, const char *media_type, uint32_t owner,
			 struct rsm_pool *ret_pool, struct rsm_err *err);
/* The copy of an allocated medium; 0: it has none. */
int rsm_copy_of_first_locked(struct rsm_catalog *catalog, int64_t first, int64_t *ret_copy,
			     struct rsm_err *err);
/* A medium bears the key of a copy: it is one again. Outcome 1: it does not, or there is another.
 */
int rsm_copy_restore_locked(struct rsm_catalog *catalog, int64_t side,
			    const struct rsm_identification *found, const char *uuid,
			    struct rsm_err *err);

/* ---- copy_mirror.c ---- */

struct rsm_mirror {
	struct rsm_manager *manager;
	struct rsm_content *from, *to;
	int64_t first, copy; /* their media */
	const atomic_bool *cancel;
	void (*tick)(struct rsm_manager *manager); /* now and then; may be NULL */
	const char *run;			   /* a name that no other run of rsmfs has */
	bool files_move;			   /* its own */
	/* filled in */
	uint64_t files, bytes, removed; /* that were copied, and that went */
	uint64_t waiting;		/* files that are being changed: next time */
	uint64_t kept;			/* by a survey: what the first one has not */
	struct timespec anew; /* of the index that the first one was read from, if known */
};
/* Makes the tree of `to` what that of `from` is. -EINTR: cancelled. -ENOSPC: the copy is full. What
 * was done stays done.
 */
RSM_MUST_CHECK int rsm_mirror_run(struct rsm_mirror *mirror, struct rsm_err *err);
/* Has the copy just what the first has of that file? */
bool rsm_mirror_is_same(const struct rsm_node *from, const struct rsm_node *to);

/* Keys of nodes of the copy: of which node it is, and that it is not to be removed. */
#define RSM_MIRROR_KEY_OF   "ltfs.vendor.rsmfs.of"
#define RSM_MIRROR_KEY_KEPT "ltfs.vendor.rsmfs.kept"

enum { RSM_MIRROR_DEPTH_MAX = 512 };

struct rsm_mirror_entry {
	struct rsm_node node;
	char *name, *key;
};
typedef int rsm_mirror_visit(struct rsm_mirror *mirror, uint64_t from, uint64_t to,
			     const struct rsm_mirror_entry *entry, unsigned depth,
			     struct rsm_err *err);
/* Each child of a folder of `content` (one of the two), a page at a time; `each` may change it. */
RSM_MUST_CHECK int rsm_mirror_each_child(struct rsm_mirror *mirror, struct rsm_content *content,
					 uint64_t from, uint64_t to, rsm_mirror_visit *each,
					 unsigned depth, struct rsm_err *err);
/* -EINTR: it is to end. */
RSM_MUST_CHECK int rsm_mirror_check(const struct rsm_mirror *mirror, struct rsm_err *err);
/* Where the first one has by now what a node of the copy is of. Outcome ABSENT: nowhere. */
RSM_MUST_CHECK int rsm_mirror_find_origin(struct rsm_mirror *mirror, const struct rsm_node *node,
					  struct rsm_node *ret_origin, struct rsm_err *err);

/* ---- copy_bytes.c ---- */

/* All that a file of the first one holds, to the beginning of one of the copy. */
RSM_MUST_CHECK int rsm_mirror_copy_data(struct rsm_mirror *mirror, const struct rsm_node *node,
					struct rsm_open_file *to, struct rsm_err *err);
/* A while, after RSM_CONTENT_WAIT. */
RSM_MUST_CHECK int rsm_mirror_wait_for_room(struct rsm_mirror *mirror, struct rsm_err *err);

/* ---- copy_survey.c ---- */

/* Is the tree of the first one the same that the copy was brought into step with, or one that was
 * made from it? Outcome 1: it began anew, and may be older.
 */
RSM_MUST_CHECK int rsm_mirror_is_followed(struct rsm_content *first, const char *copy_uuid,
					  struct rsm_err *err);
/* Marks what the copy has and the first one has not, or older, so that no run removes it; from then
 * on the tree is followed.
 */
RSM_MUST_CHECK int rsm_mirror_survey(struct rsm_mirror *mirror, const char *copy_uuid,
				     struct rsm_err *err);
/* Outcome 1: it is not. */
RSM_MUST_CHECK int rsm_mirror_is_kept(struct rsm_mirror *mirror, const struct rsm_node *node,
				      struct rsm_err *err);
/* Another name for what is in the way of something of the first one and must not be removed. */
RSM_MUST_CHECK int rsm_mirror_set_aside(struct rsm_mirror *mirror, uint64_t folder,
					const char *name, struct rsm_err *err);

/* ---- copy_read.c ---- */

struct rsm_copy_read;
/* Sees to a read of a cartridge that has a copy. False: it has none, or the read is not of a file.
 */
bool rsm_copy_take_read(struct rsm_manager *manager, struct rsm_medium_read *read);
/* False: it did not take that read. */
bool rsm_copy_cancel_read(struct rsm_manager *manager, struct rsm_medium_read *read);
/* The keeper's: files of copies that were read and are not needed any more. */
void rsm_copy_release_reads(struct rsm_manager *manager);

#endif
