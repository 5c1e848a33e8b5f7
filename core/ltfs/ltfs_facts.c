/* What people and tools ask of a volume that is not in a drive (user.ltfs.*, ltfs-format.md 22) is
 * kept as facts of its volume index, in the form in which it is shown.
 */
#include "core/ltfs/ltfs_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { /* bits of ltfs.volumeLockState */
       STATE_LOCKED = 0x01,
       STATE_LOCKED_FOR_GOOD = 0x02,
       STATE_PROTECTED = 0x04,
       STATE_WRITE_ERROR = 0x20,
       STATE_ERROR_ON_DATA = 0x40,
       STATE_ERROR_ON_INDEX = 0x80,
};

static const struct {
	uint16_t id;
	const char *key;
} attributes[] = {
	{ RSM_MAM_BARCODE, "mam_barcode" },
	{ RSM_MAM_APPLICATION_VENDOR, "mam_vendor" },
	{ RSM_MAM_APPLICATION_VERSION, "mam_version" },
	{ RSM_MAM_FORMAT_VERSION, "mam_format_version" },
};

/* An attribute of the medium that is no text is none. */
static int save_attribute(struct rsm_ltfs_volume *ltfs, uint16_t id, const char *key,
			  struct rsm_err *err)
{
	char value[65] = "";
	size_t length = 0;
	int r = rsm_medium_memory_read(ltfs->drive, 0, id, value, sizeof value - 1, &length, NULL);

	if (r < 0)
		return 0; /* a courtesy */
	if (r > 0 || length >= sizeof value)
		length = 0;
	value[length] = '\0';
	for (size_t i = 0; i < length; i++)
		if (value[i] && (value[i] < ' ' || value[i] > '~'))
			value[0] = '\0';
	return rsm_volume_index_set_fact(rsm_content_index(ltfs->content), key,
					 *value ? value : NULL, err);
}

static unsigned lock_state(struct rsm_ltfs_volume *ltfs, const char *lock)
{
	struct rsm_tape_medium medium;
	unsigned state = 0;
	uint8_t value = 0;
	size_t length;

	if (strcmp(lock, "locked") == 0)
		state |= STATE_LOCKED;
	if (strcmp(lock, "permlocked") == 0)
		state |= STATE_LOCKED_FOR_GOOD;
	if (rsm_tape_drive_medium(ltfs->drive, &medium, NULL) == 0 && medium.write_protected)
		state |= STATE_PROTECTED;
	if (rsm_medium_memory_read(ltfs->drive, 0, RSM_MAM_VOLUME_LOCK, &value, 1, &length, NULL))
		return state;
	if (value == 2 || (value >= 4 && value <= 6))
		state |= STATE_WRITE_ERROR;
	if (value == 4 || value == 6)
		state |= STATE_ERROR_ON_DATA;
	if (value == 5 || value == 6)
		state |= STATE_ERROR_ON_INDEX;
	return state;
}

int rsm_ltfs_save_medium_facts(struct rsm_ltfs_volume *ltfs, const char *lock, struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	char state[16];
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof attributes / sizeof attributes[0]; i++)
		r = save_attribute(ltfs, attributes[i].id, attributes[i].key, err);
	snprintf(state, sizeof state, "0x%08x", lock_state(ltfs, lock));
	return r ? r : rsm_volume_index_set_fact(index, "lock_state", state, err);
}

static int save_capacity(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	uint64_t remaining = 0, room = 0;
	int r = rsm_ltfs_index_room(ltfs, &remaining, &room);

	if (r != 0)
		return 0;
	r = rsm_volume_index_set_number(index, "index_capacity", room, err);
	return r ? r : rsm_volume_index_set_number(index, "index_remaining", remaining, err);
}

int rsm_ltfs_save_shown_facts(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	bool on_index = ltfs->self_partition == ltfs->part[INDEX].letter;
	const struct ltfs_partition *part = &ltfs->part[on_index ? INDEX : DATA];
	char location[32] = "", previous[32] = "", map[16];
	const struct {
		const char *key, *value;
	} texts[] = {
		{ "label_creator", ltfs->label.creator },
		{ "label_version", ltfs->label.version },
		{ "label_serial", ltfs->label.serial },
		{ "compression", ltfs->label.compression ? "true" : "false" },
		{ "partition_map", map },
		{ "index_creator", ltfs->index_creator },
		{ "index_version", ltfs->index_version },
		{ "index_location", location },
		{ "index_previous", previous },
	};
	int r = 0;

	snprintf(map, sizeof map, "I:%c,D:%c", ltfs->part[INDEX].letter, ltfs->part[DATA].letter);
	if (ltfs->self_partition)
		snprintf(location, sizeof location, "%c:%" PRIu64, ltfs->self_partition,
			 part->incremental_block ? part->incremental_block : part->index_block);
	/* an index on the index partition always points at that on the data partition */
	if (ltfs->back_block)
		snprintf(previous, sizeof previous, "%c:%" PRIu64, ltfs->part[DATA].letter,
			 ltfs->back_block);
	for (size_t i = 0; r == 0 && i < sizeof texts / sizeof texts[0]; i++)
		r = rsm_volume_index_set_fact(index, texts[i].key,
					      *texts[i].value ? texts[i].value : NULL, err);
	if (r == 0)
		r = rsm_volume_index_set_number(index, "index_bytes", ltfs->index_bytes, err);
	return r ? r : save_capacity(ltfs, err);
}
