/* Indexes of many files: memory that does not grow with them, and others who are not stopped while
 * one is read or written. Sizes and times are in bench_ltfs_index.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "core/ltfs/index_writer.h"
#include "tests/base/test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define UUID "0a1b2c3d-4e5f-4789-8abc-def012345678"
#define TIMES                                                                                      \
	"<creationtime>2026-01-02T03:04:05.000000006Z</creationtime>"                              \
	"<changetime>2026-01-02T03:04:05.000000007Z</changetime>"                                  \
	"<modifytime>2026-01-02T03:04:06.000000006Z</modifytime>"                                  \
	"<accesstime>2026-01-02T03:04:05.000000006Z</accesstime>"                                  \
	"<backuptime>2026-01-02T03:04:05.000000006Z</backuptime>"

enum {
	FEW = 5000,
	MANY = SANITIZED ? 10000 : 100000,
	SOME = SANITIZED ? 5000 : 20000,
	FILES_A_FOLDER = 1000,
	/* of resident memory between FEW and MANY; a byte for each file is all that it may be, and
	 * what caches of fixed size still take */
	GROWTH_MAX = 12 << 20,
};

static char folder[64], path[128], loaded[140];
static struct rsm_err err;

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/rsm-test-scale-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/index.db", folder);
	snprintf(loaded, sizeof loaded, "%s.load", path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rsm_file_remove_tree(folder, NULL);
}

/* ---- a document that is made as it is read ---- */

typedef void during(void *context);

static void feed(struct rsm_ltfs_index_reader *reader, struct rsm_text *xml)
{
	assert_false(xml->failed);
	assert_done(rsm_ltfs_index_reader_feed(reader, xml->data, xml->length, &err), &err);
	rsm_text_reset(xml);
}

static void add_file(struct rsm_text *xml, unsigned file)
{
	if (file % FILES_A_FOLDER == 0)
		rsm_text_printf(xml,
				"<directory><name>folder-%u</name><readonly>false</readonly>" TIMES
				"<fileuid>%u</fileuid><contents>",
				file / FILES_A_FOLDER, 2 * file + 2);
	rsm_text_printf(
		xml,
		"<file><name>file-%u</name><length>1000</length><readonly>false</readonly>" TIMES
		"<fileuid>%u</fileuid><extendedattributes><xattr><key>k</key>"
		"<value>v</value></xattr></extendedattributes><extentinfo><extent>"
		"<fileoffset>0</fileoffset><partition>b</partition><startblock>%u"
		"</startblock><byteoffset>0</byteoffset><bytecount>1000</bytecount></extent>"
		"</extentinfo></file>",
		file, 2 * file + 3, file + 5);
	if (file % FILES_A_FOLDER == FILES_A_FOLDER - 1)
		rsm_text_add(xml, "</contents></directory>");
}

/* `each` is called after each piece. */
static struct rsm_index_loader *load(unsigned files, during *each, void *context)
{
	RSM_TEXT struct rsm_text xml = { 0 };
	struct rsm_ltfs_index_reader *reader;
	struct rsm_ltfs_index_header header;
	struct rsm_index_loader *loader;

	assert_done(rsm_index_loader_new(path, &loader, &err), &err);
	assert_done(rsm_ltfs_index_reader_new(loader, UUID, &reader, &err), &err);
	rsm_text_add(&xml,
		     "<ltfsindex version=\"2.4.0\"><creator>test</creator><volumeuuid>" UUID
		     "</volumeuuid><generationnumber>1</generationnumber><updatetime>"
		     "2026-01-02T03:04:05.0Z</updatetime><location><partition>a</partition>"
		     "<startblock>5</startblock></location><allowpolicyupdate>true"
		     "</allowpolicyupdate><highestfileuid>1</highestfileuid><directory><name>v"
		     "</name><readonly>false</readonly>" TIMES "<fileuid>1</fileuid><contents>");
	for (unsigned file = 0; file < files; file++) {
		add_file(&xml, file);
		if (xml.length > 65536) {
			feed(reader, &xml);
			if (each)
				each(context);
		}
	}
	rsm_text_add(&xml, "</contents></directory></ltfsindex>");
	feed(reader, &xml);
	assert_done(rsm_ltfs_index_reader_finish(reader, &header, &err), &err);
	rsm_ltfs_index_reader_free(reader);
	assert_done(rsm_index_loader_finish(loader, header.highest_uid, &err), &err);
	return loader;
}

struct sink {
	uint64_t bytes;
	during *each;
	void *context;
};

static int take(void *context, const void *bytes, size_t length, struct rsm_err *ret_err)
{
	struct sink *sink = context;

	(void)bytes, (void)ret_err;
	sink->bytes += length;
	if (sink->each)
		sink->each(sink->context);
	return 0;
}

static void write_from(struct rsm_volume_index *ix, struct sink *sink)
{
	struct rsm_ltfs_index_source source = {
		.header = { .uuid = UUID, .self_partition = 'a', .self_block = 5 }
	};

	assert_done(rsm_volume_index_snapshot(ix, &source.snapshot, &err), &err);
	assert_done(rsm_ltfs_index_write(&source, take, sink, &err), &err);
	rsm_index_snapshot_close(source.snapshot);
}

/* ---- memory ---- */

static long peak_bytes(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss * 1024;
}

static void load_and_write(unsigned files)
{
	struct rsm_index_loader *loader = load(files, NULL, NULL);
	struct sink sink = { 0 };
	struct rsm_volume_index *ix;

	rsm_index_loader_free(loader);
	assert_int_equal(rename(loaded, path), 0);
	assert_done(rsm_volume_index_open(path, &ix, &err), &err);
	write_from(ix, &sink);
	assert_true(sink.bytes > files * 500);
	rsm_volume_index_close(ix);
}

/* In a process of its own, whose memory nothing else has made larger. */
static long peak_of(unsigned files)
{
	long *peak =
		mmap(NULL, sizeof *peak, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long result;
	int status;
	pid_t child;

	assert_true(peak != MAP_FAILED);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		load_and_write(files);
		*peak = peak_bytes();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	result = *peak;
	munmap(peak, sizeof *peak);
	return result;
}

static void reading_and_writing_an_index_take_the_same_memory_for_any_number_of_files(void **state)
{
	long few = peak_of(FEW), many = peak_of(MANY);

	(void)state;
	if (!SANITIZED && many - few > GROWTH_MAX)
		fail_msg("%d files: %ld KiB, %d files: %ld KiB", FEW, few / 1024, MANY,
			 many / 1024);
}

/* ---- others ---- */

struct others {
	struct rsm_volume_index *ix;
	unsigned turns;
	uint64_t folder;
};

static struct rsm_node some(enum rsm_node_kind kind)
{
	struct rsm_node node = { .kind = kind, .mode = 0644, .flags = RSM_NODE_HAS_UNIX };

	node.times.created = node.times.changed = node.times.modified =
		(struct timespec){ .tv_sec = 1000 };
	return node;
}

/* Called in the midst of reading or writing, by the same thread: a lock that were held then would
 * never come free, and a database that were kept locked is -EBUSY.
 */
static void look_and_create(void *context)
{
	struct others *others = context;
	struct rsm_node node = some(RSM_NODE_FILE);
	char name[32];

	snprintf(name, sizeof name, "other-%u", others->turns++);
	assert_done(rsm_volume_index_create(others->ix, others->folder, name, &node, NULL, &err),
		    &err);
	assert_done(rsm_volume_index_commit(others->ix, false, &err), &err);
	assert_done(rsm_volume_index_lookup(others->ix, others->folder, name, &node, &err), &err);
	assert_done(rsm_volume_index_remove(others->ix, others->folder, name, false, false,
					    &node.times.created, NULL, NULL, NULL, &err),
		    &err);
	assert_done(rsm_volume_index_commit(others->ix, false, &err), &err);
}

static void given_others(struct others *others)
{
	struct rsm_node node = some(RSM_NODE_FOLDER);

	*others = (struct others){ 0 };
	assert_done(rsm_volume_index_open(path, &others->ix, &err), &err);
	assert_done(rsm_volume_index_create(others->ix, RSM_NODE_ROOT, "others", &node, NULL, &err),
		    &err);
	assert_done(rsm_volume_index_commit(others->ix, false, &err), &err);
	others->folder = node.id;
}

static void an_index_that_is_read_stops_nobody(void **state)
{
	struct others others;
	struct rsm_index_loader *loader;

	(void)state;
	given_others(&others);
	loader = load(FEW, look_and_create, &others);

	assert_true(others.turns > 20);
	rsm_index_loader_free(loader);
	rsm_volume_index_close(others.ix);
}

static void an_index_that_is_written_stops_nobody(void **state)
{
	struct sink sink = { .each = look_and_create };
	struct others others;

	(void)state;
	rsm_index_loader_free(load(FEW, NULL, NULL));
	assert_int_equal(rename(loaded, path), 0);
	given_others(&others);
	sink.context = &others;
	write_from(others.ix, &sink);

	assert_true(others.turns > 20);
	rsm_volume_index_close(others.ix);
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The one moment in which others have to wait. Processor time, for what else the machine does is
 * not the question.
 */
static void
a_tree_that_was_loaded_takes_the_old_ones_place_in_a_small_part_of_the_time(void **state)
{
	struct others others;
	struct rsm_index_loader *loader;
	double began = cpu_seconds(), load_s, replace_s;

	(void)state;
	rsm_index_loader_free(load(SOME, NULL, NULL));
	load_s = cpu_seconds() - began;
	assert_int_equal(rename(loaded, path), 0);
	given_others(&others);
	loader = load(SOME, NULL, NULL);
	began = cpu_seconds();
	assert_done(rsm_volume_index_replace(others.ix, loader, NULL, &err), &err);
	replace_s = cpu_seconds() - began;

	look_and_create(&others);
	rsm_volume_index_close(others.ix);
	if (replace_s > load_s / 8)
		fail_msg("%.0f ms of %.0f ms", replace_s * 1e3, load_s * 1e3);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(reading_and_writing_an_index_take_the_same_memory_for_any_number_of_files),
		TEST(an_index_that_is_read_stops_nobody),
		TEST(an_index_that_is_written_stops_nobody),
		TEST(a_tree_that_was_loaded_takes_the_old_ones_place_in_a_small_part_of_the_time),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
