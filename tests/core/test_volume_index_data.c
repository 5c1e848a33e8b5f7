/* Extents, staged ranges and digests in a volume index, and what survives a death. */
#include "tests/core/volume_index_fixture.h"

/* ---- extents and staged ranges ---- */

static void new_extents_split_the_older_ones(void **state)
{
	struct rsm_extent first = { 0, 100, 300, 2000000, 'b', false };
	struct rsm_extent over[] = { { 500000, 200, 0, 100000, 'b', false },
				     { 1000000, 300, 7, 10, 'a', false } };
	uint64_t id = staged_file("f", 2000000, 1);
	struct rsm_extent *e;
	size_t count;

	(void)state;
	assert_done(rsm_volume_index_migrated(ix, id, 1, &first, 1, &err), &err);
	assert_done(rsm_volume_index_migrated(ix, id, 1, over, 2, &err), &err);
	assert_done(rsm_volume_index_extents(ix, id, &e, &count, &err), &err);
	assert_int_equal(count, 5);
	assert_int_equal(e[0].byte_count, 500000);
	assert_int_equal(e[0].byte_offset, 300);
	assert_int_equal(e[1].start_block, 200);
	/* 600000 + 300 bytes on: block 1 of 524288 */
	assert_int_equal(e[2].file_offset, 600000);
	assert_int_equal(e[2].start_block, 101);
	assert_int_equal(e[2].byte_offset, 600300 - 524288);
	assert_int_equal(e[2].byte_count, 400000);
	assert_int_equal(e[3].partition, 'a');
	assert_int_equal(e[4].file_offset, 1000010);
	assert_int_equal(e[4].start_block, 101);
	assert_int_equal(e[4].byte_offset, 1000310 - 524288);
	assert_int_equal(e[4].byte_count, 2000000 - 1000010);
	free(e);

	over[1].file_offset = 600000;
	assert_int_equal(rsm_volume_index_migrated(ix, id, 1, over, 2, &err), 0);
	over[1].file_offset = 599999;
	assert_int_equal(rsm_volume_index_migrated(ix, id, 1, over, 2, &err), -EINVAL);
}

static void the_volumes_block_size_counts(void **state)
{
	struct rsm_extent first = { 0, 100, 0, 5000, 'b', false };
	struct rsm_extent over = { 0, 200, 0, 2500, 'b', false };
	uint64_t id, number;
	struct rsm_extent *e;
	size_t count;

	(void)state;
	assert_done(rsm_volume_index_set_number(ix, "block_size", 1000, &err), &err);
	close_index();
	open_index();
	assert_done(rsm_volume_index_get_number(ix, "block_size", &number, 0, &err), &err);
	assert_int_equal(number, 1000);
	id = staged_file("f", 5000, 1);
	assert_done(rsm_volume_index_migrated(ix, id, 1, &first, 1, &err), &err);
	assert_done(rsm_volume_index_migrated(ix, id, 1, &over, 1, &err), &err);
	assert_done(rsm_volume_index_extents(ix, id, &e, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_int_equal(e[1].start_block, 102);
	assert_int_equal(e[1].byte_offset, 500);
	free(e);
}

static void a_truncation_cuts_extents_and_ranges(void **state)
{
	struct rsm_staged_range ranges[] = { { 0, 100, 1, 0, false }, { 200, 100, 1, 500, false } };
	struct rsm_extent e = { 100, 9, 0, 100, 'b', false }, *left;
	uint64_t id = staged_file("f", 300, 1);
	struct rsm_node node = get(id);
	struct freed f = { 0 };
	size_t count;

	(void)state;
	assert_done(rsm_volume_index_migrated(ix, id, 1, &e, 1, &err), &err);
	assert_done(rsm_volume_index_stage(ix, &node, ranges, 2, 2, &err), &err);
	assert_int_equal(totals().staged_bytes, 200);
	assert_done(rsm_volume_index_truncate(ix, id, 250, freed, &f, &err), &err);
	assert_int_equal(f.bytes, 50);
	assert_int_equal(f.last_offset, 550);
	assert_done(rsm_volume_index_truncate(ix, id, 150, freed, &f, &err), &err);
	assert_int_equal(f.bytes, 100);
	assert_int_equal(count_staged(id), 1);
	assert_done(rsm_volume_index_extents(ix, id, &left, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(left[0].byte_count, 50);
	free(left);
	assert_done(rsm_volume_index_truncate(ix, id, 1000, freed, &f, &err), &err);
	assert_int_equal(get(id).size, 1000);
	assert_int_equal(totals().file_bytes, 1000);
	assert_done(rsm_volume_index_truncate(ix, id, 0, freed, &f, &err), &err);
	assert_int_equal(totals().staged_files + totals().staged_bytes, 0);
}

static void files_are_migrated_in_the_order_of_closing(void **state)
{
	uint64_t a = staged_file("a", 1, 2), b = staged_file("b", 1, 1), c = staged_file("c", 1, 3);
	uint64_t open_one = make(1, "open", RSM_NODE_FILE), order = 0;
	struct rsm_node node;

	(void)state;
	stage(open_one, 5, 0, 0);
	stage(b, 2, 9, 4); /* closed again: it has waited longest nevertheless */
	for (int round = 0; round < 2; round++) {
		order = 0;
		assert_done(rsm_volume_index_next_staged(ix, order, &node, &order, &err), &err);
		assert_int_equal(node.id, b);
		assert_int_equal(order, 1);
		assert_done(rsm_volume_index_next_staged(ix, order, &node, &order, &err), &err);
		assert_int_equal(node.id, a);
		assert_done(rsm_volume_index_next_staged(ix, order, &node, &order, &err), &err);
		assert_int_equal(node.id, c);
		assert_int_equal(order, 3);
		if (round)
			break;
		assert_int_equal(rsm_volume_index_next_staged(ix, order, &node, &order, &err),
				 RSM_NODE_ABSENT);
		assert_int_equal(rsm_volume_index_last_close_order(ix), 3);
		close_index();
		open_index();
	}
	/* nobody has it open any more */
	assert_done(rsm_volume_index_next_staged(ix, order, &node, &order, &err), &err);
	assert_int_equal(node.id, open_one);
	assert_int_equal(totals().staged_files, 4);
	assert_int_equal(totals().staged_bytes, 9);
}

static void a_file_that_changed_meanwhile_is_not_migrated(void **state)
{
	struct rsm_extent e = { 0, 9, 0, 10, 'b', false }, *none;
	uint64_t id = staged_file("f", 10, 1), order;
	struct rsm_node node;
	size_t count;

	(void)state;
	stage(id, 10, 50, 2);
	assert_int_equal(rsm_volume_index_migrated(ix, id, 1, &e, 1, &err), RSM_NODE_ABSENT);
	assert_int_equal(rsm_volume_index_migrated(ix, 999, 1, &e, 1, &err), RSM_NODE_ABSENT);
	assert_done(rsm_volume_index_extents(ix, id, &none, &count, &err), &err);
	assert_int_equal(count, 0);
	free(none);
	assert_done(rsm_volume_index_next_staged(ix, 0, &node, &order, &err), &err);
	assert_int_equal(node.id, id);
}

/* ---- digests of contents ---- */

static void migrate_hashed(uint64_t id, const char *key, const char *hash)
{
	struct rsm_node node = get(id);
	struct rsm_extent e = { .start_block = 50, .byte_count = node.size, .partition = 'b' };

	assert_done(
		rsm_volume_index_migrated_hashed(ix, id, node.data_version, &e, 1, key, hash, &err),
		&err);
}

static void assert_attribute(uint64_t id, const char *key, const char *value)
{
	RSM_TEXT struct rsm_text got = { 0 };
	int r = rsm_volume_index_get_xattr(ix, id, key, &got, &err);

	if (!value) {
		assert_int_equal(r, RSM_NODE_ABSENT);
		return;
	}
	assert_done(r, &err);
	assert_int_equal(got.length, strlen(value));
	assert_memory_equal(got.data, value, got.length);
}

static void a_digest_lives_as_long_as_the_contents(void **state)
{
	static const char sha[] = "ltfs.hash.sha256sum", md5[] = "ltfs.hash.md5sum";
	uint64_t id = staged_file("f", 10, 1);
	struct rsm_extent e = { .byte_count = 10, .start_block = 9, .partition = 'b' };
	struct rsm_node node;

	(void)state;
	/* with the extents, or not at all */
	assert_int_equal(rsm_volume_index_migrated_hashed(ix, id, 99, &e, 1, sha, "no", &err),
			 RSM_NODE_ABSENT);
	assert_attribute(id, sha, NULL);
	assert_false(get(id).flags & RSM_NODE_HAS_XATTRS);
	migrate_hashed(id, sha, "one");
	assert_attribute(id, sha, "one");
	assert_true(get(id).flags & RSM_NODE_HAS_XATTRS);
	/* attributes are not contents */
	node = get(id);
	node.mode = 0600;
	node.flags = RSM_NODE_HAS_UNIX;
	assert_done(rsm_volume_index_update(ix, &node, &err), &err);
	assert_done(rsm_volume_index_rename(ix, 1, "f", 1, "g", 0, &later, NULL, &err), &err);
	assert_attribute(id, sha, "one");
	/* new contents */
	assert_done(rsm_volume_index_set_xattr(ix, id, md5, "m", 1, 0, &err), &err);
	assert_done(rsm_volume_index_set_xattr(ix, id, "ltfs.hashes", "h", 1, 0, &err), &err);
	stage(id, 12, 500, 2);
	assert_attribute(id, sha, NULL);
	assert_attribute(id, md5, NULL);
	assert_attribute(id, "ltfs.hashes", "h");
	assert_true(get(id).flags & RSM_NODE_HAS_XATTRS);
	assert_done(rsm_volume_index_set_xattr(ix, id, "ltfs.hashes", NULL, 0, 0, &err), &err);
	/* one that a user set while it was staged is replaced by the one that was computed */
	assert_done(rsm_volume_index_set_xattr(ix, id, sha, "wrong", 5, 0, &err), &err);
	migrate_hashed(id, sha, "two");
	assert_attribute(id, sha, "two");
	/* a shorter file */
	assert_done(rsm_volume_index_truncate(ix, id, 5, NULL, NULL, &err), &err);
	assert_attribute(id, sha, NULL);
	assert_false(get(id).flags & RSM_NODE_HAS_XATTRS);
	commit();
	close_index();
	open_index();
	assert_attribute(id, sha, NULL);
}

static void staged_ranges_stay_until_an_index_covers_them_and_no_longer(void **state)
{
	uint64_t a = staged_file("a", 10, 1), b = staged_file("b", 20, 2),
		 c = staged_file("c", 5, 3);
	struct rsm_index_snapshot *s;
	struct freed f = { 0 };
	struct rsm_extent *e;
	struct rsm_node node;
	uint64_t order;
	size_t count;

	(void)state;
	migrate(a, 5);
	migrate(c, 7);
	assert_int_equal(totals().staged_bytes, 20);
	s = snapshot();
	migrate(b, 6);	      /* behind the index */
	stage(c, 6, 3000, 4); /* written, and changed since */
	assert_int_equal(count_staged(a), 1);
	assert_done(rsm_volume_index_indexed(ix, s, freed, &f, &err), &err);
	rsm_index_snapshot_close(s);
	assert_int_equal(f.count, 1);
	assert_int_equal(f.bytes, 10);
	assert_int_equal(count_staged(a), 0);
	assert_int_equal(count_staged(b), 1);
	assert_int_equal(count_staged(c), 1);
	assert_done(rsm_volume_index_extents(ix, a, &e, &count, &err), &err);
	assert_true(e[0].indexed);
	free(e);
	assert_done(rsm_volume_index_extents(ix, b, &e, &count, &err), &err);
	assert_false(e[0].indexed);
	free(e);
	assert_done(rsm_volume_index_next_staged(ix, 0, &node, &order, &err), &err);
	assert_int_equal(node.id, c);
	migrate(c, 8);
	index_all(&f);
	assert_int_equal(f.count, 3);
	assert_int_equal(totals().staged_files, 0);
	assert_int_equal(rsm_volume_index_tree_version(ix), rsm_volume_index_indexed_version(ix));
}

static void what_no_index_covers_can_be_forgotten(void **state)
{
	uint64_t a = staged_file("a", 10, 1), b = staged_file("b", 20, 2), order;
	struct freed f = { 0 };
	struct rsm_extent *e;
	struct rsm_node node;
	size_t count;

	(void)state;
	migrate(a, 5);
	index_all(&f);
	stage(a, 10, 70, 3);
	migrate(a, 9);
	migrate(b, 6);
	assert_int_equal(rsm_volume_index_next_staged(ix, 0, &node, &order, &err), RSM_NODE_ABSENT);
	assert_done(rsm_volume_index_forget_unindexed(ix, &err), &err);
	assert_done(rsm_volume_index_next_staged(ix, 0, &node, &order, &err), &err);
	assert_int_equal(node.id, b);
	assert_done(rsm_volume_index_next_staged(ix, order, &node, &order, &err), &err);
	assert_int_equal(node.id, a);
	assert_int_equal(totals().staged_bytes, 30);
	assert_done(rsm_volume_index_extents(ix, b, &e, &count, &err), &err);
	assert_int_equal(count, 0);
	free(e);
}

static void all_staged_ranges_can_be_claimed(void **state)
{
	struct freed f = { 0 };
	uint64_t b;

	(void)state;
	staged_file("a", 10, 1);
	b = staged_file("b", 20, 2);
	stage(make(1, "open", RSM_NODE_FILE), 5, 0, 0);
	migrate(b, 3);
	assert_done(rsm_volume_index_each_staged(ix, freed, &f, &err), &err);
	assert_int_equal(f.count, 3);
	assert_int_equal(f.bytes, 35);
}

/* ---- surviving ---- */

/* Runs `act` in a process that is killed without closing anything. */
static void killed_after(void (*act)(void))
{
	pid_t child;
	int status;

	close_index();
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (rsm_volume_index_open(path, &ix, &err) < 0)
			_exit(1);
		act();
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	open_index();
}

static uint64_t version_before;

static void commit_two_and_begin_a_third(void)
{
	uint64_t a = staged_file("a", 100, 1);

	staged_file("b", 50, 2);
	make(1, "d", RSM_NODE_FOLDER);
	migrate(a, 3);
	commit();
	make(1, "lost", RSM_NODE_FILE);
}

static void what_was_committed_survives_a_kill(void **state)
{
	struct rsm_node node;
	uint64_t order, top;

	(void)state;
	version_before = rsm_volume_index_tree_version(ix);
	killed_after(commit_two_and_begin_a_third);
	assert_true(exists(1, "a"));
	assert_true(exists(1, "d"));
	assert_false(exists(1, "lost"));
	assert_int_equal(totals().files, 2);
	assert_int_equal(totals().folders, 1);
	assert_int_equal(totals().file_bytes, 150);
	assert_int_equal(totals().staged_bytes, 50);
	assert_int_equal(rsm_volume_index_last_close_order(ix), 2);
	assert_done(rsm_volume_index_next_staged(ix, 0, &node, &order, &err), &err);
	assert_int_equal(node.id, lookup(1, "b").id);
	assert_true(rsm_volume_index_tree_version(ix) > version_before + 6);
	top = lookup(1, "d").id;
	assert_true(make(1, "new", RSM_NODE_FILE) > top + 1); /* "lost" had that one */
}

static void commit_and_index(void)
{
	struct freed f = { 0 };

	migrate(staged_file("a", 100, 1), 3);
	index_all(&f);
	commit();
}

static void a_volume_whose_index_is_written_is_not_dirty_after_a_kill(void **state)
{
	(void)state;
	killed_after(commit_and_index);
	assert_int_equal(rsm_volume_index_tree_version(ix), rsm_volume_index_indexed_version(ix));
	assert_int_equal(totals().file_bytes, 100);
}

static void commit_durably(void)
{
	staged_file("a", 100, 1);
	if (rsm_volume_index_commit(ix, true, &err) < 0)
		_exit(1);
}

static void a_durable_commit_survives_too(void **state)
{
	(void)state;
	killed_after(commit_durably);
	assert_int_equal(totals().staged_bytes, 100);
	assert_int_equal(lookup(1, "a").size, 100);
}

static bool count_listed(void *context, const struct rsm_node *node, const char *name,
			 const char *key)
{
	(void)node, (void)name, (void)key;
	++*(unsigned *)context;
	return true;
}

/* A limit on the size of files stands for the full disk. */
static void a_full_disk_leaves_memory_and_file_in_agreement(void **state)
{
	struct rlimit whole, small;
	unsigned listed = 0, queued = 0;
	uint64_t order = 0;
	struct rsm_node node;
	int r = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
	small = whole;
	small.rlim_cur = 300000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (unsigned i = 0; r == 0 && i < 10000; i++) {
		struct rsm_staged_range range = { 0, 10, 1, i, false };
		char name[16];

		snprintf(name, sizeof name, "f%u", i);
		node = some(RSM_NODE_FILE);
		r = rsm_volume_index_create(ix, 1, name, &node, NULL, &err);
		if (r == 0)
			r = rsm_volume_index_stage(ix, &node, &range, 1, i + 1, &err);
		if (r == 0)
			r = rsm_volume_index_commit(ix, false, &err);
	}
	assert_true(r < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);

	assert_done(rsm_volume_index_list(ix, 1, "", count_listed, &listed, &err), &err);
	assert_true(listed > 10);
	assert_int_equal(totals().files, listed);
	make(1, "again", RSM_NODE_FILE);
	while ((r = rsm_volume_index_next_staged(ix, order, &node, &order, &err)) == 0)
		queued++;
	assert_int_equal(r, RSM_NODE_ABSENT);
	assert_int_equal(queued, totals().staged_files);
	close_index();
	open_index();
	assert_int_equal(totals().files, listed + 1);
	assert_true(exists(1, "again"));
}

static void facts_are_part_of_the_transaction(void **state)
{
	uint64_t number;
	char *value;

	(void)state;
	assert_done(rsm_volume_index_get_fact(ix, "uuid", &value, &err), &err);
	assert_null(value);
	assert_done(rsm_volume_index_set_fact(ix, "uuid", "abc", &err), &err);
	assert_done(rsm_volume_index_set_number(ix, "n", UINT64_MAX, &err), &err);
	assert_int_equal(rsm_volume_index_get_number(ix, "uuid", &number, 0, &err), -EBADMSG);
	close_index();
	open_index();
	assert_done(rsm_volume_index_get_fact(ix, "uuid", &value, &err), &err);
	assert_string_equal(value, "abc");
	free(value);
	assert_done(rsm_volume_index_get_number(ix, "n", &number, 0, &err), &err);
	assert_true(number == UINT64_MAX);
	assert_done(rsm_volume_index_set_fact(ix, "n", NULL, &err), &err);
	assert_done(rsm_volume_index_get_number(ix, "n", &number, 5, &err), &err);
	assert_int_equal(number, 5);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
	struct rsm_volume_index *none;
	sqlite3 *db;

	(void)state;
	close_index();
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=2", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(rsm_volume_index_open(path, &none, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "newer rsmfs"));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=1", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	open_index();
}

static void garbage_is_refused(void **state)
{
	struct rsm_volume_index *none;
	char garbage[8192];
	sqlite3 *db;

	(void)state;
	close_index();
	memset(garbage, 'x', sizeof garbage);
	assert_done(rsm_file_save(path, garbage, sizeof garbage, 0600, 0, &err), &err);
	assert_int_equal(rsm_volume_index_open(path, &none, &err), -EBADMSG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE t(a)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(rsm_volume_index_open(path, &none, &err), -EBADMSG);
}

static const struct CMUnitTest tests[] = {
	TEST(new_extents_split_the_older_ones),
	TEST(the_volumes_block_size_counts),
	TEST(a_truncation_cuts_extents_and_ranges),
	TEST(files_are_migrated_in_the_order_of_closing),
	TEST(a_file_that_changed_meanwhile_is_not_migrated),
	TEST(a_digest_lives_as_long_as_the_contents),
	TEST(staged_ranges_stay_until_an_index_covers_them_and_no_longer),
	TEST(what_no_index_covers_can_be_forgotten),
	TEST(all_staged_ranges_can_be_claimed),
	TEST(what_was_committed_survives_a_kill),
	TEST(a_volume_whose_index_is_written_is_not_dirty_after_a_kill),
	TEST(a_durable_commit_survives_too),
	TEST(a_full_disk_leaves_memory_and_file_in_agreement),
	TEST(facts_are_part_of_the_transaction),
	TEST(a_newer_schema_is_refused_and_left_alone),
	TEST(garbage_is_refused),
};
RSM_TEST_MAIN(tests)
