/* elements_private.h - what elements.c (what is where) and elements_open.c (the first look, and
 * what is remembered of it) share.
 */
#ifndef RSM_CHANGER_EMULATOR_ELEMENTS_PRIVATE_H
#define RSM_CHANGER_EMULATOR_ELEMENTS_PRIVATE_H

#include <stdatomic.h>
#include <sys/inotify.h>

#include "changer/emulator/elements.h"

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
	size_t unwatched;	 /* how many there are */
	size_t turn;		 /* the next of them to look at */
	int folder_watches[6];	 /* of slots/, drives/, ports/ by type: magazines come and go */
	size_t growing;		 /* how many elements hold a growing folder */
	atomic_bool memo_is_old; /* what is remembered of the slots is less than what is known */
};

/* How a new folder was seen to come. */
enum rsm_element_arrival {
	RSM_BY_RENAME, /* complete */
	RSM_IN_PLACE,  /* mkdir: may grow yet */
	RSM_UNSEEN,    /* its times must tell */
};

/* "slots", "ports", "drives" by type. */
extern const char *const rsm_element_folders[];
/* path: of PATH_ROOM bytes. */
void rsm_element_path(const struct rsm_emulated_element *element, char *path);
/* Looks into one; what changed. */
unsigned rsm_element_look(struct rsm_elements *elements, struct rsm_emulated_element *element,
			  enum rsm_element_arrival arrival);

/* The address that a folder's name is, 0 if it is none. One spelling each: no leading zeros. */
uint16_t rsm_element_address_of(const char *name);

enum { RSM_ELEMENT_WATCHED = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO };
/* inotify's number, -1: it cannot be watched. */
int rsm_element_add_watch(struct rsm_elements *elements, const char *path, uint32_t mask);
/* Of the element at `place` of the list. -ENOMEM. */
int rsm_element_watch(struct rsm_elements *elements, size_t place);

#endif
