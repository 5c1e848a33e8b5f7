#include "changer/emulator/elements.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"

enum {
	WATCHED_SLOTS = 2000, /* with more of them, slots are looked at in turn */
	TURN = 64,	      /* that many in one poll */
	STILL_S = 10,	      /* a growing folder is complete when it was still for so long */
	PATH_ROOM = 32,	      /* "drives/65535" */
};

struct rsm_elements {
	int library;
	bool sync;
	struct rsm_clock *clock;
	struct rsm_emulated_element *list;
	size_t count;
	size_t first_of[6];   /* place of the first of a type code; [5] is the end */
	uint32_t *by_address; /* place + 1 */
	int inotify;
	uint32_t *by_watch; /* place + 1 */
	size_t watch_room;
	size_t unwatched;      /* how many there are */
	size_t turn;	       /* the next of them to look at */
	int folder_watches[6]; /* of slots/, drives/, ports/ by type: magazines come and go */
	size_t growing;	       /* how many elements hold a growing folder */
};

static const char *const folders[] = {
	[RSM_ELEMENT_STORAGE] = "slots",
	[RSM_ELEMENT_IMPORT_EXPORT] = "ports",
	[RSM_ELEMENT_DATA_TRANSFER] = "drives",
};

/* The address that a folder's name is, 0 if it is none. One spelling each: no leading zeros. */
static uint16_t address_of(const char *name)
{
	unsigned address = 0;

	if (*name == '0')
		return 0;
	for (; *name; name++) {
		if (*name < '0' || *name > '9')
			return 0;
		address = address * 10 + (unsigned)(*name - '0');
		if (address > 0xFFFF)
			return 0;
	}
	return (uint16_t)address;
}

static void path_of(const struct rsm_emulated_element *element, char path[PATH_ROOM])
{
	snprintf(path, PATH_ROOM, "%s/%u", folders[element->type], element->address);
}

static unsigned bit_of(const struct rsm_emulated_element *element)
{
	return element->type == RSM_ELEMENT_IMPORT_EXPORT   ? RSM_ELEMENTS_PORTS
	       : element->type == RSM_ELEMENT_DATA_TRANSFER ? RSM_ELEMENTS_DRIVES
							    : RSM_ELEMENTS_SLOTS;
}

void rsm_elements_close(struct rsm_elements *elements)
{
	if (!elements)
		return;
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

/* What a folder holds changes this number: names do not matter, times and sizes do. */
static uint64_t fingerprint_of(int element, const char *name, int64_t *ret_newest_ns)
{
	uint64_t hash = 0xcbf29ce484222325;
	struct dirent *entry;
	struct stat st;
	DIR *folder;
	int fd;

	*ret_newest_ns = INT64_MAX;
	fd = openat(element, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || !(folder = fdopendir(fd))) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	*ret_newest_ns = (int64_t)st.st_mtim.tv_sec * RSM_SECOND_NS + st.st_mtim.tv_nsec;
	hash = (hash ^ (uint64_t)*ret_newest_ns) * 0x100000001b3;
	while ((entry = readdir(folder))) {
		int64_t changed;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		changed = (int64_t)st.st_ctim.tv_sec * RSM_SECOND_NS + st.st_ctim.tv_nsec;
		if (changed > *ret_newest_ns)
			*ret_newest_ns = changed;
		hash = (hash ^ (uint64_t)changed) * 0x100000001b3;
		hash = (hash ^ (uint64_t)st.st_size) * 0x100000001b3;
	}
	closedir(folder);
	return hash;
}

static void forget_growing(struct rsm_elements *elements, struct rsm_emulated_element *element)
{
	if (!element->growing)
		return;
	free(element->growing);
	element->growing = NULL;
	elements->growing--;
}

/* How a new folder was seen to come. */
enum arrival {
	BY_RENAME, /* complete */
	IN_PLACE,  /* mkdir: may grow yet */
	UNSEEN,	   /* its times must tell */
};

/* Whether a newcomer counts as a cartridge already. */
static bool has_arrived(struct rsm_elements *elements, struct rsm_emulated_element *element,
			int folder, const char *name, enum arrival arrival)
{
	int64_t newest, now = rsm_clock_now_ns(elements->clock);
	uint64_t fingerprint;
	struct timespec wall;

	if (arrival == BY_RENAME)
		return true;
	fingerprint = fingerprint_of(folder, name, &newest);
	clock_gettime(CLOCK_REALTIME, &wall); /* what the file system's times are of */
	if (arrival == UNSEEN && newest < (wall.tv_sec - STILL_S) * RSM_SECOND_NS)
		return true;
	if (!element->growing) {
		element->growing = strdup(name);
		if (!element->growing)
			return false;
		elements->growing++;
	} else if (strcmp(element->growing, name) != 0) {
		return false; /* one after the other */
	} else if (element->fingerprint == fingerprint) {
		return now - element->still_since >= STILL_S * RSM_SECOND_NS;
	}
	element->fingerprint = fingerprint;
	element->still_since = now;
	return false;
}

struct sight {
	unsigned cartridges;
	char name[NAME_MAX + 1]; /* of the last one */
	bool growing_is_there;
};

static void see(struct rsm_elements *elements, struct rsm_emulated_element *element, int folder,
		enum arrival arrival, struct sight *sight)
{
	struct dirent *entry;
	struct stat st;
	DIR *stream;
	int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0);

	stream = copy < 0 ? NULL : fdopendir(copy);
	if (!stream) {
		if (copy >= 0)
			close(copy);
		return;
	}
	while ((entry = readdir(stream))) {
		const char *name = entry->d_name;
		bool known;

		if (name[0] == '.')
			continue;
		if (entry->d_type != DT_DIR &&
		    (entry->d_type != DT_UNKNOWN ||
		     fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)))
			continue;
		/* of a crowd all were seen before */
		known = element->crowded ||
			(element->cartridge && strcmp(element->cartridge, name) == 0);
		if (!known && !has_arrived(elements, element, folder, name, arrival)) {
			if (element->growing && strcmp(element->growing, name) == 0)
				sight->growing_is_there = true;
			continue;
		}
		sight->cartridges++;
		snprintf(sight->name, sizeof sight->name, "%s", name);
	}
	closedir(stream);
}

static unsigned look(struct rsm_elements *elements, struct rsm_emulated_element *element,
		     enum arrival arrival)
{
	struct sight sight = { 0 };
	char path[PATH_ROOM];
	RSM_CLOSE int folder = -1;
	struct stat st;
	char *name = NULL;
	bool was_absent = element->absent;

	if (element->type == RSM_ELEMENT_TRANSPORT)
		return 0;
	path_of(element, path);
	folder = openat(elements->library, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	element->absent = folder < 0 && errno == ENOENT;
	if (element->absent != was_absent)
		element->folder_mtime = 0;
	if (folder >= 0 && fstat(folder, &st) == 0) {
		element->folder_mtime =
			(int64_t)st.st_mtim.tv_sec * RSM_SECOND_NS + st.st_mtim.tv_nsec;
		see(elements, element, folder, arrival, &sight);
	}
	if (!sight.growing_is_there)
		forget_growing(elements, element);
	if (sight.cartridges == 1 && element->cartridge &&
	    strcmp(element->cartridge, sight.name) == 0)
		return 0;
	if (sight.cartridges == 0 && !element->cartridge && !element->crowded)
		return element->absent != was_absent ? bit_of(element) : 0;
	if (sight.cartridges > 1 && element->crowded)
		return 0;
	if (sight.cartridges == 1) {
		name = strdup(sight.name);
		if (!name)
			return 0; /* seen the next time */
	}
	free(element->cartridge);
	element->cartridge = name;
	element->crowded = sight.cartridges > 1;
	element->by_operator = sight.cartridges > 0;
	element->source_valid = false;
	return bit_of(element);
}

unsigned rsm_elements_look_into(struct rsm_elements *elements, struct rsm_emulated_element *element)
{
	return look(elements, element, element->watch >= 0 ? IN_PLACE : UNSEEN);
}

unsigned rsm_elements_look(struct rsm_elements *elements, uint16_t first, size_t count)
{
	unsigned changed = 0;

	for (size_t i = 0; i < elements->count && count; i++) {
		if (elements->list[i].address < first)
			continue;
		changed |= look(elements, &elements->list[i], UNSEEN);
		count--;
	}
	return changed;
}

static int add_watch(struct rsm_elements *elements, const char *path, uint32_t mask)
{
	char link[64 + PATH_ROOM];

	snprintf(link, sizeof link, "/proc/self/fd/%d/%s", elements->library, path);
	return inotify_add_watch(elements->inotify, link, mask | IN_ONLYDIR);
}

enum { WATCHED = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO };

static int watch(struct rsm_elements *elements, size_t place)
{
	struct rsm_emulated_element *element = &elements->list[place];
	char path[PATH_ROOM];
	size_t room;
	uint32_t *grown;

	path_of(element, path);
	element->watch = add_watch(elements, path, WATCHED);
	if (element->watch < 0)
		return 0;
	room = (size_t)element->watch + 1;
	if (room > elements->watch_room) {
		room += 64;
		grown = reallocarray(elements->by_watch, room, sizeof *grown);
		if (!grown)
			return -ENOMEM;
		memset(grown + elements->watch_room, 0,
		       (room - elements->watch_room) * sizeof *grown);
		elements->by_watch = grown;
		elements->watch_room = room;
	}
	elements->by_watch[element->watch] = (uint32_t)place + 1;
	return 0;
}

/* A magazine, as a folder of slots/, is taken out or comes back: perhaps another folder of its
 * name, which is watched then; with all that it holds, at once.
 */
static unsigned see_magazine(struct rsm_elements *elements, const struct inotify_event *event)
{
	uint16_t address = address_of(event->name);
	uint32_t place = address ? elements->by_address[address] : 0;
	struct rsm_emulated_element *element = place ? &elements->list[place - 1] : NULL;

	if (!element || event->wd != elements->folder_watches[element->type])
		return 0;
	if (element->watch >= 0 && event->mask & (IN_CREATE | IN_MOVED_TO) &&
	    watch(elements, place - 1) < 0)
		return 0; /* seen by the next inventory */
	return look(elements, element, event->mask & IN_CREATE ? UNSEEN : BY_RENAME);
}

static unsigned read_watches(struct rsm_elements *elements)
{
	_Alignas(struct inotify_event) char buffer[8192];
	unsigned changed = 0;
	ssize_t length;

	while ((length = read(elements->inotify, buffer, sizeof buffer)) > 0) {
		for (char *at = buffer; at < buffer + length;) {
			const struct inotify_event *event = (const void *)at;
			size_t watched = (size_t)event->wd;

			at += sizeof *event + event->len;
			if (event->mask & IN_Q_OVERFLOW) {
				changed |= rsm_elements_look(elements, 0, SIZE_MAX);
				continue;
			}
			if (!(event->mask & IN_ISDIR) || event->wd < 0 || event->len == 0 ||
			    event->name[0] == '.')
				continue;
			if (watched >= elements->watch_room || !elements->by_watch[watched]) {
				changed |= see_magazine(elements, event);
				continue;
			}
			changed |= look(elements, &elements->list[elements->by_watch[watched] - 1],
					event->mask & IN_MOVED_TO ? BY_RENAME : IN_PLACE);
		}
	}
	return changed;
}

static unsigned look_if_touched(struct rsm_elements *elements, struct rsm_emulated_element *element)
{
	char path[PATH_ROOM];
	struct stat st;

	path_of(element, path);
	if (fstatat(elements->library, path, &st, 0) == 0 &&
	    (int64_t)st.st_mtim.tv_sec * RSM_SECOND_NS + st.st_mtim.tv_nsec ==
		    element->folder_mtime)
		return 0;
	return look(elements, element, UNSEEN);
}

unsigned rsm_elements_poll(struct rsm_elements *elements)
{
	unsigned changed = elements->inotify >= 0 ? read_watches(elements) : 0;

	if (elements->growing)
		for (size_t i = 0; i < elements->count; i++)
			if (elements->list[i].growing)
				changed |= rsm_elements_look_into(elements, &elements->list[i]);
	for (size_t i = 0; elements->unwatched && i < TURN && i < elements->count; i++) {
		struct rsm_emulated_element *element = &elements->list[elements->turn];

		elements->turn = (elements->turn + 1) % elements->count;
		if (element->watch < 0 && element->type != RSM_ELEMENT_TRANSPORT)
			changed |= look_if_touched(elements, element);
	}
	return changed;
}

struct rsm_emulated_element *rsm_elements_all(struct rsm_elements *elements, size_t *ret_count)
{
	*ret_count = elements->count;
	return elements->list;
}

struct rsm_emulated_element *rsm_elements_of_type(struct rsm_elements *elements, unsigned type,
						  size_t *ret_count)
{
	if (type == 0)
		return rsm_elements_all(elements, ret_count);
	*ret_count = elements->first_of[type + 1] - elements->first_of[type];
	return elements->list + elements->first_of[type];
}

struct rsm_emulated_element *rsm_elements_find(struct rsm_elements *elements, uint16_t address)
{
	uint32_t place = elements->by_address[address];

	return place ? &elements->list[place - 1] : NULL;
}

static int sync_folder(struct rsm_elements *elements, const char *path, struct rsm_err *err)
{
	RSM_CLOSE int fd = openat(elements->library, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return rsm_err_errno(err, "%s", path);
	return 0;
}

static int rename_cartridge(int library, const char *from, const char *to)
{
	if (renameat2(library, from, library, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* a file system without the flag: a folder never replaces one that holds something */
	return renameat(library, from, library, to) == 0 ? 0 : -errno;
}

int rsm_elements_carry(struct rsm_elements *elements, struct rsm_emulated_element *source,
		       struct rsm_emulated_element *destination, struct rsm_err *err)
{
	char from[PATH_ROOM], to[PATH_ROOM];
	char from_path[PATH_ROOM + NAME_MAX + 2], to_path[PATH_ROOM + NAME_MAX + 2];
	int r;

	path_of(source, from);
	path_of(destination, to);
	snprintf(from_path, sizeof from_path, "%s/%s", from, source->cartridge);
	snprintf(to_path, sizeof to_path, "%s/%s", to, source->cartridge);
	r = rename_cartridge(elements->library, from_path, to_path);
	if (r < 0) {
		errno = -r;
		return rsm_err_errno(err, "move %s to %s", from_path, to);
	}
	destination->cartridge = RSM_STEAL(source->cartridge);
	destination->by_operator = source->by_operator = false;
	if (source->type == RSM_ELEMENT_STORAGE) {
		destination->source_valid = true;
		destination->source = source->address;
	} else {
		destination->source_valid = source->source_valid;
		destination->source = source->source;
	}
	source->source_valid = false;
	if (!elements->sync)
		return 0;
	r = sync_folder(elements, to, err);
	return r < 0 ? r : sync_folder(elements, from, err);
}

static int watch_all(struct rsm_elements *elements, struct rsm_err *err)
{
	size_t slots = elements->first_of[RSM_ELEMENT_STORAGE + 1] -
		       elements->first_of[RSM_ELEMENT_STORAGE];
	int r = 0;

	elements->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	for (unsigned type = 0; type < 6; type++)
		elements->folder_watches[type] =
			elements->inotify >= 0 && type < sizeof folders / sizeof *folders &&
					folders[type]
				? add_watch(elements, folders[type], WATCHED)
				: -1;
	for (size_t i = 0; r == 0 && i < elements->count; i++) {
		struct rsm_emulated_element *element = &elements->list[i];

		element->watch = -1;
		if (element->type == RSM_ELEMENT_TRANSPORT)
			continue;
		if (elements->inotify >= 0 &&
		    (element->type != RSM_ELEMENT_STORAGE || slots <= WATCHED_SLOTS))
			r = watch(elements, i) < 0 ? rsm_err_oom(err) : 0;
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
				   path, folders[type], address, address);
	if (place)
		return rsm_err_set(err, EBADMSG, "%s/%s/%u: %s/%u has the same address", path,
				   folders[type], address, folders[elements->list[place - 1].type],
				   address);
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
	RSM_CLOSE int fd =
		openat(elements->library, folders[type], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	struct stat st;
	DIR *folder;
	int r = 0;

	if (fd < 0 && errno == ENOENT && type == RSM_ELEMENT_IMPORT_EXPORT)
		return 0;
	if (fd < 0 || !(folder = fdopendir(fd)))
		return rsm_err_errno(err, "%s/%s", path, folders[type]);
	while (r == 0 && (entry = readdir(folder))) {
		uint16_t address = address_of(entry->d_name);

		if (address && fstatat(fd, entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode))
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
	if (r < 0)
		return r;
	for (size_t i = 0; i < elements->count; i++)
		look(elements, &elements->list[i], BY_RENAME);
	*ret_elements = RSM_STEAL(elements);
	return 0;
}
