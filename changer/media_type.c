#include "changer/media_type.h"

#include <string.h>

static const struct {
	const char *type, *worm_type; /* NULL: there is none that is written once */
	unsigned number;	      /* of the generation; M8 is a kind of 7 that 8 made */
	uint8_t density;
	char suffix[3]; /* of a barcode */
	char worm_suffix[3];
} generations[] = {
	{ "LTO-1", NULL, 1, 0x40, "L1", "" },
	{ "LTO-2", NULL, 2, 0x42, "L2", "" },
	{ "LTO-3", "LTO-3-WORM", 3, 0x44, "L3", "LT" },
	{ "LTO-4", "LTO-4-WORM", 4, 0x46, "L4", "LU" },
	{ "LTO-5", "LTO-5-WORM", 5, 0x58, "L5", "LV" },
	{ "LTO-6", "LTO-6-WORM", 6, 0x5A, "L6", "LW" },
	{ "LTO-7", "LTO-7-WORM", 7, 0x5C, "L7", "LX" },
	{ "LTO-M8", NULL, 0, 0x5D, "M8", "" },
	{ "LTO-8", "LTO-8-WORM", 8, 0x5E, "L8", "LY" },
	{ "LTO-9", "LTO-9-WORM", 9, 0x60, "L9", "LZ" },
};
enum { GENERATIONS = sizeof generations / sizeof generations[0] };

const char *rsm_media_type_of_density(uint8_t density, bool worm)
{
	for (size_t i = 0; i < GENERATIONS; i++)
		if (generations[i].density == density)
			return worm && generations[i].worm_type ? generations[i].worm_type
								: generations[i].type;
	return "";
}

const char *rsm_media_type_of_barcode(const char *barcode)
{
	size_t length = strlen(barcode);
	const char *suffix;

	if (length < 3)
		return NULL;
	suffix = barcode + length - 2;
	for (size_t i = 0; i < GENERATIONS; i++) {
		if (strcmp(suffix, generations[i].suffix) == 0)
			return generations[i].type;
		if (strcmp(suffix, generations[i].worm_suffix) == 0)
			return generations[i].worm_type;
	}
	return NULL;
}

/* The digit behind one of these marks tells. */
const char *rsm_media_type_of_product(const char *product)
{
	static const char *const marks[] = { "-TD", "-HH", "ULTRIUM ", "Ultrium ", "LTO-", "LTO" };

	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		const char *at = strstr(product, marks[i]);
		char type[] = "LTO-?";

		if (!at)
			continue;
		type[4] = at[strlen(marks[i])];
		for (size_t k = 0; k < GENERATIONS; k++)
			if (strcmp(type, generations[k].type) == 0)
				return generations[k].type;
	}
	return "";
}

static bool is_type(size_t i, const char *media_type)
{
	return strcmp(generations[i].type, media_type) == 0 ||
	       (generations[i].worm_type && strcmp(generations[i].worm_type, media_type) == 0);
}

bool rsm_media_type_is_known(const char *media_type)
{
	for (size_t i = 0; i < GENERATIONS; i++)
		if (is_type(i, media_type))
			return true;
	return false;
}

bool rsm_media_type_is_worm(const char *media_type)
{
	for (size_t i = 0; i < GENERATIONS; i++)
		if (generations[i].worm_type && strcmp(generations[i].worm_type, media_type) == 0)
			return true;
	return false;
}

const char *rsm_media_type_at(size_t i)
{
	for (size_t k = 0; k < GENERATIONS; k++) {
		if (i-- == 0)
			return generations[k].type;
		if (generations[k].worm_type && i-- == 0)
			return generations[k].worm_type;
	}
	return NULL;
}

/* ---- what a drive does ---- */

void rsm_media_reach_add(struct rsm_media_reach *reach, uint8_t density, bool writes)
{
	for (size_t i = 0; i < GENERATIONS; i++) {
		if (generations[i].density != density)
			continue;
		reach->reads |= (uint32_t)1 << i;
		if (writes)
			reach->writes |= (uint32_t)1 << i;
	}
}

static enum rsm_media_access rule(unsigned drive, unsigned medium)
{
	if (medium == drive || medium + 1 == drive)
		return RSM_MEDIA_WRITES;
	return drive <= 7 && medium + 2 == drive ? RSM_MEDIA_READS : RSM_MEDIA_NONE;
}

struct rsm_media_reach rsm_media_reach_of_type(const char *drive_type)
{
	struct rsm_media_reach reach = { 0 };
	unsigned drive = 0;

	for (size_t i = 0; i < GENERATIONS; i++)
		if (is_type(i, drive_type))
			drive = generations[i].number;
	for (size_t i = 0; drive && i < GENERATIONS; i++) {
		enum rsm_media_access access = generations[i].number
						       ? rule(drive, generations[i].number)
					       : drive == 8 ? RSM_MEDIA_WRITES
							    : RSM_MEDIA_NONE;

		if (access != RSM_MEDIA_NONE)
			rsm_media_reach_add(&reach, generations[i].density,
					    access == RSM_MEDIA_WRITES);
	}
	return reach;
}

const char *rsm_media_reach_best(const struct rsm_media_reach *reach)
{
	for (size_t i = GENERATIONS; i-- > 0;)
		if (reach->writes >> i & 1)
			return generations[i].type;
	return "";
}

enum rsm_media_access rsm_media_reach_access(const struct rsm_media_reach *reach,
					     const char *media_type)
{
	if (!reach->reads)
		return RSM_MEDIA_WRITES;
	for (size_t i = 0; i < GENERATIONS; i++) {
		if (!is_type(i, media_type))
			continue;
		if (reach->writes >> i & 1)
			return RSM_MEDIA_WRITES;
		return reach->reads >> i & 1 ? RSM_MEDIA_READS : RSM_MEDIA_NONE;
	}
	return RSM_MEDIA_WRITES;
}

bool rsm_barcode_is_cleaner(const char *barcode)
{
	return strncmp(barcode, "CLN", 3) == 0;
}
