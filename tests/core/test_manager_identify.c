/* What is looked at when nobody asks, and when somebody does: over a virtual library. */
#include "tests/core/identify_fixture.h"

/* ---- the world ---- */

static int make(void **state, unsigned cartridges)
{
	const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 1,
		.slots = cartridges + 2,
		.ports = 1,
		.cartridges = cartridges,
		.capacity_bytes = (uint64_t)1 << 28,
	};

	return world_make(state, &shape);
}

enum { SOME = 24, MANY = 70 };

static int make_some(void **state)
{
	return make(state, SOME);
}

/* More than are waited for when a library is mounted. */
static int make_many(void **state)
{
	return make(state, MANY);
}

/* ---- in the background ---- */

static void a_large_library_is_usable_before_it_has_been_looked_through(void **state)
{
	struct world *world = *state;
	size_t most = 0;
	unsigned available = 0;

	while (rsm_manager_is_identifying(world->manager)) {
		size_t count = 0;

		rsm_mutex_lock(&world->manager->lock);
		RSM_LIST_FOR_EACH (item, &world->manager->cartridges)
			count++;
		rsm_mutex_unlock(&world->manager->lock);
		most = count > most ? count : most;
		usleep(200);
	}

	/* only what a drive is at stands in the table */
	assert_in_range(most, 1, 4);
	wait_until_home(world);
	for (uint32_t slot = 1001; slot <= 1000 + MANY; slot++)
		available += medium_at(world, slot).state == RSM_MEDIUM_AVAILABLE;
	assert_int_equal(available, MANY);
}

struct waiting {
	struct rsm_manager *manager;
	pthread_t thread;
	int result;
	struct rsm_err err;
};

static void *inventory(void *argument)
{
	struct waiting *waiting = argument;

	waiting->result = rsm_manager_inventory_wait(waiting->manager, 0, true, NULL, NULL, NULL,
						     &waiting->err);
	return NULL;
}

static uint64_t done_of(struct world *world)
{
	RSM_LOCK_SCOPE(&world->manager->lock);
	return world->manager->libraries[0].identify.done;
}

static bool has_come_to(struct world *world, uint64_t done)
{
	const struct rsm_identify_run *run = &world->manager->libraries[0].identify;

	RSM_LOCK_SCOPE(&world->manager->lock);
	return run->full && run->done >= done;
}

static void given_running_inventory(struct world *world, struct waiting *waiting, uint64_t done)
{
	wait_until_identified(world);
	waiting->manager = world->manager;
	assert_int_equal(pthread_create(&waiting->thread, NULL, inventory, waiting), 0);
	while (!has_come_to(world, done))
		usleep(200);
}

struct served {
	struct rsm_mount_request request;
	struct world *world;
	atomic_int ended;
	int result;
	uint64_t done;
};

static void mount_served(struct rsm_mount_request *request, int r, const struct rsm_err *err)
{
	struct served *served = request->context;

	(void)err;
	served->result = r;
	served->done = done_of(served->world);
	atomic_store(&served->ended, 1);
}

static void who_wants_a_cartridge_goes_before_the_next_slot_of_an_inventory(void **state)
{
	struct world *world = *state;
	struct waiting waiting;
	struct served served = { .world = world };

	given_running_inventory(world, &waiting, 2);
	served.request = (struct rsm_mount_request){ .medium = medium_at(world, 1000 + SOME).id,
						     .done = mount_served,
						     .context = &served };
	rsm_manager_mount(world->manager, &served.request);
	while (!atomic_load(&served.ended))
		usleep(200);
	pthread_join(waiting.thread, NULL);

	assert_int_equal(served.result, 0);
	assert_in_range(served.done, 2, SOME - 3); /* it has the last slot */
	assert_done(waiting.result, &waiting.err);
}

static void a_full_inventory_loads_each_cartridge_once_and_can_be_stopped(void **state)
{
	struct world *world = *state;
	struct waiting waiting;
	int64_t before;
	struct search search = { .event = "event=load", .value = "medium=" };

	wait_until_identified(world);
	wait_until_home(world);
	before = rsm_event_last(catalog_of(world));
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, true, NULL, NULL, NULL, &world->err),
		&world->err);
	assert_done(rsm_event_list(catalog_of(world), before, NULL, look_for_event, &search, NULL,
				   &world->err),
		    &world->err);
	assert_int_equal(search.found, SOME);

	given_running_inventory(world, &waiting, 2);
	assert_int_equal(rsm_manager_inventory_stop(world->manager, 0), 1);
	pthread_join(waiting.thread, NULL);
	assert_int_equal(waiting.result, -ECANCELED);
	assert_in_range(done_of(world), 2, SOME - 2);
	assert_int_equal(rsm_manager_inventory_stop(world->manager, 0), 0);
}

static void who_interrupts_a_shared_inventory_stops_it_for_himself(void **state)
{
	static const atomic_bool cancel = true;
	struct world *world = *state;
	struct waiting waiting;

	given_running_inventory(world, &waiting, 2);
	assert_int_equal(rsm_manager_inventory_wait(world->manager, 0, true, &cancel, NULL, NULL,
						    &world->err),
			 -EINTR);
	pthread_join(waiting.thread, NULL);
	assert_done(waiting.result, &waiting.err);

	/* the last one who waits for it */
	assert_int_equal(rsm_manager_inventory_wait(world->manager, 0, true, &cancel, NULL, NULL,
						    &world->err),
			 -EINTR);
	assert_int_equal(rsm_manager_inventory_stop(world->manager, 0), 0);
}

static void one_slot_is_identified_when_asked(void **state)
{
	struct world *world = *state;
	struct rsm_medium medium;

	wait_until_home(world);
	write_tape(world, "slots/1002/A00002L8", "somebody else's backup", 22);
	assert_int_equal(medium_at(world, 1002).state, RSM_MEDIUM_AVAILABLE); /* it is believed */
	assert_done(rsm_manager_identify_slot(world->manager, 0, 1002, NULL, &medium, &world->err),
		    &world->err);
	assert_int_equal(medium.state, RSM_MEDIUM_FOREIGN);
	assert_string_equal(medium.label_type, "unknown");
	assert_int_equal(
		rsm_manager_identify_slot(world->manager, 0, 1008, NULL, &medium, &world->err),
		RSM_MEDIUM_ABSENT);
	assert_int_equal(
		rsm_manager_identify_slot(world->manager, 0, 77, NULL, &medium, &world->err),
		-ENXIO);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(a_large_library_is_usable_before_it_has_been_looked_through,
					make_many, world_free),
	cmocka_unit_test_setup_teardown(
		who_wants_a_cartridge_goes_before_the_next_slot_of_an_inventory, make_some,
		world_free),
	cmocka_unit_test_setup_teardown(
		a_full_inventory_loads_each_cartridge_once_and_can_be_stopped, make_some,
		world_free),
	cmocka_unit_test_setup_teardown(who_interrupts_a_shared_inventory_stops_it_for_himself,
					make_some, world_free),
	T(one_slot_is_identified_when_asked),
};
RSM_TEST_MAIN(tests)
