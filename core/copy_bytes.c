/* The bytes of a file of the first one, for its copy: behind all who want something themselves. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/copy_private.h"
#include "core/manager_private.h"

#define LOOK_NS (RSM_SECOND_NS / 10)
enum { CHUNK = 1 << 20, LOW_PRIORITY = -10 };

int rsm_mirror_check(const struct rsm_mirror *mirror, struct rsm_err *err)
{
	if (mirror->tick)
		mirror->tick(mirror->manager);
	if (atomic_load(mirror->cancel))
		return rsm_err_set(err, EINTR, "interrupted");
	return 0;
}

struct wait {
	struct rsm_content_read request;
	struct rsm_mutex lock;
	pthread_cond_t changed;
	bool ended; /* [lock] */
	int r;
	size_t length;
	char *data;
	struct rsm_err err;
};

static void read_done(struct rsm_content_read *request, int r, const struct iovec *iov,
		      int iov_count, const struct rsm_err *err)
{
	struct wait *wait = request->context;

	wait->length = 0;
	for (int i = 0; r == 0 && i < iov_count; i++) {
		memcpy(wait->data + wait->length, iov[i].iov_base, iov[i].iov_len);
		wait->length += iov[i].iov_len;
	}
	wait->r = r;
	if (r < 0)
		wait->err = *err;
	RSM_LOCK_SCOPE(&wait->lock);
	wait->ended = true;
	pthread_cond_signal(&wait->changed);
}

/* CHUNK bytes at most; fewer at the end of the file. */
static int read_chunk(struct rsm_mirror *mirror, struct rsm_open_file *file, struct wait *wait,
		      uint64_t offset, struct rsm_err *err)
{
	bool told = false;

	wait->ended = false;
	wait->request = (struct rsm_content_read){
		.offset = offset, .size = CHUNK, .done = read_done, .context = wait
	};
	rsm_content_read_file(file, &wait->request);
	rsm_mutex_lock(&wait->lock);
	while (!wait->ended) {
		rsm_cond_wait_until(&wait->changed, &wait->lock,
				    rsm_clock_now_ns(rsm_clock_real()) + LOOK_NS);
		if (wait->ended || told || !atomic_load(mirror->cancel))
			continue;
		told = true;
		rsm_mutex_unlock(&wait->lock);
		rsm_content_interrupt(file, &wait->request);
		rsm_mutex_lock(&wait->lock);
	}
	rsm_mutex_unlock(&wait->lock);
	if (wait->r < 0)
		*err = wait->err;
	return wait->r;
}

int rsm_mirror_wait_for_room(struct rsm_mirror *mirror, struct rsm_err *err)
{
	rsm_clock_sleep_ns(rsm_clock_real(), LOOK_NS);
	return rsm_mirror_check(mirror, err);
}

static int write_chunk(struct rsm_mirror *mirror, struct rsm_open_file *file, const char *data,
		       size_t length, uint64_t offset, struct rsm_err *err)
{
	int r;

	while ((r = rsm_content_write_file(file, data, length, offset, err)) == RSM_CONTENT_WAIT) {
		r = rsm_mirror_wait_for_room(mirror, err);
		if (r < 0)
			return r;
	}
	return r;
}

/* Its bytes are on the medium: that is brought, behind all who want something themselves. */
static int bring(struct rsm_mirror *mirror, uint64_t id, struct rsm_err *err)
{
	enum rsm_residency residency;
	struct rsm_extent first;
	int r = rsm_content_residency(mirror->from, id, &residency, &first, err);

	if (r != 0 || residency == RSM_RESIDENT_STAGED || !first.partition)
		return r < 0 ? r : 0;
	return rsm_manager_mount_wait(mirror->manager, &mirror->first, 1,
				      RSM_MOUNT_IF_ONLINE | RSM_MOUNT_TO_COPY, 0, LOW_PRIORITY, 0,
				      0, mirror->cancel, err);
}

static int copy_bytes(struct rsm_mirror *mirror, struct rsm_open_file *from,
		      struct rsm_open_file *to, struct wait *wait, uint64_t size,
		      struct rsm_err *err)
{
	uint64_t offset = 0;
	int r = 0;

	do {
		r = rsm_mirror_check(mirror, err);
		if (r == 0 && offset < size)
			r = read_chunk(mirror, from, wait, offset, err);
		if (r < 0 || offset >= size || wait->length == 0)
			break;
		r = write_chunk(mirror, to, wait->data, wait->length, offset, err);
		offset += wait->length;
	} while (r == 0);
	while (r == 0 && (r = rsm_content_flush_file(to, err)) == RSM_CONTENT_WAIT)
		r = rsm_mirror_wait_for_room(mirror, err);
	mirror->bytes += offset;
	return r;
}

static void wait_fini(struct wait *wait)
{
	free(wait->data);
	pthread_cond_destroy(&wait->changed);
	rsm_mutex_fini(&wait->lock);
}

int rsm_mirror_copy_data(struct rsm_mirror *mirror, const struct rsm_node *node,
			 struct rsm_open_file *to, struct rsm_err *err)
{
	struct wait wait = { .data = malloc(CHUNK) };
	struct rsm_open_file *from;
	bool keep;
	int r;

	if (!wait.data)
		return rsm_err_oom(err);
	rsm_mutex_init(&wait.lock);
	rsm_cond_init(&wait.changed);
	r = bring(mirror, node->id, err);
	if (r == 0)
		r = rsm_content_open(mirror->from, node->id, O_RDONLY, &from, &keep, err);
	if (r == 0) {
		r = copy_bytes(mirror, from, to, &wait, node->size, err);
		rsm_content_release(from);
	}
	wait_fini(&wait);
	return r;
}
