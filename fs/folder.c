#include "fs/folder.h"

#include <stdlib.h>
#include <string.h>

enum { POSITION_FIRST = 2, BATCH_MIN = 32 };

static void close_folder(struct rsmfs *fs, struct rsmfs_handle *handle)
{
	struct rsmfs_folder *folder = RSM_CONTAINER_OF(handle, struct rsmfs_folder, handle);

	(void)fs;
	free(folder->entries);
	rsm_text_fini(&folder->text);
	rsm_text_fini(&folder->after);
	pthread_mutex_destroy(&folder->lock.m);
	free(folder);
}

void rsmfs_folder_open(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsmfs_folder *folder = calloc(1, sizeof(*folder));
	struct rsm_err err;
	int r;

	if (!folder) {
		r = rsm_err_oom(&err);
		rsmfs_reply_error(call->req, r, &err);
		return;
	}
	folder->place = call->place;
	folder->first = POSITION_FIRST;
	folder->batch = BATCH_MIN;
	rsm_mutex_init(&folder->lock);
	rsmfs_handle_init(fs, &folder->handle, close_folder);
	call->file.fh = (uintptr_t)folder;
	/* contents change through the kernel only, or it is told */
	call->file.cache_readdir = call->file.keep_cache =
		call->place.kind == RSMFS_PLACE_NODE || call->place.kind == RSMFS_PLACE_VIEW;
	if (fuse_reply_open(call->req, &call->file) != 0)
		rsmfs_handle_unref(fs, &folder->handle);
}

void rsmfs_folder_release(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct rsmfs_folder *folder = rsmfs_handle_of(call);

	rsmfs_handle_unref(fs, &folder->handle);
	rsmfs_reply_done(call->req);
}

struct rsmfs_folder *rsmfs_folder_enter(struct rsmfs_call *call)
{
	struct rsmfs_folder *folder = rsmfs_handle_of(call);

	rsmfs_handle_ref(&folder->handle);
	rsm_mutex_lock(&folder->lock);
	return folder;
}

void rsmfs_folder_leave(struct rsmfs *fs, struct rsmfs_folder *folder)
{
	rsm_mutex_unlock(&folder->lock);
	rsmfs_handle_unref(fs, &folder->handle);
}

void rsmfs_folder_clear(struct rsmfs_folder *folder)
{
	folder->count = 0;
	rsm_text_reset(&folder->text);
}

int rsmfs_folder_add(struct rsmfs_folder *folder, uint64_t ino, mode_t type, const char *name,
		     const char *key, const struct rsm_node *node, struct rsm_err *err)
{
	struct rsmfs_folder_entry *entry;

	if (folder->count == folder->room) {
		size_t room = folder->room ? 2 * folder->room : BATCH_MIN;
		void *grown = realloc(folder->entries, room * sizeof(*folder->entries));

		if (!grown)
			return rsm_err_oom(err);
		folder->entries = grown;
		folder->room = room;
	}
	entry = &folder->entries[folder->count];
	*entry = (struct rsmfs_folder_entry){ .ino = ino, .type = type };
	if (node)
		entry->node = *node;
	entry->name = entry->key = folder->text.length;
	rsm_text_append(&folder->text, name, strlen(name) + 1);
	if (key && strcmp(key, name) != 0) {
		entry->key = folder->text.length;
		rsm_text_append(&folder->text, key, strlen(key) + 1);
	}
	if (folder->text.failed)
		return rsm_err_oom(err);
	folder->count++;
	return 0;
}

int rsmfs_listing_init(struct rsmfs_listing *listing, struct rsmfs_call *call, struct rsm_err *err)
{
	*listing =
		(struct rsmfs_listing){ .req = call->req, .size = call->size, .plus = call->plus };
	listing->buffer = malloc(call->size ? call->size : 1);
	return listing->buffer ? 0 : rsm_err_oom(err);
}

bool rsmfs_listing_add(struct rsmfs_listing *listing, const char *name, uint64_t ino, mode_t type,
		       const struct fuse_entry_param *attributes, uint64_t next)
{
	struct fuse_entry_param bare = { .attr = { .st_ino = ino, .st_mode = type } };
	char *at = listing->buffer + listing->used;
	size_t left = listing->size - listing->used, need;

	if (listing->plus)
		need = fuse_add_direntry_plus(listing->req, at, left, name,
					      attributes ? attributes : &bare, (off_t)next);
	else
		need = fuse_add_direntry(listing->req, at, left, name, &bare.attr, (off_t)next);
	if (need > left)
		return false;
	listing->used += need;
	return true;
}

bool rsmfs_listing_dots(struct rsmfs_listing *listing, uint64_t offset, uint64_t self,
			uint64_t parent)
{
	return (offset > 0 || rsmfs_listing_add(listing, ".", self, S_IFDIR, NULL, 1)) &&
	       (offset > 1 || rsmfs_listing_add(listing, "..", parent, S_IFDIR, NULL, 2));
}

void rsmfs_listing_reply(struct rsmfs_listing *listing)
{
	fuse_reply_buf(listing->req, listing->buffer, listing->used);
}

void rsmfs_listing_fini(struct rsmfs_listing *listing)
{
	free(listing->buffer);
	listing->buffer = NULL;
}

static uint64_t ino_of(struct rsmfs_place place)
{
	if (place.kind == RSMFS_PLACE_CONTROL)
		return rsmfs_control_ino(place.id);
	return place.kind == RSMFS_PLACE_VIEWS ? rsmfs_views_ino(place.id)
					       : rsmfs_pool_ino(place.id);
}

void rsmfs_folder_reply_whole(struct rsmfs_folder *folder, struct rsmfs_call *call, uint64_t parent)
{
	uint64_t offset = (uint64_t)call->offset;
	struct rsmfs_listing listing;
	struct rsm_err err;
	int r = rsmfs_listing_init(&listing, call, &err);

	if (r < 0) {
		rsmfs_reply_error(call->req, r, &err);
		return;
	}
	if (rsmfs_listing_dots(&listing, offset, ino_of(call->place), parent)) {
		if (offset < POSITION_FIRST)
			offset = POSITION_FIRST;
		for (; offset - POSITION_FIRST < folder->count; offset++) {
			const struct rsmfs_folder_entry *entry =
				&folder->entries[offset - POSITION_FIRST];

			if (!rsmfs_listing_add(&listing,
					       rsmfs_folder_name(folder, offset - POSITION_FIRST),
					       entry->ino, entry->type, NULL, offset + 1))
				break;
		}
	}
	rsmfs_listing_reply(&listing);
	rsmfs_listing_fini(&listing);
}
