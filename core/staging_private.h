/* staging_private.h - what the files of staging share: the tables of logs and own files. */
#ifndef RSM_CORE_STAGING_PRIVATE_H
#define RSM_CORE_STAGING_PRIVATE_H

#include "base/mutex.h"
#include "core/staging.h"

struct staged_log {
	uint64_t number;
	int fd; /* -1: not open at the moment */
	unsigned pins;
	uint64_t end;  /* where the next append goes */
	uint64_t live; /* bytes that a row names, or soon will */
	bool dirty;    /* appended to since the last sync */
	bool synced;   /* some of it may be on the disk for good */
};

struct own_file {
	struct own_file *next;
	uint64_t id;
	uint64_t bytes;
	bool dirty, synced;
};

/* Lock order: sync_lock > lock. */
struct rsm_staging {
	char *folder; /* [const] */
	int folder_fd;
	struct rsm_staging_space *space;
	struct rsm_mutex sync_lock; /* one _sync at a time: a second may not overtake the first */
	struct rsm_mutex lock;
	struct staged_log **logs; /* [lock] ordered by number */
	size_t log_count, log_room;
	size_t logs_open;
	struct staged_log *current; /* [lock] which is appended to */
	uint64_t last_number;
	struct own_file **own; /* [lock] hash by id */
	size_t own_count, own_buckets;
	bool folder_dirty; /* [lock] names were made since the last sync */
};

/* Bytes that an area has taken, and given back. */
void rsm_staging_space_take(struct rsm_staging_space *space, uint64_t bytes);
void rsm_staging_space_give(struct rsm_staging_space *space, uint64_t bytes);
/* After the bytes have really gone from the disk. */
void rsm_staging_space_freed(struct rsm_staging_space *space);

/* All of these are called with the area's lock held. */
void rsm_staging_log_name(char name[32], uint64_t number);
void rsm_staging_own_name(char name[32], uint64_t id);
/* Index of the first log whose number is not less. */
size_t rsm_staging_log_place(const struct rsm_staging *staging, uint64_t number);
struct staged_log *rsm_staging_find_log(struct rsm_staging *staging, uint64_t number);
/* NULL: out of memory. */
struct staged_log *rsm_staging_add_log(struct rsm_staging *staging, uint64_t number);
void rsm_staging_close_log(struct rsm_staging *staging, struct staged_log *log);
/* Unlinks and frees a log without live bytes that nobody has pinned. */
void rsm_staging_reap_log(struct rsm_staging *staging, struct staged_log *log);
/* Opens the log if need be and keeps it so until unpin; idle descriptors are bounded. */
RSM_MUST_CHECK int rsm_staging_pin_log(struct rsm_staging *staging, struct staged_log *log,
				       int flags);
void rsm_staging_unpin_log(struct rsm_staging *staging, struct staged_log *log);
/* The entry's place; *it is NULL if there is none. */
struct own_file **rsm_staging_find_own(struct rsm_staging *staging, uint64_t id);
/* Makes the entry if need be; NULL: out of memory. */
struct own_file *rsm_staging_get_own(struct rsm_staging *staging, uint64_t id);
void rsm_staging_unlink_own(struct rsm_staging *staging, uint64_t id);

#endif
