/* Is what looks like an index one?
 *
 * A file's contents may be an index of this volume that says that it stands just where they were
 * written, made by somebody who wants to have other people's blocks as his files. If the power goes
 * before the next index is written, it is the last one on the tape. But an index has a filemark in
 * front of it that is its own, and records of files follow the one behind the index before them. So
 * what follows another index's filemark is what files hold, and that one is to be looked at in the
 * same way, as far as they stand in a row.
 */
#include "core/ltfs/ltfs_private.h"

#include <inttypes.h>

enum { LAST_LABEL_BLOCK = 3 };

/* The filemark before the one at `mark`, if a whole index stands between them. Outcome 1: none. */
static int index_before(struct rsm_ltfs_volume *ltfs, int which, uint64_t mark, uint64_t *ret_mark,
			struct rsm_err *err)
{
	struct rsm_ltfs_index_header header;
	struct rsm_tape_position position;
	uint64_t end, bytes;
	int r = rsm_ltfs_seek(ltfs, which, mark, err);

	if (r == 0)
		r = rsm_tape_drive_space_filemarks(ltfs->drive, -1, NULL, err);
	if (r == RSM_TAPE_BEGINNING || rsm_ltfs_is_medium_error(r, err))
		return 1;
	if (r == 0)
		r = rsm_tape_drive_position(ltfs->drive, &position, err);
	if (r != 0)
		return rsm_err_fold(err, r, "spacing back from block %" PRIu64, mark);
	if (position.block <= LAST_LABEL_BLOCK || position.block + 1 >= mark)
		return 1;
	r = rsm_ltfs_read_index(ltfs, which, position.block + 1, NULL, &header, &end, &bytes, err);
	if (r == 0)
		*ret_mark = position.block;
	return r;
}

int rsm_ltfs_is_contents(struct rsm_ltfs_volume *ltfs, int which, uint64_t mark,
			 bool *ret_is_contents, struct rsm_err *err)
{
	bool contents = false;
	int r;

	while ((r = index_before(ltfs, which, mark, &mark, err)) == 0)
		contents = !contents;
	if (r < 0)
		return r;
	*ret_is_contents = contents;
	return 0;
}
