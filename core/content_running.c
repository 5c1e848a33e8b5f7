#include "core/content_private.h"

#include <stdlib.h>

/* Digests of files that are migrated in parts, kept up from part to part.
 *
 * A file that is written in order goes to the medium in order, and its digest with it: `done` is up
 * to where. What changes a byte before `done` (or of the part that is being digested now) breaks
 * it for good: such a file is not written in order, which is remembered as long as there is room,
 * and gets its checksum from its staged bytes when it is closed, if they are all still there.
 * Entries are few, and dispensable.
 */

enum { RUNNING_MOST = 64 };

struct rsm_running {
	struct rsm_list link;
	uint64_t id;
	struct rsm_digest *digest; /* NULL: broken, or none is wanted */
	uint64_t done, lent_to;
	bool lent, broken;
};

static struct rsm_running *find_locked(struct rsm_content *content, uint64_t id)
{
	RSM_LIST_FOR_EACH (item, &content->running) {
		struct rsm_running *running = RSM_CONTAINER_OF(item, struct rsm_running, link);

		if (running->id == id)
			return running;
	}
	return NULL;
}

static void drop_locked(struct rsm_content *content, struct rsm_running *running)
{
	rsm_list_remove(&running->link);
	rsm_digest_free(running->digest);
	free(running);
	content->running_count--;
}

static void make_room_locked(struct rsm_content *content)
{
	RSM_LIST_FOR_EACH_SAFE (item, &content->running) {
		struct rsm_running *running = RSM_CONTAINER_OF(item, struct rsm_running, link);

		if (content->running_count < RUNNING_MOST)
			return;
		if (!running->lent)
			drop_locked(content, running);
	}
}

static struct rsm_running *add_locked(struct rsm_content *content, uint64_t id)
{
	struct rsm_running *running;

	make_room_locked(content);
	running = calloc(1, sizeof *running);
	if (!running)
		return NULL;
	running->id = id;
	rsm_list_append(&content->running, &running->link);
	content->running_count++;
	return running;
}

void rsm_content_running_init(struct rsm_content *content)
{
	rsm_mutex_init(&content->running_lock);
	rsm_list_init(&content->running);
}

void rsm_content_running_fini(struct rsm_content *content)
{
	RSM_LIST_FOR_EACH_SAFE (item, &content->running)
		drop_locked(content, RSM_CONTAINER_OF(item, struct rsm_running, link));
	rsm_mutex_fini(&content->running_lock);
}

bool rsm_content_running_is_next(struct rsm_content *content, uint64_t id, uint64_t offset)
{
	struct rsm_running *running;

	if (!content->running_count)
		return offset == 0;
	RSM_LOCK_SCOPE(&content->running_lock);
	running = find_locked(content, id);
	return running ? !running->broken && !running->lent && running->done == offset
		       : offset == 0;
}

bool rsm_content_running_is_whole(struct rsm_content *content, uint64_t id, bool otherwise)
{
	struct rsm_running *running;

	if (!content->running_count)
		return otherwise;
	RSM_LOCK_SCOPE(&content->running_lock);
	running = find_locked(content, id);
	return running ? !running->broken : otherwise;
}

bool rsm_content_running_lend(struct rsm_content *content, uint64_t id, uint64_t offset,
			      uint64_t bytes, struct rsm_digest **ret_digest)
{
	struct rsm_running *running;

	RSM_LOCK_SCOPE(&content->running_lock);
	running = find_locked(content, id);
	if (!running && offset == 0)
		running = add_locked(content, id);
	if (!running || running->broken || running->lent || running->done != offset)
		return false;
	if (offset == 0 && !running->digest && content->hash != RSM_DIGEST_NONE &&
	    rsm_digest_new((enum rsm_digest_kind)content->hash, &running->digest, NULL) == 0)
		rsm_digest_begin(running->digest);
	running->lent = true;
	running->lent_to = offset + bytes;
	*ret_digest = running->digest;
	return true;
}

void rsm_content_running_return(struct rsm_content *content, uint64_t id, bool good, bool last)
{
	struct rsm_running *running;

	RSM_LOCK_SCOPE(&content->running_lock);
	running = find_locked(content, id);
	if (!running)
		return;
	running->lent = false;
	if (good && !running->broken)
		running->done = running->lent_to;
	else
		running->broken = true;
	if (last) {
		drop_locked(content, running);
		return;
	}
	if (running->broken) {
		rsm_digest_free(running->digest);
		running->digest = NULL;
	}
}

void rsm_content_running_touch(struct rsm_content *content, uint64_t id, uint64_t start)
{
	struct rsm_running *running;

	if (!content->running_count)
		return;
	RSM_LOCK_SCOPE(&content->running_lock);
	running = find_locked(content, id);
	if (!running || start >= (running->lent ? running->lent_to : running->done))
		return;
	running->broken = true;
	if (!running->lent) {
		rsm_digest_free(running->digest);
		running->digest = NULL;
	}
}

void rsm_content_running_end(struct rsm_content *content, uint64_t id)
{
	if (!content->running_count)
		return;
	RSM_LOCK_SCOPE(&content->running_lock);
	RSM_LIST_FOR_EACH_SAFE (item, &content->running) {
		struct rsm_running *running = RSM_CONTAINER_OF(item, struct rsm_running, link);

		if (id && running->id != id)
			continue;
		if (running->lent) /* whoever has it gives it back first */
			running->broken = true;
		else
			drop_locked(content, running);
	}
}
