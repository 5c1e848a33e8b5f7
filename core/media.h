/* media.h - cartridges: the physical medium, its side, and the logical medium while it is allocated
 * (rsm-model.md 2 and 3), merged into one record for those who look.
 *
 * One-sided media (tapes) have one side, others two (side.c); `id` is the side's, 24 bits, never
 * reused: it is the volume number in inode numbers. The state belongs to the side.
 */
#ifndef RSM_CORE_MEDIA_H
#define RSM_CORE_MEDIA_H

#include "core/pool.h"

enum rsm_medium_state { /* a side's state, numbers of NTMS_PARTSTATE */
			RSM_MEDIUM_UNKNOWN = 0,
			RSM_MEDIUM_UNPREPARED = 1,
			RSM_MEDIUM_INCOMPATIBLE = 2,
			RSM_MEDIUM_DECOMMISSIONED = 3,
			RSM_MEDIUM_AVAILABLE = 4,
			RSM_MEDIUM_ALLOCATED = 5,
			RSM_MEDIUM_COMPLETE = 6,
			RSM_MEDIUM_FOREIGN = 7, /* shown as "unrecognized" */
			RSM_MEDIUM_IMPORT = 8,
			RSM_MEDIUM_RESERVED = 9,
};
const char *rsm_medium_state_name(enum rsm_medium_state state); /* "allocated" ... */

enum rsm_location_kind {
	RSM_AT_OFFLINE = 0,
	RSM_AT_SLOT = 2, /* numbers of SMC element types */
	RSM_AT_PORT = 3,
	RSM_AT_DRIVE = 4,
};

/* What is still to be written on the medium besides contents (label work, queued). */
enum rsm_label_work {
	RSM_LABEL_NONE = 0,
	RSM_LABEL_FORMAT = 1, /* freshly allocated: an LTFS volume with volume_uuid is to be made */
	RSM_LABEL_UPDATE =
		2, /* name, pool, owner, mode ... changed: the index root's keys are stale */
	RSM_LABEL_FREE = 3, /* the free label is to be written (rsm free) */
};

struct rsm_medium {
	int64_t id;	  /* the side's */
	int64_t physical; /* the cartridge's: its sides share it */
	unsigned side;	  /* 0, or 1: the robot turns it over for that one */
	char guid[RSM_GUID_SIZE];
	char barcode[RSM_BARCODE_SIZE]; /* "" if none */
	char shown[RSM_NAME_SIZE]; /* name in system pools and tables: barcode, BC~2, or a number */
	char media_type[RSM_TYPE_SIZE];
	int64_t pool;
	enum rsm_medium_state state;
	bool enabled;
	bool cleaner; /* in no pool */

	int64_t library;
	enum rsm_location_kind location;
	uint32_t element;   /* address at location */
	uint32_t home_slot; /* 0: none */

	char label_type[RSM_NAME_SIZE]; /* "LTFS", "RSMFS FREE", "ANSI VOL1", "blank" ... "" unknown
					 */
	char label_info[RSM_NAME_SIZE]; /* for people */
	char volume_uuid[RSM_GUID_SIZE]; /* of the LTFS volume that is, or is to be, on it; "" none
					  */
	char old_uuid[RSM_GUID_SIZE];	 /* contents that a deallocation left on it (undelete) */
	enum rsm_label_work label_work;
	uint32_t format_generation; /* grows with each allocation but of a volume that is kept: FUSE
				       generation */
	uint64_t index_generation;  /* of the LTFS index last read or written */
	uint64_t capacity, remaining; /* bytes of the data partition; 0 unknown */
	uint32_t mounts, allocations;
	bool write_protected;
	char health[RSM_NAME_SIZE]; /* "good", or what is wrong */
	bool duplicate;		    /* another medium here bears the same volume uuid: read-only */

	/* the logical medium; lmid "" unless allocated or complete */
	char lmid[RSM_GUID_SIZE];
	char name[RSM_NAME_SIZE];
	uint32_t mode, owner, group;
	struct timespec created, modified, changed; /* of the cartridge's folder */
	int32_t priority;
};

enum rsm_medium_outcome { RSM_MEDIUM_ABSENT = 1 };

RSM_MUST_CHECK int rsm_medium_get(struct rsm_catalog *catalog, int64_t id,
				  struct rsm_medium *ret_medium, struct rsm_err *err); /* ABSENT */
/* By its name in the tree: allocated media of an application pool by logical name, media of system
 * pools by `shown`.
 */
RSM_MUST_CHECK int rsm_medium_find(struct rsm_catalog *catalog, int64_t pool, const char *name,
				   struct rsm_medium *ret_medium, struct rsm_err *err); /* ABSENT */
RSM_MUST_CHECK int rsm_medium_find_barcode(struct rsm_catalog *catalog, const char *barcode,
					   struct rsm_medium *ret_medium,
					   struct rsm_err *err); /* ABSENT */
/* -EINVAL: several cartridges bear the barcode, so it names none of them. */
RSM_MUST_CHECK int rsm_medium_check_twins(struct rsm_catalog *catalog, const char *barcode,
					  struct rsm_err *err);
RSM_MUST_CHECK int rsm_medium_find_uuid(struct rsm_catalog *catalog, const char *volume_uuid,
					struct rsm_medium *ret_medium,
					struct rsm_err *err); /* ABSENT */
/* By the maker and serial number in the cartridge's memory, when its id follows from them. */
RSM_MUST_CHECK int rsm_medium_find_serial(struct rsm_catalog *catalog, const char *serial,
					  struct rsm_medium *ret_medium,
					  struct rsm_err *err); /* ABSENT */
RSM_MUST_CHECK int rsm_medium_at(struct rsm_catalog *catalog, int64_t library,
				 enum rsm_location_kind location, uint32_t element,
				 struct rsm_medium *ret_medium, struct rsm_err *err); /* ABSENT */

/* Names in the tree (see _find) in order behind `after`; pool 0: every medium, by id behind
 * `after_id`. `each` returns false to stop; called under the lock, must not call back.
 */
typedef bool rsm_medium_each(void *context, const struct rsm_medium *medium);
RSM_MUST_CHECK int rsm_medium_list(struct rsm_catalog *catalog, int64_t pool, const char *after,
				   rsm_medium_each *each, void *context, struct rsm_err *err);
RSM_MUST_CHECK int rsm_medium_list_all(struct rsm_catalog *catalog, int64_t after_id,
				       rsm_medium_each *each, void *context, struct rsm_err *err);
/* Media of a pool in any state (also available ones, which are no names in the tree), by shown name
 * behind `after`.
 */
RSM_MUST_CHECK int rsm_medium_list_pool(struct rsm_catalog *catalog, int64_t pool,
					const char *after, rsm_medium_each *each, void *context,
					struct rsm_err *err);
/* Those that the catalogue has in drives of the library. */
RSM_MUST_CHECK int rsm_medium_list_in_drives(struct rsm_catalog *catalog, int64_t library,
					     rsm_medium_each *each, void *context,
					     struct rsm_err *err);
/* Logical media of that name, in whatever pool. */
RSM_MUST_CHECK int rsm_medium_list_named(struct rsm_catalog *catalog, const char *name,
					 rsm_medium_each *each, void *context, struct rsm_err *err);
/* By the LMID of an allocated one, or a side's id. Outcome RSM_MEDIUM_ABSENT. */
RSM_MUST_CHECK int rsm_medium_find_id(struct rsm_catalog *catalog, const char *id,
				      struct rsm_medium *ret_medium, struct rsm_err *err);
/* Media that have label work to be done and are in the library, by id behind `after` (0: all). */
RSM_MUST_CHECK int rsm_medium_list_label_work(struct rsm_catalog *catalog, int64_t after,
					      rsm_medium_each *each, void *context,
					      struct rsm_err *err);

enum {
	RSM_MEDIUM_SET_MODE = 1 << 0,
	RSM_MEDIUM_SET_OWNER = 1 << 1,
	RSM_MEDIUM_SET_GROUP = 1 << 2,
	RSM_MEDIUM_SET_PRIORITY = 1 << 3,
	RSM_MEDIUM_SET_MODIFIED = 1 << 4,
};
/* Writes what `what` names, and when it was changed, of an allocated medium, and label work UPDATE
 * unless FORMAT waits. *medium is the row then. -EINVAL: that allocation has ended.
 */
RSM_MUST_CHECK int rsm_medium_change_logical(struct rsm_catalog *catalog, struct rsm_medium *medium,
					     unsigned what, struct rsm_err *err);

/* Where it is now; a move into a slot makes that its home. */
RSM_MUST_CHECK int rsm_medium_set_location(struct rsm_catalog *catalog, int64_t id, int64_t library,
					   enum rsm_location_kind location, uint32_t element,
					   struct rsm_err *err);

/* It was put into a port for a person to take; so it is until it is somewhere else. */
RSM_MUST_CHECK int rsm_medium_set_ejected(struct rsm_catalog *catalog, int64_t id, bool ejected,
					  struct rsm_err *err);
bool rsm_medium_is_ejected(struct rsm_catalog *catalog, int64_t id);

/* What a load found out: counts a mount; capacity, remaining, write_protected, index_generation,
 * health as in *medium.
 */
RSM_MUST_CHECK int rsm_medium_set_loaded(struct rsm_catalog *catalog,
					 const struct rsm_medium *medium, struct rsm_err *err);
/* capacity, remaining, index_generation, health, write_protected after writing. */
RSM_MUST_CHECK int rsm_medium_set_written(struct rsm_catalog *catalog,
					  const struct rsm_medium *medium, struct rsm_err *err);

/* Label work is done (or newly wanted). NONE or UPDATE after FORMAT: label_type becomes LTFS; after
 * FREE: state AVAILABLE, label_type RSMFS FREE, volume_uuid "". `expected`: only if the work is
 * still that one (else nothing happens: it was deallocated or changed meanwhile). `uuid`: and,
 * after FORMAT, if that is still the volume that it is to bear (NULL: whichever it is).
 */
RSM_MUST_CHECK int rsm_medium_set_label_work(struct rsm_catalog *catalog, int64_t id,
					     const char *uuid, enum rsm_label_work expected,
					     enum rsm_label_work work, struct rsm_err *err);

/* Before the first byte of a label, durably: from now on the medium may hold the volume `uuid`
 * (NULL: the free label), half of it, or what it held before, whatever becomes of its allocation.
 * Forgotten when _set_label_work tells that a label is there, or by _forget_labelling. Outcome 1:
 * it is not to bear that volume any more (it was deallocated), nothing was noted, and nothing is to
 * be written.
 */
RSM_MUST_CHECK int rsm_medium_begin_labelling(struct rsm_catalog *catalog, int64_t id,
					      const char *uuid, struct rsm_err *err);
/* The label is there, and nobody wants it any more. */
RSM_MUST_CHECK int rsm_medium_forget_labelling(struct rsm_catalog *catalog, int64_t id,
					       struct rsm_err *err);
/* Was such a label begun? uuid NULL: any. */
RSM_MUST_CHECK int rsm_medium_was_labelling(struct rsm_catalog *catalog, int64_t id,
					    const char *uuid, bool *ret_was, struct rsm_err *err);

RSM_MUST_CHECK int rsm_medium_set_enabled(struct rsm_catalog *catalog, int64_t id, bool enabled,
					  struct rsm_err *err);
RSM_MUST_CHECK int rsm_medium_set_health(struct rsm_catalog *catalog, int64_t id,
					 const char *health, struct rsm_err *err);

/* Writing it has failed again and again: its health tells, until it is enabled or formatted anew.
 */
#define RSM_HEALTH_UNWRITABLE "cannot be written"
bool rsm_medium_is_unwritable(const struct rsm_medium *medium);

/* The second side of a cartridge that has one known: both are shown as BC.A and BC.B from now on.
 * -EINVAL: it has two, or is allocated, or a cleaner.
 */
RSM_MUST_CHECK int rsm_medium_add_side(struct rsm_catalog *catalog, int64_t id, int64_t *ret_side,
				       struct rsm_err *err);
RSM_MUST_CHECK int rsm_medium_other_side(struct rsm_catalog *catalog, int64_t id, int64_t *ret_side,
					 struct rsm_err *err); /* ABSENT */
/* It lies in a drive with its second side under the head, as far as is known. Who was put into a
 * drive as a side (rsm_medium_set_location) has that one under the head.
 */
RSM_MUST_CHECK int rsm_medium_is_inverted(struct rsm_catalog *catalog, int64_t id, bool *ret_is,
					  struct rsm_err *err);
/* Is what is under the head, by the volume on it (NULL: it bears none) or else by the serial number
 * in its memory, the other side of `id`, and which one is that? ABSENT: no, or nothing tells.
 */
RSM_MUST_CHECK int rsm_medium_find_turned(struct rsm_catalog *catalog, int64_t id,
					  const char *volume_uuid, const char *serial,
					  int64_t *ret_side, struct rsm_err *err);

/* What the drive that it is in tells of it. */
struct rsm_medium_facts {
	const char *media_type; /* "": the drive cannot tell */
	const char *serial;	/* maker and serial number in the cartridge's memory; "": none */
};
/* Its type is the drive's word, not the barcode's: a medium of a system pool goes to the pool of
 * its type (one in an application pool stays what it was taken for). The id of a side that nobody
 * has looked at yet becomes what follows from the serial number. *ret_medium: as it is now.
 */
RSM_MUST_CHECK int rsm_medium_note_facts(struct rsm_catalog *catalog, int64_t id,
					 const struct rsm_medium_facts *facts,
					 struct rsm_medium *ret_medium, struct rsm_err *err);

/* A drive has said that it is a cleaning cartridge, whatever its barcode says. -EBUSY: allocated.
 */
RSM_MUST_CHECK int rsm_medium_set_cleaner(struct rsm_catalog *catalog, int64_t id,
					  struct rsm_medium *ret_medium, struct rsm_err *err);
/* A person says of what type it is (ntmsapi ChangeNtmsMediaType), where nothing else tells; a drive
 * that does later has the last word. It goes to the system pool of that type. -EINVAL: no such
 * type; -EBUSY: allocated; -EMEDIUMTYPE: its barcode or a drive tells, or it is in a pool of media.
 */
RSM_MUST_CHECK int rsm_medium_set_type(struct rsm_catalog *catalog, int64_t id, const char *type,
				       struct rsm_medium *ret_medium, struct rsm_err *err);

/* What identification found (rsm-model.md 5). */
enum rsm_identity {
	RSM_IS_FREE, /* the free label -> Free, AVAILABLE */
	RSM_IS_LTFS, /* an LTFS volume: known uuid -> that side; our vendor keys -> its pool again;
			else Import */
	RSM_IS_FOREIGN,	     /* anything else -> Unrecognized */
	RSM_IS_BLANK,	     /* -> Unrecognized, unless UNPREPARED in Free */
	RSM_IS_INCOMPATIBLE, /* -> Unrecognized, INCOMPATIBLE */
	RSM_IS_UNREADABLE,   /* error: -> Unrecognized, health says why; never Free */
};
struct rsm_identification {
	enum rsm_identity identity;
	const char *label_type, *label_info; /* "" if none */
	const char *volume_uuid;	     /* LTFS only */
	/* from the vendor keys of the index root; NULL where missing */
	const char *pool, *name, *lmid, *side, *state, *acl;
	const char *copy_of; /* the volume that this one follows */
	uint32_t mode, owner, group;
	bool has_owner, reserves_other;
	uint64_t index_generation, capacity, remaining;
	/* The drive that it was read in: when two have changed places, another drive may have found
	 * that out meanwhile, and the catalogue knows by now who lies there. 0: not told.
	 */
	int64_t library;
	uint32_t drive;
	/* Whoever has the volume lies in another drive, which has read his label: this one is a
	 * copy, they have not changed places.
	 */
	bool owner_is_sure;
};
/* Moves the medium to where it belongs, in one transaction; pools that its vendor keys name are
 * made again if they are gone (application pools). The label of an allocated medium that should
 * have been another volume: health says so, contents are not touched. A second medium with a known
 * uuid becomes a duplicate in Import. *ret_medium: as it is now.
 */
RSM_MUST_CHECK int rsm_medium_identified(struct rsm_catalog *catalog, int64_t id,
					 const struct rsm_identification *found,
					 struct rsm_medium *ret_medium, struct rsm_err *err);

#endif
