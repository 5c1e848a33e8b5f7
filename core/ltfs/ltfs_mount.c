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
bool rsm_ltfs_looks_like_index(const void *record, size_t length)
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
		if (records == 0 && !rsm_ltfs_looks_like_index(ltfs->block, length))
			return rsm_err_set(err, ENOMSG, "no index begins there");
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

static int read_document(struct rsm_ltfs_volume *ltfs, int which, uint64_t block,
			 struct rsm_index_loader *loader, bool changes,
			 struct rsm_ltfs_index_header *ret_header, uint64_t *ret_end,
			 uint64_t *ret_bytes, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	struct rsm_ltfs_index_header header;
	uint64_t records = 0, bytes = 0;
	bool closed = false;
	int r;

	ltfs->head = UNKNOWN;
	ltfs->at_end = false;
	r = rsm_tape_drive_locate(ltfs->drive, ltfs->part[which].number, block, err);
	if (r > 0)
		r = rsm_err_set(err, ENOMSG, "it lies behind the end of data");
	if (r == 0)
		r = rsm_ltfs_index_reader_new(loader, ltfs->label.uuid, &reader, err);
	if (r == 0 && changes)
		rsm_ltfs_index_reader_expect_changes(reader);
	if (r == 0)
		r = feed_records(ltfs, reader, &records, &bytes, &closed, err);
	if (r == 0)
		r = rsm_ltfs_index_reader_finish(reader, &header, err);
	/* only what stands on the tape may tell that there is no index: a drive that fails says
	 * nothing about it */
	if (r < 0 && r != -EBADMSG && r != -ENOMSG && r != -ENOBUFS &&
	    !rsm_ltfs_is_medium_error(r, err))
		return r;
	ltfs->begins_like_index = r != -ENOMSG;
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

int rsm_ltfs_read_index(struct rsm_ltfs_volume *ltfs, int which, uint64_t block,
			struct rsm_index_loader *loader, struct rsm_ltfs_index_header *ret_header,
			uint64_t *ret_end, uint64_t *ret_bytes, struct rsm_err *err)
{
	return read_document(ltfs, which, block, loader, false, ret_header, ret_end, ret_bytes,
			     err);
}

int rsm_ltfs_apply_index(struct rsm_ltfs_volume *ltfs, uint64_t block,
			 struct rsm_index_loader *loader, struct rsm_ltfs_index_header *ret_header,
			 uint64_t *ret_end, uint64_t *ret_bytes, struct rsm_err *err)
{
	return read_document(ltfs, DATA, block, loader, true, ret_header, ret_end, ret_bytes, err);
}

static void refuse(struct rsm_ltfs_volume *ltfs, const char *why)
{
	ltfs->refusal = why;
	if (!ltfs->read_only) /* that it is damaged says more */
		snprintf(ltfs->reason, sizeof ltfs->reason, "%s", why);
	ltfs->read_only = true;
}

/* What it says would be lost with the next index. The newest of several is the reason. */
static void refuse_incremental(struct rsm_ltfs_volume *ltfs, uint64_t block, const char *why)
{
	char place[48];
	size_t length;

	length = (size_t)snprintf(place, sizeof place, "index at %c:%" PRIu64,
				  ltfs->part[DATA].letter, block);
	if (strncmp(why, place, length) == 0 && why[length] == ':')
		why += length + 2; /* it says so itself */
	rsm_ltfs_find(ltfs, RSM_FINDING_REPAIR, DATA, block,
		      "the incremental %s cannot be used: %.140s", place, why);
	rsm_log_warning("the incremental %s cannot be used: %s", place, why);
}

/* The last whole index of a partition, which ends in front of block `end`. An incremental one needs
 * those that it builds on, and is on the data partition. Outcome 1: the partition is as if it were
 * not there.
 */
static int take_last(struct rsm_ltfs_volume *ltfs, int which,
		     const struct rsm_ltfs_index_header *header, uint64_t end, struct rsm_err *err)
{
	struct ltfs_partition *part = &ltfs->part[which];
	int r;

	if (header->incremental) {
		if (which != DATA || header->self_block >= ltfs->incremental_limit)
			return 1;
		r = rsm_ltfs_follow_chain(ltfs, header, &ltfs->chain, err);
		if (r > 0)
			refuse_incremental(ltfs, header->self_block, err ? err->msg : "");
		if (r)
			return r;
		part->incremental_block = header->self_block;
		part->index_block = ltfs->chain.full;
	} else {
		part->index_block = header->self_block;
	}
	part->index_generation = header->generation;
	part->index_end = end;
	part->ends_with_index = end == part->end;
	return 0;
}

/* Outcome 1: what follows the filemark looks like an index, but is what a file holds. */
static int pass_over_contents(struct rsm_ltfs_volume *ltfs, int which, uint64_t mark,
			      struct rsm_err *err)
{
	bool contents = false;
	int r = rsm_ltfs_is_contents(ltfs, which, mark, &contents, err);

	if (r == 0 && contents) {
		ltfs->begins_like_index = false;
		rsm_log_warning("what stands at %c:%" PRIu64 " looks like an index, but is what a "
				"file holds",
				ltfs->part[which].letter, mark + 1);
		return 1;
	}
	return r;
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
			if (r == 0)
				r = pass_over_contents(ltfs, which, position.block, err);
			if (r == 0)
				r = take_last(ltfs, which, ret_header, end, err);
			if (r <= 0)
				return r;
			if (ltfs->begins_like_index && !part->torn_block) {
				part->torn_block = position.block + 1;
				part->torn_closed = from != part->end;
			}
		}
		from = position.block;
	}
	return 1;
}

int rsm_ltfs_find_last_index(struct rsm_ltfs_volume *ltfs, int which,
			     struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	struct ltfs_partition *part = &ltfs->part[which];
	uint64_t mark = 0;
	bool closed;
	int r;

	part->index_block = part->incremental_block = part->torn_block = 0;
	part->ends_with_index = false;
	r = walk_back(ltfs, which, &mark, ret_header, err);
	if (r < 0)
		return r;
	closed = mark && mark + 1 == part->end;
	part->lacks_filemark = part->ends_with_index && !closed;
	part->stray_filemark = !part->ends_with_index && closed;
	/* others do not find what an incremental index says: a full one has to follow */
	if (part->incremental_block)
		part->ends_with_index = false;
	return r;
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

int rsm_ltfs_read_memory(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	for (int which = 0; which < PARTITIONS; which++) {
		struct ltfs_partition *part = &ltfs->part[which];
		int r = read_coherency(ltfs, which, &part->memory, err);

		if (r == -ENODEV || r == -ENOMEM)
			return r;
		if (r != 0)
			part->memory = (struct rsm_coherency){ 0 };
	}
	return 0;
}

/* 12.1. Outcome 1: MAM does not tell, or is not to be believed. */
int rsm_ltfs_fast_path(struct rsm_ltfs_volume *ltfs, int *ret_which,
		       struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	const struct rsm_coherency info[PARTITIONS] = { ltfs->part[INDEX].memory,
							ltfs->part[DATA].memory };
	uint64_t reference, end;
	int r;

	r = rsm_ltfs_change_reference(ltfs, &reference, err);
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
		ltfs->part[which].incremental_block = 0;
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

enum cached { CACHED_OTHER, CACHED_SAME, CACHED_INTENT, CACHED_NEWER };

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

static bool is_of_volume(struct rsm_ltfs_volume *ltfs)
{
	RSM_FREE char *uuid = NULL;

	return rsm_volume_index_get_fact(rsm_content_index(ltfs->content), "uuid", &uuid, NULL) ==
		       0 &&
	       uuid && strcasecmp(uuid, ltfs->label.uuid) == 0;
}

static enum cached compare_cached(struct rsm_ltfs_volume *ltfs,
				  const struct rsm_ltfs_index_header *header)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	uint64_t generation;

	if (!is_of_volume(ltfs))
		return CACHED_OTHER;
	if (same_index(index, "generation", "update_time", header))
		return CACHED_SAME;
	if (same_index(index, "intent_generation", "intent_time", header))
		return CACHED_INTENT;
	if (ltfs->newest_lost &&
	    rsm_volume_index_get_number(index, "generation", &generation, 0, NULL) == 0 &&
	    generation > header->generation && generation >= ltfs->part[DATA].memory.generation)
		return CACHED_NEWER;
	return CACHED_OTHER;
}

bool rsm_ltfs_is_cached(struct rsm_ltfs_volume *ltfs, const struct rsm_ltfs_index_header *header)
{
	return compare_cached(ltfs, header) != CACHED_OTHER;
}

/* Generation and time of the index that the cached tree was last in. */
static int recall_index(struct rsm_ltfs_volume *ltfs, struct rsm_ltfs_index_header *header,
			struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	RSM_FREE char *text = NULL;
	struct timespec time;
	int r = rsm_volume_index_get_number(index, "generation", &header->generation, 0, err);

	if (r == 0)
		r = rsm_volume_index_get_fact(index, "update_time", &text, err);
	if (r == 0 && text && rsm_ltfs_time_parse(text, &time) == 0)
		header->update_time = time;
	return r;
}

/* The index that the cached tree was in is damaged on the tape; the tree is the better copy. */
static int keep_newer(struct rsm_ltfs_volume *ltfs, struct rsm_ltfs_index_header *header,
		      struct rsm_err *err)
{
	ltfs->newest_kept = true;
	rsm_volume_index_touch(rsm_content_index(ltfs->content));
	return recall_index(ltfs, header, err);
}

/* Outcome 1: an incremental index turned out to be of no use, and another one has to be found. */
static int load_current(struct rsm_ltfs_volume *ltfs, int which, struct rsm_index_loader *loader,
			struct rsm_ltfs_index_header *header, struct rsm_err *err)
{
	uint64_t end, bad;
	int r;

	if (which == DATA && ltfs->part[DATA].incremental_block) {
		r = rsm_ltfs_load_chain(ltfs, &ltfs->chain, loader, header, &ltfs->index_bytes,
					&bad, err);
		if (r == 0 || (r < 0 && r != -EBADMSG))
			return r;
		/* the full one was readable a moment ago; it may be found again, or not */
		ltfs->incremental_limit = bad > ltfs->chain.full ? bad : 0;
		refuse_incremental(ltfs, bad, err ? err->msg : "");
		return 1;
	}
	r = rsm_ltfs_read_index(ltfs, which, ltfs->part[which].index_block, loader, header, &end,
				&ltfs->index_bytes, err);
	return r > 0 ? -EBADMSG : r;
}

/* Of several that were read before a copy followed, the oldest. */
static int note_read_anew(struct rsm_volume_index *index,
			  const struct rsm_ltfs_index_header *header, struct rsm_err *err)
{
	RSM_FREE char *known = NULL;
	char text[RSM_LTFS_TIME_SIZE];
	const struct timespec *now = &header->update_time;
	struct timespec before;
	int r = rsm_volume_index_get_fact(index, RSM_INDEX_FACT_ANEW, &known, err);

	if (r < 0)
		return r;
	if (known && rsm_ltfs_time_parse(known, &before) == 0 &&
	    (before.tv_sec < now->tv_sec ||
	     (before.tv_sec == now->tv_sec && before.tv_nsec <= now->tv_nsec)))
		return 0;
	rsm_ltfs_time_format(now, text);
	return rsm_volume_index_set_fact(index, RSM_INDEX_FACT_ANEW, text, err);
}

/* A tree that goes back to an older index, or to one behind which others are lost: a copy may have
 * what it has not (copy_survey.c).
 */
static int note_going_back(struct rsm_ltfs_volume *ltfs, const struct rsm_ltfs_index_header *header,
			   struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	uint64_t known;
	int r = rsm_volume_index_get_number(index, "generation", &known, 0, err);

	if (r < 0 || (is_of_volume(ltfs) && header->generation > known && !ltfs->newest_lost) ||
	    same_index(index, "generation", "update_time", header))
		return r;
	r = rsm_volume_index_set_fact(index, RSM_INDEX_FACT_FOLLOWED, NULL, err);
	return r < 0 ? r : note_read_anew(index, header, err);
}

static int reload(struct rsm_ltfs_volume *ltfs, int which, struct rsm_ltfs_index_header *header,
		  struct rsm_text *ret_conflicts, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_loader_free) struct rsm_index_loader *loader = NULL;
	char path[4200];
	int r;

	snprintf(path, sizeof path, "%s/index.db", rsm_content_folder(ltfs->content));
	r = rsm_index_loader_new(path, &loader, err);
	if (r < 0)
		return r;
	r = load_current(ltfs, which, loader, header, err);
	if (r == 0)
		r = rsm_index_loader_finish(loader, header->highest_uid, err);
	if (r == 0)
		r = note_going_back(ltfs, header, err);
	if (r)
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

	if (ltfs->part[DATA].end_lost || ltfs->part[DATA].unreadable)
		return 0; /* nobody knows, and nothing is written before somebody does */
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

/* Somebody wants the medium's index read, although it is the one that is known. */
static int reload_if_asked(struct rsm_ltfs_volume *ltfs, int which,
			   struct rsm_ltfs_index_header *header, struct rsm_text *ret_conflicts,
			   bool *ret_reloaded, struct rsm_err *err)
{
	uint64_t again;
	int r = rsm_volume_index_get_number(rsm_content_index(ltfs->content), "read_again", &again,
					    0, err);

	if (r < 0 || !again)
		return r;
	*ret_reloaded = true;
	return reload(ltfs, which, header, ret_conflicts, err);
}

/* Makes the cached tree that of the current index. Outcome 1: no partition holds one. An
 * incremental index that is of no use shows only when it is applied; each time there are fewer to
 * choose from.
 */
static int bring_tree(struct rsm_ltfs_volume *ltfs, struct rsm_ltfs_index_header *ret_header,
		      struct rsm_text *ret_conflicts, bool *ret_reloaded, struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	uint64_t version;
	int which, r;

	for (;;) {
		enum cached cached;

		*ret_reloaded = false;
		r = rsm_ltfs_find_current(ltfs, &which, ret_header, err);
		if (r)
			return r;
		cached = compare_cached(ltfs, ret_header);
		switch (cached) {
		case CACHED_SAME: break;
		case CACHED_INTENT:
			/* we died between the index on the tape and the note that it is there */
			r = rsm_volume_index_get_number(index, "intent_version", &version, 0, err);
			if (r == 0)
				r = rsm_content_indexed_to(ltfs->content, version, err);
			break;
		case CACHED_NEWER: r = keep_newer(ltfs, ret_header, err); break;
		case CACHED_OTHER:
			r = reload(ltfs, which, ret_header, ret_conflicts, err);
			*ret_reloaded = true;
			break;
		}
		/* what was written by the intent is ours as well: nothing of it is in conflict */
		if (r == 0 && cached != CACHED_NEWER && !*ret_reloaded)
			r = reload_if_asked(ltfs, which, ret_header, ret_conflicts, ret_reloaded,
					    err);
		if (r == 0 && *ret_reloaded)
			r = rsm_volume_index_set_fact(index, "read_again", NULL, err);
		if (r == 0)
			return 0;
		if (r < 0)
			return rsm_err_wrap(err, r, "index of generation %" PRIu64,
					    ret_header->generation);
	}
}

/* An incremental index need not repeat it. */
static int inherit_lock(struct rsm_ltfs_volume *ltfs, struct rsm_ltfs_index_header *header,
			struct rsm_err *err)
{
	RSM_FREE char *lock = NULL;
	int r;

	if (header->lock[0])
		return 0;
	r = rsm_volume_index_get_fact(rsm_content_index(ltfs->content), "lock", &lock, err);
	if (r == 0)
		snprintf(header->lock, sizeof header->lock, "%s", lock ? lock : "unlocked");
	return r;
}

int rsm_ltfs_mount(struct rsm_tape_drive *drive, struct rsm_content *content,
		   const struct rsm_ltfs_label *label, struct rsm_text *ret_conflicts,
		   struct rsm_volume **ret_volume, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_volume_free) struct rsm_ltfs_volume *ltfs = NULL;
	struct rsm_ltfs_index_header header;
	bool reloaded = false, known = false, has_index;
	int r;

	r = rsm_ltfs_volume_new(drive, content, label, &ltfs, err);
	if (r == 0)
		r = bring_tree(ltfs, &header, ret_conflicts, &reloaded, err);
	has_index = r == 0;
	known = r >= 0 && !reloaded && is_of_volume(ltfs);
	if (r > 0) { /* what is known from before is all there is; nothing, of a strange tape */
		header = (struct rsm_ltfs_index_header){ .update_time = label->format_time };
		r = known ? recall_index(ltfs, &header, err) : 0;
	}
	if (r == 0 && known)
		r = check_unindexed(ltfs, err);
	if (r == 0)
		r = inherit_lock(ltfs, &header, err);
	if (r < 0)
		return r;
	ltfs->generation = header.generation;
	ltfs->back_block = header.back_block;
	ltfs->self_partition = header.self_partition;
	ltfs->update_time = header.update_time;
	snprintf(ltfs->index_creator, sizeof ltfs->index_creator, "%s", header.creator);
	snprintf(ltfs->index_version, sizeof ltfs->index_version, "%s", header.version);
	r = rsm_ltfs_judge(ltfs, has_index, known, err);
	if (r < 0)
		return r;
	check_lock(ltfs, &header);
	rsm_ltfs_settle_lock(ltfs);
	rsm_ltfs_settle_room(ltfs);
	rsm_ltfs_ask_capacity(ltfs);
	r = rsm_ltfs_save_facts(ltfs, err);
	if (r == 0)
		r = rsm_ltfs_save_medium_facts(ltfs, header.lock, err);
	if (r == 0)
		r = rsm_volume_index_commit(rsm_content_index(content), true, err);
	if (r < 0)
		return r;
	*ret_volume = &RSM_STEAL(ltfs)->volume;
	return reloaded ? RSM_LTFS_RELOADED : 0;
}
