/* wire.h - what `rsm` and the daemon say to each other through .rsm/ctl.
 *
 * A request is the arguments, each with its NUL, ended by an empty one. A reply is lines of fields
 * separated by tabs; '%' and control characters in a field are written as %XX:
 *
 *   table NAME COLUMN...      drawn as a table          COLUMN is name:type, types below
 *   list NAME COLUMN...       rows with tabs, no heading
 *   done NAME COLUMN...       rows shown with --json only
 *   row FIELD...              of the table before
 *   text LINE                 for people, not with --json
 *   note LINE                 for people, on standard error
 *   data BYTES                a piece of a file (rsm export)
 *   progress DONE TOTAL WHAT  TOTAL 0: not known
 *   end 0 | end ERRNO MESSAGE the last line
 *
 * Types: s text, n number, b 0 or 1, z bytes (shown as 12T), t seconds since 1970 (shown as date);
 * a capital letter: the column is shown with --json only. An empty field of type n, z or t is null.
 */
#ifndef RSMFS_WIRE_H
#define RSMFS_WIRE_H

#include "base/text.h"

/* Appends the escaped form. */
void rsmfs_wire_escape(struct rsm_text *text, const void *bytes, size_t length);
/* In place; NUL-terminates. -EINVAL: a '%' without two hexadecimal digits. */
RSM_MUST_CHECK int rsmfs_wire_unescape(char *field, size_t *ret_length);
/* Cuts a line at its tabs, at most `room` fields; returns how many (-E2BIG: more). */
RSM_MUST_CHECK int rsmfs_wire_split(char *line, char **fields, size_t room);

#endif
