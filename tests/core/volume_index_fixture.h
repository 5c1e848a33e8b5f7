/* volume_index_fixture.h - a volume index in a folder of its own, and words for what tests do with
 * it.
 */
#ifndef RSM_TESTS_VOLUME_INDEX_FIXTURE_H
#define RSM_TESTS_VOLUME_INDEX_FIXTURE_H

#include "core/volume_index.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/base/test.h"

static char folder[64], path[128];
static struct rsm_volume_index *ix;
static struct rsm_err err;
static const struct timespec later = { .tv_sec = 2000, .tv_nsec = 7 };

static inline void open_index(void)
{
	assert_done(rsm_volume_index_open(path, &ix, &err), &err);
}

static inline void close_index(void)
{
	rsm_volume_index_close(ix);
	ix = NULL;
}

static inline int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/rsm-test-index-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/index.db", folder);
	ix = NULL;
	return rsm_volume_index_open(path, &ix, &err);
}

static inline int tear_down(void **state)
{
	(void)state;
	close_index();
	return rsm_file_remove_tree(folder, NULL);
}

static inline struct rsm_node some(enum rsm_node_kind kind)
{
	struct timespec t = { .tv_sec = 1000, .tv_nsec = 5 };
	struct rsm_node node = { .kind = kind, .mode = 0640, .flags = RSM_NODE_HAS_UNIX };

	node.times = (struct rsm_node_times){ t, t, t, t, t };
	return node;
}

static inline uint64_t make(uint64_t parent, const char *name, enum rsm_node_kind kind)
{
	struct rsm_node node = some(kind);

	assert_done(rsm_volume_index_create(ix, parent, name, &node,
					    kind == RSM_NODE_LINK ? "target" : NULL, &err),
		    &err);
	return node.id;
}

static inline struct rsm_node get(uint64_t id)
{
	struct rsm_node node;

	assert_done(rsm_volume_index_get(ix, id, &node, &err), &err);
	return node;
}

static inline struct rsm_node lookup(uint64_t parent, const char *name)
{
	struct rsm_node node;

	assert_done(rsm_volume_index_lookup(ix, parent, name, &node, &err), &err);
	return node;
}

static inline bool exists(uint64_t parent, const char *name)
{
	struct rsm_node node;
	int r = rsm_volume_index_lookup(ix, parent, name, &node, &err);

	assert_true(r == 0 || r == RSM_NODE_ABSENT);
	return r == 0;
}

/* One range of `count` bytes in log 1 at `store_offset`; the contents change. */
static inline void stage(uint64_t id, uint64_t count, uint64_t store_offset, uint64_t order)
{
	struct rsm_staged_range range = { 0, count, 1, store_offset, false };
	struct rsm_node node = get(id);

	node.size = count;
	node.data_version++;
	assert_done(rsm_volume_index_stage(ix, &node, &range, 1, order, &err), &err);
}

static inline uint64_t staged_file(const char *name, uint64_t count, uint64_t order)
{
	uint64_t id = make(RSM_NODE_ROOT, name, RSM_NODE_FILE);

	stage(id, count, order * 1000, order);
	return id;
}

static inline void migrate(uint64_t id, uint64_t block)
{
	struct rsm_node node = get(id);
	struct rsm_extent e = { .start_block = block, .byte_count = node.size, .partition = 'b' };

	assert_done(rsm_volume_index_migrated(ix, id, node.data_version, &e, 1, &err), &err);
}

static inline size_t count_staged(uint64_t id)
{
	struct rsm_staged_range *ranges;
	size_t count;

	assert_done(rsm_volume_index_staged(ix, id, &ranges, &count, &err), &err);
	free(ranges);
	return count;
}

static inline void commit(void)
{
	assert_done(rsm_volume_index_commit(ix, false, &err), &err);
}

static inline struct rsm_index_snapshot *snapshot(void)
{
	struct rsm_index_snapshot *s;

	assert_done(rsm_volume_index_snapshot(ix, &s, &err), &err);
	return s;
}

struct freed {
	unsigned count;
	uint64_t bytes, last_offset;
};

static inline void freed(void *context, uint64_t id, const struct rsm_staged_range *range)
{
	struct freed *f = context;

	(void)id;
	f->count++;
	f->bytes += range->byte_count;
	f->last_offset = range->store_offset;
}

static inline void index_all(struct freed *f)
{
	struct rsm_index_snapshot *s = snapshot();

	assert_done(rsm_volume_index_indexed(ix, s, freed, f, &err), &err);
	rsm_index_snapshot_close(s);
}

static inline struct rsm_volume_totals totals(void)
{
	struct rsm_volume_totals t;

	assert_done(rsm_volume_index_totals(ix, &t, &err), &err);
	return t;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
