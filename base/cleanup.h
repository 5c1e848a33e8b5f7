/* cleanup.h - scopes that free what they own.
 *
 * RSM_CLEANUP(free_fn) on a pointer variable calls free_fn(pointer) at the end of the scope; every
 * free function takes NULL. RSM_STEAL(p) yields p and leaves NULL, for the way out that succeeded.
 * RSM_CLOSE on an int closes the descriptor if it is not negative.
 */
#ifndef RSM_BASE_CLEANUP_H
#define RSM_BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define RSM_DEFINE_CLEANUP(free_fn, type)                                                          \
	static inline void free_fn##_scope(type **pointer)                                         \
	{                                                                                          \
		free_fn(*pointer);                                                                 \
	}

#define RSM_CLEANUP(free_fn) __attribute__((cleanup(free_fn##_scope)))

static inline void rsm_free_scope(void *pointer)
{
	int saved = errno;

	free(*(void **)pointer);
	errno = saved;
}
#define RSM_FREE __attribute__((cleanup(rsm_free_scope)))

static inline void rsm_close_scope(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}
#define RSM_CLOSE __attribute__((cleanup(rsm_close_scope)))

#define RSM_STEAL(pointer)                                                                         \
	__extension__({                                                                            \
		__typeof__(pointer) stolen_ = (pointer);                                           \
		(pointer) = NULL;                                                                  \
		stolen_;                                                                           \
	})

static inline int rsm_steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#endif
