/* hook.h - the program of -o hook=PROGRAM, which is told of operator requests and errors.
 *
 * A thread reads the events as any reader of .rsm/events would, and runs the program for some of
 * them: as the user that mounted, without a shell, at most RSMFS_HOOKS_RUNNING at a time. The
 * others wait in the catalogue meanwhile, so nothing here makes the daemon wait or grow.
 *
 *   PROGRAM EVENT SUBJECT TEXT     EVENT: request, error, damage, conflict, duplicate, lost;
 *                                  SUBJECT: number of the request, else the cartridge
 *
 * and in its environment RSM_MOUNT, RSM_TIME, RSM_LINE, and each pair of the event: RSM_EVENT,
 * RSM_KIND, RSM_STATE, RSM_MEDIUM, RSM_TEXT ...
 */
#ifndef RSMFS_HOOK_H
#define RSMFS_HOOK_H

#include "core/event.h"
#include "fs/control.h"

enum { RSMFS_HOOKS_RUNNING = 4, RSMFS_HOOK_SECONDS = 60 };

struct rsmfs_hook;

/* program NULL: there is none, *ret_hook is NULL. -ENOENT, -EACCES: it cannot be run. It is found
 * from the working directory of now. The strings are copied.
 */
RSM_MUST_CHECK int rsmfs_hook_new(struct rsmfs_control *control, const char *program,
				  const char *mountpoint, struct rsmfs_hook **ret_hook,
				  struct rsm_err *err);
/* Reads no more events from `control`, which may go then. */
void rsmfs_hook_stop(struct rsmfs_hook *hook);
/* Tells of what has happened since, when all is done. A second at most is spent waiting for those
 * that hang; programs that still run are left alone. NULL is fine.
 */
void rsmfs_hook_finish(struct rsmfs_hook *hook, struct rsm_catalog *catalog);
void rsmfs_hook_free(struct rsmfs_hook *hook);
RSM_DEFINE_CLEANUP(rsmfs_hook_free, struct rsmfs_hook)

#endif
