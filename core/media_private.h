/* media_private.h - rows of media as media.c and medium_list.c read them. */
#ifndef RSM_CORE_MEDIA_PRIVATE_H
#define RSM_CORE_MEDIA_PRIVATE_H

#include "core/catalog_private.h"

/* A medium in a library that is not served now is off-line, wherever it will be again. */
#define RSM_MEDIUM_COLUMNS                                                                         \
	"s.id, s.guid, m.barcode, s.shown, m.media_type, ifnull(s.pool, 0), s.state, m.enabled, "  \
	"m.cleaner, iif(b.present, m.library, 0), iif(b.present, m.location, 0), "                 \
	"iif(b.present, m.element, 0), m.home_slot, s.label_type, s.label_info, s.volume_uuid, "   \
	"s.old_uuid, s.label_work, s.format_generation, s.index_generation, s.capacity, "          \
	"s.remaining, s.mounts, s.allocations, m.write_protected, s.health, s.duplicate, "         \
	"l.lmid, l.name, ifnull(l.mode, 511), l.owner, l.\"group\", ifnull(l.created, "            \
	"m.created), "                                                                             \
	"ifnull(l.modified, m.created), ifnull(l.changed, m.created), ifnull(l.priority, 0), "     \
	"s.medium, s.side_number"
#define RSM_MEDIUM_BY_SIDE                                                                         \
	" FROM side s CROSS JOIN medium m ON m.id = s.medium LEFT JOIN library b ON b.id = "       \
	"m.library LEFT JOIN logical_medium l ON l.id = s.logical "
#define RSM_MEDIUM_BY_LOGICAL                                                                      \
	" FROM logical_medium l CROSS JOIN side s ON s.logical = l.id CROSS JOIN medium m ON "     \
	"m.id = s.medium LEFT JOIN library b ON b.id = m.library "
#define RSM_MEDIUM_BY_MEDIUM                                                                       \
	" FROM medium m CROSS JOIN side s ON s.medium = m.id LEFT JOIN library b ON b.id = "       \
	"m.library LEFT JOIN logical_medium l ON l.id = s.logical "

/* A row of RSM_MEDIUM_COLUMNS. */
void rsm_medium_read_row(sqlite3_stmt *row, struct rsm_medium *medium);

#endif
