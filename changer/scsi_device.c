#include "changer/scsi_device.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"

enum { BUSY_TRIES = 50, BUSY_PAUSE_NS = 100 * 1000 * 1000, INQUIRY_TIMEOUT_MS = 60 * 1000 };

int rsm_scsi_device_run(struct rsm_scsi_transport *transport,
			const struct rsm_scsi_command *command, struct rsm_sense *ret_sense,
			size_t *ret_transferred, struct rsm_err *err)
{
	static const struct timespec pause = { .tv_nsec = BUSY_PAUSE_NS };
	struct rsm_scsi_answer answer;
	int r;

	for (int i = 0;; i++) {
		answer.status = RSM_SCSI_GOOD;
		answer.sense_length = 0;
		answer.residual = 0;
		r = rsm_scsi_execute(transport, command, &answer, err);
		if (r < 0)
			return r;
		if (i == BUSY_TRIES ||
		    (answer.status != RSM_SCSI_BUSY && answer.status != RSM_SCSI_TASK_SET_FULL))
			break;
		nanosleep(&pause, NULL);
	}
	rsm_sense_decode(&answer, ret_sense);
	if (ret_transferred)
		*ret_transferred = answer.residual < command->data_length
					   ? command->data_length - answer.residual
					   : 0;
	return 0;
}

int rsm_scsi_device_err(struct rsm_err *err, const struct rsm_scsi_transport *transport,
			const struct rsm_scsi_command *command, const struct rsm_sense *sense)
{
	char what[128];

	snprintf(what, sizeof what, "%s: %s", transport->name,
		 rsm_scsi_command_name(command->cdb[0]));
	return rsm_err_sense(err, sense, what);
}

void rsm_scsi_device_text(char *to, size_t room, const void *field, size_t length)
{
	const char *text = field;
	size_t used = 0;

	length = strnlen(text, length);
	while (length && text[length - 1] == ' ')
		length--;
	while (length && *text == ' ') {
		text++;
		length--;
	}
	for (; used < length && used + 1 < room; used++)
		to[used] = text[used] >= ' ' && text[used] <= '~' ? text[used] : '?';
	to[used] = '\0';
	while (used && to[used - 1] == ' ')
		to[--used] = '\0';
}

/* INQUIRY never meets a unit attention, by the standard; some devices do it all the same. */
static int inquire(struct rsm_scsi_transport *transport, uint8_t vpd, uint8_t page, uint8_t *data,
		   uint8_t size, struct rsm_sense *sense, size_t *ret_length, struct rsm_err *err)
{
	struct rsm_scsi_command command = {
		.cdb = { 0x12, vpd, page, 0, size },
		.cdb_length = 6,
		.direction = RSM_SCSI_FROM_DEVICE,
		.data = data,
		.data_length = size,
		.timeout_ms = INQUIRY_TIMEOUT_MS,
	};
	int r;

	for (int i = 0; i < 3; i++) {
		memset(data, 0, size);
		r = rsm_scsi_device_run(transport, &command, sense, ret_length, err);
		if (r < 0 || sense->key != 0x6)
			break;
	}
	if (r < 0)
		return r;
	if (sense->cause == RSM_CAUSE_NONE || sense->cause == RSM_CAUSE_RECOVERED)
		return 0;
	return rsm_scsi_device_err(err, transport, &command, sense);
}

int rsm_scsi_device_identify(struct rsm_scsi_transport *transport,
			     struct rsm_device_identity *ret_identity, struct rsm_err *err)
{
	struct rsm_device_identity identity = { 0 };
	struct rsm_sense sense = { 0 };
	uint8_t data[252];
	size_t length;
	int r;

	r = inquire(transport, 0, 0, data, 96, &sense, &length, err);
	if (r < 0)
		return r;
	if (length < 36 || data[0] >> 5)
		return rsm_err_set(err, ENODEV, "%s: no device behind it answers INQUIRY",
				   transport->name);
	identity.device_type = data[0] & 0x1F;
	rsm_scsi_device_text(identity.vendor, sizeof identity.vendor, data + 8, 8);
	rsm_scsi_device_text(identity.product, sizeof identity.product, data + 16, 16);
	rsm_scsi_device_text(identity.revision, sizeof identity.revision, data + 32, 4);

	/* a device without a serial number is usable: only a broken transport is an error here */
	r = inquire(transport, 1, 0x80, data, sizeof data, &sense, &length, err);
	if (r < 0 && sense.cause == RSM_CAUSE_NONE)
		return r;
	if (r == 0 && length > 4 && data[1] == 0x80) {
		size_t text = rsm_get_be16(data + 2);

		if (text > length - 4)
			text = length - 4;
		rsm_scsi_device_text(identity.serial, sizeof identity.serial, data + 4, text);
	}
	*ret_identity = identity;
	return 0;
}
