#include "fs/recall.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COMM_MAX = 15 };

static bool is_named(const struct rsmfs_options *options, const char *name, bool is_comm)
{
	for (size_t i = 0; i < options->deny_recall_count; i++) {
		const char *denied = options->deny_recall[i];

		if (strcmp(denied, name) == 0 ||
		    (is_comm && strlen(denied) > COMM_MAX && strlen(name) == COMM_MAX &&
		     strncmp(denied, name, COMM_MAX) == 0))
			return true;
	}
	return false;
}

bool rsmfs_recall_denied(const struct rsmfs *fs, pid_t pid)
{
	char path[64], text[PATH_MAX];
	const char *base;
	ssize_t length;
	int fd;

	if (!fs->options->deny_recall_count || pid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length > 0) {
		text[length] = '\0';
		text[strcspn(text, "\n")] = '\0';
		if (is_named(fs->options, text, true))
			return true;
	}
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	length = readlink(path, text, sizeof(text) - 1);
	if (length <= 0)
		return false;
	text[length] = '\0';
	base = strrchr(text, '/');
	return is_named(fs->options, base ? base + 1 : text, false);
}
