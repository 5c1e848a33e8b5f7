/* Without a loader nothing of this is looked at: an index that is whole but makes no sense must not
 * pass for one that was torn, which the next one may bury.
 */
#include "core/ltfs/index_change.h"

#include <string.h>

#include "core/ltfs/index_grammar.h"

static bool given(const struct rsm_ltfs_object *top, enum rsm_ltfs_element element)
{
	return top->given & RSM_LTFS_GIVEN(element);
}

static bool is_root(const struct rsm_ltfs_objects *objects)
{
	return objects->depth == 1;
}

/* What is not mentioned is as it was. */
static void merge(struct rsm_ltfs_object *top, const struct rsm_node *there)
{
	struct rsm_node merged = *there;
	const struct rsm_node *node = &top->node;

	if (given(top, READONLY))
		merged.flags = (merged.flags & ~(uint32_t)RSM_NODE_READONLY) |
			       (node->flags & RSM_NODE_READONLY);
	if (top->given & RSM_LTFS_GIVEN_XATTRS) {
		merged.flags = (merged.flags & ~(uint32_t)RSM_NODE_HAS_UNIX) |
			       (node->flags & RSM_NODE_HAS_UNIX);
		merged.mode = node->mode;
		merged.owner = node->owner;
		merged.group = node->group;
	}
	if (top->given & RSM_LTFS_GIVEN_EXTENTS)
		merged.flags &= ~(uint32_t)RSM_NODE_DAMAGED;
	if (given(top, LENGTH) && there->kind == RSM_NODE_FILE)
		merged.size = node->size;
	if (given(top, CREATED))
		merged.times.created = node->times.created;
	if (given(top, CHANGED))
		merged.times.changed = node->times.changed;
	if (given(top, MODIFIED))
		merged.times.modified = node->times.modified;
	if (given(top, ACCESSED))
		merged.times.accessed = node->times.accessed;
	if (given(top, BACKED_UP))
		merged.times.backed_up = node->times.backed_up;
	top->node = merged;
	top->changes = true;
}

/* An object keeps its uid when it moves: where it was, there is nothing any more. What is still of
 * it there is listed at its new place as well.
 */
static int take_from_elsewhere(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	struct rsm_node there;
	bool placed = false;
	int r = rsm_index_loader_find_uid(objects->loader, top->node.uid, &there, &placed, err);

	if (r || placed) /* doubled within this index: the loader gives it another uid */
		return r < 0 ? r : 0;
	for (size_t i = 0; i + 1 < objects->depth; i++) {
		if (objects->stack[i].node.id == there.id)
			return rsm_err_set(err, EBADMSG, "a folder is moved into itself");
	}
	return rsm_index_loader_remove(objects->loader, there.id, err);
}

/* Finds what the object changes, or makes its place free. */
static int locate(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	bool folder = top->node.kind == RSM_NODE_FOLDER, placed = false, same;
	struct rsm_node there;
	int r = rsm_index_loader_find(objects->loader, top->node.parent, top->name.data, &there,
				      &placed, err);

	if (r < 0)
		return r;
	same = r == 0 &&
	       (is_root(objects) || there.uid == top->node.uid || (folder && !given(top, UID)));
	if (same && folder != (there.kind == RSM_NODE_FOLDER))
		return rsm_err_set(err, EBADMSG, "\"%.64s\" becomes an object of another kind",
				   top->name.data);
	if (same) {
		top->found_size = there.size;
		merge(top, &there);
		return 0;
	}
	if (!given(top, UID))
		return rsm_err_set(err, EBADMSG, "<fileuid> is missing for \"%.64s\"",
				   top->name.data);
	if (r == 0 && placed)
		return rsm_err_set(err, EBADMSG, "\"%.64s\" is there twice", top->name.data);
	r = r == 0 ? rsm_index_loader_remove(objects->loader, there.id, err) : 0;
	return r ? r : take_from_elsewhere(objects, err);
}

static int insert_new(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	int r;

	/* the text of the format says of these two only that they may be there */
	if (!given(top, ACCESSED))
		top->node.times.accessed = top->node.times.modified;
	if (!given(top, BACKED_UP))
		top->node.times.backed_up = top->node.times.created;
	r = rsm_ltfs_objects_insert(objects, err);
	return r ? r : rsm_index_loader_place(objects->loader, top->node.id, err);
}

int rsm_ltfs_change_open(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	int r;

	top->inserted = true;
	if (!objects->loader)
		return 0;
	if (!given(top, NAME))
		return rsm_err_set(err, EBADMSG, "<contents> stands before <name>");
	r = locate(objects, err);
	top->found_uid = top->node.uid;
	if (r < 0 || !top->changes)
		return r ? r : insert_new(objects, err);
	if (!(top->given & RSM_LTFS_GIVEN_XATTRS))
		return 0;
	r = rsm_index_loader_clear_xattrs(objects->loader, top->node.id, err);
	return r ? r : rsm_ltfs_objects_hand_over(objects, err);
}

int rsm_ltfs_change_xattrs(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);

	top->given |= RSM_LTFS_GIVEN_XATTRS;
	if (!top->inserted || !top->changes || !objects->loader)
		return 0;
	top->node.flags &= ~(uint32_t)RSM_NODE_HAS_UNIX;
	return rsm_index_loader_clear_xattrs(objects->loader, top->node.id, err);
}

static int remove_it(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	uint32_t other = top->given & ~(RSM_LTFS_GIVEN(NAME) | RSM_LTFS_GIVEN(DELETED));
	struct rsm_node there;
	bool placed = false;
	int r;

	if (!objects->loader)
		return 0;
	if (is_root(objects) || other || top->inserted)
		return rsm_err_set(err, EBADMSG, "\"%.64s\" is removed and described",
				   top->name.data);
	r = rsm_index_loader_find(objects->loader, top->node.parent, top->name.data, &there,
				  &placed, err);
	if (r) /* made and removed since the last index, or moved and found there already */
		return r < 0 ? r : 0;
	if (placed)
		return rsm_err_set(err, EBADMSG, "\"%.64s\" is there twice", top->name.data);
	if ((there.kind == RSM_NODE_FOLDER) != (top->node.kind == RSM_NODE_FOLDER))
		return rsm_err_set(err, EBADMSG, "\"%.64s\" is of another kind", top->name.data);
	return rsm_index_loader_remove(objects->loader, there.id, err);
}

/* The row of an object that was there. */
static int change(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	bool spelled = top->given & RSM_LTFS_GIVEN_XATTRS;

	return rsm_index_loader_change(objects->loader, &top->node, spelled ? top->name.data : NULL,
				       err);
}

static int finish_folder(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	int r = 0;

	if (!top->inserted)
		r = rsm_ltfs_change_open(objects, err);
	if (r == 0 && objects->loader && top->node.uid != top->found_uid)
		return rsm_err_set(err, EBADMSG, "<fileuid> of \"%.64s\" stands behind <contents>",
				   top->name.data);
	if (r == 0)
		r = rsm_ltfs_objects_settle(top, err);
	if (r < 0 || !objects->loader)
		return r;
	if (top->changes && top->given & ~(RSM_LTFS_GIVEN(NAME) | RSM_LTFS_GIVEN(UID)))
		return change(objects, err);
	return top->late && !top->changes
		       ? rsm_index_loader_update(objects->loader, &top->node, top->name.data, err)
		       : 0;
}

/* What is known of a checksum once contents or attributes change. *ret_stale: one that was computed
 * here and is of what the file held before.
 */
static void settle_hash(struct rsm_ltfs_objects *objects, uint64_t old_size,
			char ret_stale[RSM_HASH_PLACE_SIZE])
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	bool contents = top->given & RSM_LTFS_GIVEN_EXTENTS || given(top, LENGTH);
	enum rsm_digest_kind kind = rsm_node_measured(top->node.flags);

	*ret_stale = '\0';
	if (contents)
		top->node.flags &= ~(uint32_t)RSM_NODE_MEASURED;
	if (!(top->given & RSM_LTFS_GIVEN_XATTRS)) {
		if (contents && kind != RSM_DIGEST_NONE)
			rsm_hash_place_format(kind, old_size, NULL, 0, ret_stale);
	} else if (top->given & RSM_LTFS_GIVEN_EXTENTS) {
		rsm_ltfs_objects_settle_hash(objects);
	} else if (!contents && kind != RSM_DIGEST_NONE &&
		   !rsm_ltfs_objects_drop_hash_place(objects)) {
		top->node.flags &= ~(uint32_t)RSM_NODE_MEASURED;
	}
}

static int change_file(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	char stale[RSM_HASH_PLACE_SIZE];
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	bool link = top->node.kind == RSM_NODE_LINK;
	int r = 0;

	if (link ? objects->has_extents : top->linked)
		return rsm_err_set(err, EBADMSG, "\"%.64s\" becomes an object of another kind",
				   top->name.data);
	if (top->linked) {
		top->node.size = top->target.length;
		r = rsm_index_loader_set_target(objects->loader, top->node.id, top->target.data,
						err);
	} else if (top->given & RSM_LTFS_GIVEN_EXTENTS) {
		r = rsm_ltfs_objects_check_extents(objects, err);
		if (r == 0)
			r = rsm_index_loader_set_extents(objects->loader, top->node.id,
							 objects->extents, objects->extent_count,
							 err);
	}
	settle_hash(objects, top->found_size, stale);
	if (r == 0)
		r = rsm_ltfs_objects_settle(top, err);
	if (r == 0)
		r = change(objects, err);
	if (r == 0 && *stale)
		r = rsm_index_loader_xattr(objects->loader, top->node.id, RSM_KEY_HASH, stale,
					   strlen(stale), err);
	if (r < 0 || !(top->given & RSM_LTFS_GIVEN_XATTRS))
		return r;
	r = rsm_index_loader_clear_xattrs(objects->loader, top->node.id, err);
	return r ? r : rsm_ltfs_objects_hand_over(objects, err);
}

static int finish_file(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	int r;

	if (!objects->loader)
		return 0;
	if (top->linked && objects->has_extents)
		return rsm_err_set(err, EBADMSG, "a file has both <symlink> and extents");
	r = locate(objects, err);
	if (r < 0)
		return r;
	top->inserted = true;
	if (top->changes)
		return change_file(objects, err);
	if (top->linked) {
		top->node.kind = RSM_NODE_LINK;
		top->node.size = top->target.length;
	}
	r = rsm_ltfs_objects_check_extents(objects, err);
	if (r == 0 && !top->linked)
		rsm_ltfs_objects_settle_hash(objects);
	if (r == 0)
		r = rsm_ltfs_objects_settle(top, err);
	return r ? r : insert_new(objects, err);
}

int rsm_ltfs_change_finish(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	int r;

	if (given(top, DELETED))
		return remove_it(objects, err);
	r = top->node.kind == RSM_NODE_FOLDER ? finish_folder(objects, err)
					      : finish_file(objects, err);
	if (r == 0 && objects->loader && !top->changes && top->missing)
		return rsm_err_set(err, EBADMSG, "<%s> is missing for \"%.64s\", which is new",
				   top->missing, top->name.data);
	return r;
}
