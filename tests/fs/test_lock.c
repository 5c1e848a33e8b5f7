#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "fs/lock.h"
#include "tests/base/test.h"

struct place {
	char folder[32];
	char *path;
};

static int given_a_library(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	strcpy(place->folder, "/tmp/rsmfs-lock-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	assert_done(rsmfs_lock_path(place->folder, NULL, &place->path, NULL),
		    &(struct rsm_err){ 0 });
	*state = place;
	return 0;
}

static int remove_library(void **state)
{
	struct place *place = *state;

	(void)!rsm_file_remove_tree(place->folder, NULL);
	free(place->path);
	free(place);
	return 0;
}

/* A process that holds the lock in a state, until it is killed. */
static pid_t given_a_holder(const struct place *place, enum rsmfs_lock_state lock_state)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		struct rsmfs_lock *lock;

		if (rsmfs_lock_take(place->path, "/lib", "/mnt/x y", NULL, NULL, &lock, NULL) < 0)
			_exit(1);
		rsmfs_lock_tell(lock, lock_state, "writing an index");
		(void)!write(ends[1], "1", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	close(ends[1]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void a_second_mount_fails_and_names_the_first(void **state)
{
	struct place *place = *state;
	struct rsmfs_lock *lock;
	struct rsmfs_lock_owner owner;
	struct rsm_err err;
	pid_t holder = given_a_holder(place, RSMFS_LOCK_MOUNTED);
	int r = rsmfs_lock_take(place->path, "/lib", "/mnt/2", NULL, NULL, &lock, &err);

	assert_int_equal(r, -EBUSY);
	assert_non_null(strstr(err.msg, "/mnt/x y"));
	assert_done(rsmfs_lock_look(place->path, &owner, &err), &err);
	assert_int_equal(owner.state, RSMFS_LOCK_MOUNTED);
	assert_int_equal(owner.pid, holder);
	end(holder);
}

static bool end_holder(void *context, const struct rsmfs_lock_owner *owner)
{
	pid_t *holder = context;

	assert_int_equal(owner->state, RSMFS_LOCK_ENDING);
	assert_string_equal(owner->progress, "writing an index");
	if (*holder)
		end(*holder);
	*holder = 0;
	return true;
}

static void one_that_is_ending_is_waited_for(void **state)
{
	struct place *place = *state;
	struct rsmfs_lock *lock;
	struct rsm_err err;
	pid_t holder = given_a_holder(place, RSMFS_LOCK_ENDING);

	assert_done(
		rsmfs_lock_take(place->path, "/lib", "/mnt/2", end_holder, &holder, &lock, &err),
		&err);
	assert_int_equal(holder, 0);
	rsmfs_lock_release(lock);
}

static void a_dead_holder_holds_nothing(void **state)
{
	struct place *place = *state;
	struct rsmfs_lock_owner owner;
	struct rsm_err err;

	end(given_a_holder(place, RSMFS_LOCK_MOUNTED));
	assert_done(rsmfs_lock_look(place->path, &owner, &err), &err);
	assert_int_equal(owner.state, RSMFS_LOCK_FREE);
	assert_done(rsmfs_lock_wait(place->folder, NULL, NULL, &err), &err);
}

static bool stop_waiting(void *context, const struct rsmfs_lock_owner *owner)
{
	(void)context;
	(void)owner;
	return false;
}

static void waiting_can_be_given_up(void **state)
{
	struct place *place = *state;
	pid_t holder = given_a_holder(place, RSMFS_LOCK_MOUNTED);

	assert_int_equal(rsmfs_lock_wait(place->folder, stop_waiting, NULL, NULL), -EINTR);
	end(holder);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(a_second_mount_fails_and_names_the_first, given_a_library,
					remove_library),
	cmocka_unit_test_setup_teardown(one_that_is_ending_is_waited_for, given_a_library,
					remove_library),
	cmocka_unit_test_setup_teardown(a_dead_holder_holds_nothing, given_a_library,
					remove_library),
	cmocka_unit_test_setup_teardown(waiting_can_be_given_up, given_a_library, remove_library),
};
RSM_TEST_MAIN(tests)
