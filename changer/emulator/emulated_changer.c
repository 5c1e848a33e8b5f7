#include "changer/emulator/emulated_changer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/log.h"
#include "changer/emulator/emulator_private.h"

static struct rsm_emulated_changer *changer_of(struct rsm_device *device)
{
	return RSM_CONTAINER_OF(device, struct rsm_emulated_changer, device);
}

/* Passes on what an operator did to those who must know. */
static void notice(struct rsm_emulated_changer *changer, unsigned changed)
{
	struct rsm_emulated_element *drives;
	size_t count;

	if (changed & RSM_ELEMENTS_PORTS)
		rsm_device_attend(&changer->device, 0x28, 0x01);
	if (changed & (RSM_ELEMENTS_SLOTS | RSM_ELEMENTS_DRIVES))
		rsm_device_attend(&changer->device, 0x28, 0x00);
	if (!(changed & RSM_ELEMENTS_DRIVES))
		return;
	drives = rsm_elements_of_type(changer->elements, RSM_ELEMENT_DATA_TRANSFER, &count);
	for (size_t i = 0; i < count; i++) {
		struct rsm_emulated_drive *drive =
			rsm_emulator_find_drive(changer->device.emulator, drives[i].address);

		if (rsm_emulated_drive_insert(drive, drives[i].cartridge) < 0)
			rsm_log_warning("drive %u: out of memory", drives[i].address);
	}
}

void rsm_emulated_changer_watch(struct rsm_emulated_changer *changer)
{
	RSM_LOCK_SCOPE(&changer->device.lock);
	unsigned changed = rsm_elements_poll(changer->elements);
	struct rsm_emulated_element *element;
	struct rsm_emulated_drive *drive;
	size_t count;

	notice(changer, changed);
	changer->device.attention_count = 0; /* nobody asks */
	element = rsm_elements_of_type(changer->elements, RSM_ELEMENT_DATA_TRANSFER, &count);
	if (!element->put_in)
		return;
	element->put_in = false;
	if (changed & RSM_ELEMENTS_DRIVES)
		return;
	/* taken out and put in again since the last look */
	drive = rsm_emulator_find_drive(changer->device.emulator, element->address);
	if (rsm_emulated_drive_insert(drive, NULL) < 0 ||
	    rsm_emulated_drive_insert(drive, element->cartridge) < 0)
		rsm_log_warning("drive %u: out of memory", element->address);
}

/* The door is open while there is a file OPEN in the library's folder; a locked one does not open
 * (LOCKED says that it is). When it is closed, the robot looks into everything.
 */
static bool door_is_closed(struct rsm_emulated_changer *changer, struct rsm_device_job *job)
{
	struct rsm_emulator *emulator = changer->device.emulator;
	bool was_open = changer->open;

	changer->open = (was_open || !changer->prevented) &&
			faccessat(emulator->folder_fd, "OPEN", F_OK, 0) == 0;
	if (changer->open) {
		rsm_job_check(job, 0x02, 0x04, 0x18);
		return false;
	}
	if (was_open) {
		rsm_elements_poll(changer->elements);
		rsm_elements_look(changer->elements, 0, SIZE_MAX);
		notice(changer, RSM_ELEMENTS_SLOTS | RSM_ELEMENTS_DRIVES);
	}
	return true;
}

static void set_locked(struct rsm_emulated_changer *changer, bool locked)
{
	struct rsm_emulator *emulator = changer->device.emulator;
	int fd;

	changer->prevented = locked;
	if (!locked) {
		unlinkat(emulator->folder_fd, "LOCKED", 0);
		return;
	}
	fd = openat(emulator->folder_fd, "LOCKED", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd >= 0)
		close(fd);
}

static void test_unit_ready(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_changer *changer = changer_of(device);
	unsigned changed;

	if (!door_is_closed(changer, job))
		return;
	changed = rsm_elements_poll(changer->elements);
	if (!changed)
		return;
	notice(changer, changed);
	/* this very command shall tell it */
	device->attention_count--;
	rsm_job_check(job, 0x06, device->attentions[device->attention_count].asc,
		      device->attentions[device->attention_count].ascq);
}

static void initialize(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_changer *changer = changer_of(device);
	size_t count = SIZE_MAX;
	uint16_t first = 0;

	if (!door_is_closed(changer, job))
		return;
	if (job->cdb[0] == 0x37 && (job->cdb[1] & 0x01)) { /* RANGE */
		first = rsm_get_be16(job->cdb + 2);
		count = rsm_get_be16(job->cdb + 6);
	}
	rsm_elements_poll(changer->elements);
	/* who asks for this takes an inventory next: no attention, but the drives must know */
	notice(changer, rsm_elements_look(changer->elements, first, count) | RSM_ELEMENTS_DRIVES);
	device->attention_count = 0;
	rsm_emulator_take_time(device->emulator, device->emulator->conf.robot_s);
}

/* READ ELEMENT STATUS (SMC-3 6.11) */

enum { TAG_BYTES = 36, DESCRIPTOR_BYTES = 12, IDENTIFIER_BYTES = 4 + 24 + RSM_SERIAL_SIZE };

struct status_request {
	bool tags, identifiers;
	struct rsm_emulator *emulator;
};

/* Names that are no barcode are shown as a label that the robot cannot read. */
static void put_tag(uint8_t tag[TAG_BYTES], const char *name)
{
	size_t length = name ? strlen(name) : 0;

	memset(tag, ' ', 32);
	memset(tag + 32, 0, 4);
	if (length > 32)
		return;
	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return;
	if (length)
		memcpy(tag, name, length);
	else
		memset(tag, 0, 32);
}

static uint8_t status_flags(const struct status_request *request,
			    const struct rsm_emulated_element *element)
{
	uint8_t flags = element->cartridge || element->crowded ? 0x01 : 0x00;

	if (element->absent)
		return 0x04;
	if (element->crowded)
		flags |= 0x04;
	switch (element->type) {
	case RSM_ELEMENT_STORAGE: return flags | (element->crowded ? 0 : 0x08);
	case RSM_ELEMENT_IMPORT_EXPORT:
		if (element->by_operator)
			flags |= 0x02;
		return flags | 0x30 | (element->crowded ? 0 : 0x08);
	case RSM_ELEMENT_DATA_TRANSFER:
		if (!element->crowded && !rsm_emulated_drive_is_loaded(rsm_emulator_find_drive(
						 request->emulator, element->address)))
			flags |= 0x08;
		return flags;
	default: return flags;
	}
}

static size_t identifier_length(const struct status_request *request,
				const struct rsm_emulated_element *element)
{
	const struct rsm_device *device;

	if (!request->identifiers || element->type != RSM_ELEMENT_DATA_TRANSFER)
		return 0;
	device = rsm_emulated_drive_device(
		rsm_emulator_find_drive(request->emulator, element->address));
	return 24 + strlen(device->serial);
}

static void put_identifier(const struct status_request *request,
			   const struct rsm_emulated_element *element, size_t length,
			   uint8_t at[IDENTIFIER_BYTES])
{
	const struct rsm_device *device = rsm_emulated_drive_device(
		rsm_emulator_find_drive(request->emulator, element->address));

	at[0] = 0x02; /* ASCII */
	at[1] = 0x01; /* T10 vendor identification, as page 83h of the drive has it */
	at[3] = (uint8_t)length;
	memset(at + 4, ' ', 24);
	memcpy(at + 4, "RSMFS", 5);
	memcpy(at + 12, device->product, strnlen(device->product, 16));
	memcpy(at + 28, device->serial, strlen(device->serial));
}

static size_t descriptor_length(const struct status_request *request, size_t identifier)
{
	return DESCRIPTOR_BYTES + (request->tags ? TAG_BYTES : 0) + 4 + identifier;
}

static void put_descriptor(const struct status_request *request, struct rsm_device_job *job,
			   const struct rsm_emulated_element *element, size_t longest_identifier)
{
	uint8_t bytes[DESCRIPTOR_BYTES + TAG_BYTES + IDENTIFIER_BYTES] = { 0 };
	size_t at = DESCRIPTOR_BYTES, identifier = identifier_length(request, element);

	rsm_put_be16(bytes, element->address);
	bytes[2] = status_flags(request, element);
	if (element->crowded) {
		bytes[4] = 0x3B; /* element disabled, until somebody has put it in order */
		bytes[5] = 0x18;
	} else if (element->absent) {
		bytes[4] = 0x3B; /* medium magazine not accessible */
		bytes[5] = 0x11;
	}
	if (element->source_valid && element->cartridge) {
		bytes[9] = (uint8_t)(0x80 | (element->inverted ? 0x40 : 0));
		rsm_put_be16(bytes + 10, element->source);
	}
	if (request->tags) {
		put_tag(bytes + at, request->emulator->conf.has_barcodes || !element->cartridge
					    ? element->cartridge
					    : " ");
		at += TAG_BYTES;
	}
	if (identifier)
		put_identifier(request, element, identifier, bytes + at);
	rsm_job_put(job, bytes, descriptor_length(request, longest_identifier));
}

/* One element status page; returns its length. */
static void put_page(const struct status_request *request, struct rsm_device_job *job,
		     const struct rsm_emulated_element *list, size_t count)
{
	uint8_t header[8] = { 0 };
	size_t longest = 0, length;

	for (size_t i = 0; i < count; i++) {
		size_t identifier = identifier_length(request, &list[i]);

		if (identifier > longest)
			longest = identifier;
	}
	length = descriptor_length(request, longest);
	header[0] = (uint8_t)list->type;
	header[1] = request->tags ? 0x80 : 0x00;
	rsm_put_be16(header + 2, (uint16_t)length);
	rsm_put_be24(header + 5, (uint32_t)(length * count));
	rsm_job_put(job, header, sizeof header);
	for (size_t i = 0; i < count; i++)
		put_descriptor(request, job, &list[i], longest);
}

static void read_element_status(struct rsm_device *device, struct rsm_device_job *job)
{
	const uint8_t *cdb = job->cdb;
	struct status_request request = { .tags = cdb[1] & 0x10,
					  .identifiers = cdb[6] & 0x01,
					  .emulator = device->emulator };
	unsigned type = cdb[1] & 0x0F;
	uint16_t start = rsm_get_be16(cdb + 2), limit = rsm_get_be16(cdb + 4);
	size_t total = 0;
	uint8_t header[8] = { 0 };

	if (type > RSM_ELEMENT_DATA_TRANSFER) {
		rsm_job_bad_field(job);
		return;
	}
	if (!door_is_closed(changer_of(device), job))
		return;
	/* what is told is never old; the attention comes with the next command all the same */
	notice(changer_of(device), rsm_elements_poll(changer_of(device)->elements));
	rsm_job_reply(job, rsm_get_be24(cdb + 7));
	rsm_job_put_zeros(job, sizeof header);
	rsm_put_be16(header, 0xFFFF);
	for (unsigned t = type ? type : 1; t <= (type ? type : 4u); t++) {
		size_t count, first = 0, taken;
		struct rsm_emulated_element *list =
			rsm_elements_of_type(changer_of(device)->elements, t, &count);

		while (first < count && list[first].address < start)
			first++;
		taken = count - first < limit - total ? count - first : limit - total;
		if (taken == 0)
			continue;
		if (list[first].address < rsm_get_be16(header))
			rsm_put_be16(header, list[first].address);
		put_page(&request, job, list + first, taken);
		total += taken;
	}
	if (total == 0)
		rsm_put_be16(header, 0);
	rsm_put_be16(header + 2, (uint16_t)total);
	rsm_put_be24(header + 5, (uint32_t)(job->length - sizeof header));
	rsm_job_patch(job, 0, header, sizeof header);
}

/* MOVE MEDIUM (SMC-3 6.6) */

/* Has a look before the arm goes there: an operator may have been faster. */
static bool source_is_good(struct rsm_emulated_changer *changer, struct rsm_device_job *job,
			   struct rsm_emulated_element *source)
{
	notice(changer, rsm_elements_look_into(changer->elements, source));
	if (source->absent)
		rsm_job_check(job, 0x05, 0x3B, 0x11);
	else if (source->crowded)
		rsm_job_check(job, 0x05, 0x3B, 0x18);
	else if (!source->cartridge)
		rsm_job_check(job, 0x05, 0x3B, 0x0E);
	return rsm_job_is_good(job);
}

static bool destination_is_good(struct rsm_emulated_changer *changer, struct rsm_device_job *job,
				struct rsm_emulated_element *destination)
{
	notice(changer, rsm_elements_look_into(changer->elements, destination));
	if (destination->absent)
		rsm_job_check(job, 0x05, 0x3B, 0x11);
	else if (destination->crowded || destination->cartridge || destination->growing)
		rsm_job_check(job, 0x05, 0x3B, 0x0D);
	return rsm_job_is_good(job);
}

static void carry(struct rsm_emulated_changer *changer, struct rsm_device_job *job,
		  struct rsm_emulated_element *source, struct rsm_emulated_element *destination,
		  bool invert)
{
	struct rsm_emulator *emulator = changer->device.emulator;
	struct rsm_emulated_drive *from = NULL, *to = NULL;
	struct rsm_err err;
	int r;

	if (source->type == RSM_ELEMENT_DATA_TRANSFER)
		from = rsm_emulator_find_drive(emulator, source->address);
	if (destination->type == RSM_ELEMENT_DATA_TRANSFER)
		to = rsm_emulator_find_drive(emulator, destination->address);
	if (from && !rsm_emulated_drive_release(from)) {
		rsm_job_check(job, 0x05, 0x53, 0x02);
		return;
	}
	r = rsm_elements_carry(changer->elements, source, destination, invert, &err);
	if (from && !source->cartridge)
		rsm_emulated_drive_gone(from);
	else if (from)
		rsm_emulated_drive_kept(from);
	if (to && destination->cartridge && rsm_emulated_drive_insert(to, destination->cartridge))
		rsm_log_warning("drive %u: out of memory", destination->address);
	if (r == -ENOENT || r == -EEXIST || r == -ENOTEMPTY) {
		rsm_job_check(job, 0x05, 0x3B, r == -ENOENT ? 0x0E : 0x0D);
	} else if (r < 0) {
		rsm_log_error("%s: %s", emulator->folder, err.msg);
		rsm_job_check(job, 0x04, 0x15, 0x01);
	}
}

static void move_medium(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_changer *changer = changer_of(device);
	struct rsm_emulator *emulator = device->emulator;
	uint16_t arm = rsm_get_be16(job->cdb + 2);
	struct rsm_emulated_element *source =
		rsm_elements_find(changer->elements, rsm_get_be16(job->cdb + 4));
	struct rsm_emulated_element *destination =
		rsm_elements_find(changer->elements, rsm_get_be16(job->cdb + 6));

	bool invert = job->cdb[10] & 0x01;

	if (invert && (emulator->conf.sides != 2 || source == destination)) {
		rsm_job_bad_field(job);
		return;
	}
	if (!source || !destination || (arm && arm != emulator->conf.transport) ||
	    destination->type == RSM_ELEMENT_TRANSPORT) {
		rsm_job_check(job, 0x05, 0x21, 0x01);
		return;
	}
	if (!door_is_closed(changer, job) || !source_is_good(changer, job, source) ||
	    source == destination)
		return;
	if (!destination_is_good(changer, job, destination))
		return;
	rsm_emulator_take_time(emulator, emulator->conf.robot_s);
	carry(changer, job, source, destination, invert);
}

static void position_to_element(struct rsm_device *device, struct rsm_device_job *job)
{
	if (!rsm_elements_find(changer_of(device)->elements, rsm_get_be16(job->cdb + 4)))
		rsm_job_check(job, 0x05, 0x21, 0x01);
}

static void prevent_allow(struct rsm_device *device, struct rsm_device_job *job)
{
	if (job->cdb[4] & 0x02)
		rsm_job_bad_field(job);
	else
		set_locked(changer_of(device), job->cdb[4] & 0x01);
}

/* Mode pages (SMC-3 7.3) */

static size_t element_addresses_page(struct rsm_emulated_changer *changer, uint8_t page[20])
{
	memset(page, 0, 20);
	page[0] = 0x1D;
	page[1] = 18;
	for (unsigned type = 1; type <= 4; type++) {
		size_t count;
		struct rsm_emulated_element *list =
			rsm_elements_of_type(changer->elements, type, &count);

		if (count == 0)
			continue;
		/* hosts take first and number for a range, so it spans folders that are missing */
		rsm_put_be16(page + 2 + (type - 1) * 4, list->address);
		rsm_put_be16(page + 4 + (type - 1) * 4,
			     (uint16_t)(list[count - 1].address - list->address + 1));
	}
	return 20;
}

static size_t transport_geometry_page(struct rsm_emulated_changer *changer, uint8_t page[20])
{
	memset(page, 0, 20);
	page[0] = 0x1E;
	page[1] = 2;
	page[2] = changer->device.emulator->conf.sides == 2; /* ROTATE */
	return 4;
}

/* Where media can stand, and what can go where: everything between slots, ports and drives. */
static size_t capabilities_page(struct rsm_emulated_changer *changer, uint8_t page[20])
{
	(void)changer;
	memset(page, 0, 20);
	page[0] = 0x1F;
	page[1] = 18;
	page[2] = 0x0E;
	for (unsigned type = 2; type <= 4; type++)
		page[3 + type] = 0x0E;
	return 20;
}

static const struct {
	uint8_t code;
	size_t (*make)(struct rsm_emulated_changer *changer, uint8_t page[20]);
} pages[] = {
	{ 0x1D, element_addresses_page },
	{ 0x1E, transport_geometry_page },
	{ 0x1F, capabilities_page },
};

static void mode_sense(struct rsm_device *device, struct rsm_device_job *job)
{
	bool is_long = job->cdb[0] == 0x5A;
	uint8_t code = job->cdb[2] & 0x3F, control = job->cdb[2] >> 6;
	uint8_t header[8] = { 0 };
	size_t header_length = is_long ? 8 : 4;
	bool found = false;

	rsm_job_reply(job, is_long ? rsm_get_be16(job->cdb + 7) : job->cdb[4]);
	rsm_job_put_zeros(job, header_length);
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		uint8_t page[20];
		size_t length;

		if ((code != 0x3F && code != pages[i].code) || (job->cdb[3] && job->cdb[3] != 0xFF))
			continue;
		found = true;
		length = pages[i].make(changer_of(device), page);
		if (control == 1) /* nothing is changeable */
			memset(page + 2, 0, length - 2);
		rsm_job_put(job, page, length);
	}
	if (!found || control == 3) {
		job->moved = 0;
		if (found)
			rsm_job_check(job, 0x05, 0x39, 0x00);
		else
			rsm_job_bad_field(job);
		return;
	}
	if (is_long)
		rsm_put_be16(header, (uint16_t)(job->length - 2));
	else
		header[0] = (uint8_t)(job->length - 1);
	rsm_job_patch(job, 0, header, header_length);
}

/* Pages 00h (what there is) and 2Eh (TapeAlert of a changer: all quiet). */
static void log_sense(struct rsm_device *device, struct rsm_device_job *job)
{
	uint8_t code = job->cdb[2] & 0x3F, header[4] = { code };

	(void)device;
	if (code == 0x00) {
		static const uint8_t codes[] = { 0x00, 0x2E };

		rsm_put_be16(header + 2, sizeof codes);
		rsm_job_reply(job, rsm_get_be16(job->cdb + 7));
		rsm_job_put(job, header, sizeof header);
		rsm_job_put(job, codes, sizeof codes);
	} else if (code == 0x2E) {
		rsm_put_be16(header + 2, 32 * 5);
		rsm_job_reply(job, rsm_get_be16(job->cdb + 7));
		rsm_job_put(job, header, sizeof header);
		for (uint8_t flag = 1; flag <= 32; flag++) {
			uint8_t parameter[5] = { 0, flag, 0, 1, 0 };

			rsm_job_put(job, parameter, sizeof parameter);
		}
	} else {
		rsm_job_bad_field(job);
	}
}

static const struct rsm_device_verb verbs[256] = {
	[0x00] = { test_unit_ready },	 [0x03] = { rsm_device_request_sense },
	[0x07] = { initialize },	 [0x12] = { rsm_device_inquiry },
	[0x16] = { rsm_device_nothing }, /* RESERVE, RELEASE */
	[0x17] = { rsm_device_nothing }, [0x1A] = { mode_sense },
	[0x1D] = { rsm_device_nothing }, /* SEND DIAGNOSTIC */
	[0x1E] = { prevent_allow },	 [0x2B] = { position_to_element },
	[0x37] = { initialize },	 [0x4D] = { log_sense },
	[0x56] = { rsm_device_nothing }, [0x57] = { rsm_device_nothing },
	[0x5A] = { mode_sense },	 [0xA0] = { rsm_device_report_luns },
	[0xA5] = { move_medium },	 [0xB8] = { read_element_status },
};

int rsm_emulated_changer_new(struct rsm_emulator *emulator, struct rsm_elements *elements,
			     struct rsm_emulated_changer **ret_changer, struct rsm_err *err)
{
	struct rsm_emulated_changer *changer = calloc(1, sizeof *changer);

	if (!changer) {
		rsm_elements_close(elements);
		return rsm_err_oom(err);
	}
	rsm_device_init(&changer->device, emulator, verbs, 0, 0x08);
	snprintf(changer->device.product, sizeof changer->device.product, "Virtual library");
	snprintf(changer->device.serial, sizeof changer->device.serial, "%s",
		 emulator->conf.serial);
	changer->elements = elements;
	set_locked(changer, false); /* a crash may have left it */
	*ret_changer = changer;
	return 0;
}

void rsm_emulated_changer_free(struct rsm_emulated_changer *changer)
{
	if (!changer)
		return;
	if (!atomic_load(&changer->device.emulator->powerless))
		set_locked(changer, false);
	rsm_elements_close(changer->elements);
	rsm_device_fini(&changer->device);
	free(changer);
}
