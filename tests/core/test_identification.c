#include "tests/core/catalog_fixture.h"

static const struct rsm_identification blank = { .identity = RSM_IS_BLANK, .label_type = "blank" };
static const struct rsm_identification free_label = { .identity = RSM_IS_FREE,
						      .label_type = "RSMFS FREE" };
static const struct rsm_identification foreign = { .identity = RSM_IS_FOREIGN,
						   .label_type = "ANSI VOL1" };
static const struct rsm_identification unreadable = { .identity = RSM_IS_UNREADABLE,
						      .label_info = "medium error (03/11/00)" };

static struct rsm_identification ltfs(const char *uuid)
{
	return (struct rsm_identification){ .identity = RSM_IS_LTFS,
					    .label_type = "LTFS",
					    .label_info = "VOLUME",
					    .volume_uuid = uuid,
					    .index_generation = 7 };
}

static struct rsm_identification ours(const char *uuid, const char *pool, const char *name)
{
	struct rsm_identification found = ltfs(uuid);

	found.pool = pool;
	found.name = name;
	found.lmid = LMID_A;
	found.mode = 0700;
	found.owner = 1000;
	found.group = 100;
	found.has_owner = true;
	return found;
}

static struct rsm_medium given_unknown(struct fixture *f, const char *barcode)
{
	given_slot(f, (uint16_t)(1001 + f->element_count), barcode);
	reconcile(f);
	return medium_of(f, barcode);
}

static void each_label_has_its_place(void **state)
{
	struct fixture *f = *state;
	struct rsm_identification incompatible = { .identity = RSM_IS_INCOMPATIBLE };
	struct rsm_identification volume = ltfs(UUID_A), nonsense = ltfs("no uuid at all");
	const struct {
		const char *barcode;
		const struct rsm_identification *found;
		enum rsm_medium_state state;
		const char *pool;
	} table[] = {
		{ "A1L8", &free_label, RSM_MEDIUM_AVAILABLE, "Free/LTO-8" },
		{ "A2L8", &blank, RSM_MEDIUM_FOREIGN, "Unrecognized/LTO-8" },
		{ "A3L8", &foreign, RSM_MEDIUM_FOREIGN, "Unrecognized/LTO-8" },
		{ "A4L8", &unreadable, RSM_MEDIUM_FOREIGN, "Unrecognized/LTO-8" },
		{ "A5L8", &incompatible, RSM_MEDIUM_INCOMPATIBLE, "Unrecognized/LTO-8" },
		{ "A6L8", &volume, RSM_MEDIUM_IMPORT, "Import/LTO-8" },
		{ "A7L8", &nonsense, RSM_MEDIUM_FOREIGN, "Unrecognized/LTO-8" },
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct rsm_medium medium = given_unknown(f, table[i].barcode);

		assert_int_equal(medium.state, RSM_MEDIUM_UNKNOWN);
		identify(f, medium.id, table[i].found, &medium);
		assert_int_equal(medium.state, table[i].state);
		assert_in_pool(f, &medium, table[i].pool);
	}
	assert_string_equal(medium_of(f, "A4L8").health, "medium error (03/11/00)");
	assert_string_equal(medium_of(f, "A6L8").volume_uuid, UUID_A);
	assert_string_equal(medium_of(f, "A3L8").label_type, "ANSI VOL1");
}

static void our_keys_bring_back_pool_name_owner_and_lmid(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium = given_unknown(f, "A1L8");
	struct rsm_identification found = ours(UUID_A, "Archive/Film", "reel");

	found.state = "complete";
	identify(f, medium.id, &found, &medium);

	assert_int_equal(medium.state, RSM_MEDIUM_COMPLETE);
	assert_in_pool(f, &medium, "Archive/Film");
	assert_string_equal(medium.name, "reel");
	assert_string_equal(medium.lmid, LMID_A);
	assert_int_equal(medium.owner, 1000);
	assert_int_equal(medium.mode, 0700);
	assert_int_equal(medium.label_work, RSM_LABEL_NONE);
	assert_int_equal(medium.index_generation, 7);
	assert_int_equal(pool_at(f, "Archive").holds, RSM_POOL_HOLDS_POOLS);
}

static void a_taken_name_is_varied_and_the_medium_learns_it(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium one = given_unknown(f, "A1L8"), two = given_unknown(f, "A2L8");
	struct rsm_identification found = ours(UUID_A, "Archive", "reel");

	identify(f, one.id, &found, &one);
	found.volume_uuid = UUID_B;
	identify(f, two.id, &found, &two);

	assert_string_equal(two.name, "reel~2");
	assert_string_not_equal(two.lmid, LMID_A);
	assert_int_equal(two.label_work, RSM_LABEL_UPDATE);
}

static void a_pool_in_the_way_is_varied_too(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium = given_unknown(f, "A1L8");
	struct rsm_identification found = ours(UUID_A, "Backup/Film", "reel");

	given_pool(f, "Backup");
	identify(f, medium.id, &found, &medium);
	assert_in_pool(f, &medium, "Backup~2/Film");
}

static void keys_that_cannot_be_ours_make_an_import(void **state)
{
	static const char *const bad[][2] = {
		{ "../etc", "x" },	  { "Backup", "../x" }, { "Backup", ".hidden" },
		{ "Free/LTO-8", "x" },	  { "", "x" },		{ "Backup", "" },
		{ "Backup", "\xff\xfe" }, { "///", "x" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char barcode[16], uuid[RSM_GUID_SIZE] = UUID_A;
		struct rsm_identification found = ours(uuid, bad[i][0], bad[i][1]);
		struct rsm_medium medium;

		sprintf(barcode, "A%zuL8", i);
		uuid[35] = (char)('2' + i);
		medium = given_unknown(f, barcode);
		identify(f, medium.id, &found, &medium);
		if (strcmp(bad[i][0], "Free/LTO-8") == 0)
			assert_in_pool(f, &medium, "Free~2/LTO-8");
		else
			assert_int_equal(medium.state, RSM_MEDIUM_IMPORT);
	}
}

static void an_allocated_one_waits_for_its_format_whatever_free_label_it_bears(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, given_pool(f, "Backup").id, "monday");
	identify(f, medium.id, &free_label, &medium);
	assert_int_equal(medium.state, RSM_MEDIUM_ALLOCATED);
	identify(f, medium.id, &blank, &medium);
	assert_int_equal(medium.state, RSM_MEDIUM_ALLOCATED);
	assert_int_equal(medium.label_work, RSM_LABEL_FORMAT);
	assert_string_equal(medium.health, "good");
}

static void a_format_that_was_not_noted_is_noted_when_seen(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium;
	struct rsm_identification found;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, given_pool(f, "Backup").id, "monday");
	found = ltfs(medium.volume_uuid);
	identify(f, medium.id, &found, &medium);
	assert_int_equal(medium.state, RSM_MEDIUM_ALLOCATED);
	assert_int_equal(medium.label_work, RSM_LABEL_UPDATE);
	assert_string_equal(medium.label_type, "LTFS");
}

/* Promise 4. */
static void a_wrong_label_never_takes_an_allocated_one_from_its_owner(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium;
	struct rsm_identification other = ltfs(UUID_A);
	const struct rsm_identification *wrong[] = { &other, &blank, &foreign, &unreadable };

	given_free_cartridges(f, 1);
	medium = given_allocated(f, given_pool(f, "Backup").id, "monday");
	formatted(f, medium.id);
	for (size_t i = 0; i < 4; i++) {
		identify(f, medium.id, wrong[i], &medium);
		assert_int_equal(medium.state, RSM_MEDIUM_ALLOCATED);
		assert_string_not_equal(medium.health, "good");
	}
	other = ltfs(medium.volume_uuid);
	identify(f, medium.id, &other, &medium);
	assert_string_equal(medium.health, "good");
}

static void a_deallocated_one_stays_free_under_its_old_label(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium;
	struct rsm_identification found;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, given_pool(f, "Backup").id, "monday");
	formatted(f, medium.id);
	assert_done(rsm_deallocate(f->catalog, medium.id, true, &medium, &f->err), &f->err);
	found = ours(medium.old_uuid, "Backup", "monday");

	identify(f, medium.id, &found, &medium);
	assert_in_pool(f, &medium, "Free/LTO-8");
	assert_int_equal(medium.state, RSM_MEDIUM_UNPREPARED);
	identify(f, medium.id, &unreadable, &medium);
	assert_in_pool(f, &medium, "Unrecognized/LTO-8");
	identify(f, medium.id, &found, &medium);
	assert_in_pool(f, &medium, "Free/LTO-8");
	identify(f, medium.id, &free_label, &medium);
	assert_int_equal(medium.state, RSM_MEDIUM_AVAILABLE);
	assert_string_equal(medium.old_uuid, "");
}

static void a_forgotten_one_comes_back_to_import(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium, gone, back;
	struct rsm_identification found;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, given_pool(f, "Backup").id, "monday");
	formatted(f, medium.id);
	assert_done(rsm_deallocate(f->catalog, medium.id, true, &medium, &f->err), &f->err);
	found = ours(medium.old_uuid, "Backup", "monday");
	found.lmid = NULL;
	f->element_count = 0;
	reconcile(f);
	assert_done(rsm_medium_forget(f->catalog, medium.id, &gone, &f->err), &f->err);

	back = given_unknown(f, "A00001L8");
	identify(f, back.id, &found, &back);
	assert_in_pool(f, &back, "Import/LTO-8");
	assert_int_equal(back.state, RSM_MEDIUM_IMPORT);
}

static void the_medium_wins_over_an_old_catalogue(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium one, two;
	struct rsm_identification found = ours(UUID_A, "Backup", "friday");

	given_free_cartridges(f, 2);
	one = given_allocated(f, given_pool(f, "Backup").id, "monday");
	formatted(f, one.id);
	/* deallocated and freed since, and the other one allocated since */
	identify(f, one.id, &free_label, &one);
	assert_int_equal(one.state, RSM_MEDIUM_AVAILABLE);
	assert_in_pool(f, &one, "Free/LTO-8");
	two = medium_of(f, "A00002L8");
	identify(f, two.id, &found, &two);
	assert_int_equal(two.state, RSM_MEDIUM_ALLOCATED);
	assert_string_equal(two.name, "friday");
}

static void a_known_volume_under_a_new_barcode_is_that_cartridge(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium, seen;
	struct rsm_identification found;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, given_pool(f, "Backup").id, "monday");
	formatted(f, medium.id);
	f->element_count = 0;
	given_slot(f, 1009, "NEW001L8");
	reconcile(f);
	assert_int_equal(f->inventory.unknown_count, 1);
	found = ltfs(medium.volume_uuid);
	identify(f, f->inventory.unknown[0], &found, &seen);

	assert_int_equal(seen.id, medium.id);
	assert_string_equal(seen.lmid, medium.lmid);
	assert_string_equal(seen.barcode, "NEW001L8");
	assert_string_equal(seen.shown, "NEW001L8");
	assert_int_equal(seen.element, 1009);
	assert_int_equal(seen.location, RSM_AT_SLOT);
	reconcile(f);
	assert_int_equal(f->inventory.change_count, 0);
}

static void a_copy_of_a_volume_is_a_duplicate_in_import(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium, copy;
	struct rsm_identification found;
	struct rsm_allocation wanted;

	given_free_cartridges(f, 1);
	medium = given_allocated(f, given_pool(f, "Backup").id, "monday");
	formatted(f, medium.id);
	copy = given_unknown(f, "B1L8");
	found = ours(medium.volume_uuid, "Backup", "monday");
	identify(f, copy.id, &found, &copy);

	assert_true(copy.duplicate);
	assert_in_pool(f, &copy, "Import/LTO-8");
	wanted = (struct rsm_allocation){ .pool = medium.pool, .medium = copy.id };
	assert_int_equal(rsm_allocate(f->catalog, &wanted, &copy, &f->err), -EPERM);
	identify(f, copy.id, &found, &copy);
	assert_true(copy.duplicate);
	assert_done(rsm_medium_find_uuid(f->catalog, medium.volume_uuid, &copy, &f->err), &f->err);
	assert_int_equal(copy.id, medium.id);
}

/* Promise 6. */
static void an_import_is_taken_over_with_all_it_holds(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium = given_unknown(f, "A1L8");
	struct rsm_identification found = ltfs(UUID_A);
	struct rsm_allocation wanted = { .pool = given_pool(f, "Backup").id, .name = "old" };
	uint32_t before;

	identify(f, medium.id, &found, &medium);
	wanted.medium = medium.id;
	before = medium.format_generation;
	assert_done(rsm_allocate(f->catalog, &wanted, &medium, &f->err), &f->err);

	/* whoever has its files open goes on with them: they are what they were */
	assert_int_equal(medium.format_generation, before);
	assert_string_equal(medium.volume_uuid, UUID_A);
	assert_int_equal(medium.label_work, RSM_LABEL_UPDATE);
	assert_in_pool(f, &medium, "Backup");
	found = ours(UUID_A, "Elsewhere", "x");
	identify(f, medium.id, &found, &medium);
	assert_in_pool(f, &medium, "Backup");
}

/* Promise 6: what is in Import loses all, and was asked for. */
static void freeing_is_for_what_was_asked_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium medium = given_unknown(f, "A1L8");
	struct rsm_identification found = ltfs(UUID_A);

	identify(f, medium.id, &found, &medium);
	assert_done(rsm_medium_free(f->catalog, medium.id, &f->err), &f->err);
	identify(f, medium.id, &found, &medium);
	assert_in_pool(f, &medium, "Free/LTO-8");
	assert_int_equal(medium.label_work, RSM_LABEL_FREE);
	/* another volume lies there than the one that was to be given up */
	found = ltfs(UUID_B);
	identify(f, medium.id, &found, &medium);
	assert_in_pool(f, &medium, "Import/LTO-8");
	assert_int_equal(medium.label_work, RSM_LABEL_NONE);
}

int main(int argc, char **argv)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		EACH(each_label_has_its_place),
		EACH(a_forgotten_one_comes_back_to_import),
		EACH(our_keys_bring_back_pool_name_owner_and_lmid),
		EACH(a_taken_name_is_varied_and_the_medium_learns_it),
		EACH(a_pool_in_the_way_is_varied_too),
		EACH(keys_that_cannot_be_ours_make_an_import),
		EACH(an_allocated_one_waits_for_its_format_whatever_free_label_it_bears),
		EACH(a_format_that_was_not_noted_is_noted_when_seen),
		EACH(a_wrong_label_never_takes_an_allocated_one_from_its_owner),
		EACH(a_deallocated_one_stays_free_under_its_old_label),
		EACH(the_medium_wins_over_an_old_catalogue),
		EACH(a_known_volume_under_a_new_barcode_is_that_cartridge),
		EACH(a_copy_of_a_volume_is_a_duplicate_in_import),
		EACH(an_import_is_taken_over_with_all_it_holds),
		EACH(freeing_is_for_what_was_asked_and_nothing_else),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
