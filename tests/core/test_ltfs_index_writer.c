/* The writer over a snapshot made by hand: what the document looks like, and that the reader gets
 * back from it what went in.
 */
#include "core/ltfs/index_writer.h"

#include <time.h>

#include "core/ltfs/name.h"
#include "tests/core/fake_index_loader.h"

#define UUID "0a1b2c3d-4e5f-4789-8abc-def012345678"

enum { NODES_MAX = 400, STEPS_MAX = 2 * NODES_MAX };

/* A snapshot that walks over a list of steps. */
struct rsm_index_snapshot {
	struct rsm_snapshot_node nodes[NODES_MAX];
	size_t node_count;
	struct {
		enum rsm_walk_step step;
		size_t node;
	} steps[STEPS_MAX];
	size_t step_count, at;
	uint64_t highest_uid;
};

int rsm_index_snapshot_walk(struct rsm_index_snapshot *snapshot, struct rsm_snapshot_node *ret_node,
			    struct rsm_err *err)
{
	(void)err;
	if (snapshot->at == snapshot->step_count)
		return RSM_WALK_END;
	*ret_node = snapshot->nodes[snapshot->steps[snapshot->at].node];
	return (int)snapshot->steps[snapshot->at++].step;
}

uint64_t rsm_index_snapshot_highest_uid(const struct rsm_index_snapshot *snapshot)
{
	return snapshot->highest_uid;
}

static struct rsm_index_snapshot tree;
static struct rsm_index_loader loader;
static const struct timespec some_time = { 1767323045, 6 };

static struct rsm_snapshot_node *add(enum rsm_walk_step step, enum rsm_node_kind kind,
				     const char *name)
{
	struct rsm_snapshot_node *object = &tree.nodes[tree.node_count];

	assert_true(tree.node_count < NODES_MAX && tree.step_count < STEPS_MAX);
	*object = (struct rsm_snapshot_node){
		.name = name,
		.nfc = name,
		.node = { .id = tree.node_count + 1,
			  .uid = tree.node_count + 1,
			  .kind = kind,
			  .times = { some_time, some_time, some_time, some_time, some_time } },
	};
	tree.steps[tree.step_count].step = step;
	tree.steps[tree.step_count++].node = tree.node_count++;
	tree.highest_uid = tree.node_count;
	return object;
}

static void leave(void)
{
	tree.steps[tree.step_count++].step = RSM_WALK_LEAVE;
}

static void given_root(void)
{
	memset(&tree, 0, sizeof tree);
	add(RSM_WALK_ENTER, RSM_NODE_FOLDER, "");
}

static int collect(void *context, const void *bytes, size_t length, struct rsm_err *err)
{
	struct rsm_text *text = context;

	(void)err;
	assert_true(length > 0 && length <= 65536);
	rsm_text_append(text, bytes, length);
	return 0;
}

static const struct rsm_ltfs_index_source plain_source = {
	.snapshot = &tree,
	.volume_name = "vol",
	.header = { .uuid = UUID,
		    .generation = 4,
		    .update_time = { 1767323045, 6 },
		    .self_partition = 'a',
		    .self_block = 5,
		    .back_partition = 'b',
		    .back_block = 14,
		    .allow_policy_update = true,
		    .lock = "unlocked",
		    .creator = "Example rsmfs 1.0 - Linux - rsmfs - Unmount" },
};

/* The document of the tree, which is left at its root's end. */
static char *written(const struct rsm_ltfs_index_source *source)
{
	struct rsm_text text = { 0 };
	struct rsm_err err;
	char *xml;

	leave();
	tree.at = 0;
	assert_done(rsm_ltfs_index_write(source, collect, &text, &err), &err);
	assert_done(rsm_text_take(&text, &xml, &err), &err);
	return xml;
}

static void read_back(const char *xml, struct rsm_ltfs_index_header *header)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	struct rsm_err err;
	int r;

	fake_reset(&loader);
	assert_done(rsm_ltfs_index_reader_new(&loader, UUID, &reader, &err), &err);
	r = rsm_ltfs_index_reader_feed(reader, xml, strlen(xml), &err);
	if (!r)
		r = rsm_ltfs_index_reader_finish(reader, header, &err);
	if (r)
		fail_msg("%s\nin %.8000s", err.msg, xml);
}

#define TIMES                                                                                      \
	"<creationtime>2026-01-02T03:04:05.000000006Z</creationtime>"                              \
	"<changetime>2026-01-02T03:04:05.000000006Z</changetime>"                                  \
	"<modifytime>2026-01-02T03:04:05.000000006Z</modifytime>"                                  \
	"<accesstime>2026-01-02T03:04:05.000000006Z</accesstime>"                                  \
	"<backuptime>2026-01-02T03:04:05.000000006Z</backuptime>"

static void a_document_has_the_elements_in_the_reference_s_order(void **state)
{
	static const struct rsm_extent extents[] = { { 0, 7, 0, 1300, 'b', true },
						     { 2000, 12, 100, 5, 'a', false } };
	static const struct rsm_snapshot_xattr xattrs[] = { { "tag", "plain & simple", 14 },
							    { "icon", "\0\1\2", 3 },
							    { "none", "", 0 } };
	struct rsm_ltfs_index_source source = plain_source;
	struct rsm_snapshot_node *object;
	char *xml;

	(void)state;
	given_root();
	add(RSM_WALK_ENTER, RSM_NODE_FOLDER, "d")->node.flags = RSM_NODE_READONLY;
	object = add(RSM_WALK_LEAF, RSM_NODE_FILE, "a:b");
	object->node.size = 3000;
	object->extents = extents;
	object->extent_count = 2;
	object->xattrs = xattrs;
	object->xattr_count = 3;
	object->unknown = "<new/>";
	leave();
	object = add(RSM_WALK_LEAF, RSM_NODE_LINK, "l");
	object->link_target = "../a/b:c";
	object->node.size = 8;
	source.comment = "nightly <run>";
	source.policy_xml = "<dataplacementpolicy>x</dataplacementpolicy>";
	source.unknown_xml = "<later/>";
	xml = written(&source);

	assert_string_equal(
		xml,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ltfsindex version=\"2.4.0\">\n"
		"<creator>Example rsmfs 1.0 - Linux - rsmfs - Unmount</creator>\n"
		"<comment>nightly &lt;run&gt;</comment>\n"
		"<volumeuuid>" UUID "</volumeuuid>\n<generationnumber>4</generationnumber>\n"
		"<updatetime>2026-01-02T03:04:05.000000006Z</updatetime>\n"
		"<location><partition>a</partition><startblock>5</startblock></location>\n"
		"<previousgenerationlocation><partition>b</partition><startblock>14</startblock>"
		"</previousgenerationlocation>\n"
		"<allowpolicyupdate>true</allowpolicyupdate>\n"
		"<dataplacementpolicy>x</dataplacementpolicy>"
		"<highestfileuid>4</highestfileuid>\n"
		"<volumelockstate>unlocked</volumelockstate>\n"
		"<directory><name>vol</name><readonly>false</readonly>" TIMES
		"<fileuid>1</fileuid><contents>\n"
		"<directory><name>d</name><readonly>true</readonly>" TIMES
		"<fileuid>2</fileuid><contents>\n"
		"<file><name percentencoded=\"true\">a%3Ab</name><length>3000</length>"
		"<readonly>false</readonly>" TIMES "<fileuid>3</fileuid>"
		"<extendedattributes><xattr><key>tag</key><value>plain &amp; simple</value>"
		"</xattr><xattr><key>icon</key><value type=\"base64\">AAEC</value></xattr>"
		"<xattr><key>none</key><value/></xattr></extendedattributes>"
		"<extentinfo><extent><fileoffset>0</fileoffset><partition>b</partition>"
		"<startblock>7</startblock><byteoffset>0</byteoffset><bytecount>1300</bytecount>"
		"</extent><extent><fileoffset>2000</fileoffset><partition>a</partition>"
		"<startblock>12</startblock><byteoffset>100</byteoffset><bytecount>5</bytecount>"
		"</extent></extentinfo><new/></file>\n"
		"</contents></directory>\n"
		"<file><name>l</name><length>0</length><readonly>false</readonly>" TIMES
		"<fileuid>4</fileuid><symlink>../a/b:c</symlink></file>\n"
		"</contents></directory>\n"
		"<later/></ltfsindex>\n");
	free(xml);
}

static void a_pending_file_is_listed_as_far_as_the_medium_has_it(void **state)
{
	static const struct rsm_extent whole[] = { { 0, 7, 0, 100, 'b', true },
						   { 100, 8, 0, 100, 'b', true },
						   { 300, 9, 0, 100, 'b', true } };
	static const struct rsm_snapshot_xattr xattrs[] = { { "ltfs.hash.md5sum", "0", 1 },
							    { "ltfs.hashes", "1", 1 } };
	static const struct {
		size_t extent_count;
		uint64_t size, listed;
		size_t listed_extents;
		bool pending;
	} cases[] = {
		{ 3, 500, 200, 2, true },  { 3, 150, 150, 2, true },  { 2, 500, 200, 2, true },
		{ 0, 500, 0, 0, true },	   { 3, 500, 500, 3, false }, { 3, 350, 350, 3, false },
		{ 3, 100, 100, 1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rsm_ltfs_index_header header;
		struct rsm_snapshot_node *object;
		const struct fake_node *node;
		char *xml;

		given_root();
		object = add(RSM_WALK_LEAF, RSM_NODE_FILE, "f");
		object->node.size = cases[i].size;
		object->extents = whole;
		object->extent_count = cases[i].extent_count;
		object->pending = cases[i].pending;
		object->xattrs = xattrs;
		object->xattr_count = 2;
		xml = written(&plain_source);
		assert_int_equal(!!strstr(xml, "<openforwrite>true<"), cases[i].pending);
		/* a digest is of contents that the medium does not have yet */
		assert_int_equal(!strstr(xml, "ltfs.hash.md5sum"), cases[i].pending);
		assert_non_null(strstr(xml, "ltfs.hashes"));
		read_back(xml, &header);
		free(xml);
		node = fake_find(&loader, 1, "f");
		assert_int_equal(node->node.size, cases[i].listed);
		assert_int_equal(node->extent_count, cases[i].listed_extents);
	}
}

static void given_measured_file(const struct rsm_extent *extents, size_t count)
{
	static const struct rsm_snapshot_xattr xattrs[] = { { "ltfs.hash.sha256sum", "ab", 2 },
							    { "user", "u", 1 } };
	struct rsm_snapshot_node *object;

	given_root();
	object = add(RSM_WALK_LEAF, RSM_NODE_FILE, "f");
	object->node.size = 300;
	object->node.flags = RSM_NODE_HAS_XATTRS | RSM_DIGEST_SHA256 * (RSM_NODE_MEASURED / 7);
	object->extents = extents;
	object->extent_count = count;
	object->xattrs = xattrs;
	object->xattr_count = 2;
}

static bool has_xattr(const char *key)
{
	for (size_t i = 0; i < loader.xattr_count; i++)
		if (strcmp(loader.xattrs[i].key, key) == 0)
			return true;
	return false;
}

/* Another system's index: one text stands in the place of another of the same length. */
static void exchange(char *xml, const char *old, const char *new)
{
	char *at = strstr(xml, old);

	assert_non_null(at);
	assert_int_equal(strlen(old), strlen(new));
	memcpy(at, new, strlen(new));
}

static void a_measured_checksum_is_known_again_by_its_contents(void **state)
{
	static const struct rsm_extent extents[] = { { 0, 7, 0, 100, 'b', true },
						     { 100, 8, 0, 0, 'b', true },
						     { 200, 9, 5, 900, 'b', true } };
	struct rsm_ltfs_index_header header;
	char *xml;

	(void)state;
	given_measured_file(extents, 3);
	xml = written(&plain_source);
	assert_non_null(strstr(xml, "<key>ltfs.vendor.rsmfs.hash</key><value>sha256sum 300 "
				    "82f37c9966bbf906</value>"));
	read_back(xml, &header);
	assert_int_equal(rsm_node_measured(fake_find(&loader, 1, "f")->node.flags),
			 RSM_DIGEST_SHA256);
	assert_false(has_xattr(RSM_DIGEST_PLACE));
	assert_true(has_xattr("ltfs.hash.sha256sum"));
	assert_true(has_xattr("user"));
	/* a time that was set is no change of the contents */
	exchange(xml, "<modifytime>2026-01-02T03:04:05.000000006Z",
		 "<modifytime>2027-01-02T03:04:05.000000006Z");
	read_back(xml, &header);
	assert_int_equal(rsm_node_measured(fake_find(&loader, 1, "f")->node.flags),
			 RSM_DIGEST_SHA256);
	free(xml);
}

static void a_checksum_of_other_contents_stays_told_apart(void **state)
{
	static const struct rsm_extent extents[] = { { 0, 7, 0, 100, 'b', true } };
	static const char *const changes[][2] = {
		{ "<startblock>7<", "<startblock>8<" },	  { "<length>300<", "<length>301<" },
		{ "<bytecount>100<", "<bytecount>101<" }, { "<byteoffset>0<", "<byteoffset>1<" },
		{ ">sha256sum 300 ", ">sha256sum x00 " }, { ">sha256sum 300 ", ">sha999sum 300 " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		struct rsm_ltfs_index_header header;
		char *xml;

		given_measured_file(extents, 1);
		xml = written(&plain_source);
		exchange(xml, changes[i][0], changes[i][1]);
		read_back(xml, &header);
		free(xml);
		assert_int_equal(rsm_node_measured(fake_find(&loader, 1, "f")->node.flags),
				 RSM_DIGEST_NONE);
		assert_true(has_xattr(RSM_DIGEST_PLACE));
		assert_true(has_xattr("ltfs.hash.sha256sum"));
	}
}

static void what_nobody_may_write_is_read_only(void **state)
{
	static const struct {
		uint32_t flags, mode;
		bool readonly;
	} cases[] = {
		{ 0, 0444, false },
		{ RSM_NODE_READONLY, 0644, true },
		{ RSM_NODE_HAS_UNIX, 0444, true },
		{ RSM_NODE_HAS_UNIX, 0464, false },
		{ RSM_NODE_HAS_UNIX | RSM_NODE_READONLY, 0644, false }, /* chmod u+w */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rsm_snapshot_node *object;
		char *xml;

		given_root();
		object = add(RSM_WALK_LEAF, RSM_NODE_FILE, "f");
		object->node.flags = cases[i].flags;
		object->node.mode = cases[i].mode;
		xml = written(&plain_source);
		assert_int_equal(!!strstr(xml, "<readonly>true<"), cases[i].readonly);
		free(xml);
	}
}

static void texts_of_every_kind_make_a_valid_document(void **state)
{
	static const char *const creators[] = { "", "two\nlines\r\n", "a\x01\xff z", "<&>\"",
						"caf\xc3\xa9" };

	(void)state;
	for (size_t i = 0; i < sizeof creators / sizeof creators[0]; i++) {
		struct rsm_ltfs_index_source source = plain_source;
		struct rsm_ltfs_index_header header;
		struct rsm_snapshot_node *object;
		static const struct rsm_snapshot_xattr xattrs[] = { { "bad\xffkey:", "v", 1 },
								    { "", "v", 1 },
								    { "ok", "\xef\xbf\xbf", 3 } };
		char *xml;

		given_root();
		object = add(RSM_WALK_LEAF, RSM_NODE_LINK, "l");
		object->link_target = "bad\xc3target\x02";
		object->xattrs = xattrs;
		object->xattr_count = 3;
		snprintf(source.header.creator, sizeof source.header.creator, "%s", creators[i]);
		source.comment = creators[i];
		source.volume_name = creators[i];
		xml = written(&source);
		read_back(xml, &header);
		assert_null(strchr(header.creator, '\n'));
		assert_int_equal(fake_xattr(&loader, 2, "ok")->length, 3);
		free(xml);
	}
}

static void root_attributes_of_the_caller_win(void **state)
{
	static const struct rsm_snapshot_xattr stored[] = { { "ltfs.vendor.rsmfs.pool", "old", 3 },
							    { "on.root", "kept", 4 } };
	static const struct rsm_snapshot_xattr ours[] = {
		{ "ltfs.vendor.rsmfs.pool", "new", 3 }, { "ltfs.vendor.rsmfs.owner", "root", 4 }
	};
	struct rsm_ltfs_index_source source = plain_source;
	struct rsm_ltfs_index_header header;
	char *xml;

	(void)state;
	given_root();
	tree.nodes[0].xattrs = stored;
	tree.nodes[0].xattr_count = 2;
	source.root_xattrs = ours;
	source.root_xattr_count = 2;
	xml = written(&source);
	read_back(xml, &header);
	free(xml);
	assert_int_equal(loader.xattr_count, 3);
	assert_string_equal(fake_xattr(&loader, 1, "ltfs.vendor.rsmfs.pool")->value, "new");
	assert_string_equal(fake_xattr(&loader, 1, "on.root")->value, "kept");
}

static int refuse(void *context, const void *bytes, size_t length, struct rsm_err *err)
{
	size_t *calls = context;

	(void)bytes, (void)length;
	++*calls;
	return rsm_err_set(err, ENOSPC, "the medium is full");
}

static void a_sink_that_fails_ends_the_writing(void **state)
{
	struct rsm_err err;
	size_t calls = 0;

	(void)state;
	given_root();
	for (size_t i = 1; i < NODES_MAX; i++)
		add(RSM_WALK_LEAF, RSM_NODE_FILE, "f");
	leave();
	assert_int_equal(rsm_ltfs_index_write(&plain_source, refuse, &calls, &err), -ENOSPC);
	assert_int_equal(calls, 1);
	assert_string_equal(err.msg, "the medium is full");
}

/* ---- random trees ---- */

static uint64_t random_state;

static uint64_t any(uint64_t limit)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 33) % limit;
}

static void *kept[20 * NODES_MAX];
static size_t kept_count;

static void *keep(void *pointer)
{
	assert_true(kept_count < sizeof kept / sizeof kept[0]);
	assert_non_null(pointer);
	return kept[kept_count++] = pointer;
}

static void release(void)
{
	while (kept_count)
		free(kept[--kept_count]);
}

static struct timespec any_time(void)
{
	return (struct timespec){ (int64_t)(any(4102444800ULL) * 70) - 60000000000,
				  (long)any(1000000000) };
}

static char *any_text(bool name)
{
	static const char *const pieces[] = { "a",
					      "Z",
					      " ",
					      "%",
					      "%41",
					      ":",
					      "&",
					      "<",
					      ">",
					      "\"",
					      "'",
					      "\n",
					      "\r",
					      "\t",
					      "\x01",
					      "\x7f",
					      "\xc3\xa9",
					      "e\xcc\x81",
					      "\xe6\x97\xa5",
					      "\xf0\x9f\x98\x80",
					      ".",
					      "\\",
					      "]]>",
					      "\xe2\x80\xa8",
					      "/" };
	char text[256] = "";
	size_t count = 1 + any(12);

	for (size_t i = 0; i < count; i++)
		strcat(text, pieces[any(sizeof pieces / sizeof pieces[0] - name)]);
	if (name) /* unlike the others */
		snprintf(text + strlen(text), 32, "%zu", tree.node_count);
	return keep(strdup(text));
}

static void fill_file(struct rsm_snapshot_node *object)
{
	size_t count = any(5);
	struct rsm_extent *extents = keep(calloc(count + 1, sizeof *extents));
	uint64_t end = 0;

	for (size_t i = 0; i < count; i++) {
		extents[i] = (struct rsm_extent){ .file_offset = end + any(3) * any(1 << 20),
						  .start_block = 4 + any(1ULL << 30),
						  .byte_offset = any(524288),
						  .byte_count = 1 + any(1ULL << 30),
						  .partition = any(2) ? 'a' : 'b',
						  .indexed = true };
		end = extents[i].file_offset + extents[i].byte_count;
	}
	object->extents = extents;
	object->extent_count = count;
	object->node.size = end + any(2) * any(1 << 20);
}

static void fill_xattrs(struct rsm_snapshot_node *object)
{
	size_t count = any(4);
	struct rsm_snapshot_xattr *xattrs = keep(calloc(count + 1, sizeof *xattrs));

	for (size_t i = 0; i < count; i++) {
		char *key = keep(malloc(300)), *value;

		snprintf(key, 300, "%zu%s", i, any_text(false));
		xattrs[i].key = key;
		if (any(2)) {
			value = any_text(false);
			xattrs[i].length = strlen(value);
		} else {
			xattrs[i].length = any(40);
			value = keep(malloc(xattrs[i].length + 1));
			for (size_t n = 0; n < xattrs[i].length; n++)
				value[n] = (char)any(256);
		}
		xattrs[i].value = value;
	}
	object->xattrs = xattrs;
	object->xattr_count = count;
	if (count)
		object->node.flags |= RSM_NODE_HAS_XATTRS;
}

static void fill(struct rsm_snapshot_node *object)
{
	struct rsm_node *node = &object->node;
	struct rsm_err err;
	char *nfc;

	object->name = any_text(true);
	assert_done(rsm_name_nfc(object->name, &nfc, &err), &err);
	object->nfc = keep(nfc);
	node->times = (struct rsm_node_times){ any_time(), any_time(), any_time(), any_time(),
					       any_time() };
	if (any(2))
		node->flags |= RSM_NODE_READONLY;
	if (any(2)) {
		node->flags |= RSM_NODE_HAS_UNIX;
		node->mode = (uint32_t)any(010000);
		node->owner = (uint32_t)(100000 + any(1ULL << 30));
		node->group = (uint32_t)(100000 + any(1ULL << 30));
		if (node->kind != RSM_NODE_LINK) /* then the mode tells it */
			node->flags = node->mode & 0222 ? node->flags & ~(uint32_t)RSM_NODE_READONLY
							: node->flags | RSM_NODE_READONLY;
	}
	if (!any(4)) {
		object->unknown = "<a b=\"c\">d</a><e></e>";
		node->flags |= RSM_NODE_HAS_UNKNOWN;
	}
	fill_xattrs(object);
	if (node->kind == RSM_NODE_FILE)
		fill_file(object);
	if (node->kind == RSM_NODE_LINK) {
		object->link_target = any_text(false);
		node->size = strlen(object->link_target);
	}
}

static void given_random_tree(void)
{
	size_t depth = 0;

	given_root();
	while (tree.node_count < NODES_MAX - 1) {
		switch (any(6)) {
		case 0:
			fill(add(RSM_WALK_ENTER, RSM_NODE_FOLDER, ""));
			depth++;
			break;
		case 1:
			if (depth) {
				leave();
				depth--;
			}
			break;
		case 2: fill(add(RSM_WALK_LEAF, RSM_NODE_LINK, "")); break;
		default: fill(add(RSM_WALK_LEAF, RSM_NODE_FILE, "")); break;
		}
	}
	while (depth-- > 0)
		leave();
}

static void assert_same_time(const struct timespec *one, const struct timespec *other)
{
	assert_int_equal(one->tv_sec, other->tv_sec);
	assert_int_equal(one->tv_nsec, other->tv_nsec);
}

static void assert_same(const struct rsm_snapshot_node *object, const struct fake_node *read)
{
	const struct rsm_node *one = &object->node, *other = &read->node;

	assert_string_equal(read->name, object->name);
	assert_int_equal(other->kind, one->kind);
	assert_int_equal(other->flags, one->flags);
	assert_int_equal(other->uid, one->uid);
	assert_int_equal(other->size, one->size);
	assert_int_equal(other->mode, one->mode);
	assert_int_equal(other->owner, one->owner);
	assert_int_equal(other->group, one->group);
	assert_same_time(&other->times.created, &one->times.created);
	assert_same_time(&other->times.changed, &one->times.changed);
	assert_same_time(&other->times.modified, &one->times.modified);
	assert_same_time(&other->times.accessed, &one->times.accessed);
	assert_same_time(&other->times.backed_up, &one->times.backed_up);
	assert_int_equal(read->extent_count, object->extent_count);
	for (size_t i = 0; i < read->extent_count; i++) {
		assert_int_equal(read->extents[i].file_offset, object->extents[i].file_offset);
		assert_int_equal(read->extents[i].start_block, object->extents[i].start_block);
		assert_int_equal(read->extents[i].byte_offset, object->extents[i].byte_offset);
		assert_int_equal(read->extents[i].byte_count, object->extents[i].byte_count);
		assert_int_equal(read->extents[i].partition, object->extents[i].partition);
	}
	if (object->link_target)
		assert_string_equal(read->target, object->link_target);
	if (object->unknown)
		assert_string_equal(read->unknown, object->unknown);
	for (size_t i = 0; i < object->xattr_count; i++) {
		const struct fake_xattr *xattr =
			fake_xattr(&loader, other->id, object->xattrs[i].key);

		assert_non_null(xattr);
		assert_int_equal(xattr->length, object->xattrs[i].length);
		assert_memory_equal(xattr->value, object->xattrs[i].value, xattr->length);
	}
}

static void random_trees_come_back_as_they_were(void **state)
{
	const char *seed = getenv("RSM_SEED");

	(void)state;
	random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	print_message("# RSM_SEED=%llu\n", (unsigned long long)random_state);
	for (int round = 0; round < 10; round++) {
		struct rsm_ltfs_index_header header;
		char *xml;

		given_random_tree();
		xml = written(&plain_source);
		read_back(xml, &header);
		free(xml);
		assert_string_equal(header.creator, plain_source.header.creator);
		assert_int_equal(header.generation, 4);
		assert_int_equal(header.back_block, 14);
		assert_int_equal(header.highest_uid, tree.node_count);
		assert_int_equal(loader.node_count, tree.node_count);
		for (size_t i = 1; i < tree.node_count; i++)
			assert_same(&tree.nodes[i], &loader.nodes[i]);
		release();
	}
}

static int forget(void **state)
{
	(void)state;
	fake_reset(&loader);
	release();
	return 0;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_document_has_the_elements_in_the_reference_s_order),
	cmocka_unit_test(a_pending_file_is_listed_as_far_as_the_medium_has_it),
	cmocka_unit_test(a_measured_checksum_is_known_again_by_its_contents),
	cmocka_unit_test(a_checksum_of_other_contents_stays_told_apart),
	cmocka_unit_test(what_nobody_may_write_is_read_only),
	cmocka_unit_test(texts_of_every_kind_make_a_valid_document),
	cmocka_unit_test(root_attributes_of_the_caller_win),
	cmocka_unit_test(a_sink_that_fails_ends_the_writing),
	cmocka_unit_test(random_trees_come_back_as_they_were),
};

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, forget);
}
