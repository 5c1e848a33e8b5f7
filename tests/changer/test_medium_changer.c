#include <stdio.h>

#include "base/bytes.h"
#include "changer/medium_changer.h"
#include "tests/base/test.h"
#include "tests/changer/fake_transport.h"

#define MODE_SENSE "1a 08 1d 00 ff"
/* robot 1; slots 1001 to 1003; port 16; drives 256 and 257 */
#define RANGES	"17 00 00 00 1d 12 00 01 00 01 03 e9 00 03 00 10 00 01 01 00 00 02 00 00"
#define NOTHING "00 00 00 00 00 00 00 00"

static struct fake_script script;
static struct rsm_medium_changer *changer;

static int setup(void **state)
{
	struct rsm_err err;

	(void)state;
	memset(&script, 0, sizeof script);
	fake_expect_identity(&script, 0x08);
	fake_expect(&script, MODE_SENSE);
	fake_data_hex(&script, RANGES);
	if (rsm_medium_changer_new(fake_transport_new(&script), &changer, &err) < 0)
		return -1;
	fake_check(&script);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rsm_medium_changer_free(changer);
	changer = NULL;
	return script.freed == 1 ? 0 : -1;
}

/* ---- replies of READ ELEMENT STATUS ---- */

struct reply {
	uint8_t data[FAKE_DATA];
	size_t length, page;
};

static void start_reply(struct reply *reply, uint8_t type, uint8_t flags, size_t size)
{
	memset(reply, 0, sizeof *reply);
	reply->data[8] = type;
	reply->data[9] = flags;
	rsm_put_be16(reply->data + 10, (uint16_t)size);
	reply->length = 16;
	reply->page = size;
}

static uint8_t *add_element(struct reply *reply, uint16_t address, uint8_t flags, const char *tag)
{
	uint8_t *at = reply->data + reply->length;

	assert_true(reply->length + reply->page <= sizeof reply->data);
	rsm_put_be16(at, address);
	at[2] = flags;
	if (tag) {
		memset(at + 12, ' ', 32);
		memcpy(at + 12, tag, strlen(tag));
	}
	reply->length += reply->page;
	rsm_put_be24(reply->data + 13, (uint32_t)(reply->length - 16));
	rsm_put_be24(reply->data + 5, (uint32_t)(reply->length - 8));
	return at;
}

static void answers(const struct reply *reply)
{
	fake_data(&script, reply->data, reply->length);
}

static void expect_status(const char *cdb, const struct reply *reply)
{
	fake_expect(&script, cdb);
	answers(reply);
}

static struct rsm_element *inventory(size_t *ret_count)
{
	struct rsm_element *elements = NULL;
	struct rsm_err err;

	assert_done(rsm_medium_changer_inventory(changer, &elements, ret_count, &err), &err);
	fake_check(&script);
	return elements;
}

/* ---- tests ---- */

static void a_changer_knows_who_it_is(void **state)
{
	const struct rsm_device_identity *identity = rsm_medium_changer_identity(changer);

	(void)state;
	assert_string_equal(identity->vendor, "IBM");
	assert_string_equal(identity->product, "ULT3580-TD8");
	assert_string_equal(identity->serial, "0001234567");
	assert_int_equal(identity->device_type, 0x08);
}

static void a_tape_drive_is_no_changer_and_its_transport_is_freed(void **state)
{
	static struct fake_script other;
	struct rsm_medium_changer *none;
	struct rsm_err err;

	(void)state;
	memset(&other, 0, sizeof other);
	fake_expect_identity(&other, 0x01);
	assert_int_equal(rsm_medium_changer_new(fake_transport_new(&other), &none, &err), -ENODEV);
	assert_string_equal(err.msg, "fake: is not a medium changer");
	assert_int_equal(other.freed, 1);
}

static void an_inventory_asks_one_type_a_command_and_orders_by_type_then_address(void **state)
{
	struct reply slots, ports, drives, robot;
	struct rsm_element *elements;
	uint8_t *at;
	size_t count;

	(void)state;
	start_reply(&slots, 2, 0x80, 52);
	add_element(&slots, 1003, 0x08, "STALE001");
	add_element(&slots, 1001, 0x09, "A00001L8");
	add_element(&slots, 1002, 0x0D, "")[4] = 0x83;
	start_reply(&ports, 3, 0x80, 52);
	add_element(&ports, 16, 0x3B, "B00001L8");
	start_reply(&drives, 4, 0xC0, 12 + 36 + 36 + 4 + 34);
	at = add_element(&drives, 256, 0x09, "C00001L8");
	at[9] = 0x81;
	rsm_put_be16(at + 10, 1003);
	at[84] = 2;
	at[85] = 1;
	at[87] = 34;
	memcpy(at + 88, "IBM     ULT3580-TD8     0001234567", 34);
	at = add_element(&drives, 257, 0x08, NULL);
	at[84] = 2;
	at[87] = 10;
	memcpy(at + 88, "HU1234ABCD", 10);
	start_reply(&robot, 1, 0x80, 52);
	add_element(&robot, 1, 0x00, "");
	fake_expect(&script, MODE_SENSE);
	fake_data_hex(&script, RANGES);
	expect_status("b8 12 03 e9 00 03 02", &slots);
	expect_status("b8 13 00 10 00 01 02", &ports);
	expect_status("b8 14 01 00 00 02 03", &drives);
	expect_status("b8 11 00 01 00 01 02", &robot);

	elements = inventory(&count);

	assert_int_equal(count, 7);
	assert_int_equal(elements[0].address, 1001);
	assert_int_equal(elements[0].type, RSM_ELEMENT_STORAGE);
	assert_string_equal(elements[0].volume_tag, "A00001L8");
	assert_true(elements[0].full && elements[0].accessible && !elements[0].exception);
	assert_true(elements[1].exception);
	assert_int_equal(elements[1].asc, 0x83);
	assert_string_equal(elements[1].volume_tag, "");
	assert_false(elements[2].full);
	assert_string_equal(elements[2].volume_tag, ""); /* what lay there before */
	assert_int_equal(elements[3].type, RSM_ELEMENT_IMPORT_EXPORT);
	assert_true(elements[3].by_operator);
	assert_int_equal(elements[4].address, 256);
	assert_true(elements[4].source_valid);
	assert_int_equal(elements[4].source, 1003);
	assert_string_equal(elements[4].serial, "0001234567");
	assert_string_equal(elements[5].serial, "HU1234ABCD");
	assert_int_equal(elements[6].type, RSM_ELEMENT_TRANSPORT);
	free(elements);
}

static void expect_ranges_of_drives_only(void)
{
	fake_expect(&script, MODE_SENSE);
	fake_data_hex(&script, "17 00 00 00 1d 12 00 01 00 00 03 e9 00 00 00 10 00 00 01 00 00 02");
}

static void a_refused_question_is_asked_more_modestly_and_remembered(void **state)
{
	struct rsm_element *elements;
	struct reply drives;
	size_t count;

	(void)state;
	start_reply(&drives, 4, 0x80, 52);
	add_element(&drives, 256, 0x09, "C00001L8");
	add_element(&drives, 257, 0x08, "");
	expect_ranges_of_drives_only();
	expect_status("b8 14 01 00 00 02 03", &drives);
	fake_sense(&script, 0x5, 0x24, 0x00);
	expect_status("b8 14 01 00 00 02 01", &drives);
	fake_sense(&script, 0x5, 0x24, 0x00);
	expect_status("b8 14 01 00 00 02 00", &drives);
	elements = inventory(&count);
	assert_int_equal(count, 2);
	assert_string_equal(elements[0].volume_tag, "C00001L8");
	assert_string_equal(elements[0].serial, "");
	free(elements);

	expect_ranges_of_drives_only();
	expect_status("b8 14 01 00 00 02 00", &drives);
	free(inventory(&count));
}

static void a_reply_cut_in_the_last_drives_serial_number_still_gives_the_drive(void **state)
{
	struct rsm_element *elements;
	struct reply drives, rest;
	uint8_t *at;
	size_t count;

	(void)state;
	start_reply(&drives, 4, 0x80, 12 + 36 + 4 + 34);
	for (uint16_t address = 256; address <= 257; address++) {
		at = add_element(&drives, address, 0x01, "C00001L8");
		at[48] = 2;
		at[51] = 34;
		memcpy(at + 52, "IBM     ULT3580-TD8     0001234567", 34);
	}
	start_reply(&rest, 4, 0x80, 12 + 36 + 4 + 34);
	memcpy(add_element(&rest, 257, 0x01, NULL), at, 86);
	drives.length -= 8;
	rest.length -= 8;
	expect_ranges_of_drives_only();
	expect_status("b8 14 01 00 00 02 03", &drives);
	expect_status("b8 14 01 01 00 01 03", &rest);

	elements = inventory(&count);

	assert_int_equal(count, 2);
	assert_string_equal(elements[0].serial, "0001234567");
	assert_string_equal(elements[1].serial, "00");
	assert_string_equal(elements[1].volume_tag, "C00001L8");
	free(elements);
}

static void a_library_that_gives_less_than_asked_is_asked_on(void **state)
{
	struct reply one, rest, none;
	size_t count;

	(void)state;
	start_reply(&one, 4, 0x80, 52);
	add_element(&one, 256, 0x00, "");
	start_reply(&rest, 4, 0x80, 52);
	add_element(&rest, 257, 0x00, "");
	start_reply(&none, 4, 0x80, 52);
	expect_ranges_of_drives_only();
	expect_status("b8 14 01 00 00 02 03", &one);
	expect_status("b8 14 01 01 00 01 03", &rest);
	free(inventory(&count));
	assert_int_equal(count, 2);

	expect_ranges_of_drives_only();
	expect_status("b8 14 01 00 00 02 03", &one);
	expect_status("b8 14 01 01 00 01 03", &none);
	free(inventory(&count));
	assert_int_equal(count, 1);
}

static void no_element_status_is_too_strange(void **state)
{
	struct rsm_element *elements;
	struct rsm_err err;
	size_t count;

	(void)state;
	for (unsigned value = 0; value < 256; value += 3)
		for (size_t length = 0; length < 160; length += 13) {
			uint8_t data[160];
			int r;

			memset(data, (int)value, sizeof data);
			memset(data + 5, 0xFF, 3);
			data[8] = value & 1 ? 4 : (uint8_t)value;
			expect_ranges_of_drives_only();
			fake_expect(&script, "b8");
			fake_data(&script, data, length);
			r = rsm_medium_changer_inventory(changer, &elements, &count, &err);
			if (r == 0) {
				assert_true(count <= 2);
				free(elements);
			} else {
				assert_true(r == -EBADMSG || r == -EIO);
			}
			memset(&script, 0, sizeof script);
		}
}

static void attentions_of_other_commands_are_told_by_the_next_poll_once(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "a5 00 00 00 03 e9 01 00");
	fake_sense(&script, 0x6, 0x29, 0x00);
	fake_expect(&script, "a5 00 00 00 03 e9 01 00");
	fake_sense(&script, 0x6, 0x28, 0x01);
	fake_expect(&script, "a5 00 00 00 03 e9 01 00");
	fake_expect(&script, "00 00 00 00 00 00");
	fake_expect(&script, "00 00 00 00 00 00");
	assert_done(rsm_medium_changer_move(changer, 1001, 256, &err), &err);
	assert_int_equal(rsm_medium_changer_poll(changer, &err), RSM_CHANGER_CHANGED);
	assert_done(rsm_medium_changer_poll(changer, &err), &err);
	fake_check(&script);
}

static void a_poll_tells_changes_and_not_resets(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "00");
	fake_sense(&script, 0x6, 0x29, 0x00);
	fake_expect(&script, "00");
	assert_done(rsm_medium_changer_poll(changer, &err), &err);
	fake_expect(&script, "00");
	fake_sense(&script, 0x6, 0x3F, 0x03);
	fake_expect(&script, "00");
	assert_int_equal(rsm_medium_changer_poll(changer, &err), RSM_CHANGER_CHANGED);
	fake_expect(&script, "00");
	fake_sense(&script, 0x6, 0x28, 0x00);
	fake_expect(&script, "00");
	fake_sense(&script, 0x2, 0x04, 0x01);
	assert_int_equal(rsm_medium_changer_poll(changer, &err), RSM_CHANGER_NOT_READY);
	fake_expect(&script, "00");
	fake_sense(&script, 0x2, 0x04, 0x18);
	assert_int_equal(rsm_medium_changer_poll(changer, &err), RSM_CHANGER_NOT_READY);
	fake_expect(&script, "00");
	assert_int_equal(rsm_medium_changer_poll(changer, &err), RSM_CHANGER_CHANGED);
	fake_expect(&script, "00");
	fake_fails(&script, -ENODEV);
	assert_int_equal(rsm_medium_changer_poll(changer, &err), -ENODEV);
	fake_check(&script);
}

static void a_move_says_why_it_did_not_happen(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "a5");
	fake_sense(&script, 0x5, 0x3B, 0x0E);
	assert_int_equal(rsm_medium_changer_move(changer, 1001, 256, &err),
			 RSM_CHANGER_SOURCE_EMPTY);
	fake_expect(&script, "a5");
	fake_sense(&script, 0x5, 0x3B, 0x0D);
	assert_int_equal(rsm_medium_changer_move(changer, 1001, 256, &err),
			 RSM_CHANGER_DESTINATION_FULL);
	fake_expect(&script, "a5");
	fake_sense(&script, 0x5, 0x53, 0x02);
	assert_int_equal(rsm_medium_changer_move(changer, 256, 1001, &err), -EBUSY);
	assert_string_equal(err.msg, "move from element 256 to 1001: fake: MOVE MEDIUM: removal is "
				     "prevented (05/53/02)");
	assert_int_equal(rsm_medium_changer_move(changer, 256, 9999, &err), -ENXIO);
	assert_string_equal(err.msg, "fake: there is no element 9999");
	fake_expect(&script, "a5");
	fake_sense(&script, 0x4, 0x15, 0x01);
	assert_int_equal(rsm_medium_changer_move(changer, 256, 1001, &err), -EIO);
	assert_int_equal(err.asc, 0x15);
	fake_check(&script);
}

static void what_a_changer_cannot_do_is_not_supported(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "1e 00 00 00 01");
	fake_sense(&script, 0x5, 0x20, 0x00);
	assert_int_equal(rsm_medium_changer_prevent(changer, true, &err), -EOPNOTSUPP);
	fake_expect(&script, "1e 00 00 00 00");
	assert_done(rsm_medium_changer_prevent(changer, false, &err), &err);
	fake_expect(&script, "07");
	fake_sense(&script, 0x5, 0x20, 0x00);
	assert_int_equal(rsm_medium_changer_initialize(changer, &err), -EOPNOTSUPP);
	assert_string_equal(err.msg, "fake: the changer does not know INITIALIZE ELEMENT STATUS");
	fake_expect(&script, "07");
	assert_done(rsm_medium_changer_initialize(changer, &err), &err);
	fake_check(&script);
}

static void a_busy_changer_is_asked_again(void **state)
{
	struct rsm_err err;

	(void)state;
	fake_expect(&script, "00");
	fake_status(&script, RSM_SCSI_BUSY);
	fake_expect(&script, "00");
	assert_done(rsm_medium_changer_poll(changer, &err), &err);
	fake_expect(&script, "00");
	fake_status(&script, RSM_SCSI_RESERVATION_CONFLICT);
	assert_int_equal(rsm_medium_changer_poll(changer, &err), -EBUSY);
	fake_check(&script);
}

#define CHANGER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
	CHANGER_TEST(a_changer_knows_who_it_is),
	CHANGER_TEST(a_tape_drive_is_no_changer_and_its_transport_is_freed),
	CHANGER_TEST(an_inventory_asks_one_type_a_command_and_orders_by_type_then_address),
	CHANGER_TEST(a_refused_question_is_asked_more_modestly_and_remembered),
	CHANGER_TEST(a_reply_cut_in_the_last_drives_serial_number_still_gives_the_drive),
	CHANGER_TEST(a_library_that_gives_less_than_asked_is_asked_on),
	CHANGER_TEST(no_element_status_is_too_strange),
	CHANGER_TEST(attentions_of_other_commands_are_told_by_the_next_poll_once),
	CHANGER_TEST(a_poll_tells_changes_and_not_resets),
	CHANGER_TEST(a_move_says_why_it_did_not_happen),
	CHANGER_TEST(what_a_changer_cannot_do_is_not_supported),
	CHANGER_TEST(a_busy_changer_is_asked_again),
};
RSM_TEST_MAIN(tests)
