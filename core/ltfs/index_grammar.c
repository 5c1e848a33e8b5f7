#include "core/ltfs/index_grammar.h"

/* clang-format off */
#define RULES_OF_HEADER                                                  \
	{ "creator", CREATOR, NEEDED },                                  \
	{ "comment", COMMENT, OPTIONAL },                                \
	{ "volumeuuid", VOLUME_UUID, NEEDED },                           \
	{ "generationnumber", GENERATION, NEEDED },                      \
	{ "updatetime", UPDATE_TIME, NEEDED },                           \
	{ "location", LOCATION, NEEDED },                                \
	{ "previousgenerationlocation", BACK_LOCATION, OPTIONAL }

#define RULES_OF_OBJECT                                                  \
	{ "name", NAME, NEEDED },                                        \
	{ "readonly", READONLY, NEEDED },                                \
	{ "creationtime", CREATED, NEEDED },                             \
	{ "changetime", CHANGED, NEEDED },                               \
	{ "modifytime", MODIFIED, NEEDED },                              \
	{ "accesstime", ACCESSED, NEEDED },                              \
	{ "backuptime", BACKED_UP, NEEDED_FROM_2 },                      \
	{ "fileuid", UID, NEEDED_FROM_2 },                               \
	{ "extendedattributes", XATTRS, OPTIONAL },                      \
	{ "deleted", DELETED, CHANGE_ONLY }

static const struct rsm_ltfs_rule of_document[] = {
	{ "ltfsindex", INDEX, OPTIONAL },
	{ "ltfsincrementalindex", INCREMENTAL, OPTIONAL },
};

static const struct rsm_ltfs_rule of_index[] = {
	RULES_OF_HEADER,
	{ "previousincrementallocation", IGNORED, OPTIONAL },
	{ "allowpolicyupdate", ALLOW_POLICY_UPDATE, NEEDED },
	{ "dataplacementpolicy", POLICY, OPTIONAL },
	{ "highestfileuid", HIGHEST_UID, NEEDED_FROM_2 },
	{ "volumelockstate", LOCK, OPTIONAL },
	{ "directory", DIRECTORY, NEEDED },
};

static const struct rsm_ltfs_rule of_incremental[] = {
	RULES_OF_HEADER,
	{ "previousincrementallocation", BACK_INCREMENTAL, OPTIONAL },
	{ "highestfileuid", HIGHEST_UID, NEEDED },
	{ "volumelockstate", LOCK, OPTIONAL },
	{ "directory", DIRECTORY, NEEDED },
};

static const struct rsm_ltfs_rule of_location[] = {
	{ "partition", PLACE_PARTITION, NEEDED },
	{ "startblock", PLACE_BLOCK, NEEDED },
};

static const struct rsm_ltfs_rule of_directory[] = {
	RULES_OF_OBJECT,
	{ "contents", CONTENTS, NEEDED },
};

static const struct rsm_ltfs_rule of_file[] = {
	RULES_OF_OBJECT,
	{ "length", LENGTH, NEEDED },
	{ "openforwrite", OPEN_FOR_WRITE, OPTIONAL },
	{ "symlink", SYMLINK, OPTIONAL },
	{ "extentinfo", EXTENTS, OPTIONAL },
};

static const struct rsm_ltfs_rule of_contents[] = {
	{ "directory", DIRECTORY, MANY },
	{ "file", PLAIN_FILE, MANY },
};

static const struct rsm_ltfs_rule of_xattrs[] = {
	{ "xattr", XATTR, MANY },
};

static const struct rsm_ltfs_rule of_xattr[] = {
	{ "key", KEY, NEEDED },
	{ "value", VALUE, NEEDED },
};

static const struct rsm_ltfs_rule of_extents[] = {
	{ "extent", EXTENT, MANY },
};

static const struct rsm_ltfs_rule of_extent[] = {
	{ "fileoffset", FILE_OFFSET, NEEDED_FROM_2 },
	{ "partition", EXTENT_PARTITION, NEEDED },
	{ "startblock", EXTENT_BLOCK, NEEDED },
	{ "byteoffset", BYTE_OFFSET, NEEDED },
	{ "bytecount", BYTE_COUNT, NEEDED },
};

#define TABLE(list) { list, sizeof(list) / sizeof((list)[0]) }

const struct rsm_ltfs_rules rsm_ltfs_index_grammar[PARENTS] = {
	[DOCUMENT] = TABLE(of_document),
	[INDEX] = TABLE(of_index),
	[INCREMENTAL] = TABLE(of_incremental),
	[LOCATION] = TABLE(of_location),
	[BACK_LOCATION] = TABLE(of_location),
	[BACK_INCREMENTAL] = TABLE(of_location),
	[DIRECTORY] = TABLE(of_directory),
	[PLAIN_FILE] = TABLE(of_file),
	[CONTENTS] = TABLE(of_contents),
	[XATTRS] = TABLE(of_xattrs),
	[XATTR] = TABLE(of_xattr),
	[EXTENTS] = TABLE(of_extents),
	[EXTENT] = TABLE(of_extent),
};
/* clang-format on */

static void relax(enum rsm_ltfs_element object, uint32_t *needed, uint32_t *of_new)
{
	const struct rsm_ltfs_rules *table = &rsm_ltfs_index_grammar[object];

	*of_new = *needed;
	*needed = 0;
	for (size_t i = 0; i < table->count; i++) {
		if (table->rules[i].self == NAME)
			*needed |= 1U << i;
		/* the text of the format says of these that they may be there */
		if (table->rules[i].self == ACCESSED || table->rules[i].self == BACKED_UP)
			*of_new &= ~(1U << i);
	}
}

void rsm_ltfs_index_needed(unsigned version, bool incremental, uint32_t ret_needed[PARENTS],
			   uint32_t ret_of_new[PARENTS])
{
	for (size_t parent = 0; parent < PARENTS; parent++) {
		ret_needed[parent] = ret_of_new[parent] = 0;
		for (size_t i = 0; i < rsm_ltfs_index_grammar[parent].count; i++) {
			enum rsm_ltfs_need need = rsm_ltfs_index_grammar[parent].rules[i].need;

			if (need == NEEDED || (need == NEEDED_FROM_2 && version >= 20000))
				ret_needed[parent] |= 1U << i;
		}
	}
	if (!incremental)
		return;
	relax(DIRECTORY, &ret_needed[DIRECTORY], &ret_of_new[DIRECTORY]);
	relax(PLAIN_FILE, &ret_needed[PLAIN_FILE], &ret_of_new[PLAIN_FILE]);
}
