/* control_verify.h - what the files of `rsm verify` share: one cartridge whose files are read
 * again.
 *
 * control_verify.c the verb, its cartridges and its sums; control_verify_plan.c which files, in
 * which order; control_verify_read.c reading one and computing its digest. Nobody else includes it.
 */
#ifndef RSMFS_CONTROL_VERIFY_H
#define RSMFS_CONTROL_VERIFY_H

#include "base/mutex.h"
#include "core/digest.h"
#include "fs/control_request.h"

/* A file, or a folder that may not be listed. */
struct rsmfs_verify_file {
	uint64_t id, block, size;
	char partition;
	enum {
		RSMFS_VERIFY_READ, /* it is to be read */
		RSMFS_VERIFY_EMPTY,
		RSMFS_VERIFY_UNHASHED,
		RSMFS_VERIFY_STAGED,
		RSMFS_VERIFY_REFUSED,
	} what;
};

/* What became of the files of all cartridges. */
struct rsmfs_verify_sums {
	uint64_t verified, differ, unreadable, unhashed, stale, updated;
	uint64_t staged;  /* being changed */
	uint64_t refused; /* not allowed */
	uint64_t bytes;	  /* read */
};

struct rsmfs_verify {
	struct rsmfs_request *request;
	bool update; /* checksums that are missing or stale are stored anew */
	struct rsmfs_verify_sums sums;
	struct rsm_digest *digests[RSM_DIGEST_KINDS]; /* made when needed */
	struct rsmfs_verify_reader *reader;

	/* of the cartridge that is being read */
	struct rsm_medium medium;
	struct rsm_content *content;
	struct rsm_volume_index *index;
	char *top; /* its path in the tree */
	struct rsmfs_verify_file *files;
	size_t count, room;
	uint64_t *folders; /* still to be listed */
	size_t folder_count, folder_room;
	uint64_t total, done; /* bytes */
};

/* ---- control_verify_plan.c ---- */

/* Adds what `rest` names below the cartridge: a file, or all that is in a folder. */
RSM_MUST_CHECK int rsmfs_verify_add(struct rsmfs_verify *verify, const char *rest,
				    struct rsm_err *err);
/* Those that are to be read, in the order in which the medium has them, each once; the others go
 * into the sums.
 */
void rsmfs_verify_sort(struct rsmfs_verify *verify);

/* ---- control_verify_read.c ---- */

RSM_MUST_CHECK int rsmfs_verify_reader_new(struct rsmfs_request *request,
					   struct rsmfs_verify_reader **ret_reader,
					   struct rsm_err *err);
void rsmfs_verify_reader_free(struct rsmfs_verify_reader *reader);

/* Reads `size` bytes of the file into a digest that begins here; `done` and `total` are for the
 * progress, with `path`. One read of a megabyte is under way while the one before it is summed up;
 * as soon as somebody else reads from the cartridge, this one pauses until he has been quiet for a
 * moment. -EINTR: the asker has gone; other errors are of the file.
 */
RSM_MUST_CHECK int rsmfs_verify_read(struct rsmfs_verify_reader *reader,
				     struct rsm_content *content, struct rsm_open_file *file,
				     uint64_t size, struct rsm_digest *digest, uint64_t done,
				     uint64_t total, const char *path, struct rsm_err *err);

#endif
