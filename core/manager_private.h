/* manager_private.h - what the files that make up the manager share: its tables and its lock.
 *
 * One lock (manager->lock) guards the table of cartridges and what the workers decide on. It is
 * never held while the robot or a tape moves, nor while a callback of content's or a caller's runs;
 * contents and catalogue may be called under it (lock order: manager > content > volume_index >
 * staging > catalog).
 */
#ifndef RSM_CORE_MANAGER_PRIVATE_H
#define RSM_CORE_MANAGER_PRIVATE_H

#include "base/clock.h"
#include "base/mutex.h"
#include "core/cartridge.h"
#include "core/drive_worker.h"
#include "core/manager_identify.h"
#include "core/mount_queue.h"

/* How often one who waits looks whether he is to give up. */
#define RSM_LOOK_NS (RSM_SECOND_NS / 10)

struct rsm_library {
	struct rsm_manager *manager;
	int64_t id;
	struct rsm_hardware *hardware; /* [const] */
	const char *kind;	       /* "virtual", "changer", "drive" */
	char label[24];		       /* [const] its number, if there are others; for events */
	bool enabled;		       /* [lock] */
	struct rsm_element *elements;  /* [lock] as last reported */
	size_t element_count;	       /* [lock] */
	struct rsm_mutex inventory;    /* one inventory at a time; before manager->lock */
	int64_t exchange_ns;	       /* [lock] how long an exchange takes, about; 0: not known */
	int64_t port_retry_at_ns;   /* the housekeeper's: after an injection that found no slot */
	bool cleaning;		    /* [lock] a cleaning cartridge is at one of its drives */
	bool door_locked;	    /* [lock] by rsm door lock */
	bool not_ready;		    /* [lock] its door is open, or it is busy with itself */
	int64_t not_ready_since_ns; /* [lock] */
	int64_t door_request;	    /* [lock] that asks a person to close the door, or 0 */
	int64_t room_request;	    /* [lock] that asks a person for room in it, or 0 */
	enum rsm_door_inventory door_inventory; /* [lock] what follows when it is closed */

	/* of a stand-alone drive (hand.h) */
	struct rsm_element seat; /* [lock] what its drive said last */
	int64_t seat_medium;	 /* [lock] who is in it by its label; 0: not known */

	struct rsm_identify_run identify; /* [lock] */
};

enum { RSM_CARTRIDGE_BUCKETS = 1024 };

struct rsm_manager {
	struct rsm_manager_options options;
	struct rsm_clock *clock;
	char *state_folder, *staging_folder; /* [const] */
	struct rsm_catalog *catalog;
	struct rsm_staging_space *space;

	struct rsm_library *libraries; /* [const] after _new */
	size_t library_count;
	struct rsm_drive_worker **workers; /* [const] after _new */
	size_t worker_count;
	struct rsm_queue_drive *queue_drives; /* [lock] what the mount queue sees of the workers */

	struct rsm_mutex lock;
	pthread_cond_t changed;	    /* [lock] something that a worker or a waiter looks at */
	struct rsm_list cartridges; /* [lock] */
	struct rsm_list by_medium[RSM_CARTRIDGE_BUCKETS]; /* [lock] the same, hashed */
	struct rsm_list views;				  /* [lock] view.c's */
	struct rsm_copy_keeper *copies;			  /* [lock] NULL: it does not run */
	struct rsm_list copy_reads;			  /* [lock] copy_read.c's: under way */
	struct rsm_list copy_reads_ended;		  /* [lock] */
	uint64_t last_view;				  /* [lock] number that was given last */
	pthread_cond_t changed_house;			  /* [lock] the housekeeper is to end */
	int64_t free_wanted_ns;	     /* [lock] when no medium was found to allocate, or 0 */
	bool stopping;		     /* [lock] loaded cartridges are finished and go home */
	const atomic_bool *hurry;    /* [lock] what is staged stays so */
	bool export_wanted;	     /* [lock] pools changed since the last one */
	bool housekeeper_stop;	     /* [lock] */
	struct rsm_list allocations; /* [lock] manager_allocate.c's */
	pthread_t housekeeper;
	bool housekeeper_runs;
	pthread_cond_t deadline_came; /* [lock] somebody has begun to wait for so long */
	bool timekeeper_stop;	      /* [lock] */
	pthread_t timekeeper;
	bool timekeeper_runs;
	int64_t room_request; /* the housekeeper's: of an operator, for staging room; or 0 */
	bool due_asked;	      /* the housekeeper's: since the start */
	bool staged_adopted;  /* the starting thread's, then the housekeeper's */
	int64_t labels_after; /* the same: label work up to this medium is taken up */
	bool labels_taken_up; /* the same: all of it */
};

/* The medium, or the library where it is. */
bool rsm_cartridge_is_disabled_locked(const struct rsm_cartridge *cartridge);
/* Tells the upper floor; without locks. pool RSM_POOL_TOP: the top. */
void rsm_manager_names_changed(struct rsm_manager *manager, int64_t pool);
/* A cartridge or drive failed: an operator request, when a person has to do something. */
void rsm_manager_request_service(struct rsm_manager *manager, struct rsm_library *library,
				 uint32_t drive, struct rsm_cartridge *cartridge, int r,
				 const struct rsm_err *err);
/* -EIO when every drive of the cartridge's library has failed: waiting would be in vain. */
RSM_MUST_CHECK int rsm_manager_check_drives_locked(struct rsm_manager *manager,
						   const struct rsm_cartridge *cartridge,
						   struct rsm_err *err);
/* -ENODEV: the drive that is asked for (0: none is) does not take anything. */
RSM_MUST_CHECK int rsm_manager_check_drive_locked(struct rsm_manager *manager, int64_t library,
						  uint32_t element, struct rsm_err *err);
/* A drive has failed: if it was the last one, all who wait are told. */
void rsm_manager_note_failed_drive(struct rsm_manager *manager);
/* An off-line cartridge is wanted: an operator request. */
void rsm_manager_request_medium(struct rsm_manager *manager, struct rsm_cartridge *cartridge);
/* With -o offline=wait: nobody waits for it any more, perhaps, then nobody is to bring it. */
void rsm_manager_withdraw_request(struct rsm_manager *manager, int64_t medium);
/* What is staged does not fit any more: new data are refused, an operator request. Once. */
void rsm_manager_note_full(struct rsm_manager *manager, struct rsm_cartridge *cartridge);
/* Lets the contents refuse changes, by what the catalogue says, or not. */
void rsm_manager_refuse_by_state_locked(struct rsm_cartridge *cartridge,
					const struct rsm_medium *medium);
/* Writing it has failed again and again: what is staged for it stays there, a person is told. */
void rsm_manager_note_unwritable(struct rsm_manager *manager, struct rsm_cartridge *cartridge,
				 const struct rsm_err *err);
int64_t rsm_manager_now(const struct rsm_manager *manager);
/* Something changed that workers and waiters look at. */
void rsm_manager_wake_locked(struct rsm_manager *manager);
bool rsm_manager_hurries_locked(const struct rsm_manager *manager);

/* ---- manager_room.c ---- */

/* Lets the contents accept or refuse changes, by what the catalogue and the volume say, and tells
 * them their room. Without locks.
 */
void rsm_manager_apply_state(struct rsm_manager *manager, struct rsm_cartridge *cartridge);
/* Tells them their room as it is now that staged files went; what did not fit is tried again.
 * False: a drive is writing to it just now, so nobody knows. Without locks.
 */
bool rsm_manager_measure_again(struct rsm_manager *manager, struct rsm_cartridge *cartridge);

/* ---- manager_queue.c ---- */

/* What the mount queue is to decide on; valid as long as the lock is held. `library` may be NULL.
 */
void rsm_manager_look_locked(struct rsm_manager *manager, const struct rsm_library *library,
			     struct rsm_mount_queue *ret_queue);
/* Gives media that are mounted together their drives, when they can have them. */
void rsm_manager_grant_locked(struct rsm_manager *manager);
void rsm_library_note_exchange_locked(struct rsm_library *library, int64_t took_ns);
/* It is to go home as soon as what was closed until now is on it. */
void rsm_cartridge_leave_locked(struct rsm_cartridge *cartridge);
/* Nobody wants it any longer: the same, unless somebody wants it meanwhile (_unbound). */
void rsm_cartridge_bound_locked(struct rsm_cartridge *cartridge);
void rsm_cartridge_unbound_locked(struct rsm_cartridge *cartridge);

/* ---- manager_time.c ---- */

/* When who asks for a mount now gives up: after so long, or options.mount_timeout_s (0: none). */
int64_t rsm_manager_deadline(const struct rsm_manager *manager, unsigned timeout_ms);
/* Answers those who wait in vain: their time is over (-ETIMEDOUT), or the drive that they asked for
 * has gone out of service (-ENODEV).
 */
void rsm_manager_expire(struct rsm_manager *manager);
/* Somebody waits until then, if it is not 0. */
void rsm_manager_note_deadline_locked(struct rsm_manager *manager, int64_t deadline_ns);
RSM_MUST_CHECK int rsm_manager_start_time(struct rsm_manager *manager, struct rsm_err *err);
void rsm_manager_stop_time(struct rsm_manager *manager);

/* ---- manager_item.c: work items, with the lock ---- */

/* Somebody waits for it from now on, perhaps for another reason than who does already. */
void rsm_item_waits_locked(struct rsm_cartridge *cartridge);
/* Somebody does not any more: what the item says of it is true of who still does; or it ends. */
void rsm_item_unwanted_locked(struct rsm_cartridge *cartridge);
void rsm_item_begins_locked(struct rsm_cartridge *cartridge);
/* Another drive is to try it. */
void rsm_item_goes_back_locked(struct rsm_cartridge *cartridge, const char *why);
void rsm_item_ends_locked(struct rsm_cartridge *cartridge, enum rsm_work_state state,
			  const char *text);
/* Without the lock: a cleaning that waits. -EACCES: it is under way. */
RSM_MUST_CHECK int rsm_item_cancel_clean(struct rsm_manager *manager, int64_t item,
					 struct rsm_err *err);
/* Without the lock, by the worker. Returns the item, or 0. */
int64_t rsm_item_begin_dismount(struct rsm_cartridge *cartridge);
void rsm_item_end_dismount(struct rsm_drive_worker *worker, int64_t id, int r,
			   const struct rsm_err *err);

/* ---- cartridge.c: the table ---- */

/* Queues a read of the medium, or completes it at once; gives up one that waits. By way of the
 * owner of read->content. */
void rsm_cartridge_queue_read(struct rsm_manager *manager, struct rsm_medium_read *read);
void rsm_cartridge_cancel_read(struct rsm_manager *manager, struct rsm_medium_read *read);
/* A file whose bytes are on it is open, or none is any more. */
void rsm_cartridge_want_read(struct rsm_cartridge *cartridge, bool soon);

/* Finds or makes the entry and takes a reference. Outcome RSM_MANAGER_ABSENT. Without the lock. */
RSM_MUST_CHECK int rsm_cartridge_ref(struct rsm_manager *manager, int64_t medium,
				     struct rsm_cartridge **ret_cartridge, struct rsm_err *err);
void rsm_cartridge_unref(struct rsm_cartridge *cartridge);
/* The same under the lock, without a reference. */
RSM_MUST_CHECK int rsm_cartridge_get_locked(struct rsm_manager *manager, int64_t medium,
					    struct rsm_cartridge **ret_cartridge,
					    struct rsm_err *err);
/* Its medium was deallocated: the entry and its contents go with the last reference. */
void rsm_cartridge_detach_locked(struct rsm_cartridge *cartridge);

/* ---- cartridge_table.c ---- */

void rsm_cartridge_table_init(struct rsm_manager *manager);
/* The entry of the other side, with a reference; NULL: it has one side. */
struct rsm_cartridge *rsm_cartridge_ref_other_side(const struct rsm_cartridge *cartridge);
struct rsm_cartridge *rsm_cartridge_find_locked(struct rsm_manager *manager, int64_t medium);
void rsm_cartridge_add_locked(struct rsm_cartridge *cartridge);
/* Takes it out and frees it; its contents are closed. */
void rsm_cartridge_remove_locked(struct rsm_cartridge *cartridge);

/* Opens the contents of the volume `uuid` (made if missing). Outcome MUST_MOUNT: `make` is false
 * and there are none, or they are unread. */
RSM_MUST_CHECK int rsm_cartridge_open_content(struct rsm_cartridge *cartridge, const char *uuid,
					      bool make, struct rsm_err *err);
/* Nothing was ever read into its contents from the medium, nor put there: they are being read just
 * now, or a crash came before. What they lack says nothing of the medium. The caller has a
 * reference.
 */
bool rsm_cartridge_is_unread(struct rsm_cartridge *cartridge);
/* Closes them; nobody but the caller may have a reference. `remove`: the staging folder goes as
 * well. With the lock. */
void rsm_cartridge_close_content_locked(struct rsm_cartridge *cartridge, bool remove);
/* When the index of a dirty volume is to be written; 0: at its dismount. */
int64_t rsm_cartridge_index_time(const struct rsm_cartridge *cartridge, int64_t now);
/* Closes what has not been used for long. */
void rsm_cartridge_tidy(struct rsm_manager *manager);
/* Folder of a volume's index and staged data. */
void rsm_cartridge_folder(const struct rsm_manager *manager, const char *uuid, char *ret_path,
			  size_t size);
/* Notes in the table what the contents say: staged files, dirty index. With the lock. */
void rsm_cartridge_note_work_locked(struct rsm_cartridge *cartridge);
/* Wakes the workers; since_ns is set for a cartridge that waits now. With the lock. */
void rsm_cartridge_wanted_locked(struct rsm_cartridge *cartridge);
/* Somebody does not want it any more: when nobody else does either, it does not wait. With the
 * lock. */
void rsm_cartridge_unwanted_locked(struct rsm_cartridge *cartridge);
/* Takes all reads and mount requests out and answers them, without the lock. */
void rsm_cartridge_fail_requests(struct rsm_cartridge *cartridge, int r, const struct rsm_err *err);
/* Answers the mount requests that its drive fulfils. By its worker. */
void rsm_cartridge_complete_mounts(struct rsm_cartridge *cartridge);

/* ---- manager_catalog.c ---- */

/* A catalogue that is new gets from the last automatic export what no medium tells: empty pools,
 * and cartridges that are not here. Behind the first inventory.
 */
void rsm_manager_restore_catalog(struct rsm_manager *manager);
/* The housekeeper's: the automatic export, cartridges that are due. */
void rsm_manager_keep_catalog(struct rsm_manager *manager);

/* ---- manager_allocate.c: who waits for a cartridge ---- */

/* One request a pool, however many wait: the last of them ends what is open, also what another one
 * raised who has gone since. Whoever comes just then waits for that, and asks anew: else he would
 * share the request, and take its end for an answer.
 */
struct rsm_media_waiter {
	struct rsm_list link; /* [lock] in manager->allocations */
	int64_t pool;	      /* [const] while it waits */
	bool ends;	      /* [lock] it is the last one, and about to end what is open */
};
/* Before it asks. */
void rsm_media_waiter_join(struct rsm_manager *manager, struct rsm_media_waiter *waiter);
/* satisfied: it has what it waited for; else the request, if it was the last, ends as refused. */
void rsm_media_waiter_part(struct rsm_manager *manager, struct rsm_media_waiter *waiter,
			   bool satisfied);

/* ---- manager_library.c ---- */

RSM_MUST_CHECK int rsm_library_open_all(struct rsm_manager *manager, struct rsm_err *err);
void rsm_library_close_all(struct rsm_manager *manager);
/* Asks the changer for its elements and reconciles. */
RSM_MUST_CHECK int rsm_library_inventory(struct rsm_library *library, struct rsm_err *err);
void rsm_library_poll(struct rsm_library *library);
/* Is the robot ready, and has anybody been at it? Outcomes RSM_CHANGER_CHANGED, an inventory is to
 * be taken; RSM_CHANGER_NOT_READY, its door is open (a person is asked to close it in time).
 */
RSM_MUST_CHECK int rsm_library_look_at_door(struct rsm_library *library, struct rsm_err *err);
/* Waits until the door is closed and an inventory was taken. -EAGAIN: the manager stops. */
RSM_MUST_CHECK int rsm_library_await_ready(struct rsm_library *library, struct rsm_err *err);
/* Moves a cartridge and notes where it is. -ENOMEDIUM, -EEXIST: source empty, destination full; an
 * inventory has set that right. -EAGAIN: the door is open. */
RSM_MUST_CHECK int rsm_library_move(struct rsm_library *library, const struct rsm_medium *medium,
				    enum rsm_location_kind from, uint32_t source,
				    enum rsm_location_kind to, uint32_t destination,
				    struct rsm_err *err);
/* The home slot if it is empty, else another empty one that is nobody's home. */
RSM_MUST_CHECK int rsm_library_choose_slot(struct rsm_library *library,
					   const struct rsm_medium *medium, uint32_t *ret_slot,
					   struct rsm_err *err);
/* Takes one from its port to a free slot. -ENOSPC: there is none. */
RSM_MUST_CHECK int rsm_library_inject(struct rsm_library *library, struct rsm_medium *medium,
				      struct rsm_err *err);
/* Slots or ports are full: a person is asked to do something about it. */
void rsm_library_ask_for_room(struct rsm_library *library, const char *why);
/* There was room after all: nobody is asked any more. */
void rsm_library_found_room(struct rsm_library *library);
/* A cartridge has come or gone: what waits for one that is not there any more is told. */
void rsm_manager_note_presence(struct rsm_manager *manager, struct rsm_cartridge *cartridge);
/* As rsm_manager_dismount_wait; force: also while it is in use. */
RSM_MUST_CHECK int rsm_manager_send_home(struct rsm_manager *manager, int64_t medium, bool deferred,
					 bool force, const atomic_bool *cancel,
					 struct rsm_err *err);
/* Staged data and label work of the medium are due at once. */
void rsm_manager_want_work_now(struct rsm_manager *manager, int64_t medium);
void rsm_manager_want_label(struct rsm_manager *manager, int64_t medium, unsigned delay_ms);
/* Label work that the last run left: the next so many. labels_taken_up: that was all. */
RSM_MUST_CHECK int rsm_manager_take_up_labels(struct rsm_manager *manager, struct rsm_err *err);
/* What an import took out of Import is to bear its owner; its contents accept changes from now on.
 */
void rsm_manager_apply_labels(struct rsm_manager *manager);
/* Staging folders that an earlier run left: their media are wanted for writing. Once. */
void rsm_manager_adopt_staged(struct rsm_manager *manager);
/* In use: an open file, or bytes on their way. Label work is not a use, nor is lying in a drive. */
bool rsm_manager_in_use_locked(const struct rsm_cartridge *cartridge);
/* Something that the index root repeats has changed: it is written when there is time. */
void rsm_manager_label_changed(struct rsm_manager *manager, int64_t medium);
/* manager_undelete.c: what a deallocated volume left in the staging area goes, unless its drive has
 * just read it from the medium. -EBUSY: somebody has it open yet. _tidy: what a death left there,
 * before anything is opened.
 */
RSM_MUST_CHECK int rsm_manager_drop_leftover(struct rsm_manager *manager, const char *uuid,
					     struct rsm_err *err);
void rsm_manager_tidy_leftovers(struct rsm_manager *manager);
uint64_t rsm_manager_nominal_capacity(struct rsm_manager *manager, const struct rsm_medium *medium);
struct rsm_library *rsm_library_find(struct rsm_manager *manager, int64_t id);
/* "slot 1001", "drive 256", "port 10", "offline". */
void rsm_location_text(enum rsm_location_kind kind, uint32_t element, char ret_text[32]);

#endif
