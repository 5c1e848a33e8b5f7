/* fuzz.h - what the fuzz targets share: their entry point, promises, and a folder in memory.
 *
 * A target takes any bytes and must neither crash, hang nor break a promise. It is linked with
 * libFuzzer (-Dfuzz=true, clang) and with replay.c, which feeds it the corpus in each test run.
 */
#ifndef RSM_TESTS_FUZZ_FUZZ_H
#define RSM_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What holds for all inputs; unlike assert it is there in every build. */
#define FUZZ_PROMISE(condition, ...)                                                               \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: broken promise: %s: ", __FILE__, __LINE__,         \
				#condition);                                                       \
			fprintf(stderr, __VA_ARGS__);                                              \
			fputc('\n', stderr);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A folder of this process, in memory if there is such a place; removed at exit. */
const char *fuzz_folder(void);
/* The folder as a descriptor. */
int fuzz_folder_fd(void);
/* Makes a file in it. */
void fuzz_put_file(const char *name, const void *data, size_t size);

#endif
