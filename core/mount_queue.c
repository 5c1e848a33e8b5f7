#include "core/mount_queue.h"

#include "core/drive_fit.h"

/* While files are open and were just used, the next read usually follows within this time; giving
 * the drive away in between would cost two exchanges for nothing.
 */
#define YIELD_OPEN_NS (RSM_SECOND_NS / 4)
#define TURN_NS	      (30 * RSM_SECOND_NS)
#define AGEING_NS     (60 * RSM_SECOND_NS)
#define MAX_AGE	      30

enum { RANK_READ = 0, RANK_MIGRATE = -1, RANK_LABEL = -5, RANK_IDENTIFY = -40 };

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t rsm_mount_queue_due_ns(const struct rsm_cartridge *cartridge, int64_t now_ns)
{
	int64_t due = RSM_NEVER_NS;

	if (!rsm_list_is_empty(&cartridge->reads) || !rsm_list_is_empty(&cartridge->mounts) ||
	    cartridge->syncs)
		return now_ns;
	if (cartridge->read_soon_ns)
		due = earlier(due, cartridge->read_soon_ns);
	if (cartridge->migrate_at_ns && !cartridge->full && !cartridge->read_only)
		due = earlier(due, cartridge->migrate_at_ns);
	if (cartridge->index_at_ns && !cartridge->read_only)
		due = earlier(due, cartridge->index_at_ns);
	if (cartridge->label_at_ns)
		due = earlier(due, cartridge->label_at_ns);
	if (cartridge->identify)
		due = earlier(due, now_ns);
	if (due != RSM_NEVER_NS && due < cartridge->retry_at_ns)
		due = cartridge->retry_at_ns;
	return due;
}

/* Work that came due by the clock waits since it is looked at, not since the beginning of time. */
static int64_t since(const struct rsm_cartridge *cartridge, int64_t now_ns)
{
	return cartridge->since_ns ? cartridge->since_ns : now_ns;
}

static bool has_come(int64_t at_ns, int64_t now_ns)
{
	return at_ns && at_ns <= now_ns;
}

static int rank(const struct rsm_cartridge *cartridge, int64_t now_ns)
{
	int64_t age = (now_ns - since(cartridge, now_ns)) / AGEING_NS;
	int base;

	if (!rsm_list_is_empty(&cartridge->reads) || !rsm_list_is_empty(&cartridge->mounts) ||
	    cartridge->syncs || cartridge->read_soon_ns)
		base = RANK_READ;
	else if (has_come(cartridge->migrate_at_ns, now_ns) ||
		 has_come(cartridge->index_at_ns, now_ns))
		base = RANK_MIGRATE;
	else if (has_come(cartridge->label_at_ns, now_ns))
		base = RANK_LABEL;
	else
		base = RANK_IDENTIFY;
	return base + cartridge->priority + (int)(age < MAX_AGE ? age : MAX_AGE);
}

/* Two requests may ask for different drives: they are served one after the other. */
uint32_t rsm_mount_queue_wanted_drive(const struct rsm_cartridge *cartridge)
{
	RSM_LIST_FOR_EACH (item, &cartridge->mounts) {
		const struct rsm_mount_request *request =
			RSM_CONTAINER_OF(item, struct rsm_mount_request, link);

		if (request->drive)
			return request->drive;
	}
	return 0;
}

static bool takes_drive(const struct rsm_cartridge *cartridge, uint32_t element)
{
	uint32_t wanted = rsm_mount_queue_wanted_drive(cartridge);

	return (wanted == 0 || wanted == element) && rsm_drive_fit_takes_locked(cartridge, element);
}

/* Its former entry (it was deallocated and is allocated again) still has it in a drive. */
static bool is_kept(const struct rsm_list *cartridges, const struct rsm_cartridge *cartridge)
{
	RSM_LIST_FOR_EACH (item, cartridges) {
		const struct rsm_cartridge *other =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (other->detached && other->id == cartridge->id &&
		    other->state != RSM_CARTRIDGE_AWAY)
			return true;
	}
	return false;
}

static bool precedes(const struct rsm_cartridge *a, const struct rsm_cartridge *b, int64_t now_ns)
{
	int rank_a = rank(a, now_ns), rank_b = rank(b, now_ns);

	if (rank_a != rank_b)
		return rank_a > rank_b;
	if (since(a, now_ns) != since(b, now_ns))
		return since(a, now_ns) < since(b, now_ns);
	return a->id < b->id;
}

struct rsm_cartridge *rsm_mount_queue_pick(const struct rsm_list *cartridges, int64_t library,
					   uint32_t element, int64_t now_ns, int64_t *ret_next_ns)
{
	struct rsm_cartridge *best = NULL;
	int64_t next = RSM_NEVER_NS;

	RSM_LIST_FOR_EACH (item, cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);
		int64_t due;

		if (cartridge->state != RSM_CARTRIDGE_AWAY || cartridge->library != library)
			continue;
		due = rsm_mount_queue_due_ns(cartridge, now_ns);
		if (due > now_ns)
			next = earlier(next, due);
		else if (takes_drive(cartridge, element) &&
			 (!best || precedes(cartridge, best, now_ns)) &&
			 !is_kept(cartridges, cartridge))
			best = cartridge;
	}
	*ret_next_ns = next;
	return best;
}

unsigned rsm_mount_queue_waiting(const struct rsm_list *cartridges, int64_t library,
				 uint32_t element, int64_t now_ns)
{
	unsigned count = 0;

	RSM_LIST_FOR_EACH (item, cartridges) {
		const struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		count += cartridge->state == RSM_CARTRIDGE_AWAY && cartridge->library == library &&
			 takes_drive(cartridge, element) &&
			 rsm_mount_queue_due_ns(cartridge, now_ns) <= now_ns &&
			 !is_kept(cartridges, cartridge);
	}
	return count;
}

int64_t rsm_mount_queue_leave_ns(const struct rsm_cartridge *loaded,
				 const struct rsm_mount_queue_view *view)
{
	if (loaded->leave)
		return view->now_ns;
	if (loaded->held)
		return RSM_NEVER_NS;
	if (loaded->stay_until_ns)
		return loaded->stay_until_ns;
	if (view->drives_waiting && !view->another_drive_free)
		return view->open_files ? view->idle_since_ns + YIELD_OPEN_NS : view->now_ns;
	if (view->open_files)
		return RSM_NEVER_NS;
	return view->idle_since_ns + (int64_t)view->dismount_delay_s * RSM_SECOND_NS;
}

bool rsm_mount_queue_turn_is_over(const struct rsm_cartridge *loaded,
				  const struct rsm_mount_queue_view *view)
{
	return !loaded->held && view->drives_waiting && !view->another_drive_free &&
	       view->now_ns - loaded->loaded_at_ns > TURN_NS;
}
