/* control_request.h - one request of `rsm` while it runs in the daemon: who asks, what for, and the
 * reply as it grows. For control_*.c only; a request belongs to its thread.
 */
#ifndef RSMFS_CONTROL_REQUEST_H
#define RSMFS_CONTROL_REQUEST_H

#include <stdatomic.h>

#include "core/manager.h"
#include "fs/access.h"
#include "fs/verb.h"

struct rsmfs_request {
	struct rsm_manager *manager;
	struct rsm_catalog *catalog;
	const struct rsmfs_caller *caller;
	uid_t admin; /* who mounted */
	struct rsmfs_verb_call call;
	int64_t library;    /* view: only what is in this one; 0: all */
	atomic_bool cancel; /* the asker has gone, or the daemon stops */
	struct rsm_text row;
	/* Sends a line of the reply; waits while the reader is far behind. */
	void (*send)(void *context, const char *bytes, size_t length);
	void *context;
};

/* Runs the verb of the call, rights checked. The reply's last line is the caller's business. */
RSM_MUST_CHECK int rsmfs_request_run(struct rsmfs_request *request, struct rsm_err *err);
bool rsmfs_request_is_cancelled(const struct rsmfs_request *request);
/* 0, or -EACCES: only administrators. */
RSM_MUST_CHECK int rsmfs_request_need_admin(const struct rsmfs_request *request,
					    struct rsm_err *err);
/* Tells the front end that a name in a pool changed. */
void rsmfs_request_names_changed(struct rsmfs_request *request, int64_t pool, const char *name);

/* ---- the reply (wire.h) ---- */

/* style: "table", "list" or "done"; columns: "path:s\tbarcode:s". */
void rsmfs_request_table(struct rsmfs_request *request, const char *style, const char *name,
			 const char *columns);
void rsmfs_row_begin(struct rsmfs_request *request);
void rsmfs_row_text(struct rsmfs_request *request, const char *text); /* NULL is "" */
void rsmfs_row_number(struct rsmfs_request *request, uint64_t number);
void rsmfs_row_signed(struct rsmfs_request *request, int64_t number);
void rsmfs_row_null(struct rsmfs_request *request);
void rsmfs_row_time(struct rsmfs_request *request, const struct timespec *time);
void rsmfs_row_end(struct rsmfs_request *request);
void rsmfs_request_text(struct rsmfs_request *request, const char *format, ...) RSM_PRINTF(2, 3);
/* For people also with --json: goes to standard error. */
void rsmfs_request_note(struct rsmfs_request *request, const char *format, ...) RSM_PRINTF(2, 3);
void rsmfs_request_data(struct rsmfs_request *request, const void *data, size_t length);
/* The description of an object (rsm set OBJECT description=TEXT), by its kind and key. */
RSM_MUST_CHECK int rsmfs_row_description(struct rsmfs_request *request, const char *kind,
					 const char *key, struct rsm_err *err);
/* Fits the progress callbacks of the manager; context is the request. */
void rsmfs_request_progress(void *context, uint64_t done, uint64_t total, const char *what);

/* ---- what operands name ---- */

struct rsmfs_object {
	bool is_pool;
	struct rsm_pool pool; /* id RSM_POOL_TOP: the top of the tree */
	struct rsm_medium medium;
	const char *rest; /* below the cartridge, within the operand; "" if it is all of it */
};

/* A path in the tree, or a barcode. -ENOENT, -ENOTDIR. */
RSM_MUST_CHECK int rsmfs_object_find(struct rsmfs_request *request, const char *operand,
				     struct rsmfs_object *ret_object, struct rsm_err *err);
/* A cartridge. inside: a path in it stands for it, too. */
RSM_MUST_CHECK int rsmfs_object_medium(struct rsmfs_request *request, const char *operand,
				       bool inside, struct rsm_medium *ret_medium,
				       struct rsm_err *err);
RSM_MUST_CHECK int rsmfs_object_pool(struct rsmfs_request *request, const char *operand,
				     struct rsm_pool *ret_pool, struct rsm_err *err);
/* All operands as cartridges, each once (-EINVAL otherwise). The array is the caller's. */
RSM_MUST_CHECK int rsmfs_object_media(struct rsmfs_request *request, bool inside,
				      struct rsm_medium **ret_media, size_t *ret_count,
				      struct rsm_err *err);
/* The library by number or source; 0 when operand is NULL and there is no need to choose. */
RSM_MUST_CHECK int rsmfs_object_library(struct rsmfs_request *request, const char *operand,
					int64_t *ret_library, struct rsm_err *err);
/* A drive: "256", "drive:256", its serial number; of several libraries with the library's number or
 * source before it: "2:256". -ENXIO; -EINVAL when there is more than one of them.
 */
/* "slot:N", "slot:LIBRARY:N", whatever lies there. -ENXIO. */
RSM_MUST_CHECK int rsmfs_object_slot(struct rsmfs_request *request, const char *word,
				     int64_t *ret_library, uint32_t *ret_slot, struct rsm_err *err);
RSM_MUST_CHECK int rsmfs_object_drive(struct rsmfs_request *request, const char *operand,
				      struct rsm_drive_status *ret_drive, struct rsm_err *err);
/* What a drive's description is stored by: its serial number, with which it may be moved. */
void rsmfs_drive_key(const struct rsm_drive_status *drive, char key[static 80]);
/* Where a path ends: the pool that it is (to be) in, and its last name (within the operand). */
RSM_MUST_CHECK int rsmfs_object_parent(struct rsmfs_request *request, const char *operand,
				       int64_t *ret_pool, const char **ret_name,
				       struct rsm_err *err);
/* Is `pool` the pool `top` or below it? */
RSM_MUST_CHECK int rsmfs_pool_is_below(struct rsmfs_request *request, int64_t pool, int64_t top,
				       bool *ret_is, struct rsm_err *err);
/* Path in the tree, "" if it has none (a cleaner; not allocated in an application pool). */
RSM_MUST_CHECK int rsmfs_medium_path(struct rsmfs_request *request, const struct rsm_medium *medium,
				     char **ret_path, struct rsm_err *err);
/* "slot 1001" */
void rsmfs_medium_location(const struct rsm_medium *medium, char *text, size_t size);
/* Media as tables show them; "" if there is none. */
RSM_MUST_CHECK int rsmfs_medium_shown(struct rsmfs_request *request, int64_t id,
				      char name[static RSM_NAME_SIZE], struct rsm_err *err);
/* One name for messages: path, else barcode. */
const char *rsmfs_medium_word(const struct rsm_medium *medium);

/* ---- control_birth.c: owner, mode and ACLs of what a verb makes ---- */

struct rsmfs_newborn {
	uint32_t mode, owner, group;
	struct rsm_text access_acl, default_acl; /* empty: none */
};
/* The caller frees (_fini), also after a failure. */
RSM_MUST_CHECK int rsmfs_newborn_init(struct rsmfs_newborn *newborn, struct rsmfs_request *request,
				      const struct rsm_pool *parent, uint32_t umask,
				      struct rsm_err *err);
void rsmfs_newborn_fini(struct rsmfs_newborn *newborn);
#define RSMFS_NEWBORN __attribute__((cleanup(rsmfs_newborn_fini)))

/* ---- control_work.c: a verb that is library work, as items of the queue ---- */

struct rsmfs_work {
	int64_t *items;
	size_t count;
};
/* No items for verbs that are none. _end frees, also after a failure. */
RSM_MUST_CHECK int rsmfs_work_begin(struct rsmfs_request *request, struct rsmfs_work *ret_work,
				    struct rsm_err *err);
void rsmfs_work_end(struct rsmfs_request *request, struct rsmfs_work *work, int r,
		    const struct rsm_err *err);

/* ---- verbs, by file ---- */

#define RSMFS_VERB(name) int rsmfs_run_##name(struct rsmfs_request *request, struct rsm_err *err)
/* control_view.c */
RSMFS_VERB(view);
/* control_catalog.c: columns of a cartridge's life and vault, at the end of its row. */
#define RSMFS_RECORD_COLUMNS                                                                       \
	"vault:s\treturn:s\tmounts:N\tallocations:N\twritten:Z\tread:Z\twrite_errors:N\t"          \
	"read_errors:N\tverified:T\tverify_errors:N\tcopies:s\tcopy:S\tcopy_of:S\tuses:N"
RSM_MUST_CHECK int rsmfs_record_row(struct rsmfs_request *request, const struct rsm_medium *medium,
				    struct rsm_err *err);
/* The pool that people see a cartridge in: that of the first one, for a copy; 0: none. */
RSM_MUST_CHECK int rsmfs_shown_pool(struct rsmfs_request *request, const struct rsm_medium *medium,
				    int64_t *ret_pool, bool *ret_copy, struct rsm_err *err);
/* control_view_library.c */
int rsmfs_view_libraries(struct rsmfs_request *request, struct rsm_err *err);
int rsmfs_view_drives(struct rsmfs_request *request, struct rsm_err *err);
int rsmfs_view_slots(struct rsmfs_request *request, struct rsm_err *err);
/* control_view_objects.c */
int rsmfs_view_computer(struct rsmfs_request *request, struct rsm_err *err);
int rsmfs_view_changers(struct rsmfs_request *request, struct rsm_err *err);
int rsmfs_view_doors(struct rsmfs_request *request, struct rsm_err *err);
int rsmfs_view_ports(struct rsmfs_request *request, struct rsm_err *err);
int rsmfs_view_drive_types(struct rsmfs_request *request, struct rsm_err *err);
int rsmfs_view_media_types(struct rsmfs_request *request, struct rsm_err *err);
int rsmfs_view_logical(struct rsmfs_request *request, struct rsm_err *err);
int rsmfs_view_sides(struct rsmfs_request *request, struct rsm_err *err);
/* control_history.c */
int rsmfs_view_queue(struct rsmfs_request *request, struct rsm_err *err);
RSMFS_VERB(queue);
RSMFS_VERB(events);
RSMFS_VERB(log);
/* control_operator.c */
int rsmfs_view_requests(struct rsmfs_request *request, struct rsm_err *err);
int rsmfs_purge_queue(struct rsmfs_request *request, struct rsm_err *err);
RSMFS_VERB(requests);
/* control_media.c */
RSMFS_VERB(allocate);
RSMFS_VERB(deallocate);
RSMFS_VERB(swap);
RSMFS_VERB(complete);
RSMFS_VERB(decommission);
RSMFS_VERB(free);
RSMFS_VERB(forget);
/* control_undelete.c */
RSMFS_VERB(undelete);
/* control_mount.c */
RSMFS_VERB(mount);
RSMFS_VERB(dismount);
RSMFS_VERB(sync);
/* control_pool.c */
RSMFS_VERB(createpool);
RSMFS_VERB(deletepool);
RSMFS_VERB(move);
RSMFS_VERB(rename);
/* control_library.c */
RSMFS_VERB(inventory);
RSMFS_VERB(enable);
RSMFS_VERB(disable);
RSMFS_VERB(clean);
/* control_catalog.c */
RSMFS_VERB(export);
RSMFS_VERB(import);
/* control_set.c */
RSMFS_VERB(set);
/* control_refresh.c */
RSMFS_VERB(refresh);
/* control_port.c */
RSMFS_VERB(inject);
RSMFS_VERB(eject);
RSMFS_VERB(door);
/* control_find.c */
RSMFS_VERB(find);
/* control_verify.c */
RSMFS_VERB(verify);
/* control_check.c */
RSMFS_VERB(check);
/* control_generations.c: check --list, --rollback, --view, --unview. The cartridge is found, and
 * what may be asked for together is settled; rights are its own business.
 */
int rsmfs_run_generations(struct rsmfs_request *request, struct rsm_medium *medium,
			  struct rsm_err *err);

#endif
