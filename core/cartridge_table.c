/* The table of cartridges: a list for those who look at all, and by medium for those who look for
 * one (declared in manager_private.h). Whoever lists a big pool makes ten thousand entries.
 */
#include <stdlib.h>

#include "core/manager_private.h"

static struct rsm_list *bucket_of(struct rsm_manager *manager, int64_t medium)
{
	return &manager->by_medium[(uint64_t)medium % RSM_CARTRIDGE_BUCKETS];
}

void rsm_cartridge_table_init(struct rsm_manager *manager)
{
	rsm_list_init(&manager->cartridges);
	for (size_t i = 0; i < RSM_CARTRIDGE_BUCKETS; i++)
		rsm_list_init(&manager->by_medium[i]);
}

struct rsm_cartridge *rsm_cartridge_find_locked(struct rsm_manager *manager, int64_t medium)
{
	RSM_LIST_FOR_EACH (item, bucket_of(manager, medium)) {
		struct rsm_cartridge *cartridge =
			RSM_CONTAINER_OF(item, struct rsm_cartridge, by_medium);

		if (cartridge->id == medium && !cartridge->detached)
			return cartridge;
	}
	return NULL;
}

void rsm_cartridge_add_locked(struct rsm_cartridge *cartridge)
{
	struct rsm_manager *manager = cartridge->manager;

	rsm_list_append(&manager->cartridges, &cartridge->link);
	rsm_list_append(bucket_of(manager, cartridge->id), &cartridge->by_medium);
}

void rsm_cartridge_remove_locked(struct rsm_cartridge *cartridge)
{
	rsm_list_remove(&cartridge->link);
	rsm_list_remove(&cartridge->by_medium);
	free(cartridge);
}
