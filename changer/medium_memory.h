/* medium_memory.h - attributes of the medium auxiliary memory, MAM (SPC-4 6.17, 6.44; 7.4).
 *
 * Threads: the drive's worker.
 */
#ifndef RSM_CHANGER_MEDIUM_MEMORY_H
#define RSM_CHANGER_MEDIUM_MEMORY_H

#include "changer/tape_drive.h"

enum rsm_mam_format { RSM_MAM_BINARY = 0, RSM_MAM_ASCII = 1, RSM_MAM_TEXT = 2 };

enum rsm_mam_id {
	RSM_MAM_REMAINING_CAPACITY = 0x0000, /* MiB, 8 bytes */
	RSM_MAM_MAXIMUM_CAPACITY = 0x0001,   /* MiB, 8 bytes */
	RSM_MAM_LOAD_COUNT = 0x0003,	     /* 8 bytes */
	RSM_MAM_VOLUME_CHANGE_REFERENCE = 0x0009,
	RSM_MAM_MANUFACTURER = 0x0400,
	RSM_MAM_SERIAL_NUMBER = 0x0401,
	RSM_MAM_DENSITY = 0x0405,
	RSM_MAM_MEDIUM_TYPE = 0x0408, /* 00h data, 01h cleaning, 80h WORM */
	RSM_MAM_APPLICATION_VENDOR = 0x0800,
	RSM_MAM_APPLICATION_NAME = 0x0801,
	RSM_MAM_APPLICATION_VERSION = 0x0802,
	RSM_MAM_MEDIUM_TEXT = 0x0803,
	RSM_MAM_TEXT_LOCALISATION = 0x0805,
	RSM_MAM_BARCODE = 0x0806,
	RSM_MAM_MEDIA_POOL = 0x0808,
	RSM_MAM_FORMAT_VERSION = 0x080B,
	RSM_MAM_VOLUME_COHERENCY = 0x080C,
	RSM_MAM_VOLUME_LOCK = 0x1623,
};

enum rsm_mam_outcome { RSM_MAM_ABSENT = 1 };

/* READ ATTRIBUTE(16), attribute values. Copies the value, at most `size` bytes; *ret_length is its
 * length on the medium. Outcome ABSENT: no such attribute, or a drive without MAM.
 */
RSM_MUST_CHECK int rsm_medium_memory_read(struct rsm_tape_drive *drive, unsigned partition,
					  uint16_t id, void *value, size_t size, size_t *ret_length,
					  struct rsm_err *err);

/* WRITE ATTRIBUTE(16). Length 0 deletes. -EOPNOTSUPP: a drive without MAM. -EROFS. */
RSM_MUST_CHECK int rsm_medium_memory_write(struct rsm_tape_drive *drive, unsigned partition,
					   uint16_t id, enum rsm_mam_format format,
					   const void *value, size_t length, struct rsm_err *err);

/* Remaining and maximum capacity of a partition in bytes. ABSENT when the drive does not tell. */
RSM_MUST_CHECK int rsm_medium_memory_capacity(struct rsm_tape_drive *drive, unsigned partition,
					      uint64_t *ret_remaining, uint64_t *ret_maximum,
					      struct rsm_err *err);

#endif
