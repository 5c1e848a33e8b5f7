/* event_line.h - takes the line of an event apart (core/event.h): time, then KEY=VALUE pairs. */
#ifndef RSMFS_EVENT_LINE_H
#define RSMFS_EVENT_LINE_H

#include "base/text.h"

enum { RSMFS_EVENT_KEY_SIZE = 33 };

/* The first word: the time; "lost" for the line that says so. Returns its length. */
size_t rsmfs_event_line_time(const char *line);
/* The next pair from *at on (the line at first); *at goes behind it. False: there is none. The
 * value is without quotes and escapes; it is never NULL unless it failed. Keys too long to be one
 * are passed over.
 */
bool rsmfs_event_line_next(const char **at, char ret_key[RSMFS_EVENT_KEY_SIZE],
			   struct rsm_text *value);
/* The value of a key; "" if it has none. */
void rsmfs_event_line_field(const char *line, const char *key, struct rsm_text *value);

/* An event that there can be (rsm(8), EVENTS). */
bool rsmfs_event_is_known(const char *name);

#endif
