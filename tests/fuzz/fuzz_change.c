/* Incremental indexes, applied one after the other to the tree of a full one.
 *
 * Promises: whatever they say, the tree is changed or they are refused; what comes of it is a tree
 * that can be written and read again; its totals are those of what is in it.
 */
#include <string.h>

#include "tests/fuzz/fuzz_tree.h"

#define UUID "0a1b2c3d-4e5f-4789-8abc-def012345678"
#define TIMES                                                                                      \
	"<readonly>false</readonly><creationtime>2020-01-01T00:00:00.000000001Z</creationtime>"    \
	"<changetime>2020-01-01T00:00:00.000000002Z</changetime>"                                  \
	"<modifytime>2020-01-01T00:00:00.000000003Z</modifytime>"                                  \
	"<accesstime>2020-01-01T00:00:00.000000004Z</accesstime>"                                  \
	"<backuptime>2020-01-01T00:00:00.000000005Z</backuptime>"
#define DATA                                                                                       \
	"<length>10</length><extentinfo><extent><fileoffset>0</fileoffset><partition>b</"          \
	"partition>"                                                                               \
	"<startblock>9</startblock><byteoffset>0</byteoffset><bytecount>10</bytecount></extent>"   \
	"</extentinfo>"

/* vol/ a (2), d/ (3): e (4), s/ (5): f (6); l (7) -> a; g (2^63 - 1) */
static const char base[] =
	"<ltfsindex version=\"2.5.0\"><creator>fuzz</creator><volumeuuid>" UUID
	"</volumeuuid><generationnumber>1</generationnumber>"
	"<updatetime>2026-01-02T03:04:05.000000006Z</updatetime><location><partition>b</partition>"
	"<startblock>5</startblock></location><allowpolicyupdate>true</allowpolicyupdate>"
	"<highestfileuid>7</highestfileuid><directory><name>vol</name>" TIMES
	"<fileuid>1</fileuid><contents><file><name>a</name>" TIMES "<fileuid>2</fileuid>"
	"<extendedattributes><xattr><key>k</key><value>v</value></xattr></extendedattributes>" DATA
	"</file><directory><name>d</name>" TIMES "<fileuid>3</fileuid><contents><file><name>e"
	"</name>" TIMES "<fileuid>4</fileuid>" DATA "</file><directory><name>s</name>" TIMES
	"<fileuid>5</fileuid><contents><file><name>f</name>" TIMES "<fileuid>6</fileuid>" DATA
	"</file></contents></directory></contents></directory><file><name>l</name><length>0"
	"</length>" TIMES
	"<fileuid>7</fileuid><symlink>a</symlink></file><file><name>g</name>" TIMES
	"<fileuid>9223372036854775807</fileuid>" DATA "</file></contents></directory></ltfsindex>";

static int feed(struct rsm_index_loader *loader, const void *data, size_t size, bool changes,
		struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	int r = rsm_ltfs_index_reader_new(loader, UUID, &reader, err);

	if (r < 0)
		return r;
	if (changes)
		rsm_ltfs_index_reader_expect_changes(reader);
	return fuzz_read(reader, data, size, 1 + size % 8191, ret_header, err);
}

/* As a loader's own sums tell, against a look at all there is. */
static void check_totals(struct rsm_volume_index *index)
{
	RSM_CLEANUP(rsm_index_snapshot_close) struct rsm_index_snapshot *snapshot = NULL;
	struct rsm_volume_totals totals, seen = { 0 };
	struct rsm_snapshot_node at;
	struct rsm_err err;
	int r = rsm_volume_index_totals(index, &totals, &err);

	if (r == 0)
		r = rsm_volume_index_snapshot(index, &snapshot, &err);
	while (r >= 0 && (r = rsm_index_snapshot_walk(snapshot, &at, &err)) != RSM_WALK_END) {
		seen.folders += r == RSM_WALK_ENTER;
		seen.files += r == RSM_WALK_LEAF && at.node.kind == RSM_NODE_FILE;
		seen.links += r == RSM_WALK_LEAF && at.node.kind == RSM_NODE_LINK;
		seen.file_bytes += at.node.kind == RSM_NODE_FILE ? at.node.size : 0;
	}
	FUZZ_PROMISE(r == RSM_WALK_END, "%d %s", r, err.msg);
	FUZZ_PROMISE(totals.folders + 1 == seen.folders && totals.files == seen.files &&
			     totals.links == seen.links && totals.file_bytes == seen.file_bytes,
		     "%llu files, %llu were counted", (unsigned long long)seen.files,
		     (unsigned long long)totals.files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rsm_index_loader *loader = fuzz_loader("change");
	struct rsm_ltfs_index_header header;
	struct rsm_volume_index *index;
	struct rsm_err err;
	uint64_t highest = 0;
	int r = feed(loader, base, sizeof base - 1, false, &header, &err);

	FUZZ_PROMISE(r == 0, "%d %s", r, err.msg);
	while (r == 0 && size) { /* a byte that no document has separates them */
		const uint8_t *end = memchr(data, 0xff, size);
		size_t length = end ? (size_t)(end - data) : size;

		highest = header.highest_uid > highest ? header.highest_uid : highest;
		r = rsm_index_loader_settle(loader, &err);
		if (r == 0)
			r = feed(loader, data, length, true, &header, &err);
		data += length + (end ? 1 : 0);
		size -= length + (end ? 1 : 0);
	}
	highest = r == 0 && header.highest_uid > highest ? header.highest_uid : highest;
	if (r == 0)
		r = rsm_index_loader_finish(loader, highest, &err);
	if (r < 0) {
		fuzz_drop(loader, r, &err);
		return 0;
	}
	index = fuzz_finish(loader, "change");
	check_totals(index);
	fuzz_round_trip(index);
	return 0;
}
