/* Feeds a fuzz target what is in its corpus, and variations of it that are the same in each run:
 * cut off at many places, and with bytes changed, doubled, taken away. The target runs in a child,
 * so that an input that kills it can be told, and is kept in a file "fatal-input".
 *
 * replay VARIATIONS FOLDER | FILE...
 */
#include <dirent.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"

enum { FILE_LIMIT = 1 << 20, CUTS = 64, CHANGES = 4, PIECE = 32 };

/* What is being tried; shared with the child. */
struct trial {
	unsigned inputs;
	char name[4096];
	size_t size;
	uint8_t data[FILE_LIMIT + CHANGES * PIECE];
};

static void try_input(struct trial *trial)
{
	/* of its own size, so that a sanitizer sees reads beyond the end */
	uint8_t *copy = malloc(trial->size ? trial->size : 1);

	FUZZ_PROMISE(copy, "out of memory");
	memcpy(copy, trial->data, trial->size);
	LLVMFuzzerTestOneInput(copy, trial->size);
	free(copy);
	trial->inputs++;
}

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void vary(struct trial *trial, uint64_t *state)
{
	uint8_t *data = trial->data;

	for (uint64_t changes = 1 + next(state) % CHANGES; changes && trial->size; changes--) {
		size_t at = (size_t)(next(state) % trial->size);
		size_t length = (size_t)(next(state) % PIECE);

		if (length > trial->size - at)
			length = trial->size - at;
		switch (next(state) % 4) {
		case 0: data[at] ^= (uint8_t)(1U << next(state) % 8); break;
		case 1: data[at] = (uint8_t)next(state); break;
		case 2: /* twice */
			memmove(data + at + length, data + at, trial->size - at);
			trial->size += length;
			break;
		default:
			memmove(data + at, data + at + length, trial->size - at - length);
			trial->size -= length;
			break;
		}
	}
}

static void replay_file(struct trial *trial, const char *path, unsigned variations)
{
	size_t size, cuts = variations < CUTS ? variations : CUTS;
	uint64_t state = 0x9e3779b97f4a7c15;
	struct rsm_err err;
	char *data;

	FUZZ_PROMISE(rsm_file_load(path, FILE_LIMIT, &data, &size, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i <= cuts; i++) {
		snprintf(trial->name, sizeof trial->name, "%s, less %zu of %zu parts", path, i,
			 cuts);
		trial->size = i ? size - size * i / cuts : size;
		memcpy(trial->data, data, size);
		try_input(trial);
	}
	for (unsigned i = 0; i < variations; i++) {
		snprintf(trial->name, sizeof trial->name, "%s, variation %u", path, i);
		trial->size = size;
		memcpy(trial->data, data, size);
		vary(trial, &state);
		try_input(trial);
	}
	free(data);
}

static void replay(struct trial *trial, const char *path, unsigned variations)
{
	struct dirent **entries;
	struct stat st;
	int count;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		replay_file(trial, path, variations);
		return;
	}
	count = scandir(path, &entries, NULL, alphasort);
	FUZZ_PROMISE(count > 0, "%s: no corpus", path);
	for (int i = 0; i < count; i++) {
		char name[4096];

		snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			replay(trial, name, variations);
		free(entries[i]);
	}
	free(entries);
}

static void keep(const struct trial *trial)
{
	FILE *file = fopen("fatal-input", "w");

	if (file) {
		(void)!fwrite(trial->data, 1, trial->size, file);
		fclose(file);
	}
	printf("# the last input: %s (%zu bytes, kept in fatal-input)\n", trial->name, trial->size);
}

int main(int argc, char **argv)
{
	struct trial *trial = mmap(NULL, sizeof *trial, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t child;

	if (argc < 3 || trial == MAP_FAILED)
		return 2;
	fuzz_folder(); /* here, so that it is removed even if the child dies */
	printf("TAP version 13\n1..1\n");
	fflush(stdout);
	child = fork();
	if (child < 0)
		return 2;
	if (child == 0) {
		for (int i = 2; i < argc; i++)
			replay(trial, argv[i], (unsigned)strtoul(argv[1], NULL, 10));
		exit(0);
	}
	if (waitpid(child, &status, 0) < 0)
		return 2;
	if (status)
		keep(trial);
	printf("%s 1 - the corpus and %u variations of it are read without harm\n",
	       status ? "not ok" : "ok", trial->inputs);
	munmap(trial, sizeof *trial);
	return status ? 1 : 0;
}
