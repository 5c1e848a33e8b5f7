#include "fs/rsm_progress.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/mutex.h"
#include "fs/rsm_print.h"

enum { BAR = 24 };

/* A thread draws, so that the seconds run while a read of the reply waits. */
struct rsmfs_progress {
	struct rsm_mutex lock;
	pthread_cond_t changed; /* [lock] */
	pthread_t thread;
	int64_t since_ns;     /* [const] */
	char what[256];	      /* [lock] */
	uint64_t done, total; /* [lock] */
	bool stopping, shown; /* [lock] */
};

void rsmfs_progress_format(char *text, size_t size, unsigned width, const char *what, uint64_t done,
			   uint64_t total, int64_t seconds)
{
	char numbers[64], of[24], bar[BAR + 4] = "";
	char time[24];

	snprintf(time, sizeof(time), "%" PRId64 ":%02" PRId64, seconds / 60, seconds % 60);
	if (total) {
		if (done > total)
			done = total;
		size_t full = (size_t)((double)done / (double)total * BAR);

		rsmfs_print_size(done, numbers, sizeof(of));
		rsmfs_print_size(total, of, sizeof(of));
		snprintf(numbers + strlen(numbers), sizeof(numbers) - strlen(numbers), "/%s", of);
		bar[0] = '[';
		memset(bar + 1, '#', full);
		memset(bar + 1 + full, '.', BAR - full);
		memcpy(bar + 1 + BAR, "] ", 3);
	} else if (done) {
		rsmfs_print_size(done, numbers, sizeof(of));
	} else {
		numbers[0] = '\0';
	}
	snprintf(text, size, "%s%s%s%s %s", bar, numbers, *numbers ? " " : "", time, what);
	if (width && strlen(text) >= width) {
		size_t cut = width - 1;

		/* not within a character */
		while (cut && ((unsigned char)text[cut] & 0xC0) == 0x80)
			cut--;
		text[cut] = '\0';
	}
}

static void draw_locked(struct rsmfs_progress *progress) RSM_REQUIRES(progress->lock)
{
	int64_t age = rsm_clock_now_ns(rsm_clock_real()) - progress->since_ns;
	struct winsize size = { 0 };
	char text[512];

	if (age < RSM_SECOND_NS)
		return;
	ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
	rsmfs_progress_format(text, sizeof(text), size.ws_col ? size.ws_col : 80, progress->what,
			      progress->done, progress->total, age / RSM_SECOND_NS);
	fprintf(stderr, "\r\033[K%s", text);
	fflush(stderr);
	progress->shown = true;
}

static void hide_locked(struct rsmfs_progress *progress) RSM_REQUIRES(progress->lock)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	fflush(stderr);
	progress->shown = false;
}

static void *draw_thread(void *context)
{
	struct rsmfs_progress *progress = context;

	RSM_LOCK_SCOPE(&progress->lock);
	while (!progress->stopping) {
		int64_t now = rsm_clock_now_ns(rsm_clock_real());

		draw_locked(progress);
		rsm_cond_wait_until(&progress->changed, &progress->lock, now + RSM_SECOND_NS / 4);
	}
	hide_locked(progress);
	return NULL;
}

int rsmfs_progress_start(const char *what, struct rsmfs_progress **ret_progress,
			 struct rsm_err *err)
{
	struct rsmfs_progress *progress;
	int r;

	*ret_progress = NULL;
	if (!isatty(STDERR_FILENO))
		return 0;
	progress = calloc(1, sizeof(*progress));
	if (!progress)
		return rsm_err_oom(err);
	rsm_mutex_init(&progress->lock);
	rsm_cond_init(&progress->changed);
	progress->since_ns = rsm_clock_now_ns(rsm_clock_real());
	snprintf(progress->what, sizeof(progress->what), "%s", what);
	r = pthread_create(&progress->thread, NULL, draw_thread, progress);
	if (r) {
		free(progress);
		return rsm_err_set(err, r, "progress line: %s", strerror(r));
	}
	*ret_progress = progress;
	return 0;
}

void rsmfs_progress_set(struct rsmfs_progress *progress, uint64_t done, uint64_t total,
			const char *what)
{
	if (!progress)
		return;
	RSM_LOCK_SCOPE(&progress->lock);
	progress->done = done;
	progress->total = total;
	if (*what)
		snprintf(progress->what, sizeof(progress->what), "%s", what);
}

void rsmfs_progress_hide(struct rsmfs_progress *progress)
{
	if (!progress)
		return;
	RSM_LOCK_SCOPE(&progress->lock);
	hide_locked(progress);
}

void rsmfs_progress_stop(struct rsmfs_progress *progress)
{
	if (!progress)
		return;
	rsm_mutex_lock(&progress->lock);
	progress->stopping = true;
	pthread_cond_broadcast(&progress->changed);
	rsm_mutex_unlock(&progress->lock);
	pthread_join(progress->thread, NULL);
	pthread_cond_destroy(&progress->changed);
	rsm_mutex_fini(&progress->lock);
	free(progress);
}
