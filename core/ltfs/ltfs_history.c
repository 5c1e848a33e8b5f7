/* Finding the points of history: behind every filemark there may be one.
 *
 * A partition is walked from its end of data towards its beginning, from filemark to filemark, so
 * that torn indexes, doubled filemarks and data between them do no harm: what stands between two
 * filemarks is a point if it is a whole index of this volume that says that it stands there. Where
 * the tape cannot be read, the walk goes on at the nearest index that a back pointer of a later one
 * names. Each step leads to a lower block, so it ends.
 *
 * A file's contents may look like an index, and whoever wrote them may want them to be taken for
 * one: what it says would be believed of files that are not his. An index has a filemark of its own
 * in front and one behind; the records of files have neither. So what shares a filemark with an
 * index behind it are files' records, and so is what is followed by the end of data, unless the
 * mount has found it to be the newest index; what a pointer of an index leads to is one.
 */
#include "core/ltfs/ltfs_history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ltfs/ltfs_private.h"

enum { LAST_LABEL_BLOCK = 3, FIRST_INDEX_BLOCK = 5 };

struct rsm_ltfs_history {
	uint64_t most_records;
	bool begun;
	int which;	   /* partition; PARTITIONS: it is over */
	uint64_t from;	   /* what lies before it is still to be looked at */
	bool open;	   /* `from` is the end of data, not a filemark */
	bool before_index; /* what begins at the filemark `from` begins like an index */
	uint64_t linked;   /* the next point that back pointers lead to, on the data partition */
	uint64_t *back;	   /* where those of all points lead */
	size_t back_count, back_room;
};

/* One call of _next. */
struct walk {
	struct rsm_ltfs_history *history;
	struct rsm_ltfs_volume *ltfs;
	int which;
	struct rsm_ltfs_point *point; /* to be filled in */
};

int rsm_ltfs_history_new(uint64_t most_records, struct rsm_ltfs_history **ret_history,
			 struct rsm_err *err)
{
	struct rsm_ltfs_history *history = calloc(1, sizeof *history);

	if (!history)
		return rsm_err_oom(err);
	history->most_records = most_records;
	*ret_history = history;
	return 0;
}

void rsm_ltfs_history_free(struct rsm_ltfs_history *history)
{
	if (!history)
		return;
	free(history->back);
	free(history);
}

/* ---- one point ---- */

static int remember_back(struct rsm_ltfs_history *history, uint64_t block, struct rsm_err *err)
{
	if (history->back_count == history->back_room) {
		size_t room = history->back_room ? 2 * history->back_room : 64;
		uint64_t *grown = reallocarray(history->back, room, sizeof *grown);

		if (!grown)
			return rsm_err_oom(err);
		history->back = grown;
		history->back_room = room;
	}
	history->back[history->back_count++] = block;
	return 0;
}

/* The index before it. An index follows what it points at: anything else would go in circles. */
static uint64_t previous(const struct walk *walk, const struct rsm_ltfs_point *point)
{
	uint64_t limit = walk->which == DATA ? point->block : UINT64_MAX, back = 0;

	if (point->back_partition == walk->ltfs->part[DATA].letter && point->back_block < limit)
		back = point->back_block;
	if (point->incremental_block > back && point->incremental_block < limit)
		back = point->incremental_block;
	return back;
}

static uint64_t newest_block(const struct ltfs_partition *part)
{
	return part->incremental_block ? part->incremental_block : part->index_block;
}

static bool is_newest(const struct walk *walk, uint64_t block)
{
	return block == newest_block(&walk->ltfs->part[walk->which]);
}

static bool is_named(const struct rsm_ltfs_history *history, uint64_t block)
{
	for (size_t i = 0; i < history->back_count; i++)
		if (history->back[i] == block)
			return true;
	return false;
}

/* Where the index in that place has filemarks of its own, or others vouch for it. */
static bool is_believable(const struct walk *walk, uint64_t block)
{
	const struct rsm_ltfs_history *history = walk->history;

	return (!history->open && !history->before_index) || is_newest(walk, block) ||
	       (walk->which == DATA && is_named(history, block));
}

/* Says how the point belongs to the others. */
static int place(struct walk *walk, struct rsm_ltfs_point *point, struct rsm_err *err)
{
	const struct rsm_ltfs_volume *ltfs = walk->ltfs;
	struct rsm_ltfs_history *history = walk->history;
	bool data = walk->which == DATA;
	uint64_t back;

	point->partition = ltfs->part[walk->which].letter;
	if (point->torn)
		return 0;
	point->current = point->partition == ltfs->self_partition && is_newest(walk, point->block);
	point->linked = point->current || (data && point->block == history->linked);
	back = previous(walk, point);
	if (back && data && point->linked)
		history->linked = back;
	return back ? remember_back(history, back, err) : 0;
}

static void describe(struct rsm_ltfs_point *point, uint64_t block,
		     const struct rsm_ltfs_index_header *header)
{
	*point = (struct rsm_ltfs_point){
		.block = block,
		.back_partition = header->back_partition,
		.back_block = header->back_block,
		.incremental_block = header->incremental_partition ? header->incremental_block : 0,
		.generation = header->generation,
		.update_time = header->update_time,
		.incremental = header->incremental,
	};
	snprintf(point->version, sizeof point->version, "%s", header->version);
	snprintf(point->creator, sizeof point->creator, "%s", header->creator);
}

static void describe_torn(struct rsm_ltfs_point *point, uint64_t block, const char *why)
{
	*point = (struct rsm_ltfs_point){ .block = block, .torn = true };
	snprintf(point->why, sizeof point->why, "%.255s", why);
}

static int read_record(struct walk *walk, uint64_t block, size_t *ret_length, struct rsm_err *err)
{
	struct rsm_ltfs_volume *ltfs = walk->ltfs;
	int r = rsm_ltfs_seek(ltfs, walk->which, block, err);

	if (r == 0)
		r = rsm_tape_drive_read(ltfs->drive, ltfs->block, ltfs->label.block_size,
					ret_length, err);
	return r > 0 ? rsm_err_set(err, EIO, "no record stands at block %" PRIu64, block) : r;
}

/* Is this the end of an index, but for white space? */
static bool looks_like_end(const char *record, size_t length)
{
	static const char *const ends[] = { "</ltfsindex>", "</ltfsincrementalindex>" };

	while (length && strchr(" \t\r\n", record[length - 1]))
		length--;
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		size_t n = strlen(ends[i]);

		if (length >= n && memcmp(record + length - n, ends[i], n) == 0)
			return true;
	}
	return false;
}

/* A long index, by its first and last record. Outcome 1: it has to be read as a whole; NOTHING: it
 * is none.
 */
enum { NOTHING = 2 };

static int skim(struct walk *walk, uint64_t block, uint64_t end,
		struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	struct rsm_ltfs_volume *ltfs = walk->ltfs;
	size_t length = 0;
	int r = read_record(walk, block, &length, err);

	if (r == 0 && !rsm_ltfs_looks_like_index(ltfs->block, length))
		return NOTHING;
	if (r == 0)
		r = rsm_ltfs_index_reader_new(NULL, ltfs->label.uuid, &reader, err);
	if (r == 0)
		r = rsm_ltfs_index_reader_feed(reader, ltfs->block, length, err);
	if (r == 0)
		r = rsm_ltfs_index_reader_peek(reader, ret_header);
	if (r == 0 && (ret_header->self_block != block ||
		       ret_header->self_partition != ltfs->part[walk->which].letter))
		r = 1;
	if (r == 0)
		r = read_record(walk, end - 1, &length, err);
	if (r == 0 && !looks_like_end(ltfs->block, length))
		r = 1;
	return r == -ENOMEM ? r : r != 0; /* the whole of it says what is wrong */
}

/* What stands from `block` to the filemark (or end of data) at `end`; 0: that is not known. Outcome
 * 1: no index.
 */
static int look_at(struct walk *walk, uint64_t block, uint64_t end, struct rsm_err *err)
{
	struct rsm_ltfs_index_header header;
	uint64_t behind, bytes;
	bool skimmed = false;
	int r = 1;

	if (end && end - block > walk->history->most_records) {
		r = skim(walk, block, end, &header, err);
		skimmed = r == 0;
	}
	if (r == 1)
		r = rsm_ltfs_read_index(walk->ltfs, walk->which, block, NULL, &header, &behind,
					&bytes, err);
	if (r < 0)
		return r;
	if (r == NOTHING || (r > 0 && !walk->ltfs->begins_like_index)) {
		walk->history->before_index = false;
		return 1;
	}
	if (r == 0 && end && !is_believable(walk, block)) {
		/* records of a file, for certain: they are not what the index before them ends at
		 */
		describe_torn(walk->point, block,
			      "it has no filemarks of its own, it is what a file holds");
		walk->history->before_index = false;
	} else if (r > 0) {
		describe_torn(walk->point, block, err->msg);
		walk->history->before_index = true;
	} else {
		describe(walk->point, block, &header);
		walk->point->counted = !skimmed && !header.incremental;
		walk->point->files = walk->point->counted ? header.files : 0;
		walk->point->bytes = walk->point->counted ? header.bytes : 0;
		walk->history->before_index = true;
	}
	return place(walk, walk->point, err);
}

/* ---- one partition ---- */

/* The filemark before block `from`. Outcome 1: there is none. */
static int mark_before(struct walk *walk, uint64_t from, uint64_t *ret_mark, struct rsm_err *err)
{
	struct rsm_tape_position position;
	int r = rsm_ltfs_seek(walk->ltfs, walk->which, from, err);

	if (r == 0)
		r = rsm_tape_drive_space_filemarks(walk->ltfs->drive, -1, NULL, err);
	if (r == RSM_TAPE_BEGINNING)
		return 1;
	if (r == 0)
		r = rsm_tape_drive_position(walk->ltfs->drive, &position, err);
	if (r != 0)
		return rsm_err_fold(err, r, "spacing back from block %" PRIu64, from);
	if (position.block >= from)
		return rsm_err_set(err, EIO, "spacing back from block %" PRIu64 " led to %" PRIu64,
				   from, position.block);
	if (position.block <= LAST_LABEL_BLOCK)
		return 1;
	*ret_mark = position.block;
	return 0;
}

/* The last block before `from` that a back pointer names; 0: there is none. */
static uint64_t pointed_at_before(const struct rsm_ltfs_history *history, uint64_t from)
{
	uint64_t best = history->linked < from ? history->linked : 0;

	for (size_t i = 0; i < history->back_count; i++)
		if (history->back[i] < from && history->back[i] > best)
			best = history->back[i];
	return best >= FIRST_INDEX_BLOCK ? best : 0;
}

/* One filemark further. 0: a point; outcome 1: none yet; THROUGH: the partition is. */
enum { THROUGH = 2 };

static int step(struct walk *walk, struct rsm_err *err)
{
	struct rsm_ltfs_history *history = walk->history;
	uint64_t from = history->from, mark = 0;
	int r;

	if (from <= LAST_LABEL_BLOCK + 1)
		return THROUGH;
	r = mark_before(walk, from, &mark, err);
	if (r > 0)
		return THROUGH;
	if (r == 0) {
		history->from = mark;
		r = 1;
		if (mark + 1 < from)
			r = look_at(walk, mark + 1, from, err);
		else
			history->before_index = false; /* two filemarks in a row */
		history->open = false;
		return r;
	}
	if (walk->which == INDEX || !rsm_ltfs_is_medium_error(r, err))
		return r;
	from = pointed_at_before(history, from);
	if (!from)
		return THROUGH;
	history->from = from - 1; /* the filemark in front of it */
	r = look_at(walk, from, 0, err);
	history->open = false;
	return r;
}

static void begin_partition(struct rsm_ltfs_history *history, const struct rsm_ltfs_volume *ltfs,
			    int which)
{
	history->begun = true;
	history->which = which;
	history->open = true;
	history->before_index = false;
	if (which < PARTITIONS)
		history->from = ltfs->part[which].end;
	if (which == DATA)
		history->linked = newest_block(&ltfs->part[DATA]);
}

static struct rsm_ltfs_volume *get_ltfs(struct rsm_volume *volume, struct rsm_err *err)
{
	struct rsm_ltfs_volume *ltfs = volume ? rsm_ltfs_volume_of(volume) : NULL;

	if (!ltfs)
		rsm_err_set(err, EMEDIUMTYPE, "it holds no LTFS volume");
	return ltfs;
}

int rsm_ltfs_history_next(struct rsm_ltfs_history *history, struct rsm_volume *volume,
			  struct rsm_ltfs_point *ret_point, struct rsm_err *err)
{
	struct rsm_ltfs_volume *ltfs = get_ltfs(volume, err);
	struct walk walk = { .history = history, .ltfs = ltfs, .point = ret_point };
	struct rsm_err why;
	int r;

	if (!ltfs)
		return -EMEDIUMTYPE;
	if (!ltfs->read_only && !ltfs->doubtful) {
		r = volume->ops->synchronize(volume, err);
		if (r < 0)
			return r;
	}
	if (!history->begun)
		begin_partition(history, ltfs, INDEX);
	while (history->which < PARTITIONS) {
		walk.which = history->which;
		r = step(&walk, &why);
		if (r < 0) {
			if (err)
				*err = why;
			return r;
		}
		if (r == 0)
			return 0;
		if (r == THROUGH)
			begin_partition(history, ltfs, history->which + 1);
	}
	return RSM_LTFS_HISTORY_END;
}

static unsigned rank(const struct rsm_volume *volume, const struct rsm_ltfs_point *point)
{
	if (!point->partition || point->torn)
		return 0;
	return point->partition != volume->data_partition ? 1 : point->linked ? 3 : 2;
}

bool rsm_ltfs_point_is_better(const struct rsm_volume *volume, const struct rsm_ltfs_point *point,
			      const struct rsm_ltfs_point *best)
{
	return rank(volume, point) > rank(volume, best);
}

/* ---- the tree of a point ---- */

/* What a mount would note of the index (ltfs_facts.c), as far as it is about the tree. */
static int set_facts(struct rsm_ltfs_volume *ltfs, const struct rsm_ltfs_point *point,
		     struct rsm_index_loader *loader, struct rsm_err *err)
{
	char generation[24], block_size[24], location[32], previous[32] = "";
	const struct {
		const char *key, *value;
	} facts[] = {
		{ "uuid", ltfs->label.uuid },		{ "generation", generation },
		{ "block_size", block_size },		{ "index_location", location },
		{ "index_previous", previous },		{ "index_version", point->version },
		{ "label_serial", ltfs->label.serial },
	};
	int r = 0;

	snprintf(generation, sizeof generation, "%" PRIu64, point->generation);
	snprintf(block_size, sizeof block_size, "%" PRIu64, (uint64_t)ltfs->label.block_size);
	snprintf(location, sizeof location, "%c:%" PRIu64, point->partition, point->block);
	if (point->back_partition)
		snprintf(previous, sizeof previous, "%c:%" PRIu64, point->back_partition,
			 point->back_block);
	for (size_t i = 0; r == 0 && i < sizeof facts / sizeof facts[0]; i++)
		if (*facts[i].value)
			r = rsm_index_loader_set_fact(loader, facts[i].key, facts[i].value, err);
	return r;
}

static int highest_uid(struct rsm_ltfs_volume *ltfs, uint64_t *ret_uid, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_snapshot_close) struct rsm_index_snapshot *snapshot = NULL;
	int r = rsm_content_snapshot(ltfs->content, &snapshot, err);

	if (r == 0)
		*ret_uid = rsm_index_snapshot_highest_uid(snapshot);
	return r;
}

static int load_full(struct rsm_ltfs_volume *ltfs, const struct rsm_ltfs_point *point,
		     struct rsm_index_loader *loader, struct rsm_ltfs_index_header *ret_header,
		     struct rsm_err *err)
{
	int which = point->partition == ltfs->part[INDEX].letter ? INDEX : DATA;
	uint64_t end, bytes;

	return rsm_ltfs_read_index(ltfs, which, point->block, loader, ret_header, &end, &bytes,
				   err);
}

/* The full index that it builds on, and what those up to it change. */
static int load_incremental(struct rsm_ltfs_volume *ltfs, const struct rsm_ltfs_point *point,
			    struct rsm_index_loader *loader,
			    struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	struct ltfs_chain chain = { 0 };
	uint64_t end, bytes, bad;
	int r = rsm_ltfs_read_index(ltfs, DATA, point->block, NULL, ret_header, &end, &bytes, err);

	if (r == 0)
		r = rsm_ltfs_follow_chain(ltfs, ret_header, &chain, err);
	if (r == 0)
		r = rsm_ltfs_load_chain(ltfs, &chain, loader, ret_header, &bytes, &bad, err);
	rsm_ltfs_chain_fini(&chain);
	return r;
}

int rsm_ltfs_load_point(struct rsm_volume *volume, const struct rsm_ltfs_point *point,
			const char *path, struct rsm_index_loader **ret_loader, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_loader_free) struct rsm_index_loader *loader = NULL;
	struct rsm_ltfs_volume *ltfs = get_ltfs(volume, err);
	struct rsm_ltfs_index_header header;
	uint64_t uid = 0;
	int r;

	if (!ltfs)
		return -EMEDIUMTYPE;
	r = rsm_index_loader_new(path, &loader, err);
	if (r == 0)
		r = highest_uid(ltfs, &uid, err);
	if (r == 0)
		r = (point->incremental ? load_incremental : load_full)(ltfs, point, loader,
									&header, err);
	if (r > 0)
		return -EBADMSG; /* it has the words */
	if (r == 0 && header.generation != point->generation)
		r = rsm_err_set(err, EBADMSG, "another index stands at %c:%" PRIu64 " now",
				point->partition, point->block);
	if (r == 0)
		r = set_facts(ltfs, point, loader, err);
	if (r == 0)
		r = rsm_index_loader_finish(
			loader, header.highest_uid > uid ? header.highest_uid : uid, err);
	if (r == 0)
		*ret_loader = RSM_STEAL(loader);
	return r;
}
