/* recognise.h - whose label is this? What the first records of a medium say (rsm-model.md 5).
 *
 * Bytes in, words out: no drive, no catalogue. The recognisers are asked in turn, the first to
 * claim the medium wins. Only LTFS volumes are taken further than this; the others are known so
 * that people see what they have, and nobody frees it by mistake. Threads: any, there is no state.
 */
#ifndef RSM_CORE_RECOGNISE_RECOGNISE_H
#define RSM_CORE_RECOGNISE_RECOGNISE_H

#include <stddef.h>

/* One of the records before the first filemark, in order; one that is longer than the reader's room
 * is cut.
 */
struct rsm_first_record {
	const void *data;
	size_t length;
};
/* So many of them are looked at, where the first one says that labels follow. */
enum { RSM_FIRST_RECORDS = 8 };

enum rsm_recognised_kind {
	RSM_RECOGNISED_LTFS, /* an LTFS volume's VOL1, whatever follows */
	RSM_RECOGNISED_FREE, /* our free label */
	RSM_RECOGNISED_FOREIGN,
};

struct rsm_recognised {
	enum rsm_recognised_kind kind;
	char type[32];	/* "LTFS", "RSMFS FREE", "ANSI VOL1", "MTF", "tar" ...; else "unknown" */
	char info[128]; /* how the volume is called, UTF-8 without control characters, or "" */
};

/* count 0: the medium begins with a filemark. */
void rsm_recognise(const struct rsm_first_record *records, size_t count,
		   struct rsm_recognised *ret_recognised);

/* Does the record say that label records follow? */
int rsm_recognise_wants_more(const void *data, size_t length);

#endif
