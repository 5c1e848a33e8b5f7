#include "fs/rsm_slash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/verb.h"
#include "tests/base/test.h"

/* Words of a call are separated by '|'. */
static int parse(const char *call, struct rsmfs_slash *slash, struct rsm_err *err)
{
	char copy[512], *argv[16], *at = copy;
	int argc = 0;

	snprintf(copy, sizeof copy, "%s", call);
	while (at)
		argv[argc++] = strsep(&at, "|");
	return rsmfs_slash_parse(argc, argv, slash, err);
}

static void expect(const char *call, const char *words)
{
	struct rsmfs_slash slash;
	char made[512] = "";
	struct rsm_err err;

	assert_done(parse(call, &slash, &err), &err);
	for (int i = 0; i < slash.count; i++) {
		strcat(made, i ? " " : "");
		strcat(made, slash.words[i]);
	}
	assert_string_equal(made, words);
	rsmfs_slash_fini(&slash);
}

static void expect_result(const char *call, int result)
{
	struct rsmfs_slash slash;
	struct rsm_err err = { 0 };
	int r = parse(call, &slash, &err);

	if (r != result)
		fail_msg("%s: %d (%s) instead of %d", call, r, err.msg, result);
	rsmfs_slash_fini(&slash);
}

static void a_logical_medium_is_named_by_path_or_by_name(void **state)
{
	(void)state;
	expect("mount|/lfmonday", "mount -- name:monday");
	expect("mount|/lfBackup\\monday", "mount -- Backup/monday");
	expect("deallocate|/lfBackup/monday", "deallocate -- Backup/monday");
}

static void an_option_that_the_verb_does_not_have_is_wrong(void **state)
{
	(void)state;
	expect_result("allocate|/mBackup|/onever", -EINVAL);
	expect_result("mount|/lfx|/ofast", -EINVAL);
	expect_result("dismount|/lfx|/odefer", -EINVAL);
	expect("dismount|/lfx|/oDEFERRED", "dismount --deferred -- name:x");
}

static void media_are_allocated_as_scripts_do(void **state)
{
	(void)state;
	expect("allocate|/mBackup|/lnmonday", "allocate --wait -- Backup/monday");
	expect("allocate|/mBackup\\tape|/oerrunavail", "allocate -- Backup/tape");
	expect("ALLOCATE|/MBackup|/OERRUNAVAIL|/LNMy Tape", "allocate -- Backup/My Tape");
	expect("allocate|/mB|/t50", "allocate --wait=1 -- B");
	expect("allocate|/mB|/t2000", "allocate --wait=2 -- B");
	expect("allocate|/mB|/t0", "allocate --wait -- B");
	expect("allocate|/mB|/oerrunavail|/pg{ABCD-12}", "allocate --medium abcd-12 -- B");
	expect("allocate|/mB|/oerrunavail|/pfA00001L8|/ldof Mondays",
	       "allocate --medium A00001L8 --description=of Mondays -- B");
	expect("allocate|/mB|/onew|/oerrunavail", "allocate --new -- B");
	expect("allocate|/mB|/onext|/lfmonday|/oerrunavail", "allocate --next name:monday -- B");
	expect_result("allocate|/oerrunavail", -EINVAL);
	expect_result("allocate|/mB|/tsoon", -EINVAL);
	expect_result("allocate|/mB|/m", -EINVAL);
	expect_result("allocate|/mB|tape", -EINVAL);
}

static void pools_draw_only_when_they_are_told_to(void **state)
{
	(void)state;
	expect("createpool|/mB", "createpool --no-draw --no-return -- B");
	expect("createpool|/mB|/d|/r|/tfLTO-8|/aalways", "createpool --always --type=LTO-8 -- B");
	expect("createpool|/mB|/aEXISTING|/d|/r", "createpool --existing -- B");
	expect("deletepool|/mArchive\\Film", "deletepool -- Archive/Film");
	expect_result("createpool|/mB|/asometimes", -EINVAL);
}

static void media_are_named_by_guid_name_slot_or_drive(void **state)
{
	(void)state;
	expect("deallocate|/lfmonday", "deallocate -- name:monday");
	expect("deallocate|/lg{AB-CD}", "deallocate -- ab-cd");
	expect("dismount|/lfmonday|/odeferred", "dismount --deferred -- name:monday");
	expect("dismount|/pfA00001L8|/o", "dismount --deferred -- A00001L8");
	expect("eject|/s1001|/l1", "eject -- slot:1:1001");
	expect("eject|/df256|/lf1|/astop", "eject --cancel -- drive:1:256");
	expect("eject|/o{1}|/aStop", "eject --cancel --");
	expect("freemedia|/pfA00001L8", "free --yes -- A00001L8");
	expect("freemedia|/lfmonday", "free --yes -- name:monday");
	expect("erase|/pfA00001L8|/r|/t500|/b", "free --erase --yes -- A00001L8");
	expect_result("deallocate|/lfx|/o", -EINVAL);
}

static void mounts_have_their_switches(void **state)
{
	(void)state;
	expect("mount|/lfmonday|/oread|/rhighest|/t1500",
	       "mount --read --priority=15 --timeout=2 -- name:monday");
	expect("mount|/s1001|/c1|/d257|/owrite|/oerrunavail|/ooffline",
	       "mount --write --nowait --online --drive=257 -- slot:1:1001");
	expect_result("mount|/lfx|/rurgent", -EINVAL);
	expect_result("mount|/d257", -EINVAL);
}

static void the_rest_has_its_like(void **state)
{
	(void)state;
	expect("inventory|/lf1|/afull", "inventory --full 1");
	expect("inventory|/l1|/astop", "inventory --stop 1");
	expect("inventory|/l1|/anone", "view slots 1");
	expect("refresh|/lf1", "refresh -- library:1");
	expect("refresh|/pfA00001L8", "refresh -- A00001L8");
	expect("refresh|/tgLTO-8", "refresh -- LTO-8");
	expect("rename|/tlogical_media|/ofmonday|/nfriday", "rename -- name:monday friday");
	expect("rename|/tmedia_pool|/ofA\\B|/dfilms", "set -- A/B description=films");
	expect("rename|/tlogical_media|/ofA\\B|/nC|/dfilms", "rename --description=films -- A/B C");
	expect("view|/tPHYSICAL_MEDIA|/cfBackup", "view media Backup");
	expect("view|/tLibRequest", "view queue");
	expect("View|/tDRIVE|/guiddisplay|/b", "view drives");
	expect_result("view|/tcats", -EINVAL);
}

static void what_is_not_applicable_says_why(void **state)
{
	struct rsmfs_slash slash;
	struct rsm_err err;

	(void)state;
	assert_int_equal(parse("ejectatapi|/n0", &slash, &err), -EOPNOTSUPP);
	assert_string_equal(err.msg, "ejectatapi: not applicable: ATAPI changers, which it empties "
				     "without a service, are gone");
	assert_int_equal(parse("ui|/oadd", &slash, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "no pop-ups"));
	assert_int_equal(parse("view|/tui_destination", &slash, &err), -EOPNOTSUPP);
	expect_result("freemedia", -EINVAL);
}

static void calls_as_rsm_has_them_are_left_alone(void **state)
{
	(void)state;
	expect_result("allocate|Backup/monday", RSMFS_SLASH_NO);
	expect_result("view", RSMFS_SLASH_NO);
	expect_result("sync|/mBackup", RSMFS_SLASH_NO);
	/* a path, for there is such a folder */
	expect_result("deletepool|/usr/Backup", RSMFS_SLASH_NO);
	expect_result("mount|/tmp/rsm/Backup/monday", RSMFS_SLASH_NO);
	expect_result("nonsense", RSMFS_SLASH_NO);
	/* no switch of this verb */
	expect_result("mount|/xyz", RSMFS_SLASH_NO);
}

static void terse_and_guids_are_noted(void **state)
{
	struct rsmfs_slash slash;
	struct rsm_err err;

	(void)state;
	assert_done(parse("view|/tdrive|/B|/GUIDDISPLAY", &slash, &err), &err);
	assert_true(slash.terse);
	assert_true(slash.guids);
	rsmfs_slash_fini(&slash);
}

/* What comes out is known to rsm, down to the options. */
static void every_call_that_comes_out_is_one_of_rsm(void **state)
{
	static const char *const calls[] = {
		"allocate|/mB|/lnx|/ldy|/t5",
		"createpool|/mB|/aalways",
		"createpool|/mB|/aexisting|/tfLTO-8",
		"deallocate|/lfx",
		"deletepool|/mB",
		"dismount|/lfx|/odeferred",
		"eject|/s1|/l1|/astart",
		"eject|/pfx|/astop",
		"eject|/pfx|/aqueue",
		"erase|/pfx",
		"inventory|/l1|/astop",
		"freemedia|/pfx",
		"inventory|/l1|/afull",
		"inventory|/l1|/afast",
		"inventory|/l1|/anone",
		"inventory|/l1|/adefault",
		"mount|/lfx|/oread|/oerrunavail|/ooffline|/d1|/rlow|/t1",
		"mount|/lfx|/owrite",
		"refresh|/l1",
		"rename|/ofx|/ny",
		"rename|/ofx|/dy",
		"view|/tmedia_pool",
	};

	(void)state;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		struct rsmfs_verb_call call;
		struct rsmfs_slash slash;
		struct rsm_err err;

		assert_done(parse(calls[i], &slash, &err), &err);
		if (rsmfs_verb_parse(slash.count, slash.words, &call, &err) < 0)
			fail_msg("%s: %s", calls[i], err.msg);
		rsmfs_verb_call_fini(&call);
		rsmfs_slash_fini(&slash);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(media_are_allocated_as_scripts_do),
	cmocka_unit_test(a_logical_medium_is_named_by_path_or_by_name),
	cmocka_unit_test(an_option_that_the_verb_does_not_have_is_wrong),
	cmocka_unit_test(pools_draw_only_when_they_are_told_to),
	cmocka_unit_test(media_are_named_by_guid_name_slot_or_drive),
	cmocka_unit_test(mounts_have_their_switches),
	cmocka_unit_test(the_rest_has_its_like),
	cmocka_unit_test(what_is_not_applicable_says_why),
	cmocka_unit_test(calls_as_rsm_has_them_are_left_alone),
	cmocka_unit_test(terse_and_guids_are_noted),
	cmocka_unit_test(every_call_that_comes_out_is_one_of_rsm),
};

RSM_TEST_MAIN(tests)
