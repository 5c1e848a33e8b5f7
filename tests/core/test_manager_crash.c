/* The power goes behind each command of a session, and the process with it. */
#include "changer/emulator/emulator.h"
#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

enum { FILES = 4, OPCODE_ANY = 0xFFFF };

static int world_small(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 1,
		.slots = 2,
		.ports = 1,
		.cartridges = 1,
		.capacity_bytes = (uint64_t)1 << 30,
		.no_cleaner = true,
	};

	return world_make(state, &shape);
}

static struct rsm_emulator *emulator_of(struct world *world)
{
	return world->manager->libraries[0].hardware->emulator;
}

static void cut_power_after(struct world *world, unsigned commands)
{
	const struct rsm_emulator_fault fault = {
		.opcode = OPCODE_ANY, .skip = commands, .times = 1, .key = 0x0F
	};

	assert_done(rsm_emulator_inject(emulator_of(world), &fault, &world->err), &world->err);
}

static size_t size_of(unsigned file)
{
	static const size_t sizes[FILES] = { 10, 600000, 3000, 1200000 };

	return sizes[file];
}

/* Allocates, writes, dismounts, writes more, dismounts. How many files were accepted? */
static unsigned session(struct world *world, int64_t *ret_medium)
{
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	struct rsm_err err;
	unsigned count = 0;

	*ret_medium = medium;
	for (unsigned i = 0; i < FILES; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%u", i);
		if (try_write(world->manager, medium, name, size_of(i), i, &err) < 0)
			fail_msg("%s", err.msg); /* staging does not need the devices */
		count++;
		if (i % 2 &&
		    (rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &err) < 0 ||
		     rsm_manager_dismount_wait(world->manager, medium, false, NULL, &err) < 0))
			break;
	}
	return count;
}

static void expect_all(struct world *world, int64_t medium, unsigned count, const char *when)
{
	for (unsigned i = 0; i < count; i++) {
		char name[16];
		int r;

		snprintf(name, sizeof name, "f%u", i);
		r = try_read(world->manager, medium, name, size_of(i), i, &world->err);
		if (r < 0)
			fail_msg("%s: %s: %s", when, name, world->err.msg);
	}
}

static void expect_no_conflicts(struct world *world, int64_t medium, const char *when)
{
	struct rsm_content *content;
	struct rsm_node node;
	char name[32];

	assert_done(rsm_manager_content(world->manager, medium, &content, &world->err),
		    &world->err);
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof name, "f%u~staged", i);
		if (rsm_content_lookup(content, RSM_NODE_ROOT, name, &node, NULL) == 0)
			fail_msg("%s: %s", when, name);
	}
	rsm_manager_content_unref(world->manager, content);
}

/* Without catalogue and staging only the medium counts. */
static void forget_all(struct world *world)
{
	char path[128];

	snprintf(path, sizeof path, "%s/catalog", world->folder);
	assert_done(rsm_file_remove_tree(path, &world->err), &world->err);
	snprintf(path, sizeof path, "%s/staging", world->folder);
	assert_done(rsm_file_remove_tree(path, &world->err), &world->err);
}

static int64_t find_again(struct world *world, const char *when)
{
	struct rsm_pool pool;
	struct rsm_medium found;

	if (rsm_pool_find_path(rsm_manager_catalog(world->manager), "Backup", &pool, &world->err) !=
		    0 ||
	    rsm_medium_find(rsm_manager_catalog(world->manager), pool.id, "monday", &found,
			    &world->err) != 0)
		fail_msg("%s: the cartridge is not found again", when);
	return found.id;
}

/* True when the session ended before the cut. */
static bool cut_at(unsigned commands)
{
	struct world *world = NULL;
	char when[64];
	int64_t medium;
	unsigned count;
	bool over;

	assert_int_equal(world_small((void **)&world), 0);
	cut_power_after(world, commands);
	count = session(world, &medium);
	over = count == FILES && rsm_emulator_command_count(emulator_of(world)) < commands;
	world_crash(world);

	snprintf(when, sizeof when, "power cut after command %u", commands);
	world_start(world);
	expect_all(world, medium, count, when);
	if (rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err) < 0)
		fail_msg("%s: %s", when, world->err.msg);
	expect_no_conflicts(world, medium, when);
	expect_all(world, medium, count, when);
	world_stop(world);
	forget_all(world);
	world_start(world);
	medium = find_again(world, when);
	expect_all(world, medium, count, when);
	world_free((void **)&world);
	return over;
}

static void what_was_accepted_survives_a_power_cut_behind_every_command(void **state)
{
	unsigned stride = getenv("RSM_LONG") ? 1 : 17;

	(void)state;
	for (unsigned commands = 0; commands < 2000; commands += stride)
		if (cut_at(commands))
			return;
	fail_msg("the session never ended");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_was_accepted_survives_a_power_cut_behind_every_command),
};
RSM_TEST_MAIN(tests)
