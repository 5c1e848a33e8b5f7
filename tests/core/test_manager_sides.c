/* Cartridges with two sides, over a library whose robot turns them over. */
#include <sys/mman.h>
#include <sys/wait.h>

#include "changer/emulator/emulator.h"
#include "core/manager_private.h"
#include "tests/core/identify_fixture.h"

static int sides_new(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 2,
		.slots = 4,
		.ports = 1,
		.cartridges = 2,
		.capacity_bytes = (uint64_t)1 << 30,
		.sides = 2,
	};

	return world_make(state, &shape);
}

static struct rsm_medium side(struct world *world, const char *shown)
{
	struct rsm_medium medium = { 0 };

	if (rsm_medium_find_barcode(rsm_manager_catalog(world->manager), shown, &medium,
				    &world->err) != 0 ||
	    strcmp(medium.shown, shown) != 0)
		fail_msg("there is no %s", shown);
	return medium;
}

static int64_t given_side(struct world *world, int64_t pool, const char *shown)
{
	struct rsm_allocation allocation = { .pool = pool, .barcode = shown, .mode = 0755 };
	struct rsm_medium medium;

	assert_done(rsm_manager_allocate(world->manager, &allocation, &medium, &world->err),
		    &world->err);
	return medium.id;
}

/* Both sides of A00001L8, with a file on each, on the medium. */
static void given_two_sides(struct world *world, int64_t sides[2])
{
	int64_t pool;

	wait_until_identified(world);
	pool = given_pool(world, "Backup");
	sides[0] = given_side(world, pool, "A00001L8.A");
	sides[1] = given_side(world, pool, "A00001L8.B");
	for (unsigned i = 0; i < 2; i++)
		write_file(world, sides[i], "file", 70000, 1 + i);
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
}

static int mount(struct world *world, const int64_t *media, size_t count, unsigned flags,
		 unsigned timeout_ms)
{
	return rsm_manager_mount_wait(world->manager, media, count, flags, 0, 0, timeout_ms, 0,
				      NULL, &world->err);
}

static uint32_t drive_of(struct world *world, int64_t id)
{
	struct rsm_medium_use use;

	assert_done(rsm_manager_medium_use(world->manager, id, &use, &world->err), &world->err);
	return use.mounted ? use.drive : 0;
}

static void restart_with(struct world *world, const char *command)
{
	char line[256];

	world_stop(world);
	snprintf(line, sizeof line, "cd %s/slots/1001/A00001L8 && %s", world->folder, command);
	assert_int_equal(system(line), 0);
	world_start(world);
}

static void an_inventory_finds_both_sides_in_one_pool(void **state)
{
	struct world *world = *state;
	struct rsm_medium a, b;

	wait_until_identified(world);
	wait_until_home(world);
	a = side(world, "A00001L8.A");
	b = side(world, "A00001L8.B");

	assert_int_equal(a.physical, b.physical);
	assert_int_equal(a.side, 0);
	assert_int_equal(b.side, 1);
	assert_string_not_equal(a.guid, b.guid);
	assert_int_equal(a.pool, b.pool);
	assert_int_equal(a.state, RSM_MEDIUM_AVAILABLE);
	assert_int_equal(b.state, RSM_MEDIUM_AVAILABLE);
	assert_int_equal(b.element, a.element);
	assert_string_equal(side(world, "CLN001L1").shown, "CLN001L1");
}

static void the_idle_side_yields_to_the_other_though_a_drive_is_free(void **state)
{
	struct world *world = *state;
	int64_t sides[2];

	world->dismount_delay_s = 600;
	world_stop(world);
	world_start(world);
	given_two_sides(world, sides);
	for (int i = 0; i < 4; i++) {
		assert_done(mount(world, &sides[i % 2], 1, 0, 10000), &world->err);
		assert_true(drive_of(world, sides[i % 2]) != 0);
		assert_int_equal(drive_of(world, sides[1 - i % 2]), 0);
		expect_file(world, sides[i % 2], "file", 70000, 1 + (unsigned)i % 2);
	}
}

static void a_held_side_keeps_the_other_waiting(void **state)
{
	struct world *world = *state;
	int64_t sides[2];

	given_two_sides(world, sides);
	assert_done(mount(world, &sides[0], 1, RSM_MOUNT_HOLD, 10000), &world->err);

	assert_int_equal(mount(world, &sides[1], 1, 0, 300), -ETIMEDOUT);
	assert_int_equal(mount(world, &sides[1], 1, RSM_MOUNT_IF_AVAILABLE, 300), -EAGAIN);
	assert_true(drive_of(world, sides[0]) != 0);
	assert_done(rsm_manager_dismount_wait(world->manager, sides[0], false, NULL, &world->err),
		    &world->err);
	assert_done(mount(world, &sides[1], 1, 0, 10000), &world->err);
}

static void both_sides_at_one_time_are_refused(void **state)
{
	struct world *world = *state;
	int64_t sides[2];

	given_two_sides(world, sides);

	assert_int_equal(mount(world, sides, 2, 0, 1000), -EINVAL);
	assert_string_equal(world->err.msg, "A00001L8.A and A00001L8.B are sides of one cartridge");
}

static void a_side_and_another_cartridge_are_mounted_together(void **state)
{
	struct world *world = *state;
	int64_t sides[2], set[2];

	world->dismount_delay_s = 600;
	world_stop(world);
	world_start(world);
	given_two_sides(world, sides);
	set[0] = sides[1];
	set[1] = given_side(world, side(world, "A00001L8.A").pool, "A00002L8.B");
	assert_done(mount(world, &sides[0], 1, 0, 10000), &world->err);

	assert_done(mount(world, set, 2, 0, 10000), &world->err);
	assert_true(drive_of(world, set[0]) && drive_of(world, set[1]));
	assert_int_equal(drive_of(world, sides[0]), 0);
}

static void the_catalogue_knows_which_side_is_under_the_head(void **state)
{
	struct world *world = *state;
	struct rsm_catalog *catalog = rsm_manager_catalog(world->manager);
	struct rsm_medium lying;
	int64_t sides[2];
	bool is;

	world->dismount_delay_s = 600;
	given_two_sides(world, sides);
	for (int i = 0; i < 2; i++) {
		assert_done(mount(world, &sides[i], 1, RSM_MOUNT_HOLD, 10000), &world->err);
		assert_int_equal(rsm_medium_at(catalog, world->manager->libraries[0].id,
					       RSM_AT_DRIVE, drive_of(world, sides[i]), &lying,
					       &world->err),
				 0);
		assert_int_equal(lying.id, sides[i]);
		assert_done(rsm_medium_is_inverted(catalog, sides[0], &is, &world->err),
			    &world->err);
		assert_int_equal(is, i);
		assert_done(rsm_manager_dismount_wait(world->manager, sides[i], false, NULL,
						      &world->err),
			    &world->err);
	}
	assert_done(rsm_medium_is_inverted(catalog, sides[0], &is, &world->err), &world->err);
	assert_false(is);
}

static bool is_wrong(void *context, int64_t number, const char *line)
{
	(void)number;
	*(unsigned *)context += strstr(line, "event=turn") != NULL;
	return !strstr(line, "event=wrong_label");
}

static void what_lies_the_wrong_way_round_is_turned_and_no_stranger(void **state)
{
	struct world *world = *state;
	struct rsm_medium before[2];
	int64_t sides[2];
	unsigned count = 0;
	bool lost;

	given_two_sides(world, sides);
	for (int i = 0; i < 2; i++)
		assert_done(rsm_medium_get(rsm_manager_catalog(world->manager), sides[i],
					   &before[i], &world->err),
			    &world->err);

	restart_with(world, "touch inverted");
	for (int i = 1; i >= 0; i--)
		expect_file(world, sides[i], "file", 70000, 1 + (unsigned)i);

	assert_done(rsm_event_list(rsm_manager_catalog(world->manager), 0, NULL, is_wrong, &count,
				   &lost, &world->err),
		    &world->err);
	assert_int_equal(count, 1);
	for (int i = 0; i < 2; i++) {
		struct rsm_medium now;

		assert_done(rsm_medium_get(rsm_manager_catalog(world->manager), sides[i], &now,
					   &world->err),
			    &world->err);
		assert_string_equal(now.lmid, before[i].lmid);
		assert_string_equal(now.volume_uuid, before[i].volume_uuid);
		assert_string_equal(now.guid, before[i].guid);
		assert_string_equal(now.health, "good");
	}
}

static void memories_that_are_alike_keep_nobody_out(void **state)
{
	struct world *world = *state;
	int64_t pool, sides[2];

	wait_until_identified(world);
	wait_until_home(world);
	restart_with(world, "cp side1/partition0.mam .");
	pool = given_pool(world, "Backup");
	sides[0] = given_side(world, pool, "A00001L8.A");
	sides[1] = given_side(world, pool, "A00001L8.B");
	for (unsigned i = 0; i < 2; i++)
		write_file(world, sides[i], "file", 70000, 1 + i);
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	world_stop(world);
	world_start(world);
	for (unsigned i = 0; i < 2; i++)
		expect_file(world, sides[i], "file", 70000, 1 + i);
}

/* The second one was written first: the first one's memory, which is the second one's, is wrong. */
static void a_label_turns_back_what_a_memory_turned(void **state)
{
	struct world *world = *state;
	int64_t pool, sides[2];

	wait_until_identified(world);
	wait_until_home(world);
	pool = given_pool(world, "Backup");
	sides[1] = given_side(world, pool, "A00001L8.B");
	write_file(world, sides[1], "file", 70000, 2);
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	restart_with(world, "cp side1/partition0.mam .");
	sides[0] = given_side(world, pool, "A00001L8.A");
	write_file(world, sides[0], "file", 70000, 1);
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	for (unsigned i = 0; i < 2; i++)
		expect_file(world, sides[i], "file", 70000, 1 + i);
}

static void a_side_that_is_a_copy_of_the_other_is_marked_as_one(void **state)
{
	struct world *world = *state;
	struct rsm_medium a, b;
	int64_t pool, id;

	wait_until_identified(world);
	wait_until_home(world);
	pool = given_pool(world, "Backup");
	id = given_side(world, pool, "A00001L8.A");
	write_file(world, id, "file", 70000, 1);
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	wait_until_home(world);
	restart_with(world, "cp *.tap side1/");
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, true, NULL, NULL, NULL, &world->err),
		&world->err);
	a = side(world, "A00001L8.A");
	b = side(world, "A00001L8.B");
	assert_true(b.duplicate && b.state == RSM_MEDIUM_IMPORT);
	assert_string_equal(b.volume_uuid, a.volume_uuid);
	assert_false(a.duplicate);
	assert_int_equal(a.state, RSM_MEDIUM_ALLOCATED);
	expect_file(world, id, "file", 70000, 1);
}

/* It ends, and the side is looked at another time. */
static void a_full_inventory_waits_for_no_side_whose_other_one_is_held(void **state)
{
	struct world *world = *state;
	uint32_t mounts;
	int64_t sides[2];

	given_two_sides(world, sides);
	assert_done(mount(world, &sides[0], 1, RSM_MOUNT_HOLD, 10000), &world->err);
	mounts = side(world, "A00002L8.B").mounts;
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, true, NULL, NULL, NULL, &world->err),
		&world->err);
	assert_int_equal(side(world, "A00002L8.B").mounts, mounts + 1);
	assert_true(drive_of(world, sides[0]) != 0);
}

static void a_full_inventory_reads_each_side(void **state)
{
	struct world *world = *state;
	int64_t sides[2];
	uint32_t mounts[4];
	static const char *const names[] = { "A00001L8.A", "A00001L8.B", "A00002L8.A",
					     "A00002L8.B" };

	given_two_sides(world, sides);
	wait_until_home(world);
	for (int i = 0; i < 4; i++)
		mounts[i] = i < 2 ? 0 : side(world, names[i]).mounts;
	for (int i = 0; i < 2; i++) {
		struct rsm_medium m;

		assert_done(rsm_medium_get(rsm_manager_catalog(world->manager), sides[i], &m,
					   &world->err),
			    &world->err);
		mounts[i] = m.mounts;
	}

	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, true, NULL, NULL, NULL, &world->err),
		&world->err);
	for (int i = 0; i < 4; i++)
		assert_int_equal(side(world, names[i]).mounts, mounts[i] + 1);
}

/* ---- deaths ---- */

static void die(void *context)
{
	(void)context;
	raise(SIGKILL);
}

/* Reads one side, writes to the other, and the other way round; the power goes behind the command.
 */
static void turn_until(struct world *world, const int64_t sides[2], unsigned cut, atomic_uint *done)
{
	const struct rsm_emulator_fault fault = {
		.opcode = 0xFFFF, .skip = cut, .times = 1, .key = 0x0F
	};
	struct rsm_emulator *emulator;
	char path[128];

	snprintf(path, sizeof path, "%s/session.log", world->folder);
	if (!freopen(path, "a", stderr) || !freopen("/dev/null", "w", stdout))
		_exit(1);
	world_start(world);
	emulator = world->manager->libraries[0].hardware->emulator;
	rsm_emulator_on_power_cut(emulator, die, NULL);
	if (rsm_emulator_inject(emulator, &fault, &world->err) < 0)
		_exit(2);
	for (unsigned i = 0; i < 2; i++) {
		char name[32];

		if (try_read(world->manager, sides[i], "file", 70000, 1 + i, &world->err) < 0)
			_exit(3);
		snprintf(name, sizeof name, "more%u-%u", i, cut);
		if (try_write(world->manager, sides[1 - i], name, 30000, 10 + i, &world->err) < 0)
			_exit(4);
		atomic_store(done, i + 1);
		if (rsm_manager_sync_wait(world->manager, sides[1 - i], NULL, NULL, NULL,
					  &world->err) < 0)
			_exit(5);
	}
	world_stop(world);
	_exit(0);
}

static void a_death_while_it_is_turned_over_leaves_each_side_its_own(void **state)
{
	enum { PLACES = 6, STRIDE = 17 };
	struct world *world = *state;
	unsigned places = getenv("RSM_LONG") ? PLACES * STRIDE : PLACES;
	unsigned stride = getenv("RSM_LONG") ? 1 : STRIDE;
	atomic_uint *done =
		mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t sides[2];

	assert_ptr_not_equal(done, MAP_FAILED);
	given_two_sides(world, sides);
	for (unsigned i = 0; i < places; i++) {
		int status = 0;
		bool lost;
		pid_t child;
		unsigned count = 0;

		world_stop(world);
		atomic_store(done, 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			turn_until(world, sides, 3 + i * stride, done);
		assert_int_equal(waitpid(child, &status, 0), child);
		if (!WIFSIGNALED(status) && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
			fail_msg("cut behind command %u: exit code %d", 3 + i * stride,
				 WEXITSTATUS(status));

		world_start(world);
		for (unsigned k = 0; k < 2; k++) {
			char name[32];

			expect_file(world, sides[k], "file", 70000, 1 + k);
			snprintf(name, sizeof name, "more%u-%u", 1 - k, 3 + i * stride);
			if (atomic_load(done) > 1 - k)
				expect_file(world, sides[k], name, 30000, 10 + 1 - k);
		}
		assert_done(rsm_event_list(rsm_manager_catalog(world->manager), 0, NULL, is_wrong,
					   &count, &lost, &world->err),
			    &world->err);
	}
	munmap(done, sizeof *done);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sides_new, world_free)
static const struct CMUnitTest tests[] = {
	T(an_inventory_finds_both_sides_in_one_pool),
	T(the_idle_side_yields_to_the_other_though_a_drive_is_free),
	T(a_held_side_keeps_the_other_waiting),
	T(both_sides_at_one_time_are_refused),
	T(a_side_and_another_cartridge_are_mounted_together),
	T(the_catalogue_knows_which_side_is_under_the_head),
	T(what_lies_the_wrong_way_round_is_turned_and_no_stranger),
	T(memories_that_are_alike_keep_nobody_out),
	T(a_label_turns_back_what_a_memory_turned),
	T(a_side_that_is_a_copy_of_the_other_is_marked_as_one),
	T(a_full_inventory_waits_for_no_side_whose_other_one_is_held),
	T(a_full_inventory_reads_each_side),
	T(a_death_while_it_is_turned_over_leaves_each_side_its_own),
};
RSM_TEST_MAIN(tests)
