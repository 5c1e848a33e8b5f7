#include "fs/hook.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "fs/event_line.h"

#define LOOK_NS	    (RSM_SECOND_NS / 20)
#define PATIENCE_NS (RSM_SECOND_NS)

enum { READ_SIZE = 16384 };

struct program {
	pid_t pid; /* 0: none */
	int64_t until_ns;
	bool killed;
};

struct rsmfs_hook {
	char *program, *mountpoint;  /* [const] */
	struct rsmfs_events *events; /* [const until stopped] */
	pthread_t thread;
	bool runs; /* the maker's */
	struct rsm_mutex lock;
	pthread_cond_t changed;
	struct rsmfs_control_read read; /* the one that is under way */
	bool answered, ended;		/* [lock] */
	bool stopping;			/* [lock] */
	struct rsm_text text;		/* [lock until answered, then the thread's] */
	int64_t patience_ns;		/* [lock] when stopping: how long a place is waited for */
	int64_t last;			/* when stopped: the last event that was read */
	/* the thread's, then the stopper's */
	struct program programs[RSMFS_HOOKS_RUNNING];
	unsigned untold; /* for want of a place */
};

static int check(const char *program, char **ret_path, struct rsm_err *err)
{
	RSM_FREE char *path = realpath(program, NULL);
	struct stat st;

	if (!path || stat(path, &st) != 0)
		return rsm_err_errno(err, "-o hook=%s", program);
	if (!S_ISREG(st.st_mode))
		return rsm_err_set(err, EACCES, "-o hook=%s: is not a program", program);
	if (access(path, X_OK) != 0)
		return rsm_err_errno(err, "-o hook=%s", program);
	*ret_path = RSM_STEAL(path);
	return 0;
}

/* ---- programs ---- */

struct words {
	char **words; /* the last one is NULL */
	size_t count;
	bool failed;
};

static void add_word(struct words *list, const char *name, const char *value)
{
	char **grown = reallocarray(list->words, list->count + 2, sizeof(*grown));

	if (!grown) {
		list->failed = true;
		return;
	}
	list->words = grown;
	if (asprintf(&grown[list->count], "%s%s", name, value) < 0) {
		list->failed = true;
		grown[list->count] = NULL;
		return;
	}
	grown[++list->count] = NULL;
}

static void words_fini(struct words *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->words[i]);
	free(list->words);
}

/* RSM_KEY=VALUE; keys are ours, but for letters that a shell would not take in a name. */
static void add_pair(struct words *list, const char *key, const char *value)
{
	char name[RSMFS_EVENT_KEY_SIZE + 8] = "RSM_";
	size_t length = strlen(name);

	for (; *key; key++)
		name[length++] =
			isalnum((unsigned char)*key) ? (char)toupper((unsigned char)*key) : '_';
	name[length++] = '=';
	name[length] = '\0';
	add_word(list, name, value);
}

static void fill_environment(const struct rsmfs_hook *hook, const char *line, struct words *list)
{
	char key[RSMFS_EVENT_KEY_SIZE], time[64];
	RSM_TEXT struct rsm_text value = { 0 };

	for (char **p = environ; *p; p++)
		if (strncmp(*p, "RSM_", 4) != 0)
			add_word(list, *p, "");
	add_word(list, "RSM_MOUNT=", hook->mountpoint);
	add_word(list, "RSM_LINE=", line);
	snprintf(time, sizeof(time), "%.*s", (int)rsmfs_event_line_time(line), line);
	add_word(list, "RSM_TIME=", time);
	while (rsmfs_event_line_next(&line, key, &value)) {
		list->failed |= value.failed;
		if (!value.failed)
			add_pair(list, key, value.data);
	}
}

static void fill_arguments(const struct rsmfs_hook *hook, const char *name, const char *line,
			   struct words *list)
{
	RSM_TEXT struct rsm_text subject = { 0 }, text = { 0 };

	rsmfs_event_line_field(line, "request", &subject);
	if (!subject.failed && !*subject.data)
		rsmfs_event_line_field(line, "medium", &subject);
	rsmfs_event_line_field(line, "text", &text);
	if (!text.failed && !*text.data)
		rsmfs_event_line_field(line, "error", &text);
	list->failed |= subject.failed || text.failed;
	if (list->failed)
		return;
	add_word(list, hook->program, "");
	add_word(list, name, "");
	add_word(list, subject.data, "");
	add_word(list, text.data, "");
}

/* A session of its own, so that all that it starts can be ended with it; no descriptor of ours, and
 * signals as a program expects them.
 */
static int spawn(const char *path, char **argv, char **envp, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r) {
		posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (!r)
		r = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	if (!r)
		r = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (!r)
		r = posix_spawnattr_setsigmask(&attributes, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(&attributes, &all);
	if (!r)
		r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
								  POSIX_SPAWN_SETSIGDEF |
								  POSIX_SPAWN_SETSID);
	if (!r)
		r = posix_spawn(ret_pid, path, &actions, &attributes, argv, envp);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static struct program *free_place(struct rsmfs_hook *hook)
{
	for (size_t i = 0; i < RSMFS_HOOKS_RUNNING; i++)
		if (!hook->programs[i].pid)
			return &hook->programs[i];
	return NULL;
}

static unsigned look_after(struct rsmfs_hook *hook)
{
	int64_t now = rsm_clock_now_ns(rsm_clock_real());
	unsigned running = 0;

	for (size_t i = 0; i < RSMFS_HOOKS_RUNNING; i++) {
		struct program *program = &hook->programs[i];
		int status = 0;

		if (!program->pid)
			continue;
		if (waitpid(program->pid, &status, WNOHANG) == 0) {
			running++;
			if (now < program->until_ns || program->killed)
				continue;
			rsm_log_warning("hook %s runs for %d s, ending it", hook->program,
					RSMFS_HOOK_SECONDS);
			kill(-program->pid, SIGKILL);
			program->killed = true;
			continue;
		}
		if (WIFEXITED(status) && WEXITSTATUS(status))
			rsm_log_warning("hook %s: exit code %d", hook->program,
					WEXITSTATUS(status));
		else if (WIFSIGNALED(status) && !program->killed)
			rsm_log_warning("hook %s: ended by signal %d", hook->program,
					WTERMSIG(status));
		*program = (struct program){ 0 };
	}
	return running;
}

/* While all goes on there is time. */
static bool is_out_of_time(struct rsmfs_hook *hook)
{
	RSM_LOCK_SCOPE(&hook->lock);
	return hook->stopping && rsm_clock_now_ns(rsm_clock_real()) > hook->patience_ns;
}

static void run_program(struct rsmfs_hook *hook, const char *name, const char *line)
{
	struct words argv = { 0 }, envp = { 0 };
	struct program *place;
	int r = -ENOMEM;

	while (!(place = free_place(hook))) {
		if (is_out_of_time(hook)) {
			hook->untold++;
			return;
		}
		rsm_clock_sleep_ns(rsm_clock_real(), LOOK_NS);
		look_after(hook);
	}
	fill_arguments(hook, name, line, &argv);
	fill_environment(hook, line, &envp);
	if (!argv.failed && !envp.failed)
		r = spawn(hook->program, argv.words, envp.words, &place->pid);
	if (r < 0) {
		place->pid = 0;
		rsm_log_warning("hook %s: %s", hook->program, strerror(-r));
	} else {
		place->killed = false;
		place->until_ns =
			rsm_clock_now_ns(rsm_clock_real()) + RSMFS_HOOK_SECONDS * RSM_SECOND_NS;
	}
	words_fini(&argv);
	words_fini(&envp);
}

/* ---- events ---- */

static void tell(struct rsmfs_hook *hook, const char *line)
{
	static const char *const told[] = { "request", "error", "damage", "conflict", "duplicate" };
	RSM_TEXT struct rsm_text name = { 0 };

	if (!strcmp(line, "lost")) {
		run_program(hook, "lost", line);
		return;
	}
	rsmfs_event_line_field(line, "event", &name);
	for (size_t i = 0; !name.failed && i < sizeof(told) / sizeof(told[0]); i++)
		if (!strcmp(told[i], name.data))
			run_program(hook, name.data, line);
}

static void on_read(struct rsmfs_control_read *read, int r, const void *data, size_t length)
{
	struct rsmfs_hook *hook = read->context;

	RSM_LOCK_SCOPE(&hook->lock);
	if (r == 0 && length)
		rsm_text_append(&hook->text, data, length);
	hook->ended = r < 0 ? r == -EINTR : length == 0;
	hook->answered = true;
	pthread_cond_broadcast(&hook->changed);
}

static bool await_answer(struct rsmfs_hook *hook, bool running)
{
	RSM_LOCK_SCOPE(&hook->lock);
	if (hook->answered || hook->stopping)
		return hook->answered;
	if (running)
		rsm_cond_wait_until(&hook->changed, &hook->lock,
				    rsm_clock_now_ns(rsm_clock_real()) + LOOK_NS);
	else
		rsm_cond_wait(&hook->changed, &hook->lock);
	return hook->answered;
}

static bool is_stopping(struct rsmfs_hook *hook)
{
	RSM_LOCK_SCOPE(&hook->lock);
	return hook->stopping;
}

/* Waits for the next lines; looks after what runs meanwhile. False: there will be none, or, when
 * all ends, there are none now.
 */
static bool next_lines(struct rsmfs_hook *hook)
{
	hook->answered = false;
	hook->read =
		(struct rsmfs_control_read){ .size = READ_SIZE, .done = on_read, .context = hook };
	rsm_list_init(&hook->read.link);
	rsmfs_events_read(hook->events, &hook->read);
	while (!await_answer(hook, look_after(hook) > 0))
		if (is_stopping(hook)) /* answers, unless somebody is just about to */
			rsmfs_events_interrupt(hook->events, &hook->read);
	RSM_LOCK_SCOPE(&hook->lock);
	return !hook->ended;
}

static void tell_lines(struct rsmfs_hook *hook)
{
	char *line = hook->text.data, *end;

	/* whole lines come; one that is longer than a read is none of ours */
	for (; line && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		tell(hook, line);
	}
	rsm_text_reset(&hook->text);
}

static void *hook_thread(void *context)
{
	struct rsmfs_hook *hook = context;

	while (next_lines(hook))
		tell_lines(hook);
	return NULL;
}

int rsmfs_hook_new(struct rsmfs_control *control, const char *program, const char *mountpoint,
		   struct rsmfs_hook **ret_hook, struct rsm_err *err)
{
	RSM_CLEANUP(rsmfs_hook_free) struct rsmfs_hook *hook = NULL;
	int r;

	*ret_hook = NULL;
	if (!program)
		return 0;
	hook = calloc(1, sizeof(*hook));
	if (!hook)
		return rsm_err_oom(err);
	rsm_mutex_init(&hook->lock);
	rsm_cond_init(&hook->changed);
	hook->mountpoint = strdup(mountpoint);
	if (!hook->mountpoint)
		return rsm_err_oom(err);
	r = check(program, &hook->program, err);
	if (r == 0)
		r = rsmfs_events_open(control, &hook->events, err);
	if (r < 0)
		return r;
	r = pthread_create(&hook->thread, NULL, hook_thread, hook);
	if (r)
		return rsm_err_set(err, r, "cannot start a thread: %s", strerror(r));
	hook->runs = true;
	*ret_hook = RSM_STEAL(hook);
	return 0;
}

static void begin_stop(struct rsmfs_hook *hook)
{
	RSM_LOCK_SCOPE(&hook->lock);
	hook->stopping = true;
	hook->patience_ns = rsm_clock_now_ns(rsm_clock_real()) + PATIENCE_NS;
	pthread_cond_broadcast(&hook->changed);
}

void rsmfs_hook_stop(struct rsmfs_hook *hook)
{
	if (!hook || !hook->events)
		return;
	begin_stop(hook);
	if (hook->runs)
		pthread_join(hook->thread, NULL);
	hook->runs = false;
	hook->last = rsmfs_events_position(hook->events);
	rsmfs_events_release(hook->events);
	hook->events = NULL;
}

static bool add_line(void *context, int64_t number, const char *line)
{
	(void)number;
	rsm_text_printf(context, "%s\n", line);
	return true;
}

void rsmfs_hook_finish(struct rsmfs_hook *hook, struct rsm_catalog *catalog)
{
	bool lost = false;

	if (!hook)
		return;
	rsmfs_hook_stop(hook);
	begin_stop(hook);
	rsm_text_reset(&hook->text);
	/* what cannot be read now is not told */
	if (rsm_event_list(catalog, hook->last, NULL, add_line, &hook->text, &lost, NULL) < 0 ||
	    hook->text.failed)
		rsm_log_warning("hook %s: it is not told of the last events", hook->program);
	else
		tell_lines(hook);
	if (hook->untold)
		rsm_log_warning("hook %s: %u calls of it hang, it is not told of %u events",
				hook->program, RSMFS_HOOKS_RUNNING, hook->untold);
}

void rsmfs_hook_free(struct rsmfs_hook *hook)
{
	if (!hook)
		return;
	rsmfs_hook_stop(hook);
	rsm_text_fini(&hook->text);
	pthread_cond_destroy(&hook->changed);
	rsm_mutex_fini(&hook->lock);
	free(hook->program);
	free(hook->mountpoint);
	free(hook);
}
