#include "fs/birth.h"

#include <stdio.h>

#include "fs/acl.h"

mode_t rsmfs_birth_umask(const struct rsmfs *fs, pid_t pid)
{
	mode_t mask = fs->options->umask;
	char text[128];
	unsigned found;
	FILE *file;

	snprintf(text, sizeof(text), "/proc/%d/status", (int)pid);
	file = pid > 0 ? fopen(text, "re") : NULL;
	if (!file)
		return mask;
	while (fgets(text, sizeof(text), file))
		if (sscanf(text, "Umask: %o", &found) == 1) {
			mask = (mode_t)found & 0777;
			break;
		}
	fclose(file);
	return mask;
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
