#include "changer/emulator/lto.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct rsm_lto table[] = {
	{ 5, "LTO-5", "L5", "LV", 0x58, 1430511, 1280, 15142, "U-516" },
	{ 6, "LTO-6", "L6", "LW", 0x5A, 2384185, 2176, 15143, "U-616" },
	{ 7, "LTO-7", "L7", "LX", 0x5C, 5722045, 3584, 19107, "U-732" },
	{ 8, "LTO-8", "L8", "LY", 0x5E, 11444091, 6656, 20669, "U-832" },
	{ 9, "LTO-9", "L9", "LZ", 0x60, 17166137, 8960, 21455, "U-932" },
};

enum { COUNT = sizeof table / sizeof *table };

const struct rsm_lto *rsm_lto_by_name(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

const struct rsm_lto *rsm_lto_by_generation(unsigned generation)
{
	for (size_t i = 0; i < COUNT; i++)
		if (table[i].generation == generation)
			return &table[i];
	return NULL;
}

const struct rsm_lto *rsm_lto_by_density(uint8_t density)
{
	for (size_t i = 0; i < COUNT; i++)
		if (table[i].density == density)
			return &table[i];
	return NULL;
}

const struct rsm_lto *rsm_lto_by_barcode(const char *barcode, bool *ret_worm)
{
	size_t length = strlen(barcode);
	const char *suffix;

	*ret_worm = false;
	if (length < 2)
		return NULL;
	suffix = barcode + length - 2;
	for (size_t i = 0; i < COUNT; i++) {
		*ret_worm = strcmp(table[i].worm_suffix, suffix) == 0;
		if (*ret_worm || strcmp(table[i].suffix, suffix) == 0)
			return &table[i];
	}
	return NULL;
}

const struct rsm_lto *rsm_lto_by_media_type(const char *media_type, bool *ret_worm)
{
	static const char worm[] = "-WORM";
	char name[16];

	*ret_worm = false;
	for (size_t i = 0; i < COUNT; i++) {
		if (strcmp(table[i].name, media_type) == 0)
			return &table[i];
		snprintf(name, sizeof name, "%s%s", table[i].name, worm);
		*ret_worm = strcmp(name, media_type) == 0;
		if (*ret_worm)
			return &table[i];
	}
	return NULL;
}

enum rsm_lto_access rsm_lto_access(unsigned drive, unsigned medium)
{
	/* up to LTO-7: writes one back, reads two back; LTO-8 and 9 gave up the second */
	if (medium == drive || medium + 1 == drive)
		return RSM_LTO_WRITES;
	if (drive <= 7 && medium + 2 == drive)
		return RSM_LTO_READS;
	return RSM_LTO_NONE;
}
