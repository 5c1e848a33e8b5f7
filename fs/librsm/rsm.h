/* rsm.h - librsm: the path of a program through Removable Storage, in rsmfs' words.
 *
 * Session, allocate, mount, read and write files, dismount, deallocate; notifications; errors with
 * text. Each function names the one of ntmsapi.h that it stands for. All goes through .rsm/ctl of
 * the mount, with the rights of the calling process; the files themselves are opened under
 * rsm_path() by open(2).
 *
 * Functions return 0, a positive outcome where one is listed, or a negative errno; then *error
 * (may be NULL) has it with a line of text that names cartridge, drive and slot. They may be called
 * from several threads with one session. A call that waits is ended by a signal whose handler was
 * installed without SA_RESTART: -EINTR, and what it waited for is withdrawn. Strings that are
 * returned are the caller's, to be freed by free().
 *
 * An "object" is POOL/NAME, a path in the mount, a barcode, an LMID, or slot:N and drive:N.
 */
#ifndef RSM_H
#define RSM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RSM_VERSION_MAJOR 1
#define RSM_VERSION_MINOR 1

struct rsm_error {
	int code; /* errno, positive */
	char text[508];
};

/* ---- session: OpenNtmsSession, CloseNtmsSession ---- */

struct rsm_session;

/* mountpoint NULL: the environment's RSM_MOUNT, else the only rsmfs that is mounted. -ENOTCONN:
 * there is none. -EINVAL: several, say which. */
int rsm_session_open(const char *mountpoint, struct rsm_session **ret_session,
		     struct rsm_error *error);
/* Nothing is dismounted or deallocated. No call of it may be running. NULL is fine. */
void rsm_session_close(struct rsm_session *session);
const char *rsm_session_mountpoint(const struct rsm_session *session);

/* ---- pools: CreateNtmsMediaPool, DeleteNtmsMediaPool ---- */

enum rsm_open { /* NTMS_OPEN_EXISTING ... */
		RSM_OPEN_EXISTING = 1,
		RSM_CREATE_NEW = 2,
		RSM_OPEN_ALWAYS = 3,
};
/* media_type NULL: the library's only one, else what its first medium is. */
int rsm_pool_open(struct rsm_session *session, const char *pool, enum rsm_open how,
		  const char *media_type, struct rsm_error *error);
int rsm_pool_delete(struct rsm_session *session, const char *pool, struct rsm_error *error);

/* ---- allocation: AllocateNtmsMedia, DeallocateNtmsMedia ---- */

enum {			      /* NTMS_ALLOCATE_... */
       RSM_ALLOCATE_NEW = 1,  /* of two sides: a cartridge of which nothing is allocated */
       RSM_ALLOCATE_NEXT = 2, /* the other side of one that was allocated with NEW */
       RSM_ALLOCATE_ERROR_IF_UNAVAILABLE = 4,
};

struct rsm_allocated {
	char *path;	  /* in the mount: "Backup/monday" */
	char lmid[40];	  /* of the logical medium: what a program remembers */
	char barcode[72]; /* "" if it has none */
};

/* A medium of `pool` (or Free) for oneself. name NULL: its barcode. medium NULL: any, else exactly
 * that one; with NEXT: that one's other side, -ENOSPC at once if it is not reserved. Without
 * ERROR_IF_UNAVAILABLE an operator is asked when there is none, and it waits,
 * timeout_ms at most (0: for good; rounded up to seconds): -ETIMEDOUT, -ECANCELED. With it:
 * -ENOSPC. -EDQUOT: the pool's limit.
 */
int rsm_allocate(struct rsm_session *session, const char *pool, const char *name,
		 const char *medium, unsigned flags, unsigned timeout_ms,
		 struct rsm_allocated *ret_allocated, struct rsm_error *error);
void rsm_allocated_fini(struct rsm_allocated *allocated);
/* -ENOTEMPTY while it holds files, unless force; -EBUSY while it is in use. */
int rsm_deallocate(struct rsm_session *session, const char *object, int force,
		   struct rsm_error *error);

/* ---- mounts: MountNtmsMedia, DismountNtmsMedia ---- */

enum { /* NTMS_MOUNT_... */
       RSM_MOUNT_READ = 1,
       RSM_MOUNT_WRITE = 2,
       RSM_MOUNT_ERROR_IF_UNAVAILABLE = 4,
       RSM_MOUNT_ERROR_IF_OFFLINE = 8,
       RSM_MOUNT_SPECIFIC_DRIVE = 16,
};
enum { /* NTMS_PRIORITY_... */
       RSM_PRIORITY_LOWEST = -15,
       RSM_PRIORITY_LOW = -7,
       RSM_PRIORITY_NORMAL = 0,
       RSM_PRIORITY_HIGH = 7,
       RSM_PRIORITY_HIGHEST = 15,
};

/* Brings all of them into drives and keeps them there until rsm_dismount; or none. Needed only by
 * who wants several at one time, or no waiting later: opening a file mounts its cartridge by
 * itself. timeout_ms 0: no limit. -EAGAIN: no drive is free; -ENOMEDIUM: not in the library.
 */
int rsm_mount(struct rsm_session *session, const char *const *objects, size_t count, unsigned flags,
	      unsigned drive, int priority, unsigned timeout_ms, struct rsm_error *error);
/* All that was written is on the media when it returns; deferred: they go home when their drives
 * are wanted. -EBUSY: files are open for writing. */
int rsm_dismount(struct rsm_session *session, const char *const *objects, size_t count,
		 int deferred, struct rsm_error *error);
/* Waits until all that was written to it (NULL: to all) is on the medium and indexed there. */
int rsm_sync(struct rsm_session *session, const char *object, struct rsm_error *error);

/* ---- what becomes of media: SwapNtmsMedia, SetNtmsMediaComplete, DecommissionNtmsMedia,
 * MoveToNtmsMediaPool, EjectNtmsMedia ---- */

int rsm_swap(struct rsm_session *session, const char *one, const char *other,
	     struct rsm_error *error);
int rsm_complete(struct rsm_session *session, const char *object, struct rsm_error *error);
int rsm_decommission(struct rsm_session *session, const char *object, struct rsm_error *error);
int rsm_move(struct rsm_session *session, const char *object, const char *pool,
	     struct rsm_error *error);
int rsm_eject(struct rsm_session *session, const char *object, struct rsm_error *error);

/* ---- information: GetNtmsObjectInformation, SetNtmsObjectInformation ---- */

/* Where the files of a cartridge are: an absolute path. -ENOENT: it has none in the tree. */
int rsm_path(struct rsm_session *session, const char *object, char **ret_path,
	     struct rsm_error *error);
/* A column of `rsm view media OBJECT --json`: "lmid", "barcode", "state", "location" ... -ENODATA:
 * there is no such column. */
int rsm_get(struct rsm_session *session, const char *object, const char *key, char **ret_value,
	    struct rsm_error *error);
/* As `rsm set`. */
int rsm_set(struct rsm_session *session, const char *object, const char *key, const char *value,
	    struct rsm_error *error);

/* ---- operator requests: SubmitNtmsOperatorRequest, WaitFor..., Satisfy..., Cancel... ---- */

int rsm_request_submit(struct rsm_session *session, const char *text, int64_t *ret_request,
		       struct rsm_error *error);
/* timeout_ms 0: for good. -ETIMEDOUT; -ECANCELED: it was refused. */
int rsm_request_wait(struct rsm_session *session, int64_t request, unsigned timeout_ms,
		     struct rsm_error *error);
int rsm_request_satisfy(struct rsm_session *session, int64_t request, struct rsm_error *error);
int rsm_request_refuse(struct rsm_session *session, int64_t request, struct rsm_error *error);

/* ---- notifications: OpenNtmsNotification, WaitForNtmsNotification, CloseNtmsNotification ---- */

struct rsm_notification;
struct rsm_event; /* belongs to its notification, until the next wait */

enum rsm_notification_outcome {
	RSM_NOTIFICATION_TIMEOUT = 1,
	RSM_NOTIFICATION_LOST = 2, /* some were not kept: look at everything anew */
};

/* Events from now on. */
int rsm_notification_open(struct rsm_session *session, struct rsm_notification **ret_notification,
			  struct rsm_error *error);
void rsm_notification_close(struct rsm_notification *notification);
/* For poll(2): readable when _wait would not wait. */
int rsm_notification_fd(const struct rsm_notification *notification);
/* The next one. timeout_ms -1: for good. Outcomes TIMEOUT, LOST. One thread at a time. */
int rsm_notification_wait(struct rsm_notification *notification, int timeout_ms,
			  const struct rsm_event **ret_event, struct rsm_error *error);
/* The whole line, the name ("move"), the time ("2026-01-02T03:04:05.678Z"), the value of a key;
 * NULL: it has no such key. */
const char *rsm_event_line(const struct rsm_event *event);
const char *rsm_event_get(const struct rsm_event *event, const char *key);

/* ---- everything else ---- */

/* Any call of rsm(8): words[0] is the verb, NULL behind the last word. `row` (may be NULL) is
 * called for each row of the reply with its table, and keys and values as --json has them; it
 * returns 0 to go on, else the call is withdrawn and returns that (a negative errno). What would be
 * asked for on a terminal needs --yes.
 */
typedef int rsm_row(void *context, const char *table, size_t count, const char *const *keys,
		    const char *const *values);
int rsm_call(struct rsm_session *session, const char *const *words, rsm_row *row, void *context,
	     struct rsm_error *error);

#ifdef __cplusplus
}
#endif

#endif
