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

static bool look(const struct rsmfs *fs, pid_t pid)
{
	char path[64], text[PATH_MAX];
	const char *base;
	ssize_t length;
	int fd;

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

/* A process that opens file after file is looked at once a second: a slot holds its id, the second,
 * and the verdict. */
bool rsmfs_recall_denied(struct rsmfs *fs, pid_t pid)
{
	uint64_t second = (uint64_t)(rsm_clock_now_ns(rsm_clock_real()) / RSM_SECOND_NS);
	uint64_t key = (uint64_t)(uint32_t)pid << 32 | (second & 0x7fffffff) << 1, known;
	atomic_uint_fast64_t *slot = &fs->recall[(uint32_t)pid % RSMFS_CHANGE_SLOTS];
	bool denied;

	if (!fs->options->deny_recall_count || pid <= 0)
		return false;
	known = atomic_load(slot);
	if ((known & ~(uint64_t)1) == key)
		return known & 1;
	denied = look(fs, pid);
	atomic_store(slot, key | denied);
	return denied;
}
