#include "tests/fs/control_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

static void a_read_without_a_request_is_at_the_end(void **state)
{
	struct rsmfs_control_handle *handle = given_handle(control, 0);
	struct reader reader;

	(void)state;
	reader_init(&reader);
	reader_prepare(&reader, 100);
	rsmfs_control_read(handle, &reader.read);
	reader_wait(&reader);
	assert_int_equal(reader.result, 0);
	assert_int_equal(reader.last, 0);
	rsmfs_control_release(handle);
	reader_fini(&reader);
}

static void a_request_may_come_in_pieces_and_starts_with_the_read(void **state)
{
	struct rsmfs_control_handle *handle = given_handle(control, 0);
	struct reader reader;

	(void)state;
	assert_int_equal(rsmfs_control_write(handle, "vi", 2), 2);
	assert_int_equal(rsmfs_control_write(handle, "ew\0pools", 8), 8);
	reader_init(&reader);
	reader_prepare(&reader, 12);
	rsmfs_control_read(handle, &reader.read);
	reader_wait(&reader);
	assert_string_equal(reader.text.data, "table\tpools\t");
	assert_int_equal(rsmfs_control_write(handle, "x", 1), -EBUSY);
	rsmfs_control_release(handle);
	reader_fini(&reader);
}

static void a_request_that_is_too_long_is_refused(void **state)
{
	struct rsmfs_control_handle *handle = given_handle(control, 0);
	char *much = calloc(1, RSMFS_CONTROL_REQUEST_MAX);

	(void)state;
	memset(much, 'a', RSMFS_CONTROL_REQUEST_MAX);
	assert_int_equal(rsmfs_control_write(handle, much, RSMFS_CONTROL_REQUEST_MAX),
			 RSMFS_CONTROL_REQUEST_MAX);
	assert_int_equal(rsmfs_control_write(handle, "a", 1), -EMSGSIZE);
	rsmfs_control_release(handle);
	free(much);
}

static void garbage_is_answered_by_an_error(void **state)
{
	(void)state;
	expect_failure(control, 0, "nonsense", ENOSYS);
	expect_failure(control, 0, "view --nonsense", EINVAL);
	expect_failure(control, 0, "wait x", EINVAL);
	expect_failure(control, 0, "library create /tmp/x", EINVAL);
	expect_failure(control, 0, "allocate", EINVAL);
	expect_failure(control, 0, "", EINVAL);
}

static void a_cartridge_goes_from_free_to_a_pool_and_back(void **state)
{
	(void)state;
	expect_done(control, 0, "createpool Backup");
	expect_reply(control, 0, "allocate Backup/monday", "row\tBackup/monday\t");
	expect_failure(control, 0, "allocate Backup/monday", EEXIST);
	expect_reply(control, 0, "view media Backup", "row\tBackup/monday\t");
	expect_done(control, 0, "rename Backup/monday friday");
	expect_done(control, 0, "createpool Other");
	expect_done(control, 0, "move Backup/friday Other");
	expect_failure(control, 0, "deletepool Other", ENOTEMPTY);
	expect_done(control, 0, "deallocate Other/friday");
	expect_done(control, 0, "deletepool Other");
	expect_failure(control, 0, "view media Other", ENOENT);
}

static void one_cartridge_can_be_chosen_by_its_barcode(void **state)
{
	(void)state;
	expect_done(control, 0, "createpool Backup");
	expect_reply(control, 0, "allocate --medium=A00003L8 Backup/third", "row\tBackup/third\t");
	expect_reply(control, 0, "view media A00003L8", "row\tBackup/third\tA00003L8\t");
	expect_failure(control, 0, "allocate --medium=A00003L8 Backup/fourth", EBUSY);
	expect_failure(control, 0, "allocate --medium=CLN001L1 Backup/cleaner", EINVAL);
	expect_failure(control, 0, "allocate --medium=Z Backup/none", ENOENT);
}

static void when_free_is_empty_allocate_fails_or_waits(void **state)
{
	(void)state;
	expect_done(control, 0, "createpool Backup");
	for (int i = 0; i < 4; i++)
		expect_done(control, 0, "allocate Backup");
	expect_failure(control, 0, "allocate Backup/more", ENOSPC);
	expect_failure(control, 0, "allocate --wait=1 Backup/more", ETIMEDOUT);
	expect_done(control, 0, "view requests");
}

static void who_has_no_right_is_refused(void **state)
{
	static const char *const admin_only[] = { "inventory",	    "inject",
						  "eject A00001L8", "disable A00001L8",
						  "createpool X",   "free --yes A00001L8",
						  "export x",	    "requests satisfy 1" };

	(void)state;
	for (size_t i = 0; i < sizeof admin_only / sizeof *admin_only; i++)
		expect_failure(control, 1000, admin_only[i], EACCES);
	expect_done(control, 0, "createpool --umask=63 Private"); /* 0700 */
	expect_done(control, 0, "allocate Private/secret");
	expect_failure(control, 1000, "allocate Private/mine", EACCES);
	expect_failure(control, 1000, "deallocate Private/secret", EACCES);
	expect_failure(control, 1000, "mount Private/secret", EACCES);
	expect_failure(control, 1000, "rename Private/secret known", EACCES);
	expect_failure(control, 1000, "log Private/secret", EACCES);

	char *reply = ask(control, 1000, "view media");

	assert_null(strstr(reply, "secret"));
	assert_non_null(strstr(reply, "end\t0\n"));
	free(reply);
}

static void members_of_the_admin_group_are_administrators(void **state)
{
	(void)state;
	rsmfs_control_set_admin_group(control, 1000);
	expect_done(control, 1000, "inventory");
	expect_done(control, 1000, "createpool Backup");
	expect_failure(control, 1001, "inventory", EACCES);
}

static void a_mount_holds_until_the_dismount(void **state)
{
	(void)state;
	expect_done(control, 0, "createpool Backup");
	expect_done(control, 0, "allocate Backup/monday");
	expect_done(control, 0, "mount Backup/monday");
	expect_reply(control, 0, "view drives", "\tBackup/monday\t");
	expect_done(control, 0, "dismount Backup/monday");
	expect_failure(control, 0, "dismount Backup/monday", EINVAL);
	expect_failure(control, 0, "mount Backup/monday Backup/monday", EINVAL);
	expect_failure(control, 0, "mount --drive=9 Backup/monday", ENXIO);
}

static void a_disabled_drive_takes_no_cartridge(void **state)
{
	(void)state;
	expect_done(control, 0, "createpool Backup");
	expect_done(control, 0, "allocate Backup/monday");
	expect_failure(control, 0, "disable drive 9", ENXIO);
	expect_done(control, 0, "disable drive 256");
	expect_reply(control, 0, "view drives", "row\t256\t\tLTO-8\tdisabled\t");
	expect_failure(control, 0, "mount --drive=256 Backup/monday", ENODEV);
	expect_done(control, 0, "mount Backup/monday");
	expect_reply(control, 0, "view media Backup", "\tdrive 257\t1\t");
	expect_done(control, 0, "disable library");
	expect_reply(control, 0, "view libraries", "\t0\n");
	expect_done(control, 0, "enable library");
	expect_reply(control, 0, "view drives", "row\t256\t\tLTO-8\tdisabled\t");
	expect_done(control, 0, "enable drive 256");
	expect_reply(control, 0, "view drives", "row\t256\t\tLTO-8\tempty\t");
	/* a library that was disabled may have sent it home by now */
	expect_done(control, 0, "mount Backup/monday");
	expect_done(control, 0, "dismount Backup/monday");
}

static void find_shows_to_others_only_what_ls_would(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");

	write_file(world, medium, "holiday.jpg", 10, 1);
	expect_reply(control, 1000, "find *.jpg", "row\tBackup/monday/holiday.jpg\tfile\t10\t");
	expect_reply(control, 1000, "find *.jpg Backup/monday", "holiday.jpg");

	struct rsm_medium row;

	assert_done(rsm_medium_get(rsm_manager_catalog(world->manager), medium, &row, &world->err),
		    &world->err);
	row.mode = 0700;
	assert_done(
		rsm_manager_update_medium(world->manager, &row, RSM_MEDIUM_SET_MODE, &world->err),
		&world->err);
	char *reply = ask(control, 1000, "find *.jpg");

	assert_null(strstr(reply, "holiday"));
	free(reply);
	expect_reply(control, 0, "find *.jpg", "holiday.jpg");
	expect_done(control, 0, "sync");
	expect_done(control, 0, "sync Backup");
	expect_done(control, 0, "sync Backup/monday/holiday.jpg");
}

static void every_view_can_be_seen(void **state)
{
	static const char *const views[] = { "view",	    "view libraries", "view drives",
					     "view slots",  "view media",     "view pools",
					     "view queue",  "view requests",  "queue",
					     "requests",    "events",	      "view Free",
					     "log A00001L8" };

	(void)state;
	for (size_t i = 0; i < sizeof views / sizeof *views; i++)
		expect_done(control, 1000, views[i]);
	expect_failure(control, 1000, "view nothing", ENOENT);
	expect_reply(control, 1000, "view slots",
		     "row\t1001\tslot\tfull\t1\tA00001L8\tFree/LTO-8/A0");
	expect_reply(control, 1000, "view pools", "row\tFree/LTO-8\tmedia\tLTO-8\t4\t");
	expect_reply(control, 0, "export x", "data\tSQLite format 3%00");
}

static void a_released_handle_cancels_its_request(void **state)
{
	struct rsmfs_control_handle *handle = given_handle(control, 0);
	char request[64];
	size_t length = encode("inject --timeout=600", request);

	(void)state;
	assert_int_equal(rsmfs_control_write(handle, request, length), length);
	usleep(50000);
	rsmfs_control_release(handle);
	/* control_free would wait for ten minutes otherwise */
}

static void an_interrupted_read_ends_and_the_request_goes_on(void **state)
{
	struct rsmfs_control_handle *handle = given_handle(control, 0);
	struct reader reader;
	char request[64];
	size_t length = encode("inject --timeout=600", request);

	(void)state;
	assert_int_equal(rsmfs_control_write(handle, request, length), length);
	reader_init(&reader);
	for (;;) { /* the progress line may be read first */
		reader_prepare(&reader, 4096);
		rsmfs_control_read(handle, &reader.read);
		usleep(20000);
		rsmfs_control_interrupt(handle, &reader.read);
		reader_wait(&reader);
		if (reader.result)
			break;
	}
	assert_int_equal(reader.result, -EINTR);
	reader_prepare(&reader, 4096);
	rsmfs_control_read(handle, &reader.read);
	usleep(1000);
	assert_false(reader_is_answered(&reader));
	rsmfs_control_stop(control);
	reader_wait(&reader);
	assert_int_equal(reader.result, 0);
	rsmfs_control_release(handle);
	reader_fini(&reader);
}

static void one_user_cannot_have_too_many_requests(void **state)
{
	struct rsmfs_control_handle *handles[RSMFS_CONTROL_RUNNING_USER + 1];
	char request[64];
	size_t length = encode("inject --timeout=600", request), i;

	(void)state;
	for (i = 0; i <= RSMFS_CONTROL_RUNNING_USER; i++) {
		ssize_t n;

		handles[i] = given_handle(control, 0);
		n = rsmfs_control_write(handles[i], request, length);
		if (n < 0) {
			assert_int_equal(n, -EAGAIN);
			break;
		}
	}
	assert_int_equal(i, RSMFS_CONTROL_RUNNING_USER);
	expect_done(control, 1000, "view pools"); /* others are served */
	for (size_t k = 0; k <= i; k++)
		rsmfs_control_release(handles[k]);
}

static void after_stop_nothing_is_begun(void **state)
{
	struct rsmfs_control_handle *handle = given_handle(control, 0);

	(void)state;
	rsmfs_control_stop(control);
	assert_int_equal(rsmfs_control_write(handle, "view\0", 6), -ESHUTDOWN);
	rsmfs_control_release(handle);
}

static void a_reader_of_events_gets_those_to_come(void **state)
{
	struct world *world = *state;
	struct rsmfs_events *events;
	struct reader reader;

	/* the drives are at work as well: their events come in between */
	assert_done(rsmfs_events_open(control, &events, &world->err), &world->err);
	reader_init(&reader);
	rsm_event_add(rsm_manager_catalog(world->manager), "test", "text", "hello world", NULL);
	do {
		reader_prepare(&reader, 4096);
		rsmfs_events_read(events, &reader.read);
		reader_wait(&reader);
		assert_int_equal(reader.result, 0);
	} while (!strstr(reader.text.data, " event=test text=\"hello world\"\n"));

	do {
		reader_prepare(&reader, 4096);
		rsmfs_events_read(events, &reader.read);
		rsmfs_events_interrupt(events, &reader.read);
		reader_wait(&reader);
	} while (reader.result == 0);
	assert_int_equal(reader.result, -EINTR);
	reader_prepare(&reader, 4096);
	rsmfs_events_read(events, &reader.read);
	rsmfs_events_release(events);
	reader_wait(&reader);
	assert_true(reader.result == -EINTR || reader.result == 0);
	reader_fini(&reader);
}

static void count_call(void *context)
{
	++*(int *)context;
}

/* The drives identify the library's cartridges at first; then nobody makes events but the test. */
static void when_the_drives_are_idle(struct world *world)
{
	struct rsm_catalog *catalog = rsm_manager_catalog(world->manager);
	int64_t last = -1;

	for (int quiet = 0; quiet < 20; quiet++) {
		int64_t now = rsm_event_last(catalog);

		if (now != last)
			quiet = 0;
		last = now;
		usleep(5000);
	}
}

static void a_poll_is_notified_exactly_once(void **state)
{
	struct world *world = *state;
	struct rsmfs_events *events;
	int first = 0, second = 0, third = 0;
	struct reader reader;

	when_the_drives_are_idle(world);
	assert_done(rsmfs_events_open(control, &events, &world->err), &world->err);
	assert_false(rsmfs_events_poll(events, count_call, &first));
	assert_false(rsmfs_events_poll(events, count_call, &second));
	assert_int_equal(first, 1); /* another took its place */
	rsm_event_add(rsm_manager_catalog(world->manager), "one", NULL);
	rsm_event_add(rsm_manager_catalog(world->manager), "two", NULL);
	assert_int_equal(second, 1);
	assert_true(rsmfs_events_poll(events, count_call, &third));
	reader_init(&reader);
	while (rsmfs_events_ready(events)) {
		reader_prepare(&reader, 4096);
		rsmfs_events_read(events, &reader.read);
		reader_wait(&reader);
	}
	assert_non_null(strstr(reader.text.data, "event=one\n"));
	assert_non_null(strstr(reader.text.data, "event=two\n"));
	assert_false(rsmfs_events_poll(events, count_call, &third));
	assert_int_equal(third, 0);
	rsmfs_events_release(events);
	assert_int_equal(third, 1);
	reader_fini(&reader);
}

#define A_TEST(name) cmocka_unit_test_setup_teardown(name, control_new, control_free)

static const struct CMUnitTest tests[] = {
	A_TEST(a_read_without_a_request_is_at_the_end),
	A_TEST(a_request_may_come_in_pieces_and_starts_with_the_read),
	A_TEST(a_request_that_is_too_long_is_refused),
	A_TEST(garbage_is_answered_by_an_error),
	A_TEST(a_cartridge_goes_from_free_to_a_pool_and_back),
	A_TEST(one_cartridge_can_be_chosen_by_its_barcode),
	A_TEST(when_free_is_empty_allocate_fails_or_waits),
	A_TEST(who_has_no_right_is_refused),
	A_TEST(members_of_the_admin_group_are_administrators),
	A_TEST(a_mount_holds_until_the_dismount),
	A_TEST(a_disabled_drive_takes_no_cartridge),
	A_TEST(find_shows_to_others_only_what_ls_would),
	A_TEST(every_view_can_be_seen),
	A_TEST(a_released_handle_cancels_its_request),
	A_TEST(an_interrupted_read_ends_and_the_request_goes_on),
	A_TEST(one_user_cannot_have_too_many_requests),
	A_TEST(after_stop_nothing_is_begun),
	A_TEST(a_reader_of_events_gets_those_to_come),
	A_TEST(a_poll_is_notified_exactly_once),
};

RSM_TEST_MAIN(tests)
