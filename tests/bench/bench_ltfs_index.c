/* What an LTFS index costs per file: parsing by expat alone, reading without and with a database,
 * writing.
 */
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "core/ltfs/index_writer.h"

enum { FOLDERS = 2000, FILES_A_FOLDER = 100, FILES = FOLDERS * FILES_A_FOLDER, RECORD = 524288 };

#define UUID "0a1b2c3d-4e5f-4789-8abc-def012345678"
#define TIMES                                                                                      \
	"<creationtime>2026-01-02T03:04:05.000000006Z</creationtime>\n"                            \
	"<changetime>2026-01-02T03:04:05.000000006Z</changetime>\n"                                \
	"<modifytime>2026-01-02T03:04:05.000000006Z</modifytime>\n"                                \
	"<accesstime>2026-01-02T03:04:05.000000006Z</accesstime>\n"                                \
	"<backuptime>2026-01-02T03:04:05.000000006Z</backuptime>\n"

static void must(int r, const struct rsm_err *err)
{
	if (r == 0)
		return;
	fprintf(stderr, "bench: %d %s\n", r, r < 0 ? err->msg : "unexpected outcome");
	exit(1);
}

static int64_t now(void)
{
	return rsm_clock_now_ns(rsm_clock_real());
}

static void tell(const char *what, int64_t since)
{
	double ns = (double)(now() - since);

	printf("%-44s %8.2f us each %10.0f /s\n", what, ns / 1000 / FILES, FILES * 1e9 / ns);
	fflush(stdout);
}

static void make_index(struct rsm_text *xml)
{
	rsm_text_add(xml,
		     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ltfsindex version=\"2.4.0\">"
		     "<creator>bench</creator><volumeuuid>" UUID "</volumeuuid>"
		     "<generationnumber>1</generationnumber><updatetime>2026-01-02T03:04:05.0Z"
		     "</updatetime><location><partition>a</partition><startblock>5</startblock>"
		     "</location><allowpolicyupdate>true</allowpolicyupdate><highestfileuid>1"
		     "</highestfileuid><directory><name>v</name><readonly>false</readonly>" TIMES
		     "<fileuid>1</fileuid><contents>");
	for (int d = 0; d < FOLDERS; d++) {
		rsm_text_printf(
			xml,
			"<directory>\n<name>folder-%d</name>\n<readonly>false</readonly>\n" TIMES
			"<fileuid>%d</fileuid>\n<contents>\n",
			d, 2 + d * (FILES_A_FOLDER + 1));
		for (int f = 0; f < FILES_A_FOLDER; f++)
			rsm_text_printf(
				xml,
				"<file>\n<name>some-file-%d.dat</name>\n<length>1000</length>\n"
				"<readonly>false</readonly>\n" TIMES
				"<fileuid>%d</fileuid>\n<extentinfo>\n<extent>\n<fileoffset>0"
				"</fileoffset>\n<partition>b</partition>\n<startblock>%d"
				"</startblock>\n<byteoffset>0</byteoffset>\n<bytecount>1000"
				"</bytecount>\n</extent>\n</extentinfo>\n</file>\n",
				f, 3 + d * (FILES_A_FOLDER + 1) + f, 7 + d);
		rsm_text_add(xml, "</contents></directory>\n");
	}
	rsm_text_add(xml, "</contents></directory></ltfsindex>");
}

static void XMLCALL on_start(void *data, const XML_Char *name, const XML_Char **attributes)
{
	(void)name, (void)attributes;
	++*(uint64_t *)data;
}

static void XMLCALL on_end(void *data, const XML_Char *name)
{
	(void)name;
	++*(uint64_t *)data;
}

static void XMLCALL on_text(void *data, const XML_Char *text, int length)
{
	(void)text;
	*(uint64_t *)data += (uint64_t)length;
}

static void bench_expat(const struct rsm_text *xml)
{
	XML_Parser parser = XML_ParserCreate(NULL);
	uint64_t count = 0;
	int64_t start = now();

	XML_SetUserData(parser, &count);
	XML_SetElementHandler(parser, on_start, on_end);
	XML_SetCharacterDataHandler(parser, on_text);
	for (size_t at = 0; at < xml->length; at += RECORD)
		XML_Parse(parser, xml->data + at,
			  (int)(xml->length - at < RECORD ? xml->length - at : RECORD), 0);
	XML_Parse(parser, "", 0, 1);
	XML_ParserFree(parser);
	tell("expat alone", start);
}

static void bench_read(const struct rsm_text *xml, struct rsm_index_loader *loader,
		       const char *what)
{
	struct rsm_ltfs_index_reader *reader;
	struct rsm_ltfs_index_header header;
	struct rsm_err err;
	int64_t start = now();

	must(rsm_ltfs_index_reader_new(loader, UUID, &reader, &err), &err);
	for (size_t at = 0; at < xml->length; at += RECORD)
		must(rsm_ltfs_index_reader_feed(
			     reader, xml->data + at,
			     xml->length - at < RECORD ? xml->length - at : RECORD, &err),
		     &err);
	must(rsm_ltfs_index_reader_finish(reader, &header, &err), &err);
	rsm_ltfs_index_reader_free(reader);
	tell(what, start);
	if (loader)
		must(rsm_index_loader_finish(loader, header.highest_uid, &err), &err);
	if (loader)
		tell("... until the database is complete", start);
}

static int count_bytes(void *context, const void *bytes, size_t length, struct rsm_err *err)
{
	(void)bytes, (void)err;
	*(uint64_t *)context += length;
	return 0;
}

static void bench_write(const char *path)
{
	struct rsm_ltfs_index_source source = {
		.header = { .uuid = UUID, .self_partition = 'a', .self_block = 5 }
	};
	struct rsm_volume_index *index;
	struct rsm_snapshot_node node;
	struct rsm_err err;
	uint64_t length = 0;
	int64_t start;

	must(rsm_volume_index_open(path, &index, &err), &err);
	must(rsm_volume_index_snapshot(index, &source.snapshot, &err), &err);
	start = now();
	while (rsm_index_snapshot_walk(source.snapshot, &node, &err) != RSM_WALK_END)
		;
	tell("walking a snapshot", start);
	rsm_index_snapshot_close(source.snapshot);
	must(rsm_volume_index_snapshot(index, &source.snapshot, &err), &err);
	start = now();
	must(rsm_ltfs_index_write(&source, count_bytes, &length, &err), &err);
	tell("writing an index", start);
	rsm_index_snapshot_close(source.snapshot);
	rsm_volume_index_close(index);
	printf("%llu bytes\n", (unsigned long long)length);
}

int main(void)
{
	char folder[] = "/tmp/rsm-bench-XXXXXX", path[64], loaded[80];
	struct rsm_index_loader *loader;
	struct rsm_text xml = { 0 };
	struct rsm_err err;

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof path, "%s/index", folder);
	snprintf(loaded, sizeof loaded, "%s.load", path);
	make_index(&xml);
	bench_expat(&xml);
	bench_read(&xml, NULL, "reading without a database");
	must(rsm_index_loader_new(path, &loader, &err), &err);
	bench_read(&xml, loader, "reading into a database");
	rsm_index_loader_free(loader);
	if (rename(loaded, path) != 0)
		return 1;
	bench_write(path);
	rsm_text_fini(&xml);
	return rsm_file_remove_tree(folder, &err) < 0;
}
