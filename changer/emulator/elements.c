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
#include "changer/emulator/cartridge.h"
#include "changer/emulator/element_memo.h"
#include "changer/emulator/elements_private.h"

const char *const rsm_element_folders[] = {
	[RSM_ELEMENT_STORAGE] = "slots",
	[RSM_ELEMENT_IMPORT_EXPORT] = "ports",
	[RSM_ELEMENT_DATA_TRANSFER] = "drives",
};

/* The address that a folder's name is, 0 if it is none. One spelling each: no leading zeros. */
uint16_t rsm_element_address_of(const char *name)
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

void rsm_element_path(const struct rsm_emulated_element *element, char *path)
{
	snprintf(path, PATH_ROOM, "%s/%u", rsm_element_folders[element->type], element->address);
}

static unsigned bit_of(const struct rsm_emulated_element *element)
{
	return element->type == RSM_ELEMENT_IMPORT_EXPORT   ? RSM_ELEMENTS_PORTS
	       : element->type == RSM_ELEMENT_DATA_TRANSFER ? RSM_ELEMENTS_DRIVES
							    : RSM_ELEMENTS_SLOTS;
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

/* Whether a newcomer counts as a cartridge already. */
static bool has_arrived(struct rsm_elements *elements, struct rsm_emulated_element *element,
			int folder, const char *name, enum rsm_element_arrival arrival)
{
	int64_t newest, now = rsm_clock_now_ns(elements->clock);
	uint64_t fingerprint;
	struct timespec wall;

	if (arrival == RSM_BY_RENAME)
		return true;
	fingerprint = fingerprint_of(folder, name, &newest);
	clock_gettime(CLOCK_REALTIME, &wall); /* what the file system's times are of */
	if (arrival == RSM_UNSEEN && newest < (wall.tv_sec - STILL_S) * RSM_SECOND_NS)
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

/* One name of an element's folder. */
static void see_entry(struct rsm_elements *elements, struct rsm_emulated_element *element,
		      int folder, const struct dirent64 *entry, enum rsm_element_arrival arrival,
		      struct sight *sight)
{
	const char *name = entry->d_name;
	struct stat st;
	bool known;

	if (name[0] == '.')
		return;
	if (entry->d_type != DT_DIR &&
	    (entry->d_type != DT_UNKNOWN || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	     !S_ISDIR(st.st_mode)))
		return;
	/* of a crowd all were seen before */
	known = element->crowded || (element->cartridge && strcmp(element->cartridge, name) == 0);
	if (!known && !has_arrived(elements, element, folder, name, arrival)) {
		if (element->growing && strcmp(element->growing, name) == 0)
			sight->growing_is_there = true;
		return;
	}
	sight->cartridges++;
	snprintf(sight->name, sizeof sight->name, "%s", name);
}

static void see(struct rsm_elements *elements, struct rsm_emulated_element *element, int folder,
		enum rsm_element_arrival arrival, struct sight *sight)
{
	_Alignas(struct dirent64) char buffer[4096];
	const struct dirent64 *entry;
	ssize_t length;

	while ((length = getdents64(folder, buffer, sizeof buffer)) > 0)
		for (ssize_t at = 0; at < length; at += entry->d_reclen) {
			entry = (const void *)(buffer + at);
			see_entry(elements, element, folder, entry, arrival, sight);
		}
}

/* What is to be remembered of an element is what was seen in it when nobody was changing it. */
static void note_folder(struct rsm_elements *elements, struct rsm_emulated_element *element,
			const struct stat *st, const struct timespec *seen)
{
	element->folder_mtime = (int64_t)st->st_mtim.tv_sec * RSM_SECOND_NS + st->st_mtim.tv_nsec;
	element->folder_inode = st->st_ino;
	element->folder_ctime =
		rsm_element_memo_is_settled(st, seen)
			? (int64_t)st->st_ctim.tv_sec * RSM_SECOND_NS + st->st_ctim.tv_nsec
			: 0;
	elements->memo_is_old = true;
}

unsigned rsm_element_look(struct rsm_elements *elements, struct rsm_emulated_element *element,
			  enum rsm_element_arrival arrival)
{
	struct sight sight = { 0 };
	char path[PATH_ROOM];
	RSM_CLOSE int folder = -1;
	struct timespec seen;
	struct stat st;
	char *name = NULL;
	bool was_absent = element->absent;

	if (element->type == RSM_ELEMENT_TRANSPORT)
		return 0;
	rsm_element_path(element, path);
	clock_gettime(CLOCK_REALTIME, &seen);
	folder = openat(elements->library, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	element->absent = folder < 0 && errno == ENOENT;
	if (element->absent != was_absent)
		element->folder_mtime = element->folder_ctime = 0;
	if (folder >= 0 && fstat(folder, &st) == 0) {
		note_folder(elements, element, &st, &seen);
		see(elements, element, folder, arrival, &sight);
	}
	if (!sight.growing_is_there)
		forget_growing(elements, element);
	if (sight.cartridges > 1 || element->growing)
		element->folder_ctime = 0;
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
	return rsm_element_look(elements, element, element->watch >= 0 ? RSM_IN_PLACE : RSM_UNSEEN);
}

unsigned rsm_elements_look(struct rsm_elements *elements, uint16_t first, size_t count)
{
	unsigned changed = 0;

	for (size_t i = 0; i < elements->count && count; i++) {
		if (elements->list[i].address < first)
			continue;
		changed |= rsm_element_look(elements, &elements->list[i], RSM_UNSEEN);
		count--;
	}
	return changed;
}

int rsm_element_add_watch(struct rsm_elements *elements, const char *path, uint32_t mask)
{
	char link[64 + PATH_ROOM];

	snprintf(link, sizeof link, "/proc/self/fd/%d/%s", elements->library, path);
	return inotify_add_watch(elements->inotify, link, mask | IN_ONLYDIR);
}

int rsm_element_watch(struct rsm_elements *elements, size_t place)
{
	struct rsm_emulated_element *element = &elements->list[place];
	char path[PATH_ROOM];
	size_t room;
	uint32_t *grown;

	rsm_element_path(element, path);
	element->watch = rsm_element_add_watch(elements, path, RSM_ELEMENT_WATCHED);
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
	uint16_t address = rsm_element_address_of(event->name);
	uint32_t place = address ? elements->by_address[address] : 0;
	struct rsm_emulated_element *element = place ? &elements->list[place - 1] : NULL;

	if (!element || event->wd != elements->folder_watches[element->type])
		return 0;
	if (element->watch >= 0 && event->mask & (IN_CREATE | IN_MOVED_TO) &&
	    rsm_element_watch(elements, place - 1) < 0)
		return 0; /* seen by the next inventory */
	return rsm_element_look(elements, element,
				event->mask & IN_CREATE ? RSM_UNSEEN : RSM_BY_RENAME);
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
			struct rsm_emulated_element *element;

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
			element = &elements->list[elements->by_watch[watched] - 1];
			if (event->mask & IN_MOVED_TO)
				element->put_in = true;
			changed |= rsm_element_look(elements, element,
						    event->mask & IN_MOVED_TO ? RSM_BY_RENAME
									      : RSM_IN_PLACE);
		}
	}
	return changed;
}

static unsigned look_if_touched(struct rsm_elements *elements, struct rsm_emulated_element *element)
{
	char path[PATH_ROOM];
	struct stat st;

	rsm_element_path(element, path);
	if (fstatat(elements->library, path, &st, 0) == 0 &&
	    (int64_t)st.st_mtim.tv_sec * RSM_SECOND_NS + st.st_mtim.tv_nsec ==
		    element->folder_mtime)
		return 0;
	return rsm_element_look(elements, element, RSM_UNSEEN);
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

/* A death behind it leaves a cartridge that lies the wrong way round: its label tells. */
static int turn_over(struct rsm_elements *elements, const char *path, struct rsm_err *err)
{
	char marker[PATH_ROOM + NAME_MAX + 16];
	RSM_CLOSE int fd = -1;

	snprintf(marker, sizeof marker, "%s/" RSM_CARTRIDGE_INVERTED, path);
	if (unlinkat(elements->library, marker, 0) < 0) {
		if (errno == ENOENT)
			fd = openat(elements->library, marker,
				    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
		if (fd < 0)
			return rsm_err_errno(err, "%s", marker);
	}
	return elements->sync ? sync_folder(elements, path, err) : 0;
}

int rsm_elements_carry(struct rsm_elements *elements, struct rsm_emulated_element *source,
		       struct rsm_emulated_element *destination, bool invert, struct rsm_err *err)
{
	char from[PATH_ROOM], to[PATH_ROOM];
	char from_path[PATH_ROOM + NAME_MAX + 2], to_path[PATH_ROOM + NAME_MAX + 2];
	int r = 0;

	rsm_element_path(source, from);
	rsm_element_path(destination, to);
	snprintf(from_path, sizeof from_path, "%s/%s", from, source->cartridge);
	snprintf(to_path, sizeof to_path, "%s/%s", to, source->cartridge);
	if (invert)
		r = turn_over(elements, from_path, err);
	if (r < 0)
		return r;
	r = rename_cartridge(elements->library, from_path, to_path);
	if (r < 0 && invert && turn_over(elements, from_path, NULL) < 0)
		rsm_log_warning("%s lies the other way round now", from_path);
	if (r < 0) {
		errno = -r;
		return rsm_err_errno(err, "move %s to %s", from_path, to);
	}
	destination->cartridge = RSM_STEAL(source->cartridge);
	destination->by_operator = source->by_operator = false;
	destination->folder_ctime = source->folder_ctime = 0;
	elements->memo_is_old = true;
	if (source->type == RSM_ELEMENT_STORAGE) {
		destination->source_valid = true;
		destination->source = source->address;
		destination->inverted = invert;
	} else {
		destination->source_valid = source->source_valid;
		destination->source = source->source;
		destination->inverted = source->inverted != invert;
	}
	source->source_valid = false;
	if (!elements->sync)
		return 0;
	r = sync_folder(elements, to, err);
	return r < 0 ? r : sync_folder(elements, from, err);
}
