/* The power goes behind each command of a session, and the process with it.
 *
 * Three ways on from there: with catalogue and staging, every file that was closed is as it was;
 * without the catalogue as well, once its medium was written to; without either, all is there that
 * the last index on the medium covers. And the volume is whole, and can be written to again.
 * A few places of each session, by RSM_SEED; RSM_LONG=1: all of them, from RSM_FROM=n on.
 * RSM_SESSION=name, RSM_CUT=n and RSM_LOSS=n choose one.
 */
#include "tests/core/crash_session.h"

#define KIB ((size_t)1024)

struct crash_plan {
	const char *name;
	const struct crash_step *steps;
	uint64_t capacity;
	const char *conf;		      /* lines of library.conf */
	void (*prepare)(struct world *world); /* before the session; NULL: nothing */
	bool reads_import;		      /* what is not Backup/monday may be in Import */
};

static int64_t the_medium(struct world *world, struct rsm_medium *ret_medium)
{
	struct rsm_medium medium;

	assert_int_equal(rsm_medium_find_barcode(rsm_manager_catalog(world->manager), "A00001L8",
						 ret_medium ? ret_medium : &medium, &world->err),
			 0);
	return ret_medium ? ret_medium->id : medium.id;
}

/* ---- what a medium holds ---- */

static void see(struct world *world, int64_t medium, const char *name, struct crash_file *seen,
		const char *when)
{
	struct read_wait wait = { 0 };
	struct rsm_content *content;
	struct rsm_open_file *file;
	struct rsm_node node;
	bool keep;
	int r = rsm_manager_content(world->manager, medium, &content, &world->err);

	*seen = (struct crash_file){ 0 };
	if (r != 0)
		fail_msg("%s: contents: %s", when, r < 0 ? world->err.msg : "are not known");
	r = rsm_content_lookup(content, RSM_NODE_ROOT, name, &node, &world->err);
	if (r == 0) {
		seen->exists = true;
		seen->mode = node.mode & 07777;
		crash_file_resize(seen, node.size);
		wait.data = malloc(node.size + 1);
		r = rsm_content_open(content, node.id, O_RDONLY, &file, &keep, &world->err);
		if (r < 0)
			fail_msg("%s: %s: %s", when, name, world->err.msg);
		wait.request = (struct rsm_content_read){ .size = node.size + 1,
							  .done = read_done,
							  .context = &wait };
		rsm_content_read_file(file, &wait.request);
		while (!atomic_load(&wait.ended))
			usleep(200);
		if (wait.result < 0)
			fail_msg("%s: %s: %s", when, name, wait.msg);
		if (wait.got != node.size)
			fail_msg("%s: %s: %zu of %zu bytes", when, name, wait.got,
				 (size_t)node.size);
		memcpy(seen->data, wait.data, node.size);
		free(wait.data);
		rsm_content_release(file);
	} else if (r < 0) {
		fail_msg("%s: %s: %s", when, name, world->err.msg);
	}
	rsm_manager_content_unref(world->manager, content);
}

static bool is_same(const struct crash_file *one, const struct crash_file *other)
{
	return one->exists == other->exists &&
	       (!one->exists || (one->size == other->size && one->mode == other->mode &&
				 memcmp(one->data, other->data, one->size) == 0));
}

/* An index lists a file as far as the medium had it then. */
static bool is_beginning(const struct crash_file *seen, const struct crash_file *file)
{
	return seen->exists && file->exists && seen->size <= file->size &&
	       memcmp(seen->data, file->data, seen->size) == 0;
}

static bool is_changed_by(const struct crash_step *step, unsigned file)
{
	return crash_changes_bytes(step->kind) && step->a == file;
}

/* Every file is as it was behind one of the steps `low` to `high`. A file that the last of them was
 * at work on is only to be readable.
 */
static void expect_files(struct world *world, const struct crash_plan *plan,
			 const struct crash_progress *progress, int64_t medium, unsigned low,
			 unsigned high, const char *when)
{
	unsigned done = atomic_load(&progress->done);

	for (unsigned i = 0; i < CRASH_FILES; i++) {
		struct crash_file seen;
		bool good = false;
		char name[32];

		snprintf(name, sizeof name, "f%u~staged", i);
		see(world, medium, name, &seen, when);
		if (seen.exists)
			fail_msg("%s: there is a %s", when, name);
		snprintf(name, sizeof name, "f%u", i);
		see(world, medium, name, &seen, when);
		for (unsigned k = low; k <= high && !good; k++) {
			struct crash_state state = { 0 };

			crash_state_at(plan->steps, k, progress, &state);
			good = is_same(&seen, &state.files[i]) ||
			       (low < done && is_beginning(&seen, &state.files[i])) ||
			       (k > done && is_changed_by(&plan->steps[k - 1], i));
			crash_state_fini(&state);
		}
		if (!good)
			fail_msg("%s: %s (%s, %zu bytes, mode %o) is as it never was between steps "
				 "%u and %u",
				 when, name, seen.exists ? "there" : "not there", seen.size,
				 seen.mode, low, high);
		crash_file_drop(&seen);
	}
}

static bool lives_at(const struct crash_plan *plan, const struct crash_progress *progress,
		     unsigned count)
{
	struct crash_state state = { 0 };
	bool lives;

	crash_state_at(plan->steps, count, progress, &state);
	lives = state.lives;
	crash_state_fini(&state);
	return lives;
}

static bool lives_always(const struct crash_plan *plan, const struct crash_progress *progress,
			 unsigned low, unsigned high)
{
	for (unsigned i = low; i <= high; i++)
		if (!lives_at(plan, progress, i))
			return false;
	return true;
}

static bool lives_ever(const struct crash_plan *plan, const struct crash_progress *progress,
		       unsigned low, unsigned high)
{
	for (unsigned i = low; i <= high; i++)
		if (lives_at(plan, progress, i))
			return true;
	return false;
}

/* ---- and that it goes on ---- */

static void sync_all(struct world *world, int64_t medium, const char *when)
{
	if (rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err) < 0)
		fail_msg("%s: sync: %s", when, world->err.msg);
}

static void expect_consistent(struct world *world, const char *when)
{
	char command[512];

	snprintf(command, sizeof command,
		 "for c in %s/slots/*/A00001L8 %s/drives/*/A00001L8; do test ! -d $c || "
		 "python3 " RSM_SOURCE_ROOT "/tests/system/ltfs_check.py $c --history; done > "
		 "%s/check.log 2>&1",
		 world->folder, world->folder, world->folder);
	if (getenv("RSM_LONG") && system(command) != 0) {
		snprintf(command, sizeof command, "cat %s/check.log >&2", world->folder);
		(void)!system(command);
		fail_msg("%s: the volume is not consistent", when);
	}
}

/* A full cartridge need not take it. */
static bool try_sync(struct world *world, int64_t medium)
{
	int r = rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err);

	if (r < 0 && r != -ENOSPC)
		fail_msg("sync of a full cartridge: %s", world->err.msg);
	return r == 0;
}

static void write_on(struct world *world, int64_t medium, bool may_be_full, const char *when)
{
	int r = try_write(world->manager, medium, "more", 70000, 77, &world->err);

	if (r < 0 && r != -ENOSPC)
		fail_msg("%s: writing on: %s", when, world->err.msg);
	if (may_be_full)
		(void)try_sync(world, medium);
	else
		sync_all(world, medium, when);
	if (r == 0 && try_read(world->manager, medium, "more", 70000, 77, &world->err) < 0)
		fail_msg("%s: what was written on: %s", when, world->err.msg);
}

/* Nobody's: whoever wants one is given it. */
static void use_anew(struct world *world, const char *when)
{
	struct rsm_catalog *catalog = rsm_manager_catalog(world->manager);
	struct rsm_allocation allocation = { .name = "again", .mode = 0755 };
	struct rsm_medium medium;
	struct rsm_pool pool;

	the_medium(world, &medium);
	if (medium.state != RSM_MEDIUM_AVAILABLE && medium.state != RSM_MEDIUM_UNPREPARED) {
		/* nobody knows whose half volume this is */
		if (rsm_manager_free_medium(world->manager, medium.id, &world->err) < 0)
			fail_msg("%s: %s: %s", when, rsm_medium_state_name(medium.state),
				 world->err.msg);
		sync_all(world, medium.id, when);
	}
	if (rsm_pool_find_path(catalog, "Backup", &pool, &world->err) == 0)
		allocation.pool = pool.id;
	else
		allocation.pool = given_pool(world, "Backup");
	if (rsm_manager_allocate(world->manager, &allocation, &medium, &world->err) < 0)
		fail_msg("%s: allocated again: %s", when, world->err.msg);
	write_on(world, medium.id, false, when);
}

/* Outcome 0: Backup/monday; 1: it is in Import; 2: neither. */
static int find_monday(struct world *world, const struct crash_plan *plan, int64_t *ret_medium)
{
	struct rsm_medium medium;

	while (rsm_manager_is_identifying(world->manager))
		usleep(500);
	*ret_medium = the_medium(world, &medium);
	if (medium.lmid[0]) {
		assert_string_equal(medium.name, "monday");
		return 0;
	}
	return medium.state == RSM_MEDIUM_IMPORT && plan->reads_import ? 1 : 2;
}

/* ---- the three ways on ---- */

static void forget(struct world *world, const char *what)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", world->folder, what);
	assert_done(rsm_file_remove_tree(path, &world->err), &world->err);
}

static void with_all_kept(struct world *world, const struct crash_plan *plan,
			  const struct crash_progress *progress, const char *where)
{
	unsigned done = atomic_load(&progress->done), begun = atomic_load(&progress->begun);
	int64_t medium;
	char when[160];
	bool whole = true;
	int found;

	snprintf(when, sizeof when, "%s, all kept", where);
	rsm_log_info("%s", when);
	world_start(world);
	found = find_monday(world, plan, &medium);
	if (found == 0 ? !lives_ever(plan, progress, done, begun)
		       : lives_always(plan, progress, done, begun))
		fail_msg("%s: Backup/monday is %s", when, found ? "lost" : "there again");
	if (found == 2) {
		use_anew(world, when);
	} else {
		expect_files(world, plan, progress, medium, done, begun, when);
		if (found == 0) {
			/* what a cut wasted on a full cartridge may keep something staged */
			whole = plan->capacity ? try_sync(world, medium)
					       : (sync_all(world, medium, when), true);
			expect_files(world, plan, progress, medium, done, begun, when);
			if (whole)
				write_on(world, medium, plan->capacity != 0, when);
		}
	}
	world_stop(world);
	expect_consistent(world, when);
	if (found != 0 || !whole)
		return;

	/* all of it is on the medium */
	snprintf(when, sizeof when, "%s, all kept, then all lost", where);
	forget(world, "catalog");
	forget(world, "staging");
	rsm_log_info("%s", when);
	world_start(world);
	if (find_monday(world, plan, &medium) != 0)
		fail_msg("%s: Backup/monday is not found again", when);
	expect_files(world, plan, progress, medium, done, begun, when);
	world_stop(world);
}

static void with_some_lost(struct world *world, const struct crash_plan *plan,
			   const struct crash_progress *progress, bool staging, const char *where)
{
	unsigned synced = atomic_load(&progress->synced), begun = atomic_load(&progress->begun);
	int64_t medium;
	char when[160];
	int found;

	snprintf(when, sizeof when, "%s, %s lost", where, staging ? "catalogue" : "all");
	forget(world, "catalog");
	if (!staging)
		forget(world, "staging");
	rsm_log_info("%s", when);
	world_start(world);
	found = find_monday(world, plan, &medium);
	if (found && lives_always(plan, progress, synced, begun))
		fail_msg("%s: Backup/monday is not found again", when);
	if (found == 2) {
		use_anew(world, when);
	} else {
		/* what is staged belongs to the allocation that the medium is of */
		if (staging && found == 0 && lives_always(plan, progress, synced, begun))
			synced = atomic_load(&progress->done);
		expect_files(world, plan, progress, medium, synced, begun, when);
		if (found == 0) {
			write_on(world, medium, plan->capacity != 0, when);
			expect_files(world, plan, progress, medium, synced, begun, when);
		}
	}
	world_stop(world);
	expect_consistent(world, when);
}

/* ---- worlds ---- */

static void copy_world(const struct world *from, struct world *to)
{
	char command[256];

	*to = (struct world){ .dismount_delay_s = 60 };
	strcpy(to->folder, "/dev/shm/rsm-test-crash-XXXXXX");
	if (access("/dev/shm", W_OK) < 0)
		strcpy(to->folder, "/tmp/rsm-test-crash-XXXXXX");
	assert_non_null(mkdtemp(to->folder));
	to->libraries[0] = to->folder;
	if (from) {
		snprintf(command, sizeof command, "cp -a %s/. %s", from->folder, to->folder);
		assert_int_equal(system(command), 0);
	}
}

static void drop_world(struct world *world)
{
	assert_done(rsm_file_remove_tree(world->folder, &world->err), &world->err);
}

static void make_world(const struct crash_plan *plan, struct world *world)
{
	const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 1,
		.slots = 2,
		.ports = 1,
		.cartridges = 1,
		.capacity_bytes = plan->capacity ? plan->capacity : (uint64_t)1 << 30,
		.no_cleaner = true,
	};
	char path[128];
	FILE *file;

	copy_world(NULL, world);
	assert_done(rsm_library_folder_create(world->folder, &shape, &world->err), &world->err);
	snprintf(path, sizeof path, "%s/library.conf", world->folder);
	file = fopen(path, "a");
	assert_non_null(file);
	fprintf(file, "%s", plan->conf ? plan->conf : "");
	fclose(file);
	if (plan->prepare)
		plan->prepare(world);
}

/* True when the session was over before the cut. */
static bool cut_at(const struct world *base, const struct crash_plan *plan, uint64_t cut,
		   unsigned loss, struct crash_progress *progress)
{
	struct world crashed, after;
	char where[96];

	snprintf(where, sizeof where,
		 "%s: power cut behind command %lld, %u/256 of the buffer kept", plan->name,
		 (long long)cut, loss);
	copy_world(base, &crashed);
	crash_run(&crashed, plan->steps, cut, loss, progress);
	copy_world(&crashed, &after);
	with_all_kept(&after, plan, progress, where);
	drop_world(&after);
	copy_world(&crashed, &after);
	with_some_lost(&after, plan, progress, true, where);
	drop_world(&after);
	with_some_lost(&crashed, plan, progress, false, where);
	drop_world(&crashed);
	return atomic_load(&progress->over);
}

static unsigned number_of(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

/* The places of a short run are spread over the session. */
enum { PLACES = 2 };

static void cut_everywhere(const struct crash_plan *plan)
{
	static const unsigned losses[] = { 256, 0, 140 };
	struct crash_progress *progress = crash_progress_new();
	unsigned seed = number_of("RSM_SEED", 1), places = PLACES;
	struct world base, whole;
	uint64_t commands;

	if (getenv("RSM_SESSION") && strcmp(getenv("RSM_SESSION"), plan->name) != 0)
		return;
	make_world(plan, &base);
	copy_world(&base, &whole);
	crash_run(&whole, plan->steps, CRASH_FOREVER, 256, progress);
	if (!atomic_load(&progress->over)) {
		char command[128];

		snprintf(command, sizeof command, "cat %s/session.log >&2", whole.folder);
		(void)!system(command);
		fail_msg("%s: the session itself fails", plan->name);
	}
	if (!getenv("RSM_KEEP"))
		drop_world(&whole);
	commands = atomic_load(&progress->commands);
	if (getenv("RSM_LONG"))
		places = (unsigned)commands;
	print_message("# %s: %llu commands\n", plan->name, (unsigned long long)commands);
	if (getenv("RSM_CUT")) {
		cut_at(&base, plan, number_of("RSM_CUT", 0), number_of("RSM_LOSS", 256), progress);
	} else {
		for (unsigned i = number_of("RSM_FROM", 0); i < places; i++) {
			uint64_t cut = i;

			if (!getenv("RSM_LONG"))
				cut = (commands * i + (seed * 7919) % commands) / places;
			cut_at(&base, plan, cut, losses[(i + seed) % 3], progress);
		}
	}
	drop_world(&base);
	munmap(progress, sizeof *progress);
}

/* ---- sessions ---- */

static const struct crash_step first_steps[] = {
	{ .kind = CRASH_ALLOCATE },
	{ .kind = CRASH_WRITE, .a = 0, .size = 10 },
	{ .kind = CRASH_WRITE, .a = 1, .size = 600 * KIB },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_WRITE, .a = 2, .size = 3000 },
	{ .kind = CRASH_WRITE, .a = 3, .size = 1200 * KIB },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_END },
};

static void what_was_accepted_survives_a_power_cut_behind_every_command(void **state)
{
	static const struct crash_plan plan = { .name = "first", .steps = first_steps };

	(void)state;
	cut_everywhere(&plan);
}

static const struct crash_step rewrite_steps[] = {
	{ .kind = CRASH_ALLOCATE },
	{ .kind = CRASH_WRITE, .a = 0, .size = 700 * KIB },
	{ .kind = CRASH_WRITE, .a = 1, .size = 40 * KIB },
	{ .kind = CRASH_WRITE, .a = 2, .size = 50 * KIB },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_REWRITE, .a = 0, .size = 5000, .offset = 200 * KIB },
	{ .kind = CRASH_TRUNCATE, .a = 1, .size = 1000 },
	{ .kind = CRASH_RENAME, .a = 2, .b = 3 },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DELETE, .a = 1 },
	{ .kind = CRASH_MODE, .a = 0, .size = 0600 },
	{ .kind = CRASH_RENAME, .a = 3, .b = 0 },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_TRUNCATE, .a = 0, .size = 60 * KIB },
	{ .kind = CRASH_WRITE, .a = 0, .size = 30 * KIB },
	{ .kind = CRASH_WRITE, .a = 4, .size = 0 },
	{ .kind = CRASH_HALVES, .a = 5, .size = 900 * KIB },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_END },
};

static void so_does_what_was_changed_renamed_and_deleted(void **state)
{
	static const struct crash_plan plan = { .name = "rewrite", .steps = rewrite_steps };

	(void)state;
	cut_everywhere(&plan);
}

/* Indexes without any data before them. */
static const struct crash_step index_steps[] = {
	{ .kind = CRASH_ALLOCATE },
	{ .kind = CRASH_WRITE, .a = 0, .size = 100 },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_MODE, .a = 0, .size = 0600 },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_RENAME, .a = 0, .b = 1 },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_MODE, .a = 1, .size = 0640 },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_RENAME, .a = 1, .b = 2 },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_END },
};

static void so_do_changes_of_names_and_modes(void **state)
{
	static const struct crash_plan plan = { .name = "index", .steps = index_steps };

	(void)state;
	cut_everywhere(&plan);
}

static const struct crash_step again_steps[] = {
	{ .kind = CRASH_ALLOCATE },
	{ .kind = CRASH_WRITE, .a = 0, .size = 600 * KIB },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_DEALLOCATE },
	{ .kind = CRASH_ALLOCATE },
	{ .kind = CRASH_WRITE, .a = 1, .size = 1000 },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DEALLOCATE },
	{ .kind = CRASH_FREE },
	{ .kind = CRASH_SYNC }, /* its label is written */
	{ .kind = CRASH_ALLOCATE },
	{ .kind = CRASH_WRITE, .a = 2, .size = 2000 },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_END },
};

static void a_medium_is_its_old_volume_or_its_new_one(void **state)
{
	static const struct crash_plan plan = { .name = "again", .steps = again_steps };

	(void)state;
	cut_everywhere(&plan);
}

static const struct crash_step undelete_steps[] = {
	{ .kind = CRASH_ALLOCATE },
	{ .kind = CRASH_WRITE, .a = 0, .size = 600 * KIB },
	{ .kind = CRASH_WRITE, .a = 1, .size = 1000 },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_DELETE, .a = 1 },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_DEALLOCATE },
	{ .kind = CRASH_UNDELETE },
	{ .kind = CRASH_WRITE, .a = 2, .size = 2000 },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_END },
};

static void what_was_deallocated_comes_back_whole_or_is_still_there_to_come_back(void **state)
{
	static const struct crash_plan plan = { .name = "undelete", .steps = undelete_steps };

	(void)state;
	cut_everywhere(&plan);
}

/* A tape that writes slowly, so that the deallocation comes in the middle of the format. */
static const struct crash_step given_back_steps[] = {
	{ .kind = CRASH_ALLOCATE },   { .kind = CRASH_WRITE, .a = 0, .size = 1000 },
	{ .kind = CRASH_MOUNT },      { .kind = CRASH_PAUSE, .size = 22 },
	{ .kind = CRASH_DEALLOCATE }, { .kind = CRASH_PAUSE, .size = 40 },
	{ .kind = CRASH_END },
};

static void a_medium_given_back_while_it_is_formatted_is_nobodys(void **state)
{
	static const struct crash_plan plan = {
		.name = "given_back",
		.steps = given_back_steps,
		.conf = "",
	};

	(void)state;
	cut_everywhere(&plan);
}

/* Written by a world whose memory is lost, with the keys of another program. */
static void make_foreign(struct world *world)
{
	static const char script[] =
		"find %s -name 'partition*.tap' -exec sed -i 's/ltfs\\.vendor\\.rsmfs/"
		"ltfs.vendor.other/g' {} +";
	char command[256];
	int64_t medium;

	world_start(world);
	medium = given_cartridge(world, given_pool(world, "Other"), "other");
	for (unsigned i = 0; i < 2; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%u", i);
		write_file(world, medium, name, 1000 + i * 600000, 100 + i);
	}
	sync_all(world, medium, "foreign volume");
	world_stop(world);
	forget(world, "catalog");
	forget(world, "staging");
	snprintf(command, sizeof command, script, world->folder);
	assert_int_equal(system(command), 0);
}

static const struct crash_step take_over_steps[] = {
	{ .kind = CRASH_TAKE_OVER },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_WRITE, .a = 0, .size = 100 },
	{ .kind = CRASH_RENAME, .a = 1, .b = 2 },
	{ .kind = CRASH_WRITE, .a = 3, .size = 100 * KIB },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_END },
};

static void a_volume_that_is_taken_over_loses_nothing(void **state)
{
	static const struct crash_plan plan = { .name = "take_over",
						.steps = take_over_steps,
						.prepare = make_foreign,
						.reads_import = true };

	(void)state;
	cut_everywhere(&plan);
}

static const struct crash_step full_steps[] = {
	{ .kind = CRASH_ALLOCATE },
	{ .kind = CRASH_WRITE, .a = 0, .size = 2000 * KIB },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_WRITE, .a = 1, .size = 3000 * KIB },
	{ .kind = CRASH_WRITE, .a = 2, .size = 3000 * KIB },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_WRITE, .a = 3, .size = 3000 * KIB },
	{ .kind = CRASH_WRITE, .a = 4, .size = 50 * KIB },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_DELETE, .a = 2 },
	{ .kind = CRASH_MODE, .a = 0, .size = 0600 },
	{ .kind = CRASH_SYNC },
	{ .kind = CRASH_DISMOUNT },
	{ .kind = CRASH_END },
};

static void nor_does_a_cartridge_that_is_full(void **state)
{
	static const struct crash_plan plan = { .name = "full",
						.steps = full_steps,
						.capacity = (uint64_t)11 << 20 };

	(void)state;
	cut_everywhere(&plan);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_was_accepted_survives_a_power_cut_behind_every_command),
	cmocka_unit_test(so_does_what_was_changed_renamed_and_deleted),
	cmocka_unit_test(so_do_changes_of_names_and_modes),
	cmocka_unit_test(a_medium_is_its_old_volume_or_its_new_one),
	cmocka_unit_test(what_was_deallocated_comes_back_whole_or_is_still_there_to_come_back),
	cmocka_unit_test(a_medium_given_back_while_it_is_formatted_is_nobodys),
	cmocka_unit_test(a_volume_that_is_taken_over_loses_nothing),
	cmocka_unit_test(nor_does_a_cartridge_that_is_full),
};
RSM_TEST_MAIN(tests)
