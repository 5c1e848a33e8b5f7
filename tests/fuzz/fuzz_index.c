/* The index reader, the loader into a volume index and the writer.
 *
 * Promises: it does not matter in which pieces a document comes; one that is accepted can be loaded
 * into a volume index; what is written of that can be read again, and then says the same.
 */
#include <string.h>

#include "tests/fuzz/fuzz_tree.h"

static int read_index(const uint8_t *data, size_t size, size_t piece,
		      struct rsm_index_loader *loader, struct rsm_ltfs_index_header *ret_header,
		      struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	int r = rsm_ltfs_index_reader_new(loader, NULL, &reader, err);

	return r < 0 ? r : fuzz_read(reader, data, size, piece, ret_header, err);
}

static void load(const uint8_t *data, size_t size)
{
	struct rsm_index_loader *loader = fuzz_loader("index");
	struct rsm_ltfs_index_header header;
	struct rsm_err err;
	int r = read_index(data, size, 65536, loader, &header, &err);

	if (r == 0)
		r = rsm_index_loader_finish(loader, header.highest_uid, &err);
	if (r == 0)
		fuzz_round_trip(fuzz_finish(loader, "index"));
	else
		fuzz_drop(loader, r, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rsm_ltfs_index_header whole, pieces;
	struct rsm_err err, other;
	/* of a length that differs between inputs, and does not change with each of their bytes */
	int r = read_index(data, size, 524288, NULL, &whole, &err);
	int again = read_index(data, size, 1 + size % 61, NULL, &pieces, &other);

	FUZZ_PROMISE(r == again, "in pieces: %d %s; whole: %d %s", again, again ? other.msg : "", r,
		     r ? err.msg : "");
	if (r < 0) {
		FUZZ_PROMISE(r == -EBADMSG, "%d %s", r, err.msg);
		return 0;
	}
	FUZZ_PROMISE(whole.highest_uid == pieces.highest_uid &&
			     whole.generation == pieces.generation &&
			     strcmp(whole.creator, pieces.creator) == 0,
		     "generation %llu", (unsigned long long)whole.generation);
	if (!whole.incremental)
		load(data, size);
	return 0;
}
