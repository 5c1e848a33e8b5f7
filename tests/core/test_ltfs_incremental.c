/* Incremental indexes (ltfs-format.md 21): what one says of a tree, document by document. */
#include "core/ltfs/index_writer.h"
#include "core/ltfs/value.h"
#include "tests/core/incremental.h"

/* vol/ a (2), d/ (3): e (4), s/ (5): f (6); l (7) -> a */
#define BASE                                                                                       \
	FULL(FULL_FILE("a", 2) FOLDER(OBJECT("d", 3) CONTENTS(                                     \
		FULL_FILE("e", 4) FOLDER(OBJECT("s", 5) CONTENTS(FULL_FILE("f", 6)))))             \
		     PLAIN(OBJECT("l", 7) LENGTH(0) "<symlink>a</symlink>"))
#define BASE_SHAPE "a=2:10 d=3/ e=4:10 s=5/ f=6:10 < < l=7>a "

static char folder[64];

static int feed(struct rsm_index_loader *loader, const char *xml, bool changes,
		struct rsm_ltfs_index_header *header, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	int r = rsm_ltfs_index_reader_new(loader, UUID, &reader, err);

	if (r < 0)
		return r;
	if (changes)
		rsm_ltfs_index_reader_expect_changes(reader);
	/* in small pieces: nothing depends on where a piece ends */
	for (size_t at = 0, length = strlen(xml); !r && at < length; at += 97)
		r = rsm_ltfs_index_reader_feed(reader, xml + at,
					       length - at < 97 ? length - at : 97, err);
	return r ? r : rsm_ltfs_index_reader_finish(reader, header, err);
}

/* Base and changes, one after the other, into a volume index. */
static int load(const char *base, const char *const *changes, size_t count,
		struct rsm_volume_index **ret_index, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_loader_free) struct rsm_index_loader *loader = NULL;
	struct rsm_ltfs_index_header header;
	char path[96];
	int r;

	snprintf(path, sizeof path, "%s/index.db", folder);
	unlink(path);
	r = rsm_index_loader_new(path, &loader, err);
	if (r == 0)
		r = feed(loader, base, false, &header, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = rsm_index_loader_settle(loader, err);
		if (r == 0)
			r = feed(loader, changes[i], true, &header, err);
	}
	if (r == 0)
		r = rsm_index_loader_finish(loader, header.highest_uid, err);
	if (r == 0)
		r = rsm_volume_index_open(path, ret_index, err);
	return r ? r : rsm_volume_index_replace(*ret_index, RSM_STEAL(loader), NULL, err);
}

static void assert_totals(struct rsm_volume_index *index, const char *shape)
{
	struct rsm_volume_totals totals;
	uint64_t folders = 0, files = 0, links = 0;
	struct rsm_err err;

	for (; *shape; shape++) {
		folders += *shape == '/';
		files += *shape == ':';
		links += *shape == '>';
	}
	assert_done(rsm_volume_index_totals(index, &totals, &err), &err);
	assert_int_equal(totals.folders, folders);
	assert_int_equal(totals.files, files);
	assert_int_equal(totals.links, links);
}

/* Changes of the base tree that come to that shape; NULL: they are refused. */
static void assert_changes(const char *changes, const char *expected, const char *words)
{
	RSM_CLEANUP(rsm_volume_index_close) struct rsm_volume_index *index = NULL;
	RSM_TEXT struct rsm_text shape = { 0 };
	struct rsm_err err = { 0 };
	int r = load(BASE, &changes, 1, &index, &err);

	if (!expected) {
		if (r != -EBADMSG || !strstr(err.msg, words))
			fail_msg("%s\ncame to %d: %s", changes, r, err.msg);
		return;
	}
	if (r < 0)
		fail_msg("%s\ncame to %d: %s", changes, r, err.msg);
	shape_of(index, &shape);
	assert_string_equal(shape.data, expected);
	assert_totals(index, expected);
}

static void what_an_index_changes_is_changed_and_the_rest_stays(void **state)
{
	static const struct {
		const char *changes, *shape;
	} cases[] = {
		{ CHANGE(""), BASE_SHAPE },
		{ CHANGES(NAME("other")), BASE_SHAPE },
		{ CHANGE(LEAD("d", LEAD("s", ""))), BASE_SHAPE },
		/* new */
		{ CHANGE(FULL_FILE("b", 8)), "a=2:10 b=8:10 d=3/ e=4:10 s=5/ f=6:10 < < l=7>a " },
		{ CHANGE(LEAD("d", LEAD("s", FOLDER(OBJECT("n", 8) CONTENTS(FULL_FILE("m", 9)))))),
		  "a=2:10 d=3/ e=4:10 s=5/ f=6:10 n=8/ m=9:10 < < < l=7>a " },
		/* changed */
		{ CHANGE(PLAIN(NAME("a") UID(2) LENGTH(4))),
		  "a=2:4 d=3/ e=4:10 s=5/ f=6:10 < < l=7>a " },
		{ CHANGE(PLAIN(NAME("l") UID(7) "<symlink>b</symlink>")),
		  "a=2:10 d=3/ e=4:10 s=5/ f=6:10 < < l=7>b " },
		/* removed */
		{ CHANGE(GONE("file", "a")), "d=3/ e=4:10 s=5/ f=6:10 < < l=7>a " },
		{ CHANGE(GONE("file", "l")), "a=2:10 d=3/ e=4:10 s=5/ f=6:10 < < " },
		{ CHANGE(GONE("directory", "d")), "a=2:10 l=7>a " },
		{ CHANGE(LEAD("d", GONE("directory", "s"))), "a=2:10 d=3/ e=4:10 < l=7>a " },
		{ CHANGE(GONE("file", "made and removed since")), BASE_SHAPE },
		/* replaced: same name, another uid */
		{ CHANGE(FULL_FILE("a", 8)), "a=8:10 d=3/ e=4:10 s=5/ f=6:10 < < l=7>a " },
		{ CHANGE(FULL_FILE("d", 8)), "a=2:10 d=8:10 l=7>a " },
		{ CHANGE(FOLDER(OBJECT("d", 8) CONTENTS(FULL_FILE("n", 9)))),
		  "a=2:10 d=8/ n=9:10 < l=7>a " },
		{ CHANGE(FOLDER(OBJECT("a", 8) CONTENTS(""))),
		  "a=8/ < d=3/ e=4:10 s=5/ f=6:10 < < l=7>a " },
		/* moved: the old name goes before or behind the new one */
		{ CHANGE(GONE("file", "a") FULL_FILE("z", 2)),
		  "d=3/ e=4:10 s=5/ f=6:10 < < l=7>a z=2:10 " },
		{ CHANGE(LEAD("d", FULL_FILE("z", 2)) GONE("file", "a")),
		  "d=3/ e=4:10 s=5/ f=6:10 < z=2:10 < l=7>a " },
		{ CHANGE(FOLDER(OBJECT("c", 3) CONTENTS(FOLDER(OBJECT("s", 5) CONTENTS(
			  FULL_FILE("f", 6))) FULL_FILE("e", 4))) GONE("directory", "d")),
		  "a=2:10 c=3/ e=4:10 s=5/ f=6:10 < < l=7>a " },
		/* what is not listed at the new place was removed as well */
		{ CHANGE(FOLDER(OBJECT("c", 3) CONTENTS(FULL_FILE("e", 4))) GONE("directory", "d")),
		  "a=2:10 c=3/ e=4:10 < l=7>a " },
		/* moved out of what is removed, in either order */
		{ CHANGE(FULL_FILE("b", 6) GONE("directory", "d")), "a=2:10 b=6:10 l=7>a " },
		{ CHANGE(GONE("directory", "d") FULL_FILE("z", 6)), "a=2:10 l=7>a z=6:10 " },
		/* changed places */
		{ CHANGE(FULL_FILE("a", 4) LEAD("d", FULL_FILE("e", 2))),
		  "a=4:10 d=3/ e=2:10 s=5/ f=6:10 < < l=7>a " },
		{ CHANGE(FOLDER(OBJECT("s", 5) CONTENTS(FOLDER(OBJECT("d", 3) CONTENTS(
			  FULL_FILE("e", 4))) FULL_FILE("f", 6))) GONE("directory", "d")),
		  "a=2:10 l=7>a s=5/ d=3/ e=4:10 < f=6:10 < " },
		/* moved onto another */
		{ CHANGE(GONE("file", "a") LEAD("d", FULL_FILE("e", 2))),
		  "d=3/ e=2:10 s=5/ f=6:10 < < l=7>a " },
		/* times that need not be told of what is new */
		{ CHANGE(PLAIN(NAME("b") "<readonly>false</readonly>"
					 "<creationtime>2020-01-01T00:00:00.0Z</creationtime>"
					 "<changetime>2020-01-01T00:00:00.0Z</changetime>"
					 "<modifytime>2020-01-01T00:00:00.0Z</modifytime>" UID(8)
						 LENGTH(0))),
		  "a=2:10 b=8:0 d=3/ e=4:10 s=5/ f=6:10 < < l=7>a " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_changes(cases[i].changes, cases[i].shape, NULL);
}

static void what_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *changes, *words;
	} cases[] = {
		{ CHANGE(LEAD("x", "")), "<fileuid> is missing" },
		{ CHANGE(LEAD("a", "")), "another kind" },
		{ CHANGE(PLAIN(NAME("a") LENGTH(4))), "<fileuid> is missing" },
		{ CHANGE(PLAIN(NAME("b") UID(8) LENGTH(4))), "<readonly> is missing" },
		{ CHANGE(PLAIN(NAME("a") UID(8) LENGTH(4))), "<readonly> is missing" },
		{ CHANGE(FOLDER(OBJECT("b", 8))), "<contents> is missing" },
		{ CHANGE(PLAIN(OBJECT("b", 8))), "<length> is missing" },
		{ CHANGE(PLAIN(UID(2) LENGTH(4))), "<name> is missing" },
		{ CHANGE(FOLDER(CONTENTS("") NAME("d"))), "<contents> stands before <name>" },
		{ CHANGE(FOLDER(NAME("d") CONTENTS("") UID(4))), "stands behind <contents>" },
		{ CHANGE(FOLDER(NAME("a") UID(2) CONTENTS(""))), "another kind" },
		{ CHANGE(PLAIN(NAME("d") UID(3) LENGTH(4))), "another kind" },
		{ CHANGE(PLAIN(NAME("a") UID(2) "<symlink>x</symlink>")), "another kind" },
		{ CHANGE(PLAIN(NAME("l") UID(7) EXTENTS(EXTENT(0, 9, 1)))), "another kind" },
		{ CHANGE(GONE("file", "d")), "another kind" },
		{ CHANGE(GONE("directory", "a")), "another kind" },
		{ CHANGE(PLAIN(NAME("a") UID(2) "<deleted/>")), "removed and described" },
		{ CHANGE(FOLDER(NAME("d") CONTENTS("") "<deleted/>")), "removed and described" },
		{ CHANGES(NAME("vol") "<deleted/>"), "removed and described" },
		{ CHANGE(PLAIN(NAME("a") "<deleted>true</deleted>")), "<deleted> cannot be read" },
		{ CHANGE(FULL_FILE("b", 8) FULL_FILE("b", 9)), "is there twice" },
		{ CHANGE(FULL_FILE("b", 8) GONE("file", "b")), "is there twice" },
		{ CHANGE(LEAD("d", FULL_FILE("b", 8)) GONE("directory", "d")), "the same index" },
		{ CHANGE(LEAD("d", LEAD("s", FOLDER(OBJECT("x", 3) CONTENTS(""))))), "itself" },
		{ CHANGE(FULL_FILE("b", 1)), "the root's" },
		{ CHANGE(FOLDER(OBJECT("b", 1) CONTENTS(""))), "the root's" },
		{ CHANGE(FULL_FILE("b", 0)), "cannot be 0" },
		{ CHANGE(PLAIN(NAME("a") UID(2) EXTENTS(EXTENT(0, 9, 11)))), "extents' end" },
		{ CHANGE(PLAIN(NAME("a") UID(2) LENGTH(9) EXTENTS(EXTENT(0, 9, 10)))),
		  "extents' end" },
		{ CHANGE(PLAIN(OBJECT("b", 8) LENGTH(9) EXTENTS(EXTENT(0, 9, 10)))),
		  "extents' end" },
		{ FULL(""), "not an incremental index" },
		{ "<ltfsincrementalindex version=\"2.5.0\">" HEADER "</ltfsincrementalindex>",
		  "is missing" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_changes(cases[i].changes, NULL, cases[i].words);
}

static void changes_follow_each_other(void **state)
{
	static const char *const changes[] = {
		CHANGE(GONE("file", "a") LEAD("d", FULL_FILE("n", 8))),
		CHANGE(FULL_FILE("a", 9) LEAD("d", PLAIN(NAME("n") UID(8) LENGTH(5)))),
		/* what an earlier index made is what a later one moves or removes */
		CHANGE(LEAD("d", GONE("file", "n")) FULL_FILE("m", 8) GONE("file", "a")),
		CHANGE(FOLDER(OBJECT("a", 10) CONTENTS(FULL_FILE("m", 8))) GONE("file", "m")),
	};
	RSM_CLEANUP(rsm_volume_index_close) struct rsm_volume_index *index = NULL;
	RSM_TEXT struct rsm_text shape = { 0 };
	struct rsm_err err;

	(void)state;
	assert_done(load(BASE, changes, 4, &index, &err), &err);
	shape_of(index, &shape);
	assert_string_equal(shape.data, "a=10/ m=8:10 < d=3/ e=4:10 s=5/ f=6:10 < < l=7>a ");
	assert_totals(index, shape.data);
}

static struct rsm_node get_node(struct rsm_volume_index *index, uint64_t id)
{
	struct rsm_node node;
	struct rsm_err err;

	assert_done(rsm_volume_index_get(index, id, &node, &err), &err);
	return node;
}

static void assert_xattr(struct rsm_volume_index *index, uint64_t id, const char *key,
			 const char *value)
{
	RSM_TEXT struct rsm_text text = { 0 };
	struct rsm_err err;
	int r = rsm_volume_index_get_xattr(index, id, key, &text, &err);

	assert_int_equal(r, value ? 0 : RSM_NODE_ABSENT);
	if (value)
		assert_string_equal(text.data, value);
}

static void only_what_is_mentioned_changes(void **state)
{
	static const char base[] =
		FULL(PLAIN(OBJECT("f", 2) LENGTH(10) XATTRS(XATTR("one", "1") XATTR(
			"two", "2") XATTR("ltfs.vendor.rsmfs.unix", "0640 7 8 - -"))
				   EXTENTS(EXTENT(0, 9, 10)) "<unknown>u</unknown>")
			     FOLDER(OBJECT("d", 3) XATTRS(XATTR("one", "1")) CONTENTS("")));
	static const char *const changes[] = {
		CHANGE(PLAIN(NAME("f") UID(2) "<modifytime>2021-01-01T00:00:00.5Z</modifytime>"
					      "<readonly>true</readonly>")
			       FOLDER(NAME("d") UID(3) CONTENTS(
				       "") "<changetime>2021-01-01T00:00:00.5Z</changetime>")),
		CHANGE(PLAIN(NAME("f") UID(2) XATTRS(XATTR("two", "II")) "<other/>")
			       FOLDER(NAME("d") UID(3) CONTENTS("") XATTRS(XATTR("two", "II")))),
		CHANGE(PLAIN(NAME("f") UID(2) XATTRS("") EXTENTS("") LENGTH(3))
			       FOLDER(NAME("d") UID(3) XATTRS("") CONTENTS(""))),
	};
	RSM_CLEANUP(rsm_volume_index_close) struct rsm_volume_index *index = NULL;
	struct rsm_extent *extents;
	struct rsm_node node;
	struct rsm_err err;
	size_t count;

	(void)state;
	assert_done(load(base, changes, 1, &index, &err), &err);
	node = get_node(index, 2);
	assert_int_equal(node.times.modified.tv_nsec, 500000000);
	assert_int_equal(node.times.changed.tv_nsec, 2);
	assert_int_equal(node.times.created.tv_nsec, 1);
	assert_int_equal(node.times.accessed.tv_nsec, 4);
	assert_int_equal(node.times.backed_up.tv_nsec, 5);
	assert_int_equal(node.flags, RSM_NODE_READONLY | RSM_NODE_HAS_UNIX | RSM_NODE_HAS_XATTRS |
					     RSM_NODE_HAS_UNKNOWN);
	assert_int_equal(node.mode, 0440);
	assert_int_equal(node.owner, 7);
	assert_xattr(index, 2, "one", "1");
	assert_done(rsm_volume_index_extents(index, 2, &extents, &count, &err), &err);
	assert_int_equal(count, 1);
	free(extents);
	assert_int_equal(get_node(index, 3).times.changed.tv_nsec, 500000000);
	assert_xattr(index, 3, "one", "1");
	rsm_volume_index_close(RSM_STEAL(index));

	assert_done(load(base, changes, 2, &index, &err), &err);
	node = get_node(index, 2);
	assert_int_equal(node.flags,
			 RSM_NODE_READONLY | RSM_NODE_HAS_XATTRS | RSM_NODE_HAS_UNKNOWN);
	assert_int_equal(node.size, 10);
	for (uint64_t id = 2; id < 4; id++) {
		assert_xattr(index, id, "one", NULL);
		assert_xattr(index, id, "two", "II");
	}
	rsm_volume_index_close(RSM_STEAL(index));

	assert_done(load(base, changes, 3, &index, &err), &err);
	assert_int_equal(get_node(index, 2).size, 3);
	assert_int_equal(get_node(index, 2).flags, RSM_NODE_READONLY | RSM_NODE_HAS_UNKNOWN);
	assert_done(rsm_volume_index_extents(index, 2, &extents, &count, &err), &err);
	assert_int_equal(count, 0);
	free(extents);
	assert_int_equal(get_node(index, 3).flags, 0);
	assert_xattr(index, 2, "two", NULL);
	assert_xattr(index, 3, "two", NULL);
}

static void great_and_doubled_uids_are_found(void **state)
{
	static const char base[] =
		FULL(FULL_FILE("a", 9223372036854775807) FULL_FILE("b", 5) FULL_FILE("c", 5));
	static const char *const changes[] = {
		CHANGE(GONE("file", "a") FULL_FILE("z", 9223372036854775807)),
		CHANGE(FULL_FILE("y", 4) FULL_FILE("x", 4)),
	};
	RSM_CLEANUP(rsm_volume_index_close) struct rsm_volume_index *index = NULL;
	struct rsm_volume_totals totals;
	struct rsm_node node;
	struct rsm_err err;

	(void)state;
	assert_done(load(base, changes, 2, &index, &err), &err);
	assert_done(rsm_volume_index_totals(index, &totals, &err), &err);
	assert_int_equal(totals.files, 5);
	assert_done(rsm_volume_index_lookup(index, 1, "z", &node, &err), &err);
	assert_true(node.uid == INT64_MAX);
	assert_int_equal(rsm_volume_index_lookup(index, 1, "a", &node, &err), RSM_NODE_ABSENT);
}

static void a_great_uid_takes_no_other_away(void **state)
{
	static const char base[] = FULL(FULL_FILE("a", 9223372036854775807) FULL_FILE("b", 2)
						FULL_FILE("c", 3) FULL_FILE("d", 2));
	RSM_CLEANUP(rsm_volume_index_close) struct rsm_volume_index *index = NULL;
	struct rsm_node node;
	struct rsm_err err;

	(void)state;
	assert_done(load(base, NULL, 0, &index, &err), &err);
	assert_done(rsm_volume_index_lookup(index, 1, "b", &node, &err), &err);
	assert_int_equal(node.uid, 2);
	assert_done(rsm_volume_index_lookup(index, 1, "c", &node, &err), &err);
	assert_int_equal(node.uid, 3);
	assert_done(rsm_volume_index_lookup(index, 1, "d", &node, &err), &err);
	assert_true(node.uid > INT64_MAX); /* it was doubled */
}

/* The text with the list in the place of its %s. */
static void put_into(const char *text, const char *list, char *to, size_t size)
{
	const char *at = strstr(text, "%s");

	snprintf(to, size, "%.*s%s%s", (int)(at - text), text, list, at + 2);
}

static void a_checksum_stays_with_the_contents_it_is_of(void **state)
{
	static const struct rsm_extent extent = { 0, 5, 0, 10, 'b', true };
	static const char *const changes[] = {
		/* what changes, and whether the checksum is of the contents after that */
		"<readonly>true</readonly>",
		"<extendedattributes>%s</extendedattributes>",
		"<extendedattributes>%s</extendedattributes>" EXTENTS(EXTENT(0, 5, 10)),
		EXTENTS(EXTENT(0, 6, 10)),
		LENGTH(9),
		"<extendedattributes>%s</extendedattributes>" EXTENTS(EXTENT(0, 6, 10)),
	};
	char place[RSM_HASH_PLACE_SIZE], hash[400], base[2048], inside[1024], change[2048];
	const char *list = change;
	struct rsm_err err;

	(void)state;
	rsm_hash_place_format(RSM_DIGEST_SHA256, 10, &extent, 1, place);
	snprintf(hash, sizeof hash, XATTR("ltfs.hash.sha256sum", "00") XATTR(RSM_KEY_HASH, "%s"),
		 place);
	snprintf(base, sizeof base,
		 FULL(PLAIN(OBJECT("f", 2)
				    LENGTH(10) "<extendedattributes>%s"
					       "</extendedattributes>" EXTENTS(EXTENT(0, 5, 10)))),
		 hash);
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		RSM_CLEANUP(rsm_volume_index_close) struct rsm_volume_index *index = NULL;
		RSM_TEXT struct rsm_text value = { 0 };
		bool same = i < 3;
		int r;

		if (strstr(changes[i], "%s"))
			put_into(changes[i], hash, inside, sizeof inside);
		else
			snprintf(inside, sizeof inside, "%s", changes[i]);
		snprintf(change, sizeof change, CHANGE(PLAIN(NAME("f") UID(2) "%s")), inside);
		assert_done(load(base, &list, 1, &index, &err), &err);
		assert_int_equal(rsm_node_measured(get_node(index, 2).flags),
				 same ? RSM_DIGEST_SHA256 : RSM_DIGEST_NONE);
		/* what is left of one that is not, tells so */
		r = rsm_volume_index_get_xattr(index, 2, RSM_KEY_HASH, &value, &err);
		assert_int_equal(r, same ? RSM_NODE_ABSENT : 0);
		assert_xattr(index, 2, "ltfs.hash.sha256sum", "00");
	}
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/rsm-test-incremental-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rsm_file_remove_tree(folder, NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(what_an_index_changes_is_changed_and_the_rest_stays,
					make_folder, remove_folder),
	cmocka_unit_test_setup_teardown(what_cannot_be_is_refused, make_folder, remove_folder),
	cmocka_unit_test_setup_teardown(changes_follow_each_other, make_folder, remove_folder),
	cmocka_unit_test_setup_teardown(only_what_is_mentioned_changes, make_folder, remove_folder),
	cmocka_unit_test_setup_teardown(a_great_uid_takes_no_other_away, make_folder,
					remove_folder),
	cmocka_unit_test_setup_teardown(a_checksum_stays_with_the_contents_it_is_of, make_folder,
					remove_folder),
	cmocka_unit_test_setup_teardown(great_and_doubled_uids_are_found, make_folder,
					remove_folder),
};

RSM_TEST_MAIN(tests)
