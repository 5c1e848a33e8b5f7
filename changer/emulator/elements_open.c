/* Opening: which elements there are, who watches them, and the first look at what they hold. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "changer/emulator/element_memo.h"
#include "changer/emulator/elements_private.h"
#include "changer/emulator/elements_first.h"

/* So many slots that what they hold is remembered from run to run. */
static bool has_many_slots(const struct rsm_elements *elements)
{
	return elements->first_of[RSM_ELEMENT_STORAGE + 1] -
		       elements->first_of[RSM_ELEMENT_STORAGE] >
	       WATCHED_SLOTS;
}

static void save_memo(struct rsm_elements *elements)
{
	RSM_TEXT struct rsm_text text = { 0 };
	struct rsm_err err;
	size_t count = 0;

	elements->memo_is_old = false;
	rsm_element_memo_begin(elements->library, &text);
	for (size_t i = 0; i < elements->count; i++) {
		const struct rsm_emulated_element *element = &elements->list[i];

		if (element->type != RSM_ELEMENT_STORAGE || !element->folder_ctime ||
		    (element->cartridge && strchr(element->cartridge, '\n')))
			continue;
		rsm_element_memo_add(&text, element->address, element->folder_inode,
				     element->folder_ctime,
				     element->cartridge ? element->cartridge : "");
		count++;
	}
	if (rsm_element_memo_save(elements->library, &text, count, &err) < 0)
		rsm_log_debug(RSM_ROOM_EMULATOR, "%s", err.msg);
}

void rsm_elements_close(struct rsm_elements *elements)
{
	if (!elements)
		return;
	if (elements->memo_is_old && has_many_slots(elements))
		save_memo(elements);
	for (size_t i = 0; i < elements->count; i++) {
		free(elements->list[i].cartridge);
		free(elements->list[i].growing);
	}
	if (elements->inotify >= 0)
		close(elements->inotify);
	free(elements->list);
	free(elements->by_address);
	free(elements->by_watch);
	free(elements);
}

static int watch_all(struct rsm_elements *elements, struct rsm_err *err)
{
	size_t slots = elements->first_of[RSM_ELEMENT_STORAGE + 1] -
		       elements->first_of[RSM_ELEMENT_STORAGE];
	int r = 0;

	elements->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	for (unsigned type = 0; type < 6; type++) {
		bool has_folder = type >= RSM_ELEMENT_STORAGE && type <= RSM_ELEMENT_DATA_TRANSFER;

		elements->folder_watches[type] =
			elements->inotify >= 0 && has_folder
				? rsm_element_add_watch(elements, rsm_element_folders[type],
							RSM_ELEMENT_WATCHED)
				: -1;
	}
	for (size_t i = 0; r == 0 && i < elements->count; i++) {
		struct rsm_emulated_element *element = &elements->list[i];

		element->watch = -1;
		if (element->type == RSM_ELEMENT_TRANSPORT)
			continue;
		if (elements->inotify >= 0 &&
		    (element->type != RSM_ELEMENT_STORAGE || slots <= WATCHED_SLOTS))
			r = rsm_element_watch(elements, i) < 0 ? rsm_err_oom(err) : 0;
		if (element->watch < 0)
			elements->unwatched++;
	}
	return r;
}

static int add(struct rsm_elements *elements, enum rsm_element_type type, uint16_t address,
	       const char *path, size_t *room, struct rsm_err *err)
{
	size_t place = elements->by_address[address];

	if (place && elements->list[place - 1].type == RSM_ELEMENT_TRANSPORT)
		return rsm_err_set(err, EBADMSG,
				   "%s/%s/%u: %u is the address of the robot's arm (transport in "
				   "library.conf)",
				   path, rsm_element_folders[type], address, address);
	if (place)
		return rsm_err_set(err, EBADMSG, "%s/%s/%u: %s/%u has the same address", path,
				   rsm_element_folders[type], address,
				   rsm_element_folders[elements->list[place - 1].type], address);
	if (elements->count == *room) {
		struct rsm_emulated_element *grown;

		*room = *room ? *room * 2 : 64;
		grown = reallocarray(elements->list, *room, sizeof *grown);
		if (!grown)
			return rsm_err_oom(err);
		elements->list = grown;
	}
	elements->list[elements->count++] =
		(struct rsm_emulated_element){ .type = type, .address = address, .watch = -1 };
	elements->by_address[address] = (uint32_t)elements->count;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct rsm_emulated_element *x = a, *y = b;

	return x->type != y->type ? (int)x->type - (int)y->type : (int)x->address - (int)y->address;
}

static int read_elements(struct rsm_elements *elements, enum rsm_element_type type,
			 const char *path, size_t *room, struct rsm_err *err)
{
	RSM_CLOSE int fd = openat(elements->library, rsm_element_folders[type],
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	struct stat st;
	DIR *folder;
	int r = 0;

	if (fd < 0 && errno == ENOENT && type != RSM_ELEMENT_DATA_TRANSFER)
		return 0; /* slots/ of a library with a robot: emulator.c has looked */
	if (fd < 0 || !(folder = fdopendir(fd)))
		return rsm_err_errno(err, "%s/%s", path, rsm_element_folders[type]);
	while (r == 0 && (entry = readdir(folder))) {
		uint16_t address = rsm_element_address_of(entry->d_name);

		if (address && (entry->d_type == DT_DIR ||
				(fstatat(fd, entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode))))
			r = add(elements, type, address, path, room, err);
	}
	rsm_steal_fd(&fd);
	closedir(folder);
	return r;
}

static void arrange(struct rsm_elements *elements)
{
	size_t at = 0;

	qsort(elements->list, elements->count, sizeof *elements->list, compare);
	for (unsigned type = 1; type <= 5; type++) {
		while (at < elements->count && elements->list[at].type < type)
			at++;
		elements->first_of[type] = at;
	}
	for (size_t i = 0; i < elements->count; i++)
		elements->by_address[elements->list[i].address] = (uint32_t)i + 1;
}

/* The first look at everything: what is there is complete. */
static int look_first(struct rsm_elements *elements, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_element_memo_free) struct rsm_element_memo *memo = NULL;
	int r;

	if (has_many_slots(elements))
		memo = rsm_element_memo_load(elements->library);
	r = rsm_elements_look_first(elements, memo, err);
	if (r < 0)
		return r;
	if (elements->memo_is_old && has_many_slots(elements))
		save_memo(elements);
	return 0;
}

int rsm_elements_open(int library, const char *path, uint16_t transport, bool sync,
		      struct rsm_clock *clock, struct rsm_elements **ret_elements,
		      struct rsm_err *err)
{
	RSM_CLEANUP(rsm_elements_close) struct rsm_elements *elements = calloc(1, sizeof *elements);
	size_t room = 0, drives;
	int r;

	if (!elements)
		return rsm_err_oom(err);
	elements->library = library;
	elements->sync = sync;
	elements->clock = clock;
	elements->inotify = -1;
	elements->by_address = calloc(0x10000, sizeof *elements->by_address);
	if (!elements->by_address)
		return rsm_err_oom(err);
	r = add(elements, RSM_ELEMENT_TRANSPORT, transport, path, &room, err);
	if (r == 0)
		r = read_elements(elements, RSM_ELEMENT_STORAGE, path, &room, err);
	if (r == 0)
		r = read_elements(elements, RSM_ELEMENT_IMPORT_EXPORT, path, &room, err);
	if (r == 0)
		r = read_elements(elements, RSM_ELEMENT_DATA_TRANSFER, path, &room, err);
	if (r < 0)
		return r;
	arrange(elements);
	rsm_elements_of_type(elements, RSM_ELEMENT_DATA_TRANSFER, &drives);
	if (drives == 0)
		return rsm_err_set(err, EBADMSG, "%s/drives holds no drive: expected drives/256",
				   path);
	r = watch_all(elements, err);
	if (r == 0)
		r = look_first(elements, err);
	if (r < 0)
		return r;
	*ret_elements = RSM_STEAL(elements);
	return 0;
}
