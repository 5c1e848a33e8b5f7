/* drive_private.h - the state of an emulated drive, for the files that serve its commands. */
#ifndef RSM_CHANGER_EMULATOR_DRIVE_PRIVATE_H
#define RSM_CHANGER_EMULATOR_DRIVE_PRIVATE_H

#include <stdatomic.h>

#include "base/list.h"
#include "changer/emulator/cartridge.h"
#include "changer/emulator/emulated_drive.h"

enum { RSM_DRIVE_BLOCK_LIMIT = 8 * 1024 * 1024 };

/* TapeAlert flags in use (SSC-4 annex A); bit N-1 of `alerts` is flag N. */
enum rsm_drive_alert {
	RSM_ALERT_MEDIA = 4,
	RSM_ALERT_READ_FAILURE = 5,
	RSM_ALERT_WRITE_FAILURE = 6,
	RSM_ALERT_WRITE_PROTECT = 9,
	RSM_ALERT_UNSUPPORTED_FORMAT = 18,
	RSM_ALERT_CLEAN_NOW = 20,
	RSM_ALERT_CLEAN_PERIODIC = 21,
	RSM_ALERT_CLEANER_EXPIRED = 22,
};

/* All but `device`, `type` and `loaded`: [device.lock] */
struct rsm_emulated_drive {
	struct rsm_device device;
	const struct rsm_lto *type;	 /* [const] */
	char *name;			 /* of the cartridge that stands in it, NULL: empty */
	struct rsm_cartridge *cartridge; /* of that name, once its memory was looked at */
	atomic_bool loaded;		 /* [atomic] written under the lock */
	bool prevented;
	unsigned partition;
	uint32_t block_length; /* 0: variable */
	bool compression;
	uint16_t programmable_warning_mb;
	unsigned wanted_partitions; /* by mode page 11h, for FORMAT MEDIUM */
	unsigned small_partition;
	uint64_t alerts;
	uint64_t bytes_written, bytes_read, loads;
	unsigned loads_unclean; /* since it was cleaned */
	double time_owed_s;
	bool has_lost; /* it has taken data that are not on the tape, and has not said so yet */
	struct {
		struct rsm_emulator_fault fault;
		unsigned partition;
		uint64_t block;
	} lost; /* from here on */
};

static inline struct rsm_emulated_drive *rsm_drive_of(struct rsm_device *device)
{
	return RSM_CONTAINER_OF(device, struct rsm_emulated_drive, device);
}

static inline struct rsm_tap_image *rsm_drive_image(const struct rsm_emulated_drive *drive)
{
	return drive->cartridge->partitions[drive->partition].image;
}

static inline void rsm_drive_alert(struct rsm_emulated_drive *drive, enum rsm_drive_alert flag)
{
	drive->alerts |= (uint64_t)1 << (flag - 1);
}

/* True if a cartridge is loaded; ends the command otherwise. */
bool rsm_drive_is_ready(struct rsm_emulated_drive *drive, struct rsm_device_job *job);

/* True if the memory of a cartridge can be had, loaded or not; ends the command otherwise. */
bool rsm_drive_has_memory(struct rsm_emulated_drive *drive, struct rsm_device_job *job);

/* True if the loaded cartridge takes changes; ends the command otherwise. */
bool rsm_drive_may_write(struct rsm_emulated_drive *drive, struct rsm_device_job *job);

/* Ends the command by what went wrong with a file. */
void rsm_drive_check_error(struct rsm_emulated_drive *drive, struct rsm_device_job *job, int r,
			   const struct rsm_err *err, bool writing);

/* Lets pass the time that `bytes` take at a rate, in pieces worth sleeping for. */
void rsm_drive_take_time(struct rsm_emulated_drive *drive, double mb_s, uint64_t bytes);

/* It wants to be cleaned (clean_after in library.conf). */
bool rsm_drive_is_unclean(const struct rsm_emulated_drive *drive);

/* Verbs: drive_data.c */
void rsm_drive_read(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_write(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_write_filemarks(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_erase(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_format(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_set_capacity(struct rsm_device *device, struct rsm_device_job *job);

/* drive_position.c */
void rsm_drive_rewind(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_space(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_locate(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_read_position(struct rsm_device *device, struct rsm_device_job *job);

/* drive_pages.c */
void rsm_drive_mode_sense(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_mode_select(struct rsm_device *device, struct rsm_device_job *job);

/* drive_reports.c */
void rsm_drive_log_sense(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_read_block_limits(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_report_density(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_read_attribute(struct rsm_device *device, struct rsm_device_job *job);
void rsm_drive_write_attribute(struct rsm_device *device, struct rsm_device_job *job);

#endif
