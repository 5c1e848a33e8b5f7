#include "changer/scsi_mode.h"

#include <string.h>

#include "base/bytes.h"

enum { DESCRIPTOR_SIZE = 8, MODE_TIMEOUT_MS = 60 * 1000 };

void rsm_mode_sense_command(struct rsm_scsi_command *ret_command, bool ten, bool descriptor,
			    uint8_t page, uint8_t *list)
{
	*ret_command = (struct rsm_scsi_command){
		.cdb_length = ten ? 10 : 6,
		.direction = RSM_SCSI_FROM_DEVICE,
		.data = list,
		.data_length = RSM_MODE_LIST_SIZE,
		.timeout_ms = MODE_TIMEOUT_MS,
	};
	memset(list, 0, RSM_MODE_LIST_SIZE);
	ret_command->cdb[0] = ten ? 0x5A : 0x1A;
	ret_command->cdb[1] = descriptor ? 0 : 0x08; /* DBD */
	ret_command->cdb[2] = page & 0x3F;
	if (ten)
		rsm_put_be16(ret_command->cdb + 7, RSM_MODE_LIST_SIZE);
	else
		ret_command->cdb[4] = RSM_MODE_LIST_SIZE;
}

static void find_page(const uint8_t *list, size_t at, size_t end, uint8_t page,
		      struct rsm_mode *mode)
{
	while (at + 2 <= end) {
		/* SPF: a subpage, whose length has 16 bits */
		bool subpage = list[at] & 0x40;
		size_t length = 2 + (size_t)list[at + 1];

		if (subpage && at + 4 > end)
			return;
		if (subpage)
			length = 4 + (size_t)rsm_get_be16(list + at + 2);
		if (!subpage && (list[at] & 0x3F) == page) {
			if (length > end - at)
				length = end - at;
			if (length > sizeof mode->page)
				length = sizeof mode->page;
			memcpy(mode->page, list + at, length);
			mode->page_length = length;
			return;
		}
		at += length;
	}
}

int rsm_mode_parse(const uint8_t *list, size_t length, bool ten, uint8_t page,
		   struct rsm_mode *ret_mode)
{
	struct rsm_mode mode = { 0 };
	size_t header = ten ? 8 : 4, descriptors, end;

	if (length < header)
		return -EBADMSG;
	end = ten ? (size_t)rsm_get_be16(list) + 2 : (size_t)list[0] + 1;
	if (end > length)
		end = length;
	mode.medium_type = ten ? list[2] : list[1];
	mode.device_specific = ten ? list[3] : list[2];
	descriptors = ten ? rsm_get_be16(list + 6) : list[3];
	if (end < header || descriptors > end - header)
		return -EBADMSG;
	if (descriptors >= DESCRIPTOR_SIZE && !(ten && list[4] & 0x01)) {
		mode.has_descriptor = true;
		mode.density = list[header];
		mode.block_length = rsm_get_be24(list + header + 5);
	}
	find_page(list, header + descriptors, end, page, &mode);
	*ret_mode = mode;
	return 0;
}

void rsm_mode_select_command(struct rsm_scsi_command *ret_command, bool ten,
			     const struct rsm_mode *mode, uint8_t *list)
{
	size_t length = ten ? 8 : 4;

	/* the mode data length is reserved here, and stays 0 */
	memset(list, 0, RSM_MODE_LIST_SIZE);
	if (ten) {
		list[2] = mode->medium_type;
		list[3] = mode->device_specific;
		list[7] = mode->has_descriptor ? DESCRIPTOR_SIZE : 0;
	} else {
		list[1] = mode->medium_type;
		list[2] = mode->device_specific;
		list[3] = mode->has_descriptor ? DESCRIPTOR_SIZE : 0;
	}
	if (mode->has_descriptor) {
		list[length] = mode->density;
		rsm_put_be24(list + length + 5, mode->block_length);
		length += DESCRIPTOR_SIZE;
	}
	memcpy(list + length, mode->page, mode->page_length);
	if (mode->page_length)
		list[length] &= 0x3F; /* PS is reserved in MODE SELECT */
	length += mode->page_length;

	*ret_command = (struct rsm_scsi_command){
		.cdb_length = ten ? 10 : 6,
		.direction = RSM_SCSI_TO_DEVICE,
		.data = list,
		.data_length = length,
		.timeout_ms = MODE_TIMEOUT_MS,
	};
	ret_command->cdb[0] = ten ? 0x55 : 0x15;
	ret_command->cdb[1] = 0x10; /* PF */
	if (ten)
		rsm_put_be16(ret_command->cdb + 7, (uint16_t)length);
	else
		ret_command->cdb[4] = (uint8_t)length;
}
