/* What an LTFS index costs: reading into a volume index, and writing from one, for 10^4, 10^5 and
 * 10^6 files, beside the least that it can cost on the same machine at the same minute.
 *
 *   reading   bare expat over the document, and bare INSERTs of the same rows
 *   writing   bare SELECTs of all columns of the same rows, and bare fwrite of the document,
 *             looking at each byte for whether it has to be escaped
 *
 * The bare halves make no index, sync nothing and check nothing; ours does. Each piece runs in a
 * process of its own, which tells its time and its greatest memory; the medians of some rounds are
 * compared. BENCH_SCALE=0.1 makes it smaller.
 */
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "core/ltfs/index_writer.h"
#include "core/volume_index_private.h"

enum { FILES_A_FOLDER = 100, RECORD = 524288, ROUNDS = 5, MEMORY_MAX = 64 << 20, FACTOR_MAX = 2 };

#define UUID "0a1b2c3d-4e5f-4789-8abc-def012345678"

static char folder[] = "/var/tmp/rsm-bench-XXXXXX";

static void must(int r, const struct rsm_err *err)
{
	if (r == 0)
		return;
	fprintf(stderr, "bench: %d %s\n", r, r < 0 ? err->msg : "unexpected outcome");
	exit(1);
}

static void need(bool condition, const char *what)
{
	if (condition)
		return;
	perror(what);
	exit(1);
}

static const char *path_of(const char *name)
{
	static char paths[4][96];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

/* ---- pieces of work, each in a process of its own ---- */

struct piece {
	double wall_s, cpu_s;
	long start_bytes, peak_bytes; /* resident */
};

struct work {
	const char *name;
	void (*run)(size_t files);
	struct piece rounds[ROUNDS];
};

static long resident(const char *line)
{
	char text[4096], *found;
	FILE *file = fopen("/proc/self/status", "r");
	size_t length;

	need(file, "/proc/self/status");
	length = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[length] = '\0';
	found = strstr(text, line);
	return found ? strtol(found + strlen(line), NULL, 10) * 1024 : 0;
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run_piece(const struct work *work, size_t files, struct piece *ret_piece)
{
	struct piece *piece = mmap(NULL, sizeof *piece, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t child;

	need(piece != MAP_FAILED, "mmap");
	child = fork();
	need(child >= 0, "fork");
	if (child == 0) {
		double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);

		piece->start_bytes = resident("VmRSS:");
		work->run(files);
		piece->wall_s = seconds(CLOCK_MONOTONIC) - wall;
		piece->cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
		piece->peak_bytes = resident("VmHWM:");
		exit(0);
	}
	need(waitpid(child, &status, 0) == child && status == 0, work->name);
	*ret_piece = *piece;
	munmap(piece, sizeof *piece);
}

/* ---- the document ---- */

static void add_times(struct rsm_text *xml, size_t file)
{
	static const char *const names[] = { "creationtime", "changetime", "modifytime",
					     "accesstime", "backuptime" };

	for (size_t i = 0; i < 5; i++) {
		struct timespec time = {
			.tv_sec = (time_t)(1700000000 + file * 37 + (i % 3) * 86411),
			.tv_nsec = (long)((file * 7919 + i % 3) % 1000000000),
		};
		char text[RSM_LTFS_TIME_SIZE];

		rsm_ltfs_time_format(&time, text);
		rsm_text_printf(xml, "<%s>%s</%s>\n", names[i], text, names[i]);
	}
}

static void add_file(struct rsm_text *xml, size_t file)
{
	rsm_text_printf(
		xml,
		"<file>\n<name>some-file-%05zu &amp; more.dat</name>\n<length>%zu</length>\n"
		"<readonly>false</readonly>\n",
		file * 7919 % 100000, 1000 + file);
	add_times(xml, file);
	rsm_text_printf(
		xml,
		"<fileuid>%zu</fileuid>\n<extentinfo>\n<extent>\n<fileoffset>0</fileoffset>\n"
		"<partition>b</partition>\n<startblock>%zu</startblock>\n"
		"<byteoffset>%zu</byteoffset>\n<bytecount>%zu</bytecount>\n</extent>\n"
		"</extentinfo>\n</file>\n",
		2 + file + file / FILES_A_FOLDER + 1, 7 + file / 50, file % 50 * 1000, 1000 + file);
}

static void put_text(FILE *out, struct rsm_text *xml)
{
	need(!xml->failed && fwrite(xml->data, 1, xml->length, out) == xml->length, "document");
	rsm_text_reset(xml);
}

static void make_document(size_t files)
{
	FILE *out = fopen(path_of("document"), "w");
	struct rsm_text xml = { 0 };

	need(out, "document");
	rsm_text_add(&xml,
		     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ltfsindex version=\"2.4.0\">"
		     "<creator>bench</creator><volumeuuid>" UUID "</volumeuuid>"
		     "<generationnumber>1</generationnumber><updatetime>2026-01-02T03:04:05.0Z"
		     "</updatetime><location><partition>a</partition><startblock>5</startblock>"
		     "</location><allowpolicyupdate>true</allowpolicyupdate><highestfileuid>1"
		     "</highestfileuid><directory><name>v</name><readonly>false</readonly>");
	add_times(&xml, 0);
	rsm_text_add(&xml, "<fileuid>1</fileuid><contents>");
	for (size_t file = 0; file < files; file++) {
		if (file % FILES_A_FOLDER == 0) {
			rsm_text_printf(&xml,
					"<directory>\n<name>folder-%zu</name>\n<readonly>false</"
					"readonly>\n",
					file / FILES_A_FOLDER);
			add_times(&xml, file);
			rsm_text_printf(&xml, "<fileuid>%zu</fileuid>\n<contents>\n",
					2 + file + file / FILES_A_FOLDER);
		}
		add_file(&xml, file);
		if (file % FILES_A_FOLDER == FILES_A_FOLDER - 1 || file == files - 1)
			rsm_text_add(&xml, "</contents></directory>\n");
		if (xml.length > RECORD)
			put_text(out, &xml);
	}
	rsm_text_add(&xml, "</contents></directory></ltfsindex>");
	put_text(out, &xml);
	rsm_text_fini(&xml);
	need(fclose(out) == 0, "document");
}

/* Hands the file over in records. */
static void each_record(const char *name, void (*take)(void *context, const char *, size_t),
			void *context)
{
	FILE *in = fopen(path_of(name), "r");
	char *record = malloc(RECORD);
	size_t length;

	need(in && record, name);
	while ((length = fread(record, 1, RECORD, in)) > 0)
		take(context, record, length);
	fclose(in);
	free(record);
}

/* ---- reading ---- */

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

static void feed_expat(void *context, const char *record, size_t length)
{
	need(XML_Parse(context, record, (int)length, 0) == XML_STATUS_OK, "expat");
}

static void bare_expat(size_t files)
{
	XML_Parser parser = XML_ParserCreate(NULL);
	uint64_t count = 0;

	(void)files;
	XML_SetUserData(parser, &count);
	XML_SetElementHandler(parser, on_start, on_end);
	XML_SetCharacterDataHandler(parser, on_text);
	each_record("document", feed_expat, parser);
	need(XML_Parse(parser, "", 0, 1) == XML_STATUS_OK, "expat");
	XML_ParserFree(parser);
}

/* Times and extents are packed once, before: only INSERT is what is asked here. */
static void insert_rows(sqlite3_stmt *insert, size_t files)
{
	RSM_VI_EXTENTS struct rsm_vi_extents extents = { 0 };
	RSM_VI_PACKED struct rsm_vi_packed packed = { 0 };
	const struct rsm_node_times times = {
		{ 1700000000, 123456789 }, { 1700086411, 123456790 }, { 1700172822, 123456791 },
		{ 1700000000, 123456789 }, { 1700086411, 123456790 },
	};
	const struct rsm_extent extent = {
		.start_block = 70000, .byte_offset = 1000, .byte_count = 1000, .partition = 'b'
	};
	uint8_t blob[RSM_VI_TIMES_MAX];
	size_t length = rsm_vi_pack_times(&times, blob);
	uint64_t id = 2, parent = 1;
	struct rsm_err err;
	char name[64];

	must(rsm_vi_extents_add(&extents, &extent, 0, &err), &err);
	must(rsm_vi_pack_extents(&extents, &packed, &err), &err);
	for (int column = 1; column <= 21; column++)
		sqlite3_bind_int(insert, column, 0);
	for (int column = 19; column <= 21; column++)
		sqlite3_bind_null(insert, column);
	sqlite3_bind_blob(insert, 12, blob, (int)length, SQLITE_STATIC);
	sqlite3_bind_null(insert, 4);
	sqlite3_bind_null(insert, 7);
	rsm_vi_bind_packed(insert, 20, &packed);
	for (size_t file = 0; file < files; file++, id++) {
		if (file % FILES_A_FOLDER == 0) {
			snprintf(name, sizeof name, "folder-%zu", file / FILES_A_FOLDER);
			sqlite3_bind_int64(insert, 1, (sqlite3_int64)id);
			sqlite3_bind_int64(insert, 2, 1);
			sqlite3_bind_text(insert, 3, name, -1, SQLITE_STATIC);
			must(rsm_sqlite_run(insert, &err), &err);
			parent = id++;
		}
		snprintf(name, sizeof name, "some-file-%05zu & more.dat", file * 7919 % 100000);
		sqlite3_bind_int64(insert, 1, (sqlite3_int64)id);
		sqlite3_bind_int64(insert, 2, (sqlite3_int64)parent);
		sqlite3_bind_text(insert, 3, name, -1, SQLITE_STATIC);
		sqlite3_bind_int64(insert, 8, (sqlite3_int64)(1000 + file));
		sqlite3_bind_int64(insert, 15, (sqlite3_int64)(id * 0x9e3779b97f4a7c15));
		must(rsm_sqlite_run(insert, &err), &err);
	}
}

static void bare_insert(size_t files)
{
	sqlite3_stmt *insert;
	struct rsm_err err;
	sqlite3 *db;

	unlink(path_of("bare"));
	must(rsm_sqlite_open(path_of("bare"), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db,
			     &err),
	     &err);
	must(rsm_sqlite_exec(db,
			     "PRAGMA page_size=4096;PRAGMA journal_mode=MEMORY;"
			     "PRAGMA synchronous=OFF;PRAGMA locking_mode=EXCLUSIVE;"
			     "PRAGMA cache_size=-4096;BEGIN",
			     &err),
	     &err);
	must(rsm_vi_create_tables(db, &err), &err);
	must(rsm_sqlite_prepare(db, rsm_vi_insert_sql, &insert, &err), &err);
	insert_rows(insert, files);
	must(rsm_sqlite_exec(db, "COMMIT", &err), &err);
	sqlite3_finalize(insert);
	rsm_sqlite_close(db);
}

static void feed_reader(void *context, const char *record, size_t length)
{
	struct rsm_err err;

	must(rsm_ltfs_index_reader_feed(context, record, length, &err), &err);
}

static void read_index(size_t files)
{
	struct rsm_ltfs_index_reader *reader;
	struct rsm_ltfs_index_header header;
	struct rsm_index_loader *loader;
	struct rsm_err err;

	(void)files;
	must(rsm_index_loader_new(path_of("index"), &loader, &err), &err);
	must(rsm_ltfs_index_reader_new(loader, UUID, &reader, &err), &err);
	each_record("document", feed_reader, reader);
	must(rsm_ltfs_index_reader_finish(reader, &header, &err), &err);
	rsm_ltfs_index_reader_free(reader);
	must(rsm_index_loader_finish(loader, header.highest_uid, &err), &err);
	rsm_index_loader_free(loader);
	need(rename(path_of("index.load"), path_of("index")) == 0, "index.load");
}

/* ---- writing ---- */

static void bare_select(size_t files)
{
	sqlite3_stmt *rows;
	struct rsm_err err;
	size_t count = 0;
	sqlite3 *db;

	must(rsm_sqlite_open(path_of("index"), SQLITE_OPEN_READWRITE, &db, &err), &err);
	must(rsm_sqlite_prepare(db, "SELECT * FROM node", &rows, &err), &err);
	while (rsm_sqlite_step(rows, &err) == 0) {
		int columns = sqlite3_column_count(rows);

		for (int i = 0; i < columns; i++) {
			int type = sqlite3_column_type(rows, i);

			if (type == SQLITE_INTEGER)
				count += sqlite3_column_int64(rows, i) == INT64_MIN;
			else if (type == SQLITE_TEXT)
				count += !sqlite3_column_text(rows, i);
			else if (type == SQLITE_BLOB)
				count += !sqlite3_column_blob(rows, i);
		}
		count++;
	}
	need(count > files, "rows");
	sqlite3_finalize(rows);
	rsm_sqlite_close(db);
}

/* Writes all but what has to be escaped in one go; `special` are those bytes. */
static void fwrite_escaped(FILE *out, const char *bytes, size_t length, const bool *special)
{
	size_t start = 0;

	for (size_t i = 0; i < length; i++) {
		if (!special[(unsigned char)bytes[i]])
			continue;
		fwrite(bytes + start, 1, i - start, out);
		fputs("&#x26;", out);
		start = i + 1;
	}
	fwrite(bytes + start, 1, length - start, out);
}

/* The document that was written: each of its bytes is looked at, and all go to a file. It has its
 * tags, so the bytes that stand for those that have to be escaped are others.
 */
static void bare_write(size_t files)
{
	const char *name = path_of("written");
	bool special[256] = { ['&'] = true, ['\r'] = true, ['\t'] = true };
	FILE *in = fopen(name, "r"), *out = fopen(path_of("copy"), "w");
	char *document;
	struct stat st;

	(void)files;
	need(in && out && fstat(fileno(in), &st) == 0, name);
	document =
		mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fileno(in), 0);
	need(document != MAP_FAILED, name);
	for (off_t at = 0; at < st.st_size; at += 512)
		fwrite_escaped(out, document + at,
			       (size_t)(st.st_size - at < 512 ? st.st_size - at : 512), special);
	need(fclose(out) == 0, "copy");
	munmap(document, (size_t)st.st_size);
	fclose(in);
}

static int sink(void *context, const void *bytes, size_t length, struct rsm_err *err)
{
	if (fwrite(bytes, 1, length, context) != length)
		return rsm_err_errno(err, "written");
	return 0;
}

static void write_index(size_t files)
{
	struct rsm_ltfs_index_source source = {
		.header = { .uuid = UUID, .self_partition = 'a', .self_block = 5 }
	};
	struct rsm_volume_index *index;
	struct rsm_err err;
	FILE *out = fopen(path_of("written"), "w");

	(void)files;
	need(out, "written");
	setvbuf(out, NULL, _IONBF, 0); /* it comes in large pieces */
	must(rsm_volume_index_open(path_of("index"), &index, &err), &err);
	must(rsm_volume_index_snapshot(index, &source.snapshot, &err), &err);
	must(rsm_ltfs_index_write(&source, sink, out, &err), &err);
	rsm_index_snapshot_close(source.snapshot);
	rsm_volume_index_close(index);
	need(fclose(out) == 0, "written");
}

/* ---- the comparison ---- */

enum { EXPAT, INSERT, READ, WRITE, SELECT, FWRITE, WORKS };

static struct work works[WORKS] = {
	[EXPAT] = { .name = "bare expat", .run = bare_expat },
	[INSERT] = { .name = "bare INSERTs", .run = bare_insert },
	[READ] = { .name = "reading into a volume index", .run = read_index },
	[WRITE] = { .name = "writing from a volume index", .run = write_index },
	[SELECT] = { .name = "bare SELECTs", .run = bare_select },
	[FWRITE] = { .name = "bare fwrite with escaping", .run = bare_write },
};

static int compare_doubles(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

enum measure { WALL, CPU };

static double median(enum measure which, const struct work *work, int rounds)
{
	double values[ROUNDS];

	for (int i = 0; i < rounds; i++)
		values[i] = which == CPU ? work->rounds[i].cpu_s : work->rounds[i].wall_s;
	qsort(values, (size_t)rounds, sizeof values[0], compare_doubles);
	return values[rounds / 2];
}

static long peak_of(const struct work *work, int rounds, bool less_start)
{
	long peak = 0;

	for (int i = 0; i < rounds; i++) {
		long bytes =
			work->rounds[i].peak_bytes - (less_start ? work->rounds[i].start_bytes : 0);

		if (bytes > peak)
			peak = bytes;
	}
	return peak;
}

static void tell(const struct work *work, size_t files, int rounds)
{
	double wall = median(WALL, work, rounds), cpu = median(CPU, work, rounds);

	printf("%-30s %8.0f ms %8.0f ms cpu %9.0f files/s %7.1f MiB %8.1f B/file\n", work->name,
	       wall * 1e3, cpu * 1e3, (double)files / wall,
	       (double)peak_of(work, rounds, false) / (1 << 20),
	       (double)peak_of(work, rounds, true) / (double)files);
}

static bool tell_ratio(const char *what, const struct work *ours, const struct work *one,
		       const struct work *other, int rounds)
{
	double wall = median(WALL, ours, rounds) /
		      (median(WALL, one, rounds) + median(WALL, other, rounds));
	double cpu =
		median(CPU, ours, rounds) / (median(CPU, one, rounds) + median(CPU, other, rounds));

	printf("%s: %.2f times the sum of %s and %s (%.2f of cpu time), at most %d wanted\n", what,
	       wall, one->name, other->name, cpu, FACTOR_MAX);
	return wall <= FACTOR_MAX || cpu <= FACTOR_MAX;
}

static bool bench(size_t files, int rounds)
{
	bool good = true;

	make_document(files);
	printf("-- %zu files, median of %d\n", files, rounds);
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < WORKS; i++)
			run_piece(&works[i], files, &works[i].rounds[round]);
	for (int i = 0; i < WORKS; i++)
		tell(&works[i], files, rounds);
	good &= tell_ratio("reading", &works[READ], &works[EXPAT], &works[INSERT], rounds);
	good &= tell_ratio("writing", &works[WRITE], &works[SELECT], &works[FWRITE], rounds);
	if (peak_of(&works[READ], rounds, false) > MEMORY_MAX ||
	    peak_of(&works[WRITE], rounds, false) > MEMORY_MAX) {
		printf("more than %d MiB of memory\n", MEMORY_MAX >> 20);
		good = false;
	}
	fflush(stdout);
	return good;
}

int main(void)
{
	const char *scale = getenv("BENCH_SCALE");
	double factor = scale ? strtod(scale, NULL) : 1;
	struct rsm_err err;
	bool good = true;

	need(mkdtemp(folder), folder);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (double files = 1e4; files < 2e6; files *= 10)
		good &= bench((size_t)(files * (factor > 0 ? factor : 1)) + 1,
			      files < 5e5 ? ROUNDS : 3);
	must(rsm_file_remove_tree(folder, &err), &err);
	return good ? 0 : 1;
}
