/* Finding the points of history: behind every filemark there may be one.
 *
 * A partition is walked from its end of data towards its beginning, from filemark to filemark, so
 * that torn indexes, doubled filemarks and data between them do no harm: what stands between two
 * filemarks is a point if it is a whole index of this volume that says that it stands there. Where
 * the tape cannot be read, the walk goes on at the nearest index that a back pointer of a later one
 * names. Each step leads to a lower block, so it ends.
 */
#include "core/ltfs/ltfs_history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ltfs/ltfs_private.h"

enum { LAST_LABEL_BLOCK = 3, FIRST_INDEX_BLOCK = 5, SENSE_MEDIUM_ERROR = 3 };

struct walk {
	struct rsm_ltfs_volume *ltfs;
	const struct rsm_ltfs_search *search;
	int which;
	uint64_t linked; /* the next point that back pointers lead to, on the data partition */
	uint64_t *back;	 /* where those of the data partition's points lead */
	size_t back_count, back_room;
};

static bool is_of_the_tape(const struct rsm_err *err)
{
	return err->key == SENSE_MEDIUM_ERROR;
}

static int check_cancel(const struct walk *walk, struct rsm_err *err)
{
	const atomic_bool *cancel = walk->search->cancel;

	return cancel && atomic_load(cancel) ? rsm_err_set(err, EINTR, "interrupted") : 0;
}

/* ---- one point ---- */

static int remember_back(struct walk *walk, uint64_t block, struct rsm_err *err)
{
	if (walk->back_count == walk->back_room) {
		size_t room = walk->back_room ? 2 * walk->back_room : 64;
		uint64_t *grown = reallocarray(walk->back, room, sizeof *grown);

		if (!grown)
			return rsm_err_oom(err);
		walk->back = grown;
		walk->back_room = room;
	}
	walk->back[walk->back_count++] = block;
	return 0;
}

static int show(struct walk *walk, struct rsm_ltfs_point *point, struct rsm_err *err)
{
	const struct rsm_ltfs_volume *ltfs = walk->ltfs;
	int r = 0;

	point->partition = ltfs->part[walk->which].letter;
	if (!point->torn) {
		point->current = point->partition == ltfs->self_partition &&
				 point->block == ltfs->part[walk->which].index_block;
		point->linked =
			point->current || (walk->which == DATA && point->block == walk->linked);
		/* an index follows what it points at: anything else would go in circles */
		if (point->back_partition == ltfs->part[DATA].letter &&
		    (walk->which == INDEX || point->back_block < point->block)) {
			r = remember_back(walk, point->back_block, err);
			if (point->linked && walk->which == DATA)
				walk->linked = point->back_block;
		}
	}
	return r < 0 ? r : walk->search->found(walk->search->context, point, err);
}

static void describe(struct rsm_ltfs_point *point, uint64_t block,
		     const struct rsm_ltfs_index_header *header)
{
	*point = (struct rsm_ltfs_point){
		.block = block,
		.back_partition = header->back_partition,
		.back_block = header->back_block,
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

/* A long index, by its first and last record. Outcome 1: it has to be read as a whole. */
static int skim(struct walk *walk, uint64_t block, uint64_t end,
		struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	struct rsm_ltfs_volume *ltfs = walk->ltfs;
	size_t length = 0;
	int r = read_record(walk, block, &length, err);

	if (r == 0 && !rsm_ltfs_looks_like_index(ltfs->block, length))
		return RSM_LTFS_NOTHING;
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
	return r == -ENOMEM || r == -ENODEV ? r : r != 0; /* the whole of it says what is wrong */
}

/* What stands from `block` to the filemark (or end of data) at `end`; 0: that is not known. */
static int look_at(struct walk *walk, uint64_t block, uint64_t end, struct rsm_err *err)
{
	struct rsm_ltfs_index_header header;
	struct rsm_ltfs_point point;
	uint64_t behind, bytes;
	struct rsm_err why;
	bool skimmed = false;
	int r = 1;

	if (end && end - block > walk->search->most_records) {
		r = skim(walk, block, end, &header, &why);
		skimmed = r == 0;
	}
	if (r == 1)
		r = rsm_ltfs_read_index(walk->ltfs, walk->which, block, NULL, &header, &behind,
					&bytes, &why);
	if (r == RSM_LTFS_NOTHING)
		return 0;
	if (r < 0) {
		*err = why;
		return r;
	}
	if (r > 0) {
		describe_torn(&point, block, why.msg);
	} else {
		describe(&point, block, &header);
		point.counted = !skimmed && !header.incremental;
		point.files = point.counted ? header.files : 0;
		point.bytes = point.counted ? header.bytes : 0;
	}
	return show(walk, &point, err);
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
static uint64_t pointed_at_before(const struct walk *walk, uint64_t from)
{
	uint64_t best = walk->linked < from ? walk->linked : 0;

	for (size_t i = 0; i < walk->back_count; i++)
		if (walk->back[i] < from && walk->back[i] > best)
			best = walk->back[i];
	return best >= FIRST_INDEX_BLOCK ? best : 0;
}

static int walk_partition(struct walk *walk, int which, struct rsm_err *err)
{
	uint64_t from = walk->ltfs->part[which].end, mark = 0;
	int r = 0;

	walk->which = which;
	while (r == 0 && from > LAST_LABEL_BLOCK + 1) {
		r = check_cancel(walk, err);
		if (r == 0)
			r = mark_before(walk, from, &mark, err);
		if (r > 0)
			return 0;
		if (r == 0) {
			if (mark + 1 < from)
				r = look_at(walk, mark + 1, from, err);
			from = mark;
		} else if (which == DATA && is_of_the_tape(err)) {
			from = pointed_at_before(walk, from);
			r = from ? look_at(walk, from, 0, err) : 0;
		}
	}
	return r;
}

static struct rsm_ltfs_volume *get_ltfs(struct rsm_volume *volume, struct rsm_err *err)
{
	struct rsm_ltfs_volume *ltfs = volume ? rsm_ltfs_volume_of(volume) : NULL;

	if (!ltfs)
		rsm_err_set(err, EMEDIUMTYPE, "it holds no LTFS volume");
	return ltfs;
}

int rsm_ltfs_search_history(struct rsm_volume *volume, const struct rsm_ltfs_search *search,
			    struct rsm_err *err)
{
	struct rsm_ltfs_volume *ltfs = get_ltfs(volume, err);
	struct walk walk = { .ltfs = ltfs, .search = search };
	int r;

	if (!ltfs)
		return -EMEDIUMTYPE;
	r = ltfs->read_only || ltfs->doubtful ? 0 : volume->ops->synchronize(volume, err);
	walk.linked = ltfs->part[DATA].index_block;
	if (r == 0)
		r = walk_partition(&walk, INDEX, err);
	if (r == 0)
		r = walk_partition(&walk, DATA, err);
	free(walk.back);
	return r < 0 ? r : 0;
}

/* ---- one generation ---- */

struct wanted {
	uint64_t generation;
	char data_partition;
	unsigned rank; /* of what was found: 0 nothing, 3 the best */
	struct rsm_ltfs_point point;
};

static int take_wanted(void *context, const struct rsm_ltfs_point *point, struct rsm_err *err)
{
	struct wanted *wanted = context;
	unsigned rank = 1;

	(void)err;
	if (point->torn || point->generation != wanted->generation)
		return 0;
	if (point->partition == wanted->data_partition)
		rank = point->linked ? 3 : 2;
	if (rank > wanted->rank) {
		wanted->rank = rank;
		wanted->point = *point;
	}
	return rank == 3;
}

int rsm_ltfs_find_point(struct rsm_volume *volume, uint64_t generation, const atomic_bool *cancel,
			struct rsm_ltfs_point *ret_point, struct rsm_err *err)
{
	struct wanted wanted = { .generation = generation,
				 .data_partition = volume ? volume->data_partition : 0 };
	const struct rsm_ltfs_search search = {
		.found = take_wanted, .context = &wanted, .cancel = cancel, .most_records = 1
	};
	int r = rsm_ltfs_search_history(volume, &search, err);

	if (r < 0)
		return r;
	if (!wanted.rank)
		return rsm_err_set(err, ENOENT, "generation %" PRIu64 " is not on the medium",
				   generation);
	*ret_point = wanted.point;
	return 0;
}

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

int rsm_ltfs_load_point(struct rsm_volume *volume, const struct rsm_ltfs_point *point,
			const char *path, struct rsm_index_loader **ret_loader, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_loader_free) struct rsm_index_loader *loader = NULL;
	struct rsm_ltfs_volume *ltfs = get_ltfs(volume, err);
	struct rsm_ltfs_index_header header;
	uint64_t end, bytes, uid = 0;
	int which, r;

	if (!ltfs)
		return -EMEDIUMTYPE;
	which = point->partition == ltfs->part[INDEX].letter ? INDEX : DATA;
	if (point->incremental)
		return rsm_err_set(err, EOPNOTSUPP,
				   "generation %" PRIu64 " is an incremental index",
				   point->generation);
	r = rsm_index_loader_new(path, &loader, err);
	if (r == 0)
		r = highest_uid(ltfs, &uid, err);
	if (r == 0)
		r = rsm_ltfs_read_index(ltfs, which, point->block, loader, &header, &end, &bytes,
					err);
	if (r > 0)
		return rsm_err_set(err, EBADMSG, "%s", err ? err->msg : "");
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
