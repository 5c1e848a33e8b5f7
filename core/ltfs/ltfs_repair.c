/* The report of a volume's state, and the repair that somebody asked for.
 *
 * Order of a repair (19.2), and what a crash leaves right behind each step:
 *   0. a label, on the partition that has none and nothing else      the other is as it was
 *   1. end of data, on the partition that has none, behind the last block that can be read; only
 *      if no file and no index has blocks behind that     the other partition is as it was
 *   2. the volume is opened anew: everything is looked at and judged again     the same
 *   3. the tree that was chosen goes to the data partition as a new index, behind all that is
 *      there, then to the index partition: a commit like any other (ltfs_commit.c)
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/ltfs/ltfs_private.h"

/* ---- the report ---- */

static const char *state_of(const struct rsm_ltfs_volume *ltfs, int which)
{
	const struct ltfs_partition *part = &ltfs->part[which];

	if (part->unreadable)
		return "unreadable";
	if (part->end_lost)
		return "no end of data";
	if (part->incremental_block)
		return "incremental index";
	if (part->ends_with_index)
		return part->lacks_filemark ? "filemark missing" : "complete";
	if (part->torn_block)
		return part->torn_closed ? "damaged index" : "torn index";
	return part->index_block ? "data behind index" : "no index";
}

void rsm_ltfs_report_of(const struct rsm_ltfs_volume *ltfs, struct rsm_ltfs_report *ret_report)
{
	*ret_report = (struct rsm_ltfs_report){
		.generation = ltfs->generation,
		.read_only = ltfs->read_only,
		.finding_count = ltfs->finding_count,
	};
	memcpy(ret_report->findings, ltfs->findings, sizeof ret_report->findings);
	snprintf(ret_report->reason, sizeof ret_report->reason, "%s", ltfs->reason);
	for (int which = 0; which < PARTITIONS; which++) {
		const struct ltfs_partition *part = &ltfs->part[which];

		ret_report->partitions[part->number] = (struct rsm_ltfs_partition_report){
			.letter = part->letter,
			.number = part->number,
			.role = which == INDEX ? "index" : "data",
			.state = state_of(ltfs, which),
			.index_block = part->index_block,
			.index_generation = part->index_block ? part->index_generation : 0,
			.end = part->end_lost || part->unreadable ? 0 : part->end,
		};
	}
}

/* ---- an end of data ---- */

bool rsm_ltfs_is_end_not_found(int r, const struct rsm_err *err)
{
	return r == -EIO && err && err->asc == 0x14 && err->ascq == 0x03;
}

/* Reads on from where filemarks lead to the last record; *ret_end is the block behind it. */
static int find_last_record(struct rsm_ltfs_volume *ltfs, int which, uint64_t *ret_end,
			    struct rsm_err *err)
{
	struct rsm_err own;
	uint64_t block = ltfs->part[which].end;
	size_t length;
	int r = rsm_ltfs_seek(ltfs, which, block, err);

	if (r < 0)
		return r;
	while ((r = rsm_tape_drive_read(ltfs->drive, ltfs->block, ltfs->label.block_size, &length,
					&own)) == 0 ||
	       r == -ENOBUFS || r == RSM_TAPE_FILEMARK)
		block++;
	*ret_end = block;
	if (r == RSM_TAPE_END_OF_DATA || rsm_ltfs_is_end_not_found(r, &own))
		return 0;
	if (err)
		*err = own;
	return rsm_err_wrap(err, r, "block %c:%" PRIu64, ltfs->part[which].letter, block);
}

static int make_end(struct rsm_ltfs_volume *ltfs, int which, struct rsm_text *done,
		    struct rsm_err *err)
{
	struct ltfs_partition *part = &ltfs->part[which];
	uint64_t end;
	int r;

	r = rsm_volume_index_used(rsm_content_index(ltfs->content), part->letter,
				  ltfs->label.block_size, &part->used, err);
	if (r == 0)
		r = find_last_record(ltfs, which, &end, err);
	if (r < 0)
		return r;
	if (part->used > end || part->memory.block >= end)
		return rsm_err_set(err, EROFS,
				   "partition %c can be read up to block %" PRIu64
				   " only, but there must be more: it is left as it is",
				   part->letter, end - 1);
	r = rsm_ltfs_seek(ltfs, which, end, err);
	if (r == 0)
		r = rsm_tape_drive_erase(ltfs->drive, false, err);
	if (r == 0)
		r = rsm_tape_drive_write_filemarks(ltfs->drive, 0, false, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "end of data of partition %c", part->letter);
	rsm_text_printf(done, "partition %c got an end of data at block %" PRIu64 "\n",
			part->letter, end);
	return 0;
}

/* ---- a label ---- */

static int write_missing_label(struct rsm_ltfs_volume *ltfs, struct rsm_text *done,
			       struct rsm_err *err)
{
	int which = ltfs->label.alone == ltfs->part[DATA].letter ? INDEX : DATA;
	int r = rsm_ltfs_write_label(ltfs, which, ltfs->label.serial, err);

	if (r != 0)
		return rsm_err_wrap(err, r < 0 ? r : -EIO, "label of partition %c",
				    ltfs->part[which].letter);
	rsm_text_printf(done, "partition %c got its label\n", ltfs->part[which].letter);
	return RSM_LTFS_REOPEN;
}

/* ---- the whole ---- */

static bool has_finding(const struct rsm_ltfs_volume *ltfs, enum rsm_finding_kind kind)
{
	for (size_t i = 0; i < ltfs->finding_count; i++)
		if (ltfs->findings[i].kind == kind && !ltfs->findings[i].mended)
			return true;
	return false;
}

/* Is there anything that could be done at all? */
static int check_repairable(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	if (has_finding(ltfs, RSM_FINDING_LOSS))
		return rsm_err_set(err, EROFS, "it cannot be repaired: %s", ltfs->reason);
	if (ltfs->refusal)
		return rsm_err_set(err, EROFS, "it cannot be written to: %s", ltfs->refusal);
	if (ltfs->doubtful)
		return rsm_ltfs_refuse_doubtful(err);
	return 0;
}

static int take_newest(struct rsm_ltfs_volume *ltfs, bool even_nothing, struct rsm_err *err)
{
	if (!ltfs->generation && !even_nothing)
		return rsm_err_set(err, EROFS,
				   "it holds no index, and no copy of one is known here: rsm check "
				   "--deep --repair makes files of its blocks");
	/* no other index that was ever there may seem to be newer than what is written now */
	for (int which = 0; which < PARTITIONS; which++)
		if (ltfs->generation < ltfs->part[which].memory.generation)
			ltfs->generation = ltfs->part[which].memory.generation;
	ltfs->read_only = false;
	ltfs->reason[0] = '\0';
	rsm_volume_index_touch(rsm_content_index(ltfs->content));
	return 0;
}

static void tell_done(struct rsm_ltfs_volume *ltfs, struct rsm_text *done)
{
	for (size_t i = 0; i < ltfs->finding_count; i++) {
		struct rsm_volume_finding *finding = &ltfs->findings[i];

		if (finding->kind == RSM_FINDING_REPAIR)
			finding->mended = true;
		if (finding->mended)
			rsm_text_printf(done, "%s\n", finding->text);
	}
	rsm_text_printf(done, "the tree was written as generation %" PRIu64 "\n", ltfs->generation);
}

int rsm_ltfs_repair(struct rsm_volume *volume, const struct rsm_volume_identity *identity,
		    bool even_nothing, struct rsm_text *ret_done, struct rsm_err *err)
{
	struct rsm_ltfs_volume *ltfs = rsm_ltfs_of(volume);
	uint64_t generation;
	int r;

	if (!ltfs)
		return rsm_err_set(err, ENOTSUP, "it is no LTFS volume");
	r = check_repairable(ltfs, err);
	if (r == 0 && ltfs->label_missing)
		return write_missing_label(ltfs, ret_done, err);
	if (r == 0 && (ltfs->part[INDEX].end_lost || ltfs->part[DATA].end_lost)) {
		for (int which = 0; r == 0 && which < PARTITIONS; which++)
			if (ltfs->part[which].end_lost)
				r = make_end(ltfs, which, ret_done, err);
		return r ? r : RSM_LTFS_REOPEN;
	}
	if (r == 0 && has_finding(ltfs, RSM_FINDING_REPAIR))
		r = take_newest(ltfs, even_nothing, err);
	if (r < 0)
		return r;
	generation = ltfs->generation;
	if (rsm_ltfs_is_dirty(volume))
		r = rsm_ltfs_commit(volume, RSM_COMMIT_FULL, identity, false, err);
	if (r == 0 && ltfs->generation != generation)
		tell_done(ltfs, ret_done);
	return r;
}
