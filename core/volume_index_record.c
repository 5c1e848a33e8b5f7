/* How times and lists stand in a row: numbers of 7 bits a byte, each list in order with offsets
 * relative to the end of the piece before. A closed small file's range takes 6 to 8 bytes so, its
 * times some 30; a page holds twice as many rows as with plain integers, and the commit of a file
 * dirties as few pages as can be.
 */
#include "core/volume_index_private.h"

#include <string.h>

#include "core/staging.h"

/* Stands for RSM_STORE_OWN with `written`. */
#define STORE_WRITTEN UINT64_MAX

enum { NUMBER_MAX = 10, RANGE_MAX = 4 * NUMBER_MAX, EXTENT_MAX = 5 * NUMBER_MAX + 1 };

static uint8_t *put(uint8_t *p, uint64_t value)
{
	while (value >= 0x80) {
		*p++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*p++ = (uint8_t)value;
	return p;
}

/* False at the end of the bytes or when the number is too long. */
static bool take(const uint8_t **p, const uint8_t *end, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70 && *p < end; shift += 7) {
		uint8_t byte = *(*p)++;

		if (shift == 63 && byte > 1)
			return false;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

static uint64_t fold_sign(int64_t value)
{
	return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static int64_t unfold_sign(uint64_t value)
{
	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* First a byte whose bit i says that time i equals the one before. */
size_t rsm_vi_pack_times(const struct rsm_node_times *times, uint8_t packed[RSM_VI_TIMES_MAX])
{
	const struct timespec *const all[5] = { &times->created, &times->changed, &times->modified,
						&times->accessed, &times->backed_up };
	struct timespec before = { 0 };
	uint8_t *p = packed + 1;

	packed[0] = 0;
	for (int i = 0; i < 5; i++) {
		if (i && all[i]->tv_sec == before.tv_sec && all[i]->tv_nsec == before.tv_nsec) {
			packed[0] |= (uint8_t)(1 << i);
			continue;
		}
		p = put(p,
			fold_sign((int64_t)((uint64_t)all[i]->tv_sec - (uint64_t)before.tv_sec)));
		p = put(p, (uint64_t)all[i]->tv_nsec % 1000000000);
		before = *all[i];
	}
	return (size_t)(p - packed);
}

int rsm_vi_unpack_times(const void *packed, size_t length, struct rsm_node_times *ret_times)
{
	struct timespec *const all[5] = { &ret_times->created, &ret_times->changed,
					  &ret_times->modified, &ret_times->accessed,
					  &ret_times->backed_up };
	const uint8_t *p = packed, *end = length ? p + length : p;
	struct timespec before = { 0 };
	uint64_t seconds, nanos;
	uint8_t same;

	if (!length)
		return -EBADMSG;
	same = *p++;
	for (int i = 0; i < 5; i++) {
		if (!(same & 1 << i)) {
			if (!take(&p, end, &seconds) || !take(&p, end, &nanos) ||
			    nanos >= 1000000000)
				return -EBADMSG;
			before.tv_sec =
				(time_t)((uint64_t)before.tv_sec + (uint64_t)unfold_sign(seconds));
			before.tv_nsec = (long)nanos;
		}
		*all[i] = before;
	}
	return 0;
}

static int make_room(struct rsm_vi_packed *packed, size_t room, struct rsm_err *err)
{
	packed->length = 0;
	packed->data = packed->room;
	if (room <= sizeof packed->room)
		return 0;
	packed->data = malloc(room);
	return packed->data ? 0 : rsm_err_oom(err);
}

int rsm_vi_pack_ranges(const struct rsm_staged_range *ranges, size_t count,
		       struct rsm_vi_packed *ret_packed, struct rsm_err *err)
{
	uint64_t end = 0;
	uint8_t *p;
	int r;

	r = make_room(ret_packed, count * RANGE_MAX, err);
	if (r < 0)
		return r;
	p = ret_packed->data;
	for (size_t i = 0; i < count; i++) {
		p = put(p, ranges[i].file_offset - end);
		p = put(p, ranges[i].byte_count);
		p = put(p, ranges[i].written ? STORE_WRITTEN : ranges[i].store);
		p = put(p, ranges[i].store_offset);
		end = ranges[i].file_offset + ranges[i].byte_count;
	}
	ret_packed->length = (size_t)(p - ret_packed->data);
	return 0;
}

int rsm_vi_pack_extents(const struct rsm_vi_extents *extents, struct rsm_vi_packed *ret_packed,
			struct rsm_err *err)
{
	uint64_t end = 0;
	uint8_t *p;
	int r;

	r = make_room(ret_packed, extents->count * EXTENT_MAX, err);
	if (r < 0)
		return r;
	p = ret_packed->data;
	for (size_t i = 0; i < extents->count; i++) {
		const struct rsm_extent *e = &extents->items[i].e;

		p = put(p, e->file_offset - end);
		p = put(p, e->byte_count);
		p = put(p, e->start_block);
		p = put(p, e->byte_offset);
		*p++ = (uint8_t)e->partition;
		p = put(p, extents->items[i].version);
		end = e->file_offset + e->byte_count;
	}
	ret_packed->length = (size_t)(p - ret_packed->data);
	return 0;
}

static bool take_range(const uint8_t **p, const uint8_t *end, uint64_t *at,
		       struct rsm_staged_range *ret_range)
{
	uint64_t gap;

	if (!take(p, end, &gap) || !take(p, end, &ret_range->byte_count) ||
	    !take(p, end, &ret_range->store) || !take(p, end, &ret_range->store_offset))
		return false;
	ret_range->written = ret_range->store == STORE_WRITTEN;
	if (ret_range->written)
		ret_range->store = RSM_STORE_OWN;
	ret_range->file_offset = *at + gap;
	*at = ret_range->file_offset + ret_range->byte_count;
	return true;
}

int rsm_vi_unpack_ranges(const void *packed, size_t length, struct rsm_vi_ranges *ranges,
			 struct rsm_err *err)
{
	const uint8_t *p = packed, *end = length ? p + length : p;
	struct rsm_staged_range range;
	uint64_t at = 0;

	while (p < end) {
		int r;

		if (!take_range(&p, end, &at, &range))
			return rsm_err_set(err, EBADMSG, "the list of staged ranges is damaged");
		r = rsm_vi_ranges_add(ranges, &range, err);
		if (r < 0)
			return r;
	}
	return 0;
}

uint64_t rsm_vi_sum_ranges(const void *packed, size_t length)
{
	const uint8_t *p = packed, *end = length ? p + length : p;
	struct rsm_staged_range range;
	uint64_t at = 0, sum = 0;

	while (p < end && take_range(&p, end, &at, &range))
		sum += range.written ? 0 : range.byte_count;
	return sum;
}

int rsm_vi_unpack_extents(const void *packed, size_t length, struct rsm_vi_extents *extents,
			  struct rsm_err *err)
{
	const uint8_t *p = packed, *end = length ? p + length : p;
	uint64_t at = 0;

	while (p < end) {
		struct rsm_extent e = { 0 };
		uint64_t gap, version;
		int r;

		if (!take(&p, end, &gap) || !take(&p, end, &e.byte_count) ||
		    !take(&p, end, &e.start_block) || !take(&p, end, &e.byte_offset) || p == end)
			return rsm_err_set(err, EBADMSG, "the list of extents is damaged");
		e.partition = (char)*p++;
		if (!take(&p, end, &version))
			return rsm_err_set(err, EBADMSG, "the list of extents is damaged");
		e.file_offset = at + gap;
		at = e.file_offset + e.byte_count;
		r = rsm_vi_extents_add(extents, &e, version, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int rsm_vi_extents_add(struct rsm_vi_extents *extents, const struct rsm_extent *e, uint64_t version,
		       struct rsm_err *err)
{
	if (extents->count == extents->room) {
		size_t room = extents->room ? extents->room * 2 : 4;
		void *items = reallocarray(extents->items, room, sizeof *extents->items);

		if (!items)
			return rsm_err_oom(err);
		extents->items = items;
		extents->room = room;
	}
	extents->items[extents->count++] = (struct rsm_vi_extent){ .e = *e, .version = version };
	return 0;
}

int rsm_vi_ranges_add(struct rsm_vi_ranges *ranges, const struct rsm_staged_range *range,
		      struct rsm_err *err)
{
	if (ranges->count == ranges->room) {
		size_t room = ranges->room ? ranges->room * 2 : 4;
		void *items = reallocarray(ranges->items, room, sizeof *ranges->items);

		if (!items)
			return rsm_err_oom(err);
		ranges->items = items;
		ranges->room = room;
	}
	ranges->items[ranges->count++] = *range;
	return 0;
}

void rsm_vi_advance(struct rsm_extent *e, uint64_t cut, uint64_t block_size)
{
	uint64_t offset = e->byte_offset % block_size;

	e->start_block += e->byte_offset / block_size + cut / block_size;
	offset += cut % block_size;
	e->start_block += offset / block_size;
	e->byte_offset = offset % block_size;
	e->file_offset += cut;
	e->byte_count -= cut;
}

static uint64_t end_of(const struct rsm_extent *e)
{
	return e->file_offset + e->byte_count;
}

static int by_file_offset(const void *left, const void *right)
{
	uint64_t a = ((const struct rsm_vi_extent *)left)->e.file_offset;
	uint64_t b = ((const struct rsm_vi_extent *)right)->e.file_offset;

	return a < b ? -1 : a > b;
}

/* Appends what is left of `old` beside the sorted extents from *position on, which may stop at the
 * first one that also concerns the old extent's successor.
 */
static int keep_uncovered(struct rsm_vi_extents *kept, const struct rsm_vi_extent *old,
			  const struct rsm_vi_extents *above, size_t *position, uint64_t block_size,
			  struct rsm_err *err)
{
	struct rsm_extent rest = old->e;

	while (*position < above->count && end_of(&above->items[*position].e) <= rest.file_offset)
		(*position)++;
	for (size_t i = *position; rest.byte_count && i < above->count; i++) {
		const struct rsm_extent *over = &above->items[i].e;
		struct rsm_extent front = rest;
		uint64_t end = end_of(&rest);

		if (over->file_offset >= end)
			break;
		if (over->file_offset > rest.file_offset) {
			front.byte_count = over->file_offset - rest.file_offset;
			if (rsm_vi_extents_add(kept, &front, old->version, err) < 0)
				return -ENOMEM;
		}
		if (end_of(over) >= end)
			return 0;
		rsm_vi_advance(&rest, end_of(over) - rest.file_offset, block_size);
	}
	return rest.byte_count ? rsm_vi_extents_add(kept, &rest, old->version, err) : 0;
}

int rsm_vi_overlay(struct rsm_vi_extents *extents, const struct rsm_extent *above, size_t count,
		   uint64_t version, uint64_t block_size, struct rsm_err *err)
{
	RSM_VI_EXTENTS struct rsm_vi_extents sorted = { 0 }, kept = { 0 };
	size_t position = 0;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		if (above[i].byte_count > UINT64_MAX - above[i].file_offset)
			return rsm_err_set(err, EINVAL, "an extent ends beyond all files");
		if (above[i].byte_count)
			r = rsm_vi_extents_add(&sorted, &above[i], version, err);
	}
	if (r < 0)
		return r;
	if (sorted.count > 1)
		qsort(sorted.items, sorted.count, sizeof *sorted.items, by_file_offset);
	if (extents->count > 1) /* a damaged file's may be in any order */
		qsort(extents->items, extents->count, sizeof *extents->items, by_file_offset);
	for (size_t i = 1; i < sorted.count; i++)
		if (end_of(&sorted.items[i - 1].e) > sorted.items[i].e.file_offset)
			return rsm_err_set(err, EINVAL, "the new extents overlap each other");

	for (size_t i = 0; i < extents->count && r == 0; i++)
		r = keep_uncovered(&kept, &extents->items[i], &sorted, &position, block_size, err);
	for (size_t i = 0; i < sorted.count && r == 0; i++)
		r = rsm_vi_extents_add(&kept, &sorted.items[i].e, version, err);
	if (r < 0)
		return r;
	if (kept.count > 1)
		qsort(kept.items, kept.count, sizeof *kept.items, by_file_offset);
	free(extents->items);
	*extents = kept;
	kept.items = NULL;
	return 0;
}

void rsm_vi_join_extents(struct rsm_vi_extents *extents, uint64_t indexed_version,
			 uint64_t block_size)
{
	size_t kept = 0;

	for (size_t i = 0; i < extents->count; i++) {
		struct rsm_vi_extent *last = kept ? &extents->items[kept - 1] : NULL, *x;

		x = &extents->items[i];
		if (last && last->e.partition == x->e.partition &&
		    (last->version == x->version ||
		     (last->version <= indexed_version && x->version <= indexed_version)) &&
		    end_of(&last->e) == x->e.file_offset && x->e.byte_offset == 0 &&
		    (last->e.byte_offset + last->e.byte_count) % block_size == 0 &&
		    last->e.start_block + (last->e.byte_offset + last->e.byte_count) / block_size ==
			    x->e.start_block)
			last->e.byte_count += x->e.byte_count;
		else
			extents->items[kept++] = *x;
	}
	extents->count = kept;
}

void rsm_vi_cut_extents(struct rsm_vi_extents *extents, uint64_t size)
{
	size_t kept = 0;

	for (size_t i = 0; i < extents->count; i++) {
		struct rsm_vi_extent x = extents->items[i];

		if (x.e.file_offset >= size)
			continue;
		if (x.e.byte_count > size - x.e.file_offset)
			x.e.byte_count = size - x.e.file_offset;
		extents->items[kept++] = x;
	}
	extents->count = kept;
}

int64_t rsm_vi_stamp(uint64_t size, const struct timespec *modified)
{
	uint64_t h = size * UINT64_C(0x9e3779b97f4a7c15);

	h ^= (uint64_t)modified->tv_sec * UINT64_C(1000000000) + (uint64_t)modified->tv_nsec;
	h ^= h >> 29;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	return (int64_t)(h ^ h >> 32);
}
