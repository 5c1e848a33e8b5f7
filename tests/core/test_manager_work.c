/* What the workers do with a cartridge: writing, failing, going home, and who is told. */
#include <errno.h>
#include <pthread.h>

#include "changer/emulator/emulator.h"
#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

enum { READ_6 = 0x08, WRITE_6 = 0x0A };

static void inject_later(struct world *world, uint16_t opcode, unsigned skip, unsigned times,
			 uint8_t key, uint8_t asc)
{
	const struct rsm_emulator_fault fault = {
		.opcode = opcode, .skip = skip, .times = times, .key = key, .asc = asc
	};

	assert_done(rsm_emulator_inject(world->manager->libraries[0].hardware->emulator, &fault,
					&world->err),
		    &world->err);
}

static void inject(struct world *world, uint16_t opcode, unsigned times, uint8_t key, uint8_t asc)
{
	inject_later(world, opcode, 0, times, key, asc);
}

static void sync_medium(struct world *world, int64_t medium)
{
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
}

static void mount(struct world *world, int64_t medium)
{
	assert_done(rsm_manager_mount_wait(world->manager, &medium, 1, RSM_MOUNT_HOLD, 0, 0, 10000,
					   0, NULL, &world->err),
		    &world->err);
}

static void a_failed_write_keeps_the_data_and_names_the_place(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	int r;

	sync_medium(world, medium);
	inject(world, WRITE_6, 1000, 0x03, 0x0C);
	write_file(world, medium, "file", 1 << 20, 5);
	r = rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err);
	assert_true(r < 0);
	if (!strstr(world->err.msg, "A0000") || !strstr(world->err.msg, "drive 25") ||
	    !strstr(world->err.msg, "slot 10"))
		fail_msg("%s", world->err.msg);
	assert_int_equal(use_of(world, medium).staged_files, 1);
	expect_file(world, medium, "file", 1 << 20, 5);
}

static void a_write_that_failed_once_is_tried_again(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");

	sync_medium(world, medium);
	inject(world, WRITE_6, 1, 0x03, 0x0C);
	write_file(world, medium, "file", 3 << 20, 5);
	if (rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err) < 0)
		sync_medium(world, medium);
	assert_int_equal(use_of(world, medium).staged_files, 0);
	expect_file(world, medium, "file", 3 << 20, 5);
}

/* Without anybody asking, after the first pause. */
static void an_index_that_failed_is_written_later(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	struct rsm_cartridge *cartridge;
	int64_t due;

	sync_medium(world, medium);
	if (use_of(world, medium).mounted)
		dismount(world, medium);
	inject_later(world, WRITE_6, 1, 1, 0x03, 0x0C); /* the data are written, the index not */
	write_file(world, medium, "file", 1000, 5);
	for (int i = 0;
	     i < 500 && (use_of(world, medium).staged_files || use_of(world, medium).drive); i++)
		usleep(10000);
	assert_int_equal(use_of(world, medium).staged_files, 0);
	assert_done(rsm_cartridge_ref(world->manager, medium, &cartridge, &world->err),
		    &world->err);
	rsm_mutex_lock(&world->manager->lock);
	due = rsm_mount_queue_due_ns(cartridge, rsm_manager_now(world->manager));
	rsm_mutex_unlock(&world->manager->lock);
	rsm_cartridge_unref(cartridge);
	assert_true(due != RSM_NEVER_NS);
	expect_file(world, medium, "file", 1000, 5);
	sync_medium(world, medium);
	expect_file(world, medium, "file", 1000, 5);
}

static void a_dismount_is_refused_while_somebody_writes(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	struct rsm_node node = { .kind = RSM_NODE_FILE, .mode = 0644, .flags = RSM_NODE_HAS_UNIX };
	struct rsm_content *content;
	struct rsm_open_file *file;

	mount(world, medium);
	assert_done(rsm_manager_content(world->manager, medium, &content, &world->err),
		    &world->err);
	assert_done(rsm_content_create(content, RSM_NODE_ROOT, "file", &node, O_RDWR, &file,
				       &world->err),
		    &world->err);
	assert_int_equal(
		rsm_manager_dismount_wait(world->manager, medium, false, NULL, &world->err),
		-EBUSY);
	assert_int_equal(rsm_manager_deallocate(world->manager, medium, true, &world->err), -EBUSY);
	rsm_content_release(file);
	rsm_manager_content_unref(world->manager, content);
	dismount(world, medium);
	assert_int_equal(
		rsm_manager_dismount_wait(world->manager, medium, false, NULL, &world->err),
		-EINVAL);
}

static void a_cartridge_is_deallocated_while_it_is_loaded_and_used_anew(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	int r = 0;

	for (unsigned round = 0; round < 12; round++) {
		int64_t medium = given_cartridge(world, pool, "monday");

		write_file(world, medium, "file", 2000, round);
		if (round % 3 == 0)
			sync_medium(world, medium);
		if (round % 3 == 1) { /* its label is being written just now */
			rsm_manager_want_label(world->manager, medium, 0);
			usleep(round * 700);
		}
		expect_file(world, medium, "file", 2000, round);
		for (int i = 0; i < 1000; i++) { /* the last read may be ending just now */
			r = rsm_manager_deallocate(world->manager, medium, true, &world->err);
			if (r != -EBUSY)
				break;
			usleep(1000);
		}
		assert_done(r, &world->err);
	}
	for (int i = 0; i < 4; i++) {
		char name[16];
		int64_t medium;

		snprintf(name, sizeof name, "c%d", i);
		medium = given_cartridge(world, pool, name);
		write_file(world, medium, "new", 3000, (unsigned)i);
		sync_medium(world, medium);
		expect_file(world, medium, "new", 3000, (unsigned)i);
	}
}

static void label_work_is_done_although_the_cartridge_is_loaded(void **state)
{
	struct world *world = *state;
	struct rsm_allocation allocation = { .name = "monday", .mode = 0755 };
	struct rsm_medium medium;

	allocation.pool = given_pool(world, "Backup");
	assert_done(rsm_medium_find_barcode(rsm_manager_catalog(world->manager), "A00002L8",
					    &medium, &world->err),
		    &world->err);
	mount(world, medium.id); /* a free one lies in a drive */
	allocation.medium = medium.id;
	assert_done(rsm_manager_allocate(world->manager, &allocation, &medium, &world->err),
		    &world->err);
	write_file(world, medium.id, "file", 1000, 1);
	rsm_manager_want_label(world->manager, medium.id, 0);
	for (int i = 0; i < 500; i++) {
		assert_done(rsm_medium_get(rsm_manager_catalog(world->manager), medium.id, &medium,
					   &world->err),
			    &world->err);
		if (medium.label_work == RSM_LABEL_NONE &&
		    use_of(world, medium.id).staged_files == 0)
			break;
		usleep(10000);
	}
	assert_int_equal(medium.label_work, RSM_LABEL_NONE);
	assert_int_equal(use_of(world, medium.id).staged_files, 0);

	/* a new name is written while it lies there as well */
	assert_done(rsm_manager_move(world->manager, medium.id, medium.pool, "friday", &world->err),
		    &world->err);
	rsm_manager_want_label(world->manager, medium.id, 0);
	for (int i = 0; i < 500 && medium.label_work == RSM_LABEL_NONE; i++)
		assert_done(rsm_medium_get(rsm_manager_catalog(world->manager), medium.id, &medium,
					   &world->err),
			    &world->err);
	sync_medium(world, medium.id);
	assert_done(rsm_medium_get(rsm_manager_catalog(world->manager), medium.id, &medium,
				   &world->err),
		    &world->err);
	assert_int_equal(medium.label_work, RSM_LABEL_NONE);
	expect_file(world, medium.id, "file", 1000, 1);
}

static void names_pools_and_states_are_found_again_without_the_catalogue(void **state)
{
	struct world *world = *state;
	int64_t backup = given_pool(world, "Backup"), archive = given_pool(world, "Archive");
	int64_t one = given_cartridge(world, backup, "one"),
		two = given_cartridge(world, backup, "two");
	struct rsm_medium before[2], found;
	struct rsm_pool pool;

	write_file(world, one, "file", 100, 1);
	write_file(world, two, "file", 100, 2);
	sync_medium(world, 0);
	assert_done(rsm_manager_move(world->manager, one, archive, "uno", &world->err),
		    &world->err);
	assert_done(rsm_manager_complete(world->manager, two, &world->err), &world->err);
	sync_medium(world, 0);
	assert_done(
		rsm_medium_get(rsm_manager_catalog(world->manager), one, &before[0], &world->err),
		&world->err);
	assert_done(
		rsm_medium_get(rsm_manager_catalog(world->manager), two, &before[1], &world->err),
		&world->err);
	world_stop(world);
	lose_state(world, "catalog");
	world_start(world);

	assert_done(rsm_pool_find_path(rsm_manager_catalog(world->manager), "Archive", &pool,
				       &world->err),
		    &world->err);
	assert_done(rsm_medium_find(rsm_manager_catalog(world->manager), pool.id, "uno", &found,
				    &world->err),
		    &world->err);
	assert_string_equal(found.lmid, before[0].lmid);
	expect_file(world, found.id, "file", 100, 1);
	assert_done(rsm_pool_find_path(rsm_manager_catalog(world->manager), "Backup", &pool,
				       &world->err),
		    &world->err);
	assert_done(rsm_medium_find(rsm_manager_catalog(world->manager), pool.id, "two", &found,
				    &world->err),
		    &world->err);
	assert_string_equal(found.lmid, before[1].lmid);
	assert_int_equal(found.state, RSM_MEDIUM_COMPLETE);
	expect_file(world, found.id, "file", 100, 2);
	assert_int_equal(try_write(world->manager, found.id, "new", 10, 1, &world->err), -EROFS);
}

/* A reader whose cartridge cannot be had, because others hold both drives, is let go at once. */
static void a_read_that_waits_for_a_drive_can_be_interrupted(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup"), media[3];
	static const char *const names[] = { "a", "b", "c" };
	struct rsm_content *content;
	struct rsm_open_file *file;
	struct rsm_node node;
	char data[101];
	struct read_wait wait = { .data = data };
	bool keep;

	for (int i = 0; i < 3; i++) {
		media[i] = given_cartridge(world, pool, names[i]);
		write_file(world, media[i], "file", 100, 1);
	}
	sync_medium(world, 0);
	if (use_of(world, media[2]).mounted)
		dismount(world, media[2]);
	assert_done(rsm_manager_mount_wait(world->manager, media, 2, RSM_MOUNT_HOLD, 0, 0, 10000, 0,
					   NULL, &world->err),
		    &world->err);
	assert_done(rsm_manager_content(world->manager, media[2], &content, &world->err),
		    &world->err);
	assert_done(rsm_content_lookup(content, RSM_NODE_ROOT, "file", &node, &world->err),
		    &world->err);
	assert_done(rsm_content_open(content, node.id, O_RDONLY, &file, &keep, &world->err),
		    &world->err);
	wait.request =
		(struct rsm_content_read){ .size = 100, .done = read_done, .context = &wait };
	rsm_content_read_file(file, &wait.request);
	usleep(100000);
	assert_false(atomic_load(&wait.ended));
	rsm_content_interrupt(file, &wait.request);
	for (int i = 0; i < 1000 && !atomic_load(&wait.ended); i++)
		usleep(1000);
	assert_true(atomic_load(&wait.ended));
	assert_int_equal(wait.result, -EINTR);
	assert_int_equal(rsm_manager_mount_wait(world->manager, &media[2], 1, 0, 0, 0, 200, 0, NULL,
						&world->err),
			 -ETIMEDOUT);
	assert_int_equal(rsm_manager_mount_wait(world->manager, &media[2], 1, 0, 999, 0, 200, 0,
						NULL, &world->err),
			 -ENODEV);
	rsm_content_release(file);
	rsm_manager_content_unref(world->manager, content);
}

static int world_tight(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 1,
		.slots = 3,
		.ports = 1,
		.cartridges = 2,
		.capacity_bytes = (uint64_t)64 << 20,
		.no_cleaner = true,
	};

	return world_make(state, &shape);
}

static void what_does_not_fit_stays_staged_and_readable(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	unsigned count = 0;
	int r = 0;

	sync_medium(world, medium);
	/* more than it holds is accepted only before anybody knows better */
	while (r == 0 && count < 40) {
		char name[16];

		snprintf(name, sizeof name, "f%u", count);
		r = try_write(world->manager, medium, name, 4 << 20, count, &world->err);
		if (r == 0)
			count++;
	}
	assert_int_equal(r, -ENOSPC);
	assert_true(count >= 10);
	r = rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err);
	if (r < 0)
		assert_int_equal(r, -ENOSPC);
	if (use_of(world, medium).mounted)
		dismount(world, medium);
	world_stop(world);
	world_start(world);
	for (unsigned i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%u", i);
		expect_file(world, medium, name, 4 << 20, i);
	}
}

static void what_a_hurried_stop_leaves_the_next_start_writes(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup"), media[4];
	static const char *const names[] = { "a", "b", "c", "d" };

	for (int i = 0; i < 4; i++)
		media[i] = given_cartridge(world, pool, names[i]);
	for (unsigned round = 0; round < 6; round++) {
		char name[16];

		snprintf(name, sizeof name, "f%u", round);
		for (int i = 0; i < 4; i++)
			write_file(world, media[i], name, 300000 + round, round + (unsigned)i);
		usleep(round * 20000);
		if (round % 2)
			world_crash(world);
		else
			world_stop(world);
		world_start(world);
	}
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 2000 && use_of(world, media[i]).staged_files; k++)
			usleep(5000);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(use_of(world, media[i]).staged_files, 0);
		for (unsigned round = 0; round < 6; round++) {
			char name[16];

			snprintf(name, sizeof name, "f%u", round);
			expect_file(world, media[i], name, 300000 + round, round + (unsigned)i);
		}
	}
}

static void a_sync_of_what_is_clean_moves_nothing(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	struct rsm_content *content;

	write_file(world, medium, "file", 100, 1);
	sync_medium(world, medium);
	dismount(world, medium);
	assert_done(rsm_manager_content(world->manager, medium, &content, &world->err),
		    &world->err);
	for (int i = 0; i < 20; i++)
		sync_medium(world, medium);
	usleep(50000);
	assert_false(use_of(world, medium).mounted);
	rsm_manager_content_unref(world->manager, content);
}

static void a_medium_error_is_told_and_remembered(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	char place[256];

	write_file(world, medium, "file", 300000, 1);
	sync_medium(world, medium);
	assert_string_equal(medium_of(world, medium).health, "good");
	mount(world, medium); /* so that the next block read is the file's */
	inject(world, READ_6, 1, 0x03, 0x11);
	assert_int_equal(try_read(world->manager, medium, "file", 300000, 1, &world->err), -EIO);
	snprintf(place, sizeof place, "%s in drive 25", medium_of(world, medium).barcode);
	assert_non_null(strstr(world->err.msg, place));
	snprintf(place, sizeof place, "(home slot %u)", medium_of(world, medium).home_slot);
	assert_non_null(strstr(world->err.msg, place));
	assert_non_null(strstr(world->err.msg, "reading file"));
	assert_non_null(strstr(world->err.msg, "03/11/00"));
	assert_non_null(strstr(medium_of(world, medium).health, "read error 03/11/00 in drive 25"));

	/* what goes well elsewhere does not make it good again */
	write_file(world, medium, "other", 1000, 2);
	sync_medium(world, medium);
	dismount(world, medium);
	mount(world, medium);
	assert_non_null(strstr(medium_of(world, medium).health, "read error"));
	dismount(world, medium);

	snprintf(place, sizeof place, "%s", medium_of(world, medium).barcode);
	assert_done(rsm_manager_deallocate(world->manager, medium, true, &world->err), &world->err);
	medium = given_cartridge(world, given_pool(world, "Again"), place);
	sync_medium(world, medium);
	assert_string_equal(medium_of(world, medium).health, "good");
}

static void a_damaged_database_of_a_volume_is_an_error_of_input(void **state)
{
	struct world *world = *state;
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	struct rsm_content *content;
	char path[256];
	FILE *file;

	write_file(world, medium, "file", 1000, 1);
	sync_medium(world, medium);
	snprintf(path, sizeof path, "%s/staging/%s/index.db", world->folder,
		 medium_of(world, medium).volume_uuid);
	world_stop(world);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "this is no database, whatever else it may be");
	fclose(file);
	world_start(world);

	assert_int_equal(rsm_manager_content(world->manager, medium, &content, &world->err), -EIO);
	assert_non_null(strstr(world->err.msg, medium_of(world, medium).barcode));
	assert_non_null(strstr(world->err.msg, path));
}

static bool is_on_medium(struct world *world, int64_t medium, const char *name)
{
	struct rsm_content *content;
	enum rsm_residency residency;
	struct rsm_extent first;
	struct rsm_node node;

	assert_done(rsm_manager_content(world->manager, medium, &content, &world->err),
		    &world->err);
	assert_done(rsm_content_lookup(content, RSM_NODE_ROOT, name, &node, &world->err),
		    &world->err);
	assert_done(rsm_content_residency(content, node.id, &residency, &first, &world->err),
		    &world->err);
	rsm_manager_content_unref(world->manager, content);
	return residency == RSM_RESIDENT_MEDIUM;
}

struct scribbler {
	struct world *world;
	int64_t medium;
	atomic_bool stop;
	unsigned written;
	struct rsm_err err;
	pthread_t thread;
};

/* New files on and on, while the medium's index has room for them. */
static void *scribble(void *argument)
{
	struct scribbler *scribbler = argument;
	char name[32];

	while (!atomic_load(&scribbler->stop)) {
		if (scribbler->written == 3000) {
			usleep(10000);
			continue;
		}
		snprintf(name, sizeof name, "new%u", scribbler->written++);
		if (try_write(scribbler->world->manager, scribbler->medium, name, 1000, 1,
			      &scribbler->err))
			return scribbler;
		usleep(1000);
	}
	return NULL;
}

static void a_sync_waits_for_what_was_there_when_it_began(void **state)
{
	struct world *world = *state;
	struct scribbler scribbler = { .world = world };
	void *failed;

	scribbler.medium = given_cartridge(world, given_pool(world, "Backup"), "monday");
	write_file(world, scribbler.medium, "file", 300000, 1);
	assert_int_equal(pthread_create(&scribbler.thread, NULL, scribble, &scribbler), 0);
	for (int i = 0; i < 3; i++) {
		sync_medium(world, i ? scribbler.medium : 0);
		assert_true(is_on_medium(world, scribbler.medium, "file"));
	}
	atomic_store(&scribbler.stop, true);
	pthread_join(scribbler.thread, &failed);
	if (failed)
		fail_msg("new%u: %s", scribbler.written - 1, scribbler.err.msg);
	assert_true(scribbler.written > 3);
	sync_medium(world, 0);
	assert_true(is_on_medium(world, scribbler.medium, "new0"));
}

static void what_is_allocated_in_a_drive_does_not_come_back_for_its_label(void **state)
{
	struct world *world = *state;
	struct rsm_catalog *catalog = rsm_manager_catalog(world->manager);
	struct rsm_allocation allocation = { .pool = given_pool(world, "Backup"), .mode = 0755 };
	struct rsm_medium medium;

	assert_done(rsm_medium_find_barcode(catalog, "A00003L8", &medium, &world->err),
		    &world->err);
	mount(world, medium.id);
	allocation.medium = medium.id;
	allocation.name = "monday";
	assert_done(rsm_manager_allocate(world->manager, &allocation, &medium, &world->err),
		    &world->err);
	assert_int_equal(medium.label_work, RSM_LABEL_FORMAT);

	dismount(world, medium.id);

	assert_done(rsm_medium_get(catalog, medium.id, &medium, &world->err), &world->err);
	assert_int_equal(medium.label_work, RSM_LABEL_NONE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
static const struct CMUnitTest tests[] = {
	T(a_failed_write_keeps_the_data_and_names_the_place),
	T(a_write_that_failed_once_is_tried_again),
	T(an_index_that_failed_is_written_later),
	T(a_dismount_is_refused_while_somebody_writes),
	T(a_cartridge_is_deallocated_while_it_is_loaded_and_used_anew),
	T(label_work_is_done_although_the_cartridge_is_loaded),
	T(names_pools_and_states_are_found_again_without_the_catalogue),
	T(a_read_that_waits_for_a_drive_can_be_interrupted),
	cmocka_unit_test_setup_teardown(what_does_not_fit_stays_staged_and_readable, world_tight,
					world_free),
	T(what_a_hurried_stop_leaves_the_next_start_writes),
	T(a_sync_of_what_is_clean_moves_nothing),
	T(a_medium_error_is_told_and_remembered),
	T(a_damaged_database_of_a_volume_is_an_error_of_input),
	T(a_sync_waits_for_what_was_there_when_it_began),
	T(what_is_allocated_in_a_drive_does_not_come_back_for_its_label),
};
RSM_TEST_MAIN(tests)
