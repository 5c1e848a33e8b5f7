/* block_cache.h - blocks of the medium in a drive that were read last, lent to whoever answers
 * reads.
 *
 * One thread, the drive's, fills blocks and forgets them; any thread serves reads from them. Blocks
 * that are lent stay as they are until they are given back, which never waits for the drive.
 */
#ifndef RSM_CORE_BLOCK_CACHE_H
#define RSM_CORE_BLOCK_CACHE_H

#include "base/mutex.h"
#include "core/content.h"

/* More than RSM_READ_LENT_MOST, or a read might wait for what it has itself. */
enum { RSM_CACHE_BLOCKS = 16 };

struct rsm_cached_block {
	char partition; /* 0: empty */
	uint64_t block;
	size_t length;
	uint64_t stamp;
	unsigned lent; /* to so many reads */
	char *data;
};

/* The lock is taken after every other and held for a memcpy. */
struct rsm_block_cache {
	struct rsm_mutex lock;
	pthread_cond_t given_back;
	struct rsm_cached_block blocks[RSM_CACHE_BLOCKS]; /* [lock] */
	const struct rsm_content *content;		  /* [lock] whose blocks these are */
	uint32_t block_size;				  /* [lock] 0: nothing is cached */
	uint64_t stamp;					  /* [lock] */
	char want_partition;				  /* [lock] of the last read */
	uint64_t want_block;				  /* [lock] where it ended */
};

void rsm_block_cache_init(struct rsm_block_cache *cache);
/* Nothing is lent any more. */
void rsm_block_cache_fini(struct rsm_block_cache *cache);

/* Forgets all blocks, which waits until they are given back. */
void rsm_block_cache_reset(struct rsm_block_cache *cache, const struct rsm_content *content,
			   uint32_t block_size);

/* The place for another block, the least recently used: filled by the drive's thread without the
 * lock, then named. NULL: no memory.
 */
struct rsm_cached_block *rsm_block_cache_reserve(struct rsm_block_cache *cache);
void rsm_block_cache_name(struct rsm_block_cache *cache, struct rsm_cached_block *block,
			  char partition, uint64_t number, size_t length);

/* A read that spans too many blocks to borrow them gets a buffer, which _answer frees. */
RSM_MUST_CHECK int rsm_block_cache_prepare(struct rsm_block_cache *cache,
					   struct rsm_medium_read *read, struct rsm_err *err);
/* Copies or lends what the cache has of a read from byte `done` on; returns up to where. */
size_t rsm_block_cache_serve(struct rsm_block_cache *cache, struct rsm_medium_read *read,
			     size_t done);
/* The same for a read that is whole in the cache, of the contents whose blocks it has; else false,
 * and nothing is lent.
 */
bool rsm_block_cache_serve_whole(struct rsm_block_cache *cache, struct rsm_medium_read *read);
/* Calls done(), then takes back what was lent. Without locks. */
void rsm_block_cache_answer(struct rsm_block_cache *cache, struct rsm_medium_read *read, int r,
			    const struct rsm_err *err);
/* The read will be begun again, elsewhere: takes back what was lent, without calling done(). */
void rsm_block_cache_abandon(struct rsm_block_cache *cache, struct rsm_medium_read *read);

/* The first of `count` blocks behind the last read that is not cached; false: all are, or nothing
 * was read yet, or reading ahead has failed.
 */
bool rsm_block_cache_next(struct rsm_block_cache *cache, unsigned count, char *ret_partition,
			  uint64_t *ret_number);
/* Until the next read, nothing is to be read ahead. */
void rsm_block_cache_want_nothing(struct rsm_block_cache *cache);

#endif
