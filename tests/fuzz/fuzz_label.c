/* The label construct: VOL1 (LTFS's and the free one), the XML label. What is read can be written,
 * and reads the same again.
 */
#include <string.h>

#include "core/ltfs/label.h"
#include "tests/fuzz/fuzz.h"

static void check_label(const struct rsm_ltfs_label *label)
{
	RSM_TEXT struct rsm_text xml = { 0 };
	struct rsm_ltfs_label again, other;
	struct rsm_err err;
	int r = rsm_ltfs_label_build(label, &xml, &err);

	if (r < 0) /* creator's escapes make it longer than a label may be */
		return;
	r = rsm_ltfs_label_parse(xml.data, xml.length, &again, &err);
	FUZZ_PROMISE(r == 0, "%s", err.msg);
	FUZZ_PROMISE(strcmp(again.creator, label->creator) == 0, "%s", again.creator);
	FUZZ_PROMISE(again.location == label->location, "%c", again.location);
	other = again;
	other.location = label->location == label->index_partition ? label->data_partition
								   : label->index_partition;
	r = rsm_ltfs_label_compare(label, &other, &err);
	FUZZ_PROMISE(r == 0, "%s", err.msg);
	FUZZ_PROMISE(rsm_ltfs_label_compare(label, &again, &err) < 0, "same location");
}

static void check_vol1(const uint8_t *data, size_t size)
{
	char serial[7], implementation[14], record[RSM_VOL1_SIZE], again[7];
	enum rsm_vol1_kind kind = rsm_vol1_parse(data, size, serial, implementation);

	FUZZ_PROMISE(strlen(serial) <= 6, "%.7s", serial);
	FUZZ_PROMISE(strlen(implementation) <= 13, "%.14s", implementation);
	rsm_vol1_build(record, kind == RSM_VOL1_FREE, serial);
	FUZZ_PROMISE(rsm_vol1_parse(record, sizeof record, again, NULL) ==
			     (kind == RSM_VOL1_FREE ? RSM_VOL1_FREE : RSM_VOL1_LTFS),
		     "kind %d", kind);
	if (kind != RSM_VOL1_NONE)
		FUZZ_PROMISE(strcmp(serial, again) == 0, "%s %s", serial, again);
}

static void check_text(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), serial[7], written[RSM_LTFS_TIME_SIZE];
	struct timespec time, again;

	FUZZ_PROMISE(text, "out of memory");
	rsm_vol1_serial_of_barcode(text, serial);
	FUZZ_PROMISE(strlen(serial) <= 6, "%.7s", serial);
	if (rsm_ltfs_time_parse(text, &time) == 0) {
		rsm_ltfs_time_format(&time, written);
		FUZZ_PROMISE(rsm_ltfs_time_parse(written, &again) == 0, "%s", written);
		/* but for a leap second behind the last year */
		FUZZ_PROMISE(again.tv_sec == time.tv_sec || time.tv_sec > 253402300799, "%s",
			     written);
		FUZZ_PROMISE(again.tv_nsec == time.tv_nsec || time.tv_sec > 253402300799, "%s",
			     written);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rsm_ltfs_label label;
	struct rsm_err err;

	check_vol1(data, size);
	check_text(data, size);
	if (rsm_ltfs_label_parse((const char *)data, size, &label, &err) == 0)
		check_label(&label);
	else
		FUZZ_PROMISE(strlen(err.msg) > 0, "an error without words");
	return 0;
}
