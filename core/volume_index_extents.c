/* All extents of a volume, for who compares them with what is on the medium. */
#include "core/volume_index_private.h"

enum { BATCH = 1000 }; /* rows read under one taking of the lock */

/* Calls each() for the extents of rows behind *after; outcome 1: those were all. */
static int each_of_batch(struct rsm_volume_index *index, uint64_t *after,
			 rsm_volume_index_extent *each, void *context, bool *ret_goes_on,
			 struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *rows = NULL;
	unsigned count = 0;
	int r;

	RSM_LOCK_SCOPE(&index->lock);
	if (!index->db)
		return rsm_sqlite_run(NULL, err);
	r = rsm_sqlite_prepare(index->db,
			       "SELECT id,extents FROM node WHERE id>?1 AND extents IS NOT NULL"
			       " ORDER BY id LIMIT ?2",
			       &rows, err);
	if (r < 0)
		return r;
	sqlite3_bind_int64(rows, 1, (sqlite3_int64)*after);
	sqlite3_bind_int64(rows, 2, BATCH);
	while (*ret_goes_on && (r = rsm_sqlite_step(rows, err)) == 0) {
		RSM_VI_EXTENTS struct rsm_vi_extents extents = { 0 };

		*after = rsm_vi_column(rows, 0);
		count++;
		r = rsm_vi_unpack_extents(sqlite3_column_blob(rows, 1),
					  (size_t)sqlite3_column_bytes(rows, 1), &extents, err);
		if (r < 0)
			return r;
		for (size_t i = 0; *ret_goes_on && i < extents.count; i++) {
			struct rsm_extent extent = extents.items[i].e;

			extent.indexed = extents.items[i].version <= index->state.indexed_version;
			*ret_goes_on = each(context, *after, &extent);
		}
	}
	return r < 0 ? r : count < BATCH;
}

int rsm_volume_index_each_extent(struct rsm_volume_index *index, rsm_volume_index_extent *each,
				 void *context, struct rsm_err *err)
{
	uint64_t after = 0;
	bool goes_on = true;
	int r = 0;

	while (r == 0 && goes_on)
		r = each_of_batch(index, &after, each, context, &goes_on, err);
	return r < 0 ? r : 0;
}

struct used {
	char partition;
	uint64_t block_size, end;
};

static bool note_used(void *context, uint64_t id, const struct rsm_extent *extent)
{
	struct used *used = context;
	uint64_t last = extent->byte_offset + extent->byte_count;

	(void)id;
	if (extent->partition != used->partition || !extent->byte_count)
		return true;
	if (last < extent->byte_offset)
		last = UINT64_MAX;
	last = (last - 1) / used->block_size;
	last = extent->start_block + last < last ? UINT64_MAX : extent->start_block + last;
	if (last >= used->end)
		used->end = last == UINT64_MAX ? last : last + 1;
	return true;
}

int rsm_volume_index_used(struct rsm_volume_index *index, char partition, uint64_t block_size,
			  uint64_t *ret_end, struct rsm_err *err)
{
	struct used used = { .partition = partition, .block_size = block_size };
	int r = rsm_volume_index_each_extent(index, note_used, &used, err);

	if (r == 0)
		*ret_end = used.end;
	return r;
}
