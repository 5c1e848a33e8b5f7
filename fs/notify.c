#include "fs/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fs/contents.h"
#include "fs/parking.h"

#define LOOK_AGAIN_NS (RSM_SECOND_NS / 20)

enum what { WHAT_ATTRIBUTES, WHAT_DATA, WHAT_MEDIUM };

struct notice {
	struct rsm_list link;
	enum what what;
	uint64_t ino; /* WHAT_MEDIUM: the medium */
};

struct rsmfs_notifier {
	struct rsmfs *fs;
	pthread_t thread;
	bool running;
	struct rsm_mutex lock;
	pthread_cond_t changed;
	struct rsm_list queue;	/* [lock] */
	uint64_t media_queued;	/* [lock] notices of media so far */
	uint64_t media_told;	/* [lock] of those, how many were sent */
	pthread_cond_t settled; /* [lock] media_told grew */
	atomic_bool stop;
};

static void add(struct rsmfs_notifier *notifier, enum what what, uint64_t ino)
{
	struct notice *notice;
	RSM_LOCK_SCOPE(&notifier->lock);

	if (atomic_load(&notifier->stop))
		return;
	/* the same as the last one that waits: bursts are usual */
	if (!rsm_list_is_empty(&notifier->queue)) {
		notice = RSM_CONTAINER_OF(notifier->queue.prev, struct notice, link);
		if (notice->what == what && notice->ino == ino)
			return;
	}
	notice = malloc(sizeof(*notice));
	if (!notice) {
		rsm_log_warning("out of memory: the kernel is not told of a change, ignoring");
		return;
	}
	notice->what = what;
	notice->ino = ino;
	rsm_list_append(&notifier->queue, &notice->link);
	notifier->media_queued += what == WHAT_MEDIUM;
	pthread_cond_signal(&notifier->changed);
}

void rsmfs_notify_inode(struct rsmfs_notifier *notifier, uint64_t ino, bool data)
{
	add(notifier, data ? WHAT_DATA : WHAT_ATTRIBUTES, ino);
}

void rsmfs_notify_medium(struct rsmfs_notifier *notifier, int64_t medium)
{
	add(notifier, WHAT_MEDIUM, (uint64_t)medium);
}

uint64_t rsmfs_notifier_media(struct rsmfs_notifier *notifier)
{
	RSM_LOCK_SCOPE(&notifier->lock);
	return notifier->media_queued;
}

void rsmfs_notifier_settle(struct rsmfs_notifier *notifier, uint64_t begun,
			   const atomic_bool *cancel)
{
	struct rsm_clock *clock = rsm_clock_real();
	int64_t end = rsm_clock_now_ns(clock) + RSMFS_NOTIFY_SETTLE_NS, now;
	RSM_LOCK_SCOPE(&notifier->lock);
	uint64_t wanted = notifier->media_queued;

	while (wanted > begun && notifier->media_told < wanted && !atomic_load(&notifier->stop) &&
	       !atomic_load(cancel) && (now = rsm_clock_now_ns(clock)) < end)
		rsm_cond_wait_until(&notifier->settled, &notifier->lock, now + LOOK_AGAIN_NS);
}

static void note_told(struct rsmfs_notifier *notifier)
{
	RSM_LOCK_SCOPE(&notifier->lock);

	notifier->media_told++;
	pthread_cond_broadcast(&notifier->settled);
}

static void send_inode(struct rsmfs *fs, uint64_t ino, bool data)
{
	/* an inode that the kernel does not know is -ENOENT, and fine */
	(void)fuse_lowlevel_notify_inval_inode(fs->session, ino, data ? 0 : -1, 0);
}

/* While a call in the folder waits for its answer the kernel keeps the folder locked, and whoever
 * sends a notice of a name in it waits there, deaf to kill -9 as well; then the call would never be
 * answered, and the mount never end.
 */
static bool may_send(struct rsmfs_notifier *notifier, uint64_t folder)
{
	while (rsmfs_parking_holds(notifier->fs->parking, folder)) {
		RSM_LOCK_SCOPE(&notifier->lock);
		if (atomic_load(&notifier->stop))
			return false;
		rsm_cond_wait_until(&notifier->changed, &notifier->lock,
				    rsm_clock_now_ns(rsm_clock_real()) + LOOK_AGAIN_NS);
	}
	return true;
}

static void send_name(struct rsmfs_notifier *notifier, uint64_t folder, const char *name)
{
	struct rsmfs *fs = notifier->fs;
	int r = -ENOSYS;

	if (!may_send(notifier, folder))
		return;

		/* Expiring is kinder: who stands in such a folder keeps the path of it. */
#ifdef FUSE_CAP_EXPIRE_ONLY
	r = fuse_lowlevel_notify_expire_entry(fs->session, folder, name, strlen(name),
					      FUSE_LL_EXPIRE_ONLY);
#endif
	if (r == -ENOSYS)
		(void)fuse_lowlevel_notify_inval_entry(fs->session, folder, name, strlen(name));
}

/* ---- a whole medium: its tree is walked ---- */

enum { WALK_BATCH = 256 };

struct walk {
	struct folder_list {
		uint64_t *ids;
		size_t count, room;
	} folders; /* still to be walked */
	uint64_t ids[WALK_BATCH];
	bool is_folder[WALK_BATCH];
	struct rsm_text names; /* of the batch, each with its NUL */
	size_t count;
	char after[RSM_NODE_NAME_MAX + 1];
};

static bool walk_each(void *context, const struct rsm_node *node, const char *name, const char *key)
{
	struct walk *walk = context;

	if (walk->count == WALK_BATCH)
		return false;
	walk->ids[walk->count] = node->id;
	walk->is_folder[walk->count++] = node->kind == RSM_NODE_FOLDER;
	rsm_text_append(&walk->names, name, strlen(name) + 1);
	snprintf(walk->after, sizeof(walk->after), "%s", key);
	return !walk->names.failed;
}

static bool push_folder(struct walk *walk, uint64_t id)
{
	struct folder_list *list = &walk->folders;

	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		uint64_t *grown = realloc(list->ids, room * sizeof(*grown));

		if (!grown)
			return false;
		list->ids = grown;
		list->room = room;
	}
	list->ids[list->count++] = id;
	return true;
}

static bool send_batch(struct rsmfs_notifier *notifier, int64_t medium, uint64_t folder,
		       struct walk *walk)
{
	const char *name = walk->names.data;

	for (size_t i = 0; i < walk->count; i++) {
		if (atomic_load(&notifier->stop))
			return false;
		send_name(notifier, rsmfs_node_ino(medium, folder), name);
		send_inode(notifier->fs, rsmfs_node_ino(medium, walk->ids[i]), true);
		if (walk->is_folder[i] && !push_folder(walk, walk->ids[i]))
			return false;
		name += strlen(name) + 1;
	}
	return true;
}

static void send_medium(struct rsmfs_notifier *notifier, int64_t medium)
{
	struct rsmfs *fs = notifier->fs;
	struct rsm_content *content;
	struct walk *walk = calloc(1, sizeof(*walk));

	send_inode(fs, rsmfs_node_ino(medium, RSM_NODE_ROOT), true);
	if (!walk || rsm_manager_content(fs->manager, medium, &content, NULL) != 0) {
		free(walk);
		return;
	}
	if (push_folder(walk, RSM_NODE_ROOT)) {
		while (walk->folders.count) {
			uint64_t folder = walk->folders.ids[--walk->folders.count];

			walk->after[0] = '\0';
			do {
				walk->count = 0;
				rsm_text_reset(&walk->names);
				if (rsm_content_list(content, folder, walk->after, walk_each, walk,
						     NULL) < 0)
					break;
			} while (send_batch(notifier, medium, folder, walk) && walk->count);
			if (atomic_load(&notifier->stop))
				break;
		}
	}
	rsm_manager_content_unref(fs->manager, content);
	rsm_text_fini(&walk->names);
	free(walk->folders.ids);
	free(walk);
}

static void *run(void *argument)
{
	struct rsmfs_notifier *notifier = argument;

	for (;;) {
		struct notice *notice;

		rsm_mutex_lock(&notifier->lock);
		while (rsm_list_is_empty(&notifier->queue) && !atomic_load(&notifier->stop))
			rsm_cond_wait(&notifier->changed, &notifier->lock);
		if (atomic_load(&notifier->stop)) {
			rsm_mutex_unlock(&notifier->lock);
			return NULL;
		}
		notice = RSM_CONTAINER_OF(notifier->queue.next, struct notice, link);
		rsm_list_remove(&notice->link);
		rsm_mutex_unlock(&notifier->lock);

		switch (notice->what) {
		case WHAT_ATTRIBUTES:
		case WHAT_DATA:
			send_inode(notifier->fs, notice->ino, notice->what == WHAT_DATA);
			break;
		case WHAT_MEDIUM:
			send_medium(notifier, (int64_t)notice->ino);
			note_told(notifier);
			break;
		}
		free(notice);
	}
}

int rsmfs_notifier_new(struct rsmfs *fs, struct rsmfs_notifier **ret_notifier, struct rsm_err *err)
{
	RSM_CLEANUP(rsmfs_notifier_free)
	struct rsmfs_notifier *notifier = calloc(1, sizeof(*notifier));
	int r;

	if (!notifier)
		return rsm_err_oom(err);
	notifier->fs = fs;
	rsm_mutex_init(&notifier->lock);
	rsm_cond_init(&notifier->changed);
	rsm_cond_init(&notifier->settled);
	rsm_list_init(&notifier->queue);
	r = pthread_create(&notifier->thread, NULL, run, notifier);
	if (r)
		return rsm_err_set(err, r, "cannot start a thread");
	notifier->running = true;
	*ret_notifier = RSM_STEAL(notifier);
	return 0;
}

void rsmfs_notifier_free(struct rsmfs_notifier *notifier)
{
	if (!notifier)
		return;
	rsm_mutex_lock(&notifier->lock);
	atomic_store(&notifier->stop, true);
	pthread_cond_signal(&notifier->changed);
	rsm_mutex_unlock(&notifier->lock);
	if (notifier->running)
		pthread_join(notifier->thread, NULL);
	RSM_LIST_FOR_EACH_SAFE (item, &notifier->queue)
		free(RSM_CONTAINER_OF(item, struct notice, link));
	pthread_cond_destroy(&notifier->changed);
	pthread_cond_destroy(&notifier->settled);
	pthread_mutex_destroy(&notifier->lock.m);
	free(notifier);
}

/* ---- the manager's callbacks ---- */

void rsmfs_contents_changed(void *context, int64_t medium, uint64_t node)
{
	struct rsmfs *fs = context;

	rsmfs_changed(fs, medium);
	if (!node)
		rsmfs_forget_generation(fs, medium);
	if (!atomic_load(&fs->live))
		return;
	if (node)
		rsmfs_notify_inode(fs->node_notifier, rsmfs_node_ino(medium, node), true);
	else
		rsmfs_notify_medium(fs->node_notifier, medium);
}

/* Names are asked for again soon (namespace.h); listings and attributes that the kernel has are
 * not.
 */
void rsmfs_names_changed(void *context, int64_t pool, const char *name)
{
	struct rsmfs *fs = context;
	struct rsm_medium medium;

	rsmfs_forget_generation(fs, 0);
	if (!atomic_load(&fs->live))
		return;
	rsmfs_notify_inode(fs->pool_notifier, rsmfs_pool_ino(pool), true);
	if (name && pool &&
	    rsm_medium_find(rsm_manager_catalog(fs->manager), pool, name, &medium, NULL) == 0)
		rsmfs_notify_inode(fs->pool_notifier, rsmfs_node_ino(medium.id, RSM_NODE_ROOT),
				   false);
}
