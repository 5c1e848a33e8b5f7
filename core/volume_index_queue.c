/* The queue of files that wait for their migration: a table, and behind it a tail in memory that
 * goes to the table when it is full, before a clean state is written, and never for one file
 * alone: with an index of the node table instead each closed file dirtied one page more, a sixth
 * of the time that its commit takes (measured).
 *
 * The tail is lost with the process. So is the clean state then, and the open that counts again
 * also makes the queue again, from the rows. A transaction that was taken back leaves the queue
 * `stale`: it is made again at the next change, and until then the next file is looked for among
 * all rows.
 */
#include "core/volume_index_private.h"

#include <string.h>

static bool waits(const struct rsm_vi_data *data)
{
	return data && data->parent && data->staged_bytes && !data->written;
}

static int run(struct rsm_volume_index *index, enum rsm_vi_statement which, uint64_t order,
	       uint64_t id, struct rsm_err *err)
{
	sqlite3_stmt *statement = rsm_vi_statement(index, which);

	rsm_vi_bind_id(statement, 1, order);
	rsm_vi_bind_id(statement, 2, id);
	return rsm_sqlite_run(statement, err);
}

/* Position of the first entry of the tail whose order is greater than `after`. */
static unsigned behind(const struct rsm_volume_index *index, uint64_t after)
{
	unsigned low = 0, high = index->tail_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (index->tail[middle].close_order > after)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int rsm_vi_queue_flush(struct rsm_volume_index *index, struct rsm_err *err)
{
	index->queue_changes++;
	for (unsigned i = 0; i < index->tail_count; i++) {
		int r = run(index, RSM_VI_QUEUE_PUT, index->tail[i].close_order, index->tail[i].id,
			    err);

		if (r < 0)
			return r; /* what went there already is put again next time */
	}
	index->tail_count = 0;
	return 0;
}

static int put(struct rsm_volume_index *index, uint64_t order, uint64_t id, struct rsm_err *err)
{
	index->queue_changes++;
	/* only what comes in order and is closed; others are few */
	if (!order ||
	    (index->tail_count && index->tail[index->tail_count - 1].close_order >= order))
		return run(index, RSM_VI_QUEUE_PUT, order, id, err);
	if (index->tail_count == RSM_VI_TAIL) {
		int r = rsm_vi_queue_flush(index, err);

		if (r < 0)
			return r;
	}
	index->tail[index->tail_count++] = (struct rsm_vi_queued){ order, id };
	return 0;
}

static int take(struct rsm_volume_index *index, uint64_t order, uint64_t id, struct rsm_err *err)
{
	unsigned i = order ? behind(index, order - 1) : index->tail_count;

	index->queue_changes++;
	if (i == index->tail_count || index->tail[i].close_order != order ||
	    index->tail[i].id != id)
		return run(index, RSM_VI_QUEUE_TAKE, order, id, err);
	index->tail_count--;
	memmove(&index->tail[i], &index->tail[i + 1],
		(index->tail_count - i) * sizeof *index->tail);
	return 0;
}

bool rsm_vi_queue_is_easy(const struct rsm_volume_index *index, const struct rsm_vi_data *before)
{
	return !waits(before) && index->tail_count < RSM_VI_TAIL && !index->queue_stale;
}

int rsm_vi_account(struct rsm_volume_index *index, uint64_t id, const struct rsm_vi_data *before,
		   const struct rsm_vi_data *after, struct rsm_err *err)
{
	bool was = waits(before), is = waits(after);
	int r = 0;

	if (was && is && before->close_order == after->close_order)
		was = is = false;
	if (was)
		r = take(index, before->close_order, id, err);
	if (r == 0 && is)
		r = put(index, after->close_order, id, err);
	if (r < 0)
		return r;
	if (before)
		rsm_vi_count(&index->state, before, -1);
	if (after) {
		rsm_vi_count(&index->state, after, 1);
		if (after->close_order > index->state.last_close_order)
			index->state.last_close_order = after->close_order;
	}
	return 0;
}

int rsm_vi_queue_rebuild(struct rsm_volume_index *index, struct rsm_err *err)
{
	int r;

	r = rsm_sqlite_exec(index->db,
			    "DELETE FROM queue;"
			    "INSERT INTO queue SELECT close_order,id FROM node WHERE parent<>0"
			    " AND staged IS NOT NULL AND written=0 ORDER BY close_order",
			    err);
	if (r < 0)
		return r;
	index->tail_count = 0;
	index->queue_stale = false;
	return 0;
}

/* Outcome RSM_NODE_ABSENT. */
int rsm_vi_queue_next(struct rsm_volume_index *index, uint64_t after, uint64_t *ret_order,
		      uint64_t *ret_id, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *next = rsm_vi_statement(
		index, index->queue_stale ? RSM_VI_QUEUE_SEARCH : RSM_VI_QUEUE_NEXT);
	unsigned i;
	int r;

	rsm_vi_bind_id(next, 1, after);
	r = rsm_sqlite_step(next, err);
	if (r < 0)
		return r;
	if (r == 0) {
		*ret_order = rsm_vi_column(next, 0);
		*ret_id = rsm_vi_column(next, 1);
	}
	if (index->queue_stale)
		return r == 0 ? 0 : RSM_NODE_ABSENT;
	i = behind(index, after);
	if (i < index->tail_count && (r || index->tail[i].close_order < *ret_order)) {
		*ret_order = index->tail[i].close_order;
		*ret_id = index->tail[i].id;
		r = 0;
	}
	return r == 0 ? 0 : RSM_NODE_ABSENT;
}
