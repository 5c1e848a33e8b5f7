#include "changer/medium_memory.h"
#include "tests/base/test.h"
#include "tests/changer/fake_transport.h"

static struct fake_script script;
static struct rsm_tape_drive *drive;

static int setup(void **state)
{
	struct rsm_err err;

	(void)state;
	memset(&script, 0, sizeof script);
	fake_expect_identity(&script, 0x01);
	if (rsm_tape_drive_new(fake_transport_new(&script), &drive, &err) < 0)
		return -1;
	fake_check(&script);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rsm_tape_drive_free(drive);
	return 0;
}

static void an_attribute_is_read_with_its_true_length(void **state)
{
	struct rsm_err err;
	char value[4];
	size_t length;

	(void)state;
	fake_expect(&script, "8c 00 00 00 00 00 00 01 08 00 00 00 00 0d 00 00");
	fake_data_hex(&script, "00 00 00 20 08 00 01 00 08 49 42 4d 20 20 20 20 20");
	assert_done(rsm_medium_memory_read(drive, 1, RSM_MAM_APPLICATION_VENDOR, value,
					   sizeof value, &length, &err),
		    &err);
	assert_int_equal(length, 8);
	assert_memory_equal(value, "IBM ", 4);
	fake_check(&script);
}

static void what_is_not_there_is_absent(void **state)
{
	struct rsm_err err;
	uint8_t value[8];
	size_t length;

	(void)state;
	fake_expect(&script, "8c");
	fake_sense(&script, 0x5, 0x24, 0x00);
	assert_int_equal(rsm_medium_memory_read(drive, 0, 0x0800, value, 8, &length, &err),
			 RSM_MAM_ABSENT);
	fake_expect(&script, "8c");
	fake_sense(&script, 0x5, 0x20, 0x00);
	assert_int_equal(rsm_medium_memory_read(drive, 0, 0x0800, value, 8, &length, &err),
			 RSM_MAM_ABSENT);
	fake_expect(&script, "8c"); /* the next one instead */
	fake_data_hex(&script, "00 00 00 06 08 05 00 00 01 81");
	assert_int_equal(rsm_medium_memory_read(drive, 0, 0x0800, value, 8, &length, &err),
			 RSM_MAM_ABSENT);
	fake_expect(&script, "8c");
	fake_data_hex(&script, "00 00 00 00");
	assert_int_equal(rsm_medium_memory_read(drive, 0, 0x0800, value, 8, &length, &err),
			 RSM_MAM_ABSENT);
	fake_expect(&script, "8c");
	fake_sense(&script, 0x2, 0x3A, 0x00);
	assert_int_equal(rsm_medium_memory_read(drive, 0, 0x0800, value, 8, &length, &err),
			 -ENOMEDIUM);
	assert_string_equal(err.msg,
			    "medium attribute 0800h: fake: READ ATTRIBUTE: no medium (02/3A/00)");
	fake_check(&script);
}

static void an_attribute_that_is_cut_off_is_damaged(void **state)
{
	struct rsm_err err;
	uint8_t value[8];
	size_t length;

	(void)state;
	fake_expect(&script, "8c");
	fake_data_hex(&script, "00 00 00 0d 08 00 00 00 08 01 02");
	assert_int_equal(rsm_medium_memory_read(drive, 0, 0x0800, value, 8, &length, &err),
			 -EBADMSG);
	fake_check(&script);
}

static void an_attribute_is_written_and_deleted(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "8d 01 00 00 00 00 00 01 00 00 00 00 00 0c");
	fake_takes(&script, "00 00 00 08 08 03 02 00 03 61 62 63");
	assert_done(rsm_medium_memory_write(drive, 1, RSM_MAM_MEDIUM_TEXT, RSM_MAM_TEXT, "abc", 3,
					    &err),
		    &err);
	fake_expect(&script, "8d 01 00 00 00 00 00 00 00 00 00 00 00 09");
	fake_takes(&script, "00 00 00 05 08 03 02 00 00");
	assert_done(
		rsm_medium_memory_write(drive, 0, RSM_MAM_MEDIUM_TEXT, RSM_MAM_TEXT, NULL, 0, &err),
		&err);
	fake_expect(&script, "8d");
	fake_sense(&script, 0x5, 0x20, 0x00);
	assert_int_equal(rsm_medium_memory_write(drive, 0, 0x0803, RSM_MAM_TEXT, "a", 1, &err),
			 -EOPNOTSUPP);
	fake_expect(&script, "8d");
	fake_sense(&script, 0x7, 0x27, 0x00);
	assert_int_equal(rsm_medium_memory_write(drive, 0, 0x0803, RSM_MAM_TEXT, "a", 1, &err),
			 -EROFS);
	fake_check(&script);
}

static void capacities_are_bytes(void **state)
{
	uint64_t remaining, maximum;
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "8c 00 00 00 00 00 00 01 00 00");
	fake_data_hex(&script, "00 00 00 0d 00 00 80 00 08 00 00 00 00 00 00 00 10");
	fake_expect(&script, "8c 00 00 00 00 00 00 01 00 01");
	fake_data_hex(&script, "00 00 00 0d 00 01 80 00 08 00 00 00 00 00 00 01 00");
	assert_done(rsm_medium_memory_capacity(drive, 1, &remaining, &maximum, &err), &err);
	assert_int_equal(remaining, 16 << 20);
	assert_int_equal(maximum, 256 << 20);
	fake_expect(&script, "8c");
	fake_data_hex(&script, "00 00 00 0d 00 00 80 00 08 ff ff ff ff ff ff ff ff");
	assert_int_equal(rsm_medium_memory_capacity(drive, 1, &remaining, &maximum, &err),
			 RSM_MAM_ABSENT);
	fake_check(&script);
}

#define MEMORY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
	MEMORY_TEST(an_attribute_is_read_with_its_true_length),
	MEMORY_TEST(what_is_not_there_is_absent),
	MEMORY_TEST(an_attribute_that_is_cut_off_is_damaged),
	MEMORY_TEST(an_attribute_is_written_and_deleted),
	MEMORY_TEST(capacities_are_bytes),
};
RSM_TEST_MAIN(tests)
