/* emulator_private.h - the emulator's own state, for the devices that it consists of. */
#ifndef RSM_CHANGER_EMULATOR_EMULATOR_PRIVATE_H
#define RSM_CHANGER_EMULATOR_EMULATOR_PRIVATE_H

#include <limits.h>
#include <stdatomic.h>

#include "base/mutex.h"
#include "changer/emulator/emulated_changer.h"
#include "changer/emulator/emulated_drive.h"
#include "changer/emulator/library_conf.h"

struct rsm_emulator {
	char folder[PATH_MAX];	      /* [const] absolute */
	int folder_fd;		      /* [const] */
	int lock_fd;		      /* [const] drives/, locked against a second emulator */
	struct rsm_clock *clock;      /* [const] */
	struct rsm_library_conf conf; /* [const] but for its faults, which move to `faults` */
	struct rsm_emulated_changer *changer;
	struct rsm_emulated_drive **drives; /* [const] by address */
	uint16_t *drive_addresses;	    /* [const] */
	size_t drive_count;		    /* [const] */

	struct rsm_mutex fault_lock;
	struct rsm_emulator_fault *faults; /* [fault_lock] */
	size_t fault_count;		   /* [fault_lock] */
	atomic_bool has_faults;		   /* [atomic] spares the lock */

	atomic_bool powerless; /* [atomic] after a power cut */
	atomic_uint kept;      /* [atomic] 256ths of their buffers that drives still wrote */
	void (*on_power_cut)(void *context); /* [const] set before there are commands */
	void *on_power_cut_context;
	_Atomic uint64_t commands; /* [atomic] */
};

/* Whether a scripted fault strikes this command; *ret_fault is then its sense. */
bool rsm_emulator_strikes(struct rsm_emulator *emulator, uint16_t element, uint8_t opcode,
			  struct rsm_emulator_fault *ret_fault);

/* From now on nothing answers and nothing changes. `device`, whose lock is held, met the fault. */
void rsm_emulator_cut_power(struct rsm_emulator *emulator, struct rsm_device *device,
			    const struct rsm_emulator_fault *fault);

/* Lets the time pass that a real library would take, if that is wanted. */
void rsm_emulator_take_time(struct rsm_emulator *emulator, double seconds);

/* NULL if there is none. */
struct rsm_emulated_drive *rsm_emulator_find_drive(struct rsm_emulator *emulator, uint16_t address);

#endif
