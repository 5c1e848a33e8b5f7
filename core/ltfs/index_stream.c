#include "core/ltfs/index_stream.h"

#include <pthread.h>

#include "core/ltfs/byte_pipe.h"

enum { ROOM = 2 * 1024 * 1024 };

/* ---- from a drive ---- */

struct rsm_index_stream {
	struct rsm_ltfs_index_reader *reader; /* the helper's while it runs */
	struct rsm_byte_pipe *pipe;
	pthread_t thread;
	bool begun; /* there was a first piece */
	bool runs;  /* there is a helper */
	bool alone; /* none can be made */
	int result; /* the helper's while it runs */
	struct rsm_err err;
};

static void *parse(void *context)
{
	struct rsm_index_stream *stream = context;
	const void *bytes;
	size_t length;

	while (!stream->result && (length = rsm_byte_pipe_look(stream->pipe, &bytes)) > 0) {
		stream->result =
			rsm_ltfs_index_reader_feed(stream->reader, bytes, length, &stream->err);
		rsm_byte_pipe_drop(stream->pipe, length);
	}
	rsm_byte_pipe_close(stream->pipe);
	return NULL;
}

/* The helper has parsed all that there is, or failed, when this returns. */
static int join(struct rsm_index_stream *stream, struct rsm_err *err)
{
	if (stream->runs) {
		rsm_byte_pipe_end(stream->pipe);
		pthread_join(stream->thread, NULL);
		stream->runs = false;
		stream->alone = true;
	}
	if (stream->result && err)
		*err = stream->err;
	return stream->result;
}

int rsm_index_stream_new(struct rsm_ltfs_index_reader *reader, struct rsm_index_stream **ret_stream,
			 struct rsm_err *err)
{
	struct rsm_index_stream *stream = calloc(1, sizeof *stream);

	if (!stream)
		return rsm_err_oom(err);
	stream->reader = reader;
	*ret_stream = stream;
	return 0;
}

static int start_helper(struct rsm_index_stream *stream, struct rsm_err *err)
{
	int r = rsm_byte_pipe_new(ROOM, &stream->pipe, err);

	if (r < 0)
		return r;
	stream->runs = pthread_create(&stream->thread, NULL, parse, stream) == 0;
	stream->alone = !stream->runs;
	return 0;
}

int rsm_index_stream_put(struct rsm_index_stream *stream, const void *bytes, size_t length,
			 struct rsm_err *err)
{
	int r = 0;

	if (stream->begun && !stream->runs && !stream->alone)
		r = start_helper(stream, err);
	if (r < 0)
		return r;
	stream->begun = true;
	if (!stream->runs) {
		if (!stream->result)
			stream->result = rsm_ltfs_index_reader_feed(stream->reader, bytes, length,
								    &stream->err);
		return join(stream, err);
	}
	return rsm_byte_pipe_put(stream->pipe, bytes, length) ? join(stream, err) : 0;
}

int rsm_index_stream_end(struct rsm_index_stream *stream, struct rsm_err *err)
{
	return join(stream, err);
}

void rsm_index_stream_free(struct rsm_index_stream *stream)
{
	if (!stream)
		return;
	(void)!join(stream, NULL);
	rsm_byte_pipe_free(stream->pipe);
	free(stream);
}

/* ---- to a drive ---- */

struct writing {
	const struct rsm_ltfs_index_source *source;
	struct rsm_byte_pipe *pipe;
	int result;
	struct rsm_err err;
};

static int hand_over(void *context, const void *bytes, size_t length, struct rsm_err *err)
{
	if (rsm_byte_pipe_put(context, bytes, length) == 0)
		return 0;
	return rsm_err_set(err, ECANCELED, "the drive takes no more of the index");
}

static void *write_ahead(void *context)
{
	struct writing *writing = context;

	writing->result =
		rsm_ltfs_index_write(writing->source, hand_over, writing->pipe, &writing->err);
	rsm_byte_pipe_end(writing->pipe);
	return NULL;
}

/* Hands on what the helper writes. */
static int pass_on(struct rsm_byte_pipe *pipe, rsm_ltfs_index_sink *sink, void *context,
		   struct rsm_err *err)
{
	const void *bytes;
	size_t length;
	int r = 0;

	while (r >= 0 && (length = rsm_byte_pipe_look(pipe, &bytes)) > 0) {
		r = sink(context, bytes, length, err);
		rsm_byte_pipe_drop(pipe, length);
	}
	rsm_byte_pipe_close(pipe);
	return r < 0 ? r : 0;
}

int rsm_index_stream_write(const struct rsm_ltfs_index_source *source, rsm_ltfs_index_sink *sink,
			   void *context, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_byte_pipe_free) struct rsm_byte_pipe *pipe = NULL;
	struct writing writing = { .source = source };
	pthread_t thread;
	int r = rsm_byte_pipe_new(ROOM, &pipe, err);

	if (r < 0)
		return r;
	writing.pipe = pipe;
	if (pthread_create(&thread, NULL, write_ahead, &writing) != 0)
		return rsm_ltfs_index_write(source, sink, context, err);
	r = pass_on(pipe, sink, context, err);
	pthread_join(thread, NULL);
	if (r == 0 && writing.result < 0) {
		if (err)
			*err = writing.err;
		r = writing.result;
	}
	return r;
}
