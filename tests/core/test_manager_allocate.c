/* Allocations that wait for a cartridge, and what a person sees of them. */
#include <errno.h>
#include <pthread.h>

#include "core/manager_private.h"
#include "core/operator_request.h"
#include "core/copy.h"
#include "tests/core/manager_fixture.h"

struct waiting {
	struct world *world;
	struct rsm_allocation wanted;
	unsigned timeout_ms;
	pthread_t thread;
	atomic_bool cancel;
	int result;
	struct rsm_medium medium;
	struct rsm_err err;
};

static void *wait_for_one(void *argument)
{
	struct waiting *w = argument;

	w->result = rsm_manager_allocate_wait(w->world->manager, &w->wanted, "Backup",
					      w->timeout_ms, &w->cancel, &w->medium, &w->err);
	return NULL;
}

static void begin(struct waiting *w, struct world *world, int64_t pool, unsigned timeout_ms)
{
	*w = (struct waiting){ .world = world,
			       .wanted = { .pool = pool, .mode = 0755 },
			       .timeout_ms = timeout_ms };
	assert_int_equal(pthread_create(&w->thread, NULL, wait_for_one, w), 0);
}

static void end(struct waiting *w, bool cancel)
{
	if (cancel)
		atomic_store(&w->cancel, true);
	pthread_join(w->thread, NULL);
}

struct open_requests {
	unsigned count;
	int64_t last;
};

static bool take_request(void *context, const struct rsm_operator_request *request)
{
	struct open_requests *open = context;

	open->count++;
	open->last = request->id;
	return true;
}

static struct open_requests open_requests(struct world *world)
{
	struct open_requests open = { 0 };

	assert_done(rsm_operator_request_list(rsm_manager_catalog(world->manager), true,
					      take_request, &open, &world->err),
		    &world->err);
	return open;
}

static int64_t await_request(struct world *world, int64_t after)
{
	for (int i = 0; i < 1000; i++) {
		struct open_requests open = open_requests(world);

		if (open.last > after)
			return open.last;
		usleep(2000);
	}
	fail_msg("nobody was asked");
	return 0;
}

static void set_draws(struct world *world, int64_t id, bool draws)
{
	struct rsm_catalog *catalog = rsm_manager_catalog(world->manager);
	struct rsm_pool pool;

	assert_done(rsm_pool_get(catalog, id, &pool, &world->err), &world->err);
	pool.draw_from_free = draws;
	assert_done(rsm_pool_update(catalog, &pool, &world->err), &world->err);
}

/* A pool that no cartridge can be had from. */
static int64_t given_dry_pool(struct world *world)
{
	int64_t pool = given_pool(world, "Backup");

	set_draws(world, pool, false);
	return pool;
}

/* The first request is said to be done, and is not: the first of the two to look asks anew, and
 * goes. The other one gets a cartridge without ever having heard of that.
 */
static void no_request_stays_when_the_last_waiter_is_gone(void **state)
{
	struct world *world = *state;
	int64_t pool = given_dry_pool(world), asked = 0;

	for (unsigned round = 0; round < 2; round++) {
		struct waiting w[2];

		begin(&w[0], world, pool, 0);
		asked = await_request(world, asked);
		usleep(150000);
		begin(&w[1], world, pool, 0);
		usleep(50000);
		assert_int_equal(open_requests(world).count, 1);
		assert_done(rsm_operator_request_end(rsm_manager_catalog(world->manager), asked,
						     RSM_REQUEST_COMPLETE, &world->err),
			    &world->err);
		asked = await_request(world, asked);
		set_draws(world, pool, true);
		end(&w[round], true);
		end(&w[1 - round], false);
		assert_int_equal(w[1 - round].result, 0);
		assert_int_equal(open_requests(world).count, 0);
		set_draws(world, pool, false);
	}
}

static void whoever_comes_when_another_goes_is_not_refused(void **state)
{
	struct world *world = *state;
	int64_t pool = given_dry_pool(world);
	struct waiting w[6];

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 6; i++)
			begin(&w[i], world, pool, 20 + (i * 37 + round * 13) % 130);
		for (unsigned i = 0; i < 6; i++) {
			end(&w[i], false);
			assert_int_equal(w[i].result, -ETIMEDOUT);
		}
	}
	assert_int_equal(open_requests(world).count, 0);
}

static void two_waiters_get_two_cartridges_and_leave_nothing_open(void **state)
{
	struct world *world = *state;
	int64_t pool = given_dry_pool(world);
	struct waiting w[2];

	begin(&w[0], world, pool, 10000);
	begin(&w[1], world, pool, 10000);
	(void)await_request(world, 0);
	set_draws(world, pool, true);
	for (int i = 0; i < 2; i++) {
		end(&w[i], false);
		assert_done(w[i].result, &w[i].err);
	}
	assert_true(w[0].medium.id != w[1].medium.id);
	assert_int_equal(open_requests(world).count, 0);
}

static bool waits_for_its_label(struct world *world, int64_t medium)
{
	struct rsm_cartridge *cartridge;

	RSM_LOCK_SCOPE(&world->manager->lock);
	cartridge = rsm_cartridge_find_locked(world->manager, medium);
	return cartridge && cartridge->label_at_ns;
}

static void all_label_work_is_taken_up_however_much_it_is(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup"), media[3];
	static const char *const names[] = { "one", "two", "three" };

	for (int i = 0; i < 3; i++)
		media[i] = given_cartridge(world, pool, names[i]);
	world_crash(world);
	world->label_page = 1; /* of thousands */
	world_start(world);
	for (int i = 0; i < 3; i++)
		for (int tries = 0; tries < 500 && !waits_for_its_label(world, media[i]); tries++)
			usleep(10000);
	for (int i = 0; i < 3; i++)
		assert_true(waits_for_its_label(world, media[i]));
}

/* Who keeps copies waits, too: its request ends when it has what it asked for, and not before. */
static void a_waiter_leaves_the_request_for_a_copy_alone(void **state)
{
	struct world *world = *state;
	struct rsm_catalog *catalog = rsm_manager_catalog(world->manager);
	int64_t full = given_pool(world, "Full"), pool = given_pool(world, "Backup"), last = 0;
	struct rsm_allocation wanted = { .pool = full, .mode = 0755 };
	struct rsm_medium medium;
	struct waiting w;
	int r;

	(void)given_cartridge(world, pool, "first");
	while ((r = rsm_manager_allocate(world->manager, &wanted, &medium, &world->err)) == 0)
		last = medium.id;
	assert_int_equal(r, -ENOSPC);
	assert_done(rsm_pool_set_copies(catalog, pool, 2, &world->err), &world->err);
	(void)await_request(world, 0);

	begin(&w, world, pool, 300);
	end(&w, false);
	assert_int_equal(w.result, -ETIMEDOUT);
	assert_int_equal(open_requests(world).count, 1);

	assert_done(rsm_manager_deallocate(world->manager, last, false, &world->err), &world->err);
	for (int i = 0; i < 1000 && open_requests(world).count; i++)
		usleep(10000);
	assert_int_equal(open_requests(world).count, 0);
	assert_int_equal(rsm_manager_allocate(world->manager, &wanted, &medium, &world->err),
			 -ENOSPC);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
static const struct CMUnitTest tests[] = {
	T(no_request_stays_when_the_last_waiter_is_gone),
	T(whoever_comes_when_another_goes_is_not_refused),
	T(a_waiter_leaves_the_request_for_a_copy_alone),
	T(all_label_work_is_taken_up_however_much_it_is),
	T(two_waiters_get_two_cartridges_and_leave_nothing_open),
};
RSM_TEST_MAIN(tests)
