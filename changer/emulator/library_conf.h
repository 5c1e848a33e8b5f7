/* library_conf.h - library.conf: what a virtual library imitates.
 *
 * "key = value" lines, '#' begins a comment. The keys are listed in library_folder.h; besides them
 * drive_type@ELEMENT, sides (1 | 2: of a cartridge), unload_s, sync (on | off: whether data are
 * made durable on the host's disk), barcodes (on | off: whether the robot reads them), changer
 * (robot | none), clean_after (loads until a drive wants to be cleaned), cleanings (that a cleaning
 * cartridge is good for), transport (address of the robot's arm) and serial (of the library; its
 * drives' are made from it).
 */
#ifndef RSM_CHANGER_EMULATOR_LIBRARY_CONF_H
#define RSM_CHANGER_EMULATOR_LIBRARY_CONF_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "changer/emulator/emulator.h"
#include "changer/emulator/lto.h"

enum { RSM_LIBRARY_SERIAL_SIZE = 17 };

struct rsm_library_conf {
	const struct rsm_lto *drive_type;
	struct rsm_conf_drive {
		uint16_t element;
		const struct rsm_lto *type;
	} * drives; /* that are of another type */
	size_t drive_count;
	uint64_t capacity_bytes; /* of a side of a cartridge; 0: native */
	unsigned sides;		 /* of a cartridge: 1, or 2, and the robot turns it over */
	bool real_timing;
	double robot_s, load_s, unload_s;
	double locate_mb_s, rate_mb_s;
	bool has_early_warning;
	uint64_t early_warning_bytes;
	bool sync;
	bool has_barcodes;    /* the robot reads labels */
	bool by_hand;	      /* there is no robot: a stand-alone drive */
	unsigned clean_after; /* loads; 0: a drive never asks for it */
	unsigned cleanings;   /* that a cleaning cartridge is good for */
	uint16_t transport;
	char serial[RSM_LIBRARY_SERIAL_SIZE]; /* "" if the file has none */
	struct rsm_emulator_fault *faults;
	size_t fault_count;
};

/* The defaults, with no drive type. */
void rsm_library_conf_init(struct rsm_library_conf *conf);
void rsm_library_conf_fini(struct rsm_library_conf *conf);
#define RSM_LIBRARY_CONF __attribute__((cleanup(rsm_library_conf_fini)))

/* Reads `path` into *conf, which is initialised. -EBADMSG with "PATH:LINE: what is expected". */
RSM_MUST_CHECK int rsm_library_conf_load(struct rsm_library_conf *conf, const char *path,
					 struct rsm_err *err);

/* Appends the text of a library.conf, with its keys explained. */
void rsm_library_conf_write(const struct rsm_library_conf *conf, struct rsm_text *text);

/* What the drive in that element is. */
const struct rsm_lto *rsm_library_conf_drive_type(const struct rsm_library_conf *conf,
						  uint16_t element);
/* Makes it that. */
RSM_MUST_CHECK int rsm_library_conf_set_drive_type(struct rsm_library_conf *conf, uint16_t element,
						   const struct rsm_lto *type, struct rsm_err *err);

/* Commands that exist in two lengths are one to faults: the opcode of the shorter. */
uint16_t rsm_library_conf_opcode(uint16_t opcode);

#endif
