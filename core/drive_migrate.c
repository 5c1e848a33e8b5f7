/* Migration: what is staged goes to the volume in the drive, in batches; what remains if the
 * process dies behind each step:
 *   1. records of some files are appended          waste on the tape; the files are staged as
 * before
 *   2. synchronising filemark                      the same
 *   3. extents are recorded (one transaction)      files are on the tape and staged, in no index
 *   4. later: an index (ltfs_commit.c)             staged copies go
 * A file that was changed or removed meanwhile is not recorded in step 3: its records are waste.
 * Files that are still being written go in parts (content_stream.c) when they are large, or when
 * the staging area is nearly full; then batches are small, so that an index soon gives back what
 * they had.
 */
#include "core/drive_fit.h"
#include "core/drive_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { BATCH_FILES = 1000, BATCH_BYTES = 256 << 20, BATCH_LEAST = 4 << 20, STREAM_ON = 64 << 20 };
#define STREAM_SIZE ((uint64_t)4 << 30)

struct batch_file {
	struct rsm_migration *migration;
	struct rsm_extent *extents;
	size_t extent_count;
};

struct batch {
	struct batch_file *files;
	size_t count, room;
	uint64_t bytes;
	uint64_t last_order;
	uint64_t before;   /* what was closed then, or later, has time; 0: nothing has */
	uint64_t most;	   /* bytes of a batch */
	uint64_t at_least; /* for parts: that wait in the file */
	bool tight;	   /* the staging area is */
	bool full;
	bool torn; /* a write failed: what the drive had accepted before may be lost as well */
	struct rsm_err unread; /* of a file whose staged bytes could not be read; code 0: none */
	struct rsm_hasher
		*hasher; /* of the file that is being written; NULL: it gets no checksum */
};

static void batch_fini(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		rsm_migration_free(batch->files[i].migration);
		free(batch->files[i].extents);
	}
	free(batch->files);
}

static struct batch_file *batch_add(struct batch *batch)
{
	if (batch->count == batch->room) {
		size_t room = batch->room ? batch->room * 2 : 16;
		struct batch_file *files = realloc(batch->files, room * sizeof *files);

		if (!files)
			return NULL;
		batch->files = files;
		batch->room = room;
	}
	batch->files[batch->count] = (struct batch_file){ 0 };
	return &batch->files[batch->count++];
}

/* A tape whose index partition is incomplete after a crash gets its index before new data. */
static int append_block(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			const void *data, size_t length, uint64_t *ret_block, struct rsm_err *err)
{
	struct rsm_volume *volume = worker->volume;
	int r = volume->ops->append(volume, data, length, ret_block, err);

	if (r != RSM_VOLUME_MUST_COMMIT)
		return r;
	r = rsm_drive_commit(worker, cartridge, RSM_COMMIT_FULL, err);
	if (r < 0)
		return r;
	r = volume->ops->append(volume, data, length, ret_block, err);
	return r == RSM_VOLUME_MUST_COMMIT ? rsm_err_fold(err, r, "append") : r;
}

/* NULL: the file gets no checksum. */
static struct rsm_hasher *begin_hash(struct rsm_drive_worker *worker,
				     const struct rsm_migration *migration)
{
	enum rsm_digest_kind kind = worker->manager->options.hash;
	struct rsm_err err;

	if (kind == RSM_DIGEST_NONE || (!migration->whole && !migration->digest) ||
	    worker->hasher_failed)
		return NULL;
	if (!worker->hasher && rsm_hasher_new(kind, &worker->hasher, &err) < 0) {
		rsm_log_warning("%s: files are written without checksums: %s", worker->name,
				err.msg);
		worker->hasher_failed = true;
		return NULL;
	}
	if (migration->digest)
		rsm_hasher_continue(worker->hasher, migration->digest);
	else
		rsm_hasher_begin(worker->hasher);
	return worker->hasher;
}

static void finish_hash(struct rsm_drive_worker *worker, struct rsm_hasher *hasher,
			struct rsm_migration *migration, uint64_t hashed)
{
	struct rsm_err err;

	if (!hasher || hashed > migration->size)
		return;
	if (migration->part_of) { /* to be continued */
		rsm_hasher_settle(hasher);
		migration->digested = true;
		return;
	}
	rsm_hasher_add_zeros(hasher, migration->size - hashed);
	if (rsm_hasher_finish(hasher, &migration->hash_key, migration->hash, &err) < 0) {
		migration->hash_key = NULL;
		rsm_log_warning("%s: a file is written without its checksum: %s", worker->name,
				err.msg);
	}
}

enum { WRITE_LATER = 16 }; /* outcome beside those of volume.h: not this file, not now */

static bool hurries(struct rsm_drive_worker *worker)
{
	RSM_LOCK_SCOPE(&worker->manager->lock);
	return rsm_manager_hurries_locked(worker->manager);
}

static int place_block(const struct rsm_drive_worker *worker, struct rsm_extent *extent,
		       uint64_t done, uint64_t block, struct rsm_err *err)
{
	if (done == 0)
		extent->start_block = block;
	else if (block != extent->start_block + done / worker->block_size)
		return rsm_err_set(err, EIO, "records are not contiguous at block %" PRIu64, block);
	return 0;
}

/* Each range of a file begins a record of its own and is one extent (14.1). While blocks are
 * being hashed, the next ones go to other places of the buffer.
 */
static int write_range(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		       struct batch *batch, struct batch_file *file, size_t which,
		       struct rsm_err *err)
{
	const struct rsm_staged_range *range = &file->migration->ranges[which];
	struct rsm_extent *extent = &file->extents[file->extent_count];
	uint64_t done = 0;

	*extent = (struct rsm_extent){ .file_offset = range->file_offset,
				       .byte_count = range->byte_count,
				       .partition = worker->volume->data_partition };
	while (done < range->byte_count) {
		uint64_t left = range->byte_count - done, block;
		size_t n = left < worker->block_size ? (size_t)left : worker->block_size;
		char *data = worker->buffer + (size_t)worker->next_block * worker->block_size;
		int r;

		if (hurries(worker))
			return WRITE_LATER;
		r = rsm_content_migration_read(cartridge->content, file->migration, which, done,
					       data, n, &batch->unread);
		if (r < 0)
			return WRITE_LATER;
		if (batch->hasher)
			rsm_hasher_add(batch->hasher, data, n);
		if (!range->written) {
			r = append_block(worker, cartridge, data, n, &block, err);
			batch->torn = r < 0;
			if (r == 0)
				r = place_block(worker, extent, done, block, err);
			if (r != 0)
				return r;
		}
		done += n;
		worker->next_block = (worker->next_block + 1) % WRITE_BLOCKS;
	}
	file->extent_count += !range->written;
	return 0;
}

/* err NULL: it has not failed, but does not fit. */
static void name_file(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge, uint64_t id,
		      int r, struct rsm_err *err)
{
	char *path = NULL;

	if (rsm_volume_index_path(rsm_content_index(cartridge->content), id, &path, NULL) != 0)
		return;
	if (err)
		(void)rsm_err_wrap(err, r, "writing %s", path);
	rsm_drive_note_file(worker, path);
}

/* Takes the migration. */
static int write_migration(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			   struct batch *batch, struct rsm_migration *taken, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_migration_free) struct rsm_migration *migration = taken;
	struct batch_file *file;
	uint64_t bytes = 0, hashed = migration->digest_from;
	int r = 0;

	for (size_t i = 0; i < migration->range_count; i++)
		if (!migration->ranges[i].written)
			bytes += migration->ranges[i].byte_count;
	if (!worker->volume->ops->has_room(worker->volume, bytes)) {
		if (!batch->full)
			name_file(worker, cartridge, migration->id, 0, NULL);
		batch->full = true;
		return 0; /* smaller ones behind it may still fit */
	}
	file = batch_add(batch);
	if (!file)
		return rsm_err_oom(err);
	file->migration = RSM_STEAL(migration);
	file->extents = calloc(file->migration->range_count + 1, sizeof *file->extents);
	if (!file->extents)
		return rsm_err_oom(err);
	batch->hasher = begin_hash(worker, file->migration);
	for (size_t i = 0; r == 0 && i < file->migration->range_count; i++) {
		const struct rsm_staged_range *range = &file->migration->ranges[i];

		if (range->written && !batch->hasher)
			continue;
		if (batch->hasher && range->file_offset > hashed)
			rsm_hasher_add_zeros(batch->hasher, range->file_offset - hashed);
		r = write_range(worker, cartridge, batch, file, i, err);
		hashed = range->file_offset + range->byte_count;
	}
	if (r == 0)
		finish_hash(worker, batch->hasher, file->migration, hashed);
	else if (batch->hasher)
		rsm_hasher_begin(batch->hasher); /* lets go of the buffer */
	if (r < 0)
		name_file(worker, cartridge, file->migration->id, r, err);
	else if (r == RSM_VOLUME_FULL && !batch->full)
		name_file(worker, cartridge, file->migration->id, r, NULL);
	if (r != 0) {
		/* what was written of it is waste; it stays staged */
		rsm_migration_free(file->migration);
		free(file->extents);
		batch->count--;
		if (r < 0)
			return r;
		batch->full = batch->full || r == RSM_VOLUME_FULL;
		return 0; /* a file whose bytes cannot be read does not keep back the others */
	}
	batch->bytes += bytes;
	return 0;
}

static int write_file(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		      struct batch *batch, struct rsm_err *err)
{
	struct rsm_migration *migration;
	int r = rsm_content_next_migration(cartridge->content, batch->last_order, &migration, err);

	if (r != 0)
		return r;
	if (batch->before && migration->close_order >= batch->before) {
		rsm_migration_free(migration);
		return RSM_NODE_ABSENT;
	}
	batch->last_order = migration->close_order;
	return write_migration(worker, cartridge, batch, migration, err);
}

static int write_part(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		      struct batch *batch, struct rsm_err *err)
{
	struct rsm_content *content = cartridge->content;
	struct rsm_migration *migration;
	uint64_t most = batch->most - batch->bytes;
	int r = rsm_content_next_part(content, batch->at_least, most, worker->block_size, false,
				      &migration, err);

	/* many small ones may fill the area, too; but not while something better is there to do */
	if (r == RSM_NODE_ABSENT && batch->tight && !batch->count)
		r = rsm_content_next_part(content, 0, most, worker->block_size, true, &migration,
					  err);
	return r ? r : write_migration(worker, cartridge, batch, migration, err);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t end_of(const struct rsm_drive_worker *worker, const struct batch_file *file)
{
	uint64_t end = 0;

	for (size_t e = 0; e < file->extent_count; e++) {
		const struct rsm_extent *extent = &file->extents[e];

		end = later(end, extent->start_block + (extent->byte_count + worker->block_size -
							1) / worker->block_size);
	}
	return end;
}

/* Steps 2 and 3. Nothing is recorded after a failed write: the error may be about records that the
 * drive had taken into its buffer and acknowledged before. They stay staged and are written again.
 */
static int record_batch(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			struct batch *batch, struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(cartridge->content);
	uint64_t end = 0;
	int r;

	if (batch->count == 0 || batch->torn)
		return 0;
	r = worker->volume->ops->synchronize(worker->volume, err);
	for (size_t i = 0; i < batch->count; i++)
		end = later(end, end_of(worker, &batch->files[i]));
	/* before the extents: whoever finds them knows how long the tape has to be */
	if (r == 0 && end)
		r = rsm_volume_index_set_number(index, "data_end", end, err);
	for (size_t i = 0; r == 0 && i < batch->count; i++) {
		struct batch_file *file = &batch->files[i];

		r = rsm_content_migrated(cartridge->content, file->migration, file->extents,
					 file->extent_count, err);
		if (r == RSM_NODE_ABSENT) {
			rsm_log_debug(RSM_ROOM_DRIVE,
				      "%s: file %" PRIu64 " was changed while it was written",
				      cartridge->barcode, file->migration->id);
			r = 0;
		}
	}
	return r ? r : rsm_volume_index_commit(index, false, err);
}

static bool batch_goes_on(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			  struct batch *batch)
{
	RSM_LOCK_SCOPE(&worker->manager->lock);
	batch->before = cartridge->leave_before; /* a dismount may have been asked for meanwhile */
	return batch->count < BATCH_FILES && batch->bytes < batch->most &&
	       (cartridge->leave || rsm_list_is_empty(&cartridge->reads)) &&
	       !rsm_manager_hurries_locked(worker->manager);
}

static void size_batch(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		       struct batch *batch)
{
	const struct rsm_manager_options *options = &worker->manager->options;
	struct rsm_staging_space *space = worker->manager->space;

	batch->most = BATCH_BYTES;
	batch->tight = rsm_staging_space_is_tight(space);
	batch->at_least = options->stream_size ? options->stream_size : STREAM_SIZE;
	rsm_mutex_lock(&worker->manager->lock);
	if (cartridge->stream && batch->at_least > STREAM_ON) /* once begun, it goes on */
		batch->at_least = STREAM_ON;
	batch->before = cartridge->leave_before;
	rsm_mutex_unlock(&worker->manager->lock);
	if (batch->tight) {
		uint64_t part = rsm_staging_space_size(space) / 4;

		batch->at_least = 0;
		if (batch->most > part)
			batch->most = part > BATCH_LEAST ? part : BATCH_LEAST;
	}
}

int rsm_drive_migrate(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		      bool *ret_wrote, struct rsm_err *err)
{
	__attribute__((cleanup(batch_fini))) struct batch batch = { 0 };
	struct rsm_err write_err;
	int r, recorded;

	if (!worker->volume || !worker->volume->ops->append || !cartridge->content) {
		*ret_wrote = false;
		return 0;
	}
	size_batch(worker, cartridge, &batch);
	do
		r = write_file(worker, cartridge, &batch, &write_err);
	while (r == 0 && batch_goes_on(worker, cartridge, &batch));
	/* a cartridge that leaves does not wait for who writes on and on to an open file */
	while (r == RSM_NODE_ABSENT && !batch.full && !batch.before &&
	       batch_goes_on(worker, cartridge, &batch)) {
		r = write_part(worker, cartridge, &batch, &write_err);
		if (r == RSM_NODE_ABSENT)
			break;
		r = r == 0 ? RSM_NODE_ABSENT : r;
	}

	recorded = record_batch(worker, cartridge, &batch, err);
	if (batch.count)
		worker->head_partition = 0;
	*ret_wrote = batch.count > 0;
	rsm_mutex_lock(&worker->manager->lock);
	if (batch.full)
		cartridge->full = true;
	if (!recorded && !batch.torn)
		cartridge->unindexed_bytes += batch.bytes;
	rsm_mutex_unlock(&worker->manager->lock);
	if (r < 0 && recorded == 0 && err)
		*err = write_err;
	if (r >= 0 && recorded == 0 && batch.unread.code) {
		*err = batch.unread;
		recorded = -batch.unread.code;
	}
	return r < 0 ? r : recorded;
}

bool rsm_drive_identity_is_current(struct rsm_drive_worker *worker, int64_t medium,
				   const struct drive_identity *written)
{
	struct drive_identity identity = { 0 };
	const struct rsm_medium *now = &identity.medium;
	bool current = rsm_drive_identity(worker, medium, &identity, NULL) == 0 &&
		       strcmp(now->lmid, written->medium.lmid) == 0 &&
		       strcmp(identity.pool, written->pool) == 0 &&
		       strcmp(now->name, written->medium.name) == 0 &&
		       now->pool == written->medium.pool && now->mode == written->medium.mode &&
		       now->owner == written->medium.owner && now->group == written->medium.group &&
		       now->state == written->medium.state &&
		       strcmp(identity.acl, written->acl) == 0;

	rsm_drive_identity_fini(&identity);
	return current;
}

/* Files that were closed in this order do not wait to be written; the next index has them all. */
static uint64_t written_order(struct rsm_cartridge *cartridge)
{
	struct rsm_volume_index *index;
	struct rsm_node node;
	uint64_t last, waiting;
	int r;

	if (!cartridge->content)
		return 0;
	index = rsm_content_index(cartridge->content);
	/* first: what is closed between the two is behind it */
	last = rsm_volume_index_last_close_order(index);
	r = rsm_volume_index_next_staged(index, 0, &node, &waiting, NULL);
	if (r == RSM_NODE_ABSENT || (r == 0 && waiting > last))
		return last;
	return r == 0 ? waiting - 1 : 0;
}

static void set_committing(struct rsm_cartridge *cartridge, bool committing)
{
	RSM_LOCK_SCOPE(&cartridge->manager->lock);
	cartridge->committing = committing;
	if (!committing)
		rsm_manager_wake_locked(cartridge->manager); /* who waits for a sync */
}

/* Changed names are not forced upon what cannot be written here. */
static bool takes_label(const struct rsm_cartridge *cartridge, const struct rsm_medium *medium)
{
	RSM_LOCK_SCOPE(&cartridge->manager->lock);
	return rsm_drive_fit_has_label_work_locked(cartridge, medium);
}

/* An imported volume is not ours to write to. Nor is one that was deallocated while it was on its
 * way out: the medium may have its next owner by now, whose name the index would bear, with what
 * the one before had.
 */
static bool is_owners(const struct rsm_cartridge *cartridge, const struct rsm_medium *medium)
{
	RSM_LOCK_SCOPE(&cartridge->manager->lock);
	return medium->lmid[0] && medium->label_work != RSM_LABEL_FORMAT && !cartridge->abandoned;
}

int rsm_drive_commit(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		     enum rsm_volume_commit what, struct rsm_err *err)
{
	struct drive_identity identity = { 0 };
	uint64_t order = written_order(cartridge);
	bool update;
	int r;

	if (!worker->volume || !worker->volume->ops->commit)
		return 0;
	r = rsm_drive_identity(worker, cartridge->id, &identity, err);
	update = r == 0 && identity.medium.label_work == RSM_LABEL_UPDATE &&
		 takes_label(cartridge, &identity.medium);
	if (r == 0 && !is_owners(cartridge, &identity.medium)) {
		rsm_drive_identity_fini(&identity);
		return 0;
	}
	set_committing(cartridge, true);
	if (r == 0)
		r = worker->volume->ops->commit(worker->volume, what, &identity.identity, update,
						err);
	worker->head_partition = 0;
	rsm_drive_tell_findings(worker, cartridge);
	if (r == 0) {
		RSM_LOCK_SCOPE(&worker->manager->lock);
		cartridge->unindexed_bytes = 0;
		cartridge->safe_order = order;
	}
	if (r == 0 && update && rsm_drive_identity_is_current(worker, cartridge->id, &identity))
		r = rsm_medium_set_label_work(worker->manager->catalog, cartridge->id, NULL,
					      RSM_LABEL_UPDATE, RSM_LABEL_NONE, err);
	rsm_drive_identity_fini(&identity);
	if (r == 0)
		rsm_drive_note_status(worker, cartridge, false);
	set_committing(cartridge, false);
	return r;
}
