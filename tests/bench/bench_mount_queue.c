/* The mount queue's own code (core/mount_queue.h) runs an imagined LTO-8 library on a virtual
 * clock, beside first come, first served on the same requests: how often the robot exchanges
 * cartridges, how long all of it takes, how long the one waits who waits longest.
 *
 * The machine: one robot, 15 s a move; 20 s to load, as much to unload; 960 m of tape in 208 wraps
 * at 10 m/s; 300 MB/s. Requests: 10,000 reads of some gigabytes from 1,000 cartridges; how often
 * one is asked for follows Zipf's law. RSM_SEED: another trace.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/drive_private.h"

enum { CARTRIDGES = 1000, REQUESTS = 10000, DRIVES_MOST = 16, WRAPS = 208 };

#define ROBOT_S	    15.0
#define LOAD_S	    20.0
#define PASS_S	    96.0 /* from one end of the tape to the other */
#define SETTLE_S    2.0
#define RATE	    300e6
#define CAPACITY    12e12
#define MEAN_BYTES  3e9
#define ZIPF	    1.0
#define BLOCK	    (512 * 1024)
#define WRAP_BLOCKS (CAPACITY / BLOCK / WRAPS)
#define MOST_SHARE  0.6 /* of the exchanges of first come, first served */
#define MOST_WAIT   3.0 /* times its longest wait */

struct request {
	struct rsm_medium_read read; /* as the drives queue it */
	int cartridge;
	int64_t arrives_ns;
	double bytes;
};

struct trace {
	struct request requests[REQUESTS]; /* by arrival */
	unsigned distinct;		   /* cartridges that are asked for */
};

struct outcome {
	unsigned exchanges, served;
	int64_t makespan_ns, longest_ns;
	double total_wait_s;
};

static int64_t ns(double seconds)
{
	return (int64_t)(seconds * (double)RSM_SECOND_NS);
}

/* ---- the trace ---- */

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9E3779B97F4A7C15u);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static double uniform(uint64_t *state)
{
	return (double)(next_random(state) >> 11) * 0x1.0p-53;
}

static double exponential(uint64_t *state, double mean)
{
	return -mean * log(1.0 - uniform(state));
}

static int draw_cartridge(uint64_t *state, const double *cumulated)
{
	double at = uniform(state) * cumulated[CARTRIDGES - 1];
	int low = 0, high = CARTRIDGES - 1;

	while (low < high) {
		int middle = (low + high) / 2;

		if (cumulated[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* `between_s`: the mean time between two requests. */
static void make_trace(struct trace *trace, uint64_t seed, double between_s)
{
	double cumulated[CARTRIDGES], sum = 0, at = 0;
	bool asked[CARTRIDGES] = { false };

	for (int i = 0; i < CARTRIDGES; i++)
		cumulated[i] = sum += 1.0 / pow(i + 1, ZIPF);
	trace->distinct = 0;
	for (int i = 0; i < REQUESTS; i++) {
		struct request *request = &trace->requests[i];

		*request = (struct request){ 0 };
		at += exponential(&seed, between_s);
		request->arrives_ns = ns(at) + 1;
		request->cartridge = draw_cartridge(&seed, cumulated);
		request->bytes = 1e6 + exponential(&seed, MEAN_BYTES);
		request->read.node = (uint64_t)i + 1;
		request->read.partition = 'b';
		request->read.start_block = (uint64_t)(uniform(&seed) * (CAPACITY - 100e9) / BLOCK);
		request->read.since_ns = request->arrives_ns;
		trace->distinct += !asked[request->cartridge];
		asked[request->cartridge] = true;
	}
}

/* ---- the machine ---- */

enum activity { EMPTY, FETCHING, LOADED, READING, LEAVING };

struct drive {
	enum activity activity;
	int64_t free_at_ns; /* when what it does is done */
	int cartridge;
	struct request *request; /* that is being read */
	uint64_t head_block;
	double along; /* where the head is, in tape lengths from the beginning */
	int64_t idle_since_ns;
};

struct machine {
	struct rsm_clock_virtual clock;
	int64_t robot_free_ns;
	struct drive drives[DRIVES_MOST];
	size_t drive_count;
	struct outcome outcome;
};

static int64_t now_of(struct machine *machine)
{
	return rsm_clock_now_ns(&machine->clock.clock);
}

/* The tape goes to and fro: where a block lies along it. */
static double along_of(uint64_t block)
{
	double wrap = floor((double)block / WRAP_BLOCKS);
	double part = (double)block / WRAP_BLOCKS - wrap;

	return fmod(wrap, 2) < 1 ? part : 1 - part;
}

static void begin(struct drive *drive, enum activity activity, int64_t until_ns)
{
	drive->activity = activity;
	drive->free_at_ns = until_ns;
}

/* The robot serves one drive after the other. */
static int64_t move(struct machine *machine, int64_t from_ns)
{
	if (machine->robot_free_ns < from_ns)
		machine->robot_free_ns = from_ns;
	machine->robot_free_ns += ns(ROBOT_S);
	return machine->robot_free_ns;
}

static void begin_fetch(struct machine *machine, struct drive *drive, int cartridge)
{
	drive->cartridge = cartridge;
	drive->head_block = 0;
	drive->along = 0;
	machine->outcome.exchanges++;
	begin(drive, FETCHING, move(machine, now_of(machine)) + ns(LOAD_S));
}

static void begin_leave(struct machine *machine, struct drive *drive)
{
	int64_t unloaded = now_of(machine) + ns(SETTLE_S + PASS_S * drive->along + LOAD_S);

	begin(drive, LEAVING, move(machine, unloaded));
}

static void begin_read(struct machine *machine, struct drive *drive, struct request *request)
{
	double to = along_of(request->read.start_block);
	uint64_t end = request->read.start_block + (uint64_t)(request->bytes / BLOCK);

	drive->request = request;
	begin(drive, READING,
	      now_of(machine) +
		      ns(SETTLE_S + PASS_S * fabs(to - drive->along) + request->bytes / RATE));
	drive->head_block = end;
	drive->along = along_of(end);
}

static void end_read(struct machine *machine, struct drive *drive)
{
	int64_t waited = now_of(machine) - drive->request->arrives_ns;
	struct outcome *outcome = &machine->outcome;

	outcome->served++;
	outcome->total_wait_s += (double)waited / (double)RSM_SECOND_NS;
	outcome->longest_ns = waited > outcome->longest_ns ? waited : outcome->longest_ns;
	outcome->makespan_ns = now_of(machine);
	drive->request = NULL;
	drive->idle_since_ns = now_of(machine);
}

static bool is_at_work(const struct drive *drive)
{
	return drive->activity != EMPTY && drive->activity != LOADED;
}

/* The time goes on to the next thing that happens; `until_ns`: at most. */
static void pass_time(struct machine *machine, int64_t until_ns)
{
	for (size_t i = 0; i < machine->drive_count; i++)
		if (is_at_work(&machine->drives[i]) && machine->drives[i].free_at_ns < until_ns)
			until_ns = machine->drives[i].free_at_ns;
	rsm_clock_sleep_ns(&machine->clock.clock, until_ns - now_of(machine));
	for (size_t i = 0; i < machine->drive_count; i++) {
		struct drive *drive = &machine->drives[i];

		if (!is_at_work(drive) || drive->free_at_ns > now_of(machine))
			continue;
		if (drive->activity == READING)
			end_read(machine, drive);
		drive->activity = drive->activity == LEAVING ? EMPTY : LOADED;
	}
}

static void machine_init(struct machine *machine, size_t drives)
{
	*machine = (struct machine){ .drive_count = drives };
	for (size_t i = 0; i < drives; i++)
		machine->drives[i].cartridge = -1;
	rsm_clock_virtual_init(&machine->clock);
}

/* ---- first come, first served ---- */

/* In a drive that has the cartridge, else in the one that has been idle for the longest time; one
 * whose cartridge is busy in a drive waits for it. *coming: drives that are being emptied for those
 * before it.
 */
static bool serve(struct machine *machine, struct request *request, unsigned *coming)
{
	struct drive *best = NULL;

	for (size_t i = 0; i < machine->drive_count; i++) {
		struct drive *drive = &machine->drives[i];

		if (drive->activity != EMPTY && drive->cartridge == request->cartridge) {
			if (is_at_work(drive))
				return false;
			begin_read(machine, drive, request);
			return true;
		}
		if (!is_at_work(drive) && (!best || drive->activity < best->activity ||
					   (drive->activity == best->activity &&
					    drive->idle_since_ns < best->idle_since_ns)))
			best = drive;
	}
	if (!best || best->activity == LOADED) {
		if (*coming)
			--*coming;
		else if (best)
			begin_leave(machine, best);
		return false;
	}
	begin_fetch(machine, best, request->cartridge);
	best->request = request;
	return true;
}

static void serve_all(struct machine *machine, struct trace *trace, bool *begun, size_t *oldest,
		      size_t arrived)
{
	unsigned coming = 0;

	for (size_t i = 0; i < machine->drive_count; i++)
		coming += machine->drives[i].activity == LEAVING;
	while (*oldest < arrived && begun[*oldest])
		++*oldest;
	for (size_t i = *oldest; i < arrived; i++) {
		bool at_rest = false;

		for (size_t k = 0; k < machine->drive_count; k++)
			at_rest = at_rest || !is_at_work(&machine->drives[k]);
		if (!at_rest)
			return;
		if (!begun[i])
			begun[i] = serve(machine, &trace->requests[i], &coming);
	}
}

static struct outcome first_come_first_served(struct trace *trace, size_t drives)
{
	struct machine machine;
	bool begun[REQUESTS] = { false };
	size_t arrived = 0, oldest = 0;

	machine_init(&machine, drives);
	while (machine.outcome.served < REQUESTS) {
		while (arrived < REQUESTS &&
		       trace->requests[arrived].arrives_ns <= now_of(&machine))
			arrived++;
		for (size_t i = 0; i < drives; i++) { /* what was fetched is fetched for one */
			struct drive *drive = &machine.drives[i];

			if (drive->activity == LOADED && drive->request)
				begin_read(&machine, drive, drive->request);
		}
		serve_all(&machine, trace, begun, &oldest, arrived);
		pass_time(&machine,
			  arrived < REQUESTS ? trace->requests[arrived].arrives_ns : INT64_MAX);
	}
	return machine.outcome;
}

/* ---- the mount queue ---- */

struct library {
	struct machine machine;
	struct rsm_list table;
	struct rsm_cartridge cartridges[CARTRIDGES];
	struct rsm_queue_drive views[DRIVES_MOST];
	struct rsm_mount_queue queue;
};

static struct rsm_cartridge *cartridge_of(struct library *library, const struct drive *drive)
{
	return drive->activity == EMPTY ? NULL : &library->cartridges[drive->cartridge];
}

/* What the manager shows the queue of its drives. */
static void look(struct library *library)
{
	library->queue.now_ns = now_of(&library->machine);
	for (size_t i = 0; i < library->machine.drive_count; i++) {
		const struct drive *drive = &library->machine.drives[i];
		struct rsm_cartridge *cartridge = cartridge_of(library, drive);

		library->views[i] = (struct rsm_queue_drive){
			.library = 1,
			.element = 256 + (uint32_t)i,
			.usable = true,
			.cartridge = cartridge,
			.idle = drive->activity == LOADED && rsm_list_is_empty(&cartridge->reads),
			.idle_since_ns = drive->idle_since_ns,
			.used_at_ns = drive->idle_since_ns,
		};
	}
}

/* The cartridges' states follow the drives'. */
static void note_state(struct library *library, const struct drive *drive)
{
	static const enum rsm_cartridge_state states[] = {
		[EMPTY] = RSM_CARTRIDGE_AWAY,	   [FETCHING] = RSM_CARTRIDGE_FETCHING,
		[LOADED] = RSM_CARTRIDGE_LOADED,   [READING] = RSM_CARTRIDGE_LOADED,
		[LEAVING] = RSM_CARTRIDGE_LEAVING,
	};
	struct rsm_cartridge *cartridge;

	if (drive->cartridge < 0)
		return;
	cartridge = &library->cartridges[drive->cartridge];
	if (drive->activity == EMPTY && cartridge->state != RSM_CARTRIDGE_LEAVING)
		return; /* another drive has it now */
	if (cartridge->state == RSM_CARTRIDGE_FETCHING && drive->activity == LOADED) {
		cartridge->loaded_at_ns = now_of(&library->machine);
		cartridge->since_ns = 0;
	}
	cartridge->state = states[drive->activity];
}

/* As a drive's worker does. Returns when to look again if nothing happens. */
static int64_t with_drive(struct library *library, size_t at)
{
	struct machine *machine = &library->machine;
	struct drive *drive = &machine->drives[at];
	struct rsm_cartridge *cartridge;
	struct rsm_medium_read *read;
	int64_t next = RSM_NEVER_NS;

	look(library);
	if (is_at_work(drive))
		return RSM_NEVER_NS;
	if (drive->activity == EMPTY) {
		cartridge = rsm_mount_queue_pick(&library->queue, at, &next);
		if (cartridge)
			begin_fetch(machine, drive, (int)cartridge->id - 1);
	} else {
		cartridge = &library->cartridges[drive->cartridge];
		read = rsm_drive_next_read(&cartridge->reads, BLOCK, 'b', drive->head_block);
		if (rsm_mount_queue_turn_is_over(&library->queue, at)) {
			begin_leave(machine, drive);
		} else if (read) {
			rsm_list_remove(&read->link);
			begin_read(machine, drive, RSM_CONTAINER_OF(read, struct request, read));
		} else {
			next = rsm_mount_queue_leave_ns(&library->queue, at);
			if (next <= now_of(machine))
				begin_leave(machine, drive);
		}
	}
	note_state(library, drive);
	return is_at_work(drive) ? RSM_NEVER_NS : next;
}

static void library_init(struct library *library, size_t drives)
{
	memset(library, 0, sizeof *library);
	machine_init(&library->machine, drives);
	rsm_list_init(&library->table);
	for (int i = 0; i < CARTRIDGES; i++) {
		struct rsm_cartridge *cartridge = &library->cartridges[i];

		cartridge->id = i + 1;
		cartridge->library = 1;
		rsm_list_init(&cartridge->reads);
		rsm_list_init(&cartridge->mounts);
		rsm_list_init(&cartridge->works);
		rsm_list_append(&library->table, &cartridge->link);
	}
	library->queue = (struct rsm_mount_queue){
		.cartridges = &library->table,
		.drives = library->views,
		.drive_count = drives,
		.exchange_ns = ns(2 * ROBOT_S + 2 * LOAD_S + PASS_S / 2),
		.dismount_delay_s =
			7 * 86400, /* as with the others, nothing leaves for no reason */
	};
}

static struct outcome by_the_queue(struct library *library, struct trace *trace, size_t drives)
{
	struct machine *machine = &library->machine;
	size_t arrived = 0;

	library_init(library, drives);
	while (machine->outcome.served < REQUESTS) {
		int64_t next = INT64_MAX;

		for (; arrived < REQUESTS; arrived++) {
			struct request *request = &trace->requests[arrived];

			if (request->arrives_ns > now_of(machine))
				break;
			rsm_list_append(&library->cartridges[request->cartridge].reads,
					&request->read.link);
		}
		for (size_t i = 0; i < drives; i++)
			note_state(library, &machine->drives[i]);
		for (size_t i = 0; i < drives; i++) {
			int64_t at = with_drive(library, i);

			next = at < next ? at : next;
		}
		if (arrived < REQUESTS && trace->requests[arrived].arrives_ns < next)
			next = trace->requests[arrived].arrives_ns;
		pass_time(machine, next);
	}
	return machine->outcome;
}

/* ---- */

static double hours(int64_t t)
{
	return (double)t / (double)RSM_SECOND_NS / 3600;
}

static void print_row(const char *who, const struct outcome *outcome)
{
	printf("  %-28s %9u %10.1f %12.2f %10.2f\n", who, outcome->exchanges,
	       hours(outcome->makespan_ns), hours(outcome->longest_ns),
	       outcome->total_wait_s / REQUESTS / 3600);
}

/* False when it is not as good as it has to be. */
static bool compare(struct library *library, struct trace *trace, size_t drives, double between_s,
		    uint64_t seed)
{
	struct outcome fcfs, queue;
	double share, wait;

	make_trace(trace, seed, between_s);
	fcfs = first_come_first_served(trace, drives);
	queue = by_the_queue(library, trace, drives);
	share = (double)queue.exchanges / fcfs.exchanges;
	wait = (double)queue.longest_ns / (double)fcfs.longest_ns;
	printf("%zu drives, a request every %.1f s, %u cartridges asked for\n", drives, between_s,
	       trace->distinct);
	printf("  %-28s %9s %10s %12s %10s\n", "", "exchanges", "makespan h", "longest h",
	       "mean h");
	print_row("first come, first served", &fcfs);
	print_row("mount queue", &queue);
	printf("  %-28s %9u\n", "each once", trace->distinct);
	printf("  exchanges %.2f, longest wait %.2f of first come, first served\n\n", share, wait);
	return share <= MOST_SHARE && wait <= MOST_WAIT;
}

/* `calm`: drives stand idle now and then, and there is little to choose from: the figures are shown
 * only. Else there is more to do than first come, first served can keep up with.
 */
static bool compare_all(struct library *library, struct trace *trace, bool calm)
{
	static const size_t drives[] = { 2, 4, 16 };
	static const double busy_s[] = { 30, 15, 5 }, calm_s[] = { 180, 90, 40 };
	const char *seed = getenv("RSM_SEED");
	bool good = true;

	printf("%s\n\n", calm ? "A quiet library" : "A busy library");
	for (size_t i = 0; i < sizeof drives / sizeof drives[0]; i++)
		good = compare(library, trace, drives[i], calm ? calm_s[i] : busy_s[i],
			       seed ? strtoull(seed, NULL, 0) : 1) &&
		       good;
	return good;
}

int main(void)
{
	struct library *library = malloc(sizeof *library);
	struct trace *trace = malloc(sizeof *trace);
	bool good = library && trace;

	if (good) {
		compare_all(library, trace, true);
		good = compare_all(library, trace, false);
		if (!good)
			printf("not good enough: at most %.1f of the exchanges and %.0f times the "
			       "wait\n",
			       MOST_SHARE, MOST_WAIT);
	}
	free(library);
	free(trace);
	return good ? 0 : 1;
}
