/* Promise 1 of rsm-model.md 20, the second half: whoever dies in the middle of an allocation,
 * behind whichever row, leaves the medium in one pool, allocated there or not.
 */
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "core/catalog_private.h"
#include "tests/core/catalog_fixture.h"

typedef int deed(struct rsm_catalog *catalog, int64_t pool, struct rsm_err *err);

static void count_down(unsigned *left)
{
	if (--*left == 0)
		(void)raise(SIGKILL);
}

static void on_row(void *context, int operation, const char *database, const char *table,
		   sqlite3_int64 row)
{
	(void)operation;
	(void)database;
	(void)table;
	(void)row;
	count_down(context);
}

static int on_commit(void *context)
{
	count_down(context);
	return 0;
}

/* The child: dies behind the nth row that is changed, or just before the nth commit. */
static _Noreturn void act_and_die(struct fixture *f, int64_t pool, deed *act, unsigned step)
{
	static const char *const types[] = { "LTO-8", NULL };
	struct rsm_catalog *catalog;
	struct rsm_err err;

	if (rsm_catalog_open(f->folder, rsm_clock_real(), &catalog, &err) < 0 ||
	    rsm_library_register(catalog, "/lib", "virtual", types, &f->library, &err) < 0)
		_exit(2);
	sqlite3_update_hook(catalog->db, on_row, &step);
	sqlite3_commit_hook(catalog->db, on_commit, &step);
	_exit(act(catalog, pool, &err) < 0);
}

/* False: it did not live long enough to die. */
static bool dies(struct fixture *f, int64_t pool, deed *act, unsigned step)
{
	pid_t child;
	int status;

	rsm_catalog_close(f->catalog);
	f->catalog = NULL;
	child = fork();
	if (child == 0)
		act_and_die(f, pool, act, step);
	assert_int_equal(waitpid(child, &status, 0), child);
	reopen(f);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static int allocate_one(struct rsm_catalog *catalog, int64_t pool, struct rsm_err *err)
{
	const struct rsm_allocation wanted = { .pool = pool, .name = "monday", .mode = 0750 };
	struct rsm_medium medium;

	return rsm_allocate(catalog, &wanted, &medium, err);
}

static int give_back(struct rsm_catalog *catalog, int64_t pool, struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = rsm_medium_find(catalog, pool, "monday", &medium, err);

	return r ? -1 : rsm_deallocate(catalog, medium.id, false, NULL, err);
}

/* It is in one of the two, and all of it. */
static bool is_allocated(struct fixture *f)
{
	struct rsm_medium medium = medium_of(f, "A00001L8");
	bool allocated = medium.lmid[0] != '\0';
	struct rsm_pool mine = pool_at(f, "Backup"), spare = pool_at(f, "Free/LTO-8");

	assert_in_pool(f, &medium, allocated ? "Backup" : "Free/LTO-8");
	assert_int_equal(mine.media, allocated);
	assert_int_equal(mine.allocated, allocated);
	assert_int_equal(spare.media, !allocated);
	assert_int_equal(medium.state == RSM_MEDIUM_ALLOCATED, allocated);
	assert_int_equal(medium.name[0] != '\0', allocated);
	return allocated;
}

static void a_death_behind_any_row_of_an_allocation_leaves_it_in_one_pool(void **state)
{
	struct fixture *f = *state;
	int64_t pool = given_pool(f, "Backup").id;
	unsigned step = 1;

	given_free_cartridges(f, 1);
	for (; dies(f, pool, allocate_one, step); step++)
		assert_false(is_allocated(f)); /* nothing of it is told before all of it is there */
	assert_true(is_allocated(f));
	assert_true(step > 3);
}

static void nor_does_one_in_the_middle_of_a_deallocation(void **state)
{
	struct fixture *f = *state;
	int64_t pool = given_pool(f, "Backup").id;
	unsigned step = 1;

	given_free_cartridges(f, 1);
	formatted(f, given_allocated(f, pool, "monday").id);
	for (; dies(f, pool, give_back, step); step++)
		assert_true(is_allocated(f));
	assert_false(is_allocated(f));
	assert_true(step > 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
static const struct CMUnitTest tests[] = {
	T(a_death_behind_any_row_of_an_allocation_leaves_it_in_one_pool),
	T(nor_does_one_in_the_middle_of_a_deallocation),
};
RSM_TEST_MAIN(tests)
