/* rsm_slash_private.h - a call of rsm.exe taken apart, and what becomes of it: for rsm_slash*.c. */
#ifndef RSMFS_RSM_SLASH_PRIVATE_H
#define RSMFS_RSM_SLASH_PRIVATE_H

#include <stddef.h>

#include "fs/rsm_slash.h"

/* What a switch may be; letters with g and f behind them are by GUID and by friendly name. */
enum rsmfs_slash_place {
	S_POOL,
	S_OPTION,
	S_LOGICAL,
	S_SIDE,
	S_LIBRARY,
	S_SLOT,
	S_DRIVE,
	S_CHANGER,
	S_TYPE,
	S_ACTION,
	S_NAME,
	S_DESCRIPTION,
	S_SIDE_NAME,
	S_SIDE_DESCRIPTION,
	S_TIMEOUT,
	S_PRIORITY,
	S_NUMBER,
	S_CONTAINER,
	S_OBJECT,
	S_DRAW,
	S_RETURN,
	S_TERSE,
	S_GUIDS,
	S_IGNORED,
	S_COUNT
};

struct rsmfs_slash_letter {
	const char *letters; /* longer ones first where one begins another */
	enum rsmfs_slash_place place;
	bool value;
};

enum { RSMFS_SLASH_OPTIONS = 8 };

struct rsmfs_slash_call {
	const char *values[S_COUNT]; /* NULL: not given; "" for those without a value */
	bool by_name[S_COUNT];	     /* the f form */
	const char *options[RSMFS_SLASH_OPTIONS];
	size_t option_count;
};

/* rsm_slash_verbs.c: each fills in the words of the new call. */
#define RSMFS_SLASH_VERB(name)                                                                     \
	int rsmfs_slash_##name(const struct rsmfs_slash_call *call, struct rsmfs_slash *slash,     \
			       struct rsm_err *err)
RSMFS_SLASH_VERB(allocate);
RSMFS_SLASH_VERB(createpool);
RSMFS_SLASH_VERB(deallocate);
RSMFS_SLASH_VERB(deletepool);
RSMFS_SLASH_VERB(dismount);
RSMFS_SLASH_VERB(eject);
RSMFS_SLASH_VERB(freemedia);
RSMFS_SLASH_VERB(erase);
RSMFS_SLASH_VERB(inventory);
RSMFS_SLASH_VERB(mount);
RSMFS_SLASH_VERB(refresh);
RSMFS_SLASH_VERB(rename_object);
RSMFS_SLASH_VERB(view);
RSMFS_SLASH_VERB(not_applicable);

#endif
