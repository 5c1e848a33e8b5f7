/* An LTFS volume that has been mounted or formatted: its blocks, and how it ends. Finding the
 * current index is ltfs_mount.c's, writing one ltfs_commit.c's, making a volume ltfs_format.c's.
 */
#include "core/ltfs/ltfs_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

const char rsm_ltfs_creator[] = "rsmfs " RSM_VERSION " - Linux - rsmfs";

/* Never deducted less than this for the closing indexes (ltfs-format.md 16). */
#define RESERVE_BYTES	   ((uint64_t)10 << 20)
#define ASK_CAPACITY_EVERY ((uint64_t)256 << 20)

static int volume_read_block(struct rsm_volume *volume, char partition, uint64_t block, void *buf,
			     size_t *ret_length, struct rsm_err *err);
static int volume_append(struct rsm_volume *volume, const void *data, size_t length,
			 uint64_t *ret_block, struct rsm_err *err);
static int volume_synchronize(struct rsm_volume *volume, struct rsm_err *err);
static bool volume_has_room(struct rsm_volume *volume, uint64_t bytes);
static void volume_status(struct rsm_volume *volume, struct rsm_volume_status *ret_status);
static struct rsm_volume_finding *volume_findings(struct rsm_volume *volume, size_t *ret_count);
static void volume_free(struct rsm_volume *volume);

static const struct rsm_volume_ops ops = {
	.read_block = volume_read_block,
	.append = volume_append,
	.synchronize = volume_synchronize,
	.commit = rsm_ltfs_commit,
	.is_dirty = rsm_ltfs_is_dirty,
	.has_room = volume_has_room,
	.status = volume_status,
	.findings = volume_findings,
	.free = volume_free,
};

static struct rsm_ltfs_volume *of(struct rsm_volume *volume)
{
	return RSM_CONTAINER_OF(volume, struct rsm_ltfs_volume, volume);
}

struct rsm_ltfs_volume *rsm_ltfs_volume_of(struct rsm_volume *volume)
{
	return volume->ops == &ops ? of(volume) : NULL;
}

int rsm_ltfs_volume_new(struct rsm_tape_drive *drive, struct rsm_content *content,
			const struct rsm_ltfs_label *label, struct rsm_ltfs_volume **ret_ltfs,
			struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_volume_free) struct rsm_ltfs_volume *ltfs = calloc(1, sizeof *ltfs);
	int r;

	if (!ltfs)
		return rsm_err_oom(err);
	ltfs->volume.ops = &ops;
	ltfs->volume.data_partition = label->data_partition;
	ltfs->drive = drive;
	ltfs->content = content;
	ltfs->label = *label;
	ltfs->head = UNKNOWN;
	ltfs->incremental_limit = UINT64_MAX;
	ltfs->part[INDEX].letter = label->index_partition;
	ltfs->part[DATA].letter = label->data_partition;
	/* the label was read on physical partition 0: its location tells which letter that is */
	ltfs->part[INDEX].number = label->location == label->index_partition ? 0 : 1;
	ltfs->part[DATA].number = 1 - ltfs->part[INDEX].number;
	ltfs->block = malloc(label->block_size);
	if (!ltfs->block)
		return rsm_err_oom(err);
	r = rsm_ltfs_ask_worm(ltfs, err);
	if (r < 0)
		return r;
	*ret_ltfs = RSM_STEAL(ltfs);
	return 0;
}

void rsm_ltfs_volume_free(struct rsm_ltfs_volume *ltfs)
{
	if (!ltfs)
		return;
	rsm_ltfs_chain_fini(&ltfs->chain);
	free(ltfs->block);
	free(ltfs);
}

static void volume_free(struct rsm_volume *volume)
{
	rsm_ltfs_volume_free(of(volume));
}

int rsm_ltfs_seek(struct rsm_ltfs_volume *ltfs, int which, uint64_t block, struct rsm_err *err)
{
	int r;

	ltfs->at_end = false;
	ltfs->head = UNKNOWN;
	r = rsm_tape_drive_locate(ltfs->drive, ltfs->part[which].number, block, err);
	if (r > 0)
		return rsm_err_set(err, EIO, "block %c:%" PRIu64 " lies behind the end of data",
				   ltfs->part[which].letter, block);
	return r;
}

/* Sequential reads need no positioning: where a good read left the drive is known, and whatever
 * moves it otherwise (rsm_ltfs_seek, seek_end, an index) sets `head` to UNKNOWN. A drive that lost
 * its position behind our back (reset, other tape) says so by a unit attention, which the driver
 * makes an error of.
 */
static int volume_read_block(struct rsm_volume *volume, char partition, uint64_t block, void *buf,
			     size_t *ret_length, struct rsm_err *err)
{
	struct rsm_ltfs_volume *ltfs = of(volume);
	int which, r = 0;

	if (partition == ltfs->part[DATA].letter)
		which = DATA;
	else if (partition == ltfs->part[INDEX].letter)
		which = INDEX;
	else
		return rsm_err_set(err, EIO, "the volume has no partition %c", partition);

	if (ltfs->head != which || ltfs->head_block != block)
		r = rsm_ltfs_seek(ltfs, which, block, err);
	if (r < 0)
		return r;
	ltfs->at_end = false;
	ltfs->head = UNKNOWN;
	r = rsm_tape_drive_read(ltfs->drive, buf, ltfs->label.block_size, ret_length, err);
	if (r == RSM_TAPE_FILEMARK || r == RSM_TAPE_END_OF_DATA)
		return RSM_VOLUME_END_OF_FILE;
	if (r != 0) {
		r = rsm_err_fold(err, r, "read");
		return rsm_err_wrap(err, r, "block %c:%" PRIu64, partition, block);
	}
	ltfs->head = which;
	ltfs->head_block = block + 1;
	return 0;
}

/* The drive must stand where we believe the data end: another writer, or a wrong idea of the tape,
 * would otherwise be overwritten (14.1).
 * An index without its trailing filemark would run on into what is written behind it. And two
 * filemarks in front of a later index hide all older ones from the reference, which finds its way
 * by counting filemarks.
 */
int rsm_ltfs_seek_end(struct rsm_ltfs_volume *ltfs, int which, uint64_t *ret_block,
		      struct rsm_err *err)
{
	struct ltfs_partition *part = &ltfs->part[which];
	uint64_t block = 0;
	int r;

	ltfs->at_end = false;
	ltfs->head = UNKNOWN;
	r = rsm_tape_drive_locate_end(ltfs->drive, part->number, &block, err);
	if (r < 0)
		return r;
	if (r > 0)
		return rsm_err_set(err, EIO, "partition %c has no end of data", part->letter);
	if (block != part->end)
		return rsm_err_set(err, EIO,
				   "the data end at block %c:%" PRIu64 " but %" PRIu64
				   " was expected",
				   part->letter, block, part->end);
	if (part->lacks_filemark) {
		r = rsm_tape_drive_write_filemarks(ltfs->drive, 1, false, err);
		if (r < 0)
			return rsm_err_wrap(err, r, "filemark behind the index at %c:%" PRIu64,
					    part->letter, part->index_block);
		part->lacks_filemark = false;
		block = ++part->end;
	} else if (part->stray_filemark && ltfs->worm) {
		part->stray_filemark = false; /* it stays */
	} else if (part->stray_filemark) {
		r = rsm_ltfs_seek(ltfs, which, --block, err);
		if (r < 0)
			return r;
	}
	*ret_block = block;
	return 0;
}

static int seek_end(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	uint64_t block;
	int r;

	if (ltfs->at_end)
		return 0;
	r = rsm_ltfs_seek_end(ltfs, DATA, &block, err);
	ltfs->at_end = r == 0;
	return r;
}

int rsm_ltfs_refuse_doubtful(struct rsm_err *err)
{
	return rsm_err_set(err, EIO,
			   "a write to the volume failed; it has to be mounted again before more "
			   "is written to it");
}

static int volume_append(struct rsm_volume *volume, const void *data, size_t length,
			 uint64_t *ret_block, struct rsm_err *err)
{
	struct rsm_ltfs_volume *ltfs = of(volume);
	int r;

	if (ltfs->read_only)
		return rsm_err_set(err, EROFS, "%s", ltfs->reason);
	if (ltfs->doubtful)
		return rsm_ltfs_refuse_doubtful(err);
	if (ltfs->full)
		return RSM_VOLUME_FULL;
	if (!ltfs->part[INDEX].ends_with_index)
		return RSM_VOLUME_MUST_COMMIT; /* one partition must be complete at any time (14.4)
						*/
	r = seek_end(ltfs, err);
	if (r < 0)
		return r;
	r = rsm_tape_drive_write(ltfs->drive, data, length, err);
	if (r == -ENOSPC) {
		ltfs->full = true;
		ltfs->at_end = false;
		return RSM_VOLUME_FULL;
	}
	if (r < 0) { /* it may be about records that the drive had taken before */
		ltfs->at_end = false;
		ltfs->doubtful = true;
		return rsm_err_wrap(err, r, "block %c:%" PRIu64, ltfs->part[DATA].letter,
				    ltfs->part[DATA].end);
	}
	if (r == RSM_TAPE_EARLY_WARNING)
		ltfs->full = true; /* this record is on the tape, the rest of it belongs to the
				      indexes */
	if (ltfs->part[DATA].stray_filemark) { /* the record stands in its place */
		ltfs->part[DATA].stray_filemark = false;
		ltfs->part[DATA].end--;
	}
	*ret_block = ltfs->part[DATA].end++;
	ltfs->part[DATA].ends_with_index = false;
	ltfs->unsynchronized = true;
	ltfs->appended_since += length;
	if (ltfs->appended_since > ASK_CAPACITY_EVERY)
		rsm_ltfs_ask_capacity(ltfs);
	return 0;
}

static int volume_synchronize(struct rsm_volume *volume, struct rsm_err *err)
{
	struct rsm_ltfs_volume *ltfs = of(volume);
	int r;

	if (!ltfs->unsynchronized)
		return 0;
	r = rsm_tape_drive_write_filemarks(ltfs->drive, 0, false, err);
	if (r < 0) {
		ltfs->at_end = false;
		ltfs->doubtful = true;
		return rsm_err_wrap(err, r, "flushing the drive's buffer");
	}
	if (r == RSM_TAPE_EARLY_WARNING)
		ltfs->full = true;
	ltfs->unsynchronized = false;
	return 0;
}

void rsm_ltfs_ask_capacity(struct rsm_ltfs_volume *ltfs)
{
	uint64_t remaining, maximum;
	struct rsm_err err;
	int r;

	ltfs->appended_since = 0;
	r = rsm_medium_memory_capacity(ltfs->drive, ltfs->part[DATA].number, &remaining, &maximum,
				       &err);
	if (r < 0)
		rsm_log_warning("capacity of the loaded medium is not known, ignoring: %s",
				err.msg);
	if (r != 0)
		return;
	ltfs->remaining = remaining;
	ltfs->capacity = maximum;
}

/* Twice the index as it would be now, in case the first copy meets a bad spot, and a margin. */
static uint64_t reserve_bytes(struct rsm_ltfs_volume *ltfs)
{
	uint64_t index, margin;

	index = rsm_volume_index_document_bytes(rsm_content_index(ltfs->content));
	if (index < ltfs->index_bytes)
		index = ltfs->index_bytes;
	margin = RESERVE_BYTES;
	if (ltfs->capacity && margin > ltfs->capacity / 20)
		margin = ltfs->capacity / 20;
	return 2 * index + margin + ltfs->capacity / 100;
}

static bool volume_has_room(struct rsm_volume *volume, uint64_t bytes)
{
	struct rsm_ltfs_volume *ltfs = of(volume);

	if (ltfs->full || ltfs->read_only)
		return false;
	if (!ltfs->capacity)
		return true;
	return ltfs->remaining >= ltfs->appended_since &&
	       ltfs->remaining - ltfs->appended_since >= bytes + reserve_bytes(ltfs);
}

static void volume_status(struct rsm_volume *volume, struct rsm_volume_status *ret_status)
{
	struct rsm_ltfs_volume *ltfs = of(volume);

	*ret_status = (struct rsm_volume_status){
		.capacity = ltfs->capacity,
		.remaining = ltfs->remaining > ltfs->appended_since
				     ? ltfs->remaining - ltfs->appended_since
				     : 0,
		.index_generation = ltfs->generation,
		.block_size = (uint32_t)ltfs->label.block_size,
		.read_only = ltfs->read_only,
		.full = ltfs->full,
		.doubtful = ltfs->doubtful,
	};
	snprintf(ret_status->reason, sizeof ret_status->reason, "%s", ltfs->reason);
}

static struct rsm_volume_finding *volume_findings(struct rsm_volume *volume, size_t *ret_count)
{
	struct rsm_ltfs_volume *ltfs = of(volume);

	*ret_count = ltfs->finding_count;
	return ltfs->findings;
}

struct rsm_ltfs_volume *rsm_ltfs_of(struct rsm_volume *volume)
{
	return volume && volume->ops == &ops ? of(volume) : NULL;
}
