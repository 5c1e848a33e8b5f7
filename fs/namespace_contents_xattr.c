/* Extended attributes of what is in cartridges, and of cartridges: user.rsm.*, user.ltfs.*, ACLs,
 * and those that are stored on the medium under their name without "user.".
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/xattr.h>

#include "core/digest.h"
#include "fs/acl.h"
#include "fs/contents.h"
#include "fs/ltfs_xattr.h"
#include "fs/notify.h"
#include "fs/parking.h"

static bool is_rsm(const char *name)
{
	return strncmp(name, "user.rsm.", 9) == 0;
}

/* Keys of the format's own begin so, in any case (ltfs-format.md 9.3). */
static bool is_ltfs(const char *name)
{
	return strncasecmp(name, "user.ltfs", 9) == 0;
}

/* ---- reading ---- */

/* Outcome 1: no such attribute. */
static int file_get_virtual(const struct rsmfs_contents *at, uint64_t id, const char *name,
			    struct rsm_text *value, struct rsm_err *err)
{
	enum rsm_residency residency;
	struct rsm_extent first;
	bool position = strcmp(name, "user.rsm.position") == 0;
	int r;

	if (!position && strcmp(name, "user.rsm.residency") != 0)
		return 1;
	r = rsm_content_residency(at->content, id, &residency, &first, err);
	if (r)
		return r;
	if (!position)
		rsm_text_add(value, residency == RSM_RESIDENT_MEDIUM ? "medium" : "staged");
	else if (residency == RSM_RESIDENT_MEDIUM && first.partition)
		rsm_text_printf(value, "%c:%" PRIu64, first.partition, first.start_block);
	else
		return 1;
	return value->failed ? rsm_err_oom(err) : 0;
}

static int get_root(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_text *value,
		    struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = rsmfs_get_medium(fs, call->place.id, &medium, err);

	if (r < 0)
		return r;
	if (is_rsm(call->name))
		return rsmfs_medium_get_virtual(fs, &medium, call->name, value, err);
	return rsm_catalog_get_xattr(rsm_manager_catalog(fs->manager), 'm', medium.id, call->name,
				     value, err);
}

/* A checksum of what the file was before another system changed it. */
static bool is_stale(const struct rsmfs_contents *at, const struct rsmfs_call *call)
{
	enum rsm_checksum_state state;
	enum rsm_digest_kind kind;

	return rsm_volume_index_checksum(rsm_content_index(at->content), call->place.node, &state,
					 &kind, NULL) == 0 &&
	       state == RSM_CHECKSUM_STALE;
}

static int get_node(const struct rsmfs_contents *at, const struct rsmfs_call *call,
		    struct rsm_text *value, struct rsm_err *err)
{
	bool is_default;
	int r;

	if (rsmfs_xattr_is_acl(call->name, &is_default))
		return rsm_content_get_xattr(
			at->content, call->place.node,
			is_default ? RSMFS_KEY_ACL_DEFAULT : RSMFS_KEY_ACL_ACCESS, value, err);
	if (is_rsm(call->name))
		return file_get_virtual(at, call->place.node, call->name, value, err);
	if (is_ltfs(call->name)) {
		r = rsmfs_ltfs_get(at, call->place.node, call->name + 5, value, err);
		if (r <= 0)
			return r;
		if (rsmfs_ltfs_is_hidden(call->name + 5))
			return 1;
		if (rsm_digest_of_key(call->name + 5) != RSM_DIGEST_NONE && is_stale(at, call))
			return 1;
	}
	return rsm_content_get_xattr(at->content, call->place.node, call->name + 5, value, err);
}

static bool is_of_record(const struct rsmfs_call *call)
{
	bool is_default;

	return call->place.node == RSM_NODE_ROOT &&
	       (is_rsm(call->name) || rsmfs_xattr_is_acl(call->name, &is_default));
}

void rsmfs_node_getxattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	RSM_TEXT struct rsm_text value = { 0 };
	struct rsm_err err;
	int r;

	if (is_of_record(call)) {
		r = get_root(fs, call, &value, &err);
	} else if (rsmfs_ltfs_is_sync(call)) {
		rsmfs_ltfs_sync(fs, call, true);
		return;
	} else {
		r = rsmfs_contents_init(&at, fs, call, 0, &err);
		if (r == RSMFS_CONTENTS_PARKED)
			return;
		if (r == 0)
			r = get_node(&at, call, &value, &err);
	}
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else if (r > 0)
		fuse_reply_err(call->req, ENODATA);
	else
		rsmfs_reply_xattr(call->req, value.data, value.length, call->size);
}

/* A checksum that was computed here is of the bytes here: cp -a and rsync -X are not to carry it,
 * nor to find a difference in it; still less one that is of what the file once was.
 */
static bool is_unlisted_digest(enum rsm_checksum_state state, enum rsm_digest_kind measured,
			       const char *key)
{
	enum rsm_digest_kind kind = rsm_digest_of_key(key);

	return kind != RSM_DIGEST_NONE && (state == RSM_CHECKSUM_STALE ||
					   (state == RSM_CHECKSUM_MEASURED && kind == measured));
}

static int list(const struct rsmfs_contents *at, uint64_t id, struct rsm_text *ret_names,
		struct rsm_err *err)
{
	RSM_TEXT struct rsm_text keys = { 0 };
	enum rsm_checksum_state state;
	enum rsm_digest_kind measured;
	int r = rsm_content_list_xattrs(at->content, id, &keys, err);

	if (!r)
		r = rsm_volume_index_checksum(rsm_content_index(at->content), id, &state, &measured,
					      err);
	if (r)
		return r < 0 ? r : 0;
	for (size_t i = 0; i < keys.length; i += strlen(keys.data + i) + 1) {
		const char *key = keys.data + i;

		if (strcmp(key, RSMFS_KEY_ACL_ACCESS) == 0)
			rsm_text_append(ret_names, "system.posix_acl_access", 24);
		else if (strcmp(key, RSMFS_KEY_ACL_DEFAULT) == 0)
			rsm_text_append(ret_names, "system.posix_acl_default", 25);
		else if (!rsmfs_ltfs_is_hidden(key) && !is_unlisted_digest(state, measured, key)) {
			rsm_text_add(ret_names, "user.");
			rsm_text_append(ret_names, key, strlen(key) + 1);
		}
	}
	return ret_names->failed ? rsm_err_oom(err) : 0;
}

void rsmfs_node_listxattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	RSM_TEXT struct rsm_text names = { 0 };
	struct rsm_err err;
	int r = rsmfs_contents_init(&at, fs, call, 0, &err);

	if (r == RSMFS_CONTENTS_PARKED)
		return;
	if (r == 0)
		r = list(&at, call->place.node, &names, &err);
	if (r >= 0 && call->place.node == RSM_NODE_ROOT)
		r = rsm_catalog_list_xattrs(rsm_manager_catalog(fs->manager), 'm', call->place.id,
					    &names, &err);
	if (r < 0)
		rsmfs_reply_error(call->req, r, &err);
	else
		rsmfs_reply_xattr(call->req, names.data, names.length, call->size);
}

/* ---- changing ---- */

static int set_root(struct rsmfs *fs, struct rsmfs_call *call, struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = rsmfs_get_medium(fs, call->place.id, &medium, err);

	if (r < 0)
		return r;
	if (is_rsm(call->name))
		return rsmfs_medium_set_virtual(fs, call, &medium, err);
	r = rsmfs_medium_set_acl(fs, call, &medium, err);
	if (r == 0)
		rsmfs_notify_inode(fs->pool_notifier, rsmfs_node_ino(medium.id, RSM_NODE_ROOT),
				   false);
	return r;
}

/* The mode's group bits show the ACL's mask: both change together. */
static int set_acl(const struct rsmfs_contents *at, const struct rsmfs_call *call, bool is_default,
		   struct rsm_err *err)
{
	const char *key = is_default ? RSMFS_KEY_ACL_DEFAULT : RSMFS_KEY_ACL_ACCESS;
	const void *value = call->data;
	struct rsm_node node;
	bool minimal = false;
	mode_t mode;
	int r = rsmfs_contents_get(at, call->place.node, &node, err);

	if (r < 0)
		return r;
	rsmfs_node_defaults(at->fs, &node);
	mode = node.mode;
	if (value) {
		r = rsmfs_acl_to_mode(value, call->size, &mode, &minimal, err);
		if (r < 0)
			return r;
	}
	if (!is_default && value && (mode != node.mode || !(node.flags & RSM_NODE_HAS_UNIX))) {
		struct rsm_node after;

		node.mode = mode;
		node.flags |= RSM_NODE_HAS_UNIX;
		r = rsm_content_set_attributes(at->content, node.id,
					       RSM_SET_MODE | RSM_SET_OWNER | RSM_SET_GROUP, &node,
					       &after, err);
		if (r < 0)
			return r;
	}
	if (minimal && !is_default)
		value = NULL;
	r = rsm_content_set_xattr(at->content, call->place.node, key, value, call->size, 0, err);
	return r == -ENODATA ? 0 : r;
}

static int set_node(const struct rsmfs_contents *at, struct rsmfs_call *call, struct rsm_err *err)
{
	bool is_default;

	if (rsmfs_xattr_is_acl(call->name, &is_default))
		return set_acl(at, call, is_default, err);
	if (is_rsm(call->name))
		return rsm_err_set(err, EPERM, "%s cannot be set", call->name);
	if (is_ltfs(call->name)) {
		int r = rsmfs_ltfs_set(at, call, call->name + 5, err);

		if (r <= 0)
			return r;
	}
	return rsm_content_set_xattr(at->content, call->place.node, call->name + 5, call->data,
				     call->size, call->flags, err);
}

static void change(struct rsmfs *fs, struct rsmfs_call *call)
{
	RSMFS_CONTENTS struct rsmfs_contents at = { 0 };
	struct rsm_err err;
	int r;

	if (is_of_record(call)) {
		r = set_root(fs, call, &err);
	} else {
		r = rsmfs_contents_init(&at, fs, call, 0, &err);
		if (r == RSMFS_CONTENTS_PARKED)
			return;
		if (r == RSMFS_CONTENTS_NONE)
			r = rsm_err_set(&err, EROFS, "not an allocated cartridge");
		else if (r == 0 && call->data && rsmfs_ltfs_is_sync(call)) {
			rsmfs_ltfs_sync(fs, call, false);
			return;
		} else if (r == 0 && rsmfs_ltfs_is_lock(call)) {
			rsmfs_ltfs_lock(fs, call);
			return;
		}
		if (r == 0)
			r = set_node(&at, call, &err);
		if (r == RSM_NODE_ABSENT)
			r = rsm_err_set(&err, ESTALE, "the file is gone");
	}
	rsmfs_changed(fs, call->place.id);
	rsmfs_reply_result(call->req, r, &err);
}

void rsmfs_node_setxattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	if (!call->data)
		call->data = "";
	change(fs, call);
}

void rsmfs_node_removexattr(struct rsmfs *fs, struct rsmfs_call *call)
{
	call->data = NULL;
	change(fs, call);
}
