#include "changer/medium_memory.h"

#include <string.h>

#include "base/bytes.h"
#include "changer/scsi_device.h"

enum {
	TIMEOUT_MS = 60 * 1000,
	LIST_HEADER = 4,      /* length of all that follows */
	ATTRIBUTE_HEADER = 5, /* identifier, flags and format, length */
};

static const char *name_of(struct rsm_tape_drive *drive)
{
	return rsm_tape_drive_transport(drive)->name;
}

static int refuse(struct rsm_tape_drive *drive, const struct rsm_scsi_command *command,
		  const struct rsm_sense *sense, uint16_t id, struct rsm_err *err)
{
	int r = rsm_scsi_device_err(err, rsm_tape_drive_transport(drive), command, sense);

	return rsm_err_wrap(err, r, "medium attribute %04Xh", id);
}

/* "No such attribute" is told as an illegal request; a medium without memory as not accessible. */
static bool says_absent(const struct rsm_sense *sense)
{
	return sense->cause == RSM_CAUSE_ILLEGAL_REQUEST ||
	       (sense->key == 0x2 && sense->asc == 0x04 && sense->ascq == 0x10);
}

static bool is_good(const struct rsm_sense *sense)
{
	return sense->cause == RSM_CAUSE_NONE || sense->key == 0x1;
}

int rsm_medium_memory_read(struct rsm_tape_drive *drive, unsigned partition, uint16_t id,
			   void *value, size_t size, size_t *ret_length, struct rsm_err *err)
{
	const size_t room = LIST_HEADER + ATTRIBUTE_HEADER + (size < 0xFFFF ? size : 0xFFFF);
	RSM_FREE uint8_t *list = calloc(1, room);
	struct rsm_scsi_command command = {
		.cdb = { 0x8C },
		.cdb_length = 16,
		.direction = RSM_SCSI_FROM_DEVICE,
		.data = list,
		.data_length = room,
		.timeout_ms = TIMEOUT_MS,
	};
	const uint8_t *attribute;
	struct rsm_sense sense;
	size_t length = 0, there;
	int r;

	if (!list)
		return rsm_err_oom(err);
	command.cdb[7] = (uint8_t)partition;
	rsm_put_be16(command.cdb + 8, id);
	rsm_put_be32(command.cdb + 10, (uint32_t)room);
	r = rsm_tape_drive_execute(drive, &command, &sense, &length, err);
	if (r < 0)
		return r;
	if (says_absent(&sense))
		return RSM_MAM_ABSENT;
	if (!is_good(&sense))
		return refuse(drive, &command, &sense, id, err);

	/* the reply begins with the attribute asked for, or with the next one that there is */
	attribute = list + LIST_HEADER;
	if (length < LIST_HEADER + ATTRIBUTE_HEADER || rsm_get_be32(list) < ATTRIBUTE_HEADER ||
	    rsm_get_be16(attribute) != id)
		return RSM_MAM_ABSENT;
	there = rsm_get_be16(attribute + 3);
	if (there == 0)
		return RSM_MAM_ABSENT;
	length -= LIST_HEADER + ATTRIBUTE_HEADER;
	if (length < there && length < size)
		return rsm_err_set(err, EBADMSG,
				   "%s: medium attribute %04Xh is cut off (%zu of %zu bytes)",
				   name_of(drive), id, length, there);
	if (size)
		memcpy(value, attribute + ATTRIBUTE_HEADER, there < size ? there : size);
	*ret_length = there;
	return 0;
}

int rsm_medium_memory_write(struct rsm_tape_drive *drive, unsigned partition, uint16_t id,
			    enum rsm_mam_format format, const void *value, size_t length,
			    struct rsm_err *err)
{
	const size_t size = LIST_HEADER + ATTRIBUTE_HEADER + length;
	RSM_FREE uint8_t *list = NULL;
	struct rsm_scsi_command command = {
		.cdb = { 0x8D, 0x01 }, /* WTC: on the medium when it returns */
		.cdb_length = 16,
		.direction = RSM_SCSI_TO_DEVICE,
		.data_length = size,
		.timeout_ms = TIMEOUT_MS,
	};
	struct rsm_sense sense;
	int r;

	if (length > 0xFFFF)
		return rsm_err_set(err, EINVAL,
				   "%s: medium attribute %04Xh of %zu bytes is too long",
				   name_of(drive), id, length);
	list = calloc(1, size);
	if (!list)
		return rsm_err_oom(err);
	rsm_put_be32(list, (uint32_t)(size - LIST_HEADER));
	rsm_put_be16(list + LIST_HEADER, id);
	list[LIST_HEADER + 2] = (uint8_t)format;
	rsm_put_be16(list + LIST_HEADER + 3, (uint16_t)length);
	if (length)
		memcpy(list + LIST_HEADER + ATTRIBUTE_HEADER, value, length);
	command.cdb[7] = (uint8_t)partition;
	rsm_put_be32(command.cdb + 10, (uint32_t)size);
	command.data = list;

	r = rsm_tape_drive_execute(drive, &command, &sense, NULL, err);
	if (r < 0)
		return r;
	if (is_good(&sense))
		return 0;
	if (rsm_sense_unknown_command(&sense) || (sense.key == 0x2 && says_absent(&sense)))
		return rsm_err_set(err, EOPNOTSUPP, "%s: no medium auxiliary memory",
				   name_of(drive));
	return refuse(drive, &command, &sense, id, err);
}

static int read_mebibytes(struct rsm_tape_drive *drive, unsigned partition, uint16_t id,
			  uint64_t *ret_bytes, struct rsm_err *err)
{
	uint8_t value[8];
	size_t length;
	uint64_t count;
	int r;

	r = rsm_medium_memory_read(drive, partition, id, value, sizeof value, &length, err);
	if (r != 0)
		return r;
	if (length != sizeof value)
		return RSM_MAM_ABSENT;
	count = rsm_get_be64(value);
	if (count > UINT64_MAX >> 20) /* all bits set: not known */
		return RSM_MAM_ABSENT;
	*ret_bytes = count << 20;
	return 0;
}

int rsm_medium_memory_capacity(struct rsm_tape_drive *drive, unsigned partition,
			       uint64_t *ret_remaining, uint64_t *ret_maximum, struct rsm_err *err)
{
	uint64_t remaining = 0, maximum = 0;
	int r;

	r = read_mebibytes(drive, partition, RSM_MAM_REMAINING_CAPACITY, &remaining, err);
	if (r == 0)
		r = read_mebibytes(drive, partition, RSM_MAM_MAXIMUM_CAPACITY, &maximum, err);
	if (r != 0)
		return r;
	*ret_remaining = remaining;
	*ret_maximum = maximum;
	return 0;
}
