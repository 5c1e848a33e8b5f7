/* tap_image.h - a partition of a tape as a file in SIMH's magnetic tape image format.
 *
 * A record is its length (32 bits, little-endian), the data padded to even, and the length again;
 * length 0 is a filemark, FFFFFFFFh the end of the medium, FFFFFFFEh a gap. What stands behind the
 * position goes when something is written, as on a tape. Blocks count records and filemarks from 0.
 *
 * A gap with nothing behind it is a tape that lost its end of data: it can be read and written up
 * to there, and what would find the end fails, until something is written or erased. A record that
 * the end of the file cuts off is the end of data. Lengths that differ before that are damage: the
 * image ends there and cannot be written. Memory: an index of some hundred KiB for millions of
 * records (tap_index.h). Threads: the owner's.
 */
#ifndef RSM_CHANGER_EMULATOR_TAP_IMAGE_H
#define RSM_CHANGER_EMULATOR_TAP_IMAGE_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "changer/emulator/tap_scan.h"

struct rsm_tap_image;

enum rsm_tap_outcome {
	RSM_TAP_FILEMARK = 1,
	RSM_TAP_END,	    /* end of data */
	RSM_TAP_BEGINNING,  /* of the partition */
	RSM_TAP_DAMAGED,    /* the image cannot be read from here on */
	RSM_TAP_NO_END,	    /* nothing can be read from here on, but it is no end of data */
	RSM_TAP_BAD_RECORD, /* this record is marked as unreadable; position is behind it */
};

/* Opens partition `number` in a cartridge's folder (borrowed); a file that is missing is made when
 * it is written. Not writable: also what may not be opened for writing.
 */
RSM_MUST_CHECK int rsm_tap_image_open(int folder, unsigned number, bool writable,
				      struct rsm_tap_image **ret_image, struct rsm_err *err);
/* Writes nothing. */
void rsm_tap_image_close(struct rsm_tap_image *image);
RSM_DEFINE_CLEANUP(rsm_tap_image_close, struct rsm_tap_image)

bool rsm_tap_image_exists(const struct rsm_tap_image *image);
bool rsm_tap_image_is_writable(const struct rsm_tap_image *image);
bool rsm_tap_image_is_damaged(const struct rsm_tap_image *image);

uint64_t rsm_tap_image_block(const struct rsm_tap_image *image);
uint64_t rsm_tap_image_offset(const struct rsm_tap_image *image);     /* bytes up to the position */
uint64_t rsm_tap_image_end_block(const struct rsm_tap_image *image);  /* of end of data */
uint64_t rsm_tap_image_end_offset(const struct rsm_tap_image *image); /* bytes in use */
uint64_t rsm_tap_image_file_number(struct rsm_tap_image *image); /* filemarks before the position */

/* Reads the next record: *ret_length is its length, of which at most `size` are in buf.
 * Outcomes: FILEMARK (position is behind it), END, DAMAGED, BAD_RECORD; buf is untouched then.
 */
RSM_MUST_CHECK int rsm_tap_image_read(struct rsm_tap_image *image, void *buf, size_t size,
				      size_t *ret_length, struct rsm_err *err);

/* -EROFS; another negative result: nothing was written. */
RSM_MUST_CHECK int rsm_tap_image_write(struct rsm_tap_image *image, const void *buf, size_t size,
				       struct rsm_err *err);
RSM_MUST_CHECK int rsm_tap_image_write_filemarks(struct rsm_tap_image *image, unsigned count,
						 struct rsm_err *err);

/* Makes an end of data here. */
RSM_MUST_CHECK int rsm_tap_image_erase(struct rsm_tap_image *image, struct rsm_err *err);

/* Outcomes: END, DAMAGED: `block` lies behind it, and the position is there. */
RSM_MUST_CHECK int rsm_tap_image_locate(struct rsm_tap_image *image, uint64_t block,
					struct rsm_err *err);

/* To end of data. Outcomes: NO_END, DAMAGED: the position is where reading ends. */
RSM_MUST_CHECK int rsm_tap_image_locate_end(struct rsm_tap_image *image, struct rsm_err *err);

/* Over `count` records, negative: backwards. *ret_moved is how many were passed. Outcomes: FILEMARK
 * (it was passed as well), END, BEGINNING, DAMAGED.
 */
RSM_MUST_CHECK int rsm_tap_image_space_blocks(struct rsm_tap_image *image, int64_t count,
					      uint64_t *ret_moved, struct rsm_err *err);
/* Over filemarks. Outcomes: END, BEGINNING, DAMAGED. */
RSM_MUST_CHECK int rsm_tap_image_space_filemarks(struct rsm_tap_image *image, int64_t count,
						 uint64_t *ret_moved, struct rsm_err *err);

/* What was written is on the disk when this returns. Cheap if nothing was. */
RSM_MUST_CHECK int rsm_tap_image_sync(struct rsm_tap_image *image, struct rsm_err *err);

/* The drive has written its buffer to the tape: no power cut takes anything of it back. What _sync
 * does besides.
 */
void rsm_tap_image_settle(struct rsm_tap_image *image);

/* A power cut loses what is not settled: of those bytes `kept` 256ths have reached the tape, up to
 * the middle of a record. What had been there before is gone in any case.
 */
void rsm_tap_image_lose(struct rsm_tap_image *image, unsigned kept);

/* Writes the index file, if the image is so large that it pays and none is there. */
RSM_MUST_CHECK int rsm_tap_image_save_index(struct rsm_tap_image *image, struct rsm_err *err);

/* Makes the file, empty if it is not there. */
RSM_MUST_CHECK int rsm_tap_image_make(struct rsm_tap_image *image, struct rsm_err *err);

#endif
