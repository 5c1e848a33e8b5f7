#include "core/acl_text.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "core/ltfs/value.h"

enum { HEADER = 4, ENTRY = 8, VERSION = 2 };
enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };

static void add(struct rsm_text *text, const char *name, const struct rsm_text *acl)
{
	if (!acl->length)
		return;
	rsm_text_printf(text, "%s%s:", text->length ? " " : "", name);
	rsm_base64_encode(text, acl->data, acl->length);
}

void rsm_acl_text_format(const struct rsm_text *access, const struct rsm_text *inherited,
			 struct rsm_text *ret_text)
{
	add(ret_text, "access", access);
	add(ret_text, "default", inherited);
}

/* Entries in the order of their tags, one of each that there must be, a mask if it is needed. */
static bool is_acl(const uint8_t *acl, size_t length)
{
	unsigned seen = 0, last = 0;

	if (length < HEADER || (length - HEADER) % ENTRY || rsm_get_le32(acl) != VERSION)
		return false;
	for (size_t at = HEADER; at < length; at += ENTRY) {
		unsigned tag = acl[at] | (unsigned)acl[at + 1] << 8;
		unsigned rights = acl[at + 2] | (unsigned)acl[at + 3] << 8;
		bool many = tag == USER || tag == GROUP;

		if (!tag || tag > OTHER || (tag & (tag - 1)) || tag < last || rights > 7 ||
		    ((seen & tag) && !many))
			return false;
		seen |= tag;
		last = tag;
	}
	return (seen & (USER_OBJ | GROUP_OBJ | OTHER)) == (USER_OBJ | GROUP_OBJ | OTHER) &&
	       (!(seen & (USER | GROUP)) || (seen & MASK));
}

static bool take(const char *word, size_t length, struct rsm_text *ret_acl)
{
	RSM_TEXT struct rsm_text copy = { 0 };
	size_t bytes = 0;

	if (ret_acl->length)
		return false;
	rsm_text_append(&copy, word, length);
	if (copy.failed) {
		ret_acl->failed = true;
		return true;
	}
	if (!length || !rsm_base64_decode(copy.data, length, &bytes) ||
	    !is_acl((const uint8_t *)copy.data, bytes))
		return false;
	rsm_text_append(ret_acl, copy.data, bytes);
	return true;
}

bool rsm_acl_text_parse(const char *text, struct rsm_text *ret_access,
			struct rsm_text *ret_inherited)
{
	while (*text) {
		size_t length = strcspn(text, " ");
		bool good = false;

		if (strncmp(text, "access:", 7) == 0)
			good = take(text + 7, length - 7, ret_access);
		else if (strncmp(text, "default:", 8) == 0)
			good = take(text + 8, length - 8, ret_inherited);
		if (!good)
			return false;
		text += length;
		text += *text == ' ';
	}
	return true;
}
