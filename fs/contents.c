#include "fs/contents.h"

#include "base/log.h"
#include "core/view.h"
#include "fs/birth.h"
#include "fs/parking.h"

enum { MOUNTS_MAX = 3 };

/* ---- reaching the contents ---- */

/* Nobody has seen them: 0 to mount, NONE when there is nothing to mount for. */
static int unseen(struct rsmfs *fs, int64_t id, struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = rsmfs_get_medium(fs, id, &medium, err);

	if (r < 0)
		return r;
	/* an unrecognised one shows what the manager has of it, and is not mounted for a look */
	return rsmfs_has_contents(&medium) && medium.state != RSM_MEDIUM_FOREIGN
		       ? 0
		       : RSMFS_CONTENTS_NONE;
}

static int init_view(struct rsmfs_contents *contents, struct rsm_err *err)
{
	struct rsm_view_info info;
	int r = rsm_view_content(contents->fs->manager, rsmfs_view_number(contents->medium),
				 &contents->content, &info);

	if (r != 0)
		return rsm_err_set(err, ESTALE, "the view has ended");
	contents->is_view = true;
	contents->cartridge = info.medium;
	return 0;
}

int rsmfs_contents_init(struct rsmfs_contents *contents, struct rsmfs *fs, struct rsmfs_call *call,
			unsigned flags, struct rsm_err *err)
{
	struct rsm_medium_use use;
	int64_t medium = call->place.id;
	int r;

	*contents = (struct rsmfs_contents){ .fs = fs, .medium = medium, .cartridge = medium };
	if (call->place.kind == RSMFS_PLACE_VIEW)
		return init_view(contents, err);
	if ((flags & RSMFS_BROWSE) && fs->options->browse_mount && call->mounts == 0) {
		r = unseen(fs, medium, err);
		if (r)
			return r;
		r = rsm_manager_medium_use(fs->manager, medium, &use, err);
		if (r < 0)
			return r;
		if (!use.mounted) {
			rsmfs_park_for_mount(fs, call, medium, RSM_MOUNT_TO_LOOK);
			return RSMFS_CONTENTS_PARKED;
		}
	}
	r = rsm_manager_content(fs->manager, medium, &contents->content, err);
	if (r <= 0)
		return r;
	r = unseen(fs, medium, err);
	if (r)
		return r;
	if (call->mounts >= MOUNTS_MAX)
		return rsm_err_set(err, EIO,
				   "the cartridge was mounted, and what is in it is not "
				   "known yet");
	rsmfs_park_for_mount(fs, call, medium, RSM_MOUNT_TO_LOOK);
	return RSMFS_CONTENTS_PARKED;
}

void rsmfs_contents_fini(struct rsmfs_contents *contents)
{
	if (contents->content && contents->is_view)
		rsm_view_content_unref(contents->content);
	else if (contents->content)
		rsm_manager_content_unref(contents->fs->manager, contents->content);
	contents->content = NULL;
}

int rsmfs_contents_get(const struct rsmfs_contents *contents, uint64_t id,
		       struct rsm_node *ret_node, struct rsm_err *err)
{
	int r = rsm_content_get(contents->content, id, ret_node, err);

	return r == RSM_NODE_ABSENT ? rsm_err_set(err, ESTALE, "the file is gone") : r;
}

/* ---- attributes ---- */

void rsmfs_node_defaults(const struct rsmfs *fs, struct rsm_node *node)
{
	if (node->flags & RSM_NODE_HAS_UNIX)
		return;
	node->mode = (node->kind == RSM_NODE_FILE ? 0666 : 0777) & ~fs->options->umask;
	if (node->kind == RSM_NODE_LINK)
		node->mode = 0777;
	else if (node->flags & RSM_NODE_READONLY)
		node->mode &= ~0222u;
	node->owner = fs->options->uid;
	node->group = fs->options->gid;
}

/* Removed while somebody has it open. */
static bool is_orphan(const struct rsm_node *node)
{
	return node->parent == 0 && node->id != RSM_NODE_ROOT;
}

void rsmfs_node_attr(const struct rsmfs *fs, int64_t medium, const struct rsm_node *node,
		     struct stat *ret_attr)
{
	static const mode_t types[] = {
		[RSM_NODE_FOLDER] = S_IFDIR, [RSM_NODE_FILE] = S_IFREG, [RSM_NODE_LINK] = S_IFLNK
	};
	struct rsm_node shown = *node;

	rsmfs_node_defaults(fs, &shown);
	*ret_attr = (struct stat){
		.st_ino = rsmfs_node_ino(medium, node->id),
		.st_mode = types[node->kind] | (shown.mode & 07777),
		.st_nlink = is_orphan(node)		    ? 0
			    : node->kind == RSM_NODE_FOLDER ? 2
							    : 1,
		.st_uid = shown.owner,
		.st_gid = shown.group,
		.st_size = (off_t)node->size,
		.st_blocks = node->kind == RSM_NODE_FILE ? (blkcnt_t)((node->size + 511) / 512) : 0,
		/* cp and tar then move a megabyte with each request */
		.st_blksize = 1 << 20,
		.st_atim = node->times.accessed,
		.st_mtim = node->times.modified,
		.st_ctim = node->times.changed,
	};
}

void rsmfs_node_entry(struct rsmfs *fs, int64_t medium, const struct rsm_node *node,
		      struct fuse_entry_param *ret_entry)
{
	*ret_entry = (struct fuse_entry_param){
		.ino = rsmfs_node_ino(medium, node->id),
		.generation = rsmfs_generation(fs, medium),
		.attr_timeout = rsmfs_contents_timeout_s,
		.entry_timeout = rsmfs_contents_timeout_s,
	};
	rsmfs_node_attr(fs, medium, node, &ret_entry->attr);
}

/* A slot holds medium and generation in one word: 24 and 32 bits. */
uint64_t rsmfs_generation(struct rsmfs *fs, int64_t medium)
{
	atomic_uint_fast64_t *slot = &fs->generations[(uint64_t)medium % RSMFS_CHANGE_SLOTS];
	uint64_t known = atomic_load(slot);
	struct rsm_medium row;

	if (known >> 32 == (uint64_t)medium)
		return known & UINT32_MAX;
	if (rsm_medium_get(rsm_manager_catalog(fs->manager), medium, &row, NULL) != 0)
		return 1;
	known = (uint64_t)medium << 32 | (uint32_t)(row.format_generation + 1);
	atomic_store(slot, known);
	return known & UINT32_MAX;
}

void rsmfs_forget_generation(struct rsmfs *fs, int64_t medium)
{
	for (uint64_t i = 0; i < RSMFS_CHANGE_SLOTS; i++)
		if (!medium || i == (uint64_t)medium % RSMFS_CHANGE_SLOTS)
			atomic_store(&fs->generations[i], 0);
}

/* ---- new nodes ---- */

static int folder_default_acl(const struct rsmfs_contents *contents, uint64_t id,
			      struct rsm_text *ret_acl, struct rsm_err *err)
{
	int r = rsm_content_get_xattr(contents->content, id, RSMFS_KEY_ACL_DEFAULT, ret_acl, err);

	return r < 0 ? r : 0;
}

int rsmfs_contents_birth(const struct rsmfs_contents *contents, const struct rsmfs_call *call,
			 bool folder, struct rsmfs_birth *ret_birth, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text default_acl = { 0 };
	struct rsmfs *fs = contents->fs;
	struct rsm_medium medium;
	struct rsm_node parent;
	int r;

	if (call->place.node == RSM_NODE_ROOT) {
		r = rsmfs_get_medium(fs, contents->medium, &medium, err);
		if (r < 0)
			return r;
		parent.mode = medium.mode;
		parent.group = medium.group;
		r = rsm_catalog_get_xattr(rsm_manager_catalog(fs->manager), 'm', medium.id,
					  "system.posix_acl_default", &default_acl, err);
	} else {
		r = rsmfs_contents_get(contents, call->place.node, &parent, err);
		if (r < 0)
			return r;
		rsmfs_node_defaults(fs, &parent);
		if (parent.flags & RSM_NODE_HAS_XATTRS)
			r = folder_default_acl(contents, parent.id, &default_acl, err);
	}
	if (r < 0)
		return r;
	return rsmfs_birth_init(ret_birth, call, folder, parent.mode, parent.group, &default_acl,
				err);
}

void rsmfs_node_from_birth(const struct rsmfs_birth *birth, enum rsm_node_kind kind,
			   struct rsm_node *ret_node)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*ret_node = (struct rsm_node){
		.kind = kind,
		.flags = RSM_NODE_HAS_UNIX,
		.mode = kind == RSM_NODE_LINK ? 0777 : birth->mode,
		.owner = birth->owner,
		.group = birth->group,
		.times = { now, now, now, now, now },
	};
}

int rsmfs_contents_give_acls(const struct rsmfs_contents *contents, uint64_t id,
			     const struct rsmfs_birth *birth, struct rsm_err *err)
{
	int r = 0;

	if (birth->access_acl.length)
		r = rsm_content_set_xattr(contents->content, id, RSMFS_KEY_ACL_ACCESS,
					  birth->access_acl.data, birth->access_acl.length, 0, err);
	if (r == 0 && birth->default_acl.length)
		r = rsm_content_set_xattr(contents->content, id, RSMFS_KEY_ACL_DEFAULT,
					  birth->default_acl.data, birth->default_acl.length, 0,
					  err);
	return r;
}
