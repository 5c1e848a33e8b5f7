#include "core/allocation.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "core/acl_text.h"

#include "tests/core/catalog_fixture.h"

static void an_allocation_is_a_new_logical_medium(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium, again;
	char lmid[RSM_GUID_SIZE];

	given_free_cartridges(f, 1);
	medium = given_allocated(f, pool.id, "monday");

	assert_int_equal(medium.state, RSM_MEDIUM_ALLOCATED);
	assert_int_equal(medium.label_work, RSM_LABEL_FORMAT);
	assert_string_equal(medium.name, "monday");
	assert_int_equal(medium.mode, 0750);
	assert_int_equal(medium.owner, 1000);
	assert_int_equal(strlen(medium.volume_uuid), 36);
	assert_in_pool(f, &medium, "Backup");
	assert_int_equal(pool_at(f, "Backup").allocated, 1);
	assert_int_equal(pool_at(f, "Free/LTO-8").media, 0);
	assert_done(rsm_medium_find(f->catalog, pool.id, "monday", &again, &f->err), &f->err);
	assert_int_equal(again.id, medium.id);

	strcpy(lmid, medium.lmid);
	formatted(f, medium.id);
	assert_done(rsm_deallocate(f->catalog, medium.id, false, &medium, &f->err), &f->err);
	assert_string_equal(medium.lmid, "");
	assert_string_equal(medium.volume_uuid, "");
	assert_string_equal(medium.old_uuid, again.volume_uuid);
	assert_int_equal(medium.state, RSM_MEDIUM_UNPREPARED);
	assert_in_pool(f, &medium, "Free/LTO-8");
	again = given_allocated(f, pool.id, "monday");
	assert_int_equal(again.id, medium.id);
	assert_string_not_equal(again.lmid, lmid);
	assert_true(again.format_generation > medium.format_generation);
}

static void the_pools_own_media_come_before_free_ones(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");

	given_free_cartridges(f, 3);
	assert_done(rsm_medium_move_pool(f->catalog, medium_of(f, "A00003L8").id, pool.id, &f->err),
		    &f->err);

	assert_string_equal(given_allocated(f, pool.id, "one").barcode, "A00003L8");
	assert_string_equal(given_allocated(f, pool.id, "two").barcode, "A00001L8");
}

static void unused_come_before_used_and_restorable_ones_last(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium one, two;

	given_free_cartridges(f, 4);
	one = given_allocated(f, pool.id, "one");
	two = given_allocated(f, pool.id, "two");
	formatted(f, one.id);
	formatted(f, two.id);
	assert_done(rsm_deallocate(f->catalog, one.id, true, NULL, &f->err), &f->err);
	assert_done(rsm_deallocate(f->catalog, two.id, false, NULL, &f->err), &f->err);

	assert_string_equal(given_allocated(f, pool.id, "a").barcode, "A00003L8");
	assert_string_equal(given_allocated(f, pool.id, "b").barcode, "A00004L8");
	assert_string_equal(given_allocated(f, pool.id, "c").barcode, "A00002L8");
	assert_string_equal(given_allocated(f, pool.id, "d").barcode, "A00001L8");
}

static void an_idle_one_in_a_drive_and_the_least_mounted_are_preferred(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium;

	given_free_cartridges(f, 4);
	assert_done(rsm_medium_set_location(f->catalog, medium_of(f, "A00003L8").id, f->library,
					    RSM_AT_DRIVE, 256, &f->err),
		    &f->err);
	medium = medium_of(f, "A00001L8");
	assert_done(rsm_medium_set_loaded(f->catalog, &medium, &f->err), &f->err);

	assert_string_equal(given_allocated(f, pool.id, "a").barcode, "A00003L8");
	assert_string_equal(given_allocated(f, pool.id, "b").barcode, "A00002L8");
	assert_string_equal(given_allocated(f, pool.id, "c").barcode, "A00004L8");
	assert_string_equal(given_allocated(f, pool.id, "d").barcode, "A00001L8");
}

static void then_the_longest_unused_is_preferred(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	int64_t media[3];

	given_free_cartridges(f, 3);
	for (int i = 0; i < 3; i++) {
		char name[2] = { (char)('a' + i) };

		media[i] = given_allocated(f, pool.id, name).id;
	}
	for (int i = 2; i >= 0; i--) {
		assert_done(rsm_deallocate(f->catalog, media[i], false, NULL, &f->err), &f->err);
		usleep(2000);
	}

	assert_int_equal(given_allocated(f, pool.id, "x").id, media[2]);
	assert_int_equal(given_allocated(f, pool.id, "y").id, media[1]);
}

static void a_name_that_is_an_available_barcode_takes_that_one(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");

	given_free_cartridges(f, 3);

	assert_string_equal(given_allocated(f, pool.id, "A00002L8").barcode, "A00002L8");
	/* of one that is not available, it is a name like others */
	assert_done(
		rsm_allocation_move(f->catalog, medium_of(f, "A00002L8").id, pool.id, "x", &f->err),
		&f->err);
	assert_string_equal(given_allocated(f, pool.id, "A00002L8").barcode, "A00001L8");
}

static void without_a_name_it_is_called_by_its_barcode(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");

	given_free_cartridges(f, 2);
	given_allocated(f, pool.id, "A00002L8");
	assert_done(rsm_allocation_move(f->catalog, medium_of(f, "A00002L8").id, pool.id,
					"A00001L8", &f->err),
		    &f->err);

	assert_string_equal(given_allocated(f, pool.id, NULL).name, "A00001L8~2");
}

static void what_cannot_be_chosen_is_not_chosen(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium;
	int64_t disabled, offline, worn;

	given_free_cartridges(f, 3);
	disabled = medium_of(f, "A00001L8").id;
	offline = medium_of(f, "A00002L8").id;
	worn = medium_of(f, "A00003L8").id;
	assert_done(rsm_medium_set_enabled(f->catalog, disabled, false, &f->err), &f->err);
	assert_done(rsm_medium_set_location(f->catalog, offline, 0, RSM_AT_OFFLINE, 0, &f->err),
		    &f->err);
	assert_done(rsm_medium_decommission(f->catalog, worn, &f->err), &f->err);

	assert_int_equal(allocate(f, pool.id, "a", &medium), -ENOSPC);
	assert_int_equal(allocate(f, pool.id, "A00001L8", &medium), -ENOSPC);
	struct rsm_allocation wanted = { .pool = pool.id, .medium = disabled };
	assert_int_equal(rsm_allocate(f->catalog, &wanted, &medium, &f->err), -ENODEV);
	wanted.medium = offline;
	assert_int_equal(rsm_allocate(f->catalog, &wanted, &medium, &f->err), -ENOMEDIUM);
	wanted.medium = worn;
	assert_int_equal(rsm_allocate(f->catalog, &wanted, &medium, &f->err), -EPERM);
	assert_done(rsm_medium_set_enabled(f->catalog, disabled, true, &f->err), &f->err);
	assert_done(rsm_library_set_enabled(f->catalog, f->library, false, &f->err), &f->err);
	assert_int_equal(allocate(f, pool.id, "a", &medium), -ENOSPC);
	assert_done(rsm_library_set_enabled(f->catalog, f->library, true, &f->err), &f->err);
	assert_done(allocate(f, pool.id, "a", &medium), &f->err);
}

static void refusals_say_why(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup"), nine = { 0 };
	struct rsm_medium medium;
	struct rsm_allocation wanted = { 0 };

	given_free_cartridges(f, 3);
	strcpy(nine.name, "Nine");
	strcpy(nine.media_type, "LTO-9");
	nine.holds = RSM_POOL_HOLDS_MEDIA;
	nine.draw_from_free = true;
	assert_done(rsm_pool_create(f->catalog, &nine, &f->err), &f->err);
	given_allocated(f, pool.id, "monday");

	assert_int_equal(allocate(f, pool.id, "monday", &medium), -EEXIST);
	assert_int_equal(allocate(f, pool.id, ".hidden", &medium), -EPERM);
	assert_int_equal(allocate(f, pool_at(f, "Free/LTO-8").id, "x", &medium), -EPERM);
	assert_int_equal(allocate(f, 9999, "x", &medium), -ENOENT);
	assert_int_equal(allocate(f, nine.id, "x", &medium), -ENOSPC);
	wanted.pool = nine.id;
	wanted.barcode = "A00002L8";
	assert_int_equal(rsm_allocate(f->catalog, &wanted, &medium, &f->err), -EMEDIUMTYPE);
	wanted.pool = pool.id;
	wanted.barcode = "A00001L8";
	assert_int_equal(rsm_allocate(f->catalog, &wanted, &medium, &f->err), -EBUSY);
	wanted.barcode = "Z00001L8";
	assert_int_equal(rsm_allocate(f->catalog, &wanted, &medium, &f->err), -ENOENT);
	pool.allocation_limit = 1;
	assert_done(rsm_pool_update(f->catalog, &pool, &f->err), &f->err);
	assert_int_equal(allocate(f, pool.id, "tuesday", &medium), -EDQUOT);
	pool.allocation_limit = 0;
	pool.draw_from_free = false;
	assert_done(rsm_pool_update(f->catalog, &pool, &f->err), &f->err);
	assert_int_equal(allocate(f, pool.id, "tuesday", &medium), -ENOSPC);
}

struct racer {
	struct fixture *f;
	int64_t pool, medium;
	int number, r;
};

static void acls_are_there_when_it_is(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	RSM_TEXT struct rsm_text access = { 0 }, inherited = { 0 }, found = { 0 };
	struct rsm_allocation wanted = {
		.pool = pool.id, .name = "monday", .access_acl = &access, .default_acl = &inherited
	};
	struct rsm_medium medium;

	given_free_cartridges(f, 1);
	rsm_text_add(&access, "who may");
	rsm_text_add(&inherited, "");
	assert_done(rsm_allocate(f->catalog, &wanted, &medium, &f->err), &f->err);
	reopen(f);

	assert_done(
		rsm_catalog_get_xattr(f->catalog, 'm', medium.id, RSM_ACL_ACCESS, &found, &f->err),
		&f->err);
	assert_string_equal(found.data, "who may");
	assert_int_equal(
		rsm_catalog_get_xattr(f->catalog, 'm', medium.id, RSM_ACL_DEFAULT, &found, &f->err),
		RSM_POOL_ABSENT);
	assert_done(rsm_deallocate(f->catalog, medium.id, false, NULL, &f->err), &f->err);
	medium = given_allocated(f, pool.id, "tuesday");
	assert_int_equal(
		rsm_catalog_get_xattr(f->catalog, 'm', medium.id, RSM_ACL_ACCESS, &found, &f->err),
		RSM_POOL_ABSENT);
}

static void what_waits_for_its_free_label_is_taken_only_if_a_format_will_do(void **state)
{
	const struct rsm_identification foreign = { .identity = RSM_IS_FOREIGN,
						    .label_type = "ANSI VOL1" };
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium;
	bool erased = true;

	given_free_cartridges(f, 1);
	medium = medium_of(f, "A00001L8");
	identify(f, medium.id, &foreign, &medium);
	assert_done(rsm_medium_free(f->catalog, medium.id, &f->err), &f->err);
	assert_int_equal(allocate(f, pool.id, "monday", &medium), -ENOSPC);
	assert_int_equal(allocate(f, pool.id, "A00001L8", &medium), -ENOSPC);
	assert_done(rsm_medium_set_label_work(f->catalog, medium_of(f, "A00001L8").id, NULL,
					      RSM_LABEL_FREE, RSM_LABEL_NONE, &f->err),
		    &f->err);

	medium = given_allocated(f, pool.id, "monday");
	formatted(f, medium.id);
	assert_done(rsm_deallocate(f->catalog, medium.id, false, NULL, &f->err), &f->err);
	assert_done(rsm_medium_free(f->catalog, medium.id, &f->err), &f->err);
	medium = given_allocated(f, pool.id, "monday");
	assert_done(rsm_deallocate(f->catalog, medium.id, false, NULL, &f->err), &f->err);

	assert_done(rsm_medium_free_with(f->catalog, medium.id, RSM_FREEING_ERASES, &f->err),
		    &f->err);
	assert_int_equal(allocate(f, pool.id, "monday", &medium), -ENOSPC);
	medium = medium_of(f, "A00001L8");
	/* a free label that was under way already does not stand for it */
	assert_done(rsm_medium_set_label_work(f->catalog, medium.id, NULL, RSM_LABEL_FREE,
					      RSM_LABEL_NONE, &f->err),
		    &f->err);
	assert_done(rsm_medium_is_to_be_erased(f->catalog, medium.id, &erased, &f->err), &f->err);
	assert_true(erased);
	assert_int_equal(medium_of(f, "A00001L8").label_work, RSM_LABEL_FREE);
	assert_done(rsm_medium_note_erased(f->catalog, medium.id, &f->err), &f->err);
	assert_done(rsm_medium_set_label_work(f->catalog, medium.id, NULL, RSM_LABEL_FREE,
					      RSM_LABEL_NONE, &f->err),
		    &f->err);
	assert_int_equal(medium_of(f, "A00001L8").label_work, RSM_LABEL_NONE);
	medium = given_allocated(f, pool.id, "monday");
	assert_done(rsm_medium_is_to_be_erased(f->catalog, medium.id, &erased, &f->err), &f->err);
	assert_false(erased);
}

/* Promise 2 of rsm-model.md 20; that ids of sides survive the catalogue is test_manager_media.c's.
 */
static void an_lmid_seen_once_never_names_another_allocation_and_a_side_keeps_its_id(void **state)
{
	enum { ROUNDS = 40 };
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup"), other = given_pool(f, "Other");
	char seen[ROUNDS][RSM_GUID_SIZE], guid[RSM_GUID_SIZE];
	struct rsm_medium medium;
	int64_t id;

	given_free_cartridges(f, 1);
	id = medium_of(f, "A00001L8").id;
	strcpy(guid, medium_of(f, "A00001L8").guid);
	for (int i = 0; i < ROUNDS; i++) {
		medium = given_allocated(f, pool.id, "monday");
		for (int k = 0; k < i; k++)
			assert_string_not_equal(medium.lmid, seen[k]);
		strcpy(seen[i], medium.lmid);
		formatted(f, id);
		assert_done(rsm_allocation_move(f->catalog, id, other.id, "x", &f->err), &f->err);
		if (i % 2) {
			assert_done(rsm_medium_set_location(f->catalog, id, 0, RSM_AT_OFFLINE, 0,
							    &f->err),
				    &f->err);
			assert_done(rsm_medium_set_location(f->catalog, id, f->library, RSM_AT_SLOT,
							    1001 + (uint32_t)i, &f->err),
				    &f->err);
		}
		medium = medium_of(f, "A00001L8");
		assert_string_equal(medium.lmid, seen[i]);
		assert_done(rsm_deallocate(f->catalog, id, i % 3, NULL, &f->err), &f->err);
		if (i % 5 == 0)
			reopen(f);
		assert_int_equal(medium_of(f, "A00001L8").id, id);
		assert_string_equal(medium_of(f, "A00001L8").guid, guid);
	}
}

static void *race(void *context)
{
	struct racer *racer = context;
	struct rsm_allocation wanted = { .pool = racer->pool };
	struct rsm_medium medium;
	struct rsm_err err;
	char name[16];

	sprintf(name, "n%d", racer->number);
	wanted.name = name;
	racer->r = rsm_allocate(racer->f->catalog, &wanted, &medium, &err);
	racer->medium = racer->r == 0 ? medium.id : 0;
	return NULL;
}

/* Promise 1: two allocations at one instant never return one side; */
static void fifty_at_once_never_get_the_same_one(void **state)
{
	struct fixture *f = *state;
	struct racer racers[50];
	pthread_t threads[50];
	int won = 0;

	given_free_cartridges(f, 16);
	struct rsm_pool pool = given_pool(f, "Backup");
	for (int i = 0; i < 50; i++) {
		racers[i] = (struct racer){ .f = f, .pool = pool.id, .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < 50; i++)
		pthread_join(threads[i], NULL);

	for (int i = 0; i < 50; i++) {
		if (racers[i].r != 0) {
			assert_int_equal(racers[i].r, -ENOSPC);
			continue;
		}
		won++;
		for (int j = 0; j < i; j++)
			assert_int_not_equal(racers[i].medium, racers[j].medium);
	}
	assert_int_equal(won, 16);
	assert_int_equal(pool_at(f, "Backup").allocated, 16);
}

static void fifty_for_one_name_make_one(void **state)
{
	struct fixture *f = *state;
	struct racer racers[50];
	pthread_t threads[50];
	int won = 0;

	given_free_cartridges(f, 16);
	struct rsm_pool pool = given_pool(f, "Backup");
	for (int i = 0; i < 50; i++) {
		racers[i] = (struct racer){ .f = f, .pool = pool.id };
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < 50; i++)
		pthread_join(threads[i], NULL);

	for (int i = 0; i < 50; i++) {
		won += racers[i].r == 0;
		assert_true(racers[i].r == 0 || racers[i].r == -EEXIST);
	}
	assert_int_equal(won, 1);
}

static _Noreturn void allocate_for_ever(struct fixture *f, int64_t pool)
{
	struct rsm_catalog *catalog;
	struct rsm_medium medium;
	struct rsm_err err;

	if (rsm_catalog_open(f->folder, rsm_clock_real(), &catalog, &err) < 0 ||
	    rsm_library_register(catalog, "/lib", "virtual", NULL, &f->library, &err) < 0)
		_exit(1);
	for (;;) {
		struct rsm_allocation wanted = { .pool = pool };

		if (rsm_allocate(catalog, &wanted, &medium, &err) < 0 ||
		    rsm_deallocate(catalog, medium.id, false, NULL, &err) < 0)
			_exit(1);
	}
}

struct tally {
	unsigned all, odd;
	int64_t allocated;
};

static bool tally(void *context, const struct rsm_medium *medium)
{
	struct tally *tally = context;

	tally->all++;
	if ((medium->state == RSM_MEDIUM_ALLOCATED) != (medium->lmid[0] != '\0'))
		tally->odd++;
	if (medium->lmid[0])
		tally->allocated = medium->id;
	return true;
}

/* ... a crash between "moved into the pool" and "allocated" leaves it in one of the two. */
static void a_killed_process_leaves_each_medium_in_one_pool(void **state)
{
	struct fixture *f = *state;
	int64_t pool = given_pool(f, "Backup").id;

	given_free_cartridges(f, 4);
	rsm_catalog_close(f->catalog);
	f->catalog = NULL;
	for (int round = 0; round < 12; round++) {
		struct tally sum = { 0 };
		struct rsm_pool mine, spare;
		int status;
		pid_t child = fork();

		if (child == 0)
			allocate_for_ever(f, pool);
		usleep(15000 + 3701 * (useconds_t)round);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));

		reopen(f);
		mine = pool_at(f, "Backup");
		spare = pool_at(f, "Free/LTO-8");
		assert_int_equal(mine.media + spare.media, 4);
		assert_true(mine.allocated == mine.media && mine.media <= 1);
		assert_done(rsm_medium_list_all(f->catalog, 0, tally, &sum, &f->err), &f->err);
		assert_int_equal(sum.all, 4);
		assert_int_equal(sum.odd, 0);
		if (sum.allocated)
			assert_done(rsm_deallocate(f->catalog, sum.allocated, false, NULL, &f->err),
				    &f->err);
		rsm_catalog_close(f->catalog);
		f->catalog = NULL;
	}
	reopen(f);
}

/* Promise 16. */
static void a_worn_out_side_is_decommissioned_and_never_allocated(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium;

	given_free_cartridges(f, 1);
	pool.max_allocations = 2;
	assert_done(rsm_pool_update(f->catalog, &pool, &f->err), &f->err);
	for (int i = 0; i < 2; i++) {
		medium = given_allocated(f, pool.id, "monday");
		assert_done(rsm_deallocate(f->catalog, medium.id, false, &medium, &f->err),
			    &f->err);
	}

	assert_int_equal(medium.state, RSM_MEDIUM_DECOMMISSIONED);
	assert_in_pool(f, &medium, "Backup");
	assert_int_equal(pool_at(f, "Backup").media, 1);
	assert_int_equal(allocate(f, pool.id, "monday", &medium), -ENOSPC);
	assert_int_equal(rsm_medium_free(f->catalog, medium.id, &f->err), -EPERM);
}

static void deallocation_needs_no_presence(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, pool.id, "monday");
	assert_done(rsm_medium_set_location(f->catalog, medium.id, 0, RSM_AT_OFFLINE, 0, &f->err),
		    &f->err);
	assert_done(rsm_deallocate(f->catalog, medium.id, false, &medium, &f->err), &f->err);
	assert_in_pool(f, &medium, "Free/LTO-8");
	assert_int_equal(rsm_deallocate(f->catalog, medium.id, false, &medium, &f->err), -EINVAL);
}

static void never_formatted_it_still_holds_what_it_held(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium;
	char first[RSM_GUID_SIZE];

	given_free_cartridges(f, 1);
	medium = given_allocated(f, pool.id, "a");
	formatted(f, medium.id);
	strcpy(first, medium.volume_uuid);
	assert_done(rsm_deallocate(f->catalog, medium.id, true, NULL, &f->err), &f->err);
	medium = given_allocated(f, pool.id, "b");
	assert_done(rsm_deallocate(f->catalog, medium.id, false, &medium, &f->err), &f->err);
	assert_string_equal(medium.old_uuid, first);
	medium = given_allocated(f, pool.id, "c");
	assert_done(rsm_deallocate(f->catalog, medium.id, true, &medium, &f->err), &f->err);
	assert_string_equal(medium.old_uuid, first);
}

static void a_move_keeps_the_logical_medium(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup"), other = given_pool(f, "Archive");
	struct rsm_medium medium, moved;

	given_free_cartridges(f, 2);
	medium = given_allocated(f, pool.id, "monday");
	given_allocated(f, other.id, "taken");
	formatted(f, medium.id);

	assert_int_equal(rsm_allocation_move(f->catalog, medium.id, other.id, "taken", &f->err),
			 -EEXIST);
	assert_int_equal(rsm_allocation_move(f->catalog, medium.id, pool_at(f, "Free/LTO-8").id,
					     "x", &f->err),
			 -EPERM);
	assert_done(rsm_allocation_move(f->catalog, medium.id, other.id, "friday", &f->err),
		    &f->err);
	assert_done(rsm_medium_find(f->catalog, other.id, "friday", &moved, &f->err), &f->err);
	assert_string_equal(moved.lmid, medium.lmid);
	assert_int_equal(moved.label_work, RSM_LABEL_UPDATE);
	assert_int_equal(pool_at(f, "Backup").media, 0);
	assert_int_equal(pool_at(f, "Archive").allocated, 2);
	other.allocation_limit = 2;
	assert_done(rsm_pool_update(f->catalog, &other, &f->err), &f->err);
	assert_done(rsm_allocation_move(f->catalog, medium.id, other.id, "again", &f->err),
		    &f->err);
}

static void a_swap_exchanges_what_is_under_the_names(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium one, two, after;

	given_free_cartridges(f, 2);
	one = given_allocated(f, pool.id, "one");
	two = given_allocated(f, pool.id, "two");
	formatted(f, one.id);
	assert_done(rsm_catalog_set_xattr(f->catalog, 'm', one.id, "system.posix_acl_access", "a",
					  1, 0, &f->err),
		    &f->err);
	assert_done(rsm_allocation_swap(f->catalog, one.id, two.id, &f->err), &f->err);

	assert_done(rsm_medium_find(f->catalog, pool.id, "one", &after, &f->err), &f->err);
	assert_int_equal(after.id, two.id);
	assert_string_equal(after.lmid, one.lmid);
	assert_string_equal(after.volume_uuid, two.volume_uuid);
	assert_int_equal(after.label_work, RSM_LABEL_FORMAT);
	assert_done(rsm_medium_get(f->catalog, one.id, &after, &f->err), &f->err);
	assert_string_equal(after.name, "two");
	assert_int_equal(after.label_work, RSM_LABEL_UPDATE);
	assert_done(rsm_catalog_set_xattr(f->catalog, 'm', two.id, "system.posix_acl_access", "b",
					  1, 2 /* XATTR_REPLACE */, &f->err),
		    &f->err);
}

static void complete_survives_a_restart(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium, after;

	given_free_cartridges(f, 2);
	medium = given_allocated(f, pool.id, "monday");
	assert_done(rsm_allocation_complete(f->catalog, medium.id, &f->err), &f->err);
	assert_int_equal(rsm_allocation_complete(f->catalog, medium.id, &f->err), -EINVAL);
	assert_int_equal(rsm_medium_free(f->catalog, medium.id, &f->err), -EBUSY);
	assert_int_equal(rsm_medium_decommission(f->catalog, medium.id, &f->err), -EINVAL);
	reopen(f);

	assert_done(rsm_medium_find(f->catalog, pool.id, "monday", &after, &f->err), &f->err);
	assert_int_equal(after.state, RSM_MEDIUM_COMPLETE);
	assert_string_equal(after.lmid, medium.lmid);
	assert_int_equal(after.element, medium.element);
	assert_int_equal(after.owner, 1000);
	assert_true(after.created.tv_sec == medium.created.tv_sec &&
		    after.created.tv_nsec == medium.created.tv_nsec);
}

static void label_work_that_is_no_longer_wanted_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, pool.id, "monday");
	assert_done(rsm_deallocate(f->catalog, medium.id, false, NULL, &f->err), &f->err);
	formatted(f, medium.id);
	assert_done(rsm_medium_get(f->catalog, medium.id, &medium, &f->err), &f->err);
	assert_string_not_equal(medium.label_type, "LTFS");

	assert_done(rsm_medium_free(f->catalog, medium.id, &f->err), &f->err);
	assert_done(rsm_medium_set_label_work(f->catalog, medium.id, NULL, RSM_LABEL_FREE,
					      RSM_LABEL_NONE, &f->err),
		    &f->err);
	assert_done(rsm_medium_get(f->catalog, medium.id, &medium, &f->err), &f->err);
	assert_int_equal(medium.state, RSM_MEDIUM_AVAILABLE);
	assert_string_equal(medium.label_type, "RSMFS FREE");
	assert_string_equal(medium.old_uuid, "");
}

int main(int argc, char **argv)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		EACH(an_allocation_is_a_new_logical_medium),
		EACH(the_pools_own_media_come_before_free_ones),
		EACH(unused_come_before_used_and_restorable_ones_last),
		EACH(an_idle_one_in_a_drive_and_the_least_mounted_are_preferred),
		EACH(then_the_longest_unused_is_preferred),
		EACH(a_name_that_is_an_available_barcode_takes_that_one),
		EACH(without_a_name_it_is_called_by_its_barcode),
		EACH(what_cannot_be_chosen_is_not_chosen),
		EACH(refusals_say_why),
		EACH(acls_are_there_when_it_is),
		EACH(what_waits_for_its_free_label_is_taken_only_if_a_format_will_do),
		EACH(an_lmid_seen_once_never_names_another_allocation_and_a_side_keeps_its_id),
		EACH(fifty_at_once_never_get_the_same_one),
		EACH(fifty_for_one_name_make_one),
		EACH(a_killed_process_leaves_each_medium_in_one_pool),
		EACH(a_worn_out_side_is_decommissioned_and_never_allocated),
		EACH(deallocation_needs_no_presence),
		EACH(never_formatted_it_still_holds_what_it_held),
		EACH(a_move_keeps_the_logical_medium),
		EACH(a_swap_exchanges_what_is_under_the_names),
		EACH(complete_survives_a_restart),
		EACH(label_work_that_is_no_longer_wanted_changes_nothing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
