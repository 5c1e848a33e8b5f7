#include "core/content_private.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"

/* A small file's whole contents are in `buffer` while it is written; everything else goes to its
 * own file in the staging area at once, and only `ranges` says so until the flush. The rule for
 * staged bytes is in content_file.c.
 */

enum { WANT_ROOM_NS = 50 * 1000 * 1000, LOOK_BYTES = 64 << 20 };

/* ---- write ---- */

void rsm_content_touch_data(struct rsm_open_node *node, struct rsm_node *row)
{
	struct timespec coarse;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &coarse);
	node->written_ns = coarse.tv_sec * (int64_t)1000000000 + coarse.tv_nsec;
	if (node->dirty_data)
		return;
	node->dirty_data = true;
	row->data_version++;
}

static void account(struct rsm_content *content, struct rsm_open_node *node, uint64_t fresh)
{
	node->unsaved += fresh;
	content->unsaved_bytes += fresh;
	if (content->room_known)
		content->room -= (int64_t)fresh;
}

static void unaccount(struct rsm_content *content, struct rsm_open_node *node, uint64_t bytes)
{
	if (bytes > node->unsaved)
		bytes = node->unsaved;
	node->unsaved -= bytes;
	content->unsaved_bytes -= bytes;
	if (content->room_known)
		content->room += (int64_t)bytes;
}

/* Makes room for `length` bytes of a small file; false: no memory for it, take an own file. */
static bool grow_buffer(struct rsm_content *content, struct rsm_open_node *node, size_t length)
{
	size_t room = node->buffer_room ? node->buffer_room : 1024;
	uint64_t more;
	char *grown;

	if (length <= node->buffer_room)
		return true;
	while (room < length)
		room *= 2;
	more = room - node->buffer_room;
	if (atomic_fetch_add(&content->buffer_bytes, more) + more > RSM_CONTENT_BUFFERS ||
	    !(grown = realloc(node->buffer, room))) {
		atomic_fetch_sub(&content->buffer_bytes, more);
		return false;
	}
	node->buffer = grown;
	node->buffer_room = room;
	return true;
}

struct fresh_own {
	const struct rsm_open_node *node;
	uint64_t bytes;
};

static void count_part(void *context, const struct rsm_staged_range *part)
{
	*(uint64_t *)context += part->byte_count;
}

static void count_unless_saved(void *context, const struct rsm_staged_range *part)
{
	struct fresh_own *fresh = context;

	rsm_ranges_subtract(part, &fresh->node->saved, count_part, &fresh->bytes);
}

/* The bytes are in the own file: makes them count. */
static void put_own(struct rsm_content *content, struct rsm_open_node *node, uint64_t start,
		    uint64_t length)
{
	struct rsm_staged_range range = { .file_offset = start,
					  .byte_count = length,
					  .store = RSM_STORE_OWN,
					  .store_offset = start };
	struct fresh_own fresh = { .node = node };

	rsm_ranges_subtract(&range, &node->ranges, count_unless_saved, &fresh);
	node->unsaved_own += fresh.bytes;
	content->unsaved_own_bytes += fresh.bytes;
	rsm_staging_wrote_own(content->staging, node->id, fresh.bytes);
	rsm_ranges_put(&node->ranges, range);
}

static int need_own(struct rsm_content *content, struct rsm_open_node *node, struct rsm_err *err)
{
	int r = rsm_ranges_reserve(&node->ranges, 2, err);

	if (r || node->own_fd >= 0)
		return r;
	return rsm_staging_open_own(content->staging, node->id, &node->own_fd, err);
}

/* A full disk is no error of the writer's: it waits. */
static int staging_failed(struct rsm_open_node *node, int r, struct rsm_err *err)
{
	if (r == -ENOSPC || r == -EDQUOT)
		return RSM_CONTENT_WAIT;
	return rsm_err_set(err, -r, "staged bytes of file %" PRIu64 ": %s", node->id, strerror(-r));
}

/* For callers that cannot wait. */
static int no_wait(int r, struct rsm_err *err)
{
	if (r == RSM_CONTENT_WAIT)
		return rsm_err_set(err, ENOSPC, "the disk of the staging area is full");
	return r;
}

/* Moves the buffer to a file of its own. The contents must be marked as changed before. */
static int spill(struct rsm_content *content, struct rsm_open_node *node, struct rsm_err *err)
{
	int r;

	if (!node->has_buffer)
		return 0;
	node->ranges.count = 0; /* the buffer has it all; `saved` remembers what was staged */
	rsm_content_forget_streamed(node);
	if (node->buffer_length) {
		r = need_own(content, node, err);
		if (r)
			return r;
		r = rsm_file_write_at(node->own_fd, node->buffer, node->buffer_length, 0);
		if (r)
			return staging_failed(node, r, err);
		put_own(content, node, 0, node->buffer_length);
	}
	rsm_content_free_buffer(content, node);
	return 0;
}

/* Takes the whole file into memory if it is small and at hand; `length` is what it will have.
 * has_buffer tells whether it did.
 */
static int try_buffer(struct rsm_content *content, struct rsm_open_node *node, uint64_t offset,
		      uint64_t end, struct rsm_err *err)
{
	uint64_t size = node->row.size;
	const struct rsm_staged_range *only = node->ranges.at;
	bool in_log = node->ranges.count == 1 && only->store != RSM_STORE_OWN &&
		      !only->file_offset && only->byte_count == size;
	bool overwrites = !node->ranges.count && !offset && end >= size;
	int r;

	if (node->has_buffer || end > RSM_STAGING_SMALL || size > RSM_STAGING_SMALL ||
	    node->appends >= RSM_CONTENT_APPENDS || (size && !in_log && !overwrites))
		return 0;
	if (!grow_buffer(content, node, end > size ? end : size))
		return 0;
	node->buffer_length = 0;
	if (size && in_log) {
		r = rsm_staging_read(content->staging, node->id, only->store, only->store_offset,
				     node->buffer, size, err);
		if (r)
			return r;
		node->buffer_length = size;
	}
	node->has_buffer = true;
	return 0;
}

static bool write_buffer(struct rsm_content *content, struct rsm_open_node *node, const void *data,
			 size_t size, uint64_t offset)
{
	if (!node->has_buffer || offset + size > RSM_STAGING_SMALL ||
	    node->appends >= RSM_CONTENT_APPENDS || !grow_buffer(content, node, offset + size))
		return false;
	if (offset > node->buffer_length)
		memset(node->buffer + node->buffer_length, 0, offset - node->buffer_length);
	memcpy(node->buffer + offset, data, size);
	if (offset + size > node->buffer_length)
		node->buffer_length = offset + size;
	return true;
}

static int write_own(struct rsm_content *content, struct rsm_open_node *node, const void *data,
		     size_t size, uint64_t offset, struct rsm_err *err)
{
	int r = need_own(content, node, err);

	if (r)
		return r == -ENOSPC ? RSM_CONTENT_WAIT : r;
	r = rsm_file_write_at(node->own_fd, data, size, offset);
	if (r)
		return staging_failed(node, r, err);
	put_own(content, node, offset, size);
	return 0;
}

/* Bytes of [offset, end) that are not staged yet. */
static uint64_t fresh_bytes(const struct rsm_open_node *node, uint64_t offset, uint64_t end)
{
	if (!node->has_buffer)
		return rsm_ranges_uncovered(&node->ranges, offset, end);
	if (end > RSM_STAGING_SMALL && offset > node->buffer_length)
		return end - offset; /* it goes to an own file, with a hole between */
	return end > node->buffer_length ? end - node->buffer_length : 0;
}

static int write_held(struct rsm_content *content, struct rsm_open_node *node, const void *data,
		      size_t size, uint64_t offset, bool measured, struct rsm_err *err)
{
	struct rsm_node row = node->row;
	uint64_t end = offset + size, fresh;
	int r;

	if (node->gone)
		return rsm_err_set(err, ESTALE, "the file is not on the cartridge any more");
	r = try_buffer(content, node, offset, end, err);
	if (r)
		return r;
	fresh = fresh_bytes(node, offset, end);
	r = rsm_content_check_room(content, node, fresh, measured, err);
	if (r) {
		if (node->has_buffer && node->buffer_length < node->row.size)
			rsm_content_free_buffer(content, node); /* it was for this write */
		return r;
	}
	/* before any byte changes: what migrates just now must be found out of date */
	rsm_content_touch_streamed(content, node, offset, end);
	rsm_content_running_touch(content, node->id, offset);
	rsm_content_touch_data(node, &row);
	rsm_content_set_row(node, &row);
	if (!write_buffer(content, node, data, size, offset)) {
		r = spill(content, node, err);
		if (!r)
			r = write_own(content, node, data, size, offset, err);
		if (r)
			return r;
	}
	account(content, node, fresh);
	if (end > row.size)
		row.size = end;
	rsm_content_now(&row.times.modified);
	row.times.changed = row.times.modified;
	rsm_content_set_row(node, &row);
	return 0;
}

/* What overwrites staged bytes in place needs no room. Who would wait for what cannot come is told:
 * the writer to a cartridge that is full, and the writer of a nameless file (which goes to no
 * medium) that has a good part of the area itself.
 */
static int wait_for_room(struct rsm_content *content, struct rsm_open_node *node, size_t size,
			 uint64_t offset, bool measured, struct rsm_err *err)
{
	uint64_t own = 0;
	int r;

	if (!rsm_staging_space_is_full(content->space, size) || node->gone)
		return 0;
	if (!node->has_buffer && !rsm_ranges_uncovered(&node->ranges, offset, offset + size))
		return 0;
	r = rsm_content_check_room(content, node, fresh_bytes(node, offset, offset + size),
				   measured, err);
	if (r)
		return r;
	for (size_t i = 0; i < node->ranges.count; i++)
		own += node->ranges.at[i].byte_count;
	if (content->full)
		return rsm_err_set(err, ENOSPC, "the cartridge is full");
	if (rsm_content_is_orphan(content, node->id) &&
	    own > rsm_staging_space_used(content->space) / 4)
		return rsm_err_set(err, ENOSPC, "the staging area is full");
	return RSM_CONTENT_WAIT;
}

/* Asks for migration when the area is nearly full, a few times a second. r: of the write. */
static void want_room(struct rsm_content *content, int r)
{
	int64_t asked = atomic_load_explicit(&content->want_room_ns, memory_order_relaxed), now;
	struct timespec coarse;

	if (r == RSM_CONTENT_WAIT)
		rsm_staging_space_refused(content->space);
	clock_gettime(CLOCK_MONOTONIC_COARSE, &coarse);
	now = coarse.tv_sec * (int64_t)1000000000 + coarse.tv_nsec;
	if (now - asked < WANT_ROOM_NS ||
	    !atomic_compare_exchange_strong(&content->want_room_ns, &asked, now))
		return;
	if (rsm_staging_space_is_tight(content->space))
		rsm_content_want(content, RSM_WANT_ROOM);
}

static bool wants_stream(struct rsm_content *content, struct rsm_open_node *node, size_t size)
{
	node->unlooked += size;
	if (node->unlooked < LOOK_BYTES && node->unlooked < content->stream_size)
		return false;
	node->unlooked = 0;
	return rsm_content_wants_stream(content, node);
}

int rsm_content_write_file(struct rsm_open_file *file, const void *data, size_t size,
			   uint64_t offset, struct rsm_err *err)
{
	struct rsm_content *content = file->content;
	bool stream, again;
	int r;

	if (!file->writable)
		return rsm_err_set(err, EBADF, "the file is not open for writing");
	r = rsm_content_check_writes(content, err);
	if (r || !size)
		return r;
	if (offset > INT64_MAX || size > INT64_MAX - offset)
		return rsm_err_set(err, EFBIG, "the file would be too large");
	for (bool measured = false;; measured = true) {
		rsm_mutex_lock(&file->node->lock);
		r = wait_for_room(content, file->node, size, offset, measured, err);
		if (!r) {
			rsm_content_used(content);
			r = write_held(content, file->node, data, size, offset, measured, err);
		}
		stream = !r && wants_stream(content, file->node, size);
		again = r == -ENOSPC && !measured && rsm_content_may_have_room(content, file->node);
		rsm_mutex_unlock(&file->node->lock);
		if (!again)
			break;
		if (!rsm_content_measure(content))
			return RSM_CONTENT_WAIT;
	}
	want_room(content, r);
	if (stream)
		rsm_content_want(content, RSM_WANT_STREAM);
	return r;
}

/* ---- truncate and allocate ---- */

struct drop {
	struct rsm_content *content;
	struct rsm_open_node *node;
	uint64_t bytes;
};

static void drop_part(void *context, const struct rsm_staged_range *part)
{
	struct drop *drop = context;

	drop->bytes += part->byte_count;
	rsm_staging_release(drop->content->staging, drop->node->id, part->store, part->store_offset,
			    part->byte_count);
}

/* Own bytes from `size` on go; those that rows name stay until the next flush. */
static void cut_ranges(struct rsm_content *content, struct rsm_open_node *node, uint64_t size)
{
	struct drop drop = { content, node, 0 };
	size_t at = rsm_ranges_find(&node->ranges, size);
	struct rsm_staged_range first = { 0 }, *gone;
	RSM_FREE struct rsm_staged_range *rest = NULL;
	size_t count = node->ranges.count - at;

	if (!count)
		return;
	rest = calloc(count, sizeof *rest);
	if (rest) /* else their room comes back when the file goes */
		memcpy(rest, node->ranges.at + at, count * sizeof *rest);
	rsm_ranges_cut(&node->ranges, size);
	rsm_content_drop_streamed(node, size, UINT64_MAX);
	rsm_content_close_own_if_idle(node);
	for (size_t i = 0; rest && i < count; i++) {
		gone = &rest[i];
		if (gone->file_offset < size) {
			first = *gone;
			first.byte_count -= size - gone->file_offset;
			first.store_offset += size - gone->file_offset;
			first.file_offset = size;
			gone = &first;
		}
		rsm_ranges_subtract(gone, &node->saved, drop_part, &drop);
	}
	unaccount(content, node, drop.bytes);
	if (drop.bytes > node->unsaved_own)
		drop.bytes = node->unsaved_own;
	node->unsaved_own -= drop.bytes;
	content->unsaved_own_bytes -= drop.bytes;
}

int rsm_content_truncate(struct rsm_content *content, struct rsm_open_node *node,
			 struct rsm_node *row, uint64_t size, struct rsm_err *err)
{
	int r = 0;

	if (node->gone)
		return rsm_err_set(err, ESTALE, "the file is not on the cartridge any more");
	if (size > INT64_MAX)
		return rsm_err_set(err, EFBIG, "the file would be too large");
	if (size == row->size)
		return 0;
	if (size)
		rsm_content_running_touch(content, node->id, size);
	else
		rsm_content_running_end(content, node->id);
	rsm_content_touch_data(node, row);
	if (size < row->size) {
		if (size < node->cut)
			node->cut = size;
		if (node->has_buffer) {
			unaccount(content, node, node->buffer_length - size);
			node->buffer_length = size;
		} else {
			cut_ranges(content, node, size);
		}
	} else if (node->has_buffer) {
		if (size <= RSM_STAGING_SMALL && grow_buffer(content, node, size)) {
			memset(node->buffer + node->buffer_length, 0, size - node->buffer_length);
			account(content, node, size - node->buffer_length);
			node->buffer_length = size;
		} else {
			r = spill(content, node, err);
		}
	}
	if (r) {
		rsm_content_set_row(node, row); /* the new data_version */
		return no_wait(r, err);
	}
	row->size = size;
	return 0;
}

/* Zeros are staged as a hole in the own file. */
static int write_zeros(struct rsm_content *content, struct rsm_open_node *node,
		       struct rsm_node *row, uint64_t offset, uint64_t length, bool measured,
		       struct rsm_err *err)
{
	uint64_t fresh = fresh_bytes(node, offset, offset + length);
	int r = rsm_content_check_room(content, node, fresh, measured, err);

	if (r)
		return r;
	rsm_content_touch_streamed(content, node, offset, offset + length);
	rsm_content_running_touch(content, node->id, offset);
	rsm_content_touch_data(node, row);
	rsm_content_set_row(node, row);
	r = spill(content, node, err);
	if (!r)
		r = need_own(content, node, err);
	if (!r && fallocate(node->own_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			    (off_t)length) < 0)
		r = staging_failed(node, -errno, err);
	if (!r) { /* the file must reach that far */
		r = rsm_file_write_at(node->own_fd, "", 1, offset + length - 1);
		if (r)
			r = staging_failed(node, r, err);
	}
	if (r)
		return no_wait(r, err);
	put_own(content, node, offset, length);
	account(content, node, fresh);
	return 0;
}

static int allocate_held(struct rsm_content *content, struct rsm_open_node *node, int mode,
			 uint64_t offset, uint64_t length, bool measured, struct rsm_err *err)
{
	struct rsm_node row = node->row;
	uint64_t end = offset + length, zero_end = end < row.size ? end : row.size;
	bool zeros = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
	int r;

	if (node->gone)
		return rsm_err_set(err, ESTALE, "the file is not on the cartridge any more");
	r = zeros ? 0
		  : rsm_content_check_room(content, node, fresh_bytes(node, offset, end), measured,
					   err);
	if (!r && zeros && offset < zero_end)
		r = write_zeros(content, node, &row, offset, zero_end - offset, measured, err);
	if (!r && !(mode & FALLOC_FL_KEEP_SIZE) && end > row.size)
		r = rsm_content_truncate(content, node, &row, end, err);
	if (r)
		return r;
	if (node->dirty_data) {
		rsm_content_now(&row.times.modified);
		row.times.changed = row.times.modified;
	}
	rsm_content_set_row(node, &row);
	return 0;
}

int rsm_content_allocate(struct rsm_open_file *file, int mode, uint64_t offset, uint64_t length,
			 struct rsm_err *err)
{
	int kind = mode & ~FALLOC_FL_KEEP_SIZE, r;
	bool again;

	if (!file->writable)
		return rsm_err_set(err, EBADF, "the file is not open for writing");
	if (!length || offset > INT64_MAX || length > INT64_MAX - offset)
		return rsm_err_set(err, length ? EFBIG : EINVAL, "a range of no file");
	if ((kind && kind != FALLOC_FL_PUNCH_HOLE && kind != FALLOC_FL_ZERO_RANGE) ||
	    mode == FALLOC_FL_PUNCH_HOLE)
		return rsm_err_set(err, EOPNOTSUPP, "fallocate mode %d", mode);
	r = rsm_content_check_writes(file->content, err);
	for (bool measured = false; !r; measured = true) {
		rsm_mutex_lock(&file->node->lock);
		r = allocate_held(file->content, file->node, mode, offset, length, measured, err);
		again = r == -ENOSPC && !measured &&
			rsm_content_may_have_room(file->content, file->node);
		rsm_mutex_unlock(&file->node->lock);
		if (!again)
			break;
		r = rsm_content_measure(file->content) ? 0 : RSM_CONTENT_WAIT;
	}
	return r;
}
