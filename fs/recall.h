/* recall.h - programs that may not make the robot move: thumbnailers, indexers (-o deny_recall). */
#ifndef RSMFS_RECALL_H
#define RSMFS_RECALL_H

#include "fs/frontend.h"

/* Whether the process is one of those named, by comm (15 bytes) or the name of its executable. */
bool rsmfs_recall_denied(struct rsmfs *fs, pid_t pid);

#endif
