/* Which index is current, and is it the one we have cached?
 *
 * MAM answers quickly: when the volume change reference equals that of both partitions' coherency
 * information, nothing was written since both were complete. Any surprise falls back to the full
 * check, which looks at the ends of both partitions and believes only what is on the tape (12).
 * An index is told by its uuid, generation and update time; the facts of the volume index say of
 * which index on the medium it is a copy, and which one was being written when the process died
 * (intent).
 */
#include "core/ltfs/ltfs_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/ltfs/index_stream.h"

enum { LAST_LABEL_BLOCK = 3 };

/* Is this the beginning of an index? Saves feeding data records to the parser. */
static bool looks_like_index(const char *record, size_t length)
{
	char head[512];
	size_t n = length < sizeof head - 1 ? length : sizeof head - 1;

	memcpy(head, record, n);
	head[n] = '\0';
	return strstr(head, "<ltfsindex") || strstr(head, "<ltfsincrementalindex");
}

static int feed_records(struct rsm_ltfs_volume *ltfs, struct rsm_ltfs_index_reader *reader,
			uint64_t *ret_records, uint64_t *ret_bytes, bool *ret_closed,
			struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_stream_free) struct rsm_index_stream *stream = NULL;
	uint64_t records = 0, bytes = 0;
	bool last = false;
	int r = rsm_index_stream_new(reader, &stream, err);

	if (r < 0)
		return r;
	for (;;) {
		size_t length = 0;

		r = rsm_tape_drive_read(ltfs->drive, ltfs->block, ltfs->label.block_size, &length,
					err);
		if (r < 0)
			return r;
		if (r == RSM_TAPE_FILEMARK || r == RSM_TAPE_END_OF_DATA) {
			*ret_closed = r == RSM_TAPE_FILEMARK;
			break;
		}
		if (last)
			return rsm_err_set(err, EBADMSG,
					   "a short record stands in the middle of the index");
		if (records == 0 && !looks_like_index(ltfs->block, length))
			return rsm_err_set(err, EBADMSG, "no index begins there");
		last = length < ltfs->label.block_size;
		r = rsm_index_stream_put(stream, ltfs->block, length, err);
		if (r < 0)
			return r;
		records++;
		bytes += length;
	}
	r = rsm_index_stream_end(stream, err);
	if (r < 0)
		return r;
	*ret_records = records;
	*ret_bytes = bytes;
	return 0;
}

int rsm_ltfs_read_index(struct rsm_ltfs_volume *ltfs, int which, uint64_t block,
			struct rsm_index_loader *loader, struct rsm_ltfs_index_header *ret_header,
			uint64_t *ret_end, uint64_t *ret_bytes, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	struct rsm_ltfs_index_header header;
	uint64_t records = 0, bytes = 0;
	bool closed = false;
	int r;

	r = rsm_ltfs_seek(ltfs, which, block, err);
	if (r == 0)
		r = rsm_ltfs_index_reader_new(loader, ltfs->label.uuid, &reader, err);
	if (r == 0)
		r = feed_records(ltfs, reader, &records, &bytes, &closed, err);
	if (r == 0)
		r = rsm_ltfs_index_reader_finish(reader, &header, err);
	if (r == -ENOMEM || r == -ENOSPC || r == -ENODEV)
		return r;
	if (r == 0 &&
	    (header.self_partition != ltfs->part[which].letter || header.self_block != block))
		r = rsm_err_set(err, EBADMSG, "it says that it stands at %c:%" PRIu64,
				header.self_partition, header.self_block);
	if (r < 0) {
		rsm_err_wrap(err, r, "index at %c:%" PRIu64, ltfs->part[which].letter, block);
		return 1;
	}
	*ret_header = header;
	*ret_end = block + records + (closed ? 1 : 0);
	*ret_bytes = bytes;
	return 0;
}

/* Walks backwards over the filemarks of a partition to its last whole index. *ret_mark is the last
 * filemark of all. Outcome 1: there is no index.
 */
static int walk_back(struct rsm_ltfs_volume *ltfs, int which, uint64_t *ret_mark,
		     struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	struct ltfs_partition *part = &ltfs->part[which];
	uint64_t from = part->end;

	while (from > LAST_LABEL_BLOCK + 1) {
		struct rsm_tape_position position;
		uint64_t end;
		int r = rsm_ltfs_seek(ltfs, which, from, err);

		if (r == 0)
			r = rsm_tape_drive_space_filemarks(ltfs->drive, -1, NULL, err);
		if (r == RSM_TAPE_BEGINNING)
			return 1;
		if (r == 0)
			r = rsm_tape_drive_position(ltfs->drive, &position, err);
		if (r != 0)
			return rsm_err_fold(err, r, "spacing back from block %" PRIu64, from);
		if (position.block <= LAST_LABEL_BLOCK)
			return 1;
		if (from == part->end)
			*ret_mark = position.block;
		if (position.block + 1 < part->end) {
			r = rsm_ltfs_read_index(ltfs, which, position.block + 1, NULL, ret_header,
						&end, &ltfs->index_bytes, err);
			if (r < 0)
				return r;
			if (r == 0 && !ret_header->incremental) {
				part->index_block = position.block + 1;
				part->index_generation = ret_header->generation;
				part->ends_with_index = end == part->end;
				return 0;
			}
		}
		from = position.block;
	}
	return 1;
}

static int find_last_index(struct rsm_ltfs_volume *ltfs, int which,
			   struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	struct ltfs_partition *part = &ltfs->part[which];
	uint64_t mark = 0;
	bool closed;
	int r;

	part->index_block = 0;
	part->ends_with_index = false;
	r = walk_back(ltfs, which, &mark, ret_header, err);
	if (r < 0)
		return r;
	closed = mark && mark + 1 == part->end;
	part->lacks_filemark = part->ends_with_index && !closed;
	part->stray_filemark = !part->ends_with_index && closed;
	return r;
}

static void refuse(struct rsm_ltfs_volume *ltfs, const char *why)
{
	ltfs->read_only = true;
	snprintf(ltfs->reason, sizeof ltfs->reason, "%s", why);
}

/* 12.2 and 11: both last indexes are looked for on the tape itself. */
static int full_check(struct rsm_ltfs_volume *ltfs, int *ret_which,
		      struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	struct rsm_ltfs_index_header header[PARTITIONS];
	bool found[PARTITIONS];

	for (int which = 0; which < PARTITIONS; which++) {
		int r = find_last_index(ltfs, which, &header[which], err);

		if (r < 0)
			return rsm_err_wrap(err, r, "partition %c", ltfs->part[which].letter);
		found[which] = r == 0;
	}
	if (!found[INDEX] && !found[DATA])
		return rsm_err_set(err, EBADMSG, "neither partition holds a whole index");
	if (!found[DATA]) {
		if (header[INDEX].back_block)
			refuse(ltfs, "the data partition has lost its indexes");
		*ret_which = INDEX;
	} else if (!found[INDEX] || header[DATA].generation > header[INDEX].generation) {
		*ret_which = DATA;
	} else if (header[INDEX].back_partition == ltfs->part[DATA].letter &&
		   header[INDEX].back_block == ltfs->part[DATA].index_block) {
		*ret_which = INDEX;
	} else if (header[INDEX].generation == header[DATA].generation) {
		*ret_which = DATA;
	} else {
		refuse(ltfs, "the index partition is newer but does not follow the data partition");
		*ret_which = INDEX;
	}
	*ret_header = header[*ret_which];
	return 0;
}

static int read_coherency(struct rsm_ltfs_volume *ltfs, int which, struct rsm_coherency *ret_info,
			  struct rsm_err *err)
{
	uint8_t value[256];
	size_t length;
	int r;

	r = rsm_medium_memory_read(ltfs->drive, ltfs->part[which].number, RSM_MAM_VOLUME_COHERENCY,
				   value, sizeof value, &length, err);
	if (r != 0)
		return r;
	if (length > sizeof value || rsm_coherency_parse(value, length, ret_info) != 0 ||
	    strcasecmp(ret_info->uuid, ltfs->label.uuid) != 0)
		return RSM_MAM_ABSENT;
	return 0;
}

/* Does an index construct that begins at `block` end where the partition ends? */
static int check_end(struct rsm_ltfs_volume *ltfs, int which, uint64_t block, struct rsm_err *err)
{
	struct rsm_tape_position position;
	int r;

	if (block <= LAST_LABEL_BLOCK || block >= ltfs->part[which].end)
		return 1;
	r = rsm_ltfs_seek(ltfs, which, block, err);
	if (r == 0)
		r = rsm_tape_drive_space_filemarks(ltfs->drive, 1, NULL, err);
	if (r > 0)
		return 1;
	if (r == 0)
		r = rsm_tape_drive_position(ltfs->drive, &position, err);
	if (r < 0)
		return r;
	return position.block == ltfs->part[which].end ? 0 : 1;
}

/* 12.1. Outcome 1: MAM does not tell, or is not to be believed. */
static int fast_path(struct rsm_ltfs_volume *ltfs, int *ret_which,
		     struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	struct rsm_coherency info[PARTITIONS];
	uint64_t reference, end;
	int r;

	r = rsm_ltfs_change_reference(ltfs, &reference, err);
	for (int which = 0; r == 0 && which < PARTITIONS; which++)
		r = read_coherency(ltfs, which, &info[which], err);
	if (r != 0)
		return r;
	if (info[INDEX].change_reference != reference || info[DATA].change_reference != reference ||
	    info[INDEX].generation < info[DATA].generation)
		return 1;
	for (int which = 0; which < PARTITIONS; which++) {
		r = check_end(ltfs, which, info[which].block, err);
		if (r != 0)
			return r;
		ltfs->part[which].index_block = info[which].block;
		ltfs->part[which].index_generation = info[which].generation;
		ltfs->part[which].ends_with_index = true;
	}
	r = rsm_ltfs_read_index(ltfs, INDEX, info[INDEX].block, NULL, ret_header, &end,
				&ltfs->index_bytes, err);
	if (r != 0)
		return r;
	if (ret_header->generation != info[INDEX].generation || ret_header->incremental ||
	    ret_header->back_partition != ltfs->part[DATA].letter ||
	    ret_header->back_block != info[DATA].block)
		return 1;
	*ret_which = INDEX;
	return 0;
}

int rsm_ltfs_find_current(struct rsm_ltfs_volume *ltfs, int *ret_which,
			  struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	for (int which = 0; which < PARTITIONS; which++) {
		int r = rsm_tape_drive_locate_end(ltfs->drive, ltfs->part[which].number,
						  &ltfs->part[which].end, err);

		if (r < 0)
			return rsm_err_wrap(err, r, "end of partition %c",
					    ltfs->part[which].letter);
	}
	switch (fast_path(ltfs, ret_which, ret_header, err)) {
	case 0: return 0;
	case -ENODEV: return -ENODEV;
	case -ENOMEM: return -ENOMEM;
	default: return full_check(ltfs, ret_which, ret_header, err);
	}
}

int rsm_ltfs_change_reference(struct rsm_ltfs_volume *ltfs, uint64_t *ret_reference,
			      struct rsm_err *err)
{
	uint8_t value[8];
	uint64_t reference = 0;
	size_t length;
	int r;

	r = rsm_medium_memory_read(ltfs->drive, 0, RSM_MAM_VOLUME_CHANGE_REFERENCE, value,
				   sizeof value, &length, err);
	if (r != 0)
		return r;
	if (length == 0 || length > sizeof value)
		return 1;
	for (size_t i = 0; i < length; i++)
		reference = reference << 8 | value[i];
	if (reference == 0 || reference == UINT32_MAX || reference == UINT64_MAX)
		return 1;
	*ret_reference = reference;
	return 0;
}

/* ---- is the cached tree a copy of that index? ---- */

enum cached { CACHED_OTHER, CACHED_SAME, CACHED_INTENT };

static bool same_index(struct rsm_volume_index *index, const char *generation_key,
		       const char *time_key, const struct rsm_ltfs_index_header *header)
{
	RSM_FREE char *time = NULL;
	char expected[RSM_LTFS_TIME_SIZE];
	uint64_t generation;

	if (rsm_volume_index_get_number(index, generation_key, &generation, 0, NULL) < 0 ||
	    rsm_volume_index_get_fact(index, time_key, &time, NULL) < 0)
		return false;
	rsm_ltfs_time_format(&header->update_time, expected);
	return generation == header->generation && time && strcmp(time, expected) == 0;
}

static enum cached compare_cached(struct rsm_ltfs_volume *ltfs,
				  const struct rsm_ltfs_index_header *header)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	RSM_FREE char *uuid = NULL;

	if (rsm_volume_index_get_fact(index, "uuid", &uuid, NULL) < 0 || !uuid ||
	    strcasecmp(uuid, ltfs->label.uuid) != 0)
		return CACHED_OTHER;
	if (same_index(index, "generation", "update_time", header))
		return CACHED_SAME;
	if (same_index(index, "intent_generation", "intent_time", header))
		return CACHED_INTENT;
	return CACHED_OTHER;
}

static int reload(struct rsm_ltfs_volume *ltfs, int which, struct rsm_ltfs_index_header *header,
		  struct rsm_text *ret_conflicts, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_loader_free) struct rsm_index_loader *loader = NULL;
	char path[4200];
	uint64_t end;
	int r;

	snprintf(path, sizeof path, "%s/index.db", rsm_content_folder(ltfs->content));
	r = rsm_index_loader_new(path, &loader, err);
	if (r < 0)
		return r;
	r = rsm_ltfs_read_index(ltfs, which, ltfs->part[which].index_block, loader, header, &end,
				&ltfs->index_bytes, err);
	if (r > 0)
		return -EBADMSG;
	if (r == 0)
		r = rsm_index_loader_finish(loader, header->highest_uid, err);
	if (r < 0)
		return r;
	r = rsm_content_replace(ltfs->content, RSM_STEAL(loader), ret_conflicts, err);
	return r ? r : rsm_ltfs_save_root_keys(ltfs, NULL, err);
}

/* Extents that no index covers yet are believed only if the tape is still long enough. */
static int check_unindexed(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	uint64_t expected;
	int r;

	r = rsm_volume_index_get_number(index, "data_end", &expected, 0, err);
	if (r < 0 || expected <= ltfs->part[DATA].end)
		return r;
	rsm_log_warning("the tape ends at block %" PRIu64 " instead of %" PRIu64
			": what was written behind it is written again",
			ltfs->part[DATA].end, expected);
	return rsm_content_forget_unindexed(ltfs->content, err);
}

static void check_lock(struct rsm_ltfs_volume *ltfs, const struct rsm_ltfs_index_header *header)
{
	struct rsm_tape_medium medium;
	struct rsm_err err;
	uint8_t lock = 0;
	size_t length;

	if (rsm_tape_drive_medium(ltfs->drive, &medium, &err) == 0 && medium.write_protected)
		refuse(ltfs, "the cartridge is write-protected");
	ltfs->locked = !ltfs->read_only && strcmp(header->lock, "locked") == 0;
	if (strcmp(header->lock, "locked") == 0 || strcmp(header->lock, "permlocked") == 0)
		refuse(ltfs, RSM_LTFS_LOCKED);
	if (rsm_medium_memory_read(ltfs->drive, 0, RSM_MAM_VOLUME_LOCK, &lock, 1, &length, &err) ==
		    0 &&
	    (lock == 2 || (lock >= 4 && lock <= 6)))
		refuse(ltfs, "the volume had a permanent write error");
}

int rsm_ltfs_mount(struct rsm_tape_drive *drive, struct rsm_content *content,
		   const struct rsm_ltfs_label *label, struct rsm_text *ret_conflicts,
		   struct rsm_volume **ret_volume, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_volume_free) struct rsm_ltfs_volume *ltfs = NULL;
	struct rsm_ltfs_index_header header;
	struct rsm_volume_index *index = rsm_content_index(content);
	uint64_t version, again = 0;
	int which, r, outcome = 0;

	r = rsm_ltfs_volume_new(drive, content, label, &ltfs, err);
	if (r == 0)
		r = rsm_ltfs_find_current(ltfs, &which, &header, err);
	if (r < 0)
		return r;

	switch (compare_cached(ltfs, &header)) {
	case CACHED_SAME: break;
	case CACHED_INTENT:
		/* we died between the index on the tape and the note that it is there */
		r = rsm_volume_index_get_number(index, "intent_version", &version, 0, err);
		if (r == 0)
			r = rsm_content_indexed_to(content, version, err);
		break;
	case CACHED_OTHER: again = 1; break;
	}
	/* what was written by the intent is ours as well: nothing of it is in conflict */
	if (r == 0 && !again)
		r = rsm_volume_index_get_number(index, "read_again", &again, 0, err);
	if (r == 0 && again) {
		r = reload(ltfs, which, &header, ret_conflicts, err);
		outcome = RSM_LTFS_RELOADED;
	}
	if (r == 0 && again)
		r = rsm_volume_index_set_fact(index, "read_again", NULL, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "index of generation %" PRIu64, header.generation);
	if (outcome != RSM_LTFS_RELOADED) {
		r = check_unindexed(ltfs, err);
		if (r < 0)
			return r;
	}
	ltfs->generation = header.generation;
	ltfs->back_block = header.back_block;
	ltfs->self_partition = header.self_partition;
	ltfs->update_time = header.update_time;
	snprintf(ltfs->index_creator, sizeof ltfs->index_creator, "%s", header.creator);
	snprintf(ltfs->index_version, sizeof ltfs->index_version, "%s", header.version);
	check_lock(ltfs, &header);
	rsm_ltfs_settle_lock(ltfs);
	rsm_ltfs_ask_capacity(ltfs);
	r = rsm_ltfs_save_facts(ltfs, err);
	if (r == 0)
		r = rsm_ltfs_save_medium_facts(ltfs, header.lock, err);
	if (r == 0)
		r = rsm_volume_index_commit(index, true, err);
	if (r < 0)
		return r;
	*ret_volume = &RSM_STEAL(ltfs)->volume;
	return outcome;
}
