/* The volume's name is the cartridge's, unless somebody gave it another one: user.ltfs.volumeName,
 * or the software that made the volume. It stands in the index as the root's name, and in MAM,
 * where the pool stands beside it (ltfs-format.md 6.1, contract 8).
 */
#include "core/ltfs/ltfs_private.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

enum { TEXT_SIZE = 160 };

/* The name of the cartridge when the newest index was written; NULL: none of ours. */
static int get_last_name(struct rsm_volume_index *index, char **ret_name, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text value = { 0 };
	RSM_FREE char *newer = NULL;
	int r;

	*ret_name = NULL;
	r = rsm_volume_index_get_fact(index, RSM_LTFS_ROOT_KEYS, &newer, err);
	if (r == 0 && newer)
		return rsm_volume_index_get_fact(index, RSM_LTFS_NAME_KEY, ret_name, err);
	if (r == 0)
		r = rsm_volume_index_get_xattr(index, RSM_NODE_ROOT, RSM_LTFS_NAME_KEY, &value,
					       err);
	if (r == RSM_NODE_ABSENT)
		return 0;
	return r ? r : rsm_text_take(&value, ret_name, err);
}

int rsm_ltfs_save_volume_name(struct rsm_ltfs_volume *ltfs,
			      const struct rsm_volume_identity *identity, struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(ltfs->content);
	RSM_FREE char *name = NULL, *last = NULL;
	int r;

	if (!identity || !identity->name)
		return 0;
	r = rsm_volume_index_get_fact(index, "volume_name", &name, err);
	if (r == 0 && name && *name)
		r = get_last_name(index, &last, err);
	if (r < 0 || (name && !strcmp(name, identity->name)))
		return r;
	if (name && *name && (!last || strcmp(name, last) != 0))
		return 0;
	return rsm_volume_index_set_fact(index, "volume_name", identity->name, err);
}

void rsm_ltfs_put_text(struct rsm_tape_drive *drive, enum rsm_mam_id id, enum rsm_mam_format format,
		       const char *text, size_t length, char fill)
{
	char value[TEXT_SIZE], now[TEXT_SIZE];
	size_t n = strlen(text), got = 0;
	struct rsm_err err;
	int r;

	if (n >= length) { /* whole characters, and a text ends with a NUL */
		n = fill ? length : length - 1;
		while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	}
	memset(value, fill, sizeof value);
	memcpy(value, text, n);
	r = rsm_medium_memory_read(drive, 0, id, now, sizeof now, &got, NULL);
	if (r == 0 && got == length && memcmp(now, value, length) == 0)
		return;
	r = rsm_medium_memory_write(drive, 0, id, format, value, length, &err);
	if (r < 0 && r != -EOPNOTSUPP)
		rsm_log_warning("MAM attribute %04Xh is not written, ignoring: %s", (unsigned)id,
				err.msg);
}

void rsm_ltfs_write_names(struct rsm_ltfs_volume *ltfs, const struct rsm_volume_identity *identity)
{
	RSM_FREE char *name = NULL;

	if (!identity || !identity->name)
		return;
	if (rsm_volume_index_get_fact(rsm_content_index(ltfs->content), "volume_name", &name,
				      NULL) == 0)
		rsm_ltfs_put_text(ltfs->drive, RSM_MAM_MEDIUM_TEXT, RSM_MAM_TEXT, name ? name : "",
				  TEXT_SIZE, '\0');
	rsm_ltfs_put_text(ltfs->drive, RSM_MAM_MEDIA_POOL, RSM_MAM_TEXT,
			  identity->pool ? identity->pool : "", TEXT_SIZE, '\0');
}
