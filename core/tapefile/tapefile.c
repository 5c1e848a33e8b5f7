#include "core/tapefile/tapefile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RECORD_MAX = 8 << 20,
	FILES_MAX = 100000,
	RECORDS_APART_MAX =
		1 << 20, /* of a file whose records are not of the volume's block size */
};

struct tape_file {
	uint64_t start, records; /* block of the first record, how many */
	uint64_t first_bytes, bytes,
		last_bytes; /* of the first record, those behind it, the last */
};

enum { MEDIUM_ERROR = 0x03 }; /* a sense key */

struct tapefile {
	struct rsm_volume volume;
	struct rsm_tape_drive *drive;
	uint32_t block_size; /* the largest record */
	bool head_known;     /* where the last read left the drive */
	uint64_t head_block;
	struct tape_file *files;
	size_t count, room;
	char reason[256]; /* why it takes no changes, and what cannot be read */
};

static void tapefile_free(struct tapefile *tape)
{
	if (!tape)
		return;
	free(tape->files);
	free(tape);
}
RSM_DEFINE_CLEANUP(tapefile_free, struct tapefile)

/* ---- volume ---- */

static int read_block(struct rsm_volume *volume, char partition, uint64_t block, void *buf,
		      size_t *ret_length, struct rsm_err *err)
{
	struct tapefile *tape = RSM_CONTAINER_OF(volume, struct tapefile, volume);
	int r = 0;

	(void)partition;
	if (!tape->head_known || tape->head_block != block)
		r = rsm_tape_drive_locate(tape->drive, 0, block, err);
	if (r == 0)
		r = rsm_tape_drive_read(tape->drive, buf, tape->block_size, ret_length, err);
	tape->head_known = r == 0;
	tape->head_block = block + 1;
	if (r > 0)
		return RSM_VOLUME_END_OF_FILE;
	return r < 0 ? rsm_err_wrap(err, r, "block %" PRIu64, block) : 0;
}

static bool never(struct rsm_volume *volume)
{
	(void)volume;
	return false;
}

static bool no_room(struct rsm_volume *volume, uint64_t bytes)
{
	(void)volume;
	(void)bytes;
	return false;
}

static void status(struct rsm_volume *volume, struct rsm_volume_status *ret_status)
{
	struct tapefile *tape = RSM_CONTAINER_OF(volume, struct tapefile, volume);

	*ret_status =
		(struct rsm_volume_status){ .block_size = tape->block_size, .read_only = true };
	snprintf(ret_status->reason, sizeof ret_status->reason, "%s", tape->reason);
}

static void free_volume(struct rsm_volume *volume)
{
	tapefile_free(RSM_CONTAINER_OF(volume, struct tapefile, volume));
}

static const struct rsm_volume_ops ops = {
	.read_block = read_block,
	.is_dirty = never,
	.has_room = no_room,
	.status = status,
	.free = free_volume,
};

/* ---- scanning ---- */

static struct tape_file *add_file(struct tapefile *tape)
{
	if (tape->count == tape->room) {
		size_t room = tape->room ? tape->room * 2 : 16;
		struct tape_file *files = realloc(tape->files, room * sizeof *files);

		if (!files)
			return NULL;
		tape->files = files;
		tape->room = room;
	}
	tape->files[tape->count] = (struct tape_file){ 0 };
	return &tape->files[tape->count++];
}

static int read_length(struct tapefile *tape, char *buf, uint64_t block, uint64_t *ret_bytes,
		       struct rsm_err *err)
{
	size_t length = 0;
	int r = rsm_tape_drive_locate(tape->drive, 0, block, err);

	if (r == 0)
		r = rsm_tape_drive_read(tape->drive, buf, RECORD_MAX, &length, err);
	*ret_bytes = length;
	if (r == 0 && length > tape->block_size)
		tape->block_size = (uint32_t)length;
	return r;
}

/* A damaged file is what can be read of it. Returns r, the error that is in err. */
static int add_damaged(struct tapefile *tape, char *buf, uint64_t start, uint64_t first_bytes,
		       int r, struct rsm_err *err)
{
	struct tape_file file = { .start = start,
				  .records = 1,
				  .first_bytes = first_bytes,
				  .last_bytes = first_bytes },
			 *added;
	struct rsm_tape_position position;
	uint64_t last_bytes = 0;
	struct rsm_err own;

	/* only where the drive stands behind what it could read is more of it known */
	if (rsm_tape_drive_position(tape->drive, &position, &own) == 0 &&
	    position.block > start + 1 &&
	    read_length(tape, buf, position.block - 1, &last_bytes, &own) == 0) {
		file.records = position.block - start;
		file.last_bytes = last_bytes;
	}
	added = add_file(tape);
	if (!added)
		return rsm_err_oom(err);
	*added = file;
	return r;
}

/* One file, from `start`. Outcomes of reading: END_OF_DATA when the tape ends there. */
static int scan_file(struct tapefile *tape, char *buf, uint64_t start, uint64_t *ret_next,
		     struct rsm_err *err)
{
	struct rsm_tape_position position;
	struct tape_file file = { .start = start }, *added;
	bool last = false;
	int r = read_length(tape, buf, start, &file.first_bytes, err);

	if (r == RSM_TAPE_END_OF_DATA || r < 0)
		return r;
	if (r == RSM_TAPE_FILEMARK) {
		*ret_next = start + 1; /* an empty file; two filemarks end many tapes */
	} else {
		r = rsm_tape_drive_space_filemarks(tape->drive, 1, NULL, err);
		if (r < 0)
			return add_damaged(tape, buf, start, file.first_bytes, r, err);
		last = r == RSM_TAPE_END_OF_DATA;
		if (r == 0 || last)
			r = rsm_tape_drive_position(tape->drive, &position, err);
		if (r != 0)
			return rsm_err_fold(err, r, "spacing over a filemark");
		*ret_next = position.block;
		file.records = position.block - start - (last ? 0 : 1);
		file.bytes = file.last_bytes = file.first_bytes;
		if (file.records > 2) /* a header may be shorter than what follows */
			r = read_length(tape, buf, start + 1, &file.bytes, err);
		if (r == 0 && file.records > 1)
			r = read_length(tape, buf, start + file.records - 1, &file.last_bytes, err);
		if (r != 0)
			return rsm_err_fold(err, r, "last record before block %" PRIu64,
					    position.block);
	}
	added = add_file(tape);
	if (!added)
		return rsm_err_oom(err);
	*added = file;
	return last ? RSM_TAPE_END_OF_DATA : 0;
}

static int scan(struct tapefile *tape, struct rsm_err *err)
{
	RSM_FREE char *buf = malloc(RECORD_MAX);
	uint64_t block = 0;
	int r = 0;

	if (!buf)
		return rsm_err_oom(err);
	while (r == 0 && tape->count < FILES_MAX)
		r = scan_file(tape, buf, block, &block, err);
	if (r < 0 && tape->count == 0 && err->key != MEDIUM_ERROR)
		return r;
	/* what can be read can be read: a damaged rest is no reason to show nothing, and no fault
	 * of the drive */
	snprintf(tape->reason, sizeof tape->reason, "not an LTFS volume");
	if (r < 0)
		snprintf(tape->reason, sizeof tape->reason,
			 "not an LTFS volume; damaged behind %zu files, the last of which may be "
			 "cut: %.160s",
			 tape->count, err->msg);
	while (tape->count && tape->files[tape->count - 1].records == 0)
		tape->count--;
	if (!tape->block_size)
		tape->block_size = 512;
	return 0;
}

/* ---- the list as a tree ---- */

/* The records behind the first one can be one extent if they are of the volume's block size. */
static size_t count_extents(const struct tapefile *tape, const struct tape_file *file)
{
	if (file->records < 2)
		return (size_t)file->records;
	if (file->bytes != tape->block_size)
		return (size_t)file->records;
	return file->first_bytes == file->bytes ? 1 : 2;
}

static struct rsm_extent extent_of(const struct tape_file *file, size_t number, size_t count,
				   uint64_t size)
{
	uint64_t offset = number ? file->first_bytes + (number - 1) * file->bytes : 0;

	return (struct rsm_extent){
		.file_offset = offset,
		.start_block = file->start + number,
		.byte_count = number + 1 == count ? size - offset
			      : number		  ? file->bytes
						  : file->first_bytes,
		.partition = 'a',
		.indexed = true,
	};
}

static int add_node(struct rsm_index_loader *loader, const struct tapefile *tape, size_t number,
		    struct rsm_err *err)
{
	const struct tape_file *file = &tape->files[number];
	size_t count = count_extents(tape, file);
	struct rsm_node node = { .kind = RSM_NODE_FILE,
				 .uid = number + 2,
				 .flags = RSM_NODE_READONLY };
	RSM_FREE struct rsm_extent *extents = NULL;
	char name[32];

	snprintf(name, sizeof name, "file%06zu", number);
	if (file->records)
		node.size = file->last_bytes + (file->records > 1 ? file->first_bytes : 0) +
			    (file->records > 2 ? (file->records - 2) * file->bytes : 0);
	if (count > RECORDS_APART_MAX) {
		node.flags |= RSM_NODE_DAMAGED;
		count = 0;
	}
	extents = calloc(count + 1, sizeof *extents);
	if (!extents)
		return rsm_err_oom(err);
	for (size_t i = 0; i < count; i++)
		extents[i] = extent_of(file, i, count, node.size);
	return rsm_index_loader_node(loader, RSM_NODE_ROOT, name, &node, NULL, extents, count, err);
}

static int load_tree(struct rsm_content *content, const struct tapefile *tape, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_loader_free) struct rsm_index_loader *loader = NULL;
	RSM_TEXT struct rsm_text conflicts = { 0 };
	struct rsm_node root = { .kind = RSM_NODE_FOLDER, .uid = RSM_NODE_ROOT };
	char path[4200], block_size[32];
	int r;

	snprintf(path, sizeof path, "%s/index.db", rsm_content_folder(content));
	snprintf(block_size, sizeof block_size, "%u", tape->block_size);
	r = rsm_index_loader_new(path, &loader, err);
	if (r == 0)
		r = rsm_index_loader_node(loader, 0, "", &root, NULL, NULL, 0, err);
	for (size_t i = 0; r == 0 && i < tape->count; i++)
		r = add_node(loader, tape, i, err);
	if (r == 0)
		r = rsm_index_loader_set_fact(loader, "block_size", block_size, err);
	if (r == 0)
		r = rsm_index_loader_finish(loader, tape->count + 2, err);
	return r ? r : rsm_content_replace(content, RSM_STEAL(loader), &conflicts, err);
}

int rsm_tapefile_mount(struct rsm_tape_drive *drive, struct rsm_content *content,
		       struct rsm_volume **ret_volume, struct rsm_err *err)
{
	RSM_CLEANUP(tapefile_free) struct tapefile *tape = calloc(1, sizeof *tape);
	int r;

	if (!tape)
		return rsm_err_oom(err);
	tape->volume.ops = &ops;
	tape->drive = drive;
	r = scan(tape, err);
	if (r == 0)
		r = load_tree(content, tape, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "listing the files of the tape");
	*ret_volume = &RSM_STEAL(tape)->volume;
	return 0;
}
