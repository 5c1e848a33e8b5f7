/* acl_text.h - the ACLs of a cartridge as one text, for the vendor key of its index root (contract
 * 8).
 *
 * "access:BASE64 default:BASE64", each as the kernel has it in system.posix_acl_access and
 * _default; one that the cartridge does not have is left out.
 */
#ifndef RSM_CORE_ACL_TEXT_H
#define RSM_CORE_ACL_TEXT_H

#include <stdbool.h>

#include "base/text.h"

#define RSM_ACL_ACCESS	"system.posix_acl_access"
#define RSM_ACL_DEFAULT "system.posix_acl_default"

/* Empty ones are none; "" if there are none. */
void rsm_acl_text_format(const struct rsm_text *access, const struct rsm_text *inherited,
			 struct rsm_text *ret_text);

/* The text comes from a medium: false if it is not of that form, or one is no valid ACL. Appends to
 * both; -ENOMEM shows in their `failed`.
 */
bool rsm_acl_text_parse(const char *text, struct rsm_text *ret_access,
			struct rsm_text *ret_inherited);

#endif
