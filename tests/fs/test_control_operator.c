#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fs/control_fixture.h"

/* Puts a cartridge into slot 1001's place on the shelf, or back. */
static void move_folder(struct world *world, const char *from, const char *to)
{
	char source[128], target[128];

	snprintf(source, sizeof source, "%s/%s", world->folder, from);
	snprintf(target, sizeof target, "%s/%s", world->folder, to);
	assert_int_equal(rename(source, target), 0);
}

static int64_t raise_move(struct world *world, const char *barcode)
{
	struct rsm_catalog *catalog = rsm_manager_catalog(world->manager);
	struct rsm_operator_request request = { .kind = RSM_REQUEST_MOVE_MEDIA, .text = "bring" };
	struct rsm_medium medium;
	int64_t id = 0;

	assert_done(rsm_medium_find_barcode(catalog, barcode, &medium, &world->err), &world->err);
	request.medium = medium.id;
	assert_done(rsm_operator_request_raise(catalog, &request, &id, &world->err), &world->err);
	return id;
}

static void anybody_asks_and_is_answered(void **state)
{
	(void)state;
	expect_reply(control, 1000, "requests ask turn_the_light_on", "row\t1\n");
	expect_reply(control, 1000, "view requests", "message\tsubmitted\t");
	expect_failure(control, 1000, "requests --timeout=1 wait 1", ETIMEDOUT);
	expect_failure(control, 1000, "requests satisfy 1", EACCES);
	expect_failure(control, 1001, "requests refuse 1", EACCES);
	expect_done(control, 0, "view requests");
	expect_reply(control, 0, "view requests", "message\tactive\t");
	expect_reply(control, 0, "requests accept 1", "row\t1\tin-progress\n");
	expect_reply(control, 0, "requests satisfy 1", "row\t1\tcomplete\n");
	expect_done(control, 1000, "requests wait 1");
	expect_failure(control, 0, "requests satisfy 1", EINVAL);
}

static void ones_own_question_can_be_taken_back(void **state)
{
	(void)state;
	expect_reply(control, 1000, "requests ask never_mind", "row\t1\n");
	expect_reply(control, 1000, "requests refuse 1", "row\t1\trefused\n");
	expect_failure(control, 1000, "requests wait 1", ECANCELED);
	expect_reply(control, 1000, "requests --all", "never_mind");
	expect_failure(control, 1000, "requests purge", EACCES);
	expect_reply(control, 0, "requests purge", "row\t1\n");
	expect_failure(control, 1000, "requests wait 1", ENOENT);
}

static void one_user_cannot_flood_the_operator(void **state)
{
	char words[64];

	(void)state;
	for (int i = 0; i < 64; i++) {
		snprintf(words, sizeof words, "requests ask question-%d", i);
		expect_done(control, 1000, words);
	}
	expect_failure(control, 1000, "requests ask one-more", EDQUOT);
	expect_done(control, 1001, "requests ask one-more");
}

/* rsm-model.md 20, 14 */
static void satisfied_falsely_it_is_asked_again_with_what_was_found(void **state)
{
	struct world *world = *state;
	char words[64];
	int64_t id;

	move_folder(world, "slots/1001/A00001L8", "shelf/A00001L8");
	expect_done(control, 0, "inventory");
	id = raise_move(world, "A00001L8");
	snprintf(words, sizeof words, "requests satisfy %lld", (long long)id);
	expect_failure(control, 0, words, EAGAIN);
	expect_reply(control, 0, "view requests", "said to be done: nothing came");

	/* its mere arrival is enough */
	move_folder(world, "shelf/A00001L8", "slots/1001/A00001L8");
	expect_done(control, 0, words);
	expect_reply(control, 0, "requests --all", "move-media\tcomplete\tA00001L8");
}

static void when_the_operator_refuses_the_waiting_call_fails(void **state)
{
	struct world *world = *state;
	char words[64];
	int64_t id;

	move_folder(world, "slots/1001/A00001L8", "shelf/A00001L8");
	expect_done(control, 0, "inventory");
	id = raise_move(world, "A00001L8");
	snprintf(words, sizeof words, "requests refuse %lld", (long long)id);
	expect_done(control, 0, words);
	expect_reply(control, 0, "requests --all", "move-media\trefused\tA00001L8");
}

static void only_what_has_ended_is_purged(void **state)
{
	struct world *world = *state;
	struct rsm_work_item passed = { .kind = RSM_WORK_RESERVE_CLEANER,
					.state = RSM_WORK_PASSED };
	struct rsm_work_item open = { .kind = RSM_WORK_DOOR, .state = RSM_WORK_WAITING };
	struct rsm_catalog *catalog = rsm_manager_catalog(world->manager);

	assert_done(rsm_work_item_add(catalog, &passed, &world->err), &world->err);
	assert_done(rsm_work_item_add(catalog, &open, &world->err), &world->err);
	expect_reply(control, 0, "view --all queue", "reserve-cleaner\tpassed\t");
	expect_failure(control, 1000, "queue purge", EACCES);
	expect_done(control, 0, "queue purge");

	char *reply = ask(control, 0, "queue --all");

	assert_null(strstr(reply, "reserve-cleaner"));
	assert_non_null(strstr(reply, "door\twaiting\t"));
	free(reply);
}

static void what_a_library_was_told_to_do_is_in_its_history(void **state)
{
	(void)state;
	expect_done(control, 0, "createpool Backup");
	expect_done(control, 0, "allocate --medium=A00002L8 Backup/monday");
	expect_done(control, 0, "inventory");
	expect_done(control, 0, "mount Backup/monday");
	expect_done(control, 0, "dismount Backup/monday");
	expect_failure(control, 0, "dismount Backup/monday", EINVAL);
	expect_done(control, 0, "disable drive 257");
	expect_done(control, 0, "enable drive:257");
	expect_done(control, 0, "disable A00003L8");
	expect_failure(control, 1000, "enable A00003L8", EACCES);
	expect_reply(control, 0, "queue --all", "\tinventory\tpassed\t");
	expect_reply(control, 0, "queue --all", "\tdismount\tpassed\tA00002L8\t");
	expect_reply(control, 0, "queue --all", "\tdismount\tinvalid\tA00002L8\t");
	expect_reply(control, 0, "queue --all", "\tdisable-drive\tpassed\t");
	expect_reply(control, 0, "queue --all", "\tenable-drive\tpassed\t");
	expect_reply(control, 0, "queue --all", "\tdisable-medium\tpassed\tA00003L8\t");

	char *reply = ask(control, 0, "queue --all");

	assert_null(strstr(reply, "enable-medium"));
	free(reply);
	reply = ask(control, 0, "queue");
	assert_null(strstr(reply, "inventory"));
	free(reply);
}

static void what_is_changed_is_an_event(void **state)
{
	static const char *const lines[] = {
		"event=createpool pool=A",
		"event=renamepool pool=B from=A",
		"event=setpool pool=B",
		"event=deletepool pool=B",
		"event=disable drive=\"drive 256\"",
		"event=enable drive=\"drive 256\"",
		"event=disable medium=A00001L8",
		"event=disable library=1",
	};

	(void)state;
	expect_done(control, 0, "createpool A");
	expect_done(control, 0, "rename A B");
	expect_done(control, 0, "set B limit=3");
	expect_done(control, 0, "deletepool B");
	expect_done(control, 0, "disable drive 256");
	expect_done(control, 0, "set drive:256 enabled=1");
	expect_done(control, 0, "disable A00001L8");
	expect_done(control, 0, "disable library");
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		expect_reply(control, 0, "events", lines[i]);
	expect_reply(control, 0, "events createpool", "event=createpool");
	expect_failure(control, 0, "rename Nothing X", ENOENT);
}

#define A_TEST(name) cmocka_unit_test_setup_teardown(name, control_new, control_free)

static const struct CMUnitTest tests[] = {
	A_TEST(anybody_asks_and_is_answered),
	A_TEST(ones_own_question_can_be_taken_back),
	A_TEST(one_user_cannot_flood_the_operator),
	A_TEST(satisfied_falsely_it_is_asked_again_with_what_was_found),
	A_TEST(when_the_operator_refuses_the_waiting_call_fails),
	A_TEST(only_what_has_ended_is_purged),
	A_TEST(what_a_library_was_told_to_do_is_in_its_history),
	A_TEST(what_is_changed_is_an_event),
};

RSM_TEST_MAIN(tests)
