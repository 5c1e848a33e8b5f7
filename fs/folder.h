/* folder.h - open folders: entries in the form the kernel takes them, and going on where it
 * stopped.
 *
 * Offsets are positions: "." is 0, ".." 1, then the entries; the kernel is given position + 1 with
 * each. A listing of pools is taken whole when the folder is (re)wound. Contents are fetched in
 * batches by the key of the last name; an offset inside the last batch is resumed there, any other
 * is counted again from the start. A batch that was fetched in advance is dropped when anything was
 * changed on the medium since, for the kernel believes the attributes that come with an entry.
 */
#ifndef RSMFS_FOLDER_H
#define RSMFS_FOLDER_H

#include "fs/frontend.h"

struct rsmfs_folder_entry {
	struct rsm_node node; /* contents only */
	uint64_t ino;
	mode_t type;
	size_t name, key; /* where in the folder's text */
};

struct rsmfs_folder {
	struct rsmfs_handle handle;
	struct rsmfs_place place;
	struct rsm_mutex lock;
	/* all [lock] */
	struct rsmfs_folder_entry *entries;
	size_t count, room;
	struct rsm_text text;
	uint64_t first;	       /* position of entries[0] */
	bool ended;	       /* nothing behind the last entry */
	uint64_t changes;      /* of the medium when it was fetched */
	size_t batch;	       /* how many to fetch next time */
	struct rsm_text after; /* key of the last entry before entries[0]; empty: from the start */
};

/* Replies to an opendir. */
void rsmfs_folder_open(struct rsmfs *fs, struct rsmfs_call *call);
void rsmfs_folder_release(struct rsmfs *fs, struct rsmfs_call *call);

/* For the time of a readdir: locked, and kept until _leave, for with the answer it may be released.
 */
struct rsmfs_folder *rsmfs_folder_enter(struct rsmfs_call *call);
void rsmfs_folder_leave(struct rsmfs *fs, struct rsmfs_folder *folder);

void rsmfs_folder_clear(struct rsmfs_folder *folder);
RSM_MUST_CHECK int rsmfs_folder_add(struct rsmfs_folder *folder, uint64_t ino, mode_t type,
				    const char *name, const char *key, const struct rsm_node *node,
				    struct rsm_err *err);

static inline const char *rsmfs_folder_name(const struct rsmfs_folder *folder, size_t index)
{
	return folder->text.data + folder->entries[index].name;
}

/* A reply under way. */
struct rsmfs_listing {
	fuse_req_t req;
	char *buffer;
	size_t size, used;
	bool plus;
};
RSM_MUST_CHECK int rsmfs_listing_init(struct rsmfs_listing *listing, struct rsmfs_call *call,
				      struct rsm_err *err);
/* False when it does not fit any more. attributes NULL: the name only. `next`: the offset behind
 * it. */
bool rsmfs_listing_add(struct rsmfs_listing *listing, const char *name, uint64_t ino, mode_t type,
		       const struct fuse_entry_param *attributes, uint64_t next);
/* "." and ".." from `offset` on; false when they did not fit. */
bool rsmfs_listing_dots(struct rsmfs_listing *listing, uint64_t offset, uint64_t self,
			uint64_t parent);
void rsmfs_listing_reply(struct rsmfs_listing *listing);
void rsmfs_listing_fini(struct rsmfs_listing *listing);

/* Replies from a listing that is whole. */
void rsmfs_folder_reply_whole(struct rsmfs_folder *folder, struct rsmfs_call *call,
			      uint64_t parent);

#endif
