/* emulated_changer.h - the robot of a virtual library as a device server (SMC-3). */
#ifndef RSM_CHANGER_EMULATOR_EMULATED_CHANGER_H
#define RSM_CHANGER_EMULATOR_EMULATED_CHANGER_H

#include "changer/emulator/device.h"
#include "changer/emulator/elements.h"

struct rsm_emulated_changer {
	struct rsm_device device;
	struct rsm_elements *elements; /* [device.lock] */
	bool prevented;		       /* [device.lock] doors and ports */
	bool open;		       /* [device.lock] a person has opened the door */
};

/* Takes the elements. */
RSM_MUST_CHECK int rsm_emulated_changer_new(struct rsm_emulator *emulator,
					    struct rsm_elements *elements,
					    struct rsm_emulated_changer **ret_changer,
					    struct rsm_err *err);
/* A stand-alone drive has no robot that is asked: what people did to its folder is told the drive.
 */
void rsm_emulated_changer_watch(struct rsm_emulated_changer *changer);
void rsm_emulated_changer_free(struct rsm_emulated_changer *changer);

#endif
