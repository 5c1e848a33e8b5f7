#include "changer/scsi_transport.h"

#include <scsi/sg_lib.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/text.h"
#include "changer/sense.h"

/* Data of this many bytes are printed; longer ones (blocks, element status) only counted. */
enum { SHOWN_DATA = 64 };

struct trace_transport {
	struct rsm_scsi_transport base;
	struct rsm_scsi_transport *inner;
};

static void add_hex(struct rsm_text *text, const void *bytes, size_t length)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < length; i++)
		rsm_text_printf(text, " %02x", p[i]);
}

static void add_data(struct rsm_text *text, const struct rsm_scsi_command *command, size_t length)
{
	if (length == 0)
		return;
	rsm_text_printf(text, ", %zu bytes", length);
	if (length <= SHOWN_DATA) {
		rsm_text_add(text, ":");
		add_hex(text, command->data, length);
	}
}

static void add_sense(struct rsm_text *text, const struct rsm_scsi_answer *answer)
{
	struct rsm_sense sense;
	const char *colon;
	char words[128];

	rsm_sense_decode(answer, &sense);
	if (answer->status != RSM_SCSI_CHECK_CONDITION) {
		rsm_text_printf(text, "status %02Xh", answer->status);
		return;
	}
	rsm_text_printf(text, "%s%s (%02X/%02X/%02X", sense.deferred ? "deferred " : "",
			rsm_cause_name(sense.cause), sense.key, sense.asc, sense.ascq);
	if (sense.asc || sense.ascq) {
		/* "Additional sense: Medium not present" */
		sg_get_asc_ascq_str(sense.asc, sense.ascq, sizeof words, words);
		colon = strstr(words, ": ");
		rsm_text_printf(text, ", %s", colon ? colon + 2 : words);
	}
	rsm_text_add(text, ")");
	if (sense.information_valid)
		rsm_text_printf(text, ", information %lld", (long long)sense.information);
}

static void log_command(const struct rsm_scsi_transport *transport,
			const struct rsm_scsi_command *command,
			const struct rsm_scsi_answer *answer, int r, const struct rsm_err *err)
{
	RSM_TEXT struct rsm_text text = { 0 };
	size_t moved = 0;

	rsm_text_printf(&text, "%s: %s [", transport->name, rsm_scsi_command_name(command->cdb[0]));
	add_hex(&text, command->cdb, command->cdb_length);
	rsm_text_add(&text, " ]");
	if (command->direction == RSM_SCSI_TO_DEVICE)
		add_data(&text, command, command->data_length);
	rsm_text_add(&text, " -> ");
	if (r < 0) {
		rsm_text_printf(&text, "not delivered: %s", err->msg);
	} else {
		if (answer->status == RSM_SCSI_GOOD)
			rsm_text_add(&text, "good");
		else
			add_sense(&text, answer);
		if (command->direction == RSM_SCSI_FROM_DEVICE &&
		    answer->residual < command->data_length)
			moved = command->data_length - answer->residual;
		add_data(&text, command, moved);
	}
	rsm_log_debug(RSM_ROOM_SCSI, "%s", text.data ? text.data : "out of memory");
}

static int trace_execute(struct rsm_scsi_transport *transport,
			 const struct rsm_scsi_command *command, struct rsm_scsi_answer *ret_answer,
			 struct rsm_err *err)
{
	struct trace_transport *trace = RSM_CONTAINER_OF(transport, struct trace_transport, base);
	struct rsm_err own;
	int r;

	if (!rsm_log_wants(RSM_ROOM_SCSI))
		return rsm_scsi_execute(trace->inner, command, ret_answer, err);
	r = rsm_scsi_execute(trace->inner, command, ret_answer, &own);
	log_command(transport, command, ret_answer, r, &own);
	if (r < 0 && err)
		*err = own;
	return r;
}

static void trace_free(struct rsm_scsi_transport *transport)
{
	struct trace_transport *trace = RSM_CONTAINER_OF(transport, struct trace_transport, base);

	rsm_scsi_transport_free(trace->inner);
	free(trace);
}

static const struct rsm_scsi_transport_ops trace_ops = { .execute = trace_execute,
							 .free = trace_free };

int rsm_scsi_trace_new(struct rsm_scsi_transport *inner, struct rsm_scsi_transport **ret_transport,
		       struct rsm_err *err)
{
	struct trace_transport *trace = calloc(1, sizeof *trace);

	if (!trace) {
		rsm_scsi_transport_free(inner);
		return rsm_err_oom(err);
	}
	trace->base.ops = &trace_ops;
	snprintf(trace->base.name, sizeof trace->base.name, "%s", inner->name);
	trace->inner = inner;
	*ret_transport = &trace->base;
	return 0;
}
