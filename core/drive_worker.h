/* drive_worker.h - one thread a drive: it fetches cartridges, owns the position on the tape, reads
 * in tape order, writes what is staged, and takes cartridges home.
 *
 * What it does next is decided under the manager's lock by mount_queue.h and the cartridge's
 * wishes; the doing is without any lock. In order of urgency, for the loaded cartridge: reads,
 * mount requests, label work, what is staged, indexes that are due, read-ahead, leaving.
 */
#ifndef RSM_CORE_DRIVE_WORKER_H
#define RSM_CORE_DRIVE_WORKER_H

#include "core/cartridge.h"
#include "core/volume.h"

struct rsm_library;
struct rsm_drive_worker;

enum rsm_drive_state { /* shown by rsm view drives */
		       RSM_DRIVE_EMPTY,
		       RSM_DRIVE_LOADING,
		       RSM_DRIVE_IDLE,
		       RSM_DRIVE_READING,
		       RSM_DRIVE_WRITING,
		       RSM_DRIVE_UNLOADING,
		       RSM_DRIVE_FAILED,
		       RSM_DRIVE_CLEANING,
};
const char *rsm_drive_state_name(enum rsm_drive_state state);

/* `hardware_drive` is borrowed for the worker's life. Does not start the thread. */
RSM_MUST_CHECK int rsm_drive_worker_new(struct rsm_manager *manager, struct rsm_library *library,
					struct rsm_hardware_drive *hardware_drive, int64_t row,
					bool enabled, struct rsm_drive_worker **ret_worker,
					struct rsm_err *err);
/* At start, before the first thread: a cartridge that lies in the drive becomes the worker's; its
 * thread loads it first of all.
 */
void rsm_drive_adopt(struct rsm_drive_worker *worker);
RSM_MUST_CHECK int rsm_drive_worker_start(struct rsm_drive_worker *worker, struct rsm_err *err);
/* After manager->stopping was set: waits until the drive is empty. */
void rsm_drive_worker_join(struct rsm_drive_worker *worker);
void rsm_drive_worker_free(struct rsm_drive_worker *worker);

/* Has the worker look what there is to do. With the manager's lock. */
void rsm_drive_worker_wake_locked(struct rsm_drive_worker *worker);

/* Nobody has a file of its cartridge open any more: wakes whom that concerns. A tree of small files
 * closes one every time, so a worker that will look in time by itself is left asleep. With the
 * manager's lock.
 */
void rsm_drive_worker_note_closed_locked(struct rsm_drive_worker *worker);

/* Reads from the blocks that the worker has in memory; false: it has to be queued. True: _answer
 * has to be called, without locks, which calls done().
 */
bool rsm_drive_worker_read_cached(struct rsm_drive_worker *worker, struct rsm_medium_read *read);
void rsm_drive_worker_answer_cached(struct rsm_drive_worker *worker, struct rsm_medium_read *read);

struct rsm_drive_view {
	int64_t library, row; /* row: in the catalogue */
	uint32_t element;
	enum rsm_drive_state state;
	int64_t medium; /* 0: none */
	bool enabled;
	bool unclean; /* it wants to be cleaned */
	const struct rsm_hardware_drive *hardware;
};
void rsm_drive_worker_view_locked(const struct rsm_drive_worker *worker,
				  struct rsm_drive_view *ret_view);
void rsm_drive_worker_set_enabled_locked(struct rsm_drive_worker *worker, bool enabled);
/* Could take a cartridge now. */
bool rsm_drive_worker_is_empty_locked(const struct rsm_drive_worker *worker);
/* Nothing can be done with it until a person enables it again. */
bool rsm_drive_worker_has_failed_locked(const struct rsm_drive_worker *worker);

#endif
