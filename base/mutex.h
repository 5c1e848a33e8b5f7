/* mutex.h - mutexes that scopes release, and the marks by which clang checks who holds what.
 *
 * RSM_LOCK_SCOPE(&x->lock); locks until the end of the enclosing block, on every way out.
 * rsm_cond_wait_until() waits on the monotonic clock.
 */
#ifndef RSM_BASE_MUTEX_H
#define RSM_BASE_MUTEX_H

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if defined(__clang__)
#define RSM_TSA(x) __attribute__((x))
#else
#define RSM_TSA(x)
#endif

/* Documents, for `_locked` helpers, the lock that the caller holds. */
#define RSM_REQUIRES(lock)

struct rsm_mutex {
	pthread_mutex_t m;
};

static inline void rsm_mutex_init(struct rsm_mutex *mutex)
{
	pthread_mutex_init(&mutex->m, NULL);
}

static inline void rsm_mutex_fini(struct rsm_mutex *mutex)
{
	pthread_mutex_destroy(&mutex->m);
}

static inline void rsm_mutex_lock(struct rsm_mutex *mutex)
{
	int r = pthread_mutex_lock(&mutex->m);

	assert(r == 0);
	(void)r;
}

static inline void rsm_mutex_unlock(struct rsm_mutex *mutex)
{
	int r = pthread_mutex_unlock(&mutex->m);

	assert(r == 0);
	(void)r;
}

static inline struct rsm_mutex *rsm_mutex_scope_lock(struct rsm_mutex *mutex)
{
	rsm_mutex_lock(mutex);
	return mutex;
}

static inline void rsm_mutex_scope_unlock(struct rsm_mutex **mutex)
{
	rsm_mutex_unlock(*mutex);
}

#define RSM_LOCK_CONCAT_(a, b) a##b
#define RSM_LOCK_CONCAT(a, b)  RSM_LOCK_CONCAT_(a, b)
#define RSM_LOCK_SCOPE(mutex)                                                                      \
	struct rsm_mutex *RSM_LOCK_CONCAT(scope_, __LINE__)                                        \
		__attribute__((cleanup(rsm_mutex_scope_unlock), unused)) =                         \
			rsm_mutex_scope_lock(mutex)

/* A condition variable whose deadlines are on the monotonic clock. */
static inline void rsm_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

static inline void rsm_cond_wait(pthread_cond_t *cond, struct rsm_mutex *mutex)
{
	pthread_cond_wait(cond, &mutex->m);
}

/* Waits until signalled or `deadline_ns` (CLOCK_MONOTONIC); false when the time is over. */
static inline bool rsm_cond_wait_until(pthread_cond_t *cond, struct rsm_mutex *mutex,
				       int64_t deadline_ns)
{
	struct timespec at = { .tv_sec = deadline_ns / 1000000000,
			       .tv_nsec = deadline_ns % 1000000000 };

	return pthread_cond_timedwait(cond, &mutex->m, &at) == 0;
}

#endif
