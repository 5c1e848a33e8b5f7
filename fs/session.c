#include "fs/session.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "changer/emulator/library_folder.h"
#include "fs/ending.h"
#include "fs/frontend.h"
#include "fs/hook.h"
#include "fs/lock.h"
#include "fs/mountpoint.h"
#include "fs/notify.h"
#include "fs/parking.h"

/* Ending, step by step: a signal syncs the mount while it still serves (dirty pages of mmap become
 * writes, writes reach the staging area), ends the session and wakes it with one more request; or
 * the kernel ends it by itself (umount). Then waiters are told, the mount is detached, handles that
 * the kernel never released are, and the manager puts the cartridges away under a lock that says
 * "ending".
 */

enum {
	THREADS_MIN = 4,
	THREADS_MAX = 10,
	READ_AHEAD_KIB = 4096,
	DESCRIPTORS_MAX = 65536,
	GREETING_SECONDS = 5
};

struct session {
	struct rsmfs_options *options;
	const struct rsmfs_session_reports *reports;
	char *mountpoint; /* real path */
	char *state;	  /* for devices without -o state */
	struct rsmfs_lock **locks;
	size_t lock_count;
	struct rsmfs fs;
	struct rsmfs_hook *hook;
	pthread_t signals;
	bool signals_running, said_waiting;
	atomic_bool ready, serving, finished;
	atomic_bool hurry;
	atomic_uint signal_count;
	char line[4352 + 256];
};

/* ---- libraries ---- */

static int make_absolute(char **path, struct rsm_err *err)
{
	char *real = realpath(*path, NULL);

	if (!real)
		return rsm_err_errno(err, "library %s", *path);
	free(*path);
	*path = real;
	return 0;
}

static int check_outside(const struct session *session, const char *mountpoint, struct rsm_err *err)
{
	const struct rsmfs_options *o = session->options;
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->library_count; i++)
		if (!rsmfs_is_device(o->libraries[i]))
			r = rsmfs_mountpoint_check_outside(mountpoint, o->libraries[i], "library",
							   err);
	if (r == 0 && o->state)
		r = rsmfs_mountpoint_check_outside(mountpoint, o->state, "state folder", err);
	if (r == 0 && o->staging)
		r = rsmfs_mountpoint_check_outside(mountpoint, o->staging, "staging folder", err);
	if (r == 0 && o->log)
		r = rsmfs_mountpoint_check_outside(mountpoint, o->log, "log", err);
	return r;
}

/* Refuses what is no library before anything is made in it. */
static int probe(const char *library, struct rsm_err *err)
{
	int r = rsm_library_folder_probe(library, err);

	if (r == RSM_LIBRARY_FOLDER_FOREIGN)
		return rsm_err_set(err, EINVAL, "%s holds other things and no library", library);
	return r;
}

/* One that is not there (yet) must not become a folder in /dev. */
static int check_device(const char *library, struct rsm_err *err)
{
	return access(library, F_OK) < 0 ? rsm_err_errno(err, "library %s", library) : 0;
}

static bool say_waiting(void *context, const struct rsmfs_lock_owner *owner)
{
	struct session *session = context;
	char line[4352];

	if (session->said_waiting)
		return true;
	snprintf(line, sizeof(line),
		 "rsmfs: the last mount on %s is still being put away (process %d), waiting",
		 owner->mountpoint, (int)owner->pid);
	session->reports->say(session->reports->context, line);
	session->said_waiting = true;
	return true;
}

static int take_lock(struct session *session, size_t index, struct rsm_err *err)
{
	struct rsmfs_options *o = session->options;
	const char *library = o->libraries[index];
	RSM_FREE char *path = NULL;
	RSM_FREE char *folder = NULL;
	int r = rsmfs_lock_path(library, o->state, &path, err);

	if (r < 0)
		return r;
	folder = strndup(path, (size_t)(strrchr(path, '/') - path));
	if (!folder)
		return rsm_err_oom(err);
	/* contents must not be readable around the mount: the default place is its owner's */
	if (o->library_default) {
		RSM_FREE char *parent = strndup(library, (size_t)(strrchr(library, '/') - library));

		r = parent ? rsm_file_make_folders(parent, 0700, err) : rsm_err_oom(err);
		if (r < 0)
			return r;
	}
	r = rsm_file_make_folders(folder, 0755, err);
	if (r < 0)
		return r;
	r = rsmfs_lock_take(path, library, session->mountpoint, say_waiting, session,
			    &session->locks[index], err);
	if (r == 0)
		session->lock_count++;
	return r;
}

static int open_library(struct session *session, size_t index, struct rsm_err *err)
{
	struct rsmfs_options *o = session->options;
	bool device = rsmfs_is_device(o->libraries[index]);
	int r = device ? check_device(o->libraries[index], err) : probe(o->libraries[index], err);

	if (r < 0)
		return r;
	r = take_lock(session, index, err);
	if (r < 0)
		return r;
	if (device) {
		if (index || o->state)
			return 0;
		r = rsmfs_default_state(o->libraries[0], &session->state, err);
		return r < 0 ? r : rsm_file_make_folders(session->state, 0700, err);
	}
	/* another rsmfs may have made it meanwhile */
	r = probe(o->libraries[index], err);
	if (r == RSM_LIBRARY_FOLDER_EMPTY)
		r = rsm_library_folder_create(o->libraries[index], &rsm_library_default_shape, err);
	if (r == 0)
		r = make_absolute(&o->libraries[index], err);
	if (r == 0 && index == 0) {
		free(o->fsname);
		o->fsname = strdup(o->libraries[0]);
		if (!o->fsname)
			return rsm_err_oom(err);
	}
	return r;
}

/* While an earlier mount is being put away its mount point may still look busy; so it is looked at
 * when that is over, but before anything is made if nobody has the library. */
static int open_libraries(struct session *session, struct rsm_err *err)
{
	struct rsmfs_options *o = session->options;
	struct rsmfs_lock_owner owner = { 0 };
	RSM_FREE char *path = NULL;
	int r;

	session->locks = calloc(o->library_count, sizeof(struct rsmfs_lock *));
	if (!session->locks)
		return rsm_err_oom(err);
	r = rsmfs_lock_path(o->libraries[0], o->state, &path, err);
	if (r == 0)
		r = rsmfs_lock_look(path, &owner, err);
	if (r == 0 && owner.state == RSMFS_LOCK_FREE)
		r = rsmfs_mountpoint_prepare(o->mountpoint, o->nonempty, &session->mountpoint, err);
	else if (r == 0)
		session->mountpoint = strdup(o->mountpoint);
	if (r < 0)
		return r;
	if (!session->mountpoint)
		return rsm_err_oom(err);
	r = check_outside(session, session->mountpoint, err);
	for (size_t i = 0; r == 0 && i < o->library_count; i++)
		r = open_library(session, i, err);
	if (r == 0 && owner.state != RSMFS_LOCK_FREE) {
		free(session->mountpoint);
		session->mountpoint = NULL;
		r = rsmfs_mountpoint_prepare(o->mountpoint, o->nonempty, &session->mountpoint, err);
		if (r == 0)
			r = check_outside(session, session->mountpoint, err);
	}
	return r;
}

/* ---- the mount ---- */

static bool conf_allows_other(void)
{
	RSM_FREE char *text = NULL;
	size_t length;

	if (rsm_file_load("/etc/fuse.conf", 65536, &text, &length, NULL) < 0)
		return false;
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line += strspn(line, " \t");
		line[strcspn(line, " \t\r#")] = '\0';
		if (strcmp(line, "user_allow_other") == 0)
			return true;
	}
	return false;
}

static void staging_room(void *context)
{
	struct rsmfs *fs = context;

	rsmfs_parking_room(fs->parking);
}

static int start_manager(struct session *session, struct rsm_err *err)
{
	const struct rsmfs_options *o = session->options;
	struct rsm_manager_options options = {
		.libraries = (const char *const *)o->libraries,
		.library_count = o->library_count,
		.state = o->state ? o->state : session->state,
		.staging = o->staging,
		.drives = o->drives,
		.staging_limit = o->staging_limit,
		.stream_size = o->stream_size,
		.index_bytes = o->index_bytes,
		.dismount_delay_s = o->dismount_delay_s,
		.mount_timeout_s = o->mount_timeout_s,
		.migrate_delay_ms = o->migrate_delay_ms,
		.label_delay_ms = o->label_delay_ms,
		.index_interval_s = o->index_interval_s,
		.trace_scsi = o->debug_rooms & RSM_ROOM_SCSI,
		.offline_wait = o->offline_wait,
		.no_recovery = o->no_recovery,
		.inject_manual = o->inject_manual,
		.autoclean = o->autoclean,
		.hash = o->hash,
		.admin = getuid(),
		.callbacks = { .contents_changed = rsmfs_contents_changed,
			       .names_changed = rsmfs_names_changed,
			       .staging_room = staging_room,
			       .context = &session->fs },
	};

	return rsm_manager_new(&options, &session->fs.manager, err);
}

static void ready(void *context)
{
	struct session *session = context;

	atomic_store(&session->ready, true);
	session->reports->mounted(session->reports->context, session->line);
}

static uint64_t count_media_told(void *context)
{
	return rsmfs_notifier_media(((struct rsmfs *)context)->node_notifier);
}

static void settle(void *context, uint64_t begun, const atomic_bool *cancel)
{
	rsmfs_notifier_settle(((struct rsmfs *)context)->node_notifier, begun, cancel);
}

static int start_frontend(struct session *session, struct rsm_err *err)
{
	struct rsmfs *fs = &session->fs;
	int r;

	fs->options = session->options;
	fs->admin = getuid();
	fs->admin_gid = getgid();
	fs->ready = ready;
	fs->ready_context = session;
	r = rsmfs_init(fs, err);
	if (r == 0)
		r = start_manager(session, err);
	if (r == 0)
		r = rsmfs_notifier_new(fs, &fs->pool_notifier, err);
	if (r == 0)
		r = rsmfs_notifier_new(fs, &fs->node_notifier, err);
	if (r == 0)
		r = rsmfs_control_new(fs->manager, &fs->control, err);
	if (r == 0)
		rsmfs_control_set_settle(fs->control, &(struct rsmfs_control_settle){
							      count_media_told, settle, fs });
	if (r == 0 && fs->options->has_admin_group)
		rsmfs_control_set_admin_group(fs->control, fs->options->admin_group);
	if (r == 0)
		r = rsmfs_hook_new(fs->control, fs->options->hook, session->mountpoint,
				   &session->hook, err);
	return r;
}

/* For libfuse's own splitting of options. */
static void add_escaped(struct rsm_text *text, const char *value)
{
	for (; *value; value++) {
		if (*value == ',' || *value == '\\')
			rsm_text_append(text, "\\", 1);
		rsm_text_append(text, value, 1);
	}
}

static int mount_it(struct session *session, bool allow_other, struct rsm_err *err)
{
	const struct rsmfs_options *o = session->options;
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	RSM_TEXT struct rsm_text text = { 0 };
	int r = 0;

	rsm_text_add(&text, "default_permissions,subtype=rsmfs,fsname=");
	add_escaped(&text, o->fsname);
	if (allow_other)
		rsm_text_add(&text, ",allow_other");
	if (o->fuse_debug)
		rsm_text_add(&text, ",debug");
	if (o->kernel.length)
		rsm_text_add(&text, o->kernel.data);
	if (text.failed || fuse_opt_add_arg(&args, "rsmfs") || fuse_opt_add_arg(&args, "-o") ||
	    fuse_opt_add_arg(&args, text.data)) {
		fuse_opt_free_args(&args);
		return rsm_err_oom(err);
	}
	session->fs.session =
		fuse_session_new(&args, &rsmfs_operations, sizeof(rsmfs_operations), &session->fs);
	fuse_opt_free_args(&args);
	if (!session->fs.session)
		r = rsm_err_set(err, EINVAL, "libfuse refuses the mount options");
	/* its words went to the log function */
	else if (fuse_session_mount(session->fs.session, session->mountpoint) != 0)
		r = rsm_err_set(err, EIO, "cannot mount on %s", session->mountpoint);
	return r;
}

static void compose_line(struct session *session, bool allow_other)
{
	const struct rsmfs_options *o = session->options;
	const struct passwd *user = getpwuid(getuid());
	unsigned drives, cartridges;
	int length;

	rsm_manager_counts(session->fs.manager, &drives, &cartridges);
	length = snprintf(session->line, sizeof(session->line),
			  "rsmfs: %s%s on %s: %u drive%s, %u cartridge%s%s", o->libraries[0],
			  o->library_count > 1 ? " and others" : "", session->mountpoint, drives,
			  drives == 1 ? "" : "s", cartridges, cartridges == 1 ? "" : "s",
			  o->read_only ? ", read-only" : "");
	if (!allow_other && length > 0 && (size_t)length < sizeof(session->line))
		snprintf(session->line + length, sizeof(session->line) - (size_t)length,
			 ", for %s only (no user_allow_other in /etc/fuse.conf)",
			 user ? user->pw_name : "you");
}

/* ---- ending ---- */

static void ending_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1); /* ours: that it is all over */
}

static void *watch_signals(void *argument)
{
	struct session *session = argument;
	struct timespec moment = { .tv_nsec = 20 * 1000 * 1000 };
	bool greeted = false;
	sigset_t set;

	ending_signals(&set);
	while (!atomic_load(&session->finished)) {
		int got = greeted ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &moment);

		if (!greeted && atomic_load(&session->ready)) {
			greeted = true;
			/* The first answer to INIT sets the read-ahead back: so after it. */
			if (rsmfs_own_mount_answers(session->mountpoint, false, GREETING_SECONDS))
				rsmfs_mountpoint_read_ahead(session->mountpoint, READ_AHEAD_KIB);
		}
		if (got != SIGTERM && got != SIGINT && got != SIGHUP)
			continue;
		if (atomic_fetch_add(&session->signal_count, 1) > 0) {
			atomic_store(&session->hurry, true);
			rsm_log_info("second signal: what is staged stays staged");
		} else if (atomic_load(&session->serving)) {
			rsmfs_end_serving(session->mountpoint, session->fs.session,
					  &session->serving);
		}
	}
	return NULL;
}

static void tell_progress(void *context, const char *what)
{
	struct session *session = context;

	for (size_t i = 0; i < session->lock_count; i++)
		rsmfs_lock_tell(session->locks[i], RSMFS_LOCK_ENDING, what);
	if (what)
		rsm_log_debug(RSM_ROOM_FUSE, "ending: %s", what);
}

static bool is_cut_off(struct fuse_session *session)
{
	struct pollfd fd = { .fd = fuse_session_fd(session) };

	return poll(&fd, 1, 0) == 1 && (fd.revents & POLLERR);
}

/* Kernel and processes that still wait are told that nobody is here any more. */
static void unmount(struct session *session)
{
	char device[32], type[64], path[64];
	const char *minor_number;
	int fd;

	if (is_cut_off(session->fs.session) ||
	    rsmfs_mountpoint_look(session->mountpoint, type, device, NULL) < 0)
		return;
	if (strcmp(type, "fuse.rsmfs") == 0)
		rsmfs_detach_anyhow(session->mountpoint);
	minor_number = strchr(device, ':');
	if (!minor_number)
		return;
	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%s/abort", minor_number + 1);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = write(fd, "1", 1);

		(void)n;
		close(fd);
	}
}

static void stop_manager(struct session *session)
{
	uint64_t files = 0;
	unsigned media = 0;
	char line[160];

	rsm_manager_stop(session->fs.manager, &session->hurry, tell_progress, session, &files,
			 &media);
	if (!files)
		return;
	snprintf(line, sizeof(line),
		 "rsmfs: %llu file%s for %u cartridge%s stay%s staged for the next mount",
		 (unsigned long long)files, files == 1 ? "" : "s", media, media == 1 ? "" : "s",
		 files == 1 ? "s" : "");
	session->reports->ended(session->reports->context, line);
}

static void stop(struct session *session)
{
	struct rsmfs *fs = &session->fs;

	atomic_store(&session->serving, false);
	tell_progress(session, NULL);
	atomic_store(&fs->live, false);
	if (fs->control)
		rsmfs_control_stop(fs->control);
	rsmfs_hook_stop(session->hook);
	if (fs->parking)
		(void)rsmfs_parking_drain(fs->parking);
	if (fs->session)
		unmount(session);
	if (fs->parking)
		rsmfs_fini(fs);
	rsmfs_control_free(fs->control);
	/* Verbs that were under way may have told of changes until now. */
	rsmfs_notifier_free(fs->pool_notifier);
	rsmfs_notifier_free(fs->node_notifier);
	if (fs->manager) {
		stop_manager(session);
		rsmfs_hook_finish(session->hook, rsm_manager_catalog(fs->manager));
	}
	rsmfs_hook_free(session->hook);
	rsm_manager_free(fs->manager);
	rsmfs_parking_free(fs->parking);
	if (fs->session) {
		/* closes the device; detaches nothing any more, unless the mount is dead already */
		if (is_cut_off(fs->session))
			fuse_session_unmount(fs->session);
		fuse_session_destroy(fs->session);
	}
}

/* ---- all of it ---- */

static void fuse_says(enum fuse_log_level level, const char *format, va_list args) RSM_PRINTF(2, 0);
static void fuse_says(enum fuse_log_level level, const char *format, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	if (level <= FUSE_LOG_ERR)
		rsm_log_error("%s", line);
	else if (level <= FUSE_LOG_WARNING)
		rsm_log_warning("%s", line);
	else if (level <= FUSE_LOG_INFO)
		rsm_log_info("%s", line);
	else
		rsm_log(RSM_LOG_DEBUG, "%s", line);
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static unsigned loop_threads(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (processors < THREADS_MIN)
		return THREADS_MIN;
	return processors < THREADS_MAX ? (unsigned)processors : THREADS_MAX;
}

static int serve(struct session *session, struct rsm_err *err)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r;

	if (!config)
		return rsm_err_oom(err);
	/* Handlers never wait, so a few threads suffice; many idle ones cost more than they give:
	 * each request then wakes another one on another processor. Measured with an untar of small
	 * files on two processors: 4 threads 2.9 s, 10 threads 5.0 s, 16 with a descriptor
	 * each 12.4 s.
	 */
	fuse_loop_cfg_set_max_threads(config, loop_threads());
	fuse_loop_cfg_set_idle_threads(config, loop_threads());
	fuse_loop_cfg_set_clone_fd(config, 0);
	atomic_store(&session->serving, true);
	atomic_store(&session->fs.live, true);
	r = fuse_session_loop_mt(session->fs.session, config);
	fuse_loop_cfg_destroy(config);
	if (r < 0 && !atomic_load(&session->ready))
		return rsm_err_set(err, -r, "the mount was cut off: %s", strerror(-r));
	return 0;
}

static int run(struct session *session, struct rsm_err *err)
{
	const struct rsmfs_options *o = session->options;
	bool allow_other = getuid() == 0 || conf_allows_other();
	int r = open_libraries(session, err);

	/* not before: a log in the mount point is refused, not made */
	if (r == 0 && o->log)
		r = rsm_log_open(RSM_LOG_TO_STDERR, o->log, err);
	if (r == 0)
		r = start_frontend(session, err);
	if (r == 0)
		compose_line(session, allow_other);
	if (r == 0)
		r = mount_it(session, allow_other, err);
	if (r == 0) {
		rsmfs_mountpoint_announce(o->fsname, session->mountpoint);
		if (o->allow_other && !allow_other)
			rsm_log_warning("allow_other is off: no user_allow_other in "
					"/etc/fuse.conf");
		r = pthread_create(&session->signals, NULL, watch_signals, session);
		session->signals_running = r == 0;
		r = r ? rsm_err_set(err, r, "cannot start a thread") : serve(session, err);
	}
	return r;
}

int rsmfs_session_run(struct rsmfs_options *options, const struct rsmfs_session_reports *reports,
		      struct rsm_err *err)
{
	struct session *session = calloc(1, sizeof(*session));
	sigset_t set;
	int r;

	if (!session)
		return rsm_err_oom(err);
	session->options = options;
	session->reports = reports;
	ending_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	fuse_set_log_func(fuse_says);
	r = run(session, err);
	stop(session);
	atomic_store(&session->finished, true);
	if (session->signals_running) {
		pthread_kill(session->signals, SIGUSR1);
		pthread_join(session->signals, NULL);
	}
	for (size_t i = 0; i < session->lock_count; i++)
		rsmfs_lock_release(session->locks[i]);
	free(session->locks);
	free(session->mountpoint);
	free(session->state);
	free(session);
	return r;
}
