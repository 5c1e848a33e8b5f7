#include "tests/changer/fake_transport.h"

#include <stdio.h>

#include "base/bytes.h"
#include "base/list.h"
#include "tests/base/test.h"

struct fake_transport {
	struct rsm_scsi_transport base;
	struct fake_script *script;
};

static size_t parse_hex(const char *text, uint8_t *bytes, size_t room)
{
	size_t count = 0;
	char *end;

	for (;;) {
		unsigned long value = strtoul(text, &end, 16);

		if (end == text)
			return count;
		assert_true(count < room);
		bytes[count++] = (uint8_t)value;
		text = end;
	}
}

static void note(struct fake_script *script, const char *what,
		 const struct rsm_scsi_command *command)
{
	size_t used;

	if (script->trouble[0])
		return;
	used = (size_t)snprintf(script->trouble, sizeof script->trouble,
				"command %zu: %s:", script->next, what);
	for (size_t i = 0; i < command->cdb_length; i++)
		used += (size_t)snprintf(script->trouble + used, sizeof script->trouble - used,
					 " %02x", command->cdb[i]);
}

static int fake_execute(struct rsm_scsi_transport *transport,
			const struct rsm_scsi_command *command, struct rsm_scsi_answer *ret_answer,
			struct rsm_err *err)
{
	struct fake_transport *fake = RSM_CONTAINER_OF(transport, struct fake_transport, base);
	struct fake_script *script = fake->script;
	struct fake_step *step = &script->steps[script->next];
	size_t moved = 0;

	if (script->next >= script->count) {
		note(script, "not expected", command);
		return rsm_err_set(err, EIO, "fake: %s", script->trouble);
	}
	if (step->cdb_length > command->cdb_length ||
	    memcmp(step->cdb, command->cdb, step->cdb_length) != 0) {
		note(script, "another was expected", command);
		return rsm_err_set(err, EIO, "fake: %s", script->trouble);
	}
	if (command->timeout_ms == 0)
		note(script, "without a time limit", command);
	script->next++;
	if (step->result < 0)
		return rsm_err_set(err, -step->result, "fake: not delivered");
	*ret_answer = step->answer;
	if (command->direction == RSM_SCSI_FROM_DEVICE) {
		moved = step->data_length < command->data_length ? step->data_length
								 : command->data_length;
		if (moved)
			memcpy(command->data, step->data, moved);
	} else if (command->direction == RSM_SCSI_TO_DEVICE) {
		moved = command->data_length;
		if (step->compare_data &&
		    (moved != step->data_length || memcmp(command->data, step->data, moved) != 0))
			note(script, "other data were expected", command);
	}
	ret_answer->residual = command->data_length - moved + step->residual_lie;
	return 0;
}

static void fake_free(struct rsm_scsi_transport *transport)
{
	struct fake_transport *fake = RSM_CONTAINER_OF(transport, struct fake_transport, base);

	fake->script->freed++;
	free(fake);
}

static const struct rsm_scsi_transport_ops fake_ops = { .execute = fake_execute,
							.free = fake_free };

struct rsm_scsi_transport *fake_transport_new(struct fake_script *script)
{
	struct fake_transport *fake = calloc(1, sizeof *fake);

	assert_non_null(fake);
	fake->base.ops = &fake_ops;
	snprintf(fake->base.name, sizeof fake->base.name, "fake");
	fake->script = script;
	return &fake->base;
}

static struct fake_step *last(struct fake_script *script)
{
	assert_true(script->count > 0);
	return &script->steps[script->count - 1];
}

void fake_expect(struct fake_script *script, const char *cdb)
{
	struct fake_step *step = &script->steps[script->count];

	assert_true(script->count < FAKE_STEPS);
	memset(step, 0, sizeof *step);
	step->cdb_length = parse_hex(cdb, step->cdb, sizeof step->cdb);
	script->count++;
}

void fake_data(struct fake_script *script, const void *data, size_t length)
{
	assert_true(length <= FAKE_DATA);
	memcpy(last(script)->data, data, length);
	last(script)->data_length = length;
}

void fake_data_hex(struct fake_script *script, const char *hex)
{
	last(script)->data_length = parse_hex(hex, last(script)->data, FAKE_DATA);
}

void fake_takes(struct fake_script *script, const char *hex)
{
	fake_data_hex(script, hex);
	last(script)->compare_data = true;
}

void fake_sense(struct fake_script *script, uint8_t key, uint8_t asc, uint8_t ascq)
{
	struct rsm_scsi_answer *answer = &last(script)->answer;

	answer->status = RSM_SCSI_CHECK_CONDITION;
	answer->sense_length = 18;
	answer->sense[0] = 0x70;
	answer->sense[2] = key;
	answer->sense[7] = 10;
	answer->sense[12] = asc;
	answer->sense[13] = ascq;
}

void fake_stream(struct fake_script *script, uint8_t bits, int32_t information)
{
	struct rsm_scsi_answer *answer = &last(script)->answer;

	answer->sense[0] |= 0x80;
	answer->sense[2] |= bits;
	rsm_put_be32(answer->sense + 3, (uint32_t)information);
}

void fake_deferred(struct fake_script *script)
{
	last(script)->answer.sense[0] |= 0x01;
}

void fake_status(struct fake_script *script, uint8_t status)
{
	last(script)->answer.status = status;
}

void fake_fails(struct fake_script *script, int result)
{
	last(script)->result = result;
}

void fake_expect_identity(struct fake_script *script, uint8_t type)
{
	uint8_t inquiry[36] = { type, 0x80, 6, 2, 31 };
	uint8_t serial[14] = { type, 0x80, 0, 10 };

	memcpy(inquiry + 8, "IBM     ULT3580-TD8     N9M1", 28);
	memcpy(serial + 4, "0001234567", 10);
	fake_expect(script, "12 00 00");
	fake_data(script, inquiry, sizeof inquiry);
	fake_expect(script, "12 01 80");
	fake_data(script, serial, sizeof serial);
}

void fake_check(struct fake_script *script)
{
	if (script->trouble[0])
		fail_msg("%s", script->trouble);
	if (script->next != script->count)
		fail_msg("%zu of %zu expected commands came", script->next, script->count);
	script->next = script->count = 0;
}
