/* The generations that are on a medium, and going back to one, on the emulated drive. */
#include <unistd.h>

#include "base/file.h"
#include "core/ltfs/ltfs_history.h"
#include "tests/base/test.h"
#include "tests/changer/library_rig.h"
#include "tests/core/fake_medium.h"

enum { INDEX_PARTITION, DATA_PARTITION };
enum { OPCODE_ANY = 0xFFFF, OPCODE_SPACE = 0x91, POWER_CUT = 0x0F, MEDIUM_ERROR = 3 };
enum { SLOT = 1001, POINTS_MAX = 32 };

static const char uuid[] = "0a1b2c3d-4e5f-4789-8abc-def012345678";

static struct bench {
	struct rig *rig;
	char folder[64];
	struct fake_medium medium;
	struct rsm_staging_space *space;
	struct rsm_content *content;
	struct rsm_volume *volume;
	struct rsm_err err;
	struct rsm_ltfs_point points[POINTS_MAX];
	size_t count;
} bench;

static struct rsm_tape_drive *drive(void)
{
	return bench.rig->drive;
}

static void done(int r)
{
	assert_done(r, &bench.err);
}

static uint64_t end_of(uint32_t partition)
{
	uint64_t block;

	done(rsm_tape_drive_locate_end(drive(), partition, &block, &bench.err));
	return block;
}

static void put_record(const char *text)
{
	end_of(DATA_PARTITION);
	done(rsm_tape_drive_write(drive(), text, strlen(text), &bench.err));
}

static void put_filemark(void)
{
	end_of(DATA_PARTITION);
	done(rsm_tape_drive_write_filemarks(drive(), 1, false, &bench.err));
}

static int try_mount(void)
{
	RSM_TEXT struct rsm_text conflicts = { 0 };
	struct rsm_ltfs_probe probe;

	rsm_volume_free(bench.volume);
	bench.volume = NULL;
	done(rsm_ltfs_probe(drive(), &probe, &bench.err));
	assert_int_equal(probe.kind, RSM_PROBE_LTFS);
	return rsm_ltfs_mount(drive(), bench.content, &probe.label, &conflicts, &bench.volume,
			      &bench.err);
}

static void mount(void)
{
	if (try_mount() < 0)
		fail_msg("%s", bench.err.msg);
}

static void commit(bool force)
{
	done(bench.volume->ops->commit(bench.volume, RSM_COMMIT_FULL, NULL, force, &bench.err));
	assert_false(bench.volume->ops->is_dirty(bench.volume));
}

/* A change of the tree, and an index of it. */
static void add_folder(const char *name)
{
	struct rsm_node node = { .kind = RSM_NODE_FOLDER };

	done(rsm_content_make(bench.content, RSM_NODE_ROOT, name, &node, NULL, &bench.err));
	commit(false);
}

static bool is_there(const char *name)
{
	struct rsm_node node;
	int r = rsm_content_lookup(bench.content, RSM_NODE_ROOT, name, &node, &bench.err);

	if (r < 0)
		fail_msg("%s", bench.err.msg);
	return r == 0;
}

static uint64_t generation(void)
{
	struct rsm_volume_status status;

	bench.volume->ops->status(bench.volume, &status);
	return status.index_generation;
}

static void open_content(void)
{
	struct rsm_content_callbacks callbacks = fake_callbacks(&bench.medium);

	done(rsm_content_open_volume(bench.folder, bench.space, &callbacks, &bench.content,
				     &bench.err));
}

/* Blocks of the data partition: 5 generation 1; 8 generation 2 ("one"), 11 "two", 14 "three". */
static int begin(void **state)
{
	void *rig = NULL;

	(void)state;
	memset(&bench, 0, sizeof bench);
	if (rig_set_up(&rig))
		return -1;
	bench.rig = rig;
	strcpy(bench.folder, "/dev/shm/rsm-test-history-XXXXXX");
	if (access("/dev/shm", W_OK) != 0)
		strcpy(bench.folder, "/tmp/rsm-test-history-XXXXXX");
	if (!mkdtemp(bench.folder))
		return -1;
	fake_start(&bench.medium);
	done(rsm_staging_space_new(bench.folder, 0, &bench.space, &bench.err));
	open_content();
	rig_load(bench.rig, SLOT);
	done(rsm_ltfs_format(drive(), bench.content, uuid, NULL, &bench.volume, &bench.err));
	add_folder("one");
	add_folder("two");
	add_folder("three");
	return 0;
}

static int end(void **state)
{
	void *rig = bench.rig;

	(void)state;
	rsm_volume_free(bench.volume);
	rsm_content_close_volume(bench.content);
	fake_stop(&bench.medium);
	rsm_staging_space_free(bench.space);
	return rig_tear_down(&rig) | rsm_file_remove_tree(bench.folder, NULL);
}

static int try_list(uint64_t most_records)
{
	RSM_CLEANUP(rsm_ltfs_history_free) struct rsm_ltfs_history *history = NULL;
	int r;

	bench.count = 0;
	done(rsm_ltfs_history_new(most_records, &history, &bench.err));
	do {
		assert_true(bench.count < POINTS_MAX);
		r = rsm_ltfs_history_next(history, bench.volume, &bench.points[bench.count],
					  &bench.err);
		bench.count += r == 0;
	} while (r == 0);
	return r;
}

static void list(void)
{
	if (try_list(RSM_LTFS_HISTORY_RECORDS) < 0)
		fail_msg("%s", bench.err.msg);
}

/* "a:5=4!" is the current one, "b:8=2" linked, "b:11=3-" left behind, "b:17?" torn. */
static void assert_points(const char *expected)
{
	RSM_TEXT struct rsm_text seen = { 0 };

	for (size_t i = 0; i < bench.count; i++) {
		const struct rsm_ltfs_point *p = &bench.points[i];

		rsm_text_printf(&seen, "%s%c:%u", i ? " " : "", p->partition, (unsigned)p->block);
		if (p->torn)
			rsm_text_add(&seen, "?");
		else
			rsm_text_printf(&seen, "=%u%s", (unsigned)p->generation,
					p->current  ? "!"
					: p->linked ? ""
						    : "-");
	}
	assert_string_equal(seen.data, expected);
}

static struct rsm_ltfs_point point_of(uint64_t wanted)
{
	struct rsm_ltfs_point best = { 0 };

	list();
	for (size_t i = 0; i < bench.count; i++)
		if (bench.points[i].generation == wanted &&
		    rsm_ltfs_point_is_better(bench.volume, &bench.points[i], &best))
			best = bench.points[i];
	assert_true(best.partition != 0);
	return best;
}

/* Up to and with the writing; the volume is not mounted anew. */
static int try_rollback(const struct rsm_ltfs_point *point, uint64_t *ret_generation)
{
	RSM_CLEANUP(rsm_volume_index_close) struct rsm_volume_index *tree = NULL;
	struct rsm_index_loader *loader;
	char path[128];
	int r;

	snprintf(path, sizeof path, "%s/old.db", bench.folder);
	unlink(path);
	done(rsm_volume_index_open(path, &tree, &bench.err));
	r = rsm_ltfs_load_point(bench.volume, point, path, &loader, &bench.err);
	if (r < 0)
		return r;
	done(rsm_volume_index_replace(tree, loader, NULL, &bench.err));
	return rsm_ltfs_rollback(bench.volume, point, tree, NULL, ret_generation, &bench.err);
}

static void roll_back(uint64_t wanted)
{
	struct rsm_ltfs_point point = point_of(wanted);
	uint64_t made, before = generation();

	done(try_rollback(&point, &made));
	assert_true(made > before);
	mount();
	assert_int_equal(generation(), made);
	assert_false(bench.volume->ops->is_dirty(bench.volume));
}

static void every_generation_is_shown_with_its_place(void **state)
{
	(void)state;
	list();
	assert_points("a:5=4! b:14=4 b:11=3 b:8=2 b:5=1");
	assert_int_equal(bench.points[1].back_block, 11);
	assert_int_equal(bench.points[4].back_block, 0);
	assert_true(bench.points[2].update_time.tv_sec > 0);
	assert_non_null(strstr(bench.points[2].creator, "rsmfs"));
	assert_true(bench.points[2].counted);
	assert_int_equal(bench.points[2].files, 0);
}

static void data_and_many_generations_do_not_confuse_the_search(void **state)
{
	char name[16];
	uint64_t block;

	(void)state;
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof name, "d%d", i);
		done(bench.volume->ops->append(bench.volume, "data of a file", 14, &block,
					       &bench.err));
		add_folder(name);
	}
	list();
	assert_points("a:5=10! b:38=10 b:34=9 b:30=8 b:26=7 b:22=6 b:18=5 b:14=4 b:11=3 b:8=2 "
		      "b:5=1");
}

static void a_long_index_is_known_by_its_ends(void **state)
{
	(void)state;
	assert_int_equal(try_list(0), RSM_LTFS_HISTORY_END);
	assert_points("a:5=4! b:14=4 b:11=3 b:8=2 b:5=1");
	assert_false(bench.points[2].counted);
	assert_int_equal(bench.points[2].back_block, 8);
	assert_string_equal(bench.points[2].version, "2.4.0");
}

static void a_torn_index_in_the_middle_is_stepped_over(void **state)
{
	(void)state;
	put_filemark();
	put_record("<?xml version=\"1.0\" encoding=\"UTF-8\"?><ltfsindex version=\"2.4.0\"><cre");
	mount();
	add_folder("four");
	list();
	assert_points("a:5=5! b:19=5 b:17? b:14=4 b:11=3 b:8=2 b:5=1");
	assert_non_null(strstr(bench.points[2].why, "index at b:17"));
	roll_back(2);
	assert_true(is_there("one") && !is_there("two") && !is_there("four"));
}

static void doubled_filemarks_are_passed_over(void **state)
{
	(void)state;
	put_filemark();
	put_filemark();
	put_record("of no file");
	put_filemark();
	put_filemark();
	mount();
	add_folder("four");
	list();
	assert_int_equal(bench.count, 6);
	assert_int_equal(bench.points[1].generation, 5);
	assert_int_equal(bench.points[2].block, 14);
	assert_true(bench.points[2].linked);
}

/* An index of this volume that says that it stands at `block` and follows `back`. */
static void make_index(struct rsm_text *xml, unsigned number, unsigned block, unsigned back,
		       const char *of)
{
	static const char times[] = "<readonly>false</readonly>"
				    "<creationtime>2026-01-02T03:04:05.000000006Z</creationtime>"
				    "<changetime>2026-01-02T03:04:05.000000006Z</changetime>"
				    "<modifytime>2026-01-02T03:04:05.000000006Z</modifytime>"
				    "<accesstime>2026-01-02T03:04:05.000000006Z</accesstime>"
				    "<backuptime>2026-01-02T03:04:05.000000006Z</backuptime>";

	rsm_text_printf(xml,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?><ltfsindex version=\"2.4.0\">"
			"<creator>by hand</creator><volumeuuid>%s</volumeuuid>"
			"<generationnumber>%u</generationnumber>"
			"<updatetime>2026-01-02T03:04:05.000000006Z</updatetime>"
			"<location><partition>b</partition><startblock>%u</startblock></location>"
			"<previousgenerationlocation><partition>b</partition><startblock>%u"
			"</startblock></previousgenerationlocation>"
			"<allowpolicyupdate>true</allowpolicyupdate>"
			"<highestfileuid>1</highestfileuid><directory><name></name>%s"
			"<fileuid>1</fileuid><contents/></directory></ltfsindex>",
			of, number, block, back, times);
}

static void put_index(unsigned number, unsigned block, unsigned back, const char *of)
{
	RSM_TEXT struct rsm_text xml = { 0 };

	make_index(&xml, number, block, back, of);
	put_filemark();
	put_record(xml.data);
	put_filemark();
}

static void put_data_like_index(unsigned number, unsigned expected)
{
	RSM_TEXT struct rsm_text xml = { 0 };
	uint64_t block;

	make_index(&xml, number, expected, 5, uuid);
	done(bench.volume->ops->append(bench.volume, xml.data, xml.length, &block, &bench.err));
	assert_int_equal(block, expected);
}

static void pointers_in_circles_lead_nowhere(void **state)
{
	(void)state;
	put_index(5, 17, 20, uuid); /* follows the one behind it */
	put_index(6, 20, 17, uuid);
	put_index(7, 23, 23, uuid); /* follows itself */
	mount();
	list();
	assert_int_equal(bench.count, 8);
	assert_int_equal(bench.points[1].block, 23);
	assert_int_equal(bench.points[7].block, 5);
	assert_false(bench.points[3].linked);
}

static void an_index_that_belongs_elsewhere_is_no_point(void **state)
{
	(void)state;
	put_index(9, 18, 14, uuid); /* it stands at 17 */
	put_index(9, 20, 14, "11111111-2222-4333-8444-555555555555");
	mount();
	list();
	assert_points("a:5=4! b:20? b:17? b:14=4 b:11=3 b:8=2 b:5=1");
}

/* Somebody who may write to a cartridge puts a file on it that is an index, of this volume and in
 * this place, and has it written between two indexes, or behind the last one.
 */
static void what_a_file_holds_is_no_generation(void **state)
{
	uint64_t block;

	(void)state;
	put_data_like_index(9, 16);
	list();
	assert_points("a:5=4! b:16? b:14=4 b:11=3 b:8=2 b:5=1");
	assert_non_null(strstr(bench.points[1].why, "a file"));
	add_folder("four");
	put_data_like_index(9, 20);
	done(bench.volume->ops->append(bench.volume, "<ltfsindex", 10, &block, &bench.err));
	add_folder("five");
	list();
	assert_points("a:5=6! b:23=6 b:20? b:18=5 b:16? b:14=4 b:11=3 b:8=2 b:5=1");
	roll_back(2); /* what is left behind stays known */
	list();
	assert_points("a:5=7! b:26=7 b:23=6- b:20? b:18=5- b:16? b:14=4- b:11=3- b:8=2 b:5=1");
}

static void forget_and_mount(void)
{
	rsm_volume_free(bench.volume);
	bench.volume = NULL;
	rsm_content_close_volume(bench.content);
	rig_run(bench.rig, "rm -rf %s", bench.folder);
	open_content();
	mount();
}

/* The power goes before the index that would follow. */
static void nor_is_it_the_newest_one_after_a_crash(void **state)
{
	(void)state;
	put_data_like_index(9, 16);
	forget_and_mount();
	assert_int_equal(generation(), 4);
	assert_true(is_there("three"));
	put_filemark(); /* and with the filemark in front of that index */
	forget_and_mount();
	assert_int_equal(generation(), 4);
	commit(false);
	put_data_like_index(9, 20);
	put_index(6, 22, 18, uuid); /* a true one behind it is the newest */
	forget_and_mount();
	assert_int_equal(generation(), 6);
}

/* Another system's: changes since the full index at `full`. */
static void put_changes(unsigned number, unsigned block, unsigned full, const char *changes)
{
	RSM_TEXT struct rsm_text xml = { 0 };

	rsm_text_printf(
		&xml,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><ltfsincrementalindex version=\"2.5.0\">"
		"<creator>by hand</creator><volumeuuid>%s</volumeuuid>"
		"<generationnumber>%u</generationnumber>"
		"<updatetime>2026-01-02T03:04:05.000000006Z</updatetime>"
		"<location><partition>b</partition><startblock>%u</startblock></location>"
		"<previousgenerationlocation><partition>b</partition><startblock>%u</startblock>"
		"</previousgenerationlocation><highestfileuid>90</highestfileuid>"
		"<directory><name></name><contents>%s</contents></directory>"
		"</ltfsincrementalindex>",
		uuid, number, block, full, changes);
	put_filemark();
	put_record(xml.data);
	put_filemark();
}

static void an_incremental_index_is_a_generation_like_others(void **state)
{
	(void)state;
	put_changes(5, 17, 14, "<directory><name>two</name><deleted/></directory>");
	mount();
	list();
	assert_points("a:5=4- b:17=5! b:14=4 b:11=3 b:8=2 b:5=1");
	assert_true(bench.points[1].incremental);
	assert_false(is_there("two"));
	commit(false); /* a full one follows */
	roll_back(4);
	assert_true(is_there("two"));
	roll_back(5);
	assert_true(is_there("one") && is_there("three"));
	assert_false(is_there("two"));
	list();
	for (size_t i = 0; i < bench.count; i++)
		if (bench.points[i].current)
			assert_int_equal(bench.points[i].back_block, 26);
	assert_int_equal(bench.points[1].back_block, 14);
}

static void what_cannot_be_read_is_gone_around_by_back_pointers(void **state)
{
	const struct rsm_emulator_fault fault = {
		.opcode = OPCODE_SPACE, .skip = 4, .times = 1, .key = MEDIUM_ERROR, .asc = 0x11
	};

	(void)state;
	/* spaces: two on the index partition, then from 16 to 15, to 13, and not to 12 */
	done(rsm_emulator_inject(bench.rig->emulator, &fault, &bench.err));
	list();
	assert_points("a:5=4! b:14=4 b:11=3 b:8=2 b:5=1");
}

static void an_old_generation_can_be_read(void **state)
{
	RSM_CLEANUP(rsm_volume_index_close) struct rsm_volume_index *tree = NULL;
	struct rsm_ltfs_point point = point_of(3);
	RSM_FREE char *value = NULL;
	struct rsm_index_loader *loader;
	struct rsm_node node;
	char path[128];

	(void)state;
	snprintf(path, sizeof path, "%s/view.db", bench.folder);
	done(rsm_volume_index_open(path, &tree, &bench.err));
	done(rsm_ltfs_load_point(bench.volume, &point, path, &loader, &bench.err));
	done(rsm_volume_index_replace(tree, loader, NULL, &bench.err));

	done(rsm_volume_index_lookup(tree, RSM_NODE_ROOT, "two", &node, &bench.err));
	assert_int_equal(rsm_volume_index_lookup(tree, RSM_NODE_ROOT, "three", &node, &bench.err),
			 RSM_NODE_ABSENT);
	done(rsm_volume_index_get_fact(tree, "index_location", &value, &bench.err));
	assert_string_equal(value, "b:11");
	assert_true(is_there("three"));
}

static void a_rollback_appends_and_keeps_all_history(void **state)
{
	(void)state;
	roll_back(2);
	assert_true(is_there("one"));
	assert_false(is_there("two") || is_there("three"));
	list();
	assert_points("a:5=5! b:17=5 b:14=4- b:11=3- b:8=2 b:5=1");
	assert_int_equal(bench.points[1].back_block, 8);
	assert_non_null(strstr(bench.points[1].creator, "Rollback"));
}

static void what_is_written_after_a_rollback_follows_it(void **state)
{
	(void)state;
	roll_back(2);
	add_folder("new");
	list();
	assert_points("a:5=6! b:20=6 b:17=5 b:14=4- b:11=3- b:8=2 b:5=1");
	mount();
	assert_true(is_there("one") && is_there("new"));
}

static void a_rollback_can_be_rolled_back(void **state)
{
	(void)state;
	roll_back(2);
	roll_back(4);
	assert_true(is_there("one") && is_there("two") && is_there("three"));
	list();
	assert_points("a:5=6! b:20=6 b:17=5- b:14=4 b:11=3 b:8=2 b:5=1");
}

static void a_tree_that_was_on_the_index_partition_only_is_kept(void **state)
{
	uint64_t before;

	(void)state;
	/* the last index of the data partition goes */
	done(rsm_tape_drive_locate(drive(), DATA_PARTITION, 13, &bench.err));
	done(rsm_tape_drive_erase(drive(), false, &bench.err));
	mount();
	commit(false);
	before = generation();
	roll_back(2);
	assert_false(is_there("three"));
	roll_back(before);
	assert_true(is_there("three"));
}

static void numbers_of_files_are_not_given_twice(void **state)
{
	struct rsm_node before, after;

	(void)state;
	done(rsm_content_lookup(bench.content, RSM_NODE_ROOT, "three", &before, &bench.err));
	roll_back(2);
	add_folder("new");
	done(rsm_content_lookup(bench.content, RSM_NODE_ROOT, "new", &after, &bench.err));
	assert_true(after.uid > before.uid);
	assert_true(after.id > before.id);
}

static void a_volume_with_changes_is_not_rolled_back(void **state)
{
	struct rsm_ltfs_point point = point_of(2);
	struct rsm_node node = { .kind = RSM_NODE_FOLDER };
	uint64_t made;

	(void)state;
	done(rsm_content_make(bench.content, RSM_NODE_ROOT, "more", &node, NULL, &bench.err));
	assert_int_equal(try_rollback(&point, &made), -EBUSY);
	assert_int_equal(end_of(DATA_PARTITION), 16);
}

static void a_volume_that_was_rolled_back_takes_nothing_before_it_is_mounted(void **state)
{
	struct rsm_ltfs_point point = point_of(2);
	uint64_t made, block;

	(void)state;
	done(try_rollback(&point, &made));
	assert_int_equal(bench.volume->ops->append(bench.volume, "x", 1, &block, &bench.err), -EIO);
	assert_int_equal(
		bench.volume->ops->commit(bench.volume, RSM_COMMIT_FULL, NULL, true, &bench.err),
		-EIO);
	mount();
	assert_false(is_there("two"));
}

/* ---- the power goes behind each command ---- */

static void save_all(void)
{
	rsm_volume_free(bench.volume);
	bench.volume = NULL;
	rsm_content_close_volume(bench.content);
	bench.content = NULL;
	rig_unload(bench.rig, SLOT);
	rig_close(bench.rig);
	rig_run(bench.rig, "cp -a slots/%d saved && cp -a %s saved-content", SLOT, bench.folder);
}

static void restore_all(void)
{
	rig_run(bench.rig,
		"rm -rf slots/%d drives/256/* %s && cp -a saved slots/%d && cp -a saved-content %s",
		SLOT, bench.folder, SLOT, bench.folder);
	open_content();
	rig_open(bench.rig);
	rig_load(bench.rig, SLOT);
}

/* The process begins anew; `forget`: with nothing but the tape. */
static void start_again(bool forget)
{
	rsm_volume_free(bench.volume);
	bench.volume = NULL;
	rsm_content_close_volume(bench.content);
	rig_close(bench.rig);
	if (forget)
		rig_run(bench.rig, "rm -rf %s", bench.folder);
	open_content();
	rig_open(bench.rig);
	done(rsm_tape_drive_load(drive(), 1000, &bench.err));
	mount();
}

/* Either tree, whole; what was there is there; and the volume goes on. */
static void assert_old_or_new(unsigned commands, bool *ret_is_old)
{
	bool two = is_there("two"), three = is_there("three");
	size_t known = 0;

	if (!is_there("one") || two != three)
		fail_msg("cut after %u commands: neither the one tree nor the other", commands);
	*ret_is_old = !two;
	add_folder("later");
	assert_int_equal(is_there("two"), two);
	list();
	for (uint64_t wanted = 1; wanted <= 4; wanted++)
		for (size_t i = 0; i < bench.count; i++)
			if (bench.points[i].partition == 'b' &&
			    bench.points[i].generation == wanted) {
				known++;
				break;
			}
	if (known != 4)
		fail_msg("cut after %u commands: a generation is gone", commands);
}

static void a_power_cut_leaves_the_one_tree_or_the_other(void **state)
{
	struct rsm_ltfs_point point = point_of(2);
	bool is_old = false, finished = false;
	unsigned turns = 0;

	(void)state;
	save_all();
	for (unsigned commands = 0; !finished; commands++) {
		struct rsm_emulator_fault fault = {
			.opcode = OPCODE_ANY, .skip = commands, .times = 1, .key = POWER_CUT
		};
		bool was_old = is_old;
		uint64_t made;

		assert_true(commands < 200);
		restore_all();
		mount();
		done(rsm_emulator_inject(bench.rig->emulator, &fault, &bench.err));
		finished = try_rollback(&point, &made) == 0 &&
			   rsm_tape_drive_poll(drive(), &bench.err) == 0;
		start_again(commands % 2);
		assert_old_or_new(commands, &is_old);
		turns += is_old != was_old;
		rsm_volume_free(bench.volume);
		bench.volume = NULL;
		rsm_content_close_volume(bench.content);
		rig_close(bench.rig);
	}
	assert_true(is_old);
	assert_int_equal(turns, 1); /* from the one to the other at one command */
	restore_all();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static const struct CMUnitTest tests[] = {
	TEST(every_generation_is_shown_with_its_place),
	TEST(data_and_many_generations_do_not_confuse_the_search),
	TEST(a_long_index_is_known_by_its_ends),
	TEST(a_torn_index_in_the_middle_is_stepped_over),
	TEST(doubled_filemarks_are_passed_over),
	TEST(pointers_in_circles_lead_nowhere),
	TEST(an_index_that_belongs_elsewhere_is_no_point),
	TEST(what_a_file_holds_is_no_generation),
	TEST(nor_is_it_the_newest_one_after_a_crash),
	TEST(an_incremental_index_is_a_generation_like_others),
	TEST(what_cannot_be_read_is_gone_around_by_back_pointers),
	TEST(an_old_generation_can_be_read),
	TEST(a_rollback_appends_and_keeps_all_history),
	TEST(what_is_written_after_a_rollback_follows_it),
	TEST(a_rollback_can_be_rolled_back),
	TEST(a_tree_that_was_on_the_index_partition_only_is_kept),
	TEST(numbers_of_files_are_not_given_twice),
	TEST(a_volume_with_changes_is_not_rolled_back),
	TEST(a_volume_that_was_rolled_back_takes_nothing_before_it_is_mounted),
	TEST(a_power_cut_leaves_the_one_tree_or_the_other),
};

RSM_TEST_MAIN(tests)
