#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "tests/base/test.h"
#include "tests/changer/fake_transport.h"

/* Runs what the script holds through a tracing transport and gives what the log got. */
static char *trace(struct fake_script *script, const struct rsm_scsi_command *command, int expected)
{
	char path[] = "/tmp/test-scsi-trace-XXXXXX";
	struct rsm_scsi_transport *transport;
	struct rsm_scsi_answer answer;
	struct rsm_err err;
	size_t length;
	char *text;

	close(mkstemp(path));
	assert_done(rsm_log_open(RSM_LOG_TO_STDERR, path, &err), &err);
	assert_done(rsm_scsi_trace_new(fake_transport_new(script), &transport, &err), &err);
	assert_string_equal(transport->name, "fake");
	rsm_log_set_rooms(RSM_ROOM_SCSI);
	assert_int_equal(rsm_scsi_execute(transport, command, &answer, &err), expected);
	rsm_log_set_rooms(0);
	rsm_scsi_transport_free(transport);
	assert_int_equal(script->freed, 1);
	assert_done(rsm_log_open(RSM_LOG_TO_STDERR, NULL, &err), &err);
	assert_done(rsm_file_load(path, 65536, &text, &length, &err), &err);
	unlink(path);
	fake_check(script);
	return text;
}

static void a_trace_shows_command_data_and_sense(void **state)
{
	static struct fake_script script;
	uint8_t data[6];
	const struct rsm_scsi_command command = { .cdb = { 0x05 },
						  .cdb_length = 6,
						  .direction = RSM_SCSI_FROM_DEVICE,
						  .data = data,
						  .data_length = sizeof data,
						  .timeout_ms = 1000 };
	char *text;

	(void)state;
	fake_expect(&script, "05");
	fake_data_hex(&script, "00 80 00 00 00 01");
	text = trace(&script, &command, 0);
	assert_non_null(strstr(text, "fake: READ BLOCK LIMITS [ 05 00 00 00 00 00 ] -> good, 6 "
				     "bytes: 00 80 00 00 00 01\n"));
	free(text);
	script.freed = 0;
	fake_expect(&script, "05");
	fake_sense(&script, 0x2, 0x3A, 0x00);
	text = trace(&script, &command, 0);
	assert_non_null(strstr(text, "-> no medium (02/3A/00, Medium not present)\n"));
	free(text);
	script.freed = 0;
	fake_expect(&script, "05");
	fake_fails(&script, -ENODEV);
	text = trace(&script, &command, -ENODEV);
	assert_non_null(strstr(text, "-> not delivered: fake: not delivered\n"));
	free(text);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_trace_shows_command_data_and_sense),
};
RSM_TEST_MAIN(tests)
