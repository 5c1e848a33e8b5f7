/* drive_private.h - what the files of a drive worker share: drive_worker.c (the loop),
 * drive_fetch.c (in and out), drive_choose.c (what next), drive_step.c (the doing), drive_open.c
 * (opening it), drive_turn.c (the other side), drive_label.c (labels), drive_identify.c (what is on
 * it), drive_robot.c (robot and loading), drive_read.c (reads), drive_migrate.c (migration,
 * commits).
 */
#ifndef RSM_CORE_DRIVE_PRIVATE_H
#define RSM_CORE_DRIVE_PRIVATE_H

#include "core/block_cache.h"
#include "core/hasher.h"
#include "core/manager_private.h"
#include "core/medium_record.h"

enum { READ_AHEAD_BLOCKS = 8, WRITE_BLOCKS = RSM_HASHER_DEPTH + 1 };

/* Answers reads whose bytes are there, while the worker reads the next ones. */
struct courier {
	struct rsm_mutex lock;
	pthread_cond_t changed;
	struct rsm_list reads; /* [lock] rsm_medium_read, complete */
	bool stop;	       /* [lock] */
	bool runs;
	pthread_t thread;
};

/* Somebody who waits for a drive to be cleaned. */
struct rsm_clean_wait {
	int64_t item; /* [const] of the queue */
	bool ended;   /* [lock] */
	int r;	      /* [lock] */
	struct rsm_err err;
};

/* Of a stand-alone drive (hand.h). */
struct rsm_hand {
	/* the thread's own */
	enum { RSM_HAND_EMPTY, RSM_HAND_SEATED, RSM_HAND_LOADED } state;
	char print[128]; /* by which another cartridge is told from this one */
	bool out;	 /* what stands in it counts as taken out */
	bool troubled;	 /* it does not answer, which has been told */
	bool waited;	 /* time has passed since it was used last */

	bool given;	       /* [lock] what is in it was unloaded for a person to take */
	int64_t arrived_ns;    /* [lock] */
	int64_t idle_since_ns; /* [lock] nothing was done with what is in it */
	int64_t hold_until_ns; /* [lock] it is left to be taken */
	enum { RSM_HAND_NO_WISH, RSM_HAND_UNLOAD, RSM_HAND_AWAY } wish; /* [lock] of somebody */
	unsigned looks_wanted, looks_done;				/* [lock] */
};

struct rsm_drive_worker {
	struct rsm_manager *manager;
	struct rsm_library *library;
	struct rsm_hardware_drive *hardware;
	struct rsm_tape_drive *drive; /* used by the thread only */
	uint32_t element;
	int64_t row;   /* in the catalogue */
	char name[48]; /* "drive 256", of several libraries "drive 256 of library 2" */
	pthread_t thread;
	pthread_cond_t wake;	 /* [lock] something for this worker to look at */
	int64_t sleeps_until_ns; /* [lock] it looks again then by itself; 0: it is awake */
	int64_t stays_closed_ns; /* [lock] so long its cartridge stays from the time when nobody
				    has a file of it open, as of the last look */
	bool runs;

	enum rsm_drive_state state;	 /* [lock] */
	struct rsm_cartridge *cartridge; /* [lock] written by the thread only */
	bool enabled;			 /* [lock] */
	unsigned failures;		 /* [lock] loads in a row that failed, by its own fault */
	unsigned errors;		 /* [lock] at work, in a row, that were the drive's own */
	int64_t fetching_since_ns;	 /* [lock] 0: it lay in the drive at start */
	int64_t fetch_ns;		 /* [lock] how long that took */
	int64_t lying;			 /* [lock] who proved to be in it, until he is at home */
	bool unclean;			 /* [lock] it has said that it wants to be cleaned */
	struct rsm_clean_wait *clean;	 /* [lock] that somebody has asked for, or NULL */
	int64_t clean_retry_ns;		 /* [lock] after a failure */
	struct rsm_hand hand;		 /* of one without a robot */

	/* the thread's own */
	struct rsm_volume *volume; /* NULL: the loaded medium has none (free, foreign) */
	struct rsm_medium medium;  /* as of the load */
	struct rsm_content *held;  /* nothing is written to it until it is known whose it is */
	bool prevented;		   /* removal is */
	unsigned turns;		   /* how often it was turned over at this load */
	char other_serial[64];	   /* of the face that was seen first, if by its label it is the */
	bool other_told;	   /* other side; and whether by its memory */
	bool two_faces;		   /* the next one, by its label the other side too, is another */
	enum {
		RSM_ANOTHER_NONE,
		RSM_ANOTHER_TRADED, /* it is fetched from where that one was */
		RSM_ANOTHER_KNOWN,  /* and nobody was expected there */
	} another;		    /* who was fetched last proved to be somebody else */
	bool worked;		    /* the last step was one of volume_work.c's */
	char *buffer;		    /* of WRITE_BLOCKS blocks, written in turn */
	unsigned next_block;	    /* of them */
	uint32_t block_size;
	char head_partition; /* where the last read was */
	uint64_t head_block;
	struct rsm_hasher *hasher; /* NULL: no checksums (yet) */
	bool hasher_failed;
	struct rsm_medium_traffic told; /* of the drive; errors: of the medium, to be told */
	char *failed_file;		/* whose writing failed, or did not fit; NULL: none */
	struct rsm_block_cache cache;
	struct courier courier;
};

/* ---- drive_worker.c ---- */

/* Its place among the manager's workers, and among what the mount queue sees of them. */
size_t rsm_drive_number(const struct rsm_drive_worker *worker);
void rsm_drive_set_state(struct rsm_drive_worker *worker, enum rsm_drive_state state);

/* ---- drive_fetch.c ---- */

/* Fetches the cartridge that was picked; on failure everybody who waits for it is told. */
void rsm_drive_bring_in(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge);
/* Closes the volume and takes the cartridge home. */
void rsm_drive_send_out(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge);
/* Reports it; the cartridge goes home, and its work waits a while. */
void rsm_drive_write_failed(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			    struct rsm_err *err);
void rsm_drive_note_label_work_locked(struct rsm_cartridge *cartridge);
/* Was it the drive's own fault, and could another one do it? Then this one is avoided. */
bool rsm_drive_try_elsewhere_locked(struct rsm_drive_worker *worker,
				    struct rsm_cartridge *cartridge, const struct rsm_err *err);
void rsm_drive_note_success(struct rsm_drive_worker *worker);
/* Which file it was that could not be written, for who tells of it. Takes `path`; NULL: none. */
void rsm_drive_note_file(struct rsm_drive_worker *worker, char *path);

/* ---- drive_choose.c, drive_step.c ---- */

enum rsm_drive_step {
	RSM_STEP_WAIT,
	RSM_STEP_READ,
	RSM_STEP_MOUNTS,
	RSM_STEP_LABEL,
	RSM_STEP_MIGRATE,
	RSM_STEP_INDEX,
	RSM_STEP_WORK,
	RSM_STEP_LEAVE
};
/* What to do next, or when to look again. */
enum rsm_drive_step rsm_drive_choose_locked(struct rsm_drive_worker *worker,
					    struct rsm_cartridge *cartridge, int64_t *ret_until);
void rsm_drive_do_step(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		       enum rsm_drive_step step);

/* ---- drive_open.c ---- */

/* Brings the cartridge into the drive, reads its label, opens its volume. On failure it is back
 * home (or its location tells where it is).
 */
RSM_MUST_CHECK int rsm_drive_fetch(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
				   struct rsm_err *err);
/* Opens the volume anew (after an allocation of the loaded medium). */
RSM_MUST_CHECK int rsm_drive_renew(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
				   struct rsm_err *err);
/* Puts the identity that goes on the medium together; strings live as long as *storage. */
struct drive_identity {
	struct rsm_volume_identity identity;
	struct rsm_medium medium;
	char *pool, *acl;
	char copy_of[RSM_GUID_SIZE];
};
RSM_MUST_CHECK int rsm_drive_identity(struct rsm_drive_worker *worker, int64_t medium,
				      struct drive_identity *ret_identity, struct rsm_err *err);
void rsm_drive_identity_fini(struct drive_identity *identity);
/* False when name, pool, owner ... changed while they were being written: that is done once more.
 */
bool rsm_drive_identity_is_current(struct rsm_drive_worker *worker, int64_t medium,
				   const struct drive_identity *written);
/* What the volume tells of itself goes to the catalogue and to the contents' room. */
void rsm_drive_note_status(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			   bool loaded);
/* What has passed through the drive goes to the medium's record. */
void rsm_drive_note_traffic(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge);
/* A medium error that a read or write met: the catalogue remembers it as the medium's health. */
void rsm_drive_note_error(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			  bool writing, const struct rsm_err *failure);

struct rsm_ltfs_label;
/* Its volume becomes the worker's. -EBADMSG: there is none that could be opened. */
RSM_MUST_CHECK int rsm_drive_mount_ltfs(struct rsm_drive_worker *worker,
					struct rsm_cartridge *cartridge,
					const struct rsm_ltfs_label *label, struct rsm_err *err);

/* ---- drive_label.c ---- */

struct rsm_ltfs_probe;
/* Is it what a labelling of ours was writing when it was cut short? */
bool rsm_drive_is_own_remains(struct rsm_drive_worker *worker, const struct rsm_ltfs_probe *probe);
/* Formats it, or writes the free label, as worker->medium demands. -EMEDIUMTYPE: what is on it may
 * not be overwritten.
 */
RSM_MUST_CHECK int rsm_drive_do_label_work(struct rsm_drive_worker *worker,
					   struct rsm_cartridge *cartridge,
					   const struct rsm_ltfs_probe *probe, struct rsm_err *err);
/* The free label over such remains; *probe is what is on it then. */
RSM_MUST_CHECK int rsm_drive_clean_up_label(struct rsm_drive_worker *worker,
					    struct rsm_ltfs_probe *probe, struct rsm_err *err);

/* ---- drive_identify.c ---- */

enum { RSM_KEY_MEDIUM_ERROR = 0x03 }; /* a sense key */
/* The newest that is known of the root's key; NULL: it has none. The caller frees. */
char *rsm_drive_root_key(struct rsm_volume_index *index, const char *name);
/* What is on it goes to the catalogue; unreadable: why it cannot be told. -ENOENT: it is somebody
 * else, who has come back; it goes home as such, and nothing is read from or written to it.
 */
RSM_MUST_CHECK int rsm_drive_note_identification(struct rsm_drive_worker *worker,
						 struct rsm_cartridge *cartridge,
						 const struct rsm_ltfs_probe *probe,
						 const char *unreadable, struct rsm_err *err);
/* The label could not be read: noted when that is the medium's fault. */
void rsm_drive_note_unreadable(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			       const struct rsm_err *failure);
/* Does it bear the label of somebody else than who it was taken for? Outcome 1: it does. Also: it
 * may keep what is written to it from coming in, until _let_write. -EBUSY: it cannot be told now.
 */
RSM_MUST_CHECK int rsm_drive_is_stranger(struct rsm_drive_worker *worker,
					 struct rsm_cartridge *cartridge,
					 const struct rsm_ltfs_probe *probe, struct rsm_err *err);
void rsm_drive_let_write(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge);
/* Then the catalogue learns it, and the one that was meant is looked for. -EMEDIUMTYPE; nothing is
 * read from or written to the medium.
 */
RSM_MUST_CHECK int rsm_drive_turn_away(struct rsm_drive_worker *worker,
				       struct rsm_cartridge *cartridge,
				       const struct rsm_ltfs_probe *probe, struct rsm_err *err);

/* ---- drive_robot.c ---- */

/* Has the robot put it into the drive, wherever it is, and what lies there away. */
RSM_MUST_CHECK int rsm_drive_bring(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
				   struct rsm_err *err);
RSM_MUST_CHECK int rsm_drive_load(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
				  struct rsm_err *err);
/* Unloads and has the robot take it to its slot. What should be on the medium is. */
RSM_MUST_CHECK int rsm_drive_take_home(struct rsm_drive_worker *worker,
				       struct rsm_cartridge *cartridge, struct rsm_err *err);
/* What lies in it but is not `wanted` (0: whatever it is) goes home. */
RSM_MUST_CHECK int rsm_drive_clear(struct rsm_drive_worker *worker, int64_t wanted,
				   struct rsm_err *err);

/* ---- drive_turn.c: cartridges with two sides ---- */

enum { RSM_OTHER_SIDE = 1 };
/* Outcome OTHER_SIDE: by its label, or else by its memory, that is what is under the head, and the
 * catalogue knows it now.
 */
RSM_MUST_CHECK int rsm_drive_check_side(struct rsm_drive_worker *worker,
					const struct rsm_ltfs_probe *probe, struct rsm_err *err);
/* Has it turned over, and loads it again. Nothing was written to it. */
RSM_MUST_CHECK int rsm_drive_turn_over(struct rsm_drive_worker *worker,
				       struct rsm_cartridge *cartridge, struct rsm_err *err);

/* ---- drive_clean.c ---- */

/* Asks the drive whether it wants to be cleaned. */
void rsm_drive_look_at_alerts(struct rsm_drive_worker *worker);
/* An empty drive has to do that next. */
bool rsm_drive_is_to_be_cleaned_locked(const struct rsm_drive_worker *worker);
/* Its state is CLEANING, and its library's `cleaning` is set. */
void rsm_drive_do_clean(struct rsm_drive_worker *worker);

/* ---- volume_work.c ---- */

/* What was found wrong with the volume, or put right since, goes to the events, each once. */
void rsm_drive_tell_findings(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge);
/* Does a step of the first piece of work that the cartridge has. */
void rsm_drive_do_work(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge);
/* The cartridge leaves: what is not done will not be. With the lock. */
void rsm_drive_fail_works_locked(struct rsm_cartridge *cartridge);

/* ---- drive_facts.c ---- */

/* What the drive says of the loaded cartridge: its type, whether it is write-protected and written
 * once, where it comes from. Into worker->medium and the catalogue, before anything is read of it.
 */
RSM_MUST_CHECK int rsm_drive_note_facts(struct rsm_drive_worker *worker,
					struct rsm_cartridge *cartridge, struct rsm_err *err);
/* The drive cannot use the cartridge in it, and has said so in `err`: a cleaning cartridge, one for
 * other drives, or for none here. Returns -EMEDIUMTYPE, with the reason as far as it is known.
 */
RSM_MUST_CHECK int rsm_drive_note_refusal(struct rsm_drive_worker *worker,
					  struct rsm_cartridge *cartridge, struct rsm_err *err);

/* An attribute of the memory of the cartridge in the drive, without padding; "": it has none. */
void rsm_drive_read_text(struct rsm_drive_worker *worker, uint16_t id, char *ret_text, size_t size);
/* Its maker and serial number, as one text; "": it does not tell. */
void rsm_drive_read_serial(struct rsm_drive_worker *worker, char *ret_serial, size_t size);

/* ---- drive_read.c ---- */

/* The next read in the direction of the tape, from where the head is, or NULL: none. */
struct rsm_medium_read *rsm_drive_next_read(const struct rsm_list *reads, uint32_t block_size,
					    char head_partition, uint64_t head_block);
void rsm_drive_serve_reads(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge);
/* True when a block was read ahead. */
bool rsm_drive_read_ahead(struct rsm_drive_worker *worker);
/* Another medium, or none: forgets the cached blocks, makes room for blocks of that size (0: none).
 */
RSM_MUST_CHECK int rsm_drive_cache_reset(struct rsm_drive_worker *worker, uint32_t block_size,
					 struct rsm_err *err);
void rsm_courier_init(struct courier *courier);
RSM_MUST_CHECK int rsm_courier_start(struct rsm_drive_worker *worker, struct rsm_err *err);
/* When no more reads come: returns when all have been answered. */
void rsm_courier_stop(struct courier *courier);
void rsm_courier_fini(struct courier *courier);

/* ---- drive_migrate.c ---- */

/* Writes a batch of staged files; false: nothing was there to write. */
RSM_MUST_CHECK int rsm_drive_migrate(struct rsm_drive_worker *worker,
				     struct rsm_cartridge *cartridge, bool *ret_wrote,
				     struct rsm_err *err);
RSM_MUST_CHECK int rsm_drive_commit(struct rsm_drive_worker *worker,
				    struct rsm_cartridge *cartridge, enum rsm_volume_commit what,
				    struct rsm_err *err);

#endif
