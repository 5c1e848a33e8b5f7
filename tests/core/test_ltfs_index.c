/* The reader alone, fed with small texts: what is read, and what is refused with which words. */
#include "core/ltfs/index_reader.h"

#include "tests/core/fake_index_loader.h"

#define TIME "2026-01-02T03:04:05.000000006Z"
#define TIMES                                                                                      \
	"<creationtime>2026-01-02T03:04:05.000000006Z</creationtime>"                              \
	"<changetime>2026-01-02T03:04:05.5Z</"                                                     \
	"changetime><modifytime>1969-12-31T23:59:59.250000000Z"                                    \
	"</modifytime><accesstime>2200-01-01T00:00:00.000000000Z</accesstime>"                     \
	"<backuptime>0001-01-01T00:00:00.000000000Z</backuptime>"
#define UUID	   "0a1b2c3d-4e5f-4789-8abc-def012345678"
#define CREATOR	   "<creator>Example - rsmfs</creator>\n"
#define VOLUME	   "<volumeuuid>" UUID "</volumeuuid>\n"
#define GENERATION "<generationnumber>3</generationnumber>\n"
#define UPDATED	   "<updatetime>" TIME "</updatetime>\n"
#define PLACE	   "<location><partition>a</partition><startblock>5</startblock></location>\n"
#define POLICY	   "<allowpolicyupdate>true</allowpolicyupdate>\n"
#define HIGHEST	   "<highestfileuid>9</highestfileuid>\n"
#define HEADER	   CREATOR VOLUME GENERATION UPDATED PLACE POLICY HIGHEST
#define ROOT(inside)                                                                               \
	"<directory><name>vol</name><readonly>false</readonly>" TIMES "<fileuid>1</fileuid>"       \
	"<contents>" inside "</contents></directory>"
#define XML			 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define VERSIONED(version, body) XML "<ltfsindex version=\"" version "\">" body "</ltfsindex>"
#define INDEX(body)		 VERSIONED("2.4.0", body)
#define TREE(inside)		 INDEX(HEADER ROOT(inside))
#define COMMON(uid)		 "<readonly>false</readonly>" TIMES "<fileuid>" #uid "</fileuid>"
#define FILE_OF(inside)		 "<file>" inside "</file>"
#define NAMED(name, more)	 FILE_OF("<name>" name "</name>" COMMON(7) "<length>100</length>" more)
#define ENCODED(name)                                                                              \
	FILE_OF("<name percentencoded=\"true\">" name "</name>" COMMON(7) "<length>100</length>")
#define EXTENT(offset, block, byte, count)                                                         \
	"<extent><fileoffset>" #offset "</fileoffset><partition>b</partition><startblock>" #block  \
	"</startblock><byteoffset>" #byte "</byteoffset><bytecount>" #count                        \
	"</bytecount></extent>"
#define EXTENTS(list)	  "<extentinfo>" list "</extentinfo>"
#define XATTRS(list)	  "<extendedattributes>" list "</extendedattributes>"
#define XATTR(key, value) "<xattr><key>" key "</key>" value "</xattr>"

static struct rsm_index_loader loader;

/* Feeds in pieces of `step` bytes. */
static int read_bytes(const char *xml, size_t length, size_t step, const char *uuid,
		      struct rsm_ltfs_index_header *header, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	int r;

	fake_reset(&loader);
	r = rsm_ltfs_index_reader_new(&loader, uuid, &reader, err);
	for (size_t at = 0; !r && at < length; at += step)
		r = rsm_ltfs_index_reader_feed(reader, xml + at,
					       length - at < step ? length - at : step, err);
	return r ? r : rsm_ltfs_index_reader_finish(reader, header, err);
}

static int read_text(const char *xml, struct rsm_err *err)
{
	struct rsm_ltfs_index_header header;

	return read_bytes(xml, strlen(xml), 65536, UUID, &header, err);
}

static void given_index(const char *xml)
{
	struct rsm_err err;
	int r = read_text(xml, &err);

	if (r)
		fail_msg("%s\nin %s", err.msg, xml);
}

static const struct fake_node *child(uint64_t parent, const char *name)
{
	const struct fake_node *node = fake_find(&loader, parent, name);

	if (!node)
		fail_msg("there is no \"%s\" in %llu", name, (unsigned long long)parent);
	return node;
}

static void the_header_says_what_the_index_is(void **state)
{
	static const char xml[] = VERSIONED(
		"2.5.0",
		CREATOR "<comment>a &amp; b</comment>" VOLUME GENERATION UPDATED PLACE
			"<previousgenerationlocation><startblock>14</startblock>"
			"<partition>b</partition></previousgenerationlocation>" POLICY
			"<dataplacementpolicy><indexpartitioncriteria><size>65536</size>"
			"<name>*.txt</name></indexpartitioncriteria></dataplacementpolicy>" HIGHEST
			"<volumelockstate>locked</volumelockstate>" ROOT(""));
	struct rsm_ltfs_index_header header;
	struct rsm_err err;

	(void)state;
	for (size_t step = 1; step < sizeof xml; step = step * 3 + 1) {
		assert_done(read_bytes(xml, sizeof xml - 1, step, UUID, &header, &err), &err);
		assert_string_equal(header.version, "2.5.0");
		assert_string_equal(header.uuid, UUID);
		assert_string_equal(header.creator, "Example - rsmfs");
		assert_string_equal(header.lock, "locked");
		assert_int_equal(header.generation, 3);
		assert_int_equal(header.update_time.tv_sec, 1767323045);
		assert_int_equal(header.self_partition, 'a');
		assert_int_equal(header.self_block, 5);
		assert_int_equal(header.back_partition, 'b');
		assert_int_equal(header.back_block, 14);
		assert_int_equal(header.highest_uid, 9);
		assert_true(header.allow_policy_update);
		assert_false(header.incremental);
		assert_string_equal(fake_fact(&loader, "comment"), "a & b");
		assert_string_equal(fake_fact(&loader, "volume_name"), "vol");
		assert_string_equal(fake_fact(&loader, "lock"), "locked");
		assert_string_equal(fake_fact(&loader, "allow_policy_update"), "true");
		assert_string_equal(fake_fact(&loader, "update_time"), TIME);
		assert_string_equal(fake_fact(&loader, "index_creator"), "Example - rsmfs");
		assert_string_equal(fake_fact(&loader, "policy"),
				    "<dataplacementpolicy><indexpartitioncriteria><size>65536"
				    "</size><name>*.txt</name></indexpartitioncriteria>"
				    "</dataplacementpolicy>");
		assert_int_equal(loader.node_count, 1);
		assert_int_equal(loader.nodes[0].node.times.modified.tv_sec, -1);
		assert_int_equal(loader.nodes[0].node.times.modified.tv_nsec, 250000000);
	}
}

static void an_index_without_loader_is_only_checked(void **state)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	static const char xml[] = TREE(NAMED("a", XATTRS(XATTR("k", "<value>v</value>"))));
	struct rsm_ltfs_index_header header;
	struct rsm_err err;

	(void)state;
	assert_done(rsm_ltfs_index_reader_new(NULL, NULL, &reader, &err), &err);
	assert_done(rsm_ltfs_index_reader_feed(reader, xml, sizeof xml - 1, &err), &err);
	assert_done(rsm_ltfs_index_reader_finish(reader, &header, &err), &err);
	assert_int_equal(header.highest_uid, 9);
}

static void what_is_no_index_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *xml, *reason;
	} cases[] = {
		/* each required element missing */
		{ INDEX(VOLUME GENERATION UPDATED PLACE POLICY HIGHEST ROOT("")),
		  "<creator> is m" },
		{ INDEX(CREATOR GENERATION UPDATED PLACE POLICY HIGHEST ROOT("")), "<volumeuuid>" },
		{ INDEX(CREATOR VOLUME UPDATED PLACE POLICY HIGHEST ROOT("")), "<generationnum" },
		{ INDEX(CREATOR VOLUME GENERATION PLACE POLICY HIGHEST ROOT("")), "<updatetime>" },
		{ INDEX(CREATOR VOLUME GENERATION UPDATED POLICY HIGHEST ROOT("")), "<location>" },
		{ INDEX(CREATOR VOLUME GENERATION UPDATED PLACE HIGHEST ROOT("")), "<allowpolicy" },
		{ INDEX(CREATOR VOLUME GENERATION UPDATED PLACE POLICY ROOT("")), "<highestfile" },
		{ INDEX(HEADER), "<directory> is missing in <ltfsindex>" },
		{ INDEX(HEADER "<directory><name>x</name>" COMMON(1) "</directory>"),
		  "<contents> is missing" },
		{ TREE(FILE_OF(COMMON(7) "<length>1</length>")), "<name> is missing in <file>" },
		{ TREE(FILE_OF("<name>a</name>" COMMON(7))), "<length> is missing" },
		{ TREE(FILE_OF("<name>a</name><length>1</length>" TIMES "<fileuid>2</fileuid>")),
		  "<readonly> is missing" },
		{ TREE(FILE_OF("<name>a</name><length>1</length><readonly>1</readonly>" TIMES)),
		  "<fileuid> is missing" },
		{ TREE(FILE_OF("<name>a</name><length>1</length><readonly>1</readonly>"
			       "<fileuid>2</fileuid>")),
		  "<creationtime> is missing" },
		{ TREE(NAMED("a", XATTRS("<xattr><key>k</key></xattr>"))), "<value> is missing" },
		{ TREE(NAMED("a", XATTRS("<xattr><value>k</value></xattr>"))), "<key> is missing" },
		{ TREE(NAMED("a", EXTENTS("<extent><fileoffset>0</fileoffset></extent>"))),
		  "<partition> is missing in <extent>" },
		/* empty */
		{ INDEX(HEADER "<directory/>"), "<name> is missing" },
		{ INDEX("<creator/>" VOLUME GENERATION UPDATED PLACE POLICY HIGHEST ROOT("")),
		  "<creator> cannot be empty" },
		{ INDEX(CREATOR VOLUME "<generationnumber/>" UPDATED PLACE POLICY HIGHEST ROOT("")),
		  "<generationnumber> cannot be empty" },
		{ INDEX(CREATOR VOLUME GENERATION UPDATED "<location/>" POLICY HIGHEST ROOT("")),
		  "<partition> is missing in <location>" },
		{ TREE(NAMED("", "")), "<name> cannot be empty" },
		{ TREE(NAMED("a", XATTRS(XATTR("", "<value/>")))), "<key> cannot be empty" },
		/* twice */
		{ INDEX(HEADER CREATOR ROOT("")), "<creator> is there twice" },
		{ INDEX(HEADER ROOT("") ROOT("")), "<directory> is there twice" },
		{ INDEX(HEADER PLACE ROOT("")), "<location> is there twice" },
		{ TREE(NAMED("a", "<length>1</length>")), "<length> is there twice" },
		{ TREE(NAMED("a", "<fileuid>8</fileuid>")), "<fileuid> is there twice" },
		{ TREE(NAMED("a", EXTENTS("") EXTENTS(""))), "<extentinfo> is there twice" },
		/* not of the form */
		{ VERSIONED("3.0.0", HEADER ROOT("")), "version 3.0.0" },
		{ VERSIONED("2.4", HEADER ROOT("")), "version 2.4" },
		{ XML "<ltfsindex>" HEADER ROOT("") "</ltfsindex>", "version (none)" },
		{ XML "<ltfslabel version=\"2.4.0\"/>", "not an LTFS index" },
		{ INDEX(CREATOR "<volumeuuid>1a1b2c3d-4e5f-4789-8abc-def012345678</volumeuuid>"),
		  "of volume 1a1b2c3d" },
		{ TREE(NAMED("a", "<openforwrite>true</openforwrite>") "<file/>"), "is missing" },
		{ TREE(FILE_OF("<name>a</name>" COMMON(7) "<length>0x1</length>")), "<length>" },
		{ TREE(FILE_OF("<name>a</name>" COMMON(7) "<length>1 </length>")), "<length>" },
		{ TREE(FILE_OF("<name>a</name>" COMMON(7) "<length>18446744073709551616</length>")),
		  "<length>" },
		{ TREE(FILE_OF("<name>a</name>" COMMON(7) "<length>9223372036854775808</length>")),
		  "<length>" },
		{ TREE(FILE_OF("<name>a</name><length>1</length><readonly>TRUE</readonly>")),
		  "<readonly> cannot be read" },
		{ TREE(FILE_OF("<name>a</name><changetime>yesterday</changetime>")),
		  "<changetime> cannot be read" },
		/* uids */
		{ TREE(FILE_OF("<name>a</name>" COMMON(0) "<length>1</length>")), "cannot be 0" },
		{ INDEX(HEADER "<directory><name>x</name>" COMMON(2) "<contents/></directory>"),
		  "the root's <fileuid> is 2" },
		{ TREE("<directory><name>x</name>" COMMON(1) "<contents/></directory>"),
		  "another folder" },
		/* the policy */
		{ INDEX(HEADER "<dataplacementpolicy/>" ROOT("")), "<dataplacementpolicy> is not" },
		{ INDEX(HEADER "<dataplacementpolicy><indexpartitioncriteria><size/>"
			       "</indexpartitioncriteria></dataplacementpolicy>" ROOT("")),
		  "<size> of the placement policy is empty" },
		/* XML */
		{ TREE("") "x", "junk" },
		{ XML "<!DOCTYPE l [<!ENTITY a \"aaaa\">]><ltfsindex/>", "declares an entity" },
		{ XML "<!DOCTYPE l [<!ENTITY % a \"aaaa\">]><ltfsindex/>", "declares an entity" },
		{ XML "<!DOCTYPE l SYSTEM \"x\"><ltfsindex version=\"2.4.0\">&x;</ltfsindex>",
		  "entity" },
		{ "", "no element" },
		{ INDEX(HEADER "<directory>"), "mismatched" },
		{ TREE(NAMED("\x01", "")), "line" },
		{ TREE(NAMED("a\xff", "")), "line" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rsm_err err = { 0 };

		assert_int_equal(read_text(cases[i].xml, &err), -EBADMSG);
		if (!strstr(err.msg, cases[i].reason))
			fail_msg("case %zu: \"%s\" lacks \"%s\"", i, err.msg, cases[i].reason);
		assert_non_null(strstr(err.msg, "line "));
	}
}

static void a_nul_behind_the_end_is_refused_and_white_space_is_not(void **state)
{
	static const char xml[] = TREE("") "\n \0";
	struct rsm_ltfs_index_header header;
	struct rsm_err err;

	(void)state;
	assert_done(read_bytes(xml, sizeof xml - 2, 4096, UUID, &header, &err), &err);
	assert_int_equal(read_bytes(xml, sizeof xml - 1, 4096, UUID, &header, &err), -EBADMSG);
}

static void elements_come_in_any_order(void **state)
{
	const struct fake_node *node;

	(void)state;
	given_index(INDEX("<directory><contents><directory><contents>" FILE_OF(
		"<extentinfo><extent><bytecount>10</bytecount><byteoffset>3</byteoffset>"
		"<startblock>9</startblock><partition>b</partition><fileoffset>5</fileoffset>"
		"</extent></extentinfo><length>20</length><fileuid>4</fileuid>" TIMES
		"<readonly>1</readonly><name>f</name>") "</contents>" XATTRS("<xattr><value>v</"
									     "value><key>k</key></"
									     "xattr>") "<extra/>"
										       "<fileuid>3<"
										       "/fileuid"
										       ">" TIMES
										       "<readonly>"
										       "true</"
										       "readonly><"
										       "name>late</"
										       "name>"
										       "</"
										       "directory><"
										       "/contents><"
										       "fileuid>1</"
										       "fileuid"
										       ">" TIMES
										       "<readonly>"
										       "false</"
										       "readonly><"
										       "name/></"
										       "directory"
										       ">" HIGHEST POLICY PLACE
											       UPDATED GENERATION VOLUME
												       CREATOR));
	assert_string_equal(fake_fact(&loader, "volume_name"), "");
	node = child(1, "late");
	assert_int_equal(node->node.uid, 3);
	assert_int_equal(node->node.flags,
			 RSM_NODE_READONLY | RSM_NODE_HAS_XATTRS | RSM_NODE_HAS_UNKNOWN);
	assert_int_equal(node->node.times.created.tv_sec, 1767323045);
	assert_string_equal(node->unknown, "<extra></extra>");
	assert_string_equal(fake_xattr(&loader, node->node.id, "k")->value, "v");
	node = child(node->node.id, "f");
	assert_int_equal(node->node.uid, 4);
	assert_int_equal(node->node.size, 20);
	assert_int_equal(node->extent_count, 1);
	assert_int_equal(node->extents[0].byte_offset, 3);
	assert_int_equal(node->extents[0].start_block, 9);
}

static void a_folder_that_is_complete_before_its_contents_is_written_once(void **state)
{
	(void)state;
	given_index(TREE("<directory><name>d</name>" COMMON(3) XATTRS(
		XATTR("k", "<value/>")) "<contents></contents></directory>" NAMED("a", "")));
	assert_int_equal(loader.updates, 0);
	assert_int_equal(loader.node_count, 3);
}

static void old_versions_lack_what_they_lacked(void **state)
{
	static const char old[] =
		"<readonly>false</readonly><creationtime>" TIME "</creationtime><changetime>" TIME
		"</changetime><modifytime>" TIME "</modifytime><accesstime>" TIME "</accesstime>";
	char xml[4096];
	const struct fake_node *node;
	struct rsm_ltfs_index_header header;
	struct rsm_err err;

	(void)state;
	snprintf(xml, sizeof xml,
		 XML "<ltfsindex version=\"1.0\">" CREATOR VOLUME GENERATION UPDATED PLACE POLICY
		     "<directory><name>v</name>%s<contents><file><name>f</name>%s"
		     "<length>30</length><extentinfo>"
		     "<extent><partition>b</partition><startblock>9</startblock><byteoffset>0"
		     "</byteoffset><bytecount>10</bytecount></extent>"
		     "<extent><partition>b</partition><startblock>7</startblock><byteoffset>0"
		     "</byteoffset><bytecount>20</bytecount></extent>"
		     "</extentinfo></file></contents></directory></ltfsindex>",
		 old, old);
	assert_done(read_bytes(xml, strlen(xml), 999, UUID, &header, &err), &err);
	node = child(1, "f");
	assert_int_equal(node->node.uid, 1002);
	assert_int_equal(header.highest_uid, 1002);
	assert_int_equal(node->extents[0].file_offset, 0);
	assert_int_equal(node->extents[1].file_offset, 10);
	assert_int_equal(node->extents[1].start_block, 7);
	assert_int_equal(node->node.times.backed_up.tv_sec, 1767323045);
	assert_int_equal(loader.nodes[0].node.times.backed_up.tv_sec, 1767323045);
	assert_int_equal(loader.nodes[0].node.uid, 1);
}

static void unknown_elements_are_kept_where_they_can_be_put_back(void **state)
{
	(void)state;
	given_index(INDEX(
		HEADER
		"<new a=\"1 &lt; 2\" b='\"'>t&amp;x<in>1</in><!-- c --></new><x:p/><other/>" ROOT(
			"<what><file>no</file></what>" NAMED(
				"f<b>old</b>g",
				"<tag>v\r\n&#13;</tag><t2/>" EXTENTS("<q><extent/></q>")))));
	assert_string_equal(fake_fact(&loader, "unknown"),
			    "<new a=\"1 &lt; 2\" b=\"&quot;\">t&amp;x<in>1</in></new>"
			    "<other></other>");
	/* what is in its parts stands behind that */
	assert_string_equal(child(1, "fg")->unknown, "<tag>v\n&#13;</tag><t2></t2>"
						     "\1i\2<q><extent></extent></q>");
	assert_int_equal(child(1, "fg")->node.flags, RSM_NODE_HAS_UNKNOWN);
	assert_int_equal(loader.node_count, 2);
}

static void names_are_decoded_normalised_and_made_harmless(void **state)
{
	static const struct {
		const char *xml, *name;
	} cases[] = {
		{ TREE(NAMED("a", "")), "a" },
		{ TREE(NAMED("e\xcc\x81t\xc3\xa9", "")), "\xc3\xa9t\xc3\xa9" },
		{ TREE(NAMED("per%41cent", "")), "per%41cent" },
		{ TREE(ENCODED("per%41cent")), "perAcent" },
		{ TREE(ENCODED("a%3Ab%3a%c3%A9e%CC%81")), "a:b:\xc3\xa9\xc3\xa9" },
		{ TREE(ENCODED("%zz%4")), "%zz%4" },
		{ TREE(ENCODED("a%2Fb%00c")), "a%2Fb%00c" },
		{ TREE(NAMED("a/b", "")), "a_b" },
		{ TREE(NAMED("../../etc", "")), ".._.._etc" },
		{ TREE(NAMED("/", "")), "_" },
		{ TREE(NAMED(".", "")), "%2E" },
		{ TREE(NAMED("..", "")), "%2E%2E" },
		{ TREE(ENCODED("%2E.")), "%2E%2E" },
		{ TREE(NAMED("...", "")), "..." },
		{ TREE(NAMED(" a\tb ", "")), " a\tb " },
		{ TREE(NAMED("&lt;&amp;&#x41;&quot;", "")), "<&A\"" },
		{ TREE(NAMED("<![CDATA[a]]>b<!-- x -->c", "")), "abc" },
		{ TREE(FILE_OF("<name percentencoded=\"TRUE\">%41</name>" COMMON(
			  7) "<length>1</length>")),
		  "%41" },
	};
	struct rsm_err err;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		given_index(cases[i].xml);
		child(1, cases[i].name);
	}
	assert_int_equal(read_text(TREE(ENCODED("%FF")), &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "UTF-8"));
	given_index(TREE(NAMED("a", "") NAMED("a", "")));
	assert_int_equal(loader.node_count, 3);
}

static void names_have_up_to_255_characters_of_any_size(void **state)
{
	static const char *const characters[] = { "a", "\xc3\xa9", "\xe6\x97\xa5",
						  "\xf0\x9f\x98\x80" };
	char name[1100], xml[4096];
	struct rsm_err err;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (size_t count = 255; count <= 256; count++) {
			name[0] = '\0';
			for (size_t n = 0; n < count; n++)
				strcat(name, characters[i]);
			snprintf(xml, sizeof xml, TREE(NAMED("%s", "")), name);
			assert_int_equal(read_text(xml, &err), count > 255 ? -EBADMSG : 0);
			if (count == 255)
				child(1, name);
		}
	}
}

static void a_link_with_extents_is_a_file_as_well(void **state)
{
	(void)state;
	given_index(TREE(NAMED("l", "<symlink>x</symlink>" EXTENTS(EXTENT(0, 9, 0, 500)))));
	assert_int_equal(loader.node_count, 3);
	assert_int_equal(loader.nodes[1].node.kind, RSM_NODE_LINK);
	assert_string_equal(loader.nodes[1].target, "x");
	assert_int_equal(loader.nodes[1].extent_count, 0);
	assert_int_equal(loader.nodes[2].node.kind, RSM_NODE_FILE);
	assert_string_equal(loader.nodes[2].name, "l"); /* the loader tells them apart */
	assert_int_equal(loader.nodes[2].node.size, 500);
	assert_int_equal(loader.nodes[2].extents[0].start_block, 9);
	assert_true(loader.nodes[1].node.uid != loader.nodes[2].node.uid);
}

static void links_keep_their_targets(void **state)
{
	static const struct {
		const char *xml, *target; /* NULL: refused */
	} cases[] = {
		{ TREE(NAMED("l", "<symlink>../t</symlink>")), "../t" },
		{ TREE(NAMED("l", "<symlink>a/b:c</symlink>")), "a/b:c" },
		{ TREE(NAMED("l", "<symlink percentencoded=\"true\">a/b%3Ac</symlink>")), "a/b:c" },
		{ TREE(NAMED("l", "<symlink>a%3Ac</symlink>")), "a%3Ac" },
		{ TREE(NAMED("l", "<symlink>e\xcc\x81</symlink>")), "e\xcc\x81" },
		{ TREE(NAMED("l", "<symlink>x</symlink><extentinfo/>")), "x" },
		{ TREE(NAMED("l", EXTENTS(EXTENT(0, 9, 0, 0)) "<symlink>x</symlink>")), "x" },
		{ TREE(NAMED("l", "<symlink/>")), NULL },
		{ TREE(NAMED("l", "<symlink percentencoded=\"true\">%C3</symlink>")), NULL },
	};
	struct rsm_err err;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (!cases[i].target) {
			assert_int_equal(read_text(cases[i].xml, &err), -EBADMSG);
			continue;
		}
		given_index(cases[i].xml);
		assert_int_equal(child(1, "l")->node.kind, RSM_NODE_LINK);
		assert_int_equal(child(1, "l")->node.size, strlen(cases[i].target));
		assert_string_equal(child(1, "l")->target, cases[i].target);
	}
}

static void attributes_are_read_to_the_byte(void **state)
{
	static const struct {
		const char *key, *xml, *value;
		size_t length;
	} cases[] = {
		{ "k", XATTR("k", "<value>v</value>"), "v", 1 },
		{ "k", XATTR("k", "<value/>"), "", 0 },
		{ "k", XATTR("k", "<value type=\"text\"> \ta\nb&#13;\n </value>"), " \ta\nb\r\n ",
		  8 },
		{ "k", XATTR("k", "<value type=\"base64\">AAEC</value>"), "\0\1\2", 3 },
		{ "k", XATTR("k", "<value type=\"base64\"> A\r\nAE\tC\n/w==\r\n </value>"),
		  "\0\1\2\377", 4 },
		{ "k", XATTR("k", "<value type=\"base64\">AAEC/w0=\n</value>"), "\0\1\2\377\r", 5 },
		{ "k", XATTR("k", "<value type=\"base64\"></value>"), "", 0 },
		{ "na me", XATTR("na me", "<value>v</value>"), "v", 1 },
		{ "a:b%", XATTR("a:b%", "<value>v</value>"), "v", 1 },
		{ "a:b\xc3\xa9",
		  "<xattr><key percentencoded=\"true\">a%3Ab%C3%A9</key>"
		  "<value>%41</value></xattr>",
		  "%41", 3 },
		{ "<&>", XATTR("&lt;&amp;&gt;", "<value>v</value>"), "v", 1 },
		{ "ltfs.vendor.rsmfs.unix",
		  XATTR("ltfs.vendor.rsmfs.unix", "<value>nonsense</value>"), "nonsense", 8 },
	};
	static const char *const wrong[] = {
		XATTR("k", "<value type=\"hex\">00</value>"),
		XATTR("k", "<value type=\"base64\">A</value>"),
		XATTR("k", "<value type=\"base64\">AA=A</value>"),
		XATTR("k", "<value type=\"base64\">AAEC===</value>"),
		XATTR("k", "<value type=\"base64\">AA_C</value>"),
		"<xattr><key percentencoded=\"true\">%80</key><value>v</value></xattr>",
	};
	char xml[4096];
	struct rsm_err err;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct fake_xattr *xattr;

		snprintf(xml, sizeof xml, TREE(NAMED("f", XATTRS("%s"))), cases[i].xml);
		given_index(xml);
		xattr = fake_xattr(&loader, 2, cases[i].key);
		assert_non_null(xattr);
		assert_int_equal(xattr->length, cases[i].length);
		assert_memory_equal(xattr->value, cases[i].value, xattr->length);
		assert_int_equal(child(1, "f")->node.flags, RSM_NODE_HAS_XATTRS);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(xml, sizeof xml, TREE(NAMED("f", XATTRS("%s"))), wrong[i]);
		assert_int_equal(read_text(xml, &err), -EBADMSG);
	}
}

static void our_vendor_keys_become_owner_mode_and_exact_name(void **state)
{
	const struct fake_node *node;

	(void)state;
	given_index(TREE(NAMED(
		"\xc3\xa9",
		XATTRS(XATTR("ltfs.vendor.rsmfs.unix", "<value>4755 12345 54321 - -</value>")
			       XATTR("ltfs.vendor.rsmfs.name", "<value>e\xcc\x81</value>")))));
	node = child(1, "e\xcc\x81");
	assert_int_equal(node->node.flags, RSM_NODE_HAS_UNIX);
	assert_int_equal(node->node.mode, 04755);
	assert_int_equal(node->node.owner, 12345);
	assert_int_equal(node->node.group, 54321);
	assert_int_equal(loader.xattr_count, 0);

	/* a name that this system knows has the last word */
	given_index(TREE(NAMED("f", XATTRS(XATTR("ltfs.vendor.rsmfs.unix",
						 "<value>0600 12345 54321 root root</value>")))));
	assert_int_equal(child(1, "f")->node.owner, 0);
	assert_int_equal(child(1, "f")->node.group, 0);

	/* renamed by other software: the exact name is stale */
	given_index(TREE(
		NAMED("new", XATTRS(XATTR("ltfs.vendor.rsmfs.name", "<value>../old</value>")))));
	child(1, "new");
	assert_int_equal(loader.xattr_count, 0);
	assert_int_equal(child(1, "new")->node.flags, 0);

	/* the root's stay */
	given_index(INDEX(HEADER "<directory><name>v</name>" COMMON(1) XATTRS(
		XATTR("ltfs.vendor.rsmfs.unix", "<value>0600 1 1 - -</value>")
			XATTR("ltfs.vendor.rsmfs.pool",
			      "<value>Backup</value>")) "<contents/></directory>"));
	assert_string_equal(fake_xattr(&loader, 1, "ltfs.vendor.rsmfs.pool")->value, "Backup");
	assert_non_null(fake_xattr(&loader, 1, "ltfs.vendor.rsmfs.unix"));
}

/* The reference sets `readonly` and leaves our mode as it is. */
static void what_others_made_read_only_or_writable_is_so_in_our_mode(void **state)
{
	static const struct {
		const char *readonly, *mode;
		uint32_t expected;
	} cases[] = {
		{ "false", "0644", 0644 }, { "true", "0444", 0444 }, { "true", "0664", 0444 },
		{ "false", "0555", 0755 }, { "true", "0000", 0000 },
	};
	char xml[4096];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		snprintf(xml, sizeof xml,
			 TREE(FILE_OF(
				 "<name>f</name><readonly>%s</readonly>" TIMES
				 "<fileuid>7</fileuid><length>0</length>" XATTRS(XATTR(
					 "ltfs.vendor.rsmfs.unix", "<value>%s 1 1 - -</value>")))),
			 cases[i].readonly, cases[i].mode);
		given_index(xml);
		assert_int_equal(child(1, "f")->node.mode, cases[i].expected);
	}
}

static void a_large_value_is_read(void **state)
{
	enum { LENGTH = 100000 };
	RSM_TEXT struct rsm_text xml = { 0 };
	struct rsm_ltfs_index_header header;
	struct rsm_err err;

	(void)state;
	rsm_text_add(&xml, XML
		     "<ltfsindex version=\"2.4.0\">" HEADER
		     "<directory><name>v</name>" COMMON(1) "<extendedattributes><xattr><key>k</key>"
							   "<value>");
	for (size_t i = 0; i < LENGTH; i++)
		rsm_text_append(&xml, &"0123456789"[i % 10], 1);
	rsm_text_add(&xml, "</value></xattr></extendedattributes><contents/></directory>"
			   "</ltfsindex>");
	assert_done(read_bytes(xml.data, xml.length, 4096, UUID, &header, &err), &err);
	assert_int_equal(fake_xattr(&loader, 1, "k")->length, LENGTH);
}

static void extents_are_sorted_and_checked(void **state)
{
	static const struct {
		const char *extents;
		const char *shape; /* offsets and counts; NULL: refused */
		bool damaged;
	} cases[] = {
		{ "", "", false },
		{ EXTENTS(""), "", false },
		{ EXTENTS(EXTENT(0, 9, 0, 100)), "0+100 ", false },
		{ EXTENTS(EXTENT(40, 9, 0, 10)), "40+10 ", false },
		{ EXTENTS(EXTENT(0, 9, 0, 10) EXTENT(50, 9, 0, 10)), "0+10 50+10 ", false },
		{ EXTENTS(EXTENT(50, 9, 0, 50) EXTENT(0, 8, 0, 10) EXTENT(10, 7, 0, 40)),
		  "0+10 10+40 50+50 ", false },
		{ EXTENTS(EXTENT(0, 9, 600000, 10)), "0+10 ", false },
		{ EXTENTS(EXTENT(0, 9, 0, 0) EXTENT(0, 9, 0, 10) EXTENT(5, 1, 0, 0)), "0+10 ",
		  false },
		{ EXTENTS(EXTENT(0, 9, 0, 10) EXTENT(9, 12, 0, 10)), NULL, false },
		{ EXTENTS(EXTENT(0, 9, 0, 101)), NULL, false },
		{ EXTENTS(EXTENT(90, 9, 0, 11)), NULL, false },
		{ EXTENTS(EXTENT(18446744073709551615, 9, 0, 2)), NULL, false },
		{ EXTENTS(EXTENT(18446744073709551616, 9, 0, 2)), NULL, false },
		{ EXTENTS(EXTENT(0, 3, 0, 10)), "0+10 ", true },
		{ EXTENTS(EXTENT(0, 9, 0, 10) EXTENT(10, 0, 0, 10)), "0+10 10+10 ", true },
		{ EXTENTS(EXTENT(0, 18446744073709551615, 0, 10)), "0+10 ", true },
		{ EXTENTS("<extent><fileoffset>0</fileoffset><partition>bb</partition></extent>"),
		  NULL, false },
	};
	char xml[8192], shape[256];
	struct rsm_err err;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct fake_node *node;
		size_t used = 0;

		snprintf(xml, sizeof xml, TREE(NAMED("f", "%s") NAMED("g", "")), cases[i].extents);
		if (!cases[i].shape) {
			assert_int_equal(read_text(xml, &err), -EBADMSG);
			continue;
		}
		given_index(xml);
		node = child(1, "f");
		shape[0] = '\0';
		for (size_t e = 0; e < node->extent_count; e++)
			used += (size_t)snprintf(shape + used, sizeof shape - used, "%llu+%llu ",
						 (unsigned long long)node->extents[e].file_offset,
						 (unsigned long long)node->extents[e].byte_count);
		assert_string_equal(shape, cases[i].shape);
		assert_int_equal(node->node.flags, cases[i].damaged ? RSM_NODE_DAMAGED : 0);
		assert_int_equal(child(1, "g")->node.flags, 0);
	}
}

static void the_highest_uid_is_corrected(void **state)
{
	static const char xml[] =
		INDEX(CREATOR VOLUME GENERATION UPDATED PLACE POLICY
		      "<highestfileuid>2</highestfileuid>" ROOT(NAMED("a", "") FILE_OF(
			      "<name>b</name>" COMMON(1) "<length>0</length>")));
	struct rsm_ltfs_index_header header;
	struct rsm_err err;

	(void)state;
	assert_done(read_bytes(xml, sizeof xml - 1, 100, UUID, &header, &err), &err);
	assert_int_equal(child(1, "b")->node.uid, 1003); /* the root's uid is not a file's */
	assert_int_equal(header.highest_uid, 1003);
}

static void an_incremental_index_gives_its_header(void **state)
{
	static const char xml[] = XML
		"<ltfsincrementalindex version=\"2.5.0\">" CREATOR VOLUME GENERATION UPDATED PLACE
		"<previousgenerationlocation><partition>b</partition><startblock>9"
		"</startblock></previousgenerationlocation><previousincrementallocation>"
		"<partition>b</partition><startblock>12</startblock>"
		"</previousincrementallocation>" HIGHEST
		"<directory><name>v</name><contents><file><name>x</name><deleted/></file>"
		"</contents></directory></ltfsincrementalindex>";
	struct rsm_ltfs_index_header header;
	struct rsm_err err;

	(void)state;
	assert_done(read_bytes(xml, sizeof xml - 1, 100, UUID, &header, &err), &err);
	assert_true(header.incremental);
	assert_int_equal(header.generation, 3);
	assert_int_equal(header.back_block, 9);
	assert_int_equal(loader.node_count, 0);
	assert_int_equal(loader.fact_count, 0);
}

static void hostile_depth_and_tokens_without_end_are_refused(void **state)
{
	RSM_TEXT struct rsm_text xml = { 0 };
	struct rsm_ltfs_index_header header;
	struct rsm_err err;

	(void)state;
	rsm_text_add(&xml, XML "<ltfsindex version=\"2.4.0\">");
	for (size_t i = 0; i < 5000; i++)
		rsm_text_add(&xml, "<x>");
	assert_int_equal(read_bytes(xml.data, xml.length, 65536, UUID, &header, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "within each other"));

	rsm_text_reset(&xml);
	rsm_text_add(&xml, XML "<ltfsindex version=\"2.4.0\"><!--");
	for (size_t i = 0; i < 6 * 1024; i++)
		rsm_text_printf(&xml, "%1024s", "");
	assert_int_equal(read_bytes(xml.data, xml.length, 1 << 20, UUID, &header, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "does not end"));
}

static void folders_within_folders_are_bounded(void **state)
{
	RSM_TEXT struct rsm_text xml = { 0 };
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	struct rsm_err err;
	int r = 0;

	(void)state;
	rsm_text_add(&xml, XML "<ltfsindex version=\"2.4.0\">");
	for (size_t i = 0; i < 4200; i++)
		rsm_text_add(&xml, "<directory><contents>");
	assert_done(rsm_ltfs_index_reader_new(NULL, UUID, &reader, &err), &err);
	r = rsm_ltfs_index_reader_feed(reader, xml.data, xml.length, &err);
	assert_int_equal(r, -EBADMSG);
	assert_non_null(strstr(err.msg, "4096 folders"));
	assert_int_equal(rsm_ltfs_index_reader_feed(reader, "x", 1, &err), -EBADMSG);
}

static int forget(void **state)
{
	(void)state;
	fake_reset(&loader);
	return 0;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_header_says_what_the_index_is),
	cmocka_unit_test(an_index_without_loader_is_only_checked),
	cmocka_unit_test(what_is_no_index_is_refused_with_the_reason),
	cmocka_unit_test(a_nul_behind_the_end_is_refused_and_white_space_is_not),
	cmocka_unit_test(elements_come_in_any_order),
	cmocka_unit_test(a_folder_that_is_complete_before_its_contents_is_written_once),
	cmocka_unit_test(old_versions_lack_what_they_lacked),
	cmocka_unit_test(unknown_elements_are_kept_where_they_can_be_put_back),
	cmocka_unit_test(names_are_decoded_normalised_and_made_harmless),
	cmocka_unit_test(names_have_up_to_255_characters_of_any_size),
	cmocka_unit_test(a_link_with_extents_is_a_file_as_well),
	cmocka_unit_test(links_keep_their_targets),
	cmocka_unit_test(attributes_are_read_to_the_byte),
	cmocka_unit_test(our_vendor_keys_become_owner_mode_and_exact_name),
	cmocka_unit_test(what_others_made_read_only_or_writable_is_so_in_our_mode),
	cmocka_unit_test(a_large_value_is_read),
	cmocka_unit_test(extents_are_sorted_and_checked),
	cmocka_unit_test(the_highest_uid_is_corrected),
	cmocka_unit_test(an_incremental_index_gives_its_header),
	cmocka_unit_test(hostile_depth_and_tokens_without_end_are_refused),
	cmocka_unit_test(folders_within_folders_are_bounded),
};

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, forget);
}
