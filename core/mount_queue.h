/* mount_queue.h - who gets which drive next, and when a cartridge must give it up.
 *
 * Pure decisions over the manager's table of cartridges, under its lock: no threads, no waiting, no
 * device. Order: priority (one step more for each minute of waiting), then arrival. A drive that
 * has the cartridge is the one; else an empty one; else one whose cartridge is idle. An idle
 * cartridge yields at once when another is wanted and no drive is free, and stays dismount_delay
 * otherwise; a busy one yields after its turn, so that nobody starves.
 */
#ifndef RSM_CORE_MOUNT_QUEUE_H
#define RSM_CORE_MOUNT_QUEUE_H

#include "core/cartridge.h"

#define RSM_NEVER_NS INT64_MAX

/* When the cartridge next needs a drive: a time that has come, one to come, or RSM_NEVER_NS. */
int64_t rsm_mount_queue_due_ns(const struct rsm_cartridge *cartridge, int64_t now_ns);

/* The cartridge that an empty drive of `library` is to fetch now, or NULL; *ret_next_ns: when to
 * look again if nothing happens before. `wanted_drive` of requests for a specific drive is
 * honoured.
 */
struct rsm_cartridge *rsm_mount_queue_pick(const struct rsm_list *cartridges, int64_t library,
					   uint32_t element, int64_t now_ns, int64_t *ret_next_ns);

struct rsm_mount_queue_view {
	int64_t now_ns;
	int64_t idle_since_ns;	 /* last read, write or release of the loaded cartridge */
	bool open_files;	 /* somebody has a file of it open */
	bool another_drive_free; /* in the same library, empty and enabled */
	unsigned dismount_delay_s;
	unsigned drives_waiting; /* how many cartridges wait (see _waiting) */
};
/* How many cartridges of the library wait now for a drive that `element` could be. */
unsigned rsm_mount_queue_waiting(const struct rsm_list *cartridges, int64_t library,
				 uint32_t element, int64_t now_ns);
/* The drive that the cartridge's oldest request for a certain one asks for; 0: any will do. */
uint32_t rsm_mount_queue_wanted_drive(const struct rsm_cartridge *cartridge);

/* Must the loaded cartridge, which has nothing to do at the moment, leave? RSM_NEVER_NS: no; else
 * when (a time that has come: now).
 */
int64_t rsm_mount_queue_leave_ns(const struct rsm_cartridge *loaded,
				 const struct rsm_mount_queue_view *view);
/* Has a busy cartridge had its turn while others wait? */
bool rsm_mount_queue_turn_is_over(const struct rsm_cartridge *loaded,
				  const struct rsm_mount_queue_view *view);

#endif
