/* incremental.h - incremental indexes as tests write them, and a volume index as one line of text.
 */
#ifndef RSM_TESTS_CORE_INCREMENTAL_H
#define RSM_TESTS_CORE_INCREMENTAL_H

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "core/ltfs/index_reader.h"
#include "core/volume_index.h"
#include "tests/base/test.h"

#define UUID "0a1b2c3d-4e5f-4789-8abc-def012345678"
#define TIME(year)                                                                                 \
	"<creationtime>" year "-01-01T00:00:00.000000001Z</creationtime>"                          \
	"<changetime>" year "-01-01T00:00:00.000000002Z</changetime>"                              \
	"<modifytime>" year "-01-01T00:00:00.000000003Z</modifytime>"                              \
	"<accesstime>" year "-01-01T00:00:00.000000004Z</accesstime>"                              \
	"<backuptime>" year "-01-01T00:00:00.000000005Z</backuptime>"
#define NAME(name)	  "<name>" name "</name>"
#define UID(uid)	  "<fileuid>" #uid "</fileuid>"
#define OBJECT(name, uid) NAME(name) "<readonly>false</readonly>" TIME("2020") UID(uid)
#define FOLDER(inside)	  "<directory>" inside "</directory>"
#define CONTENTS(inside)  "<contents>" inside "</contents>"
#define PLAIN(inside)	  "<file>" inside "</file>"
#define LENGTH(length)	  "<length>" #length "</length>"
#define EXTENT(offset, block, count)                                                               \
	"<extent><fileoffset>" #offset "</fileoffset><partition>b</partition><startblock>" #block  \
	"</startblock><byteoffset>0</byteoffset><bytecount>" #count "</bytecount></extent>"
#define EXTENTS(list)	  "<extentinfo>" list "</extentinfo>"
#define XATTRS(list)	  "<extendedattributes>" list "</extendedattributes>"
#define XATTR(key, value) "<xattr><key>" key "</key><value>" value "</value></xattr>"
#define GONE(kind, name)  "<" kind "><name>" name "</name><deleted/></" kind ">"
/* a file, and a folder that only leads to something */
#define FULL_FILE(name, uid) PLAIN(OBJECT(name, uid) LENGTH(10) EXTENTS(EXTENT(0, 5, 10)))
#define LEAD(name, inside)   FOLDER(NAME(name) CONTENTS(inside))
#define AT(partition, block)                                                                       \
	"<partition>" partition "</partition><startblock>" block "</startblock>"
#define HEADER                                                                                     \
	"<creator>test</creator><volumeuuid>" UUID                                                 \
	"</volumeuuid><generationnumber>7</generationnumber>"                                      \
	"<updatetime>2026-01-02T03:04:05.000000006Z</updatetime><location>" AT("b",                \
									       "5") "</location>"
#define FULL(inside)                                                                               \
	"<ltfsindex version=\"2.5.0\">" HEADER                                                     \
	"<allowpolicyupdate>true</allowpolicyupdate><highestfileuid>99</highestfileuid>" FOLDER(   \
		OBJECT("vol", 1) CONTENTS(inside)) "</ltfsindex>"
#define CHANGES(directory)                                                                         \
	"<ltfsincrementalindex version=\"2.5.0\">" HEADER "<previousgenerationlocation>" AT(       \
		"b", "4") "</previousgenerationlocation><highestfileuid>99</highestfileuid>"       \
			  "<directory>" directory "</directory></ltfsincrementalindex>"
#define CHANGE(inside) CHANGES(NAME("vol") CONTENTS(inside))

/* "name=uid:size", "name=uid>target", "name=uid/ ... <" in order of name; damaged ones with "!". */
static inline void shape_of(struct rsm_volume_index *index, struct rsm_text *text)
{
	RSM_CLEANUP(rsm_index_snapshot_close) struct rsm_index_snapshot *snapshot = NULL;
	struct rsm_snapshot_node at;
	struct rsm_err err;
	int r;

	assert_done(rsm_volume_index_snapshot(index, &snapshot, &err), &err);
	while ((r = rsm_index_snapshot_walk(snapshot, &at, &err)) != RSM_WALK_END) {
		if (r < 0)
			fail_msg("%s", err.msg);
		if (r == RSM_WALK_LEAVE)
			rsm_text_add(text, "< ");
		else if (at.node.id != RSM_NODE_ROOT)
			rsm_text_printf(text, "%s=%d", at.name, (int)at.node.uid);
		if (r == RSM_WALK_ENTER)
			rsm_text_add(text, at.node.id == RSM_NODE_ROOT ? "" : "/ ");
		else if (r == RSM_WALK_LEAF && at.node.kind == RSM_NODE_LINK)
			rsm_text_printf(text, ">%s ", at.link_target);
		else if (r == RSM_WALK_LEAF)
			rsm_text_printf(text, ":%d ", (int)at.node.size);
	}
	text->length -= 2; /* the root's end */
	text->data[text->length] = '\0';
}

#endif
