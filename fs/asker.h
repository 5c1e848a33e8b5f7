/* asker.h - is who asked for something still there?
 *
 * The kernel tells of an interrupted call, but not of a page that it reads ahead for somebody who
 * has been killed since: that request goes on for nobody. So what waits long looks by itself.
 * Threads: any.
 */
#ifndef RSMFS_ASKER_H
#define RSMFS_ASKER_H

#include <stdbool.h>
#include <sys/types.h>

enum { RSMFS_ASKER_UNKNOWN = -1 };

/* The process of a thread, as fuse_req_ctx tells it. 0: there is no such thread. UNKNOWN: of
 * another pid namespace, or the kernel's own.
 */
pid_t rsmfs_asker_process(pid_t thread);

/* Is it there, or might it be? A zombie is not. */
bool rsmfs_asker_lives(pid_t process);

#endif
