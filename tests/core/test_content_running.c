/* Checksums of files that go to the medium in parts: right, or none. */
#include "tests/core/content_parts.h"

static void finish(struct rsm_open_file *file, unsigned expected)
{
	close_file(file);
	assert_int_equal(fake_migrate(&medium, content, 10), expected);
	fake_index(content);
	assert_int_equal(used(), 0);
}

static void a_file_that_went_in_parts_gets_its_checksum(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");

	(void)state;
	rsm_content_set_hash(content, RSM_DIGEST_SHA256);
	pattern(data, SIZE, 4);
	for (size_t at = 0; at < SIZE; at += SIZE / 5) {
		write_at(file, data + at, SIZE / 5, at);
		assert_int_equal(stream(UINT64_MAX, false), 0);
		fake_index(content); /* what was digested is given up */
	}
	finish(file, 1);
	assert_true(has_digest("a", data, SIZE));
	assert_holds("a", data, SIZE);
}

static void a_write_that_overtook_another_waits_for_it(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");
	struct part part = { 0 };
	size_t first = 20 * BLOCK, second = 40 * BLOCK;
	uint64_t asked = 50 * BLOCK;

	(void)state;
	rsm_content_set_hash(content, RSM_DIGEST_SHA256);
	rsm_content_set_stream_size(content, 100 * SIZE);
	pattern(data, SIZE, 14);
	write_at(file, data, first, 0);
	assert_int_equal(stream(UINT64_MAX, false), 0);
	write_at(file, data + second, SIZE - second, second);
	assert_int_equal(rsm_content_next_part(content, asked, UINT64_MAX, BLOCK, false,
					       &part.migration, &err),
			 RSM_NODE_ABSENT);
	write_at(file, data + first, second - first, first);
	assert_done(rsm_content_next_part(content, asked, UINT64_MAX, BLOCK, false, &part.migration,
					  &err),
		    &err);
	assert_non_null(part.migration->digest);
	end_part(&part, false);
	finish(file, 1);
	assert_true(has_digest("a", data, SIZE));
}

static void a_change_of_what_went_before_does_not_make_a_false_checksum(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");

	(void)state;
	rsm_content_set_hash(content, RSM_DIGEST_SHA256);
	pattern(data, SIZE, 5);
	write_at(file, data, SIZE / 2, 0);
	assert_int_equal(stream(UINT64_MAX, false), 0);
	write_at(file, data + SIZE / 2, SIZE - SIZE / 2, SIZE / 2);
	write_at(file, "header", 6, 0);
	memcpy(data, "header", 6);
	/* all of it is still staged: it is digested at the end */
	finish(file, 1);
	assert_true(has_digest("a", data, SIZE));

	file = create("b");
	write_at(file, data, SIZE / 2, 0);
	assert_int_equal(stream(UINT64_MAX, false), 0);
	fake_index(content);
	write_at(file, "HEADER", 6, 0);
	write_at(file, data + SIZE / 2, SIZE - SIZE / 2, SIZE / 2);
	/* the beginning was given up: none rather than a false one */
	finish(file, 1);
	assert_false(has_digest("b", data, SIZE));

	file = create("c");
	write_at(file, data, SIZE / 2, 0);
	assert_int_equal(stream(UINT64_MAX, false), 0);
	write_at(file, data, 2 * BLOCK, BLOCK);
	/* what was changed goes again, so that all that is left follows what was digested */
	assert_int_equal(stream(2 * BLOCK, false), 0);
	fake_index(content);
	write_at(file, data + SIZE / 2, SIZE - SIZE / 2, SIZE / 2);
	finish(file, 1);
	assert_false(has_digest("c", data, SIZE));
}

static void a_change_while_it_is_written_does_not_make_a_false_checksum(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");
	struct part part = { 0 };

	(void)state;
	rsm_content_set_hash(content, RSM_DIGEST_SHA256);
	pattern(data, SIZE, 6);
	write_at(file, data, SIZE / 2, 0);
	assert_true(take_part(&part, UINT64_MAX, false));
	write_at(file, "!", 1, BLOCK + 7);
	data[BLOCK + 7] = '!';
	assert_int_equal(end_part(&part, true), 0);
	write_at(file, data + SIZE / 2, SIZE - SIZE / 2, SIZE / 2);
	stream(UINT64_MAX, false);
	finish(file, 1);
	assert_true(has_digest("a", data, SIZE));
	assert_holds("a", data, SIZE);

	file = create("b"); /* a part that failed is digested again with the next one */
	write_at(file, data, SIZE, 0);
	assert_true(take_part(&part, UINT64_MAX, false));
	end_part(&part, false);
	stream(UINT64_MAX, false);
	finish(file, 1);
	assert_true(has_digest("b", data, SIZE));
}

static void a_file_cut_and_written_anew_gets_the_new_checksum(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");

	(void)state;
	rsm_content_set_hash(content, RSM_DIGEST_SHA256);
	pattern(data, SIZE, 7);
	write_at(file, data, SIZE, 0);
	assert_int_equal(stream(UINT64_MAX, false), 0);
	fake_index(content);
	set_size("a", 0);
	pattern(data, SIZE, 8);
	for (size_t at = 0; at < SIZE; at += SIZE / 4) {
		write_at(file, data + at, SIZE / 4, at);
		assert_int_equal(stream(UINT64_MAX, false), 0);
		fake_index(content);
	}
	finish(file, 1);
	assert_true(has_digest("a", data, SIZE));

	file = open_file("a", O_RDWR); /* appended to: its checksum is void until it is known */
	write_at(file, "more", 4, SIZE);
	close_file(file);
	assert_false(has_digest("a", data, SIZE));
}

static const struct CMUnitTest tests[] = {
	TEST(a_file_that_went_in_parts_gets_its_checksum),
	TEST(a_write_that_overtook_another_waits_for_it),
	TEST(a_change_of_what_went_before_does_not_make_a_false_checksum),
	TEST(a_change_while_it_is_written_does_not_make_a_false_checksum),
	TEST(a_file_cut_and_written_anew_gets_the_new_checksum),
};
RSM_TEST_MAIN(tests)
