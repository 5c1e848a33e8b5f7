/* scsi_device.h - what drivers do with any SCSI device alike: ask who it is, wait while it is busy.
 */
#ifndef RSM_CHANGER_SCSI_DEVICE_H
#define RSM_CHANGER_SCSI_DEVICE_H

#include "changer/medium_changer.h"
#include "changer/scsi_transport.h"
#include "changer/sense.h"

/* Executes, again while the device says BUSY or TASK SET FULL (for some seconds), and decodes the
 * sense data. *ret_transferred (may be NULL) is how much of the data was transferred. Unit
 * attentions are the caller's business.
 */
RSM_MUST_CHECK int rsm_scsi_device_run(struct rsm_scsi_transport *transport,
				       const struct rsm_scsi_command *command,
				       struct rsm_sense *ret_sense, size_t *ret_transferred,
				       struct rsm_err *err);

/* INQUIRY and, where there is one, VPD page 80h. */
RSM_MUST_CHECK int rsm_scsi_device_identify(struct rsm_scsi_transport *transport,
					    struct rsm_device_identity *ret_identity,
					    struct rsm_err *err);

/* rsm_err_sense() in the words "drive 256: LOCATE(16): medium error (03/11/00)". */
int rsm_scsi_device_err(struct rsm_err *err, const struct rsm_scsi_transport *transport,
			const struct rsm_scsi_command *command, const struct rsm_sense *sense);

/* Copies a text field of a device: cut at a NUL, blanks trimmed at both ends, and what does not
 * print replaced by '?'. `to` has `room` bytes.
 */
void rsm_scsi_device_text(char *to, size_t room, const void *field, size_t length);

/* The device does not know the operation code (05/20/00). */
static inline bool rsm_sense_unknown_command(const struct rsm_sense *sense)
{
	return sense->key == 0x5 && sense->asc == 0x20;
}

#endif
