/* device.h - what the emulated devices share: commands in, answers and sense data out (SPC-4).
 *
 * A device is a table of verbs by opcode. It is served under its lock, one command at a time.
 * Lock order: changer's device > drive's device > fault script.
 */
#ifndef RSM_CHANGER_EMULATOR_DEVICE_H
#define RSM_CHANGER_EMULATOR_DEVICE_H

#include <stdbool.h>

#include "base/mutex.h"
#include "changer/emulator/emulator.h"
#include "changer/medium_changer.h"

struct rsm_device;

/* One command on its way; lives on the stack of rsm_device_transport's execute. */
struct rsm_device_job {
	const struct rsm_scsi_command *command;
	const uint8_t *cdb;
	struct rsm_scsi_answer *answer;
	uint8_t *out;  /* reply, at most `room` bytes of it */
	size_t room;   /* the lesser of the buffer and the allocation length */
	size_t length; /* of the whole reply; may be more than fits */
	size_t moved;  /* bytes transferred, for the residual */
};

struct rsm_device_verb {
	void (*run)(struct rsm_device *device, struct rsm_device_job *job);
};

struct rsm_device_attention {
	uint8_t asc, ascq;
};

enum { RSM_DEVICE_ATTENTIONS = 4 };

struct rsm_device {
	/* Optional, for writes that a drive takes and loses. loses: this one is one of them; false:
	 * it cannot be. meets_loss: true if the command ended by telling of some.
	 */
	bool (*loses)(struct rsm_device *device,
		      const struct rsm_emulator_fault *fault);			   /* [const] */
	bool (*meets_loss)(struct rsm_device *device, struct rsm_device_job *job); /* [const] */
	struct rsm_mutex lock;
	struct rsm_emulator *emulator;	     /* [const] */
	const struct rsm_device_verb *verbs; /* [const] 256 of them */
	uint16_t element;		     /* [const] 0: the changer */
	uint8_t type;			     /* [const] INQUIRY's device type */
	char name[64];			     /* [const] "drive 256" */
	char product[17];		     /* [const] */
	char serial[RSM_SERIAL_SIZE];	     /* [const] */
	struct rsm_device_attention attentions[RSM_DEVICE_ATTENTIONS]; /* [lock] pending */
	unsigned attention_count;				       /* [lock] */
};

void rsm_device_init(struct rsm_device *device, struct rsm_emulator *emulator,
		     const struct rsm_device_verb *verbs, uint16_t element, uint8_t type);
void rsm_device_fini(struct rsm_device *device);

/* Queues a unit attention; the same one twice is one. */
void rsm_device_attend(struct rsm_device *device, uint8_t asc, uint8_t ascq);

RSM_MUST_CHECK int rsm_device_transport(struct rsm_device *device,
					struct rsm_scsi_transport **ret_transport,
					struct rsm_err *err);

/* Ends the command by CHECK CONDITION. */
void rsm_job_check(struct rsm_device_job *job, uint8_t key, uint8_t asc, uint8_t ascq);

enum { RSM_SENSE_FILEMARK = 0x80, RSM_SENSE_EOM = 0x40, RSM_SENSE_ILI = 0x20 };

/* The same with flags and an INFORMATION field. */
void rsm_job_check_residue(struct rsm_device_job *job, uint8_t flags_and_key, uint8_t asc,
			   uint8_t ascq, int64_t information);

/* The two refusals that every device has. */
void rsm_job_bad_field(struct rsm_device_job *job);	/* 05/24/00, of the CDB */
void rsm_job_bad_parameter(struct rsm_device_job *job); /* 05/26/00, of the parameter list */

static inline bool rsm_job_is_good(const struct rsm_device_job *job)
{
	return job->answer->status == RSM_SCSI_GOOD;
}

/* Begins a reply; then rsm_job_put, as much as there is. */
void rsm_job_reply(struct rsm_device_job *job, size_t allocation_length);
void rsm_job_put(struct rsm_device_job *job, const void *bytes, size_t length);
void rsm_job_put_zeros(struct rsm_device_job *job, size_t length);

/* Overwrites what was put at `at`, as far as it was taken. */
void rsm_job_patch(struct rsm_device_job *job, size_t at, const void *bytes, size_t length);

/* The parameter list of `length` bytes; NULL, with the command ended, if it did not come. */
const uint8_t *rsm_job_take(struct rsm_device_job *job, size_t length);

/* Verbs for every device. */
void rsm_device_inquiry(struct rsm_device *device, struct rsm_device_job *job);
void rsm_device_request_sense(struct rsm_device *device, struct rsm_device_job *job);
void rsm_device_report_luns(struct rsm_device *device, struct rsm_device_job *job);
void rsm_device_nothing(struct rsm_device *device, struct rsm_device_job *job);

#endif
