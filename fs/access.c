#include "fs/access.h"

#include <sys/stat.h>

#include "base/text.h"

/* The kernel's format of system.posix_acl_access: a version, then entries, little-endian. */
enum { ACL_VERSION_2 = 2 };
enum {
	ACL_USER_OBJ = 1,
	ACL_USER = 2,
	ACL_GROUP_OBJ = 4,
	ACL_GROUP = 8,
	ACL_MASK = 16,
	ACL_OTHER = 32
};
struct acl_entry {
	unsigned tag, bits;
	uint32_t id;
};

static uint32_t get_le(const uint8_t *p, unsigned bytes)
{
	uint32_t value = 0;

	while (bytes--)
		value = value << 8 | p[bytes];
	return value;
}

static struct acl_entry acl_entry(const uint8_t *acl, size_t i)
{
	const uint8_t *p = acl + 4 + 8 * i;

	return (struct acl_entry){ get_le(p, 2), get_le(p + 2, 2), get_le(p + 4, 4) };
}

bool rsmfs_access_in_group(const struct rsmfs_caller *caller, gid_t group)
{
	if (caller->gid == group)
		return true;
	for (size_t i = 0; i < caller->group_count; i++)
		if (caller->groups[i] == group)
			return true;
	return false;
}

/* acl(5), ACCESS CHECK ALGORITHM, for a caller who is not the owner. */
static bool acl_allows(const struct rsmfs_caller *caller, gid_t owning_group, const uint8_t *acl,
		       size_t count, unsigned want)
{
	unsigned mask = 7, other = 0;
	bool any_group = false;

	for (size_t i = 0; i < count; i++) {
		struct acl_entry entry = acl_entry(acl, i);

		if (entry.tag == ACL_MASK)
			mask = entry.bits;
		else if (entry.tag == ACL_OTHER)
			other = entry.bits;
	}
	for (size_t i = 0; i < count; i++) {
		struct acl_entry entry = acl_entry(acl, i);

		if (entry.tag == ACL_USER && entry.id == caller->uid)
			return (entry.bits & mask & want) == want;
	}
	for (size_t i = 0; i < count; i++) {
		struct acl_entry entry = acl_entry(acl, i);
		gid_t group = entry.tag == ACL_GROUP ? entry.id : owning_group;

		if ((entry.tag != ACL_GROUP && entry.tag != ACL_GROUP_OBJ) ||
		    !rsmfs_access_in_group(caller, group))
			continue;
		if ((entry.bits & mask & want) == want)
			return true;
		any_group = true;
	}
	return !any_group && (other & want) == want;
}

bool rsmfs_access_mode(const struct rsmfs_caller *caller, uint32_t mode, uid_t owner, gid_t group,
		       const void *acl, size_t acl_length, unsigned want)
{
	if (caller->uid == 0)
		return true;
	if (caller->uid == owner)
		return (mode >> 6 & want) == want;
	/* Bytes of an ACL come from whoever set it: what is no ACL is none. */
	if (acl && acl_length >= 4 && (acl_length - 4) % 8 == 0 && get_le(acl, 4) == ACL_VERSION_2)
		return acl_allows(caller, group, acl, (acl_length - 4) / 8, want);
	if (rsmfs_access_in_group(caller, group))
		return (mode >> 3 & want) == want;
	return (mode & want) == want;
}

bool rsmfs_access_is_admin(const struct rsmfs_caller *caller, uid_t admin)
{
	return caller->uid == 0 || caller->uid == admin;
}

static int check(struct rsm_catalog *catalog, const struct rsmfs_caller *caller, char kind,
		 int64_t id, uint32_t mode, uid_t owner, gid_t group, unsigned want,
		 bool *ret_allowed, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text acl = { 0 };
	int r = rsm_catalog_get_xattr(catalog, kind, id, "system.posix_acl_access", &acl, err);

	if (r < 0)
		return r;
	if (acl.failed)
		return rsm_err_oom(err);
	*ret_allowed = rsmfs_access_mode(caller, mode, owner, group, r ? NULL : acl.data,
					 r ? 0 : acl.length, want);
	return 0;
}

static int refuse(struct rsm_catalog *catalog, int64_t pool, const char *name, struct rsm_err *err)
{
	RSM_FREE char *path = NULL;
	int r = rsm_pool_path(catalog, pool, &path, err);

	if (r < 0)
		return r;
	if (r > 0 || (!*path && !name))
		return rsm_err_set(err, EACCES, "%s: permission denied", name ? name : "/");
	return rsm_err_set(err, EACCES, "%s%s%s: permission denied", path, name && *path ? "/" : "",
			   name ? name : "");
}

int rsmfs_access_pool(struct rsm_catalog *catalog, const struct rsmfs_caller *caller, uid_t admin,
		      int64_t pool, unsigned want, struct rsm_err *err)
{
	if (caller->uid == 0)
		return 0;
	/* The tree is as deep as its pools' names allow; a damaged one must not keep us here. */
	for (unsigned depth = 0; pool != RSM_POOL_TOP && depth < 1000; depth++) {
		struct rsm_pool row;
		bool allowed = false;
		int r = rsm_pool_get(catalog, pool, &row, err);

		if (r > 0)
			return rsm_err_set(err, ENOENT, "the pool is gone");
		if (r == 0)
			r = check(catalog, caller, 'p', pool, row.mode, row.owner, row.group, want,
				  &allowed, err);
		if (r < 0)
			return r;
		if (!allowed)
			return refuse(catalog, pool, NULL, err);
		pool = row.parent;
		want = RSMFS_EXECUTE;
	}
	if ((want & RSMFS_WRITE) && caller->uid != admin)
		return rsm_err_set(err, EACCES,
				   "only administrators may change the top of the tree (root, who "
				   "mounted, admin_group)");
	return 0;
}

int rsmfs_access_medium(struct rsm_catalog *catalog, const struct rsmfs_caller *caller, uid_t admin,
			const struct rsm_medium *medium, unsigned want, struct rsm_err *err)
{
	bool allowed = true;
	int r;

	if (caller->uid == 0)
		return 0;
	r = rsmfs_access_pool(catalog, caller, admin, medium->pool, RSMFS_EXECUTE, err);
	if (r < 0)
		return r;
	/* Only a logical medium has an owner; system pools guard themselves. */
	if (medium->lmid[0])
		r = check(catalog, caller, 'm', medium->id, medium->mode, medium->owner,
			  medium->group, want, &allowed, err);
	if (r < 0)
		return r;
	return allowed ? 0
		       : refuse(catalog, medium->pool,
				medium->lmid[0] ? medium->name : medium->shown, err);
}

static int sticky(const struct rsmfs_caller *caller, const struct rsm_pool *pool, uid_t owner,
		  const char *name, struct rsm_err *err)
{
	if (caller->uid == 0 || !(pool->mode & S_ISVTX) || caller->uid == owner ||
	    caller->uid == pool->owner)
		return 0;
	return rsm_err_set(err, EACCES, "%s: the pool %s lets one take away only one's own", name,
			   pool->name);
}

int rsmfs_access_remove_medium(struct rsm_catalog *catalog, const struct rsmfs_caller *caller,
			       uid_t admin, const struct rsm_medium *medium, struct rsm_err *err)
{
	struct rsm_pool pool;
	int r = rsmfs_access_pool(catalog, caller, admin, medium->pool, RSMFS_WRITE | RSMFS_EXECUTE,
				  err);

	if (r < 0)
		return r;
	r = rsm_pool_get(catalog, medium->pool, &pool, err);
	if (r < 0)
		return r;
	if (r > 0)
		return rsm_err_set(err, ENOENT, "%s: its pool is gone", medium->shown);
	/* What belongs to nobody yet may be taken by whoever may take at all. */
	if (!medium->lmid[0])
		return 0;
	return sticky(caller, &pool, medium->owner, medium->name, err);
}

int rsmfs_access_remove_pool(struct rsm_catalog *catalog, const struct rsmfs_caller *caller,
			     uid_t admin, const struct rsm_pool *pool, struct rsm_err *err)
{
	struct rsm_pool parent;
	int r = rsmfs_access_pool(catalog, caller, admin, pool->parent, RSMFS_WRITE | RSMFS_EXECUTE,
				  err);

	if (r < 0 || pool->parent == RSM_POOL_TOP)
		return r;
	r = rsm_pool_get(catalog, pool->parent, &parent, err);
	if (r < 0)
		return r;
	if (r > 0)
		return rsm_err_set(err, ENOENT, "%s: its pool is gone", pool->name);
	return sticky(caller, &parent, pool->owner, pool->name, err);
}
