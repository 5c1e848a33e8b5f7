#include "core/operator_request.h"

#include "core/event.h"
#include "core/retention.h"
#include "core/setting.h"
#include "core/work_item.h"
#include "tests/core/catalog_fixture.h"

static int64_t given_request(struct fixture *f, struct rsm_operator_request request)
{
	int64_t id = 0;

	assert_done(rsm_operator_request_raise(f->catalog, &request, &id, &f->err), &f->err);
	return id;
}

static struct rsm_operator_request request_of(struct fixture *f, int64_t id)
{
	struct rsm_operator_request request = { 0 };

	assert_done(rsm_operator_request_get(f->catalog, id, &request, &f->err), &f->err);
	return request;
}

static bool keep_last(void *context, int64_t number, const char *line)
{
	(void)number;
	snprintf(context, 1024, "%s", line);
	return true;
}

static void assert_last_event(struct fixture *f, const char *part)
{
	char line[1024] = "";

	assert_done(rsm_event_list(f->catalog, 0, NULL, keep_last, line, NULL, &f->err), &f->err);
	if (!strstr(line, part))
		fail_msg("'%s' is not in: %s", part, line);
}

static void each_step_of_a_request_is_an_event(void **state)
{
	struct fixture *f = *state;
	int64_t id = given_request(
		f, (struct rsm_operator_request){ .kind = RSM_REQUEST_MESSAGE, .text = "tea?" });

	assert_last_event(f, "event=request request=1 kind=message state=submitted text=tea?");
	assert_done(rsm_operator_request_advance(f->catalog, id, RSM_REQUEST_ACTIVE, &f->err),
		    &f->err);
	assert_int_equal(request_of(f, id).state, RSM_REQUEST_ACTIVE);
	assert_done(rsm_operator_request_advance(f->catalog, id, RSM_REQUEST_IN_PROGRESS, &f->err),
		    &f->err);
	assert_last_event(f, "state=in-progress");
	/* never back */
	assert_done(rsm_operator_request_advance(f->catalog, id, RSM_REQUEST_ACTIVE, &f->err),
		    &f->err);
	assert_int_equal(request_of(f, id).state, RSM_REQUEST_IN_PROGRESS);
	assert_done(rsm_operator_request_end(f->catalog, id, RSM_REQUEST_REFUSED, &f->err),
		    &f->err);
	assert_last_event(f, "state=refused");
	assert_int_equal(rsm_operator_request_advance(f->catalog, id, RSM_REQUEST_ACTIVE, &f->err),
			 -EINVAL);
}

static void who_asked_is_remembered_as_long_as_the_request(void **state)
{
	struct fixture *f = *state;
	int64_t id =
		given_request(f, (struct rsm_operator_request){
					 .kind = RSM_REQUEST_MESSAGE, .text = "a", .user = 1000 });
	struct timespec later = { .tv_sec = INT32_MAX };
	char value[16];
	unsigned count = 0;

	assert_int_equal(request_of(f, id).user, 1000);
	assert_done(rsm_operator_request_end(f->catalog, id, RSM_REQUEST_COMPLETE, &f->err),
		    &f->err);
	assert_done(rsm_operator_request_purge(f->catalog, &later, &count, &f->err), &f->err);
	assert_int_equal(count, 1);
	assert_int_equal(
		rsm_setting_get(f->catalog, "request-user 1", value, sizeof value, &f->err),
		RSM_SETTING_ABSENT);
}

static void a_second_side_is_not_there_before_its_cartridge_was_put_back(void **state)
{
	struct fixture *f = *state;
	char found[RSM_REQUEST_FOUND_SIZE];
	struct rsm_operator_request bring = { .kind = RSM_REQUEST_MOVE_MEDIA, .text = "bring it" };
	bool is = true;

	given_free_cartridges(f, 1);
	assert_done(rsm_medium_add_side(f->catalog, medium_of(f, "A00001L8").id, &bring.medium,
					&f->err),
		    &f->err);
	bring = request_of(f, given_request(f, bring));
	for (int ejected = 1; ejected >= 0; ejected--) {
		assert_done(rsm_medium_set_ejected(f->catalog, bring.medium, ejected, &f->err),
			    &f->err);
		assert_done(
			rsm_operator_request_is_fulfilled(f->catalog, &bring, &is, found, &f->err),
			&f->err);
		assert_int_equal(is, !ejected);
	}
}

static void a_claim_is_checked_and_what_was_found_is_told(void **state)
{
	struct fixture *f = *state;
	char found[RSM_REQUEST_FOUND_SIZE];
	struct rsm_operator_request bring = { .kind = RSM_REQUEST_MOVE_MEDIA, .text = "bring it" };
	bool is = true;

	given_free_cartridges(f, 2);
	bring.medium = medium_of(f, "A00001L8").id;
	f->element_count = 0;
	given_slot(f, 1002, "A00002L8");
	reconcile(f);
	bring.id = given_request(f, bring);
	bring = request_of(f, bring.id);
	assert_done(rsm_operator_request_is_fulfilled(f->catalog, &bring, &is, found, &f->err),
		    &f->err);
	assert_false(is);
	assert_string_equal(found, "nothing came");
	rsm_event_add(f->catalog, "arrive", "medium", "B00001L8", NULL);
	assert_done(rsm_operator_request_is_fulfilled(f->catalog, &bring, &is, found, &f->err),
		    &f->err);
	assert_string_equal(found, "B00001L8 came instead");
	/* asked again and again: the text does not grow */
	for (int i = 0; i < 3; i++)
		assert_done(rsm_operator_request_repeat(f->catalog, bring.id, found, &f->err),
			    &f->err);
	assert_string_equal(request_of(f, bring.id).text,
			    "bring it (said to be done: B00001L8 came instead)");
	given_slot(f, 1001, "A00001L8");
	reconcile(f);
	assert_done(rsm_operator_request_is_fulfilled(f->catalog, &bring, &is, found, &f->err),
		    &f->err);
	assert_true(is);
}

static void new_media_for_a_pool_are_those_that_it_may_take(void **state)
{
	struct fixture *f = *state;
	char found[RSM_REQUEST_FOUND_SIZE];
	struct rsm_operator_request wanted = { .kind = RSM_REQUEST_NEW_MEDIA, .text = "one more" };
	struct rsm_pool pool = given_pool(f, "Backup");
	bool is = true;

	wanted.pool = pool.id;
	assert_done(rsm_operator_request_is_fulfilled(f->catalog, &wanted, &is, found, &f->err),
		    &f->err);
	assert_false(is);
	given_free_cartridges(f, 1);
	assert_done(rsm_operator_request_is_fulfilled(f->catalog, &wanted, &is, found, &f->err),
		    &f->err);
	assert_true(is);
	pool.draw_from_free = false;
	assert_done(rsm_pool_update(f->catalog, &pool, &f->err), &f->err);
	assert_done(rsm_operator_request_is_fulfilled(f->catalog, &wanted, &is, found, &f->err),
		    &f->err);
	assert_false(is);
}

static bool count_item(void *context, const struct rsm_work_item *item)
{
	(void)item;
	++*(int *)context;
	return true;
}

static int items(struct fixture *f)
{
	int count = 0;

	assert_done(rsm_work_item_list(f->catalog, false, count_item, &count, &f->err), &f->err);
	return count;
}

static void what_ended_is_kept_as_long_as_was_set(void **state)
{
	struct fixture *f = *state;
	struct rsm_work_item passed = { .kind = RSM_WORK_MOUNT, .state = RSM_WORK_PASSED };
	struct rsm_work_item failed = { .kind = RSM_WORK_CLEAN, .state = RSM_WORK_FAILED };
	struct rsm_work_item open = { .kind = RSM_WORK_EJECT, .state = RSM_WORK_WAITING };
	int64_t days = 0;

	assert_done(rsm_retention_get(f->catalog, RSM_KEEP_FAILED_ITEMS, &days, &f->err), &f->err);
	assert_int_equal(days, 90);
	assert_done(rsm_work_item_add(f->catalog, &passed, &f->err), &f->err);
	assert_done(rsm_work_item_add(f->catalog, &failed, &f->err), &f->err);
	assert_done(rsm_work_item_add(f->catalog, &open, &f->err), &f->err);
	assert_done(rsm_retention_purge(f->catalog, &f->err), &f->err);
	assert_int_equal(items(f), 3);
	assert_done(rsm_retention_set(f->catalog, RSM_KEEP_ITEMS, 0, &f->err), &f->err);
	assert_done(rsm_retention_purge(f->catalog, &f->err), &f->err);
	assert_int_equal(items(f), 2);
	assert_done(
		rsm_retention_set(f->catalog, RSM_KEEP_FAILED_ITEMS, RSM_KEEP_FOR_EVER, &f->err),
		&f->err);
	assert_done(rsm_retention_purge(f->catalog, &f->err), &f->err);
	assert_int_equal(items(f), 2);
	assert_done(rsm_retention_set(f->catalog, RSM_KEEP_FAILED_ITEMS, 0, &f->err), &f->err);
	assert_done(rsm_retention_purge(f->catalog, &f->err), &f->err);
	assert_int_equal(items(f), 1);
	assert_int_equal(rsm_retention_set(f->catalog, RSM_KEEP_ITEMS, -2, &f->err), -ERANGE);
	reopen(f);
	assert_done(rsm_retention_get(f->catalog, RSM_KEEP_ITEMS, &days, &f->err), &f->err);
	assert_int_equal(days, 0);
}

static void a_setting_that_makes_no_sense_purges_nothing(void **state)
{
	struct fixture *f = *state;
	int64_t days = 0;

	assert_done(rsm_setting_set(f->catalog, "keep_items", "-7 nonsense", &f->err), &f->err);
	assert_done(rsm_retention_get(f->catalog, RSM_KEEP_ITEMS, &days, &f->err), &f->err);
	assert_int_equal(days, RSM_KEEP_FOR_EVER);
}

static void a_description_goes_with_its_logical_medium(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	char text[RSM_DESCRIPTION_SIZE], longest[128];
	struct rsm_medium medium;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, pool.id, "monday");
	assert_done(rsm_description_set(f->catalog, "logical", medium.lmid, "of Mondays", &f->err),
		    &f->err);
	assert_done(rsm_description_set(f->catalog, "medium", medium.guid, "worn", &f->err),
		    &f->err);
	assert_done(rsm_retention_purge(f->catalog, &f->err), &f->err);
	assert_done(rsm_description_get(f->catalog, "logical", medium.lmid, text, &f->err),
		    &f->err);
	assert_string_equal(text, "of Mondays");
	char lmid[RSM_GUID_SIZE];

	memcpy(lmid, medium.lmid, sizeof lmid);
	assert_done(rsm_deallocate(f->catalog, medium.id, false, &medium, &f->err), &f->err);
	assert_done(rsm_retention_purge(f->catalog, &f->err), &f->err);
	assert_done(rsm_description_get(f->catalog, "logical", lmid, text, &f->err), &f->err);
	assert_string_equal(text, "");
	assert_done(rsm_description_get(f->catalog, "medium", medium.guid, text, &f->err), &f->err);
	assert_string_equal(text, "worn");
	memset(longest, 'x', 127);
	longest[127] = '\0';
	assert_int_equal(rsm_description_set(f->catalog, "medium", medium.guid, longest, &f->err),
			 -ENAMETOOLONG);
	assert_int_equal(rsm_description_set(f->catalog, "medium", medium.guid, "a\nb", &f->err),
			 -EINVAL);
}

#define A_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	A_TEST(each_step_of_a_request_is_an_event),
	A_TEST(who_asked_is_remembered_as_long_as_the_request),
	A_TEST(a_second_side_is_not_there_before_its_cartridge_was_put_back),
	A_TEST(a_claim_is_checked_and_what_was_found_is_told),
	A_TEST(new_media_for_a_pool_are_those_that_it_may_take),
	A_TEST(what_ended_is_kept_as_long_as_was_set),
	A_TEST(a_setting_that_makes_no_sense_purges_nothing),
	A_TEST(a_description_goes_with_its_logical_medium),
};

RSM_TEST_MAIN(tests)
