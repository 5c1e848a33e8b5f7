/* text.h - growing strings.
 *
 * A failed growth is remembered: append freely, look at `failed` (or the result of _take) once.
 */
#ifndef RSM_BASE_TEXT_H
#define RSM_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"

struct rsm_text {
	char *data; /* NUL-terminated when not NULL */
	size_t length;
	size_t room;
	bool failed; /* out of memory at some append */
};

void rsm_text_append(struct rsm_text *text, const void *bytes, size_t length);
void rsm_text_add(struct rsm_text *text, const char *string);
void rsm_text_printf(struct rsm_text *text, const char *format, ...) RSM_PRINTF(2, 3);

/* Empties it and keeps its memory. */
void rsm_text_reset(struct rsm_text *text);
void rsm_text_fini(struct rsm_text *text);

/* Hands the string over (the caller frees; never NULL on success) and leaves *text empty. */
RSM_MUST_CHECK int rsm_text_take(struct rsm_text *text, char **ret_string, struct rsm_err *err);

#define RSM_TEXT __attribute__((cleanup(rsm_text_fini)))

#endif
