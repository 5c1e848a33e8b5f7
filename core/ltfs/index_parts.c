#include "core/ltfs/index_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Neither can be in XML. */
#define BEFORE_PLACE '\1'
#define BEHIND_PLACE '\2'

/* A search from the beginning is made in texts up to this only: extents can be many. */
enum { SEARCH_MAX = 65536 };

void rsm_ltfs_part_of_extent(const struct rsm_extent *extent, char ret_place[RSM_LTFS_PLACE_SIZE])
{
	snprintf(ret_place, RSM_LTFS_PLACE_SIZE, "e%" PRIu64 ",%c,%" PRIu64 ",%" PRIu64 ",%" PRIu64,
		 extent->file_offset, extent->partition ? extent->partition : '?',
		 extent->start_block, extent->byte_offset, extent->byte_count);
}

bool rsm_ltfs_part_of_xattr(const char *key, char ret_place[RSM_LTFS_PLACE_SIZE])
{
	if (strlen(key) > RSM_LTFS_PLACE_SIZE - 2 || strchr(key, BEFORE_PLACE) ||
	    strchr(key, BEHIND_PLACE))
		return false;
	snprintf(ret_place, RSM_LTFS_PLACE_SIZE, "k%s", key);
	return true;
}

size_t rsm_ltfs_parts_add(struct rsm_text *parts, const char *place, const struct rsm_text *xml)
{
	rsm_text_append(parts, (char[]){ BEFORE_PLACE }, 1);
	rsm_text_add(parts, place);
	rsm_text_append(parts, (char[]){ BEHIND_PLACE }, 1);
	rsm_text_append(parts, xml->data, xml->length);
	return strlen(place) + 2;
}

size_t rsm_ltfs_parts_begin(const char *unknown)
{
	return strcspn(unknown, (char[]){ BEFORE_PLACE, '\0' });
}

/* From a part on. */
static const char *search(const char *part, const char *place, size_t *ret_length, const char **at)
{
	size_t length = strlen(place);

	for (; part && *part; part = strchr(part + 1, BEFORE_PLACE)) {
		if (strncmp(part + 1, place, length) != 0 || part[1 + length] != BEHIND_PLACE)
			continue;
		*at = part;
		part += length + 2;
		*ret_length = rsm_ltfs_parts_begin(part);
		return part;
	}
	return NULL;
}

const char *rsm_ltfs_parts_find(const char *unknown, const char *place, const char **at,
				size_t *ret_length)
{
	const char *first = unknown + rsm_ltfs_parts_begin(unknown), *found;

	if (!*first)
		return NULL;
	/* the next one is the likely one */
	found = *at >= first ? strchr(*at + 1, BEFORE_PLACE) : first;
	if (found && strncmp(found + 1, place, strlen(place)) == 0)
		found = search(found, place, ret_length, at);
	else
		found = NULL;
	if (!found && strnlen(first, SEARCH_MAX + 1) <= SEARCH_MAX)
		found = search(first, place, ret_length, at);
	return found;
}
