/* rsm_path.c - the path of a program through Removable Storage, with nothing but POSIX calls.
 *
 *   rsm_path MOUNTPOINT
 *
 * A program for Windows' Removable Storage opened a session, allocated a medium, mounted it, read
 * and wrote, dismounted and deallocated it, and closed the session. Here a pool and a medium are
 * folders, so the same path is mkdir, open, write, close, rmdir. Each step names the function of
 * ntmsapi.h that it stands for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char pool[] = "RsmPath";
static const char medium[] = "RsmPath/demo";
static const char words[] = "written by way of a tape\n";

static void give_up(const char *what)
{
	fprintf(stderr, "rsm_path: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* GetNtmsObjectInformation: what is known of an object is in its attributes. */
static void show(int session, const char *path, const char *attribute)
{
	char value[256];
	int folder = openat(session, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ssize_t length;

	if (folder < 0)
		give_up(path);
	length = fgetxattr(folder, attribute, value, sizeof(value));
	if (length < 0)
		give_up(attribute);
	printf("  %s = %.*s\n", attribute, (int)length, value);
	close(folder);
}

static void write_file(int session, const char *path)
{
	/* MountNtmsMedia: opening is mounting. Writing does not even wait for it: what is written
	 * is staged on disk, and goes to the medium when a drive has it. */
	int file = openat(session, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (file < 0)
		give_up(path);
	if (write(file, words, strlen(words)) != (ssize_t)strlen(words))
		give_up(path);
	/* survives a loss of power from here on */
	if (fsync(file) < 0)
		give_up(path);
	/* DismountNtmsMedia, deferred: the last close lets the medium go home after a while, sooner
	 * if its drive is wanted. An error of the commit is told here and must be looked at. */
	if (close(file) < 0)
		give_up(path);
}

static void read_file(int session, const char *path)
{
	char text[sizeof(words) + 1];
	ssize_t length;
	int file = openat(session, path, O_RDONLY | O_CLOEXEC); /* MountNtmsMedia again */

	if (file < 0)
		give_up(path);
	/* waits for the medium if it must; a signal ends the wait */
	length = read(file, text, sizeof(text));
	if (length < 0)
		give_up(path);
	printf("read back: %.*s", (int)length, text);
	close(file);
	if ((size_t)length != strlen(words) || memcmp(text, words, strlen(words)) != 0) {
		fprintf(stderr, "rsm_path: %s: not what was written\n", path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	char path[64];
	int session;

	if (argc != 2) {
		fprintf(stderr, "usage: rsm_path MOUNTPOINT\n");
		return 2;
	}

	/* OpenNtmsSession */
	session = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (session < 0)
		give_up(argv[1]);
	printf("session: %s\n", argv[1]);

	/* CreateNtmsMediaPool, NTMS_OPEN_ALWAYS. SetNtmsMediaPoolPolicies would be
	 * fsetxattr("user.rsm.allocation_limit") and such. */
	if (mkdirat(session, pool, 0755) < 0 && errno != EEXIST)
		give_up(pool);
	printf("pool: %s\n", pool);
	show(session, pool, "user.rsm.draw_from_free");

	/* AllocateNtmsMedia: never two callers the same medium. ENOSPC: none is free */
	if (mkdirat(session, medium, 0755) < 0)
		give_up(medium);
	printf("allocated: %s\n", medium);
	show(session, medium, "user.rsm.lmid"); /* the NTMS_GUID of the logical medium */
	show(session, medium, "user.rsm.barcode");
	show(session, medium, "user.rsm.location");

	snprintf(path, sizeof(path), "%s/%s", medium, "file");
	write_file(session, path);
	read_file(session, path);

	/* DeallocateNtmsMedia: a medium that still holds files is refused (ENOTEMPTY) */
	if (unlinkat(session, path, 0) < 0)
		give_up(path);
	if (unlinkat(session, medium, AT_REMOVEDIR) < 0)
		give_up(medium);
	printf("deallocated: %s\n", medium);

	/* DeleteNtmsMediaPool: another program may be using it, that is fine */
	if (unlinkat(session, pool, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY)
		give_up(pool);

	/* CloseNtmsSession */
	close(session);
	return 0;
}
