#include "core/volume_index_private.h"
int rsm_volume_index_replace(struct rsm_volume_index *index, struct rsm_index_loader *loader,
			     struct rsm_text *ret_conflicts, struct rsm_err *err)
{
	(void)index;
	(void)loader;
	(void)ret_conflicts;
	rsm_index_loader_free(loader);
	return rsm_err_set(err, ENOSYS, "later");
}
