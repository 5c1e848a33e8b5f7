/* The states of ltfs-format.md 19.1, each made by hand on the emulated drive: what a mount finds,
 * what it makes of it, and what is on the tape afterwards.
 */
#include "core/ltfs/ltfs_check.h"

#include <sys/stat.h>

#include "tests/core/ltfs_bench.h"

/* Everything that is known of the tape is forgotten: it is another system's. */
static void forget(void)
{
	struct rsm_content_callbacks callbacks = fake_callbacks(&bench.medium);

	rsm_volume_free(bench.volume);
	bench.volume = NULL;
	rsm_content_close_volume(bench.content);
	bench.content = NULL;
	done(rsm_file_remove_tree(bench.folder, &bench.err));
	assert_int_equal(mkdir(bench.folder, 0700), 0);
	done(rsm_content_open_volume(bench.folder, bench.space, &callbacks, &bench.content,
				     &bench.err));
}

static const struct rsm_volume_finding *find(const char *words)
{
	size_t count;
	struct rsm_volume_finding *found = bench.volume->ops->findings(bench.volume, &count);

	for (size_t i = 0; i < count; i++)
		if (strstr(found[i].text, words))
			return &found[i];
	for (size_t i = 0; i < count; i++)
		print_message("found: %s\n", found[i].text);
	fail_msg("nothing was found like \"%s\"", words);
	return NULL;
}

static size_t found_count(void)
{
	size_t count;

	bench.volume->ops->findings(bench.volume, &count);
	return count;
}

static struct rsm_volume_status status(void)
{
	struct rsm_volume_status status;

	bench.volume->ops->status(bench.volume, &status);
	return status;
}

static struct rsm_ltfs_partition_report report(uint32_t partition)
{
	struct rsm_ltfs_report report;

	done(rsm_ltfs_examine(bench.volume, &report, &bench.err));
	assert_int_equal(report.read_only, status().read_only);
	assert_string_equal(report.reason, status().reason);
	return report.partitions[partition];
}

/* It is written right, and the next one who sees it for the first time finds nothing wrong. */
static void assert_mends(void)
{
	assert_false(status().read_only);
	assert_true(bench.volume->ops->is_dirty(bench.volume));
	commit(false);
	for (size_t i = 0; i < found_count(); i++)
		assert_true(bench.volume->ops->findings(bench.volume, &(size_t){ 0 })[i].mended);
	forget();
	mount();
	assert_int_equal(found_count(), 0);
	assert_false(status().read_only);
	assert_false(bench.volume->ops->is_dirty(bench.volume));
	assert_string_equal(report(INDEX_PARTITION).state, "complete");
	assert_string_equal(report(DATA_PARTITION).state, "complete");
}

static void assert_read_only(const char *words)
{
	assert_true(status().read_only);
	if (!strstr(status().reason, words))
		fail_msg("the reason is \"%s\"", status().reason);
	assert_false(bench.volume->ops->is_dirty(bench.volume));
}

static void forget_memory(void)
{
	for (uint32_t partition = 0; partition < 2; partition++)
		done(rsm_medium_memory_write(drive(), partition, RSM_MAM_VOLUME_COHERENCY,
					     RSM_MAM_BINARY, NULL, 0, &bench.err));
}

/* A file of 4 bytes whose only extent is that record. */
static void given_file(const char *name, char partition, uint64_t block)
{
	struct rsm_node node = { .kind = RSM_NODE_FILE };
	struct rsm_extent extent = { .start_block = block,
				     .byte_count = 4,
				     .partition = partition };
	struct rsm_volume_index *index = rsm_content_index(bench.content);

	done(rsm_content_make(bench.content, RSM_NODE_ROOT, name, &node, NULL, &bench.err));
	done(rsm_content_get(bench.content, node.id, &node, &bench.err));
	node.size = 4;
	done(rsm_volume_index_update(index, &node, &bench.err));
	done(rsm_volume_index_migrated(index, node.id, node.data_version, &extent, 1, &bench.err));
	done(rsm_volume_index_commit(index, true, &bench.err));
}

static bool has_file(const char *name)
{
	struct rsm_node node;
	int r = rsm_content_lookup(bench.content, RSM_NODE_ROOT, name, &node, &bench.err);

	assert_true(r >= 0);
	return r == 0;
}

static void assert_record(uint32_t partition, uint64_t block, const char *text)
{
	static char record[RSM_LTFS_BLOCK_SIZE];
	size_t length;

	done(rsm_tape_drive_locate(drive(), partition, block, &bench.err));
	done(rsm_tape_drive_read(drive(), record, sizeof record, &length, &bench.err));
	assert_int_equal(length, strlen(text));
	assert_memory_equal(record, text, length);
}

static void lose_end(uint32_t partition)
{
	rig_unload(bench.rig, 1001);
	rig_run(bench.rig,
		"for f in slots/1001/*/partition%u.tap; do"
		" printf '\\376\\377\\377\\377' >> $f; done",
		partition);
	rig_load(bench.rig, 1001);
}

#define TORN "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ltfsindex version=\"2.4.0\"><creator>"

/* ---- nothing to speak of ---- */

static void a_volume_that_is_as_it_should_be_has_no_findings(void **state)
{
	(void)state;
	forget();
	mount();
	assert_int_equal(found_count(), 0);
	assert_false(bench.volume->ops->is_dirty(bench.volume));
}

static void memory_that_is_missing_or_garbage_is_written_again(void **state)
{
	static const char garbage[70] = "garbage";

	(void)state;
	forget_memory();
	forget();
	mount();
	assert_int_equal(find("memory")->kind, RSM_FINDING_NOTE);
	assert_mends();
	assert_blocks(DATA_PARTITION, 4, "FRFRFRFE"); /* and nothing else is */
	assert_blocks(INDEX_PARTITION, 4, "FRFE");

	done(rsm_medium_memory_write(drive(), DATA_PARTITION, RSM_MAM_VOLUME_COHERENCY,
				     RSM_MAM_BINARY, garbage, sizeof garbage, &bench.err));
	forget();
	mount();
	assert_mends();
	assert_blocks(DATA_PARTITION, 4, "FRFRFRFE");
}

static void missing_filemarks_are_written(void **state)
{
	(void)state;
	lose_blocks(DATA_PARTITION, 1);
	lose_blocks(INDEX_PARTITION, 1);
	forget();
	mount();
	assert_string_equal(report(DATA_PARTITION).state, "filemark missing");
	assert_int_equal(find("filemark behind the last index of partition a")->kind,
			 RSM_FINDING_MENDS);
	assert_mends();
	assert_blocks(DATA_PARTITION, 4, "FRFRFRFE");
}

/* ---- the index partition ---- */

static void an_index_partition_that_is_behind_is_rewritten(void **state)
{
	(void)state;
	given_file("one", 'b', 7);
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_DATA_PARTITION, NULL, false,
				       &bench.err));
	forget();
	mount();
	assert_int_equal(find("index partition has generation 2")->kind, RSM_FINDING_MENDS);
	assert_true(has_file("one"));
	assert_mends();
	assert_true(has_file("one"));
	assert_blocks(INDEX_PARTITION, 4, "FRFE");
}

static void an_index_partition_with_its_label_only_gets_an_index(void **state)
{
	(void)state;
	lose_blocks(INDEX_PARTITION, 3);
	forget();
	mount();
	assert_string_equal(report(INDEX_PARTITION).state, "no index");
	find("holds no index");
	assert_mends();
	assert_blocks(INDEX_PARTITION, 4, "FRFE");
}

static void a_torn_index_on_the_index_partition_is_written_again(void **state)
{
	(void)state;
	lose_blocks(INDEX_PARTITION, 2);
	put_record(INDEX_PARTITION, TORN);
	forget();
	mount();
	assert_string_equal(report(INDEX_PARTITION).state, "torn index");
	assert_mends();
	assert_blocks(INDEX_PARTITION, 4, "FRFRFE"); /* behind it: nothing is overwritten */
}

/* The reference writes over them here. */
static void data_on_the_index_partition_survive_its_repair(void **state)
{
	static const char *const remains[] = { "", "F", "FR" };

	for (size_t i = 0; i < sizeof remains / sizeof *remains; i++) {
		if (i)
			end(state), begin(state);
		lose_blocks(INDEX_PARTITION, 3);
		put_record(INDEX_PARTITION, "data");
		given_file("one", 'a', 4);
		done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_DATA_PARTITION, NULL, false,
					       &bench.err));
		if (*remains[i])
			put_filemark(INDEX_PARTITION);
		if (*remains[i] && remains[i][1])
			put_record(INDEX_PARTITION, TORN);
		forget();
		mount();
		assert_mends();
		assert_record(INDEX_PARTITION, 4, "data");
		assert_true(has_file("one"));

		given_file("two", 'b', 7); /* its own index is replaced, and the data are not */
		commit(false);
		assert_record(INDEX_PARTITION, 4, "data");
		given_file("three", 'b', 7);
		commit(false);
		assert_blocks(INDEX_PARTITION, 4, i == 0 ? "RFRFE" : i == 1 ? "RFRFE" : "RFRFRFE");
	}
}

static void an_index_in_front_of_data_is_not_overwritten(void **state)
{
	(void)state;
	put_record(INDEX_PARTITION, "data"); /* behind its index */
	given_file("one", 'a', 7);
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_DATA_PARTITION, NULL, false,
				       &bench.err));
	forget();
	mount();
	find("something lies behind the index partition's last index");
	assert_mends();
	assert_record(INDEX_PARTITION, 7, "data");
}

/* ---- the data partition ---- */

static void blocks_of_no_file_stay_where_they_are(void **state)
{
	(void)state;
	put_record(DATA_PARTITION, "lost1");
	put_record(DATA_PARTITION, "lost2");
	forget();
	mount();
	assert_string_equal(report(DATA_PARTITION).state, "data behind index");
	assert_int_equal(find("blocks b:11 to b:12 lie behind the last index; they stay")->kind,
			 RSM_FINDING_MENDS);
	assert_mends();
	assert_blocks(DATA_PARTITION, 8, "FRFRRFRFE");
	assert_record(DATA_PARTITION, 12, "lost2");
}

static void blocks_that_the_journal_knows_are_its_files(void **state)
{
	(void)state;
	assert_int_equal(append("more"), 11);
	done(bench.volume->ops->synchronize(bench.volume, &bench.err));
	given_file("one", 'b', 11);
	mount();
	find("it is known to which files they belong");
	assert_true(has_file("one"));
	assert_mends();
	assert_true(has_file("one"));
}

static void a_torn_index_on_the_data_partition_stays(void **state)
{
	(void)state;
	put_filemark(DATA_PARTITION);
	put_record(DATA_PARTITION, TORN);
	forget();
	mount();
	assert_string_equal(report(DATA_PARTITION).state, "torn index");
	find("an index at b:12 was not finished");
	assert_mends();
	assert_blocks(DATA_PARTITION, 8, "FRFFRFRFE");
}

static void the_index_partition_stands_in_for_a_lost_index(void **state)
{
	(void)state;
	given_file("one", 'b', 7);
	commit(false);
	lose_blocks(DATA_PARTITION, 3);
	forget();
	mount();
	assert_int_equal(find("the data partition has lost its last index")->kind,
			 RSM_FINDING_MENDS);
	assert_true(has_file("one"));
	assert_mends();
	assert_true(has_file("one"));
	assert_blocks(DATA_PARTITION, 8, "FRFFRFE");
}

static void it_does_so_for_a_damaged_one_and_for_all_of_them(void **state)
{
	(void)state;
	given_file("one", 'b', 7);
	commit(false);
	lose_blocks(DATA_PARTITION, 2);
	put_record(DATA_PARTITION, TORN);
	put_filemark(DATA_PARTITION);
	forget();
	mount();
	assert_true(has_file("one"));
	assert_mends();

	lose_blocks(DATA_PARTITION, end_of(DATA_PARTITION) - 8); /* all but the format's */
	forget();
	mount();
	assert_true(has_file("one"));
	assert_mends();
	lose_blocks(DATA_PARTITION, end_of(DATA_PARTITION) - 4);
	put_record(DATA_PARTITION, "d1");
	put_record(DATA_PARTITION, "d2");
	put_record(DATA_PARTITION, "d3");
	put_record(DATA_PARTITION, "data");
	forget();
	mount();
	assert_mends();
	assert_true(has_file("one"));
}

/* What is written behind such an end would become part of the file. */
static void nothing_is_written_where_blocks_of_files_are_missing(void **state)
{
	(void)state;
	assert_int_equal(append("more"), 11);
	given_file("one", 'b', 11);
	commit(false);
	lose_blocks(DATA_PARTITION, 4);
	forget();
	mount();
	assert_int_equal(find("files have blocks up to b:11")->kind, RSM_FINDING_LOSS);
	assert_read_only("the data end at b:11");
	assert_true(has_file("one"));
	assert_int_equal(
		rsm_ltfs_repair(bench.volume, NULL, false, &(struct rsm_text){ 0 }, &bench.err),
		-EROFS);
}

static void given_a_damaged_newest_index(void)
{
	given_file("one", 'b', 7);
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_DATA_PARTITION, NULL, false,
				       &bench.err));
	lose_blocks(DATA_PARTITION, 2);
	put_record(DATA_PARTITION, TORN);
	put_filemark(DATA_PARTITION);
}

static void a_damaged_newest_index_is_written_again_if_it_is_known(void **state)
{
	(void)state;
	given_a_damaged_newest_index();
	mount();
	assert_int_equal(find("it is known here")->kind, RSM_FINDING_MENDS);
	assert_mends();
	assert_true(has_file("one"));
	assert_int_equal(status().index_generation, 4);
}

static void an_older_index_is_taken_only_when_that_is_asked_for(void **state)
{
	RSM_TEXT struct rsm_text done_text = { 0 };

	for (int i = 0; i < 2; i++) { /* known by MAM; and by what stands on the tape alone */
		if (i)
			end(state), begin(state);
		given_a_damaged_newest_index();
		if (i)
			forget_memory();
		forget();
		mount();
		assert_int_equal(find("a newer index was on the tape")->kind, RSM_FINDING_REPAIR);
		mount(); /* that it was seen once does not make it the newest */
		assert_read_only("rsm check --repair");
		assert_string_equal(report(DATA_PARTITION).state, "damaged index");
		assert_false(has_file("one"));
		done(rsm_ltfs_repair(bench.volume, NULL, false, &done_text, &bench.err));
		assert_false(status().read_only);
		assert_true(status().index_generation > 3 - (uint64_t)i);
		forget();
		mount();
		assert_int_equal(found_count(), 0);
		assert_blocks(DATA_PARTITION, 8, "FRFFRFRFE");
	}
}

static bool is_followed(void)
{
	RSM_FREE char *by = NULL;

	done(rsm_volume_index_get_fact(rsm_content_index(bench.content), RSM_INDEX_FACT_FOLLOWED,
				       &by, &bench.err));
	return by;
}

/* Another system wrote the newer one; only if it is the newest a copy can lack nothing but that. */
static void a_tree_behind_which_indexes_are_lost_is_followed_no_longer(void **state)
{
	for (int lost = 0; lost < 2; lost++) {
		struct rsm_volume_index *index;

		if (lost) {
			end(state), begin(state);
			given_a_damaged_newest_index();
		} else {
			given_file("one", 'b', 7);
			commit(false);
		}
		index = rsm_content_index(bench.content);
		done(rsm_volume_index_set_fact(index, RSM_INDEX_FACT_FOLLOWED, "copy", &bench.err));
		done(rsm_volume_index_set_number(index, "generation", 1, &bench.err));
		mount();
		assert_true(status().index_generation > 1);
		assert_int_equal(is_followed(), !lost);
	}
}

static void the_remains_of_a_crash_are_no_witness(void **state)
{
	(void)state;
	put_filemark(DATA_PARTITION);
	put_record(DATA_PARTITION, TORN);
	put_filemark(DATA_PARTITION); /* the repair died as well, in the middle of its index */
	put_record(DATA_PARTITION, TORN);
	forget();
	mount();
	assert_mends();
}

static void a_tape_that_is_shorter_than_its_memory_says_is_read_only(void **state)
{
	(void)state;
	given_file("one", 'b', 7);
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_DATA_PARTITION, NULL, false,
				       &bench.err));
	lose_blocks(DATA_PARTITION, 3);
	forget();
	mount();
	assert_read_only("a newer index was on the tape");
	assert_false(has_file("one"));
}

static void memory_alone_does_not_overrule_the_tape(void **state)
{
	struct rsm_coherency info = { .change_reference = 77, .generation = 99, .block = 9 };
	uint8_t value[RSM_COHERENCY_SIZE];

	(void)state;
	strcpy(info.uuid, "0a1b2c3d-4e5f-4789-8abc-def012345678");
	rsm_coherency_build(&info, value);
	done(rsm_medium_memory_write(drive(), DATA_PARTITION, RSM_MAM_VOLUME_COHERENCY,
				     RSM_MAM_BINARY, value, sizeof value, &bench.err));
	forget();
	mount();
	assert_mends();
}

/* ---- no index at all ---- */

static void without_any_index_what_is_known_is_shown(void **state)
{
	RSM_TEXT struct rsm_text done_text = { 0 };

	(void)state;
	given_file("one", 'b', 7);
	commit(false);
	lose_blocks(DATA_PARTITION, end_of(DATA_PARTITION) - 4);
	put_record(DATA_PARTITION, "d1");
	put_record(DATA_PARTITION, "d2");
	put_record(DATA_PARTITION, "d3");
	put_record(DATA_PARTITION, "data");
	lose_blocks(INDEX_PARTITION, 3);
	mount();
	assert_read_only("neither partition holds an index");
	assert_true(has_file("one"));
	done(rsm_ltfs_repair(bench.volume, NULL, false, &done_text, &bench.err));
	forget();
	mount();
	assert_true(has_file("one"));
	assert_int_equal(found_count(), 0);
}

static void a_strange_tape_without_index_is_an_empty_volume(void **state)
{
	(void)state;
	lose_blocks(DATA_PARTITION, 7);
	lose_blocks(INDEX_PARTITION, 3);
	forget();
	mount();
	assert_read_only("neither partition holds an index");
	assert_int_equal(
		rsm_ltfs_repair(bench.volume, NULL, false, &(struct rsm_text){ 0 }, &bench.err),
		-EROFS);
}

/* ---- a label in one partition only ---- */

static void mount_half(void)
{
	RSM_TEXT struct rsm_text conflicts = { 0 };
	struct rsm_ltfs_probe probe;

	rsm_volume_free(bench.volume);
	bench.volume = NULL;
	done(rsm_ltfs_probe(drive(), &probe, &bench.err));
	assert_int_equal(probe.kind, RSM_PROBE_FOREIGN);
	assert_true(probe.half);
	if (rsm_ltfs_mount(drive(), bench.content, &probe.label, &conflicts, &bench.volume,
			   &bench.err) < 0)
		fail_msg("%s", bench.err.msg);
}

static void erase_from(uint32_t partition, uint64_t block)
{
	done(rsm_tape_drive_locate(drive(), partition, block, &bench.err));
	done(rsm_tape_drive_erase(drive(), false, &bench.err));
}

static void a_volume_is_read_by_its_only_label_which_can_be_written_again(void **state)
{
	RSM_TEXT struct rsm_text done_text = { 0 };

	for (uint64_t left = 0; left < 4; left++) { /* blocks of the label that are left */
		if (left)
			end(state), begin(state);
		given_file("one", 'b', 7);
		commit(false);
		erase_from(INDEX_PARTITION, left);
		forget();
		mount_half();
		assert_read_only("partition a has no LTFS label");
		assert_true(has_file("one"));
		assert_int_equal(rsm_ltfs_repair(bench.volume, NULL, false, &done_text, &bench.err),
				 RSM_LTFS_REOPEN);
		mount();
		assert_mends();
		assert_true(has_file("one"));
		assert_blocks(INDEX_PARTITION, 0, "RFRFFRFE");
	}
}

static void what_stands_in_place_of_a_label_is_not_overwritten(void **state)
{
	(void)state;
	given_file("one", 'b', 7);
	commit(false);
	erase_from(INDEX_PARTITION, 0);
	put_record(INDEX_PARTITION, "somebody's tar");
	forget();
	mount_half();
	assert_read_only("but something else");
	assert_true(has_file("one"));
	assert_int_equal(
		rsm_ltfs_repair(bench.volume, NULL, false, &(struct rsm_text){ 0 }, &bench.err),
		-EROFS);
	assert_record(INDEX_PARTITION, 0, "somebody's tar");
}

static void a_lost_data_partition_leaves_the_names(void **state)
{
	(void)state;
	given_file("one", 'b', 7);
	commit(false);
	erase_from(DATA_PARTITION, 0);
	forget();
	mount_half();
	assert_true(status().read_only);
	assert_true(has_file("one"));
	assert_int_equal(
		rsm_ltfs_repair(bench.volume, NULL, false, &(struct rsm_text){ 0 }, &bench.err),
		-EROFS);
}

/* ---- no end of data ---- */

static void a_partition_without_end_is_read_only_until_it_is_repaired(void **state)
{
	RSM_TEXT struct rsm_text done_text = { 0 };

	for (uint32_t which = 0; which < 3; which++) { /* either of them, and both */
		if (which)
			end(state), begin(state);
		given_file("one", 'b', 7);
		commit(false);
		put_record(DATA_PARTITION, "of no file");
		if (which != INDEX_PARTITION)
			lose_end(DATA_PARTITION);
		if (which != DATA_PARTITION)
			lose_end(INDEX_PARTITION);
		forget();
		mount();
		assert_read_only("has no end of data");
		assert_true(has_file("one"));
		assert_int_equal(report(which % 2).end, 0);
		assert_string_equal(report(which % 2).state, "no end of data");

		assert_int_equal(rsm_ltfs_repair(bench.volume, NULL, false, &done_text, &bench.err),
				 RSM_LTFS_REOPEN);
		mount();
		assert_false(status().read_only);
		done(rsm_ltfs_repair(bench.volume, NULL, false, &done_text, &bench.err));
		forget();
		mount();
		assert_int_equal(found_count(), 0);
		assert_true(has_file("one"));
		assert_record(DATA_PARTITION, 14, "of no file");
	}
}

static void nothing_is_cut_off_that_a_file_needs(void **state)
{
	(void)state;
	assert_int_equal(append("more"), 11);
	given_file("one", 'b', 11);
	commit(false);
	lose_blocks(DATA_PARTITION, 4);
	lose_end(DATA_PARTITION);
	mount();
	assert_read_only("has no end of data");
	assert_int_equal(
		rsm_ltfs_repair(bench.volume, NULL, false, &(struct rsm_text){ 0 }, &bench.err),
		-EROFS);
}

static void a_damaged_image_is_readable_up_to_there(void **state)
{
	(void)state;
	given_file("one", 'b', 7);
	commit(false);
	put_record(DATA_PARTITION, "of no file");
	put_record(DATA_PARTITION, "nor this");
	rig_unload(bench.rig, 1001);
	rig_run(bench.rig, "cd slots/1001/* && size=$(stat -c %%s partition1.tap) &&"
			   " printf 'XXXX' | dd of=partition1.tap bs=1 seek=$((size - 34))"
			   " conv=notrunc status=none");
	rig_load(bench.rig, 1001);
	forget();
	mount();
	assert_read_only("cannot be read to its end");
	assert_string_equal(report(DATA_PARTITION).state, "unreadable");
	assert_true(has_file("one"));
	assert_int_equal(
		rsm_ltfs_repair(bench.volume, NULL, false, &(struct rsm_text){ 0 }, &bench.err),
		-EROFS);
}

static const struct CMUnitTest tests[] = {
	TEST(a_volume_that_is_as_it_should_be_has_no_findings),
	TEST(memory_that_is_missing_or_garbage_is_written_again),
	TEST(missing_filemarks_are_written),
	TEST(an_index_partition_that_is_behind_is_rewritten),
	TEST(an_index_partition_with_its_label_only_gets_an_index),
	TEST(a_torn_index_on_the_index_partition_is_written_again),
	TEST(data_on_the_index_partition_survive_its_repair),
	TEST(an_index_in_front_of_data_is_not_overwritten),
	TEST(blocks_of_no_file_stay_where_they_are),
	TEST(blocks_that_the_journal_knows_are_its_files),
	TEST(a_torn_index_on_the_data_partition_stays),
	TEST(the_index_partition_stands_in_for_a_lost_index),
	TEST(it_does_so_for_a_damaged_one_and_for_all_of_them),
	TEST(nothing_is_written_where_blocks_of_files_are_missing),
	TEST(a_damaged_newest_index_is_written_again_if_it_is_known),
	TEST(an_older_index_is_taken_only_when_that_is_asked_for),
	TEST(a_tree_behind_which_indexes_are_lost_is_followed_no_longer),
	TEST(the_remains_of_a_crash_are_no_witness),
	TEST(a_tape_that_is_shorter_than_its_memory_says_is_read_only),
	TEST(memory_alone_does_not_overrule_the_tape),
	TEST(without_any_index_what_is_known_is_shown),
	TEST(a_strange_tape_without_index_is_an_empty_volume),
	TEST(a_volume_is_read_by_its_only_label_which_can_be_written_again),
	TEST(what_stands_in_place_of_a_label_is_not_overwritten),
	TEST(a_lost_data_partition_leaves_the_names),
	TEST(a_partition_without_end_is_read_only_until_it_is_repaired),
	TEST(nothing_is_cut_off_that_a_file_needs),
	TEST(a_damaged_image_is_readable_up_to_there),
};

RSM_TEST_MAIN(tests)
