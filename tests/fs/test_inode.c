#include "fs/inode.h"
#include "tests/base/test.h"

static void the_root_is_number_one(void **state)
{
	struct rsmfs_place place = rsmfs_place_of(RSMFS_INO_ROOT);

	(void)state;
	assert_int_equal(place.kind, RSMFS_PLACE_POOL);
	assert_int_equal(place.id, 0);
	assert_int_equal(rsmfs_pool_ino(0), RSMFS_INO_ROOT);
}

static void every_place_comes_back_from_its_number(void **state)
{
	const int64_t ids[] = { 1, 2, 77, 0xF00000 - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct rsmfs_place pool = rsmfs_place_of(rsmfs_pool_ino(ids[i]));
		struct rsmfs_place control = rsmfs_place_of(rsmfs_control_ino(ids[i]));
		struct rsmfs_place node =
			rsmfs_place_of(rsmfs_node_ino(ids[i], ((uint64_t)1 << 40) - 1));

		assert_int_equal(pool.kind, RSMFS_PLACE_POOL);
		assert_int_equal(pool.id, ids[i]);
		assert_int_equal(control.kind, RSMFS_PLACE_CONTROL);
		assert_int_equal(control.id, ids[i]);
		assert_int_equal(node.kind, RSMFS_PLACE_NODE);
		assert_int_equal(node.id, ids[i]);
		assert_true(node.node == ((uint64_t)1 << 40) - 1);
	}
	assert_int_equal(rsmfs_place_of(rsmfs_control_ino(0)).kind, RSMFS_PLACE_CONTROL);
}

static void views_have_numbers_of_their_own(void **state)
{
	const uint64_t numbers[] = { 1, 77, 0xFFFFF };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int64_t id = rsmfs_view_id(numbers[i]);
		struct rsmfs_place view = rsmfs_place_of(rsmfs_node_ino(id, 5));
		struct rsmfs_place folder = rsmfs_place_of(rsmfs_views_ino((int64_t)numbers[i]));

		assert_int_equal(view.kind, RSMFS_PLACE_VIEW);
		assert_int_equal(view.id, id);
		assert_int_equal(view.node, 5);
		assert_int_equal(rsmfs_view_number(view.id), numbers[i]);
		assert_int_equal(folder.kind, RSMFS_PLACE_VIEWS);
		assert_int_equal(folder.id, numbers[i]);
	}
	assert_int_equal(rsmfs_place_of(rsmfs_views_ino(0)).kind, RSMFS_PLACE_VIEWS);
}

static void a_number_that_was_never_given_is_no_place(void **state)
{
	(void)state;
	assert_int_equal(rsmfs_place_of(0).kind, RSMFS_PLACE_NONE);
	assert_int_equal(rsmfs_place_of(2).kind, RSMFS_PLACE_NONE);
	assert_int_equal(rsmfs_place_of((uint64_t)5 << 40).kind, RSMFS_PLACE_NONE);
	assert_int_equal(rsmfs_place_of((uint64_t)1 << 36).kind, RSMFS_PLACE_NONE);
	assert_int_equal(rsmfs_place_of((uint64_t)7 << 36 | 1).kind, RSMFS_PLACE_NONE);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_root_is_number_one),
	cmocka_unit_test(every_place_comes_back_from_its_number),
	cmocka_unit_test(views_have_numbers_of_their_own),
	cmocka_unit_test(a_number_that_was_never_given_is_no_place),
};
RSM_TEST_MAIN(tests)
