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

struct rsm_ltfs_object {
	struct rsm_node node;
	uint32_t seen; /* elements, a bit each; the reader's */
	bool inserted; /* the loader knows it */
	bool late;     /* something came after that */
	bool has_backup_time;
	bool linked;		 /* has a link target */
	struct rsm_text name;	 /* NFC; of the root: the volume's name */
	struct rsm_text exact;	 /* the name as its creator spelled it; empty: none */
	struct rsm_text target;	 /* of a link */
	struct rsm_text unknown; /* elements that nobody knows, as XML */
};

struct rsm_ltfs_objects {
	struct rsm_index_loader *loader; /* or NULL */
	uint64_t highest_uid;
	size_t unknown_bytes; /* in all of the stack */
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
RSM_MUST_CHECK int rsm_ltfs_objects_extent(struct rsm_ltfs_objects *objects,
					   const struct rsm_extent *extent, struct rsm_err *err);

/* The folder's children begin. */
RSM_MUST_CHECK int rsm_ltfs_objects_open(struct rsm_ltfs_objects *objects, struct rsm_err *err);
/* The object on top is complete: all required elements were there. */
RSM_MUST_CHECK int rsm_ltfs_objects_pop(struct rsm_ltfs_objects *objects, struct rsm_err *err);

#endif
