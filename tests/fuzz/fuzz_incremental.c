/* Incremental indexes: each document of the input, up to a NUL, is applied to the tree below or to
 * what the documents before it made of it.
 *
 * Promises: those of fuzz_index, and that a document that is accepted by itself never does harm to
 * the tree, whether it fits on it or not.
 */
#include <string.h>

#include "tests/fuzz/fuzz_tree.h"

#define UUID "0a1b2c3d-4e5f-4789-8abc-def012345678"
#define TIME "2026-01-02T03:04:05.000000006Z"
#define OBJECT(name, uid)                                                                          \
	"<name>" name "</name><readonly>false</readonly><creationtime>" TIME                       \
	"</creationtime><changetime>" TIME "</changetime><modifytime>" TIME                        \
	"</modifytime><accesstime>" TIME "</accesstime><backuptime>" TIME                          \
	"</backuptime><fileuid>" #uid "</fileuid>"
#define A_FILE(name, uid)                                                                          \
	"<file>" OBJECT(name, uid) "<length>10</length><extendedattributes><xattr><key>k</key>"    \
				   "<value>v</value></xattr></extendedattributes><extentinfo>"     \
				   "<extent><fileoffset>0</fileoffset><partition>b</partition>"    \
				   "<startblock>9</startblock><byteoffset>0</byteoffset>"          \
				   "<bytecount>10</bytecount></extent></extentinfo></file>"

/* a (2), d/ (3): e (4), s/ (5): f (6); l (7) -> a */
static const char tree
	[] = "<ltfsindex version=\"2.5.0\"><creator>fuzz</creator><volumeuuid>" UUID
	     "</volumeuuid><generationnumber>7</generationnumber><updatetime>" TIME
	     "</updatetime><location><partition>b</partition><startblock>5</startblock></location>"
	     "<allowpolicyupdate>true</allowpolicyupdate><highestfileuid>99</highestfileuid>"
	     "<directory>" OBJECT("v", 1) "<contents>" A_FILE("a", 2) "<directory>" OBJECT("d", 3) "<contents>" A_FILE(
		     "e", 4) "<directory>" OBJECT("s",
						  5) "<contents>" A_FILE("f",
									 6) "</contents></"
									    "directory></"
									    "contents></"
									    "directory><"
									    "file>" OBJECT("l",
											   7) "<len"
											      "gth>"
											      "0</"
											      "leng"
											      "th><"
											      "syml"
											      "ink>"
											      "a</"
											      "syml"
											      "ink>"
											      "</"
											      "file"
											      "></"
											      "cont"
											      "ents"
											      "></"
											      "dire"
											      "ctor"
											      "y></"
											      "ltfs"
											      "inde"
											      "x>";

static int apply(struct rsm_index_loader *loader, const char *document, size_t size, bool changes,
		 struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	int r = rsm_ltfs_index_reader_new(loader, UUID, &reader, err);

	if (r == 0 && changes)
		rsm_ltfs_index_reader_expect_changes(reader);
	return r < 0 ? r : fuzz_read(reader, document, size, 1 + size % 61, ret_header, err);
}

static bool is_worth_it(const char *documents, size_t size)
{
	struct rsm_ltfs_index_header header;
	struct rsm_err err;

	return apply(NULL, documents, strnlen(documents, size), false, &header, &err) == 0 &&
	       header.incremental;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size;
	struct rsm_ltfs_index_header header;
	struct rsm_index_loader *loader;
	uint64_t highest;
	struct rsm_err err;
	int r;

	if (!is_worth_it(at, size))
		return 0;
	loader = fuzz_loader("index");
	r = apply(loader, tree, sizeof tree - 1, false, &header, &err);
	FUZZ_PROMISE(r == 0, "%s", err.msg);
	highest = header.highest_uid;
	while (r == 0 && at < end) {
		size_t length = strnlen(at, (size_t)(end - at));

		r = rsm_index_loader_settle(loader, &err);
		if (r == 0)
			r = apply(loader, at, length, true, &header, &err);
		if (r == 0 && header.highest_uid > highest)
			highest = header.highest_uid;
		at += length + (at + length < end);
	}
	if (r == 0)
		r = rsm_index_loader_finish(loader, highest, &err);
	if (r == 0)
		fuzz_round_trip(fuzz_finish(loader, "index"));
	else
		fuzz_drop(loader, r, &err);
	return 0;
}
