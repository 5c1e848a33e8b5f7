/* content_private.h - what the files of content share: the node table, open nodes, their ranges.
 *
 * content.c the volume as a whole, content_node.c the table, content_tree.c names and attributes,
 * content_file.c open files, content_write.c their contents, content_flush.c from memory to the
 * index, content_read.c reads, content_migration.c the way to the medium, content_stream.c the same
 * for files that are still being written, content_running.c their digests, content_ranges.c
 * arithmetic.
 *
 * Lock order: node.lock > volume_index > staging; content.lock, node.attr and content.reads_lock
 * are leaves: nothing is called while they are held (attr may be taken under content.lock). Two
 * nodes are never locked at once.
 *
 * commit_lock (node.lock > commit_lock > volume_index) is held from a change of the index to the
 * commit that is to keep it: a statement or commit of another thread that fails (disk full) takes
 * the whole transaction back, and then our commit would keep nothing and say nothing.
 */
#ifndef RSM_CORE_CONTENT_PRIVATE_H
#define RSM_CORE_CONTENT_PRIVATE_H

#include <stdatomic.h>
#include <string.h>

#include "base/mutex.h"
#include "core/content.h"

/* ---- ranges: ordered by file_offset, not overlapping; own ones have store_offset = file_offset */

struct rsm_ranges {
	struct rsm_staged_range *at;
	size_t count, room;
};

/* Makes sure that `more` can be added without failing. */
RSM_MUST_CHECK int rsm_ranges_reserve(struct rsm_ranges *ranges, size_t more, struct rsm_err *err);
void rsm_ranges_fini(struct rsm_ranges *ranges);
/* First range that ends behind `offset`; count if none. */
size_t rsm_ranges_find(const struct rsm_ranges *ranges, uint64_t offset);
/* Lays `range` over the others. Room for two must be reserved. */
void rsm_ranges_put(struct rsm_ranges *ranges, struct rsm_staged_range range);
/* Cuts at a size of the file. */
void rsm_ranges_cut(struct rsm_ranges *ranges, uint64_t size);
/* Takes bytes of a store away. Room for one must be reserved. */
void rsm_ranges_remove(struct rsm_ranges *ranges, const struct rsm_staged_range *gone);
/* Bytes of [start, end) of the file that no range has. */
uint64_t rsm_ranges_uncovered(const struct rsm_ranges *ranges, uint64_t start, uint64_t end);
bool rsm_ranges_have_own(const struct rsm_ranges *ranges);
/* Calls `each` for the parts of `range` (as bytes of its store) that are in none of `ranges`. */
typedef void rsm_ranges_each(void *context, const struct rsm_staged_range *part);
void rsm_ranges_subtract(const struct rsm_staged_range *range, const struct rsm_ranges *ranges,
			 rsm_ranges_each *each, void *context);

/* ---- nodes ---- */

/* A node that is open, or held for the time of one call. */
struct rsm_open_node {
	struct rsm_open_node *next; /* [content.lock] in the table */
	uint64_t id;		    /* [const] */
	unsigned refs;		    /* [content.lock] */
	atomic_uint writers;	    /* open files that may write */

	struct rsm_mutex attr;
	struct rsm_node row; /* written under lock and attr, read under either */
	bool loaded;	     /* the same; row, ranges and saved are valid */

	struct rsm_mutex lock; /* what follows, and the calls that change the node in the index */
	bool gone;	       /* not in the tree any more since it was replaced */
	bool vanished;	       /* ... for good: nothing of it is anywhere */
	bool dirty_data;       /* contents differ from what the index knows */
	bool dirty_row;	       /* so do attributes */
	bool uncommitted;      /* the index knows, but it is not committed */
	char *born_name;       /* of a new file whose row was never committed, else NULL */
	uint64_t born_parent;
	bool staged;		 /* ... of contents */
	bool no_cache;		 /* the kernel's cache may be stale */
	unsigned era;		 /* how often another system's contents took the place of its own */
	bool opened;		 /* by a program, not only held for a call */
	uint64_t staged_phase;	 /* content.phase at the last flush of data */
	unsigned appends;	 /* how often the buffer was appended to a log */
	int64_t written_ns;	 /* coarse monotonic time of the last change of the contents */
	uint64_t persisted_size; /* as in the index */
	uint64_t cut; /* extents from here on are void; UINT64_MAX: none was cut since the commit */
	uint64_t unsaved;     /* bytes accepted since the flush */
	uint64_t unsaved_own; /* of them, in the own file; and what was on the medium already */
	uint64_t unlooked;    /* bytes written since the waiting ones were counted */

	/* The whole contents of a small file: buffer_length == row.size while has_buffer. */
	bool has_buffer;
	char *buffer;
	size_t buffer_room, buffer_length;

	struct rsm_ranges
		ranges; /* staged bytes, newest state; ignored while has_buffer and dirty */
	struct rsm_ranges saved;    /* as the index has them: not released before it forgets them */
	struct rsm_ranges garbage;  /* released with the next commit */
	int own_fd;		    /* -1: not open. Only while ranges or saved have own bytes */
	struct rsm_ranges streamed; /* of ranges: on the medium already, not touched since */
	struct rsm_ranges guard;    /* of ranges: being written to it now, not touched since */

	struct rsm_extent *extents; /* valid if extents_loaded */
	size_t extent_count;
	bool extents_loaded;
};

struct rsm_open_file {
	struct rsm_content *content;
	struct rsm_open_node *node;
	unsigned era; /* [const] the node's, when it was opened */
	bool readable, writable;
};

struct rsm_orphan {
	struct rsm_orphan *next;
	uint64_t id;
	bool forgotten; /* by the kernel, while it was open */
};

enum {
	RSM_CONTENT_ORPHAN_BUCKETS = 4096,
	RSM_CONTENT_SEEN = 4096,
	RSM_CONTENT_BUFFERS = 16 * 1024 * 1024, /* memory of all small files being written */
	RSM_CONTENT_BLOCK = 524288,		/* if the index does not know the medium's */
	RSM_CONTENT_APPENDS = 4,		/* flushes after which a small file gets its own */
};

struct rsm_content {
	struct rsm_volume_index *index;		/* [const] */
	struct rsm_staging *staging;		/* [const] */
	struct rsm_staging_space *space;	/* [const] */
	char *folder;				/* [const] */
	struct rsm_content_callbacks callbacks; /* [const] */
	_Atomic(void *) owner;

	atomic_uint open_files, writers;
	atomic_int_fast64_t last_used_ns;
	atomic_uint_fast64_t close_order; /* the last one given */
	atomic_uint_fast64_t buffer_bytes;
	atomic_uint_fast64_t unsaved_bytes, unsaved_own_bytes;
	atomic_uint_fast64_t stream_size;
	atomic_int_fast64_t want_room_ns; /* when that was last asked for */
	atomic_int hash;		  /* enum rsm_digest_kind */
	atomic_bool full;
	atomic_bool slimmed; /* staged files went since room was measured */
	atomic_bool room_known;
	atomic_int_fast64_t room;
	atomic_bool index_room_known;
	atomic_int_fast64_t index_room; /* bytes that may be added to the index */
	atomic_int refuse_code;
	atomic_bool disabled;		/* who has it open goes on, nobody else begins */
	_Atomic(const char *) held_why; /* a literal; NULL: changes are not held */

	/* While staged copies are given up after an index, nodes stay in the table, so that what
	 * they know about their staged bytes is at hand: see content_migration.c. */
	atomic_uint_fast64_t phase;	 /* counts these times */
	atomic_uint indexing;		 /* how many go on */
	struct released_list *releasing; /* [lock] what they give up: content_migration.c */

	struct rsm_mutex lock; /* the table, orphans, seen, refuse_why */
	struct rsm_open_node **nodes;
	size_t node_count, node_buckets;
	struct rsm_orphan *orphans[RSM_CONTENT_ORPHAN_BUCKETS];
	atomic_uint orphan_count;
	struct {
		uint64_t id, data_version;
	} seen[RSM_CONTENT_SEEN]; /* contents that the kernel's cache may have, by last release */
	char refuse_why[256];

	struct rsm_mutex commit_lock;
	bool removing; /* [commit_lock] the last changes were deletions: "removing_since" is set */

	struct rsm_mutex running_lock; /* a leaf */
	struct rsm_list running;       /* [running_lock] struct rsm_running, oldest first */
	atomic_uint running_count;

	struct rsm_mutex reads_lock;
	struct rsm_list reads; /* [reads_lock] struct read_pending, waiting for the medium */
	atomic_uint reading;
	pthread_cond_t reads_ended; /* with reads_lock */
};

/* Until none is under way: before closing. */
void rsm_content_wait_for_reads(struct rsm_content *content);
/* Something that will take `bytes` in an index is about to be made; -ENOSPC. Given back if it comes
 * to nothing, or when something goes.
 */
RSM_MUST_CHECK int rsm_content_take_index_room(struct rsm_content *content, uint64_t bytes,
					       struct rsm_err *err);
/* ---- content_room.c ---- */

/* Do `fresh` more bytes of this file fit? -ENOSPC. `measured`: nothing of the file was being
 * written when the room was measured, a moment ago, so what it has given up since its last flush
 * counts too. With node->lock.
 */
RSM_MUST_CHECK int rsm_content_check_room(struct rsm_content *content,
					  const struct rsm_open_node *node, uint64_t fresh,
					  bool measured, struct rsm_err *err);
/* After -ENOSPC: is it worth measuring? With node->lock. */
bool rsm_content_may_have_room(struct rsm_content *content, const struct rsm_open_node *node);
/* False: a drive is writing, so nobody knows; try again later. Without locks. */
bool rsm_content_measure(struct rsm_content *content);
/* Staged bytes went with a name, or with a cut. Without locks. */
void rsm_content_note_slimmed(struct rsm_content *content);

/* rsm_staging_release of bytes that committed rows do not name any more: of those that a power loss
 * would leave there only when it leaves those rows, too. Not under the index's lock.
 */
void rsm_content_release_staged(struct rsm_content *content, uint64_t id,
				const struct rsm_staged_range *range);
void rsm_content_give_index_room(struct rsm_content *content, uint64_t bytes);
static inline uint64_t rsm_content_index_cost(const char *name, const char *target)
{
	return RSM_INDEX_NODE_BYTES + 2 * strlen(name) + (target ? strlen(target) : 0);
}
void rsm_content_want(struct rsm_content *content, enum rsm_content_want want);
bool rsm_content_is_dirty(struct rsm_content *content);
/* Something else than a deletion is done: it does not lead to a deallocation. With commit_lock. */
RSM_MUST_CHECK int rsm_content_end_removal(struct rsm_content *content, struct rsm_err *err);
void rsm_content_now(struct timespec *ret_now);
/* All times of a new node become now, unless the caller gave them. */
void rsm_content_date(struct rsm_node_times *times);

/* Pins and locks the node's entry, making one if need be; it is not loaded by this. */
RSM_MUST_CHECK int rsm_content_hold(struct rsm_content *content, uint64_t id,
				    struct rsm_open_node **ret_node, struct rsm_err *err);
/* The same, only if there is an entry; else NULL. */
struct rsm_open_node *rsm_content_hold_live(struct rsm_content *content, uint64_t id);
/* Unlocks and unpins. */
void rsm_content_let_go(struct rsm_content *content, struct rsm_open_node *node);
/* More pins for a node that is pinned. */
void rsm_content_pin(struct rsm_content *content, struct rsm_open_node *node);
void rsm_content_unpin(struct rsm_content *content, struct rsm_open_node *node);
/* Ids of all live nodes, 0-terminated; the caller's. */
RSM_MUST_CHECK int rsm_content_live_ids(struct rsm_content *content, uint64_t **ret_ids,
					struct rsm_err *err);

/* With node->lock held: */
RSM_MUST_CHECK int rsm_content_load(struct rsm_content *content, struct rsm_open_node *node,
				    struct rsm_err *err); /* outcome RSM_NODE_ABSENT */
RSM_MUST_CHECK int rsm_content_load_extents(struct rsm_content *content, struct rsm_open_node *node,
					    struct rsm_err *err);
void rsm_content_forget_extents(struct rsm_open_node *node);
/* Back to an entry that is not loaded. */
void rsm_content_unload(struct rsm_content *content, struct rsm_open_node *node);
void rsm_content_set_row(struct rsm_open_node *node, const struct rsm_node *row);
void rsm_content_free_buffer(struct rsm_content *content, struct rsm_open_node *node);
void rsm_content_close_own_if_idle(struct rsm_open_node *node);

/* ---- content_stream.c; with node->lock held ---- */

/* Bytes of the own file are about to change: what is on the medium, or on its way, is not them. */
void rsm_content_touch_streamed(struct rsm_content *content, struct rsm_open_node *node,
				uint64_t start, uint64_t end);
/* They go, or wait again as the row says. */
void rsm_content_drop_streamed(struct rsm_open_node *node, uint64_t start, uint64_t end);
/* Nothing of it is on the medium, as far as we know. */
void rsm_content_forget_streamed(struct rsm_open_node *node);
/* The ranges as a row is to name them: with `written`. *ret_ranges is the node's own or the
 * caller's to free (*ret_owned).
 */
RSM_MUST_CHECK int rsm_content_mark_streamed(const struct rsm_open_node *node,
					     const struct rsm_staged_range **ret_ranges,
					     size_t *ret_count, struct rsm_staged_range **ret_owned,
					     struct rsm_err *err);
/* All own bytes are on the medium. */
void rsm_content_all_streamed(struct rsm_open_node *node);
/* Enough bytes wait to be worth a part. */
bool rsm_content_wants_stream(struct rsm_content *content, const struct rsm_open_node *node);
RSM_MUST_CHECK int rsm_content_record_part(struct rsm_content *content,
					   struct rsm_migration *migration,
					   const struct rsm_extent *extents, size_t count,
					   struct rsm_err *err);
void rsm_content_end_part(struct rsm_migration *migration);
/* Calls `each` for what is both in the range and in the set, of an own file. */
void rsm_ranges_intersect(const struct rsm_staged_range *range, const struct rsm_ranges *ranges,
			  rsm_ranges_each *each, void *context);
/* _flush, and in the same transaction the extents of a part. Outcome RSM_NODE_ABSENT. */
RSM_MUST_CHECK int rsm_content_flush_part(struct rsm_content *content, struct rsm_open_node *node,
					  const struct rsm_extent *extents, size_t count,
					  bool *ret_queued, struct rsm_err *err);
/* Is the file being changed, so that _next_migration leaves it out? */
bool rsm_content_is_busy(struct rsm_content *content, struct rsm_open_node *node);

/* Puts the live attributes of open nodes into a row. */
void rsm_content_overlay(struct rsm_content *content, struct rsm_node *row);

/* A node that is being loaded learns what its row does not name any more, but nobody has given up
 * yet: it is `saved`. With node->lock held.
 */
RSM_MUST_CHECK int rsm_content_know_released(struct rsm_content *content,
					     struct rsm_open_node *node, struct rsm_err *err);

void rsm_content_add_orphan(struct rsm_content *content, uint64_t id);
bool rsm_content_is_orphan(struct rsm_content *content, uint64_t id);

/* With node->lock held: contents. row is changed, the caller publishes it. */
void rsm_content_touch_data(struct rsm_open_node *node, struct rsm_node *row);
RSM_MUST_CHECK int rsm_content_truncate(struct rsm_content *content, struct rsm_open_node *node,
					struct rsm_node *row, uint64_t size, struct rsm_err *err);
/* Stages what is dirty and commits. *ret_queued: it waits for migration now. */
RSM_MUST_CHECK int rsm_content_flush(struct rsm_content *content, struct rsm_open_node *node,
				     bool *ret_queued, struct rsm_err *err);
/* The same, durable. */
RSM_MUST_CHECK int rsm_content_flush_durably(struct rsm_content *content,
					     struct rsm_open_node *node, bool *ret_queued,
					     struct rsm_err *err);
/* Flushes every live node; goes on after errors, returns the first. */
RSM_MUST_CHECK int rsm_content_flush_all(struct rsm_content *content, bool *ret_queued,
					 struct rsm_err *err);

/* ---- content_running.c: digests of files that go in parts. Any thread, but the node's lock (if it
 * is in the table) keeps its bytes as they are. ---- */

void rsm_content_running_init(struct rsm_content *content);
void rsm_content_running_fini(struct rsm_content *content);
/* Would bytes from `offset` on continue what of the file has been digested? */
bool rsm_content_running_is_next(struct rsm_content *content, uint64_t id, uint64_t offset);
/* Has nothing broken it? otherwise: the answer for a file of which nothing has been digested. */
bool rsm_content_running_is_whole(struct rsm_content *content, uint64_t id, bool otherwise);
/* False: it cannot be continued there. True: it has to be given back, and *ret_digest is to be
 * continued by so many bytes meanwhile (NULL: none is wanted, or there was no memory).
 */
bool rsm_content_running_lend(struct rsm_content *content, uint64_t id, uint64_t offset,
			      uint64_t bytes, struct rsm_digest **ret_digest);
/* good: all of them were added, and they are still what the file has. last: it is complete. */
void rsm_content_running_return(struct rsm_content *content, uint64_t id, bool good, bool last);
/* Bytes from `start` on are about to change. */
void rsm_content_running_touch(struct rsm_content *content, uint64_t id, uint64_t start);
/* The file is gone, or another. 0: all of them. */
void rsm_content_running_end(struct rsm_content *content, uint64_t id);

#endif
