/* scsi_transport.h - the one way to send a command descriptor block to a device.
 *
 * Implementations: scsi_sg.c (real devices through libsgutils2), emulator/ (in process), and
 * scsi_trace.c, which wraps any other. Everything above is the same code for all of them.
 *
 * Two questions are asked apart: was the command delivered (the result of _execute), and what did
 * the device answer (struct rsm_scsi_answer). CHECK CONDITION is an answer, not a failure.
 * Threads: one command at a time on a transport; the caller (its driver's owner) sees to that.
 */
#ifndef RSM_CHANGER_SCSI_TRANSPORT_H
#define RSM_CHANGER_SCSI_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

enum rsm_scsi_direction { RSM_SCSI_NO_DATA, RSM_SCSI_FROM_DEVICE, RSM_SCSI_TO_DEVICE };

/* SAM-5 5.3 status codes in use. */
enum rsm_scsi_status {
	RSM_SCSI_GOOD = 0x00,
	RSM_SCSI_CHECK_CONDITION = 0x02,
	RSM_SCSI_BUSY = 0x08,
	RSM_SCSI_RESERVATION_CONFLICT = 0x18,
	RSM_SCSI_TASK_SET_FULL = 0x28,
};

struct rsm_scsi_command {
	uint8_t cdb[16];
	uint8_t cdb_length; /* 6, 10, 12 or 16 */
	enum rsm_scsi_direction direction;
	void *data;	    /* read from or written to, by direction; borrowed for the call */
	size_t data_length; /* bytes */
	unsigned timeout_ms;
};

struct rsm_scsi_answer {
	uint8_t status;	   /* enum rsm_scsi_status */
	uint8_t sense[96]; /* fixed or descriptor format as it came */
	uint8_t sense_length;
	size_t residual; /* bytes of data_length that were not transferred */
};

struct rsm_scsi_transport;

struct rsm_scsi_transport_ops {
	/* 0: *ret_answer is filled. -ENODEV: the device is gone. -ETIMEDOUT. -EIO: not delivered.
	 */
	int (*execute)(struct rsm_scsi_transport *transport, const struct rsm_scsi_command *command,
		       struct rsm_scsi_answer *ret_answer, struct rsm_err *err);
	void (*free)(struct rsm_scsi_transport *transport);
};

/* Embedded first in each implementation's own struct. */
struct rsm_scsi_transport {
	const struct rsm_scsi_transport_ops *ops;
	char name[64]; /* as people know it: "/dev/sg3", "drive 256" */
};

RSM_MUST_CHECK int rsm_scsi_execute(struct rsm_scsi_transport *transport,
				    const struct rsm_scsi_command *command,
				    struct rsm_scsi_answer *ret_answer, struct rsm_err *err);
void rsm_scsi_transport_free(struct rsm_scsi_transport *transport);
RSM_DEFINE_CLEANUP(rsm_scsi_transport_free, struct rsm_scsi_transport)

/* "LOCATE(16)" for 92h, as words for people; "command" if unknown. */
const char *rsm_scsi_command_name(uint8_t opcode);

/* Opens a real device node (/dev/sgN, /dev/nstN, /dev/schN, /dev/changer) with libsgutils2. */
RSM_MUST_CHECK int rsm_scsi_sg_open(const char *node, struct rsm_scsi_transport **ret_transport,
				    struct rsm_err *err);

/* Wraps a transport (takes it): prints each CDB, result and decoded sense to the log's scsi room.
 */
RSM_MUST_CHECK int rsm_scsi_trace_new(struct rsm_scsi_transport *inner,
				      struct rsm_scsi_transport **ret_transport,
				      struct rsm_err *err);

#endif
