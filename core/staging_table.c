#include "core/staging_private.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

enum { LOGS_OPEN = 32 }; /* descriptors of logs kept besides the pinned ones */

void rsm_staging_log_name(char name[32], uint64_t number)
{
	snprintf(name, 32, "log.%" PRIu64, number);
}

void rsm_staging_own_name(char name[32], uint64_t id)
{
	snprintf(name, 32, "file.%" PRIu64, id);
}

size_t rsm_staging_log_place(const struct rsm_staging *staging, uint64_t number)
{
	size_t low = 0, high = staging->log_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (staging->logs[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct staged_log *rsm_staging_find_log(struct rsm_staging *staging, uint64_t number)
{
	size_t at = rsm_staging_log_place(staging, number);

	if (at < staging->log_count && staging->logs[at]->number == number)
		return staging->logs[at];
	return NULL;
}

struct staged_log *rsm_staging_add_log(struct rsm_staging *staging, uint64_t number)
{
	size_t at = rsm_staging_log_place(staging, number);
	struct staged_log *log;

	if (staging->log_count == staging->log_room) {
		size_t room = staging->log_room ? staging->log_room * 2 : 16;
		struct staged_log **grown = realloc(staging->logs, room * sizeof *grown);

		if (!grown)
			return NULL;
		staging->logs = grown;
		staging->log_room = room;
	}
	log = calloc(1, sizeof *log);
	if (!log)
		return NULL;
	log->number = number;
	log->fd = -1;
	memmove(staging->logs + at + 1, staging->logs + at,
		(staging->log_count - at) * sizeof *staging->logs);
	staging->logs[at] = log;
	staging->log_count++;
	return log;
}

void rsm_staging_close_log(struct rsm_staging *staging, struct staged_log *log)
{
	if (log->fd < 0)
		return;
	close(log->fd);
	log->fd = -1;
	staging->logs_open--;
}

void rsm_staging_reap_log(struct rsm_staging *staging, struct staged_log *log)
{
	size_t at = rsm_staging_log_place(staging, log->number);
	char name[32];

	if (log->live || log->pins || (log == staging->current && !log->end))
		return;
	if (log == staging->current)
		staging->current = NULL;
	rsm_staging_log_name(name, log->number);
	rsm_staging_close_log(staging, log);
	if (unlinkat(staging->folder_fd, name, 0) < 0 && errno != ENOENT)
		rsm_log_warning("staging %s/%s cannot be removed: %s", staging->folder, name,
				strerror(errno));
	rsm_staging_space_give(staging->space, log->end);
	memmove(staging->logs + at, staging->logs + at + 1,
		(staging->log_count - at - 1) * sizeof *staging->logs);
	staging->log_count--;
	free(log);
}

int rsm_staging_pin_log(struct rsm_staging *staging, struct staged_log *log, int flags)
{
	char name[32];

	if (log->fd < 0) {
		for (size_t i = 0; i < staging->log_count && staging->logs_open >= LOGS_OPEN; i++)
			if (!staging->logs[i]->pins && staging->logs[i] != staging->current)
				rsm_staging_close_log(staging, staging->logs[i]);
		rsm_staging_log_name(name, log->number);
		log->fd = openat(staging->folder_fd, name, O_RDWR | O_CLOEXEC | flags, 0600);
		if (log->fd < 0)
			return -errno;
		staging->logs_open++;
	}
	log->pins++;
	return 0;
}

void rsm_staging_unpin_log(struct rsm_staging *staging, struct staged_log *log)
{
	log->pins--;
	rsm_staging_reap_log(staging, log);
}

static size_t own_bucket(uint64_t id, size_t buckets)
{
	return (size_t)(id * 0x9E3779B97F4A7C15u >> 32) & (buckets - 1);
}

struct own_file **rsm_staging_find_own(struct rsm_staging *staging, uint64_t id)
{
	struct own_file **at = &staging->own[own_bucket(id, staging->own_buckets)];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void grow_own_locked(struct rsm_staging *staging)
{
	size_t buckets = staging->own_buckets * 2;
	struct own_file **grown = calloc(buckets, sizeof *grown);

	if (!grown)
		return; /* slower, not wrong */
	for (size_t i = 0; i < staging->own_buckets; i++)
		while (staging->own[i]) {
			struct own_file *file = staging->own[i];
			struct own_file **to = &grown[own_bucket(file->id, buckets)];

			staging->own[i] = file->next;
			file->next = *to;
			*to = file;
		}
	free(staging->own);
	staging->own = grown;
	staging->own_buckets = buckets;
}

struct own_file *rsm_staging_get_own(struct rsm_staging *staging, uint64_t id)
{
	struct own_file *file = *rsm_staging_find_own(staging, id), **at;

	if (file)
		return file;
	file = calloc(1, sizeof *file);
	if (!file)
		return NULL;
	file->id = id;
	if (staging->own_count >= staging->own_buckets)
		grow_own_locked(staging);
	at = rsm_staging_find_own(staging, id);
	*at = file;
	staging->own_count++;
	return file;
}

void rsm_staging_unlink_own(struct rsm_staging *staging, uint64_t id)
{
	struct own_file **at = rsm_staging_find_own(staging, id), *file = *at;
	char name[32];

	rsm_staging_own_name(name, id);
	if (unlinkat(staging->folder_fd, name, 0) < 0 && errno != ENOENT)
		rsm_log_warning("staging %s/%s cannot be removed: %s", staging->folder, name,
				strerror(errno));
	if (!file)
		return;
	rsm_staging_space_give(staging->space, file->bytes);
	*at = file->next;
	staging->own_count--;
	free(file);
}
