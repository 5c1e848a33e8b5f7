#include "fs/mountpoint.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

extern char **environ;

/* mountinfo writes blank, tab, newline and backslash as octal. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
				       (from[3] - '0'));
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

int rsmfs_mountpoint_look(const char *path, char type[64], char device[32], struct rsm_err *err)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	RSM_FREE char *line = NULL;
	size_t room = 0;

	if (!file)
		return rsm_err_errno(err, "/proc/self/mountinfo");
	if (type)
		type[0] = '\0';
	if (device)
		device[0] = '\0';
	/* 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw */
	while (getline(&line, &room, file) >= 0) {
		char numbers[32], kind[64], *dash = strstr(line, " - ");
		RSM_FREE char *point = NULL;

		if (!dash || sscanf(line, "%*d %*d %31s %*s %ms", numbers, &point) != 2 || !point ||
		    sscanf(dash + 3, "%63s", kind) != 1)
			continue;
		unescape(point);
		if (strcmp(point, path) != 0)
			continue;
		if (type)
			snprintf(type, 64, "%s", kind);
		if (device)
			snprintf(device, 32, "%s", numbers);
	}
	fclose(file);
	return 0;
}

int rsmfs_mountpoint_detach(const char *path, struct rsm_err *err)
{
	char *const argv[] = { (char *)(uintptr_t) "fusermount3",
			       (char *)(uintptr_t) "-u",
			       (char *)(uintptr_t) "-q",
			       (char *)(uintptr_t) "-z",
			       (char *)(uintptr_t) "--",
			       (char *)(uintptr_t)path,
			       NULL };
	pid_t pid;
	int status, r;

	if (geteuid() == 0) {
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
			return rsm_err_errno(err, "unmount %s", path);
		return 0;
	}
	r = posix_spawnp(&pid, "fusermount3", NULL, NULL, argv, environ);
	if (r)
		return rsm_err_set(err, r, "fusermount3 cannot be run: %s", strerror(r));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return rsm_err_errno(err, "fusermount3");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return rsm_err_set(err, EBUSY, "fusermount3 could not unmount %s", path);
	return 0;
}

void rsmfs_mountpoint_announce(const char *source, const char *path)
{
	/* -f: in its table only; -c: without a look at a mount that does not answer yet */
	static const char *const words[] = { "mount", "-f",	    "-c", "-i",
					     "-t",    "fuse.rsmfs", "-o", "uhelper=fuse.rsmfs",
					     "--" };
	char *argv[sizeof(words) / sizeof(words[0]) + 3];
	size_t count = 0;
	pid_t pid;
	int status;

	if (geteuid() != 0 || access("/sbin/umount.fuse.rsmfs", X_OK) != 0)
		return;
	for (; count < sizeof(words) / sizeof(words[0]); count++)
		argv[count] = (char *)(uintptr_t)words[count];
	argv[count++] = (char *)(uintptr_t)source;
	argv[count++] = (char *)(uintptr_t)path;
	argv[count] = NULL;
	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
		return;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* The path without a look at its last part, which may be a dead mount. */
static int real_path(const char *path, char **ret_path, struct rsm_err *err)
{
	RSM_FREE char *copy = strdup(path), *parent = NULL;
	const char *base;
	char *slash;
	size_t length;

	if (!copy)
		return rsm_err_oom(err);
	*ret_path = realpath(path, NULL);
	if (*ret_path)
		return 0;
	if (errno != ENOTCONN && errno != EACCES && errno != EIO)
		return rsm_err_errno(err, "mount point %s", path);
	for (length = strlen(copy); length > 1 && copy[length - 1] == '/'; length--)
		copy[length - 1] = '\0';
	slash = strrchr(copy, '/');
	base = slash ? slash + 1 : copy;
	if (slash)
		*slash = '\0';
	parent = realpath(!slash ? "." : *copy ? copy : "/", NULL);
	if (!parent || asprintf(ret_path, "%s/%s", strcmp(parent, "/") ? parent : "", base) < 0)
		return rsm_err_errno(err, "mount point %s", path);
	return 0;
}

static int check_empty(const char *path, struct rsm_err *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool empty = true;

	if (!dir)
		return rsm_err_errno(err, "mount point %s", path);
	while (empty && (entry = readdir(dir)))
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(dir);
	if (!empty)
		return rsm_err_set(err, ENOTEMPTY,
				   "mount point %s is not empty (-o nonempty mounts over it)",
				   path);
	return 0;
}

/* Whether a mount answers no more. Asked by an open: attributes may come from the kernel's cache.
 */
static bool is_dead(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOTCONN;
	close(fd);
	return false;
}

int rsmfs_mountpoint_prepare(const char *path, bool nonempty, char **ret_path, struct rsm_err *err)
{
	RSM_FREE char *real = NULL;
	char type[64];
	struct stat st;
	int r = real_path(path, &real, err);

	if (r == 0)
		r = rsmfs_mountpoint_look(real, type, NULL, err);
	if (r < 0)
		return r;
	while (strcmp(type, "fuse.rsmfs") == 0 && is_dead(real)) {
		r = rsmfs_mountpoint_detach(real, err);
		if (r < 0)
			return rsm_err_wrap(err, r, "dead mount");
		r = rsmfs_mountpoint_look(real, type, NULL, err);
		if (r < 0)
			return r;
	}
	if (strcmp(type, "fuse.rsmfs") == 0)
		return rsm_err_set(err, EBUSY, "an rsmfs is mounted on %s already", path);
	if (stat(real, &st) != 0)
		return rsm_err_errno(err, "mount point %s", path);
	if (!S_ISDIR(st.st_mode))
		return rsm_err_set(err, ENOTDIR, "mount point %s is not a folder", path);
	if (type[0] && !nonempty)
		return rsm_err_set(err, EBUSY,
				   "mount point %s is in use: a file system of type %s is mounted "
				   "there",
				   path, type);
	if (!nonempty) {
		r = check_empty(real, err);
		if (r < 0)
			return r;
	}
	*ret_path = RSM_STEAL(real);
	return 0;
}

/* The real path of the longest part that exists, the rest as it is. */
static int resolve(const char *path, char **ret_path, struct rsm_err *err)
{
	size_t prefix = path[0] == '/' ? 0 : 2;
	RSM_FREE char *part = NULL, *real = NULL;
	const char *rest = "";
	char *slash;

	if (asprintf(&part, "%s%s", prefix ? "./" : "", path) < 0)
		return rsm_err_oom(err);
	while (!(real = realpath(part, NULL)) && (slash = strrchr(part, '/')) && slash > part) {
		rest = path + (slash + 1 - part) - prefix;
		*slash = '\0';
	}
	if (!real) { /* nothing of it exists */
		rest = path;
		real = strdup("/");
	}
	while (*rest == '/')
		rest++;
	if (!real || asprintf(ret_path, "%s%s%s", strcmp(real, "/") ? real : "",
			      *rest || !strcmp(real, "/") ? "/" : "", rest) < 0)
		return rsm_err_oom(err);
	return 0;
}

int rsmfs_mountpoint_check_outside(const char *mountpoint, const char *path, const char *what,
				   struct rsm_err *err)
{
	RSM_FREE char *real = NULL;
	size_t length = strlen(mountpoint);
	int r = resolve(path, &real, err);

	if (r < 0)
		return r;
	if (strncmp(real, mountpoint, length) == 0 &&
	    (real[length] == '\0' || real[length] == '/' || length == 1))
		return rsm_err_set(err, EINVAL,
				   "%s %s lies in the mount point %s: it would wait for itself",
				   what, path, mountpoint);
	return 0;
}

void rsmfs_mountpoint_read_ahead(const char *path, unsigned kib)
{
	char device[32], file[96], text[16];
	int length = snprintf(text, sizeof(text), "%u", kib);
	RSM_CLOSE int fd = -1;

	if (rsmfs_mountpoint_look(path, NULL, device, NULL) < 0 || !device[0])
		return;
	snprintf(file, sizeof(file), "/sys/class/bdi/%s/read_ahead_kb", device);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, (size_t)length) < 0)
		return;
}
