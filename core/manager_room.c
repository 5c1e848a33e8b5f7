/* What fits on a cartridge: for df, and for who writes.
 *
 * Room is what the medium has left, as the drive told after its last step, less what is staged for
 * it. While a drive writes neither is true for a moment: the bytes are on the medium and still
 * count as staged, or the other way round. So the room is set after each step, writers take from it
 * between, and what they give back (a staged file that is removed) comes with the next measuring,
 * which a writer who finds too little asks for, and waits for if a drive writes just now.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/drive_private.h"

#define RESERVE_MOST ((uint64_t)64 << 20)
#define SMALL_TAPE   ((uint64_t)100 << 30)
enum {
	MOST_AT_LEAST = 512 * 1024, /* bytes of an index that every index partition takes */
	FORMAT_TAKES = 5 << 18,	    /* bytes less than thought are left by formatting, at most:
				       the medium memory counts whole MiB, and labels and the
				       first index are there */
};

/* How long an index of it is now, and the longest that its index partition holds (0: unknown). Of
 * contents that nobody looks at the size of their database tells enough.
 */
static void measure_index(struct rsm_manager *manager, const struct rsm_medium *medium,
			  uint64_t *ret_bytes, uint64_t *ret_most)
{
	enum { EMPTY_DATABASE = 192 * 1024, LABELS = 64 * 1024 };
	struct rsm_cartridge *cartridge;
	struct rsm_content *content = NULL;
	char path[PATH_MAX];
	struct stat st;

	*ret_bytes = *ret_most = 0;
	rsm_mutex_lock(&manager->lock);
	cartridge = rsm_cartridge_find_locked(manager, medium->id);
	if (cartridge && cartridge->content && strcmp(cartridge->uuid, medium->volume_uuid) == 0) {
		cartridge->references++;
		content = cartridge->content;
	}
	rsm_mutex_unlock(&manager->lock);
	if (content) {
		struct rsm_volume_index *index = rsm_content_index(content);

		*ret_bytes = rsm_volume_index_document_bytes(index);
		if (medium->label_work == RSM_LABEL_FORMAT ||
		    rsm_volume_index_get_number(index, "index_capacity", ret_most, 0, NULL) < 0)
			*ret_most = 0;
		/* two slips of a tenth: the estimate's, and what is made by renaming */
		*ret_most = *ret_most > 2 * LABELS ? *ret_most / 10 * 9 - LABELS : *ret_most / 2;
		rsm_cartridge_unref(cartridge);
		return;
	}
	if (!medium->volume_uuid[0] || medium->label_work == RSM_LABEL_FORMAT)
		return;
	rsm_cartridge_folder(manager, medium->volume_uuid, path, sizeof path - 16);
	strcat(path, "/index.db");
	if (stat(path, &st) == 0 && st.st_size > EMPTY_DATABASE)
		*ret_bytes = (uint64_t)(st.st_size - EMPTY_DATABASE) * 3;
}

void rsm_manager_medium_space(struct rsm_manager *manager, const struct rsm_medium *m,
			      const struct rsm_medium_use *use, uint64_t *ret_total,
			      uint64_t *ret_free)
{
	bool is_volume = m->capacity && strcmp(m->label_type, "LTFS") == 0;
	uint64_t reserve, index, most;

	*ret_total = m->capacity ? m->capacity : rsm_manager_nominal_capacity(manager, m);
	*ret_free = m->remaining;
	if (!is_volume) /* its index partition will take a share, more of a small tape */
		*ret_total -= *ret_total / (*ret_total < SMALL_TAPE ? 20 : 40);
	if (!is_volume || m->label_work == RSM_LABEL_FORMAT ||
	    (!m->lmid[0] && m->state != RSM_MEDIUM_IMPORT))
		*ret_free = *ret_total;
	reserve = *ret_total / 100 +
		  (*ret_total / 20 < RESERVE_MOST ? *ret_total / 20 : RESERVE_MOST);
	if (!is_volume)
		reserve += FORMAT_TAKES;
	measure_index(manager, m, &index, &most);
	reserve += 2 * index;
	reserve += use->staged_bytes + use->staged_files * 1024;
	*ret_free = *ret_free > reserve ? *ret_free - reserve : 0;
	if (m->state == RSM_MEDIUM_COMPLETE || m->write_protected)
		*ret_free = 0;
}

int rsm_manager_space(struct rsm_manager *manager, int64_t medium, uint64_t *ret_total,
		      uint64_t *ret_free, struct rsm_err *err)
{
	struct rsm_medium_use use;
	struct rsm_medium m;
	int r = rsm_medium_get(manager->catalog, medium, &m, err);

	if (r > 0)
		return rsm_err_set(err, ENOENT, "there is no such cartridge");
	if (r == 0)
		r = rsm_manager_medium_use(manager, medium, &use, err);
	if (r == 0)
		rsm_manager_medium_space(manager, &m, &use, ret_total, ret_free);
	return r;
}

/* ---- what contents are told ---- */

static void measure_room(struct rsm_manager *manager, int64_t medium, uint64_t *ret_room,
			 uint64_t *ret_index_room)
{
	uint64_t total, left, bytes, most;
	struct rsm_medium m;

	*ret_room = *ret_index_room = UINT64_MAX;
	if (rsm_medium_get(manager->catalog, medium, &m, NULL) != 0 ||
	    rsm_manager_space(manager, medium, &total, &left, NULL) < 0 || !total)
		return;
	*ret_room = left;
	measure_index(manager, &m, &bytes, &most);
	if (!most) { /* it is not formatted yet: the least that it can get, as in _space */
		most = total / (total < SMALL_TAPE ? 20 : 40) / 10 * 9;
		if (most < MOST_AT_LEAST)
			most = MOST_AT_LEAST;
	}
	*ret_index_room = most > bytes ? most - bytes : 0;
	if (*ret_index_room > left / 2)
		*ret_index_room = left / 2;
}

static void set_room_locked(struct rsm_cartridge *cartridge, uint64_t room)
{
	bool full = cartridge->no_room || cartridge->full;

	rsm_content_set_full(cartridge->content, full);
	rsm_content_set_room(cartridge->content, full ? 0 : room);
}

/* Under the lock, for who allocates it and whose drive has just looked at it may do this at one
 * time: what was read first must not be what is applied last.
 */
void rsm_manager_apply_state(struct rsm_manager *manager, struct rsm_cartridge *cartridge)
{
	uint64_t room, index_room;
	struct rsm_medium m;
	int64_t id;

	rsm_mutex_lock(&manager->lock);
	id = cartridge->content ? cartridge->id : 0;
	rsm_mutex_unlock(&manager->lock);
	if (!id)
		return;
	measure_room(manager, id, &room, &index_room);
	RSM_LOCK_SCOPE(&manager->lock);
	if (!cartridge->content || rsm_medium_get(manager->catalog, cartridge->id, &m, NULL) != 0)
		return;
	rsm_manager_refuse_by_state_locked(cartridge, &m);
	set_room_locked(cartridge, room);
	rsm_content_set_index_room(cartridge->content, index_room);
}

/* No drive writes to it, so what the catalogue and the staging area say fits together. */
static bool is_at_rest_locked(const struct rsm_cartridge *cartridge)
{
	switch (cartridge->state) {
	case RSM_CARTRIDGE_AWAY:
	case RSM_CARTRIDGE_FETCHING: return true;
	case RSM_CARTRIDGE_LOADED: return cartridge->worker->state != RSM_DRIVE_WRITING;
	default: return false;
	}
}

bool rsm_manager_measure_again(struct rsm_manager *manager, struct rsm_cartridge *cartridge)
{
	uint64_t room, index_room;
	unsigned steps;
	bool rests;

	rsm_mutex_lock(&manager->lock);
	steps = cartridge->write_steps;
	rests = is_at_rest_locked(cartridge);
	rsm_mutex_unlock(&manager->lock);
	if (!rests)
		return false;
	measure_room(manager, cartridge->id, &room, &index_room);
	RSM_LOCK_SCOPE(&manager->lock);
	if (!cartridge->content)
		return true;
	if (!is_at_rest_locked(cartridge) || steps != cartridge->write_steps)
		return false;
	if (cartridge->full) { /* with less before it, what did not fit may */
		cartridge->full = false;
		rsm_cartridge_note_work_locked(cartridge);
		rsm_manager_wake_locked(manager);
	}
	set_room_locked(cartridge, room);
	/* what is to replace a file counts besides the file just now: names must not suffer for
	 * that */
	rsm_content_raise_index_room(cartridge->content, index_room);
	return true;
}
