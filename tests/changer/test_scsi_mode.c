#include "changer/scsi_mode.h"
#include "tests/base/test.h"

static void a_list_of_either_length_is_taken_apart(void **state)
{
	static const uint8_t six[] = { 0x0F, 0x88, 0x90, 0x08, 0x5E, 0,	   0,	 0,
				       0,    0,	   2,	 0,    0x8F, 0x02, 0xC0, 0x01 };
	static const uint8_t ten[] = { 0, 0x12, 0x88, 0x90, 0, 0, 0,	8, 0x5E, 0,
				       0, 0,	0,    0,    2, 0, 0x8F, 2, 0xC0, 1 };
	struct rsm_mode a, b;

	(void)state;
	assert_int_equal(rsm_mode_parse(six, sizeof six, false, 0x0F, &a), 0);
	assert_int_equal(rsm_mode_parse(ten, sizeof ten, true, 0x0F, &b), 0);
	assert_memory_equal(&a, &b, sizeof a);
	assert_int_equal(a.medium_type, 0x88);
	assert_int_equal(a.device_specific, 0x90);
	assert_int_equal(a.density, 0x5E);
	assert_int_equal(a.block_length, 512);
	assert_int_equal(a.page_length, 4);
	assert_int_equal(a.page[2], 0xC0);
	assert_int_equal(rsm_mode_parse(six, sizeof six, false, 0x11, &a), 0);
	assert_int_equal(a.page_length, 0);
}

static void what_is_selected_reads_back_the_same(void **state)
{
	struct rsm_mode mode = { .device_specific = 0x10,
				 .has_descriptor = true,
				 .density = 0x5C,
				 .block_length = 65536,
				 .page = { 0x8F, 0x02, 0xC0, 0x01 },
				 .page_length = 4 };
	uint8_t list[RSM_MODE_LIST_SIZE];
	struct rsm_scsi_command command;
	struct rsm_mode back;

	(void)state;
	for (int ten = 0; ten <= 1; ten++) {
		rsm_mode_select_command(&command, ten, &mode, list);
		assert_int_equal(command.data_length, (ten ? 8u : 4u) + 8 + 4);
		/* the mode data length is reserved in a select, so that it is put in here */
		assert_int_equal(list[0] | list[ten], 0);
		list[ten] = (uint8_t)(command.data_length - 1 - (size_t)ten);
		assert_int_equal(rsm_mode_parse(list, command.data_length, ten, 0x0F, &back), 0);
		assert_int_equal(back.block_length, 65536);
		assert_int_equal(back.density, 0x5C);
		assert_int_equal(back.page[0], 0x0F);
	}
}

static void no_list_is_too_strange(void **state)
{
	struct rsm_mode mode = { 0 };

	(void)state;
	for (size_t length = 0; length <= RSM_MODE_LIST_SIZE; length++)
		for (unsigned value = 0; value < 256; value++) {
			uint8_t *list = malloc(length + 1);

			assert_non_null(list);
			memset(list, (int)value, length);
			(void)!rsm_mode_parse(list, length, value & 1, 0x3F, &mode);
			(void)!rsm_mode_parse(list, length, value & 2, (uint8_t)(value & 0x3F),
					      &mode);
			assert_true(mode.page_length <= RSM_MODE_PAGE_SIZE);
			free(list);
		}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_list_of_either_length_is_taken_apart),
	cmocka_unit_test(what_is_selected_reads_back_the_same),
	cmocka_unit_test(no_list_is_too_strange),
};
RSM_TEST_MAIN(tests)
