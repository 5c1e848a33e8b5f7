#include "tests/base/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "tests/core/fake_medium.h"

static char folder[64];
static struct rsm_staging_space *space;
static struct rsm_content *content;
static struct fake_medium medium;
static struct rsm_err err;

static void open_volume(void)
{
	struct rsm_content_callbacks callbacks = fake_callbacks(&medium);

	assert_done(rsm_content_open_volume(folder, space, &callbacks, &content, &err), &err);
}

static void reopen(void)
{
	rsm_content_close_volume(content);
	content = NULL;
	open_volume();
}

static int begin(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/rsm-test-content-XXXXXX");
	if (!mkdtemp(folder) || rsm_staging_space_new(folder, 0, &space, &err))
		return -1;
	fake_start(&medium);
	open_volume();
	return 0;
}

static int end(void **state)
{
	(void)state;
	rsm_content_close_volume(content);
	content = NULL;
	fake_stop(&medium);
	assert_int_equal(rsm_staging_space_used(space), 0);
	rsm_staging_space_free(space);
	return rsm_file_remove_tree(folder, NULL);
}

static struct rsm_open_file *create(const char *name)
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

static uint64_t id_of(const char *name)
{
	struct rsm_node node;

	assert_done(rsm_content_lookup(content, RSM_NODE_ROOT, name, &node, &err), &err);
	return node.id;
}

static struct rsm_open_file *open_file(const char *name, int flags)
{
	struct rsm_open_file *file;
	bool keep;

	assert_done(rsm_content_open(content, id_of(name), flags, &file, &keep, &err), &err);
	return file;
}

static void write_at(struct rsm_open_file *file, const void *data, size_t size, uint64_t offset)
{
	assert_done(rsm_content_write_file(file, data, size, offset, &err), &err);
}

static void close_file(struct rsm_open_file *file)
{
	assert_done(rsm_content_flush_file(file, &err), &err);
	rsm_content_release(file);
}

static void make_file(const char *name, const void *data, size_t size)
{
	struct rsm_open_file *file = create(name);

	write_at(file, data, size, 0);
	close_file(file);
}

static void assert_reads(struct rsm_open_file *file, const void *data, size_t size)
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

static void assert_holds(const char *name, const void *data, size_t size)
{
	struct rsm_open_file *file = open_file(name, O_RDONLY);

	assert_reads(file, data, size);
	rsm_content_release(file);
}

static void pattern(char *data, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(seed * 31 + i * 7 + i / 251);
}

static unsigned staging_files(const char *prefix)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned count = 0;

	while ((entry = readdir(dir)))
		count += !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(dir);
	return count;
}

static void set_size(const char *name, uint64_t size)
{
	struct rsm_node values = { .size = size }, now;

	assert_done(
		rsm_content_set_attributes(content, id_of(name), RSM_SET_SIZE, &values, &now, &err),
		&err);
	assert_int_equal(now.size, size);
}

/* ---- promises ---- */

static void a_closed_file_is_there_after_a_reopen(void **state)
{
	static char big[300000];

	(void)state;
	pattern(big, sizeof big, 3);
	make_file("small", "hello", 5);
	make_file("big", big, sizeof big);
	make_file("middle", big, RSM_STAGING_SMALL);
	rsm_content_release(create("empty"));
	assert_int_equal(staging_files("file."), 1);
	reopen();
	assert_holds("small", "hello", 5);
	assert_holds("big", big, sizeof big);
	assert_holds("middle", big, RSM_STAGING_SMALL);
	assert_holds("empty", "", 0);
}

static void an_open_file_shows_its_live_size(void **state)
{
	struct rsm_open_file *file = create("x");
	struct rsm_node node;

	(void)state;
	write_at(file, "abc", 3, 100);
	assert_done(rsm_content_get(content, rsm_content_file_id(file), &node, &err), &err);
	assert_int_equal(node.size, 103);
	assert_done(rsm_content_lookup(content, RSM_NODE_ROOT, "x", &node, &err), &err);
	assert_int_equal(node.size, 103);
	close_file(file);
}

static void attributes_of_a_written_file_come_with_its_flush(void **state)
{
	struct rsm_node values = { .mode = 0600, .owner = 7 }, now;
	struct rsm_open_file *file = create("x");

	(void)state;
	values.times.modified.tv_sec = 1234;
	write_at(file, "abc", 3, 0);
	assert_done(rsm_content_set_attributes(content, rsm_content_file_id(file),
					       RSM_SET_MODE | RSM_SET_MODIFIED | RSM_SET_OWNER,
					       &values, &now, &err),
		    &err);
	assert_int_equal(now.times.modified.tv_sec, 1234);
	close_file(file);
	reopen();
	assert_done(rsm_content_lookup(content, RSM_NODE_ROOT, "x", &now, &err), &err);
	assert_int_equal(now.mode, 0600);
	assert_int_equal(now.owner, 7);
	assert_int_equal(now.times.modified.tv_sec, 1234);
	assert_int_equal(now.size, 3);
}

static void migrated_and_indexed_files_are_read_from_the_medium(void **state)
{
	static char big[200000];
	enum rsm_residency where;
	struct rsm_extent first;
	struct rsm_content_use use;

	(void)state;
	pattern(big, sizeof big, 5);
	make_file("a", big, sizeof big);
	make_file("b", big, 1000);
	assert_int_equal(fake_migrate(&medium, content, 100), 2);
	assert_done(rsm_content_residency(content, id_of("a"), &where, &first, &err), &err);
	assert_int_equal(where, RSM_RESIDENT_STAGED);
	assert_holds("a", big, sizeof big);
	assert_int_equal(medium.reads, 0);
	fake_index(content);
	assert_int_equal(rsm_staging_space_used(space), 0);
	assert_int_equal(staging_files("file."), 0);
	assert_int_equal(staging_files("log."), 0);
	assert_done(rsm_content_residency(content, id_of("a"), &where, &first, &err), &err);
	assert_int_equal(where, RSM_RESIDENT_MEDIUM);
	assert_int_equal(first.partition, 'b');
	rsm_content_use(content, &use);
	assert_false(use.dirty);
	assert_int_equal(use.staged_files, 0);
	assert_holds("a", big, sizeof big);
	assert_holds("b", big, 1000);
	assert_true(medium.reads > 0);
	assert_true(medium.reads_wanted > 0);
	fake_set_mode(&medium, FAKE_BY_THREAD);
	assert_holds("a", big, sizeof big);
	reopen();
	assert_holds("a", big, sizeof big);
}

static void staged_bytes_lie_over_those_of_the_medium(void **state)
{
	static char data[200000];
	struct rsm_open_file *file;
	unsigned reads;

	(void)state;
	pattern(data, sizeof data, 9);
	make_file("a", data, sizeof data);
	fake_migrate(&medium, content, 10);
	fake_index(content);
	file = open_file("a", O_RDWR);
	reads = medium.reads;
	write_at(file, "over", 4, 1000);
	write_at(file, "written", 7, 150000);
	assert_int_equal(medium.reads, reads);
	memcpy(data + 1000, "over", 4);
	memcpy(data + 150000, "written", 7);
	assert_reads(file, data, sizeof data);
	close_file(file);
	reopen();
	assert_holds("a", data, sizeof data);
	fake_migrate(&medium, content, 10);
	fake_index(content);
	assert_int_equal(rsm_staging_space_used(space), 0);
	assert_holds("a", data, sizeof data);
}

static void cut_off_bytes_of_the_medium_never_come_back(void **state)
{
	static char data[200000];
	struct rsm_open_file *file;

	(void)state;
	pattern(data, sizeof data, 1);
	make_file("a", data, sizeof data);
	make_file("b", data, sizeof data);
	fake_migrate(&medium, content, 10);
	fake_index(content);
	set_size("a", 1000);
	set_size("a", 150000);
	file = open_file("b", O_RDWR | O_TRUNC);
	write_at(file, "tail", 4, 100000);
	memset(data + 1000, 0, sizeof data - 1000);
	assert_holds("a", data, 150000);
	close_file(file);
	reopen();
	assert_holds("a", data, 150000);
	memset(data, 0, 1000);
	memcpy(data + 100000, "tail", 4);
	assert_holds("b", data, 100004);
}

static void a_file_changed_while_it_was_migrated_stays_staged(void **state)
{
	RSM_CLEANUP(rsm_migration_free) struct rsm_migration *migration = NULL;
	struct rsm_open_file *file;

	(void)state;
	make_file("a", "first", 5);
	assert_done(rsm_content_next_migration(content, 0, &migration, &err), &err);
	file = open_file("a", O_RDWR);
	write_at(file, "F", 1, 0);
	assert_int_equal(fake_write(&medium, content, migration, &err), RSM_NODE_ABSENT);
	close_file(file);
	assert_int_equal(fake_write(&medium, content, migration, &err), RSM_NODE_ABSENT);
	fake_index(content);
	assert_holds("a", "First", 5);
	assert_true(rsm_staging_space_used(space) > 0);
	assert_int_equal(fake_migrate(&medium, content, 10), 1);
	fake_index(content);
	assert_int_equal(rsm_staging_space_used(space), 0);
	assert_holds("a", "First", 5);
	assert_done(rsm_content_remove(content, RSM_NODE_ROOT, "a", false, &err), &err);
	assert_int_equal(fake_write(&medium, content, migration, &err), RSM_NODE_ABSENT);
}

/* Written in place after the migration, not flushed when the index comes: the newer bytes stay. */
static void an_index_does_not_free_newer_bytes(void **state)
{
	static char data[200000];
	struct rsm_open_file *file;

	(void)state;
	pattern(data, sizeof data, 4);
	make_file("a", data, sizeof data);
	assert_int_equal(fake_migrate(&medium, content, 10), 1);
	file = open_file("a", O_RDWR);
	write_at(file, "newer", 5, 70000);
	memcpy(data + 70000, "newer", 5);
	fake_index(content);
	assert_reads(file, data, sizeof data);
	close_file(file);
	assert_holds("a", data, sizeof data);
	reopen();
	assert_holds("a", data, sizeof data);
	assert_int_equal(fake_migrate(&medium, content, 10), 1);
	fake_index(content);
	assert_holds("a", data, sizeof data);
	assert_int_equal(rsm_staging_space_used(space), 0);
}

static void an_unlinked_open_file_lives_until_it_is_forgotten(void **state)
{
	static char data[100000];
	struct rsm_open_file *file;
	struct rsm_node node;
	uint64_t id;

	(void)state;
	pattern(data, sizeof data, 8);
	make_file("a", data, sizeof data);
	file = open_file("a", O_RDWR);
	id = rsm_content_file_id(file);
	assert_done(rsm_content_remove(content, RSM_NODE_ROOT, "a", false, &err), &err);
	assert_int_equal(rsm_content_lookup(content, RSM_NODE_ROOT, "a", &node, &err),
			 RSM_NODE_ABSENT);
	write_at(file, "xyz", 3, 0);
	memcpy(data, "xyz", 3);
	assert_reads(file, data, sizeof data);
	assert_int_equal(fake_migrate(&medium, content, 10), 0);
	rsm_content_forget(content, id);
	assert_reads(file, data, sizeof data);
	close_file(file);
	assert_int_equal(rsm_content_get(content, id, &node, &err), RSM_NODE_ABSENT);
	assert_int_equal(rsm_staging_space_used(space), 0);
	assert_int_equal(staging_files("file."), 0);
}

static void a_file_renamed_over_goes_when_it_is_forgotten(void **state)
{
	struct rsm_node node;
	uint64_t id;

	(void)state;
	make_file("a", "aaa", 3);
	make_file("b", "bb", 2);
	id = id_of("b");
	assert_done(rsm_content_rename(content, RSM_NODE_ROOT, "a", RSM_NODE_ROOT, "b", 0, &err),
		    &err);
	assert_done(rsm_content_get(content, id, &node, &err), &err);
	assert_holds("b", "aaa", 3);
	rsm_content_forget(content, id);
	assert_int_equal(rsm_content_get(content, id, &node, &err), RSM_NODE_ABSENT);
	reopen();
	assert_holds("b", "aaa", 3);
}

static void a_refused_volume_tells_why(void **state)
{
	struct rsm_node node = { .kind = RSM_NODE_FOLDER };
	struct rsm_open_file *file;
	bool keep;

	(void)state;
	make_file("a", "aaa", 3);
	rsm_content_refuse_changes(content, EROFS, "A00001L8 is write-protected");
	assert_int_equal(rsm_content_make(content, RSM_NODE_ROOT, "d", &node, NULL, &err), -EROFS);
	assert_string_equal(err.msg, "A00001L8 is write-protected");
	assert_int_equal(rsm_content_open(content, id_of("a"), O_RDWR, &file, &keep, &err), -EROFS);
	assert_holds("a", "aaa", 3);
	rsm_content_refuse_changes(content, 0, NULL);
	assert_done(rsm_content_make(content, RSM_NODE_ROOT, "d", &node, NULL, &err), &err);
}

static void a_full_cartridge_takes_no_new_bytes(void **state)
{
	struct rsm_open_file *file = create("a");

	(void)state;
	rsm_content_set_room(content, 10);
	write_at(file, "12345678", 8, 0);
	assert_int_equal(rsm_content_write_file(file, "abc", 3, 8, &err), -ENOSPC);
	write_at(file, "87654321", 8, 0);
	write_at(file, "90", 2, 8);
	assert_reads(file, "8765432190", 10);
	close_file(file);
	rsm_content_set_room(content, UINT64_MAX);
}

static void the_kernel_may_keep_what_did_not_change(void **state)
{
	struct rsm_open_file *file;
	bool keep = true;

	(void)state;
	make_file("a", "aaa", 3);
	reopen();
	assert_done(rsm_content_open(content, id_of("a"), O_RDONLY, &file, &keep, &err), &err);
	assert_false(keep);
	rsm_content_release(file);
	assert_done(rsm_content_open(content, id_of("a"), O_RDONLY, &file, &keep, &err), &err);
	assert_true(keep);
	rsm_content_release(file);
	set_size("a", 2);
	assert_done(rsm_content_open(content, id_of("a"), O_RDONLY, &file, &keep, &err), &err);
	assert_false(keep);
	rsm_content_release(file);
}

static void a_waiting_read_can_be_given_up(void **state)
{
	static char data[200000];
	struct rsm_open_file *file;
	struct fake_reader reader;
	size_t length;

	(void)state;
	make_file("a", data, sizeof data);
	fake_migrate(&medium, content, 10);
	fake_index(content);
	file = open_file("a", O_RDONLY);
	fake_set_mode(&medium, FAKE_HELD);
	fake_read_begin(&reader, file, data, sizeof data, 0);
	rsm_content_interrupt(file, &reader.request);
	assert_int_equal(fake_read_wait(&reader, &length), -EINTR);
	assert_int_equal(medium.cancelled, 1);
	fake_set_mode(&medium, FAKE_AT_ONCE);
	medium.fail = true;
	assert_int_equal(fake_read_file(file, data, 10, 0, &length), -EIO);
	medium.fail = false;
	assert_int_equal(fake_read_file(file, data, 10, 0, &length), 0);
	rsm_content_release(file);
}

static void holes_and_zeros_need_no_bytes(void **state)
{
	static char data[150000];
	struct rsm_open_file *file = create("a");

	(void)state;
	pattern(data, 100000, 2);
	write_at(file, data, 100000, 0);
	assert_done(rsm_content_allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000,
					 20000, &err),
		    &err);
	memset(data + 5000, 0, 20000);
	assert_done(rsm_content_allocate(file, FALLOC_FL_ZERO_RANGE, 90000, 60000, &err), &err);
	memset(data + 90000, 0, 60000);
	assert_reads(file, data, sizeof data);
	assert_int_equal(rsm_content_allocate(file, FALLOC_FL_COLLAPSE_RANGE, 0, 4096, &err),
			 -EOPNOTSUPP);
	close_file(file);
	reopen();
	assert_holds("a", data, sizeof data);
}

static void a_full_staging_area_makes_writers_wait(void **state)
{
	struct rsm_content_callbacks callbacks = fake_callbacks(&medium);
	struct rsm_content *other = content;
	struct rsm_staging_space *small;
	struct rsm_open_file *file;
	static char data[50000];
	char path[128];

	(void)state;
	snprintf(path, sizeof path, "%s/other", folder);
	assert_done(rsm_staging_space_new(folder, 120000, &small, &err), &err);
	assert_done(rsm_content_open_volume(path, small, &callbacks, &content, &err), &err);
	make_file("a", data, sizeof data);
	make_file("b", data, sizeof data);
	file = create("c");
	assert_int_equal(rsm_content_write_file(file, data, sizeof data, 0, &err),
			 RSM_CONTENT_WAIT);
	assert_int_equal(fake_migrate(&medium, content, 10), 2);
	fake_index(content);
	write_at(file, data, sizeof data, 0);
	close_file(file);
	rsm_content_close_volume(content);
	content = other;
	rsm_staging_space_free(small);
}

static void synced_files_are_durable(void **state)
{
	struct rsm_open_file *file = create("a"), *two = create("b");

	(void)state;
	write_at(file, "abc", 3, 0);
	write_at(two, "defg", 4, 0);
	assert_done(rsm_content_sync_file(file, &err), &err);
	assert_done(rsm_content_sync(content, &err), &err);
	assert_int_equal(medium.migrations_wanted, 2);
	rsm_content_release(file);
	rsm_content_release(two);
	assert_int_equal(medium.nothing_wanted, 1);
	reopen();
	assert_holds("b", "defg", 4);
}

static void extended_attributes_survive_the_flush_of_an_open_file(void **state)
{
	struct rsm_open_file *file = create("a");
	RSM_TEXT struct rsm_text value = { 0 };
	struct rsm_node node;

	(void)state;
	assert_done(rsm_content_set_xattr(content, rsm_content_file_id(file), "k", "v", 1, 0, &err),
		    &err);
	write_at(file, "abc", 3, 0);
	close_file(file);
	reopen();
	assert_done(rsm_content_lookup(content, RSM_NODE_ROOT, "a", &node, &err), &err);
	assert_true(node.flags & RSM_NODE_HAS_XATTRS);
	assert_done(rsm_content_get_xattr(content, node.id, "k", &value, &err), &err);
	assert_string_equal(value.data, "v");
}

/* ---- against a model ---- */

enum { FILES = 4, SIZE_MAX_MODEL = 300000 };

struct model {
	char name[8];
	char *data;
	size_t size;
	struct rsm_open_file *file;
};

static void model_write(struct model *m, unsigned *seed)
{
	size_t limit = rand_r(seed) % 3 ? 5000 : 100000;
	size_t size = 1 + (size_t)rand_r(seed) % limit;
	size_t offset = (size_t)rand_r(seed) % (m->size + (rand_r(seed) % 4 ? 1 : 70000));
	RSM_FREE char *data = malloc(size);

	if (rand_r(seed) % 3 == 0)
		offset = m->size;
	if (offset + size > SIZE_MAX_MODEL)
		return;
	pattern(data, size, (unsigned)rand_r(seed));
	write_at(m->file, data, size, offset);
	if (offset > m->size)
		memset(m->data + m->size, 0, offset - m->size);
	memcpy(m->data + offset, data, size);
	if (offset + size > m->size)
		m->size = offset + size;
}

static void model_truncate(struct model *m, unsigned *seed)
{
	size_t size = rand_r(seed) % 4 ? (size_t)rand_r(seed) % (m->size + 1000) : 0;

	if (size > SIZE_MAX_MODEL)
		return;
	set_size(m->name, size);
	if (size > m->size)
		memset(m->data + m->size, 0, size - m->size);
	m->size = size;
}

static void model_read(struct model *m, unsigned *seed)
{
	size_t offset = (size_t)rand_r(seed) % (m->size + 10), length;
	size_t size = 1 + (size_t)rand_r(seed) % 150000, expect;
	RSM_FREE char *back = malloc(size);

	expect = offset >= m->size ? 0 : m->size - offset < size ? m->size - offset : size;
	assert_int_equal(fake_read_file(m->file, back, size, offset, &length), 0);
	assert_int_equal(length, expect);
	assert_memory_equal(back, m->data + offset, expect);
}

static void model_open(struct model *m, unsigned *seed)
{
	bool cut = rand_r(seed) % 6 == 0;

	m->file = open_file(m->name, O_RDWR | (cut ? O_TRUNC : 0));
	if (cut)
		m->size = 0;
}

static void model_punch(struct model *m, unsigned *seed)
{
	size_t offset = (size_t)rand_r(seed) % (m->size + 1), length = m->size - offset;

	if (!length)
		return;
	length = 1 + (size_t)rand_r(seed) % length;
	assert_done(rsm_content_allocate(m->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 offset, length, &err),
		    &err);
	memset(m->data + offset, 0, length);
}

static void model_close(struct model *m)
{
	if (m->file)
		close_file(m->file);
	m->file = NULL;
}

static void model_reopen(struct model *models)
{
	for (int i = 0; i < FILES; i++)
		model_close(&models[i]);
	reopen();
	for (int i = 0; i < FILES; i++)
		assert_holds(models[i].name, models[i].data, models[i].size);
}

static void model_step(struct model *models, unsigned *seed)
{
	struct model *m = &models[rand_r(seed) % FILES];
	unsigned what = (unsigned)rand_r(seed) % 100;

	if (what < 2)
		model_reopen(models);
	else if (what < 8)
		fake_migrate(&medium, content, 1 + (unsigned)rand_r(seed) % 4);
	else if (what < 13)
		fake_index(content);
	else if (what < 15)
		fake_set_mode(&medium, what % 2 ? FAKE_AT_ONCE : FAKE_BY_THREAD);
	else if (what < 23)
		model_truncate(m, seed);
	else if (!m->file)
		model_open(m, seed);
	else if (what < 60)
		model_write(m, seed);
	else if (what < 80)
		model_read(m, seed);
	else if (what < 84)
		model_punch(m, seed);
	else if (what < 92)
		assert_done(rsm_content_flush_file(m->file, &err), &err);
	else
		model_close(m);
}

static void any_order_of_operations_keeps_the_bytes(void **state)
{
	const char *given = getenv("RSM_SEED"), *steps = getenv("RSM_STEPS");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	struct model models[FILES] = { 0 };

	(void)state;
	print_message("RSM_SEED=%u\n", seed);
	for (int i = 0; i < FILES; i++) {
		snprintf(models[i].name, sizeof models[i].name, "f%d", i);
		models[i].data = calloc(1, SIZE_MAX_MODEL);
		models[i].file = create(models[i].name);
	}
	for (long i = steps ? atol(steps) : 1500; i > 0; i--)
		model_step(models, &seed);
	model_reopen(models);
	for (int i = 0; i < FILES; i++) {
		assert_done(rsm_content_remove(content, RSM_NODE_ROOT, models[i].name, false, &err),
			    &err);
		free(models[i].data);
	}
	reopen();
	assert_int_equal(rsm_staging_space_used(space), 0);
}

/* ---- threads ---- */

static void *write_files(void *context)
{
	unsigned base = (unsigned)(intptr_t)context;
	static _Thread_local char data[100000], back[100000];

	for (unsigned i = 0; i < 40; i++) {
		size_t size = i % 4 ? 500 + i : 70000 + i, length;
		struct rsm_node node = { .kind = RSM_NODE_FILE };
		struct rsm_open_file *file;
		struct rsm_err local;
		char name[32];

		snprintf(name, sizeof name, "t%u-%u", base, i);
		pattern(data, size, base + i);
		if (rsm_content_create(content, RSM_NODE_ROOT, name, &node, O_RDWR, &file,
				       &local) ||
		    rsm_content_write_file(file, data, size, 0, &local) ||
		    rsm_content_flush_file(file, &local))
			return data;
		for (int again = 0; again < 3; again++) {
			if (fake_read_file(file, back, size, 0, &length) || length != size ||
			    memcmp(data, back, size))
				return data;
			data[again * 50]++;
			if (rsm_content_write_file(file, data, size / 2, 0, &local))
				return data;
		}
		rsm_content_release(file);
		if (rsm_content_open(content, node.id, O_RDONLY, &file, &(bool){ false }, &local) ||
		    fake_read_file(file, back, size, 0, &length) || memcmp(data, back, size))
			return data;
		rsm_content_release(file);
	}
	return NULL;
}

static bool count_entry(void *context, const struct rsm_node *node, const char *name,
			const char *key)
{
	(void)node;
	(void)name;
	(void)key;
	++*(unsigned *)context;
	return true;
}

static void writers_readers_and_migration_run_side_by_side(void **state)
{
	pthread_t threads[3];
	unsigned count = 0;
	void *failed;

	(void)state;
	fake_set_mode(&medium, FAKE_BY_THREAD);
	for (intptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_files, (void *)i), 0);
	for (int i = 0; i < 15; i++) {
		fake_migrate(&medium, content, 20);
		fake_index(content);
		count = 0;
		assert_done(
			rsm_content_list(content, RSM_NODE_ROOT, NULL, count_entry, &count, &err),
			&err);
		usleep(2000);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	fake_migrate(&medium, content, 1000);
	fake_index(content);
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 40; j++) {
			RSM_FREE char *data = malloc(100000);
			size_t size = j % 4 ? 500 + (size_t)j : 70000 + (size_t)j;
			char name[32];

			pattern(data, size, (unsigned)(i + j));
			data[0]++;
			data[50]++;
			data[100]++;
			snprintf(name, sizeof name, "t%d-%d", i, j);
			assert_holds(name, data, size);
		}
	assert_int_equal(rsm_staging_space_used(space), 0);
}

/* ---- sudden death ---- */

static size_t victim_size(unsigned i)
{
	return i % 5 ? 1 + i * 37 % 3000 : 66000 + i;
}

static void victim(int report)
{
	static char data[100000];

	open_volume();
	for (unsigned i = 0;; i++) {
		char name[32];
		struct rsm_open_file *file;

		snprintf(name, sizeof name, "v%u", i);
		pattern(data, victim_size(i), i);
		file = create(name);
		write_at(file, data, victim_size(i), 0);
		assert_done(rsm_content_flush_file(file, &err), &err);
		if (write(report, &i, sizeof i) != sizeof i)
			_exit(1);
		rsm_content_release(file);
	}
}

static void a_flushed_file_survives_a_sudden_death(void **state)
{
	static char data[100000];
	unsigned last = 0;
	int ends[2], status;
	pid_t child;

	(void)state;
	rsm_content_close_volume(content);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (!child)
		victim(ends[1]);
	close(ends[1]);
	while (last < 150)
		assert_int_equal(read(ends[0], &last, sizeof last), sizeof last);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	while (read(ends[0], &last, sizeof last) == sizeof last)
		;
	close(ends[0]);
	open_volume();
	for (unsigned i = 0; i <= last; i++) {
		char name[32];

		snprintf(name, sizeof name, "v%u", i);
		pattern(data, victim_size(i), i);
		assert_holds(name, data, victim_size(i));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
static const struct CMUnitTest tests[] = {
	TEST(a_closed_file_is_there_after_a_reopen),
	TEST(an_open_file_shows_its_live_size),
	TEST(attributes_of_a_written_file_come_with_its_flush),
	TEST(migrated_and_indexed_files_are_read_from_the_medium),
	TEST(staged_bytes_lie_over_those_of_the_medium),
	TEST(cut_off_bytes_of_the_medium_never_come_back),
	TEST(a_file_changed_while_it_was_migrated_stays_staged),
	TEST(an_index_does_not_free_newer_bytes),
	TEST(an_unlinked_open_file_lives_until_it_is_forgotten),
	TEST(a_file_renamed_over_goes_when_it_is_forgotten),
	TEST(a_refused_volume_tells_why),
	TEST(a_full_cartridge_takes_no_new_bytes),
	TEST(the_kernel_may_keep_what_did_not_change),
	TEST(a_waiting_read_can_be_given_up),
	TEST(holes_and_zeros_need_no_bytes),
	TEST(a_full_staging_area_makes_writers_wait),
	TEST(synced_files_are_durable),
	TEST(extended_attributes_survive_the_flush_of_an_open_file),
	TEST(any_order_of_operations_keeps_the_bytes),
	TEST(writers_readers_and_migration_run_side_by_side),
	TEST(a_flushed_file_survives_a_sudden_death),
};
RSM_TEST_MAIN(tests)
