/* manager_identify.h - looking at cartridges that nobody asked for: in the background, and in a
 * full inventory.
 *
 * A drive that has nothing else to do asks for the next one; so whoever wants a cartridge goes
 * before the next slot of an inventory, and nothing but what a drive is at stands in the table of
 * cartridges. What fails to load is tried again a few times, then left to who asks for it.
 * All of it belongs to the manager's lock.
 */
#ifndef RSM_CORE_MANAGER_IDENTIFY_H
#define RSM_CORE_MANAGER_IDENTIFY_H

#include "core/identification.h"
#include "core/manager.h"

struct rsm_library;
struct rsm_cartridge;

enum { RSM_IDENTIFY_TRIES = 3 };

/* Part of a library. */
struct rsm_identify_run {
	bool unknown;			       /* there may be some that nobody has looked at */
	int64_t unknown_after;		       /* the one looked at last */
	size_t unknown_count;		       /* how many an inventory found */
	bool full;			       /* a full inventory is under way */
	bool exhausted;			       /* its last cartridge has been given out */
	struct rsm_identification_place after; /* where it is */
	uint64_t done, total;
	unsigned number; /* of the full inventory, so that who waits knows his own */
	bool stopped;	 /* the last one was, before its end */
	unsigned askers; /* who wait for it, or had it begun and do not wait */
};

/* An inventory has found `count` that nobody has looked at. */
void rsm_identify_unknown(struct rsm_library *library, size_t count);
/* There is a new one that was in a drive until now. */
void rsm_identify_unknown_again(struct rsm_library *library);
/* This one is looked at when a drive has time. */
void rsm_identify_want(struct rsm_manager *manager, int64_t medium);
/* Somebody is not where he should be: the whole library is looked through, unless it is already, or
 * the options say no.
 */
void rsm_identify_recover(struct rsm_library *library);
/* Begins a full inventory, or joins the one under way; nobody need wait for it. */
RSM_MUST_CHECK int rsm_identify_begin(struct rsm_library *library, unsigned *ret_number,
				      struct rsm_err *err);
/* The next one for an idle drive of the library, marked as wanted, or NULL. */
struct rsm_cartridge *rsm_identify_next_locked(struct rsm_library *library);
/* A full inventory waits for a drive: idle cartridges need not linger. */
bool rsm_identify_waits_locked(const struct rsm_library *library);
/* Its label has been read, or could not be (r). True: it is to be tried again. */
bool rsm_identify_ended_locked(struct rsm_cartridge *cartridge, int r);
/* Are there some that nobody has looked at, and a drive for them? `instant`: in a library whose
 * robot and drives take no time.
 */
bool rsm_identify_goes_on_locked(struct rsm_manager *manager, bool instant);

#endif
