#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/asker.h"
#include "tests/base/test.h"

static void a_process_is_found_and_lives(void **state)
{
	(void)state;
	assert_int_equal(rsmfs_asker_process(getpid()), getpid());
	assert_true(rsmfs_asker_lives(getpid()));
}

static void *tell_process(void *arg)
{
	*(pid_t *)arg = rsmfs_asker_process(gettid());
	return NULL;
}

static void a_threads_process_outlives_it(void **state)
{
	pthread_t thread;
	pid_t process = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, tell_process, &process), 0);
	pthread_join(thread, NULL);
	assert_int_equal(process, getpid());
	assert_true(rsmfs_asker_lives(process));
}

static void a_dead_one_is_gone_though_nobody_has_buried_it(void **state)
{
	siginfo_t info;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		for (;;)
			pause();
	assert_true(child > 0);
	assert_int_equal(rsmfs_asker_process(child), child);
	assert_true(rsmfs_asker_lives(child));
	kill(child, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_false(rsmfs_asker_lives(child));
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(rsmfs_asker_lives(child));
	assert_int_equal(rsmfs_asker_process(child), 0);
}

static void who_cannot_be_seen_counts_as_living(void **state)
{
	(void)state;
	assert_int_equal(rsmfs_asker_process(0), RSMFS_ASKER_UNKNOWN); /* another namespace's */
	if (access("/proc/2/status", F_OK) == 0 && getpid() != 2 && getppid() != 2)
		assert_int_equal(rsmfs_asker_process(2), RSMFS_ASKER_UNKNOWN); /* kthreadd */
	assert_true(rsmfs_asker_lives(RSMFS_ASKER_UNKNOWN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_found_and_lives),
		cmocka_unit_test(a_threads_process_outlives_it),
		cmocka_unit_test(a_dead_one_is_gone_though_nobody_has_buried_it),
		cmocka_unit_test(who_cannot_be_seen_counts_as_living),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
