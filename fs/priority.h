/* priority.h - how urgent a program's wish for a drive is: its I/O scheduling class (ionice). */
#ifndef RSMFS_PRIORITY_H
#define RSMFS_PRIORITY_H

#include <sys/types.h>

/* -15 (class idle) to 7 (class realtime, which takes a privilege to have); best effort: 0, and
 * lower levels than the usual one below it. 0 when it cannot be told.
 */
int rsmfs_priority_of(pid_t pid);

#endif
