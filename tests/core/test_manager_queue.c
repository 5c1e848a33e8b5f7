/* Who gets which drive, in a library whose robot takes its time. */
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "changer/emulator/emulator.h"
#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

enum { LOAD_UNLOAD = 0x1B, READ_6 = 0x08, WRITE_6 = 0x0A };

static int64_t now_ms(void)
{
	return rsm_clock_now_ns(rsm_clock_real()) / 1000000;
}

/* Starts again with another line in library.conf. */
static void given_timing(struct world *world, const char *robot_s, const char *rate_mb_s,
			 const char *locate_mb_s)
{
	char command[512];

	world_stop(world);
	snprintf(command, sizeof command,
		 "sed -i 's/^timing = none/timing = real/; s/^robot_s = .*/robot_s = %s/; "
		 "s/^load_s = .*/load_s = 0.02/; s/^unload_s = .*/unload_s = 0.02/; "
		 "s/^rate_mb_s = .*/rate_mb_s = %s/; s/^locate_mb_s = .*/locate_mb_s = %s/' "
		 "%s/library.conf",
		 robot_s, rate_mb_s, locate_mb_s, world->folder);
	assert_int_equal(system(command), 0);
	world_start(world);
}

static bool is_move(void *context, int64_t number, const char *line)
{
	unsigned *count = context;

	(void)number;
	*count += strstr(line, "event=move") != NULL;
	return true;
}

static unsigned moves(struct world *world)
{
	unsigned count = 0;
	bool lost;

	assert_done(rsm_event_list(rsm_manager_catalog(world->manager), 0, NULL, is_move, &count,
				   &lost, &world->err),
		    &world->err);
	return count;
}

static unsigned location_of(struct world *world, int64_t medium)
{
	struct rsm_medium m;

	assert_done(rsm_medium_get(rsm_manager_catalog(world->manager), medium, &m, &world->err),
		    &world->err);
	return m.location;
}

/* Labelled cartridges, all of them at home. */
static void given_media(struct world *world, int64_t *media, int count)
{
	int64_t pool = given_pool(world, "Backup");

	for (int i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof name, "c%d", i);
		media[i] = given_cartridge(world, pool, name);
		write_file(world, media[i], "file", 1000, (unsigned)i);
	}
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	for (int i = 0; i < count; i++)
		for (int k = 0; k < 150 && use_of(world, media[i]).drive; k++)
			usleep(2000);
}

static int try_mount(struct world *world, const int64_t *media, size_t count, unsigned flags,
		     unsigned timeout_ms, const atomic_bool *cancel)
{
	return rsm_manager_mount_wait(world->manager, media, count, flags, 0, 0, timeout_ms, 0,
				      cancel, &world->err);
}

static void mount(struct world *world, const int64_t *media, size_t count, unsigned flags)
{
	assert_done(try_mount(world, media, count, flags, 20000, NULL), &world->err);
}

static int world_lazy(void **state)
{
	int r = world_new(state);
	struct world *world = *state;

	if (r < 0)
		return r;
	world_stop(world);
	world->dismount_delay_s = 600;
	world_start(world);
	return 0;
}

struct mounter {
	struct world *world;
	const int64_t *media;
	atomic_bool cancel;
	int result;
	struct rsm_err err;
	int64_t took_ms;
	pthread_t thread;
};

static void *mount_two(void *argument)
{
	struct mounter *mounter = argument;
	int64_t began = now_ms();

	mounter->result =
		rsm_manager_mount_wait(mounter->world->manager, mounter->media, 2, RSM_MOUNT_HOLD,
				       0, 0, 0, 0, &mounter->cancel, &mounter->err);
	mounter->took_ms = now_ms() - began;
	return NULL;
}

/* Promise 7, the first half. */
static void mounting_two_with_one_drive_free_moves_neither(void **state)
{
	struct world *world = *state;
	int64_t media[3];
	unsigned before;

	given_media(world, media, 3);
	mount(world, &media[2], 1, RSM_MOUNT_HOLD);
	before = moves(world);
	assert_int_equal(try_mount(world, media, 2, RSM_MOUNT_HOLD, 300, NULL), -ETIMEDOUT);
	assert_int_equal(
		try_mount(world, media, 2, RSM_MOUNT_HOLD | RSM_MOUNT_IF_AVAILABLE, 300, NULL),
		-EAGAIN);
	assert_int_equal(moves(world), before);
	dismount(world, media[2]);
	mount(world, media, 2, RSM_MOUNT_HOLD);
	assert_true(use_of(world, media[0]).mounted && use_of(world, media[1]).mounted);
}

/* Promise 7, the second half. */
static void cancelling_it_while_one_is_on_its_way_leaves_both_at_home(void **state)
{
	struct world *world = *state;
	int64_t media[2];
	struct mounter mounter = { .world = world, .media = media };

	given_media(world, media, 2);
	given_timing(world, "0.3", "300", "20000");
	pthread_create(&mounter.thread, NULL, mount_two, &mounter);
	usleep(150000);
	atomic_store(&mounter.cancel, true);
	pthread_join(mounter.thread, NULL);
	assert_int_equal(mounter.result, -EINTR);
	for (int k = 0;
	     k < 2000 && (use_of(world, media[0]).drive || use_of(world, media[1]).drive); k++)
		usleep(2000);
	assert_int_equal(location_of(world, media[0]), RSM_AT_SLOT);
	assert_int_equal(location_of(world, media[1]), RSM_AT_SLOT);
}

static void what_is_mounted_together_drives_out_no_more_than_it_needs(void **state)
{
	struct world *world = *state;
	int64_t media[3];
	unsigned before;

	given_media(world, media, 3);
	mount(world, media, 2, 0); /* both drives have one, idle */
	before = moves(world);
	mount(world, (const int64_t[]){ media[1], media[2] }, 2, RSM_MOUNT_HOLD);
	assert_int_equal(moves(world), before + 2);
	assert_false(use_of(world, media[0]).mounted);
	assert_int_equal(try_mount(world, (const int64_t[]){ media[0], media[0] }, 2, 0, 0, NULL),
			 -EINVAL);
	assert_int_equal(try_mount(world, media, 3, 0, 0, NULL), -EINVAL);
}

static void when_one_cannot_be_loaded_the_other_is_given_back(void **state)
{
	struct world *world = *state;
	const struct rsm_emulator_fault fault = {
		.opcode = LOAD_UNLOAD, .skip = 1, .times = 1, .key = 0x03, .asc = 0x30
	};
	int64_t media[2];

	given_media(world, media, 2);
	assert_done(rsm_emulator_inject(world->manager->libraries[0].hardware->emulator, &fault,
					&world->err),
		    &world->err);
	assert_true(try_mount(world, media, 2, RSM_MOUNT_HOLD, 10000, NULL) < 0);
	for (int k = 0;
	     k < 2000 && (use_of(world, media[0]).drive || use_of(world, media[1]).drive); k++)
		usleep(2000);
	assert_false(use_of(world, media[0]).mounted || use_of(world, media[1]).mounted);
}

/* Promise 8. */
static void a_timeout_fires_within_a_second_even_when_the_robot_is_mid_move(void **state)
{
	struct world *world = *state;
	int64_t media[1], began;

	given_media(world, media, 1);
	given_timing(world, "0.7", "300", "20000");
	began = now_ms();
	assert_int_equal(try_mount(world, media, 1, RSM_MOUNT_HOLD, 200, NULL), -ETIMEDOUT);
	assert_in_range(now_ms() - began, 200, 650);
	/* the move completes, and the medium goes home or idles */
	for (int k = 0; k < 3000 && !use_of(world, media[0]).mounted &&
			(k < 100 || location_of(world, media[0]) != RSM_AT_SLOT);
	     k++)
		usleep(2000);
	expect_file(world, media[0], "file", 1000, 0);
}

/* Promise 9. */
static void an_idle_cartridge_leaves_at_once_when_wanted_else_stays(void **state)
{
	struct world *world = *state;
	int64_t media[2], began;
	unsigned before;

	given_media(world, media, 2);
	world_stop(world);
	world->dismount_delay_s = 1;
	world_start(world);
	expect_file(world, media[0], "file", 1000, 0);
	before = moves(world);
	usleep(300000);
	expect_file(world, media[0], "file", 1000, 0); /* within the delay: no robot */
	usleep(700000);
	assert_true(use_of(world, media[0]).mounted);
	assert_int_equal(moves(world), before);
	began = now_ms();
	expect_file(world, media[1], "file", 1000, 1);
	assert_in_range(now_ms() - began, 0, 500);
	assert_false(use_of(world, media[0]).mounted);
}

/* Promise 12. */
static void a_full_library_and_a_full_drive_dismount_before_they_mount(void **state)
{
	struct world *world = *state;
	int64_t media[3];
	char hidden[128], path[128];
	unsigned count;

	given_media(world, media, 3);
	mount(world, &media[0], 1, RSM_MOUNT_HOLD);
	/* one more comes: the only empty slot is the home of what is in the drive */
	snprintf(hidden, sizeof hidden, "%s/shelf/.making", world->folder);
	assert_int_equal(mkdir(hidden, 0755), 0);
	snprintf(path, sizeof path, "%s/ports/10/Z00001L8", world->folder);
	assert_int_equal(rename(hidden, path), 0);
	assert_int_equal(rsm_manager_inject_wait(world->manager, 0, NULL, &count, &world->err),
			 -ENOSPC);
	assert_done(rsm_manager_dismount_wait(world->manager, media[0], true, NULL, &world->err),
		    &world->err);
	for (int i = 0; i < 6; i++) {
		mount(world, &media[i % 3], 1, 0);
		expect_file(world, media[i % 3], "file", 1000, (unsigned)(i % 3));
	}
	for (int k = 0; k < 1000 && use_of(world, media[2]).drive; k++)
		usleep(2000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(location_of(world, media[i]), RSM_AT_SLOT);
}

static void a_read_ends_when_interrupted_even_while_the_drive_winds(void **state)
{
	struct world *world = *state;
	int64_t media[1], began;
	struct rsm_content *content;
	struct rsm_open_file *file;
	struct rsm_node node;
	char data[101];
	struct read_wait wait = { .data = data };
	bool keep;

	given_media(world, media, 1);
	write_file(world, media[0], "before", 4 << 20, 1);
	write_file(world, media[0], "behind", 100, 1);
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
	given_timing(world, "0.01", "300", "6");
	mount(world, media, 1, RSM_MOUNT_HOLD);
	assert_done(rsm_manager_content(world->manager, media[0], &content, &world->err),
		    &world->err);
	assert_done(rsm_content_lookup(content, RSM_NODE_ROOT, "behind", &node, &world->err),
		    &world->err);
	assert_done(rsm_content_open(content, node.id, O_RDONLY, &file, &keep, &world->err),
		    &world->err);
	wait.request =
		(struct rsm_content_read){ .size = 100, .done = read_done, .context = &wait };
	rsm_content_read_file(file, &wait.request);
	usleep(150000);
	assert_false(atomic_load(&wait.ended)); /* it takes more than half a second */
	began = now_ms();
	rsm_content_interrupt(file, &wait.request);
	assert_true(atomic_load(&wait.ended));
	assert_int_equal(wait.result, -EINTR);
	assert_in_range(now_ms() - began, 0, 500);
	rsm_content_release(file);
	rsm_manager_content_unref(world->manager, content);
	expect_file(world, media[0], "behind", 100, 1);
}

static bool take_open_mount(void *context, const struct rsm_work_item *item)
{
	struct rsm_work_item *last = context;

	if (item->kind == RSM_WORK_MOUNT)
		*last = *item;
	return true;
}

static struct rsm_work_item open_mount(struct world *world)
{
	struct rsm_work_item item = { 0 };

	assert_done(rsm_work_item_list(rsm_manager_catalog(world->manager), true, take_open_mount,
				       &item, &world->err),
		    &world->err);
	return item;
}

struct asking {
	struct world *world;
	int64_t medium;
	uid_t user; /* 0: 1000 */
	int result;
	pthread_t thread;
};

static void *ask_for(void *argument)
{
	struct asking *asking = argument;
	struct rsm_err err;

	asking->result =
		rsm_manager_mount_wait(asking->world->manager, &asking->medium, 1, 0, 0, 0, 20000,
				       asking->user ? asking->user : 1000, NULL, &err);
	return NULL;
}

static void a_cancelled_mount_fails_those_who_wait_for_it(void **state)
{
	struct world *world = *state;
	struct asking asking = { .world = world };
	struct rsm_work_item item;
	int64_t media[2];

	given_media(world, media, 2);
	mount(world, &media[0], 1, RSM_MOUNT_HOLD);
	asking.medium = media[1];
	pthread_create(&asking.thread, NULL, ask_for, &asking);
	for (int k = 0; k < 1000 && !open_mount(world).id; k++)
		usleep(2000);
	item = open_mount(world);
	assert_int_equal(item.medium, media[1]);
	assert_int_equal(item.state, RSM_WORK_QUEUED);
	assert_int_equal(item.user, 1000);
	assert_done(rsm_manager_cancel_item(world->manager, &item, NULL, &world->err), &world->err);
	pthread_join(asking.thread, NULL);
	assert_int_equal(asking.result, -ECANCELED);
	assert_int_equal(open_mount(world).id, 0);
	item.state = RSM_WORK_CANCELLED;
	item.ended.tv_sec = 1;
	assert_int_equal(rsm_manager_cancel_item(world->manager, &item, NULL, &world->err),
			 -ENOENT);
	assert_int_equal(rsm_manager_reorder_item(world->manager, item.id, true, &world->err),
			 -EINVAL);
}

static unsigned waiting_for(struct world *world, int64_t medium)
{
	struct rsm_cartridge *cartridge;
	unsigned count = 0;

	RSM_LOCK_SCOPE(&world->manager->lock);
	cartridge = rsm_cartridge_find_locked(world->manager, medium);
	if (cartridge)
		RSM_LIST_FOR_EACH (item, &cartridge->mounts)
			count++;
	return count;
}

static void who_waits_with_others_cancels_for_nobody_else(void **state)
{
	static const uid_t first = 1000;
	struct world *world = *state;
	struct asking asking[2] = { { .world = world }, { .world = world, .user = 1001 } };
	struct rsm_work_item item;
	int64_t media[2];

	given_media(world, media, 2);
	mount(world, &media[0], 1, RSM_MOUNT_HOLD);
	for (unsigned i = 0; i < 2; i++) {
		asking[i].medium = media[1];
		pthread_create(&asking[i].thread, NULL, ask_for, &asking[i]);
		for (int k = 0; k < 1000 && waiting_for(world, media[1]) <= i; k++)
			usleep(2000);
	}
	item = open_mount(world);
	assert_int_equal(item.user, 1000);
	assert_int_equal(rsm_manager_cancel_item(world->manager, &item, &first, &world->err),
			 -EACCES);
	assert_int_equal(waiting_for(world, media[1]), 2);
	assert_done(rsm_manager_cancel_item(world->manager, &item, NULL, &world->err), &world->err);
	for (int i = 0; i < 2; i++) {
		pthread_join(asking[i].thread, NULL);
		assert_int_equal(asking[i].result, -ECANCELED);
	}
}

static void a_mount_that_was_put_first_comes_first(void **state)
{
	struct world *world = *state;
	struct asking asking[2] = { { .world = world }, { .world = world } };
	int64_t media[3];

	given_media(world, media, 3);
	mount(world, &media[0], 1, RSM_MOUNT_HOLD);
	for (int i = 0; i < 2; i++) {
		asking[i].medium = media[1 + i];
		pthread_create(&asking[i].thread, NULL, ask_for, &asking[i]);
		for (int k = 0; k < 1000 && open_mount(world).medium != media[1 + i]; k++)
			usleep(2000);
	}
	assert_done(
		rsm_manager_reorder_item(world->manager, open_mount(world).id, true, &world->err),
		&world->err);
	dismount(world, media[0]);
	pthread_join(asking[1].thread, NULL);
	assert_int_equal(asking[1].result, 0);
	pthread_join(asking[0].thread, NULL);
	assert_int_equal(asking[0].result, 0);
}

/* Promise 13. */
static void after_a_restart_with_work_items_queued_none_runs_and_nobody_waits(void **state)
{
	struct world *world = *state;
	struct asking asking = { .world = world };
	int64_t media[2];
	unsigned before;

	given_media(world, media, 2);
	mount(world, &media[0], 1, RSM_MOUNT_HOLD);
	asking.medium = media[1];
	pthread_create(&asking.thread, NULL, ask_for, &asking);
	for (int k = 0; k < 1000 && !open_mount(world).id; k++)
		usleep(2000);
	world_crash_begin(world);
	pthread_join(asking.thread, NULL);
	world_crash_end(world);
	assert_true(asking.result < 0);
	world_start(world);
	assert_int_equal(open_mount(world).id, 0);
	before = moves(world);
	usleep(200000);
	assert_int_equal(location_of(world, media[1]), RSM_AT_SLOT);
	assert_int_equal(moves(world), before);
	expect_file(world, media[1], "file", 1000, 1);
	expect_file(world, media[0], "file", 1000, 0);
}

static void inject(struct world *world, uint16_t element, uint16_t opcode, unsigned times)
{
	const struct rsm_emulator_fault fault = {
		.opcode = opcode, .element = element, .times = times, .key = 0x04, .asc = 0x44
	};

	assert_done(rsm_emulator_inject(world->manager->libraries[0].hardware->emulator, &fault,
					&world->err),
		    &world->err);
}

static void what_a_broken_drive_cannot_load_another_one_does(void **state)
{
	struct world *world = *state;
	int64_t media[1];

	given_media(world, media, 1);
	inject(world, 256, LOAD_UNLOAD, 1);
	mount(world, media, 1, RSM_MOUNT_HOLD);
	expect_file(world, media[0], "file", 1000, 0);
}

static void what_a_broken_drive_cannot_read_another_one_does(void **state)
{
	struct world *world = *state;
	int64_t media[1];
	uint32_t drive;

	given_media(world, media, 1);
	mount(world, media, 1, 0);
	mount(world, media, 1, RSM_MOUNT_HOLD);
	drive = use_of(world, media[0]).drive;
	inject(world, (uint16_t)drive, READ_6, 1000);
	expect_file(world, media[0], "file", 1000, 0);
	assert_true(use_of(world, media[0]).drive != drive);
}

static const char *drive_state(struct world *world, uint32_t element)
{
	RSM_FREE struct rsm_drive_status *drives = NULL;
	const char *drive_state = "";
	size_t count;

	assert_done(rsm_manager_drives(world->manager, &drives, &count, &world->err), &world->err);
	for (size_t i = 0; i < count; i++)
		if (drives[i].element == element)
			drive_state = drives[i].state;
	return drive_state;
}

static bool take_kind(void *context, const struct rsm_operator_request *request)
{
	unsigned *kinds = context;

	*kinds |= 1u << request->kind;
	return true;
}

static void a_drive_with_errors_goes_out_of_service_and_its_work_elsewhere(void **state)
{
	struct world *world = *state;
	unsigned kinds = 0;
	int64_t media[1];
	uint32_t drive;

	given_media(world, media, 1);
	mount(world, media, 1, RSM_MOUNT_HOLD);
	drive = use_of(world, media[0]).drive;
	inject(world, (uint16_t)drive, WRITE_6, 1000);
	for (unsigned i = 0; i < 8 && strcmp(drive_state(world, drive), "failed") != 0; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%u", i);
		write_file(world, media[0], name, 100000, i);
		/* the first try may meet the broken drive */
		for (int k = 0; k < 3000 && use_of(world, media[0]).staged_files; k++)
			usleep(2000);
		assert_int_equal(use_of(world, media[0]).staged_files, 0);
		expect_file(world, media[0], name, 100000, i);
		if (use_of(world, media[0]).drive)
			dismount(world, media[0]);
		if (strcmp(drive_state(world, drive), "failed") == 0)
			break;
		assert_int_equal(rsm_manager_mount_wait(world->manager, media, 1, RSM_MOUNT_HOLD,
							drive, 0, 5000, 0, NULL, &world->err),
				 0);
	}
	assert_string_equal(drive_state(world, drive), "failed");
	assert_int_equal(rsm_manager_mount_wait(world->manager, media, 1, 0, drive, 0, 5000, 0,
						NULL, &world->err),
			 -ENODEV);
	assert_done(rsm_operator_request_list(rsm_manager_catalog(world->manager), true, take_kind,
					      &kinds, &world->err),
		    &world->err);
	assert_true(kinds & 1u << RSM_REQUEST_DEVICE_SERVICE);
}

struct writer {
	struct world *world;
	int64_t medium;
	atomic_bool stop;
	unsigned count;
	pthread_t thread;
};

static void *write_on(void *argument)
{
	struct writer *writer = argument;
	struct rsm_err err;

	while (!atomic_load(&writer->stop)) {
		char name[16];

		snprintf(name, sizeof name, "f%u", writer->count);
		if (try_write(writer->world->manager, writer->medium, name, 2 << 20, writer->count,
			      &err) < 0)
			return NULL;
		writer->count++;
		usleep(40000);
	}
	return NULL;
}

static uint64_t waiting_of(struct world *world, int64_t medium)
{
	struct rsm_content_use use = { 0 };

	RSM_LOCK_SCOPE(&world->manager->lock);
	rsm_content_use(rsm_cartridge_find_locked(world->manager, medium)->content, &use);
	return use.staged_bytes;
}

/* Its drive has written all that there was and was about to send it home when it was wanted. */
static void one_that_stays_after_all_is_written_on(void **state)
{
	struct world *world = *state;
	int64_t medium;

	world_stop(world);
	world->dismount_delay_s = 60;
	world_start(world);
	given_media(world, &medium, 1);
	mount(world, &medium, 1, RSM_MOUNT_HOLD);
	rsm_mutex_lock(&world->manager->lock);
	rsm_cartridge_bound_locked(rsm_cartridge_find_locked(world->manager, medium));
	rsm_cartridge_find_locked(world->manager, medium)->leave_done = true;
	rsm_mutex_unlock(&world->manager->lock);
	write_file(world, medium, "later", 5000, 1);
	for (int i = 0; i < 500 && waiting_of(world, medium); i++)
		usleep(10000);
	assert_int_equal(waiting_of(world, medium), 0);
}

static void who_writes_on_and_on_does_not_keep_a_dismount_from_ending(void **state)
{
	struct world *world = *state;
	int64_t media[1], began;
	struct writer writer = { .world = world };
	int r;

	given_media(world, media, 1);
	given_timing(world, "0.01", "20", "20000"); /* less than is written */
	writer.medium = media[0];
	mount(world, media, 1, RSM_MOUNT_HOLD);
	pthread_create(&writer.thread, NULL, write_on, &writer);
	usleep(500000);
	began = now_ms();
	do
		r = rsm_manager_dismount_wait(world->manager, media[0], false, NULL, &world->err);
	while (r == -EBUSY); /* just then a file was open */
	assert_done(r, &world->err);
	assert_in_range(now_ms() - began, 0, 6000);
	atomic_store(&writer.stop, true);
	pthread_join(writer.thread, NULL);
	assert_true(writer.count > 5);
	assert_done(rsm_manager_sync_wait(world->manager, media[0], NULL, NULL, NULL, &world->err),
		    &world->err);
	for (unsigned i = 0; i < writer.count; i += 7) {
		char name[16];

		snprintf(name, sizeof name, "f%u", i);
		expect_file(world, media[0], name, 2 << 20, i);
	}
}

static int world_full(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 1,
		.slots = 3,
		.ports = 1,
		.cartridges = 3,
		.capacity_bytes = (uint64_t)1 << 30,
		.no_cleaner = true,
	};

	return world_make(state, &shape);
}

static int world_of_one_drive(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 1,
		.slots = 4,
		.ports = 1,
		.cartridges = 3,
		.capacity_bytes = (uint64_t)1 << 30,
		.no_cleaner = true,
	};

	return world_make(state, &shape);
}

#define T(name, world) cmocka_unit_test_setup_teardown(name, world, world_free)
static const struct CMUnitTest tests[] = {
	T(mounting_two_with_one_drive_free_moves_neither, world_new),
	T(cancelling_it_while_one_is_on_its_way_leaves_both_at_home, world_new),
	T(what_is_mounted_together_drives_out_no_more_than_it_needs, world_lazy),
	T(when_one_cannot_be_loaded_the_other_is_given_back, world_new),
	T(a_timeout_fires_within_a_second_even_when_the_robot_is_mid_move, world_new),
	T(an_idle_cartridge_leaves_at_once_when_wanted_else_stays, world_of_one_drive),
	T(a_full_library_and_a_full_drive_dismount_before_they_mount, world_full),
	T(a_read_ends_when_interrupted_even_while_the_drive_winds, world_new),
	T(a_cancelled_mount_fails_those_who_wait_for_it, world_of_one_drive),
	T(who_waits_with_others_cancels_for_nobody_else, world_of_one_drive),
	T(a_mount_that_was_put_first_comes_first, world_of_one_drive),
	T(after_a_restart_with_work_items_queued_none_runs_and_nobody_waits, world_of_one_drive),
	T(what_a_broken_drive_cannot_load_another_one_does, world_new),
	T(what_a_broken_drive_cannot_read_another_one_does, world_new),
	T(a_drive_with_errors_goes_out_of_service_and_its_work_elsewhere, world_new),
	T(one_that_stays_after_all_is_written_on, world_new),
	T(who_writes_on_and_on_does_not_keep_a_dismount_from_ending, world_new),
};
RSM_TEST_MAIN(tests)
