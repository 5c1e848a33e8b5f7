/* Incremental indexes (ltfs-format.md 21) on a tape: which of them are followed, on the emulated
 * drive.
 */
#include "core/ltfs/ltfs_volume.h"
#include "tests/changer/library_rig.h"
#include "tests/core/fake_medium.h"
#include "tests/core/incremental.h"

static char folder[64];

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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(the_newest_state_is_the_full_index_and_all_behind_it, begin,
					end),
	cmocka_unit_test_setup_teardown(what_we_write_behind_them_is_a_full_index, begin, end),
	cmocka_unit_test_setup_teardown(one_that_lacks_its_filemark_gets_it_first, begin, end),
	cmocka_unit_test_setup_teardown(data_behind_them_changes_nothing, begin, end),
	cmocka_unit_test_setup_teardown(a_chain_that_is_broken_is_not_written_to, begin, end),
	cmocka_unit_test_setup_teardown(one_that_does_not_fit_the_tree_is_not_written_to, begin,
					end),
	cmocka_unit_test_setup_teardown(the_first_one_that_does_not_fit_leaves_the_full_index,
					begin, end),
	cmocka_unit_test_setup_teardown(one_that_is_torn_is_as_if_it_were_not_there, begin, end),
	cmocka_unit_test_setup_teardown(on_the_index_partition_there_are_none, begin, end),
	cmocka_unit_test_setup_teardown(a_full_index_behind_them_is_all_that_counts, begin, end),
	cmocka_unit_test_setup_teardown(a_lock_holds_until_an_index_takes_it_away, begin, end),
};

RSM_TEST_MAIN(tests)
