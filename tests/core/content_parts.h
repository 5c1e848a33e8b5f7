/* content_parts.h - what a drive worker does with files that are still being written, in tests:
 * takes a part, writes it to the fake medium, records it.
 */
#ifndef RSM_TESTS_CONTENT_PARTS_H
#define RSM_TESTS_CONTENT_PARTS_H

#include "tests/core/content_fixture.h"

enum { BLOCK = 4096, SIZE = 600000 };

/* A part that has been written to the medium and is not recorded yet. */
struct part {
	struct rsm_migration *migration;
	struct rsm_extent *extents;
};

static inline bool take_part(struct part *part, uint64_t most, bool crumbs)
{
	int r = rsm_content_next_part(content, 0, most, BLOCK, crumbs, &part->migration, &err);

	if (r == RSM_NODE_ABSENT)
		return false;
	assert_done(r, &err);
	part->extents = calloc(part->migration->range_count, sizeof *part->extents);
	for (size_t i = 0; i < part->migration->range_count; i++) {
		const struct rsm_staged_range *range = &part->migration->ranges[i];

		/* a record begins a block */
		size_t at = (medium.end + FAKE_BLOCK - 1) / FAKE_BLOCK * FAKE_BLOCK;

		if (at + range->byte_count > FAKE_SIZE)
			at = 0; /* in these tests nobody reads what is so old */
		assert_done(rsm_content_migration_read(content, part->migration, i, 0,
						       medium.bytes + at, range->byte_count, &err),
			    &err);
		if (part->migration->digest)
			rsm_digest_add(part->migration->digest, medium.bytes + at,
				       range->byte_count);
		part->migration->digested = true;
		part->extents[i] = (struct rsm_extent){ .file_offset = range->file_offset,
							.start_block = at / FAKE_BLOCK,
							.byte_count = range->byte_count,
							.partition = 'b' };
		rsm_mutex_lock(&medium.lock);
		medium.end = at + range->byte_count;
		rsm_mutex_unlock(&medium.lock);
	}
	return true;
}

static inline int end_part(struct part *part, bool record)
{
	int r = 0;

	if (!part->migration)
		return RSM_NODE_ABSENT;
	if (record)
		r = rsm_content_migrated(content, part->migration, part->extents,
					 part->migration->range_count, &err);
	if (r != RSM_NODE_ABSENT)
		assert_done(r, &err);
	rsm_migration_free(RSM_STEAL(part->migration));
	free(RSM_STEAL(part->extents));
	return r;
}

static inline int stream(uint64_t most, bool crumbs)
{
	struct part part = { 0 };

	return take_part(&part, most, crumbs) ? end_part(&part, true) : RSM_NODE_ABSENT;
}

static inline uint64_t used(void)
{
	return rsm_staging_space_used(space);
}

/* False: the file has no checksum. One that it has must be right. */
static inline bool has_digest(const char *name, const char *data, size_t size)
{
	RSM_CLEANUP(rsm_digest_free) struct rsm_digest *digest = NULL;
	RSM_TEXT struct rsm_text stored = { 0 };
	char text[RSM_DIGEST_TEXT];
	int r = rsm_content_get_xattr(content, id_of(name), "ltfs.hash.sha256sum", &stored, &err);

	if (r == RSM_NODE_ABSENT)
		return false;
	assert_done(r, &err);
	assert_done(rsm_digest_new(RSM_DIGEST_SHA256, &digest, &err), &err);
	rsm_digest_begin(digest);
	rsm_digest_add(digest, data, size);
	assert_done(rsm_digest_finish(digest, text, &err), &err);
	assert_int_equal(stored.length, strlen(text));
	assert_memory_equal(stored.data, text, stored.length);
	return true;
}

#endif
