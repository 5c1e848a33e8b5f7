/* Snapshots of a volume index, and trees that are read from a medium. */
#include "tests/core/volume_index_fixture.h"

/* ---- snapshots ---- */

static void a_snapshot_does_not_see_later_changes(void **state)
{
	uint64_t d = make(1, "d", RSM_NODE_FOLDER), f = make(d, "f", RSM_NODE_FILE);
	static const char *const expected[] = { "+", "+d", "=f", "-", "=k", "=y", "-" };
	struct rsm_index_snapshot *s;
	struct rsm_snapshot_node node;
	uint64_t a;

	(void)state;
	assert_done(rsm_volume_index_set_xattr(ix, f, "k", "vv", 2, 0, &err), &err);
	a = staged_file("y", 30, 1);
	make(1, "k", RSM_NODE_LINK);
	s = snapshot();
	assert_int_equal(rsm_index_snapshot_tree_version(s), rsm_volume_index_tree_version(ix));
	assert_int_equal(rsm_index_snapshot_highest_uid(s), lookup(1, "k").uid);
	make(1, "z", RSM_NODE_FILE);
	assert_done(
		rsm_volume_index_remove(ix, d, "f", false, false, &later, NULL, NULL, NULL, &err),
		&err);
	migrate(a, 4);
	commit();
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		int r = rsm_index_snapshot_walk(s, &node, &err);

		assert_int_equal(r, expected[i][0] == '+'   ? RSM_WALK_ENTER
				    : expected[i][0] == '-' ? RSM_WALK_LEAVE
							    : RSM_WALK_LEAF);
		if (r != RSM_WALK_LEAVE)
			assert_string_equal(node.name, expected[i] + 1);
		if (r == RSM_WALK_LEAF && node.name[0] == 'f') {
			assert_int_equal(node.xattr_count, 1);
			assert_string_equal(node.xattrs[0].key, "k");
			assert_memory_equal(node.xattrs[0].value, "vv", 2);
		}
		if (r == RSM_WALK_LEAF && node.name[0] == 'k')
			assert_string_equal(node.link_target, "target");
		if (r == RSM_WALK_LEAF && node.name[0] == 'y')
			assert_true(node.pending && !node.extent_count);
	}
	assert_int_equal(rsm_index_snapshot_walk(s, &node, &err), RSM_WALK_END);
	assert_int_equal(rsm_index_snapshot_walk(s, &node, &err), RSM_WALK_END);
	rsm_index_snapshot_close(s);

	s = snapshot();
	while (rsm_index_snapshot_walk(s, &node, &err) != RSM_WALK_END)
		if (node.name && strcmp(node.name, "y") == 0)
			assert_true(!node.pending && node.extent_count == 1);
	rsm_index_snapshot_close(s);
}

/* ---- loaders ---- */

static struct rsm_index_loader *loader(void)
{
	struct rsm_node root = some(RSM_NODE_FOLDER);
	struct rsm_index_loader *l;

	assert_done(rsm_index_loader_new(path, &l, &err), &err);
	assert_done(rsm_index_loader_node(l, 0, NULL, &root, NULL, NULL, 0, &err), &err);
	return l;
}

static uint64_t load(struct rsm_index_loader *l, uint64_t parent, const char *name,
		     enum rsm_node_kind kind, uint64_t uid, uint64_t size, uint64_t block)
{
	struct rsm_extent e = { 0, block, 0, size, 'b', true };
	struct rsm_node node = some(kind);

	node.uid = uid;
	node.size = size;
	assert_done(rsm_index_loader_node(l, parent, name, &node,
					  kind == RSM_NODE_LINK ? "target" : NULL, &e, block != 0,
					  &err),
		    &err);
	return node.id;
}

static char conflicts_text[256];

static void replace(struct rsm_index_loader *l, uint64_t highest)
{
	RSM_TEXT struct rsm_text conflicts = { 0 };

	assert_done(rsm_index_loader_finish(l, highest, &err), &err);
	assert_done(rsm_volume_index_replace(ix, l, &conflicts, &err), &err);
	memset(conflicts_text, 0, sizeof conflicts_text);
	if (conflicts.length)
		memcpy(conflicts_text, conflicts.data, conflicts.length);
}

static void a_loaded_tree_is_what_the_medium_says(void **state)
{
	struct rsm_index_loader *l = loader();
	struct rsm_node folder_node = some(RSM_NODE_FOLDER);
	uint64_t d, f;
	struct rsm_extent *e;
	size_t count;

	(void)state;
	d = load(l, 1, NULL, RSM_NODE_FOLDER, 20, 0, 0);
	f = load(l, d, "caf\xc3\xa9", RSM_NODE_FILE, 21, 100, 5);
	load(l, d, "l", RSM_NODE_LINK, 22, 0, 0);
	folder_node.id = d;
	folder_node.mode = 0711;
	assert_done(rsm_index_loader_update(l, &folder_node, "d", &err), &err);
	assert_done(rsm_index_loader_xattr(l, f, "k", "v", 1, &err), &err);
	assert_done(rsm_index_loader_unknown(l, f, "<x/>", &err), &err);
	assert_done(rsm_index_loader_set_fact(l, "generation", "7", &err), &err);
	replace(l, 30);
	assert_int_equal(lookup(1, "d").id, 20);
	assert_int_equal(lookup(1, "d").mode, 0711);
	assert_int_equal(lookup(20, "caf\xc3\xa9").id, 21);
	assert_int_equal(get(21).flags,
			 RSM_NODE_HAS_UNIX | RSM_NODE_HAS_XATTRS | RSM_NODE_HAS_UNKNOWN);
	assert_done(rsm_volume_index_extents(ix, 21, &e, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_true(e[0].indexed);
	free(e);
	assert_int_equal(totals().files, 1);
	assert_int_equal(totals().links, 1);
	assert_int_equal(totals().folders, 1);
	assert_int_equal(totals().file_bytes, 100);
	assert_int_equal(rsm_volume_index_tree_version(ix), rsm_volume_index_indexed_version(ix));
	assert_int_equal(make(1, "new", RSM_NODE_FILE), 31);
	assert_int_not_equal(access(path, F_OK), -1);
}

static void doubled_names_and_uids_stay_reachable(void **state)
{
	struct rsm_index_loader *l = loader();

	(void)state;
	load(l, 1, "f", RSM_NODE_FILE, 5, 1, 1);
	load(l, 1, "f", RSM_NODE_FILE, 6, 2, 2);
	load(l, 1, "f~2", RSM_NODE_FILE, 7, 3, 3);
	load(l, 1, "f", RSM_NODE_FOLDER, 8, 0, 0);
	load(l, 1, "g", RSM_NODE_FILE, 5, 4, 4); /* a uid that is given already */
	load(l, 1, "h", RSM_NODE_FILE, 0, 5, 5);
	load(l, 1, "i", RSM_NODE_FILE, UINT64_C(1) << 63, 6, 6);
	load(l, 1, "..", RSM_NODE_FILE, 9, 7, 7);
	load(l, 1, "a/b", RSM_NODE_FILE, 10, 8, 8);
	replace(l, 3);
	assert_int_equal(lookup(1, "f").size, 1);
	assert_int_equal(lookup(1, "f~2").size, 3);
	assert_int_equal(lookup(1, "f~3").size, 2);
	assert_int_equal(lookup(1, "f~4").kind, RSM_NODE_FOLDER);
	assert_int_equal(lookup(1, "..~2").size, 7);
	assert_int_equal(lookup(1, "a_b").size, 8);
	assert_true(lookup(1, "i").uid == UINT64_C(1) << 63);
	assert_true(lookup(1, "i").id <= RSM_NODE_ID_MAX);
	assert_true(lookup(1, "g").uid > UINT64_C(1) << 63);
	assert_true(lookup(1, "h").uid > UINT64_C(1) << 63);
	assert_true(lookup(1, "g").uid != lookup(1, "h").uid);
	assert_int_equal(totals().files, 8);
	make(1, "new", RSM_NODE_FILE);
	assert_true(lookup(1, "new").uid > lookup(1, "h").uid);
	assert_true(lookup(1, "new").id <= RSM_NODE_ID_MAX);
}

static void an_unfinished_load_leaves_nothing(void **state)
{
	struct rsm_index_loader *l = loader();
	char load_path[160];

	(void)state;
	make(1, "f", RSM_NODE_FILE);
	snprintf(load_path, sizeof load_path, "%s.load", path);
	assert_int_equal(access(load_path, F_OK), 0);
	assert_int_equal(rsm_volume_index_replace(ix, l, NULL, &err), -EINVAL);
	assert_int_equal(access(load_path, F_OK), -1);
	assert_true(exists(1, "f"));
}

/* The medium: d/ (2) with kept (3), changed (4), gone (5) and renamed (6). */
static void given_an_indexed_volume(void)
{
	struct rsm_index_loader *l = loader();
	uint64_t d = load(l, 1, "d", RSM_NODE_FOLDER, 2, 0, 0);

	load(l, d, "kept", RSM_NODE_FILE, 3, 10, 3);
	load(l, d, "changed", RSM_NODE_FILE, 4, 10, 4);
	load(l, d, "gone", RSM_NODE_FILE, 5, 10, 5);
	load(l, d, "renamed", RSM_NODE_FILE, 6, 10, 6);
	assert_done(rsm_index_loader_set_fact(l, "generation", "1", &err), &err);
	assert_done(rsm_volume_index_set_fact(ix, "pool", "P", &err), &err);
	replace(l, 6);
}

static void replacing_keeps_what_is_staged_and_tells_conflicts(void **state)
{
	uint64_t fresh, inner, order = 0, sub, orphan;
	struct rsm_index_loader *l;
	struct rsm_node node;
	struct freed f = { 0 };
	char *value;

	(void)state;
	given_an_indexed_volume();
	for (uint64_t id = 3; id <= 6; id++)
		stage(id, 20 + id, id * 100, id);
	fresh = staged_file("fresh", 40, 7); /* uid 7 here, and another's there */
	sub = make(2, "sub", RSM_NODE_FOLDER);
	inner = make(sub, "inner", RSM_NODE_FILE);
	stage(inner, 50, 900, 8);
	make(sub, "link", RSM_NODE_LINK);
	make(1, "empty", RSM_NODE_FILE);
	orphan = make(1, "orphan", RSM_NODE_FILE);
	assert_done(rsm_volume_index_remove(ix, 1, "orphan", false, true, &later, NULL, NULL, NULL,
					    &err),
		    &err);

	l = loader();
	load(l, 1, "d", RSM_NODE_FOLDER, 2, 0, 0);
	load(l, 2, "kept", RSM_NODE_FILE, 3, 10, 3);
	load(l, 2, "changed", RSM_NODE_FILE, 4, 11, 40);
	load(l, 2, "other name", RSM_NODE_FILE, 6, 10, 6);
	load(l, 2, "theirs", RSM_NODE_FOLDER, 7, 0, 0);
	load(l, 7, "x", RSM_NODE_FILE, 8, 10, 9);
	assert_done(rsm_index_loader_set_fact(l, "generation", "2", &err), &err);
	replace(l, 8);

	assert_int_equal(lookup(2, "kept").size, 23);
	assert_int_equal(lookup(2, "kept").id, 3);
	assert_int_equal(count_staged(3), 1);
	assert_int_equal(lookup(2, "changed").size, 11);
	assert_int_equal(lookup(2, "changed").uid, 4);
	assert_string_equal(conflicts_text, "changed~staged");
	assert_int_equal(lookup(2, "changed~staged").size, 24);
	assert_int_equal(lookup(2, "changed~staged").id, 4);
	assert_int_equal(lookup(2, "gone").size, 25);
	assert_int_equal(lookup(2, "other name").size, 26);
	assert_false(exists(2, "renamed"));
	assert_int_equal(lookup(1, "fresh").id, fresh);
	assert_int_equal(lookup(1, "fresh").size, 40);
	assert_int_equal(lookup(2, "theirs").uid, 7);
	assert_int_equal(lookup(lookup(2, "theirs").id, "x").size, 10);
	assert_int_equal(lookup(lookup(2, "sub").id, "inner").id, inner);
	assert_true(exists(lookup(2, "sub").id, "link"));
	assert_true(exists(1, "empty"));
	assert_int_equal(get(orphan).parent, 0);

	assert_done(rsm_volume_index_get_fact(ix, "pool", &value, &err), &err);
	assert_string_equal(value, "P");
	free(value);
	assert_done(rsm_volume_index_get_fact(ix, "generation", &value, &err), &err);
	assert_string_equal(value, "2");
	free(value);
	for (uint64_t expected = 3; expected <= 8; expected++) {
		assert_done(rsm_volume_index_next_staged(ix, order, &node, &order, &err), &err);
		assert_int_equal(order, expected);
	}
	assert_int_equal(totals().staged_files, 6);
	assert_int_equal(totals().staged_bytes, 23 + 24 + 25 + 26 + 40 + 50);
	assert_true(rsm_volume_index_tree_version(ix) > rsm_volume_index_indexed_version(ix));
	assert_done(rsm_volume_index_each_staged(ix, freed, &f, &err), &err);
	assert_int_equal(f.count, 6);

	/* the counters agree with what a new count finds */
	order = totals().files;
	close_index();
	{
		sqlite3 *db;

		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(
			sqlite3_exec(db, "UPDATE state SET clean=0,files=99", NULL, NULL, NULL),
			SQLITE_OK);
		sqlite3_close(db);
	}
	open_index();
	assert_int_equal(totals().files, order);
	assert_int_equal(totals().staged_files, 6);
}

static void our_own_index_found_after_a_crash_is_no_conflict(void **state)
{
	uint64_t a = staged_file("a", 10, 1), b = staged_file("b", 20, 2), d;
	struct rsm_index_loader *l;

	(void)state;
	d = make(1, "d", RSM_NODE_FOLDER);
	migrate(a, 5);
	migrate(b, 6);
	stage(b, 21, 500, 3); /* changed after it was written */
	/* an index of this went to the medium, but nobody lived to note it */
	l = loader();
	load(l, 1, "a", RSM_NODE_FILE, a, 10, 5);
	load(l, 1, "b", RSM_NODE_FILE, b, 20, 6);
	load(l, 1, "d", RSM_NODE_FOLDER, d, 0, 0);
	replace(l, d);
	assert_string_equal(conflicts_text, "");
	assert_int_equal(count_staged(a), 0);
	assert_int_equal(lookup(1, "a").id, a);
	assert_int_equal(count_staged(b), 1);
	assert_int_equal(lookup(1, "b").size, 21);
	assert_int_equal(totals().files, 2);
	assert_int_equal(totals().folders, 1);
	assert_int_equal(totals().staged_bytes, 21);
}

static const struct CMUnitTest tests[] = {
	TEST(a_snapshot_does_not_see_later_changes),
	TEST(a_loaded_tree_is_what_the_medium_says),
	TEST(doubled_names_and_uids_stay_reachable),
	TEST(an_unfinished_load_leaves_nothing),
	TEST(replacing_keeps_what_is_staged_and_tells_conflicts),
	TEST(our_own_index_found_after_a_crash_is_no_conflict),
};
RSM_TEST_MAIN(tests)
