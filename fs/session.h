/* session.h - one mount from its first check to its last cartridge put away.
 *
 * Takes the library's lock, makes a default library where there is none, starts the manager,
 * mounts, serves, and ends cleanly on umount or a signal.
 */
#ifndef RSMFS_SESSION_H
#define RSMFS_SESSION_H

#include "fs/options.h"

struct rsmfs_session_reports {
	/* Lines for the user while nothing is mounted yet. */
	void (*say)(void *context, const char *line);
	/* Once: it is mounted and answers. From another thread. */
	void (*mounted)(void *context, const char *line);
	/* After the unmount: what stays staged, if anything does. */
	void (*ended)(void *context, const char *line);
	void *context;
};

/* Returns when all is put away. In the process that is to serve: starts threads. Signals that end
 * are blocked and waited for by a thread. Changes *options (libraries become absolute paths).
 */
RSM_MUST_CHECK int rsmfs_session_run(struct rsmfs_options *options,
				     const struct rsmfs_session_reports *reports,
				     struct rsm_err *err);

#endif
