/* Making a volume (2, 5, 6.1), and knowing what kind of medium is in the drive (3, 4).
 *
 * Order of a format: partitions; data partition label and index; index partition label and index;
 * MAM. A cut leaves a medium whose labels are not both there: damaged LTFS, to be formatted again;
 * it held nothing of worth, since a format is only begun on media that may be overwritten.
 */
#include "core/ltfs/ltfs_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/recognise/recognise.h"

enum { PROBE_BYTES = 1 << 20 };

/* ---- probing ---- */

/* Reads the record at the position. Outcomes of _read; a record longer than `size` is cut: 0. */
static int read_record(struct rsm_tape_drive *drive, void *buf, size_t size, size_t *ret_length,
		       struct rsm_err *err)
{
	int r = rsm_tape_drive_read(drive, buf, size, ret_length, err);

	if (r == -ENOBUFS) {
		*ret_length = size;
		return 0;
	}
	return r;
}

static int expect_filemark(struct rsm_tape_drive *drive, char *buf, struct rsm_err *err)
{
	size_t length;
	int r = read_record(drive, buf, PROBE_BYTES, &length, err);

	if (r == RSM_TAPE_FILEMARK || r < 0)
		return r < 0 ? r : 0;
	return rsm_err_set(err, EBADMSG, "a filemark is missing behind the label");
}

/* Reads the label construct of a partition. -EBADMSG: none, or a bad one. */
static int read_labels(struct rsm_tape_drive *drive, unsigned partition, char *buf,
		       char ret_serial[7], struct rsm_ltfs_label *ret_label, struct rsm_err *err)
{
	char implementation[14];
	size_t length = 0;
	int r;

	r = rsm_tape_drive_locate(drive, partition, 0, err);
	if (r == 0)
		r = read_record(drive, buf, PROBE_BYTES, &length, err);
	if (r > 0 ||
	    (r == 0 && rsm_vol1_parse(buf, length, ret_serial, implementation) != RSM_VOL1_LTFS))
		return rsm_err_set(err, EBADMSG, "partition %u has no LTFS label", partition);
	if (r == 0)
		r = expect_filemark(drive, buf, err);
	if (r == 0)
		r = read_record(drive, buf, PROBE_BYTES, &length, err);
	if (r > 0)
		r = rsm_err_set(err, EBADMSG, "the XML label is missing");
	if (r == 0)
		r = rsm_ltfs_label_parse(buf, length, ret_label, err);
	if (r == 0)
		r = expect_filemark(drive, buf, err);
	return r < 0 ? rsm_err_wrap(err, r, "label of partition %u", partition) : 0;
}

/* Only one partition has a label: the volume may be readable by that. The label becomes what that
 * of partition 0 would be, but for `alone`.
 */
static void probe_half(struct rsm_tape_drive *drive, char *buf, struct rsm_ltfs_probe *probe)
{
	struct rsm_tape_medium medium;
	char serial[7];

	if (rsm_tape_drive_medium(drive, &medium, NULL) < 0 || medium.partitions != 2)
		return;
	for (unsigned partition = 0; !probe->half && partition < 2; partition++) {
		struct rsm_ltfs_label label;
		bool here;

		if (read_labels(drive, partition, buf, serial, &label, NULL) < 0 ||
		    (medium.max_block_bytes && label.block_size > medium.max_block_bytes))
			continue;
		probe->half = true;
		label.alone = label.location;
		here = label.location == label.index_partition;
		if (partition == 1)
			label.location = here ? label.data_partition : label.index_partition;
		snprintf(label.serial, sizeof label.serial, "%s", serial);
		snprintf(probe->serial, sizeof probe->serial, "%s", serial);
		probe->label = label;
	}
	if (!probe->half)
		return;
	probe->kind = RSM_PROBE_FOREIGN;
	snprintf(probe->label_type, sizeof probe->label_type, "damaged LTFS");
	snprintf(probe->label_info, sizeof probe->label_info, "only partition %c has an LTFS label",
		 probe->label.alone);
}

static int probe_ltfs(struct rsm_tape_drive *drive, char *buf, struct rsm_ltfs_probe *probe,
		      struct rsm_err *err)
{
	struct rsm_tape_medium medium;
	struct rsm_ltfs_label other;
	char serial[7];
	int r;

	r = rsm_tape_drive_medium(drive, &medium, err);
	if (r < 0)
		return r;
	if (medium.partitions != 2)
		return rsm_err_set(err, EBADMSG, "an LTFS label on a tape with %u partitions",
				   medium.partitions);
	r = read_labels(drive, 0, buf, probe->serial, &probe->label, err);
	if (r == 0)
		r = read_labels(drive, 1, buf, serial, &other, err);
	if (r == -EBADMSG || rsm_ltfs_is_medium_error(r, err)) {
		probe_half(drive, buf, probe);
		return r == -EBADMSG || !probe->half ? r : rsm_err_wrap(err, -EBADMSG, "label");
	}
	if (r == 0)
		r = rsm_ltfs_label_compare(&probe->label, &other, err);
	if (r == 0 && strcmp(serial, probe->serial) != 0)
		r = rsm_err_set(err, EBADMSG, "the serials of the two partitions differ");
	snprintf(probe->label.serial, sizeof probe->label.serial, "%s", probe->serial);
	if (r == 0 && probe->label.block_size > medium.max_block_bytes && medium.max_block_bytes)
		r = rsm_err_set(err, EBADMSG, "blocks of %llu bytes are too large for this drive",
				(unsigned long long)probe->label.block_size);
	return r;
}

/* The records that label the medium: the first, and those behind it where it says that labels
 * follow. What of the latter cannot be read is left out.
 */
struct beginning {
	char *first; /* of PROBE_BYTES */
	char labels[RSM_FIRST_RECORDS][RSM_VOL1_SIZE];
	struct rsm_first_record records[RSM_FIRST_RECORDS];
	size_t count;
};

/* Outcomes of _read for the first record. */
static int read_beginning(struct rsm_tape_drive *drive, struct beginning *beginning,
			  struct rsm_err *err)
{
	struct rsm_first_record *records = beginning->records;
	size_t length = 0;
	int r = rsm_tape_drive_locate(drive, 0, 0, err);

	if (r == 0)
		r = read_record(drive, beginning->first, PROBE_BYTES, &length, err);
	if (r != 0)
		return r;
	records[0] = (struct rsm_first_record){ beginning->first, length };
	beginning->count = 1;
	if (!rsm_recognise_wants_more(beginning->first, length))
		return 0;
	for (size_t i = 1; i < RSM_FIRST_RECORDS; i++) {
		char *label = beginning->labels[i];

		if (read_record(drive, label, RSM_VOL1_SIZE, &length, NULL) != 0)
			break;
		records[i] = (struct rsm_first_record){ label, length };
		beginning->count = i + 1;
	}
	return 0;
}

static int probe_recognised(struct rsm_tape_drive *drive, const struct beginning *beginning,
			    struct rsm_ltfs_probe *probe, struct rsm_err *err)
{
	struct rsm_recognised found;
	int r;

	rsm_recognise(beginning->records, beginning->count, &found);
	snprintf(probe->label_type, sizeof probe->label_type, "%s", found.type);
	snprintf(probe->label_info, sizeof probe->label_info, "%s", found.info);
	(void)rsm_vol1_parse(beginning->first, beginning->count ? beginning->records[0].length : 0,
			     probe->serial, NULL);
	switch (found.kind) {
	case RSM_RECOGNISED_FREE: probe->kind = RSM_PROBE_FREE; return 0;
	case RSM_RECOGNISED_FOREIGN:
		probe->kind = RSM_PROBE_FOREIGN;
		probe_half(drive, beginning->first, probe);
		return 0;
	case RSM_RECOGNISED_LTFS: break;
	}
	probe->kind = RSM_PROBE_LTFS;
	r = probe_ltfs(drive, beginning->first, probe, err);
	if (r != -EBADMSG)
		return r;
	probe->kind = RSM_PROBE_FOREIGN;
	snprintf(probe->label_type, sizeof probe->label_type, "damaged LTFS");
	snprintf(probe->label_info, sizeof probe->label_info, "%.*s",
		 (int)sizeof probe->label_info - 1, err ? err->msg : "");
	return 0;
}

int rsm_ltfs_probe(struct rsm_tape_drive *drive, struct rsm_ltfs_probe *ret_probe,
		   struct rsm_err *err)
{
	RSM_FREE char *buf = calloc(1, PROBE_BYTES);
	struct beginning beginning = { .first = buf };
	struct rsm_ltfs_probe probe = { .kind = RSM_PROBE_BLANK };
	int r;

	if (!buf)
		return rsm_err_oom(err);
	snprintf(probe.label_type, sizeof probe.label_type, "blank");
	r = read_beginning(drive, &beginning, err);
	if (r == RSM_TAPE_END_OF_DATA) {
		probe_half(drive, buf, &probe);
		r = 0;
	} else if (r >= 0) { /* what begins with a filemark has no label */
		r = probe_recognised(drive, &beginning, &probe, err);
	}
	if (r == 0)
		*ret_probe = probe;
	return r;
}

/* ---- writing labels ---- */

static int write_all(struct rsm_tape_drive *drive, const void *data, size_t length,
		     struct rsm_err *err)
{
	int r = rsm_tape_drive_write(drive, data, length, err);

	return r < 0 ? r : 0;
}

static int write_mark(struct rsm_tape_drive *drive, struct rsm_err *err)
{
	int r = rsm_tape_drive_write_filemarks(drive, 1, false, err);

	return r < 0 ? r : 0;
}

int rsm_ltfs_write_free_label(struct rsm_tape_drive *drive, const char *barcode,
			      struct rsm_err *err)
{
	char record[RSM_VOL1_SIZE], serial[7];
	int r;

	rsm_vol1_serial_of_barcode(barcode, serial);
	rsm_vol1_build(record, true, serial);
	r = rsm_tape_drive_format(drive, 1, err);
	if (r == 0)
		r = rsm_tape_drive_locate(drive, 0, 0, err);
	if (r == 0)
		r = write_all(drive, record, sizeof record, err);
	if (r == 0)
		r = write_mark(drive, err);
	if (r == 0 && rsm_medium_memory_write(drive, 0, RSM_MAM_VOLUME_COHERENCY, RSM_MAM_BINARY,
					      NULL, 0, NULL) < 0)
		rsm_log_debug(RSM_ROOM_VOLUME, "old coherency information stays, ignoring");
	return r > 0 ? rsm_err_fold(err, r, "free label") : r;
}

int rsm_ltfs_write_label(struct rsm_ltfs_volume *ltfs, int which, const char *serial,
			 struct rsm_err *err)
{
	RSM_TEXT struct rsm_text xml = { 0 };
	struct rsm_ltfs_label label = ltfs->label;
	char record[RSM_VOL1_SIZE];
	int r;

	label.location = ltfs->part[which].letter;
	rsm_vol1_build(record, false, serial);
	r = rsm_ltfs_label_build(&label, &xml, err);
	if (r == 0)
		r = rsm_ltfs_seek(ltfs, which, 0, err);
	if (r == 0)
		r = write_all(ltfs->drive, record, sizeof record, err);
	if (r == 0)
		r = write_mark(ltfs->drive, err);
	if (r == 0)
		r = write_all(ltfs->drive, xml.data, xml.length, err);
	if (r == 0)
		r = write_mark(ltfs->drive, err);
	ltfs->part[which].end = 4;
	return r;
}

/* ---- MAM of a new volume (6.1) ---- */

static void write_attributes(struct rsm_ltfs_volume *ltfs,
			     const struct rsm_volume_identity *identity)
{
	static const char utf8 = (char)0x81;
	static const char unlocked;

	rsm_ltfs_put_text(ltfs->drive, RSM_MAM_APPLICATION_VENDOR, RSM_MAM_ASCII, "RSMFS", 8, ' ');
	rsm_ltfs_put_text(ltfs->drive, RSM_MAM_APPLICATION_NAME, RSM_MAM_ASCII, "LTFS", 32, ' ');
	rsm_ltfs_put_text(ltfs->drive, RSM_MAM_APPLICATION_VERSION, RSM_MAM_ASCII, RSM_VERSION, 8,
			  ' ');
	rsm_ltfs_put_text(ltfs->drive, RSM_MAM_FORMAT_VERSION, RSM_MAM_ASCII, "2.4.0", 16, ' ');
	rsm_ltfs_put_text(ltfs->drive, RSM_MAM_BARCODE, RSM_MAM_ASCII,
			  identity && identity->barcode ? identity->barcode : "", 32, ' ');
	rsm_ltfs_put_text(ltfs->drive, RSM_MAM_MEDIUM_TEXT, RSM_MAM_TEXT, "", 160, '\0');
	rsm_ltfs_put_text(ltfs->drive, RSM_MAM_MEDIA_POOL, RSM_MAM_TEXT, "", 160, '\0');
	rsm_ltfs_write_names(ltfs, identity);
	if (rsm_medium_memory_write(ltfs->drive, 0, RSM_MAM_TEXT_LOCALISATION, RSM_MAM_BINARY,
				    &utf8, 1, NULL) < 0 ||
	    rsm_medium_memory_write(ltfs->drive, 0, RSM_MAM_VOLUME_LOCK, RSM_MAM_BINARY, &unlocked,
				    1, NULL) < 0)
		rsm_log_debug(RSM_ROOM_VOLUME, "some MAM attributes are not written, ignoring");
}

/* ---- formatting ---- */

static int write_first_indexes(struct rsm_ltfs_volume *ltfs, const char *serial,
			       const struct rsm_volume_identity *identity, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_index_snapshot_close) struct rsm_index_snapshot *snapshot = NULL;
	int r;

	/* nothing that an earlier medium held counts any more */
	r = rsm_content_forget_unindexed(ltfs->content, err);
	if (r == 0)
		r = rsm_ltfs_save_volume_name(ltfs, identity, err);
	if (r == 0)
		r = rsm_ltfs_save_root_keys(ltfs, identity, err);
	if (r == 0)
		r = rsm_content_snapshot(ltfs->content, &snapshot, err);
	if (r == 0)
		r = rsm_ltfs_write_label(ltfs, DATA, serial, err);
	ltfs->generation = 1;
	ltfs->update_time = ltfs->label.format_time;
	if (r == 0)
		r = rsm_ltfs_write_index(ltfs, DATA, rsm_content_index(ltfs->content), snapshot,
					 identity, 1, 0, &ltfs->update_time, "Format", err);
	if (r == 0)
		r = rsm_ltfs_write_label(ltfs, INDEX, serial, err);
	if (r == 0)
		r = rsm_ltfs_write_index(ltfs, INDEX, rsm_content_index(ltfs->content), snapshot,
					 identity, 1, ltfs->part[DATA].index_block,
					 &ltfs->update_time, "Format", err);
	if (r < 0)
		return r;
	ltfs->self_partition = ltfs->part[INDEX].letter;
	ltfs->back_block = ltfs->part[DATA].index_block;
	write_attributes(ltfs, identity);
	rsm_ltfs_write_coherency(ltfs);
	r = rsm_ltfs_save_facts(ltfs, err);
	if (r == 0)
		r = rsm_ltfs_save_medium_facts(ltfs, "unlocked", err);
	return r ? r : rsm_content_indexed(ltfs->content, snapshot, err);
}

int rsm_ltfs_format(struct rsm_tape_drive *drive, struct rsm_content *content, const char *uuid,
		    const struct rsm_volume_identity *identity, struct rsm_volume **ret_volume,
		    struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_volume_free) struct rsm_ltfs_volume *ltfs = NULL;
	struct rsm_ltfs_label label = {
		.version = "2.4.0",
		.location = 'a',
		.index_partition = 'a',
		.data_partition = 'b',
		.block_size = RSM_LTFS_BLOCK_SIZE,
		.compression = true,
	};
	char serial[7] = "";
	int r;

	snprintf(label.creator, sizeof label.creator, "%s", rsm_ltfs_creator);
	snprintf(label.uuid, sizeof label.uuid, "%s", uuid);
	clock_gettime(CLOCK_REALTIME, &label.format_time);
	if (identity && identity->barcode)
		rsm_vol1_serial_of_barcode(identity->barcode, serial);
	snprintf(label.serial, sizeof label.serial, "%s", serial);

	r = rsm_ltfs_partition(drive, err);
	if (r == 0 && rsm_tape_drive_set_compression(drive, true, NULL) < 0)
		label.compression = false;
	if (r == 0)
		r = rsm_ltfs_volume_new(drive, content, &label, &ltfs, err);
	if (r == 0)
		r = write_first_indexes(ltfs, serial, identity, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "format");
	rsm_ltfs_settle_room(ltfs);
	rsm_ltfs_ask_capacity(ltfs);
	*ret_volume = &RSM_STEAL(ltfs)->volume;
	return 0;
}
