#include "core/event.h"

#include "core/operator_request.h"
#include "core/work_item.h"
#include "tests/core/catalog_fixture.h"

struct lines {
	int count;
	int64_t first, last;
	char text[512];
};

static bool collect(void *context, int64_t number, const char *line)
{
	struct lines *lines = context;

	if (lines->count++ == 0)
		lines->first = number;
	lines->last = number;
	snprintf(lines->text, sizeof lines->text, "%s", line);
	return true;
}

static void told(void *context, int64_t number, const char *line)
{
	collect(context, number, line);
}

static void a_line_tells_time_name_and_pairs(void **state)
{
	struct fixture *f = *state;
	struct lines lines = { 0 }, heard = { 0 };
	bool lost = true;

	rsm_event_subscribe(f->catalog, told, &heard);
	rsm_event_add(f->catalog, "move", "medium", "A00001L8", "empty", "", "none", NULL, "text",
		      "a \"b\"\\\n\x01", NULL);
	assert_done(rsm_event_list(f->catalog, 0, NULL, collect, &lines, &lost, &f->err), &f->err);

	assert_int_equal(lines.count, 1);
	assert_false(lost);
	assert_int_equal(strlen("2026-01-02T03:04:05.678Z"), strcspn(lines.text, " "));
	assert_string_equal(strchr(lines.text, ' '),
			    " event=move medium=A00001L8 text=\"a \\\"b\\\"\\\\\\n\\x01\"");
	assert_string_equal(heard.text, lines.text);
	assert_int_equal(heard.last, rsm_event_last(f->catalog));
}

static void a_listing_is_for_one_medium_and_behind_a_number(void **state)
{
	struct fixture *f = *state;
	struct lines lines = { 0 };

	rsm_event_add(f->catalog, "load", "medium", "A", NULL);
	rsm_event_add(f->catalog, "load", "medium", "B", NULL);
	rsm_event_add(f->catalog, "unload", "medium", "A", NULL);
	assert_done(rsm_event_list(f->catalog, 0, "A", collect, &lines, NULL, &f->err), &f->err);
	assert_int_equal(lines.count, 2);
	lines.count = 0;
	assert_done(rsm_event_list(f->catalog, lines.first, "A", collect, &lines, NULL, &f->err),
		    &f->err);
	assert_int_equal(lines.count, 1);
}

static void the_ring_keeps_the_last_and_tells_of_the_lost(void **state)
{
	struct fixture *f = *state;
	struct lines lines = { 0 };
	bool lost = false;

	for (int i = 0; i < 10600; i++)
		rsm_event_add(f->catalog, "e", NULL);
	assert_done(rsm_event_list(f->catalog, 0, NULL, collect, &lines, &lost, &f->err), &f->err);
	assert_true(lost);
	assert_true(lines.count >= 10000 && lines.count <= 10256);
	assert_int_equal(lines.last, 10600);
	assert_done(
		rsm_event_list(f->catalog, lines.first - 1, NULL, collect, &lines, &lost, &f->err),
		&f->err);
	assert_false(lost);
	reopen(f);
	assert_int_equal(rsm_event_last(f->catalog), 10600);
}

static bool last_request(void *context, const struct rsm_operator_request *request)
{
	*(struct rsm_operator_request *)context = *request;
	return true;
}

static void one_request_a_medium_however_many_wait(void **state)
{
	struct fixture *f = *state;
	struct rsm_operator_request request = { .kind = RSM_REQUEST_MOVE_MEDIA, .text = "bring" };
	struct rsm_operator_request seen = { 0 };
	struct lines lines = { 0 };
	int64_t one = 0, two = 0, third = 0;

	given_free_cartridges(f, 1);
	request.medium = medium_of(f, "A00001L8").id;
	assert_done(rsm_operator_request_raise(f->catalog, &request, &one, &f->err), &f->err);
	assert_done(rsm_operator_request_raise(f->catalog, &request, &two, &f->err), &f->err);
	assert_int_equal(one, two);
	assert_done(rsm_event_list(f->catalog, 0, "A00001L8", collect, &lines, NULL, &f->err),
		    &f->err);
	assert_int_equal(lines.count, 1);
	assert_non_null(strstr(lines.text, "kind=move-media"));

	assert_done(rsm_operator_request_seen(f->catalog, request.medium, &f->err), &f->err);
	assert_int_equal(rsm_operator_request_end(f->catalog, one, RSM_REQUEST_REFUSED, &f->err),
			 -EINVAL);
	assert_int_equal(rsm_operator_request_end(f->catalog, 99, RSM_REQUEST_REFUSED, &f->err),
			 -ENOENT);
	assert_done(rsm_operator_request_raise(f->catalog, &request, &third, &f->err), &f->err);
	assert_int_not_equal(third, one);
	assert_done(rsm_operator_request_withdraw_all(f->catalog, &f->err), &f->err);
	assert_done(rsm_operator_request_list(f->catalog, true, last_request, &seen, &f->err),
		    &f->err);
	assert_int_equal(seen.id, 0);
	assert_done(rsm_operator_request_list(f->catalog, false, last_request, &seen, &f->err),
		    &f->err);
	assert_int_equal(seen.id, third);
	assert_int_equal(seen.state, RSM_REQUEST_REFUSED);
}

static bool last_item(void *context, const struct rsm_work_item *item)
{
	*(struct rsm_work_item *)context = *item;
	return true;
}

static void after_a_restart_no_work_item_runs(void **state)
{
	struct fixture *f = *state;
	struct rsm_work_item item = { .kind = RSM_WORK_MOUNT, .medium = 1, .priority = -7 };
	struct rsm_work_item done = { .kind = RSM_WORK_DISMOUNT }, seen = { 0 };

	assert_done(rsm_work_item_add(f->catalog, &done, &f->err), &f->err);
	assert_done(rsm_work_item_set(f->catalog, done.id, RSM_WORK_FAILED, 256, "why", &f->err),
		    &f->err);
	assert_done(rsm_work_item_set(f->catalog, done.id, RSM_WORK_PASSED, 0, "", &f->err),
		    &f->err);
	assert_done(rsm_work_item_list(f->catalog, false, last_item, &seen, &f->err), &f->err);
	assert_int_equal(seen.state, RSM_WORK_FAILED);
	assert_string_equal(seen.text, "why");
	assert_int_equal(seen.drive, 256);

	assert_done(rsm_work_item_add(f->catalog, &item, &f->err), &f->err);
	assert_done(rsm_work_item_list(f->catalog, true, last_item, &seen, &f->err), &f->err);
	assert_int_equal(seen.id, item.id);
	assert_int_equal(seen.priority, -7);
	assert_done(rsm_work_item_cancel_all(f->catalog, &f->err), &f->err);
	assert_done(rsm_work_item_list(f->catalog, false, last_item, &seen, &f->err), &f->err);
	assert_int_equal(seen.state, RSM_WORK_CANCELLED);
	assert_int_equal(rsm_work_item_set(f->catalog, 99, RSM_WORK_PASSED, 0, "", &f->err),
			 -ENOENT);
}

int main(int argc, char **argv)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		EACH(a_line_tells_time_name_and_pairs),
		EACH(a_listing_is_for_one_medium_and_behind_a_number),
		EACH(the_ring_keeps_the_last_and_tells_of_the_lost),
		EACH(one_request_a_medium_however_many_wait),
		EACH(after_a_restart_no_work_item_runs),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
