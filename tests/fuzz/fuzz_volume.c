/* A whole cartridge in a drive: what it is taken for, its mount, its blocks, a commit.
 *
 * The input is the two partitions and their memory: FEh and a letter begin a part ('r' a record,
 * 'f' a filemark, 'm' the attribute list of this partition, 'p' the other partition), the bytes up
 * to the next such pair are its data.
 * Promises: a mount writes nothing; when a commit went well, a mount that knows nothing of the
 * volume finds the same tree and generation.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "changer/emulator/emulator.h"
#include "changer/emulator/library_folder.h"
#include "core/ltfs/ltfs_volume.h"
#include "tests/fuzz/fuzz.h"

enum { BLOCKS_READ = 16 };

static char library[128], cartridge[192], folder[160];

static void make_library(void)
{
	const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 1,
		.slots = 1,
		.cartridges = 1,
		.capacity_bytes = 1000000000,
		.blank = true,
		.no_cleaner = true,
	};
	char from[192];
	struct rsm_err err;
	FILE *conf;

	snprintf(library, sizeof library, "%s/library", fuzz_folder());
	snprintf(folder, sizeof folder, "%s/volume", fuzz_folder());
	FUZZ_PROMISE(rsm_library_folder_create(library, &shape, &err) == 0, "%s", err.msg);
	snprintf(from, sizeof from, "%s/slots/1001/A00001L8", library);
	snprintf(cartridge, sizeof cartridge, "%s/drives/256/A00001L8", library);
	FUZZ_PROMISE(rename(from, cartridge) == 0, "%s", from);
	snprintf(from, sizeof from, "%s/library.conf", library);
	conf = fopen(from, "w");
	FUZZ_PROMISE(conf && fputs("drive_type = LTO-8\ncapacity = 1G\nsync = off\n", conf) >= 0 &&
			     fclose(conf) == 0,
		     "%s", from);
}

/* ---- the cartridge ---- */

static void put_file(unsigned partition, const char *suffix, const struct rsm_text *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof path, "%s/partition%u.%s", cartridge, partition, suffix);
	file = fopen(path, "w");
	FUZZ_PROMISE(file && fwrite(text->data ? text->data : "", 1, text->length, file) ==
				     text->length,
		     "%s", path);
	fclose(file);
}

static void add_record(struct rsm_text *tape, const uint8_t *data, size_t size)
{
	uint8_t word[4];

	if (!size)
		return;
	rsm_put_le32(word, (uint32_t)size);
	rsm_text_append(tape, word, 4);
	rsm_text_append(tape, data, size);
	rsm_text_append(tape, "", size & 1);
	rsm_text_append(tape, word, 4);
}

static const uint8_t *next_part(const uint8_t *at, const uint8_t *end)
{
	for (; at + 1 < end; at++)
		if (at[0] == 0xFE && memchr("rfmp", at[1], 4))
			return at;
	return end;
}

static void make_cartridge(const uint8_t *data, size_t size)
{
	struct rsm_text tape[2] = { 0 }, memory[2] = { 0 };
	const uint8_t *end = data + size, *at = next_part(data, end);
	unsigned partition = 0;
	struct rsm_err err;

	FUZZ_PROMISE(rsm_file_remove_tree(cartridge, &err) == 0, "%s", err.msg);
	FUZZ_PROMISE(mkdir(cartridge, 0700) == 0, "%s", cartridge);
	while (at < end) {
		const uint8_t *from = at + 2, *to = next_part(from, end);

		if (at[1] == 'r')
			add_record(&tape[partition], from, (size_t)(to - from));
		else if (at[1] == 'f')
			rsm_text_append(&tape[partition], "\0\0\0", 4);
		else if (at[1] == 'm')
			rsm_text_append(&memory[partition], from, (size_t)(to - from));
		else
			partition ^= 1;
		at = to;
	}
	for (unsigned p = 0; p < 2; p++) {
		FUZZ_PROMISE(!tape[p].failed && !memory[p].failed, "out of memory");
		if (p == 0 || tape[p].length)
			put_file(p, "tap", &tape[p]);
		if (memory[p].length)
			put_file(p, "mam", &memory[p]);
		rsm_text_fini(&tape[p]);
		rsm_text_fini(&memory[p]);
	}
}

/* ---- the volume, as somebody sees it who knows nothing of it ---- */

struct view {
	struct rsm_emulator *emulator;
	struct rsm_tape_drive *drive;
	struct rsm_staging_space *space;
	struct rsm_content *content;
	struct rsm_volume *volume;
	struct rsm_volume_totals totals;
	struct rsm_volume_status status;
};

static void refuse_read(void *context, struct rsm_medium_read *read)
{
	struct rsm_err err;

	(void)context;
	read->done(read, rsm_err_set(&err, EIO, "fuzz: nobody reads"), &err);
}

static void no_cancel(void *context, struct rsm_medium_read *read)
{
	(void)context, (void)read;
}

static void no_want(void *context, struct rsm_content *content, enum rsm_content_want want)
{
	(void)context, (void)content, (void)want;
}

static void no_change(void *context, struct rsm_content *content, uint64_t node)
{
	(void)context, (void)content, (void)node;
}

static void close_view(struct view *view)
{
	rsm_volume_free(view->volume);
	rsm_content_close_volume(view->content);
	rsm_staging_space_free(view->space);
	rsm_tape_drive_free(view->drive);
	rsm_emulator_close(view->emulator);
}

static bool open_drive(struct view *view)
{
	struct rsm_scsi_transport *transport;
	struct rsm_err err;

	*view = (struct view){ 0 };
	FUZZ_PROMISE(rsm_emulator_open(library, rsm_clock_real(), &view->emulator, &err) == 0, "%s",
		     err.msg);
	FUZZ_PROMISE(rsm_emulator_drive(view->emulator, 256, &transport, &err) == 0, "%s", err.msg);
	FUZZ_PROMISE(rsm_tape_drive_new(transport, &view->drive, &err) == 0, "%s", err.msg);
	return rsm_tape_drive_load(view->drive, 60000, &err) == 0;
}

/* False: no volume that can be mounted. */
static bool open_view(struct view *view)
{
	static const struct rsm_content_callbacks callbacks = {
		.read = refuse_read, .cancel = no_cancel, .want = no_want, .changed = no_change
	};
	RSM_TEXT struct rsm_text conflicts = { 0 };
	struct rsm_ltfs_probe probe;
	struct rsm_err err;
	int r;

	if (!open_drive(view) || rsm_ltfs_probe(view->drive, &probe, &err) < 0 ||
	    probe.kind != RSM_PROBE_LTFS)
		return false;
	FUZZ_PROMISE(rsm_file_remove_tree(folder, &err) == 0, "%s", err.msg);
	FUZZ_PROMISE(mkdir(folder, 0700) == 0, "%s", folder);
	FUZZ_PROMISE(rsm_staging_space_new(folder, 1 << 24, &view->space, &err) == 0, "%s",
		     err.msg);
	FUZZ_PROMISE(
		rsm_content_open_volume(folder, view->space, &callbacks, &view->content, &err) == 0,
		"%s", err.msg);
	r = rsm_ltfs_mount(view->drive, view->content, &probe.label, &conflicts, &view->volume,
			   &err);
	if (r < 0) {
		FUZZ_PROMISE(err.msg[0], "an error without words");
		return false;
	}
	FUZZ_PROMISE(
		rsm_volume_index_totals(rsm_content_index(view->content), &view->totals, &err) == 0,
		"%s", err.msg);
	view->volume->ops->status(view->volume, &view->status);
	/* that nothing was read of it is only right where nothing can be */
	FUZZ_PROMISE(r == RSM_LTFS_RELOADED || view->status.read_only, "%d", r);
	return true;
}

/* Some blocks that files have, and some that they have not. */
static void read_blocks(struct view *view)
{
	uint8_t *block = malloc(view->status.block_size);
	struct rsm_index_snapshot *snapshot;
	struct rsm_snapshot_node node;
	unsigned left = BLOCKS_READ;
	struct rsm_err err;
	size_t length;
	int r;

	FUZZ_PROMISE(block, "out of memory");
	FUZZ_PROMISE(rsm_content_snapshot(view->content, &snapshot, &err) == 0, "%s", err.msg);
	while ((r = rsm_index_snapshot_walk(snapshot, &node, &err)) != RSM_WALK_END) {
		FUZZ_PROMISE(r > 0, "%s", err.msg);
		for (size_t i = 0; i < node.extent_count && left; i++, left--) {
			length = 0;
			r = view->volume->ops->read_block(view->volume, node.extents[i].partition,
							  node.extents[i].start_block, block,
							  &length, &err);
			FUZZ_PROMISE(r != 0 || length <= view->status.block_size, "%zu", length);
		}
	}
	rsm_index_snapshot_close(snapshot);
	free(block);
}

static uint64_t image_bytes(void)
{
	uint64_t bytes = 0;

	for (unsigned p = 0; p < 2; p++) {
		char path[256];
		struct stat st;

		snprintf(path, sizeof path, "%s/partition%u.tap", cartridge, p);
		if (stat(path, &st) == 0)
			bytes += (uint64_t)st.st_size;
	}
	return bytes;
}

static void check_again(const struct view *before)
{
	const struct rsm_volume_totals *old = &before->totals;
	struct view again;

	FUZZ_PROMISE(open_view(&again), "what was committed cannot be mounted");
	FUZZ_PROMISE(again.status.index_generation == before->status.index_generation,
		     "generation %" PRIu64 " instead of %" PRIu64, again.status.index_generation,
		     before->status.index_generation);
	FUZZ_PROMISE(again.totals.files == old->files && again.totals.folders == old->folders &&
			     again.totals.links == old->links &&
			     again.totals.file_bytes == old->file_bytes,
		     "%" PRIu64 " files instead of %" PRIu64, again.totals.files, old->files);
	close_view(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view view;
	uint64_t bytes;
	struct rsm_err err;
	bool committed = false, mounted;

	if (!library[0])
		make_library();
	make_cartridge(data, size);
	bytes = image_bytes();
	mounted = open_view(&view);
	if (mounted)
		read_blocks(&view);
	FUZZ_PROMISE(image_bytes() == bytes, "a mount has written");
	if (mounted && !view.status.read_only) {
		committed = view.volume->ops->commit(view.volume, RSM_COMMIT_FULL, NULL, true,
						     &err) == 0;
		view.volume->ops->status(view.volume, &view.status);
	}
	close_view(&view);
	if (committed)
		check_again(&view);
	return 0;
}
