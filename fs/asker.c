#include "fs/asker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { KERNEL_THREADS = 2 }; /* the parent of them all */

/* proc(5): /proc/PID/status. False: there is no such process or thread. */
static bool read_status(pid_t pid, char *text, size_t size)
{
	RSM_CLOSE int fd = -1;
	char path[32];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static const char *find(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? at + strlen(key) : "";
}

/* Not to be read is not gone: too many open files, or a /proc that hides others' processes. */
static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

pid_t rsmfs_asker_process(pid_t thread)
{
	char text[2048];
	int process;

	if (thread <= 0)
		return RSMFS_ASKER_UNKNOWN;
	if (!read_status(thread, text, sizeof text))
		return is_gone(thread) ? 0 : RSMFS_ASKER_UNKNOWN;
	process = atoi(find(text, "\nTgid:"));
	if (process <= KERNEL_THREADS || atoi(find(text, "\nPPid:")) == KERNEL_THREADS)
		return RSMFS_ASKER_UNKNOWN;
	return process;
}

bool rsmfs_asker_lives(pid_t process)
{
	char text[2048], state;

	if (process == RSMFS_ASKER_UNKNOWN)
		return true;
	if (process == 0)
		return false;
	if (!read_status(process, text, sizeof text))
		return !is_gone(process);
	/* its first thread may have ended before the others */
	return sscanf(find(text, "\nState:"), " %c", &state) != 1 ||
	       (state != 'Z' && state != 'X') || atoi(find(text, "\nThreads:")) > 1;
}
