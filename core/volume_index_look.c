#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>

#include "core/ltfs/name.h"
#include "core/volume_index_private.h"

enum { DEPTH_MAX = 1 << 16, FIND_BATCH = 1024 };

int rsm_vi_key_of(const char *name, struct rsm_vi_key *ret_key, struct rsm_err *err)
{
	*ret_key = (struct rsm_vi_key){ .text = name };
	if (!rsm_name_is_ascii(name)) {
		int r = rsm_name_nfc(name, &ret_key->owned, err);

		if (r < 0)
			return r;
		ret_key->text = ret_key->owned;
	}
	return 0;
}

int rsm_vi_node_of(sqlite3_stmt *row, struct rsm_node *ret_node, struct rsm_err *err)
{
	const void *times = sqlite3_column_blob(row, 9);
	struct rsm_node node = {
		.id = rsm_vi_column(row, 0),
		.parent = rsm_vi_column(row, 1),
		.kind = (enum rsm_node_kind)sqlite3_column_int(row, 2),
		.flags = (uint32_t)rsm_vi_column(row, 3),
		.size = rsm_vi_column(row, 5),
		.mode = (uint32_t)rsm_vi_column(row, 6),
		.owner = (uint32_t)rsm_vi_column(row, 7),
		.group = (uint32_t)rsm_vi_column(row, 8),
		.data_version = rsm_vi_column(row, 10),
	};

	node.uid = sqlite3_column_type(row, 4) == SQLITE_NULL ? node.id : rsm_vi_column(row, 4);
	if (node.kind < RSM_NODE_FOLDER || node.kind > RSM_NODE_LINK ||
	    rsm_vi_unpack_times(times, (size_t)sqlite3_column_bytes(row, 9), &node.times) < 0)
		return rsm_err_set(err, EBADMSG, "the row of node %" PRIu64 " is damaged", node.id);
	*ret_node = node;
	return 0;
}

/* Steps a statement that yields at most one node, and its name if `name` is not NULL. */
static int one_node(struct rsm_volume_index *index, sqlite3_stmt *get, const char *name,
		    struct rsm_node *ret_node, struct rsm_err *err)
{
	bool other_spelling = false;
	int r = rsm_sqlite_step(get, err);

	if (r == RSM_SQLITE_DONE)
		return RSM_NODE_ABSENT;
	if (r == 0)
		r = rsm_vi_node_of(get, ret_node, err);
	if (r == 0 && name) {
		const unsigned char *exact = sqlite3_column_text(get, RSM_VI_NODE_COLUMN_COUNT);

		other_spelling = exact && strcmp((const char *)exact, name) != 0;
	}
	sqlite3_reset(get);
	if (r < 0)
		return r;
	rsm_vi_merge_touched(index, ret_node);
	return other_spelling ? RSM_NODE_SPELLED_OTHERWISE : 0;
}

int rsm_vi_get(struct rsm_volume_index *index, uint64_t id, struct rsm_node *ret_node,
	       struct rsm_err *err)
{
	sqlite3_stmt *get = rsm_vi_statement(index, RSM_VI_GET);

	rsm_vi_bind_id(get, 1, id);
	return one_node(index, get, NULL, ret_node, err);
}

int rsm_vi_lookup(struct rsm_volume_index *index, uint64_t parent, const char *key,
		  const char *name, struct rsm_node *ret_node, struct rsm_err *err)
{
	sqlite3_stmt *lookup = rsm_vi_statement(index, RSM_VI_LOOKUP);

	rsm_vi_bind_id(lookup, 1, parent);
	sqlite3_bind_text(lookup, 2, key, -1, SQLITE_STATIC);
	return one_node(index, lookup, name, ret_node, err);
}

int rsm_volume_index_lookup(struct rsm_volume_index *index, uint64_t parent, const char *name,
			    struct rsm_node *ret_node, struct rsm_err *err)
{
	RSM_VI_KEY struct rsm_vi_key key;
	int r;

	r = rsm_vi_key_of(name, &key, err);
	if (r == -EILSEQ)
		return RSM_NODE_ABSENT;
	if (r < 0)
		return r;
	RSM_LOCK_SCOPE(&index->lock);
	r = rsm_vi_lookup(index, parent, key.text, name, ret_node, err);
	return r == RSM_NODE_SPELLED_OTHERWISE ? RSM_NODE_ABSENT : r;
}

int rsm_volume_index_get(struct rsm_volume_index *index, uint64_t id, struct rsm_node *ret_node,
			 struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);

	return rsm_vi_get(index, id, ret_node, err);
}

int rsm_volume_index_list(struct rsm_volume_index *index, uint64_t parent, const char *after,
			  rsm_volume_index_each *each, void *context, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_SQLITE_RESET sqlite3_stmt *list = rsm_vi_statement(index, RSM_VI_LIST);
	int r;

	rsm_vi_bind_id(list, 1, parent);
	sqlite3_bind_text(list, 2, after ? after : "", -1, SQLITE_STATIC);
	while ((r = rsm_sqlite_step(list, err)) == 0) {
		const char *key, *name;
		struct rsm_node node;

		r = rsm_vi_node_of(list, &node, err);
		if (r < 0)
			return r;
		rsm_vi_merge_touched(index, &node);
		key = (const char *)sqlite3_column_text(list, RSM_VI_NODE_COLUMN_COUNT);
		name = (const char *)sqlite3_column_text(list, RSM_VI_NODE_COLUMN_COUNT + 1);
		if (!key)
			return rsm_err_oom(err);
		if (!each(context, &node, name ? name : key, key))
			return 0;
	}
	return r < 0 ? r : 0;
}

static int name_of(struct rsm_volume_index *index, uint64_t id, uint64_t *ret_parent,
		   char **ret_name, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *get = rsm_vi_statement(index, RSM_VI_NAME);
	const char *name;
	char *copy;
	int r;

	rsm_vi_bind_id(get, 1, id);
	r = rsm_sqlite_step(get, err);
	if (r < 0)
		return r;
	if (r == RSM_SQLITE_DONE)
		return RSM_NODE_ABSENT;
	name = (const char *)sqlite3_column_text(get, 1);
	if (!name && id != RSM_NODE_ROOT)
		return RSM_NODE_ABSENT;
	copy = strdup(name ? name : "");
	if (!copy)
		return rsm_err_oom(err);
	*ret_parent = rsm_vi_column(get, 0);
	*ret_name = copy;
	return 0;
}

int rsm_volume_index_name(struct rsm_volume_index *index, uint64_t id, uint64_t *ret_parent,
			  char **ret_name, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);

	return name_of(index, id, ret_parent, ret_name, err);
}

static void reverse(char *text, size_t length)
{
	for (size_t i = 0; i < length / 2; i++) {
		char c = text[i];

		text[i] = text[length - 1 - i];
		text[length - 1 - i] = c;
	}
}

/* Names from the node upwards, each backwards; at the end all is turned around at once. */
int rsm_vi_path(struct rsm_volume_index *index, uint64_t id, struct rsm_text *ret_path,
		struct rsm_err *err)
{
	rsm_text_reset(ret_path);
	for (unsigned depth = 0; id != RSM_NODE_ROOT; depth++) {
		RSM_FREE char *name = NULL;
		int r = name_of(index, id, &id, &name, err);

		if (r)
			return r;
		if (depth == DEPTH_MAX)
			return rsm_err_set(err, EBADMSG, "%s: folders are in a circle",
					   index->path);
		if (depth)
			rsm_text_append(ret_path, "/", 1);
		reverse(name, strlen(name));
		rsm_text_add(ret_path, name);
	}
	if (ret_path->failed)
		return rsm_err_oom(err);
	if (ret_path->data)
		reverse(ret_path->data, ret_path->length);
	return 0;
}

int rsm_volume_index_path(struct rsm_volume_index *index, uint64_t id, char **ret_path,
			  struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_TEXT struct rsm_text path = { 0 };
	int r = rsm_vi_path(index, id, &path, err);

	return r ? r : rsm_text_take(&path, ret_path, err);
}

struct find {
	const char *pattern;
	rsm_volume_index_found *found;
	void *context;
	struct rsm_text path;
	uint64_t after;
};

enum { FIND_ENDED = 1 };

/* Looks at the next rows under the lock, which others get in between. Outcome FIND_ENDED. */
static int find_some(struct rsm_volume_index *index, struct find *find, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_SQLITE_RESET sqlite3_stmt *rows = rsm_vi_statement(index, RSM_VI_FIND);

	rsm_vi_bind_id(rows, 1, find->after);
	for (int i = 0; i < FIND_BATCH; i++) {
		struct rsm_node node;
		const char *name;
		int r = rsm_sqlite_step(rows, err);

		if (r == RSM_SQLITE_DONE)
			return FIND_ENDED;
		if (r < 0)
			return r;
		find->after = rsm_vi_column(rows, 0);
		name = (const char *)sqlite3_column_text(rows, RSM_VI_NODE_COLUMN_COUNT);
		if (!name || fnmatch(find->pattern, name, 0) != 0)
			continue;
		r = rsm_vi_node_of(rows, &node, err);
		if (r == 0)
			r = rsm_vi_path(index, node.id, &find->path, err);
		if (r < 0)
			return r;
		rsm_vi_merge_touched(index, &node);
		if (r == 0 && !find->found(find->context, &node, find->path.data))
			return FIND_ENDED;
	}
	return 0;
}

int rsm_volume_index_find(struct rsm_volume_index *index, const char *pattern,
			  rsm_volume_index_found *found, void *context, struct rsm_err *err)
{
	struct find find = { .pattern = pattern, .found = found, .context = context };
	int r;

	do
		r = find_some(index, &find, err);
	while (r == 0);
	rsm_text_fini(&find.path);
	return r == FIND_ENDED ? 0 : r;
}
