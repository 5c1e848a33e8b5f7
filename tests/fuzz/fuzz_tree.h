/* fuzz_tree.h - indexes as volume indexes and back, for the targets that feed the index reader. */
#ifndef RSM_TESTS_FUZZ_FUZZ_TREE_H
#define RSM_TESTS_FUZZ_FUZZ_TREE_H

#include "core/ltfs/index_writer.h"
#include "tests/fuzz/fuzz.h"

/* Feeds a reader in pieces and finishes it. */
int fuzz_read(struct rsm_ltfs_index_reader *reader, const void *data, size_t size, size_t piece,
	      struct rsm_ltfs_index_header *ret_header, struct rsm_err *err);

/* A loader for the volume index of this name; and that, when it is finished. Takes the loader. */
struct rsm_index_loader *fuzz_loader(const char *name);
struct rsm_volume_index *fuzz_finish(struct rsm_index_loader *loader, const char *name);
/* The loader after an error. The error must be one that a document can be to blame for. */
void fuzz_drop(struct rsm_index_loader *loader, int r, const struct rsm_err *err);

/* What is written of it can be read, and written of that it is the same. Closes it. */
void fuzz_round_trip(struct rsm_volume_index *index);

#endif
