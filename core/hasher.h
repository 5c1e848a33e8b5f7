/* hasher.h - digests of what a drive worker streams, computed beside the streaming.
 *
 * Pieces that are worth it go to a helper thread, so that the tape does not wait for the
 * arithmetic; small ones are done at once. One file at a time; all calls from one thread.
 */
#ifndef RSM_CORE_HASHER_H
#define RSM_CORE_HASHER_H

#include "core/digest.h"

struct rsm_hasher;

RSM_MUST_CHECK int rsm_hasher_new(enum rsm_digest_kind kind, struct rsm_hasher **ret_hasher,
				  struct rsm_err *err);
void rsm_hasher_free(struct rsm_hasher *hasher);
RSM_DEFINE_CLEANUP(rsm_hasher_free, struct rsm_hasher)

/* A file begins; one that was not finished is forgotten. */
void rsm_hasher_begin(struct rsm_hasher *hasher);
/* A part of a file, whose digest is somebody else's and is continued until the next _begin,
 * _continue or _settle.
 */
void rsm_hasher_continue(struct rsm_hasher *hasher, struct rsm_digest *digest);
/* Returns when all that was added is in the digest, and no bytes are borrowed any more. */
void rsm_hasher_settle(struct rsm_hasher *hasher);
/* The bytes must stay as they are until RSM_HASHER_DEPTH more pieces have been added, or another
 * call of the hasher's has returned. It waits only when so many are left to be done: one sleep a
 * piece would cost more than the arithmetic.
 */
enum { RSM_HASHER_DEPTH = 7 };
void rsm_hasher_add(struct rsm_hasher *hasher, const void *bytes, size_t length);
void rsm_hasher_add_zeros(struct rsm_hasher *hasher, uint64_t count);
/* *ret_key: under which the digest is stored. */
RSM_MUST_CHECK int rsm_hasher_finish(struct rsm_hasher *hasher, const char **ret_key,
				     char ret_text[RSM_DIGEST_TEXT], struct rsm_err *err);

#endif
