/* sense.h - sense data of either format, turned into one vocabulary of causes (SPC-4 4.5).
 *
 * Decisions are taken on a cause, never on an errno. rsm_err_sense() is the only place where sense
 * data become an error with words.
 */
#ifndef RSM_CHANGER_SENSE_H
#define RSM_CHANGER_SENSE_H

#include <stdbool.h>

#include "changer/scsi_transport.h"

enum rsm_cause {
	RSM_CAUSE_NONE, /* status good, or sense that says nothing */
	RSM_CAUSE_RECOVERED,
	RSM_CAUSE_NOT_READY,
	RSM_CAUSE_BECOMING_READY,  /* 02/04/01, 02/04/07 ... */
	RSM_CAUSE_NO_MEDIUM,	   /* 02/3A/xx */
	RSM_CAUSE_MEDIUM_ERROR,	   /* 03 */
	RSM_CAUSE_HARDWARE_ERROR,  /* 04 */
	RSM_CAUSE_ILLEGAL_REQUEST, /* 05 */
	RSM_CAUSE_MEDIUM_CHANGED,  /* 06/28/00 */
	RSM_CAUSE_PORT_ACCESSED,   /* 06/28/01 import/export element accessed, 06/3F/.. inventory
				      changed */
	RSM_CAUSE_RESET,	   /* 06/29/xx */
	RSM_CAUSE_UNIT_ATTENTION,  /* any other 06 */
	RSM_CAUSE_WRITE_PROTECTED, /* 07 */
	RSM_CAUSE_BLANK,	   /* 08, not end of data */
	RSM_CAUSE_END_OF_DATA,	   /* 08/00/05, or 03/.. with end-of-data detected */
	RSM_CAUSE_END_NOT_FOUND, /* 03/14/03: nothing more can be read, and it is no end of data */
	RSM_CAUSE_ABORTED,	 /* 0B */
	RSM_CAUSE_VOLUME_OVERFLOW,	      /* 0D: physical end of medium */
	RSM_CAUSE_FILEMARK,		      /* filemark bit */
	RSM_CAUSE_EARLY_WARNING,	      /* EOM bit on a write that was done, 00/00/02 */
	RSM_CAUSE_PROGRAMMABLE_EARLY_WARNING, /* 00/00/07 */
	RSM_CAUSE_END_OF_PARTITION,	      /* EOM while reading or spacing forward */
	RSM_CAUSE_BEGINNING_OF_PARTITION,     /* 00/00/04 */
	RSM_CAUSE_INCORRECT_LENGTH,	      /* ILI bit */
	RSM_CAUSE_INCOMPATIBLE_MEDIUM,	      /* 30/xx */
	RSM_CAUSE_CLEANING_NEEDED,	      /* 00/17, 30/07 ... */
	RSM_CAUSE_SOURCE_EMPTY,		      /* 3B/0E */
	RSM_CAUSE_DESTINATION_FULL,	      /* 3B/0D */
	RSM_CAUSE_REMOVAL_PREVENTED,	      /* 53/02, 53/03 */
	RSM_CAUSE_INVALID_ELEMENT,	      /* 21/01 */
	RSM_CAUSE_DOOR_OPEN,		      /* 3B/.., 04/18 ... */
	RSM_CAUSE_BUSY, /* SAM status BUSY, TASK SET FULL, RESERVATION CONFLICT */
};

struct rsm_sense {
	enum rsm_cause cause;
	bool deferred; /* response codes 71h, 73h: belongs to an earlier command */
	uint8_t key, asc, ascq;
	bool filemark, eom, ili;
	bool information_valid;
	int64_t information; /* signed residue of READ, SPACE */
};

/* Never fails: unknown or short data yield RSM_CAUSE_HARDWARE_ERROR (or NONE for good status). */
void rsm_sense_decode(const struct rsm_scsi_answer *answer, struct rsm_sense *ret_sense);

const char *rsm_cause_name(enum rsm_cause cause); /* "medium error", "end of data" ... */

/* Raises an error from sense data; key/ASC/ASCQ go into *err and into the words. Returns -errno:
 * ENOMEDIUM (no medium), EROFS (write protected), EMEDIUMTYPE (incompatible), ENOSPC (volume
 * overflow), EBUSY (removal prevented, busy), EINVAL (illegal request), ENXIO (invalid element),
 * EAGAIN (not ready, unit attention), EIO otherwise.
 */
int rsm_err_sense(struct rsm_err *err, const struct rsm_sense *sense, const char *what);

#endif
