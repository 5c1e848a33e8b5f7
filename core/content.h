/* content.h - what is in one cartridge, whether it is in a drive or not: open files, staged
 * writes, reads that find their bytes on local disk or ask the medium.
 *
 * Joins a volume_index (the tree), a staging area (new bytes) and, through callbacks that the
 * manager hands in, the drives. Never waits for a drive, the robot or staging room: what must wait
 * is answered later through a callback, from whichever thread has the answer.
 *
 * A file is written into the staging area: up to RSM_STAGING_SMALL bytes are collected in memory
 * and appended to the area's log when the file is flushed, larger ones have a sparse file of their
 * own. _flush commits data and metadata together; after it they survive the death of the process.
 * Staged bytes are given up only by _indexed().
 *
 * Threads: any. Lock order: content > volume_index > staging > catalog; callbacks are made without
 * locks.
 */
#ifndef RSM_CORE_CONTENT_H
#define RSM_CORE_CONTENT_H

#include <sys/uio.h>

#include "base/list.h"
#include "core/digest.h"
#include "core/staging.h"
#include "core/volume_index.h"

struct rsm_content;
struct rsm_open_file;

/* One piece of a file that is on the medium. Made by content, carried out by a drive worker. */
enum { RSM_READ_LENT_MOST = 4 };
struct rsm_medium_read {
	struct rsm_list link; /* for whoever queues it */
	struct rsm_content *content;
	uint64_t node; /* whose bytes they are, for messages */
	uint64_t file_offset;
	char partition;
	uint64_t start_block; /* normalised: byte_offset < block size is not guaranteed by media */
	uint64_t byte_offset;
	size_t count;
	void *buffer; /* to be filled with `count` bytes; NULL: the bytes are lent instead */
	int64_t since_ns, deadline_ns; /* the queue's: since when it waits, and how long at most */
	int priority;		       /* of who reads, as a mount request's */
	uint32_t user;		       /* who reads */
	bool elsewhere;		       /* the queue's: one drive could not do it */
	/* Of a read without a buffer, when done() is called with 0: all its bytes in order, valid
	 * until done() returns. `lender` is the medium's own.
	 */
	struct iovec lent[RSM_READ_LENT_MOST];
	unsigned lent_count;
	void *lender[RSM_READ_LENT_MOST];
	/* Must be called exactly once, from any thread, without locks held. r: 0 or -errno with
	 * err.
	 */
	void (*done)(struct rsm_medium_read *read, int r, const struct rsm_err *err);
};

enum rsm_content_want {
	RSM_WANT_READ_SOON, /* a file whose data are on the medium was opened for reading */
	RSM_WANT_MIGRATION, /* something was closed and waits to be written to the medium */
	RSM_WANT_NOTHING,   /* the last open file was released */
	RSM_WANT_STREAM,    /* a file that is still open has enough bytes to be migrated in parts */
	RSM_WANT_ROOM,	    /* the staging area is nearly full: all contents should migrate now */
	RSM_WANT_MEDIUM,    /* a change was refused because the cartridge is not in the library */
};

/* How content reaches the floor around it. `context` is the caller's. */
struct rsm_content_callbacks {
	/* Queues a read (or completes it at once, from a cache). Takes it until done. */
	void (*read)(void *context, struct rsm_medium_read *read);
	/* Gives up a queued read if it has not begun: done() is then called with -EINTR. */
	void (*cancel)(void *context, struct rsm_medium_read *read);
	void (*want)(void *context, struct rsm_content *content, enum rsm_content_want want);
	/* A writer finds too little room although staged files went: _set_room as it is now. False:
	 * nobody knows, for a drive is writing; the writer is to try again. Without locks held.
	 * NULL: room changes by _set_room alone.
	 */
	bool (*measure)(void *context, struct rsm_content *content);
	/* Attributes or data of a node changed other than by a call of the kernel's (reload). 0:
	 * all. */
	void (*changed)(void *context, struct rsm_content *content, uint64_t node);
	void *context;
};

/* Opens <folder>/index.db and the staging area in the same folder (made if missing). */
RSM_MUST_CHECK int rsm_content_open_volume(const char *folder, struct rsm_staging_space *space,
					   const struct rsm_content_callbacks *callbacks,
					   struct rsm_content **ret_content, struct rsm_err *err);
/* All files must be released. Commits. */
void rsm_content_close_volume(struct rsm_content *content);
RSM_DEFINE_CLEANUP(rsm_content_close_volume, struct rsm_content)

/* Borrowed, as long as the content. For LTFS code (facts, snapshot, loader) and `rsm find`. */
struct rsm_volume_index *rsm_content_index(struct rsm_content *content);

/* The folder that it was opened in; valid as long as the content. */
const char *rsm_content_folder(const struct rsm_content *content);

/* The manager's own pointer (the medium it belongs to). */
void rsm_content_set_owner(struct rsm_content *content, void *owner);
void *rsm_content_owner(const struct rsm_content *content);

/* Why changes are refused: 0 (allowed), EROFS, ENOMEDIUM ... with the words for the user. */
void rsm_content_refuse_changes(struct rsm_content *content, int code, const char *why);
/* The cartridge is out of use: who has a file open finishes with it, opening another one or
 * changing the tree is -ENODEV.
 */
void rsm_content_set_disabled(struct rsm_content *content, bool disabled);

/* 0, or that. */
RSM_MUST_CHECK int rsm_content_check_changes(struct rsm_content *content, struct rsm_err *err);
/* Are they refused, for whatever reason? */
bool rsm_content_refuses(const struct rsm_content *content);
/* Are they refused, and with these words? Nobody is asked for the medium. */
bool rsm_content_refuses_for(struct rsm_content *content, const char *why);
/* The same for writing to a file that is open. */
RSM_MUST_CHECK int rsm_content_check_writes(struct rsm_content *content, struct rsm_err *err);
RSM_MUST_CHECK int rsm_content_check_enabled(const struct rsm_content *content,
					     struct rsm_err *err);

/* Refuses them for a moment and besides, with EBUSY: for who must have the tree to himself, by
 * a literal of his own. What is in the tree when it returns is all that comes into it. -EBUSY:
 * another one has it to himself.
 */
RSM_MUST_CHECK int rsm_content_hold_changes(struct rsm_content *content, const char *why,
					    struct rsm_err *err);
/* No more for that reason. */
void rsm_content_let_changes(struct rsm_content *content, const char *why);
/* Are they? Once more with commit_lock, for what makes a node. */
RSM_MUST_CHECK int rsm_content_check_held(const struct rsm_content *content, struct rsm_err *err);

/* Somebody uses the medium otherwise than through these calls. */
void rsm_content_used(struct rsm_content *content);

/* How many bytes may still be accepted (capacity less what is staged, reserves deducted by the
 * caller); UINT64_MAX: unknown. Writing beyond is -ENOSPC.
 */
void rsm_content_set_room(struct rsm_content *content, uint64_t bytes);

/* By how much the index on the medium may still grow; UINT64_MAX: unknown. Making more names and
 * attributes is -ENOSPC.
 */
void rsm_content_set_index_room(struct rsm_content *content, uint64_t bytes);
/* The same if that is more than before. */
void rsm_content_raise_index_room(struct rsm_content *content, uint64_t bytes);

/* While the staging area is full, writers fail with -ENOSPC instead of waiting for room that cannot
 * come: the cartridge takes no more of what is staged for it.
 */
void rsm_content_set_full(struct rsm_content *content, bool full);
/* After a drive's step: has something that is staged gone meanwhile, so that the rest may fit? Then
 * room is measured again. Without locks.
 */
void rsm_content_retry_room(struct rsm_content *content);

/* Which digest files get that are migrated in parts; those that go whole get the drive worker's. */
void rsm_content_set_hash(struct rsm_content *content, enum rsm_digest_kind kind);

/* From how many waiting bytes on an open file asks to be migrated in parts; UINT64_MAX: never. One
 * that is being written in order, from its beginning, does so from RSM_CONTENT_IN_ORDER on: nothing
 * of it will have been written to the medium in vain.
 */
#define RSM_CONTENT_IN_ORDER ((uint64_t)64 << 20)
void rsm_content_set_stream_size(struct rsm_content *content, uint64_t bytes);

struct rsm_content_use {
	unsigned open_files;
	unsigned writers;      /* of them, open for writing */
	unsigned reading;      /* medium reads under way */
	uint64_t staged_bytes; /* to be written to the medium */
	uint64_t staged_files;
	uint64_t waiting_bytes; /* of the staging area that a migration could give back */
	bool dirty;		/* the tree differs from the last index on the medium */
	int64_t last_used_ns;	/* monotonic: last read, write, open or release */
};
void rsm_content_use(struct rsm_content *content, struct rsm_content_use *ret_use);

/* ---- the tree: as in volume_index.h, but open files show their live size and times ---- */

RSM_MUST_CHECK int rsm_content_lookup(struct rsm_content *content, uint64_t parent,
				      const char *name, struct rsm_node *ret_node,
				      struct rsm_err *err); /* outcome RSM_NODE_ABSENT */
RSM_MUST_CHECK int rsm_content_get(struct rsm_content *content, uint64_t id,
				   struct rsm_node *ret_node, struct rsm_err *err); /* ABSENT */
RSM_MUST_CHECK int rsm_content_list(struct rsm_content *content, uint64_t parent, const char *after,
				    rsm_volume_index_each *each, void *context,
				    struct rsm_err *err);

/* mkdir, symlink, and files without opening them. Times that are not given (changed is 0) become
 * now. Committed when it returns.
 */
RSM_MUST_CHECK int rsm_content_make(struct rsm_content *content, uint64_t parent, const char *name,
				    struct rsm_node *node, const char *link_target,
				    struct rsm_err *err);
/* unlink, rmdir. The node of a file lives on until _forget if it has been looked up. */
RSM_MUST_CHECK int rsm_content_remove(struct rsm_content *content, uint64_t parent,
				      const char *name, bool folder, struct rsm_err *err);
/* The newest index on the medium when the deletions began that are the last changes of the tree; 0:
 * they are not.
 */
uint64_t rsm_content_removing_since(struct rsm_content *content);
RSM_MUST_CHECK int rsm_content_rename(struct rsm_content *content, uint64_t parent,
				      const char *name, uint64_t new_parent, const char *new_name,
				      unsigned flags, struct rsm_err *err);
/* The kernel has forgotten the node: a nameless one goes now (unless it is open). Cheap otherwise.
 */
void rsm_content_forget(struct rsm_content *content, uint64_t id);

enum { /* what _set_attributes changes */
       RSM_SET_MODE = 1 << 0,
       RSM_SET_OWNER = 1 << 1,
       RSM_SET_GROUP = 1 << 2,
       RSM_SET_SIZE = 1 << 3,
       RSM_SET_ACCESSED = 1 << 4,
       RSM_SET_MODIFIED = 1 << 5,
       RSM_SET_CREATED = 1 << 6,
       RSM_SET_BACKED_UP = 1 << 7,
       RSM_SET_CHANGED = 1 << 8, /* else: changed becomes now */
};
/* `values` holds the new ones; *ret_node all after it. MODE, OWNER and GROUP set RSM_NODE_HAS_UNIX:
 * for a node without it, give all three. Committed when it returns, unless the file
 * is open for writing (then with its flush).
 */
RSM_MUST_CHECK int rsm_content_set_attributes(struct rsm_content *content, uint64_t id,
					      unsigned what, const struct rsm_node *values,
					      struct rsm_node *ret_node, struct rsm_err *err);

RSM_MUST_CHECK int rsm_content_link_target(struct rsm_content *content, uint64_t id,
					   char **ret_target, struct rsm_err *err);
RSM_MUST_CHECK int rsm_content_get_xattr(struct rsm_content *content, uint64_t id, const char *key,
					 struct rsm_text *ret_value, struct rsm_err *err);
/* value NULL removes. Committed when it returns, unless open for writing. */
RSM_MUST_CHECK int rsm_content_set_xattr(struct rsm_content *content, uint64_t id, const char *key,
					 const void *value, size_t length, int flags,
					 struct rsm_err *err);
RSM_MUST_CHECK int rsm_content_list_xattrs(struct rsm_content *content, uint64_t id,
					   struct rsm_text *ret_keys, struct rsm_err *err);

/* rsm_volume_index_set_checksum of a volume that is in use. Committed when it returns. */
RSM_MUST_CHECK int rsm_content_set_checksum(struct rsm_content *content, uint64_t id,
					    uint64_t data_version, enum rsm_digest_kind kind,
					    const char *hash, bool alone, struct rsm_err *err);

/* A fact of the volume index that goes into the next index on the medium (comment, volume_name);
 * NULL removes. Committed when it returns.
 */
RSM_MUST_CHECK int rsm_content_set_fact(struct rsm_content *content, const char *key,
					const char *value, struct rsm_err *err);

/* Where a file's bytes are. */
enum rsm_residency { RSM_RESIDENT_MEDIUM, RSM_RESIDENT_STAGED };
/* STAGED while any byte or the newest attributes of its contents are on local disk only or in no
 * index; *ret_first: the first extent (partition 0 if there is none).
 */
RSM_MUST_CHECK int rsm_content_residency(struct rsm_content *content, uint64_t id,
					 enum rsm_residency *ret_residency,
					 struct rsm_extent *ret_first, struct rsm_err *err);

/* ---- open files ---- */

/* flags: O_ACCMODE, O_TRUNC. Asks for the medium (RSM_WANT_READ_SOON) when the file is opened for
 * reading and has bytes there. *ret_keep_cache: its contents did not change since it was last open.
 */
RSM_MUST_CHECK int rsm_content_open(struct rsm_content *content, uint64_t id, int flags,
				    struct rsm_open_file **ret_file, bool *ret_keep_cache,
				    struct rsm_err *err);
/* Creates and opens in one step; times as in _make. Not committed before the first flush. Outcome
 * RSM_CONTENT_WAIT: there is no room for another row.
 */
RSM_MUST_CHECK int rsm_content_create(struct rsm_content *content, uint64_t parent,
				      const char *name, struct rsm_node *node, int flags,
				      struct rsm_open_file **ret_file, struct rsm_err *err);

/* A read request; the memory is the caller's until done() has been called. */
struct rsm_content_read {
	uint64_t offset;
	size_t size;
	int priority; /* of who reads: -15 to 15 */
	uint32_t user;
	/* Exactly once, from any thread, perhaps before _read returns. r: 0 with the bytes (short
	 * at the end of the file), or -errno with err. The iov is valid during the call only.
	 */
	void (*done)(struct rsm_content_read *request, int r, const struct iovec *iov,
		     int iov_count, const struct rsm_err *err);
	void *context; /* the caller's */
	void *pending; /* content's own; NULL when done has been called */
};
/* -ESTALE: since it was opened the file has gone from the medium, or another system's contents have
 * taken the place of those of which some were read already.
 */
void rsm_content_read_file(struct rsm_open_file *file, struct rsm_content_read *request);
/* Gives up a read that has not ended: done(-EINTR) is called before it returns, even if a drive is
 * just about it.
 */
void rsm_content_interrupt(struct rsm_open_file *file, struct rsm_content_read *request);

enum rsm_content_outcome { RSM_CONTENT_WAIT = 2 };

/* Accepts bytes. Outcome WAIT: the staging area is full; nothing was taken, try again when told
 * (rsm_staging_space_is_full). -ENOSPC (cartridge full), -EROFS, -EFBIG.
 */
RSM_MUST_CHECK int rsm_content_write_file(struct rsm_open_file *file, const void *data, size_t size,
					  uint64_t offset, struct rsm_err *err);

/* FLUSH: data and metadata are committed when it returns. Outcome WAIT: the disk of the staging
 * area is full; try again when there is room.
 */
RSM_MUST_CHECK int rsm_content_flush_file(struct rsm_open_file *file, struct rsm_err *err);
/* FSYNC: and durable. Outcome WAIT. */
RSM_MUST_CHECK int rsm_content_sync_file(struct rsm_open_file *file, struct rsm_err *err);
/* fallocate(2): mode 0 (extends the size), FALLOC_FL_KEEP_SIZE (only checks room), PUNCH_HOLE and
 * ZERO_RANGE write zeros; others -EOPNOTSUPP.
 */
RSM_MUST_CHECK int rsm_content_allocate(struct rsm_open_file *file, int mode, uint64_t offset,
					uint64_t length, struct rsm_err *err);
/* RELEASE: what was not flushed is (mmap), errors go to the log. */
void rsm_content_release(struct rsm_open_file *file);
uint64_t rsm_content_file_id(const struct rsm_open_file *file);

/* Flushes every open file and commits; what is written to a medium next need not get to the disk of
 * the staging area first.
 */
RSM_MUST_CHECK int rsm_content_flush_open(struct rsm_content *content, struct rsm_err *err);
/* The same, durably: syncfs, and what stays staged. */
RSM_MUST_CHECK int rsm_content_sync(struct rsm_content *content, struct rsm_err *err);
/* Commits what is open, from the housekeeper, so that nothing stays uncommitted for long. */
RSM_MUST_CHECK int rsm_content_commit(struct rsm_content *content, struct rsm_err *err);

/* ---- migration: called by the drive worker that has the volume ---- */

struct rsm_migration {
	uint64_t id, data_version, close_order;
	uint64_t size; /* of the file */
	/* What is to be written, ordered by file_offset. Those that are marked `written` are on the
	 * medium already, and here only to be digested.
	 */
	struct rsm_staged_range *ranges;
	size_t range_count;
	struct rsm_content *part_of; /* content's own: a part of an open file, pinned */
	struct rsm_open_node *node;
	/* The ranges, with zeros where they leave holes, are all that the file holds. */
	bool whole;
	/* Not whole, but this has what is before digest_from, and is to be continued with all that
	 * follows. Nobody else has it until the migration is freed.
	 */
	struct rsm_digest *digest;
	uint64_t digest_from;
	bool digested;		       /* the drive worker's: it has been */
	struct rsm_content *digest_of; /* content's own: whom it is given back to */
	bool digest_good;	       /* the same */
	/* The drive worker's, if whole or continued to the end: the digest of all that and its key;
	 * "" and NULL: none. It is stored with the file by _migrated.
	 */
	const char *hash_key;
	char hash[RSM_DIGEST_TEXT];
};
/* The next file in close order behind `after`. Outcome RSM_NODE_ABSENT: nothing waits. */
RSM_MUST_CHECK int rsm_content_next_migration(struct rsm_content *content, uint64_t after,
					      struct rsm_migration **ret_migration,
					      struct rsm_err *err);
void rsm_migration_free(struct rsm_migration *migration);
RSM_DEFINE_CLEANUP(rsm_migration_free, struct rsm_migration)

/* A part of a file that is being written, of those with the most bytes that wait; never of one that
 * _next_migration would give. Only files in which at least `at_least` bytes wait; ranges in whole
 * blocks, `most` bytes in all, so that the file's records are full; with `crumbs` anything, where
 * no file has a block. What is touched until it is recorded is not. Outcome RSM_NODE_ABSENT.
 */
RSM_MUST_CHECK int rsm_content_next_part(struct rsm_content *content, uint64_t at_least,
					 uint64_t most, uint32_t block_size, bool crumbs,
					 struct rsm_migration **ret_migration, struct rsm_err *err);

/* Staged bytes of a range of the migration; zeros if the file was changed meanwhile and they are
 * not there any more: _migrated will not record them.
 */
RSM_MUST_CHECK int rsm_content_migration_read(struct rsm_content *content,
					      const struct rsm_migration *migration, size_t range,
					      uint64_t offset_in_range, void *data, size_t length,
					      struct rsm_err *err);

/* The bytes are on the medium behind a synchronous filemark. Outcome RSM_NODE_ABSENT: the file was
 * changed or removed meanwhile, nothing is recorded. Not committed: commit after the batch. (Of a
 * part: what was not touched is recorded and committed with the file's row as it is now.)
 */
RSM_MUST_CHECK int rsm_content_migrated(struct rsm_content *content,
					struct rsm_migration *migration,
					const struct rsm_extent *extents, size_t count,
					struct rsm_err *err);

/* rsm_volume_index_snapshot, which commits, of a volume that is in use. */
RSM_MUST_CHECK int rsm_content_snapshot(struct rsm_content *content,
					struct rsm_index_snapshot **ret_snapshot,
					struct rsm_err *err);

/* An index made of `snapshot` is on the medium: staged copies that it covers are freed. Durable. */
RSM_MUST_CHECK int rsm_content_indexed(struct rsm_content *content,
				       const struct rsm_index_snapshot *snapshot,
				       struct rsm_err *err);

/* The same by version, for an index that was found on the medium after a crash. */
RSM_MUST_CHECK int rsm_content_indexed_to(struct rsm_content *content, uint64_t version,
					  struct rsm_err *err);

/* rsm_volume_index_forget_unindexed for a volume that is in use. Durable; asks for migration. */
RSM_MUST_CHECK int rsm_content_forget_unindexed(struct rsm_content *content, struct rsm_err *err);

/* A freshly loaded tree takes the place of the cached one (rsm_volume_index_replace); open files
 * stay, the kernel is told (changed callback, node 0).
 */
RSM_MUST_CHECK int rsm_content_replace(struct rsm_content *content, struct rsm_index_loader *loader,
				       struct rsm_text *ret_conflicts, struct rsm_err *err);

#endif
