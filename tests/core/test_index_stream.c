#include "core/ltfs/index_stream.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "core/ltfs/byte_pipe.h"
#include "tests/base/test.h"

#define UUID "0a1b2c3d-4e5f-4789-8abc-def012345678"
#define TIME "2026-01-02T03:04:05.000000006Z"
#define TIMES                                                                                      \
	"<creationtime>" TIME "</creationtime><changetime>" TIME "</changetime><modifytime>" TIME  \
	"</modifytime><accesstime>" TIME "</accesstime><backuptime>" TIME "</backuptime>"

enum { FILES = 8000 }; /* more than the pipe holds */

static char folder[64], path[128], loaded[140];
static struct rsm_text document;
static struct rsm_err err;

static void make_document(struct rsm_text *xml)
{
	rsm_text_add(xml,
		     "<ltfsindex version=\"2.4.0\"><creator>test</creator><volumeuuid>" UUID
		     "</volumeuuid><generationnumber>1</generationnumber><updatetime>" TIME
		     "</updatetime><location><partition>a</partition><startblock>5</startblock>"
		     "</location><allowpolicyupdate>true</allowpolicyupdate><highestfileuid>1"
		     "</highestfileuid><directory><name>v</name><readonly>false</readonly>" TIMES
		     "<fileuid>1</fileuid><contents>");
	for (unsigned i = 0; i < FILES; i++)
		rsm_text_printf(xml,
				"<file><name>file-%u</name><length>0</length><readonly>false"
				"</readonly>" TIMES "<fileuid>%u</fileuid></file>",
				i, i + 2);
	rsm_text_add(xml, "</contents></directory></ltfsindex>");
}

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/rsm-test-stream-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/index.db", folder);
	snprintf(loaded, sizeof loaded, "%s.load", path);
	make_document(&document);
	return document.failed ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	rsm_text_fini(&document);
	return rsm_file_remove_tree(folder, NULL);
}

/* ---- the pipe ---- */

struct flow {
	struct rsm_byte_pipe *pipe;
	size_t total;
};

static void *put_all(void *context)
{
	struct flow *flow = context;
	char bytes[300];
	size_t sent = 0;

	for (size_t length = 1; sent < flow->total; length = length % sizeof bytes + 7) {
		if (length > sizeof bytes)
			length = sizeof bytes;
		for (size_t i = 0; i < length; i++)
			bytes[i] = (char)((sent + i) % 251);
		if (rsm_byte_pipe_put(flow->pipe, bytes, length))
			break;
		sent += length;
	}
	rsm_byte_pipe_end(flow->pipe);
	return NULL;
}

static void bytes_come_out_of_a_pipe_in_the_order_in_which_they_went_in(void **state)
{
	struct flow flow = { .total = 100000 };
	const void *bytes;
	size_t length, got = 0;
	pthread_t thread;

	(void)state;
	assert_done(rsm_byte_pipe_new(1000, &flow.pipe, &err), &err);
	assert_int_equal(pthread_create(&thread, NULL, put_all, &flow), 0);
	while ((length = rsm_byte_pipe_look(flow.pipe, &bytes)) > 0) {
		size_t part = length > 13 ? length - 11 : length;

		for (size_t i = 0; i < part; i++)
			assert_int_equal(((const char *)bytes)[i], (char)((got + i) % 251));
		rsm_byte_pipe_drop(flow.pipe, part);
		got += part;
	}
	pthread_join(thread, NULL);

	assert_true(got >= flow.total);
	rsm_byte_pipe_free(flow.pipe);
}

static void who_puts_into_a_pipe_learns_that_nobody_takes(void **state)
{
	struct flow flow = { .total = SIZE_MAX };
	const void *bytes;
	pthread_t thread;

	(void)state;
	assert_done(rsm_byte_pipe_new(1000, &flow.pipe, &err), &err);
	assert_int_equal(pthread_create(&thread, NULL, put_all, &flow), 0);
	assert_true(rsm_byte_pipe_look(flow.pipe, &bytes) > 0);
	rsm_byte_pipe_close(flow.pipe);

	pthread_join(thread, NULL); /* or the test hangs here */
	rsm_byte_pipe_free(flow.pipe);
}

/* ---- from a drive ---- */

static int feed(struct rsm_index_stream *stream, const struct rsm_text *xml, size_t piece)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < xml->length; at += piece)
		r = rsm_index_stream_put(stream, xml->data + at,
					 xml->length - at < piece ? xml->length - at : piece, &err);
	return r;
}

static int read_document(const struct rsm_text *xml, struct rsm_index_loader *loader, size_t piece,
			 struct rsm_ltfs_index_header *ret_header)
{
	struct rsm_ltfs_index_reader *reader;
	struct rsm_index_stream *stream;
	int r;

	assert_done(rsm_ltfs_index_reader_new(loader, UUID, &reader, &err), &err);
	assert_done(rsm_index_stream_new(reader, &stream, &err), &err);
	r = feed(stream, xml, piece);
	if (r == 0)
		r = rsm_index_stream_end(stream, &err);
	rsm_index_stream_free(stream);
	if (r == 0)
		r = rsm_ltfs_index_reader_finish(reader, ret_header, &err);
	rsm_ltfs_index_reader_free(reader);
	return r;
}

static void given_volume_index(struct rsm_volume_index **ret_ix)
{
	struct rsm_ltfs_index_header header;
	struct rsm_index_loader *loader;

	assert_done(rsm_index_loader_new(path, &loader, &err), &err);
	assert_done(read_document(&document, loader, 100000, &header), &err);
	assert_done(rsm_index_loader_finish(loader, header.highest_uid, &err), &err);
	rsm_index_loader_free(loader);
	assert_int_equal(rename(loaded, path), 0);
	assert_done(rsm_volume_index_open(path, ret_ix, &err), &err);
}

static void a_document_of_many_records_is_loaded_beside_the_drive(void **state)
{
	struct rsm_volume_totals totals;
	struct rsm_volume_index *ix;

	(void)state;
	given_volume_index(&ix);

	assert_done(rsm_volume_index_totals(ix, &totals, &err), &err);
	assert_int_equal(totals.files, FILES);
	rsm_volume_index_close(ix);
}

static void a_document_of_one_record_is_read(void **state)
{
	struct rsm_ltfs_index_header header;

	(void)state;
	assert_done(read_document(&document, NULL, document.length, &header), &err);

	assert_int_equal(header.highest_uid, FILES + 1);
}

static void what_is_wrong_in_a_document_is_told(void **state)
{
	static const size_t places[] = { 10, 100000, 2500000 };
	struct rsm_ltfs_index_header header;

	(void)state;
	assert_true(document.length > places[2] + 100000);
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		char good = document.data[places[i]];

		document.data[places[i]] = '\1';
		assert_int_equal(read_document(&document, NULL, 65536, &header), -EBADMSG);
		assert_string_equal(err.msg, "line 1: not well-formed (invalid token)");
		document.data[places[i]] = good;
	}
}

static void a_document_can_be_dropped_half_way(void **state)
{
	struct rsm_ltfs_index_reader *reader;
	struct rsm_index_stream *stream;

	(void)state;
	assert_done(rsm_ltfs_index_reader_new(NULL, UUID, &reader, &err), &err);
	assert_done(rsm_index_stream_new(reader, &stream, &err), &err);
	document.length /= 2;
	assert_done(feed(stream, &document, 65536), &err);

	rsm_index_stream_free(stream);
	rsm_ltfs_index_reader_free(reader);
}

/* ---- to a drive ---- */

struct sink {
	struct rsm_text text;
	size_t limit;
};

static int take(void *context, const void *bytes, size_t length, struct rsm_err *ret_err)
{
	struct sink *sink = context;

	if (sink->limit && sink->text.length + length > sink->limit)
		return rsm_err_set(ret_err, ENOSPC, "the tape is full");
	rsm_text_append(&sink->text, bytes, length);
	return 0;
}

typedef int writes(const struct rsm_ltfs_index_source *source, rsm_ltfs_index_sink *sink,
		   void *context, struct rsm_err *err);

static int write_by(writes *write, struct rsm_volume_index *ix, struct sink *sink)
{
	struct rsm_ltfs_index_source source = {
		.header = { .uuid = UUID, .self_partition = 'a', .self_block = 5 }
	};
	int r;

	assert_done(rsm_volume_index_snapshot(ix, &source.snapshot, &err), &err);
	r = write(&source, take, sink, &err);
	rsm_index_snapshot_close(source.snapshot);
	return r;
}

static void what_a_helper_writes_is_what_would_be_written_without(void **state)
{
	struct sink with = { 0 }, without = { 0 };
	struct rsm_volume_index *ix;

	(void)state;
	given_volume_index(&ix);
	assert_done(write_by(rsm_index_stream_write, ix, &with), &err);
	assert_done(write_by(rsm_ltfs_index_write, ix, &without), &err);

	assert_true(with.text.length > 2500000);
	assert_int_equal(with.text.length, without.text.length);
	assert_memory_equal(with.text.data, without.text.data, with.text.length);
	rsm_text_fini(&with.text);
	rsm_text_fini(&without.text);
	rsm_volume_index_close(ix);
}

static void a_drive_that_fails_ends_the_writing_with_its_own_error(void **state)
{
	struct rsm_volume_index *ix;

	(void)state;
	given_volume_index(&ix);
	for (size_t limit = 1; limit < 3000000; limit = limit * 7 + 1000) {
		struct sink sink = { .limit = limit };

		assert_int_equal(write_by(rsm_index_stream_write, ix, &sink), -ENOSPC);
		assert_string_equal(err.msg, "the tape is full");
		rsm_text_fini(&sink.text);
	}
	rsm_volume_index_close(ix);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(bytes_come_out_of_a_pipe_in_the_order_in_which_they_went_in),
		TEST(who_puts_into_a_pipe_learns_that_nobody_takes),
		TEST(a_document_of_many_records_is_loaded_beside_the_drive),
		TEST(a_document_of_one_record_is_read),
		TEST(what_is_wrong_in_a_document_is_told),
		TEST(a_document_can_be_dropped_half_way),
		TEST(what_a_helper_writes_is_what_would_be_written_without),
		TEST(a_drive_that_fails_ends_the_writing_with_its_own_error),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
