/* The look at both partitions, and what is made of it.
 *
 * In two parts. Before the tree is loaded: how the partitions end, which index is the newest, and
 * whether a newer one must have been there (find_current). With the tree: whether what is on the
 * tape and what the tree says fit together (judge). Nothing is written here.
 *
 * That a newer index must have been there is only said with a witness: something between two
 * filemarks begins like an index and is none, and neither MAM nor our own notes know that the index
 * before it was the last; or MAM names an index behind the last one that can be found. A torn index
 * without a filemark behind it never counted, so it is no witness.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/ltfs/ltfs_private.h"

enum { FIRST_BLOCK = 4 }; /* behind the label construct */

bool rsm_ltfs_is_medium_error(int r, const struct rsm_err *err)
{
	return r == -EIO && err && err->key == 0x3;
}

void rsm_ltfs_find(struct rsm_ltfs_volume *ltfs, enum rsm_finding_kind kind, int which,
		   uint64_t block, const char *format, ...)
{
	struct rsm_volume_finding *finding;
	va_list arguments;

	if (ltfs->finding_count == RSM_VOLUME_FINDINGS)
		return;
	finding = &ltfs->findings[ltfs->finding_count++];
	*finding = (struct rsm_volume_finding){
		.kind = kind,
		.partition = which == UNKNOWN ? 0 : ltfs->part[which].letter,
		.block = block,
	};
	va_start(arguments, format);
	vsnprintf(finding->text, sizeof finding->text, format, arguments);
	va_end(arguments);
	if (kind < RSM_FINDING_REPAIR || ltfs->read_only)
		return;
	ltfs->read_only = true;
	snprintf(ltfs->reason, sizeof ltfs->reason, "%s%s", finding->text,
		 kind == RSM_FINDING_REPAIR ? " (rsm check --repair)" : "");
}

/* ---- the ends ---- */

/* Nobody knows where the partition ends: as far as its filemarks can be followed. */
static int follow_filemarks(struct rsm_ltfs_volume *ltfs, struct ltfs_partition *part,
			    struct rsm_err *err)
{
	int r = rsm_tape_drive_locate(ltfs->drive, part->number, FIRST_BLOCK, err);

	part->end = FIRST_BLOCK;
	while (r == 0) {
		struct rsm_tape_position position;

		r = rsm_tape_drive_space_filemarks(ltfs->drive, 1, NULL, err);
		if (r == 0)
			r = rsm_tape_drive_position(ltfs->drive, &position, err);
		if (r == 0)
			part->end = position.block;
	}
	return r > 0 || rsm_ltfs_is_medium_error(r, err) ? 0 : r;
}

static int find_end(struct rsm_ltfs_volume *ltfs, struct ltfs_partition *part, struct rsm_err *err)
{
	int r = rsm_tape_drive_locate_end(ltfs->drive, part->number, &part->end, err);

	part->end_lost = r == RSM_TAPE_NO_END;
	part->unreadable = rsm_ltfs_is_medium_error(r, err);
	if (part->end_lost || part->unreadable)
		r = follow_filemarks(ltfs, part, err);
	return r < 0 ? rsm_err_wrap(err, r, "end of partition %c", part->letter) : 0;
}

/* ---- which index is current (11) ---- */

static bool follows(struct rsm_ltfs_volume *ltfs, const struct rsm_ltfs_index_header *header)
{
	return header->back_partition == ltfs->part[DATA].letter &&
	       header->back_block == ltfs->part[DATA].index_block;
}

/* The index partition is newer, and what it follows is not there. When that place lies behind the
 * last index that can be found, it was one that got lost, and the index partition has its tree.
 */
static void choose_dangling(struct rsm_ltfs_volume *ltfs,
			    const struct rsm_ltfs_index_header *header)
{
	if (!header->back_block || header->back_block > ltfs->part[DATA].index_block)
		ltfs->data_index_lost = true;
	else
		rsm_ltfs_find(ltfs, RSM_FINDING_LOSS, INDEX, header->self_block,
			      "the index partition's newest index follows %c:%" PRIu64
			      ", not the data partition's newest one at %c:%" PRIu64
			      ": two systems wrote to it",
			      header->back_partition, header->back_block, ltfs->part[DATA].letter,
			      ltfs->part[DATA].index_block);
}

/* 12.2. Outcome 1: there is no whole index. */
static int full_check(struct rsm_ltfs_volume *ltfs, int *ret_which,
		      struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	struct rsm_ltfs_index_header header[PARTITIONS];
	bool found[PARTITIONS];

	for (int which = 0; which < PARTITIONS; which++) {
		int r = rsm_ltfs_find_last_index(ltfs, which, &header[which], err);

		if (rsm_ltfs_is_medium_error(r, err)) {
			ltfs->part[which].unreadable = true;
			r = ltfs->part[which].index_block ? 0 : 1;
		}
		if (r < 0)
			return rsm_err_wrap(err, r, "partition %c", ltfs->part[which].letter);
		found[which] = r == 0;
	}
	if (!found[INDEX] && !found[DATA])
		return 1;
	*ret_which = INDEX;
	if (!found[DATA])
		choose_dangling(ltfs, &header[INDEX]);
	else if (!found[INDEX] || header[DATA].generation > header[INDEX].generation)
		*ret_which = DATA;
	else if (follows(ltfs, &header[INDEX]))
		; /* as it should be */
	else if (header[INDEX].generation == header[DATA].generation)
		*ret_which = DATA;
	else
		choose_dangling(ltfs, &header[INDEX]);
	*ret_header = header[*ret_which];
	return 0;
}

/* Is there a witness that an index newer than generation `newest` was on the partition? */
static bool was_newer(struct rsm_ltfs_volume *ltfs, int which,
		      const struct rsm_ltfs_index_header *current)
{
	const struct ltfs_partition *part = &ltfs->part[which];
	uint64_t newest = current->generation;

	if (part->memory.generation > newest && part->memory.block > part->index_block)
		return true;
	if (ltfs->data_index_lost && part->torn_block <= current->back_block)
		return false; /* the index partition has its tree */
	return which == DATA && part->torn_block && part->torn_closed &&
	       (!part->memory.generation || part->memory.generation > newest);
}

static int look(struct rsm_ltfs_volume *ltfs, bool thorough, int *ret_which,
		struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	int r = 0;

	ltfs->data_index_lost = ltfs->newest_lost = ltfs->memory_stale = false;
	for (int which = 0; r == 0 && which < PARTITIONS; which++)
		r = find_end(ltfs, &ltfs->part[which], err);
	if (r < 0)
		return r;
	r = rsm_ltfs_read_memory(ltfs, err);
	if (r < 0)
		return r;
	if (!ltfs->part[INDEX].end_lost && !ltfs->part[DATA].end_lost &&
	    !ltfs->part[INDEX].unreadable && !ltfs->part[DATA].unreadable)
		r = rsm_ltfs_fast_path(ltfs, ret_which, ret_header, err);
	else
		r = 1;
	if ((r == 0 && !thorough) || r == -ENODEV || r == -ENOMEM)
		return r;
	ltfs->memory_stale = r != 0;
	r = full_check(ltfs, ret_which, ret_header, err);
	if (r == 0)
		for (int which = 0; which < PARTITIONS; which++)
			ltfs->newest_lost = ltfs->newest_lost || was_newer(ltfs, which, ret_header);
	return r;
}

int rsm_ltfs_find_current(struct rsm_ltfs_volume *ltfs, int *ret_which,
			  struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	return look(ltfs, false, ret_which, ret_header, err);
}

/* ---- with the tree ---- */

/* Which blocks the files have does not change on the index partition, so it is counted once. */
static int recall_used(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	return rsm_volume_index_get_number(rsm_content_index(ltfs->content), "index_used",
					   &ltfs->part[INDEX].used, UINT64_MAX, err);
}

/* Extents must lie between the label and the end of data: what is written there next would become
 * part of files that have nothing to do with it.
 */
static int judge_extents(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	for (int which = 0; which < PARTITIONS; which++) {
		struct ltfs_partition *part = &ltfs->part[which];
		int r = rsm_volume_index_used(rsm_content_index(ltfs->content), part->letter,
					      ltfs->label.block_size, &part->used, err);

		if (r < 0)
			return r;
		if (part->used > part->end && !part->end_lost && !part->unreadable)
			rsm_ltfs_find(ltfs, RSM_FINDING_LOSS, which, part->end,
				      "files have blocks up to %c:%" PRIu64
				      ", but the data end at %c:%" PRIu64
				      ": what is missing cannot be read",
				      part->letter, part->used - 1, part->letter, part->end);
	}
	return 0;
}

static void judge_end(struct rsm_ltfs_volume *ltfs, int which)
{
	struct ltfs_partition *part = &ltfs->part[which];

	if (part->unreadable)
		rsm_ltfs_find(ltfs, RSM_FINDING_LOSS, which, part->end,
			      "partition %c cannot be read to its end (medium error)",
			      part->letter);
	else if (part->end_lost)
		rsm_ltfs_find(ltfs, RSM_FINDING_REPAIR, which, part->end,
			      "partition %c has no end of data", part->letter);
	else if (part->lacks_filemark)
		rsm_ltfs_find(ltfs, RSM_FINDING_MENDS, which, part->end,
			      "the filemark behind the last index of partition %c is missing",
			      part->letter);
}

static void judge_data_partition(struct rsm_ltfs_volume *ltfs, bool known)
{
	struct ltfs_partition *part = &ltfs->part[DATA];
	uint64_t first = part->index_block ? part->index_end : FIRST_BLOCK;

	if (ltfs->data_index_lost)
		rsm_ltfs_find(ltfs, RSM_FINDING_MENDS, DATA, part->index_block,
			      "the data partition has lost its last index; the index partition "
			      "has its tree, of which a copy is appended");
	if (part->end_lost || part->unreadable || part->ends_with_index)
		return;
	if (part->torn_block && !part->torn_closed)
		rsm_ltfs_find(ltfs, RSM_FINDING_MENDS, DATA, part->torn_block,
			      "an index at %c:%" PRIu64
			      " was not finished; it stays, and a whole one is appended",
			      part->letter, part->torn_block);
	else if (part->end > first + (part->stray_filemark ? 1 : 0) && !part->incremental_block)
		rsm_ltfs_find(ltfs, RSM_FINDING_MENDS, DATA, first,
			      "blocks %c:%" PRIu64 " to %c:%" PRIu64 " lie behind the last index%s",
			      part->letter, first, part->letter, part->end - 1,
			      known && part->used > first
				      ? "; they were being written, and it is known to which files "
					"they belong"
				      : "; they stay, and no file has them");
}

static void judge_index_partition(struct rsm_ltfs_volume *ltfs)
{
	struct ltfs_partition *part = &ltfs->part[INDEX];

	if (part->end_lost || part->unreadable)
		return;
	if (!part->index_block)
		rsm_ltfs_find(ltfs, RSM_FINDING_MENDS, INDEX, 0,
			      part->torn_block ? "the index partition's index is not whole; it is "
						 "written again"
					       : "the index partition holds no index; it is "
						 "written");
	else if (!part->ends_with_index)
		rsm_ltfs_find(ltfs, RSM_FINDING_MENDS, INDEX, part->index_end,
			      "something lies behind the index partition's last index; it stays, "
			      "and the newest index is appended");
	else if (part->index_generation < ltfs->generation)
		rsm_ltfs_find(ltfs, RSM_FINDING_MENDS, INDEX, part->index_block,
			      "the index partition has generation %" PRIu64
			      ", the volume is at %" PRIu64,
			      part->index_generation, ltfs->generation);
}

/* A tree that was loaded once although a newer index was lost is cached from then on, but that does
 * not make it the newest one: only an index that is written here does.
 */
static int judge_newest(struct rsm_ltfs_volume *ltfs, bool known, struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	const struct ltfs_partition *part = &ltfs->part[DATA];
	uint64_t place = part->torn_block ? part->torn_block : part->memory.block, doubted;
	int r = rsm_volume_index_get_number(index, "doubted_generation", &doubted, 0, err);

	if (r < 0 || !(ltfs->newest_kept || ltfs->newest_lost))
		return r;

	if (ltfs->newest_kept)
		rsm_ltfs_find(ltfs, RSM_FINDING_MENDS, DATA, place,
			      "the newest index on the tape is damaged; it is known here, and "
			      "written again as generation %" PRIu64,
			      ltfs->generation + 1);
	if (ltfs->newest_kept ||
	    (known && part->memory.generation <= ltfs->generation && doubted != ltfs->generation))
		return 0;
	rsm_ltfs_find(ltfs, RSM_FINDING_REPAIR, DATA, place,
		      "a newer index was on the tape and cannot be read; this is generation "
		      "%" PRIu64,
		      ltfs->generation);
	return rsm_volume_index_set_number(index, "doubted_generation", ltfs->generation, err);
}

/* Is there nothing on the partition but, perhaps, the beginning of its label? */
static bool is_as_good_as_blank(struct rsm_ltfs_volume *ltfs, int which)
{
	const struct ltfs_partition *part = &ltfs->part[which];
	char serial[7], implementation[14];
	size_t length;

	if (part->end_lost || part->unreadable || part->end > FIRST_BLOCK)
		return false;
	if (part->end == 0)
		return true;
	return rsm_ltfs_seek(ltfs, which, 0, NULL) == 0 &&
	       rsm_tape_drive_read(ltfs->drive, ltfs->block, ltfs->label.block_size, &length,
				   NULL) == 0 &&
	       rsm_vol1_parse(ltfs->block, length, serial, implementation) == RSM_VOL1_LTFS &&
	       strcmp(serial, ltfs->label.serial) == 0;
}

static void judge_labels(struct rsm_ltfs_volume *ltfs)
{
	int which = ltfs->label.alone == ltfs->part[DATA].letter ? INDEX : DATA;

	if (!ltfs->label.alone)
		return;
	ltfs->label_missing = is_as_good_as_blank(ltfs, which);
	rsm_ltfs_find(ltfs, ltfs->label_missing ? RSM_FINDING_REPAIR : RSM_FINDING_LOSS, which, 0,
		      "partition %c has no LTFS label%s", ltfs->part[which].letter,
		      ltfs->label_missing ? "" : ", but something else");
}

int rsm_ltfs_judge(struct rsm_ltfs_volume *ltfs, bool has_index, bool known, struct rsm_err *err)
{
	int r = 0;

	judge_labels(ltfs);
	for (int which = 0; which < PARTITIONS; which++)
		judge_end(ltfs, which);
	if (!has_index) {
		rsm_ltfs_find(ltfs, RSM_FINDING_REPAIR, UNKNOWN, 0,
			      "neither partition holds an index that is whole%s",
			      known ? "; what is shown is the tree as it was last known here" : "");
		return 0;
	}
	/* a volume that is as it should be has been believed since it was loaded */
	if (known && !ltfs->memory_stale)
		r = recall_used(ltfs, err);
	if (r == 0 && (!known || ltfs->memory_stale || ltfs->part[INDEX].used == UINT64_MAX))
		r = judge_extents(ltfs, err);
	if (r == 0)
		r = rsm_volume_index_set_number(rsm_content_index(ltfs->content), "index_used",
						ltfs->part[INDEX].used, err);
	if (r < 0)
		return r;
	r = judge_newest(ltfs, known, err);
	if (r < 0)
		return r;
	judge_data_partition(ltfs, known);
	judge_index_partition(ltfs);
	if (ltfs->memory_stale)
		rsm_ltfs_find(ltfs, RSM_FINDING_NOTE, UNKNOWN, 0,
			      "the medium's memory does not tell how the partitions end; they were "
			      "looked at");
	return 0;
}

/* ---- again, of a volume that is open ---- */

int rsm_ltfs_examine(struct rsm_volume *volume, struct rsm_ltfs_report *ret_report,
		     struct rsm_err *err)
{
	struct rsm_ltfs_volume *open = rsm_ltfs_of(volume);
	RSM_CLEANUP(rsm_ltfs_volume_free) struct rsm_ltfs_volume *ltfs = NULL;
	struct rsm_ltfs_index_header header;
	bool known = false;
	int which, r;

	if (!open)
		return 1;
	r = open->read_only ? 0 : volume->ops->synchronize(volume, err);
	if (r == 0)
		r = rsm_ltfs_volume_new(open->drive, open->content, &open->label, &ltfs, err);
	if (r < 0)
		return r;
	open->head = UNKNOWN;
	open->at_end = false;
	r = look(ltfs, true, &which, &header, err);
	if (r < 0)
		return r;
	if (r == 0) {
		known = rsm_ltfs_is_cached(ltfs, &header);
		ltfs->generation = header.generation;
		ltfs->newest_kept = open->newest_kept;
	} else {
		ltfs->generation = open->generation;
	}
	r = rsm_ltfs_judge(ltfs, r == 0, known, err);
	if (r < 0)
		return r;
	rsm_ltfs_report_of(ltfs, ret_report);
	if (open->refusal || (open->read_only && !ltfs->read_only)) {
		ret_report->read_only = true;
		if (!ltfs->read_only)
			snprintf(ret_report->reason, sizeof ret_report->reason, "%s", open->reason);
	}
	return 0;
}
