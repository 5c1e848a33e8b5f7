/* index_change.h - what an incremental index says of one object, and how that changes the tree in
 * the volume index loader (ltfs-format.md 21). Private to the reader.
 *
 * An object that is there under the name and has the uid is changed: what the index does not
 * mention stays. A folder without a uid only leads to what is in it. Whatever else bears a name and
 * a uid is new there and has to be complete; what had the name goes with all below it, and so does
 * what has the uid elsewhere, for it was moved.
 */
#ifndef RSM_CORE_LTFS_INDEX_CHANGE_H
#define RSM_CORE_LTFS_INDEX_CHANGE_H

#include "core/ltfs/index_object.h"

/* The folder's children begin. */
RSM_MUST_CHECK int rsm_ltfs_change_open(struct rsm_ltfs_objects *objects, struct rsm_err *err);
/* An <extendedattributes> begins: it replaces all that there were. */
RSM_MUST_CHECK int rsm_ltfs_change_xattrs(struct rsm_ltfs_objects *objects, struct rsm_err *err);
/* The object is over. */
RSM_MUST_CHECK int rsm_ltfs_change_finish(struct rsm_ltfs_objects *objects, struct rsm_err *err);

#endif
