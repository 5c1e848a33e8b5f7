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

static void open_index(void)
{
	assert_done(rsm_volume_index_open(path, &ix, &err), &err);
}

static void close_index(void)
{
	rsm_volume_index_close(ix);
	ix = NULL;
}

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/rsm-test-index-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/index.db", folder);
	ix = NULL;
	return rsm_volume_index_open(path, &ix, &err);
}

static int tear_down(void **state)
{
	(void)state;
	close_index();
	return rsm_file_remove_tree(folder, NULL);
}

static struct rsm_node some(enum rsm_node_kind kind)
{
	struct timespec t = { .tv_sec = 1000, .tv_nsec = 5 };
	struct rsm_node node = { .kind = kind, .mode = 0640, .flags = RSM_NODE_HAS_UNIX };

	node.times = (struct rsm_node_times){ t, t, t, t, t };
	return node;
}

static uint64_t make(uint64_t parent, const char *name, enum rsm_node_kind kind)
{
	struct rsm_node node = some(kind);

	assert_done(rsm_volume_index_create(ix, parent, name, &node,
					    kind == RSM_NODE_LINK ? "target" : NULL, &err),
		    &err);
	return node.id;
}

static struct rsm_node get(uint64_t id)
{
	struct rsm_node node;

	assert_done(rsm_volume_index_get(ix, id, &node, &err), &err);
	return node;
}

static struct rsm_node lookup(uint64_t parent, const char *name)
{
	struct rsm_node node;

	assert_done(rsm_volume_index_lookup(ix, parent, name, &node, &err), &err);
	return node;
}

static bool exists(uint64_t parent, const char *name)
{
	struct rsm_node node;
	int r = rsm_volume_index_lookup(ix, parent, name, &node, &err);

	assert_true(r == 0 || r == RSM_NODE_ABSENT);
	return r == 0;
}

/* One range of `count` bytes in log 1 at `store_offset`; the contents change. */
static void stage(uint64_t id, uint64_t count, uint64_t store_offset, uint64_t order)
{
	struct rsm_staged_range range = { 0, count, 1, store_offset, false };
	struct rsm_node node = get(id);

	node.size = count;
	node.data_version++;
	assert_done(rsm_volume_index_stage(ix, &node, &range, 1, order, &err), &err);
}

static uint64_t staged_file(const char *name, uint64_t count, uint64_t order)
{
	uint64_t id = make(RSM_NODE_ROOT, name, RSM_NODE_FILE);

	stage(id, count, order * 1000, order);
	return id;
}

static void migrate(uint64_t id, uint64_t block)
{
	struct rsm_node node = get(id);
	struct rsm_extent e = { .start_block = block, .byte_count = node.size, .partition = 'b' };

	assert_done(rsm_volume_index_migrated(ix, id, node.data_version, &e, 1, &err), &err);
}

static size_t count_staged(uint64_t id)
{
	struct rsm_staged_range *ranges;
	size_t count;

	assert_done(rsm_volume_index_staged(ix, id, &ranges, &count, &err), &err);
	free(ranges);
	return count;
}

static void commit(void)
{
	assert_done(rsm_volume_index_commit(ix, false, &err), &err);
}

static struct rsm_index_snapshot *snapshot(void)
{
	struct rsm_index_snapshot *s;

	assert_done(rsm_volume_index_snapshot(ix, &s, &err), &err);
	return s;
}

struct freed {
	unsigned count;
	uint64_t bytes, last_offset;
};

static void freed(void *context, uint64_t id, const struct rsm_staged_range *range)
{
	struct freed *f = context;

	(void)id;
	f->count++;
	f->bytes += range->byte_count;
	f->last_offset = range->store_offset;
}

static void index_all(struct freed *f)
{
	struct rsm_index_snapshot *s = snapshot();

	assert_done(rsm_volume_index_indexed(ix, s, freed, f, &err), &err);
	rsm_index_snapshot_close(s);
}

static struct rsm_volume_totals totals(void)
{
	struct rsm_volume_totals t;

	assert_done(rsm_volume_index_totals(ix, &t, &err), &err);
	return t;
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
	TEST(removing_checks_what_is_there),
	TEST(a_rename_makes_the_replaced_one_an_orphan),
	TEST(a_rename_keeps_folders_in_a_tree),
	TEST(attributes_are_kept_with_their_flags),
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
	TEST(a_snapshot_does_not_see_later_changes),
	TEST(a_loaded_tree_is_what_the_medium_says),
	TEST(doubled_names_and_uids_stay_reachable),
	TEST(an_unfinished_load_leaves_nothing),
	TEST(replacing_keeps_what_is_staged_and_tells_conflicts),
	TEST(our_own_index_found_after_a_crash_is_no_conflict),
};
RSM_TEST_MAIN(tests)
