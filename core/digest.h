/* digest.h - checksums of whole files, in the form in which LTFS stores them with a file
 * (ltfs-format.md 9.3: ltfs.hash.*, lower-case hexadecimal text of the contents' digest).
 *
 * A digest belongs to one thread and serves for many files, one after the other.
 */
#ifndef RSM_CORE_DIGEST_H
#define RSM_CORE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

/* In the order in which they are preferred when a file has several, the best one last. */
enum rsm_digest_kind {
	RSM_DIGEST_NONE,
	RSM_DIGEST_CRC32,
	RSM_DIGEST_MD5,
	RSM_DIGEST_SHA1,
	RSM_DIGEST_SHA256,
	RSM_DIGEST_SHA512,
	RSM_DIGEST_KINDS,
};

enum { RSM_DIGEST_TEXT = 129 }; /* 512 bits in hexadecimal, with the NUL */

#define RSM_DIGEST_PREFIX "ltfs.hash."
/* Vendor key of a file in an index: of which contents its digest is (ltfs/value.h). In the volume
 * index it stands only where it does not fit, because another system changed the contents.
 */
#define RSM_DIGEST_PLACE "ltfs.vendor.rsmfs.hash"

/* "ltfs.hash.sha256sum"; NULL for NONE. */
const char *rsm_digest_key(enum rsm_digest_kind kind);
/* NONE when the key names none of them. */
enum rsm_digest_kind rsm_digest_of_key(const char *key);

struct rsm_digest;

RSM_MUST_CHECK int rsm_digest_new(enum rsm_digest_kind kind, struct rsm_digest **ret_digest,
				  struct rsm_err *err);
void rsm_digest_free(struct rsm_digest *digest);
RSM_DEFINE_CLEANUP(rsm_digest_free, struct rsm_digest)

enum rsm_digest_kind rsm_digest_kind(const struct rsm_digest *digest);

/* A file begins. What goes wrong before the next _begin is told by _finish. */
void rsm_digest_begin(struct rsm_digest *digest);
void rsm_digest_add(struct rsm_digest *digest, const void *bytes, size_t length);
void rsm_digest_add_zeros(struct rsm_digest *digest, uint64_t count);
RSM_MUST_CHECK int rsm_digest_finish(struct rsm_digest *digest, char ret_text[RSM_DIGEST_TEXT],
				     struct rsm_err *err);

/* Is this stored value the digest that `text` is? Either case of letters, white space around it. */
bool rsm_digest_equals(const char *text, const char *stored, size_t stored_length);

#endif
