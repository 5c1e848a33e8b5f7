/* mount_queue.h - who gets which drive next, and when a cartridge must give it up.
 *
 * Pure decisions over the manager's table of cartridges and a look at its drives, under its lock:
 * no threads, no waiting, no device, and no clock but the time that it is told. So a benchmark can
 * run the same code against a library of its imagination (tests/bench/bench_mount_queue.c).
 *
 * What waits has a weight in time: how long each of those waits who want the cartridge, all added
 * up, and a minute for each step of priority. So who waits gains a step a minute and nobody
 * starves; a cartridge that many want is fetched before one that a single one wants; and all of
 * them share the mount. What nobody waits for (writing what is staged, labels, identifying) is some
 * steps lower.
 *
 * A drive that has the cartridge is the one; else an empty one; else the one whose cartridge has
 * been idle for the longest time. An idle cartridge yields when another is wanted and no drive is
 * free, as many as are wanted; else it stays dismount_delay. A busy one yields when its turn is
 * over and somebody waits who weighs more. Several media that are asked for together (a set) get
 * their drives all at once or not at all: as long as the set is first and cannot have them, those
 * behind it wait as well, unless it could not have them anyhow.
 *
 * The sides of a cartridge that has two are an entry each. One waits as long as the other is in a
 * drive, which is given up for it as for one that wants just that drive.
 */
#ifndef RSM_CORE_MOUNT_QUEUE_H
#define RSM_CORE_MOUNT_QUEUE_H

#include "core/cartridge.h"

#define RSM_NEVER_NS INT64_MAX

/* A drive as the queue sees it. */
struct rsm_queue_drive {
	int64_t library;
	uint32_t element;
	bool usable;			 /* may take cartridges: enabled, not failed */
	struct rsm_cartridge *cartridge; /* that is in it, on its way to it or from it; or NULL */
	int64_t lying;			 /* medium that proved to be in it, on the way home; or 0 */
	bool idle;			 /* loaded, with nothing to do at the moment */
	bool open_files;		 /* somebody has a file of its cartridge open */
	int64_t idle_since_ns;		 /* last read, write or release of it, or the load */
	int64_t used_at_ns;		 /* the same without the load; 0: not at all */
	bool yields;			 /* told by _grant: its cartridge must go now */
	bool claimed;			 /* the queue's own */
};

struct rsm_mount_queue {
	const struct rsm_list *cartridges;
	struct rsm_queue_drive *drives;
	size_t drive_count;
	int64_t now_ns;
	int64_t exchange_ns; /* how long the last exchanges took, about */
	unsigned dismount_delay_s;
	bool unknown; /* media that nobody has looked at wait for an idle drive */
	bool tight;   /* writers wait, or soon will, for what writing to a medium would give back */
};

/* Is it the other side of the same cartridge? */
bool rsm_mount_queue_is_other_side(const struct rsm_cartridge *cartridge,
				   const struct rsm_cartridge *other);
/* When the cartridge next needs a drive: a time that has come, one to come, or RSM_NEVER_NS. */
int64_t rsm_mount_queue_due_ns(const struct rsm_cartridge *cartridge, int64_t now_ns);
/* Among those that wait the heaviest is first. */
int64_t rsm_mount_queue_weight_ns(const struct rsm_cartridge *cartridge, int64_t now_ns);
/* The drive that the cartridge's oldest request for a certain one asks for; 0: any will do. */
uint32_t rsm_mount_queue_wanted_drive(const struct rsm_cartridge *cartridge);
/* Is the request fulfilled when its cartridge is in that drive? Not one of a set that has not got
 * its drives.
 */
bool rsm_mount_queue_fulfils(const struct rsm_mount_request *request, uint32_t element);

/* The cartridge that an empty drive is to fetch now, or NULL; *ret_next_ns: when to look again if
 * nothing happens before.
 */
struct rsm_cartridge *rsm_mount_queue_pick(struct rsm_mount_queue *queue, size_t drive,
					   int64_t *ret_next_ns);
/* Empty drives of the library are kept for a set. */
bool rsm_mount_queue_keeps(const struct rsm_mount_queue *queue, int64_t library);
/* Must the cartridge in the drive, which has nothing to do at the moment, leave? RSM_NEVER_NS: no;
 * else when (a time that has come: now).
 */
int64_t rsm_mount_queue_leave_ns(struct rsm_mount_queue *queue, size_t drive);
/* Has the busy cartridge in the drive had its turn while others wait? */
bool rsm_mount_queue_turn_is_over(struct rsm_mount_queue *queue, size_t drive);
/* A set that has just been given its drives, or NULL. Idle cartridges that must go for it are told
 * by `yields`; what it needs is kept for it from now on.
 */
struct rsm_mount_set *rsm_mount_queue_grant(struct rsm_mount_queue *queue);

/* 1: next in its library; 0: it does not wait. */
unsigned rsm_mount_queue_position(const struct rsm_list *cartridges,
				  const struct rsm_cartridge *cartridge, int64_t now_ns);
/* Puts what waits before all others, or behind them (rsm queue first, last). -ENOENT: it does not
 * wait.
 */
RSM_MUST_CHECK int rsm_mount_queue_reorder(const struct rsm_list *cartridges,
					   struct rsm_cartridge *cartridge, bool first,
					   int64_t now_ns, struct rsm_err *err);

#endif
