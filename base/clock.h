/* clock.h - time, real or virtual, so that nothing that waits has to wait in a test.
 *
 * Units: nanoseconds on a monotonic scale of the clock's own; wall time as struct timespec (UTC).
 */
#ifndef RSM_BASE_CLOCK_H
#define RSM_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define RSM_SECOND_NS ((int64_t)1000000000)

struct rsm_clock;

struct rsm_clock_ops {
	int64_t (*now_ns)(struct rsm_clock *clock);
	void (*wall)(struct rsm_clock *clock, struct timespec *ret_now);
	void (*sleep_ns)(struct rsm_clock *clock, int64_t ns);
};

struct rsm_clock {
	const struct rsm_clock_ops *ops;
};

/* The machine's clock; never freed, any thread. */
struct rsm_clock *rsm_clock_real(void);

/* A clock that stands still but for sleepers: sleeping moves it. For one thread, or a test that
 * locks. */
struct rsm_clock_virtual {
	struct rsm_clock clock;
	int64_t at_ns;
};
void rsm_clock_virtual_init(struct rsm_clock_virtual *clock);

static inline int64_t rsm_clock_now_ns(struct rsm_clock *clock)
{
	return clock->ops->now_ns(clock);
}

static inline void rsm_clock_wall(struct rsm_clock *clock, struct timespec *ret_now)
{
	clock->ops->wall(clock, ret_now);
}

static inline void rsm_clock_sleep_ns(struct rsm_clock *clock, int64_t ns)
{
	clock->ops->sleep_ns(clock, ns);
}

#endif
