#include "tests/changer/library_rig.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/base/test.h"

const char *rig_path(const struct rig *rig, const char *format, ...)
{
	static char buffers[4][512];
	static unsigned next;
	char *buffer = buffers[next++ % 4], name[256];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof name, format, args);
	va_end(args);
	snprintf(buffer, sizeof buffers[0], "%s/%s", rig->folder, name);
	return buffer;
}

bool rig_is_there(const struct rig *rig, const char *name)
{
	return access(rig_path(rig, "%s", name), F_OK) == 0;
}

void rig_run(const struct rig *rig, const char *format, ...)
{
	char command[600], text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	snprintf(command, sizeof command, "cd %s && %s", rig->folder, text);
	assert_int_equal(system(command), 0);
}

void rig_open(struct rig *rig)
{
	struct rsm_scsi_transport *transport;

	assert_done(rsm_emulator_open(rig->folder, &rig->clock.clock, &rig->emulator, &rig->err),
		    &rig->err);
	assert_done(rsm_emulator_changer(rig->emulator, &transport, &rig->err), &rig->err);
	assert_done(rsm_medium_changer_new(transport, &rig->changer, &rig->err), &rig->err);
	assert_done(rsm_emulator_drive(rig->emulator, 256, &transport, &rig->err), &rig->err);
	assert_done(rsm_tape_drive_new(transport, &rig->drive, &rig->err), &rig->err);
	assert_done(rsm_emulator_changer(rig->emulator, &rig->raw_changer, &rig->err), &rig->err);
	assert_done(rsm_emulator_drive(rig->emulator, 256, &rig->raw_drive, &rig->err), &rig->err);
}

void rig_close(struct rig *rig)
{
	rsm_medium_changer_free(rig->changer);
	rsm_tape_drive_free(rig->drive);
	rsm_scsi_transport_free(rig->raw_changer);
	rsm_scsi_transport_free(rig->raw_drive);
	rsm_emulator_close(rig->emulator);
	rig->changer = NULL;
	rig->drive = NULL;
	rig->raw_changer = rig->raw_drive = NULL;
	rig->emulator = NULL;
}

void rig_make(struct rig *rig, const struct rsm_library_shape *shape, const char *conf)
{
	FILE *file;

	rig_close(rig);
	assert_done(rsm_file_remove_tree(rig->folder, &rig->err), &rig->err);
	assert_done(rsm_library_folder_create(rig->folder, shape, &rig->err), &rig->err);
	file = fopen(rig_path(rig, "library.conf"), "a");
	assert_non_null(file);
	fprintf(file, "%s\n", conf);
	fclose(file);
	rig_open(rig);
}

int rig_set_up(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8", .drives = 2, .slots = 8, .ports = 2, .cartridges = 4
	};
	struct rig *rig = calloc(1, sizeof *rig);

	if (!rig)
		return -1;
	/* in memory, where that is: syncing is what takes the time here */
	strcpy(rig->folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/rsm-test-rig-XXXXXX"
							  : "/tmp/rsm-test-rig-XXXXXX");
	if (!mkdtemp(rig->folder))
		return -1;
	rsm_clock_virtual_init(&rig->clock);
	rig_make(rig, &shape, "");
	*state = rig;
	return 0;
}

int rig_tear_down(void **state)
{
	struct rig *rig = *state;
	int r;

	rig_close(rig);
	r = rsm_file_remove_tree(rig->folder, NULL);
	free(rig);
	return r;
}

void rig_move(struct rig *rig, uint16_t source, uint16_t destination)
{
	assert_done(rsm_medium_changer_move(rig->changer, source, destination, &rig->err),
		    &rig->err);
}

const char *rig_tag(struct rig *rig, uint16_t address)
{
	static char tag[RSM_VOLUME_TAG_SIZE];
	struct rsm_element *elements;
	bool found = false;
	size_t count;

	assert_done(rsm_medium_changer_inventory(rig->changer, &elements, &count, &rig->err),
		    &rig->err);
	for (size_t i = 0; i < count; i++) {
		if (elements[i].address != address)
			continue;
		found = true;
		strcpy(tag, elements[i].full ? elements[i].volume_tag : "");
	}
	free(elements);
	assert_true(found);
	return tag;
}

void rig_load(struct rig *rig, uint16_t slot)
{
	rig_move(rig, slot, 256);
	assert_done(rsm_tape_drive_load(rig->drive, 1000, &rig->err), &rig->err);
}

void rig_unload(struct rig *rig, uint16_t slot)
{
	assert_done(rsm_tape_drive_unload(rig->drive, &rig->err), &rig->err);
	rig_move(rig, 256, slot);
}

struct rsm_sense rig_send(struct rsm_scsi_transport *transport, const char *cdb,
			  enum rsm_scsi_direction direction, void *data, size_t size,
			  size_t *ret_moved)
{
	struct rsm_scsi_command command = { .direction = direction,
					    .data = data,
					    .data_length = size };
	struct rsm_scsi_answer answer;
	struct rsm_sense sense;
	struct rsm_err err;
	int at, used;
	unsigned byte;

	for (at = 0; sscanf(cdb + at, "%2x%n", &byte, &used) == 1; at += used) {
		assert_true(command.cdb_length < 16);
		command.cdb[command.cdb_length++] = (uint8_t)byte;
	}
	do {
		assert_done(rsm_scsi_execute(transport, &command, &answer, &err), &err);
		rsm_sense_decode(&answer, &sense);
	} while (sense.key == 0x06);
	if (ret_moved)
		*ret_moved = size - answer.residual;
	return sense;
}

void rig_assert_sense(const struct rsm_sense *sense, uint8_t key, uint8_t asc, uint8_t ascq)
{
	if (sense->key != key || sense->asc != asc || sense->ascq != ascq)
		fail_msg("sense is %02X/%02X/%02X instead of %02X/%02X/%02X", sense->key,
			 sense->asc, sense->ascq, key, asc, ascq);
}
