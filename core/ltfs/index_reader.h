/* index_reader.h - parses an LTFS index as a stream, record by record, into a volume index loader.
 *
 * Constant memory whatever the number of files; hostile input is bounded in depth, element size and
 * count and never recursed on (ltfs-format.md 7). Reads 1.0 to 2.5 full indexes, and incremental
 * ones (21) on top of them; keeps unknown elements. Knows nothing of tapes: the caller feeds bytes.
 */
#ifndef RSM_CORE_LTFS_INDEX_READER_H
#define RSM_CORE_LTFS_INDEX_READER_H

#include "core/ltfs/label.h"
#include "core/volume_index.h"

/* What the index says of itself. */
struct rsm_ltfs_index_header {
	char version[16];
	char uuid[RSM_UUID_SIZE];
	uint64_t generation;
	struct timespec update_time;
	char self_partition, back_partition; /* letters; back 0: no back pointer */
	uint64_t self_block, back_block;
	bool allow_policy_update;
	uint64_t highest_uid; /* the larger of the element and all uids seen */
	char lock[16];	      /* "unlocked", "locked", "permlocked"; "": as before (incremental) */
	bool incremental; /* root element ltfsincrementalindex; the back pointer is the full one's
			   */
	char incremental_partition; /* the incremental index before that, 0: there is none */
	uint64_t incremental_block;
	uint64_t files, bytes; /* of a full index: how many files, and what they hold */
	char creator[1025];
};

struct rsm_ltfs_index_reader;

/* loader NULL: checks and reads the header only (everything is parsed all the same; of an
 * incremental index always, but for _expect_changes). The loader stays the caller's. `uuid`: of the
 * label; another one in the index is -EBADMSG. Facts that the reader sets in the loader: "comment",
 * "policy" (the dataplacementpolicy element as XML), "allow_policy_update", "unknown" (unknown
 * children of ltfsindex as XML), "volume_name", "lock", "index_creator", "update_time". They have
 * the form that they have in the index: "true", "false"; a time as rsm_ltfs_time_format writes it.
 * All are set by _finish. Our vendor keys (ltfs.vendor.rsmfs.unix, .name on files) become mode,
 * owner, group, exact name; those of the root are left as xattrs of the root under their full key.
 */
RSM_MUST_CHECK int rsm_ltfs_index_reader_new(struct rsm_index_loader *loader, const char *uuid,
					     struct rsm_ltfs_index_reader **ret_reader,
					     struct rsm_err *err);
/* The loader is settled (rsm_index_loader_settle) and holds the tree that the document, which has
 * to be an incremental index, changes. Facts that it does not mention stay.
 */
void rsm_ltfs_index_reader_expect_changes(struct rsm_ltfs_index_reader *reader);
void rsm_ltfs_index_reader_free(struct rsm_ltfs_index_reader *reader);
RSM_DEFINE_CLEANUP(rsm_ltfs_index_reader_free, struct rsm_ltfs_index_reader)

RSM_MUST_CHECK int rsm_ltfs_index_reader_feed(struct rsm_ltfs_index_reader *reader,
					      const void *bytes, size_t length,
					      struct rsm_err *err);
/* What the index says of itself, as far as it was fed: once the root folder has begun. Outcome 1:
 * it has not, or something was missing until then. highest_uid, files and bytes are not known.
 */
RSM_MUST_CHECK int rsm_ltfs_index_reader_peek(const struct rsm_ltfs_index_reader *reader,
					      struct rsm_ltfs_index_header *ret_header);

/* The document is over. -EBADMSG: it is not a whole and valid index. */
RSM_MUST_CHECK int rsm_ltfs_index_reader_finish(struct rsm_ltfs_index_reader *reader,
						struct rsm_ltfs_index_header *ret_header,
						struct rsm_err *err);

#endif
