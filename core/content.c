#include "core/content_private.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

/* ---- the volume as a whole ---- */

static void claim_range(void *context, uint64_t id, const struct rsm_staged_range *range)
{
	struct rsm_content *content = context;

	rsm_staging_claim(content->staging, id, range->store, range->store_offset,
			  range->byte_count);
}

static void content_free(struct rsm_content *content)
{
	if (!content)
		return;
	rsm_volume_index_close(content->index);
	rsm_staging_close(content->staging);
	for (size_t i = 0; i < RSM_CONTENT_ORPHAN_BUCKETS; i++)
		while (content->orphans[i]) {
			struct rsm_orphan *orphan = content->orphans[i];

			content->orphans[i] = orphan->next;
			free(orphan);
		}
	free(content->nodes);
	rsm_mutex_fini(&content->lock);
	pthread_cond_destroy(&content->reads_ended);
	rsm_mutex_fini(&content->reads_lock);
	rsm_mutex_fini(&content->commit_lock);
	rsm_content_running_fini(content);
	free(content->folder);
	free(content);
}
RSM_DEFINE_CLEANUP(content_free, struct rsm_content)

static int open_parts(struct rsm_content *content, const char *folder, struct rsm_err *err)
{
	char path[4096];
	int r;

	if (snprintf(path, sizeof path, "%s/index.db", folder) >= (int)sizeof path)
		return rsm_err_set(err, ENAMETOOLONG, "folder %s", folder);
	r = rsm_file_make_folders(folder, 0700, err);
	if (!r)
		r = rsm_volume_index_open(path, &content->index, err);
	if (!r)
		r = rsm_staging_open(folder, content->space, &content->staging, err);
	if (!r)
		r = rsm_volume_index_each_staged(content->index, claim_range, content, err);
	if (!r)
		r = rsm_staging_collect(content->staging, err);
	if (r)
		return rsm_err_fold(err, r, "contents in %s", folder);
	content->close_order = rsm_volume_index_last_close_order(content->index);
	content->removing = rsm_content_removing_since(content) != 0;
	return 0;
}

int rsm_content_open_volume(const char *folder, struct rsm_staging_space *space,
			    const struct rsm_content_callbacks *callbacks,
			    struct rsm_content **ret_content, struct rsm_err *err)
{
	RSM_CLEANUP(content_free) struct rsm_content *content = calloc(1, sizeof *content);
	int r;

	if (!content)
		return rsm_err_oom(err);
	rsm_mutex_init(&content->lock);
	rsm_mutex_init(&content->reads_lock);
	rsm_cond_init(&content->reads_ended);
	rsm_mutex_init(&content->commit_lock);
	rsm_content_running_init(content);
	rsm_list_init(&content->reads);
	content->folder = strdup(folder);
	content->space = space;
	content->callbacks = *callbacks;
	content->node_buckets = 64;
	content->stream_size = UINT64_MAX;
	content->want_room_ns = INT64_MIN / 2;
	content->nodes = calloc(content->node_buckets, sizeof *content->nodes);
	if (!content->nodes || !content->folder)
		return rsm_err_oom(err);
	rsm_content_used(content);
	r = open_parts(content, folder, err);
	if (r)
		return r;
	*ret_content = RSM_STEAL(content);
	return 0;
}

/* Nodes that are left are those whose flush was refused: one more try. */
static void flush_the_rest(struct rsm_content *content)
{
	struct rsm_err err;
	bool queued = false;

	if (content->node_count && rsm_content_flush_all(content, &queued, &err) < 0)
		rsm_log_error("changes of files in memory are lost: %s", err.msg);
	for (size_t i = 0; i < content->node_buckets; i++)
		while (content->nodes[i]) {
			struct rsm_open_node *node = content->nodes[i];

			assert(!node->refs);
			node->gone = true; /* nothing of it is tried again */
			node->refs = 1;
			rsm_content_unpin(content, node);
		}
}

void rsm_content_close_volume(struct rsm_content *content)
{
	struct rsm_err err;

	if (!content)
		return;
	rsm_content_wait_for_reads(content);
	flush_the_rest(content);
	if (rsm_content_commit(content, &err) < 0)
		rsm_log_error("contents of a cartridge: %s", err.msg);
	content_free(content);
}

struct rsm_volume_index *rsm_content_index(struct rsm_content *content)
{
	return content->index;
}

void rsm_content_set_owner(struct rsm_content *content, void *owner)
{
	content->owner = owner;
}

const char *rsm_content_folder(const struct rsm_content *content)
{
	return content->folder;
}

void *rsm_content_owner(const struct rsm_content *content)
{
	return ((struct rsm_content *)content)->owner;
}

/* ---- what is allowed ---- */

void rsm_content_refuse_changes(struct rsm_content *content, int code, const char *why)
{
	RSM_LOCK_SCOPE(&content->lock);
	snprintf(content->refuse_why, sizeof content->refuse_why, "%s", why ? why : "");
	content->refuse_code = code;
}

int rsm_content_hold_changes(struct rsm_content *content, const char *why, struct rsm_err *err)
{
	const char *held_why = NULL;

	if (!atomic_compare_exchange_strong(&content->held_why, &held_why, why))
		return rsm_err_set(err, EBUSY, "%s", held_why);
	/* who was let through before is done with it */
	rsm_mutex_lock(&content->commit_lock);
	rsm_mutex_unlock(&content->commit_lock);
	return 0;
}

void rsm_content_let_changes(struct rsm_content *content, const char *why)
{
	const char *held_why = why;

	(void)!atomic_compare_exchange_strong(&content->held_why, &held_why, NULL);
}

int rsm_content_check_held(const struct rsm_content *content, struct rsm_err *err)
{
	const char *held_why = content->held_why;

	return held_why ? rsm_err_set(err, EBUSY, "%s", held_why) : 0;
}

void rsm_content_set_disabled(struct rsm_content *content, bool disabled)
{
	content->disabled = disabled;
}

int rsm_content_check_enabled(const struct rsm_content *content, struct rsm_err *err)
{
	return content->disabled ? rsm_err_set(err, ENODEV, "the cartridge is disabled") : 0;
}

int rsm_content_check_changes(struct rsm_content *content, struct rsm_err *err)
{
	int r = rsm_content_check_enabled(content, err);

	return r ? r : rsm_content_check_writes(content, err);
}

int rsm_content_check_writes(struct rsm_content *content, struct rsm_err *err)
{
	int code = content->refuse_code;
	int r = rsm_content_check_held(content, err);

	if (r < 0 || !code)
		return r;
	if (code == ENOMEDIUM)
		rsm_content_want(content, RSM_WANT_MEDIUM);
	RSM_LOCK_SCOPE(&content->lock);
	return rsm_err_set(err, code, "%s", content->refuse_why);
}

bool rsm_content_refuses(const struct rsm_content *content)
{
	return content->refuse_code != 0;
}

bool rsm_content_refuses_for(struct rsm_content *content, const char *why)
{
	if (!content->refuse_code)
		return false;
	RSM_LOCK_SCOPE(&content->lock);
	return strcmp(content->refuse_why, why) == 0;
}

void rsm_content_set_room(struct rsm_content *content, uint64_t bytes)
{
	content->room = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
	content->room_known = bytes != UINT64_MAX;
}

void rsm_content_set_index_room(struct rsm_content *content, uint64_t bytes)
{
	content->index_room = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
	content->index_room_known = bytes != UINT64_MAX;
}

void rsm_content_raise_index_room(struct rsm_content *content, uint64_t bytes)
{
	if (!content->index_room_known ||
	    (bytes <= INT64_MAX && content->index_room < (int64_t)bytes))
		rsm_content_set_index_room(content, bytes);
}

int rsm_content_take_index_room(struct rsm_content *content, uint64_t bytes, struct rsm_err *err)
{
	if (!content->index_room_known)
		return 0;
	if (content->index_room < (int64_t)bytes && content->slimmed && content->callbacks.measure)
		rsm_content_measure(content); /* with little room the index has less, too */
	if (content->index_room < (int64_t)bytes)
		return rsm_err_set(err, ENOSPC, "the index of the cartridge has no room for more");
	content->index_room -= (int64_t)bytes;
	if (content->room_known) /* there will be two of it */
		content->room -= 2 * (int64_t)bytes;
	return 0;
}

void rsm_content_give_index_room(struct rsm_content *content, uint64_t bytes)
{
	if (content->index_room_known)
		content->index_room += (int64_t)bytes;
}

void rsm_content_set_full(struct rsm_content *content, bool full)
{
	content->full = full;
}

void rsm_content_set_hash(struct rsm_content *content, enum rsm_digest_kind kind)
{
	content->hash = kind;
}

void rsm_content_set_stream_size(struct rsm_content *content, uint64_t bytes)
{
	content->stream_size = bytes;
}

/* ---- what is going on ---- */

void rsm_content_now(struct timespec *ret_now)
{
	clock_gettime(CLOCK_REALTIME, ret_now);
}

void rsm_content_date(struct rsm_node_times *times)
{
	if (times->changed.tv_sec || times->changed.tv_nsec)
		return;
	rsm_content_now(&times->changed);
	times->created = times->modified = times->accessed = times->backed_up = times->changed;
}

void rsm_content_used(struct rsm_content *content)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	atomic_store_explicit(&content->last_used_ns,
			      now.tv_sec * (int64_t)1000000000 + now.tv_nsec, memory_order_relaxed);
}

void rsm_content_want(struct rsm_content *content, enum rsm_content_want want)
{
	content->callbacks.want(content->callbacks.context, content, want);
}

bool rsm_content_is_dirty(struct rsm_content *content)
{
	return rsm_volume_index_tree_version(content->index) !=
	       rsm_volume_index_indexed_version(content->index);
}

void rsm_content_use(struct rsm_content *content, struct rsm_content_use *ret_use)
{
	struct rsm_volume_totals totals = { 0 };

	if (rsm_volume_index_totals(content->index, &totals, NULL) < 0)
		totals.staged_files = 1; /* when in doubt, there is something to write */
	*ret_use = (struct rsm_content_use){
		.open_files = content->open_files,
		.writers = content->writers,
		.reading = content->reading,
		.staged_bytes = totals.staged_bytes + content->unsaved_bytes,
		.staged_files = totals.staged_files,
		.waiting_bytes = totals.staged_bytes + content->unsaved_own_bytes,
		.dirty = rsm_content_is_dirty(content),
		.last_used_ns = content->last_used_ns,
	};
}
