/* cartridge.h - a medium that somebody is interested in: its contents, what it has to be mounted
 * for, and the drive that has it.
 *
 * The manager keeps a table of them by medium id; one is made when the medium is first asked for
 * and goes when nobody uses it. All fields marked [lock] belong to the manager's lock.
 */
#ifndef RSM_CORE_CARTRIDGE_H
#define RSM_CORE_CARTRIDGE_H

#include "core/manager.h"

struct rsm_drive_worker;

/* Where a cartridge stands with regard to a drive.
 *
 *   AWAY -> FETCHING -> LOADED -> LEAVING -> AWAY
 *   AWAY: in its slot, or nowhere. FETCHING: the robot or the drive is at it; a crash here leaves
 * it in its slot or in the drive. LOADED: the worker reads and writes it. LEAVING: what is staged
 *   has been written, index and MAM follow, then it goes home. Only its drive's worker moves it on.
 */
enum rsm_cartridge_state {
	RSM_CARTRIDGE_AWAY,
	RSM_CARTRIDGE_FETCHING,
	RSM_CARTRIDGE_LOADED,
	RSM_CARTRIDGE_LEAVING
};

struct rsm_cartridge {
	struct rsm_list link;	   /* [lock] in the manager's table */
	struct rsm_list by_medium; /* [lock] in its bucket there */
	struct rsm_manager *manager;
	int64_t id;			/* of the medium: of one of its sides */
	int64_t physical;		/* [const] of what both sides are on; 0: not known */
	unsigned side;			/* [const] 0; 1: the robot turns it over for it */
	char barcode[RSM_BARCODE_SIZE]; /* [const] for messages; the shown name */
	int64_t library;		/* [lock] 0: off-line */
	char media_type[RSM_TYPE_SIZE]; /* [lock] as the catalogue has it */
	bool unknown;			/* [lock] no drive has said yet what it is */
	bool incompatible;		/* [lock] no drive here can use it */
	bool worm;			/* [lock] it is written once */
	uint64_t refused;		/* [lock] kinds of drives that gave it back (drive_fit.c) */
	unsigned references;		/* [lock] */
	int64_t idle_since_ns;		/* [lock] */

	struct rsm_content *content; /* [lock] NULL until somebody opened it */
	char uuid[RSM_GUID_SIZE];    /* [lock] of the volume that `content` is about */

	enum rsm_cartridge_state state;	 /* [lock] */
	struct rsm_drive_worker *worker; /* [lock] unless AWAY */
	int64_t loaded_at_ns;		 /* [lock] */

	/* what it is wanted for */
	struct rsm_list reads;	   /* [lock] rsm_medium_read, unordered */
	struct rsm_list mounts;	   /* [lock] rsm_mount_request */
	struct rsm_list works;	   /* [lock] volume_work.c's */
	unsigned syncs;		   /* [lock] waiters of rsm_manager_sync_wait */
	int64_t read_soon_ns;	   /* [lock] 0, or since when a file is open whose data are on it */
	uint64_t expired_node;	   /* [lock] whose read was waited for in vain last */
	int64_t expired_ns;	   /* [lock] and when */
	int64_t asked_ns;	   /* [lock] 0, or since when who did not wait asked for a mount */
	uid_t asked_by;		   /* [lock] who that was */
	int64_t migrate_at_ns;	   /* [lock] 0: nothing staged that we know of */
	int64_t migrate_latest_ns; /* [lock] the quiet time is not waited for beyond this */
	int64_t label_at_ns;	   /* [lock] 0: no label work */
	int64_t index_at_ns;	   /* [lock] 0: not dirty; else when the index is written */
	bool identify;		   /* [lock] its label is to be read, whenever a drive has time */
	bool counted;		   /* [lock] so a full inventory wants it */
	unsigned counted_number;   /* [lock] which one wanted it last */
	bool held;		   /* [lock] rsm mount: stays until rsm dismount */
	bool leave;		   /* [lock] rsm dismount, eject: go home now */
	bool give_out;		   /* [lock] out of a stand-alone drive, too */
	int64_t hand_library;	   /* [lock] into whose drive a person is asked to put it, or 0 */
	int64_t hand_request;	   /* [lock] that asks him, or 0 */
	int64_t hand_asked_ns;	   /* [lock] since when he was, until it was fetched */
	int64_t hand_told_ns;	   /* [lock] when another one came instead, which he was told */
	int64_t paused_until_ns;   /* [lock] no drive fetches it before, whoever wants it */
	bool disk_was_full;	   /* [lock] no room on it to open this one; until it is loaded */
	int64_t refused_until_ns;  /* [lock] the operator said no to who has it open */
	int64_t stay_until_ns;	   /* [lock] 0; else fetched to be looked at, goes home then */
	bool disabled;		   /* [lock] the medium, by rsm disable */
	bool ejected;		   /* [lock] it was put into a port for a person to take */
	bool abandoned;		   /* [lock] deallocated while in a drive: leave without an index */
	bool discard;		   /* [lock] and its contents go when nobody has them any more */
	atomic_bool
		tree_read; /* its contents are known to be more than a tree made to be read into */
	bool detached;	   /* [lock] so does the entry: the medium's next user has another */
	bool renew;	   /* [lock] the volume changed under it (allocation): open again */
	int64_t since_ns;  /* [lock] since when it waits for a drive, 0: it does not */
	int64_t bias_ns;   /* [lock] by how much rsm queue first, last moved it */
	int priority;	   /* [lock] user.rsm.priority of the medium */
	bool elsewhere;	   /* [lock] its work goes on as soon as it can be in another drive */
	uint32_t avoid;	   /* [lock] the drive that could not do its work, or 0 */
	uint64_t leave_before;	  /* [lock] it leaves when what was closed before is on it; 0: no */
	bool leave_done;	  /* [lock] that is so */
	int64_t work_item;	  /* [lock] of its waiting and fetching, or 0 */
	const char *work_reason;  /* [lock] what that says it waits for */
	uid_t work_user;	  /* [lock] and who */
	unsigned departures;	  /* [lock] how often it went home */
	unsigned kept_home;	  /* [lock] by so many who are about to eject it */
	int64_t retry_at_ns;	  /* [lock] after a failure nothing but requests fetch it before */
	unsigned failures;	  /* [lock] in a row */
	unsigned strays;	  /* [lock] times in a row that another one lay in its place */
	bool full;		  /* [lock] no more data fit */
	unsigned write_steps;	  /* [lock] so often a drive has begun to write to it */
	bool stream;		  /* [lock] an open file has much to write */
	uint64_t futile_bytes;	  /* [lock] that waited, but a migration found none of them */
	int64_t futile_at_ns;	  /* [lock] when that was */
	uint64_t unindexed_bytes; /* [lock] written since the last index: staged still */
	bool committing;	  /* [lock] its index is being written, and what follows it */
	uint64_t safe_order;	  /* [lock] files closed up to this one are in an index on it */
	/* its copy (copy.h) */
	bool copy_known;       /* [lock] the next one is so; asked for with the first read */
	int64_t copy;	       /* [lock] medium, 0: it has none */
	int64_t copy_version;  /* [lock] of the tree, that was noted last */
	int64_t copy_waits_ns; /* [lock] since when it is written to and on, or 0 */
	int64_t copy_told_ns;  /* [lock] when it was told that the copy is read */
	/* as its drive last found the volume */
	bool read_only;		 /* [lock] nothing that is staged can be written to it */
	bool unwritable;	 /* [lock] writing it has failed again and again */
	unsigned write_failures; /* [lock] in a row, of the medium */
	char reason[256];	 /* [lock] why; "": it has no volume yet */
	bool no_room;		 /* [lock] its data partition is full */
	struct rsm_err failure;	 /* [lock] why the last write failed */
	unsigned outcome_number; /* [lock] grows with each end of a fetch, success or not */
};

#endif
