#include "core/mount_queue.h"

#include "tests/base/test.h"

#define SECOND ((int64_t)1000000000)
#define NOW    (1000 * SECOND)

struct table {
	struct rsm_list cartridges;
	struct rsm_cartridge c[4];
	struct rsm_medium_read read;
	struct rsm_mount_request request;
};

static int table_new(void **state)
{
	struct table *table = calloc(1, sizeof *table);

	if (!table)
		return -1;
	rsm_list_init(&table->cartridges);
	for (int i = 0; i < 4; i++) {
		struct rsm_cartridge *c = &table->c[i];

		c->id = i + 1;
		c->library = 1;
		rsm_list_init(&c->reads);
		rsm_list_init(&c->mounts);
		rsm_list_append(&table->cartridges, &c->link);
	}
	*state = table;
	return 0;
}

static int table_free(void **state)
{
	free(*state);
	return 0;
}

static void given_read(struct table *table, struct rsm_cartridge *c, int64_t since)
{
	c->syncs = 1; /* a waiter, like a read */
	c->since_ns = since;
	(void)table;
}

static struct rsm_cartridge *pick(struct table *table, uint32_t drive)
{
	int64_t next;

	return rsm_mount_queue_pick(&table->cartridges, 1, drive, NOW, &next);
}

static void an_idle_cartridge_yields_its_drive(void **state)
{
	struct table *table = *state;
	struct rsm_mount_queue_view view = { .now_ns = NOW,
					     .idle_since_ns = NOW - SECOND,
					     .dismount_delay_s = 60,
					     .drives_waiting = 1 };

	assert_true(rsm_mount_queue_leave_ns(&table->c[0], &view) <= NOW);
	view.open_files = true;
	assert_true(rsm_mount_queue_leave_ns(&table->c[0], &view) <= NOW);
	view.idle_since_ns = NOW;
	assert_true(rsm_mount_queue_leave_ns(&table->c[0], &view) > NOW);
	view.another_drive_free = true;
	assert_true(rsm_mount_queue_leave_ns(&table->c[0], &view) == RSM_NEVER_NS);
}

static void one_that_was_looked_at_waits_a_moment_for_its_taker(void **state)
{
	struct table *table = *state;
	struct rsm_mount_queue_view view = {
		.now_ns = NOW, .idle_since_ns = NOW, .dismount_delay_s = 60, .drives_waiting = 1
	};

	table->c[0].stay_until_ns = NOW + SECOND / 4;
	assert_true(rsm_mount_queue_leave_ns(&table->c[0], &view) == NOW + SECOND / 4);
	view.drives_waiting = 0; /* and not longer, although nobody needs the drive */
	assert_true(rsm_mount_queue_leave_ns(&table->c[0], &view) == NOW + SECOND / 4);
	table->c[0].leave = true;
	assert_true(rsm_mount_queue_leave_ns(&table->c[0], &view) <= NOW);
}

static void a_held_one_does_not(void **state)
{
	struct table *table = *state;
	struct rsm_mount_queue_view view = { .now_ns = NOW, .drives_waiting = 3 };

	table->c[0].held = true;
	assert_true(rsm_mount_queue_leave_ns(&table->c[0], &view) == RSM_NEVER_NS);
	assert_false(rsm_mount_queue_turn_is_over(&table->c[0], &view));
	table->c[0].leave = true;
	assert_true(rsm_mount_queue_leave_ns(&table->c[0], &view) == NOW);
}

static void a_busy_one_keeps_it_until_its_turn_is_over(void **state)
{
	struct table *table = *state;
	struct rsm_mount_queue_view view = { .now_ns = NOW, .drives_waiting = 1 };

	table->c[0].loaded_at_ns = NOW - 29 * SECOND;
	assert_false(rsm_mount_queue_turn_is_over(&table->c[0], &view));
	table->c[0].loaded_at_ns = NOW - 31 * SECOND;
	assert_true(rsm_mount_queue_turn_is_over(&table->c[0], &view));
	view.drives_waiting = 0;
	assert_false(rsm_mount_queue_turn_is_over(&table->c[0], &view));
}

static void who_came_first_is_served_first(void **state)
{
	struct table *table = *state;

	given_read(table, &table->c[0], NOW - 2 * SECOND);
	given_read(table, &table->c[1], NOW - 5 * SECOND);
	given_read(table, &table->c[2], NOW - 1 * SECOND);
	assert_ptr_equal(pick(table, 256), &table->c[1]);
}

static void priority_goes_before_arrival(void **state)
{
	struct table *table = *state;

	given_read(table, &table->c[0], NOW - 20 * SECOND);
	given_read(table, &table->c[1], NOW - 5 * SECOND);
	table->c[1].priority = 1;
	assert_ptr_equal(pick(table, 256), &table->c[1]);
}

static void each_minute_of_waiting_is_a_step_of_priority(void **state)
{
	struct table *table = *state;

	given_read(table, &table->c[0], NOW - 200 * SECOND);
	given_read(table, &table->c[1], NOW - 5 * SECOND);
	table->c[1].priority = 2;
	assert_ptr_equal(pick(table, 256), &table->c[0]);
	table->c[1].priority = 4;
	assert_ptr_equal(pick(table, 256), &table->c[1]);
}

static void readers_go_before_writing_and_writing_before_labels(void **state)
{
	struct table *table = *state;

	table->c[0].identify = true;
	table->c[1].label_at_ns = NOW - 1;
	assert_ptr_equal(pick(table, 256), &table->c[1]);
	table->c[2].migrate_at_ns = NOW - 1;
	assert_ptr_equal(pick(table, 256), &table->c[2]);
	given_read(table, &table->c[3], NOW);
	assert_ptr_equal(pick(table, 256), &table->c[3]);
}

static void a_request_for_one_drive_waits_for_it(void **state)
{
	struct table *table = *state;

	table->request.drive = 257;
	rsm_list_append(&table->c[0].mounts, &table->request.link);
	assert_null(pick(table, 256));
	assert_int_equal(rsm_mount_queue_waiting(&table->cartridges, 1, 256, NOW), 0);
	assert_int_equal(rsm_mount_queue_waiting(&table->cartridges, 1, 257, NOW), 1);
	assert_ptr_equal(pick(table, 257), &table->c[0]);
}

static void the_deferred_dismount_is_honoured(void **state)
{
	struct table *table = *state;
	struct rsm_mount_queue_view view = { .now_ns = NOW,
					     .idle_since_ns = NOW - SECOND,
					     .dismount_delay_s = 60 };

	assert_true(rsm_mount_queue_leave_ns(&table->c[0], &view) == NOW + 59 * SECOND);
	view.open_files = true;
	assert_true(rsm_mount_queue_leave_ns(&table->c[0], &view) == RSM_NEVER_NS);
}

static void nothing_due_means_never(void **state)
{
	struct table *table = *state;
	int64_t next = 0;

	assert_null(rsm_mount_queue_pick(&table->cartridges, 1, 256, NOW, &next));
	assert_true(next == RSM_NEVER_NS);
	table->c[2].migrate_at_ns = NOW + 7;
	assert_null(rsm_mount_queue_pick(&table->cartridges, 1, 256, NOW, &next));
	assert_true(next == NOW + 7);
}

static void what_cannot_be_written_is_not_fetched_for_it(void **state)
{
	struct table *table = *state;

	table->c[0].migrate_at_ns = NOW - 1;
	table->c[0].full = true;
	table->c[1].index_at_ns = table->c[1].migrate_at_ns = NOW - 1;
	table->c[1].read_only = true;
	assert_null(pick(table, 256));
	given_read(table, &table->c[1], NOW);
	assert_ptr_equal(pick(table, 256), &table->c[1]);
}

static void after_a_failure_only_requests_fetch_it_at_once(void **state)
{
	struct table *table = *state;

	table->c[0].migrate_at_ns = NOW - 1;
	table->c[0].retry_at_ns = NOW + SECOND;
	assert_null(pick(table, 256));
	rsm_list_append(&table->c[0].mounts, &table->request.link);
	assert_ptr_equal(pick(table, 256), &table->c[0]);
}

static void cartridges_elsewhere_or_in_drives_are_not_picked(void **state)
{
	struct table *table = *state;

	given_read(table, &table->c[0], NOW);
	table->c[0].state = RSM_CARTRIDGE_LOADED;
	given_read(table, &table->c[1], NOW);
	table->c[1].library = 2;
	given_read(table, &table->c[2], NOW);
	table->c[2].library = 0;
	assert_null(pick(table, 256));
}

#define T(name) cmocka_unit_test_setup_teardown(name, table_new, table_free)
static const struct CMUnitTest tests[] = {
	T(an_idle_cartridge_yields_its_drive),
	T(one_that_was_looked_at_waits_a_moment_for_its_taker),
	T(a_held_one_does_not),
	T(a_busy_one_keeps_it_until_its_turn_is_over),
	T(who_came_first_is_served_first),
	T(priority_goes_before_arrival),
	T(each_minute_of_waiting_is_a_step_of_priority),
	T(readers_go_before_writing_and_writing_before_labels),
	T(a_request_for_one_drive_waits_for_it),
	T(the_deferred_dismount_is_honoured),
	T(nothing_due_means_never),
	T(what_cannot_be_written_is_not_fetched_for_it),
	T(after_a_failure_only_requests_fetch_it_at_once),
	T(cartridges_elsewhere_or_in_drives_are_not_picked),
};
RSM_TEST_MAIN(tests)
