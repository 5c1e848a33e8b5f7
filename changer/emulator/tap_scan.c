#include "changer/emulator/tap_scan.h"

#include "base/bytes.h"
#include "base/file.h"

enum {
	GLANCE = 16,	    /* bytes read at once while records are large */
	MAX_GAPS = 1 << 20, /* in a row; more is no tape */
};

/* Looks at `bytes` bytes (at most GLANCE) at an offset; *ret_length is less at the end of the file.
 * `small`: what comes next is near, so read more at once.
 */
static int glance(struct rsm_tap_scan *scan, uint64_t offset, size_t bytes, bool small,
		  const uint8_t **ret_bytes, size_t *ret_length)
{
	size_t at;
	int r;

	if (offset < scan->window_offset ||
	    offset + bytes > scan->window_offset + scan->window_length) {
		r = rsm_file_read_at(scan->fd, scan->window, small ? RSM_TAP_WINDOW : GLANCE,
				     offset, &scan->window_length);
		if (r < 0) {
			scan->window_length = 0;
			return r;
		}
		scan->window_offset = offset;
	}
	at = (size_t)(offset - scan->window_offset);
	*ret_bytes = scan->window + at;
	*ret_length = scan->window_length - at < bytes ? scan->window_length - at : bytes;
	return 0;
}

int rsm_tap_scan_look(struct rsm_tap_scan *scan, uint64_t offset, bool small,
		      struct rsm_tap_object *ret_object)
{
	struct rsm_tap_object object = { .kind = RSM_TAP_IS_END };
	const uint8_t *bytes;
	size_t length;
	uint32_t word;
	int r;

	for (unsigned gaps = 0;; gaps++) {
		r = glance(scan, offset + object.gap, 4, small, &bytes, &length);
		if (r < 0)
			return r;
		if (length < 4) {
			object.kind = length ? RSM_TAP_IS_TORN : RSM_TAP_IS_END;
			*ret_object = object;
			return 0;
		}
		word = rsm_get_le32(bytes);
		if (word != RSM_TAP_GAP || gaps == MAX_GAPS)
			break;
		object.gap += 4;
	}
	object.length = word & ~RSM_TAP_CLASS_MASK;
	object.bad = (word & RSM_TAP_CLASS_MASK) == RSM_TAP_CLASS_BAD;
	if (word == 0)
		object.kind = RSM_TAP_IS_MARK;
	else if (word == RSM_TAP_END_OF_MEDIUM)
		object.kind = RSM_TAP_IS_END;
	else if (((word & RSM_TAP_CLASS_MASK) && !object.bad) || object.length == 0 ||
		 object.length > RSM_TAP_RECORD_LIMIT)
		object.kind = RSM_TAP_IS_WRONG;
	else
		object.kind = RSM_TAP_IS_RECORD;
	*ret_object = object;
	return 0;
}

/* Whether good records stand behind `offset`, seen from the end of the file: then what stands at
 * `offset` is no torn append but damage, and cutting there would destroy them.
 */
static int has_records_behind(struct rsm_tap_scan *scan, uint64_t offset, bool *ret_has)
{
	uint64_t end = scan->file_bytes;
	uint8_t word[4];
	size_t length;
	int r;

	*ret_has = false;
	for (unsigned marks = 0; marks < 4 && end >= offset + 4; marks++) {
		uint32_t trailer;

		r = rsm_file_read_at(scan->fd, word, 4, end - 4, &length);
		if (r < 0 || length < 4)
			return r;
		trailer = rsm_get_le32(word);
		if (trailer == 0) { /* perhaps a filemark */
			end -= 4;
			continue;
		}
		if ((trailer & RSM_TAP_CLASS_MASK) || trailer > RSM_TAP_RECORD_LIMIT ||
		    rsm_tap_extent(trailer) > end || end - rsm_tap_extent(trailer) <= offset)
			return 0;
		r = rsm_file_read_at(scan->fd, word, 4, end - rsm_tap_extent(trailer), &length);
		if (r < 0)
			return r;
		*ret_has = length == 4 && rsm_get_le32(word) == trailer;
		return 0;
	}
	return 0;
}

/* Whether a record's second length is there and right. */
int rsm_tap_scan_check(struct rsm_tap_scan *scan, uint64_t offset, struct rsm_tap_object *object)
{
	uint64_t extent = rsm_tap_extent(object->length);
	bool small = object->length < RSM_TAP_SMALL_RECORD, behind;
	const uint8_t *bytes;
	size_t length;
	int r;

	if (offset + extent <= scan->file_bytes) {
		/* the next header comes with it */
		r = glance(scan, offset + extent - 4, 4, small, &bytes, &length);
		if (r < 0)
			return r;
		if (length == 4 && (rsm_get_le32(bytes) & ~RSM_TAP_CLASS_MASK) == object->length)
			return 0;
	}
	object->kind = RSM_TAP_IS_TORN;
	if (offset + extent < scan->file_bytes) {
		object->kind = RSM_TAP_IS_WRONG;
		return 0;
	}
	r = has_records_behind(scan, offset, &behind);
	if (r == 0 && behind)
		object->kind = RSM_TAP_IS_WRONG;
	return r;
}
