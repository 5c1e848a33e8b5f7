/* scsi_mode.h - mode parameter lists (SPC-4 7.5) in their two lengths: taken apart, put together.
 *
 * Only bytes: the commands are sent by those who own the device.
 */
#ifndef RSM_CHANGER_SCSI_MODE_H
#define RSM_CHANGER_SCSI_MODE_H

#include <stdbool.h>

#include "changer/scsi_transport.h"

enum { RSM_MODE_PAGE_SIZE = 128, RSM_MODE_LIST_SIZE = 255 };

struct rsm_mode {
	uint8_t medium_type;
	uint8_t device_specific; /* tape: bit 7 write protected, bits 6-4 buffered mode */
	bool has_descriptor;
	uint8_t density;
	uint32_t block_length;
	uint8_t page[RSM_MODE_PAGE_SIZE]; /* with its header of two bytes */
	size_t page_length;		  /* 0: there was no such page */
};

/* The CDB and its buffer: MODE SENSE of a page's current values; `ten`: (10), else (6). A `list`
 * has RSM_MODE_LIST_SIZE bytes.
 */
void rsm_mode_sense_command(struct rsm_scsi_command *ret_command, bool ten, bool descriptor,
			    uint8_t page, uint8_t *list);

/* -EBADMSG (no words): the list is shorter than it says, or nonsense. */
RSM_MUST_CHECK int rsm_mode_parse(const uint8_t *list, size_t length, bool ten, uint8_t page,
				  struct rsm_mode *ret_mode);

/* The CDB and its list: MODE SELECT with what *mode holds. */
void rsm_mode_select_command(struct rsm_scsi_command *ret_command, bool ten,
			     const struct rsm_mode *mode, uint8_t *list);

#endif
