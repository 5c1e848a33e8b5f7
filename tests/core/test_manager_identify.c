/* What is looked at when nobody asks, and what becomes of cartridges that are not who they were
 * taken for: over a virtual library.
 */
#include <sys/stat.h>

#include "core/identification.h"
#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

/* ---- the world ---- */

static int make(void **state, unsigned cartridges)
{
	const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 1,
		.slots = cartridges + 2,
		.ports = 1,
		.cartridges = cartridges,
		.capacity_bytes = (uint64_t)1 << 28,
	};

	return world_make(state, &shape);
}

enum { SOME = 24, MANY = 70 };

static int make_some(void **state)
{
	return make(state, SOME);
}

/* More than are waited for when a library is mounted. */
static int make_many(void **state)
{
	return make(state, MANY);
}

static struct rsm_catalog *catalog_of(struct world *world)
{
	return rsm_manager_catalog(world->manager);
}

static struct rsm_medium medium_of(struct world *world, int64_t id)
{
	struct rsm_medium medium;

	assert_done(rsm_medium_get(catalog_of(world), id, &medium, &world->err), &world->err);
	return medium;
}

static struct rsm_medium medium_at(struct world *world, uint32_t slot)
{
	struct rsm_medium medium;

	assert_done(rsm_medium_at(catalog_of(world), world->manager->libraries[0].id, RSM_AT_SLOT,
				  slot, &medium, &world->err),
		    &world->err);
	return medium;
}

static void wait_until_identified(struct world *world)
{
	while (rsm_manager_is_identifying(world->manager))
		usleep(500);
}

/* Nothing is in a drive. */
static void wait_until_home(struct world *world)
{
	for (;;) {
		bool home = true;

		rsm_mutex_lock(&world->manager->lock);
		RSM_LIST_FOR_EACH (item, &world->manager->cartridges)
			home = home && RSM_CONTAINER_OF(item, struct rsm_cartridge, link)->state ==
					       RSM_CARTRIDGE_AWAY;
		rsm_mutex_unlock(&world->manager->lock);
		if (home)
			return;
		usleep(500);
	}
}

static void move_folder(struct world *world, const char *from, const char *to)
{
	char source[160], target[160];

	snprintf(source, sizeof source, "%s/%s", world->folder, from);
	snprintf(target, sizeof target, "%s/%s", world->folder, to);
	if (rename(source, target) < 0)
		fail_msg("%s to %s: %s", from, to, strerror(errno));
}

/* What is on the two tapes changes places; the barcodes stay. */
static void exchange_tapes(struct world *world, const char *one, const char *other)
{
	char parts[2][64], inner[128];

	(void)world;
	snprintf(parts[0], sizeof parts[0], "%s", one);
	snprintf(parts[1], sizeof parts[1], "%s", other);
	static const char *const files[] = { "partition0.tap", "partition1.tap", "partition0.mam",
					     "partition1.mam" };

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char a[128], b[128];

		snprintf(a, sizeof a, "%s/%s", parts[0], files[i]);
		snprintf(b, sizeof b, "%s/%s", parts[1], files[i]);
		snprintf(inner, sizeof inner, "%s/exchanged", parts[0]);
		for (int k = 0; k < 3; k++) {
			char from[200], to[200];

			snprintf(from, sizeof from, "%s/%s", world->folder,
				 k == 0	  ? a
				 : k == 1 ? b
					  : inner);
			snprintf(to, sizeof to, "%s/%s", world->folder,
				 k == 0	  ? inner
				 : k == 1 ? a
					  : b);
			(void)!rename(from, to);
		}
	}
}

static void write_tape(struct world *world, const char *folder, const char *record, size_t length)
{
	uint8_t bytes[4] = { (uint8_t)length, (uint8_t)(length >> 8), 0, 0 };
	char path[160];
	FILE *file;

	assert_int_equal(length % 2, 0);
	snprintf(path, sizeof path, "%s/%s/partition1.tap", world->folder, folder);
	unlink(path);
	snprintf(path, sizeof path, "%s/%s/partition0.tap", world->folder, folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 4, 1, file), 1);
	assert_int_equal(fwrite(record, length, 1, file), 1);
	assert_int_equal(fwrite(bytes, 4, 1, file), 1);
	assert_int_equal(fwrite("\0\0\0", 4, 1, file), 1); /* a filemark */
	assert_int_equal(fclose(file), 0);
}

struct search {
	const char *event, *value;
	unsigned found;
};

static bool look_for_event(void *context, int64_t number, const char *line)
{
	struct search *search = context;

	(void)number;
	search->found += strstr(line, search->event) && strstr(line, search->value);
	return true;
}

static unsigned count_events(struct world *world, const char *event, const char *value)
{
	struct search search = { .event = event, .value = value };

	assert_done(rsm_event_list(catalog_of(world), 0, NULL, look_for_event, &search, NULL,
				   &world->err),
		    &world->err);
	return search.found;
}

/* ---- in the background ---- */

static void a_large_library_is_usable_before_it_has_been_looked_through(void **state)
{
	struct world *world = *state;
	size_t most = 0;
	unsigned available = 0;

	while (rsm_manager_is_identifying(world->manager)) {
		size_t count = 0;

		rsm_mutex_lock(&world->manager->lock);
		RSM_LIST_FOR_EACH (item, &world->manager->cartridges)
			count++;
		rsm_mutex_unlock(&world->manager->lock);
		most = count > most ? count : most;
		usleep(200);
	}

	/* only what a drive is at stands in the table */
	assert_in_range(most, 1, 4);
	wait_until_home(world);
	for (uint32_t slot = 1001; slot <= 1000 + MANY; slot++)
		available += medium_at(world, slot).state == RSM_MEDIUM_AVAILABLE;
	assert_int_equal(available, MANY);
}

struct waiting {
	struct rsm_manager *manager;
	pthread_t thread;
	int result;
	struct rsm_err err;
};

static void *inventory(void *argument)
{
	struct waiting *waiting = argument;

	waiting->result = rsm_manager_inventory_wait(waiting->manager, 0, true, NULL, NULL, NULL,
						     &waiting->err);
	return NULL;
}

static uint64_t done_of(struct world *world)
{
	RSM_LOCK_SCOPE(&world->manager->lock);
	return world->manager->libraries[0].identify.done;
}

static bool has_come_to(struct world *world, uint64_t done)
{
	const struct rsm_identify_run *run = &world->manager->libraries[0].identify;

	RSM_LOCK_SCOPE(&world->manager->lock);
	return run->full && run->done >= done;
}

static void given_running_inventory(struct world *world, struct waiting *waiting, uint64_t done)
{
	wait_until_identified(world);
	waiting->manager = world->manager;
	assert_int_equal(pthread_create(&waiting->thread, NULL, inventory, waiting), 0);
	while (!has_come_to(world, done))
		usleep(200);
}

struct served {
	struct rsm_mount_request request;
	struct world *world;
	atomic_int ended;
	int result;
	uint64_t done;
};

static void mount_served(struct rsm_mount_request *request, int r, const struct rsm_err *err)
{
	struct served *served = request->context;

	(void)err;
	served->result = r;
	served->done = done_of(served->world);
	atomic_store(&served->ended, 1);
}

static void who_wants_a_cartridge_goes_before_the_next_slot_of_an_inventory(void **state)
{
	struct world *world = *state;
	struct waiting waiting;
	struct served served = { .world = world };

	given_running_inventory(world, &waiting, 2);
	served.request = (struct rsm_mount_request){ .medium = medium_at(world, 1000 + SOME).id,
						     .done = mount_served,
						     .context = &served };
	rsm_manager_mount(world->manager, &served.request);
	while (!atomic_load(&served.ended))
		usleep(200);
	pthread_join(waiting.thread, NULL);

	assert_int_equal(served.result, 0);
	assert_in_range(served.done, 2, SOME - 3); /* it has the last slot */
	assert_done(waiting.result, &waiting.err);
}

static void a_full_inventory_loads_each_cartridge_once_and_can_be_stopped(void **state)
{
	struct world *world = *state;
	struct waiting waiting;
	int64_t before;
	struct search search = { .event = "event=load", .value = "medium=" };

	wait_until_identified(world);
	wait_until_home(world);
	before = rsm_event_last(catalog_of(world));
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, true, NULL, NULL, NULL, &world->err),
		&world->err);
	assert_done(rsm_event_list(catalog_of(world), before, NULL, look_for_event, &search, NULL,
				   &world->err),
		    &world->err);
	assert_int_equal(search.found, SOME);

	given_running_inventory(world, &waiting, 2);
	assert_int_equal(rsm_manager_inventory_stop(world->manager, 0), 1);
	pthread_join(waiting.thread, NULL);
	assert_int_equal(waiting.result, -ECANCELED);
	assert_in_range(done_of(world), 2, SOME - 2);
	assert_int_equal(rsm_manager_inventory_stop(world->manager, 0), 0);
}

static void one_slot_is_identified_when_asked(void **state)
{
	struct world *world = *state;
	struct rsm_medium medium;

	wait_until_home(world);
	write_tape(world, "slots/1002/A00002L8", "somebody else's backup", 22);
	assert_int_equal(medium_at(world, 1002).state, RSM_MEDIUM_AVAILABLE); /* it is believed */
	assert_done(rsm_manager_identify_slot(world->manager, 0, 1002, NULL, &medium, &world->err),
		    &world->err);
	assert_int_equal(medium.state, RSM_MEDIUM_FOREIGN);
	assert_string_equal(medium.label_type, "unknown");
	assert_int_equal(
		rsm_manager_identify_slot(world->manager, 0, 1008, NULL, &medium, &world->err),
		RSM_MEDIUM_ABSENT);
	assert_int_equal(
		rsm_manager_identify_slot(world->manager, 0, 77, NULL, &medium, &world->err),
		-ENXIO);
}

/* ---- who is not who he was taken for ---- */

static int64_t given_written(struct world *world, int64_t pool, const char *name, unsigned seed)
{
	int64_t medium = given_cartridge(world, pool, name);

	write_file(world, medium, "file", 5000, seed);
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
	return medium;
}

static void folder_of(struct world *world, int64_t medium, char ret_folder[64])
{
	struct rsm_medium m = medium_of(world, medium);

	assert_int_equal(m.location, RSM_AT_SLOT);
	snprintf(ret_folder, 64, "slots/%u/%.20s", m.element, m.barcode);
}

/* It is in the library and can be read, under its name and LMID. */
static void expect_again(struct world *world, const struct rsm_medium *was, unsigned seed)
{
	struct rsm_medium now;

	for (int i = 0; i < 5000; i++) {
		now = medium_of(world, was->id);
		if (now.location != RSM_AT_OFFLINE)
			break;
		usleep(1000);
	}
	assert_int_not_equal(now.location, RSM_AT_OFFLINE);
	assert_string_equal(now.lmid, was->lmid);
	assert_string_equal(now.name, was->name);
	assert_int_equal(now.pool, was->pool);
	for (int i = 0; i < 5000; i++) { /* the table follows the catalogue */
		if (try_read(world->manager, was->id, "file", 5000, seed, &world->err) !=
		    -ENOMEDIUM)
			break;
		usleep(1000);
	}
	expect_file(world, was->id, "file", 5000, seed);
}

/* Recovery may have it in a drive now and then. */
static struct rsm_medium wait_for_foreign(struct world *world, uint32_t slot)
{
	struct rsm_medium medium = { 0 };

	for (int i = 0; i < 5000 && medium.state != RSM_MEDIUM_FOREIGN; i++) {
		usleep(1000);
		(void)!rsm_medium_at(catalog_of(world), world->manager->libraries[0].id,
				     RSM_AT_SLOT, slot, &medium, &world->err);
	}
	assert_int_equal(medium.state, RSM_MEDIUM_FOREIGN);
	return medium;
}

static void two_with_exchanged_barcodes_are_found_again(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	struct rsm_medium monday = medium_of(world, given_written(world, pool, "monday", 1));
	struct rsm_medium tuesday = medium_of(world, given_written(world, pool, "tuesday", 2));
	char one[64], other[64];

	wait_until_home(world);
	folder_of(world, monday.id, one);
	folder_of(world, tuesday.id, other);
	exchange_tapes(world, one, other);

	assert_int_equal(try_read(world->manager, monday.id, "file", 5000, 1, &world->err),
			 -EMEDIUMTYPE);
	assert_non_null(strstr(world->err.msg, tuesday.volume_uuid));
	assert_non_null(strstr(world->err.msg, monday.volume_uuid));
	assert_int_equal(count_events(world, "event=wrong_label", tuesday.volume_uuid) > 0, 1);
	assert_int_equal(count_events(world, "event=wrong_label", monday.volume_uuid) > 0, 1);
	expect_again(world, &monday, 1);
	expect_again(world, &tuesday, 2);
}

static void a_stranger_in_the_place_of_a_cartridge_is_known_as_what_it_is(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	struct rsm_medium monday = medium_of(world, given_written(world, pool, "monday", 1)), found;
	char folder[64];

	wait_until_home(world);
	monday = medium_of(world, monday.id);
	folder_of(world, monday.id, folder);
	move_folder(world, folder, "shelf/.away");
	snprintf(world->err.msg, sizeof world->err.msg, "%s/%s", world->folder, folder);
	assert_int_equal(mkdir(world->err.msg, 0755), 0);
	write_tape(world, folder, "AMANDA: TAPESTART DATE 20260102 TAPE daily-07\n", 46);

	/* what is to be written meanwhile stays on disk */
	write_file(world, monday.id, "later", 100, 3);
	found = wait_for_foreign(world, monday.element);
	assert_int_equal(medium_of(world, monday.id).location, RSM_AT_OFFLINE);
	assert_string_equal(medium_of(world, monday.id).lmid, monday.lmid);
	assert_string_equal(found.label_type, "Amanda");
	assert_string_equal(found.label_info, "daily-07");
	assert_string_equal(found.barcode, monday.barcode);

	assert_int_equal(try_read(world->manager, monday.id, "file", 5000, 1, &world->err),
			 -ENOMEDIUM);
	expect_file(world, monday.id, "later", 100, 3);

	/* the right one comes home under any barcode */
	move_folder(world, "shelf/.away", "slots/1008/A00077L8");
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, false, NULL, NULL, NULL, &world->err),
		&world->err);
	expect_again(world, &monday, 1);
	assert_done(rsm_manager_sync_wait(world->manager, monday.id, NULL, NULL, NULL, &world->err),
		    &world->err);
	expect_file(world, monday.id, "later", 100, 3);
}

static void
FAST_inventory_after_two_without_barcodes_changed_places_the_label_check_finds_both(void **state)
{
	struct world *world = *state;
	struct rsm_medium monday, tuesday;
	char one[64], other[64];
	int64_t pool;

	world_stop(world);
	snprintf(world->err.msg, sizeof world->err.msg, "%s/catalog", world->folder);
	assert_done(rsm_file_remove_tree(world->err.msg, &world->err), &world->err);
	move_folder(world, "slots/1001/A00001L8", "slots/1001/no label 1");
	move_folder(world, "slots/1002/A00002L8", "slots/1002/no label 2");
	world_start(world);
	pool = given_pool(world, "Backup");
	wait_until_identified(world);
	wait_until_home(world);
	{
		struct rsm_allocation allocation = { .pool = pool, .mode = 0755 };

		for (uint32_t slot = 1001; slot <= 1002; slot++) {
			struct rsm_medium *medium = slot == 1001 ? &monday : &tuesday;

			allocation.medium = medium_at(world, slot).id;
			allocation.name = slot == 1001 ? "monday" : "tuesday";
			assert_done(rsm_manager_allocate(world->manager, &allocation, medium,
							 &world->err),
				    &world->err);
			assert_string_equal(medium->barcode, "");
			write_file(world, medium->id, "file", 5000, slot);
			assert_done(rsm_manager_sync_wait(world->manager, medium->id, NULL, NULL,
							  NULL, &world->err),
				    &world->err);
		}
	}
	wait_until_home(world);
	monday = medium_of(world, monday.id);
	tuesday = medium_of(world, tuesday.id);
	snprintf(one, sizeof one, "slots/%u/no label 1", monday.element);
	snprintf(other, sizeof other, "slots/%u/no label 2", tuesday.element);
	exchange_tapes(world, one, other);

	/* nobody notices but the event */
	expect_file(world, monday.id, "file", 5000, 1001);
	assert_int_equal(count_events(world, "event=wrong_label", tuesday.volume_uuid) > 0, 1);
	expect_file(world, tuesday.id, "file", 5000, 1002);
	wait_until_home(world);
	assert_int_equal(medium_of(world, monday.id).element, tuesday.element);
	assert_int_equal(medium_of(world, tuesday.id).element, monday.element);
}

/* ---- what is written on ---- */

static void expect_untouched(struct world *world, const char *folder, const char *record)
{
	char path[200], bytes[256] = "";
	FILE *file;

	snprintf(path, sizeof path, "%s/%s/partition0.tap", world->folder, folder);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fread(bytes, 1, 4 + strlen(record), file), 4 + strlen(record));
	fclose(file);
	assert_memory_equal(bytes + 4, record, strlen(record));
}

static void a_barcode_alone_never_makes_rsmfs_write(void **state)
{
	static const char backup[] = "somebody's only backup";
	struct world *world = *state;
	struct rsm_allocation allocation = { .name = "monday", .mode = 0755 };
	struct rsm_medium medium;

	wait_until_home(world);
	write_tape(world, "slots/1001/A00001L8", backup, 22);
	allocation.pool = given_pool(world, "Backup");
	allocation.medium = medium_at(world, 1001).id;
	assert_done(rsm_manager_allocate(world->manager, &allocation, &medium, &world->err),
		    &world->err);
	write_file(world, medium.id, "file", 5000, 1);
	assert_int_equal(
		rsm_manager_sync_wait(world->manager, medium.id, NULL, NULL, NULL, &world->err),
		-EMEDIUMTYPE);
	wait_until_home(world);
	expect_untouched(world, "slots/1001/A00001L8", backup);
}

static void no_free_label_is_written_on_a_medium_whose_label_was_not_just_read(void **state)
{
	static const char known[] = "AMANDA: TAPESTART DATE 20260102 TAPE daily-07\n";
	static const char other[] = "AMANDA: TAPESTART DATE 20260103 TAPE daily-08\n";
	struct world *world = *state;
	struct rsm_medium medium;

	wait_until_home(world);
	write_tape(world, "slots/1001/A00001L8", known, sizeof known - 1);
	assert_done(rsm_manager_identify_slot(world->manager, 0, 1001, NULL, &medium, &world->err),
		    &world->err);
	wait_until_home(world);
	write_tape(world, "slots/1001/A00001L8", other, sizeof other - 1);
	assert_done(rsm_manager_free_medium(world->manager, medium.id, &world->err), &world->err);
	assert_int_equal(
		rsm_manager_sync_wait(world->manager, medium.id, NULL, NULL, NULL, &world->err),
		-EMEDIUMTYPE);
	wait_until_home(world);
	expect_untouched(world, "slots/1001/A00001L8", other);
	assert_string_equal(medium_of(world, medium.id).label_info, "daily-08");

	/* now it is known: it was asked for */
	assert_done(rsm_manager_free_medium(world->manager, medium.id, &world->err), &world->err);
	assert_done(rsm_manager_sync_wait(world->manager, medium.id, NULL, NULL, NULL, &world->err),
		    &world->err);
	assert_int_equal(medium_of(world, medium.id).state, RSM_MEDIUM_AVAILABLE);
}

static void deallocation_while_off_line_succeeds_and_what_returns_is_free(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	struct rsm_medium monday = medium_of(world, given_written(world, pool, "monday", 1)), again;
	struct rsm_allocation allocation = { .pool = pool, .name = "again", .mode = 0755 };
	char folder[64];

	wait_until_home(world);
	folder_of(world, monday.id, folder);
	move_folder(world, folder, "shelf/.away");
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, false, NULL, NULL, NULL, &world->err),
		&world->err);
	assert_int_equal(medium_of(world, monday.id).location, RSM_AT_OFFLINE);
	assert_done(rsm_manager_deallocate(world->manager, monday.id, true, &world->err),
		    &world->err);

	move_folder(world, "shelf/.away", folder);
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, true, NULL, NULL, NULL, &world->err),
		&world->err);
	assert_int_equal(medium_of(world, monday.id).state, RSM_MEDIUM_UNPREPARED);
	allocation.medium = monday.id;
	assert_done(rsm_manager_allocate(world->manager, &allocation, &again, &world->err),
		    &world->err);
	assert_string_not_equal(again.volume_uuid, monday.volume_uuid);
	assert_string_not_equal(again.lmid, monday.lmid);
	write_file(world, again.id, "new", 5000, 2);
	assert_done(rsm_manager_sync_wait(world->manager, again.id, NULL, NULL, NULL, &world->err),
		    &world->err);
	expect_file(world, again.id, "new", 5000, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(a_large_library_is_usable_before_it_has_been_looked_through,
					make_many, world_free),
	cmocka_unit_test_setup_teardown(
		who_wants_a_cartridge_goes_before_the_next_slot_of_an_inventory, make_some,
		world_free),
	cmocka_unit_test_setup_teardown(
		a_full_inventory_loads_each_cartridge_once_and_can_be_stopped, make_some,
		world_free),
	T(one_slot_is_identified_when_asked),
	T(two_with_exchanged_barcodes_are_found_again),
	T(a_stranger_in_the_place_of_a_cartridge_is_known_as_what_it_is),
	T(FAST_inventory_after_two_without_barcodes_changed_places_the_label_check_finds_both),
	T(a_barcode_alone_never_makes_rsmfs_write),
	T(no_free_label_is_written_on_a_medium_whose_label_was_not_just_read),
	T(deallocation_while_off_line_succeeds_and_what_returns_is_free),
};
RSM_TEST_MAIN(tests)
