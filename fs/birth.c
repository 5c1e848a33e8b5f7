#include "fs/birth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fs/acl.h"

mode_t rsmfs_birth_umask(const struct rsmfs *fs, pid_t pid)
{
	RSM_FREE char *text = NULL;
	const char *line;
	char path[64];
	size_t length;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (pid <= 0 || rsm_file_load(path, 1 << 16, &text, &length, NULL) < 0)
		return fs->options->umask;
	line = strstr(text, "\nUmask:");
	return line ? (mode_t)strtoul(line + strlen("\nUmask:"), NULL, 8) & 0777
		    : fs->options->umask;
}

int rsmfs_birth_init(struct rsmfs_birth *birth, const struct rsmfs_call *call, bool folder,
		     mode_t parent_mode, gid_t parent_group,
		     const struct rsm_text *parent_default_acl, struct rsm_err *err)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(call->req);
	bool setgid = parent_mode & S_ISGID;
	int r;

	*birth = (struct rsmfs_birth){
		.mode = call->mode & 07777,
		.owner = ctx->uid,
		.group = setgid ? parent_group : ctx->gid,
	};
	if (setgid && folder)
		birth->mode |= S_ISGID;
	if (!parent_default_acl || !parent_default_acl->length) {
		birth->mode &= ~(ctx->umask & 0777);
		return 0;
	}
	r = rsmfs_acl_inherit(parent_default_acl->data, parent_default_acl->length, &birth->mode,
			      &birth->access_acl, err);
	if (r == 0 && folder) {
		rsm_text_append(&birth->default_acl, parent_default_acl->data,
				parent_default_acl->length);
		if (birth->default_acl.failed)
			r = rsm_err_oom(err);
	}
	return r;
}

void rsmfs_birth_fini(struct rsmfs_birth *birth)
{
	rsm_text_fini(&birth->access_acl);
	rsm_text_fini(&birth->default_acl);
}
