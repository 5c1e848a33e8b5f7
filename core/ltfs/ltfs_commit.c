/* Writing indexes: the order that leaves a whole newest index on the tape at every instant (15).
 *
 * A full commit, and what remains if the process or the power dies right behind each step:
 *   1. intent (generation, time, tree version) in the volume index, durable   tape: old index
 *   2. data partition: filemark, index, filemark (synchronising)              a torn index behind
 * the old one; behind its last filemark the new index counts: the intent is recognised at the next
 * mount
 *   3. outcome in the volume index, durable; staged copies that it covers go  new index on DP
 *   4. index partition: filemark, index, filemark over its old index          IP torn, DP whole
 *   5. coherency information in MAM                                           both whole; a full
 * check The index partition's only index is overwritten in step 4 and never before DP has the new
 * one.
 */
#include "core/ltfs/ltfs_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/ltfs/index_stream.h"
#include "core/ltfs/value.h"

/* ---- the stream of an index into records ---- */

struct record_sink {
	struct rsm_ltfs_volume *ltfs;
	size_t filled;
	uint64_t records, bytes;
	bool near_end;
};

static int put_record(struct record_sink *sink, struct rsm_err *err)
{
	int r = rsm_tape_drive_write(sink->ltfs->drive, sink->ltfs->block, sink->filled, err);

	if (r < 0)
		return r;
	if (r == RSM_TAPE_EARLY_WARNING)
		sink->near_end = true;
	sink->records++;
	sink->bytes += sink->filled;
	sink->filled = 0;
	return 0;
}

static int take_bytes(void *context, const void *bytes, size_t length, struct rsm_err *err)
{
	struct record_sink *sink = context;
	const char *from = bytes;

	while (length) {
		size_t room = sink->ltfs->label.block_size - sink->filled;
		size_t n = length < room ? length : room;

		memcpy((char *)sink->ltfs->block + sink->filled, from, n);
		sink->filled += n;
		from += n;
		length -= n;
		if (sink->filled == sink->ltfs->label.block_size) {
			int r = put_record(sink, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- our vendor keys on the root (contract 8) ---- */

enum { ROOT_KEYS = 12 };

struct root_keys {
	struct rsm_snapshot_xattr xattrs[ROOT_KEYS];
	size_t count;
	char owner[32], mode[16];
};

static void add_key(struct root_keys *keys, const char *key, const char *value)
{
	if (!value || !*value || keys->count == ROOT_KEYS)
		return;
	keys->xattrs[keys->count++] = (struct rsm_snapshot_xattr){ key, value, strlen(value) };
}

static void make_root_keys(struct root_keys *keys, const struct rsm_volume_identity *identity)
{
	keys->count = 0;
	if (!identity)
		return;
	snprintf(keys->owner, sizeof keys->owner, "%u:%u", identity->owner, identity->group);
	snprintf(keys->mode, sizeof keys->mode, "%04o", identity->mode & 07777);
	add_key(keys, "ltfs.vendor.rsmfs.pool", identity->pool);
	add_key(keys, RSM_LTFS_NAME_KEY, identity->name);
	add_key(keys, "ltfs.vendor.rsmfs.lmid", identity->lmid);
	if (keys->count == 0)
		return;
	add_key(keys, "ltfs.vendor.rsmfs.owner", keys->owner);
	add_key(keys, "ltfs.vendor.rsmfs.mode", keys->mode);
	add_key(keys, "ltfs.vendor.rsmfs.side", identity->side);
	add_key(keys, "ltfs.vendor.rsmfs.state", identity->state);
	add_key(keys, RSM_KEY_ACL, identity->acl);
	add_key(keys, RSM_KEY_COPY, identity->copy_of);
	add_key(keys, RSM_KEY_OTHER, identity->reserves_other ? "other" : NULL);
}

/* The cached tree has the root's keys of the index that it was read from. What was written since is
 * kept beside it, so that a lost catalogue learns it without reading the medium's index again;
 * NULL: the tree's are the newest.
 */
int rsm_ltfs_save_root_keys(struct rsm_ltfs_volume *ltfs,
			    const struct rsm_volume_identity *identity, struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	struct root_keys keys;
	int r;

	make_root_keys(&keys, identity);
	r = rsm_volume_index_set_fact(index, RSM_LTFS_ROOT_KEYS, keys.count ? "1" : NULL, err);
	if (r == 0) /* the only ones that a cartridge can lose */
		r = rsm_volume_index_set_fact(index, RSM_KEY_ACL, NULL, err);
	if (r == 0)
		r = rsm_volume_index_set_fact(index, RSM_KEY_COPY, NULL, err);
	if (r == 0)
		r = rsm_volume_index_set_fact(index, RSM_KEY_OTHER, NULL, err);
	for (size_t i = 0; r == 0 && i < keys.count; i++)
		r = rsm_volume_index_set_fact(index, keys.xattrs[i].key, keys.xattrs[i].value, err);
	return r;
}

/* What the tree has from the volume's former indexes. */
struct kept_facts {
	char *volume_name, *comment, *policy, *unknown, *allow_policy_update, *lock;
};

static void kept_facts_fini(struct kept_facts *kept)
{
	free(kept->volume_name);
	free(kept->comment);
	free(kept->policy);
	free(kept->unknown);
	free(kept->allow_policy_update);
	free(kept->lock);
}

static int get_kept_facts(struct rsm_volume_index *index, struct kept_facts *kept,
			  struct rsm_err *err)
{
	const struct {
		const char *key;
		char **value;
	} wanted[] = {
		{ "volume_name", &kept->volume_name },
		{ "comment", &kept->comment },
		{ "policy", &kept->policy },
		{ "unknown", &kept->unknown },
		{ "lock", &kept->lock },
		{ "allow_policy_update", &kept->allow_policy_update },
	};

	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		int r = rsm_volume_index_get_fact(index, wanted[i].key, wanted[i].value, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- one index construct ---- */

/* Behind everything on the data partition; on the index partition over the last index, if that is
 * the last thing there: nothing of use can lie behind it, unless a tree says so. What is written
 * once keeps them all.
 */
static int seek_append(struct rsm_ltfs_volume *ltfs, int which, uint64_t *ret_block,
		       struct rsm_err *err)
{
	struct ltfs_partition *part = &ltfs->part[which];
	struct rsm_tape_position position;
	uint64_t end;
	int r;

	if (which == INDEX && !ltfs->worm && part->ends_with_index && part->index_block > 4 &&
	    part->used < part->index_block) {
		r = rsm_ltfs_seek(ltfs, which, part->index_block - 1, err);
		end = part->index_block - 1;
	} else {
		r = rsm_ltfs_seek_end(ltfs, which, &end, err);
	}
	if (r == 0)
		r = rsm_tape_drive_position(ltfs->drive, &position, err);
	if (r < 0)
		return r;
	if (position.block != end || position.partition != part->number)
		return rsm_err_set(err, EIO,
				   "the drive stands at block %" PRIu64 " instead of %" PRIu64,
				   position.block, end);
	*ret_block = end;
	return 0;
}

static int write_construct(struct rsm_ltfs_volume *ltfs, const struct rsm_ltfs_index_source *source,
			   struct record_sink *sink, struct rsm_err *err)
{
	int r = rsm_tape_drive_write_filemarks(ltfs->drive, 1, true, err);

	if (r >= 0)
		r = rsm_index_stream_write(source, take_bytes, sink, err);
	if (r >= 0 && sink->filled)
		r = put_record(sink, err);
	if (r >= 0)
		r = rsm_tape_drive_write_filemarks(ltfs->drive, 1, false, err);
	if (r == RSM_TAPE_EARLY_WARNING)
		sink->near_end = true;
	return r < 0 ? r : 0;
}

int rsm_ltfs_write_index(struct rsm_ltfs_volume *ltfs, int which, struct rsm_volume_index *tree,
			 struct rsm_index_snapshot *snapshot,
			 const struct rsm_volume_identity *identity, uint64_t generation,
			 uint64_t back_block, const struct timespec *update_time, const char *why,
			 struct rsm_err *err)
{
	__attribute__((cleanup(kept_facts_fini))) struct kept_facts kept = { 0 };
	struct ltfs_partition *part = &ltfs->part[which];
	struct record_sink sink = { .ltfs = ltfs };
	struct rsm_ltfs_index_source source = { .snapshot = snapshot };
	struct root_keys keys;
	uint64_t start = 0;
	int r;

	r = get_kept_facts(tree, &kept, err);
	if (r == 0)
		r = rsm_index_snapshot_rewind(snapshot, err);
	if (r == 0)
		r = seek_append(ltfs, which, &start, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "index on partition %c", part->letter);

	make_root_keys(&keys, identity);
	source.volume_name = kept.volume_name ? kept.volume_name : "";
	source.block_size = ltfs->label.block_size;
	source.comment = kept.comment;
	source.policy_xml = kept.policy;
	source.unknown_xml = kept.unknown;
	source.root_xattrs = keys.xattrs;
	source.root_xattr_count = keys.count;
	source.header.generation = generation;
	source.header.update_time = *update_time;
	source.header.self_partition = part->letter;
	source.header.self_block = start + 1;
	source.header.back_partition = back_block ? ltfs->part[DATA].letter : 0;
	source.header.back_block = back_block;
	if (which == DATA && part->incremental_block) {
		source.header.incremental_partition = part->letter;
		source.header.incremental_block = part->incremental_block;
	}
	source.header.allow_policy_update =
		!kept.allow_policy_update || strcmp(kept.allow_policy_update, "false") != 0;
	snprintf(source.header.uuid, sizeof source.header.uuid, "%s", ltfs->label.uuid);
	snprintf(source.header.lock, sizeof source.header.lock, "%s",
		 ltfs->lock_due[0]	   ? ltfs->lock_due
		 : kept.lock && *kept.lock ? kept.lock
					   : "unlocked");
	snprintf(source.header.creator, sizeof source.header.creator, "%s - %s", rsm_ltfs_creator,
		 why);

	part->ends_with_index = false;
	ltfs->doubtful = true;
	r = write_construct(ltfs, &source, &sink, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "index of generation %" PRIu64 " on partition %c",
				    generation, part->letter);
	if (sink.near_end && which == DATA)
		ltfs->full = true;
	part->index_block = start + 1;
	part->incremental_block = 0;
	part->index_generation = generation;
	part->end = start + 1 + sink.records + 1;
	part->ends_with_index = true;
	part->lacks_filemark = part->stray_filemark = false;
	ltfs->doubtful = false;
	ltfs->at_end = which == DATA;
	ltfs->unsynchronized = false;
	ltfs->index_bytes = sink.bytes;
	snprintf(ltfs->index_creator, sizeof ltfs->index_creator, "%s", source.header.creator);
	snprintf(ltfs->index_version, sizeof ltfs->index_version, "%s",
		 rsm_ltfs_index_version(&source.header));
	return 0;
}

/* ---- MAM and facts ---- */

void rsm_ltfs_write_coherency(struct rsm_ltfs_volume *ltfs)
{
	struct rsm_coherency info = { 0 };
	uint8_t value[RSM_COHERENCY_SIZE];
	struct rsm_err err;
	int r;

	r = rsm_ltfs_change_reference(ltfs, &info.change_reference, &err);
	if (r > 0)
		return; /* the next mount checks in full */
	snprintf(info.uuid, sizeof info.uuid, "%s", ltfs->label.uuid);
	for (int which = 0; r == 0 && which < PARTITIONS; which++) {
		if (!ltfs->part[which].ends_with_index)
			continue;
		info.generation = ltfs->part[which].index_generation;
		info.block = ltfs->part[which].index_block;
		rsm_coherency_build(&info, value);
		r = rsm_medium_memory_write(ltfs->drive, ltfs->part[which].number,
					    RSM_MAM_VOLUME_COHERENCY, RSM_MAM_BINARY, value,
					    sizeof value, &err);
	}
	if (r < 0 && r != -EOPNOTSUPP)
		rsm_log_warning("coherency information is not written, ignoring: %s", err.msg);
}

int rsm_ltfs_save_facts(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	char time[RSM_LTFS_TIME_SIZE];
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{ "generation", ltfs->generation },
		{ "data_index", ltfs->part[DATA].index_block },
		{ "index_index", ltfs->part[INDEX].index_block },
		{ "data_end", ltfs->part[DATA].end },
		{ "block_size", ltfs->label.block_size },
		{ "intent_generation", 0 },
	};
	int r = rsm_volume_index_set_fact(index, "uuid", ltfs->label.uuid, err);

	for (size_t i = 0; r == 0 && i < sizeof numbers / sizeof numbers[0]; i++)
		r = rsm_volume_index_set_number(index, numbers[i].key, numbers[i].value, err);
	rsm_ltfs_time_format(&ltfs->update_time, time);
	if (r == 0)
		r = rsm_volume_index_set_fact(index, "update_time", time, err);
	rsm_ltfs_time_format(&ltfs->label.format_time, time);
	if (r == 0)
		r = rsm_volume_index_set_fact(index, "format_time", time, err);
	return r ? r : rsm_ltfs_save_shown_facts(ltfs, err);
}

static int save_intent(struct rsm_ltfs_volume *ltfs, uint64_t generation,
		       const struct timespec *update_time, uint64_t version, struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	char time[RSM_LTFS_TIME_SIZE];
	int r;

	rsm_ltfs_time_format(update_time, time);
	r = rsm_volume_index_set_number(index, "intent_generation", generation, err);
	if (r == 0)
		r = rsm_volume_index_set_number(index, "intent_version", version, err);
	if (r == 0)
		r = rsm_volume_index_set_fact(index, "intent_time", time, err);
	return r ? r : rsm_volume_index_commit(index, true, err);
}

/* ---- commits ---- */

static int commit_data_partition(struct rsm_ltfs_volume *ltfs, struct rsm_index_snapshot *snapshot,
				 const struct rsm_volume_identity *identity, bool changed,
				 struct rsm_err *err)
{
	uint64_t version = rsm_index_snapshot_tree_version(snapshot);
	uint64_t generation = ltfs->generation + (changed ? 1 : 0);
	uint64_t back = ltfs->part[DATA].index_block;
	struct timespec now = ltfs->update_time;
	uint64_t end;
	int r;

	if (changed)
		clock_gettime(CLOCK_REALTIME, &now);
	/* an intent is replaced only when its index is certain not to be on the tape */
	r = seek_append(ltfs, DATA, &end, err);
	if (r == 0)
		r = rsm_ltfs_save_volume_name(ltfs, identity, err);
	if (r == 0)
		r = rsm_ltfs_save_root_keys(ltfs, identity, err);
	if (r == 0)
		r = save_intent(ltfs, generation, &now, version, err);
	if (r == 0)
		r = rsm_ltfs_write_index(ltfs, DATA, rsm_content_index(ltfs->content), snapshot,
					 identity, generation, back, &now, "Sync", err);
	if (r < 0)
		return r;
	ltfs->generation = generation;
	ltfs->update_time = now;
	ltfs->self_partition = ltfs->part[DATA].letter;
	ltfs->back_block = back;
	r = rsm_ltfs_save_facts(ltfs, err);
	return r ? r : rsm_content_indexed(ltfs->content, snapshot, err);
}

/* Its only index is overwritten: not by one that will not be whole. */
static int check_fit(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	enum { LABELS = 64 * 1024 };
	uint64_t remaining, room;

	if (rsm_ltfs_index_room(ltfs, &remaining, &room) != 0 || ltfs->index_bytes + LABELS <= room)
		return 0;
	return rsm_err_set(err, ENOSPC,
			   "an index of %" PRIu64 " bytes does not fit on partition %c",
			   ltfs->index_bytes, ltfs->part[INDEX].letter);
}

static int commit_index_partition(struct rsm_ltfs_volume *ltfs, struct rsm_index_snapshot *snapshot,
				  const struct rsm_volume_identity *identity, struct rsm_err *err)
{
	int r = check_fit(ltfs, err);

	if (r < 0)
		return r;
	r = rsm_ltfs_write_index(ltfs, INDEX, rsm_content_index(ltfs->content), snapshot, identity,
				 ltfs->generation, ltfs->part[DATA].index_block, &ltfs->update_time,
				 "Unmount", err);
	if (r < 0)
		return r;
	ltfs->self_partition = ltfs->part[INDEX].letter;
	r = rsm_ltfs_save_facts(ltfs, err);
	return r ? r : rsm_volume_index_commit(rsm_content_index(ltfs->content), false, err);
}

bool rsm_ltfs_is_dirty(struct rsm_volume *volume)
{
	struct rsm_ltfs_volume *ltfs = RSM_CONTAINER_OF(volume, struct rsm_ltfs_volume, volume);
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);

	if (ltfs->read_only && !rsm_ltfs_is_being_unlocked(ltfs))
		return false;
	return rsm_volume_index_tree_version(index) != rsm_volume_index_indexed_version(index) ||
	       ltfs->memory_stale || ltfs->data_index_lost || ltfs->part[DATA].lacks_filemark ||
	       ltfs->part[INDEX].lacks_filemark || !ltfs->part[DATA].ends_with_index ||
	       !ltfs->part[INDEX].ends_with_index ||
	       ltfs->part[INDEX].index_generation != ltfs->generation;
}

/* When both partitions end with the newest index, nothing that a commit mends is left. */
static void note_mended(struct rsm_ltfs_volume *ltfs)
{
	if (!ltfs->part[DATA].ends_with_index || !ltfs->part[INDEX].ends_with_index ||
	    ltfs->part[INDEX].index_generation != ltfs->generation)
		return;
	for (size_t i = 0; i < ltfs->finding_count; i++)
		if (ltfs->findings[i].kind <= RSM_FINDING_MENDS)
			ltfs->findings[i].mended = true;
}

int rsm_ltfs_commit(struct rsm_volume *volume, enum rsm_volume_commit what,
		    const struct rsm_volume_identity *identity, bool force, struct rsm_err *err)
{
	struct rsm_ltfs_volume *ltfs = RSM_CONTAINER_OF(volume, struct rsm_ltfs_volume, volume);
	RSM_CLEANUP(rsm_index_snapshot_close) struct rsm_index_snapshot *snapshot = NULL;
	uint64_t end;
	bool changed, due;
	int r;

	rsm_ltfs_settle_lock(ltfs);
	if (ltfs->read_only)
		return force ? rsm_err_set(err, EROFS, "%s", ltfs->reason) : 0;
	if (ltfs->doubtful)
		return rsm_ltfs_refuse_doubtful(err);
	if (!force && !rsm_ltfs_is_dirty(volume))
		return 0;
	due = rsm_ltfs_take_due(ltfs);
	if (due)
		what = RSM_COMMIT_FULL;
	r = volume->ops->synchronize(volume, err);
	for (int which = 0; r == 0 && which < PARTITIONS; which++)
		if (ltfs->part[which].lacks_filemark)
			r = rsm_ltfs_seek_end(ltfs, which, &end, err);
	if (r == 0)
		r = rsm_content_snapshot(ltfs->content, &snapshot, err);
	if (r < 0)
		return r;
	changed =
		force || rsm_index_snapshot_tree_version(snapshot) !=
				 rsm_volume_index_indexed_version(rsm_content_index(ltfs->content));
	if (changed || ltfs->data_index_lost || !ltfs->part[DATA].ends_with_index ||
	    !ltfs->part[DATA].index_block) {
		/* the same tree again, behind what a crash left: two indexes of one generation on
		 * one partition would leave it to the reader which of them counts */
		if (ltfs->part[DATA].index_block &&
		    ltfs->part[DATA].index_generation >= ltfs->generation)
			changed = true;
		r = commit_data_partition(ltfs, snapshot, identity,
					  changed || ltfs->data_index_lost, err);
		if (r < 0)
			return r;
		ltfs->data_index_lost = false;
	}
	if (what == RSM_COMMIT_FULL && (!ltfs->part[INDEX].ends_with_index ||
					ltfs->part[INDEX].index_generation != ltfs->generation)) {
		r = commit_index_partition(ltfs, snapshot, identity, err);
		if (r == -ENOSPC && ltfs->worm) { /* the newest stands on the other partition */
			rsm_ltfs_refuse_full(ltfs);
			r = 0;
		}
		if (r < 0)
			return r;
	}
	rsm_ltfs_write_names(ltfs, identity);
	rsm_ltfs_write_coherency(ltfs);
	ltfs->memory_stale = false;
	note_mended(ltfs);
	rsm_ltfs_ask_capacity(ltfs);
	rsm_ltfs_settle_room(ltfs);
	return due ? rsm_ltfs_write_due(ltfs, err) : 0;
}
