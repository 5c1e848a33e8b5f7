#include "core/ltfs/index_grammar.h"

/* clang-format off */
#define RULES_OF_HEADER                                                  \
	{ "creator", CREATOR, NEEDED },                                  \
	{ "comment", COMMENT, OPTIONAL },                                \
	{ "volumeuuid", VOLUME_UUID, NEEDED },                           \
	{ "generationnumber", GENERATION, NEEDED },                      \
	{ "updatetime", UPDATE_TIME, NEEDED },                           \
	{ "location", LOCATION, NEEDED },                                \
	{ "previousgenerationlocation", BACK_LOCATION, OPTIONAL },       \
	{ "previousincrementallocation", IGNORED, OPTIONAL }

#define RULES_OF_OBJECT                                                  \
	{ "name", NAME, NEEDED },                                        \
	{ "readonly", READONLY, NEEDED },                                \
	{ "creationtime", CREATED, NEEDED },                             \
	{ "changetime", CHANGED, NEEDED },                               \
	{ "modifytime", MODIFIED, NEEDED },                              \
	{ "accesstime", ACCESSED, NEEDED },                              \
	{ "backuptime", BACKED_UP, NEEDED_FROM_2 },                      \
	{ "fileuid", UID, NEEDED_FROM_2 },                               \
	{ "extendedattributes", XATTRS, OPTIONAL }

static const struct rsm_ltfs_rule of_document[] = {
	{ "ltfsindex", INDEX, OPTIONAL },
	{ "ltfsincrementalindex", INCREMENTAL, OPTIONAL },
};

static const struct rsm_ltfs_rule of_index[] = {
	RULES_OF_HEADER,
	{ "allowpolicyupdate", ALLOW_POLICY_UPDATE, NEEDED },
	{ "dataplacementpolicy", POLICY, OPTIONAL },
	{ "highestfileuid", HIGHEST_UID, NEEDED_FROM_2 },
	{ "volumelockstate", LOCK, OPTIONAL },
	{ "directory", DIRECTORY, NEEDED },
};

static const struct rsm_ltfs_rule of_incremental[] = {
	RULES_OF_HEADER,
	{ "highestfileuid", HIGHEST_UID, NEEDED },
	{ "volumelockstate", LOCK, OPTIONAL },
	{ "directory", IGNORED, NEEDED },
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
	[DIRECTORY] = TABLE(of_directory),
	[PLAIN_FILE] = TABLE(of_file),
	[CONTENTS] = TABLE(of_contents),
	[XATTRS] = TABLE(of_xattrs),
	[XATTR] = TABLE(of_xattr),
	[EXTENTS] = TABLE(of_extents),
	[EXTENT] = TABLE(of_extent),
};
