/* content_fixture.h - a volume in a folder of its own, a fake medium, and words for what tests do.
 */
#ifndef RSM_TESTS_CONTENT_FIXTURE_H
#define RSM_TESTS_CONTENT_FIXTURE_H

#include <dirent.h>
#include <fcntl.h>

#include "base/file.h"
#include "tests/core/fake_medium.h"

static char folder[64];
static struct rsm_staging_space *space;
static struct rsm_content *content;
static struct fake_medium medium;
static struct rsm_err err;

static inline void open_volume(void)
{
	struct rsm_content_callbacks callbacks = fake_callbacks(&medium);

	assert_done(rsm_content_open_volume(folder, space, &callbacks, &content, &err), &err);
}

static inline void reopen(void)
{
	rsm_content_close_volume(content);
	content = NULL;
	open_volume();
}

static inline int begin(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/rsm-test-content-XXXXXX");
	if (!mkdtemp(folder) || rsm_staging_space_new(folder, 0, &space, &err))
		return -1;
	fake_start(&medium);
	open_volume();
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	rsm_content_close_volume(content);
	content = NULL;
	fake_stop(&medium);
	assert_int_equal(rsm_staging_space_used(space), 0);
	rsm_staging_space_free(space);
	return rsm_file_remove_tree(folder, NULL);
}

static inline struct rsm_open_file *create(const char *name)
{
	struct rsm_node node = { .kind = RSM_NODE_FILE, .mode = 0644 };
	struct rsm_open_file *file;

	clock_gettime(CLOCK_REALTIME, &node.times.created);
	node.times.modified = node.times.accessed = node.times.changed = node.times.backed_up =
		node.times.created;
	assert_done(rsm_content_create(content, RSM_NODE_ROOT, name, &node, O_RDWR, &file, &err),
		    &err);
	return file;
}

static inline uint64_t id_of(const char *name)
{
	struct rsm_node node;

	assert_done(rsm_content_lookup(content, RSM_NODE_ROOT, name, &node, &err), &err);
	return node.id;
}

static inline struct rsm_open_file *open_file(const char *name, int flags)
{
	struct rsm_open_file *file;
	bool keep;

	assert_done(rsm_content_open(content, id_of(name), flags, &file, &keep, &err), &err);
	return file;
}

static inline void write_at(struct rsm_open_file *file, const void *data, size_t size,
			    uint64_t offset)
{
	assert_done(rsm_content_write_file(file, data, size, offset, &err), &err);
}

static inline void close_file(struct rsm_open_file *file)
{
	assert_done(rsm_content_flush_file(file, &err), &err);
	rsm_content_release(file);
}

static inline void make_file(const char *name, const void *data, size_t size)
{
	struct rsm_open_file *file = create(name);

	write_at(file, data, size, 0);
	close_file(file);
}

static inline void assert_reads(struct rsm_open_file *file, const void *data, size_t size)
{
	RSM_FREE char *back = malloc(size + 100);
	size_t length;

	assert_int_equal(fake_read_file(file, back, size + 100, 0, &length), 0);
	assert_int_equal(length, size);
	if (memcmp(back, data, size))
		for (size_t i = 0; i < size; i++)
			if (back[i] != ((const char *)data)[i])
				fail_msg("byte %zu of %zu differs: %d, not %d", i, size, back[i],
					 ((const char *)data)[i]);
}

static inline void assert_holds(const char *name, const void *data, size_t size)
{
	struct rsm_open_file *file = open_file(name, O_RDONLY);

	assert_reads(file, data, size);
	rsm_content_release(file);
}

static inline void pattern(char *data, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(seed * 31 + i * 7 + i / 251);
}

static inline unsigned staging_files(const char *prefix)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned count = 0;

	while ((entry = readdir(dir)))
		count += !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(dir);
	return count;
}

static inline void set_size(const char *name, uint64_t size)
{
	struct rsm_node values = { .size = size }, now;

	assert_done(
		rsm_content_set_attributes(content, id_of(name), RSM_SET_SIZE, &values, &now, &err),
		&err);
	assert_int_equal(now.size, size);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
