/* What devices answer: sense data, a changer's element status and mode pages, a drive's medium,
 * positions, blocks, alerts. The first byte says which of them it is; then the script follows
 * (fuzz_device.h).
 */
#include <string.h>

#include "changer/medium_memory.h"
#include "changer/sense.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_device.h"

static void check_sense(const uint8_t *data, size_t size)
{
	const uint8_t statuses[] = { RSM_SCSI_GOOD,	     RSM_SCSI_CHECK_CONDITION,
				     RSM_SCSI_BUSY,	     RSM_SCSI_RESERVATION_CONFLICT,
				     RSM_SCSI_TASK_SET_FULL, size ? data[0] : 0xFF };
	struct rsm_scsi_answer answer = { 0 };
	struct rsm_sense sense;
	struct rsm_err err;

	answer.sense_length = (uint8_t)(size < sizeof answer.sense ? size : sizeof answer.sense);
	memcpy(answer.sense, data, answer.sense_length);
	for (size_t i = 0; i < sizeof statuses; i++) {
		answer.status = statuses[i];
		rsm_sense_decode(&answer, &sense);
		FUZZ_PROMISE(rsm_cause_name(sense.cause), "cause %d", sense.cause);
		if (sense.cause != RSM_CAUSE_NONE)
			FUZZ_PROMISE(rsm_err_sense(&err, &sense, "fuzz") < 0 && err.msg[0],
				     "cause %d", sense.cause);
	}
}

static void check_elements(const struct rsm_element *elements, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct rsm_element *element = &elements[i];

		FUZZ_PROMISE(strnlen(element->volume_tag, RSM_VOLUME_TAG_SIZE) <
				     RSM_VOLUME_TAG_SIZE,
			     "tag of element %u", element->address);
		FUZZ_PROMISE(strnlen(element->serial, RSM_SERIAL_SIZE) < RSM_SERIAL_SIZE,
			     "serial number of element %u", element->address);
		FUZZ_PROMISE(i == 0 || element->type != elements[i - 1].type ||
				     element->address > elements[i - 1].address,
			     "element %u twice or out of order", element->address);
	}
}

static void check_changer(const uint8_t *data, size_t size)
{
	struct rsm_medium_changer *changer;
	struct rsm_element *elements = NULL;
	struct rsm_err err;
	size_t count = 0;

	if (rsm_medium_changer_new(fuzz_device(data, size), &changer, &err) < 0)
		return;
	(void)!rsm_medium_changer_poll(changer, &err);
	for (int i = 0; i < 2; i++) {
		if (rsm_medium_changer_inventory(changer, &elements, &count, &err) == 0) {
			check_elements(elements, count);
			free(elements);
		}
	}
	(void)!rsm_medium_changer_move(changer, 1000, 256, &err);
	(void)!rsm_medium_changer_prevent(changer, true, &err);
	rsm_medium_changer_free(changer);
}

static void check_drive(const uint8_t *data, size_t size)
{
	struct rsm_tape_position position;
	struct rsm_tape_medium medium;
	struct rsm_tape_drive *drive;
	uint8_t *block = malloc(512);
	uint64_t number, other;
	struct rsm_err err;
	size_t length;
	int64_t moved;

	FUZZ_PROMISE(block, "out of memory");
	if (rsm_tape_drive_new(fuzz_device(data, size), &drive, &err) < 0) {
		free(block);
		return;
	}
	(void)!rsm_tape_drive_poll(drive, &err);
	(void)!rsm_tape_drive_medium(drive, &medium, &err);
	(void)!rsm_tape_drive_position(drive, &position, &err);
	(void)!rsm_medium_memory_capacity(drive, 0, &number, &other, &err);
	(void)!rsm_tape_drive_locate(drive, 1, 4, &err);
	for (int i = 0; i < 4; i++) {
		length = 0;
		if (rsm_tape_drive_read(drive, block, 512, &length, &err) == 0)
			FUZZ_PROMISE(length <= 512, "%zu bytes in a buffer of 512", length);
	}
	(void)!rsm_tape_drive_space_filemarks(drive, -2, &moved, &err);
	(void)!rsm_tape_drive_locate_end(drive, 0, &number, &err);
	(void)!rsm_tape_drive_alerts(drive, &number, &err);
	(void)!rsm_tape_drive_set_compression(drive, true, &err);
	(void)!rsm_tape_drive_write(drive, block, 512, &err);
	(void)!rsm_tape_drive_write_filemarks(drive, 1, false, &err);
	rsm_tape_drive_free(drive);
	free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_sense(data, size);
	if (size < 1)
		return 0;
	if (data[0] & 1)
		check_changer(data + 1, size - 1);
	else
		check_drive(data + 1, size - 1);
	return 0;
}
