#include "base/clock.h"

#include <errno.h>

static int64_t real_now_ns(struct rsm_clock *clock)
{
	struct timespec now;

	(void)clock;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * RSM_SECOND_NS + now.tv_nsec;
}

static void real_wall(struct rsm_clock *clock, struct timespec *ret_now)
{
	(void)clock;
	clock_gettime(CLOCK_REALTIME, ret_now);
}

static void real_sleep_ns(struct rsm_clock *clock, int64_t ns)
{
	struct timespec left = { .tv_sec = ns / RSM_SECOND_NS, .tv_nsec = ns % RSM_SECOND_NS };

	(void)clock;
	if (ns <= 0)
		return;
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

struct rsm_clock *rsm_clock_real(void)
{
	static const struct rsm_clock_ops ops = { real_now_ns, real_wall, real_sleep_ns };
	static struct rsm_clock clock = { &ops };

	return &clock;
}

static int64_t virtual_now_ns(struct rsm_clock *clock)
{
	return ((struct rsm_clock_virtual *)clock)->at_ns;
}

static void virtual_wall(struct rsm_clock *clock, struct timespec *ret_now)
{
	int64_t at = virtual_now_ns(clock);

	*ret_now = (struct timespec){ .tv_sec = at / RSM_SECOND_NS, .tv_nsec = at % RSM_SECOND_NS };
}

static void virtual_sleep_ns(struct rsm_clock *clock, int64_t ns)
{
	if (ns > 0)
		((struct rsm_clock_virtual *)clock)->at_ns += ns;
}

void rsm_clock_virtual_init(struct rsm_clock_virtual *clock)
{
	static const struct rsm_clock_ops ops = { virtual_now_ns, virtual_wall, virtual_sleep_ns };

	clock->clock.ops = &ops;
	clock->at_ns = 0;
}
