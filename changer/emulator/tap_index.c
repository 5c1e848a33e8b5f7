#include "changer/emulator/tap_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "changer/emulator/folder_file.h"

/* "RSMTAP1\n" as this machine has it: the file is a cache, in this machine's byte order */
static const uint64_t magic = 0x0a315041544d5352;

struct file_header {
	uint64_t magic;
	uint64_t image_bytes;
	int64_t image_mtime_s, image_mtime_ns;
	uint64_t objects, end;
	uint64_t hash; /* of the arrays */
};

void rsm_tap_index_fini(struct rsm_tap_index *index)
{
	free(index->anchors);
	free(index->marks);
	*index = (struct rsm_tap_index){ 0 };
}

static size_t anchors_of(uint64_t objects)
{
	return (size_t)((objects + RSM_TAP_ANCHOR_EVERY - 1) / RSM_TAP_ANCHOR_EVERY);
}

static size_t words_of(uint64_t objects)
{
	return (size_t)((objects + 63) / 64);
}

static int grow(uint64_t **array, size_t *room, size_t needed)
{
	size_t bigger = *room ? *room * 2 : 16;
	uint64_t *grown;

	if (needed <= *room)
		return 0;
	if (bigger < needed)
		bigger = needed;
	grown = reallocarray(*array, bigger, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	memset(grown + *room, 0, (bigger - *room) * sizeof *grown);
	*array = grown;
	*room = bigger;
	return 0;
}

static int make_room(struct rsm_tap_index *index, uint64_t objects)
{
	int r = grow(&index->anchors, &index->anchor_room, anchors_of(objects));

	return r < 0 ? r : grow(&index->marks, &index->mark_room, words_of(objects));
}

int rsm_tap_index_append(struct rsm_tap_index *index, bool is_mark, uint64_t bytes)
{
	uint64_t object = index->objects;
	int r;

	if (object % 64 == 0) {
		r = make_room(index, object + 64);
		if (r < 0)
			return r;
	}
	if (object % RSM_TAP_ANCHOR_EVERY == 0)
		index->anchors[object / RSM_TAP_ANCHOR_EVERY] = index->end;
	if (is_mark)
		index->marks[object / 64] |= (uint64_t)1 << object % 64;
	index->objects++;
	index->end += bytes;
	return 0;
}

void rsm_tap_index_truncate(struct rsm_tap_index *index, uint64_t objects, uint64_t end)
{
	size_t words = words_of(objects);

	if (objects >= index->objects)
		return;
	memset(index->marks + words, 0, (words_of(index->objects) - words) * sizeof *index->marks);
	if (objects % 64)
		index->marks[objects / 64] &= ((uint64_t)1 << objects % 64) - 1;
	index->objects = objects;
	index->end = end;
}

bool rsm_tap_index_is_mark(const struct rsm_tap_index *index, uint64_t object)
{
	return object < index->objects && index->marks[object / 64] >> object % 64 & 1;
}

uint64_t rsm_tap_index_next_mark(const struct rsm_tap_index *index, uint64_t from)
{
	size_t words = words_of(index->objects);
	uint64_t word;

	if (from >= index->objects)
		return UINT64_MAX;
	word = index->marks[from / 64] & ~(uint64_t)0 << from % 64;
	for (size_t i = (size_t)(from / 64);; word = index->marks[i]) {
		if (word)
			return (uint64_t)i * 64 + (unsigned)__builtin_ctzll(word);
		if (++i == words)
			return UINT64_MAX;
	}
}

uint64_t rsm_tap_index_previous_mark(const struct rsm_tap_index *index, uint64_t from)
{
	uint64_t word;

	if (from > index->objects)
		from = index->objects;
	if (from == 0)
		return UINT64_MAX;
	from--;
	word = index->marks[from / 64] & ~(uint64_t)0 >> (63 - from % 64);
	for (size_t i = (size_t)(from / 64);; word = index->marks[i]) {
		if (word)
			return (uint64_t)i * 64 + 63 - (unsigned)__builtin_clzll(word);
		if (i-- == 0)
			return UINT64_MAX;
	}
}

uint64_t rsm_tap_index_count_marks(const struct rsm_tap_index *index, uint64_t object)
{
	uint64_t count = 0;

	if (object > index->objects)
		object = index->objects;
	for (size_t i = 0; i < object / 64; i++)
		count += (unsigned)__builtin_popcountll(index->marks[i]);
	if (object % 64)
		count += (unsigned)__builtin_popcountll(index->marks[object / 64] &
							(((uint64_t)1 << object % 64) - 1));
	return count;
}

static uint64_t hash_words(const uint64_t *words, size_t count)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ words[i]) * 0x100000001b3, hash ^= hash >> 29;
	return hash;
}

int rsm_tap_index_save(const struct rsm_tap_index *index, int folder, const char *name,
		       const struct stat *image, struct rsm_err *err)
{
	size_t words = words_of(index->objects), anchors = anchors_of(index->objects);
	size_t length = sizeof(struct file_header) + (words + anchors) * sizeof(uint64_t);
	RSM_FREE uint64_t *file = malloc(length);
	struct file_header header = {
		.magic = magic,
		.image_bytes = (uint64_t)image->st_size,
		.image_mtime_s = image->st_mtim.tv_sec,
		.image_mtime_ns = image->st_mtim.tv_nsec,
		.objects = index->objects,
		.end = index->end,
	};
	uint64_t *arrays;

	if (!file)
		return rsm_err_oom(err);
	arrays = file + sizeof header / sizeof *file;
	memcpy(arrays, index->anchors, anchors * sizeof *arrays);
	memcpy(arrays + anchors, index->marks, words * sizeof *arrays);
	header.hash = hash_words(arrays, words + anchors);
	memcpy(file, &header, sizeof header);
	/* not durable: what a power loss tears does not have its hash */
	return rsm_folder_file_save(folder, name, file, length, false, err);
}

/* The arrays of a file whose header is good; false if they are not what was written. */
static bool take_arrays(struct rsm_tap_index *index, const struct file_header *header,
			const uint64_t *arrays, size_t length)
{
	size_t words = words_of(header->objects), anchors = anchors_of(header->objects);

	if (length != sizeof *header + (words + anchors) * sizeof(uint64_t) ||
	    header->hash != hash_words(arrays, words + anchors))
		return false;
	memcpy(index->anchors, arrays, anchors * sizeof *arrays);
	memcpy(index->marks, arrays + anchors, words * sizeof *arrays);
	index->objects = header->objects;
	index->end = header->end;
	return true;
}

int rsm_tap_index_load(struct rsm_tap_index *index, int folder, const char *name,
		       const struct stat *image, struct rsm_err *err)
{
	RSM_FREE void *file = NULL;
	struct file_header header;
	size_t length;
	int r;

	r = rsm_folder_file_load(folder, name, (size_t)1 << 30, &file, &length, err);
	if (r < 0)
		return r == -ENOMEM ? r : RSM_TAP_INDEX_ABSENT;
	if (r > 0 || length < sizeof header)
		return RSM_TAP_INDEX_ABSENT;
	memcpy(&header, file, sizeof header);
	/* an object takes four bytes at least, so a huge number of them is nonsense */
	if (header.magic != magic || header.image_bytes != (uint64_t)image->st_size ||
	    header.image_mtime_s != image->st_mtim.tv_sec ||
	    header.image_mtime_ns != image->st_mtim.tv_nsec || header.end > header.image_bytes ||
	    header.objects > header.end / 4)
		return RSM_TAP_INDEX_ABSENT;
	if (make_room(index, header.objects + 64) < 0)
		return rsm_err_oom(err);
	if (!take_arrays(index, &header, (const uint64_t *)file + sizeof header / sizeof(uint64_t),
			 length)) {
		rsm_tap_index_fini(index);
		return RSM_TAP_INDEX_ABSENT;
	}
	return 0;
}
