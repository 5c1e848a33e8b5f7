/* What people set of a volume that is not in the tree: its advisory lock (18.1) and the barcode in
 * the medium's memory. Both wait as facts of the volume index until the next commit, which is a
 * full one then, so that a medium that is not in a drive can be told, too.
 *
 * The index decides on the lock, the memory repeats it; so both indexes are written first. Dying in
 * between leaves the fact, and the commit is made again at the next mount.
 */
#include "core/ltfs/ltfs_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { BARCODE_LENGTH = 32 };

static const struct {
	const char *word;
	uint8_t memory; /* attribute 1623h */
} states[] = { { "unlocked", 0 }, { "locked", 1 }, { "permlocked", 3 } };

/* The caller frees; NULL: nothing is due. */
static char *due(struct rsm_ltfs_volume *ltfs, const char *key)
{
	char *value = NULL;

	if (rsm_volume_index_get_fact(rsm_content_index(ltfs->content), key, &value, NULL) < 0)
		return NULL;
	return value;
}

/* What is staged still has to go to the medium before it is locked. */
bool rsm_ltfs_take_due(struct rsm_ltfs_volume *ltfs)
{
	RSM_FREE char *lock = due(ltfs, RSM_LTFS_LOCK_DUE);
	RSM_FREE char *barcode = due(ltfs, RSM_LTFS_BARCODE_DUE);
	struct rsm_content_use use;

	rsm_content_use(ltfs->content, &use);
	if (lock && use.staged_files && strcmp(lock, "unlocked") != 0) {
		free(lock);
		lock = NULL;
	}
	snprintf(ltfs->lock_due, sizeof ltfs->lock_due, "%s", lock ? lock : "");
	return lock || barcode;
}

bool rsm_ltfs_is_being_unlocked(struct rsm_ltfs_volume *ltfs)
{
	RSM_FREE char *lock = due(ltfs, RSM_LTFS_LOCK_DUE);

	return ltfs->locked && lock && strcmp(lock, "unlocked") == 0;
}

void rsm_ltfs_settle_lock(struct rsm_ltfs_volume *ltfs)
{
	/* damage, or another reason as well */
	if (!rsm_ltfs_is_being_unlocked(ltfs) || strcmp(ltfs->reason, RSM_LTFS_LOCKED) != 0 ||
	    (ltfs->refusal && strcmp(ltfs->refusal, RSM_LTFS_LOCKED) != 0))
		return;
	ltfs->locked = ltfs->read_only = false;
	ltfs->refusal = NULL;
	ltfs->reason[0] = '\0';
}

static void write_memory(struct rsm_ltfs_volume *ltfs, uint16_t id, enum rsm_mam_format format,
			 const void *value, size_t length)
{
	struct rsm_err err;
	int r = rsm_medium_memory_write(ltfs->drive, 0, id, format, value, length, &err);

	if (r < 0 && r != -EOPNOTSUPP)
		rsm_log_warning("attribute %04xh is not written, ignoring: %s", id, err.msg);
}

static void write_barcode(struct rsm_ltfs_volume *ltfs, const char *barcode)
{
	char padded[BARCODE_LENGTH + 1];

	snprintf(padded, sizeof padded, "%-*s", BARCODE_LENGTH, barcode);
	write_memory(ltfs, RSM_MAM_BARCODE, RSM_MAM_ASCII, padded, BARCODE_LENGTH);
}

static void write_lock(struct rsm_ltfs_volume *ltfs, const char *lock)
{
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (strcmp(states[i].word, lock) == 0)
			write_memory(ltfs, RSM_MAM_VOLUME_LOCK, RSM_MAM_BINARY, &states[i].memory,
				     1);
	ltfs->locked = strcmp(lock, "locked") == 0;
	if (strcmp(lock, "unlocked") == 0)
		return;
	ltfs->read_only = true;
	ltfs->refusal = RSM_LTFS_LOCKED;
	snprintf(ltfs->reason, sizeof ltfs->reason, RSM_LTFS_LOCKED);
}

int rsm_ltfs_write_due(struct rsm_ltfs_volume *ltfs, struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	RSM_FREE char *barcode = due(ltfs, RSM_LTFS_BARCODE_DUE);
	RSM_FREE char *lock = NULL;
	int r = 0;

	if (barcode)
		write_barcode(ltfs, barcode);
	if (ltfs->lock_due[0]) {
		write_lock(ltfs, ltfs->lock_due);
		r = rsm_volume_index_set_fact(index, "lock", ltfs->lock_due, err);
	}
	if (r == 0)
		r = rsm_volume_index_set_fact(index, RSM_LTFS_BARCODE_DUE, NULL, err);
	if (r == 0)
		r = rsm_volume_index_get_fact(index, "lock", &lock, err);
	if (r == 0)
		r = rsm_ltfs_save_medium_facts(ltfs, lock ? lock : "unlocked", err);
	/* whoever waits for it finds all of it done */
	if (r == 0 && ltfs->lock_due[0])
		r = rsm_volume_index_set_fact(index, RSM_LTFS_LOCK_DUE, NULL, err);
	ltfs->lock_due[0] = '\0';
	return r ? r : rsm_volume_index_commit(index, false, err);
}
