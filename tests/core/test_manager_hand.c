/* Stand-alone drives: the operator is the robot (rsm-model.md 8.6). */
#include <errno.h>
#include <pthread.h>

#include "core/hand.h"
#include "tests/core/manager_fixture.h"

static int world_alone(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 1,
		.cartridges = 3,
		.capacity_bytes = (uint64_t)1 << 30,
		.standalone = true,
	};

	return world_make(state, &shape);
}

static void in_folder(struct world *world, const char *command)
{
	char line[700];

	snprintf(line, sizeof line, "cd %s && %s", world->folder, command);
	assert_int_equal(system(line), 0);
}

static struct rsm_medium barcode_if_known(struct world *world, const char *barcode)
{
	struct rsm_medium medium = { 0 };
	int r = rsm_medium_find_barcode(rsm_manager_catalog(world->manager), barcode, &medium,
					&world->err);

	assert_true(r >= 0);
	return medium;
}

static void await(struct world *world, const char *barcode, enum rsm_location_kind location)
{
	for (int i = 0; i < 500; i++) {
		struct rsm_medium m = barcode_if_known(world, barcode);

		if (m.id && m.location == location && m.state != RSM_MEDIUM_UNKNOWN &&
		    !rsm_manager_is_identifying(world->manager))
			return;
		usleep(10000);
	}
	fail_msg("%s is at %d, not %d", barcode, (int)barcode_if_known(world, barcode).location,
		 (int)location);
}

static void put_in(struct world *world, const char *barcode)
{
	char command[256];

	snprintf(command, sizeof command, "%s/drives/256/BUSY", world->folder);
	for (int i = 0; i < 500 && access(command, F_OK) == 0; i++)
		usleep(10000);
	snprintf(command, sizeof command,
		 "for t in drives/256/*; do [ -e $t ] && mv $t shelf/; done; "
		 "mv shelf/%s drives/256/",
		 barcode);
	in_folder(world, command);
}

/* With a file on it, at rest in the drive. */
static int64_t given_written(struct world *world, int64_t pool, const char *barcode,
			     const char *name)
{
	int64_t medium;

	put_in(world, barcode);
	await(world, barcode, RSM_AT_DRIVE);
	medium = given_cartridge(world, pool, name);
	assert_int_equal(medium, barcode_if_known(world, barcode).id);
	write_file(world, medium, "file", 5000, 7);
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
	return medium;
}

struct mounting {
	struct world *world;
	int64_t medium;
	int r;
	atomic_bool done, cancel;
	struct rsm_err err;
	pthread_t thread;
};

static void *mount_it(void *argument)
{
	struct mounting *m = argument;

	m->r = rsm_manager_mount_wait(m->world->manager, &m->medium, 1, 0, 0, 0, 20000, 0,
				      &m->cancel, &m->err);
	atomic_store(&m->done, true);
	return NULL;
}

static void begin(struct mounting *m, struct world *world, int64_t medium)
{
	*m = (struct mounting){ .world = world, .medium = medium };
	assert_int_equal(pthread_create(&m->thread, NULL, mount_it, m), 0);
}

struct asked {
	int64_t medium;
	unsigned count;
	struct rsm_operator_request last;
};

static bool count_asked(void *context, const struct rsm_operator_request *request)
{
	struct asked *asked = context;

	if (request->kind != RSM_REQUEST_MOVE_MEDIA || request->medium != asked->medium)
		return true;
	asked->count++;
	asked->last = *request;
	return true;
}

static struct asked asked_for(struct world *world, int64_t medium)
{
	struct asked asked = { .medium = medium };

	assert_done(rsm_operator_request_list(rsm_manager_catalog(world->manager), true,
					      count_asked, &asked, &world->err),
		    &world->err);
	return asked;
}

static void await_asked(struct world *world, int64_t medium, unsigned count)
{
	for (int i = 0; i < 500 && asked_for(world, medium).count != count; i++)
		usleep(10000);
	assert_int_equal(asked_for(world, medium).count, count);
}

/* ---- */

static void operator_request_satisfied_by_the_cartridges_mere_arrival(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	int64_t a = given_written(world, pool, "A00001L8", "a");
	struct mounting first, second;

	(void)given_written(world, pool, "A00002L8", "b");
	await(world, "A00001L8", RSM_AT_OFFLINE);
	begin(&first, world, a);
	begin(&second, world, a);
	await_asked(world, a, 1); /* one request, however many wait */
	assert_false(atomic_load(&first.done));
	put_in(world, "A00001L8");
	pthread_join(first.thread, NULL);
	pthread_join(second.thread, NULL);
	assert_done(first.r, &first.err);
	assert_done(second.r, &second.err);
	assert_int_equal(asked_for(world, a).count, 0);
	expect_file(world, a, "file", 5000, 7);
}

static void operator_request_satisfied_falsely_is_asked_again_with_what_was_found(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	int64_t a = given_written(world, pool, "A00001L8", "a");
	struct mounting mounting;

	(void)given_written(world, pool, "A00002L8", "b");
	await(world, "A00001L8", RSM_AT_OFFLINE);
	begin(&mounting, world, a);
	await_asked(world, a, 1);
	assert_int_equal(rsm_manager_satisfy_request(world->manager, asked_for(world, a).last.id,
						     NULL, &world->err),
			 -EAGAIN);
	assert_non_null(strstr(world->err.msg, "nothing came"));
	put_in(world, "A00003L8");
	for (int i = 0; i < 500 && !strstr(asked_for(world, a).last.text, "A00003L8 came"); i++)
		usleep(10000);
	assert_non_null(strstr(asked_for(world, a).last.text, "A00003L8 came instead"));
	assert_false(atomic_load(&mounting.done));
	assert_done(rsm_manager_refuse_request(world->manager, asked_for(world, a).last.id,
					       &world->err),
		    &world->err);
	pthread_join(mounting.thread, NULL);
	assert_int_equal(mounting.r, -ECANCELED);
	assert_non_null(strstr(mounting.err.msg, "A00001L8: the operator refused to bring it"));
}

static void a_request_is_withdrawn_when_nobody_waits_any_more(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	int64_t a = given_written(world, pool, "A00001L8", "a");
	struct mounting mounting;

	put_in(world, "A00002L8");
	await(world, "A00001L8", RSM_AT_OFFLINE);
	begin(&mounting, world, a);
	await_asked(world, a, 1);
	atomic_store(&mounting.cancel, true);
	pthread_join(mounting.thread, NULL);
	assert_int_equal(mounting.r, -EINTR);
	await_asked(world, a, 0);
	assert_int_equal(rsm_manager_mount_wait(world->manager, &a, 1, RSM_MOUNT_IF_ONLINE, 0, 0,
						1000, 0, NULL, &world->err),
			 -ENOMEDIUM);
}

static void a_drive_taken_out_of_use_ends_the_wait(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	int64_t a = given_written(world, pool, "A00001L8", "a");
	int64_t library = world->manager->libraries[0].id;
	struct mounting mounting;

	put_in(world, "A00002L8");
	await(world, "A00001L8", RSM_AT_OFFLINE);
	begin(&mounting, world, a);
	await_asked(world, a, 1);
	assert_done(rsm_manager_enable_drive(world->manager, library, 256, false, &world->err),
		    &world->err);
	pthread_join(mounting.thread, NULL);
	assert_int_equal(mounting.r, -ENODEV);
	await_asked(world, a, 0);

	/* what is put in now is seen, and not touched */
	put_in(world, "A00001L8");
	await(world, "A00001L8", RSM_AT_DRIVE);
	assert_done(rsm_manager_enable_drive(world->manager, library, 256, true, &world->err),
		    &world->err);
	expect_file(world, a, "file", 5000, 7);
}

static void a_death_with_a_cartridge_in_the_drive_leaves_it_to_be_identified(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	int64_t a = given_written(world, pool, "A00001L8", "a");
	int64_t b = given_written(world, pool, "A00002L8", "b");

	write_file(world, b, "staged", 3000, 9);
	world_crash(world);
	world_start(world);
	await(world, "A00002L8", RSM_AT_DRIVE);
	expect_file(world, b, "staged", 3000, 9);
	expect_file(world, b, "file", 5000, 7);
	world_crash(world);
	put_in(world, "A00001L8"); /* while nobody looks */
	world_start(world);
	assert_int_equal(barcode_if_known(world, "A00002L8").location, RSM_AT_OFFLINE);
	assert_int_equal(barcode_if_known(world, "A00001L8").location, RSM_AT_DRIVE);
	expect_file(world, a, "file", 5000, 7);
}

/* Its memory has them no more. */
static void forget_memory(struct world *world, const char *barcode, const char *attributes)
{
	char command[512];

	snprintf(command, sizeof command,
		 "python3 -c \"p='shelf/%s/partition0.mam';d=open(p,'rb').read();o=b'';i=0\n"
		 "while i+5<=len(d):\n"
		 " n=5+d[i+3]*256+d[i+4];k=d[i]*256+d[i+1]\n"
		 " o+=b'' if k in (%s) else d[i:i+n];i+=n\n"
		 "open(p,'wb').write(o)\"",
		 barcode, attributes);
	in_folder(world, command);
}

static void who_has_no_barcode_is_known_by_its_label(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	int64_t a = given_written(world, pool, "A00001L8", "a");
	struct mounting mounting;

	put_in(world, "A00002L8");
	await(world, "A00001L8", RSM_AT_OFFLINE);
	/* neither barcode nor serial number: the volume's label is left */
	forget_memory(world, "A00001L8", "0x806,0x401");
	begin(&mounting, world, a);
	await_asked(world, a, 1);
	put_in(world, "A00001L8");
	pthread_join(mounting.thread, NULL);
	assert_done(mounting.r, &mounting.err);
	assert_int_equal(barcode_if_known(world, "A00001L8").id, a);
	expect_file(world, a, "file", 5000, 7);
}

/* Barcode and serial number are right, the label is somebody else's. */
static void another_label_under_the_right_barcode_is_asked_again(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	int64_t a = given_written(world, pool, "A00001L8", "a");
	struct mounting mounting;

	put_in(world, "A00002L8");
	await(world, "A00001L8", RSM_AT_OFFLINE);
	in_folder(world, "cp -r shelf/A00001L8 shelf/keep && rm shelf/A00001L8/*.tap && "
			 "printf '\\006\\0\\0\\0foreig\\006\\0\\0\\0' > "
			 "shelf/A00001L8/partition0.tap");
	begin(&mounting, world, a);
	await_asked(world, a, 1);
	put_in(world, "A00001L8");
	for (int i = 0; i < 500 && !strstr(asked_for(world, a).last.text, "came instead"); i++)
		usleep(10000);
	assert_non_null(strstr(asked_for(world, a).last.text, "came instead"));
	assert_false(atomic_load(&mounting.done));
	in_folder(world, "mv drives/256/A00001L8 shelf/foreign && mv shelf/keep shelf/A00001L8");
	put_in(world, "A00001L8");
	pthread_join(mounting.thread, NULL);
	assert_done(mounting.r, &mounting.err);
	expect_file(world, a, "file", 5000, 7);
}

/* A maker gave one number twice, or none: another volume, whatever the number says. */
static void a_number_that_two_have_makes_no_volume_anothers(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	int64_t a = given_written(world, pool, "A00001L8", "a");
	struct rsm_medium m;

	put_in(world, "A00002L8");
	await(world, "A00001L8", RSM_AT_OFFLINE);
	await(world, "A00002L8", RSM_AT_DRIVE);
	m = barcode_if_known(world, "A00001L8");
	{
		char command[512];

		/* as LTFS has it in labels and indexes; the numbers in its memory stay */
		snprintf(command, sizeof command,
			 "cp -r shelf/A00001L8 shelf/TWIN && sed -i "
			 "s/%s/12345678-1234-4234-8234-123456789abc/g shelf/TWIN/*.tap",
			 m.volume_uuid);
		in_folder(world, command);
		forget_memory(world, "TWIN", "0x806,");
	}
	put_in(world, "TWIN");
	for (int i = 0; i < 500; i++) {
		if (rsm_medium_find_uuid(rsm_manager_catalog(world->manager),
					 "12345678-1234-4234-8234-123456789abc", &m,
					 &world->err) == 0 &&
		    m.location == RSM_AT_DRIVE)
			break;
		usleep(10000);
	}
	assert_int_equal(m.location, RSM_AT_DRIVE);
	assert_int_not_equal(m.id, a);
	m = barcode_if_known(world, "A00001L8");
	assert_int_equal(m.id, a);
	assert_int_equal(m.location, RSM_AT_OFFLINE);
	assert_string_equal(m.health, "good");
	put_in(world, "A00001L8");
	await(world, "A00001L8", RSM_AT_DRIVE);
	expect_file(world, a, "file", 5000, 7);
}

static void what_was_ejected_is_off_line_until_it_is_put_in_again(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	int64_t a = given_written(world, pool, "A00001L8", "a");

	assert_done(rsm_manager_eject_wait(world->manager, a, false, NULL, &world->err),
		    &world->err);
	assert_int_equal(barcode_if_known(world, "A00001L8").location, RSM_AT_OFFLINE);
	usleep(600000); /* it still stands there, and stays off-line */
	assert_int_equal(barcode_if_known(world, "A00001L8").location, RSM_AT_OFFLINE);
	put_in(world, "A00001L8"); /* out and in at one stroke */
	await(world, "A00001L8", RSM_AT_DRIVE);
	expect_file(world, a, "file", 5000, 7);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_alone, world_free)
static const struct CMUnitTest tests[] = {
	T(operator_request_satisfied_by_the_cartridges_mere_arrival),
	T(operator_request_satisfied_falsely_is_asked_again_with_what_was_found),
	T(a_request_is_withdrawn_when_nobody_waits_any_more),
	T(a_drive_taken_out_of_use_ends_the_wait),
	T(a_death_with_a_cartridge_in_the_drive_leaves_it_to_be_identified),
	T(who_has_no_barcode_is_known_by_its_label),
	T(another_label_under_the_right_barcode_is_asked_again),
	T(a_number_that_two_have_makes_no_volume_anothers),
	T(what_was_ejected_is_off_line_until_it_is_put_in_again),
};
RSM_TEST_MAIN(tests)
