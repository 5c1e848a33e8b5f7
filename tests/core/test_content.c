#include "tests/core/content_fixture.h"

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

static bool find_x(void *context, const struct rsm_node *node, const char *name, const char *key)
{
	(void)key;
	if (!strcmp(name, "x"))
		*(uint64_t *)context = node->size;
	return true;
}

static void a_listing_shows_live_sizes(void **state)
{
	struct rsm_open_file *file;
	uint64_t size = 0;

	(void)state;
	make_file("a", "abc", 3);
	file = create("x");
	write_at(file, "hello", 5, 0);
	assert_done(rsm_content_list(content, RSM_NODE_ROOT, NULL, find_x, &size, &err), &err);
	assert_int_equal(size, 5);
	close_file(file);
}

static void a_folder_keeps_its_attributes_and_its_times_move(void **state)
{
	struct rsm_node node = { .kind = RSM_NODE_FOLDER }, values = { .mode = 0750 }, now;

	(void)state;
	assert_done(rsm_content_make(content, RSM_NODE_ROOT, "d", &node, NULL, &err), &err);
	values.times.modified.tv_sec = 77;
	assert_done(rsm_content_set_attributes(content, node.id, RSM_SET_MODE | RSM_SET_MODIFIED,
					       &values, &now, &err),
		    &err);
	assert_done(rsm_content_get(content, node.id, &now, &err), &err);
	assert_int_equal(now.mode, 0750);
	assert_int_equal(now.times.modified.tv_sec, 77);
	values = (struct rsm_node){ .kind = RSM_NODE_FOLDER };
	assert_done(rsm_content_make(content, node.id, "e", &values, NULL, &err), &err);
	assert_done(rsm_content_get(content, node.id, &now, &err), &err);
	assert_true(now.times.modified.tv_sec > 77);
	assert_int_equal(
		rsm_content_set_attributes(content, node.id, RSM_SET_SIZE, &values, &now, &err),
		-EISDIR);
	assert_int_equal(rsm_content_remove(content, RSM_NODE_ROOT, "d", true, &err), -ENOTEMPTY);
	assert_done(rsm_content_remove(content, node.id, "e", true, &err), &err);
	assert_done(rsm_content_remove(content, RSM_NODE_ROOT, "d", true, &err), &err);
	assert_int_equal(rsm_content_get(content, node.id, &now, &err), RSM_NODE_ABSENT);
}

static void many_small_open_files_spill_to_disk(void **state)
{
	static struct rsm_open_file *files[300];
	static char data[65536];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof name, "s%u", i);
		files[i] = create(name);
		pattern(data, sizeof data, i);
		write_at(files[i], data, sizeof data, 0);
	}
	assert_true(staging_files("file.") > 0);
	for (unsigned i = 0; i < 300; i++) {
		pattern(data, sizeof data, i);
		assert_reads(files[i], data, sizeof data);
		close_file(files[i]);
	}
	reopen();
	pattern(data, sizeof data, 299);
	assert_holds("s299", data, sizeof data);
	fake_migrate(&medium, content, 1000);
	fake_index(content);
	assert_holds("s299", data, sizeof data);
}

/* A tree as another system left it: one file "new" of the medium's first bytes. */
static struct rsm_index_loader *foreign_tree(size_t size)
{
	struct rsm_node root = { .kind = RSM_NODE_FOLDER, .uid = 1 };
	struct rsm_node node = { .kind = RSM_NODE_FILE, .uid = 500, .size = size };
	struct rsm_extent extent = { .byte_count = size, .partition = 'b', .indexed = true };
	struct rsm_index_loader *loader;
	char path[128];

	snprintf(path, sizeof path, "%s/index.db", folder);
	assert_done(rsm_index_loader_new(path, &loader, &err), &err);
	assert_done(rsm_index_loader_node(loader, 0, "", &root, NULL, NULL, 0, &err), &err);
	assert_done(rsm_index_loader_node(loader, root.id, "new", &node, NULL, &extent, 1, &err),
		    &err);
	assert_done(rsm_index_loader_finish(loader, 500, &err), &err);
	return loader;
}

static void another_systems_tree_takes_over_but_for_what_is_staged(void **state)
{
	RSM_TEXT struct rsm_text conflicts = { 0 };
	static char data[100000], big[150000];
	struct rsm_open_file *old, *mine;
	struct rsm_node node;
	char back[10];
	size_t length;

	(void)state;
	pattern(data, sizeof data, 3);
	pattern(big, sizeof big, 4);
	make_file("old", data, sizeof data);
	fake_migrate(&medium, content, 10);
	fake_index(content);
	make_file("staged", big, sizeof big);
	old = open_file("old", O_RDONLY);
	mine = create("mine");
	write_at(mine, "mine", 4, 0);
	assert_done(rsm_content_replace(content, foreign_tree(sizeof data), &conflicts, &err),
		    &err);
	assert_int_equal(rsm_content_lookup(content, RSM_NODE_ROOT, "old", &node, &err),
			 RSM_NODE_ABSENT);
	assert_int_equal(fake_read_file(old, back, sizeof back, 0, &length), -ESTALE);
	rsm_content_release(old);
	assert_holds("new", data, sizeof data);
	write_at(mine, " too", 4, 4);
	assert_reads(mine, "mine too", 8);
	close_file(mine);
	reopen();
	assert_holds("mine", "mine too", 8);
	assert_holds("staged", big, sizeof big);
	assert_holds("new", data, sizeof data);
	assert_int_equal(fake_migrate(&medium, content, 10), 2);
	fake_index(content);
	assert_holds("mine", "mine too", 8);
	assert_int_equal(rsm_staging_space_used(space), 0);
}

/* ---- digests ---- */

/* What the drive worker does, but for the digest's worth. */
static struct rsm_migration *next_migration(uint64_t after)
{
	struct rsm_migration *migration;

	assert_done(rsm_content_next_migration(content, after, &migration, &err), &err);
	return migration;
}

static int write_hashed(struct rsm_migration *migration, const char *hash)
{
	if (migration->whole) {
		migration->hash_key = "ltfs.hash.sha256sum";
		snprintf(migration->hash, sizeof migration->hash, "%s", hash);
	}
	return fake_write(&medium, content, migration, &err);
}

static bool has_hash(const char *name, const char *hash)
{
	RSM_TEXT struct rsm_text value = { 0 };

	return rsm_content_get_xattr(content, id_of(name), "ltfs.hash.sha256sum", &value, &err) ==
		       0 &&
	       value.length == strlen(hash) && memcmp(value.data, hash, value.length) == 0;
}

static void only_a_file_that_is_written_whole_has_a_digest(void **state)
{
	static char big[200000];
	struct rsm_migration *migration;
	struct rsm_open_file *file;

	(void)state;
	pattern(big, sizeof big, 9);
	make_file("whole", big, sizeof big);
	migration = next_migration(0);
	assert_true(migration->whole);
	assert_int_equal(write_hashed(migration, "aa"), 0);
	rsm_migration_free(migration);
	assert_true(has_hash("whole", "aa"));

	/* a hole of a new file is zeros, one of an old file is what the medium has */
	file = create("holes");
	write_at(file, big, 100000, 50000);
	close_file(file);
	migration = next_migration(0);
	assert_true(migration->whole);
	assert_int_equal(write_hashed(migration, "bb"), 0);
	rsm_migration_free(migration);
	fake_index(content);
	file = open_file("whole", O_RDWR);
	assert_true(has_hash("whole", "aa"));
	write_at(file, "patch", 5, 70000);
	close_file(file);
	assert_false(has_hash("whole", "aa"));
	migration = next_migration(0);
	assert_false(migration->whole);
	assert_int_equal(write_hashed(migration, "cc"), 0);
	rsm_migration_free(migration);
	assert_false(has_hash("whole", "cc"));
	assert_true(has_hash("holes", "bb"));
	set_size("holes", 10);
	assert_false(has_hash("holes", "bb"));
	fake_index(content);
}

static void a_file_changed_while_it_was_hashed_gets_no_digest(void **state)
{
	struct rsm_migration *migration;
	struct rsm_open_file *file;

	(void)state;
	make_file("f", "first", 5);
	migration = next_migration(0);
	file = open_file("f", O_RDWR);
	write_at(file, "F", 1, 0);
	assert_int_equal(write_hashed(migration, "dd"), RSM_NODE_ABSENT);
	assert_false(has_hash("f", "dd"));
	close_file(file);
	assert_int_equal(write_hashed(migration, "dd"), RSM_NODE_ABSENT);
	assert_false(has_hash("f", "dd"));
	rsm_migration_free(migration);
}

static void a_digest_set_behind_the_last_write_stays(void **state)
{
	static const char key[] = "ltfs.hash.sha256sum";
	struct rsm_open_file *file = create("f");

	(void)state;
	write_at(file, "contents", 8, 0);
	assert_done(rsm_content_set_xattr(content, id_of("f"), key, "set", 3, 0, &err), &err);
	close_file(file);
	assert_true(has_hash("f", "set"));
	reopen();
	assert_true(has_hash("f", "set"));
	file = open_file("f", O_RDWR);
	write_at(file, "C", 1, 0);
	close_file(file);
	assert_false(has_hash("f", "set"));
}

static const struct CMUnitTest tests[] = {
	TEST(only_a_file_that_is_written_whole_has_a_digest),
	TEST(a_file_changed_while_it_was_hashed_gets_no_digest),
	TEST(a_digest_set_behind_the_last_write_stays),
	TEST(another_systems_tree_takes_over_but_for_what_is_staged),
	TEST(a_listing_shows_live_sizes),
	TEST(a_folder_keeps_its_attributes_and_its_times_move),
	TEST(many_small_open_files_spill_to_disk),
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
};
RSM_TEST_MAIN(tests)
