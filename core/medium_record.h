/* medium_record.h - the life of a cartridge in figures, and where it is kept while it is out of the
 * library: its vault, and the day on which it is to come back.
 *
 * Kept with the side for as long as the catalogue knows it, whoever owns it. Loads are counted with
 * the side itself (media.h, `mounts`).
 */
#ifndef RSM_CORE_MEDIUM_RECORD_H
#define RSM_CORE_MEDIUM_RECORD_H

#include "core/media.h"

struct rsm_medium_record {
	uint64_t bytes_written, bytes_read; /* in records of the medium, labels and indexes too */
	uint32_t write_errors, read_errors; /* of the medium, not of drives */
	struct timespec verified;	    /* the last time that all of it was; 0: never */
	uint32_t verify_errors;		    /* files that were found wrong then */
	char vault[RSM_NAME_SIZE];	    /* "" unless it was said */
	struct timespec due;		    /* 0: not said */
};

/* All zero for a medium of which nothing is known. */
RSM_MUST_CHECK int rsm_medium_record_get(struct rsm_catalog *catalog, int64_t medium,
					 struct rsm_medium_record *ret_record, struct rsm_err *err);

/* What has passed since it was last told. */
struct rsm_medium_traffic {
	uint64_t bytes_written, bytes_read;
	uint32_t write_errors, read_errors;
};
RSM_MUST_CHECK int rsm_medium_record_add(struct rsm_catalog *catalog, int64_t medium,
					 const struct rsm_medium_traffic *traffic,
					 struct rsm_err *err);

/* All of it was read now, and so many files were wrong. */
RSM_MUST_CHECK int rsm_medium_record_verified(struct rsm_catalog *catalog, int64_t medium,
					      uint32_t errors, struct rsm_err *err);

/* NULL: stays as it is; "", and a time of 0: is forgotten. -EINVAL: no text for people. */
RSM_MUST_CHECK int rsm_medium_record_set_vault(struct rsm_catalog *catalog, int64_t medium,
					       const char *vault, const struct timespec *due,
					       struct rsm_err *err);

/* "2026-12-31", or that with "T18:30" or "T18:30:00": in local time; "never" and "": 0. -EINVAL. */
RSM_MUST_CHECK int rsm_medium_record_parse_due(const char *text, struct timespec *ret_due,
					       struct rsm_err *err);
/* "2026-12-31", with the time of day where that is not the beginning of the day; "" for 0. */
void rsm_medium_record_due_text(const struct timespec *due, char ret_text[32]);

/* It has come into the library: the day is forgotten, the vault is not. */
RSM_MUST_CHECK int rsm_medium_record_returned(struct rsm_catalog *catalog, int64_t medium,
					      struct rsm_err *err);

/* Asks people for cartridges whose day has come: an operator request and a "due" event for each.
 * Once a day that was said, but those that are not asked for any more (a restart) are asked for
 * again.
 */
RSM_MUST_CHECK int rsm_medium_record_ask_due(struct rsm_catalog *catalog, bool again,
					     struct rsm_err *err);

#endif
