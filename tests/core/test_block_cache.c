/* What is lent stays as it is until it is given back, whatever the drive reads meanwhile. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/block_cache.h"
#include "tests/base/test.h"

enum { BLOCK = 4096 };

struct fixture {
	struct rsm_block_cache cache;
	struct rsm_medium_read read;
	int content; /* stands for one: the cache only compares pointers */
	char seen[RSM_READ_LENT_MOST * 4 * BLOCK];
	size_t length;
	int r;
};

static struct rsm_content *content_of(struct fixture *f)
{
	return (struct rsm_content *)(void *)&f->content;
}

static void note_bytes(struct rsm_medium_read *read, int r, const struct rsm_err *err)
{
	struct fixture *f = RSM_CONTAINER_OF(read, struct fixture, read);

	(void)err;
	f->r = r;
	f->length = 0;
	for (unsigned i = 0; r == 0 && i < read->lent_count; i++) {
		memcpy(f->seen + f->length, read->lent[i].iov_base, read->lent[i].iov_len);
		f->length += read->lent[i].iov_len;
	}
	memset(read, 0xEE, sizeof *read); /* its owner frees it here */
}

static void fill(struct fixture *f, uint64_t number, size_t length)
{
	struct rsm_cached_block *block = rsm_block_cache_reserve(&f->cache);

	assert_non_null(block);
	memset(block->data, (int)('a' + number % 26), length);
	rsm_block_cache_name(&f->cache, block, 'b', number, length);
}

static void ask(struct fixture *f, uint64_t start, uint64_t offset, size_t count)
{
	f->read = (struct rsm_medium_read){ .content = content_of(f),
					    .partition = 'b',
					    .start_block = start,
					    .byte_offset = offset,
					    .count = count,
					    .done = note_bytes };
}

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof *f);
	rsm_block_cache_init(&f->cache);
	rsm_block_cache_reset(&f->cache, content_of(f), BLOCK);
}

static void a_read_borrows_its_bytes_across_blocks(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	fill(&f, 7, BLOCK);
	fill(&f, 8, BLOCK);
	ask(&f, 7, BLOCK - 3, 5);
	assert_true(rsm_block_cache_serve_whole(&f.cache, &f.read));
	rsm_block_cache_answer(&f.cache, &f.read, 0, NULL);
	assert_int_equal(f.length, 5);
	assert_memory_equal(f.seen, "hhhii", 5);
	for (int i = 0; i < RSM_CACHE_BLOCKS; i++)
		assert_int_equal(f.cache.blocks[i].lent, 0);
	rsm_block_cache_fini(&f.cache);
}

static void what_is_not_whole_borrows_nothing(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	fill(&f, 7, BLOCK);
	ask(&f, 7, 0, BLOCK + 1);
	assert_false(rsm_block_cache_serve_whole(&f.cache, &f.read));
	fill(&f, 8, 0); /* an empty block is none */
	assert_false(rsm_block_cache_serve_whole(&f.cache, &f.read));
	for (int i = 0; i < RSM_CACHE_BLOCKS; i++)
		assert_int_equal(f.cache.blocks[i].lent, 0);
	rsm_block_cache_fini(&f.cache);
}

static void another_cartridges_blocks_are_not_served(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	fill(&f, 7, BLOCK);
	ask(&f, 7, 0, 10);
	f.read.content = NULL;
	assert_false(rsm_block_cache_serve_whole(&f.cache, &f.read));
	rsm_block_cache_reset(&f.cache, NULL, 0);
	ask(&f, 7, 0, 10);
	assert_false(rsm_block_cache_serve_whole(&f.cache, &f.read));
	rsm_block_cache_fini(&f.cache);
}

static void a_lent_block_is_not_overwritten(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	fill(&f, 0, BLOCK);
	ask(&f, 0, 0, BLOCK);
	assert_true(rsm_block_cache_serve_whole(&f.cache, &f.read));
	for (uint64_t number = 1; number < 3 * RSM_CACHE_BLOCKS; number++)
		fill(&f, number, BLOCK);
	rsm_block_cache_answer(&f.cache, &f.read, 0, NULL);
	assert_int_equal(f.length, BLOCK);
	assert_int_equal(f.seen[0], 'a');
	assert_int_equal(f.seen[BLOCK - 1], 'a');
	rsm_block_cache_fini(&f.cache);
}

static void a_read_of_many_small_blocks_gets_a_buffer(void **state)
{
	enum { COUNT = RSM_READ_LENT_MOST * 3 * BLOCK };
	struct fixture f;
	struct rsm_err err;
	size_t done = 0;

	(void)state;
	begin(&f);
	ask(&f, 0, 0, COUNT);
	assert_false(rsm_block_cache_serve_whole(&f.cache, &f.read));
	assert_done(rsm_block_cache_prepare(&f.cache, &f.read, &err), &err);
	for (uint64_t number = 0; done < COUNT; number++) {
		fill(&f, number, BLOCK);
		done = rsm_block_cache_serve(&f.cache, &f.read, done);
	}
	rsm_block_cache_answer(&f.cache, &f.read, 0, NULL);
	assert_int_equal(f.length, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(f.seen[i], 'a' + i / BLOCK % 26);
	rsm_block_cache_fini(&f.cache);
}

struct resetter {
	struct fixture *f;
	atomic_bool done;
};

static void *reset(void *argument)
{
	struct resetter *resetter = argument;

	rsm_block_cache_reset(&resetter->f->cache, NULL, 0);
	resetter->done = true;
	return NULL;
}

static void forgetting_waits_until_all_is_given_back(void **state)
{
	struct fixture f;
	struct resetter resetter = { .f = &f };
	pthread_t thread;

	(void)state;
	begin(&f);
	fill(&f, 3, BLOCK);
	ask(&f, 3, 0, BLOCK);
	assert_true(rsm_block_cache_serve_whole(&f.cache, &f.read));
	assert_int_equal(pthread_create(&thread, NULL, reset, &resetter), 0);
	usleep(20000);
	assert_false(resetter.done);
	rsm_block_cache_answer(&f.cache, &f.read, 0, NULL);
	assert_int_equal(f.seen[BLOCK - 1], 'd');
	pthread_join(thread, NULL);
	assert_true(resetter.done);
	rsm_block_cache_fini(&f.cache);
}

#define T(name) cmocka_unit_test(name)
static const struct CMUnitTest tests[] = {
	T(a_read_borrows_its_bytes_across_blocks),    T(what_is_not_whole_borrows_nothing),
	T(another_cartridges_blocks_are_not_served),  T(a_lent_block_is_not_overwritten),
	T(a_read_of_many_small_blocks_gets_a_buffer), T(forgetting_waits_until_all_is_given_back),
};
RSM_TEST_MAIN(tests)
