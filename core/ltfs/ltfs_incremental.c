/* Incremental indexes (ltfs-format.md 21): which of them lead from a full index to the newest one,
 * and the tree that they make of it.
 *
 * Each points at the full index it builds on and at the incremental one before it, if there is one.
 * Both lie in front of it on the data partition, so that nothing can lead in a circle. Where a
 * pointer does not lead to what it should, or what an index changes is not there, all that it and
 * the later ones say is lost: the tree is that before it, and is not written to, for a new index
 * would bury them.
 */
#include "core/ltfs/ltfs_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_INDEX_BLOCK = 5, CHAIN_MAX = 4096 };

void rsm_ltfs_chain_fini(struct ltfs_chain *chain)
{
	free(chain->blocks);
	*chain = (struct ltfs_chain){ 0 };
}

static int add_block(struct ltfs_chain *chain, uint64_t block, struct rsm_err *err)
{
	uint64_t *more;

	if (chain->count == chain->room) {
		more = reallocarray(chain->blocks, chain->room + 16, sizeof *more);
		if (!more)
			return rsm_err_oom(err);
		chain->blocks = more;
		chain->room += 16;
	}
	chain->blocks[chain->count++] = block;
	return 0;
}

/* Outcome 1: `err` tells why the index at `block` cannot be one that another builds on. */
static int read_older(struct rsm_ltfs_volume *ltfs, uint64_t block, bool incremental,
		      const struct rsm_ltfs_index_header *newer,
		      struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	uint64_t end, bytes;
	int r;

	if (block < FIRST_INDEX_BLOCK || block >= newer->self_block) {
		rsm_err_set(err, EBADMSG, "it points at block %" PRIu64 " for what it builds on",
			    block);
		return 1;
	}
	r = rsm_ltfs_read_index(ltfs, DATA, block, NULL, ret_header, &end, &bytes, err);
	if (r == 0 && ret_header->incremental != incremental) {
		rsm_err_set(err, EBADMSG, "at block %" PRIu64 " is %s index", block,
			    incremental ? "a full" : "an incremental");
		return 1;
	}
	if (r == 0 && ret_header->generation > newer->generation) {
		rsm_err_set(err, EBADMSG, "the index at block %" PRIu64 " is newer", block);
		return 1;
	}
	return r;
}

int rsm_ltfs_follow_chain(struct rsm_ltfs_volume *ltfs, const struct rsm_ltfs_index_header *newest,
			  struct ltfs_chain *ret_chain, struct rsm_err *err)
{
	struct rsm_ltfs_index_header at = *newest, older;
	char letter = ltfs->part[DATA].letter;
	int r;

	rsm_ltfs_chain_fini(ret_chain);
	ret_chain->full = newest->back_block;
	for (;;) {
		if (at.back_partition != letter || at.back_block != ret_chain->full ||
		    (at.incremental_partition && at.incremental_partition != letter)) {
			rsm_err_set(err, EBADMSG,
				    "the indexes do not agree which full one they build on");
			return 1;
		}
		if (ret_chain->count == CHAIN_MAX) {
			rsm_err_set(err, EBADMSG, "more than %d indexes build on each other",
				    CHAIN_MAX);
			return 1;
		}
		r = add_block(ret_chain, at.self_block, err);
		if (r < 0 || !at.incremental_partition)
			break;
		r = read_older(ltfs, at.incremental_block, true, &at, &older, err);
		if (r)
			return r;
		at = older;
	}
	return r ? r : read_older(ltfs, ret_chain->full, false, &at, &older, err);
}

int rsm_ltfs_load_chain(struct rsm_ltfs_volume *ltfs, const struct ltfs_chain *chain,
			struct rsm_index_loader *loader, struct rsm_ltfs_index_header *ret_header,
			uint64_t *ret_bytes, uint64_t *ret_bad, struct rsm_err *err)
{
	struct rsm_ltfs_index_header header;
	uint64_t highest, end, bytes;
	int r;

	*ret_bad = chain->full;
	r = rsm_ltfs_read_index(ltfs, DATA, chain->full, loader, &header, &end, ret_bytes, err);
	highest = header.highest_uid;
	for (size_t i = chain->count; r == 0 && i-- > 0;) {
		*ret_bad = chain->blocks[i];
		r = rsm_index_loader_settle(loader, err);
		if (r == 0)
			r = rsm_ltfs_apply_index(ltfs, chain->blocks[i], loader, &header, &end,
						 &bytes, err);
		if (r == 0 && header.highest_uid > highest)
			highest = header.highest_uid;
	}
	if (r)
		return r;
	header.highest_uid = highest;
	*ret_header = header;
	return 0;
}
