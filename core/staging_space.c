#include "core/staging_private.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

enum { LOOK_NS = 20 * 1000 * 1000, REFUSED_NS = 500 * 1000 * 1000 };

static const uint64_t gibibyte = (uint64_t)1 << 30;

struct rsm_staging_space {
	char *folder;			      /* [const] */
	uint64_t limit;			      /* [const] 0: what the file system has */
	atomic_uint_fast64_t used;	      /* by all areas */
	struct rsm_mutex lock;		      /* for the last look at the file system */
	uint64_t room;			      /* [lock] what was left of it, reserve deducted */
	uint64_t used_then;		      /* [lock] */
	int64_t looked_ns;		      /* [lock] */
	atomic_int_fast64_t refused_ns;	      /* when a writer was last made to wait */
	atomic_int_fast64_t waiting_ns;	      /* since when; bytes given back begin it anew */
	atomic_bool waited_for;		      /* ... and `room` was not called since */
	void (*room_callback)(void *context); /* [const] or NULL */
	void *context;			      /* [const] */
};

int rsm_staging_space_new(const char *folder, uint64_t limit_bytes,
			  struct rsm_staging_space **ret_space, struct rsm_err *err)
{
	struct rsm_staging_space *space = calloc(1, sizeof *space);

	if (space)
		space->folder = strdup(folder);
	if (!space || !space->folder) {
		free(space);
		return rsm_err_oom(err);
	}
	space->limit = limit_bytes;
	space->looked_ns = INT64_MIN / 2;
	space->refused_ns = INT64_MIN / 2;
	rsm_mutex_init(&space->lock);
	*ret_space = space;
	return 0;
}

void rsm_staging_space_free(struct rsm_staging_space *space)
{
	if (!space)
		return;
	rsm_mutex_fini(&space->lock);
	free(space->folder);
	free(space);
}

uint64_t rsm_staging_space_used(const struct rsm_staging_space *space)
{
	return atomic_load_explicit(&((struct rsm_staging_space *)space)->used,
				    memory_order_relaxed);
}

static int64_t coarse_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}

/* What the file system still has for us. With a limit of our own the reserve is only what keeps
 * SQLite alive.
 */
static uint64_t look_at_file_system(const struct rsm_staging_space *space)
{
	uint64_t total, left, reserve;
	struct statvfs st;

	if (statvfs(space->folder, &st) < 0)
		return UINT64_MAX; /* the write itself will tell */
	total = (uint64_t)st.f_blocks * st.f_frsize;
	left = (uint64_t)st.f_bavail * st.f_frsize;
	reserve = space->limit ? gibibyte / 16 : gibibyte;
	if (reserve > total / 20)
		reserve = total / 20;
	return left > reserve ? left - reserve : 0;
}

/* What the disk has left, as of a moment ago. */
static uint64_t room_of_disk(struct rsm_staging_space *space, uint64_t used)
{
	uint64_t since;
	int64_t now;

	RSM_LOCK_SCOPE(&space->lock);
	now = coarse_ns();
	if (now - space->looked_ns > LOOK_NS) {
		space->room = look_at_file_system(space);
		space->used_then = used;
		space->looked_ns = now;
	}
	since = used > space->used_then ? used - space->used_then : 0;
	return space->room < since ? 0 : space->room - since;
}

bool rsm_staging_space_is_exhausted(struct rsm_staging_space *space, uint64_t wanted_bytes)
{
	return room_of_disk(space, rsm_staging_space_used(space)) < wanted_bytes;
}

bool rsm_staging_space_is_full(struct rsm_staging_space *space, uint64_t wanted_bytes)
{
	uint64_t used = rsm_staging_space_used(space);

	/* a piece larger than the whole limit must get in some day */
	if (space->limit && used && used + wanted_bytes > space->limit)
		return true;
	return rsm_staging_space_is_exhausted(space, wanted_bytes);
}

void rsm_staging_space_refused(struct rsm_staging_space *space)
{
	int64_t now = coarse_ns();

	atomic_store(&space->refused_ns, now);
	if (!atomic_exchange(&space->waited_for, true))
		atomic_store(&space->waiting_ns, now);
}

int64_t rsm_staging_space_waited_ns(struct rsm_staging_space *space)
{
	int64_t now = coarse_ns();

	/* who gave up does not ask any more */
	if (!atomic_load(&space->waited_for) ||
	    now - atomic_load(&space->refused_ns) > 4 * (int64_t)REFUSED_NS)
		return 0;
	return now - atomic_load(&space->waiting_ns);
}

uint64_t rsm_staging_space_size(struct rsm_staging_space *space)
{
	uint64_t used = rsm_staging_space_used(space), room = room_of_disk(space, used), size;

	size = room > UINT64_MAX - used ? UINT64_MAX : used + room;
	return space->limit && space->limit < size ? space->limit : size;
}

bool rsm_staging_space_is_tight(struct rsm_staging_space *space)
{
	if (coarse_ns() - atomic_load(&space->refused_ns) < REFUSED_NS)
		return true;
	return rsm_staging_space_used(space) / 3 >= rsm_staging_space_size(space) / 4;
}

void rsm_staging_space_set_callback(struct rsm_staging_space *space, void (*room)(void *context),
				    void *context)
{
	space->room_callback = room;
	space->context = context;
}

void rsm_staging_space_freed(struct rsm_staging_space *space)
{
	if (!atomic_load(&space->waited_for) || !atomic_exchange(&space->waited_for, false))
		return;
	rsm_mutex_lock(&space->lock);
	space->looked_ns = INT64_MIN / 2;
	rsm_mutex_unlock(&space->lock);
	if (space->room_callback)
		space->room_callback(space->context);
}

void rsm_staging_space_take(struct rsm_staging_space *space, uint64_t bytes)
{
	atomic_fetch_add_explicit(&space->used, bytes, memory_order_relaxed);
}

void rsm_staging_space_give(struct rsm_staging_space *space, uint64_t bytes)
{
	atomic_fetch_sub_explicit(&space->used, bytes, memory_order_relaxed);
}
