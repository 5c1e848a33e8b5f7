/* What changes of a cartridge's name, pool and state: the catalogue's calls, with contents and
 * queue seen to. Each is one transaction; what the medium says of it follows as label work.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "core/copy.h"
#include "core/manager_private.h"

static int absent(struct rsm_err *err)
{
	return rsm_err_set(err, ENOENT, "there is no such cartridge");
}

/* Something that the index root repeats has changed: it is written when there is time. */
void rsm_manager_label_changed(struct rsm_manager *manager, int64_t medium)
{
	struct rsm_cartridge *cartridge;

	rsm_manager_want_label(manager, medium, manager->options.label_delay_ms);
	if (rsm_cartridge_ref(manager, medium, &cartridge, NULL) != 0)
		return;
	rsm_mutex_lock(&manager->lock);
	if (cartridge->content)
		rsm_volume_index_touch(rsm_content_index(cartridge->content));
	rsm_mutex_unlock(&manager->lock);
	rsm_manager_apply_state(manager, cartridge);
	rsm_cartridge_unref(cartridge);
}

/* For those who ask what happened to a cartridge. */
static void tell(struct rsm_manager *manager, const char *event, int64_t id)
{
	struct rsm_medium medium;
	RSM_FREE char *pool = NULL;

	if (rsm_medium_get(manager->catalog, id, &medium, NULL) != 0)
		return;
	if (rsm_pool_path(manager->catalog, medium.pool, &pool, NULL) < 0)
		pool = NULL;
	rsm_event_add(manager->catalog, event, "medium", medium.shown, "pool", pool, "name",
		      medium.name, "lmid", medium.lmid, NULL);
}

/* ---- names and pools ---- */

int rsm_manager_move(struct rsm_manager *manager, int64_t medium, int64_t pool, const char *name,
		     struct rsm_err *err)
{
	int64_t other;
	int r = rsm_allocation_move(manager->catalog, medium, pool, name, err);

	if (r < 0)
		return r;
	tell(manager, "rename", medium);
	rsm_manager_label_changed(manager, medium);
	/* the allocation of its other side has gone to the pool as well */
	if (rsm_medium_other_side(manager->catalog, medium, &other, NULL) == 0)
		rsm_manager_label_changed(manager, other);
	return 0;
}

int rsm_manager_move_available(struct rsm_manager *manager, int64_t medium, int64_t pool,
			       struct rsm_err *err)
{
	int r = rsm_medium_move_pool(manager->catalog, medium, pool, err);

	if (r == 0)
		tell(manager, "pool", medium);
	return r;
}

/* Nobody opens a file of either between the look and the transaction. */
static int swap_unused(struct rsm_manager *manager, struct rsm_cartridge *const cartridges[2],
		       struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&manager->lock);
	for (int i = 0; i < 2; i++)
		if (rsm_manager_in_use_locked(cartridges[i]))
			return rsm_err_set(err, EBUSY, "%s is in use", cartridges[i]->barcode);
	return rsm_allocation_swap(manager->catalog, cartridges[0]->id, cartridges[1]->id, err);
}

int rsm_manager_swap(struct rsm_manager *manager, int64_t one, int64_t other, struct rsm_err *err)
{
	struct rsm_cartridge *cartridges[2] = { NULL, NULL };
	int r = rsm_cartridge_ref(manager, one, &cartridges[0], err);

	if (r == 0)
		r = rsm_cartridge_ref(manager, other, &cartridges[1], err);
	r = r > 0 ? absent(err) : r;
	rsm_copy_let_go(manager, one);
	rsm_copy_let_go(manager, other);
	if (r == 0)
		r = swap_unused(manager, cartridges, err);
	for (int i = 0; i < 2; i++)
		if (cartridges[i])
			rsm_cartridge_unref(cartridges[i]);
	if (r < 0)
		return r;
	tell(manager, "swap", one);
	tell(manager, "swap", other);
	rsm_manager_label_changed(manager, one);
	rsm_manager_label_changed(manager, other);
	return 0;
}

/* ---- one-way doors ---- */

/* What was written is still brought to the medium; but nobody writes on. */
static int complete_unwritten(struct rsm_manager *manager, struct rsm_cartridge *cartridge,
			      struct rsm_err *err)
{
	struct rsm_content_use use = { 0 };

	RSM_LOCK_SCOPE(&manager->lock);
	if (cartridge->content)
		rsm_content_use(cartridge->content, &use);
	if (use.writers)
		return rsm_err_set(err, EBUSY, "%s: %u files are open for writing",
				   cartridge->barcode, use.writers);
	return rsm_allocation_complete(manager->catalog, cartridge->id, err);
}

int rsm_manager_complete(struct rsm_manager *manager, int64_t medium, struct rsm_err *err)
{
	struct rsm_cartridge *cartridge;
	int r = rsm_cartridge_ref(manager, medium, &cartridge, err);

	if (r != 0)
		return r < 0 ? r : absent(err);
	r = complete_unwritten(manager, cartridge, err);
	rsm_cartridge_unref(cartridge);
	if (r < 0)
		return r;
	tell(manager, "complete", medium);
	rsm_manager_label_changed(manager, medium);
	return 0;
}

int rsm_manager_decommission(struct rsm_manager *manager, int64_t medium, struct rsm_err *err)
{
	int r = rsm_medium_decommission(manager->catalog, medium, err);

	if (r == 0)
		tell(manager, "decommission", medium);
	return r;
}

/* ---- the end ---- */

/* other: NULL, or its other side, which goes along. */
static int free_unused(struct rsm_manager *manager, const struct rsm_cartridge *cartridge,
		       const struct rsm_cartridge *other, unsigned flags, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&manager->lock);
	if (rsm_manager_in_use_locked(cartridge))
		return rsm_err_set(err, EBUSY, "%s is in use", cartridge->barcode);
	if (other && rsm_manager_in_use_locked(other))
		return rsm_err_set(err, EBUSY, "%s is in use", other->barcode);
	return rsm_medium_free_with(manager->catalog, cartridge->id, flags, err);
}

int rsm_manager_free_medium(struct rsm_manager *manager, int64_t medium, struct rsm_err *err)
{
	return rsm_manager_free_medium_with(manager, medium, 0, err);
}

int rsm_manager_free_medium_with(struct rsm_manager *manager, int64_t medium, unsigned flags,
				 struct rsm_err *err)
{
	struct rsm_cartridge *cartridge, *other;
	int r = rsm_cartridge_ref(manager, medium, &cartridge, err);

	if (r != 0)
		return r < 0 ? r : absent(err);
	other = rsm_cartridge_ref_other_side(cartridge);
	r = free_unused(manager, cartridge, other, flags, err);
	if (r == 0)
		tell(manager, "free", medium);
	if (r == 0)
		rsm_manager_want_label(manager, medium, 0);
	if (r == 0 && other)
		rsm_manager_want_label(manager, other->id, 0);
	rsm_cartridge_unref(cartridge);
	if (other)
		rsm_cartridge_unref(other);
	return r;
}

/* Takes the entry out of the table, so that a cartridge that comes back is a new one. */
static void leave_table_locked(struct rsm_cartridge *cartridge, const struct rsm_medium *medium)
{
	if (!cartridge->uuid[0])
		snprintf(cartridge->uuid, sizeof cartridge->uuid, "%s",
			 medium->volume_uuid[0] ? medium->volume_uuid : medium->guid);
	rsm_cartridge_detach_locked(cartridge);
}

static bool is_held_locked(const struct rsm_cartridge *cartridge)
{
	return cartridge->references > 1 || cartridge->state != RSM_CARTRIDGE_AWAY ||
	       rsm_manager_in_use_locked(cartridge);
}

/* other: NULL, or its other side. */
static int forget_unused(struct rsm_manager *manager, struct rsm_cartridge *cartridge,
			 struct rsm_cartridge *other, struct rsm_medium *ret_medium,
			 struct rsm_err *err)
{
	struct rsm_medium second = { 0 };
	int r = 0;

	RSM_LOCK_SCOPE(&manager->lock);
	if (is_held_locked(cartridge) || (other && is_held_locked(other)))
		return rsm_err_set(err, EBUSY, "%s is in use", cartridge->barcode);
	if (other)
		r = rsm_medium_get(manager->catalog, other->id, &second, err);
	if (r >= 0)
		r = rsm_medium_forget(manager->catalog, cartridge->id, ret_medium, err);
	if (r < 0)
		return r;
	leave_table_locked(cartridge, ret_medium);
	if (other)
		leave_table_locked(other, &second);
	return 0;
}

int rsm_manager_forget(struct rsm_manager *manager, int64_t id, struct rsm_err *err)
{
	struct rsm_cartridge *cartridge, *other;
	struct rsm_medium medium;
	struct rsm_err own;
	int64_t below;
	int r = rsm_cartridge_ref(manager, id, &cartridge, err);

	if (r != 0)
		return r < 0 ? r : absent(err);
	other = rsm_cartridge_ref_other_side(cartridge);
	below = other ? other->id : 0;
	r = forget_unused(manager, cartridge, other, &medium, err);
	rsm_cartridge_unref(cartridge);
	if (other)
		rsm_cartridge_unref(other);
	if (r < 0)
		return r;
	/* whatever comes, it will not be this one */
	if (rsm_operator_request_end_medium(manager->catalog, id, &own) < 0 ||
	    (below && rsm_operator_request_end_medium(manager->catalog, below, &own) < 0))
		rsm_log_warning("a request for %s stays open: %s", medium.shown, own.msg);
	rsm_log_info("%s is forgotten", medium.shown);
	rsm_event_add(manager->catalog, "forget", "medium", medium.shown, NULL);
	return 0;
}
