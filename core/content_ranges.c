#include "core/content_private.h"

#include <string.h>

static uint64_t end_of(const struct rsm_staged_range *range)
{
	return range->file_offset + range->byte_count;
}

int rsm_ranges_reserve(struct rsm_ranges *ranges, size_t more, struct rsm_err *err)
{
	struct rsm_staged_range *grown;
	size_t room = ranges->room ? ranges->room : 2;

	if (ranges->count + more <= ranges->room)
		return 0;
	while (room < ranges->count + more)
		room *= 2;
	grown = realloc(ranges->at, room * sizeof *grown);
	if (!grown)
		return rsm_err_oom(err);
	ranges->at = grown;
	ranges->room = room;
	return 0;
}

void rsm_ranges_fini(struct rsm_ranges *ranges)
{
	free(ranges->at);
	memset(ranges, 0, sizeof *ranges);
}

size_t rsm_ranges_find(const struct rsm_ranges *ranges, uint64_t offset)
{
	size_t low = 0, high = ranges->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (end_of(&ranges->at[middle]) <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* True if `b` goes on where `a` ends, in the file and in the store. */
static bool continues(const struct rsm_staged_range *a, const struct rsm_staged_range *b)
{
	return end_of(a) == b->file_offset && a->store == b->store &&
	       a->store_offset + a->byte_count == b->store_offset;
}

static struct rsm_staged_range part_of(const struct rsm_staged_range *range, uint64_t start,
				       uint64_t end)
{
	return (struct rsm_staged_range){
		.file_offset = start,
		.byte_count = end - start,
		.store = range->store,
		.store_offset = range->store_offset + (start - range->file_offset),
	};
}

/* Replaces the ranges [first, last) by `count` others. */
static void splice(struct rsm_ranges *ranges, size_t first, size_t last,
		   const struct rsm_staged_range *with, size_t count)
{
	memmove(ranges->at + first + count, ranges->at + last,
		(ranges->count - last) * sizeof *ranges->at);
	if (count)
		memcpy(ranges->at + first, with, count * sizeof *with);
	ranges->count = ranges->count - (last - first) + count;
}

void rsm_ranges_put(struct rsm_ranges *ranges, struct rsm_staged_range range)
{
	uint64_t start = range.file_offset, end = end_of(&range);
	size_t first = rsm_ranges_find(ranges, start), last = first, count = 0;
	struct rsm_staged_range with[3], head, tail = { 0 };

	while (last < ranges->count && ranges->at[last].file_offset < end)
		last++;
	if (last > first && end_of(&ranges->at[last - 1]) > end)
		tail = part_of(&ranges->at[last - 1], end, end_of(&ranges->at[last - 1]));
	else if (last < ranges->count && continues(&range, &ranges->at[last]))
		tail = ranges->at[last++];
	if (last > first && ranges->at[first].file_offset < start)
		with[count++] = part_of(&ranges->at[first], ranges->at[first].file_offset, start);
	else if (first && continues(&ranges->at[first - 1], &range))
		with[count++] = ranges->at[--first];
	if (count && continues(&with[0], &range)) {
		head = with[0];
		head.byte_count += range.byte_count;
		with[0] = head;
	} else {
		with[count++] = range;
	}
	if (tail.byte_count && continues(&with[count - 1], &tail))
		with[count - 1].byte_count += tail.byte_count;
	else if (tail.byte_count)
		with[count++] = tail;
	splice(ranges, first, last, with, count);
}

void rsm_ranges_cut(struct rsm_ranges *ranges, uint64_t size)
{
	size_t at = rsm_ranges_find(ranges, size);

	if (at < ranges->count && ranges->at[at].file_offset < size) {
		ranges->at[at].byte_count = size - ranges->at[at].file_offset;
		at++;
	}
	ranges->count = at;
}

void rsm_ranges_remove(struct rsm_ranges *ranges, const struct rsm_staged_range *gone)
{
	uint64_t gone_end = gone->store_offset + gone->byte_count;

	for (size_t i = 0; i < ranges->count; i++) {
		struct rsm_staged_range range = ranges->at[i], with[2];
		uint64_t start = range.store_offset, end = start + range.byte_count;
		size_t count = 0;

		if (range.store != gone->store || end <= gone->store_offset || start >= gone_end)
			continue;
		if (start < gone->store_offset)
			with[count++] = part_of(&range, range.file_offset,
						range.file_offset + (gone->store_offset - start));
		if (end > gone_end)
			with[count++] = part_of(&range, range.file_offset + (gone_end - start),
						end_of(&range));
		splice(ranges, i, i + 1, with, count);
		i += count;
		i--; /* may wrap; ++ brings it back */
	}
}

uint64_t rsm_ranges_uncovered(const struct rsm_ranges *ranges, uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	for (size_t i = rsm_ranges_find(ranges, start); i < ranges->count && start < end; i++) {
		const struct rsm_staged_range *range = &ranges->at[i];

		if (range->file_offset >= end)
			break;
		if (range->file_offset > start)
			sum += range->file_offset - start;
		start = end_of(range);
	}
	return start < end ? sum + (end - start) : sum;
}

void rsm_ranges_intersect(const struct rsm_staged_range *range, const struct rsm_ranges *ranges,
			  rsm_ranges_each *each, void *context)
{
	uint64_t start = range->file_offset, end = end_of(range);

	for (size_t i = rsm_ranges_find(ranges, start); i < ranges->count; i++) {
		const struct rsm_staged_range *other = &ranges->at[i];
		uint64_t from = other->file_offset > start ? other->file_offset : start;
		uint64_t to = end_of(other) < end ? end_of(other) : end;
		struct rsm_staged_range part;

		if (from >= end)
			break;
		part = part_of(range, from, to);
		each(context, &part);
	}
}

bool rsm_ranges_have_own(const struct rsm_ranges *ranges)
{
	for (size_t i = 0; i < ranges->count; i++)
		if (ranges->at[i].store == RSM_STORE_OWN)
			return true;
	return false;
}

/* A node's ranges in one store lie there in the file's order: own files by definition, and what is
 * in a log was appended in one piece.
 */
void rsm_ranges_subtract(const struct rsm_staged_range *range, const struct rsm_ranges *ranges,
			 rsm_ranges_each *each, void *context)
{
	uint64_t start = range->store_offset, end = start + range->byte_count;
	struct rsm_staged_range part;
	size_t i = range->store == RSM_STORE_OWN ? rsm_ranges_find(ranges, start) : 0;

	for (; i < ranges->count && start < end; i++) {
		const struct rsm_staged_range *other = &ranges->at[i];
		uint64_t other_end = other->store_offset + other->byte_count;

		if (other->store != range->store || other_end <= start)
			continue;
		if (other->store_offset >= end)
			break;
		if (other->store_offset > start) {
			part = part_of(range, range->file_offset + (start - range->store_offset),
				       range->file_offset +
					       (other->store_offset - range->store_offset));
			each(context, &part);
		}
		start = other_end;
	}
	if (start < end) {
		part = part_of(range, range->file_offset + (start - range->store_offset),
			       end_of(range));
		each(context, &part);
	}
}
