/* mount_queue_private.h - what mount_queue.c (who waits, and who is next) and mount_queue_drive.c
 * (which drive is given up) share.
 */
#ifndef RSM_CORE_MOUNT_QUEUE_PRIVATE_H
#define RSM_CORE_MOUNT_QUEUE_PRIVATE_H

#include "core/mount_queue.h"

/* Waits now for any drive of the queue's, by itself: not as part of a set without drives. */
bool rsm_mount_queue_waits(const struct rsm_mount_queue *queue, struct rsm_cartridge *cartridge);
/* Waits now for the drive to give up the other side of it. */
bool rsm_mount_queue_waits_for_turn(const struct rsm_mount_queue *queue,
				    struct rsm_cartridge *cartridge,
				    const struct rsm_queue_drive *drive);
/* Off-line: waits for a person to put it into the drive. */
bool rsm_mount_queue_waits_by_hand(const struct rsm_mount_queue *queue,
				   const struct rsm_cartridge *cartridge,
				   const struct rsm_queue_drive *drive);
/* Could be fetched into that drive. */
bool rsm_mount_queue_takes(const struct rsm_mount_queue *queue,
			   const struct rsm_cartridge *cartridge,
			   const struct rsm_queue_drive *drive);
/* Part of a set that has been given its drives: it goes before all others. */
bool rsm_mount_queue_is_promised(const struct rsm_cartridge *cartridge);
/* Somebody waits for it; or what nobody waits for has waited too long, or is waited for after all.
 */
bool rsm_mount_queue_is_urgent(const struct rsm_mount_queue *queue,
			       const struct rsm_cartridge *cartridge);
/* The heaviest set of the library that has no drives yet and could have them in time, or NULL. */
struct rsm_mount_set *rsm_mount_queue_first_set(const struct rsm_mount_queue *queue,
						int64_t library);
int64_t rsm_mount_queue_set_weight_ns(const struct rsm_mount_set *set, int64_t now_ns);
/* How many of its cartridges are not in a drive. */
unsigned rsm_mount_queue_set_needs(const struct rsm_mount_set *set);

#endif
