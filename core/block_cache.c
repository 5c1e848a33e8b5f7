#include "core/block_cache.h"

#include <stdlib.h>
#include <string.h>

void rsm_block_cache_init(struct rsm_block_cache *cache)
{
	rsm_mutex_init(&cache->lock);
	rsm_cond_init(&cache->given_back);
}

void rsm_block_cache_fini(struct rsm_block_cache *cache)
{
	for (int i = 0; i < RSM_CACHE_BLOCKS; i++)
		free(cache->blocks[i].data);
	pthread_cond_destroy(&cache->given_back);
	rsm_mutex_fini(&cache->lock);
}

void rsm_block_cache_reset(struct rsm_block_cache *cache, const struct rsm_content *content,
			   uint32_t block_size)
{
	RSM_LOCK_SCOPE(&cache->lock);
	cache->want_partition = 0;
	cache->content = NULL; /* nobody borrows from now on */
	for (int i = 0; i < RSM_CACHE_BLOCKS; i++) {
		struct rsm_cached_block *block = &cache->blocks[i];

		while (block->lent)
			rsm_cond_wait(&cache->given_back, &cache->lock);
		block->partition = 0;
		if (block_size != cache->block_size) {
			free(block->data);
			block->data = NULL;
		}
	}
	cache->block_size = block_size;
	cache->content = block_size ? content : NULL;
}

static struct rsm_cached_block *find(struct rsm_block_cache *cache, char partition, uint64_t number)
{
	for (int i = 0; i < RSM_CACHE_BLOCKS; i++) {
		struct rsm_cached_block *block = &cache->blocks[i];

		if (block->partition == partition && block->block == number) {
			block->stamp = ++cache->stamp;
			return block;
		}
	}
	return NULL;
}

static bool is_older(const struct rsm_cached_block *block, const struct rsm_cached_block *than)
{
	if (!block->partition || !than->partition)
		return !block->partition;
	return block->stamp < than->stamp;
}

struct rsm_cached_block *rsm_block_cache_reserve(struct rsm_block_cache *cache)
{
	struct rsm_cached_block *oldest = NULL;

	RSM_LOCK_SCOPE(&cache->lock);
	for (;;) {
		for (int i = 0; i < RSM_CACHE_BLOCKS; i++) {
			struct rsm_cached_block *block = &cache->blocks[i];

			if (!block->lent && (!oldest || is_older(block, oldest)))
				oldest = block;
		}
		if (oldest)
			break;
		rsm_cond_wait(&cache->given_back, &cache->lock);
	}
	if (!oldest->data)
		oldest->data = malloc(cache->block_size);
	if (!oldest->data)
		return NULL;
	oldest->partition = 0;
	return oldest;
}

void rsm_block_cache_name(struct rsm_block_cache *cache, struct rsm_cached_block *block,
			  char partition, uint64_t number, size_t length)
{
	RSM_LOCK_SCOPE(&cache->lock);
	block->partition = partition;
	block->block = number;
	block->length = length;
	block->stamp = ++cache->stamp;
}

/* ---- serving reads ---- */

static bool spans_too_many(const struct rsm_block_cache *cache, const struct rsm_medium_read *read)
{
	uint64_t first = cache->block_size ? read->byte_offset % cache->block_size : 0;

	return !cache->block_size ||
	       (first + read->count + cache->block_size - 1) / cache->block_size >
		       RSM_READ_LENT_MOST;
}

int rsm_block_cache_prepare(struct rsm_block_cache *cache, struct rsm_medium_read *read,
			    struct rsm_err *err)
{
	bool borrows;

	rsm_mutex_lock(&cache->lock);
	borrows = !read->buffer && !spans_too_many(cache, read);
	rsm_mutex_unlock(&cache->lock);
	read->lent_count = 0;
	if (borrows || read->buffer)
		return 0;
	read->buffer = malloc(read->count);
	if (!read->buffer)
		return rsm_err_oom(err);
	/* until the end, `lender` tells whose the buffer is */
	read->lender[0] = read->buffer;
	read->lent[0] = (struct iovec){ read->buffer, read->count };
	read->lent_count = 1;
	return 0;
}

static size_t serve_locked(struct rsm_block_cache *cache, struct rsm_medium_read *read, size_t done)
{
	while (cache->block_size && done < read->count) {
		uint64_t at = read->byte_offset + done;
		size_t offset = at % cache->block_size, n;
		struct rsm_cached_block *block =
			find(cache, read->partition, read->start_block + at / cache->block_size);

		if (!block || block->length <= offset)
			break;
		n = block->length - offset;
		if (n > read->count - done)
			n = read->count - done;
		if (read->buffer) {
			memcpy((char *)read->buffer + done, block->data + offset, n);
		} else {
			block->lent++;
			read->lender[read->lent_count] = block;
			read->lent[read->lent_count++] = (struct iovec){ block->data + offset, n };
		}
		done += n;
		/* a short block ends its extent: what follows it is another one */
		if (block->length < cache->block_size)
			break;
	}
	if (done == read->count && cache->block_size) {
		cache->want_partition = read->partition;
		cache->want_block =
			read->start_block + (read->byte_offset + read->count) / cache->block_size;
	}
	return done;
}

size_t rsm_block_cache_serve(struct rsm_block_cache *cache, struct rsm_medium_read *read,
			     size_t done)
{
	RSM_LOCK_SCOPE(&cache->lock);
	return serve_locked(cache, read, done);
}

static void take_back_locked(struct rsm_block_cache *cache, void *const *lender, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		((struct rsm_cached_block *)lender[i])->lent--;
	if (count)
		pthread_cond_broadcast(&cache->given_back);
}

bool rsm_block_cache_serve_whole(struct rsm_block_cache *cache, struct rsm_medium_read *read)
{
	RSM_LOCK_SCOPE(&cache->lock);
	read->lent_count = 0;
	if (cache->content != read->content || (!read->buffer && spans_too_many(cache, read)))
		return false;
	if (serve_locked(cache, read, 0) == read->count)
		return true;
	take_back_locked(cache, read->lender, read->lent_count);
	read->lent_count = 0;
	return false;
}

void rsm_block_cache_answer(struct rsm_block_cache *cache, struct rsm_medium_read *read, int r,
			    const struct rsm_err *err)
{
	void *lender[RSM_READ_LENT_MOST];
	unsigned count = read->lent_count;
	void *own = count && read->buffer ? read->lender[0] : NULL;

	memcpy(lender, read->lender, sizeof lender);
	read->done(read, r, err); /* the read may be gone from here on */
	free(own);
	if (own || !count)
		return;
	RSM_LOCK_SCOPE(&cache->lock);
	take_back_locked(cache, lender, count);
}

void rsm_block_cache_abandon(struct rsm_block_cache *cache, struct rsm_medium_read *read)
{
	if (read->lent_count && read->buffer) {
		free(read->lender[0]); /* its own */
		read->buffer = NULL;
		read->lent_count = 0;
	}
	RSM_LOCK_SCOPE(&cache->lock);
	take_back_locked(cache, read->lender, read->lent_count);
	read->lent_count = 0;
}

/* ---- reading ahead ---- */

bool rsm_block_cache_next(struct rsm_block_cache *cache, unsigned count, char *ret_partition,
			  uint64_t *ret_number)
{
	RSM_LOCK_SCOPE(&cache->lock);
	if (!cache->want_partition)
		return false;
	for (uint64_t number = cache->want_block; number < cache->want_block + count; number++)
		if (!find(cache, cache->want_partition, number)) {
			*ret_partition = cache->want_partition;
			*ret_number = number;
			return true;
		}
	return false;
}

void rsm_block_cache_want_nothing(struct rsm_block_cache *cache)
{
	RSM_LOCK_SCOPE(&cache->lock);
	cache->want_partition = 0;
}
