/* index_grammar.h - which elements an LTFS index has, and which of them must be there
 * (ltfs-format.md 7.2). Private to the reader.
 *
 * An element's place in its parent's table is its bit in what the reader has seen of the parent.
 * Elements that no table has are kept as XML where a writer can put them back (below ltfsindex,
 * directory, file), else passed over.
 */
#ifndef RSM_CORE_LTFS_INDEX_GRAMMAR_H
#define RSM_CORE_LTFS_INDEX_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rsm_ltfs_element {
	DOCUMENT,
	INDEX,
	INCREMENTAL,
	LOCATION,
	BACK_LOCATION,
	BACK_INCREMENTAL,
	DIRECTORY,
	PLAIN_FILE,
	CONTENTS,
	XATTRS,
	XATTR,
	EXTENTS,
	EXTENT,
	PARENTS,	   /* from here on: no elements within */
	IGNORED = PARENTS, /* with all that is in it */
	POLICY,		   /* kept as XML */
	FIRST_TEXT,
	CREATOR = FIRST_TEXT,
	COMMENT,
	VOLUME_UUID,
	GENERATION,
	UPDATE_TIME,
	ALLOW_POLICY_UPDATE,
	HIGHEST_UID,
	LOCK,
	PLACE_PARTITION,
	PLACE_BLOCK,
	FIRST_OF_OBJECT,
	NAME = FIRST_OF_OBJECT,
	READONLY,
	CREATED,
	CHANGED,
	MODIFIED,
	ACCESSED,
	BACKED_UP,
	UID,
	LENGTH,
	OPEN_FOR_WRITE,
	SYMLINK,
	DELETED,
	FIRST_OF_PART,
	KEY = FIRST_OF_PART,
	VALUE,
	FILE_OFFSET,
	EXTENT_PARTITION,
	EXTENT_BLOCK,
	BYTE_OFFSET,
	BYTE_COUNT,
	UNKNOWN,
};

/* CHANGE_ONLY: in incremental indexes only, else unknown. */
enum rsm_ltfs_need { OPTIONAL, NEEDED, NEEDED_FROM_2, MANY, CHANGE_ONLY };

struct rsm_ltfs_rule {
	const char *name;
	enum rsm_ltfs_element self;
	enum rsm_ltfs_need need;
};

struct rsm_ltfs_rules {
	const struct rsm_ltfs_rule *rules;
	size_t count;
};
extern const struct rsm_ltfs_rules rsm_ltfs_index_grammar[PARENTS];

/* Which elements an index of that version has to have, by bits. In an incremental one, an object
 * that is changed has its name and whatever changed; one that is new has it all (`of_new`).
 */
void rsm_ltfs_index_needed(unsigned version, bool incremental, uint32_t ret_needed[PARENTS],
			   uint32_t ret_of_new[PARENTS]);

#endif
