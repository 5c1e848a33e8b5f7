#include "core/mount_queue.h"

#include "core/drive_fit.h"
#include "core/mount_queue_private.h"

#define STEP_NS (60 * RSM_SECOND_NS)
/* What nobody waits for is waited for from then on. */
#define PUT_OFF_MOST_NS (300 * RSM_SECOND_NS)

enum { PRIORITY_MOST = 15 };
enum { BASE_REQUEST = 0, BASE_MIGRATE = -1, BASE_LABEL = -5, BASE_IDENTIFY = -40 };

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* ---- what a cartridge is wanted for ---- */

static struct rsm_mount_request *request_of(struct rsm_list *item)
{
	return RSM_CONTAINER_OF(item, struct rsm_mount_request, link);
}

static bool is_requested(const struct rsm_cartridge *cartridge)
{
	return !rsm_list_is_empty(&cartridge->reads) || !rsm_list_is_empty(&cartridge->mounts) ||
	       cartridge->syncs;
}

/* Nobody waits for it just now, but somebody has a file open, or comes again. */
static bool is_wanted_soon(const struct rsm_cartridge *cartridge)
{
	return cartridge->read_soon_ns || cartridge->asked_ns;
}

int64_t rsm_mount_queue_due_ns(const struct rsm_cartridge *cartridge, int64_t now_ns)
{
	int64_t due = RSM_NEVER_NS;

	if (is_requested(cartridge))
		return cartridge->paused_until_ns > now_ns ? cartridge->paused_until_ns : now_ns;
	if (cartridge->disabled)
		return RSM_NEVER_NS;
	if (cartridge->read_soon_ns)
		due = earlier(due, cartridge->read_soon_ns);
	if (cartridge->asked_ns)
		due = earlier(due, cartridge->asked_ns);
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

/* Is it wanted for anything but sets that have no drives yet? */
static bool is_wanted_alone(const struct rsm_cartridge *cartridge, int64_t now_ns)
{
	if (!rsm_list_is_empty(&cartridge->reads) || cartridge->syncs ||
	    rsm_list_is_empty(&cartridge->mounts))
		return rsm_mount_queue_due_ns(cartridge, now_ns) <= now_ns;
	RSM_LIST_FOR_EACH (item, &cartridge->mounts)
		if (!request_of(item)->set || request_of(item)->set->granted)
			return true;
	return is_wanted_soon(cartridge) || cartridge->identify;
}

/* ---- weight ---- */

static bool has_come(int64_t at_ns, int64_t now_ns)
{
	return at_ns && at_ns <= now_ns;
}

static int base_of(const struct rsm_cartridge *cartridge, int64_t now_ns)
{
	if (is_requested(cartridge) || is_wanted_soon(cartridge))
		return BASE_REQUEST;
	if (has_come(cartridge->migrate_at_ns, now_ns) || has_come(cartridge->index_at_ns, now_ns))
		return BASE_MIGRATE;
	return has_come(cartridge->label_at_ns, now_ns) ? BASE_LABEL : BASE_IDENTIFY;
}

static int within(int priority)
{
	if (priority > PRIORITY_MOST)
		return PRIORITY_MOST;
	return priority < -PRIORITY_MOST ? -PRIORITY_MOST : priority;
}

static int64_t since_when(int64_t since_ns, int64_t now_ns)
{
	return since_ns && since_ns < now_ns ? now_ns - since_ns : 0;
}

/* A program that reads a file has several reads under way: it counts once. */
static int64_t reads_waited(const struct rsm_cartridge *cartridge, int64_t now_ns)
{
	const struct rsm_medium_read *last = NULL;
	int64_t waited = 0;

	RSM_LIST_FOR_EACH (item, &cartridge->reads) {
		const struct rsm_medium_read *read =
			RSM_CONTAINER_OF(item, struct rsm_medium_read, link);

		if (!last || last->node != read->node)
			waited += since_when(read->since_ns, now_ns);
		last = read;
	}
	return waited;
}

int64_t rsm_mount_queue_weight_ns(const struct rsm_cartridge *cartridge, int64_t now_ns)
{
	int64_t waited = reads_waited(cartridge, now_ns);
	int priority = within(cartridge->priority), highest = -2 * PRIORITY_MOST;

	RSM_LIST_FOR_EACH (item, &cartridge->mounts) {
		waited += since_when(request_of(item)->since_ns, now_ns);
		if (request_of(item)->priority > highest)
			highest = request_of(item)->priority;
	}
	RSM_LIST_FOR_EACH (item, &cartridge->reads) {
		const struct rsm_medium_read *read =
			RSM_CONTAINER_OF(item, struct rsm_medium_read, link);

		if (read->priority > highest)
			highest = read->priority;
	}
	if (cartridge->syncs)
		waited += cartridge->syncs * since_when(cartridge->since_ns, now_ns);
	if (cartridge->syncs && highest < 0)
		highest = 0;
	if (!is_requested(cartridge)) {
		waited = since_when(cartridge->since_ns, now_ns);
		highest = 0;
	}
	priority = within(priority + highest);
	return waited + (base_of(cartridge, now_ns) + priority) * STEP_NS + cartridge->bias_ns;
}

static bool is_heavier(const struct rsm_cartridge *a, const struct rsm_cartridge *b, int64_t now_ns)
{
	int64_t weight_a = rsm_mount_queue_weight_ns(a, now_ns);
	int64_t weight_b = rsm_mount_queue_weight_ns(b, now_ns);

	return weight_a != weight_b ? weight_a > weight_b : a->id < b->id;
}

bool rsm_mount_queue_is_urgent(const struct rsm_mount_queue *queue,
			       const struct rsm_cartridge *cartridge)
{
	return is_requested(cartridge) || is_wanted_soon(cartridge) || queue->tight ||
	       since_when(cartridge->since_ns, queue->now_ns) > PUT_OFF_MOST_NS;
}

/* ---- who may go where ---- */

/* Two requests may ask for different drives: they are served one after the other. */
uint32_t rsm_mount_queue_wanted_drive(const struct rsm_cartridge *cartridge)
{
	RSM_LIST_FOR_EACH (item, &cartridge->mounts)
		if (request_of(item)->drive)
			return request_of(item)->drive;
	return 0;
}

bool rsm_mount_queue_fulfils(const struct rsm_mount_request *request, uint32_t element)
{
	return (!request->drive || request->drive == element) &&
	       (!request->set || request->set->granted);
}

/* A drive that could not do its work is not tried again as long as there is another one. */
static bool is_avoided(const struct rsm_mount_queue *queue, const struct rsm_cartridge *cartridge,
		       const struct rsm_queue_drive *drive)
{
	if (!cartridge->avoid || cartridge->avoid != drive->element)
		return false;
	for (size_t i = 0; i < queue->drive_count; i++)
		if (queue->drives[i].library == drive->library && queue->drives[i].usable &&
		    queue->drives[i].element != drive->element)
			return true;
	return false;
}

bool rsm_mount_queue_waits_by_hand(const struct rsm_mount_queue *queue,
				   const struct rsm_cartridge *cartridge,
				   const struct rsm_queue_drive *drive)
{
	return !cartridge->library && cartridge->hand_library == drive->library &&
	       cartridge->state == RSM_CARTRIDGE_AWAY && !cartridge->kept_home &&
	       rsm_mount_queue_due_ns(cartridge, queue->now_ns) <= queue->now_ns &&
	       is_wanted_alone(cartridge, queue->now_ns);
}

bool rsm_mount_queue_takes(const struct rsm_mount_queue *queue,
			   const struct rsm_cartridge *cartridge,
			   const struct rsm_queue_drive *drive)
{
	uint32_t wanted = rsm_mount_queue_wanted_drive(cartridge);

	if (!drive->usable ||
	    (cartridge->library != drive->library &&
	     !rsm_mount_queue_waits_by_hand(queue, cartridge, drive)) ||
	    !rsm_drive_fit_takes_locked(cartridge, drive->element))
		return false;
	return wanted ? wanted == drive->element : !is_avoided(queue, cartridge, drive);
}

bool rsm_mount_queue_is_other_side(const struct rsm_cartridge *cartridge,
				   const struct rsm_cartridge *other)
{
	return cartridge->physical && cartridge->physical == other->physical &&
	       cartridge->id != other->id;
}

/* Its former entry (it was deallocated and is allocated again), or the one that it was taken for,
 * still has it in a drive; or its other side is in one.
 */
static bool is_kept(const struct rsm_mount_queue *queue, const struct rsm_cartridge *cartridge)
{
	for (size_t i = 0; i < queue->drive_count; i++) {
		const struct rsm_cartridge *other = queue->drives[i].cartridge;

		if (other && other != cartridge &&
		    (other->id == cartridge->id || queue->drives[i].lying == cartridge->id ||
		     rsm_mount_queue_is_other_side(cartridge, other)))
			return true;
	}
	return false;
}

static bool is_due(const struct rsm_mount_queue *queue, const struct rsm_cartridge *cartridge)
{
	return cartridge->state == RSM_CARTRIDGE_AWAY && cartridge->library &&
	       !cartridge->kept_home &&
	       rsm_mount_queue_due_ns(cartridge, queue->now_ns) <= queue->now_ns &&
	       is_wanted_alone(cartridge, queue->now_ns);
}

/* It came due by the clock, and waits since it is looked at. */
static void note_since(const struct rsm_mount_queue *queue, struct rsm_cartridge *cartridge)
{
	if (!cartridge->since_ns)
		cartridge->since_ns = queue->now_ns;
}

bool rsm_mount_queue_waits(const struct rsm_mount_queue *queue, struct rsm_cartridge *cartridge)
{
	if (!is_due(queue, cartridge) || is_kept(queue, cartridge))
		return false;
	note_since(queue, cartridge);
	return true;
}

bool rsm_mount_queue_waits_for_turn(const struct rsm_mount_queue *queue,
				    struct rsm_cartridge *cartridge,
				    const struct rsm_queue_drive *drive)
{
	if (!drive->cartridge || !rsm_mount_queue_is_other_side(cartridge, drive->cartridge) ||
	    !is_due(queue, cartridge))
		return false;
	note_since(queue, cartridge);
	return true;
}

bool rsm_mount_queue_is_promised(const struct rsm_cartridge *cartridge)
{
	RSM_LIST_FOR_EACH (item, &cartridge->mounts)
		if (request_of(item)->set && request_of(item)->set->granted)
			return true;
	return false;
}

struct rsm_cartridge *rsm_mount_queue_pick(struct rsm_mount_queue *queue, size_t drive,
					   int64_t *ret_next_ns)
{
	const struct rsm_queue_drive *at = &queue->drives[drive];
	struct rsm_cartridge *best = NULL;
	const struct rsm_mount_set *set;
	int64_t next = RSM_NEVER_NS;
	bool promised = false;

	RSM_LIST_FOR_EACH (item, queue->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);
		int64_t due;

		if (cartridge->state != RSM_CARTRIDGE_AWAY || cartridge->library != at->library)
			continue;
		due = rsm_mount_queue_due_ns(cartridge, queue->now_ns);
		if (due > queue->now_ns)
			next = earlier(next, due);
		else if (rsm_mount_queue_takes(queue, cartridge, at) &&
			 rsm_mount_queue_waits(queue, cartridge)) {
			bool is_promised = rsm_mount_queue_is_promised(cartridge);

			if (!best || (is_promised && !promised) ||
			    (is_promised == promised && is_heavier(cartridge, best, queue->now_ns)))
				best = cartridge;
			promised = promised || is_promised;
		}
	}
	*ret_next_ns = next;
	if (!best || promised)
		return best;
	set = rsm_mount_queue_first_set(queue, at->library);
	return set && rsm_mount_queue_set_weight_ns(set, queue->now_ns) >=
				       rsm_mount_queue_weight_ns(best, queue->now_ns)
		       ? NULL
		       : best;
}

/* ---- another order ---- */

static bool waits(const struct rsm_cartridge *cartridge, int64_t now_ns)
{
	return cartridge->state == RSM_CARTRIDGE_AWAY &&
	       rsm_mount_queue_due_ns(cartridge, now_ns) <= now_ns;
}

unsigned rsm_mount_queue_position(const struct rsm_list *cartridges,
				  const struct rsm_cartridge *cartridge, int64_t now_ns)
{
	int64_t own = rsm_mount_queue_weight_ns(cartridge, now_ns);
	unsigned position = 1;

	if (!waits(cartridge, now_ns))
		return 0;
	RSM_LIST_FOR_EACH (item, cartridges) {
		const struct rsm_cartridge *other =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (other != cartridge && other->library == cartridge->library &&
		    waits(other, now_ns) && rsm_mount_queue_weight_ns(other, now_ns) > own)
			position++;
	}
	return position;
}

int rsm_mount_queue_reorder(const struct rsm_list *cartridges, struct rsm_cartridge *cartridge,
			    bool first, int64_t now_ns, struct rsm_err *err)
{
	int64_t own, end;

	if (!waits(cartridge, now_ns))
		return rsm_err_set(err, ENOENT, "%s does not wait for a drive", cartridge->barcode);
	end = own = rsm_mount_queue_weight_ns(cartridge, now_ns);
	RSM_LIST_FOR_EACH (item, cartridges) {
		const struct rsm_cartridge *other =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);
		int64_t weight;

		if (other == cartridge || other->library != cartridge->library ||
		    !waits(other, now_ns))
			continue;
		weight = rsm_mount_queue_weight_ns(other, now_ns);
		if (first ? weight >= end : weight <= end)
			end = first ? weight + STEP_NS : weight - STEP_NS;
	}
	cartridge->bias_ns += end - own;
	return 0;
}
