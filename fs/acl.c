#include "fs/acl.h"

#include <string.h>

#include "base/bytes.h"

enum { HEADER_SIZE = 4, ENTRY_SIZE = 8, ENTRIES_MAX = 8192 };
enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };

static unsigned get16(const uint8_t *p)
{
	return (unsigned)(p[0] | p[1] << 8);
}

static void put_permissions(uint8_t *entry, unsigned bits)
{
	entry[2] = (uint8_t)(bits & 7);
	entry[3] = 0;
}

/* The one entry of a tag, NULL if there is none. */
static uint8_t *find(uint8_t *acl, size_t length, unsigned tag)
{
	for (size_t at = HEADER_SIZE; at + ENTRY_SIZE <= length; at += ENTRY_SIZE)
		if (get16(acl + at) == tag)
			return acl + at;
	return NULL;
}

static int check(const uint8_t *acl, size_t length, struct rsm_err *err)
{
	unsigned seen = 0;

	if (length < HEADER_SIZE || (length - HEADER_SIZE) % ENTRY_SIZE || rsm_get_le32(acl) != 2 ||
	    length / ENTRY_SIZE > ENTRIES_MAX)
		return rsm_err_set(err, EINVAL, "malformed ACL");
	for (size_t at = HEADER_SIZE; at < length; at += ENTRY_SIZE) {
		unsigned tag = get16(acl + at);

		if ((tag != USER_OBJ && tag != USER && tag != GROUP_OBJ && tag != GROUP &&
		     tag != MASK && tag != OTHER) ||
		    get16(acl + at + 2) > 7 || ((seen & tag) && tag != USER && tag != GROUP))
			return rsm_err_set(err, EINVAL, "malformed ACL");
		seen |= tag;
	}
	if ((seen & (USER_OBJ | GROUP_OBJ | OTHER)) != (USER_OBJ | GROUP_OBJ | OTHER) ||
	    ((seen & (USER | GROUP)) && !(seen & MASK)))
		return rsm_err_set(err, EINVAL, "incomplete ACL");
	return 0;
}

int rsmfs_acl_to_mode(const void *acl, size_t length, mode_t *mode, bool *ret_minimal,
		      struct rsm_err *err)
{
	uint8_t *bytes = (uint8_t *)(uintptr_t)acl, *group;
	int r = check(acl, length, err);

	if (r < 0)
		return r;
	group = find(bytes, length, MASK);
	if (!group)
		group = find(bytes, length, GROUP_OBJ);
	*mode = (*mode & ~(mode_t)0777) | get16(find(bytes, length, USER_OBJ) + 2) << 6 |
		get16(group + 2) << 3 | get16(find(bytes, length, OTHER) + 2);
	*ret_minimal = length == HEADER_SIZE + 3 * ENTRY_SIZE;
	return 0;
}

/* A copy in *ret, checked. */
static int copy(const void *acl, size_t length, struct rsm_text *ret, struct rsm_err *err)
{
	int r = check(acl, length, err);

	if (r < 0)
		return r;
	rsm_text_reset(ret);
	rsm_text_append(ret, acl, length);
	return ret->failed ? rsm_err_oom(err) : 0;
}

int rsmfs_acl_inherit(const void *default_acl, size_t length, mode_t *mode,
		      struct rsm_text *ret_access, struct rsm_err *err)
{
	uint8_t *acl, *user, *group, *other;
	unsigned u, g, o;
	int r = copy(default_acl, length, ret_access, err);

	if (r < 0)
		return r;
	acl = (uint8_t *)ret_access->data;
	user = find(acl, length, USER_OBJ);
	group = find(acl, length, MASK);
	if (!group)
		group = find(acl, length, GROUP_OBJ);
	other = find(acl, length, OTHER);
	u = get16(user + 2) & (*mode >> 6 & 7);
	g = get16(group + 2) & (*mode >> 3 & 7);
	o = get16(other + 2) & (*mode & 7);
	put_permissions(user, u);
	put_permissions(group, g);
	put_permissions(other, o);
	*mode = (*mode & ~(mode_t)0777) | u << 6 | g << 3 | o;
	if (length == HEADER_SIZE + 3 * ENTRY_SIZE)
		rsm_text_reset(ret_access);
	return 0;
}

int rsmfs_acl_chmod(const void *acl, size_t length, mode_t mode, struct rsm_text *ret_acl,
		    struct rsm_err *err)
{
	uint8_t *bytes, *group;
	int r = copy(acl, length, ret_acl, err);

	if (r < 0)
		return r;
	bytes = (uint8_t *)ret_acl->data;
	group = find(bytes, length, MASK);
	if (!group)
		group = find(bytes, length, GROUP_OBJ);
	put_permissions(find(bytes, length, USER_OBJ), mode >> 6);
	put_permissions(group, mode >> 3);
	put_permissions(find(bytes, length, OTHER), mode);
	return 0;
}
