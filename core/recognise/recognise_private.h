/* recognise_private.h - what the recognisers share: how one looks, and how text leaves a tape. */
#ifndef RSM_CORE_RECOGNISE_RECOGNISE_PRIVATE_H
#define RSM_CORE_RECOGNISE_RECOGNISE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "core/recognise/recognise.h"

struct first_records {
	const struct rsm_first_record *records; /* at least one */
	size_t count;
};

/* True: it is of this kind. What it is called goes to *info; type may be set, too, where a format
 * has two names.
 */
typedef bool recogniser(const struct first_records *first, struct rsm_recognised *ret,
			struct rsm_text *info);

recogniser rsm_recognise_mtf, rsm_recognise_bacula, rsm_recognise_amanda; /* backup.c */
recogniser rsm_recognise_tar, rsm_recognise_cpio;			  /* archive.c */

/* The bytes up to the first NUL, of at most `length`, are put behind what is there: valid UTF-8 as
 * it is, other bytes as Latin-1 would have them, control characters as '?'.
 */
void rsm_recognise_add_text(struct rsm_text *info, const void *bytes, size_t length);
/* A fixed field: without the spaces at its end. */
void rsm_recognise_add_field(struct rsm_text *info, const char *field, size_t length);

static inline bool rsm_recognise_begins(const struct first_records *first, const char *magic,
					size_t length)
{
	return first->records[0].length >= length &&
	       __builtin_memcmp(first->records[0].data, magic, length) == 0;
}

#endif
