/* The index reader, the loader into a volume index and the writer.
 *
 * Promises: it does not matter in which pieces a document comes; one that is accepted can be loaded
 * into a volume index; what is written of that can be read again, and then says the same.
 */
#include <string.h>
#include <unistd.h>

#include "core/ltfs/index_writer.h"
#include "tests/fuzz/fuzz.h"

#define UUID "0a1b2c3d-4e5f-4789-8abc-def012345678"

static int read_index(const void *data, size_t size, size_t piece, struct rsm_index_loader *loader,
		      struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free) struct rsm_ltfs_index_reader *reader = NULL;
	int r = rsm_ltfs_index_reader_new(loader, NULL, &reader, err);

	for (size_t at = 0; r == 0 && at < size; at += piece)
		r = rsm_ltfs_index_reader_feed(reader, (const char *)data + at,
					       size - at < piece ? size - at : piece, err);
	return r < 0 ? r : rsm_ltfs_index_reader_finish(reader, ret_header, err);
}

/* The document as a volume index of this name. */
static struct rsm_volume_index *load(const void *data, size_t size, const char *name)
{
	struct rsm_ltfs_index_header header;
	struct rsm_index_loader *loader;
	struct rsm_volume_index *index = NULL;
	char path[128], loaded[140];
	struct rsm_err err;
	int r;

	snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
	snprintf(loaded, sizeof loaded, "%s.load", path);
	FUZZ_PROMISE(rsm_index_loader_new(path, &loader, &err) == 0, "%s", err.msg);
	r = read_index(data, size, 524288, loader, &header, &err);
	if (r == 0 && !header.incremental)
		r = rsm_index_loader_finish(loader, header.highest_uid, &err);
	rsm_index_loader_free(loader);
	if (r == 0 && !header.incremental) {
		FUZZ_PROMISE(rename(loaded, path) == 0, "%s", path);
		FUZZ_PROMISE(rsm_volume_index_open(path, &index, &err) == 0, "%s", err.msg);
	} else {
		/* what only a loader finds: no number is left to give, too many names */
		FUZZ_PROMISE(r == 0 || r == -EBADMSG || r == -EFBIG || r == -ENAMETOOLONG, "%d %s",
			     r, err.msg);
		unlink(loaded);
	}
	return index;
}

static int append(void *context, const void *bytes, size_t length, struct rsm_err *err)
{
	(void)err;
	rsm_text_append(context, bytes, length);
	return 0;
}

static void write_index(struct rsm_volume_index *index, struct rsm_text *xml)
{
	struct rsm_ltfs_index_source source = {
		.header = { .uuid = UUID,
			    .generation = 7,
			    .self_partition = 'b',
			    .self_block = 5,
			    .creator = "fuzz",
			    .allow_policy_update = true },
	};
	char *facts[4] = { NULL };
	static const char *const keys[] = { "volume_name", "comment", "policy", "unknown" };
	struct rsm_err err;

	for (size_t i = 0; i < 4; i++)
		FUZZ_PROMISE(rsm_volume_index_get_fact(index, keys[i], &facts[i], &err) == 0, "%s",
			     err.msg);
	source.volume_name = facts[0] ? facts[0] : "";
	source.comment = facts[1];
	source.policy_xml = facts[2];
	source.unknown_xml = facts[3];
	FUZZ_PROMISE(rsm_volume_index_snapshot(index, &source.snapshot, &err) == 0, "%s", err.msg);
	FUZZ_PROMISE(rsm_ltfs_index_write(&source, append, xml, &err) == 0, "%s", err.msg);
	rsm_index_snapshot_close(source.snapshot);
	for (size_t i = 0; i < 4; i++)
		free(facts[i]);
}

static void round_trip(const uint8_t *data, size_t size)
{
	RSM_TEXT struct rsm_text once = { 0 }, twice = { 0 };
	struct rsm_volume_index *index = load(data, size, "first");

	if (!index)
		return;
	write_index(index, &once);
	rsm_volume_index_close(index);
	index = load(once.data, once.length, "second");
	FUZZ_PROMISE(index, "what was written cannot be read:\n%s", once.data);
	write_index(index, &twice);
	rsm_volume_index_close(index);
	FUZZ_PROMISE(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0,
		     "written:\n%s\nand again:\n%s", once.data, twice.data);
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
	if (r == 0) {
		FUZZ_PROMISE(whole.highest_uid == pieces.highest_uid &&
				     whole.generation == pieces.generation &&
				     strcmp(whole.creator, pieces.creator) == 0,
			     "generation %llu", (unsigned long long)whole.generation);
		round_trip(data, size);
	} else {
		FUZZ_PROMISE(r == -EBADMSG, "%d %s", r, err.msg);
	}
	return 0;
}
