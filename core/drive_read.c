#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/drive_private.h"

/* Reads of what is on the medium. The worker's thread has the drive, and reads; to bring the bytes
 * to whoever asked for them takes about as long, and is done by a thread of its own beside it, or,
 * when they were in the cache already, by the thread that asked.
 */

int rsm_drive_cache_reset(struct rsm_drive_worker *worker, uint32_t block_size, struct rsm_err *err)
{
	const struct rsm_content *content;

	rsm_mutex_lock(&worker->manager->lock);
	content = worker->cartridge ? worker->cartridge->content : NULL;
	rsm_mutex_unlock(&worker->manager->lock);
	if (block_size != worker->block_size) {
		free(worker->buffer);
		worker->buffer = NULL;
		worker->block_size = 0;
	}
	if (block_size && !worker->buffer) {
		worker->buffer = malloc((size_t)WRITE_BLOCKS * block_size);
		if (!worker->buffer) {
			rsm_block_cache_reset(&worker->cache, NULL, 0);
			return rsm_err_oom(err);
		}
		worker->block_size = block_size;
	}
	rsm_block_cache_reset(&worker->cache, content, block_size);
	return 0;
}

/* ---- the courier ---- */

void rsm_courier_init(struct courier *courier)
{
	rsm_mutex_init(&courier->lock);
	rsm_cond_init(&courier->changed);
	rsm_list_init(&courier->reads);
}

void rsm_courier_fini(struct courier *courier)
{
	pthread_cond_destroy(&courier->changed);
	rsm_mutex_fini(&courier->lock);
}

static void give_to_courier(struct courier *courier, struct rsm_medium_read *read)
{
	RSM_LOCK_SCOPE(&courier->lock);
	rsm_list_append(&courier->reads, &read->link);
	pthread_cond_signal(&courier->changed);
}

/* NULL: it is over. */
static struct rsm_medium_read *next_delivery(struct courier *courier)
{
	struct rsm_list *first;

	RSM_LOCK_SCOPE(&courier->lock);
	while (rsm_list_is_empty(&courier->reads)) {
		if (courier->stop)
			return NULL;
		rsm_cond_wait(&courier->changed, &courier->lock);
	}
	first = courier->reads.next;
	rsm_list_remove(first);
	return RSM_CONTAINER_OF(first, struct rsm_medium_read, link);
}

static void *deliver(void *argument)
{
	struct rsm_drive_worker *worker = argument;
	struct rsm_medium_read *read;

	while ((read = next_delivery(&worker->courier)))
		rsm_block_cache_answer(&worker->cache, read, 0, NULL);
	return NULL;
}

int rsm_courier_start(struct rsm_drive_worker *worker, struct rsm_err *err)
{
	int r = pthread_create(&worker->courier.thread, NULL, deliver, worker);

	if (r != 0)
		return rsm_err_set(err, r, "thread of %s: %s", worker->name, strerror(r));
	worker->courier.runs = true;
	return 0;
}

void rsm_courier_stop(struct courier *courier)
{
	if (!courier->runs)
		return;
	rsm_mutex_lock(&courier->lock);
	courier->stop = true;
	pthread_cond_signal(&courier->changed);
	rsm_mutex_unlock(&courier->lock);
	pthread_join(courier->thread, NULL);
	courier->runs = false;
}

/* ---- reading ---- */

bool rsm_drive_worker_read_cached(struct rsm_drive_worker *worker, struct rsm_medium_read *read)
{
	return rsm_block_cache_serve_whole(&worker->cache, read);
}

void rsm_drive_worker_answer_cached(struct rsm_drive_worker *worker, struct rsm_medium_read *read)
{
	rsm_block_cache_answer(&worker->cache, read, 0, NULL);
}

/* Reads a block of the medium into the cache. */
static int load_block(struct rsm_drive_worker *worker, char partition, uint64_t number,
		      struct rsm_err *err)
{
	struct rsm_cached_block *block = rsm_block_cache_reserve(&worker->cache);
	size_t length;
	int r;

	if (!block)
		return rsm_err_oom(err);
	r = worker->volume->ops->read_block(worker->volume, partition, number, block->data, &length,
					    err);
	if (r != 0)
		return r;
	rsm_block_cache_name(&worker->cache, block, partition, number, length);
	worker->head_partition = partition;
	worker->head_block = number + 1;
	return 0;
}

static int read_piece(struct rsm_drive_worker *worker, struct rsm_medium_read *read,
		      struct rsm_err *err)
{
	uint64_t loaded = UINT64_MAX;
	size_t done = 0;
	int r = rsm_block_cache_prepare(&worker->cache, read, err);

	while (r == 0) {
		uint64_t number;

		done = rsm_block_cache_serve(&worker->cache, read, done);
		if (done == read->count)
			return 0;
		number = read->start_block + (read->byte_offset + done) / worker->block_size;
		if (number == loaded) /* and had nothing, or no more, of it */
			return rsm_err_set(err, EIO,
					   "block %c:%" PRIu64 " is shorter than the index says",
					   read->partition, number);
		r = load_block(worker, read->partition, number, err);
		loaded = number;
		if (r > 0)
			return rsm_err_set(err, EIO,
					   "block %c:%" PRIu64
					   " is not there: the data end before it",
					   read->partition, number);
	}
	return r;
}

static uint64_t first_block(const struct rsm_medium_read *read, uint32_t block_size)
{
	return read->start_block + read->byte_offset / block_size;
}

struct rsm_medium_read *rsm_drive_next_read(const struct rsm_list *reads, uint32_t block_size,
					    char head_partition, uint64_t head_block)
{
	struct rsm_medium_read *ahead = NULL, *first = NULL;

	RSM_LIST_FOR_EACH (item, reads) {
		struct rsm_medium_read *read = RSM_CONTAINER_OF(item, struct rsm_medium_read, link);
		uint64_t block = first_block(read, block_size);

		if (!first || read->partition < first->partition ||
		    (read->partition == first->partition && block < first_block(first, block_size)))
			first = read;
		if (read->partition == head_partition && block + 1 >= head_block &&
		    (!ahead || block < first_block(ahead, block_size)))
			ahead = read;
	}
	return ahead ? ahead : first;
}

static struct rsm_medium_read *next_read_locked(struct rsm_drive_worker *worker,
						struct rsm_cartridge *cartridge)
{
	/* without a volume they will be told so in any order */
	return rsm_drive_next_read(&cartridge->reads, worker->volume ? worker->block_size : 1,
				   worker->head_partition, worker->head_block);
}

static void explain(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		    const struct rsm_medium_read *read, struct rsm_err *err)
{
	RSM_FREE char *path = NULL;

	if (rsm_volume_index_path(rsm_content_index(cartridge->content), read->node, &path, NULL) !=
	    0)
		path = NULL;
	rsm_err_wrap(err, -EIO, "%s in %s (home slot %u): reading %s", cartridge->barcode,
		     worker->name, worker->medium.home_slot, path ? path : "a file");
	rsm_drive_note_error(worker, cartridge, false, err);
	rsm_log_error("%s", err->msg);
	rsm_manager_tell_error(worker->manager, cartridge->id, worker->name, path, err->msg);
}

/* A person has taken it out of the drive: wherever it is, it is looked for, and loaded again. */
static bool was_taken_out(const struct rsm_medium_read *read, const struct rsm_err *err)
{
	return err->code == ENOMEDIUM && !read->elsewhere;
}

/* The drive is broken, not the medium: another one reads it. */
static bool is_passed_on(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			 struct rsm_medium_read *read, const struct rsm_err *err)
{
	bool out = was_taken_out(read, err);

	RSM_LOCK_SCOPE(&worker->manager->lock);
	if (read->elsewhere || (!out && !rsm_drive_try_elsewhere_locked(worker, cartridge, err)))
		return false;
	rsm_block_cache_abandon(&worker->cache, read);
	read->elsewhere = true;
	worker->errors += !out;
	cartridge->failure = *err;
	rsm_list_append(&cartridge->reads, &read->link);
	rsm_cartridge_leave_locked(cartridge);
	return true;
}

/* Not longer than a moment: while some go on reading, others' turns and dismounts come as well. */
void rsm_drive_serve_reads(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge)
{
	int64_t until = rsm_manager_now(worker->manager) + RSM_SECOND_NS;

	while (rsm_manager_now(worker->manager) < until) {
		struct rsm_medium_read *read;
		struct rsm_err err;
		int r;

		rsm_mutex_lock(&worker->manager->lock);
		read = next_read_locked(worker, cartridge);
		if (read)
			rsm_list_remove(&read->link);
		rsm_mutex_unlock(&worker->manager->lock);
		if (!read)
			return;
		if (!worker->volume)
			r = rsm_err_set(&err, EIO, "%s holds no volume", cartridge->barcode);
		else
			r = read_piece(worker, read, &err);
		if (r < 0 && was_taken_out(read, &err))
			rsm_log_warning("%s is not in %s any more: %s", cartridge->barcode,
					worker->name, err.msg);
		else if (r < 0 && worker->volume)
			explain(worker, cartridge, read, &err);
		else if (r == 0)
			rsm_drive_note_success(worker);
		if (r < 0 && is_passed_on(worker, cartridge, read, &err))
			return;
		if (r < 0)
			rsm_block_cache_answer(&worker->cache, read, r, &err);
		else
			give_to_courier(&worker->courier, read);
	}
}

bool rsm_drive_read_ahead(struct rsm_drive_worker *worker)
{
	uint64_t number;
	char partition;
	struct rsm_err err;

	if (!worker->volume ||
	    !rsm_block_cache_next(&worker->cache, READ_AHEAD_BLOCKS, &partition, &number))
		return false;
	/* only where the head is: read-ahead never seeks */
	if (partition != worker->head_partition || number != worker->head_block)
		return false;
	if (load_block(worker, partition, number, &err) != 0) {
		/* whoever really wants this block will be told why it cannot be read */
		rsm_block_cache_want_nothing(&worker->cache);
		worker->head_partition = 0;
		return false;
	}
	return true;
}
