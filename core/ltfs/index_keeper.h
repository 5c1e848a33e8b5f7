/* index_keeper.h - keeps elements that are not rsmfs's to understand as XML text, so that a
 * rewritten index has them still. Private to the index reader.
 */
#ifndef RSM_CORE_LTFS_INDEX_KEEPER_H
#define RSM_CORE_LTFS_INDEX_KEEPER_H

#include "core/ltfs/xml.h"

enum {
	RSM_LTFS_KEPT_MAX = 64 * 1024 * 1024, /* bytes kept of an index at one time */
	RSM_LTFS_KEPT_DEPTH_MAX = 4096,
};

struct rsm_ltfs_keeper {
	struct rsm_xml *xml;
	size_t *total;	       /* bytes that are kept at the time, wherever */
	unsigned depth;	       /* 0: not within such an element */
	struct rsm_text *into; /* NULL: the element is only passed over */
	unsigned hole;	       /* depth within a part of it that cannot be kept */

	/* a placement policy is kept as it is, but has to be one */
	bool policy, in_text;
	unsigned criteria, sizes;
	struct rsm_text text;
};

void rsm_ltfs_keeper_fini(struct rsm_ltfs_keeper *keeper);

/* An element begins: this call, and then _start with the element itself. */
void rsm_ltfs_keeper_begin(struct rsm_ltfs_keeper *keeper, struct rsm_text *into, bool policy);
void rsm_ltfs_keeper_start(struct rsm_ltfs_keeper *keeper, const XML_Char *name,
			   const XML_Char **attributes);
void rsm_ltfs_keeper_text(struct rsm_ltfs_keeper *keeper, const XML_Char *text, size_t length);
void rsm_ltfs_keeper_end(struct rsm_ltfs_keeper *keeper, const XML_Char *name);

#endif
