#include "tests/base/test.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "core/staging.h"

static char folder[64];
static struct rsm_staging_space *space;
static struct rsm_staging *staging;
static struct rsm_err err;

static int begin(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/rsm-test-staging-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	if (rsm_staging_space_new(folder, 0, &space, &err))
		return -1;
	return rsm_staging_open(folder, space, &staging, &err);
}

static int end(void **state)
{
	(void)state;
	rsm_staging_close(staging);
	rsm_staging_space_free(space);
	return rsm_file_remove_tree(folder, NULL);
}

static void reopen(void)
{
	rsm_staging_close(staging);
	staging = NULL;
	assert_done(rsm_staging_open(folder, space, &staging, &err), &err);
}

static bool exists(const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return stat(path, &st) == 0;
}

static void appended_pieces_are_read_back(void **state)
{
	uint64_t store[100], offset[100];
	char data[64], back[64];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(data, sizeof data, "piece %d", i);
		assert_done(
			rsm_staging_append(staging, data, sizeof data, &store[i], &offset[i], &err),
			&err);
		assert_true(store[i] != RSM_STORE_OWN);
	}
	for (int i = 99; i >= 0; i--) {
		snprintf(data, sizeof data, "piece %d", i);
		assert_done(rsm_staging_read(staging, 5, store[i], offset[i], back, 64, &err),
			    &err);
		assert_string_equal(data, back);
	}
	assert_int_equal(rsm_staging_space_used(space), 6400);
	assert_int_equal(rsm_staging_read(staging, 5, store[99], offset[99] + 1, back, 64, &err),
			 -EIO);
	assert_int_equal(rsm_staging_read(staging, 5, 77, 0, back, 64, &err), -EIO);
	assert_done(rsm_staging_sync(staging, 0, &err), &err);
}

static void what_no_row_names_is_removed_at_open(void **state)
{
	uint64_t store, offset, store2, offset2;
	char back[4];
	int fd;

	(void)state;
	assert_done(rsm_staging_append(staging, "abcd", 4, &store, &offset, &err), &err);
	reopen();
	assert_done(rsm_staging_append(staging, "efgh", 4, &store2, &offset2, &err), &err);
	assert_true(store2 != store);
	for (uint64_t id = 7; id <= 8; id++) {
		assert_done(rsm_staging_open_own(staging, id, &fd, &err), &err);
		assert_int_equal(pwrite(fd, "data", 4, 0), 4);
		rsm_staging_wrote_own(staging, id, 4);
		close(fd);
	}
	reopen();
	rsm_staging_claim(staging, 3, store2, offset2, 4);
	rsm_staging_claim(staging, 8, RSM_STORE_OWN, 0, 4);
	assert_done(rsm_staging_collect(staging, &err), &err);
	assert_false(exists("log.1"));
	assert_true(exists("log.2"));
	assert_false(exists("file.7"));
	assert_true(exists("file.8"));
	assert_int_equal(rsm_staging_space_used(space), 8);
	assert_done(rsm_staging_read(staging, 3, store2, offset2, back, 4, &err), &err);
	assert_memory_equal(back, "efgh", 4);
	assert_done(rsm_staging_read(staging, 8, RSM_STORE_OWN, 0, back, 4, &err), &err);
	assert_memory_equal(back, "data", 4);
}

static void released_bytes_give_their_room_back(void **state)
{
	char big[65536] = { 1 };
	uint64_t store, offset;
	char path[128];
	struct stat st;
	int fd;

	(void)state;
	assert_done(rsm_staging_append(staging, big, 1000, &store, &offset, &err), &err);
	rsm_staging_release(staging, 1, store, offset, 1000);
	assert_false(exists("log.1"));
	assert_done(rsm_staging_open_own(staging, 9, &fd, &err), &err);
	assert_int_equal(pwrite(fd, big, sizeof big, 0), (int)sizeof big);
	rsm_staging_wrote_own(staging, 9, sizeof big);
	assert_int_equal(rsm_staging_space_used(space), sizeof big);
	close(fd);
	rsm_staging_release(staging, 9, RSM_STORE_OWN, 0, 32768);
	snprintf(path, sizeof path, "%s/file.9", folder);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_blocks * 512 <= 32768);
	rsm_staging_release(staging, 9, RSM_STORE_OWN, 32768, 32768);
	assert_false(exists("file.9"));
	assert_int_equal(rsm_staging_space_used(space), 0);
}

static void logs_do_not_grow_for_ever(void **state)
{
	static char piece[60000];
	uint64_t store, offset, last = 0;

	(void)state;
	for (int i = 0; i < 1200; i++) {
		assert_done(rsm_staging_append(staging, piece, sizeof piece, &store, &offset, &err),
			    &err);
		assert_true(offset + sizeof piece <= RSM_STAGING_LOG);
		rsm_staging_release(staging, 1, i % 600 ? store : 0, offset, sizeof piece);
		last = store;
	}
	assert_true(last >= 3);
	assert_true(exists("log.1"));
}

static void a_full_space_says_so_but_takes_one_large_piece(void **state)
{
	struct rsm_staging_space *small;
	struct rsm_staging *area;
	uint64_t store, offset;
	char path[128];

	(void)state;
	snprintf(path, sizeof path, "%s/small", folder);
	assert_done(rsm_staging_space_new(folder, 10000, &small, &err), &err);
	assert_done(rsm_staging_open(path, small, &area, &err), &err);
	assert_false(rsm_staging_space_is_full(small, 20000));
	assert_done(rsm_staging_append(area, path, 100, &store, &offset, &err), &err);
	assert_true(rsm_staging_space_is_full(small, 9901));
	assert_false(rsm_staging_space_is_full(small, 9900));
	rsm_staging_release(area, 1, store, offset, 100);
	assert_false(rsm_staging_space_is_full(small, 20000));
	rsm_staging_close(area);
	rsm_staging_space_free(small);
}

static void *append_many(void *seed)
{
	char data[500], back[500];
	void *seed_of_failure = staging;
	uint64_t store, offset;

	for (int i = 0; i < 300; i++) {
		struct rsm_err local;

		memset(data, (int)(intptr_t)seed + i, sizeof data);
		if (rsm_staging_append(staging, data, sizeof data, &store, &offset, &local) ||
		    rsm_staging_read(staging, 1, store, offset, back, sizeof back, &local) ||
		    memcmp(data, back, sizeof data))
			return seed_of_failure;
		if (i % 50 == 0 && rsm_staging_sync(staging, 0, &local))
			return seed_of_failure;
		rsm_staging_release(staging, 1, store, offset, sizeof data);
	}
	return NULL;
}

static void threads_append_side_by_side(void **state)
{
	pthread_t threads[4];
	void *failed;

	(void)state;
	for (intptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, append_many, (void *)(i * 7)),
				 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(rsm_staging_space_used(space), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(appended_pieces_are_read_back, begin, end),
	cmocka_unit_test_setup_teardown(what_no_row_names_is_removed_at_open, begin, end),
	cmocka_unit_test_setup_teardown(released_bytes_give_their_room_back, begin, end),
	cmocka_unit_test_setup_teardown(logs_do_not_grow_for_ever, begin, end),
	cmocka_unit_test_setup_teardown(a_full_space_says_so_but_takes_one_large_piece, begin, end),
	cmocka_unit_test_setup_teardown(threads_append_side_by_side, begin, end),
};
RSM_TEST_MAIN(tests)
