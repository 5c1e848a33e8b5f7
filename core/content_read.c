#include "core/content_private.h"

#include <string.h>

#include "base/file.h"

/* A read that is one piece of the medium is answered with the medium's own bytes. Any other is put
 * together in one buffer: what is on local disk is copied while the node is locked, what is on the
 * medium is read straight into its place, by one rsm_medium_read a piece. The last piece to arrive
 * answers, from its done(), for what is lent is so until that returns; nothing else does, and from
 * then on no interrupt finds the read. A read under way is held in `holders` once by the issuer,
 * once a piece, and by interrupts that found it; the last one frees it.
 */

struct read_piece {
	struct rsm_medium_read read;
	struct read_pending *pending;
	size_t at;     /* in the read's data */
	bool finished; /* [reads_lock] */
};

struct read_pending {
	struct rsm_list link; /* [reads_lock] in content->reads */
	struct rsm_content *content;
	struct rsm_content_read *request;
	unsigned holders; /* [reads_lock] */
	size_t awaited;	  /* [reads_lock] pieces */
	bool interrupted; /* [reads_lock] */
	bool answered;	  /* [reads_lock] before its pieces had come: nobody waits any more */
	int r;		  /* [reads_lock] of the first piece that failed */
	struct rsm_err err;
	char *data; /* NULL: nothing, or the medium lends it */
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

static int get_buffer(struct read_pending *pending, struct rsm_err *err)
{
	if (!pending->data)
		pending->data = malloc(pending->size);
	return pending->data ? 0 : rsm_err_oom(err);
}

static int add_zeros(struct read_pending *pending, size_t at, uint64_t length, struct rsm_err *err)
{
	int r = get_buffer(pending, err);

	if (r == 0)
		memset(pending->data + at, 0, length);
	return r;
}

static int add_piece(struct read_pending *pending, const struct rsm_extent *extent, uint64_t node,
		     uint64_t offset, size_t length, size_t at, struct rsm_err *err)
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
	piece->read.file_offset = offset;
	piece->read.partition = extent->partition;
	piece->read.start_block = extent->start_block;
	piece->read.byte_offset = extent->byte_offset + (offset - extent->file_offset);
	piece->read.count = length;
	piece->at = at;
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
			   struct read_pending *pending, uint64_t offset, uint64_t end, size_t at,
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
			r = add_zeros(pending, at, extent->file_offset - offset, err);
			if (r)
				return r;
			at += extent->file_offset - offset;
			offset = extent->file_offset;
		}
		if (offset - extent->file_offset >= extent->byte_count)
			continue; /* overlapped by the one before: not to be trusted, not read */
		count = extent->byte_count - (offset - extent->file_offset);
		if (count > limit - offset)
			count = limit - offset;
		r = add_piece(pending, extent, node->id, offset, count, at, err);
		if (r)
			return r;
		at += count;
		offset += count;
	}
	return offset < end ? add_zeros(pending, at, end - offset, err) : 0;
}

static int add_staged(struct rsm_content *content, const struct rsm_open_node *node,
		      struct read_pending *pending, const struct rsm_staged_range *range,
		      uint64_t offset, size_t length, size_t at, struct rsm_err *err)
{
	size_t got;
	int r = get_buffer(pending, err);

	if (r)
		return r;
	if (range->store == RSM_STORE_OWN && node->own_fd >= 0) {
		r = rsm_file_read_at(node->own_fd, pending->data + at, length, offset, &got);
		if (!r && got == length)
			return 0; /* else that one has the words */
	}
	return rsm_staging_read(content->staging, node->id, range->store,
				range->store_offset + (offset - range->file_offset),
				pending->data + at, length, err);
}

static int add_buffered(const struct rsm_open_node *node, struct read_pending *pending,
			uint64_t offset, struct rsm_err *err)
{
	int r = get_buffer(pending, err);

	if (r == 0)
		memcpy(pending->data, node->buffer + offset, pending->size);
	return r;
}

static int compose(struct rsm_content *content, struct rsm_open_node *node,
		   struct read_pending *pending, uint64_t offset, struct rsm_err *err)
{
	uint64_t end = offset + pending->size;
	size_t at = 0, i = rsm_ranges_find(&node->ranges, offset);
	int r = 0;

	if (node->has_buffer)
		return add_buffered(node, pending, offset, err);
	while (!r && offset < end) {
		const struct rsm_staged_range *range =
			i < node->ranges.count ? &node->ranges.at[i] : NULL;
		uint64_t next = end;

		if (range && range->file_offset <= offset) {
			if (range->file_offset + range->byte_count < end)
				next = range->file_offset + range->byte_count;
			r = add_staged(content, node, pending, range, offset, next - offset, at,
				       err);
			i++;
		} else {
			if (range && range->file_offset < end)
				next = range->file_offset;
			r = add_from_medium(content, node, pending, offset, next, at, err);
		}
		at += next - offset;
		offset = next;
	}
	if (!r && pending->count > 1)
		r = get_buffer(pending, err);
	for (size_t k = 0; !r && pending->data && k < pending->count; k++)
		pending->pieces[k].read.buffer = pending->data + pending->pieces[k].at;
	return r;
}

static int prepare(struct rsm_open_file *file, struct rsm_content_read *request,
		   struct read_pending *pending, struct rsm_err *err)
{
	struct rsm_open_node *node = file->node;

	RSM_LOCK_SCOPE(&node->lock);
	if (node->gone)
		return rsm_err_set(err, ESTALE, "the file is not on the cartridge any more");
	if (file->era != node->era)
		return rsm_err_set(err, ESTALE,
				   "another system has changed the file: it is to be opened again");
	if (request->offset >= node->row.size)
		return 0;
	pending->size = request->size;
	if (pending->size > node->row.size - request->offset)
		pending->size = node->row.size - request->offset;
	return pending->size ? compose(file->content, node, pending, request->offset, err) : 0;
}

/* ---- carrying it out ---- */

static void answer(struct rsm_content_read *request, int r, const struct read_pending *pending,
		   const struct rsm_err *err)
{
	struct iovec own = { 0 };
	const struct iovec *iov = &own;
	int count = 0;

	request->pending = NULL;
	if (r < 0) {
		request->done(request, r, NULL, 0, err);
		return;
	}
	if (pending->data) {
		own = (struct iovec){ pending->data, pending->size };
		count = 1;
	} else if (pending->count) { /* a single piece, which covers all */
		iov = pending->pieces[0].read.lent;
		count = (int)pending->pieces[0].read.lent_count;
	}
	request->done(request, 0, iov, count, NULL);
}

static void let_go(struct read_pending *pending)
{
	struct rsm_content *content = pending->content;

	RSM_LOCK_SCOPE(&content->reads_lock);
	if (--pending->holders)
		return;
	rsm_content_used(content);
	pending_free(pending);
	if (--content->reading == 0) /* it may be closed when the lock is free */
		pthread_cond_broadcast(&content->reads_ended);
}

/* A read that was answered is let go of a moment later. */
void rsm_content_wait_for_reads(struct rsm_content *content)
{
	RSM_LOCK_SCOPE(&content->reads_lock);
	while (content->reading)
		rsm_cond_wait(&content->reads_ended, &content->reads_lock);
}

static void piece_done(struct rsm_medium_read *read, int r, const struct rsm_err *err)
{
	struct read_piece *piece = RSM_CONTAINER_OF(read, struct read_piece, read);
	struct read_pending *pending = piece->pending;
	bool last;

	rsm_mutex_lock(&pending->content->reads_lock);
	piece->finished = true;
	if (r < 0 && !pending->r) {
		pending->r = r;
		if (err)
			pending->err = *err;
		else
			rsm_err_set(&pending->err, -r, "read from the medium");
	}
	last = --pending->awaited == 0 && !pending->answered;
	if (last)
		rsm_list_remove(&pending->link);
	rsm_mutex_unlock(&pending->content->reads_lock);
	if (last)
		answer(pending->request, pending->r, pending, &pending->err);
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
	pending->awaited = pending->count;
	pending->holders = 1 + (unsigned)pending->count;
	for (size_t i = 0; i < pending->count; i++) {
		struct read_piece *piece = &pending->pieces[i];

		piece->pending = pending;
		piece->read.content = content;
		piece->read.priority = request->priority;
		piece->read.user = request->user;
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
		r = prepare(file, request, pending, &err);
	if (r < 0 || !pending->count) {
		rsm_content_used(file->content);
		answer(request, r, pending, &err);
		return;
	}
	carry_out(file->content, request, RSM_STEAL(pending));
}

/* A drive that is winding to a piece goes on, for nobody; the pieces keep the contents open. */
static bool end_early(struct read_pending *pending)
{
	RSM_LOCK_SCOPE(&pending->content->reads_lock);
	if (!pending->awaited || pending->answered)
		return false;
	pending->answered = true;
	rsm_list_remove(&pending->link);
	return true;
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
			found->holders++;
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
	if (end_early(found)) {
		struct rsm_err err;

		answer(found->request, rsm_err_set(&err, EINTR, "interrupted"), found, &err);
	}
	let_go(found);
}
