#include "changer/sense.h"
#include "tests/base/test.h"

static struct rsm_sense decode_bytes(uint8_t status, const uint8_t *sense, size_t length)
{
	struct rsm_scsi_answer answer = { .status = status, .sense_length = (uint8_t)length };
	struct rsm_sense decoded;

	if (length)
		memcpy(answer.sense, sense, length);
	rsm_sense_decode(&answer, &decoded);
	return decoded;
}

static struct rsm_sense decode_fixed(uint8_t bits_and_key, uint8_t asc, uint8_t ascq)
{
	const uint8_t sense[18] = { 0x70, 0, bits_and_key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq };

	return decode_bytes(RSM_SCSI_CHECK_CONDITION, sense, sizeof sense);
}

static void each_condition_has_its_cause_in_either_format(void **state)
{
	static const struct {
		uint8_t bits, key, asc, ascq;
		enum rsm_cause cause;
	} rows[] = {
		{ 0, 0x0, 0x00, 0x00, RSM_CAUSE_NONE },
		{ 0, 0x1, 0x17, 0x01, RSM_CAUSE_RECOVERED },
		{ 0, 0x2, 0x04, 0x00, RSM_CAUSE_NOT_READY },
		{ 0, 0x2, 0x04, 0x01, RSM_CAUSE_BECOMING_READY },
		{ 0, 0x2, 0x04, 0x07, RSM_CAUSE_BECOMING_READY },
		{ 0, 0x2, 0x3A, 0x00, RSM_CAUSE_NO_MEDIUM },
		{ 0, 0x2, 0x3A, 0x04, RSM_CAUSE_NO_MEDIUM },
		{ 0, 0x2, 0x04, 0x18, RSM_CAUSE_DOOR_OPEN },
		{ 0, 0x3, 0x11, 0x00, RSM_CAUSE_MEDIUM_ERROR },
		{ 0, 0x4, 0x15, 0x01, RSM_CAUSE_HARDWARE_ERROR },
		{ 0, 0x5, 0x24, 0x00, RSM_CAUSE_ILLEGAL_REQUEST },
		{ 0, 0x5, 0x21, 0x01, RSM_CAUSE_INVALID_ELEMENT },
		{ 0, 0x5, 0x3B, 0x0D, RSM_CAUSE_DESTINATION_FULL },
		{ 0, 0x5, 0x3B, 0x0E, RSM_CAUSE_SOURCE_EMPTY },
		{ 0, 0x5, 0x53, 0x02, RSM_CAUSE_REMOVAL_PREVENTED },
		{ 0, 0x5, 0x30, 0x05, RSM_CAUSE_INCOMPATIBLE_MEDIUM },
		{ 0, 0x2, 0x30, 0x00, RSM_CAUSE_INCOMPATIBLE_MEDIUM },
		{ 0, 0x6, 0x28, 0x00, RSM_CAUSE_MEDIUM_CHANGED },
		{ 0, 0x6, 0x28, 0x01, RSM_CAUSE_PORT_ACCESSED },
		{ 0, 0x6, 0x3F, 0x03, RSM_CAUSE_PORT_ACCESSED },
		{ 0, 0x6, 0x29, 0x00, RSM_CAUSE_RESET },
		{ 0, 0x6, 0x29, 0x04, RSM_CAUSE_RESET },
		{ 0, 0x6, 0x2A, 0x01, RSM_CAUSE_UNIT_ATTENTION },
		{ 0, 0x7, 0x27, 0x00, RSM_CAUSE_WRITE_PROTECTED },
		{ 0, 0x7, 0x30, 0x0C, RSM_CAUSE_WRITE_PROTECTED },
		{ 0, 0x8, 0x00, 0x05, RSM_CAUSE_END_OF_DATA },
		{ 0, 0x3, 0x00, 0x05, RSM_CAUSE_END_OF_DATA },
		{ 0, 0x8, 0x14, 0x03, RSM_CAUSE_BLANK },
		{ 0, 0x3, 0x14, 0x03, RSM_CAUSE_END_NOT_FOUND },
		{ 0, 0xB, 0x47, 0x00, RSM_CAUSE_ABORTED },
		{ 0x40, 0xD, 0x00, 0x02, RSM_CAUSE_VOLUME_OVERFLOW },
		{ 0x80, 0x0, 0x00, 0x01, RSM_CAUSE_FILEMARK },
		{ 0x40, 0x0, 0x00, 0x02, RSM_CAUSE_EARLY_WARNING },
		{ 0x40, 0x0, 0x00, 0x07, RSM_CAUSE_PROGRAMMABLE_EARLY_WARNING },
		{ 0x40, 0x0, 0x00, 0x04, RSM_CAUSE_BEGINNING_OF_PARTITION },
		{ 0x40, 0x3, 0x00, 0x02, RSM_CAUSE_END_OF_PARTITION },
		{ 0x20, 0x0, 0x00, 0x00, RSM_CAUSE_INCORRECT_LENGTH },
		{ 0, 0x1, 0x00, 0x17, RSM_CAUSE_CLEANING_NEEDED },
		{ 0, 0xE, 0x1D, 0x00, RSM_CAUSE_HARDWARE_ERROR },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const uint8_t descriptors[12] = { 0x72, rows[i].key, rows[i].asc, rows[i].ascq,
						  0,	0,	     0,		  4,
						  0x04, 0x02,	     0,		  rows[i].bits };
		struct rsm_sense fixed =
			decode_fixed(rows[i].bits | rows[i].key, rows[i].asc, rows[i].ascq);
		struct rsm_sense described =
			decode_bytes(RSM_SCSI_CHECK_CONDITION, descriptors, sizeof descriptors);

		if (fixed.cause != rows[i].cause || described.cause != rows[i].cause)
			fail_msg("%02X/%02X/%02X: '%s' and '%s' instead of '%s'", rows[i].key,
				 rows[i].asc, rows[i].ascq, rsm_cause_name(fixed.cause),
				 rsm_cause_name(described.cause), rsm_cause_name(rows[i].cause));
	}
}

static void statuses_without_sense_have_causes_too(void **state)
{
	(void)state;
	assert_int_equal(decode_bytes(RSM_SCSI_GOOD, NULL, 0).cause, RSM_CAUSE_NONE);
	assert_int_equal(decode_bytes(RSM_SCSI_BUSY, NULL, 0).cause, RSM_CAUSE_BUSY);
	assert_int_equal(decode_bytes(RSM_SCSI_RESERVATION_CONFLICT, NULL, 0).cause,
			 RSM_CAUSE_BUSY);
	assert_int_equal(decode_bytes(0x40, NULL, 0).cause, RSM_CAUSE_HARDWARE_ERROR);
}

static void the_residue_keeps_its_sign(void **state)
{
	const uint8_t fixed[18] = { 0xF0, 0, 0x20, 0xFF, 0xFF, 0xFF, 0xF0, 10 };
	const uint8_t narrow[20] = { 0x72, 0, 0, 0, 0, 0, 0,	12,   0x00, 0x0A,
				     0x80, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFE };
	const uint8_t wide[20] = { 0x72, 0, 0,	  0,	0,    0,    0,	  12,	0x00, 0x0A,
				   0x80, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFD };
	struct rsm_sense sense;

	(void)state;
	sense = decode_bytes(RSM_SCSI_CHECK_CONDITION, fixed, sizeof fixed);
	assert_true(sense.information_valid);
	assert_int_equal(sense.information, -16);
	sense = decode_bytes(RSM_SCSI_CHECK_CONDITION, narrow, sizeof narrow);
	assert_int_equal(sense.information, -2);
	sense = decode_bytes(RSM_SCSI_CHECK_CONDITION, wide, sizeof wide);
	assert_int_equal(sense.information, -3);
}

static void deferred_errors_are_told_apart(void **state)
{
	const uint8_t fixed[18] = { 0x71, 0, 0x03, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x0C };
	const uint8_t descriptors[8] = { 0x73, 0x03, 0x0C };
	struct rsm_sense sense;

	(void)state;
	sense = decode_bytes(RSM_SCSI_CHECK_CONDITION, fixed, sizeof fixed);
	assert_true(sense.deferred);
	assert_int_equal(sense.cause, RSM_CAUSE_MEDIUM_ERROR);
	assert_true(decode_bytes(RSM_SCSI_CHECK_CONDITION, descriptors, 8).deferred);
}

/* Every length and every byte value in every place: nothing is read out of bounds (ASan), and all
 * of it has a cause with a name.
 */
static void no_bytes_are_too_strange(void **state)
{
	static const uint8_t responses[] = { 0x00, 0x70, 0x71, 0x72, 0x73, 0x7F, 0xF0, 0xF2 };

	(void)state;
	for (size_t r = 0; r < sizeof responses; r++)
		for (size_t length = 0; length <= 96; length++)
			for (unsigned value = 0; value < 256; value += 5) {
				struct rsm_scsi_answer answer = {
					.status = RSM_SCSI_CHECK_CONDITION,
					.sense_length = (uint8_t)(length == 96 ? 255 : length),
				};
				struct rsm_sense sense;

				memset(answer.sense, (int)value, sizeof answer.sense);
				answer.sense[0] = responses[r];
				rsm_sense_decode(&answer, &sense);
				assert_non_null(rsm_cause_name(sense.cause));
				if (length < 8)
					assert_int_equal(sense.cause, RSM_CAUSE_HARDWARE_ERROR);
			}
	assert_string_equal(rsm_cause_name((enum rsm_cause)1000), "unknown cause");
}

static void an_error_says_what_and_why(void **state)
{
	struct rsm_sense sense = decode_fixed(0x03, 0x11, 0x00);
	struct rsm_err err;

	(void)state;
	assert_int_equal(rsm_err_sense(&err, &sense, "drive 256: READ"), -EIO);
	assert_string_equal(err.msg, "drive 256: READ: medium error (03/11/00)");
	assert_int_equal(err.key, 0x03);
	assert_int_equal(err.asc, 0x11);
	sense = decode_fixed(0x02, 0x3A, 0x00);
	assert_int_equal(rsm_err_sense(NULL, &sense, "x"), -ENOMEDIUM);
	sense = decode_fixed(0x07, 0x27, 0x00);
	assert_int_equal(rsm_err_sense(&err, &sense, "x"), -EROFS);
	sense = decode_fixed(0x4D, 0x00, 0x02);
	assert_int_equal(rsm_err_sense(&err, &sense, "x"), -ENOSPC);
	sense = decode_fixed(0x06, 0x29, 0x00);
	assert_int_equal(rsm_err_sense(&err, &sense, "x"), -EAGAIN);
	sense = decode_bytes(RSM_SCSI_BUSY, NULL, 0);
	assert_int_equal(rsm_err_sense(&err, &sense, "x"), -EBUSY);
	assert_string_equal(err.msg, "x: the device is busy or reserved");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_condition_has_its_cause_in_either_format),
	cmocka_unit_test(statuses_without_sense_have_causes_too),
	cmocka_unit_test(the_residue_keeps_its_sign),
	cmocka_unit_test(deferred_errors_are_told_apart),
	cmocka_unit_test(no_bytes_are_too_strange),
	cmocka_unit_test(an_error_says_what_and_why),
};
RSM_TEST_MAIN(tests)
