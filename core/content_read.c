#include "core/content_private.h"

#include <string.h>

#include "base/file.h"

/* A read is put together in one buffer: what is on local disk is copied while the node is locked,
 * what is on the medium is read straight into its place, by one rsm_medium_read a piece. The last
 * piece to arrive answers. A read under way holds `left` once for the issuer and once a piece;
 * `left` reaches 0 exactly once, because an interrupt finds the read only in content->reads and
 * holds it under the same lock.
 */

struct read_piece {
	struct rsm_medium_read read;
	struct read_pending *pending;
	bool finished; /* [reads_lock] */
};

struct read_pending {
	struct rsm_list link; /* [reads_lock] in content->reads */
	struct rsm_content *content;
	struct rsm_content_read *request;
	unsigned left;	  /* [reads_lock] */
	bool interrupted; /* [reads_lock] */
	int r;		  /* [reads_lock] of the first piece that failed */
	struct rsm_err err;
	char *data;
	size_t size;
	size_t count, room;
	struct read_piece *pieces;
};

static void pending_free(struct read_pending *pending)
{
	if (!pending)
		return;
	free(pending->data);
	free(pending->pieces);
	free(pending);
}
RSM_DEFINE_CLEANUP(pending_free, struct read_pending)

/* ---- putting a read together, under the node's lock ---- */

static int add_piece(struct read_pending *pending, const struct rsm_extent *extent, uint64_t node,
		     uint64_t offset, size_t length, char *into, struct rsm_err *err)
{
	struct read_piece *piece;

	if (pending->count == pending->room) {
		size_t room = pending->room ? pending->room * 2 : 1;
		struct read_piece *grown = realloc(pending->pieces, room * sizeof *grown);

		if (!grown)
			return rsm_err_oom(err);
		pending->pieces = grown;
		pending->room = room;
	}
	if (extent->byte_offset > UINT64_MAX - (offset - extent->file_offset))
		return rsm_err_set(err, EIO, "an extent lies beyond any medium");
	piece = &pending->pieces[pending->count++];
	memset(piece, 0, sizeof *piece);
	piece->read.node = node;
	piece->read.partition = extent->partition;
	piece->read.start_block = extent->start_block;
	piece->read.byte_offset = extent->byte_offset + (offset - extent->file_offset);
	piece->read.count = length;
	piece->read.buffer = into;
	return 0;
}

/* First extent that ends behind `offset`. */
static size_t find_extent(const struct rsm_open_node *node, uint64_t offset)
{
	size_t low = 0, high = node->extent_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct rsm_extent *extent = &node->extents[middle];

		if (extent->byte_count <= offset && /* no overflow by hostile values */
		    extent->file_offset <= offset - extent->byte_count)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* [offset, end) has no staged bytes: extents, and zeros between them. */
static int add_from_medium(struct rsm_content *content, struct rsm_open_node *node,
			   struct read_pending *pending, uint64_t offset, uint64_t end, char *into,
			   struct rsm_err *err)
{
	uint64_t limit = end < node->cut ? end : node->cut;
	int r = rsm_content_load_extents(content, node, err);

	if (r)
		return r;
	if ((node->row.flags & RSM_NODE_DAMAGED) && node->extent_count)
		return rsm_err_set(err, EIO,
				   "the index of the medium does not say where the file's "
				   "bytes are");
	for (size_t i = find_extent(node, offset); i < node->extent_count && offset < limit; i++) {
		const struct rsm_extent *extent = &node->extents[i];
		uint64_t count;

		if (extent->file_offset >= limit)
			break;
		if (extent->file_offset > offset) {
			memset(into, 0, extent->file_offset - offset);
			into += extent->file_offset - offset;
			offset = extent->file_offset;
		}
		if (offset - extent->file_offset >= extent->byte_count)
			continue; /* overlapped by the one before: not to be trusted, not read */
		count = extent->byte_count - (offset - extent->file_offset);
		if (count > limit - offset)
			count = limit - offset;
		r = add_piece(pending, extent, node->id, offset, count, into, err);
		if (r)
			return r;
		into += count;
		offset += count;
	}
	if (offset < end)
		memset(into, 0, end - offset);
	return 0;
}

static int read_staged(struct rsm_content *content, const struct rsm_open_node *node,
		       const struct rsm_staged_range *range, uint64_t offset, size_t length,
		       char *into, struct rsm_err *err)
{
	size_t got;
	int r;

	if (range->store == RSM_STORE_OWN && node->own_fd >= 0) {
		r = rsm_file_read_at(node->own_fd, into, length, offset, &got);
		if (!r && got == length)
			return 0; /* else that one has the words */
	}
	return rsm_staging_read(content->staging, node->id, range->store,
				range->store_offset + (offset - range->file_offset), into, length,
				err);
}

static int compose(struct rsm_content *content, struct rsm_open_node *node,
		   struct read_pending *pending, uint64_t offset, struct rsm_err *err)
{
	uint64_t end = offset + pending->size;
	char *into = pending->data;
	size_t i = rsm_ranges_find(&node->ranges, offset);
	int r = 0;

	if (node->has_buffer) {
		memcpy(into, node->buffer + offset, pending->size);
		return 0;
	}
	while (!r && offset < end) {
		const struct rsm_staged_range *range =
			i < node->ranges.count ? &node->ranges.at[i] : NULL;
		uint64_t next = end;

		if (range && range->file_offset <= offset) {
			if (range->file_offset + range->byte_count < end)
				next = range->file_offset + range->byte_count;
			r = read_staged(content, node, range, offset, next - offset, into, err);
			i++;
		} else {
			if (range && range->file_offset < end)
				next = range->file_offset;
			r = add_from_medium(content, node, pending, offset, next, into, err);
		}
		into += next - offset;
		offset = next;
	}
	return r;
}

static int prepare(struct rsm_content *content, struct rsm_open_node *node,
		   struct rsm_content_read *request, struct read_pending *pending,
		   struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&node->lock);
	if (node->gone)
		return rsm_err_set(err, ESTALE, "the file is not on the cartridge any more");
	if (request->offset >= node->row.size)
		return 0;
	pending->size = request->size;
	if (pending->size > node->row.size - request->offset)
		pending->size = node->row.size - request->offset;
	if (!pending->size)
		return 0;
	pending->data = malloc(pending->size);
	if (!pending->data)
		return rsm_err_oom(err);
	return compose(content, node, pending, request->offset, err);
}

/* ---- carrying it out ---- */

static void answer(struct rsm_content_read *request, int r, void *data, size_t size,
		   const struct rsm_err *err)
{
	struct iovec iov = { .iov_base = data, .iov_len = size };

	request->pending = NULL;
	if (r < 0)
		request->done(request, r, NULL, 0, err);
	else
		request->done(request, 0, &iov, size ? 1 : 0, NULL);
}

/* Gives up one of `left`; the last one answers and frees. */
static void let_go(struct read_pending *pending)
{
	struct rsm_content *content = pending->content;
	bool last;

	rsm_mutex_lock(&content->reads_lock);
	last = --pending->left == 0;
	if (last)
		rsm_list_remove(&pending->link);
	rsm_mutex_unlock(&content->reads_lock);
	if (!last)
		return;
	rsm_content_used(content);
	answer(pending->request, pending->r, pending->data, pending->size, &pending->err);
	pending_free(pending);
	content->reading--; /* last: the content may be closed from here on */
}

static void piece_done(struct rsm_medium_read *read, int r, const struct rsm_err *err)
{
	struct read_piece *piece = RSM_CONTAINER_OF(read, struct read_piece, read);
	struct read_pending *pending = piece->pending;

	rsm_mutex_lock(&pending->content->reads_lock);
	piece->finished = true;
	if (r < 0 && !pending->r) {
		pending->r = r;
		if (err)
			pending->err = *err;
		else
			rsm_err_set(&pending->err, -r, "read from the medium");
	}
	rsm_mutex_unlock(&pending->content->reads_lock);
	let_go(pending);
}

static bool is_interrupted(struct read_pending *pending)
{
	RSM_LOCK_SCOPE(&pending->content->reads_lock);
	return pending->interrupted;
}

static bool is_finished(struct read_piece *piece)
{
	RSM_LOCK_SCOPE(&piece->pending->content->reads_lock);
	return piece->finished;
}

/* Hands the piece over. An interrupt that came while it was on its way found it nowhere, so it is
 * looked for again.
 */
static void issue(struct rsm_content *content, struct read_piece *piece)
{
	const struct rsm_content_callbacks *callbacks = &content->callbacks;
	struct rsm_err err;

	if (is_interrupted(piece->pending)) {
		piece_done(&piece->read, rsm_err_set(&err, EINTR, "interrupted"), &err);
		return;
	}
	callbacks->read(callbacks->context, &piece->read);
	if (is_interrupted(piece->pending) && !is_finished(piece))
		callbacks->cancel(callbacks->context, &piece->read);
}

static void carry_out(struct rsm_content *content, struct rsm_content_read *request,
		      struct read_pending *pending)
{
	pending->content = content;
	pending->request = request;
	pending->left = 1 + (unsigned)pending->count;
	for (size_t i = 0; i < pending->count; i++) {
		struct read_piece *piece = &pending->pieces[i];

		piece->pending = pending;
		piece->read.content = content;
		piece->read.done = piece_done;
		rsm_list_init(&piece->read.link);
	}
	request->pending = pending;
	content->reading++;
	rsm_mutex_lock(&content->reads_lock);
	rsm_list_append(&content->reads, &pending->link);
	rsm_mutex_unlock(&content->reads_lock);
	for (size_t i = 0; i < pending->count; i++)
		issue(content, &pending->pieces[i]);
	let_go(pending);
}

void rsm_content_read_file(struct rsm_open_file *file, struct rsm_content_read *request)
{
	RSM_CLEANUP(pending_free) struct read_pending *pending = calloc(1, sizeof *pending);
	struct rsm_err err;
	int r;

	request->pending = NULL;
	if (!file->readable)
		r = rsm_err_set(&err, EBADF, "the file is not open for reading");
	else if (!pending)
		r = rsm_err_oom(&err);
	else
		r = prepare(file->content, file->node, request, pending, &err);
	if (r < 0 || !pending->count) {
		rsm_content_used(file->content);
		answer(request, r, pending ? pending->data : NULL, r < 0 ? 0 : pending->size, &err);
		return;
	}
	carry_out(file->content, request, RSM_STEAL(pending));
}

void rsm_content_interrupt(struct rsm_open_file *file, struct rsm_content_read *request)
{
	struct rsm_content *content = file->content;
	struct read_pending *found = NULL;

	rsm_mutex_lock(&content->reads_lock);
	RSM_LIST_FOR_EACH (item, &content->reads) {
		struct read_pending *pending = RSM_CONTAINER_OF(item, struct read_pending, link);

		if (pending->request == request) {
			found = pending;
			found->left++;
			found->interrupted = true;
			break;
		}
	}
	rsm_mutex_unlock(&content->reads_lock);
	if (!found)
		return;
	for (size_t i = 0; i < found->count; i++)
		if (!is_finished(&found->pieces[i]))
			content->callbacks.cancel(content->callbacks.context,
						  &found->pieces[i].read);
	let_go(found);
}
