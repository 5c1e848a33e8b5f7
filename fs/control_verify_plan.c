#include "fs/control_verify.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 512 }; /* names asked for at once */

struct listed {
	struct rsm_node nodes[BATCH];
	size_t count;
	char *after;
	bool failed;
};

static bool take_listed(void *context, const struct rsm_node *node, const char *name,
			const char *key)
{
	struct listed *listed = context;

	(void)name;
	listed->nodes[listed->count++] = *node;
	if (listed->count < BATCH)
		return true;
	free(listed->after);
	listed->after = strdup(key);
	listed->failed = !listed->after;
	return false;
}

static bool may(const struct rsmfs_verify *verify, const struct rsm_node *node, unsigned want)
{
	const struct rsmfs_request *request = verify->request;

	return rsmfs_access_is_admin(request->caller, request->admin) ||
	       !(node->flags & RSM_NODE_HAS_UNIX) ||
	       rsmfs_access_mode(request->caller, node->mode, node->owner, node->group, NULL, 0,
				 want);
}

static int put(struct rsmfs_verify *verify, const struct rsmfs_verify_file *file,
	       struct rsm_err *err)
{
	if (verify->count == verify->room) {
		size_t room = verify->room ? 2 * verify->room : 256;
		struct rsmfs_verify_file *grown = reallocarray(verify->files, room, sizeof(*grown));

		if (!grown)
			return rsm_err_oom(err);
		verify->files = grown;
		verify->room = room;
	}
	verify->files[verify->count++] = *file;
	return 0;
}

static int add_file(struct rsmfs_verify *verify, const struct rsm_node *node, struct rsm_err *err)
{
	unsigned want = RSMFS_READ | (verify->update ? (unsigned)RSMFS_WRITE : 0);
	struct rsmfs_verify_file file = { .id = node->id, .size = node->size };
	enum rsm_checksum_state state;
	enum rsm_residency residency;
	enum rsm_digest_kind kind;
	struct rsm_extent first;
	int r;

	r = rsm_content_residency(verify->content, node->id, &residency, &first, err);
	if (r == 0)
		r = rsm_volume_index_checksum(verify->index, node->id, &state, &kind, err);
	if (r)
		return r < 0 ? r : 0; /* gone since */
	file.block = first.start_block;
	file.partition = first.partition;
	if (!may(verify, node, want))
		file.what = RSMFS_VERIFY_REFUSED;
	else if (residency == RSM_RESIDENT_STAGED)
		file.what = RSMFS_VERIFY_STAGED;
	else if (!node->size && state == RSM_CHECKSUM_NONE)
		file.what = RSMFS_VERIFY_EMPTY; /* of nothing, nothing can differ */
	else if (state == RSM_CHECKSUM_NONE && !verify->update)
		file.what = RSMFS_VERIFY_UNHASHED;
	return put(verify, &file, err);
}

static int add_folder(struct rsmfs_verify *verify, const struct rsm_node *node, struct rsm_err *err)
{
	if (node->id != RSM_NODE_ROOT && !may(verify, node, RSMFS_READ | RSMFS_EXECUTE)) {
		struct rsmfs_verify_file folder = { .id = node->id, .what = RSMFS_VERIFY_REFUSED };

		return put(verify, &folder, err);
	}
	if (verify->folder_count == verify->folder_room) {
		size_t room = verify->folder_room ? 2 * verify->folder_room : 64;
		uint64_t *grown = reallocarray(verify->folders, room, sizeof(*grown));

		if (!grown)
			return rsm_err_oom(err);
		verify->folders = grown;
		verify->folder_room = room;
	}
	verify->folders[verify->folder_count++] = node->id;
	return 0;
}

static int add_node(struct rsmfs_verify *verify, const struct rsm_node *node, struct rsm_err *err)
{
	switch (node->kind) {
	case RSM_NODE_FILE: return add_file(verify, node, err);
	case RSM_NODE_FOLDER: return add_folder(verify, node, err);
	case RSM_NODE_LINK: break;
	}
	return 0;
}

static int list_folder(struct rsmfs_verify *verify, uint64_t folder, struct rsm_err *err)
{
	RSM_FREE struct listed *listed = calloc(1, sizeof(*listed));
	int r = 0;

	if (!listed)
		return rsm_err_oom(err);
	do {
		RSM_FREE char *after = listed->after;

		listed->after = NULL;
		listed->count = 0;
		r = rsm_content_list(verify->content, folder, after, take_listed, listed, err);
		if (r == 0 && listed->failed)
			r = rsm_err_oom(err);
		for (size_t i = 0; r == 0 && i < listed->count; i++)
			r = add_node(verify, &listed->nodes[i], err);
		if (r == 0 && rsmfs_request_is_cancelled(verify->request))
			r = rsm_err_set(err, EINTR, "interrupted");
	} while (r == 0 && listed->after);
	free(listed->after);
	return r < 0 ? r : 0;
}

/* What `rest` names below the cartridge; the caller may go there. */
static int find_start(struct rsmfs_verify *verify, const char *rest, struct rsm_node *ret_node,
		      struct rsm_err *err)
{
	RSM_FREE char *copy = strdup(rest);
	char *place = NULL;
	int r;

	if (!copy)
		return rsm_err_oom(err);
	r = rsm_content_get(verify->content, RSM_NODE_ROOT, ret_node, err);
	for (char *name = strtok_r(copy, "/", &place); r == 0 && name;
	     name = strtok_r(NULL, "/", &place)) {
		if (ret_node->id != RSM_NODE_ROOT && ret_node->kind == RSM_NODE_FOLDER &&
		    !may(verify, ret_node, RSMFS_EXECUTE))
			return rsm_err_set(err, EACCES, "%s: not allowed", rest);
		r = rsm_content_lookup(verify->content, ret_node->id, name, ret_node, err);
	}
	return r > 0 ? rsm_err_set(err, ENOENT, "%s: there is nothing of that name", rest) : r;
}

static int by_place(const void *a, const void *b)
{
	const struct rsmfs_verify_file *one = a, *other = b;

	if (one->partition != other->partition)
		return one->partition < other->partition ? -1 : 1;
	if (one->block != other->block)
		return one->block < other->block ? -1 : 1;
	return one->id < other->id ? -1 : one->id > other->id;
}

int rsmfs_verify_add(struct rsmfs_verify *verify, const char *rest, struct rsm_err *err)
{
	struct rsm_node start;
	int r = find_start(verify, rest, &start, err);

	if (r == 0)
		r = add_node(verify, &start, err);
	while (r == 0 && verify->folder_count)
		r = list_folder(verify, verify->folders[--verify->folder_count], err);
	return r;
}

static void count(struct rsmfs_verify *verify, const struct rsmfs_verify_file *file)
{
	switch (file->what) {
	case RSMFS_VERIFY_READ: verify->total += file->size; break;
	case RSMFS_VERIFY_EMPTY: verify->sums.verified++; break;
	case RSMFS_VERIFY_UNHASHED: verify->sums.unhashed++; break;
	case RSMFS_VERIFY_STAGED: verify->sums.staged++; break;
	case RSMFS_VERIFY_REFUSED: verify->sums.refused++; break;
	}
}

void rsmfs_verify_sort(struct rsmfs_verify *verify)
{
	uint64_t last = 0; /* no node has it */
	size_t kept = 0;

	if (verify->count)
		qsort(verify->files, verify->count, sizeof(*verify->files), by_place);
	verify->total = 0;
	for (size_t i = 0; i < verify->count; i++) {
		if (verify->files[i].id == last)
			continue;
		last = verify->files[i].id;
		count(verify, &verify->files[i]);
		if (verify->files[i].what == RSMFS_VERIFY_READ)
			verify->files[kept++] = verify->files[i];
	}
	verify->count = kept;
}
