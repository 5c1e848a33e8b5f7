#include "changer/scsi_transport.h"

static const struct {
	uint8_t opcode;
	const char *name;
} command_names[] = {
	{ 0x00, "TEST UNIT READY" },
	{ 0x01, "REWIND" },
	{ 0x03, "REQUEST SENSE" },
	{ 0x04, "FORMAT MEDIUM" },
	{ 0x05, "READ BLOCK LIMITS" },
	{ 0x07, "INITIALIZE ELEMENT STATUS" },
	{ 0x08, "READ" },
	{ 0x0A, "WRITE" },
	{ 0x10, "WRITE FILEMARKS" },
	{ 0x11, "SPACE(6)" },
	{ 0x12, "INQUIRY" },
	{ 0x15, "MODE SELECT(6)" },
	{ 0x19, "ERASE" },
	{ 0x1A, "MODE SENSE(6)" },
	{ 0x1B, "LOAD UNLOAD" },
	{ 0x1E, "PREVENT ALLOW MEDIUM REMOVAL" },
	{ 0x2B, "LOCATE(10)" },
	{ 0x34, "READ POSITION" },
	{ 0x44, "REPORT DENSITY SUPPORT" },
	{ 0x4D, "LOG SENSE" },
	{ 0x55, "MODE SELECT(10)" },
	{ 0x5A, "MODE SENSE(10)" },
	{ 0x8C, "READ ATTRIBUTE" },
	{ 0x8D, "WRITE ATTRIBUTE" },
	{ 0x91, "SPACE(16)" },
	{ 0x92, "LOCATE(16)" },
	{ 0xA5, "MOVE MEDIUM" },
	{ 0xB8, "READ ELEMENT STATUS" },
};

const char *rsm_scsi_command_name(uint8_t opcode)
{
	for (size_t i = 0; i < sizeof command_names / sizeof command_names[0]; i++)
		if (command_names[i].opcode == opcode)
			return command_names[i].name;
	return "command";
}

int rsm_scsi_execute(struct rsm_scsi_transport *transport, const struct rsm_scsi_command *command,
		     struct rsm_scsi_answer *ret_answer, struct rsm_err *err)
{
	return transport->ops->execute(transport, command, ret_answer, err);
}

void rsm_scsi_transport_free(struct rsm_scsi_transport *transport)
{
	if (transport)
		transport->ops->free(transport);
}
