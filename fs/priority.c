#include "fs/priority.h"

#include <sys/syscall.h>
#include <unistd.h>

/* ioprio_get(2), which has no header in the C library */
enum { WHO_PROCESS = 1, CLASS_SHIFT = 13, LEVEL_MASK = 7, LEVEL_USUAL = 4 };
enum { CLASS_REALTIME = 1, CLASS_BEST_EFFORT, CLASS_IDLE };
enum { LOWEST = -15, HIGH = 7 };

int rsmfs_priority_of(pid_t pid)
{
	long value = pid > 0 ? syscall(SYS_ioprio_get, WHO_PROCESS, pid) : -1;
	int level;

	if (value < 0)
		return 0;
	level = (int)(value & LEVEL_MASK);
	switch (value >> CLASS_SHIFT) {
	case CLASS_REALTIME: return HIGH;
	case CLASS_IDLE: return LOWEST;
	case CLASS_BEST_EFFORT: /* who raises his level without a privilege gains nothing here */
		return level > LEVEL_USUAL ? -2 * (level - LEVEL_USUAL) : 0;
	default: return 0;
	}
}
