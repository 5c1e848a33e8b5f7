/* tap_index.h - where on a tape image which object stands: sparse, a bit and a bit for each.
 *
 * An anchor every 256 objects and one bit an object (is it a filemark?): two million records take
 * 320 KiB. It can be kept in a file beside the image, which saves reading the image's headers.
 */
#ifndef RSM_CHANGER_EMULATOR_TAP_INDEX_H
#define RSM_CHANGER_EMULATOR_TAP_INDEX_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

enum { RSM_TAP_ANCHOR_EVERY = 256 };

struct rsm_tap_index {
	uint64_t *anchors; /* byte offset of object 256 * i */
	uint64_t *marks;   /* bit i: object i is a filemark */
	size_t anchor_room, mark_room;
	uint64_t objects;
	uint64_t end; /* byte offset of end of data */
};

void rsm_tap_index_fini(struct rsm_tap_index *index);

/* Adds the object at `end`, `bytes` long in the image. -ENOMEM. */
RSM_MUST_CHECK int rsm_tap_index_append(struct rsm_tap_index *index, bool is_mark, uint64_t bytes);

/* Forgets objects from `objects` on; `end` is the offset of that one. */
void rsm_tap_index_truncate(struct rsm_tap_index *index, uint64_t objects, uint64_t end);

bool rsm_tap_index_is_mark(const struct rsm_tap_index *index, uint64_t object);

/* The first filemark at `from` or behind; UINT64_MAX if none. */
uint64_t rsm_tap_index_next_mark(const struct rsm_tap_index *index, uint64_t from);

/* The last filemark before `from`; UINT64_MAX if none. */
uint64_t rsm_tap_index_previous_mark(const struct rsm_tap_index *index, uint64_t from);

/* How many filemarks stand before `object`. */
uint64_t rsm_tap_index_count_marks(const struct rsm_tap_index *index, uint64_t object);

/* Writes the file that is good as long as the image is as `image` tells. */
RSM_MUST_CHECK int rsm_tap_index_save(const struct rsm_tap_index *index, int folder,
				      const char *name, const struct stat *image,
				      struct rsm_err *err);

enum rsm_tap_index_outcome { RSM_TAP_INDEX_ABSENT = 1 };

/* ABSENT: no file, or one that does not belong to this image. */
RSM_MUST_CHECK int rsm_tap_index_load(struct rsm_tap_index *index, int folder, const char *name,
				      const struct stat *image, struct rsm_err *err);

#endif
