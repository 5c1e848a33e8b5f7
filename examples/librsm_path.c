/* librsm_path.c - the path of a program through Removable Storage, by librsm.
 *
 *   librsm_path [MOUNTPOINT]
 *
 *   cc librsm_path.c $(pkg-config --cflags --libs librsm) -o librsm_path
 *
 * The same as rsm_path.c, which needs no library: a program that was written for ntmsapi.h finds
 * its functions here one by one. Files are read and written by plain POSIX calls in both.
 */
#include <rsm.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char pool[] = "LibrsmPath";
static const char words[] = "written by way of a tape\n";

static struct rsm_error error;

static void give_up(const char *what)
{
	fprintf(stderr, "librsm_path: %s: %s\n", what, error.text);
	exit(1);
}

static void give_up_file(const char *path)
{
	fprintf(stderr, "librsm_path: %s: %s\n", path, strerror(errno));
	exit(1);
}

static void write_file(const char *path)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (file < 0 || write(file, words, strlen(words)) != (ssize_t)strlen(words) ||
	    fsync(file) < 0 || close(file) < 0)
		give_up_file(path);
}

static void read_file(const char *path)
{
	char text[sizeof(words) + 1];
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = file < 0 ? -1 : read(file, text, sizeof(text));

	if (length < 0)
		give_up_file(path);
	close(file);
	printf("read back: %.*s", (int)length, text);
	if ((size_t)length != strlen(words) || memcmp(text, words, strlen(words)) != 0) {
		fprintf(stderr, "librsm_path: %s: not what was written\n", path);
		exit(1);
	}
}

/* What happened to our medium meanwhile. */
static void show_events(struct rsm_notification *notification, const char *barcode)
{
	const struct rsm_event *event;
	int r;

	while ((r = rsm_notification_wait(notification, 0, &event, &error)) == 0) {
		const char *medium = rsm_event_get(event, "medium");

		if (medium && strcmp(medium, barcode) == 0)
			printf("event: %s\n", rsm_event_get(event, "event"));
	}
	if (r < 0)
		give_up("events");
}

int main(int argc, char **argv)
{
	struct rsm_notification *notification;
	struct rsm_allocated medium;
	struct rsm_session *session;
	char *folder, *location, path[4096];

	/* OpenNtmsSession */
	if (rsm_session_open(argc > 1 ? argv[1] : NULL, &session, &error) < 0)
		give_up("session");
	printf("session: %s\n", rsm_session_mountpoint(session));

	/* OpenNtmsNotification */
	if (rsm_notification_open(session, &notification, &error) < 0)
		give_up("notification");

	/* CreateNtmsMediaPool */
	if (rsm_pool_open(session, pool, RSM_OPEN_ALWAYS, NULL, &error) < 0)
		give_up(pool);

	/* AllocateNtmsMedia: fails at once when there is none, else an operator would be asked */
	if (rsm_allocate(session, pool, "demo", NULL, RSM_ALLOCATE_ERROR_IF_UNAVAILABLE, 0, &medium,
			 &error) < 0)
		give_up("allocate");
	printf("allocated: %s, LMID %s, barcode %s\n", medium.path, medium.lmid, medium.barcode);

	/* The LMID is what a program remembers: name and place of the medium may change. */
	if (rsm_path(session, medium.lmid, &folder, &error) < 0)
		give_up(medium.lmid);
	snprintf(path, sizeof(path), "%s/file", folder);

	/* MountNtmsMedia: a program that just opens files does not need it */
	if (rsm_mount(session, &(const char *){ medium.lmid }, 1, RSM_MOUNT_WRITE, 0,
		      RSM_PRIORITY_NORMAL, 60000, &error) < 0)
		give_up("mount");
	/* GetNtmsObjectInformation */
	if (rsm_get(session, medium.lmid, "location", &location, &error) < 0)
		give_up("location");
	printf("mounted: %s\n", location);
	write_file(path);
	/* DismountNtmsMedia: when it returns, all is on the medium */
	if (rsm_dismount(session, &(const char *){ medium.lmid }, 1, 0, &error) < 0)
		give_up("dismount");
	read_file(path);

	/* DeallocateNtmsMedia: refused while there are files on it, unless one insists */
	if (rsm_deallocate(session, medium.lmid, 0, &error) == 0) {
		fprintf(stderr, "librsm_path: a medium with files on it was deallocated\n");
		return 1;
	}
	printf("not yet: %s\n", error.text);
	if (rsm_deallocate(session, medium.lmid, 1, &error) < 0)
		give_up("deallocate");

	/* DeleteNtmsMediaPool: another program may be using it, that is fine */
	if (rsm_pool_delete(session, pool, &error) < 0 && error.code != ENOTEMPTY)
		give_up(pool);

	show_events(notification, medium.barcode);
	free(location);
	free(folder);
	rsm_allocated_fini(&medium);
	rsm_notification_close(notification);
	rsm_session_close(session);
	return 0;
}
