/* rsm find: names on all cartridges, from their volume indexes; no cartridge moves.
 *
 * Matches of one cartridge go through an unlinked temporary file, for they come under the index's
 * lock, may be millions, and their reader may be slow. Whoever is not an administrator sees only
 * what `ls` would show to him.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/copy.h"
#include "fs/control_request.h"

struct match {
	uint64_t parent, size;
	int64_t modified;
	uint32_t kind, length; /* of the path that follows */
};

struct search {
	struct rsmfs_request *request;
	FILE *found;
	bool failed;
	/* of the folder asked about last */
	uint64_t folder;
	bool folder_may;
};

static bool take_match(void *context, const struct rsm_node *node, const char *path)
{
	struct search *search = context;
	struct match match = {
		.parent = node->parent,
		.size = node->size,
		.modified = node->times.modified.tv_sec,
		.kind = node->kind,
		.length = (uint32_t)strlen(path),
	};

	search->failed = fwrite(&match, sizeof(match), 1, search->found) != 1 ||
			 fwrite(path, 1, match.length, search->found) != match.length;
	return !search->failed && !rsmfs_request_is_cancelled(search->request);
}

/* r and x on the folder, x on those above it. */
static int may_list(struct search *search, struct rsm_volume_index *index, uint64_t folder,
		    bool *ret_may, struct rsm_err *err)
{
	struct rsmfs_request *request = search->request;
	unsigned want = RSMFS_READ | RSMFS_EXECUTE;
	bool may = true;

	if (rsmfs_access_is_admin(request->caller, request->admin)) {
		*ret_may = true;
		return 0;
	}
	if (search->folder == folder) {
		*ret_may = search->folder_may;
		return 0;
	}
	for (uint64_t id = folder; may && id && id != RSM_NODE_ROOT; want = RSMFS_EXECUTE) {
		struct rsm_node node;
		int r = rsm_volume_index_get(index, id, &node, err);

		if (r < 0)
			return r;
		if (r > 0) { /* gone since */
			may = false;
			break;
		}
		if (node.flags & RSM_NODE_HAS_UNIX)
			may = rsmfs_access_mode(request->caller, node.mode, node.owner, node.group,
						NULL, 0, want);
		id = node.parent;
	}
	search->folder = folder;
	search->folder_may = *ret_may = may;
	return 0;
}

static void send_match(struct rsmfs_request *request, const struct rsm_medium *medium,
		       const char *top, const struct match *match, const char *path,
		       struct rsm_text *whole)
{
	rsm_text_reset(whole);
	rsm_text_printf(whole, "%s/%s", top, path + (*path == '/'));
	rsmfs_row_begin(request);
	rsmfs_row_text(request, whole->data);
	rsmfs_row_text(request, match->kind == RSM_NODE_FOLDER ? "folder"
				: match->kind == RSM_NODE_LINK ? "link"
							       : "file");
	rsmfs_row_number(request, match->size);
	rsmfs_row_signed(request, match->modified);
	rsmfs_row_text(request, medium->shown);
	rsmfs_row_end(request);
}

static int send_matches(struct search *search, struct rsm_volume_index *index,
			const struct rsm_medium *medium, const char *top, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text whole = { 0 };
	RSM_FREE char *path = NULL;
	size_t room = 0;
	struct match match;

	rewind(search->found);
	while (fread(&match, sizeof(match), 1, search->found) == 1) {
		bool may = false;
		int r;

		if (match.length >= room) {
			char *grown = realloc(path, match.length + 1);

			if (!grown)
				return rsm_err_oom(err);
			path = grown;
			room = match.length + 1;
		}
		if (fread(path, 1, match.length, search->found) != match.length)
			return rsm_err_set(err, EIO, "find: the temporary file is cut short");
		path[match.length] = '\0';
		r = may_list(search, index, match.parent, &may, err);
		if (r < 0)
			return r;
		if (rsmfs_request_is_cancelled(search->request))
			return rsm_err_set(err, EINTR, "find: interrupted");
		if (may)
			send_match(search->request, medium, top, &match, path, &whole);
	}
	return 0;
}

static int search_content(struct rsmfs_request *request, const char *pattern,
			  const struct rsm_medium *medium, struct rsm_content *content,
			  struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(content);
	struct search search = { .request = request };
	RSM_FREE char *top = NULL;
	int r = rsmfs_medium_path(request, medium, &top, err);

	if (r < 0)
		return r;
	search.found = tmpfile();
	if (!search.found)
		return rsm_err_errno(err, "find: temporary file");
	r = rsm_volume_index_find(index, pattern, take_match, &search, err);
	if (r >= 0 && (search.failed || fflush(search.found)))
		r = rsm_err_set(err, EIO, "find: writing the temporary file");
	if (r >= 0)
		r = send_matches(&search, index, medium, top, err);
	fclose(search.found);
	return r < 0 ? r : 0;
}

static int search_medium(struct rsmfs_request *request, const char *pattern, int64_t id,
			 struct rsm_err *err)
{
	struct rsm_content *content = NULL;
	struct rsm_medium medium;
	struct rsm_copy pair;
	int r = rsm_medium_get(request->catalog, id, &medium, err);

	if (r == 0 && rsm_copy_get(request->catalog, id, &pair, NULL) == 0)
		return 0; /* the first has it all, under its name */
	if (r == 0)
		r = rsmfs_access_medium(request->catalog, request->caller, request->admin, &medium,
					RSMFS_READ | RSMFS_EXECUTE, err);
	if (r == -EACCES)
		return 0;
	if (r)
		return r < 0 ? r : 0;
	r = rsm_manager_content(request->manager, id, &content, err);
	if (r == RSM_MANAGER_MUST_MOUNT)
		rsmfs_request_note(request,
				   "%s was not searched, nobody has seen what is on it yet",
				   rsmfs_medium_word(&medium));
	if (r)
		return r < 0 ? r : 0;
	r = search_content(request, pattern, &medium, content, err);
	rsm_manager_content_unref(request->manager, content);
	return r;
}

struct candidates {
	int64_t *ids;
	size_t count, room;
	int64_t *pools; /* where they are */
	bool failed;
};

static bool take_candidate(void *context, const struct rsm_medium *medium)
{
	struct candidates *list = context;

	if (medium->state != RSM_MEDIUM_ALLOCATED && medium->state != RSM_MEDIUM_COMPLETE &&
	    medium->state != RSM_MEDIUM_IMPORT)
		return true;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		int64_t *ids = reallocarray(list->ids, room, sizeof(*ids));

		if (ids)
			list->ids = ids;
		int64_t *pools = reallocarray(list->pools, room, sizeof(*pools));

		if (pools)
			list->pools = pools;
		list->failed = !ids || !pools;
		if (list->failed)
			return false;
		list->room = room;
	}
	list->pools[list->count] = medium->pool;
	list->ids[list->count++] = medium->id;
	return true;
}

int rsmfs_run_find(struct rsmfs_request *request, struct rsm_err *err)
{
	const char *pattern = request->call.operands[0];
	struct rsmfs_object object = { .is_pool = true };
	struct candidates list = { 0 };
	int r = 0;

	if (request->call.operand_count > 1)
		r = rsmfs_object_find(request, request->call.operands[1], &object, err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "list", "files",
			    "path:s\tkind:S\tsize:Z\tmodified:T\tbarcode:S");
	if (!object.is_pool)
		return search_medium(request, pattern, object.medium.id, err);
	r = rsm_medium_list_all(request->catalog, 0, take_candidate, &list, err);
	if (r >= 0 && list.failed)
		r = rsm_err_oom(err);
	for (size_t i = 0; i < list.count && r >= 0; i++) {
		bool is = object.pool.id == RSM_POOL_TOP;

		if (!is)
			r = rsmfs_pool_is_below(request, list.pools[i], object.pool.id, &is, err);
		if (r >= 0 && is)
			r = search_medium(request, pattern, list.ids[i], err);
	}
	free(list.ids);
	free(list.pools);
	return r < 0 ? r : 0;
}
