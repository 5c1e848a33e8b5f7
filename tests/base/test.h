/* test.h - cmocka, with its includes in order and a main that can run one test by name. */
#ifndef RSM_TESTS_TEST_H
#define RSM_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

/* Asserts that r is 0 and prints the error's words otherwise. */
#define assert_done(r, err)                                                                        \
	do {                                                                                       \
		int done_ = (r);                                                                   \
		if (done_ != 0)                                                                    \
			fail_msg("%s: result %d, %s", #r, done_, done_ < 0 ? (err)->msg : "");     \
	} while (0)

/* Runs the group; argv[1] filters by name, and a filter that matches nothing fails. */
#define RSM_TEST_MAIN(tests)                                                                       \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		if (argc > 1)                                                                      \
			cmocka_set_test_filter(argv[1]);                                           \
		return cmocka_run_group_tests(tests, NULL, NULL);                                  \
	}

#endif
