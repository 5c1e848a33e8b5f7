/* index_parts.h - unknown elements within the parts of an object: its extents, its attributes, its
 * contents. They are kept behind the object's own unknown elements, in one text, each with the
 * place it belongs to; what does not have that place any more is not written again.
 */
#ifndef RSM_CORE_LTFS_INDEX_PARTS_H
#define RSM_CORE_LTFS_INDEX_PARTS_H

#include "base/text.h"
#include "core/volume_index.h"

/* Places that are not an extent's or an attribute's. */
#define RSM_LTFS_PART_EXTENTS  "i"
#define RSM_LTFS_PART_CONTENTS "c"
#define RSM_LTFS_PART_XATTRS   "x"

enum { RSM_LTFS_PLACE_SIZE = 128 };
void rsm_ltfs_part_of_extent(const struct rsm_extent *extent, char ret_place[RSM_LTFS_PLACE_SIZE]);
/* False: no place can be told for such a key. */
bool rsm_ltfs_part_of_xattr(const char *key, char ret_place[RSM_LTFS_PLACE_SIZE]);

/* Appends the elements; returns how many bytes that were besides them. */
size_t rsm_ltfs_parts_add(struct rsm_text *parts, const char *place, const struct rsm_text *xml);

/* How many bytes of the text are the object's own elements. */
size_t rsm_ltfs_parts_begin(const char *unknown);
/* The elements of that place, not terminated; NULL: none. *at: where the last one was found, the
 * beginning of the text at first; those that are asked for in their order are found quickly.
 */
const char *rsm_ltfs_parts_find(const char *unknown, const char *place, const char **at,
				size_t *ret_length);

#endif
