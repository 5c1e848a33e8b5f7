/* control_events.h - hands the catalogue's events to the readers of .rsm/events (control.h). */
#ifndef RSMFS_CONTROL_EVENTS_H
#define RSMFS_CONTROL_EVENTS_H

#include "core/event.h"
#include "fs/control.h"

struct rsmfs_event_hub;

/* The catalogue's one subscriber. */
RSM_MUST_CHECK int rsmfs_event_hub_new(struct rsm_catalog *catalog,
				       struct rsmfs_event_hub **ret_hub, struct rsm_err *err);
/* Readers get what there is and then the end. */
void rsmfs_event_hub_stop(struct rsmfs_event_hub *hub);
void rsmfs_event_hub_free(struct rsmfs_event_hub *hub);

RSM_MUST_CHECK int rsmfs_event_hub_open(struct rsmfs_event_hub *hub,
					struct rsmfs_events **ret_events, struct rsm_err *err);

#endif
