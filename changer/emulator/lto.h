/* lto.h - the generations of LTO that can be imitated, and which drive reads and writes which. */
#ifndef RSM_CHANGER_EMULATOR_LTO_H
#define RSM_CHANGER_EMULATOR_LTO_H

#include <stdbool.h>
#include <stdint.h>

struct rsm_lto {
	unsigned generation;
	const char *name;	 /* "LTO-8" */
	const char *suffix;	 /* of barcodes: "L8" */
	const char *worm_suffix; /* "LY" */
	uint8_t density;
	uint64_t capacity_mib; /* native */
	uint16_t tracks;
	uint32_t bits_per_mm;
	const char *density_name; /* as REPORT DENSITY SUPPORT has it: "U-832" */
};

/* NULL when there is none. */
const struct rsm_lto *rsm_lto_by_name(const char *name);
const struct rsm_lto *rsm_lto_by_generation(unsigned generation);
const struct rsm_lto *rsm_lto_by_density(uint8_t density);
/* By its last two characters; *ret_worm: a cartridge that is written once. */
const struct rsm_lto *rsm_lto_by_barcode(const char *barcode, bool *ret_worm);
/* "LTO-8", or "LTO-8-WORM" for the media type of cartridges that are written once. */
const struct rsm_lto *rsm_lto_by_media_type(const char *media_type, bool *ret_worm);

enum rsm_lto_access { RSM_LTO_NONE, RSM_LTO_READS, RSM_LTO_WRITES };

enum rsm_lto_access rsm_lto_access(unsigned drive_generation, unsigned medium_generation);

#endif
