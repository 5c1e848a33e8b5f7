#include "fs/rsm_transport.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int rsmfs_transport_open(const char *mountpoint, const char *name, int flags, int *ret_fd,
			 struct rsm_err *err)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/.rsm/%s", mountpoint, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return rsm_err_set(err, ENAMETOOLONG, "%s: the path is too long", mountpoint);
	*ret_fd = open(path, flags | O_CLOEXEC);
	if (*ret_fd >= 0)
		return 0;
	if (errno == ENOTCONN)
		return rsm_err_set(err, ENOTCONN, "the rsmfs at %s has died, mount it again",
				   mountpoint);
	if (errno == ENOENT || errno == ENOTDIR)
		return rsm_err_set(err, ENOTCONN, "%s: no rsmfs is mounted there", mountpoint);
	return rsm_err_errno(err, "%s", path);
}

/* Many at once are served one after the other: while too many run, it is tried again. */
int rsmfs_transport_send(const char *mountpoint, const struct rsm_text *request, int *ret_fd,
			 struct rsm_err *err)
{
	for (unsigned tries = 0;; tries++) {
		RSM_CLOSE int fd = -1;
		int r = rsmfs_transport_open(mountpoint, "ctl", O_RDWR, &fd, err);

		if (r < 0)
			return r;
		ssize_t n = write(fd, request->data, request->length);

		if (n == (ssize_t)request->length) {
			*ret_fd = rsm_steal_fd(&fd);
			return 0;
		}
		if (n >= 0)
			return rsm_err_set(err, EIO, "%s: the request was cut short", mountpoint);
		if (errno == EMSGSIZE)
			return rsm_err_set(err, EMSGSIZE, "too many operands for one call");
		if (errno == ESHUTDOWN)
			return rsm_err_set(err, ENOTCONN, "the rsmfs at %s is ending", mountpoint);
		if (errno != EAGAIN || tries >= 300)
			return rsm_err_errno(err, "%s", mountpoint);
		nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	}
}

int rsmfs_transport_read(int fd, struct rsmfs_reply *reply, bool interruptible, struct rsm_err *err)
{
	RSM_FREE char *block = malloc(65536);

	if (!block)
		return rsm_err_oom(err);
	for (;;) {
		ssize_t n = read(fd, block, 65536);
		int r;

		if (n < 0 && errno == EINTR && !interruptible)
			continue;
		if (n < 0)
			return rsm_err_errno(err, "reply of the daemon");
		if (n == 0)
			break;
		r = rsmfs_reply_feed(reply, block, (size_t)n, err);
		if (r < 0)
			return r;
	}
	if (!reply->ended)
		return rsm_err_set(err, ENOTCONN, "the daemon ended in the middle of its reply");
	if (!reply->end.code)
		return 0;
	*err = reply->end;
	return reply->end.code > 0 ? -reply->end.code : -EIO;
}
