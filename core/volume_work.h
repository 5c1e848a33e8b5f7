/* volume_work.h - something that is done with a volume while it is in a drive: check, repair,
 * rollback.
 *
 * The work is done by the drive's worker, in steps between which others read and write; the caller
 * waits. It keeps the cartridge in its drive, whoever else wants that, until it is done.
 */
#ifndef RSM_CORE_VOLUME_WORK_H
#define RSM_CORE_VOLUME_WORK_H

#include "core/manager.h"
#include "core/volume.h"

/* What a step gets; valid during the step only. */
struct rsm_volume_session {
	struct rsm_volume *volume; /* NULL: the medium has none */
	struct rsm_content *content;
	/* For commits. NULL: the volume is not allocated here (Import), so it is not ours to write
	 * to.
	 */
	const struct rsm_volume_identity *identity;
	struct rsm_catalog *catalog; /* for events */
	const char *barcode;
	/* Set by the step: the volume is opened anew behind it, for what is on the medium or in the
	 * cached tree is not what it was. `volume` is another one in the next step.
	 */
	bool reopen;
};

enum rsm_volume_work_outcome { RSM_VOLUME_WORK_MORE = 1 };

/* One step, of a second or so. Outcome MORE: call it again. A step that has begun is not
 * interrupted; what it wrote must be a whole.
 */
typedef int rsm_volume_work_step(void *context, struct rsm_volume_session *session,
				 struct rsm_err *err);

/* Mounts the medium and has its drive do the steps. cancel is looked at ten times a second: -EINTR.
 * -ECANCELED: the cartridge was sent home or the daemon stops meanwhile. Else what mounting or a
 * step returned.
 */
RSM_MUST_CHECK int rsm_volume_work_wait(struct rsm_manager *manager, int64_t medium, uid_t user,
					rsm_volume_work_step *step, void *context,
					const atomic_bool *cancel, struct rsm_err *err);
/* The same; `tick` is called ten times a second by the waiting thread, to tell about progress. */
RSM_MUST_CHECK int rsm_volume_work_watch(struct rsm_manager *manager, int64_t medium, uid_t user,
					 rsm_volume_work_step *step, void (*tick)(void *context),
					 void *context, const atomic_bool *cancel,
					 struct rsm_err *err);

#endif
