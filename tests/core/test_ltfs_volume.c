/* Indexes of tapes that other software wrote, from the record to the volume index and back: what
 * the reference shows of them is what we show, and what we write of them reads the same.
 * The tapes stand beside the project (../shared/fixtures/ltfs, or RSM_FIXTURES/ltfs); without them
 * those tests skip.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "core/ltfs/index_writer.h"
#include "tests/base/test.h"

#ifndef RSM_SOURCE_ROOT
#define RSM_SOURCE_ROOT "."
#endif

static char folder[64]; /* of this test program, in /tmp */

/* RSM_FIXTURES names another place. */
static const char *fixtures(void)
{
	const char *place = getenv("RSM_FIXTURES");

	return place ? place : RSM_SOURCE_ROOT "/../shared/fixtures";
}

static char *in_folder(const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return path;
}

/* false: not here. A skip() would count as a failure: meson does not take cmocka's word for it. */
static bool unpack(const char *tape)
{
	char command[PATH_MAX * 2];

	snprintf(command, sizeof command, "%s/ltfs/%s.tar.xz", fixtures(), tape);
	if (access(command, R_OK) != 0) {
		print_message("# skipped: there is no %s\n", command);
		return false;
	}
	snprintf(command, sizeof command, "tar -xJf '%s/ltfs/%s.tar.xz' -C '%s'", fixtures(), tape,
		 folder);
	if (system(command) != 0) {
		print_message("# skipped: tar with xz is needed\n");
		return false;
	}
	return true;
}

static char *load(const char *path, size_t *ret_length)
{
	struct rsm_err err;
	char *data;

	assert_done(rsm_file_load(path, 64 << 20, &data, ret_length, &err), &err);
	return data;
}

static struct rsm_volume_index *open_loaded(const char *name, struct rsm_index_loader *loader)
{
	RSM_TEXT struct rsm_text conflicts = { 0 };
	struct rsm_volume_index *index;
	char path[PATH_MAX];
	struct rsm_err err;

	/* a new database each time: an old one would hand on its facts */
	unlink(in_folder(name, path));
	assert_done(rsm_volume_index_open(path, &index, &err), &err);
	assert_done(rsm_volume_index_replace(index, loader, &conflicts, &err), &err);
	return index;
}

/* Reads an index document into a volume index of that name. */
static struct rsm_volume_index *read_index(const char *name, const char *xml, size_t length,
					   struct rsm_ltfs_index_header *header)
{
	struct rsm_ltfs_index_reader *reader;
	struct rsm_index_loader *loader;
	char path[PATH_MAX];
	struct rsm_err err;
	int r;

	assert_done(rsm_index_loader_new(in_folder(name, path), &loader, &err), &err);
	assert_done(rsm_ltfs_index_reader_new(loader, NULL, &reader, &err), &err);
	r = rsm_ltfs_index_reader_feed(reader, xml, length, &err);
	if (!r)
		r = rsm_ltfs_index_reader_finish(reader, header, &err);
	rsm_ltfs_index_reader_free(reader);
	if (!r)
		r = rsm_index_loader_finish(loader, header->highest_uid, &err);
	if (r)
		fail_msg("%s: %s", name, err.msg);
	return open_loaded(name, loader);
}

static int collect(void *context, const void *bytes, size_t length, struct rsm_err *err)
{
	struct rsm_text *text = context;

	(void)err;
	rsm_text_append(text, bytes, length);
	return 0;
}

static void write_index(struct rsm_volume_index *index, const struct rsm_ltfs_index_header *header,
			struct rsm_text *ret_xml)
{
	struct rsm_ltfs_index_source source = { .header = *header };
	struct rsm_err err;
	char *name, *comment, *policy, *unknown;

	assert_done(rsm_volume_index_get_fact(index, "volume_name", &name, &err), &err);
	assert_done(rsm_volume_index_get_fact(index, "comment", &comment, &err), &err);
	assert_done(rsm_volume_index_get_fact(index, "policy", &policy, &err), &err);
	assert_done(rsm_volume_index_get_fact(index, "unknown", &unknown, &err), &err);
	source.volume_name = name;
	source.comment = comment;
	source.policy_xml = policy;
	source.unknown_xml = unknown;
	assert_done(rsm_volume_index_snapshot(index, &source.snapshot, &err), &err);
	assert_done(rsm_ltfs_index_write(&source, collect, ret_xml, &err), &err);
	rsm_index_snapshot_close(source.snapshot);
	free(name);
	free(comment);
	free(policy);
	free(unknown);
}

/* ---- the reference's listing ---- */

static void undo_percent(char *text)
{
	char *out = text;

	for (; *text; text++) {
		unsigned byte;

		if (*text == '%' && sscanf(text + 1, "%2x", &byte) == 1) {
			*out++ = (char)byte;
			text += 2;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

static uint64_t find_path(struct rsm_volume_index *index, char *path, struct rsm_node *node)
{
	struct rsm_err err;
	char *rest = NULL;

	assert_done(rsm_volume_index_get(index, RSM_NODE_ROOT, node, &err), &err);
	if (strcmp(path, ".") == 0)
		return node->id;
	for (char *part = strtok_r(path, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
		int r = rsm_volume_index_lookup(index, node->id, part, node, &err);

		if (r)
			fail_msg("\"%s\" of the listing is not there: %d", part, r);
	}
	return node->id;
}

static void assert_time(const char *field, const struct timespec *time)
{
	char text[64], *value = strchr(field, '=');
	int64_t seconds = time->tv_sec;

	if (!strcmp(value + 1, "-"))
		return;
	snprintf(text, sizeof text, "%s%lld.%09ld", seconds == 0 && value[1] == '-' ? "-" : "",
		 (long long)seconds, time->tv_nsec);
	assert_string_equal(value + 1, text);
}

static void assert_times(char *const *fields, const struct rsm_node *node)
{
	assert_time(fields[0], &node->times.modified);
	assert_time(fields[1], &node->times.changed);
	assert_time(fields[2], &node->times.accessed);
	assert_time(fields[3], &node->times.created);
	assert_time(fields[4], &node->times.backed_up);
}

static void assert_mode(const char *mode, const struct rsm_node *node)
{
	assert_int_equal(!!(node->flags & RSM_NODE_READONLY), !strcmp(mode, "ro"));
}

static void assert_folder(struct rsm_volume_index *index, char **field)
{
	struct rsm_node node;

	find_path(index, field[1], &node);
	assert_int_equal(node.kind, RSM_NODE_FOLDER);
	assert_mode(field[2], &node);
	assert_int_equal(node.uid, strtoull(field[3], NULL, 10));
	assert_times(field + 4, &node);
}

static void assert_file(struct rsm_volume_index *index, char **field)
{
	struct rsm_extent *extents;
	struct rsm_node node;
	struct rsm_err err;
	char first[32] = "-";
	size_t count;

	find_path(index, field[1], &node);
	assert_int_equal(node.kind, RSM_NODE_FILE);
	assert_int_equal(node.size, strtoull(field[2], NULL, 10));
	assert_done(rsm_volume_index_extents(index, node.id, &extents, &count, &err), &err);
	if (count)
		snprintf(first, sizeof first, "%c:%llu", extents[0].partition,
			 (unsigned long long)extents[0].start_block);
	free(extents);
	assert_string_equal(first, field[4]);
	assert_mode(field[5], &node);
	assert_int_equal(node.uid, strtoull(field[6], NULL, 10));
	assert_times(field + 7, &node);
}

static void assert_link(struct rsm_volume_index *index, char **field)
{
	struct rsm_node node;
	struct rsm_err err;
	char *target;

	find_path(index, field[1], &node);
	assert_int_equal(node.kind, RSM_NODE_LINK);
	assert_done(rsm_volume_index_link_target(index, node.id, &target, &err), &err);
	assert_string_equal(target, field[2]);
	free(target);
	assert_int_equal(node.uid, strtoull(field[4], NULL, 10));
	assert_times(field + 5, &node);
}

static void assert_xattr(struct rsm_volume_index *index, char **field)
{
	RSM_TEXT struct rsm_text value = { 0 };
	struct rsm_node node;
	struct rsm_err err;
	char hex[3];

	find_path(index, field[1], &node);
	assert_done(rsm_volume_index_get_xattr(index, node.id, field[2], &value, &err), &err);
	assert_int_equal(value.length, strtoull(field[3], NULL, 10));
	for (size_t i = 0; i < value.length; i++) {
		snprintf(hex, sizeof hex, "%02x", (unsigned char)value.data[i]);
		assert_memory_equal(hex, field[4] + 2 * i, 2);
	}
}

/* Splits off the next line's fields; false at the end. */
static bool next_line(char **at, char *fields[16])
{
	char *line = strsep(at, "\n"), *field;
	size_t count = 0;

	if (!line)
		return false;
	for (size_t i = 0; i < 16; i++)
		fields[i] = (char *)(uintptr_t) "";
	while ((field = strsep(&line, "\t")) && count < 16) {
		undo_percent(field);
		fields[count++] = field;
	}
	return true;
}

static void assert_listing(struct rsm_volume_index *index, const char *tape, bool root_too)
{
	char path[PATH_MAX], *data, *at, *fields[16];
	struct rsm_volume_totals totals;
	struct rsm_err err;
	uint64_t objects = 0;
	size_t length;

	snprintf(path, sizeof path, "%s/ltfs/%s.manifest", fixtures(), tape);
	at = data = load(path, &length);
	while (next_line(&at, fields)) {
		bool root = !strcmp(fields[1], ".");

		objects += strchr("DFL", fields[0][0]) && fields[0][0] && !root;
		if (!strcmp(fields[0], "D") && (root_too || !root))
			assert_folder(index, fields);
		else if (!strcmp(fields[0], "F"))
			assert_file(index, fields);
		else if (!strcmp(fields[0], "L"))
			assert_link(index, fields);
		else if (!strcmp(fields[0], "X"))
			assert_xattr(index, fields);
	}
	free(data);
	assert_done(rsm_volume_index_totals(index, &totals, &err), &err);
	assert_int_equal(totals.folders + totals.files + totals.links, objects);
}

/* ---- the tapes ---- */

/* The whole index at that place of the tape's folder, if there is one. */
static char *index_at(const char *tape, int partition, unsigned block, size_t *ret_length)
{
	char path[PATH_MAX], *data;
	struct stat st;

	snprintf(path, sizeof path, "%s/%s/%d_%u_F", folder, tape, partition, block - 1);
	if (stat(path, &st) != 0)
		return NULL;
	snprintf(path, sizeof path, "%s/%s/%d_%u_R", folder, tape, partition, block);
	if (stat(path, &st) != 0)
		return NULL;
	data = load(path, ret_length);
	if (*ret_length > 100 && strstr(data, "<ltfsindex"))
		return data;
	free(data);
	return NULL;
}

static void assert_labels(const char *tape)
{
	struct rsm_ltfs_label label[2];
	struct rsm_coherency info;
	char name[64], path[PATH_MAX], serial[7], implementation[14], *data;
	struct rsm_err err;
	size_t length;

	for (int p = 0; p < 2; p++) {
		snprintf(name, sizeof name, "%s/%d_0_R", tape, p);
		data = load(in_folder(name, path), &length);
		assert_int_equal(rsm_vol1_parse(data, length, serial, implementation),
				 RSM_VOL1_LTFS);
		assert_int_equal(strlen(serial), 6);
		free(data);
		snprintf(name, sizeof name, "%s/%d_2_R", tape, p);
		data = load(in_folder(name, path), &length);
		assert_done(rsm_ltfs_label_parse(data, length, &label[p], &err), &err);
		assert_int_equal(label[p].location, 'a' + p);
		assert_int_equal(label[p].block_size, 524288);
		free(data);
		snprintf(name, sizeof name, "%s/attr_%d_80c", tape, p);
		data = load(in_folder(name, path), &length);
		assert_int_equal(rsm_coherency_parse(data + 5, length - 5, &info), 0);
		assert_string_equal(info.uuid, label[p].uuid);
		free(data);
		data = index_at(tape, p, (unsigned)info.block, &length);
		assert_non_null(data);
		free(data);
	}
	assert_done(rsm_ltfs_label_compare(&label[0], &label[1], &err), &err);
}

/* Every index of the tape is read, written, and read and written again: the second document is the
 * first one. The newest is what the reference lists.
 */
static void check_index(int partition, unsigned block, const char *xml, size_t length,
			struct rsm_ltfs_index_header *ret_header)
{
	RSM_TEXT struct rsm_text once = { 0 }, twice = { 0 };
	struct rsm_ltfs_index_header header, again;
	struct rsm_volume_index *index;

	index = read_index("one", xml, length, &header);
	assert_int_equal(header.self_partition, 'a' + partition);
	assert_int_equal(header.self_block, block);
	write_index(index, &header, &once);
	rsm_volume_index_close(index);

	index = read_index("two", once.data, once.length, &again);
	assert_int_equal(again.generation, header.generation);
	assert_int_equal(again.highest_uid, header.highest_uid);
	assert_int_equal(again.back_block, header.back_block);
	assert_string_equal(again.creator, header.creator);
	write_index(index, &again, &twice);
	rsm_volume_index_close(index);
	assert_int_equal(once.length, twice.length);
	assert_memory_equal(once.data, twice.data, once.length);
	*ret_header = header;
}

static void check_tape(const char *tape, bool root_too)
{
	struct rsm_ltfs_index_header header, newest = { 0 };
	RSM_TEXT struct rsm_text rewritten = { 0 };
	struct rsm_volume_index *index;
	char *newest_xml = NULL;
	size_t newest_length = 0;

	if (!unpack(tape))
		return;
	assert_labels(tape);
	for (int partition = 0; partition < 2; partition++) {
		for (unsigned block = 5; block < 200; block++) {
			size_t length;
			char *xml = index_at(tape, partition, block, &length);

			if (!xml)
				continue;
			check_index(partition, block, xml, length, &header);
			if (header.generation > newest.generation) {
				newest = header;
				free(newest_xml);
				newest_xml = RSM_STEAL(xml);
				newest_length = length;
			}
			free(xml);
		}
	}
	assert_non_null(newest_xml);
	index = read_index("one", newest_xml, newest_length, &header);
	free(newest_xml);
	assert_listing(index, tape, root_too);
	write_index(index, &header, &rewritten);
	rsm_volume_index_close(index);
	index = read_index("two", rewritten.data, rewritten.length, &header);
	assert_listing(index, tape, root_too);
	rsm_volume_index_close(index);
}

static void an_empty_volume_reads_as_the_reference_shows_it(void **state)
{
	(void)state;
	check_tape("empty", true);
}

static void a_rich_volume_reads_as_the_reference_shows_it(void **state)
{
	(void)state;
	check_tape("rich", true);
}

static void a_volume_with_placement_reads_as_the_reference_shows_it(void **state)
{
	(void)state;
	check_tape("placement", true);
}

static void a_volume_with_a_stale_partition_reads_as_the_reference_shows_it(void **state)
{
	(void)state;
	check_tape("stale-index-partition", true);
}

static void an_unclean_volume_reads_as_the_reference_shows_it(void **state)
{
	(void)state;
	check_tape("unclean", false); /* its root was changed by the repair */
}

static void what_comes_late_reaches_the_volume_index(void **state)
{
	static const char times[] = "<creationtime>2026-01-02T03:04:05.000000006Z</creationtime>"
				    "<changetime>2026-01-02T03:04:05.000000006Z</changetime>"
				    "<modifytime>2026-01-02T03:04:05.000000006Z</modifytime>"
				    "<accesstime>2026-01-02T03:04:05.000000006Z</accesstime>"
				    "<backuptime>2026-01-02T03:04:05.000000006Z</backuptime>";
	RSM_TEXT struct rsm_text xml = { 0 };
	struct rsm_ltfs_index_header header;
	struct rsm_volume_index *index;
	struct rsm_node node;
	struct rsm_err err;
	char path[] = "late/f", twin[] = "late~2";

	(void)state;
	rsm_text_printf(&xml,
			"<ltfsindex version=\"2.4.0\"><directory><contents>"
			"<directory><contents><file><name>f</name><length>5</length>"
			"<readonly>false</readonly>%s<fileuid>30</fileuid></file></contents>"
			"<x/><fileuid>20</fileuid><name>late</name>%s<readonly>true</readonly>"
			"</directory><directory><name>late</name>%s<readonly>0</readonly>"
			"<fileuid>40</fileuid><contents/></directory></contents>%s"
			"<name>v</name><readonly>false</readonly><fileuid>1</fileuid></directory>"
			"<creator>c</creator><generationnumber>1</generationnumber>"
			"<updatetime>2026-01-02T03:04:05.0Z</updatetime><location><partition>a"
			"</partition><startblock>5</startblock></location><highestfileuid>9"
			"</highestfileuid><allowpolicyupdate>0</allowpolicyupdate>"
			"<volumeuuid>0a1b2c3d-4e5f-4789-8abc-def012345678</volumeuuid></ltfsindex>",
			times, times, times, times);
	index = read_index("late", xml.data, xml.length, &header);
	assert_int_equal(header.highest_uid, 40);
	find_path(index, path, &node);
	assert_int_equal(node.uid, 30);
	assert_done(rsm_volume_index_get(index, node.parent, &node, &err), &err);
	assert_int_equal(node.uid, 20);
	assert_int_equal(node.flags, RSM_NODE_READONLY | RSM_NODE_HAS_UNKNOWN);
	assert_int_equal(node.times.created.tv_sec, 1767323045);
	find_path(index, twin, &node);
	assert_int_equal(node.uid, 40);
	rsm_volume_index_close(index);
}

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/rsm-ltfs-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rsm_file_remove_tree(folder, NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(an_empty_volume_reads_as_the_reference_shows_it,
					make_folder, remove_folder),
	cmocka_unit_test_setup_teardown(a_rich_volume_reads_as_the_reference_shows_it, make_folder,
					remove_folder),
	cmocka_unit_test_setup_teardown(a_volume_with_placement_reads_as_the_reference_shows_it,
					make_folder, remove_folder),
	cmocka_unit_test_setup_teardown(
		a_volume_with_a_stale_partition_reads_as_the_reference_shows_it, make_folder,
		remove_folder),
	cmocka_unit_test_setup_teardown(an_unclean_volume_reads_as_the_reference_shows_it,
					make_folder, remove_folder),
	cmocka_unit_test_setup_teardown(what_comes_late_reaches_the_volume_index, make_folder,
					remove_folder),
};

RSM_TEST_MAIN(tests)
