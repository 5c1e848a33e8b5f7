#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* The log is the one thing that is a process's own; it has no other state than where lines go. */
static struct {
	atomic_uint rooms;
	atomic_int target;
	atomic_int file;
} sink = { .target = RSM_LOG_TO_STDERR, .file = -1 };

static const struct {
	const char *name;
	unsigned room;
} rooms[] = {
	{ "scsi", RSM_ROOM_SCSI },	 { "emulator", RSM_ROOM_EMULATOR },
	{ "catalog", RSM_ROOM_CATALOG }, { "queue", RSM_ROOM_QUEUE },
	{ "drive", RSM_ROOM_DRIVE },	 { "volume", RSM_ROOM_VOLUME },
	{ "staging", RSM_ROOM_STAGING }, { "fuse", RSM_ROOM_FUSE },
	{ "control", RSM_ROOM_CONTROL }, { "all", ~0u },
};

static const char *const level_names[] = { "error", "warning", "info", "debug" };
static const int syslog_levels[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

int rsm_log_open(enum rsm_log_target target, const char *file, struct rsm_err *err)
{
	int fd = -1, before = atomic_load(&sink.file);

	if (file) {
		fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
		if (fd < 0)
			return rsm_err_errno(err, "log %s", file);
	}
	if (target == RSM_LOG_TO_SYSLOG)
		openlog("rsmfs", LOG_PID, LOG_DAEMON);
	atomic_store(&sink.target, target);
	if (fd < 0 || before < 0 || dup3(fd, before, O_CLOEXEC) < 0) {
		atomic_store(&sink.file, fd);
		fd = before;
	} /* else the number stays the log's: another thread may be writing to it */
	if (fd >= 0)
		close(fd);
	return 0;
}

int rsm_log_parse_rooms(const char *text, unsigned *ret_rooms, struct rsm_err *err)
{
	unsigned found = 0;

	while (*text) {
		size_t length = strcspn(text, ",:");
		size_t i;

		for (i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
			if (strlen(rooms[i].name) == length && !memcmp(rooms[i].name, text, length))
				break;
		if (i == sizeof rooms / sizeof rooms[0])
			return rsm_err_set(
				err, EINVAL,
				"debug room '%.*s' is unknown (scsi, emulator, catalog, queue, "
				"drive, volume, staging, fuse, control, all)",
				(int)length, text);
		found |= rooms[i].room;
		text += length;
		if (*text)
			text++;
	}
	*ret_rooms = found;
	return 0;
}

void rsm_log_set_rooms(unsigned wanted)
{
	atomic_store(&sink.rooms, wanted);
}

bool rsm_log_wants(enum rsm_log_room room)
{
	return atomic_load_explicit(&sink.rooms, memory_order_relaxed) & room;
}

static void write_line(int fd, enum rsm_log_level level, const char *text)
{
	char line[1400];
	struct timespec now;
	struct tm tm;
	int length;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	length = snprintf(line, sizeof line, "%04d-%02d-%02d %02d:%02d:%02d.%03ld rsmfs %s: %s\n",
			  tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			  tm.tm_sec, now.tv_nsec / 1000000, level_names[level], text);
	if (length >= (int)sizeof line)
		length = sizeof line - 1;
	/* one write a line, so that lines of several threads do not mix; a full disk loses the line
	 */
	if (write(fd, line, (size_t)length) < 0)
		return;
}

void rsm_log(enum rsm_log_level level, const char *format, ...)
{
	char text[1200];
	va_list args;
	int fd = atomic_load(&sink.file);

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (atomic_load(&sink.target) == RSM_LOG_TO_SYSLOG)
		syslog(syslog_levels[level], "%s", text);
	else
		write_line(STDERR_FILENO, level, text);
	if (fd >= 0)
		write_line(fd, level, text);
}
