#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "changer/scsi_device.h"
#include "changer/scsi_mode.h"
#include "changer/tape_drive_private.h"

enum {
	PAGE_COMPRESSION = 0x0F,
	PAGE_CONFIGURATION = 0x10,
	PAGE_PARTITIONS = 0x11,
	PAGE_MEDIUM_CONFIGURATION = 0x1D,

	BUFFERED_MODE = 0x70, /* in the device specific parameter */
	BUFFERED_MODE_1 = 0x10,
};

/* ---- mode pages ---- */

enum mode_outcome { NO_SUCH_PAGE = 1 };

static int mode_sense(struct rsm_tape_drive *drive, uint8_t page, struct rsm_mode *ret_mode,
		      struct rsm_err *err)
{
	uint8_t list[RSM_MODE_LIST_SIZE];
	struct rsm_scsi_command command;
	struct rsm_sense sense;
	size_t length = 0;
	int r;

	for (;;) {
		rsm_mode_sense_command(&command, !drive->six, true, page, list);
		r = rsm_tape_drive_execute(drive, &command, &sense, &length, err);
		if (r < 0)
			return r;
		if (drive->six || !rsm_sense_unknown_command(&sense))
			break;
		drive->six = true;
	}
	if (sense.cause == RSM_CAUSE_ILLEGAL_REQUEST)
		return NO_SUCH_PAGE;
	if (!rsm_tape_is_good(&sense))
		return rsm_tape_drive_refuse(drive, &command, &sense, err);
	if (rsm_mode_parse(list, length, !drive->six, page, ret_mode) < 0)
		return rsm_err_set(err, EBADMSG, "%s: mode page %02Xh is damaged",
				   drive->transport->name, page);
	return 0;
}

static int mode_select(struct rsm_tape_drive *drive, struct rsm_mode *mode, struct rsm_err *err)
{
	uint8_t list[RSM_MODE_LIST_SIZE];
	struct rsm_scsi_command command;
	struct rsm_sense sense;
	int r;

	/* medium type and write protection cannot be selected; the block mode is always ours */
	mode->medium_type = 0;
	mode->device_specific =
		(uint8_t)((mode->device_specific & ~(0x80 | BUFFERED_MODE)) | BUFFERED_MODE_1);
	mode->block_length = 0;
	rsm_mode_select_command(&command, !drive->six, mode, list);
	r = rsm_tape_drive_execute(drive, &command, &sense, NULL, err);
	if (r == 0 && !drive->six && rsm_sense_unknown_command(&sense)) {
		rsm_mode_select_command(&command, false, mode, list);
		r = rsm_tape_drive_execute(drive, &command, &sense, NULL, err);
	}
	if (r < 0)
		return r;
	return rsm_tape_is_good(&sense) ? 0 : rsm_tape_drive_refuse(drive, &command, &sense, err);
}

int rsm_tape_drive_set_block_mode(struct rsm_tape_drive *drive, struct rsm_err *err)
{
	static const uint8_t pages[] = { PAGE_COMPRESSION, PAGE_CONFIGURATION, 0x00 };
	struct rsm_mode mode;
	int r = NO_SUCH_PAGE;

	/* any page will do that the drive has: what counts stands before it */
	for (size_t i = 0; i < sizeof pages && r == NO_SUCH_PAGE; i++)
		r = mode_sense(drive, pages[i], &mode, err);
	if (r < 0)
		return r;
	if (r == NO_SUCH_PAGE)
		mode = (struct rsm_mode){ 0 };
	mode.page_length = 0;
	mode.has_descriptor = true;
	return mode_select(drive, &mode, err);
}

/* ---- medium ---- */

static int read_block_limits(struct rsm_tape_drive *drive, struct rsm_tape_medium *medium,
			     struct rsm_err *err)
{
	uint8_t data[6] = { 0 };
	struct rsm_scsi_command command = rsm_tape_command(0x05, 6, RSM_TAPE_QUICK_MS);
	int r;

	command.direction = RSM_SCSI_FROM_DEVICE;
	command.data = data;
	command.data_length = sizeof data;
	r = rsm_tape_drive_run_plainly(drive, &command, err);
	if (r < 0)
		return r;
	medium->max_block_bytes = rsm_get_be24(data + 1);
	if (medium->max_block_bytes == 0) /* no limit of its own */
		medium->max_block_bytes = RSM_TAPE_MAX_TRANSFER;
	medium->min_block_bytes = rsm_get_be16(data + 4);
	return 0;
}

/* LTO's medium type: 5Ch, 6Ch ... are the WORM cartridges of generation 5, 6 ... */
static bool is_worm_type(uint8_t medium_type)
{
	return medium_type == 0x01 || ((medium_type & 0x0F) == 0x0C && medium_type >= 0x3C);
}

int rsm_tape_drive_medium(struct rsm_tape_drive *drive, struct rsm_tape_medium *ret_medium,
			  struct rsm_err *err)
{
	struct rsm_tape_medium medium = { .partitions = 1 };
	struct rsm_mode mode;
	int r;

	r = mode_sense(drive, PAGE_PARTITIONS, &mode, err);
	if (r == 0 && mode.page_length >= 4)
		medium.partitions += mode.page[3];
	if (r == NO_SUCH_PAGE)
		r = mode_sense(drive, PAGE_COMPRESSION, &mode, err);
	if (r < 0)
		return r;
	if (r == NO_SUCH_PAGE)
		mode = (struct rsm_mode){ 0 };
	medium.density = mode.density;
	medium.medium_type = mode.medium_type;
	medium.write_protected = mode.device_specific & 0x80;
	medium.worm = is_worm_type(mode.medium_type);

	r = mode_sense(drive, PAGE_MEDIUM_CONFIGURATION, &mode, err);
	if (r < 0)
		return r;
	/* an emulation that does not even know a density claims WORM for all its media */
	if (r == 0 && mode.page_length >= 3)
		medium.worm = mode.page[2] & 0x01 && medium.density != 0;
	r = read_block_limits(drive, &medium, err);
	if (r < 0)
		return r;
	*ret_medium = medium;
	return 0;
}

int rsm_tape_drive_set_compression(struct rsm_tape_drive *drive, bool on, struct rsm_err *err)
{
	struct rsm_mode mode;
	int r;

	r = mode_sense(drive, PAGE_COMPRESSION, &mode, err);
	if (r < 0)
		return r;
	if (r == NO_SUCH_PAGE || mode.page_length < 3 || (on && !(mode.page[2] & 0x40)))
		return rsm_err_set(err, EOPNOTSUPP, "%s: the drive has no compression",
				   drive->transport->name);
	if (on == !!(mode.page[2] & 0x80))
		return 0;
	mode.page[2] = (uint8_t)((mode.page[2] & 0x7F) | (on ? 0x80 : 0));
	return mode_select(drive, &mode, err);
}

/* ltfs-format.md 2. Outcome NO_SUCH_PAGE: one partition is all there can be. Units of 10^9 bytes;
 * the drive rounds up to what it can. */
static int select_partitions(struct rsm_tape_drive *drive, unsigned partitions, struct rsm_err *err)
{
	struct rsm_mode mode;
	int r;

	r = mode_sense(drive, PAGE_PARTITIONS, &mode, err);
	if (r < 0)
		return r;
	if (partitions == 1 && (r == NO_SUCH_PAGE || mode.page_length < 10))
		return NO_SUCH_PAGE;
	if (r == NO_SUCH_PAGE || mode.page_length < 10 || mode.page[2] + 1u < partitions)
		return rsm_err_set(err, EOPNOTSUPP, "%s: the medium cannot hold %u partitions",
				   drive->transport->name, partitions);
	if (mode.page_length < 12) { /* as long as one size needs: make room for the second */
		mode.page_length = 12;
		mode.page[1] = 10;
	}
	mode.page[3] = (uint8_t)(partitions - 1);
	mode.page[4] = 0x20 | (mode.page[4] & 0x1F); /* IDP: by the sizes given here */
	mode.page[6] = (uint8_t)((mode.page[6] & 0xF0) | (partitions == 2 ? 9 : 8));
	rsm_put_be16(mode.page + 8, partitions == 2 ? 1 : 0xFFFF);
	rsm_put_be16(mode.page + 10, 0xFFFF);
	return mode_select(drive, &mode, err);
}

int rsm_tape_drive_format(struct rsm_tape_drive *drive, unsigned partitions, struct rsm_err *err)
{
	struct rsm_scsi_command format = rsm_tape_command(0x04, 6, RSM_TAPE_FORMAT_MS);
	int r;

	if (partitions < 1 || partitions > 2)
		return rsm_err_set(err, EINVAL, "%s: %u partitions are not possible",
				   drive->transport->name, partitions);
	/* FORMAT MEDIUM is taken at the beginning of partition 0 only */
	r = rsm_tape_drive_locate(drive, 0, 0, err);
	if (r != 0)
		return rsm_err_fold(err, r, "%s: to the beginning", drive->transport->name);
	r = select_partitions(drive, partitions, err);
	if (r < 0)
		return r;
	if (r == NO_SUCH_PAGE)
		return rsm_tape_drive_erase(drive, false, err);
	format.cdb[2] = 0x01; /* partition the medium as page 11h says */
	r = rsm_tape_drive_run_plainly(drive, &format, err);
	if (r < 0)
		return r;
	return rsm_tape_drive_set_block_mode(drive, err);
}

int rsm_tape_drive_erase(struct rsm_tape_drive *drive, bool whole, struct rsm_err *err)
{
	struct rsm_scsi_command command = rsm_tape_command(0x19, 6, RSM_TAPE_FORMAT_MS);

	command.cdb[1] = whole;
	return rsm_tape_drive_run_plainly(drive, &command, err);
}

int rsm_tape_drive_erase_all(struct rsm_tape_drive *drive, bool (*goes_on)(void *context),
			     void *context, struct rsm_err *err)
{
	struct rsm_scsi_command command = rsm_tape_command(0x19, 6, RSM_TAPE_MOTION_MS);
	const struct rsm_scsi_command ready = rsm_tape_command(0x00, 6, RSM_TAPE_QUICK_MS);
	struct rsm_sense sense;
	int r;

	command.cdb[1] = 0x03; /* IMMED, LONG */
	r = rsm_tape_drive_run_plainly(drive, &command, err);
	while (r == 0) {
		r = rsm_tape_drive_execute(drive, &ready, &sense, NULL, err);
		if (r < 0 || rsm_tape_is_good(&sense))
			break;
		if (sense.cause != RSM_CAUSE_NOT_READY && sense.cause != RSM_CAUSE_BECOMING_READY)
			return rsm_tape_drive_refuse(drive, &command, &sense, err);
		if (goes_on && !goes_on(context))
			return rsm_err_set(err, ECANCELED, "%s: goes on erasing by itself",
					   drive->transport->name);
		rsm_clock_sleep_ns(rsm_clock_real(), RSM_SECOND_NS);
	}
	return r;
}

int rsm_tape_drive_alerts(struct rsm_tape_drive *drive, uint64_t *ret_flags, struct rsm_err *err)
{
	uint8_t data[4 + 64 * 5] = { 0 };
	struct rsm_scsi_command command = rsm_tape_command(0x4D, 10, RSM_TAPE_QUICK_MS);
	struct rsm_sense sense;
	uint64_t flags = 0;
	size_t length = 0, end;
	int r;

	command.cdb[2] = 0x40 | 0x2E; /* cumulative values */
	rsm_put_be16(command.cdb + 7, sizeof data);
	command.direction = RSM_SCSI_FROM_DEVICE;
	command.data = data;
	command.data_length = sizeof data;
	r = rsm_tape_drive_execute(drive, &command, &sense, &length, err);
	if (r < 0)
		return r;
	if (!rsm_tape_is_good(&sense) && sense.cause != RSM_CAUSE_ILLEGAL_REQUEST)
		return rsm_tape_drive_refuse(drive, &command, &sense, err);
	if (!rsm_tape_is_good(&sense) || length < 4 || (data[0] & 0x3F) != 0x2E)
		length = 4;
	end = 4 + (size_t)rsm_get_be16(data + 2);
	if (end > length)
		end = length;
	for (size_t at = 4; at + 5 <= end; at += 4 + (size_t)data[at + 3]) {
		uint16_t flag = rsm_get_be16(data + at);

		if (flag >= 1 && flag <= 64 && data[at + 3] >= 1 && data[at + 4] & 0x01)
			flags |= (uint64_t)1 << (flag - 1);
	}
	*ret_flags = flags;
	return 0;
}
