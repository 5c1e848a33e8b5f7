/* Which drive is given up for whom, and what several media that are mounted together may have. */
#include "core/mount_queue_private.h"

/* While files are open and were just used, the next read usually follows within this time; giving
 * the drive away in between would cost two exchanges for nothing.
 */
#define YIELD_OPEN_NS (RSM_SECOND_NS / 4)
/* What nobody waits for does not drive out a cartridge that a program goes from file to file on. */
#define YIELD_USED_NS (5 * RSM_SECOND_NS)
/* Fetching must not take more time than what the cartridges are fetched for. */
#define TURN_NS	       (30 * RSM_SECOND_NS)
#define TURN_EXCHANGES 5
#define TURN_USED      10 /* as many turns, when only such things wait as nobody waits for */

/* ---- sets ---- */

static struct rsm_mount_request *request_of(struct rsm_list *item)
{
	return RSM_CONTAINER_OF(item, struct rsm_mount_request, link);
}

static bool is_member(const struct rsm_mount_set *set, const struct rsm_cartridge *cartridge)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->requests[i].cartridge == cartridge)
			return true;
	return false;
}

int64_t rsm_mount_queue_set_weight_ns(const struct rsm_mount_set *set, int64_t now_ns)
{
	int64_t heaviest = INT64_MIN;

	for (size_t i = 0; i < set->count; i++) {
		int64_t weight = rsm_mount_queue_weight_ns(set->requests[i].cartridge, now_ns);

		heaviest = weight > heaviest ? weight : heaviest;
	}
	return heaviest;
}

unsigned rsm_mount_queue_set_needs(const struct rsm_mount_set *set)
{
	unsigned needs = 0;

	for (size_t i = 0; i < set->count; i++)
		needs += set->requests[i].cartridge->state == RSM_CARTRIDGE_AWAY ||
			 set->requests[i].cartridge->state == RSM_CARTRIDGE_LEAVING;
	return needs;
}

/* It is the other side of one of them, which has to wait for it. */
static bool turns_member(const struct rsm_mount_set *set, const struct rsm_cartridge *cartridge)
{
	for (size_t i = 0; i < set->count; i++)
		if (rsm_mount_queue_is_other_side(set->requests[i].cartridge, cartridge))
			return true;
	return false;
}

/* Waiting will not help when too many drives are held by somebody, or at long work; or one that
 * has the other side of what is wanted.
 */
static bool can_be_had(const struct rsm_mount_queue *queue, const struct rsm_mount_set *set,
		       int64_t library)
{
	unsigned drives = 0;

	for (size_t i = 0; i < set->count; i++)
		if (set->requests[i].cartridge->library != library)
			return false;
	for (size_t i = 0; i < queue->drive_count; i++) {
		const struct rsm_queue_drive *drive = &queue->drives[i];
		const struct rsm_cartridge *in = drive->cartridge;
		bool engaged = in && (in->held || !rsm_list_is_empty(&in->works));

		if (engaged && turns_member(set, in))
			return false;
		drives += drive->library == library && drive->usable &&
			  (!engaged || is_member(set, in));
	}
	return drives >= set->count;
}

struct rsm_mount_set *rsm_mount_queue_first_set(const struct rsm_mount_queue *queue,
						int64_t library)
{
	struct rsm_mount_set *first = NULL;
	int64_t heaviest = 0;

	RSM_LIST_FOR_EACH (item, queue->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		if (cartridge->library != library)
			continue;
		RSM_LIST_FOR_EACH (asked, &cartridge->mounts) {
			struct rsm_mount_set *set = request_of(asked)->set;
			int64_t weight;

			if (!set || set->granted || set == first ||
			    !can_be_had(queue, set, library))
				continue;
			weight = rsm_mount_queue_set_weight_ns(set, queue->now_ns);
			if (!first || weight > heaviest) {
				first = set;
				heaviest = weight;
			}
		}
	}
	return first;
}

static bool is_leaving(const struct rsm_cartridge *cartridge)
{
	return cartridge->state == RSM_CARTRIDGE_LEAVING ||
	       (cartridge->leave && cartridge->state == RSM_CARTRIDGE_LOADED);
}

/* Drives that others are to have before the set: what was promised, and those that weigh more. */
static unsigned needed_before(const struct rsm_mount_queue *queue, const struct rsm_mount_set *set,
			      int64_t library)
{
	int64_t weight = rsm_mount_queue_set_weight_ns(set, queue->now_ns);
	unsigned count = 0;

	RSM_LIST_FOR_EACH (item, queue->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);

		count += cartridge->library == library && !is_member(set, cartridge) &&
			 rsm_mount_queue_waits(queue, cartridge) &&
			 (rsm_mount_queue_is_promised(cartridge) ||
			  rsm_mount_queue_weight_ns(cartridge, queue->now_ns) > weight);
	}
	return count;
}

static bool could_yield(const struct rsm_queue_drive *drive)
{
	return drive->cartridge && drive->idle && !drive->cartridge->held &&
	       rsm_list_is_empty(&drive->cartridge->works) && !is_leaving(drive->cartridge);
}

/* Among idle drives: which one yields before the other. */
static bool yields_before(const struct rsm_queue_drive *a, const struct rsm_queue_drive *b)
{
	if (a->open_files != b->open_files)
		return b->open_files;
	if (a->idle_since_ns != b->idle_since_ns)
		return a->idle_since_ns < b->idle_since_ns;
	return a->element < b->element;
}

static struct rsm_queue_drive *next_to_yield(struct rsm_mount_queue *queue,
					     const struct rsm_mount_set *set, int64_t library)
{
	struct rsm_queue_drive *best = NULL;

	for (size_t i = 0; i < queue->drive_count; i++) {
		struct rsm_queue_drive *drive = &queue->drives[i];

		if (drive->library == library && drive->usable && !drive->yields &&
		    could_yield(drive) && !is_member(set, drive->cartridge) &&
		    !rsm_mount_queue_is_promised(drive->cartridge) &&
		    (!best || yields_before(drive, best)))
			best = drive;
	}
	return best;
}

static void keep_all(struct rsm_mount_queue *queue)
{
	for (size_t i = 0; i < queue->drive_count; i++)
		queue->drives[i].yields = false;
}

/* The drives that hold other sides of what the set wants: all of them can be given up, and are to
 * be (*ret_turns of them).
 */
static bool turns_over(struct rsm_mount_queue *queue, const struct rsm_mount_set *set,
		       unsigned *ret_turns)
{
	*ret_turns = 0;
	for (size_t i = 0; i < queue->drive_count; i++) {
		struct rsm_queue_drive *drive = &queue->drives[i];

		if (!drive->cartridge || !turns_member(set, drive->cartridge))
			continue;
		if (!could_yield(drive))
			return false;
		drive->yields = true;
		++*ret_turns;
	}
	return true;
}

static struct rsm_mount_set *grant_in(struct rsm_mount_queue *queue, int64_t library)
{
	struct rsm_mount_set *set = rsm_mount_queue_first_set(queue, library);
	unsigned needs, empty = 0, others = 0, turns;

	if (!set)
		return NULL;
	if (!turns_over(queue, set, &turns)) {
		keep_all(queue);
		return NULL;
	}
	for (size_t i = 0; i < set->count; i++)
		if (is_leaving(set->requests[i].cartridge)) {
			keep_all(queue);
			return NULL;
		}
	for (size_t i = 0; i < queue->drive_count; i++) {
		struct rsm_queue_drive *drive = &queue->drives[i];

		if (drive->library != library || !drive->usable)
			continue;
		empty += !drive->cartridge;
		others += could_yield(drive) && !is_member(set, drive->cartridge) &&
			  !rsm_mount_queue_is_promised(drive->cartridge);
	}
	needs = rsm_mount_queue_set_needs(set) + needed_before(queue, set, library);
	if (needs > empty + others) {
		keep_all(queue);
		return NULL;
	}
	for (empty += turns; needs > empty; empty++) {
		struct rsm_queue_drive *drive = next_to_yield(queue, set, library);

		if (drive)
			drive->yields = true;
	}
	set->granted = true;
	return set;
}

bool rsm_mount_queue_keeps(const struct rsm_mount_queue *queue, int64_t library)
{
	return rsm_mount_queue_first_set(queue, library) != NULL;
}

struct rsm_mount_set *rsm_mount_queue_grant(struct rsm_mount_queue *queue)
{
	keep_all(queue);
	for (size_t i = 0; i < queue->drive_count; i++) {
		struct rsm_mount_set *set = grant_in(queue, queue->drives[i].library);

		if (set)
			return set;
	}
	return NULL;
}

/* ---- giving up a drive ---- */

/* Gives the cartridge one of the drives that are empty or will be; false: there is none for it. */
static bool finds_drive(struct rsm_mount_queue *queue, const struct rsm_cartridge *cartridge)
{
	for (size_t i = 0; i < queue->drive_count; i++) {
		struct rsm_queue_drive *drive = &queue->drives[i];

		if (drive->claimed || !rsm_mount_queue_takes(queue, cartridge, drive) ||
		    (drive->cartridge && !is_leaving(drive->cartridge)))
			continue;
		drive->claimed = true;
		return true;
	}
	return false;
}

struct shortage {
	unsigned count;	     /* cartridges that wait, have no drive, and could have this one */
	unsigned certain;    /* of them, that want no other */
	int64_t heaviest_ns; /* of them */
};

/* Who wants a certain drive is dealt with first: it has no choice. Nor has the other side of what
 * is in it, whichever drive is to have that one then.
 */
static void count_waiting(struct rsm_mount_queue *queue, const struct rsm_queue_drive *at,
			  bool urgent, bool certain, struct shortage *shortage)
{
	RSM_LIST_FOR_EACH (item, queue->cartridges) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, link);
		bool waits = cartridge->library == at->library
				     ? rsm_mount_queue_waits(queue, cartridge)
				     : rsm_mount_queue_waits_by_hand(queue, cartridge, at);
		bool turns = rsm_mount_queue_waits_for_turn(queue, cartridge, at);
		int64_t weight;

		if ((!waits && !turns) ||
		    (turns || rsm_mount_queue_wanted_drive(cartridge) != 0) != certain ||
		    (urgent && !rsm_mount_queue_is_urgent(queue, cartridge)))
			continue;
		if (!turns &&
		    (finds_drive(queue, cartridge) || !rsm_mount_queue_takes(queue, cartridge, at)))
			continue;
		weight = rsm_mount_queue_is_promised(cartridge)
				 ? INT64_MAX
				 : rsm_mount_queue_weight_ns(cartridge, queue->now_ns);
		if (!shortage->count || weight > shortage->heaviest_ns)
			shortage->heaviest_ns = weight;
		shortage->count++;
		shortage->certain += certain;
	}
}

static struct shortage find_shortage(struct rsm_mount_queue *queue,
				     const struct rsm_queue_drive *at, bool urgent)
{
	struct shortage shortage = { 0 };

	for (size_t i = 0; i < queue->drive_count; i++)
		queue->drives[i].claimed = false;
	count_waiting(queue, at, urgent, true, &shortage);
	count_waiting(queue, at, urgent, false, &shortage);
	return shortage;
}

/* A set waits for drives as well, but an idle cartridge is not sent home before it can have all. */
static void add_set(const struct rsm_mount_queue *queue, const struct rsm_queue_drive *at,
		    struct shortage *shortage)
{
	const struct rsm_mount_set *set = rsm_mount_queue_first_set(queue, at->library);
	int64_t weight;

	if (!set || is_member(set, at->cartridge))
		return;
	weight = rsm_mount_queue_set_weight_ns(set, queue->now_ns);
	if (!shortage->count || weight > shortage->heaviest_ns)
		shortage->heaviest_ns = weight;
	shortage->count += rsm_mount_queue_set_needs(set);
	shortage->certain += turns_member(set, at->cartridge);
}

/* How many idle cartridges go before this one. */
static unsigned idle_before(const struct rsm_mount_queue *queue, const struct rsm_queue_drive *at)
{
	unsigned count = 0;

	for (size_t i = 0; i < queue->drive_count; i++) {
		const struct rsm_queue_drive *other = &queue->drives[i];

		count += other != at && other->library == at->library && other->usable &&
			 could_yield(other) && (!at->idle || yields_before(other, at));
	}
	return count;
}

static bool must_yield(const struct shortage *shortage, unsigned before)
{
	return shortage->count && (shortage->certain || before < shortage->count);
}

int64_t rsm_mount_queue_leave_ns(struct rsm_mount_queue *queue, size_t drive)
{
	const struct rsm_queue_drive *at = &queue->drives[drive];
	const struct rsm_cartridge *loaded = at->cartridge;
	struct shortage shortage;
	int64_t leave = RSM_NEVER_NS, yield;

	if (loaded->leave)
		return queue->now_ns;
	if (loaded->held || rsm_mount_queue_is_promised(loaded))
		return RSM_NEVER_NS;
	if (loaded->stay_until_ns)
		return loaded->stay_until_ns;
	if (!at->open_files)
		leave = at->idle_since_ns + (int64_t)queue->dismount_delay_s * RSM_SECOND_NS;
	shortage = find_shortage(queue, at, true);
	if (must_yield(&shortage, idle_before(queue, at))) {
		yield = at->open_files ? at->idle_since_ns + YIELD_OPEN_NS : queue->now_ns;
		return yield < leave ? yield : leave;
	}
	shortage = find_shortage(queue, at, false);
	shortage.count += queue->unknown && !at->open_files;
	if (must_yield(&shortage, idle_before(queue, at))) {
		yield = at->used_at_ns ? at->used_at_ns + YIELD_USED_NS : queue->now_ns;
		return yield < leave ? yield : leave;
	}
	return leave;
}

/* How many go before this busy one: all that are idle, and those that are in for longer. */
static unsigned busy_before(const struct rsm_mount_queue *queue, const struct rsm_queue_drive *at)
{
	unsigned count = idle_before(queue, at);

	for (size_t i = 0; i < queue->drive_count; i++) {
		const struct rsm_queue_drive *other = &queue->drives[i];
		const struct rsm_cartridge *in = other->cartridge;

		if (other == at || other->library != at->library || !other->usable || !in ||
		    other->idle || in->state != RSM_CARTRIDGE_LOADED || in->held ||
		    is_leaving(in) || !rsm_list_is_empty(&in->works))
			continue;
		count += in->loaded_at_ns < at->cartridge->loaded_at_ns ||
			 (in->loaded_at_ns == at->cartridge->loaded_at_ns &&
			  other->element < at->element);
	}
	return count;
}

static bool is_outweighed(struct rsm_mount_queue *queue, const struct rsm_queue_drive *at,
			  bool urgent)
{
	struct shortage shortage = find_shortage(queue, at, urgent);

	if (urgent)
		add_set(queue, at, &shortage);
	return must_yield(&shortage, busy_before(queue, at)) &&
	       shortage.heaviest_ns > rsm_mount_queue_weight_ns(at->cartridge, queue->now_ns);
}

bool rsm_mount_queue_turn_is_over(struct rsm_mount_queue *queue, size_t drive)
{
	struct rsm_queue_drive *at = &queue->drives[drive];
	int64_t in_for = queue->now_ns - at->cartridge->loaded_at_ns;
	int64_t turn = TURN_EXCHANGES * queue->exchange_ns;

	if (turn < TURN_NS)
		turn = TURN_NS;
	if (in_for <= turn || at->cartridge->held || rsm_mount_queue_is_promised(at->cartridge))
		return false;
	return is_outweighed(queue, at, true) ||
	       (in_for > TURN_USED * turn && is_outweighed(queue, at, false));
}
