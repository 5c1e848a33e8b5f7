/* One pair's trees. A folder at a time: what the first one has elsewhere by now is moved on the
 * copy as well; what it has not goes; what differs is written anew. Each node of the copy bears the
 * number of the one that it is of, so that a rename does not copy anything again. The times of a
 * node are set last: a death before that leaves a node that differs.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/copy_private.h"
#include "core/manager_private.h"

#define KEY_VENDOR "ltfs.vendor.rsmfs."
#define BEING_MADE ".rsmfs-copy-" /* and the number of the node that it is of */
enum { PAGE = 128 };

struct page {
	struct rsm_mirror_entry entries[PAGE];
	size_t count;
	bool failed;
};

static bool is_equal(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool rsm_mirror_is_same(const struct rsm_node *from, const struct rsm_node *to)
{
	return from->kind == to->kind &&
	       (from->kind == RSM_NODE_FOLDER || from->size == to->size) &&
	       is_equal(&from->times.changed, &to->times.changed) &&
	       is_equal(&from->times.modified, &to->times.modified);
}

/* ---- listing ---- */

static bool take_entry(void *context, const struct rsm_node *node, const char *name,
		       const char *key)
{
	struct page *page = context;
	struct rsm_mirror_entry *entry = &page->entries[page->count];

	entry->node = *node;
	entry->name = strdup(name);
	entry->key = strdup(key);
	if (!entry->name || !entry->key) {
		free(entry->name);
		free(entry->key);
		page->failed = true;
		return false;
	}
	return ++page->count < PAGE;
}

static void page_free(struct page *page)
{
	for (size_t i = 0; page && i < page->count; i++) {
		free(page->entries[i].name);
		free(page->entries[i].key);
	}
	free(page);
}
RSM_DEFINE_CLEANUP(page_free, struct page)

int rsm_mirror_each_child(struct rsm_mirror *mirror, struct rsm_content *content, uint64_t from,
			  uint64_t to, rsm_mirror_visit *each, unsigned depth, struct rsm_err *err)
{
	RSM_FREE char *after = NULL;
	bool more = true;

	while (more) {
		RSM_CLEANUP(page_free) struct page *page = calloc(1, sizeof *page);
		int r;

		if (!page)
			return rsm_err_oom(err);
		r = rsm_content_list(content, content == mirror->from ? from : to, after,
				     take_entry, page, err);
		if (r == 0 && page->failed)
			r = rsm_err_oom(err);
		for (size_t i = 0; r == 0 && i < page->count; i++) {
			r = rsm_mirror_check(mirror, err);
			if (r == 0)
				r = each(mirror, from, to, &page->entries[i], depth, err);
		}
		if (r < 0)
			return r;
		more = page->count == PAGE;
		if (page->count) {
			free(after);
			after = RSM_STEAL(page->entries[page->count - 1].key);
		}
	}
	return 0;
}

/* ---- attributes ---- */

static bool is_carried(const char *key)
{
	/* the copy has its own digests, and its own bookkeeping */
	return strncmp(key, RSM_DIGEST_PREFIX, strlen(RSM_DIGEST_PREFIX)) != 0 &&
	       strncmp(key, KEY_VENDOR, strlen(KEY_VENDOR)) != 0;
}

static int remove_extra(struct rsm_mirror *mirror, uint64_t from, uint64_t to, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text keys = { 0 };
	int r = rsm_content_list_xattrs(mirror->to, to, &keys, err);

	for (size_t i = 0; r == 0 && i < keys.length; i += strlen(keys.data + i) + 1) {
		const char *key = keys.data + i;

		if (!is_carried(key))
			continue;
		r = rsm_content_get_xattr(mirror->from, from, key, NULL, err);
		if (r == RSM_NODE_ABSENT)
			r = rsm_content_set_xattr(mirror->to, to, key, NULL, 0, 0, err);
	}
	return r;
}

static int set_one(struct rsm_mirror *mirror, uint64_t to, const char *key, const void *value,
		   size_t length, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text there = { 0 };
	int r = rsm_content_get_xattr(mirror->to, to, key, &there, err);

	if (r < 0 || (r == 0 && there.length == length && !memcmp(there.data, value, length)))
		return r;
	return rsm_content_set_xattr(mirror->to, to, key, value, length, 0, err);
}

/* Of which node it is, and of which state of its bytes. Versions are counted from anew when a tree
 * is read from its medium, so they say something only to the run of rsmfs that wrote them.
 */
enum { OF_SIZE = 100 };

static int format_of(const struct rsm_mirror *mirror, const struct rsm_node *from,
		     char text[OF_SIZE])
{
	return snprintf(text, OF_SIZE, "%" PRIu64 " %" PRIu64 " %s", from->id, from->data_version,
			mirror->run);
}

static int has_same_bytes(struct rsm_mirror *mirror, const struct rsm_node *from,
			  const struct rsm_node *to, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text of = { 0 };
	char expected[OF_SIZE];
	int length, r;

	if (!from->data_version || from->size != to->size ||
	    !is_equal(&from->times.modified, &to->times.modified) ||
	    !is_equal(&from->times.created, &to->times.created))
		return 0;
	length = format_of(mirror, from, expected);
	r = rsm_content_get_xattr(mirror->to, to->id, RSM_MIRROR_KEY_OF, &of, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return of.length == (size_t)length && memcmp(of.data, expected, of.length) == 0;
}

static int copy_xattrs(struct rsm_mirror *mirror, const struct rsm_node *node, uint64_t to,
		       struct rsm_err *err)
{
	RSM_TEXT struct rsm_text keys = { 0 };
	uint64_t from = node->id;
	char of[OF_SIZE];
	int r = rsm_content_list_xattrs(mirror->from, from, &keys, err);

	for (size_t i = 0; r == 0 && i < keys.length; i += strlen(keys.data + i) + 1) {
		RSM_TEXT struct rsm_text value = { 0 };
		const char *key = keys.data + i;

		if (!is_carried(key))
			continue;
		r = rsm_content_get_xattr(mirror->from, from, key, &value, err);
		if (r == 0)
			r = set_one(mirror, to, key, value.data ? value.data : "", value.length,
				    err);
		else if (r == RSM_NODE_ABSENT)
			r = 0; /* it went just now */
	}
	if (r == 0)
		r = remove_extra(mirror, from, to, err);
	if (r == 0 && from != RSM_NODE_ROOT) {
		int length = format_of(mirror, node, of);

		r = set_one(mirror, to, RSM_MIRROR_KEY_OF, of, (size_t)length, err);
	}
	return r;
}

/* The last step: with it the two are the same. */
static int copy_attributes(struct rsm_mirror *mirror, const struct rsm_node *from, uint64_t to,
			   struct rsm_err *err)
{
	unsigned what = RSM_SET_ACCESSED | RSM_SET_MODIFIED | RSM_SET_CREATED | RSM_SET_BACKED_UP |
			RSM_SET_CHANGED;
	struct rsm_node result;
	int r = copy_xattrs(mirror, from, to, err);

	if (from->flags & RSM_NODE_HAS_UNIX)
		what |= RSM_SET_MODE | RSM_SET_OWNER | RSM_SET_GROUP;
	return r ? r : rsm_content_set_attributes(mirror->to, to, what, from, &result, err);
}

/* ---- what is not there any more, or elsewhere ---- */

static int remove_tree(struct rsm_mirror *mirror, uint64_t parent,
		       const struct rsm_mirror_entry *entry, unsigned depth, struct rsm_err *err);

static int remove_child(struct rsm_mirror *mirror, uint64_t from, uint64_t to,
			const struct rsm_mirror_entry *entry, unsigned depth, struct rsm_err *err)
{
	(void)from;
	return remove_tree(mirror, to, entry, depth, err);
}

static int remove_tree(struct rsm_mirror *mirror, uint64_t parent,
		       const struct rsm_mirror_entry *entry, unsigned depth, struct rsm_err *err)
{
	bool folder = entry->node.kind == RSM_NODE_FOLDER;
	struct rsm_err why = { 0 };
	int r = 0, kept;

	if (depth > RSM_MIRROR_DEPTH_MAX)
		return rsm_err_set(err, ELOOP, "the copy's folders are nested too deeply");
	if (folder)
		r = rsm_mirror_each_child(mirror, mirror->to, 0, entry->node.id, remove_child,
					  depth + 1, err);
	if (r)
		return r;
	kept = rsm_mirror_is_kept(mirror, &entry->node, err);
	if (kept <= 0)
		return kept;
	r = rsm_content_remove(mirror->to, parent, entry->name, folder, &why);
	mirror->removed += r == 0;
	if (r == -ENOTEMPTY) /* of what is kept */
		return 0;
	if (r < 0 && err)
		*err = why;
	return r;
}

/* The node of the copy that stands for a folder of the first one, by its path; made if it is
 * missing. Outcome ABSENT: something else is there.
 */
static int counterpart(struct rsm_mirror *mirror, uint64_t from, uint64_t *ret_to,
		       struct rsm_err *err)
{
	RSM_FREE char *path = NULL;
	struct rsm_node node = { .id = RSM_NODE_ROOT, .kind = RSM_NODE_FOLDER }, next;
	char *rest, *name;
	int r = rsm_volume_index_path(rsm_content_index(mirror->from), from, &path, err);

	if (r != 0)
		return r;
	rest = path;
	while ((name = strsep(&rest, "/"))) {
		if (!*name)
			continue;
		r = rsm_content_lookup(mirror->to, node.id, name, &next, err);
		if (r == RSM_NODE_ABSENT) {
			next = (struct rsm_node){ .kind = RSM_NODE_FOLDER };
			r = rsm_content_make(mirror->to, node.id, name, &next, NULL, err);
		}
		if (r != 0)
			return r;
		if (next.kind != RSM_NODE_FOLDER)
			return RSM_NODE_ABSENT;
		node = next;
	}
	*ret_to = node.id;
	return 0;
}

int rsm_mirror_find_origin(struct rsm_mirror *mirror, const struct rsm_node *node,
			   struct rsm_node *ret_origin, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text of = { 0 };
	char *end;
	int r = rsm_content_get_xattr(mirror->to, node->id, RSM_MIRROR_KEY_OF, &of, err);

	if (r != 0)
		return r;
	rsm_text_append(&of, "", 1);
	if (of.failed)
		return rsm_err_oom(err);
	r = rsm_content_get(mirror->from, strtoull(of.data, &end, 10), ret_origin, err);
	/* after a loss the first one gives numbers again that others had on the copy */
	if (r == 0 && (*end != ' ' || end == of.data || ret_origin->kind != node->kind ||
		       !is_equal(&ret_origin->times.created, &node->times.created)))
		r = RSM_NODE_ABSENT;
	return r;
}

/* Moves it there. Outcome 1: it cannot be moved now. */
static int follow_move(struct rsm_mirror *mirror, uint64_t to_parent,
		       const struct rsm_mirror_entry *entry, struct rsm_err *err)
{
	RSM_FREE char *name = NULL;
	struct rsm_node origin, there;
	uint64_t parent, target;
	struct rsm_err why;
	int r = rsm_mirror_find_origin(mirror, &entry->node, &origin, err);

	if (r == 0)
		r = rsm_volume_index_name(rsm_content_index(mirror->from), origin.id, &parent,
					  &name, err);
	if (r == 0)
		r = counterpart(mirror, parent, &target, err);
	if (r == 0) {
		r = rsm_content_lookup(mirror->to, target, name, &there, err);
		r = r == 0 ? 1 : r == RSM_NODE_ABSENT ? 0 : r;
	}
	if (r != 0)
		return r < 0 ? r : 1;
	/* into itself, for one: then it is made anew */
	return rsm_content_rename(mirror->to, to_parent, entry->name, target, name, 0, &why) < 0;
}

static int settle_child(struct rsm_mirror *mirror, uint64_t from, uint64_t to,
			const struct rsm_mirror_entry *entry, unsigned depth, struct rsm_err *err)
{
	struct rsm_node node;
	int r = rsm_content_lookup(mirror->from, from, entry->name, &node, err);

	if (r < 0 || (r == 0 && node.kind == entry->node.kind))
		return r < 0 ? r : 0;
	r = rsm_mirror_is_kept(mirror, &entry->node, err);
	if (r < 0)
		return r;
	if (r > 0) {
		r = follow_move(mirror, to, entry, err);
		if (r <= 0)
			return r;
	}
	return remove_tree(mirror, to, entry, depth, err);
}

/* Moves first, all over the tree: what a folder lacks may be in one that is looked at later. */
static int move_child(struct rsm_mirror *mirror, uint64_t from, uint64_t to,
		      const struct rsm_mirror_entry *entry, unsigned depth, struct rsm_err *err)
{
	struct rsm_node node;
	int r = rsm_content_lookup(mirror->from, from, entry->name, &node, err);

	if (r < 0 || depth > RSM_MIRROR_DEPTH_MAX)
		return r < 0 ? r : 0;
	if (r == 0 && node.kind == entry->node.kind)
		return node.kind == RSM_NODE_FOLDER
			       ? rsm_mirror_each_child(mirror, mirror->to, node.id, entry->node.id,
						       move_child, depth + 1, err)
			       : 0;
	if (entry->node.kind != RSM_NODE_FOLDER && !mirror->files_move)
		return 0;
	r = rsm_mirror_is_kept(mirror, &entry->node, err);
	if (r > 0)
		r = follow_move(mirror, to, entry, err);
	return r < 0 ? r : 0;
}

/* Folders before what was moved into them. */
static int follow_moves(struct rsm_mirror *mirror, struct rsm_err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 2; i++) {
		mirror->files_move = i;
		r = rsm_mirror_each_child(mirror, mirror->to, RSM_NODE_ROOT, RSM_NODE_ROOT,
					  move_child, 0, err);
	}
	return r;
}

/* ---- what is new or different ---- */

/* While it is being written it is nothing yet. */
static bool is_being_written(const struct rsm_mirror *mirror, const struct rsm_node *node)
{
	struct rsm_content_use use;
	struct timespec now;

	rsm_content_use(mirror->from, &use);
	if (!use.writers)
		return false;
	rsm_clock_wall(mirror->manager->clock, &now);
	return now.tv_sec - node->times.modified.tv_sec < 5;
}

static int write_file(struct rsm_mirror *mirror, const struct rsm_node *node, uint64_t to_parent,
		      const char *name, uint64_t *ret_id, struct rsm_err *err)
{
	struct rsm_node made = *node;
	struct rsm_open_file *file;
	int r;

	made.flags &= RSM_NODE_HAS_UNIX | RSM_NODE_READONLY;
	made.size = made.data_version = 0;
	while ((r = rsm_content_create(mirror->to, to_parent, name, &made, O_WRONLY, &file, err)) ==
	       RSM_CONTENT_WAIT) {
		r = rsm_mirror_wait_for_room(mirror, err);
		if (r < 0)
			break;
	}
	if (r != 0)
		return r;
	*ret_id = rsm_content_file_id(file);
	r = rsm_mirror_copy_data(mirror, node, file, err);
	rsm_content_release(file);
	mirror->files += r == 0;
	return r;
}

/* What it was meanwhile. Outcome 1: it has changed, or is not there any more. */
static int check_unchanged(struct rsm_mirror *mirror, const struct rsm_node *node,
			   struct rsm_err *err)
{
	struct rsm_node now;
	int r = rsm_content_get(mirror->from, node->id, &now, err);

	if (r < 0 || (r == 0 && rsm_mirror_is_same(node, &now)))
		return r;
	mirror->waiting += r == 0;
	return 1;
}

/* Beside the one that is there, which goes when there is something better: perhaps the first one
 * cannot be read. A death leaves a file that the first one has not.
 */
static int rewrite_file(struct rsm_mirror *mirror, uint64_t to_parent,
			const struct rsm_mirror_entry *entry, struct rsm_err *err)
{
	char name[48];
	uint64_t id = 0;
	int r;

	snprintf(name, sizeof name, BEING_MADE "%" PRIu64, entry->node.id);
	r = rsm_content_remove(mirror->to, to_parent, name, false, err);
	if (r == 0 || r == -ENOENT)
		r = write_file(mirror, &entry->node, to_parent, name, &id, err);
	if (r == 0)
		r = check_unchanged(mirror, &entry->node, err);
	if (r == 0)
		r = copy_attributes(mirror, &entry->node, id, err);
	if (r == 0)
		r = rsm_content_rename(mirror->to, to_parent, name, to_parent, entry->name, 0, err);
	if (r == 0) /* the rename was a change of it */
		r = copy_attributes(mirror, &entry->node, id, err);
	else if (id)
		(void)!rsm_content_remove(mirror->to, to_parent, name, false, NULL);
	return r < 0 ? r : 0;
}

static int mirror_file(struct rsm_mirror *mirror, uint64_t to_parent,
		       const struct rsm_mirror_entry *entry, const struct rsm_node *there,
		       bool exists, struct rsm_err *err)
{
	uint64_t id = exists ? there->id : 0;
	int r = 0;

	if (exists && rsm_mirror_is_same(&entry->node, there))
		return 0;
	if (is_being_written(mirror, &entry->node)) {
		mirror->waiting++;
		return 0;
	}
	if (exists) {
		r = has_same_bytes(mirror, &entry->node, there, err);
		if (r == 0)
			return rewrite_file(mirror, to_parent, entry, err);
	} else {
		r = write_file(mirror, &entry->node, to_parent, entry->name, &id, err);
	}
	if (r >= 0)
		r = check_unchanged(mirror, &entry->node, err);
	if (r == 0)
		r = copy_attributes(mirror, &entry->node, id, err);
	return r < 0 ? r : 0;
}

static int mirror_link(struct rsm_mirror *mirror, uint64_t to_parent,
		       const struct rsm_mirror_entry *entry, const struct rsm_node *there,
		       bool exists, struct rsm_err *err)
{
	RSM_FREE char *target = NULL;
	struct rsm_node made = entry->node;
	int r;

	if (exists && rsm_mirror_is_same(&entry->node, there))
		return 0;
	r = rsm_content_link_target(mirror->from, entry->node.id, &target, err);
	if (r == RSM_NODE_ABSENT)
		return 0;
	if (r == 0 && exists)
		r = rsm_content_remove(mirror->to, to_parent, entry->name, false, err);
	made.flags &= RSM_NODE_HAS_UNIX | RSM_NODE_READONLY;
	if (r == 0)
		r = rsm_content_make(mirror->to, to_parent, entry->name, &made, target, err);
	return r ? r : copy_attributes(mirror, &entry->node, made.id, err);
}

static int mirror_folder(struct rsm_mirror *mirror, uint64_t from, uint64_t to, unsigned depth,
			 struct rsm_err *err);

/* What is there is kept, and not what the first one has. */
static int is_in_the_way(struct rsm_mirror *mirror, const struct rsm_node *node,
			 const struct rsm_node *there, struct rsm_err *err)
{
	int r;

	if (node->kind != there->kind)
		return 1;
	if (node->kind == RSM_NODE_FOLDER || rsm_mirror_is_same(node, there))
		return 0;
	r = rsm_mirror_is_kept(mirror, there, err);
	return r < 0 ? r : r == 0;
}

static int mirror_child(struct rsm_mirror *mirror, uint64_t from, uint64_t to,
			const struct rsm_mirror_entry *entry, unsigned depth, struct rsm_err *err)
{
	struct rsm_node there, made = entry->node, now;
	bool exists;
	int r = rsm_content_lookup(mirror->to, to, entry->name, &there, err);

	(void)from;
	if (r < 0)
		return r;
	exists = r == 0;
	if (exists) {
		r = is_in_the_way(mirror, &entry->node, &there, err);
		if (r > 0)
			r = rsm_mirror_set_aside(mirror, to, entry->name, err);
		else if (r == 0)
			r = 1;
		if (r < 0)
			return r;
		exists = r > 0;
	}
	if (entry->node.kind == RSM_NODE_FILE)
		return mirror_file(mirror, to, entry, &there, exists, err);
	if (entry->node.kind == RSM_NODE_LINK)
		return mirror_link(mirror, to, entry, &there, exists, err);
	if (!exists) {
		made.flags &= RSM_NODE_HAS_UNIX | RSM_NODE_READONLY;
		made.data_version = 0;
		r = rsm_content_make(mirror->to, to, entry->name, &made, NULL, err);
		there = made;
	}
	r = r < 0 ? r : mirror_folder(mirror, entry->node.id, there.id, depth + 1, err);
	/* its children changed its times */
	if (r == 0)
		r = rsm_content_get(mirror->from, entry->node.id, &now, err);
	if (r == RSM_NODE_ABSENT)
		return 0;
	if (r == 0)
		r = rsm_content_get(mirror->to, there.id, &there, err);
	if (r == 0 && !rsm_mirror_is_same(&now, &there))
		r = copy_attributes(mirror, &now, there.id, err);
	return r;
}

static int mirror_folder(struct rsm_mirror *mirror, uint64_t from, uint64_t to, unsigned depth,
			 struct rsm_err *err)
{
	int r;

	if (depth > RSM_MIRROR_DEPTH_MAX)
		return rsm_err_set(err, ELOOP, "folders are nested too deeply for a copy");
	r = rsm_mirror_each_child(mirror, mirror->to, from, to, settle_child, depth, err);
	return r ? r
		 : rsm_mirror_each_child(mirror, mirror->from, from, to, mirror_child, depth, err);
}

int rsm_mirror_run(struct rsm_mirror *mirror, struct rsm_err *err)
{
	const struct rsm_node root = { .id = RSM_NODE_ROOT };
	int r = follow_moves(mirror, err);

	if (r == 0)
		r = mirror_folder(mirror, RSM_NODE_ROOT, RSM_NODE_ROOT, 0, err);
	if (r == 0)
		r = copy_xattrs(mirror, &root, RSM_NODE_ROOT, err);
	return r > 0 ? rsm_err_fold(err, r, "a node of the copy") : r;
}
