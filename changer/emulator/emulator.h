/* emulator.h - a SCSI device server for a virtual library: one medium changer, N tape drives.
 *
 * In process: hands out scsi_transports that answer like devices, with full sense data, unit
 * attentions, volume tags, partitions, MAM, early warning and write protection. The drivers above
 * run unchanged. State is the library's folder (library_folder.h), nothing else.
 * Threads: each transport by one thread at a time; different transports in parallel.
 *
 * Crash safety: a move is one rename with both parents fsynced; a record is appended with one
 * write; a synchronising WRITE FILEMARKS fdatasyncs the image; MAM files are replaced by rename.
 */
#ifndef RSM_CHANGER_EMULATOR_EMULATOR_H
#define RSM_CHANGER_EMULATOR_EMULATOR_H

#include <stdbool.h>

#include "base/clock.h"
#include "changer/scsi_transport.h"

struct rsm_emulator;

/* Reads library.conf and the elements. Damage that concerns one cartridge (a truncated image, MAM
 * garbage, the same barcode in two places) does not stop it: that cartridge alone suffers. A
 * damaged library.conf, or a folder that cannot be written, is an error that names file, line and
 * cause. `clock` outlives the emulator.
 */
RSM_MUST_CHECK int rsm_emulator_open(const char *folder, struct rsm_clock *clock,
				     struct rsm_emulator **ret_emulator, struct rsm_err *err);
void rsm_emulator_close(struct rsm_emulator *emulator);
RSM_DEFINE_CLEANUP(rsm_emulator_close, struct rsm_emulator)

/* The changer's transport; free before the emulator. */
RSM_MUST_CHECK int rsm_emulator_changer(struct rsm_emulator *emulator,
					struct rsm_scsi_transport **ret_transport,
					struct rsm_err *err);

/* False: `changer = none`, a stand-alone drive; its folder is where people put cartridges in. */
bool rsm_emulator_has_changer(const struct rsm_emulator *emulator);
/* timing = real: robot and drives take the time that library.conf says. */
bool rsm_emulator_takes_time(const struct rsm_emulator *emulator);

/* Addresses of the data transfer elements, ascending; valid as long as the emulator. */
const uint16_t *rsm_emulator_drives(const struct rsm_emulator *emulator, size_t *ret_count);

/* The transport of the drive in data transfer element `address`. */
RSM_MUST_CHECK int rsm_emulator_drive(struct rsm_emulator *emulator, uint16_t address,
				      struct rsm_scsi_transport **ret_transport,
				      struct rsm_err *err);

/* Faults by script: after `skip` more commands of `opcode` (0xFFFF: any) to `element` (0: any),
 * fail the next `times` with this sense; key 0Fh stands for "power cut": from then on every command
 * of every device is answered with -ENODEV and changes nothing. What drives had taken and not
 * synchronised is on the tape then if asc is 0, else only ascq 256ths of it, a torn record last.
 *
 * deferred (WRITE only): the drive takes the data and loses them. That is what it says in place of
 * the next command that is not lost as well, by a deferred error (SPC-4 4.5.5) whose INFORMATION
 * tells how many blocks are not on the tape; it stands behind the last good one then.
 * Of MOVE MEDIUM: the robot does it and says that it failed.
 */
struct rsm_emulator_fault {
	uint16_t opcode;
	uint16_t element;
	unsigned skip, times;
	uint8_t key, asc, ascq;
	bool deferred;
};
RSM_MUST_CHECK int rsm_emulator_inject(struct rsm_emulator *emulator,
				       const struct rsm_emulator_fault *fault, struct rsm_err *err);

/* Called by the thread whose command meets a power cut, when all is as it will be found. */
void rsm_emulator_on_power_cut(struct rsm_emulator *emulator, void (*call)(void *context),
			       void *context);

/* How many commands all devices of this emulator have executed. */
uint64_t rsm_emulator_command_count(const struct rsm_emulator *emulator);

#endif
