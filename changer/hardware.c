#include "changer/hardware.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/log.h"
#include "changer/emulator/emulator.h"
#include "changer/scsi_device.h"
#include "changer/scsi_sg.h"

/* A stand-alone drive has no element address; people call it drive 1. */
enum { ALONE = 1 };

/* ---- what a drive writes ---- */

/* REPORT DENSITY SUPPORT (SSC-4 7.10): descriptors of 52 bytes. Nothing from a drive that does not
 * know it.
 */
static struct rsm_media_reach ask_densities(struct rsm_tape_drive *drive)
{
	uint8_t data[4 + 52 * 16] = { 0 };
	struct rsm_scsi_command command = {
		.cdb = { 0x44 },
		.cdb_length = 10,
		.direction = RSM_SCSI_FROM_DEVICE,
		.data = data,
		.data_length = sizeof data,
		.timeout_ms = 60 * 1000,
	};
	struct rsm_media_reach reach = { 0 };
	struct rsm_sense sense;
	size_t length = 0, end;

	rsm_put_be16(command.cdb + 7, sizeof data);
	if (rsm_tape_drive_execute(drive, &command, &sense, &length, NULL) < 0 ||
	    sense.cause != RSM_CAUSE_NONE || length < 4)
		return reach;
	end = 2 + (size_t)rsm_get_be16(data);
	if (end > length)
		end = length;
	for (size_t at = 4; at + 52 <= end; at += 52)
		rsm_media_reach_add(&reach, data[at], data[at + 2] & 0x80);
	return reach;
}

/* ---- building ---- */

static struct rsm_hardware_drive *grow_drives(struct rsm_hardware *hardware)
{
	struct rsm_hardware_drive *drives =
		realloc(hardware->drives, (hardware->drive_count + 1) * sizeof *drives);

	if (!drives)
		return NULL;
	hardware->drives = drives;
	memset(&drives[hardware->drive_count], 0, sizeof *drives);
	return &drives[hardware->drive_count];
}

static int add_drive(struct rsm_hardware *hardware, struct rsm_scsi_transport *transport,
		     uint16_t element, const char *node, struct rsm_err *err)
{
	struct rsm_hardware_drive *drive = grow_drives(hardware);
	const char *type;
	int r;

	if (!drive) {
		rsm_scsi_transport_free(transport);
		return rsm_err_oom(err);
	}
	r = rsm_tape_drive_new(transport, &drive->drive, err);
	if (r < 0)
		return r;
	drive->element = element;
	snprintf(drive->node, sizeof drive->node, "%s", node);
	drive->reach = ask_densities(drive->drive);
	type = rsm_media_reach_best(&drive->reach);
	if (!*type)
		type = rsm_media_type_of_product(rsm_tape_drive_identity(drive->drive)->product);
	if (!*type) {
		rsm_err_set(err, ENODEV, "%s: does not tell what media it takes (%s %s)", node,
			    rsm_tape_drive_identity(drive->drive)->vendor,
			    rsm_tape_drive_identity(drive->drive)->product);
		rsm_tape_drive_free(drive->drive);
		return -ENODEV;
	}
	if (!drive->reach.reads)
		drive->reach = rsm_media_reach_of_type(type);
	snprintf(drive->type, sizeof drive->type, "%s", type);
	hardware->drive_count++;
	return 0;
}

static int trace_if(bool wanted, struct rsm_scsi_transport **transport, struct rsm_err *err)
{
	struct rsm_scsi_transport *inner = *transport;

	if (!wanted)
		return 0;
	*transport = NULL;
	return rsm_scsi_trace_new(inner, transport, err);
}

static int open_node(const char *node, bool trace, struct rsm_scsi_transport **ret_transport,
		     struct rsm_device_identity *ret_identity, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_scsi_transport_free) struct rsm_scsi_transport *transport = NULL;
	int r;

	r = rsm_scsi_sg_open(node, &transport, err);
	if (r < 0)
		return r;
	r = trace_if(trace, &transport, err);
	if (r < 0)
		return r;
	r = rsm_scsi_device_identify(transport, ret_identity, err);
	if (r < 0)
		return r;
	*ret_transport = RSM_STEAL(transport);
	return 0;
}

/* ---- a virtual library ---- */

static int open_virtual(struct rsm_hardware *hardware, const char *folder,
			const struct rsm_hardware_options *options, struct rsm_err *err)
{
	struct rsm_scsi_transport *transport = NULL;
	const uint16_t *elements;
	size_t count;
	int r;

	if (options->drives)
		return rsm_err_set(err, EINVAL,
				   "%s: is a virtual library, drives cannot be named for it",
				   folder);
	hardware->is_virtual = true;
	if (!realpath(folder, hardware->source))
		return rsm_err_errno(err, "%s", folder);
	r = rsm_emulator_open(hardware->source, rsm_clock_real(), &hardware->emulator, err);
	if (r < 0)
		return r;
	hardware->is_instant = !rsm_emulator_takes_time(hardware->emulator);
	if (rsm_emulator_has_changer(hardware->emulator)) {
		r = rsm_emulator_changer(hardware->emulator, &transport, err);
		if (r == 0)
			r = trace_if(options->trace, &transport, err);
		if (r == 0)
			r = rsm_medium_changer_new(transport, &hardware->changer, err);
		if (r == 0)
			r = rsm_medium_changer_learn_rotation(hardware->changer, err);
	}
	if (r < 0)
		return r;
	elements = rsm_emulator_drives(hardware->emulator, &count);
	for (size_t i = 0; i < count; i++) {
		r = rsm_emulator_drive(hardware->emulator, elements[i], &transport, err);
		if (r == 0)
			r = trace_if(options->trace, &transport, err);
		if (r == 0)
			r = add_drive(hardware, transport, elements[i], "", err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the drives of a changer ---- */

struct candidate {
	char node[RSM_SCSI_SG_NODE_SIZE];
	char serial[RSM_SERIAL_SIZE];
	struct rsm_scsi_transport *transport;
};

struct bay {
	uint16_t element;
	char serial[RSM_SERIAL_SIZE];
	struct candidate *drive;
};

static bool serials_match(const struct bay *bay, const struct candidate *drive, bool exactly)
{
	size_t length = strlen(bay->serial);

	if (!drive->transport || length < 2)
		return false;
	return exactly ? strcmp(bay->serial, drive->serial) == 0
		       : strncmp(bay->serial, drive->serial, length) == 0;
}

static bool is_taken(const struct bay *bays, size_t bay_count, const struct candidate *drive)
{
	for (size_t i = 0; i < bay_count; i++)
		if (bays[i].drive == drive ||
		    (bays[i].drive && strcmp(bays[i].drive->serial, drive->serial) == 0))
			return true;
	return false;
}

/* By whole serial numbers first; then by beginnings, for changers that cut their reply short, if
 * only one drive is left that fits. A drive with two paths is taken by its first.
 */
static void match_serials(struct bay *bays, size_t bay_count, struct candidate *drives,
			  size_t drive_count)
{
	for (int exactly = 1; exactly >= 0; exactly--)
		for (size_t i = 0; i < bay_count; i++) {
			struct candidate *found = NULL;
			bool several = false;

			if (bays[i].drive)
				continue;
			for (size_t k = 0; k < drive_count; k++) {
				if (!serials_match(&bays[i], &drives[k], exactly) ||
				    is_taken(bays, bay_count, &drives[k]))
					continue;
				several = found && strcmp(found->serial, drives[k].serial) != 0;
				if (several)
					break;
				if (!found)
					found = &drives[k];
			}
			if (!several)
				bays[i].drive = found;
		}
}

static int list_bays(struct rsm_hardware *hardware, struct bay **ret_bays, size_t *ret_count,
		     struct rsm_err *err)
{
	RSM_FREE struct rsm_element *elements = NULL;
	struct bay *bays;
	size_t count, found = 0;
	int r;

	r = rsm_medium_changer_inventory(hardware->changer, &elements, &count, err);
	if (r < 0)
		return r;
	bays = calloc(count + 1, sizeof *bays);
	if (!bays)
		return rsm_err_oom(err);
	for (size_t i = 0; i < count; i++) {
		if (elements[i].type != RSM_ELEMENT_DATA_TRANSFER)
			continue;
		bays[found].element = elements[i].address;
		memcpy(bays[found].serial, elements[i].serial, sizeof bays[found].serial);
		found++;
	}
	*ret_bays = bays;
	*ret_count = found;
	return 0;
}

static int add_bays(struct rsm_hardware *hardware, const struct bay *bays, size_t count,
		    struct rsm_err *err)
{
	int r;

	for (size_t i = 0; i < count; i++) {
		if (!bays[i].drive)
			continue;
		r = add_drive(hardware, RSM_STEAL(bays[i].drive->transport), bays[i].element,
			      bays[i].drive->node, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Opens all tape drives of the machine; one that cannot be opened need not be ours. */
static int open_candidates(const struct rsm_hardware_options *options,
			   struct candidate **ret_candidates, size_t *ret_count,
			   struct rsm_err *ret_trouble, struct rsm_err *err)
{
	RSM_FREE char(*nodes)[RSM_SCSI_SG_NODE_SIZE] = NULL;
	struct rsm_device_identity identity;
	struct candidate *candidates;
	struct rsm_err trouble;
	size_t count;
	int r;

	r = rsm_scsi_sg_list_tapes("/sys", &nodes, &count, err);
	if (r < 0)
		return r;
	candidates = calloc(count + 1, sizeof *candidates);
	if (!candidates)
		return rsm_err_oom(err);
	for (size_t i = 0; i < count; i++) {
		memcpy(candidates[i].node, nodes[i], sizeof candidates[i].node);
		r = open_node(nodes[i], options->trace, &candidates[i].transport, &identity,
			      &trouble);
		if (r == 0)
			memcpy(candidates[i].serial, identity.serial, sizeof identity.serial);
		else if (ret_trouble->code == 0)
			*ret_trouble = trouble;
	}
	*ret_candidates = candidates;
	*ret_count = count;
	return 0;
}

static int discover_drives(struct rsm_hardware *hardware,
			   const struct rsm_hardware_options *options, struct bay *bays,
			   size_t bay_count, struct rsm_err *err)
{
	RSM_FREE struct candidate *drives = NULL;
	struct rsm_err trouble = { 0 };
	size_t count = 0;
	int r;

	r = open_candidates(options, &drives, &count, &trouble, err);
	if (r < 0)
		return r;
	match_serials(bays, bay_count, drives, count);
	r = add_bays(hardware, bays, bay_count, err);
	for (size_t i = 0; i < count; i++)
		rsm_scsi_transport_free(drives[i].transport);
	if (r < 0)
		return r;
	if (hardware->drive_count == 0 && trouble.code)
		return rsm_err_set(err, trouble.code, "%s: none of its drives was found: %s",
				   hardware->source, trouble.msg);
	if (hardware->drive_count == 0)
		return rsm_err_set(err, ENODEV,
				   "%s: none of its %zu drives was found among %zu tape devices, "
				   "name them with -o drives=",
				   hardware->source, bay_count, count);
	for (size_t i = 0; i < bay_count; i++)
		if (!bays[i].drive && bays[i].serial[0])
			rsm_log_warning("drive %u of %s (serial number %s) was not found among "
					"the tape devices, ignoring it",
					bays[i].element, hardware->source, bays[i].serial);
	return 0;
}

/* -o drives=/dev/sg1:/dev/sg2, in the order of the elements. */
static int take_named_drives(struct rsm_hardware *hardware,
			     const struct rsm_hardware_options *options, const struct bay *bays,
			     size_t bay_count, struct rsm_err *err)
{
	RSM_FREE char *list = strdup(options->drives);
	struct rsm_scsi_transport *transport;
	struct rsm_device_identity identity;
	char *rest = NULL, *node;
	size_t i = 0;
	int r;

	if (!list)
		return rsm_err_oom(err);
	for (node = strtok_r(list, ":", &rest); node; node = strtok_r(NULL, ":", &rest), i++) {
		if (i == bay_count)
			return rsm_err_set(err, EINVAL,
					   "%s: has %zu drives, but drives=%s names more",
					   hardware->source, bay_count, options->drives);
		r = open_node(node, options->trace, &transport, &identity, err);
		if (r == 0)
			r = add_drive(hardware, transport, bays[i].element, transport->name, err);
		if (r < 0)
			return rsm_err_wrap(err, r, "drives=%s", options->drives);
	}
	if (i == 0)
		return rsm_err_set(err, EINVAL, "drives=%s names no drive", options->drives);
	return 0;
}

static int open_changer(struct rsm_hardware *hardware, const struct rsm_hardware_options *options,
			struct rsm_scsi_transport *transport, struct rsm_err *err)
{
	RSM_FREE struct bay *bays = NULL;
	size_t count = 0;
	int r;

	/* whether its robot rotates is not asked: the drives that are known here are for tapes with
	 * one side, and one that turns such a cartridge over would jam */
	r = rsm_medium_changer_new(transport, &hardware->changer, err);
	if (r == 0)
		r = list_bays(hardware, &bays, &count, err);
	if (r < 0)
		return r;
	if (options->drives)
		return take_named_drives(hardware, options, bays, count, err);
	return discover_drives(hardware, options, bays, count, err);
}

static int open_device(struct rsm_hardware *hardware, const struct rsm_hardware_options *options,
		       struct rsm_err *err)
{
	struct rsm_scsi_transport *transport = NULL;
	struct rsm_device_identity identity;
	int r;

	r = open_node(hardware->source, options->trace, &transport, &identity, err);
	if (r < 0)
		return r;
	if (identity.device_type == 0x08)
		return open_changer(hardware, options, transport, err);
	if (identity.device_type == 0x01 && !options->drives)
		return add_drive(hardware, transport, ALONE, transport->name, err);
	rsm_scsi_transport_free(transport);
	if (identity.device_type == 0x01)
		return rsm_err_set(err, EINVAL,
				   "%s: is a tape drive itself, drives cannot be named for it",
				   hardware->source);
	return rsm_err_set(err, ENODEV, "%s: is neither a medium changer nor a tape drive (%s %s)",
			   hardware->source, identity.vendor, identity.product);
}

/* ---- the public side ---- */

void rsm_hardware_close(struct rsm_hardware *hardware)
{
	if (!hardware)
		return;
	for (size_t i = 0; i < hardware->drive_count; i++)
		rsm_tape_drive_free(hardware->drives[i].drive);
	free(hardware->drives);
	rsm_medium_changer_free(hardware->changer);
	rsm_emulator_close(hardware->emulator);
	free(hardware);
}

int rsm_hardware_open(const char *library, const struct rsm_hardware_options *options,
		      struct rsm_hardware **ret_hardware, struct rsm_err *err)
{
	static const struct rsm_hardware_options defaults = { 0 };
	RSM_CLEANUP(rsm_hardware_close) struct rsm_hardware *hardware = calloc(1, sizeof *hardware);
	struct stat st;
	int r;

	if (!hardware)
		return rsm_err_oom(err);
	if (!options)
		options = &defaults;
	if (stat(library, &st) < 0)
		return rsm_err_errno(err, "%s", library);
	if (strlen(library) >= sizeof hardware->source)
		return rsm_err_set(err, ENAMETOOLONG, "%s: name too long", library);
	snprintf(hardware->source, sizeof hardware->source, "%s", library);
	if (S_ISDIR(st.st_mode))
		r = open_virtual(hardware, library, options, err);
	else if (S_ISCHR(st.st_mode))
		r = open_device(hardware, options, err);
	else
		r = rsm_err_set(err, EINVAL,
				"%s: is neither a folder (a virtual library) nor a SCSI device",
				library);
	if (r < 0)
		return r;
	*ret_hardware = RSM_STEAL(hardware);
	return 0;
}
