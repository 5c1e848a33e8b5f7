#include "changer/emulator/elements_warm.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/cleanup.h"

enum {
	LOOKERS = 32,
	PORTION = 64, /* slots that one takes at a time */
	STACK = 256 << 10,
};

struct warming {
	const struct rsm_elements *elements;
	const struct rsm_element_memo *memo;
	size_t end;	    /* place behind the last slot */
	atomic_size_t next; /* place of the first slot that nobody has taken */
};

static void warm_one(const struct warming *warming, const struct rsm_emulated_element *slot)
{
	_Alignas(struct dirent64) char buffer[4096];
	RSM_CLOSE int folder = -1;
	char path[PATH_ROOM];
	struct stat st;

	rsm_element_path(slot, path);
	if (fstatat(warming->elements->library, path, &st, 0) < 0 ||
	    (warming->memo && rsm_element_memo_find(warming->memo, slot->address, &st)))
		return;
	folder = openat(warming->elements->library, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (folder >= 0 && getdents64(folder, buffer, sizeof buffer) > 0)
		;
}

static void *warm(void *context)
{
	struct warming *warming = context;
	size_t at;

	while ((at = atomic_fetch_add(&warming->next, PORTION)) < warming->end)
		for (size_t i = at; i < at + PORTION && i < warming->end; i++)
			warm_one(warming, &warming->elements->list[i]);
	return NULL;
}

void rsm_elements_warm(const struct rsm_elements *elements, const struct rsm_element_memo *memo)
{
	struct warming warming = {
		.elements = elements,
		.memo = memo,
		.next = elements->first_of[RSM_ELEMENT_STORAGE],
		.end = elements->first_of[RSM_ELEMENT_STORAGE + 1],
	};
	pthread_t threads[LOOKERS];
	unsigned count = 0;
	pthread_attr_t attributes;

	if (pthread_attr_init(&attributes) != 0)
		return;
	/* without any of them it only takes longer */
	if (pthread_attr_setstacksize(&attributes, STACK) == 0)
		while (count < LOOKERS &&
		       pthread_create(&threads[count], &attributes, warm, &warming) == 0)
			count++;
	pthread_attr_destroy(&attributes);
	while (count)
		pthread_join(threads[--count], NULL);
}
