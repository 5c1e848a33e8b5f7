#include "core/mount_queue.h"

#include "tests/base/test.h"

#define SECOND ((int64_t)1000000000)
#define MINUTE (60 * SECOND)
#define NOW    (100000 * SECOND)

enum { CARTRIDGES = 6, DRIVES = 3 };

struct table {
	struct rsm_list cartridges;
	struct rsm_cartridge c[CARTRIDGES];
	struct rsm_queue_drive drives[DRIVES];
	struct rsm_mount_queue queue;
	struct rsm_mount_request requests[8];
	struct rsm_mount_set set, other_set;
	struct rsm_medium_read reads[4];
};

static int table_new(void **state)
{
	struct table *table = calloc(1, sizeof *table);

	if (!table)
		return -1;
	rsm_list_init(&table->cartridges);
	for (int i = 0; i < CARTRIDGES; i++) {
		struct rsm_cartridge *c = &table->c[i];

		c->id = i + 1;
		c->library = 1;
		rsm_list_init(&c->reads);
		rsm_list_init(&c->mounts);
		rsm_list_init(&c->works);
		rsm_list_append(&table->cartridges, &c->link);
	}
	for (uint32_t i = 0; i < DRIVES; i++)
		table->drives[i] = (struct rsm_queue_drive){ .library = 1,
							     .element = 256 + i,
							     .usable = i == 0 };
	table->queue = (struct rsm_mount_queue){
		.cartridges = &table->cartridges,
		.drives = table->drives,
		.drive_count = DRIVES,
		.now_ns = NOW,
		.dismount_delay_s = 60,
	};
	*state = table;
	return 0;
}

static int table_free(void **state)
{
	free(*state);
	return 0;
}

/* A library of so many drives; one is what most tests want. */
static void given_drives(struct table *table, size_t count)
{
	for (size_t i = 0; i < DRIVES; i++)
		table->drives[i].usable = i < count;
}

static void given_loaded(struct table *table, size_t drive, struct rsm_cartridge *c, bool idle,
			 int64_t idle_since)
{
	c->state = RSM_CARTRIDGE_LOADED;
	c->loaded_at_ns = idle_since;
	table->drives[drive].cartridge = c;
	table->drives[drive].idle = idle;
	table->drives[drive].idle_since_ns = table->drives[drive].used_at_ns = idle_since;
}

static struct rsm_mount_request *given_request(struct table *table, int number,
					       struct rsm_cartridge *c, int64_t since)
{
	struct rsm_mount_request *request = &table->requests[number];

	request->since_ns = since;
	request->cartridge = c;
	c->since_ns = since;
	rsm_list_append(&c->mounts, &request->link);
	return request;
}

static void given_waiter(struct rsm_cartridge *c, int64_t since)
{
	c->syncs = 1; /* like a read */
	c->since_ns = since;
}

/* requests[first] and the next one, of these two, together */
static void given_set(struct table *table, struct rsm_mount_set *set, int first,
		      struct rsm_cartridge *a, struct rsm_cartridge *b, int64_t since)
{
	*set = (struct rsm_mount_set){ .requests = &table->requests[first], .count = 2 };
	given_request(table, first, a, since)->set = set;
	given_request(table, first + 1, b, since)->set = set;
}

static struct rsm_cartridge *pick(struct table *table, size_t drive)
{
	int64_t next;

	return rsm_mount_queue_pick(&table->queue, drive, &next);
}

static int64_t leave(struct table *table, size_t drive)
{
	return rsm_mount_queue_leave_ns(&table->queue, drive);
}

/* ---- giving up a drive ---- */

static void an_idle_cartridge_yields_its_drive(void **state)
{
	struct table *table = *state;

	given_loaded(table, 0, &table->c[0], true, NOW - SECOND);
	given_waiter(&table->c[1], NOW);
	assert_true(leave(table, 0) <= NOW);
	table->drives[0].open_files = true;
	assert_true(leave(table, 0) <= NOW);
	table->drives[0].idle_since_ns = NOW;
	assert_true(leave(table, 0) > NOW && leave(table, 0) < NOW + SECOND);
	given_drives(table, 2); /* the other one is free */
	assert_true(leave(table, 0) == RSM_NEVER_NS);
}

static void an_idle_cartridge_yields_to_one_that_a_person_is_to_bring(void **state)
{
	struct table *table = *state;

	given_loaded(table, 0, &table->c[0], true, NOW - SECOND);
	given_waiter(&table->c[1], NOW);
	table->c[1].library = 0; /* off-line */
	assert_true(leave(table, 0) > NOW);
	table->c[1].hand_library = 1;
	assert_true(leave(table, 0) <= NOW);
	table->drives[0].cartridge = NULL;
	table->c[0].state = RSM_CARTRIDGE_AWAY;
	assert_null(pick(table, 0)); /* the robot has no hands */
}

static void one_that_waits_drives_out_one_the_longest_idle(void **state)
{
	struct table *table = *state;

	given_drives(table, 3);
	given_loaded(table, 0, &table->c[0], true, NOW - 2 * SECOND);
	given_loaded(table, 1, &table->c[1], true, NOW - 9 * SECOND);
	given_loaded(table, 2, &table->c[2], true, NOW - 5 * SECOND);
	given_waiter(&table->c[3], NOW);
	assert_true(leave(table, 1) <= NOW);
	assert_true(leave(table, 0) == NOW + 58 * SECOND);
	assert_true(leave(table, 2) == NOW + 55 * SECOND);
	given_waiter(&table->c[4], NOW);
	assert_true(leave(table, 2) <= NOW);
	assert_true(leave(table, 0) > NOW);
	table->c[1].state = RSM_CARTRIDGE_LEAVING; /* its drive is for the first of them */
	table->drives[1].idle = false;
	assert_true(leave(table, 2) <= NOW);
	assert_true(leave(table, 0) > NOW);
}

static void one_that_was_looked_at_waits_a_moment_for_its_taker(void **state)
{
	struct table *table = *state;

	given_loaded(table, 0, &table->c[0], true, NOW);
	given_waiter(&table->c[1], NOW);
	table->c[0].stay_until_ns = NOW + SECOND / 4;
	assert_true(leave(table, 0) == NOW + SECOND / 4);
	table->c[1].syncs = 0; /* and not longer, although nobody needs the drive */
	assert_true(leave(table, 0) == NOW + SECOND / 4);
	table->c[0].leave = true;
	assert_true(leave(table, 0) <= NOW);
}

static void a_held_one_does_not_yield(void **state)
{
	struct table *table = *state;

	given_loaded(table, 0, &table->c[0], true, NOW - MINUTE);
	given_waiter(&table->c[1], NOW - 60 * MINUTE);
	table->c[0].held = true;
	assert_true(leave(table, 0) == RSM_NEVER_NS);
	assert_false(rsm_mount_queue_turn_is_over(&table->queue, 0));
	table->c[0].leave = true;
	assert_true(leave(table, 0) == NOW);
}

static void what_nobody_waits_for_lets_a_program_go_from_file_to_file(void **state)
{
	struct table *table = *state;

	given_loaded(table, 0, &table->c[0], true, NOW - SECOND / 2);
	table->c[1].migrate_at_ns = table->c[1].since_ns = NOW - MINUTE;
	assert_true(leave(table, 0) > NOW + SECOND);
	table->drives[0].used_at_ns = NOW - 6 * SECOND;
	assert_true(leave(table, 0) <= NOW);
	table->drives[0].used_at_ns = NOW;
	table->queue.tight = true; /* writers wait for it */
	assert_true(leave(table, 0) <= NOW);
	table->queue.tight = false;
	table->c[1].since_ns = NOW - 6 * MINUTE; /* it has been put off for long enough */
	assert_true(leave(table, 0) <= NOW);
}

static void a_busy_one_keeps_it_until_its_turn_is_over(void **state)
{
	struct table *table = *state;

	given_loaded(table, 0, &table->c[0], false, NOW - 29 * SECOND);
	given_waiter(&table->c[1], NOW - SECOND);
	assert_false(rsm_mount_queue_turn_is_over(&table->queue, 0));
	table->c[0].loaded_at_ns = NOW - 31 * SECOND;
	assert_true(rsm_mount_queue_turn_is_over(&table->queue, 0));
	table->queue.exchange_ns = 20 * SECOND; /* it must be worth its exchange */
	assert_false(rsm_mount_queue_turn_is_over(&table->queue, 0));
	table->queue.exchange_ns = 0;
	table->c[1].syncs = 0;
	assert_false(rsm_mount_queue_turn_is_over(&table->queue, 0));
}

static void of_busy_ones_only_the_longest_loaded_gives_way(void **state)
{
	struct table *table = *state;

	given_drives(table, 2);
	given_loaded(table, 0, &table->c[0], false, NOW - 40 * SECOND);
	given_loaded(table, 1, &table->c[1], false, NOW - 50 * SECOND);
	given_waiter(&table->c[2], NOW - SECOND);
	assert_false(rsm_mount_queue_turn_is_over(&table->queue, 0));
	assert_true(rsm_mount_queue_turn_is_over(&table->queue, 1));
	table->drives[0].idle = true; /* then that one goes */
	assert_false(rsm_mount_queue_turn_is_over(&table->queue, 1));
}

static void a_busy_one_goes_on_while_it_weighs_more(void **state)
{
	struct table *table = *state;
	struct rsm_mount_request *reader;

	given_loaded(table, 0, &table->c[0], false, NOW - 10 * MINUTE);
	reader = given_request(table, 0, &table->c[0], NOW - SECOND);
	reader->priority = 5;
	given_waiter(&table->c[1], NOW - MINUTE);
	assert_false(rsm_mount_queue_turn_is_over(&table->queue, 0));
	table->c[1].since_ns = NOW - 6 * MINUTE;
	assert_true(rsm_mount_queue_turn_is_over(&table->queue, 0));
}

static void the_deferred_dismount_is_honoured(void **state)
{
	struct table *table = *state;

	given_loaded(table, 0, &table->c[0], true, NOW - SECOND);
	assert_true(leave(table, 0) == NOW + 59 * SECOND);
	table->drives[0].open_files = true;
	assert_true(leave(table, 0) == RSM_NEVER_NS);
}

/* ---- who is next ---- */

static void who_came_first_is_served_first(void **state)
{
	struct table *table = *state;

	given_waiter(&table->c[0], NOW - 2 * SECOND);
	given_waiter(&table->c[1], NOW - 5 * SECOND);
	given_waiter(&table->c[2], NOW - 1 * SECOND);
	assert_ptr_equal(pick(table, 0), &table->c[1]);
}

static void priority_goes_before_arrival(void **state)
{
	struct table *table = *state;

	given_request(table, 0, &table->c[0], NOW - 20 * SECOND);
	given_request(table, 1, &table->c[1], NOW - 5 * SECOND)->priority = 1;
	assert_ptr_equal(pick(table, 0), &table->c[1]);
	table->c[0].priority = 2; /* the cartridge's own */
	assert_ptr_equal(pick(table, 0), &table->c[0]);
}

static void each_minute_of_waiting_is_a_step_of_priority(void **state)
{
	struct table *table = *state;

	given_request(table, 0, &table->c[0], NOW - 200 * SECOND);
	given_request(table, 1, &table->c[1], NOW - 5 * SECOND)->priority = 2;
	assert_ptr_equal(pick(table, 0), &table->c[0]);
	table->requests[1].priority = 4;
	assert_ptr_equal(pick(table, 0), &table->c[1]);
}

static void the_lowest_priority_is_served_after_half_an_hour_at_most(void **state)
{
	struct table *table = *state;

	given_request(table, 0, &table->c[0], NOW - 31 * MINUTE)->priority = -15;
	for (int i = 1; i < 5; i++)
		given_request(table, i, &table->c[i], NOW - SECOND)->priority = 15;
	assert_ptr_equal(pick(table, 0), &table->c[0]);
}

static void those_who_want_one_cartridge_wait_together(void **state)
{
	struct table *table = *state;

	given_request(table, 0, &table->c[0], NOW - 50 * SECOND);
	for (int i = 1; i < 4; i++)
		given_request(table, i, &table->c[1], NOW - 20 * SECOND);
	assert_ptr_equal(pick(table, 0), &table->c[1]);
}

static void several_reads_of_a_file_are_one_reader(void **state)
{
	struct table *table = *state;

	given_request(table, 0, &table->c[0], NOW - 30 * SECOND);
	for (int i = 0; i < 4; i++) {
		table->reads[i].node = 7;
		table->reads[i].since_ns = NOW - 20 * SECOND;
		rsm_list_append(&table->c[1].reads, &table->reads[i].link);
	}
	assert_ptr_equal(pick(table, 0), &table->c[0]);
	table->reads[2].node = 8; /* three readers */
	assert_ptr_equal(pick(table, 0), &table->c[1]);
}

static void readers_go_before_writing_and_writing_before_labels(void **state)
{
	struct table *table = *state;

	table->c[0].identify = true;
	table->c[1].label_at_ns = NOW - 1;
	assert_ptr_equal(pick(table, 0), &table->c[1]);
	table->c[2].migrate_at_ns = NOW - 1;
	assert_ptr_equal(pick(table, 0), &table->c[2]);
	given_waiter(&table->c[3], NOW);
	assert_ptr_equal(pick(table, 0), &table->c[3]);
}

static void a_request_for_one_drive_waits_for_it(void **state)
{
	struct table *table = *state;

	given_drives(table, 2);
	given_request(table, 0, &table->c[0], NOW)->drive = 257;
	assert_null(pick(table, 0));
	assert_ptr_equal(pick(table, 1), &table->c[0]);
	given_loaded(table, 1, &table->c[1], true, NOW - SECOND);
	assert_true(leave(table, 1) <= NOW); /* although the other drive is empty */
}

static void a_drive_that_failed_a_cartridge_is_avoided_while_there_is_another(void **state)
{
	struct table *table = *state;

	given_drives(table, 2);
	given_waiter(&table->c[0], NOW);
	table->c[0].avoid = 256;
	assert_null(pick(table, 0));
	assert_ptr_equal(pick(table, 1), &table->c[0]);
	given_drives(table, 1);
	assert_ptr_equal(pick(table, 0), &table->c[0]);
}

static void nothing_due_means_never(void **state)
{
	struct table *table = *state;
	int64_t next = 0;

	assert_null(rsm_mount_queue_pick(&table->queue, 0, &next));
	assert_true(next == RSM_NEVER_NS);
	table->c[2].migrate_at_ns = NOW + 7;
	assert_null(rsm_mount_queue_pick(&table->queue, 0, &next));
	assert_true(next == NOW + 7);
}

static void what_cannot_be_written_is_not_fetched_for_it(void **state)
{
	struct table *table = *state;

	table->c[0].migrate_at_ns = NOW - 1;
	table->c[0].full = true;
	table->c[1].index_at_ns = table->c[1].migrate_at_ns = NOW - 1;
	table->c[1].read_only = true;
	assert_null(pick(table, 0));
	given_waiter(&table->c[1], NOW);
	assert_ptr_equal(pick(table, 0), &table->c[1]);
}

static void after_a_failure_only_requests_fetch_it_at_once(void **state)
{
	struct table *table = *state;

	table->c[0].migrate_at_ns = NOW - 1;
	table->c[0].retry_at_ns = NOW + SECOND;
	assert_null(pick(table, 0));
	given_request(table, 0, &table->c[0], NOW);
	assert_ptr_equal(pick(table, 0), &table->c[0]);
}

static void cartridges_elsewhere_or_in_drives_are_not_picked(void **state)
{
	struct table *table = *state;

	given_waiter(&table->c[0], NOW);
	table->c[0].state = RSM_CARTRIDGE_LOADED;
	given_waiter(&table->c[1], NOW);
	table->c[1].library = 2;
	given_waiter(&table->c[2], NOW);
	table->c[2].library = 0;
	assert_null(pick(table, 0));
}

/* ---- several together ---- */

static void a_set_waits_until_it_can_have_all_its_drives(void **state)
{
	struct table *table = *state;

	given_drives(table, 2);
	given_loaded(table, 1, &table->c[2], false, NOW); /* busy */
	given_set(table, &table->set, 0, &table->c[0], &table->c[1], NOW);
	assert_null(rsm_mount_queue_grant(&table->queue));
	assert_null(pick(table, 0)); /* with one drive free it moves neither */
	assert_false(rsm_mount_queue_fulfils(&table->requests[0], 256));
	table->drives[1].cartridge = NULL;
	table->c[2].state = RSM_CARTRIDGE_AWAY;
	assert_ptr_equal(rsm_mount_queue_grant(&table->queue), &table->set);
	assert_non_null(pick(table, 0));
	assert_true(rsm_mount_queue_fulfils(&table->requests[0], 256));
}

static void a_set_drives_out_idle_ones_at_one_time(void **state)
{
	struct table *table = *state;

	given_drives(table, 3);
	for (size_t i = 0; i < 3; i++)
		given_loaded(table, i, &table->c[i], true, NOW - (int64_t)(i + 1) * SECOND);
	given_set(table, &table->set, 0, &table->c[0], &table->c[4], NOW);
	assert_ptr_equal(rsm_mount_queue_grant(&table->queue), &table->set);
	assert_false(table->drives[0].yields); /* one of the set */
	assert_false(table->drives[1].yields);
	assert_true(table->drives[2].yields); /* idle for the longest time */
}

static void what_a_set_was_promised_nobody_else_gets(void **state)
{
	struct table *table = *state;

	given_drives(table, 2);
	given_set(table, &table->set, 0, &table->c[0], &table->c[1], NOW);
	assert_ptr_equal(rsm_mount_queue_grant(&table->queue), &table->set);
	given_request(table, 4, &table->c[2], NOW - 60 * MINUTE)->priority = 15;
	assert_ptr_equal(pick(table, 0), &table->c[0]);
	table->c[0].state = RSM_CARTRIDGE_FETCHING;
	table->drives[0].cartridge = &table->c[0];
	assert_ptr_equal(pick(table, 1), &table->c[1]);
	given_set(table, &table->other_set, 2, &table->c[3], &table->c[4], NOW - 90 * MINUTE);
	assert_null(rsm_mount_queue_grant(&table->queue)); /* nor another set */
}

static void drives_are_kept_for_a_set_that_is_first(void **state)
{
	struct table *table = *state;

	given_drives(table, 2);
	given_loaded(table, 1, &table->c[2], false, NOW);
	given_set(table, &table->set, 0, &table->c[0], &table->c[1], NOW - MINUTE);
	given_request(table, 4, &table->c[3], NOW - SECOND);
	assert_null(pick(table, 0));
	table->requests[4].priority = 2; /* this one goes before it */
	assert_ptr_equal(pick(table, 0), &table->c[3]);
	table->requests[4].priority = 0;
	table->c[2].held = true; /* then the set could wait for ever, and nobody waits for it */
	assert_ptr_equal(pick(table, 0), &table->c[3]);
}

static void a_set_ends_the_turn_of_a_busy_one(void **state)
{
	struct table *table = *state;

	given_drives(table, 2);
	given_loaded(table, 1, &table->c[2], false, NOW - MINUTE);
	given_set(table, &table->set, 0, &table->c[0], &table->c[1], NOW - SECOND);
	assert_true(rsm_mount_queue_turn_is_over(&table->queue, 1));
}

/* ---- two sides of one cartridge ---- */

static void given_sides(struct table *table)
{
	table->c[0].physical = table->c[1].physical = 7;
	table->c[1].side = 1;
	given_drives(table, 2);
}

static void an_idle_side_yields_to_the_other_whatever_drive_is_free(void **state)
{
	struct table *table = *state;

	given_sides(table);
	given_loaded(table, 0, &table->c[0], true, NOW - SECOND);
	assert_true(leave(table, 0) > NOW);
	given_request(table, 0, &table->c[1], NOW);

	assert_true(leave(table, 0) <= NOW);
	assert_null(pick(table, 1)); /* it is not at home yet */
	table->drives[0].open_files = true;
	table->drives[0].idle_since_ns = NOW;
	assert_true(leave(table, 0) > NOW && leave(table, 0) < NOW + SECOND);
	table->c[0].held = true;
	assert_true(leave(table, 0) == RSM_NEVER_NS);

	table->drives[0].cartridge = NULL;
	table->c[0].state = RSM_CARTRIDGE_AWAY;
	assert_ptr_equal(pick(table, 1), &table->c[1]);
}

static void one_drive_at_a_time_fetches_one_side(void **state)
{
	struct table *table = *state;

	given_sides(table);
	given_request(table, 0, &table->c[0], NOW - SECOND);
	given_request(table, 1, &table->c[1], NOW);
	assert_ptr_equal(pick(table, 0), &table->c[0]);
	table->c[0].state = RSM_CARTRIDGE_FETCHING;
	table->drives[0].cartridge = &table->c[0];
	assert_null(pick(table, 1));
}

static void a_busy_side_has_its_turn_before_the_other(void **state)
{
	struct table *table = *state;

	given_sides(table);
	given_loaded(table, 0, &table->c[0], false, NOW - 10 * SECOND);
	given_waiter(&table->c[0], NOW);
	given_request(table, 0, &table->c[1], NOW - 20 * SECOND);
	assert_false(rsm_mount_queue_turn_is_over(&table->queue, 0));
	table->queue.now_ns = NOW + 60 * SECOND;
	assert_true(rsm_mount_queue_turn_is_over(&table->queue, 0));
}

static void a_set_with_the_other_side_drives_it_out_and_no_more(void **state)
{
	struct table *table = *state;

	given_sides(table);
	given_drives(table, 3);
	given_loaded(table, 0, &table->c[0], true, NOW - SECOND);
	given_loaded(table, 1, &table->c[3], true, NOW - 9 * SECOND);
	given_set(table, &table->set, 0, &table->c[1], &table->c[2], NOW);
	table->drives[0].idle = false;
	assert_null(rsm_mount_queue_grant(&table->queue)); /* it is at work */
	table->drives[0].idle = true;
	assert_ptr_equal(rsm_mount_queue_grant(&table->queue), &table->set);
	assert_true(table->drives[0].yields);
	assert_false(table->drives[1].yields);
}

/* Nobody waits for a set that may never be: the drives are the others'. */
static void a_set_with_the_other_side_of_a_held_one_stops_nobody(void **state)
{
	struct table *table = *state;
	struct rsm_list work;

	given_sides(table);
	given_drives(table, 3);
	given_loaded(table, 0, &table->c[0], true, NOW - SECOND);
	given_set(table, &table->set, 0, &table->c[1], &table->c[2], NOW - MINUTE);
	given_request(table, 4, &table->c[3], NOW);
	assert_true(rsm_mount_queue_keeps(&table->queue, 1));
	table->c[0].held = true;
	assert_false(rsm_mount_queue_keeps(&table->queue, 1));
	assert_null(rsm_mount_queue_grant(&table->queue));
	assert_ptr_equal(pick(table, 1), &table->c[3]);
	table->c[0].held = false;
	rsm_list_append(&table->c[0].works, &work);
	assert_false(rsm_mount_queue_keeps(&table->queue, 1));
}

static void a_set_ends_the_turn_of_the_other_side_whichever_is_in_for_longer(void **state)
{
	struct table *table = *state;

	given_sides(table);
	given_drives(table, 3);
	given_loaded(table, 0, &table->c[0], false, NOW - MINUTE);
	given_loaded(table, 1, &table->c[3], false, NOW - 2 * MINUTE);
	given_loaded(table, 2, &table->c[4], false, NOW - 3 * MINUTE);
	given_set(table, &table->set, 0, &table->c[1], &table->c[2], NOW - SECOND);
	assert_true(rsm_mount_queue_turn_is_over(&table->queue, 0));
}

static void a_set_that_waits_for_one_that_leaves_drives_out_no_other(void **state)
{
	struct table *table = *state;

	given_sides(table);
	given_drives(table, 3);
	given_loaded(table, 0, &table->c[0], true, NOW - SECOND);
	given_loaded(table, 1, &table->c[2], false, NOW - SECOND);
	table->c[2].state = RSM_CARTRIDGE_LEAVING;
	given_set(table, &table->set, 0, &table->c[1], &table->c[2], NOW);
	assert_null(rsm_mount_queue_grant(&table->queue));
	assert_false(table->drives[0].yields);
}

/* ---- another order ---- */

static void what_was_put_first_is_next_and_what_was_put_last_ages(void **state)
{
	struct table *table = *state;
	struct rsm_err err;

	for (int i = 0; i < 3; i++)
		given_request(table, i, &table->c[i], NOW - (10 - i) * MINUTE);
	assert_int_equal(rsm_mount_queue_reorder(&table->cartridges, &table->c[2], true, NOW, &err),
			 0);
	assert_ptr_equal(pick(table, 0), &table->c[2]);
	assert_int_equal(
		rsm_mount_queue_reorder(&table->cartridges, &table->c[2], false, NOW, &err), 0);
	assert_ptr_equal(pick(table, 0), &table->c[0]);
	table->c[0].library = table->c[1].library = 2;
	given_request(table, 3, &table->c[3], NOW + 9 * MINUTE);
	table->queue.now_ns = NOW + 10 * MINUTE;
	assert_ptr_equal(pick(table, 0), &table->c[2]);
	assert_int_equal(rsm_mount_queue_reorder(&table->cartridges, &table->c[5], true, NOW, &err),
			 -ENOENT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, table_new, table_free)
static const struct CMUnitTest tests[] = {
	T(an_idle_cartridge_yields_its_drive),
	T(an_idle_cartridge_yields_to_one_that_a_person_is_to_bring),
	T(one_that_waits_drives_out_one_the_longest_idle),
	T(one_that_was_looked_at_waits_a_moment_for_its_taker),
	T(a_held_one_does_not_yield),
	T(what_nobody_waits_for_lets_a_program_go_from_file_to_file),
	T(a_busy_one_keeps_it_until_its_turn_is_over),
	T(of_busy_ones_only_the_longest_loaded_gives_way),
	T(a_busy_one_goes_on_while_it_weighs_more),
	T(the_deferred_dismount_is_honoured),
	T(who_came_first_is_served_first),
	T(priority_goes_before_arrival),
	T(each_minute_of_waiting_is_a_step_of_priority),
	T(the_lowest_priority_is_served_after_half_an_hour_at_most),
	T(those_who_want_one_cartridge_wait_together),
	T(several_reads_of_a_file_are_one_reader),
	T(readers_go_before_writing_and_writing_before_labels),
	T(a_request_for_one_drive_waits_for_it),
	T(a_drive_that_failed_a_cartridge_is_avoided_while_there_is_another),
	T(nothing_due_means_never),
	T(what_cannot_be_written_is_not_fetched_for_it),
	T(after_a_failure_only_requests_fetch_it_at_once),
	T(cartridges_elsewhere_or_in_drives_are_not_picked),
	T(a_set_waits_until_it_can_have_all_its_drives),
	T(a_set_drives_out_idle_ones_at_one_time),
	T(what_a_set_was_promised_nobody_else_gets),
	T(drives_are_kept_for_a_set_that_is_first),
	T(a_set_ends_the_turn_of_a_busy_one),
	T(an_idle_side_yields_to_the_other_whatever_drive_is_free),
	T(one_drive_at_a_time_fetches_one_side),
	T(a_busy_side_has_its_turn_before_the_other),
	T(a_set_with_the_other_side_drives_it_out_and_no_more),
	T(a_set_with_the_other_side_of_a_held_one_stops_nobody),
	T(a_set_ends_the_turn_of_the_other_side_whichever_is_in_for_longer),
	T(a_set_that_waits_for_one_that_leaves_drives_out_no_other),
	T(what_was_put_first_is_next_and_what_was_put_last_ages),
};
RSM_TEST_MAIN(tests)
