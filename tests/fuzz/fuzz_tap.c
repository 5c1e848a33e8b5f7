/* A tape image: whatever the file holds, walking it forwards and backwards and locating agree, and
 * what is written behind it can be read.
 */
#include <string.h>
#include <unistd.h>

#include "changer/emulator/tap_image.h"
#include "tests/fuzz/fuzz.h"

enum { BLOCKS = 600, ROOM = 4096 };

static struct rsm_tap_image *open_image(bool writable)
{
	struct rsm_tap_image *image;
	struct rsm_err err;

	FUZZ_PROMISE(rsm_tap_image_open(fuzz_folder_fd(), 0, writable, &image, &err) == 0, "%s",
		     err.msg);
	return image;
}

static int at_end(const struct rsm_tap_image *image)
{
	return rsm_tap_image_is_damaged(image) ? RSM_TAP_DAMAGED : RSM_TAP_END;
}

/* Reads up to the end; returns how many objects there were. */
static uint64_t walk(struct rsm_tap_image *image, uint8_t *room, uint64_t *ret_marks)
{
	uint64_t blocks = 0;
	struct rsm_err err;
	int r;

	*ret_marks = 0;
	for (;; blocks++) {
		size_t length = 0;

		FUZZ_PROMISE(rsm_tap_image_block(image) == blocks, "block %llu",
			     (unsigned long long)blocks);
		r = rsm_tap_image_read(image, room, ROOM, &length, &err);
		FUZZ_PROMISE(r >= 0, "%s", err.msg);
		if (r == RSM_TAP_END || r == RSM_TAP_DAMAGED)
			break;
		*ret_marks += r == RSM_TAP_FILEMARK;
	}
	FUZZ_PROMISE(r == at_end(image), "%d", r);
	FUZZ_PROMISE(blocks == rsm_tap_image_end_block(image), "%llu of %llu blocks",
		     (unsigned long long)blocks,
		     (unsigned long long)rsm_tap_image_end_block(image));
	FUZZ_PROMISE(*ret_marks == rsm_tap_image_file_number(image), "%llu filemarks",
		     (unsigned long long)*ret_marks);
	return blocks;
}

static void locate_all(struct rsm_tap_image *image, uint64_t blocks)
{
	struct rsm_err err;

	for (uint64_t block = blocks < BLOCKS ? blocks : BLOCKS; block-- > 0;) {
		uint64_t moved = 0;
		int r = rsm_tap_image_locate(image, block, &err);

		FUZZ_PROMISE(r == 0 && rsm_tap_image_block(image) == block, "block %llu: %d",
			     (unsigned long long)block, r);
		r = rsm_tap_image_space_blocks(image, 1, &moved, &err);
		FUZZ_PROMISE((r == 0 && moved == 1) || r == RSM_TAP_FILEMARK ||
				     (r == RSM_TAP_DAMAGED && block + 1 == blocks),
			     "over block %llu: %d", (unsigned long long)block, r);
		r = rsm_tap_image_space_blocks(image, -1, &moved, &err);
		FUZZ_PROMISE(rsm_tap_image_block(image) == block, "back over block %llu: %d",
			     (unsigned long long)block, r);
	}
}

static void count_marks(struct rsm_tap_image *image, uint64_t blocks, uint64_t marks)
{
	/* where damage begins is no place like any other */
	bool nowhere = rsm_tap_image_is_damaged(image) && blocks == 0;
	uint64_t moved = 0;
	struct rsm_err err;
	int r = rsm_tap_image_locate(image, 0, &err);

	FUZZ_PROMISE(r == (nowhere ? RSM_TAP_DAMAGED : 0), "%d", r);
	r = rsm_tap_image_space_filemarks(image, INT64_MAX, &moved, &err);
	FUZZ_PROMISE(r == at_end(image) && moved == marks, "%d, %llu of %llu filemarks", r,
		     (unsigned long long)moved, (unsigned long long)marks);
	r = rsm_tap_image_space_filemarks(image, -(int64_t)marks - 1, &moved, &err);
	FUZZ_PROMISE(r == (nowhere ? RSM_TAP_DAMAGED : RSM_TAP_BEGINNING) && moved == marks,
		     "%d, %llu of %llu filemarks", r, (unsigned long long)moved,
		     (unsigned long long)marks);
	r = rsm_tap_image_locate(image, blocks + 1, &err);
	FUZZ_PROMISE(r == at_end(image) && rsm_tap_image_block(image) == blocks, "%d", r);
}

static void append(uint64_t blocks, uint8_t *room)
{
	struct rsm_tap_image *image = open_image(true);
	size_t length = 0;
	struct rsm_err err;
	int r = rsm_tap_image_locate(image, blocks, &err);

	FUZZ_PROMISE(r == 0 || r == at_end(image), "%d", r);
	r = rsm_tap_image_write(image, "record", 6, &err);
	FUZZ_PROMISE(r == 0 || (r == -EROFS && rsm_tap_image_is_damaged(image)), "%s", err.msg);
	if (r == 0) {
		r = rsm_tap_image_write_filemarks(image, 1, &err);
		FUZZ_PROMISE(r == 0, "%s", err.msg);
		rsm_tap_image_close(image);
		image = open_image(false);
		FUZZ_PROMISE(rsm_tap_image_end_block(image) == blocks + 2, "block %llu",
			     (unsigned long long)blocks);
		r = rsm_tap_image_locate(image, blocks, &err);
		FUZZ_PROMISE(r == 0, "%d", r);
		r = rsm_tap_image_read(image, room, ROOM, &length, &err);
		FUZZ_PROMISE(r == 0 && length == 6 && memcmp(room, "record", 6) == 0, "%d", r);
		r = rsm_tap_image_read(image, room, ROOM, &length, &err);
		FUZZ_PROMISE(r == RSM_TAP_FILEMARK, "%d", r);
	}
	rsm_tap_image_close(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *room = malloc(ROOM);
	struct rsm_tap_image *image;
	uint64_t blocks, marks;

	FUZZ_PROMISE(room, "out of memory");
	fuzz_put_file("partition0.tap", data, size);
	image = open_image(false);
	blocks = walk(image, room, &marks);
	locate_all(image, blocks);
	count_marks(image, blocks, marks);
	rsm_tap_image_close(image);
	append(blocks, room);
	free(room);
	return 0;
}
