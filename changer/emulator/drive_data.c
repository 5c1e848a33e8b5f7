#include "base/bytes.h"
#include "changer/emulator/drive_private.h"
#include "changer/emulator/emulator_private.h"

/* READ(6) and WRITE(6), SSC-4 5.3 and 5.7. With FIXED the transfer length counts blocks of the mode
 * parameters' block length, which must not be 0 then.
 */
struct transfer {
	bool fixed, silent; /* FIXED, SILI */
	uint32_t length;    /* of the transfer, as the CDB has it */
	uint32_t block;	    /* bytes of a record asked for */
	uint32_t count;	    /* of records */
};

static bool parse_transfer(struct rsm_emulated_drive *drive, struct rsm_device_job *job,
			   struct transfer *ret_transfer)
{
	struct transfer transfer = { .fixed = job->cdb[1] & 0x01,
				     .silent = job->cdb[1] & 0x02,
				     .length = rsm_get_be24(job->cdb + 2) };

	transfer.block = transfer.fixed ? drive->block_length : transfer.length;
	transfer.count = transfer.fixed ? transfer.length : transfer.length != 0;
	if ((transfer.fixed && (drive->block_length == 0 || transfer.silent)) ||
	    transfer.block > RSM_DRIVE_BLOCK_LIMIT) {
		rsm_job_bad_field(job);
		return false;
	}
	*ret_transfer = transfer;
	return true;
}

/* What is left in the terms of the INFORMATION field: blocks if fixed, else bytes. */
static int64_t left_of(const struct transfer *transfer, uint32_t done)
{
	return transfer->fixed ? (int64_t)transfer->count - done : (int64_t)transfer->length;
}

/* A record of another length than asked for. True if the command ends here. */
static bool check_length(struct rsm_emulated_drive *drive, struct rsm_device_job *job,
			 const struct transfer *transfer, uint32_t done, size_t length)
{
	if (length == transfer->block)
		return false;
	/* SSC-4 7.4: with SILI and variable length neither a short nor a long record is reported */
	if (transfer->silent && (length < transfer->block || drive->block_length == 0))
		return false;
	rsm_job_check_residue(job, RSM_SENSE_ILI, 0x00, 0x00,
			      transfer->fixed ? left_of(transfer, done)
					      : (int64_t)transfer->block - (int64_t)length);
	return true;
}

static void check_read(struct rsm_emulated_drive *drive, struct rsm_device_job *job, int r,
		       const struct rsm_err *err, int64_t left)
{
	switch (r) {
	case RSM_TAP_FILEMARK:
		rsm_job_check_residue(job, RSM_SENSE_FILEMARK, 0x00, 0x01, left);
		break;
	case RSM_TAP_END: rsm_job_check_residue(job, 0x08, 0x00, 0x05, left); break;
	case RSM_TAP_NO_END: rsm_job_check_residue(job, 0x03, 0x14, 0x03, left); break;
	case RSM_TAP_DAMAGED:
	case RSM_TAP_BAD_RECORD:
		if (r == RSM_TAP_DAMAGED)
			drive->cartridge->write_protected = true;
		rsm_drive_alert(drive, RSM_ALERT_MEDIA);
		rsm_drive_alert(drive, RSM_ALERT_READ_FAILURE);
		rsm_job_check_residue(job, 0x03, 0x11, 0x00, left);
		break;
	default: rsm_drive_check_error(drive, job, r, err, false);
	}
}

void rsm_drive_read(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	const struct rsm_scsi_command *command = job->command;
	size_t room = command->direction == RSM_SCSI_FROM_DEVICE ? command->data_length : 0;
	uint8_t nothing[1], *data = room ? command->data : nothing;
	struct transfer transfer;

	if (!rsm_drive_is_ready(drive, job) || !parse_transfer(drive, job, &transfer))
		return;
	for (uint32_t done = 0; done < transfer.count; done++) {
		size_t length, space = room - job->moved, taken;
		struct rsm_err err;
		int r;

		if (space > transfer.block)
			space = transfer.block;
		r = rsm_tap_image_read(rsm_drive_image(drive), data + job->moved, space, &length,
				       &err);
		if (r != 0) {
			check_read(drive, job, r, &err, left_of(&transfer, done));
			return;
		}
		taken = length < space ? length : space;
		job->moved += taken;
		drive->bytes_read += taken;
		rsm_drive_take_time(drive, device->emulator->conf.rate_mb_s, length);
		if (check_length(drive, job, &transfer, done, length))
			return;
	}
}

/* Whether a change at the position is allowed by the medium. */
static bool may_change(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	struct rsm_tap_image *image = rsm_drive_image(drive);

	if (!rsm_drive_may_write(drive, job))
		return false;
	if (drive->cartridge->medium_type == RSM_CARTRIDGE_WORM &&
	    rsm_tap_image_block(image) < rsm_tap_image_end_block(image)) {
		rsm_job_check(job, 0x07, 0x30, 0x0C); /* WORM: overwrite attempted */
		return false;
	}
	return true;
}

static bool has_room(struct rsm_emulated_drive *drive, struct rsm_device_job *job, uint64_t bytes,
		     int64_t left)
{
	if (bytes <= rsm_cartridge_room(drive->cartridge, drive->partition))
		return true;
	rsm_job_check_residue(job, 0x0D | RSM_SENSE_EOM, 0x00, 0x02, left);
	return false;
}

/* Tells of the nearing end behind a write that was done. `before`: the room that there was. */
static void warn(struct rsm_emulated_drive *drive, struct rsm_device_job *job, uint64_t before)
{
	uint64_t room = rsm_cartridge_room(drive->cartridge, drive->partition);
	uint64_t warning = rsm_cartridge_early_warning(drive->cartridge, drive->partition);
	uint64_t programmable = warning + drive->programmable_warning_mb * (uint64_t)1000000;

	if (room < warning)
		rsm_job_check_residue(job, RSM_SENSE_EOM, 0x00, 0x02, 0);
	else if (room < programmable && before >= programmable) /* once, at the border */
		rsm_job_check_residue(job, RSM_SENSE_EOM, 0x00, 0x07, 0);
}

void rsm_drive_write(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	struct transfer transfer;
	const uint8_t *data;
	uint64_t before;

	if (!rsm_drive_is_ready(drive, job) || !parse_transfer(drive, job, &transfer))
		return;
	data = rsm_job_take(job, (size_t)transfer.block * transfer.count);
	if (!data || transfer.count == 0 || !may_change(drive, job))
		return;
	before = rsm_cartridge_room(drive->cartridge, drive->partition);
	for (uint32_t done = 0; done < transfer.count; done++) {
		struct rsm_err err;
		int r;

		if (!has_room(drive, job, rsm_tap_extent(transfer.block), left_of(&transfer, done)))
			return;
		r = rsm_cartridge_before_write(drive->cartridge, &err);
		if (r == 0)
			r = rsm_tap_image_write(rsm_drive_image(drive),
						data + (size_t)done * transfer.block,
						transfer.block, &err);
		if (r < 0) {
			rsm_drive_check_error(drive, job, r, &err, true);
			return;
		}
		drive->bytes_written += transfer.block;
		rsm_drive_take_time(drive, device->emulator->conf.rate_mb_s, transfer.block);
	}
	warn(drive, job, before);
}

void rsm_drive_write_filemarks(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	uint32_t count = rsm_get_be24(job->cdb + 2);
	bool immediate = job->cdb[1] & 0x01;
	struct rsm_err err;
	uint64_t before;
	int r = 0;

	if (job->cdb[1] & 0x02) { /* setmarks are no more */
		rsm_job_bad_field(job);
		return;
	}
	if (!rsm_drive_is_ready(drive, job) || (count && !may_change(drive, job)) ||
	    !has_room(drive, job, (uint64_t)count * 4, count))
		return;
	before = rsm_cartridge_room(drive->cartridge, drive->partition);
	if (count) {
		r = rsm_cartridge_before_write(drive->cartridge, &err);
		if (r == 0)
			r = rsm_tap_image_write_filemarks(rsm_drive_image(drive), count, &err);
	}
	if (r == 0 && !immediate)
		r = rsm_cartridge_sync(drive->cartridge, &err);
	if (r < 0)
		rsm_drive_check_error(drive, job, r, &err, true);
	else if (count)
		warn(drive, job, before);
}

void rsm_drive_erase(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	struct rsm_err err;
	int r;

	if (!rsm_drive_is_ready(drive, job) || !may_change(drive, job))
		return;
	r = rsm_cartridge_before_write(drive->cartridge, &err);
	if (r == 0)
		r = rsm_tap_image_erase(rsm_drive_image(drive), &err);
	if (r < 0)
		rsm_drive_check_error(drive, job, r, &err, true);
}

/* A cartridge that is written once can be partitioned once: before anything stands on it. */
static bool is_untouched(const struct rsm_emulated_drive *drive)
{
	const struct rsm_cartridge *cartridge = drive->cartridge;

	return cartridge->partition_count == 1 &&
	       rsm_tap_image_end_block(cartridge->partitions[0].image) == 0;
}

static void format(struct rsm_emulated_drive *drive, struct rsm_device_job *job,
		   unsigned partitions)
{
	struct rsm_err err;
	int r;

	if (drive->cartridge->medium_type == RSM_CARTRIDGE_WORM && !is_untouched(drive)) {
		rsm_job_check(job, 0x07, 0x30, 0x0C);
		return;
	}
	r = rsm_cartridge_format(drive->cartridge, partitions, drive->small_partition, &err);
	drive->partition = 0;
	if (r < 0)
		rsm_drive_check_error(drive, job, r, &err, true);
}

/* FORMAT MEDIUM (SSC-4 7.1): 0 the default, 1 partitions as mode page 11h has them, 2 both */
void rsm_drive_format(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	unsigned how = job->cdb[2] & 0x0F;

	if (!rsm_drive_is_ready(drive, job))
		return;
	if (how > 2 || rsm_get_be16(job->cdb + 3) != 0) {
		rsm_job_bad_field(job);
		return;
	}
	if (drive->partition != 0 || rsm_tap_image_block(rsm_drive_image(drive)) != 0) {
		rsm_job_check(job, 0x05, 0x3B, 0x0C); /* position past beginning of medium */
		return;
	}
	if (rsm_drive_may_write(drive, job))
		format(drive, job, how == 0 ? 1 : drive->wanted_partitions);
}

/* SET CAPACITY: only the whole tape can be had; like a format with one partition. */
void rsm_drive_set_capacity(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);

	if (!rsm_drive_is_ready(drive, job))
		return;
	if (rsm_get_be16(job->cdb + 3) != 0xFFFF) {
		rsm_job_bad_field(job);
		return;
	}
	if (!rsm_drive_may_write(drive, job))
		return;
	drive->wanted_partitions = 1;
	format(drive, job, 1);
}
