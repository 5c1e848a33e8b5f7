#include "fs/control_verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { PIECE = 1 << 20, PIECES = 2 };
#define LOOK_AGAIN_NS (RSM_SECOND_NS / 10)
#define QUIET_NS      (RSM_SECOND_NS / 5)

struct piece {
	struct rsm_content_read request;
	struct rsmfs_verify_reader *reader;
	uint64_t offset;
	size_t length;
	bool under_way; /* [lock] */
	int r;		/* [lock] */
	size_t got;	/* [lock] */
	struct rsm_err err;
	char *data;
};

struct rsmfs_verify_reader {
	struct rsmfs_request *request; /* [const] */
	struct rsm_mutex lock;
	pthread_cond_t changed; /* [lock] */
	struct piece pieces[PIECES];
};

/* ---- one piece ---- */

static void read_done(struct rsm_content_read *read, int r, const struct iovec *iov, int iov_count,
		      const struct rsm_err *err)
{
	struct piece *piece = RSM_CONTAINER_OF(read, struct piece, request);
	struct rsmfs_verify_reader *reader = piece->reader;
	size_t got = 0;

	for (int i = 0; r == 0 && i < iov_count; i++) {
		size_t n = iov[i].iov_len;

		if (n > piece->length - got)
			n = piece->length - got;
		memcpy(piece->data + got, iov[i].iov_base, n);
		got += n;
	}
	RSM_LOCK_SCOPE(&reader->lock);
	piece->r = r;
	piece->got = got;
	if (r < 0 && err)
		piece->err = *err;
	else if (r < 0)
		rsm_err_set(&piece->err, -r, "read error");
	piece->under_way = false;
	pthread_cond_broadcast(&reader->changed);
}

static bool is_under_way(struct rsmfs_verify_reader *reader, struct piece *piece)
{
	RSM_LOCK_SCOPE(&reader->lock);
	return piece->under_way;
}

static void start_piece(struct rsmfs_verify_reader *reader, struct rsm_open_file *file,
			struct piece *piece, uint64_t offset, uint64_t size)
{
	piece->offset = offset;
	piece->length = size - offset < PIECE ? (size_t)(size - offset) : PIECE;
	piece->request = (struct rsm_content_read){
		.offset = offset,
		.size = piece->length,
		.done = read_done,
	};
	rsm_mutex_lock(&reader->lock);
	piece->under_way = true;
	rsm_mutex_unlock(&reader->lock);
	rsm_content_read_file(file, &piece->request);
}

/* Returns when it is done: soon after the asker has gone. */
static void wait_piece(struct rsmfs_verify_reader *reader, struct rsm_open_file *file,
		       struct piece *piece)
{
	while (is_under_way(reader, piece)) {
		if (rsmfs_request_is_cancelled(reader->request))
			rsm_content_interrupt(file, &piece->request);
		RSM_LOCK_SCOPE(&reader->lock);
		if (piece->under_way)
			rsm_cond_wait_until(&reader->changed, &reader->lock,
					    rsm_clock_now_ns(rsm_clock_real()) + LOOK_AGAIN_NS);
	}
}

/* ---- a file ---- */

static bool others_read(struct rsmfs_verify_reader *reader, struct rsm_content *content)
{
	struct rsm_content_use use;
	unsigned own = 0;

	for (int i = 0; i < PIECES; i++)
		own += is_under_way(reader, &reader->pieces[i]);
	rsm_content_use(content, &use);
	return use.reading > own;
}

static void give_way(struct rsmfs_verify_reader *reader, struct rsm_content *content)
{
	int64_t quiet_since = rsm_clock_now_ns(rsm_clock_real()), now = quiet_since;

	while (now - quiet_since < QUIET_NS && !rsmfs_request_is_cancelled(reader->request)) {
		rsm_clock_sleep_ns(rsm_clock_real(), RSM_SECOND_NS / 100);
		now = rsm_clock_now_ns(rsm_clock_real());
		if (others_read(reader, content))
			quiet_since = now;
	}
}

/* Checks a piece that has come and sums it up. */
static int take_piece(struct rsmfs_verify_reader *reader, const struct piece *piece,
		      struct rsm_digest *digest, struct rsm_err *err)
{
	if (piece->r < 0) {
		*err = piece->err;
		return piece->r;
	}
	if (rsmfs_request_is_cancelled(reader->request))
		return rsm_err_set(err, EINTR, "interrupted");
	if (piece->got != piece->length)
		return rsm_err_set(err, EIO, "the file is shorter than it should be");
	rsm_digest_add(digest, piece->data, piece->got);
	return 0;
}

int rsmfs_verify_read(struct rsmfs_verify_reader *reader, struct rsm_content *content,
		      struct rsm_open_file *file, uint64_t size, struct rsm_digest *digest,
		      uint64_t done, uint64_t total, const char *path, struct rsm_err *err)
{
	uint64_t next = 0, at = 0;
	unsigned turn = 0;
	int r = 0;

	rsm_digest_begin(digest);
	while (r == 0 && at < size) {
		struct piece *piece = &reader->pieces[turn % PIECES];
		struct piece *ahead = &reader->pieces[(turn + 1) % PIECES];

		if (next == at) {
			if (others_read(reader, content))
				give_way(reader, content);
			start_piece(reader, file, piece, at, size);
			next = at + piece->length;
		}
		wait_piece(reader, file, piece);
		if (next < size && piece->r == 0 && piece->got == piece->length &&
		    !others_read(reader, content) && !rsmfs_request_is_cancelled(reader->request)) {
			start_piece(reader, file, ahead, next, size);
			next += ahead->length;
		}
		r = take_piece(reader, piece, digest, err);
		at += piece->length;
		turn++;
		rsmfs_request_progress(reader->request, done + at, total, path);
	}
	for (int i = 0; i < PIECES; i++)
		wait_piece(reader, file, &reader->pieces[i]);
	return r;
}

/* ---- the reader ---- */

int rsmfs_verify_reader_new(struct rsmfs_request *request, struct rsmfs_verify_reader **ret_reader,
			    struct rsm_err *err)
{
	struct rsmfs_verify_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return rsm_err_oom(err);
	reader->request = request;
	rsm_mutex_init(&reader->lock);
	rsm_cond_init(&reader->changed);
	for (int i = 0; i < PIECES; i++) {
		reader->pieces[i].reader = reader;
		reader->pieces[i].data = malloc(PIECE);
		if (!reader->pieces[i].data) {
			rsmfs_verify_reader_free(reader);
			return rsm_err_oom(err);
		}
	}
	*ret_reader = reader;
	return 0;
}

void rsmfs_verify_reader_free(struct rsmfs_verify_reader *reader)
{
	if (!reader)
		return;
	for (int i = 0; i < PIECES; i++)
		free(reader->pieces[i].data);
	pthread_cond_destroy(&reader->changed);
	rsm_mutex_fini(&reader->lock);
	free(reader);
}
