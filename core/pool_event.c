/* Events of pools: OBJ_INSERT, OBJ_DELETE and OBJ_UPDATE of NTMS notifications. */
#include "core/catalog_private.h"

char *rsm_pool_words(struct rsm_catalog *catalog, int64_t id)
{
	char *path = NULL;

	return rsm_pool_path(catalog, id, &path, NULL) == 0 ? path : NULL;
}

void rsm_pool_tell(struct rsm_catalog *catalog, const char *event, int64_t id, const char *from)
{
	RSM_FREE char *path = id ? rsm_pool_words(catalog, id) : NULL;

	rsm_event_add(catalog, event, "pool", path ? path : from, "from", path ? from : NULL, NULL);
}
