#include "tests/fuzz/fuzz_tree.h"

#include <string.h>
#include <unistd.h>

#define UUID "0a1b2c3d-4e5f-4789-8abc-def012345678"

int fuzz_read(struct rsm_ltfs_index_reader *reader, const void *data, size_t size, size_t piece,
	      struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < size; at += piece)
		r = rsm_ltfs_index_reader_feed(reader, (const char *)data + at,
					       size - at < piece ? size - at : piece, err);
	return r < 0 ? r : rsm_ltfs_index_reader_finish(reader, ret_header, err);
}

static void path_of(const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", fuzz_folder(), name);
}

struct rsm_index_loader *fuzz_loader(const char *name)
{
	struct rsm_index_loader *loader;
	struct rsm_err err;
	char path[128];

	path_of(name, path);
	FUZZ_PROMISE(rsm_index_loader_new(path, &loader, &err) == 0, "%s", err.msg);
	return loader;
}

struct rsm_volume_index *fuzz_finish(struct rsm_index_loader *loader, const char *name)
{
	struct rsm_volume_index *index;
	char path[128], loaded[140];
	struct rsm_err err;

	path_of(name, path);
	snprintf(loaded, sizeof loaded, "%s.load", path);
	rsm_index_loader_free(loader);
	FUZZ_PROMISE(rename(loaded, path) == 0, "%s", path);
	FUZZ_PROMISE(rsm_volume_index_open(path, &index, &err) == 0, "%s", err.msg);
	return index;
}

void fuzz_drop(struct rsm_index_loader *loader, int r, const struct rsm_err *err)
{
	FUZZ_PROMISE(r == -EBADMSG || r == -EFBIG || r == -ENAMETOOLONG, "%d %s", r, err->msg);
	rsm_index_loader_free(loader);
}

static int append(void *context, const void *bytes, size_t length, struct rsm_err *err)
{
	(void)err;
	rsm_text_append(context, bytes, length);
	return 0;
}

static void write_index(struct rsm_volume_index *index, struct rsm_text *xml)
{
	static const char *const keys[] = { "volume_name", "comment", "policy", "unknown" };
	struct rsm_ltfs_index_source source = {
		.header = { .uuid = UUID,
			    .generation = 7,
			    .self_partition = 'b',
			    .self_block = 5,
			    .creator = "fuzz",
			    .allow_policy_update = true },
	};
	char *facts[4] = { NULL };
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

static struct rsm_volume_index *read_again(const struct rsm_text *xml)
{
	struct rsm_index_loader *loader = fuzz_loader("again");
	struct rsm_ltfs_index_reader *reader;
	struct rsm_ltfs_index_header header;
	struct rsm_err err;
	int r = rsm_ltfs_index_reader_new(loader, UUID, &reader, &err);

	FUZZ_PROMISE(r == 0, "%s", err.msg);
	r = fuzz_read(reader, xml->data, xml->length, 65536, &header, &err);
	rsm_ltfs_index_reader_free(reader);
	if (r == 0)
		r = rsm_index_loader_finish(loader, header.highest_uid, &err);
	FUZZ_PROMISE(r == 0, "what was written cannot be read: %s:\n%s", err.msg, xml->data);
	return fuzz_finish(loader, "again");
}

void fuzz_round_trip(struct rsm_volume_index *index)
{
	RSM_TEXT struct rsm_text once = { 0 }, twice = { 0 };

	write_index(index, &once);
	rsm_volume_index_close(index);
	index = read_again(&once);
	write_index(index, &twice);
	rsm_volume_index_close(index);
	FUZZ_PROMISE(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0,
		     "written:\n%s\nand again:\n%s", once.data, twice.data);
}
