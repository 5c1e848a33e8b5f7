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
	RSM_REQUEST_REFUSED = 4,
	RSM_REQUEST_COMPLETE = 5
};

struct rsm_operator_request {
	int64_t id;
	enum rsm_request_kind kind;
	enum rsm_request_state state;
	int64_t medium, pool, library; /* 0 where not concerned */
	uint32_t element;
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
/* COMPLETE or REFUSED. -ENOENT; -EINVAL when it has ended already. */
RSM_MUST_CHECK int rsm_operator_request_end(struct rsm_catalog *catalog, int64_t id,
					    enum rsm_request_state state, struct rsm_err *err);
/* The medium has been seen: its MOVE_MEDIA requests are complete. */
RSM_MUST_CHECK int rsm_operator_request_seen(struct rsm_catalog *catalog, int64_t medium,
					     struct rsm_err *err);
/* At start: nobody waits any more, open ones are withdrawn (REFUSED). */
RSM_MUST_CHECK int rsm_operator_request_withdraw_all(struct rsm_catalog *catalog,
						     struct rsm_err *err);
typedef bool rsm_operator_request_each(void *context, const struct rsm_operator_request *request);
/* open_only: not those that ended. */
RSM_MUST_CHECK int rsm_operator_request_list(struct rsm_catalog *catalog, bool open_only,
					     rsm_operator_request_each *each, void *context,
					     struct rsm_err *err);

#endif
