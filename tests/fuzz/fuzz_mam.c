/* Medium auxiliary memory: the emulator's attribute list, what a drive answers to READ ATTRIBUTE,
 * and the volume coherency information in it. A list that is read is written byte for byte the
 * same, sorted.
 */
#include <string.h>

#include "changer/emulator/mam_file.h"
#include "changer/medium_memory.h"
#include "core/ltfs/label.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_device.h"

static void check_again(const struct rsm_mam_file *mam)
{
	RSM_TEXT struct rsm_text once = { 0 }, twice = { 0 };
	struct rsm_mam_file again;
	struct rsm_err err;

	rsm_mam_file_write(mam, &once);
	FUZZ_PROMISE(once.length == mam->bytes, "%zu %zu", once.length, mam->bytes);
	fuzz_put_file("again", once.data ? once.data : "", once.length);
	FUZZ_PROMISE(rsm_mam_file_load(&again, fuzz_folder_fd(), "again", &err) == 0, "%s",
		     err.msg);
	FUZZ_PROMISE(!again.was_damaged && again.count == mam->count, "%zu %zu", again.count,
		     mam->count);
	rsm_mam_file_write(&again, &twice);
	FUZZ_PROMISE(once.length == twice.length, "%zu", twice.length);
	FUZZ_PROMISE(!once.length || memcmp(once.data, twice.data, once.length) == 0, "order");
	rsm_mam_file_fini(&again);
}

static void check_list(const uint8_t *data, size_t size)
{
	struct rsm_mam_file mam;
	uint64_t number;
	struct rsm_err err;

	fuzz_put_file("mam", data, size);
	FUZZ_PROMISE(rsm_mam_file_load(&mam, fuzz_folder_fd(), "mam", &err) == 0, "%s", err.msg);
	FUZZ_PROMISE(!mam.was_damaged || mam.count == 0, "%zu attributes", mam.count);
	for (size_t i = 0; i < mam.count; i++)
		FUZZ_PROMISE(rsm_mam_file_find(&mam, mam.attributes[i].id) == &mam.attributes[i],
			     "%04X", mam.attributes[i].id);
	(void)!rsm_mam_file_number(&mam, 0x0009, 4, &number);
	check_again(&mam);
	/* half of what is there goes, and something large is wanted */
	for (size_t i = 0; i < mam.count; i++)
		rsm_mam_file_delete(&mam, mam.attributes[i].id);
	(void)!rsm_mam_file_set(&mam, 0x0800 | (size & 0xFF), 0, data, (uint16_t)(size & 0xFFFF));
	check_again(&mam);
	rsm_mam_file_fini(&mam);
}

static void check_coherency(const uint8_t *data, size_t size)
{
	struct rsm_coherency info, again;
	uint8_t value[RSM_COHERENCY_SIZE];

	if (rsm_coherency_parse(data, size, &info) != 0)
		return;
	rsm_coherency_build(&info, value);
	FUZZ_PROMISE(rsm_coherency_parse(value, sizeof value, &again) == 0, "%s", info.uuid);
	FUZZ_PROMISE(again.generation == info.generation && again.block == info.block &&
			     again.change_reference == info.change_reference &&
			     strcmp(again.uuid, info.uuid) == 0,
		     "%s", again.uuid);
}

/* A drive whose every answer is this list, cut to what was asked for. */
static void check_answers(const uint8_t *data, size_t size)
{
	struct rsm_tape_drive *drive = fuzz_drive_with_answer(data, size);
	uint16_t id = size >= 6 ? (uint16_t)(data[4] << 8 | data[5]) : 0;
	uint64_t remaining, maximum;
	uint8_t value[256];
	size_t length = 0;
	struct rsm_err err;
	int r = rsm_medium_memory_read(drive, 0, id, value, sizeof value, &length, &err);

	if (r == 0 && length <= sizeof value)
		check_coherency(value, length);
	(void)!rsm_medium_memory_read(drive, 1, id, value, size % sizeof value, &length, &err);
	(void)!rsm_medium_memory_capacity(drive, 0, &remaining, &maximum, &err);
	(void)!rsm_medium_memory_write(drive, 0, id, RSM_MAM_BINARY, data, size, &err);
	rsm_tape_drive_free(drive);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_list(data, size);
	check_coherency(data, size);
	if (size > 5) /* behind an attribute's header */
		check_coherency(data + 5, size - 5);
	check_answers(data, size);
	return 0;
}
