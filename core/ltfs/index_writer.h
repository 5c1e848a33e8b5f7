/* index_writer.h - writes the LTFS index document of a snapshot as a stream (ltfs-format.md 7, 24).
 *
 * Version 2.4.0, full index, elements in the reference's order, escapes as 7.4 and 8.2 demand. One
 * that follows incremental indexes says so, as 2.5 demands: it is of version 2.5.0.
 * Constant memory. The caller takes the bytes in pieces.
 */
#ifndef RSM_CORE_LTFS_INDEX_WRITER_H
#define RSM_CORE_LTFS_INDEX_WRITER_H

#include "core/ltfs/index_reader.h"
#include "core/volume_index.h"

/* header: uuid, generation, update_time, self and back pointers, lock, creator (whole text),
 * allow_policy_update, the last incremental index since the full one; version, highest_uid and
 * incremental are ignored.
 */
struct rsm_ltfs_index_source {
	struct rsm_index_snapshot *snapshot;
	struct rsm_ltfs_index_header header;
	uint64_t block_size;	 /* of the volume: offsets in blocks are below it; 0: any */
	const char *volume_name; /* the root's name; "" is fine */
	const char *comment;	 /* or NULL */
	const char *policy_xml;	 /* kept dataplacementpolicy element, or NULL */
	const char *unknown_xml; /* kept unknown children of ltfsindex, or NULL */
	/* further xattrs of the root: our vendor keys (pool, name, owner, mode, lmid ...); override
	 * equal keys */
	const struct rsm_snapshot_xattr *root_xattrs;
	size_t root_xattr_count;
};

/* The version that the document has. */
const char *rsm_ltfs_index_version(const struct rsm_ltfs_index_header *header);

/* Called with each piece (some 64 KiB); a negative result ends the writing and is passed on. */
typedef int rsm_ltfs_index_sink(void *context, const void *bytes, size_t length,
				struct rsm_err *err);

/* Files that are `pending` (staged bytes without extent) are listed as far as the medium has them:
 * with <openforwrite>true</openforwrite>, length not above what their extents cover without a hole.
 * Mode, owner, group of nodes with RSM_NODE_HAS_UNIX become ltfs.vendor.rsmfs.unix ("0644 1000 1000
 * user group"), names that differ from NFC ltfs.vendor.rsmfs.name.
 */
RSM_MUST_CHECK int rsm_ltfs_index_write(const struct rsm_ltfs_index_source *source,
					rsm_ltfs_index_sink *sink, void *context,
					struct rsm_err *err);

#endif
