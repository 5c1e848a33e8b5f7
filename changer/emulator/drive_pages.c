#include <string.h>

#include "base/bytes.h"
#include "changer/emulator/drive_private.h"
#include "changer/emulator/emulator_private.h"

/* MODE SENSE and MODE SELECT of a drive (SPC-4 7.5, SSC-4 8.3). A page is made anew each time;
 * selecting changes the few fields that mean something here.
 */
enum { PAGE_ROOM = 40 };

static size_t error_recovery_page(const struct rsm_emulated_drive *drive, uint8_t *page)
{
	(void)drive;
	page[0] = 0x01;
	page[1] = 0x0A;
	return 12;
}

static size_t disconnect_page(const struct rsm_emulated_drive *drive, uint8_t *page)
{
	(void)drive;
	page[0] = 0x02;
	page[1] = 0x0E;
	return 16;
}

static size_t compression_page(const struct rsm_emulated_drive *drive, uint8_t *page)
{
	page[0] = 0x0F;
	page[1] = 0x0E;
	page[2] = 0x40 | (drive->compression ? 0x80 : 0x00); /* DCC, DCE */
	page[3] = 0x80;					     /* DDE */
	page[7] = page[11] = 0x01;
	return 16;
}

static size_t configuration_page(const struct rsm_emulated_drive *drive, uint8_t *page)
{
	page[0] = 0x10;
	page[1] = 0x0E;
	page[8] = 0x40;	 /* BIS: knows block numbers */
	page[10] = 0x18; /* EEG, SEW */
	page[14] = drive->compression;
	return 16;
}

static size_t configuration_extension_page(const struct rsm_emulated_drive *drive, uint8_t *page)
{
	page[0] = 0x50; /* SPF */
	page[1] = 0x01;
	rsm_put_be16(page + 2, 28);
	rsm_put_be16(page + 6, drive->programmable_warning_mb);
	return 32;
}

/* Sizes in 10^units bytes, as large units as show the smallest partition. */
static void put_partition_sizes(const struct rsm_cartridge *cartridge, uint8_t *page)
{
	uint64_t unit = 1, most = 0;
	uint8_t units = 0;

	for (unsigned p = 0; p < cartridge->partition_count; p++)
		if (cartridge->partitions[p].capacity > most)
			most = cartridge->partitions[p].capacity;
	while (most / unit > 0xFFFE || units < 6) {
		unit *= 10;
		units++;
	}
	page[6] = units;
	for (unsigned p = 0; p < cartridge->partition_count && p < 2; p++) {
		uint64_t size = cartridge->partitions[p].capacity / unit;

		rsm_put_be16(page + 8 + 2 * p, size ? (uint16_t)size : 1);
	}
}

static size_t partition_page(const struct rsm_emulated_drive *drive, uint8_t *page)
{
	page[0] = 0x11;
	page[1] = 0x0A;
	page[2] = 1;
	page[3] = (uint8_t)(drive->wanted_partitions - 1);
	if (atomic_load(&drive->loaded))
		page[3] = (uint8_t)(drive->cartridge->partition_count - 1);
	page[4] = 0x20 | 0x18; /* IDP; PSUM: 10^units */
	page[5] = 0x03;
	page[6] = 9;
	if (atomic_load(&drive->loaded))
		put_partition_sizes(drive->cartridge, page);
	return 12;
}

static size_t exceptions_page(const struct rsm_emulated_drive *drive, uint8_t *page)
{
	(void)drive;
	page[0] = 0x1C;
	page[1] = 0x0A;
	page[2] = 0x08; /* DEXCPT: ask, we do not tell */
	return 12;
}

static size_t medium_page(const struct rsm_emulated_drive *drive, uint8_t *page)
{
	page[0] = 0x1D;
	page[1] = 0x1E;
	if (drive->cartridge && drive->cartridge->medium_type == RSM_CARTRIDGE_WORM) {
		page[2] = 0x01; /* WORMM */
		page[4] = 0x01; /* labels may not be overwritten */
		page[5] = 0x02; /* filemarks before end of data neither */
	}
	return 32;
}

static const struct {
	uint8_t code, subcode;
	size_t (*make)(const struct rsm_emulated_drive *drive, uint8_t *page);
} pages[] = {
	{ 0x01, 0x00, error_recovery_page },
	{ 0x02, 0x00, disconnect_page },
	{ 0x0F, 0x00, compression_page },
	{ 0x10, 0x00, configuration_page },
	{ 0x10, 0x01, configuration_extension_page },
	{ 0x11, 0x00, partition_page },
	{ 0x1C, 0x00, exceptions_page },
	{ 0x1D, 0x00, medium_page },
};

/* LTO's medium types: generation in the upper half, 8 for data, Ch for WORM. */
static uint8_t medium_type(const struct rsm_emulated_drive *drive)
{
	const struct rsm_cartridge *cartridge = drive->cartridge;

	if (!cartridge)
		return 0;
	if (cartridge->medium_type == RSM_CARTRIDGE_CLEANING)
		return 0x01;
	if (!cartridge->type)
		return 0;
	return (uint8_t)(cartridge->type->generation << 4 |
			 (cartridge->medium_type == RSM_CARTRIDGE_WORM ? 0x0C : 0x08));
}

static uint8_t density(const struct rsm_emulated_drive *drive)
{
	if (drive->cartridge && drive->cartridge->type)
		return drive->cartridge->type->density;
	return drive->type->density;
}

/* The header and the block descriptor; their length. */
static size_t make_header(struct rsm_emulated_drive *drive, bool is_long, bool descriptor,
			  uint8_t header[16])
{
	size_t length = is_long ? 8 : 4;
	uint8_t *device_specific = header + (is_long ? 3 : 2);

	header[is_long ? 2 : 1] = medium_type(drive);
	*device_specific = 0x10; /* buffered mode 1 */
	if (drive->cartridge && drive->cartridge->write_protected)
		*device_specific |= 0x80;
	if (!descriptor)
		return length;
	header[is_long ? 7 : 3] = 8;
	header[length] = density(drive);
	rsm_put_be24(header + length + 5, drive->block_length);
	return length + 8;
}

static bool put_pages(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	uint8_t code = job->cdb[2] & 0x3F, control = job->cdb[2] >> 6, subcode = job->cdb[3];
	bool found = false;

	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		uint8_t page[PAGE_ROOM] = { 0 };
		size_t length;

		if ((code != 0x3F && code != pages[i].code) ||
		    (subcode != 0xFF && subcode != pages[i].subcode))
			continue;
		found = true;
		length = pages[i].make(drive, page);
		if (control == 1) { /* what is changeable: too much said is harmless here */
			size_t head = pages[i].subcode ? 4 : 2;

			memset(page + head, 0, length - head);
		}
		rsm_job_put(job, page, length);
	}
	return found;
}

void rsm_drive_mode_sense(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	bool is_long = job->cdb[0] == 0x5A;
	uint8_t header[16] = { 0 };
	size_t length = make_header(drive, is_long, !(job->cdb[1] & 0x08), header);

	rsm_job_reply(job, is_long ? rsm_get_be16(job->cdb + 7) : job->cdb[4]);
	rsm_job_put(job, header, length);
	if (job->cdb[2] >> 6 == 3) {
		job->moved = 0;
		rsm_job_check(job, 0x05, 0x39, 0x00); /* nothing is saved */
		return;
	}
	/* page 0 is no page: header and descriptor alone */
	if (!put_pages(drive, job) && (job->cdb[2] & 0x3F) != 0) {
		job->moved = 0;
		rsm_job_bad_field(job);
		return;
	}
	if (is_long)
		rsm_put_be16(header, (uint16_t)(job->length - 2));
	else
		header[0] = (uint8_t)(job->length - 1);
	rsm_job_patch(job, 0, header, length);
}

/* Mode page 11h: how many partitions the next format makes, and which is the small one. */
static bool select_partitions(struct rsm_emulated_drive *drive, const uint8_t *page, size_t length)
{
	unsigned additional = page[3];

	if (additional > 1)
		return false;
	drive->wanted_partitions = additional + 1;
	drive->small_partition = 0;
	if (additional && length >= 12 && page[4] & 0x20 &&
	    rsm_get_be16(page + 8) > rsm_get_be16(page + 10))
		drive->small_partition = 1;
	return true;
}

static bool select_page(struct rsm_emulated_drive *drive, const uint8_t *page, size_t length)
{
	uint8_t code = page[0] & 0x3F, subcode = page[0] & 0x40 ? page[1] : 0;

	if (code == 0x0F && length >= 4) {
		drive->compression = page[2] & 0x80;
		return true;
	}
	if (code == 0x10 && subcode == 0x01 && length >= 8) {
		drive->programmable_warning_mb = rsm_get_be16(page + 6);
		return true;
	}
	if (code == 0x11 && subcode == 0 && length >= 8)
		return select_partitions(drive, page, length);
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
		if (pages[i].code == code && pages[i].subcode == subcode)
			return true;
	return false;
}

static bool select_descriptor(struct rsm_emulated_drive *drive, const uint8_t *descriptor)
{
	uint32_t block = rsm_get_be24(descriptor + 5);

	if (block > RSM_DRIVE_BLOCK_LIMIT ||
	    (descriptor[0] != 0x00 && descriptor[0] != 0x7F && descriptor[0] != density(drive)))
		return false;
	drive->block_length = block;
	return true;
}

void rsm_drive_mode_select(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	bool is_long = job->cdb[0] == 0x55;
	size_t length = is_long ? rsm_get_be16(job->cdb + 7) : job->cdb[4];
	size_t at = is_long ? 8 : 4, descriptor;
	const uint8_t *list;

	if (job->cdb[1] & 0x01) { /* SP: nothing is saved */
		rsm_job_bad_field(job);
		return;
	}
	if (length == 0)
		return;
	list = rsm_job_take(job, length);
	if (!list)
		return;
	if (length < at) {
		rsm_job_check(job, 0x05, 0x1A, 0x00); /* parameter list length error */
		return;
	}
	descriptor = is_long ? rsm_get_be16(list + 6) : list[3];
	if ((descriptor != 0 && descriptor != 8) || length - at < descriptor) {
		rsm_job_bad_parameter(job);
		return;
	}
	if (descriptor && !select_descriptor(drive, list + at)) {
		rsm_job_bad_parameter(job);
		return;
	}
	for (at += descriptor; at < length;) {
		bool is_sub = list[at] & 0x40;
		size_t head = is_sub ? 4 : 2, page;

		if (length - at < head) {
			rsm_job_check(job, 0x05, 0x1A, 0x00);
			return;
		}
		page = head + (is_sub ? rsm_get_be16(list + at + 2) : list[at + 1]);
		if (length - at < page) {
			rsm_job_check(job, 0x05, 0x1A, 0x00);
			return;
		}
		if (!select_page(drive, list + at, page)) {
			rsm_job_bad_parameter(job);
			return;
		}
		at += page;
	}
}
