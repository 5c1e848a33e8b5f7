/* byte_pipe.h - a stream of bytes from one thread to one other, through a ring of fixed size. */
#ifndef RSM_CORE_LTFS_BYTE_PIPE_H
#define RSM_CORE_LTFS_BYTE_PIPE_H

#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"

struct rsm_byte_pipe;

RSM_MUST_CHECK int rsm_byte_pipe_new(size_t room, struct rsm_byte_pipe **ret_pipe,
				     struct rsm_err *err);
/* Both threads are done with it. */
void rsm_byte_pipe_free(struct rsm_byte_pipe *pipe);
RSM_DEFINE_CLEANUP(rsm_byte_pipe_free, struct rsm_byte_pipe)

enum rsm_byte_pipe_outcome { RSM_BYTE_PIPE_CLOSED = 1 };

/* The one side. Waits while the pipe is full, for as long as the other side works or until it
 * closes. Outcome CLOSED: nobody takes any more.
 */
RSM_MUST_CHECK int rsm_byte_pipe_put(struct rsm_byte_pipe *pipe, const void *bytes, size_t length);
/* That was all. */
void rsm_byte_pipe_end(struct rsm_byte_pipe *pipe);

/* The other side. Waits until there is something; returns how many bytes are at *ret_bytes, 0: it
 * was all. They stay there until they are dropped.
 */
size_t rsm_byte_pipe_look(struct rsm_byte_pipe *pipe, const void **ret_bytes);
void rsm_byte_pipe_drop(struct rsm_byte_pipe *pipe, size_t length);
/* Nothing is taken any more. */
void rsm_byte_pipe_close(struct rsm_byte_pipe *pipe);

#endif
