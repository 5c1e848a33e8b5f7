#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/librsm/private.h"
#include "fs/rsm_mounts.h"
#include "fs/rsm_transport.h"

int librsm_fail(struct rsm_error *error, int r, const struct rsm_err *err)
{
	if (error) {
		error->code = -r;
		snprintf(error->text, sizeof(error->text), "%.*s", (int)sizeof(error->text) - 1,
			 err->msg);
	}
	return r;
}

/* As rsm(8) does. */
static int choose(const char *mountpoint, char **ret_mountpoint, struct rsm_err *err)
{
	const char *asked = mountpoint ? mountpoint : getenv("RSM_MOUNT"), *found = NULL;
	RSM_FREE char *cwd = getcwd(NULL, 0);
	struct rsmfs_mounts mounts = { 0 };
	int r = rsmfs_mounts_load(&mounts, err);

	if (r == 0)
		r = rsmfs_mounts_choose(&mounts, asked, cwd, NULL, 0, &found, err);
	if (r == 0) {
		/* the working directory may change, the session's mount does not */
		*ret_mountpoint = realpath(found, NULL);
		if (!*ret_mountpoint)
			r = errno == ENOENT ? rsm_err_set(err, ENOTCONN,
							  "%s: no rsmfs is mounted there", found)
					    : rsm_err_errno(err, "%s", found);
	}
	rsmfs_mounts_fini(&mounts);
	return r;
}

RSM_API int rsm_session_open(const char *mountpoint, struct rsm_session **ret_session,
			     struct rsm_error *error)
{
	struct rsm_session *session = calloc(1, sizeof(*session));
	RSM_CLOSE int fd = -1;
	struct rsm_err err;
	int r;

	if (!session)
		return librsm_fail(error, rsm_err_oom(&err), &err);
	r = choose(mountpoint, &session->mountpoint, &err);
	/* is it there, and may we? */
	if (r == 0)
		r = rsmfs_transport_open(session->mountpoint, "ctl", O_RDWR, &fd, &err);
	if (r < 0) {
		rsm_session_close(session);
		return librsm_fail(error, r, &err);
	}
	*ret_session = session;
	return 0;
}

RSM_API void rsm_session_close(struct rsm_session *session)
{
	if (!session)
		return;
	free(session->mountpoint);
	free(session);
}

RSM_API const char *rsm_session_mountpoint(const struct rsm_session *session)
{
	return session->mountpoint;
}
