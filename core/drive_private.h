/* drive_private.h - what the files of a drive worker share: drive_worker.c (the loop), drive_open.c
 * (what is on the medium), drive_robot.c (fetching and taking home), drive_io.c (reads, migration,
 * commits).
 */
#ifndef RSM_CORE_DRIVE_PRIVATE_H
#define RSM_CORE_DRIVE_PRIVATE_H

#include "core/hasher.h"
#include "core/manager_private.h"

enum { CACHE_BLOCKS = 16, READ_AHEAD_BLOCKS = 8 };

struct cached_block {
	char partition; /* 0: empty */
	uint64_t block;
	size_t length;
	uint64_t stamp;
	char *data;
};

/* Recently read blocks; its lock is taken after every other and held for a memcpy. */
struct block_cache {
	struct rsm_mutex lock;
	struct cached_block blocks[CACHE_BLOCKS]; /* [lock] */
	const struct rsm_content *content;	  /* [lock] whose blocks these are */
	uint32_t block_size;			  /* [lock] 0: nothing is cached */
	uint64_t stamp;				  /* [lock] */
	char want_partition;			  /* [lock] of the last read */
	uint64_t want_block;			  /* [lock] where it ended */
};

struct rsm_drive_worker {
	struct rsm_manager *manager;
	struct rsm_library *library;
	struct rsm_hardware_drive *hardware;
	struct rsm_tape_drive *drive; /* used by the thread only */
	uint32_t element;
	int64_t row;   /* in the catalogue */
	char name[32]; /* "drive 256" */
	pthread_t thread;
	pthread_cond_t wake; /* [lock] something for this worker to look at */
	bool runs;

	enum rsm_drive_state state;	 /* [lock] */
	struct rsm_cartridge *cartridge; /* [lock] written by the thread only */
	bool enabled;			 /* [lock] */
	unsigned failures;		 /* [lock] loads in a row that failed */

	/* the thread's own */
	struct rsm_volume *volume; /* NULL: the loaded medium has none (free, foreign) */
	struct rsm_medium medium;  /* as of the load */
	bool prevented;		   /* removal is */
	bool worked;		   /* the last step was one of volume_work.c's */
	char *buffer;		   /* of two blocks, written in turn */
	bool second_half;	   /* is the one that is next */
	uint32_t block_size;
	char head_partition; /* where the last read was */
	uint64_t head_block;
	struct rsm_hasher *hasher; /* NULL: no checksums (yet) */
	bool hasher_failed;
	struct block_cache cache;
};

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
	char *pool;
};
RSM_MUST_CHECK int rsm_drive_identity(struct rsm_drive_worker *worker, int64_t medium,
				      struct drive_identity *ret_identity, struct rsm_err *err);
void rsm_drive_identity_fini(struct drive_identity *identity);
/* What the volume tells of itself goes to the catalogue and to the contents' room. */
void rsm_drive_note_status(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			   bool loaded);

/* ---- drive_robot.c ---- */

/* Has the robot put it into the drive, wherever it is, and what lies there away. */
RSM_MUST_CHECK int rsm_drive_bring(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
				   struct rsm_err *err);
RSM_MUST_CHECK int rsm_drive_load(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
				  struct rsm_err *err);
/* Unloads and has the robot take it to its slot. What should be on the medium is. */
RSM_MUST_CHECK int rsm_drive_take_home(struct rsm_drive_worker *worker,
				       struct rsm_cartridge *cartridge, struct rsm_err *err);
/* At start, before the threads: a cartridge that lies in the drive becomes the worker's; its thread
 * loads it first of all.
 */
void rsm_drive_adopt(struct rsm_drive_worker *worker);

/* ---- volume_work.c ---- */

/* Does a step of the first piece of work that the cartridge has. */
void rsm_drive_do_work(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge);
/* The cartridge leaves: what is not done will not be. With the lock. */
void rsm_drive_fail_works_locked(struct rsm_cartridge *cartridge);

/* ---- drive_io.c ---- */

void rsm_drive_serve_reads(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge);
/* True when a block was read ahead. */
bool rsm_drive_read_ahead(struct rsm_drive_worker *worker);
/* Writes a batch of staged files; false: nothing was there to write. */
RSM_MUST_CHECK int rsm_drive_migrate(struct rsm_drive_worker *worker,
				     struct rsm_cartridge *cartridge, bool *ret_wrote,
				     struct rsm_err *err);
RSM_MUST_CHECK int rsm_drive_commit(struct rsm_drive_worker *worker,
				    struct rsm_cartridge *cartridge, enum rsm_volume_commit what,
				    struct rsm_err *err);
RSM_MUST_CHECK int rsm_drive_cache_reset(struct rsm_drive_worker *worker, uint32_t block_size,
					 struct rsm_err *err);
void rsm_drive_cache_fini(struct block_cache *cache);

#endif
