#include "changer/emulator/device.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "changer/emulator/emulator_private.h"

struct device_transport {
	struct rsm_scsi_transport base;
	struct rsm_device *device;
};

void rsm_device_init(struct rsm_device *device, struct rsm_emulator *emulator,
		     const struct rsm_device_verb *verbs, uint16_t element, uint8_t type)
{
	rsm_mutex_init(&device->lock);
	device->emulator = emulator;
	device->verbs = verbs;
	device->element = element;
	device->type = type;
	if (element)
		snprintf(device->name, sizeof device->name, "drive %u", element);
	else
		snprintf(device->name, sizeof device->name, "changer");
	rsm_device_attend(device, 0x29, 0x00);
}

void rsm_device_fini(struct rsm_device *device)
{
	rsm_mutex_fini(&device->lock);
}

void rsm_device_attend(struct rsm_device *device, uint8_t asc, uint8_t ascq)
{
	for (unsigned i = 0; i < device->attention_count; i++)
		if (device->attentions[i].asc == asc && device->attentions[i].ascq == ascq)
			return;
	if (device->attention_count < RSM_DEVICE_ATTENTIONS)
		device->attentions[device->attention_count++] =
			(struct rsm_device_attention){ asc, ascq };
}

static struct rsm_device_attention next_attention(struct rsm_device *device)
{
	struct rsm_device_attention first = device->attentions[0];

	device->attention_count--;
	memmove(device->attentions, device->attentions + 1,
		device->attention_count * sizeof *device->attentions);
	return first;
}

/* Fixed format, SPC-4 4.5.3 */
static void put_sense(uint8_t sense[18], uint8_t flags_and_key, uint8_t asc, uint8_t ascq)
{
	memset(sense, 0, 18);
	sense[0] = 0x70;
	sense[2] = flags_and_key;
	sense[7] = 10;
	sense[12] = asc;
	sense[13] = ascq;
}

void rsm_job_check(struct rsm_device_job *job, uint8_t key, uint8_t asc, uint8_t ascq)
{
	job->answer->status = RSM_SCSI_CHECK_CONDITION;
	job->answer->sense_length = 18;
	put_sense(job->answer->sense, key, asc, ascq);
}

void rsm_job_check_residue(struct rsm_device_job *job, uint8_t flags_and_key, uint8_t asc,
			   uint8_t ascq, int64_t information)
{
	rsm_job_check(job, flags_and_key, asc, ascq);
	job->answer->sense[0] |= 0x80;
	rsm_put_be32(job->answer->sense + 3, (uint32_t)information);
}

void rsm_job_bad_field(struct rsm_device_job *job)
{
	rsm_job_check(job, 0x05, 0x24, 0x00);
}

void rsm_job_bad_parameter(struct rsm_device_job *job)
{
	rsm_job_check(job, 0x05, 0x26, 0x00);
}

void rsm_job_reply(struct rsm_device_job *job, size_t allocation_length)
{
	const struct rsm_scsi_command *command = job->command;

	job->out = command->data;
	job->room = command->direction == RSM_SCSI_FROM_DEVICE ? command->data_length : 0;
	if (job->room > allocation_length)
		job->room = allocation_length;
	job->length = 0;
}

void rsm_job_patch(struct rsm_device_job *job, size_t at, const void *bytes, size_t length)
{
	if (at >= job->room)
		return;
	if (length > job->room - at)
		length = job->room - at;
	memcpy(job->out + at, bytes, length);
}

static void advance(struct rsm_device_job *job, size_t length)
{
	job->length += length;
	job->moved = job->length < job->room ? job->length : job->room;
}

void rsm_job_put(struct rsm_device_job *job, const void *bytes, size_t length)
{
	rsm_job_patch(job, job->length, bytes, length);
	advance(job, length);
}

void rsm_job_put_zeros(struct rsm_device_job *job, size_t length)
{
	if (job->length < job->room) {
		size_t room = job->room - job->length;

		memset(job->out + job->length, 0, length < room ? length : room);
	}
	advance(job, length);
}

const uint8_t *rsm_job_take(struct rsm_device_job *job, size_t length)
{
	if (job->command->direction != RSM_SCSI_TO_DEVICE || job->command->data_length < length) {
		rsm_job_bad_field(job);
		return NULL;
	}
	job->moved = length;
	return job->command->data;
}

/* Pads with spaces, as INQUIRY fields are. */
static void put_padded(uint8_t *at, size_t size, const char *text)
{
	size_t length = strnlen(text, size);

	memcpy(at, text, length);
	memset(at + length, ' ', size - length);
}

static void inquiry_page(struct rsm_device *device, struct rsm_device_job *job, uint8_t page)
{
	uint8_t reply[96] = { device->type, page };
	size_t serial = strlen(device->serial), length = 0;
	uint8_t *body = reply + 4;

	switch (page) {
	case 0x00:
		body[length++] = 0x00;
		body[length++] = 0x80;
		body[length++] = 0x83;
		if (device->type == 0x01)
			body[length++] = 0xB0;
		break;
	case 0x80:
		memcpy(body, device->serial, serial);
		length = serial;
		break;
	case 0x83: /* T10 vendor identification: vendor, product, serial number */
		body[0] = 0x02;
		body[1] = 0x01;
		body[3] = (uint8_t)(24 + serial);
		put_padded(body + 4, 8, "RSMFS");
		put_padded(body + 12, 16, device->product);
		memcpy(body + 28, device->serial, serial);
		length = 28 + serial;
		break;
	case 0xB0: /* sequential access: can write WORM media */
		if (device->type != 0x01) {
			rsm_job_bad_field(job);
			return;
		}
		body[0] = 0x01;
		length = 2;
		break;
	default: rsm_job_bad_field(job); return;
	}
	rsm_put_be16(reply + 2, (uint16_t)length);
	rsm_job_reply(job, rsm_get_be16(job->cdb + 3));
	rsm_job_put(job, reply, 4 + length);
}

void rsm_device_inquiry(struct rsm_device *device, struct rsm_device_job *job)
{
	uint8_t reply[66] = { device->type, 0x80, 0x06, 0x02, sizeof reply - 5 };

	if (job->cdb[1] & 0x01) {
		inquiry_page(device, job, job->cdb[2]);
		return;
	}
	if (job->cdb[2]) {
		rsm_job_bad_field(job);
		return;
	}
	reply[7] = 0x02; /* CMDQUE */
	put_padded(reply + 8, 8, "RSMFS");
	put_padded(reply + 16, 16, device->product);
	put_padded(reply + 32, 4, RSM_VERSION);
	rsm_put_be16(reply + 58, 0x0460);				  /* SPC-4 */
	rsm_put_be16(reply + 60, device->type == 0x01 ? 0x0560 : 0x02E0); /* SSC-4, SMC-3 */
	rsm_job_reply(job, rsm_get_be16(job->cdb + 3));
	rsm_job_put(job, reply, sizeof reply);
}

/* Sense goes with every CHECK CONDITION, so there is nothing left here but attentions. */
void rsm_device_request_sense(struct rsm_device *device, struct rsm_device_job *job)
{
	uint8_t sense[18];

	if (job->cdb[1] & 0x01) { /* descriptor format */
		rsm_job_bad_field(job);
		return;
	}
	put_sense(sense, 0, 0, 0);
	if (device->attention_count) {
		struct rsm_device_attention attention = next_attention(device);

		put_sense(sense, 0x06, attention.asc, attention.ascq);
	}
	rsm_job_reply(job, job->cdb[4]);
	rsm_job_put(job, sense, sizeof sense);
}

void rsm_device_report_luns(struct rsm_device *device, struct rsm_device_job *job)
{
	uint8_t reply[16] = { 0, 0, 0, 8 };

	(void)device;
	rsm_job_reply(job, rsm_get_be32(job->cdb + 6));
	rsm_job_put(job, reply, sizeof reply);
}

void rsm_device_nothing(struct rsm_device *device, struct rsm_device_job *job)
{
	(void)device;
	if (job->command->direction == RSM_SCSI_TO_DEVICE)
		job->moved = job->command->data_length;
}

static bool passes_attentions(uint8_t opcode)
{
	return opcode == 0x12 || opcode == 0x03 || opcode == 0xA0;
}

static void run(struct rsm_device *device, struct rsm_device_job *job)
{
	uint8_t opcode = job->cdb[0];

	if (!device->verbs[opcode].run) {
		rsm_job_check(job, 0x05, 0x20, 0x00);
		return;
	}
	if (device->attention_count && !passes_attentions(opcode)) {
		struct rsm_device_attention attention = next_attention(device);

		rsm_job_check(job, 0x06, attention.asc, attention.ascq);
		return;
	}
	if (device->meets_loss && device->meets_loss(device, job))
		return;
	device->verbs[opcode].run(device, job);
}

/* A fault of key NO SENSE or RECOVERED ERROR tells of a command that was done; any other key is in
 * the place of it.
 */
static int run_with_faults(struct rsm_device *device, struct rsm_device_job *job)
{
	struct rsm_emulator *emulator = device->emulator;
	struct rsm_emulator_fault fault;

	if (!rsm_emulator_strikes(emulator, device->element, job->cdb[0], &fault)) {
		run(device, job);
		return 0;
	}
	if (fault.key == 0x0F) {
		rsm_emulator_cut_power(emulator, device, &fault);
		return -ENODEV;
	}
	if (fault.deferred && device->loses) {
		if (device->loses(device, &fault))
			device->verbs[job->cdb[0]].run(device, job);
		else
			run(device, job);
		return 0;
	}
	if (fault.deferred) { /* the robot does it, and says that it did not */
		run(device, job);
		if (rsm_job_is_good(job))
			rsm_job_check(job, fault.key, fault.asc, fault.ascq);
		return 0;
	}
	if (fault.key <= 0x01) {
		run(device, job);
		if (!rsm_job_is_good(job))
			return 0;
		if (fault.asc == 0x00 && (fault.ascq == 0x02 || fault.ascq == 0x07))
			fault.key |= RSM_SENSE_EOM;
	}
	rsm_job_check(job, fault.key, fault.asc, fault.ascq);
	return 0;
}

static int execute(struct rsm_scsi_transport *base, const struct rsm_scsi_command *command,
		   struct rsm_scsi_answer *ret_answer, struct rsm_err *err)
{
	struct rsm_device *device = ((struct device_transport *)base)->device;
	struct rsm_emulator *emulator = device->emulator;
	struct rsm_device_job job = { .command = command,
				      .cdb = command->cdb,
				      .answer = ret_answer };
	int r = 0;

	/* a drive senses what is put into it; the changer's lock goes before a drive's */
	if (emulator->conf.by_hand && emulator->changer && command->cdb[0] == 0x00 &&
	    !atomic_load_explicit(&emulator->powerless, memory_order_acquire))
		rsm_emulated_changer_watch(emulator->changer);
	rsm_mutex_lock(&device->lock);
	if (atomic_load_explicit(&emulator->powerless, memory_order_acquire)) {
		r = -ENODEV;
	} else {
		atomic_fetch_add_explicit(&emulator->commands, 1, memory_order_relaxed);
		memset(ret_answer, 0, sizeof *ret_answer);
		if (atomic_load_explicit(&emulator->has_faults, memory_order_acquire))
			r = run_with_faults(device, &job);
		else
			run(device, &job);
	}
	rsm_mutex_unlock(&device->lock);
	if (r < 0)
		return rsm_err_set(err, ENODEV, "%s does not answer", device->name);
	ret_answer->residual = command->direction == RSM_SCSI_NO_DATA ? 0
			       : command->data_length > job.moved ? command->data_length - job.moved
								  : 0;
	return 0;
}

static void free_transport(struct rsm_scsi_transport *base)
{
	free(base);
}

static const struct rsm_scsi_transport_ops transport_ops = {
	.execute = execute,
	.free = free_transport,
};

int rsm_device_transport(struct rsm_device *device, struct rsm_scsi_transport **ret_transport,
			 struct rsm_err *err)
{
	struct device_transport *transport = calloc(1, sizeof *transport);

	if (!transport)
		return rsm_err_oom(err);
	transport->base.ops = &transport_ops;
	transport->device = device;
	memcpy(transport->base.name, device->name, sizeof transport->base.name);
	*ret_transport = &transport->base;
	return 0;
}
