/* operator_request.h - what only a person can do: bring a cartridge, service a device (rsm-model.md
 * 14). */
#ifndef RSM_CORE_OPERATOR_REQUEST_H
#define RSM_CORE_OPERATOR_REQUEST_H

#include "core/catalog.h"

enum rsm_request_kind { /* NTMS_OPREQ */
			RSM_REQUEST_NEW_MEDIA = 1,
			RSM_REQUEST_CLEANER = 2,
			RSM_REQUEST_DEVICE_SERVICE = 3,
			RSM_REQUEST_MOVE_MEDIA = 4,
			RSM_REQUEST_MESSAGE = 5,
};
enum rsm_request_state {
	RSM_REQUEST_SUBMITTED = 1,
	RSM_REQUEST_ACTIVE = 2,	     /* somebody who can answer has seen it */
	RSM_REQUEST_IN_PROGRESS = 3, /* somebody said "I am on it" */
	RSM_REQUEST_REFUSED = 4,
	RSM_REQUEST_COMPLETE = 5
};

struct rsm_operator_request {
	int64_t id;
	enum rsm_request_kind kind;
	enum rsm_request_state state;
	int64_t medium, pool, library; /* 0 where not concerned */
	uint32_t element;
	uint32_t user; /* who asked (messages); else 0 */
	char text[512];
	struct timespec submitted, ended;
};
const char *rsm_request_kind_name(enum rsm_request_kind kind); /* "move-media" ... */
const char *rsm_request_state_name(enum rsm_request_state state);

/* Raises one (with an event), or finds the open one of the same kind for the same medium, pool or
 * element; *ret_id.
 */
RSM_MUST_CHECK int rsm_operator_request_raise(struct rsm_catalog *catalog,
					      const struct rsm_operator_request *request,
					      int64_t *ret_id, struct rsm_err *err);
enum rsm_request_outcome { RSM_REQUEST_ABSENT = 1 };
RSM_MUST_CHECK int rsm_operator_request_get(struct rsm_catalog *catalog, int64_t id,
					    struct rsm_operator_request *ret_request,
					    struct rsm_err *err); /* ABSENT */
/* ACTIVE or IN_PROGRESS: an open one goes forward, never back. -ENOENT, -EINVAL as _end. */
RSM_MUST_CHECK int rsm_operator_request_advance(struct rsm_catalog *catalog, int64_t id,
						enum rsm_request_state state, struct rsm_err *err);
/* Somebody said that it is done, and it is not: it is asked for again, with `found`. An event. */
RSM_MUST_CHECK int rsm_operator_request_repeat(struct rsm_catalog *catalog, int64_t id,
					       const char *found, struct rsm_err *err);
/* COMPLETE or REFUSED, with an event. -ENOENT; -EINVAL when it has ended already. */
RSM_MUST_CHECK int rsm_operator_request_end(struct rsm_catalog *catalog, int64_t id,
					    enum rsm_request_state state, struct rsm_err *err);
/* Is there what it asks for, as far as the catalogue can tell? A message, or what only the device
 * knows, is taken at the operator's word. If not, ret_found says what there is instead.
 */
enum { RSM_REQUEST_FOUND_SIZE = 256 };
RSM_MUST_CHECK int rsm_operator_request_is_fulfilled(struct rsm_catalog *catalog,
						     const struct rsm_operator_request *request,
						     bool *ret_is,
						     char ret_found[RSM_REQUEST_FOUND_SIZE],
						     struct rsm_err *err);
/* The medium has been seen: its MOVE_MEDIA requests are complete. */
RSM_MUST_CHECK int rsm_operator_request_seen(struct rsm_catalog *catalog, int64_t medium,
					     struct rsm_err *err);
/* Nobody waits for the medium any more: its MOVE_MEDIA requests are withdrawn (REFUSED). */
RSM_MUST_CHECK int rsm_operator_request_end_medium(struct rsm_catalog *catalog, int64_t medium,
						   struct rsm_err *err);
/* Nobody waits for a cartridge for the pool any more: its NEW_MEDIA requests end so. */
RSM_MUST_CHECK int rsm_operator_request_end_pool(struct rsm_catalog *catalog, int64_t pool,
						 enum rsm_request_state state, struct rsm_err *err);
/* At start: nobody waits any more, open ones are withdrawn (REFUSED). */
RSM_MUST_CHECK int rsm_operator_request_withdraw_all(struct rsm_catalog *catalog,
						     struct rsm_err *err);
/* Those that ended before `before` go; *ret_count: how many. */
RSM_MUST_CHECK int rsm_operator_request_purge(struct rsm_catalog *catalog,
					      const struct timespec *before, unsigned *ret_count,
					      struct rsm_err *err);
typedef bool rsm_operator_request_each(void *context, const struct rsm_operator_request *request);
/* open_only: not those that ended. */
RSM_MUST_CHECK int rsm_operator_request_list(struct rsm_catalog *catalog, bool open_only,
					     rsm_operator_request_each *each, void *context,
					     struct rsm_err *err);

#endif
