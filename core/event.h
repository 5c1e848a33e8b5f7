/* event.h - notifications, one line each: "2026-01-02T03:04:05.678Z event=move medium=A00001L8 ..."
 *
 * Kept in the catalogue (the last 10,000) and handed to subscribers at once. Values with spaces are
 * quoted ("), quotes, backslashes and control characters in them escaped by a backslash.
 */
#ifndef RSM_CORE_EVENT_H
#define RSM_CORE_EVENT_H

#include "core/catalog.h"

/* name: "move", "load", "unload", "allocate", "deallocate", "inject", "error" ... ; then pairs of
 * key and value, NULL at the end; pairs whose value is NULL or "" are left out. Never fails: it is
 * logged if it cannot be stored.
 */
void rsm_event_add(struct rsm_catalog *catalog, const char *name, ...) __attribute__((sentinel));

/* Lines with a number greater than `after`, oldest first; false stops. *ret_lost: some in between
 * were purged. */
typedef bool rsm_event_each(void *context, int64_t number, const char *line);
RSM_MUST_CHECK int rsm_event_list(struct rsm_catalog *catalog, int64_t after, const char *medium,
				  rsm_event_each *each, void *context, bool *ret_lost,
				  struct rsm_err *err);
int64_t rsm_event_last(struct rsm_catalog *catalog);

/* Called for each new event, from the thread that adds it, without the lock. One subscriber (fs/).
 * When _subscribe returns, the former subscriber is not called any more and no call of it runs: so
 * not from within such a call.
 */
typedef void rsm_event_subscriber(void *context, int64_t number, const char *line);
void rsm_event_subscribe(struct rsm_catalog *catalog, rsm_event_subscriber *subscriber,
			 void *context);

#endif
