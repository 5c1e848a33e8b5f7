#include "changer/emulator/elements_first.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"

enum {
	LOOKERS = 32,
	PORTION = 64, /* elements that one takes at a time */
	STACK = 256 << 10,
};

struct first_look {
	struct rsm_elements *elements;
	const struct rsm_element_memo *memo;
	atomic_size_t next; /* place of the first element that nobody has taken */
	atomic_bool failed; /* out of memory */
};

/* An element belongs to whoever has taken it; of what all share a first look sets memo_is_old only.
 */
static bool look_at(const struct first_look *first, struct rsm_emulated_element *element)
{
	struct rsm_elements *elements = first->elements;
	const char *name = NULL;
	char path[PATH_ROOM];
	struct stat st;

	rsm_element_path(element, path);
	if (first->memo && element->type == RSM_ELEMENT_STORAGE &&
	    fstatat(elements->library, path, &st, 0) == 0)
		name = rsm_element_memo_find(first->memo, element->address, &st);
	if (!name) {
		rsm_element_look(elements, element, RSM_BY_RENAME);
		return true;
	}
	element->folder_mtime = (int64_t)st.st_mtim.tv_sec * RSM_SECOND_NS + st.st_mtim.tv_nsec;
	element->folder_ctime = (int64_t)st.st_ctim.tv_sec * RSM_SECOND_NS + st.st_ctim.tv_nsec;
	element->folder_inode = st.st_ino;
	element->by_operator = *name != '\0';
	element->cartridge = *name ? strdup(name) : NULL;
	return !*name || element->cartridge;
}

static void *look(void *context)
{
	struct first_look *first = context;
	size_t count = first->elements->count, at;

	while ((at = atomic_fetch_add(&first->next, PORTION)) < count)
		for (size_t i = at; i < at + PORTION && i < count; i++)
			if (!look_at(first, &first->elements->list[i]))
				atomic_store(&first->failed, true);
	return NULL;
}

/* As many as there can be; the caller looks, too, so that none is enough. */
static unsigned call_others(struct first_look *first, pthread_t threads[LOOKERS])
{
	pthread_attr_t attributes;
	unsigned count = 0;

	if (pthread_attr_init(&attributes) != 0)
		return 0;
	if (pthread_attr_setstacksize(&attributes, STACK) == 0)
		while (count < LOOKERS &&
		       pthread_create(&threads[count], &attributes, look, first) == 0)
			count++;
	pthread_attr_destroy(&attributes);
	return count;
}

int rsm_elements_look_first(struct rsm_elements *elements, const struct rsm_element_memo *memo,
			    struct rsm_err *err)
{
	struct first_look first = { .elements = elements, .memo = memo };
	pthread_t threads[LOOKERS];
	unsigned others = 0;

	if (elements->count > WATCHED_SLOTS)
		others = call_others(&first, threads);
	look(&first);
	while (others)
		pthread_join(threads[--others], NULL);
	return first.failed ? rsm_err_oom(err) : 0;
}
