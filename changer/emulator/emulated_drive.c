#include "changer/emulator/emulated_drive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "changer/emulator/drive_private.h"
#include "changer/emulator/emulator_private.h"
#include "changer/medium_memory.h"

/* A drive is empty, or a cartridge stands in it (only its memory can be read), or it is loaded. A
 * move puts a cartridge in; LOAD and UNLOAD go between the latter two; a move takes it out and
 * unloads it first if it has to. If the process ends while it is loaded, the next one finds it
 * standing in the drive.
 */

static void busy_path(const struct rsm_emulated_drive *drive, char path[32])
{
	snprintf(path, 32, "drives/%u/BUSY", drive->device.element);
}

bool rsm_drive_is_ready(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	if (atomic_load_explicit(&drive->loaded, memory_order_relaxed))
		return true;
	/* 3A/04: not present, but its memory is accessible */
	rsm_job_check(job, 0x02, 0x3A, drive->name ? 0x04 : 0x00);
	return false;
}

bool rsm_drive_may_write(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	if (!drive->cartridge->write_protected)
		return true;
	rsm_drive_alert(drive, RSM_ALERT_WRITE_PROTECT);
	rsm_job_check(job, 0x07, 0x27, 0x00);
	return false;
}

void rsm_drive_check_error(struct rsm_emulated_drive *drive, struct rsm_device_job *job, int r,
			   const struct rsm_err *err, bool writing)
{
	if (r == -EROFS) {
		rsm_job_check(job, 0x07, 0x27, 0x00);
		return;
	}
	rsm_log_error("%s: %s", drive->cartridge ? drive->cartridge->name : drive->device.name,
		      err->msg);
	rsm_drive_alert(drive, writing ? RSM_ALERT_WRITE_FAILURE : RSM_ALERT_READ_FAILURE);
	if (r == -ENOMEM)
		rsm_job_check(job, 0x04, 0x44, 0x00);
	else if (writing)
		rsm_job_check(job, 0x03, 0x0C, 0x00);
	else
		rsm_job_check(job, 0x03, 0x11, 0x00);
}

void rsm_drive_take_time(struct rsm_emulated_drive *drive, double mb_s, uint64_t bytes)
{
	struct rsm_emulator *emulator = drive->device.emulator;

	if (!emulator->conf.real_timing)
		return;
	drive->time_owed_s += (double)bytes / 1e6 / mb_s;
	if (drive->time_owed_s < 0.01)
		return;
	rsm_emulator_take_time(emulator, drive->time_owed_s);
	drive->time_owed_s = 0;
}

static int open_cartridge(struct rsm_emulated_drive *drive, struct rsm_err *err)
{
	struct rsm_emulator *emulator = drive->device.emulator;
	char path[32 + NAME_MAX];

	if (drive->cartridge)
		return 0;
	snprintf(path, sizeof path, "drives/%u/%s", drive->device.element, drive->name);
	return rsm_cartridge_open(emulator->folder_fd, path, drive->name, drive->device.name,
				  &emulator->conf, &drive->cartridge, err);
}

/* Somebody took it out by hand since the last look at the folder. */
static bool is_taken_out(const struct rsm_emulated_drive *drive)
{
	char path[32 + NAME_MAX];

	snprintf(path, sizeof path, "drives/%u/%s", drive->device.element, drive->name);
	return faccessat(drive->device.emulator->folder_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	       errno == ENOENT;
}

bool rsm_drive_has_memory(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	struct rsm_err err;
	int r;

	if (!drive->name) {
		rsm_job_check(job, 0x02, 0x3A, 0x00);
		return false;
	}
	r = open_cartridge(drive, &err);
	if (r == -ENOENT && is_taken_out(drive))
		rsm_job_check(job, 0x02, 0x3A, 0x00);
	else if (r < 0)
		rsm_drive_check_error(drive, job, r, &err, false);
	return r == 0;
}

static void allow_removal(struct rsm_emulated_drive *drive)
{
	char path[32];

	drive->prevented = false;
	busy_path(drive, path);
	unlinkat(drive->device.emulator->folder_fd, path, 0);
}

/* Back to the state of a cartridge that merely stands there; what a failure left is in the log. */
static int unload(struct rsm_emulated_drive *drive, struct rsm_err *err)
{
	struct rsm_emulator *emulator = drive->device.emulator;
	int r;

	if (!atomic_load(&drive->loaded))
		return 0;
	rsm_emulator_take_time(emulator, emulator->conf.unload_s);
	r = rsm_cartridge_unthread(drive->cartridge, err);
	if (r < 0)
		rsm_log_error("%s", err->msg);
	rsm_cartridge_close(drive->cartridge);
	drive->cartridge = NULL;
	drive->has_lost = false;
	atomic_store(&drive->loaded, false);
	return r;
}

static void test_unit_ready(struct rsm_device *device, struct rsm_device_job *job)
{
	rsm_drive_is_ready(rsm_drive_of(device), job);
}

bool rsm_drive_is_unclean(const struct rsm_emulated_drive *drive)
{
	unsigned limit = drive->device.emulator->conf.clean_after;

	return limit && drive->loads_unclean >= limit;
}

/* A cleaning cartridge counts its uses in its memory. The drive is done with it when this answers.
 */
static void clean(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	struct rsm_emulator *emulator = drive->device.emulator;
	struct rsm_mam_file *mam = &drive->cartridge->partitions[0].mam;
	uint64_t used = 0;
	struct rsm_err err;

	rsm_emulator_take_time(emulator, emulator->conf.load_s);
	if (!rsm_mam_file_number(mam, RSM_MAM_LOAD_COUNT, 8, &used))
		used = 0;
	if (used >= emulator->conf.cleanings) {
		rsm_drive_alert(drive, RSM_ALERT_CLEANER_EXPIRED);
		rsm_job_check(job, 0x02, 0x30, 0x07); /* cleaning failure */
		return;
	}
	if (rsm_mam_file_set_number(mam, RSM_MAM_LOAD_COUNT, used + 1, 8) < 0 ||
	    rsm_cartridge_save_memory(drive->cartridge, true, &err) < 0)
		rsm_log_warning("%s: its use is not counted", drive->cartridge->name);
	drive->loads_unclean = 0;
	drive->alerts &= ~((uint64_t)1 << (RSM_ALERT_CLEAN_NOW - 1) |
			   (uint64_t)1 << (RSM_ALERT_CLEAN_PERIODIC - 1));
	rsm_job_check(job, 0x02, 0x30, 0x03); /* cleaning cartridge installed */
}

/* False: this drive has no use for the cartridge that stands in it. */
static bool accept_cartridge(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	struct rsm_cartridge *cartridge = drive->cartridge;
	enum rsm_lto_access access = RSM_LTO_NONE;

	if (cartridge->medium_type == RSM_CARTRIDGE_CLEANING) {
		clean(drive, job);
		return false;
	}
	if (cartridge->type)
		access = rsm_lto_access(drive->type->generation, cartridge->type->generation);
	if (access == RSM_LTO_NONE) {
		rsm_drive_alert(drive, RSM_ALERT_UNSUPPORTED_FORMAT);
		rsm_job_check(job, 0x02, 0x30, 0x00);
		return false;
	}
	if (access == RSM_LTO_READS)
		cartridge->write_protected = true;
	return true;
}

static void load(struct rsm_emulated_drive *drive, struct rsm_device_job *job)
{
	struct rsm_emulator *emulator = drive->device.emulator;
	struct rsm_err err;
	int r;

	/* afresh: its switch and its memory may have changed while it stood there */
	rsm_cartridge_close(drive->cartridge);
	drive->cartridge = NULL;
	if (!rsm_drive_has_memory(drive, job) || !accept_cartridge(drive, job))
		return;
	rsm_emulator_take_time(emulator, emulator->conf.load_s);
	r = rsm_cartridge_thread(drive->cartridge, &err);
	if (r < 0) {
		rsm_log_error("%s", err.msg);
		rsm_drive_alert(drive, RSM_ALERT_MEDIA);
		rsm_job_check(job, 0x04, 0x53, 0x00);
		return;
	}
	drive->partition = 0;
	drive->block_length = 0;
	drive->loads++;
	drive->loads_unclean++;
	if (rsm_drive_is_unclean(drive))
		rsm_drive_alert(drive, RSM_ALERT_CLEAN_NOW);
	drive->wanted_partitions = drive->cartridge->partition_count;
	drive->small_partition = 0;
	atomic_store(&drive->loaded, true);
	rsm_device_attend(&drive->device, 0x28, 0x00);
}

static void load_unload(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	bool wants_load = job->cdb[4] & 0x01;
	struct rsm_err err;

	if (!drive->name) {
		if (wants_load)
			rsm_job_check(job, 0x02, 0x3A, 0x00);
	} else if (wants_load) {
		if (atomic_load(&drive->loaded))
			rsm_drive_rewind(device, job);
		else
			load(drive, job);
	} else if (drive->prevented && atomic_load(&drive->loaded)) {
		rsm_job_check(job, 0x05, 0x53, 0x02);
	} else if (unload(drive, &err) < 0) {
		rsm_drive_alert(drive, RSM_ALERT_WRITE_FAILURE);
		rsm_job_check(job, 0x03, 0x0C, 0x00);
	}
}

static void prevent_allow(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	char path[32];
	int fd;

	if (job->cdb[4] & 0x02) {
		rsm_job_bad_field(job);
		return;
	}
	if (!(job->cdb[4] & 0x01)) {
		allow_removal(drive);
		return;
	}
	drive->prevented = true;
	busy_path(drive, path);
	fd = openat(device->emulator->folder_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd >= 0)
		close(fd);
}

/* ---- data that were taken and lost ---- */

void rsm_emulated_drive_lose(struct rsm_emulated_drive *drive)
{
	unsigned kept = atomic_load(&drive->device.emulator->kept);

	if (drive->cartridge && atomic_load(&drive->loaded) && kept < 256)
		rsm_cartridge_lose(drive->cartridge, kept);
}

static bool loses(struct rsm_device *device, const struct rsm_emulator_fault *fault)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);

	if (!atomic_load(&drive->loaded))
		return false;
	if (drive->has_lost)
		return true;
	drive->has_lost = true;
	drive->lost.fault = *fault;
	drive->lost.partition = drive->partition;
	drive->lost.block = rsm_tap_image_block(rsm_drive_image(drive));
	return true;
}

/* SPC-4 4.5.5: the command that is told is not executed. */
static bool meets_loss(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulated_drive *drive = rsm_drive_of(device);
	const struct rsm_emulator_fault *fault = &drive->lost.fault;
	struct rsm_tap_image *image;
	struct rsm_err err;
	uint64_t count = 0;

	if (!drive->has_lost || job->cdb[0] == 0x12 || job->cdb[0] == 0x03 || job->cdb[0] == 0xA0)
		return false;
	drive->has_lost = false;
	if (!atomic_load(&drive->loaded) ||
	    drive->lost.partition >= drive->cartridge->partition_count)
		return false;
	drive->partition = drive->lost.partition;
	image = rsm_drive_image(drive);
	if (rsm_tap_image_end_block(image) > drive->lost.block)
		count = rsm_tap_image_end_block(image) - drive->lost.block;
	if (rsm_tap_image_locate(image, drive->lost.block, &err) < 0 ||
	    rsm_tap_image_erase(image, &err) < 0)
		rsm_log_error("%s: %s", drive->cartridge->name, err.msg);
	rsm_drive_alert(drive, RSM_ALERT_WRITE_FAILURE);
	rsm_job_check_residue(job, fault->key, fault->asc, fault->ascq, (int64_t)count);
	job->answer->sense[0] |= 0x01; /* 71h */
	return true;
}

static const struct rsm_device_verb verbs[256] = {
	[0x00] = { test_unit_ready },
	[0x01] = { rsm_drive_rewind },
	[0x03] = { rsm_device_request_sense },
	[0x04] = { rsm_drive_format },
	[0x05] = { rsm_drive_read_block_limits },
	[0x08] = { rsm_drive_read },
	[0x0A] = { rsm_drive_write },
	[0x0B] = { rsm_drive_set_capacity },
	[0x10] = { rsm_drive_write_filemarks },
	[0x11] = { rsm_drive_space },
	[0x12] = { rsm_device_inquiry },
	[0x15] = { rsm_drive_mode_select },
	[0x16] = { rsm_device_nothing }, /* RESERVE, RELEASE */
	[0x17] = { rsm_device_nothing },
	[0x19] = { rsm_drive_erase },
	[0x1A] = { rsm_drive_mode_sense },
	[0x1B] = { load_unload },
	[0x1D] = { rsm_device_nothing }, /* SEND DIAGNOSTIC */
	[0x1E] = { prevent_allow },
	[0x2B] = { rsm_drive_locate },
	[0x34] = { rsm_drive_read_position },
	[0x44] = { rsm_drive_report_density },
	[0x4C] = { rsm_device_nothing }, /* LOG SELECT */
	[0x4D] = { rsm_drive_log_sense },
	[0x55] = { rsm_drive_mode_select },
	[0x56] = { rsm_device_nothing },
	[0x57] = { rsm_device_nothing },
	[0x5A] = { rsm_drive_mode_sense },
	[0x82] = { rsm_device_nothing }, /* ALLOW OVERWRITE: it always is */
	[0x8C] = { rsm_drive_read_attribute },
	[0x8D] = { rsm_drive_write_attribute },
	[0x91] = { rsm_drive_space },
	[0x92] = { rsm_drive_locate },
	[0xA0] = { rsm_device_report_luns },
};

int rsm_emulated_drive_new(struct rsm_emulator *emulator, uint16_t address,
			   struct rsm_emulated_drive **ret_drive, struct rsm_err *err)
{
	struct rsm_emulated_drive *drive = calloc(1, sizeof *drive);

	if (!drive)
		return rsm_err_oom(err);
	drive->type = rsm_library_conf_drive_type(&emulator->conf, address);
	rsm_device_init(&drive->device, emulator, verbs, address, 0x01);
	snprintf(drive->device.product, sizeof drive->device.product, "Virtual %s",
		 drive->type->name);
	snprintf(drive->device.serial, sizeof drive->device.serial, "%s-%u", emulator->conf.serial,
		 address);
	drive->device.loses = loses;
	drive->device.meets_loss = meets_loss;
	drive->compression = true;
	drive->wanted_partitions = 1;
	allow_removal(drive);
	*ret_drive = drive;
	return 0;
}

void rsm_emulated_drive_free(struct rsm_emulated_drive *drive)
{
	struct rsm_err err;

	if (!drive)
		return;
	if (!atomic_load(&drive->device.emulator->powerless)) {
		if (drive->cartridge && atomic_load(&drive->loaded) &&
		    rsm_cartridge_unthread(drive->cartridge, &err) < 0)
			rsm_log_error("%s", err.msg);
		allow_removal(drive);
	} else {
		rsm_emulated_drive_lose(drive);
	}
	rsm_cartridge_close(drive->cartridge);
	free(drive->name);
	rsm_device_fini(&drive->device);
	free(drive);
}

struct rsm_device *rsm_emulated_drive_device(struct rsm_emulated_drive *drive)
{
	return &drive->device;
}

bool rsm_emulated_drive_is_loaded(const struct rsm_emulated_drive *drive)
{
	return atomic_load(&drive->loaded);
}

int rsm_emulated_drive_insert(struct rsm_emulated_drive *drive, const char *name)
{
	char *copy = NULL;
	struct rsm_err err;
	RSM_LOCK_SCOPE(&drive->device.lock);

	if (name == drive->name || (name && drive->name && strcmp(name, drive->name) == 0))
		return 0;
	if (name) {
		copy = strdup(name);
		if (!copy)
			return -ENOMEM;
	}
	/* by hand, and perhaps out of a drive that was at work: its files are still open */
	if (atomic_load(&drive->loaded)) {
		(void)!unload(drive, &err);
		rsm_device_attend(&drive->device, 0x28, 0x00);
	} else if (name && drive->device.emulator->conf.by_hand &&
		   drive->device.emulator->changer) {
		rsm_device_attend(&drive->device, 0x28, 0x00);
	}
	if (drive->prevented)
		allow_removal(drive);
	rsm_cartridge_close(drive->cartridge);
	drive->cartridge = NULL;
	free(drive->name);
	drive->name = copy;
	return 0;
}

bool rsm_emulated_drive_release(struct rsm_emulated_drive *drive)
{
	struct rsm_err err;

	rsm_mutex_lock(&drive->device.lock);
	if (drive->prevented) {
		rsm_mutex_unlock(&drive->device.lock);
		return false;
	}
	(void)!unload(drive, &err); /* what failed is in the log, and the robot takes it anyway */
	return true;
}

void rsm_emulated_drive_gone(struct rsm_emulated_drive *drive)
{
	rsm_cartridge_close(drive->cartridge);
	drive->cartridge = NULL;
	free(drive->name);
	drive->name = NULL;
	rsm_mutex_unlock(&drive->device.lock);
}

void rsm_emulated_drive_kept(struct rsm_emulated_drive *drive)
{
	rsm_mutex_unlock(&drive->device.lock);
}
