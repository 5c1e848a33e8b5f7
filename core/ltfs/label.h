/* label.h - the label construct of LTFS: VOL1 and the XML label; the free label of rsmfs
 * (ltfs-format.md 3 and 4, contract 8).
 */
#ifndef RSM_CORE_LTFS_LABEL_H
#define RSM_CORE_LTFS_LABEL_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/text.h"

enum { RSM_VOL1_SIZE = 80, RSM_LTFS_LABEL_MAX = 4096, RSM_UUID_SIZE = 37 };

enum rsm_vol1_kind {
	RSM_VOL1_NONE, /* not a VOL1 record */
	RSM_VOL1_LTFS, /* bytes 24-27 are LTFS (nothing else is needed, as the reference reads) */
	RSM_VOL1_FREE, /* RSMFS FREE */
	RSM_VOL1_FOREIGN, /* some other ANSI label */
};

/* What the first record of a medium says. ret_serial (7 bytes, may be NULL): "" if blank or bad. */
enum rsm_vol1_kind rsm_vol1_parse(const void *record, size_t length, char *ret_serial,
				  char ret_implementation[14]);
/* serial: up to six of 0-9A-Z, else spaces are written. */
void rsm_vol1_build(char record[RSM_VOL1_SIZE], bool free_label, const char *serial);
/* The six characters for a volume from its barcode, "" if they are not 0-9A-Z. */
void rsm_vol1_serial_of_barcode(const char *barcode, char ret_serial[7]);

struct rsm_ltfs_label {
	char version[16]; /* "2.4.0" */
	char creator[1025];
	struct timespec format_time;
	char uuid[RSM_UUID_SIZE]; /* lower case */
	char location;		  /* letter of the partition on which this label stands */
	char index_partition, data_partition; /* letters */
	uint64_t block_size;
	bool compression;
	char serial[7]; /* of the VOL1 record before it; the parser leaves it empty */
	char alone;	/* not the parser's: only the partition of this letter has a label; or 0 */
};

/* Strict where ltfs-format.md 4 says so. -EBADMSG with what is wrong. */
RSM_MUST_CHECK int rsm_ltfs_label_parse(const char *xml, size_t length,
					struct rsm_ltfs_label *ret_label, struct rsm_err *err);
RSM_MUST_CHECK int rsm_ltfs_label_build(const struct rsm_ltfs_label *label,
					struct rsm_text *ret_xml, struct rsm_err *err);
/* The two labels of a volume must agree in all but location and creator; -EBADMSG says in what not.
 */
RSM_MUST_CHECK int rsm_ltfs_label_compare(const struct rsm_ltfs_label *one,
					  const struct rsm_ltfs_label *other, struct rsm_err *err);

/* "2026-01-02T03:04:05.000000006Z"; years 0000 to 9999, clamped (7.3). */
enum { RSM_LTFS_TIME_SIZE = 32 };
void rsm_ltfs_time_clamp(struct timespec *time);
void rsm_ltfs_time_format(const struct timespec *time, char ret_text[RSM_LTFS_TIME_SIZE]);
RSM_MUST_CHECK int rsm_ltfs_time_parse(const char *text, struct timespec *ret_time);

/* Volume coherency information, MAM 080Ch (6.2). */
struct rsm_coherency {
	uint64_t change_reference;
	uint64_t generation;
	uint64_t block; /* first block of the partition's last index */
	char uuid[RSM_UUID_SIZE];
};
enum { RSM_COHERENCY_SIZE = 70 };
void rsm_coherency_build(const struct rsm_coherency *info, uint8_t value[RSM_COHERENCY_SIZE]);
/* Outcome 1: not usable (other application, VCR 0 or all ones, wrong lengths). */
int rsm_coherency_parse(const void *value, size_t length, struct rsm_coherency *ret_info);

#endif
