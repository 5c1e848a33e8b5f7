#include "changer/emulator/emulated_drive.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "changer/emulator/emulator_private.h"

struct rsm_emulated_drive {
	struct rsm_device device;
	char *name;
	atomic_bool loaded;
};

static void test_unit_ready(struct rsm_device *device, struct rsm_device_job *job)
{
	(void)device;
	rsm_job_check(job, 0x02, 0x3A, 0x00);
}

static const struct rsm_device_verb verbs[256] = {
	[0x00] = { test_unit_ready },
	[0x03] = { rsm_device_request_sense },
	[0x12] = { rsm_device_inquiry },
	[0xA0] = { rsm_device_report_luns },
};

int rsm_emulated_drive_new(struct rsm_emulator *emulator, uint16_t address,
			   struct rsm_emulated_drive **ret_drive, struct rsm_err *err)
{
	struct rsm_emulated_drive *drive = calloc(1, sizeof *drive);

	if (!drive)
		return rsm_err_oom(err);
	rsm_device_init(&drive->device, emulator, verbs, address, 0x01);
	snprintf(drive->device.product, sizeof drive->device.product, "Virtual %s",
		 emulator->conf.drive_type->name);
	snprintf(drive->device.serial, sizeof drive->device.serial, "%s-%u", emulator->conf.serial,
		 address);
	*ret_drive = drive;
	return 0;
}

void rsm_emulated_drive_free(struct rsm_emulated_drive *drive)
{
	free(drive);
}

struct rsm_device *rsm_emulated_drive_device(struct rsm_emulated_drive *drive)
{
	return &drive->device;
}

int rsm_emulated_drive_insert(struct rsm_emulated_drive *drive, const char *name)
{
	(void)drive;
	(void)name;
	return 0;
}

bool rsm_emulated_drive_release(struct rsm_emulated_drive *drive)
{
	(void)drive;
	return true;
}

void rsm_emulated_drive_gone(struct rsm_emulated_drive *drive)
{
	(void)drive;
}

void rsm_emulated_drive_kept(struct rsm_emulated_drive *drive)
{
	(void)drive;
}

bool rsm_emulated_drive_is_loaded(const struct rsm_emulated_drive *drive)
{
	return atomic_load(&drive->loaded);
}
