/* elements.h - the elements of a virtual library: which folder holds which cartridge.
 *
 * What is on disk counts; this is what the robot knows of it. Operators move folders by hand: that
 * is noticed by inotify, or by looking at folders in turn where there are too many of them.
 * Threads: the changer's.
 */
#ifndef RSM_CHANGER_EMULATOR_ELEMENTS_H
#define RSM_CHANGER_EMULATOR_ELEMENTS_H

#include <stdbool.h>

#include "base/clock.h"
#include "changer/medium_changer.h"

struct rsm_emulated_element {
	enum rsm_element_type type;
	uint16_t address;
	char *cartridge;  /* name of its folder; NULL: none, or no one knows which */
	bool crowded;	  /* several cartridges stand in it: it holds one */
	bool absent;	  /* its folder is not there: a magazine that was taken out */
	bool by_operator; /* not put there by the robot */
	bool put_in; /* something was, by one rename, since who looks for that has cleared it */
	bool source_valid; /* moved by the robot from `source` */
	uint16_t source;
	bool inverted; /* since it left that */

	int watch;	      /* inotify's, -1: none */
	int64_t folder_mtime; /* of an unwatched one, when it was looked at last */
	int64_t folder_ctime; /* of then, 0: not to be remembered (element_memo.h) */
	uint64_t folder_inode;
	char *growing;	      /* a folder that was made in place and may not be complete */
	uint64_t fingerprint; /* of it */
	int64_t still_since;  /* on the clock */
};

struct rsm_elements;

/* Reads slots/, drives/ and ports/ of the library; `transport` is the arm's address. */
RSM_MUST_CHECK int rsm_elements_open(int library, const char *path, uint16_t transport, bool sync,
				     struct rsm_clock *clock, struct rsm_elements **ret_elements,
				     struct rsm_err *err);
void rsm_elements_close(struct rsm_elements *elements);
RSM_DEFINE_CLEANUP(rsm_elements_close, struct rsm_elements)

/* All, ordered by type code (SMC-3: transport, storage, import/export, data transfer), address. */
struct rsm_emulated_element *rsm_elements_all(struct rsm_elements *elements, size_t *ret_count);

/* Those of one type; 0 is all. */
struct rsm_emulated_element *rsm_elements_of_type(struct rsm_elements *elements, unsigned type,
						  size_t *ret_count);

/* NULL if there is none. */
struct rsm_emulated_element *rsm_elements_find(struct rsm_elements *elements, uint16_t address);

/* What changed by an operator's hand, as a sum. */
enum { RSM_ELEMENTS_PORTS = 1, RSM_ELEMENTS_SLOTS = 2, RSM_ELEMENTS_DRIVES = 4 };

/* Looks at what may have changed. Cheap when nothing did. */
unsigned rsm_elements_poll(struct rsm_elements *elements);

/* Looks into every element from `first` on, `count` of them. */
unsigned rsm_elements_look(struct rsm_elements *elements, uint16_t first, size_t count);

/* Looks into one. */
unsigned rsm_elements_look_into(struct rsm_elements *elements,
				struct rsm_emulated_element *element);

/* Carries the cartridge of `source` to the empty `destination`: one rename, both folders synced;
 * `invert`: turned over on the way, which its folder remembers (cartridge.h). -ENOENT, -EEXIST: an
 * operator was faster.
 */
RSM_MUST_CHECK int rsm_elements_carry(struct rsm_elements *elements,
				      struct rsm_emulated_element *source,
				      struct rsm_emulated_element *destination, bool invert,
				      struct rsm_err *err);

#endif
