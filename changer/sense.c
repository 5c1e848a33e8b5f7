#include "changer/sense.h"

#include "base/bytes.h"

enum { ANY = 0x100 };

/* The first row that fits decides, so particular rows stand before general ones. Keys 0 and 1 get
 * here only without the filemark, EOM and ILI bits, which say more than the codes do.
 */
static const struct {
	uint16_t key, asc, ascq;
	enum rsm_cause cause;
} causes[] = {
	{ 0x6, 0x28, 0x00, RSM_CAUSE_MEDIUM_CHANGED },
	{ 0x6, 0x28, 0x01, RSM_CAUSE_PORT_ACCESSED },
	{ 0x6, 0x3F, ANY, RSM_CAUSE_PORT_ACCESSED },
	{ 0x6, 0x3B, 0x12, RSM_CAUSE_PORT_ACCESSED }, /* magazine removed */
	{ 0x6, 0x3B, 0x13, RSM_CAUSE_PORT_ACCESSED }, /* magazine inserted */
	{ 0x6, 0x29, ANY, RSM_CAUSE_RESET },
	{ 0x6, ANY, ANY, RSM_CAUSE_UNIT_ATTENTION },
	{ 0x7, ANY, ANY, RSM_CAUSE_WRITE_PROTECTED },
	{ 0x2, 0x3A, ANY, RSM_CAUSE_NO_MEDIUM },
	{ 0x2, 0x04, 0x01, RSM_CAUSE_BECOMING_READY },
	{ 0x2, 0x04, 0x04, RSM_CAUSE_BECOMING_READY }, /* format in progress */
	{ 0x2, 0x04, 0x07, RSM_CAUSE_BECOMING_READY }, /* operation in progress */
	{ 0x2, 0x04, 0x08, RSM_CAUSE_BECOMING_READY }, /* long write in progress */
	{ 0x2, 0x04, 0x09, RSM_CAUSE_BECOMING_READY }, /* self-test in progress */
	{ 0x2, 0x04, 0x1A, RSM_CAUSE_BECOMING_READY }, /* start or stop in progress */
	{ 0x2, 0x3E, 0x00, RSM_CAUSE_BECOMING_READY }, /* has not configured itself yet */
	{ ANY, 0x04, 0x18, RSM_CAUSE_DOOR_OPEN },
	{ ANY, 0x3B, 0x11, RSM_CAUSE_DOOR_OPEN }, /* magazine not accessible */
	{ ANY, 0x3B, 0x12, RSM_CAUSE_DOOR_OPEN }, /* magazine removed */
	{ ANY, 0x3B, 0x0D, RSM_CAUSE_DESTINATION_FULL },
	{ ANY, 0x3B, 0x0E, RSM_CAUSE_SOURCE_EMPTY },
	{ ANY, 0x53, 0x02, RSM_CAUSE_REMOVAL_PREVENTED },
	{ ANY, 0x53, 0x03, RSM_CAUSE_REMOVAL_PREVENTED },
	{ ANY, 0x21, 0x01, RSM_CAUSE_INVALID_ELEMENT },
	{ ANY, 0x00, 0x17, RSM_CAUSE_CLEANING_NEEDED },
	{ ANY, 0x30, 0x07, RSM_CAUSE_CLEANING_NEEDED },
	{ 0x3, 0x30, 0x10, RSM_CAUSE_MEDIUM_ERROR }, /* medium not formatted */
	{ ANY, 0x30, ANY, RSM_CAUSE_INCOMPATIBLE_MEDIUM },
	{ 0x3, 0x14, 0x03, RSM_CAUSE_END_NOT_FOUND },
	{ 0x3, 0x00, 0x02, RSM_CAUSE_END_OF_PARTITION },
	{ 0x3, 0x00, 0x05, RSM_CAUSE_END_OF_DATA },
	{ 0x8, 0x00, 0x05, RSM_CAUSE_END_OF_DATA },
	{ 0x0, ANY, ANY, RSM_CAUSE_NONE },
	{ 0x1, ANY, ANY, RSM_CAUSE_RECOVERED },
	{ 0x2, ANY, ANY, RSM_CAUSE_NOT_READY },
	{ 0x3, ANY, ANY, RSM_CAUSE_MEDIUM_ERROR },
	{ 0x5, ANY, ANY, RSM_CAUSE_ILLEGAL_REQUEST },
	{ 0x8, ANY, ANY, RSM_CAUSE_BLANK },
	{ 0xB, ANY, ANY, RSM_CAUSE_ABORTED },
	{ 0xD, ANY, ANY, RSM_CAUSE_VOLUME_OVERFLOW },
};

static const struct {
	const char *name;
	int code;
} words[] = {
	[RSM_CAUSE_NONE] = { "no cause given", EIO },
	[RSM_CAUSE_RECOVERED] = { "recovered error", EIO },
	[RSM_CAUSE_NOT_READY] = { "not ready", EAGAIN },
	[RSM_CAUSE_BECOMING_READY] = { "becoming ready", EAGAIN },
	[RSM_CAUSE_NO_MEDIUM] = { "no medium", ENOMEDIUM },
	[RSM_CAUSE_MEDIUM_ERROR] = { "medium error", EIO },
	[RSM_CAUSE_HARDWARE_ERROR] = { "hardware error", EIO },
	[RSM_CAUSE_ILLEGAL_REQUEST] = { "illegal request", EINVAL },
	[RSM_CAUSE_MEDIUM_CHANGED] = { "the medium may have been changed", EAGAIN },
	[RSM_CAUSE_PORT_ACCESSED] = { "a port was used", EAGAIN },
	[RSM_CAUSE_RESET] = { "the device was reset", EAGAIN },
	[RSM_CAUSE_UNIT_ATTENTION] = { "unit attention", EAGAIN },
	[RSM_CAUSE_WRITE_PROTECTED] = { "write protected", EROFS },
	[RSM_CAUSE_BLANK] = { "blank medium", EIO },
	[RSM_CAUSE_END_OF_DATA] = { "end of data", EIO },
	[RSM_CAUSE_END_NOT_FOUND] = { "end of data not found", EIO },
	[RSM_CAUSE_ABORTED] = { "command aborted", EIO },
	[RSM_CAUSE_VOLUME_OVERFLOW] = { "end of medium", ENOSPC },
	[RSM_CAUSE_FILEMARK] = { "filemark", EIO },
	[RSM_CAUSE_EARLY_WARNING] = { "early warning", EIO },
	[RSM_CAUSE_PROGRAMMABLE_EARLY_WARNING] = { "programmable early warning", EIO },
	[RSM_CAUSE_END_OF_PARTITION] = { "end of partition", EIO },
	[RSM_CAUSE_BEGINNING_OF_PARTITION] = { "beginning of partition", EIO },
	[RSM_CAUSE_INCORRECT_LENGTH] = { "incorrect length", EIO },
	[RSM_CAUSE_INCOMPATIBLE_MEDIUM] = { "incompatible medium", EMEDIUMTYPE },
	[RSM_CAUSE_CLEANING_NEEDED] = { "the drive needs cleaning", EIO },
	[RSM_CAUSE_SOURCE_EMPTY] = { "source element is empty", EIO },
	[RSM_CAUSE_DESTINATION_FULL] = { "destination element is full", EIO },
	[RSM_CAUSE_REMOVAL_PREVENTED] = { "removal is prevented", EBUSY },
	[RSM_CAUSE_INVALID_ELEMENT] = { "no such element", ENXIO },
	[RSM_CAUSE_DOOR_OPEN] = { "a door is open", EAGAIN },
	[RSM_CAUSE_BUSY] = { "the device is busy or reserved", EBUSY },
};

static void parse_fixed(const uint8_t *data, size_t length, struct rsm_sense *sense)
{
	sense->deferred = (data[0] & 0x7F) == 0x71;
	sense->key = data[2] & 0x0F;
	sense->filemark = data[2] & 0x80;
	sense->eom = data[2] & 0x40;
	sense->ili = data[2] & 0x20;
	if (data[0] & 0x80) {
		sense->information_valid = true;
		sense->information = (int32_t)rsm_get_be32(data + 3);
	}
	if (length >= 13 && data[7] >= 5)
		sense->asc = data[12];
	if (length >= 14 && data[7] >= 6)
		sense->ascq = data[13];
}

/* SPC-4 4.5.2: a quantity of four bytes stands in the low half with zeros before it, and then its
 * sign is bit 31.
 */
static int64_t wide_information(uint64_t raw)
{
	if (raw >> 32 == 0)
		return (int32_t)(uint32_t)raw;
	return (int64_t)raw;
}

static void parse_descriptors(const uint8_t *data, size_t length, struct rsm_sense *sense)
{
	size_t end = 8 + (size_t)data[7];

	sense->deferred = (data[0] & 0x7F) == 0x73;
	sense->key = data[1] & 0x0F;
	sense->asc = data[2];
	sense->ascq = data[3];
	if (end > length)
		end = length;
	for (size_t at = 8; at + 2 <= end; at += 2 + (size_t)data[at + 1]) {
		const uint8_t *descriptor = data + at;

		if (at + 2 + descriptor[1] > end)
			break;
		if (descriptor[0] == 0x00 && descriptor[1] >= 10) {
			sense->information_valid = descriptor[2] & 0x80;
			sense->information = wide_information(rsm_get_be64(descriptor + 4));
		} else if (descriptor[0] == 0x04 && descriptor[1] >= 2) {
			sense->filemark = descriptor[3] & 0x80;
			sense->eom = descriptor[3] & 0x40;
			sense->ili = descriptor[3] & 0x20;
		}
	}
	if (!sense->information_valid)
		sense->information = 0;
}

static bool fits(uint16_t pattern, uint8_t value)
{
	return pattern == ANY || pattern == value;
}

static enum rsm_cause find_cause(const struct rsm_sense *sense)
{
	if (sense->key <= 1) {
		if (sense->filemark)
			return RSM_CAUSE_FILEMARK;
		if (sense->ili)
			return RSM_CAUSE_INCORRECT_LENGTH;
		if (sense->asc == 0x00 && sense->ascq == 0x04)
			return RSM_CAUSE_BEGINNING_OF_PARTITION;
		if (sense->asc == 0x00 && sense->ascq == 0x07)
			return RSM_CAUSE_PROGRAMMABLE_EARLY_WARNING;
		if (sense->eom || (sense->asc == 0x00 && sense->ascq == 0x02))
			return RSM_CAUSE_EARLY_WARNING;
	}
	for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++)
		if (fits(causes[i].key, sense->key) && fits(causes[i].asc, sense->asc) &&
		    fits(causes[i].ascq, sense->ascq))
			return causes[i].cause;
	return RSM_CAUSE_HARDWARE_ERROR;
}

void rsm_sense_decode(const struct rsm_scsi_answer *answer, struct rsm_sense *ret_sense)
{
	size_t length = answer->sense_length;
	uint8_t response;

	*ret_sense = (struct rsm_sense){ .cause = RSM_CAUSE_NONE };
	switch (answer->status) {
	case RSM_SCSI_GOOD: return;
	case 0x04: return; /* CONDITION MET */
	case RSM_SCSI_BUSY:
	case RSM_SCSI_TASK_SET_FULL:
	case RSM_SCSI_RESERVATION_CONFLICT: ret_sense->cause = RSM_CAUSE_BUSY; return;
	default: break;
	}

	if (length > sizeof answer->sense)
		length = sizeof answer->sense;
	response = length >= 8 ? answer->sense[0] & 0x7F : 0;
	if (answer->status == RSM_SCSI_CHECK_CONDITION && (response == 0x70 || response == 0x71)) {
		parse_fixed(answer->sense, length, ret_sense);
	} else if (answer->status == RSM_SCSI_CHECK_CONDITION &&
		   (response == 0x72 || response == 0x73)) {
		parse_descriptors(answer->sense, length, ret_sense);
	} else {
		ret_sense->key = 0x4;
		ret_sense->cause = RSM_CAUSE_HARDWARE_ERROR;
		return;
	}
	ret_sense->cause = find_cause(ret_sense);
}

const char *rsm_cause_name(enum rsm_cause cause)
{
	if ((size_t)cause >= sizeof words / sizeof words[0] || !words[cause].name)
		return "unknown cause";
	return words[cause].name;
}

int rsm_err_sense(struct rsm_err *err, const struct rsm_sense *sense, const char *what)
{
	int code = EIO, r;

	if ((size_t)sense->cause < sizeof words / sizeof words[0] && words[sense->cause].code)
		code = words[sense->cause].code;
	if (sense->cause == RSM_CAUSE_BUSY) /* a status, not sense data */
		return rsm_err_set(err, code, "%s: %s", what, rsm_cause_name(sense->cause));
	r = rsm_err_set(err, code, "%s: %s (%02X/%02X/%02X)", what, rsm_cause_name(sense->cause),
			sense->key, sense->asc, sense->ascq);
	if (err) {
		err->key = sense->key;
		err->asc = sense->asc;
		err->ascq = sense->ascq;
	}
	return r;
}
