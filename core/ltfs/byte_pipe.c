#include "core/ltfs/byte_pipe.h"

#include <string.h>

#include "base/mutex.h"

/* What is filled is the taker's, what is not the putter's: both work in the ring without the lock.
 */
struct rsm_byte_pipe {
	struct rsm_mutex lock;
	pthread_cond_t changed;
	size_t room;		 /* [const] */
	size_t filled;		 /* [lock] */
	bool ended, closed;	 /* [lock] */
	size_t put_at, taken_at; /* places in the ring: of the putter, of the taker */
	char ring[];
};

int rsm_byte_pipe_new(size_t room, struct rsm_byte_pipe **ret_pipe, struct rsm_err *err)
{
	struct rsm_byte_pipe *pipe = malloc(sizeof *pipe + room);

	if (!pipe)
		return rsm_err_oom(err);
	*pipe = (struct rsm_byte_pipe){ .room = room };
	rsm_mutex_init(&pipe->lock);
	rsm_cond_init(&pipe->changed);
	*ret_pipe = pipe;
	return 0;
}

void rsm_byte_pipe_free(struct rsm_byte_pipe *pipe)
{
	if (!pipe)
		return;
	pthread_cond_destroy(&pipe->changed);
	rsm_mutex_fini(&pipe->lock);
	free(pipe);
}

/* How many bytes can be put; 0: it is closed. */
static size_t wait_for_room(struct rsm_byte_pipe *pipe)
{
	RSM_LOCK_SCOPE(&pipe->lock);
	while (pipe->filled == pipe->room && !pipe->closed)
		rsm_cond_wait(&pipe->changed, &pipe->lock);
	return pipe->closed ? 0 : pipe->room - pipe->filled;
}

int rsm_byte_pipe_put(struct rsm_byte_pipe *pipe, const void *bytes, size_t length)
{
	const char *from = bytes;

	while (length) {
		size_t n = wait_for_room(pipe);

		if (!n)
			return RSM_BYTE_PIPE_CLOSED;
		if (n > length)
			n = length;
		if (n > pipe->room - pipe->put_at)
			n = pipe->room - pipe->put_at;
		memcpy(pipe->ring + pipe->put_at, from, n);
		pipe->put_at = (pipe->put_at + n) % pipe->room;
		from += n;
		length -= n;
		RSM_LOCK_SCOPE(&pipe->lock);
		pipe->filled += n;
		pthread_cond_signal(&pipe->changed);
	}
	return 0;
}

void rsm_byte_pipe_end(struct rsm_byte_pipe *pipe)
{
	RSM_LOCK_SCOPE(&pipe->lock);
	pipe->ended = true;
	pthread_cond_signal(&pipe->changed);
}

size_t rsm_byte_pipe_look(struct rsm_byte_pipe *pipe, const void **ret_bytes)
{
	size_t filled;

	{
		RSM_LOCK_SCOPE(&pipe->lock);
		while (!pipe->filled && !pipe->ended)
			rsm_cond_wait(&pipe->changed, &pipe->lock);
		filled = pipe->filled;
	}
	*ret_bytes = pipe->ring + pipe->taken_at;
	return filled < pipe->room - pipe->taken_at ? filled : pipe->room - pipe->taken_at;
}

void rsm_byte_pipe_drop(struct rsm_byte_pipe *pipe, size_t length)
{
	pipe->taken_at = (pipe->taken_at + length) % pipe->room;
	RSM_LOCK_SCOPE(&pipe->lock);
	pipe->filled -= length;
	pthread_cond_signal(&pipe->changed);
}

void rsm_byte_pipe_close(struct rsm_byte_pipe *pipe)
{
	RSM_LOCK_SCOPE(&pipe->lock);
	pipe->closed = true;
	pthread_cond_signal(&pipe->changed);
}
