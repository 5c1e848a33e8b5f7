/* private.h - the inside of librsm: what its files share. */
#ifndef RSM_LIBRSM_PRIVATE_H
#define RSM_LIBRSM_PRIVATE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "fs/librsm/rsm.h"

/* Everything else is hidden (-fvisibility=hidden). */
#define RSM_API __attribute__((visibility("default")))

struct rsm_session {
	char *mountpoint; /* [const] */
};

/* Hands an error of ours to the caller; returns r. */
int librsm_fail(struct rsm_error *error, int r, const struct rsm_err *err);

#endif
