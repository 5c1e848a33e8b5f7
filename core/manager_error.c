/* Failures as events (rsm-model.md 20, 18): each names cartridge, drive and slot, and the file
 * where there is one, in keys of their own, so that a program need not take words apart.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/manager_private.h"

void rsm_manager_tell_error(struct rsm_manager *manager, int64_t medium, const char *drive,
			    const char *file, const char *text)
{
	struct rsm_medium m = { .shown = "" };
	char slot[12] = "";

	if (!medium || rsm_medium_get(manager->catalog, medium, &m, NULL) != 0)
		m = (struct rsm_medium){ .shown = "" };
	if (m.home_slot)
		snprintf(slot, sizeof slot, "%" PRIu32, m.home_slot);
	rsm_event_add(manager->catalog, "error", "medium", m.shown, "drive", drive, "slot", slot,
		      "file", file, "text", text, NULL);
}
