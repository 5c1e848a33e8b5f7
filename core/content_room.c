#include "core/content_private.h"

#include <stdlib.h>

#include "base/cleanup.h"

/* What a file has staged and not on the medium, by its committed row, and does not need any more:
 * it was cut off, or written over, since the last flush.
 */
struct given_up {
	const struct rsm_open_node *node;
	uint64_t bytes;
};

static void count(void *context, const struct rsm_staged_range *part)
{
	((struct given_up *)context)->bytes += part->byte_count;
}

static uint64_t given_up_bytes(struct rsm_content *content, const struct rsm_open_node *node)
{
	RSM_FREE struct rsm_staged_range *ranges = NULL;
	struct given_up given = { .node = node };
	size_t n = 0;

	if (!node->dirty_data || !node->saved.count ||
	    rsm_content_is_orphan(content, node->id) || /* it counts for nothing */
	    rsm_volume_index_staged(content->index, node->id, &ranges, &n, NULL) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (ranges[i].written)
			continue;
		if (node->has_buffer) /* takes the place of all of them */
			given.bytes += ranges[i].byte_count;
		else
			rsm_ranges_subtract(&ranges[i], &node->ranges, count, &given);
	}
	if (node->has_buffer)
		given.bytes -=
			given.bytes < node->buffer_length ? given.bytes : node->buffer_length;
	return given.bytes;
}

int rsm_content_check_room(struct rsm_content *content, const struct rsm_open_node *node,
			   uint64_t fresh, bool measured, struct rsm_err *err)
{
	int64_t room = content->room;

	if (!fresh || !content->room_known || room >= (int64_t)fresh)
		return 0;
	if (measured && room + (int64_t)given_up_bytes(content, node) >= (int64_t)fresh)
		return 0;
	return rsm_err_set(err, ENOSPC, "the cartridge is full");
}

bool rsm_content_may_have_room(struct rsm_content *content, const struct rsm_open_node *node)
{
	return content->callbacks.measure &&
	       (content->slimmed || given_up_bytes(content, node) > 0);
}

bool rsm_content_measure(struct rsm_content *content)
{
	/* before: what goes from now on is not in what is measured */
	bool slimmed = atomic_exchange(&content->slimmed, false);

	if (content->callbacks.measure(content->callbacks.context, content))
		return true;
	if (slimmed)
		content->slimmed = true;
	return false;
}

void rsm_content_retry_room(struct rsm_content *content)
{
	if (content->full && content->slimmed && content->callbacks.measure)
		rsm_content_measure(content);
}

void rsm_content_note_slimmed(struct rsm_content *content)
{
	content->slimmed = true;
	rsm_content_retry_room(content);
}
