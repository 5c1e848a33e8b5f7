/* contents.h - what the handlers of a cartridge's contents share: reaching the contents (or parking
 * until somebody has seen them), attributes, generations.
 */
#ifndef RSMFS_CONTENTS_H
#define RSMFS_CONTENTS_H

#include "fs/namespace.h"

/* Keys under which ACLs of nodes are kept, among those that users do not see. */
#define RSMFS_KEY_ACL_ACCESS  "ltfs.vendor.rsmfs.acl_access"
#define RSMFS_KEY_ACL_DEFAULT "ltfs.vendor.rsmfs.acl_default"

struct rsmfs_contents {
	struct rsmfs *fs;
	int64_t medium;	   /* as inode numbers have it */
	int64_t cartridge; /* the medium; another number than that if this is a view */
	bool is_view;	   /* of an older generation: read-only, always known */
	struct rsm_content *content;
};

enum rsmfs_contents_outcome {
	RSMFS_CONTENTS_PARKED = 1, /* the call comes again: return at once */
	RSMFS_CONTENTS_NONE = 2,   /* a cartridge in which there is nothing to be seen */
};
enum { RSMFS_BROWSE = 1 << 0 }; /* looks at names: -o browse=mount wants it in a drive */

/* The contents of call->place's medium, until _fini (all zero: nothing to do). */
RSM_MUST_CHECK int rsmfs_contents_init(struct rsmfs_contents *contents, struct rsmfs *fs,
				       struct rsmfs_call *call, unsigned flags,
				       struct rsm_err *err);
void rsmfs_contents_fini(struct rsmfs_contents *contents);
#define RSMFS_CONTENTS __attribute__((cleanup(rsmfs_contents_fini)))

/* As rsm_content_get, but ESTALE when it is gone. */
RSM_MUST_CHECK int rsmfs_contents_get(const struct rsmfs_contents *contents, uint64_t id,
				      struct rsm_node *ret_node, struct rsm_err *err);

/* Owner, group and mode that a node without its own shows, filled in. */
void rsmfs_node_defaults(const struct rsmfs *fs, struct rsm_node *node);
/* Of any node but the root. */
void rsmfs_node_attr(const struct rsmfs *fs, int64_t medium, const struct rsm_node *node,
		     struct stat *ret_attr);
/* What a lookup of the node answers; any node but the root. */
void rsmfs_node_entry(struct rsmfs *fs, int64_t medium, const struct rsm_node *node,
		      struct fuse_entry_param *ret_entry);

/* The generation of a medium's inode numbers; remembered. */
uint64_t rsmfs_generation(struct rsmfs *fs, int64_t medium);
/* A medium may have been formatted (0: any). */
void rsmfs_forget_generation(struct rsmfs *fs, int64_t medium);

struct rsmfs_birth;
/* What a new node in call->place gets. */
RSM_MUST_CHECK int rsmfs_contents_birth(const struct rsmfs_contents *contents,
					const struct rsmfs_call *call, bool folder,
					struct rsmfs_birth *ret_birth, struct rsm_err *err);
void rsmfs_node_from_birth(const struct rsmfs_birth *birth, enum rsm_node_kind kind,
			   struct rsm_node *ret_node);
RSM_MUST_CHECK int rsmfs_contents_give_acls(const struct rsmfs_contents *contents, uint64_t id,
					    const struct rsmfs_birth *birth, struct rsm_err *err);

/* ---- handlers in other files ---- */

/* namespace_contents_file.c */
void rsmfs_file_open(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_file_create(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_file_read(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_file_write(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_file_flush(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_file_release(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_file_fsync(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_file_fallocate(struct rsmfs *fs, struct rsmfs_call *call);

/* namespace_contents_folder.c */
void rsmfs_contents_opendir(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_contents_readdir(struct rsmfs *fs, struct rsmfs_call *call);

/* namespace_contents_xattr.c */
void rsmfs_node_setxattr(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_node_getxattr(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_node_listxattr(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_node_removexattr(struct rsmfs *fs, struct rsmfs_call *call);

#endif
