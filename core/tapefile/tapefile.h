/* tapefile.h - a tape that is no LTFS volume, as raw files: file000000, file000001, ... (contract
 * 2).
 *
 * A file is what stands between two filemarks of partition 0. It is looked at, never written: sizes
 * come from the first two and the last record of each file and the number of records, as tapes are
 * written with records of one size, behind a header perhaps; where that is not so, reading says it.
 * Threads: the drive's worker.
 */
#ifndef RSM_CORE_TAPEFILE_TAPEFILE_H
#define RSM_CORE_TAPEFILE_TAPEFILE_H

#include "core/volume.h"

/* Lists the tape's files anew and puts the list in the place of the cached one. */
RSM_MUST_CHECK int rsm_tapefile_mount(struct rsm_tape_drive *drive, struct rsm_content *content,
				      struct rsm_volume **ret_volume, struct rsm_err *err);

#endif
