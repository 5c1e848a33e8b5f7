/* rsm_transport.h - a request to the daemon of a mount, and its reply, by way of .rsm/ctl (wire.h).
 * Closing the descriptor before the reply has ended withdraws the request.
 */
#ifndef RSMFS_RSM_TRANSPORT_H
#define RSMFS_RSM_TRANSPORT_H

#include "fs/rsm_reply.h"

/* Opens MOUNTPOINT/.rsm/NAME. -ENOTCONN: no rsmfs is mounted there, or it has died. */
RSM_MUST_CHECK int rsmfs_transport_open(const char *mountpoint, const char *name, int flags,
					int *ret_fd, struct rsm_err *err);
/* -EMSGSIZE, -ENOTCONN; -EAGAIN: too many requests of this user run, for half a minute. */
RSM_MUST_CHECK int rsmfs_transport_send(const char *mountpoint, const struct rsm_text *request,
					int *ret_fd, struct rsm_err *err);
/* Reads to the end of the reply and returns what it says. interruptible: a signal is -EINTR. */
RSM_MUST_CHECK int rsmfs_transport_read(int fd, struct rsmfs_reply *reply, bool interruptible,
					struct rsm_err *err);

#endif
