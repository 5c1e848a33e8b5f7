#include "fs/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "fs/options.h"

enum { DYING_MS = 10000, LOOK_MS = 200, TEXT_MAX = 8192 };

struct rsmfs_lock {
	int fd;
	pid_t pid;
	char *mountpoint;
};

int rsmfs_lock_path(const char *library, const char *state, char **ret_path, struct rsm_err *err)
{
	RSM_FREE char *folder = NULL;
	RSM_TEXT struct rsm_text path = { 0 };
	int r = 0;

	if (!library || !*library)
		r = rsmfs_default_library(&folder, err);
	else if (!rsmfs_is_device(library))
		folder = strdup(library);
	else if (state)
		folder = strdup(state);
	else
		r = rsmfs_default_state(library, &folder, err);
	if (r < 0)
		return r;
	if (!folder)
		return rsm_err_oom(err);
	rsm_text_printf(&path, "%s/.rsmfs.lock", folder);
	return rsm_text_take(&path, ret_path, err);
}

/* Reads the text; what cannot be understood leaves pid 0. */
static void read_owner(int fd, struct rsmfs_lock_owner *owner)
{
	char text[TEXT_MAX], word[16], *line, *second, *end;
	size_t length = 0;
	int at = 0, pid = 0;

	owner->state = RSMFS_LOCK_MOUNTED;
	if (rsm_file_read_at(fd, text, sizeof(text) - 1, 0, &length) < 0)
		return;
	text[length] = '\0';
	line = text;
	second = strchr(text, '\n');
	if (second)
		*second++ = '\0';
	if (sscanf(line, "%15s %d %n", word, &pid, &at) < 2 || pid <= 0)
		return;
	if (strcmp(word, "ending") == 0)
		owner->state = RSMFS_LOCK_ENDING;
	owner->pid = pid;
	snprintf(owner->mountpoint, sizeof(owner->mountpoint), "%s", at ? line + at : "");
	if (second) {
		end = strchr(second, '\n');
		if (end)
			*end = '\0';
		snprintf(owner->progress, sizeof(owner->progress), "%s", second);
	}
}

int rsmfs_lock_look(const char *path, struct rsmfs_lock_owner *ret_owner, struct rsm_err *err)
{
	RSM_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	*ret_owner = (struct rsmfs_lock_owner){ 0 };
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : rsm_err_errno(err, "%s", path);
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return rsm_err_errno(err, "lock %s", path);
	read_owner(fd, ret_owner);
	return 0;
}

static int refuse(const char *library, const struct rsmfs_lock_owner *owner, struct rsm_err *err)
{
	if (!owner->pid)
		return rsm_err_set(err, EBUSY, "library %s is in use by another rsmfs", library);
	return rsm_err_set(err, EBUSY, "library %s is mounted on %s already (process %d)", library,
			   owner->mountpoint, (int)owner->pid);
}

/* Killed: its first thread is over, the others and the lock go in a moment. */
static bool is_dying(pid_t pid)
{
	char path[32], state = 'Z';
	FILE *file;

	if (pid <= 0)
		return false;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(file);
	return state == 'Z' || state == 'X';
}

int rsmfs_lock_take(const char *path, const char *library, const char *mountpoint,
		    rsmfs_lock_progress *progress, void *context, struct rsmfs_lock **ret_lock,
		    struct rsm_err *err)
{
	RSM_CLEANUP(rsmfs_lock_release) struct rsmfs_lock *lock = calloc(1, sizeof(*lock));
	unsigned tries = 0, dying = 0;

	if (!lock)
		return rsm_err_oom(err);
	lock->pid = getpid();
	lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (lock->fd < 0)
		return rsm_err_errno(err, "%s", path);
	lock->mountpoint = strdup(mountpoint);
	if (!lock->mountpoint)
		return rsm_err_oom(err);
	while (flock(lock->fd, LOCK_EX | LOCK_NB) != 0) {
		struct rsmfs_lock_owner owner = { 0 };

		if (errno != EWOULDBLOCK)
			return rsm_err_errno(err, "lock %s", path);
		read_owner(lock->fd, &owner);
		/* A look holds the lock for an instant, and a holder writes its text a moment after
		 * it has the lock: so what is read at first may be the one before it. */
		if (owner.state != RSMFS_LOCK_ENDING && is_dying(owner.pid) &&
		    ++dying < DYING_MS / LOOK_MS)
			tries = 0;
		else if (owner.state != RSMFS_LOCK_ENDING && ++tries > 2)
			return refuse(library, &owner, err);
		if (owner.state == RSMFS_LOCK_ENDING && progress && !progress(context, &owner))
			return rsm_err_set(err, EINTR,
					   "interrupted while waiting for the last mount of %s",
					   library);
		rsm_clock_sleep_ns(rsm_clock_real(), LOOK_MS * (RSM_SECOND_NS / 1000));
	}
	rsmfs_lock_tell(lock, RSMFS_LOCK_MOUNTED, NULL);
	*ret_lock = RSM_STEAL(lock);
	return 0;
}

void rsmfs_lock_tell(struct rsmfs_lock *lock, enum rsmfs_lock_state state, const char *progress)
{
	RSM_TEXT struct rsm_text text = { 0 };

	if (state != RSMFS_LOCK_FREE)
		rsm_text_printf(&text, "%s %d %s\n",
				state == RSMFS_LOCK_ENDING ? "ending" : "mounted", (int)lock->pid,
				lock->mountpoint);
	if (progress)
		rsm_text_printf(&text, "%s\n", progress);
	if (text.failed)
		return;
	/* longer than what was: cut afterwards, so that a reader never finds it empty */
	if (rsm_file_write_at(lock->fd, text.data ? text.data : "", text.length, 0) < 0 ||
	    ftruncate(lock->fd, (off_t)text.length) != 0)
		return;
}

void rsmfs_lock_release(struct rsmfs_lock *lock)
{
	if (!lock)
		return;
	if (lock->fd >= 0)
		close(lock->fd);
	free(lock->mountpoint);
	free(lock);
}

int rsmfs_lock_wait(const char *library, rsmfs_lock_progress *progress, void *context,
		    struct rsm_err *err)
{
	RSM_FREE char *path = NULL;
	int r = rsmfs_lock_path(library, NULL, &path, err);

	if (r < 0)
		return r;
	for (;;) {
		struct rsmfs_lock_owner owner;

		r = rsmfs_lock_look(path, &owner, err);
		if (r < 0 || owner.state == RSMFS_LOCK_FREE)
			return r;
		if (progress && !progress(context, &owner))
			return rsm_err_set(err, EINTR, "interrupted while waiting for %s", library);
		rsm_clock_sleep_ns(rsm_clock_real(), LOOK_MS * (RSM_SECOND_NS / 1000));
	}
}
