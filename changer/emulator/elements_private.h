/* elements_private.h - what elements.c (what is where) and elements_open.c (the first look, and
 * what is remembered of it) share.
 */
#ifndef RSM_CHANGER_EMULATOR_ELEMENTS_PRIVATE_H
#define RSM_CHANGER_EMULATOR_ELEMENTS_PRIVATE_H

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
	size_t unwatched; /* how many there are */
	size_t turn;	  /* the next of them to look at */
	size_t growing;	  /* how many elements hold a growing folder */
	bool memo_is_old; /* what is remembered of the slots is less than what is known */
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

#endif
