/* Cartridges with two sides: which one is under the head. How a cartridge lies is the robot's word
 * and ours as long as nobody else touches it; its label is what proves it, before anything is
 * written. One that was put in upside down, or that a death left between the robot's move and the
 * note of it, is turned over, and is no stranger.
 *
 * Turned over by way of its slot, as no standard lets a robot turn what is in a drive. A death in
 * between leaves it in the drive or in the slot, as the next inventory finds, and at worst the
 * other way round once more.
 */
#include <stdlib.h>

#include "base/log.h"
#include "core/drive_private.h"
#include "core/ltfs/ltfs_volume.h"

static struct rsm_catalog *catalog_of(struct rsm_drive_worker *worker)
{
	return worker->manager->catalog;
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
	/* a memory that says the same on both sides, as one that somebody copied, is not believed
	 */
	if (!worker->turned)
		rsm_drive_read_serial(worker, serial, sizeof serial);
	r = rsm_medium_find_turned(catalog_of(worker), m->id, uuid, serial, &other, err);
	if (r != 0)
		return r < 0 ? r : 0;
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
	worker->turned = true;
	/* what lies in it is the other side, which goes home first */
	r = rsm_drive_bring(worker, cartridge, err);
	if (r == 0)
		r = rsm_drive_load(worker, cartridge, err);
	return r < 0 ? rsm_err_wrap(err, r, "turning it over") : r;
}
