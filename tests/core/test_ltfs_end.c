/* How a partition is written on when a crash left its end untidy, on the emulated drive. What is
 * expected here was seen with the reference: its check and its listing of generations go through
 * such tapes when they have been written on so, and stop when they have not.
 */
#include "tests/core/ltfs_bench.h"

static void data_never_follow_an_index_without_its_filemark(void **state)
{
	(void)state;
	lose_blocks(DATA_PARTITION, 1);
	mount();
	assert_int_equal(append("more"), 11);
	commit(true);
	assert_blocks(DATA_PARTITION, 8, "FRFRFRFE");
}

static void a_missing_filemark_is_reason_enough_to_write(void **state)
{
	(void)state;
	lose_blocks(DATA_PARTITION, 1);
	lose_blocks(INDEX_PARTITION, 1);
	mount();
	assert_true(bench.volume->ops->is_dirty(bench.volume));
	commit(false);
	assert_blocks(DATA_PARTITION, 8, "FRFE");
	assert_blocks(INDEX_PARTITION, 4, "FRFE");
}

static void data_take_the_place_of_a_filemark_left_over(void **state)
{
	(void)state;
	put_record(DATA_PARTITION, "of no file");
	put_filemark(DATA_PARTITION);
	mount();
	assert_int_equal(append("more"), 12);
	assert_int_equal(append("and more"), 13);
	commit(true);
	assert_blocks(DATA_PARTITION, 8, "FRFRRRFRFE");
}

static void an_index_goes_onto_a_filemark_left_over(void **state)
{
	(void)state;
	put_record(DATA_PARTITION, "of no file");
	put_filemark(DATA_PARTITION);
	mount();
	commit(false);
	assert_blocks(DATA_PARTITION, 8, "FRFRFRFE");

	put_filemark(DATA_PARTITION); /* nothing but the filemark of an index that never was */
	mount();
	commit(false);
	assert_blocks(DATA_PARTITION, 12, "FRFFRFE");
}

static void so_does_one_on_the_index_partition(void **state)
{
	(void)state;
	lose_blocks(INDEX_PARTITION, 2);
	assert_blocks(INDEX_PARTITION, 3, "FFE");
	mount();
	commit(false);
	assert_blocks(INDEX_PARTITION, 3, "FFRFE");
}

static void a_torn_index_stays_and_is_closed_by_the_next(void **state)
{
	(void)state;
	put_filemark(DATA_PARTITION);
	put_record(DATA_PARTITION, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ltfsindex ");
	mount();
	commit(false);
	assert_blocks(DATA_PARTITION, 8, "FRFFRFRFE");
}

static const struct CMUnitTest tests[] = {
	TEST(data_never_follow_an_index_without_its_filemark),
	TEST(a_missing_filemark_is_reason_enough_to_write),
	TEST(data_take_the_place_of_a_filemark_left_over),
	TEST(an_index_goes_onto_a_filemark_left_over),
	TEST(so_does_one_on_the_index_partition),
	TEST(a_torn_index_stays_and_is_closed_by_the_next),
};

RSM_TEST_MAIN(tests)
