/* Cartridges with two sides: which one is under the head. How a cartridge lies is the robot's word
 * and ours as long as nobody else touches it; its label is what proves it, before anything is
 * written. One that was put in upside down, or that a death left between the robot's move and the
 * note of it, is turned over, and is no stranger.
 *
 * Turned over by way of its slot, as no standard lets a robot turn what is in a drive. A death in
 * between leaves it in the drive or in the slot, as the next inventory finds, and at worst the
 * other way round once more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/drive_private.h"
#include "core/ltfs/ltfs_volume.h"

static struct rsm_catalog *catalog_of(struct rsm_drive_worker *worker)
{
	return worker->manager->catalog;
}

static bool tells_other(struct rsm_drive_worker *worker, const char *uuid, const char *serial)
{
	int64_t other;

	return rsm_medium_find_turned(catalog_of(worker), worker->medium.id, uuid, serial, &other,
				      NULL) == 0;
}

/* Both faces bear the volume of the other side: this one is a copy of it, block by block. They are
 * told apart by their memories; without that, it was perhaps never turned over. Which is which the
 * memories tell as well, or else the robot, once it has turned it back.
 */
static bool is_copy_of_other(struct rsm_drive_worker *worker, const char *uuid, const char *serial)
{
	bool told = tells_other(worker, NULL, serial);

	if (worker->turns == 0) {
		worker->two_faces = false;
		worker->other_told = told;
		snprintf(worker->other_serial, sizeof worker->other_serial, "%s",
			 tells_other(worker, uuid, "") ? serial : "");
		return false;
	}
	if (worker->turns == 1)
		worker->two_faces = *serial && worker->other_serial[0] &&
				    strcmp(serial, worker->other_serial) != 0;
	return worker->two_faces && !told && (worker->other_told || worker->turns > 1);
}

int rsm_drive_check_side(struct rsm_drive_worker *worker, const struct rsm_ltfs_probe *probe,
			 struct rsm_err *err)
{
	const char *uuid = probe->kind == RSM_PROBE_LTFS || probe->half ? probe->label.uuid : NULL;
	const struct rsm_medium *m = &worker->medium;
	char serial[64] = "";
	int64_t other;
	int r = rsm_medium_other_side(catalog_of(worker), m->id, &other, err);

	if (r != 0) /* it has one, as tapes do */
		return r < 0 ? r : 0;
	rsm_drive_read_serial(worker, serial, sizeof serial);
	/* a memory that says the same on both sides, as one that somebody copied, is not believed
	 */
	r = rsm_medium_find_turned(catalog_of(worker), m->id, uuid, worker->turns ? "" : serial,
				   &other, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (is_copy_of_other(worker, uuid, serial))
		return 0;
	RSM_LOCK_SCOPE(&worker->library->inventory);
	r = rsm_medium_set_location(catalog_of(worker), other, worker->library->id, RSM_AT_DRIVE,
				    worker->element, err);
	return r < 0 ? r : RSM_OTHER_SIDE;
}

int rsm_drive_turn_over(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			struct rsm_err *err)
{
	int r;

	rsm_log_info("%s in %s: it lies the other way round, and is turned over",
		     cartridge->barcode, worker->name);
	rsm_event_add(catalog_of(worker), "turn", "medium", cartridge->barcode, "drive",
		      worker->name, NULL);
	worker->turns++;
	/* what lies in it is the other side, which goes home first */
	r = rsm_drive_bring(worker, cartridge, err);
	if (r == 0)
		r = rsm_drive_load(worker, cartridge, err);
	return r < 0 ? rsm_err_wrap(err, r, "turning it over") : r;
}
