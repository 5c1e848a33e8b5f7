/* scsi_sg.h - which sg node leads to a device: what sysfs knows of SCSI tape drives and changers.
 *
 * Commands go through sg nodes only: the st and ch nodes of the same device would move the medium
 * when they are opened or closed. `sysfs` is "/sys" but for tests.
 */
#ifndef RSM_CHANGER_SCSI_SG_H
#define RSM_CHANGER_SCSI_SG_H

#include "base/err.h"

enum { RSM_SCSI_SG_NODE_SIZE = 32 };

/* "/dev/sg3" for a node of any of sg, st (/dev/nst0) and ch (/dev/sch0), also through links
 * (/dev/changer). -ENOENT, -ENODEV: it is not one of these.
 */
RSM_MUST_CHECK int rsm_scsi_sg_find(const char *sysfs, const char *node,
				    char ret_node[RSM_SCSI_SG_NODE_SIZE], struct rsm_err *err);

/* The sg nodes of all tape drives, by number; *ret_nodes is the caller's, to free(). */
RSM_MUST_CHECK int rsm_scsi_sg_list_tapes(const char *sysfs,
					  char (**ret_nodes)[RSM_SCSI_SG_NODE_SIZE],
					  size_t *ret_count, struct rsm_err *err);

#endif
