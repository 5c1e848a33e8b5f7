#include "fs/ending.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "fs/mountpoint.h"

enum { SYNC_SECONDS = 60 };

void rsmfs_detach_anyhow(const char *mountpoint)
{
	struct rsm_err err;

	if (rsmfs_mountpoint_detach(mountpoint, &err) < 0)
		rsm_log_warning("%s", err.msg);
}

struct syncing {
	char *path;
	struct fuse_session *session;
	atomic_bool *serving;
	struct rsm_mutex lock;
	pthread_cond_t changed;
	bool done;
	unsigned refs;
};

static void unref_syncing(struct syncing *syncing)
{
	bool last;

	rsm_mutex_lock(&syncing->lock);
	syncing->done = true;
	pthread_cond_broadcast(&syncing->changed);
	last = --syncing->refs == 0;
	rsm_mutex_unlock(&syncing->lock);
	if (!last)
		return;
	pthread_cond_destroy(&syncing->changed);
	pthread_mutex_destroy(&syncing->lock.m);
	free(syncing->path);
	free(syncing);
}

static void *sync_and_exit(void *argument)
{
	struct syncing *syncing = argument;
	RSM_CLOSE int fd = open(syncing->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs unused;

	if (fd >= 0)
		(void)syncfs(fd);
	/* the session may have gone meanwhile (umount): then it is not touched any more */
	if (atomic_load(syncing->serving)) {
		fuse_session_exit(syncing->session);
		/* a request, so that one of its threads looks up */
		if (fd >= 0)
			(void)fstatfs(fd, &unused);
	}
	unref_syncing(syncing);
	return NULL;
}

/* In a thread of its own: a mount that hangs must not keep us from ending. */
void rsmfs_end_serving(const char *mountpoint, struct fuse_session *session, atomic_bool *serving)
{
	struct syncing *syncing = calloc(1, sizeof(*syncing));
	int64_t deadline = rsm_clock_now_ns(rsm_clock_real()) + SYNC_SECONDS * RSM_SECOND_NS;
	pthread_t thread;

	if (!syncing || !(syncing->path = strdup(mountpoint))) {
		free(syncing);
		rsmfs_detach_anyhow(mountpoint);
		return;
	}
	syncing->session = session;
	syncing->serving = serving;
	syncing->refs = 2;
	rsm_mutex_init(&syncing->lock);
	rsm_cond_init(&syncing->changed);
	if (pthread_create(&thread, NULL, sync_and_exit, syncing) != 0) {
		syncing->refs = 1;
		unref_syncing(syncing);
		rsmfs_detach_anyhow(mountpoint);
		return;
	}
	pthread_detach(thread);
	rsm_mutex_lock(&syncing->lock);
	while (!syncing->done && rsm_cond_wait_until(&syncing->changed, &syncing->lock, deadline))
		;
	rsm_mutex_unlock(&syncing->lock);
	if (!syncing->done && atomic_load(serving)) {
		rsm_log_warning("the mount does not answer, detaching it");
		fuse_session_exit(session);
		rsmfs_detach_anyhow(mountpoint);
	}
	unref_syncing(syncing);
}
