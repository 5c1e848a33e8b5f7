/* manager.h - the media manager: everything hangs off one struct rsm_manager.
 *
 * Opens libraries, catalogue and staging, starts a worker for each drive and a housekeeper, and
 * offers what file system and administration ask for. Nothing here waits for a drive or the robot
 * unless its name ends in _wait; the others return at once and answer through a callback, from
 * any thread, without locks held.
 * Media are named by their id (media.h), which is also the volume number of inode numbers.
 * Lock order: manager registry > mount_queue > content > volume_index > staging > catalog.
 */
#ifndef RSM_CORE_MANAGER_H
#define RSM_CORE_MANAGER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "changer/hardware.h"
#include "core/allocation.h"
#include "core/content.h"
#include "core/event.h"
#include "core/inventory.h"
#include "core/media.h"
#include "core/operator_request.h"
#include "core/work_item.h"

struct rsm_manager;

struct rsm_manager_callbacks {
	/* Data or attributes of a node (0: of all nodes) of a medium changed behind the kernel's
	 * back. */
	void (*contents_changed)(void *context, int64_t medium, uint64_t node);
	/* A name in a pool (RSM_POOL_TOP: the top) came, went or changed behind the kernel's back;
	 * name NULL: several. */
	void (*names_changed)(void *context, int64_t pool, const char *name);
	/* Staging has room again: parked writers may go on. */
	void (*staging_room)(void *context);
	void *context;
};

struct rsm_manager_options {
	const char *const *libraries; /* LIBRARY arguments, at least one */
	size_t library_count;
	const char *state;	   /* folder of the catalogue; NULL: <first library>/catalog */
	const char *staging;	   /* NULL: <first library>/staging */
	const char *drives;	   /* -o drives= for the first library, or NULL */
	uint64_t staging_limit;	   /* bytes; 0: by the file system */
	uint64_t stream_size;	   /* an open file with so much to write goes in parts; 0: 4 GiB */
	unsigned dismount_delay_s; /* 60 */
	unsigned mount_timeout_s;  /* who waits for a drive gets -ETIMEDOUT then; 0: never */
	unsigned migrate_delay_ms; /* quiet time after a close before writing to the medium; 2000 */
	unsigned label_delay_ms;   /* quiet time after an allocation before label work; 10000 */
	unsigned label_page;	   /* so much label work is taken up at one time; 0: 4096 */
	unsigned index_interval_s; /* 300; 0: only at dismount */
	uint64_t index_bytes;	   /* an index after so much data, too; 0: however much it is */
	bool no_recovery; /* a wrong label is no reason to look through the whole library */
	bool trace_scsi;
	bool offline_wait;	   /* -o offline=wait */
	bool autoclean;		   /* -o autoclean: drives are cleaned when they ask for it */
	bool inject_manual;	   /* -o inject=manual: what is put into a port stays there */
	enum rsm_digest_kind hash; /* of files, stored with them when they are written; NONE */
	uid_t admin;		   /* who mounted; administrator besides root */
	struct rsm_clock *clock;   /* NULL: the machine's */
	struct rsm_manager_callbacks callbacks;
};

/* Opens all; usable when it returns: fast inventory done, known media browsable; unknown media are
 * identified in the background. The caller holds the library's lock (fs/). Errors are one clear
 * line.
 */
RSM_MUST_CHECK int rsm_manager_new(const struct rsm_manager_options *options,
				   struct rsm_manager **ret_manager, struct rsm_err *err);

/* Clean shutdown: flushes all contents; then what is staged for loaded cartridges is written,
 * indexes and MAM, and they go home. `*hurry` may become true meanwhile (second SIGTERM): the rest
 * stays staged. progress (may be NULL) is called with what is being done. Returns how many files
 * stay staged in *ret_left_files, on how many media in *ret_left_media.
 */
void rsm_manager_stop(struct rsm_manager *manager, const atomic_bool *hurry,
		      void (*progress)(void *context, const char *what), void *context,
		      uint64_t *ret_left_files, unsigned *ret_left_media);
void rsm_manager_free(struct rsm_manager *manager);
RSM_DEFINE_CLEANUP(rsm_manager_free, struct rsm_manager)

struct rsm_catalog *rsm_manager_catalog(struct rsm_manager *manager);
struct rsm_staging_space *rsm_manager_staging(struct rsm_manager *manager);
const struct rsm_manager_options *rsm_manager_options(const struct rsm_manager *manager);
/* For the line printed at the mount: on-line cartridges (cleaners not counted) and drives. */
void rsm_manager_counts(struct rsm_manager *manager, unsigned *ret_drives,
			unsigned *ret_cartridges);

/* ---- contents ---- */

enum rsm_manager_outcome {
	RSM_MANAGER_ABSENT = 1, /* no such medium */
	RSM_MANAGER_MUST_MOUNT =
		2, /* nobody has seen its contents yet: mount it first, then ask again */
};

/* The contents of a medium, opened when needed; valid until _unref. Outcomes ABSENT, MUST_MOUNT.
 * A freshly allocated medium has (empty) contents at once.
 */
RSM_MUST_CHECK int rsm_manager_content(struct rsm_manager *manager, int64_t medium,
				       struct rsm_content **ret_content, struct rsm_err *err);
void rsm_manager_content_unref(struct rsm_manager *manager, struct rsm_content *content);

/* ---- mounts ---- */

enum {
	RSM_MOUNT_WRITE = 1 << 0,
	RSM_MOUNT_IF_ONLINE = 1 << 1,	 /* off-line: -ENOMEDIUM at once (else by -o offline) */
	RSM_MOUNT_IF_AVAILABLE = 1 << 2, /* no drive free now: -EAGAIN, but it stays queued */
	RSM_MOUNT_HOLD = 1 << 3,	 /* stays in the drive until _dismount (rsm mount) */
	/* what else it is for, for people: one of these */
	RSM_MOUNT_TO_LOOK = 1 << 4, /* at its files: they are not in the catalogue */
	RSM_MOUNT_TO_READ = 1 << 5,
	RSM_MOUNT_TO_CHECK = 1 << 6, /* or to repair it, or for an older index of it */
	RSM_MOUNT_TO_VERIFY = 1 << 7,
	RSM_MOUNT_TO_COPY = 1 << 8, /* it is a copy, or has one */
	RSM_MOUNT_TO_UNDELETE = 1 << 9,
};
struct rsm_mount_request {
	struct rsm_list link; /* the queue's */
	int64_t medium;
	unsigned flags;
	uint32_t drive; /* element address, 0: any */
	int priority;	/* -15..15 */
	uid_t user;
	int64_t deadline_ns; /* by the manager's clock: -ETIMEDOUT then; 0: none */
	/* Exactly once. 0: it is in a drive, its contents are known. -ENOMEDIUM, -EAGAIN,
	 * -ECANCELED, -EIO ... */
	void (*done)(struct rsm_mount_request *request, int r, const struct rsm_err *err);
	void *context;
	/* the queue's own */
	int64_t since_ns;
	struct rsm_cartridge *cartridge;
	struct rsm_mount_set *set; /* NULL: it is for itself */
	bool took_hold;		   /* it was what keeps the cartridge in its drive */
	int state;
};
/* Media that are mounted together: all of them or none. */
struct rsm_mount_set {
	struct rsm_mount_request *requests;
	size_t count;
	bool granted; /* the queue's: drives are kept for all of them */
};
/* The memory is the caller's until done() was called. */
void rsm_manager_mount(struct rsm_manager *manager, struct rsm_mount_request *request);
/* done(-EINTR) follows at once if it still waits. */
void rsm_manager_cancel_mount(struct rsm_manager *manager, struct rsm_mount_request *request);

/* Cancels a work item that has not begun: who waits for its mount gets -ECANCELED, what nobody
 * waits for comes again later. `user`: who may not cancel what others wait for, or NULL. -EACCES:
 * it is being processed, or others wait; -ENOENT: it has ended.
 */
RSM_MUST_CHECK int rsm_manager_cancel_item(struct rsm_manager *manager,
					   const struct rsm_work_item *item, const uid_t *user,
					   struct rsm_err *err);
/* Of a mount: 1 is next; 0: it does not wait for a drive. */
unsigned rsm_manager_item_position(struct rsm_manager *manager, int64_t id);
/* Puts a mount before all that wait, or behind them. -EINVAL: it does not wait for a drive. */
RSM_MUST_CHECK int rsm_manager_reorder_item(struct rsm_manager *manager, int64_t id, bool first,
					    struct rsm_err *err);

/* For threads that may wait (control). cancel (may be NULL) is looked at ten times a second:
 * -EINTR. timeout_ms 0: no limit; else -ETIMEDOUT.
 */
RSM_MUST_CHECK int rsm_manager_mount_wait(struct rsm_manager *manager, const int64_t *media,
					  size_t count, unsigned flags, uint32_t drive,
					  int priority, unsigned timeout_ms, uid_t user,
					  const atomic_bool *cancel, struct rsm_err *err);
/* -EBUSY with open writers or a transfer. Writes what is to be written, then home it goes.
 * deferred: only ends a HOLD. Not mounted: -EINVAL.
 */
RSM_MUST_CHECK int rsm_manager_dismount_wait(struct rsm_manager *manager, int64_t medium,
					     bool deferred, const atomic_bool *cancel,
					     struct rsm_err *err);
/* Waits until all that a medium (0: every medium) has now is on it and indexed there, label work
 * included; who goes on writing does not make it longer. progress may be NULL.
 */
RSM_MUST_CHECK int rsm_manager_sync_wait(struct rsm_manager *manager, int64_t medium,
					 void (*progress)(void *context, uint64_t done,
							  uint64_t total, const char *what),
					 void *context, const atomic_bool *cancel,
					 struct rsm_err *err);

/* Sets a volume's lock (ltfs-format.md 18.1): "unlocked", "locked", "permlocked"; waits until the
 * medium has it. -EROFS: locked for good, or it takes no changes anyway; -EBUSY: open writers.
 */
RSM_MUST_CHECK int rsm_manager_set_lock(struct rsm_manager *manager, int64_t medium,
					const char *lock, const atomic_bool *cancel,
					struct rsm_err *err);

/* ---- media and pools: the catalogue's calls, with the contents and the queue seen to ---- */

/* Are there cartridges that nobody has looked at yet? What seems to be missing may be found there.
 */
bool rsm_manager_is_identifying(struct rsm_manager *manager);
/* The same, in a library whose robot and drives take no time: it is found in a moment. */
bool rsm_manager_identifies_in_moments(struct rsm_manager *manager);

RSM_MUST_CHECK int rsm_manager_allocate(struct rsm_manager *manager,
					const struct rsm_allocation *allocation,
					struct rsm_medium *ret_medium, struct rsm_err *err);
/* The same, for threads that may wait: when none is available (-ENOSPC) the operator is asked for
 * one, for `words`, and the request satisfies itself when a fitting cartridge comes, from wherever.
 * A request that is satisfied when another waiter wins what came is raised again. timeout_ms 0:
 * no limit, else -ETIMEDOUT; -EINTR; -ECANCELED: refused.
 */
RSM_MUST_CHECK int rsm_manager_allocate_wait(struct rsm_manager *manager,
					     const struct rsm_allocation *allocation,
					     const char *words, unsigned timeout_ms,
					     const atomic_bool *cancel,
					     struct rsm_medium *ret_medium, struct rsm_err *err);
/* -ENOTEMPTY unless force; -EBUSY: open file or transfer (never waits for it). */
RSM_MUST_CHECK int rsm_manager_deallocate(struct rsm_manager *manager, int64_t medium, bool force,
					  struct rsm_err *err);
/* Rename and move of an allocated medium; contents stay. */
RSM_MUST_CHECK int rsm_manager_move(struct rsm_manager *manager, int64_t medium, int64_t pool,
				    const char *name, struct rsm_err *err);
/* rsm_medium_move_pool. */
RSM_MUST_CHECK int rsm_manager_move_available(struct rsm_manager *manager, int64_t medium,
					      int64_t pool, struct rsm_err *err);
RSM_MUST_CHECK int rsm_manager_swap(struct rsm_manager *manager, int64_t one, int64_t other,
				    struct rsm_err *err); /* -EBUSY */
RSM_MUST_CHECK int rsm_manager_complete(struct rsm_manager *manager, int64_t medium,
					struct rsm_err *err); /* -EBUSY: open writers */
RSM_MUST_CHECK int rsm_manager_decommission(struct rsm_manager *manager, int64_t medium,
					    struct rsm_err *err);
/* `what`: RSM_MEDIUM_SET_* (media.h). */
RSM_MUST_CHECK int rsm_manager_update_medium(struct rsm_manager *manager, struct rsm_medium *medium,
					     unsigned what, struct rsm_err *err);
/* Free: queues the writing of the free label. */
RSM_MUST_CHECK int rsm_manager_free_medium(struct rsm_manager *manager, int64_t medium,
					   struct rsm_err *err);
/* flags: RSM_FREEING_* (allocation.h). */
RSM_MUST_CHECK int rsm_manager_free_medium_with(struct rsm_manager *manager, int64_t medium,
						unsigned flags, struct rsm_err *err);
/* rsm_medium_forget; its cached contents go as well. -EBUSY also while somebody looks at it. */
RSM_MUST_CHECK int rsm_manager_forget(struct rsm_manager *manager, int64_t medium,
				      struct rsm_err *err);
/* Takes it into use or out of it, as below. Enabled: one whose writing was given up is tried again.
 */
RSM_MUST_CHECK int rsm_manager_enable_medium(struct rsm_manager *manager, int64_t medium,
					     bool enabled, struct rsm_err *err);
/* Pools changed: the automatic export beside the catalogue is written, in a moment. */
void rsm_manager_pools_changed(struct rsm_manager *manager);
/* rsm_medium_record_set_vault; the automatic export knows it soon. */
RSM_MUST_CHECK int rsm_manager_set_vault(struct rsm_manager *manager, int64_t medium,
					 const char *vault, const struct timespec *due,
					 struct rsm_err *err);
/* rsm_catalog_import of what the descriptor reads from its beginning on; `import->file` is filled
 * in. At once; what is in drives stays there.
 */
struct rsm_catalog_import;
RSM_MUST_CHECK int rsm_manager_import(struct rsm_manager *manager, int fd,
				      struct rsm_catalog_import *import, struct rsm_err *err);

struct rsm_medium_use {
	bool mounted;	/* in a drive, loaded */
	bool in_use;	/* open file or transfer: what makes rmdir EBUSY */
	uint32_t drive; /* element, when it is in a drive */
	uint64_t staged_bytes, staged_files;
};
RSM_MUST_CHECK int rsm_manager_medium_use(struct rsm_manager *manager, int64_t medium,
					  struct rsm_medium_use *ret_use, struct rsm_err *err);

/* What df shows: bytes that can be held, and that can still be written (staged, two closing indexes
 * and 1 % deducted); media that are not allocated count as a whole.
 */
RSM_MUST_CHECK int rsm_manager_space(struct rsm_manager *manager, int64_t medium,
				     uint64_t *ret_total, uint64_t *ret_free, struct rsm_err *err);
/* The same of a medium and its use that have just been asked for; 0, 0: unknown. */
void rsm_manager_medium_space(struct rsm_manager *manager, const struct rsm_medium *medium,
			      const struct rsm_medium_use *use, uint64_t *ret_total,
			      uint64_t *ret_free);

/* A failure as an event `error`: the cartridge (0: none), the drive's name, the slot where the
 * cartridge is at home, the file (its path in the volume); NULL: there is none.
 */
void rsm_manager_tell_error(struct rsm_manager *manager, int64_t medium, const char *drive,
			    const char *file, const char *text);

/* ---- libraries ---- */

struct rsm_drive_status {
	int64_t library;
	uint32_t element;
	char node[64], type[16], vendor[9], product[17], serial[RSM_SERIAL_SIZE];
	struct rsm_media_reach reach; /* what it reads and writes */
	const char *state;	      /* "empty", "loading", "loaded", "idle", "writing", "reading",
					 "unloading", "cleaning", "disabled", "failed" */
	int64_t medium;		      /* 0: empty */
	bool enabled;
	bool unclean; /* it wants to be cleaned */
	uint32_t mounts;
	int64_t cleaned; /* seconds since 1970; 0: never that we know of */
};
/* The array is the caller's. */
RSM_MUST_CHECK int rsm_manager_drives(struct rsm_manager *manager,
				      struct rsm_drive_status **ret_drives, size_t *ret_count,
				      struct rsm_err *err);

struct rsm_library_status {
	int64_t id;
	char source[4096];
	char vendor[9], product[17];
	const char *kind; /* "virtual", "changer", "drive" */
	unsigned drives, slots, ports, cartridges;
	bool enabled;
	const char *door; /* "locked", "unlocked", "open"; "": it has none */
};
RSM_MUST_CHECK int rsm_manager_libraries(struct rsm_manager *manager,
					 struct rsm_library_status **ret_libraries,
					 size_t *ret_count, struct rsm_err *err);
/* Elements as last reported (slots, ports, drives). */
RSM_MUST_CHECK int rsm_manager_elements(struct rsm_manager *manager, int64_t library,
					struct rsm_element **ret_elements, size_t *ret_count,
					struct rsm_err *err);

/* Takes a drive, or a library with all its drives, into use or out of it: who uses what is in a
 * drive finishes with it, then it goes home; nothing else is brought to it, and who would need it
 * gets -ENODEV. -ENXIO: no such drive; -ENODEV: no such library; -EINVAL: it is so already (but
 * what has failed can be enabled again).
 */
RSM_MUST_CHECK int rsm_manager_enable_drive(struct rsm_manager *manager, int64_t library,
					    uint32_t element, bool enabled, struct rsm_err *err);
/* A drive that no library of the mount has any more is unknown from now on, with its counts.
 * `word`: its serial number, or its element address. -EBUSY: it is here; -ENXIO: nobody knows it;
 * -EINVAL: there were several at that address.
 */
RSM_MUST_CHECK int rsm_manager_forget_drive(struct rsm_manager *manager, const char *word,
					    struct rsm_drive_row *ret_drive, struct rsm_err *err);
RSM_MUST_CHECK int rsm_manager_enable_library(struct rsm_manager *manager, int64_t library,
					      bool enabled, struct rsm_err *err);

/* Inventory of a library (0: all). full: every medium is mounted and identified. */
RSM_MUST_CHECK int rsm_manager_inventory_wait(struct rsm_manager *manager, int64_t library,
					      bool full, const atomic_bool *cancel,
					      void (*progress)(void *context, uint64_t done,
							       uint64_t total, const char *what),
					      void *context, struct rsm_err *err);
/* Ends full inventories of a library (0: all) when they are done with what is in a drive; who waits
 * for one gets -ECANCELED. How many there were.
 */
unsigned rsm_manager_inventory_stop(struct rsm_manager *manager, int64_t library);
/* Has the label of what lies in the slot read. Outcome RSM_MEDIUM_ABSENT: it is empty. -ENXIO: no
 * such slot; -EMEDIUMTYPE: a cleaner, or another label than was expected.
 */
RSM_MUST_CHECK int rsm_manager_identify_slot(struct rsm_manager *manager, int64_t library,
					     uint32_t slot, const atomic_bool *cancel,
					     struct rsm_medium *ret_medium, struct rsm_err *err);
/* Cartridges in ports go to free slots and are identified. Waits up to timeout_ms for one to
 * appear. *ret_count: how many came in. -ENOSPC: no free slot (with an operator request).
 */
RSM_MUST_CHECK int rsm_manager_inject_wait(struct rsm_manager *manager, unsigned timeout_ms,
					   const atomic_bool *cancel, unsigned *ret_count,
					   struct rsm_err *err);
/* To a port. -EBUSY: open files (force: later access gives ENOMEDIUM). -ENXIO: no port; -ENOSPC:
 * ports full. */
RSM_MUST_CHECK int rsm_manager_eject_wait(struct rsm_manager *manager, int64_t medium, bool force,
					  const atomic_bool *cancel, struct rsm_err *err);
/* Several, in port loads: when the ports are full, and at least the first one had a place, a person
 * is asked to empty them, and the others wait as work items. None goes if one of them cannot.
 * -ECANCELED: the operator refused. *ret_ejected (may be NULL): how many are in ports.
 */
RSM_MUST_CHECK int rsm_manager_eject_all_wait(
	struct rsm_manager *manager, const int64_t *media, size_t count, bool force, uid_t user,
	void (*progress)(void *context, uint64_t done, uint64_t total, const char *what),
	void *context, const atomic_bool *cancel, size_t *ret_ejected, struct rsm_err *err);
/* What waits to be ejected stays (medium 0: all of it); one that lies in a port is taken in again.
 * *ret_count: how many.
 */
RSM_MUST_CHECK int rsm_manager_cancel_eject(struct rsm_manager *manager, int64_t medium,
					    unsigned *ret_count, struct rsm_err *err);

/* That slot is the cleaner's, or is it no more (cleaner.h, where what is refused stands). -ENXIO.
 */
RSM_MUST_CHECK int rsm_manager_set_cleaner_slot(struct rsm_manager *manager, int64_t library,
						uint32_t slot, bool is, struct rsm_err *err);
/* As rsm_medium_set_type. */
RSM_MUST_CHECK int rsm_manager_set_media_type(struct rsm_manager *manager, int64_t medium,
					      const char *type, struct rsm_err *err);

/* Cleans a drive when it is empty, with any cleaning cartridge of its library that is not spent; an
 * idle cartridge leaves for that. A drive without a robot: notes that a person did it. -ENXIO;
 * -ENODEV: disabled; -ENOMEDIUM: no cleaner, or it is spent (a person is asked for one); -EBUSY: is
 * being cleaned; -EIO.
 */
RSM_MUST_CHECK int rsm_manager_clean_wait(struct rsm_manager *manager, int64_t library,
					  uint32_t element, uid_t user, const atomic_bool *cancel,
					  struct rsm_err *err);

/* What follows when a door that was unlocked has been opened and closed. */
enum rsm_door_inventory { RSM_DOOR_FAST, RSM_DOOR_FULL, RSM_DOOR_NONE };
/* Cartridges that are not in use go home, then the door can be opened. -ENXIO: there is none.
 * -ENODEV: the library is disabled.
 */
RSM_MUST_CHECK int rsm_manager_unlock_door_wait(struct rsm_manager *manager, int64_t library,
						enum rsm_door_inventory inventory,
						const atomic_bool *cancel, struct rsm_err *err);
/* -EBUSY: it is open. -ENXIO: it cannot be locked. */
RSM_MUST_CHECK int rsm_manager_lock_door(struct rsm_manager *manager, int64_t library,
					 struct rsm_err *err);

/* ---- operator requests (manager_request.c) ---- */

/* Somebody says that it is done. That is a claim: it is looked at, and if it is not so it is asked
 * for again (-EAGAIN, with what was found instead). A drive that needed service is tried again.
 * -ENOENT, -EINVAL: ended already.
 */
RSM_MUST_CHECK int rsm_manager_satisfy_request(struct rsm_manager *manager, int64_t id,
					       const atomic_bool *cancel, struct rsm_err *err);
/* It will not be done: who waits for it fails with -ECANCELED. */
RSM_MUST_CHECK int rsm_manager_refuse_request(struct rsm_manager *manager, int64_t id,
					      struct rsm_err *err);

#endif
