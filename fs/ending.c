#include "fs/ending.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "fs/mountpoint.h"

enum { SYNC_SECONDS = 60, WAKE_SECONDS = 5 };

void rsmfs_detach_anyhow(const char *mountpoint)
{
	struct rsm_err err;

	if (rsmfs_mountpoint_detach(mountpoint, &err) < 0)
		rsm_log_warning("%s", err.msg);
}

/* In a process of its own, which holds nothing of the session: a thread of ours that waited for an
 * answer of our own mount would, if we are killed meanwhile, keep the device open, and everybody
 * who waits for the mount would wait for ever. It ends when the mount answers or goes. Returns the
 * process, *ret_ended becomes readable when it ends; -1: there is none.
 */
static pid_t ask_own_mount(const char *path, bool sync, int *ret_ended)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	pid = fork();
	if (pid == 0) { /* only what a signal handler may call */
		struct statfs unused;
		int fd;

		if (dup2(ends[1], STDIN_FILENO) < 0 || close_range(STDOUT_FILENO, ~0U, 0) != 0)
			_exit(1);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && sync)
			(void)syncfs(fd);
		if (fd >= 0 && !sync)
			(void)fstatfs(fd, &unused);
		_exit(0);
	}
	close(ends[1]);
	if (pid < 0)
		close(ends[0]);
	else
		*ret_ended = ends[0];
	return pid;
}

bool rsmfs_own_mount_answers(const char *path, bool sync, int seconds)
{
	int64_t deadline = rsm_clock_now_ns(rsm_clock_real()) + seconds * RSM_SECOND_NS;
	RSM_CLOSE int ended = -1;
	pid_t pid = ask_own_mount(path, sync, &ended);
	int64_t left;
	int r = 0;

	if (pid < 0)
		return false;
	do {
		struct pollfd fd = { .fd = ended, .events = POLLIN };

		left = deadline - rsm_clock_now_ns(rsm_clock_real());
		if (left > 0)
			r = poll(&fd, 1, (int)(left / (RSM_SECOND_NS / 1000)) + 1);
	} while (left > 0 && (r == 0 || (r < 0 && errno == EINTR)));
	if (r <= 0) {
		kill(pid, SIGKILL);
		return waitpid(pid, NULL, WNOHANG) == pid;
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return true;
}

void rsmfs_end_serving(const char *mountpoint, struct fuse_session *session, atomic_bool *serving)
{
	bool answers = rsmfs_own_mount_answers(mountpoint, true, SYNC_SECONDS);

	/* the session may have gone meanwhile (umount): then it is not touched any more */
	if (!atomic_load(serving))
		return;
	fuse_session_exit(session);
	/* a request, so that one of the session's threads looks up; whether it is answered or cut
	 * off does not matter */
	if (answers)
		answers = rsmfs_own_mount_answers(mountpoint, false, WAKE_SECONDS);
	if (!answers && atomic_load(serving)) {
		rsm_log_warning("the mount does not answer, detaching it");
		rsmfs_detach_anyhow(mountpoint);
	}
}
