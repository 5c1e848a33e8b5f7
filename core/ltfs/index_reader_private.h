/* index_reader_private.h - the reader's state. Nobody but its files includes it.
 *
 * index_reader.c   elements, in their order and nesting
 * index_text.c     what stands in them
 * index_grammar.c, index_object.c, index_change.c, index_keeper.c, index_parts.c
 */
#ifndef RSM_CORE_LTFS_INDEX_READER_PRIVATE_H
#define RSM_CORE_LTFS_INDEX_READER_PRIVATE_H

#include "core/ltfs/index_grammar.h"
#include "core/ltfs/index_keeper.h"
#include "core/ltfs/index_object.h"
#include "core/ltfs/index_reader.h"
#include "core/ltfs/xml.h"

enum {
	RSM_LTFS_TEXT_MAX = 1024 * 1024, /* bytes of a text that is not an attribute's value */
	RSM_LTFS_NESTED_MAX = 2 * RSM_LTFS_DEPTH_MAX + 16,
};

struct rsm_ltfs_index_reader {
	struct rsm_xml xml;	  /* first: the handlers' user data */
	char uuid[RSM_UUID_SIZE]; /* "": any */
	struct rsm_ltfs_index_header header;
	unsigned version;
	bool at_tree; /* the root folder has begun */
	struct rsm_ltfs_objects objects;

	uint8_t path[RSM_LTFS_NESTED_MAX]; /* of enum rsm_ltfs_element */
	size_t depth;
	uint32_t seen[PARENTS]; /* of the open element of that kind; objects have their own */
	uint32_t needed[PARENTS];
	uint32_t needed_of_new[PARENTS]; /* objects of incremental indexes */
	bool expects_changes;
	uint8_t hint[PARENTS]; /* the rule that is likely to be next */

	struct rsm_text text; /* of the element that is open, if it is one with text */
	size_t text_max;      /* 0: it is not */
	bool encoded, base64;
	struct rsm_text key, value;
	struct rsm_text comment;
	struct rsm_extent extent;
	uint64_t extents_end; /* for versions whose extents follow each other */

	struct rsm_ltfs_keeper keeper; /* of elements that are not in the grammar */
	struct rsm_text unknown, policy;
	struct rsm_text part; /* unknown elements of the extent or attribute that is open */
};

static inline enum rsm_ltfs_element
rsm_ltfs_index_innermost(const struct rsm_ltfs_index_reader *reader)
{
	return reader->depth ? reader->path[reader->depth - 1] : DOCUMENT;
}

/* An element with text is over. */
void rsm_ltfs_index_take_text(struct rsm_ltfs_index_reader *reader, enum rsm_ltfs_element self,
			      const XML_Char *name);

#endif
