#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "changer/emulator/drive_private.h"
#include "changer/emulator/emulator_private.h"
#include "changer/medium_memory.h"

/* What a drive tells of itself and its medium: log pages, densities, limits, and the memory. */

void rsm_drive_read_block_limits(struct rsm_device *device, struct rsm_device_job *job)
{
	uint8_t reply[6] = { 0 };

	(void)device;
	rsm_put_be24(reply + 1, RSM_DRIVE_BLOCK_LIMIT);
	rsm_put_be16(reply + 4, 1);
	rsm_job_reply(job, SIZE_MAX);
	rsm_job_put(job, reply, sizeof reply);
}

/* REPORT DENSITY SUPPORT (SSC-4 7.10): what the drive, or the medium in it, can be written as */
static void put_density(struct rsm_device_job *job, const struct rsm_lto *type, bool writable,
			bool is_default)
{
	uint8_t bytes[52] = { type->density, type->density };
	char description[21];

	bytes[2] = (writable ? 0x80 : 0x00) | (is_default ? 0x20 : 0x00);
	rsm_put_be24(bytes + 5, type->bits_per_mm);
	rsm_put_be16(bytes + 8, 127); /* tenths of a millimetre */
	rsm_put_be16(bytes + 10, type->tracks);
	rsm_put_be32(bytes + 12, (uint32_t)((type->capacity_mib << 20) / 1000000));
	memset(bytes + 16, ' ', 36);
	memcpy(bytes + 16, "LTO-CVE", 7);
	memcpy(bytes + 24, type->density_name, strlen(type->density_name));
	snprintf(description, sizeof description, "Ultrium %u", type->generation);
	memcpy(bytes + 32, description, strlen(description));
	rsm_job_put(job, bytes, sizeof bytes);
}

void rsm_drive_report_density(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	unsigned own = drive->type->generation;
	bool of_medium = job->cdb[1] & 0x01;
	uint8_t length[2];

	if (job->cdb[1] & 0x02) { /* medium types, not densities */
		rsm_job_bad_field(job);
		return;
	}
	if (of_medium && !rsm_drive_is_ready(drive, job))
		return;
	rsm_job_reply(job, rsm_get_be16(job->cdb + 7));
	rsm_job_put_zeros(job, 4);
	for (unsigned generation = 5; generation <= 9; generation++) {
		const struct rsm_lto *type = rsm_lto_by_generation(generation);
		enum rsm_lto_access access = rsm_lto_access(own, generation);

		if (access != RSM_LTO_NONE && (!of_medium || type == drive->cartridge->type))
			put_density(job, type, access == RSM_LTO_WRITES, generation == own);
	}
	rsm_put_be16(length, (uint16_t)(job->length - 2));
	rsm_job_patch(job, 0, length, sizeof length);
}

/* LOG SENSE (SPC-4 7.3, SSC-4 8.2) */

static void put_parameter(struct rsm_device_job *job, uint16_t code, uint64_t value, unsigned bytes)
{
	uint8_t parameter[4 + 8], field[8];

	rsm_put_be16(parameter, code);
	parameter[2] = 0x03; /* binary, list parameter */
	parameter[3] = (uint8_t)bytes;
	rsm_put_be64(field, value);
	memcpy(parameter + 4, field + 8 - bytes, bytes);
	rsm_job_put(job, parameter, 4 + bytes);
}

static void put_write_errors(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	put_parameter(job, 0x0003, 0, 4);
	put_parameter(job, 0x0005, drive->bytes_written, 8);
	put_parameter(job, 0x0006, 0, 4);
}

static void put_read_errors(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	put_parameter(job, 0x0003, 0, 4);
	put_parameter(job, 0x0005, drive->bytes_read, 8);
	put_parameter(job, 0x0006, 0, 4);
}

static void put_sequential(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	put_parameter(job, 0x0000, drive->bytes_written, 8);
	put_parameter(job, 0x0001, drive->bytes_written, 8);
	put_parameter(job, 0x0002, drive->bytes_read, 8);
	put_parameter(job, 0x0003, drive->bytes_read, 8);
	put_parameter(job, 0x0100, rsm_drive_is_unclean(drive), 8);
}

/* Capacities of each partition in MB: maximum, used, remaining. */
static void put_partition_records(struct rsm_emulated_drive *drive, struct rsm_device_job *job,
				  uint16_t code)
{
	struct rsm_cartridge *cartridge = drive->cartridge;
	uint8_t header[4] = { (uint8_t)(code >> 8), (uint8_t)code, 0x03,
			      (uint8_t)(8 * cartridge->partition_count) };

	rsm_job_put(job, header, sizeof header);
	for (unsigned p = 0; p < cartridge->partition_count; p++) {
		uint64_t capacity = cartridge->partitions[p].capacity;
		uint64_t used = rsm_tap_image_end_offset(cartridge->partitions[p].image);
		uint64_t value = code == 0x0202	  ? capacity
				 : code == 0x0203 ? used
						  : (capacity > used ? capacity - used : 0);
		uint8_t record[8] = { 7 };

		rsm_put_be16(record + 2, (uint16_t)p);
		rsm_put_be32(record + 4, (uint32_t)(value / 1000000));
		rsm_job_put(job, record, sizeof record);
	}
}

static void put_volume_statistics(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	bool loaded = atomic_load(&drive->loaded);

	put_parameter(job, 0x0000, loaded, 1);
	if (!loaded)
		return;
	put_parameter(job, 0x0001, drive->loads, 4);
	put_parameter(job, 0x0080, drive->cartridge->write_protected, 1);
	put_parameter(job, 0x0081, drive->cartridge->medium_type == RSM_CARTRIDGE_WORM, 1);
	put_partition_records(drive, job, 0x0202);
	put_partition_records(drive, job, 0x0203);
	put_partition_records(drive, job, 0x0204);
}

static void put_alerts(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	for (uint16_t flag = 1; flag <= 64; flag++)
		put_parameter(job, flag, drive->alerts >> (flag - 1) & 1, 1);
	/* told once; what persists is raised again */
	drive->alerts = 0;
}

/* Tape capacity of the first LTO generations: remaining and maximum MiB of partitions 0 and 1 */
static void put_capacities(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	bool loaded = atomic_load(&drive->loaded);

	for (uint16_t code = 1; code <= 4; code++) {
		unsigned p = (code - 1) & 1;
		uint64_t value = 0;

		if (loaded && p < drive->cartridge->partition_count) {
			uint64_t used =
				rsm_tap_image_end_offset(drive->cartridge->partitions[p].image);

			value = drive->cartridge->partitions[p].capacity;
			if (code <= 2)
				value = value > used ? value - used : 0;
		}
		put_parameter(job, code, value >> 20, 4);
	}
}

static void put_list(struct rsm_emulated_drive *drive, struct rsm_device_job *job);

static const struct {
	uint8_t code;
	void (*put)(struct rsm_emulated_drive *drive, struct rsm_device_job *job);
} log_pages[] = {
	{ 0x00, put_list },	  { 0x02, put_write_errors },	   { 0x03, put_read_errors },
	{ 0x0C, put_sequential }, { 0x17, put_volume_statistics }, { 0x2E, put_alerts },
	{ 0x31, put_capacities },
};

static void put_list(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	(void)drive;
	for (size_t i = 0; i < sizeof log_pages / sizeof *log_pages; i++)
		rsm_job_put(job, &log_pages[i].code, 1);
}

void rsm_drive_log_sense(struct rsm_device *device, struct rsm_device_job *job)
{
	uint8_t code = job->cdb[2] & 0x3F, header[4] = { code };

	if (job->cdb[3]) { /* no subpages */
		rsm_job_bad_field(job);
		return;
	}
	for (size_t i = 0; i < sizeof log_pages / sizeof *log_pages; i++) {
		if (log_pages[i].code != code)
			continue;
		rsm_job_reply(job, rsm_get_be16(job->cdb + 7));
		rsm_job_put_zeros(job, sizeof header);
		log_pages[i].put(rsm_drive_of(device), job);
		rsm_put_be16(header + 2, (uint16_t)(job->length - sizeof header));
		rsm_job_patch(job, 0, header, sizeof header);
		return;
	}
	rsm_job_bad_field(job);
}

/* READ ATTRIBUTE and WRITE ATTRIBUTE (SPC-4 6.17, 6.44) */

static bool has_partition(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	if (!rsm_drive_has_memory(drive, job))
		return false;
	if (job->cdb[5] == 0 && job->cdb[7] < drive->cartridge->partition_count)
		return true;
	rsm_job_bad_field(job);
	return false;
}

/* The attribute of a partition with the least id of at least `from`, wherever it stands. */
static const struct rsm_mam_attribute *next_attribute(struct rsm_emulated_drive *drive,
						      unsigned partition, uint32_t from)
{
	const struct rsm_mam_attribute *own, *wide;

	if (from > 0xFFFF)
		return NULL;
	own = rsm_mam_file_from(&drive->cartridge->partitions[partition].mam, (uint16_t)from);
	if (partition == 0)
		return own;
	wide = rsm_mam_file_from(&drive->cartridge->partitions[0].mam, (uint16_t)from);
	while (wide && rsm_cartridge_memory(drive->cartridge, partition, wide->id) !=
			       &drive->cartridge->partitions[0].mam)
		wide = wide->id == 0xFFFF ? NULL
					  : rsm_mam_file_from(&drive->cartridge->partitions[0].mam,
							      (uint16_t)(wide->id + 1));
	if (!own || !wide)
		return own ? own : wide;
	return wide->id <= own->id ? wide : own;
}

static void put_attributes(struct rsm_emulated_drive *drive, struct rsm_device_job *job,
			   uint16_t first, bool values)
{
	unsigned partition = job->cdb[7];
	const struct rsm_mam_attribute *at;

	for (uint32_t from = first; (at = next_attribute(drive, partition, from));
	     from = (uint32_t)at->id + 1) {
		uint8_t header[5];

		rsm_put_be16(header, at->id);
		header[2] = at->flags;
		rsm_put_be16(header + 3, at->length);
		rsm_job_put(job, header, values ? 5 : 2);
		if (values)
			rsm_job_put(job, at->value, at->length);
		/* what somebody has read must differ after the next write */
		if (values && at->id == RSM_MAM_VOLUME_CHANGE_REFERENCE)
			drive->cartridge->reference_is_due = true;
	}
}

void rsm_drive_read_attribute(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	unsigned action = job->cdb[1] & 0x1F;
	uint16_t first = rsm_get_be16(job->cdb + 8);
	const struct rsm_mam_attribute *at;
	uint8_t length[4];

	if (action > 0x03) {
		rsm_job_bad_field(job);
		return;
	}
	if (!has_partition(drive, job))
		return;
	if (atomic_load(&drive->loaded))
		rsm_cartridge_note_remaining(drive->cartridge);
	at = next_attribute(drive, job->cdb[7], first);
	if (action == 0x00 && (!at || at->id != first)) {
		rsm_job_bad_field(job);
		return;
	}
	rsm_job_reply(job, rsm_get_be32(job->cdb + 10));
	rsm_job_put_zeros(job, sizeof length);
	if (action <= 0x01) {
		put_attributes(drive, job, first, action == 0x00);
	} else { /* lists of logical volumes and of partitions: the first and how many */
		uint8_t range[2] = { 0, action == 0x02
						? 1
						: (uint8_t)drive->cartridge->partition_count };

		rsm_job_put(job, range, sizeof range);
	}
	rsm_put_be32(length, (uint32_t)(job->length - sizeof length));
	rsm_job_patch(job, 0, length, sizeof length);
}

/* Hosts write 0800h-0BFFh and, vendor-specific, 1400h-17FFh. */
static bool is_for_hosts(uint16_t id)
{
	return (id >= 0x0800 && id < 0x0C00) || (id >= 0x1400 && id < 0x1800);
}

static bool check_list(struct rsm_device_job *job, const uint8_t *list, size_t length)
{
	for (size_t at = 0; at < length;) {
		size_t left = length - at;

		if (left < RSM_MAM_HEADER_BYTES ||
		    left - RSM_MAM_HEADER_BYTES < rsm_get_be16(list + at + 3)) {
			rsm_job_check(job, 0x05, 0x1A, 0x00); /* parameter list length error */
			return false;
		}
		if (!is_for_hosts(rsm_get_be16(list + at)) || (list[at + 2] & 0x03) > 2) {
			rsm_job_bad_parameter(job);
			return false;
		}
		at += RSM_MAM_HEADER_BYTES + rsm_get_be16(list + at + 3);
	}
	return true;
}

static int apply_list(struct rsm_emulated_drive *drive, unsigned partition, const uint8_t *list,
		      size_t length)
{
	for (size_t at = 0; at < length;) {
		uint16_t id = rsm_get_be16(list + at), bytes = rsm_get_be16(list + at + 3);
		struct rsm_mam_file *mam = rsm_cartridge_memory(drive->cartridge, partition, id);
		int r = 0;

		if (bytes == 0)
			rsm_mam_file_delete(mam, id);
		else
			r = rsm_mam_file_set(mam, id, list[at + 2] & 0x03,
					     list + at + RSM_MAM_HEADER_BYTES, bytes);
		if (r < 0)
			return r;
		at += RSM_MAM_HEADER_BYTES + bytes;
	}
	return 0;
}

void rsm_drive_write_attribute(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	uint32_t length = rsm_get_be32(job->cdb + 10);
	const uint8_t *list;
	struct rsm_err err;
	int r;

	if (!has_partition(drive, job) || !rsm_drive_may_write(drive, job) || length == 0)
		return;
	list = rsm_job_take(job, length);
	if (!list)
		return;
	if (length < 4 || rsm_get_be32(list) > length - 4) {
		rsm_job_check(job, 0x05, 0x1A, 0x00);
		return;
	}
	length = rsm_get_be32(list);
	if (!check_list(job, list + 4, length))
		return;
	r = apply_list(drive, job->cdb[7], list + 4, length);
	if (r == -ENOSPC) {
		rsm_job_check(job, 0x05, 0x55, 0x06); /* auxiliary memory out of space */
		return;
	}
	/* in the file at once; on the disk with the next synchronising filemark or unload */
	r = r < 0 ? rsm_err_oom(&err) : rsm_cartridge_save_memory(drive->cartridge, false, &err);
	if (r < 0)
		rsm_drive_check_error(drive, job, r, &err, true);
}
