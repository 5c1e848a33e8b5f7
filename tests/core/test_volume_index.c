/* Names and attributes of a volume index. */
#include "tests/core/volume_index_fixture.h"

/* ---- names and attributes ---- */

static void a_new_volume_has_a_root_and_nothing_else(void **state)
{
	struct rsm_node root = get(RSM_NODE_ROOT), none;

	(void)state;
	assert_int_equal(root.kind, RSM_NODE_FOLDER);
	assert_int_equal(root.uid, 1);
	assert_int_equal(root.parent, 0);
	assert_int_equal(rsm_volume_index_get(ix, 2, &none, &err), RSM_NODE_ABSENT);
	assert_int_equal(totals().files + totals().folders, 0);
}

static void a_created_node_keeps_all_its_attributes(void **state)
{
	struct rsm_node node = some(RSM_NODE_FILE), found;

	(void)state;
	node.times.created = (struct timespec){ -62167219200, 999999999 };
	node.times.backed_up = (struct timespec){ 253402300799, 1 };
	node.owner = 4000000000;
	node.group = 7;
	node.size = UINT64_C(1) << 62;
	assert_done(rsm_volume_index_create(ix, 1, "f", &node, NULL, &err), &err);
	assert_int_equal(node.id, node.uid);
	found = lookup(1, "f");
	assert_int_equal(found.parent, 1);
	node.parent = 1;
	assert_memory_equal(&found.times, &node.times, sizeof node.times);
	assert_int_equal(found.owner, 4000000000);
	assert_int_equal(found.size, UINT64_C(1) << 62);
	assert_int_equal(found.mode, 0640);

	found.mode = 0600;
	found.data_version = 9;
	assert_done(rsm_volume_index_update(ix, &found, &err), &err);
	assert_int_equal(get(node.id).mode, 0600);
	assert_int_equal(get(node.id).data_version, 9);
}

static void names_that_only_differ_in_spelling_are_one_name(void **state)
{
	struct rsm_node node = some(RSM_NODE_FILE);
	uint64_t id = make(1, "cafe\xcc\x81", RSM_NODE_FILE), parent;
	char *name;

	(void)state;
	assert_int_equal(rsm_volume_index_create(ix, 1, "caf\xc3\xa9", &node, NULL, &err), -EEXIST);
	assert_int_equal(lookup(1, "cafe\xcc\x81").id, id);
	assert_false(exists(1, "caf\xc3\xa9"));
	assert_int_equal(rsm_volume_index_remove(ix, 1, "caf\xc3\xa9", false, false, &later, NULL,
						 NULL, NULL, &err),
			 -ENOENT);
	make(1, "other", RSM_NODE_FILE);
	assert_int_equal(
		rsm_volume_index_rename(ix, 1, "other", 1, "caf\xc3\xa9", 0, &later, NULL, &err),
		-EEXIST);
	assert_done(rsm_volume_index_rename(ix, 1, "cafe\xcc\x81", 1, "caf\xc3\xa9",
					    RENAME_NOREPLACE, &later, NULL, &err),
		    &err);
	assert_int_equal(lookup(1, "caf\xc3\xa9").id, id);
	assert_done(rsm_volume_index_rename(ix, 1, "caf\xc3\xa9", 1, "cafe\xcc\x81", 0, &later,
					    NULL, &err),
		    &err);
	assert_done(rsm_volume_index_name(ix, id, &parent, &name, &err), &err);
	assert_string_equal(name, "cafe\xcc\x81");
	free(name);
}

static void creating_checks_folder_and_name(void **state)
{
	struct rsm_node node = some(RSM_NODE_FILE);
	uint64_t file = make(1, "f", RSM_NODE_FILE);

	(void)state;
	assert_int_equal(rsm_volume_index_create(ix, 77, "x", &node, NULL, &err), -ENOENT);
	assert_int_equal(rsm_volume_index_create(ix, file, "x", &node, NULL, &err), -ENOTDIR);
	assert_int_equal(rsm_volume_index_create(ix, 1, "a/b", &node, NULL, &err), -EILSEQ);
	assert_int_equal(rsm_volume_index_create(ix, 1, "f", &node, NULL, &err), -EEXIST);
	assert_int_equal(totals().files, 1);
}

static void a_change_in_a_folder_shows_in_its_times(void **state)
{
	uint64_t sub[20];

	(void)state;
	for (int i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof name, "d%d", i);
		sub[i] = make(1, name, RSM_NODE_FOLDER);
	}
	for (int i = 0; i < 20; i++) {
		make(sub[i], "f", RSM_NODE_FILE);
		assert_done(rsm_volume_index_remove(ix, sub[i], "f", false, false, &later, NULL,
						    NULL, NULL, &err),
			    &err);
	}
	assert_int_equal(get(sub[0]).times.modified.tv_sec, 2000);
	assert_int_equal(get(sub[19]).times.changed.tv_nsec, 7);
	assert_int_equal(get(sub[0]).times.created.tv_sec, 1000);
	close_index();
	open_index();
	assert_int_equal(get(sub[0]).times.modified.tv_sec, 2000);
	assert_int_equal(get(sub[19]).times.modified.tv_sec, 2000);
}

struct listing {
	unsigned count, limit;
	char last[RSM_NODE_NAME_MAX + 1];
	bool in_order;
};

static bool list_one(void *context, const struct rsm_node *node, const char *name, const char *key)
{
	struct listing *l = context;

	(void)node, (void)name;
	if (l->count == l->limit)
		return false;
	if (strcmp(key, l->last) <= 0)
		l->in_order = false;
	strcpy(l->last, key);
	l->count++;
	return true;
}

static void a_folder_of_100000_lists_in_order_while_entries_go(void **state)
{
	struct listing l = { .in_order = true };
	unsigned total = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		char name[32];

		snprintf(name, sizeof name, "%06d", i * 7919 % 100000);
		make(1, name, RSM_NODE_FILE);
	}
	commit();
	for (;;) {
		char key[RSM_NODE_NAME_MAX + 1];

		l.count = 0;
		l.limit = 1000;
		strcpy(key, l.last);
		assert_done(rsm_volume_index_list(ix, 1, key, list_one, &l, &err), &err);
		if (!l.count)
			break;
		total += l.count;
		/* the last one given, and one that is behind */
		assert_done(rsm_volume_index_remove(ix, 1, l.last, false, false, &later, NULL, NULL,
						    NULL, &err),
			    &err);
		snprintf(key, sizeof key, "%06d", atoi(l.last) + 500);
		if (exists(1, key))
			assert_done(rsm_volume_index_remove(ix, 1, key, false, false, &later, NULL,
							    NULL, NULL, &err),
				    &err);
	}
	assert_true(l.in_order);
	assert_int_equal(total + (100000 - totals().files) - 100, 100000);
}

static bool note_path(void *context, const struct rsm_node *node, const char *found)
{
	char *all = context;

	(void)node;
	strcat(all, found);
	strcat(all, ";");
	return true;
}

static void paths_and_found_names_are_whole(void **state)
{
	uint64_t a = make(1, "a", RSM_NODE_FOLDER), b = make(a, "b\xc3\xa9", RSM_NODE_FOLDER);
	uint64_t c = make(b, "c.txt", RSM_NODE_FILE);
	char found[256] = "", *text;

	(void)state;
	make(1, "d.txt", RSM_NODE_LINK);
	assert_done(rsm_volume_index_path(ix, c, &text, &err), &err);
	assert_string_equal(text, "a/b\xc3\xa9/c.txt");
	free(text);
	assert_done(rsm_volume_index_path(ix, 1, &text, &err), &err);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(rsm_volume_index_path(ix, 99, &text, &err), RSM_NODE_ABSENT);
	assert_done(rsm_volume_index_find(ix, "*.txt", note_path, found, &err), &err);
	assert_string_equal(found, "a/b\xc3\xa9/c.txt;d.txt;");
	assert_done(rsm_volume_index_link_target(ix, lookup(1, "d.txt").id, &text, &err), &err);
	assert_string_equal(text, "target");
	free(text);
	assert_int_equal(rsm_volume_index_link_target(ix, c, &text, &err), -EINVAL);
}

static void a_kept_orphan_stays_until_dropped(void **state)
{
	uint64_t id = staged_file("f", 10, 1), gone, parent, order;
	struct freed f = { 0 };
	struct rsm_node node;
	char *name;

	(void)state;
	assert_done(
		rsm_volume_index_remove(ix, 1, "f", false, true, &later, &gone, freed, &f, &err),
		&err);
	assert_int_equal(gone, id);
	assert_int_equal(f.count, 0);
	assert_int_equal(get(id).parent, 0);
	assert_false(exists(1, "f"));
	assert_int_equal(rsm_volume_index_name(ix, id, &parent, &name, &err), RSM_NODE_ABSENT);
	assert_int_equal(rsm_volume_index_next_staged(ix, 0, &node, &order, &err), RSM_NODE_ABSENT);
	assert_int_equal(totals().files + totals().staged_files, 0);

	stage(id, 20, 5, 2); /* an open file may still be written */
	assert_int_equal(rsm_volume_index_next_staged(ix, 0, &node, &order, &err), RSM_NODE_ABSENT);
	assert_done(rsm_volume_index_drop(ix, id, freed, &f, &err), &err);
	assert_int_equal(f.bytes, 20);
	assert_int_equal(rsm_volume_index_get(ix, id, &node, &err), RSM_NODE_ABSENT);

	id = staged_file("g", 10, 3);
	assert_done(rsm_volume_index_drop(ix, id, freed, &f, &err), &err);
	assert_true(exists(1, "g"));
}

static void orphans_go_at_the_next_open(void **state)
{
	uint64_t id = make(1, "f", RSM_NODE_FILE);
	struct rsm_node node;

	(void)state;
	assert_done(rsm_volume_index_set_xattr(ix, id, "k", "v", 1, 0, &err), &err);
	assert_done(
		rsm_volume_index_remove(ix, 1, "f", false, true, &later, NULL, NULL, NULL, &err),
		&err);
	close_index();
	open_index();
	assert_int_equal(rsm_volume_index_get(ix, id, &node, &err), RSM_NODE_ABSENT);
	assert_int_not_equal(make(1, "f", RSM_NODE_FILE), id);
}

/* Who is told that it is damaged moves it away, and not its log. */
static void a_log_without_its_database_is_nobodys(void **state)
{
	char command[512];

	(void)state;
	make(1, "f", RSM_NODE_FILE);
	assert_done(rsm_volume_index_commit(ix, true, &err), &err);
	snprintf(command, sizeof command, "cp %s-wal %s/log", path, folder);
	assert_int_equal(system(command), 0);
	close_index();
	snprintf(command, sizeof command, "cd %s && rm index.db* && mv log index.db-wal", folder);
	assert_int_equal(system(command), 0);

	open_index();
	assert_false(exists(1, "f"));
	make(1, "g", RSM_NODE_FILE);
	close_index();
	open_index();
	assert_true(exists(1, "g"));
	assert_int_equal(totals().files, 1);
}

static void removing_checks_what_is_there(void **state)
{
	uint64_t d = make(1, "d", RSM_NODE_FOLDER);
	uint64_t id;

	(void)state;
	make(d, "f", RSM_NODE_FILE);
#define REMOVE(parent, name, want)                                                                 \
	rsm_volume_index_remove(ix, parent, name, want, false, &later, &id, NULL, NULL, &err)
	assert_int_equal(REMOVE(1, "x", false), -ENOENT);
	assert_int_equal(REMOVE(1, "d", false), -EISDIR);
	assert_int_equal(REMOVE(1, "d", true), -ENOTEMPTY);
	assert_int_equal(REMOVE(d, "f", true), -ENOTDIR);
	assert_done(REMOVE(d, "f", false), &err);
	assert_done(REMOVE(1, "d", true), &err);
	assert_int_equal(totals().files + totals().folders, 0);
}

static int rename_to(uint64_t from, const char *name, uint64_t to, const char *new_name,
		     unsigned flags, uint64_t *replaced)
{
	return rsm_volume_index_rename(ix, from, name, to, new_name, flags, &later, replaced, &err);
}

static void a_rename_makes_the_replaced_one_an_orphan(void **state)
{
	uint64_t a = make(1, "a", RSM_NODE_FILE), b = make(1, "b", RSM_NODE_FILE), replaced;
	uint64_t d = make(1, "d", RSM_NODE_FOLDER);

	(void)state;
	assert_int_equal(rename_to(1, "a", 1, "b", RENAME_NOREPLACE, &replaced), -EEXIST);
	assert_done(rename_to(1, "a", 1, "b", 0, &replaced), &err);
	assert_int_equal(replaced, b);
	assert_int_equal(lookup(1, "b").id, a);
	assert_int_equal(get(b).parent, 0);
	assert_false(exists(1, "a"));
	assert_done(rename_to(1, "b", d, "c", 0, &replaced), &err);
	assert_int_equal(replaced, 0);
	assert_int_equal(lookup(d, "c").id, a);
	assert_int_equal(totals().files, 1);
	assert_done(rename_to(d, "c", d, "c", 0, &replaced), &err);
	assert_int_equal(replaced, 0);
}

static void a_rename_keeps_folders_in_a_tree(void **state)
{
	uint64_t a = make(1, "a", RSM_NODE_FOLDER), b = make(a, "b", RSM_NODE_FOLDER), replaced;
	uint64_t e = make(1, "e", RSM_NODE_FOLDER);

	(void)state;
	make(1, "f", RSM_NODE_FILE);
	assert_int_equal(rename_to(1, "a", b, "x", 0, &replaced), -EINVAL);
	assert_int_equal(rename_to(1, "a", a, "x", 0, &replaced), -EINVAL);
	assert_int_equal(rename_to(1, "a", b, "x", RENAME_EXCHANGE, &replaced), -ENOENT);
	assert_int_equal(rename_to(1, "e", 1, "a", 0, &replaced), -ENOTEMPTY);
	assert_int_equal(rename_to(1, "e", 1, "f", 0, &replaced), -ENOTDIR);
	assert_int_equal(rename_to(1, "f", 1, "e", 0, &replaced), -EISDIR);
	assert_int_equal(rename_to(1, "x", 1, "y", 0, &replaced), -ENOENT);
	assert_done(rename_to(a, "b", 1, "e", 0, &replaced), &err);
	assert_int_equal(replaced, e);
	assert_done(rename_to(1, "a", 1, "f", RENAME_EXCHANGE, &replaced), &err);
	assert_int_equal(lookup(1, "f").id, a);
	assert_int_equal(lookup(1, "a").kind, RSM_NODE_FILE);
}

static void attributes_are_kept_with_their_flags(void **state)
{
	RSM_TEXT struct rsm_text value = { 0 }, keys = { 0 };
	uint64_t id = make(1, "f", RSM_NODE_FILE);
	struct rsm_node node;

	(void)state;
	assert_int_equal(rsm_volume_index_get_xattr(ix, id, "k", &value, &err), RSM_NODE_ABSENT);
	assert_int_equal(rsm_volume_index_set_xattr(ix, id, "k", "x", 1, XATTR_REPLACE, &err),
			 -ENODATA);
	assert_done(rsm_volume_index_set_xattr(ix, id, "k", "\0\1", 2, XATTR_CREATE, &err), &err);
	assert_int_equal(rsm_volume_index_set_xattr(ix, id, "k", "x", 1, XATTR_CREATE, &err),
			 -EEXIST);
	assert_done(rsm_volume_index_set_xattr(ix, id, "empty", "", 0, 0, &err), &err);
	assert_done(rsm_volume_index_get_xattr(ix, id, "k", &value, &err), &err);
	assert_int_equal(value.length, 2);
	assert_memory_equal(value.data, "\0\1", 2);
	assert_done(rsm_volume_index_list_xattrs(ix, id, &keys, &err), &err);
	assert_int_equal(keys.length, 8);
	assert_memory_equal(keys.data, "empty\0k", 8);

	node = get(id);
	assert_true(node.flags & RSM_NODE_HAS_XATTRS);
	node.flags = RSM_NODE_READONLY; /* a caller's old copy does not lose the bit */
	assert_done(rsm_volume_index_update(ix, &node, &err), &err);
	assert_int_equal(get(id).flags, RSM_NODE_READONLY | RSM_NODE_HAS_XATTRS);
	assert_done(rsm_volume_index_set_xattr(ix, id, "k", NULL, 0, 0, &err), &err);
	assert_done(rsm_volume_index_set_xattr(ix, id, "empty", NULL, 0, 0, &err), &err);
	assert_int_equal(rsm_volume_index_set_xattr(ix, id, "k", NULL, 0, 0, &err), -ENODATA);
	assert_int_equal(get(id).flags, RSM_NODE_READONLY);
}

static const struct CMUnitTest tests[] = {
	TEST(a_new_volume_has_a_root_and_nothing_else),
	TEST(a_created_node_keeps_all_its_attributes),
	TEST(names_that_only_differ_in_spelling_are_one_name),
	TEST(creating_checks_folder_and_name),
	TEST(a_change_in_a_folder_shows_in_its_times),
	TEST(a_folder_of_100000_lists_in_order_while_entries_go),
	TEST(paths_and_found_names_are_whole),
	TEST(a_kept_orphan_stays_until_dropped),
	TEST(orphans_go_at_the_next_open),
	TEST(a_log_without_its_database_is_nobodys),
	TEST(removing_checks_what_is_there),
	TEST(a_rename_makes_the_replaced_one_an_orphan),
	TEST(a_rename_keeps_folders_in_a_tree),
	TEST(attributes_are_kept_with_their_flags),
};
RSM_TEST_MAIN(tests)
