/* library_folder.h - a virtual library as a folder tree (contract 7): make it, check it, know it.
 *
 *   library.conf  slots/1001/BARCODE/  drives/256/  ports/10/  shelf/   catalog/ staging/ (not
 * ours)
 *
 * An element is a folder, a cartridge is a folder inside it, a move is one rename. library.conf is
 * "key = value" lines with '#' comments: drive_type (LTO-5..LTO-9), drive_type@ELEMENT
 * (of one drive), capacity (bytes or with K M G
 * T), sides (1 | 2), timing (none | real), robot_s, load_s, unload_s, locate_mb_s, rate_mb_s,
 * early_warning (bytes), sync (on | off), barcodes (on | off), changer (robot | none), clean_after,
 * cleanings, transport (address of the robot's arm), serial, and any number of "fail =
 * COMMAND[@ELEMENT] COUNTDOWN [xREPEAT] [deferred] KEY/ASC/ASCQ" lines (the element folders
 * themselves tell how many slots, drives and ports there are). Unknown keys are an error that names
 * file and line.
 */
#ifndef RSM_CHANGER_EMULATOR_LIBRARY_FOLDER_H
#define RSM_CHANGER_EMULATOR_LIBRARY_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct rsm_library_shape {
	const char *media_type;	 /* "LTO-8", "LTO-8-WORM" */
	const char *drive_types; /* "LTO-9,LTO-8": of the first drive, of the second and all behind
				  * it; NULL: that of the media */
	unsigned drives, slots, ports, cartridges;
	uint64_t capacity_bytes; /* of each side; 0: the type's native one (LTO-8: 12 TB) */
	unsigned sides;		 /* of a cartridge; 0 is 1 */
	bool blank;		 /* no free label on the cartridges; WORM ones never have one */
	bool no_cleaner;
	bool standalone; /* one drive, no robot and no slots: cartridges are made on the shelf */
};

/* 2 drives, 24 slots, 4 ports, 16 LTO-8 cartridges A00001L8.. with free labels, cleaner CLN001L1.
 */
extern const struct rsm_library_shape rsm_library_default_shape;

/* Makes a library in `path`, which must be missing or empty (catalog/, staging/ and dot files of
 * ours are allowed). Crash-safe: library.conf is written last, so that a folder without it is
 * taken up again. -ENOTEMPTY, -EINVAL (more cartridges than slots ...).
 */
RSM_MUST_CHECK int rsm_library_folder_create(const char *path,
					     const struct rsm_library_shape *shape,
					     struct rsm_err *err);

enum rsm_library_folder_outcome {
	RSM_LIBRARY_FOLDER_EMPTY = 1,	/* missing, empty, or a making that was cut short */
	RSM_LIBRARY_FOLDER_FOREIGN = 2, /* holds other things and no library.conf */
};

/* 0: there is a library, and its library.conf is understood (the rest is not checked yet; -EBADMSG:
 * it is not). Outcomes above.
 */
RSM_MUST_CHECK int rsm_library_folder_probe(const char *path, struct rsm_err *err);

#endif
