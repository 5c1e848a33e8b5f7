/* Incremental indexes (ltfs-format.md 21): what one says of a tree, document by document, and which
 * of those on a tape are followed, on the emulated drive.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "core/ltfs/index_writer.h"
#include "core/ltfs/ltfs_volume.h"
#include "core/ltfs/value.h"
#include "tests/base/test.h"
#include "tests/changer/library_rig.h"
#include "tests/core/fake_medium.h"

#define UUID "0a1b2c3d-4e5f-4789-8abc-def012345678"
#define TIME(year)                                                                                 \
	"<creationtime>" year "-01-01T00:00:00.000000001Z</creationtime>"                          \
	"<changetime>" year "-01-01T00:00:00.000000002Z</changetime>"                              \
	"<modifytime>" year "-01-01T00:00:00.000000003Z</modifytime>"                              \
	"<accesstime>" year "-01-01T00:00:00.000000004Z</accesstime>"                              \
	"<backuptime>" year "-01-01T00:00:00.000000005Z</backuptime>"
#define NAME(name)	  "<name>" name "</name>"
#define UID(uid)	  "<fileuid>" #uid "</fileuid>"
#define OBJECT(name, uid) NAME(name) "<readonly>false</readonly>" TIME("2020") UID(uid)
#define FOLDER(inside)	  "<directory>" inside "</directory>"
#define CONTENTS(inside)  "<contents>" inside "</contents>"
#define PLAIN(inside)	  "<file>" inside "</file>"
#define LENGTH(length)	  "<length>" #length "</length>"
#define EXTENT(offset, block, count)                                                               \
	"<extent><fileoffset>" #offset "</fileoffset><partition>b</partition><startblock>" #block  \
	"</startblock><byteoffset>0</byteoffset><bytecount>" #count "</bytecount></extent>"
#define EXTENTS(list)	  "<extentinfo>" list "</extentinfo>"
#define XATTRS(list)	  "<extendedattributes>" list "</extendedattributes>"
#define XATTR(key, value) "<xattr><key>" key "</key><value>" value "</value></xattr>"
#define GONE(kind, name)  "<" kind "><name>" name "</name><deleted/></" kind ">"
/* a file, and a folder that only leads to something */
#define FULL_FILE(name, uid) PLAIN(OBJECT(name, uid) LENGTH(10) EXTENTS(EXTENT(0, 5, 10)))
#define LEAD(name, inside)   FOLDER(NAME(name) CONTENTS(inside))
#define AT(partition, block)                                                                       \
	"<partition>" partition "</partition><startblock>" block "</startblock>"
#define HEADER                                                                                     \
	"<creator>test</creator><volumeuuid>" UUID                                                 \
	"</volumeuuid><generationnumber>7</generationnumber>"                                      \
	"<updatetime>2026-01-02T03:04:05.000000006Z</updatetime><location>" AT("b",                \
									       "5") "</location>"
#define FULL(inside)                                                                               \
	"<ltfsindex version=\"2.5.0\">" HEADER                                                     \
	"<allowpolicyupdate>true</allowpolicyupdate><highestfileuid>99</highestfileuid>" FOLDER(   \
		OBJECT("vol", 1) CONTENTS(inside)) "</ltfsindex>"
#define CHANGES(directory)                                                                         \
	"<ltfsincrementalindex version=\"2.5.0\">" HEADER "<previousgenerationlocation>" AT(       \
		"b", "4") "</previousgenerationlocation><highestfileuid>99</highestfileuid>"       \
			  "<directory>" directory "</directory></ltfsincrementalindex>"
#define CHANGE(inside) CHANGES(NAME("vol") CONTENTS(inside))

/* vol/ a (2), d/ (3): e (4), s/ (5): f (6); l (7) -> a */
#define BASE                                                                                       \
	FULL(FULL_FILE("a", 2) FOLDER(OBJECT("d", 3) CONTENTS(                                     \
		FULL_FILE("e", 4) FOLDER(OBJECT("s", 5) CONTENTS(FULL_FILE("f", 6)))))             \
		     PLAIN(OBJECT("l", 7) LENGTH(0) "<symlink>a</symlink>"))
#define BASE_SHAPE "a=2:10 d=3/ e=4:10 s=5/ f=6:10 < < l=7>a "

static char folder[64];

/* ---- documents ---- */

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

/* "name=uid:size", "name=uid>target", "name=uid/ ... <" in order of name; damaged ones with "!". */
static void shape_of(struct rsm_volume_index *index, struct rsm_text *text)
{
	RSM_CLEANUP(rsm_index_snapshot_close) struct rsm_index_snapshot *snapshot = NULL;
	struct rsm_snapshot_node at;
	struct rsm_err err;
	int r;

	assert_done(rsm_volume_index_snapshot(index, &snapshot, &err), &err);
	while ((r = rsm_index_snapshot_walk(snapshot, &at, &err)) != RSM_WALK_END) {
		if (r < 0)
			fail_msg("%s", err.msg);
		if (r == RSM_WALK_LEAVE)
			rsm_text_add(text, "< ");
		else if (at.node.id != RSM_NODE_ROOT)
			rsm_text_printf(text, "%s=%d", at.name, (int)at.node.uid);
		if (r == RSM_WALK_ENTER)
			rsm_text_add(text, at.node.id == RSM_NODE_ROOT ? "" : "/ ");
		else if (r == RSM_WALK_LEAF && at.node.kind == RSM_NODE_LINK)
			rsm_text_printf(text, ">%s ", at.link_target);
		else if (r == RSM_WALK_LEAF)
			rsm_text_printf(text, ":%d ", (int)at.node.size);
	}
	text->length -= 2; /* the root's end */
	text->data[text->length] = '\0';
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

/* ---- on a tape ---- */

enum { INDEX_PARTITION, DATA_PARTITION };

static struct bench {
	struct rig *rig;
	struct fake_medium medium;
	struct rsm_staging_space *space;
	struct rsm_content *content;
	struct rsm_volume *volume;
	struct rsm_err err;
} bench;

static void done(int r)
{
	assert_done(r, &bench.err);
}

/* A volume as the format leaves it: indexes of generation 1 at a:5 and b:5. */
static int begin(void **state)
{
	struct rsm_content_callbacks callbacks = fake_callbacks(&bench.medium);
	void *rig = NULL;

	memset(&bench, 0, sizeof bench);
	if (rig_set_up(&rig) || make_folder(state))
		return -1;
	bench.rig = rig;
	fake_start(&bench.medium);
	done(rsm_staging_space_new(folder, 0, &bench.space, &bench.err));
	done(rsm_content_open_volume(folder, bench.space, &callbacks, &bench.content, &bench.err));
	rig_load(bench.rig, 1001);
	done(rsm_ltfs_format(bench.rig->drive, bench.content, UUID, NULL, &bench.volume,
			     &bench.err));
	return 0;
}

static int end(void **state)
{
	void *rig = bench.rig;

	rsm_volume_free(bench.volume);
	rsm_content_close_volume(bench.content);
	fake_stop(&bench.medium);
	rsm_staging_space_free(bench.space);
	return rig_tear_down(&rig) | remove_folder(state);
}

/* An incremental index behind all there is on the partition. Returns its block. */
static uint64_t put_index(uint32_t partition, unsigned generation, uint64_t full, uint64_t previous,
			  const char *inside)
{
	RSM_TEXT struct rsm_text xml = { 0 };
	struct rsm_tape_drive *drive = bench.rig->drive;
	uint64_t block;

	done(rsm_tape_drive_locate_end(drive, partition, &block, &bench.err));
	rsm_text_printf(&xml,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			"<ltfsincrementalindex version=\"2.5.0\"><creator>another</creator>"
			"<volumeuuid>" UUID "</volumeuuid><generationnumber>%u</generationnumber>"
			"<updatetime>2026-01-02T03:04:05.%09uZ</updatetime><location><partition>%c"
			"</partition><startblock>%d</startblock></location>"
			"<previousgenerationlocation><partition>b</partition><startblock>%d"
			"</startblock></previousgenerationlocation>",
			generation, generation, "ab"[partition], (int)block + 1, (int)full);
	if (previous)
		rsm_text_printf(&xml,
				"<previousincrementallocation><partition>b</partition><startblock>"
				"%d</startblock></previousincrementallocation>",
				(int)previous);
	rsm_text_printf(&xml,
			"<highestfileuid>%u</highestfileuid><directory>" NAME("%s")
				CONTENTS("%s") "</directory></ltfsincrementalindex>",
			generation + 100, "name", inside);
	done(rsm_tape_drive_write_filemarks(drive, 1, true, &bench.err));
	done(rsm_tape_drive_write(drive, xml.data, xml.length, &bench.err));
	done(rsm_tape_drive_write_filemarks(drive, 1, false, &bench.err));
	return block + 1;
}

static void mount(void)
{
	RSM_TEXT struct rsm_text conflicts = { 0 };
	struct rsm_ltfs_probe probe;
	int r;

	rsm_volume_free(bench.volume);
	bench.volume = NULL;
	done(rsm_ltfs_probe(bench.rig->drive, &probe, &bench.err));
	r = rsm_ltfs_mount(bench.rig->drive, bench.content, &probe.label, &conflicts, &bench.volume,
			   &bench.err);
	if (r < 0)
		fail_msg("%s", bench.err.msg);
}

static void assert_tree(const char *expected)
{
	RSM_TEXT struct rsm_text shape = { 0 };

	shape_of(rsm_content_index(bench.content), &shape);
	assert_string_equal(shape.data, expected);
}

static struct rsm_volume_status status(void)
{
	struct rsm_volume_status now;

	bench.volume->ops->status(bench.volume, &now);
	return now;
}

static void assert_fact(const char *key, const char *value)
{
	RSM_FREE char *text = NULL;

	done(rsm_volume_index_get_fact(rsm_content_index(bench.content), key, &text, &bench.err));
	assert_string_equal(text ? text : "", value);
}

/* The first record of an index, as text. */
static const char *record_at(uint32_t partition, uint64_t block)
{
	static char record[RSM_LTFS_BLOCK_SIZE + 1];
	size_t length = 0;

	done(rsm_tape_drive_locate(bench.rig->drive, partition, block, &bench.err));
	done(rsm_tape_drive_read(bench.rig->drive, record, sizeof record - 1, &length, &bench.err));
	record[length] = '\0';
	return record;
}

static void the_newest_state_is_the_full_index_and_all_behind_it(void **state)
{
	uint64_t first, second, third;

	(void)state;
	first = put_index(DATA_PARTITION, 2, 5, 0, FULL_FILE("a", 50) FULL_FILE("b", 51));
	mount();
	assert_tree("a=50:10 b=51:10 ");
	assert_int_equal(status().index_generation, 2);
	assert_false(status().read_only);
	second = put_index(DATA_PARTITION, 3, 5, first, GONE("file", "a"));
	third = put_index(DATA_PARTITION, 5, 5, second, PLAIN(NAME("b") UID(51) LENGTH(4)));
	mount();
	assert_tree("b=51:4 ");
	assert_fact("volume_name", "name");
	assert_fact("index_location", "b:14");
	assert_int_equal(third, 14);
	mount(); /* from the cache */
	assert_tree("b=51:4 ");
}

static void what_we_write_behind_them_is_a_full_index(void **state)
{
	uint64_t first = put_index(DATA_PARTITION, 2, 5, 0, FULL_FILE("a", 50)), block;
	const char *record;

	(void)state;
	put_index(DATA_PARTITION, 4, 5, first, FULL_FILE("b", 51));
	mount();
	/* they are not left at the end, whether anything changed or not */
	assert_true(bench.volume->ops->is_dirty(bench.volume));
	done(bench.volume->ops->append(bench.volume, "data", 4, &block, &bench.err));
	assert_int_equal(block, 13);
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_FULL, NULL, false, &bench.err));
	assert_false(bench.volume->ops->is_dirty(bench.volume));

	record = record_at(DATA_PARTITION, 15);
	assert_non_null(strstr(record, "<ltfsindex version=\"2.5.0\">"));
	assert_non_null(strstr(record, "<generationnumber>5</generationnumber>"));
	assert_non_null(strstr(record, "<previousgenerationlocation><partition>b</partition>"
				       "<startblock>5</startblock>"));
	assert_non_null(strstr(record, "<previousincrementallocation><partition>b</partition>"
				       "<startblock>11</startblock>"));
	assert_non_null(strstr(record, "<name>a</name>"));
	assert_non_null(strstr(record, "<name>b</name>"));
	record = record_at(INDEX_PARTITION, 5);
	assert_non_null(strstr(record, "<ltfsindex version=\"2.4.0\">"));
	assert_non_null(strstr(record, "<startblock>15</startblock></previousgeneration"));
	assert_null(strstr(record, "incremental"));

	mount();
	assert_tree("a=50:10 b=51:10 ");
	assert_false(bench.volume->ops->is_dirty(bench.volume));
	rsm_volume_index_touch(rsm_content_index(bench.content));
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_FULL, NULL, false, &bench.err));
	record = record_at(DATA_PARTITION, 18);
	assert_non_null(strstr(record, "<ltfsindex version=\"2.4.0\">"));
	assert_non_null(strstr(record, "<startblock>15</startblock></previousgeneration"));
}

static void one_that_lacks_its_filemark_gets_it_first(void **state)
{
	uint64_t block, last;

	(void)state;
	put_index(DATA_PARTITION, 2, 5, 0, FULL_FILE("a", 50));
	done(rsm_tape_drive_locate(bench.rig->drive, DATA_PARTITION, 9, &bench.err));
	done(rsm_tape_drive_erase(bench.rig->drive, false, &bench.err));
	mount();
	assert_tree("a=50:10 ");
	done(bench.volume->ops->append(bench.volume, "data", 4, &block, &bench.err));
	assert_int_equal(block, 10);
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_FULL, NULL, true, &bench.err));
	done(rsm_tape_drive_locate_end(bench.rig->drive, DATA_PARTITION, &last, &bench.err));
	assert_int_equal(last, 14);
}

static void data_behind_them_changes_nothing(void **state)
{
	(void)state;
	put_index(DATA_PARTITION, 2, 5, 0, FULL_FILE("a", 50));
	mount();
	done(bench.volume->ops->append(bench.volume, "data", 4, &(uint64_t){ 0 }, &bench.err));
	mount();
	assert_tree("a=50:10 ");
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_FULL, NULL, false, &bench.err));
	assert_non_null(strstr(record_at(DATA_PARTITION, 12), "<ltfsindex version=\"2.5.0\">"));
}

/* The state before it is shown, and nothing is written that would bury it. */
static void assert_refused(const char *tree, unsigned generation, const char *words)
{
	struct rsm_volume_status now;

	for (int i = 0; i < 2; i++) {
		mount();
		assert_tree(tree);
		now = status();
		assert_int_equal(now.index_generation, generation);
		assert_true(now.read_only);
		if (!strstr(now.reason, words))
			fail_msg("%s", now.reason);
		assert_false(bench.volume->ops->is_dirty(bench.volume));
	}
}

static void a_chain_that_is_broken_is_not_written_to(void **state)
{
	uint64_t first;

	(void)state;
	first = put_index(DATA_PARTITION, 2, 5, 0, FULL_FILE("a", 50));
	put_index(DATA_PARTITION, 3, 5, 7, FULL_FILE("b", 51)); /* a filemark is there */
	assert_refused("a=50:10 ", 2, "b:11");
	put_index(DATA_PARTITION, 4, 5, 30, FULL_FILE("c", 52)); /* it lies behind */
	assert_refused("a=50:10 ", 2, "points at block 30");
	put_index(DATA_PARTITION, 4, 5, 17, FULL_FILE("c", 52)); /* itself */
	assert_refused("a=50:10 ", 2, "points at block 17");
	put_index(DATA_PARTITION, 4, 5, 5, FULL_FILE("c", 52));
	assert_refused("a=50:10 ", 2, "a full index");
	put_index(DATA_PARTITION, 4, first, 0, FULL_FILE("c", 52));
	assert_refused("a=50:10 ", 2, "an incremental index");
	put_index(DATA_PARTITION, 4, first, first, FULL_FILE("c", 52));
	assert_refused("a=50:10 ", 2, "do not agree");
	put_index(DATA_PARTITION, 1, 5, first, FULL_FILE("c", 52));
	assert_refused("a=50:10 ", 2, "is newer");
	put_index(DATA_PARTITION, 9, 4, 0, FULL_FILE("c", 52));
	assert_refused("a=50:10 ", 2, "points at block 4");
	/* one that is right again */
	put_index(DATA_PARTITION, 9, 5, first, FULL_FILE("d", 53));
	mount();
	assert_tree("a=50:10 d=53:10 ");
	assert_false(status().read_only);
}

static void one_that_does_not_fit_the_tree_is_not_written_to(void **state)
{
	uint64_t first, second;

	(void)state;
	first = put_index(DATA_PARTITION, 2, 5, 0, FULL_FILE("a", 50));
	second = put_index(DATA_PARTITION, 3, 5, first, LEAD("nowhere", FULL_FILE("b", 51)));
	put_index(DATA_PARTITION, 4, 5, second, FULL_FILE("c", 52));
	assert_refused("a=50:10 ", 2, "b:11");
}

static void the_first_one_that_does_not_fit_leaves_the_full_index(void **state)
{
	(void)state;
	put_index(DATA_PARTITION, 2, 5, 0, PLAIN(NAME("a") UID(50) LENGTH(3)));
	assert_refused("", 1, "is missing for");
}

static void one_that_is_torn_is_as_if_it_were_not_there(void **state)
{
	static const char torn[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
				   "<ltfsincrementalindex version=\"2.5.0\"><creator>x</cre";
	uint64_t last;

	(void)state;
	put_index(DATA_PARTITION, 2, 5, 0, FULL_FILE("a", 50));
	done(rsm_tape_drive_locate_end(bench.rig->drive, DATA_PARTITION, &last, &bench.err));
	done(rsm_tape_drive_write_filemarks(bench.rig->drive, 1, true, &bench.err));
	done(rsm_tape_drive_write(bench.rig->drive, torn, sizeof torn - 1, &bench.err));
	mount();
	assert_tree("a=50:10 ");
	assert_false(status().read_only);
}

static void on_the_index_partition_there_are_none(void **state)
{
	(void)state;
	put_index(INDEX_PARTITION, 2, 5, 0, FULL_FILE("a", 50));
	mount();
	assert_tree("");
	assert_int_equal(status().index_generation, 1);
}

static void a_full_index_behind_them_is_all_that_counts(void **state)
{
	(void)state;
	put_index(DATA_PARTITION, 2, 5, 0, FULL_FILE("a", 50));
	put_index(DATA_PARTITION, 3, 5, 999, FULL_FILE("b", 51));
	mount();
	assert_true(status().read_only);
	put_index(DATA_PARTITION, 3, 5, 8, FULL_FILE("b", 51));
	mount();
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_FULL, NULL, false, &bench.err));
	mount();
	assert_false(status().read_only);
	assert_tree("a=50:10 b=51:10 ");
}

static void a_lock_holds_until_an_index_takes_it_away(void **state)
{
	(void)state;
	done(rsm_volume_index_set_fact(rsm_content_index(bench.content), "lock", "locked",
				       &bench.err));
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_FULL, NULL, true, &bench.err));
	put_index(DATA_PARTITION, 3, 8, 0, FULL_FILE("a", 50));
	mount();
	assert_tree("a=50:10 ");
	assert_true(status().read_only);
	assert_string_equal(status().reason, "the volume is locked");
}

#define DOCUMENT(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
#define TAPE(name)     cmocka_unit_test_setup_teardown(name, begin, end)

static const struct CMUnitTest tests[] = {
	DOCUMENT(what_an_index_changes_is_changed_and_the_rest_stays),
	DOCUMENT(what_cannot_be_is_refused),
	DOCUMENT(changes_follow_each_other),
	DOCUMENT(only_what_is_mentioned_changes),
	DOCUMENT(a_great_uid_takes_no_other_away),
	DOCUMENT(a_checksum_stays_with_the_contents_it_is_of),
	DOCUMENT(great_and_doubled_uids_are_found),
	TAPE(the_newest_state_is_the_full_index_and_all_behind_it),
	TAPE(what_we_write_behind_them_is_a_full_index),
	TAPE(one_that_lacks_its_filemark_gets_it_first),
	TAPE(data_behind_them_changes_nothing),
	TAPE(a_chain_that_is_broken_is_not_written_to),
	TAPE(one_that_does_not_fit_the_tree_is_not_written_to),
	TAPE(the_first_one_that_does_not_fit_leaves_the_full_index),
	TAPE(one_that_is_torn_is_as_if_it_were_not_there),
	TAPE(on_the_index_partition_there_are_none),
	TAPE(a_full_index_behind_them_is_all_that_counts),
	TAPE(a_lock_holds_until_an_index_takes_it_away),
};

RSM_TEST_MAIN(tests)
