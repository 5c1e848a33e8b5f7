/* fuzz_device.h - devices whose answers are the fuzzer's: one that always gives the same, and one
 * that plays a script.
 *
 * The script has for each command: what to do (FUZZ_*; other values: GOOD), the length of the data
 * (2 bytes, big-endian) and the data; for FUZZ_CHECK a byte of length and sense data. At its end
 * the device is gone.
 */
#ifndef RSM_TESTS_FUZZ_FUZZ_DEVICE_H
#define RSM_TESTS_FUZZ_FUZZ_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "changer/tape_drive.h"

enum {
	FUZZ_GOOD,
	FUZZ_CHECK,
	FUZZ_STATUS, /* the first byte of data is the status */
	FUZZ_LOST,   /* not delivered */
};

/* Data are borrowed for as long as the transport lives. */
struct rsm_scsi_transport *fuzz_device(const uint8_t *script, size_t size);
/* A drive that answers INQUIRY well, and everything else with these bytes. */
struct rsm_tape_drive *fuzz_drive_with_answer(const uint8_t *data, size_t size);

#endif
