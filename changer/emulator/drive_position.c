#include <stdlib.h>

#include "base/bytes.h"
#include "changer/emulator/drive_private.h"
#include "changer/emulator/emulator_private.h"

/* Where the head was, for the time that it takes to get elsewhere. */
static void take_way(struct rsm_emulated_drive *drive, uint64_t from)
{
	uint64_t to = rsm_tap_image_offset(rsm_drive_image(drive));

	rsm_drive_take_time(drive, drive->device.emulator->conf.locate_mb_s,
			    to > from ? to - from : from - to);
}

/* Ends a command that moved the tape, by how it ended. `left`: what was not passed. */
static void check_movement(struct rsm_emulated_drive *drive, struct rsm_device_job *job, int r,
			   const struct rsm_err *err, int64_t left)
{
	switch (r) {
	case 0: break;
	case RSM_TAP_FILEMARK:
		rsm_job_check_residue(job, RSM_SENSE_FILEMARK, 0x00, 0x01, left);
		break;
	case RSM_TAP_END: rsm_job_check_residue(job, 0x08, 0x00, 0x05, left); break;
	case RSM_TAP_BEGINNING: rsm_job_check_residue(job, RSM_SENSE_EOM, 0x00, 0x04, left); break;
	case RSM_TAP_NO_END: rsm_job_check_residue(job, 0x03, 0x14, 0x03, left); break;
	case RSM_TAP_DAMAGED:
		rsm_drive_alert(drive, RSM_ALERT_MEDIA);
		rsm_job_check_residue(job, 0x03, 0x11, 0x00, left);
		break;
	default: rsm_drive_check_error(drive, job, r, err, false);
	}
}

void rsm_drive_rewind(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	uint64_t from;
	struct rsm_err err;
	int r;

	if (!rsm_drive_is_ready(drive, job))
		return;
	from = rsm_tap_image_offset(rsm_drive_image(drive));
	drive->partition = 0;
	r = rsm_tap_image_locate(rsm_drive_image(drive), 0, &err);
	if (r == RSM_TAP_END || r == RSM_TAP_NO_END || r == RSM_TAP_DAMAGED)
		r = 0; /* the beginning of a damaged or empty partition is a place all the same */
	check_movement(drive, job, r, &err, 0);
	take_way(drive, from);
}

static int64_t get_signed24(const uint8_t *at)
{
	int64_t number = rsm_get_be24(at);

	return number & 0x800000 ? number - 0x1000000 : number;
}

void rsm_drive_space(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	int64_t count = job->cdb[0] == 0x91 ? (int64_t)rsm_get_be64(job->cdb + 4)
					    : get_signed24(job->cdb + 2);
	struct rsm_tap_image *image;
	uint64_t moved = 0, from, asked;
	struct rsm_err err;
	int r;

	if (!rsm_drive_is_ready(drive, job))
		return;
	image = rsm_drive_image(drive);
	from = rsm_tap_image_offset(image);
	switch (job->cdb[1] & 0x0F) {
	case 0x00: r = rsm_tap_image_space_blocks(image, count, &moved, &err); break;
	case 0x01: r = rsm_tap_image_space_filemarks(image, count, &moved, &err); break;
	case 0x03:
		count = 0;
		r = rsm_tap_image_locate_end(image, &err);
		break;
	default: rsm_job_bad_field(job); return;
	}
	/* SSC-4: the residue is a count, also of a movement backwards */
	asked = count < 0 ? -(uint64_t)count : (uint64_t)count;
	check_movement(drive, job, r, &err, (int64_t)(asked - moved));
	take_way(drive, from);
}

/* To a logical file: behind its number of filemarks. */
static int locate_file(struct rsm_tap_image *image, uint64_t number, struct rsm_err *err)
{
	uint64_t moved;
	int r = rsm_tap_image_locate(image, 0, err);

	if (r != 0)
		return r;
	if (number > INT64_MAX)
		number = INT64_MAX;
	return rsm_tap_image_space_filemarks(image, (int64_t)number, &moved, err);
}

static bool change_partition(struct rsm_emulated_drive *drive, struct rsm_device_job *job,
			     unsigned partition)
{
	if (partition >= drive->cartridge->partition_count) {
		rsm_job_bad_field(job);
		return false;
	}
	drive->partition = partition;
	return true;
}

void rsm_drive_locate(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	const uint8_t *cdb = job->cdb;
	bool is_long = cdb[0] == 0x92, change = cdb[1] & 0x02;
	unsigned partition = is_long ? cdb[3] : cdb[8];
	uint64_t target = is_long ? rsm_get_be64(cdb + 4) : rsm_get_be32(cdb + 3), from;
	struct rsm_tap_image *image;
	struct rsm_err err;
	int r;

	if (!rsm_drive_is_ready(drive, job))
		return;
	from = rsm_tap_image_offset(rsm_drive_image(drive));
	if (change && !change_partition(drive, job, partition))
		return;
	image = rsm_drive_image(drive);
	switch (is_long ? cdb[1] >> 3 & 0x07 : 0) {
	case 0x00: r = rsm_tap_image_locate(image, target, &err); break;
	case 0x01: r = locate_file(image, target, &err); break;
	case 0x03: r = rsm_tap_image_locate_end(image, &err); break;
	default: rsm_job_bad_field(job); return;
	}
	if (r == RSM_TAP_END)
		rsm_job_check(job, 0x08, 0x00, 0x05);
	else
		check_movement(drive, job, r, &err, 0);
	take_way(drive, from);
}

/* READ POSITION (SSC-4 7.7): BOP, EOP and BPEW of byte 0 */
static uint8_t position_flags(const struct rsm_emulated_drive *drive)
{
	uint64_t room = rsm_cartridge_room(drive->cartridge, drive->partition);
	uint64_t warning = rsm_cartridge_early_warning(drive->cartridge, drive->partition);
	uint8_t flags = 0;

	if (rsm_tap_image_block(rsm_drive_image(drive)) == 0)
		flags |= 0x80;
	if (room < warning)
		flags |= 0x40;
	if (drive->programmable_warning_mb &&
	    room < warning + drive->programmable_warning_mb * (uint64_t)1000000)
		flags |= 0x01;
	return flags;
}

static void short_position(struct rsm_emulated_drive *drive, uint8_t reply[20])
{
	uint64_t block = rsm_tap_image_block(rsm_drive_image(drive));

	reply[0] = position_flags(drive);
	if (block > UINT32_MAX) {
		reply[0] |= 0x02; /* PERR: the number does not fit */
		return;
	}
	reply[1] = (uint8_t)drive->partition;
	rsm_put_be32(reply + 4, (uint32_t)block);
	rsm_put_be32(reply + 8, (uint32_t)block);
}

void rsm_drive_read_position(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	uint8_t reply[32] = { 0 };
	struct rsm_tap_image *image;

	if (!rsm_drive_is_ready(drive, job))
		return;
	image = rsm_drive_image(drive);
	switch (job->cdb[1] & 0x1F) {
	case 0x00:
	case 0x01:
		short_position(drive, reply);
		rsm_job_reply(job, SIZE_MAX);
		rsm_job_put(job, reply, 20);
		break;
	case 0x06:
		reply[0] = position_flags(drive);
		rsm_put_be32(reply + 4, drive->partition);
		rsm_put_be64(reply + 8, rsm_tap_image_block(image));
		rsm_put_be64(reply + 16, rsm_tap_image_file_number(image));
		rsm_job_reply(job, SIZE_MAX);
		rsm_job_put(job, reply, 32);
		break;
	case 0x08:
		reply[0] = position_flags(drive);
		reply[1] = (uint8_t)drive->partition;
		rsm_put_be16(reply + 2, 28);
		rsm_put_be64(reply + 8, rsm_tap_image_block(image));
		rsm_put_be64(reply + 16, rsm_tap_image_block(image));
		rsm_job_reply(job, rsm_get_be16(job->cdb + 7));
		rsm_job_put(job, reply, 32);
		break;
	default: rsm_job_bad_field(job);
	}
}
