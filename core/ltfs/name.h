/* name.h - names and text of LTFS: NFC, what is allowed, percent-encoding (ltfs-format.md 8). */
#ifndef RSM_CORE_LTFS_NAME_H
#define RSM_CORE_LTFS_NAME_H

#include <stdbool.h>

#include "base/err.h"
#include "base/text.h"

/* Is the byte-exact name allowed for a new object? Valid UTF-8 without '/', NUL, U+001F, U+FFFE,
 * U+FFFF, surrogates, not "." or "..", 1 to 255 code points in NFC. -EILSEQ, -ENAMETOOLONG,
 * -EINVAL.
 */
RSM_MUST_CHECK int rsm_name_check(const char *name, struct rsm_err *err);

/* Name and suffix together, of the name only as much as fits; the caller's. */
RSM_MUST_CHECK int rsm_name_add(const char *name, const char *suffix, char **ret_name,
				struct rsm_err *err);

/* Can an index hold this text as it is, a link target or the key of an extended attribute? Valid
 * UTF-8 without what no name may have, but for '/'. -EILSEQ says so of `what`.
 */
RSM_MUST_CHECK int rsm_name_check_text(const char *what, const char *text, struct rsm_err *err);

/* NFC form, the caller's. Pure ASCII is fast. -EILSEQ for invalid UTF-8. */
RSM_MUST_CHECK int rsm_name_nfc(const char *name, char **ret_nfc, struct rsm_err *err);

/* True if the text is its own NFC form without looking further: all ASCII. */
bool rsm_name_is_ascii(const char *name);

/* Does an index writer have to percent-encode this text? `link`: a link target (8.2's exception).
 */
bool rsm_name_needs_encoding(const char *text, bool link);
void rsm_name_encode(const char *text, struct rsm_text *ret_encoded);
/* In place; a '%' not followed by two hex digits stays, %2F and %00 stay. Returns the new length.
 */
size_t rsm_name_decode(char *text, size_t length);

#endif
