/* drive_fit.h - which drives can do something with a cartridge: write generations, mixed libraries.
 *
 * A drive reads some generations and writes fewer (changer/media_type.h). A cartridge goes to a
 * drive that writes it when something is to be written, to any that reads it otherwise; where no
 * drive of its library writes it, it is read-only here. What a cartridge is, is the drive's word:
 * until one has said it, the barcode is a hint for which drive is to be tried first.
 * All with the manager's lock, but for what says otherwise.
 */
#ifndef RSM_CORE_DRIVE_FIT_H
#define RSM_CORE_DRIVE_FIT_H

#include "core/manager_private.h"

enum rsm_media_access rsm_drive_fit_locked(const struct rsm_drive_worker *worker,
					   const struct rsm_cartridge *cartridge);

/* May the cartridge go into the drive for what it is wanted for now? Also without a manager. */
bool rsm_drive_fit_takes_locked(const struct rsm_cartridge *cartridge, uint32_t element);

/* Is it in a drive that only reads it, while it is to be written, and another could? */
bool rsm_drive_fit_must_change_locked(const struct rsm_drive_worker *worker,
				      const struct rsm_cartridge *cartridge);

/* What the drives of its library can do with it at best, failed and disabled ones included. An
 * off-line cartridge: WRITES, nobody knows where it will be.
 */
enum rsm_media_access rsm_drive_fit_best_locked(const struct rsm_cartridge *cartridge);

/* -EMEDIUMTYPE: neither the drive (0: none) of its library can be used for it, nor any other. */
RSM_MUST_CHECK int rsm_drive_fit_check_locked(const struct rsm_cartridge *cartridge, uint32_t drive,
					      bool write, struct rsm_err *err);

/* It can only be read: by its switch, or as no drive of its library writes it. What the catalogue
 * knows newer (its name, say) stays there.
 */
bool rsm_drive_fit_is_fixed_locked(const struct rsm_cartridge *cartridge,
				   const struct rsm_medium *medium);
/* Label work that can be done: all but changed names of one that is fixed. */
bool rsm_drive_fit_has_label_work_locked(const struct rsm_cartridge *cartridge,
					 const struct rsm_medium *medium);

/* The catalogue's word on what it is. */
void rsm_drive_fit_note_locked(struct rsm_cartridge *cartridge, const struct rsm_medium *medium);

/* The drive has given back a cartridge that nobody had looked at before. True: another kind of
 * drive is to try it.
 */
bool rsm_drive_fit_refused_locked(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge);

/* Has it given it back, and is another kind left? */
bool rsm_drive_fit_goes_on_locked(const struct rsm_drive_worker *worker,
				  const struct rsm_cartridge *cartridge);

/* Which media no drive of the library writes; for rsm_library_set_limits. Without the lock. */
RSM_MUST_CHECK int rsm_drive_fit_register(struct rsm_library *library, struct rsm_err *err);

#endif
