/* fake_medium.h - a medium in memory for tests of content: answers reads at once, from a thread of
 * its own, or when told; writes what waits for migration and "indexes" it.
 */
#ifndef RSM_TESTS_FAKE_MEDIUM_H
#define RSM_TESTS_FAKE_MEDIUM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mutex.h"
#include "core/content.h"
#include "tests/base/test.h"

enum { FAKE_BLOCK = 524288, FAKE_SIZE = 256 * 1024 * 1024 };
enum fake_mode { FAKE_AT_ONCE, FAKE_BY_THREAD, FAKE_HELD };

struct fake_medium {
	char *bytes;
	size_t end;
	enum fake_mode mode;
	struct rsm_mutex lock;
	pthread_cond_t changed;
	struct rsm_list queue; /* [lock] */
	bool stop, fail;
	pthread_t thread;
	unsigned reads, cancelled;
	atomic_uint migrations_wanted, reads_wanted, nothing_wanted, streams_wanted, rooms_wanted;
};

static void fake_answer(struct fake_medium *medium, struct rsm_medium_read *read)
{
	uint64_t at = read->start_block * FAKE_BLOCK + read->byte_offset;
	struct rsm_err err;
	size_t end;

	rsm_mutex_lock(&medium->lock);
	end = medium->end;
	rsm_mutex_unlock(&medium->lock);
	if (medium->fail) {
		read->done(read, rsm_err_set(&err, EIO, "medium error"), &err);
		return;
	}
	if (at > end || read->count > end - at) {
		read->done(read, rsm_err_set(&err, EIO, "end of data"), &err);
		return;
	}
	if (read->buffer) {
		memcpy(read->buffer, medium->bytes + at, read->count);
	} else { /* lent in two, as it may come */
		size_t half = read->count / 2;

		read->lent[0] = (struct iovec){ medium->bytes + at, half };
		read->lent[1] = (struct iovec){ medium->bytes + at + half, read->count - half };
		read->lent_count = 2;
	}
	read->done(read, 0, NULL);
}

static void fake_read(void *context, struct rsm_medium_read *read)
{
	struct fake_medium *medium = context;

	rsm_mutex_lock(&medium->lock);
	medium->reads++;
	if (medium->mode == FAKE_AT_ONCE) {
		rsm_mutex_unlock(&medium->lock);
		fake_answer(medium, read);
		return;
	}
	rsm_list_append(&medium->queue, &read->link);
	pthread_cond_signal(&medium->changed);
	rsm_mutex_unlock(&medium->lock);
}

static void fake_cancel(void *context, struct rsm_medium_read *read)
{
	struct fake_medium *medium = context;
	struct rsm_err err;
	bool queued;

	rsm_mutex_lock(&medium->lock);
	queued = !rsm_list_is_empty(&read->link);
	rsm_list_remove(&read->link);
	medium->cancelled += queued;
	rsm_mutex_unlock(&medium->lock);
	if (queued)
		read->done(read, rsm_err_set(&err, EINTR, "given up"), &err);
}

static void fake_want(void *context, struct rsm_content *content, enum rsm_content_want want)
{
	struct fake_medium *medium = context;

	(void)content;
	if (want == RSM_WANT_MIGRATION)
		medium->migrations_wanted++;
	else if (want == RSM_WANT_READ_SOON)
		medium->reads_wanted++;
	else if (want == RSM_WANT_STREAM)
		medium->streams_wanted++;
	else if (want == RSM_WANT_ROOM)
		medium->rooms_wanted++;
	else
		medium->nothing_wanted++;
}

static void fake_changed(void *context, struct rsm_content *content, uint64_t node)
{
	(void)context;
	(void)content;
	(void)node;
}

static void *fake_serve(void *context)
{
	struct fake_medium *medium = context;

	rsm_mutex_lock(&medium->lock);
	while (!medium->stop) {
		if (rsm_list_is_empty(&medium->queue) || medium->mode == FAKE_HELD) {
			rsm_cond_wait(&medium->changed, &medium->lock);
			continue;
		}
		struct rsm_list *first = medium->queue.next;

		rsm_list_remove(first);
		rsm_mutex_unlock(&medium->lock);
		fake_answer(medium, RSM_CONTAINER_OF(first, struct rsm_medium_read, link));
		rsm_mutex_lock(&medium->lock);
	}
	rsm_mutex_unlock(&medium->lock);
	return NULL;
}

static inline void fake_set_mode(struct fake_medium *medium, enum fake_mode mode)
{
	rsm_mutex_lock(&medium->lock);
	medium->mode = mode;
	pthread_cond_signal(&medium->changed);
	rsm_mutex_unlock(&medium->lock);
}

static inline struct rsm_content_callbacks fake_callbacks(struct fake_medium *medium)
{
	return (struct rsm_content_callbacks){ .read = fake_read,
					       .cancel = fake_cancel,
					       .want = fake_want,
					       .changed = fake_changed,
					       .context = medium };
}

static inline void fake_start(struct fake_medium *medium)
{
	memset(medium, 0, sizeof *medium);
	/* shared, so that it survives a process that dies */
	medium->bytes = mmap(NULL, FAKE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(medium->bytes != MAP_FAILED);
	rsm_mutex_init(&medium->lock);
	rsm_cond_init(&medium->changed);
	rsm_list_init(&medium->queue);
	assert_int_equal(pthread_create(&medium->thread, NULL, fake_serve, medium), 0);
}

static inline void fake_stop(struct fake_medium *medium)
{
	rsm_mutex_lock(&medium->lock);
	medium->stop = true;
	pthread_cond_signal(&medium->changed);
	rsm_mutex_unlock(&medium->lock);
	pthread_join(medium->thread, NULL);
	munmap(medium->bytes, FAKE_SIZE);
	rsm_mutex_fini(&medium->lock);
	pthread_cond_destroy(&medium->changed);
}

/* The digest of what a migration leads to, as a drive worker computes it. */
static inline void fake_digest(struct rsm_migration *migration, struct rsm_digest **ret_own,
			       struct rsm_digest **ret_digest)
{
	*ret_digest = migration->digest;
	if (!migration->whole || migration->hash_key ||
	    rsm_digest_new(RSM_DIGEST_SHA256, ret_own, NULL))
		return;
	*ret_digest = *ret_own;
	rsm_digest_begin(*ret_own);
}

/* Writes one file; returns what _migrated says. */
static inline int fake_write(struct fake_medium *medium, struct rsm_content *content,
			     struct rsm_migration *migration, struct rsm_err *err)
{
	RSM_FREE struct rsm_extent *extents = calloc(migration->range_count + 1, sizeof *extents);
	RSM_CLEANUP(rsm_digest_free) struct rsm_digest *own = NULL;
	struct rsm_digest *digest;
	uint64_t digested = migration->digest_from;
	size_t at = medium->end, count = 0;
	int r;

	fake_digest(migration, &own, &digest);
	for (size_t i = 0; i < migration->range_count; i++) {
		const struct rsm_staged_range *range = &migration->ranges[i];

		if (at + range->byte_count > FAKE_SIZE)
			return RSM_NODE_ABSENT; /* the medium is full: it stays staged */
		if (digest && range->file_offset > digested)
			rsm_digest_add_zeros(digest, range->file_offset - digested);
		for (uint64_t done = 0; done < range->byte_count;) {
			size_t part = range->byte_count - done > 30000
					      ? 30000
					      : (size_t)(range->byte_count - done);

			r = rsm_content_migration_read(content, migration, i, done,
						       medium->bytes + at + done, part, err);
			if (r)
				return r;
			if (digest)
				rsm_digest_add(digest, medium->bytes + at + done, part);
			done += part;
		}
		digested = range->file_offset + range->byte_count;
		if (range->written)
			continue; /* what was read over here is not kept */
		extents[count++] = (struct rsm_extent){ .file_offset = range->file_offset,
							.start_block = at / FAKE_BLOCK,
							.byte_offset = at % FAKE_BLOCK,
							.byte_count = range->byte_count,
							.partition = 'b' };
		at += range->byte_count;
	}
	rsm_mutex_lock(&medium->lock);
	medium->end = at;
	rsm_mutex_unlock(&medium->lock);
	if (digest) {
		rsm_digest_add_zeros(digest, migration->size - digested);
		migration->hash_key = rsm_digest_key(RSM_DIGEST_SHA256);
		assert_done(rsm_digest_finish(digest, migration->hash, err), err);
	}
	return rsm_content_migrated(content, migration, extents, count, err);
}

/* Writes up to `limit` files that wait; returns how many were taken. */
static inline unsigned fake_migrate(struct fake_medium *medium, struct rsm_content *content,
				    unsigned limit)
{
	uint64_t after = 0;
	unsigned count = 0;
	struct rsm_err err;

	while (limit--) {
		RSM_CLEANUP(rsm_migration_free) struct rsm_migration *migration = NULL;
		int r = rsm_content_next_migration(content, after, &migration, &err);

		if (r == RSM_NODE_ABSENT)
			break;
		assert_done(r, &err);
		after = migration->close_order;
		r = fake_write(medium, content, migration, &err);
		if (r != RSM_NODE_ABSENT)
			assert_done(r, &err);
		count += r == 0;
	}
	assert_done(rsm_content_commit(content, &err), &err);
	return count;
}

static inline void fake_index(struct rsm_content *content)
{
	RSM_CLEANUP(rsm_index_snapshot_close) struct rsm_index_snapshot *snapshot = NULL;
	struct rsm_err err;

	assert_done(rsm_volume_index_snapshot(rsm_content_index(content), &snapshot, &err), &err);
	assert_done(rsm_content_indexed(content, snapshot, &err), &err);
}

/* ---- reading and waiting for it ---- */

struct fake_reader {
	struct rsm_content_read request;
	char *into;
	int r;
	size_t length;
	bool done;
	struct rsm_mutex lock;
	pthread_cond_t changed;
};

static void fake_read_done(struct rsm_content_read *request, int r, const struct iovec *iov,
			   int iov_count, const struct rsm_err *err)
{
	struct fake_reader *reader = RSM_CONTAINER_OF(request, struct fake_reader, request);

	(void)err;
	rsm_mutex_lock(&reader->lock);
	assert(!reader->done);
	reader->length = 0;
	for (int i = 0; i < iov_count; i++) {
		memcpy(reader->into + reader->length, iov[i].iov_base, iov[i].iov_len);
		reader->length += iov[i].iov_len;
	}
	reader->r = r;
	reader->done = true;
	pthread_cond_signal(&reader->changed);
	rsm_mutex_unlock(&reader->lock);
}

static inline void fake_read_begin(struct fake_reader *reader, struct rsm_open_file *file,
				   void *into, size_t size, uint64_t offset)
{
	memset(reader, 0, sizeof *reader);
	reader->into = into;
	reader->request.offset = offset;
	reader->request.size = size;
	reader->request.done = fake_read_done;
	rsm_mutex_init(&reader->lock);
	rsm_cond_init(&reader->changed);
	rsm_content_read_file(file, &reader->request);
}

static inline int fake_read_wait(struct fake_reader *reader, size_t *ret_length)
{
	rsm_mutex_lock(&reader->lock);
	while (!reader->done)
		rsm_cond_wait(&reader->changed, &reader->lock);
	rsm_mutex_unlock(&reader->lock);
	rsm_mutex_fini(&reader->lock);
	pthread_cond_destroy(&reader->changed);
	*ret_length = reader->length;
	return reader->r;
}

static inline int fake_read_file(struct rsm_open_file *file, void *into, size_t size,
				 uint64_t offset, size_t *ret_length)
{
	struct fake_reader reader;

	fake_read_begin(&reader, file, into, size, offset);
	return fake_read_wait(&reader, ret_length);
}

#endif
