/* staging.h - local disk space for data that is not on a medium yet, one area a volume.
 *
 * An area is a folder STAGING/<volume uuid>/: small pieces together in append-only logs (log.1,
 * log.2 ...), larger files in one sparse file each (file.<node id>), where the offset is the file's
 * own. The volume index (index.db in the same folder) says which bytes are where; staging only
 * stores and frees. What no row names is garbage and goes at open.
 * Data are in the kernel when a call returns (they survive the death of the process);
 * _sync makes them durable.
 * Threads: any. A lock inside for the log's end and the counters only.
 */
#ifndef RSM_CORE_STAGING_H
#define RSM_CORE_STAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Values of rsm_staged_range.store: a log's number (1 ...), or a file of its own. */
#define RSM_STORE_OWN ((uint64_t)0)

enum {
	RSM_STAGING_SMALL = 64 * 1024,	    /* up to here a file goes to a log */
	RSM_STAGING_LOG = 32 * 1024 * 1024, /* a log grows to about this */
};

/* The space of the whole staging folder, shared by its areas: a limit and who waits for room. */
struct rsm_staging_space;
/* limit_bytes 0: what the file system has, less 1 GiB or 5 %, whichever is less. */
RSM_MUST_CHECK int rsm_staging_space_new(const char *folder, uint64_t limit_bytes,
					 struct rsm_staging_space **ret_space, struct rsm_err *err);
void rsm_staging_space_free(struct rsm_staging_space *space);
uint64_t rsm_staging_space_used(const struct rsm_staging_space *space);
/* True when a writer should be parked until there is room. */
bool rsm_staging_space_is_full(struct rsm_staging_space *space, uint64_t wanted_bytes);
/* True when not even a small file's bytes should go to the disk: what is left of it is for the
 * databases, which must go on if room is ever to come back. A limit does not matter here.
 */
bool rsm_staging_space_is_exhausted(struct rsm_staging_space *space, uint64_t wanted_bytes);
/* A writer was made to wait: _is_tight for the next moments, and `room` is called when room comes.
 */
void rsm_staging_space_refused(struct rsm_staging_space *space);
/* For how long writers have been waiting without a byte given back; 0: nobody waits. */
int64_t rsm_staging_space_waited_ns(struct rsm_staging_space *space);
/* Three quarters are used, or somebody waits: what is staged should go to the media at once. */
bool rsm_staging_space_is_tight(struct rsm_staging_space *space);
/* What may be used in all: the limit, or what is used and what the disk has. */
uint64_t rsm_staging_space_size(struct rsm_staging_space *space);
/* `room` is called when bytes were given back after somebody was made to wait, from any thread,
 * with locks of staging held: it must do no more than wake somebody. Set before the space is used.
 */
void rsm_staging_space_set_callback(struct rsm_staging_space *space, void (*room)(void *context),
				    void *context);

struct rsm_staging;

RSM_MUST_CHECK int rsm_staging_open(const char *folder, struct rsm_staging_space *space,
				    struct rsm_staging **ret_staging, struct rsm_err *err);
void rsm_staging_close(struct rsm_staging *staging);
RSM_DEFINE_CLEANUP(rsm_staging_close, struct rsm_staging)

/* Appends to the current log; *ret_store, *ret_offset say where. */
RSM_MUST_CHECK int rsm_staging_append(struct rsm_staging *staging, const void *data, size_t length,
				      uint64_t *ret_store, uint64_t *ret_offset,
				      struct rsm_err *err);

/* Opens (makes) the node's own file, for reading and writing at the file's own offsets. The
 * descriptor is the caller's.
 */
RSM_MUST_CHECK int rsm_staging_open_own(struct rsm_staging *staging, uint64_t id, int *ret_fd,
					struct rsm_err *err);

/* The caller wrote to the node's own file: `new_bytes` of them took new room (0: only overwritten).
 * Counted, and synchronised by _sync.
 */
void rsm_staging_wrote_own(struct rsm_staging *staging, uint64_t id, uint64_t new_bytes);

/* Reads staged bytes of a node (store RSM_STORE_OWN or a log). Short is damage: -EIO. */
RSM_MUST_CHECK int rsm_staging_read(struct rsm_staging *staging, uint64_t id, uint64_t store,
				    uint64_t offset, void *data, size_t length,
				    struct rsm_err *err);

/* Would the release of these bytes take any from the disk that a power loss leaves there? Then the
 * rows that do not name them have to be durable before.
 */
bool rsm_staging_gives_up_synced(struct rsm_staging *staging, uint64_t id, uint64_t store,
				 uint64_t length);

/* Bytes that no row names any more: punched out of own files, counted against logs; an own file
 * or a log without live bytes is unlinked. So nobody may keep a descriptor of an own file whose
 * last bytes are released: it is closed before, and opened anew for the next write.
 */
void rsm_staging_release(struct rsm_staging *staging, uint64_t id, uint64_t store, uint64_t offset,
			 uint64_t length);
void rsm_staging_drop_own(struct rsm_staging *staging, uint64_t id);

/* While open: the rows of the index, one call each, before anything is written. Afterwards
 * _collect removes what was not named.
 */
void rsm_staging_claim(struct rsm_staging *staging, uint64_t id, uint64_t store, uint64_t offset,
		       uint64_t length);
RSM_MUST_CHECK int rsm_staging_collect(struct rsm_staging *staging, struct rsm_err *err);

/* fdatasync of all that was appended, and of the node's own file (id 0: of all own files). */
RSM_MUST_CHECK int rsm_staging_sync(struct rsm_staging *staging, uint64_t id, struct rsm_err *err);

#endif
