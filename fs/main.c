/* main.c - rsmfs: mounts a media library. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "fs/session.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char help[] =
	"Usage: rsmfs [LIBRARY] MOUNTPOINT [-o OPTIONS] [-f] [-d]\n"
	"Mounts a media library: tapes as folders, moved by a robot when they are needed.\n"
	"\n"
	"LIBRARY is a folder (a virtual library; an empty or missing one is made), a medium\n"
	"changer or a tape drive (/dev/sgN, /dev/schN, /dev/changer, /dev/nstN). Left out: your\n"
	"own virtual library.\n"
	"\n"
	"  -f                      stay in the foreground\n"
	"  -d                      the same, and show each FUSE request\n"
	"  -o library=LIBRARY      one more library, sharing the pools\n"
	"  -o state=DIR            where the catalogue is kept\n"
	"  -o staging=DIR          where data waits for its medium\n"
	"  -o staging_limit=SIZE   how much of it\n"
	"  -o stream_size=SIZE     write a file to its medium while it still grows, from here on\n"
	"  -o drives=DEV:DEV       the drives of a changer\n"
	"  -o dismount_delay=S     how long an idle cartridge stays in its drive (60)\n"
	"  -o mount_timeout=S      who waits so long for a drive gets an error (0: never)\n"
	"  -o migrate_delay=MS     quiet time after a close before writing to the medium (2000)\n"
	"  -o label_delay=MS       quiet time after an allocation before label work (10000)\n"
	"  -o index_interval=S     how often an index is written to a medium (300; 0: at the end)\n"
	"  -o index_bytes=SIZE     and after how much data (however much it is)\n"
	"  -o browse=catalog|mount listings from the catalogue, or from the mounted medium\n"
	"  -o hash=sha256|crc32|none  checksum stored with each file when it is written (sha256)\n"
	"  -o recovery=full|none   a wrong label has the whole library looked through (full)\n"
	"  -o offline=fail|wait    what reading a cartridge that is not in the library does\n"
	"  -o inject=auto|manual   cartridges in ports come in by themselves, or by rsm inject\n"
	"  -o autoclean            clean drives when they ask for it\n"
	"  -o nonblock=wait|eagain what O_NONBLOCK does\n"
	"  -o deny_recall=NAME:... programs that make no robot move\n"
	"  -o uid=N,gid=N,umask=M  for files that have no owner and mode of their own\n"
	"  -o admin_group=GROUP    administrators besides root and who mounts\n"
	"  -o hook=PROGRAM         is called with operator requests and errors\n"
	"  -o ro                   read-only\n"
	"  -o nonempty             mount over a folder that is not empty\n"
	"  -o log=FILE, -o debug=ROOM,...\n"
	"  --help, --version\n";

struct front {
	const struct rsmfs_options *options;
	int status; /* pipe to the process that waits; -1 in the foreground */
};

static void say(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "%s\n", line);
}

/* Tells the waiting parent, and lets the terminal go. */
static void detach(struct front *front)
{
	char done = EXIT_DONE;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct rsm_err err;

	if (rsm_log_open(RSM_LOG_TO_SYSLOG, front->options->log, &err) < 0)
		rsm_log_warning("%s", err.msg);
	if (chdir("/") != 0)
		rsm_log_warning("chdir /: %s", strerror(errno));
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	if (write(front->status, &done, 1) != 1)
		rsm_log_warning("nobody waits for the mount");
	close(front->status);
	front->status = -1;
}

static void mounted(void *context, const char *line)
{
	struct front *front = context;

	printf("%s\n", line);
	fflush(stdout);
	if (front->status >= 0)
		detach(front);
}

static void ended(void *context, const char *line)
{
	struct front *front = context;

	if (front->options->foreground)
		fprintf(stderr, "%s\n", line);
	else
		rsm_log_info("%s", line + strlen("rsmfs: "));
}

static int serve(struct rsmfs_options *options, int status)
{
	struct front front = { .options = options, .status = status };
	struct rsmfs_session_reports reports = {
		.say = say, .mounted = mounted, .ended = ended, .context = &front
	};
	struct rsm_err err;
	int r;

	rsm_log_set_rooms(options->debug_rooms);
	r = rsm_log_open(RSM_LOG_TO_STDERR, NULL, &err);
	if (r == 0)
		r = rsmfs_session_run(options, &reports, &err);
	if (r == 0)
		return EXIT_DONE;
	if (front.status < 0 && !options->foreground)
		rsm_log_error("%s", err.msg);
	else
		fprintf(stderr, "rsmfs: %s\n", err.msg);
	return EXIT_FAILED;
}

/* The parent's part: the child's word, or its end. */
static int wait_for(pid_t child, int status)
{
	char done;
	ssize_t n;
	int code;

	do {
		n = read(status, &done, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return done;
	while (waitpid(child, &code, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILED;
	if (WIFEXITED(code))
		return WEXITSTATUS(code) ? WEXITSTATUS(code) : EXIT_FAILED;
	fprintf(stderr, "rsmfs: ended by signal %d\n", WTERMSIG(code));
	return EXIT_FAILED;
}

/* Before anything is opened or started: neither databases nor threads survive a fork. */
static int serve_in_background(struct rsmfs_options *options)
{
	int ends[2], code;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0) {
		fprintf(stderr, "rsmfs: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	if (child > 0) {
		close(ends[1]);
		code = wait_for(child, ends[0]);
		close(ends[0]);
		return code;
	}
	close(ends[0]);
	setsid();
	return serve(options, ends[1]);
}

/* Descriptors 0 to 2 must be something, or the device of a mount becomes somebody's stderr. */
static void open_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Read buffers of a mebibyte come and go all the time. By default each of them is mapped, faulted
 * in page by page and unmapped, which halves the speed of reading; two arenas keep them few.
 */
static void tune_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 8 << 20);
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
	mallopt(M_ARENA_MAX, 2);
}

int main(int argc, char **argv)
{
	struct rsmfs_options options;
	struct rsm_err err;
	int r, code = EXIT_DONE;

	open_standard();
	tune_memory();
	r = rsmfs_options_parse(&options, argc, argv, &err);
	if (r < 0) {
		fprintf(stderr, "rsmfs: %s (rsmfs --help tells more)\n", err.msg);
		code = EXIT_USAGE;
	} else if (options.action == RSMFS_ACTION_HELP) {
		fputs(help, stdout);
	} else if (options.action == RSMFS_ACTION_VERSION) {
		puts("rsmfs " RSM_VERSION);
	} else {
		code = options.foreground ? serve(&options, -1) : serve_in_background(&options);
	}
	rsmfs_options_fini(&options);
	return code;
}
