#include "core/ltfs/index_object.h"

#include <string.h>

#include "core/ltfs/index_change.h"
#include "core/ltfs/index_parts.h"
#include "core/ltfs/name.h"

enum { FIRST_DATA_BLOCK = 4, NAME_POINTS_MAX = 255, ROOM_KEPT = 65536 };

/* Empties a text for its next use; one that grew very large is given back. */
static void reuse(struct rsm_text *text)
{
	if (text->room > ROOM_KEPT)
		rsm_text_fini(text);
	else
		rsm_text_reset(text);
}

void rsm_ltfs_objects_fini(struct rsm_ltfs_objects *objects)
{
	for (size_t i = 0; i < objects->room; i++) {
		rsm_text_fini(&objects->stack[i].name);
		rsm_text_fini(&objects->stack[i].exact);
		rsm_text_fini(&objects->stack[i].target);
		rsm_text_fini(&objects->stack[i].unknown);
		rsm_text_fini(&objects->stack[i].parts);
	}
	free(objects->stack);
	free(objects->xattrs);
	free(objects->extents);
	rsm_text_fini(&objects->bytes);
	*objects = (struct rsm_ltfs_objects){ 0 };
}

/* Room for one more; new elements are zero. */
static int grow(void *array_of, size_t *room, size_t count, size_t size, struct rsm_err *err)
{
	void **array = array_of;
	size_t more = *room ? *room * 2 : 16;
	char *grown;

	if (count < *room)
		return 0;
	grown = reallocarray(*array, more, size);
	if (!grown)
		return rsm_err_oom(err);
	memset(grown + *room * size, 0, (more - *room) * size);
	*array = grown;
	*room = more;
	return 0;
}

int rsm_ltfs_objects_push(struct rsm_ltfs_objects *objects, bool folder, struct rsm_err *err)
{
	struct rsm_ltfs_object *top;
	int r;

	if (objects->depth > RSM_LTFS_DEPTH_MAX)
		return rsm_err_set(err, EBADMSG, "more than %d folders within each other",
				   RSM_LTFS_DEPTH_MAX);
	r = grow(&objects->stack, &objects->room, objects->depth, sizeof *objects->stack, err);
	if (r < 0)
		return r;
	top = &objects->stack[objects->depth++];
	reuse(&top->name);
	reuse(&top->exact);
	reuse(&top->target);
	reuse(&top->unknown);
	reuse(&top->parts);
	top->seen = top->given = 0;
	top->missing = NULL;
	top->found_uid = 0;
	top->inserted = top->late = top->linked = top->has_backup_time = top->changes = false;
	top->node = (struct rsm_node){
		.kind = folder ? RSM_NODE_FOLDER : RSM_NODE_FILE,
		.parent = objects->depth > 1 ? top[-1].node.id : 0,
		.uid = objects->depth > 1 ? 0 : 1,
	};
	objects->xattr_count = objects->extent_count = objects->place = 0;
	objects->has_extents = false;
	reuse(&objects->bytes);
	return 0;
}

/* ---- names and texts ---- */

static int decode(struct rsm_text *text, bool encoded, const char *what, struct rsm_err *err)
{
	RSM_FREE char *nfc = NULL;
	int r;

	if (!encoded || !strchr(text->data, '%'))
		return 0;
	text->length = rsm_name_decode(text->data, text->length);
	r = rsm_name_nfc(text->data, &nfc, NULL);
	if (r == -ENOMEM)
		return rsm_err_oom(err);
	if (r < 0)
		return rsm_err_set(err, EBADMSG, "the encoded %s is not valid UTF-8", what);
	return 0;
}

static size_t count_points(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

/* A name that would lead out of its folder is changed so that people see it. */
static void make_harmless(struct rsm_text *name)
{
	bool dots = !strcmp(name->data, ".") || !strcmp(name->data, "..");
	size_t count = name->length;

	for (char *slash = name->data; (slash = strchr(slash, '/'));)
		*slash = '_';
	if (!dots)
		return;
	rsm_text_reset(name);
	while (count-- > 0)
		rsm_text_add(name, "%2E");
}

int rsm_ltfs_objects_name(struct rsm_ltfs_objects *objects, struct rsm_text *text, bool encoded,
			  struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	RSM_FREE char *nfc = NULL;
	const char *name = text->data;
	int r = decode(text, encoded, "name", err);

	if (r < 0)
		return r;
	if (!rsm_name_is_ascii(name)) {
		r = rsm_name_nfc(name, &nfc, err);
		if (r < 0)
			return r == -EILSEQ ? rsm_err_set(err, EBADMSG, "the name is not UTF-8")
					    : r;
		name = nfc;
	}
	top->late = top->inserted;
	rsm_text_reset(&top->name);
	rsm_text_add(&top->name, name);
	if (objects->depth > 1) {
		if (!*name)
			return rsm_err_set(err, EBADMSG, "<name> cannot be empty");
		if (count_points(name) > NAME_POINTS_MAX)
			return rsm_err_set(err, EBADMSG, "a name has more than %d characters",
					   NAME_POINTS_MAX);
		make_harmless(&top->name);
	}
	return top->name.failed ? rsm_err_oom(err) : 0;
}

/* The target stays as it is, not normalised: nobody but the reader of the link resolves it. */
int rsm_ltfs_objects_target(struct rsm_ltfs_objects *objects, struct rsm_text *text, bool encoded,
			    struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	int r = decode(text, encoded, "link target", err);

	if (r < 0)
		return r;
	if (!text->length)
		return rsm_err_set(err, EBADMSG, "<symlink> cannot be empty");
	rsm_text_reset(&top->target);
	rsm_text_append(&top->target, text->data, text->length);
	top->linked = true;
	return top->target.failed ? rsm_err_oom(err) : 0;
}

int rsm_ltfs_objects_uid(struct rsm_ltfs_objects *objects, uint64_t uid, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);

	if (uid == 0)
		return rsm_err_set(err, EBADMSG, "<fileuid> cannot be 0");
	if (objects->depth == 1 && uid != 1)
		return rsm_err_set(err, EBADMSG, "the root's <fileuid> is %llu, not 1",
				   (unsigned long long)uid);
	if (objects->depth > 1 && uid == 1 &&
	    (top->node.kind == RSM_NODE_FOLDER || objects->incremental))
		return rsm_err_set(err, EBADMSG, "another %s has the root's <fileuid>",
				   top->node.kind == RSM_NODE_FOLDER ? "folder" : "object");
	if (objects->depth > 1 && uid == 1)
		uid = 0; /* a file with the root's: it gets one of its own */
	if (uid > objects->highest_uid)
		objects->highest_uid = uid;
	top->node.uid = uid;
	top->late = top->inserted;
	return 0;
}

/* ---- extended attributes ---- */

int rsm_ltfs_objects_key(struct rsm_text *text, bool encoded, struct rsm_err *err)
{
	int r = decode(text, encoded, "key", err);

	if (r < 0)
		return r;
	if (!text->length || text->length > RSM_LTFS_KEY_MAX)
		return rsm_err_set(err, EBADMSG, "<key> cannot %s",
				   text->length ? "be so long" : "be empty");
	return 0;
}

/* Outcome 1: an ordinary attribute. */
static int take_vendor_key(struct rsm_ltfs_objects *objects, const char *key, const char *value,
			   size_t length, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	struct rsm_unix_owner owner;

	if (objects->depth == 1 || strncmp(key, RSM_KEY_VENDOR, strlen(RSM_KEY_VENDOR)) != 0)
		return 1;
	if (!strcmp(key, RSM_KEY_UNIX)) {
		if (top->node.flags & RSM_NODE_HAS_UNIX)
			return 0; /* of doubled keys the first counts */
		if (!rsm_unix_owner_parse(&objects->names, value, length, &owner))
			return 1;
		top->node.mode = owner.mode;
		top->node.owner = owner.owner;
		top->node.group = owner.group;
		top->node.flags |= RSM_NODE_HAS_UNIX;
	} else if (!strcmp(key, RSM_KEY_NAME)) {
		if (length > RSM_LTFS_KEY_MAX || memchr(value, '\0', length))
			return 1;
		rsm_text_reset(&top->exact);
		rsm_text_append(&top->exact, value, length);
		if (top->exact.failed)
			return rsm_err_oom(err);
	} else {
		return 1;
	}
	top->late = top->inserted;
	return 0;
}

int rsm_ltfs_objects_xattr(struct rsm_ltfs_objects *objects, const char *key, const char *value,
			   size_t length, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	struct rsm_ltfs_xattr *xattr;
	int r = take_vendor_key(objects, key, value, length, err);

	if (r <= 0)
		return r;
	if (!(top->node.flags & RSM_NODE_HAS_XATTRS)) {
		top->node.flags |= RSM_NODE_HAS_XATTRS;
		top->late = top->inserted;
	}
	if (!objects->loader)
		return 0;
	if (top->inserted)
		return rsm_index_loader_xattr(objects->loader, top->node.id, key, value, length,
					      err);
	r = grow(&objects->xattrs, &objects->xattr_room, objects->xattr_count,
		 sizeof *objects->xattrs, err);
	if (r < 0)
		return r;
	xattr = &objects->xattrs[objects->xattr_count++];
	if (!objects->place && !strcmp(key, RSM_KEY_HASH))
		objects->place = objects->xattr_count;
	xattr->key = objects->bytes.length;
	rsm_text_append(&objects->bytes, key, strlen(key) + 1);
	xattr->value = objects->bytes.length;
	xattr->length = length;
	rsm_text_append(&objects->bytes, value, length);
	if (objects->bytes.length > RSM_LTFS_OBJECT_MAX)
		return rsm_err_set(err, EBADMSG, "the attributes of one object are too large");
	return objects->bytes.failed ? rsm_err_oom(err) : 0;
}

int rsm_ltfs_objects_hand_over(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	uint64_t id = rsm_ltfs_objects_top(objects)->node.id;
	const char *bytes = objects->bytes.data;
	int r = 0;

	for (size_t i = 0; !r && i < objects->xattr_count; i++) {
		const struct rsm_ltfs_xattr *xattr = &objects->xattrs[i];

		r = rsm_index_loader_xattr(objects->loader, id, bytes + xattr->key,
					   bytes + xattr->value, xattr->length, err);
	}
	objects->xattr_count = 0;
	reuse(&objects->bytes);
	return r;
}

int rsm_ltfs_objects_part(struct rsm_ltfs_objects *objects, const char *place, struct rsm_text *xml,
			  struct rsm_err *err)
{
	struct rsm_text *parts = &rsm_ltfs_objects_top(objects)->parts;

	if (!xml->length)
		return 0;
	objects->unknown_bytes += rsm_ltfs_parts_add(parts, place, xml);
	rsm_text_reset(xml);
	return parts->failed ? rsm_err_oom(err) : 0;
}

/* ---- extents ---- */

int rsm_ltfs_objects_extent(struct rsm_ltfs_objects *objects, const struct rsm_extent *extent,
			    struct rsm_err *err)
{
	int r;

	objects->has_extents = true;
	if (!extent->byte_count)
		return 0;
	if (extent->byte_count > INT64_MAX || extent->file_offset > INT64_MAX - extent->byte_count)
		return rsm_err_set(err, EBADMSG, "an extent ends beyond all files");
	r = grow(&objects->extents, &objects->extent_room, objects->extent_count,
		 sizeof *objects->extents, err);
	if (r < 0)
		return r;
	objects->extents[objects->extent_count] = *extent;
	objects->extents[objects->extent_count++].indexed = true;
	return 0;
}

static int compare_extents(const void *one, const void *other)
{
	const struct rsm_extent *a = one, *b = other;

	return (a->file_offset > b->file_offset) - (a->file_offset < b->file_offset);
}

int rsm_ltfs_objects_check_extents(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_node *node = &rsm_ltfs_objects_top(objects)->node;
	struct rsm_extent *extents = objects->extents;
	size_t count = objects->extent_count;
	uint64_t end = 0;

	for (size_t i = 1; i < count; i++) {
		if (extents[i].file_offset < extents[i - 1].file_offset) {
			qsort(extents, count, sizeof *extents, compare_extents);
			break;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (extents[i].file_offset < end)
			return rsm_err_set(err, EBADMSG, "two extents of a file overlap at %llu",
					   (unsigned long long)extents[i].file_offset);
		end = extents[i].file_offset + extents[i].byte_count;
		/* what the drive would be asked for cannot be data of a file: this file is lost,
		 * the others are not */
		if (extents[i].start_block < FIRST_DATA_BLOCK ||
		    extents[i].start_block > INT64_MAX || extents[i].byte_offset > INT64_MAX)
			node->flags |= RSM_NODE_DAMAGED;
	}
	if (end > node->size)
		return rsm_err_set(err, EBADMSG, "<length> %llu is less than the extents' end %llu",
				   (unsigned long long)node->size, (unsigned long long)end);
	return 0;
}

/* ---- into the loader ---- */

/* Replaces the NFC name by the exact one if they are the same name. One that does not match is
 * stale: other software has renamed the object.
 */
static int settle_name(struct rsm_ltfs_object *top, struct rsm_err *err)
{
	RSM_FREE char *nfc = NULL;
	int r;

	if (!top->exact.length || !top->name.length)
		return 0;
	r = rsm_name_nfc(top->exact.data, &nfc, NULL);
	if (r == -ENOMEM)
		return rsm_err_oom(err);
	if (r == 0 && !strcmp(nfc, top->name.data) && top->exact.length <= RSM_NODE_NAME_MAX) {
		rsm_text_reset(&top->name);
		rsm_text_append(&top->name, top->exact.data, top->exact.length);
		if (top->name.failed)
			return rsm_err_oom(err);
	}
	rsm_text_reset(&top->exact);
	return 0;
}

/* Other software knows of permissions only whether it may write. Where that contradicts the mode
 * beside it, it was changed since.
 */
static void settle_mode(struct rsm_node *node)
{
	if (node->kind == RSM_NODE_LINK || !(node->flags & RSM_NODE_HAS_UNIX))
		return;
	if (node->flags & RSM_NODE_READONLY)
		node->mode &= ~0222u;
	else if (!(node->mode & 0222))
		node->mode |= 0200;
}

int rsm_ltfs_objects_settle(struct rsm_ltfs_object *top, struct rsm_err *err)
{
	int r = settle_name(top, err);

	settle_mode(&top->node);
	return r;
}

/* A digest that is of these contents is noted as such. One that is not keeps the text that tells
 * what it was of: other software has changed the file.
 */
void rsm_ltfs_objects_settle_hash(struct rsm_ltfs_objects *objects)
{
	struct rsm_node *node = &rsm_ltfs_objects_top(objects)->node;
	const struct rsm_ltfs_xattr *place;
	enum rsm_digest_kind kind;

	if (!objects->place)
		return;
	place = &objects->xattrs[objects->place - 1];
	kind = rsm_hash_place_match(objects->bytes.data + place->value, place->length, node->size,
				    objects->extents, objects->extent_count);
	if (kind == RSM_DIGEST_NONE)
		return;
	node->flags |= (uint32_t)kind * (RSM_NODE_MEASURED / 7);
	rsm_ltfs_objects_drop_hash_place(objects);
}

bool rsm_ltfs_objects_drop_hash_place(struct rsm_ltfs_objects *objects)
{
	struct rsm_ltfs_xattr *place;

	if (!objects->place)
		return false;
	place = &objects->xattrs[objects->place - 1];
	objects->xattr_count--;
	memmove(place, place + 1, (objects->xattr_count + 1 - objects->place) * sizeof *place);
	objects->place = 0;
	return true;
}

int rsm_ltfs_objects_insert(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	bool root = objects->depth == 1;
	const char *name = root ? "" : top->name.length ? top->name.data : "unnamed";
	int r;

	top->inserted = true;
	if (!objects->loader)
		return 0;
	r = rsm_index_loader_node(objects->loader, top->node.parent, name, &top->node,
				  top->linked ? top->target.data : NULL, objects->extents,
				  objects->extent_count, err);
	if (r)
		return rsm_err_fold(err, r, "loading a volume index");
	if (top->node.uid > objects->highest_uid)
		objects->highest_uid = top->node.uid;
	return rsm_ltfs_objects_hand_over(objects, err);
}

int rsm_ltfs_objects_open(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	int r;

	if (objects->incremental)
		return rsm_ltfs_change_open(objects, err);
	r = rsm_ltfs_objects_settle(top, err);
	return r ? r : rsm_ltfs_objects_insert(objects, err);
}

static int finish_folder(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	int r = rsm_ltfs_objects_settle(top, err);

	if (r || !top->late || !objects->loader)
		return r;
	return rsm_index_loader_update(objects->loader, &top->node,
				       objects->depth == 1 ? "" : top->name.data, err);
}

/* A link that has extents, too (19.1, "symlink conflict"): a writer's mistake, of which it is not
 * known what it should have been. It becomes both; the file is the second of its name.
 */
static int split_link(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	struct rsm_node file = top->node;
	size_t count = objects->extent_count;
	int r;

	for (size_t i = 0; i < count; i++) {
		uint64_t end;

		if (__builtin_add_overflow(objects->extents[i].file_offset,
					   objects->extents[i].byte_count, &end))
			return rsm_err_set(err, EBADMSG, "an extent is too long");
		if (end > file.size)
			file.size = end;
	}
	top->node.size = file.size;
	r = rsm_ltfs_objects_check_extents(objects, err);
	if (r)
		return r;
	file.flags = top->node.flags & ~(RSM_NODE_HAS_XATTRS | RSM_NODE_HAS_UNKNOWN);
	file.uid = 0; /* one is given */
	top->node.kind = RSM_NODE_LINK;
	top->node.flags &= ~(uint32_t)RSM_NODE_DAMAGED;
	top->node.size = top->target.length;
	r = rsm_ltfs_objects_settle(top, err);
	objects->extent_count = 0;
	if (!r)
		r = rsm_ltfs_objects_insert(objects, err);
	if (!r && objects->loader)
		r = rsm_index_loader_node(objects->loader, top->node.parent,
					  top->name.length ? top->name.data : "unnamed", &file,
					  NULL, objects->extents, count, err);
	return r > 0 ? rsm_err_fold(err, r, "loading a volume index") : r;
}

static int finish_file(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	int r;

	if (top->linked && objects->extent_count)
		return split_link(objects, err);
	if (top->linked) {
		top->node.kind = RSM_NODE_LINK;
		top->node.size = top->target.length;
	}
	r = rsm_ltfs_objects_check_extents(objects, err);
	if (!r && !top->linked)
		rsm_ltfs_objects_settle_hash(objects);
	if (!r)
		r = rsm_ltfs_objects_settle(top, err);
	return r ? r : rsm_ltfs_objects_insert(objects, err);
}

int rsm_ltfs_objects_pop(struct rsm_ltfs_objects *objects, struct rsm_err *err)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(objects);
	int r;

	if (top->parts.length)
		rsm_text_append(&top->unknown, top->parts.data, top->parts.length);
	if (top->unknown.failed)
		return rsm_err_oom(err);
	if (top->unknown.length)
		top->node.flags |= RSM_NODE_HAS_UNKNOWN;
	if (top->unknown.length && top->inserted)
		top->late = true;
	r = objects->incremental		? rsm_ltfs_change_finish(objects, err)
	    : top->node.kind == RSM_NODE_FOLDER ? finish_folder(objects, err)
						: finish_file(objects, err);
	if (!r && top->unknown.length && top->inserted && objects->loader)
		r = rsm_index_loader_unknown(objects->loader, top->node.id, top->unknown.data, err);
	objects->unknown_bytes -= top->unknown.length;
	objects->depth--;
	return r;
}
