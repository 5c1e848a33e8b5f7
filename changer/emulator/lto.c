#include "changer/emulator/lto.h"

#include <stddef.h>
#include <string.h>

static const struct rsm_lto table[] = {
	{ 5, "LTO-5", "L5", 0x58, 1430511, 1280, 15142, "U-516" },
	{ 6, "LTO-6", "L6", 0x5A, 2384185, 2176, 15143, "U-616" },
	{ 7, "LTO-7", "L7", 0x5C, 5722045, 3584, 19107, "U-732" },
	{ 8, "LTO-8", "L8", 0x5E, 11444091, 6656, 20669, "U-832" },
	{ 9, "LTO-9", "L9", 0x60, 17166137, 8960, 21455, "U-932" },
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

const struct rsm_lto *rsm_lto_by_barcode(const char *barcode)
{
	size_t length = strlen(barcode);

	if (length < 2)
		return NULL;
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(table[i].suffix, barcode + length - 2) == 0)
			return &table[i];
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
