/* volume_index.h - the tree of one volume in an SQLite database of its own.
 *
 * Nodes (folders, files, links), their extents on the medium, the ranges that are staged on local
 * disk, extended attributes, elements of a foreign index that must survive. It is the browsing
 * cache of a cartridge that is not in a drive, the crash journal, and what `rsm find` searches.
 * Does not move data and does not know drives.
 *
 * Node ids are dense, at most 40 bits, never reused, the root is 1. An id is the LTFS file uid
 * where that fits and is unique. A node has exactly one name (LTFS has no hard links), or none: an
 * orphan, unlinked while somebody still had it. Orphans are removed at the next open.
 *
 * Transactions: the first change begins one, _commit ends it. What is committed survives the death
 * of the process (WAL, synchronous NORMAL: the pages are in the kernel); a durable commit also
 * survives power loss (synchronous FULL for that commit). Every multi-statement call is atomic: it
 * happened or it did not, also when it fails half way (disk full).
 * Threads: any; one lock inside, held for the time of the statements only. Snapshots and loaders
 * have connections of their own and stop nobody.
 * Lock order: content > volume_index > catalog. Never held while the robot or a tape moves.
 */
#ifndef RSM_CORE_VOLUME_INDEX_H
#define RSM_CORE_VOLUME_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "core/digest.h"

#define RSM_NODE_ROOT	((uint64_t)1)
#define RSM_NODE_ID_MAX (((uint64_t)1 << 40) - 1)

enum rsm_node_kind { RSM_NODE_FOLDER = 1, RSM_NODE_FILE = 2, RSM_NODE_LINK = 3 };

enum { RSM_NODE_NAME_MAX = 1020 }; /* bytes: 255 code points of 4 */

/* The five times of LTFS 7.3. Years 0000 to 9999. */
struct rsm_node_times {
	struct timespec created, changed, modified, accessed, backed_up;
};

/* Bits of `flags`. */
enum {
	RSM_NODE_READONLY = 1 << 0,    /* the readonly element; with HAS_UNIX the mode tells it */
	RSM_NODE_HAS_UNIX = 1 << 1,    /* mode, owner, group are its own, not the mount's default */
	RSM_NODE_HAS_XATTRS = 1 << 2,  /* has rows in the xattr table (any key) */
	RSM_NODE_HAS_UNKNOWN = 1 << 3, /* has preserved unknown elements */
	RSM_NODE_DAMAGED = 1 << 4,     /* its extents cannot be right: reading is EIO */
	RSM_NODE_MEASURED = 7 << 5,    /* an rsm_digest_kind: the checksum of that kind is of just
					  these contents; NONE: whose any is, nobody here knows */
	/* what the tables know, not who changes a row */
	RSM_NODE_TABLE_FLAGS = RSM_NODE_HAS_XATTRS | RSM_NODE_HAS_UNKNOWN | RSM_NODE_MEASURED,
};

/* What RSM_NODE_MEASURED says. */
static inline enum rsm_digest_kind rsm_node_measured(uint32_t flags)
{
	unsigned kind = (flags & RSM_NODE_MEASURED) >> 5;

	return kind < RSM_DIGEST_KINDS ? (enum rsm_digest_kind)kind : RSM_DIGEST_NONE;
}

struct rsm_node {
	uint64_t id;
	uint64_t parent; /* 0: the root, or an orphan */
	enum rsm_node_kind kind;
	uint32_t flags;
	uint64_t uid;  /* LTFS fileuid */
	uint64_t size; /* bytes of a file; length of a link's target; 0 for folders */
	uint32_t mode; /* permission bits 07777; meaningful with RSM_NODE_HAS_UNIX */
	uint32_t owner, group;
	struct rsm_node_times times;
	uint64_t data_version; /* grows with each change of the contents; 0: never changed here */
};

/* Where a piece of a file is on the medium. Partition is the LTFS letter ('a'..'z'). */
struct rsm_extent {
	uint64_t file_offset;
	uint64_t start_block;
	uint64_t byte_offset; /* within start_block */
	uint64_t byte_count;
	char partition;
	bool indexed; /* an index on the medium covers it */
};

/* A piece of a file whose newest bytes are on local disk. Overrides extents. */
struct rsm_staged_range {
	uint64_t file_offset;
	uint64_t byte_count;
	uint64_t store; /* staging.h: which file of the staging area, RSM_STORE_OWN or a log */
	uint64_t store_offset; /* where in it */
	bool written; /* also on the medium, behind a filemark; kept until an index there covers it
		       */
};

struct rsm_volume_index;

/* Opens the database at `path`; makes it (with a root folder, times now) if it is missing.
 * Orphans and their rows go. -EBADMSG: damaged, or by a newer rsmfs (then nothing is changed).
 */
RSM_MUST_CHECK int rsm_volume_index_open(const char *path, struct rsm_volume_index **ret_index,
					 struct rsm_err *err);
/* Commits and closes. Snapshots must be closed before. */
void rsm_volume_index_close(struct rsm_volume_index *index);
RSM_DEFINE_CLEANUP(rsm_volume_index_close, struct rsm_volume_index)

RSM_MUST_CHECK int rsm_volume_index_commit(struct rsm_volume_index *index, bool durable,
					   struct rsm_err *err);

/* ---- facts about the volume: small texts by key (uuid, generation, ...) ---- */

/* *ret_value is the caller's, NULL when there is none. */
RSM_MUST_CHECK int rsm_volume_index_get_fact(struct rsm_volume_index *index, const char *key,
					     char **ret_value, struct rsm_err *err);
/* NULL removes. Part of the current transaction. */
RSM_MUST_CHECK int rsm_volume_index_set_fact(struct rsm_volume_index *index, const char *key,
					     const char *value, struct rsm_err *err);
RSM_MUST_CHECK int rsm_volume_index_get_number(struct rsm_volume_index *index, const char *key,
					       uint64_t *ret_value, uint64_t otherwise,
					       struct rsm_err *err);
RSM_MUST_CHECK int rsm_volume_index_set_number(struct rsm_volume_index *index, const char *key,
					       uint64_t value, struct rsm_err *err);

/* Fact: the volume that follows this tree as its copy (copy_survey.c). It is not in an index: a
 * tree that is read from a medium anew has none.
 */
#define RSM_INDEX_FACT_FOLLOWED "followed_by"
/* Fact: the time of the index that the tree was read from when it began anew, until it is followed.
 */
#define RSM_INDEX_FACT_ANEW "read_anew_of"

/* Grows with each change of the tree that an index on the medium would show (persistent; cheap:
 * kept in memory and written at commit).
 */
uint64_t rsm_volume_index_tree_version(struct rsm_volume_index *index);

/* The tree version that the last index on the medium shows; equal to the above: nothing to write.
 */
uint64_t rsm_volume_index_indexed_version(struct rsm_volume_index *index);

/* Marks the tree as changed without touching a node (the cartridge's own name, mode, pool ...). */
void rsm_volume_index_touch(struct rsm_volume_index *index);

struct rsm_volume_totals {
	uint64_t folders, files, links; /* without the root */
	uint64_t file_bytes;
	uint64_t staged_bytes; /* to be written to the medium */
	uint64_t staged_files;
};
/* Kept up to date; no scan. */
RSM_MUST_CHECK int rsm_volume_index_totals(struct rsm_volume_index *index,
					   struct rsm_volume_totals *ret_totals,
					   struct rsm_err *err);

/* About how many bytes an LTFS index of the tree has, rather too many than too few; no scan. */
uint64_t rsm_volume_index_document_bytes(struct rsm_volume_index *index);

enum { RSM_INDEX_NODE_BYTES = 950 }; /* what a node takes in it, besides names and attributes */

/* ---- names ---- */

enum rsm_volume_index_outcome { RSM_NODE_ABSENT = 1 };

/* Names are found byte for byte (rsm_name_*, in ltfs/name.h), but no two in a folder have the same
 * NFC form: the second is -EEXIST.
 */
RSM_MUST_CHECK int rsm_volume_index_lookup(struct rsm_volume_index *index, uint64_t parent,
					   const char *name, struct rsm_node *ret_node,
					   struct rsm_err *err); /* outcome ABSENT */
RSM_MUST_CHECK int rsm_volume_index_get(struct rsm_volume_index *index, uint64_t id,
					struct rsm_node *ret_node,
					struct rsm_err *err); /* outcome ABSENT */

/* Children in order of name, those whose NFC name is greater than `after` (NULL or "": from the
 * first). `each` gets the byte-exact name and returns true to go on; it is called under the lock
 * and must not call back. *ret_after_key (may be NULL; RSM_NODE_NAME_MAX + 1 bytes) receives the
 * key to go on from: that of the last entry that `each` took (returned true for).
 */
typedef bool rsm_volume_index_each(void *context, const struct rsm_node *node, const char *name,
				   const char *key);
RSM_MUST_CHECK int rsm_volume_index_list(struct rsm_volume_index *index, uint64_t parent,
					 const char *after, rsm_volume_index_each *each,
					 void *context, struct rsm_err *err);

/* Exact name and parent of a node; name is the caller's. Outcome ABSENT (also for orphans). */
RSM_MUST_CHECK int rsm_volume_index_name(struct rsm_volume_index *index, uint64_t id,
					 uint64_t *ret_parent, char **ret_name,
					 struct rsm_err *err);
/* Path from the root, "a/b/c"; "" for the root. The caller's. */
RSM_MUST_CHECK int rsm_volume_index_path(struct rsm_volume_index *index, uint64_t id,
					 char **ret_path, struct rsm_err *err);

/* Names that match a shell pattern (fnmatch), case as given; each gets paths. */
typedef bool rsm_volume_index_found(void *context, const struct rsm_node *node, const char *path);
RSM_MUST_CHECK int rsm_volume_index_find(struct rsm_volume_index *index, const char *pattern,
					 rsm_volume_index_found *found, void *context,
					 struct rsm_err *err);

/* ---- changes of the tree; each sets the parents' modified and changed times to `now` ----
 *
 * (_create: to the new node's changed time.) The parents' times are kept in memory for about a
 * second, so a crash may lose the last second of a folder's times; a durable commit, a snapshot and
 * close write them.
 */

/* Fills in id and uid; the caller sets kind, mode, owner, group, flags, times, size (link: set
 * here). -EEXIST, -EILSEQ (name not allowed), -ENAMETOOLONG, -ENOENT (parent gone), -ENOTDIR.
 */
RSM_MUST_CHECK int rsm_volume_index_create(struct rsm_volume_index *index, uint64_t parent,
					   const char *name, struct rsm_node *node,
					   const char *link_target, struct rsm_err *err);
/* A file whose creation was taken back with a failed transaction comes again, with the id and uid
 * it had.
 */
RSM_MUST_CHECK int rsm_volume_index_create_again(struct rsm_volume_index *index, uint64_t parent,
						 const char *name, const struct rsm_node *node,
						 struct rsm_err *err);

/* Takes the name away. `keep`: the node stays as an orphan (its rows too) until _drop; otherwise
 * all rows go and its staged ranges are handed to `released` (may be NULL) so that the staging area
 * can be freed: when the call has succeeded, and not before its commit. -ENOENT, -ENOTEMPTY
 * (folder), -EISDIR / -ENOTDIR by want_folder.
 */
typedef void rsm_volume_index_released(void *context, uint64_t id,
				       const struct rsm_staged_range *range);
RSM_MUST_CHECK int rsm_volume_index_remove(struct rsm_volume_index *index, uint64_t parent,
					   const char *name, bool want_folder, bool keep,
					   const struct timespec *now, uint64_t *ret_id,
					   rsm_volume_index_released *released, void *context,
					   struct rsm_err *err);

/* Removes an orphan's rows; no orphan: nothing happens. */
RSM_MUST_CHECK int rsm_volume_index_drop(struct rsm_volume_index *index, uint64_t id,
					 rsm_volume_index_released *released, void *context,
					 struct rsm_err *err);

/* rename(2) with flags 0, RENAME_NOREPLACE or RENAME_EXCHANGE. A node that is replaced becomes an
 * orphan, *ret_replaced its id (0: none); the caller drops it when nobody has it.
 * -ENOENT, -EEXIST, -ENOTEMPTY, -EISDIR, -ENOTDIR, -EINVAL (into itself).
 */
RSM_MUST_CHECK int rsm_volume_index_rename(struct rsm_volume_index *index, uint64_t parent,
					   const char *name, uint64_t new_parent,
					   const char *new_name, unsigned flags,
					   const struct timespec *now, uint64_t *ret_replaced,
					   struct rsm_err *err);

/* Writes flags, size, mode, owner, group, times, data_version of the node. */
RSM_MUST_CHECK int rsm_volume_index_update(struct rsm_volume_index *index,
					   const struct rsm_node *node, struct rsm_err *err);

RSM_MUST_CHECK int rsm_volume_index_link_target(struct rsm_volume_index *index, uint64_t id,
						char **ret_target, struct rsm_err *err);

/* ---- extended attributes: keys without "user."; values are bytes ---- */

RSM_MUST_CHECK int rsm_volume_index_get_xattr(struct rsm_volume_index *index, uint64_t id,
					      const char *key, struct rsm_text *ret_value,
					      struct rsm_err *err); /* outcome ABSENT */
/* flags: 0, XATTR_CREATE (-EEXIST), XATTR_REPLACE (-ENODATA). value NULL removes (-ENODATA). */
RSM_MUST_CHECK int rsm_volume_index_set_xattr(struct rsm_volume_index *index, uint64_t id,
					      const char *key, const void *value, size_t length,
					      int flags, struct rsm_err *err);
/* Keys, each with its NUL, appended to *ret_keys. */
RSM_MUST_CHECK int rsm_volume_index_list_xattrs(struct rsm_volume_index *index, uint64_t id,
						struct rsm_text *ret_keys, struct rsm_err *err);

/* What has been committed is durable when it returns; cheap if it is. */
RSM_MUST_CHECK int rsm_volume_index_sync(struct rsm_volume_index *index, struct rsm_err *err);

/* ---- checksums of contents (digest.h): attributes that must not lie ---- */

enum rsm_checksum_state {
	RSM_CHECKSUM_NONE,
	RSM_CHECKSUM_CLAIMED,  /* somebody stored it; nobody here computed it */
	RSM_CHECKSUM_MEASURED, /* computed over these contents, by an rsmfs */
	RSM_CHECKSUM_STALE,    /* an rsmfs computed it over what the file was before another system
				  changed it: it says nothing of the contents now */
};

/* The one to compare with: that was measured, else the best. *ret_kind: NONE with NONE. */
RSM_MUST_CHECK int rsm_volume_index_checksum(struct rsm_volume_index *index, uint64_t id,
					     enum rsm_checksum_state *ret_state,
					     enum rsm_digest_kind *ret_kind, struct rsm_err *err);

/* `hash` was computed over the contents `data_version`, all of which are on the medium. It becomes
 * the file's measured checksum; `alone`: the others, which are of other contents, go. Outcome
 * ABSENT, and nothing is changed: the file is gone, or not what it was.
 */
RSM_MUST_CHECK int rsm_volume_index_set_checksum(struct rsm_volume_index *index, uint64_t id,
						 uint64_t data_version, enum rsm_digest_kind kind,
						 const char *hash, bool alone, struct rsm_err *err);

/* ---- extents and staged ranges of a file ---- */

/* Ordered by file_offset; the array is the caller's. */
RSM_MUST_CHECK int rsm_volume_index_extents(struct rsm_volume_index *index, uint64_t id,
					    struct rsm_extent **ret_extents, size_t *ret_count,
					    struct rsm_err *err);
RSM_MUST_CHECK int rsm_volume_index_staged(struct rsm_volume_index *index, uint64_t id,
					   struct rsm_staged_range **ret_ranges, size_t *ret_count,
					   struct rsm_err *err);

/* All extents of all nodes, a few rows at a time: others come in between. `each` is called under
 * the lock, must not call back, and returns true to go on.
 */
typedef bool rsm_volume_index_extent(void *context, uint64_t id, const struct rsm_extent *extent);
RSM_MUST_CHECK int rsm_volume_index_each_extent(struct rsm_volume_index *index,
						rsm_volume_index_extent *each, void *context,
						struct rsm_err *err);
/* One behind the last block of the partition that an extent names; 0: there is none. */
RSM_MUST_CHECK int rsm_volume_index_used(struct rsm_volume_index *index, char partition,
					 uint64_t block_size, uint64_t *ret_end,
					 struct rsm_err *err);
/* How many blocks of the partition the files' extents name; a block that several name counts for
 * each. Looks at all files, a few thousand at a time, and lets others at the index in between.
 */
RSM_MUST_CHECK int rsm_volume_index_count_blocks(struct rsm_volume_index *index, char partition,
						 uint64_t *ret_blocks, struct rsm_err *err);

/* All staged ranges of all nodes, waiting or written: what the staging area must keep. */
RSM_MUST_CHECK int rsm_volume_index_each_staged(struct rsm_volume_index *index,
						rsm_volume_index_released *each, void *context,
						struct rsm_err *err);

/* Replaces the node's row (as _update), and all its staged ranges by these (ordered, not
 * overlapping). A file with staged ranges that is not open for writing is queued for migration:
 * `close_order` (1, 2, 3 ... in order of closing; 0: not to be migrated now). One that waits
 * already keeps its place.
 * `written` of a range says that its bytes were not touched since they were written to the medium;
 * what the row did not know as written waits nevertheless.
 */
RSM_MUST_CHECK int rsm_volume_index_stage(struct rsm_volume_index *index,
					  const struct rsm_node *node,
					  const struct rsm_staged_range *ranges, size_t count,
					  uint64_t close_order, struct rsm_err *err);

/* Sets the size and cuts extents and staged ranges at it (pieces that are cut off are handed to
 * `released`); growing leaves a hole. data_version stays: that is _update's.
 */
RSM_MUST_CHECK int rsm_volume_index_truncate(struct rsm_volume_index *index, uint64_t id,
					     uint64_t size, rsm_volume_index_released *released,
					     void *context, struct rsm_err *err);

/* The next file to migrate: the least close_order greater than `after`. Outcome ABSENT. */
RSM_MUST_CHECK int rsm_volume_index_next_staged(struct rsm_volume_index *index, uint64_t after,
						struct rsm_node *ret_node,
						uint64_t *ret_close_order, struct rsm_err *err);
uint64_t rsm_volume_index_last_close_order(struct rsm_volume_index *index);

/* A migrated file: the bytes of the extents are on the medium behind a synchronous filemark.
 * Lays them over the older extents (which are split where they overlap), marks the file's staged
 * ranges as written (they stay until an index covers them) and takes it off the migration queue;
 * 0. Outcome ABSENT, and nothing is changed, when the node is gone or its data_version is not
 * `data_version` any more: what was written is then waste on the medium.
 */
RSM_MUST_CHECK int rsm_volume_index_migrated(struct rsm_volume_index *index, uint64_t id,
					     uint64_t data_version,
					     const struct rsm_extent *extents, size_t count,
					     struct rsm_err *err);
/* The same, and the digest of the file's contents becomes its attribute `key` (digest.h); NULL:
 * none. It goes when the contents change (_stage, _truncate).
 */
RSM_MUST_CHECK int rsm_volume_index_migrated_hashed(struct rsm_volume_index *index, uint64_t id,
						    uint64_t data_version,
						    const struct rsm_extent *extents, size_t count,
						    const char *key, const char *hash,
						    struct rsm_err *err);

/* The same for a part of a file that may still be open: the extents are laid over the older ones,
 * the staged bytes that they have are marked as written, the others go on waiting. The ranges of
 * the row must be as they were when the bytes were read, or the extents be cut to what still is.
 * Outcome ABSENT: the node is gone, or an orphan.
 */
RSM_MUST_CHECK int rsm_volume_index_streamed(struct rsm_volume_index *index, uint64_t id,
					     const struct rsm_extent *extents, size_t count,
					     struct rsm_err *err);

/* All written staged ranges go back to waiting, extents not covered by an index are forgotten:
 * after a crash or a write error, when the medium does not hold what was counted on.
 */
RSM_MUST_CHECK int rsm_volume_index_forget_unindexed(struct rsm_volume_index *index,
						     struct rsm_err *err);

/* ---- snapshots: a consistent view of the tree while it is being changed ---- */

struct rsm_index_snapshot;

/* Commits, then opens a read transaction on a connection of its own. */
RSM_MUST_CHECK int rsm_volume_index_snapshot(struct rsm_volume_index *index,
					     struct rsm_index_snapshot **ret_snapshot,
					     struct rsm_err *err);
void rsm_index_snapshot_close(struct rsm_index_snapshot *snapshot);
RSM_DEFINE_CLEANUP(rsm_index_snapshot_close, struct rsm_index_snapshot)
uint64_t rsm_index_snapshot_tree_version(const struct rsm_index_snapshot *snapshot);
uint64_t rsm_index_snapshot_highest_uid(const struct rsm_index_snapshot *snapshot);

/* One object of the tree, for an index writer. Pointers are borrowed until the next call. */
struct rsm_snapshot_node {
	struct rsm_node node;
	const char *name; /* byte-exact */
	const char *nfc;  /* NFC form of it; the same pointer if equal */
	const char *link_target;
	const struct rsm_extent *extents;
	size_t extent_count;
	const struct rsm_snapshot_xattr {
		const char *key;
		const void *value;
		size_t length;
	} * xattrs;
	size_t xattr_count;
	const char *unknown; /* XML elements, kept as they came; NULL if none */
	bool pending; /* has staged bytes that no extent has yet: the medium's copy is incomplete */
};

/* Walks the tree depth first in constant memory, children in order of uid or name: enters a folder
 * (RSM_WALK_ENTER), leaves it (RSM_WALK_LEAVE, only node.id is set), files and links
 * (RSM_WALK_LEAF). RSM_WALK_END when done. The root is entered first.
 */
enum rsm_walk_step { RSM_WALK_END = 1, RSM_WALK_ENTER, RSM_WALK_LEAVE, RSM_WALK_LEAF };
RSM_MUST_CHECK int rsm_index_snapshot_walk(struct rsm_index_snapshot *snapshot,
					   struct rsm_snapshot_node *ret_node, struct rsm_err *err);

/* An index that describes the snapshot is on the medium (synchronised): extents that it listed are
 * marked indexed, staged ranges that were written before it are handed to `released` and go.
 * Facts of the caller's can be set in the same transaction before _commit. File by file: a call
 * that fails half way can be repeated, and what it had handed out is free after the commit.
 */
RSM_MUST_CHECK int rsm_volume_index_indexed(struct rsm_volume_index *index,
					    const struct rsm_index_snapshot *snapshot,
					    rsm_volume_index_released *released, void *context,
					    struct rsm_err *err);

/* Begins the walk anew, over the same view: an index goes to two partitions. */
RSM_MUST_CHECK int rsm_index_snapshot_rewind(struct rsm_index_snapshot *snapshot,
					     struct rsm_err *err);

/* The same by version (rsm_index_snapshot_tree_version): for an index that was found on the medium
 * after a crash, whose version was written down before it was written.
 */
RSM_MUST_CHECK int rsm_volume_index_indexed_to(struct rsm_volume_index *index, uint64_t version,
					       rsm_volume_index_released *released, void *context,
					       struct rsm_err *err);

/* A part of _indexed_to: at most `limit` files. Outcome RSM_INDEX_MORE: commit, free what was
 * released, and call it again; others get at the index in between. 0: that was all of it.
 */
enum rsm_volume_index_cover_outcome { RSM_INDEX_MORE = 1 };
RSM_MUST_CHECK int rsm_volume_index_cover(struct rsm_volume_index *index, uint64_t version,
					  size_t limit, rsm_volume_index_released *released,
					  void *context, struct rsm_err *err);

/* ---- loaders: a new database from a medium's index, at the speed of bare INSERTs ---- */

struct rsm_index_loader;

/* Starts a new database beside the one at `path` ("<path>.load"); an older attempt is removed. */
RSM_MUST_CHECK int rsm_index_loader_new(const char *path, struct rsm_index_loader **ret_loader,
					struct rsm_err *err);
/* Drops what was loaded unless it was finished. */
void rsm_index_loader_free(struct rsm_index_loader *loader);
RSM_DEFINE_CLEANUP(rsm_index_loader_free, struct rsm_index_loader)

/* Adds a node below `parent` (0: this is the root, uid 1). node->uid is the medium's (0: none is
 * known, one is assigned); sets node->id. `name` is the exact name if a vendor key gave one, else
 * the NFC name. A name that is taken in the folder becomes "NAME~2" and so on. The extents must be
 * sorted and not overlap (checked by the parser); they count as indexed.
 */
RSM_MUST_CHECK int rsm_index_loader_node(struct rsm_index_loader *loader, uint64_t parent,
					 const char *name, struct rsm_node *node,
					 const char *link_target, const struct rsm_extent *extents,
					 size_t extent_count, struct rsm_err *err);
/* For what is known only after the children of a folder: rewrites the row (times, mode, flags). */
RSM_MUST_CHECK int rsm_index_loader_update(struct rsm_index_loader *loader,
					   const struct rsm_node *node, const char *name,
					   struct rsm_err *err);
RSM_MUST_CHECK int rsm_index_loader_xattr(struct rsm_index_loader *loader, uint64_t id,
					  const char *key, const void *value, size_t length,
					  struct rsm_err *err);
RSM_MUST_CHECK int rsm_index_loader_unknown(struct rsm_index_loader *loader, uint64_t id,
					    const char *xml, struct rsm_err *err);
RSM_MUST_CHECK int rsm_index_loader_set_fact(struct rsm_index_loader *loader, const char *key,
					     const char *value, struct rsm_err *err);

/* What an incremental index changes in the tree that was loaded. _settle ends the loading of the
 * index before it, incremental or not: names and uids are as _finish leaves them, so that nodes can
 * be found, and no name can come twice any more (-EBADMSG). What is made or changed from then on is
 * `placed`, until the next _settle.
 */
RSM_MUST_CHECK int rsm_index_loader_settle(struct rsm_index_loader *loader, struct rsm_err *err);
/* Outcome ABSENT; parent 0: the root. */
RSM_MUST_CHECK int rsm_index_loader_find(struct rsm_index_loader *loader, uint64_t parent,
					 const char *name, struct rsm_node *ret_node,
					 bool *ret_placed, struct rsm_err *err);
RSM_MUST_CHECK int rsm_index_loader_find_uid(struct rsm_index_loader *loader, uint64_t uid,
					     struct rsm_node *ret_node, bool *ret_placed,
					     struct rsm_err *err);
RSM_MUST_CHECK int rsm_index_loader_place(struct rsm_index_loader *loader, uint64_t id,
					  struct rsm_err *err);
/* With all below it. -EBADMSG: something of that was placed. */
RSM_MUST_CHECK int rsm_index_loader_remove(struct rsm_index_loader *loader, uint64_t id,
					   struct rsm_err *err);
/* Rewrites a node's row but for its place; `name`: another spelling of the same, NULL: it stays.
 * Extents behind a file's end go. Places it.
 */
RSM_MUST_CHECK int rsm_index_loader_change(struct rsm_index_loader *loader,
					   const struct rsm_node *node, const char *name,
					   struct rsm_err *err);
RSM_MUST_CHECK int rsm_index_loader_set_extents(struct rsm_index_loader *loader, uint64_t id,
						const struct rsm_extent *extents, size_t count,
						struct rsm_err *err);
RSM_MUST_CHECK int rsm_index_loader_set_target(struct rsm_index_loader *loader, uint64_t id,
					       const char *target, struct rsm_err *err);
RSM_MUST_CHECK int rsm_index_loader_clear_xattrs(struct rsm_index_loader *loader, uint64_t id,
						 struct rsm_err *err);

/* Completes the new database (totals, indexes, fsync) without putting it in place. */
RSM_MUST_CHECK int rsm_index_loader_finish(struct rsm_index_loader *loader, uint64_t highest_uid,
					   struct rsm_err *err);

/* Puts a finished load in the place of the open index's database, atomically for every caller:
 * what is staged and not covered by an index, and what was made since the last index, is laid on
 * top (by path and uid; a file that the other side changed too becomes NAME~staged, names of those
 * are appended to *ret_conflicts, each with its NUL). Ids of what is laid on top stay. -EBUSY while
 * there are snapshots. Facts of the old one that the new one does not set are kept. Takes the
 * loader.
 */
RSM_MUST_CHECK int rsm_volume_index_replace(struct rsm_volume_index *index,
					    struct rsm_index_loader *loader,
					    struct rsm_text *ret_conflicts, struct rsm_err *err);

#endif
