#include "fs/verb.h"
#include "fs/wire.h"
#include "tests/base/test.h"

#define PARSE(call, err, ...) parse(call, err, (const char *[]){ __VA_ARGS__, NULL })

static int parse(struct rsmfs_verb_call *call, struct rsm_err *err, const char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return rsmfs_verb_parse(argc, (char *const *)argv, call, err);
}

static void options_and_operands_may_be_mixed(void **state)
{
	struct rsmfs_verb_call call;
	struct rsm_err err;

	(void)state;
	assert_done(PARSE(&call, &err, "mount", "a", "--priority", "-3", "b", "--drive=256",
			  "--nowait", "--", "--c"),
		    &err);
	assert_int_equal(call.operand_count, 3);
	assert_string_equal(call.operands[2], "--c");
	assert_int_equal(rsmfs_verb_number(&call, "priority", 0), -3);
	assert_int_equal(rsmfs_verb_number(&call, "drive", 0), 256);
	assert_int_equal(rsmfs_verb_number(&call, "timeout", 7), 7);
	assert_true(rsmfs_verb_flag(&call, "nowait"));
	assert_false(rsmfs_verb_flag(&call, "write"));
	rsmfs_verb_call_fini(&call);
}

static void wait_takes_seconds_or_nothing(void **state)
{
	struct rsmfs_verb_call call;
	struct rsm_err err;

	(void)state;
	assert_done(PARSE(&call, &err, "allocate", "--wait", "Backup"), &err);
	assert_true(rsmfs_verb_flag(&call, "wait"));
	assert_int_equal(rsmfs_verb_number(&call, "wait", 0), 0);
	rsmfs_verb_call_fini(&call);
	assert_done(PARSE(&call, &err, "allocate", "--wait=30", "Backup"), &err);
	assert_int_equal(rsmfs_verb_number(&call, "wait", 0), 30);
	rsmfs_verb_call_fini(&call);
}

static void an_event_that_there_is_not_is_refused(void **state)
{
	struct rsmfs_verb_call call;
	struct rsm_err err;

	(void)state;
	assert_done(PARSE(&call, &err, "events", "request", "cleaner-spent"), &err);
	rsmfs_verb_call_fini(&call);
	assert_int_equal(PARSE(&call, &err, "events", "request", "requst"), -EINVAL);
	assert_string_equal(err.msg, "events: there is no event 'requst'");
}

static void a_generation_has_64_bits_and_no_unit(void **state)
{
	struct rsmfs_verb_call call;
	struct rsm_err err;

	(void)state;
	assert_done(PARSE(&call, &err, "check", "--rollback", "18446744073709551615", "a"), &err);
	assert_true(rsmfs_verb_size(&call, "rollback", 0) == UINT64_MAX);
	rsmfs_verb_call_fini(&call);
	assert_int_equal(PARSE(&call, &err, "check", "--view", "5K", "a"), -EINVAL);
	assert_int_equal(PARSE(&call, &err, "check", "--view", "-5", "a"), -EINVAL);
	assert_int_equal(PARSE(&call, &err, "check", "--view", "18446744073709551616", "a"),
			 -EINVAL);
}

static void wrong_usage_is_named(void **state)
{
	struct rsmfs_verb_call call;
	struct rsm_err err;

	(void)state;
	assert_int_equal(PARSE(&call, &err, "mount"), -EINVAL);
	assert_string_equal(err.msg, "mount: an operand is missing: PATH...");
	assert_int_equal(PARSE(&call, &err, "move", "a", "b", "c"), -EINVAL);
	assert_string_equal(err.msg, "move: 'c' is one operand too many");
	assert_int_equal(PARSE(&call, &err, "mount", "a", "--drive", "x"), -EINVAL);
	assert_string_equal(err.msg, "mount: --drive: 'x' is not a value for it");
	assert_int_equal(PARSE(&call, &err, "mount", "a", "--drive"), -EINVAL);
	assert_int_equal(PARSE(&call, &err, "mount", "a", "--drive=-1"), -EINVAL);
	assert_int_equal(PARSE(&call, &err, "mount", "a", "--read=1"), -EINVAL);
	assert_int_equal(PARSE(&call, &err, "mount", "a", "--sideways"), -EINVAL);
	assert_int_equal(PARSE(&call, &err, "mount", ""), -EINVAL);
	assert_int_equal(PARSE(&call, &err, "nonsense"), -ENOSYS);
}

static void expect_wrong(const char *message, const char **argv)
{
	struct rsmfs_verb_call call;
	struct rsm_err err;

	assert_int_equal(parse(&call, &err, argv), -EINVAL);
	assert_string_equal(err.msg, message);
}

#define WRONG(message, ...) expect_wrong(message, (const char *[]){ __VA_ARGS__, NULL })

static void what_does_not_go_together_is_wrong_usage(void **state)
{
	struct rsmfs_verb_call call;
	struct rsm_err err;

	(void)state;
	WRONG("mount: --read or --write, not both", "mount", "a", "--write", "--read");
	WRONG("inventory: --fast or --full, not both", "inventory", "--full", "--fast");
	WRONG("createpool: --always or --existing, not both", "createpool", "--existing",
	      "--always", "a");
	WRONG("allocate: --new or --next, not both", "allocate", "a", "--next=b", "--new");
	WRONG("check: --deep or --list, not both", "check", "a", "--list", "--deep");
	assert_done(PARSE(&call, &err, "check", "a", "--deep", "--repair"), &err);
	rsmfs_verb_call_fini(&call);
	WRONG("eject: an operand is missing: PATH...", "eject");
	assert_done(PARSE(&call, &err, "eject", "--cancel"), &err);
	rsmfs_verb_call_fini(&call);
}

static void words_and_values_that_nobody_knows_are_wrong_usage(void **state)
{
	struct rsmfs_verb_call call;
	struct rsm_err err;

	(void)state;
	WRONG("createpool: --holds is one of media|pools, not 'cats'", "createpool", "a", "--holds",
	      "cats");
	WRONG("createpool: --copies is one of 1|2, not '3'", "createpool", "a", "--copies=3");
	WRONG("mount: --priority is a number from -15 to 15", "mount", "a", "--priority=16");
	WRONG("door: 'open' is none of lock, unlock", "door", "open");
	WRONG("door: --inventory is one of fast|full|none, not 'slow'", "door", "unlock",
	      "--inventory", "slow");
	WRONG("queue: 'stop' is none of cancel, first, last, purge", "queue", "stop");
	WRONG("queue cancel: the number of a work item is missing", "queue", "cancel");
	WRONG("queue cancel: 'x' is not the number of a work item", "queue", "cancel", "1", "x");
	WRONG("queue purge: '7' is one operand too many", "queue", "purge", "7");
	WRONG("queue first: '2' is one operand too many", "queue", "first", "1", "2");
	WRONG("requests satisfy: the number of a request is missing", "requests", "satisfy");
	WRONG("requests wait: '0' is not the number of a request", "requests", "wait", "0");
	WRONG("requests ask: what is to be asked is missing", "requests", "ask");
	WRONG("library: 'make' is none of create", "library", "make", "x");
	assert_done(PARSE(&call, &err, "queue", "cancel", "1", "2", "3"), &err);
	rsmfs_verb_call_fini(&call);
	assert_done(PARSE(&call, &err, "requests", "ask", "bring coffee"), &err);
	rsmfs_verb_call_fini(&call);
}

static void what_is_written_is_parsed_alike(void **state)
{
	RSM_TEXT struct rsm_text request = { 0 };
	struct rsmfs_verb_call call, again;
	const char *names[] = { "Backup/monday", "--odd" };
	char *argv[16];
	int argc = 0;
	struct rsm_err err;

	(void)state;
	assert_done(PARSE(&call, &err, "mount", "--write", "--timeout", "5", "x", "y"), &err);
	rsmfs_verb_write(&call, names, &request);
	assert_false(request.failed);
	assert_int_equal(request.data[request.length - 1], 0);
	assert_int_equal(request.data[request.length - 2], 0);
	for (char *p = request.data; *p; p += strlen(p) + 1)
		argv[argc++] = p;
	assert_done(rsmfs_verb_parse(argc, argv, &again, &err), &err);
	assert_int_equal(again.operand_count, 2);
	assert_string_equal(again.operands[1], "--odd");
	assert_true(rsmfs_verb_flag(&again, "write"));
	assert_int_equal(rsmfs_verb_number(&again, "timeout", 0), 5);
	rsmfs_verb_call_fini(&call);
	rsmfs_verb_call_fini(&again);
}

static void every_verb_has_its_usage(void **state)
{
	(void)state;
	for (const struct rsmfs_verb *verb = rsmfs_verbs; verb->name; verb++) {
		RSM_TEXT struct rsm_text text = { 0 };

		rsmfs_verb_usage(verb, &text);
		assert_false(text.failed);
		assert_int_equal(strncmp(text.data, "usage: rsm ", 11), 0);
		assert_non_null(verb->help);
		assert_true(verb->least <= verb->most);
	}
}

static void sizes_are_decimal_unless_they_say_otherwise(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = { { "0", 0 },
		     { "4096", 4096 },
		     { "12T", 12000000000000 },
		     { "500m", 500000000 },
		     { "1KiB", 1024 },
		     { "2GB", 2000000000 } };
	static const char *const bad[] = {
		"", "x", "-1", "1X", "1Kx", "99999999999P", "99999999999999999999"
	};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(rsmfs_parse_size(good[i].text, &bytes), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_true(rsmfs_parse_size(bad[i], &bytes) < 0);
}

static void fields_survive_the_wire(void **state)
{
	static const char odd[] = "tab\there\nline %41 \x7f \xc3\xa4 \0 end";
	RSM_TEXT struct rsm_text line = { 0 };
	char *fields[3], bad[] = "%4";
	size_t length = 0;

	(void)state;
	rsm_text_add(&line, "row\t");
	rsmfs_wire_escape(&line, odd, sizeof odd);
	assert_null(strchr(line.data + 4, '\t'));
	assert_null(strchr(line.data, '\n'));
	assert_int_equal(rsmfs_wire_split(line.data, fields, 3), 2);
	assert_int_equal(rsmfs_wire_unescape(fields[1], &length), 0);
	assert_int_equal(length, sizeof odd);
	assert_memory_equal(fields[1], odd, sizeof odd);
	assert_int_equal(rsmfs_wire_unescape(bad, &length), -EINVAL);
	char many[] = "a\tb\tc\td";

	assert_int_equal(rsmfs_wire_split(many, fields, 3), -E2BIG);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(options_and_operands_may_be_mixed),
	cmocka_unit_test(wait_takes_seconds_or_nothing),
	cmocka_unit_test(an_event_that_there_is_not_is_refused),
	cmocka_unit_test(a_generation_has_64_bits_and_no_unit),
	cmocka_unit_test(wrong_usage_is_named),
	cmocka_unit_test(what_does_not_go_together_is_wrong_usage),
	cmocka_unit_test(words_and_values_that_nobody_knows_are_wrong_usage),
	cmocka_unit_test(what_is_written_is_parsed_alike),
	cmocka_unit_test(every_verb_has_its_usage),
	cmocka_unit_test(sizes_are_decimal_unless_they_say_otherwise),
	cmocka_unit_test(fields_survive_the_wire),
};

RSM_TEST_MAIN(tests)
