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
#define KEY_OF	   KEY_VENDOR "of"
#define LOOK_NS	   (RSM_SECOND_NS / 10)
enum { PAGE = 128, CHUNK = 1 << 20, DEPTH_MAX = 512, LOW_PRIORITY = -10 };

struct entry {
	struct rsm_node node;
	char *name, *key;
};

struct page {
	struct entry entries[PAGE];
	size_t count;
	bool failed;
};

static int check_cancel(const struct rsm_mirror *mirror, struct rsm_err *err)
{
	if (mirror->tick)
		mirror->tick(mirror->manager);
	if (atomic_load(mirror->cancel))
		return rsm_err_set(err, EINTR, "interrupted");
	return 0;
}

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
	struct entry *entry = &page->entries[page->count];

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

/* Each child of a folder, a page at a time; `each` may change the folder. */
typedef int visit(struct rsm_mirror *mirror, uint64_t from, uint64_t to, const struct entry *entry,
		  unsigned depth, struct rsm_err *err);

static int each_child(struct rsm_mirror *mirror, struct rsm_content *content, uint64_t from,
		      uint64_t to, visit *each, unsigned depth, struct rsm_err *err)
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
			r = check_cancel(mirror, err);
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

/* ---- reading a file of the first one ---- */

struct wait {
	struct rsm_content_read request;
	struct rsm_mutex lock;
	pthread_cond_t changed;
	bool ended; /* [lock] */
	int r;
	size_t length;
	char *data;
	struct rsm_err err;
};

static void read_done(struct rsm_content_read *request, int r, const struct iovec *iov,
		      int iov_count, const struct rsm_err *err)
{
	struct wait *wait = request->context;

	wait->length = 0;
	for (int i = 0; r == 0 && i < iov_count; i++) {
		memcpy(wait->data + wait->length, iov[i].iov_base, iov[i].iov_len);
		wait->length += iov[i].iov_len;
	}
	wait->r = r;
	if (r < 0)
		wait->err = *err;
	RSM_LOCK_SCOPE(&wait->lock);
	wait->ended = true;
	pthread_cond_signal(&wait->changed);
}

/* CHUNK bytes at most; fewer at the end of the file. */
static int read_chunk(struct rsm_mirror *mirror, struct rsm_open_file *file, struct wait *wait,
		      uint64_t offset, struct rsm_err *err)
{
	bool told = false;

	wait->ended = false;
	wait->request = (struct rsm_content_read){
		.offset = offset, .size = CHUNK, .done = read_done, .context = wait
	};
	rsm_content_read_file(file, &wait->request);
	rsm_mutex_lock(&wait->lock);
	while (!wait->ended) {
		rsm_cond_wait_until(&wait->changed, &wait->lock,
				    rsm_clock_now_ns(rsm_clock_real()) + LOOK_NS);
		if (wait->ended || told || !atomic_load(mirror->cancel))
			continue;
		told = true;
		rsm_mutex_unlock(&wait->lock);
		rsm_content_interrupt(file, &wait->request);
		rsm_mutex_lock(&wait->lock);
	}
	rsm_mutex_unlock(&wait->lock);
	if (wait->r < 0)
		*err = wait->err;
	return wait->r;
}

static int wait_for_room(struct rsm_mirror *mirror, struct rsm_err *err)
{
	rsm_clock_sleep_ns(rsm_clock_real(), LOOK_NS);
	return check_cancel(mirror, err);
}

static int write_chunk(struct rsm_mirror *mirror, struct rsm_open_file *file, const char *data,
		       size_t length, uint64_t offset, struct rsm_err *err)
{
	int r;

	while ((r = rsm_content_write_file(file, data, length, offset, err)) == RSM_CONTENT_WAIT) {
		r = wait_for_room(mirror, err);
		if (r < 0)
			return r;
	}
	return r;
}

/* Its bytes are on the medium: that is brought, behind all who want something themselves. */
static int bring(struct rsm_mirror *mirror, uint64_t id, struct rsm_err *err)
{
	enum rsm_residency residency;
	struct rsm_extent first;
	int r = rsm_content_residency(mirror->from, id, &residency, &first, err);

	if (r != 0 || residency == RSM_RESIDENT_STAGED || !first.partition)
		return r < 0 ? r : 0;
	return rsm_manager_mount_wait(mirror->manager, &mirror->first, 1, RSM_MOUNT_IF_ONLINE, 0,
				      LOW_PRIORITY, 0, 0, mirror->cancel, err);
}

static int copy_bytes(struct rsm_mirror *mirror, struct rsm_open_file *from,
		      struct rsm_open_file *to, struct wait *wait, uint64_t size,
		      struct rsm_err *err)
{
	uint64_t offset = 0;
	int r = 0;

	do {
		r = check_cancel(mirror, err);
		if (r == 0 && offset < size)
			r = read_chunk(mirror, from, wait, offset, err);
		if (r < 0 || offset >= size || wait->length == 0)
			break;
		r = write_chunk(mirror, to, wait->data, wait->length, offset, err);
		offset += wait->length;
	} while (r == 0);
	while (r == 0 && (r = rsm_content_flush_file(to, err)) == RSM_CONTENT_WAIT)
		r = wait_for_room(mirror, err);
	mirror->bytes += offset;
	return r;
}

static void wait_fini(struct wait *wait)
{
	free(wait->data);
	pthread_cond_destroy(&wait->changed);
	rsm_mutex_fini(&wait->lock);
}

static int copy_data(struct rsm_mirror *mirror, const struct rsm_node *node,
		     struct rsm_open_file *to, struct rsm_err *err)
{
	struct wait wait = { .data = malloc(CHUNK) };
	struct rsm_open_file *from;
	bool keep;
	int r;

	if (!wait.data)
		return rsm_err_oom(err);
	rsm_mutex_init(&wait.lock);
	rsm_cond_init(&wait.changed);
	r = bring(mirror, node->id, err);
	if (r == 0)
		r = rsm_content_open(mirror->from, node->id, O_RDONLY, &from, &keep, err);
	if (r == 0) {
		r = copy_bytes(mirror, from, to, &wait, node->size, err);
		rsm_content_release(from);
	}
	wait_fini(&wait);
	return r;
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
	r = rsm_content_get_xattr(mirror->to, to->id, KEY_OF, &of, err);
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

		r = set_one(mirror, to, KEY_OF, of, (size_t)length, err);
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

static int remove_tree(struct rsm_mirror *mirror, uint64_t parent, const struct entry *entry,
		       unsigned depth, struct rsm_err *err);

static int remove_child(struct rsm_mirror *mirror, uint64_t from, uint64_t to,
			const struct entry *entry, unsigned depth, struct rsm_err *err)
{
	(void)from;
	return remove_tree(mirror, to, entry, depth, err);
}

static int remove_tree(struct rsm_mirror *mirror, uint64_t parent, const struct entry *entry,
		       unsigned depth, struct rsm_err *err)
{
	bool folder = entry->node.kind == RSM_NODE_FOLDER;
	int r = 0;

	if (depth > DEPTH_MAX)
		return rsm_err_set(err, ELOOP, "the copy's folders are nested too deeply");
	if (folder)
		r = each_child(mirror, mirror->to, 0, entry->node.id, remove_child, depth + 1, err);
	if (r == 0)
		r = rsm_content_remove(mirror->to, parent, entry->name, folder, err);
	mirror->removed += r == 0;
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

/* Where the first one has by now what a node of the copy is of. Outcome ABSENT: nowhere. */
static int find_origin(struct rsm_mirror *mirror, const struct rsm_node *node,
		       struct rsm_node *ret_origin, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text of = { 0 };
	char *end;
	int r = rsm_content_get_xattr(mirror->to, node->id, KEY_OF, &of, err);

	if (r != 0)
		return r;
	rsm_text_append(&of, "", 1);
	if (of.failed)
		return rsm_err_oom(err);
	r = rsm_content_get(mirror->from, strtoull(of.data, &end, 10), ret_origin, err);
	if (r == 0 && (*end != ' ' || end == of.data || ret_origin->kind != node->kind))
		r = RSM_NODE_ABSENT;
	return r;
}

/* Moves it there. Outcome 1: it cannot be moved now. */
static int follow_move(struct rsm_mirror *mirror, uint64_t to_parent, const struct entry *entry,
		       struct rsm_err *err)
{
	RSM_FREE char *name = NULL;
	struct rsm_node origin, there;
	uint64_t parent, target;
	struct rsm_err why;
	int r = find_origin(mirror, &entry->node, &origin, err);

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
			const struct entry *entry, unsigned depth, struct rsm_err *err)
{
	struct rsm_node node;
	int r = rsm_content_lookup(mirror->from, from, entry->name, &node, err);

	if (r < 0 || (r == 0 && node.kind == entry->node.kind))
		return r < 0 ? r : 0;
	r = follow_move(mirror, to, entry, err);
	return r <= 0 ? r : remove_tree(mirror, to, entry, depth, err);
}

/* Moves first, all over the tree: what a folder lacks may be in one that is looked at later. */
static int move_child(struct rsm_mirror *mirror, uint64_t from, uint64_t to,
		      const struct entry *entry, unsigned depth, struct rsm_err *err)
{
	struct rsm_node node;
	int r = rsm_content_lookup(mirror->from, from, entry->name, &node, err);

	if (r < 0 || depth > DEPTH_MAX)
		return r < 0 ? r : 0;
	if (r == 0 && node.kind == entry->node.kind)
		return node.kind == RSM_NODE_FOLDER
			       ? each_child(mirror, mirror->to, node.id, entry->node.id, move_child,
					    depth + 1, err)
			       : 0;
	r = entry->node.kind == RSM_NODE_FOLDER || mirror->files_move
		    ? follow_move(mirror, to, entry, err)
		    : 0;
	return r < 0 ? r : 0;
}

/* Folders before what was moved into them. */
static int follow_moves(struct rsm_mirror *mirror, struct rsm_err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 2; i++) {
		mirror->files_move = i;
		r = each_child(mirror, mirror->to, RSM_NODE_ROOT, RSM_NODE_ROOT, move_child, 0,
			       err);
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
		      const char *name, uint64_t *id, struct rsm_err *err)
{
	struct rsm_node made = *node;
	struct rsm_open_file *file;
	bool keep;
	int r;

	if (*id) {
		r = rsm_content_open(mirror->to, *id, O_WRONLY | O_TRUNC, &file, &keep, err);
	} else {
		made.flags &= RSM_NODE_HAS_UNIX | RSM_NODE_READONLY;
		made.size = made.data_version = 0;
		while ((r = rsm_content_create(mirror->to, to_parent, name, &made, O_WRONLY, &file,
					       err)) == RSM_CONTENT_WAIT) {
			r = wait_for_room(mirror, err);
			if (r < 0)
				break;
		}
	}
	if (r != 0)
		return r;
	*id = rsm_content_file_id(file);
	r = copy_data(mirror, node, file, err);
	rsm_content_release(file);
	mirror->files += r == 0;
	return r;
}

static int mirror_file(struct rsm_mirror *mirror, uint64_t to_parent, const struct entry *entry,
		       struct rsm_node *there, bool exists, struct rsm_err *err)
{
	struct rsm_node now;
	uint64_t id = exists ? there->id : 0;
	int r = 0;

	if (exists && rsm_mirror_is_same(&entry->node, there))
		return 0;
	if (is_being_written(mirror, &entry->node)) {
		mirror->waiting++;
		return 0;
	}
	if (exists)
		r = has_same_bytes(mirror, &entry->node, there, err);
	if (r >= 0)
		r = r ? 0 : write_file(mirror, &entry->node, to_parent, entry->name, &id, err);
	if (r == 0)
		r = rsm_content_get(mirror->from, entry->node.id, &now, err);
	if (r == 0 && !rsm_mirror_is_same(&entry->node, &now)) {
		mirror->waiting++; /* it changed meanwhile */
		return 0;
	}
	if (r == RSM_NODE_ABSENT)
		return 0;
	return r ? r : copy_attributes(mirror, &entry->node, id, err);
}

static int mirror_link(struct rsm_mirror *mirror, uint64_t to_parent, const struct entry *entry,
		       const struct rsm_node *there, bool exists, struct rsm_err *err)
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

static int mirror_child(struct rsm_mirror *mirror, uint64_t from, uint64_t to,
			const struct entry *entry, unsigned depth, struct rsm_err *err)
{
	struct rsm_node there, made = entry->node, now;
	bool exists;
	int r = rsm_content_lookup(mirror->to, to, entry->name, &there, err);

	(void)from;
	if (r < 0)
		return r;
	exists = r == 0;
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

	if (depth > DEPTH_MAX)
		return rsm_err_set(err, ELOOP, "folders are nested too deeply for a copy");
	r = each_child(mirror, mirror->to, from, to, settle_child, depth, err);
	return r ? r : each_child(mirror, mirror->from, from, to, mirror_child, depth, err);
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
