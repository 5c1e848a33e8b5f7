/* rsm_progress.h - a line on a terminal for what takes longer than a second. */
#ifndef RSMFS_RSM_PROGRESS_H
#define RSMFS_RSM_PROGRESS_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct rsmfs_progress;

/* Shown on standard error if that is a terminal, else nothing is ever shown. *ret_progress may be
 * NULL then; all calls take that.
 */
RSM_MUST_CHECK int rsmfs_progress_start(const char *what, struct rsmfs_progress **ret_progress,
					struct rsm_err *err);
/* total 0: unknown. */
void rsmfs_progress_set(struct rsmfs_progress *progress, uint64_t done, uint64_t total,
			const char *what);
/* Wipes the line, for something else is to be printed. It comes back by itself. */
void rsmfs_progress_hide(struct rsmfs_progress *progress);
void rsmfs_progress_stop(struct rsmfs_progress *progress);
RSM_DEFINE_CLEANUP(rsmfs_progress_stop, struct rsmfs_progress)

/* The line's text, for a terminal of `width` columns. */
void rsmfs_progress_format(char *text, size_t size, unsigned width, const char *what, uint64_t done,
			   uint64_t total, int64_t seconds);

#endif
