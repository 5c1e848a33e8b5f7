/* index_object.h - what an index reader has gathered of the folders it is in and of the file it is
 * at, and how that goes into a volume index loader. Private to the reader.
 *
 * A folder is inserted when its <contents> begins, since its children need it, with what is known
 * by then; what comes later is laid on at its end. Memory: the open folders, one object's
 * attributes and extents.
 */
#ifndef RSM_CORE_LTFS_INDEX_OBJECT_H
#define RSM_CORE_LTFS_INDEX_OBJECT_H

#include "core/ltfs/value.h"
#include "core/volume_index.h"

enum {
	RSM_LTFS_DEPTH_MAX = 4096,	       /* folders within folders */
	RSM_LTFS_KEY_MAX = 4096,	       /* bytes of a name or key */
	RSM_LTFS_VALUE_MAX = 64 * 1024 * 1024, /* bytes of an attribute's value as it stands */
	RSM_LTFS_OBJECT_MAX = 4 * RSM_LTFS_VALUE_MAX, /* of all attributes of an object */
};

/* Bits of `given`: an element of an object. */
#define RSM_LTFS_GIVEN(element) (1U << ((element)-FIRST_OF_OBJECT))
enum { RSM_LTFS_GIVEN_XATTRS = 1 << 24, RSM_LTFS_GIVEN_EXTENTS = 1 << 25 };

struct rsm_ltfs_object {
	struct rsm_node node;
	uint32_t seen;	     /* elements, a bit each; the reader's */
	uint32_t given;	     /* the same in bits that mean the same in folders and files */
	const char *missing; /* of an incremental index: a full one would need this element */
	uint64_t found_uid;  /* likewise: of the folder when its contents began */
	uint64_t found_size; /* likewise: of the file, before it is changed */
	bool changes;	     /* likewise: it was there before */
	bool inserted;	     /* the loader knows it */
	bool late;	     /* something came after that */
	bool has_backup_time;
	bool linked;		 /* has a link target */
	struct rsm_text name;	 /* NFC; of the root: the volume's name */
	struct rsm_text exact;	 /* the name as its creator spelled it; empty: none */
	struct rsm_text target;	 /* of a link */
	struct rsm_text unknown; /* elements that nobody knows, as XML */
	struct rsm_text parts;	 /* the same within its parts, index_parts.h */
};

struct rsm_ltfs_objects {
	struct rsm_index_loader *loader; /* or NULL */
	bool incremental;		 /* index_change.h */
	uint64_t highest_uid;
	size_t unknown_bytes; /* in all of the stack, and what is under way */
	struct rsm_ltfs_object *stack;
	size_t depth, room;
	struct rsm_ltfs_xattr {
		size_t key, value, length; /* offsets into bytes */
	} * xattrs;			   /* of the top object, not yet handed over */
	size_t xattr_count, xattr_room;
	struct rsm_text bytes;
	size_t place; /* of RSM_KEY_HASH among xattrs, counted from 1; 0: it is not there */
	struct rsm_extent *extents; /* of the file on top */
	size_t extent_count, extent_room;
	bool has_extents; /* also when all of them were empty */
	struct rsm_unix_names names;
};

void rsm_ltfs_objects_fini(struct rsm_ltfs_objects *objects);

/* Begins a folder or file in the folder on top (or the root). */
RSM_MUST_CHECK int rsm_ltfs_objects_push(struct rsm_ltfs_objects *objects, bool folder,
					 struct rsm_err *err);

static inline struct rsm_ltfs_object *rsm_ltfs_objects_top(struct rsm_ltfs_objects *objects)
{
	return &objects->stack[objects->depth - 1];
}

/* Texts as they stood in the element; changed in place. */
RSM_MUST_CHECK int rsm_ltfs_objects_name(struct rsm_ltfs_objects *objects, struct rsm_text *text,
					 bool encoded, struct rsm_err *err);
RSM_MUST_CHECK int rsm_ltfs_objects_target(struct rsm_ltfs_objects *objects, struct rsm_text *text,
					   bool encoded, struct rsm_err *err);
RSM_MUST_CHECK int rsm_ltfs_objects_uid(struct rsm_ltfs_objects *objects, uint64_t uid,
					struct rsm_err *err);
/* Decodes a key; -EBADMSG: not a key. */
RSM_MUST_CHECK int rsm_ltfs_objects_key(struct rsm_text *text, bool encoded, struct rsm_err *err);
RSM_MUST_CHECK int rsm_ltfs_objects_xattr(struct rsm_ltfs_objects *objects, const char *key,
					  const char *value, size_t length, struct rsm_err *err);
/* Unknown elements of a part of the top; `xml` is left empty. */
RSM_MUST_CHECK int rsm_ltfs_objects_part(struct rsm_ltfs_objects *objects, const char *place,
					 struct rsm_text *xml, struct rsm_err *err);
RSM_MUST_CHECK int rsm_ltfs_objects_extent(struct rsm_ltfs_objects *objects,
					   const struct rsm_extent *extent, struct rsm_err *err);

/* ---- for index_change.c ---- */

/* Sorts and checks the extents that were gathered for the file on top. */
RSM_MUST_CHECK int rsm_ltfs_objects_check_extents(struct rsm_ltfs_objects *objects,
						  struct rsm_err *err);
/* Exact name and mode, from what is known of them. */
RSM_MUST_CHECK int rsm_ltfs_objects_settle(struct rsm_ltfs_object *top, struct rsm_err *err);
RSM_MUST_CHECK int rsm_ltfs_objects_insert(struct rsm_ltfs_objects *objects, struct rsm_err *err);
/* Of a file whose extents were checked: is its checksum of these contents? */
void rsm_ltfs_objects_settle_hash(struct rsm_ltfs_objects *objects);
/* The text that tells what the checksum is of is not kept; false: there was none. */
bool rsm_ltfs_objects_drop_hash_place(struct rsm_ltfs_objects *objects);
/* The attributes that were gathered become the top's, which the loader knows. */
RSM_MUST_CHECK int rsm_ltfs_objects_hand_over(struct rsm_ltfs_objects *objects,
					      struct rsm_err *err);

/* ---- in both kinds of indexes ---- */

/* The folder's children begin. */
RSM_MUST_CHECK int rsm_ltfs_objects_open(struct rsm_ltfs_objects *objects, struct rsm_err *err);
/* The object on top is complete: all required elements were there. */
RSM_MUST_CHECK int rsm_ltfs_objects_pop(struct rsm_ltfs_objects *objects, struct rsm_err *err);

#endif
