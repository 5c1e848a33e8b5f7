#include "tests/fuzz/fuzz_device.h"

#include <string.h>

#include "base/bytes.h"
#include "base/list.h"
#include "tests/fuzz/fuzz.h"

struct device {
	struct rsm_scsi_transport base;
	const uint8_t *at;
	size_t left;
	bool same; /* not a script */
};

static void give(const struct rsm_scsi_command *command, const uint8_t *data, size_t length,
		 struct rsm_scsi_answer *ret_answer)
{
	size_t moved = length < command->data_length ? length : command->data_length;

	if (command->direction == RSM_SCSI_FROM_DEVICE && moved)
		memcpy(command->data, data, moved);
	ret_answer->residual = command->data_length - moved;
}

static size_t take(struct device *device, size_t wanted, const uint8_t **ret_bytes)
{
	size_t length = wanted < device->left ? wanted : device->left;

	*ret_bytes = device->at;
	device->at += length;
	device->left -= length;
	return length;
}

static int play(struct device *device, const struct rsm_scsi_command *command,
		struct rsm_scsi_answer *ret_answer, struct rsm_err *err)
{
	const uint8_t *bytes;
	size_t length;
	uint8_t what;

	if (device->left < 3)
		return rsm_err_set(err, ENODEV, "fuzz: the device is gone");
	take(device, 3, &bytes);
	what = bytes[0];
	length = take(device, rsm_get_be16(bytes + 1), &bytes);
	give(command, bytes, length, ret_answer);
	if (what == FUZZ_LOST)
		return rsm_err_set(err, EIO, "fuzz: not delivered");
	if (what == FUZZ_STATUS && length)
		ret_answer->status = bytes[0];
	if (what == FUZZ_CHECK && take(device, 1, &bytes)) {
		length = bytes[0] < sizeof ret_answer->sense ? bytes[0] : sizeof ret_answer->sense;
		length = take(device, length, &bytes);
		ret_answer->status = RSM_SCSI_CHECK_CONDITION;
		ret_answer->sense_length = (uint8_t)length;
		memcpy(ret_answer->sense, bytes, length);
	}
	return 0;
}

static int execute(struct rsm_scsi_transport *transport, const struct rsm_scsi_command *command,
		   struct rsm_scsi_answer *ret_answer, struct rsm_err *err)
{
	static const char inquiry[] = "\x01\x80\x06\x02\x5b\0\0\0IBM     ULT3580-TD8     N9M1";
	struct device *device = RSM_CONTAINER_OF(transport, struct device, base);

	*ret_answer = (struct rsm_scsi_answer){ 0 };
	if (!device->same)
		return play(device, command, ret_answer, err);
	if (command->cdb[0] == 0x12)
		give(command, (const uint8_t *)inquiry, sizeof inquiry - 1, ret_answer);
	else
		give(command, device->at, device->left, ret_answer);
	return 0;
}

static void free_device(struct rsm_scsi_transport *transport)
{
	free(RSM_CONTAINER_OF(transport, struct device, base));
}

static const struct rsm_scsi_transport_ops ops = { .execute = execute, .free = free_device };

struct rsm_scsi_transport *fuzz_device(const uint8_t *script, size_t size)
{
	struct device *device = calloc(1, sizeof *device);

	FUZZ_PROMISE(device, "out of memory");
	device->base.ops = &ops;
	snprintf(device->base.name, sizeof device->base.name, "fuzz");
	device->at = script;
	device->left = size;
	return &device->base;
}

struct rsm_tape_drive *fuzz_drive_with_answer(const uint8_t *data, size_t size)
{
	struct rsm_scsi_transport *transport = fuzz_device(data, size);
	struct rsm_tape_drive *drive;
	struct rsm_err err;

	RSM_CONTAINER_OF(transport, struct device, base)->same = true;
	FUZZ_PROMISE(rsm_tape_drive_new(transport, &drive, &err) == 0, "%s", err.msg);
	return drive;
}
