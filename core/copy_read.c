/* Reads of a cartridge that has a copy. Each becomes a read of ours that stands for it, so that one
 * which the medium cannot serve can go to the copy, as a read of the same bytes of the same file
 * there. Files of the copy are opened for that, and closed by the keeper a moment later: not by
 * whoever brings the bytes.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/copy_private.h"
#include "core/manager_private.h"

#define TELL_NS (60 * RSM_SECOND_NS)

struct rsm_copy_read {
	struct rsm_list link; /* [manager's lock] among those under way, or those to be released */
	struct rsm_manager *manager;
	struct rsm_cartridge *cartridge;
	struct rsm_medium_read *of;  /* whom it stands for */
	struct rsm_medium_read read; /* of the first one's medium */
	int64_t copy;
	bool cancelled;		     /* [manager's lock] */
	bool from_copy;		     /* [manager's lock] the copy is being read */
	unsigned holders;	     /* [manager's lock] the read itself, and whoever gives it up */
	struct rsm_content *content; /* of the copy */
	struct rsm_open_file *file;
	struct rsm_content_read request;
	int r; /* of the first one's medium */
	struct rsm_err err;
};

/* With the lock. Whoever lets go last hands it to the keeper. */
static void drop_locked(struct rsm_copy_read *it)
{
	if (--it->holders)
		return;
	rsm_list_remove(&it->link);
	rsm_list_append(&it->manager->copy_reads_ended, &it->link);
}

static void finish(struct rsm_copy_read *it, int r, const struct rsm_err *err)
{
	struct rsm_manager *manager = it->manager;

	it->of->done(it->of, r, err);
	rsm_mutex_lock(&manager->lock);
	drop_locked(it);
	rsm_mutex_unlock(&manager->lock);
}

void rsm_copy_release_reads(struct rsm_manager *manager)
{
	for (;;) {
		struct rsm_copy_read *it = NULL;

		rsm_mutex_lock(&manager->lock);
		if (!rsm_list_is_empty(&manager->copy_reads_ended)) {
			it = RSM_CONTAINER_OF(manager->copy_reads_ended.next, struct rsm_copy_read,
					      link);
			rsm_list_remove(&it->link);
		}
		rsm_mutex_unlock(&manager->lock);
		if (!it)
			return;
		if (it->file)
			rsm_content_release(it->file);
		if (it->content)
			rsm_manager_content_unref(manager, it->content);
		rsm_cartridge_unref(it->cartridge);
		free(it);
	}
}

/* ---- the copy's file ---- */

/* What the copy has of the file, if that is what the first one has. */
static int find_file(struct rsm_copy_read *it, struct rsm_node *ret_node)
{
	struct rsm_volume_index *index = rsm_content_index(it->read.content);
	RSM_FREE char *path = NULL;
	struct rsm_node node = { .id = RSM_NODE_ROOT }, wanted;
	char *rest, *name;
	int r = rsm_volume_index_get(index, it->read.node, &wanted, NULL);

	if (r == 0)
		r = rsm_volume_index_path(index, it->read.node, &path, NULL);
	if (r != 0)
		return r;
	rest = path;
	while ((name = strsep(&rest, "/"))) {
		if (!*name)
			continue;
		r = rsm_content_lookup(it->content, node.id, name, &node, NULL);
		if (r != 0)
			return r;
	}
	*ret_node = node;
	return rsm_mirror_is_same(&wanted, &node) ? 0 : RSM_NODE_ABSENT;
}

static void copy_done(struct rsm_content_read *request, int r, const struct iovec *iov,
		      int iov_count, const struct rsm_err *err)
{
	struct rsm_copy_read *it = request->context;
	struct rsm_medium_read *of = it->of;
	struct rsm_err why = { 0 };
	size_t length = 0;

	for (int i = 0; r == 0 && i < iov_count; i++)
		length += iov[i].iov_len;
	if (r < 0)
		why = *err;
	else if (length != of->count || (!of->buffer && iov_count > RSM_READ_LENT_MOST))
		r = rsm_err_set(&why, EIO, "the copy has other bytes");
	of->lent_count = 0;
	for (int i = 0, at = 0; r == 0 && i < iov_count; i++) {
		if (of->buffer)
			memcpy((char *)of->buffer + at, iov[i].iov_base, iov[i].iov_len);
		else
			of->lent[of->lent_count++] = iov[i];
		at += (int)iov[i].iov_len;
	}
	if (r < 0 && it->r < 0 && r != -EINTR) { /* what is wrong with the first one says more */
		r = it->r;
		why = it->err;
	}
	finish(it, r, r < 0 ? &why : NULL);
}

static int open_file(struct rsm_copy_read *it)
{
	struct rsm_node node;
	bool keep;
	int r = rsm_manager_content(it->manager, it->copy, &it->content, NULL);

	if (r != 0) {
		it->content = NULL;
		return r;
	}
	r = find_file(it, &node);
	if (r == 0)
		r = rsm_content_open(it->content, node.id, O_RDONLY, &it->file, &keep, NULL);
	if (r != 0)
		it->file = NULL;
	return r;
}

static void tell(struct rsm_copy_read *it)
{
	struct rsm_cartridge *cartridge = it->cartridge;
	int64_t now = rsm_manager_now(it->manager);
	struct rsm_medium copy;
	bool told;

	rsm_mutex_lock(&it->manager->lock);
	told = cartridge->copy_told_ns && now - cartridge->copy_told_ns < TELL_NS;
	if (!told)
		cartridge->copy_told_ns = now;
	rsm_mutex_unlock(&it->manager->lock);
	if (told || rsm_medium_get(it->manager->catalog, it->copy, &copy, NULL) != 0)
		return;
	rsm_event_add(it->manager->catalog, "copy-read", "medium", cartridge->barcode, "copy",
		      copy.shown, "text", it->r < 0 ? it->err.msg : "it is not at hand", NULL);
}

/* True when the copy is going to answer. */
static bool ask_copy(struct rsm_copy_read *it)
{
	struct rsm_manager *manager = it->manager;
	struct rsm_medium copy;
	bool cancelled;

	if (it->file || rsm_medium_get(manager->catalog, it->copy, &copy, NULL) != 0 ||
	    copy.location == RSM_AT_OFFLINE || !copy.enabled || open_file(it) != 0)
		return false;
	tell(it);
	it->request = (struct rsm_content_read){ .offset = it->of->file_offset,
						 .size = it->of->count,
						 .done = copy_done,
						 .context = it };
	rsm_mutex_lock(&manager->lock);
	it->holders++;
	rsm_mutex_unlock(&manager->lock);
	rsm_content_read_file(it->file, &it->request);
	rsm_mutex_lock(&manager->lock);
	it->from_copy = true;
	cancelled = it->cancelled;
	rsm_mutex_unlock(&manager->lock);
	if (cancelled) /* in between; if it is answered already, nothing happens */
		rsm_content_interrupt(it->file, &it->request);
	rsm_mutex_lock(&manager->lock);
	drop_locked(it);
	rsm_mutex_unlock(&manager->lock);
	return true;
}

static void first_done(struct rsm_medium_read *read, int r, const struct rsm_err *err)
{
	struct rsm_copy_read *it = RSM_CONTAINER_OF(read, struct rsm_copy_read, read);

	it->r = r;
	if (r < 0)
		it->err = *err;
	if (r < 0 && r != -EINTR && ask_copy(it))
		return;
	it->of->lent_count = read->lent_count;
	memcpy(it->of->lent, read->lent, sizeof it->of->lent);
	finish(it, r, r < 0 ? &it->err : NULL);
}

/* ---- which one to ask ---- */

/* 0: it has none. Asked once; the keeper tells of later ones. */
static int64_t copy_of(struct rsm_manager *manager, struct rsm_cartridge *cartridge)
{
	struct rsm_copy copy = { 0 };
	int64_t id;
	bool known;

	rsm_mutex_lock(&manager->lock);
	known = cartridge->copy_known;
	id = cartridge->copy;
	rsm_mutex_unlock(&manager->lock);
	if (known || rsm_copy_find(manager->catalog, cartridge->id, &copy, NULL) < 0)
		return id;
	rsm_mutex_lock(&manager->lock);
	cartridge->copy_known = true;
	cartridge->copy = copy.copy;
	rsm_mutex_unlock(&manager->lock);
	return copy.copy;
}

static bool prefers_copy(struct rsm_manager *manager, const struct rsm_cartridge *cartridge,
			 int64_t copy)
{
	const struct rsm_cartridge *other;
	struct rsm_medium medium;

	RSM_LOCK_SCOPE(&manager->lock);
	if (cartridge->state == RSM_CARTRIDGE_LOADED)
		return false;
	other = rsm_cartridge_find_locked(manager, copy);
	if (other && other->state == RSM_CARTRIDGE_LOADED)
		return true;
	if (!cartridge->library)
		return true;
	return rsm_medium_get(manager->catalog, cartridge->id, &medium, NULL) == 0 &&
	       !medium.enabled;
}

bool rsm_copy_take_read(struct rsm_manager *manager, struct rsm_medium_read *read)
{
	struct rsm_cartridge *cartridge = rsm_content_owner(read->content);
	int64_t copy = read->node ? copy_of(manager, cartridge) : 0;
	struct rsm_copy_read *it = copy ? calloc(1, sizeof *it) : NULL;

	if (!it)
		return false;
	it->manager = manager;
	it->cartridge = cartridge;
	it->of = read;
	it->copy = copy;
	it->holders = 1;
	it->read = *read;
	it->read.done = first_done;
	rsm_list_init(&it->read.link);
	rsm_mutex_lock(&manager->lock);
	cartridge->references++;
	rsm_list_append(&manager->copy_reads, &it->link);
	rsm_mutex_unlock(&manager->lock);
	if (!prefers_copy(manager, cartridge, copy) || !ask_copy(it))
		rsm_cartridge_queue_read(manager, &it->read);
	return true;
}

bool rsm_copy_cancel_read(struct rsm_manager *manager, struct rsm_medium_read *read)
{
	struct rsm_copy_read *found = NULL;
	bool from_copy = false;

	rsm_mutex_lock(&manager->lock);
	RSM_LIST_FOR_EACH (item, &manager->copy_reads) {
		struct rsm_copy_read *it = RSM_CONTAINER_OF(item, struct rsm_copy_read, link);

		if (it->of == read)
			found = it;
	}
	if (found) {
		found->holders++;
		found->cancelled = true;
		from_copy = found->from_copy;
	}
	rsm_mutex_unlock(&manager->lock);
	if (!found)
		return false;
	if (from_copy)
		rsm_content_interrupt(found->file, &found->request);
	else
		rsm_cartridge_cancel_read(manager, &found->read);
	rsm_mutex_lock(&manager->lock);
	drop_locked(found);
	rsm_mutex_unlock(&manager->lock);
	return true;
}
