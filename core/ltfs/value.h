/* value.h - values of extended attributes in an index: text, base64, and the vendor key that keeps
 * mode and owners (ltfs-format.md 9).
 */
#ifndef RSM_CORE_LTFS_VALUE_H
#define RSM_CORE_LTFS_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "core/volume_index.h"

#define RSM_KEY_VENDOR "ltfs.vendor.rsmfs."
#define RSM_KEY_UNIX   RSM_KEY_VENDOR "unix"	 /* of all objects but the root */
#define RSM_KEY_NAME   RSM_KEY_VENDOR "name"	 /* likewise */
#define RSM_KEY_ACL    RSM_KEY_VENDOR "acl"	 /* of the root */
#define RSM_KEY_COPY   RSM_KEY_VENDOR "copy"	 /* likewise */
#define RSM_KEY_OTHER  RSM_KEY_VENDOR "reserves" /* likewise: "other", its other side */
#define RSM_KEY_HASH   RSM_DIGEST_PLACE		 /* of files */

/* Can the value stand as text and come back unchanged from any reader? */
bool rsm_value_is_text(const void *value, size_t length);

void rsm_base64_encode(struct rsm_text *out, const void *bytes, size_t length);
/* In place; white space anywhere is fine. False: not base64. */
bool rsm_base64_decode(char *text, size_t length, size_t *ret_length);

/* Users and groups of this system that were looked up last. */
enum { RSM_UNIX_NAME_SIZE = 64, RSM_UNIX_NAME_SLOTS = 16 };
struct rsm_unix_names {
	struct rsm_unix_name {
		char name[RSM_UNIX_NAME_SIZE];
		uint32_t id;
		bool used, group, known;
	} slots[RSM_UNIX_NAME_SLOTS];
	unsigned next;
};

struct rsm_unix_owner {
	uint32_t mode, owner, group;
};

/* "0644 1000 1000 user group"; a name that this system knows wins over the number. False: not of
 * that form.
 */
bool rsm_unix_owner_parse(struct rsm_unix_names *names, const char *value, size_t length,
			  struct rsm_unix_owner *ret_owner);
/* Names that are not known or cannot be written are "-". */
enum { RSM_UNIX_OWNER_SIZE = 160 };
void rsm_unix_owner_format(struct rsm_unix_names *names, const struct rsm_unix_owner *owner,
			   char ret_value[RSM_UNIX_OWNER_SIZE]);

/* Which contents a measured digest is of. Other systems change a file and keep the digest, which
 * they know nothing about; then the file has other extents, or another length: what has been
 * written to a data partition is never written over, so both together stand for the bytes. The
 * time of modification is not in it: a time can be set without a change.
 *
 * The text: "sha256sum LENGTH PRINT", the digest's key without "ltfs.hash.", the file's length, and
 * 16 hexadecimal digits, FNV-1a (64 bits) of five 64-bit little-endian numbers an extent, in the
 * order of file offsets: file offset, partition letter, start block, byte offset, byte count.
 */
enum { RSM_HASH_PLACE_SIZE = 64 };
void rsm_hash_place_format(enum rsm_digest_kind kind, uint64_t length,
			   const struct rsm_extent *extents, size_t count,
			   char ret_value[RSM_HASH_PLACE_SIZE]);
/* The kind if the value says that it is of these contents; else NONE. */
enum rsm_digest_kind rsm_hash_place_match(const char *value, size_t value_length, uint64_t length,
					  const struct rsm_extent *extents, size_t count);

#endif
