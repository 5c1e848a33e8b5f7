/* tap_scan.h - what stands where in a SIMH tape image: its length words, read economically. */
#ifndef RSM_CHANGER_EMULATOR_TAP_SCAN_H
#define RSM_CHANGER_EMULATOR_TAP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RSM_TAP_RECORD_LIMIT = 1 << 24, /* bytes; an LTO drive writes half of it at most */
	RSM_TAP_WINDOW = 64 * 1024,	/* read at once while records are small */
	RSM_TAP_SMALL_RECORD = 16 * 1024,
};

#define RSM_TAP_END_OF_MEDIUM 0xFFFFFFFFu
#define RSM_TAP_GAP	      0xFFFFFFFEu
#define RSM_TAP_CLASS_BAD     0x80000000u
#define RSM_TAP_CLASS_MASK    0xF0000000u

/* A file, and a piece of it. */
struct rsm_tap_scan {
	int fd;		     /* borrowed; -1: none */
	uint64_t file_bytes; /* kept right by the owner */
	uint64_t window_offset;
	size_t window_length; /* 0: nothing, as after each change of the file */
	uint8_t window[RSM_TAP_WINDOW];
};

enum rsm_tap_kind {
	RSM_TAP_IS_RECORD,
	RSM_TAP_IS_MARK,
	RSM_TAP_IS_END,	  /* of the file, or a mark of the end of the medium */
	RSM_TAP_IS_TORN,  /* the file ends in the middle of it */
	RSM_TAP_IS_WRONG, /* no tape image */
};

struct rsm_tap_object {
	enum rsm_tap_kind kind;
	bool bad;	 /* a record that is marked as unreadable */
	uint32_t length; /* of the data */
	uint64_t gap;	 /* bytes before it */
};

/* Bytes of a record in the image. */
static inline uint64_t rsm_tap_extent(uint32_t length)
{
	return 8 + (uint64_t)length + (length & 1);
}

/* Bytes of an object that was looked at. */
static inline uint64_t rsm_tap_object_extent(const struct rsm_tap_object *object)
{
	return object->gap + (object->kind == RSM_TAP_IS_MARK ? 4 : rsm_tap_extent(object->length));
}

/* What the length word at an offset tells. `small`: what comes next is near, so read more at once.
 * Returns 0 or -errno.
 */
int rsm_tap_scan_look(struct rsm_tap_scan *scan, uint64_t offset, bool small,
		      struct rsm_tap_object *ret_object);

/* Looks at the second length of a record whose first one is at `offset`; sets its kind to IS_TORN
 * or IS_WRONG if it is not right. Returns 0 or -errno.
 */
int rsm_tap_scan_check(struct rsm_tap_scan *scan, uint64_t offset, struct rsm_tap_object *object);

#endif
