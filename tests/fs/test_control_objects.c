#include "core/cleaner.h"
#include "tests/fs/control_fixture.h"

static void expect_absent(const char *words, const char *part)
{
	char *reply = ask(control, 0, words);

	if (strstr(reply, part))
		fail_msg("%s: '%s' is in: %s", words, part, reply);
	free(reply);
}

static void single_attributes_are_set(void **state)
{
	(void)state;
	expect_done(control, 0, "createpool Backup");
	expect_done(control, 0, "set Backup limit=1 draw=0 return_to_free=no");
	expect_reply(control, 0, "view pools Backup",
		     "row\tBackup\tmedia\tLTO-8\t0\t0\t0\t0\t1\t0\t1\t\t");
	expect_done(control, 0, "set Backup draw=yes");
	expect_done(control, 0, "allocate Backup/monday");
	expect_failure(control, 0, "allocate Backup/tuesday", EDQUOT);
	expect_done(control, 0, "set Backup/monday priority=-3 description=of_Mondays");
	expect_reply(control, 0, "view logical Backup", "\tallocated\t-3\t0\t");
	expect_reply(control, 0, "view logical Backup/monday", "of_Mondays");
	expect_done(control, 0, "set drive:256 enabled=0 description=noisy");
	expect_done(control, 0, "set drive:256 enabled=1");
	expect_done(control, 0, "set library:1 description=cellar");
	expect_done(control, 0, "set Backup description=nightly");
	expect_reply(control, 0, "view drives", "\tnoisy\n");
	expect_reply(control, 0, "view libraries", "\tcellar\n");
	expect_reply(control, 0, "view pools Backup", "\t1\tnightly\t");
	expect_done(control, 0, "rename --description=of_Tuesdays Backup/monday tuesday");
	expect_reply(control, 0, "view logical Backup/tuesday", "of_Tuesdays");
	expect_failure(control, 0, "createpool --holds=pools --type=LTO-8 Films", EINVAL);
}

static void how_many_cleanings_are_left_is_set_on_a_cleaner(void **state)
{
	(void)state;
	expect_failure(control, 0, "set A00001L8 uses=3", EMEDIUMTYPE);
	expect_failure(control, 0, "set CLN001L1 uses=many", EINVAL);
	expect_failure(control, 1000, "set CLN001L1 uses=50", EPERM);
	expect_reply(control, 0, "view media CLN001L1", "\t\t\t\n");
	expect_done(control, 0, "set CLN001L1 uses=50");
	expect_reply(control, 0, "view media CLN001L1", "\t50\n");
}

static void uses_of_a_cleaner_are_what_a_person_says(void **state)
{
	struct world *world = *state;
	struct rsm_catalog *catalog = rsm_manager_catalog(world->manager);
	struct rsm_medium cleaner;
	uint32_t uses = 0;

	expect_failure(control, 1000, "set CLN001L1 uses=7", EPERM);
	expect_failure(control, 0, "set CLN001L1 uses=-1", EINVAL);
	expect_failure(control, 0, "set A00001L8 uses=7", EMEDIUMTYPE);
	expect_done(control, 0, "set CLN001L1 uses=1");
	assert_done(rsm_medium_find_barcode(catalog, "CLN001L1", &cleaner, &world->err),
		    &world->err);
	assert_done(rsm_cleaner_uses(catalog, &cleaner, &uses, &world->err), &world->err);
	assert_int_equal(uses, 1);
	expect_done(control, 0, "clean 256");
	expect_failure(control, 0, "clean 256", ENOMEDIUM);
	expect_done(control, 0, "set CLN001L1 uses=2");
	expect_done(control, 0, "clean 256");
}

static void a_drive_that_is_gone_is_forgotten_and_no_other(void **state)
{
	struct world *world = *state;
	struct rsm_catalog *catalog = rsm_manager_catalog(world->manager);
	struct rsm_drive_row old = { .library = 1,
				     .element = 258,
				     .vendor = "V",
				     .product = "P",
				     .serial = "OLD1" },
			     replaced = { .library = 1,
					  .element = 256,
					  .vendor = "V",
					  .product = "P",
					  .serial = "OLD2" };

	assert_done(rsm_drive_register(catalog, &old, &world->err), &world->err);
	assert_done(rsm_drive_register(catalog, &replaced, &world->err), &world->err);
	expect_failure(control, 1000, "forget drive:258", EACCES);
	expect_failure(control, 0, "forget drive:256", EBUSY);
	expect_failure(control, 0, "forget drive:999", ENXIO);
	expect_failure(control, 0, "forget drive:258 A00001L8", EINVAL);
	expect_done(control, 0, "forget drive:258");
	expect_failure(control, 0, "forget drive:258", ENXIO);
	expect_reply(control, 0, "forget drive:OLD2", "row\t256\tOLD2\n");
	assert_int_equal(rsm_drive_get(catalog, old.id, &old, &world->err), 1);
	assert_int_equal(rsm_drive_get(catalog, replaced.id, &replaced, &world->err), 1);
	expect_failure(control, 0, "forget drive:256", EBUSY);
}

static void what_cannot_be_set_is_told(void **state)
{
	(void)state;
	expect_done(control, 0, "createpool Backup");
	expect_failure(control, 0, "set Backup limit", EINVAL);
	expect_failure(control, 0, "set Backup limit=-1", EINVAL);
	expect_failure(control, 0, "set Backup limit=1x", EINVAL);
	expect_failure(control, 0, "set Backup colour=red", EINVAL);
	expect_failure(control, 0, "set Backup holds=cats", EINVAL);
	expect_failure(control, 0, "set Free/LTO-8 limit=1", EPERM);
	expect_failure(control, 0, "set A00001L8 priority=1", EINVAL);
	expect_failure(control, 0, "set drive:9 enabled=0", ENXIO);
	expect_failure(control, 0, "set library:9 enabled=0", ENODEV);
	expect_failure(control, 0, "set nothing limit=1", ENOENT);
	expect_failure(control, 0, "set computer keep_items=soon", EINVAL);
	expect_failure(control, 1000, "set computer keep_items=1", EPERM);
	expect_failure(control, 1000, "set Backup limit=1", EPERM);
	expect_failure(control, 1000, "set drive:256 enabled=0", EPERM);
}

static void how_long_things_are_kept_is_set_on_the_computer(void **state)
{
	(void)state;
	expect_done(control, 0, "set computer keep_items=7 keep_failed_items=never");
	expect_reply(control, 0, "view computer", "\t1\t7\t\t30\t");
}

static void every_kind_of_object_can_be_seen(void **state)
{
	(void)state;
	expect_reply(control, 0, "view changers", "table\tchangers\t");
	expect_reply(control, 0, "view ports", "row\t10\tempty\t\t0\t1\n");
	expect_reply(control, 0, "view drive-types", "\tLTO-8\t2\n");
	expect_reply(control, 0, "view media-types", "row\tLTO-8\t4\t4\t2\t2\n");
	expect_reply(control, 0, "view sides A00001L8", "\tA00001L8\tavailable\tRSMFS FREE\t");
	expect_absent("view sides A00001L8", "A00002L8");
	expect_failure(control, 0, "view computer x", EINVAL);
}

static void a_library_restricts_what_is_shown_to_it(void **state)
{
	static const char *const words[] = { "libraries", "changers",	 "drives", "slots",
					     "ports",	  "drive-types", "queue",  "media-types" };
	char call[64];

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		snprintf(call, sizeof call, "view %s library:1", words[i]);
		expect_done(control, 0, call);
		snprintf(call, sizeof call, "view %s library:2", words[i]);
		expect_failure(control, 0, call, ENODEV);
	}
	expect_reply(control, 0, "view drives 1", "row\t256\t");
	expect_reply(control, 0, "view media library:1", "\tA00001L8\t");
	expect_reply(control, 0, "view sides library:1", "\tA00001L8\t");
	expect_failure(control, 0, "view sides library:2", ENODEV);
}

static void what_lies_in_an_element_is_named_by_it(void **state)
{
	(void)state;
	expect_reply(control, 0, "view media slot:1001", "\tA00001L8\t");
	expect_reply(control, 0, "view media slot:1:1001", "\tA00001L8\t");
	expect_failure(control, 0, "view media slot:1099", ENXIO);
	expect_failure(control, 0, "view media port:10", ENOMEDIUM);
	expect_failure(control, 0, "view media port:1001", ENXIO);
	expect_failure(control, 0, "view media slot:", EINVAL);
	expect_failure(control, 0, "view media slot:1x", EINVAL);
}

static void a_drive_is_emptied_by_its_number(void **state)
{
	(void)state;
	expect_done(control, 0, "createpool Backup");
	expect_done(control, 0, "allocate Backup/monday");
	expect_done(control, 0, "mount --drive=257 Backup/monday");
	expect_failure(control, 1000, "dismount drive:257", EACCES);
	expect_reply(control, 0, "dismount drive:257", "row\tmonday\t");
	expect_failure(control, 0, "dismount drive:257", ENOMEDIUM);
	expect_failure(control, 0, "dismount drive:9", ENXIO);
}

static void a_refresh_looks_once(void **state)
{
	struct world *world = *state;
	char from[128], to[128];

	snprintf(from, sizeof from, "%s/slots/1001/A00001L8", world->folder);
	snprintf(to, sizeof to, "%s/shelf/A00001L8", world->folder);
	assert_int_equal(rename(from, to), 0);
	expect_reply(control, 0, "refresh A00001L8", "row\tA00001L8\toffline\tavailable\n");
	assert_int_equal(rename(to, from), 0);
	expect_done(control, 0, "refresh library:1");
	expect_reply(control, 0, "view media A00001L8", "\tslot 1001\t");
	expect_done(control, 0, "refresh LTO-8");
	expect_done(control, 0, "refresh");
	expect_failure(control, 0, "refresh LTO-3", ENOENT);
	expect_failure(control, 0, "refresh Free", EINVAL);
	expect_failure(control, 1000, "refresh", EACCES);
}

#define A_TEST(name) cmocka_unit_test_setup_teardown(name, control_new, control_free)

static const struct CMUnitTest tests[] = {
	A_TEST(single_attributes_are_set),
	A_TEST(uses_of_a_cleaner_are_what_a_person_says),
	A_TEST(a_drive_that_is_gone_is_forgotten_and_no_other),
	A_TEST(what_cannot_be_set_is_told),
	A_TEST(how_many_cleanings_are_left_is_set_on_a_cleaner),
	A_TEST(how_long_things_are_kept_is_set_on_the_computer),
	A_TEST(every_kind_of_object_can_be_seen),
	A_TEST(a_library_restricts_what_is_shown_to_it),
	A_TEST(what_lies_in_an_element_is_named_by_it),
	A_TEST(a_drive_is_emptied_by_its_number),
	A_TEST(a_refresh_looks_once),
};

RSM_TEST_MAIN(tests)
